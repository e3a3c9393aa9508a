"""Hypothesis strategies that draw arguments of a row from what the row says of itself.

Shapes and fixed arguments come from a row's cases, or are drawn for an elementwise row. Numbers are
well scaled, inside the row's ``domain``, away from its ``kinks``, and all different where equal
elements are a kink. One drawn integer seeds all numbers, so a failure is repeated by its seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu.ops
from tinygrad_edu.core.op import ALL_REALS, OPS, Case, Op

MARGIN = 0.05
"""Distance to a kink: more than a stencil of the numerical derivative reaches."""

FILES = {path.stem for path in Path(tinygrad_edu.ops.__file__).parent.glob("*.py")}
"""The topics of the table: a row of a test's own is in none of them."""


def rows() -> list[Op]:
    """Return the rows of the table that the package declares."""
    return [row for row in OPS.values() if row.group in FILES]


def differentiable(row: Op) -> bool:
    """Return whether a gradient flows through the row; through a composite one it does."""
    return row.kind == "composite" or row.differentiable


@dataclass(frozen=True, repr=False)
class Plan:
    """A row with one of its cases; without a case, shapes are drawn."""

    row: Op
    case: Case | None
    params: dict[str, Any]
    number: int

    def __repr__(self) -> str:
        return f"{self.row.name}-{'drawn' if self.case is None else 'case'}{self.number}"


@dataclass(frozen=True, repr=False)
class Sample:
    """Arguments of one call of a row.

    Attributes
    ----------
    row : Op
        The row.
    arrays : tuple
        The arguments; float arrays are read-only, so that no rule can write to them unseen.
    params : dict
        The keyword parameters, complete.
    moving : tuple of int
        The arguments that a gradient can flow to.
    seed : int
        For directions and weights that belong to the sample.
    """

    row: Op
    arrays: tuple[Any, ...]
    params: dict[str, Any]
    moving: tuple[int, ...]
    seed: int

    def __repr__(self) -> str:
        return f"<sample of {self.row.name}: {self.arrays}, {self.params}, seed {self.seed}>"

    @property
    def size(self) -> int:
        """Number of elements that move."""
        return sum(self.arrays[i].size for i in self.moving)

    def of(self, row: Op) -> "Sample":
        """Return the same arguments for another row: a broken copy."""
        return replace(self, row=row)

    def astype(self, dtype: Any) -> "Sample":
        """Return the sample with its float arrays in another dtype."""
        return replace(self, arrays=tuple(_frozen(_cast(a, dtype)) for a in self.arrays))

    def laid_out(self, layout: Any) -> "Sample":
        """Return the sample with every array laid out in memory by a function."""
        arrays = tuple(layout(a) if isinstance(a, np.ndarray) else a for a in self.arrays)
        return replace(self, arrays=tuple(_frozen(a) for a in arrays))


def _cast(array: Any, dtype: Any) -> Any:
    return array.astype(dtype) if _is_float(array) else array


