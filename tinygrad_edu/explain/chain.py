"""The chain rule with its numbers: what one row hands back, from which elements, by which paths.

Knows: nodes, rules, and the sweep. Does not know: words. Every number is that of the rule that
runs. Read ``check.py`` next, which asks whether the numbers are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, project, turned
from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.reading import Reading, Sweep

__all__ = [
    "FEW",
    "Chain",
    "Path",
    "Sum",
    "Term",
    "conjugated",
    "count_paths",
    "known",
    "paths",
    "plain",
    "pulled",
    "terms",
]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]
Step = tuple[Node, int]

FEW = 64
"""Results of so few elements are asked one element at a time."""

IN_FULL = 9
"""Sums of at most so many terms are listed in full."""


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
    eps : float
        The relative precision that it was computed with.
    """

    terms: tuple[Term, ...]
    count: int
    rest: Any
    total: Any
    eps: float = 0.0


@dataclass(frozen=True)
class Chain:
    """One way from an element of a node to an element of the output, as a product.

    Parameters
    ----------
    places : tuple of tuple of int
        The elements on it, of the node itself first, of the output last.
    factors : tuple of number
        What a gradient is multiplied with on its way back: the derivatives of the steps, that of
        the output's first; of complex numbers their conjugates. A seed that is not 1 leads.
    product : number
        Of the factors.
    """

    places: tuple[Index, ...]
    factors: tuple[Any, ...]
    product: Any


@dataclass(frozen=True)
class Path:
    """One way from a node to the output.

    Parameters
    ----------
    steps : tuple of (Node, int)
        The rows that it leads through, and which argument it enters by; the output's is last.
    value : number
        What the gradient gets by it, at the chosen element, as users know it.
    chains : tuple of Chain
        The ways between single elements that it consists of, where they are few; else empty.
    sum : Sum, optional
        Where they are not: what the first row on it hands back, as a sum over its elements.
    """

    steps: tuple[Step, ...]
    value: Any
    chains: tuple[Chain, ...] = ()
    sum: Sum | None = None


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


def conjugated(node: Node, i: int, slope: Any) -> bool:
    """Return whether a gradient is multiplied with the conjugate of the slope that a row states.

    Parameters
    ----------
    node : Node
        A node that an elementwise row made.
    i : int
        Which argument.
    slope : number
        What a gradient is multiplied with.
    """
    op: Any = node.op
    return isinstance(slope, complex) and not (op.name in KNOWN and i < len(op.local))


KNOWN = frozenset({"absolute"})
"""Rows that state the slope by a complex number as users know gradients; others state what a sweep
multiplies with, of which that is the conjugate."""


# ------------------------------------------------------------------------------ elements


def terms(node: Node, i: int, g: Array, place: Index, most: int = 4) -> Sum | None:
    """Return what one element of an argument gets from the elements of the result.

    None where it is no sum of products, or too long to take apart. All numbers are as users know
    them: of complex ones the slopes are conjugates, as the gradients are.

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
        So many terms are listed, if there are more than can be listed in full.
    """
    whole = pulled(node, i, g)
    if whole is None:
        return None
    total = whole[place]
    op: Any = node.op
    if op.kind == "elementwise":
        found = _diagonal(node, i, g, place)
    else:
        found = _dense(node, i, g, place, most)
    if found is None:
        return None
    products = [(abs(np.nan_to_num(a * b)), k) for k, (_, a, b) in enumerate(found[0])]
    listed = len(found[0]) if found[1] <= IN_FULL else most
    kept = sorted(k for _, k in sorted(products, key=lambda each: -each[0])[:listed])
    each = tuple(
        Term(at, known(a), plain(known(b))) for at, a, b in map(found[0].__getitem__, kept)
    )
    total = known(whole[place])
    rest = total - sum(term.product for term in each)
    scale = max([abs(total), *(abs(term.product) for term in each)])
    precise = 100 * float(np.finfo(whole.dtype).eps) * scale
    if found[1] <= len(each):
        if abs(rest) > precise:  # the rule is no sum of products, as where gradients are clipped
            return None
        rest = 0.0
    elif "c" in (g.dtype.kind, whole.dtype.kind):  # it may be none, and this cannot tell
        return None
    return Sum(each, found[1], rest, total, float(np.finfo(whole.dtype).eps))


def known(value: Any) -> Any:
    """Return a number of a sweep as users know it: of complex ones the conjugate."""
    return turned(np.asarray(value)).item()


def plain(value: Any) -> Any:
    """Return a complex number without an imaginary part as a real one."""
    return value.real if isinstance(value, complex) and not value.imag else value


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
    """Return the elements of the result that depend on one of the argument.

    Where they cannot be listed in full the weightiest alone, `most` of them.
    """
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
        kept = count if count <= IN_FULL else most
        flat = [int(k) for k in touched[np.argsort(-weights[touched], kind="stable")][:kept]]
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
        for node, i in reversed(steps[1:]):
            g = None if g is None else pulled(node, i, g)
        first, i = steps[0]
        back = None if g is None else pulled(first, i, g)
        value = 0.0 if back is None else known(back[place])
        chains = _chains(steps, seeds, start, place, value)
        whole = None if chains or g is None else terms(first, i, g, place)
        found.append(Path(steps, value, chains, whole))
    return found


def _chains(
    steps: Sequence[Step], seeds: Mapping[Node, Array], start: Node, place: Index, value: Any
) -> tuple[Chain, ...]:
    """Return the ways between elements along a route; none where they are many, or no products."""
    ways: list[tuple[tuple[Index, ...], tuple[Any, ...]]] = [((place,), ())]
    for node, i in steps:
        onward: list[tuple[tuple[Index, ...], tuple[Any, ...]]] = []
        for places, factors in ways:
            reached = _reached(node, i, places[-1])
            if reached is None or len(onward) + len(reached) > IN_FULL:
                return ()
            onward += [((*places, at), (slope, *factors)) for at, slope in reached]
        ways = onward
    found = []
    for places, factors in ways:
        seed = known(seeds[steps[-1][0]][places[-1]])
        with np.errstate(all="ignore"):
            product = np.prod([seed, *factors]).item()
        found.append(Chain(places, factors if seed == 1 else (seed, *factors), product))
    total: Any = sum(chain.product for chain in found)
    dtype = start.result.dtype
    total = total if dtype.kind == "c" else np.real(total)  # a real number moves along its axis
    precise = 1e3 * float(np.finfo(dtype).eps)
    # Not every rule is a product, as where gradients are clipped.
    same = bool(found) and np.isclose(total, value, rtol=precise, atol=1e-300, equal_nan=True)
    return tuple(found) if same else ()


def _reached(node: Node, i: int, place: Index) -> list[tuple[Index, Any]] | None:
    """Return the elements of a result that one of an argument leads to, each with the slope.

    None where they are many.
    """
    op: Any = node.op
    ones = np.ones(node.result.shape, node.result.dtype)
    if op.kind == "elementwise":
        found = _diagonal(node, i, ones, place)
    else:
        found = _dense(node, i, ones, place, 0)
    if found is None or found[1] > IN_FULL:
        return None
    if not found[0] and ones.size == 1:
        return [((0,) * ones.ndim, 0.0)]
    return [(at, plain(known(slope))) for at, _, slope in found[0]]


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
