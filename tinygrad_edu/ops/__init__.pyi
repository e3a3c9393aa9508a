"""Types of the rows, generated from the table by tests/test_stubs.py: do not edit."""

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.core.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "add",
    "all",
    "alpha_dropout",
    "any",
    "apply_mask",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "astype",
    "atleast_1d",
    "atleast_2d",
    "binary_cross_entropy_with_logits",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "broadcast_to",
    "cat",
    "cbrt",
    "ceil",
    "celu",
    "clamp",
    "clip",
    "clip_gradient",
    "clip_through",
    "col2im",
    "concatenate",
    "copy",
    "cos",
    "cosh",
    "count_nonzero",
    "deg2rad",
    "divide",
    "dot",
    "dropout",
    "dropout1d",
    "dropout2d",
    "einsum",
    "elu",
    "equal",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "flatten",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "gaussian_dropout",
    "gaussian_noise",
    "gelu_tanh",
    "getitem",
    "gradient_reversal",
    "greater",
    "greater_equal",
    "gumbel_softmax",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "heaviside",
    "heaviside_through",
    "hstack",
    "hypot",
    "identity",
    "im2col",
    "inner",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "leaky_relu",
    "less",
    "less_equal",
    "linear",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsigmoid",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "mean_squared_error",
    "min",
    "minimum",
    "mish",
    "moveaxis",
    "multiply",
    "negative",
    "not_equal",
    "outer",
    "permute",
    "positive",
    "power",
    "prelu",
    "prod",
    "rad2deg",
    "ravel",
    "reciprocal",
    "relu",
    "relu6",
    "remainder",
    "reshape",
    "rint",
    "round",
    "round_through",
    "rsqrt",
    "scale_gradient",
    "scatter",
    "selu",
    "setitem",
    "sigmoid",
    "sign",
    "sign_through",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "softsign",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "straight_through",
    "subtract",
    "sum",
    "sum_to",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "transpose",
    "trunc",
    "unbind",
    "unsqueeze",
    "var",
    "vdot",
    "vstack",
    "where",
    "xlogy",
]

def abs(x: Any) -> Tensor:
    """Absolute value."""

def absolute(x: Any) -> Tensor:
    """Absolute value."""

def add(a: Any, b: Any) -> Tensor:
    """Sum."""

