"""How a row is compared with another library: values, gradients, gradients of gradients.

One call of a row has drawn arguments, one drawn cotangent per result (weights) and one drawn
tangent per argument that moves (directions). Compared are the results y, the gradient g of
<weights, y>, and the gradient of <directions, g>. What the libraries call the rows, and where they
differ, stands in ``in_torch.py`` and ``in_jax.py``; read ``test_peers.py`` for what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import gradients
from tinygrad_edu.testing import laws
from tinygrad_edu.testing.samples import Plan, Sample

Cells = dict[str, Callable[..., Any] | str]
"""What a library calls each row, or why it does not have it."""

TOLERANCES = {
    # relative to 1 plus the number that is compared, plus the largest of its array
    "value": 1e-12,
    "order 1": 1e-11,
    "order 2": 1e-10,
}
"""How far apart two float64 results may be: sums and products of a few terms in another order."""

LOOSER = {
    ("PyTorch", "celu"): ("order 1", 1e3, "its backward divides by alpha in single precision"),
    ("PyTorch", "hardsigmoid"): ("order 1", 1e4, "its backward has 1/6 in single precision"),
    ("PyTorch", "digamma"): ("order 1", 1e3, "its trigamma ends its series early"),
    ("PyTorch", "lgamma"): ("order 2", 1e3, "its trigamma ends its series early"),
    ("PyTorch", "polygamma"): ("value", 1e4, "its trigamma ends its series early"),
}
"""Functions of which a library gives fewer digits: from which level on, the factor, and why."""

FREED: dict[str, Callable[[list[Any]], list[Any]]] = {
    "eigh": lambda ys: [ys[0], ys[1] * ys[1]],
    "svd": lambda ys: [y if y.ndim < ys[0].ndim else y * y for y in ys],
    "qr": lambda ys: [y * y for y in ys],
    "lstsq": lambda ys: ys[:1],
}
"""What is compared where a result is free in sign: singular and eigenvectors, the factors of QR;
and the solution of least squares alone, beside which libraries return different things."""


class Lacks(Exception):
    """The library has the function, but not this option of the row."""


def only(holds: Any, what: str) -> None:
    """Leave a call out, unless something holds."""
    if not holds:
        raise Lacks(what)


# ------------------------------------------------------------------------------ what is recorded


@dataclass(frozen=True)
class Differ:
    """A call whose result or gradient is another one there, and why.

    Attributes
    ----------
    row, arrays, params : str, tuple, dict
        The call. All weights and all directions are 1.
    level, number : str, int
        What differs: a result ("value") or the cotangent of an argument ("order 1", "order 2").
    ours, theirs : array_like
        What each gives.
    reason : str
        Why, and who is right where one is.
    function : callable, optional
        What gives theirs; the cell of the table if left out.
    """

    row: str
    arrays: tuple[Any, ...]
    params: dict[str, Any]
    level: str
    number: int
    ours: Any
    theirs: Any
    reason: str
    function: Callable[..., Any] | None = None

    def __str__(self) -> str:
        return f"{self.row} {self.level}"


@dataclass(frozen=True)
class Edge:
    """Places of an elementwise row where the slope is another one there, and why.

    Attributes
    ----------
    argument : int or None
        Whose slope; None: the value itself.
    where : callable
        Takes the arguments and parameters, returns where they differ.
    ours, theirs : float or callable
        What each gives there; None where a library gives no meaningful number.
    reason : str
        Why.
    """

    argument: int | None
    where: Callable[..., Any]
    ours: Any
    theirs: Any
    reason: str


class Peer(Protocol):
    """Another library.

    Attributes
    ----------
    name : str
        As its authors write it.
    rows : dict
        What it calls each row: a function, or the reason why there is none.
    orders : dict
        How often it can differentiate a row that it cannot differentiate any number of times.
    real : dict
        Rows that it does not have for complex numbers, or has them for others, and why.
    differ : sequence of Differ
        Calls with other results there.
    edges : dict
        Places with other slopes there, by row.
    """

    name: str
    rows: Cells
    orders: dict[str, int]
    real: dict[str, str]
    differ: Sequence[Differ]
    edges: dict[str, Sequence[Edge]]

    def derivatives(
        self, call: Call, order: int, weights: Sequence[Any], directions: Sequence[Any]
    ) -> Derivatives:
        """Return results and gradients, up to an order; raise `Lacks` if it has no such call."""
        ...


# ------------------------------------------------------------------------------ one call


@dataclass(frozen=True)
class Call:
    """One call of a row.

    Attributes
    ----------
    sample : Sample
        The arguments.
    key : str
        Calls with the same key differ in the numbers of their moving arguments only.
    function : callable, optional
        What the other library is to compute; the cell of its table if left out.
    """

    sample: Sample
    key: str
    function: Callable[..., Any] | None = None

    def freed(self, results: list[Any]) -> list[Any]:
        """Return what is compared of the results."""
        return FREED.get(self.sample.row.name, list)(results)

    def by(self, rows: Mapping[str, Any]) -> Callable[[Sequence[Any]], list[Any]]:
        """Return another library's function of the arrays alone, with what is compared of it."""
        function = self.function or rows[self.sample.row.name]
        return lambda arrays: self.freed(_floats(function(*arrays, **self.sample.params)))


