"""Rows that move elements without changing them: each is linear, and stands beside its adjoint.

The engine itself uses four of them: ``identity``, ``sum_to``, ``broadcast_to``, ``astype``.
Read ``elementwise.py`` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, linear
from tinygrad_edu.errors import OpError, explain

__all__ = [
    "asanyarray",
    "ascontiguousarray",
    "asfortranarray",
    "astype",
    "atleast_1d",
    "atleast_2d",
    "broadcast_to",
    "cat",
    "concat",
    "concatenate",
    "copy",
    "expand",
    "expand_dims",
    "flatten",
    "hstack",
    "identity",
    "moveaxis",
    "movedim",
    "narrow",
    "permute",
    "permute_dims",
    "ravel",
    "reshape",
    "row_stack",
    "split",
    "squeeze",
    "stack",
    "sum_to",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unbind",
    "unsqueeze",
    "unstack",
    "vstack",
]

# ------------------------------------------------------------------------------ the engine's own


def _identity(x: Any) -> Any:
    return x


identity = linear(
    _identity,
    lambda g, _y, _x: g,
    doc="The same value, in the same memory, on a node of its own.",
    formula="x",
    latex="x",
    pattern="copy",
    signature="()->()",
    cases=(case((2, 3)), case(())),
    local=("g",),
)


def _copy(x: Any) -> Any:
    return x.copy()


copy = linear(
    _copy,
    lambda g, _y, _x: g,
    doc="The same value in memory of its own.",
    formula="x",
    latex="x",
    pattern="copy",
    signature="()->()",
    functions=(np.copy,),
    order="x order subok",
    cases=(case((2, 3)), case(())),
    local=("g",),
)


def _sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    if x.shape == shape:
        return x
    extra = x.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, n in enumerate(shape) if n == 1 and x.shape[extra + i] != 1
    )
    total = x.sum(axis=axes, keepdims=True)
    if total.shape[extra:] != shape:
        raise OpError(
            explain(
                "sum_to",
                f"shape {x.shape} is not what {shape} broadcasts to",
                fix="give a shape that np.broadcast_to can bring to that of x",
            )
        )
    return total.reshape(shape)


def _broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(x, shape)


def _sum_to_batch(row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Sum each example to the shape, which is given as many axes as the example has."""
    (x,), shape = arrays, params["shape"]
    ones = (1,) * (x.ndim - 1 - len(shape))
    return np.reshape(row(x, (len(x), *ones, *shape)), (len(x), *shape))


def _broadcast_to_batch(
    row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any
) -> Any:
    """Repeat each example; the axes that it has not are put behind that of the batch."""
    (x,), shape = arrays, params["shape"]
    ones = (1,) * (len(shape) - x.ndim + 1)
    return row(np.reshape(x, (len(x), *ones, *x.shape[1:])), (len(x), *shape))


sum_to = linear(
    _sum_to,
    lambda g, _y, _x, **_params: np.broadcast_to(g, _x.shape),
    doc="Sum over the axes along which `shape` was broadcast: the adjoint of broadcast_to.",
    formula="sum of x over broadcast axes",
    latex=r"\sum_{\mathrm{broadcast}} x",
    pattern="sum",
    signature="(n)->(m)",
    cases=(
        case((2, 3), shape=(3,)),
        case((2, 3), shape=(2, 1)),
        case((4, 2, 3), shape=(1, 3)),
        case((2, 3), shape=()),
    ),
    batch=_sum_to_batch,
    local=("'{g}, repeated to the shape of {x}'",),
)

broadcast_to = linear(
    _broadcast_to,
    lambda g, _y, _x, **_params: sum_to(g, shape=_x.shape),
    doc="Repeat along new axes and axes of length 1.",
    formula="x repeated to shape",
    latex=r"x \text{ repeated}",
    pattern="copy",
    signature="(m)->(n)",
    functions=(np.broadcast_to,),
    order="x shape subok",
    cases=(case((3,), shape=(2, 3)), case((2, 1), shape=(4, 2, 3)), case((), shape=(2,))),
    batch=_broadcast_to_batch,
    local=("'Σ {g} over the repeated axes'",),
)


def _astype(x: Any, *, dtype: Any) -> Any:
    return x.astype(dtype)


astype = linear(
    _astype,
    # The sweep brings a cotangent back to the dtype of its primal, here as everywhere.
    lambda g, _y, _x, **_params: g,
    doc="Convert to another dtype.",
    formula="x as dtype",
    latex="x",
    pattern="copy",
    signature="()->()",
    functions=(np.astype,),
    order="x dtype copy device",
    cases=(case((2, 3), dtype=np.float64),),
    local=("g",),
)

