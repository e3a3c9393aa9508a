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

__all__ = ["Check", "check"]

Array = np.ndarray[Any, Any]
Verdict = Literal["agrees", "DISAGREES", "kink", "by design", "not compared"]

WIDER = (1.0, 30.0, 1000.0)
"""Steps, in units of the smallest, of which one has to agree: rounding drowns a small one."""

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
    reason: str = ""


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

    def __call__(self, move: complex) -> float:
        """Return the output where the element has moved."""
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
        return 64 * float(np.finfo(np.float64).eps) * scale / found.delta

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

    def excused(self, found: Check, step: float) -> Check:
        """Return a disagreement as it is, or as one that a row means, or as a kink."""
        for reason in self._exempt():
            return replace(found, verdict="by design", reason=reason)
        if self.start.dtype.kind == "c":
            return found
        here = self(0.0)
        right, left = (found.above - here) / step, (here - found.below) / step
        noise = 64 * np.finfo(np.float64).eps * abs(here) / step
        apart = abs(right - left) > 1e-2 * max(abs(right), abs(left)) + 4 * noise
        margin = 1e-3 * max(abs(right), abs(left)) + noise
        if apart and min(left, right) - margin <= found.gradient <= max(left, right) + margin:
            return replace(found, verdict="kink", left=left, right=right)
        return found

    def _exempt(self) -> list[str]:
        """Return what rows downstream say of gradients that are not derivatives."""
        rows = [node.op for node in self.reading.after({self.node}) if node is not self.node]
        return [f"{op.name}: {op.exempt}" for op in rows if op is not None and op.exempt]
