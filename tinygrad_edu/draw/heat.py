"""Where a graph spends its time, memory and arithmetic: `costs`, and `heated` pictures of them.

Knows: nodes, rows and the clock. Does not know: how a card is made, or which nodes it stands for;
the caller says so. Every number is measured on, or counted from, the graph at hand: nothing is
guessed from a model of some machine. Read ``reading.py`` first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any, Literal, get_args

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node
from tinygrad_edu.core.op import ALL_REALS, Like
from tinygrad_edu.draw.numbers import norm
from tinygrad_edu.draw.picture import Bar, Card, Line, Picture
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.errors import DiagramError, TinygradEduError
from tinygrad_edu.ops.conv import frame_of

__all__ = ["Costs", "Heat", "costs", "heated"]

Heat = Literal["time", "memory", "flops", "grad"]

_STEPS = 5  # of the fill
_PASSES, _BUDGET = 5, 0.3  # everything is run so often at least, and for so many seconds
_MOST, _PATIENCE = 30, 2.0  # so often at most, and no longer than so many seconds


@dataclass(frozen=True)
class Costs:
    """What each node costs, in one unit.

    Parameters
    ----------
    kind : {"time", "memory", "flops", "grad"}
        What was measured.
    values : mapping of Node to float or None
        Seconds, bytes, operations, or the norm of the cotangent; None where it is not known.
    """

    kind: Heat
    values: Mapping[Node, float | None]

    @cached_property
    def total(self) -> float:
        """What all nodes cost together."""
        return self.of(self.values) or 0.0

    def of(self, nodes: Iterable[Node]) -> float | None:
        """Return what some nodes cost together, None if that of none is known.

        Norms are taken together as those of one long vector.
        """
        known = [value for node in nodes if (value := self.values.get(node)) is not None]
        if not known:
            return None
        return math.hypot(*known) if self.kind == "grad" else math.fsum(known)

    def share(self, amount: float | None) -> float:
        """Return the fraction of the whole, in [0, 1]; 0 for what is not known."""
        if amount is None or not self.total:
            return 0.0
        share = amount / self.total
        # An infinite norm is a part of an infinite whole.
        return min(1.0, share) if math.isfinite(share) else 1.0

    def text(self, amount: float | None) -> str:
        """Return an amount with its unit, such as ``1.2 ms``; ``–`` for what is not known."""
        if amount is None:
            return "–"
        if self.kind == "grad":
            return f"{amount:.3g}"
        return _scaled(amount, *_UNITS[self.kind])

    def caption(self, amount: float | None) -> str:
        """Return what a bar says: the share of the whole in percent; a norm as it is."""
        if amount is None:
            return f"{_WORDS[self.kind]} –"
        if self.kind == "grad":
            return f"{_WORDS[self.kind]} {self.text(amount)}"
        percent = 100 * self.share(amount)
        figure = "<1" if 0 < percent < 0.5 else f"{percent:.0f}"
        return f"{_WORDS[self.kind]} {figure} %"


_WORDS = {"time": "time", "memory": "mem", "flops": "flops", "grad": "all gradients"}
_UNITS: dict[str, tuple[str, Sequence[str]]] = {
    "time": ("s", ("", "m", "µ", "n")),
    "memory": ("B", ("G", "M", "k", "")),
    "flops": ("FLOP", ("G", "M", "k", "")),
}


def _scaled(amount: float, unit: str, prefixes: Sequence[str]) -> str:
    """Return an amount with the prefix that leaves it between 1 and 1000."""
    factors = {"G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}
    prefix = next((p for p in prefixes if amount >= factors[p]), prefixes[-1])
    scaled = amount / factors[prefix]
    figure = f"{scaled:.0f}" if scaled >= 100 or scaled == int(scaled) else f"{scaled:.2g}"
    return f"{figure} {prefix}{unit}"


def costs(reading: Reading, kind: Heat) -> Costs:
    """Return what each node of a graph costs.

    Parameters
    ----------
    reading : Reading
        The graph.
    kind : {"time", "memory", "flops", "grad"}
        - ``"time"``: seconds of the forward function and of the rules of the backward pass, each
          run anew: once to warm up, then several times, of which the fastest counts, for all
          that disturbs a run makes it slower. Values that the graph did not keep are computed
          on the way. Where a constant was not kept, random numbers of its shape from the domain of
          the row stand for it. Leaves take no time; None where a function fails on such numbers.
        - ``"memory"``: bytes that are kept for the backward pass. An array counts once, where it is
          kept first, and a view as what it looks into. What belongs to leaves is not counted, for
          it is there anyway.
        - ``"flops"``: arithmetic of the forward pass from the shapes: two operations for each
          multiply-add (which `Module.summary` counts) of matrix products and convolutions; one for
          each element that another row computes or sums up; none where numbers only move.
        - ``"grad"``: the norm of the cotangent, from a sweep of its own, seeded with ones.

    Raises
    ------
    DiagramError
        The kind is none of these.
    MutationError
        For time and gradients: an array in the graph has changed since.
    """
    if kind not in get_args(Heat):
        raise DiagramError(f"heat is one of {', '.join(get_args(Heat))}, got {kind!r}")
    return Costs(kind, _MEASURES[kind](reading))


def heated(picture: Picture, nodes: Mapping[str, Sequence[Node]], *measured: Costs) -> Picture:
    """Return the picture with the costs of its cards: a fill in five steps, and bars that say it.

    Parameters
    ----------
    picture : Picture
        It is not changed. What is folded already shows the costs of all its members.
    nodes : mapping of str to sequence of Node
        The nodes that a card stands for, by its ``id``. Others, and cards of leaves alone where
        leaves cost nothing, stay as they are.
    *measured : Costs
        The first gives the fill, each gives a bar. A bar is as long as its share of the largest
        one; its caption tells the share of the whole.
    """
    amounts: list[dict[str, float | None]] = []
    for cost in measured:
        found: dict[str, float | None] = {}
        for card in picture.cards:
            own = [node for name in card.members or (card.id,) for node in nodes.get(name, ())]
            if cost.kind != "grad":
                own = [node for node in own if not isinstance(node, Leaf)]
            if own:
                found[card.id] = cost.of(own)
        amounts.append(found)
    largest = [_largest(found.values()) for found in amounts]
    cards = tuple(_heated(card, measured, amounts, largest) for card in picture.cards)
    return replace(picture, cards=cards)


def _largest(amounts: Iterable[float | None]) -> float:
    return max((amount for amount in amounts if amount and math.isfinite(amount)), default=0.0)


def _heated(
    card: Card,
    measured: Sequence[Costs],
    amounts: Sequence[Mapping[str, float | None]],
    largest: Sequence[float],
) -> Card:
    """Return a card with its fill, bars and words."""
    heat, bars, words = card.heat, list(card.bars), []
    for number, (cost, found, most) in enumerate(zip(measured, amounts, largest, strict=True)):
        if card.id not in found:
            continue
        amount = found[card.id]
        length = 0.0 if amount is None or not most else min(1.0, amount / most)
        length = length if math.isfinite(length) else 1.0
        if number == 0 and amount is not None:
            heat = min(_STEPS - 1, int(_STEPS * length))
        role: Literal["value", "gradient"] = "value" if number % 2 else "gradient"
        bars.append(Bar(length, Line(cost.caption(amount), "grey"), role))
        words.append(f"{cost.caption(amount)}: {cost.text(amount)} of {cost.text(cost.total)}")
    if not words:
        return card
    tooltip = "\n".join([card.description, *words])
    return replace(card, heat=heat, bars=tuple(bars), tooltip=tooltip)


# -------------------------------------------------------------------------------------------- time


def _times(reading: Reading) -> dict[Node, float | None]:
    """Return the seconds of each node, forward and backward."""
    cotangents = reading.sweep().cotangents
    fastest: dict[Node, list[float]] = {}  # forward and backward
    begun = perf_counter()
    for number in range(_MOST + 1):
        if number == 1:  # the first run has filled caches, and counts only if it was too long
            spent = perf_counter() - begun
            if spent < _PATIENCE:
                fastest.clear()
                begun = perf_counter()
        elif number > 1:
            spent = perf_counter() - begun
        if number and (spent > _PATIENCE or (number > _PASSES and spent > _BUDGET)):
            break
        for node, seconds in _forward(reading).items():
            g = cotangents.get(node)
            now = [seconds, 0.0 if g is None else _backward(node, g)]
            fastest[node] = [min(pair) for pair in zip(fastest.get(node, now), now, strict=True)]
    return {
        node: 0.0 if isinstance(node, Leaf) else sum(fastest[node]) if node in fastest else None
        for node in reading.nodes
    }


def _forward(reading: Reading) -> dict[Node, float]:
    """Return the seconds of the forward function of each node, run once more in their order."""
    rng = np.random.default_rng(0)
    values: dict[Node, Any] = {}
    waiting = {node: len(reading.consumers[node]) for node in reading.nodes}
    seconds: dict[Node, float] = {}
    for node in reading.nodes:
        op: Any = node.op
        if op is None:
            values[node] = node.result
            continue
        names = op.arguments * len(node.primals) if op.variadic else op.arguments
        arrays = [
            values[up] if up is not None else _given(primal, op.domain.get(name, ALL_REALS), rng)
            for up, primal, name in zip(node.upstream or (), node.primals, names, strict=True)
        ]
        with np.errstate(all="ignore"):
            try:
                begun = perf_counter()
                found = op.forward(*arrays, **node.params)
                seconds[node] = perf_counter() - begun
                found = found[0] if op.kind == "fused" else found
            except (ValueError, ArithmeticError, TinygradEduError):
                found = _given(node.result, ALL_REALS, rng)  # such as a root of random numbers
        # What the graph kept is the truth, whatever stood for an argument.
        values[node] = reading.values.get(node, found)
        for up in node.upstream or ():
            if up is not None:
                waiting[up] -= 1
                if not waiting[up]:
                    del values[up]
    return seconds


def _given(value: Any, interval: tuple[float, float], rng: np.random.Generator) -> Any:
    """Return a constant, or random numbers in the place of one that was not kept."""
    if not isinstance(value, Like):
        return value
    if value.dtype.kind not in "fc":
        return np.ones(value.shape, value.dtype)
    low, high = interval
    if math.isinf(low) and math.isinf(high):
        return rng.standard_normal(value.shape).astype(value.dtype)
    drawn = rng.uniform(0.25, 0.75, value.shape)
    if math.isinf(high):
        return (low + 2 * drawn).astype(value.dtype)
    if math.isinf(low):
        return (high - 2 * drawn).astype(value.dtype)
    return (low + (high - low) * drawn).astype(value.dtype)


def _backward(node: Node, g: Any) -> float:
    """Return the seconds of the rules of a node for a cotangent."""
    op: Any = node.op
    upstream: Any = node.upstream
    wanted = [up is not None for up in upstream]
    with np.errstate(all="ignore"):
        begun = perf_counter()
        if op.joint is not None:
            into = [None] * len(wanted)
            op.joint(
                g, node.result, node.saved, *node.primals, wanted=wanted, into=into, **node.params
            )
        else:
            for want, rule in zip(wanted, op.rules, strict=True):
                if want and rule is not None:
                    rule(g, node.result, *node.primals, **node.params)
        return perf_counter() - begun


# ------------------------------------------------------------------------------------------ memory


def _bytes(reading: Reading) -> dict[Node, float | None]:
    """Return the bytes that each node is the first to keep."""
    counted = {id(_owner(node.result)) for node in reading.nodes if isinstance(node, Leaf)}
    found: dict[Node, float | None] = {}
    for node in reading.nodes:
        size = 0
        if node.op is not None:
            saved = node.saved if node.op.kind == "fused" else None  # others have no such slot
            for array in _arrays((node.primals, node.result, saved)):
                owner = _owner(array)
                if id(owner) not in counted:
                    counted.add(id(owner))
                    size += owner.nbytes
        found[node] = float(size)
    return found


def _owner(array: Any) -> Any:
    """Return the array whose memory another one looks into."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _arrays(kept: Any) -> list[Any]:
    """Return the arrays in what a node keeps, in order."""
    found, stack = [], [kept]
    while stack:
        part = stack.pop()
        if isinstance(part, np.ndarray):
            found.append(part)
        elif isinstance(part, (list, tuple)):
            stack.extend(reversed(part))
        elif isinstance(part, dict):
            stack.extend(reversed(part.values()))
        elif hasattr(part, "__dict__") and not isinstance(part, type):
            stack.append(vars(part))
    return found


