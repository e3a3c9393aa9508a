"""What a picture says of an array: shape, grid, histogram, statistics.

Knows: arrays. Does not know: graphs, or what a card is. Read next: ``cards.py``.
"""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np

from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.picture import BINS
from tinygrad_edu.mathematics import array_text, dims, number

__all__ = [
    "grid",
    "heights",
    "indexed",
    "nonfinite",
    "norm",
    "short",
    "spread",
    "statistics",
]

Array = np.ndarray[Any, Any]


def grid(array: Any, most: int) -> tuple[tuple[str, ...], ...]:
    """Return the numbers of an array of at most so many elements in rows, else nothing."""
    if not isinstance(array, np.ndarray) or not 1 <= array.size <= most:
        return ()
    rows = array.reshape(-1, array.shape[-1] if array.ndim else 1)
    return tuple(tuple(number(x) for x in row) for row in rows.tolist())


def finite(array: Any) -> Array:
    """Return the finite values of an array, the real parts of complex ones, as float64."""
    flat: Array = np.asarray(array).reshape(-1)
    real = flat.real if flat.dtype.kind == "c" else flat
    wide: Array = real.astype(np.float64)
    return wide[np.isfinite(wide)]


def nonfinite(array: Any) -> int:
    """Return how many elements are nan or inf."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
        return 0
    if array.size == 1:  # a hundred thousand of them are asked about
        return int(not cmath.isfinite(array.item()))
    return int(array.size - np.count_nonzero(np.isfinite(array)))


def norm(array: Any) -> float:
    """Return the root of the sum of squares, also where the squares are beyond the dtype."""
    if np.size(array) == 1:
        return abs(float(np.abs(array).item()))
    values = np.abs(np.asarray(array)).reshape(-1).astype(np.float64)
    largest = float(values.max(initial=0.0))
    if not np.isfinite(largest) or largest == 0:
        return largest
    return largest * float(np.linalg.norm(values / largest))


def heights(array: Any) -> tuple[float, ...]:
    """Return the counts of twelve bins over the finite values."""
    values = finite(array)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if not np.isfinite(high - low) or not high > low:
        values, low, high = np.sign(values), -1.0, 1.0
    try:
        counts, _ = np.histogram(values, bins=BINS, range=(low, high))
    except ValueError:  # numbers so close that no bins fit between them
        counts, _ = np.histogram(np.zeros(values.size), bins=BINS)
    return tuple(float(count) for count in counts)


def spread(array: Any) -> str:
    """Return mean and standard deviation of the finite values."""
    values = finite(array)
    if not values.size:
        return "no finite value" if np.size(array) else "no value"
    scale = float(np.abs(values).max()) or 1.0  # squares of large numbers would overflow
    part = values / scale
    return f"{number(part.mean() * scale, 3)} ± {number(part.std() * scale, 3)}"


def statistics(array: Any) -> str:
    """Return one sentence about an array, for the tooltip."""
    if not isinstance(array, np.ndarray):
        return f"{dims(array.shape)} {array.dtype}" if isinstance(array, Like) else short(array)
    values, shape = finite(array), f"{dims(array.shape)} {array.dtype}"
    if not values.size:
        return shape
    bounds = f"from {number(values.min())} to {number(values.max())}"
    text = f"{shape}: mean ± deviation {spread(array)}, {bounds}, norm {number(norm(array))}"
    wrong = nonfinite(array)
    return f"{text}, {wrong:,} nan or inf" if wrong else text


def short(value: Any, most: int = 24) -> str:
    """Return a parameter of a call as text, cut where it is long."""
    if isinstance(value, np.ndarray):
        return array_text(value) if value.size <= 4 else f"array {dims(value.shape)}"
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, type):
        return str(np.dtype(value)) if issubclass(value, np.generic) else value.__name__
    if isinstance(value, float):
        return number(value)
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def indexed(index: Any) -> str:
    """Return an index as it is written between brackets: ``1:3, None, …``."""
    parts = index if isinstance(index, tuple) else (index,)
    return ", ".join(map(_index, parts)) or "()"


def _index(part: Any) -> str:
    if part is Ellipsis:
        return "..."
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        step = "" if part.step is None else f":{part.step}"
        return f"{ends[0]}:{ends[1]}{step}"
    return short(part, 16)
