"""A picture as an indented text: for terminals, for screen readers, and where nothing else works.

Read ``structure.py`` first, which finds the order of the lines.
"""

from __future__ import annotations

from tinygrad_edu.draw.measure import cluster_pieces
from tinygrad_edu.draw.picture import Card, Edge, Picture
from tinygrad_edu.draw.structure import structure_of
from tinygrad_edu.draw.words import clean

__all__ = ["outline"]


def outline(picture: Picture) -> str:
    """Return one line a card, producers first; boxes and what hangs below an op are indented."""
    structure = structure_of(picture)
    incoming: dict[int, list[tuple[Edge, int]]] = {}
    for edge, tail, head in zip(picture.edges, structure.tails, structure.heads, strict=True):
        incoming.setdefault(head, []).append((edge, tail))
    lines = [clean(picture.title, 200), clean(picture.summary, 1000)]
    lines += [clean(picture.note, 1000)] if picture.note else []
    lines.append("")
    depth_of: dict[int | None, int] = {None: 0}
    for number, box in enumerate(structure.boxes):
        depth_of[number] = depth_of[box.parent] + 1
    opened: set[int] = set()
    for card in structure.order:
        place = structure.box_of[card]
        closed = []
        while place is not None and place not in opened:
            closed.append(place)
            place = structure.boxes[place].parent
        for number in reversed(closed):
            opened.add(number)
            box = structure.boxes[number]
            pieces = cluster_pieces(picture.clusters[box.cluster], box.part, box.parts)
            indent = "  " * depth_of[box.parent]
            lines.append(indent + "[" + "  ".join(text for text, _ in pieces) + "]")
        depth = depth_of[structure.box_of[card]]
        lines.append("  " * depth + _line(picture, card, incoming.get(card, [])))
        for leaf in structure.hanging.get(card, ()):
            lines.append("  " * (depth + 2) + _line(picture, leaf, []))
    return "\n".join(lines) + "\n"


def _line(picture: Picture, number: int, incoming: list[tuple[Edge, int]]) -> str:
    """Return the line of a card: its name, what it is, its texts and where its inputs come from."""
    card = picture.cards[number]
    pieces = [f"{clean(card.title)} ({clean(card.corner_text) or card.role})"]
    pieces += [text for text in (clean(line.text) for line in card.texts) if text]
    if incoming:
        sources = (_source(picture.cards[tail], edge) for edge, tail in incoming)
        pieces.append("from " + ", ".join(sources))
    return "  ".join(pieces)


def _source(card: Card, edge: Edge) -> str:
    """Return the name of an input with the label of its edge; states are told in words."""
    notes = [clean(line.text) for line in edge.lines if clean(line.text)]
    if edge.style == "absent":
        notes.append("gradient not computed")
    if edge.strength != "normal":
        notes.append(edge.strength)
    if edge.recurrent:
        notes.append("of the step before")
    return clean(card.title) + (f" ({', '.join(notes)})" if notes else "")
