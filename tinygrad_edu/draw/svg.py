"""A picture as SVG by our own layout: no program and no package is needed.

This file knows how places become elements; the places are from ``layout.py``. Arrow heads are
polygons and every colour is an attribute, so the drawing holds no references: several of them can
stand in one page. Read ``render.py`` next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from tinygrad_edu.draw.labels import Point, Rectangle
from tinygrad_edu.draw.layout import Route, lay_out
from tinygrad_edu.draw.level import BORDER
from tinygrad_edu.draw.measure import Face, cluster_pieces, label_of, text_width, wrapped
from tinygrad_edu.draw.names import box_name, card_name, edge_names
from tinygrad_edu.draw.picture import (
    LEGEND,
    Card,
    Edge,
    LegendEntry,
    Picture,
    swatch_card,
    swatch_edge,
    swatch_text,
)
from tinygrad_edu.draw.theme import CORNER, NOTE, TEXT_STYLES, Font, mix
from tinygrad_edu.draw.words import clean, clean_lines

__all__ = ["own_svg", "root_attributes"]

_FAMILY = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_ROUND = 9  # radius of a card
_DASHES = {"solid": "", "dashed": ' stroke-dasharray="6 4"', "dotted": ' stroke-dasharray="1.5 4"'}


def own_svg(picture: Picture) -> str:
    """Return a picture as SVG text; equal pictures give equal text."""
    layout = lay_out(picture)
    legend, legend_width, legend_height = _legend(picture, layout.height, max(layout.width, 320))
    width, height = max(layout.width, legend_width), layout.height + legend_height
    colours = picture.colours
    parts = [
        f"<svg {root_attributes(picture, width, height)} font-family={quoteattr(_FAMILY)}>",
        f"<title>{_escape_lines(picture.title)}</title>",
        f"<desc>{_escape_lines(picture.summary)}</desc>",
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="{colours.background}"/>',
    ]
    for number, (box, place) in enumerate(zip(layout.structure.boxes, layout.boxes, strict=True)):
        cluster = picture.clusters[box.cluster]
        pieces = cluster_pieces(cluster, box.part, box.parts)
        corner = layout.titles[number]
        parts += _box(picture, number, place, corner, pieces, double=cluster.count > 1)
    texts, names = picture.edge_texts(), edge_names(layout.structure.heads)
    for edge, route, name, text in zip(picture.edges, layout.routes, names, texts, strict=True):
        parts += _edge(picture, edge, route, name, text)
    for number, (card, place) in enumerate(zip(picture.cards, layout.cards, strict=True)):
        parts += _card(picture, card, card_name(number), place, layout.faces[number])
    parts += legend
    parts.append("</svg>\n")
    return "\n".join(parts)


def root_attributes(
    picture: Picture, width: float, height: float, view_box: str | None = None
) -> str:
    """Return the attributes of the root element: natural size, but never wider than the page."""
    view_box = view_box or f"0 0 {_n(width)} {_n(height)}"
    words = f"{clean(picture.title, 200)}. {clean(picture.summary, 1000)}"
    return (
        'xmlns="http://www.w3.org/2000/svg" role="img" '
        f"aria-label={_quote(words)} "
        f'viewBox="{view_box}" '
        f'style="width:{_n(width)}pt;max-width:100%;height:auto"'
    )


def _n(number: float) -> str:
    """Return a coordinate with at most two decimals."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _quote(text: str) -> str:
    """Return text as an attribute value with its quotes; line ends stay line ends."""
    return '"' + escape(text, {'"': "&quot;", "\n": "&#10;"}) + '"'


def _escape_lines(text: str) -> str:
    return escape(clean_lines(text))


# ---------------------------------------------------------------------------------- cards and boxes


