"""Rows that reduce axes: sums, means, extremes, products, variances, softmax.

Read ``linalg.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, linear, op

Axis = int | tuple[int, ...] | None

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "log_softmax",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "softmax",
    "std",
    "sum",
    "var",
]


def _spread(g: Any, like: Any, axis: Axis, keepdims: bool) -> Any:
    """Return the cotangent of a reduction spread over the axes that were reduced."""
    if axis is not None and not keepdims:
        g = np.expand_dims(g, tuple(i % like.ndim for i in np.atleast_1d(axis).tolist()))
    elif axis is None and g.ndim != like.ndim:
        g = np.reshape(g, (1,) * like.ndim)
    return np.broadcast_to(g, like.shape)


def _kept(y: Any, like: Any, axis: Axis) -> Any:
    """Return a reduction's result with the reduced axes kept, to be compared with the argument."""
    reduced = (
        range(like.ndim) if axis is None else {i % like.ndim for i in np.atleast_1d(axis).tolist()}
    )
    return np.reshape(y, tuple(1 if i in reduced else n for i, n in enumerate(like.shape)))


def _count(like: Any, axis: Axis) -> int:
    axes = range(like.ndim) if axis is None else np.atleast_1d(axis).tolist()
    return int(np.prod([like.shape[i] for i in axes]))


_REDUCTION: dict[str, Any] = {
    "signature": "(n)->()",
    "order": "x axis dtype out keepdims initial where",
    "arguments": ("x",),
}
_CASES = (
    case((2, 3)),
    case((2, 3), axis=0),
    case((2, 3, 4), axis=(0, -1)),
    case((2, 3, 4), axis=(0, -1), keepdims=True),
    case((2, 3), keepdims=True),
    case((), axis=None),
)


def _sum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdims)


sum = linear(
    _sum,
    lambda g, _y, _x, *, axis, keepdims: _spread(g, _x, axis, keepdims),
    doc="Sum over axes.",
    formula="Σ x",
    latex=r"\sum_i x_i",
    pattern="copy",
    functions=(np.sum, (np.add, "reduce")),
    cases=(*_CASES, case((0, 3), axis=0), case((0,))),
    **_REDUCTION,
)


def _mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.mean(x, axis=axis, keepdims=keepdims)


mean = linear(
    _mean,
    lambda g, _y, _x, *, axis, keepdims: _spread(g / _count(_x, axis), _x, axis, keepdims),
    doc="Mean over axes.",
    formula="Σ x / n",
    latex=r"\frac{1}{n}\sum_i x_i",
    pattern="scale",
    functions=(np.mean,),
    cases=_CASES,
    **{**_REDUCTION, "order": "x axis dtype out keepdims where"},
)


# ------------------------------------------------------------------------------ extremes


