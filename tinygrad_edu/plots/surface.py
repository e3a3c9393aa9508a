"""The loss surface: the loss in a plane through the weights, and the way that a training went.

The loss is a function of as many numbers as the net has weights. A picture has room for two: the
plane through the trained weights that either holds as much as possible of the way there (principal
components), or is drawn at random with directions of the same scale as the weights.

Knows: a function of arrays. Does not know: nets; whoever has one makes the function.
Read next: ``cli/report.py``, which does.

References
----------
H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the loss landscape of neural nets",
NeurIPS 2018: sections 4 (filter normalisation) and 7 (paths).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.given import Array, drawable, numbers
from tinygrad_edu.plots.look import ORANGE, Sheet, drawing
from tinygrad_edu.plots.plot import Plot

__all__ = ["Surface", "loss_surface", "surface"]

Weights = Sequence[Array]

REAL = "pass [p.numpy() for p in net.parameters()], which have to be real"


@dataclass(frozen=True, slots=True)
class Surface:
    """The loss at the points of a grid in a plane.

    Attributes
    ----------
    x, y : ndarray, shape (n,) and (m,)
        How far to go along the two directions; the weights in the middle are at (0, 0).
    values : ndarray, shape (m, n)
        The loss.
    labels : (str, str)
        What the directions are.
    path : ndarray, shape (k, 2)
        Where the weights of the path are in the plane, or nearest to it; k may be 0.
    iterations : tuple of int
        Of each point of the path; empty if nobody told.
    """

    x: Array
    y: Array
    values: Array
    labels: tuple[str, str]
    path: Array
    iterations: tuple[int, ...] = ()


def loss_surface(
    loss: Callable[[list[Array]], float],
    centre: Weights,
    path: Array | Sequence[Weights] = (),
    *,
    iterations: Sequence[int] = (),
    points: int = 25,
    span: float = 1.0,
    rng: np.random.Generator | int = 0,
) -> Surface:
    r"""Return the loss around some weights, in the plane of a path, or in one at random.

    With at least two points besides the centre, the directions are the two principal components
    of :math:`w_t - w`, as lengths in the space of all weights. Without a path they are drawn from a
    normal distribution and normalised by filter,

    .. math:: d_{ij} \leftarrow \frac{d_{ij}}{\lVert d_{ij} \rVert} \lVert w_{ij} \rVert,

    and 0 for biases: 1 then stands for a change that is as large as the weights are. A filter is an
    entry of the first axis, and of a matrix a column, the weights of one unit.

    Parameters
    ----------
    loss : callable
        Takes weights, arrays like those of `centre`, and returns the loss, a number.
    centre : sequence of ndarray
        Weights in the middle, such as those at the end of a training.
    path : sequence of weights, or ndarray of shape (k, size), optional
        Weights on the way, in order; as rows all weights in a row, one array after the other.
    iterations : sequence of int, optional
        When the points of the path were reached.
    points : int
        Of the grid, along each direction.
    span : float
        How far to go from the centre, without a path.
    rng : numpy.random.Generator or int
        Where directions are drawn from, or a seed.

    Raises
    ------
    DiagramError
        The path has another size than the weights, the weights are complex, or a number is out of
        range.

    Examples
    --------
    >>> valley = lambda weights: float((weights[0] ** 2 * [1, 10]).sum())
    >>> way = [[np.array([4.0, 1.0])], [np.array([2.0, -0.5])], [np.array([1.0, 0.1])]]
    >>> found = loss_surface(valley, [np.zeros(2)], way, points=11)
    >>> found.values.shape, found.path.shape
    ((11, 11), (3, 2))
    """
    middle = [numbers("loss_surface", array, REAL) for array in centre]
    size = sum(array.size for array in middle)
    if not isinstance(points, int) or points < 3 or not span > 0 or not size:
        raise DiagramError(
            f"loss_surface: found points={points!r}, span={span!r}, {size} weights; expected "
            "at least 3, more than 0, and some\n  fix: loss_surface(loss, weights) has usual ones"
        )
    flat, ways = _flat(middle), _rows(path, size)
    if iterations and len(iterations) != len(ways):
        raise DiagramError(
            f"loss_surface: found {len(iterations)} iterations for {len(ways)} points of the path\n"
            "  fix: pass one for each, or none"
        )
    found = _principal(ways - flat) if len(ways) > 1 else None
    if found is None:
        first, second = _random(middle, np.random.default_rng(rng))
        where = np.zeros((0, 2))
        labels = ("1st direction at random, 1 = as long as the weights",
                  "2nd direction at random")  # fmt: skip
        x = y = np.linspace(-span, span, points)
    else:
        (first, second), where, shares = found
        labels = (
            f"along the way ({shares[0]:.0%} of it), length in weight space",
            f"across ({shares[1]:.0%})",
        )
        reach = _reach(where[:, 0])
        x = np.linspace(*reach, points)
        y = np.linspace(*_reach(where[:, 1], 0.35 * (reach[1] - reach[0])), points)
    values = np.empty((points, points))
    splits = np.cumsum([array.size for array in middle])[:-1]
    with np.errstate(all="ignore"):  # far out a loss may be infinite, which is drawn as nothing
        for i, up in enumerate(y):
            for j, right in enumerate(x):
                parts = np.split(flat + right * first + up * second, splits)
                moved = [part.reshape(a.shape) for part, a in zip(parts, middle, strict=True)]
                values[i, j] = loss(moved)
    told = tuple(int(n) for n in iterations) if len(where) else ()
    return Surface(x, y, values, labels, where, told)


def _rows(path: Array | Sequence[Weights], size: int) -> Array:
    """Return the points of a path as rows, shape (k, size), once they have that size."""
    rows = [
        numbers("loss_surface", w, REAL) if isinstance(w, np.ndarray) and w.ndim == 1 else _flat(w)
        for w in path
    ]
    for row in rows:
        if len(row) != size:
            raise DiagramError(
                f"loss_surface: found a path through {len(row)} weights; expected {size}, as many "
                "as there are in the middle\n  fix: take both from the same net"
            )
    return np.array(rows) if rows else np.zeros((0, size))


def surface(found: Surface, *, title: str = "", what: str = "loss", theme: str = "light") -> Plot:
    """Return a loss surface as a map with lines of equal loss, and the path in it.

    Parameters
    ----------
    found : Surface
        As `loss_surface` returns it.
    title : str
        A line above the picture.
    what : str
        What the values are.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or no value is finite.
    """
    values = np.ma.masked_invalid(drawable(found.values))
    if not values.count():
        raise DiagramError("surface: no loss is finite\n  fix: look at a smaller part: span=0.1")
    levels = _levels(float(values.min()), float(values.max()))
    with drawing(theme) as sheet:
        look = sheet.look
        figure = sheet.figure(7.2, 5.4)
        axes = figure.subplots()
        norm = sheet.norm("BoundaryNorm", levels, 256)
        drawn = axes.contourf(found.x, found.y, values, levels, cmap=sheet.amounts, norm=norm)
        lines = axes.contour(
            found.x, found.y, values, levels[1:-1:2], colors=look.text, linewidths=0.6, alpha=0.55
        )
        axes.grid(visible=False)
        axes.set_xlabel(found.labels[0])
        axes.set_ylabel(found.labels[1])
        bar = figure.colorbar(drawn, ax=axes, label=what, aspect=30, pad=0.02, ticks=levels[::3])
        bar.ax.yaxis.set_major_formatter(
            sheet.ticker("FuncFormatter", lambda value, _: _told(value, levels))
        )
        bar.ax.minorticks_off()
        bar.outline.set_visible(False)
        _draw_path(sheet, axes, found)
        legend = axes.legend(loc="best", frameon=True, framealpha=0.9, edgecolor=look.grid,
                             facecolor=look.background)  # fmt: skip
        legend.set_zorder(5)
        _name_lines(sheet, axes, lines, levels, found)
        sheet.titled(figure, title)
    middle = found.values[np.abs(found.y).argmin(), np.abs(found.x).argmin()]
    said = f"Map of the {what} in a plane of the weights: {middle:.3g} near the middle, "
    said += f"up to {values.max():.3g} around it"
    said += f"; a path of {len(found.path)} points leads there." if len(found.path) else "."
    return Plot(figure, said, theme)


def _levels(low: float, high: float) -> Array:
    """Return the values at which the colour changes, evenly by factor if they differ by much."""
    if high - low <= 1e-12 * abs(low):  # a plain: of one colour, on a scale that says how plain
        return low + (abs(low) or 1.0) * np.linspace(0, 1e-6, 19)
    levels = np.geomspace(low, high, 19) if low > 0 and high / low > 5 else (
        np.linspace(low, high, 19)
    )  # fmt: skip
    levels[0], levels[-1] = low, high
    return levels


def _told(value: float, levels: Array) -> str:
    """Return a level in as many digits as tell it from the next."""
    for digits in range(3, 10):
        if len({f"{level:.{digits}g}" for level in levels}) == len(levels):
            break
    return f"{value:.{digits}g}".replace("-", "−")


def _draw_path(sheet: Sheet, axes: Any, found: Surface) -> None:
    """Draw the path from its start to the middle, and when it was where."""
    look = sheet.look
    hue = look.palette[ORANGE]
    edge = {"markeredgecolor": look.background, "markeredgewidth": 0.8, "zorder": 4}
    if len(found.path):
        way = np.concatenate([found.path, [[0.0, 0.0]]])
        axes.plot(*way.T, color=look.background, linewidth=3.5, zorder=3.5)
        axes.plot(*way.T, "o-", color=hue, linewidth=1.8, markersize=4.5, **edge)
        axes.plot(*way[0], "s", color=hue, markersize=9, label="start", **edge)
        for number, at in _moments(found):
            label = axes.annotate(
                f"{number:,}", at, xytext=(5, 7), textcoords="offset points", fontsize=8,
                color=look.text, zorder=4.5,
            )  # fmt: skip
            label.set_bbox({"facecolor": look.background, "alpha": 0.75, "pad": 1.0,
                            "edgecolor": "none"})  # fmt: skip
    axes.plot(0, 0, "*", color=hue, markersize=16,
              label="end" if len(found.path) else "the trained weights", **edge)  # fmt: skip


def _moments(found: Surface) -> list[tuple[int, Array]]:
    """Return iterations, and places on the path that lie far enough from those before."""
    wide = np.array([found.x[-1] - found.x[0], found.y[-1] - found.y[0]])
    taken = [found.path[0] / wide, np.zeros(2)]
    moments = []
    for number, at in zip(found.iterations[1:], found.path[1:], strict=False):
        if all(np.abs(at / wide - other).max() > 0.085 for other in taken):
            taken.append(at / wide)
            moments.append((number, at))
    return moments


def _name_lines(sheet: Sheet, axes: Any, lines: Any, levels: Array, found: Surface) -> None:
    """Write the loss on its lines, but not on the path and what is written along it."""
    # Not inline: a line whose number is taken away again would have a gap.
    named = axes.clabel(lines, fontsize=7, inline=False, fmt=lambda value: _told(value, levels))
    wide = np.array([found.x[-1] - found.x[0], found.y[-1] - found.y[0]])
    way = np.concatenate([found.path, [[0.0, 0.0]]]) / wide
    # Points all along it: between two of them it may be far.
    steps = np.linspace(0, 1, 30)[:, None]
    along = np.concatenate([a + steps * (b - a) for a, b in pairwise(way)] or [way])
    for label in named:
        near = np.abs(along - np.array(label.get_position()) / wide).max(axis=1).min()
        if near < 0.06:
            label.remove()
        else:
            label.set(path_effects=sheet.halo(2), alpha=1, zorder=2.1)


def _flat(weights: Weights) -> Array:
    """Return all weights in a row."""
    return np.concatenate([numbers("loss_surface", array, REAL).ravel() for array in weights])


def _reach(values: Array, least: float = 0.0) -> tuple[float, float]:
    """Return an interval that holds some values and 0, with room on both sides."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    room = max(0.25 * (high - low), (least - (high - low)) / 2) or 1.0
    return low - room, high + room


