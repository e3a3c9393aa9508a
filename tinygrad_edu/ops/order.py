"""Rows about the order of elements: sorting, ranks, quantiles, and counting what falls where.

A sorted array is a permutation of its argument, so the gradient is permuted back. A quantile lies
between two order statistics, each of which takes its gradient as `max` does. This file knows how
NumPy's thirteen kinds of quantile place themselves between two ranks. Read ``linalg.py`` next.

References
----------
R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50
(1996), 361-365: the nine kinds that have a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, linear, op
from tinygrad_edu.errors import OpError, explain
from tinygrad_edu.ops.reduce import Axis, _count, _shared

__all__ = [
    "argpartition",
    "argsort",
    "bincount",
    "digitize",
    "histogram_bin_edges",
    "kthvalue",
    "lexsort",
    "median",
    "msort",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "order_statistic",
    "partition",
    "percentile",
    "quantile",
    "searchsorted",
    "sort",
    "topk",
    "unique",
]


class Ranked(NamedTuple):
    """Elements that were chosen by their rank, and where they stood along the axis."""

    values: Any
    indices: Any


# ------------------------------------------------------------------------------ sorting


def _sort(x: Any, *, axis: int | None = -1, kind: Any = None, stable: Any = None) -> Any:
    return np.sort(x, axis=axis, kind=kind, stable=stable)


def _argsort(x: Any, *, axis: int | None = -1, kind: Any = None, stable: Any = None) -> Any:
    return np.argsort(x, axis=axis, kind=kind, stable=stable)


def _partition(x: Any, *, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
    return np.partition(x, kth, axis=axis, kind=kind)


def _argpartition(x: Any, *, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
    return np.argpartition(x, kth, axis=axis, kind=kind)


def _ascending(x: Any) -> Any:
    """Return the indices that sort along the last axis, equal elements in their order."""
    return np.argsort(x, axis=-1, kind="stable")


def _rearranged(v: Any, of: Any, into: Any, axis: int | None) -> Any:
    """Return `v` permuted as ``of`` was into ``into``, which has the same elements.

    Both are sorted: elements of one rank belong together, equal elements in their order.
    """
    shape = into.shape
    if axis is None:
        v, of, into = (np.reshape(a, (-1,)) for a in (v, of, into))
    else:
        v, of, into = (np.swapaxes(a, axis, -1) for a in (v, of, into))
    by_rank = np.take_along_axis(v, _ascending(of), axis=-1)
    found = np.take_along_axis(by_rank, _ascending(_ascending(into)), axis=-1)
    return np.reshape(found, shape) if axis is None else np.swapaxes(found, axis, -1)


def _permuted_vjp(g: Any, y: Any, x: Any, *, axis: int | None, **_params: Any) -> Any:
    return _rearranged(g, y, x, axis)


def _permuted_jvp(tangents: Any, y: Any, x: Any, *, axis: int | None, **_params: Any) -> Any:
    return _rearranged(tangents[0], x, y, axis)


_ORDERED: dict[str, Any] = {
    "pattern": "route",
    "signature": "(n)->(n)",
    "kinks": {"x": "ties"},
    "policy": "of equal elements the first takes the gradient of the first place they fill",
}
sort = op(
    _sort, _permuted_vjp, jvp=_permuted_jvp, doc="The elements along an axis in ascending order.",
    formula="x in ascending order", latex=r"x_{(i)}", functions=(np.sort,),
    order="x axis kind order stable", **_ORDERED,
    cases=(
        case((5,)), case((2, 3)), case((3, 4), axis=0), case((2, 3, 2), axis=1),
        case((2, 3), axis=None), case((4,), kind="stable"), case((0, 3)), case((1,)),
        case((3,), stable=True),
    ),
    batch="axis",
    local=("'{g}, back to where each value was'",),
)  # fmt: skip
partition = op(
    _partition, _permuted_vjp, jvp=_permuted_jvp,
    doc="The elements along an axis, those that would be sorted to kth in their places.",
    formula="x with x[kth] in its place", latex=r"x_{\pi(i)}", functions=(np.partition,),
    order="x kth axis kind order", **_ORDERED,
    cases=(
        case((6,), kth=2), case((2, 5), kth=(1, 3), axis=1), case((4, 3), kth=-1, axis=0),
        case((2, 3), kth=2, axis=None),
    ),
    batch="axis",
    local=("'{g}, back to where each value was'",),
)  # fmt: skip


def _msort(x: Any) -> Any:
    """Sort along the first axis."""
    return sort(x, 0)


msort = composite(
    _msort, formula="x in ascending order", latex=r"x_{(i)}", cases=(case((3, 2)), case((4,))),
    **_ORDERED,
)  # fmt: skip

# ------------------------------------------------------------------------------ indices and counts

_INDICES: dict[str, Any] = {
    "pattern": "none",
    "arguments": ("x",),
    "policy": "the result is made of indices: no gradient flows",
}
argsort = op(
    _argsort, None, doc="The indices that sort along an axis.", formula="argsort x",
    latex=r"\pi: x_{\pi(i)} = x_{(i)}", signature="(n)->(n)", functions=(np.argsort,),
    order="x axis kind order stable", **_INDICES,
    cases=(case((5,)), case((2, 3), axis=0), case((2, 3), axis=None, kind="stable")),
    batch="axis",
)  # fmt: skip
argpartition = op(
    _argpartition, None, doc="The indices that partition along an axis.",
    formula="argpartition(x, kth)", latex=r"\pi: x_{\pi(k)} = x_{(k)}", signature="(n)->(n)",
    functions=(np.argpartition,), order="x kth axis kind order", **_INDICES,
    cases=(case((6,), kth=2), case((2, 5), kth=(1, 3), axis=1)),
    batch="axis",
)  # fmt: skip


def _lexsort(*keys: Any, axis: int = -1) -> Any:
    return np.lexsort(keys, axis)


def _lexsort_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Sort the keys of every example; those that all share are repeated for each."""
    size = next(len(a) for a, moves in zip(arrays, batched, strict=True) if moves)
    keys = [
        a if moves else np.broadcast_to(a, (size, *np.shape(a)))
        for a, moves in zip(arrays, batched, strict=True)
    ]
    return row.through(keys, {"axis": params["axis"] % (keys[0].ndim - 1) + 1})


