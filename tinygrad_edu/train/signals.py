"""Signals: Ctrl-C and SIGTERM are heard at once and obeyed between two iterations.

Knows: Python's signals, which every system has in the main thread. Does not know: what is saved.
Read next: ``trainer.py``.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["interrupted", "interrupts"]

ENDED = 128 + signal.SIGTERM
"""Exit code of a process that SIGTERM ended, as shells tell it."""


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Context in which Ctrl-C and SIGTERM only add to the list that is given; the second acts.

    Elsewhere than in the main thread, or where the program has its own handler, nothing changes.
    """
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        if heard:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(ENDED)
        heard.append(number)

    before: dict[signal.Signals, Callable[..., object] | int | None] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        for number, handler in usual.items():
            if signal.getsignal(number) == handler:
                before[number] = signal.signal(number, hear)
    try:
        yield heard
    finally:
        for number, found in before.items():
            signal.signal(number, found)


def interrupted(number: int, trainer: Trainer) -> BaseException:
    """Return the exception that ends a run that was interrupted, with how to go on."""
    places = [trainer.checkpoint] if trainer.checkpoint is not None else []
    places += [folder for c in trainer.callbacks if (folder := getattr(c, "folder", None))]
    text = f"training was stopped at iteration {trainer.iteration:,} of {trainer.total:,}; "
    if places:
        place = str(places[0])
        how = trainer.go_on or f"trainer.resume({place!r}) and fit()"
        text += f"all of it is saved in {place}: go on with {how}"
    else:
        text += "nothing was saved, for the trainer has no checkpoint"
    if number == signal.SIGINT:
        return KeyboardInterrupt(text)
    print(text, file=sys.stderr)
    return SystemExit(ENDED)
