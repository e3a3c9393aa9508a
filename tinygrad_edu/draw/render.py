"""From a picture to the bytes of a file, with the best tool that is installed.

The tools are tried in this order: the program ``dot`` (named by the environment variable
``TINYGRAD_EDU_DOT``, or found on the PATH), the package pygraphviz from version 2 on (its wheels
carry Graphviz), and for SVG and HTML our own layout. Each step down is announced once. The forms
that are text (DOT source, Mermaid, JSON, outline) need no tool. This file knows nothing of how a
picture looks; read ``diagram.py`` next.
"""

from __future__ import annotations

import html
import importlib.metadata
import importlib.util
import math
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args
from xml.sax.saxutils import escape

from tinygrad_edu.draw.dot import dot_source
from tinygrad_edu.draw.html_form import html_page
from tinygrad_edu.draw.json_form import to_json
from tinygrad_edu.draw.measure import cluster_pieces
from tinygrad_edu.draw.mermaid import MOST_CHARACTERS, MOST_EDGES, mermaid
from tinygrad_edu.draw.names import box_name, card_name, edge_names
from tinygrad_edu.draw.outline import outline
from tinygrad_edu.draw.picture import Picture
from tinygrad_edu.draw.structure import structure_of
from tinygrad_edu.draw.svg import own_svg, root_attributes
from tinygrad_edu.draw.words import clean_lines
from tinygrad_edu.errors import DiagramError, DiagramWarning, users_frame

__all__ = ["DOT_VARIABLE", "FORMATS", "Engine", "Format", "render"]

Format = Literal["svg", "png", "pdf", "html", "dot", "mermaid", "json", "text"]
Engine = Literal["auto", "dot", "pygraphviz", "own"]
FORMATS: tuple[Format, ...] = get_args(Format)
DOT_VARIABLE = "TINYGRAD_EDU_DOT"

_INSTALL = "install Graphviz (its program dot) or run: pip install 'pygraphviz>=2'"

# Limits of a PNG: about 100 MB while it is drawn, and what the drawing libraries can address.
_MOST_PIXELS = 25_000_000
_LONGEST_SIDE = 30_000
_LEAST_DPI = 36  # below, letters are 5 pixels high

_MOST_FOR_DOT = 1000  # cards; it takes 5 s for them, and 40 s for twice as many

_SIGNATURES: dict[Format, bytes] = {"png": b"\x89PNG", "pdf": b"%PDF"}
_WITHOUT = 'engine="own" draws SVG and HTML without it'

_announced: set[str] = set()


def render(
    picture: Picture,
    format: Format = "svg",
    *,
    engine: Engine = "auto",
    timeout: float = 30.0,
    dpi: int = 144,
    prefix: str = "",
) -> bytes:
    """Return a picture in one of the formats, texts as UTF-8.

    Parameters
    ----------
    picture : Picture
        What is drawn.
    format : {"svg", "png", "pdf", "html", "dot", "mermaid", "json", "text"}
        ``"html"`` is a page with zoom and details, ``"dot"`` the source for Graphviz, ``"mermaid"``
        a flowchart for Markdown, ``"json"`` all facts for programs, ``"text"`` an outline.
    engine : {"auto", "dot", "pygraphviz", "own"}
        The tool; ``"auto"`` takes the first that is there, and our own layout for SVG and HTML of
        more than 1,000 cards.
    timeout : float
        Seconds that Graphviz may take.
    dpi : int
        Resolution of a PNG, dots per inch; lowered where it would exceed 25 million pixels.
    prefix : str
        Put before every id of an SVG, so that two drawings in one page do not collide.

    Raises
    ------
    DiagramError
        When no installed tool makes the format, when the tool fails or takes too long, and when a
        PNG would be too large to be read.
    """
    if format not in FORMATS:
        raise DiagramError(f"format is one of {', '.join(FORMATS)}, got {format!r}")
    if engine not in get_args(Engine):
        raise DiagramError(f"engine is one of {', '.join(get_args(Engine))}, got {engine!r}")
    if re.search(r"[^A-Za-z0-9_-]", prefix):
        raise DiagramError(f"prefix has letters, digits, - and _ only, got {prefix!r}")
    if format == "dot":
        return dot_source(picture).encode()
    if format == "text":
        return outline(picture).encode()
    if format == "json":
        return to_json(picture).encode()
    if format == "mermaid":
        return _mermaid(picture).encode()
    if engine == "auto" and len(picture.cards) > _MOST_FOR_DOT and format in ("svg", "html"):
        _announce(
            f"a picture of more than {_MOST_FOR_DOT:,} cards is drawn by our own layout, in "
            'seconds where Graphviz takes minutes; engine="dot" insists on it.'
        )
        engine = "own"
    tool = None if engine == "own" else _find_tool(engine, format)
    if tool is None and format in ("png", "pdf"):
        raise DiagramError(
            f"a {format.upper()} needs Graphviz: {_INSTALL}; "
            'format="svg" works without either, and so do all but "png" and "pdf"'
        )

    def svg(picture: Picture) -> str:
        if tool is None:
            return own_svg(picture)
        run = _Run(tool, dot_source(picture), timeout, len(picture.cards))
        return _tidy(run.svg(), picture)

    if format == "html":
        bare = replace(picture, note="")  # the page has it in its head
        pages = (svg(replace(bare, theme=theme)) for theme in ("light", "dark"))
        return html_page(picture, *pages).encode()
    if format == "svg":
        return _prefixed(svg(picture), prefix).encode()
    assert tool is not None
    run = _Run(tool, dot_source(picture), timeout, len(picture.cards))
    if format == "pdf":
        return run.output("pdf")
    return run.output("png", _affordable_dpi(*_size(run.svg()), dpi))


