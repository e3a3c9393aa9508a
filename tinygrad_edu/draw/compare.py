"""`compare`: two pictures as one, with what was added, removed and changed.

Knows: cards, edges and clusters. Does not know: how a graph becomes a picture; `draw` makes both.
Cards that compute something are matched in order, as lines of two texts are: first by name and
place, then by what they are; leaves are matched by name wherever they stand. So every producer
stays before its consumers, whatever is drawn together. Read ``picture.py`` first.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

from tinygrad_edu.draw.diagram import Diagram
from tinygrad_edu.draw.fold import folded
from tinygrad_edu.draw.graph import draw, drawing, traced
from tinygrad_edu.draw.options import Level
from tinygrad_edu.draw.picture import Card, Cluster, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.reading import read
from tinygrad_edu.draw.structure import cluster_paths, structure_of
from tinygrad_edu.draw.words import LINE_LIMIT
from tinygrad_edu.nn.module import Module

__all__ = ["compare"]

V = TypeVar("V")

_KINDS = "a Tensor, a list of them, a Module, a Diagram or a Picture"
_EDITS = 600  # differences between two stretches; where there are more, they are matched greedily


def compare(
    before: Any, after: Any, *example: Any, fold: bool = True, expand: Any = None, **options: Any
) -> Diagram:
    """Return one diagram of two graphs: what was added, removed and changed, the rest pale.

    Values and gradients that changed are shown with both numbers, as in ``0.6 → 0.4``. To compare
    a graph before and after a training step, draw it before the step: a diagram keeps its numbers,
    and a graph whose parameters were written to has no gradient any more.

    Parameters
    ----------
    before, after : Tensor, list of Tensor, Module, Diagram or Picture
        Need not be of one kind.
    *example : int, or array_like
        For modules: the shape of an input, or the inputs, as in `Module.draw`.
    fold : bool
        Whether neighbours of equal structure are drawn as one; they are matched before.
    expand : sequence of str, or callable, optional
        What is not folded; see `draw`.
    **options
        Those of `draw`, for what is not drawn yet.

    Raises
    ------
    DiagramError
        One of the two is nothing that can be drawn.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> print(compare(w * w, (w * w).tanh()).picture.description)
    Before and after: 1 card added, 1 changed, 2 unchanged.
    """
    subjects = (before, after)
    if "level" not in options:
        options["level"] = _level(subjects, example)
    pictures = [_picture(subject, example, options) for subject in subjects]
    merged = _Comparison(*pictures).picture()
    shown = after if isinstance(after, Diagram) else before
    look: dict[str, Any] = {}
    if isinstance(shown, Diagram):
        look = {"format": shown.format, "engine": shown.engine, "timeout": shown.timeout}
    look.update((name, options[name]) for name in ("format", "engine") if name in options)
    return Diagram(folded(merged, expand) if fold else merged, **look)


def _picture(subject: Any, example: tuple[Any, ...], options: Mapping[str, Any]) -> Picture:
    """Return the picture of what was given."""
    if isinstance(subject, Picture):
        return subject
    if isinstance(subject, Diagram):
        return subject.picture
    given = example if isinstance(subject, Module) else ()
    return draw(subject, *given, fold=False, **options).picture


def _level(subjects: Sequence[Any], example: tuple[Any, ...]) -> Level:
    """Return the level at which all can be drawn: the coarsest that one of them asks for."""
    levels: list[Level] = ["scalar", "op", "module"]
    found = 0
    for subject in subjects:
        if isinstance(subject, (Picture, Diagram)):
            continue
        module = isinstance(subject, Module)
        reading = (
            traced("compare", subject, example) if module else read("compare", subject, _KINDS)
        )
        asked = drawing(reading, grad=False, histogram=False).level
        found = max(found, levels.index(asked))
    return levels[found]


class _Comparison:
    """Merges two pictures."""

    def __init__(self, before: Picture, after: Picture) -> None:
        self.before, self.after = before, after
        self.order = [_order(picture) for picture in (before, after)]
        self.places = [_places(picture) for picture in (before, after)]
        self.partner = self._matched()  # of cards before -> cards after

    # ---- who is who

    def _matched(self) -> dict[int, int]:
        """Return the pairs of cards."""
        leaves = [_leaves(picture) for picture in (self.before, self.after)]
        keys = [[(self._leaf_key(k, card), card) for card in leaves[k]] for k in (0, 1)]
        once = [Counter(key for key, _ in found) for found in keys]
        unique = [
            {key: card for key, card in found if once[0][key] == once[1][key] == 1}
            for found in keys
        ]
        pairs = {card: unique[1][key] for key, card in unique[0].items()}
        inner = [
            [card for card in order if card not in found]
            for order, found in zip(self.order, (set(leaves[0]), set(leaves[1])), strict=True)
        ]
        for exact in (True, False):
            for a, b in _gaps(inner, pairs):
                names = [[self._key(k, c, exact) for c in cards] for k, cards in ((0, a), (1, b))]
                pairs.update((a[i], b[j]) for i, j in _common(*names))
        self._match_inputs(pairs, [set(found) for found in leaves])
        # What is left is told apart by its order alone, such as the constants 2 and 2.
        taken = set(pairs.values())
        left = [
            _by_key([pair for pair in found if pair[1] not in done])
            for found, done in zip(keys, (pairs, taken), strict=True)
        ]
        pairs.update((card, left[1][key]) for key, card in left[0].items() if key in left[1])
        return pairs

    def _match_inputs(self, pairs: dict[int, int], leaves: Sequence[set[int]]) -> None:
        """Match leaves that go into the same place of cards that are matched."""
        inputs = [_inputs(picture) for picture in (self.before, self.after)]
        taken = set(pairs.values())
        for a, b in list(pairs.items()):
            for x, y in zip(inputs[0][a], inputs[1][b], strict=False):
                free = x in leaves[0] and y in leaves[1] and x not in pairs and y not in taken
                if free and self._card(0, x).role == self._card(1, y).role:
                    pairs[x] = y
                    taken.add(y)

    def _card(self, side: int, card: int) -> Card:
        return (self.before, self.after)[side].cards[card]

    def _leaf_key(self, side: int, card: int) -> Hashable:
        drawn = self._card(side, card)
        return drawn.title, self.places[side][drawn.cluster]

    def _key(self, side: int, card: int, exact: bool) -> Hashable:
        """Return what cards must have in common: name and place, or only what they are."""
        drawn = self._card(side, card)
        if exact:
            return drawn.role, drawn.title, self.places[side][drawn.cluster]
        title, called, _ = drawn.title.partition("(")
        if drawn.role == "module" and called:  # a class with its sizes; its path is in the corner
            return drawn.role, title, re.sub(r"\d+", "#", drawn.corner)
        kind = (
            drawn.lines[0].text.partition("(")[0] if drawn.role == "module" and drawn.lines else ""
        )
        return drawn.role, re.sub(r"\d+", "#", drawn.title), kind

    # ---- the whole

    def picture(self) -> Picture:
        """Return both pictures as one."""
        clusters, cluster_id = self._clusters()
        taken = {card.id for card in self.after.cards}
        names: dict[str, str] = {}  # of cards before
        cards: dict[int, list[Card]] = defaultdict(list)  # by the card after them that is shared
        home = self._homes()
        changes: Counter[str] = Counter()
        for number, card in enumerate(self.before.cards):
            partner = self.partner.get(number)
            if partner is not None:
                names[card.id] = self.after.cards[partner].id
                continue
            names[card.id] = _free(f"before-{card.id}", taken)
            place = None if card.cluster is None else cluster_id[card.cluster]
            gone = _marked(card, "removed")
            cards[home[number]].append(replace(gone, id=names[card.id], cluster=place))
            changes["removed"] += 1
        merged: list[Card] = []
        back = {b: a for a, b in self.partner.items()}
        for number, card in enumerate(self.after.cards):
            merged += cards.pop(number, [])
            if number in back:
                card = _both(self.before.cards[back[number]], card)
            else:
                card = _marked(card, "added")
            changes[card.change or "unchanged"] += 1
            merged.append(card)
        merged += [card for rest in cards.values() for card in rest]
        counts = [f"{changes[word]:,} {word}" for word in _WORDS if changes[word]]
        if counts:
            first, *_ = (changes[word] for word in _WORDS if changes[word])
            counts[0] = counts[0].replace(" ", f" card{'s' * (first != 1)} ", 1)
        return replace(
            self.after,
            cards=tuple(merged),
            edges=self._edges(names),
            clusters=clusters,
            title=f"{self.after.title}: before and after",
            description=f"Before and after: {', '.join(counts) or 'nothing is drawn'}.",
        )

    def _homes(self) -> dict[int, int]:
        """Return for each card that is gone the next one in the order that is still there."""
        found: dict[int, int] = {}
        following = len(self.after.cards)
        for card in reversed(self.order[0]):
            following = self.partner.get(card, following)
            found[card] = following
        return found

    def _clusters(self) -> tuple[tuple[Cluster, ...], dict[str, str]]:
        """Return all clusters, and the new ids of those before."""
        old, new = ({c.id: c for c in p.clusters} for p in (self.before, self.after))
        by_place = {self.places[1][name]: name for name in reversed(new)}
        ids: dict[str, str] = {}
        taken = set(new)
        for name in old:
            known = by_place.get(self.places[0][name])
            ids[name] = known if known is not None else _free(f"before-{name}", taken)
        found = dict(new)
        for name, cluster in old.items():
            parent = None if cluster.parent is None else ids[cluster.parent]
            if ids[name] not in new:
                found[ids[name]] = replace(cluster, id=ids[name], parent=parent)
            elif by_place[self.places[0][name]] == ids[name]:
                now = new[ids[name]]
                kind, detail = _arrow(cluster.kind, now.kind), _arrow(cluster.detail, now.detail)
                found[ids[name]] = replace(now, kind=kind, detail=detail)
        return tuple(found.values()), ids

    def _edges(self, names: Mapping[str, str]) -> tuple[Edge, ...]:
        """Return the edges of both, those that are in one of them alone marked."""
        old = _by_key([((names[e.tail], names[e.head]), e) for e in self.before.edges])
        kept = {self.after.cards[card].id for card in self.partner.values()}
        found = []
        for key, edge in _by_key([((e.tail, e.head), e) for e in self.after.edges]).items():
            earlier = old.pop(key, None)
            if earlier is None:
                new = {edge.tail, edge.head} - kept
                found.append(_joint(edge, "added", worded=not new))
            elif earlier.lines == edge.lines:
                found.append(edge)
            else:
                lines = _lines(earlier.lines, edge.lines)
                found.append(replace(edge, lines=lines, change="changed"))
        for edge in old.values():
            tail, head = names[edge.tail], names[edge.head]
            gone = {tail, head} - kept
            found.append(replace(_joint(edge, "removed", worded=not gone), tail=tail, head=head))
        return tuple(found)


_WORDS = ("added", "removed", "changed", "unchanged")
_MARKS = {
    "added": Line("+ added", "green"),
    "removed": Line("− removed", "red"),
    "changed": Line("changed", "value"),
}


def _order(picture: Picture) -> Sequence[int]:
    """Return all cards, producers first, as they were made if that is such an order."""
    number = {card.id: i for i, card in enumerate(picture.cards)}
    forward = (number[e.tail] < number[e.head] or e.recurrent for e in picture.edges)
    if all(forward):
        return range(len(picture.cards))
    structure = structure_of(picture)
    return (*structure.owner, *structure.order)


def _places(picture: Picture) -> dict[str | None, tuple[str, ...]]:
    """Return the titles of the clusters around what is in a cluster."""
    paths = cluster_paths(picture)
    return {name: tuple(picture.clusters[i].title for i in paths[name]) for name in paths}


def _leaves(picture: Picture) -> list[int]:
    """Return the parameters, inputs and constants that nothing goes into."""
    heads = {edge.head for edge in picture.edges}
    roles = ("parameter", "input", "constant")
    cards = enumerate(picture.cards)
    return [i for i, card in cards if card.role in roles and card.id not in heads]


def _inputs(picture: Picture) -> list[list[int]]:
    """Return for each card what goes into it, in order."""
    number = {card.id: i for i, card in enumerate(picture.cards)}
    found: list[list[int]] = [[] for _ in picture.cards]
    for edge in picture.edges:
        if not edge.recurrent:
            found[number[edge.head]].append(number[edge.tail])
    return found


def _by_key(pairs: Sequence[tuple[Hashable, V]]) -> dict[tuple[Hashable, int], V]:
    """Return the values by their keys, of which equal ones are told apart by their number."""
    seen: Counter[Hashable] = Counter()
    found = {}
    for key, value in pairs:
        seen[key] += 1
        found[key, seen[key]] = value
    return found


def _free(wish: str, taken: set[str]) -> str:
    """Return an id that nobody has, and take it."""
    while wish in taken:
        wish += "-"
    taken.add(wish)
    return wish


# ------------------------------------------------------------------------- matching two sequences


def _gaps(
    sequences: Sequence[Sequence[int]], pairs: Mapping[int, int]
) -> list[tuple[list[int], list[int]]]:
    """Return the stretches of two sequences between pairs that are known."""
    place = {card: i for i, card in enumerate(sequences[1])}
    found: list[tuple[list[int], list[int]]] = []
    left: list[int] = []
    start = 0
    for card in (*sequences[0], None):
        end = len(sequences[1]) if card is None else place.get(pairs.get(card, -1))
        if end is None:
            assert card is not None
            left.append(card)
            continue
        if left and start < end:
            found.append((left, list(sequences[1][start:end])))
        left, start = [], end + 1
    return found


def _common(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return pairs of equal keys, in the order of both sequences, as many as can be had cheaply.

    Keys that occur once in each of two stretches hold the others apart; what is between them is
    searched again. What has no such keys is searched for the fewest differences.
    """
    pairs: list[tuple[int, int]] = []
    todo = [(0, len(a), 0, len(b))]
    while todo:
        a0, a1, b0, b1 = todo.pop()
        while a0 < a1 and b0 < b1 and a[a0] == b[b0]:
            pairs.append((a0, b0))
            a0, b0 = a0 + 1, b0 + 1
        while a0 < a1 and b0 < b1 and a[a1 - 1] == b[b1 - 1]:
            a1, b1 = a1 - 1, b1 - 1
            pairs.append((a1, b1))
        if a0 == a1 or b0 == b1:
            continue
        anchors = _anchors(a, b, (a0, a1, b0, b1))
        if anchors:
            pairs += anchors
            ends = [(a0 - 1, b0 - 1), *anchors, (a1, b1)]
            todo += [(i + 1, k, j + 1, m) for (i, j), (k, m) in pairwise(ends)]
            continue
        stretch = a0, a1, b0, b1
        found = _by_edits(a, b, stretch)
        pairs += _greedily(a, b, stretch) if found is None else found
    return pairs


