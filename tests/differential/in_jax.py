"""What JAX calls the rows: one line for each, a function of the arguments and parameters.

Most of NumPy is there under its own name. A row that JAX has not has the reason in its place; a
row that it has without one of our options leaves the calls with that option out (`only`). Losses
that no library has are written out by their formulas: JAX then differentiates the formula.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from .comparison import Call, Cells, Derivatives, Differ, Edge, only

jax = pytest.importorskip(
    "jax", reason="JAX is not installed; the extra `peers` brings it: pip install '.[peers]'"
)
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402
from jax.scipy import special  # noqa: E402

nn = jax.nn

# ------------------------------------------------------------------------------ translations


def several(value: Any, count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


def at(x: Any, i: Any, axis: int) -> tuple[Any, ...]:
    """Return the index of all axes that an index array along one axis stands for."""
    where = list(jnp.meshgrid(*map(jnp.arange, i.shape), indexing="ij", sparse=True))
    where[axis] = i
    return tuple(where)


def masked_select(x: Any, mask: Any) -> Any:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return jnp.broadcast_to(x, shape)[np.broadcast_to(mask, shape)]


def along(axis: int, i: Any, ndim: int) -> tuple[Any, ...]:
    return (*[slice(None)] * (axis % ndim), i)


def pairs(padding: Any, lengths: Any, size: Any, stride: Any, dilation: Any) -> Any:
    count = len(size)
    if padding != "same":
        return [several(p, 2) for p in several(padding, count)]
    strides, dilations = several(stride, count), several(dilation, count)
    found = []
    for n, k, s, d in zip(lengths, size, strides, dilations, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        found.append((total // 2, total - total // 2))
    return found


def convolved(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
    pool: Any = 1,
) -> Any:
    count = x.ndim - 2
    y = lax.conv_general_dilated(
        x,
        weight,
        several(stride, count),
        pairs(padding, x.shape[2:], weight.shape[2:], stride, dilation),
        rhs_dilation=several(dilation, count),
        feature_group_count=groups,
    )
    y = y if bias is None else y + jnp.reshape(bias, (-1, *[1] * count))
    if activation:
        y = {"tanh": jnp.tanh, "sigmoid": nn.sigmoid}[activation](y)
    return y if pool == 1 else max_pooled(y, pool)


def transposed(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    only(groups == 1, "groups of a transposed convolution")
    count = x.ndim - 2
    sides = [several(p, 2) for p in several(padding, count)]
    more, dilations = several(output_padding, count), several(dilation, count)
    reach = [d * (k - 1) for k, d in zip(weight.shape[2:], dilations, strict=True)]
    y = lax.conv_general_dilated(
        x,
        jnp.flip(jnp.swapaxes(weight, 0, 1), tuple(range(2, x.ndim))),
        (1,) * count,
        [(r - a, r - b + m) for r, (a, b), m in zip(reach, sides, more, strict=True)],
        lhs_dilation=several(stride, count),
        rhs_dilation=dilations,
    )
    return y if bias is None else y + jnp.reshape(bias, (-1, *[1] * count))


def windows(x: Any, size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    count = x.ndim - 2
    sizes = several(size, count)
    found = lax.conv_general_dilated_patches(
        x,
        sizes,
        several(stride, count),
        pairs(padding, x.shape[2:], sizes, stride, dilation),
        rhs_dilation=several(dilation, count),
    )
    return found.reshape(*x.shape[:2], *sizes, *found.shape[2:])


def pooled(
    x: Any, start: float, combine: Any, size: Any, stride: Any, sides: Any, dilation: Any = 1
) -> Any:
    count = x.ndim - 2
    return lax.reduce_window(
        x,
        start,
        combine,
        (1, 1, *several(size, count)),
        (1, 1, *several(stride, count)),
        [(0, 0), (0, 0), *sides],
        window_dilation=(1, 1, *several(dilation, count)),
    )


def max_pooled(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    only(not ceil_mode, "ceil_mode")
    only(dilation == 1, "the derivative of a window with gaps")
    stride = size if stride is None else stride
    sides = pairs(padding, x.shape[2:], several(size, x.ndim - 2), stride, dilation)
    return pooled(x, -jnp.inf, lax.max, size, stride, sides, dilation)


def avg_pooled(
    x: Any,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    only(not ceil_mode, "ceil_mode")
    stride = size if stride is None else stride
    sizes = several(size, x.ndim - 2)
    sides = pairs(padding, x.shape[2:], sizes, stride, 1)
    total = pooled(x, 0.0, lax.add, size, stride, sides)
    if count_include_pad:
        return total / math.prod(sizes)
    return total / pooled(jnp.ones_like(x), 0.0, lax.add, size, stride, sides)


def lp_pooled(x: Any, size: Any, p: float = 2, stride: Any = None, ceil_mode: bool = False) -> Any:
    only(not ceil_mode, "ceil_mode")
    sides = [(0, 0)] * (x.ndim - 2)
    total = pooled(jnp.abs(x) ** p, 0.0, lax.add, size, size if stride is None else stride, sides)
    return total ** (1 / p)


def attention(q: Any, k: Any, v: Any, mask: Any, causal: bool = False, scale: Any = None) -> Any:
    scores = q @ jnp.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == bool else scores + mask
    if causal:
        scores = jnp.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -jnp.inf)
    seen = jnp.any(scores > -jnp.inf, -1, keepdims=True)
    return jnp.where(seen, nn.softmax(jnp.where(seen, scores, 0.0)), 0.0) @ v


def reduced(terms: Any, how: str) -> Any:
    return {"mean": jnp.mean, "sum": jnp.sum, "none": lambda y: y}[how](terms)


def rectified(f: Any) -> Any:
    return lambda x, axis: (lambda a, b: a * f(b))(*jnp.split(x, 2, axis))


def focal(x: Any, t: Any, alpha: Any, gamma: float, reduction: str) -> Any:
    p = nn.sigmoid(x)
    right = p * t + (1 - p) * (1 - t)
    loss = -t * nn.log_sigmoid(x) - (1 - t) * nn.log_sigmoid(-x)
    weight = 1 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    return reduced(weight * (1 - right) ** gamma * loss, reduction)


def many_focal(
    logits: Any, labels: Any, gamma: float, weight: Any, ignore_index: Any, reduction: str
) -> Any:
    only(reduction == "mean", "sums")
    counted = labels != ignore_index if ignore_index is not None else labels == labels
    safe = jnp.where(counted, labels, 0)
    logp = jnp.take_along_axis(nn.log_softmax(logits), safe[..., None], -1)[..., 0]
    weights = counted * (1.0 if weight is None else jnp.asarray(weight)[safe])
    return jnp.sum(weights * -logp * (1 - jnp.exp(logp)) ** gamma) / jnp.sum(weights)


def dice(p: Any, t: Any, smooth: float, reduction: str) -> Any:
    axes = tuple(range(1, p.ndim))
    both, each = jnp.sum(p * t, axes), jnp.sum(p, axes) + jnp.sum(t, axes)
    return reduced(1 - (2 * both + smooth) / (each + smooth), reduction)


def jensen_shannon(p: Any, q: Any, axis: int, reduction: str) -> Any:
    m = (p + q) / 2
    terms = (special.rel_entr(p, m) + special.rel_entr(q, m)) / 2
    return reduced(jnp.sum(terms, axis), reduction)


def cumulative_integral(y: Any, x: Any, dx: float, axis: int, initial: Any) -> Any:
    y = jnp.moveaxis(y, axis, -1)
    if x is not None:
        x = x if x.ndim == 1 else jnp.moveaxis(x, axis, -1)
    step = dx if x is None else jnp.diff(x)
    total = jnp.cumsum((y[..., 1:] + y[..., :-1]) / 2 * step, -1)
    if initial is not None:
        total = jnp.concatenate([jnp.full((*total.shape[:-1], 1), initial), total], -1)
    return jnp.moveaxis(total, -1, axis)


def quantile(name: str) -> Any:
    function = getattr(jnp, name)

    def computed(x: Any, q: Any, axis: Any, method: str, keepdims: bool) -> Any:
        only(method in ("linear", "lower", "higher", "midpoint", "nearest"), "this method")
        only(np.ndim(q) < 2, "q of several axes")
        return function(x, jnp.asarray(q), axis, method=method, keepdims=keepdims)

    return computed


def transform(name: str) -> Any:
    function = getattr(jnp.fft, name)

    def computed(a: Any, **params: Any) -> Any:
        only(a.size, "transforms of no signal")
        only(-1 not in (params.get("s") or ()), "-1 for a length as it is")
        return function(a, **params)

    return computed


def of_polynomials(name: str) -> Any:
    function = getattr(jnp, name)
    return lambda a, b: only(a.ndim and b.ndim, "numbers for polynomials") or function(a, b)


def scaled_gradient(x: Any, scale: float) -> Any:
    return lax.stop_gradient(x) + scale * (x - lax.stop_gradient(x))


def through(value: Any, x: Any) -> Any:
    return lax.stop_gradient(value) + (x - lax.stop_gradient(x))


def gumbel(
    logits: Any, noise: Any, tau: float = 1.0, hard: bool = False, axis: int = -1, **_: Any
) -> Any:
    soft = nn.softmax((logits + noise) / tau, axis)
    return through(hardest(soft, axis), soft) if hard else soft


def hardest(x: Any, axis: int = -1) -> Any:
    return nn.one_hot(jnp.argmax(x, axis), x.shape[axis], axis=axis)


def standardized(x: Any, axis: Any, eps: float) -> Any:
    return nn.standardize(x, axis, epsilon=eps, algorithm="stable")


def shaped(a: Any, x: Any, axis: Any) -> Any:
    """Return a parameter in a shape that broadcasts with x along an axis, or several."""
    kept = {i % x.ndim for i in ((axis,) if isinstance(axis, int) else axis)}
    return jnp.reshape(a, [n if i in kept else 1 for i, n in enumerate(x.shape)])


def moved(y: Any, x: Any, scale: Any, shift: Any, axis: Any) -> Any:
    y = y if scale is None else y * shaped(scale, x, axis)
    return y if shift is None else y + shaped(shift, x, axis)


def batch_normed(x: Any, scale: Any, shift: Any, mean: Any, var: Any, axis: Any, eps: float) -> Any:
    only(x.size, "means of nothing")
    kept = {i % x.ndim for i in ((axis,) if isinstance(axis, int) else axis)}
    others = tuple(i for i in range(x.ndim) if i not in kept)
    if mean is None:
        y = nn.standardize(x, others, epsilon=eps, algorithm="stable")
    else:
        y = nn.standardize(x, others, shaped(mean, x, axis), shaped(var, x, axis), eps)
    return moved(y, x, scale, shift, axis)


def layer_normed(x: Any, scale: Any, shift: Any, axis: Any, eps: float) -> Any:
    only(x.size, "means of nothing")
    return moved(standardized(x, axis, eps), x, scale, shift, axis)


def group_normed(x: Any, scale: Any, shift: Any, groups: int, eps: float) -> Any:
    only(x.size, "means of nothing")
    parts = x.reshape(len(x), groups, -1)
    return moved(standardized(parts, -1, eps).reshape(x.shape), x, scale, shift, 1)


def rms_normed(x: Any, scale: Any, axis: Any, eps: float) -> Any:
    only(x.size, "means of nothing")
    y = x / jnp.sqrt(jnp.mean(x * x, axis, keepdims=True) + eps)
    return moved(y, x, scale, None, axis)


def normed(x: Any, axis: Any, p: float) -> Any:
    only(x.size, "vectors of nothing")
    if isinstance(axis, int):
        return x / jnp.linalg.norm(x, p, axis, keepdims=True)
    return x / jnp.sum(jnp.abs(x) ** p, axis, keepdims=True) ** (1 / p)


def sides(ndim: int, pad_width: Any) -> list[Any]:
    """Return a pair for each axis."""
    if not isinstance(pad_width, dict):
        return np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()
    found = [(0, 0)] * ndim
    for axis, pair in pad_width.items():
        found[axis] = pair
    return found


def chunks(x: Any, chunks: int, axis: int) -> Any:
    each = -(-x.shape[axis] // chunks)
    return jnp.split(x, list(range(each, x.shape[axis], each)), axis)


def unflat(x: Any, axis: int, shape: Any) -> Any:
    axis %= x.ndim
    return x.reshape(*x.shape[:axis], *shape, *x.shape[axis + 1 :])


def same(module: Any, names: str) -> dict[str, Any]:
    """Return rows that have the same name and parameters there."""
    return {name: getattr(module, name) for name in names.split()}


def of_list(module: Any, names: str) -> dict[str, Any]:
    """Return rows whose arrays make one list there."""
    found = {}
    for name in names.split():
        function = getattr(module, name)
        found[name] = lambda *arrays, function=function, **params: function(list(arrays), **params)
    return found


NETS = "a function of nets, which JAX leaves to libraries; PyTorch has it"
NONE = "no such function; PyTorch has it"
GIVEN = "calls functions that it is given, which are ours"
FREE = "the order beside the wanted element is free; sort is compared"
ADJOINT = "internal: part of the rule of another row"
PACKED = "internal: the results of another row in one array"

# ------------------------------------------------------------------------------ the table

ROWS: Cells = {
    # elementwise
    **same(jnp, "add subtract multiply divide floor_divide remainder fmod power positive negative"),
    **same(jnp, "absolute sign heaviside floor ceil trunc rint round copysign modf divmod square"),
    **same(jnp, "sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2"),
    **same(
        jnp, "sin cos tan arcsin arccos arctan arctan2 hypot deg2rad rad2deg sinc sinh cosh tanh"
    ),
    **same(jnp, "arcsinh arccosh arctanh maximum minimum fmax fmin where less less_equal greater"),
    **same(jnp, "greater_equal equal not_equal logical_and logical_or logical_xor logical_not"),
    **same(jnp, "bitwise_and bitwise_or bitwise_xor invert isnan isinf isfinite signbit isclose"),
    **same(jnp, "nextafter nan_to_num ldexp"),
    "rsqrt": lax.rsqrt,
    "xlogy": special.xlogy,
    "clip": lambda a, a_min, a_max: jnp.clip(a, a_min, a_max),
    # activation
    **same(nn, "relu relu6 leaky_relu elu celu selu sigmoid squareplus silu mish glu"),
    "prelu": lambda x, weight: jnp.where(x > 0, x, weight * x),
    "hardtanh": lambda x, min_val, max_val: jnp.clip(x, min_val, max_val),
    "threshold": lambda x, threshold, value: jnp.where(x > threshold, x, value),
    "softshrink": lambda x, lambd: jnp.where(
        x > lambd, x - lambd, jnp.where(x < -lambd, x + lambd, 0.0)
    ),
    "hardshrink": lambda x, lambd: jnp.where(jnp.abs(x) > lambd, x, 0.0),
    "tanhshrink": lambda x: x - jnp.tanh(x),
    "hardsigmoid": nn.hard_sigmoid,
    "hardswish": nn.hard_swish,
    "rrelu": lambda x, slopes, lower, upper, rng: nn.leaky_relu(
        x, (lower + upper) / 2 if slopes is None else slopes
    ),
    "logsigmoid": nn.log_sigmoid,
    "softplus": lambda x, beta: nn.softplus(beta * x) / beta,
    "log_cosh": lambda x: jnp.logaddexp(x, -x) - math.log(2),
    "softsign": nn.soft_sign,
    "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
    "gelu_tanh": nn.gelu,
    "gelu": lambda x, approximate: nn.gelu(x, approximate=approximate == "tanh"),
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": special.erfinv,
    "reglu": rectified(nn.relu),
    "geglu": rectified(lambda x: nn.gelu(x, approximate=False)),
    "swiglu": rectified(nn.silu),
    "softmin": lambda x, axis: nn.softmax(-x, axis),
    "softmax2d": lambda x: nn.softmax(x, -3),
    **same(jnp, "left_shift right_shift gcd lcm bitwise_count isposinf isneginf spacing"),
    **same(jnp, "polyval poly unwrap float_power"),
    "exponent": lambda x: jnp.frexp(x)[1],
    "frexp": lambda x: jnp.frexp(x)[0],
    "xlog1py": special.xlog1py,
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "addcmul": lambda x, a, b, value: x + value * a * b,
    "addcdiv": lambda x, a, b, value: x + value * a / b,
    "logit": lambda x, eps: special.logit(x if eps is None else jnp.clip(x, eps, 1 - eps)),
    "narrow": lambda x, axis, start, length: lax.slice_in_dim(
        x, start % x.shape[axis], start % x.shape[axis] + length, axis=axis
    ),
    "t": jnp.transpose,
    "ix_": lambda *args: only(all(a.dtype != bool for a in args), "masks") or jnp.ix_(*args),
    "var_mean": lambda x, axis, ddof, keepdims: (
        jnp.var(x, axis, ddof=ddof, keepdims=keepdims),
        jnp.mean(x, axis, keepdims=keepdims),
    ),
    "std_mean": lambda x, axis, ddof, keepdims: (
        jnp.std(x, axis, ddof=ddof, keepdims=keepdims),
        jnp.mean(x, axis, keepdims=keepdims),
    ),
    **dict.fromkeys(["apply_along_axis", "apply_over_axes", "piecewise"], GIVEN),
    "trim_zeros": "the shape of its result depends on values, which JAX cannot trace",
    "real_if_close": NONE,
    "cdist": NETS,
    "lexsort": lambda *keys, axis: jnp.lexsort(keys, axis),
    **{name: of_polynomials(name) for name in ("polyadd", "polysub", "polymul")},
    "polyder": lambda p, m: jnp.polyder(p, m),
    "polyint": lambda p, k, m: jnp.polyint(p, m, k),
    "polyfit": lambda x, y, w, deg, rcond, **_: jnp.polyfit(x, y, deg, rcond, w=w),
    **same(jnp, "union1d setxor1d unique_values"),
    "isin": lambda x, y, invert, **_: jnp.isin(x, y, invert=invert),
    "intersect1d": lambda a, b, **_: jnp.intersect1d(a, b),
    "setdiff1d": lambda a, b, **_: jnp.setdiff1d(a, b),
    # gamma and Bessel functions
    **same(special, "digamma i0 i1 i0e i1e"),
    "lgamma": special.gammaln,
    "polygamma": lambda x, n: special.polygamma(n, x),
    # shape
    **same(jnp, "copy broadcast_to reshape ravel expand_dims squeeze atleast_1d atleast_2d"),
    **same(jnp, "atleast_3d transpose swapaxes moveaxis split"),
    **of_list(jnp, "concatenate stack vstack hstack"),
    "astype": lambda x, dtype: x.astype(dtype),
    "identity": nn.identity,
    "sum_to": lambda x, shape: jax.linear_transpose(
        lambda y: jnp.broadcast_to(y, x.shape), jnp.zeros(shape, x.dtype)
    )(x)[0],
    "flatten": lambda x, start_axis: x.reshape(*x.shape[:start_axis], -1),
    "unbind": lambda x, axis: jnp.unstack(x, axis=axis),
    # index
    **same(jnp, "take_along_axis"),
    "compress": lambda condition, x, axis: jnp.take(
        x if axis is not None else jnp.ravel(x), np.flatnonzero(condition), axis or 0
    ),
    "extract": lambda condition, x: jnp.ravel(x)[np.ravel(condition) != 0],
    "getitem": lambda x, index: x[index],
    "scatter": lambda x, index, shape: jnp.zeros(shape, x.dtype).at[index].add(x),
    "take": lambda x, indices, axis, mode: jnp.take(
        x, indices, axis, mode=None if mode == "raise" else mode
    ),
    "setitem": lambda x, value, index: x.at[index].set(value),
    "gather": lambda x, i, axis: x[at(x, i, axis)],
    "scatter_add": lambda x, i, source, axis: x.at[at(x, i, axis)].add(source),
    "put_along_axis": lambda x, i, values, axis: jnp.put_along_axis(
        x, i, values, axis, inplace=False
    ),
    "put": lambda x, i, values: jnp.put(x, i, values, inplace=False),
    "index_select": lambda x, i, axis: jnp.take(x, i, axis),
    "index_add": lambda x, i, source, axis, alpha: x.at[along(axis, i, x.ndim)].add(alpha * source),
    "index_copy": lambda x, i, source, axis: x.at[along(axis, i, x.ndim)].set(source),
    "index_fill": lambda x, i, value, axis: x.at[along(axis, i, x.ndim)].set(value),
    "index_put": lambda x, values, indices, accumulate: getattr(
        x.at[indices], "add" if accumulate else "set"
    )(values),
    "masked_fill": lambda x, mask, value: jnp.where(mask, value, x),
    "masked_select": masked_select,
    "masked_scatter": lambda x, mask, source: x.at[np.broadcast_to(mask, x.shape)].set(
        source.ravel()[: int(np.broadcast_to(mask, x.shape).sum())]
    ),
    "choose": lambda *choices, a, mode: jnp.choose(
        a, choices, mode="clip" if mode == "raise" else mode
    ),
    "select": lambda *choices, condlist, default: jnp.select(condlist, choices, default),
    "embedding": lambda ids, weight, padding_idx: (
        weight
        if padding_idx is None
        else weight.at[padding_idx].set(lax.stop_gradient(weight[padding_idx]))
    )[ids],
    "one_hot": lambda labels, num_classes, dtype: nn.one_hot(
        labels, int(labels.max()) + 1 if num_classes is None else num_classes, dtype=dtype
    ),
    **same(jnp, "argwhere flatnonzero nonzero"),
    # arrange
    **same(jnp, "tile roll flip fliplr flipud rot90 diagonal diag diagflat vander resize"),
    **same(jnp, "linspace geomspace append array_split hsplit vsplit dsplit rollaxis"),
    "tril": lambda x, k: only(x.ndim > 1, "vectors") or jnp.tril(x, k),
    "triu": lambda x, k: only(x.ndim > 1, "vectors") or jnp.triu(x, k),
    "meshgrid": lambda *arrays, copy, sparse, indexing: (
        only(copy and all(a.ndim for a in arrays), "copy=False, and numbers for vectors")
        or jnp.meshgrid(*arrays, sparse=sparse, indexing=indexing)
    ),
    **of_list(jnp, "column_stack dstack block"),
    "logspace": lambda start, stop, base, **p: jnp.logspace(
        start, stop, base=10.0 if base is None else base, **p
    ),
    "repeat": lambda x, repeats, axis: jnp.repeat(x, np.asarray(repeats), axis),
    "delete": lambda x, obj, axis: jnp.delete(
        x, np.asarray(obj) if isinstance(obj, tuple) else obj, axis
    ),
    "diag_embed": NONE,
    "fill_diagonal": lambda x, value, wrap: (
        only(not wrap, "wrap=True") or jnp.fill_diagonal(x, value, wrap=wrap, inplace=False)
    ),
    "pad_constant": lambda x, pad_width, constant_values: (
        only(x.ndim, "numbers")
        or jnp.pad(x, sides(x.ndim, pad_width), constant_values=constant_values)
    ),
    "crop": lambda x, pad_width: lax.pad(
        x, np.zeros((), x.dtype), [(-a, -b, 0) for a, b in sides(x.ndim, pad_width)]
    ),
    "pad": lambda x, pad_width, mode, stat_length, constant_values, end_values, reflect_type: (
        jnp.pad(
            x,
            pad_width,
            mode,
            **{
                "constant": {"constant_values": constant_values},
                "linear_ramp": {"end_values": end_values},
                "reflect": {"reflect_type": reflect_type},
                "symmetric": {"reflect_type": reflect_type},
                "edge": {},
                "wrap": {},
            }.get(mode, {"stat_length": stat_length}),
        )
    ),
    "unfold": NONE,
    "fold": NONE,
    "sliding_window_view": NONE,
    "broadcast_arrays": jnp.broadcast_arrays,
    "insert": lambda x, values, obj, axis: jnp.insert(
        x, obj if isinstance(obj, (int, slice)) else np.asarray(obj), values, axis
    ),
    "chunk": chunks,
    "unflatten": unflat,
    # attention
    "causal_mask": lambda x: jnp.tri(*x.shape[-2:], dtype=bool),
    "scaled_dot_product_attention": attention,
    "attention_weights": lambda q, k, mask, causal, scale: attention(
        q, k, jnp.eye(k.shape[-2]), mask, causal, scale
    ),
    # complexes
    **same(jnp, "real imag conjugate angle isreal iscomplex"),
    "to_complex": lambda re, im: lax.complex(*jnp.broadcast_arrays(re, im)),
    "polar": lambda length, angle: length * jnp.exp(1j * angle),
    # conv, pool
    "windows": windows,
    "overlap_add": lambda cols, lengths, **p: jax.linear_transpose(
        lambda x: windows(x, cols.shape[2 : 2 + len(lengths)], **p),
        jnp.zeros((*cols.shape[:2], *lengths), cols.dtype),
    )(cols)[0],
    "im2col": NONE,
    "col2im": NONE,
    "convolution": convolved,
    "conv1d": convolved,
    "conv2d": convolved,
    "conv3d": convolved,
    "depthwise_conv2d": lambda x, weight, bias, **p: convolved(
        x, weight, bias, groups=x.shape[1], **p
    ),
    "conv_transpose": transposed,
    "conv_transpose1d": transposed,
    "conv_transpose2d": transposed,
    "conv_transpose3d": transposed,
    "max_pool": max_pooled,
    "avg_pool": avg_pooled,
    "lp_pool": lp_pooled,
    "blend": "internal: part of upsample and adaptive_avg_pool",
    "adaptive_avg_pool": NETS,
    "adaptive_max_pool": NETS,
    "global_avg_pool": lambda x, keepdims: jnp.mean(x, tuple(range(2, x.ndim)), keepdims=keepdims),
    "global_max_pool": lambda x, keepdims: jnp.max(x, tuple(range(2, x.ndim)), keepdims=keepdims),
    "upsample": NETS,
    "pixel_shuffle": NETS,
    "pixel_unshuffle": NETS,
    # losses
    **dict.fromkeys(
        (
            "softmax_cross_entropy nll_loss ctc_loss binary_cross_entropy kl_div soft_margin_loss "
            "poisson_nll_loss gaussian_nll_loss hinge_embedding_loss multi_margin_loss huber_loss "
            "multilabel_margin_loss multilabel_soft_margin_loss mean_squared_error "
            "triplet_margin_loss mean_absolute_error cosine_similarity pairwise_distance "
            "cosine_embedding_loss margin_ranking_loss smooth_l1_loss log_cosh_loss "
            "binary_cross_entropy_with_logits"
        ).split(),
        NETS,
    ),
    "softmax_focal_loss": many_focal,
    "sigmoid_focal_loss": focal,
    "dice_loss": dice,
    "jensen_shannon": jensen_shannon,
    "hinge_loss": lambda x, t, margin, reduction: reduced(nn.relu(margin - t * x), reduction),
    "squared_hinge_loss": lambda x, t, margin, reduction: reduced(
        nn.relu(margin - t * x) ** 2, reduction
    ),
    # cumulative, signal
    **same(jnp, "nancumsum nancumprod cumulative_sum cumulative_prod"),
    "cumsum": lambda x, axis: jnp.cumsum(x, axis if x.ndim else None),
    "cumprod": lambda x, axis: jnp.cumprod(x, axis if x.ndim else None),
    "cummax": lambda x, axis: lax.cummax(x, axis % x.ndim),
    "cummin": lambda x, axis: lax.cummin(x, axis % x.ndim),
    "logcumsumexp": lambda x, axis: lax.cumlogsumexp(x, axis % x.ndim),
    "diff": lambda x, prepend, append, n, axis: jnp.diff(x, n, axis, prepend, append),
    "ediff1d": jnp.ediff1d,
    "weighted": lambda x, weights: x * weights,
    "gradient": lambda x, varargs, axis, edge_order: (
        only(edge_order == 1, "edge_order=2") or jnp.gradient(x, *varargs, axis=axis)
    ),
    "trapezoid": jnp.trapezoid,
    "cumulative_trapezoid": cumulative_integral,
    "convolve": jnp.convolve,
    "correlate": jnp.correlate,
    "interp": jnp.interp,
    # decompose
    "det": lambda x: only(x.size, "matrices of nothing") or jnp.linalg.det(x),
    **same(jnp.linalg, "inv solve slogdet matrix_power cond svd qr"),
    "solve_triangular": lambda a, b, **p: jax.scipy.linalg.solve_triangular(a, b, **p),
    "tensorsolve": jnp.linalg.tensorsolve,
    "tensorinv": jnp.linalg.tensorinv,
    "pinv": lambda x, rcond, hermitian, rtol: jnp.linalg.pinv(x, rtol=rtol),
    "matrix_rank": lambda x, tol, hermitian, rtol: (
        only(tol is None, "tol=") or jnp.linalg.matrix_rank(x, rtol=rtol)
    ),
    "lstsq": jnp.linalg.lstsq,
    "cofactor": lambda x: only(np.ndim(x) == 2, "stacks") or jax.grad(jnp.linalg.det)(x),
    "cofactor_derivative": ADJOINT,
    "sign_of_det": lambda x: jnp.linalg.slogdet(x)[0],
    "logabsdet": lambda x: jnp.linalg.slogdet(x)[1],
    "logdet": lambda x: jnp.linalg.slogdet(x)[1],
    "cholesky": lambda x, upper: jnp.linalg.cholesky(x, upper=upper),
    "eigh_packed": PACKED,
    "eigh": lambda x, UPLO: jnp.linalg.eigh(x, UPLO),
    "eigvalsh": lambda x, UPLO: jnp.linalg.eigvalsh(x, UPLO),
    "svd_packed": PACKED,
    "svdvals": jnp.linalg.svdvals,
    "qr_packed": PACKED,
    "expm": jax.scipy.linalg.expm,
    "expm_frechet": ADJOINT,
    # fourier
    **{
        name: transform(name)
        for name in (
            "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn fft2 ifft2 rfft2 irfft2"
        ).split()
    },
    **same(jnp.fft, "fftshift ifftshift"),
    # linalg
    **same(jnp, "matmul tensordot dot inner outer vdot vecdot matvec vecmat kron cross trace"),
    **same(jnp, "matrix_transpose"),
    "linear": lambda x, weight, bias, activation: (
        lambda y: {None: lambda y: y, "tanh": jnp.tanh, "sigmoid": nn.sigmoid}[activation](y)
    )(x @ weight if bias is None else x @ weight + bias),
    "linalg_outer": jnp.linalg.outer,
    "einsum": lambda *operands, subscripts, **_: jnp.einsum(subscripts, *operands),
    "addmm": lambda c, a, b, beta, alpha: beta * c + alpha * (a @ b),
    "multi_dot": lambda *arrays: jnp.linalg.multi_dot(arrays),
    "linalg_cross": lambda a, b, axis: jnp.linalg.cross(a, b, axis=axis),
    "linalg_trace": lambda x, offset: jnp.linalg.trace(x, offset=offset),
    "linalg_diagonal": lambda x, offset: jnp.linalg.diagonal(x, offset=offset),
    "euclidean_norm": lambda x, axis, keepdims: jnp.linalg.vector_norm(
        x, axis=axis, keepdims=keepdims
    ),
    "p_norm": lambda x, p, axis, keepdims: jnp.linalg.vector_norm(
        x, axis=axis, keepdims=keepdims, ord=p
    ),
    "vector_norm": jnp.linalg.vector_norm,
    "matrix_norm": jnp.linalg.matrix_norm,
    "norm": jnp.linalg.norm,
    # reduce
    **same(jnp, "sum mean prod var std ptp nansum nanprod nanmean nanmax nanmin nanvar nanstd"),
    **same(jnp, "argmax argmin nanargmax nanargmin all any count_nonzero"),
    "max": lambda x, initial, **p: jnp.max(x, initial=-np.inf if initial is None else initial, **p),
    "min": lambda x, initial, **p: jnp.min(x, initial=np.inf if initial is None else initial, **p),
    "average": lambda x, weights, axis, returned, keepdims: jnp.average(
        x, axis, weights, returned, keepdims
    ),
    "cov": lambda m, y, fweights, aweights, rowvar, bias, ddof: jnp.cov(
        m, y, rowvar, bias, ddof, fweights, aweights
    ),
    "corrcoef": jnp.corrcoef,
    "logsumexp": nn.logsumexp,
    "softmax": nn.softmax,
    "log_softmax": nn.log_softmax,
    # order
    "sort": lambda x, axis, kind, stable: jnp.sort(x, axis),
    "partition": FREE,
    "msort": lambda x: jnp.sort(x, 0),
    "argsort": lambda x, axis, kind, stable: jnp.argsort(x, axis),
    "argpartition": FREE,
    "searchsorted": lambda a, v, side, sorter: jnp.searchsorted(a, v, side),
    "digitize": jnp.digitize,
    "unique": lambda x, axis, equal_nan: jnp.unique(x, axis=axis),
    "histogram_bin_edges": jnp.histogram_bin_edges,
    "bincount": lambda x, weights, minlength: jnp.bincount(
        x, weights, minlength, length=max(x.max() + 1, minlength)
    ),
    "topk": lambda x, k, axis, largest: jnp.moveaxis(
        (1 if largest else -1) * lax.top_k(jnp.moveaxis(x if largest else -x, axis, -1), k)[0],
        -1,
        axis,
    ),
    "kthvalue": NONE,
    "order_statistic": "internal: part of median and quantile",
    **same(jnp, "median nanmedian"),
    **{name: quantile(name) for name in ("quantile", "percentile", "nanquantile", "nanpercentile")},
    # special
    "apply_mask": lambda x, mask, scale: x * mask * scale,
    "dropout": NETS,
    "dropout1d": NETS,
    "dropout2d": NETS,
    "alpha_dropout": lambda x, mask, p, **_: _selu_dropped(x, mask, p),
    "gaussian_noise": lambda x, noise, std, **_: x + std * noise,
    "gaussian_dropout": lambda x, noise, p, **_: x * (1 + math.sqrt(p / (1 - p)) * noise),
    "stop_gradient": lax.stop_gradient,
    "scale_gradient": scaled_gradient,
    "gradient_reversal": lambda x, scale: scaled_gradient(x, -scale),
    "clip_gradient": lambda x, limit: nn.identity(x),
    "straight_through": through,
    "round_through": lambda x: through(jnp.rint(x), x),
    "sign_through": lambda x: through(jnp.sign(x), jnp.clip(x, -1, 1)),
    "heaviside_through": lambda x: through(jnp.heaviside(x, 0.0), x),
    "clip_through": lambda x, low, high: through(jnp.clip(x, low, high), x),
    "hardmax": hardest,
    "gumbel_softmax": gumbel,
    # normalization
    "batch_norm": batch_normed,
    "layer_norm": layer_normed,
    "standardize": standardized,
    "rms_norm": rms_normed,
    "group_norm": group_normed,
    "instance_norm": lambda x, scale, shift, eps: group_normed(x, scale, shift, x.shape[1], eps),
    "local_response_norm": NETS,
    "normalize": normed,
    # recurrent
    **dict.fromkeys(
        "rnn_cell rnn_scan lstm_step lstm_cell lstm_scan gru_cell gru_scan".split(), NETS
    ),
}


def _selu_dropped(x: Any, mask: Any, p: float) -> Any:
    if p == 1:
        return x * 0.0
    limit = nn.selu(-np.inf)
    a = 1 / jnp.sqrt((1 - p) * (1 + p * limit**2))
    return a * jnp.where(mask, x, limit) - a * limit * p


# ------------------------------------------------------------------------------ disagreements

nan, inf = math.nan, math.inf

ORDERS = {"expm": 0}
"""What is not differentiated twice: the derivatives of expm would be seconds of compiling each."""

REAL = {
    "sign": "JAX takes its slope for 0: recorded below",
    "standardize": "JAX adds up squares, not squared sizes",
    "topk": "JAX has it for real numbers only",
    "interp": "JAX has it for real numbers only",
}
"""Functions that are not compared for complex numbers, and why."""


def zero(x: Any, *_others: Any, **_params: Any) -> Any:
    return x == 0


def both_zero(a: Any, b: Any) -> Any:
    return (a == 0) & (b == 0)


def ties(a: Any, b: Any) -> Any:
    return a == b


def bounds(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    return (x == a_min) | (x == a_max)


ROOT = "the derivative of a root, or a quotient by it, at 0; ours is 0, in the middle of the slopes"

EDGES: dict[str, tuple[Edge, ...]] = {
    "absolute": (Edge(0, zero, 0.0, 1.0, "one of the slopes between -1 and 1; NumPy's sign is 0"),),
    "power": (Edge(0, both_zero, 0.0, nan, "x ** 0 is 1 everywhere; JAX divides by x"),),
    "copysign": (Edge(0, zero, 0.0, lambda a, b: np.copysign(1, b), "the slope of |a| again"),),
    "xlogy": (Edge(1, both_zero, 0.0, nan, "the value is 0 for every b; JAX makes 0 / 0"),),
    "xlog1py": (Edge(1, lambda a, b: (a == 0) & (b == -1), 0.0, nan, "as xlogy"),),
    "logit": (
        Edge(
            0,
            lambda x, eps: ((x == eps) | (x == 1 - eps)) if eps else x != x,
            0.0,
            lambda x, eps: 0.5 / (eps * (1 - eps)) if eps else 0.0,
            "a bound counts as cut off; JAX takes the middle",
        ),
    ),
    "arctan2": (
        Edge(0, both_zero, 0.0, nan, "no direction is better; JAX divides by 0"),
        Edge(1, both_zero, 0.0, nan, "no direction is better; JAX divides by 0"),
    ),
    "hypot": (Edge(0, both_zero, 0.0, 0.5, ROOT), Edge(1, both_zero, 0.0, 0.5, ROOT)),
    "sinc": (Edge(0, lambda x: x == 1e-8, -(math.pi**2) * 1e-8 / 3, None, "cancellation"),),
    "clip": (Edge(0, bounds, 0.0, 0.5, "a bound counts as cut off; JAX takes the middle"),),
    "hardtanh": (
        Edge(0, lambda x, min_val, max_val: bounds(x, min_val, max_val), 0.0, 0.5, "as clip"),
    ),
    "fmax": (
        Edge(0, ties, 0.5, 0.0, "equal numbers share; JAX gives the second all"),
        Edge(1, ties, 0.5, 1.0, "equal numbers share; JAX gives the second all"),
    ),
    "fmin": (
        Edge(0, ties, 0.5, 0.0, "equal numbers share; JAX gives the second all"),
        Edge(1, ties, 0.5, 1.0, "equal numbers share; JAX gives the second all"),
    ),
    "leaky_relu": (
        Edge(0, zero, lambda x, negative_slope: negative_slope, 1.0, "the left slope; JAX: right"),
    ),
    "angle": (Edge(0, zero, 0.0, nan, "of a real number it is piecewise constant; JAX: 0 / 0"),),
    "i0": (Edge(0, zero, 0.0, 1.0, "i0 is even, its slope at 0 is 0; JAX is wrong"),),
}

ZEROS = np.zeros(3)
ROW = {"axis": -1}

DIFFER = (
    Differ(
        "sign",
        (np.array([3 + 4j]),),
        {},
        "order 1",
        0,
        [0.128 - 0.096j],
        [0],
        "z / |z| turns; JAX: 0",
    ),
    Differ(
        "softmax", (np.full(2, -inf),), ROW, "value", 0, [0, 0], [nan, nan], "nothing to choose"
    ),
    Differ("softmax", (np.full(2, -inf),), ROW, "order 1", 0, [0, 0], [nan, nan], "as its value"),
    Differ("log_softmax", (np.full(2, -inf),), ROW, "value", 0, [-inf, -inf], [nan, nan], "log 0"),
    Differ("logsumexp", (np.full(2, -inf),), {}, "order 1", 0, [0, 0], [nan, nan], "0 / 0 there"),
    Differ(
        "logcumsumexp",
        (np.array([-inf, -inf, 0.0]),),
        {},
        "order 1",
        0,
        [0, 0, 1],
        [nan, nan, 1],
        "0 / 0 there",
    ),
    Differ(
        "max_pool",
        (np.array([[[2.0, 2.0]]]),),
        {"size": 2},
        "order 1",
        0,
        [[[0.5, 0.5]]],
        [[[1, 0]]],
        "equal elements share, as in max; JAX takes the first",
    ),
    Differ(
        "median",
        (np.array([2.0, 2.0, 1.0]),),
        {},
        "order 1",
        0,
        [0.5, 0.5, 0],
        [1, 0, 0],
        "equal elements share",
    ),
    Differ(
        "quantile",
        (np.array([2.0, 2.0, 1.0]),),
        {"q": 0.5},
        "order 1",
        0,
        [0.5, 0.5, 0],
        [1, 0, 0],
        "equal elements share",
    ),
    Differ("std", (np.ones(3),), {}, "order 1", 0, ZEROS, ZEROS + nan, ROOT),
    Differ("norm", (ZEROS,), {}, "order 1", 0, ZEROS, ZEROS + nan, ROOT),
    Differ("norm", (ZEROS,), {"ord": inf}, "order 1", 0, ZEROS, ZEROS + 1 / 6, "a kink"),
    Differ(
        "norm",
        (np.zeros((2, 2)),),
        {"ord": "nuc"},
        "order 1",
        0,
        np.zeros((2, 2)),
        np.eye(2),
        "a kink: all matrices of norm up to 1 are slopes, ours is the middle one",
    ),
    Differ(
        "p_norm",
        (np.array([0.0, 1.0]),),
        {"p": 0.5},
        "order 1",
        0,
        [0, 1],
        [inf, 1],
        "a cusp: the slopes are -inf and inf",
    ),
    Differ("p_norm", (np.zeros(2),), {"p": 3}, "order 1", 0, [0, 0], [nan, nan], ROOT),
    Differ(
        "svdvals",
        (np.eye(2),),
        {},
        "order 2",
        0,
        np.zeros((2, 2)),
        np.full((2, 2), nan),
        "the sum of equal singular values is smooth; JAX divides by their difference",
    ),
    Differ(
        "eigvalsh",
        (np.eye(2),),
        {"UPLO": "L"},
        "order 2",
        0,
        np.zeros((2, 2)),
        np.full((2, 2), nan),
        "the sum of equal eigenvalues is the trace, which is linear",
    ),
    Differ(
        "interp",
        (np.array([2.0]), np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0]), None, None),
        {},
        "order 1",
        0,
        [0],
        [4],
        "the slope to the right; JAX: left",
    ),
)
"""Calls whose results are others than ours."""

# ------------------------------------------------------------------------------ the library


class Jax:
    """JAX, on the CPU; each call and its derivatives are compiled once for all seeds.

    What a result is differentiated by is traced, all other arguments are constants of the program.
    JAX's gradient for complex numbers is the conjugate of PyTorch's and ours.
    """

    name = "JAX"
    rows = ROWS
    orders = ORDERS
    real = REAL
    differ = DIFFER
    edges = EDGES

    def derivatives(
        self, call: Call, order: int, weights: Sequence[Any], directions: Sequence[Any]
    ) -> Derivatives:
        """Return results and gradients, up to an order."""
        with jax.enable_x64(True):
            sample = call.sample
            if not order:
                found = call.by(ROWS)([_given(a) for a in sample.arrays])
                return Derivatives([np.asarray(y) for y in found])
            inputs = [sample.arrays[i] for i in sample.moving]
            program = _program(call.key, order, _Held(call))
            found = program(inputs, list(weights), list(directions))
            return Derivatives(*([np.asarray(a) for a in part] for part in found))


HASTY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}
"""How to compile programs that run a few times only."""


class _Held:
    """A call that is no part of the key of a program."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


