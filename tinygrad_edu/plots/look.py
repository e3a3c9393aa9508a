"""The look of all pictures: colours, sizes, and the only lines that import Matplotlib.

A picture is drawn inside ``with drawing(theme) as sheet``: there Matplotlib's settings are its own
defaults and this file's, whatever a user has set, and afterwards they are the user's again. Figures
are made without ``pyplot``, which would keep each of them for the life of the process.

Knows: Matplotlib. Does not know: what is drawn. Read next: ``plot.py``.
"""

from __future__ import annotations

import importlib
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.errors import DiagramError

__all__ = [
    "LOOKS",
    "PALETTE",
    "Look",
    "Sheet",
    "counted",
    "demand_matplotlib",
    "drawing",
    "plain",
    "shortened",
]

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart by all kinds of eyes (M. Okabe, K. Ito, "Color universal design", 2008)."""
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = range(6)
"""Places of the hues in a palette."""


@dataclass(frozen=True, slots=True)
class Look:
    """All colours of a picture, as ``#rrggbb``.

    Attributes
    ----------
    background, text, grey, grid : str
        Of the page, of words, of what is said in passing, of the lines behind the data.
    faint : str
        Of many small points, which a line summarises.
    palette : tuple of str
        Hues in the order in which they are used.
    middle : str
        Of 0 in a map of signed numbers, of the least in a map of others.
    """

    background: str
    text: str
    grey: str
    grid: str
    faint: str
    palette: tuple[str, ...]
    middle: str


LOOKS = {
    "light": Look("#ffffff", "#1c1f23", "#555b63", "#dddddd", "#999999", PALETTE, "#ffffff"),
    # The hues of Okabe and Ito, made lighter until they stand out of the dark.
    "dark": Look(
        "#15191f", "#f2f4f7", "#a9b1bc", "#333b45", "#7c8793",
        ("#56a8dd", "#ff9a4d", "#2bc79a", "#e59cc4", "#f0b93a", "#9ad3f5", "#ffffff"), "#1d232b",
    ),
}  # fmt: skip
"""Looks by the name of their theme."""

_LOCK = threading.RLock()
"""Matplotlib's settings belong to the process: two threads may not borrow them at once."""


class Sheet:
    """Matplotlib, and the look that is drawn in.

    Parameters
    ----------
    theme : str
        Key of `LOOKS`.
    look : Look
        Its colours.
    """

    def __init__(self, theme: str, look: Look) -> None:
        self.theme, self.look = theme, look

    def figure(self, width: float, height: float, *, layout: str | None = "constrained") -> Any:
        """Return an empty figure with a canvas of its own.

        Parameters
        ----------
        width, height : float
            In inches; a page of text is about 7 wide.
        layout : str, optional
            Who finds places for the parts; None leaves them where they are put.
        """
        figure = _module("figure").Figure(figsize=(width, height), dpi=120, layout=layout)
        _module("backends.backend_agg").FigureCanvasAgg(figure)
        return figure

    def colours(self, *stops: str) -> Any:
        """Return a map of numbers to colours, evenly from one stop to the next."""
        made = _module("colors").LinearSegmentedColormap.from_list("stops", stops)
        return made.with_extremes(bad=self.look.background)

    @property
    def amounts(self) -> Any:
        """The map for what begins at 0: from the background to dark blue, or to light blue."""
        palette = self.look.palette
        ends = ("#9cc9e6", palette[BLUE], "#08304f")
        if self.theme == "dark":
            ends = ("#1f4a68", palette[BLUE], "#e3f3ff")
        return self.colours(self.look.middle, *ends)

    @property
    def signed(self) -> Any:
        """The map for what may be negative: blue, the background at 0, orange."""
        palette = self.look.palette
        return self.colours(palette[BLUE], self.look.middle, palette[ORANGE])

    def norm(self, kind: str, *args: Any, **options: Any) -> Any:
        """Return one of Matplotlib's norms, such as ``PowerNorm``."""
        return getattr(_module("colors"), kind)(*args, **options)

    def ticker(self, kind: str, *args: Any, **options: Any) -> Any:
        """Return one of Matplotlib's locators or formatters."""
        return getattr(_module("ticker"), kind)(*args, **options)

    def halo(self, width: float) -> list[Any]:
        """Return what lets a text be read on any colour: an edge of the page's around it."""
        edge = {"linewidth": width, "foreground": self.look.background}
        return [_module("patheffects").withStroke(**edge)]

    def whole(self, axis: Any, most: int = 6) -> None:
        """Write whole numbers at an axis, with commas, and not more of them than have room."""
        axis.set_major_locator(self.ticker("MaxNLocator", most, integer=True, min_n_ticks=1))
        axis.set_major_formatter(self.ticker("StrMethodFormatter", "{x:,.0f}"))

    def titled(self, figure: Any, title: str, size: float = 12) -> None:
        """Write a title above all of a figure, in several lines if it is long."""
        letters = int(90 * figure.get_figwidth() / size)
        if title:
            figure.suptitle(plain(textwrap.fill(title, letters)), fontsize=size)

    def headed(self, axes: Any, *lines: str) -> None:
        """Write lines above axes that are as wide as their figure, from the left."""
        letters = int(12 * axes.figure.get_figwidth())
        filled = [textwrap.fill(line, letters) for line in lines if line]
        axes.set_title(plain("\n".join(filled)), loc="left", fontsize=9)

    def as_image(self, axes: Any) -> None:
        """Take grid, ticks and frame from axes that hold an image."""
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)