# -------------------------------------------------------------------------------------- arithmetic


def _flops(reading: Reading) -> dict[Node, float | None]:
    """Return the operations of the forward function of each node."""
    return {node: 0.0 if node.op is None else _operations(node) for node in reading.nodes}


def _operations(node: Node) -> float:
    op: Any = node.op
    shapes = [np.shape(primal) if not isinstance(primal, Like) else primal.shape
              for primal in node.primals]  # fmt: skip
    out = node.result.shape
    work = _PRODUCTS.get(op.name)
    if work is not None:
        return 2.0 * work(out, shapes, node.params)
    if op.pattern == "matmul":
        return _decomposed(op, out, shapes)
    most = max(math.prod(shape) for shape in (out, *shapes))
    moves = op.name in _MOVES or (op.kind == "linear" and op.pattern in ("route", "reshape"))
    # A sum copies its gradient, as a broadcast does its values; it alone makes fewer of many.
    copies = op.kind == "linear" and op.pattern == "copy" and math.prod(out) == most
    return 0.0 if (moves and op.name != "overlap_add") or copies else float(most)


_MOVES = ("embedding", "pad_constant", "straight_through")

_Shapes = Sequence[tuple[int, ...]]


def _contracted(out: tuple[int, ...], shapes: _Shapes, _params: Any) -> float:
    """Return the multiply-adds of a product: its elements, times the length that is summed over."""
    a, b = shapes[:2]
    # Each axis is in two of the three shapes; those of a stack are in all of them.
    return math.prod(out) * (a[-1] if a and b else 1)


