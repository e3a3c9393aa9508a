"""Slopes of the function itself along a direction, and the verdict on a gradient by them.

The two steps, the slopes from both sides and the tolerance are explained in ``check.py``; the
formula is in ``difference.py``. Read ``explain.py`` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu.numeric.difference import directional_derivative
from tinygrad_edu.numeric.report import error_ratio
from tinygrad_edu.numeric.subject import Subject

__all__ = ["Comparison", "Limits", "Slope", "Verdict", "signed"]

Array = np.ndarray[Any, Any]

_STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # relative; the first serves nearly everything
_KINK_STEP = 1e-5  # nearer than this to a kink is at the kink
_ROUNDING = 256 * np.finfo(np.float64).eps  # of abs(f): f rounds a few hundred times
_SMOOTH = 0.8  # halving h divides the gap of one-sided slopes by four, and leaves a kink's as it is
BLOCK = 1000  # elements that are looked at one by one


@dataclass(frozen=True)
class Limits:
    """What the caller asked for."""

    rtol: float
    atol: float
    rng: np.random.Generator
    directions: int
    forward: bool


def signed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return random numbers of both signs that are neither small nor alike."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


@dataclass(frozen=True)
class Slope:
    """How all outputs change along a direction, per unit of it."""

    along: Array
    error: Array  # how far the steps h and h/2 differ
    left: Array
    right: Array
    rounding: Array
    gap: Array  # between the values at h and -h
    kinked: Array  # whether left and right differ, and go on doing so as h shrinks


def slope_along(subject: Subject, direction: Array, step: float) -> Slope | None:
    """Return the slopes by steps of a relative size; ``None`` where f is not finite."""
    point, moving = subject.point, direction != 0
    h = step * float((np.maximum(1, np.abs(point[moving])) / np.abs(direction[moving])).min())
    seen: dict[float, Array] = {}

    def phi(t: Any) -> Array:
        t = float(t)
        if t not in seen:
            seen[t] = subject.values(point + t * direction)
        return seen[t]

    def one_sided(k: float) -> Array:
        return np.asarray((4 * phi(k) - phi(2 * k) - 3 * phi(0)) / (2 * k))

    coarse = directional_derivative(phi, 0.0, 1.0, h=h)
    fine = directional_derivative(phi, 0.0, 1.0, h=h / 2)
    left, right = one_sided(-h / 2), one_sided(h / 2)
    values = np.array(list(seen.values()))
    if not np.isfinite(values).all():
        return None
    # An output that the direction does not reach is the same to the last bit: it rounds nothing.
    rounding = _ROUNDING * np.abs(values).max(axis=0) * (values != values[0]).any(axis=0) / h
    parted, parted_before = np.abs(right - left), np.abs(one_sided(h) - one_sided(-h))
    kinked = (
        (parted > _SMOOTH * parted_before)
        & (parted > rounding)
        & (parted > 1e-4 * (np.abs(right) + np.abs(left)))
        & (parted > 1e-9 * np.abs(fine).max(initial=0))
    )
    return Slope(fine, np.abs(fine - coarse), left, right, rounding, phi(h) - phi(-h), kinked)


@dataclass(frozen=True)
class Verdict:
    """One slope by the engine and by differences."""

    state: str  # "settled", "kink", "jump", "unsettled", "not finite"
    analytic: float
    numeric: float
    tolerance: float
    rounding: float
    slope: Slope | None

    @property
    def error(self) -> float:
        """The distance of the two slopes."""
        return abs(self.analytic - self.numeric)

    @property
    def ratio(self) -> float:
        """The error in units of the tolerance."""
        return error_ratio(self.error, self.tolerance)


@dataclass(frozen=True)
class Comparison:
    """The gradient of the outputs with some weights, to be compared with slopes."""

    subject: Subject
    limits: Limits
    weights: Array
    gradient: Array
    shaken: Array  # how far rounding moves the gradient

    def along(self, direction: Array) -> Verdict:
        """Return the verdict on one direction, by the first step that settles it."""
        analytic = float(self.gradient @ direction)
        spread = float(np.linalg.norm(self.gradient * direction))
        swept = float(np.linalg.norm(self.shaken * direction))
        weights = np.abs(self.weights)
        verdict = Verdict("not finite", analytic, np.nan, 0.0, 0.0, None)
        widest = 0.0
        for step in _STEPS:
            slope = slope_along(self.subject, direction, step)
            if slope is None:
                continue
            numeric = float(self.weights @ slope.along)
            rounding = float(weights @ slope.rounding) + swept
            tolerance = self.limits.rtol * max(abs(numeric), spread) + rounding
            atol = self.limits.atol
            unsettled = float(weights @ slope.error) > tolerance + atol
            kinked = bool((slope.kinked & (np.abs(slope.right - slope.left) > atol)).any())
            at_kink = kinked and (step <= _KINK_STEP or not unsettled)
            state = "kink" if at_kink else "unsettled" if unsettled else "settled"
            tolerance += atol
            verdict = Verdict(state, analytic, numeric, tolerance, rounding, slope)
            widest = max(widest, float(np.abs(slope.gap).max(initial=0)))
            if state != "unsettled":
                return verdict
        # Where f is continuous the gap would have shrunk with the step, by five decades.
        jumps = (
            verdict.slope is not None and np.abs(verdict.slope.gap).max(initial=0) > widest / 100
        )
        return replace(verdict, state="jump") if jumps else verdict

    def unit(self, element: int) -> Array:
        """Return the direction in which one element moves."""
        direction = np.zeros_like(self.gradient)
        direction[element] = 1
        return direction

    def block(self, elements: Array, bad: Callable[[Verdict], float]) -> Array:
        """Return so few of the elements that each can be looked at, by halving towards the bad."""
        while elements.size > BLOCK:
            halves = np.array_split(elements, 2)
            found = []
            for half in halves:
                direction = np.zeros_like(self.gradient)
                direction[half] = signed(self.limits.rng, half.shape)
                found.append(bad(self.along(direction)))
            elements = halves[int(np.argmax(found))]
        return elements
