"""How large a card is and what stands where inside it, in points; no font file is read.

This file knows the look of one card or label and nothing of their places in the drawing; read
``layout.py`` next. Widths come from a table that is generous: it takes the widest of the common
sans-serif fonts, so a text ends before its card does whichever of them a reader has.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tinygrad_edu.draw.picture import Card, Cluster, Edge, Line
from tinygrad_edu.draw.theme import (
    CLUSTER_COUNT,
    CLUSTER_DETAIL,
    CLUSTER_KIND,
    CLUSTER_TITLE,
    CORNER,
    TEXT_STYLES,
    TITLE,
    Font,
)
from tinygrad_edu.draw.words import clean

__all__ = [
    "Block",
    "Face",
    "Words",
    "cluster_pieces",
    "cluster_width",
    "face_of",
    "label_of",
    "pieces_width",
    "text_width",
    "wrapped",
]

# Advance widths in hundredths of the font size, grouped: every character of a key is that wide.
_WIDTHS = {
    character: hundredths
    for characters, hundredths in {
        "'ijl": 28,
        " ,.IJ\u00a0": 32,
        "/:;\\|·": 36,
        "f-t()[]": 40,
        '!r"²³₀₁₂ᵀ‖': 46,
        "*_`z": 53,
        "sc?": 56,
        "FkvxyLP∂": 62,
        "Taeo$0123456789ESbdghnpqu{}αβγδεθλμπρσφω∇Σ√é": 65,
        "KABVXZCR": 70,
        "UNHDG&": 78,
        "OQw": 82,
        "M#+<=>^~×±−⊙≤≥≠": 87,
    }.items()
    for character in characters
}
_WIDEST = 100  # also arrows, W, m, %, @ and everything else that is not listed
_BOLD = 10  # hundredths more

# Rows of a card, in points.
_PAD_X, _PAD_Y = 8.0, 5.0
_HEADER, _GRID_ROW, _HISTOGRAM, _BAR = 18.0, 16.0, 25.0, 13.0
_BARS_HIGH, _BAR_STEP, _SHARE_WIDE = 20, 7.0, 64.0
_BETWEEN = 8.0  # between two texts of one row


@functools.cache
def _advance(character: str) -> int:
    """Return the width of a character in hundredths of the font size."""
    if character in _WIDTHS:
        return _WIDTHS[character]
    return 0 if unicodedata.combining(character) else _WIDEST


def text_width(text: str, font: Font) -> float:
    """Return an upper estimate of the width of a text, in points."""
    hundredths = sum(map(_advance, text)) + (_BOLD * len(text) if font.bold else 0)
    return hundredths * font.size / 100


def wrapped(text: str, font: Font, width: float) -> list[str]:
    """Return a text in lines of at most this width in points, one word at the least."""
    lines: list[str] = []
    for word in clean(text, 400).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@dataclass(frozen=True, slots=True)
class Words:
    """A text at a place: ``x`` of its anchor and ``y`` of its baseline, in points."""

    x: float
    y: float
    anchor: Literal["start", "middle", "end"]
    text: str
    font: Font


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle: a bar that shows a value or a gradient, or a cell of the grid."""

    x: float
    y: float
    width: float
    height: float
    paint: Literal["value", "gradient", "cell"]


@dataclass(frozen=True, slots=True)
class Face:
    """Size of a card or label and what is drawn in it, relative to the upper left corner."""

    width: float
    height: float
    words: tuple[Words, ...]
    blocks: tuple[Block, ...] = ()


def _line_height(line: Line) -> float:
    """Return the height of a row of text."""
    return round(TEXT_STYLES[line.style].size * 1.4)


