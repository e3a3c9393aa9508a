"""Cards and labels of single nodes: leaves, constants, ops, outputs, and what flows between them.

Knows: a reading, a sweep, and what the user wants to see. Does not know: which nodes are drawn.
Read next: ``opgraph.py``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node, turned
from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.formula import formula, parameters
from tinygrad_edu.draw.numbers import (
    grid,
    heights,
    nonfinite,
    norm,
    spread,
    statistics,
)
from tinygrad_edu.draw.picture import Card, Edge, EdgeStyle, Histogram, Line, Strength
from tinygrad_edu.draw.reading import CONSTANT, LABELS, Reading, Sweep, constant_name
from tinygrad_edu.draw.words import LINE_LIMIT
from tinygrad_edu.mathematics import array_text, dims, local_text, number

__all__ = ["EXPLODING", "VANISHING", "Cards", "Look", "id_of"]

VANISHING, EXPLODING = 1e-7, 1e3
"""A cotangent below this share of the largest is drawn dotted; a norm above this one red."""

_GRADIENT = 32  # characters of a gradient in numbers
_PATH = re.compile(r"[^\W\d]\w*(?:\.\w+)+")
_EQUATION = re.compile(r"\w+\[\w+\][^=(]* = ")
_LOCALS = 4  # lines of local derivatives on one card

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Look:
    """What the user wants to see; see ``draw``.

    Parameters
    ----------
    values : int
        Arrays of at most so many elements show their numbers.
    histogram : bool
        Whether larger ones show bars.
    show : frozenset of {"shape", "dtype", "line"}
        What is written beside.
    """

    values: int = 9
    histogram: bool = True
    show: frozenset[str] = frozenset({"shape", "dtype"})


class Cards:
    """Makes the cards and labels of one picture.

    Parameters
    ----------
    reading : Reading
        The graph.
    sweep : Sweep, optional
        Its gradients, if they are drawn.
    look : Look
        What the user wants to see.
    """

    def __init__(self, reading: Reading, sweep: Sweep | None, look: Look) -> None:
        self.reading, self.sweep, self.look = reading, sweep, look

    @cached_property
    def largest(self) -> float:
        """The largest finite norm of a gradient."""
        found = self.sweep.cotangents.values() if self.sweep is not None else ()
        return max((n for n in map(norm, found) if np.isfinite(n)), default=0.0)

    @cached_property
    def _wrong(self) -> frozenset[Node]:
        """The nodes with nan or inf in their result, or in what they send back."""
        found = {node for node, value in self.reading.values.items() if nonfinite(value)}
        if self.sweep is not None:
            found.update(node for (node, _), part in self.sweep.parts.items() if nonfinite(part))
        return frozenset(found)

    # ---- single texts

    def shape(self, value: Any, dtype: bool = True) -> str:
        """Return shape and dtype as far as they are wanted."""
        show = self.look.show
        parts = [dims(value.shape)] if "shape" in show else []
        return " ".join([*parts, *([str(value.dtype)] if dtype and "dtype" in show else [])])

    def gradient(self, node: Node) -> Array | None:
        """Return the whole gradient of a node as users know it, if there is one."""
        found = None if self.sweep is None else self.sweep.cotangents.get(node)
        return None if found is None else turned(found)

    def part(self, consumer: Node, i: int) -> Array | None:
        """Return what came back from one consumer as users know it, if anything did."""
        found = None if self.sweep is None else self.sweep.parts.get((consumer, i))
        return None if found is None else turned(found)

    @cached_property
    def complex(self) -> bool:
        """Whether a gradient of complex numbers is drawn."""
        found = self.sweep.cotangents.values() if self.sweep is not None else ()
        return any(gradient.dtype.kind == "c" for gradient in found)

    def paths(self, node: Node) -> int:
        """Return over how many edges a gradient comes back to a node."""
        arriving = sum(self.part(*use) is not None for use in self.reading.consumers[node])
        return arriving + (node in self.reading.roots)

    def _by(self, node: Node) -> str:
        """Return what the length of a gradient is called."""
        roots = self.reading.roots
        if len(roots) == 1 and roots[0] in self.reading.variables:
            own = self.reading.names[node].rpartition(".")[2]
            return f"‖∂{self.reading.names[roots[0]]}/∂{own}‖"
        return "‖gradient‖"

    def _whole(self, node: Node, charted: bool) -> tuple[Line, ...]:
        """Return the line of a node's whole gradient; ``Σ`` where it is a sum.

        Of a leaf it is always told, unless a histogram tells it; of a result only where it is a
        sum, since the edge tells it otherwise.
        """
        if self.sweep is None:
            return ()
        gradient, count = self.gradient(node), self.paths(node)
        if gradient is None:
            return (Line("gradient –", "grey"),) if isinstance(node, Leaf) else ()
        if count < 2 and not isinstance(node, Leaf):
            return ()
        head = f"Σ of {count:,} gradients" if count > 1 else "gradient"
        if charted:
            return (Line(head, "orange"),) if count > 1 else ()
        text = array_text(gradient, self.look.values)
        if gradient.size > self.look.values or len(text) > _GRADIENT:
            text = f"of norm {number(norm(gradient), 3)}"
        return (Line(f"{head} {text}", "orange"),)

    # ---- cards

    def leaf(self, leaf: Node, cluster: str | None = None, within: str = "") -> Card:
        """Return the card of a leaf; inside the box of its module it goes by its last name."""
        name, value = self.reading.names[leaf], leaf.result
        short_name = name[len(within) + 1 :] if within and name.startswith(f"{within}.") else name
        given = self.reading.given(value)
        lines = [Line(text, "grey") for text in [self.shape(value)] if text]
        gradient = self.gradient(leaf)
        charts = self._histograms(value, gradient, self._by(leaf) if gradient is not None else "")
        told = "" if gradient is None else f"\ngradient {statistics(gradient)}"
        role: Literal["input", "parameter"] = "input" if given else "parameter"
        return Card(
            id_of(leaf),
            role,
            short_name,
            role,
            (*lines, *self._whole(leaf, bool(charts)), *self._line(leaf)),
            grid(value, self.look.values),
            charts,
            tooltip="\n".join(
                [f"{name}: {statistics(value)}{told}", *self.reading.place(leaf, "made at ")]
            ),
            cluster=None if given else cluster,
            nonfinite=nonfinite(value),
        )

    def constant(self, node: Node, i: int, cluster: str | None = None, within: str = "") -> Card:
        """Return the card of an argument through which no gradient flows.

        What was passed into a module stands outside of its box.
        """
        value, op = node.primals[i], node.op
        assert op is not None
        key = f"{id_of(node)}-{i}"
        argument = op.arguments[0 if op.variadic else i]
        frozen = self.reading.frozen(node, i)
        name = self.reading.constant(node, i)
        pale = node in self.reading.forward
        if not isinstance(value, (np.ndarray, Like)):
            return Card(key, "constant", self.reading.arguments(node)[i], "constant", pale=pale)
        if isinstance(value, np.ndarray) and value.ndim == 0 and not name:
            return Card(key, "constant", number(value), "constant", pale=pale)
        title = name or constant_name(node, i)
        if within and title.startswith(f"{within}."):
            title = title[len(within) + 1 :]
        floating = value.dtype.kind in "fc" and argument not in LABELS and title != CONSTANT
        role: Literal["parameter", "input", "constant"] = "input" if floating else "constant"
        corner = "input" if floating else "no grad"
        if argument in LABELS:
            corner = "labels, no grad"
        if frozen is not None:
            role, corner = "parameter", "parameter"
        elif role == "input" and (name or i == 0):
            cluster = None
        elif role == "input":  # the module's own, as the mean that a norm has seen
            role, corner = "constant", "no grad"
        shape = self.shape(value)
        return Card(
            key,
            role,
            title,
            corner,
            (Line(shape, "grey"),) if shape else (),
            grid(value, self.look.values),
            self._histograms(value, None, ""),
            tooltip=f"{name or argument}: {statistics(value)}",
            cluster=cluster,
            frozen=frozen is not None,
            nonfinite=nonfinite(value),
            pale=pale,
        )

    def op(self, node: Node, cluster: str | None = None) -> Card:
        """Return the card of an op."""
        op, reading = node.op, self.reading
        assert op is not None
        name, value = reading.names[node], reading.values.get(node)
        arguments = reading.arguments(node)
        text = formula(node, list(map(_last, arguments)))
        # A row of steps says itself what it computes: h[t] = ...
        whole = text if _EQUATION.match(text) else f"{name} = {text}" if text else ""
        lines = [Line(whole if len(whole) <= LINE_LIMIT else text, "grey")] if text else []
        said = parameters(node)
        lines += [Line(said, "grey")] if said else []
        lines += self._locals(node, arguments)
        lines += self._whole(node, charted=False)
        lines += self.begins(node)
        lines += self._line(node)
        gradient = self.gradient(node)
        told = "" if gradient is None else f"\ngradient {statistics(gradient)}"
        places = " in ".join(place.title for place in reversed(reading.places[node]))
        return Card(
            id_of(node),
            "op",
            op.name,
            lines=tuple(lines),
            values=() if node in reading.roots else grid(value, self.look.values),
            tooltip="\n".join(
                [
                    f"{op.name}: {op.doc}",
                    f"{name} = {formula(node, arguments)}",
                    f"result {statistics(value if value is not None else node.result)}{told}",
                    *([f"in {places}"] if places else []),
                    *reading.place(node, "at "),
                ]
            ),
            cluster=cluster,
            nonfinite=nonfinite(value),
            pale=node in reading.forward,
        )

    def _line(self, node: Node) -> tuple[Line, ...]:
        """Return where a node was made, if that is wanted."""
        shown = self.reading.place(node) if "line" in self.look.show else []
        return tuple(Line(text, "grey") for text in shown)

    def _locals(self, node: Node, arguments: Sequence[str]) -> list[Line]:
        """Return the local derivatives of an op through which gradients are drawn."""
        if self.sweep is None:
            return []
        op: Any = node.op
        moving = [i for i in range(len(arguments)) if self.part(node, i) is not None]
        names = list(map(_last, arguments))
        texts = [
            local_text(op, i, names, self.reading.names[node], node.params)
            for i in moving[:_LOCALS]
        ]
        told: dict[str, list[str]] = {}  # per text the arguments that it is the derivative of
        for i, text in zip(moving, texts, strict=False):
            if text:
                told.setdefault(text, []).append(names[i])
        lines = [
            Line(text if len(told) == 1 else f"{', '.join(dict.fromkeys(of))}: {text}", "orange")
            for text, of in told.items()
        ]
        more = len(moving) - _LOCALS
        return [*lines, *([Line(f"and {more:,} more", "orange")] if more > 0 else [])]

    def begins(self, node: Node) -> list[Line]:
        """Return the words of an op that makes nan or inf of finite numbers, either way."""
        if node not in self._wrong:
            return []
        lines = []
        value = self.reading.values.get(node)
        if value is not None and nonfinite(value) and not self._arrives(node):
            kind = "nan" if np.isnan(value).any() else "inf"
            lines.append(Line(f"{kind} begins here", "red"))
        whole = self.gradient(node)
        parts = [self.part(node, i) for i in range(len(node.primals))]
        wrong = [part for part in parts if part is not None and nonfinite(part)]
        if wrong and whole is not None and not nonfinite(whole):
            kind = "nan" if any(np.isnan(part).any() for part in wrong) else "inf"
            lines.append(Line(f"the gradient's {kind} begins here", "red"))
        return lines

    def _arrives(self, node: Node) -> bool:
        """Return whether nan or inf is among the arguments of a node, as far as they are known."""
        for up, primal in zip(node.upstream or (), node.primals, strict=True):
            known = self.reading.values.get(up, primal) if up is not None else primal
            if nonfinite(np.asarray(known) if isinstance(known, float) else known):
                return True
        return False

    def outputs(self) -> list[tuple[Card, Node | None]]:
        """Return the cards of the outputs, each with the node that it shows."""
        found = []
        count = len(self.reading.outputs)
        for k, output in enumerate(self.reading.outputs):
            data, node = output.numpy(), output.node
            name = "result" if count == 1 else f"result {k + 1}"
            if node is not None:
                name = self.reading.word(node) or name
            seed = " 1" if data.size == 1 else "s 1"
            shape = self.shape(data)
            lines = [Line(shape, "grey")] if shape else []
            if data.size == 1:
                lines.append(Line(number(data.item(), 6), "large"))
            card = Card(
                f"output{k or ''}",
                "output",
                name,
                "output" if self.sweep is None or node is None else f"output, seed{seed}",
                tuple(lines),
                grid(data, self.look.values) if data.size > 1 else (),
                self._histograms(data, None, ""),
                tooltip=f"{name}: {statistics(data)}",
                nonfinite=nonfinite(data),
            )
            found.append((card, node))
        return found

    def _histograms(self, value: Any, gradient: Any, by: str) -> tuple[Histogram, ...]:
        """Return the histograms of a large array and of its gradient."""
        large = isinstance(value, np.ndarray) and value.size > self.look.values
        if not large or not self.look.histogram:
            return ()
        found = [Histogram(heights(value), "value", Line(spread(value)))]
        if gradient is not None:
            caption = Line(f"{by} = {number(norm(gradient), 3)}", "orange")
            found.append(Histogram(heights(gradient), "gradient", caption))
        return tuple(found)

    # ---- edges

    def edge(
        self,
        tail: str,
        head: str,
        labels: Sequence[Line],
        style: EdgeStyle,
        flowing: Sequence[Array | None],
        *,
        bare: bool = False,
    ) -> Edge:
        """Return an edge with what flows back over it.

        Parameters
        ----------
        tail, head : str
            ``id`` of both cards.
        labels : sequence of Line
            What is said of the forward pass.
        style : str
            How the edge looks where no gradients are drawn.
        flowing : sequence of array or None
            The gradients that come back over the edge; None where there is none.
        bare : bool
            Whether the gradient goes without its number: the card at its end has it.
        """
        if self.sweep is None:
            return Edge(tail, head, tuple(labels), style)
        found = [norm(gradient) for gradient in flowing if gradient is not None]
        if not found:
            return Edge(tail, head, (*labels, Line("–", "grey")), "absent")
        length = float(np.linalg.norm(found)) if len(found) > 1 else found[0]
        empty = not any(gradient.size for gradient in flowing if gradient is not None)
        label = () if bare else (Line(f"← {number(length, 3)}", "orange"),)
        width = self._width(length)
        strength = "normal" if empty else self.strength(length)
        return Edge(tail, head, (*labels, *label), "gradient", width, "", strength)

    def strength(self, length: float) -> Strength:
        """Return whether a gradient of this norm vanishes or explodes."""
        if not np.isfinite(length):
            return "nan or inf"
        if length > EXPLODING:
            return "exploding"
        return "vanishing" if length < VANISHING * self.largest else "normal"

    def _width(self, length: float) -> float:
        """Return the pen width: 3.5 for the largest norm, one step less per power of ten."""
        if not np.isfinite(length):
            return 3.5
        if length == 0 or self.largest == 0:
            return 1.0
        return float(np.clip(3.5 + 0.8 * np.log10(length / self.largest), 1.0, 3.5))


def _last(name: str) -> str:
    """Return the last name of a path; what is no path, such as ``0.5``, stays."""
    return name.rpartition(".")[2] if _PATH.fullmatch(name) else name


def id_of(node: Node) -> str:
    """Return the ``id`` of the card of a node."""
    return str(node.order)
