"""Rows that arrange elements anew: copies, turns, pads, diagonals, windows, grids, joins and cuts.

Like the rows of ``shape.py`` they are linear, or written in rows that are; an element that appears
several times in the result gets the sum of the cotangents of its copies. Where each element goes is
computed from shapes alone, on the host. Read ``index.py`` next: there the places are data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view as numpys_windows

from tinygrad_edu.core.op import Op, case, composite, linear, op
from tinygrad_edu.errors import OpError, OpTypeError, explain
from tinygrad_edu.ops.index import flatnonzero, scatter, setitem, take
from tinygrad_edu.ops.shape import (
    broadcast_to,
    concatenate,
    moveaxis,
    ravel,
    reshape,
    split,
    sum_to,
)

__all__ = [
    "append",
    "array_split",
    "atleast_3d",
    "block",
    "broadcast_arrays",
    "chunk",
    "column_stack",
    "crop",
    "delete",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "dsplit",
    "dstack",
    "fill_diagonal",
    "flip",
    "fliplr",
    "flipud",
    "fold",
    "hsplit",
    "insert",
    "meshgrid",
    "pad",
    "pad_constant",
    "repeat",
    "repeat_interleave",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "sliding_window_view",
    "tile",
    "tril",
    "trim_zeros",
    "triu",
    "unflatten",
    "unfold",
    "vander",
    "vsplit",
]

Axis = int | tuple[int, ...] | None
Widths = list[list[int]]


def _slices(ndim: int, axis: int, *bounds: int | None) -> tuple[slice, ...]:
    """Return the index of a slice along one axis."""
    return (*(slice(None),) * (axis % ndim), slice(*bounds))


# ------------------------------------------------------------------------------ copies


def _tile(x: Any, *, reps: int | Sequence[int]) -> Any:
    return np.tile(x, reps)


def _tile_vjp(g: Any, _y: Any, _x: Any, *, reps: int | Sequence[int]) -> Any:
    """Return the sum over the copies: each axis of g is cut into (copy, element)."""
    counts = [reps] if isinstance(reps, (int, np.integer)) else list(reps)
    ndim = max(len(counts), _x.ndim)
    counts = [1] * (ndim - len(counts)) + counts
    lengths = (1,) * (ndim - _x.ndim) + _x.shape
    cut = [int(n) for pair in zip(counts, lengths, strict=True) for n in pair]
    total = np.sum(np.reshape(g, tuple(cut)), axis=tuple(range(0, 2 * ndim, 2)))
    return np.reshape(total, _x.shape)


tile = linear(
    _tile,
    _tile_vjp,
    doc="Copies of the whole array side by side, `reps` of them along each axis.",
    formula="x repeated as a whole",
    latex=r"[x, x, \ldots]",
    pattern="copy",
    signature="(n)->(m)",
    functions=(np.tile,),
    order="x reps",
    cases=(
        case((3,), reps=2),
        case((2, 3), reps=(2, 1)),
        case((2, 3), reps=2),
        case((3,), reps=(2, 2)),
        case((2, 3), reps=(2, 1, 3)),
        case((), reps=(3,)),
        case((2, 3), reps=(0, 2)),
    ),
    batch="pick",
    local=("'Σ {g} over the copies'",),
)


def _times(repeats: Any) -> Any:
    """Return the number of repeats, or the list of them, one for each element of the axis."""
    return np.reshape(repeats, np.shape(repeats)).tolist()


def _repeat(x: Any, *, repeats: Any, axis: int | None = None) -> Any:
    return np.repeat(x, _times(repeats), axis)


def _repeat_vjp(g: Any, _y: Any, _x: Any, *, repeats: Any, axis: int | None) -> Any:
    shape = (int(np.prod(_x.shape)),) if axis is None else _x.shape
    place, times = (0 if axis is None else axis % len(shape)), _times(repeats)
    if isinstance(times, list) and len(times) == 1:
        (times,) = times
    if isinstance(times, int):
        runs = np.reshape(g, (*shape[: place + 1], times, *shape[place + 1 :]))
        return np.reshape(np.sum(runs, axis=place + 1), _x.shape)
    origin = np.repeat(range(shape[place]), times)
    total = scatter(g, index=(*(slice(None),) * place, origin), shape=shape)
    return np.reshape(total, _x.shape)


repeat = linear(
    _repeat,
    _repeat_vjp,
    doc="Each element repeated in place, all equally often or each its own number of times.",
    formula="each element repeats times",
    latex=r"[x_1, x_1, \ldots, x_2, x_2, \ldots]",
    pattern="copy",
    signature="(n)->(m)",
    functions=(np.repeat,),
    order="x repeats axis",
    cases=(
        case((2, 3), repeats=2),
        case((2, 3), repeats=2, axis=0),
        case((2, 3, 2), repeats=3, axis=-2),
        case((2, 3), repeats=(1, 0, 3), axis=1),
        case((3,), repeats=(2, 1, 2)),
        case((2, 3), repeats=(2,), axis=0),
        case((), repeats=3),
        case((2, 3), repeats=0, axis=0),
    ),
    batch="pick",
    local=("'Σ {g} over the copies'",),
)


def _resize(x: Any, *, new_shape: int | tuple[int, ...]) -> Any:
    """Repeat the elements, in their order, until a new shape is full."""
    size = int(np.prod(np.shape(x)))
    if size == 0:
        raise OpError(
            explain("resize", "there is no element to repeat", fix="use np.zeros for zeros")
        )
    return ravel(x)[np.resize(range(size), new_shape)]


resize = composite(
    _resize,
    functions=(np.resize,),
    formula="elements of x, over and over",
    latex=r"[x, x, \ldots]",
    pattern="copy",
    signature="(n)->(m)",
    cases=(
        case((2, 3), new_shape=(4, 2)),
        case((2, 3), new_shape=2),
        case((), new_shape=(2, 2)),
    ),
)

# ------------------------------------------------------------------------------ turns


def _roll(x: Any, *, shift: int | Sequence[int], axis: Axis = None) -> Any:
    return np.roll(x, shift, axis)


def _roll_vjp(g: Any, _y: Any, _x: Any, *, shift: int | Sequence[int], axis: Axis) -> Any:
    back = -shift if isinstance(shift, (int, np.integer)) else tuple(-n for n in shift)
    return np.roll(g, back, axis)


roll = linear(
    _roll,
    _roll_vjp,
    doc="Elements moved along an axis, those that leave at the end coming in at the front.",
    formula="x[i - shift]",
    latex="x_{i-s}",
    pattern="route",
    signature="(n)->(n)",
    functions=(np.roll,),
    order="x shift axis",
    cases=(
        case((2, 3), shift=2),
        case((2, 3), shift=-1, axis=1),
        case((2, 3, 4), shift=(1, 5), axis=(0, -1)),
        case((3,), shift=0),
        case((), shift=1),
        case((0, 3), shift=1, axis=1),
    ),
    batch="pick",
    local=("'{g}, rolled back'",),
)


def _flip(x: Any, *, axis: Axis = None) -> Any:
    return np.flip(x, axis)


flip = linear(
    _flip,
    lambda g, _y, _x, *, axis: np.flip(g, axis),
    doc="Elements in reverse order along axes, along all of them by default.",
    formula="x[::-1]",
    latex="x_{n-i}",
    pattern="route",
    signature="(n)->(n)",
    functions=(np.flip,),
    order="x axis",
    cases=(
        case((2, 3)),
        case((2, 3), axis=-1),
        case((2, 3, 4), axis=(0, 2)),
        case(()),
        case((0, 3), axis=0),
    ),
    batch="axes",
    local=("'{g}, flipped back'",),
)


def _fliplr(x: Any) -> Any:
    """Reverse the columns."""
    return np.flip(_of_axes(x, 2, "fliplr", "flip(x)"), 1)


def _flipud(x: Any) -> Any:
    """Reverse the rows."""
    return np.flip(_of_axes(x, 1, "flipud", "atleast_1d(x)"), 0)


def _of_axes(x: Any, least: int, name: str, instead: str) -> Any:
    """Return the argument; refuse one with fewer axes than the function works on."""
    if np.ndim(x) < least:
        axes = "an axis" if least == 1 else f"{least} axes"
        raise OpError(explain(name, f"x needs {axes}", arguments=(("x", x),), fix=f"use {instead}"))
    return x


_TURNED: dict[str, Any] = {
    "latex": "x_{n-i}",
    "pattern": "route",
    "signature": "(m,n)->(m,n)",
    "order": "x",
}
fliplr = composite(
    _fliplr, functions=(np.fliplr,), formula="x[:, ::-1]", cases=(case((2, 3)),), **_TURNED
)
flipud = composite(
    _flipud, functions=(np.flipud,), formula="x[::-1]", cases=(case((2, 3)), case((3,))), **_TURNED
)


def _rot90(x: Any, *, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    return np.rot90(x, k, axes)


rot90 = linear(
    _rot90,
    lambda g, _y, _x, *, k, axes: np.rot90(g, -k, axes),
    doc="Quarter turns in the plane of two axes, from the first towards the second.",
    formula="x turned k times",
    latex=r"\mathrm{rot}^k(x)",
    pattern="route",
    signature="(m,n)->(n,m)",
    functions=(np.rot90,),
    order="x k axes",
    cases=(
        case((2, 3)),
        case((2, 3), k=2),
        case((2, 3, 4), k=-1, axes=(0, -1)),
        case((2, 3), k=3, axes=(1, 0)),
        case((2, 3), k=4),
    ),
    batch="axes",
    local=("'{g}, turned back'",),
)

# ------------------------------------------------------------------------------ diagonals

_TRIANGLE: dict[str, Any] = {
    "pattern": "route",
    "signature": "(m,n)->(m,n)",
    "order": "x k",
    "cases": (
        case((3, 4)),
        case((3, 4), k=1),
        case((4, 3), k=-1),
        case((2, 3, 3)),
        case((3,)),
        case((0, 3)),
    ),
}


def _tril(x: Any, *, k: int = 0) -> Any:
    return np.tril(x, k)


def _triu(x: Any, *, k: int = 0) -> Any:
    return np.triu(x, k)


# An argument with one axis is repeated to a square matrix.
tril = linear(
    _tril,
    lambda g, _y, _x, *, k: sum_to(np.tril(g, k), shape=_x.shape),
    doc="Lower triangle: zeros above the k-th diagonal.",
    formula="x[i, j] if j ≤ i + k, else 0",
    latex=r"x_{ij}\,[j \le i + k]",
    functions=(np.tril,),
    **_TRIANGLE,
    batch="stack",
    local=("'{g} where {x} was kept, 0 elsewhere'",),
)
triu = linear(
    _triu,
    lambda g, _y, _x, *, k: sum_to(np.triu(g, k), shape=_x.shape),
    doc="Upper triangle: zeros below the k-th diagonal.",
    formula="x[i, j] if j ≥ i + k, else 0",
    latex=r"x_{ij}\,[j \ge i + k]",
    functions=(np.triu,),
    **_TRIANGLE,
    batch="stack",
    local=("'{g} where {x} was kept, 0 elsewhere'",),
)


def _diagonal(x: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.diagonal(x, offset, axis1, axis2)


def _diagonal_vjp(g: Any, _y: Any, _x: Any, **params: Any) -> Any:
    size = int(np.prod(_x.shape))
    places = np.diagonal(np.reshape(range(size), _x.shape), **params).astype(np.intp)
    return np.reshape(scatter(g, index=places, shape=(size,)), _x.shape)


diagonal = linear(
    _diagonal,
    _diagonal_vjp,
    doc="Diagonal in the plane of two axes, as the last axis of the result.",
    formula="x[i, i + offset]",
    latex="x_{i,i+k}",
    pattern="route",
    signature="(m,n)->(k)",
    functions=(np.diagonal,),
    order="x offset axis1 axis2",
    cases=(
        case((3, 3)),
        case((3, 4), offset=2),
        case((4, 2), offset=-1),
        case((2, 3, 4), axis1=-1, axis2=0),
        case((3, 3), offset=5),
        case((0, 3)),
    ),
    batch="axes",
    local=("'{g} on the diagonal, 0 elsewhere'",),
)


def _diag_embed(x: Any, *, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Any:
    length = x.shape[-1]
    side = length + abs(offset)
    out = np.zeros((*x.shape[:-1], side, side), x.dtype, like=x)
    rows = np.mgrid[:length] + max(-offset, 0)
    out[..., rows, rows + offset] = x
    return np.moveaxis(out, (-2, -1), (axis1, axis2))


def _diag_embed_batch(row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Embed every example; the axes are those of the result, which has one more."""
    (x,) = arrays
    axes = {name: params[name] % x.ndim + 1 for name in ("axis1", "axis2")}
    return row.through([x], {**params, **axes})