def _outline(
    place: Rectangle,
    radius: float,
    fill: str,
    stroke: str,
    width: float = 1.0,
    inset: float = 0.0,
    dash: str = "solid",
) -> str:
    """Return a rectangle with round corners, ``inset`` inside its place."""
    x, y, wide, high = place
    return (
        f'<rect x="{_n(x + inset)}" y="{_n(y + inset)}" width="{_n(max(0.0, wide - 2 * inset))}" '
        f'height="{_n(max(0.0, high - 2 * inset))}" rx="{_n(radius)}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="{_n(width)}"{_DASHES[dash]}/>'
    )


def _card(picture: Picture, card: Card, name: str, place: Rectangle, face: Face) -> Iterator[str]:
    """Yield the elements of a card."""
    title = _escape_lines(card.description)
    yield f'<g id="{name}" class="node {card.role}"><title>{title}</title>'
    yield from _frame(picture, card, place)
    yield from _content(picture, face, Point(place.x, place.y), card)
    yield "</g>"


def _frame(picture: Picture, card: Card, place: Rectangle) -> Iterator[str]:
    """Yield the outline of a card, doubled when something inside is not finite."""
    fill, stroke, _ = picture.card_colours(card)
    radius = 0 if card.role == "op" else min(_ROUND, place.height / 3)
    yield _outline(place, radius, fill, stroke, 2.2 if card.change else 1.2, dash=card.dash)
    if card.nonfinite:
        yield _outline(place, max(0, radius - 2), "none", stroke, 1.2, inset=2.5)


def _content(
    picture: Picture, face: Face, corner: Point, card: Card | None = None
) -> Iterator[str]:
    """Yield the bars and the texts of a card, a label or a title."""
    for block in face.blocks:
        assert card is not None
        x, y = corner.x + block.x, corner.y + block.y
        size = f'width="{_n(block.width)}" height="{_n(block.height)}"'
        if block.paint == "cell":
            _, stroke, _ = picture.card_colours(card)
            line = mix(stroke, picture.colours.background)
            paint = f'fill="none" stroke="{line}" stroke-width="0.7"'
        else:
            paint = f'fill="{picture.bar_colour(card, block.paint)}"'
        yield f'<rect x="{_n(x)}" y="{_n(y)}" {size} {paint}/>'
    for words in face.words:
        yield _text(
            corner.x + words.x,
            corner.y + words.y,
            words.text,
            words.font,
            picture.text_colour(words.font, card),
            words.anchor,
        )


def _text(x: float, y: float, text: str, font: Font, colour: str, anchor: str = "start") -> str:
    """Return one line of text."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(font.size)}"{_weight(font)}{where} '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _weight(font: Font) -> str:
    return ' font-weight="bold"' if font.bold else ""


def _box(
    picture: Picture,
    number: int,
    place: Rectangle,
    corner: Point,
    pieces: list[tuple[str, Font]],
    double: bool,
) -> Iterator[str]:
    """Yield the elements of a cluster's box, with two borders when it stands for several."""
    colours = picture.colours
    words = " ".join(text for text, _ in pieces)
    yield f'<g id="{box_name(number)}" class="cluster"><title>{escape(words)}</title>'
    yield _outline(place, _ROUND, colours.box, colours.box_line)
    if double:
        yield _outline(place, _ROUND - 3, "none", colours.box_line, inset=BORDER)
    # One text of several spans: each begins where the one before it really ends.
    spans = "".join(
        f'<tspan dx="{7 if k else 0}" font-size="{_n(font.size)}"{_weight(font)} '
        f'fill="{picture.text_colour(font)}">{escape(text)}</tspan>'
        for k, (text, font) in enumerate(pieces)
    )
    if spans:
        yield f'<text x="{_n(corner.x)}" y="{_n(corner.y + 12)}">{spans}</text>'
    yield "</g>"


# -------------------------------------------------------------------------------------------- edges


