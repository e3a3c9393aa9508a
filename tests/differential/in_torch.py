"""What PyTorch calls the rows: one line for each, a function of the arguments and parameters.

A row that PyTorch has not, or has as a chain of other functions only, has the reason in its place;
a row that it has without one of our options leaves the calls with that option out (`only`).
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest

from .comparison import Call, Cells, Derivatives, Differ, Edge, only

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed; the extra `peers` brings it: pip install '.[peers]'"
)
F = torch.nn.functional

# ------------------------------------------------------------------------------ translations


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)


def over(function: Any) -> Any:
    """Return a reduction over several axes from PyTorch's, which has other names for them."""

    def reduced(
        x: Any, axis: Any = None, keepdims: bool = False, where: Any = True, initial: Any = None
    ) -> Any:
        only(where is True and initial is None, "where= and initial=")
        return function(x, axes_of(x, axis), keepdim=keepdims)

    return reduced


def over_one(function: Any) -> Any:
    """Return a reduction over all or one axis, where PyTorch knows no more, one after another."""

    def reduced(
        x: Any, axis: Any = None, keepdims: bool = False, where: Any = True, initial: Any = None
    ) -> Any:
        only(where is True and initial is None, "where= and initial=")
        for i in sorted((i % x.ndim for i in axes_of(x, axis)), reverse=True):
            x = function(x, i, keepdim=keepdims)
        return x

    return reduced


def flat(x: Any, axis: Any) -> tuple[Any, int]:
    return (x.reshape(-1), 0) if axis is None else (x, axis)


def along(function: Any, axis: Any = None) -> Any:
    """Return a function along an axis, or of all elements on one."""
    return lambda x, axis=axis: function(*flat(x, axis if x.ndim else None))


