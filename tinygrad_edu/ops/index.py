"""Rows that pick and place elements: indexing of every kind, and its adjoint, scatter.

Repeated indices sum in `scatter`, which is one of the two seams that differ by kind of array (the
other is random draws). Read ``conv.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op, case, linear

__all__ = ["getitem", "scatter", "setitem", "take", "take_along_axis"]


def _repeats(index: Any) -> bool:
    """Return whether an index can name an element twice: only integer arrays can."""
    parts = index if isinstance(index, tuple) else (index,)
    # An array of any kind has a dtype; a list is one to be, a slice or an integer is none.
    return any(isinstance(p, list) or getattr(p, "dtype", np.bool_) != np.bool_ for p in parts)


def _getitem(x: Any, *, index: Any) -> Any:
    if isinstance(index, np.ndarray) and index.ndim == 1 and index.dtype == np.intp:
        return np.take(x, index, 0)  # the same rows as x[index], in half the time
    return x[index]


def _scatter(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape, x.dtype, like=x)
    if _repeats(index):
        np.add.at(out, index, x)
    else:
        out[index] = x
    return out


_ROWS, _COLUMNS, _MASK = np.array([0, 2, 2]), np.array([1, 0, 1]), np.array([True, False, True])

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
    ),
)


def _take(x: Any, indices: Any, *, axis: int | None = None) -> Any:
    return np.take(x, indices, axis)


def _take_vjp(g: Any, _y: Any, _x: Any, indices: Any, *, axis: int | None) -> Any:
    if axis is None:
        size = int(np.prod(_x.shape))
        return np.reshape(scatter(g, index=indices, shape=(size,)), _x.shape)
    return scatter(g, index=(*(slice(None),) * (axis % _x.ndim), indices), shape=_x.shape)


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
    ),
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
)


def _setitem(x: Any, value: Any, *, index: Any) -> Any:
    out = x.copy()
    out[index] = value
    return out


def _written(shape: tuple[int, ...], index: Any) -> Any:
    """Return which elements of ``value`` are in the result: of those written twice, the last."""
    place = np.arange(int(np.prod(shape))).reshape(shape)
    number = np.arange(place[index].size).reshape(place[index].shape)
    last = np.full(shape, -1)
    last[index] = number
    return last[index] == number


def _setitem_value(g: Any, _y: Any, _x: Any, _value: Any, *, index: Any) -> Any:
    found = getitem(g, index)
    if not _repeats(index):
        return found
    return found * np.asarray(_written(_x.shape, index), like=found)


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
)
