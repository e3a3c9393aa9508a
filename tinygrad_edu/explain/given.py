"""What users give to explanations, and how it is refused where nothing can be explained.

Knows: tensors, and how an error is worded. Does not know: graphs, beyond reading one. Read
``explanation.py`` next.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.draw.reading import Reading, read
from tinygrad_edu.draw.words import a_kind
from tinygrad_edu.errors import DiagramError, ExplanationError
from tinygrad_edu.errors import explain as worded

__all__ = ["index", "kind", "number", "reading_of", "whole"]

Index = tuple[int, ...]


def kind(value: Any) -> str:
    """Return what a value is, with its size: ``an int``, ``a list of 2``."""
    said = a_kind(value)
    if isinstance(value, (list, tuple)):
        return f"{said} of {len(value)}"
    return f"{said} of shape {value.shape}" if isinstance(value, (np.ndarray, Tensor)) else said


def reading_of(who: str, output: Any) -> Reading:
    """Return the graph behind one tensor.

    Parameters
    ----------
    who : str
        The function that asks, for errors.
    output : Tensor
        What it was given.

    Raises
    ------
    DiagramError
        It is no Tensor, or several.
    FreedGraphError
        ``backward()`` has freed the graph.
    """
    if not isinstance(output, (list, tuple)):
        return read(who, output, "a Tensor")
    fix = f"give one at a time, as in {who}(outputs[0]), or one that was computed of all of them"
    raise DiagramError(worded(who, f"expected a Tensor, got {kind(output)}", fix=fix))


def number(who: str, name: str, value: Any, example: str) -> float:
    """Return a real number that was asked for.

    Parameters
    ----------
    who, name : str
        The function and its argument, for errors.
    value : number
        What it was given.
    example : str
        One that would do.

    Raises
    ------
    ExplanationError
        It is none, or not finite.
    """
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    found = str(value) if isinstance(value, numbers.Real) else kind(value)
    raise ExplanationError(
        worded(
            who,
            f"{name} is to be a finite number, and is {found}",
            fix=f"give one, as in {name}={example}",
        )
    )


def whole(who: str, name: str, value: Any) -> int:
    """Return a whole number of at least 1 that was asked for; the parameters are `number`'s.

    Raises
    ------
    ExplanationError
        It is none.
    """
    if isinstance(value, numbers.Integral) and int(value) >= 1:
        return int(value)
    found = f"{kind(value)}, {value!r}" if isinstance(value, (numbers.Real, str)) else kind(value)
    raise ExplanationError(
        worded(
            who,
            f"{name} must be a whole number, at least 1, and is {found}",
            fix=f"give one, as in {name}=1",
        )
    )


def index(who: str, name: str, shape: Index, at: int | Sequence[int]) -> Index:
    """Return the element of an array that was asked for, counted from the beginning.

    Parameters
    ----------
    who, name : str
        The function, and what the array is called, for errors.
    shape : tuple of int
        Of the array.
    at : int or sequence of int
        A number for each axis; a negative one counts from the end.

    Raises
    ------
    ExplanationError
        There is no such element.
    """
    given = tuple(at) if isinstance(at, (tuple, list, np.ndarray)) and np.ndim(at) else (at,)
    if len(given) == len(shape) and all(
        isinstance(k, numbers.Integral) and -side <= int(k) < side
        for k, side in zip(given, shape, strict=True)
    ):
        return tuple(int(k) % side for k, side in zip(given, shape, strict=True))
    if not shape:
        fix = "leave it out: it is a single number"
    elif math.prod(shape):
        zeros = 0 if len(shape) == 1 else (0,) * len(shape)
        fix = f"give one number for each axis, as in at={zeros!r}, or leave it out"
    else:
        fix = "leave it out: there are no elements"
    raise ExplanationError(
        worded(who, f"at={at!r} is no element of {name}, whose shape is {shape}", fix=fix)
    )
