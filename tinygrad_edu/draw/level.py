"""One level: where everything in a box, or in the whole picture, stands within it.

Knows: the layers of the level and what is in them, labels and the title of the box included. Does
not know: where the level itself stands in the drawing. Places within a layer are the nearest ones
to those that the neighbours wish for, in the sense of least squares, with the backbone held at 0;
the gaps between layers leave room for labels and for gentle curves. ``layers.py`` is to be read
first; next comes the second half of ``layout.py``, where the levels become one drawing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from tinygrad_edu.draw.layers import Finished, Layers, median
from tinygrad_edu.draw.measure import cluster_width
from tinygrad_edu.draw.plan import Link, Plan

__all__ = ["BORDER", "TITLE", "Level"]

BORDER = 4.0  # between the two borders of a folded box
TITLE = 20.0  # height of the title of a box
_PAD = 12.0  # inside a box
_GAP = 32.0  # between two layers
_LABEL_ROOM = 20.0  # beside a label in such a gap: the arrow and some air
_STEEP = 24.0  # a curve that rises more than this needs its label at the side
_APART = 22.0  # between two neighbours of one layer
_BENDS_APART = 14.0
_ACROSS = 4  # so much more air is between neighbours: labels lack room between lines side by side
_SWEEPS = 6  # in search of places that suit the neighbours


class Level:
    """The layout of one box, or of the whole picture: coordinates from its own anchor.

    The anchor is the beginning of the level in the main direction and its backbone in the cross
    direction.

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
    cross : list of float
        Where the middle of each node is, in the cross direction.
    starts, ends : list of float
        Where each layer begins and ends, in the main direction.
    arrivals : dict
        How far from the middle of its card an edge meets it.
    label_places : dict
        For an edge the first corner of its label, main and cross.
    length, above, below : float
        How far the level reaches from its anchor.
    title_at : float
        Where the title begins in the cross direction, from top to bottom.
    """

    def __init__(self, plan: Plan, place: int | None, boxes: Mapping[int, Finished]) -> None:
        self.plan, self.place = plan, place
        self.layers = Layers(plan, place, boxes)
        self.cross = [0.0] * len(self.layers.keys)
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.arrivals: dict[int, float] = {}
        self.label_places: dict[int, tuple[float, float]] = {}
        self.length = self.above = self.below = 0.0
        self.pad = self.title_width = self.title_at = 0.0
        if place is not None:
            box = plan.structure.boxes[place]
            cluster = plan.picture.clusters[box.cluster]
            self.title_width = cluster_width(cluster, box.part, box.parts)
            self.pad = _PAD + (BORDER if cluster.count > 1 else 0.0)
        self._pinned = self._backbone()
        self._find_cross()
        self._spread_arrivals()
        self._find_main()
        self._place_labels()
        self._measure()

    def finished(self) -> Finished:
        """Return what the level around this one needs to know."""
        number = self.layers.number.items()
        ports = {key: self.cross[node] for key, node in number if isinstance(key, tuple)}
        return Finished(self.length, self.above, self.below, ports)

    # ---- cross direction

    def _backbone(self) -> set[int]:
        """Return the nodes of the backbone, or of a longest path of this level, to hold at 0."""
        layers = self.layers
        carrying = [link for link in layers.links if id(link) in self.plan.spine]
        if carrying or not layers.keys:
            return {node for link in carrying for node in link.nodes}
        node = max(range(len(layers.keys)), key=lambda i: (layers.layer[i], -i))
        found = {node}
        while layers.before[node]:
            node = min(layers.before[node], key=lambda pair: (layers.keys[pair[0]] is None, pair))[
                0
            ]
            found.add(node)
        return found

    def _find_cross(self) -> None:
        """Give every node the cross coordinate that suits its neighbours best."""
        for nodes in self.layers.rows:
            y = 0.0
            for k, node in enumerate(nodes):
                y += self._apart(nodes[k - 1], node) if k else 0.0
                self.cross[node] = y
            shift = next((self.cross[i] for i in nodes if i in self._pinned), y / 2)
            for node in nodes:
                self.cross[node] -= shift
        for sweep in range(_SWEEPS):
            for nodes in self.layers.rows:
                self._settle(nodes, self._wishes_before)
            for nodes in reversed(self.layers.rows):
                self._settle(nodes, self._wishes_after)
            if sweep == _SWEEPS - 1:
                for nodes in self.layers.rows:
                    self._settle(nodes, self._wishes_both)

    def _apart(self, a: int, b: int) -> float:
        """Return the smallest distance between two neighbours of a layer."""
        bends = self.layers.keys[a] is None or self.layers.keys[b] is None
        thin = not isinstance(self.layers.keys[a], int) and not isinstance(self.layers.keys[b], int)
        return (
            self.layers.down[a]
            + self.layers.up[b]
            + self.plan.air**_ACROSS * (_BENDS_APART if bends or thin else _APART)
        )

    def _wishes_before(self, node: int) -> list[float]:
        return [
            self.cross[a]
            + self.layers.offset(a, "out", source)
            - self.layers.offset(node, "in", source)
            for a, source in self.layers.before[node]
        ]

    def _wishes_after(self, node: int) -> list[float]:
        return [
            self.cross[b]
            + self.layers.offset(b, "in", source)
            - self.layers.offset(node, "out", source)
            for b, source in self.layers.after[node]
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
            wish = median(found) if found else self.cross[node]
            if node in self._pinned:
                wish, anchor = 0.0, k
            wishes.append(wish - base[k])
            # Bends weigh more: a long line should rather be straight than a card in its middle.
            weights.append(4.0 if self.layers.keys[node] is None else 1.0)
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
        for link in self.layers.links:
            head = self.layers.number[link.end]
            key = self.layers.keys[head]
            if not isinstance(key, int) or key >= self.plan.count:
                continue
            before = link.nodes[-2]
            height = self.cross[before] + self.layers.offset(before, "out", link.source)
            for edge in self.plan.ending.get(id(link), ()):
                arriving[head].append((height, edge, id(link) in self.plan.spine))
        for head, edges in arriving.items():
            edges.sort()
            middle = next((k for k, edge in enumerate(edges) if edge[2]), (len(edges) - 1) / 2)
            most = max(middle, len(edges) - 1 - middle)
            step = min(10.0, (self.layers.half[head] - 6) / most) if most else 0.0
            for k, (_, edge, _) in enumerate(edges):
                self.arrivals[edge] = (k - middle) * step

    # ---- main direction

    def _find_main(self) -> None:
        """Give every layer its place, with room for labels and for gentle curves."""
        gaps = self._room_for_labels()
        if self.place is not None:
            gaps[1] = self.pad + (0.0 if self.plan.across else TITLE)
            gaps[-1] = self.pad
        size = self.layers.size
        widths = [max((size[node] for node in nodes), default=0.0) for nodes in self.layers.rows]
        gaps = [
            self.plan.air * (gap + min(60.0, 0.15 * drop))
            for gap, drop in zip(gaps, self._steepest(), strict=True)
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

    def _room_for_labels(self) -> list[float]:
        """Return how large the gap before each layer must be for its labels."""
        gaps = [_GAP if k else 0.0 for k in range(len(self.layers.rows))]
        for link in self.layers.links:
            end = self.layers.layer[link.nodes[-1]]
            for edge in link.edges:
                label = self.plan.labels[edge]
                if label is not None:
                    # Beside a steep curve a label has only half of the gap.
                    halves = 2 if self._drop(link, edge) > _STEEP else 1
                    gaps[end] = max(gaps[end], halves * self.plan.size(label)[0] + _LABEL_ROOM)
        return gaps

    def _steepest(self) -> list[float]:
        """Return how far a curve in the gap before each layer rises or falls at most."""
        drops = [0.0] * len(self.layers.rows)
        for link in self.layers.links:
            for a, b in pairwise(link.nodes):
                drop = abs(
                    self.cross[a]
                    + self.layers.offset(a, "out", link.source)
                    - self.cross[b]
                    - self.layers.offset(b, "in", link.source)
                )
                layer = self.layers.layer[b]
                drops[layer] = max(drops[layer], drop)
        return drops

    def _ends_of(self, link: Link, edge: int) -> tuple[float, float]:
        """Return the cross coordinates between which the last piece of a link runs."""
        a, b = link.nodes[-2:]
        last = (
            self.cross[b] + self.layers.offset(b, "in", link.source) + self.arrivals.get(edge, 0.0)
        )
        if self.layers.layer[a] < self.layers.layer[b] - 1:
            return last, last
        return self.cross[a] + self.layers.offset(a, "out", link.source), last

    def _drop(self, link: Link, edge: int) -> float:
        """Return how much the last piece of a link rises or falls."""
        first, last = self._ends_of(link, edge)
        return abs(first - last)

    # ---- labels and titles

    def _place_labels(self) -> None:
        """Put every label beside the last piece of its line in this level, off other labels."""
        taken = _Taken()
        for link in sorted(self.layers.links, key=lambda link: link.edges):
            for edge in link.edges:
                label = self.plan.labels[edge]
                if label is None:
                    continue
                gap = self.layers.layer[link.nodes[-1]]
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
        self.above = max(
            (self.layers.up[i] - self.cross[i] for i in range(len(self.layers.keys))), default=0.0
        )
        self.below = max(
            (self.layers.down[i] + self.cross[i] for i in range(len(self.layers.keys))), default=0.0
        )
        for edge, (_, y) in self.label_places.items():
            label = self.plan.labels[edge]
            assert label is not None
            self.above = max(self.above, -y)
            self.below = max(self.below, y + self.plan.size(label)[1])
        if self.place is not None:
            self.above += self.pad + (TITLE if self.plan.across else 0.0)
            self.below += self.pad
            if not self.plan.across:
                self._set_title_aside()

    def _set_title_aside(self) -> None:
        """Let a title stand to the left or right of all lines that enter where it is."""
        entering = [
            self.cross[node] + shift
            for link in self.layers.links
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

    def _first_piece(self, link: Link) -> Iterable[tuple[int, float]]:
        """Yield both ends of the first piece of a link: node, and how far from its middle."""
        start, node = link.nodes[:2]
        yield start, 0.0
        shifts = [self.arrivals.get(edge, 0.0) for edge in self.plan.ending.get(id(link), ())]
        for shift in shifts if len(link.nodes) == 2 and shifts else [0.0]:
            yield node, self.layers.offset(node, "in", link.source) + shift


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


def _monotone(values: list[float], weights: list[float]) -> list[float]:
    """Return the non-decreasing sequence nearest to the values, by pooling neighbours."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (m1, w1, n1), (m2, w2, n2) = pools[-2:]
            pools[-2:] = [((m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2)]
    return [mean for mean, _, count in pools for _ in range(count)]
