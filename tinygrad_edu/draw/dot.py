"""A picture as DOT source, built with the ``graphviz`` package.

Cards are ``shape=plain`` HTML-like tables, because only these allow several fonts, colours and
histograms inside one node. Bars are nested table cells of fixed size: no font and no image is
involved, so SVG and PNG agree. This file runs no program; read ``render.py`` next.
"""

from __future__ import annotations

from typing import Any

import graphviz

from tinygrad_edu.draw.measure import cluster_pieces
from tinygrad_edu.draw.names import box_name, card_name, edge_names
from tinygrad_edu.draw.picture import (
    CORNER,
    LEGEND,
    TEXT_STYLES,
    TITLE,
    Bar,
    Card,
    Cluster,
    Edge,
    Font,
    Histogram,
    LegendEntry,
    Line,
    Picture,
    clean,
    clean_lines,
    mix,
    swatch_card,
)
from tinygrad_edu.draw.structure import Box, Structure, structure_of

__all__ = ["dot_source"]

# Helvetica's twin; every platform has it or a font of the same widths.
_FONT = "Arial"
_BAR_WIDTH, _BAR_HEIGHT = 7, 20  # of a histogram, in points
_SHARE_WIDTH = 64  # of a full horizontal bar

_TABLE = '<TABLE BORDER="{}" CELLBORDER="{}" CELLSPACING="{}" CELLPADDING="{}"{}>'


