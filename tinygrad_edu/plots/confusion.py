"""The confusion matrix: what each class was taken for.

Knows: counts, and names of classes. Does not know: nets. Read next: ``images.py``, which shows the
mistakes themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.given import numbers
from tinygrad_edu.plots.look import BLUE, ORANGE, Sheet, counted, drawing, shortened
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
    counts, names = _checked(matrix, classes)
    size = len(counts)
    rows = counts.sum(axis=1)
    shares = counts / np.maximum(rows, 1)[:, None]
    right = np.eye(size, dtype=bool)
    worst = float(shares[~right].max()) if size > 1 else 0.0
    with drawing(theme) as sheet:
        look = sheet.look
        blue, orange = (sheet.colours(look.middle, look.palette[hue]) for hue in (BLUE, ORANGE))
        # The square root: of a good net nearly all mistakes are rare, and are to be seen.
        cells = np.where(right[..., None], blue(shares), orange(np.sqrt(shares / (worst or 1.0))))
        side = max(2.4, min(7.2, 1.9 + 0.52 * size))
        figure = sheet.figure(side + 0.6, side)
        axes = figure.subplots()
        axes.imshow(cells, interpolation="nearest")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        scale = f" (the strongest orange: {worst:.1%} of a class)" if size > WRITTEN else ""
        axes.set_xlabel(f"taken for{scale}")
        axes.set_ylabel("what it is")
        if size <= NAMED:
            _name_and_part(sheet, axes, names)
        if size <= WRITTEN:
            _write(axes, counts, shares, cells)
        elif size <= NAMED:
            told = [f"{shares[i, i]:.1%}" if rows[i] else "–" for i in range(size)]
            _tell_recall(axes, told, look.grey)
        sheet.titled(figure, title, 10)
    return Plot(figure, _told(counts, names), theme)


def _checked(matrix: Any, classes: Sequence[str] | None) -> tuple[Any, list[str]]:
    """Return the counts and the names of the classes, once they go together."""
    fix = "pass confusion_matrix(logits, labels) of tinygrad_edu.train"
    found = numbers("confusion", matrix, fix)
    size = len(found) if found.ndim else 0
    names = [str(n) for n in (range(size) if classes is None else classes)]
    if found.shape != (size, size) or not size or len(names) != size:
        raise DiagramError(
            f"confusion: found counts of shape {found.shape} and {len(names)} classes; expected "
            f"as many rows as columns, and a name for each\n  fix: {fix}"
        )
    if not np.isfinite(found).all() or (found < 0).any() or (found != found.round()).any():
        raise DiagramError(
            "confusion: found numbers that count nothing, such as fractions or -1; expected whole "
            f"numbers of at least 0\n  fix: {fix}"
        )
    return found.astype(np.int64), names


def _name_and_part(sheet: Sheet, axes: Any, names: Sequence[str]) -> None:
    """Write the names of the classes at both sides, and part the cells by lines of the page."""
    size = len(names)
    long = max(map(len, names)) > 3
    labels = [shortened(name, 16) for name in names]
    axes.set_xticks(range(size), labels, rotation=45 if long else 0,
                    ha="right" if long else "center", rotation_mode="anchor")  # fmt: skip
    axes.set_yticks(range(size), labels)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([place + 0.5 for place in range(size - 1)], minor=True)
    axes.grid(which="minor", color=sheet.look.background, linewidth=1)
    axes.set_axisbelow(False)
    axes.tick_params(which="both", length=0)


def _write(axes: Any, counts: Any, shares: Any, cells: Any) -> None:
    """Write into each cell its count and its share of the row."""
    for i, j in zip(*np.nonzero(counts), strict=True):
        dark = 0.299 * cells[i, j, 0] + 0.587 * cells[i, j, 1] + 0.114 * cells[i, j, 2] < 0.5
        colour = "#ffffff" if dark else "#000000"
        axes.text(j, i - 0.06, f"{counts[i, j]:,}", ha="center", va="bottom", fontsize=8.5,
                  color=colour, fontweight="bold" if i == j else "normal")  # fmt: skip
        axes.text(j, i + 0.08, _percent(shares[i, j]), ha="center", va="top", fontsize=6.5,
                  color=colour)  # fmt: skip


def _tell_recall(axes: Any, told: Sequence[str], grey: str) -> None:
    """Write at the right which share of each class is right."""
    recall = axes.secondary_yaxis("right")
    recall.set_yticks(range(len(told)), told, fontsize=8, color=grey)
    recall.set_ylabel("share of the class that is right", fontsize=8, color=grey)
    recall.tick_params(length=0)
    recall.spines["right"].set_visible(False)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def _told(counts: Any, names: Sequence[str]) -> str:
    """Return the matrix in a sentence or two."""
    total, size = int(counts.sum()), len(counts)
    said = f"Confusion matrix of {counted(size, 'class')}, {counted(total, 'sample')}"
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