def tensors(value: Any) -> Any:
    """Return a parameter with arrays in it as tensors."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, (list, tuple)):
        return type(value)(tensors(v) for v in value)
    return value


def forwards(index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    backwards = any(isinstance(p, slice) and (p.step or 1) < 0 for p in parts)
    only(not backwards, "slices with negative steps")
    return tensors(index)


def places(shape: Sequence[int]) -> Any:
    """Return the number of each element of an array of a shape."""
    return torch.arange(math.prod(shape)).reshape(shape)


def added(x: Any, where: Any, shape: Sequence[int]) -> Any:
    """Return zeros of a shape with the elements of x added at numbered places."""
    zeros = torch.zeros(math.prod(shape), dtype=x.dtype)
    return zeros.index_add(0, where.reshape(-1), x.reshape(-1)).reshape(shape)


def once(index: Any, shape: Sequence[int]) -> Any:
    """Return an index, unless it names an element twice: PyTorch differs, see DIFFER."""
    named = places(shape)[forwards(index)]
    only(len(torch.unique(named)) == named.numel(), "two values for one element")
    return index


def folded(x: Any, axis: int, length: int, step: int) -> Any:
    shape = list(x.shape[:-1])
    shape[axis] = length
    return added(x, places(shape).unfold(axis, x.shape[-1], step), shape)


def set_at(x: Any, value: Any, index: Any) -> Any:
    x = x.clone()
    x[forwards(index)] = value
    return x


def spread(x: Any, sizes: Sequence[int]) -> Any:
    """Return values in the shape of an index array."""
    return torch.broadcast_to(x, tuple(sizes))


def several(value: Any, count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


def framed(
    x: Any, padding: Any, size: Sequence[int], stride: Any, dilation: Any, fill: float = 0.0
) -> Any:
    """Return images with their padding, as pairs or one number for each axis, or 'same'."""
    count = x.ndim - 2
    if padding == "same":
        strides, dilations = several(stride, count), several(dilation, count)
        pairs = []
        for n, k, s, d in zip(x.shape[2:], size, strides, dilations, strict=True):
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            pairs.append((total // 2, total - total // 2))
    else:
        pairs = [several(p, 2) for p in several(padding, count)]
    return F.pad(x, [p for pair in reversed(pairs) for p in pair], value=fill)


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
    x = framed(x, padding, weight.shape[2:], stride, dilation)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[count - 1]
    y = convolve(x, weight, bias, stride=stride, dilation=dilation, groups=groups)
    if activation:
        y = getattr(torch, activation)(y)
    return y if pool == 1 else (F.max_pool1d, F.max_pool2d, F.max_pool3d)[count - 1](y, pool)


def transposed(x: Any, weight: Any, bias: Any, padding: Any = 0, **params: Any) -> Any:
    count = x.ndim - 2
    only(all(isinstance(p, int) for p in several(padding, count)), "two paddings of one axis")
    convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[count - 1]
    return convolve(x, weight, bias, padding=padding, **params)


def windows(x: Any, size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    count = x.ndim - 2
    sizes, strides, dilations = (several(v, count) for v in (size, stride, dilation))
    x = framed(x, padding, sizes, stride, dilation)
    for i, (k, s, d) in enumerate(zip(sizes, strides, dilations, strict=True)):
        x = x.unfold(2 + i, d * (k - 1) + 1, s)[..., ::d]
    order = [0, 1, *range(2 + count, 2 + 2 * count), *range(2, 2 + count)]
    return x.permute(order)


def overlap_add(cols: Any, lengths: Any, **params: Any) -> Any:
    shape = (*cols.shape[:2], *lengths)
    # Numbers from 1 on, so that the zeros of the padding are told apart; their sum is cut off.
    numbered = places(shape).double() + 1
    where = windows(numbered, cols.shape[2 : 2 + len(lengths)], **params).long()
    return added(cols, where, (math.prod(shape) + 1,))[1:].reshape(shape)


def im2col(x: Any, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0) -> Any:
    rows = F.unfold(x, (filter_h, filter_w), stride=stride, padding=pad)
    return rows.transpose(1, 2).reshape(-1, rows.shape[1])


def col2im(
    col: Any, input_shape: Any, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0
) -> Any:
    rows = col.reshape(input_shape[0], -1, col.shape[1]).transpose(1, 2)
    return F.fold(rows, input_shape[2:], (filter_h, filter_w), stride=stride, padding=pad)


def max_pooled(
    x: Any, size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, **params: Any
) -> Any:
    count = x.ndim - 2
    stride = size if stride is None else stride
    x = framed(x, padding, several(size, count), stride, dilation, -math.inf)
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[count - 1]
    return pool(x, size, stride, dilation=dilation, **params)


def avg_pooled(x: Any, size: Any, stride: Any = None, padding: Any = 0, **params: Any) -> Any:
    only(padding != "same", "padding='same'")
    return (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.ndim - 3](
        x, size, stride, padding, **params
    )


def lp_pooled(x: Any, size: Any, p: float = 2, stride: Any = None, ceil_mode: bool = False) -> Any:
    only(not ceil_mode, "a last window of the elements that it has")
    return (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[x.ndim - 3](x.abs(), p, size, stride)


def resized(
    x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", **params: Any
) -> Any:
    mode = mode if mode == "nearest" else ("linear", "bilinear", "trilinear")[x.ndim - 3]
    align = params["align_corners"] if mode != "nearest" else None
    return F.interpolate(x, size, scale_factor, mode, align)


def shuffled(x: Any, factor: int) -> Any:
    only(x.ndim == 4, "images of one axis")
    return F.pixel_shuffle(x, factor)


def unshuffled(x: Any, factor: int) -> Any:
    only(x.ndim == 4, "images of one axis")
    return F.pixel_unshuffle(x, factor)


def padded(
    x: Any, pad_width: Any, constant_values: Any = 0, mode: str = "constant", **_: Any
) -> Any:
    only(mode == "constant" and np.ndim(constant_values) == 0, "modes for any axis")
    if isinstance(pad_width, dict):
        pairs = [(0, 0)] * x.ndim
        for axis, pair in pad_width.items():
            pairs[axis] = pair
    else:
        pairs = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    return F.pad(x, [int(p) for pair in reversed(pairs) for p in pair], value=constant_values)


def cropped(x: Any, pad_width: Any) -> Any:
    negative = (
        {k: (-a, -b) for k, (a, b) in pad_width.items()}
        if isinstance(pad_width, dict)
        else -np.asarray(pad_width)
    )
    return padded(x, negative)


def ones(scale: Any, shift: Any) -> Any:
    """Return a scale for a shift without one, which PyTorch cannot differentiate twice."""
    return torch.ones_like(shift) if scale is None and shift is not None else scale


def batch_normed(
    x: Any, scale: Any, shift: Any, mean: Any, var: Any, axis: Any = 1, eps: float = 1e-5
) -> Any:
    only(isinstance(axis, int), "features along several axes")
    only(mean is None, "means and variances that move")
    only(x.shape[0] * math.prod(x.shape[2:]) > 1, "a batch of one, or none")
    scale = ones(scale, shift)
    y = F.batch_norm(x.movedim(axis, 1), None, None, scale, shift, True, 0.0, eps)
    return y.movedim(1, axis)


def layer_normed(x: Any, scale: Any, shift: Any, axis: Any = -1, eps: float = 1e-5) -> Any:
    return F.layer_norm(x, _last(x, axis), ones(scale, shift), shift, eps)


def _last(x: Any, axis: Any) -> tuple[int, ...]:
    """Return the lengths of the axes, which have to be the last ones."""
    axes = sorted(i % x.ndim for i in axes_of(x, axis))
    only(axes == list(range(x.ndim - len(axes), x.ndim)), "other axes than the last")
    return tuple(x.shape[axes[0] :])


def standardized(x: Any, axis: Any = -1, eps: float = 1e-5) -> Any:
    return F.layer_norm(x, _last(x, axis), None, None, eps)


def instance_normed(x: Any, scale: Any, shift: Any, eps: float = 1e-5) -> Any:
    only(x.numel() and math.prod(x.shape[2:]) > 1, "images of one place, or none")
    return F.instance_norm(x, weight=ones(scale, shift), bias=shift, eps=eps)


def responses(
    x: Any, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, axis: int = 1
) -> Any:
    only(axis == 1 and x.ndim > 2, "images without places")
    return F.local_response_norm(x, size, alpha, beta, k)


def reduced(terms: Any, how: str) -> Any:
    if how == "batchmean":
        return terms.sum() / len(terms)
    return terms if how == "none" else getattr(torch, how)(terms)


def cross_entropy(logits: Any, labels: Any, ignore_index: Any = None, **params: Any) -> Any:
    how = params.pop("reduction", "mean")
    weight = params.pop("weight", None)
    if labels.dtype == torch.int64 and labels.shape == logits.shape:
        labels = labels.double()  # one-hot rows
    if weight is not None:
        weight = torch.tensor(weight, dtype=torch.float64)
    ignore = -100 if ignore_index is None else ignore_index
    classes = logits.movedim(-1, min(1, logits.ndim - 1))
    if labels.is_floating_point():
        labels = labels.movedim(-1, min(1, logits.ndim - 1))
    return F.cross_entropy(
        classes, labels, weight=weight, ignore_index=ignore, reduction=how, **params
    )


def nll(
    x: Any, labels: Any, weight: Any = None, ignore_index: Any = None, reduction: Any = "mean"
) -> Any:
    if weight is not None:
        weight = torch.tensor(weight, dtype=torch.float64)
    ignore = -100 if ignore_index is None else ignore_index
    classes = x.movedim(-1, min(1, x.ndim - 1))
    return F.nll_loss(classes, labels, weight, ignore_index=ignore, reduction=reduction)


def bce_logits(
    x: Any, t: Any, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    weight = None if weight is None else torch.tensor(weight, dtype=x.dtype).expand(x.shape)
    pos = None if pos_weight is None else torch.tensor(pos_weight, dtype=x.dtype).expand(x.shape)
    return F.binary_cross_entropy_with_logits(
        x, t.double(), weight, pos_weight=pos, reduction=reduction
    )


def bce(x: Any, t: Any, weight: Any = None, reduction: str = "mean") -> Any:
    weight = None if weight is None else torch.tensor(weight, dtype=x.dtype)
    return F.binary_cross_entropy(x, t.double(), weight, reduction=reduction)


def multi_margin(x: Any, labels: Any, weight: Any = None, **params: Any) -> Any:
    weight = None if weight is None else torch.tensor(weight, dtype=x.dtype)
    return F.multi_margin_loss(x, labels, weight=weight, **params)


def soft_multilabel(x: Any, t: Any, weight: Any = None, **params: Any) -> Any:
    weight = None if weight is None else torch.tensor(weight, dtype=x.dtype)
    return F.multilabel_soft_margin_loss(x, t.double(), weight, **params)


def attention(q: Any, k: Any, v: Any, mask: Any, causal: bool = False, scale: Any = None) -> Any:
    only(not (causal and mask is not None), "a mask beside causal")
    only(min(q.ndim, k.ndim, v.ndim) >= 2, "one query alone")
    return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale)


def gates_of(w: Any, count: int, order: Sequence[int]) -> Any:
    """Return weights of a cell as PyTorch has them: transposed, the gates in its order."""
    parts = torch.chunk(w, count, -1)
    return (
        torch.cat([parts[i] for i in order], -1).mT
        if w.ndim > 1
        else torch.cat([parts[i] for i in order])
    )


def cell(function: Any, count: int, order: Sequence[int]) -> Any:
    """Return one step of a cell of PyTorch."""

    def step(x: Any, state: Any, w_x: Any, w_h: Any, bias: Any = None, bias_h: Any = None) -> Any:
        w_x, w_h = gates_of(w_x, count, order), gates_of(w_h, count, order)
        size = torch.zeros(w_h.shape[0], dtype=w_h.dtype)
        b = size if bias is None else gates_of(bias, count, order)
        b_h = size if bias_h is None else gates_of(bias_h, count, order)
        return function(x, state, w_x, w_h, b, b_h)

    return step


rnn_step = cell(torch.rnn_tanh_cell, 1, (0,))
lstm_step = cell(torch.lstm_cell, 4, (0, 1, 2, 3))
gru_step = cell(torch.gru_cell, 3, (0, 1, 2))


def rnn_cell(x: Any, h: Any, w_x: Any, w_h: Any, bias: Any, activation: str = "tanh") -> Any:
    only(activation == "tanh" and x.ndim == 2, "one example alone")
    return rnn_step(x, h, w_x, w_h, bias)


def lstm_cell(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, bias: Any) -> Any:
    only(x.ndim == 2, "one example alone")
    return lstm_step(x, (h, c), w_x, w_h, bias)


def gru_cell(
    x: Any, h: Any, w_x: Any, w_h: Any, bias: Any, bias_h: Any, reset_after: bool = True
) -> Any:
    only(x.ndim == 2 and reset_after, "a reset gate before the weights, and one example alone")
    return gru_step(x, h, w_x, w_h, bias, bias_h)


def scanned(step: Any, z: Any, state: Any, reverse: bool) -> tuple[Any, Any]:
    states = [None] * len(z)
    for t in reversed(range(len(z))) if reverse else range(len(z)):
        state = step(z[t], state)
        states[t] = state[0] if isinstance(state, tuple) else state
    return torch.stack(states), state


def rnn_scan(z: Any, h: Any, w_h: Any, activation: str = "tanh", reverse: bool = False) -> Any:
    eye = torch.eye(z.shape[-1], dtype=z.dtype)
    return scanned(lambda z, h: rnn_step(z, h, eye, w_h), z, h, reverse)[0]


def lstm_scan(z: Any, h: Any, c: Any, w_h: Any, reverse: bool = False) -> Any:
    eye = torch.eye(z.shape[-1], dtype=z.dtype)
    states, (_, c) = scanned(lambda z, s: lstm_step(z, s, eye, w_h), z, (h, c), reverse)
    return torch.cat([states, c[None]])


def gru_scan(
    z: Any, h: Any, w_h: Any, bias_h: Any, reset_after: bool = True, reverse: bool = False
) -> Any:
    only(reset_after, "a reset gate before the weights")
    eye = torch.eye(z.shape[-1], dtype=z.dtype)
    step = lambda z, h: gru_step(z, h, eye, w_h, None, bias_h)
    return scanned(step, z, h, reverse)[0]


def quantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    only(method in ("linear", "lower", "higher", "midpoint", "nearest"), "this method")
    only(axis is None or isinstance(axis, int), "several axes")
    only(np.ndim(q) < 2, "stacked q")
    return torch.quantile(
        x, torch.tensor(q, dtype=x.dtype), axis, keepdim=keepdims, interpolation=method
    )


def nanquantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    only(method in ("linear", "lower", "higher", "midpoint", "nearest"), "this method")
    only(axis is None or isinstance(axis, int), "several axes")
    only(np.ndim(q) < 2, "stacked q")
    return torch.nanquantile(
        x, torch.tensor(q, dtype=x.dtype), axis, keepdim=keepdims, interpolation=method
    )


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return quantile(x, 0.5, axis, "linear", keepdims)


def average(
    x: Any, weights: Any, axis: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    only(weights is None, "weights")
    return over(torch.mean)(x, axis, keepdims)


def cov(
    m: Any,
    y: Any,
    fweights: Any,
    aweights: Any,
    rowvar: Any = True,
    bias: Any = False,
    ddof: Any = None,
) -> Any:
    only(rowvar and y is None, "y= and rowvar=False")
    correction = int(not bias) if ddof is None else ddof
    return torch.cov(m, correction=correction, fweights=fweights, aweights=aweights)


def corrcoef(x: Any, y: Any, rowvar: bool = True) -> Any:
    only(rowvar and y is None, "y= and rowvar=False")
    return torch.corrcoef(x)


def gradient(x: Any, varargs: Any = (), axis: Any = None, edge_order: int = 1) -> Any:
    axes = axes_of(x, axis)
    only(all(x.shape[i] > edge_order for i in axes), "so few points")
    spacing = [tensors(v) for v in varargs] if varargs else [1.0] * len(axes)
    only(len({isinstance(v, float) for v in spacing}) == 1, "numbers beside places")
    return torch.gradient(x, spacing=spacing, dim=axes, edge_order=edge_order)


def diff(x: Any, prepend: Any, append: Any, n: int = 1, axis: int = -1) -> Any:
    only(n <= x.shape[axis], "more differences than there are")

    def beside(part: Any) -> Any:
        if part is None or part.ndim:
            return part
        shape = list(x.shape)
        shape[axis] = 1
        return part.expand(shape)

    return torch.diff(x, n, axis, beside(prepend), beside(append))


def along_x(function: Any) -> Any:
    def integral(y: Any, x: Any, dx: float = 1.0, axis: int = -1, initial: Any = None) -> Any:
        only(initial is None, "initial=")
        if x is None:
            return function(y, dx=dx, dim=axis)
        if x.ndim == 1:
            x = x.reshape([-1 if i == axis % y.ndim else 1 for i in range(y.ndim)])
        return function(y, x, dim=axis)

    return integral


def normed(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.linalg.norm(x, ord, axis, keepdims)


def crossed(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    axisa, axisb, axisc = (axis,) * 3 if axis is not None else (axisa, axisb, axisc)
    both = torch.broadcast_tensors(a.movedim(axisa, -1), b.movedim(axisb, -1))
    only(a.shape[axisa] == 3 == b.shape[axisb], "vectors of two")
    return torch.linalg.cross(*both).movedim(-1, axisc)


def fourier(name: str) -> Any:
    function = getattr(torch.fft, name)
    if name.endswith(("n", "2")):
        return lambda a, s=None, axes=None, norm=None: function(a, _sizes(a, s, axes), axes, norm)
    return lambda a, n=None, axis=-1, norm=None: _none_empty(a, function)(a, n, axis, norm)


def _none_empty(a: Any, function: Any) -> Any:
    only(a.numel(), "transforms of no signal")
    return function


def _sizes(a: Any, s: Any, axes: Any) -> Any:
    if s is None:
        return None
    return tuple(a.shape[i] if n == -1 else n for n, i in zip(s, axes, strict=True))


def within(count: int, indices: Any, mode: str) -> Any:
    """Return indices from 0 on, by NumPy's modes."""
    return indices.clamp(0, count - 1) if mode == "clip" else indices % count


