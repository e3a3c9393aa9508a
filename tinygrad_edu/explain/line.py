"""Whether a gradient is the slope that a small change makes: the definition, executed.

Knows: replays of a graph, and what a sweep hands from row to row. Does not know: rules; what they
give is compared, not read. One judgement serves `explain` and `delta`. Where the two do not fit,
each row is held against its own small change: a row that gives what no side of its kink has, or
that has no kink, is wrong. Read ``explanation.py`` next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.core.graph import Node, turned
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.switch import ON, recording
from tinygrad_edu.core.tensor import Tensor, record
from tinygrad_edu.draw.reading import Reading, Sweep
from tinygrad_edu.errors import ExplanationError, MutationError
from tinygrad_edu.explain.check import (
    AXES,
    NAN,
    Check,
    Judgement,
    conditions,
    exemptions,
    part_along,
    rounding,
)
from tinygrad_edu.explain.replay import replay as computed_again
from tinygrad_edu.explain.replay import values
from tinygrad_edu.explain.slopes import EPS, SURE, VISIBLE, Look, look

__all__ = ["Line", "check"]

Array = np.ndarray[Any, Any]

CLOSE = 1e-7
"""Gradient and slope are the same if they differ by no more than this share of themselves."""

LARGE = 1e3
"""Numbers above this are moved by a share of their own size."""


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
        The step that is tried first; for large numbers relative to them.
    """
    try:
        if values(reading, {node}).get(node) is None:
            return Check("not compared", gradient, reason=f"the value of {reading.names[node]} was "
                         "not kept, nor what it was computed from")  # fmt: skip
        return Line(reading, seeds, node, place).checked(gradient, delta)
    except (ExplanationError, MutationError) as error:
        return Check("not compared", gradient, reason=str(error))


class Swept(NamedTuple):
    """What a sweep hands from row to row, if possible in double precision.

    Parameters
    ----------
    cotangents, parts : mapping
        As in `Sweep`.
    eps : float
        How exactly they are known.
    """

    cotangents: Mapping[Node, Array]
    parts: Mapping[tuple[Node, int], Array]
    eps: float


@dataclass(frozen=True)
class Row:
    """A row beside a small change of its own.

    Parameters
    ----------
    node : Node
        Its node.
    pointed : bool
        Whether it has no derivative there.
    left, right : float
        What the change makes of its result, times the gradient of that, on the two sides.
    given : tuple of float
        What its rules make of it: the change of its arguments, times their gradients.
    low, high : float
        Between what any choice of a slope at each of its kinks would give.
    size : float
        Of the terms that these are sums of.
    clear : float
        How many times the bend is what rounding may make of it, per step.
    """

    node: Node
    pointed: bool
    left: float
    right: float
    given: tuple[float, float]
    low: float
    high: float
    size: float
    clear: float = 0.0

    @property
    def off(self) -> float:
        """How far its rules are from the slope, at a kink from any choice of one."""
        if self.pointed:
            low, high = sorted(self.given)
            return max(low - self.high, self.low - high, 0.0)
        return min(self.left - self.given[0], self.right - self.given[1], self.between, key=abs)

    @property
    def between(self) -> float:
        """How far its rules are from the mean of the slopes on the two sides."""
        return (self.left + self.right - sum(self.given)) / 2


