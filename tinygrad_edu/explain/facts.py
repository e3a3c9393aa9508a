"""What there is to tell of a node: its value, its gradient with all terms, and what checks it.

Knows: readings, sweeps, and the chain rule with its numbers. Does not know: how that is said. Read
``wording.py`` next; ``chain.py`` and ``check.py`` find most of the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, turned
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.explain.chain import Path, Sum, count_paths, paths, pulled, terms
from tinygrad_edu.explain.check import Check
from tinygrad_edu.explain.formulas import called, largest, over
from tinygrad_edu.explain.given import index
from tinygrad_edu.explain.line import check as compared
from tinygrad_edu.explain.numbers import inserted
from tinygrad_edu.explain.replay import values
from tinygrad_edu.explain.steps import Part
from tinygrad_edu.mathematics import (
    Formula,
    dims,
    local,
    local_formula,
)

__all__ = ["Facts", "Incoming", "InputStory"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

PATHS = 8
"""At most so many ways to the output are told one by one."""


@dataclass(frozen=True)
class Incoming:
    """The gradient of a node at one element, and the terms that it is the sum of.

    Parameters
    ----------
    name : str
        The node.
    place : tuple of int
        The element.
    value : number
        Its gradient.
    parts : tuple of Part
        One for each consumer.
    """

    name: str
    place: Index
    value: Any
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class InputStory:
    """How a gradient goes back through a row to one of its arguments.

    Parameters
    ----------
    name : str
        The argument.
    place : tuple of int
        The element of it that is looked at.
    local : Formula
        The local derivative, with names.
    remark : str
        What its letters stand for that are no names; ``""`` where there are none.
    sum : Sum, optional
        The part that this row sends, as products; None where it is no such sum.
    part : number
        The part that this row sends.
    incoming : Incoming
        The whole gradient of the argument at that element.
    gradient : ndarray
        All of it.
    broadcast : str
        What undoing a broadcast did to it; ``""`` where nothing was broadcast.
    check : Check, optional
        The gradient beside the slope of a small change.
    """

    name: str
    place: Index
    local: Formula
    remark: str
    sum: Sum | None
    part: Any
    incoming: Incoming
    gradient: Array
    broadcast: str
    check: Check | None


class Facts:
    """All numbers of one graph, which is swept once.

    Parameters
    ----------
    reading : Reading
        The graph.
    seeds : mapping of Node to array, optional
        With what the sweep begins; ones by default.
    delta : float
        The small change of the checks; 0 for none.
    """

    def __init__(
        self,
        reading: Reading,
        seeds: Mapping[Node, Array] | None = None,
        delta: float = 1e-6,
    ) -> None:
        self.reading, self.delta = reading, delta
        ones = {root: np.ones(root.result.shape, root.result.dtype) for root in reading.roots}
        self.seeds: Mapping[Node, Array] = ones if seeds is None else seeds
        self.seeded = seeds is not None
        self.sweep = reading.sweep(self.seeds)
        alone = len(reading.roots) == 1 and reading.roots[0].result.size == 1 and not self.seeded
        self.alone = alone
        self.output = reading.names[reading.roots[0]] if alone else "L"
        self._values: dict[Node, Array] = dict(reading.values)

    def value(self, node: Node) -> Array | None:
        """Return the value of a node, computed again where the graph did not keep it."""
        if node not in self._values:
            self._values.update(values(self.reading, {node}))
        return self._values.get(node)

    def gradient(self, node: Node) -> Array | None:
        """Return the gradient of a node as users know it; None where none flows."""
        g = self.sweep.cotangents.get(node)
        return None if g is None else np.asarray(turned(g))

    def place(self, node: Node, at: int | Index | None) -> Index:
        """Return the element that is followed.

        Raises
        ------
        ExplanationError
            There is no such element.
        """
        shape = node.result.shape
        if at is None:
            g = self.sweep.cotangents.get(node)
            return largest(g) if g is not None else (0,) * len(shape)
        return index("explain", called(self.reading.names[node]), shape, at)

    def incoming(self, node: Node, place: Index) -> Incoming | None:
        """Return the gradient that arrives at an element, by consumer; None where none does."""
        g = self.gradient(node)
        if g is None or not g.size:
            return None
        parts = []
        if node in self.seeds:
            parts.append(Part("", np.asarray(turned(np.asarray(self.seeds[node])))[place].item()))
        for consumer, i in self.reading.consumers[node]:
            part = self.sweep.parts.get((consumer, i))
            if part is not None:
                at = np.asarray(turned(part))[place].item()
                parts.append(Part(self.reading.names[consumer], at))
        return Incoming(self.reading.names[node], place, g[place].item(), tuple(parts))

    def story(
        self, node: Node, i: int, arguments: Sequence[str], chosen: Index
    ) -> InputStory | None:
        """Return how the gradient goes back to one argument."""
        up: Any = (node.upstream or ())[i]
        part, whole = self.sweep.parts.get((node, i)), self.gradient(up)
        if part is None or whole is None or not part.size:
            return None
        g = self.sweep.cotangents[node]
        place = largest(part)
        if g.size:  # where the element of the result that is followed weighs most
            alone = np.zeros_like(g)
            alone[chosen] = g[chosen] if g[chosen] else 1
            back = pulled(node, i, alone)
            if back is not None and back.any():
                place = largest(back)
            elif part.shape == g.shape:
                place = chosen
        op: Any = node.op
        incoming = self.incoming(up, place)
        assert incoming is not None  # its gradient is there
        said = local_formula(
            op, i, arguments, self.reading.names[node], node.params or {}, self.output, over(node)
        )
        remark = local(op, i).remark
        given = np.asarray(turned(part))[place].item()
        if not op.factors:
            # The formula is that of the whole: what it says where that is no number is compared
            # with what the rule makes of a gradient of ones.
            ones = pulled(node, i, np.ones(g.shape, g.dtype))
            apart = "" if ones is None else inserted(node, i, place, ones[place], self.value).apart
            remark = ", ".join(filter(None, (remark, apart)))
        return InputStory(
            self.reading.names[up],
            place,
            said,
            f", {remark}" if remark else "",
            terms(node, i, g, place),
            given,
            incoming,
            whole,
            self._broadcast(node, i),
            self.check(up, place),
        )

    def _broadcast(self, node: Node, i: int) -> str:
        """Return what undoing a broadcast did."""
        op: Any = node.op
        small, large = node.primals[i].shape, node.result.shape
        if small == large or not (
            op.broadcasts and (op.kind == "elementwise" or op.name == "where")
        ):
            return ""
        lead = len(large) - len(small)
        axes = [*range(lead)]
        axes += [lead + k for k, side in enumerate(small) if side == 1 and large[lead + k] != 1]
        word = "axis" if len(axes) == 1 else "axes"
        name = called(self.reading.arguments(node)[i])
        given = f"has shape {dims(small)}" if small else "is one number"
        return (
            f"Summed over {word} {' and '.join(map(str, axes))}, because {name} {given} "
            f"and {called(self.reading.names[node])} has shape {dims(large)}"
        )

    def check(self, node: Node, place: Index) -> Check | None:
        """Return the gradient beside the slope of a small change; None where none was asked for."""
        g = self.gradient(node)
        if not self.delta or g is None or not g.size:
            return None
        return compared(self.reading, self.seeds, node, place, g[place].item(), self.delta)

    def ways(self, node: Node, place: Index) -> list[Path]:
        """Return the paths from the output to an element; none where they are too many to list."""
        if not 0 < count_paths(self.reading, self.sweep, node) <= PATHS:
            return []
        return paths(self.reading, self.sweep, self.seeds, node, place)
