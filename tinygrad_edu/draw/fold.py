"""Equal neighbours of a picture drawn once: `folded` turns blocks and steps into one of them × n.

Knows: in which order a picture is gone through, and what is done with copies that were found. Does
not know: tensors, nor how anything is drawn. Three blocks of one structure become one box ``× 3``
whose sizes are told as ``16 → 32 → 64``; a loop that was unrolled becomes one step, and says that
its result goes back in. Read ``picture.py`` first.

How it goes: the cards that compute something stand in one sequence, cut into runs by the clusters
that hold them. From the innermost run outwards, neighbours of equal signature are looked for, and
compared edge by edge (``repeats.py``, to be read next). Then one card stands for another, until
the picture that is left is drawn up (``merging.py``), with the names that results have in each copy
(``renaming.py``) and one text for several (``several.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tinygrad_edu.draw.merging import Merging
from tinygrad_edu.draw.picture import Cluster, Picture
from tinygrad_edu.draw.repeats import Group, Item, Repeats, Signatures, beginning, joined_alike
from tinygrad_edu.draw.several import changing_sizes, one_title
from tinygrad_edu.draw.structure import cluster_paths, structure_of
from tinygrad_edu.errors import DiagramError, users_line

__all__ = ["Expand", "demand_titles", "folded"]

Expand = Sequence[str] | Callable[[Cluster], bool] | None


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
    >>> from tinygrad_edu.draw import Card, Cluster, Edge, Picture
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


# ------------------------------------------------------------------------------------- the sequence


@dataclass(slots=True)
class _Run:
    """Neighbours in the sequence that one cluster holds; the outermost run has none."""

    cluster: int | None
    children: list[int | _Run] = field(default_factory=list)


def _runs(picture: Picture, leaf: Sequence[bool]) -> list[_Run]:
    """Return the runs, outer ones first; leaves are in none."""
    clusters = cluster_paths(picture)
    whole = _Run(None)
    runs, stack = [whole], [whole]
    for card in _order(picture):
        if leaf[card]:
            continue
        path = clusters[picture.cards[card].cluster]
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
        stack[-1].children.append(card)
    return runs


def _order(picture: Picture) -> Sequence[int]:
    """Return the cards with producers first: as they were made, as a rule."""
    number = {card.id: i for i, card in enumerate(picture.cards)}
    if all(edge.recurrent or number[edge.tail] < number[edge.head] for edge in picture.edges):
        return range(len(picture.cards))
    return structure_of(picture).order


# -------------------------------------------------------------------------------------- the folding


class _Folder:
    """Folds one picture. Cards, edges and clusters are meant by their numbers."""

    def __init__(self, picture: Picture, opened: _Opened) -> None:
        self.old, self.opened = picture, opened
        self.merging = Merging(picture)
        self.signatures = Signatures(self.merging)
        self.runs = _runs(picture, self.merging.leaf)
        self.runs_of = Counter(run.cluster for run in self.runs)
        self.groups = 0  # that are folded

    def picture(self) -> Picture:
        """Return the folded picture."""
        items: dict[int, Item] = {}
        for run in reversed(self.runs):  # what is inside stands behind what is around it
            sequence = [
                items.pop(id(child)) if isinstance(child, _Run) else self.signatures.card(child)
                for child in run.children
            ]
            sequence = self._compressed(sequence, run.cluster)
            if run.cluster is not None:
                opened = self.opened(self.merging.clusters[run.cluster])
                items[id(run)] = self.signatures.run(run.cluster, sequence, opened)
        self.opened.check(self.merging.clusters)
        return self.merging.picture() if self.groups else self.old

    def _compressed(self, sequence: list[Item], parent: int | None) -> list[Item]:
        """Return a sequence with its repeats folded, and those of what is folded then."""
        while True:
            found = self._once(sequence, parent)
            if len(found) == len(sequence):
                return found
            sequence = found

    def _once(self, sequence: list[Item], parent: int | None) -> list[Item]:
        """Return a sequence with the repeats folded that it has as it is."""
        repeats = Repeats(sequence)
        found: list[Item] = []
        place = 0
        while place < len(sequence):
            hit = repeats.at(place)
            if hit is None:
                found.append(sequence[place])
                place += 1
                continue
            period, extent = hit
            start = beginning(self.merging, sequence, place, period, extent)
            count = (place + extent - start) // period
            items = sequence[start : start + period * count]
            group = joined_alike(self.merging, items, period)
            folded = len(group.copies)
            found += sequence[place:start]
            place = start + period * folded
            item = None
            if repeats.enough(start, period, folded):
                item = self._fold(group, parent)
            found += sequence[start:place] if item is None else [item]
        return found

    def _fold(self, group: Group, parent: int | None) -> Item | None:
        """Fold a group and return what is left of it; None if it is to stay open."""
        again = self._comes_again(group)
        where = self._place(group, again, parent)
        if where is None:
            return None
        count, first, body = len(group.copies), group.copies[0], group.cards(0)
        self.merging.said[where] = (count, [] if again else self._sizes(group))
        self._merge_copies(group, parent)
        self._go_back(group, again)
        own = self._leaves_of(group)
        leaves = [leaf for leaf, _ in own]
        self._move_out(body, leaves, parent)
        for a, b in own:
            self.merging.merge(a, b, parent)
        if where != first[0].cluster:
            for item in first:
                self._move(item, leaves, parent, where)
        signature = self.signatures.fold(count, first)
        everything = [card for number in range(count) for card in group.everything(number)]
        return Item(signature, body, everything, first[0].module, where, group=True)

    def _place(self, group: Group, again: bool, parent: int | None) -> int | None:
        """Return the cluster of a group, a new one unless it has its own; None if it stays open."""
        first = group.copies[0][0]
        held = Counter(item.cluster for copy in group.copies for item in copy if not item.group)
        whole = all(c is None or self.runs_of[c] == n for c, n in held.items())
        alone = len(group.copies[0]) == 1 and not first.group
        if alone and first.cluster is not None and whole:
            return first.cluster
        box = self._box(group, again)
        return None if self.opened(box) else self.merging.add_cluster(box, parent)

    def _box(self, group: Group, again: bool) -> Cluster:
        """Return a new cluster for copies that have none."""
        items = [item for copy in group.copies for item in copy]
        titles = [self._title(item) for item in items]
        title = one_title(titles) if all(item.module for item in items) else ""
        if not title or title == titles[0]:
            title = "step" if again else "repeated"
        return Cluster(self.merging.new_name("fold"), title)

    def _title(self, item: Item) -> str:
        if item.cluster is not None:
            return self.merging.clusters[item.cluster].title
        card = self.old.cards[item.cards[0]]
        return card.corner or card.title

    def _sizes(self, group: Group) -> list[str]:
        """Return how the shape of what leaves a copy changes from one to the next."""
        return changing_sizes(self._leaving(group, k) for k in range(len(group.copies)))

    def _leaving(self, group: Group, copy: int) -> list[str]:
        """Return the labels of the edges that leave a copy, from its end on."""
        inside = set(group.everything(copy))
        return [
            line.text
            for card in reversed(group.cards(copy))
            for edge in self.merging.out[card]
            if self.merging.heads[edge] not in inside
            for line in self.old.edges[edge].lines[:1]
        ]

    # ---- what goes from copy to copy

    def _comes_again(self, group: Group) -> bool:
        """Return whether what leaves a copy goes into the next, which is of the same parameters."""
        kinds = {joint[0] for joints in group.joints[1] for joint in joints}
        if "back" not in kinds or "own" in kinds:
            return False
        # Where modules are cards, their parameters are none, but they say which module they are.
        first, second = ([self._module_of(card) for card in group.cards(copy)] for copy in (0, 1))
        return first == second

    def _module_of(self, card: int) -> tuple[str, ...]:
        """Return the paths of the modules that a card is or stands in."""
        place = self.merging.home[card]
        drawn = self.old.cards[card]
        path = drawn.corner if drawn.role == "module" else ""
        return path, "" if place is None else self.merging.clusters[place].title

    def _go_back(self, group: Group, again: bool) -> None:
        """Remember which results of a copy go into the next: of a loop to where each is used first.

        Blocks of which each takes the result of the one before stand in a row, and nothing needs
        to be said of it, unless more than one place takes it: then all do, as around a block that
        adds to its input.
        """
        merging = self.merging
        uses: dict[tuple[int, int], int] = {}
        for card, joints in zip(group.cards(1), group.joints[1], strict=True):
            for edge, joint in zip(merging.into[card], joints, strict=True):
                if joint[0] == "back":
                    uses.setdefault((merging.drawn(merging.tails[edge]), merging.drawn(card)), edge)
        if again:
            first = {tail: (tail, head) for tail, head in reversed(uses)}
            uses = {ends: edge for ends, edge in uses.items() if first[ends[0]] == ends}
        elif len(uses) < 2:
            return
        loops = [(edge, len(group.copies), k) for k, edge in enumerate(uses.values(), 1)]
        merging.loops += loops

    # ---- one copy for all

    def _merge_copies(self, group: Group, parent: int | None) -> None:
        """Let the cards of the first copy stand for those of all."""
        body = group.cards(0)
        for number in range(len(group.copies)):
            for card in group.everything(number):
                self.merging.copies[card].append((self.groups, number))
            for a, b in zip(body, group.cards(number), strict=True):
                self.merging.merge(a, b, parent)
        self.groups += 1

    def _leaves_of(self, group: Group) -> list[tuple[int, int]]:
        """Return the leaves that only the first copy uses, each with those in its place."""
        merging, body, ours = self.merging, group.cards(0), group.joints[0]
        found: dict[tuple[int, int], None] = {}
        for number, joints in enumerate(group.joints[1:], 1):
            for place, (a, b) in enumerate(zip(body, group.cards(number), strict=True)):
                for slot, joint in enumerate(joints[place]):
                    alike = joint == ours[place][slot]
                    if alike and (joint[0] == "own" or joint[::2] == ("leaf", True)):
                        tails = (merging.tails[merging.into[card][slot]] for card in (a, b))
                        leaf_a, leaf_b = (merging.drawn(tail) for tail in tails)
                        found[leaf_a, leaf_b] = None
        return list(found)

    def _move_out(self, body: Sequence[int], merged: Sequence[int], parent: int | None) -> None:
        """Let an input of the first copy alone stand in front of what is folded."""
        merging, stay = self.merging, set(merged)
        for card in body:
            for edge in merging.into[card]:
                leaf = merging.drawn(merging.tails[edge])
                role = self.old.cards[leaf].role
                if merging.leaf[leaf] and role != "parameter" and leaf not in stay:
                    merging.home[leaf] = parent

    def _move(self, item: Item, leaves: Sequence[int], parent: int | None, where: int) -> None:
        """Move an item, with leaves that belong to it, into a new cluster."""
        merging = self.merging
        if item.cluster is None:
            for card in item.cards:
                merging.home[card] = where
        elif item.group or self.runs_of[item.cluster] == 1:
            merging.parents[item.cluster] = where
        else:
            # The cluster is called elsewhere, too: what is folded gets twins of the boxes.
            merging.move_into_twins((*item.cards, *leaves), parent, where)
        for leaf in leaves:
            if merging.home[leaf] == parent:
                merging.home[leaf] = where
