"""Where the sequence of a picture repeats itself, and whether its copies are joined alike.

Knows: the members of a sequence by their signatures - what equal things have in common: role, name
without numbers, names of parameters - and where the inputs of each are from. Does not know: which
sequence it is given, nor what becomes of copies that were found; that is ``fold.py``, to be read
first. Which card stands for another that is folded already is asked of ``merging.py``: read it
next.

Neighbours are compared by hashes of the beginnings of a sequence, then edge by edge. Every
comparison is of a card with one other, so the time grows with the picture, not with its square.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tinygrad_edu.draw.merging import Merging

__all__ = ["Group", "Item", "Repeats", "Signatures", "beginning", "joined_alike"]

_FEWEST_GROUPS = 3  # of several neighbouring modules in turn, such as Linear, ReLU, Linear, ReLU
_FEWEST_STEPS = 4  # of plain operations, which look alike by chance
_FEWEST_CARDS = 12  # that so many steps have in all
_CANDIDATES = 32  # periods that are tried at one place
_OFFSETS = 64  # places where a period may begin that are compared
_CALLED = re.compile(r"[^\W\d]\w*(?=\()")  # functions in a formula


@dataclass(slots=True)
class Item:
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


class Signatures:
    """Gives a number to all that may be folded together, the same to what is equal."""

    def __init__(self, merging: Merging) -> None:
        self._merging = merging
        self._numbers: dict[Hashable, int] = {}

    def card(self, number: int) -> Item:
        """Return a card as a member of a sequence."""
        card = self._merging.old.cards[number]
        tails = (self._merging.tails[edge] for edge in self._merging.into[number])
        inputs = tuple(self._input(tail) for tail in tails)
        module = card.role == "module"
        # The title of a module is its class with its sizes, the path stands in the corner.
        name = (card.title.partition("(")[0], _plain(card.corner)) if module else _plain(card.title)
        # One row may stand for several functions: a linear layer has its activation inside.
        called = tuple(_CALLED.findall(card.lines[0].text)) if card.lines and not module else ()
        key = ("card", card.role, name, called, card.frozen, card.change, inputs)
        return Item(self._number(key), [number], [number], module)

    def run(self, number: int, sequence: list[Item], opened: bool) -> Item:
        """Return a run of a cluster as a member of a sequence.

        Parameters
        ----------
        number : int
            The cluster.
        sequence : list of Item
            What is inside.
        opened : bool
            Whether it is not to be folded: then it is equal to itself alone.
        """
        cluster = self._merging.clusters[number]
        inside = tuple(item.signature for item in sequence)
        key: Hashable = ("run", _plain(cluster.title), cluster.kind.partition("(")[0], inside)
        if opened:
            key = ("open", number)
        cards = [card for item in sequence for card in item.cards]
        everything = [card for item in sequence for card in item.everything]
        return Item(self._number(key), cards, everything, True, number)

    def fold(self, count: int, copy: Sequence[Item]) -> int:
        """Return the signature of so many copies that are folded."""
        return self._number(("fold", count, tuple(item.signature for item in copy)))

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _input(self, tail: int) -> str:
        """Return what an input must have in common: the attribute name of a parameter."""
        card = self._merging.old.cards[tail]
        return _plain(card.title) if card.role == "parameter" else ""


def _plain(title: str) -> str:
    """Return the last part of a path without its numbers: what equal things have in common."""
    return re.sub(r"\d+", "#", title.rpartition(".")[2])


# --------------------------------------------------------------------------------- equal neighbours


class Repeats:
    """Finds where a sequence repeats itself, by hashes of its beginnings."""

    _BASE, _PRIME = 1_000_003, (1 << 61) - 1

    def __init__(self, sequence: Sequence[Item]) -> None:
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


def beginning(
    merging: Merging, sequence: Sequence[Item], place: int, period: int, extent: int
) -> int:
    """Return where the first copy begins: where the fewest values pass from one to the next.

    What stands before a loop often ends as a step does, so of equal places the last is taken.

    Parameters
    ----------
    place, period, extent : int
        Where the sequence repeats itself, how long a copy is, and how far the repeats reach.
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
        card: max((where.get(merging.heads[edge], -1) for edge in merging.out[card]), default=-1)
        for card in where
    }
    passing = []
    for offset in range(spare + 1):
        border = offset + period
        carried = sum(offset <= k < border <= reach[card] for card, k in where.items())
        passing.append((carried, -offset))
    return place - min(passing)[1]


# ---------------------------------------------------------------------------- how copies are joined

_Joint = tuple[Hashable, ...]


@dataclass(slots=True)
class Group:
    """Copies, each a list of items, with where the inputs of each copy are from.

    Parameters
    ----------
    copies : list of list of Item
        At least one; all of equal signatures.
    joints : list of list of list of tuple
        For each copy, for each of its cards that are drawn, for each edge that enters it: the kind
        of its origin (``"inside"``, ``"back"``, ``"leaf"``, ``"own"``, ``"shared"`` or
        ``"elsewhere"``), and what else must be equal.
    """

    copies: list[list[Item]]
    joints: list[list[list[_Joint]]]

    def cards(self, copy: int) -> list[int]:
        """Return the cards of a copy that are drawn."""
        return [card for item in self.copies[copy] for card in item.cards]

    def everything(self, copy: int) -> list[int]:
        """Return the cards of a copy with all that they stand for."""
        return [card for item in self.copies[copy] for card in item.everything]


def joined_alike(merging: Merging, items: list[Item], period: int) -> Group:
    """Return the copies up to the first that is joined otherwise than those before it."""
    group = Group([], [])
    copy_of: dict[int, int] = {}
    place_of: dict[int, int] = {}
    for first in range(0, len(items), period):
        copy, number = items[first : first + period], first // period
        cards = [card for item in copy for card in item.cards]
        place_of.update(zip(cards, range(len(cards)), strict=True))
        copy_of.update((card, number) for item in copy for card in item.everything)
        joints = [
            [
                _joint(merging, merging.tails[edge], number, copy_of, place_of)
                for edge in merging.into[c]
            ]
            for c in cards
        ]
        if number and not _alike(group.joints[-1], joints, first=number == 1):
            break
        group.copies.append(copy)
        group.joints.append(joints)
    return group


def _joint(
    merging: Merging, tail: int, copy: int, copy_of: dict[int, int], place_of: dict[int, int]
) -> _Joint:
    """Return where an input is from: inside, so many copies back, a leaf, or elsewhere."""
    tail = merging.drawn(tail)
    if tail in copy_of:
        back = copy - copy_of[tail]
        return ("back" if back else "inside", back, place_of[tail])
    if not merging.leaf[tail]:
        return ("elsewhere",)
    card = merging.old.cards[tail]
    own = all(copy_of.get(merging.heads[edge]) == copy for edge in merging.out[tail])
    if card.role != "parameter":
        return ("leaf", card.role, own)
    return ("own", _plain(card.title)) if own else ("shared", tail)


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