# ------------------------------------------------------------------------------ new shapes


def _reshape(x: Any, *, shape: int | tuple[int, ...]) -> Any:
    return np.reshape(x, shape)


reshape = linear(
    _reshape,
    lambda g, _y, _x, **_params: np.reshape(g, _x.shape),
    doc="The same elements in another shape; one length may be -1.",
    formula="x in another shape",
    latex=r"\mathrm{reshape}(x)",
    pattern="reshape",
    signature="(n)->(m)",
    functions=(np.reshape,),
    order="x shape order copy",
    cases=(
        case((2, 3), shape=(3, 2)),
        case((2, 3), shape=-1),
        case((1,), shape=()),
        case((0, 3), shape=(3, 0)),
    ),
    batch="reshape",
    local=("'{g}, in the shape of {x}'",),
)


def _ravel(x: Any) -> Any:
    """Put all elements on one axis."""
    return reshape(x, -1)


def _flatten(x: Any, *, start_axis: int = 0) -> Any:
    """Join the axes from `start_axis` on into one."""
    return reshape(x, (*x.shape[:start_axis], int(np.prod(x.shape[start_axis:]))))


_JOINED: dict[str, Any] = {
    "formula": "x on one axis",
    "latex": r"\mathrm{vec}(x)",
    "pattern": "reshape",
    "signature": "(m,n)->(k)",
}
ravel = composite(
    _ravel, functions=(np.ravel,), order="x order", cases=(case((2, 3)), case(())), **_JOINED
)
flatten = composite(_flatten, cases=(case((2, 3, 4), start_axis=1), case((2, 3))), **_JOINED)


def _expand_dims(x: Any, *, axis: int | tuple[int, ...]) -> Any:
    return np.expand_dims(x, axis)


expand_dims = linear(
    _expand_dims,
    lambda g, _y, _x, **_params: np.reshape(g, _x.shape),
    doc="Insert axes of length 1.",
    formula="x with new axes",
    latex="x",
    pattern="reshape",
    signature="(n)->(1,n)",
    functions=(np.expand_dims,),
    cases=(case((2, 3), axis=0), case((2, 3), axis=-1), case((3,), axis=(0, 2))),
    batch="reshape",
    local=("'{g}, in the shape of {x}'",),
)


def _squeeze(x: Any, *, axis: int | tuple[int, ...] | None = None) -> Any:
    return np.squeeze(x, axis)


squeeze = linear(
    _squeeze,
    lambda g, _y, _x, **_params: np.reshape(g, _x.shape),
    doc="Remove axes of length 1.",
    formula="x without axes of length 1",
    latex="x",
    pattern="reshape",
    signature="(1,n)->(n)",
    functions=(np.squeeze,),
    cases=(case((1, 3, 1)), case((1, 3, 1), axis=0), case((1, 3, 1), axis=(0, -1))),
    batch="reshape",
    local=("'{g}, in the shape of {x}'",),
)


def _atleast_1d(x: Any) -> Any:
    """Give a scalar one axis."""
    return x if np.ndim(x) >= 1 else reshape(x, (1,))


def _atleast_2d(x: Any) -> Any:
    """Give a scalar or a vector two axes, a vector becoming a row."""
    return x if np.ndim(x) >= 2 else reshape(x, (1, -1))


_AT_LEAST: dict[str, Any] = {
    "formula": "x with axes in front",
    "latex": "x",
    "pattern": "reshape",
    "signature": "()->(n)",
}
atleast_1d = composite(
    _atleast_1d, functions=(np.atleast_1d,), cases=(case(()), case((2,))), **_AT_LEAST
)
atleast_2d = composite(
    _atleast_2d, functions=(np.atleast_2d,), cases=(case(()), case((2,))), **_AT_LEAST
)


# ------------------------------------------------------------------------------ order of axes


def _transpose(x: Any, *, axes: tuple[int, ...] | None = None) -> Any:
    return np.transpose(x, axes)


