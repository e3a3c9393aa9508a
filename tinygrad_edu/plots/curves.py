"""Curves of a training: its losses and metrics, a sweep of learning rates, trials side by side.

Knows: numbers by iteration. Does not know: trainers. Read next: ``train/history.py``, which keeps
the numbers.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.given import Array, drawable, numbers
from tinygrad_edu.plots.look import (
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    Sheet,
    counted,
    drawing,
    plain,
)
from tinygrad_edu.plots.plot import Plot

__all__ = ["Kept", "curves", "rates", "side_by_side"]

Records = Sequence[Mapping[str, Any]]

HUES = {"train": BLUE, "test": ORANGE, "validation": GREEN}
MORE = (PINK, SKY, YELLOW)
MARKS = {"test": "s", "validation": "^"}
MANY = 2_000
"""Points above which an SVG holds them as an image, not one by one."""


class Kept(Protocol):
    """What keeps a loss for each iteration and a record for each evaluation: a ``History``."""

    records: list[dict[str, Any]]

    @property
    def losses(self) -> Array:
        """The loss of each iteration's batch."""


def curves(
    history: Kept | Records | str | os.PathLike[str],
    *,
    metric: str = "accuracy",
    epoch: int | None = None,
    title: str = "",
    theme: str = "light",
) -> Plot:
    """Return the loss, and one metric of every set, over the iterations.

    Parameters
    ----------
    history : History, sequence of records, or path
        What a training was like: the object that ``Trainer.fit`` returns; its ``records``; or the
        file of them, ``history.jsonl``, ``log.jsonl`` or ``log.csv``. Records hold the mean of the
        losses since the one before, so only a History shows every batch.
    metric : str
        Name of the metric, as in ``"accuracy"`` for the records' ``train_accuracy``.
    epoch : int, optional
        Iterations in an epoch, for a second axis.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, there are no records, none of them has the metric, or `epoch`
        is less than 1.
    OSError
        The file cannot be read.
    """
    losses, records = _read(history)
    if epoch is not None and epoch < 1:
        raise DiagramError(
            f"curves: found epoch={epoch!r}; expected at least 1 iteration\n"
            "  fix: epoch=len(loader), or leave it out"
        )
    sets = _sets(records, metric)
    if not sets and metric != "accuracy":
        names = {name for record in records for name in record} - {"iteration", "epoch", "seconds"}
        raise DiagramError(
            f"curves: no record has a {metric!r} of a set; found {', '.join(sorted(names))}\n"
            "  fix: metric='mse' draws test_mse"
        )
    sets = [name for name in sets if np.isfinite(_column(records, f"{name}_{metric}")).any()]
    with drawing(theme, "the curves") as sheet:
        # Who trains without the usual metric gets no empty panel for it.
        figure = sheet.figure(8, 6.5 if sets else 3.4)
        panels = figure.subplots(1 + bool(sets), sharex=True, squeeze=False,
                                 height_ratios=(2, 3) if sets else (1,))[:, 0]  # fmt: skip
        _draw_loss(sheet, panels[0], losses, records)
        said = _draw_metric(sheet, panels[1], records, metric, sets) if sets else ""
        last = max([1, len(losses), *(record["iteration"] for record in records)])
        panels[-1].set_xlim(-0.01 * last, 1.01 * last)
        panels[-1].set_xlabel("iteration (batches)")
        sheet.whole(panels[-1].xaxis, 8)
        if epoch:
            top = panels[0].secondary_xaxis(
                "top", functions=(lambda x: x / epoch, lambda x: x * epoch)
            )
            top.set_xlabel("epoch", color=sheet.look.grey)
            top.tick_params(labelcolor=sheet.look.grey)
            top.spines["top"].set_visible(False)
        for axes in panels:
            _explain(axes)
        sheet.titled(figure, title)
    what = f"Loss and {metric}" if sets else "Loss"
    return Plot(figure, f"{what} over {counted(int(last), 'iteration')}. {said}".strip(), theme)