lexsort = op(
    _lexsort, None, doc="The indices that sort by several keys, of which the last counts most.",
    formula="lexsort keys", latex=r"\pi: k_{\pi(i)} = k_{(i)}", signature="(n),(n)->(n)",
    functions=(np.lexsort,), variadic=True, **{**_INDICES, "arguments": ("keys",)},
    params={"axis": -1},
    cases=(
        case((4,), np.array([1.0, 0.0, 1.0, 0.0])), case((2, 3), (2, 3), axis=0), case((3,)),
    ),
    batch=_lexsort_batch,
)  # fmt: skip


def _searchsorted(a: Any, v: Any, *, side: Any = "left", sorter: Any = None) -> Any:
    return np.searchsorted(a, v, side=side, sorter=sorter)


def _digitize(x: Any, bins: Any, *, right: bool = False) -> Any:
    return np.digitize(x, bins, right=right)


def _unique(x: Any, *, axis: int | None = None, equal_nan: bool = True) -> Any:
    return np.unique(x, axis=axis, equal_nan=equal_nan)


def _histogram_bin_edges(x: Any, *, bins: Any = 10, range: Any = None) -> Any:
    return np.histogram_bin_edges(x, bins, range)


_GRID = np.array([-1.0, -0.25, 0.5, 1.25])
searchsorted = op(
    _searchsorted, None, None, doc="Where each value of v belongs in the sorted a.",
    formula="#{a < v}", latex=r"|\{i: a_i < v\}|", signature="(n),()->()",
    functions=(np.searchsorted,), **{**_INDICES, "arguments": ("a", "v")},
    cases=(
        case(_GRID, (2, 3)), case(_GRID, np.array([0.5, -1.0]), side="right"), case(_GRID, ()),
    ),
)  # fmt: skip
digitize = op(
    _digitize, None, None, doc="The number of the bin into which each value falls.",
    formula="#{bins ≤ x}", latex=r"|\{i: b_i \le x\}|", signature="(),(n)->()",
    functions=(np.digitize,), **{**_INDICES, "arguments": ("x", "bins")},
    cases=(case((2, 3), _GRID), case(np.array([0.5, -1.0]), _GRID, right=True)),
    batch="first",
)  # fmt: skip
unique = op(
    _unique, None, doc="The different values in ascending order.", formula="{x}", latex=r"\{x_i\}",
    signature="(n)->(m)", functions=(np.unique,), pattern="none", arguments=("x",),
    order="x return_index return_inverse return_counts axis equal_nan",
    policy="how many values there are jumps with x: no gradient flows; indices and counts are "
    "those of np.unique(x.numpy(), ...)",
    cases=(
        case(np.array([2.0, 1.0, 2.0, -1.0])), case((2, 3)),
        case(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), axis=0),
    ),
)  # fmt: skip
histogram_bin_edges = op(
    _histogram_bin_edges, None, doc="The edges of equal bins that hold all elements.",
    formula="edges of bins", latex=r"e_0 < \ldots < e_k", signature="(n)->(m)",
    functions=(np.histogram_bin_edges,), order="x bins range weights", pattern="none",
    arguments=("x",), policy="edges are chosen, not computed with: no gradient flows",
    cases=(case((6,), bins=3), case((2, 3), bins=2, range=(-3.0, 3.0))),
)  # fmt: skip


