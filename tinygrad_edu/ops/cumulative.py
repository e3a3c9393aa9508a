"""Rows with a running result along an axis: sums, products, extremes, log-sum-exp.

All but the sum share one idea: going back, the cotangents obey a recurrence of first order, which
`_recur` solves in log n steps, without a division and without a difference of large numbers. It
knows nothing of sorting. Read ``order.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite, linear, op
from tinygrad_edu.errors import OpError, explain

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "logcumsumexp",
    "nancumprod",
    "nancumsum",
]

# ------------------------------------------------------------------------------ along the last axis


def _recur(a: Any, b: Any) -> Any:
    """Return s with ``s[i] = b[i] + a[i] s[i + 1]`` along the last axis, and 0 beyond its end.

    Two neighbours make one step twice as long, so the number of passes is the logarithm of n.
    Factors and terms are only multiplied and added: a factor of 0 is no special case.
    """
    n, step = b.shape[-1], 1
    while step < n:
        b = np.concatenate(
            [b[..., :-step] + a[..., :-step] * b[..., step:], b[..., -step:]], axis=-1
        )
        # Beyond the end there is nothing to multiply: those factors are not asked for again.
        a = np.concatenate([a[..., :-step] * a[..., step:], a[..., -step:]], axis=-1)
        step *= 2
    return b


def _scan(combine: Any, x: Any) -> Any:
    """Return the running result of an associative function along the last axis."""
    step = 1
    while step < x.shape[-1]:
        x = np.concatenate([x[..., :step], combine(x[..., step:], x[..., :-step])], axis=-1)
        step *= 2
    return x


def _last(x: Any, axis: int | None) -> Any:
    """Return x with the axis moved to the end; of all elements on one axis for None.

    A number has one element on its axis, as NumPy counts.
    """
    return np.reshape(x, (-1,)) if axis is None or not x.shape else np.swapaxes(x, axis, -1)


def _back(x: Any, like: Any, axis: int | None) -> Any:
    """Return what `_last` has moved, where it was."""
    whole = axis is None or not like.shape
    return np.reshape(x, like.shape) if whole else np.swapaxes(x, axis, -1)  # type: ignore[arg-type]  # axis is no None here


def _backwards(x: Any) -> Any:
    return x[..., ::-1]


def _after(x: Any, first: Any) -> Any:
    """Return x moved one place to the right, behind `first`, without its last element."""
    return np.concatenate([first, x[..., :-1]], axis=-1)


# ------------------------------------------------------------------------------ sums and products


def _cumsum(x: Any, *, axis: int | None = None) -> Any:
    return np.cumsum(x, axis=axis)


def _cumsum_vjp(g: Any, _y: Any, _x: Any, *, axis: int | None) -> Any:
    later = _backwards(np.cumsum(_backwards(_last(g, axis)), axis=-1))
    return _back(later, _x, axis)


def _cumprod(x: Any, *, axis: int | None = None) -> Any:
    return np.cumprod(x, axis=axis)


def _cumprod_vjp(g: Any, _y: Any, x: Any, *, axis: int | None) -> Any:
    """Return the product of all before, times the cotangents weighted by the products behind."""
    g, moved = _last(g, axis), _last(x, axis)
    if moved.shape[-1] == 0:
        return _back(g, x, axis)
    one = np.ones((*moved.shape[:-1], 1), x.dtype, like=x)
    behind = np.concatenate([moved[..., 1:], one], axis=-1)
    before = np.cumprod(_after(moved, one), axis=-1)
    return _back(before * _recur(behind, g), x, axis)


_RUNNING: dict[str, Any] = {
    "signature": "(n)->(n)",
    "order": "x axis dtype out",
    "cases": (
        case((2, 3)),
        case((2, 5), axis=1),
        case((3, 2, 2), axis=0),
        case((2, 4, 2), axis=-2),
        case((7,)),
        case((1,), axis=0),
        case((0, 2), axis=0),
        case(()),
        case((), axis=0),
    ),
}
_ZEROS = np.array([[2.0, 0.0, -1.5, 0.5], [0.0, 3.0, 0.0, -0.5]])

cumsum = linear(
    _cumsum, _cumsum_vjp, doc="Running sum along an axis; of all elements for axis None.",
    formula="Σ x up to i", latex=r"\sum_{j \le i} x_j", pattern="sum", functions=(np.cumsum,),
    **_RUNNING,
    batch="axis",
    local=("'Σ {g} from there on'",),
)  # fmt: skip
cumprod = op(
    _cumprod, _cumprod_vjp, doc="Running product along an axis; of all elements for axis None.",
    formula="Π x up to i", latex=r"\prod_{j \le i} x_j", pattern="swap", functions=(np.cumprod,),
    policy="exact with zeros in x: nothing is divided by x",
    **{**_RUNNING, "cases": (*_RUNNING["cases"], case(_ZEROS, axis=1))},
    batch="axis",
    local=("'Σ {g} · Π of the other elements up to there, from there on'",),
)  # fmt: skip


def _nancumsum(x: Any, *, axis: int | None = None) -> Any:
    """Sum up along an axis, in which nan counts as 0."""
    return cumsum(np.where(np.isnan(x), 0, x), axis)


def _nancumprod(x: Any, *, axis: int | None = None) -> Any:
    """Multiply up along an axis, in which nan counts as 1."""
    return cumprod(np.where(np.isnan(x), 1, x), axis)


_WITHOUT_NAN: dict[str, Any] = {
    "signature": "(n)->(n)",
    "order": "x axis dtype out",
    "policy": "nan is left out, with gradient 0",
    "cases": (case((2, 3)), case((2, 3), axis=0)),
}
nancumsum = composite(
    _nancumsum, formula="Σ x up to i, nan as 0", latex=r"\sum_{j \le i, x_j \in \mathbb{R}} x_j",
    pattern="sum", functions=(np.nancumsum,), **_WITHOUT_NAN,
)  # fmt: skip
nancumprod = composite(
    _nancumprod, formula="Π x up to i, nan as 1", latex=r"\prod_{j \le i, x_j \in \mathbb{R}} x_j",
    pattern="swap", functions=(np.nancumprod,), **_WITHOUT_NAN,
)  # fmt: skip


def _started(name: str, row: Any, start: int, x: Any, axis: int | None, initial: bool) -> Any:
    """Return a running result in the array API's form: one axis, and what an empty one gives."""
    if axis is None and np.ndim(x) != 1:
        raise OpError(
            explain(
                name,
                f"x of shape {np.shape(x)} has not one axis, and none was chosen",
                fix=f"give one, as in {name}(x, axis=0)",
            )
        )
    axis = 0 if axis is None else axis
    found = row(x, axis)
    if not initial:
        return found
    before = [(0, 0)] * found.ndim
    before[axis] = (1, 0)
    return np.pad(found, before, constant_values=start)