_Stretch = tuple[int, int, int, int]


def _anchors(
    a: Sequence[Hashable], b: Sequence[Hashable], stretch: _Stretch
) -> list[tuple[int, int]]:
    """Return the longest rising row of keys that occur once on both sides."""
    a0, a1, b0, b1 = stretch
    once_a, once_b = Counter(a[a0:a1]), Counter(b[b0:b1])
    place = {b[j]: j for j in range(b0, b1) if once_b[b[j]] == 1}
    ends: list[int] = []  # per length of a row its lowest end
    rows: list[tuple[int, int, int]] = []  # a, b, the member before
    last: list[int] = []
    for i in range(a0, a1):
        if once_a[a[i]] == 1 and a[i] in place:
            j = place[a[i]]
            length = bisect_left(ends, j)
            rows.append((i, j, last[length - 1] if length else -1))
            ends[length:] = [j, *ends[length + 1 :]]
            last[length:] = [len(rows) - 1, *last[length + 1 :]]
    found: list[tuple[int, int]] = []
    member = last[-1] if last else -1
    while member >= 0:
        i, j, member = rows[member]
        found.append((i, j))
    return found[::-1]


def _by_edits(
    a: Sequence[Hashable], b: Sequence[Hashable], stretch: _Stretch
) -> list[tuple[int, int]] | None:
    """Return the longest common subsequence; None where more than a few items differ.

    A path goes from corner to corner of the table of both, a step to the right or down for each
    item that is left out, and aslant for free. Per diagonal the farthest end is kept.

    References
    ----------
    E. W. Myers, "An O(ND) difference algorithm and its variations", Algorithmica 1 (1986).
    """
    a0, a1, b0, b1 = stretch
    n, m = a1 - a0, b1 - b0
    ends = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(n + m, _EDITS) + 1):
        trace.append(dict(ends))
        for diagonal in range(-edits, edits + 1, 2):
            x = _step(ends, diagonal, edits)
            y = x - diagonal
            while x < n and y < m and a[a0 + x] == b[b0 + y]:
                x, y = x + 1, y + 1
            ends[diagonal] = x
            if x >= n and y >= m:
                return [(a0 + i, b0 + j) for i, j in _way_back(trace, n, m)]
    return None


