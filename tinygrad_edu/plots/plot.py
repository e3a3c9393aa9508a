"""The object that every function of this room returns: one picture, as a file or in a notebook.

Knows: how a Matplotlib figure becomes bytes, the same ones in every run. Does not know: what is on
it. Read next: any of the pictures, such as ``confusion.py``.
"""

from __future__ import annotations

import io
import os
import re
from html import escape
from pathlib import Path
from typing import Any

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.files import write_whole
from tinygrad_edu.plots.look import drawing

__all__ = ["Plot"]

NOTHING: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What a file of each format would say of when and by whom it was made."""


class Plot:
    """A picture that can be saved, and that shows itself in a notebook.

    Parameters
    ----------
    figure : matplotlib Figure
        What is drawn; change it before it is saved, if you like.
    alt : str
        What somebody is told who cannot see it.
    theme : {"light", "dark"}
        What it was drawn in.

    Examples
    --------
    >>> from tinygrad_edu.plots import confusion
    >>> plot = confusion([[10, 0], [0, 10]], ["cat", "dog"])
    >>> plot
    <Plot: Confusion matrix of 2 classes, 20 samples: 100.0% right.>
    >>> plot.png[1:4]
    b'PNG'
    """

    def __init__(self, figure: Any, alt: str, theme: str = "light") -> None:
        self._figure, self.alt, self.theme = figure, alt, theme

    @property
    def figure(self) -> Any:
        """The Matplotlib figure.

        Raises
        ------
        DiagramError
            The plot was closed.
        """
        if self._figure is None:
            raise DiagramError("this plot was closed\n  fix: draw it again, or close it later")
        return self._figure

    @property
    def png(self) -> bytes:
        """The picture as a PNG of 120 pixels an inch."""
        return self._render("png")

    @property
    def svg(self) -> str:
        """The picture as SVG, to be put into a page as it is; the words are drawn as curves."""
        text = self._render("svg").decode()
        # A page that holds it has a head of its own.
        head, rest = re.split(r"(?<=>)", text[text.index("<svg") :], maxsplit=1)
        head = head.replace("<svg ", '<svg role="img" ', 1)
        return f"{head}\n <title>{escape(self.alt)}</title>{rest}"

    @property
    def pdf(self) -> bytes:
        """The picture as a PDF of one page."""
        return self._render("pdf")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, whole or not at all, and return its path; the suffix is the format.

        Parameters
        ----------
        path : str or path
            Ends in .png, .svg or .pdf.

        Raises
        ------
        DiagramError
            The suffix is another one, or the plot was closed.
        OSError
            The file cannot be written.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in NOTHING:
            raise DiagramError(
                f"{path.name!r} ends in none of .png, .svg, .pdf: the suffix is the format\n"
                "  fix: name it picture.png"
            )
        content = self.svg.encode() if kind == "svg" else self._render(kind)
        return write_whole(path, lambda file: file.write(content))

    def close(self) -> None:
        """Let go of the figure and all that was drawn."""
        if self._figure is not None:
            self._figure.clear()
        self._figure = None

    def _render(self, kind: str) -> bytes:
        buffer = io.BytesIO()
        with drawing(self.theme):
            self.figure.savefig(buffer, format=kind, metadata=NOTHING[kind])
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Plot: {self.alt}>"
