"""What several files of this folder ask of an argument, and how they refuse it.

Knows: numbers, generators and the wording of an error. Does not know: data.
Read next: `loader.py`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_edu.errors import DataError

__all__ = [
    "as_generator",
    "demand_count",
    "demand_float",
    "demand_number",
    "demand_rows",
    "is_integer",
    "refusal",
]


def refusal(who: str, found: str, expected: str, fix: str) -> DataError:
    """Return an error that says who was given what, what was expected, and the fix."""
    return DataError(f"{who}: found {found}; expected {expected}. Fix: {fix}.")


def is_integer(value: Any, *, least: int) -> bool:
    """Return whether a value is an integer (a truth value is none) and not below the least."""
    return (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)
    )


def as_generator(who: str, rng: Any) -> np.random.Generator:
    """Return the generator that was given or is made from the seed that was given."""
    if isinstance(rng, np.random.Generator):
        return rng
    if is_integer(rng, least=0):
        return np.random.default_rng(rng)
    raise refusal(
        who,
        f"rng={rng!r}",
        "a numpy.random.Generator or a seed of at least 0",
        "pass rng=np.random.default_rng(0)",
    )


def demand_count(who: str, name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return an integer, once it is one and within its bounds."""
    if not is_integer(value, least=least) or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise refusal(
            who, f"{name}={value!r}", f"an integer {bounds}", f"pass for example {name}={least}"
        )
    return int(value)


def demand_number(
    who: str, name: str, value: Any, least: float = -math.inf, most: float = math.inf
) -> float:
    """Return a number, once it is one, finite, and within its bounds."""
    real = isinstance(value, int | float | np.integer | np.floating)
    if not real or isinstance(value, bool) or not (math.isfinite(value) and least <= value <= most):
        bounds = {
            (True, True): "a finite number",
            (False, True): f"a finite number of at least {least:g}",
            (True, False): f"a finite number of at most {most:g}",
            (False, False): f"a number from {least:g} to {most:g}",
        }[least == -math.inf, most == math.inf]
        raise refusal(who, f"{name}={value!r}", bounds, f"pass such a number as {name}")
    return float(value)


def demand_float(who: str, dtype: DTypeLike) -> np.dtype[Any]:
    """Return a dtype, once it is one for fractions."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise refusal(who, f"dtype {dtype}", "one that holds fractions", "pass dtype=np.float32")
    return dtype


def demand_rows(who: str, given: ArrayLike, *, ndim: int = 1) -> NDArray[Any]:
    """Return an array of numbers, once it has rows, enough axes, and nothing but finite numbers.

    Parameters
    ----------
    who : str
        Who asks, for the error.
    given : array_like
        What must be so.
    ndim : int
        Axes that it must have at least.
    """
    array: NDArray[Any] = np.asarray(given)
    if array.dtype.kind not in "buif" or array.ndim < ndim or len(array) == 0:
        raise refusal(
            who,
            f"{array.dtype} of shape {array.shape}",
            f"real numbers with at least one row and at least {ndim} axes",
            "pass samples along the first axis; turn words into numbers with OneHot first",
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array)
        first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), array.shape))
        raise refusal(
            who,
            f"{int(bad.sum())} values that are nan or infinite, the first at index {first}",
            "finite numbers only",
            "find out where they come from; drop these rows or fill them first",
        )
    return array
