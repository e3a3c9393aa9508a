"""`draw`: the graph behind a tensor as a picture.

This file reads nodes and rows, and fills a `Picture`; it changes nothing and knows no drawing
tool. A result that an op makes is an edge, not a card, which halves the picture; leaves, constants
and the output are cards. Read ``picture.py`` for what a card is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node, ancestors, reverse_sweep
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.draw.diagram import Diagram
from tinygrad_edu.draw.picture import (
    BINS,
    Card,
    Cluster,
    Edge,
    Histogram,
    Line,
    Picture,
    Rankdir,
)
from tinygrad_edu.draw.render import Engine, Format
from tinygrad_edu.errors import DiagramError

__all__ = ["draw"]

VANISHING, EXPLODING = 1e-7, 1e3
"""A cotangent below this share of the largest is drawn dotted; a norm above this one red."""

LONG = 12  # ops in a row from which a picture from top to bottom is easier to read


def draw(
    output: Tensor,
    *,
    grad: bool | Literal["auto"] = "auto",
    rankdir: Rankdir | Literal["auto"] = "auto",
    values: int = 9,
    histogram: bool = True,
    limit: int = 400,
    title: str = "computational graph",
    theme: str = "light",
    legend: bool = True,
    format: Format = "svg",
    engine: Engine = "auto",
) -> Diagram:
    """Return the graph that a tensor was computed by, as a diagram.

    Parameters
    ----------
    output : Tensor
        A loss, or any tensor; its graph must not have been freed by ``backward()``.
    grad : bool or "auto"
        Whether to draw how the gradient flows back. By default it is drawn once ``backward()`` has
        given a leaf its gradient. The numbers are computed anew, so no ``.grad`` changes; a tensor
        that is no scalar is seeded with ones.
    rankdir : {"auto", "LR", "TB"}
        Left to right, or top to bottom; by default long chains run downwards.
    values : int
        Arrays of at most so many elements show their numbers, larger ones a histogram.
    histogram : bool
        Whether larger arrays show a histogram of 12 bars.
    limit : int
        At most so many ops are drawn, the latest; what comes before them becomes one card.
    title : str
        Read aloud by screen readers, and the head of the text form.
    theme : {"light", "dark"}
        Colours.
    legend : bool
        Whether to explain the colours that occur.
    format : {"svg", "png", "pdf", "dot", "text"}
        What a notebook shows.
    engine : {"auto", "dot", "pygraphviz", "own"}
        The tool that draws; the first that is installed by default.

    Raises
    ------
    FreedGraphError
        ``backward()`` has freed the graph: draw before it, or call it with ``retain_graph=True``.
    DiagramError
        `output` is no Tensor, or `limit` is below 1.

    Examples
    --------
    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> diagram = draw(w * w)
    >>> diagram
    <Diagram 'computational graph': 3 cards, 3 edges>
    """
    if not isinstance(output, Tensor):
        raise DiagramError(
            f"draw: expected a Tensor, got a {type(output).__name__}\n"
            "  fix: pass the loss, or another result"
        )
    if limit < 1:
        raise DiagramError(f"draw: limit={limit} must be at least 1")
    picture = _Reader(output, grad, values, histogram, limit).picture(rankdir, title, theme, legend)
    return Diagram(picture, format=format, engine=engine)


class _Reader:
    """Reads one graph into cards, edges and clusters."""

    def __init__(
        self, output: Tensor, grad: bool | str, values: int, histogram: bool, limit: int
    ) -> None:
        self.output, self.values, self.histogram = output, values, histogram
        root = output.node
        nodes = ancestors(root) if root is not None else []
        ops = [node for node in nodes if node.op is not None]
        self.hidden = set(ops[:-limit])
        drawn = [node for node in ops if node not in self.hidden]
        used = {up for node in drawn for up in node.upstream or ()}
        self.nodes = [node for node in nodes if node in used or node in drawn or node is root]
        self.nodes = [node for node in self.nodes if node not in self.hidden]
        if grad == "auto":
            grad = any(isinstance(node, Leaf) and node.grad is not None for node in nodes)
        self.grad = bool(grad) and root is not None
        self.cotangents = self._sweep(root, nodes) if self.grad else {}
        norms = [float(np.linalg.norm(g)) for g in self.cotangents.values()]
        self.largest = max((norm for norm in norms if np.isfinite(norm)), default=0.0)
        self.names = _leaf_names([node for node in self.nodes if isinstance(node, Leaf)])
        self.cards: list[Card] = []
        self.edges: list[Edge] = []
        self.sizes: Counter[str] = Counter()

    def _sweep(self, root: Any, nodes: Sequence[Node]) -> Mapping[Node, Any]:
        """Return the cotangent of every node."""
        seed = np.ones(root.result.shape, root.result.dtype)
        return reverse_sweep({root: seed}, nodes)

    def picture(
        self, rankdir: Rankdir | Literal["auto"], title: str, theme: str, legend: bool
    ) -> Picture:
        """Return the whole picture."""
        if self.hidden:
            count = len(self.hidden)
            self.cards.append(
                Card("hidden", "module", f"{count:,} earlier ops", "not drawn",
                     (Line("limit= draws more of them", "grey"),))
            )  # fmt: skip
        for node in self.nodes:
            if isinstance(node, Leaf):
                self.cards.append(self._leaf(node))
            else:
                self._op(node)
        self._result()
        clusters = tuple(
            Cluster(path, path, detail=f"{size:,} parameters") for path, size in self.sizes.items()
        )
        ops = sum(card.role == "op" for card in self.cards)
        direction = ("TB" if ops > LONG else "LR") if rankdir == "auto" else rankdir
        return Picture(
            tuple(self.cards),
            tuple(self.edges),
            clusters,
            rankdir=direction,
            legend=None if legend else (),
            title=title,
            theme=theme,
        )

    # ---- cards

    def _leaf(self, leaf: Leaf) -> Card:
        path = leaf.name.rpartition(".")[0]
        if path:
            self.sizes[path] += leaf.result.size
        return Card(
            _id(leaf),
            "parameter",
            self.names[leaf],
            "parameter",
            (Line(_shape(leaf.result), "grey"), *self._gradient_line(leaf)),
            self._grid(leaf.result),
            self._histograms(leaf.result, self.cotangents.get(leaf), self.names[leaf]),
            tooltip=f"{self.names[leaf]}: {_statistics(leaf.result)}\nmade at {leaf.line}",
            cluster=path or None,
            nonfinite=_nonfinite(leaf.result),
        )

    def _gradient_line(self, leaf: Leaf) -> tuple[Line, ...]:
        """Return the gradient of a small leaf in numbers, or that there is none yet."""
        if not self.grad:
            return ()
        g = self.cotangents.get(leaf)
        if g is None:
            return (Line("gradient –", "grey"),)
        if g.size <= self.values:
            return (Line(f"gradient {_numbers(g)}", "orange"),)
        return ()

    def _op(self, node: Node) -> None:
        op: Any = node.op
        shown = {k: v for k, v in node.params.items() if v is not None and v != op.params.get(k)}
        lines = [Line(op.formula, "grey")] if op.formula else []
        if shown:
            lines.append(Line(", ".join(f"{k}={_short(v)}" for k, v in shown.items()), "grey"))
        paths = [up.name.rpartition(".")[0] for up in node.upstream or () if isinstance(up, Leaf)]
        cluster = next((path for path in paths if path), None)
        value = node.result
        numbers = self._grid(value) if node is not self.output.node else ()
        self.cards.append(
            Card(_id(node), "op", op.name, lines=tuple(lines), values=numbers, cluster=cluster,
                 tooltip=f"{op.name}: {op.doc}\nresult {_statistics(value)}\nat {node.line}",
                 nonfinite=_nonfinite(value))
        )  # fmt: skip
        for i, up in enumerate(node.upstream or ()):
            name = op.arguments[0 if op.variadic else i]
            if up is not None:
                self.edges.append(self._edge(up, node))
            elif node.primals[i] is not None:
                self._constant(node, i, name)

    def _constant(self, node: Node, i: int, name: str) -> None:
        """Add the card of an argument through which no gradient flows."""
        value = node.primals[i]
        number = np.ndim(value) == 0 if not isinstance(value, Like) else value.ndim == 0
        floating = getattr(value, "dtype", np.dtype(int)).kind in "fc"
        key = f"{_id(node)}-{i}"
        if number and not isinstance(value, Like):
            card = Card(key, "constant", _numbers(np.asarray(value)), "constant")
        else:
            role: Literal["input", "constant"] = "input" if floating else "constant"
            corner = "input" if floating else f"{name}, no grad"
            card = Card(
                key,
                role,
                name,
                corner,
                (Line(_shape(value), "grey"),),
                self._grid(value),
                self._histograms(value, None, name),
                tooltip=f"{name}: {_statistics(value)}",
                nonfinite=_nonfinite(value),
            )
        self.cards.append(card)
        self.edges.append(Edge(key, _id(node), style="absent" if self.grad else "constant"))

    def _result(self) -> None:
        """Add the card of the output, with its edge."""
        data, root = self.output.numpy(), self.output.node
        lines = [Line(_shape(data), "grey")]
        if data.size == 1:
            lines.append(Line(f"{data.item():.6g}", "large"))
        corner = "output" if not self.grad else "output, seed 1"
        grid = self._grid(data) if data.size > 1 else ()
        self.cards.append(
            Card("output", "output", "result", corner, tuple(lines), grid,
                 self._histograms(data, None, "result"), tooltip=_statistics(data),
                 nonfinite=_nonfinite(data))
        )  # fmt: skip
        if root is not None:
            self.edges.append(self._edge(root, None))

    # ---- edges

    def _edge(self, up: Node, head: Node | None) -> Edge:
        tail = "hidden" if up in self.hidden else _id(up)
        target = "output" if head is None else _id(head)
        shape = () if isinstance(up, Leaf) or up in self.hidden else (Line(_dims(up.result)),)
        if not self.grad:
            return Edge(tail, target, shape, "parameter" if isinstance(up, Leaf) else "data")
        g = self.cotangents.get(up)
        if g is None:
            return Edge(tail, target, (*shape, Line("–", "grey")), "absent")
        norm = float(np.linalg.norm(g))
        label = () if isinstance(up, Leaf) else (Line(f"← {norm:.3g}", "orange"),)
        strength: Literal["normal", "vanishing", "exploding"] = "normal"
        if not np.isfinite(norm) or norm > EXPLODING:
            strength = "exploding"
        elif norm < VANISHING * self.largest:
            strength = "vanishing"
        return Edge(tail, target, (*shape, *label), "gradient", self._width(norm), "", strength)

    def _width(self, norm: float) -> float:
        """Return the pen width: 3.5 for the largest norm, one step less per power of ten."""
        if not np.isfinite(norm):
            return 3.5
        if norm == 0 or self.largest == 0:
            return 1.0
        return float(np.clip(3.5 + 0.8 * np.log10(norm / self.largest), 1.0, 3.5))

    # ---- numbers

    def _grid(self, value: Any) -> tuple[tuple[str, ...], ...]:
        """Return the numbers of a small array, in rows."""
        if isinstance(value, Like) or np.ndim(value) == 0 or not 1 < value.size <= self.values:
            if isinstance(value, np.ndarray) and value.size == 1 and self.values:
                return ((f"{value.item():.4g}",),)
            return ()
        rows = value.reshape(-1, value.shape[-1])
        return tuple(tuple(f"{x:.4g}" for x in row) for row in rows)

    def _histograms(self, value: Any, gradient: Any, name: str) -> tuple[Histogram, ...]:
        """Return the histograms of a large array and of its gradient."""
        if isinstance(value, Like) or not self.histogram or np.size(value) <= self.values:
            return ()
        found = [Histogram(_heights(value), "value", Line(_mean(value)))]
        if gradient is not None:
            norm = float(np.linalg.norm(gradient))
            caption = Line(f"‖∂/∂{name.rpartition('.')[2]}‖ = {norm:.3g}", "orange")
            found.append(Histogram(_heights(gradient), "gradient", caption))
        return tuple(found)


def _id(node: Node) -> str:
    return str(node.order)


def _leaf_names(leaves: Sequence[Leaf]) -> dict[Leaf, str]:
    """Return a name per leaf: its own, that of the variable it was assigned to, or a number."""
    found: dict[Leaf, str] = {}
    lines = Counter(leaf.line for leaf in leaves)
    for number, leaf in enumerate(leaves, start=1):
        match = re.match(r"[^:]*:\d+: (\w+) = ", leaf.line)
        alone = match and lines[leaf.line] == 1
        found[leaf] = leaf.name or (match[1] if match and alone else f"leaf {number}")
    return found


def _dims(value: Any) -> str:
    return " × ".join(map(str, value.shape)) or "scalar"


def _shape(value: Any) -> str:
    return f"{_dims(value)} {value.dtype}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:23]}…"


def _numbers(array: np.ndarray[Any, Any]) -> str:
    if array.ndim == 0:
        return f"{array.item():.4g}"
    return np.array2string(array, precision=4, separator=", ", max_line_width=200).replace("\n", "")


def _finite(value: Any) -> np.ndarray[Any, Any]:
    flat: np.ndarray[Any, Any] = np.asarray(value).reshape(-1)
    real = flat.real if flat.dtype.kind == "c" else flat
    finite: np.ndarray[Any, Any] = real[np.isfinite(real)].astype(np.float64)
    return finite


def _nonfinite(value: Any) -> int:
    if isinstance(value, Like) or getattr(value, "dtype", np.dtype(int)).kind not in "fc":
        return 0
    return int(value.size - np.count_nonzero(np.isfinite(value)))


def _heights(value: Any) -> tuple[float, ...]:
    """Return the counts of twelve bins over the finite values."""
    counts, _ = np.histogram(_finite(value), bins=BINS)
    return tuple(float(count) for count in counts)


def _mean(value: Any) -> str:
    finite = _finite(value)
    return f"{finite.mean():.3g} ± {finite.std():.3g}" if finite.size else "no finite value"


def _statistics(value: Any) -> str:
    """Return one sentence about an array, for the tooltip."""
    if isinstance(value, Like) or not isinstance(value, np.ndarray):
        return _shape(value) if isinstance(value, Like) else repr(value)
    finite = _finite(value)
    if not finite.size:
        return _shape(value)
    return f"{_shape(value)}, {_mean(value)}, from {finite.min():.4g} to {finite.max():.4g}"