def _mermaid(picture: Picture) -> str:
    """Return the flowchart; say so when it is larger than Mermaid draws."""
    text = mermaid(picture)
    edges = len(picture.edges)
    if edges > MOST_EDGES or len(text) > MOST_CHARACTERS:
        _announce(
            f"this flowchart has {edges:,} edges and {len(text):,} characters, but Mermaid draws "
            f"{MOST_EDGES:,} and {MOST_CHARACTERS:,} at most; draw less of the graph."
        )
    return text


# ---------------------------------------------------------------------------------------- the tools


@dataclass(frozen=True, slots=True)
class _Tool:
    """A way to run Graphviz: a name for errors, first arguments, and the environment."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] | None = None


def _find_tool(engine: Engine, format: Format) -> _Tool | None:
    """Return the first tool that is there, None for our own layout; announce each step down."""
    if engine in ("auto", "dot"):
        named = os.environ.get(DOT_VARIABLE)
        program = shutil.which(named or "dot")
        if program is not None:
            return _Tool(program, (program,))
        missing = f"{DOT_VARIABLE} names {named!r}, which" if named else "the program dot"
        missing += " was not found"
        if engine == "dot":
            raise DiagramError(f"{missing}; {_INSTALL}")
    else:
        missing = ""
    tool = _pygraphviz()
    if tool is not None:
        if missing:
            _announce(f"{missing}, so pygraphviz draws; for dot itself install Graphviz.")
        return tool
    if engine == "pygraphviz":
        raise DiagramError("pygraphviz 2 or later is not installed: pip install 'pygraphviz>=2'")
    if format in ("svg", "html"):
        _announce(f"{missing}, so our own layout draws; for Graphviz' drawings {_INSTALL}.")
    return None


def _announce(sentence: str) -> None:
    """Warn once in the life of this process."""
    if sentence not in _announced:
        _announced.add(sentence)
        # The line of the user that wants the drawing, however deep in this package we are.
        frame = users_frame(1)
        text = sentence[0].upper() + sentence[1:]
        warnings.warn_explicit(text, DiagramWarning, frame.f_code.co_filename, frame.f_lineno)


# pygraphviz draws inside the process that imports it, where nothing could stop it: so it gets one.
_PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
if len(sys.argv) > 2:
    graph.graph_attr["dpi"] = sys.argv[2].removeprefix("-Gdpi=")
sys.stdout.buffer.write(graph.draw(format=sys.argv[1].removeprefix("-T"), prog="dot"))
"""


def _pygraphviz() -> _Tool | None:
    """Return the tool that runs pygraphviz in a process of its own, None when it is not there."""
    if not sys.executable or importlib.util.find_spec("pygraphviz") is None:
        return None
    try:
        version = importlib.metadata.version("pygraphviz")
    except importlib.metadata.PackageNotFoundError:
        return None
    if int(re.match(r"\d*", version)[0] or 0) < 2:  # type: ignore[index]
        return None
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return _Tool(f"pygraphviz {version}", (sys.executable, "-c", _PYGRAPHVIZ), environment)


@dataclass(frozen=True, slots=True)
class _Run:
    """One picture on its way through a tool."""

    tool: _Tool
    source: str
    timeout: float
    cards: int

    def svg(self) -> str:
        """Return the SVG as the tool writes it."""
        text = self.output("svg").decode(errors="replace")
        if not text.rstrip().endswith("</svg>"):
            raise DiagramError(f"{self.tool.name} wrote no whole SVG; {_WITHOUT}")
        return text

    def output(self, format: Format, dpi: float | None = None) -> bytes:
        """Return what the tool writes."""
        options: Sequence[str] = () if dpi is None else (f"-Gdpi={dpi:.1f}",)
        try:
            done = subprocess.run(
                [*self.tool.command, f"-T{format}", *options],
                input=self.source.encode(),
                capture_output=True,
                timeout=self.timeout,
                check=False,
                env=self.tool.environment,
            )
        except subprocess.TimeoutExpired:
            raise DiagramError(
                f"{self.tool.name} did not finish a picture of {self.cards:,} cards within "
                f"{self.timeout:g} s; draw less of the graph, give it a longer timeout, or take "
                'engine="own", which draws 5,000 cards in a few seconds'
            ) from None
        except OSError as error:
            raise DiagramError(
                f"{self.tool.name} cannot be run ({error}); mend it, name another program in the "
                f'environment variable {DOT_VARIABLE}, or take engine="own" for SVG'
            ) from error
        if done.returncode != 0 or not done.stdout:
            said = done.stderr.decode(errors="replace").strip() or "nothing"
            raise DiagramError(
                f"{self.tool.name} failed with status {done.returncode} and said: {said[-500:]}; "
                f"{_WITHOUT}"
            )
        if not done.stdout.startswith(_SIGNATURES.get(format, b"")):
            raise DiagramError(f"{self.tool.name} wrote no {format.upper()}; {_WITHOUT}")
        return done.stdout


