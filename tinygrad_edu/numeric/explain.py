"""Why a check failed: the failure looked at element by element, and put into words.

Read ``diagnosis.py`` for how a cause is guessed from the wrong numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.errors import CheckError, KinkError
from tinygrad_edu.numeric.diagnosis import likely_cause
from tinygrad_edu.numeric.report import number_lines
from tinygrad_edu.numeric.slope import BLOCK, Comparison, Slope, Verdict
from tinygrad_edu.numeric.subject import Recording

__all__ = ["not_smooth", "wrong_gradient", "wrong_tangent"]

Array = np.ndarray[Any, Any]


def wrong_gradient(comparison: Comparison, direction: Array, verdict: Verdict) -> CheckError:
    """Return the failure, explained element by element of the input that moved."""
    subject, moving = comparison.subject, np.flatnonzero(direction)
    i = next(i for i in range(len(subject.points)) if subject.span(i).stop > moving[0])
    span = subject.span(i)
    elements = np.arange(span.start, span.stop)
    whole = elements.size <= BLOCK
    if not whole:
        elements = comparison.block(moving, lambda v: v.ratio)
    verdicts = [comparison.along(comparison.unit(int(element))) for element in elements]
    ratios = np.nan_to_num([v.ratio for v in verdicts], nan=np.inf)
    worst = int(np.argmax(ratios))
    name, index = subject.place(int(elements[worst]))
    if ratios[worst] <= 1:  # the elements are right one by one: along() saw a sum of many
        return _found(
            comparison, name, (), verdict, "all that move", "many small errors of one kind"
        )
    shape = subject.points[i].shape if whole else (elements.size,)
    numeric = np.reshape([v.numeric for v in verdicts], shape)
    analytic, wrong = comparison.gradient[elements].reshape(shape), np.reshape(ratios > 1, shape)
    cause = likely_cause(analytic, numeric, wrong)
    count = f"{int(wrong.sum())} of {elements.size}{'' if whole else ' that were looked at'}"
    text = f"this element alone ({count} elements are wrong)"
    return _found(comparison, name, index, verdicts[worst], text, cause)


def _found(
    comparison: Comparison,
    name: str,
    index: tuple[int, ...],
    verdict: Verdict,
    direction: str,
    cause: str,
) -> CheckError:
    """Return the failure of a gradient, with its numbers."""
    return comparison.subject.failure(
        "wrong gradient",
        f"index      {index}\n  "
        + number_lines(verdict.analytic, verdict.numeric, verdict.tolerance)
        + f"\n  direction  {direction}; the outputs weighted at random\n  likely cause: {cause}",
        input=name,
        index=index,
        analytic=verdict.analytic,
        numeric=verdict.numeric,
        error=verdict.error,
        tolerance=verdict.tolerance,
        direction=direction,
        cause=cause,
    )


def wrong_tangent(
    comparison: Comparison, recording: Recording, tangent: Array, slope: Slope, tolerance: Array
) -> CheckError:
    """Return the failure of forward mode, at the worst element of the outputs."""
    worst = int(np.argmax(np.nan_to_num(np.abs(tangent - slope.along) / tolerance, nan=np.inf)))
    stops = np.cumsum([out.size for out in recording.outputs])
    k = int(np.searchsorted(stops, worst, side="right"))
    out = recording.outputs[k]
    part = slice(int(stops[k]) - out.size, int(stops[k]))
    given, right = tangent[part].reshape(out.shape), slope.along[part].reshape(out.shape)
    wrong = np.abs(given - right) > tolerance[part].reshape(out.shape)
    index = tuple(int(n) for n in np.unravel_index(worst - part.start, out.shape))
    numbers = (float(tangent[worst]), float(slope.along[worst]), float(tolerance[worst]))
    cause = likely_cause(given, right, wrong)
    return comparison.subject.failure(
        "wrong tangent in forward mode",
        f"output {k}, index {index}\n  {number_lines(*numbers)}\n  likely cause: {cause}",
        index=index,
        analytic=numbers[0],
        numeric=numbers[1],
        error=abs(numbers[0] - numbers[1]),
        tolerance=numbers[2],
        direction="a random one of all inputs",
        cause=cause,
    )


_STATES = {
    "kink": "the slopes from the left and from the right differ",
    "jump": "the function jumps: its values on both sides differ however small the step",
    "unsettled": "no step gives a slope that is the same at half the step: f is a "
    "difference of large numbers, or is not smooth",
    "not finite": "f is nan or inf right beside this point, at the edge of its domain",
}


def not_smooth(comparison: Comparison, direction: Array, verdict: Verdict) -> CheckError:
    """Return the failure at a point without a derivative: where, and whether the rule is sound."""
    subject = comparison.subject
    elements = comparison.block(np.flatnonzero(direction), lambda v: float(v.state != "settled"))
    alone = [(int(e), comparison.along(comparison.unit(int(e)))) for e in elements]
    there = [(e, v) for e, v in alone if v.state == verdict.state]
    if verdict.state == "kink" and there:
        together = np.zeros_like(direction)
        together[[e for e, _ in there]] = 1
        unsound = _no_subgradient(comparison, verdict, together, there[0][0])
        if unsound is not None:
            return unsound
    element, seen = there[0] if there else (int(elements[0]), verdict)
    name, index = subject.place(element)
    text = f"index      {index}" + (f" (and {len(there) - 1} more)" if len(there) > 1 else "")
    if seen.slope is not None and verdict.state == "kink":
        left, right = comparison.weights @ seen.slope.left, comparison.weights @ seen.slope.right
        text += f"\n  left       {left:.6g}\n  right      {right:.6g}"
    return subject.failure(
        "not differentiable here"
        if verdict.state in ("kink", "jump")
        else "no slope to compare with",
        f"{text}\n  {_STATES[verdict.state]}\n"
        "  fix: draw inputs away from kinks, ties, jumps and edges of the domain",
        KinkError if verdict.state in ("kink", "jump") else CheckError,
        input=name,
        index=index,
    )


def _no_subgradient(
    comparison: Comparison, verdict: Verdict, together: Array, element: int
) -> CheckError | None:
    """Return the failure of a gradient that is not even sound at the kink it is at, if so."""
    name, index = comparison.subject.place(element)
    tied = comparison.along(together)
    if tied.state == "settled" and tied.ratio > 1:
        cause = (
            "at ties: when tied elements move together there is no kink, and their gradients must "
            "add up to the cotangent; giving each of them all of it counts it several times"
        )
        return _found(comparison, name, index, tied, "all tied elements together", cause)
    if verdict.slope is not None:
        sides = comparison.weights * np.stack([verdict.slope.left, verdict.slope.right])
        low, high = float(sides.min(axis=0).sum()), float(sides.max(axis=0).sum())
        slack = 1e-3 * (high - low) + verdict.tolerance
        if not low - slack <= verdict.analytic <= high + slack:
            cause = (
                f"at a kink, and outside of the slopes on its two sides, {low:.6g} to {high:.6g}"
            )
            return _found(comparison, name, index, verdict, "a random one", cause)
    return None
