"""The table itself: one row an op, one topic a file."""

from tinygrad_edu.ops.elementwise import *  # noqa: F403 - each file names its rows in __all__
from tinygrad_edu.ops.fused import *  # noqa: F403 - as above
from tinygrad_edu.ops.index import *  # noqa: F403 - as above
from tinygrad_edu.ops.linalg import *  # noqa: F403 - as above
from tinygrad_edu.ops.reduce import *  # noqa: F403 - as above
from tinygrad_edu.ops.shape import *  # noqa: F403 - as above