def face_of(card: Card) -> Face:
    """Return size and content of a card."""
    width = _inner_width(card) + 2 * _PAD_X
    left, right, middle = _PAD_X, width - _PAD_X, width / 2
    words: list[Words] = []
    blocks: list[Block] = []
    y = _PAD_Y
    title = clean(card.title)
    if card.centred:
        words.append(Words(middle, y + 13, "middle", title, TITLE))
    else:
        words.append(Words(left, y + 13, "start", title, TITLE))
        words.append(Words(right, y + 12, "end", clean(card.corner_text), CORNER))
    y += _HEADER
    for line in card.body:
        font = TEXT_STYLES[line.style]
        in_middle = card.centred or line.style == "large"
        words.append(
            Words(
                middle if in_middle else left,
                y + font.size * 1.08,
                "middle" if in_middle else "start",
                clean(line.text),
                font,
            )
        )
        y += _line_height(line)
    if card.values:
        y = _add_grid(card, middle if card.centred else None, y + 2, words, blocks) + 3
    for histogram in card.histograms:
        floor = y + _HISTOGRAM - 3
        for i, height in enumerate(histogram.pixels(_BARS_HIGH)):
            blocks.append(
                Block(left + i * _BAR_STEP, floor - height, _BAR_STEP - 1, height, histogram.role)
            )
        if histogram.caption is not None:
            words.append(_right(histogram.caption, right, floor - 4))
        y += _HISTOGRAM
    for bar in card.bars:
        high = max(_BAR, _line_height(bar.caption))
        length = max(1.0, _SHARE_WIDE * bar.share)
        blocks.append(Block(left, y + high / 2 - 3.5, length, 7, bar.role))
        words.append(_right(bar.caption, right, y + high / 2 + 4))
        y += high
    return Face(width, y + _PAD_Y, tuple(w for w in words if w.text), tuple(blocks))


def _right(line: Line, x: float, y: float) -> Words:
    """Return a caption that ends at ``x``."""
    return Words(x, y, "end", clean(line.text), TEXT_STYLES[line.style])


def _inner_width(card: Card) -> float:
    """Return the width that the widest row of a card needs."""
    corner = text_width(clean(card.corner_text), CORNER)
    widths = [text_width(clean(card.title), TITLE) + (corner + _BETWEEN if corner else 0.0)]
    widths += [text_width(clean(line.text), TEXT_STYLES[line.style]) for line in card.body]
    widths.append(sum(_columns(card)))
    for histogram in card.histograms:
        widths.append(12 * _BAR_STEP + _caption_width(histogram.caption))
    for bar in card.bars:
        widths.append(_SHARE_WIDE + _caption_width(bar.caption))
    return max(24.0, *widths)


def _caption_width(caption: Line | None) -> float:
    """Return the room that a caption needs beside its bars."""
    if caption is None:
        return 0.0
    return _BETWEEN + text_width(clean(caption.text), TEXT_STYLES[caption.style])


def _columns(card: Card) -> list[float]:
    """Return the widths of the columns of the grid."""
    font = TEXT_STYLES["normal"]
    return [
        max(text_width(clean(value), font) for value in column) + 8
        for column in zip(*card.values, strict=True)
    ]


def _add_grid(
    card: Card, middle: float | None, y: float, words: list[Words], blocks: list[Block]
) -> float:
    """Add the small grid of numbers; return where it ends."""
    columns = _columns(card)
    start = _PAD_X if middle is None else middle - sum(columns) / 2
    for row in card.values:
        x = start
        for value, width in zip(row, columns, strict=True):
            blocks.append(Block(x, y, width, _GRID_ROW, "cell"))
            x += width
            words.append(_right(Line(value), x - 4, y + 12))
        y += _GRID_ROW
    return y


def label_of(edge: Edge) -> Face | None:
    """Return size and content of the label of an edge, or None when it has none."""
    lines = [(clean(line.text), TEXT_STYLES[line.style], _line_height(line)) for line in edge.lines]
    lines = [line for line in lines if line[0]]
    if not lines:
        return None
    width = max(text_width(text, font) for text, font, _ in lines)
    words = []
    y = 0.0
    for text, font, height in lines:
        words.append(Words(width / 2, y + font.size, "middle", text, font))
        y += height
    return Face(width, y, tuple(words))


def cluster_width(cluster: Cluster, part: int, parts: int) -> float:
    """Return the width of the title of a box."""
    return pieces_width(cluster_pieces(cluster, part, parts))


def pieces_width(pieces: Sequence[tuple[str, Font]]) -> float:
    """Return the width of texts in one row."""
    return max(0.0, sum(text_width(text, font) + 7 for text, font in pieces) - 7)


def cluster_pieces(cluster: Cluster, part: int, parts: int) -> list[tuple[str, Font]]:
    """Return the texts of the title of a box with their fonts, empty ones left out."""
    pieces = [
        (cluster.title, CLUSTER_TITLE),
        (f"× {cluster.count}" if cluster.count > 1 else "", CLUSTER_COUNT),
        (cluster.kind, CLUSTER_KIND),
        (cluster.detail, CLUSTER_DETAIL),
        (f"(part {part} of {parts})" if parts > 1 else "", CLUSTER_DETAIL),
    ]
    return [(clean(text), font) for text, font in pieces if clean(text)]
