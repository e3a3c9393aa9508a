"""A picture in the course of being folded: which card stands for which others.

Knows: the picture by numbers - its edges as tails and heads, its cards with the cluster that each
is at home in - and what was merged so far; at the end it returns the picture that is left. Does not
know: what is equal to what (``repeats.py``), nor what is folded when (``fold.py``, which is to be
read first). What is written on a card that stands for several is from ``renaming.py`` and
``several.py``, which come next.

Cards, edges and clusters are meant by their numbers in the picture; clusters that are made by the
way get the next ones.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tinygrad_edu.draw.picture import Card, Cluster, Edge, Line, Picture
from tinygrad_edu.draw.renaming import Renaming
from tinygrad_edu.draw.several import one_card, one_detail, one_edge, one_text, one_title

__all__ = ["Merging"]


class Merging:
    """A picture by numbers, and what of it stands for what; at first everything for itself.

    Parameters
    ----------
    picture : Picture
        It is not changed.

    Attributes
    ----------
    into, out : list of list of int
        For each card the edges that end and that begin at it, but for the recurrent ones.
    leaf : list of bool
        Whether a card is a parameter, an input or a constant that nothing enters.
    home : list of int or None
        The cluster that holds a card.
    copies : list of list of (int, int)
        For each card the groups of equal neighbours in which it is, with the number of its copy.
    said : dict
        For a folded cluster how many it stands for, and how sizes change from one to the next.
    loops : list of (int, int, int)
        Edges that go back into the next step; how many steps there are; which of the edges of its
        group each is, from 1.
    """

    def __init__(self, picture: Picture) -> None:
        self.old = picture
        number = {card.id: i for i, card in enumerate(picture.cards)}
        self.tails = [number[edge.tail] for edge in picture.edges]
        self.heads = [number[edge.head] for edge in picture.edges]
        self.into: list[list[int]] = [[] for _ in picture.cards]
        self.out: list[list[int]] = [[] for _ in picture.cards]
        for i, (tail, head) in enumerate(zip(self.tails, self.heads, strict=True)):
            if not picture.edges[i].recurrent:
                self.into[head].append(i)
                self.out[tail].append(i)
        self.leaf = [
            not self.into[i] and card.role in ("parameter", "input", "constant")
            for i, card in enumerate(picture.cards)
        ]
        self.clusters = list(picture.clusters)
        self.cluster_number = {cluster.id: i for i, cluster in enumerate(self.clusters)}
        self.parents = [
            None if cluster.parent is None else self.cluster_number[cluster.parent]
            for cluster in self.clusters
        ]
        self.home = [
            None if card.cluster is None else self.cluster_number[card.cluster]
            for card in picture.cards
        ]
        self.copies: list[list[tuple[int, int]]] = [[] for _ in picture.cards]
        self.said: dict[int, tuple[int, list[str]]] = {}
        self.loops: list[tuple[int, int, int]] = []
        self._stands = list(range(len(picture.cards)))  # card -> the one that stands for it
        self._cluster_stands = list(range(len(self.clusters)))

    def drawn(self, card: int) -> int:
        """Return the card that stands for another, or for itself."""
        stands = self._stands
        while stands[card] != card:
            stands[card] = stands[stands[card]]
            card = stands[card]
        return card

    def merge(self, a: int, b: int, parent: int | None) -> None:
        """Let one card stand for another, and the clusters around it for those of the other.

        Parameters
        ----------
        a, b : int
            The card that is drawn, and the one that is not.
        parent : int or None
            The cluster that holds both; it and those around it stay as they are.
        """
        if a == b:
            return
        self._stands[b] = a
        x, y = self.home[a], self.home[b]
        while x is not None and y is not None and x != y and parent not in (x, y):
            self._cluster_stands[y] = x
            x, y = self.parents[x], self.parents[y]

    def new_name(self, stem: str) -> str:
        """Return a name for a new cluster that none has."""
        names = (f"{stem}-{k}" for k in itertools.count(1))
        return next(name for name in names if name not in self.cluster_number)

    def add_cluster(self, cluster: Cluster, parent: int | None) -> int:
        """Add a cluster and return its number."""
        number = self.cluster_number[cluster.id] = len(self.clusters)
        self.clusters.append(cluster)
        self.parents.append(parent)
        self._cluster_stands.append(number)
        return number

    def move_into_twins(self, cards: Iterable[int], parent: int | None, where: int) -> None:
        """Move cards into a new cluster, with twins of the boxes that are between it and them.

        Parameters
        ----------
        cards : iterable of int
            Those that stand further out than `parent` stay where they are.
        parent : int or None
            The cluster that holds the new one, and has held the boxes.
        where : int
            The new cluster.
        """
        twins: dict[int | None, int] = {parent: where}
        for card in cards:
            chain: list[int] = []
            place = self.home[card]
            while place is not None and place not in twins:
                chain.append(place)
                place = self.parents[place]
            if place is None and parent is not None:
                continue  # a leaf that stands further out
            for inner in reversed(chain):
                name = self.new_name(f"{self.clusters[inner].id}-again")
                twin = replace(self.clusters[inner], id=name)
                twins[inner] = self.add_cluster(twin, twins[self.parents[inner]])
            self.home[card] = twins[self.home[card]]

    # ---- what is left of it

    def picture(self) -> Picture:
        """Return the picture that is left: each card, cluster and edge that stands for others."""
        clusters, cards = self._clusters(), self._cards()
        ids = {None, *(cluster.id for cluster in clusters)}
        assert all(card.cluster in ids for card in cards)
        return replace(self.old, cards=cards, edges=self._edges(), clusters=clusters)

    def _cards(self) -> tuple[Card, ...]:
        """Return the cards that are left, each in the place of the first that it stands for."""
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number in range(len(self.old.cards)):
            if self.drawn(number) == number:
                members[number].insert(0, number)
            else:
                members[self.drawn(number)].append(number)
        cards = []
        renaming = Renaming(self.old.cards, self.into, self.tails, self.copies, self.drawn)
        for number in sorted(members):
            place = self.home[number]
            # A leaf may have stood in a cluster of which nothing else is left.
            home = None if place is None else self.clusters[self._drawn_cluster(place)].id
            card = one_card(renaming.told(members[number]))
            cards.append(card if card.cluster == home else replace(card, cluster=home))
        return tuple(cards)

    def _drawn_cluster(self, cluster: int) -> int:
        stands = self._cluster_stands
        while stands[cluster] != cluster:
            cluster = stands[cluster]
        return cluster

    def _clusters(self) -> tuple[Cluster, ...]:
        """Return the clusters that are left, those of equal ones as one."""
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number in range(len(self.clusters)):
            members[self._drawn_cluster(number)].append(number)
        found = []
        for number, merged in members.items():
            kept = self.clusters[number]  # whose cards are kept, wherever it stands in the list
            own = [kept, *(self.clusters[member] for member in merged if member != number)]
            count, sizes = self.said.get(number, (kept.count, []))
            place = self.parents[number]
            parent = None if place is None else self.clusters[self._drawn_cluster(place)].id
            titles = [cluster.title for cluster in own]
            found.append(
                replace(
                    kept,
                    title=one_title(titles),
                    kind=one_text([cluster.kind for cluster in own]),
                    detail=one_detail(sizes, titles, [cluster.detail for cluster in own]),
                    parent=parent,
                    count=count,
                )
            )
        return tuple(found)

    def _edges(self) -> tuple[Edge, ...]:
        """Return the edges that are left: not those from one copy to another, equal ones once."""
        seen: Counter[tuple[int, int]] = Counter()
        alike: defaultdict[tuple[int, int, int], list[int]] = defaultdict(list)
        between: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for number, (tail, head) in enumerate(zip(self.tails, self.heads, strict=True)):
            ends = self.drawn(tail), self.drawn(head)
            copies = dict(self.copies[tail])
            if any(copies.get(group, copy) != copy for group, copy in self.copies[head]):
                between[ends].append(number)
                continue
            seen[tail, head] += 1
            alike[*ends, seen[tail, head]].append(number)
        kept = [self._edge(tail, head, numbers) for (tail, head, _), numbers in alike.items()]
        drawn: set[tuple[int, int]] = set()  # a loop inside of what is folded comes several times
        for number, count, which in self.loops:
            ends = self.drawn(self.tails[number]), self.drawn(self.heads[number])
            if ends not in drawn:
                drawn.add(ends)
                loop = self._loop(number, count, which)
                kept.append((number, self._flowing(loop, between[ends])))
        return tuple(edge for _, edge in sorted(kept, key=lambda pair: pair[0]))

    def _edge(self, tail: int, head: int, numbers: Sequence[int]) -> tuple[int, Edge]:
        """Return the edge between two cards that stands for several, with its place among all."""
        own = (n for n in numbers if (self.tails[n], self.heads[n]) == (tail, head))
        place = next(own, numbers[0])
        edge = one_edge([self.old.edges[n] for n in numbers], self.old.edges[place])
        ends = self.old.cards[tail].id, self.old.cards[head].id
        if (edge.tail, edge.head) != ends:
            edge = replace(edge, tail=ends[0], head=ends[1])
        return place, edge

    def _loop(self, number: int, count: int, which: int) -> Edge:
        """Return the edge on which a result goes back into the next step."""
        edge = self.old.edges[number]
        ends = self.drawn(self.tails[number]), self.drawn(self.heads[number])
        tail, head = (self.old.cards[end] for end in ends)
        label = (Line(f"{count:,} steps", "grey"),) if which == 1 else ()
        text = edge.tooltip or f"{tail.title} → {head.title} of the next of {count:,} steps"
        return replace(edge, tail=tail.id, head=head.id, lines=label, tooltip=text, recurrent=True)

    def _flowing(self, loop: Edge, numbers: Sequence[int]) -> Edge:
        """Return the edge of a loop with what flows back over all the edges that it stands for."""
        edges = [self.old.edges[number] for number in numbers]
        edges = [replace(e, lines=tuple(x for x in e.lines if x.style == "orange")) for e in edges]
        merged = one_edge(edges, loop) if len(edges) > 1 else edges[0]
        return replace(
            loop,
            lines=(*loop.lines, *merged.lines),
            width=merged.width,
            strength=merged.strength,
        )
