r"""L-BFGS: Newton's direction, from the last steps and what they changed in the gradient.

Knows: a loss that can be asked for again, the history, the line search. Does not know: what is
minimised. Letters: :math:`g` gradient, :math:`d` direction, :math:`t` step length,
:math:`s = t d` a step, :math:`y` the change of the gradient along it. Unlike the other rules it
looks at all parameters together; vectors are lists of arrays, one for each parameter, and products
are summed exactly, so that the order of the parameters does not matter.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf
from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.optimizer import Groups, Hyper, Optimizer, Run

__all__ = ["LBFGS"]

Array = np.ndarray[Any, Any]
Vector = list[Array]
SUFFICIENT, CURVATURE = 1e-4, 0.9
"""Wolfe's two constants."""


class LBFGS(Optimizer):
    r"""Quasi-Newton steps that remember the last pairs :math:`(s, y)`, for losses without noise.

    .. math::
        \theta \leftarrow \theta + t\,d, \qquad d = -H g, \qquad
        H_{k+1} = V_k^T H_k V_k + \frac{s_k s_k^T}{y_k^T s_k}, \quad
        V_k = I - \frac{y_k s_k^T}{y_k^T s_k}

    :math:`H`, the estimate of the inverse Hessian, starts from :math:`\frac{y^T s}{y^T y} I` of the
    newest pair, and is never formed: its product with :math:`g` is two loops over the pairs. A pair
    with :math:`y^T s \le 10^{-10}` is left out. There is no :math:`\epsilon`.

    ``step`` takes a closure, and makes up to `max_iter` such steps. Without line search
    :math:`t = \eta`, in the very first step :math:`\eta \min(1, 1/\lVert g \rVert_1)`; with it that
    is the first point tried. The line search looks for the strong Wolfe conditions

    .. math::
        f(t) \le f(0) + 10^{-4}\, t f'(0), \qquad \lvert f'(t) \rvert \le 0.9\,\lvert f'(0) \rvert

    Form, defaults and stopping rules are PyTorch's. All parameters are one group. The history is
    saved: twice `history_size` numbers for each parameter's one. If other parameters than in the
    step before have gradients, because some were frozen or thawed, the history starts anew.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update.
    lr : float
        Step length :math:`\eta`, at least 0.
    max_iter : int
        Steps in one call, at least 1.
    max_eval : int, optional
        Calls of the closure in one call, about; 5/4 of `max_iter` by default.
    tolerance_grad : float
        Ends the call: largest element of the gradient, at least 0.
    tolerance_change : float
        Ends the call: change of the loss, or of the largest element of the parameters; at least 0.
    history_size : int
        Pairs that are remembered, at least 1.
    line_search_fn : str, optional
        ``"strong_wolfe"``, or None for a fixed step length.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    J. Nocedal, "Updating quasi-Newton matrices with limited storage", Math. Comp. 35 (1980);
    J. Nocedal, S. J. Wright, "Numerical optimization", 2006, algorithms 7.4, 7.5, 3.5, 3.6,
    eq. 3.59.
    """

    needs_closure = True
    joined = False
    tolerance_grad = Hyper("[0, inf)")
    tolerance_change = Hyper("[0, inf)")

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        self.max_iter = max_iter
        self.max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        self.history_size, self.line_search_fn = history_size, line_search_fn
        super().__init__(
            parameters, lr=lr, tolerance_grad=tolerance_grad, tolerance_change=tolerance_change
        )
        if len(self.groups) > 1:
            raise OptimizerError(
                f"LBFGS: found {len(self.groups)} groups; its step is one vector of all parameters"
                "\n  fix: pass the parameters as one list, or the model"
            )
        self.counts = {name: np.array(0, np.int64) for name in ("pairs", "turns", "present")}
        self.numbers = {name: np.array(1.0) for name in ("length", "scale")}

    def settle(self) -> None:
        """Refuse counts below 1, and an unknown line search."""
        for name in ("max_iter", "max_eval", "history_size"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
                raise OptimizerError(
                    f"LBFGS: found {name}={count!r}; expected a whole number from 1\n"
                    f"  fix: LBFGS(model, {name}=20)"
                )
        if self.line_search_fn not in (None, "strong_wolfe"):
            raise OptimizerError(
                f"LBFGS: found line_search_fn={self.line_search_fn!r}\n"
                "  fix: 'strong_wolfe', or None"
            )

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the last gradient and direction, and room for the history, newest at the end."""
        room = (*parameter.shape, self.history_size)
        return {
            "gradient": np.zeros_like(parameter),
            "direction": np.zeros_like(parameter),
            # One pair after the other in memory, though the pairs count along the last axis.
            "steps": np.zeros(room, parameter.dtype, order="F"),
            "changes": np.zeros(room, parameter.dtype, order="F"),
        }

    def add_group(self, group: Mapping[str, Any]) -> None:
        """Refuse: the step is one vector of all parameters."""
        raise OptimizerError(
            f"LBFGS.add_group: found {sorted(group)}; there is one group only\n"
            "  fix: make a new LBFGS of all parameters"
        )

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name: hyper-parameters, counts, and the history."""
        return {**self.counts, **self.numbers, **super().state()}

    def _check_counts(self, arrays: Mapping[str, Array]) -> None:
        """Refuse counts and a history that no run can have reached."""
        super()._check_counts(arrays)
        wrong = [name for name in self.counts if arrays[name] < 0]
        wrong += [name for name in self.numbers if not np.isfinite(arrays[name])]
        if wrong or arrays["pairs"] > arrays["turns"] or arrays["turns"] > arrays["step"]:
            shown = ", ".join(f"{name}={arrays[name]}" for name in (*self.counts, *self.numbers))
            raise OptimizerError(
                f"LBFGS: found {shown} after {arrays['step']} steps\n"
                "  fix: load a state that state_dict() returned"
            )

    # ---- the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to `max_iter` steps, and return the loss before them.

        Parameters
        ----------
        closure : callable
            Drops the gradients, computes the loss, calls ``backward()`` and returns the loss. It is
            called several times, and must compute the same function each time.

        Raises
        ------
        OptimizerError
            There is no closure, or it left no gradients.
        """
        if closure is None:
            raise OptimizerError(
                "LBFGS.step: found no closure; it asks for the loss at several points\n"
                "  fix: def closure(): optimizer.zero_grad(); loss = ...; loss.backward(); "
                "return loss\n       optimizer.step(closure)"
            )
        first = closure()
        here = self._point(0.0, first)
        calls, scalars = 1, self.scalars
        self._recall()
        if here.steepest <= self.tolerance_grad:
            return first
        for iteration in range(1, self.max_iter + 1):
            scalars["step"] += 1
            self.counts["turns"] += 1
            direction = self._direction(here.gradient)
            length = self.lr
            if self.counts["turns"] == 1:
                length *= min(1.0, 1 / math.fsum(float(np.abs(g).sum()) for g in here.gradient))
            self._remember(here.gradient, direction, length)
            slope = dot(here.gradient, direction)
            if slope > -self.tolerance_change:
                break
            before, start = here, [run[0].copy() for run in self._present()]
            probe = partial(self._probe, closure, start, direction)
            if self.line_search_fn is not None:
                before = Point(0.0, here.value, here.gradient, slope)
                here, tried = wolfe(
                    probe,
                    before,
                    length,
                    size=reach(direction),
                    tolerance=self.tolerance_change,
                    most=self.max_eval - calls,
                )
                self._move(start, direction, here.length)
                calls += tried
            elif iteration < self.max_iter:
                here = probe(length)
                calls += 1
            else:
                self._move(start, direction, length)
                break
            self.numbers["length"][...] = here.length
            if (
                calls >= self.max_eval
                or here.steepest <= self.tolerance_grad
                or abs(here.length) * reach(direction) <= self.tolerance_change
                or abs(here.value - before.value) < self.tolerance_change
            ):
                break
        return first

    def _present(self) -> list[Run]:
        return [run for flat in self._flats() for run in flat.runs()]

    def _point(self, length: float, loss: Any, direction: Vector | None = None) -> Point:
        """Return what the closure has found: its loss, and a copy of the gradients it left."""
        runs = self._present()
        if not runs or (direction is not None and len(runs) != len(direction)):
            raise OptimizerError(
                f"LBFGS.step: the closure left {len(runs)} gradients"
                f"{'' if direction is None else f', the call before {len(direction)}'}\n"
                "  fix: let it call zero_grad(), compute the loss of all parameters, and backward()"
            )
        if self.hooks:
            self._run_hooks(runs)
        gradient = [run[1].copy() for run in runs]
        slope = 0.0 if direction is None else dot(gradient, direction)
        return Point(length, float(loss), gradient, slope)

    def _probe(
        self, closure: Callable[[], Any], start: Vector, direction: Vector, length: float
    ) -> Point:
        """Go to a point of the line, and return it."""
        self._move(start, direction, length)
        return self._point(length, closure(), direction)

    def _move(self, start: Vector, direction: Vector, length: float) -> None:
        """Put the parameters at a point of the line."""
        self._mark_written()
        for run, origin, along in zip(self._present(), start, direction, strict=True):
            np.add(origin, along * origin.dtype.type(length), out=run[0])

    # ---- the history

    def _recall(self) -> None:
        """Forget the history if it is of other parameters than those that have gradients now."""
        names = [
            name
            for flat in self._flats()
            for name, parameter in zip(flat.names, flat.parameters, strict=True)
            if isinstance(parameter.node, Leaf) and parameter.node.grad is not None
        ]
        present = zlib.crc32("\n".join(sorted(names)).encode())
        if self.counts["present"] != present:
            self.counts["present"][...] = present
            self.counts["turns"][...] = self.counts["pairs"][...] = 0

    def _remember(self, gradient: Vector, direction: Vector, length: float) -> None:
        self.numbers["length"][...] = length
        for run, g, d in zip(self._present(), gradient, direction, strict=True):
            run[2]["gradient"][...], run[2]["direction"][...] = g, d

    def _direction(self, gradient: Vector) -> Vector:
        """Return :math:`-Hg` by two loops over the pairs, after taking in the newest pair."""
        slots, size = [run[2] for run in self._present()], self.history_size
        pairs = self.counts["pairs"]
        if self.counts["turns"] == 1:
            return [-g for g in gradient]
        change = [g - slot["gradient"] for g, slot in zip(gradient, slots, strict=True)]
        length = self.numbers["length"]
        taken = [slot["direction"] * length.astype(slot["direction"].dtype) for slot in slots]
        curvature = dot(change, taken)
        if curvature > 1e-10:
            place = int(pairs) % size
            for slot, s, y in zip(slots, taken, change, strict=True):
                slot["steps"][..., place], slot["changes"][..., place] = s, y
            pairs += 1
            self.numbers["scale"][...] = curvature / dot(change, change)
        places = [i % size for i in range(max(0, int(pairs) - size), int(pairs))]
        history = [
            ([slot["steps"][..., i] for slot in slots], [slot["changes"][..., i] for slot in slots])
            for i in places
        ]
        found, shares = [-g for g in gradient], []
        for step, bend in reversed(history):
            share = dot(step, found) / dot(bend, step)
            shares.append(share)
            add(found, bend, -share)
        scale = float(self.numbers["scale"]) if history else 1.0
        for piece in found:
            np.multiply(piece, piece.dtype.type(scale), out=piece)
        for (step, bend), share in zip(history, reversed(shares), strict=True):
            add(found, step, share - dot(bend, found) / dot(bend, step))
        return found


# ------------------------------------------------------------------------------ vectors


def dot(one: Vector, other: Vector) -> float:
    """Return the inner product."""
    return math.fsum(float(np.dot(a, b)) for a, b in zip(one, other, strict=True))


def add(vector: Vector, other: Vector, factor: float) -> None:
    """Add a multiple of another vector in place."""
    for a, b in zip(vector, other, strict=True):
        np.add(a, b * b.dtype.type(factor), out=a)


def reach(vector: Vector) -> float:
    """Return the largest absolute element."""
    return max((float(np.abs(piece).max()) for piece in vector if piece.size), default=0.0)


# ------------------------------------------------------------------------------ line search


@dataclass(frozen=True)
class Point:
    """What is known of one point of a line: how far it is, loss, gradient, slope along the line."""

    length: float
    value: float
    gradient: Vector
    slope: float

    @property
    def steepest(self) -> float:
        """The largest absolute element of the gradient."""
        return reach(self.gradient)


def wolfe(
    probe: Callable[[float], Point],
    start: Point,
    length: float,
    *,
    size: float,
    tolerance: float,
    most: int,
) -> tuple[Point, int]:
    """Return a point that meets the strong Wolfe conditions, or the best found, and the trials.

    Parameters
    ----------
    probe : callable
        Returns the point at a length.
    start : Point
        The beginning of the line, from which it goes down.
    length : float
        The first length to try, above 0.
    size : float
        Largest element of the direction.
    tolerance : float
        The search ends when the interval, times `size`, is smaller.
    most : int
        How many points may be tried after the first.
    """

    def too_high(point: Point) -> bool:
        return point.value > start.value + SUFFICIENT * point.length * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * start.slope

    # Go out until an interval must hold a minimum.
    before, point, trials = start, probe(length), 0
    while trials < most:
        if too_high(point) or (trials > 1 and point.value >= before.value):
            break
        if flat(point):
            return point, trials + 1
        if point.slope >= 0:
            break
        low, high = point.length + 0.01 * (point.length - before.length), point.length * 10
        before, point = point, probe(cubic_minimum(before, point, low, high))
        trials += 1
    else:
        before = start
    # Then narrow the interval; the lower of its two ends is the best point so far.
    ends = [before, point]
    best = lower(ends)
    stuck = False
    while trials < most and abs(ends[1].length - ends[0].length) * size >= tolerance:
        low, high = sorted(end.length for end in ends)
        length = cubic_minimum(ends[0], ends[1], low, high)
        margin = 0.1 * (high - low)
        near = min(high - length, length - low) < margin
        # Twice near an end, or on it: step away, or the interval hardly shrinks.
        if near and (stuck or not low < length < high):
            length = high - margin if abs(length - high) < abs(length - low) else low + margin
            near = False
        stuck = near
        new = probe(length)
        trials += 1
        if too_high(new) or new.value >= ends[best].value:
            ends[1 - best] = new
            best = lower(ends)
            continue
        if flat(new):
            return new, trials + 1
        if new.slope * (ends[1 - best].length - ends[best].length) >= 0:
            ends[1 - best] = ends[best]
        ends[best] = new
    return ends[best], trials + 1


def lower(ends: list[Point]) -> int:
    """Return which of two points has the lower loss, the first if they are even."""
    return 0 if ends[0].value <= ends[1].value else 1


def cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Return where the cubic through both values and slopes is lowest, kept between two bounds."""
    if a.length > b.length:
        a, b = b, a
    if a.length == b.length:
        return (low + high) / 2
    bend = a.slope + b.slope - 3 * (a.value - b.value) / (a.length - b.length)
    inside = bend * bend - a.slope * b.slope
    if inside < 0:
        return (low + high) / 2
    root = math.sqrt(inside)
    span = b.slope - a.slope + 2 * root
    if span == 0:
        return (low + high) / 2
    share = (b.slope + root - bend) / span
    return min(max(b.length - (b.length - a.length) * share, low), high)
