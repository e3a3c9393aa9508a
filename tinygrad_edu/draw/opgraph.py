"""The picture of a graph op by op: leaves, constants, ops and outputs, in boxes by module.

Knows: which nodes are drawn and how they are joined. Does not know: what a card says
(``cards.py``). A result is an edge, no card, which halves the picture. Read next:
``modulegraph.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node
from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.cards import Cards, id_of
from tinygrad_edu.draw.clusters import Clusters
from tinygrad_edu.draw.picture import Card, Edge, EdgeStyle, Line, Picture
from tinygrad_edu.mathematics import dims

__all__ = ["Drawn", "broadcast", "op_picture"]

Drawn = tuple[Picture, dict[str, tuple[Node, ...]]]
"""A picture, and per card the nodes that it stands for."""


def op_picture(cards: Cards, limit: int, depth: int | None = None) -> Drawn:
    """Return the picture of the latest ops; what comes before them is one card.

    Parameters
    ----------
    cards : Cards
        Of the graph.
    limit : int
        At most so many ops are drawn.
    depth : int, optional
        How many levels of modules are boxes.
    """
    return _OpGraph(cards, limit, depth).drawn()


class _OpGraph:
    def __init__(self, cards: Cards, limit: int, depth: int | None) -> None:
        self.of, self.reading = cards, cards.reading
        nodes = self.reading.nodes
        ops = [node for node in nodes if node.op is not None]
        self.hidden = frozenset(ops[:-limit])
        shown = [node for node in ops if node not in self.hidden]
        needed = {up for node in shown for up in node.upstream or ()}
        needed.update(self.reading.roots)
        self.shown = [node for node in nodes if node not in self.hidden]
        self.shown = [node for node in self.shown if node.op is not None or node in needed]
        self.clusters = Clusters(self.reading, depth)
        self.cards: list[Card] = []
        self.edges: list[Edge] = []
        self.nodes: dict[str, tuple[Node, ...]] = {}
        self.constants: dict[Any, str] = {}

    def drawn(self) -> Drawn:
        if self.hidden:
            self.nodes["hidden"] = tuple(n for n in self.reading.nodes if n in self.hidden)
            self._add(
                Card("hidden", "module", f"{len(self.hidden):,} earlier ops", "not drawn",
                     (Line("limit= draws more of them", "grey"),))
            )  # fmt: skip
        for node in self.shown:
            if isinstance(node, Leaf):
                cluster, within = self._box(node)
                self._add(self.of.leaf(node, cluster, within), node)
            else:
                self._op(node)
        for card, root in self.of.outputs():
            self._add(card)
            if root is not None:
                seed = np.ones(root.result.shape) if self.of.sweep is not None else None
                self.edges.append(self.of.edge(self._tail(root), card.id, (), "data", [seed]))
        return Picture(tuple(self.cards), tuple(self.edges), self.clusters.made), self.nodes

    def _add(self, card: Card, *nodes: Node) -> None:
        self.cards.append(card)
        if nodes:
            self.nodes[card.id] = nodes

    def _box(self, node: Node) -> tuple[str | None, str]:
        """Return the box of a node, and its path in the net."""
        path = self.clusters.paths[node]
        depth = self.clusters.depth
        path = path if depth is None else path[:depth]
        return self.clusters.of(node), path[-1].path if path else ""

    def _op(self, node: Node) -> None:
        cluster, within = self._box(node)
        self._add(self.of.op(node, cluster), node)
        for i, up in enumerate(node.upstream or ()):
            if up is not None:
                leaf = isinstance(up, Leaf)
                labels = self._stretched(up.result, node) or self._label(up)
                tail = self._tail(up)
                style: EdgeStyle = "parameter" if leaf else "data"
                bare = leaf and self.of.paths(up) == 1
                part = self.of.part(node, i)
                self.edges.append(self.of.edge(tail, id_of(node), labels, style, [part], bare=bare))
            elif node.primals[i] is not None:
                self._constant(node, i, cluster, within)

    def _constant(self, node: Node, i: int, cluster: str | None, within: str) -> None:
        value: Any = node.primals[i]
        # The graph holds it, so that its identity lasts; numbers are drawn anew each time.
        shared = isinstance(value, np.ndarray) and value.ndim > 0
        key = self.constants.get(id(value)) if shared else None
        if key is None:
            card = self.of.constant(node, i, cluster, within)
            self._add(card)
            key = card.id
            if shared:
                self.constants[id(value)] = key
        labels = self._stretched(value, node) if isinstance(value, (np.ndarray, Like)) else ()
        absent = self.of.sweep is not None
        self.edges.append(Edge(key, id_of(node), labels, "absent" if absent else "constant"))

    def _tail(self, node: Node) -> str:
        return "hidden" if node in self.hidden else id_of(node)

    def _label(self, node: Node) -> tuple[Line, ...]:
        """Return what an edge says of the result that it carries; nothing of a leaf."""
        if isinstance(node, Leaf) or node in self.hidden:
            return ()
        before = {up.result.dtype for up in node.upstream or () if up is not None}
        text = self.of.shape(node.result, dtype=bool(before - {node.result.dtype}))
        return (Line(text),) if text else ()

    def _stretched(self, value: Any, node: Node) -> tuple[Line, ...]:
        if "shape" not in self.of.look.show:
            return ()
        text = broadcast(value, node)
        return (Line(text),) if text else ()


def broadcast(value: Any, node: Node) -> str:
    """Return how an argument is repeated to the shape of the result: ``(10) → 100 × 10``."""
    op: Any = node.op
    if op.kind != "elementwise" or not op.broadcasts or value.shape == node.result.shape:
        return ""
    own = f"({', '.join(map(str, value.shape))})" if value.ndim else "scalar"
    return f"{own} → {dims(node.result.shape)}"
