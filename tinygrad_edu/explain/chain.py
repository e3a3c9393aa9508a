"""The chain rule with its numbers: what one row hands back, from which elements, by which paths.

Knows: nodes, rules, and the sweep. Does not know: words. Every number is that of the rule that
runs. Read ``check.py`` next, which asks whether the numbers are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, project
from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.reading import Reading, Sweep

__all__ = ["Path", "Sum", "Term", "count_paths", "paths", "pulled", "terms"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]
Step = tuple[Node, int]

FEW = 64
"""Results of so few elements are asked one element at a time."""


@dataclass(frozen=True)
class Term:
    """One product of a chain rule.

    Parameters
    ----------
    place : tuple of int
        An element of the result.
    incoming : number
        The gradient of that element.
    slope : number
        The derivative of that element of the result by the element of the argument.
    """

    place: Index
    incoming: Any
    slope: Any

    @property
    def product(self) -> Any:
        """The gradient that comes from there."""
        return self.incoming * self.slope


@dataclass(frozen=True)
class Sum:
    """What an element of an argument gets from a row, as a sum.

    Parameters
    ----------
    terms : tuple of Term
        The largest ones.
    count : int
        How many there are.
    rest : number
        What those that are not listed add up to.
    total : number
        All of them.
    """

    terms: tuple[Term, ...]
    count: int
    rest: Any
    total: Any


@dataclass(frozen=True)
class Path:
    """One way from a node to the output.

    Parameters
    ----------
    steps : tuple of (Node, int)
        The rows that it leads through, and which argument it enters by; the output's is last.
    slopes : tuple of number
        The derivative of each step, where all of them have one element; else empty.
    value : number
        What the gradient gets by it, at the chosen element.
    """

    steps: tuple[Step, ...]
    slopes: tuple[Any, ...]
    value: Any


def pulled(node: Node, i: int, g: Array) -> Array | None:
    """Return what a row hands to one argument of a gradient that is given; None if nothing.

    Parameters
    ----------
    node : Node
        A node that an op made.
    i : int
        Which argument.
    g : array
        The gradient of its result.
    """
    op: Any = node.op
    params = node.params or {}
    up: Any = (node.upstream or ())[i]
    with np.errstate(all="ignore"):  # the forward pass has warned already
        if op.joint is not None:
            wanted = [k == i for k in range(len(node.primals))]
            none = [None] * len(wanted)
            cotangent = op.joint(
                g, node.result, node.saved, *node.primals, wanted=wanted, into=none, **params
            )[i]
        elif op.rules[i] is not None:
            cotangent = op.rules[i](g, node.result, *node.primals, **params)
        else:
            return None
        if cotangent is None:
            return None
        if op.kind == "elementwise":  # below a choice, nothing flows through what was not taken
            cotangent = np.where((g == 0) & ~np.isfinite(cotangent), 0, cotangent)
        return np.asarray(project(cotangent, up.result, node))


# ------------------------------------------------------------------------------ elements


def terms(node: Node, i: int, g: Array, place: Index, most: int = 4) -> Sum | None:
    """Return what one element of an argument gets from the elements of the result.

    None where it is no sum of few products, or too long to take apart.

    Parameters
    ----------
    node : Node
        A node that an op made.
    i : int
        Which argument.
    g : array
        The gradient of the result.
    place : tuple of int
        The element of the argument.
    most : int
        So many terms are listed, if there are more than one above it.
    """
    whole = pulled(node, i, g)
    if whole is None or g.dtype.kind == "c" or whole.dtype.kind == "c":
        return None
    total = whole[place]
    op: Any = node.op
    if op.kind == "elementwise":
        found = _diagonal(node, i, g, place)
    else:
        found = _dense(node, i, g, place, most + 1)
    if found is None:
        return None
    products = [(abs(np.nan_to_num(a * b)), k) for k, (_, a, b) in enumerate(found[0])]
    listed = len(found[0]) if found[1] <= most + 1 else most
    kept = sorted(k for _, k in sorted(products, key=lambda each: -each[0])[:listed])
    each = tuple(Term(found[0][k][0], found[0][k][1].item(), found[0][k][2].item()) for k in kept)
    rest = float(total) - sum(term.product for term in each)
    scale = max([abs(float(total)), *(abs(term.product) for term in each)])
    precise = 100 * float(np.finfo(whole.dtype).eps) * scale
    if found[1] <= len(each):
        if abs(rest) > precise:  # the rule is no sum of products, as where gradients are clipped
            return None
        rest = 0.0
    return Sum(each, found[1], rest, total.item())


_Found = tuple[list[tuple[Index, Any, Any]], int]
"""Elements of the result with their gradients and slopes, and how many there are in all."""


def _diagonal(node: Node, i: int, g: Array, place: Index) -> _Found | None:
    """Return the elements that one of an elementwise row's argument was broadcast to."""
    op: Any = node.op
    like = node.primals[i]
    ones = np.ones(g.shape, g.dtype)
    with np.errstate(all="ignore"):
        slopes = op.rules[i](ones, node.result, *node.primals, **(node.params or {}))
    slopes = np.broadcast_to(np.asarray(slopes), g.shape)
    shape = like.shape
    lead = g.ndim - len(shape)
    index: list[Any] = [slice(None)] * lead
    for side, size, at in zip(shape, g.shape[lead:], place, strict=True):
        index.append(slice(None) if side == 1 and size != 1 else slice(at, at + 1))
    inside = np.zeros(g.shape, bool)
    inside[tuple(index)] = True
    places = np.argwhere(inside)
    found = [(tuple(map(int, at)), g[tuple(at)], slopes[tuple(at)]) for at in places[:10_000]]
    return (found, len(places)) if len(places) <= 10_000 else None


