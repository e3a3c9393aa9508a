"""Histograms: how numbers are spread, by layer, at one moment or over a training.

Knows: counts in intervals. Does not know: whose numbers they are. Read next: ``train/recorder.py``,
which keeps such counts while a net is trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.look import BLUE, GREEN, ORANGE, Sheet, drawing, plain, shortened
from tinygrad_edu.plots.plot import Plot

__all__ = ["Bins", "binned", "histograms", "histograms_over_time"]

Array = np.ndarray[Any, Any]

GOLDEN = (math.sqrt(5) - 1) / 2
HUES = {"activations": BLUE, "gradients": ORANGE, "weights": GREEN}
"""As in the diagrams of graphs: parameters are green, gradients orange."""
ROWS = 64
"""Intervals of a strip, all through its training."""


@dataclass(frozen=True, slots=True)
class Bins:
    """How many numbers lie in each of equal intervals.

    Attributes
    ----------
    low, high : float
        Ends of the first and the last interval: the smallest and the largest number.
    counts : ndarray of int, shape (bins,)
        Numbers in each interval; all 0 if there was no finite number.
    lost : int
        How many were nan or infinite.
    """

    low: float
    high: float
    counts: Array
    lost: int = 0

    @property
    def edges(self) -> Array:
        """Ends of all intervals, shape (bins + 1,)."""
        found: Array = np.linspace(self.low, self.high, len(self.counts) + 1)
        return found

    def quantiles(self, shares: Sequence[float]) -> Array:
        """Return the numbers below which the given shares of all numbers lie."""
        rising = np.concatenate([[0.0], np.cumsum(self.counts)])
        found: Array = np.interp(np.asarray(shares) * rising[-1], rising, self.edges)
        return found

    def inside(self, edges: Array) -> Array:
        """Return which share of the numbers lies in each of other intervals."""
        rising = np.concatenate([[0.0], np.cumsum(self.counts)])
        found: Array = np.diff(np.interp(edges, self.edges, rising / max(rising[-1], 1)))
        if self.low == self.high and rising[-1]:  # all in one place, where the line jumps
            found = np.histogram([self.low], edges)[0].astype(float)
        return found


def binned(numbers: Any, bins: int = 40, *, most: int | None = None) -> Bins:
    """Return the histogram of all numbers of an array, or of some that are spread over it.

    Parameters
    ----------
    numbers : array_like
        Of any shape.
    bins : int
        Intervals, from the smallest number to the largest.
    most : int, optional
        Take at most so many of the numbers, always the same places for the same size, chosen so
        that they hit no row and no column more often than another.

    Examples
    --------
    >>> found = binned([0.0, 1.0, 1.0, 4.0], bins=2)
    >>> found.low, found.high, found.counts.tolist()
    (0.0, 4.0, [3, 1])
    """
    flat = np.asarray(numbers).reshape(-1)
    if most is not None and flat.size > most:
        flat = flat[(np.arange(most) * GOLDEN % 1 * flat.size).astype(np.int64)]
    flat = flat.astype(np.float64)
    good = flat[np.isfinite(flat)]
    lost = flat.size - good.size
    if not good.size:
        return Bins(0.0, 0.0, np.zeros(bins, np.int32), lost)
    low, high = float(good.min()), float(good.max())
    if low == high:
        return Bins(low, high, np.where(np.arange(bins) == bins // 2, good.size, 0), lost)
    # Several times faster than np.histogram, which prepares for intervals of any kind.
    places = ((good - low) * (bins / (high - low))).astype(np.int64)
    counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    return Bins(low, high, counts.astype(np.int32), lost)


def histograms(
    layers: Mapping[str, Any],
    what: str = "weights",
    *,
    title: str = "",
    most: int = 12,
    theme: str = "light",
) -> Plot:
    """Return a histogram for each layer, at one moment.

    Parameters
    ----------
    layers : mapping of str to array_like or Bins
        Name of the layer, and its numbers.
    what : str
        What they are; "weights", "gradients" and "activations" have a hue of their own.
    title : str
        A line above the picture.
    most : int
        Layers at most, taken evenly from the first to the last.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or there is no layer.
    """
    shown = _chosen("histograms", layers, most)
    with drawing(theme) as sheet:
        hue = sheet.look.palette[HUES.get(what, BLUE)]
        figure, grid = _panels(sheet, len(shown))
        for axes, (name, numbers) in zip(grid, shown.items(), strict=False):
            found = numbers if isinstance(numbers, Bins) else binned(numbers)
            shares = found.counts / max(found.counts.sum(), 1)
            edges = found.edges
            if found.low == found.high:
                edges = edges + np.linspace(-0.5, 0.5, len(edges))
            axes.stairs(shares, edges, fill=True, color=hue, alpha=0.35)
            axes.stairs(shares, edges, color=hue, linewidth=1.2)
            axes.axvline(0, color=sheet.look.grey, linewidth=0.8)
            _head(sheet, axes, name, found)
            axes.yaxis.set_major_formatter(sheet.ticker("PercentFormatter", 1, decimals=0))
        figure.supxlabel(plain(f"value of the {what}"), fontsize=10)
        figure.supylabel("share of the numbers", fontsize=10)
        _titled(figure, title, shown, layers)
    said = f"Histograms of the {what} of {len(shown)} layers: {', '.join(shown)}."
    return Plot(figure, said, theme)


def histograms_over_time(
    layers: Mapping[str, Sequence[Bins]],
    iterations: Sequence[int],
    what: str = "weights",
    *,
    title: str = "",
    most: int = 12,
    theme: str = "light",
) -> Plot:
    """Return a strip for each layer: how its numbers are spread, iteration by iteration.

    The darker, the larger the share of the numbers; the line in the middle is the median, 5% of
    the numbers lie above the upper line and 5% below the lower one.

    Parameters
    ----------
    layers : mapping of str to sequence of Bins
        Name of the layer, and a histogram for each of the iterations.
    iterations : sequence of int
        When they were taken, increasing.
    what : str
        What is spread; "weights", "gradients" and "activations" have a hue of their own.
    title : str
        A line above the picture.
    most : int
        Layers at most, taken evenly from the first to the last.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, there is no layer, or a layer has not one histogram for each
        iteration.
    """
    shown = _chosen("histograms_over_time", layers, most)
    for name, strip in shown.items():
        if len(strip) != len(iterations) or not len(strip):
            raise DiagramError(
                f"histograms_over_time: {name} has {len(strip)} histograms for "
                f"{len(iterations)} iterations\n  fix: pass one for each"
            )
    with drawing(theme) as sheet:
        hue = sheet.look.palette[HUES.get(what, BLUE)]
        colours = sheet.colours(sheet.look.middle, hue, sheet.look.text)
        norm = sheet.norm("PowerNorm", 0.5, vmin=0, vmax=0.5, clip=True)
        figure, grid = _panels(sheet, len(shown))
        image = None
        for axes, (name, strip) in zip(grid, shown.items(), strict=False):
            edges = _range(strip)
            shares = np.stack([found.inside(edges) for found in strip], axis=1)
            image = axes.pcolormesh(
                _borders(iterations), edges, shares, cmap=colours, norm=norm, rasterized=True
            )
            quantiles = np.stack([found.quantiles((0.05, 0.5, 0.95)) for found in strip])
            for values, style in zip(quantiles.T, (":", "-", ":"), strict=True):
                axes.plot(iterations, values, style, color=sheet.look.text, linewidth=0.9)
            axes.set_ylim(edges[0], edges[-1])
            axes.set_xlim(*_borders(iterations)[[0, -1]])
            sheet.thousands(axes.xaxis)
            axes.xaxis.set_major_locator(sheet.ticker("MaxNLocator", 4, integer=True))
            axes.grid(visible=False)
            _head(sheet, axes, name, strip[-1], "at the end ")
        bar = figure.colorbar(
            image, ax=grid, label="share of the numbers", aspect=30, pad=0.01, ticks=TICKS
        )
        bar.ax.yaxis.set_major_formatter(sheet.ticker("PercentFormatter", 1, decimals=0))
        bar.outline.set_visible(False)
        figure.supxlabel("iteration (batches)", fontsize=10)
        figure.supylabel(plain(f"value of the {what}"), fontsize=10)
        _titled(figure, title, shown, layers)
    said = (
        f"How the {what} of {len(shown)} layers are spread, from iteration {iterations[0]:,} to "
        f"{iterations[-1]:,}: {', '.join(shown)}."
    )
    return Plot(figure, said, theme)


TICKS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5)


def _chosen(who: str, layers: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return the layers to be shown: all, or some of them, evenly."""
    if not layers or most < 1:
        raise DiagramError(
            f"{who}: found {len(layers)} layers, at most {most} to be shown; expected at least "
            "one\n  fix: pass a mapping of names to numbers"
        )
    names = list(layers)
    picks = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return {names[pick]: layers[names[pick]] for pick in picks}


