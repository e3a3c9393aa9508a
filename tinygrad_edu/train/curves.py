"""Curves: one picture of a run, its loss above and its metrics below.

Knows: a history, and Matplotlib where it is installed. Does not know: how the run was made.
Read next: ``history.py``.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.files import write_whole
from tinygrad_edu.train.history import History

__all__ = ["save_curves"]

Array = np.ndarray[Any, Any]

COLOURS = {"train": "#0072b2", "test": "#d55e00", "validation": "#009e73"}
"""Told apart by all kinds of eyes (M. Okabe, K. Ito, "Color universal design", 2008)."""
MORE = ("#cc79a7", "#56b4e9", "#e69f00")
MARKS = {"test": "s", "validation": "^"}
GREY = "#555555"


def save_curves(
    history: History,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    epoch: int | None = None,
    metric: str = "accuracy",
) -> Path:
    """Draw the loss and one metric of every set over the iterations; write a PNG, return its path.

    Parameters
    ----------
    history : History
        With at least one record.
    path : str or path
        Ends in .png.
    title : str
        A line above the picture.
    epoch : int, optional
        Iterations in an epoch, for a second axis.
    metric : str
        Name of the metric, as in ``"accuracy"`` for the records' ``train_accuracy``.

    Raises
    ------
    DiagramError
        Matplotlib is not installed; the text says how to install it.
    """
    try:
        figures: Any = importlib.import_module("matplotlib.figure")
        tickers: Any = importlib.import_module("matplotlib.ticker")
        canvases: Any = importlib.import_module("matplotlib.backends.backend_agg")
    except ImportError as error:
        raise DiagramError(
            "the curves need Matplotlib, which is not installed: pip install 'tinygrad_edu[plot]'"
        ) from error
    # A figure with its own canvas: pyplot would keep it in a list of the whole process.
    figure = figures.Figure(figsize=(8, 6.5), dpi=120, layout="constrained")
    canvases.FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    _draw_loss(above, history)
    _draw_metric(below, history, metric)
    for axes in (above, below):
        axes.grid(color="#dddddd", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    last = max(1, len(history))
    below.set_xlim(-0.01 * last, 1.01 * last)
    below.set_xlabel("iteration")
    below.xaxis.set_major_formatter(tickers.StrMethodFormatter("{x:,.0f}"))
    if epoch:
        top = above.secondary_xaxis("top", functions=(lambda x: x / epoch, lambda x: x * epoch))
        top.set_xlabel("epoch", color=GREY)
        top.tick_params(colors=GREY)
        top.spines["top"].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=12)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return write_whole(path, lambda file: file.write(picture.getvalue()))


def _draw_loss(axes: Any, history: History) -> None:
    losses = history.losses
    if len(losses):
        iterations = np.arange(1, len(losses) + 1)
        width = max(1, len(losses) // 100)
        if width == 1:
            axes.plot(
                iterations, losses, "o-", markersize=2.5, color="#222222", linewidth=1.2,
                label="each batch",
            )  # fmt: skip
        else:
            # Points, not a line: thousands of zigzags would be a bar of ink.
            axes.plot(
                iterations, losses, "o", markersize=1, markeredgewidth=0, color="#999999",
                alpha=0.6, label="each batch",
            )  # fmt: skip
            axes.plot(
                *_smoothed(losses, width), color="#222222", linewidth=1.6,
                label=f"mean of {width:,} batches",
            )  # fmt: skip
        axes.set_ylim(0, 1.05 * float(losses.max()) or 1)
        axes.legend(frameon=False, loc="upper right", markerscale=1 if width == 1 else 4)
    axes.set_ylabel("loss")


def _draw_metric(axes: Any, history: History, metric: str) -> None:
    iterations = history.column("iteration")
    sets = _sets(history, metric)
    colours = {**COLOURS, **dict(zip((s for s in sets if s not in COLOURS), MORE, strict=False))}
    lowest = 1.0
    for name in sets:
        values = history.column(f"{name}_{metric}")
        lowest = min(lowest, float(np.nanmin(values)))
        axes.plot(
            iterations, values, label=f"{name}, {values[-1]:.4f} at the end",
            color=colours.get(name),
            # The sets often lie on each other: a broad band below a thin line lets both be seen.
            **({"linewidth": 5, "alpha": 0.4} if name == "train" else
               {"linewidth": 1.3, "marker": MARKS.get(name, "d"), "markersize": 4,
                "markerfacecolor": "white"}),
        )  # fmt: skip
    axes.set_ylabel(metric)
    if metric == "accuracy":
        axes.set_ylim(max(0.0, lowest - 0.05), 1.0)
    if sets:
        axes.legend(frameon=False, loc="lower right")


def _smoothed(losses: Array, width: int) -> tuple[Array, Array]:
    """Return the iterations at the middle of each window, and the mean loss in it."""
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    means = (sums[width:] - sums[:-width]) / width
    return np.arange(len(means)) + (width + 1) / 2, means


def _sets(history: History, metric: str) -> Sequence[str]:
    """Return the sets that the metric was measured on, in the order of the records."""
    ending = f"_{metric}"
    names = dict.fromkeys(name for record in history.records for name in record)
    return [name.removesuffix(ending) for name in names if name.endswith(ending)]