def taken(x: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    if axis is None:
        return torch.take(x, within(x.numel(), indices, mode))
    chosen = within(x.shape[axis], indices, mode)
    found = x.index_select(axis, chosen.reshape(-1))
    return found.unflatten(axis, chosen.shape)


def scaled_gradient(scale: float) -> Any:
    return lambda x: x.detach() + scale * (x - x.detach())


def dropped(x: Any, mask: Any, p: float = 0.5, **_: Any) -> Any:
    return x * mask / (1 - p) if p < 1 else x * 0.0


def joined(arrays: Sequence[Any], axis: Any = 0) -> Any:
    if axis is None:
        return torch.cat([a.reshape(-1) for a in arrays])
    return torch.cat(list(arrays), axis)


def hard(x: Any, axis: int = -1) -> Any:
    return F.one_hot(x.argmax(axis), x.shape[axis]).movedim(-1, axis).to(x.dtype)


def gumbel(
    logits: Any, noise: Any, tau: float = 1.0, hard: bool = False, axis: int = -1, **_: Any
) -> Any:
    soft = torch.softmax((logits + noise) / tau, axis)
    return _hardened(soft, axis) if hard else soft


def _hardened(soft: Any, axis: int) -> Any:
    return hard(soft, axis) - soft.detach() + soft


def same(module: Any, names: str) -> dict[str, Any]:
    """Return rows that have the same name and parameters there."""
    return {name: getattr(module, name) for name in names.split()}


NONE = "no such function"
GIVEN = "calls functions that it is given, which are ours"
ADJOINT = "internal: part of the rule of another row"
PACKED = "internal: the results of another row in one array"

# ------------------------------------------------------------------------------ the table

ROWS: Cells = {
    # elementwise
    **same(torch, "add subtract multiply divide floor_divide remainder fmod positive negative"),
    **same(torch, "absolute heaviside floor ceil trunc copysign square sqrt rsqrt reciprocal"),
    **same(torch, "exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 xlogy sin cos tan"),
    **same(torch, "arcsin arccos arctan arctan2 hypot deg2rad rad2deg sinc sinh cosh tanh arcsinh"),
    **same(torch, "arccosh arctanh maximum minimum fmax fmin where less less_equal greater"),
    **same(torch, "greater_equal not_equal logical_and logical_or logical_xor logical_not"),
    **same(
        torch, "bitwise_and bitwise_or bitwise_xor isnan isinf isfinite signbit isclose nextafter"
    ),
    "sign": lambda x: torch.sgn(x),
    "equal": torch.eq,
    "ldexp": lambda x, i: x * 2.0 ** (i.double() if torch.is_tensor(i) else i),
    "invert": torch.bitwise_not,
    "power": torch.pow,
    "rint": torch.round,
    "round": lambda a, decimals=0: torch.round(a, decimals=decimals),
    "modf": lambda x: (torch.frac(x), torch.trunc(x)),
    "divmod": lambda a, b: (torch.floor_divide(a, b), torch.remainder(a, b)),
    "cbrt": NONE,
    "clip": lambda a, a_min, a_max: torch.clip(a, a_min, a_max),
    "nan_to_num": lambda x, copy, nan, posinf, neginf: torch.nan_to_num(x, nan, posinf, neginf),
    # activation
    **same(
        F, "relu relu6 leaky_relu hardtanh threshold softshrink hardshrink tanhshrink hardsigmoid"
    ),
    **same(F, "hardswish elu celu selu logsigmoid softplus softsign silu mish gelu"),
    **same(torch, "sigmoid erf erfc erfinv"),
    "prelu": lambda x, weight: torch.where(x > 0, x, weight * x),
    "rrelu": lambda x, slopes, lower, upper, rng: (
        F.rrelu(x, lower, upper) if slopes is None else torch.where(x > 0, x, slopes * x)
    ),
    "squareplus": lambda x, b: (x + torch.sqrt(x * x + b)) / 2,
    "log_cosh": lambda x: torch.logaddexp(x, -x) - math.log(2),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "glu": lambda x, axis: F.glu(x, axis),
    "reglu": lambda x, axis: (lambda a, b: a * torch.relu(b))(*x.chunk(2, axis)),
    "geglu": lambda x, axis: (lambda a, b: a * F.gelu(b))(*x.chunk(2, axis)),
    "swiglu": lambda x, axis: (lambda a, b: a * F.silu(b))(*x.chunk(2, axis)),
    "softmin": lambda x, axis: F.softmin(x, axis),
    "softmax2d": torch.nn.Softmax2d(),
    "float_power": torch.float_power,
    "exponent": lambda x: torch.frexp(x).exponent,
    "frexp": torch.frexp,
    "xlog1py": torch.special.xlog1py,
    "left_shift": torch.bitwise_left_shift,
    "right_shift": torch.bitwise_right_shift,
    **same(torch, "gcd lcm isposinf isneginf lerp addcmul addcdiv t"),
    "bitwise_count": NONE,
    "spacing": NONE,
    "logit": lambda x, eps: torch.logit(x, eps),
    "narrow": lambda x, axis, start, length: torch.narrow(x, axis, start, length),
    "ix_": NONE,
    "var_mean": lambda x, axis, ddof, keepdims: torch.var_mean(
        x, axis, correction=ddof, keepdim=keepdims
    ),
    "std_mean": lambda x, axis, ddof, keepdims: torch.std_mean(
        x, axis, correction=ddof, keepdim=keepdims
    ),
    **dict.fromkeys(["apply_along_axis", "apply_over_axes", "piecewise"], GIVEN),
    "trim_zeros": NONE,
    "real_if_close": NONE,
    "cdist": lambda a, b, p: torch.cdist(a, b, p),
    "lexsort": NONE,
    "unwrap": NONE,
    **dict.fromkeys("polyval polyder polyint polyadd polysub polymul poly polyfit".split(), NONE),
    **dict.fromkeys("intersect1d union1d setdiff1d setxor1d unique_values".split(), NONE),
    "isin": lambda x, y, invert, **_: torch.isin(x, y, invert=invert),
    # gamma and Bessel functions
    **same(torch.special, "digamma i0 i1 i0e i1e"),
    "lgamma": torch.lgamma,
    "polygamma": lambda x, n: torch.polygamma(n, x),
    # shape
    "identity": lambda x: x * 1,
    "copy": torch.clone,
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "astype": lambda x, dtype: x.to(torch.float64),
    "reshape": lambda x, shape: x.reshape(shape),
    "ravel": torch.ravel,
    "flatten": lambda x, start_axis: torch.flatten(x, start_axis),
    "expand_dims": lambda x, axis: reduce(torch.unsqueeze, several(axis, 1), x),
    "squeeze": lambda x, axis: x.squeeze() if axis is None else x.squeeze(axis),
    **same(torch, "atleast_1d atleast_2d atleast_3d"),
    "transpose": lambda x, axes: x.permute(axes or tuple(reversed(range(x.ndim)))),
    "swapaxes": lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
    "moveaxis": torch.moveaxis,
    "concatenate": lambda *arrays, axis: joined(arrays, axis),
    "stack": lambda *arrays, axis: torch.stack(arrays, axis),
    "vstack": lambda *arrays: torch.vstack(arrays),
    "hstack": lambda *arrays: torch.hstack(arrays),
    "split": lambda x, indices_or_sections, axis: torch.tensor_split(x, indices_or_sections, axis),
    "unbind": lambda x, axis: torch.unbind(x, axis),
    # index
    "getitem": lambda x, index: x[forwards(index)],
    "scatter": lambda x, index, shape: added(x, places(shape)[forwards(index)], shape),
    "take": taken,
    "take_along_axis": lambda x, i, axis: torch.take_along_dim(x, i, axis),
    "setitem": lambda x, value, index: set_at(x, value, once(index, x.shape)),
    "gather": lambda x, i, axis: torch.gather(x, axis, i % x.shape[axis]),
    "scatter_add": lambda x, i, source, axis: torch.scatter_add(
        x, axis, i, spread(source, i.shape)
    ),
    "put_along_axis": lambda x, i, values, axis: (
        x.reshape(-1).scatter(0, once(i, [x.numel()]), values).reshape(x.shape)
        if axis is None
        else torch.scatter(x, axis, *torch.broadcast_tensors(i, values))
    ),
    "put": lambda x, i, values: x.put(once(i, [x.numel()]), spread(values, i.shape)),
    "index_select": lambda x, i, axis: x.index_select(axis, i),
    "index_add": lambda x, i, source, axis, alpha: x.index_add(axis, i, source, alpha=alpha),
    "index_copy": lambda x, i, source, axis: x.index_copy(axis, once(i, [x.shape[axis]]), source),
    "index_fill": lambda x, i, value, axis: x.index_fill(axis, i, value),
    "index_put": lambda x, values, indices, accumulate: x.index_put(
        forwards(indices if isinstance(indices, tuple) else (indices,)), values, accumulate
    ),
    "masked_fill": lambda x, mask, value: torch.where(mask, value, x),
    "masked_select": torch.masked_select,
    "masked_scatter": torch.masked_scatter,
    "compress": lambda condition, x, axis: (
        x.reshape(-1)[: len(condition)][condition]
        if axis is None
        else x.movedim(axis, 0)[: len(condition)][condition].movedim(0, axis)
    ),
    "extract": lambda condition, x: x.reshape(-1)[condition.reshape(-1) != 0],
    "choose": NONE,
    "select": NONE,
    "embedding": lambda ids, weight, padding_idx: (
        only(weight.ndim == 2, "numbers for words") or F.embedding(ids, weight, padding_idx)
    ),
    "one_hot": lambda labels, num_classes, dtype: F.one_hot(
        labels, -1 if num_classes is None else num_classes
    ).to(torch.tensor(np.zeros(0, dtype)).dtype),
    "argwhere": torch.argwhere,
    "flatnonzero": lambda x: torch.argwhere(x.reshape(-1))[:, 0],
    "nonzero": lambda x: torch.nonzero(x, as_tuple=True),
    # arrange
    "tile": lambda x, reps: torch.tile(x, several(reps, 1)),
    "repeat": lambda x, repeats, axis: torch.repeat_interleave(
        *flat(x, axis)[:1], torch.tensor(repeats), flat(x, axis)[1]
    ),
    "linspace": "between numbers only, which have no gradient",
    "logspace": "between numbers only, which have no gradient",
    "geomspace": NONE,
    "resize": NONE,
    "roll": lambda x, shift, axis: torch.roll(x, shift, axis),
    "flip": lambda x, axis: torch.flip(x, axes_of(x, axis)),
    **same(torch, "fliplr flipud"),
    "rot90": lambda x, k, axes: torch.rot90(x, k, axes),
    "tril": lambda x, k: only(x.ndim > 1, "vectors") or torch.tril(x, k),
    "triu": lambda x, k: only(x.ndim > 1, "vectors") or torch.triu(x, k),
    "diagonal": lambda x, offset, axis1, axis2: torch.diagonal(x, offset, axis1, axis2),
    "diag_embed": lambda x, offset, axis1, axis2: torch.diag_embed(x, offset, axis1, axis2),
    "diag": lambda x, k: torch.diag(x, k),
    "diagflat": lambda x, k: torch.diagflat(x, k),
    "fill_diagonal": "fills with numbers only, which have no gradient",
    "pad_constant": padded,
    "crop": cropped,
    "pad": padded,
    "unfold": lambda x, axis, size, step: x.unfold(axis, size, step),
    "fold": folded,
    "sliding_window_view": lambda x, window_shape, axis: reduce(
        lambda y, p: y.unfold(p[0] % x.ndim, p[1], 1),
        zip(axes_of(x, axis), several(window_shape, 1), strict=True),
        x,
    ),
    "meshgrid": lambda *arrays, copy, sparse, indexing: (
        only(not sparse, "sparse") or torch.meshgrid(*arrays, indexing=indexing)
    ),
    "broadcast_arrays": torch.broadcast_tensors,
    "vander": lambda x, N, increasing: torch.vander(x, N, increasing),
    "column_stack": lambda *arrays: torch.column_stack(arrays),
    "dstack": lambda *arrays: torch.dstack(arrays),
    "block": NONE,
    "append": lambda x, values, axis: joined([x, values], axis),
    "delete": NONE,
    "insert": NONE,
    "array_split": lambda x, indices_or_sections, axis: torch.tensor_split(
        x, indices_or_sections, axis
    ),
    "chunk": lambda x, chunks, axis: torch.chunk(x, chunks, axis),
    "hsplit": lambda x, indices_or_sections: torch.hsplit(x, indices_or_sections),
    "vsplit": lambda x, indices_or_sections: torch.vsplit(x, indices_or_sections),
    "dsplit": lambda x, indices_or_sections: torch.dsplit(x, indices_or_sections),
    "unflatten": lambda x, axis, shape: x.unflatten(axis, shape),
    "rollaxis": NONE,
    # attention
    "causal_mask": lambda x: torch.ones(x.shape[-2:], dtype=torch.bool).tril(),
    "scaled_dot_product_attention": attention,
    "attention_weights": lambda q, k, mask, causal, scale: attention(
        q, k, torch.eye(k.shape[-2], dtype=k.dtype), mask, causal, scale
    ),
    # complexes
    **same(torch, "real isreal"),
    "imag": lambda x: torch.imag(x) if x.is_complex() else x * 0,
    "angle": lambda x, deg: torch.rad2deg(torch.angle(x)) if deg else torch.angle(x),
    "polar": lambda length, angle: length * torch.polar(torch.ones_like(angle), angle),
    "conjugate": torch.conj,
    "to_complex": torch.complex,
    "iscomplex": lambda x: ~torch.isreal(x),
    # conv, pool
    "windows": windows,
    "overlap_add": overlap_add,
    "im2col": im2col,
    "col2im": col2im,
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
    "blend": ADJOINT,
    "adaptive_avg_pool": lambda x, output_size: (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)[
        x.ndim - 3
    ](x, output_size),
    "adaptive_max_pool": lambda x, output_size: (F.adaptive_max_pool1d, F.adaptive_max_pool2d)[
        x.ndim - 3
    ](x, output_size),
    "global_avg_pool": lambda x, keepdims: x.mean(tuple(range(2, x.ndim)), keepdim=keepdims),
    "global_max_pool": lambda x, keepdims: x.amax(tuple(range(2, x.ndim)), keepdim=keepdims),
    "upsample": resized,
    "pixel_shuffle": shuffled,
    "pixel_unshuffle": unshuffled,
    # losses
    "softmax_cross_entropy": cross_entropy,
    "nll_loss": nll,
    "softmax_focal_loss": NONE,
    "mean_squared_error": F.mse_loss,
    "mean_absolute_error": F.l1_loss,
    "huber_loss": F.huber_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "log_cosh_loss": lambda a, b, reduction: reduced(
        torch.logaddexp(a - b, b - a) - math.log(2), reduction
    ),
    "ctc_loss": F.ctc_loss,
    "binary_cross_entropy_with_logits": bce_logits,
    "binary_cross_entropy": bce,
    "sigmoid_focal_loss": NONE,
    "dice_loss": NONE,
    "kl_div": lambda x, t, log_target, reduction: reduced(
        F.kl_div(x, t, reduction="none", log_target=log_target), reduction
    ),
    "jensen_shannon": NONE,
    "poisson_nll_loss": lambda x, t, log_input, full, reduction: F.poisson_nll_loss(
        x, t.double(), log_input, full, reduction=reduction, eps=0.0
    ),
    "gaussian_nll_loss": lambda mean, t, var, **p: F.gaussian_nll_loss(mean, t, var, **p),
    "hinge_loss": NONE,
    "squared_hinge_loss": NONE,
    "soft_margin_loss": F.soft_margin_loss,
    "hinge_embedding_loss": F.hinge_embedding_loss,
    "multi_margin_loss": multi_margin,
    "multilabel_margin_loss": F.multilabel_margin_loss,
    "multilabel_soft_margin_loss": soft_multilabel,
    "cosine_similarity": lambda a, b, axis, eps: F.cosine_similarity(a, b, axis, eps),
    "pairwise_distance": lambda a, b, p, eps, keepdims: F.pairwise_distance(a, b, p, eps, keepdims),
    "cosine_embedding_loss": F.cosine_embedding_loss,
    "margin_ranking_loss": F.margin_ranking_loss,
    "triplet_margin_loss": lambda *x, eps=0.0, **p: F.triplet_margin_loss(*x, eps=eps, **p),
    # cumulative, signal
    "cumsum": along(torch.cumsum),
    "cumprod": along(torch.cumprod),
    "nancumsum": lambda x, axis: torch.cumsum(
        torch.nan_to_num(flat(x, axis)[0], 0.0), flat(x, axis)[1]
    ),
    "nancumprod": lambda x, axis: torch.cumprod(
        torch.nan_to_num(flat(x, axis)[0], 1.0), flat(x, axis)[1]
    ),
    "cumulative_sum": lambda x, axis, include_initial: (
        only(not include_initial, "include_initial") or torch.cumsum(x, 0 if axis is None else axis)
    ),
    "cumulative_prod": lambda x, axis, include_initial: (
        only(not include_initial, "include_initial")
        or torch.cumprod(x, 0 if axis is None else axis)
    ),
    "cummax": lambda x, axis: torch.cummax(x, axis),
    "cummin": lambda x, axis: torch.cummin(x, axis),
    "logcumsumexp": lambda x, axis: torch.logcumsumexp(x, axis),
    "diff": diff,
    "ediff1d": lambda x, to_end, to_begin: torch.cat(
        [a.reshape(-1) for a in (to_begin, torch.diff(x.reshape(-1)), to_end) if a is not None]
    ),
    "weighted": lambda x, weights: x * torch.tensor(weights),
    "gradient": gradient,
    "trapezoid": along_x(torch.trapezoid),
    "cumulative_trapezoid": along_x(torch.cumulative_trapezoid),
    "convolve": NONE,
    "correlate": NONE,
    "interp": NONE,
    # decompose
    "inv": torch.linalg.inv,
    "solve": torch.linalg.solve,
    "solve_triangular": NONE,
    "tensorsolve": lambda a, b, axes: torch.linalg.tensorsolve(a, b, axes),
    "tensorinv": lambda x, ind: torch.linalg.tensorinv(x, ind),
    "pinv": lambda x, rcond, hermitian, rtol: torch.linalg.pinv(x, rtol=rtol),
    "matrix_rank": lambda x, tol, hermitian, rtol: torch.linalg.matrix_rank(x, atol=tol, rtol=rtol),
    "lstsq": lambda a, b, rcond: torch.linalg.lstsq(a, b.reshape(len(b), -1)).solution.reshape(
        -1, *b.shape[1:]
    ),
    "det": lambda x: (
        only(x.abs().sum() > 0 or not x.numel(), "the zero matrix") or torch.linalg.det(x)
    ),
    "cofactor": lambda x: (
        only((torch.linalg.det(x).abs() > 1e-9).all(), "singular matrices")
        or torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT
    ),
    "cofactor_derivative": ADJOINT,
    "sign_of_det": lambda x: torch.linalg.slogdet(x)[0],
    "logabsdet": lambda x: torch.linalg.slogdet(x)[1],
    "slogdet": torch.linalg.slogdet,
    "logdet": torch.logdet,
    "matrix_power": lambda x, n: torch.linalg.matrix_power(x, n),
    "cholesky": lambda x, upper: torch.linalg.cholesky(x, upper=upper),
    "eigh_packed": PACKED,
    "eigh": lambda x, UPLO: torch.linalg.eigh(x, UPLO),
    "eigvalsh": lambda x, UPLO: torch.linalg.eigvalsh(x, UPLO),
    "svd_packed": PACKED,
    "svd": lambda x, full_matrices, compute_uv, hermitian: (
        torch.linalg.svd(x, full_matrices) if compute_uv else torch.linalg.svdvals(x)
    ),
    "svdvals": torch.linalg.svdvals,
    "cond": lambda x, p: (
        only(p in (None, 2, -2), "norms of the inverse, which it overwrites before it is done")
        or torch.linalg.cond(x, p)
    ),
    "qr_packed": PACKED,
    "qr": lambda x, mode: only(mode == "reduced", "this mode") or torch.linalg.qr(x),
    "expm": torch.linalg.matrix_exp,
    "expm_frechet": ADJOINT,
    # fourier
    **{
        name: fourier(name)
        for name in (
            "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn fft2 ifft2 rfft2 irfft2"
        ).split()
    },
    "fftshift": lambda x, axes: torch.fft.fftshift(x, axes),
    "ifftshift": lambda x, axes: torch.fft.ifftshift(x, axes),
    # linalg
    **same(torch, "matmul inner kron"),
    "linear": lambda x, weight, bias, activation: (
        lambda y: y if activation is None else getattr(torch, activation)(y)
    )(F.linear(x, weight.mT, bias)),
    "tensordot": lambda a, b, axes: torch.tensordot(a, b, axes),
    "vdot": lambda a, b: torch.vdot(a.reshape(-1), b.reshape(-1)),
    "dot": NONE,
    "outer": lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1)),
    "linalg_outer": torch.outer,
    "einsum": lambda *operands, subscripts, **_: torch.einsum(subscripts, *operands),
    "vecdot": lambda a, b, axis: torch.linalg.vecdot(*torch.broadcast_tensors(a, b), dim=axis),
    "matvec": lambda a, b: (a @ b[..., None])[..., 0],
    "vecmat": lambda a, b: (a.conj()[..., None, :] @ b)[..., 0, :],
    "addmm": lambda c, a, b, beta, alpha: (torch.addmm if a.ndim == 2 else torch.baddbmm)(
        c, a, b, beta=beta, alpha=alpha
    ),
    "multi_dot": lambda *arrays: torch.linalg.multi_dot(arrays),
    "cross": crossed,
    "linalg_cross": lambda a, b, axis: torch.linalg.cross(a, b, dim=axis),
    "matrix_transpose": lambda x: x.mT,
    "trace": lambda x, offset, axis1, axis2: torch.diagonal(x, offset, axis1, axis2).sum(-1),
    "linalg_trace": lambda x, offset: torch.diagonal(x, offset, -2, -1).sum(-1),
    "linalg_diagonal": lambda x, offset: torch.linalg.diagonal(x, offset=offset),
    "euclidean_norm": lambda x, axis, keepdims: torch.linalg.vector_norm(x, 2, axis, keepdims),
    "p_norm": lambda x, p, axis, keepdims: torch.linalg.vector_norm(x, p, axis, keepdims),
    "vector_norm": lambda x, axis, keepdims, ord: torch.linalg.vector_norm(x, ord, axis, keepdims),
    "matrix_norm": lambda x, keepdims, ord: torch.linalg.matrix_norm(x, ord, keepdim=keepdims),
    "norm": normed,
    # reduce
    "sum": over(torch.sum),
    "mean": over(torch.mean),
    "average": average,
    "max": over(torch.amax),
    "min": over(torch.amin),
    "ptp": lambda x, axis, keepdims: (
        over(torch.amax)(x, axis, keepdims) - over(torch.amin)(x, axis, keepdims)
    ),
    "prod": over_one(torch.prod),
    "var": lambda x, ddof=0, **p: over(
        lambda x, axes, keepdim: torch.var(x, axes, correction=ddof, keepdim=keepdim)
    )(x, **p),
    "std": lambda x, ddof=0, **p: over(
        lambda x, axes, keepdim: torch.std(x, axes, correction=ddof, keepdim=keepdim)
    )(x, **p),
    "cov": cov,
    "corrcoef": corrcoef,
    "nansum": over(torch.nansum),
    "nanprod": NONE,
    "nanmean": over(torch.nanmean),
    "nanmax": NONE,
    "nanmin": NONE,
    "nanvar": NONE,
    "nanstd": NONE,
    "logsumexp": over(torch.logsumexp),
    "softmax": lambda x, axis: (
        only(isinstance(axis, int), "several axes") or torch.softmax(x, axis)
    ),
    "log_softmax": lambda x, axis: (
        only(isinstance(axis, int), "several axes") or torch.log_softmax(x, axis)
    ),
    "argmax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdim=keepdims),
    "argmin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdim=keepdims),
    "nanargmax": NONE,
    "nanargmin": NONE,
    "all": over(torch.all),
    "any": over(torch.any),
    "count_nonzero": lambda x, axis, keepdims: (
        only(not keepdims, "keepdims") or torch.count_nonzero(x, axis)
    ),
    # order
    "sort": lambda x, axis, kind, stable: torch.sort(*flat(x, axis)).values,
    "partition": NONE,
    "msort": torch.msort,
    "argsort": lambda x, axis, **_: torch.argsort(*flat(x, axis)),
    "argpartition": NONE,
    "searchsorted": lambda a, v, side, sorter: torch.searchsorted(a, v, side=side),
    "digitize": lambda x, bins, right: torch.bucketize(x, bins, right=not right),
    "unique": lambda x, axis, equal_nan: torch.unique(x, dim=axis),
    "histogram_bin_edges": lambda x, bins, range: torch.histogram(x, bins, range=range).bin_edges,
    "bincount": lambda x, weights, minlength: torch.bincount(x, weights, minlength),
    "topk": lambda x, k, axis, largest: torch.topk(x, k, axis, largest).values,
    "kthvalue": lambda x, k, axis, keepdims: torch.kthvalue(x, k, axis, keepdims).values,
    "order_statistic": ADJOINT,
    "median": median,
    "nanmedian": lambda x, axis, keepdims: nanquantile(x, 0.5, axis, "linear", keepdims),
    "quantile": quantile,
    "percentile": lambda x, q, **p: quantile(x, np.asarray(q) / 100, **p),
    "nanquantile": nanquantile,
    "nanpercentile": lambda x, q, **p: nanquantile(x, np.asarray(q) / 100, **p),
    # special
    "apply_mask": lambda x, mask, scale: x * mask * scale,
    "dropout": dropped,
    "dropout1d": dropped,
    "dropout2d": dropped,
    "alpha_dropout": NONE,
    "gaussian_noise": lambda x, noise, std, **_: x + std * noise,
    "gaussian_dropout": NONE,
    "stop_gradient": lambda x: x.detach(),
    "scale_gradient": lambda x, scale: scaled_gradient(scale)(x),
    "gradient_reversal": lambda x, scale: scaled_gradient(-scale)(x),
    "clip_gradient": NONE,
    "straight_through": lambda value, x: value.detach() + (x - x.detach()),
    "round_through": lambda x: torch.round(x).detach() + (x - x.detach()),
    "sign_through": NONE,
    "heaviside_through": NONE,
    "clip_through": NONE,
    "hardmax": hard,
    "gumbel_softmax": gumbel,
    # normalization
    "batch_norm": batch_normed,
    "layer_norm": layer_normed,
    "standardize": standardized,
    "rms_norm": lambda x, scale, axis, eps: F.rms_norm(x, _last(x, axis), scale, eps),
    "group_norm": lambda x, scale, shift, groups, eps: (
        only(x.numel() and x.numel() > len(x) * groups, "groups of one number, or none")
        or F.group_norm(x, groups, ones(scale, shift), shift, eps)
    ),
    "instance_norm": instance_normed,
    "local_response_norm": responses,
    "normalize": lambda x, p, axis: (
        only(isinstance(axis, int), "several axes") or F.normalize(x, p, axis)
    ),
    # recurrent
    "rnn_cell": rnn_cell,
    "rnn_scan": rnn_scan,
    "lstm_step": lambda *arrays: torch.cat(lstm_cell(*arrays), -1),
    "lstm_cell": lstm_cell,
    "lstm_scan": lstm_scan,
    "gru_cell": gru_cell,
    "gru_scan": gru_scan,
}

