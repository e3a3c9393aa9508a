"""Types of the rows, generated from the table by tests/test_stubs.py: do not edit."""

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.ops.order import Ranked

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "adaptive_avg_pool",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add",
    "addcdiv",
    "addcmul",
    "addmm",
    "all",
    "alpha_dropout",
    "amax",
    "amin",
    "angle",
    "any",
    "append",
    "apply_along_axis",
    "apply_mask",
    "apply_over_axes",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "array_split",
    "asanyarray",
    "ascontiguousarray",
    "asfortranarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "attention_weights",
    "average",
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "baddbmm",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "bincount",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "blend",
    "block",
    "bmm",
    "broadcast_arrays",
    "broadcast_to",
    "cat",
    "causal_mask",
    "cbrt",
    "cdist",
    "ceil",
    "celu",
    "cholesky",
    "choose",
    "chunk",
    "clamp",
    "clip",
    "clip_gradient",
    "clip_through",
    "cofactor",
    "cofactor_derivative",
    "col2im",
    "column_stack",
    "compress",
    "concat",
    "concatenate",
    "cond",
    "conj",
    "conjugate",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution",
    "convolve",
    "copy",
    "copysign",
    "corrcoef",
    "correlate",
    "cos",
    "cosh",
    "cosine_embedding_loss",
    "cosine_similarity",
    "count_nonzero",
    "cov",
    "crop",
    "cross",
    "cross_entropy",
    "ctc_loss",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "cumulative_trapezoid",
    "deg2rad",
    "degrees",
    "delete",
    "depthwise_conv2d",
    "det",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "dice_loss",
    "diff",
    "digamma",
    "digitize",
    "div",
    "divide",
    "divmod",
    "dot",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dsplit",
    "dstack",
    "ediff1d",
    "eigh",
    "eigh_packed",
    "eigvalsh",
    "einsum",
    "elu",
    "embedding",
    "eq",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "euclidean_norm",
    "exp",
    "exp2",
    "expand",
    "expand_dims",
    "expit",
    "expm",
    "expm1",
    "expm_frechet",
    "exponent",
    "extract",
    "fabs",
    "fft",
    "fft2",
    "fftn",
    "fftshift",
    "fill_diagonal",
    "fix",
    "flatnonzero",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "fold",
    "frexp",
    "gammaln",
    "gather",
    "gaussian_dropout",
    "gaussian_nll_loss",
    "gaussian_noise",
    "gcd",
    "ge",
    "geglu",
    "gelu",
    "gelu_tanh",
    "geomspace",
    "ger",
    "getitem",
    "global_avg_pool",
    "global_max_pool",
    "glu",
    "gradient",
    "gradient_reversal",
    "greater",
    "greater_equal",
    "group_norm",
    "gru_cell",
    "gru_scan",
    "gt",
    "gumbel_softmax",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "hardmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "heaviside",
    "heaviside_through",
    "hfft",
    "hinge_embedding_loss",
    "hinge_loss",
    "histogram_bin_edges",
    "hsplit",
    "hstack",
    "huber_loss",
    "hypot",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "identity",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "im2col",
    "imag",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "inner",
    "insert",
    "instance_norm",
    "interp",
    "interpolate",
    "intersect1d",
    "inv",
    "invert",
    "irfft",
    "irfft2",
    "irfftn",
    "isclose",
    "iscomplex",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "ix_",
    "jensen_shannon",
    "kl_div",
    "kron",
    "kthvalue",
    "l1_loss",
    "layer_norm",
    "lcm",
    "ldexp",
    "le",
    "leaky_relu",
    "left_shift",
    "lerp",
    "less",
    "less_equal",
    "lexsort",
    "lgamma",
    "linalg_cross",
    "linalg_diagonal",
    "linalg_outer",
    "linalg_trace",
    "linear",
    "linspace",
    "local_response_norm",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_cosh",
    "log_cosh_loss",
    "log_sigmoid",
    "log_softmax",
    "logabsdet",
    "logaddexp",
    "logaddexp2",
    "logcumsumexp",
    "logdet",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logsigmoid",
    "logspace",
    "logsumexp",
    "lp_pool",
    "lstm_cell",
    "lstm_scan",
    "lstm_step",
    "lstsq",
    "lt",
    "margin_ranking_loss",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "matvec",
    "max",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "maximum",
    "mean",
    "mean_absolute_error",
    "mean_squared_error",
    "median",
    "meshgrid",
    "min",
    "minimum",
    "mish",
    "mm",
    "mod",
    "modf",
    "moveaxis",
    "movedim",
    "mse_loss",
    "msort",
    "mul",
    "multi_dot",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "multiply",
    "mv",
    "nan_to_num",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "narrow",
    "ne",
    "neg",
    "negative",
    "nextafter",
    "nll_loss",
    "nonzero",
    "norm",
    "normalize",
    "not_equal",
    "one_hot",
    "order_statistic",
    "outer",
    "overlap_add",
    "p_norm",
    "pad",
    "pad_constant",
    "pairwise_distance",
    "partition",
    "percentile",
    "permute",
    "permute_dims",
    "piecewise",
    "pinv",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "polar",
    "poly",
    "polyadd",
    "polyder",
    "polyfit",
    "polygamma",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "positive",
    "pow",
    "power",
    "prelu",
    "prod",
    "psi",
    "ptp",
    "put",
    "put_along_axis",
    "qr",
    "qr_packed",
    "quantile",
    "quick_gelu",
    "rad2deg",
    "radians",
    "ravel",
    "real",
    "real_if_close",
    "reciprocal",
    "reglu",
    "relu",
    "relu6",
    "remainder",
    "repeat",
    "repeat_interleave",
    "reshape",
    "resize",
    "rfft",
    "rfft2",
    "rfftn",
    "right_shift",
    "rint",
    "rms_norm",
    "rnn_cell",
    "rnn_scan",
    "roll",
    "rollaxis",
    "rot90",
    "round",
    "round_through",
    "row_stack",
    "rrelu",
    "rsqrt",
    "scale_gradient",
    "scaled_dot_product_attention",
    "scatter",
    "scatter_add",
    "searchsorted",
    "select",
    "selu",
    "setdiff1d",
    "setitem",
    "setxor1d",
    "sigmoid",
    "sigmoid_focal_loss",
    "sign",
    "sign_of_det",
    "sign_through",
    "signbit",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "sliding_window_view",
    "slogdet",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmax2d",
    "softmax_cross_entropy",
    "softmax_focal_loss",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "solve",
    "solve_triangular",
    "sort",
    "spacing",
    "split",
    "sqrt",
    "square",
    "squared_hinge_loss",
    "squareplus",
    "squeeze",
    "stack",
    "standardize",
    "std",
    "std_mean",
    "stop_gradient",
    "straight_through",
    "sub",
    "subtract",
    "sum",
    "sum_to",
    "svd",
    "svd_packed",
    "svdvals",
    "swapaxes",
    "swapdims",
    "swiglu",
    "swish",
    "t",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tanhshrink",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "threshold",
    "tile",
    "to_complex",
    "topk",
    "trace",
    "transpose",
    "trapezoid",
    "trapz",
    "tril",
    "trim_zeros",
    "triplet_margin_loss",
    "triu",
    "true_divide",
    "trunc",
    "unbind",
    "unflatten",
    "unfold",
    "union1d",
    "unique",
    "unique_values",
    "unsqueeze",
    "unstack",
    "unwrap",
    "upsample",
    "vander",
    "var",
    "var_mean",
    "vdot",
    "vecdot",
    "vecmat",
    "vector_norm",
    "vsplit",
    "vstack",
    "weighted",
    "where",
    "windows",
    "xlog1py",
    "xlogy",
]

def abs(x: Any) -> Tensor:
    """Absolute value."""

def absolute(x: Any) -> Tensor:
    """Absolute value."""

def acos(x: Any) -> Tensor:
    """Angle of a cosine."""

def acosh(x: Any) -> Tensor:
    """Inverse of cosh."""

def adaptive_avg_pool(x: Any, output_size: Any) -> Tensor:
    """Return the means of as many cells as wanted; they overlap where lengths do not divide."""

def adaptive_avg_pool1d(x: Any, output_size: Any) -> Tensor:
    """Return the means of as many cells as wanted; they overlap where lengths do not divide."""

def adaptive_avg_pool2d(x: Any, output_size: Any) -> Tensor:
    """Return the means of as many cells as wanted; they overlap where lengths do not divide."""

def adaptive_avg_pool3d(x: Any, output_size: Any) -> Tensor:
    """Return the means of as many cells as wanted; they overlap where lengths do not divide."""

def adaptive_max_pool(x: Any, output_size: Any) -> Tensor:
    """Largest elements of as many cells as wanted; see adaptive_avg_pool."""

def adaptive_max_pool1d(x: Any, output_size: Any) -> Tensor:
    """Largest elements of as many cells as wanted; see adaptive_avg_pool."""

def adaptive_max_pool2d(x: Any, output_size: Any) -> Tensor:
    """Largest elements of as many cells as wanted; see adaptive_avg_pool."""

def adaptive_max_pool3d(x: Any, output_size: Any) -> Tensor:
    """Largest elements of as many cells as wanted; see adaptive_avg_pool."""

def add(a: Any, b: Any) -> Tensor:
    """Sum."""

def addcdiv(x: Any, a: Any, b: Any, value: Any = 1) -> Tensor:
    """Add a quotient to x, `value` times."""

def addcmul(x: Any, a: Any, b: Any, value: Any = 1) -> Tensor:
    """Add a product to x, `value` times."""