def _edge(picture: Picture, edge: Edge, route: Route, name: str, text: str) -> Iterator[str]:
    """Yield the elements of an edge: line, arrow head, label."""
    across = (picture.rankdir == "LR") != route.hangs
    colour = picture.edge_colour(edge)
    points = list(route.points[::-1] if edge.backward else route.points)
    tip, before = points[-1], points[-2]
    length, half = 6.5 + 1.2 * edge.pen, 2.4 + 0.8 * edge.pen
    step = tip.x - before.x if across else tip.y - before.y
    sign = 1.0 if step > 0 else -1.0
    if across:
        points[-1] = Point(tip.x - sign * length, tip.y)
        wings = (points[-1].x, tip.y - half), (points[-1].x, tip.y + half)
    else:
        points[-1] = Point(tip.x, tip.y - sign * length)
        wings = (tip.x - half, points[-1].y), (tip.x + half, points[-1].y)
    head = " ".join(f"{_n(x)},{_n(y)}" for x, y in (tip, *wings))
    yield f'<g id="{name}" class="edge {edge.style}"><title>{_escape_lines(text)}</title>'
    yield (
        f'<path d="{_path(points, across)}" fill="none" stroke="{colour}" '
        f'stroke-width="{_n(edge.pen)}"{_DASHES[edge.dash]}/>'
    )
    yield f'<polygon points="{head}" fill="{colour}"/>'
    if route.label is not None:
        label = label_of(edge)
        assert label is not None
        yield from _content(picture, label, Point(route.label.x, route.label.y))
    yield "</g>"


def _path(points: list[Point], across: bool) -> str:
    """Return the commands of a line: straight pieces, and curves that leave and arrive straight."""
    commands = [f"M{_n(points[0].x)} {_n(points[0].y)}"]
    for a, b in pairwise(points):
        if abs(a.x - b.x) < 0.01 or abs(a.y - b.y) < 0.01:
            commands.append(f"L{_n(b.x)} {_n(b.y)}")
        elif across:
            middle = _n((a.x + b.x) / 2)
            commands.append(f"C{middle} {_n(a.y)} {middle} {_n(b.y)} {_n(b.x)} {_n(b.y)}")
        else:
            middle = _n((a.y + b.y) / 2)
            commands.append(f"C{_n(a.x)} {middle} {_n(b.x)} {middle} {_n(b.x)} {_n(b.y)}")
    return "".join(commands)


# ------------------------------------------------------------------------------------------- legend


def _legend(picture: Picture, top: float, width: float) -> tuple[list[str], float, float]:
    """Return note and legend with their width and height; rows as long as the drawing."""
    entries = picture.legend_entries
    x, y, widest = 14.0, top + 2, 0.0
    parts = []
    for line in wrapped(picture.note, NOTE, width - 28):
        parts.append(_text(x, y + 10, line, NOTE, picture.text_colour(NOTE)))
        widest = max(widest, x + text_width(line, NOTE) + 14)
        y += 17
    if not entries:
        return parts, widest, y - top + (4 if parts else 0)
    parts.append('<g class="legend">')
    for entry in entries:
        word = LEGEND[entry]
        need = 26 + text_width(word, CORNER) + 14
        if x > 14 and x + need > width:
            x, y = 14.0, y + 20
        parts += _swatch(picture, entry, x, y)
        parts.append(_text(x + 26, y + 10.5, word, CORNER, picture.colours.grey))
        x += need
        widest = max(widest, x)
    parts.append("</g>")
    return parts, widest, y + 24 - top


def _swatch(picture: Picture, entry: LegendEntry, x: float, y: float) -> Iterable[str]:
    """Return a small card, a number or a piece of line in the look that the entry explains."""
    card = swatch_card(entry)
    if card is not None:
        return _frame(picture, card, Rectangle(x, y + 1, 20, 12))
    sample = swatch_text(entry)
    if sample is not None:
        font = replace(TEXT_STYLES[sample.style], size=CORNER.size)
        return [_text(x + 20, y + 10.5, sample.text, font, picture.text_colour(font), "end")]
    edge = swatch_edge(entry)
    ends = Point(x, y + 7), Point(x + 20, y + 7)
    # The route of a recurrent edge already runs backwards.
    route = Route(ends[::-1] if edge.recurrent else ends, picture.rankdir != "LR", None)
    return list(_edge(picture, edge, route, f"legend-{entry}", LEGEND[entry]))
