"""Rows that make images smaller or larger: pooling, upsampling, pixel shuffle.

A pooling reduces the windows of ``conv.py``; here is how, and who gets the gradient. All rows take
images as (batch, channels, *spatial), with any number of spatial axes. Read ``fused.py`` next.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, Op, case, composite, linear, op
from tinygrad_edu.errors import OpError, explain
from tinygrad_edu.ops.conv import (
    Frame,
    Padding,
    PerAxis,
    by,
    frame_of,
    overlap_add,
    per_axis,
    windows,
)

__all__ = [
    "adaptive_avg_pool",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "blend",
    "global_avg_pool",
    "global_max_pool",
    "interpolate",
    "lp_pool",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
]

# ------------------------------------------------------------------------------ windows of a pool


def _frame(
    name: str,
    shape: Sequence[int],
    size: PerAxis,
    stride: PerAxis | None,
    padding: Padding,
    dilation: PerAxis,
    ceil_mode: bool,
) -> Frame:
    """Return where the windows of a pool lie, side by side by default, the padding in pairs.

    The padding is what the windows reach, no more: a last window that reaches beyond the padding
    (ceil_mode) has more of it, and what no window reaches has none.
    """
    stride = size if stride is None else stride
    frame = frame_of(name, shape, size, stride, padding, dilation, ceil_mode)
    pads = []
    for length, k, s, d, (before, _), out in zip(*frame, strict=True):
        starts = range(-before, out * s - before, s)
        if any(all(not 0 <= i + j * d < length for j in range(k)) for i in starts):
            raise OpError(
                explain(
                    name,
                    f"of {by(frame.out)} windows of {by(frame.size)} over images of "
                    f"{by(frame.lengths)} one lies in the padding {frame.pads} alone",
                    fix="pad by less than the window",
                )
            )
        pads.append((before, max(starts[-1] + d * (k - 1) + 1 - length, 0)))
    return frame._replace(pads=tuple(pads))


def _window(frame: Frame) -> dict[str, Any]:
    """Return the parameters of `windows`, and of `overlap_add`, for these windows."""
    return {"stride": frame.stride, "padding": frame.pads, "dilation": frame.dilation}


def _across(frame: Frame) -> tuple[int, ...]:
    """Return the axes of the windows' elements in what `windows` returns."""
    return tuple(range(2, 2 + len(frame.size)))


def _spread(g: Any, frame: Frame) -> Any:
    """Return a value per window in a shape that stands beside the windows' elements."""
    return np.reshape(g, (*g.shape[:2], *frame.around))


def _reduced(x: Any, frame: Frame, ufunc: Any, outside: Any) -> Any:
    """Return what a ufunc of two arguments makes of each window's elements.

    One axis after the other: a window of 3 × 3 takes 2 + 2 calls, not 8.
    """
    if any(map(any, frame.pads)):
        lengths = [n + sum(pad) for n, pad in zip(frame.lengths, frame.pads, strict=True)]
        image = np.empty((*x.shape[:2], *lengths), x.dtype, like=x)
        image[...] = outside
        pairs = zip(frame.lengths, frame.pads, strict=True)
        middle: tuple[Any, ...] = tuple(slice(before, before + n) for n, (before, _) in pairs)
        image[(..., *middle)] = x
        x = image
    for axis, (k, s, d, out) in enumerate(
        zip(frame.size, frame.stride, frame.dilation, frame.out, strict=True)
    ):
        parts = [
            x[(slice(None),) * (2 + axis) + (slice(j * d, j * d + (out - 1) * s + 1, s),)]
            for j in range(k)
        ]
        x = parts[0].copy() if k == 1 else ufunc(parts[0], parts[1])
        for part in parts[2:]:
            ufunc(x, part, out=x)
    return x


# ------------------------------------------------------------------------------ maximum