def _bincount(x: Any, weights: Any = None, *, minlength: int = 0) -> Any:
    if weights is None:
        return np.bincount(x, minlength=minlength)
    found = np.bincount(x, weights, minlength)
    # NumPy adds in float64; narrow weights have a narrow sum.
    return found.astype(weights.dtype) if weights.dtype.kind == "f" else found


bincount = linear(
    _bincount,
    None,
    lambda g, _y, x, _weights, **_params: np.take(g, x, axis=0),
    doc="How often each whole number occurs, or the sum of its weights.",
    formula="Σ weights where x = i",
    latex=r"\sum_{j: x_j = i} w_j",
    pattern="sum",
    signature="(n),(n)->(m)",
    optional=("weights",),
    functions=(np.bincount,),
    params={"minlength": 0},
    policy="x is made of indices: only the weights have a gradient",
    cases=(
        case(np.array([0, 3, 1, 3]), (4,)),
        case(np.array([2, 0]), (2,), minlength=5),
    ),
    local=("", "g[x]"),
)

# ------------------------------------------------------------------------------ ranks


def _topk(x: Any, *, k: int, axis: int = -1, largest: bool = True) -> Ranked:
    """Pick the k largest or smallest elements along an axis, in order, with their indices."""
    rows = np.swapaxes(x, axis, -1)
    n = rows.shape[-1]
    if not 0 <= k <= n:
        raise _no_rank("topk", k, 0, n, x, axis)
    if largest:  # sorted from behind, so that of equal elements the first comes first
        indices = (n - 1 - _ascending(rows[..., ::-1]))[..., ::-1][..., :k]
    else:
        indices = _ascending(rows)[..., :k]
    values = np.take_along_axis(rows, indices, axis=-1)
    return Ranked(np.swapaxes(values, axis, -1), np.swapaxes(indices, axis, -1))


def _kthvalue(x: Any, *, k: int, axis: int = -1, keepdims: bool = False) -> Ranked:
    """Pick the k-th smallest element along an axis, counted from 1, with its index."""
    rows = np.swapaxes(x, axis, -1)
    n = rows.shape[-1]
    if not 1 <= k <= n:
        raise _no_rank("kthvalue", k, 1, n, x, axis)
    indices = _ascending(rows)[..., k - 1 : k]
    values = np.take_along_axis(rows, indices, axis=-1)
    values, indices = np.swapaxes(values, axis, -1), np.swapaxes(indices, axis, -1)
    if keepdims:
        return Ranked(values, indices)
    return Ranked(np.squeeze(values, axis), np.squeeze(indices, axis))


def _no_rank(name: str, k: int, least: int, n: int, x: Any, axis: int) -> OpError:
    return OpError(
        explain(
            name,
            f"k is {k}, and axis {axis} of x has {n} elements",
            arguments=(("x", x),),
            fix=f"give a k from {least} to {n}, or another axis",
        )
    )