# ------------------------------------------------------------------------------ disagreements

nan, inf = math.nan, math.inf

ORDERS = {
    "bincount": 0,
    "floor_divide": 0,
    "divmod": 0,
    "heaviside": 0,
    "hardsigmoid": 1,
    "cdist": 1,
    "ctc_loss": 0,
    "multi_margin_loss": 1,
    "multilabel_margin_loss": 1,
    "vander": 0,
}
"""How often PyTorch can differentiate a function that is not for any number of times."""

REAL = dict.fromkeys(
    (
        "rint silu glu swiglu cov nansum nanmean nll_loss nancumsum binary_cross_entropy kl_div "
        "poisson_nll_loss standardize local_response_norm topk kthvalue avg_pool "
        "adaptive_avg_pool upsample cdist"
    ).split(),
    "PyTorch has it for real numbers only",
)
"""Functions that are not compared for complex numbers, and why."""


def both_zero(a: Any, b: Any) -> Any:
    return (a == 0) & (b == 0)


def ties(a: Any, b: Any) -> Any:
    return a == b


def bounds(x: Any, a_min: Any, a_max: Any) -> Any:
    return (x == a_min) | (x == a_max)


def minus_zero(x: Any, **_params: Any) -> Any:
    return (x == 0) & np.signbit(x)


