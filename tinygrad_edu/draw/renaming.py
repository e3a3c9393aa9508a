"""What results are called in the formulas of operations that stand for several.

Knows: that names tell results apart by numbers, as ``add7`` and ``add8``, which of two copies are
the same, and that ``add8 = add7 + linear7`` is to be read as ``add = previous add + linear``. Does
not know: how copies were found, nor how their texts become one: that is ``several.py``, to be read
next.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tinygrad_edu.draw.picture import Card, Line

__all__ = ["Renaming", "plain"]

_NUMBERED = re.compile(r"(?<=[A-Za-z_])\d+(?![\dA-Za-z_.])")  # the number of a name: ``relu2``
_RESULT = re.compile(r"([^\W\d]\w*) = ")
_WORD = re.compile(r"(?<![A-Za-z0-9_.])[A-Za-z_][A-Za-z0-9_]*(?![A-Za-z0-9_.(])")
_FACTOR_BEFORE = re.compile(r"[\w)\]] $")  # a product is written without a sign
_FACTOR_AFTER = re.compile(r" [\w(]|[ᵀᴴ²³′^\[]")


def plain(text: str) -> str:
    """Return a text without the numbers of its names, which tell copies apart."""
    return _NUMBERED.sub("", text)


class Renaming:
    """Gives the cards of copies the names that their results have in each copy.

    Parameters
    ----------
    cards : sequence of Card
        All of the picture.
    into : sequence of sequence of int
        For each card the edges that enter it.
    tails : sequence of int
        For each edge where it begins.
    copies : sequence of sequence of (int, int)
        For each card the groups in which it is, the outermost last, with the number of its copy.
    drawn : callable
        Returns the card that stands for another.
    """

    def __init__(
        self,
        cards: Sequence[Card],
        into: Sequence[Sequence[int]],
        tails: Sequence[int],
        copies: Sequence[Sequence[tuple[int, int]]],
        drawn: Callable[[int], int],
    ) -> None:
        self._cards, self._into, self._tails = cards, into, tails
        self._copies, self._drawn = copies, drawn
        self._names: dict[int, str] = {}
        alike: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for number, card in enumerate(cards):
            if copies[number] and card.role == "op" and drawn(number) == number:
                alike[copies[number][-1][0], plain(self._name(number))].append(number)
        self._short = {  # numbers, too, where one copy has several
            number: f"{name}{place}" if len(same) > 1 else name
            for (_, name), same in alike.items()
            for place, number in enumerate(same, 1)
        }

    def told(self, members: Sequence[int]) -> list[Card]:
        """Return cards of which one is to be made, in the names of their copies.

        What is from the copy before is called ``previous``; so is what the first copy has in its
        place, if it has the same name.
        """
        cards = [self._cards[member] for member in members]
        if len(cards) == 1 or cards[0].role != "op":
            return cards
        before: defaultdict[int, dict[str, str]] = defaultdict(dict)  # per place of an argument
        for member in members:
            for place, edge in enumerate(self._into[member]):
                tail = self._tails[edge]
                if self._follows(tail, member):
                    before[place][plain(self._name(tail))] = self._of(tail)
        return [
            _renamed(card, self._name(member), self._of(member), self._inputs(member, before))
            for card, member in zip(cards, members, strict=True)
        ]

    def _inputs(self, member: int, before: Mapping[int, Mapping[str, str]]) -> dict[str, str]:
        """Return for the names of the inputs of a card what they are called in its copy."""
        found = {}
        for place, edge in enumerate(self._into[member]):
            tail = self._tails[edge]
            name = self._name(tail)
            earlier = before[place].get(plain(name)) if place in before else None
            found[name] = self._of(tail) if earlier is None else f"previous {earlier}"
        return found

    def _of(self, number: int) -> str:
        """Return what the result of a card is called in its copy."""
        return self._short.get(self._drawn(number)) or self._name(number)

    def _name(self, number: int) -> str:
        """Return what the result of a card is called in the formulas of the others."""
        if number not in self._names:
            self._names[number] = _name(self._cards[number])
        return self._names[number]

    def _follows(self, tail: int, head: int) -> bool:
        """Return whether a card stands in the copy after that of another."""
        copies = dict(self._copies[tail])
        return any(copies.get(group) == copy - 1 for group, copy in self._copies[head])


def _name(card: Card) -> str:
    """Return what the result of a card is called in formulas."""
    if card.role != "op":
        return card.title.rpartition(".")[2]
    # The first line may be a formula without a name; the tooltip has one in any case.
    told = [*card.tooltip.splitlines()[1:2], *(line.text for line in card.lines[:1])]
    found = next(filter(None, map(_RESULT.match, told)), None)
    return found[1] if found else card.title


def _renamed(card: Card, own: str, result: str, inputs: Mapping[str, str]) -> Card:
    """Return a card with other names in its formulas.

    Parameters
    ----------
    card : Card
        An operation.
    own, result : str
        What its result is called, and what it becomes.
    inputs : mapping of str to str
        What its inputs become, by what they are called.
    """
    names = {own: result, **inputs}

    def put(match: re.Match[str]) -> str:
        name = names.get(match[0], match[0])
        if " " not in name:
            return name
        before, after = match.string[: match.start()], match.string[match.end() :]
        factor = _FACTOR_BEFORE.search(before) or _FACTOR_AFTER.match(after)
        return f"({name})" if factor else name

    def told(line: Line) -> Line:
        head, tail = "", line.text
        if tail.startswith(f"{own} = "):  # of the same name an input may be
            head, tail = f"{result} = ", tail.removeprefix(f"{own} = ")
        return Line(head + _WORD.sub(put, tail), line.style)

    if all(name == new for name, new in names.items()) or not card.lines:
        return card
    return replace(card, lines=tuple(map(told, card.lines)))
