"""Arguments of a row, made from what the row says of itself; no Hypothesis is needed here.

Shapes and fixed arguments come from a row's cases. Numbers are well scaled, inside the row's
``domain``, away from its ``kinks``, and all different where equal elements are a kink. One integer
seeds all numbers, so a failure is repeated by its seed. Read ``strategies.py`` for how shapes and
seeds are drawn, ``laws.py`` for what is done with a sample.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_edu.ops
from tinygrad_edu.core.op import ALL_REALS, OPS, Case, Op

__all__ = [
    "MARGIN",
    "Plan",
    "Sample",
    "different_numbers",
    "differentiable",
    "inside",
    "interval",
    "numbers",
    "plans",
    "rows",
    "sample",
]

MARGIN = 0.05
"""Distance to a kink: more than a stencil of the numerical derivative reaches."""

FILES = {path.stem for path in Path(tinygrad_edu.ops.__file__).parent.glob("*.py")}
"""The topics of the table: a row of a test's own is in none of them."""


def rows() -> list[Op]:
    """Return the rows of the table that the package declares."""
    return [row for row in OPS.values() if row.group in FILES]


def differentiable(row: Op) -> bool:
    """Return whether a gradient flows through the row; a composite one says so by its pattern."""
    return row.differentiable or (row.kind == "composite" and row.pattern != "none")


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

    def on_complex(self, chosen: Sequence[int] | None = None) -> "Sample":
        """Return the sample with moving arguments, all or those chosen, off the real axis."""
        rng = np.random.default_rng((self.seed, 5))
        arrays = list(self.arrays)
        for i in self.moving if chosen is None else chosen:
            shape = arrays[i].shape
            side = np.where(rng.uniform(size=shape) < 0.5, -1j, 1j)
            # Far enough from a kink on the real axis; near enough to stay inside a domain, of a
            # composite row inside those of all its rows, such as tanh with poles at ± iπ/2.
            reach = 0.3 if self.row.kind == "composite" else 1.0
            arrays[i] = np.asarray(arrays[i] + side * reach * rng.uniform(0.3, 0.8, size=shape))
        return replace(self, arrays=tuple(_frozen(a) for a in arrays))

    def laid_out(self, layout: Any) -> "Sample":
        """Return the sample with every array laid out in memory by a function."""
        arrays = tuple(layout(a) if isinstance(a, np.ndarray) else a for a in self.arrays)
        return replace(self, arrays=tuple(_frozen(a) for a in arrays))


def _cast(array: Any, dtype: Any) -> Any:
    if isinstance(array, np.ndarray) and array.dtype.kind == "c":
        dtype = np.result_type(dtype, np.complex64)
    elif not _is_float(array):
        return array
    return array.astype(dtype)


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


def sample(row: Op, entries: Sequence[Any], params: dict[str, Any], seed: int) -> Sample:
    """Return arguments of a row: shapes filled with numbers, everything else as it is."""
    rng = np.random.default_rng(seed)
    names = row.arguments * len(entries) if row.variadic else row.arguments
    ties = any(isinstance(kink, str) for kink in row.kinks.values())
    tied = [(i, entry) for i, entry in enumerate(entries) if ties and isinstance(entry, tuple)]
    filled: dict[int, Any] = {}
    if tied:
        intervals = [interval(row, names[i]) for i, _ in tied]
        between = max(low for low, _ in intervals), min(high for _, high in intervals)
        different = different_numbers(rng, [shape for _, shape in tied], between)
        filled = {i: array for (i, _), array in zip(tied, different, strict=True)}
    arrays = []
    for i, (name, entry) in enumerate(zip(names, entries, strict=True)):
        if i in filled:
            entry = filled[i]
        elif isinstance(entry, tuple):
            domain = row.domain.get(name, ALL_REALS)
            entry = numbers(rng, entry, domain, kink_points(row, name))
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
    return inside(row.domain.get(name, ALL_REALS), kink_points(row, name))


def inside(domain: tuple[float, float], kinks: Sequence[float] = ()) -> tuple[float, float]:
    """Return a small interval well inside an open one, and on both sides of every kink."""
    low, high = domain
    if np.isfinite(low) and np.isfinite(high):
        middle, half = (low + high) / 2, 0.4 * (high - low)
        return middle - min(half, 3), middle + min(half, 3)
    if np.isfinite(low):
        return low + 0.3, low + 3
    if np.isfinite(high):
        return high - 3, high - 0.3
    points = [p for p in kinks if np.isfinite(p)]
    return min(-2, *(p - 1 for p in points), 0), max(2, *(p + 1 for p in points), 0)


def kink_points(row: Op, name: str) -> tuple[float, ...]:
    """Return the points of an argument without a derivative."""
    points = row.kinks.get(name, ())
    return () if isinstance(points, str) else tuple(points)


def numbers(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    domain: tuple[float, float] = ALL_REALS,
    kinks: Sequence[float] = (),
) -> Any:
    """Return numbers well inside a domain, none of them near a kink."""
    x = np.asarray(rng.uniform(*inside(domain, kinks), size=shape))
    for point in kinks:
        side = np.where(x < point, -1.0, 1.0)
        x = np.where(np.abs(x - point) < MARGIN, point + side * (MARGIN + np.abs(x - point)), x)
    return np.asarray(x)


def different_numbers(
    rng: np.random.Generator,
    shapes: Sequence[tuple[int, ...]],
    between: tuple[float, float] = (-2.0, 2.0),
) -> list[Any]:
    """Return arrays of numbers between two, no two of which are near each other."""
    low, high = between
    sizes = [int(np.prod(shape)) for shape in shapes]
    count = sum(sizes)
    step = (high - low) / max(count, 1)
    found = low + step * (np.arange(count) + rng.uniform(0.2, 0.8, size=count))
    parts = np.split(rng.permutation(found), np.cumsum(sizes)[:-1])
    return [np.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