def all(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Whether all elements are true."""

def alpha_dropout(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None, shared: Any = ()) -> Tensor:
    """Elements set to SELU's limit with probability p; mean 0 and variance 1 are kept."""

def any(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Whether an element is true."""

def apply_mask(x: Any, mask: Any, scale: Any = 1.0) -> Tensor:
    """Elements where a mask is true, times a factor; 0 elsewhere."""

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

def astype(x: Any, dtype: Any) -> Tensor:
    """Convert to another dtype."""

def atleast_1d(x: Any) -> Tensor:
    """Give a scalar one axis."""

def atleast_2d(x: Any) -> Tensor:
    """Give a scalar or a vector two axes, a vector becoming a row."""

def binary_cross_entropy_with_logits(logits: Any, targets: Any, reduction: Any = 'mean') -> Tensor:
    """Cross-entropy of sigmoid(logits) against targets in [0, 1], without overflow."""

def bitwise_and(a: Any, b: Any) -> Tensor:
    """Bits set in both."""

def bitwise_or(a: Any, b: Any) -> Tensor:
    """Bits set in one or both."""

def bitwise_xor(a: Any, b: Any) -> Tensor:
    """Bits set in exactly one."""

def broadcast_to(x: Any, shape: Any) -> Tensor:
    """Repeat along new axes and axes of length 1."""

def cat(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    """Join along an axis that exists; along the first, flattened, for axis None."""

def cbrt(x: Any) -> Tensor:
    """Cube root."""

def ceil(x: Any) -> Tensor:
    """Smallest whole number not below."""

def celu(x: Any, alpha: Any = 1.0) -> Tensor:
    """Exponential linear unit of continuous slope."""

def clamp(a: Any, a_min: Any = None, a_max: Any = None) -> Tensor:
    """Value limited to an interval; a bound may be None."""

def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Tensor:
    """Value limited to an interval; a bound may be None."""

def clip_gradient(x: Any, limit: Any) -> Tensor:
    """The same value; each element of the gradient is kept within [-limit, limit]."""

def clip_through(x: Any, low: Any, high: Any) -> Tensor:
    """x kept within [low, high]; the gradient passes outside of it too."""

def col2im(col: Any, input_shape: Any, filter_h: Any, filter_w: Any, stride: Any = 1, pad: Any = 0) -> Tensor:
    """Rows of windows added back into images, overlaps summed: the adjoint of im2col."""

def concatenate(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    """Join along an axis that exists; along the first, flattened, for axis None."""

def copy(x: Any) -> Tensor:
    """The same value in memory of its own."""

def cos(x: Any) -> Tensor:
    """Cosine."""

def cosh(x: Any) -> Tensor:
    """Hyperbolic cosine."""

def count_nonzero(x: Any, axis: Any = None, keepdims: Any = False) -> Tensor:
    """Number of elements that are not zero."""

def deg2rad(x: Any) -> Tensor:
    """Degrees as radians."""

def divide(a: Any, b: Any) -> Tensor:
    """Quotient."""

def dot(a: Any, b: Any) -> Tensor:
    """Multiply scalars, multiply matrices, else sum over a's last and b's last but one axis."""

def dropout(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None, shared: Any = ()) -> Tensor:
    """Elements dropped with probability p, the others scaled up; shared axes drop together."""

def dropout1d(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None) -> Tensor:
    """Whole channels of (batch, channels, length) dropped with probability p."""

def dropout2d(x: Any, p: Any = 0.5, rng: Any = None, mask: Any = None) -> Tensor:
    """Whole channels of (batch, channels, height, width) dropped together."""

def einsum(subscripts: Any, *operands: Any) -> Tensor:
    """Sum of products in Einstein's notation, such as 'ij,jk->ik'."""

def elu(x: Any, alpha: Any = 1.0) -> Tensor:
    """Exponential linear unit."""

def equal(a: Any, b: Any) -> Tensor:
    """Whether two are equal."""

def exp(x: Any) -> Tensor:
    """Exponential."""

def exp2(x: Any) -> Tensor:
    """Power of 2."""

def expand_dims(x: Any, axis: Any) -> Tensor:
    """Insert axes of length 1."""

def expm1(x: Any) -> Tensor:
    """Exponential minus 1, exact near 0."""

def flatten(x: Any, start_axis: Any = 0) -> Tensor:
    """Join the axes from `start_axis` on into one."""

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

def gaussian_dropout(x: Any, p: Any = 0.5, rng: Any = None, noise: Any = None) -> Tensor:
    """Normal noise multiplied in, of the deviation that dropout has."""

def gaussian_noise(x: Any, std: Any = 0.1, rng: Any = None, noise: Any = None) -> Tensor:
    """Normal noise of standard deviation std added."""

def gelu_tanh(x: Any) -> Tensor:
    """Gaussian error linear unit in its tanh form."""

def getitem(x: Any, index: Any) -> Tensor:
    """Elements by slices, integers, integer arrays, masks, or a mix of them."""

def gradient_reversal(x: Any, scale: Any = 1.0) -> Tensor:
    """The same value; the gradient is turned round, as adversarial training needs it."""

def greater(a: Any, b: Any) -> Tensor:
    """Whether a is larger."""

def greater_equal(a: Any, b: Any) -> Tensor:
    """Whether a is not smaller."""

def gumbel_softmax(logits: Any, tau: Any = 1.0, hard: Any = False, axis: Any = -1, rng: Any = None, noise: Any = None) -> Tensor:
    """A random choice of one class, relaxed by a temperature; one-hot if hard."""

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

def hstack(arrays: Sequence[Any]) -> Tensor:
    """Join along the second axis, vectors end to end."""

def hypot(a: Any, b: Any) -> Tensor:
    """Length of the vector (a, b)."""

def identity(x: Any) -> Tensor:
    """The same value, in the same memory, on a node of its own."""

def im2col(x: Any, filter_h: Any, filter_w: Any, stride: Any = 1, pad: Any = 0) -> Tensor:
    """The windows of images as rows of a matrix, each row channel by channel."""

def inner(a: Any, b: Any) -> Tensor:
    """Sum over the last axes of both."""

def invert(x: Any) -> Tensor:
    """All bits turned."""

def isfinite(x: Any) -> Tensor:
    """Whether it is neither infinite nor nan."""

def isinf(x: Any) -> Tensor:
    """Whether it is infinite."""

def isnan(x: Any) -> Tensor:
    """Whether it is not a number."""

def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Tensor:
    """Rectified linear unit that leaks to the left."""

def less(a: Any, b: Any) -> Tensor:
    """Whether a is smaller."""

def less_equal(a: Any, b: Any) -> Tensor:
    """Whether a is not larger."""

def linear(x: Any, weight: Any, bias: Any = None, activation: Any = None) -> Tensor:
    """Affine map with an optional activation: the fully connected layer."""

def log(x: Any) -> Tensor:
    """Natural logarithm."""

def log10(x: Any) -> Tensor:
    """Logarithm to base 10."""

def log1p(x: Any) -> Tensor:
    """Logarithm of 1 + x, exact near 0."""

def log2(x: Any) -> Tensor:
    """Logarithm to base 2."""

def log_softmax(x: Any, axis: Any = -1) -> Tensor:
    """Logarithm of softmax, without overflow."""

def logaddexp(a: Any, b: Any) -> Tensor:
    """Logarithm of a sum of exponentials."""

def logaddexp2(a: Any, b: Any) -> Tensor:
    """Logarithm to base 2 of a sum of powers of 2."""

def logical_and(a: Any, b: Any) -> Tensor:
    """Whether both are true."""

def logical_not(x: Any) -> Tensor:
    """Whether it is false."""

def logical_or(a: Any, b: Any) -> Tensor:
    """Whether one is true, or both."""

def logical_xor(a: Any, b: Any) -> Tensor:
    """Whether exactly one is true."""

def logsigmoid(x: Any) -> Tensor:
    """Logarithm of the sigmoid."""

def logsumexp(x: Any, axis: Any = None, keepdims: Any = False) -> Tensor:
    """Logarithm of the sum of exponentials over axes, without overflow."""

def matmul(a: Any, b: Any) -> Tensor:
    """Matrix product; stacks of matrices broadcast, a single axis is a row or a column."""

def max(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Largest element over axes."""

def maximum(a: Any, b: Any) -> Tensor:
    """Larger of two, nan if one is nan."""

def mean(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Mean over axes."""

def mean_squared_error(prediction: Any, target: Any, reduction: Any = 'mean') -> Tensor:
    """Mean of squared differences; the shapes must be equal."""

def min(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Smallest element over axes."""

def minimum(a: Any, b: Any) -> Tensor:
    """Smaller of two, nan if one is nan."""

def mish(x: Any) -> Tensor:
    """Mish."""

def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Move axes to new positions; the others keep their order."""

def multiply(a: Any, b: Any) -> Tensor:
    """Product."""

def negative(x: Any) -> Tensor:
    """Negation."""

def not_equal(a: Any, b: Any) -> Tensor:
    """Whether two differ."""

def outer(a: Any, b: Any) -> Tensor:
    """Multiply each element of one vector with each of the other."""

def permute(x: Any, axes: Any = None) -> Tensor:
    """Permute the axes; reverse them by default."""

def positive(x: Any) -> Tensor:
    """The same value."""

def power(a: Any, b: Any) -> Tensor:
    """Power."""

def prelu(x: Any, weight: Any) -> Tensor:
    """Leaky rectified linear unit whose slope is learnt."""

def prod(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Product over axes."""

def rad2deg(x: Any) -> Tensor:
    """Radians as degrees."""

def ravel(x: Any) -> Tensor:
    """Put all elements on one axis."""

def reciprocal(x: Any) -> Tensor:
    """Reciprocal."""

def relu(x: Any) -> Tensor:
    """Rectified linear unit."""

def relu6(x: Any) -> Tensor:
    """Rectified linear unit that ends at 6."""

def remainder(a: Any, b: Any) -> Tensor:
    """Remainder with the sign of the divisor, as in Python's %."""

def reshape(x: Any, shape: Any) -> Tensor:
    """The same elements in another shape; one length may be -1."""

def rint(x: Any) -> Tensor:
    """Nearest whole number, halves to the even one."""

def round(a: Any, decimals: Any = 0) -> Tensor:
    """Value rounded to decimals, halves to the even digit."""

def round_through(x: Any) -> Tensor:
    """Nearest integer, halves to even; the gradient passes as if it were x."""

def rsqrt(x: Any) -> Tensor:
    """Reciprocal square root."""

def scale_gradient(x: Any, scale: Any) -> Tensor:
    """The same value; the gradient is multiplied by a factor."""

def scatter(x: Any, index: Any, shape: Any) -> Tensor:
    """Zeros with elements added at an index; repeated indices sum. The adjoint of getitem."""

def selu(x: Any) -> Tensor:
    """Self-normalizing exponential linear unit."""

def setitem(x: Any, index: Any, value: Any) -> Tensor:
    """A copy of x in which the elements at an index have new values."""

def sigmoid(x: Any) -> Tensor:
    """Logistic sigmoid."""

def sign(x: Any) -> Tensor:
    """-1, 0 or 1 by the sign."""

def sign_through(x: Any) -> Tensor:
    """Sign; the gradient passes where x is within [-1, 1]."""

def silu(x: Any) -> Tensor:
    """Sigmoid linear unit, also called swish."""

def sin(x: Any) -> Tensor:
    """Sine."""

def sinc(x: Any) -> Tensor:
    """Sine of πx over πx, 1 at 0."""

def sinh(x: Any) -> Tensor:
    """Hyperbolic sine."""

def softmax(x: Any, axis: Any = -1) -> Tensor:
    """Exponentials divided by their sum along an axis: positive, summing to 1."""

def softmax_cross_entropy(logits: Any, labels: Any, label_smoothing: Any = 0.0, ignore_index: Any = None, reduction: Any = 'mean') -> Tensor:
    """Cross-entropy of softmax(logits) against class numbers, one-hot rows or probabilities."""

def softplus(x: Any) -> Tensor:
    """Smooth rectifier."""

def softsign(x: Any) -> Tensor:
    """Sigmoid without exponentials."""

def split(x: Any, indices_or_sections: Any, axis: Any = 0) -> list[Tensor]:
    """Cut along an axis into equal parts, or before the given indices; returns a list."""

def sqrt(x: Any) -> Tensor:
    """Square root."""

def square(x: Any) -> Tensor:
    """Square."""

def squeeze(x: Any, axis: Any = None) -> Tensor:
    """Remove axes of length 1."""

def stack(arrays: Sequence[Any], axis: Any = 0) -> Tensor:
    """Join arrays of one shape along a new axis."""

def std(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: Any = False) -> Tensor:
    """Standard deviation over axes."""

def stop_gradient(x: Any) -> Tensor:
    """The same value, to which no gradient flows: a constant."""

def straight_through(value: Any, x: Any) -> Tensor:
    """A value whose gradient goes to another array, unchanged: the straight-through estimator."""

def subtract(a: Any, b: Any) -> Tensor:
    """Difference."""

def sum(x: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    """Sum over axes."""

def sum_to(x: Any, shape: Any) -> Tensor:
    """Sum over the axes along which `shape` was broadcast: the adjoint of broadcast_to."""

def swapaxes(x: Any, axis1: Any, axis2: Any) -> Tensor:
    """Exchange two axes."""

def take(x: Any, indices: Any, axis: Any = None) -> Tensor:
    """Elements along an axis by integer indices."""

def take_along_axis(x: Any, indices: Any, axis: Any = -1) -> Tensor:
    """Elements by an index array that runs along one axis, as argsort and argmax give."""

def tan(x: Any) -> Tensor:
    """Tangent."""

def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent."""

def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """Sum of products over the given pairs of axes."""

def transpose(x: Any, axes: Any = None) -> Tensor:
    """Permute the axes; reverse them by default."""

def trunc(x: Any) -> Tensor:
    """Whole number towards 0."""

def unbind(x: Any, axis: Any = 0) -> tuple[Tensor, ...]:
    """Cut into slices along an axis, which is removed; returns a tuple."""

def unsqueeze(x: Any, axis: Any) -> Tensor:
    """Insert axes of length 1."""

def var(x: Any, axis: Any = None, *, ddof: Any = 0, keepdims: Any = False) -> Tensor:
    """Variance over axes."""

def vdot(a: Any, b: Any) -> Tensor:
    """Sum the products of all elements."""

def vstack(arrays: Sequence[Any]) -> Tensor:
    """Join along the first axis, vectors as rows."""

def where(condition: Any, x: Any, y: Any) -> Tensor:
    """x where the condition holds, else y."""

def xlogy(a: Any, b: Any) -> Tensor:
    """a times the logarithm of b, 0 where a is 0."""
