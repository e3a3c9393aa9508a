"""Arguments of schedules: each is checked, and refused in the name of the schedule.

Knows: numbers, and how many groups an optimizer has. Does not know: what they mean. Read next:
``schedules.py`` for who takes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.optimizer import Optimizer


def real(schedule: object, name: str, value: Any, *, above: bool = False) -> float:
    """Return a finite number from 0, or above it."""
    number = np.asarray(value)
    fits = number.shape == () and number.dtype.kind in "iuf" and math.isfinite(number)
    if not fits or number < 0 or (above and number == 0):
        what = type(schedule).__name__
        raise OptimizerError(
            f"{what}: found {name}={value!r}; expected a number {'above' if above else 'from'} 0\n"
            f"  fix: {what}(optimizer, {name}=0.1)"
        )
    return float(number)


def whole(schedule: object, name: str, value: Any, least: int) -> int:
    """Return a whole number, `least` or more; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        what = type(schedule).__name__
        raise OptimizerError(
            f"{what}: found {name}={value!r}; expected a whole number from {least}\n"
            f"  fix: {what}(optimizer, {name}=10)"
        )
    return int(value)


def rising(schedule: object, milestones: Any) -> list[int]:
    """Return milestones as whole numbers from 0 that do not fall."""
    given = list(milestones) if isinstance(milestones, (list, tuple, range, np.ndarray)) else [None]
    found = [whole(schedule, "milestones", each, 0) for each in given]
    if found != sorted(found):
        raise OptimizerError(
            f"{type(schedule).__name__}: found milestones={milestones!r}, which do not rise\n"
            f"  fix: milestones={sorted(found)}"
        )
    return found


def one_of(schedule: object, name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of the choices."""
    if value not in choices:
        raise OptimizerError(
            f"{type(schedule).__name__}: found {name}={value!r}\n"
            f"  fix: one of {', '.join(map(repr, choices))}"
        )


def each_group(
    schedule: object, optimizer: Optimizer, name: str, value: Any, *, above: bool = True
) -> list[float]:
    """Return one number for each group, given one for all or one for each."""
    several = list(value) if isinstance(value, (list, tuple, np.ndarray)) else None
    groups = len(optimizer.groups) if isinstance(optimizer, Optimizer) else 1
    if several is not None and len(several) != groups:
        raise OptimizerError(
            f"{type(schedule).__name__}: found {len(several)} values of {name} for {groups} groups"
            "\n  fix: give one number, or one for each group"
        )
    given = [value] * groups if several is None else several
    return [real(schedule, name, each, above=above) for each in given]