diag_embed = linear(
    _diag_embed,
    lambda g, _y, _x, *, offset, axis1, axis2: np.diagonal(g, offset, axis1, axis2),
    doc="Square matrices that have the last axis on a diagonal, and zeros elsewhere.",
    formula="x[i] at [i, i + offset]",
    latex=r"x_i\,\delta_{i+k,j}",
    pattern="route",
    signature="(k)->(m,m)",
    cases=(
        case((3,)),
        case((2, 3), offset=1),
        case((2, 3), offset=-2, axis1=0, axis2=2),
        case((0,), offset=1),
    ),
    batch=_diag_embed_batch,
    local=("'the diagonal of {g}'",),
)


def _diag(x: Any, *, k: int = 0) -> Any:
    """Take the diagonal of a matrix, or put a vector on the diagonal of one."""
    if np.ndim(x) == 1:
        return diag_embed(x, k)
    if np.ndim(x) != 2:
        raise OpError(
            explain(
                "diag",
                "x is neither a vector nor a matrix",
                arguments=(("x", x),),
                fix="for a stack use diagonal(x, 0, -2, -1) or diag_embed(x)",
            )
        )
    return diagonal(x, k)


def _diagflat(x: Any, *, k: int = 0) -> Any:
    """Put all elements on a diagonal."""
    return diag_embed(ravel(x), k)


