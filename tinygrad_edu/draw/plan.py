"""What is to be laid out: the sizes of cards with what hangs at them, and the links of each level.

Knows: cards, boxes and edges, how large a card is together with its row of parameters, and which
part of an edge lies in which box: an edge is cut at the borders that it crosses. Does not know:
where anything stands. ``layout.py`` is to be read first; next comes ``layers.py``, which puts the
items of one level, and its links, into layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from tinygrad_edu.draw.measure import Face, face_of, label_of
from tinygrad_edu.draw.picture import Picture
from tinygrad_edu.draw.structure import structure_of

__all__ = ["LOOP", "Key", "Link", "Plan", "Row"]

_HANG = 34.0  # between an op and what hangs at it
LOOP = 10.0  # how far an edge that ends where it begins keeps away from its card

# A node of a level: a card by number, a box by number of cards + its number, or a port, which is
# ("in", card) or ("out", card) with the producer whose value passes there.
Key = int | tuple[str, int]


@dataclass(slots=True)
class Link:
    """The part of some edges that lies within one level."""

    start: Key
    end: Key
    source: int  # what passes here; links of one source share their bends
    edges: list[int] = field(default_factory=list)  # those that end here: they bring labels
    nodes: list[int] = field(default_factory=list)  # nodes of the level that it passes


class Row(NamedTuple):
    """Cards that hang side by side at one side of an op, each with its share of the row."""

    leaves: tuple[int, ...] = ()
    cells: tuple[float, ...] = ()
    gap: float = 0.0
    deepest: float = 0.0


class Unit(NamedTuple):
    """Size of a card together with what hangs at it; main and cross, as said above."""

    main: float
    half: float
    up: float
    down: float
    below: Row
    above: Row


class Plan:
    """Sizes, and the links of every level."""

    def __init__(self, picture: Picture, air: float = 1.0) -> None:
        self.picture, self.air = picture, air
        self.structure = structure = structure_of(picture)
        self.across = picture.rankdir == "LR"
        self.faces = tuple(map(face_of, picture.cards))
        self.labels = tuple(map(label_of, picture.edges))
        self.count = len(picture.cards)
        self.owner = structure.owner
        self.items: dict[int | None, list[int]] = {None: []}
        for number in range(len(structure.boxes)):
            self.items[number] = []
        self.rank: dict[int, int] = {}
        for rank, card in enumerate(structure.order):
            self.rank[card] = rank
            self.items[structure.box_of[card]].append(card)
        for number in reversed(range(len(structure.boxes))):
            item = self.count + number
            self.rank[item] = min(self.rank[inner] for inner in self.items[number])
            self.items[structure.boxes[number].parent].append(item)
        self.hanging_edges: dict[int, list[int]] = defaultdict(list)
        self.loops: dict[int, list[int]] = defaultdict(list)
        self.links: dict[int | None, dict[tuple[Key, Key, int], Link]] = {
            place: {} for place in self.items
        }
        self._find_links()
        self.spine = frozenset(self._find_spine())
        self.ending: dict[int, list[int]] = defaultdict(list)  # link -> edges that end at its card
        for edge, course in enumerate(self.courses):
            if course:
                self.ending[id(course[-1][1])].append(edge)

    def size(self, face: Face) -> tuple[float, float]:
        """Return the main and the cross size of a card or label."""
        return (face.width, face.height) if self.across else (face.height, face.width)

    def _path(self, card: int) -> list[tuple[int | None, int]]:
        """Return the levels that hold a card, outermost first, each with its item there."""
        path: list[tuple[int | None, int]] = []
        item, place = card, self.structure.box_of[card]
        while place is not None:
            path.append((place, item))
            item, place = self.count + place, self.structure.boxes[place].parent
        path.append((None, item))
        return path[::-1]

    def _find_links(self) -> None:
        """Cut every edge at the borders of the boxes that it crosses."""
        paths = {card: self._path(card) for card in self.structure.order}
        ends = zip(self.structure.starts, self.structure.ends, strict=True)
        self.courses: list[list[tuple[int | None, Link]]] = []
        for edge, (tail, head) in enumerate(ends):
            course: list[tuple[int | None, Link]] = []
            self.courses.append(course)
            if tail in self.owner:
                self.hanging_edges[tail].append(edge)
                continue
            if tail == head:
                self.loops[tail].append(edge)
                continue
            # What passes along the edge: the value of its producer, or something of its own when
            # it is recurrent, so that its line does not run into those of the values.
            source = tail
            if self.picture.edges[edge].recurrent:
                source = -1 - edge
                self.rank[source] = self.rank[tail]
            out, into = paths[tail], paths[head]
            meet = 0
            while out[meet] == into[meet]:
                meet += 1
            for place, item in reversed(out[meet + 1 :]):
                course.append((place, self._link(place, item, ("out", source), source)))
            middle = self._link(out[meet][0], out[meet][1], into[meet][1], source)
            middle.edges.append(edge)
            course.append((out[meet][0], middle))
            for place, item in into[meet + 1 :]:
                course.append((place, self._link(place, ("in", source), item, source)))

    def _link(self, place: int | None, start: Key, end: Key, source: int) -> Link:
        """Return the link of a level, made when it is new."""
        links = self.links[place]
        key = (start, end, source)
        if key not in links:
            links[key] = Link(start, end, source)
        return links[key]

    def _find_spine(self) -> Iterable[int]:
        """Yield the links, by identity, that carry the backbone."""
        steps = set(pairwise(self.structure.backbone))
        ends = zip(self.structure.tails, self.structure.heads, self.picture.edges, strict=True)
        for course, (tail, head, edge) in zip(self.courses, ends, strict=True):
            if (tail, head) in steps and not edge.recurrent:
                yield from (id(link) for _, link in course)

    def unit(self, card: int) -> Unit:
        """Return the size of a card with what hangs at it.

        Two rows, below and above, make the drawing shorter. From top to bottom it would become
        wider by that, and an edge that goes over its card needs the room above.
        """
        main, cross = self.size(self.faces[card])
        leaves = self.structure.hanging.get(card, ())
        loops = self.loops.get(card, ())
        cut = (len(leaves) + 1) // 2 if self.across and not loops else len(leaves)
        below, above = self._row(leaves[:cut]), self._row(leaves[cut:])
        return Unit(
            max(main, sum(below.cells), sum(above.cells)),
            cross / 2,
            cross / 2 + above.gap + above.deepest + sum(map(self.loop_room, loops)),
            cross / 2 + below.gap + below.deepest,
            below,
            above,
        )

    def _row(self, leaves: tuple[int, ...]) -> Row:
        """Return cards that hang at one side, with the room that they and their labels need."""
        cells, deepest, gap = [], 0.0, _HANG if leaves else 0.0
        for leaf in leaves:
            leaf_main, leaf_cross = self.size(self.faces[leaf])
            deepest = max(deepest, leaf_cross)
            for edge in self.hanging_edges[leaf]:
                label = self.labels[edge]
                if label is not None:
                    label_main, label_cross = self.size(label)
                    leaf_main = max(leaf_main, 2 * (label_main + 8))
                    # Curves of the neighbours run through the middle of the gap, above the label.
                    several = 2 * label_cross + 18 if len(leaves) > 1 else 0.0
                    gap = max(gap, label_cross + 22, several)
            cells.append(leaf_main + 10)
        return Row(leaves, tuple(cells), gap, deepest)

    def loop_room(self, edge: int) -> float:
        """Return how much room a loop takes beside its card or the loop before, label included."""
        label = self.labels[edge]
        return LOOP + (0.0 if label is None else self.size(label)[1] + 4)
