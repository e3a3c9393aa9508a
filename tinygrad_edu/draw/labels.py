"""Where the labels of edges stand: beside their own line, and off all other lines and texts.

Knows: rectangles and lines. Does not know: cards, or how places were found. The layout proposes a
place for each label; here it stays there if nothing runs through it, and goes to another place
along its line otherwise. Read ``layout.py`` first.

A line is taken as a row of short straight pieces, each with the rectangle around it, and all that
is drawn is found by the squares of a grid, so that a place is tried against its neighbours alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["POOR", "Point", "Rectangle", "Thread", "placed"]

_SQUARE = 48.0  # side of a square of the grid
_PIECE = 5.0  # length of a piece of a curve, unless there would be more of them
_PIECES = 40
_MOST = 120_000  # squares that lines may run through; pictures beyond that stay as they are
_REACH = 12.5  # a label stands no farther from its line
_COARSE = 2.0  # the rectangle around a piece reaches so much nearer than the piece itself
_APART = 4.0  # and another line is farther from it by so much, lest it seem to be that one's
_TRIED = 400  # places along a line
_TIP = 5.0  # half of an arrow head
_BODY, _OWN, _WRONG, _FAR, _CLOSE = 1e5, 600.0, 300.0, 200.0, 1.0
_WORSE = {"body": _BODY, "text": 1e4, "line": 1e3}
"""How bad it is to stand on a card, a text, another line or one's own, nearer to another line than
to one's own, far from it, or just beside another."""

POOR = _FAR
"""Labels that are as bad as this, all together, do not all stand free beside their lines."""


class Point(NamedTuple):
    """A place in the drawing, in points from its upper left corner."""

    x: float
    y: float


class Rectangle(NamedTuple):
    """Upper left corner and size."""

    x: float
    y: float
    width: float
    height: float


class Thread(NamedTuple):
    """The line of an edge with its label.

    Parameters
    ----------
    points : tuple of Point
        Its corners; see ``layout.Route``.
    across : bool
        Whether its curves leave and arrive from left to right.
    half : float
        Half of its width.
    tip : Point
        The end with the arrow head.
    label : Rectangle or None
        Where the label might stand.
    """

    points: tuple[Point, ...]
    across: bool
    half: float
    tip: Point
    label: Rectangle | None


def placed(
    threads: Sequence[Thread],
    bodies: Sequence[Rectangle],
    texts: Sequence[Rectangle],
    size: tuple[float, float],
) -> tuple[list[Rectangle | None], float]:
    """Return a place for each label, and how bad all of them are together; 0 is best.

    Parameters
    ----------
    threads : sequence of Thread
        All edges.
    bodies, texts : sequence of Rectangle
        Cards, and the titles of boxes.
    size : (float, float)
        Width and height of the drawing.
    """
    found = [thread.label for thread in threads]
    wanted = [k for k, label in enumerate(found) if label is not None]
    lines = [list(_pieces(thread)) for thread in threads] if wanted else []
    if sum(_squares(piece) for line in lines for piece in line) > _MOST:
        return found, 0.0
    ground = _Ground(lines, bodies, texts, size)
    waiting = []
    for k in wanted:
        label = found[k]
        assert label is not None
        # Of several on one line all may ask for one place: the first has it.
        if ground.badness(label, k):
            waiting.append(k)
        else:
            ground.add(label, "text", k)
    total = 0.0
    # Short lines have few places, and choose first.
    for k in sorted(waiting, key=lambda k: (_length(threads[k].points), k)):
        label = found[k]
        assert label is not None
        bad, best = ground.badness(label, k), label
        for place in _along(lines[k], label):
            now = ground.badness(place, k, bad)
            if now < bad:
                bad, best = now, place
                if not bad:
                    break
        found[k] = best
        ground.add(best, "text", k)
        total += bad
    return found, total


# -------------------------------------------------------------------------------------------- lines


def _pieces(thread: Thread) -> Iterator[Rectangle]:
    """Yield the rectangles around the pieces of a line."""
    for a, b in pairwise(thread.points):
        straight = abs(a.x - b.x) < 0.01 or abs(a.y - b.y) < 0.01
        before = a
        count = 1 if straight else min(_PIECES, math.ceil(math.dist(a, b) / _PIECE))
        for k in range(1, count + 1):
            t = k / count
            # The middle control points of the curve have the main coordinate of its middle.
            even = 1.5 * (t * (1 - t) ** 2 + t * t * (1 - t)) + t**3
            bow = t * t * (3 - 2 * t)
            u, v = (t, t) if straight else (even, bow) if thread.across else (bow, even)
            here = Point(a.x + (b.x - a.x) * u, a.y + (b.y - a.y) * v)
            low, high = min(before.x, here.x), min(before.y, here.y)
            yield Rectangle(
                low - thread.half,
                high - thread.half,
                abs(before.x - here.x) + 2 * thread.half,
                abs(before.y - here.y) + 2 * thread.half,
            )
            before = here
    yield Rectangle(thread.tip.x - _TIP, thread.tip.y - _TIP, 2 * _TIP, 2 * _TIP)