class Line:
    """The output as a function of one element, beside what the rules give.

    Parameters
    ----------
    reading : Reading
        The graph.
    seeds : mapping of Node to array
        The output is the real part of the sum of its elements times these.
    node : Node
        What is moved.
    place : tuple of int
        The element of it.
    """

    def __init__(
        self, reading: Reading, seeds: Mapping[Node, Array], node: Node, place: tuple[int, ...]
    ) -> None:
        self.reading, self.seeds, self.node, self.place = reading, seeds, node, place
        recorded = values(reading, {node})[node]
        self.start: Array = np.array(recorded, dtype=np.result_type(recorded, np.float64))
        self.axes: Mapping[complex, str] = AXES if self.start.dtype.kind == "c" else {1: ""}
        self._known: dict[complex, float] = {}

    def __call__(self, move: complex) -> float:
        """Return the output where the element has moved."""
        if move not in self._known:
            self._known[move] = self._weighted(self.moved(move))
        return self._known[move]

    def moved(self, move: complex) -> dict[Node, Array]:
        """Return all that depends on the element, where it has moved."""
        moved = self.start.copy()
        moved[self.place] += move if moved.dtype.kind == "c" else move.real
        return computed_again(self.reading, {self.node: moved})

    def _weighted(self, found: Mapping[Node, Array]) -> float:
        with np.errstate(all="ignore"):
            return sum(
                float(np.real(np.sum(found[root] * seed)))
                for root, seed in self.seeds.items()
                if root in found
            )

    # -------------------------------------------------------------------------- the sweep

    @cached_property
    def swept(self) -> Swept:
        """What the rules hand from row to row, in double precision if it can be had."""
        affected = self.reading.after({self.node})
        eps = max(float(np.finfo(_inexact(each.result.dtype)).eps) for each in affected)
        if eps > EPS:
            again = self._again(affected)
            if again is not None:
                return again
        sweep = self.reading.sweep(self.seeds)
        return Swept(sweep.cotangents, sweep.parts, eps)

    def _again(self, affected: Sequence[Node]) -> Swept | None:
        """Return the sweep of the same rows in double precision; None if it cannot be had."""
        mode = recording.set(ON)  # as if nobody watched, and whatever the caller has switched off
        try:
            with np.errstate(all="ignore"):
                twins = self._twins(affected)
                if twins is None:
                    return None
                known = {node: twin.node for node, twin in twins.items() if twin.node is not None}
                roots = [root for root in self.seeds if root in known]
                seeds = {known[root]: _double(np.asarray(self.seeds[root])) for root in roots}
                sweep: Sweep = Reading([twins[root] for root in roots]).sweep(seeds)
        except (TypeError, ValueError, RuntimeError):
            return None  # a user's function may work in one precision only
        finally:
            recording.reset(mode)
        cotangents = {n: sweep.cotangents[k] for n, k in known.items() if k in sweep.cotangents}
        parts = {
            (n, i): sweep.parts[k, i]
            for n, k in known.items()
            for i in range(len(n.primals))
            if (k, i) in sweep.parts
        }
        return Swept(cotangents, parts, EPS)

    def _twins(self, affected: Sequence[Node]) -> dict[Node, Tensor] | None:
        """Return nodes recorded once more in double precision; None if a value is lost."""
        fixed = {up for each in affected for up in each.upstream or () if up is not None}
        kept = values(self.reading, fixed.difference(affected))
        twins = {self.node: Tensor(self.start.copy(), requires_grad=True)}
        for each in affected:
            if each is self.node:
                continue
            arguments: list[Any] = []
            for up, primal in zip(each.upstream or (), each.primals, strict=True):
                value: Any = primal if up is None else twins.get(up, kept.get(up, primal))
                if isinstance(value, Like):
                    return None
                arguments.append(value if isinstance(value, Tensor) else _double(value))
            op: Any = each.op
            params = dict(each.params or {})
            if op.name == "astype" and np.dtype(params["dtype"]).kind in "fc":
                params["dtype"] = np.result_type(params["dtype"], np.float64)
            twins[each] = record(op, arguments, params)
        return twins

    def derivative(self, axis: str) -> float:
        """Return what the rules give along an axis."""
        g = self.swept.cotangents.get(self.node)
        return 0.0 if g is None else part_along(np.asarray(turned(g))[self.place], axis)

    @cached_property
    def _here(self) -> dict[Node, Array]:
        return self.moved(0)

    @cached_property
    def noise(self) -> float:
        """How far rounding moves the output: each row by its own size, times its gradient."""
        total = abs(self(0))
        for node, value in self._here.items():
            g = self.swept.cotangents.get(node)
            if g is not None:
                with np.errstate(all="ignore"):
                    total += float(np.sum(np.abs(g) * np.abs(value)))
        return 16 * EPS * (total if math.isfinite(total) else self._largest)

    @cached_property
    def _largest(self) -> float:
        return max(
            (
                float(np.max(np.abs(v), initial=0, where=np.isfinite(v)))
                for v in self._here.values()
            ),
            default=0.0,
        )

    @property
    def _nil(self) -> float:
        """Up to where a derivative is 0, rounded: a rule subtracts numbers like those it is of."""
        size = float(np.max(np.abs(_numbers(self.start)), initial=0))
        return 16 * EPS * self._largest / size if size else 0.0

    # -------------------------------------------------------------------------- judgement

    def judged(self, turn: complex = 1) -> Judgement:
        """Return what is to be thought of the derivative along an axis.

        Parameters
        ----------
        turn : complex
            1, or 1j for the imaginary axis.
        """
        axis = self.axes[turn]
        derivative = self.derivative(axis)
        at = part_along(self.start[self.place], axis)
        seen = look(lambda move: self(move * turn), at, self.noise, 1e5 * EPS * self._largest)
        found = Judgement("agrees", seen, derivative)
        if seen.kind == "nowhere":
            return replace(found, verdict="not compared", reason=NAN)
        if seen.kind == "smooth" and math.isfinite(derivative):
            assert seen.slope is not None
            slope = seen.slope.value
            allowed = SURE * seen.slope.unsure + CLOSE * max(abs(slope), abs(derivative))
            if abs(slope - derivative) <= allowed or max(abs(slope), abs(derivative)) <= self._nil:
                return found
        for reason in exemptions(self.reading, self.node):
            return replace(found, verdict="by design", reason=reason)
        if seen.kind == "jump" or seen.kind == "vertical":
            rows = self._rows(self._step(seen), turn)
            return replace(found, verdict=seen.kind, rows=_named(rows, pointed=True))
        if not math.isfinite(derivative):
            return replace(found, verdict="not compared", reason=NAN)
        contrary = None if seen.slope is None else seen.slope.against(derivative)
        if contrary is False:
            return found
        if seen.kind == "unclear" or (seen.slope is not None and contrary is None):
            reason = "the slopes of different Δ do not agree with each other"
            return replace(found, verdict="not compared", reason=reason)
        rows = self._rows(self._step(seen), turn)
        size = sum(row.size for row in rows)
        slope = seen.slope.value if seen.slope else math.nan
        if seen.slope is not None and abs(slope - derivative) <= allowed + 64 * self._eps * size:
            return found
        if seen.kind == "kink" and self._beyond(seen, turn, rows):
            reason = "a kink near by is nearer than the smallest Δ that rounding allows"
            return replace(found, verdict="not compared", reason=reason)
        wrong = [row for row in rows if abs(row.off) > 1e-3 * row.size]
        pointed = _named(rows, pointed=True)
        gap = abs(slope - derivative)
        if seen.slope is not None and not wrong:
            # What the rows at kinks do not account for is the fault of another.
            excused = sum(row.between for row in rows if row.pointed)
            wrong = [] if abs(slope - derivative - excused) <= 0.1 * gap else rows
        if seen.slope is not None and (wrong or not pointed):
            guilty = [row for row in rows if not row.pointed and abs(row.off) > 0.1 * gap]
            guilty += [row for row in rows if row.pointed and abs(row.off) > 1e-3 * row.size]
            return replace(found, verdict="DISAGREES", rows=pointed, guilty=_named(guilty))
        if wrong:
            return replace(found, verdict="DISAGREES", rows=pointed, guilty=_named(wrong))
        return replace(found, verdict="kink" if seen.kind == "kink" else "policy", rows=pointed)

    @property
    def _eps(self) -> float:
        return self.swept.eps

    def _beyond(self, seen: Look, turn: complex, rows: Sequence[Row]) -> bool:
        """Return whether what looks like a kink is none of this point, but of one near by.

        The sum of many numbers may allow only steps that reach beyond it; a row allows smaller.
        """
        size = float(abs(self.start[self.place]))
        step = min(1e-9, 1e-2 * size) if size else 1e-9
        wide = self._step(seen)
        pointed = [row for row in rows if row.pointed]
        if wide <= step or not pointed or any(row.clear * step / wide < SURE for row in pointed):
            return False
        return not any(row.pointed for row in self._rows(step, turn))

    def _step(self, seen: Look) -> float:
        """Return a step at which all that is known of a function can be read."""
        near = [each.near for each in (seen.slope, seen.left, seen.right) if each is not None]
        return max(near) if near else 1e-9 * max(1.0, float(abs(self.start[self.place])))

    def _rows(self, step: float, turn: complex) -> list[Row]:
        """Return the rows on the way, each beside a small change of its own."""
        here = self._here
        above, below, far, farther = (self.moved(k * turn * step) for k in (1, -1, 10, -10))
        slopes: dict[Node, tuple[Array, Array]] = {}
        rows: list[Row] = []
        largest = 0.0
        for node in here:
            with np.errstate(all="ignore"):
                rise, fall = _numbers(above[node] - here[node]), _numbers(here[node] - below[node])
                wide = _numbers(far[node] - 2 * here[node] + farther[node])
                largest = max(largest, float(np.max(np.abs(_numbers(here[node])), initial=0)))
            slopes[node] = rise / step, fall / step
            if node is self.node:
                continue
            bend = np.abs(rise - fall)
            visible = VISIBLE * np.maximum(np.abs(rise), np.abs(fall)) + 1e3 * EPS * largest
            # Curvature makes a step that is 10 times as wide bend 100 times as much; a kink 10.
            kinked = (bend > visible) & (np.abs(wide) < 18 * bend)
            row = self._row(node, slopes, kinked)
            clear = float(np.max(bend, initial=0, where=kinked)) / (1e3 * EPS * largest or 1.0)
            rows.append(replace(row, clear=clear if largest else math.inf))
        sources = {row.node for row in rows if row.pointed}
        return [
            replace(row, pointed=False) if row.pointed and self._inherits(row, sources) else row
            for row in rows
        ]

    def _inherits(self, row: Row, pointed: set[Node]) -> bool:
        """Return whether a row has its kink from an argument and hands it on as it should."""
        begun = any(up in pointed for up in row.node.upstream or () if up is not None)
        fits = abs(replace(row, pointed=False).off) <= 1e-3 * row.size
        sides = (row.left - row.given[0], row.right - row.given[1])
        return begun and fits and max(map(abs, sides)) <= 1e-3 * row.size

    def _row(self, node: Node, slopes: Mapping[Node, tuple[Array, Array]], kinked: Array) -> Row:
        g = self.swept.cotangents.get(node)
        right, left = (
            (np.zeros(1), np.zeros(1))
            if g is None
            else (np.real(_numbers(g) * side) for side in slopes[node])
        )
        given, size = [0.0, 0.0], float(np.sum(np.abs(right)) + np.sum(np.abs(left)))
        for i, up in enumerate(node.upstream or ()):
            part = self.swept.parts.get((node, i))
            if up is None or up not in slopes or part is None:
                continue
            for k, side in enumerate(slopes[up]):
                terms = np.real(_numbers(part) * side)
                given[1 - k] += float(np.sum(terms))
                size += float(np.sum(np.abs(terms)))
        ends = (float(np.sum(np.minimum(left, right))), float(np.sum(np.maximum(left, right))))
        margin = 1e-3 * size
        return Row(
            node, bool(np.any(kinked)), float(np.sum(left)), float(np.sum(right)),
            (given[0], given[1]), ends[0] - margin, ends[1] + margin, size,
        )  # fmt: skip

    # -------------------------------------------------------------------------- the check

    def checked(self, gradient: Any, delta: float) -> Check:
        """Return the gradient beside the slope of a small change.

        Parameters
        ----------
        gradient : number
            As the sweep of the graph gives it.
        delta : float
            The step that is tried first.
        """
        size = float(abs(self.start[self.place]))
        step = delta * size if LARGE < size < math.inf else delta  # it has to change the number
        held = conditions(self.reading, self.node)
        at_once = replace(self.compared(gradient, step), held=held)
        if at_once.verdict == "agrees" and not any(self._bends(step, turn) for turn in self.axes):
            return self._rounded(at_once)
        if not np.isfinite(self(0)):
            return replace(at_once, verdict="not compared", reason=NAN)
        found = {turn: self.judged(turn) for turn in self.axes}
        turn, worst = next(
            ((turn, each) for turn, each in found.items() if each.verdict != "agrees"),
            next(iter(found.items())),
        )
        along = self.axes[turn] if worst.verdict != "agrees" else ""
        seen = worst.look
        shown = replace(
            at_once, verdict=worst.verdict, along=along, rows=worst.rows, guilty=worst.guilty,
            reason=worst.reason, side=seen.side if seen else "",
        )  # fmt: skip
        if seen is not None and seen.left and seen.right:
            shown = replace(shown, left=seen.left.value, right=seen.right.value)
        shown = self._with_slope(shown, found, step)
        if worst.verdict == "agrees":
            apart = abs(shown.slope - gradient)
            shown = replace(shown, falls=apart > 3 * self.noise / shown.delta)
        return self._rounded(shown)

    def _rounded(self, shown: Check) -> Check:
        """Return an agreement with the gradient in double precision, where that is another."""
        exact = self.exact(shown.gradient)
        far = abs(exact - shown.gradient) > 1e-5 * abs(exact)
        return replace(shown, exact=exact) if far and shown.verdict == "agrees" else shown

    @cached_property
    def _narrow(self) -> bool:
        return any(
            np.finfo(_inexact(each.result.dtype)).eps > EPS
            for each in self.reading.after({self.node})
        )

    def _with_slope(self, shown: Check, found: Mapping[complex, Judgement], step: float) -> Check:
        """Return a check with the quotient that comes nearest to the slope."""
        slopes = [each.look.slope for each in found.values() if each.look and each.look.slope]
        if shown.side:
            sign = 1 if shown.side == "right" else -1
            step = slopes[0].delta if slopes else step
            end = self(sign * step)
            slope: Any = sign * (end - self(0)) / step
            return replace(
                shown, slope=slope, delta=step, digits=_digits(slope, shown.gradient),
                above=end if sign == 1 else math.nan, below=end if sign == -1 else math.nan,
            )  # fmt: skip
        if len(slopes) < len(found):
            return shown
        # The step that was asked for is shown if it is as good as any, or shows what falls with it.
        limit = complex(*(each.value for each in slopes))
        apart = abs(shown.slope - (limit if len(slopes) > 1 else limit.real))
        if apart <= max(1e-6 * abs(limit), 0.0 if _digits(limit, shown.gradient) else 1e-5):
            return shown
        step = min(each.delta for each in slopes)
        again = self.compared(shown.gradient, step)
        if len(slopes) == 1:
            again = replace(again, slope=slopes[0].quotient)
        return replace(
            shown, slope=again.slope, delta=step, above=again.above, below=again.below,
            digits=_digits(again.slope, shown.gradient),
        )  # fmt: skip

    def compared(self, gradient: Any, step: float) -> Check:
        """Return the comparison at one step."""
        above, below = self(step), self(-step)
        slope: Any = (above - below) / (2 * step)
        if self.start.dtype.kind == "c":
            slope += 1j * (self(step * 1j) - self(-step * 1j)) / (2 * step)
        shown = {"slope": slope, "delta": step, "above": above, "below": below}
        if not (np.isfinite(slope) and np.isfinite(gradient)):
            return Check("not compared", gradient, **shown, reason=NAN)
        known: Any = self.exact(gradient)
        close = 1e-5 if self._narrow and not self.doubled else CLOSE
        fits = abs(slope - known) <= close * max(abs(slope), abs(known))
        digits = _digits(slope, gradient)
        return Check("agrees" if fits else "DISAGREES", gradient, **shown, digits=digits)

    @property
    def doubled(self) -> bool:
        """Whether the rules were run again, in double precision, for a graph in a lower one."""
        return self._narrow and self.swept.eps <= EPS

    def exact(self, gradient: Any) -> Any:
        """Return a gradient in double precision: one of the graph, or what its rules give again."""
        if not self.doubled:
            return gradient
        found = [self.derivative(axis) for axis in self.axes.values()]
        return complex(*found) if len(found) > 1 else found[0]

    def _bends(self, step: float, turn: complex) -> bool:
        """Return whether the slopes on the two sides differ, be it at a kink or not."""
        here = self(0)
        right, left = (self(step * turn) - here) / step, (here - self(-step * turn)) / step
        scale = max(abs(here), float(abs(self.start[self.place])))
        allowed = VISIBLE * max(abs(left), abs(right)) + 4 * rounding(scale, step)
        return not abs(right - left) <= allowed


def _named(rows: Sequence[Row], *, pointed: bool = False) -> tuple[str, ...]:
    """Return what operations rows are of, each once."""
    chosen = [row.node.op for row in rows if row.pointed or not pointed]
    return tuple(dict.fromkeys(op.name for op in chosen if op is not None))


def _digits(slope: Any, gradient: Any) -> int:
    """Return in how many digits two numbers agree."""
    apart, size = abs(slope - gradient), max(abs(slope), abs(gradient))
    if not apart:
        return 15
    return max(0, min(15, math.floor(-math.log10(apart / size)))) if math.isfinite(apart) else 0


def _numbers(array: Any) -> Array:
    """Return an array with 0 where it is nan or infinite."""
    found: Array = np.where(np.isfinite(array), array, 0)
    return found


def _inexact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def _double(value: Any) -> Any:
    """Return real and complex arrays in double precision or wider, anything else as it is."""
    if getattr(value, "dtype", np.dtype(bool)).kind not in "fc":
        return value
    return value.astype(np.result_type(value.dtype, np.float64), copy=False)
