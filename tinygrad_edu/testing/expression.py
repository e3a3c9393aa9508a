"""Random expressions: directed acyclic graphs of rows with shared nodes, as Python functions.

An `Expression` is a program of one call a line. It is a function of arrays or Tensors, and prints
as the source of that function, so that what Hypothesis has shrunk can be pasted. While it is drawn
it is computed: a step is taken only where its row is smooth, away from kinks and ends of its
domain, and where its result is of the order of 1.

Read ``laws.py`` for what is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.core.op import ALL_REALS, Op, get_op
from tinygrad_edu.testing.reproduce import source_of
from tinygrad_edu.testing.samples import MARGIN, kink_points, numbers
from tinygrad_edu.testing.strategies import broadcastable, seeds

__all__ = ["ROWS", "Expression", "Step", "expressions"]

Array = np.ndarray[Any, Any]

ROWS = (
    "tanh",
    "sin",
    "cos",
    "exp",
    "log",
    "sqrt",
    "square",
    "reciprocal",
    "arctan",
    "log1p",
    "sigmoid",
    "softplus",
    "absolute",
    "maximum",
    "minimum",
    "add",
    "subtract",
    "multiply",
    "divide",
    "hypot",
    "logaddexp",
)
"""Elementwise rows that an expression is made of by default."""

LARGEST = 4.0
"""Size of the values: beyond, slopes get too steep to be compared."""


@dataclass(frozen=True)
class Step:
    """One line of an expression.

    Attributes
    ----------
    text : str
        The call, with ``{0}``, ``{1}`` for the operands.
    function : callable
        The same.
    operands : tuple of int
        Numbers of the values that it takes: first the inputs, then the steps.
    """

    text: str
    function: Callable[..., Any]
    operands: tuple[int, ...]


@dataclass(frozen=True, repr=False)
class Expression:
    """A function made of rows; call it with arrays or Tensors, print it for its source.

    Attributes
    ----------
    inputs : tuple of ndarray
        A point at which it is smooth.
    steps : tuple of Step
        The lines. The result is all values that no other step takes, one after the other.
    """

    inputs: tuple[Array, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any) -> Any:
        """Return the result, an array or a Tensor with one axis."""
        values = list(inputs)
        for step in self.steps:
            values.append(step.function(*[values[i] for i in step.operands]))
        return np.concatenate([np.ravel(values[i]) for i in self.open])

    @property
    def open(self) -> list[int]:
        """The values that no step takes."""
        taken = {i for step in self.steps for i in step.operands}
        return [i for i in range(len(self.inputs) + len(self.steps)) if i not in taken]

    @property
    def __name__(self) -> str:
        return "expression"

    @property
    def source(self) -> str:
        """The function as Python source; ``np`` and ``OPS`` stand for what they usually do."""
        names = self._names
        lines = [f"def expression({', '.join(names[: len(self.inputs)])}):"]
        for name, step in zip(names[len(self.inputs) :], self.steps, strict=True):
            lines.append(f"    {name} = {step.text.format(*[names[i] for i in step.operands])}")
        parts = ", ".join(f"np.ravel({names[i]})" for i in self.open)
        return "\n".join([*lines, f"    return np.concatenate([{parts}])"])

    @property
    def _names(self) -> list[str]:
        inputs = [f"x{i}" for i in range(len(self.inputs))]
        return inputs + [f"v{i}" for i in range(len(self.steps))]

    def __repr__(self) -> str:
        values = zip(self._names, self.inputs, strict=False)
        return "\n".join(["", self.source, "", *[f"{n} = {source_of(x)}" for n, x in values], ""])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print as ``repr`` does, in Hypothesis' reports too."""
        del cycle
        printer.text(repr(self))