def _read(history: Any) -> tuple[Array, Records]:
    """Return the losses of all batches, if they are known, and the records."""
    if isinstance(history, (str, os.PathLike)):
        return np.zeros(0), _read_file(Path(history))
    if hasattr(history, "records"):
        return drawable(np.asarray(history.losses)), history.records
    return np.zeros(0), _checked(history, "the records")


def _read_file(path: Path) -> Records:
    """Return the records in a file that a training has written."""
    found: list[Any]
    if path.suffix == ".csv":
        rows = csv.DictReader(path.read_text(encoding="utf-8", errors="replace").splitlines())
        found = [{name: _number(value) for name, value in row.items()} for row in rows]
    else:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            found = [json.loads(line) for line in lines if line.strip()]
        except ValueError as error:
            raise DiagramError(
                f"curves: {path} holds something else than one JSON object a line ({error})\n"
                "  fix: name history.jsonl, log.jsonl or log.csv of a run"
            ) from error
    return _checked(found, str(path))


def _checked(given: Any, what: str) -> Records:
    """Return the records, once there is one, and each says after how many iterations it was."""
    records = list(given) if isinstance(given, Iterable) else []
    if not records or not all(
        isinstance(record, Mapping)
        and isinstance(record.get("iteration"), (int, float))
        and 0 <= record["iteration"] < math.inf
        for record in records
    ):
        raise DiagramError(
            f"curves: {what} should be records, each with its iteration, and at least one\n"
            "  fix: pass what Trainer.fit() returns, or the path of history.jsonl"
        )
    return records


def _number(value: str | None) -> Any:
    """Return a field of a CSV file: a number, or None for anything else."""
    try:
        return float(value or "")
    except ValueError:
        return None


def _column(records: Records, name: str) -> Array:
    values = [record.get(name) for record in records]
    return drawable(
        np.array([v if isinstance(v, (int, float)) else np.nan for v in values], np.float64)
    )


