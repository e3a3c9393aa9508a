"""The items of one level in layers: which stands behind which, and which beside which.

Knows: the links of a level and the sizes of its items, boxes that are finished among them. Does
not know: coordinates. Layers are found by longest path; an edge that passes a layer gets a *bend*
there, so that no line runs through a card; medians reduce crossings. ``plan.py`` is to be read
first; next comes ``level.py``, which gives every layer and everything in it a place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tinygrad_edu.draw.plan import Key, Link, Plan

__all__ = ["Finished", "Layers", "median"]

_SWEEPS = 6  # in search of fewer crossings
# Bends cost memory: a picture may have this many per item and in all; the longest edges beyond
# that run behind the cards.
_BENDS_PER_ITEM, _BENDS_FREE = 4, 4000


@dataclass(frozen=True, slots=True)
class Finished:
    """A box that is laid out, as the level around it sees it.

    Parameters
    ----------
    length : float
        Its size in the main direction.
    above, below : float
        How far it reaches from its backbone in the cross direction.
    ports : dict
        For each producer whose value enters (``"in"``) or leaves (``"out"``) where that is, in the
        cross direction, from the backbone.
    """

    length: float
    above: float
    below: float
    ports: Mapping[tuple[str, int], float]


class Layers:
    """The nodes of one level - cards, finished boxes, ports and bends - by number, in their layers.

    Parameters
    ----------
    plan : Plan
        What is laid out.
    place : int or None
        The box; None for the whole picture.
    boxes : mapping of int to Finished
        The boxes inside, at least.

    Attributes
    ----------
    keys : list of Key or None
        What each node is; None is a bend.
    size : list of float
        In the main direction.
    half : list of float
        Half the size of a card in the cross direction, without what hangs at it.
    up, down : list of float
        How far a node reaches in the cross direction, all included.
    layer : list of int
        In which layer each node is.
    rows : list of list of int
        The nodes of each layer, in order.
    before, after : list of list of (int, int)
        For each node those that it is joined with in the layer before and after it, each with the
        producer whose value passes.
    """

    def __init__(self, plan: Plan, place: int | None, boxes: Mapping[int, Finished]) -> None:
        self.links = list(plan.links[place].values())
        self.keys: list[Key | None] = []
        self.number: dict[Key, int] = {}
        self.size: list[float] = []
        self.half: list[float] = []
        self.up: list[float] = []
        self.down: list[float] = []
        self.layer: list[int] = []
        self._plan, self._place, self._boxes = plan, place, boxes
        self._rank: list[int] = []
        self._add_items()
        self.rows: list[list[int]] = [[] for _ in range(self._assign_layers())]
        self._segments = self._add_bends()  # node, node of the next layer, producer
        self.before: list[list[tuple[int, int]]] = [[] for _ in self.keys]
        self.after: list[list[tuple[int, int]]] = [[] for _ in self.keys]
        for a, b, source in self._segments:
            self.before[b].append((a, source))
            self.after[a].append((b, source))
        self._position = [0] * len(self.keys)  # of each node in its layer
        self._order_rows()

    def offset(self, node: int, kind: str, source: int) -> float:
        """Return how far from the middle of a node its lines of one source meet it."""
        key = self.keys[node]
        if isinstance(key, int) and key >= self._plan.count:
            return self._boxes[key - self._plan.count].ports[kind, source]
        if source < 0 and kind == "out":
            return -0.6 * self.half[node]
        return 0.0

    def _add_items(self) -> None:
        """Add the cards, the finished boxes and the ports."""
        plan = self._plan
        for item in sorted(plan.items[self._place], key=plan.rank.__getitem__):
            if item < plan.count:
                unit = plan.unit(item)
                self._add(item, plan.rank[item], unit.main, unit.up, unit.down, unit.half)
            else:
                box = self._boxes[item - plan.count]
                self._add(item, plan.rank[item], box.length, box.above, box.below)
        for link in self.links:
            for key in (link.start, link.end):
                if key not in self.number:
                    self._add(key, plan.rank[link.source], 0.0, 1.0, 1.0)

    def _add(
        self,
        key: Key | None,
        rank: int,
        size: float,
        up: float,
        down: float,
        half: float = 0.0,
    ) -> int:
        """Add a node and return its number; ``rank`` is the place of its producer in the order."""
        node = len(self.keys)
        self.half.append(half)
        self._rank.append(rank)
        self.keys.append(key)
        self.size.append(size)
        self.up.append(up)
        self.down.append(down)
        self.layer.append(0)
        if key is not None:
            self.number[key] = node
        return node

    def _assign_layers(self) -> int:
        """Put every node one layer behind the last of its producers; return how many there are.

        Ports stand at the two ends.
        """
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
        shift = int(self._place is not None)
        self.layer = [layer + shift for layer in self.layer]
        return last + 1 + 2 * shift

    def _add_bends(self) -> list[tuple[int, int, int]]:
        """Add bends where links pass a layer, and return the segments between two layers.

        Links of one producer share their bends.
        """
        room = _BENDS_PER_ITEM * len(self.keys) + _BENDS_FREE
        bends: dict[tuple[int, int, int], int] = {}
        segments: dict[tuple[int, int, int], None] = {}
        for link in sorted(self.links, key=self._span):
            start, end = self.number[link.start], self.number[link.end]
            if self._span(link) > room:
                link.nodes = [start, end]
                continue
            passed = []
            for layer in range(self.layer[start] + 1, self.layer[end]):
                bend = start, link.source, layer
                if bend not in bends:
                    bends[bend] = self._add(None, self._plan.rank[link.source], 0.0, 1.0, 1.0)
                    self.layer[bends[bend]] = layer
                    room -= 1
                passed.append(bends[bend])
            if passed:
                self._leave_room(passed[-1], link)
            link.nodes = [start, *passed, end]
            segments.update(((a, b, link.source), None) for a, b in pairwise(link.nodes))
        return list(segments)

    def _span(self, link: Link) -> int:
        """Return how many layers a link goes on."""
        return self.layer[self.number[link.end]] - self.layer[self.number[link.start]]

    def _leave_room(self, bend: int, link: Link) -> None:
        """Let a bend keep away from its neighbours, for the labels that stand beside it."""
        labels = [self._plan.labels[edge] for edge in link.edges]
        room = max((self._plan.size(face)[1] for face in labels if face), default=0.0)
        side = self.up if self._plan.across else self.down
        side[bend] = max(side[bend], room)

    # ---- crossings

    def _order_rows(self) -> None:
        """Order layers by the medians of neighbours; keep the order with the fewest crossings."""
        for node in sorted(range(len(self.keys)), key=self._rank.__getitem__):
            self.rows[self.layer[node]].append(node)
        for nodes in self.rows:
            self._number(nodes)
        self._sweep(self.rows, self.before, "out")
        best, fewest = [list(nodes) for nodes in self.rows], self._crossings()
        for sweep in range(_SWEEPS):
            if fewest == 0:
                break
            if sweep % 2 == 0:
                self._sweep(self.rows[::-1], self.after, "in")
            else:
                self._sweep(self.rows, self.before, "out")
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(nodes) for nodes in self.rows], crossings
        self.rows = best

    def _number(self, nodes: list[int]) -> None:
        for position, node in enumerate(nodes):
            self._position[node] = position

    def _sweep(
        self, layers: list[list[int]], neighbours: list[list[tuple[int, int]]], kind: str
    ) -> None:
        """Sort each layer by the median position of the neighbours on one side."""
        for nodes in layers:
            wish = {}
            for node in nodes:
                # Ports of one box differ by less than one position, but they do differ.
                places = sorted(
                    self._position[other] + self.offset(other, kind, source) * 1e-5
                    for other, source in neighbours[node]
                )
                wish[node] = median(places) if places else float(self._position[node])
            nodes.sort(key=wish.__getitem__)
            self._number(nodes)

    def _crossings(self) -> int:
        """Return how many pairs of segments cross."""
        gaps: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for a, b, _ in self._segments:
            gaps[self.layer[a]].append((self._position[a], self._position[b]))
        return sum(_inversions(sorted(pairs)) for pairs in gaps.values())


def median(values: Sequence[float]) -> float:
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