def _fill_diagonal(x: Any, value: Any, *, wrap: bool = False) -> Any:
    """Return a copy with other values on the main diagonal; `wrap` begins anew below a square."""
    shape = np.shape(_of_axes(x, 2, "fill_diagonal", "setitem(x, index, value)"))
    if len(shape) > 2 and len(set(shape)) > 1:
        raise OpError(
            explain(
                "fill_diagonal",
                "with more than two axes all must have one length",
                arguments=(("x", x),),
                fix="fill the matrices of a stack through setitem()",
            )
        )
    step = 1 + int(np.sum(np.cumprod(shape[:0:-1])))
    end = None if wrap or len(shape) > 2 else shape[1] * shape[1]
    return reshape(setitem(ravel(x), slice(None, end, step), value), shape)


_ON_DIAGONAL: dict[str, Any] = {"latex": r"\mathrm{diag}(x)", "pattern": "route"}
diag = composite(
    _diag, functions=(np.diag,), formula="diagonal of x, or matrix with diagonal x",
    signature="(m,n)->(k)", order="x k", **_ON_DIAGONAL,
    cases=(case((3,)), case((3,), k=-1), case((3, 4)), case((3, 4), k=1)),
)  # fmt: skip
diagflat = composite(
    _diagflat, functions=(np.diagflat,), formula="matrix with the elements of x on a diagonal",
    signature="(n)->(m,m)", order="x k", cases=(case((2, 2)), case((), k=1)), **_ON_DIAGONAL,
)  # fmt: skip
fill_diagonal = composite(
    _fill_diagonal, formula="x with x[i, i] = value", signature="(m,n),(k)->(m,n)", **_ON_DIAGONAL,
    cases=(
        case((3, 4), ()), case((4, 3), (3,)), case((5, 2), (), wrap=True), case((2, 2, 2), (2,)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ pads


def _widths(pad_width: Any, ndim: int, name: str) -> Widths:
    """Return how many elements go before and after each axis, from any form that NumPy takes."""
    if isinstance(pad_width, Mapping):
        by_axis = {axis % ndim: width for axis, width in pad_width.items()}
        return [_pairs(by_axis.get(i, 0), 1, name)[0] for i in range(ndim)]
    return _pairs(pad_width, ndim, name)


def _pairs(pad_width: Any, ndim: int, name: str) -> Widths:
    fix = "give one width, a pair (before, after), or a pair for each axis"
    try:
        pairs = np.broadcast_to(pad_width, (ndim, 2))
    except ValueError:
        problem = f"the widths {pad_width} do not fit {ndim} axes"
        raise OpError(explain(name, problem, fix=fix)) from None
    if pairs.size and pairs.dtype.kind not in "iu":
        raise OpTypeError(explain(name, f"the widths {pad_width} are not whole numbers", fix=fix))
    if (pairs < 0).any():
        problem = f"the widths {pad_width} are not all positive or 0"
        raise OpError(explain(name, problem, fix="crop(x, pad_width) cuts elements off"))
    return [[int(before), int(after)] for before, after in pairs]


def _inside(shape: tuple[int, ...], widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(before, n - after) for n, (before, after) in zip(shape, widths, strict=True))


def _pad_constant(x: Any, *, pad_width: Any, constant_values: Any = 0) -> Any:
    widths = _widths(pad_width, x.ndim, "pad_constant")
    if np.any(constant_values):
        return np.pad(x, widths, constant_values=constant_values)
    shape = tuple(n + sum(width) for n, width in zip(x.shape, widths, strict=True))
    out = np.zeros(shape, x.dtype, like=x)
    out[_inside(shape, widths)] = x
    return out


def _crop(x: Any, *, pad_width: Any) -> Any:
    widths = _widths(pad_width, x.ndim, "crop")
    if any(sum(width) > n for n, width in zip(x.shape, widths, strict=True)):
        raise OpError(
            explain(
                "crop",
                f"there are fewer elements than the {pad_width} to be cut off",
                arguments=(("x", x),),
                fix="give smaller widths",
            )
        )
    return x[_inside(x.shape, widths)]


# Cases of both: the forms of widths.
_FORMS: tuple[Any, ...] = (1, (1, 2), ((0, 1), (2, 0)), {-1: (1, 0)})


def _pad_batch(row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Pad, or crop, every example: the axis of the batch by nothing."""
    (x,) = arrays
    ndim = x.ndim - 1
    named = {"pad_width": ((0, 0), *_widths(params["pad_width"], ndim, row.name))}
    if "constant_values" in params:
        values = np.broadcast_to(params["constant_values"], (ndim, 2)).tolist()
        named["constant_values"] = ((0, 0), *values)
    return row.through([x], {**params, **named})


pad_constant: Op = op(
    _pad_constant,
    lambda g, _y, _x, *, pad_width, **_params: crop(g, pad_width),
    # Only the value moves; the pad does not.
    jvp=lambda tangents, _y, _x, *, pad_width, **_params: pad_constant(tangents[0], pad_width),
    accepts_complex=True,
    doc="A constant, 0 by default, around the array.",
    formula="x inside a frame",
    latex=r"[c, x, c]",
    pattern="route",
    signature="(n)->(m)",
    cases=(
        *(case((2, 3), pad_width=form) for form in _FORMS),
        case((2, 3), pad_width=((1, 0), (2, 1)), constant_values=((1.5, 2), (-1, 3))),
        case((2, 3), pad_width=1, constant_values=2.0),
        case((0, 3), pad_width=1),
        case((), pad_width=0),
    ),
    batch=_pad_batch,
    local=("'{g} without its frame'",),
)
crop: Op = linear(
    _crop,
    lambda g, _y, _x, *, pad_width: pad_constant(g, pad_width),
    doc="Elements cut off at both ends of each axis: the adjoint of pad_constant.",
    formula="x without its frame",
    latex=r"x_{a:n-b}",
    pattern="route",
    signature="(m)->(n)",
    cases=(*(case((4, 5), pad_width=form) for form in _FORMS), case((2, 2), pad_width=1)),
    batch=_pad_batch,
    local=("'{g} in a frame of zeros'",),
)


def _by_edge(x: Any, axis: int, before: int, after: int) -> Any:
    """Repeat the first and the last element."""
    first, last = x[_slices(x.ndim, axis, 0, 1)], x[_slices(x.ndim, axis, -1, None)]
    return _framed(x, axis, (first, before), (last, after))


def _framed(x: Any, axis: int, *sides: tuple[Any, int]) -> Any:
    """Return x between two slices of length 1, each repeated as often as is said."""
    left, right = (
        broadcast_to(side, (*x.shape[:axis], width, *x.shape[axis + 1 :])) for side, width in sides
    )
    return concatenate([left, x, right], axis)


def _by_wrap(x: Any, axis: int, before: int, after: int) -> Any:
    """Continue with the other end, as often as it takes."""
    length = x.shape[axis]
    parts = [x[_slices(x.ndim, axis, length - before % length, None)]]
    parts += [x] * (before // length + 1 + after // length)
    parts += [x[_slices(x.ndim, axis, 0, after % length)]]
    return concatenate(parts, axis)


def _by_mirror(
    x: Any, axis: int, before: int, after: int, with_edge: bool, reflect_type: str
) -> Any:
    """Mirror at both ends, again and again where the pad is longer than what there is to mirror.

    The mirror stands on the edge (`with_edge` false) or behind it. An odd reflection turns the
    image about the edge's value: 2 edge - image.
    """
    length = x.shape[axis]
    if length == 1:
        return _by_edge(x, axis, before, after)
    skip = 0 if with_edge else 1
    period = length - skip
    while before or after:
        grown = x.shape[axis]
        # Only whole periods are mirrored, so that the pattern has no seam.
        chunk = (grown - skip) // period * period
        left, right = min(chunk, before), min(chunk, after)
        images = (
            np.flip(x[_slices(x.ndim, axis, skip, skip + left)], axis),
            np.flip(x[_slices(x.ndim, axis, grown - skip - right, grown - skip)], axis),
        )
        if reflect_type == "odd":
            edges = x[_slices(x.ndim, axis, 0, 1)], x[_slices(x.ndim, axis, -1, None)]
            images = (2 * edges[0] - images[0], 2 * edges[1] - images[1])
        x = concatenate([images[0], x, images[1]], axis)
        before, after = before - left, after - right
    return x


def _by_ramp(x: Any, axis: int, before: int, after: int, ends: Sequence[Any]) -> Any:
    """Go in equal steps from the edges to the end values."""
    edges = x[_slices(x.ndim, axis, 0, 1)], x[_slices(x.ndim, axis, -1, None)]
    ramps = []
    for edge, end, width in zip(edges, ends, (before, after), strict=True):
        step = (edge - end) / max(width, 1)
        ramps.append([step * i + end for i in range(width)])
    parts = [*ramps[0], x, *reversed(ramps[1])]
    if x.dtype.kind in "iu":
        parts = [p if p is x else np.floor(p).astype(x.dtype) for p in parts]
    return concatenate(parts, axis)


_STATISTICS: dict[str, Any] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}


def _by_statistic(
    x: Any, axis: int, before: int, after: int, mode: str, lengths: Sequence[Any]
) -> Any:
    """Repeat a statistic of the elements next to each end."""
    whole = x.shape[axis]
    first, last = (whole if n is None else min(int(n), whole) for n in lengths)
    if not (first and last):
        raise OpError(
            explain("pad", f"no element has no {mode}", fix="give a stat_length of 1 or more")
        )
    sides = []
    for bounds in ((0, first), (whole - last, whole)):
        side = _STATISTICS[mode](x[_slices(x.ndim, axis, *bounds)], axis=axis, keepdims=True)
        sides.append(np.round(side).astype(x.dtype) if x.dtype.kind in "iu" else side)
    return _framed(x, axis, (sides[0], before), (sides[1], after))


_MODES = ("constant", "edge", "linear_ramp", "reflect", "symmetric", "wrap", *_STATISTICS)


def _pad(
    x: Any,
    *,
    pad_width: Any,
    mode: str = "constant",
    stat_length: Any = None,
    constant_values: Any = 0,
    end_values: Any = 0,
    reflect_type: str = "even",
) -> Any:
    """Put elements around the array: a constant, copies, mirror images, ramps or statistics."""
    if mode not in _MODES or reflect_type not in ("even", "odd"):
        problem = f"mode {mode!r} with reflect_type {reflect_type!r} is not known"
        if mode == "empty":
            problem = "what mode 'empty' puts around has no value"
        fix = f"use one of {', '.join(_MODES)}, and for the mirrors 'even' or 'odd'"
        raise OpError(explain("pad", problem, fix=fix))
    widths = _widths(pad_width, x.ndim, "pad")
    if mode == "constant":
        return pad_constant(x, widths, constant_values)
    ends = np.broadcast_to(end_values, (x.ndim, 2)).tolist()
    lengths = np.broadcast_to(stat_length, (x.ndim, 2)).tolist()
    for axis, (before, after) in enumerate(widths):
        if not (before or after):
            continue
        if x.shape[axis] == 0:
            raise OpError(
                explain(
                    "pad",
                    f"axis {axis} is empty, there is nothing to continue",
                    arguments=(("x", x),),
                    fix="use mode='constant'",
                )
            )
        if mode == "edge":
            x = _by_edge(x, axis, before, after)
        elif mode == "wrap":
            x = _by_wrap(x, axis, before, after)
        elif mode == "linear_ramp":
            x = _by_ramp(x, axis, before, after, ends[axis])
        elif mode in _STATISTICS:
            x = _by_statistic(x, axis, before, after, mode, lengths[axis])
        else:
            x = _by_mirror(x, axis, before, after, mode == "symmetric", reflect_type)
    return x


pad = composite(
    _pad,
    functions=(np.pad,),
    # np.pad takes what comes after the mode by keyword only.
    order="x pad_width mode kwargs stat_length constant_values end_values reflect_type",
    formula="x continued on both sides",
    latex=r"[\ldots, x, \ldots]",
    pattern="copy",
    signature="(n)->(m)",
    kinks={"x": "ties"},
    policy="for the modes maximum and minimum equal elements share the gradient equally",
    cases=(
        case((2, 3), pad_width=(1, 2)),
        case((2, 3), pad_width=1, constant_values=2.0),
        case((2, 3), pad_width=((0, 1), (2, 0)), mode="edge"),
        case((2, 3), pad_width=2, mode="linear_ramp", end_values=((1.5, 0.0), (0.0, -2.0))),
        case((2, 3), pad_width=1, mode="maximum"),
        case((2, 4), pad_width=(1, 2), mode="minimum", stat_length=2),
        case((2, 3), pad_width=2, mode="mean", stat_length=((1, 2), (2, 2))),
        case((2, 3), pad_width=(1, 5), mode="reflect"),
        case((4,), pad_width=(2, 7), mode="reflect", reflect_type="odd"),
        case((1, 3), pad_width=1, mode="reflect"),
        case((2, 3), pad_width=((3, 1), (1, 1)), mode="symmetric"),
        case((3,), pad_width=(4, 8), mode="symmetric", reflect_type="odd"),
        case((2, 3), pad_width=((0, 5), (7, 1)), mode="wrap"),
        case((0, 3), pad_width=((0, 0), (1, 1)), mode="edge"),
    ),
)

# ------------------------------------------------------------------------------ windows


def _spans(length: int, size: int, step: int, name: str) -> int:
    """Return how many windows an axis has room for."""
    if not (1 <= size <= length and step >= 1):
        raise OpError(
            explain(
                name,
                f"no window of {size} elements, moved by {step}, fits an axis of length {length}",
                fix="the size goes from 1 to the length, the step is 1 or more",
            )
        )
    return (length - size) // step + 1


def _unfold(x: Any, *, axis: int, size: int, step: int = 1) -> Any:
    count = _spans(x.shape[axis], size, step, "unfold")
    windows = numpys_windows(x, size, axis)
    return windows[_slices(windows.ndim, axis % x.ndim, 0, step * (count - 1) + 1, step)]


def _fold(x: Any, *, axis: int, length: int, step: int = 1) -> Any:
    place, size = axis % (x.ndim - 1), x.shape[-1]
    count = _spans(length, size, step, "fold")
    if count != x.shape[place]:
        raise OpError(
            explain(
                "fold",
                f"x has {x.shape[place]} windows along axis {axis}; {count} of {size} elements, "
                f"moved by {step}, make the length {length}",
                arguments=(("x", x),),
                fix="give the length and the step that unfold() was given",
            )
        )
    shape = (*x.shape[:place], length, *x.shape[place + 1 : -1])
    out = np.zeros(shape, x.dtype, like=x)
    for i in range(size):
        out[_slices(out.ndim, place, i, i + step * (count - 1) + 1, step)] += x[..., i]
    return out


unfold: Op = linear(
    _unfold,
    lambda g, _y, _x, *, axis, step, **_params: fold(g, axis % _x.ndim, _x.shape[axis], step),
    doc="Windows that slide along an axis, each on the last axis of the result.",
    formula="x[i·step + j]",
    latex="x_{i s + j}",
    pattern="copy",
    signature="(n)->(m,k)",
    cases=(
        case((5,), axis=0, size=3),
        case((7, 2), axis=0, size=3, step=2),
        case((2, 6), axis=-1, size=2, step=3),
        case((2, 3), axis=1, size=3),
    ),
    batch="axes",
    local=("'Σ {g} over the windows of an element'",),
)


def _fold_batch(row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Fold every example; the axis is one of the result, which has one less."""
    (x,) = arrays
    return row.through([x], {**params, "axis": params["axis"] % (x.ndim - 2) + 1})


fold: Op = linear(
    _fold,
    lambda g, _y, _x, *, axis, step, **_params: unfold(g, axis % (_x.ndim - 1), _x.shape[-1], step),
    doc="Windows added up where they overlap: the adjoint of unfold.",
    formula="Σ of windows at i·step",
    latex=r"\sum_{i s + j = k} x_{ij}",
    pattern="sum",
    signature="(m,k)->(n)",
    cases=(
        case((3, 3), axis=0, length=5),
        case((2, 3, 3), axis=-1, length=8, step=2),
        case((2, 2, 2), axis=0, length=5, step=3),
    ),
    batch=_fold_batch,
    local=("'{g} at the places of the window'",),
)


def _sliding_window_view(x: Any, *, window_shape: Any, axis: Any = None) -> Any:
    """Take all windows of a shape, their axes behind those of the array."""
    sizes = [window_shape] if isinstance(window_shape, (int, np.integer)) else list(window_shape)
    axes = [axis] if isinstance(axis, (int, np.integer)) else axis
    axes = range(x.ndim) if axes is None else [i % x.ndim for i in axes]
    if len(sizes) != len(axes):
        raise OpError(
            explain(
                "sliding_window_view",
                f"there are {len(sizes)} window sizes for {len(axes)} axes",
                arguments=(("x", x),),
                fix="give one size for each axis; without axis= for all of them",
            )
        )
    for place, size in zip(axes, sizes, strict=True):
        x = unfold(x, place, size)
    return x


sliding_window_view = composite(
    _sliding_window_view,
    functions=(numpys_windows,),
    order="x window_shape axis subok writeable",
    formula="x[i + j]",
    latex="x_{i + j}",
    pattern="copy",
    signature="(n)->(m,k)",
    cases=(
        case((5,), window_shape=3),
        case((4, 3), window_shape=(2, 2)),
        case((4, 3), window_shape=2, axis=0),
        case((2, 4), window_shape=(2, 2), axis=(1, -1)),
    ),
)

# ------------------------------------------------------------------------------ grids


def _meshgrid(*arrays: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Return the coordinates of a grid, one array for each axis; returns a tuple."""
    if indexing not in ("xy", "ij"):
        problem = f"indexing {indexing!r} is not known"
        raise OpError(explain("meshgrid", problem, fix="use 'xy' or 'ij'"))
    count = len(arrays)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[:2] = [1, 0]
    grids = [
        reshape(array, tuple(-1 if axis == place else 1 for axis in range(count)))
        for array, place in zip(arrays, places, strict=True)
    ]
    if not sparse:
        shape = np.broadcast_shapes(*(grid.shape for grid in grids))
        grids = [broadcast_to(grid, shape) for grid in grids]
    return tuple(grid.copy() for grid in grids) if copy else tuple(grids)


def _broadcast_arrays(*arrays: Any) -> Any:
    """Repeat each array to the shape of all; returns a tuple."""
    shape = np.broadcast_shapes(*(np.shape(array) for array in arrays))
    return tuple(broadcast_to(array, shape) for array in arrays)


_GRID: dict[str, Any] = {
    "pattern": "copy",
    "latex": r"x \text{ repeated}",
    "arguments": ("arrays",),
    "variadic": True,
}
meshgrid = composite(
    _meshgrid, functions=(np.meshgrid,), order="*arrays copy sparse indexing",
    formula="x[i], y[j], … at all (i, j, …)", signature="(m),(n)->(n,m),(n,m)", **_GRID,
    cases=(
        case((3,), (2,)), case((3,), (2,), indexing="ij"), case((3,), (2,), (4,), sparse=True),
        case((3,), copy=False), case((), (2,)),
    ),
)  # fmt: skip
broadcast_arrays = composite(
    _broadcast_arrays, functions=(np.broadcast_arrays,), order="*arrays subok",
    formula="arrays repeated to one shape", signature="(m),(n)->(k),(k)", **_GRID,
    cases=(case((3,), (2, 1)), case((), (2,), (1, 2))),
)  # fmt: skip


def _vander(x: Any, *, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of each element in a row, the highest first."""
    count = np.shape(x)[0] if N is None else N
    if np.ndim(x) != 1 or count < 1:
        raise OpError(
            explain(
                "vander",
                f"x needs one axis, and N={count} to be at least 1",
                arguments=(("x", x),),
                fix="give a vector, as in vander(ravel(x), N)",
            )
        )
    # By products, as the slope of x**0 has no value at 0.
    powers = [x * 0 + 1, x]
    while len(powers) < count:
        powers.append(powers[-1] * x)
    chosen = powers[:count] if increasing else powers[:count][::-1]
    return concatenate([np.expand_dims(power, 1) for power in chosen], 1)


vander = composite(
    _vander,
    functions=(np.vander,),
    formula="x[i]^(N - 1 - j)",
    latex="x_i^{N-1-j}",
    pattern="scale",
    signature="(m)->(m,n)",
    cases=(case((3,)), case((3,), N=2), case((2,), N=4, increasing=True), case((2,), N=1)),
)


def _trim_zeros(x: Any, *, trim: str = "fb", axis: Axis = None) -> Any:
    """Cut off the zeros in front, behind, or at both ends, along all axes or some."""
    ends = trim.lower()
    if ends not in ("f", "b", "fb", "bf"):
        raise OpError(explain("trim_zeros", f"trim={trim!r}", fix="use 'f', 'b' or 'fb'"))
    axes = range(np.ndim(x)) if axis is None else np.atleast_1d(axis).tolist()
    # Asked of all before any is cut: the whole box of what is not zero is kept.
    there = np.not_equal(x, 0)
    for place in [i % np.ndim(x) for i in axes]:
        others = tuple(i for i in range(np.ndim(x)) if i != place)
        found = np.any(there, axis=others) if others else there
        kept = np.logical_or(found, True)
        if "f" in ends:
            kept = np.logical_and(kept, np.cumsum(found) > 0)
        if "b" in ends:
            kept = np.logical_and(kept, np.flip(np.cumsum(np.flip(found))) > 0)
        x = take(x, flatnonzero(kept), place)
    return x


trim_zeros = composite(
    _trim_zeros, functions=(np.trim_zeros,), formula="x without zeros at its ends",
    latex=r"x_a, \ldots, x_b", pattern="route", signature="(n)->(m)",
    policy="which zeros are cut off jumps; the others get their gradient",
    cases=(case((4,)), case((2, 3)), case((3, 2), axis=0), case((3,), trim="f")),
)  # fmt: skip

# ------------------------------------------------------------------------------ joins


def _column_stack(*arrays: Any) -> Any:
    """Join along the second axis, vectors as columns."""
    return concatenate(
        [a if np.ndim(a) >= 2 else reshape(a, (-1, 1)) for a in arrays],
        1,
    )


def _dstack(*arrays: Any) -> Any:
    """Join along the third axis."""
    return concatenate([_atleast_3d(array) for array in arrays], 2)


def _atleast_3d(x: Any) -> Any:
    """Give an array three axes: a vector the middle one, a matrix the first two."""
    if np.ndim(x) >= 3:
        return x
    return reshape(x, (*np.shape(x), 1) if np.ndim(x) == 2 else (1, -1, 1))


def _depth(arrays: Any) -> int:
    """Return how deep lists are nested."""
    if not isinstance(arrays, (list, tuple)):
        return 0
    depths = {_depth(part) for part in arrays}
    if len(depths) != 1:
        problem = "the lists are empty" if not depths else "the lists are not all equally deep"
        fix = "give rows of blocks, as in block([[a, b], [c, d]])"
        raise OpError(explain("block", problem, fix=fix))
    return 1 + depths.pop()


def _most_axes(arrays: Any) -> int:
    if isinstance(arrays, (list, tuple)):
        return max(_most_axes(part) for part in arrays)
    return np.ndim(arrays)


def _block(*arrays: Any) -> Any:
    """Join nested lists of blocks: the innermost along the last axis, each outer along the next."""
    depth = _depth(arrays)
    ndim = max(depth, _most_axes(arrays))

    def join(part: Any, level: int) -> Any:
        if level == 0:
            return reshape(part, (1,) * (ndim - np.ndim(part)) + np.shape(part))
        return concatenate([join(inner, level - 1) for inner in part], -level)

    return join(arrays, depth)


def _append(x: Any, values: Any, *, axis: int | None = None) -> Any:
    """Join values behind the array, both flattened for axis None."""
    return concatenate([x, values], axis)


_JOINED: dict[str, Any] = {
    "formula": "arrays joined",
    "latex": r"[x_1, x_2, \ldots]",
    "pattern": "route",
    "signature": "(m),(n)->(k)",
}
_SEVERAL: dict[str, Any] = {**_JOINED, "arguments": ("arrays",), "variadic": True}
column_stack = composite(
    _column_stack, functions=(np.column_stack,), order="arrays",
    cases=(case((3,), (3, 2)), case((), ())), **_SEVERAL,
)  # fmt: skip
dstack = composite(
    _dstack, functions=(np.dstack,), order="arrays",
    cases=(case((3,), (3,)), case((2, 3), (2, 3, 2)), case((), ())), **_SEVERAL,
)  # fmt: skip
block = composite(
    _block, functions=(np.block,), order="arrays", nested=True,
    cases=(case((2, 3), (2, 1)), case((), (2,)), case((2, 1), (1, 2, 3))), **_SEVERAL,
)  # fmt: skip
append = composite(
    _append, functions=(np.append,), order="x values axis",
    cases=(case((2, 3), (2,)), case((2, 3), (1, 3), axis=0), case((2,), ())), **_JOINED,
)  # fmt: skip
atleast_3d = composite(
    _atleast_3d, functions=(np.atleast_3d,), formula="x with axes of length 1", latex="x",
    pattern="reshape", signature="()->(n)",
    cases=(case(()), case((2,)), case((2, 3)), case((2, 3, 4))),
)  # fmt: skip


def _delete(x: Any, *, obj: Any, axis: int | None = None) -> Any:
    """Leave out elements along an axis, of the flattened array for axis None."""
    if axis is None:
        x, axis = ravel(x), 0
    kept = np.delete(range(x.shape[axis]), obj)
    return x[(*(slice(None),) * (axis % x.ndim), kept.astype(np.intp))]


def _insert(x: Any, values: Any, *, obj: Any, axis: int | None = None) -> Any:
    """Insert values before positions along an axis, of the flattened array for axis None."""
    if axis is None:
        x, axis = ravel(x), 0
    axis, length = axis % x.ndim, x.shape[axis]
    before = range(length)[obj] if isinstance(obj, slice) else obj
    if np.ndim(values) < x.ndim:
        values = reshape(values, (1,) * (x.ndim - np.ndim(values)) + np.shape(values))
    if np.ndim(before) == 0:
        # One position takes as many values as come, along the first of their axes.
        values = moveaxis(values, 0, axis)
        before = [before] * values.shape[axis]
    count = int(np.size(np.insert(range(length), before, 0))) - length
    values = broadcast_to(values, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
    if values.dtype != x.dtype:
        values = values.astype(x.dtype)
    # In the two joined, element `length + i` is the i-th new one.
    order = np.insert(range(length), before, range(length, length + count))
    joined = concatenate([x, values], axis)
    return joined[(*(slice(None),) * axis, order.astype(np.intp))]


delete = composite(
    _delete,
    functions=(np.delete,),
    order="x obj axis",
    formula="x without x[obj]",
    latex=r"x_{\bar I}",
    pattern="route",
    signature="(n)->(m)",
    cases=(
        case((4,), obj=1),
        case((3, 4), obj=(0, -1), axis=1),
        case((3, 4), obj=slice(None, None, 2), axis=0),
        case((2, 3), obj=4),
    ),
)
insert = composite(
    _insert,
    functions=(np.insert,),
    order="x obj values axis",
    formula="x with values before x[obj]",
    latex=r"[x_{<i}, v, x_{\ge i}]",
    pattern="route",
    signature="(n),(k)->(m)",
    cases=(
        case((4,), (), obj=1),
        case((4,), (3,), obj=-1),
        case((4,), (2,), obj=(0, 3)),
        case((4,), (2,), obj=(2, 2)),
        case((3, 2), (2,), obj=1, axis=0),
        case((3, 2), (3,), obj=1, axis=1),
        case((3, 2), (3, 2), obj=(0, 2), axis=-1),
        case((3, 2), (), obj=slice(0, 3, 2), axis=0),
        case((2, 2), (), obj=3),
    ),
)

# ------------------------------------------------------------------------------ cuts


def _array_split(x: Any, *, indices_or_sections: int | Sequence[int], axis: int = 0) -> Any:
    """Cut along an axis into parts of nearly equal length, the longer first; returns a list."""
    cuts: Any = indices_or_sections
    if isinstance(cuts, (int, np.integer)):
        if cuts < 1:
            raise OpError(
                explain("array_split", f"{cuts} is no number of parts", fix="ask for 1 or more")
            )
        each, more = divmod(x.shape[axis], int(cuts))
        cuts = [i * each + min(i, more) for i in range(1, int(cuts))]
    return split(x, cuts, axis)


def _chunk(x: Any, *, chunks: int, axis: int = 0) -> Any:
    """Cut along an axis into at most so many parts of equal length, the last shorter."""
    if chunks < 1:
        raise OpError(explain("chunk", f"{chunks} is no number of parts", fix="ask for 1 or more"))
    each = -(-x.shape[axis] // chunks)
    return split(x, list(range(each, x.shape[axis], each)) if each else [], axis)


def _hsplit(x: Any, *, indices_or_sections: Any) -> Any:
    """Cut along the second axis, a vector along its only one; returns a list."""
    axis = min(np.ndim(_of_axes(x, 1, "hsplit", "atleast_1d(x)")), 2) - 1
    return split(x, indices_or_sections, axis)


def _vsplit(x: Any, *, indices_or_sections: Any) -> Any:
    """Cut along the first axis; returns a list."""
    return split(_of_axes(x, 2, "vsplit", "split(x, ...)"), indices_or_sections, 0)


def _dsplit(x: Any, *, indices_or_sections: Any) -> Any:
    """Cut along the third axis; returns a list."""
    return split(_of_axes(x, 3, "dsplit", "split(x, ..., axis)"), indices_or_sections, 2)


_CUT: dict[str, Any] = {
    "formula": "parts of x",
    "latex": r"x_{[i:j]}",
    "pattern": "route",
    "signature": "(n)->(m),(k)",
}
array_split = composite(
    _array_split, functions=(np.array_split,), **_CUT,
    cases=(
        case((5, 2), indices_or_sections=3), case((2, 4), indices_or_sections=(1, 3), axis=-1),
        case((2,), indices_or_sections=3),
    ),
)  # fmt: skip
chunk = composite(_chunk, cases=(case((5, 2), chunks=3), case((2, 4), chunks=2, axis=1)), **_CUT)
hsplit = composite(
    _hsplit, functions=(np.hsplit,), **_CUT,
    cases=(case((2, 4), indices_or_sections=2), case((4,), indices_or_sections=(1,))),
)  # fmt: skip
vsplit = composite(
    _vsplit, functions=(np.vsplit,), cases=(case((4, 2), indices_or_sections=2),), **_CUT
)
dsplit = composite(
    _dsplit, functions=(np.dsplit,), cases=(case((1, 2, 4), indices_or_sections=2),), **_CUT
)

# ------------------------------------------------------------------------------ axes


def _unflatten(x: Any, *, axis: int, shape: Sequence[int]) -> Any:
    """Cut one axis into several; one of their lengths may be -1."""
    axis = axis % x.ndim
    known = int(np.prod([n for n in shape if n != -1]))
    lengths = [x.shape[axis] // max(known, 1) if n == -1 else n for n in shape]
    if int(np.prod(lengths)) != x.shape[axis]:
        raise OpError(
            explain(
                "unflatten",
                f"axis {axis} of length {x.shape[axis]} is not {tuple(shape)}",
                arguments=(("x", x),),
                fix="the product of the lengths must be that of the axis",
            )
        )
    return reshape(x, (*x.shape[:axis], *lengths, *x.shape[axis + 1 :]))


def _rollaxis(x: Any, *, axis: int, start: int = 0) -> Any:
    """Move an axis in front of another."""
    ndim = np.ndim(x)
    if not (-ndim <= axis < ndim and -ndim <= start <= ndim):
        problem = f"axis {axis} or start {start} is none of {ndim} axes"
        fix = f"give an axis below {ndim}, and a start up to {ndim}"
        raise OpError(explain("rollaxis", problem, arguments=(("x", x),), fix=fix))
    axis, start = axis % ndim, start + ndim if start < 0 else start
    return moveaxis(x, axis, start - 1 if axis < start else start)


_AXES: dict[str, Any] = {"latex": "x", "pattern": "reshape"}
unflatten = composite(
    _unflatten, formula="x with an axis cut into several", signature="(n)->(m,k)", **_AXES,
    cases=(case((6, 2), axis=0, shape=(2, 3)), case((2, 6), axis=-1, shape=(-1, 2))),
)  # fmt: skip
rollaxis = composite(
    _rollaxis, functions=(np.rollaxis,), formula="x with an axis moved", signature="(m,n)->(n,m)",
    order="x axis start", **_AXES,
    cases=(
        case((2, 3, 4), axis=2), case((2, 3, 4), axis=0, start=3),
        case((2, 3, 4), axis=1, start=-1),
    ),
)  # fmt: skip

repeat_interleave = repeat
"""PyTorch's name."""
