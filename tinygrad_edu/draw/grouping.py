"""Which nodes share a card: calls of modules, lines of the user's text, functions, or stretches.

Knows: a reading. Does not know: what a card says. Whatever the nodes are grouped by, groups that
need each other in turn, as the lines of a loop do, become one group: so no picture has a circle.
Read next: ``modulegraph.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tinygrad_edu.core.graph import Node
from tinygrad_edu.draw.clusters import Path
from tinygrad_edu.draw.reading import Reading

__all__ = ["Group", "Plan", "groups", "plans"]

Kind = Literal["node", "call", "module", "line", "function", "stretch"]


@dataclass(frozen=True)
class Group:
    """Nodes that share a card.

    Parameters
    ----------
    kind : str
        What they have in common.
    nodes : tuple of Node
        In order of creation.
    path : tuple of Place
        The calls around all of them; of a call, its own too.
    parts : int
        How many groups became this one, since they need each other.
    """

    kind: Kind
    nodes: tuple[Node, ...]
    path: Path
    parts: int = 1


@dataclass(frozen=True)
class Plan:
    """A way to group the nodes.

    Parameters
    ----------
    key : callable
        What nodes of one group have in common: a kind first.
    said : str
        The same in words.
    fewest : int
        Fewer groups would say nothing.
    """

    key: Callable[[Node], tuple[Kind, Hashable]]
    said: str
    fewest: int = 1


def plans(
    reading: Reading, paths: Mapping[Node, Path], depth: int | None, limit: int
) -> Iterator[Plan]:
    """Yield ways to group the nodes of a graph, from the finest to the coarsest.

    Parameters
    ----------
    reading : Reading
        The graph.
    paths : mapping of Node to tuple of Place
        The calls that are drawn around each.
    depth : int, optional
        How many levels of modules are opened at most.
    limit : int
        So many groups are wanted at most.
    """
    ops = [node for node in reading.nodes if node.op is not None]
    deepest = max((len(paths[node]) for node in ops), default=0)
    opened = deepest if depth is None else min(max(depth, 1), deepest)
    inner = {path[:end] for path in set(paths.values()) for end in range(len(path))}

    def call(node: Node, level: int) -> Path | None:
        """Return the call that a node is drawn as part of, if it is one that is not opened."""
        path = paths[node]
        if len(path) >= level:
            return path[:level]
        return None if path in inner or not path else path

    def by_call(level: int) -> Callable[[Node], tuple[Kind, Hashable]]:
        def key(node: Node) -> tuple[Kind, Hashable]:
            path = call(node, level)
            return ("node", node.order) if path is None else ("call", path)

        return key

    def by_call_and_line(level: int) -> Callable[[Node], tuple[Kind, Hashable]]:
        def key(node: Node) -> tuple[Kind, Hashable]:
            path = call(node, level)
            if path is None:
                return "line", (paths[node], reading.line(node))
            return "call", path

        return key

    def by_module(level: int) -> Callable[[Node], tuple[Kind, Hashable]]:
        def key(node: Node) -> tuple[Kind, Hashable]:
            path = call(node, level)
            if path is None:
                return "line", reading.line(node)
            return "module", tuple((place.path, place.kind) for place in path)

        return key

    levels = range(opened, 0, -1)
    for level in levels:
        loose = sum(call(node, level) is None for node in ops)
        if loose <= 4 * limit:
            less = "" if level == deepest else f", to a depth of {level}"
            yield Plan(by_call(level), f"each call of a module is one card{less}")
    for level in levels:
        yield Plan(by_call_and_line(level), "each call of a module is one card, or each line")
    for level in levels:
        yield Plan(by_module(level), "all calls of one module are one card, or each line")
    yield Plan(lambda node: ("line", reading.line(node)), "each line of the source is one card")
    yield Plan(
        lambda node: ("function", node.code and id(node.code)), "each function is one card", 2
    )
    size = max(1, -(-len(ops) // limit))
    number = {node: k // size for k, node in enumerate(ops)}
    yield Plan(lambda node: ("stretch", number[node]), f"every {size:,} operations are one card")


def groups(reading: Reading, paths: Mapping[Node, Path], plan: Plan) -> list[Group]:
    """Return the groups of a plan, in the order of their first nodes."""
    ops = [node for node in reading.nodes if node.op is not None]
    numbers: dict[tuple[Kind, Hashable], int] = {}
    of = {node: numbers.setdefault(plan.key(node), len(numbers)) for node in ops}
    heads: list[dict[int, None]] = [{} for _ in numbers]
    for node in ops:
        for up in node.upstream or ():
            if up is not None and up.op is not None and of[up] != of[node]:
                heads[of[up]][of[node]] = None
    component = _components([list(each) for each in heads])
    members: dict[int, list[Node]] = {}
    parts: dict[int, set[int]] = {}
    for node in ops:
        which = component[of[node]]
        members.setdefault(which, []).append(node)
        parts.setdefault(which, set()).add(of[node])
    keys: list[Any] = list(numbers)
    found = []
    for which, nodes in members.items():
        several = {keys[part][0] for part in parts[which]}
        kind: Kind = several.pop() if len(several) == 1 else "line"
        if kind in ("node", "call", "module") and len(parts[which]) > 1:
            kind = "line"
        path = _shared(nodes, paths)
        if kind == "module":  # whose calls differ in their number
            ((_, said),) = (keys[part] for part in parts[which])
            path = paths[nodes[0]][: len(said)]
        found.append(Group(kind, tuple(nodes), path, len(parts[which])))
    return found


def _shared(nodes: Sequence[Node], paths: Mapping[Node, Path]) -> Path:
    """Return the beginning that the paths of several nodes share."""
    shared = paths[nodes[0]]
    for node in nodes:
        path = paths[node]
        if path is shared:
            continue
        length = 0
        for a, b in zip(shared, path, strict=False):
            if a != b:
                break
            length += 1
        shared = shared[:length]
        if not shared:
            break
    return shared


def _components(heads: Sequence[Sequence[int]]) -> list[int]:
    """Return per point the number of its strongly connected component (Tarjan, without recursion).

    References
    ----------
    Tarjan, "Depth-first search and linear graph algorithms" (1972).
    """
    count = len(heads)
    index, low, component = [-1] * count, [0] * count, [-1] * count
    stack: list[int] = []
    clock = found = 0
    for start in range(count):
        if index[start] >= 0:
            continue
        walk = [(start, 0)]
        while walk:
            point, k = walk.pop()
            if k == 0:
                index[point] = low[point] = clock
                clock += 1
                stack.append(point)
            else:
                low[point] = min(low[point], low[heads[point][k - 1]])
            while k < len(heads[point]):
                head = heads[point][k]
                k += 1
                if index[head] < 0:
                    walk += [(point, k), (head, 0)]
                    break
                if component[head] < 0:
                    low[point] = min(low[point], index[head])
            else:
                if low[point] == index[point]:
                    while True:
                        member = stack.pop()
                        component[member] = found
                        if member == point:
                            break
                    found += 1
    return component
