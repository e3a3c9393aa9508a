"""What diagrams and explanations read off a graph: nodes, names, consumers, modules, gradients.

Knows: nodes, rows, and the calls of modules. Does not know: how anything is drawn or worded. It
changes nothing. Read next: ``graph.py``, which makes a picture of it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import get_ident
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node, ancestors, reverse_sweep
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.nn.module import CALLS, Call, Module

__all__ = ["Place", "Reading", "Sweep", "read"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Place:
    """One call of a module, in which nodes were made.

    Parameters
    ----------
    path : str
        Of the module inside the one that was called from outside; that one's path is ``""``.
    kind : str
        Its class.
    number : int
        Which call of it in this graph, from 1.
    module : Module, optional
        The module; None where it is known from the names of parameters alone.
    """

    path: str
    kind: str
    number: int = 1
    module: Module | None = field(default=None, compare=False, repr=False)

    @property
    def title(self) -> str:
        """The path, or the class of a module that was called from outside."""
        return self.path or self.kind


@dataclass(frozen=True)
class Sweep:
    """One reverse sweep, with all that it adds up.

    Parameters
    ----------
    cotangents : dict
        Node -> the whole gradient of its result; a node that no gradient reaches is missing.
    parts : dict
        (consumer, argument) -> what came from there.
    """

    cotangents: Mapping[Node, Array]
    parts: Mapping[tuple[Node, int], Array]


class Reading:
    """A graph, read once.

    Attributes
    ----------
    outputs : tuple of Tensor
        What was asked about.
    roots : tuple of Node
        Their nodes, without those of constants.
    nodes : tuple of Node
        All that the outputs depend on, in order of creation.
    """

    def __init__(self, outputs: Sequence[Tensor]) -> None:
        self.outputs = tuple(outputs)
        found = (output.node for output in self.outputs)
        self.roots = tuple(dict.fromkeys(node for node in found if node is not None))
        self.nodes = tuple(ancestors(*self.roots)) if self.roots else ()

    @cached_property
    def names(self) -> Mapping[Node, str]:
        """A name per node, no two alike.

        A leaf has its own, or that of the variable it was assigned to. A result has that of its
        variable if the line that made it begins ``name =`` and made nothing after it; otherwise the
        name of the row and a number, as in ``add3``.
        """
        return _names(self.nodes)

    @cached_property
    def consumers(self) -> Mapping[Node, tuple[tuple[Node, int], ...]]:
        """Per node who uses its result, as (consumer, which argument), in order of creation."""
        found: defaultdict[Node, list[tuple[Node, int]]] = defaultdict(list)
        for node in self.nodes:
            for i, up in enumerate(node.upstream or ()):
                if up is not None:
                    found[up].append((node, i))
        return {node: tuple(found[node]) for node in self.nodes}

    @cached_property
    def places(self) -> Mapping[Node, tuple[Place, ...]]:
        """Per node the calls of modules in which it was made, from the outermost.

        A leaf stands where all its consumers do, for it was made before any call.
        """
        return _places(self.nodes, self.consumers)

    def sweep(self, seeds: Mapping[Node, Any] | None = None) -> Sweep:
        """Return the gradients of the whole graph; nothing is written into any leaf.

        Parameters
        ----------
        seeds : mapping of Node to array, optional
            By default ones, for every root.
        """
        if seeds is None:
            seeds = {root: np.ones(root.result.shape, root.result.dtype) for root in self.roots}
        parts: dict[tuple[Node, int], Array] = {}

        def watch(node: Node, i: int, cotangent: Any) -> None:
            parts[node, i] = cotangent

        # All nodes are asked for, so that none is dropped on the way.
        found = reverse_sweep(seeds, self.nodes, watch=watch) if seeds else {}
        return Sweep(found, parts)


def read(who: str, output: Any) -> Reading:
    """Return the graph behind a tensor or several.

    Parameters
    ----------
    who : str
        The function that asks, for errors.
    output : Tensor, or list or tuple of them
        What it was given.

    Raises
    ------
    DiagramError
        It is neither.
    FreedGraphError
        ``backward()`` has freed the graph.
    """
    outputs = output if isinstance(output, (list, tuple)) else (output,)
    wrong = [type(each).__name__ for each in outputs if not isinstance(each, Tensor)]
    if wrong or not outputs:
        found = f"a {wrong[0]}" if wrong else "an empty list"
        raise DiagramError(
            f"{who}: expected a Tensor or a list of them, got {found}\n"
            "  fix: pass the loss, or another result"
        )
    return Reading(outputs)


# ------------------------------------------------------------------------------------------- names


def _names(nodes: Sequence[Node]) -> dict[Node, str]:
    """Return a name per node."""
    lines = {node: node.line for node in nodes}
    last = {lines[node]: node for node in nodes}  # of several, the latest made
    leaves = Counter(lines[node] for node in nodes if isinstance(node, Leaf))
    numbers: Counter[str] = Counter()
    taken: set[str] = {node.name for node in nodes if isinstance(node, Leaf)}
    found: dict[Node, str] = {}
    for node in nodes:
        line = lines[node]
        match = re.match(r"[^:]*:\d+: (\w+)(?:\s*:[^=]+)? = ", line)
        if isinstance(node, Leaf):
            alone = match is not None and leaves[line] == 1
            wish = node.name or (match[1] if match and alone else "")
            base = "leaf"
        else:
            wish = match[1] if match and last[line] is node else ""
            base = node.op.name if node.op is not None else "node"
        if not wish or (wish in taken and not (isinstance(node, Leaf) and node.name == wish)):
            numbers[base] += 1
            while f"{base}{numbers[base]}" in taken:
                numbers[base] += 1
            wish = f"{base}{numbers[base]}"
        taken.add(wish)
        found[node] = wish
    return found


# ------------------------------------------------------------------------------------------ modules


def _places(
    nodes: Sequence[Node], consumers: Mapping[Node, Sequence[tuple[Node, int]]]
) -> dict[Node, tuple[Place, ...]]:
    """Return per node the calls in which it was made."""
    calls = _calls(nodes)
    found: dict[Node, tuple[Place, ...]] = {}
    if calls:
        stack: list[tuple[int, Place]] = []
        waiting = iter([*_named(calls), None])
        begun = next(waiting)
        for node in nodes:
            while begun is not None and begun[0].start < node.order:
                while stack and stack[-1][0] < begun[0].start:
                    stack.pop()
                stack.append((begun[0].end, begun[1]))
                begun = next(waiting)
            while stack and stack[-1][0] < node.order:
                stack.pop()
            found[node] = () if isinstance(node, Leaf) else tuple(place for _, place in stack)
    else:
        for node in nodes:
            leaves = (up for up in node.upstream or () if isinstance(up, Leaf))
            path = next((leaf.name.rpartition(".")[0] for leaf in leaves if "." in leaf.name), "")
            found[node] = (Place(path, ""),) if path else ()
    for node in nodes:
        if isinstance(node, Leaf):
            found[node] = _shared([found[consumer] for consumer, _ in consumers[node]])
    return found


def _shared(paths: Sequence[tuple[Place, ...]]) -> tuple[Place, ...]:
    """Return the beginning that several paths share."""
    if not paths:
        return ()
    shortest = min(paths, key=len)
    length = 0
    while length < len(shortest) and len({path[length] for path in paths}) == 1:
        length += 1
    return shortest[:length]


def _calls(nodes: Sequence[Node]) -> list[Call]:
    """Return the calls in which some of the nodes were made, outer ones before inner ones.

    Nodes do not know their thread: calls of this one are preferred, since a graph is drawn where it
    was made, as a rule.
    """
    orders = np.array([node.order for node in nodes if node.op is not None])
    if not orders.size:
        return []
    known = tuple(CALLS)
    threads = {call.thread for call in known}
    for thread in sorted(threads, key=lambda each: each != get_ident()):
        calls = [call for call in known if call.thread == thread]
        bounds = np.array([(call.start, call.end) for call in calls])
        first, beyond = np.searchsorted(orders, bounds[:, 0]), np.searchsorted(orders, bounds[:, 1])
        some = [call for call, count in zip(calls, beyond - first, strict=True) if count]
        if some:
            return sorted(some, key=lambda call: call.start)
    return []


def _named(calls: Sequence[Call]) -> Iterator[tuple[Call, Place]]:
    """Yield calls, outer ones first, with what they are called."""
    paths: dict[Module, str] = {}
    end = 0
    numbers: Counter[tuple[str, str]] = Counter()
    for call in calls:
        module, kind = call.module(), call.kind.__name__
        if call.start > end:  # called from outside
            end = call.end
            paths = {} if module is None else {m: path for path, m in module.named_modules()}
        path = "" if module is None else paths.get(module, "")
        numbers[path, kind] += 1
        yield call, Place(path, kind, numbers[path, kind], module)
