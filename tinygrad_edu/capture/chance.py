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
        self._found: dict[int, tuple[_Drawer, Any]] = {}
        self._shared = _shared()

    def keep(self, values: Iterable[Any]) -> None:
        """Remember how the generators among some values are, the first time."""
        for each in values:
            if isinstance(each, _Drawer) and id(each) not in self._found:
                self._found[id(each)] = each, _state(each)

    def refuse_drawn(self) -> None:
        """Raise if a number was drawn."""
        drawn = any(repr(_state(each)) != repr(was) for each, was in self._found.values())
        if drawn or _shared() != self._shared:
            raise CaptureError(
                f"capture: the function draws random numbers\n  at {users_line()}\n"
                "  fix: draw outside of the function, and give the numbers as an argument"
            )

    def put_back(self) -> None:
        """Let the generators be as they were; those that are shared belong to everybody."""
        for generator, was in self._found.values():
            if isinstance(generator, np.random.Generator):
                generator.bit_generator.state = was
            elif isinstance(generator, random.Random):
                generator.setstate(was)
            else:
                generator.set_state(was)


_Drawer = np.random.Generator | np.random.RandomState | random.Random


def _state(generator: _Drawer) -> Any:
    """Return how a generator is, to be given back to it."""
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, random.Random):
        return generator.getstate()
    return generator.get_state(legacy=False)


def _shared() -> tuple[Any, bytes, int]:
    """Return how the generators of ``random`` and of ``np.random`` are."""
    common = np.random.get_state(legacy=False)["state"]  # noqa: NPY002  # drawn from by the user
    return random.getstate(), common["key"].tobytes(), common["pos"]
