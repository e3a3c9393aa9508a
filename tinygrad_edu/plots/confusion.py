"""The confusion matrix: what each class was taken for.

Knows: counts, and names of classes. Does not know: nets. Read next: ``images.py``, which shows the
mistakes themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.look import BLUE, ORANGE, drawing, plain, shortened
from tinygrad_edu.plots.plot import Plot

__all__ = ["confusion"]

WRITTEN = 12
"""Classes up to which there is room for numbers in the cells."""
NAMED = 40
"""Classes up to which there is room for their names."""


def confusion(
    matrix: Any,
    classes: Sequence[str] | None = None,
    *,
    title: str = "",
    theme: str = "light",
) -> Plot:
    """Return how many of each class (row) were taken for each class (column).

    A cell is coloured by its share of its row: blue on the diagonal, which is right, orange beside
    it, where the strongest cell is the largest share of a class that was taken for one other.

    Parameters
    ----------
    matrix : array_like of int, shape (classes, classes)
        Counts, as ``train.confusion_matrix`` returns them.
    classes : sequence of str, optional
        Names of the classes; their numbers by default.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or the matrix is not square, not of counts, or empty.
    """
    counts = np.asarray(matrix)
    size = len(counts) if counts.ndim else 0
    names = [str(n) for n in (range(size) if classes is None else classes)]
    if counts.shape != (size, size) or not size or len(names) != size or (counts < 0).any():
        raise DiagramError(
            f"confusion: found counts of shape {counts.shape} and {len(names)} classes; expected "
            "as many rows as columns, and a name for each\n"
            "  fix: pass confusion_matrix(logits, labels) of tinygrad_edu.train"
        )
    rows = counts.sum(axis=1)
    shares = counts / np.maximum(rows, 1)[:, None]
    right = np.eye(size, dtype=bool)
    worst = float(shares[~right].max()) if size > 1 else 0.0
    with drawing(theme) as sheet:
        look = sheet.look
        blue, orange = (sheet.colours(look.middle, look.palette[hue]) for hue in (BLUE, ORANGE))
        # The square root: of a good net nearly all mistakes are rare, and are to be seen.
        cells = np.where(right[..., None], blue(shares), orange(np.sqrt(shares / (worst or 1.0))))
        side = min(7.2, 1.9 + 0.52 * size)
        figure = sheet.figure(side + 0.6, side)
        axes = figure.subplots()
        axes.imshow(cells, interpolation="nearest")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        scale = f" (the strongest orange: {worst:.1%} of a class)" if size > WRITTEN else ""
        axes.set_xlabel(f"taken for{scale}")
        axes.set_ylabel("what it is")
        if size <= NAMED:
            long = max(map(len, names)) > 3
            labels = [shortened(name, 16) for name in names]
            axes.set_xticks(range(size), labels, rotation=45 if long else 0,
                            ha="right" if long else "center", rotation_mode="anchor")  # fmt: skip
            axes.set_yticks(range(size), labels)
            axes.tick_params(length=0)
        if size <= WRITTEN:
            for i, j in zip(*np.nonzero(counts), strict=True):
                dark = (
                    0.299 * cells[i, j, 0] + 0.587 * cells[i, j, 1] + 0.114 * cells[i, j, 2] < 0.5
                )
                colour = "#ffffff" if dark else "#000000"
                axes.text(j, i - 0.06, f"{counts[i, j]:,}", ha="center", va="bottom", fontsize=8.5,
                          color=colour, fontweight="bold" if i == j else "normal")  # fmt: skip
                axes.text(j, i + 0.08, _percent(shares[i, j]), ha="center", va="top", fontsize=6.5,
                          color=colour)  # fmt: skip
        elif size <= NAMED:
            recall = axes.secondary_yaxis("right")
            recall.set_yticks(
                range(size), [f"{shares[i, i]:.1%}" if rows[i] else "–" for i in range(size)],
                fontsize=8, color=look.grey,
            )  # fmt: skip
            recall.set_ylabel("share of the class that is right", fontsize=8, color=look.grey)
            recall.tick_params(length=0)
            recall.spines["right"].set_visible(False)
        if title:
            axes.set_title(plain(title))
    return Plot(figure, _told(counts, names), theme)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def _told(counts: Any, names: Sequence[str]) -> str:
    """Return the matrix in a sentence or two."""
    total, size = int(counts.sum()), len(counts)
    said = f"Confusion matrix of {size} classes, {total:,} samples"
    if not total:
        return f"{said}."
    said += f": {counts.trace() / total:.1%} right."
    wrong = counts * ~np.eye(size, dtype=bool)
    if not wrong.any():
        return said
    order = np.argsort(-wrong, axis=None, kind="stable")[:3]
    pairs = [divmod(int(place), size) for place in order if wrong.flat[place]]
    listed = ", ".join(
        f"{names[i]} for {names[j]}, {wrong[i, j]:,} time{'' if wrong[i, j] == 1 else 's'}"
        for i, j in pairs
    )
    return f"{said} Most often taken for another: {listed}."
