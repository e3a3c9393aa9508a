"""How a row is compared with another library: values, gradients, gradients of gradients.

One call of a row has drawn arguments, one drawn cotangent per result (weights) and one drawn
tangent per argument that moves (directions). Compared are the results y, the gradient g of
<weights, y>, and the gradient of <directions, g>. What the libraries call the rows stands in
``in_torch.py`` and ``in_jax.py``; read ``test_peers.py`` for what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import gradients
from tinygrad_edu.testing import laws
from tinygrad_edu.testing.samples import Sample

TOLERANCES = {
    # relative to 1 plus the size of what is compared, and to the largest number of its array
    "value": 1e-12,
    "order 1": 1e-11,
    "order 2": 1e-10,
}
"""How far apart two float64 results may be: two sums of a few terms in another order."""

LOOSER = {
    # row: what its numbers are multiplied with on the way
}
"""Rows whose arguments are ill-conditioned, with the factor on the tolerance and the reason."""


FREED: dict[str, Callable[[list[Any]], list[Any]]] = {
    "eigh": lambda ys: [ys[0], ys[1] * ys[1]],
    "svd": lambda ys: [y if y.ndim < ys[0].ndim else y * y for y in ys],
    "qr": lambda ys: [y * y for y in ys],
    "lstsq": lambda ys: ys[:1],
}
"""What is compared of results that are free in sign: singular and eigenvectors, the factors of QR;
of least squares the solution alone, since the libraries return other things beside it."""


class Lacks(Exception):
    """The library has the function, but not this option of the row."""


def only(holds: Any, what: str) -> None:
    """Leave a call out, unless something holds."""
    if not holds:
        raise Lacks(what)


def lacks(what: str) -> NoReturn:
    """Leave a call out."""
    raise Lacks(what)


@dataclass
class Tally:
    """What was compared with what."""

    calls: int = 0
    rows: dict[str, set[str]] = field(default_factory=dict)
    differences: int = 0
    known: int = 0

    def count(self, library: str, row: str) -> None:
        """Count one call of a row."""
        self.calls += 1
        self.rows.setdefault(library, set()).add(row)

    def __str__(self) -> str:
        compared = ", ".join(f"{len(rows)} with {name}" for name, rows in self.rows.items())
        return (
            f"rows compared: {compared}; {self.differences} differences "
            f"({self.calls} calls; {self.known} known disagreements shown to be as recorded)"
        )


@dataclass(frozen=True)
class Derivatives:
    """The results of a call, the gradient of their weighted sum, and the gradient of that.

    Attributes
    ----------
    value, first, second : list of ndarray
        One per result; one per argument that moves, twice. Empty where nothing moves.
    """

    value: list[Any]
    first: list[Any]
    second: list[Any]


class Peer(Protocol):
    """Another library."""

    name: str
    rows: dict[str, Callable[..., Any] | str]
    orders: dict[str, int]

    def derivatives(
        self, call: Call, order: int, weights: Sequence[Any], directions: Sequence[Any]
    ) -> Derivatives:
        """Return results and gradients, up to an order; raise `Lacks` if it has no such call."""
        ...


@dataclass(frozen=True)
class Call:
    """One call of a row, for the other library.

    Attributes
    ----------
    sample : Sample
        The arguments.
    key : str
        Calls with the same key differ in their numbers only.
    freed : callable
        Takes the results, and returns those that are free of an arbitrary choice.
    """

    sample: Sample
    key: str
    freed: Callable[[list[Any]], list[Any]]


def results(found: Any) -> list[Any]:
    """Return the results of another library as a list, without the indices beside floats."""
    several = list(found) if isinstance(found, (list, tuple)) else [found]
    return [y for y in several if _inexact(y)] or several


def _inexact(y: Any) -> bool:
    return any(word in str(y.dtype) for word in ("float", "complex"))


def ours(
    call: Call, order: int, weights: Sequence[Any], directions: Sequence[Any]
) -> Derivatives:
    """Return what this package makes of a call."""
    sample = call.sample
    outputs, leaves = laws.call(sample, sample.moving)
    outputs = call.freed(outputs)
    value = [y.numpy() for y in outputs]
    if not order:
        return Derivatives(value, [], [])
    zeros = [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
    first = _gradients(laws.contract(outputs, weights), leaves)
    second: list[Any] = zeros
    if order > 1:
        second = _arrays(_gradients(laws.contract(first, directions), leaves))
    return Derivatives(value, _arrays(first), second if order > 1 else [])


def _gradients(total: Any, leaves: list[Tensor]) -> list[Any]:
    if not total.requires_grad:
        return [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
    return list(gradients(total, leaves, create_graph=True))


def _arrays(found: Sequence[Any]) -> list[Any]:
    return [a.numpy() if isinstance(a, Tensor) else a for a in found]


def weights_of(call: Call) -> list[Any]:
    """Return one random cotangent per result, as it is after the choice is taken away."""
    return laws.draw_like(call.freed(laws.values(call.sample)), call.sample.seed, 1)


def assert_agree(call: Call, order: int, peer: Peer) -> None:
    """Raise unless a library gives what this package gives."""
    order = min(order, peer.orders.get(call.sample.row.name, order))
    weights, directions = weights_of(call), laws.directions_of(call.sample)
    theirs = peer.derivatives(call, order, weights, directions)
    mine = ours(call, order, weights, directions)
    name = call.sample.row.name
    for level, found, expected in (
        ("value", mine.value, theirs.value),
        ("order 1", mine.first, theirs.first),
        ("order 2", mine.second, theirs.second),
    ):
        laws.demand(len(found) == len(expected), f"{name}: {len(found)} not {len(expected)}")
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            scale = float(np.max(np.abs(b[np.isfinite(b)]), initial=0))
            path = f"{level} of {name}, number {i}, against {peer.name}"
            laws.assert_close(a, b, TOLERANCES[level] * LOOSER.get(name, 1), path, scale)
