"""Attention: how much each query looks at each key.

Knows: weights, and words. Does not know: layers. Read next: ``nn/attention.py``, which returns such
weights if it is asked to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.given import numbers
from tinygrad_edu.plots.look import counted, drawing, shortened
from tinygrad_edu.plots.plot import Plot

__all__ = ["attention"]

SMALLEST = 4.0
"""Size of the letters, in points, of words that are still written."""


def attention(
    weights: Any,
    queries: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    *,
    title: str = "",
    theme: str = "light",
) -> Plot:
    """Return the weights of attention as a map for each head: queries down, keys to the right.

    Parameters
    ----------
    weights : array_like, shape (queries, keys) or (heads, queries, keys)
        Fractions in [0, 1]; each row sums to 1. What is nan has the colour of the page.
    queries, keys : sequence of str, optional
        What stands at each place; the places' numbers by default. One alone stands for both, if
        there are as many keys as queries.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or weights and words do not go together.
    """
    array = numbers("attention", weights, "pass what MultiheadAttention returns with weights=True")
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or not array.size:
        raise DiagramError(
            f"attention: found weights of shape {array.shape}; expected (queries, keys) or "
            "(heads, queries, keys)\n  fix: take one sample of the batch: weights[0]"
        )
    heads, rows, columns = array.shape
    keys = queries if keys is None and rows == columns else keys
    down = [str(word) for word in (range(rows) if queries is None else queries)]
    right = [str(word) for word in (range(columns) if keys is None else keys)]
    if (len(down), len(right)) != (rows, columns):
        raise DiagramError(
            f"attention: found {len(down)} queries and {len(right)} keys for weights of shape "
            f"{array.shape}\n  fix: name each row and each column, or none"
        )
    with drawing(theme) as sheet:
        across = min(heads, 2 if columns > 12 else 4)
        lines = math.ceil(heads / across)
        wide = 5.6 / across
        high = min(7.0, wide * rows / columns) + 0.75
        figure = sheet.figure(7.4, lines * min(max(high, 1.6), 6.4) + 0.3)
        grid = figure.subplots(lines, across, squeeze=False, sharex=True, sharey=True)
        most = float(np.nanmax(array)) if np.isfinite(array).any() else 1.0
        # A word is as high as its row.
        size = min(8.0, 0.75 * 72 * wide / columns)
        image = None
        for number, axes in enumerate(grid.flat):
            if number >= heads:
                axes.set_visible(False)
                continue
            image = axes.imshow(
                array[number], cmap=sheet.amounts, vmin=0, vmax=most, interpolation="nearest"
            )
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0, labelsize=size if size >= SMALLEST else 8)
            for axis, words in ((axes.xaxis, right), (axes.yaxis, down)):
                if size >= SMALLEST:
                    axis.set_ticks(range(len(words)), [shortened(word, 12) for word in words])
                else:
                    sheet.whole(axis, 8)
            axes.tick_params("x", rotation=90 if max(map(len, right)) > 2 else 0)
            if heads > 1:
                axes.set_title(f"head {number + 1}", fontsize=9)
        bar = figure.colorbar(image, ax=list(grid.flat), label="weight", aspect=30, pad=0.01)
        bar.outline.set_visible(False)
        figure.supxlabel("key: looked at", fontsize=10)
        figure.supylabel("query: looks", fontsize=10)
        sheet.titled(figure, title)
    told = [f"{down[q]} at {right[k]}" for q, k in enumerate(array.mean(axis=0).argmax(axis=1))]
    listed = ", ".join(told[:6]) + (", …" if len(told) > 6 else "")
    said = f"Attention of {rows} queries to {columns} keys, {counted(heads, 'head')}."
    return Plot(figure, f"{said} Most looked at: {listed}.", theme)