def _step(ends: Mapping[int, int], diagonal: int, edits: int) -> int:
    """Return how far to the right one more edit begins on a diagonal."""
    down = diagonal == -edits or (diagonal != edits and ends[diagonal - 1] < ends[diagonal + 1])
    return ends[diagonal + 1] if down else ends[diagonal - 1] + 1


def _way_back(trace: Sequence[Mapping[int, int]], n: int, m: int) -> list[tuple[int, int]]:
    """Return the steps aslant of the path that was found, from its end."""
    found = []
    x, y = n, m
    for edits in reversed(range(len(trace))):
        diagonal = x - y
        begun = _step(trace[edits], diagonal, edits)
        while x > begun:
            x, y = x - 1, y - 1
            found.append((x, y))
        came_down = begun == trace[edits].get(diagonal + 1) and (
            diagonal == -edits or (diagonal != edits and trace[edits][diagonal - 1] < begun)
        )
        x, y = (x, y - 1) if came_down else (x - 1, y)
    return found


def _greedily(
    a: Sequence[Hashable], b: Sequence[Hashable], stretch: _Stretch
) -> list[tuple[int, int]]:
    """Return pairs in which each key takes the next equal one that is free."""
    a0, a1, b0, b1 = stretch
    places: defaultdict[Hashable, list[int]] = defaultdict(list)
    for j in range(b0, b1):
        places[b[j]].append(j)
    found: list[tuple[int, int]] = []
    free = b0
    for i in range(a0, a1):
        row = places.get(a[i], [])
        k = bisect_left(row, free)
        if k < len(row):
            found.append((i, row[k]))
            free = row[k] + 1
    return found