def _draw_loss(sheet: Sheet, axes: Any, losses: Array, records: Records) -> None:
    look = sheet.look
    if len(losses):
        iterations = np.arange(1, len(losses) + 1)
        width = max(1, len(losses) // 100)
        if width == 1:
            axes.plot(
                iterations, losses, "o-", markersize=2.5, color=look.text, linewidth=1.2,
                label="each batch",
            )  # fmt: skip
        else:
            # Points, not a line: thousands of zigzags would be a bar of ink.
            axes.plot(
                iterations, losses, "o", markersize=1 if len(losses) > MANY else 2.2,
                markeredgewidth=0, color=look.faint, alpha=0.6, label="each batch",
                rasterized=len(losses) > MANY,
            )  # fmt: skip
            axes.plot(
                *_smoothed(losses, width), color=look.text, linewidth=1.6,
                label=f"mean of {width:,} batches",
            )  # fmt: skip
        shown = losses
    else:
        shown = _column(records, "loss")
        axes.plot(
            _column(records, "iteration"), shown, "o-", markersize=3, color=look.text,
            linewidth=1.4, label="mean since the evaluation before",
        )  # fmt: skip
    shown = shown[np.isfinite(shown)]
    if len(shown):
        axes.set_ylim(min(0.0, 1.05 * float(shown.min())), max(0.0, 1.05 * shown.max()) or 1)
    axes.set_ylabel("loss")


def _draw_metric(
    sheet: Sheet, axes: Any, records: Records, metric: str, sets: Sequence[str]
) -> str:
    """Draw a metric of every set, and return where each ends, as a sentence."""
    iterations = _column(records, "iteration")
    band = {"linewidth": 5, "alpha": 0.4 if sheet.theme == "light" else 0.65}
    hues = {**HUES, **dict(zip((s for s in sets if s not in HUES), MORE, strict=False))}
    lowest, ends = 1.0, []
    for name in sets:
        values = _column(records, f"{name}_{metric}")
        known = values[np.isfinite(values)]
        lowest = min(lowest, float(known.min()))
        ends.append(f"{name} {known[-1]:.4f}")
        axes.plot(
            iterations, values, label=plain(f"{name}, {known[-1]:.4f} at the end"),
            color=sheet.look.palette[hues.get(name, len(sheet.look.palette) - 1)],
            # The sets often lie on each other: a broad band below a thin line lets both be seen.
            **(band if name == "train" else
               {"linewidth": 1.3, "marker": MARKS.get(name, "d"), "markersize": 4,
                "markerfacecolor": sheet.look.background}),
        )  # fmt: skip
    axes.set_ylabel(plain(metric))
    if metric == "accuracy":
        low = max(0.0, lowest - 0.05)
        axes.set_ylim(low, 1 + 0.02 * (1 - low))  # a line at 1 is seen whole
    return f"{metric.capitalize()} at the end: {', '.join(ends)}."


CORNERS = {
    "upper right": (1, 1), "lower right": (1, 0), "upper left": (0, 1), "lower left": (0, 0),
}  # fmt: skip


def _explain(axes: Any) -> None:
    """Add a legend, in the corner where the least of the lines is."""
    lines = [line for line in axes.get_lines() if np.isfinite(line.get_ydata()).any()]
    if not lines:
        return
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    places = np.linspace(left, right, 200)
    covered = dict.fromkeys(CORNERS, 0)
    for line in lines:
        xs, ys = np.asarray(line.get_xdata(), np.float64), np.asarray(line.get_ydata(), np.float64)
        known = np.isfinite(ys)
        between = np.interp(places, xs[known], ys[known], left=np.nan, right=np.nan)
        across = (np.concatenate([places, xs]) - left) / (right - left)
        height = (np.concatenate([between, ys]) - low) / (high - low)
        for corner, (at_right, above) in CORNERS.items():
            beside = across > 0.55 if at_right else across < 0.45
            near = height > 0.7 if above else height < 0.3
            covered[corner] += int((beside & near).sum())
    small = any(line.get_markersize() < 2 for line in lines)
    axes.legend(loc=min(covered, key=covered.__getitem__), markerscale=4 if small else 1)


def _smoothed(losses: Array, width: int) -> tuple[Array, Array]:
    """Return the iterations at the middle of each window, and the mean loss in it.

    A loss that is not finite makes nan of the windows that it is in, and of no other.
    """
    finite = np.isfinite(losses)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, losses, 0.0))])
    lost = np.concatenate([[0], np.cumsum(~finite)])
    means = np.where(lost[width:] == lost[:-width], (sums[width:] - sums[:-width]) / width, np.nan)
    return np.arange(len(means)) + (width + 1) / 2, means


def _sets(records: Records, metric: str) -> list[str]:
    """Return the sets that the metric was measured on, in the order of the records."""
    ending = f"_{metric}"
    names = dict.fromkeys(name for record in records for name in record)
    return [name.removesuffix(ending) for name in names if name.endswith(ending)]