def _tensordot(out: tuple[int, ...], shapes: _Shapes, _params: Any) -> float:
    a, b = (math.prod(shape) for shape in shapes)
    return math.sqrt(a * b * math.prod(out))


def _einsum(_out: tuple[int, ...], shapes: _Shapes, params: Any) -> float:
    """Return the product of the lengths of all letters; an ellipsis stands for the rest."""
    sizes: dict[str, int] = {}
    rest = 1
    inputs = str(params["subscripts"]).replace(" ", "").partition("->")[0].split(",")
    for letters, shape in zip(inputs, shapes, strict=True):
        before, dots, after = letters.partition("...")
        ends = shape[len(shape) - len(after) :] if dots else ()
        sizes.update(zip(before, shape, strict=False))
        sizes.update(zip(after, ends, strict=True))
        if dots:
            rest = max(rest, math.prod(shape[len(before) : len(shape) - len(after)]))
    return rest * math.prod(sizes.values())


def _weighted(*places: int) -> Callable[[tuple[int, ...], _Shapes, Any], float]:
    """Return the work of a row in which the weights at some places multiply each row of `x`."""

    def work(_out: tuple[int, ...], shapes: _Shapes, _params: Any) -> float:
        x = shapes[0]
        return sum(math.prod(x[:-1]) * math.prod(shapes[place]) for place in places)

    return work