def _dense(node: Node, i: int, g: Array, place: Index, most: int) -> _Found | None:
    """Return the elements of the result that depend on one of the argument, the weightiest."""
    op: Any = node.op
    if g.size <= FEW:
        flat = [int(k) for k in range(g.size)]
        count = None
    elif op.exempt:
        return None
    else:
        moved = _moved_by(node, i, place)
        if moved is None:
            return None
        weights = np.nan_to_num(np.abs(moved * g)).reshape(-1)
        touched = np.flatnonzero(moved.reshape(-1))
        count = int(touched.size)
        flat = [int(k) for k in touched[np.argsort(-weights[touched], kind="stable")][:most]]
        flat.sort()
    found = []
    for k in flat:
        at = tuple(int(a) for a in np.unravel_index(k, g.shape))
        one = np.zeros_like(g)
        one[at] = 1
        back = pulled(node, i, one)
        slope = None if back is None else back[place]
        if slope is not None and slope != 0:
            found.append((at, g[at], slope))
    return found, len(found) if count is None else count


def _moved_by(node: Node, i: int, place: Index) -> Array | None:
    """Return by how much the result moves when one element of an argument does."""
    op: Any = node.op
    before = [
        np.zeros(primal.shape, primal.dtype) if isinstance(primal, Like) else primal
        for primal in node.primals
    ]
    after = list(before)
    after[i] = np.array(before[i], dtype=np.result_type(before[i], np.float64))
    before[i] = after[i].copy()
    after[i][place] += 1e-3 * max(1.0, abs(after[i][place]))
    try:
        with np.errstate(all="ignore"):
            old = op.forward(*before, **(node.params or {}))
            new = op.forward(*after, **(node.params or {}))
    except Exception:  # zeros in the place of what was not kept need not be in the domain
        return None
    if op.kind == "fused":
        old, new = old[0], new[0]
    return np.asarray(new - old)


# ------------------------------------------------------------------------------ paths


def count_paths(reading: Reading, sweep: Sweep, start: Node) -> int:
    """Return by how many ways a gradient comes from the output to a node."""
    counts: dict[Node, int] = {start: 1}
    for node in reading.nodes:
        if node.op is None or node is start:
            continue
        counts[node] = sum(
            counts.get(up, 0)
            for i, up in enumerate(node.upstream or ())
            if up is not None and (node, i) in sweep.parts
        )
    return sum(counts.get(root, 0) for root in reading.roots)


def paths(
    reading: Reading, sweep: Sweep, seeds: Mapping[Node, Array], start: Node, place: Index
) -> list[Path]:
    """Return the ways from a node to the output, each with what the gradient gets by it.

    Parameters
    ----------
    reading, sweep : Reading, Sweep
        The graph, and what flowed back through it.
    seeds : mapping of Node to array
        The gradients that the sweep began with.
    start : Node
        Where the gradient arrives.
    place : tuple of int
        The element of it.
    """
    found = []
    for steps in _routes(reading, sweep, start):
        g: Array | None = seeds[steps[-1][0]]
        slopes = []
        scalar = start.result.size == 1
        for node, i in reversed(steps):
            scalar = scalar and node.result.size == 1
            if scalar:
                slope = pulled(node, i, np.ones(node.result.shape, node.result.dtype))
                slopes.append(0.0 if slope is None else slope.reshape(()).item())
            g = None if g is None else pulled(node, i, g)
        value = 0.0 if g is None else g[place].item()
        found.append(Path(steps, tuple(slopes) if scalar else (), value))
    return found


def _routes(reading: Reading, sweep: Sweep, start: Node) -> Iterator[tuple[Step, ...]]:
    """Yield the ways from a node to an output, in order of creation."""
    roots = set(reading.roots)
    stack: list[tuple[Node, tuple[Step, ...]]] = [(start, ())]
    while stack:
        node, steps = stack.pop()
        if node in roots and steps:
            yield steps
        onward = [each for each in reading.consumers[node] if each in sweep.parts]
        stack.extend((consumer, (*steps, (consumer, i))) for consumer, i in reversed(onward))