def _affordable_dpi(width: float, height: float, dpi: int) -> float:
    """Return the resolution, lowered until a drawing of this size in points fits the limits."""
    if dpi <= 0:
        raise DiagramError(f"dpi is a positive number of dots per inch, got {dpi}")
    by_area = 72 * math.sqrt(_MOST_PIXELS / (width * height))
    by_side = 72 * _LONGEST_SIDE / max(width, height)
    affordable = min(dpi, by_area, by_side)
    if affordable < min(dpi, _LEAST_DPI):
        raise DiagramError(
            f"the picture is {width:,.0f} × {height:,.0f} points large; within "
            f"{_MOST_PIXELS:,} pixels its text could not be read as PNG; "
            "save it as svg or pdf, or draw less of the graph"
        )
    return affordable


# ------------------------------------------------------------------------------------- tidying SVG

_ROOT = re.compile(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"\s+viewBox="([^"]*)"[^>]*>')
_GROUP = re.compile(r'<g id="([^"]*)" class="(\w+)"([^>]*)>\s*<title>[^<]*</title>')
_UNIT = re.compile(r'<g id="u(?:-|&#45;)\d+" class="cluster">.*?</g>\s*', re.DOTALL)
_LINK = re.compile(r'<g id="a_[^"]*"><a [^>]*>\s*|</a>\s*</g>\s*')


def _size(svg: str) -> tuple[float, float]:
    """Return width and height, in points, of an SVG that Graphviz wrote."""
    root = _ROOT.search(svg)
    if root is None:
        raise DiagramError(f"Graphviz wrote an SVG of an unknown kind; {_WITHOUT}")
    return float(root[1]), float(root[2])


def _tidy(svg: str, picture: Picture) -> str:
    """Return Graphviz' SVG as a page can hold it.

    Prolog, document type and comments go, because some viewers fail on them; the size becomes one
    that shrinks with the page; names become the texts that hovering shows; what is drawn for
    tooltips, links that lead nowhere, goes too, and so do boxes that nobody sees.
    """
    width, height = _size(svg)
    root = _ROOT.search(svg)
    assert root is not None
    attributes = root_attributes(picture, width, height, root[3])
    body = _LINK.sub("", re.sub(r"<!--.*?-->\s*", "", svg[root.end() :], flags=re.DOTALL))
    body = _UNIT.sub("", body.replace('stroke="transparent"', 'stroke="none"'))  # is no SVG 1.1
    texts, classes = _texts_by_id(picture)

    def group(match: re.Match[str]) -> str:
        name, kind, rest = html.unescape(match[1]), match[2], match[3]
        kind = " ".join(filter(None, (kind, classes.get(name))))
        title = f"<title>{escape(clean_lines(texts[name]))}</title>" if name in texts else ""
        return f'<g id="{name}" class="{kind}"{rest}>{title}'

    return (
        f'<svg {attributes} xmlns:xlink="http://www.w3.org/1999/xlink">\n'
        f"<title>{escape(clean_lines(picture.title))}</title>\n"
        f"<desc>{escape(clean_lines(picture.summary))}</desc>{_GROUP.sub(group, body)}"
    )


def _texts_by_id(picture: Picture) -> tuple[dict[str, str], dict[str, str]]:
    """Return what hovering shows, and the class that tells the role, by drawn id."""
    structure = structure_of(picture)
    texts = {card_name(i): card.description for i, card in enumerate(picture.cards)}
    classes: dict[str, str] = {card_name(i): card.role for i, card in enumerate(picture.cards)}
    names = edge_names(structure.heads)
    texts.update(zip(names, picture.edge_texts(), strict=True))
    classes.update((name, edge.style) for name, edge in zip(names, picture.edges, strict=True))
    for number, box in enumerate(structure.boxes):
        pieces = cluster_pieces(picture.clusters[box.cluster], box.part, box.parts)
        texts[box_name(number)] = " ".join(text for text, _ in pieces)
    return texts, classes


def _prefixed(svg: str, prefix: str) -> str:
    """Return the SVG with a prefix before every id; only groups have one, nothing refers to it."""
    return svg.replace('<g id="', f'<g id="{prefix}') if prefix else svg
