"""Rows for convolution in any number of dimensions, and for its transpose.

One mechanism serves them all. `windows` lays the windows of an image side by side and `overlap_add`
adds windows back into an image: each is the other's adjoint. A convolution is a matrix product
behind the first, a transposed convolution one in front of the second, and pooling (``pool.py``,
read it next) a reduction over the windows.

Both work on one axis at a time: a window of 5 × 5 costs 5 + 5 slices, not 25. Every function takes
images as (batch, channels, *spatial), and knows the number of spatial axes from the shape.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.core.op import OPS, Op, case, composite, fused, linear
from tinygrad_edu.errors import OpError, OpTypeError, explain

__all__ = [
    "col2im",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution",
    "depthwise_conv2d",
    "im2col",
    "overlap_add",
    "windows",
]

PerAxis = int | Sequence[int]
"""One number for all spatial axes, or one for each."""

Padding = str | int | Sequence[int] | Sequence[tuple[int, int]]
"""Zeros around the images: a number, one per axis, pairs (before, after), "same" or "valid"."""

Index = tuple[Any, ...]

BLOCK = 3 << 16
"""Elements of one block of windows: a block is worked through while the cache still holds it."""

# ------------------------------------------------------------------------------ where windows lie


class Frame(NamedTuple):
    """Where the windows of images lie, per spatial axis.

    Attributes
    ----------
    lengths, size, stride, dilation : tuple of int
        Of the image; of the window in elements; between windows; between elements of a window.
    pads : tuple of (int, int)
        Padding before and after.
    out : tuple of int
        How many windows there are.
    """

    lengths: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    out: tuple[int, ...]

    @property
    def around(self) -> tuple[int, ...]:
        """The shape that a value per window is reshaped to, to stand beside the windows."""
        return (*(1 for _ in self.size), *self.out)


def per_axis(op: str, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """Return one integer per spatial axis; refuse what is none.

    Parameters
    ----------
    op, name : str
        For the error: the row and its parameter.
    value : int or sequence of int
        What was given.
    count : int
        Number of spatial axes.
    least : int
        The smallest integer that makes sense.

    Raises
    ------
    OpError
        There are more or fewer numbers than axes, or one is too small or no integer.
    """
    several = isinstance(value, (tuple, list))
    found = tuple(value) if several else (value,) * count
    if len(found) != count or not all(_integer(v, least) for v in found):
        each = f" for each of {count} spatial axes" if several or count > 1 else ""
        example = least if count == 1 else (least,) * count
        raise OpError(
            explain(
                op,
                f"{name}={value!r} is not an integer of at least {least}{each}",
                fix=f"give one{' for all axes, or one for each' if each else ''}, as in "
                f"{name}={example}",
            )
        )
    return tuple(int(v) for v in found)


def _integer(value: Any, least: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return int(value) >= least


def frame_of(
    op: str,
    shape: Sequence[int],
    size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Frame:
    """Return where windows lie in images of a shape.

    Parameters
    ----------
    op : str
        The row that asks, for errors.
    shape : sequence of int
        Of the images, (batch, channels, *spatial).
    size, stride, padding, dilation
        See `windows`.
    ceil_mode : bool
        Whether a last window may reach beyond the padding; one that begins beyond the image and
        the padding before it is left out, as in PyTorch.

    Raises
    ------
    OpError
        The images have no spatial axis, a parameter makes no sense, or no window fits.
    """
    count = len(shape) - 2
    if count < 1:
        raise OpError(
            explain(
                op,
                f"images of shape {tuple(shape)} have no spatial axis",
                fix="use (batch, channels, height, width), as in x[:, None] for grey images",
            )
        )
    size = per_axis(op, "size", size, count)
    stride = per_axis(op, "stride", stride, count)
    dilation = per_axis(op, "dilation", dilation, count)
    lengths = tuple(shape[2:])
    reach = tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))
    pads = _pads(op, padding, lengths, reach, stride)
    out = []
    for length, (before, after), r, s in zip(lengths, pads, reach, stride, strict=True):
        room = before + length + after - r
        if room < 0:
            raise OpError(
                explain(
                    op,
                    f"a window of {by(reach)} does not fit into images of {by(lengths)} "
                    f"with padding {pads}",
                    fix="use a smaller window or dilation, or more padding",
                )
            )
        last = -(-room // s) if ceil_mode else room // s
        if ceil_mode and last * s >= before + length:
            last -= 1
        out.append(last + 1)
    return Frame(lengths, size, stride, dilation, pads, tuple(out))


def by(numbers: Sequence[int]) -> str:
    """Return lengths as text, such as ``3 × 4``."""
    return " × ".join(map(str, numbers))


def _pads(
    op: str,
    padding: Any,
    lengths: Sequence[int],
    reach: Sequence[int],
    stride: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """Return the padding before and after along each axis."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise OpError(
                explain(op, f"padding={padding!r}", fix="use 'same', 'valid', or numbers")
            )
        if padding == "valid":
            return ((0, 0),) * len(lengths)
        # As many windows as strides fit into the image, what is odd goes behind.
        totals = [
            max((-(-n // s) - 1) * s + r - n, 0)
            for n, r, s in zip(lengths, reach, stride, strict=True)
        ]
        return tuple((total // 2, total - total // 2) for total in totals)
    if not isinstance(padding, (tuple, list)) or not any(map(np.ndim, padding)):
        each = per_axis(op, "padding", padding, len(lengths), 0)
        return tuple((p, p) for p in each)
    pairs = [per_axis(op, "padding", pair, 2, 0) for pair in padding]
    if len(pairs) != len(lengths):
        raise OpError(
            explain(
                op,
                f"padding={padding!r} has {len(pairs)} pairs for {len(lengths)} spatial axes",
                fix="give (before, after) for each spatial axis",
            )
        )
    return tuple((before, after) for before, after in pairs)


# ------------------------------------------------------------------------------ cutting and adding


def _ground(frame: Frame, pool: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return per axis ``(step, lines, count)``: how the padded axis is seen by `cut`.

    With `pool`, neighbouring windows form groups of that size; `step` leads from one group to the
    next and `count` is the number of groups. The axis is `lines` lines of `step` elements: a window
    element then lies, for all groups, in one column of `count` neighbouring lines.
    """
    found = []
    for axis, q in enumerate(pool):
        step = frame.stride[axis] * q
        last = (q - 1) * frame.stride[axis] + (frame.size[axis] - 1) * frame.dilation[axis]
        count = frame.out[axis] // q
        found.append((step, last // step + count, count))
    return found


def _places(frame: Frame, pool: tuple[int, ...], axis: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(q, k, column, line)``: where element `k` of the q-th window of a group begins."""
    step = frame.stride[axis] * pool[axis]
    for q in range(pool[axis]):
        for k in range(frame.size[axis]):
            line, column = divmod(q * frame.stride[axis] + k * frame.dilation[axis], step)
            yield q, k, column, line


Scratch = dict[Any, Any]
"""Arrays that the blocks of one call use one after the other: fresh ones would be cleared first."""


def _room(scratch: Scratch | None, key: Any, shape: tuple[int, ...], like: Any) -> Any:
    """Return an array to write to, of the dtype of another: the one used before, if it fits."""
    room = None if scratch is None else scratch.get(key)
    if room is None or room.shape != shape:
        room = np.empty(shape, like.dtype, like=like)
        if scratch is not None:
            scratch[key] = room
    return room


def cut(
    x: Any, frame: Frame, pool: tuple[int, ...] | None = None, scratch: Scratch | None = None
) -> Any:
    """Return the windows of images, elements outside an image being 0.

    Parameters
    ----------
    x : array, shape (n, channels, *lengths)
        The images.
    frame : Frame
        Where the windows lie.
    pool : tuple of int, optional
        Sizes of groups of windows.
    scratch : dict, optional
        Where the result is written, if the last block's is no longer needed.

    Returns
    -------
    array, shape (*pool, n, channels, *size, *counts)
        Of each group's first window, then of each group's second one, and so on; without `pool`
        the first axes are missing and `counts` is ``frame.out``.
    """
    grouped = (1,) * len(frame.size) if pool is None else pool
    ground = _ground(frame, grouped)
    lines = tuple(step * count for step, count, _ in ground)
    x = _moved(x, (*x.shape[:2], *lines), [before for before, _ in frame.pads])
    axes = len(ground)
    split = np.reshape(x, (*x.shape[:2], *(n for s, count, _ in ground for n in (count, s))))
    # Columns before lines, so that what is taken from one column lies together.
    now = np.transpose(split, (0, 1, *(2 + 2 * i + j for i in range(axes) for j in (1, 0))))
    for done, axis in enumerate(reversed(range(axes))):
        count = ground[axis][2]
        rest: Index = (slice(None),) * done
        head, middle = now.shape[: done + 2], now.shape[done + 2 : now.ndim - 2 - done]
        tail = now.shape[now.ndim - done :]
        shape = (grouped[axis], *head, frame.size[axis], *middle, count, *tail)
        out = _room(scratch, axis, shape, x)
        before: Index = (slice(None),) * len(head)
        for q, k, column, line in _places(frame, grouped, axis):
            out[(q, *before, k)] = now[(..., column, slice(line, line + count), *rest)]
        now = out
    return np.reshape(now, now.shape[axes:]) if pool is None else now


def add_up(
    cols: Any, frame: Frame, channels: tuple[int, ...], pool: tuple[int, ...] | None = None
) -> Any:
    """Return images with the elements of their windows added up: the adjoint of `cut`.

    Parameters
    ----------
    cols : array
        Windows, in the layout of `cut`.
    frame : Frame
        Where the windows lie.
    channels : tuple of int
        The axes before the spatial ones, (n, channels).
    pool : tuple of int, optional
        As in `cut`.
    """
    grouped = (1,) * len(frame.size) if pool is None else pool
    ground = _ground(frame, grouped)
    axes = len(ground)
    now = np.reshape(cols, (*grouped, *channels, *frame.size, *(count for _, _, count in ground)))
    for axis, (step, lines, count) in enumerate(ground):
        left = axes - axis - 1  # axes still to be added up
        head, middle = now.shape[1 : left + 3], now.shape[left + 4 : now.ndim - left - 1]
        tail = now.shape[now.ndim - left :]
        out = np.zeros((*head, *middle, step, lines, *tail), cols.dtype, like=cols)
        before: Index = (slice(None),) * len(head)
        rest: Index = (slice(None),) * left
        for q, k, column, line in _places(frame, grouped, axis):
            spot = (..., column, slice(line, line + count), *rest)
            out[spot] += now[(q, *before, k)]
        now = out
    joined = np.transpose(now, (0, 1, *(2 + 2 * i + j for i in range(axes) for j in (1, 0))))
    image = np.reshape(joined, (*channels, *(step * lines for step, lines, _ in ground)))
    return _moved(image, (*channels, *frame.lengths), [-before for before, _ in frame.pads])


def _moved(x: Any, shape: tuple[int, ...], shift: Sequence[int]) -> Any:
    """Return images of another size, the content shifted, zeros where there was nothing."""
    if x.shape == shape and not any(shift):
        return x
    out = np.zeros(shape, x.dtype, like=x)
    to, of = [slice(None)] * 2, [slice(None)] * 2
    for n, m, s in zip(x.shape[2:], shape[2:], shift, strict=True):
        length = max(min(n - max(-s, 0), m - max(s, 0)), 0)
        to.append(slice(max(s, 0), max(s, 0) + length))
        of.append(slice(max(-s, 0), max(-s, 0) + length))
    out[tuple(to)] = x[tuple(of)]
    return out


# ------------------------------------------------------------------------------ the adjoint pair


def _windows(
    x: Any, *, size: PerAxis, stride: PerAxis = 1, padding: Padding = 0, dilation: PerAxis = 1
) -> Any:
    return cut(x, frame_of("windows", x.shape, size, stride, padding, dilation))


def _overlap_add(
    cols: Any,
    *,
    lengths: tuple[int, ...],
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
) -> Any:
    axes = len(lengths)
    size = cols.shape[2 : 2 + axes]
    shape = (*cols.shape[:2], *lengths)
    frame = frame_of("overlap_add", shape, size, stride, padding, dilation)
    if cols.shape[2 + axes :] != frame.out:
        raise OpError(
            explain(
                "overlap_add",
                f"images of {by(lengths)} have {by(frame.out)} windows of {by(size)}",
                arguments=(("cols", cols),),
                fix="give the lengths, stride, padding and dilation that the windows were cut with",
            )
        )
    return add_up(cols, frame, cols.shape[:2])


def _windows_vjp(g: Any, _y: Any, _x: Any, *, size: PerAxis, **rest: Any) -> Any:  # noqa: ARG001 - g has it
    return overlap_add(g, lengths=tuple(_x.shape[2:]), **rest)


windows: Op = linear(
    _windows,
    _windows_vjp,
    doc="The windows of images: shape (batch, channels, *size, *number of windows).",
    formula="windows of x",
    latex=r"x_{n,c,\,k + s i}",
    pattern="route",
    signature="(n,c,h,w)->(n,c,k,l,i,j)",
    policy="elements outside an image are 0",
    cases=(
        case((2, 3, 5), size=3),
        case((1, 2, 7), size=2, stride=2, padding=1, dilation=2),
        case((2, 1, 4, 5), size=(2, 3)),
        case((1, 2, 5, 6), size=3, stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2)),
        case((1, 1, 5, 5), size=2, stride=3, padding="same"),
        case((1, 2, 3, 4, 3), size=2, stride=(1, 2, 1), padding=(0, 0, 1)),
        case((0, 2, 4), size=2),
    ),
    batch="merge",
    local=("'Σ {g} over the windows of an element'",),
)

overlap_add: Op = linear(
    _overlap_add,
    lambda g, _y, _x, *, lengths, **rest: windows(
        g, size=tuple(_x.shape[2 : 2 + len(lengths)]), **rest
    ),
    doc="Windows added up into images of the given lengths: the adjoint of windows.",
    formula="windows added up",
    latex=r"\sum_{k + s i = j} c_{n,c,k,i}",
    pattern="route",
    signature="(n,c,k,l,i,j)->(n,c,h,w)",
    arguments=("cols",),
    cases=(
        case((2, 3, 3, 3), lengths=(5,)),
        case((1, 2, 2, 4), lengths=(7,), stride=2, padding=1, dilation=2),
        case((2, 1, 2, 3, 3, 3), lengths=(4, 5)),
        case((1, 2, 3, 3, 2, 4), lengths=(5, 6), stride=(2, 1), padding=((1, 0), (0, 2)),
             dilation=(1, 2)),
        case((1, 1, 1, 1, 1, 2, 3, 2), lengths=(2, 3, 2)),
    ),
    batch="merge",
    local=("'{g} at the places of the window'",),
)  # fmt: skip


def _im2col(x: Any, *, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0) -> Any:
    """Lay the windows of images as rows of a matrix, each row channel by channel (the book's)."""
    _four_axes(np.shape(x))
    cols = windows(x, size=(filter_h, filter_w), stride=stride, padding=pad)
    n, c, h, w, rows, columns = cols.shape
    return np.reshape(np.transpose(cols, (0, 4, 5, 1, 2, 3)), (n * rows * columns, c * h * w))


def _col2im(
    col: Any,
    *,
    input_shape: tuple[int, ...],
    filter_h: int,
    filter_w: int,
    stride: int = 1,
    pad: int = 0,
) -> Any:
    """Add rows of windows back into images, overlaps summed: the adjoint of im2col (the book's)."""
    _four_axes(input_shape)
    n, c = input_shape[:2]
    frame = frame_of("col2im", input_shape, (filter_h, filter_w), stride, pad)
    split = np.reshape(col, (n, *frame.out, c, *frame.size))
    cols = np.transpose(split, (0, 3, 4, 5, 1, 2))
    return overlap_add(cols, lengths=tuple(input_shape[2:]), stride=stride, padding=pad)


def _four_axes(shape: tuple[int, ...]) -> None:
    if len(shape) != 4:
        raise OpError(
            explain(
                "im2col",
                f"images have four axes, shape {shape} was given",
                fix="use (batch, channels, height, width), as in x[:, None] for grey images",
            )
        )


_BOOK: dict[str, Any] = {"pattern": "route", "signature": "(n,c,h,w)->(m,k)"}
im2col: Op = composite(
    _im2col,
    formula="rows of windows",
    latex=r"\mathrm{im2col}(x)",
    cases=(
        case((2, 3, 4, 5), filter_h=2, filter_w=3),
        case((1, 2, 5, 5), filter_h=3, filter_w=3, stride=2, pad=1),
        case((1, 1, 5, 4), filter_h=2, filter_w=2, stride=2),
    ),
    **_BOOK,
)
col2im: Op = composite(
    _col2im,
    formula="windows added up",
    latex=r"\mathrm{col2im}(c)",
    cases=(
        case((18, 18), input_shape=(2, 3, 4, 5), filter_h=2, filter_w=3),
        case((9, 18), input_shape=(1, 2, 5, 5), filter_h=3, filter_w=3, stride=2, pad=1),
    ),
    **{**_BOOK, "signature": "(m,k)->(n,c,h,w)"},
)

# ------------------------------------------------------------------------------ convolution

INCREASING = ("identity", "relu", "sigmoid", "tanh")
"""Activations that a convolution computes with itself; being increasing, they commute with max."""


def _activation(name: str | None) -> Op | None:
    if name is None or name == "identity":
        return None
    if name not in INCREASING:
        raise OpError(
            explain(
                "convolution",
                f"activation {name!r} cannot be fused",
                fix=f"use one of {', '.join(INCREASING)}, or apply the activation to the result",
            )
        )
    return OPS[name]


class _Plan(NamedTuple):
    """What a convolution does, from the shapes alone."""

    frame: Frame
    pool: tuple[int, ...]
    shape: tuple[int, ...]  # of the result
    weight: tuple[int, ...]  # (groups, maps per group, elements per window)
    block: int  # images in one block

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of results per map and image, for the windows of a group one after the other."""
        return tuple(n // q for n, q in zip(self.frame.out, self.pool, strict=True))


@functools.lru_cache(maxsize=256)
def _plan(
    x: tuple[int, ...],
    weight: tuple[int, ...],
    bias: tuple[int, ...] | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    pool: Any,
) -> _Plan:
    """Return the plan of a convolution; refuse shapes that do not fit together."""
    if len(x) != len(weight) or len(x) < 3:
        raise OpError(
            explain(
                "convolution",
                f"images of shape {x} and a weight of shape {weight}",
                fix="give images (batch, channels, *spatial) and a weight (maps, channels / "
                "groups, *window), with as many spatial axes; one grey image is x[None, None]",
            )
        )
    (groups,) = per_axis("convolution", "groups", groups, 1)
    if weight[1] * groups != x[1] or weight[0] % groups:
        raise OpError(
            explain(
                "convolution",
                f"images of {x[1]} channels and a weight of shape {weight} with groups={groups}",
                fix=f"the weight's second axis times groups must be {x[1]}, and groups must "
                f"divide its first axis, {weight[0]}",
            )
        )
    if bias is not None and bias != weight[:1]:
        raise OpError(
            explain(
                "convolution",
                f"a bias of shape {bias} for {weight[0]} maps",
                fix=f"give one number per map, shape ({weight[0]},)",
            )
        )
    frame = frame_of("convolution", x, weight[2:], stride, padding, dilation)
    pool = per_axis("convolution", "pool", pool, len(frame.out))
    counts = tuple(n // q for n, q in zip(frame.out, pool, strict=True))
    if 0 in counts:
        raise OpError(
            explain(
                "convolution",
                f"pooling by {by(pool)} of maps of {by(frame.out)} leaves nothing",
                fix="pool by less, or pad the images",
            )
        )
    width = math.prod(weight[1:])
    each = math.prod(counts) * math.prod(pool) * max(groups * width, weight[0])
    blocks = max(1, -(-x[0] * each // BLOCK))  # all of nearly one size, to use the same arrays
    return _Plan(
        frame,
        pool,
        (x[0], weight[0], *counts),
        (groups, weight[0] // groups, width),
        -(-x[0] // blocks) or 1,
    )


def _planned(x: Any, weight: Any, bias: Any, **params: Any) -> _Plan:
    shape = None if bias is None else tuple(bias.shape)
    hashable = [_frozen(params[k]) for k in ("stride", "padding", "dilation", "groups", "pool")]
    return _plan(tuple(x.shape), tuple(weight.shape), shape, *hashable)


def _frozen(value: Any) -> Any:
    """Return a parameter with tuples for lists, so that plans can be kept by it."""
    return tuple(_frozen(v) for v in value) if isinstance(value, (list, tuple)) else value


def _columns(x: Any, plan: _Plan, scratch: Scratch) -> Any:
    """Return the windows as matrices: (place in the pool, n, groups, window element, window)."""
    cols = cut(x, plan.frame, plan.pool, scratch)
    groups, _, width = plan.weight
    return np.reshape(cols, (math.prod(plan.pool), len(x), groups, width, math.prod(plan.counts)))


def _conv(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    activation: str | None = None,
    pool: PerAxis = 1,
) -> Any:
    row = _activation(activation)
    plan = _planned(
        x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, pool=pool
    )
    filters = np.reshape(weight, plan.weight)
    dtypes = [array.dtype for array in (x, weight, bias) if array is not None]
    y = np.empty(plan.shape, np.result_type(*dtypes), like=x)
    each = None if bias is None else np.reshape(bias, (-1,) + (1,) * len(plan.pool))
    scratch: Scratch = {}
    winners = []  # per block: which elements of each pool are largest
    for start in range(0, len(x), plan.block):
        best = y[start : start + plan.block]
        cols = _columns(x[start : start + plan.block], plan, scratch)
        shape = (*cols.shape[:3], filters.shape[1], cols.shape[4])
        if len(cols) == 1:
            np.matmul(filters, cols, out=np.reshape(best, shape))
        else:
            maps = np.matmul(filters, cols, out=_room(scratch, "maps", shape, y))
            maps = np.reshape(maps, (len(cols), *best.shape))
            np.maximum(maps[0], maps[1], out=best)
            for one in range(2, len(maps)):
                np.maximum(best, maps[one], out=best)
            winners.append(maps == best)
        if each is not None:
            best += each
        if row is not None:
            best[...] = row.forward(best)
    return y, winners


def _conv_joint(
    g: Any,
    y: Any,
    winners: Any,
    x: Any,
    weight: Any,
    _bias: Any,
    *,
    wanted: Sequence[bool],
    activation: str | None,
    **params: Any,
) -> tuple[Any, Any, Any]:
    row: Any = _activation(activation)
    params.pop("into")
    plan = _planned(x, weight, _bias, **params)
    filters = np.swapaxes(np.reshape(weight, plan.weight), 1, 2)
    groups, maps, width = plan.weight
    places, count = math.prod(plan.pool), math.prod(plan.counts)
    dx = np.zeros(x.shape, g.dtype, like=g) if wanted[0] else None
    dw = np.zeros(groups * maps * width, g.dtype, like=g) if wanted[1] else None
    db = np.zeros(groups * maps, g.dtype, like=g) if wanted[2] else None
    scratch: Scratch = {}
    for block, start in enumerate(range(0, len(x), plan.block)):
        part = slice(start, start + plan.block)
        d = g[part] if row is None else row.rules[0](g[part], y[part], None)
        n = len(d)
        if db is not None:
            db += np.sum(np.reshape(d, (n, groups * maps, count)), axis=(0, 2))
        if winners:
            ties = np.sum(winners[block], axis=0, dtype=np.min_scalar_type(places))
            # A nan wins nowhere: a count of 1 keeps a second warning away.
            shares = d / np.maximum(ties, 1).astype(g.dtype)
            d = _room(scratch, "d", winners[block].shape, g)
            np.multiply(shares, winners[block], out=d)
        d = np.reshape(d, (places, n, groups, maps, count))
        if dw is not None:
            cols = np.swapaxes(_columns(x[part], plan, scratch), -1, -2)
            products = _room(scratch, "products", (places, n, groups, maps, width), g)
            np.matmul(d, cols, out=products)
            ones = np.ones(places * n, g.dtype, like=g)
            dw += np.dot(ones, np.reshape(products, (places * n, groups * maps * width)))
        if dx is not None:
            products = _room(scratch, "back", (places, n, groups, width, count), g)
            np.matmul(filters, d, out=products)
            dx[part] = add_up(products, plan.frame, (n, x.shape[1]), plan.pool)
    return dx, (None if dw is None else np.reshape(dw, weight.shape)), db


def _conv_composite(
    x: Any, weight: Any, bias: Any, *, activation: str | None, pool: PerAxis, **params: Any
) -> Any:
    plan = _planned(x, weight, bias, pool=pool, **params)
    groups, _, width = plan.weight
    window = {name: params[name] for name in ("stride", "padding", "dilation")}
    cols = windows(x, size=plan.frame.size, **window)
    cols = np.reshape(cols, (x.shape[0], groups, width, math.prod(plan.frame.out)))
    y = np.matmul(np.reshape(weight, plan.weight), cols)
    y = np.reshape(y, (x.shape[0], weight.shape[0], *plan.frame.out))
    if bias is not None:
        y = y + np.reshape(bias, (-1,) + (1,) * len(plan.pool))
    row = _activation(activation)
    y = y if row is None else row(y)
    return y if math.prod(plan.pool) == 1 else OPS["max_pool"](y, size=plan.pool)


_CONVOLUTION: dict[str, Any] = {
    "formula": "Σ x[i·stride + k·dilation] weight[k] + bias",
    "latex": r"y_{n,m,i} = b_m + \sum_{c,k} w_{m,c,k}\, x_{n,c,\,s i + d k - p}",
    "pattern": "matmul",
    "signature": "(n,c,h,w),(m,c,k,l),(m)->(n,m,i,j)",
    "optional": ("bias",),
}

_FAR = (
    np.sin(15.6 * np.arange(60.0)).reshape(1, 2, 5, 6),
    np.cos(3.5 * np.arange(16.0)).reshape(2, 2, 2, 2),
)

convolution = fused(
    _conv,
    _conv_joint,
    _conv_composite,
    name="convolution",
    doc="Convolution over all spatial axes, with optional activation and max pooling behind it.",
    policy="pool= takes the largest of each group of that size, what is left over at the ends is "
    "dropped; equal largest elements share the gradient equally",
    cases=(
        case((2, 3, 6), (4, 3, 3), (4,)),
        case((2, 2, 5, 4), (3, 2, 2, 3), (3,)),
        case((2, 2, 5, 4), (3, 2, 2, 3), None),
        case((1, 2, 5, 6), (2, 2, 3, 2), (2,), stride=(2, 1), padding=1, dilation=(1, 2)),
        case((2, 4, 4, 4), (6, 2, 2, 2), (6,), groups=2, padding="same"),
        case((1, 3, 4, 4), (3, 1, 2, 2), None, groups=3, stride=2),
        case((1, 2, 3, 3, 4), (2, 2, 2, 2, 2), (2,), padding=((0, 1), (1, 0), (0, 0))),
        case((2, 1, 6, 7), (2, 1, 2, 3), (2,), activation="tanh"),
        # Fixed numbers: in no pool are the two largest near each other.
        case(_FAR[0], _FAR[1], (2,), activation="sigmoid", pool=2),
        case(_FAR[0], _FAR[1][:, :1], None, stride=(1, 2), groups=2, padding=1, pool=(3, 2)),
        case((1, 1, 1, 1), (1, 1, 1, 1), (1,)),
    ),
    **_CONVOLUTION,
    local=(
        "'Σ {g} {weight} over the windows of an element'",
        "'Σ {g} {x} over images and places'",
        "'Σ {g} over images and places'",
    ),
)


def _of_dimension(row: Op, name: str, axes: Sequence[str], **facts: Any) -> Op:
    """Return a row of convolution for images of a fixed number of spatial axes."""

    def fixed(x: Any, weight: Any, bias: Any = None, **params: Any) -> Any:
        if np.ndim(x) != len(axes) + 2 or np.ndim(weight) != len(axes) + 2:
            raise OpError(
                explain(
                    name,
                    f"images and weight must have {len(axes) + 2} axes each",
                    arguments=(("x", x), ("weight", weight)),
                    fix=f"give images (batch, channels, {', '.join(axes)}); one image alone is "
                    "x[None]",
                )
            )
        return row(x, weight, bias, **params)

    return composite(fixed, name=name, params=row.params, **facts)


def _depthwise_conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
) -> Any:
    """Convolve each channel with filters of its own; the weight is (maps, 1, height, width)."""
    return conv2d(
        x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=x.shape[1]
    )


_AXES = ("depth", "height", "width")

conv1d = _of_dimension(
    convolution,
    "conv1d",
    ("length",),
    doc="Convolution of signals (batch, channels, length); see convolution.",
    cases=(case((2, 3, 6), (4, 3, 3), (4,)), case((2, 2, 6), (2, 2, 2), None, stride=2)),
    **{**_CONVOLUTION, "signature": "(n,c,w),(m,c,l),(m)->(n,m,j)"},
)
conv2d = _of_dimension(
    convolution,
    "conv2d",
    _AXES[1:],
    doc="Convolution of images (batch, channels, height, width); see convolution.",
    cases=(
        case((2, 2, 5, 4), (3, 2, 2, 3), (3,)),
        case((1, 2, 5, 4), (3, 2, 2, 3), None, padding="same", dilation=2),
    ),
    **_CONVOLUTION,
)
conv3d = _of_dimension(
    convolution,
    "conv3d",
    _AXES,
    doc="Convolution of volumes (batch, channels, depth, height, width); see convolution.",
    cases=(case((1, 2, 3, 3, 4), (2, 2, 2, 2, 2), (2,)),),
    **{**_CONVOLUTION, "signature": "(n,c,d,h,w),(m,c,j,k,l),(m)->(n,m,o,p,q)"},
)
depthwise_conv2d = composite(
    _depthwise_conv2d,
    cases=(
        case((2, 3, 4, 4), (6, 1, 2, 2), (6,)),
        case((1, 2, 4, 5), (2, 1, 3, 3), None, padding=1),
    ),
    **{**_CONVOLUTION, "signature": "(n,c,h,w),(m,o,k,l),(m)->(n,m,i,j)"},
)

# ------------------------------------------------------------------------------ its transpose


def _conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Any:
    """Transpose the convolution that has this weight: each input element adds a window."""
    lengths = _lengths(
        np.shape(x), np.shape(weight), stride, padding, output_padding, dilation, groups
    )
    n, maps, *out = x.shape
    width = math.prod(weight.shape[1:])
    filters = np.reshape(weight, (groups, maps // groups, width))
    flat = np.reshape(x, (n, groups, maps // groups, math.prod(out)))
    cols = np.matmul(np.swapaxes(filters, 1, 2), flat)
    size = weight.shape[2:]
    cols = np.reshape(cols, (n, groups * weight.shape[1], *size, *out))
    y = overlap_add(cols, lengths=lengths, stride=stride, padding=padding, dilation=dilation)
    return y if bias is None else y + np.reshape(bias, (-1,) + (1,) * len(size))


def _lengths(
    x: tuple[int, ...],
    weight: tuple[int, ...],
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: int,
) -> tuple[int, ...]:
    """Return the lengths of the result of a transposed convolution; refuse what does not fit."""
    op, count = "conv_transpose", len(x) - 2
    (groups,) = per_axis(op, "groups", groups, 1)
    if count < 1 or len(weight) != len(x) or weight[0] != x[1] or x[1] % groups:
        raise OpError(
            explain(
                op,
                f"images of shape {x} and a weight of shape {weight} with groups={groups}",
                fix="give images (batch, maps, *spatial) and a weight (maps, channels / groups, "
                "*window), with as many spatial axes, and groups that divide the maps",
            )
        )
    stride = per_axis(op, "stride", stride, count)
    dilation = per_axis(op, "dilation", dilation, count)
    extra = per_axis(op, "output_padding", output_padding, count, 0)
    if isinstance(padding, str):
        raise OpTypeError(
            explain(
                op,
                f"padding={padding!r}: several lengths of the result would fit",
                fix="give the padding of the convolution that is transposed in numbers",
            )
        )
    pads = _pads(op, padding, x[2:], weight[2:], stride)
    lengths = []
    for n, k, s, d, e, pad in zip(x[2:], weight[2:], stride, dilation, extra, pads, strict=True):
        if e >= s:
            raise OpError(
                explain(
                    op,
                    f"output_padding={output_padding!r} with stride={stride}",
                    fix="output_padding chooses among the lengths that one stride leaves open: "
                    "use less than the stride",
                )
            )
        lengths.append((n - 1) * s + d * (k - 1) + 1 + e - sum(pad))
    if min(lengths) < 1:
        raise OpError(
            explain(
                op,
                f"the result would have the lengths {by(lengths)}",
                fix="pad less: padding= is that of the convolution that is transposed, and cuts "
                "the result here",
            )
        )
    return tuple(lengths)


_TRANSPOSED: dict[str, Any] = {
    "formula": "windows x weight added up, + bias",
    "latex": r"y_{n,c,j} = b_c + \sum_{s i + d k - p = j} \sum_m w_{m,c,k}\, x_{n,m,i}",
    "pattern": "matmul",
    "signature": "(n,m,h,w),(m,c,k,l),(c)->(n,c,i,j)",
    "optional": ("bias",),
}

conv_transpose = composite(
    _conv_transpose,
    cases=(
        case((2, 3, 4), (3, 2, 3), (2,), stride=2, padding=1, output_padding=1),
        case((2, 2, 3, 2), (2, 3, 2, 2), (3,)),
        case((1, 4, 2, 3), (4, 2, 3, 2), None, groups=2, stride=(1, 2), dilation=(2, 1)),
        case((1, 2, 2, 2, 1), (2, 1, 2, 1, 2), (1,), padding=((1, 0), (0, 0), (0, 1))),
    ),
    **_TRANSPOSED,
)
conv_transpose1d = _of_dimension(
    conv_transpose,
    "conv_transpose1d",
    ("length",),
    doc="Transposed convolution of signals (batch, maps, length); see conv_transpose.",
    cases=(case((2, 3, 4), (3, 2, 3), (2,), stride=2, padding=1, output_padding=1),),
    **{**_TRANSPOSED, "signature": "(n,m,w),(m,c,l),(c)->(n,c,j)"},
)
conv_transpose2d = _of_dimension(
    conv_transpose,
    "conv_transpose2d",
    _AXES[1:],
    doc="Transposed convolution of images (batch, maps, height, width); see conv_transpose.",
    cases=(
        case((2, 2, 3, 2), (2, 3, 2, 2), (3,)),
        case((1, 2, 2, 2), (2, 1, 2, 2), None, stride=2),
    ),
    **_TRANSPOSED,
)
conv_transpose3d = _of_dimension(
    conv_transpose,
    "conv_transpose3d",
    _AXES,
    doc="Transposed convolution of volumes (batch, maps, depth, height, width).",
    cases=(case((1, 2, 2, 2, 1), (2, 1, 2, 1, 2), (1,)),),
    **{**_TRANSPOSED, "signature": "(n,m,d,h,w),(m,c,j,k,l),(c)->(n,c,o,p,q)"},
)