def _order_statistic(x: Any, rank: Any, *, axis: int = -1) -> Any:
    rows = np.moveaxis(x, axis, -1)
    if np.ndim(rank) == 0:
        return np.take(np.partition(rows, rank, axis=-1), rank, axis=-1)
    found = np.take_along_axis(np.sort(rows, axis=-1), np.expand_dims(rank, -1), axis=-1)
    return np.squeeze(found, -1)


def _order_statistic_vjp(g: Any, y: Any, x: Any, _rank: Any, *, axis: int) -> Any:
    return _shared(g, x == np.expand_dims(y, axis), 0, x, axis, False)


_CHOSEN: dict[str, Any] = {
    "pattern": "route",
    "signature": "(n)->(k),(k)",
    "kinks": {"x": "ties"},
    "policy": "the gradient goes to the indices; of equal elements the first is chosen first",
}
topk = composite(
    _topk, formula="k largest of x", latex=r"x_{(n)}, \ldots, x_{(n - k + 1)}", **_CHOSEN,
    cases=(
        case((5,), k=2), case((2, 4), k=3, axis=-1, largest=False), case((3, 2), k=3, axis=0),
        case((2, 3), k=0),
    ),
)  # fmt: skip
kthvalue = composite(
    _kthvalue, formula="k-th smallest of x", latex=r"x_{(k)}", **_CHOSEN,
    cases=(
        case((5,), k=2), case((2, 4), k=4, keepdims=True), case((3, 2), k=1, axis=0),
    ),
)  # fmt: skip


def _order_statistic_batch(
    row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any
) -> Any:
    """Rank the elements of every example; one rank for all, or for each place of an example."""
    x, rank = arrays
    if not batched[0]:
        x = np.broadcast_to(x, (len(rank), *np.shape(x)))
    axis = params["axis"] % (x.ndim - 1) + 1
    places = tuple(n for i, n in enumerate(x.shape) if i != axis)
    if batched[1]:
        rank = np.reshape(rank, (len(rank), *(1,) * (len(places) - rank.ndim), *rank.shape[1:]))
    return row.through(
        [x, rank if np.ndim(rank) == 0 else np.broadcast_to(rank, places)], {"axis": axis}
    )


order_statistic = op(
    _order_statistic,
    _order_statistic_vjp,
    None,
    doc="The element of a rank, counted from 0, along an axis; one rank, or one per slice.",
    formula="x[rank] of sorted x",
    latex=r"x_{(k)}",
    pattern="route",
    signature="(n),()->()",
    kinks={"x": "ties"},
    policy="equal elements share the gradient equally; nan is last, and has none",
    cases=(
        case((5,), np.array(1)),
        case((2, 4), np.array(-1)),
        case((3, 2, 2), np.array(1), axis=0),
        case((2, 4), np.array([0, 3])),
        case((3, 2), np.array([2, 1]), axis=-2),
    ),
    batch=_order_statistic_batch,
    local=("'{g}, to the chosen element; ties share it'", ""),
)

# ------------------------------------------------------------------------------ quantiles

_POSITIONS: dict[str, Any] = {
    "inverted_cdf": lambda n, q: np.ceil(n * q - 1),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "closest_observation": lambda n, q: _up_or_odd(n * q - 1.5),
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "hazen": lambda n, q: n * q - 0.5,
    "weibull": lambda n, q: n * q + q - 1,
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": lambda n, q: n * q + (1 / 3 + q * (1 / 3)) - 1,
    "normal_unbiased": lambda n, q: n * q + (3 / 8 + q * (1 / 4)) - 1,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
    "nearest": lambda n, q: np.rint((n - 1) * q),
}
"""Where the quantile q of n elements lies among the ranks from 0 to n - 1, by NumPy's names."""


def _up_or_odd(position: Any) -> Any:
    """Return the next whole number; of a whole number itself if it is odd."""
    return np.where(position % 2 == 0, position + 1, np.ceil(position))