# ------------------------------------------------------------------------------------ two texts


def _marked(card: Card, change: Any) -> Card:
    """Return a card that says what has become of it, in a word and by its outline."""
    mark = _MARKS[change]
    tooltip = f"{mark.text}\n{card.description}"
    return replace(card, change=change, lines=(mark, *card.lines), tooltip=tooltip)


def _joint(edge: Edge, change: Any, worded: bool) -> Edge:
    """Return an edge of one picture alone; with a word, unless one of its ends has it."""
    lines = (*edge.lines, _MARKS[change]) if worded else edge.lines
    return replace(edge, lines=lines, change=change)


def _both(before: Card, after: Card) -> Card:
    """Return a card that is in both: pale if it is the same, else with both values."""
    if _content(before) == _content(after):
        return replace(after, pale=True)
    text = f"before:\n{before.description}\n\nafter:\n{after.description}"
    merged = replace(
        after,
        title=_call(before.title, after.title) or after.title,
        corner=_arrow(before.corner_text, after.corner_text),
        lines=_lines(before.lines, after.lines),
        values=_grid(before.values, after.values),
        histograms=_histograms(before.histograms, after.histograms),
    )
    return replace(_marked(merged, "changed"), tooltip=f"changed\n{text}")


def _content(card: Card) -> Hashable:
    """Return all that a card says but numbers in names: ``relu2`` may be ``relu3`` in the other."""
    lines = tuple(_NAME_NUMBER.sub("", line.text) for line in card.lines)
    called = card.title if card.role == "module" and "(" in card.title else ""
    return called, lines, card.values, card.histograms, card.nonfinite, card.frozen, card.role


