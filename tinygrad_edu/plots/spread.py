"""Histograms: how numbers are spread, by layer, at one moment or over a training.

Knows: counts in intervals. Does not know: whose numbers they are. Read next: ``train/recorder.py``,
which keeps such counts while a net is trained.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.given import Array, drawable, numbers
from tinygrad_edu.plots.look import (
    BLUE,
    GREEN,
    ORANGE,
    Sheet,
    counted,
    drawing,
    plain,
    shortened,
)
from tinygrad_edu.plots.plot import Plot

__all__ = ["Bins", "binned", "histograms", "histograms_over_time"]

GOLDEN = (math.sqrt(5) - 1) / 2
HUES = {"activations": BLUE, "gradients": ORANGE, "weights": GREEN}
"""As in the diagrams of graphs: parameters are green, gradients orange."""
ROWS = 64
"""Intervals of a strip, all through its training."""
NARROWEST = 1e-300
"""Numbers that differ by less lie in one place: dividing by the difference could overflow."""


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
        How many were nan or infinite, or beyond 1e300.
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

    def middle(self, share: float) -> tuple[float, float]:
        """Return the ends of whole intervals that hold at least a share, the rest on both sides."""
        if not self.counts.any():
            return self.low, self.high
        rising = np.cumsum(self.counts)
        left = (1 - share) / 2 * rising[-1]
        first = int(np.searchsorted(rising, left, "right"))
        last = int(np.searchsorted(rising, rising[-1] - left, "left"))
        return float(self.edges[first]), float(self.edges[last + 1])

    def inside(self, edges: Array) -> Array:
        """Return which share of the numbers lies in each of other intervals."""
        rising = np.concatenate([[0.0], np.cumsum(self.counts)])
        found: Array = np.diff(np.interp(edges, self.edges, rising / max(rising[-1], 1)))
        if self.low == self.high and rising[-1]:  # all in one place, where the line jumps
            found = np.histogram([self.low], edges)[0].astype(float)
        return found


def binned(given: Any, bins: int = 40, *, most: int | None = None) -> Bins:
    """Return the histogram of all numbers of an array, or of some that are spread over it.

    Parameters
    ----------
    given : array_like
        Real numbers, of any shape.
    bins : int
        Intervals, from the smallest number to the largest; at least 1.
    most : int, optional
        Take at most so many of the numbers, at least 1, always the same places for the same size,
        chosen so that they hit no row and no column more often than another.

    Raises
    ------
    DiagramError
        They are no real numbers, or `bins` or `most` is out of range.

    Examples
    --------
    >>> found = binned([0.0, 1.0, 1.0, 4.0], bins=2)
    >>> found.low, found.high, found.counts.tolist()
    (0.0, 4.0, [3, 1])
    """
    if bins < 1 or (most is not None and most < 1):
        raise DiagramError(
            f"binned: found bins={bins!r}, most={most!r}; expected at least 1\n"
            "  fix: leave them out"
        )
    flat = given.reshape(-1) if isinstance(given, np.ndarray) else np.ravel(given)
    if most is not None and flat.size > most:
        flat = flat[_places(flat.size, most)]
    flat = drawable(numbers("binned", flat, "of complex numbers, pass abs(numbers)"))
    good = flat[np.isfinite(flat)]
    lost = flat.size - good.size
    if not good.size:
        return Bins(0.0, 0.0, np.zeros(bins, np.int32), lost)
    low, high = float(good.min()), float(good.max())
    if high - low < NARROWEST:
        return Bins(low, low, np.where(np.arange(bins) == bins // 2, good.size, 0), lost)
    # Several times faster than np.histogram, which prepares for intervals of any kind.
    places = ((good - low) * (bins / (high - low))).astype(np.int64)
    counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    return Bins(low, high, counts.astype(np.int32), lost)


@functools.lru_cache(maxsize=64)
def _places(size: int, most: int) -> Array:
    """Return places that are spread evenly over an array; the golden ratio fits no row length."""
    found: Array = (np.arange(most) * GOLDEN % 1 * size).astype(np.int64)
    found.flags.writeable = False
    return found


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
        for axes, (name, given) in zip(grid, shown.items(), strict=False):
            found = given if isinstance(given, Bins) else binned(given)
            shares = found.counts / max(found.counts.sum(), 1)
            edges = found.edges
            if found.low == found.high:
                edges = edges + (abs(found.low) or 1.0) * np.linspace(-0.5, 0.5, len(edges))
            axes.stairs(shares, edges, fill=True, color=hue, alpha=0.35)
            axes.stairs(shares, edges, color=hue, linewidth=1.2)
            axes.axvline(0, color=sheet.look.grey, linewidth=0.8)
            _head(sheet, axes, name, found)
            axes.yaxis.set_major_formatter(sheet.ticker("PercentFormatter", 1, decimals=0))
        figure.supxlabel(plain(f"value of the {what}"), fontsize=10)
        figure.supylabel("share of the numbers", fontsize=10)
        _titled(sheet, figure, title, shown, layers)
    said = f"Histograms of the {what} of {counted(len(shown), 'layer')}: {', '.join(shown)}."
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
    if (np.diff(iterations) <= 0).any():
        raise DiagramError(
            f"histograms_over_time: found iterations {[*iterations][:8]}; expected increasing ones"
            "\n  fix: pass recorder.iterations"
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
            sheet.whole(axes.xaxis, 4)
            axes.grid(visible=False)
            _head(sheet, axes, name, strip[-1], "at last ")
        bar = figure.colorbar(
            image, ax=grid, label="share of the numbers", aspect=30, pad=0.01, ticks=TICKS
        )
        bar.ax.yaxis.set_major_formatter(sheet.ticker("PercentFormatter", 1, decimals=0))
        bar.outline.set_visible(False)
        figure.supxlabel("iteration (batches)", fontsize=10)
        figure.supylabel(plain(f"value of the {what}"), fontsize=10)
        _titled(sheet, figure, title, shown, layers)
    said = (
        f"How the {what} of {counted(len(shown), 'layer')} are spread, from iteration "
        f"{iterations[0]:,} to {iterations[-1]:,}: {', '.join(shown)}."
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
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(sheet.ticker("MaxNLocator", 4))
            # Each number in full: a power of ten beside the axis would lie on the layer's name.
            axis.set_major_formatter(sheet.ticker("FuncFormatter", lambda v, _: _short(v, 3)))
    return figure, grid[:count]


def _head(sheet: Sheet, axes: Any, name: str, found: Bins, when: str = "") -> None:
    """Write above a panel whose numbers these are, where they are, and what is wrong with them."""
    low, high = found.middle(0.9)
    said = f"{when}90% in {_short(low)} to {_short(high)}"
    if not found.counts.any():
        said = "no numbers"
    if found.lost:
        said = f"{found.lost:,} nan or infinite"
    # Three panels beside each other have room for about 20 letters.
    many = axes.get_subplotspec().get_gridspec().ncols == 3
    axes.set_title(
        said, fontsize=6.5 if many else 7.5, loc="left", pad=3,
        color=sheet.look.palette[ORANGE] if found.lost else sheet.look.grey,
    )  # fmt: skip
    axes.annotate(
        shortened(name), (0, 1), xytext=(0, 15), xycoords="axes fraction",
        fontsize=6.5 if many and len(name) > 20 else 9,
        textcoords="offset points", fontweight="bold",
    )  # fmt: skip


def _short(value: float, digits: int = 2) -> str:
    """Return a number in few digits, and as few letters as they take."""
    mantissa, _, power = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}e{int(power)}".replace("-", "−") if power else mantissa.replace("-", "−")


def _titled(
    sheet: Sheet, figure: Any, title: str, shown: Mapping[str, Any], layers: Mapping[str, Any]
) -> None:
    few = f"{len(shown)} of {len(layers)} layers" if len(shown) < len(layers) else ""
    sheet.titled(figure, ", ".join(filter(None, [title, few])))


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