def _lowest(dtype: np.dtype[Any]) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _max_pool(
    x: Any,
    *,
    size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Any:
    frame = _frame("max_pool", x.shape, size, stride, padding, dilation, ceil_mode)
    return _reduced(x, frame, np.maximum, _lowest(x.dtype))


def _max_pool_vjp(g: Any, y: Any, x: Any, **params: Any) -> Any:
    frame = _frame("max_pool", x.shape, **params)
    elements = windows(x, size=frame.size, **_window(frame))
    # Not smaller, where others say equal: so a window whose largest is nan has largest elements.
    largest = np.logical_not(elements < _spread(y, frame))
    if any(map(any, frame.pads)):  # the zeros of the padding are no elements
        inside = np.ones((1, 1, *frame.lengths), x.dtype, like=x)
        largest = largest & (windows(inside, size=frame.size, **_window(frame)) != 0)
    shares = largest.astype(x.dtype)
    shares = _spread(g, frame) / np.sum(shares, axis=_across(frame), keepdims=True) * shares
    return overlap_add(shares, lengths=frame.lengths, **_window(frame))


_POOL: dict[str, Any] = {"signature": "(n,c,h,w)->(n,c,i,j)", "arguments": ("x",)}
_SHAPES = (
    case((2, 2, 6), size=2),
    case((1, 2, 5, 6), size=(2, 3)),
    case((1, 2, 5, 5), size=3, stride=2, padding=1),
    case((1, 1, 5, 4), size=2, stride=1, padding="same"),
    case((1, 1, 5, 6), size=2, ceil_mode=True),
    case((1, 1, 4, 4, 2), size=2, stride=(1, 2, 2)),
    case((1, 1, 4, 5), size=(1, 2), stride=(2, 1)),
)

max_pool = op(
    _max_pool,
    _max_pool_vjp,
    doc="Largest element of each window; windows lie side by side unless a stride is given.",
    formula="max over windows",
    latex=r"\max_k x_{n,c,\,s i + d k - p}",
    pattern="route",
    kinks={"x": "ties"},
    policy="equal largest elements of a window share its gradient equally, and all elements of a "
    "window with a nan; padding is never the largest",
    cases=(*_SHAPES, case((1, 1, 6, 6), size=2, stride=1, dilation=(2, 3), padding=1)),
    **_POOL,
    batch="merge",
    local=("'{g}, to the largest of each window; ties share it'",),
)

# ------------------------------------------------------------------------------ average


def _avg_pool(
    x: Any,
    *,
    size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    frame = _frame("avg_pool", x.shape, size, stride, padding, 1, ceil_mode)
    total = _reduced(x, frame, np.add, 0)
    return total * _parts(x, x, frame, padding, count_include_pad)


def _parts(x: Any, like: Any, frame: Frame, padding: Padding, count_include_pad: bool) -> Any:
    """Return what one element is of the average of its window: a number, or one per window."""
    asked = frame_of("avg_pool", x.shape, frame.size, frame.stride, padding).pads
    counts = []
    for length, k, s, pads, given, out in zip(
        frame.lengths, frame.size, frame.stride, frame.pads, asked, frame.out, strict=True
    ):
        low, high = (-given[0], length + given[1]) if count_include_pad else (0, length)
        starts = range(-pads[0], out * s - pads[0], s)
        counts.append([min(i + k, high) - max(i, low) for i in starts])
    if all(len(set(count)) == 1 for count in counts):
        return 1 / math.prod(count[0] for count in counts)
    parts = [1 / math.prod(one) for one in itertools.product(*counts)]
    return np.reshape(np.asarray(parts, like.dtype, like=like), frame.out)


def _avg_pool_vjp(
    g: Any, _y: Any, _x: Any, *, padding: Padding, count_include_pad: bool, **params: Any
) -> Any:
    frame = _frame("avg_pool", _x.shape, padding=padding, dilation=1, **params)
    g = g * _parts(_x, g, frame, padding, count_include_pad)
    shape = (*g.shape[:2], *frame.size, *frame.out)
    cols = np.broadcast_to(_spread(g, frame), shape)
    return overlap_add(cols, lengths=frame.lengths, **_window(frame))


avg_pool = linear(
    _avg_pool,
    _avg_pool_vjp,
    doc="Mean of each window; windows lie side by side unless a stride is given.",
    formula="mean over windows",
    latex=r"\frac{1}{|K|}\sum_k x_{n,c,\,s i + k - p}",
    pattern="scale",
    policy="zeros of the padding count as elements unless count_include_pad is false; what a last "
    "window has beyond the padding (ceil_mode) never counts",
    cases=(
        *_SHAPES,
        case((1, 1, 5, 5), size=3, stride=2, padding=1, count_include_pad=False),
        case((1, 1, 6, 5), size=3, stride=2, padding=(1, 0), ceil_mode=True),
    ),
    **_POOL,
    batch="merge",
    local=("'{g} / elements of the window, to each of them'",),
)


def _lp_pool(
    x: Any,
    *,
    size: PerAxis,
    p: float = 2,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Any:
    """Return the p-norm of each window."""
    if not 1 <= p < np.inf:
        raise OpError(
            explain(
                "lp_pool",
                f"p={p!r} is not a number of at least 1",
                fix="use p=2, or max_pool(abs(x), size) for the maximum norm",
            )
        )
    frame = _frame("lp_pool", x.shape, size, stride, 0, 1, ceil_mode)
    powers = windows(np.absolute(x), size=frame.size, **_window(frame)) ** p
    total = np.sum(powers, axis=_across(frame))
    zero = total == 0
    return np.where(zero, 0, np.where(zero, 1, total) ** (1 / p))


lp_pool = composite(
    _lp_pool,
    doc="The p-norm of each window.",
    formula="(Σ |x|ᵖ)^(1/p) over windows",
    latex=r"\Bigl(\sum_k |x_{n,c,\,s i + k}|^p\Bigr)^{1/p}",
    pattern="scale",
    kinks={"x": (0.0,)},
    policy="gradient 0 where all elements of a window are 0; a last window that reaches beyond the "
    "image (ceil_mode) is the norm of the elements that it has",
    cases=(
        case((1, 2, 4, 4), size=2),
        case((2, 1, 5), size=2, stride=1, p=3),
        case((1, 1, 5, 3), size=2, p=1, ceil_mode=True),
    ),
    **_POOL,
)

# ------------------------------------------------------------------------------ to a given size

Terms = Sequence[Sequence[tuple[int, float]]]
"""Per element of a result the elements of an axis that it is a sum of, each with its weight."""


def _blend(x: Any, *, axis: int, terms: Terms) -> Any:
    before = (slice(None),) * (axis % x.ndim)
    after = x.shape[axis % x.ndim + 1 :]
    total = np.zeros((*x.shape[: len(before)], len(terms), *after), x.dtype, like=x)
    for j in range(max(map(len, terms), default=0)):
        rows = [i for i, row in enumerate(terms) if j < len(row)]
        weight = np.asarray([terms[i][j][1] for i in rows], x.dtype, like=x)
        term = np.take(x, [terms[i][j][0] for i in rows], axis)
        spot = (*before, rows)
        total[spot] = total[spot] + term * np.reshape(weight, (-1,) + (1,) * len(after))
    return total


def _transposed(terms: Terms, length: int) -> Terms:
    """Return the terms of the adjoint: per element of the argument where it goes."""
    found: list[list[tuple[int, float]]] = [[] for _ in range(length)]
    for i, row in enumerate(terms):
        for j, weight in row:
            found[j].append((i, weight))
    return tuple(map(tuple, found))


blend: Op = linear(
    _blend,
    lambda g, _y, _x, *, axis, terms: blend(g, axis=axis, terms=_transposed(terms, _x.shape[axis])),
    doc="Weighted sums of elements along an axis, each of a few (index, weight).",
    formula="Σ weight · x[index]",
    latex=r"\sum_j w_{ij}\, x_{k_{ij}}",
    pattern="scale",
    signature="(n)->(m)",
    cases=(
        case((2, 4), axis=1, terms=(((0, 0.5), (1, 0.5)), ((3, 2.0),), ((1, -1.0), (3, 0.25)))),
        case((3, 2), axis=0, terms=(((2, 1.5),),)),
        case((3,), axis=-1, terms=((), ((0, 1.0), (2, 3.0)))),
    ),
    batch="axes",
    local=("'Σ weight {g} of the results that it went into'",),
)


def _output_size(name: str, x: Any, output_size: Any) -> tuple[int, ...]:
    """Return the lengths wanted, ``None`` being replaced by the image's own."""
    own = tuple(np.shape(x)[2:])
    if isinstance(output_size, (tuple, list)) and len(output_size) == len(own):
        output_size = [n if o is None else o for n, o in zip(own, output_size, strict=True)]
    found = per_axis(name, "output_size", output_size, len(own))
    if 0 in own or not own:
        raise OpError(
            explain(
                name,
                f"images of shape {np.shape(x)} have nothing to pool",
                fix="give images (batch, channels, *spatial), no spatial axis empty",
            )
        )
    return found


def _cells(length: int, out: int) -> list[range]:
    """Return the indices of each cell: from floor(i n / m) to ceil((i + 1) n / m)."""
    return [range(i * length // out, -(-(i + 1) * length // out)) for i in range(out)]


def _cell_size(name: str, x: Any, output_size: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the lengths wanted, and the size of the cells; nothing where they differ in size."""
    wanted = _output_size(name, x, output_size)
    pairs = list(zip(x.shape[2:], wanted, strict=True))
    return wanted, () if any(n % m for n, m in pairs) else tuple(n // m for n, m in pairs)


def _adaptive_avg_pool(x: Any, *, output_size: PerAxis) -> Any:
    """Return the means of as many cells as wanted; they overlap where lengths do not divide."""
    wanted, size = _cell_size("adaptive_avg_pool", x, output_size)
    if size:
        return avg_pool(x, size=size)
    for axis, out in enumerate(wanted, start=2):
        cells = _cells(x.shape[axis], out)
        means = tuple(tuple((i, 1 / len(cell)) for i in cell) for cell in cells)
        x = blend(x, axis=axis, terms=means)
    return x


def _picked(x: Any, wanted: Sequence[int]) -> tuple[Any, Any, list[Any]]:
    """Return the elements of the cells: each spatial axis replaced by (cell, element in it).

    Also which of them count, since a cell shorter than others repeats its last element, and the
    index that picked them along each axis.
    """
    inside, indices = np.ones((), bool, like=x), []
    for axis, out in enumerate(wanted):
        cells = _cells(x.shape[2 + 2 * axis], out)
        longest = range(max(map(len, cells)))
        flat = [cell[min(j, len(cell) - 1)] for cell in cells for j in longest]
        index = np.reshape(flat, (out, -1))
        x = np.take(x, index, 2 + 2 * axis)
        counts = np.asarray([[j < len(cell) for j in longest] for cell in cells], like=x)
        inside = np.reshape(inside, (*inside.shape, 1, 1)) & counts
        indices.append(index)
    return x, inside, indices


def _adaptive_max_pool(x: Any, *, output_size: PerAxis) -> Any:
    wanted, size = _cell_size("adaptive_max_pool", x, output_size)
    if size:
        return _max_pool(x, size=size)
    cells, inside, _ = _picked(x, wanted)
    lowest = _lowest(x.dtype)
    return np.max(np.where(inside, cells, lowest), axis=tuple(range(3, cells.ndim, 2)))


def _adaptive_max_pool_vjp(g: Any, y: Any, x: Any, *, output_size: PerAxis) -> Any:
    wanted, size = _cell_size("adaptive_max_pool", x, output_size)
    if size:
        rest = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
        return _max_pool_vjp(g, y, x, size=size, **rest)
    cells, inside, indices = _picked(x, wanted)
    beside = (*x.shape[:2], *(m for n in wanted for m in (n, 1)))
    largest = np.logical_not(cells < np.reshape(y, beside)) & inside
    axes = tuple(range(3, cells.ndim, 2))
    count = np.sum(largest, axis=axes, keepdims=True).astype(x.dtype)
    shares = np.reshape(g, beside) / count * largest
    for axis, index in reversed(list(enumerate(indices, start=2))):
        shape = (*shares.shape[: 2 * axis - 2], x.shape[axis], *x.shape[axis + 1 :])
        where = (*(slice(None),) * (2 * axis - 2), index)
        shares = OPS["scatter"](shares, index=where, shape=shape)
    return shares


_CELLS = (
    case((1, 2, 6, 4), output_size=2),
    case((2, 1, 5), output_size=3),
    case((1, 2, 5, 4), output_size=(2, 3)),
    case((1, 1, 2, 3), output_size=(3, None)),
)
adaptive_avg_pool = composite(
    _adaptive_avg_pool,
    formula="mean over cells",
    latex=r"\frac{1}{|C_i|}\sum_{k \in C_i} x_k",
    pattern="scale",
    cases=_CELLS,
    **_POOL,
)
adaptive_max_pool = op(
    _adaptive_max_pool,
    _adaptive_max_pool_vjp,
    doc="Largest elements of as many cells as wanted; see adaptive_avg_pool.",
    formula="max over cells",
    latex=r"\max_{k \in C_i} x_k",
    pattern="route",
    kinks={"x": "ties"},
    policy="equal largest elements of a cell share its gradient equally",
    cases=_CELLS,
    **_POOL,
    batch="merge",
    local=("'{g}, to the largest of each cell; ties share it'",),
)


def _global_avg_pool(x: Any, *, keepdims: bool = False) -> Any:
    """Return the mean of each channel over all spatial axes."""
    return np.mean(x, axis=tuple(range(2, np.ndim(x))), keepdims=keepdims)


def _global_max_pool(x: Any, *, keepdims: bool = False) -> Any:
    """Return the largest element of each channel over all spatial axes."""
    return np.max(x, axis=tuple(range(2, np.ndim(x))), keepdims=keepdims)


_GLOBAL: dict[str, Any] = {
    "signature": "(n,c,h,w)->(n,c)",
    "cases": (case((2, 3, 2, 3)), case((2, 1, 4), keepdims=True)),
}
global_avg_pool = composite(
    _global_avg_pool,
    formula="mean over images",
    latex=r"\frac{1}{hw}\sum_{i,j} x_{n,c,i,j}",
    pattern="scale",
    **_GLOBAL,
)
global_max_pool = composite(
    _global_max_pool,
    formula="max over images",
    latex=r"\max_{i,j} x_{n,c,i,j}",
    pattern="route",
    kinks={"x": "ties"},
    policy="equal largest elements share the gradient equally",
    **_GLOBAL,
)

# ------------------------------------------------------------------------------ upsampling


def _upsample(
    x: Any,
    *,
    size: PerAxis | None = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Any:
    """Resize images: by the nearest element, or linearly between neighbours along each axis."""
    axes = np.ndim(x) - 2
    smooth = mode in ("linear", "bilinear", "trilinear")
    if mode != "nearest" and not smooth:
        raise OpError(explain("upsample", f"mode={mode!r}", fix="use 'nearest' or 'linear'"))
    if align_corners and not smooth:
        raise OpError(
            explain("upsample", "align_corners has no meaning for 'nearest'", fix="leave it out")
        )
    if (size is None) == (scale_factor is None) or axes < 1 or 0 in x.shape[2:]:
        raise OpError(
            explain(
                "upsample",
                f"images of shape {np.shape(x)}, size={size!r}, scale_factor={scale_factor!r}",
                fix="give images (batch, channels, *spatial), no spatial axis empty, and one of "
                "size= and scale_factor=",
            )
        )
    lengths = x.shape[2:]
    if scale_factor is None:
        outs = per_axis("upsample", "size", size, axes)
        scales = [out / n for out, n in zip(outs, lengths, strict=True)]
    else:
        several = isinstance(scale_factor, (tuple, list))
        scales = list(scale_factor) if several else [scale_factor] * axes
        grown = [math.floor(n * s) for n, s in zip(lengths, scales, strict=False)]
        outs = per_axis("upsample", "scale_factor times length", grown, axes)
    if not smooth and not any(out % n for out, n in zip(outs, lengths, strict=True)):
        return _repeated(x, [out // n for out, n in zip(outs, lengths, strict=True)])
    for axis, (n, out, scale) in enumerate(zip(lengths, outs, scales, strict=True), start=2):
        if smooth:
            x = blend(x, axis=axis, terms=_between(n, _sources(n, out, scale, align_corners)))
        else:
            x = np.take(x, [min(math.floor(i / scale), n - 1) for i in range(out)], axis)
    return x


def _repeated(x: Any, times: Sequence[int]) -> Any:
    """Return each element so many times along each spatial axis."""
    lengths = x.shape[2:]
    apart = np.reshape(x, (*x.shape[:2], *(m for n in lengths for m in (n, 1))))
    pairs = [m for pair in zip(lengths, times, strict=True) for m in pair]
    copies = np.broadcast_to(apart, (*x.shape[:2], *pairs))
    return np.reshape(copies, (*x.shape[:2], *map(operator.mul, lengths, times)))


def _sources(length: int, out: int, scale: float, align_corners: bool) -> list[float]:
    """Return where, in elements of the image, the elements of the result lie.

    With `align_corners` the first and last elements of both coincide, else their outer borders.
    """
    if align_corners:
        return [i * (length - 1) / max(out - 1, 1) for i in range(out)]
    return [min(max((i + 0.5) / scale - 0.5, 0.0), length - 1.0) for i in range(out)]


def _between(length: int, sources: Sequence[float]) -> Terms:
    """Return the terms of the values at these places, on straight lines between the elements."""
    found = []
    for source in sources:
        low = min(math.floor(source), length - 1)
        share = source - low
        found.append(((low, 1 - share), (low + 1, share)) if share else ((low, 1.0),))
    return tuple(found)


upsample = composite(
    _upsample,
    formula="x at more places",
    latex=r"x_{\lfloor i / s \rfloor}",
    pattern="copy",
    signature="(n,c,h,w)->(n,c,i,j)",
    cases=(
        case((1, 2, 2, 3), scale_factor=2),
        case((2, 1, 3), size=5),
        case((1, 2, 3, 2), scale_factor=(1.5, 2.6)),
        case((1, 2, 2, 3), scale_factor=2, mode="bilinear"),
        case((1, 1, 3, 2), size=(5, 4), mode="linear", align_corners=True),
        case((1, 1, 4, 3), size=(2, 1), mode="linear"),
        case((1, 1, 4), size=1, mode="linear", align_corners=True),
    ),
)

# ------------------------------------------------------------------------------ channels to space


def _pixel_shuffle(x: Any, *, factor: int) -> Any:
    """Move channels into space: images grow by a factor along each axis, with fewer channels."""
    n, c, *lengths = np.shape(x)
    (factor,) = per_axis("pixel_shuffle", "factor", factor, 1)
    cells = factor ** len(lengths)
    if c % cells or not lengths:
        raise OpError(
            explain(
                "pixel_shuffle",
                f"{c} channels cannot be moved into cells of {by((factor,) * len(lengths))}",
                fix=f"give a multiple of {cells} channels",
            )
        )
    axes = range(len(lengths))
    apart = np.reshape(x, (n, c // cells, *(factor for _ in axes), *lengths))
    order = (0, 1, *(2 + j for i in axes for j in (len(lengths) + i, i)))
    return np.reshape(
        np.transpose(apart, order), (n, c // cells, *(length * factor for length in lengths))
    )


def _pixel_unshuffle(x: Any, *, factor: int) -> Any:
    """Move space into channels: undoes pixel_shuffle."""
    n, c, *lengths = np.shape(x)
    (factor,) = per_axis("pixel_unshuffle", "factor", factor, 1)
    if any(length % factor for length in lengths) or not lengths:
        raise OpError(
            explain(
                "pixel_unshuffle",
                f"images of {by(lengths)} cannot be cut into cells of "
                f"{by((factor,) * len(lengths))}",
                fix=f"crop or pad the images to multiples of {factor}",
            )
        )
    axes = range(len(lengths))
    apart = np.reshape(x, (n, c, *(m for length in lengths for m in (length // factor, factor))))
    order = (0, 1, *(3 + 2 * i for i in axes), *(2 + 2 * i for i in axes))
    shape = (n, c * factor ** len(lengths), *(length // factor for length in lengths))
    return np.reshape(np.transpose(apart, order), shape)


_SHUFFLE: dict[str, Any] = {"pattern": "reshape", "signature": "(n,c,h,w)->(n,d,i,j)"}
pixel_shuffle = composite(
    _pixel_shuffle,
    formula="channels of x as pixels",
    latex=r"x_{n,\,c r^2 + r i + j,\,h,\,w}",
    cases=(case((1, 8, 2, 3), factor=2), case((2, 6, 2), factor=3)),
    **_SHUFFLE,
)
pixel_unshuffle = composite(
    _pixel_unshuffle,
    formula="pixels of x as channels",
    latex=r"x_{n,c,\,r h + i,\,r w + j}",
    cases=(case((1, 2, 4, 6), factor=2), case((2, 2, 6), factor=3)),
    **_SHUFFLE,
)

# PyTorch's names; the number of spatial axes is that of the images.
max_pool1d = max_pool2d = max_pool3d = max_pool
avg_pool1d = avg_pool2d = avg_pool3d = avg_pool
adaptive_avg_pool1d = adaptive_avg_pool2d = adaptive_avg_pool3d = adaptive_avg_pool
adaptive_max_pool1d = adaptive_max_pool2d = adaptive_max_pool3d = adaptive_max_pool
interpolate = upsample
