"""The picture of a graph by groups: one card for each call of a module, or line of the source.

Knows: groups, and what is joined between them. Does not know: how groups are found
(``grouping.py``). Read next: ``graph.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.draw.cards import Cards, id_of
from tinygrad_edu.draw.clusters import Clusters, Path, along, kind_of, parameters_of
from tinygrad_edu.draw.grouping import Group
from tinygrad_edu.draw.numbers import nonfinite, norm
from tinygrad_edu.draw.opgraph import Drawn
from tinygrad_edu.draw.picture import Card, Edge, EdgeStyle, Line, Picture
from tinygrad_edu.draw.reading import shared
from tinygrad_edu.mathematics import number
from tinygrad_edu.nn.module import Module

__all__ = ["module_picture"]

_LEAVES = 8  # of a line: more of them are counted, not drawn
_CONSTANTS = 4  # of a card
_TEXTS = 6  # lines of source on a card


def module_picture(cards: Cards, clusters: Clusters, groups: Sequence[Group]) -> Drawn:
    """Return the picture with one card for each group.

    Parameters
    ----------
    cards : Cards
        Of the graph.
    clusters : Clusters
        Of the graph.
    groups : sequence of Group
        All ops of the graph.
    """
    return _ModuleGraph(cards, clusters, groups).drawn()


class _ModuleGraph:
    def __init__(self, cards: Cards, clusters: Clusters, groups: Sequence[Group]) -> None:
        self.of, self.reading, self.clusters, self.groups = cards, cards.reading, clusters, groups
        self.group_of = {node: group for group in groups for node in group.nodes}
        self.ids = {id(group): self._id(group) for group in groups}
        self.hidden = self._hidden_leaves()
        self.cards: list[Card] = []
        self.edges: list[Edge] = []
        self.nodes: dict[str, tuple[Node, ...]] = {}
        self.constants: dict[int, str] = {}

    def _id(self, group: Group) -> str:
        first = id_of(group.nodes[0])
        return first if group.kind == "node" else f"{group.kind}-{first}"

    def name(self, group: Group) -> str:
        return self.ids[id(group)]

    def drawn(self) -> Drawn:
        for leaf in self.reading.nodes:
            uses = self.reading.consumers[leaf] if isinstance(leaf, Leaf) else ()
            shown = [use for use in uses if (leaf, id(self.group_of[use[0]])) not in self.hidden]
            if isinstance(leaf, Leaf) and (shown or leaf in self.reading.roots):
                self._add(self.of.leaf(leaf, self.clusters.inside(self._around(shown))), leaf)
        for group in self.groups:
            if group.kind == "node":
                (node,) = group.nodes
                self._add(self.of.op(node, self.clusters.inside(group.path)), node)
            else:
                self._group(group)
            self._constants(group)
        self._join()
        for card, root in self.of.outputs():
            self._add(card)
            if root is not None:
                seed = np.ones(root.result.shape) if self.of.sweep is not None else None
                tail = id_of(root) if isinstance(root, Leaf) else self.name(self.group_of[root])
                self.edges.append(self.of.edge(tail, card.id, (), "data", [seed]))
        return Picture(tuple(self.cards), tuple(self.edges), self.clusters.made), self.nodes

    def _add(self, card: Card, *nodes: Node) -> None:
        self.cards.append(card)
        if nodes:
            self.nodes[card.id] = nodes

    def _around(self, uses: Sequence[tuple[Node, int]]) -> Path:
        """Return the calls around all users of a leaf that are drawn as boxes."""
        found = [self.group_of[consumer] for consumer, _ in uses]
        return shared([self._outside(group) for group in found])

    def _hidden_leaves(self) -> set[tuple[Node, int]]:
        """Return which leaves are not drawn, for which groups: what a card counts."""
        found: set[tuple[Node, int]] = set()
        for group in self.groups:
            if group.kind == "node":
                continue
            leaves = self._leaves(group)
            module = group.path[-1].module if group.kind in ("call", "module") else None
            own = _parameters(module) if module is not None else set()
            many = len(leaves) > _LEAVES
            named = group.path[-1].path if group.kind in ("call", "module") else ""
            for leaf in leaves:
                inside = leaf in own or bool(named and leaf.name.startswith(f"{named}."))
                if inside or (many and not self.reading.given(leaf.result)):
                    found.add((leaf, id(group)))
        return found

    def _leaves(self, group: Group) -> list[Leaf]:
        ups = (up for node in group.nodes for up in node.upstream or ())
        return list(dict.fromkeys(up for up in ups if isinstance(up, Leaf)))

    # ---- the card of a group

    def _group(self, group: Group) -> None:
        nodes, reading = group.nodes, self.reading
        counted = [leaf for leaf in self._leaves(group) if (leaf, id(group)) in self.hidden]
        lines: list[Line] = []
        if group.kind in ("call", "module"):
            place = group.path[-1]
            title, corner = kind_of(place), place.path
            said = parameters_of(place.module) if place.module is not None else ""
            lines += [Line(said, "grey")] if said else []
            lines += [Line(along(place), "grey")] if place.along else []
            count = len({self.clusters.paths[node][: len(group.path)] for node in nodes})
            if group.kind == "module" and count > 1:
                lines.append(Line(f"× {count:,} calls", "normal"))
            elif (place.path, place.kind) in self.clusters.repeated:
                lines.append(Line(f"call {place.number}", "grey"))
            frozen = place.module is not None and _frozen(place.module)
        else:
            title, corner, texts = self._texts(group)
            lines += texts
            frozen = False
            if counted:
                size = sum(leaf.result.size for leaf in counted)
                lines.append(Line(f"{len(counted):,} leaves of {size:,} numbers", "grey"))
        if group.kind in ("line", "function", "stretch"):
            lines.append(Line(_ops(nodes), "grey"))
        lines += self._gradient(counted)
        red = next((line for node in nodes for line in self.of.begins(node)), None)
        lines += [red] if red is not None else []
        if "line" in self.of.look.show and group.kind in ("call", "module"):
            lines += [Line(text, "grey") for text in reading.place(nodes[0])]
        wrong = sum(nonfinite(reading.values.get(node)) for node in nodes)
        wrong += sum(nonfinite(leaf.result) for leaf in counted)
        told = [f"{title}  {corner}", f"{len(nodes):,} operations: {_ops(nodes, 8)}"]
        told += [f"{reading.names[leaf]}: {leaf.result.shape}" for leaf in counted[:12]]
        self._add(
            Card(
                self.name(group),
                "module",
                title,
                corner,
                tuple(lines),
                tooltip="\n".join([*told, *reading.place(nodes[0], "at ")]),
                cluster=self.clusters.inside(self._outside(group)),
                frozen=frozen,
                nonfinite=wrong,
                pale=all(node in reading.forward for node in nodes),
            ),
            *nodes,
            *counted,
        )

    def _texts(self, group: Group) -> tuple[str, str, list[Line]]:
        """Return title, corner and texts of lines of the source."""
        reading, nodes = self.reading, group.nodes
        times = Counter((reading.line(node), node.lasti) for node in nodes)
        repeated = max(times.values())
        corner = f"× {repeated:,}" if repeated > 1 else ""
        code = nodes[0].code
        if group.kind == "function" and group.parts == 1 and code is not None:
            name = code.co_qualname
            where = reading.line(nodes[0]).rpartition(": ")[0] or reading.line(nodes[0])
            title = f"{name}()" if not name.startswith("<") else name.strip("<>")
            return title, corner, [Line(where.split(": ")[0], "grey")]
        if group.kind == "stretch":
            return f"{len(nodes):,} operations", corner, [Line(reading.line(nodes[0]), "grey")]
        split = dict.fromkeys(tuple(line.partition(": ")[::2]) for line, _ in times)
        heads = list(dict.fromkeys(head for head, _ in split))
        numbers = [head.rpartition(":")[2] for head in heads]
        first, last = min(numbers, key=_whole), max(numbers, key=_whole)
        title = f"line {first}" if first == last else f"lines {first}–{last}"
        texts = [Line(text or head) for head, text in split]
        more = len(texts) - _TEXTS
        return title, corner, [*texts[:_TEXTS], *([Line(f"and {more:,} more")] if more > 0 else [])]

    def _gradient(self, leaves: Sequence[Leaf]) -> list[Line]:
        """Return the length of all gradients of the leaves that a card stands for."""
        if self.of.sweep is None or not leaves:
            return []
        found = [norm(g) for g in map(self.of.gradient, leaves) if g is not None]
        if not found:
            return [Line("gradient –", "grey")]
        return [Line(f"‖gradient‖ = {number(np.linalg.norm(found), 3)}", "orange")]

    # ---- what is joined

    def _constants(self, group: Group) -> None:
        """Add the constants of a group that the user gave it; those of one name on one card."""
        if group.kind == "node":
            (node,) = group.nodes
            given = [(node, i) for i, up in enumerate(node.upstream or ()) if up is None]
            for use in given:
                if node.primals[use[1]] is not None:
                    self._constant(group, [use])
            return
        kinds: dict[Any, list[tuple[Node, int]]] = {}
        for node, i in self._given(group):
            value = node.primals[i]
            key = self.reading.constant(node, i), value.shape, value.dtype
            kinds.setdefault(key, []).append((node, i))
        for uses in list(kinds.values())[:_CONSTANTS]:
            self._constant(group, uses)
        left = sum(map(len, list(kinds.values())[_CONSTANTS:]))
        if left:
            name, box = f"{self.name(group)}-rest", self.clusters.inside(self._outside(group))
            self._add(Card(name, "constant", f"{left:,} more", "constants", cluster=box))
            self._draw_constant(name, group)

    def _given(self, group: Group) -> list[tuple[Node, int]]:
        """Return the arrays among the constants of a group, each once; of a module the named."""
        found: dict[int, tuple[Node, int]] = {}
        first = group.nodes[0]
        begins = all(up is None or isinstance(up, Leaf) for up in first.upstream or ())
        for node in group.nodes:
            for i, (up, value) in enumerate(zip(node.upstream or (), node.primals, strict=True)):
                if up is not None or not getattr(value, "ndim", 0) or id(value) in found:
                    continue
                if self.reading.frozen(node, i) is not None:
                    continue
                passed = begins and node is first and i == 0
                inside = group.kind in ("call", "module") and not passed
                if inside and not self.reading.constant(node, i):
                    continue
                found[id(value)] = node, i
        return list(found.values())

    def _constant(self, group: Group, uses: Sequence[tuple[Node, int]]) -> None:
        """Add the card of a constant of a group, or of several that go by one name."""
        node, i = uses[0]
        value = node.primals[i]
        shared = isinstance(value, np.ndarray) and value.ndim > 0
        key = self.constants.get(id(value)) if shared and len(uses) == 1 else None
        if key is None:
            card = self.of.constant(node, i, self.clusters.inside(self._outside(group)))
            if len(uses) > 1:
                title = f"{card.title} × {len(uses):,}"
                card = replace(card, title=title, values=(), histograms=())
            self._add(card)
            key = card.id
            if shared:
                self.constants[id(value)] = key
        self._draw_constant(key, group)

    def _draw_constant(self, key: str, group: Group) -> None:
        style: EdgeStyle = "constant" if self.of.sweep is None else "absent"
        self.edges.append(Edge(key, self.name(group), style=style))

    def _outside(self, group: Group) -> Path:
        """Return the calls around the card of a group."""
        return group.path[:-1] if group.kind in ("call", "module") else group.path

    def _join(self) -> None:
        """Add the edges between groups."""
        flows: dict[tuple[str, str], dict[Node, list[tuple[Node, int]]]] = {}
        inside: dict[str, dict[Node, list[tuple[Node, int]]]] = {}
        for group in self.groups:
            head = self.name(group)
            for node in group.nodes:
                for i, up in enumerate(node.upstream or ()):
                    if up is None or (up, id(group)) in self.hidden:
                        continue
                    tail = id_of(up) if isinstance(up, Leaf) else self.name(self.group_of[up])
                    if tail != head:
                        flows.setdefault((tail, head), {}).setdefault(up, []).append((node, i))
                    elif group.kind not in ("node", "call"):
                        inside.setdefault(head, {}).setdefault(up, []).append((node, i))
        for (tail, head), flow in flows.items():
            ups = list(flow)
            leaf = isinstance(ups[0], Leaf)
            parts = [self._arriving(uses) for uses in flow.values()]
            labels = () if leaf else self._label(ups)
            bare = leaf and self.of.paths(ups[0]) == 1
            style: EdgeStyle = "parameter" if leaf else "data"
            self.edges.append(self.of.edge(tail, head, labels, style, parts, bare=bare))
        for group in self.groups:
            again = self._again(group, inside.get(self.name(group), {}))
            if again is not None:
                self.edges.append(again)

    def _arriving(self, uses: Sequence[tuple[Node, int]]) -> Any:
        """Return what comes back to one tensor from all its uses in a group."""
        found = [part for part in (self.of.part(*use) for use in uses) if part is not None]
        if not found:
            return None
        total = found[0]
        for part in found[1:]:
            total = total + part
        return total

    def _again(self, group: Group, inside: dict[Node, list[tuple[Node, int]]]) -> Edge | None:
        """Return the edge of a loop: a result that the next round of the same line takes."""
        latest: dict[Any, Node] = {}
        for node in group.nodes:
            latest.setdefault((id(node.code), node.lasti), node)
        shapes = {
            up.result.shape: up
            for up, uses in inside.items()
            for consumer, _ in uses
            if consumer.lasti <= up.lasti
            and (id(consumer.code), consumer.lasti) in latest
            and latest[id(consumer.code), consumer.lasti].order < up.order
        }
        if not shapes:
            return None
        name = self.name(group)
        return Edge(name, name, self._label(list(shapes.values())), recurrent=True)

    def _label(self, ups: Sequence[Node]) -> tuple[Line, ...]:
        """Return what is said of the tensors that go from one group to another."""
        if all(isinstance(up, Leaf) for up in ups):
            return ()
        texts = list(dict.fromkeys(self.of.shape(up.result, dtype=False) for up in ups))
        if not texts[0]:
            return ()
        if len(ups) == 1:
            return (Line(texts[0]),)
        return (Line(f"{len(ups):,} tensors" + (f", {texts[0]} each" if len(texts) == 1 else "")),)


def _parameters(module: Module) -> set[Any]:
    """Return the leaves of a module's parameters."""
    return {value.node for _, value in module.walk() if isinstance(value, Parameter)}


def _frozen(module: Module) -> bool:
    """Return whether a module has parameters, and all are frozen."""
    inside = [value for _, value in module.walk() if isinstance(value, Parameter)]
    return bool(inside) and not any(value.requires_grad for value in inside)


def _ops(nodes: Sequence[Node], most: int = 3) -> str:
    """Return which ops there are: ``2 × matmul, tanh``."""
    names = Counter(node.op.name for node in nodes if node.op is not None)
    found = [
        f"{count:,} × {name}" if count > 1 else name for name, count in names.most_common(most)
    ]
    return ", ".join([*found, *(["…"] if len(names) > most else [])])


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0
