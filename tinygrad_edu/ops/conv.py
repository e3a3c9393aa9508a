"""Rows that lay the windows of images side by side, and their adjoint: im2col and col2im.

A convolution is then a matrix product, and a pooling a maximum over rows. Read ``fused.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op, case, linear
from tinygrad_edu.errors import OpError, explain

__all__ = ["col2im", "im2col"]


def _windows(
    shape: tuple[int, ...], filter_h: int, filter_w: int, stride: int, pad: int
) -> tuple[int, int]:
    """Return how many windows fit below and beside each other; refuse what does not fit."""
    if len(shape) != 4:
        raise OpError(
            explain(
                "im2col",
                f"images have four axes, shape {shape} was given",
                fix="use (batch, channels, height, width), as in x[:, None] for grey images",
            )
        )
    if stride < 1 or pad < 0 or filter_h < 1 or filter_w < 1:
        raise OpError(
            explain(
                "im2col",
                f"stride={stride}, pad={pad}, window {filter_h} × {filter_w}",
                fix="stride and window are at least 1, pad at least 0",
            )
        )
    high, wide = shape[2] + 2 * pad - filter_h, shape[3] + 2 * pad - filter_w
    if high < 0 or wide < 0:
        raise OpError(
            explain(
                "im2col",
                f"a window of {filter_h} × {filter_w} does not fit into images of "
                f"{shape[2]} × {shape[3]} with pad={pad}",
                fix="use a smaller window or a larger pad",
            )
        )
    return high // stride + 1, wide // stride + 1


def _im2col(x: Any, *, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0) -> Any:
    n, c, h, w = x.shape if x.ndim == 4 else (0, 0, 0, 0)
    rows, columns = _windows(x.shape, filter_h, filter_w, stride, pad)
    if pad:
        image = np.zeros((n, c, h + 2 * pad, w + 2 * pad), x.dtype, like=x)
        image[:, :, pad : pad + h, pad : pad + w] = x
    else:
        image = x
    # One strided slice per place in the window; looping over places, not over windows, is short.
    places = [
        image[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
        for i in range(filter_h)
        for j in range(filter_w)
    ]
    stacked = np.stack(places, axis=0)  # (place, n, c, row, column)
    return np.transpose(stacked, (1, 3, 4, 2, 0)).reshape(n * rows * columns, -1)


def _col2im(
    col: Any,
    *,
    input_shape: tuple[int, ...],
    filter_h: int,
    filter_w: int,
    stride: int = 1,
    pad: int = 0,
) -> Any:
    n, c, h, w = input_shape
    rows, columns = _windows(input_shape, filter_h, filter_w, stride, pad)
    places = np.transpose(col.reshape(n, rows, columns, c, filter_h, filter_w), (4, 5, 0, 3, 1, 2))
    image = np.zeros((n, c, h + 2 * pad, w + 2 * pad), col.dtype, like=col)
    for i in range(filter_h):
        for j in range(filter_w):
            spot = (
                ...,
                slice(i, i + stride * rows, stride),
                slice(j, j + stride * columns, stride),
            )
            image[spot] = image[spot] + places[i, j]  # windows overlap: their elements add up
    return image[:, :, pad : pad + h, pad : pad + w]


def _col2im_vjp(g: Any, _y: Any, _x: Any, **params: Any) -> Any:
    return im2col(g, **{name: value for name, value in params.items() if name != "input_shape"})


_FACTS: dict[str, Any] = {"pattern": "route", "signature": "(n,c,h,w)->(m,k)"}

im2col: Op = linear(
    _im2col,
    lambda g, _y, _x, **window: col2im(g, input_shape=_x.shape, **window),
    doc="The windows of images as rows of a matrix, each row channel by channel.",
    formula="rows of windows",
    latex=r"\mathrm{im2col}(x)",
    cases=(
        case((2, 3, 4, 5), filter_h=2, filter_w=3),
        case((1, 2, 5, 5), filter_h=3, filter_w=3, stride=2, pad=1),
        case((2, 1, 4, 4), filter_h=2, filter_w=2, stride=2),
        case((1, 1, 5, 4), filter_h=2, filter_w=2, stride=2),
    ),
    **_FACTS,
)

col2im: Op = linear(
    _col2im,
    _col2im_vjp,
    doc="Rows of windows added back into images, overlaps summed: the adjoint of im2col.",
    formula="windows added up",
    latex=r"\mathrm{col2im}(c)",
    arguments=("col",),
    cases=(
        case((18, 18), input_shape=(2, 3, 4, 5), filter_h=2, filter_w=3),
        case((9, 18), input_shape=(1, 2, 5, 5), filter_h=3, filter_w=3, stride=2, pad=1),
    ),
    **_FACTS,
)