EDGES: dict[str, tuple[Edge, ...]] = {
    "xlogy": (Edge(1, both_zero, 0.0, nan, "the value is 0 for every b; PyTorch makes 0 / 0"),),
    "xlog1py": (Edge(1, lambda a, b: (a == 0) & (b == -1), 0.0, nan, "as xlogy"),),
    "logit": (
        Edge(
            0,
            lambda x, eps: ((x == eps) | (x == 1 - eps)) if eps else x != x,
            0.0,
            lambda x, eps: 1 / (eps * (1 - eps)) if eps else 0.0,
            "a bound counts as cut off",
        ),
    ),
    "hypot": (
        Edge(0, both_zero, 0.0, nan, "the middle of the slopes; PyTorch divides by 0"),
        Edge(1, both_zero, 0.0, nan, "the middle of the slopes; PyTorch divides by 0"),
    ),
    "sinc": (Edge(0, lambda x: x == 1e-8, -(math.pi**2) * 1e-8 / 3, None, "cancellation"),),
    "clip": (Edge(0, bounds, 0.0, 1.0, "a bound counts as cut off, as in hardtanh of both"),),
    "fmax": (
        Edge(0, ties, 0.5, 1.0, "equal numbers share; PyTorch gives the first all"),
        Edge(1, ties, 0.5, 0.0, "equal numbers share; PyTorch gives the first all"),
    ),
    "fmin": (
        Edge(0, ties, 0.5, 1.0, "equal numbers share; PyTorch gives the first all"),
        Edge(1, ties, 0.5, 0.0, "equal numbers share; PyTorch gives the first all"),
    ),
    "angle": (
        Edge(
            None, minus_zero, lambda x, deg: 180.0 if deg else math.pi, 0.0, "NumPy reads the sign"
        ),
    ),
}

