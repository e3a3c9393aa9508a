"""Whether a gradient is the slope that a small change makes: the definition, executed.

Knows: replays of a graph. Does not know: rules; no derivative is read here. Read
``explanation.py`` next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.errors import ExplanationError, MutationError
from tinygrad_edu.explain.replay import replay as computed_again
from tinygrad_edu.explain.replay import values

__all__ = ["Check", "Sides", "check", "exemptions", "policies", "rounding"]

Array = np.ndarray[Any, Any]
Verdict = Literal["agrees", "DISAGREES", "kink", "by design", "not compared"]

WIDER = (1.0, 30.0, 1000.0)
"""Steps, in units of the smallest, of which one has to agree: rounding drowns a small one."""

VISIBLE = 1e-4
"""Sides that differ by less, relative to their slopes, are no kink to speak of."""

AXES = {1: "along the real axis", 1j: "along the imaginary axis"}
"""Directions in which a complex number can move."""

LARGE = 1e3
"""Numbers above this are moved by a share of their own size."""


@dataclass(frozen=True)
class Check:
    """A gradient beside the slope of a small change.

    Parameters
    ----------
    verdict : str
        ``agrees``, ``DISAGREES``, ``kink``, ``by design``, ``not compared``.
    gradient : number
        Of the sweep.
    slope : number
        ``(L(x + Δ) − L(x − Δ)) / 2Δ``.
    delta : float
        The Δ.
    above, below : float
        ``L(x + Δ)`` and ``L(x − Δ)``.
    digits : int
        In how many digits the two agree.
    left, right : float
        At a kink the slopes on its two sides.
    along : str
        At a kink of a complex number: along which axis they are.
    reason : str
        Where they were not compared, or differ by design: why.
    """

    verdict: Verdict
    gradient: Any
    slope: Any = math.nan
    delta: float = 0.0
    above: float = math.nan
    below: float = math.nan
    digits: int = 0
    left: float = math.nan
    right: float = math.nan
    along: str = ""
    reason: str = ""

    @property
    def middle(self) -> bool:
        """Whether at a kink the gradient is half-way between the slopes of its two sides."""
        apart = abs((self.left + self.right) / 2 - part_along(self.gradient, self.along))
        return apart <= 1e-3 * max(abs(self.left), abs(self.right))


@dataclass(frozen=True)
class Sides:
    """The slopes on the two sides of a point, by one step each.

    Parameters
    ----------
    left, right : number
        ``(L(x) − L(x − Δ)) / Δ`` and ``(L(x + Δ) − L(x)) / Δ``.
    step : float
        The Δ.
    """

    left: Any
    right: Any
    step: float

    @property
    def apart(self) -> Any:
        """By how much the two differ."""
        return self.right - self.left

    def differ(self, noise: float) -> bool:
        """Return whether they differ by more than rounding, so much that one would see it."""
        size = max(abs(self.left), abs(self.right))
        return bool(np.isfinite(size) and abs(self.apart) > VISIBLE * size + noise)

    def kinked(self, wider: Sides) -> bool:
        """Return whether slopes that differ do so at the point itself.

        Curvature makes the sides of a wider step differ more, rounding makes them differ less; at a
        kink they differ by the same.
        """
        spread = math.cbrt(wider.step / self.step)
        alike = float(np.real(self.apart * np.conj(wider.apart))) > 0
        return alike and abs(self.apart) / spread < abs(wider.apart) < abs(self.apart) * spread


def rounding(scale: float, step: float) -> float:
    """Return how far rounding can move the slope of a step, where values are of a size."""
    return 64 * float(np.finfo(np.float64).eps) * scale / step


def exemptions(reading: Reading, node: Node) -> list[str]:
    """Return what rows that depend on a node say of gradients that are not derivatives."""
    rows = [each.op for each in reading.after({node}) if each is not node]
    return [f"{op.name}: {op.exempt}" for op in rows if op is not None and op.exempt]


def policies(reading: Reading, node: Node) -> list[tuple[str, str]]:
    """Return the rows that depend on a node and are at a kink, with what they give there.

    Parameters
    ----------
    reading : Reading
        The graph.
    node : Node
        A leaf, or the result of a row.
    """
    rows: dict[str, str] = {}
    for each in reading.after({node}):
        op: Any = each.op
        if each is not node and op.kinks and op.policy and _at_kink(reading, each):
            rows[op.name] = op.policy
    return list(rows.items())


def _at_kink(reading: Reading, node: Node) -> bool:
    """Return whether a row may have been called at one of its kinks."""
    op: Any = node.op
    pairs = zip(node.upstream or (), node.primals, strict=True)
    given = [primal if up is None else reading.values.get(up, primal) for up, primal in pairs]
    arrays = [np.asarray(value) for value in given if isinstance(value, (np.ndarray, np.generic))]
    if op.params or op.kind != "elementwise" or len(arrays) < len(given):
        return True  # keywords may move the kink, and what was not kept may have been there
    if "ties" in op.kinks.values():
        return bool(np.any(arrays[0] == arrays[-1]))
    return any(np.isin(arrays[op.arguments.index(k)], at).any() for k, at in op.kinks.items())


def part_along(value: Any, along: str) -> float:
    """Return a gradient along an axis of the complex plane, a real one as it is."""
    return float(np.imag(value) if along == AXES[1j] else np.real(value))


def check(
    reading: Reading,
    seeds: Mapping[Node, Array],
    node: Node,
    place: tuple[int, ...],
    gradient: Any,
    delta: float,
) -> Check:
    """Return the slope of the output along one element of a node, beside its gradient.

    Parameters
    ----------
    reading : Reading
        The graph.
    seeds : mapping of Node to array
        With what the sweep began: the output is the sum of its elements times these.
    node : Node
        What is moved.
    place : tuple of int
        The element of it.
    gradient : number
        Of the sweep, as users know it: of a complex number the direction of steepest rise.
    delta : float
        The step; for large numbers relative to them.
    """
    try:
        recorded = values(reading, {node}).get(node)
        if recorded is None:
            return Check("not compared", gradient, reason=f"the value of {reading.names[node]} was "
                         "not kept, nor what it was computed from")  # fmt: skip
        start = np.array(recorded, dtype=np.result_type(recorded, np.float64))
        size = float(abs(start[place]))
        step = delta * size if LARGE < size < math.inf else delta  # it has to change the number
        along = _Line(reading, seeds, node, place, start)
        tried: list[Check] = []
        for wider in WIDER:
            found = along.compared(gradient, step * wider, recorded.dtype)
            if found.verdict == "agrees":
                return along.smooth(found)
            if found.verdict != "DISAGREES":
                return found
            tried.append(found)
    except (ExplanationError, MutationError) as error:
        return Check("not compared", gradient, reason=str(error))
    return along.judged(tried)


class _Line:
    """The output as a function of one element."""

    def __init__(
        self,
        reading: Reading,
        seeds: Mapping[Node, Array],
        node: Node,
        place: tuple[int, ...],
        start: Array,
    ) -> None:
        self.reading, self.seeds, self.node = reading, seeds, node
        self.place, self.start = place, start
        self._known: dict[complex, float] = {}

    def __call__(self, move: complex) -> float:
        """Return the output where the element has moved."""
        if move not in self._known:
            self._known[move] = self._computed(move)
        return self._known[move]

    def _computed(self, move: complex) -> float:
        moved = self.start.copy()
        moved[self.place] += move if moved.dtype.kind == "c" else move.real
        found = computed_again(self.reading, {self.node: moved})
        total = 0.0
        with np.errstate(all="ignore"):
            for root, seed in self.seeds.items():
                if root in found:
                    total += float(np.real(np.sum(found[root] * seed)))
        return total

    def compared(self, gradient: Any, step: float, dtype: np.dtype[Any]) -> Check:
        """Return the comparison at one step."""
        above, below = self(step), self(-step)
        slope: Any = (above - below) / (2 * step)
        if self.start.dtype.kind == "c":
            slope += 1j * (self(step * 1j) - self(-step * 1j)) / (2 * step)
        shown = {"slope": slope, "delta": step, "above": above, "below": below}
        if not (np.isfinite(slope) and np.isfinite(gradient)):
            reason = "a number on the way is nan or infinite"
            return Check("not compared", gradient, **shown, reason=reason)
        size, apart = max(abs(slope), abs(gradient)), abs(slope - gradient)
        digits = 15 if not apart else min(15, math.floor(-math.log10(apart / size)))
        precise = 1e-5 if dtype.itemsize >= 8 else 1e-3
        # A graph in single precision has lost the rest in its own sweep.
        lost = 16 * float(np.finfo(dtype).eps) * max(abs(above), abs(below))
        fits = apart <= precise * size + (lost if dtype.itemsize < 8 else 0.0)
        return Check("agrees" if fits else "DISAGREES", gradient, **shown, digits=max(digits, 0))

    def noise(self, found: Check) -> float:
        """Return how far rounding can move the slope of one step."""
        scale = max(abs(found.above), abs(found.below), float(abs(self.start[self.place])))
        return rounding(scale, found.delta)

    def judged(self, tried: Sequence[Check]) -> Check:
        """Return the verdict where no step has given the gradient.

        A wide step errs by the curvature, a small one by rounding: both are estimated, and the
        gradient may be as far away as the best of the slopes may be wrong.
        """
        small, middle, wide = tried
        bend = abs(wide.slope - middle.slope)
        errors = [
            self.noise(small),
            self.noise(middle) + bend * (middle.delta / wide.delta) ** 2,
            self.noise(wide) + bend,
        ]
        best = int(np.argmin(errors))
        found = tried[best]
        if abs(found.slope - found.gradient) <= errors[best]:
            return replace(found, verdict="agrees", digits=0)
        return self.excused(small, small.delta)

    def smooth(self, found: Check) -> Check:
        """Return an agreement as it is, or as a kink at which the two happen to agree."""
        if exemptions(self.reading, self.node):
            return found
        return self.kink(found, found.delta) or found

    def excused(self, found: Check, step: float) -> Check:
        """Return a disagreement as it is, or as one that a row means, or as a kink."""
        for reason in exemptions(self.reading, self.node):
            return replace(found, verdict="by design", reason=reason)
        return self.kink(found, step) or found

    def kink(self, found: Check, step: float) -> Check | None:
        """Return a comparison as that of a kink, or None where the gradient is not of one."""
        for turn, axis in AXES.items() if self.start.dtype.kind == "c" else ((1, ""),):
            near = self.sides(step, turn)
            scale = max(abs(self(0)), abs(self(step * turn)), float(abs(self.start[self.place])))
            noise = 4 * rounding(scale, step)
            if not (near.differ(noise) and near.kinked(self.sides(30 * step, turn))):
                continue
            low, high = sorted((near.left, near.right))
            margin = 1e-3 * max(abs(low), abs(high)) + noise
            if low - margin <= part_along(found.gradient, axis) <= high + margin:
                sides = {"left": near.left, "right": near.right, "along": axis}
                return replace(found, verdict="kink", **sides)
        return None

    def sides(self, step: float, turn: complex) -> Sides:
        """Return the slopes on the two sides of the point."""
        here = self(0)
        above, below = self(step * turn), self(-step * turn)
        return Sides((here - below) / step, (above - here) / step, step)
