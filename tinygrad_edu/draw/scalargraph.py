"""The picture of a graph of single numbers: values and gradients on the edges, chain rule by ops.

Knows: how a graph is drawn whose tensors are all numbers. Does not know: large graphs. Read next:
``opgraph.py``.
"""

from __future__ import annotations

from cmath import isclose
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node, reverse_sweep, turned
from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.cards import Cards, id_of
from tinygrad_edu.draw.clusters import Clusters
from tinygrad_edu.draw.numbers import nonfinite
from tinygrad_edu.draw.opgraph import Drawn
from tinygrad_edu.draw.picture import Card, Edge, EdgeStyle, Line, Picture
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.mathematics import local_text, number, signed

__all__ = ["is_scalar", "scalar_picture"]

_FEW = 4  # results whose sum is written out
_LONGEST = 28  # characters of a local derivative beside its number

_SAME = 1e-5  # of complex64, too

MOST = 60
"""A graph of more nodes is not drawn number by number, unless that is asked for."""

SYMBOLS = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "power": "xʸ", "negative": "−x",
    "square": "x²", "sqrt": "√", "absolute": "|x|", "sigmoid": "σ", "matmul": "@",
    "maximum": "max", "minimum": "min",
}  # fmt: skip


def is_scalar(reading: Reading) -> bool:
    """Return whether a graph is small, and all in it are single numbers."""
    if not 0 < len(reading.nodes) <= MOST:
        return False
    return all(
        np.size(primal) == 1 if not hasattr(primal, "size") else primal.size == 1
        for node in reading.nodes
        for primal in (node.result, *node.primals)
        if primal is not None
    )


def scalar_picture(cards: Cards) -> Drawn:
    """Return the picture of a graph of numbers."""
    reading, sweep = cards.reading, cards.sweep
    clusters = Clusters(reading)
    found: list[Card] = []
    edges: list[Edge] = []
    nodes: dict[str, tuple[Node, ...]] = {}
    slopes = _slopes(reading) if sweep is not None else {}

    def edge(up: Node, head: str, gradient: Any) -> Edge:
        value = reading.values.get(up)
        lines = [Line(_value(value), "value")] if value is not None else []
        if sweep is not None and gradient is None:
            lines.append(Line("–", "grey"))
        elif sweep is not None:
            lines.append(Line(signed(gradient), "orange"))
        name = reading.names[up]
        told = f"{name} = {_value(value)}" if value is not None else name
        if gradient is not None:
            told += f", gradient that comes back here {signed(gradient)}"
        style: EdgeStyle = "absent" if sweep is not None and gradient is None else "data"
        strength = "normal" if gradient is None else cards.strength(abs(gradient))
        return Edge(id_of(up), head, tuple(lines), style, 1.2, told, strength)

    for node in reading.nodes:
        nodes[id_of(node)] = (node,)
        whole = cards.gradient(node)
        summed: tuple[Line, ...] = ()
        if cards.paths(node) > 1 and whole is not None:
            summed = (Line(f"Σ {signed(whole.item())}", "orange"),)
        value = reading.values.get(node)
        if isinstance(node, Leaf):
            full = cards.leaf(node)
            found.append(
                Card(id_of(node), full.role, full.title, lines=summed, tooltip=full.tooltip,
                     cluster=clusters.of(node), nonfinite=full.nonfinite)
            )  # fmt: skip
            continue
        op: Any = node.op
        names = reading.arguments(node)
        lines: list[Line] = []
        for i in range(len(names)):
            if (node, i) in slopes:
                text = local_text(op, i, names, reading.names[node], node.params)
                lines.append(Line(_with_slope(text, slopes[node, i]), "orange"))
        full = cards.op(node)
        red = [line for line in full.lines if line.style == "red"]
        found.append(
            Card(id_of(node), "op", SYMBOLS.get(op.name, op.name), "",
                 tuple(dict.fromkeys((*lines, *summed, *red))), tooltip=full.tooltip,
                 cluster=clusters.of(node), nonfinite=nonfinite(value), pale=full.pale)
        )  # fmt: skip
        for i, up in enumerate(node.upstream or ()):
            if up is not None:
                part = cards.part(node, i)
                edges.append(edge(up, id_of(node), None if part is None else part.item()))
            elif node.primals[i] is not None:
                card = cards.constant(node, i)
                number_alone = not card.lines
                title = card.title if number_alone or reading.constant(node, i) else "constant"
                found.append(
                    Card(card.id, card.role, title, "" if number_alone else card.corner,
                         tooltip=card.tooltip, nonfinite=card.nonfinite, pale=full.pale)
                )  # fmt: skip
                label = () if number_alone else (Line(_value(node.primals[i]), "value"),)
                style: EdgeStyle = "constant" if sweep is None else "absent"
                edges.append(Edge(card.id, id_of(node), label, style))
    for card, root in cards.outputs():
        found.append(replace(card, lines=card.lines[-1:]))  # that all are scalars needs no word
        if root is not None:
            edges.append(edge(root, card.id, 1.0 if sweep is not None else None))
    note = "On each edge: the value"
    if sweep is not None:
        of = _sum([card.title for card, root in cards.outputs() if root is not None])
        note += f", and below it the gradient of {of} that comes back over it"
        if any(isinstance(slope, complex) and slope.imag for slope in slopes.values()):
            note += ". Behind × stand complex factors as it is multiplied with them: conjugated"
    return Picture(tuple(found), tuple(edges), clusters.made, note=f"{note}."), nodes


