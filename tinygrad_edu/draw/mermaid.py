"""A picture as a Mermaid flowchart, which GitHub, GitLab and many editors draw from plain text.

Mermaid cannot hang a parameter below its op, and its arrows follow the direction of the edge alone.
So where a gradient flows, the chart is written from the output to the inputs and laid out from
right to left: it looks as in the other formats, and the arrows are those of the gradient.

Every sign that could mean something to Mermaid, to the Markdown inside its labels, or to HTML is
written as its number. Read ``structure.py`` first, which finds boxes and order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from tinygrad_edu.draw.measure import cluster_pieces
from tinygrad_edu.draw.picture import ROLES, Card, Edge, Picture
from tinygrad_edu.draw.structure import Box, Structure, structure_of
from tinygrad_edu.draw.theme import Role
from tinygrad_edu.draw.words import LINE_LIMIT, clean

__all__ = ["MOST_CHARACTERS", "MOST_EDGES", "mermaid"]

# Beyond these Mermaid's own defaults refuse a chart, and GitHub keeps to the defaults.
MOST_EDGES = 500
MOST_CHARACTERS = 50_000

_SHAPES = {"op": ('["', '"]'), "module": ('["', '"]')}  # the others are rounded
_INIT = """%%{{init: {{"theme": "base", "themeVariables": {{"edgeLabelBackground": "{}"}}}}}}%%"""


def mermaid(picture: Picture) -> str:
    """Return a flowchart; equal pictures give equal text."""
    structure = structure_of(picture)
    colours = picture.colours
    back = any(edge.backward for edge in picture.edges)
    direction = {"LR": "RL", "TB": "BT"}[picture.rankdir] if back else picture.rankdir
    title = json.dumps(clean(picture.title)).translate(_YAML)
    lines = ["---", f"title: {title}", "---", _INIT.format(colours.background)]
    lines += [f"flowchart {direction}", f"accTitle: {_plain(picture.title)}"]
    lines.append(f"accDescr: {_plain(f'{picture.summary} {picture.note}')}")
    lines += _boxes_and_cards(picture, structure)
    names = [f"n{i}" for i in range(len(picture.cards))]
    for edge, tail, head in zip(picture.edges, structure.tails, structure.heads, strict=True):
        label = "<br/>".join(filter(None, (_text(line.text) for line in edge.lines)))
        words = f'|"{label}"|' if label else ""
        if back:
            tail, head = head, tail
        lines.append(f"{names[tail]} {_line(edge, back)}{words} {names[head]}")
    lines += _classes(picture, structure.boxes)
    lines += _links(picture)
    if picture.note:
        lines += [f'note["{_text(picture.note, 400)}"]', f"style note {_plain_box(picture)}"]
    return "\n".join(lines) + "\n"


def _boxes_and_cards(picture: Picture, structure: Structure) -> Iterator[str]:
    """Yield subgraphs with their cards, depth first, by a stack."""
    children: dict[int | None, list[int]] = {}
    for number, box in enumerate(structure.boxes):
        children.setdefault(box.parent, []).append(number)
    cards: dict[int | None, list[int]] = {}
    for card in structure.order:
        cards.setdefault(structure.box_of[card], []).extend(
            (*structure.hanging.get(card, ()), card)
        )
    for card in cards.get(None, ()):
        yield _node(picture.cards[card], card)
    todo = [(child, False) for child in reversed(children.get(None, []))]
    while todo:
        place, finished = todo.pop()
        if finished:
            yield "end"
            continue
        box = structure.boxes[place]
        cluster = picture.clusters[box.cluster]
        pieces = (text for text, _ in cluster_pieces(cluster, box.part, box.parts))
        # A label of nothing would show the name that stands in its place here.
        yield f'subgraph c{place}["{" &nbsp;".join(map(_text, pieces)) or "&nbsp;"}"]'
        for card in cards.get(place, ()):
            yield _node(picture.cards[card], card)
        todo.append((place, True))
        todo.extend((child, False) for child in reversed(children.get(place, [])))


def _node(card: Card, number: int) -> str:
    """Return the line of a card: its title in bold, then everything it says."""
    opened, closed = _SHAPES.get(card.role, ('("', '")'))
    rows = [f"<b>{_text(card.title) or '&nbsp;'}</b>", _text(card.corner_text)]
    rows += [_text(line.text) for line in card.texts]
    return f"n{number}{opened}{'<br/>'.join(filter(None, rows))}{closed}"


def _line(edge: Edge, back: bool) -> str:
    """Return the sign of a link. In a chart of gradients the others have no arrow that is right."""
    arrow = edge.backward if back else True
    if edge.dash != "solid":
        return "-.->" if arrow else "-.-"
    return "-->" if arrow else "---"


def _classes(picture: Picture, boxes: Sequence[Box]) -> Iterator[str]:
    """Yield one class for each look of a card, with the cards that have it; then those of boxes."""
    looks: dict[str, list[str]] = {}
    names: dict[str, Role] = {}
    for number, card in enumerate(picture.cards):
        fill, stroke, text = picture.card_colours(card)
        dash = ",stroke-dasharray:6 4" if card.dash == "dashed" else ""
        width = 3 if card.nonfinite or card.change else 1
        look = f"fill:{fill},stroke:{stroke},color:{text},stroke-width:{width}px{dash}"
        looks.setdefault(look, []).append(f"n{number}")
        names.setdefault(look, card.role)
    order = sorted(looks, key=lambda look: ROLES.index(names[look]))
    for number, look in enumerate(order):
        yield f"classDef look{number} {look}"
        yield f"class {','.join(looks[look])} look{number}"
    for number, box in enumerate(boxes):
        width = 4 if picture.clusters[box.cluster].count > 1 else 1
        yield (
            f"style c{number} fill:{picture.colours.box},stroke:{picture.colours.box_line},"
            f"color:{picture.colours.text},stroke-width:{width}px"
        )


def _links(picture: Picture) -> Iterator[str]:
    """Yield one style for each look of an edge, with the numbers of the edges."""
    looks: dict[str, list[str]] = {}
    for number, edge in enumerate(picture.edges):
        words = edge.lines[-1].style if edge.lines else "normal"
        colour = picture.colours.orange if words == "orange" else picture.colours.text
        dash = {"solid": "", "dashed": ",stroke-dasharray:6 4", "dotted": ",stroke-dasharray:2 4"}
        look = (
            f"stroke:{picture.edge_colour(edge)},stroke-width:{edge.pen:g}px,color:{colour}"
            f"{dash[edge.dash]}"
        )
        looks.setdefault(look, []).append(str(number))
    for look, numbers in looks.items():
        yield f"linkStyle {','.join(numbers)} {look}"


def _plain_box(picture: Picture) -> str:
    """Return the style of the note: grey words without a frame."""
    return f"fill:none,stroke:none,color:{picture.colours.grey}"


# --------------------------------------------------------------------------------------------- text

# Letters of any script, digits and blanks stand for themselves, and a few signs that mean nothing.
_MEANING = re.compile(r"[^\w ,/×−±·–…→←∂∇‖²³ᵀ()=.+\u2060-]|_|-(?=[->])|^[-+=]")
_LIST = re.compile(r"^(\d+)([.)])(?= |$)")  # Markdown's lists are refused by Mermaid
# Formulas and icons are looked for when numbers have become signs again: these are taken apart by a
# sign that has no width.
_JOINER = "\N{WORD JOINER}"
_NUMBERS_READ = re.compile(r"(\$(?=\$)|:(?=fa-))")
_YAML = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "%<>&#`{}'"})


def _text(text: str, limit: int = LINE_LIMIT) -> str:
    """Return text for a label in quotation marks, everything with a meaning as its number."""
    shown = _NUMBERS_READ.sub(f"\\1{_JOINER}", clean(text, limit))
    shown = _MEANING.sub(lambda match: f"#{ord(match[0])};", shown)
    return _LIST.sub(lambda match: f"{match[1]}#{ord(match[2])};", shown)


def _plain(text: str) -> str:
    """Return text for a line that knows no numbers of signs: what has a meaning is left out."""
    return " ".join(_MEANING.sub(" ", clean(text, 1000)).split()) or "diagram"