def _principal(ways: Array) -> tuple[tuple[Array, Array], Array, Array] | None:
    """Return the two directions that hold most of a path, its places, and the shares they hold.

    From the products of its points with each other: there are few of them, and many weights. None
    if the points do not span a plane.
    """
    if not np.isfinite(ways).all():
        return None
    found, vectors = np.linalg.eigh(ways @ ways.T)
    largest = found[::-1][:2]
    if not largest[0] > 0 or largest[1] <= 1e-10 * largest[0]:
        return None
    directions = (vectors[:, ::-1][:, :2] / np.sqrt(largest)).T @ ways
    where = ways @ directions.T
    # The way is read from the left, and its start lies below: a sign is free to choose.
    signs = np.where(where[0] > 0, -1.0, 1.0)
    directions, where = directions * signs[:, None], where * signs
    shares: Array = largest / found.clip(0).sum()
    return (directions[0], directions[1]), where, shares


def _random(middle: Weights, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return two directions at random, normalised by filter."""
    return _normalised(middle, rng), _normalised(middle, rng)


def _normalised(middle: Weights, rng: np.random.Generator) -> Array:
    parts = []
    for array in middle:
        drawn = rng.standard_normal(array.shape)
        if array.ndim < 2:
            parts.append(np.zeros(array.size))
            continue
        axes = (0,) if array.ndim == 2 else tuple(range(1, array.ndim))
        own = np.sqrt(np.square(array).sum(axis=axes, keepdims=True))
        length = np.sqrt(np.square(drawn).sum(axis=axes, keepdims=True))
        parts.append((drawn / np.maximum(length, 1e-300) * own).ravel())
    return np.concatenate(parts)