def _between(n: Any, q: float, method: str) -> tuple[Any, Any, Any]:
    """Return the two ranks that a quantile lies between, and how far it is from the lower."""
    position = _POSITIONS[method](n, q)
    below = np.floor(position)
    share = position - below
    if method == "averaged_inverted_cdf":
        share = np.where(share == 0, 0.5, 1)
    lower, upper = (np.minimum(np.maximum(rank, 0), n - 1) for rank in (below, below + 1))
    return lower, upper, share


def _mixed(a: Any, b: Any, share: Any) -> Any:
    """Return the value between a and b, computed from the nearer one."""
    near_b = share >= 0.5
    if near_b is True or near_b is False:
        return b - (b - a) * (1 - share) if near_b else a + (b - a) * share
    return np.where(near_b, b - (b - a) * (1 - share), a + (b - a) * share)


def _merged(x: Any, axis: Axis, keepdims: bool) -> tuple[Any, tuple[int, ...]]:
    """Return x with the reduced axes as one at the end, and the shape of the reduced array."""
    axes = range(x.ndim) if axis is None else [i % x.ndim for i in np.atleast_1d(axis).tolist()]
    rest = [i for i in range(x.ndim) if i not in axes]
    shape = tuple(x.shape[i] for i in rest)
    rows = np.reshape(np.transpose(x, (*rest, *axes)), (*shape, _count(x, axis)))
    return rows, tuple(1 if i in axes else n for i, n in enumerate(x.shape)) if keepdims else shape


def _numbers(rows: Any) -> Any:
    """Return how many elements of each row are not nan."""
    return np.sum(~np.isnan(rows), axis=-1)


def _or_nan(y: Any, rows: Any) -> Any:
    """Return the statistic of each row, nan for a row with a nan."""
    if rows.dtype.kind != "f":
        return y
    return np.where(np.isnan(np.max(rows, axis=-1)), np.nan, y)


