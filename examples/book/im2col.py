"""im2col: a convolution as one matrix product, pictured.

A window slides over an image. `im2col` writes what each window sees as a row of a matrix; times the
filters, as columns, that is the convolution. `col2im` adds the rows back to where they came from:
it is the adjoint of `im2col`, and so the heart of the gradient of a convolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu.ops import col2im, conv2d, im2col

SIDE, SIZE = 4, 3


def agreement(seed: int) -> float:
    """Return the largest difference of a convolution from its matrix product."""
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((2, 3, 7, 7)), rng.standard_normal((4, 3, 5, 5))
    product = im2col(x, filter_h=5, filter_w=5, pad=1) @ weight.reshape(4, -1).T
    maps = product.reshape(2, 5, 5, 4).transpose(0, 3, 1, 2)
    return float(np.abs(maps - conv2d(x, weight, padding=1)).max())


def adjointness(seed: int) -> float:
    """Return how far <im2col x, c> is from <x, col2im c>, over strides and paddings."""
    rng, worst = np.random.default_rng(seed), 0.0
    for stride in (1, 2, 3):
        for padding in (0, 1, 2):
            x = rng.standard_normal((2, 3, 7, 8))
            rows = im2col(x, filter_h=3, filter_w=3, stride=stride, pad=padding)
            c = rng.standard_normal(rows.shape)
            back = col2im(
                c, input_shape=x.shape, filter_h=3, filter_w=3, stride=stride, pad=padding
            )
            worst = max(worst, abs(float(np.vdot(rows, c) - np.vdot(x, back))))
    return worst


def picture() -> Any:
    """Return the picture: image, windows as rows, filter as a column, result."""
    plt = pyplot()
    image = np.random.default_rng(5).integers(0, 10, (1, 1, SIDE, SIDE)).astype(float)
    kernel = np.array([0.0, 1, 0, 1, -4, 1, 0, 1, 0]).reshape(-1, 1)
    rows = im2col(image, filter_h=SIZE, filter_w=SIZE)
    figure, axis = plt.subplots(figsize=(10.5, 4.2))
    axis.set_axis_off()
    axis.set_aspect("equal")
    axis.set_xlim(-0.2, 22.2)
    axis.set_ylim(9.2, -1)
    _matrix(axis, image[0, 0], 0, 2.5, "image, four windows")
    _matrix(axis, rows, 5.5, 2.5, "im2col: one row per window", PALETTE)
    _matrix(axis, kernel, 16, 0, "filter")
    _matrix(axis, rows @ kernel, 19, 2.5, "convolution", PALETTE)
    axis.text(15.25, 4.5, "×", ha="center", va="center", fontsize=16)
    axis.text(18, 4.5, "=", ha="center", va="center", fontsize=16)
    places = SIDE - SIZE + 1
    for window in range(places**2):
        top, left = divmod(window, places)
        inset = 0.06 + 0.05 * window
        side = SIZE - 2 * inset
        corner = (left + inset, 2.5 + top + inset)
        box = plt.Rectangle(corner, side, side, fill=False, edgecolor=PALETTE[window], linewidth=2)
        axis.add_patch(box)
    return figure


def _matrix(
    axis: Any,
    values: np.ndarray,
    left: float,
    top: float,
    title: str,
    colours: tuple[str, ...] | None = None,
) -> None:
    """Write a matrix as squares with numbers, each row in its colour."""
    height, width = values.shape
    axis.text(left + width / 2, top - 0.4, title, ha="center", fontsize=10)
    for row in range(height):
        edge, ink = ("#999999", "black") if colours is None else (colours[row],) * 2
        for column in range(width):
            place = (left + column, top + row)
            axis.add_patch(pyplot().Rectangle(place, 1, 1, facecolor="#f7f7f7", edgecolor=edge))
            axis.text(
                place[0] + 0.5, place[1] + 0.5, f"{values[row, column]:g}",
                ha="center", va="center", fontsize=10, color=ink,
            )  # fmt: skip


def main() -> None:
    """Tell the shapes of the book, check the adjoint, and draw."""
    with Experiment(__doc__, __file__) as experiment:
        for count in (1, 10):
            images = np.random.default_rng(experiment.seed).random((count, 3, 7, 7))
            shape = im2col(images, filter_h=5, filter_w=5).shape
            experiment.figure(
                "A19", f"im2col of ({count}, 3, 7, 7), windows of 5 x 5",
                ours=str(shape), source=str((9 * count, 75)),
            )  # fmt: skip
        experiment.figure(
            "A20", "largest difference of <im2col x, c> and <x, col2im c>",
            ours=adjointness(experiment.seed), source="0 to 1e-12", accept=(None, 1e-12),
        )  # fmt: skip
        experiment.figure(
            None, "largest difference of conv2d and the matrix product",
            ours=agreement(experiment.seed), accept=(None, 1e-12),
        )  # fmt: skip
        experiment.picture(picture())


if __name__ == "__main__":
    main()
