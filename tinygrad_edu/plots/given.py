"""What a picture is given, as numbers: arrays are checked here, before anything is drawn.

Knows: arrays. Does not know: pictures, or Matplotlib. Read next: ``spread.py``, which counts them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError

__all__ = ["Array", "drawable", "numbers"]

Array = np.ndarray[Any, Any]

LARGEST = 1e300
"""Numbers beyond are drawn as infinite ones are: the difference of two of them may overflow."""


def numbers(who: str, given: Any, fix: str) -> Array:
    """Return real numbers as an array of float64, of any shape.

    Parameters
    ----------
    who : str
        The function that they are given to, for the error.
    given : array_like
        Real numbers, nan and inf among them.
    fix : str
        What to pass instead, for the error.

    Raises
    ------
    DiagramError
        They are no numbers, or complex ones.
    """
    try:
        array = np.asarray(given)
        if array.dtype.kind == "O":  # with None, which JSON says for nan
            array = array.astype(np.float64)
    except (TypeError, ValueError):  # rows of several lengths, or words
        array = np.empty(0, str)
    if array.dtype.kind not in "biuf":
        kind = "complex numbers" if array.dtype.kind == "c" else f"a {type(given).__name__}"
        raise DiagramError(f"{who}: found {kind}; expected an array of real numbers\n  fix: {fix}")
    return array.astype(np.float64, copy=False)


def drawable(array: Array) -> Array:
    """Return the numbers with nan in the place of those that are infinite, or as good as that."""
    return np.where(np.abs(array) < LARGEST, array, np.nan)