def dot_source(picture: Picture) -> str:
    """Return the DOT source of a picture; equal pictures give equal text."""
    structure = structure_of(picture, most_hanging=2)
    colours = picture.colours
    across = picture.rankdir == "LR"
    hanging = structure.owner
    labelled = any(
        edge.lines and tail in hanging
        for edge, tail in zip(picture.edges, structure.tails, strict=True)
    )
    graph = graphviz.Digraph("picture")
    graph.attr(
        "graph",
        rankdir=picture.rankdir,
        bgcolor=colours.background,
        fontname=_FONT,
        fontsize="11",
        # Labels of hanging edges are set after all places are fixed, so room is made in advance.
        nodesep="0.5" if labelled else "0.35",
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

    # Depth first over the boxes, by a stack of open subgraphs and of what is left to do in each.
    children: dict[int | None, list[int]] = {None: []}
    for number, box in enumerate(structure.boxes):
        children.setdefault(box.parent, []).append(number)
        children.setdefault(number, [])
    cards: dict[int | None, list[int]] = {place: [] for place in children}
    for card in structure.order:
        cards[structure.box_of[card]].append(card)
    todo: list[tuple[graphviz.Digraph, int | None, bool]] = [(graph, None, False)]
    drawn: dict[int | None, graphviz.Digraph] = {None: graph}
    while todo:
        parent, place, finished = todo.pop()
        if finished:
            assert place is not None
            body = drawn.pop(place)
            if picture.clusters[structure.boxes[place].cluster].count > 1:
                body = _second_border(picture, place, body)
            parent.subgraph(graph=body)
            continue
        body = graph if place is None else _box(picture, structure.boxes[place], place)
        drawn[place] = body
        for card in cards[place]:
            _card_with_hanging(body, picture, structure, card)
        if place is not None:
            todo.append((parent, place, True))
        todo.extend((body, child, False) for child in reversed(children[place]))

    spine = set(zip(structure.backbone, structure.backbone[1:], strict=False))
    texts = picture.edge_texts()
    names = edge_names(structure.heads)
    for i, edge in enumerate(picture.edges):
        tail, head = structure.tails[i], structure.heads[i]
        if tail in hanging:
            attributes = _edge(picture, edge, names[i], texts[i], "xlabel")
            _hanging_edge(graph, structure, i, attributes)
        else:
            attributes = _edge(picture, edge, names[i], texts[i], "label")
            attributes["weight"] = "50" if (tail, head) in spine else "2"
            out, into = "ew" if across else "sn"
            graph.edge(
                f"{card_name(tail)}:{out}", f"{card_name(head)}:{into}", _attributes=attributes
            )
    return str(graph.source)


def _hanging_edge(
    graph: graphviz.Digraph, structure: Structure, number: int, attributes: dict[str, Any]
) -> None:
    """Add the edge of a card that hangs: the first card below its op, the second above.

    Within a rank DOT puts the tail of an edge above its head, but inside a cluster below it.
    Which end carries the arrow does not matter to it. Ports would: with them it forgets ``dir``.
    """
    leaf, op = structure.tails[number], structure.heads[number]
    below = structure.hanging[op].index(leaf) == 0
    forward = below == (structure.box_of[op] is not None)
    if not forward:
        attributes["dir"] = "forward" if attributes.get("dir") == "back" else "back"
    ends = (leaf, op) if forward else (op, leaf)
    graph.edge(card_name(ends[0]), card_name(ends[1]), _attributes=attributes)


def _card_with_hanging(
    body: graphviz.Digraph, picture: Picture, structure: Structure, card: int
) -> None:
    """Add a card and, in the same rank, what hangs below it."""
    group = "main" if card in structure.backbone else None
    leaves = structure.hanging.get(card, ())
    if not leaves:
        _node(body, picture, card, group)
        return
    with body.subgraph() as rank:
        rank.attr(rank="same")
        _node(rank, picture, card, group)
        for leaf in leaves:
            _node(rank, picture, leaf, None)


def _node(body: graphviz.Digraph, picture: Picture, index: int, group: str | None) -> None:
    card = picture.cards[index]
    body.node(
        card_name(index),
        f"<{_card(picture, card)}>",
        id=card_name(index),
        tooltip=graphviz.escape(clean_lines(card.description)),
        group=group,
    )


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
        rows.append(f'<TR><TD COLSPAN="2" ALIGN="{where}">{_line(picture, line, card)}</TD></TR>')
    if card.values:
        rows.append(f'<TR><TD COLSPAN="2" ALIGN="{side}">{_grid(picture, card)}</TD></TR>')
    for histogram in card.histograms:
        bars = _histogram(histogram, picture.bar_colour(card, histogram.role))
        rows.append(_beside(picture, card, bars, histogram.caption))
    for bar in card.bars:
        bars = _bar(bar, picture.bar_colour(card, bar.role))
        rows.append(_beside(picture, card, bars, bar.caption))
    rounded = "" if card.role == "op" else ' STYLE="ROUNDED"'
    look = f'{rounded} BGCOLOR="{fill}" COLOR="{stroke}"'
    table = _TABLE.format(1, 0, 0, 4, look) + "".join(rows) + "</TABLE>"
    if not card.nonfinite:
        return table
    outer = f'{rounded} COLOR="{stroke}"'
    return _TABLE.format(1, 0, 0, 2, outer) + f"<TR><TD>{table}</TD></TR></TABLE>"


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
    return _TABLE.format(0, 0, 1, 0, "") + f"<TR>{cells}</TR></TABLE>"


def _bar(bar: Bar, colour: str) -> str:
    """Return a horizontal bar: a coloured cell, then air up to the full width."""
    width = min(_SHARE_WIDTH - 1, max(1, round(_SHARE_WIDTH * bar.share)))
    cells = f"<TD>{_block(width, 7, colour)}</TD><TD>{_block(_SHARE_WIDTH - width, 7, None)}</TD>"
    return _TABLE.format(0, 0, 0, 0, "") + f"<TR>{cells}</TR></TABLE>"


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


def _edge(picture: Picture, edge: Edge, name: str, text: str, label: str) -> dict[str, Any]:
    """Return the attributes of an edge."""
    attributes = {
        "id": name,
        "color": picture.edge_colour(edge),
        "penwidth": f"{edge.pen:g}",
        "style": edge.dash,
        "tooltip": graphviz.escape(clean_lines(text)),
        "labeltooltip": graphviz.escape(clean_lines(text)),
    }
    if edge.backward:
        attributes["dir"] = "back"
    # A label that DOT puts down last may touch its line: it gets air at both sides.
    air = '<TD WIDTH="8"></TD>' if label == "xlabel" else ""
    rows = "".join(f"<TR>{air}<TD>{_line(picture, line)}</TD>{air}</TR>" for line in edge.lines)
    if rows:
        # The last row is air, so that the text does not touch a thick line.
        floor = '<TR><TD HEIGHT="4"></TD></TR>'
        attributes[label] = f"<{_TABLE.format(0, 0, 0, 0, '')}{rows}{floor}</TABLE>>"
    return attributes


def _box(picture: Picture, box: Box, number: int) -> graphviz.Digraph:
    """Return the subgraph of a cluster with its look, still without cards."""
    colours = picture.colours
    cluster = picture.clusters[box.cluster]
    title = _cluster_title(picture, cluster, box)
    body = graphviz.Digraph(f"cluster-{number}")
    body.attr(
        label=f"<{title}>" if title else "",
        id=box_name(number),
        tooltip=graphviz.escape(clean(" ".join((cluster.title, cluster.kind, cluster.detail)))),
        labeljust="l",
        labelloc="t",
        style="rounded,filled",
        fillcolor=colours.box,
        color=colours.box_line,
        fontname=_FONT,
        fontsize="12",
        margin="9",
    )
    return body


def _second_border(picture: Picture, number: int, body: graphviz.Digraph) -> graphviz.Digraph:
    """Return a box around the box of a folded cluster."""
    outer = graphviz.Digraph(f"cluster-{number}-border")
    outer.attr(
        label="",
        id=f"{box_name(number)}-border",
        style="rounded",
        color=picture.colours.box_line,
        margin="4",
    )
    outer.subgraph(graph=body)
    return outer


def _cluster_title(picture: Picture, cluster: Cluster, box: Box) -> str:
    """Return the title of a box, its parts set apart by blanks that do not break."""
    pieces = cluster_pieces(cluster, box.part, box.parts)
    return "&#160;&#160;".join(
        _text(text, font, picture.text_colour(font)) for text, font in pieces
    )


# ------------------------------------------------------------------------------------------- legend


def _legend(picture: Picture) -> str:
    """Return the label of the whole graph: a swatch and a word for each entry."""
    entries = picture.legend_entries
    if not entries:
        return ""
    cells = "".join(
        f"<TD>{_swatch(picture, entry)}</TD><TD>"
        f"{_text(LEGEND[entry], CORNER, picture.colours.grey)}</TD><TD></TD>"
        for entry in entries
    )
    return "<" + _TABLE.format(0, 0, 0, 3, "") + f"<TR>{cells}</TR></TABLE>>"


def _swatch(picture: Picture, entry: LegendEntry) -> str:
    """Return a small card or line in the look that the entry explains."""
    colours = picture.colours
    if entry in ("gradient", "absent"):
        sign = "←" if entry == "gradient" else "– –"
        colour = (
            colours.gradient if entry == "gradient" else mix(colours.edge, colours.background, 0.4)
        )
        return f'<B><FONT POINT-SIZE="12" COLOR="{colour}">{sign}</FONT></B>'
    card = swatch_card(entry)
    fill, stroke, _ = picture.card_colours(card)
    rounded = "" if card.role == "op" else ' STYLE="ROUNDED"'
    size = f'{rounded} FIXEDSIZE="TRUE" WIDTH="18" HEIGHT="12" BGCOLOR="{fill}" COLOR="{stroke}"'
    table = _TABLE.format(1, 0, 0, 0, size) + "<TR><TD></TD></TR></TABLE>"
    if not card.nonfinite:
        return table
    outer = f'{rounded} COLOR="{stroke}"'
    return _TABLE.format(1, 0, 0, 1, outer) + f"<TR><TD>{table}</TD></TR></TABLE>"


# --------------------------------------------------------------------------------------------- text


def _line(picture: Picture, line: Line, card: Card | None = None) -> str:
    font = TEXT_STYLES[line.style]
    return _text(line.text, font, picture.text_colour(font, card))


def _text(text: str, font: Font, colour: str, fallback: str = "") -> str:
    """Return escaped text in a font; nothing where there is no text, which DOT would refuse."""
    shown = clean(text) or fallback
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
