"""What a wrong gradient looks like: the likely cause, guessed from the two arrays alone.

Each usual mistake turns the right gradient into another array in a known way. So the list of
mistakes is a list of arrays, and the diagnosis is the first one that the wrong gradient equals.
This file knows arrays, and neither ops nor graphs. Read ``check.py`` for who asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["likely_cause"]

Array = np.ndarray[Any, Any]

_CLOSE = 1e-6  # relative: a guess must explain every element, the small ones too


def likely_cause(analytic: Array, numeric: Array, wrong: Array) -> str:
    """Return the likely cause of a difference in one clause.

    Parameters
    ----------
    analytic, numeric : ndarray, one shape
        The gradient to be judged and the right one.
    wrong : ndarray of bool, same shape
        Which elements differ by more than the tolerance.
    """
    for cause, guess in _guesses(numeric, analytic):
        if _equal(analytic, guess):
            return cause
    if not wrong.all():
        return _only_some(analytic, wrong)
    return "no usual pattern; compare the rule with the formula of the derivative"


def _equal(a: Array, b: Array) -> bool:
    near = np.abs(a - b) <= _CLOSE * np.abs(b) + 1e-9 * max(np.abs(a).max(), np.abs(b).max())
    return bool(near.all())


def _guesses(right: Array, given: Array) -> Iterator[tuple[str, Array]]:
    """Yield mistakes, the plainest first, with what each would make of the right gradient."""
    yield (
        "the gradient is zero: a term is missing, or a value was detached on the way "
        "(detach(), no_grad(), .numpy())",
        np.zeros_like(right),
    )
    yield "the sign is flipped", -right
    yield from _scaled(right, given)
    yield from _moved(right)
    yield from _summed(right)
    yield from _scaled_along_axes(right, given)


def _scaled(right: Array, given: Array) -> Iterator[tuple[str, Array]]:
    square = float(np.vdot(right, right))
    factor = float(np.vdot(right, given)) / square if square else 0.0
    if not factor:
        return
    named = Fraction(factor).limit_denominator(64)
    exact = named != 0 and abs(factor - named) <= _CLOSE * abs(factor)
    text = f"the right gradient times {named if exact else format(factor, '.8g')}"
    sizes = {n: axis for axis, n in enumerate(right.shape) if n > 1}
    if exact and named in (2, Fraction(1, 2)):
        text += ": a path counted twice or only half, or the 2 of a square"
    elif exact and (named in sizes or 1 / named in sizes):
        size = int(max(named, 1 / named))
        text += f": {size} is the length of axis {sizes[size]}, so a sum stands for a mean or back"
    yield text, factor * right


def _moved(right: Array) -> Iterator[tuple[str, Array]]:
    """Yield the right elements in wrong places."""
    if right.size < 2:
        return
    if right.ndim == 2 and right.shape[0] == right.shape[1]:
        yield "the right elements, transposed", right.T
    if right.ndim >= 2:
        yield "the right elements in another order of axes", right.T.reshape(right.shape)
    for axis, length in enumerate(right.shape):
        if length > 1:
            yield f"the right elements, reversed along axis {axis}", np.flip(right, axis)
    for axis, length in enumerate(right.shape):
        for shift in sorted(range(1, length), key=lambda k, n=length: min(k, n - k)):  # type: ignore[misc]  # the default binds n
            steps = shift if 2 * shift <= length else shift - length
            yield (
                f"the right elements, rolled by {steps} along axis {axis} (an index off by "
                f"{abs(steps)})",
                np.roll(right, shift, axis),
            )


def _summed(right: Array) -> Iterator[tuple[str, Array]]:
    for axis, length in enumerate(right.shape):
        if length > 1:
            total = np.broadcast_to(right.sum(axis=axis, keepdims=True), right.shape)
            yield (f"summed along axis {axis}, which should have been kept", total)
            yield (f"averaged along axis {axis}, which should have been kept", total / length)


def _scaled_along_axes(right: Array, given: Array) -> Iterator[tuple[str, Array]]:
    """Yield gradients whose factor varies along one axis only."""
    if right.ndim < 2 or not right.all():
        return
    ratio = given / right
    for axis, length in enumerate(right.shape):
        if length > 1:
            others = tuple(i for i in range(right.ndim) if i != axis)
            factor = ratio.mean(axis=others, keepdims=True)
            yield (
                f"a factor that varies along axis {axis} only: something of that axis is "
                "multiplied in twice, or along the wrong axis",
                factor * right,
            )


def _only_some(analytic: Array, wrong: Array) -> str:
    count, zero = int(wrong.sum()), not analytic[wrong].any()
    text = f"only {count} of {wrong.size} elements are wrong, the others are right"
    if zero:
        return f"{text}: those are zero, so a case, an index or a path is left out"
    return f"{text}: a special case, an index or a boundary of the rule"
