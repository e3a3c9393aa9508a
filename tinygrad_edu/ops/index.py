"""Rows that pick and place elements: indexing of every kind, and its adjoint, scatter.

Repeated indices sum in `scatter`, which is one of the two seams that differ by kind of array (the
other is random draws). Everything else here is written in it: adding at an index, filling where a
mask holds, choosing between arrays. Nothing is changed in place; NumPy's ``put_along_axis`` and
PyTorch's ``index_add_`` return a new array here. Read ``signal.py`` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, linear, op
from tinygrad_edu.errors import LabelError, OpError, OpTypeError, explain
from tinygrad_edu.ops.shape import broadcast_to, ravel, reshape, stack

__all__ = [
    "argwhere",
    "choose",
    "compress",
    "embedding",
    "extract",
    "flatnonzero",
    "gather",
    "getitem",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "ix_",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "nonzero",
    "one_hot",
    "put",
    "put_along_axis",
    "scatter",
    "scatter_add",
    "select",
    "setitem",
    "take",
    "take_along_axis",
]


def _repeats(index: Any) -> bool:
    """Return whether an index can name an element twice: only integer arrays can."""
    parts = index if isinstance(index, tuple) else (index,)
    # An array of any kind has a dtype; a list is one to be, a slice or an integer is none.
    return any(isinstance(p, list) or getattr(p, "dtype", np.bool_) != np.bool_ for p in parts)


def _getitem(x: Any, *, index: Any) -> Any:
    if isinstance(index, np.ndarray) and index.ndim == 1 and index.dtype == np.intp:
        return np.take(x, index, 0)  # the same rows as x[index], in half the time
    return x[index]


def _rows_only(x: Any, index: Any, shape: tuple[int, ...]) -> bool:
    """Return whether an index picks whole slices along the first axis, all of them there."""
    if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu" or len(shape) < 2:
        return False
    if not index.size or index.min() < -shape[0] or index.max() >= shape[0]:
        return False
    fits: bool = x.shape == (*index.shape, *shape[1:])
    return fits


def _scatter(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape, x.dtype, like=x)
    if _rows_only(x, index, shape):
        # On one axis np.add.at is five times as fast as on several.
        row = int(np.prod(shape[1:]))
        places = np.expand_dims(index % shape[0] * row, -1) + np.mgrid[:row]
        np.add.at(out.reshape(-1), places.reshape(-1), x.reshape(-1))
    elif _repeats(index):
        np.add.at(out, index, x)
    else:
        out[index] = x
    return out


_ROWS, _COLUMNS, _MASK = np.array([0, 2, 2]), np.array([1, 0, 1]), np.array([True, False, True])


def _getitem_batch(row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Pick of every example; slices and integers as they are, others by places."""
    (x,), index = arrays, params["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if all(part is None or part is ... or isinstance(part, (int, slice)) for part in parts):
        return row(x, (slice(None), *parts))
    places = _places(x.shape[1:], index)
    return np.take(np.reshape(x, (len(x), int(np.prod(x.shape[1:])))), places, axis=1)


def _places(shape: tuple[int, ...], index: Any) -> Any:
    """Return the numbers, counted through, of the elements that an index names."""
    return np.reshape(np.arange(int(np.prod(shape))), shape)[index]


def _scatter_batch(row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Scatter every example, by the places of its elements."""
    (x,), shape = arrays, params["shape"]
    places = _places(shape, params["index"])
    flat = row(x, (slice(None), places), (len(x), int(np.prod(shape))))
    return np.reshape(flat, (len(x), *shape))


def _setitem_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Write into every example, by the places of its elements."""
    x, value = arrays
    size = next(len(a) for a, moves in zip(arrays, batched, strict=True) if moves)
    if not batched[0]:
        x = np.broadcast_to(x, (size, *np.shape(x)))
    shape = x.shape[1:]
    places = _places(shape, params["index"])
    if batched[1]:
        # Axes of length 1 that NumPy would let a value have beyond those of the places go away.
        own = value.shape[1:][max(0, value.ndim - 1 - places.ndim) :]
        value = np.reshape(value, (size, *(1,) * (places.ndim - len(own)), *own))
    flat = np.reshape(x, (size, int(np.prod(shape))))
    return np.reshape(row(flat, (slice(None), places), value), (size, *shape))


getitem: Op = linear(
    _getitem,
    lambda g, _y, _x, *, index: scatter(g, index=index, shape=_x.shape),
    doc="Elements by slices, integers, integer arrays, masks, or a mix of them.",
    formula="x[index]",
    latex="x_{I}",
    pattern="route",
    signature="(n)->(m)",
    cases=(
        case((3, 4), index=1),
        case((3, 4), index=(slice(None, None, -2), slice(1, 3))),
        case((3, 4), index=(Ellipsis, None, 0)),
        case((3, 4), index=_ROWS),
        case((3, 4), index=(_ROWS, _COLUMNS)),
        case((3, 4), index=_MASK),
        case((3, 4, 2), index=(slice(None), _COLUMNS, 0)),
        case((3, 4, 2), index=(_ROWS, slice(1, None), _COLUMNS)),
        case((3, 4), index=(slice(0, 0),)),
        case((3,), index=(0,)),
    ),
    batch=_getitem_batch,
    local=("'{g} at the index, 0 elsewhere'",),
)

scatter: Op = linear(
    _scatter,
    lambda g, _y, _x, *, index, **_params: getitem(g, index),
    doc="Zeros with elements added at an index; repeated indices sum. The adjoint of getitem.",
    formula="zeros(shape)[index] += x",
    latex=r"\sum_{i \in I} x_i e_i",
    pattern="route",
    signature="(m)->(n)",
    cases=(
        case((3, 4), index=_ROWS, shape=(5, 4)),
        case((2, 4), index=(slice(1, 3),), shape=(5, 4)),
        case((2, 4), index=_MASK, shape=(3, 4)),
        case((2, 2, 3), index=np.array([[0, -1], [3, 0]]), shape=(4, 3)),
        case((3,), index=(_ROWS, _COLUMNS), shape=(3, 2)),
    ),
    batch=_scatter_batch,
    local=("g[index]",),
)


def _inside(indices: Any, length: int, mode: str) -> Any:
    """Return indices that are in reach, by NumPy's three ways to treat those that are not."""
    if mode == "raise":
        return indices
    if mode not in ("wrap", "clip"):
        problem = f"mode {mode!r} is not known"
        raise OpError(explain("take", problem, fix="use 'raise', 'wrap' or 'clip'"))
    if length == 0:
        problem = "there is no element to take"
        raise OpError(explain("take", problem, fix="take from an axis that is not empty"))
    return np.remainder(indices, length) if mode == "wrap" else np.clip(indices, 0, length - 1)


def _take(x: Any, indices: Any, *, axis: int | None = None, mode: str = "raise") -> Any:
    length = x.size if axis is None else x.shape[axis]
    return np.take(x, _inside(indices, length, mode), axis)


def _take_vjp(g: Any, _y: Any, _x: Any, indices: Any, *, axis: int | None, mode: str) -> Any:
    if axis is None:
        size = int(np.prod(_x.shape))
        places = _inside(indices, size, mode)
        return np.reshape(scatter(g, index=places, shape=(size,)), _x.shape)
    before = (slice(None),) * (axis % _x.ndim)
    places = _inside(indices, _x.shape[axis], mode)
    return scatter(g, index=(*before, places) if before else places, shape=_x.shape)


def _take_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Take of every example at the same places, or of the one array at every example's places."""
    x, indices = arrays
    axis, ndim = params["axis"], np.ndim(x) - batched[0]
    if all(batched):
        return np.stack([row.through(pair, params) for pair in zip(x, indices, strict=True)])
    if batched[1]:
        found = row.through([x, indices], params)
        return found if axis is None else np.moveaxis(found, axis % ndim, 0)
    if axis is None:
        x, axis, ndim = np.reshape(x, (len(x), int(np.prod(x.shape[1:])))), 0, 1
    return row.through([x, indices], {**params, "axis": axis % ndim + 1})


take = linear(
    _take,
    _take_vjp,
    None,
    doc="Elements along an axis by integer indices.",
    formula="x[indices] along axis",
    latex="x_{I}",
    pattern="route",
    signature="(n),(m)->(m)",
    functions=(np.take,),
    order="x indices axis out mode",
    cases=(
        case((3, 4), _ROWS, axis=0),
        case((3, 4), np.array([[0, 3], [3, -1]]), axis=-1),
        case((3, 4), np.array([0, 11, 11])),
        case((3, 4), np.array([-1, 7, 3]), axis=1, mode="wrap"),
        case((3, 4), np.array([-1, 7, 3]), axis=0, mode="clip"),
        case((3, 4), np.array([[-1, 70]]), mode="clip"),
    ),
    batch=_take_batch,
    local=("'{g}, added up where it was taken from'", ""),
)


def _along(indices: Any, axis: int) -> tuple[Any, ...]:
    """Return the full index that picks ``indices`` along an axis, and itself along the others."""
    grid = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    grid[axis] = indices
    return tuple(grid)


def _take_along_axis(x: Any, indices: Any, *, axis: int | None = -1) -> Any:
    return np.take_along_axis(x, indices, axis)


def _take_along_axis_vjp(g: Any, _y: Any, _x: Any, indices: Any, *, axis: int | None) -> Any:
    if axis is None:
        size = int(np.prod(_x.shape))
        return np.reshape(scatter(g, index=indices, shape=(size,)), _x.shape)
    return scatter(g, index=_along(indices, axis), shape=_x.shape)


def _along_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Pick along an axis of every example; what all share is repeated for each."""
    size = next(len(a) for a, moves in zip(arrays, batched, strict=True) if moves)
    x, indices = (
        a if moves else np.broadcast_to(a, (size, *np.shape(a)))
        for a, moves in zip(arrays, batched, strict=True)
    )
    axis = params["axis"]
    if axis is None:
        x, axis = np.reshape(x, (size, int(np.prod(x.shape[1:])))), 0
    return row.through([x, indices], {"axis": axis + 1 if axis >= 0 else axis})


take_along_axis = linear(
    _take_along_axis,
    _take_along_axis_vjp,
    None,
    doc="Elements by an index array that runs along one axis, as argsort and argmax give.",
    formula="x[i, indices[i]]",
    latex="x_{i, I_i}",
    pattern="route",
    signature="(n),(m)->(m)",
    functions=(np.take_along_axis,),
    cases=(
        case((2, 3), np.array([[0, 0], [2, 1]]), axis=1),
        case((2, 3), np.array([[1, 0, 1]]), axis=0),
        case((2, 3), np.array([5, 5, 0]), axis=None),
    ),
    batch=_along_batch,
    local=("'{g}, added up where it was taken from'", ""),
)


def _setitem(x: Any, value: Any, *, index: Any) -> Any:
    # A number takes on the dtype of x, as in NumPy; an array would lose what does not fit.
    kind = getattr(value, "dtype", None)
    if kind is not None and not np.can_cast(kind, x.dtype, "same_kind"):
        raise OpTypeError(
            explain(
                "setitem",
                f"an array of dtype {x.dtype} cannot hold {kind} values",
                arguments=(("x", x), ("value", value)),
                fix=f"convert it first: x = x.astype(np.{kind})",
            )
        )
    out = x.copy()
    out[index] = value
    return out


def _written(g: Any, found: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Return which elements of ``value`` are in the result: of those written twice, the last."""
    # A single element that was found is a number, and no kind of array to make others like.
    number = np.reshape(np.arange(np.size(found), like=g), np.shape(found))
    last = setitem(np.full(shape, -1, like=g), index, number)
    return np.equal(getitem(last, index), number)


def _setitem_value(g: Any, _y: Any, _x: Any, _value: Any, *, index: Any) -> Any:
    found = getitem(g, index)
    return found * _written(g, found, _x.shape, index) if _repeats(index) else found


setitem: Op = linear(
    _setitem,
    lambda g, _y, _x, _value, *, index: setitem(g, index, 0.0),
    _setitem_value,
    doc="A copy of x in which the elements at an index have new values.",
    formula="x with x[index] = value",
    latex=r"x + \sum_{i \in I} (v_i - x_i) e_i",
    pattern="route",
    signature="(n),(m)->(n)",
    order="x index value",
    broadcasts=True,
    policy="of several values for one element the last is taken, and gets the gradient",
    cases=(
        case((3, 4), (4,), index=1),
        case((3, 4), (), index=(slice(None), 2)),
        case((3, 4), (3, 4), index=_ROWS),
        case((3, 4), (2, 4), index=_MASK),
        case((3, 4), (1, 2), index=(slice(None), slice(1, 3))),
    ),
    batch=_setitem_batch,
    local=("'{g}, but 0 at the index'", "'{g} at the index'"),
)

# ------------------------------------------------------------------------------ adding, placing


def _add_at(x: Any, source: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Return x with source added at an index that has a shape."""
    return x + scatter(broadcast_to(source, shape), index, x.shape)


def _gather(x: Any, indices: Any, *, axis: int) -> Any:
    return x[_along(indices, axis)]


gather = linear(
    _gather,
    lambda g, _y, _x, indices, *, axis: scatter(g, _along(indices, axis), _x.shape),
    None,
    doc="Elements by an index array along one axis; along the others it may be shorter than x.",
    formula="x[i, indices[i]]",
    latex="x_{i, I_i}",
    pattern="route",
    signature="(n),(m)->(m)",
    order="x axis indices",
    cases=(
        case((2, 3), np.array([[0, 0], [2, 1]]), axis=1),
        case((3, 4), np.array([[2, 0], [2, 2]]), axis=0),
        case((3, 4), np.array([[2, -1, 2, 2, 0]]), axis=-1),
    ),
    batch=_along_batch,
    local=("'{g}, added up where it was taken from'", ""),
)


def _scatter_add(x: Any, indices: Any, source: Any, *, axis: int) -> Any:
    """Add elements by an index array along one axis; repeated indices sum."""
    return _add_at(x, source, _along(indices, axis), np.shape(indices))


def _put_along_axis(x: Any, indices: Any, values: Any, *, axis: int | None = -1) -> Any:
    """Return a copy with new values by an index array along one axis, as argsort gives it."""
    if axis is None:
        return put(x, indices, values)
    if np.ndim(indices) != np.ndim(x):
        raise OpError(
            explain(
                "put_along_axis",
                "the index needs as many axes as x",
                arguments=(("x", x), ("indices", indices)),
                fix="keep the axis, as in x.argmax(axis, keepdims=True)",
            )
        )
    grid = list(np.ogrid[tuple(slice(n) for n in np.shape(x))])
    grid[axis] = indices
    return setitem(x, tuple(grid), values)


def _put(x: Any, indices: Any, values: Any) -> Any:
    """Return a copy with new values at places counted through all axes."""
    return reshape(setitem(ravel(x), indices, values), np.shape(x))


def _on(x: Any, axis: int, indices: Any) -> tuple[Any, ...]:
    """Return the index that picks ``indices`` along one axis, and everything along the others."""
    return (*(slice(None),) * (axis % np.ndim(x)), indices)


def _index_select(x: Any, indices: Any, *, axis: int) -> Any:
    """Take slices along an axis."""
    return take(x, indices, axis)


def _index_add(x: Any, indices: Any, source: Any, *, axis: int, alpha: float = 1) -> Any:
    """Add slices along an axis, `alpha` times; repeated indices sum."""
    shape = list(np.shape(x))
    shape[axis] = np.shape(indices)[0]
    added = source if alpha == 1 else source * alpha
    return _add_at(x, added, _on(x, axis, indices), tuple(shape))


def _index_copy(x: Any, indices: Any, source: Any, *, axis: int) -> Any:
    """Return a copy with other slices along an axis."""
    return setitem(x, _on(x, axis, indices), source)


def _index_fill(x: Any, indices: Any, value: Any, *, axis: int) -> Any:
    """Return a copy with one value in slices along an axis."""
    return setitem(x, _on(x, axis, indices), value)


def _index_put(x: Any, values: Any, *, indices: Any, accumulate: bool = False) -> Any:
    """Return a copy with values set, or added, at an index; added, repeated indices sum."""
    index = tuple(indices) if isinstance(indices, list) else indices
    if not accumulate:
        return setitem(x, index, values)
    shape = np.reshape(range(int(np.prod(x.shape))), x.shape)[index].shape
    return _add_at(x, values, index, shape)


_PLACED: dict[str, Any] = {
    "pattern": "route",
    "latex": r"x + \sum_{i \in I} (v_i - x_i) e_i",
    "policy": "of several values for one element the last is taken, and gets the gradient",
}
_ADDED: dict[str, Any] = {"pattern": "copy", "latex": r"x + \sum_{i \in I} v_i e_i"}
_INDEX = np.array([[0, 0, 2], [2, 1, 2]])
scatter_add = composite(
    _scatter_add, formula="x with x[indices[i], i] += source[i]", order="x axis indices source",
    signature="(n),(m),(m)->(n)", **_ADDED,
    cases=(
        case((3, 3), _INDEX, (2, 3), axis=0), case((2, 4), _INDEX, (2, 3), axis=-1),
        case((3, 3), _INDEX, (), axis=0),
    ),
)  # fmt: skip
put_along_axis = composite(
    _put_along_axis, formula="x with x[i, indices[i]] = values[i]",
    order="x indices values axis", signature="(n),(m),(m)->(n)", **_PLACED,
    cases=(
        case((2, 3), np.array([[2], [0]]), (2, 1), axis=1),
        case((2, 3), np.array([[1, 1, 0]]), (), axis=0),
        case((2, 3), np.array([5, 5]), (2,), axis=None),
    ),
)  # fmt: skip
put = composite(
    _put, formula="x with x.flat[indices] = values", signature="(n),(m),(m)->(n)",
    cases=(case((2, 3), np.array([0, -1]), (2,)), case((2, 3), np.array([4, 4]), ())), **_PLACED,
)  # fmt: skip
index_select = composite(
    _index_select, formula="x[indices] along axis", latex="x_{I}", pattern="route",
    signature="(n),(m)->(m)", order="x axis indices",
    cases=(case((3, 4), _ROWS, axis=0), case((3, 4), _COLUMNS, axis=-1)),
)  # fmt: skip
index_add = composite(
    _index_add, formula="x with x[indices] += alpha · source",
    order="x axis indices source alpha", signature="(n),(m),(m)->(n)", **_ADDED,
    cases=(
        case((3, 4), _ROWS, (3, 4), axis=0),
        case((2, 3), _COLUMNS, (2, 3), axis=-1, alpha=-0.5),
    ),
)  # fmt: skip
index_copy = composite(
    _index_copy, formula="x with x[indices] = source", order="x axis indices source",
    signature="(n),(m),(m)->(n)", **_PLACED,
    cases=(case((3, 4), np.array([2, 0]), (2, 4), axis=0), case((2, 3), _COLUMNS, (2, 3), axis=1)),
)  # fmt: skip
index_fill = composite(
    _index_fill,
    formula="x with x[indices] = value", order="x axis indices value",
    signature="(n),(m),()->(n)", **_PLACED,
    cases=(case((3, 4), np.array([2, 0]), (), axis=0), case((2, 3), _COLUMNS, (), axis=-1)),
)  # fmt: skip
index_put = composite(
    _index_put, formula="x with x[indices] = values", order="x indices values accumulate",
    signature="(n),(m)->(n)", **_PLACED,
    cases=(
        case((3, 4), (3,), indices=(_ROWS, _COLUMNS)),
        case((3, 4), (3,), indices=(_ROWS, _COLUMNS * 0), accumulate=True),
        case((3, 4), (2, 4), indices=_MASK, accumulate=True),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ masks


def _masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """Put a value where the mask holds."""
    return np.where(mask, value, x)


def _masked_select(x: Any, mask: Any) -> Any:
    """Take the elements where the mask holds, on one axis; x and mask broadcast."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(mask))
    return take(ravel(broadcast_to(x, shape)), flatnonzero(broadcast_to(mask, shape)))


def _masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """Put the elements of the source, one after the other, where the mask holds."""
    places = flatnonzero(broadcast_to(mask, np.shape(x)))
    count = np.shape(places)[0]
    if count > np.size(source):
        raise OpError(
            explain(
                "masked_scatter",
                f"the mask holds {count} times, the source has {np.size(source)} elements",
                arguments=(("x", x), ("mask", mask), ("source", source)),
                fix="give at least as many elements as the mask holds",
            )
        )
    return put(x, places, ravel(source)[:count])


def _compress(condition: Any, x: Any, *, axis: int | None = None) -> Any:
    """Take the slices for which the condition holds, which may be shorter than the axis."""
    if np.ndim(condition) != 1:
        raise OpError(
            explain(
                "compress",
                "the condition needs one axis",
                arguments=(("condition", condition),),
                fix="use masked_select(x, condition) for a mask of several axes",
            )
        )
    return take(x, flatnonzero(condition), axis)


def _extract(condition: Any, x: Any) -> Any:
    """Take the elements where the condition holds, both seen on one axis."""
    return take(ravel(x), flatnonzero(condition))


_MASKED: dict[str, Any] = {"pattern": "route", "signature": "(n),(n)->(m)"}
_GRID = np.array([[True, False, True], [False, False, True]])
masked_fill = composite(
    _masked_fill, formula="value if mask else x",
    latex=r"\begin{cases} v & \text{mask} \\ x & \text{else} \end{cases}", pattern="route",
    signature="(),(),()->()", policy="a nan or infinite slope where the mask holds is stopped",
    cases=(case((2, 3), _GRID, ()), case((2, 3), _GRID[:1], (2, 1)), case((3,), _GRID, ())),
)  # fmt: skip
masked_select = composite(
    _masked_select, formula="x[mask]", latex="x_M", **_MASKED,
    cases=(case((2, 3), _GRID), case((3,), _GRID), case((2, 3), _GRID[:, :1]), case((), _GRID)),
)  # fmt: skip
masked_scatter = composite(
    _masked_scatter, formula="x with x[mask] = source", latex=r"x + \sum_{i \in M} (s_i - x_i) e_i",
    pattern="route", signature="(n),(n),(m)->(n)",
    cases=(case((2, 3), _GRID, (3,)), case((2, 3), _GRID[0], (2, 3))),
)  # fmt: skip
compress = composite(
    _compress, functions=(np.compress,), order="condition x axis out",
    formula="x[condition] along axis", latex="x_M", **_MASKED,
    cases=(
        case(_MASK, (3, 4), axis=0), case(_MASK, (2, 4), axis=-1), case(_MASK, (2, 3)),
    ),
)  # fmt: skip
extract = composite(
    _extract, functions=(np.extract,), formula="x[condition]", latex="x_M", **_MASKED,
    cases=(case(_GRID, (2, 3)), case(np.array([0, 2, 0, 1, 0, 0]), (2, 3))),
)  # fmt: skip


def _ix_(*args: Any) -> Any:
    """Give each vector its own axis, so that together they index all combinations; a tuple."""
    for place, vector in enumerate(args):
        if np.ndim(vector) != 1:
            raise OpError(
                explain(
                    "ix_",
                    f"argument {place} has {np.ndim(vector)} axes",
                    fix="give a vector for each axis",
                )
            )
    found = []
    for place, vector in enumerate(args):
        own = nonzero(vector)[0] if np.result_type(vector) == np.bool_ else vector
        behind = len(args) - 1 - place
        found.append(reshape(own, (*(1,) * place, np.shape(own)[0], *(1,) * behind)))
    return tuple(found)


ix_ = composite(
    _ix_, functions=(np.ix_,), arguments=("args",), variadic=True, order="*args",
    formula="args[k] on axis k", latex=r"x^{(k)}_{i_k}", pattern="reshape",
    signature="(m),(n)->(m,n)",
    policy="indices have no gradient; of other numbers it passes",
    cases=(
        case((2,), (3,)), case((3,)), case((2,), np.array([True, False, True]), (1,)),
        case((2,), np.array([0, 2])),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ choices


def _choose(*choices: Any, a: Any, mode: str = "raise") -> Any:
    """Take each element from the array that an index array names."""
    if isinstance(a, (int, list, tuple)):
        a = np.reshape(a, np.shape(a))
    a = _inside(a, len(choices), mode)
    if np.size(a) and (np.min(a) < 0 or np.max(a) >= len(choices)):
        raise OpError(
            explain(
                "choose",
                f"the index goes from {np.min(a)} to {np.max(a)}, there are {len(choices)} choices",
                fix="number the choices from 0, or give mode='wrap' or 'clip'",
            )
        )
    shape = np.broadcast_shapes(np.shape(a), *(np.shape(choice) for choice in choices))
    layers = stack([broadcast_to(choice, shape) for choice in choices])
    return layers[(np.broadcast_to(a, shape), *np.ogrid[tuple(slice(n) for n in shape)])]


def _select(*choicelist: Any, condlist: Sequence[Any], default: Any = 0) -> Any:
    """Take each element from the choice of the first condition that holds, else the default."""
    if len(condlist) != len(choicelist) or not choicelist:
        raise OpError(
            explain(
                "select",
                f"{len(condlist)} conditions were given for {len(choicelist)} choices",
                fix="give one choice for each condition, and at least one",
            )
        )
    shapes = [np.shape(part) for part in (*condlist, *choicelist)]
    first: Any = len(choicelist)
    for number, condition in reversed(list(enumerate(condlist))):
        first = np.where(condition, number, first)
    first = broadcast_to(first, np.broadcast_shapes(*shapes))
    # The choices alone decide what is taken; where none is, the last is overwritten.
    found = choose(np.minimum(first, len(choicelist) - 1), choicelist)
    return setitem(found, np.equal(first, len(choicelist)), default)


_CHOSEN: dict[str, Any] = {"pattern": "route", "signature": "(),()->()", "variadic": True}
_WHICH = np.array([[1, 0, 1], [2, 1, 0]])
choose = composite(
    _choose, functions=(np.choose,), arguments=("choices",), order="a choices out mode",
    formula="choices[a[i]][i]", latex="x^{(a_i)}_i", **_CHOSEN,
    cases=(
        case((2, 3), (3,), (2, 1), a=_WHICH), case((), (2, 3), a=_WHICH, mode="clip"),
        case((3,), (3,), a=_WHICH - 3, mode="wrap"),
    ),
)  # fmt: skip
select = composite(
    _select, functions=(np.select,), arguments=("choicelist",), order="condlist choicelist default",
    formula="choicelist[k][i] of the first k with condlist[k][i], else default",
    latex=r"\begin{cases} x^{(k)} & c_k \text{, the first} \\ d & \text{none} \end{cases}",
    policy="a nan or infinite slope in a choice not taken is stopped", **_CHOSEN,
    cases=(
        case((2, 3), (2, 3), condlist=[_GRID, _GRID[::-1]]),
        case((3,), (2, 1), condlist=[_GRID, _GRID[:1]], default=-1.5),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ ids


def _numbered(name: str, what: str, ids: Any, count: int, argument: str) -> None:
    """Refuse ids that are not whole numbers from 0 to ``count - 1``."""
    if np.result_type(ids).kind not in "iu":
        raise OpTypeError(
            explain(
                name,
                f"{argument} must be whole numbers, not {np.result_type(ids)}",
                fix=f"convert them, as in {argument}.astype(np.int64)",
            )
        )
    if np.size(ids) and (np.min(ids) < 0 or np.max(ids) >= count):
        wrong = np.min(ids) if np.min(ids) < 0 else np.max(ids)
        raise LabelError(
            explain(
                name,
                f"{wrong} among the {argument} is no {what}: there are {count}, 0 to {count - 1}",
                fix=f"number them from 0, without -1; {argument} are not counted from the end",
            )
        )


def _without(rows: Any, ids: Any, padding_idx: int | None, count: int) -> Any:
    """Return the rows of ids, zeros for the id that only pads."""
    if padding_idx is None:
        return rows
    real = np.not_equal(ids, padding_idx % count)
    return rows * np.reshape(real, np.shape(ids) + (1,) * (rows.ndim - np.ndim(ids)))


def _embedding(ids: Any, weight: Any, *, padding_idx: int | None = None) -> Any:
    count = weight.shape[0]
    _numbered("embedding", "row of weight", ids, count, "ids")
    if padding_idx is not None and not -count <= padding_idx < count:
        problem = f"padding_idx {padding_idx} is none of the {count} rows of weight"
        raise OpError(explain("embedding", problem, fix="give one of them, or None"))
    return np.take(weight, ids, 0)


def _embedding_vjp(g: Any, _y: Any, ids: Any, _weight: Any, *, padding_idx: int | None) -> Any:
    real = _without(g, ids, padding_idx, _weight.shape[0])
    return scatter(real, index=ids, shape=_weight.shape)


def _embedding_jvp(
    tangents: Sequence[Any], _y: Any, ids: Any, _weight: Any, *, padding_idx: int | None
) -> Any:
    return _without(np.take(tangents[1], ids, 0), ids, padding_idx, _weight.shape[0])


def _embedding_in_training(ids: Any, weight: Any, *, padding_idx: int | None = None) -> Any:
    return _without(np.take(weight, ids, 0), ids, padding_idx, weight.shape[0])


embedding = op(
    _embedding,
    None,
    _embedding_vjp,
    jvp=_embedding_jvp,
    arguments=("ids", "weight"),
    doc="Rows of a table by their numbers; the gradients of a row that is used twice sum.",
    formula="weight[ids]",
    latex="W_{I}",
    pattern="route",
    signature="(n),(m,k)->(n,k)",
    policy="the row of padding_idx gets no gradient",
    exempt="a padding row stands for no token, so training leaves it as it is",
    surrogate=_embedding_in_training,
    cases=(
        case(np.array([0, 2, 2]), (4, 2)),
        case(np.array([[1, 0], [1, 1]]), (3, 2), padding_idx=0),
        case(np.array([2, 1]), (3, 2), padding_idx=-1),
        case(np.array(1), (3,)),
        case(np.zeros((0, 2), np.int64), (3, 2)),
    ),
    batch="first",
    local=("", "'the rows of {g}, added up per id'"),
)


def _one_hot(labels: Any, *, num_classes: int | None = None, dtype: Any = "float64") -> Any:
    if num_classes is None:
        if np.size(labels) == 0:
            problem = "without labels the number of classes is not known"
            raise OpError(explain("one_hot", problem, fix="give num_classes="))
        num_classes = int(np.max(labels)) + 1
    _numbered("one_hot", "class", labels, num_classes, "labels")
    classes = np.arange(num_classes, like=labels)
    return np.equal(np.expand_dims(labels, -1), classes).astype(dtype)


_PLACES: dict[str, Any] = {
    "pattern": "none",
    "signature": "(n)->(m,k)",
    "policy": "the result is made of indices: no gradient flows",
}
one_hot = op(
    _one_hot, None, arguments=("labels",), doc="Rows with a 1 at the label, and zeros elsewhere.",
    formula="1 at [i, labels[i]]", latex=r"\delta_{l_i j}",
    **{**_PLACES, "policy": "labels are whole numbers: no gradient flows"},
    cases=(
        case(np.array([0, 2, 1])), case(np.array([[0, 2]]), num_classes=4),
        case(np.array(1), num_classes=2, dtype=np.float32),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ where it is not 0


def _argwhere(x: Any) -> Any:
    return np.argwhere(x)


def _flatnonzero(x: Any) -> Any:
    return np.flatnonzero(x)


def _nonzero(x: Any) -> Any:
    """Return where an array is not 0, an index array for each axis; returns a tuple."""
    if np.ndim(x) == 0:
        fix = "use nonzero(atleast_1d(x))"
        raise OpError(explain("nonzero", "a scalar has no axis to count along", fix=fix))
    places = argwhere(x)
    return tuple(places[:, axis] for axis in range(np.ndim(x)))


_HOLES = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, -1.0]])
argwhere = op(
    _argwhere, None, arguments=("x",), doc="The indices of the elements that are not 0, in rows.",
    formula="{i: x[i] ≠ 0}", latex=r"\{i: x_i \ne 0\}", functions=(np.argwhere,),
    cases=(case(_GRID), case(_HOLES), case((2, 3))), **_PLACES,
)  # fmt: skip
flatnonzero = op(
    _flatnonzero, None, arguments=("x",), functions=(np.flatnonzero,),
    doc="The places of the elements that are not 0, counted through all axes.",
    formula="{i: x.flat[i] ≠ 0}", latex=r"\{i: x_i \ne 0\}",
    cases=(case(_GRID), case(_HOLES), case((3,))), **_PLACES,
)  # fmt: skip
nonzero = composite(
    _nonzero, functions=(np.nonzero,), formula="i, j, … of all x[i, j, …] ≠ 0",
    latex=r"\{i: x_i \ne 0\}", cases=(case(_GRID), case(_HOLES[0]), case((2, 3))), **_PLACES,
)  # fmt: skip