@contextmanager
def drawing(theme: str = "light", what: str = "the picture") -> Iterator[Sheet]:
    """Context in which a picture is drawn; Matplotlib's settings are put back behind it.

    Parameters
    ----------
    theme : {"light", "dark"}
        Colours.
    what : str
        What needs Matplotlib, for the sentence that says so where it is missing.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or there is no such theme.

    Examples
    --------
    >>> from tinygrad_edu.plots import Plot
    >>> with drawing("dark") as sheet:
    ...     figure = sheet.figure(4, 3)
    ...     lines = figure.subplots().plot([1, 4, 9])
    >>> Plot(figure, "Three squares.", "dark")
    <Plot: Three squares.>
    """
    if not isinstance(theme, str) or theme not in LOOKS:
        raise DiagramError(
            f"found theme={theme!r}; expected {' or '.join(map(repr, LOOKS))}\n"
            "  fix: leave it out for a light page"
        )
    demand_matplotlib(what)
    look = LOOKS[theme]
    with _LOCK, _module("style").context(["default", _settings(look)]):
        yield Sheet(theme, look)


def demand_matplotlib(what: str = "the picture") -> None:
    """Raise `DiagramError`, with the one sentence that says so, if Matplotlib is not installed."""
    try:
        # The part that every picture needs, first: an install that is not whole is told, too.
        _module("figure")
        _module("style")
    except ImportError as error:
        verb = "need" if what.endswith("s") else "needs"
        raise DiagramError(
            f"{what} {verb} Matplotlib, which is not installed: pip install 'tinygrad_edu[plot]'"
        ) from error


def _settings(look: Look) -> dict[str, Any]:
    """Return Matplotlib's settings that differ from its defaults."""
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": look.grey,
        "axes.facecolor": look.background,
        "axes.grid": True,
        "axes.labelcolor": look.text,
        "axes.labelsize": 10,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 10,
        "figure.facecolor": look.background,
        "figure.titlesize": 12,
        "font.size": 10,
        "grid.color": look.grid,
        "grid.linewidth": 0.7,
        "legend.frameon": False,
        "savefig.facecolor": look.background,
        # Equal pictures are equal bytes: names inside an SVG are made from what they name.
        "svg.hashsalt": "tinygrad_edu",
        "text.color": look.text,
        "xtick.color": look.grey,
        "xtick.labelcolor": look.text,
        "ytick.color": look.grey,
        "ytick.labelcolor": look.text,
    }


def _module(name: str) -> Any:
    return importlib.import_module(f"matplotlib.{name}")


def plain(text: Any) -> str:
    """Return a text that is written as it is: dollars would begin a formula."""
    return str(text).replace("$", r"\$")


def counted(number: int, what: str) -> str:
    """Return a number of things, as in ``1 layer`` and ``2 layers``."""
    ending = "es" if what.endswith("s") else "s"
    return f"{number:,} {what}{'' if number == 1 else ending}"


def shortened(text: Any, most: int = 28) -> str:
    """Return a text as `plain` does, without its middle if it is longer than so many letters."""
    text = str(text)
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}…{text[-(most - most // 2) :]}"
    return plain(text)