def addmm(c: Any, a: Any, b: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Add a multiple of a matrix product to a multiple of c."""

def all(x: Any, axis: Any = None, *, keepdims: Any = False, where: Any = True) -> Tensor:
    """Whether all elements are true."""

def alpha_dropout(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None, shared: Any = ()) -> Tensor:
    """Elements set to SELU's limit with probability p; mean 0 and variance 1 are kept."""

def amax(x: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True) -> Tensor:
    """Largest element over axes."""

def amin(x: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True) -> Tensor:
    """Smallest element over axes."""

def angle(x: Any, deg: Any = False) -> Tensor:
    """Angle from the positive real axis, in radians or degrees."""

def any(x: Any, axis: Any = None, *, keepdims: Any = False, where: Any = True) -> Tensor:
    """Whether an element is true."""

def append(x: Any, values: Any, axis: Any = None) -> Tensor:
    """Join values behind the array, both flattened for axis None."""

def apply_along_axis(func1d: Any, axis: Any, x: Any, *args: Any) -> Tensor:
    """Call a function with each vector along an axis, and put its results in their place."""

def apply_mask(x: Any, mask: Any, scale: Any = 1.0) -> Tensor:
    """Elements where a mask is true, times a factor; 0 elsewhere."""

def apply_over_axes(func: Any, x: Any, axes: Any) -> Tensor:
    """Call a function that reduces an axis for one axis after the other, keeping each as 1."""

def arccos(x: Any) -> Tensor:
    """Angle of a cosine."""

def arccosh(x: Any) -> Tensor:
    """Inverse of cosh."""

def arcsin(x: Any) -> Tensor:
    """Angle of a sine."""

def arcsinh(x: Any) -> Tensor:
    """Inverse of sinh."""

def arctan(x: Any) -> Tensor:
    """Angle of a tangent."""

def arctan2(a: Any, b: Any) -> Tensor:
    """Angle of the point with height a and width b."""

def arctanh(x: Any) -> Tensor:
    """Inverse of tanh."""

def argmax(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Index of the first largest element."""

def argmin(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Index of the first smallest element."""

def argpartition(x: Any, kth: Any, axis: Any = -1, kind: Any = 'introselect') -> Tensor:
    """The indices that partition along an axis."""

def argsort(x: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    """The indices that sort along an axis."""

def argwhere(x: Any) -> Tensor:
    """The indices of the elements that are not 0, in rows."""

def array_split(x: Any, indices_or_sections: Any, axis: Any = 0) -> list[Tensor]:
    """Cut along an axis into parts of nearly equal length, the longer first; returns a list."""

def asanyarray(x: Any) -> Tensor:
    """The same value, in the same memory, on a node of its own."""

def ascontiguousarray(x: Any) -> Tensor:
    """The same value, in the same memory, on a node of its own."""

def asfortranarray(x: Any) -> Tensor:
    """The same value, in the same memory, on a node of its own."""

def asin(x: Any) -> Tensor:
    """Angle of a sine."""

def asinh(x: Any) -> Tensor:
    """Inverse of sinh."""

def astype(x: Any, dtype: Any) -> Tensor:
    """Convert to another dtype."""

def atan(x: Any) -> Tensor:
    """Angle of a tangent."""

def atan2(a: Any, b: Any) -> Tensor:
    """Angle of the point with height a and width b."""

def atanh(x: Any) -> Tensor:
    """Inverse of tanh."""

def atleast_1d(x: Any) -> Tensor:
    """Give a scalar one axis."""

def atleast_2d(x: Any) -> Tensor:
    """Give a scalar or a vector two axes, a vector becoming a row."""

def atleast_3d(x: Any) -> Tensor:
    """Give an array three axes: a vector the middle one, a matrix the first two."""

def attention_weights(q: Any, k: Any, mask: Any = None, causal: Any = False, scale: Any = None) -> Tensor:
    """How much each query takes from each key: the weights of attention, to be looked at."""

def average(x: Any, axis: Any = None, weights: Any = None, returned: Any = False, keepdims: Any = False) -> Tensor:
    """Mean in which each element counts as much as its weight; with the sum of weights if asked."""

def avg_pool(x: Any, size: Any, stride: Any = None, padding: Any = 0, ceil_mode: Any = False, count_include_pad: Any = True) -> Tensor:
    """Mean of each window; windows lie side by side unless a stride is given."""

def avg_pool1d(x: Any, size: Any, stride: Any = None, padding: Any = 0, ceil_mode: Any = False, count_include_pad: Any = True) -> Tensor:
    """Mean of each window; windows lie side by side unless a stride is given."""

def avg_pool2d(x: Any, size: Any, stride: Any = None, padding: Any = 0, ceil_mode: Any = False, count_include_pad: Any = True) -> Tensor:
    """Mean of each window; windows lie side by side unless a stride is given."""

def avg_pool3d(x: Any, size: Any, stride: Any = None, padding: Any = 0, ceil_mode: Any = False, count_include_pad: Any = True) -> Tensor:
    """Mean of each window; windows lie side by side unless a stride is given."""

def baddbmm(c: Any, a: Any, b: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Add a multiple of a matrix product to a multiple of c."""

def batch_norm(x: Any, scale: Any = None, shift: Any = None, mean: Any = None, var: Any = None, axis: Any = 1, eps: Any = 1e-05) -> Tensor:
    """Each feature normalised over the batch, or by the mean and var that are given."""

def binary_cross_entropy(probabilities: Any, target: Any, weight: Any = None, reduction: Any = 'mean') -> Tensor:
    """Cross-entropy of probabilities against targets in [0, 1]; nothing is clipped."""

def binary_cross_entropy_with_logits(logits: Any, targets: Any, weight: Any = None, pos_weight: Any = None, reduction: Any = 'mean') -> Tensor:
    """Cross-entropy of sigmoid(logits) against targets in [0, 1], without overflow."""

def bincount(x: Any, weights: Any = None, minlength: Any = 0) -> Tensor:
    """How often each whole number occurs, or the sum of its weights."""

def bitwise_and(a: Any, b: Any) -> Tensor:
    """Bits set in both."""

def bitwise_count(x: Any) -> Tensor:
    """Number of bits that are set in |x|."""

def bitwise_invert(x: Any) -> Tensor:
    """All bits turned."""

def bitwise_left_shift(a: Any, b: Any) -> Tensor:
    """Bits moved up."""

def bitwise_or(a: Any, b: Any) -> Tensor:
    """Bits set in one or both."""

def bitwise_right_shift(a: Any, b: Any) -> Tensor:
    """Bits moved down."""

def bitwise_xor(a: Any, b: Any) -> Tensor:
    """Bits set in exactly one."""

def blend(x: Any, axis: Any, terms: Any) -> Tensor:
    """Weighted sums of elements along an axis, each of a few (index, weight)."""

def block(arrays: Sequence[Any]) -> Tensor:
    """Join nested lists of blocks: the innermost along the last axis, each outer along the next."""

def bmm(a: Any, b: Any) -> Tensor:
    """Matrix product; stacks of matrices broadcast, a single axis is a row or a column."""

def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    """Repeat each array to the shape of all; returns a tuple."""

def broadcast_to(x: Any, shape: Any) -> Tensor:
    """Repeat along new axes and axes of length 1."""

def cat(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    """Join along an axis that exists; along the first, flattened, for axis None."""

def causal_mask(x: Any) -> Tensor:
    """True on and below the diagonal of the last two axes: keys no later than their query."""

def cbrt(x: Any) -> Tensor:
    """Cube root."""

def cdist(a: Any, b: Any, p: Any = 2.0) -> Tensor:
    """Distances of every row of a from every row of b, by the p-norm."""

def ceil(x: Any) -> Tensor:
    """Smallest whole number not below."""

def celu(x: Any, alpha: Any = 1.0) -> Tensor:
    """Exponential linear unit of continuous slope."""

def cholesky(x: Any, upper: Any = False) -> Tensor:
    """Lower triangular factor of a symmetric, positive definite matrix; or the upper one."""

def choose(a: Any, choices: Sequence[Any], *, mode: Any = 'raise') -> Tensor:
    """Take each element from the array that an index array names."""

def chunk(x: Any, chunks: Any, axis: Any = 0) -> list[Tensor]:
    """Cut along an axis into at most so many parts of equal length, the last shorter."""

def clamp(a: Any, a_min: Any = None, a_max: Any = None) -> Tensor:
    """Value limited to an interval; a bound may be None."""

def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Tensor:
    """Value limited to an interval; a bound may be None."""

def clip_gradient(x: Any, limit: Any) -> Tensor:
    """The same value; each element of the gradient is kept within [-limit, limit]."""

def clip_through(x: Any, low: Any, high: Any) -> Tensor:
    """x kept within [low, high]; the gradient passes outside of it too."""

def cofactor(x: Any) -> Tensor:
    """Matrix of the cofactors of a square matrix: the gradient of its determinant."""

def cofactor_derivative(x: Any, e: Any) -> Tensor:
    """Change of the cofactors of x along e: the second derivative of the determinant."""

def col2im(col: Any, input_shape: Any, filter_h: Any, filter_w: Any, stride: Any = 1, pad: Any = 0) -> Tensor:
    """Add rows of windows back into images, overlaps summed: the adjoint of im2col (the book's)."""

def column_stack(arrays: Sequence[Any]) -> Tensor:
    """Join along the second axis, vectors as columns."""

def compress(condition: Any, x: Any, axis: Any = None) -> Tensor:
    """Take the slices for which the condition holds, which may be shorter than the axis."""

def concat(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    """Join along an axis that exists; along the first, flattened, for axis None."""

def concatenate(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    """Join along an axis that exists; along the first, flattened, for axis None."""

def cond(x: Any, p: Any = None) -> Tensor:
    """Return the condition number: how much solving with x may enlarge a relative error."""

def conj(x: Any) -> Tensor:
    """Complex conjugate: the imaginary part negated."""

def conjugate(x: Any) -> Tensor:
    """Complex conjugate: the imaginary part negated."""

def conv1d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1, activation: Any = None, pool: Any = 1) -> Tensor:
    """Convolution of signals (batch, channels, length); see convolution."""

def conv2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1, activation: Any = None, pool: Any = 1) -> Tensor:
    """Convolution of images (batch, channels, height, width); see convolution."""

def conv3d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1, activation: Any = None, pool: Any = 1) -> Tensor:
    """Convolution of volumes (batch, channels, depth, height, width); see convolution."""

def conv_transpose(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: Any = 1) -> Tensor:
    """Transpose the convolution that has this weight: each input element adds a window."""

def conv_transpose1d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: Any = 1) -> Tensor:
    """Transposed convolution of signals (batch, maps, length); see conv_transpose."""

def conv_transpose2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: Any = 1) -> Tensor:
    """Transposed convolution of images (batch, maps, height, width); see conv_transpose."""

def conv_transpose3d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: Any = 1) -> Tensor:
    """Transposed convolution of volumes (batch, maps, depth, height, width)."""

def convolution(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1, activation: Any = None, pool: Any = 1) -> Tensor:
    """Convolution over all spatial axes, with optional activation and max pooling behind it."""

def convolve(a: Any, v: Any, mode: Any = 'full') -> Tensor:
    """Convolution of two signals on one axis: whole, as long as the longer, or without ends."""

def copy(x: Any) -> Tensor:
    """The same value in memory of its own."""

def copysign(a: Any, b: Any) -> Tensor:
    """The first value with the sign of the second."""

def corrcoef(x: Any, y: Any = None, rowvar: Any = True) -> Tensor:
    """Correlation coefficients of variables, which are the rows of x, and of y if given."""

def correlate(a: Any, v: Any, mode: Any = 'valid') -> Tensor:
    """Return the products of a signal with another, conjugated if complex, moved along it."""

def cos(x: Any) -> Tensor:
    """Cosine."""

def cosh(x: Any) -> Tensor:
    """Hyperbolic cosine."""

def cosine_embedding_loss(a: Any, b: Any, target: Any, margin: Any = 0.0, reduction: Any = 'mean') -> Tensor:
    """1 minus the cosine of pairs that belong together (1), its excess over a margin of others (-1)."""

def cosine_similarity(a: Any, b: Any, axis: Any = -1, eps: Any = 1e-08) -> Tensor:
    """Cosine of the angle between vectors along an axis."""

def count_nonzero(x: Any, axis: Any = None, keepdims: Any = False) -> Tensor:
    """Number of elements that are not zero."""

def cov(m: Any, y: Any = None, rowvar: Any = True, bias: Any = False, ddof: Any = None, fweights: Any = None, aweights: Any = None) -> Tensor:
    """Covariances of variables, which are the rows of m, and of y if given."""

def crop(x: Any, pad_width: Any) -> Tensor:
    """Elements cut off at both ends of each axis: the adjoint of pad_constant."""

def cross(a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Tensor:
    """Return the vectors that are perpendicular to two others, as long as the area they span."""

def cross_entropy(logits: Any, labels: Any, label_smoothing: Any = 0.0, ignore_index: Any = None, weight: Any = None, reduction: Any = 'mean') -> Tensor:
    """Cross-entropy of softmax(logits) against class numbers, one-hot rows or probabilities."""

def ctc_loss(log_probabilities: Any, labels: Any, input_lengths: Any, label_lengths: Any, blank: Any = 0, zero_infinity: Any = False, reduction: Any = 'mean') -> Tensor:
    """Negative log-likelihood of a labelling, summed over all its alignments to the steps."""

def cummax(x: Any, axis: Any = 0) -> Tensor:
    """Largest element so far along an axis."""

def cummin(x: Any, axis: Any = 0) -> Tensor:
    """Smallest element so far along an axis."""

def cumprod(x: Any, axis: Any = None) -> Tensor:
    """Running product along an axis; of all elements for axis None."""

def cumsum(x: Any, axis: Any = None) -> Tensor:
    """Running sum along an axis; of all elements for axis None."""

def cumulative_prod(x: Any, axis: Any = None, *, include_initial: Any = False) -> Tensor:
    """Multiply up along an axis, with the 1 before the first element if asked."""

def cumulative_sum(x: Any, axis: Any = None, *, include_initial: Any = False) -> Tensor:
    """Sum up along an axis, with the 0 before the first element if asked."""

def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1, initial: Any = None) -> Tensor:
    """Integrate samples from the first to each, by straight lines between them."""

def deg2rad(x: Any) -> Tensor:
    """Degrees as radians."""

def degrees(x: Any) -> Tensor:
    """Radians as degrees."""

def delete(x: Any, obj: Any, axis: Any = None) -> Tensor:
    """Leave out elements along an axis, of the flattened array for axis None."""

def depthwise_conv2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Tensor:
    """Convolve each channel with filters of its own; the weight is (maps, 1, height, width)."""

def det(x: Any) -> Tensor:
    """Determinant of a square matrix."""

def diag(x: Any, k: Any = 0) -> Tensor:
    """Take the diagonal of a matrix, or put a vector on the diagonal of one."""

def diag_embed(x: Any, offset: Any = 0, axis1: Any = -2, axis2: Any = -1) -> Tensor:
    """Square matrices that have the last axis on a diagonal, and zeros elsewhere."""

def diagflat(x: Any, k: Any = 0) -> Tensor:
    """Put all elements on a diagonal."""

def diagonal(x: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Tensor:
    """Diagonal in the plane of two axes, as the last axis of the result."""

def dice_loss(probabilities: Any, target: Any, smooth: Any = 1.0, reduction: Any = 'mean') -> Tensor:
    """1 minus the share that masks of probabilities have in common, sample by sample."""

def diff(x: Any, n: Any = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """Return the differences of neighbours along an axis, `n` times."""

def digamma(x: Any) -> Tensor:
    """Slope of the logarithm of the gamma function."""

def digitize(x: Any, bins: Any, right: Any = False) -> Tensor:
    """The number of the bin into which each value falls."""

def div(a: Any, b: Any) -> Tensor:
    """Quotient."""

def divide(a: Any, b: Any) -> Tensor:
    """Quotient."""

def divmod(a: Any, b: Any) -> tuple[Tensor, ...]:
    """Return the whole quotient and the remainder; a tuple."""

def dot(a: Any, b: Any) -> Tensor:
    """Multiply scalars, multiply matrices, else sum over a's last and b's last but one axis."""

def dropout(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None, shared: Any = ()) -> Tensor:
    """Elements dropped with probability p, the others scaled up; shared axes drop together."""

def dropout1d(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None) -> Tensor:
    """Whole channels of (batch, channels, length) dropped with probability p."""

def dropout2d(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None) -> Tensor:
    """Whole channels of (batch, channels, height, width) dropped together."""

def dsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut along the third axis; returns a list."""

def dstack(arrays: Sequence[Any]) -> Tensor:
    """Join along the third axis."""

def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Tensor:
    """Return the differences of neighbours of the flattened array, between given ends."""

def eigh(x: Any, UPLO: Any = 'L') -> tuple[Tensor, Tensor]:
    """Return the eigenvalues and the eigenvectors of a symmetric matrix."""

def eigh_packed(x: Any, UPLO: Any = 'L') -> Tensor:
    """Eigenvalues of a symmetric matrix as first row, its eigenvectors as columns below."""

def eigvalsh(x: Any, UPLO: Any = 'L') -> Tensor:
    """Eigenvalues of a symmetric matrix, in ascending order."""

def einsum(subscripts: Any, *operands: Any) -> Tensor:
    """Sum of products in Einstein's notation, such as 'ij,jk->ik'."""

def elu(x: Any, alpha: Any = 1.0) -> Tensor:
    """Exponential linear unit."""

def embedding(ids: Any, weight: Any, padding_idx: Any = None) -> Tensor:
    """Rows of a table by their numbers; the gradients of a row that is used twice sum."""

def eq(a: Any, b: Any) -> Tensor:
    """Whether two are equal."""

def equal(a: Any, b: Any) -> Tensor:
    """Whether two are equal."""

def erf(x: Any) -> Tensor:
    """Error function, to double precision."""

def erfc(x: Any) -> Tensor:
    """1 minus the error function, with all its digits where it is small."""

def erfinv(x: Any) -> Tensor:
    """Inverse of the error function."""

def euclidean_norm(x: Any, axis: Any = None, keepdims: Any = False) -> Tensor:
    """Square root of the sum of squares over axes."""

def exp(x: Any) -> Tensor:
    """Exponential."""

def exp2(x: Any) -> Tensor:
    """Power of 2."""

def expand(x: Any, shape: Any) -> Tensor:
    """Repeat along new axes and axes of length 1."""

def expand_dims(x: Any, axis: Any) -> Tensor:
    """Insert axes of length 1."""

def expit(x: Any) -> Tensor:
    """Logistic sigmoid."""

def expm(x: Any) -> Tensor:
    """Matrix exponential."""

def expm1(x: Any) -> Tensor:
    """Exponential minus 1, exact near 0."""

def expm_frechet(x: Any, e: Any) -> Tensor:
    """Change of the matrix exponential of x along e: its Fréchet derivative."""

def exponent(x: Any) -> Tensor:
    """The power of 2 that is just above |x|, 0 for 0."""

def extract(condition: Any, x: Any) -> Tensor:
    """Take the elements where the condition holds, both seen on one axis."""

def fabs(x: Any) -> Tensor:
    """Absolute value."""

def fft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Tensor:
    """Discrete Fourier transform along an axis."""

def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Tensor:
    """Discrete Fourier transform along two axes."""

def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Tensor:
    """Discrete Fourier transform along several axes, all by default."""

def fftshift(x: Any, axes: Any = None) -> Tensor:
    """Frequencies in ascending order: zero comes to the middle."""

def fill_diagonal(x: Any, value: Any, wrap: Any = False) -> Tensor:
    """Return a copy with other values on the main diagonal; `wrap` begins anew below a square."""

def fix(x: Any) -> Tensor:
    """Whole number towards 0."""

def flatnonzero(x: Any) -> Tensor:
    """The places of the elements that are not 0, counted through all axes."""

def flatten(x: Any, start_axis: Any = 0) -> Tensor:
    """Join the axes from `start_axis` on into one."""

def flip(x: Any, axis: Any = None) -> Tensor:
    """Elements in reverse order along axes, along all of them by default."""

def fliplr(x: Any) -> Tensor:
    """Reverse the columns."""

def flipud(x: Any) -> Tensor:
    """Reverse the rows."""

def float_power(a: Any, b: Any) -> Tensor:
    """Raise to a power, whole numbers as floats."""

def floor(x: Any) -> Tensor:
    """Largest whole number not above."""

def floor_divide(a: Any, b: Any) -> Tensor:
    """Largest whole number not above the quotient."""

def fmax(a: Any, b: Any) -> Tensor:
    """Larger of two, the other if one is nan."""

def fmin(a: Any, b: Any) -> Tensor:
    """Smaller of two, the other if one is nan."""

def fmod(a: Any, b: Any) -> Tensor:
    """Remainder with the sign of the dividend, as in C."""

def fold(x: Any, axis: Any, length: Any, step: Any = 1) -> Tensor:
    """Windows added up where they overlap: the adjoint of unfold."""

def frexp(x: Any) -> tuple[Tensor, Tensor]:
    """Return a number from 1/2 to 1 and the power of 2 that x is it times; a tuple."""

def gammaln(x: Any) -> Tensor:
    """Logarithm of the absolute value of the gamma function."""

def gather(x: Any, axis: Any, indices: Any) -> Tensor:
    """Elements by an index array along one axis; along the others it may be shorter than x."""

def gaussian_dropout(x: Any, p: Any = 0.5, rng: Any = None, noise: Any = None) -> Tensor:
    """Normal noise multiplied in, of the deviation that dropout has."""

def gaussian_nll_loss(mean: Any, target: Any, variance: Any, full: Any = False, eps: Any = 1e-06, reduction: Any = 'mean') -> Tensor:
    """Negative log-likelihood of targets under normal distributions with learnt variances."""

def gaussian_noise(x: Any, std: Any = 0.1, rng: Any = None, noise: Any = None) -> Tensor:
    """Normal noise of standard deviation std added."""

def gcd(a: Any, b: Any) -> Tensor:
    """Greatest common divisor."""

def ge(a: Any, b: Any) -> Tensor:
    """Whether a is not smaller."""

def geglu(x: Any, axis: Any = -1) -> Tensor:
    """First half along an axis, gated by gelu of the second half."""

def gelu(x: Any, approximate: Any = 'none') -> Tensor:
    """Gaussian error linear unit: exact, or in its tanh form (approximate='tanh')."""

def gelu_tanh(x: Any) -> Tensor:
    """Gaussian error linear unit in its tanh form."""

def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, *, axis: Any = 0) -> Tensor:
    """Numbers from start to stop with equal quotients."""

def ger(a: Any, b: Any) -> Tensor:
    """Multiply each element of one vector with each of the other."""

def getitem(x: Any, index: Any) -> Tensor:
    """Elements by slices, integers, integer arrays, masks, or a mix of them."""

def global_avg_pool(x: Any, keepdims: Any = False) -> Tensor:
    """Return the mean of each channel over all spatial axes."""

def global_max_pool(x: Any, keepdims: Any = False) -> Tensor:
    """Return the largest element of each channel over all spatial axes."""

def glu(x: Any, axis: Any = -1) -> Tensor:
    """First half along an axis, gated by sigmoid of the second half."""

def gradient(x: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    """Return the slopes of samples by central differences, a tuple of them for several axes."""

def gradient_reversal(x: Any, scale: Any = 1.0) -> Tensor:
    """The same value; the gradient is turned round, as adversarial training needs it."""

def greater(a: Any, b: Any) -> Tensor:
    """Whether a is larger."""

def greater_equal(a: Any, b: Any) -> Tensor:
    """Whether a is not smaller."""

def group_norm(x: Any, groups: Any, scale: Any = None, shift: Any = None, eps: Any = 1e-05) -> Tensor:
    """Each sample normalised over groups of channels; channels are axis 1."""

def gru_cell(x: Any, h: Any, w_x: Any, w_h: Any, bias: Any = None, bias_h: Any = None, reset_after: Any = True) -> Tensor:
    """One step of a gated recurrent unit; the reset gate acts after w_h, or before it."""

def gru_scan(z: Any, h: Any, w_h: Any, bias_h: Any = None, reset_after: Any = True, reverse: Any = False) -> Tensor:
    """States of gated recurrent units at all steps; z is the inputs times w_x, plus the bias."""

def gt(a: Any, b: Any) -> Tensor:
    """Whether a is larger."""

def gumbel_softmax(logits: Any, tau: Any = 1.0, hard: Any = False, axis: Any = -1, rng: Any = None, noise: Any = None) -> Tensor:
    """A random choice of one class, relaxed by a temperature; one-hot if hard."""

def hard_sigmoid(x: Any) -> Tensor:
    """Sigmoid in three straight pieces."""

def hard_swish(x: Any) -> Tensor:
    """Swish in three pieces."""

def hard_tanh(x: Any, min_val: Any = -1.0, max_val: Any = 1.0) -> Tensor:
    """Ramp between two values."""

def hardmax(x: Any, axis: Any = -1) -> Tensor:
    """1 at the first largest element along an axis, 0 elsewhere."""

def hardshrink(x: Any, lambd: Any = 0.5) -> Tensor:
    """Value, but 0 from -lambd to lambd."""

def hardsigmoid(x: Any) -> Tensor:
    """Sigmoid in three straight pieces."""

def hardswish(x: Any) -> Tensor:
    """Swish in three pieces."""

def hardtanh(x: Any, min_val: Any = -1.0, max_val: Any = 1.0) -> Tensor:
    """Ramp between two values."""

def heaviside(x: Any, h0: Any) -> Tensor:
    """Step: 0 left of 0, h0 at 0, 1 right of 0."""

def heaviside_through(x: Any) -> Tensor:
    """1 where x is above 0, else 0; the gradient passes as if it were x."""

def hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Tensor:
    """Transform of numbers that mirror themselves conjugated: real, given one half of them."""

def hinge_embedding_loss(distances: Any, target: Any, margin: Any = 1.0, reduction: Any = 'mean') -> Tensor:
    """Distances of pairs that belong together (1), and what others (-1) lack to a margin."""

def hinge_loss(scores: Any, target: Any, margin: Any = 1.0, reduction: Any = 'mean') -> Tensor:
    """What scores lack to be on the side of their target, 1 or -1, by a margin."""

def histogram_bin_edges(x: Any, bins: Any = 10, range: Any = None) -> Tensor:
    """The edges of equal bins that hold all elements."""

def hsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut along the second axis, a vector along its only one; returns a list."""

def hstack(arrays: Sequence[Any]) -> Tensor:
    """Join along the second axis, vectors end to end."""

def huber_loss(prediction: Any, target: Any, delta: Any = 1.0, reduction: Any = 'mean') -> Tensor:
    """Mean of squared differences, halved, that go on as lines from delta on (Huber 1964)."""

def hypot(a: Any, b: Any) -> Tensor:
    """Length of the vector (a, b)."""

def i0(x: Any) -> Tensor:
    """Modified Bessel function of order 0."""

def i0e(x: Any) -> Tensor:
    """Modified Bessel function of order 0 without its growth."""

def i1(x: Any) -> Tensor:
    """Modified Bessel function of order 1."""

def i1e(x: Any) -> Tensor:
    """Modified Bessel function of order 1 without its growth."""

def identity(x: Any) -> Tensor:
    """The same value, in the same memory, on a node of its own."""

def ifft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Tensor:
    """Inverse discrete Fourier transform along an axis."""

def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Tensor:
    """Inverse discrete Fourier transform along two axes."""

def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Tensor:
    """Inverse discrete Fourier transform along several axes, all by default."""

def ifftshift(x: Any, axes: Any = None) -> Tensor:
    """Inverse of `fftshift`: zero comes first."""

def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Tensor:
    """Inverse of `hfft`: of real numbers, one half of the result."""

def im2col(x: Any, filter_h: Any, filter_w: Any, stride: Any = 1, pad: Any = 0) -> Tensor:
    """Lay the windows of images as rows of a matrix, each row channel by channel (the book's)."""

def imag(x: Any) -> Tensor:
    """Imaginary part; 0 of a real number."""

def index_add(x: Any, axis: Any, indices: Any, source: Any, alpha: Any = 1) -> Tensor:
    """Add slices along an axis, `alpha` times; repeated indices sum."""

def index_copy(x: Any, axis: Any, indices: Any, source: Any) -> Tensor:
    """Return a copy with other slices along an axis."""

def index_fill(x: Any, axis: Any, indices: Any, value: Any) -> Tensor:
    """Return a copy with one value in slices along an axis."""

def index_put(x: Any, indices: Any, values: Any, accumulate: Any = False) -> Tensor:
    """Return a copy with values set, or added, at an index; added, repeated indices sum."""

def index_select(x: Any, axis: Any, indices: Any) -> Tensor:
    """Take slices along an axis."""

def inner(a: Any, b: Any) -> Tensor:
    """Sum over the last axes of both."""

def insert(x: Any, obj: Any, values: Any, axis: Any = None) -> Tensor:
    """Insert values before positions along an axis, of the flattened array for axis None."""

def instance_norm(x: Any, scale: Any = None, shift: Any = None, eps: Any = 1e-05) -> Tensor:
    """Each channel of each sample normalised over its own places; channels are axis 1."""

def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Tensor:
    """Return the values at places between the points (xp, fp), on straight lines between them."""

def interpolate(x: Any, size: Any = None, scale_factor: Any = None, mode: Any = 'nearest', align_corners: Any = False) -> Tensor:
    """Resize images: by the nearest element, or linearly between neighbours along each axis."""

def intersect1d(a: Any, b: Any, assume_unique: Any = False) -> Tensor:
    """The different values that are in both, in ascending order."""

def inv(x: Any) -> Tensor:
    """Inverse of a square matrix."""

def invert(x: Any) -> Tensor:
    """All bits turned."""

def irfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Tensor:
    """Real numbers of which `rfft` gives this half spectrum; n is 2 (m - 1) unless given."""

def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Tensor:
    """Real numbers of which `rfft2` gives this spectrum, halved along the last axis."""

def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Tensor:
    """Real numbers of which `rfftn` gives this spectrum, halved along the last axis."""

def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: Any = False) -> Tensor:
    """Whether two are nearly equal."""

def iscomplex(x: Any) -> Tensor:
    """Whether the imaginary part is not 0."""

def isfinite(x: Any) -> Tensor:
    """Whether it is neither infinite nor nan."""

def isin(element: Any, test_elements: Any, assume_unique: Any = False, invert: Any = False, kind: Any = None) -> Tensor:
    """Whether each element is among others."""

def isinf(x: Any) -> Tensor:
    """Whether it is infinite."""

def isnan(x: Any) -> Tensor:
    """Whether it is not a number."""

def isneginf(x: Any) -> Tensor:
    """Whether it is minus infinity."""

def isposinf(x: Any) -> Tensor:
    """Whether it is plus infinity."""

def isreal(x: Any) -> Tensor:
    """Whether the imaginary part is 0."""

def ix_(*args: Any) -> tuple[Tensor, ...]:
    """Give each vector its own axis, so that together they index all combinations; a tuple."""

def jensen_shannon(p: Any, q: Any, axis: Any = -1, reduction: Any = 'mean') -> Tensor:
    """Divergence of Jensen and Shannon between probabilities along an axis: symmetric, finite."""

def kl_div(log_probabilities: Any, target: Any, log_target: Any = False, reduction: Any = 'mean') -> Tensor:
    """Divergence of Kullback and Leibler of log probabilities from a target, term by term."""

def kron(a: Any, b: Any) -> Tensor:
    """Multiply each element of one array with the whole of the other, in blocks."""

def kthvalue(x: Any, k: Any, axis: Any = -1, keepdims: Any = False) -> Ranked:
    """Pick the k-th smallest element along an axis, counted from 1, with its index."""

def l1_loss(prediction: Any, target: Any, reduction: Any = 'mean') -> Tensor:
    """Mean of absolute differences; the shapes must be equal."""

def layer_norm(x: Any, scale: Any = None, shift: Any = None, axis: Any = -1, eps: Any = 1e-05) -> Tensor:
    """Each sample normalised over its own features."""

def lcm(a: Any, b: Any) -> Tensor:
    """Least common multiple."""

def ldexp(x: Any, i: Any) -> Tensor:
    """Product with a power of 2, exact."""

def le(a: Any, b: Any) -> Tensor:
    """Whether a is not larger."""

def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Tensor:
    """Rectified linear unit that leaks to the left."""

def left_shift(a: Any, b: Any) -> Tensor:
    """Bits moved up."""

def lerp(a: Any, b: Any, weight: Any) -> Tensor:
    """Mix two values: a for weight 0, b for weight 1, on a straight line between and beyond."""

def less(a: Any, b: Any) -> Tensor:
    """Whether a is smaller."""

def less_equal(a: Any, b: Any) -> Tensor:
    """Whether a is not larger."""

def lexsort(keys: Sequence[Any], axis: Any = -1) -> Tensor:
    """The indices that sort by several keys, of which the last counts most."""

def lgamma(x: Any) -> Tensor:
    """Logarithm of the absolute value of the gamma function."""

def linalg_cross(a: Any, b: Any, axis: Any = -1) -> Tensor:
    """Return the cross product along one axis of both, as np.linalg.cross has it."""

def linalg_diagonal(x: Any, offset: Any = 0) -> Tensor:
    """Take the diagonals of the matrices in the last two axes, as np.linalg.diagonal has it."""

def linalg_outer(a: Any, b: Any) -> Tensor:
    """Multiply each element of one vector with each of the other, as np.linalg.outer has it."""

def linalg_trace(x: Any, offset: Any = 0) -> Tensor:
    """Sum the diagonals of the matrices in the last two axes, as np.linalg.trace has it."""

def linear(x: Any, weight: Any, bias: Any = None, activation: Any = None) -> Tensor:
    """Affine map with an optional activation: the fully connected layer."""

def linspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, retstep: Any = False, *, axis: Any = 0) -> Tensor:
    """Numbers at equal distances from start to stop."""

def local_response_norm(x: Any, size: Any = 5, alpha: Any = 0.0001, beta: Any = 0.75, k: Any = 1.0, axis: Any = 1) -> Tensor:
    """Each channel divided by a power of the mean square of its neighbours."""

def log(x: Any) -> Tensor:
    """Natural logarithm."""

def log10(x: Any) -> Tensor:
    """Logarithm to base 10."""

def log1p(x: Any) -> Tensor:
    """Logarithm of 1 + x, exact near 0."""

def log2(x: Any) -> Tensor:
    """Logarithm to base 2."""

def log_cosh(x: Any) -> Tensor:
    """Logarithm of cosh, without overflow and exact near 0."""

def log_cosh_loss(prediction: Any, target: Any, reduction: Any = 'mean') -> Tensor:
    """Mean of log cosh of differences: a parabola near 0, lines far away, smooth throughout."""

def log_sigmoid(x: Any) -> Tensor:
    """Logarithm of the sigmoid."""

def log_softmax(x: Any, axis: Any = -1) -> Tensor:
    """Logarithm of softmax, without overflow."""

def logabsdet(x: Any) -> Tensor:
    """Logarithm of the absolute determinant, without overflow."""

def logaddexp(a: Any, b: Any) -> Tensor:
    """Logarithm of a sum of exponentials."""

def logaddexp2(a: Any, b: Any) -> Tensor:
    """Logarithm to base 2 of a sum of powers of 2."""

def logcumsumexp(x: Any, axis: Any = 0) -> Tensor:
    """Logarithm of the running sum of exponentials along an axis, without overflow."""

def logdet(x: Any) -> Tensor:
    """Return the logarithm of the determinant: nan where that is negative, -inf where it is 0."""

def logical_and(a: Any, b: Any) -> Tensor:
    """Whether both are true."""

def logical_not(x: Any) -> Tensor:
    """Whether it is false."""

def logical_or(a: Any, b: Any) -> Tensor:
    """Whether one is true, or both."""

def logical_xor(a: Any, b: Any) -> Tensor:
    """Whether exactly one is true."""

def logit(x: Any, eps: Any = None) -> Tensor:
    """Logarithm of the odds, the inverse of sigmoid; x is first limited to eps and 1 - eps."""

def logsigmoid(x: Any) -> Tensor:
    """Logarithm of the sigmoid."""

def logspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, base: Any = None, *, axis: Any = 0) -> Tensor:
    """Raise a base, 10 unless given, to powers at equal distances from start to stop."""

def logsumexp(x: Any, axis: Any = None, keepdims: Any = False) -> Tensor:
    """Logarithm of the sum of exponentials over axes, without overflow."""

def lp_pool(x: Any, size: Any, p: Any = 2, stride: Any = None, ceil_mode: Any = False) -> Tensor:
    """The p-norm of each window."""

def lstm_cell(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, bias: Any = None) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory: the pair of state and cell after it."""

def lstm_scan(z: Any, h: Any, c: Any, w_h: Any, reverse: Any = False) -> Tensor:
    """States of a long short-term memory at all steps, and after them the last cell."""

def lstm_step(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, bias: Any = None) -> Tensor:
    """One step of a long short-term memory; state and cell beside each other in one array."""

def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what minimises |a y - b|, the shortest such y if there are several."""

def lt(a: Any, b: Any) -> Tensor:
    """Whether a is smaller."""

def margin_ranking_loss(a: Any, b: Any, target: Any, margin: Any = 0.0, reduction: Any = 'mean') -> Tensor:
    """What a lacks to be above b (target 1) or below it (-1) by a margin."""

def masked_fill(x: Any, mask: Any, value: Any) -> Tensor:
    """Put a value where the mask holds."""

def masked_scatter(x: Any, mask: Any, source: Any) -> Tensor:
    """Put the elements of the source, one after the other, where the mask holds."""

def masked_select(x: Any, mask: Any) -> Tensor:
    """Take the elements where the mask holds, on one axis; x and mask broadcast."""

def matmul(a: Any, b: Any) -> Tensor:
    """Matrix product; stacks of matrices broadcast, a single axis is a row or a column."""

def matrix_norm(x: Any, keepdims: Any = False, ord: Any = 'fro') -> Tensor:
    """Measure the matrices in the last two axes."""

def matrix_power(x: Any, n: Any) -> Tensor:
    """Multiply a square matrix n times with itself; with its inverse for negative n."""

def matrix_rank(x: Any, tol: Any = None, hermitian: Any = False, rtol: Any = None) -> Tensor:
    """Number of singular values that are not 0 to rounding."""

def matrix_transpose(x: Any) -> Tensor:
    """Exchange the last two axes."""

def matvec(a: Any, b: Any) -> Tensor:
    """Multiply a stack of matrices with a stack of columns."""

def max(x: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True) -> Tensor:
    """Largest element over axes."""

def max_pool(x: Any, size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: Any = False) -> Tensor:
    """Largest element of each window; windows lie side by side unless a stride is given."""

def max_pool1d(x: Any, size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: Any = False) -> Tensor:
    """Largest element of each window; windows lie side by side unless a stride is given."""

def max_pool2d(x: Any, size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: Any = False) -> Tensor:
    """Largest element of each window; windows lie side by side unless a stride is given."""

def max_pool3d(x: Any, size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: Any = False) -> Tensor:
    """Largest element of each window; windows lie side by side unless a stride is given."""

def maximum(a: Any, b: Any) -> Tensor:
    """Larger of two, nan if one is nan."""

def mean(x: Any, axis: Any = None, *, keepdims: Any = False, where: Any = True) -> Tensor:
    """Mean over axes."""

def mean_absolute_error(prediction: Any, target: Any, reduction: Any = 'mean') -> Tensor:
    """Mean of absolute differences; the shapes must be equal."""

def mean_squared_error(prediction: Any, target: Any, reduction: Any = 'mean') -> Tensor:
    """Mean of squared differences; the shapes must be equal."""

def median(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Pick the middle element over axes, or the mean of the middle two."""

def meshgrid(*arrays: Any, copy: Any = True, sparse: Any = False, indexing: Any = 'xy') -> tuple[Tensor, ...]:
    """Return the coordinates of a grid, one array for each axis; returns a tuple."""

def min(x: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True) -> Tensor:
    """Smallest element over axes."""

def minimum(a: Any, b: Any) -> Tensor:
    """Smaller of two, nan if one is nan."""

def mish(x: Any) -> Tensor:
    """Mish."""

def mm(a: Any, b: Any) -> Tensor:
    """Matrix product; stacks of matrices broadcast, a single axis is a row or a column."""

def mod(a: Any, b: Any) -> Tensor:
    """Remainder with the sign of the divisor, as in Python's %."""

def modf(x: Any) -> tuple[Tensor, ...]:
    """Return the fraction and the whole number towards 0, both with the sign of x; a tuple."""

def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Move axes to new positions; the others keep their order."""

def movedim(x: Any, source: Any, destination: Any) -> Tensor:
    """Move axes to new positions; the others keep their order."""

def mse_loss(prediction: Any, target: Any, reduction: Any = 'mean') -> Tensor:
    """Mean of squared differences; the shapes must be equal."""

def msort(x: Any) -> Tensor:
    """Sort along the first axis."""

def mul(a: Any, b: Any) -> Tensor:
    """Product."""

def multi_dot(arrays: Sequence[Any]) -> Tensor:
    """Multiply matrices in the order that takes the fewest multiplications of numbers."""

def multi_margin_loss(scores: Any, labels: Any, p: Any = 1, margin: Any = 1.0, weight: Any = None, reduction: Any = 'mean') -> Tensor:
    """What the score of the right class lacks to beat each other one by a margin."""

def multilabel_margin_loss(scores: Any, labels: Any, reduction: Any = 'mean') -> Tensor:
    """What the scores of several right classes lack to beat each wrong one by 1."""

def multilabel_soft_margin_loss(scores: Any, target: Any, weight: Any = None, reduction: Any = 'mean') -> Tensor:
    """Binary cross-entropy from logits, first averaged over the classes of a row."""

def multiply(a: Any, b: Any) -> Tensor:
    """Product."""

def mv(a: Any, b: Any) -> Tensor:
    """Matrix product; stacks of matrices broadcast, a single axis is a row or a column."""

def nan_to_num(x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    """Numbers in place of nan and of both infinities."""

def nanargmax(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Index of the first largest element that is not nan."""

def nanargmin(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Index of the first smallest element that is not nan."""

def nancumprod(x: Any, axis: Any = None) -> Tensor:
    """Multiply up along an axis, in which nan counts as 1."""

def nancumsum(x: Any, axis: Any = None) -> Tensor:
    """Sum up along an axis, in which nan counts as 0."""

def nanmax(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Largest element over axes that is not nan."""

def nanmean(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Mean over axes of the elements that are not nan."""

def nanmedian(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Pick the middle over axes of the elements that are not nan, or the mean of the middle two."""

def nanmin(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Smallest element over axes that is not nan."""

def nanpercentile(x: Any, q: Any, axis: Any = None, *, method: Any = 'linear', keepdims: Any = False) -> Tensor:
    """Find the value below which q percent of the elements that are not nan lie."""

def nanprod(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Product over axes, in which nan counts as 1."""

def nanquantile(x: Any, q: Any, axis: Any = None, *, method: Any = 'linear', keepdims: Any = False) -> Tensor:
    """Find the value below which the fraction q of the elements that are not nan lies."""

def nanstd(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: Any = False) -> Tensor:
    """Standard deviation over axes of the elements that are not nan."""

def nansum(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Sum over axes, in which nan counts as 0."""

def nanvar(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: Any = False) -> Tensor:
    """Variance over axes of the elements that are not nan."""

def narrow(x: Any, axis: Any, start: Any, length: Any) -> Tensor:
    """Take `length` slices along an axis, from `start` on."""

def ne(a: Any, b: Any) -> Tensor:
    """Whether two differ."""

def neg(x: Any) -> Tensor:
    """Negation."""

def negative(x: Any) -> Tensor:
    """Negation."""

def nextafter(a: Any, b: Any) -> Tensor:
    """The next number of the dtype from a towards b."""

def nll_loss(log_probabilities: Any, labels: Any, weight: Any = None, ignore_index: Any = None, reduction: Any = 'mean') -> Tensor:
    """Negative log-likelihood: what log probabilities say against class numbers."""

def nonzero(x: Any) -> tuple[Tensor, ...]:
    """Return where an array is not 0, an index array for each axis; returns a tuple."""

def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Tensor:
    """Measure vectors along one axis, or matrices in two, in a norm of the given order."""

def normalize(x: Any, p: Any = 2.0, axis: Any = -1) -> Tensor:
    """Vectors along an axis divided by their p-norm."""

def not_equal(a: Any, b: Any) -> Tensor:
    """Whether two differ."""

def one_hot(labels: Any, num_classes: Any = None, dtype: Any = 'float64') -> Tensor:
    """Rows with a 1 at the label, and zeros elsewhere."""

def order_statistic(x: Any, rank: Any, axis: Any = -1) -> Tensor:
    """The element of a rank, counted from 0, along an axis; one rank, or one per slice."""

def outer(a: Any, b: Any) -> Tensor:
    """Multiply each element of one vector with each of the other."""

def overlap_add(cols: Any, lengths: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Tensor:
    """Windows added up into images of the given lengths: the adjoint of windows."""

def p_norm(x: Any, p: Any, axis: Any = None, keepdims: Any = False) -> Tensor:
    """p-th root of the sum of p-th powers of absolute values over axes."""

def pad(x: Any, pad_width: Any, mode: Any = 'constant', *, stat_length: Any = None, constant_values: Any = 0, end_values: Any = 0, reflect_type: Any = 'even') -> Tensor:
    """Put elements around the array: a constant, copies, mirror images, ramps or statistics."""

def pad_constant(x: Any, pad_width: Any, constant_values: Any = 0) -> Tensor:
    """A constant, 0 by default, around the array."""

def pairwise_distance(a: Any, b: Any, p: Any = 2.0, eps: Any = 0.0, keepdims: Any = False) -> Tensor:
    """Distance of vectors along the last axis, by the p-norm."""

def partition(x: Any, kth: Any, axis: Any = -1, kind: Any = 'introselect') -> Tensor:
    """The elements along an axis, those that would be sorted to kth in their places."""

def percentile(x: Any, q: Any, axis: Any = None, *, method: Any = 'linear', keepdims: Any = False) -> Tensor:
    """Find the value below which q percent of the elements lie, over axes."""

def permute(x: Any, axes: Any = None) -> Tensor:
    """Permute the axes; reverse them by default."""

def permute_dims(x: Any, axes: Any = None) -> Tensor:
    """Permute the axes; reverse them by default."""

def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any) -> Tensor:
    """Take each element from the function, or number, of the last condition that holds there."""

def pinv(x: Any, rcond: Any = None, hermitian: Any = False, rtol: Any = None) -> Tensor:
    """Moore-Penrose inverse of a matrix of any shape and rank."""

def pixel_shuffle(x: Any, factor: Any) -> Tensor:
    """Move channels into space: images grow by a factor along each axis, with fewer channels."""

def pixel_unshuffle(x: Any, factor: Any) -> Tensor:
    """Move space into channels: undoes pixel_shuffle."""

def poisson_nll_loss(rate: Any, target: Any, log_input: Any = True, full: Any = False, reduction: Any = 'mean') -> Tensor:
    """Negative log-likelihood of counts under Poisson rates, or their logarithms."""

def polar(length: Any, angle: Any) -> Tensor:
    """Complex number of a length and an angle in radians."""

def poly(roots: Any) -> Tensor:
    """Find the polynomial that has these roots, its leading coefficient being 1."""

def polyadd(a: Any, b: Any) -> Tensor:
    """Add two polynomials."""

def polyder(p: Any, m: Any = 1) -> Tensor:
    """Differentiate a polynomial m times."""

def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: Any = False, w: Any = None, cov: Any = False) -> Tensor:
    """Find the polynomial of a degree with the least sum of squares (w (y - p(x)))²."""

def polygamma(n: Any, x: Any) -> Tensor:
    """Derivative of digamma, n times."""

def polyint(p: Any, m: Any = 1, k: Any = None) -> Tensor:
    """Integrate a polynomial m times, each time with its constant of k, or with 0."""

def polymul(a: Any, b: Any) -> Tensor:
    """Multiply two polynomials."""

def polysub(a: Any, b: Any) -> Tensor:
    """Subtract a polynomial from another."""

def polyval(p: Any, x: Any) -> Tensor:
    """Evaluate a polynomial at each x, by Horner's scheme."""

def positive(x: Any) -> Tensor:
    """The same value."""

def pow(a: Any, b: Any) -> Tensor:
    """Power."""

def power(a: Any, b: Any) -> Tensor:
    """Power."""

def prelu(x: Any, weight: Any) -> Tensor:
    """Leaky rectified linear unit whose slope is learnt."""

def prod(x: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True) -> Tensor:
    """Product over axes."""

def psi(x: Any) -> Tensor:
    """Slope of the logarithm of the gamma function."""

def ptp(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Distance of the largest and the smallest element over axes."""

def put(x: Any, indices: Any, values: Any) -> Tensor:
    """Return a copy with new values at places counted through all axes."""

def put_along_axis(x: Any, indices: Any, values: Any, axis: Any = -1) -> Tensor:
    """Return a copy with new values by an index array along one axis, as argsort gives it."""

def qr(x: Any, mode: Any = 'reduced') -> Any:
    """Return the factors Q and R; R alone for mode "r"."""

def qr_packed(x: Any, complete: Any = False) -> Tensor:
    """QR decomposition, the elements of Q and R in one row."""

def quantile(x: Any, q: Any, axis: Any = None, *, method: Any = 'linear', keepdims: Any = False) -> Tensor:
    """Find the value below which the fraction q of the elements lies, over axes."""

def quick_gelu(x: Any) -> Tensor:
    """Gaussian error linear unit by a scaled sigmoid."""

def rad2deg(x: Any) -> Tensor:
    """Radians as degrees."""

def radians(x: Any) -> Tensor:
    """Degrees as radians."""

def ravel(x: Any) -> Tensor:
    """Put all elements on one axis."""

def real(x: Any) -> Tensor:
    """Real part."""

def real_if_close(x: Any, tol: Any = 100) -> Tensor:
    """Take the real part if all imaginary parts are nothing but rounding; `tol` counts it."""

def reciprocal(x: Any) -> Tensor:
    """Reciprocal."""

def reglu(x: Any, axis: Any = -1) -> Tensor:
    """First half along an axis, gated by relu of the second half."""

def relu(x: Any) -> Tensor:
    """Rectified linear unit."""

def relu6(x: Any) -> Tensor:
    """Rectified linear unit that ends at 6."""

def remainder(a: Any, b: Any) -> Tensor:
    """Remainder with the sign of the divisor, as in Python's %."""

def repeat(x: Any, repeats: Any, axis: Any = None) -> Tensor:
    """Each element repeated in place, all equally often or each its own number of times."""

def repeat_interleave(x: Any, repeats: Any, axis: Any = None) -> Tensor:
    """Each element repeated in place, all equally often or each its own number of times."""

def reshape(x: Any, shape: Any) -> Tensor:
    """The same elements in another shape; one length may be -1."""

def resize(x: Any, new_shape: Any) -> Tensor:
    """Repeat the elements, in their order, until a new shape is full."""

def rfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Tensor:
    """Discrete Fourier transform of real numbers: the half of the spectrum that says it all."""

def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Tensor:
    """Discrete Fourier transform of real numbers along two axes, the last one halved."""

def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Tensor:
    """Discrete Fourier transform of real numbers along several axes, the last one halved."""

def right_shift(a: Any, b: Any) -> Tensor:
    """Bits moved down."""

def rint(x: Any) -> Tensor:
    """Nearest whole number, halves to the even one."""

def rms_norm(x: Any, scale: Any = None, axis: Any = -1, eps: Any = 1e-05) -> Tensor:
    """Each sample divided by the root of the mean square of its features."""

def rnn_cell(x: Any, h: Any, w_x: Any, w_h: Any, bias: Any = None, activation: Any = 'tanh') -> Tensor:
    """One step of a plain recurrent cell."""

def rnn_scan(z: Any, h: Any, w_h: Any, activation: Any = 'tanh', reverse: Any = False) -> Tensor:
    """States of a plain recurrent net at all steps; z is the inputs times w_x, plus the bias."""

def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """Elements moved along an axis, those that leave at the end coming in at the front."""

def rollaxis(x: Any, axis: Any, start: Any = 0) -> Tensor:
    """Move an axis in front of another."""

def rot90(x: Any, k: Any = 1, axes: Any = (0, 1)) -> Tensor:
    """Quarter turns in the plane of two axes, from the first towards the second."""

def round(a: Any, decimals: Any = 0) -> Tensor:
    """Value rounded to decimals, halves to the even digit."""

def round_through(x: Any) -> Tensor:
    """Nearest integer, halves to even; the gradient passes as if it were x."""

def row_stack(arrays: Sequence[Any]) -> Tensor:
    """Join along the first axis, vectors as rows."""

def rrelu(x: Any, lower: Any = 0.125, upper: Any = 0.3333333333333333, rng: Any = None, slopes: Any = None) -> Tensor:
    """Leaky rectified linear unit whose slopes are drawn between lower and upper from rng; their mean, as for evaluation, without rng."""

def rsqrt(x: Any) -> Tensor:
    """Reciprocal square root."""

def scale_gradient(x: Any, scale: Any) -> Tensor:
    """The same value; the gradient is multiplied by a factor."""

def scaled_dot_product_attention(q: Any, k: Any, v: Any, mask: Any = None, causal: Any = False, scale: Any = None) -> Tensor:
    """Means of the values, weighted by softmax of the products of queries and keys."""

def scatter(x: Any, index: Any, shape: Any) -> Tensor:
    """Zeros with elements added at an index; repeated indices sum. The adjoint of getitem."""

def scatter_add(x: Any, axis: Any, indices: Any, source: Any) -> Tensor:
    """Add elements by an index array along one axis; repeated indices sum."""

def searchsorted(a: Any, v: Any, side: Any = 'left', sorter: Any = None) -> Tensor:
    """Where each value of v belongs in the sorted a."""

def select(condlist: Any, choicelist: Sequence[Any], default: Any = 0) -> Tensor:
    """Take each element from the choice of the first condition that holds, else the default."""

def selu(x: Any) -> Tensor:
    """Self-normalizing exponential linear unit."""

def setdiff1d(a: Any, b: Any, assume_unique: Any = False) -> Tensor:
    """The different values of the first that are not in the second."""

def setitem(x: Any, index: Any, value: Any) -> Tensor:
    """A copy of x in which the elements at an index have new values."""

def setxor1d(a: Any, b: Any, assume_unique: Any = False) -> Tensor:
    """The different values that are in exactly one, in ascending order."""

def sigmoid(x: Any) -> Tensor:
    """Logistic sigmoid."""

def sigmoid_focal_loss(logits: Any, targets: Any, alpha: Any = 0.25, gamma: Any = 2.0, reduction: Any = 'mean') -> Tensor:
    """Binary cross-entropy from logits in which what is right already counts less (Lin 2017)."""

def sign(x: Any) -> Tensor:
    """-1, 0 or 1 by the sign; a complex number over its length."""

def sign_of_det(x: Any) -> Tensor:
    """Sign of the determinant: -1, 0 or 1."""

def sign_through(x: Any) -> Tensor:
    """Sign; the gradient passes where x is within [-1, 1]."""

def signbit(x: Any) -> Tensor:
    """Whether the sign is minus, also of -0 and nan."""

def silu(x: Any) -> Tensor:
    """Sigmoid linear unit, also called swish."""

def sin(x: Any) -> Tensor:
    """Sine."""

def sinc(x: Any) -> Tensor:
    """Sine of πx over πx, 1 at 0."""

def sinh(x: Any) -> Tensor:
    """Hyperbolic sine."""

def sliding_window_view(x: Any, window_shape: Any, axis: Any = None) -> Tensor:
    """Take all windows of a shape, their axes behind those of the array."""

def slogdet(x: Any) -> tuple[Tensor, Tensor]:
    """Return the sign of the determinant and the logarithm of its absolute value."""

def smooth_l1_loss(prediction: Any, target: Any, beta: Any = 1.0, reduction: Any = 'mean') -> Tensor:
    """Mean of absolute differences, rounded off below beta: the Huber loss over beta."""

def soft_margin_loss(scores: Any, target: Any, reduction: Any = 'mean') -> Tensor:
    """Logistic loss of scores against targets 1 or -1, without overflow."""

def softmax(x: Any, axis: Any = -1) -> Tensor:
    """Exponentials divided by their sum along an axis: positive, summing to 1."""

def softmax2d(x: Any) -> Tensor:
    """Softmax over the channels of (batch, channels, height, width), pixel by pixel."""

def softmax_cross_entropy(logits: Any, labels: Any, label_smoothing: Any = 0.0, ignore_index: Any = None, weight: Any = None, reduction: Any = 'mean') -> Tensor:
    """Cross-entropy of softmax(logits) against class numbers, one-hot rows or probabilities."""

def softmax_focal_loss(logits: Any, labels: Any, gamma: Any = 2.0, weight: Any = None, ignore_index: Any = None, reduction: Any = 'mean') -> Tensor:
    """Cross-entropy from logits in which rows that are right already count less (Lin 2017)."""

def softmin(x: Any, axis: Any = -1) -> Tensor:
    """Exponentials of the negated values, divided by their sum along an axis."""

def softplus(x: Any, beta: Any = 1.0) -> Tensor:
    """Smooth rectifier, the sharper the larger beta."""

def softshrink(x: Any, lambd: Any = 0.5) -> Tensor:
    """Value moved towards 0 by lambd, and not past it."""

def softsign(x: Any) -> Tensor:
    """Sigmoid without exponentials."""

def solve(a: Any, b: Any) -> Tensor:
    """Solution y of a y = b for a square matrix a; b is a vector, or a stack of matrices."""

def solve_triangular(a: Any, b: Any, lower: Any = False, trans: Any = 0, unit_diagonal: Any = False) -> Tensor:
    """Solve a y = b, or aᵀ y = b, reading one triangle of a only."""

def sort(x: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    """The elements along an axis in ascending order."""

def spacing(x: Any) -> Tensor:
    """The distance to the next number of the dtype away from 0."""

def split(x: Any, indices_or_sections: Any, axis: Any = 0) -> list[Tensor]:
    """Cut along an axis into equal parts, or before the given indices; returns a list."""

def sqrt(x: Any) -> Tensor:
    """Square root."""

def square(x: Any) -> Tensor:
    """Square."""

def squared_hinge_loss(scores: Any, target: Any, margin: Any = 1.0, reduction: Any = 'mean') -> Tensor:
    """Hinge loss, squared: smooth to first order."""

def squareplus(x: Any, b: Any = 4.0) -> Tensor:
    """Smooth rectifier without exponentials (Barron 2021); b is its width at 0."""

def squeeze(x: Any, axis: Any = None) -> Tensor:
    """Remove axes of length 1."""

def stack(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    """Join arrays of one shape along a new axis."""

def standardize(x: Any, axis: Any = -1, eps: Any = 1e-05) -> Tensor:
    """Mean 0 and deviation 1 over axes; of a weight, over its inputs: weight standardisation."""

def std(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: Any = False, where: Any = True) -> Tensor:
    """Standard deviation over axes."""

def std_mean(x: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> tuple[Tensor, Tensor]:
    """Return the standard deviation and the mean over axes; a tuple."""

def stop_gradient(x: Any) -> Tensor:
    """The same value, to which no gradient flows: a constant."""

def straight_through(value: Any, x: Any) -> Tensor:
    """A value whose gradient goes to another array, unchanged: the straight-through estimator."""

def sub(a: Any, b: Any) -> Tensor:
    """Difference."""

def subtract(a: Any, b: Any) -> Tensor:
    """Difference."""

def sum(x: Any, axis: Any = None, *, keepdims: Any = False, where: Any = True) -> Tensor:
    """Sum over axes."""

def sum_to(x: Any, shape: Any) -> Tensor:
    """Sum over the axes along which `shape` was broadcast: the adjoint of broadcast_to."""

def svd(x: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> Any:
    """Return the singular value decomposition; the singular values alone for compute_uv=False."""

def svd_packed(x: Any, full_matrices: Any = True) -> Tensor:
    """Singular value decomposition, the elements of U, s and Vᵀ in one row."""

def svdvals(x: Any) -> Tensor:
    """Singular values, in descending order."""

def swapaxes(x: Any, axis1: Any, axis2: Any) -> Tensor:
    """Exchange two axes."""

def swapdims(x: Any, axis1: Any, axis2: Any) -> Tensor:
    """Exchange two axes."""

def swiglu(x: Any, axis: Any = -1) -> Tensor:
    """First half along an axis, gated by silu of the second half."""

def swish(x: Any) -> Tensor:
    """Sigmoid linear unit, also called swish."""

def t(x: Any) -> Tensor:
    """Transpose a matrix; a vector stays as it is."""

def take(x: Any, indices: Any, axis: Any = None, *, mode: Any = 'raise') -> Tensor:
    """Elements along an axis by integer indices."""

def take_along_axis(x: Any, indices: Any, axis: Any = -1) -> Tensor:
    """Elements by an index array that runs along one axis, as argsort and argmax give."""

def tan(x: Any) -> Tensor:
    """Tangent."""

def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent."""

def tanhshrink(x: Any) -> Tensor:
    """What tanh takes away."""

def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """Sum of products over the given pairs of axes."""

def tensorinv(x: Any, ind: Any = 2) -> Tensor:
    """Invert the linear map from the last axes to the first `ind` ones."""

def tensorsolve(a: Any, b: Any, axes: Any = None) -> Tensor:
    """Solve for the tensor y whose contraction with the last axes of a is b."""

def threshold(x: Any, threshold: Any, value: Any) -> Tensor:
    """x above a threshold, a fixed value up to it."""

def tile(x: Any, reps: Any) -> Tensor:
    """Copies of the whole array side by side, `reps` of them along each axis."""

def to_complex(re: Any, im: Any) -> Tensor:
    """Complex number of a real and an imaginary part."""

def topk(x: Any, k: Any, axis: Any = -1, largest: Any = True) -> Ranked:
    """Pick the k largest or smallest elements along an axis, in order, with their indices."""

def trace(x: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Tensor:
    """Sum of a diagonal of the matrices in two axes."""

def transpose(x: Any, axes: Any = None) -> Tensor:
    """Permute the axes; reverse them by default."""

def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Tensor:
    """Integrate samples along an axis, by straight lines between them."""

def trapz(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Tensor:
    """Integrate samples along an axis, by straight lines between them."""

def tril(x: Any, k: Any = 0) -> Tensor:
    """Lower triangle: zeros above the k-th diagonal."""

def trim_zeros(x: Any, trim: Any = 'fb', axis: Any = None) -> Tensor:
    """Cut off the zeros in front, behind, or at both ends, along all axes or some."""

def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: Any = 1.0, p: Any = 2.0, eps: Any = 0.0, swap: Any = False, reduction: Any = 'mean') -> Tensor:
    """What an anchor lacks to be nearer to its positive than to its negative by a margin."""

def triu(x: Any, k: Any = 0) -> Tensor:
    """Upper triangle: zeros below the k-th diagonal."""

def true_divide(a: Any, b: Any) -> Tensor:
    """Quotient."""

def trunc(x: Any) -> Tensor:
    """Whole number towards 0."""

def unbind(x: Any, axis: Any = 0) -> tuple[Tensor, ...]:
    """Cut into slices along an axis, which is removed; returns a tuple."""

def unflatten(x: Any, axis: Any, shape: Any) -> Tensor:
    """Cut one axis into several; one of their lengths may be -1."""

def unfold(x: Any, axis: Any, size: Any, step: Any = 1) -> Tensor:
    """Windows that slide along an axis, each on the last axis of the result."""

def union1d(a: Any, b: Any) -> Tensor:
    """The different values that are in one or both, in ascending order."""

def unique(x: Any, *, axis: Any = None, equal_nan: Any = True) -> Tensor:
    """The different values in ascending order."""

def unique_values(x: Any) -> Tensor:
    """The different values, in the order that NumPy finds them."""

def unsqueeze(x: Any, axis: Any) -> Tensor:
    """Insert axes of length 1."""

def unstack(x: Any, axis: Any = 0) -> tuple[Tensor, ...]:
    """Cut into slices along an axis, which is removed; returns a tuple."""

def unwrap(p: Any, discont: Any = None, axis: Any = -1, period: Any = 6.283185307179586) -> Tensor:
    """Angles whose jumps by more than half a period are made smaller by whole periods."""

def upsample(x: Any, size: Any = None, scale_factor: Any = None, mode: Any = 'nearest', align_corners: Any = False) -> Tensor:
    """Resize images: by the nearest element, or linearly between neighbours along each axis."""

def vander(x: Any, N: Any = None, increasing: Any = False) -> Tensor:
    """Return the powers of each element in a row, the highest first."""

def var(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: Any = False, where: Any = True) -> Tensor:
    """Variance over axes."""

def var_mean(x: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> tuple[Tensor, Tensor]:
    """Return the variance and the mean over axes; a tuple."""

def vdot(a: Any, b: Any) -> Tensor:
    """Sum the products of all elements, those of a complex `a` conjugated."""

def vecdot(a: Any, b: Any, *, axis: Any = -1) -> Tensor:
    """Sum the products along an axis of two stacks of vectors."""

def vecmat(a: Any, b: Any) -> Tensor:
    """Multiply a stack of rows with a stack of matrices."""

def vector_norm(x: Any, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Tensor:
    """Measure vectors along axes, or the whole array as one."""

def vsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """Cut along the first axis; returns a list."""

def vstack(arrays: Sequence[Any]) -> Tensor:
    """Join along the first axis, vectors as rows."""

def weighted(x: Any, weights: Any) -> Tensor:
    """Elements times constant weights, in the dtype of the elements."""

def where(condition: Any, x: Any, y: Any) -> Tensor:
    """x where the condition holds, else y."""

def windows(x: Any, size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Tensor:
    """The windows of images: shape (batch, channels, *size, *number of windows)."""

def xlog1py(a: Any, b: Any) -> Tensor:
    """a times the logarithm of 1 + b, exact for small b, 0 where a is 0."""

def xlogy(a: Any, b: Any) -> Tensor:
    """a times the logarithm of b, 0 where a is 0."""