def _length(points: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _along(line: Sequence[Rectangle], label: Rectangle) -> list[Rectangle]:
    """Return places beside a line, those near the one that was proposed first."""
    found: list[Rectangle] = []
    wide, high = label.width, label.height
    for x, y, long, deep in line:
        steps = max(1, math.ceil(max(long, deep) / 10))
        for k in range(steps + 1):
            u, v = x + long * k / steps, y + deep * k / steps
            for gap in (3.0, 7.0, 12.0):
                found += [
                    Rectangle(u - wide / 2, y - high - gap, wide, high),
                    Rectangle(u - wide / 2, y + deep + gap, wide, high),
                    Rectangle(x - wide - gap - 1, v - high / 2, wide, high),
                    Rectangle(x + long + gap + 1, v - high / 2, wide, high),
                ]
    found = list(dict.fromkeys(found))
    found.sort(key=lambda place: math.dist(place[:2], label[:2]))
    # Along a long line only every so many are tried.
    near, far = found[: _TRIED // 2], found[_TRIED // 2 :]
    return near + far[:: max(1, 2 * len(far) // _TRIED)]


# ------------------------------------------------------------------------------------------- ground


def _squares(piece: Rectangle) -> int:
    return int(piece.width // _SQUARE + 2) * int(piece.height // _SQUARE + 2)


class _Ground:
    """All that stands in the drawing, by the squares of a grid."""

    def __init__(
        self,
        lines: Sequence[Sequence[Rectangle]],
        bodies: Iterable[Rectangle],
        texts: Iterable[Rectangle],
        size: tuple[float, float],
    ) -> None:
        self.size = size
        self.squares: defaultdict[tuple[int, int], list[tuple[Rectangle, str, int]]]
        self.squares = defaultdict(list)
        for number, line in enumerate(lines):
            for piece in line:
                self.add(piece, "line", number)
        for body in bodies:
            self.add(body, "body", -1)
        for text in texts:
            self.add(text, "text", -1)

    def add(self, place: Rectangle, kind: str, owner: int) -> None:
        """Add what is drawn at a place."""
        for square in self._under(place):
            self.squares[square].append((place, kind, owner))

    @staticmethod
    def _under(place: Rectangle, around: float = 0.0) -> Iterator[tuple[int, int]]:
        x, y, wide, high = place
        right, low = int((x + wide + around) // _SQUARE), int((y + high + around) // _SQUARE)
        for i in range(int((x - around) // _SQUARE), right + 1):
            for j in range(int((y - around) // _SQUARE), low + 1):
                yield i, j

    def badness(self, place: Rectangle, owner: int, limit: float = math.inf) -> float:
        """Return how bad it is for a label to stand at a place; 0 where nothing else is."""
        x, y, wide, high = place
        if x < 2 or y < 2 or x + wide > self.size[0] - 2 or y + high > self.size[1] - 2:
            return 10 * _BODY
        bad = 0.0
        seen: set[tuple[str, int] | Rectangle] = set()
        nearest = {True: math.inf, False: math.inf}  # distance of its own line, and of another
        for square in self._under(place, _REACH):
            for other, kind, whose in self.squares.get(square, ()):
                left, top, broad, deep = other
                beside = max(left - x - wide, x - left - broad)
                away = max(beside, top - y - high, y - top - deep)
                if away >= _REACH or (away >= 0 and kind != "line"):
                    continue
                if kind == "line":
                    own = whose == owner
                    nearest[own] = min(nearest[own], max(0.0, away))
                if away < 0:
                    what = (kind, whose) if kind == "line" else other
                    if what not in seen:
                        seen.add(what)
                        bad += _OWN if what == ("line", owner) else _WORSE[kind]
                if bad >= limit:
                    return bad
        if nearest[True] == math.inf:
            bad += _FAR
        if nearest[False] < nearest[True] + _COARSE:
            bad += _WRONG
        elif nearest[False] < nearest[True] + _APART:
            bad += _CLOSE
        return bad
