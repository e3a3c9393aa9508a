"""The table itself: one row an op, one topic a file."""

from tinygrad_edu.ops import (
    activation,
    apply,
    arrange,
    attention,
    complexes,
    conv,
    ctc,
    cumulative,
    decompose,
    elementwise,
    fourier,
    fused,
    gamma,
    index,
    likelihood,
    linalg,
    loss,
    margin,
    normalization,
    order,
    polynomial,
    pool,
    ranges,
    recurrent,
    reduce,
    sets,
    shape,
    signal,
    special,
)
from tinygrad_edu.ops.activation import *  # noqa: F403 - each file names its rows in __all__
from tinygrad_edu.ops.apply import *  # noqa: F403 - as above
from tinygrad_edu.ops.arrange import *  # noqa: F403 - as above
from tinygrad_edu.ops.attention import *  # noqa: F403 - as above
from tinygrad_edu.ops.complexes import *  # noqa: F403 - as above
from tinygrad_edu.ops.conv import *  # noqa: F403 - as above
from tinygrad_edu.ops.ctc import *  # noqa: F403 - as above
from tinygrad_edu.ops.cumulative import *  # noqa: F403 - as above
from tinygrad_edu.ops.decompose import *  # noqa: F403 - as above
from tinygrad_edu.ops.elementwise import *  # noqa: F403 - as above
from tinygrad_edu.ops.fourier import *  # noqa: F403 - as above
from tinygrad_edu.ops.fused import *  # noqa: F403 - as above
from tinygrad_edu.ops.gamma import *  # noqa: F403 - as above
from tinygrad_edu.ops.index import *  # noqa: F403 - as above
from tinygrad_edu.ops.likelihood import *  # noqa: F403 - as above
from tinygrad_edu.ops.linalg import *  # noqa: F403 - as above
from tinygrad_edu.ops.loss import *  # noqa: F403 - as above
from tinygrad_edu.ops.margin import *  # noqa: F403 - as above
from tinygrad_edu.ops.normalization import *  # noqa: F403 - as above
from tinygrad_edu.ops.order import *  # noqa: F403 - as above
from tinygrad_edu.ops.polynomial import *  # noqa: F403 - as above
from tinygrad_edu.ops.pool import *  # noqa: F403 - as above
from tinygrad_edu.ops.ranges import *  # noqa: F403 - as above
from tinygrad_edu.ops.recurrent import *  # noqa: F403 - as above
from tinygrad_edu.ops.reduce import *  # noqa: F403 - as above
from tinygrad_edu.ops.sets import *  # noqa: F403 - as above
from tinygrad_edu.ops.shape import *  # noqa: F403 - as above
from tinygrad_edu.ops.signal import *  # noqa: F403 - as above
from tinygrad_edu.ops.special import *  # noqa: F403 - as above

__all__: list[str] = []
__all__ += activation.__all__
__all__ += apply.__all__
__all__ += arrange.__all__
__all__ += attention.__all__
__all__ += complexes.__all__
__all__ += conv.__all__
__all__ += ctc.__all__
__all__ += cumulative.__all__
__all__ += decompose.__all__
__all__ += elementwise.__all__
__all__ += fourier.__all__
__all__ += fused.__all__
__all__ += gamma.__all__
__all__ += index.__all__
__all__ += likelihood.__all__
__all__ += linalg.__all__
__all__ += loss.__all__
__all__ += margin.__all__
__all__ += normalization.__all__
__all__ += order.__all__
__all__ += polynomial.__all__
__all__ += pool.__all__
__all__ += ranges.__all__
__all__ += recurrent.__all__
__all__ += reduce.__all__
__all__ += sets.__all__
__all__ += shape.__all__
__all__ += signal.__all__
__all__ += special.__all__
