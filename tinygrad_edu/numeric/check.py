r"""The checker: recorded gradients against numerical ones, with a diagnosis.

A gradient is believed if it agrees with slopes of the function itself. What is compared:

1. The outputs are weighted at random (never with ones: the sum of a softmax is constant, so its
   gradient is zero and any rule would pass), and one reverse sweep gives the gradient G.
2. The inputs move along random directions v, and the slope of the weighted outputs must be
   :math:`G \cdot v`. No component of v or of the weights is near zero, so no element can hide; and
   each direction moves only elements of one input whose gradients are of one decade, so a small
   element cannot hide behind a large one.
3. Forward mode must give the same slopes, output by output.
4. Only a failure is looked at element by element, to name the worst one and the likely cause.

The slope is the five-point formula at h and at h/2, h = 1e-3 max(1, abs(x)): for smooth functions
of order 1 its error is below 1e-10, so a relative tolerance of 1e-6 is honest. The two steps must
agree, else h is taken ten times smaller: that serves steep functions, edges of domains and kinks
nearby. Slopes from the left and from the right must agree too, else the point itself is a kink.
To the tolerance the rounding is added: 256 eps abs(f) / h for f, and for the sweep 64 times what
the last bits of the weights change. There is no other absolute term: a gradient that is wrongly
zero fails, however small the function.

Before any number is compared the engine's own sweep runs with every rule watched: it must leave
the arrays it is given as they are, answer twice the same, and return the shape and the dtype of its
primal, in float64 and in float32 (where a constant of the wrong precision shows).

This file knows the order of the questions. The others, in the order of reading: ``subject.py`` what
is checked, ``watch.py`` rules under observation, ``slope.py`` the numbers, ``explain.py`` and
``diagnosis.py`` why it failed, ``report.py`` the result. None knows a module class: whatever is
callable and has ``named_parameters()`` or ``parameters()`` is checked with its parameters.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.transforms import jvp
from tinygrad_edu.errors import (
    CheckError,
    GradientTypeError,
    NumericError,
    OpTypeError,
    UnsupportedError,
    VacuousCheckWarning,
)
from tinygrad_edu.numeric.explain import not_smooth, wrong_gradient, wrong_tangent
from tinygrad_edu.numeric.report import Report, number_lines
from tinygrad_edu.numeric.slope import Comparison, Limits, Verdict, signed
from tinygrad_edu.numeric.subject import (
    Recording,
    Subject,
    prepared,
    pulled_back,
    reverse,
    sweep_in_float32,
    watched_recording,
)

__all__ = ["Report", "gradcheck", "gradgradcheck"]

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


def gradcheck(
    f: Function,
    inputs: Any,
    *,
    rtol: float = 1e-6,
    atol: float = 0.0,
    rng: np.random.Generator | None = None,
    directions: int = 2,
    forward: bool = True,
    raise_on_failure: bool = True,
) -> Report:
    r"""Return the report on how the recorded gradient of `f` compares with slopes of `f` itself.

    Everything is evaluated in float64; what is float32 is copied, and nothing of the caller's is
    changed. See the module's text for the method.

    Parameters
    ----------
    f : callable or module
        Takes Tensors, returns a Tensor or a tuple of them. A module (anything callable with
        ``named_parameters()`` or ``parameters()``) is checked in its parameters too, by name.
    inputs : array_like or Tensor, or tuple or list of them
        The arguments of `f`. Gradients are checked for the Tensors that require one; if none does,
        for all that is floating. The others are handed to `f` as they are. A complex input is
        checked as two real ones, its parts, and a complex output as two real outputs.
    rtol : float, positive
        The error that is allowed, relative to the gradient along a direction.
    atol : float, at least 0
        What is allowed besides. Leave it at zero, unless `f` is saturated, so that its gradient is
        below the rounding of the numbers it is computed from.
    rng : numpy.random.Generator, optional
        Draws weights and directions; by default the same ones each time.
    directions : int, positive
        Rounds of random weights and directions.
    forward : bool
        Whether forward mode is compared too.
    raise_on_failure : bool
        Whether a failure is raised; else it is returned as a report that is not ``ok``.

    Raises
    ------
    CheckError
        A gradient is wrong, a rule misbehaves, or `f` is not deterministic or not finite.
    KinkError
        `f` has no derivative at this point; the text gives the index.
    GradientTypeError
        No input is floating.

    Warns
    -----
    VacuousCheckWarning
        The gradient of an input is zero everywhere, so that nothing was compared.

    Examples
    --------
    >>> print(gradcheck(np.tanh, np.array([0.5, -1.0])).outcome)
    passed
    """
    limits = _limits(rtol, atol, rng, directions, forward)
    with prepared(f, inputs) as subject:
        report = _reported(subject, limits, raise_on_failure)
    if report.ok and report.vacuous:
        warnings.warn(VacuousCheckWarning(report.text), stacklevel=2)
    return report


def gradgradcheck(
    f: Function,
    inputs: Any,
    *,
    rtol: float = 1e-6,
    atol: float = 0.0,
    rng: np.random.Generator | None = None,
    directions: int = 2,
    forward: bool = True,
    raise_on_failure: bool = True,
) -> Report:
    """Return the report of `gradcheck` on the gradient of `f`, a function of inputs and cotangents.

    The slopes are those of the plain first-order sweep and the gradient is that of the recorded
    one, so a fused row is caught if its composite disagrees with its fast pair. Whether the first
    order is right is not asked here: call `gradcheck` for that.

    Parameters and exceptions are those of `gradcheck`. It warns only if the gradient of the
    gradient is zero for all inputs and cotangents, since linear functions have none.
    """
    limits = _limits(rtol, atol, rng, directions, forward)
    with prepared(f, inputs) as first:
        with np.errstate(all="ignore"):
            outputs = first.outputs(first.tensors(first.point))
        points = [*first.points, *(signed(limits.rng, out.shape) for out in outputs)]
        names = [*first.names, *(f"cotangent of output {k}" for k in range(len(outputs)))]
        subject = Subject(
            first.title.replace("gradient", "gradient of the gradient"),
            lambda *tensors: pulled_back(first, tensors),
            names,
            points,
            first.notes,
        )
        report = _reported(subject, limits, raise_on_failure)
    if report.ok and report.vacuous == tuple(names):
        warnings.warn(VacuousCheckWarning(report.text), stacklevel=2)
    return report


def _limits(
    rtol: float, atol: float, rng: np.random.Generator | None, directions: int, forward: bool
) -> Limits:
    if not (0 < rtol < 1 and 0 <= atol < np.inf and directions >= 1):
        raise NumericError(
            f"rtol={rtol}, atol={atol}, directions={directions}: rtol must be between 0 and 1, "
            "atol at least 0 and finite, directions at least 1."
        )
    return Limits(rtol, atol, rng or np.random.default_rng(0), directions, forward)


def _reported(subject: Subject, limits: Limits, raise_on_failure: bool) -> Report:
    try:
        with np.errstate(all="ignore"):  # what is not finite is told by the report
            return _check(subject, limits)
    except CheckError as error:
        failed = (
            error if error.report is not None else subject.failure(error.outcome, str(error))
        )  # a rule's
        if raise_on_failure:
            raise failed from error.__cause__
        report: Report = failed.report
        return report


# ------------------------------------------------------------------------------ the comparison


def _check(subject: Subject, limits: Limits) -> Report:
    recording = watched_recording(subject)
    count = sum(out.size for out in recording.outputs)
    rounds = [signed(limits.rng, (count,)) for _ in range(limits.directions)]
    swept = [reverse(subject, recording, weights) for weights in rounds]
    sweep_in_float32(subject)
    silent = [
        name for name, p in zip(subject.names, subject.points, strict=True) if p.size and count
    ]
    found: list[tuple[str, Verdict]] = []
    for weights, gradient in zip(rounds, swept, strict=True):
        shaken = _shaken(subject, recording, weights, gradient, limits.rng)
        comparison = Comparison(subject, limits, weights, gradient, shaken)
        for i, direction in _directions(subject, gradient, limits.rng):
            verdict = _agreeing(comparison, direction)
            name = subject.names[i]
            found.append((name, verdict))
            if (
                name in silent
                and max(abs(verdict.analytic), abs(verdict.numeric)) > verdict.rounding
            ):
                silent.remove(name)
        if limits.forward and subject.point.size:
            _check_forward(comparison, recording)
    return _passed(subject, found, tuple(silent))


def _shaken(
    subject: Subject,
    recording: Recording,
    weights: Array,
    gradient: Array,
    rng: np.random.Generator,
) -> Array:
    """Return a bound on the rounding of each element of the gradient.

    Weights that differ in the last bits give another sample of all roundings of the sweep: where a
    gradient is a difference of large numbers, it moves.
    """
    moved = np.zeros_like(gradient)
    for _ in range(2):
        other = weights * (1 + np.finfo(np.float64).eps * rng.integers(-4, 5, weights.shape))
        moved = np.maximum(moved, np.abs(reverse(subject, recording, other) - gradient))
    return 64 * moved


def _directions(
    subject: Subject, gradient: Array, rng: np.random.Generator
) -> Iterator[tuple[int, Array]]:
    """Yield the input that moves and a direction: per input one for each decade of its gradient."""
    reach = np.maximum(1, np.abs(subject.point))
    for i in range(len(subject.points)):
        part = np.abs(gradient * reach)[subject.span(i)]
        if not part.size:
            continue
        # What is below 1e-9 of the largest is one group: roundings of zero among them.
        decades = np.clip(np.log10(part / (part.max() or 1.0)), -9, 0).round()
        for decade in np.unique(decades):
            chosen = np.flatnonzero(decades == decade) + subject.span(i).start
            direction = np.zeros_like(reach)
            direction[chosen] = signed(rng, chosen.shape) * reach[chosen]
            yield i, direction


def _agreeing(comparison: Comparison, direction: Array) -> Verdict:
    """Return the verdict on a direction; raise the explanation if it is a bad one."""
    verdict = comparison.along(direction)
    if verdict.state != "settled":
        raise not_smooth(comparison, direction, verdict)
    if verdict.ratio > 1:
        raise wrong_gradient(comparison, direction, verdict)
    return verdict


def _check_forward(comparison: Comparison, recording: Recording) -> None:
    """Compare forward mode along one direction of all inputs with the slopes and with the sweep."""
    subject, limits = comparison.subject, comparison.limits
    direction = signed(limits.rng, comparison.gradient.shape)
    verdict = _agreeing(comparison, direction)
    points, tangents = subject.split(subject.point), subject.split(direction)
    try:
        moved = [
            jvp(lambda *ts, k=k: subject.outputs(ts)[k], points, tangents)[1].numpy()
            for k in range(len(recording.outputs))
        ]
    except (UnsupportedError, OpTypeError, GradientTypeError) as error:
        text = f"forward mode was not compared: {str(error).splitlines()[0]}"
        subject.notes.extend([text] if text not in subject.notes else [])
        return
    tangent, slope = np.concatenate([t.ravel() for t in moved]), verdict.slope
    if not tangent.size or slope is None:
        return
    size = float(np.sqrt(np.mean(slope.along**2)))
    tolerance = (
        limits.rtol * (np.abs(slope.along) + size) + slope.error + slope.rounding + limits.atol
    )
    ratio = np.abs(tangent - slope.along) / np.maximum(tolerance, np.finfo(float).tiny)
    if not ratio.max() <= 1:
        raise wrong_tangent(comparison, recording, tangent, slope, tolerance)


def _passed(
    subject: Subject, found: Sequence[tuple[str, Verdict]], vacuous: tuple[str, ...]
) -> Report:
    name, worst = max(found, key=lambda pair: pair[1].ratio, default=("", None))
    lines = [f"{subject.title}: passed, {len(found)} directions compared"]
    if worst is not None:
        lines.append(f"worst      {name}, a random direction")
        lines.append(number_lines(worst.analytic, worst.numeric, worst.tolerance))
    if vacuous:
        ones = any(p.shape[:1] == (1,) for p in subject.points)
        lines.append(
            f"vacuous    the gradient is zero everywhere for {', '.join(vacuous)}: any rule that "
            "returns zeros passes"
            + (
                "\n  likely cause: a batch of one, whose own mean is subtracted from it"
                if ones
                else ""
            )
            + "\n  fix: choose inputs at which the outputs depend on it"
        )
    lines += [f"note: {note}" for note in subject.notes]
    numbers = {} if worst is None else {
        "analytic": worst.analytic,
        "numeric": worst.numeric,
        "error": worst.error,
        "tolerance": worst.tolerance,
        "direction": "a random one",
    }  # fmt: skip
    return Report(
        True,
        "passed",
        "\n  ".join(lines),
        input=name,
        vacuous=vacuous,
        notes=tuple(subject.notes),
        **numbers,  # type: ignore[arg-type]  # floats and a str, by name
    )