def _cumulative_sum(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Any:
    """Sum up along an axis, with the 0 before the first element if asked."""
    return _started("cumulative_sum", cumsum, 0, x, axis, include_initial)


def _cumulative_prod(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Any:
    """Multiply up along an axis, with the 1 before the first element if asked."""
    return _started("cumulative_prod", cumprod, 1, x, axis, include_initial)


_STARTED: dict[str, Any] = {
    "signature": "(n)->(m)",
    "order": "x axis dtype out include_initial",
    "cases": (
        case((4,)),
        case((2, 3), axis=0, include_initial=True),
        case((3,), include_initial=True),
        case((2, 3), axis=-1),
    ),
}
cumulative_sum = composite(
    _cumulative_sum, formula="Σ x up to i", latex=r"\sum_{j \le i} x_j", pattern="sum",
    functions=(np.cumulative_sum,) if hasattr(np, "cumulative_sum") else (), **_STARTED,
)  # fmt: skip
cumulative_prod = composite(
    _cumulative_prod, formula="Π x up to i", latex=r"\prod_{j \le i} x_j", pattern="swap",
    functions=(np.cumulative_prod,) if hasattr(np, "cumulative_prod") else (), **_STARTED,
)  # fmt: skip

# ------------------------------------------------------------------------------ extremes


def _cummax(x: Any, *, axis: int = 0) -> Any:
    return np.swapaxes(_scan(np.maximum, np.swapaxes(x, axis, -1)), axis, -1)


def _cummin(x: Any, *, axis: int = 0) -> Any:
    return np.swapaxes(_scan(np.minimum, np.swapaxes(x, axis, -1)), axis, -1)


def _running_extreme_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    """Return each cotangent shared equally between the extreme elements up to its place.

    Along an unchanged result the elements equal to it are counted from the left; the shares of
    all later places, as long as the result is unchanged, add up from the right.
    """
    g, y, x = (np.swapaxes(a, axis, -1) for a in (g, y, x))
    if x.shape[-1] == 0:
        return np.swapaxes(g, axis, -1)
    ties = ((x == y) | (x != x)).astype(x.dtype)  # a nan is more extreme than any other
    now, before = y[..., 1:], y[..., :-1]
    no = np.zeros((*y.shape[:-1], 1), y.dtype, like=y)
    unchanged = ((now == before) | (before != before)).astype(x.dtype)
    follows = np.concatenate([unchanged, no], axis=-1)
    count = _backwards(_recur(_backwards(_after(follows, no)), _backwards(ties)))
    return np.swapaxes(ties * _recur(follows, g / np.maximum(count, 1)), axis, -1)


_RUNNING_EXTREME: dict[str, Any] = {
    "pattern": "route",
    "signature": "(n)->(n)",
    "kinks": {"x": "ties"},
    "policy": "equal extreme elements share the gradient equally, as do several nan",
    "cases": (
        case((5,)),
        case((2, 3)),
        case((2, 7), axis=1),
        case((2, 4, 2), axis=-2),
        case((1, 2)),
        case((0, 2)),
    ),
}
cummax = op(
    _cummax, _running_extreme_vjp, doc="Largest element so far along an axis.",
    formula="max x up to i", latex=r"\max_{j \le i} x_j",
    functions=((np.maximum, "accumulate"),), **_RUNNING_EXTREME,
    batch="axis",
    local=("'{g} as long as {x} is the largest; ties share it'",),
)  # fmt: skip
cummin = op(
    _cummin, _running_extreme_vjp, doc="Smallest element so far along an axis.",
    formula="min x up to i", latex=r"\min_{j \le i} x_j",
    functions=((np.minimum, "accumulate"),), **_RUNNING_EXTREME,
    batch="axis",
    local=("'{g} as long as {x} is the smallest; ties share it'",),
)  # fmt: skip

# ------------------------------------------------------------------------------ exponentials


def _logcumsumexp(x: Any, *, axis: int = 0) -> Any:
    return np.swapaxes(_scan(np.logaddexp, np.swapaxes(x, axis, -1)), axis, -1)


def _logcumsumexp_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    """Return Σ g[j] exp(x[i] - y[j]) over j ≥ i: every exponential is taken of a number ≤ 0."""
    g, y, x = (np.swapaxes(a, axis, -1) for a in (g, y, x))
    if x.shape[-1] == 0:
        return np.swapaxes(g, axis, -1)
    level = np.where(np.isfinite(y), y, 0)  # -inf - -inf would be nan
    no = np.zeros((*y.shape[:-1], 1), y.dtype, like=y)
    shrinks = np.concatenate([np.exp(y[..., :-1] - level[..., 1:]), no], axis=-1)
    return np.swapaxes(np.exp(x - level) * _recur(shrinks, g), axis, -1)


logcumsumexp = op(
    _logcumsumexp,
    _logcumsumexp_vjp,
    doc="Logarithm of the running sum of exponentials along an axis, without overflow.",
    formula="log Σ exp(x) up to i",
    latex=r"\log \sum_{j \le i} e^{x_j}",
    pattern="scale",
    signature="(n)->(n)",
    functions=((np.logaddexp, "accumulate"),),
    policy="-inf, with gradient 0, as long as all elements are -inf",
    cases=(
        case((5,)),
        case((2, 3)),
        case((2, 7), axis=1),
        case((2, 4, 2), axis=-2),
        case((1, 2)),
        case((0, 2)),
    ),
    batch="axis",
    local=("'Σ {g} exp({x} − {y}) from there on'",),
)
