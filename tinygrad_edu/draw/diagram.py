"""The object that a drawing function returns: one picture, every format, drawn when asked for.

It knows no format itself; read ``render.py`` for those.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container
from pathlib import Path
from typing import Any

from tinygrad_edu.draw.picture import Picture
from tinygrad_edu.draw.render import FORMATS, Engine, Format, render
from tinygrad_edu.draw.words import counted
from tinygrad_edu.errors import DiagramError, users_line
from tinygrad_edu.files import write_whole

__all__ = ["Diagram"]

_SUFFIXES: dict[str, Format] = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".html": "html",
    ".htm": "html",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".json": "json",
    ".txt": "text",
}


class Diagram:
    """A picture that shows itself in a notebook and can be saved.

    Parameters
    ----------
    picture : Picture
        What is drawn.
    format : {"svg", "png", "pdf", "html", "dot", "mermaid", "json", "text"}
        What a notebook shows beside the text: svg, or png when asked for; otherwise text alone.
    engine : {"auto", "dot", "pygraphviz", "own"}
        The tool that draws; ``"auto"`` takes the first that is installed.
    timeout : float
        Seconds that Graphviz may take.

    Examples
    --------
    >>> from tinygrad_edu.draw.picture import Card, Edge
    >>> cards = (Card("x", "input", "x"), Card("y", "output", "y"))
    >>> print(Diagram(Picture(cards, (Edge("x", "y"),), title="identity")).text)
    identity
    Diagram of 1 input, 1 output, joined by 1 edge.
    <BLANKLINE>
    x (input)
    y (output)  from x
    <BLANKLINE>
    """

    def __init__(
        self,
        picture: Picture,
        *,
        format: Format = "svg",
        engine: Engine = "auto",
        timeout: float = 30.0,
    ) -> None:
        if format not in FORMATS:
            raise DiagramError(f"format is one of {', '.join(FORMATS)}, got {format!r}")
        self.picture = picture
        self.format = format
        self.engine = engine
        self.timeout = timeout
        self._drawn: dict[tuple[Format, str], bytes] = {}

    def _render(self, format: Format, prefix: str = "") -> bytes:
        """Return the picture in a format, drawn once."""
        key = (format, prefix)
        if key not in self._drawn:
            self._drawn[key] = render(
                self.picture, format, engine=self.engine, timeout=self.timeout, prefix=prefix
            )
        return self._drawn[key]

    @property
    def svg(self) -> str:
        """The drawing as SVG, to be put into a page as it is."""
        return self._render("svg").decode()

    @property
    def png(self) -> bytes:
        """The drawing as the bytes of a PNG file; needs Graphviz."""
        return self._render("png")

    @property
    def pdf(self) -> bytes:
        """The drawing as the bytes of a PDF file; needs Graphviz."""
        return self._render("pdf")

    @property
    def html(self) -> str:
        """The drawing as a whole page: zoom, pan, details of each card; light and dark."""
        return self._render("html").decode()

    @property
    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart, for the Markdown of GitHub and others."""
        return self._render("mermaid").decode()

    @property
    def json(self) -> str:
        """The picture as JSON, with all its facts; ``json_form.from_json`` reads it again."""
        return self._render("json").decode()

    @property
    def note(self) -> str:
        """What a reader must know beside the drawing: what was left out, and why."""
        return self.picture.note

    @property
    def source(self) -> str:
        """The drawing as DOT source."""
        return self._render("dot").decode()

    @property
    def text(self) -> str:
        """The picture as an indented text."""
        return self._render("text").decode()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing to a file and return its path; the suffix chooses the format.

        The file is written beside its place and moved there, so that what was there before stays
        whole until the new drawing is.

        Parameters
        ----------
        path : str or path
            Ends in .svg, .png, .pdf, .html, .htm, .dot, .gv (both DOT), .mmd, .mermaid (both
            Mermaid), .json or .txt (the outline).

        Raises
        ------
        DiagramError
            When the suffix is unknown, or the drawing cannot be made.
        OSError
            When the file cannot be written.
        """
        path = Path(path)
        format = _SUFFIXES.get(path.suffix.lower())
        if format is None:
            known = ", ".join(_SUFFIXES)
            raise DiagramError(
                f"save: {path.name!r} ends in none of {known}: the suffix is the format\n"
                f'  at {users_line()}\n  fix: save("{path.stem}.svg")'
            )
        drawing = self._render(format)
        return write_whole(path, lambda file: file.write(drawing))

    def _prefix(self) -> str:
        """Return a prefix for ids: another one for another picture, the same one in every run."""
        return f"d{hashlib.sha256(self.source.encode()).hexdigest()[:8]}-"

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, Any]:
        """Return what a notebook shows: the drawing, and the text for all who cannot see it."""
        bundle: dict[str, Any] = {"text/plain": self.text}
        if self.format == "svg":
            bundle["image/svg+xml"] = self._render("svg", self._prefix()).decode()
        elif self.format == "png":
            bundle["image/png"] = self.png
        return {
            kind: content
            for kind, content in bundle.items()
            if (not include or kind in include) and not (exclude and kind in exclude)
        }

    def __repr__(self) -> str:
        cards, edges = len(self.picture.cards), len(self.picture.edges)
        return (
            f"<Diagram {self.picture.title!r}: {counted(cards, 'card')}, {counted(edges, 'edge')}>"
        )