def _given(array: Any) -> Any:
    return jnp.asarray(array) if isinstance(array, np.ndarray) else array


@cache
def _program(key: str, order: int, held: _Held) -> Any:
    """Return results and gradients as one compiled program of inputs, weights and directions."""
    call = held.call
    sample, function = call.sample, call.by(ROWS)

    def values(moved: Sequence[Any]) -> list[Any]:
        arrays = list(sample.arrays)
        for i, x in zip(sample.moving, moved, strict=True):
            arrays[i] = x
        return function(arrays)

    def everything(moved: Any, weights: Any, directions: Any) -> Any:
        def summed(moved: Any) -> Any:
            ys = values(moved)
            return _contracted(ys, weights), ys

        def along(moved: Any) -> Any:
            first, ys = jax.grad(summed, has_aux=True)(moved)
            first = [jnp.conj(g) for g in first]
            return _contracted(first, directions), (ys, first)

        if order == 1:
            first, ys = jax.grad(summed, has_aux=True)(moved)
            return ys, [jnp.conj(g) for g in first], []
        second, (ys, first) = jax.grad(along, has_aux=True)(moved)
        return ys, first, [jnp.conj(h) for h in second]

    return jax.jit(everything, compiler_options=HASTY)


def _contracted(left: Sequence[Any], right: Sequence[Any]) -> Any:
    total = jnp.zeros(())
    for a, b in zip(left, right, strict=True):
        total = total + jnp.sum(jnp.real(a * jnp.conj(b)))
    return total
