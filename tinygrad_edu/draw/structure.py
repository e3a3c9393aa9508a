"""The order of a picture: what hangs below what, where the backbone runs, which boxes are drawn.

Both drawings, the one by DOT and our own, ask these questions, so they are answered once and look
alike. This file knows no coordinates. Read ``dot.py`` or ``layout.py`` next.

The leading idea is one *linear order* of the cards in which every producer stands before its
consumers. A box is a run of neighbours in that order that share a cluster, so boxes never form a
cycle, however a module is called: one that is called twice gets two boxes. A recurrent edge has no
say in the order; where it runs against it, it is laid out as if it ran the other way.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad_edu.draw.picture import Card, Picture
from tinygrad_edu.errors import DiagramError

__all__ = ["Box", "Structure", "cluster_paths", "structure_of"]

# An op with more parameters than this (a stack of a hundred) would become a very wide row.
_MOST_HANGING = 4


@dataclass(frozen=True, slots=True)
class Box:
    """One drawn box of a cluster.

    Parameters
    ----------
    cluster : int
        Index into ``picture.clusters``.
    parent : int, optional
        Index of the box around it.
    part, parts : int
        ``part`` (from 1) of how many boxes this cluster needs; 1 of 1 as a rule.
    """

    cluster: int
    parent: int | None
    part: int
    parts: int


@dataclass(frozen=True, slots=True)
class Structure:
    """The answers for one picture; all numbers are indices into its tuples.

    Parameters
    ----------
    tails, heads : tuple of int
        The two cards of each edge.
    starts, ends : tuple of int
        The same two, the earlier one in the order first: they differ from the above for recurrent
        edges only.
    order : tuple of int
        Cards, every producer before its consumers; cards that hang are left out.
    hanging : dict of int to tuple of int
        Op -> the parameters and constants drawn below it.
    backbone : tuple of int
        The longest path of data, from the first card to the last.
    boxes : tuple of Box
        A parent stands before its children.
    box_of : tuple of int or None
        The innermost box of each card, hanging cards too.
    """

    tails: tuple[int, ...]
    heads: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    order: tuple[int, ...]
    hanging: dict[int, tuple[int, ...]]
    backbone: tuple[int, ...]
    boxes: tuple[Box, ...]
    box_of: tuple[int | None, ...]

    @property
    def owner(self) -> dict[int, int]:
        """The op of each card that hangs."""
        return {leaf: op for op, leaves in self.hanging.items() for leaf in leaves}


def structure_of(picture: Picture, most_hanging: int = _MOST_HANGING) -> Structure:
    """Return order, hanging cards, backbone and boxes of a picture.

    Parameters
    ----------
    picture : Picture
        What is drawn.
    most_hanging : int
        How many parameters may hang below one op; further ones stand where data stands.

    Raises
    ------
    DiagramError
        When edges or clusters run in a circle.
    """
    number = {card.id: i for i, card in enumerate(picture.cards)}
    tails = tuple(number[edge.tail] for edge in picture.edges)
    heads = tuple(number[edge.head] for edge in picture.edges)
    producers: list[list[int]] = [[] for _ in picture.cards]
    consumers: list[list[int]] = [[] for _ in picture.cards]
    turning: set[int] = set()  # cards at an end of a recurrent edge
    for edge, tail, head in zip(picture.edges, tails, heads, strict=True):
        if edge.recurrent:
            turning |= {tail, head}
            continue
        producers[head].append(tail)
        consumers[tail].append(head)
    clusters = cluster_paths(picture)
    paths = [clusters[card.cluster] for card in picture.cards]
    hanging = _find_hanging(picture.cards, producers, consumers, paths, turning, most_hanging)
    owner = {leaf: op for op, leaves in hanging.items() for leaf in leaves}
    leaves = [
        i
        for i, card in enumerate(picture.cards)
        if card.role in ("parameter", "constant", "input")
        and consumers[i]
        and not producers[i]
        and i not in owner
    ]
    inner = _order_of_inner(picture, producers, consumers, paths, {*owner, *leaves})
    order, boxes, box_of = _boxes(inner, leaves, consumers, paths)
    for leaf, op in owner.items():
        box_of[leaf] = box_of[op]
    backbone = _backbone(picture.cards, order, producers, owner)
    place = dict.fromkeys(owner, 0) | {card: k for k, card in enumerate(order)}
    against = [
        edge.recurrent and place[tail] > place[head]
        for edge, tail, head in zip(picture.edges, tails, heads, strict=True)
    ]
    return Structure(
        tails,
        heads,
        tuple(h if turned else t for t, h, turned in zip(tails, heads, against, strict=True)),
        tuple(t if turned else h for t, h, turned in zip(tails, heads, against, strict=True)),
        tuple(order),
        hanging,
        backbone,
        tuple(boxes),
        tuple(box_of),
    )


def cluster_paths(picture: Picture) -> dict[str | None, tuple[int, ...]]:
    """Return for each cluster all that hold it and itself, outermost first; for none, nothing.

    Raises
    ------
    DiagramError
        When a cluster is inside itself.
    """
    number = {cluster.id: i for i, cluster in enumerate(picture.clusters)}
    path_of: dict[str | None, tuple[int, ...]] = {None: ()}
    for cluster in picture.clusters:
        chain: dict[str, None] = {}  # in which to look up is quick however deep clusters are
        name: str | None = cluster.id
        while name not in path_of:
            assert name is not None
            chain[name] = None
            name = picture.clusters[number[name]].parent
            if name in chain:
                raise DiagramError(f"cluster {name!r} is its own ancestor; check the parents")
        path = path_of[name]
        for inner in reversed(chain):
            path = path_of[inner] = (*path, number[inner])
    return path_of


def _find_hanging(
    cards: Sequence[Card],
    producers: list[list[int]],
    consumers: list[list[int]],
    paths: list[tuple[int, ...]],
    turning: set[int],
    most: int,
) -> dict[int, tuple[int, ...]]:
    """Return the parameters and constants that can stand directly below their only consumer."""

    def hangs(leaf: int, op: int) -> bool:
        return (
            cards[leaf].role in ("parameter", "constant")
            and not producers[leaf]
            and leaf not in turning
            and len(set(consumers[leaf])) == 1
            and paths[op][: len(paths[leaf])] == paths[leaf]
        )

    hanging = {}
    for op in range(len(cards)):
        inputs = list(dict.fromkeys(producers[op]))
        leaves = [leaf for leaf in inputs if hangs(leaf, op)]
        if leaves and len(leaves) == len(inputs) and len(leaves) > 1:
            leaves = leaves[1:]  # something has to stand where the data comes from
        elif leaves and len(leaves) == len(inputs):
            leaves = []
        if leaves:
            hanging[op] = tuple(leaves[:most])
    return hanging


def _order_of_inner(
    picture: Picture,
    producers: list[list[int]],
    consumers: list[list[int]],
    paths: list[tuple[int, ...]],
    skipped: set[int],
) -> list[int]:
    """Return all cards but the skipped ones, producers first, clusters as unbroken as possible."""
    waiting = [sum(tail not in skipped for tail in tails) for tails in producers]
    ready: dict[int | None, list[int]] = {None: []}
    done = [i in skipped for i in range(len(picture.cards))]
    order: list[int] = []

    def make_ready(card: int) -> None:
        heapq.heappush(ready[None], card)
        for cluster in paths[card]:
            heapq.heappush(ready.setdefault(cluster, []), card)

    for card, count in enumerate(waiting):
        if not done[card] and count == 0:
            make_ready(card)
    path: tuple[int, ...] = ()
    while True:
        # The innermost cluster that has a card ready goes on; None is the whole picture.
        for place in (*reversed(path), None):
            heap = ready[place]
            while heap and done[heap[0]]:
                heapq.heappop(heap)
            if heap:
                break
        else:
            break
        card = heapq.heappop(heap)
        done[card] = True
        order.append(card)
        path = paths[card]
        for head in consumers[card]:
            waiting[head] -= 1
            if waiting[head] == 0:
                make_ready(head)
    if not all(done):
        stuck = picture.cards[done.index(False)]
        raise DiagramError(
            f"the edges run in a circle at or before card {stuck.title!r}; "
            "an edge goes from a producer to its consumer, or is marked recurrent"
        )
    return order


def _boxes(
    inner: list[int],
    leaves: list[int],
    consumers: list[list[int]],
    paths: list[tuple[int, ...]],
) -> tuple[list[int], list[Box], list[int | None]]:
    """Return the whole order, the boxes, and the innermost box of each card (hanging: None)."""
    # A leaf has no producers, so it may stand anywhere before its consumers. It goes to the
    # beginning of the last run of its cluster, or of one around it, that is early enough, and to
    # the very beginning when there is none: so it never cuts a run in two.
    position = {card: k for k, card in enumerate(inner)}
    starts = _starts(inner, paths)
    first: list[int] = []
    joining: dict[int, list[tuple[int, int]]] = {}
    for leaf in leaves:
        needed = min(position[head] for head in consumers[leaf])
        for depth, cluster in reversed(list(enumerate(paths[leaf]))):
            early = [start for start in starts.get(cluster, []) if start <= needed]
            if early:
                joining.setdefault(early[-1], []).append((depth, leaf))
                break
        else:
            first.append(leaf)
    order = sorted(first, key=lambda leaf: (paths[leaf], leaf))
    for place, card in enumerate(inner):
        order += [leaf for _, leaf in sorted(joining.get(place, []))]
        order.append(card)

    runs: list[tuple[int, int | None]] = []  # cluster, parent run
    run_of: list[int | None] = [None] * len(paths)
    stack: list[int] = []
    for card in order:
        common = _common(paths[card], [runs[run][0] for run in stack])
        del stack[common:]
        for cluster in paths[card][common:]:
            runs.append((cluster, stack[-1] if stack else None))
            stack.append(len(runs) - 1)
        run_of[card] = stack[-1] if stack else None
    parts: dict[int, int] = {}
    for cluster, _ in runs:
        parts[cluster] = parts.get(cluster, 0) + 1
    seen: dict[int, int] = {}
    boxes = []
    for cluster, parent in runs:
        seen[cluster] = seen.get(cluster, 0) + 1
        boxes.append(Box(cluster, parent, seen[cluster], parts[cluster]))
    return order, boxes, run_of


def _starts(order: list[int], paths: list[tuple[int, ...]]) -> dict[int, list[int]]:
    """Return for each cluster the places in the order where its runs begin."""
    starts: dict[int, list[int]] = {}
    before: tuple[int, ...] = ()
    for place, card in enumerate(order):
        for cluster in paths[card][_common(paths[card], before) :]:
            starts.setdefault(cluster, []).append(place)
        before = paths[card]
    return starts


def _common(path: Sequence[int], other: Sequence[int]) -> int:
    """Return how many of their first clusters two paths share."""
    shared = 0
    for a, b in zip(path, other, strict=False):
        if a != b:
            break
        shared += 1
    return shared


def _backbone(
    cards: Sequence[Card], order: list[int], producers: list[list[int]], owner: dict[int, int]
) -> tuple[int, ...]:
    """Return the longest path that ends at an output, or at the deepest card."""
    depth: dict[int, int] = {}
    before: dict[int, int] = {}
    preference = {"parameter": 2, "constant": 2}
    for card in order:
        tails = [tail for tail in producers[card] if tail not in owner]
        depth[card] = 1 + max((depth[tail] for tail in tails), default=-1)
        deepest = [tail for tail in tails if depth[tail] == depth[card] - 1]
        if deepest:
            before[card] = min(deepest, key=lambda i: preference.get(cards[i].role, 1))
    ends = [card for card in order if cards[card].role == "output"] or order
    if not ends:
        return ()
    path = [max(ends, key=lambda i: (depth[i], -i))]
    while path[-1] in before:
        path.append(before[path[-1]])
    return tuple(reversed(path))
