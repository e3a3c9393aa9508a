"""Hypothesis strategies for everything that a gradient is tested on.

Shapes, axes, indices, dtypes; arrays of well-scaled numbers inside a domain and away from kinks;
positive definite matrices; the arguments of a row; modules with inputs. Numbers come from a drawn
seed, so that a failure shrinks to the smallest *shape* and not to round numbers, which hide
mistakes: at 0 and 1 too many wrong rules are right.

What it does not know: any law. Whole expressions are drawn in ``expression.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.core.op import ALL_REALS, Op
from tinygrad_edu.testing.samples import (
    Plan,
    Sample,
    different_numbers,
    inside,
    numbers,
    sample,
)

if TYPE_CHECKING:
    from tinygrad_edu.nn import Module

__all__ = [
    "arrays",
    "arrays_of",
    "axes",
    "broadcastable",
    "dtypes",
    "indices",
    "modules",
    "positive_definite",
    "samples",
    "seeds",
    "shapes",
]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


def seeds() -> st.SearchStrategy[int]:
    """Return a strategy for seeds of random generators; it shrinks to 0."""
    return st.integers(0, 2**32 - 1)


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """Return a strategy for the dtypes that a gradient can flow in: float64, float32."""
    return st.sampled_from([np.dtype(np.float64), np.dtype(np.float32)])


# ------------------------------------------------------------------------------ shapes and axes


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 3
) -> st.SearchStrategy[Shape]:
    """Return a strategy for shapes: scalars and axes of length 1 among them, small.

    Parameters
    ----------
    min_dims, max_dims : int
        Number of axes.
    min_side, max_side : int
        Length of an axis; 0 for empty arrays too.
    """
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable(
    draw: st.DrawFn, count: int, smallest: int = 1, largest: int = 3, max_dims: int = 3
) -> tuple[Shape, ...]:
    """Draw shapes that broadcast with each other, scalars and axes of length 1 among them.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    count : int
        How many shapes.
    smallest, largest : int
        Length of an axis of their common shape.
    max_dims : int
        Number of its axes.
    """
    full = draw(shapes(0, max_dims, smallest, largest))
    found = []
    for _ in range(count):
        own = full[draw(st.integers(0, len(full))) if draw(st.booleans()) else 0 :]
        ones = draw(st.integers(0, 2 ** len(own) - 1)) if draw(st.booleans()) else 0
        found.append(tuple(1 if ones >> i & 1 else n for i, n in enumerate(own)))
    return tuple(found)


@st.composite
def axes(draw: st.DrawFn, ndim: int) -> int | tuple[int, ...] | None:
    """Draw what ``axis=`` of a reduction may be: None, an axis, or several; negative ones too.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    ndim : int
        Number of axes of the array.
    """
    kinds = ["none", "several", *(["one"] if ndim else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "none":
        return None
    if kind == "one":
        return draw(st.integers(-ndim, ndim - 1))
    chosen = draw(st.permutations(range(ndim)))[: draw(st.integers(0, ndim))]
    return tuple(axis - ndim if draw(st.booleans()) else axis for axis in chosen)


@st.composite
def indices(draw: st.DrawFn, shape: Shape) -> Any:
    """Draw an index into an array, of any kind that NumPy knows, or a mix.

    Integers, slices, ``...``, ``None``, integer arrays and lists that broadcast with each other,
    masks over one axis and over the whole.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    shape : tuple of int
        The array's; no axis may be empty.
    """
    mode = draw(st.sampled_from(["basic", "arrays", "mask", "whole mask"]))
    if mode == "whole mask":
        return _mask(draw, shape)
    together = draw(shapes(0, 2))  # index arrays broadcast with each other
    count = draw(st.integers(0, len(shape)))
    place = draw(st.integers(0, count))
    dots = draw(st.booleans())
    sides = [*shape[:place], *shape[len(shape) - count + place :]] if dots else shape[:count]
    masked = draw(st.integers(0, count - 1)) if mode == "mask" and count else None
    parts: list[Any] = []
    for i, side in enumerate(sides):
        # A mask is an index array as long as it has True: beside it there are only integers.
        kinds = ["integer", "slice", *(["array", "list"] if mode == "arrays" else [])]
        kind = "mask" if i == masked else draw(st.sampled_from(kinds))
        if kind == "integer":
            parts.append(draw(st.integers(-side, side - 1)))
        elif kind == "slice":
            parts.append(draw(st.slices(side)))
        elif kind == "mask":
            parts.append(_mask(draw, (side,)))
        else:
            own = tuple(1 if draw(st.booleans()) else n for n in together)
            size = math.prod(own)
            flat = draw(st.lists(st.integers(-side, side - 1), min_size=size, max_size=size))
            array = np.reshape(np.asarray(flat, np.intp), own)
            parts.append(array.tolist() if kind == "list" and array.ndim else array)
    if dots:
        parts.insert(place, ...)
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def _mask(draw: st.DrawFn, shape: Shape) -> Array:
    size = math.prod(shape)
    flat = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.reshape(np.asarray(flat, np.bool_), shape)


# ------------------------------------------------------------------------------ numbers


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    domain: tuple[float, float] = ALL_REALS,
    kinks: Sequence[float] | Literal["ties"] = (),
    dtype: Any = np.float64,
) -> Array:
    """Draw an array of well-scaled numbers inside a domain and away from kinks.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    shape : tuple of int or strategy, optional
        Any small one by default.
    domain : (float, float)
        Open interval; the numbers are well inside, and of the order of 1.
    kinks : sequence of float, or "ties"
        Points that the numbers stay away from; with ``"ties"`` they stay away from each other.
    dtype : dtype
        Of the array.
    """
    chosen = shapes() if shape is None else shape
    sides = draw(chosen) if isinstance(chosen, st.SearchStrategy) else chosen
    rng = np.random.default_rng(draw(seeds()))
    if isinstance(kinks, str):
        (x,) = different_numbers(rng, [sides], inside(domain))
    else:
        x = numbers(rng, sides, domain, kinks)
    return np.asarray(x, dtype)


def arrays_of(
    row: Op, argument: str, shape: Shape | st.SearchStrategy[Shape] | None = None
) -> st.SearchStrategy[Array]:
    """Return a strategy for one argument of a row: inside its domain, away from its kinks.

    Parameters
    ----------
    row : Op
        The row.
    argument : str
        Name of the argument.
    shape : tuple of int or strategy, optional
        Any small one by default.
    """
    domain = row.domain.get(argument, ALL_REALS)
    return arrays(shape, domain=domain, kinks=row.kinks.get(argument, ()))


@st.composite
def positive_definite(
    draw: st.DrawFn, size: int | None = None, *, stack: Shape = (), condition: float = 20.0
) -> Array:
    """Draw a symmetric positive definite matrix, or a stack of them.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    size : int, optional
        Rows and columns; 1 to 4 by default.
    stack : tuple of int
        Leading axes.
    condition : float
        Quotient of the largest eigenvalue, which is `condition` / 10, and the smallest, at most.
    """
    n = draw(st.integers(1, 4)) if size is None else size
    rng = np.random.default_rng(draw(seeds()))
    q, _ = np.linalg.qr(rng.normal(size=(*stack, n, n)))
    # Eigenvalues that differ, so that their vectors have derivatives too.
    values = 0.1 * np.geomspace(1, condition, n) * rng.uniform(0.95, 1.05, size=(*stack, n))
    matrix = q * values[..., None, :] @ np.swapaxes(q, -1, -2)
    return np.asarray((matrix + np.swapaxes(matrix, -1, -2)) / 2)


# ------------------------------------------------------------------------------ calls and modules


@st.composite
def samples(draw: st.DrawFn, plan: Plan, smallest: int = 1) -> Sample:
    """Draw the arguments of a call of a row.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    plan : Plan
        The row and its case.
    smallest : int
        Least length of an axis of a drawn shape: 0 for empty arrays too.
    """
    row, case = plan.row, plan.case
    count = len(row.arguments)
    entries = case.arrays if case is not None else draw(broadcastable(count, smallest))
    return sample(row, entries, plan.params, draw(seeds()))


SMOOTH = ("Tanh", "Sigmoid", "Softplus", "SiLU", "GELU")
"""Activations without a kink, so that no drawn number meets one."""


@st.composite
def modules(draw: st.DrawFn, max_layers: int = 3) -> tuple[Module, tuple[Array, ...]]:
    """Draw a net and inputs for it: linear layers, smooth activations, normalisation, dropout.

    Parameters
    ----------
    draw : callable
        Hypothesis'.
    max_layers : int
        Number of linear layers, at most.

    Returns
    -------
    module : Sequential
        In training mode, float64 or float32.
    inputs : tuple of ndarray
        One batch, of the module's dtype.
    """
    from tinygrad_edu import nn  # those who test rows need no layer

    seed, dtype = draw(seeds()), draw(dtypes())
    rng = np.random.default_rng(seed)
    count = draw(st.integers(1, max_layers))
    sides = [draw(st.integers(1, 4)) for _ in range(count + 1)]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sides):
        bias = draw(st.booleans())
        layers.append(nn.Linear(inputs, outputs, bias=bias, dtype=dtype, rng=rng))
        kind = draw(st.sampled_from(["none", "activation", "normalisation", "dropout"]))
        if kind == "activation":
            layers.append(getattr(nn, draw(st.sampled_from(SMOOTH)))())
        elif kind == "normalisation":
            # A larger eps than usual: where the batch hardly varies, 1e-5 is a steep place.
            layers.append(nn.BatchNorm1d(outputs, eps=0.1, dtype=dtype))
        elif kind == "dropout":
            layers.append(nn.Dropout(0.3, rng=rng))
    batch = draw(st.integers(3, 5))
    x = np.asarray(rng.uniform(-1.5, 1.5, size=(batch, sides[0])), dtype)
    return nn.Sequential(*layers), (x,)
