"""Numbers in words and pictures: four significant digits, one minus sign, one way everywhere.

Knows: numbers and arrays. Does not know: what they mean. Read ``expression.py`` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.mathematics.expression import Formula

__all__ = ["DIGITS", "array_text", "dims", "number", "number_formula", "signed"]

DIGITS = 4
"""Significant digits of a number that is shown."""

_IN_FULL = 10**6
"""Whole numbers below it are written without a power of ten, if that takes no more digits."""


def number(value: Any, digits: int = DIGITS) -> str:
    """Return a number as text, as in ``0.7311``, ``−2.5e−7`` or ``1 + 2i``.

    Parameters
    ----------
    value : number or 0-d array
        Real, complex, whole or boolean.
    digits : int
        Significant digits.
    """
    value = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, complex):
        imaginary = number(abs(value.imag), digits)
        sign = "−" if value.imag < 0 else "+"
        return f"{number(value.real, digits)} {sign} {imaginary}i"
    if not isinstance(value, (int, float)):
        return str(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int) and abs(value) < 10**9:
        return str(value).replace("-", "−")
    shown = f"{value + 0.0:.{digits}g}"
    if "e+" in shown and abs(value) < _IN_FULL and math.isclose(float(shown), value, rel_tol=1e-9):
        return f"{float(shown):.0f}".replace("-", "−")
    mantissa, _, exponent = shown.partition("e")
    power = f"e{int(exponent)}" if exponent else ""
    return f"{mantissa}{power}".replace("-", "−")


def signed(value: Any, digits: int = DIGITS) -> str:
    """Return a number with its sign, as gradients are shown: ``+0.1966``, ``−0.07``, ``0``."""
    value = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    text = number(value, digits)
    if isinstance(value, complex):
        return f"({text})"
    return f"+{text}" if value > 0 else text


def number_formula(value: Any, digits: int = DIGITS) -> Formula:
    """Return a number as a formula; very large and small ones are powers of ten in LaTeX."""
    value = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    text = number(value, digits)
    if isinstance(value, complex):
        real, imaginary = (number_formula(v, digits).latex for v in (value.real, abs(value.imag)))
        return Formula(text, rf"{real} {'-' if value.imag < 0 else '+'} {imaginary}\,i")
    latex = text.replace("−", "-").replace("∞", r"\infty").replace("nan", r"\mathrm{nan}")
    mantissa, _, exponent = latex.partition("e")
    if exponent:
        latex = rf"{mantissa} \cdot 10^{{{exponent}}}"
    return Formula(text, latex)


def dims(shape: Sequence[int]) -> str:
    """Return a shape as ``100 × 784``, or ``scalar``."""
    return " × ".join(map(str, shape)) or "scalar"


def array_text(array: Any, limit: int = 9, digits: int = DIGITS) -> str:
    """Return the numbers of a small array in brackets, or the shape and dtype of a larger one.

    Parameters
    ----------
    array : ndarray
        Of any shape.
    limit : int
        At most so many numbers are shown.
    digits : int
        Significant digits.
    """
    array = np.asarray(array)
    if array.size > limit:
        return f"{dims(array.shape)} {array.dtype}"
    if array.ndim == 0:
        return number(array, digits)
    # Nested from the inside out, so that no axis needs a call of its own.
    texts = [number(value, digits) for value in array.reshape(-1)]
    for axis in reversed(range(array.ndim)):
        side, count = array.shape[axis], int(np.prod(array.shape[:axis]))
        texts = [f"[{', '.join(texts[i * side : (i + 1) * side])}]" for i in range(count)]
    return texts[0]
