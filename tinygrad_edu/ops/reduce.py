"""Rows that reduce axes: sums, means, extremes, products, variances, softmax.

Each takes the axes to reduce; it knows nothing of order or of running totals, which are in
``order.py`` and ``cumulative.py``. Read ``cumulative.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite, linear, op
from tinygrad_edu.errors import OpError, explain

Axis = int | tuple[int, ...] | None

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "average",
    "corrcoef",
    "count_nonzero",
    "cov",
    "log_softmax",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "prod",
    "ptp",
    "softmax",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
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


def _kept_count(kept: Any, like: Any, axis: Axis, keepdims: bool) -> Any:
    """Return how many elements a mask keeps along the axes, at least 1, as numbers of the dtype."""
    count = np.sum(np.broadcast_to(kept, like.shape), axis=axis, keepdims=keepdims)
    return np.maximum(count, 1).astype(like.dtype)


def _mask(where: Any, like: Any) -> Any:
    """Return the mask ``where`` as an array of the kind of another, which it may meet."""
    return np.asarray(where, like=like)


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
_KEPT = np.array([[True, False, True], [False, False, True]])
_MASKED = (case((2, 3), axis=1, where=_KEPT), case((2, 3), keepdims=True, where=_KEPT[0]))


def _sum(x: Any, *, axis: Axis = None, keepdims: bool = False, where: Any = True) -> Any:
    if where is True:
        return np.sum(x, axis=axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims, where=_mask(where, x))


def _sum_vjp(g: Any, _y: Any, _x: Any, *, axis: Axis, keepdims: bool, where: Any) -> Any:
    spread = _spread(g, _x, axis, keepdims)
    return spread if where is True else np.where(_mask(where, g), spread, 0)


sum = linear(
    _sum,
    _sum_vjp,
    doc="Sum over axes.",
    formula="Σ x",
    latex=r"\sum_i x_i",
    pattern="copy",
    functions=(np.sum, (np.add, "reduce")),
    cases=(*_CASES, *_MASKED, case((0, 3), axis=0), case((0,))),
    **_REDUCTION,
    batch="axes",
    local=("'{g}, for every element of {x}{repeated}'",),
)


def _mean(x: Any, *, axis: Axis = None, keepdims: bool = False, where: Any = True) -> Any:
    if where is True:
        return np.mean(x, axis=axis, keepdims=keepdims)
    return np.mean(x, axis=axis, keepdims=keepdims, where=_mask(where, x))


def _mean_vjp(g: Any, _y: Any, _x: Any, *, axis: Axis, keepdims: bool, where: Any) -> Any:
    if where is True:
        return _spread(g / _count(_x, axis), _x, axis, keepdims)
    kept = _mask(where, g)
    shares = g / _kept_count(kept, _x, axis, keepdims)
    return np.where(kept, _spread(shares, _x, axis, keepdims), 0)


mean = linear(
    _mean,
    _mean_vjp,
    doc="Mean over axes.",
    formula="Σ x / n",
    latex=r"\frac{1}{n}\sum_i x_i",
    pattern="scale",
    functions=(np.mean,),
    cases=(*_CASES, *_MASKED),
    **{**_REDUCTION, "order": "x axis dtype out keepdims where"},
    batch="axes",
    local=("'{g} / n, for every element of {x}{counted}'",),
)


def _average(
    x: Any, weights: Any = None, *, axis: Axis = None, returned: bool = False,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """Mean in which each element counts as much as its weight; with the sum of weights if asked."""
    if weights is None:
        found = np.mean(x, axis=axis, keepdims=keepdims)
        return (found, np.ones_like(found) * _count(x, axis)) if returned else found
    if np.shape(weights) != x.shape:
        weights = _aligned(weights, x, axis)
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    found = np.sum(x * weights, axis=axis, keepdims=keepdims) / total
    return (found, np.broadcast_to(total, found.shape)) if returned else found


def _aligned(weights: Any, x: Any, axis: Axis) -> Any:
    """Return weights that belong to the averaged axes alone, with the others as axes of length 1.

    Raises
    ------
    OpError
        The weights have neither the shape of `x` nor the lengths of the averaged axes.
    """
    axes = [] if axis is None else [i % x.ndim for i in np.atleast_1d(axis).tolist()]
    lengths = tuple(x.shape[i] for i in axes)
    if axis is None or np.shape(weights) != lengths:
        over = "all axes" if axis is None else f"axis {axis} of length {lengths}"
        raise OpError(
            explain(
                "average",
                f"weights of shape {np.shape(weights)} do not fit x of shape {x.shape} over {over}",
                fix="give one weight per element of x, or one per element along the given axis",
            )
        )
    order = sorted(axes)
    weights = np.transpose(weights, tuple(axes.index(i) for i in order))
    return np.reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))


average = composite(
    _average,
    formula="Σ w x / Σ w",
    latex=r"\frac{\sum_i w_i x_i}{\sum_i w_i}",
    pattern="scale",
    signature="(n),(n)->()",
    optional=("weights",),
    domain={"weights": (0.0, np.inf)},
    functions=(np.average,),
    order="x axis weights returned keepdims",
    policy="weights that sum to 0 divide by 0, with a warning",
    cases=(
        case((2, 3), None),
        case((2, 3), (2, 3)),
        case((2, 3), (3,), axis=1),
        case((2, 3, 4), (4, 2), axis=(2, 0), keepdims=True),
        case((2, 3), (2, 3), axis=-1, keepdims=True),
    ),
)

# ------------------------------------------------------------------------------ extremes


def _asked(where: Any, initial: Any, like: Any) -> dict[str, Any]:
    """Return those of NumPy's keywords ``where`` and ``initial`` that ask for something."""
    asked = {} if where is True else {"where": _mask(where, like)}
    return asked if initial is None else {**asked, "initial": initial}