def rates(
    tried: Any,
    losses: Any,
    smoothed: Any,
    suggestion: float = math.nan,
    *,
    title: str = "",
    theme: str = "light",
) -> Plot:
    """Return the losses of a training whose learning rate grew, over the rate.

    Parameters
    ----------
    tried, losses, smoothed : array_like, shape (iterations,)
        Learning rate of each step, positive; loss of its batch; and the mean of the losses up to
        there. Losses that are not finite are left out.
    suggestion : float
        A rate to be marked; nan for none.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, there is no loss to draw, or the arrays differ in length.
    """
    fix = "pass what find_learning_rate returns: its rates, losses, smoothed"
    tried, losses, smoothed = (numbers("rates", array, fix) for array in (tried, losses, smoothed))
    if len({array.shape for array in (tried, losses, smoothed)}) > 1 or tried.ndim != 1:
        shapes = f"{tried.shape}, {losses.shape} and {smoothed.shape}"
        raise DiagramError(
            f"rates: found arrays of shapes {shapes}; expected one length\n  fix: {fix}"
        )
    losses, smoothed = drawable(losses), drawable(smoothed)
    known = np.isfinite(losses) & np.isfinite(smoothed) & (tried > 0)
    tried, losses, smoothed = tried[known], losses[known], smoothed[known]
    if not len(tried):
        raise DiagramError(
            "rates: found no losses that are finite; expected one at least\n"
            "  fix: begin with a smaller rate"
        )
    with drawing(theme) as sheet:
        palette = sheet.look.palette
        figure = sheet.figure(8, 4.5)
        axes = figure.subplots()
        axes.plot(
            tried, losses, "o", markersize=2.5, markeredgewidth=0, color=sheet.look.faint,
            label="each batch",
        )  # fmt: skip
        axes.plot(tried, smoothed, color=palette[BLUE], linewidth=1.8, label="smoothed")
        said = ""
        if math.isfinite(suggestion):
            said = f"suggestion {suggestion:.2g}"
            axes.axvline(
                suggestion, color=palette[ORANGE], linewidth=1.3, linestyle="--", label=said
            )
        low, high = float(np.min(smoothed)), float(losses[0])
        room = max(high - low, 0.1 * abs(high)) or 1.0
        axes.set_ylim(low - 0.3 * room, high + 0.7 * room)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.legend(loc="upper left")
        sheet.titled(figure, title)
    between = f"learning rates from {tried[0]:.2g} to {tried[-1]:.2g}"
    return Plot(figure, f"Loss over {between}{'; ' if said else ''}{said}.", theme)


def side_by_side(
    panels: Sequence[tuple[str, Mapping[str, Sequence[float | None]]]],
    *,
    lines: Sequence[str] = (),
    ylabel: str = "",
    title: str = "",
    theme: str = "light",
) -> Plot:
    """Return small panels in rows of five with common axes, one for each trial or net.

    Parameters
    ----------
    panels : sequence of (str, mapping of str to sequence of float)
        The words above each panel, and its lines by name: a value for each evaluation.
    lines : sequence of str
        Which of the lines to draw, at most two; the last one is the one that matters. By default
        the first two of the first panel.
    ylabel : str
        What the values are.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or there is no panel.
    """
    if not panels:
        raise DiagramError("side_by_side: found no panel\n  fix: pass at least one trial")
    order = list(lines or panels[0][1])[:2]
    rows = math.ceil(len(panels) / 5)
    with drawing(theme, "the curves") as sheet:
        look = sheet.look
        figure = sheet.figure(10, 1.3 + 1.75 * rows)
        grid = figure.subplots(rows, 5, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (head, found) in zip(grid.flat, panels, strict=False):
            for name in order:
                points = np.array(found.get(name, []), np.float64)
                style: dict[str, Any] = {"color": look.palette[BLUE]}
                if name != order[-1]:
                    style = {"color": look.palette[ORANGE], "linestyle": "--"}
                axes.plot(np.arange(len(points)), points, linewidth=1.4, label=plain(name), **style)
            axes.set_title(plain(head), fontsize=7.5)
            axes.tick_params(labelsize=7)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        labels = [label.replace("_", " ") for label in labels]
        figure.legend(handles, labels, ncols=max(1, len(labels)), loc="outside lower center")
        for axes in grid[-1]:
            axes.set_xlabel("evaluation", fontsize=8, color=look.grey)
        figure.supylabel(plain(ylabel), fontsize=9, color=look.grey)
        sheet.titled(figure, title, 11)
    head = f"{title}: " if title else ""
    return Plot(figure, f"{head}{counted(len(panels), 'panel')} of curves side by side.", theme)