_NAME_NUMBER = re.compile(r"(?<=[^\W\d])\d+\b")


def _grid(
    before: tuple[tuple[str, ...], ...], after: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, ...], ...]:
    """Return a grid with both numbers where they differ."""
    if [len(row) for row in before] != [len(row) for row in after]:
        return after
    return tuple(
        tuple(_arrow(x, y) for x, y in zip(old, new, strict=True))
        for old, new in zip(before, after, strict=True)
    )


def _histograms(
    before: tuple[Histogram, ...], after: tuple[Histogram, ...]
) -> tuple[Histogram, ...]:
    """Return each histogram before and after, where the two differ."""
    if len(before) != len(after):
        return after
    found: list[Histogram] = []
    for old, new in zip(before, after, strict=True):
        if old != new:
            found.append(_worded("before", old))
        found.append(new if old == new else _worded("after", new))
    return tuple(found)


def _worded(word: str, histogram: Histogram) -> Histogram:
    caption = histogram.caption or Line("")
    return replace(histogram, caption=Line(f"{word}  {caption.text}".strip(), caption.style))


def _lines(before: tuple[Line, ...], after: tuple[Line, ...]) -> tuple[Line, ...]:
    """Return lines with both texts where they differ; marked, where some are new or gone.

    Two texts that are too long for one line stand below each other.
    """
    if len(before) == len(after):
        found: list[Line] = []
        for old, new in zip(before, after, strict=True):
            both = Line(_arrow(old.text, new.text), new.style)
            fits = len(both.text) <= LINE_LIMIT or both.text == new.text
            found += [both] if fits else [_gone(old), _here(new)]
        return tuple(found)
    olds, news = ({line.text for line in lines} for lines in (before, after))
    gone = [_gone(line) for line in before if line.text not in news]
    here = [line if line.text in olds else _here(line) for line in after]
    return (*gone, *here)