TWICE = np.zeros(2, np.int64)
LAST = (
    "the second value of one element is taken, and alone has a gradient; PyTorch gives it to both"
)
PAIR = np.array([5.0, 6.0]), np.array([1.0, 2.0])
ROW = {"axis": -1}
ZEROS = np.zeros(3)
UNKNOWN = np.full(3, nan)
NEVER = np.full(2, -inf)
CERTAIN = np.array([0.0, 1.0]), np.array([0.0, 1.0])
STEPS = np.log(np.full((3, 1, 2), 0.5)), np.array([[1]]), np.array([3]), np.array([1])

DIFFER = (
    Differ(
        "setitem",
        PAIR,
        {"index": TWICE},
        "order 1",
        1,
        [0, 1],
        [1, 1],
        LAST,
        lambda x, value, index: set_at(x, value, index),
    ),
    Differ(
        "put",
        (PAIR[0], TWICE, PAIR[1]),
        {},
        "order 1",
        1,
        [0, 1],
        [1, 1],
        LAST,
        lambda x, i, values: x.put(i, values),
    ),
    Differ(
        "index_copy",
        (PAIR[0], TWICE, PAIR[1]),
        {"axis": 0},
        "order 1",
        1,
        [0, 1],
        [1, 1],
        LAST,
        lambda x, i, source, axis: x.index_copy(axis, i, source),
    ),
    Differ(
        "index_put",
        PAIR,
        {"indices": TWICE, "accumulate": False},
        "order 1",
        1,
        [0, 1],
        [1, 1],
        LAST,
        lambda x, values, indices, accumulate: x.index_put((tensors(indices),), values),
    ),
    Differ(
        "put_along_axis",
        (PAIR[0], TWICE, PAIR[1]),
        {"axis": 0},
        "order 1",
        1,
        [0, 1],
        [1, 1],
        LAST,
        lambda x, i, values, axis: x.scatter(axis, i, values),
    ),
    Differ(
        "ldexp",
        (np.array([1.0]), np.array([-1])),
        {},
        "order 1",
        0,
        [0.5],
        [0],
        "the slope is 2 ** -1; PyTorch takes that power of whole numbers",
        torch.ldexp,
    ),
    Differ(
        "polar",
        (np.array([-1.0]), np.array([0.5])),
        {},
        "order 1",
        0,
        [math.cos(0.5)],
        [-math.cos(0.5)],
        "linear in the length, also below 0; PyTorch takes the sign of the result",
        torch.polar,
    ),
    Differ(
        "lp_pool",
        (np.array([[[-2.0, 1.0]]]),),
        {"size": 2, "p": 3},
        "value",
        0,
        [[[9 ** (1 / 3)]]],
        [[[nan]]],
        "a norm is of absolute values; PyTorch sums odd powers",
        lambda x, size, p, **_: F.lp_pool1d(x, p, size),
    ),
    Differ(
        "det",
        (np.zeros((2, 2)),),
        {},
        "order 2",
        0,
        [[1, -1], [-1, 1]],
        np.full((2, 2), nan),
        "a polynomial; PyTorch divides by the determinant",
        torch.linalg.det,
    ),
    Differ("softmax", (NEVER,), ROW, "value", 0, [0, 0], [nan, nan], "nothing to choose from"),
    Differ("softmax", (NEVER,), ROW, "order 1", 0, [0, 0], [nan, nan], "as its value"),
    Differ("log_softmax", (NEVER,), ROW, "value", 0, NEVER, [nan, nan], "the logarithm of 0"),
    Differ("logsumexp", (NEVER,), {}, "order 1", 0, [0, 0], [nan, nan], "PyTorch makes 0 / 0"),
    Differ(
        "logcumsumexp",
        (np.array([-inf, -inf, 0.0]),),
        {},
        "order 1",
        0,
        [0, 0, 1],
        [nan, nan, 1],
        "PyTorch makes 0 / 0",
    ),
    Differ(
        "cummax",
        (np.array([2.0, 2.0, 1.0]),),
        {},
        "order 1",
        0,
        [2, 1, 0],
        [1, 2, 0],
        "equal elements share; PyTorch takes the last",
    ),
    Differ(
        "max_pool",
        (np.array([[[2.0, 2.0]]]),),
        {"size": 2},
        "order 1",
        0,
        [[[0.5, 0.5]]],
        [[[1, 0]]],
        "equal elements share, as in max; PyTorch's max shares, its pool does not",
    ),
    Differ(
        "adaptive_max_pool",
        (np.array([[[2.0, 2.0]]]),),
        {"output_size": 1},
        "order 1",
        0,
        [[[0.5, 0.5]]],
        [[[1, 0]]],
        "as max_pool",
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
    Differ("norm", (ZEROS,), {}, "order 2", 0, ZEROS, UNKNOWN, "0 at every order; PyTorch: first"),
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
        {"p": 1.5},
        "order 2",
        0,
        [0, 0],
        [nan, 0],
        "0 at every order",
    ),
    Differ(
        "pairwise_distance",
        (np.zeros(2), np.zeros(2)),
        {"eps": 0.0},
        "order 2",
        0,
        [0, 0],
        [nan, nan],
        "as the norm",
    ),
    Differ(
        "normalize",
        (np.zeros(2),),
        {},
        "order 1",
        0,
        [0, 0],
        [1e12, 1e12],
        "a zero vector has no direction; PyTorch divides by 1e-12",
    ),
    Differ(
        "svdvals",
        (np.eye(2),),
        {},
        "order 2",
        0,
        np.zeros((2, 2)),
        np.full((2, 2), nan),
        "the sum of equal singular values is smooth; PyTorch divides by their difference",
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
        "binary_cross_entropy",
        CERTAIN,
        {},
        "order 1",
        0,
        [0.5, -0.5],
        [0, 0],
        "the slopes of -ln(1 - p) and -ln p; PyTorch cuts logarithms off at -100",
    ),
    Differ(
        "kl_div",
        (np.array([-1.0]), np.array([0.0])),
        {},
        "order 1",
        1,
        [0],
        [nan],
        "terms with target 0 are 0; PyTorch makes 0 ln 0",
    ),
    Differ(
        "gaussian_nll_loss",
        (np.array([1.0]), np.array([2.0]), np.array([1e-9])),
        {},
        "order 1",
        2,
        [0],
        [(1e6 - 1e12) / 2],
        "below eps the loss is flat; PyTorch acts as if it were not",
    ),
    Differ(
        "ctc_loss",
        STEPS,
        {"reduction": "sum"},
        "order 1",
        0,
        [[[-1 / 2, -1 / 2]], [[-1 / 3, -2 / 3]], [[-1 / 2, -1 / 2]]],
        [[[0, 0]], [[1 / 6, -1 / 6]], [[0, 0]]],
        "by the log probabilities; PyTorch's is by the logits before log_softmax",
        F.ctc_loss,
    ),
)
"""Calls whose results are others than ours."""

