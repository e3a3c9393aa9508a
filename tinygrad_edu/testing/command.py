"""``tinygrad-edu check FILE.py::name``: a user's function, op or module, checked from a shell.

Knows: how to load a file, how a function says what it takes, and which check is meant for what.
Does not know: the parser of the command line, which is ``tinygrad_edu/cli.py``. A function needs no
Hypothesis; an op does.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CheckError, TargetError, VacuousCheckWarning
from tinygrad_edu.nn.module import Module
from tinygrad_edu.numeric.check import gradcheck, gradgradcheck
from tinygrad_edu.targets import load_target
from tinygrad_edu.testing.samples import numbers

__all__ = ["check_target"]

Shape = tuple[int, ...]

USUAL: Shape = (2, 3)
"""Shape of an argument of which nothing is known."""


def check_target(
    target: str,
    *,
    shapes: str | None = None,
    between: tuple[float, float] | None = None,
    order: int = 2,
    seed: int = 0,
) -> bool:
    """Check what a file defines, print what was found, and return whether it is right.

    A function is checked at random numbers; its arguments are those that have no default (a scalar
    for ``x: float``, else an array of shape (2, 3)) and those whose default is an array or a
    Tensor, there. A row is asked every law, a module `check_module`.

    Parameters
    ----------
    target : str
        ``FILE.py::name``.
    shapes : str, optional
        A shape for each argument, such as ``"(2, 3), (3,)"``.
    between : (float, float), optional
        The interval that the numbers are drawn from; -2 to 2 by default.
    order : {1, 2}
        The highest order of derivatives.
    seed : int
        Draws numbers, weights and directions.

    Raises
    ------
    TargetError
        There is no such file or name in it, or it is unknown what to call it with.
    """
    subject, name = _subject(target), target.partition("::")[2]
    given = None if shapes is None else _parsed(shapes)
    rng = np.random.default_rng(seed)
    interval = (-math.inf, math.inf) if between is None else _widened(between)

    def filled(shape: Shape) -> Any:
        return numbers(rng, shape, interval)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VacuousCheckWarning)  # the report says so itself
            for report in _reports(subject, name, given, filled, order, seed):
                print(report)
    except CheckError as error:
        print(error)
        return False
    return True


def _reports(
    subject: Any, name: str, given: list[Shape] | None, filled: Any, order: int, seed: int
) -> Any:
    """Yield the reports of the checks that are meant for a subject."""
    if isinstance(subject, Op):
        if importlib.util.find_spec("hypothesis") is None:
            raise TargetError(
                f"check: {name} is an op, whose arguments are drawn by Hypothesis, which is not "
                "installed\n  fix: pip install 'tinygrad_edu[test]'"
            )
        from tinygrad_edu.testing import check_op

        yield check_op(subject, *(given or ()), order=order, seed=seed)
    elif isinstance(subject, Module):
        from tinygrad_edu.testing import check_module

        if given is None:
            raise TargetError(
                f"check: {name} is a module, and it is unknown what to call it with\n"
                '  fix: give a shape for each input, as in --shapes "(4, 3)"'
            )
        yield check_module(subject, *map(filled, given), order=order, seed=seed)
    else:
        point = _point(subject, name, given, filled)
        shown = ", ".join(f"{x.shape} {x.dtype}" for x in point)
        print(f"{name} at {shown}, seed {seed}")
        for check in (gradcheck, gradgradcheck)[:order]:
            yield check(subject, point, rng=np.random.default_rng(seed))


def _subject(target: str) -> Any:
    """Return the function, op or module that a target names."""
    if "::" not in target:
        raise TargetError(
            f"check: {target!r} names no function\n  fix: FILE.py::function, as in ops.py::witch"
        )
    subject, name = load_target("check", target), target.partition("::")[2]
    if not callable(subject) or inspect.isclass(subject):
        kind = "a class" if inspect.isclass(subject) else f"a {type(subject).__name__}"
        raise TargetError(
            f"check: {name} is {kind}; expected a function, an op or a module\n"
            f"  fix: name an object, as in net = {name}(...)"
        )
    return subject


# ------------------------------------------------------------------------------ the arguments


def _parsed(text: str) -> list[Shape]:
    """Return the shapes in ``"(2, 3), (3,), ()"``; a number stands for an axis."""
    try:
        value = ast.literal_eval(f"[{text}]")
    except (SyntaxError, ValueError):
        value = [None]
    found = [(side,) if isinstance(side, int) else side for side in value]
    for shape in found:
        sides = isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
        if not sides:
            raise TargetError(
                f"check: --shapes {text!r} are no shapes\n"
                '  fix: a tuple for each argument, as in --shapes "(2, 3), (3,)"'
            )
    return found


def _widened(between: tuple[float, float]) -> tuple[float, float]:
    low, high = between
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise TargetError(
            f"check: --between {low:g} {high:g} is no interval\n  fix: --between 0.1 3"
        )
    # `numbers` stays a tenth of the length away from both ends of a domain.
    reach = (high - low) / 8
    return low - reach, high + reach


def _point(f: Any, name: str, given: list[Shape] | None, filled: Any) -> tuple[Any, ...]:
    """Return the arrays that a function is checked at."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except ValueError:
        parameters = []  # a function written in C, which does not say
    positional = [p for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
    if given is not None:
        least = sum(p.default is p.empty for p in positional)
        several = not parameters or any(p.kind is p.VAR_POSITIONAL for p in parameters)
        if len(given) < least or (len(given) > len(positional) and not several):
            names = ", ".join(p.name for p in positional)
            raise TargetError(
                f"check: --shapes has {len(given)} shapes, but it is {name}({names})\n"
                "  fix: one shape for each argument"
            )
        return tuple(map(filled, given))
    needed = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if needed:
        raise TargetError(
            f"check: {name} needs the keyword {needed[0].name!r}\n"
            "  fix: give it a default, or write a function of arrays that calls this one"
        )
    point = [_argument(p, name, filled) for p in _taken(positional)]
    if not point:
        raise TargetError(
            f"check: it is unknown what to call {name} with\n"
            '  fix: give a shape for each argument, as in --shapes "(2, 3)"'
        )
    return tuple(point)


def _taken(positional: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    """Return the leading parameters that are arrays: later ones keep their defaults."""
    taken: list[inspect.Parameter] = []
    for p in positional:
        if p.default is not p.empty and not isinstance(p.default, (np.ndarray, Tensor)):
            break
        taken.append(p)
    return taken


def _argument(parameter: inspect.Parameter, name: str, filled: Any) -> Any:
    if isinstance(parameter.default, Tensor):
        return parameter.default.numpy()
    if isinstance(parameter.default, np.ndarray):
        return parameter.default
    hint = parameter.annotation
    hint = hint if isinstance(hint, str) else getattr(hint, "__name__", "")
    if hint in ("int", "bool", "str"):
        raise TargetError(
            f"check: the argument {parameter.name!r} of {name} is of type {hint}, and has no "
            "default\n  fix: give it one, or write a function of arrays that calls this one"
        )
    return filled(() if hint == "float" else USUAL)