def _gone(line: Line) -> Line:
    return Line(f"− {line.text}", "red")


def _here(line: Line) -> Line:
    return Line(f"+ {line.text}", "green")


# Words before a number: ``gradient of norm 0.2``, ``Σ of 2 gradients [1, 2]``.
_WORDED = re.compile(r"(?:(?:[^\W\d_]+|\d+) )*[^\W\d_]{2,} (?=[-−+]?\d|[-−]?∞|[\[(–]|nan)")


def _shared_head(before: str, after: str) -> str:
    """Return what both texts say first: up to a sign of equality, or words before a number."""
    for sign in ("= ", ": ", "← "):
        start, found, _ = before.partition(sign)
        if found and after.startswith(start + sign):
            return start + sign
    heads = [found[0] if found else "" for found in map(_WORDED.match, (before, after))]
    return heads[0] if heads[0] == heads[1] else ""


def _arrow(before: str, after: str) -> str:
    """Return ``before → after``; what both say at the beginning only once."""
    if before == after:
        return after
    if not before or not after:
        return f"{before or '–'} → {after or '–'}"
    if _NAME_NUMBER.sub("", before) == _NAME_NUMBER.sub("", after):
        return after
    head = _shared_head(before, after)
    old, new = before[len(head) :], after[len(head) :]
    same = _call(old, new)
    if same:
        return head + same
    # Another function of the same: ``sigmoid → relu(x @ weight)``.
    call, other = (re.match(r"[^\W\d]\w*(?=\()", text) for text in (old, new))
    if call and other and old[call.end() :] == new[other.end() :]:
        return f"{head}{call[0]} → {new}"
    tail = re.search(r" [a-z]\w*$", old)
    if tail and new.endswith(tail[0]) and len(new) > len(tail[0]):
        old = old[: -len(tail[0])]
    whole = f"{head}{old} → {new}"
    if len(whole) > LINE_LIMIT:
        # No room for both: of two calls the names say most.
        calls = [f"{found[1]}(…)" for text in (old, new) if (found := _CALL.fullmatch(text))]
        if len(calls) == 2:
            return f"{head}{calls[0]} → {calls[1]}"
    return whole


_CALL = re.compile(r"([^\W\d]\w*)\((.*)\)")


def _call(before: str, after: str) -> str:
    """Return two calls of one class as one, with both values of what differs; ``""`` for others."""
    old, new = _CALL.fullmatch(before), _CALL.fullmatch(after)
    if old is None or new is None or old[1] != new[1]:
        return ""
    first, second = _arguments(old[2]), _arguments(new[2])
    if first is None or second is None:
        return ""
    said = []
    for name in dict.fromkeys((*first, *second)):
        head = "" if isinstance(name, int) else f"{name}="
        values = [found.get(name, "–") for found in (first, second)]
        said.append(head + (values[0] if values[0] == values[1] else " → ".join(values)))
    return f"{new[1]}({', '.join(said)})"


def _arguments(text: str) -> dict[int | str, str] | None:
    """Return the arguments of a call by place or name; a comma inside brackets parts none.

    None is returned where the brackets are not those of one call, as in ``f(a) + g(b)``.
    """
    found: dict[int | str, str] = {}
    depth, parts = 0, [""]
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0:
            return None
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    for place, part in enumerate(filter(None, map(str.strip, parts))):
        name, named, value = part.partition("=")
        if named and name.isidentifier():
            found[name] = value
        else:
            found[place] = part
    return found