def _extreme_vjp(g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    """Return the cotangent routed to the extreme element, shared equally between ties."""
    ties = x == _kept(y, x, axis)
    count = np.sum(ties, axis=axis, keepdims=True)
    return _spread(g, x, axis, keepdims) * ties / count.astype(x.dtype)


def _max(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.max(x, axis=axis, keepdims=keepdims)


def _min(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.min(x, axis=axis, keepdims=keepdims)


_EXTREME: dict[str, Any] = {
    "pattern": "route",
    "kinks": {"x": "ties"},
    "policy": "equal extreme elements share the gradient equally",
    "cases": _CASES,
    "signature": "(n)->()",
    "order": "x axis out keepdims initial where",
}
max = op(
    _max, _extreme_vjp, doc="Largest element over axes.", formula="max x", latex=r"\max_i x_i",
    functions=(np.max, np.amax, (np.maximum, "reduce")), **_EXTREME,
)  # fmt: skip
min = op(
    _min, _extreme_vjp, doc="Smallest element over axes.", formula="min x", latex=r"\min_i x_i",
    functions=(np.min, np.amin, (np.minimum, "reduce")), **_EXTREME,
)  # fmt: skip

# ------------------------------------------------------------------------------ product


def _prod(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.prod(x, axis=axis, keepdims=keepdims)


def _others(x: Any) -> Any:
    """Return per element of the last axis the product of all the others, without a division.

    Neighbours are multiplied in pairs until one number is left; on the way back each element
    takes what its pair lacks, times its partner. Zeros are no special case, at any order.
    """
    levels = []
    while x.shape[-1] > 1:
        if x.shape[-1] % 2:
            x = np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype, like=x)], axis=-1)
        levels.append(x)
        x = x[..., 0::2] * x[..., 1::2]
    others = np.ones(x.shape, x.dtype, like=x)
    for level in reversed(levels):
        others = others[..., : level.shape[-1] // 2]
        pairs = np.stack([others * level[..., 1::2], others * level[..., 0::2]], axis=-1)
        others = np.reshape(pairs, level.shape)
    return others


def _prod_vjp(g: Any, _y: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    axes = range(x.ndim) if axis is None else [i % x.ndim for i in np.atleast_1d(axis).tolist()]
    rest = [i for i in range(x.ndim) if i not in axes]
    order = (*rest, *axes)
    moved = np.transpose(x, order)
    others = _others(np.reshape(moved, (*moved.shape[: len(rest)], _count(x, axis))))
    others = others[..., : _count(x, axis)]
    back = tuple(order.index(i) for i in range(x.ndim))
    return _spread(g, x, axis, keepdims) * np.transpose(np.reshape(others, moved.shape), back)


prod = op(
    _prod,
    _prod_vjp,
    doc="Product over axes.",
    formula="Π x",
    latex=r"\prod_i x_i",
    pattern="swap",
    policy="exact with zeros in x: nothing is divided by x",
    functions=(np.prod, (np.multiply, "reduce")),
    cases=(*_CASES, case((5,)), case((2, 7), axis=1)),
    **_REDUCTION,
)

# ------------------------------------------------------------------------------ spread


def _var(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)


def _std(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)


def _var_vjp(g: Any, _y: Any, x: Any, *, axis: Axis, ddof: float, keepdims: bool) -> Any:
    away = x - np.mean(x, axis=axis, keepdims=True)
    return _spread(g, x, axis, keepdims) * (2 / (_count(x, axis) - ddof)) * away


def _std_vjp(g: Any, y: Any, x: Any, *, axis: Axis, ddof: float, keepdims: bool) -> Any:
    away = x - np.mean(x, axis=axis, keepdims=True)
    scale = np.where(y == 0, np.inf, y) * (_count(x, axis) - ddof)  # 1 / inf: no slope at std 0
    return _spread(g / scale, x, axis, keepdims) * away


_SPREAD: dict[str, Any] = {
    "pattern": "scale",
    "signature": "(n)->()",
    "order": "x axis dtype out ddof keepdims where mean correction",
    "cases": (
        case((2, 3)),
        case((2, 3), axis=0),
        case((2, 3, 4), axis=(0, -1), ddof=1),
        case((2, 3), axis=1, keepdims=True),
    ),
}
var = op(
    _var, _var_vjp, doc="Variance over axes.", formula="Σ (x - mean)² / (n - ddof)",
    latex=r"\frac{1}{n - d}\sum_i (x_i - \bar x)^2", functions=(np.var,), **_SPREAD,
)  # fmt: skip
std = op(
    _std, _std_vjp, doc="Standard deviation over axes.", formula="sqrt(var(x))",
    latex=r"\sqrt{\mathrm{var}(x)}", functions=(np.std,),
    policy="the gradient is 0 where the standard deviation is 0", **_SPREAD,
)  # fmt: skip

# ------------------------------------------------------------------------------ softmax family


def _finite(x: Any) -> Any:
    """Return x with infinities replaced by 0: a shift that is safe to subtract."""
    return np.where(np.isfinite(x), x, 0)


def _logsumexp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    shift = _finite(np.max(x, axis=axis, keepdims=True))  # exp never overflows
    with np.errstate(divide="ignore"):  # a row of -inf has the logarithm -inf
        y = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return y if keepdims else np.squeeze(y, axis=axis)


def _logsumexp_vjp(g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    return _spread(g, x, axis, keepdims) * np.exp(x - _finite(_kept(y, x, axis)))


logsumexp = op(
    _logsumexp,
    _logsumexp_vjp,
    doc="Logarithm of the sum of exponentials over axes, without overflow.",
    formula="log Σ exp(x)",
    latex=r"\log \sum_i e^{x_i}",
    pattern="scale",
    signature="(n)->()",
    policy="-inf, with gradient 0, where all elements are -inf",
    cases=_CASES[:-1],
)


def _softmax(x: Any, *, axis: int | tuple[int, ...] = -1) -> Any:
    e = np.exp(x - _finite(np.max(x, axis=axis, keepdims=True)))  # exp never overflows
    total = np.sum(e, axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _log_softmax(x: Any, *, axis: int | tuple[int, ...] = -1) -> Any:
    return x - _finite(_logsumexp(x, axis=axis, keepdims=True))


_ROWWISE: dict[str, Any] = {
    "pattern": "scale",
    "signature": "(n)->(n)",
    "cases": (case((2, 3)), case((2, 3), axis=0), case((4,)), case((2, 3, 2), axis=(0, 1))),
}
softmax = op(
    _softmax,
    lambda g, y, _x, *, axis: y * (g - np.sum(g * y, axis=axis, keepdims=True)),
    jvp=lambda tangents, y, _x, *, axis: (
        y * (tangents[0] - np.sum(tangents[0] * y, axis=axis, keepdims=True))
    ),
    doc="Exponentials divided by their sum along an axis: positive, summing to 1.",
    formula="exp(x) / Σ exp(x)",
    latex=r"\frac{e^{x_i}}{\sum_j e^{x_j}}",
    policy="0 everywhere where all elements along the axis are -inf",
    **_ROWWISE,
)
log_softmax = op(
    _log_softmax,
    lambda g, y, _x, *, axis: g - np.exp(y) * np.sum(g, axis=axis, keepdims=True),
    jvp=lambda tangents, y, _x, *, axis: (
        tangents[0] - np.sum(np.exp(y) * tangents[0], axis=axis, keepdims=True)
    ),
    doc="Logarithm of softmax, without overflow.",
    formula="x - log Σ exp(x)",
    latex=r"x_i - \log\sum_j e^{x_j}",
    policy="-inf everywhere where all elements along the axis are -inf",
    **_ROWWISE,
)

# ------------------------------------------------------------------------------ no derivative


def _argmax(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmax(x, axis=axis, keepdims=keepdims)


def _argmin(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmin(x, axis=axis, keepdims=keepdims)


def _all(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.all(x, axis=axis, keepdims=keepdims)


def _any(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.any(x, axis=axis, keepdims=keepdims)


def _count_nonzero(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.count_nonzero(x, axis=axis, keepdims=keepdims)


_COUNTING: dict[str, Any] = {
    "pattern": "none",
    "signature": "(n)->()",
    "arguments": ("x",),
    "policy": "the result is an index, a count or a mask: no gradient flows",
    "cases": (case((2, 3)), case((2, 3), axis=1), case((2, 3), axis=0, keepdims=True)),
}
argmax = op(
    _argmax, None, doc="Index of the first largest element.", formula="argmax x",
    latex=r"\arg\max_i x_i", functions=(np.argmax,), order="x axis out keepdims", **_COUNTING,
)  # fmt: skip
argmin = op(
    _argmin, None, doc="Index of the first smallest element.", formula="argmin x",
    latex=r"\arg\min_i x_i", functions=(np.argmin,), order="x axis out keepdims", **_COUNTING,
)  # fmt: skip
all = op(
    _all, None, doc="Whether all elements are true.", formula="all x", latex=r"\forall i: x_i",
    functions=(np.all, (np.logical_and, "reduce")), order="x axis out keepdims where", **_COUNTING,
)  # fmt: skip
any = op(
    _any, None, doc="Whether an element is true.", formula="any x", latex=r"\exists i: x_i",
    functions=(np.any, (np.logical_or, "reduce")), order="x axis out keepdims where", **_COUNTING,
)  # fmt: skip
count_nonzero = op(
    _count_nonzero, None, doc="Number of elements that are not zero.", formula="#{x ≠ 0}",
    latex=r"|\{i: x_i \neq 0\}|", functions=(np.count_nonzero,),
    order="x axis keepdims", **_COUNTING,
)  # fmt: skip
