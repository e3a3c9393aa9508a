"""Chance: whether a function has drawn random numbers while it was recorded.

Knows: generators, and how they were. Does not know: how they are found; read ``facts.py`` and
``owners.py``, which know, next.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.errors import CaptureError, users_line

__all__ = ["Chance"]


class Chance:
    """Generators of random numbers and how they were, those that all of Python shares included.

    A draw that only chooses a branch is in no call of NumPy's, and may choose the same one in every
    recorded run.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[np.random.Generator, Any]] = {}
        self._shared = _shared()

    def keep(self, values: Iterable[Any]) -> None:
        """Remember how the generators among some values are, the first time."""
        for each in values:
            if isinstance(each, np.random.Generator) and id(each) not in self._found:
                self._found[id(each)] = each, each.bit_generator.state

    def refuse_drawn(self) -> None:
        """Raise if a number was drawn."""
        drawn = any(repr(g.bit_generator.state) != repr(was) for g, was in self._found.values())
        if drawn or _shared() != self._shared:
            raise CaptureError(
                f"capture: the function draws random numbers\n  at {users_line()}\n"
                "  fix: draw outside of the function, and give the numbers as an argument"
            )

    def put_back(self) -> None:
        """Let the generators be as they were; those that are shared belong to everybody."""
        for generator, was in self._found.values():
            generator.bit_generator.state = was


def _shared() -> tuple[Any, bytes, int]:
    """Return how the generators of ``random`` and of ``np.random`` are."""
    common = np.random.get_state(legacy=False)["state"]  # noqa: NPY002  # drawn from by the user
    return random.getstate(), common["key"].tobytes(), common["pos"]