def _median(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Pick the middle element over axes, or the mean of the middle two."""
    rows, shape = _merged(x, axis, keepdims)
    n = rows.shape[-1]
    if n == 0:
        return np.reshape(np.mean(rows, axis=-1), shape)  # nan, with NumPy's warning
    y = order_statistic(rows, n // 2)
    if n % 2 == 0:
        y = (order_statistic(rows, n // 2 - 1) + y) / 2
    return np.reshape(_or_nan(y, rows), shape)


def _nanmedian(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Pick the middle over axes of the elements that are not nan, or the mean of the middle two."""
    rows, shape = _merged(x, axis, keepdims)
    if rows.shape[-1] == 0:
        return np.reshape(np.mean(rows, axis=-1), shape)  # nan, with NumPy's warning
    n = _numbers(rows)
    y = (order_statistic(rows, (n - 1) // 2) + order_statistic(rows, n // 2)) / 2
    return np.reshape(y, shape)


def _quantile_of_all(rows: Any, q: float, method: str) -> Any:
    """Return a quantile of each row, nan for a row with a nan."""
    lower, upper, share = (v.item() for v in _between(np.intp(rows.shape[-1]), q, method))
    y = order_statistic(rows, int(lower))
    if share and lower != upper:
        y = _mixed(y, order_statistic(rows, int(upper)), share)
    return _or_nan(y, rows)


def _quantile_of_numbers(rows: Any, q: float, method: str) -> Any:
    """Return a quantile of the elements of each row that are not nan."""
    if rows.shape[-1] == 0:
        return np.mean(rows, axis=-1)  # nan, with NumPy's warning
    lower, upper, share = _between(_numbers(rows), q, method)
    low, high = (order_statistic(rows, rank.astype(np.intp)) for rank in (lower, upper))
    return _mixed(low, high, share.astype(rows.dtype))


def _quantiles(name: str, one: Any, x: Any, q: Any, axis: Axis, method: str, keepdims: bool) -> Any:
    """Return what `one` gives for each q, along new axes in front of the others.

    Raises
    ------
    OpError
        A q is not in [0, 1], or NumPy has no such method.
    """
    if method not in _POSITIONS:
        raise OpError(
            explain(
                name, f"there is no method {method!r}", fix=f"give one of {', '.join(_POSITIONS)}"
            )
        )
    given = np.ravel(q).tolist()
    if not all(0 <= value <= 1 for value in given):
        raise OpError(
            explain(
                name,
                f"of all elements a part of {q} was asked for",
                fix="quantile takes fractions from 0 to 1, percentile takes 0 to 100",
            )
        )
    rows, shape = _merged(x, axis, keepdims)
    found = [np.reshape(one(rows, value, method), shape) for value in given]
    return np.reshape(np.stack(found), (*np.shape(q), *shape)) if np.ndim(q) else found[0]


def _quantile(
    x: Any, *, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the value below which the fraction q of the elements lies, over axes."""
    return _quantiles("quantile", _quantile_of_all, x, q, axis, method, keepdims)


def _percentile(
    x: Any, *, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the value below which q percent of the elements lie, over axes."""
    q = np.true_divide(q, 100)
    return _quantiles("percentile", _quantile_of_all, x, q, axis, method, keepdims)


def _nanquantile(
    x: Any, *, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the value below which the fraction q of the elements that are not nan lies."""
    return _quantiles("nanquantile", _quantile_of_numbers, x, q, axis, method, keepdims)


def _nanpercentile(
    x: Any, *, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Find the value below which q percent of the elements that are not nan lie."""
    q = np.true_divide(q, 100)
    return _quantiles("nanpercentile", _quantile_of_numbers, x, q, axis, method, keepdims)


_MIDDLE: dict[str, Any] = {
    "pattern": "route",
    "signature": "(n)->()",
    "kinks": {"x": "ties"},
    "order": "x axis out overwrite_input keepdims",
}
_BELOW: dict[str, Any] = {
    **_MIDDLE,
    "order": "x q axis out overwrite_input method keepdims weights interpolation",
}
_WITH_NAN = "equal elements share the gradient equally; with a nan the result is nan, gradient 0"
_WITHOUT_NAN = (
    "equal elements share the gradient equally; nan is left out, with gradient 0; nothing but nan "
    "is nan"
)
_OVER = (
    case((5,)),
    case((2, 3)),
    case((2, 4), axis=1),
    case((2, 3, 2), axis=(0, -1), keepdims=True),
    case((3, 4), axis=-2),
    case(()),
)
_PARTS = tuple(case((2, 5), q=0.3, axis=1, method=method) for method in _POSITIONS)
_QUANTILE_CASES = (
    *_PARTS,
    case((6,), q=0.5),
    case((2, 3, 2), q=(0.0, 0.45, 1.0), axis=(0, 2)),
    case((2, 3), q=np.array([[0.1, 0.9], [0.5, 0.7]]), axis=0, keepdims=True),
)
_PERCENT = tuple(
    case(*c.arrays, **{**c.params, "q": np.multiply(c.params["q"], 100)}) for c in _QUANTILE_CASES
)
_QUANTILE = {"formula": "x at fraction q", "latex": r"x_{(q n)}"}
_PERCENTILE = {"formula": "x at q percent", "latex": r"x_{(q n / 100)}"}
median = composite(
    _median, formula="middle of x", latex=r"\operatorname{med} x", functions=(np.median,),
    policy=_WITH_NAN, cases=_OVER, **_MIDDLE,
)  # fmt: skip
nanmedian = composite(
    _nanmedian, formula="middle of x without nan", latex=r"\operatorname{med} x",
    functions=(np.nanmedian,), policy=_WITHOUT_NAN,
    cases=_OVER[:-1], **_MIDDLE,
)  # fmt: skip
quantile = composite(
    _quantile, functions=(np.quantile,), policy=_WITH_NAN, cases=_QUANTILE_CASES,
    **_QUANTILE, **_BELOW,
)  # fmt: skip
percentile = composite(
    _percentile, functions=(np.percentile,), policy=_WITH_NAN, cases=_PERCENT,
    **_PERCENTILE, **_BELOW,
)  # fmt: skip
nanquantile = composite(
    _nanquantile, functions=(np.nanquantile,), policy=_WITHOUT_NAN,
    cases=_QUANTILE_CASES, **_QUANTILE, **_BELOW,
)  # fmt: skip
nanpercentile = composite(
    _nanpercentile, functions=(np.nanpercentile,), policy=_WITHOUT_NAN,
    cases=_PERCENT, **_PERCENTILE, **_BELOW,
)  # fmt: skip