def _panels(sheet: Sheet, count: int) -> tuple[Any, list[Any]]:
    """Return a figure with panels in rows of three, or of two if that leaves none empty."""
    columns = min(count, 3) if count != 4 else 2
    rows = math.ceil(count / columns)
    figure = sheet.figure(7.6, 0.9 + 1.9 * rows)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.set_visible(False)
    for axes in grid:
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(sheet.ticker("MaxNLocator", 4))
        axes.yaxis.set_major_locator(sheet.ticker("MaxNLocator", 4))
    return figure, grid[:count]


def _head(sheet: Sheet, axes: Any, name: str, found: Bins, when: str = "") -> None:
    """Write above a panel whose numbers these are, where they are, and what is wrong with them."""
    low, high = found.quantiles((0.05, 0.95))
    said = f"{when}90% in {low:.2g} to {high:.2g}".replace("-", "−")
    if found.lost:
        said = f"{found.lost:,} nan or infinite"
    axes.set_title(
        said, fontsize=7.5, loc="left", pad=3,
        color=sheet.look.palette[ORANGE] if found.lost else sheet.look.grey,
    )  # fmt: skip
    axes.annotate(
        shortened(name), (0, 1), xytext=(0, 15), xycoords="axes fraction", fontsize=9,
        textcoords="offset points", fontweight="bold",
    )  # fmt: skip


def _titled(figure: Any, title: str, shown: Mapping[str, Any], layers: Mapping[str, Any]) -> None:
    few = f"{len(shown)} of {len(layers)} layers" if len(shown) < len(layers) else ""
    if title or few:
        figure.suptitle(plain(", ".join(filter(None, [title, few]))))


def _range(strip: Sequence[Bins]) -> Array:
    """Return the intervals of a strip: where all but a few of the numbers are at all times."""
    ends = np.array([found.quantiles((0.002, 0.998)) for found in strip if found.counts.any()])
    low, high = (float(ends[:, 0].min()), float(ends[:, 1].max())) if len(ends) else (0.0, 0.0)
    room = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
    return np.linspace(low - room, high + room, ROWS + 1)


def _borders(iterations: Sequence[int]) -> Array:
    """Return the borders between moments: halfway from one to the next."""
    times = np.asarray(iterations, np.float64)
    halves = (times[1:] + times[:-1]) / 2
    first = (times[1] - times[0]) / 2 if len(times) > 1 else 0.5
    last = (times[-1] - times[-2]) / 2 if len(times) > 1 else 0.5
    return np.concatenate([[times[0] - first], halves, [times[-1] + last]])
