"""Equal neighbours of a picture drawn once: `folded` turns blocks and steps into one of them × n.

Knows: cards, edges and clusters. Does not know: tensors, nor how anything is drawn. Three blocks of
one structure become one box ``× 3`` whose sizes are told as ``16 → 32 → 64``; a loop that was
unrolled becomes one step, and says that its result goes back in. Read ``picture.py`` first.

How it goes: the cards that compute something stand in one sequence, cut into runs by the clusters
that hold them. From the innermost run outwards, neighbours of equal signature are looked for, and
compared edge by edge. Every comparison is of a card with one other, so the time grows with the
picture, not with its square.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import accumulate, pairwise

from tinygrad_edu.draw.picture import Bar, Card, Cluster, Edge, Line, Picture, Strength
from tinygrad_edu.draw.structure import structure_of
from tinygrad_edu.errors import DiagramError, users_line
from tinygrad_edu.mathematics import number as shown

__all__ = ["Expand", "demand_titles", "folded"]

Expand = Sequence[str] | Callable[[Cluster], bool] | None

_FEWEST_GROUPS = 3  # of several neighbouring modules in turn, such as Linear, ReLU, Linear, ReLU
_FEWEST_STEPS = 4  # of plain operations, which look alike by chance
_FEWEST_CARDS = 12  # that so many steps have in all
_CANDIDATES = 32  # periods that are tried at one place
_OFFSETS = 64  # places where a period may begin that are compared


def folded(picture: Picture, expand: Expand = None) -> Picture:
    """Return the picture with neighbours of equal structure drawn as one.

    Equal are clusters one after the other with the same operations, attribute names and clusters
    inside; their sizes may differ. So are steps of operations that come again and again. The first
    of them stands for all, its `members` say for which cards; a parameter that each of them uses
    stays one card.

    Parameters
    ----------
    picture : Picture
        It is not changed.
    expand : sequence of str, or callable, optional
        Clusters that are drawn by themselves: their titles, in which ``*`` stands for anything, or
        a function ``cluster -> bool``.

    Raises
    ------
    DiagramError
        No cluster has such a title.

    Examples
    --------
    >>> cards = tuple(Card(f"o{i}", "op", "relu", cluster=f"c{i}") for i in range(3))
    >>> edges = (Edge("x", "o0"), Edge("o0", "o1"), Edge("o1", "o2"))
    >>> boxes = tuple(Cluster(f"c{i}", f"block.{i}") for i in range(3))
    >>> small = folded(Picture((Card("x", "input", "x"), *cards), edges, boxes))
    >>> [(cluster.title, cluster.count) for cluster in small.clusters]
    [('block.0–2', 3)]
    >>> small.cards[1].members
    ('o0', 'o1', 'o2')
    """
    return _Folder(picture, _Opened(expand)).picture()


def demand_titles(expand: Expand, clusters: Sequence[Cluster]) -> None:
    """Raise `DiagramError` if a title that is not to be folded is that of no cluster."""
    opened = _Opened(expand)
    for cluster in clusters:
        opened(cluster)
    opened.check(clusters)


class _Opened:
    """Which clusters are not to be folded; remembers which of the wishes came true."""

    def __init__(self, expand: Expand) -> None:
        self.asked = expand if callable(expand) else None
        names = () if expand is None or callable(expand) else expand
        self.names = (names,) if isinstance(names, str) else tuple(names)
        self.found: set[str] = set()

    def __call__(self, cluster: Cluster) -> bool:
        if self.asked is not None:
            return bool(self.asked(cluster))
        hits = [name for name in self.names if fnmatchcase(cluster.title, name)]
        self.found.update(hits)
        return bool(hits)

    def check(self, clusters: Sequence[Cluster]) -> None:
        """Raise if a wish named nothing."""
        for name in self.names:
            if name not in self.found:
                titles = ", ".join(dict.fromkeys(c.title for c in clusters if c.title))
                fix = f"take some of these: {titles}" if titles else "leave it out: there is none"
                raise DiagramError(
                    f"expand: no cluster is called {name!r}\n  at {users_line()}\n  fix: {fix}"
                )


@dataclass(slots=True)
class _Item:
    """A member of a sequence: a card, a run of a cluster, or a group that is folded already.

    Parameters
    ----------
    signature : int
        Equal for what may be folded.
    cards : list of int
        Those that are drawn, in order.
    everything : list of int
        Those that they stand for as well.
    module : bool
        Whether it is a module, and no plain operation.
    cluster : int or None
        The outermost cluster, of a run or a group.
    group : bool
        Whether it is a group.
    """

    signature: int
    cards: list[int]
    everything: list[int]
    module: bool
    cluster: int | None = None
    group: bool = False


@dataclass(slots=True)
class _Run:
    """Neighbours in the sequence that one cluster holds; the outermost run has none."""

    cluster: int | None
    children: list[int | _Run] = field(default_factory=list)


_Joint = tuple[Hashable, ...]


@dataclass(slots=True)
class _Group:
    """Copies, each a list of items, with where the inputs of each copy are from."""

    copies: list[list[_Item]]
    joints: list[list[list[_Joint]]]


class _Folder:
    """Folds one picture. Cards, edges and clusters are meant by their numbers."""

    def __init__(self, picture: Picture, opened: _Opened) -> None:
        self.old, self.opened = picture, opened
        number = {card.id: i for i, card in enumerate(picture.cards)}
        self.tails = [number[edge.tail] for edge in picture.edges]
        self.heads = [number[edge.head] for edge in picture.edges]
        self.into: list[list[int]] = [[] for _ in picture.cards]  # edges by their head
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
        self.runs_of: Counter[int] = Counter()
        self.ids: dict[Hashable, int] = {}
        # What was found: card -> the one that stands for it, and the same for clusters; per card
        # the groups in which it is, with the number of its copy; cluster -> count and sizes.
        self.stands = list(range(len(picture.cards)))
        self.cluster_stands = list(range(len(self.clusters)))
        self.copies: list[list[tuple[int, int]]] = [[] for _ in picture.cards]
        self.said: dict[int, tuple[int, list[str]]] = {}
        self.loops: list[tuple[int, int, int]] = []  # edges that go back, and how often
        self.groups = 0

    def picture(self) -> Picture:
        """Return the folded picture."""
        items: dict[int, _Item] = {}
        for run in reversed(self._runs()):  # what is inside stands behind what is around it
            sequence = [
                items.pop(id(child)) if isinstance(child, _Run) else self._card_item(child)
                for child in run.children
            ]
            sequence = self._compressed(sequence, run.cluster)
            if run.cluster is not None:
                items[id(run)] = self._run_item(run.cluster, sequence)
        self.opened.check(self.clusters)
        return self._result() if self.groups else self.old

    # ---- the sequence

    def _order(self) -> Sequence[int]:
        """Return the cards with producers first: as they were made, as a rule."""
        forward = zip(self.tails, self.heads, self.old.edges, strict=True)
        if all(tail < head or edge.recurrent for tail, head, edge in forward):
            return range(len(self.old.cards))
        return structure_of(self.old).order

    def _runs(self) -> list[_Run]:
        """Return the runs, outer ones first."""
        paths = self._paths()
        whole = _Run(None)
        runs, stack = [whole], [whole]
        for card in self._order():
            if self.leaf[card]:
                continue
            path = paths[card]
            shared = 0
            for run, cluster in zip(stack[1:], path, strict=False):
                if run.cluster != cluster:
                    break
                shared += 1
            del stack[shared + 1 :]
            for cluster in path[shared:]:
                run = _Run(cluster)
                stack[-1].children.append(run)
                stack.append(run)
                runs.append(run)
                self.runs_of[cluster] += 1
            stack[-1].children.append(card)
        return runs

    def _paths(self) -> list[tuple[int, ...]]:
        """Return for each card the clusters that hold it, outermost first."""
        known: dict[int | None, tuple[int, ...]] = {None: ()}
        for start in range(len(self.parents)):
            chain: dict[int, None] = {}
            place: int | None = start
            while place is not None and place not in known:
                if place in chain:
                    name = self.clusters[place].id
                    raise DiagramError(f"cluster {name!r} is its own ancestor; check the parents")
                chain[place] = None
                place = self.parents[place]
            for inner in reversed(chain):
                known[inner] = (*known[self.parents[inner]], inner)
        return [known[home] for home in self.home]

    # ---- signatures

    def _id(self, key: Hashable) -> int:
        return self.ids.setdefault(key, len(self.ids))

    def _card_item(self, number: int) -> _Item:
        card = self.old.cards[number]
        inputs = tuple(self._input_key(self.tails[edge]) for edge in self.into[number])
        module = card.role == "module"
        # The title of a module is its class with its sizes, the path stands in the corner.
        name = (card.title.partition("(")[0], _plain(card.corner)) if module else _plain(card.title)
        # One row may stand for several functions: a linear layer has its activation inside.
        called = tuple(_CALLED.findall(card.lines[0].text)) if card.lines and not module else ()
        key = ("card", card.role, name, called, card.frozen, card.change, inputs)
        return _Item(self._id(key), [number], [number], module)

    def _input_key(self, tail: int) -> str:
        """Return what an input must have in common: the attribute name of a parameter."""
        card = self.old.cards[tail]
        return _plain(card.title) if card.role == "parameter" else ""

    def _run_item(self, number: int, sequence: list[_Item]) -> _Item:
        cluster = self.clusters[number]
        inside = tuple(item.signature for item in sequence)
        key: Hashable = ("run", _plain(cluster.title), cluster.kind.partition("(")[0], inside)
        if self.opened(cluster):
            key = ("open", number)
        cards = [card for item in sequence for card in item.cards]
        everything = [card for item in sequence for card in item.everything]
        return _Item(self._id(key), cards, everything, True, number)

    # ---- looking for repeats

    def _compressed(self, sequence: list[_Item], parent: int | None) -> list[_Item]:
        """Return a sequence with its repeats folded, and those of what is folded then."""
        while True:
            found = self._once(sequence, parent)
            if len(found) == len(sequence):
                return found
            sequence = found

    def _once(self, sequence: list[_Item], parent: int | None) -> list[_Item]:
        repeats = _Repeats(sequence)
        found: list[_Item] = []
        place = 0
        while place < len(sequence):
            hit = repeats.at(place)
            if hit is None:
                found.append(sequence[place])
                place += 1
                continue
            period, extent = hit
            start = self._beginning(sequence, place, period, extent)
            count = (place + extent - start) // period
            group = self._checked(sequence[start : start + period * count], period)
            folded = len(group.copies)
            found += sequence[place:start]
            place = start + period * folded
            item = None
            if repeats.enough(start, period, folded):
                item = self._fold(group, parent)
            found += sequence[start:place] if item is None else [item]
        return found

    def _beginning(self, sequence: list[_Item], place: int, period: int, extent: int) -> int:
        """Return where the first copy begins: where the fewest values pass from one to the next.

        What stands before a loop often ends as a step does, so of equal places the last is taken.
        """
        spare = min(extent % period, _OFFSETS)
        if not spare:
            return place
        where = {
            card: k
            for k, item in enumerate(sequence[place : place + spare + 2 * period])
            for card in item.everything
        }
        reach = {  # the last place at which the result of a card is used
            card: max((where.get(self.heads[edge], -1) for edge in self.out[card]), default=-1)
            for card in where
        }
        passing = []
        for offset in range(spare + 1):
            border = offset + period
            carried = sum(offset <= k < border <= reach[card] for card, k in where.items())
            passing.append((carried, -offset))
        return place - min(passing)[1]

    def _checked(self, items: list[_Item], period: int) -> _Group:
        """Return the copies up to the first that is joined otherwise than those before it."""
        group = _Group([], [])
        copy_of: dict[int, int] = {}
        place_of: dict[int, int] = {}
        for first in range(0, len(items), period):
            copy, number = items[first : first + period], first // period
            cards = [card for item in copy for card in item.cards]
            place_of.update(zip(cards, range(len(cards)), strict=True))
            copy_of.update((card, number) for item in copy for card in item.everything)
            joints = [
                [self._joint(self.tails[edge], number, copy_of, place_of) for edge in self.into[c]]
                for c in cards
            ]
            if number and not _alike(group.joints[-1], joints, first=number == 1):
                break
            group.copies.append(copy)
            group.joints.append(joints)
        return group

    def _joint(
        self, tail: int, copy: int, copy_of: dict[int, int], place_of: dict[int, int]
    ) -> _Joint:
        """Return where an input is from: inside, so many copies back, a leaf, or elsewhere."""
        tail = self._rep(tail)
        if tail in copy_of:
            back = copy - copy_of[tail]
            return ("back" if back else "inside", back, place_of[tail])
        if not self.leaf[tail]:
            return ("elsewhere",)
        card = self.old.cards[tail]
        own = all(copy_of.get(self.heads[edge]) == copy for edge in self.out[tail])
        if card.role != "parameter":
            return ("leaf", card.role, own)
        return ("own", _plain(card.title)) if own else ("shared", tail)

    def _rep(self, card: int) -> int:
        """Return the card that stands for another."""
        stands = self.stands
        while stands[card] != card:
            stands[card] = stands[stands[card]]
            card = stands[card]
        return card

    # ---- folding

    def _fold(self, group: _Group, parent: int | None) -> _Item | None:
        """Fold a group and return what is left of it; None if it is to stay open."""
        count, first = len(group.copies), group.copies[0]
        again = self._comes_again(group)
        sizes = [] if again else self._sizes(group)
        held = Counter(item.cluster for copy in group.copies for item in copy if not item.group)
        whole = all(c is None or self.runs_of[c] == n for c, n in held.items())
        if len(first) == 1 and first[0].cluster is not None and not first[0].group and whole:
            where = first[0].cluster
        else:
            box = self._box(group, again)
            if self.opened(box):
                return None
            where = self._added(box, parent)
        self.said[where] = (count, sizes)
        body = [card for item in first for card in item.cards]
        for number, copy in enumerate(group.copies):
            for card in (card for item in copy for card in item.everything):
                self.copies[card].append((self.groups, number))
            cards = [card for item in copy for card in item.cards]
            for a, b in zip(body, cards, strict=True):
                self._merge(a, b, parent)
        self.groups += 1
        self._go_back(group, again)
        own = self._leaves_of(body, group)
        self._move_out(body, {a for a, _ in own}, parent)
        for a, b in own:
            self._merge(a, b, parent)
        if where != first[0].cluster:
            leaves = [a for a, _ in own]
            for item in first:
                self._move(item, leaves, parent, where)
        signature = self._id(("fold", count, tuple(item.signature for item in first)))
        everything = [card for copy in group.copies for item in copy for card in item.everything]
        return _Item(signature, body, everything, first[0].module, where, group=True)

    def _comes_again(self, group: _Group) -> bool:
        """Return whether what leaves a copy goes into the next, which is of the same parameters."""
        kinds = {joint[0] for joints in group.joints[1] for joint in joints}
        if "back" not in kinds or "own" in kinds:
            return False
        # Where modules are cards, their parameters are none, but they say which module they are.
        first, second = (
            [self._module_of(card) for item in copy for card in item.cards]
            for copy in group.copies[:2]
        )
        return first == second

    def _module_of(self, card: int) -> tuple[str, ...]:
        """Return the paths of the modules that a card is or stands in."""
        place = self.home[card]
        drawn = self.old.cards[card]
        path = drawn.corner if drawn.role == "module" else ""
        return path, "" if place is None else self.clusters[place].title

    def _move_out(self, body: list[int], merged: set[int], parent: int | None) -> None:
        """Let an input of the first copy alone stand in front of what is folded."""
        for card in body:
            for edge in self.into[card]:
                leaf = self._rep(self.tails[edge])
                role = self.old.cards[leaf].role
                if self.leaf[leaf] and role != "parameter" and leaf not in merged:
                    self.home[leaf] = parent

    def _go_back(self, group: _Group, again: bool) -> None:
        """Remember which results of a copy go into the next: of a loop to where each is used first.

        Blocks of which each takes the result of the one before stand in a row, and nothing needs
        to be said of it, unless more than one place takes it: then all do, as around a block that
        adds to its input.
        """
        uses: dict[tuple[int, int], int] = {}
        cards = [card for item in group.copies[1] for card in item.cards]
        for card, joints in zip(cards, group.joints[1], strict=True):
            for edge, joint in zip(self.into[card], joints, strict=True):
                if joint[0] == "back":
                    uses.setdefault((self._rep(self.tails[edge]), self._rep(card)), edge)
        if again:
            first = {tail: (tail, head) for tail, head in reversed(uses)}
            uses = {ends: edge for ends, edge in uses.items() if first[ends[0]] == ends}
        elif len(uses) < 2:
            return
        loops = [(edge, len(group.copies), k) for k, edge in enumerate(uses.values(), 1)]
        self.loops += loops

    def _leaves_of(self, body: list[int], group: _Group) -> list[tuple[int, int]]:
        """Return the leaves that only the first copy uses, each with those in its place."""
        found: dict[tuple[int, int], None] = {}
        for copy, joints in zip(group.copies[1:], group.joints[1:], strict=True):
            cards = [card for item in copy for card in item.cards]
            for place, (a, b) in enumerate(zip(body, cards, strict=True)):
                for slot, joint in enumerate(joints[place]):
                    ours = group.joints[0][place][slot]
                    if joint == ours and (joint[0] == "own" or joint[::2] == ("leaf", True)):
                        tails = (self.tails[self.into[card][slot]] for card in (a, b))
                        leaf_a, leaf_b = (self._rep(tail) for tail in tails)
                        found[leaf_a, leaf_b] = None
        return list(found)

    def _merge(self, a: int, b: int, parent: int | None) -> None:
        """Let one card stand for another, and the clusters around it for those of the other."""
        if a == b:
            return
        self.stands[b] = a
        x, y = self.home[a], self.home[b]
        while x is not None and y is not None and x != y and parent not in (x, y):
            self.cluster_stands[y] = x
            x, y = self.parents[x], self.parents[y]

    def _box(self, group: _Group, again: bool) -> Cluster:
        """Return a new cluster for copies that have none."""
        items = [item for copy in group.copies for item in copy]
        titles = [self._title(item) for item in items]
        modules = all(item.module for item in items)
        title = _span(titles) if modules else ""
        if not title or title == titles[0]:
            title = "step" if again else "repeated"
        taken = self.cluster_number
        name = next(n for n in _numbered("fold") if n not in taken)
        return Cluster(name, title)

    def _title(self, item: _Item) -> str:
        if item.cluster is not None:
            return self.clusters[item.cluster].title
        card = self.old.cards[item.cards[0]]
        return card.corner or card.title

    def _added(self, cluster: Cluster, parent: int | None) -> int:
        """Add a cluster and return its number."""
        number = self.cluster_number[cluster.id] = len(self.clusters)
        self.clusters.append(cluster)
        self.parents.append(parent)
        self.cluster_stands.append(number)
        return number

    def _move(self, item: _Item, leaves: list[int], parent: int | None, where: int) -> None:
        """Move an item, with leaves that belong to it, into a new cluster."""
        if item.cluster is not None and (item.group or self._only_here(item.cluster)):
            self.parents[item.cluster] = where
        elif item.cluster is not None:
            # The cluster is called elsewhere, too: what is folded gets twins of the boxes.
            twins: dict[int | None, int] = {parent: where}
            for card in (*item.cards, *leaves):
                chain: list[int] = []
                place = self.home[card]
                while place is not None and place not in twins:
                    chain.append(place)
                    place = self.parents[place]
                if place is None and parent is not None:
                    continue  # a leaf that stands further out
                for inner in reversed(chain):
                    name = next(
                        n
                        for n in _numbered(self.clusters[inner].id + "-again")
                        if n not in self.cluster_number
                    )
                    twin = replace(self.clusters[inner], id=name)
                    twins[inner] = self._added(twin, twins[self.parents[inner]])
                self.home[card] = twins[self.home[card]]
        else:
            for card in item.cards:
                self.home[card] = where
        for leaf in leaves:
            if self.home[leaf] == parent:
                self.home[leaf] = where

    def _only_here(self, cluster: int) -> bool:
        return self.runs_of[cluster] == 1

    def _sizes(self, group: _Group) -> list[str]:
        """Return how the shape of what leaves a copy changes from one to the next."""
        shapes = []
        for copy in group.copies:
            inside = {card for item in copy for card in item.everything}
            leaving = [
                line.text
                for item in reversed(copy)
                for card in reversed(item.cards)
                for edge in self.out[card]
                if self.heads[edge] not in inside
                for line in self.old.edges[edge].lines[:1]
            ]
            found = next(filter(_DIMS.fullmatch, leaving), None)
            if found is None:
                return []
            shapes.append(tuple(re.findall(r"\d+", found)))
        return _told(shapes)

    # ---- the result

    def _result(self) -> Picture:
        old = self.old
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number in range(len(old.cards)):
            if self._rep(number) == number:
                members[number].insert(0, number)
            else:
                members[self._rep(number)].append(number)
        clusters = self._clusters()
        ids = {cluster.id for cluster in clusters}
        cards = []
        for number in sorted(members):
            place = self.home[number]
            # A leaf may have stood in a cluster of which nothing else is left.
            home = None if place is None else self.clusters[self._cluster_rep(place)].id
            card = _card([old.cards[member] for member in members[number]])
            cards.append(card if card.cluster == home else replace(card, cluster=home))
            assert home is None or home in ids
        return replace(old, cards=tuple(cards), edges=self._edges(), clusters=clusters)

    def _cluster_rep(self, cluster: int) -> int:
        stands = self.cluster_stands
        while stands[cluster] != cluster:
            cluster = stands[cluster]
        return cluster

    def _clusters(self) -> tuple[Cluster, ...]:
        """Return the clusters that are left, those of equal ones as one."""
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number in range(len(self.clusters)):
            members[self._cluster_rep(number)].append(number)
        found = []
        for number, merged in members.items():
            own = [self.clusters[member] for member in merged]
            count, sizes = self.said.get(number, (own[0].count, []))
            parent = self.parents[number]
            found.append(
                replace(
                    own[0],
                    title=_span([cluster.title for cluster in own]),
                    kind=_joined([cluster.kind for cluster in own]),
                    detail=_detail(sizes, _sum([cluster.detail for cluster in own])),
                    parent=None if parent is None else self.clusters[self._cluster_rep(parent)].id,
                    count=count,
                )
            )
        return tuple(found)

    def _edges(self) -> tuple[Edge, ...]:
        """Return the edges that are left: not those from one copy to another, equal ones once."""
        seen: Counter[tuple[int, int]] = Counter()
        classes: defaultdict[tuple[int, int, int], list[int]] = defaultdict(list)
        between: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for number, (tail, head) in enumerate(zip(self.tails, self.heads, strict=True)):
            copies = dict(self.copies[tail])
            if any(copies.get(group, copy) != copy for group, copy in self.copies[head]):
                between[self._rep(tail), self._rep(head)].append(number)
                continue
            seen[tail, head] += 1
            classes[self._rep(tail), self._rep(head), seen[tail, head]].append(number)
        kept: list[tuple[int, Edge]] = []
        for (tail, head, _), numbers in classes.items():
            own = (n for n in numbers if (self.tails[n], self.heads[n]) == (tail, head))
            place = next(own, numbers[0])
            edge = _edge([self.old.edges[n] for n in numbers], self.old.edges[place])
            ends = self.old.cards[tail].id, self.old.cards[head].id
            if (edge.tail, edge.head) != ends:
                edge = replace(edge, tail=ends[0], head=ends[1])
            kept.append((place, edge))
        drawn: set[tuple[int, int]] = set()  # a loop inside of what is folded comes several times
        for number, count, which in self.loops:
            joined = self._rep(self.tails[number]), self._rep(self.heads[number])
            if joined not in drawn:
                drawn.add(joined)
                loop = self._loop(number, count, which)
                kept.append((number, self._flowing(loop, between[joined])))
        return tuple(edge for _, edge in sorted(kept, key=lambda pair: pair[0]))

    def _loop(self, number: int, count: int, which: int) -> Edge:
        """Return the edge on which a result goes back into the next step."""
        edge = self.old.edges[number]
        ends = self._rep(self.tails[number]), self._rep(self.heads[number])
        tail, head = (self.old.cards[end] for end in ends)
        label = (Line(f"{count:,} steps", "grey"),) if which == 1 else ()
        text = edge.tooltip or f"{tail.title} → {head.title} of the next of {count:,} steps"
        return replace(edge, tail=tail.id, head=head.id, lines=label, tooltip=text, recurrent=True)

    def _flowing(self, loop: Edge, numbers: Sequence[int]) -> Edge:
        """Return the edge of a loop with what flows back over all the edges that it stands for."""
        edges = [self.old.edges[number] for number in numbers]
        edges = [replace(e, lines=tuple(x for x in e.lines if x.style == "orange")) for e in edges]
        merged = _edge(edges, loop) if len(edges) > 1 else edges[0]
        return replace(
            loop,
            lines=(*loop.lines, *merged.lines),
            width=merged.width,
            strength=merged.strength,
        )


def _alike(before: list[list[_Joint]], joints: list[list[_Joint]], first: bool) -> bool:
    """Return whether a copy is joined as the one before it is.

    The first copy may have from anywhere what the second one has from it.
    """
    if before == joints:
        return True
    if not first:
        return False
    free = ("elsewhere", "leaf")
    return all(
        x == y or (x[0] in free and y[0] in (*free, "back"))
        for xs, ys in zip(before, joints, strict=True)
        for x, y in zip(xs, ys, strict=True)
    )


class _Repeats:
    """Finds where a sequence repeats itself, by hashes of its beginnings."""

    _BASE, _PRIME = 1_000_003, (1 << 61) - 1

    def __init__(self, sequence: Sequence[_Item]) -> None:
        self.sequence = sequence
        self.signs = [item.signature for item in sequence]
        self.length = len(sequence)
        self.places: defaultdict[int, list[int]] = defaultdict(list)
        self.hashes, self.powers = [0], [1]
        for place, item in enumerate(sequence):
            self.places[item.signature].append(place)
            mixed = self.hashes[-1] * self._BASE + item.signature + 1
            self.hashes.append(mixed % self._PRIME)
            self.powers.append(self.powers[-1] * self._BASE % self._PRIME)
        self.modules = [0, *accumulate(int(item.module) for item in sequence)]
        self.cards = [0, *accumulate(len(item.cards) for item in sequence)]

    def at(self, place: int) -> tuple[int, int] | None:
        """Return the period that covers most from a place on, and how far it reaches."""
        signs = self.signs
        places = self.places[signs[place]]
        after = bisect_right(places, place)
        best, found = 0, None
        for other in places[after : after + _CANDIDATES]:
            period = other - place
            if other + period > self.length:
                break
            # Most candidates fail at the next item; several of a period that is known add nothing.
            if signs[place + 1 : place + 3] != signs[other + 1 : other + 3] and period > 2:
                continue
            if found is not None and period % found[0] == 0:
                continue
            if not self._equal(place, other, max(period, best + 1 - period)):
                continue
            extent = period + self._common(place, other)
            count = extent // period
            if count * period > best and self.enough(place, period, count):
                best, found = count * period, (period, extent)
        return found

    def enough(self, start: int, period: int, count: int) -> bool:
        """Return whether so many copies are worth folding."""
        item = self.sequence[start]
        if period == 1 and item.cluster is not None:
            return count >= 2
        if self.modules[start + period] > self.modules[start]:
            return count >= _FEWEST_GROUPS
        cards = self.cards[start + period] - self.cards[start]
        return count >= _FEWEST_STEPS and cards * count >= _FEWEST_CARDS

    def _equal(self, a: int, b: int, length: int) -> bool:
        """Return whether so many items are the same from two places on, `b` the later one."""
        return b + length <= self.length and self._hash(a, length) == self._hash(b, length)

    def _hash(self, start: int, length: int) -> int:
        whole = self.hashes[start + length] - self.hashes[start] * self.powers[length]
        return whole % self._PRIME

    def _common(self, a: int, b: int) -> int:
        """Return how far two places agree, `b` the later one."""
        low, high = 0, self.length - b
        while low < high:
            middle = (low + high + 1) // 2
            if self._equal(a, b, middle):
                low = middle
            else:
                high = middle - 1
        return low


# ------------------------------------------------------------------------------- texts of several


_NUMBER = re.compile(
    r"(?<![\w.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+\-−]?\d+)?(?![A-Za-z_])"
)
_CALLED = re.compile(r"[^\W\d]\w*(?=\()")  # functions in a formula
_NAMED = re.compile(r"(?<=[A-Za-z_])\d+(?![\dA-Za-z_.])")  # the number of a name: ``relu2``
_GRADIENT = re.compile(r"((?:Σ of [\d,]+ gradients|gradient) )(\[.*\])")
_DIMS = re.compile(r"\d+(?: × \d+)*")
_SHAPE = re.compile(rf"{_DIMS.pattern}(?: \w+)?")
_AXES = {
    1: ("features",),
    2: ("rows", "features"),
    3: ("batch", "length", "features"),
    4: ("batch", "channels", "height", "width"),
}
_LETTERS = {1: "F", 2: "NF", 3: "NLF", 4: "NCHW"}
_LONG = 44  # characters of a text that is to fit into a line


def _plain(title: str) -> str:
    """Return the last part of a path without its numbers: what equal things have in common."""
    return re.sub(r"\d+", "#", title.rpartition(".")[2])


def _numbered(stem: str) -> Iterator[str]:
    """Yield names for a new cluster."""
    number = 1
    while True:
        yield f"{stem}-{number}"
        number += 1


def _steps(texts: Iterable[str]) -> list[str]:
    """Return texts without those that repeat the one before."""
    found: list[str] = []
    for text in texts:
        if not found or found[-1] != text:
            found.append(text)
    return found


def _row(texts: Sequence[str]) -> str:
    """Return texts with arrows between them; of many, the first and the last."""
    steps = _steps(texts)
    whole = " → ".join(steps)
    return whole if len(steps) <= 3 and len(whole) < _LONG else f"{steps[0]} → … → {steps[-1]}"


def _told(shapes: Sequence[tuple[str, ...]]) -> list[str]:
    """Return which axes of shapes vary, with their names: ``channels 16 → 32 → 64``."""
    dims = {len(shape) for shape in shapes}
    if len(dims) > 1 or len(set(shapes)) == 1:
        return []
    names = _AXES.get(dims.pop())
    columns = list(zip(*shapes, strict=True))
    if names is None:
        return [f"shape {_row([' × '.join(shape) for shape in shapes])}"]
    if len(columns) == 4 and columns[2] == columns[3]:
        columns[2:] = [tuple(f"{side} × {side}" for side in columns[2])]
        names = (*names[:2], "size")
    told = zip(names, columns, strict=True)
    return [f"{name} {_row(column)}" for name, column in told if len(set(column)) > 1]


def _general(texts: Sequence[str]) -> str:
    """Return one shape for several, with letters for what varies: ``100 × C × H × W``."""
    shapes = [text.split(" × ") for text in texts]
    letters = _LETTERS.get(len(shapes[0]))
    if letters is None or len({len(shape) for shape in shapes}) > 1:
        return _row(texts)
    columns = zip(letters, zip(*shapes, strict=True), strict=True)
    return " × ".join(sizes[0] if len(set(sizes)) == 1 else letter for letter, sizes in columns)


def _span(titles: Sequence[str]) -> str:
    """Return one title for several: ``block.0–2``; the first where they are not numbered."""
    distinct = list(dict.fromkeys(titles))
    parts = [re.split(r"(\d+)", title) for title in distinct]
    if len(distinct) == 1 or len({tuple(part[::2]) for part in parts}) > 1:
        return distinct[0]
    columns = [list(dict.fromkeys(c)) for c in zip(*(part[1::2] for part in parts), strict=True)]
    gaps = any(int(b) - int(a) != 1 for column in columns for a, b in pairwise(column))
    if gaps or math.prod(map(len, columns)) != len(distinct):
        return distinct[0]
    spans = [c[0] if len(c) == 1 else f"{c[0]}–{c[-1]}" for c in columns]
    return "".join(text + number for text, number in zip(parts[0][::2], [*spans, ""], strict=True))


def _joined(texts: Sequence[str], formula: bool = False) -> str:
    """Return one text for several: sizes one after the other, other numbers from least to most.

    Of formulas of different names the last is returned: the first copy takes something else.
    """
    steps = _steps(texts)
    if len(steps) < 2:
        return "".join(steps)
    if all(_SHAPE.fullmatch(text) for text in steps):
        dtype = re.search(r" [a-z]\w*$", steps[0])
        if dtype and all(text.endswith(dtype[0]) for text in steps):
            return _row([text.removesuffix(dtype[0]) for text in steps]) + dtype[0]
        return _row(steps)
    named = [_NAMED.sub("", text) for text in steps]
    if len({tuple(_NUMBER.split(text)) for text in steps}) > 1:
        steps = named
    pieces = {tuple(_NUMBER.split(text)) for text in steps}
    if len(pieces) > 1:
        return steps[-1] if formula else _row(steps)
    columns = zip(*(_NUMBER.findall(text) for text in steps), strict=True)
    numbers = [_range(column) for column in columns]
    (between,) = pieces
    return "".join(text + number for text, number in zip(between, [*numbers, ""], strict=True))


def _range(numbers: Sequence[str]) -> str:
    """Return whole numbers as a row, others as least and most."""
    if len(set(numbers)) == 1:
        return numbers[0]
    if all(number.isdigit() for number in numbers):
        counted = len(numbers) > 2 and all(int(b) == int(a) + 1 for a, b in pairwise(numbers))
        return f"{numbers[0]}–{numbers[-1]}" if counted else _row(numbers)
    by_size = sorted(numbers, key=lambda n: float(n.replace(",", "").replace("−", "-")))
    return f"{by_size[0]} … {by_size[-1]}"


def _detail(sizes: Sequence[str], own: str) -> str:
    """Return what is said behind the title of a folded cluster, as far as there is room."""
    found = [*sizes[:1], own] if own else list(sizes[:1])
    for size in sizes[1:]:
        if len(", ".join([*found, size])) < _LONG:
            found.insert(-1 if own else len(found), size)
    return ", ".join(found)


def _sum(details: Sequence[str]) -> str:
    """Return the detail of several clusters: their parameters are added up."""
    counts = [re.fullmatch(r"([\d,]+) parameters?", detail) for detail in details]
    if len(details) == 1 or not all(counts):
        return _joined(details)
    total = sum(int(count[1].replace(",", "")) for count in counts if count)
    return f"{total:,} parameters"


def _label(texts: Sequence[str]) -> str:
    """Return one text for the labels of several edges."""
    if len(set(texts)) > 1 and all(_DIMS.fullmatch(text) for text in texts):
        return _general(texts)
    return _joined(texts)


def _formula(texts: Sequence[str]) -> str:
    """Return one text for the lines of several operations."""
    return _joined(texts, formula=True)


def _lines(
    rows: Sequence[tuple[Line, ...]], join: Callable[[Sequence[str]], str] = _joined
) -> tuple[Line, ...]:
    """Return the lines of several cards or edges, place by place."""
    if all(row == rows[0] for row in rows):
        return rows[0]
    rows = [tuple(Line(_normed(line.text), line.style) for line in row) for row in rows]
    # The first copy may say less: no gradient goes on to an input.
    length, _ = Counter(len(row) for row in reversed(rows)).most_common(1)[0]
    whole = [row for row in rows if len(row) == length]
    found = [
        Line(join([line.text for line in column]), column[0].style)
        for column in zip(*whole, strict=True)
    ]
    if len(whole) == len(rows):
        return tuple(found)
    saying = Counter(kind for row in rows for kind in {_kind(line) for line in row})
    return tuple(
        line
        if line.style != "orange" or count in (0, len(rows))
        else Line(f"{count:,} of {len(rows):,}: {line.text}", line.style)
        for line, column in zip(found, zip(*whole, strict=True), strict=True)
        for count in [saying[_kind(column[0])]]
    )


def _kind(line: Line) -> Hashable:
    """Return what a line says but for numbers, to find it among those of another card."""
    return line.style, _NUMBER.sub("", _NAMED.sub("", line.text))


def _normed(text: str) -> str:
    """Return the gradient of a small array by its norm, as large ones have it."""
    match = _GRADIENT.fullmatch(text)
    if match is None:
        return text
    signs = match[2].replace("−", "-").replace("∞", "inf")
    parts = re.findall(r"[^\[\], ]+", signs)
    try:
        size = math.hypot(*map(float, parts))
    except ValueError:  # complex numbers, or cut
        return text
    return f"{match[1]}of norm {shown(size, 3)}"


def _card(cards: Sequence[Card]) -> Card:
    """Return one card for several, with what varies told; the first one's place and look."""
    first = cards[0]
    if len(cards) == 1:
        return first
    captions = [
        tuple(h.caption for h in card.histograms if h.caption is not None) for card in cards
    ]
    alike = all(card.histograms == first.histograms for card in cards)
    join = _formula if first.role == "op" else _joined
    bars = zip(*(card.bars for card in cards), strict=False)
    titles = [card.title for card in cards]
    head = f"{len(cards):,} in one: {', '.join(titles[:4])}{', …' if len(titles) > 4 else ''}"
    return replace(
        first,
        title=_joined(titles) if first.role == "module" else _span(titles),
        corner=_span([card.corner for card in cards]),
        lines=_lines([card.lines for card in cards], join) + (() if alike else _lines(captions)),
        values=first.values if all(card.values == first.values for card in cards) else (),
        histograms=first.histograms if alike else (),
        bars=tuple(_bar(column) for column in bars),
        tooltip=f"{head}\n{first.description}",
        frozen=all(card.frozen for card in cards),
        nonfinite=sum(card.nonfinite for card in cards),
        heat=max((card.heat for card in cards if card.heat is not None), default=None),
        pale=all(card.pale for card in cards),
        members=tuple(name for card in cards for name in card.members or (card.id,)),
    )


def _bar(bars: Sequence[Bar]) -> Bar:
    """Return the longest of several bars; its caption says from where to where they go."""
    caption = Line(_joined([bar.caption.text for bar in bars]), bars[0].caption.style)
    return replace(bars[0], share=max(bar.share for bar in bars), caption=caption)


def _edge(edges: Sequence[Edge], kept: Edge) -> Edge:
    """Return one edge for several: the labels of all, the width of the widest."""
    if len(edges) == 1:
        return kept
    return replace(
        kept,
        lines=_lines([edge.lines for edge in edges], _label),
        width=max(edge.width for edge in edges),
        strength=_strength([edge.strength for edge in edges]),
    )


def _strength(found: Sequence[Strength]) -> Strength:
    """Return what is said of several: that one explodes, or that all vanish."""
    if "exploding" in found:
        return "exploding"
    return "vanishing" if set(found) == {"vanishing"} else "normal"
