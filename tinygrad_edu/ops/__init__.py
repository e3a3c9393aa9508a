"""The table itself: one row an op, one topic a file."""

from tinygrad_edu.ops import (
    activation,
    arrange,
    attention,
    complexes,
    cumulative,
    elementwise,
    fourier,
    fused,
    index,
    linalg,
    normalization,
    order,
    pool,
    recurrent,
    reduce,
    shape,
    special,
)
from tinygrad_edu.ops import conv as conv_rows  # a row of it has the name of the file
from tinygrad_edu.ops.activation import *  # noqa: F403 - each file names its rows in __all__
from tinygrad_edu.ops.arrange import *  # noqa: F403 - as above
from tinygrad_edu.ops.attention import *  # noqa: F403 - as above
from tinygrad_edu.ops.complexes import *  # noqa: F403 - as above
from tinygrad_edu.ops.conv import *  # noqa: F403 - as above
from tinygrad_edu.ops.cumulative import *  # noqa: F403 - as above
from tinygrad_edu.ops.elementwise import *  # noqa: F403 - as above
from tinygrad_edu.ops.fourier import *  # noqa: F403 - as above
from tinygrad_edu.ops.fused import *  # noqa: F403 - as above
from tinygrad_edu.ops.index import *  # noqa: F403 - as above
from tinygrad_edu.ops.linalg import *  # noqa: F403 - as above
from tinygrad_edu.ops.normalization import *  # noqa: F403 - as above
from tinygrad_edu.ops.order import *  # noqa: F403 - as above
from tinygrad_edu.ops.pool import *  # noqa: F403 - as above
from tinygrad_edu.ops.recurrent import *  # noqa: F403 - as above
from tinygrad_edu.ops.reduce import *  # noqa: F403 - as above
from tinygrad_edu.ops.shape import *  # noqa: F403 - as above
from tinygrad_edu.ops.special import *  # noqa: F403 - as above

__all__: list[str] = []
__all__ += activation.__all__
__all__ += arrange.__all__
__all__ += attention.__all__
__all__ += complexes.__all__
__all__ += conv_rows.__all__
__all__ += cumulative.__all__
__all__ += elementwise.__all__
__all__ += fourier.__all__
__all__ += fused.__all__
__all__ += index.__all__
__all__ += linalg.__all__
__all__ += normalization.__all__
__all__ += order.__all__
__all__ += pool.__all__
__all__ += recurrent.__all__
__all__ += reduce.__all__
__all__ += shape.__all__
__all__ += special.__all__
