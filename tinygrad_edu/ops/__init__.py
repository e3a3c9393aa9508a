"""The table itself: one row an op, one topic a file."""

from tinygrad_edu.ops import conv, elementwise, fused, index, linalg, reduce, shape
from tinygrad_edu.ops.conv import *  # noqa: F403 - each file names its rows in __all__
from tinygrad_edu.ops.elementwise import *  # noqa: F403 - as above
from tinygrad_edu.ops.fused import *  # noqa: F403 - as above
from tinygrad_edu.ops.index import *  # noqa: F403 - as above
from tinygrad_edu.ops.linalg import *  # noqa: F403 - as above
from tinygrad_edu.ops.reduce import *  # noqa: F403 - as above
from tinygrad_edu.ops.shape import *  # noqa: F403 - as above

__all__: list[str] = []
__all__ += conv.__all__
__all__ += elementwise.__all__
__all__ += fused.__all__
__all__ += index.__all__
__all__ += linalg.__all__
__all__ += reduce.__all__
__all__ += shape.__all__
