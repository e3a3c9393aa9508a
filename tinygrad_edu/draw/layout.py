"""Where everything stands: our own layered layout, with the standard library only.

This file turns sizes into places and knows neither colours nor SVG; read ``svg.py`` next. A drawing
has a *main* direction, in which data flows, and a *cross* direction; left-to-right and
top-to-bottom differ only in which of them is x.

Boxes are laid out from the inside out. Each box, and at last the whole picture, is a *level*: its
items (cards, and boxes that are finished) are put into layers by longest path; edges that cross
the border of the box get a *port* on it; an edge that passes a layer gets a *bend* there, so that
no line runs through a card; medians reduce crossings; and places within a layer are the nearest
ones to those that the neighbours wish for, in the sense of least squares, with the backbone held
at 0. A box then enters its parent as one item with ports. A recurrent edge is laid out from its
earlier end to its later one, on a track of its own; one that ends where it begins goes over its
card. At last labels are put where no line runs through them (``labels.py``); where that fails, all
is laid out again, further apart. Nothing recurses.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from tinygrad_edu.draw.labels import CROSSED, Point, Rectangle, Thread, placed
from tinygrad_edu.draw.measure import Face, cluster_width, face_of, label_of
from tinygrad_edu.draw.picture import Picture
from tinygrad_edu.draw.structure import Structure, structure_of

__all__ = ["BORDER", "Layout", "Point", "Rectangle", "Route", "lay_out"]

_GAP = 32.0  # between two layers
_LABEL_ROOM = 20.0  # beside a label in such a gap: the arrow and some air
_STEEP = 24.0  # a curve that rises more than this needs its label at the side
_APART = 22.0  # between two neighbours of one layer
_BENDS_APART = 14.0
_HANG = 34.0  # between an op and what hangs at it
_LOOP = 10.0  # how far an edge that ends where it begins keeps away from its card
_PAD = 12.0  # inside a box
_TITLE = 20.0  # height of the title of a box
BORDER = 4.0  # between the two borders of a folded box
_MARGIN = 12.0  # around the drawing
_SWEEPS = 6
_AIR = (1.0, 1.3, 1.7)  # how far everything is set apart, until nothing runs through a label
_MOST_TRIED = 200  # edges
# Bends cost memory: a picture may have this many per item and in all; the longest edges beyond
# that run behind the cards.
_BENDS_PER_ITEM, _BENDS_FREE = 4, 4000


@dataclass(frozen=True, slots=True)
class Route:
    """The course of one edge from its tail to its head.

    Parameters
    ----------
    points : tuple of Point
        Corners; between two of them the line is straight along one axis, or a smooth curve that
        leaves and arrives in the main direction (across it, for an edge that hangs).
    hangs : bool
        Whether the edge joins an op and what hangs below it: then it runs in the cross direction.
    label : Rectangle or None
        Where its text stands.
    """

    points: tuple[Point, ...]
    hangs: bool
    label: Rectangle | None


@dataclass(frozen=True, slots=True)
class Layout:
    """All places of one drawing; the tuples follow those of the picture and its structure."""

    width: float
    height: float
    structure: Structure
    faces: tuple[Face, ...]
    cards: tuple[Rectangle, ...]
    boxes: tuple[Rectangle, ...]
    titles: tuple[Point, ...]
    routes: tuple[Route, ...]


def lay_out(picture: Picture) -> Layout:
    """Return the places of all cards, boxes and edges.

    Raises
    ------
    DiagramError
        When edges or clusters run in a circle.
    """
    best, least = None, 0.0
    for air in _AIR:
        plan = _Plan(picture, air)
        levels: dict[int | None, _Level] = {}
        # A parent stands before its children in the list of boxes: this goes from the inside out.
        for place in (*reversed(range(len(plan.structure.boxes))), None):
            levels[place] = level = _Level(plan, place, levels)
            level.build()
        layout, bad = _labelled(plan, _assemble(plan, levels))
        if best is None or bad < least:
            best, least = layout, bad
        # A large drawing is read part by part, and would take long to be made several times.
        if bad < CROSSED or len(picture.edges) > _MOST_TRIED:
            break
    assert best is not None
    return best


def _labelled(plan: _Plan, layout: Layout) -> tuple[Layout, float]:
    """Return a layout with its labels where nothing runs through them, and how far that failed."""
    threads = [
        Thread(
            route.points,
            plan.across != route.hangs,
            edge.pen / 2,
            route.points[0 if edge.backward else -1],
            route.label,
        )
        for edge, route in zip(plan.picture.edges, layout.routes, strict=True)
    ]
    titles = []
    for box, corner in zip(layout.structure.boxes, layout.titles, strict=True):
        cluster = plan.picture.clusters[box.cluster]
        wide = cluster_width(cluster, box.part, box.parts)
        if wide:
            titles.append(Rectangle(corner.x, corner.y + 1, wide, _TITLE - 5))
    labels, bad = placed(threads, layout.cards, titles, (layout.width, layout.height))
    routes = tuple(
        replace(route, label=label) for route, label in zip(layout.routes, labels, strict=True)
    )
    return replace(layout, routes=routes), bad


# ----------------------------------------------------------------------------------------- the plan

# A node of a level: a card by number, a box by number of cards + its number, or a port, which is
# ("in", card) or ("out", card) with the producer whose value passes there.
_Key = int | tuple[str, int]


@dataclass(slots=True)
class _Link:
    """The part of some edges that lies within one level."""

    start: _Key
    end: _Key
    source: int  # what passes here; links of one source share their bends
    edges: list[int] = field(default_factory=list)  # those that end here: they bring labels
    nodes: list[int] = field(default_factory=list)  # nodes of the level that it passes


class _Row(NamedTuple):
    """Cards that hang side by side at one side of an op, each with its share of the row."""

    leaves: tuple[int, ...] = ()
    cells: tuple[float, ...] = ()
    gap: float = 0.0
    deepest: float = 0.0


class _Unit(NamedTuple):
    """Size of a card together with what hangs at it; main and cross, as said above."""

    main: float
    half: float
    up: float
    down: float
    below: _Row
    above: _Row


class _Plan:
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
        self.links: dict[int | None, dict[tuple[_Key, _Key, int], _Link]] = {
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
        self.courses: list[list[tuple[int | None, _Link]]] = []
        for edge, (tail, head) in enumerate(ends):
            course: list[tuple[int | None, _Link]] = []
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

    def _link(self, place: int | None, start: _Key, end: _Key, source: int) -> _Link:
        """Return the link of a level, made when it is new."""
        links = self.links[place]
        key = (start, end, source)
        if key not in links:
            links[key] = _Link(start, end, source)
        return links[key]

    def _find_spine(self) -> Iterable[int]:
        """Yield the links, by identity, that carry the backbone."""
        steps = set(pairwise(self.structure.backbone))
        ends = zip(self.structure.tails, self.structure.heads, self.picture.edges, strict=True)
        for course, (tail, head, edge) in zip(self.courses, ends, strict=True):
            if (tail, head) in steps and not edge.recurrent:
                yield from (id(link) for _, link in course)

    def unit(self, card: int) -> _Unit:
        """Return the size of a card with what hangs at it.

        Two rows, below and above, make the drawing shorter. From top to bottom it would become
        wider by that, and an edge that goes over its card needs the room above.
        """
        main, cross = self.size(self.faces[card])
        leaves = self.structure.hanging.get(card, ())
        loops = self.loops.get(card, ())
        cut = (len(leaves) + 1) // 2 if self.across and not loops else len(leaves)
        below, above = self._row(leaves[:cut]), self._row(leaves[cut:])
        return _Unit(
            max(main, sum(below.cells), sum(above.cells)),
            cross / 2,
            cross / 2 + above.gap + above.deepest + sum(map(self.loop_room, loops)),
            cross / 2 + below.gap + below.deepest,
            below,
            above,
        )

    def _row(self, leaves: tuple[int, ...]) -> _Row:
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
        return _Row(leaves, tuple(cells), gap, deepest)

    def loop_room(self, edge: int) -> float:
        """Return how much room a loop takes beside its card or the loop before, label included."""
        label = self.labels[edge]
        return _LOOP + (0.0 if label is None else self.size(label)[1] + 4)


# ---------------------------------------------------------------------------------------- one level


class _Level:
    """The layout of one box, or of the whole picture: coordinates from its own anchor.

    The anchor is the beginning of the level in the main direction and its backbone in the cross
    direction.
    """

    def __init__(self, plan: _Plan, place: int | None, levels: dict[int | None, _Level]) -> None:
        self.plan = plan
        self.place = place
        self.inner = levels
        self.keys: list[_Key | None] = []  # None is a bend
        self.number: dict[_Key, int] = {}
        self.rank: list[int] = []
        self.size: list[float] = []
        self.half: list[float] = []  # of a card alone, without what hangs
        self.up: list[float] = []
        self.down: list[float] = []
        self.layer: list[int] = []
        self.cross: list[float] = []
        self.pinned: list[bool] = []
        self.links = list(plan.links[place].values())
        self.segments: list[tuple[int, int, int]] = []  # node, node of the next layer, producer
        self.layers: list[list[int]] = []
        self.starts: list[float] = []  # of the layers, in the main direction
        self.ends: list[float] = []
        self.arrivals: dict[int, float] = {}  # edge -> where it meets its card, from the middle
        self.label_places: dict[int, tuple[float, float]] = {}  # edge -> main and cross of a corner
        self.length = self.above = self.below = 0.0
        self.pad = 0.0
        self.title_width = 0.0
        self.title_at = 0.0  # where it begins in the cross direction, from top to bottom

    def build(self) -> None:
        """Fill in everything."""
        self._add_items()
        self._assign_layers()
        self._add_bends()
        self._order_layers()
        self._pin_backbone()
        self._find_cross()
        self._spread_arrivals()
        self._find_main()
        self._place_labels()
        self._measure()

    # Ports of a finished level, as its parent sees them: where a producer's value passes.

    def port(self, kind: str, source: int) -> float:
        """Return the cross coordinate of a port."""
        return self.cross[self.number[kind, source]]

    def _offset(self, node: int, kind: str, source: int) -> float:
        """Return how far from the middle of a node its lines of one source meet it."""
        key = self.keys[node]
        if isinstance(key, int) and key >= self.plan.count:
            return self.inner[key - self.plan.count].port(kind, source)
        if source < 0 and kind == "out":
            return -0.6 * self.half[node]
        return 0.0

    def _add(
        self,
        key: _Key | None,
        rank: int,
        size: float,
        up: float,
        down: float,
        half: float = 0.0,
    ) -> int:
        """Add a node and return its number; ``rank`` is the place of its producer in the order."""
        node = len(self.keys)
        self.half.append(half)
        self.rank.append(rank)
        self.keys.append(key)
        self.size.append(size)
        self.up.append(up)
        self.down.append(down)
        self.layer.append(0)
        self.cross.append(0.0)
        self.pinned.append(False)
        if key is not None:
            self.number[key] = node
        return node

    def _add_items(self) -> None:
        """Add the cards, the finished boxes and the ports."""
        plan = self.plan
        for item in sorted(plan.items[self.place], key=plan.rank.__getitem__):
            if item < plan.count:
                unit = plan.unit(item)
                self._add(item, plan.rank[item], unit.main, unit.up, unit.down, unit.half)
            else:
                level = self.inner[item - plan.count]
                self._add(item, plan.rank[item], level.length, level.above, level.below)
        for link in self.links:
            for key in (link.start, link.end):
                if key not in self.number:
                    self._add(key, plan.rank[link.source], 0.0, 1.0, 1.0)

    def _assign_layers(self) -> None:
        """Put every node one layer behind the last of its producers; ports at the two ends."""
        incoming: dict[int, list[int]] = defaultdict(list)
        outgoing: dict[int, list[int]] = defaultdict(list)
        for link in self.links:
            start, end = self.number[link.start], self.number[link.end]
            incoming[end].append(start)
            outgoing[start].append(end)
        # Items were added in the order of the structure, producers first.
        items = [i for i, key in enumerate(self.keys) if isinstance(key, int)]
        for node in items:
            before = (self.layer[i] for i in incoming[node] if isinstance(self.keys[i], int))
            self.layer[node] = max(before, default=-1) + 1
        last = max((self.layer[node] for node in items), default=0)
        for node, key in enumerate(self.keys):
            if isinstance(key, tuple):
                self.layer[node] = -1 if key[0] == "in" else last + 1
        # What has no producer stands directly before its first consumer.
        for node in items:
            if not incoming[node] and outgoing[node]:
                self.layer[node] = max(0, min(self.layer[i] for i in outgoing[node]) - 1)
        shift = int(self.place is not None)
        self.layer = [layer + shift for layer in self.layer]
        self.layers = [[] for _ in range(last + 1 + 2 * shift)]

    def _add_bends(self) -> None:
        """Add bends where links pass a layer; links of one producer share them."""
        room = _BENDS_PER_ITEM * len(self.keys) + _BENDS_FREE
        bends: dict[tuple[int, int, int], int] = {}

        def span(link: _Link) -> int:
            return self.layer[self.number[link.end]] - self.layer[self.number[link.start]]

        seen: set[tuple[int, int, int]] = set()
        for link in sorted(self.links, key=span):
            start, end = self.number[link.start], self.number[link.end]
            wanted = (
                [
                    (start, link.source, layer)
                    for layer in range(self.layer[start] + 1, self.layer[end])
                    if (start, link.source, layer) not in bends
                ]
                if span(link) <= room
                else None
            )
            if wanted is None or len(wanted) > room:
                link.nodes = [start, end]
                continue
            room -= len(wanted)
            labels = [self.plan.labels[edge] for edge in link.edges]
            room_of_label = max((self.plan.size(face)[1] for face in labels if face), default=0.0)
            for bend in wanted:
                bends[bend] = node = self._add(None, self.plan.rank[link.source], 0.0, 1.0, 1.0)
                self.layer[node] = bend[2]
            between = range(self.layer[start] + 1, self.layer[end])
            passed = [bends[start, link.source, layer] for layer in between]
            if passed:
                side = self.up if self.plan.across else self.down
                side[passed[-1]] = max(side[passed[-1]], room_of_label)
            link.nodes = [start, *passed, end]
            for a, b in pairwise(link.nodes):
                if (a, b, link.source) not in seen:
                    seen.add((a, b, link.source))
                    self.segments.append((a, b, link.source))
        self.before: list[list[tuple[int, int]]] = [[] for _ in self.keys]
        self.after: list[list[tuple[int, int]]] = [[] for _ in self.keys]
        for a, b, source in self.segments:
            self.before[b].append((a, source))
            self.after[a].append((b, source))

    # ------------------------------------------------------------------------------------ crossings

    def _order_layers(self) -> None:
        """Order layers by the medians of neighbours; keep the order with the fewest crossings."""
        for node in sorted(range(len(self.keys)), key=self.rank.__getitem__):
            self.layers[self.layer[node]].append(node)
        self.position = [0] * len(self.keys)
        for nodes in self.layers:
            self._number(nodes)
        self._sweep(self.layers, self.before, "out")
        best, fewest = [list(nodes) for nodes in self.layers], self._crossings()
        for sweep in range(_SWEEPS):
            if fewest == 0:
                break
            if sweep % 2 == 0:
                self._sweep(self.layers[::-1], self.after, "in")
            else:
                self._sweep(self.layers, self.before, "out")
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(nodes) for nodes in self.layers], crossings
        self.layers = best
        for nodes in self.layers:
            self._number(nodes)

    def _number(self, nodes: list[int]) -> None:
        for position, node in enumerate(nodes):
            self.position[node] = position

    def _sweep(
        self, layers: list[list[int]], neighbours: list[list[tuple[int, int]]], kind: str
    ) -> None:
        """Sort each layer by the median position of the neighbours on one side."""
        for nodes in layers:
            wish = {}
            for node in nodes:
                # Ports of one box differ by less than one position, but they do differ.
                places = sorted(
                    self.position[other] + self._offset(other, kind, source) * 1e-5
                    for other, source in neighbours[node]
                )
                wish[node] = _median(places) if places else float(self.position[node])
            nodes.sort(key=wish.__getitem__)
            self._number(nodes)

    def _crossings(self) -> int:
        """Return how many pairs of segments cross."""
        gaps: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for a, b, _ in self.segments:
            gaps[self.layer[a]].append((self.position[a], self.position[b]))
        return sum(_inversions(sorted(pairs)) for pairs in gaps.values())

    # ------------------------------------------------------------------------------ cross direction

    def _pin_backbone(self) -> None:
        """Hold the nodes of the backbone, or of a longest path of this level, at 0."""
        found = False
        for link in self.links:
            if id(link) in self.plan.spine:
                found = True
                for node in link.nodes:
                    self.pinned[node] = True
        if found or not self.keys:
            return
        node = max(range(len(self.keys)), key=lambda i: (self.layer[i], -i))
        self.pinned[node] = True
        while self.before[node]:
            node = min(self.before[node], key=lambda pair: (self.keys[pair[0]] is None, pair))[0]
            self.pinned[node] = True

    def _find_cross(self) -> None:
        """Give every node the cross coordinate that suits its neighbours best."""
        for nodes in self.layers:
            y = 0.0
            for k, node in enumerate(nodes):
                y += self._apart(nodes[k - 1], node) if k else 0.0
                self.cross[node] = y
            shift = next((self.cross[i] for i in nodes if self.pinned[i]), y / 2)
            for node in nodes:
                self.cross[node] -= shift
        for sweep in range(_SWEEPS):
            for nodes in self.layers:
                self._settle(nodes, self._wishes_before)
            for nodes in reversed(self.layers):
                self._settle(nodes, self._wishes_after)
            if sweep == _SWEEPS - 1:
                for nodes in self.layers:
                    self._settle(nodes, self._wishes_both)

    def _apart(self, a: int, b: int) -> float:
        """Return the smallest distance between two neighbours of a layer."""
        bends = self.keys[a] is None or self.keys[b] is None
        thin = not isinstance(self.keys[a], int) and not isinstance(self.keys[b], int)
        return (
            self.down[a] + self.up[b] + self.plan.air * (_BENDS_APART if bends or thin else _APART)
        )

    def _wishes_before(self, node: int) -> list[float]:
        return [
            self.cross[a] + self._offset(a, "out", source) - self._offset(node, "in", source)
            for a, source in self.before[node]
        ]

    def _wishes_after(self, node: int) -> list[float]:
        return [
            self.cross[b] + self._offset(b, "in", source) - self._offset(node, "out", source)
            for b, source in self.after[node]
        ]

    def _wishes_both(self, node: int) -> list[float]:
        return self._wishes_before(node) + self._wishes_after(node)

    def _settle(self, nodes: list[int], wishes_of: Callable[[int], list[float]]) -> None:
        """Move the nodes of a layer as near to their wishes as their order allows."""
        if not nodes:
            return
        base = [0.0]
        for a, b in pairwise(nodes):
            base.append(base[-1] + self._apart(a, b))
        wishes, weights, anchor = [], [], None
        for k, node in enumerate(nodes):
            found = sorted(wishes_of(node))
            wish = _median(found) if found else self.cross[node]
            if self.pinned[node]:
                wish, anchor = 0.0, k
            wishes.append(wish - base[k])
            # Bends weigh more: a long line should rather be straight than a card in its middle.
            weights.append(4.0 if self.keys[node] is None else 1.0)
        levels = _monotone(wishes, weights)
        if anchor is not None:
            # Clipping the best monotone sequence gives the best one within the bounds.
            fixed = -base[anchor]
            levels = [
                min(y, fixed) if k < anchor else max(y, fixed) if k > anchor else fixed
                for k, y in enumerate(levels)
            ]
        for k, node in enumerate(nodes):
            self.cross[node] = levels[k] + base[k]

    def _spread_arrivals(self) -> None:
        """Let the edges into one card meet it at different heights, the backbone in the middle."""
        arriving: dict[int, list[tuple[float, int, bool]]] = defaultdict(list)
        for link in self.links:
            head = self.number[link.end]
            key = self.keys[head]
            if not isinstance(key, int) or key >= self.plan.count:
                continue
            before = link.nodes[-2]
            height = self.cross[before] + self._offset(before, "out", link.source)
            for edge in self.plan.ending.get(id(link), ()):
                arriving[head].append((height, edge, id(link) in self.plan.spine))
        for head, edges in arriving.items():
            edges.sort()
            middle = next((k for k, edge in enumerate(edges) if edge[2]), (len(edges) - 1) / 2)
            most = max(middle, len(edges) - 1 - middle)
            step = min(10.0, (self.half[head] - 6) / most) if most else 0.0
            for k, (_, edge, _) in enumerate(edges):
                self.arrivals[edge] = (k - middle) * step

    # ------------------------------------------------------------------------------- main direction

    def _find_main(self) -> None:
        """Give every layer its place, with room for labels and for gentle curves."""
        gaps = [_GAP if k else 0.0 for k in range(len(self.layers))]
        slopes = [0.0] * len(self.layers)
        for link in self.links:
            end = self.layer[link.nodes[-1]]
            for edge in link.edges:
                label = self.plan.labels[edge]
                if label is not None:
                    # Beside a steep curve a label has only half of the gap.
                    halves = 2 if self._drop(link, edge) > _STEEP else 1
                    gaps[end] = max(gaps[end], halves * self.plan.size(label)[0] + _LABEL_ROOM)
            for a, b in pairwise(link.nodes):
                drop = abs(
                    self.cross[a]
                    + self._offset(a, "out", link.source)
                    - self.cross[b]
                    - self._offset(b, "in", link.source)
                )
                slopes[self.layer[b]] = max(slopes[self.layer[b]], drop)
        if self.place is not None:
            box = self.plan.structure.boxes[self.place]
            cluster = self.plan.picture.clusters[box.cluster]
            self.title_width = cluster_width(cluster, box.part, box.parts)
            self.pad = _PAD + (BORDER if cluster.count > 1 else 0.0)
            gaps[1] = self.pad + (0.0 if self.plan.across else _TITLE)
            gaps[-1] = self.pad
        widths = [max((self.size[node] for node in nodes), default=0.0) for nodes in self.layers]
        gaps = [
            self.plan.air * (gap + min(60.0, 0.15 * drop))
            for gap, drop in zip(gaps, slopes, strict=True)
        ]
        if self.place is not None and self.plan.across:
            missing = self.title_width + 2 * self.pad - sum(widths) - sum(gaps)
            if missing > 0:
                gaps[1] += missing / 2
                gaps[-1] += missing / 2
        x = 0.0
        for gap, width in zip(gaps, widths, strict=True):
            self.starts.append(x + gap)
            x += gap + width
            self.ends.append(x)
        self.length = x

    def _ends_of(self, link: _Link, edge: int) -> tuple[float, float]:
        """Return the cross coordinates between which the last piece of a link runs."""
        a, b = link.nodes[-2:]
        last = self.cross[b] + self._offset(b, "in", link.source) + self.arrivals.get(edge, 0.0)
        if self.layer[a] < self.layer[b] - 1:
            return last, last
        return self.cross[a] + self._offset(a, "out", link.source), last

    def _drop(self, link: _Link, edge: int) -> float:
        """Return how much the last piece of a link rises or falls."""
        first, last = self._ends_of(link, edge)
        return abs(first - last)

    def _place_labels(self) -> None:
        """Put every label beside the last piece of its line in this level, off other labels."""
        taken = _Taken()
        for link in sorted(self.links, key=lambda link: link.edges):
            for edge in link.edges:
                label = self.plan.labels[edge]
                if label is None:
                    continue
                gap = self.layer[link.nodes[-1]]
                size = self.plan.size(label)
                spots = self._label_spots(
                    size, self.ends[gap - 1], self.starts[gap], *self._ends_of(link, edge)
                )
                self.label_places[edge] = taken.first_free(gap, spots, size)

    def _label_spots(
        self, size: tuple[float, float], low: float, high: float, first: float, last: float
    ) -> list[tuple[float, float]]:
        """Return places beside a curve from ``low, first`` to ``high, last``, best ones first."""
        main, cross = size
        sign = -1 if self.plan.across else 1
        drop = abs(first - last)
        if drop > _STEEP:
            middle, height = (low + high) / 2, (first + last - cross) / 2
            # In its middle the curve rises by 1.5 times its mean slope.
            aside = min(cross * (high - low) / (3 * drop), (high - low) / 4) + 4
            left, right = max(low + 2, middle - aside - main), min(high - main - 2, middle + aside)
            spots = [(left, height), (right, height)]
        else:
            start = low + (high - low - main) * 0.42
            upper, lower = min(first, last) - cross - 3, max(first, last) + 4
            spots = [(start, upper if self.plan.across else lower + 1)]
            spots.append((start, lower if self.plan.across else upper - 2))
        start, height = spots[0]
        return spots + [(start, height + sign * k * (cross + 2)) for k in range(1, 9)]

    def _measure(self) -> None:
        """Find how far the level reaches to both sides, title and labels included."""
        self.above = max((self.up[i] - self.cross[i] for i in range(len(self.keys))), default=0.0)
        self.below = max((self.down[i] + self.cross[i] for i in range(len(self.keys))), default=0.0)
        for edge, (_, y) in self.label_places.items():
            label = self.plan.labels[edge]
            assert label is not None
            self.above = max(self.above, -y)
            self.below = max(self.below, y + self.plan.size(label)[1])
        if self.place is not None:
            self.above += self.pad + (_TITLE if self.plan.across else 0.0)
            self.below += self.pad
            if not self.plan.across:
                self._set_title_aside()

    def _set_title_aside(self) -> None:
        """Let a title stand to the left or right of all lines that enter where it is."""
        entering = [
            self.cross[node] + shift
            for link in self.links
            if isinstance(link.start, tuple)
            for node, shift in self._first_piece(link)
        ]
        left, right = min(entering, default=math.inf), max(entering, default=-math.inf)
        # What would be needed at either side of the axis.
        before, after = self.title_width + self.pad + 3 - left, right + 8 + self.title_width
        after += self.pad
        if before - self.above <= max(0.0, after - self.below):
            self.above = max(self.above, before)
            self.title_at = self.pad - 3 - self.above
        else:
            self.title_at = right + 8
        self.below = max(self.below, self.title_at + self.title_width + self.pad)

    def _first_piece(self, link: _Link) -> Iterable[tuple[int, float]]:
        """Yield both ends of the first piece of a link: node, and how far from its middle."""
        start, node = link.nodes[:2]
        yield start, 0.0
        shifts = [self.arrivals.get(edge, 0.0) for edge in self.plan.ending.get(id(link), ())]
        for shift in shifts if len(link.nodes) == 2 and shifts else [0.0]:
            yield node, self._offset(node, "in", link.source) + shift


# -------------------------------------------------------------------------------------- small tools


class _Taken:
    """The places of the labels so far, by gap and by strips of the cross direction."""

    def __init__(self) -> None:
        self.strips: dict[tuple[int, int], list[tuple[float, float, float, float]]] = defaultdict(
            list
        )

    def first_free(
        self, gap: int, spots: list[tuple[float, float]], size: tuple[float, float]
    ) -> tuple[float, float]:
        """Return the first spot that overlaps no label, or the first one, and take it."""
        main, cross = size

        def strips(y: float) -> list[tuple[int, int]]:
            return [(gap, k) for k in range(int(y // 32), int((y + cross) // 32) + 1)]

        def free(spot: tuple[float, float]) -> bool:
            x, y = spot
            return not any(
                x < right and left < x + main and y < bottom and top < y + cross
                for strip in strips(y)
                for left, right, top, bottom in self.strips[strip]
            )

        x, y = next(filter(free, spots), spots[0])
        for strip in strips(y):
            self.strips[strip].append((x, x + main, y, y + cross))
        return x, y


def _median(values: Sequence[float]) -> float:
    """Return the middle of sorted values."""
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def _inversions(pairs: list[tuple[int, int]]) -> int:
    """Return how many pairs of sorted pairs stand the other way round in their second numbers."""
    size = max((b for _, b in pairs), default=-1) + 1
    tree = [0] * (size + 1)
    total = 0
    for seen, (_, b) in enumerate(pairs):
        not_after = 0
        k = b + 1
        while k > 0:
            not_after += tree[k]
            k -= k & -k
        total += seen - not_after
        k = b + 1
        while k <= size:
            tree[k] += 1
            k += k & -k
    return total


def _monotone(values: list[float], weights: list[float]) -> list[float]:
    """Return the non-decreasing sequence nearest to the values, by pooling neighbours."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (m1, w1, n1), (m2, w2, n2) = pools[-2:]
            pools[-2:] = [((m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2)]
    return [mean for mean, _, count in pools for _ in range(count)]


# ----------------------------------------------------------------------------------------- assembly


def _assemble(plan: _Plan, levels: dict[int | None, _Level]) -> Layout:
    """Turn the coordinates of the levels into those of the drawing."""
    root = levels[None]
    across = plan.across

    def point(main: float, cross: float) -> Point:
        x, y = (main, cross + root.above) if across else (cross + root.above, main)
        return Point(x + _MARGIN, y + _MARGIN)

    def rectangle(main: float, cross: float, long: float, wide: float) -> Rectangle:
        corner = point(main, cross)
        return Rectangle(*corner, *((long, wide) if across else (wide, long)))

    origin: dict[int | None, tuple[float, float]] = {None: (0.0, 0.0)}
    cards = [Rectangle(0, 0, 0, 0)] * plan.count
    routes: dict[int, Route] = {}
    boxes: list[Rectangle] = []
    titles: list[Point] = []
    middle_of: dict[int, tuple[float, float]] = {}
    for place in (None, *range(len(plan.structure.boxes))):
        level = levels[place]
        main0, cross0 = origin[place]
        if place is not None:
            wide = level.above + level.below
            box = rectangle(main0, cross0 - level.above, level.length, wide)
            boxes.append(box)
            inset = level.pad - 3
            left = box.x + inset if across else point(main0, cross0 + level.title_at).x
            titles.append(Point(left, box.y + inset - 4))
        for node, key in enumerate(level.keys):
            if not isinstance(key, int):
                continue
            layer = level.layer[node]
            middle = main0 + (level.starts[layer] + level.ends[layer]) / 2
            cross = cross0 + level.cross[node]
            if key >= plan.count:
                origin[key - plan.count] = (middle - level.size[node] / 2, cross)
                continue
            middle_of[key] = middle, cross
            long, wide = plan.size(plan.faces[key])
            cards[key] = rectangle(middle - long / 2, cross - wide / 2, long, wide)
            for leaf, where in _hang(plan, key, middle, cross, point, rectangle, routes):
                cards[leaf] = where
            _loop(plan, key, middle, cross, point, rectangle, routes)
    for edge, course in enumerate(plan.courses):
        if course:
            routes[edge] = _route(plan, levels, origin, middle_of, edge, course, point, rectangle)
    long, wide = root.length, root.above + root.below
    width, height = (long, wide) if across else (wide, long)
    return Layout(
        width + 2 * _MARGIN,
        height + 2 * _MARGIN,
        plan.structure,
        plan.faces,
        tuple(cards),
        tuple(boxes),
        tuple(titles),
        tuple(routes[edge] for edge in range(len(plan.courses))),
    )


def _hang(
    plan: _Plan,
    op: int,
    middle: float,
    cross: float,
    point: Callable[[float, float], Point],
    rectangle: Callable[[float, float, float, float], Rectangle],
    routes: dict[int, Route],
) -> Iterable[tuple[int, Rectangle]]:
    """Yield what hangs at an op with its place; add the routes of the edges between."""
    unit = plan.unit(op)
    long, _ = plan.size(plan.faces[op])
    for row, sign in ((unit.below, 1.0), (unit.above, -1.0)):
        foot = cross + sign * unit.half
        top = foot + sign * row.gap  # the side of the leaves that faces the op
        start = middle - sum(row.cells) / 2
        count = sum(len(plan.hanging_edges[leaf]) for leaf in row.leaves)
        step = long / (count + 1)
        slot = 0
        for leaf, cell in zip(row.leaves, row.cells, strict=True):
            leaf_long, leaf_wide = plan.size(plan.faces[leaf])
            centre = start + cell / 2
            start += cell
            corner = top if sign > 0 else top - leaf_wide
            yield leaf, rectangle(centre - leaf_long / 2, corner, leaf_long, leaf_wide)
            edges = plan.hanging_edges[leaf]
            for k, edge in enumerate(edges):
                slot += 1
                # Several edges between the same two leave the leaf side by side.
                begin = centre + (k - (len(edges) - 1) / 2) * 12
                end = middle - long / 2 + slot * step
                face = plan.labels[edge]
                label = None
                if face is not None:
                    face_long, face_wide = plan.size(face)
                    corner = top - 4 - face_wide if sign > 0 else top + 4
                    label = rectangle(begin + 6, corner, face_long, face_wide)
                routes[edge] = Route((point(begin, top), point(end, foot)), True, label)


def _loop(
    plan: _Plan,
    card: int,
    middle: float,
    cross: float,
    point: Callable[[float, float], Point],
    rectangle: Callable[[float, float, float, float], Rectangle],
    routes: dict[int, Route],
) -> None:
    """Add the routes of the edges that end where they begin: over the card, one over another."""
    edges = plan.loops.get(card, ())
    long, wide = plan.size(plan.faces[card])
    top = cross - wide / 2
    for k, edge in enumerate(edges):
        low, high = middle - long / 2, middle + long / 2
        # All leave and arrive in the upper half of the card; the outer ones further up.
        side = cross - wide / 2 * (k + 1) / (len(edges) + 1)
        far = _LOOP + 4 * k
        face = plan.labels[edge]
        label = None
        if face is not None:
            face_long, face_wide = plan.size(face)
            label = rectangle(
                middle - face_long / 2, top - _LOOP - 4 - face_wide, face_long, face_wide
            )
        corners = (
            (high, side),
            (high + far, side),
            (high + far, top - _LOOP),
            (low - far, top - _LOOP),
            (low - far, side),
            (low, side),
        )
        routes[edge] = Route(tuple(point(*corner) for corner in corners), False, label)
        top -= plan.loop_room(edge)


def _route(
    plan: _Plan,
    levels: dict[int | None, _Level],
    origin: dict[int | None, tuple[float, float]],
    middle_of: dict[int, tuple[float, float]],
    edge: int,
    course: list[tuple[int | None, _Link]],
    point: Callable[[float, float], Point],
    rectangle: Callable[[float, float, float, float], Rectangle],
) -> Route:
    """Return the way of an edge through all its levels."""
    tail, head = plan.structure.starts[edge], plan.structure.ends[edge]
    middle, cross = middle_of[tail]
    first, link = course[0]
    level = levels[first]
    cross += level._offset(level.number[tail], "out", link.source)
    track = [(middle + plan.size(plan.faces[tail])[0] / 2, cross)]
    label = None
    arrival = 0.0
    for place, link in course:
        level = levels[place]
        main0, cross0 = origin[place]
        arrival = level.arrivals.get(edge, 0.0)
        track.append((main0 + level.ends[level.layer[link.nodes[0]]], track[-1][1]))
        for node in link.nodes[1:-1]:
            layer, y = level.layer[node], cross0 + level.cross[node]
            track += [(main0 + level.starts[layer], y), (main0 + level.ends[layer], y)]
        last = link.nodes[-1]
        y = cross0 + level.cross[last] + level._offset(last, "in", link.source) + arrival
        track.append((main0 + level.starts[level.layer[last]], y))
        if edge in level.label_places:
            face = plan.labels[edge]
            assert face is not None
            x, y = level.label_places[edge]
            label = rectangle(main0 + x, cross0 + y, *plan.size(face))
    middle, cross = middle_of[head]
    track.append((middle - plan.size(plan.faces[head])[0] / 2, cross + arrival))
    corners = _tidy(track)
    if tail != plan.structure.tails[edge]:
        corners.reverse()
    return Route(tuple(point(*place) for place in corners), False, label)


def _tidy(track: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners without those that lie on a straight line or on one another."""
    kept: list[tuple[float, float]] = []
    for place in track:
        if kept and abs(kept[-1][0] - place[0]) < 0.01 and abs(kept[-1][1] - place[1]) < 0.01:
            continue
        if len(kept) > 1 and abs(kept[-2][1] - kept[-1][1]) < 0.01 > abs(kept[-1][1] - place[1]):
            kept.pop()
        kept.append(place)
    return kept