# ------------------------------------------------------------------------------ the library


class Torch:
    """PyTorch, on the CPU, one operation after the other."""

    name = "PyTorch"
    rows = ROWS
    orders = ORDERS
    real = REAL
    differ = DIFFER
    edges = EDGES

    def derivatives(
        self, call: Call, order: int, weights: Sequence[Any], directions: Sequence[Any]
    ) -> Derivatives:
        """Return results and gradients, up to an order."""
        sample = call.sample
        arrays = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in sample.arrays]
        leaves = [arrays[i].requires_grad_() for i in sample.moving] if order else []
        outputs = call.by(ROWS)(arrays)
        value = [_array(y) for y in outputs]
        if not order:
            return Derivatives(value)
        first = _gradients(_contracted(outputs, weights), leaves, create_graph=order > 1)
        if order == 1:
            return Derivatives(value, [_array(g) for g in first])
        second = _gradients(_contracted(first, directions), leaves)
        return Derivatives(value, [_array(g) for g in first], [_array(g) for g in second])


def _gradients(total: Any, leaves: Sequence[Any], create_graph: bool = False) -> list[Any]:
    if not total.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    return list(
        torch.autograd.grad(
            total, leaves, create_graph=create_graph, allow_unused=True, materialize_grads=True
        )
    )


def _contracted(left: Sequence[Any], right: Sequence[Any]) -> Any:
    total = torch.zeros((), dtype=torch.float64)
    for a, b in zip(left, right, strict=True):
        product = a * torch.tensor(b).conj()
        total = total + torch.sum(product.real if product.is_complex() else product)
    return total


def _array(tensor: Any) -> Any:
    return tensor.detach().resolve_conj().resolve_neg().numpy(force=True)