def _max(
    x: Any, *, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    return np.max(x, axis=axis, keepdims=keepdims, **_asked(where, initial, x))


def _min(
    x: Any, *, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    return np.min(x, axis=axis, keepdims=keepdims, **_asked(where, initial, x))


def _shared(g: Any, ties: Any, rivals: Any, like: Any, axis: Axis, keepdims: bool) -> Any:
    """Return the cotangent of a reduction shared equally between tied elements and `rivals`."""
    count = np.maximum(np.sum(ties, axis=axis, keepdims=True) + rivals, 1).astype(like.dtype)
    return _spread(g, like, axis, keepdims) * ties / count


def _extreme_vjp(
    g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool, initial: Any, where: Any
) -> Any:
    """Return the cotangent routed to the extreme elements; a nan is more extreme than any other."""
    extreme = _kept(y, x, axis)
    ties = (x == extreme) | (x != x)
    if where is not True:
        ties = ties & _mask(where, x)
    # A tied `initial` takes its share as an element would; it is a constant.
    return _shared(g, ties, 0 if initial is None else extreme == initial, x, axis, keepdims)


_EXTREME: dict[str, Any] = {
    "pattern": "route",
    "kinks": {"x": "ties"},
    "policy": "equal extreme elements share the gradient equally, as do several nan; `initial` "
    "takes part",
    "cases": (
        *_CASES,
        case((2, 3), axis=1, initial=0.25),
        case((2, 3), axis=1, initial=0.25, where=_KEPT),
        case((0, 3), axis=0, initial=1.0),
    ),
    "signature": "(n)->()",
    "order": "x axis out keepdims initial where",
}
max = op(
    _max, _extreme_vjp, doc="Largest element over axes.", formula="max x", latex=r"\max_i x_i",
    functions=(np.max, np.amax, (np.maximum, "reduce")), **_EXTREME,
    batch="axes",
    local=("'{g}, to the largest of {x}{over}; ties share it'",),
)  # fmt: skip
min = op(
    _min, _extreme_vjp, doc="Smallest element over axes.", formula="min x", latex=r"\min_i x_i",
    functions=(np.min, np.amin, (np.minimum, "reduce")), **_EXTREME,
    batch="axes",
    local=("'{g}, to the smallest of {x}{over}; ties share it'",),
)  # fmt: skip


def _ptp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Distance of the largest and the smallest element over axes."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


ptp = composite(
    _ptp, formula="max x - min x", latex=r"\max_i x_i - \min_i x_i", pattern="route",
    signature="(n)->()", kinks={"x": "ties"}, policy="equal extreme elements share the gradient",
    functions=(np.ptp,), order="x axis out keepdims", cases=_CASES[:-1],
)  # fmt: skip

# ------------------------------------------------------------------------------ product


def _prod(
    x: Any, *, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    return np.prod(x, axis=axis, keepdims=keepdims, **_asked(where, initial, x))


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


def _prod_vjp(
    g: Any, _y: Any, x: Any, *, axis: Axis, keepdims: bool, initial: Any, where: Any
) -> Any:
    if initial is not None:
        g = g * initial
    g = _spread(g, x, axis, keepdims)
    if where is not True:
        kept = _mask(where, x)
        g, x = np.where(kept, g, 0), np.where(kept, x, 1)
    axes = range(x.ndim) if axis is None else [i % x.ndim for i in np.atleast_1d(axis).tolist()]
    rest = [i for i in range(x.ndim) if i not in axes]
    order = (*rest, *axes)
    moved = np.transpose(x, order)
    others = _others(np.reshape(moved, (*moved.shape[: len(rest)], _count(x, axis))))
    others = others[..., : _count(x, axis)]
    back = tuple(order.index(i) for i in range(x.ndim))
    return g * np.transpose(np.reshape(others, moved.shape), back)


prod = op(
    _prod,
    _prod_vjp,
    doc="Product over axes.",
    formula="Π x",
    latex=r"\prod_i x_i",
    pattern="swap",
    policy="exact with zeros in x: nothing is divided by x",
    accepts_complex=True,
    functions=(np.prod, (np.multiply, "reduce")),
    cases=(
        *_CASES,
        case((5,)),
        case((2, 7), axis=1),
        case((2, 3), axis=1, initial=1.5, where=_KEPT),
    ),
    **_REDUCTION,
    batch="axes",
    local=("'{g} · Π of the other elements of {x}{over}'",),
)

# ------------------------------------------------------------------------------ spread


def _var(
    x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False, where: Any = True
) -> Any:
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims, **_asked(where, None, x))


def _std(
    x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False, where: Any = True
) -> Any:
    return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims, **_asked(where, None, x))


def _deviations(x: Any, axis: Axis, ddof: float, where: Any) -> tuple[Any, Any]:
    """Return how far each element is from the mean, and what their squares are divided by."""
    if where is True:
        return x - np.mean(x, axis=axis, keepdims=True), _count(x, axis) - ddof
    count = _kept_count(where, x, axis, True)
    mean = np.sum(np.where(where, x, 0), axis=axis, keepdims=True) / count
    return np.where(where, x - mean, 0), count - ddof


def _var_vjp(
    g: Any, _y: Any, x: Any, *, axis: Axis, ddof: float, keepdims: bool, where: Any
) -> Any:
    away, divisor = _deviations(x, axis, ddof, where if where is True else _mask(where, x))
    return _spread(g, x, axis, keepdims) * (2 / divisor) * _conjugate(away)


def _std_vjp(g: Any, y: Any, x: Any, *, axis: Axis, ddof: float, keepdims: bool, where: Any) -> Any:
    where = where if where is True else _mask(where, x)
    away, divisor = _deviations(x, axis, ddof, where)
    flat = _all_equal(x, axis, where)
    y = _kept(y, x, axis)
    scale = np.where(flat | (y == 0), np.inf, y) * divisor  # g / inf: no slope
    return _spread(g, x, axis, keepdims) / scale * _conjugate(away)


def _all_equal(x: Any, axis: Axis, where: Any) -> Any:
    """Return where the elements along the axes are equal: rounded, their std need not be 0."""
    if x.dtype.kind == "c":
        return _all_equal(np.real(x), axis, where) & _all_equal(np.imag(x), axis, where)
    highest = np.max(x, axis=axis, keepdims=True, initial=-np.inf, where=where)
    lowest = np.min(x, axis=axis, keepdims=True, initial=np.inf, where=where)
    return highest == lowest


def _conjugate(x: Any) -> Any:
    """Return the conjugate; a real x without the copy that NumPy makes."""
    return np.conj(x) if x.dtype.kind == "c" else x


_SPREAD: dict[str, Any] = {
    "pattern": "scale",
    "accepts_complex": True,
    "signature": "(n)->()",
    "order": "x axis dtype out ddof keepdims where mean",
    "cases": (
        case((2, 3)),
        case((2, 3), axis=0),
        case((2, 3, 4), axis=(0, -1), ddof=1),
        case((2, 3), axis=1, keepdims=True),
        case((3, 3), axis=0, where=np.array([[True], [False], [True]])),
    ),
}
_AT_ZERO = "the gradient is 0 where the standard deviation is 0"
var = op(
    _var, _var_vjp, doc="Variance over axes.", formula="Σ (x - mean)² / (n - ddof)",
    latex=r"\frac{1}{n - d}\sum_i (x_i - \bar x)^2", functions=(np.var,), **_SPREAD,
    batch="axes",
    local=("2 * g * (x - mean(x)) / (n - ddof)",),
)  # fmt: skip
std = op(
    _std, _std_vjp, doc="Standard deviation over axes.", formula="sqrt(var(x))",
    latex=r"\sqrt{\mathrm{var}(x)}", functions=(np.std,), policy=_AT_ZERO, **_SPREAD,
    batch="axes",
    local=("g * (x - mean(x)) / ((n - ddof) * y)",),
)  # fmt: skip


def _cov(
    m: Any, y: Any = None, fweights: Any = None, aweights: Any = None, *,
    rowvar: bool = True, bias: bool = False, ddof: int | None = None,
) -> Any:  # fmt: skip
    """Covariances of variables, which are the rows of m, and of y if given."""
    x = np.atleast_2d(m)
    x = x.T if not rowvar and np.ndim(m) != 1 else x
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    if y is not None:
        y = np.atleast_2d(y)
        x = np.concatenate([x, y.T if not rowvar and y.shape[0] != 1 else y], axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    if fweights is None and aweights is None:
        away = x - np.mean(x, axis=1, keepdims=True)
        return np.squeeze(np.matmul(away, _conjugate(away).T) / (x.shape[1] - ddof))
    # Counts are whole numbers: beside float32 they would make float64.
    given = [w.astype(x.dtype) for w in (fweights, aweights) if w is not None]
    weights = given[0] if len(given) == 1 else given[0] * given[1]
    total = np.sum(weights)
    divisor = total - ddof
    if aweights is not None and ddof:
        divisor = total - ddof * np.sum(weights * aweights) / total
    away = x - np.expand_dims(np.matmul(x, weights) / total, 1)
    return np.squeeze(np.matmul(away, _conjugate(away * weights).T) / divisor)


def _corrcoef(x: Any, y: Any = None, *, rowvar: bool = True) -> Any:
    """Correlation coefficients of variables, which are the rows of x, and of y if given."""
    c = cov(x, y, rowvar=rowvar)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.einsum("ii->i", c))
    return c / np.expand_dims(deviation, 1) / deviation


_COUNTS = np.array([1, 3, 2, 2])
cov = composite(
    _cov,
    formula="(m - mean) (m - mean)ᵀ / (n - ddof)",
    latex=r"\frac{1}{n - d} \sum_i (m_i - \bar m)(m_i - \bar m)^{\mathsf T}",
    pattern="matmul",
    signature="(m,n),(m,n),(n),(n)->(m,m)",
    optional=("y", "fweights", "aweights"),
    domain={"aweights": (0.0, np.inf)},
    functions=(np.cov,),
    order="m y rowvar bias ddof fweights aweights dtype",
    cases=(
        case((2, 4), None, None, None),
        case((4,), None, None, None, bias=True),
        case((4, 2), (4, 3), None, None, rowvar=False),
        case((4,), (4,), None, None, ddof=0),
        case((2, 4), None, _COUNTS, None),
        case((2, 4), None, None, (4,)),
        case((2, 4), (4,), _COUNTS, (4,)),
        case((2, 4), None, None, (4,), ddof=0),
    ),
)
corrcoef = composite(
    _corrcoef,
    formula="cov(x) / (σ σᵀ)",
    latex=r"\frac{\mathrm{cov}(x)_{ij}}{\sigma_i \sigma_j}",
    pattern="matmul",
    signature="(m,n),(m,n)->(m,m)",
    optional=("y",),
    functions=(np.corrcoef,),
    order="x y rowvar dtype",
    policy="nan where a variable is constant; a rounding error may lead beyond 1",
    cases=(
        case((3, 5), None),
        case((5,), (5,)),
        case((5, 2), (5, 2), rowvar=False),
    ),
)

# ------------------------------------------------------------------------------ without nan


def _nansum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over axes, in which nan counts as 0."""
    return np.sum(np.where(np.isnan(x), 0, x), axis=axis, keepdims=keepdims)


def _nanprod(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Product over axes, in which nan counts as 1."""
    return np.prod(np.where(np.isnan(x), 1, x), axis=axis, keepdims=keepdims)


def _nanmean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over axes of the elements that are not nan."""
    total = np.sum(np.where(np.isnan(x), 0, x), axis=axis, keepdims=keepdims)
    return total / np.sum(~np.isnan(x), axis=axis, keepdims=keepdims).astype(total.dtype)


def _nanmax(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.nanmax(x, axis=axis, keepdims=keepdims)


def _nanmin(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.nanmin(x, axis=axis, keepdims=keepdims)


def _nan_extreme_vjp(g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    return _shared(g, x == _kept(y, x, axis), 0, x, axis, keepdims)


def _nanvar(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.nanvar(x, axis=axis, ddof=ddof, keepdims=keepdims)


def _nanstd(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.nanstd(x, axis=axis, ddof=ddof, keepdims=keepdims)


_WITHOUT_NAN: dict[str, Any] = {
    "signature": "(n)->()",
    "policy": "nan is left out, with gradient 0; the result is nan, with gradient 0, where all are",
    "cases": (*_CASES[:-1],),
}
_EMPTY_AS_CONSTANT: dict[str, Any] = {
    **_WITHOUT_NAN, "policy": "nan is left out, with gradient 0", "order": _REDUCTION["order"],
}  # fmt: skip
nansum = composite(
    _nansum, formula="Σ x, nan as 0", latex=r"\sum_{i: x_i \in \mathbb{R}} x_i",
    pattern="copy", functions=(np.nansum,), **_EMPTY_AS_CONSTANT,
)  # fmt: skip
nanprod = composite(
    _nanprod, formula="Π x, nan as 1", latex=r"\prod_{i: x_i \in \mathbb{R}} x_i",
    pattern="swap", functions=(np.nanprod,), **_EMPTY_AS_CONSTANT,
)  # fmt: skip
nanmean = composite(
    _nanmean, formula="Σ x / n without nan", latex=r"\frac{1}{n}\sum_{i: x_i \in \mathbb{R}} x_i",
    pattern="scale", functions=(np.nanmean,), order="x axis dtype out keepdims where",
    **_WITHOUT_NAN,
)  # fmt: skip
nanmax = op(
    _nanmax, _nan_extreme_vjp, doc="Largest element over axes that is not nan.",
    formula="max x without nan", latex=r"\max_{i: x_i \in \mathbb{R}} x_i",
    pattern="route", functions=(np.nanmax,), kinks={"x": "ties"},
    order="x axis out keepdims initial where", **_WITHOUT_NAN,
    batch="axes",
    local=("'{g}, to the largest of {x}{over}; ties share it'",),
)  # fmt: skip
nanmin = op(
    _nanmin, _nan_extreme_vjp, doc="Smallest element over axes that is not nan.",
    formula="min x without nan", latex=r"\min_{i: x_i \in \mathbb{R}} x_i",
    pattern="route", functions=(np.nanmin,), kinks={"x": "ties"},
    order="x axis out keepdims initial where", **_WITHOUT_NAN,
    batch="axes",
    local=("'{g}, to the smallest of {x}{over}; ties share it'",),
)  # fmt: skip
nanvar = op(
    _nanvar, lambda g, _y, x, **params: _var_vjp(g, _y, x, where=~np.isnan(x), **params),
    doc="Variance over axes of the elements that are not nan.",
    formula="Σ (x - mean)² / (n - ddof) without nan", arguments=("x",),
    latex=r"\frac{1}{n - d}\sum_{i: x_i \in \mathbb{R}} (x_i - \bar x)^2", pattern="scale",
    functions=(np.nanvar,), order=_SPREAD["order"], **_WITHOUT_NAN,
    batch="axes",
    local=("2 * g * (x - nanmean(x)) / (n - ddof)",),
)  # fmt: skip
nanstd = op(
    _nanstd, lambda g, y, x, **params: _std_vjp(g, y, x, where=~np.isnan(x), **params),
    doc="Standard deviation over axes of the elements that are not nan.",
    formula="sqrt(nanvar(x))", latex=r"\sqrt{\mathrm{nanvar}(x)}", pattern="scale",
    functions=(np.nanstd,), order=_SPREAD["order"], arguments=("x",),
    **{**_WITHOUT_NAN, "policy": f"nan is left out, with gradient 0; {_AT_ZERO}"},
    batch="axes",
    local=("g * (x - nanmean(x)) / ((n - ddof) * y)",),
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


def _logsumexp_vjp(g: Any, _y: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    # Not exp(x - y): near 1000 the result is rounded by 1e-13, and so would all the slopes be.
    return _spread(g, x, axis, keepdims) * softmax(x, axis=axis)


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
    batch="axes",
    local=("g * exp(x - y)",),
)


def _softmax(x: Any, *, axis: Axis = -1) -> Any:
    e = np.exp(x - _finite(np.max(x, axis=axis, keepdims=True)))  # exp never overflows
    total = np.sum(e, axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _log_softmax(x: Any, *, axis: Axis = -1) -> Any:
    # The largest goes off first, not the logarithm of the whole sum: near 1000 that is rounded.
    x = x - _finite(np.max(x, axis=axis, keepdims=True))
    with np.errstate(divide="ignore"):  # a row of -inf has the logarithm -inf
        return x - _finite(np.log(np.sum(np.exp(x), axis=axis, keepdims=True)))


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
    batch="axes",
    local=("y * (g - sum(g * y))",),
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
    batch="axes",
    local=("g - exp(y) * sum(g)",),
)

# ------------------------------------------------------------------------------ no derivative


def _argmax(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmax(x, axis=axis, keepdims=keepdims)


def _argmin(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmin(x, axis=axis, keepdims=keepdims)


def _nanargmax(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.nanargmax(x, axis=axis, keepdims=keepdims)


def _nanargmin(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.nanargmin(x, axis=axis, keepdims=keepdims)


def _all(x: Any, *, axis: Axis = None, keepdims: bool = False, where: Any = True) -> Any:
    return np.all(x, axis=axis, keepdims=keepdims, **_asked(where, None, x))


def _any(x: Any, *, axis: Axis = None, keepdims: bool = False, where: Any = True) -> Any:
    return np.any(x, axis=axis, keepdims=keepdims, **_asked(where, None, x))


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
    batch="axis",
)  # fmt: skip
argmin = op(
    _argmin, None, doc="Index of the first smallest element.", formula="argmin x",
    latex=r"\arg\min_i x_i", functions=(np.argmin,), order="x axis out keepdims", **_COUNTING,
    batch="axis",
)  # fmt: skip
nanargmax = op(
    _nanargmax, None, doc="Index of the first largest element that is not nan.",
    formula="argmax x without nan", latex=r"\arg\max_i x_i", functions=(np.nanargmax,),
    order="x axis out keepdims", **_COUNTING,
    batch="axis",
)  # fmt: skip
nanargmin = op(
    _nanargmin, None, doc="Index of the first smallest element that is not nan.",
    formula="argmin x without nan", latex=r"\arg\min_i x_i", functions=(np.nanargmin,),
    order="x axis out keepdims", **_COUNTING,
    batch="axis",
)  # fmt: skip
_TRUTH: dict[str, Any] = {**_COUNTING, "cases": (*_COUNTING["cases"], *_MASKED)}
all = op(
    _all, None, doc="Whether all elements are true.", formula="all x", latex=r"\forall i: x_i",
    functions=(np.all, (np.logical_and, "reduce")), order="x axis out keepdims where", **_TRUTH,
    batch="axes",
)  # fmt: skip
any = op(
    _any, None, doc="Whether an element is true.", formula="any x", latex=r"\exists i: x_i",
    functions=(np.any, (np.logical_or, "reduce")), order="x axis out keepdims where", **_TRUTH,
    batch="axes",
)  # fmt: skip
count_nonzero = op(
    _count_nonzero, None, doc="Number of elements that are not zero.", formula="#{x ≠ 0}",
    latex=r"|\{i: x_i \neq 0\}|", functions=(np.count_nonzero,),
    order="x axis keepdims", **_COUNTING,
    batch="axes",
)  # fmt: skip

# ------------------------------------------------------------------------------ together


def _var_mean(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the variance and the mean over axes; a tuple."""
    return var(x, axis, ddof=ddof, keepdims=keepdims), mean(x, axis, keepdims=keepdims)


def _std_mean(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the standard deviation and the mean over axes; a tuple."""
    return std(x, axis, ddof=ddof, keepdims=keepdims), mean(x, axis, keepdims=keepdims)


_TOGETHER: dict[str, Any] = {
    "pattern": "sum",
    "signature": "(n)->(),()",
    "policy": "ddof is 0, as in NumPy; PyTorch's functions of these names have 1",
    "cases": (case((5,)), case((2, 3), axis=1, ddof=1), case((2, 3), axis=(0, 1), keepdims=True)),
}
var_mean = composite(
    _var_mean, formula="Σ (x - mean)² / (n - ddof), mean", latex=r"\sigma^2,\ \mu", **_TOGETHER,
)  # fmt: skip
std_mean = composite(
    _std_mean, formula="√(Σ (x - mean)² / (n - ddof)), mean", latex=r"\sigma,\ \mu", **_TOGETHER,
)  # fmt: skip

amax, amin = max, min
"""NumPy's and PyTorch's other names."""