def _inverse(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return the permutation that undoes `axes`."""
    if axes is None:
        return None
    back = [0] * len(axes)
    for position, axis in enumerate(axes):
        back[axis % len(axes)] = position
    return tuple(back)


def _transpose_batch(row: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Permute the axes of the examples."""
    (x,), axes = arrays, params["axes"]
    ndim = x.ndim - 1
    order = range(ndim)[::-1] if axes is None else [i % ndim for i in axes]
    return row(x, (0, *(i + 1 for i in order)))


transpose = linear(
    _transpose,
    lambda g, _y, _x, *, axes: np.transpose(g, _inverse(axes)),
    doc="Permute the axes; reverse them by default.",
    formula="x with axes permuted",
    latex=r"x^{\mathsf T}",
    pattern="reshape",
    signature="(m,n)->(n,m)",
    functions=(np.transpose, np.permute_dims),
    cases=(case((2, 3)), case((2, 3, 4), axes=(1, 2, 0)), case((2, 3, 4), axes=(-1, 0, 1))),
    batch=_transpose_batch,
    local=("'{g}, its axes permuted back'",),
)


def _swapaxes(x: Any, *, axis1: int, axis2: int) -> Any:
    return np.swapaxes(x, axis1, axis2)


swapaxes = linear(
    _swapaxes,
    lambda g, _y, _x, *, axis1, axis2: np.swapaxes(g, axis1, axis2),
    doc="Exchange two axes.",
    formula="x with two axes exchanged",
    latex="x",
    pattern="reshape",
    signature="(m,n)->(n,m)",
    functions=(np.swapaxes,),
    cases=(case((2, 3, 4), axis1=0, axis2=-1),),
    batch="axes",
    local=("'{g}, the two axes exchanged back'",),
)


def _moveaxis(x: Any, *, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Any:
    return np.moveaxis(x, source, destination)


moveaxis = linear(
    _moveaxis,
    lambda g, _y, _x, *, source, destination: np.moveaxis(g, destination, source),
    doc="Move axes to new positions; the others keep their order.",
    formula="x with axes moved",
    latex="x",
    pattern="reshape",
    signature="(m,n)->(n,m)",
    functions=(np.moveaxis,),
    cases=(
        case((2, 3, 4), source=0, destination=-1),
        case((2, 3, 4), source=(0, 1), destination=(1, 2)),
    ),
    batch="axes",
    local=("'{g}, its axes moved back'",),
)

# ------------------------------------------------------------------------------ joining and cutting


def _concatenate(*arrays: Any, axis: int | None = 0) -> Any:
    return np.concatenate(arrays, axis)


def _cut(
    g: Any,
    _y: Any,
    _saved: Any,
    *_primals: Any,
    wanted: Sequence[bool],
    axis: int | None,
    **_rest: Any,
) -> list[Any]:
    """Return for each array its part of the cotangent."""
    parts, start = [], 0
    for primal, want in zip(_primals, wanted, strict=True):
        length = primal.size if axis is None else primal.shape[axis]
        where: list[Any] = [slice(None)] * g.ndim
        where[0 if axis is None else axis] = slice(start, start + length)
        start += length
        part = g[tuple(where)] if want else None
        parts.append(part if part is None or axis is not None else np.reshape(part, primal.shape))
    return parts


def _concatenate_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Join the examples; an array that all share is repeated for each."""
    size = next(len(a) for a, moves in zip(arrays, batched, strict=True) if moves)
    every = [
        a if moves else np.broadcast_to(a, (size, *np.shape(a)))
        for a, moves in zip(arrays, batched, strict=True)
    ]
    axis = params["axis"]
    if axis is None:
        return row([np.reshape(a, (size, int(np.prod(a.shape[1:])))) for a in every], 1)
    return row(every, axis + 1 if axis >= 0 else axis)


concatenate = linear(
    _concatenate,
    joint=_cut,
    arguments=("arrays",),
    variadic=True,
    doc="Join along an axis that exists; along the first, flattened, for axis None.",
    formula="arrays joined along axis",
    latex=r"[x_1, x_2, \ldots]",
    pattern="route",
    signature="(m),(n)->(k)",
    functions=(np.concatenate,),
    order="arrays axis out dtype casting",
    cases=(
        case((2, 3), (4, 3)),
        case((2, 3), (2, 1), (2, 2), axis=-1),
        case((2, 3), (4,), axis=None),
        case((0, 3), (2, 3)),
    ),
    batch=_concatenate_batch,
    local=("'the part of {g} where {arrays} stands'",),
)


def _stack(*arrays: Any, axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis."""
    return concatenate([np.expand_dims(array, axis) for array in arrays], axis)


def _vstack(*arrays: Any) -> Any:
    """Join along the first axis, vectors as rows."""
    return concatenate([_atleast_2d(array) for array in arrays], 0)


def _hstack(*arrays: Any) -> Any:
    """Join along the second axis, vectors end to end."""
    return concatenate(
        [_atleast_1d(array) for array in arrays], 0 if np.ndim(arrays[0]) <= 1 else 1
    )


_STACKED: dict[str, Any] = {
    "formula": "arrays joined",
    "latex": r"[x_1, x_2, \ldots]",
    "pattern": "route",
    "signature": "(m),(n)->(k)",
    "arguments": ("arrays",),
    "variadic": True,
}
stack = composite(
    _stack, functions=(np.stack,), order="arrays axis out dtype casting",
    cases=(case((2, 3), (2, 3)), case((2, 3), (2, 3), axis=-1)), **_STACKED,
)  # fmt: skip
vstack = composite(
    _vstack, functions=(np.vstack,), order="arrays dtype casting",
    cases=(case((3,), (2, 3)),), **_STACKED,
)  # fmt: skip
hstack = composite(
    _hstack, functions=(np.hstack,), order="arrays dtype casting",
    cases=(case((3,), (2,)), case((2, 3), (2, 1))), **_STACKED,
)  # fmt: skip


def _split(x: Any, *, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut along an axis into equal parts, or before the given indices; returns a list."""
    length = x.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        if indices_or_sections < 1 or length % indices_or_sections:
            raise OpError(
                explain(
                    "split",
                    f"axis {axis} of length {length} cannot be cut into {indices_or_sections} "
                    "equal parts",
                    arguments=(("x", x),),
                    fix="give the indices to cut before, as in split(x, [2, 5])",
                )
            )
        part = length // indices_or_sections
        cuts = [part * i for i in range(1, int(indices_or_sections))]
    else:
        cuts = list(indices_or_sections)
    before = (slice(None),) * (axis % x.ndim)
    return [
        x[(*before, slice(start, stop))]
        for start, stop in zip([0, *cuts], [*cuts, None], strict=True)
    ]


def _unbind(x: Any, *, axis: int = 0) -> tuple[Any, ...]:
    """Cut into slices along an axis, which is removed; returns a tuple."""
    before = (slice(None),) * (axis % x.ndim)
    return tuple(x[(*before, i)] for i in range(x.shape[axis]))


_CUT: dict[str, Any] = {
    "formula": "parts of x",
    "latex": r"x_{[i:j]}",
    "pattern": "route",
    "signature": "(n)->(m),(k)",
}
split = composite(
    _split, functions=(np.split,),
    cases=(
        case((4, 3), indices_or_sections=2),
        case((2, 5), indices_or_sections=(1, 3), axis=1),
    ), **_CUT,
)  # fmt: skip
unbind = composite(
    _unbind, functions=(np.unstack,) if hasattr(np, "unstack") else (),
    cases=(case((3, 2)), case((2, 3), axis=-1)), **_CUT,
)  # fmt: skip


def _narrow(x: Any, *, axis: int, start: int, length: int) -> Any:
    """Take `length` slices along an axis, from `start` on."""
    size = np.shape(x)[axis]
    first = start + size if start < 0 else start
    if not 0 <= first <= first + length <= size:
        raise OpError(
            explain(
                "narrow",
                f"axis {axis} of length {size} has no {length} slices from {start} on",
                arguments=(("x", x),),
                fix="start and length together may not be longer than the axis",
            )
        )
    return x[(*(slice(None),) * (axis % np.ndim(x)), slice(first, first + length))]


def _t(x: Any) -> Any:
    """Transpose a matrix; a vector stays as it is."""
    if np.ndim(x) > 2:
        raise OpError(
            explain(
                "t",
                f"x has {np.ndim(x)} axes",
                arguments=(("x", x),),
                fix="say which axes to exchange, as in swapaxes(x, -1, -2)",
            )
        )
    return transpose(x)


narrow = composite(
    _narrow, formula="x[start : start + length]", latex=r"x_{s}, \ldots, x_{s + l - 1}",
    pattern="route", signature="(n)->(m)",
    cases=(
        case((5,), axis=0, start=1, length=3), case((2, 4), axis=-1, start=-2, length=2),
        case((3, 2), axis=0, start=3, length=0),
    ),
)  # fmt: skip
t = composite(
    _t, formula="xᵀ", latex="x^T", pattern="reshape", signature="(m,n)->(n,m)",
    cases=(case((2, 3)), case((3,)), case(())),
)  # fmt: skip

cat, permute, unsqueeze, expand = concatenate, transpose, expand_dims, broadcast_to
swapdims, movedim, unstack = swapaxes, moveaxis, unbind
"""PyTorch's names."""

concat, permute_dims, row_stack = concatenate, transpose, vstack
asanyarray, ascontiguousarray, asfortranarray = identity, identity, identity
"""NumPy's other names; a tensor is an array already, and how it lies in memory is no one's care."""
