"""Progress: what a run tells while it runs; a moving bar on a terminal, plain lines elsewhere.

Knows: numbers, and a stream of text. Does not know: models, data, files.
Read next: ``trainer.py``, which calls it.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from typing import TextIO

from tinygrad_edu.train.history import Record

__all__ = ["Progress", "duration"]

EVERY = 0.1
"""Seconds between two pictures of the bar: faster than that nobody reads."""
HUGE = 10_000
"""From here on a number is shown with an exponent."""
KEEP = 0.97
"""Share of the smoothed loss that each iteration keeps: about the last 30 count."""


class Progress:
    """A table of the evaluations, and on a terminal a bar below it.

    Parameters
    ----------
    stream : TextIO, optional
        Where to write; standard output by default.
    quiet : bool
        Whether to write nothing.
    bar : bool, optional
        Whether to draw the bar; by default if the stream is a terminal that can move its cursor.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, bar: bool | None = None
    ) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.quiet = quiet
        terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.bar = terminal if bar is None else bar
        self.total = 0
        self._columns: list[str] = []
        self._drawn = False
        self._loss = 0.0
        self._weight = 0.0
        self._start = self._next = 0.0
        self._first = 0

    def begin(self, iteration: int, total: int) -> None:
        """Tell that the run is at `iteration` and shall go to `total`."""
        self.total, self._first = total, iteration
        self._start = self._next = math.nan
        self._loss = self._weight = 0.0
        self._columns = []

    def step(self, iteration: int, loss: float, last: Record | None) -> None:
        """Tell that an iteration is done; `last` is the latest evaluation."""
        self._loss = KEEP * self._loss + (1 - KEEP) * loss
        self._weight = KEEP * self._weight + (1 - KEEP)
        if self.quiet or not self.bar:
            return
        now = time.monotonic()
        if math.isnan(self._start):  # the clock starts here: what came before was no iteration
            self._start, self._next, self._first = now, now + EVERY, iteration
        if now >= self._next:
            self._next = now + EVERY
            self._draw(self._bar(iteration, now, last))

    def record(self, record: Record) -> None:
        """Tell that the model was evaluated: one more line of the table."""
        if self.quiet:
            return
        names = ["iteration", "epoch", "loss", *_metrics(record), "seconds"]
        if names != self._columns:
            self._columns = names
            self.line("  ".join(f"{name.replace('_', ' '):>{_width(name)}}" for name in names))
        self.line("  ".join(f"{_shown(name, record[name]):>{_width(name)}}" for name in names))

    def line(self, text: str) -> None:
        """Write one line; a bar makes room for it and comes back at the next iteration."""
        if self.quiet:
            return
        self.clear()
        self.stream.write(text + "\n")
        self.stream.flush()

    def clear(self) -> None:
        """Take the bar away."""
        if self._drawn:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._drawn = False

    def _draw(self, text: str) -> None:
        self.stream.write(f"\r{text}\x1b[K")
        self.stream.flush()
        self._drawn = True

    def _bar(self, iteration: int, now: float, last: Record | None) -> str:
        """Return the bar with loss, metrics and time left, as much as there is room for."""
        share = iteration / self.total
        left = (now - self._start) / max(1, iteration - self._first) * (self.total - iteration)
        shown = last or {}
        parts = [
            f"{share:4.0%}",
            f"{iteration:>{len(str(self.total))}}/{self.total}",
            f"loss {_number(self._loss / self._weight)}",
            *(f"{name.replace('_', ' ')} {_shown(name, shown[name])}" for name in _metrics(shown)),
            f"{duration(left)} left",
        ]
        room = shutil.get_terminal_size().columns - 1
        while len(parts) > 3 and len("  ".join(parts)) + 12 > room:
            del parts[-2]  # what changes least often goes first on a narrow terminal
        text = "  ".join(parts[1:])
        width = min(30, room - len(text) - len(parts[0]) - 4)
        if width < 4:
            return text[:room]
        return f"{parts[0]} {self._blocks(share, width)}  {text}"

    def _blocks(self, share: float, width: int) -> str:
        """Return a bar of `width` characters, filled to a share; of ASCII if need be."""
        full, rest = divmod(round(share * width * 8), 8)
        text = "█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")
        text += "·" * (width - len(text))
        try:
            text.encode(self.stream.encoding or "utf-8")
        except UnicodeEncodeError:
            return f"[{'#' * full}{'.' * (width - full)}]"
        return text


def duration(seconds: float) -> str:
    """Return a time in words that fit into a bar: ``8 s``, ``2:05 min``, ``1:30 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def _metrics(record: Record) -> list[str]:
    """Return the names of the metrics in a record; a table is no number that a line could show."""
    fixed = ("iteration", "epoch", "loss", "seconds")
    return [n for n, value in record.items() if n not in fixed and not isinstance(value, list)]


def _width(name: str) -> int:
    return max(len(name), 7)


def _shown(name: str, value: float | None) -> str:
    """Return a number as the table shows it."""
    if value is None:
        return "-"
    if name == "iteration":
        return f"{value:d}"
    if name == "lr":
        return f"{value:.4g}"
    return f"{value:.1f}" if name in ("epoch", "seconds") else _number(value, _width(name))


def _number(value: float, width: int = 9) -> str:
    """Return a number with four decimals, fewer if room is short; from 10,000 on as 8.489e+22."""
    kind, digits = ("f", 4) if abs(value) < HUGE else ("g", 4)
    while digits > 1 and len(f"{value:.{digits}{kind}}") > width:
        digits -= 1
    return f"{value:.{digits}{kind}}"
