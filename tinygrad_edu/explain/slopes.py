"""What difference quotients of many sizes say of a function at a point: its slope, or why none.

Knows: numbers along a line. Does not know: graphs, rows, gradients. A quotient errs by the
curvature where the step is wide and by rounding where it is narrow, so no single one is believed:
what counts is what they come to as the step falls, and how well they agree on it. Read
``line.py`` next.

References
----------
L. F. Richardson, "The approximate arithmetical solution by finite differences" (1911): the
extrapolation of two quotients to the step 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

__all__ = ["EPS", "VISIBLE", "Look", "Slope", "ladder", "look"]

EPS = float(np.finfo(np.float64).eps)

VISIBLE = 1e-4
"""Sides that differ by less, relative to their slopes, are no kink to speak of."""

SURE = 10.0
"""Numbers are told apart if they differ by so many times what they may be wrong."""

READABLE = 0.05
"""A quotient is read as long as rounding moves it by no more than this share of itself."""

DOUBTFUL = 1e-3
"""A difference of so small a share that the smallest steps do not confirm is none."""

JUMPS, STEEP = 0.02, 0.9
"""With which power of the step a change falls: below at a jump, up to here at a vertical tangent,
with the first power where there is a slope."""

Side = Literal["", "left", "right"]
Kind = Literal["smooth", "kink", "jump", "vertical", "unclear", "nowhere"]


@dataclass(frozen=True)
class Slope:
    """What quotients come to as their step falls.

    Parameters
    ----------
    value : float
        The limit, extrapolated.
    unsure : float
        How far it may be off.
    delta, quotient : float
        The step that comes nearest to it, and its quotient.
    near : float
        The smallest step that can be read.
    noise : float
        How far rounding moves a value of the function.
    tried : tuple of (step, extrapolated value, how far it may be off)
        From the widest step.
    """

    value: float
    unsure: float
    delta: float
    quotient: float
    near: float
    noise: float
    tried: tuple[tuple[float, float, float], ...]

    def against(self, known: float) -> bool | None:
        """Return whether the slope is another than is claimed; None if it cannot be told.

        What wide steps say may be of a place beyond a kink: the smallest steps decide that rounding
        leaves fine enough to tell the two apart.
        """
        gap = abs(self.value - known)
        share = gap / max(abs(self.value), abs(known)) if gap else 0.0
        fine = [each for each in self.tried if 3 * self.noise / each[0] <= gap / SURE][-3:]
        if len(fine) < 3:  # rounding hides the difference, unless it is a gross one
            return False if share <= 0.1 else None
        if all(unsure < gap / SURE and abs(value - known) > gap / 2 for _, value, unsure in fine):
            return True
        return False if share <= DOUBTFUL else None


@dataclass(frozen=True)
class Look:
    """A function at a point.

    Parameters
    ----------
    kind : str
        ``smooth``, ``kink``, ``jump``, ``vertical``; ``unclear`` where the quotients agree on
        nothing, ``nowhere`` where there are no numbers.
    side : str
        On which side the function has values, if only on one.
    slope : Slope, optional
        Of a smooth one: from both sides, or from the only one.
    left, right : Slope, optional
        On the sides.
    """

    kind: Kind
    side: Side = ""
    slope: Slope | None = None
    left: Slope | None = None
    right: Slope | None = None


def ladder(at: float) -> tuple[float, ...]:
    """Return the steps that are tried at a point, from the widest: down to a share of the point."""
    size = abs(at)
    steps = [max(1.0, size) * 10.0**-k for k in range(1, 14)]
    if 0 < size < 1:
        steps += [size * 10.0**-k for k in range(1, 9) if size * 10.0**-k < steps[-1] / 2]
    return tuple(step for step in steps if step > 0)


def look(function: Callable[[float], float], at: float, noise: float, grain: float) -> Look:
    """Return what a function is like at a point.

    Parameters
    ----------
    function : callable
        The function of a move away from the point.
    at : float
        The point: a move is rounded to what can be added to it.
    noise : float
        How far rounding moves a value of the function.
    grain : float
        A change that may be all of rounding.
    """
    steps = ladder(at)
    up = [(at + step) - at for step in steps]
    down = [at - (at - step) for step in steps]
    here = function(0.0)
    if not math.isfinite(here):
        return Look("nowhere")
    rise = [function(step) - here for step in steps]
    fall = [here - function(-step) for step in steps]
    ends = [all(map(math.isfinite, each[-4:])) for each in (rise, fall)]
    if not any(ends):
        return Look("nowhere")
    side: Side = "" if all(ends) else "right" if ends[0] else "left"
    changes = [
        max((abs(c) for c in pair if math.isfinite(c)), default=math.nan)
        for pair in zip(rise, fall, strict=True)
    ]
    noise = max(noise, _grain(changes, grain))
    kind = _growth(steps, changes, noise)
    if kind is not None:
        return Look(kind, side)
    right = _settled(up, [r / h for r, h in zip(rise, up, strict=True)], noise, 1)
    left = _settled(down, [f / h for f, h in zip(fall, down, strict=True)], noise, 1)
    if side:
        slope = right if side == "right" else left
        return Look("smooth" if slope else "unclear", side, slope, left, right)
    if left is not None and right is not None and _apart(left, right):
        return Look("kink", "", None, left, right)
    both = [(r + f) / (u + d) for r, f, u, d in zip(rise, fall, up, down, strict=True)]
    slope = _settled(steps, both, noise, 2)
    if slope is not None and 0 < max(filter(math.isfinite, changes)) <= 100 * noise:
        slope = replace(slope, tried=())  # what moves may be rounding alone
    return Look("smooth" if slope else "unclear", "", slope, left, right)


def _apart(left: Slope, right: Slope) -> bool:
    """Return whether the slopes on two sides differ, also by the smallest steps that show it."""
    gap, n = abs(left.value - right.value), min(len(left.tried), len(right.tried))
    visible = VISIBLE * max(abs(left.value), abs(right.value))
    fine = [
        abs(a[1] - b[1]) > gap / 2
        for a, b in zip(left.tried[-n:], right.tried[-n:], strict=True)
        if 3 * left.noise / a[0] <= gap / SURE
    ]
    return gap > SURE * (left.unsure + right.unsure) + visible and all(fine[-3:])


def _grain(changes: Sequence[float], limit: float) -> float:
    """Return the size of the last change above 0, if it is so small that it may be rounding."""
    if changes[-1] == 0:
        last = next((change for change in reversed(changes) if change > 0), 0.0)
        return last if last <= limit else 0.0
    return 0.0


def _growth(steps: Sequence[float], changes: Sequence[float], noise: float) -> Kind | None:
    """Return whether the changes fall more slowly than the steps, and how; None if they do not."""
    clear = [k for k, c in enumerate(changes) if math.isfinite(c) and c > 1e3 * noise]
    if len(clear) < 4 or clear[-1] - clear[-4] != 3:
        return None
    powers = [
        math.log(changes[k - 1] / changes[k]) / math.log(steps[k - 1] / steps[k])
        for k in clear[-3:]
    ]
    if max(powers) < JUMPS and min(powers) > -JUMPS:
        return "jump"
    if max(powers) < STEEP and min(powers) > 0:
        return "vertical"
    return None


def _settled(
    steps: Sequence[float], quotients: Sequence[float], noise: float, order: int
) -> Slope | None:
    """Return what quotients come to, whose error falls with a power of the step; None if nothing.

    From the smallest step that can be read the wider ones are taken in as long as they agree: what
    they say beyond a kink near by is not of this point.
    """
    first = next((k for k in reversed(range(len(steps))) if not math.isfinite(quotients[k])), -1)
    values: dict[int, float] = {}
    unsure: dict[int, float] = {}
    for k in range(first + 2, len(steps)):
        ratio = (steps[k - 1] / steps[k]) ** order
        values[k] = quotients[k] + (quotients[k] - quotients[k - 1]) / (ratio - 1)
        before = values.get(k - 1, quotients[k - 1])
        unsure[k] = abs(values[k] - before) + 3 * noise / steps[k]
    if not values:
        return None
    # One that is known well says what is large here: beside it a slope of 0 can be read as well.
    scale = max((abs(values[k]) for k in values if SURE * unsure[k] < abs(values[k])), default=0.0)
    readable = [k for k in values if 3 * noise / steps[k] <= READABLE * max(scale, abs(values[k]))]
    run: list[int] = []
    for k in sorted(readable or values, key=lambda k: steps[k] if readable else unsure[k]):
        if not all(abs(values[k] - values[j]) <= SURE * (unsure[k] + unsure[j]) for j in run):
            break
        run.append(k)
    best = min(run, key=lambda k: unsure[k])
    value = values[best]
    # The quotient that is shown is one that came out, not one that was extrapolated.
    shown = min(run, key=lambda k: (abs(quotients[k] - value), -steps[k]))
    near = [k for k in run if unsure[k] <= VISIBLE * abs(value)] or [best]
    return Slope(
        value,
        unsure[best],
        steps[shown],
        quotients[shown],
        min(steps[k] for k in near),
        noise,
        tuple((steps[k], values[k], unsure[k]) for k in sorted(values)),
    )