@st.composite
def expressions(
    draw: st.DrawFn,
    rows: Sequence[str | Op] = ROWS,
    *,
    max_inputs: int = 3,
    max_steps: int = 6,
) -> Expression:
    """Draw an expression with its inputs.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    rows : sequence of str or Op
        Elementwise rows to use, yours among them; reductions, matrix products, indexing and
        changes of shape come besides.
    max_inputs, max_steps : int
        How many inputs and lines, at most.
    """
    table = [get_op(row) if isinstance(row, str) else row for row in rows]
    shapes = draw(broadcastable(draw(st.integers(1, max_inputs))))
    rng = np.random.default_rng(draw(seeds()))
    inputs = tuple(numbers(rng, shape) for shape in shapes)
    values: list[Array] = list(inputs)
    steps: list[Step] = []
    wanted = draw(st.integers(1, max_steps))
    for _ in range(3 * wanted):
        step = draw(_steps(table, values)) if len(steps) < wanted else None
        if step is None:
            continue
        with np.errstate(all="ignore"):
            result = np.asarray(step.function(*[values[i] for i in step.operands]))
        if result.size and not np.abs(result).max() <= LARGEST:  # nan is refused as well
            continue
        steps.append(step)
        values.append(result)
    return Expression(inputs, tuple(steps))


@st.composite
def _steps(draw: st.DrawFn, table: Sequence[Op], values: Sequence[Array]) -> Step | None:
    """Draw a step that is smooth at these values; None if the one that was drawn is not."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(_structural(values))
    row = draw(st.sampled_from(table))
    operands = tuple(draw(st.integers(0, len(values) - 1)) for _ in range(len(row.arguments)))
    chosen = [values[i] for i in operands]
    try:
        together = np.broadcast_arrays(*chosen)
    except ValueError:
        return None
    if not all(_fits(row, name, x) for name, x in zip(row.arguments, chosen, strict=True)):
        return None
    if (
        any(isinstance(k, str) for k in row.kinks.values())
        and (np.abs(together[0] - together[-1]) < MARGIN).any()
    ):
        return None
    names = ", ".join(f"{{{k}}}" for k in range(len(operands)))
    return Step(f"OPS[{row.name!r}]({names})", row, operands)


def _fits(row: Op, name: str, x: Array) -> bool:
    """Return whether all numbers are inside the domain of an argument, away from its kinks."""
    low, high = row.domain.get(name, ALL_REALS)
    # At an end of a domain a slope may be infinite: stay further away than from a kink.
    inside = (x > low + 4 * MARGIN) & (x < high - 4 * MARGIN)
    away = [np.abs(x - point) > MARGIN for point in kink_points(row, name)]
    return bool(inside.all() and all(mask.all() for mask in away))


@st.composite
def _structural(draw: st.DrawFn, values: Sequence[Array]) -> Step:
    """Draw a step that moves or sums numbers: of it no number can be a kink."""
    i = draw(st.integers(0, len(values) - 1))
    x = values[i]
    ways: list[tuple[str, Callable[..., Any], tuple[int, ...]]] = [
        ("np.mean({0})", np.mean, (i,)),
        ("np.ravel({0})", np.ravel, (i,)),
        ("np.transpose({0})", np.transpose, (i,)),
        ("np.expand_dims({0}, 0)", lambda v: np.expand_dims(v, 0), (i,)),
    ]
    if x.ndim:
        ways += [
            ("np.sum({0}, axis=0)", lambda v: np.sum(v, axis=0), (i,)),
            ("np.mean({0}, axis=-1, keepdims=True)", _mean_of_last, (i,)),
            ("{0}[0]", lambda v: v[0], (i,)),
            ("{0}[..., ::-1]", lambda v: v[..., ::-1], (i,)),
            ("{0}[[0, 0, -1]]", lambda v: v[[0, 0, -1]], (i,)),
            ("np.cumsum({0}, axis=0)", lambda v: np.cumsum(v, axis=0), (i,)),
        ]
    mates = [k for k, v in enumerate(values) if v.shape == x.shape]
    j = draw(st.sampled_from(mates))
    if x.ndim:
        ways.append(("np.concatenate([{0}, {1}])", lambda a, b: np.concatenate([a, b]), (i, j)))
    if x.ndim == 2:
        ways.append(("{0} @ np.transpose({1}) / 4", lambda a, b: a @ np.transpose(b) / 4, (i, j)))
    return Step(*draw(st.sampled_from(ways)))


def _mean_of_last(v: Any) -> Any:
    return np.mean(v, axis=-1, keepdims=True)