def _is_float(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def _frozen(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        array.flags.writeable = False
    return array


def plans(chosen: Sequence[Op] | None = None) -> list[Plan]:
    """Return every case of every row, and for elementwise rows drawn shapes with its parameters."""
    return [plan for row in (rows() if chosen is None else chosen) for plan in _plans_of(row)]


def _plans_of(row: Op) -> Iterator[Plan]:
    for number, case in enumerate(row.cases):
        yield Plan(row, case, {**row.params, **case.params}, number)
    if row.kind == "elementwise":
        seen: list[dict[str, Any]] = []
        for params in [case.params for case in row.cases] or [{}]:
            if params not in seen:
                seen.append(params)
                yield Plan(row, None, {**row.params, **params}, len(seen) - 1)


@st.composite
def samples(draw: st.DrawFn, plan: Plan, smallest: int = 1) -> Sample:
    """Draw the arguments of a call.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    plan : Plan
        The row and its case.
    smallest : int
        Least length of an axis of a drawn shape: 0 for empty arrays too.
    """
    row = plan.row
    case = plan.case
    entries = case.arrays if case is not None else draw(shapes(len(row.arguments), smallest))
    return sample(row, entries, plan.params, draw(st.integers(0, 2**32 - 1)))


@st.composite
def shapes(draw: st.DrawFn, count: int, smallest: int) -> tuple[tuple[int, ...], ...]:
    """Draw shapes that broadcast with each other, scalars and axes of length 1 among them."""
    full = draw(st.lists(st.sampled_from([n for n in (2, 3, 1, 0) if n >= smallest]), max_size=3))
    found = []
    for _ in range(count):
        own = full[draw(st.integers(0, len(full))) if draw(st.booleans()) else 0 :]
        ones = draw(st.integers(0, 2 ** len(own) - 1)) if draw(st.booleans()) else 0
        found.append(tuple(1 if ones >> i & 1 else n for i, n in enumerate(own)))
    return tuple(found)


def sample(row: Op, entries: Sequence[Any], params: dict[str, Any], seed: int) -> Sample:
    """Return arguments of a row: shapes filled with numbers, everything else as it is."""
    rng = np.random.default_rng(seed)
    names = row.arguments * len(entries) if row.variadic else row.arguments
    ties = any(isinstance(kink, str) for kink in row.kinks.values())
    tied = [(i, entry) for i, entry in enumerate(entries) if ties and isinstance(entry, tuple)]
    different = _different(rng, row, [names[i] for i, _ in tied], [shape for _, shape in tied])
    filled = {i: array for (i, _), array in zip(tied, different, strict=True)}
    arrays = []
    for i, (name, entry) in enumerate(zip(names, entries, strict=True)):
        if i in filled:
            entry = filled[i]
        elif isinstance(entry, tuple):
            entry = _numbers(rng, row, name, entry)
        elif isinstance(entry, np.ndarray):
            entry = entry.copy()  # the row's own array is not to be frozen
        arrays.append(_frozen(entry))
    moving = tuple(
        i
        for i, array in enumerate(arrays)
        if _is_float(array)
        and differentiable(row)
        and (row.joint is not None or row.kind == "composite" or row.rules[i] is not None)
    )
    return Sample(row, tuple(arrays), params, moving, seed)


def interval(row: Op, name: str) -> tuple[float, float]:
    """Return the interval that numbers for an argument are drawn from, well inside its domain."""
    low, high = row.domain.get(name, ALL_REALS)
    if np.isfinite(low) and np.isfinite(high):
        middle, half = (low + high) / 2, 0.4 * (high - low)
        return middle - min(half, 3), middle + min(half, 3)
    if np.isfinite(low):
        return low + 0.3, low + 3
    if np.isfinite(high):
        return high - 3, high - 0.3
    points = [p for p in kink_points(row, name) if np.isfinite(p)]
    return min(-2, *(p - 1 for p in points), 0), max(2, *(p + 1 for p in points), 0)


def kink_points(row: Op, name: str) -> tuple[float, ...]:
    """Return the points of an argument without a derivative."""
    points = row.kinks.get(name, ())
    return () if isinstance(points, str) else tuple(points)


def _numbers(rng: np.random.Generator, row: Op, name: str, shape: tuple[int, ...]) -> Any:
    """Return numbers from the domain, none of them near a kink."""
    x = np.asarray(rng.uniform(*interval(row, name), size=shape))
    for point in kink_points(row, name):
        side = np.where(x < point, -1.0, 1.0)
        x = np.where(np.abs(x - point) < MARGIN, point + side * (MARGIN + np.abs(x - point)), x)
    return np.asarray(x)


def _different(
    rng: np.random.Generator, row: Op, names: list[str], wanted: list[tuple[int, ...]]
) -> list[Any]:
    """Return arrays of numbers of which no two are near each other."""
    if not names:
        return []
    intervals = [interval(row, name) for name in names]
    low, high = max(a for a, _ in intervals), min(b for _, b in intervals)
    sizes = [int(np.prod(shape)) for shape in wanted]
    count = sum(sizes)
    step = (high - low) / max(count, 1)
    numbers = low + step * (np.arange(count) + rng.uniform(0.2, 0.8, size=count))
    parts = np.split(rng.permutation(numbers), np.cumsum(sizes)[:-1])
    return [np.reshape(part, shape) for part, shape in zip(parts, wanted, strict=True)]