def _floats(found: Any) -> list[Any]:
    """Return results as a list, without the indices beside floats, as `laws.results` does."""
    several = list(found) if isinstance(found, (list, tuple)) else [found]
    inexact = [y for y in several if "float" in str(y.dtype) or "complex" in str(y.dtype)]
    return inexact or several


@dataclass(frozen=True)
class Derivatives:
    """The results of a call, the gradient of their weighted sum, and the gradient of that.

    Attributes
    ----------
    value, first, second : list of ndarray
        One per result; one per argument that moves, twice. Empty beyond the order asked for.
    """

    value: list[Any]
    first: list[Any] = field(default_factory=list)
    second: list[Any] = field(default_factory=list)

    def at(self, level: str) -> list[Any]:
        """Return the arrays of one of `TOLERANCES`."""
        return {"value": self.value, "order 1": self.first, "order 2": self.second}[level]


def ours(call: Call, order: int, weights: Sequence[Any], directions: Sequence[Any]) -> Derivatives:
    """Return what this package makes of a call."""
    outputs, leaves = laws.call(call.sample, call.sample.moving)
    outputs = call.freed(outputs)
    value = _arrays(outputs)
    if not order:
        return Derivatives(value)
    first = _gradients(laws.contract(outputs, weights), leaves)
    if order == 1:
        return Derivatives(value, _arrays(first))
    second = _gradients(laws.contract(first, directions), leaves)
    return Derivatives(value, _arrays(first), _arrays(second))


def _gradients(total: Any, leaves: list[Tensor]) -> list[Any]:
    if not isinstance(total, Tensor) or not total.requires_grad:
        return [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
    return list(gradients(total, leaves, create_graph=True))


def _arrays(found: Sequence[Any]) -> list[Any]:
    return [a.numpy() if isinstance(a, Tensor) else a for a in found]


def order_of(call: Call, peer: Peer) -> int:
    """Return how often a call is differentiated."""
    return min(2 if call.sample.moving else 0, peer.orders.get(call.sample.row.name, 2))


def assert_agree(call: Call, peer: Peer) -> None:
    """Raise unless a library gives what this package gives."""
    name, order = call.sample.row.name, order_of(call, peer)
    weights = laws.draw_like(call.freed(laws.values(call.sample)), call.sample.seed, 1)
    directions = laws.directions_of(call.sample)
    expected = peer.derivatives(call, order, weights, directions)
    found = ours(call, order, weights, directions)
    since, factor, _ = LOOSER.get((peer.name, name), ("order 2", 1.0, ""))
    levels = list(TOLERANCES)
    for level in levels[: order + 1]:
        assert len(found.at(level)) == len(expected.at(level)), f"{name}: how many results"
        loosened = factor if levels.index(level) >= levels.index(since) else 1.0
        for i, (a, b) in enumerate(zip(found.at(level), expected.at(level), strict=True)):
            scale = float(np.max(np.abs(b[np.isfinite(b)]), initial=0))
            path = f"{level} of {name}, number {i}, against {peer.name}"
            laws.assert_close(a, b, TOLERANCES[level] * loosened, path, scale)


# ------------------------------------------------------------------------------ at the edges

POINTS = (0.0, -0.0, 1.0, -1.0, 2.0, 1e-8, 30.0, -30.0, 1000.0, -1000.0)
"""Where kinks, ends and cancellation are, for any row; those of a row itself come to them."""


def at_edges(plan: Plan) -> Call:
    """Return an elementwise row at all points, and at all pairs of points with few of them."""
    row = plan.row
    points = set(POINTS)
    for kinks in row.kinks.values():
        points |= set() if isinstance(kinks, str) else {float(kink) for kink in kinks}
    for value in plan.params.values():
        points |= {value, -value} if isinstance(value, float) else set()
    ordered = [*sorted(points), -0.0]
    if len(row.arguments) == 1:
        arrays = [np.array(ordered)]
    else:
        few = [p for p in ordered if abs(p) in (0, 1, 2, 1000)]
        arrays = [np.ravel(a) for a in np.meshgrid(few, few)]
    moving = tuple(i for i, rule in enumerate(row.rules) if rule is not None)
    return Call(Sample(row, tuple(arrays), plan.params, moving, 0), f"{plan} at edges")


def of_domain(call: Call, value: Any) -> Any:
    """Return where all arguments are in the domain, ends included, and the value is finite."""
    inside = np.isfinite(value)
    for name, x in zip(call.sample.row.arguments, call.sample.arrays, strict=True):
        low, high = call.sample.row.domain.get(name, (-np.inf, np.inf))
        inside &= (low <= x) & (x <= high)
    return inside


def recorded(entry: Differ) -> Call:
    """Return the call of a recorded disagreement."""
    row = OPS[entry.row]
    moving = tuple(
        i
        for i, a in enumerate(entry.arrays)
        if isinstance(a, np.ndarray)
        and a.dtype.kind in "fc"
        and (row.kind == "composite" or row.joint is not None or row.rules[i] is not None)
    )
    params = {**row.params, **entry.params}
    key = f"{entry.row} {entry.arrays} {params} {entry.function}"
    return Call(Sample(row, entry.arrays, params, moving, 0), key, entry.function)
