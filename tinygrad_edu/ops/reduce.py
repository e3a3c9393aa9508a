"""Rows that reduce axes: sums, means, extremes, products, variances, logsumexp.

Read ``linalg.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, linear, op
from tinygrad_edu.ops.shape import broadcast_to

Axis = int | tuple[int, ...] | None

__all__ = ["all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "logsumexp", "max",
           "mean", "min", "norm", "prod", "std", "sum", "var"]  # fmt: skip


def _spread(g: Any, like: Any, axis: Axis, keepdims: bool) -> Any:
    """Return the cotangent of a reduction spread over the axes that were reduced."""
    if axis is not None and not keepdims:
        g = np.expand_dims(g, tuple(i % like.ndim for i in np.atleast_1d(axis).tolist()))
    elif axis is None and g.ndim != like.ndim:
        g = np.reshape(g, (1,) * like.ndim)
    return np.broadcast_to(g, like.shape)


def _kept(y: Any, like: Any, axis: Axis) -> Any:
    """Return a reduction's result with the reduced axes kept, to be compared with the argument."""
    reduced = range(like.ndim) if axis is None else {i % like.ndim for i in np.atleast_1d(axis).tolist()}
    return np.reshape(y, tuple(1 if i in reduced else n for i, n in enumerate(like.shape)))


def _count(like: Any, axis: Axis) -> int:
    axes = range(like.ndim) if axis is None else np.atleast_1d(axis).tolist()
    return int(np.prod([like.shape[i] for i in axes]))


_REDUCTION = {
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
