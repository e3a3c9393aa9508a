"""A picture as DOT source, the language of Graphviz.

Cards are ``shape=plain`` HTML-like tables, because only these allow several fonts, colours and
histograms inside one node. Bars are nested table cells of fixed size: no font and no image is
involved, so SVG and PNG agree. The ``graphviz`` package makes the frame; the many lines inside are
written here, which is ten times as fast. This file runs no program; read ``render.py`` next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Literal

import graphviz

from tinygrad_edu.draw.measure import cluster_pieces, label_of, pieces_width, text_width, wrapped
from tinygrad_edu.draw.names import box_name, card_name, edge_names, unit_name
from tinygrad_edu.draw.picture import (
    LEGEND,
    Bar,
    Card,
    Edge,
    Histogram,
    LegendEntry,
    Line,
    Picture,
    swatch_card,
    swatch_edge,
    swatch_text,
)
from tinygrad_edu.draw.structure import Box, Structure, structure_of
from tinygrad_edu.draw.theme import (
    CLUSTER_DETAIL,
    CORNER,
    NOTE,
    TEXT_STYLES,
    TITLE,
    Font,
    mix,
)
from tinygrad_edu.draw.words import LINE_LIMIT, clean, clean_lines

__all__ = ["dot_source"]

# Helvetica's twin; every platform has it or a font of the same widths.
_FONT = "Arial"
_BAR_WIDTH, _BAR_HEIGHT = 7, 20  # of a histogram, in points
_SHARE_WIDTH = 64  # of a full horizontal bar
_DEEP = 50  # boxes around a card that are asked what crosses their border
_LEGEND_WIDTH = {"LR": 900.0, "TB": 480.0}  # longer rows would make the drawing wider

_TABLE = '<TABLE BORDER="{}" CELLBORDER="{}" CELLSPACING="{}" CELLPADDING="{}"{}>'


def dot_source(picture: Picture) -> str:
    """Return the DOT source of a picture; equal pictures give equal text."""
    structure = structure_of(picture, most_hanging=2)
    colours = picture.colours
    owner = structure.owner
    labels = [
        label
        for edge, tail in zip(picture.edges, structure.tails, strict=True)
        if tail in owner and (label := label_of(edge)) is not None
    ]
    # Labels of hanging edges are set after all places are fixed, so room is made in advance.
    room = max(
        (36 if picture.rankdir == "LR" else label.width + 20 for label in labels), default=25.2
    )
    graph = graphviz.Digraph("picture")
    graph.attr(
        "graph",
        rankdir=picture.rankdir,
        bgcolor=colours.background,
        fontname=_FONT,
        fontsize="11",
        nodesep=f"{room / 72:.2f}",
        ranksep="0.5",
        pad="0.15",
        id="picture",
        tooltip=graphviz.escape(clean(picture.title)),
        labelloc="b",
        labeljust="l",
        label=_legend(picture),
    )
    graph.attr("node", shape="plain", fontname=_FONT, fontsize="11", fontcolor=colours.text)
    graph.attr("edge", fontname=_FONT, fontsize="10", arrowsize="0.8", fontcolor=colours.text)
    graph.body.extend(_boxes_and_cards(picture, structure))
    graph.body.extend(_edges(picture, structure))
    return str(graph.source)


def _boxes_and_cards(picture: Picture, structure: Structure) -> Iterator[str]:
    """Yield the lines of all boxes with the cards in them, depth first, by a stack."""
    children: dict[int | None, list[int]] = {}
    for number, box in enumerate(structure.boxes):
        children.setdefault(box.parent, []).append(number)
    cards: dict[int | None, list[int]] = {}
    for card in structure.order:
        cards.setdefault(structure.box_of[card], []).append(card)
    spine = frozenset(structure.backbone)
    entering, leaving = _borders(structure) if picture.rankdir == "TB" else (Counter(), Counter())

    def inside(place: int | None) -> Iterator[str]:
        for card in cards.get(place, ()):
            yield from _card_with_hanging(picture, structure, card, card in spine)

    yield from inside(None)
    todo = [(child, False) for child in reversed(children.get(None, []))]
    while todo:
        place, finished = todo.pop()
        double = picture.clusters[structure.boxes[place].cluster].count > 1
        if finished:
            yield "\t}\n\t}\n" if double else "\t}\n"
            continue
        if double:
            yield _second_border(picture, place)
        # From top to bottom the backbone would run through a title above a single column, and
        # what comes from several sides through any: then it stands at the other end.
        column = picture.rankdir == "TB" and structure.hanging.keys().isdisjoint(
            cards.get(place, ())
        )
        below = entering[place] > max(1, leaving[place])
        yield _box(picture, structure.boxes[place], place, column and not below, below)
        yield from inside(place)
        todo.append((place, True))
        todo.extend((child, False) for child in reversed(children.get(place, [])))


def _borders(structure: Structure) -> tuple[Counter[int], Counter[int]]:
    """Return how many edges enter each box, and how many leave it."""

    def around(card: int) -> set[int]:
        found: set[int] = set()
        place = structure.box_of[card]
        while place is not None and len(found) < _DEEP:
            found.add(place)
            place = structure.boxes[place].parent
        return found

    entering: Counter[int] = Counter()
    leaving: Counter[int] = Counter()
    for start, end in zip(structure.starts, structure.ends, strict=True):
        out, into = around(start), around(end)
        entering.update(into - out)
        leaving.update(out - into)
    return entering, leaving


def _edges(picture: Picture, structure: Structure) -> Iterator[str]:
    """Yield the line of each edge."""
    out, into, side = "ewn" if picture.rankdir == "LR" else "snw"
    owner = structure.owner
    spine = frozenset(pairwise(structure.backbone))
    leaving, entering = _joined(picture, structure)
    rows = zip(
        picture.edges,
        edge_names(structure.heads),
        picture.edge_texts(),
        structure.starts,
        structure.ends,
        strict=True,
    )
    for i, (edge, name, text, start, end) in enumerate(rows):
        if start in owner:
            # Inside a cluster DOT puts the tail of an edge below its head, when both are of one
            # rank. Which end carries the arrow does not matter to it. Ports would: with them it
            # forgets ``dir``.
            tail, head = card_name(start), card_name(end)
            below = structure.hanging[end].index(start) == 0
            if not below:
                tail, head = head, tail
            attributes = _edge(picture, edge, name, text, "xlabel", edge.backward == below)
            yield f'\t"{tail}" -> "{head}" [{attributes}]\n'
            continue
        turned = structure.tails[i] != start
        attributes = _edge(picture, edge, name, text, "label", edge.backward != turned)
        weight = 50 if (start, end) in spine else 2
        # Of several curves through one point some would run through the card, or make a loop.
        ports = (out if leaving[start] == 1 else "", into if entering[end] == 1 else "")
        # What goes back does so at the side, where it meets no other arrow.
        ports = (side, side) if edge.recurrent else ports
        names = (card_name(start), card_name(end))
        ends = (
            f'"{name}":{port}' if port else f'"{name}"'
            for name, port in zip(names, ports, strict=True)
        )
        yield f"\t{' -> '.join(ends)} [{attributes} weight={weight}]\n"


def _joined(picture: Picture, structure: Structure) -> tuple[Counter[int], Counter[int]]:
    """Return how many edges leave each card and enter it, from the cards that go before it."""
    rows = zip(picture.edges, structure.starts, structure.ends, strict=True)
    carried = [
        (start, end)
        for edge, start, end in rows
        if not edge.recurrent and start not in structure.owner
    ]
    return Counter(start for start, _ in carried), Counter(end for _, end in carried)


def _card_with_hanging(
    picture: Picture, structure: Structure, card: int, main: bool
) -> Iterator[str]:
    """Yield a card and, in the same rank, what hangs below it: a cluster that is not seen.

    Without it the leaves of two ops in one rank could change places.
    """
    leaves = structure.hanging.get(card, ())
    if not leaves:
        yield _node(picture, card, main)
        return
    yield (
        f'\tsubgraph "cluster-unit-{card}" {{\n'
        f'\t\tgraph [label="" id="{unit_name(card)}" bgcolor=transparent peripheries=0 '
        'margin=0 style="" tooltip=" "]\n'
        "\t{\n\t\trank=same\n"
    )
    yield _node(picture, card, main)
    for leaf in leaves:
        yield _node(picture, leaf, False)
    yield "\t}\n\t}\n"


def _node(picture: Picture, index: int, main: bool) -> str:
    card = picture.cards[index]
    name = card_name(index)
    group = " group=main" if main else ""
    tooltip = _quoted(clean_lines(card.description))
    return f'\t"{name}" [label=<{_card(picture, card)}> id="{name}" tooltip={tooltip}{group}]\n'


_QUOTES = str.maketrans({"\\": "\\\\", '"': '\\"'})


def _quoted(text: str) -> str:
    """Return text as a string of DOT that means nothing but itself."""
    return f'"{text.translate(_QUOTES)}"'


# -------------------------------------------------------------------------------------------- cards


def _card(picture: Picture, card: Card) -> str:
    """Return the HTML-like table of a card."""
    fill, stroke, text = picture.card_colours(card)
    side = "CENTER" if card.centred else "LEFT"
    title = _text(card.title, TITLE, text, fallback=" ")
    if card.corner_text:
        corner = _text(card.corner_text, CORNER, picture.text_colour(CORNER, card))
        rows = [f'<TR><TD ALIGN="LEFT">{title}</TD><TD ALIGN="RIGHT">{corner}</TD></TR>']
    else:
        rows = [f'<TR><TD COLSPAN="2" ALIGN="{side}">{title}</TD></TR>']
    for line in card.body:
        where = "CENTER" if line.style == "large" else side
        # A reader's font may be wider than the one by which dot measures.
        room = text_width(clean(line.text), TEXT_STYLES[line.style]) + 10
        cell = f'<TD COLSPAN="2" ALIGN="{where}" WIDTH="{room:.0f}">'
        rows.append(f"<TR>{cell}{_line(picture, line, card)}</TD></TR>")
    if card.values:
        rows.append(f'<TR><TD COLSPAN="2" ALIGN="{side}">{_grid(picture, card)}</TD></TR>')
    for histogram in card.histograms:
        bars = _histogram(histogram, picture.bar_colour(card, histogram.role))
        rows.append(_beside(picture, card, bars, histogram.caption))
    for bar in card.bars:
        bars = _bar(bar, picture.bar_colour(card, bar.role))
        rows.append(_beside(picture, card, bars, bar.caption))
    rounded = _outline(card)
    look = f'{rounded} BGCOLOR="{fill}" COLOR="{stroke}"'
    table = _TABLE.format(2 if card.change else 1, 0, 0, 4, look) + "".join(rows) + "</TABLE>"
    if not card.nonfinite:
        return table
    outer = f'{rounded} COLOR="{stroke}"'
    return _TABLE.format(1, 0, 0, 2, outer) + f"<TR><TD>{table}</TD></TR></TABLE>"


def _outline(card: Card) -> str:
    """Return the style of the outline of a card as an attribute, if it has one."""
    styles = [] if card.role == "op" else ["ROUNDED"]
    styles += ["DASHED"] if card.dash == "dashed" else []
    return f' STYLE="{",".join(styles)}"' if styles else ""


def _beside(picture: Picture, card: Card, bars: str, caption: Line | None) -> str:
    """Return a row with bars at the left and their caption at the right."""
    words = "" if caption is None else _line(picture, caption, card)
    return f'<TR><TD ALIGN="LEFT">{bars}</TD><TD ALIGN="RIGHT">{words}</TD></TR>'


def _histogram(histogram: Histogram, colour: str) -> str:
    """Return twelve columns of two cells of fixed size: air above, the bar below."""
    width = _BAR_WIDTH - 1
    cells = "".join(
        f"<TD>{_column([(width, _BAR_HEIGHT - height, None), (width, height, colour)])}</TD>"
        for height in histogram.pixels(_BAR_HEIGHT - 1)
    )
    size = _left(12 * _BAR_WIDTH + 1, _BAR_HEIGHT + 2)
    return f"{_TABLE.format(0, 0, 1, 0, size)}<TR>{cells}</TR></TABLE>"


def _bar(bar: Bar, colour: str) -> str:
    """Return a horizontal bar: a coloured cell, then air up to the full width."""
    width = min(_SHARE_WIDTH - 1, max(1, round(_SHARE_WIDTH * bar.share)))
    cells = f"<TD>{_block(width, 7, colour)}</TD><TD>{_block(_SHARE_WIDTH - width, 7, None)}</TD>"
    return f"{_TABLE.format(0, 0, 0, 0, _left(_SHARE_WIDTH, 7))}<TR>{cells}</TR></TABLE>"


def _left(width: float, height: int) -> str:
    """Return attributes of a table that keeps its size at the left of a larger cell."""
    return f' ALIGN="LEFT" FIXEDSIZE="TRUE" WIDTH="{width:.0f}" HEIGHT="{height}"'


def _column(blocks: list[tuple[int, int, str | None]]) -> str:
    """Return rectangles (width, height, colour) one below the other."""
    rows = "".join(f"<TR><TD>{_block(*block)}</TD></TR>" for block in blocks)
    return _TABLE.format(0, 0, 0, 0, "") + rows + "</TABLE>"


def _block(width: int, height: int, colour: str | None) -> str:
    """Return a rectangle of fixed size, empty when it has no colour."""
    fill = "" if colour is None else f' BGCOLOR="{colour}"'
    size = f' FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"{fill}'
    return _TABLE.format(0, 0, 0, 0, size) + "<TR><TD></TD></TR></TABLE>"


def _grid(picture: Picture, card: Card) -> str:
    """Return the small grid of numbers."""
    rows = "".join(
        "<TR>"
        + "".join(
            f'<TD ALIGN="RIGHT">{_line(picture, Line(value, "normal"), card)}</TD>' for value in row
        )
        + "</TR>"
        for row in card.values
    )
    _, stroke, _ = picture.card_colours(card)
    look = f' COLOR="{mix(stroke, picture.colours.background)}"'
    return _TABLE.format(0, 1, 0, 2, look) + rows + "</TABLE>"


# ------------------------------------------------------------------------------- edges and clusters


def _edge(
    picture: Picture,
    edge: Edge,
    name: str,
    text: str,
    label: Literal["label", "xlabel"],
    back: bool,
) -> str:
    """Return the attributes of an edge; ``back`` puts the arrow at the end that DOT calls tail."""
    tooltip = _quoted(clean_lines(text))
    attributes = (
        f'id="{name}" color="{picture.edge_colour(edge)}" penwidth={edge.pen:g} '
        f"style={edge.dash} tooltip={tooltip} labeltooltip={tooltip}"
    )
    if back:
        attributes += " dir=back"
    # A label that DOT puts down last may touch its line: it gets air at both sides.
    aside = label == "xlabel" or picture.rankdir == "TB"
    air = '<TD WIDTH="8"></TD>' if aside else ""
    rows = "".join(f"<TR>{air}<TD>{_line(picture, line)}</TD>{air}</TR>" for line in edge.lines)
    if rows:
        # The last row is air, so that the text does not touch a thick line.
        floor = '<TR><TD HEIGHT="4"></TD></TR>'
        attributes += f" {label}=<{_TABLE.format(0, 0, 0, 0, '')}{rows}{floor}</TABLE>>"
    return attributes


def _box(picture: Picture, box: Box, number: int, aside: bool, below: bool) -> str:
    """Return the beginning of the subgraph of a cluster with its look, still without cards.

    ``aside`` keeps the right half above the cards free of the title; ``below`` puts it under them.
    """
    colours = picture.colours
    cluster = picture.clusters[box.cluster]
    pieces = cluster_pieces(cluster, box.part, box.parts)
    # From top to bottom the backbone would run through a long title, so that has two rows.
    first = len(pieces) if picture.rankdir == "LR" else sum(f != CLUSTER_DETAIL for _, f in pieces)
    rows = [row for row in (pieces[:first], pieces[first:]) if row]
    air = f'<TD WIDTH="{pieces_width(rows[0]) + 12:.0f}"></TD>' if rows and aside else ""
    lines = "".join(f'<TR><TD ALIGN="LEFT">{_pieces(picture, row)}</TD>{air}</TR>' for row in rows)
    label = f"<{_TABLE.format(0, 0, 0, 0, '')}{lines}</TABLE>>" if rows else '""'
    tooltip = _quoted(clean(" ".join((cluster.title, cluster.kind, cluster.detail))))
    return (
        f'\tsubgraph "cluster-{number}" {{\n'
        f'\t\tgraph [label={label} id="{box_name(number)}" tooltip={tooltip} labeljust=l '
        f'labelloc={"b" if below else "t"} style="rounded,filled" fillcolor="{colours.box}" '
        f'color="{colours.box_line}" '
        f"fontname={_FONT} fontsize=12 margin=9]\n"
    )


def _pieces(picture: Picture, pieces: Iterable[tuple[str, Font]]) -> str:
    """Return the parts of a title in one row, set apart by blanks that do not break."""
    return "&#160;&#160;".join(_text(t, font, picture.text_colour(font)) for t, font in pieces)


def _second_border(picture: Picture, number: int) -> str:
    """Return the beginning of a box around the box of a folded cluster."""
    return (
        f'\tsubgraph "cluster-{number}-border" {{\n'
        f'\t\tgraph [label="" id="{box_name(number)}-border" style=rounded '
        f'color="{picture.colours.box_line}" margin=4]\n'
    )


# ------------------------------------------------------------------------------------------- legend


def _legend(picture: Picture) -> str:
    """Return the label of the whole graph: the note, then a swatch and a word for each entry."""
    most = _LEGEND_WIDTH[picture.rankdir]
    lines = [
        _text(line, NOTE, picture.text_colour(NOTE), limit=400)
        for line in wrapped(picture.note, NOTE, most)
    ]
    rows: list[tuple[str, float]] = []
    for entry in picture.legend_entries:
        need = 48 + text_width(LEGEND[entry], CORNER)
        cells = (
            f"<TD>{_swatch(picture, entry)}</TD><TD>"
            f"{_text(LEGEND[entry], CORNER, picture.colours.grey)}</TD><TD></TD>"
        )
        if rows and rows[-1][1] + need <= most:
            rows[-1] = rows[-1][0] + cells, rows[-1][1] + need
        else:
            rows.append((cells, need))
    for cells, width in rows:
        # Of a fixed size: where a longer row stands below, DOT would stretch the swatches.
        lines.append(f"{_TABLE.format(0, 0, 0, 3, _left(width, 20))}<TR>{cells}</TR></TABLE>")
    if not lines:
        return ""
    body = "".join(f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in lines)
    return f"<{_TABLE.format(0, 0, 0, 2, '')}{body}</TABLE>>"


def _swatch(picture: Picture, entry: LegendEntry) -> str:
    """Return a small card, number or line in the look that the entry explains."""
    sample = swatch_text(entry)
    if sample is not None:
        return _line(picture, sample)
    card = swatch_card(entry)
    if card is None:
        edge = swatch_edge(entry)
        return _stroke(picture.edge_colour(edge), edge.dash != "solid")
    fill, stroke, _ = picture.card_colours(card)
    rounded = _outline(card)
    size = f'{rounded} FIXEDSIZE="TRUE" WIDTH="18" HEIGHT="12" BGCOLOR="{fill}" COLOR="{stroke}"'
    border = 2 if card.change else 1
    table = _TABLE.format(border, 0, 0, 0, size) + "<TR><TD></TD></TR></TABLE>"
    if not card.nonfinite:
        return table
    outer = f'{rounded} COLOR="{stroke}"'
    return _TABLE.format(1, 0, 0, 1, outer) + f"<TR><TD>{table}</TD></TR></TABLE>"


def _stroke(colour: str, broken: bool) -> str:
    """Return an arrow to the left, or a broken line built of cells.

    The arrow is a sign of the font: a head of cells would be drawn as stripes.
    """
    if not broken:
        return f'<FONT POINT-SIZE="10" COLOR="{colour}">◄─</FONT>'
    widths = [(5, colour), (3, None), (5, colour), (3, None), (5, colour)]
    columns = [[(width, 4, None), (width, 2, paint), (width, 4, None)] for width, paint in widths]
    cells = "".join(f"<TD>{_column(column)}</TD>" for column in columns)
    width = sum(width for width, _ in widths)
    return f"{_TABLE.format(0, 0, 0, 0, _left(width, 10))}<TR>{cells}</TR></TABLE>"


# --------------------------------------------------------------------------------------------- text


def _line(picture: Picture, line: Line, card: Card | None = None) -> str:
    font = TEXT_STYLES[line.style]
    return _text(line.text, font, picture.text_colour(font, card))


def _text(text: str, font: Font, colour: str, fallback: str = "", limit: int = LINE_LIMIT) -> str:
    """Return escaped text in a font; nothing where there is no text, which DOT would refuse."""
    shown = clean(text, limit) or fallback
    if not shown:
        return ""
    words = f'<FONT POINT-SIZE="{font.size:g}" COLOR="{colour}">{_escape(shown)}</FONT>'
    return f"<B>{words}</B>" if font.bold else words


_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\\": "\\\\"}
)


def _escape(text: str) -> str:
    r"""Return text for an HTML-like label, where DOT still reads ``\N`` as the name of the node."""
    return text.translate(_ESCAPES)