def _sum(names: Sequence[str]) -> str:
    """Return what a gradient is of: a result, or the sum of several, which is what was seeded."""
    return " + ".join(names) if len(names) <= _FEW else f"the sum of all {len(names):,} results"


def _value(value: Any) -> str:
    """Return a single number as text; of one that the graph did not keep, nothing."""
    return "" if isinstance(value, Like) else number(np.asarray(value).item())


def _with_slope(text: str, slope: complex | None) -> str:
    """Return the local derivative with its number, where it is short and says more.

    Of a complex one the number alone: gradients are multiplied with its conjugate.
    """
    if slope is None:
        return text
    if isinstance(slope, complex):
        return f"×({number(slope)})" if slope.imag else f"×{number(slope.real)}"
    said = f"×{number(slope)}"
    if len(text) > _LONGEST or text.replace("(", "").replace(")", "") in ("", said):
        return said
    return f"{text} = {said[1:]}"


def _slopes(reading: Reading) -> dict[tuple[Node, int], complex | None]:
    """Return the number that a gradient is multiplied with on its way to each argument.

    None where that is no multiplication: a complex gradient is conjugated, or its real part taken.
    """
    found: dict[tuple[Node, int], complex | None] = {}
    for node in reading.nodes:
        inputs = {up for up in node.upstream or () if up is not None}
        if inputs:
            slopes = _sent(node, inputs, 1.0)
            if node.result.dtype.kind == "c":
                turns = _sent(node, inputs, 1j)
                straight = {
                    i for i, s in slopes.items() if isclose(turns[i], 1j * s, rel_tol=_SAME)
                }
            else:
                straight = set(slopes)
            found.update(((node, i), s if i in straight else None) for i, s in slopes.items())
    return found


def _sent(node: Node, inputs: set[Node], gradient: complex) -> dict[int, complex]:
    """Return what becomes of the gradient of a result on its way to each argument."""
    found: dict[int, complex] = {}

    def watch(_: Node, i: int, cotangent: Any) -> None:
        found[i] = turned(cotangent).item()

    seed = {node: turned(np.full(node.result.shape, gradient, node.result.dtype))}
    with np.errstate(all="ignore"):
        reverse_sweep(seed, inputs, watch=watch, independent=True)
    return found
