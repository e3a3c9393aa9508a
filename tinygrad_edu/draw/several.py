"""One for several: the card, the edge, the title or the text that is drawn instead of many.

Knows: what is written on cards, edges and clusters, and how it varies from one copy to the next:
sizes are told one after the other, ``16 → 32 → 64``, other numbers from the least to the most, and
of parameters how many each copy has and how many all have. Does not know: which copies are equal,
nor why. This is the last of the five files that fold a picture; ``heat.py`` is another thing that
may become of one, and ``structure.py`` goes on to how it is drawn.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from textwrap import wrap

from tinygrad_edu.draw.picture import Bar, Card, Edge, Line, Strength
from tinygrad_edu.draw.renaming import plain
from tinygrad_edu.draw.words import LINE_LIMIT
from tinygrad_edu.mathematics import number as shown

__all__ = ["changing_sizes", "one_card", "one_detail", "one_edge", "one_text", "one_title"]

_NUMBER = re.compile(
    r"(?<![\w.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+\-−]?\d+)?(?![A-Za-z_])"
)
_GRADIENT = re.compile(r"((?:Σ of [\d,]+ gradients|gradient) )(\[.*\])")
_PARAMETERS = re.compile(r"([\d,]+) parameters?")
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


# ---------------------------------------------------------------------------------- cards and edges


def one_card(cards: Sequence[Card]) -> Card:
    """Return one card for several, with what varies told; the first one's place and look."""
    first = cards[0]
    if len(cards) == 1:
        return first
    captions = [
        tuple(h.caption for h in card.histograms if h.caption is not None) for card in cards
    ]
    alike = all(card.histograms == first.histograms for card in cards)
    of_op = first.role == "op"
    rows = [card.lines for card in cards]
    if first.role == "module":
        rows = _rows_of_modules(cards)
    bars = zip(*(card.bars for card in cards), strict=False)
    titles = [card.title for card in cards]
    head = f"{len(cards):,} in one: {', '.join(titles[:4])}{', …' if len(titles) > 4 else ''}"
    return replace(
        first,
        title=one_text(titles) if first.role == "module" else one_title(titles),
        corner=one_title([card.corner for card in cards]),
        lines=(_lines_of_op(rows) if of_op else _lines(rows, one_text))
        + (() if alike else _lines(captions, one_text)),
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


def _rows_of_modules(cards: Sequence[Card]) -> list[tuple[Line, ...]]:
    """Return the lines of several modules, the first with the parameters of all."""
    rows = [card.lines for card in cards]
    if not all(rows):
        return rows
    said = _parameters([card.corner for card in cards], [row[0].text for row in rows])
    return [(replace(row[0], text=said or row[0].text), *row[1:]) for row in rows]


def _bar(bars: Sequence[Bar]) -> Bar:
    """Return the longest of several bars; its caption says from where to where they go."""
    caption = Line(one_text([bar.caption.text for bar in bars]), bars[0].caption.style)
    return replace(bars[0], share=max(bar.share for bar in bars), caption=caption)


def one_edge(edges: Sequence[Edge], kept: Edge) -> Edge:
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
    for strength in ("nan or inf", "exploding"):
        if strength in found:
            return strength
    return "vanishing" if set(found) == {"vanishing"} else "normal"


def _lines(
    rows: Sequence[tuple[Line, ...]], join: Callable[[Sequence[str]], str]
) -> tuple[Line, ...]:
    """Return the lines of several cards or edges, place by place, their texts joined so."""
    if all(row == rows[0] for row in rows):
        return rows[0]
    whole = _alike(rows)
    found = [
        Line(join([line.text for line in column]), column[0].style)
        for column in zip(*whole, strict=True)
    ]
    if len(whole) == len(rows):
        return tuple(found)
    saying = _saying(rows)
    return tuple(
        _counted(line, saying[_kind(column[0])], len(rows)) if line.style == "orange" else line
        for line, column in zip(found, zip(*whole, strict=True), strict=True)
    )


def _lines_of_op(rows: Sequence[tuple[Line, ...]]) -> tuple[Line, ...]:
    """Return the lines of several operations, each with the names that most of them have.

    Of names that are as frequent the last are taken: the first copy takes something else.
    """
    if all(row == rows[0] for row in rows):
        return rows[0]
    saying = _saying(rows)
    found: list[Line] = []
    for column in zip(*_alike(rows), strict=True):
        kinds = Counter(map(_kind, reversed(column)))
        kind, _ = kinds.most_common(1)[0]
        own = [line for line in column if _kind(line) == kind]
        line = Line(one_text([line.text for line in own]), own[0].style)
        whole = _counted(line, saying[kind], len(rows))
        if whole is line or line.style != "grey":
            found.append(whole)
            continue
        # What stands before a formula takes the room that it would have had.
        parts = wrap(whole.text, LINE_LIMIT, max_lines=3, placeholder=" …")
        found += [Line(part, line.style) for part in parts]
    return tuple(found)


def _alike(rows: Sequence[tuple[Line, ...]]) -> list[tuple[Line, ...]]:
    """Return the rows of the length that most have.

    The first copy may say less: no gradient goes on to an input.
    """
    rows = [tuple(Line(_normed(line.text), line.style) for line in row) for row in rows]
    length, _ = Counter(len(row) for row in reversed(rows)).most_common(1)[0]
    return [row for row in rows if len(row) == length]


def _saying(rows: Sequence[tuple[Line, ...]]) -> Counter[Hashable]:
    """Return how many rows have a line of each kind."""
    return Counter(
        kind for row in rows for kind in {_kind(Line(_normed(x.text), x.style)) for x in row}
    )


def _counted(line: Line, count: int, of: int) -> Line:
    """Return a line with how many it holds for, unless it holds for all."""
    return line if count in (0, of) else Line(f"{count:,} of {of:,}: {line.text}", line.style)


def _kind(line: Line) -> Hashable:
    """Return what a line says but for numbers, to find it among those of another card."""
    return line.style, _NUMBER.sub("", plain(line.text))


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


# ----------------------------------------------------------------------------------------- clusters


def one_title(titles: Sequence[str]) -> str:
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


def one_detail(sizes: Sequence[str], titles: Sequence[str], details: Sequence[str]) -> str:
    """Return what is said behind the title of a folded cluster, as far as there is room.

    Parameters
    ----------
    sizes : sequence of str
        What changes from one copy to the next; the first is said in any case.
    titles, details : sequence of str
        What the clusters say that have become this one.
    """
    own = _parameters(titles, details) or one_text(details)
    found = [*sizes[:1], own] if own else list(sizes[:1])
    for size in sizes[1:]:
        if len(", ".join([*found, size])) < _LONG:
            found.insert(-1 if own else len(found), size)
    return ", ".join(found)


def _parameters(paths: Sequence[str], texts: Sequence[str]) -> str:
    """Return how many parameters each of several modules has, and how many all have.

    Parameters
    ----------
    paths : sequence of str
        Where the modules stand in the net. Of one that is called several times they count once.
    texts : sequence of str
        What is said of each, as ``72 parameters``.

    Returns
    -------
    str
        Nothing where there is but one module, or where something else is said.
    """
    found = [_PARAMETERS.fullmatch(text) for text in texts]
    counts = [int(match[1].replace(",", "")) for match in found if match]
    own = dict(zip(paths, counts, strict=False))
    if len(counts) < len(texts) or len(own) < 2:
        return ""
    each = one_text([f"{count:,} parameter{'s' * (count != 1)}" for count in own.values()])
    return f"{each} each, {sum(own.values()):,} in all"


def changing_sizes(copies: Iterable[Iterable[str]]) -> list[str]:
    """Return how the shape of what leaves a copy changes from one copy to the next.

    Parameters
    ----------
    copies : iterable of iterables of str
        For each copy the labels of the edges that leave it; the first that is a shape is taken.
    """
    shapes = []
    for labels in copies:
        found = next(filter(_DIMS.fullmatch, labels), None)
        if found is None:
            return []
        shapes.append(tuple(re.findall(r"\d+", found)))
    return _varying(shapes)


def _varying(shapes: Sequence[tuple[str, ...]]) -> list[str]:
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


# -------------------------------------------------------------------------------------------- texts


def one_text(texts: Sequence[str]) -> str:
    """Return one text for several: sizes one after the other, other numbers from least to most."""
    steps = _steps(texts)
    if len(steps) < 2:
        return "".join(steps)
    if all(_SHAPE.fullmatch(text) for text in steps):
        dtype = re.search(r" [a-z]\w*$", steps[0])
        if dtype and all(text.endswith(dtype[0]) for text in steps):
            return _row([text.removesuffix(dtype[0]) for text in steps]) + dtype[0]
        return _row(steps)
    named = [plain(text) for text in steps]
    if len({tuple(_NUMBER.split(text)) for text in steps}) > 1:
        steps = named
    pieces = {tuple(_NUMBER.split(text)) for text in steps}
    if len(pieces) > 1:
        return _row(steps)
    columns = zip(*(_NUMBER.findall(text) for text in steps), strict=True)
    numbers = [_range(column) for column in columns]
    (between,) = pieces
    return "".join(text + number for text, number in zip(between, [*numbers, ""], strict=True))


def _label(texts: Sequence[str]) -> str:
    """Return one text for the labels of several edges."""
    if len(set(texts)) > 1 and all(_DIMS.fullmatch(text) for text in texts):
        return _general(texts)
    return one_text(texts)


def _range(numbers: Sequence[str]) -> str:
    """Return whole numbers as a row, others as least and most."""
    if len(set(numbers)) == 1:
        return numbers[0]
    if all(number.isdigit() for number in numbers):
        counted = len(numbers) > 2 and all(int(b) == int(a) + 1 for a, b in pairwise(numbers))
        return f"{numbers[0]}–{numbers[-1]}" if counted else _row(numbers)
    by_size = sorted(numbers, key=lambda n: float(n.replace(",", "").replace("−", "-")))
    return f"{by_size[0]} … {by_size[-1]}"


def _general(texts: Sequence[str]) -> str:
    """Return one shape for several, with letters for what varies: ``100 × C × H × W``."""
    shapes = [text.split(" × ") for text in texts]
    letters = _LETTERS.get(len(shapes[0]))
    if letters is None or len({len(shape) for shape in shapes}) > 1:
        return _row(texts)
    columns = zip(letters, zip(*shapes, strict=True), strict=True)
    return " × ".join(sizes[0] if len(set(sizes)) == 1 else letter for letter, sizes in columns)


def _row(texts: Sequence[str]) -> str:
    """Return texts with arrows between them; of many, the first and the last."""
    steps = _steps(texts)
    whole = " → ".join(steps)
    return whole if len(steps) <= 3 and len(whole) < _LONG else f"{steps[0]} → … → {steps[-1]}"


def _steps(texts: Iterable[str]) -> list[str]:
    """Return texts without those that repeat the one before."""
    found: list[str] = []
    for text in texts:
        if not found or found[-1] != text:
            found.append(text)
    return found