def _convolved(_out: tuple[int, ...], shapes: _Shapes, params: Any) -> float:
    """Return the multiply-adds of all windows, before any pooling."""
    x, weight = shapes[:2]
    around = (params[name] for name in ("stride", "padding", "dilation"))
    windows = frame_of("convolution", x, weight[2:], *around).out
    return x[0] * math.prod(windows) * math.prod(weight)


def _attention(out: tuple[int, ...], shapes: _Shapes, _params: Any) -> float:
    """Return the multiply-adds of all scores, and of the sums of values."""
    q, k, v = shapes[:3]
    return math.prod(out[:-1]) * k[-2] * (q[-1] + v[-1])


# The rows that multiply matrices and windows: how many multiply-adds, from the shapes.
_PRODUCTS: dict[str, Callable[[tuple[int, ...], _Shapes, Any], float]] = {
    "matmul": _contracted,
    "tensordot": _tensordot,
    "einsum": _einsum,
    "linear": _weighted(1),
    "convolution": _convolved,
    "convolve": lambda _, shapes, __: math.prod(shapes[0]) * math.prod(shapes[1]),
    "scaled_dot_product_attention": _attention,
    "rnn_cell": _weighted(2, 3),
    "lstm_step": _weighted(3, 4),
    "gru_cell": _weighted(2, 3),
    "rnn_scan": _weighted(2),
    "lstm_scan": _weighted(3),
    "gru_scan": _weighted(2),
}


def _decomposed(op: Any, out: tuple[int, ...], shapes: _Shapes) -> float:
    """Return the order of magnitude for decompositions, n³ a matrix, and n log n for transforms."""
    x = shapes[0]
    if op.kind == "linear":
        size = max(math.prod(x), math.prod(out))
        return 5.0 * size * math.log2(max(2, x[-1] if x else 2))
    if len(x) < 2:
        return float(max(math.prod(x), math.prod(out)))
    return float(math.prod(x) * min(x[-2:]))


# ------------------------------------------------------------------------------------------- norms


def _norms(reading: Reading) -> dict[Node, float | None]:
    """Return the norm of each cotangent; None where no gradient arrives."""
    found = reading.sweep().cotangents
    return {node: norm(found[node]) if node in found else None for node in reading.nodes}


_MEASURES: dict[str, Callable[[Reading], dict[Node, float | None]]] = {
    "time": _times,
    "memory": _bytes,
    "flops": _flops,
    "grad": _norms,
}
