"""A graph told in steps over a picture: which card is looked at, what is said, what is seen.

Knows: drawings, and the steps of both passes. Does not know: pages, or how a picture is drawn.
First every card's value appears, from the inputs to the output; then every gradient, on the way
back. Read ``page.py`` next, which writes it down.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tinygrad_edu.core.graph import Leaf, Node, turned
from tinygrad_edu.draw.graph import drawing
from tinygrad_edu.draw.names import card_name, edge_names
from tinygrad_edu.draw.options import Level
from tinygrad_edu.draw.picture import Card, Edge, Picture
from tinygrad_edu.draw.reading import Reading, Sweep
from tinygrad_edu.draw.words import counted
from tinygrad_edu.errors import NO_LINE
from tinygrad_edu.explain.blocks import Block, Bullets, Code, Heading, Line
from tinygrad_edu.explain.formulas import called, equation
from tinygrad_edu.explain.steps import (
    Forward,
    Step,
    backward_steps,
    forward_steps,
    spelled,
)
from tinygrad_edu.mathematics import Formula, array_text, number, signed, symbol
from tinygrad_edu.mathematics.expression import escaped

__all__ = ["Moment", "Story", "story"]

_LISTED = 8  # operations of a card that are told one by one


@dataclass(frozen=True)
class Moment:
    """One step of the page.

    Parameters
    ----------
    phase : {"forward", "backward"}
        Which pass it is a step of.
    card : str
        The drawn id of the card that is looked at; empty where there is none.
    said : str
        One sentence.
    blocks : tuple of Block
        The same at length.
    """

    phase: Literal["forward", "backward"]
    card: str
    said: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Story:
    """A graph, told.

    Parameters
    ----------
    picture : Picture
        With all values and gradients.
    moments : tuple of Moment
        In order.
    shown : mapping of str to (int, int)
        Per drawn id of a card or an edge the moments at which its value and its gradient appear.
    nodes : mapping of str to tuple of Node
        Per drawn id of a card the nodes behind it.
    """

    picture: Picture
    moments: tuple[Moment, ...]
    shown: Mapping[str, tuple[int, int]]
    nodes: Mapping[str, tuple[Node, ...]]


def story(reading: Reading, sweep: Sweep, *, level: Level = "auto", **options: Any) -> Story:
    """Return a graph told over its picture.

    Parameters
    ----------
    reading : Reading
        The graph.
    sweep : Sweep
        Its gradients.
    level : {"auto", "scalar", "op", "module"}
        As in ``draw``.
    **options
        Further ones of ``draw`` that say what is on the cards.
    """
    found = drawing(reading, sweep, level=level, **options)
    picture = _named(_forwards(found.picture), reading)
    ids = {card.id: card_name(k) for k, card in enumerate(picture.cards)}
    behind = {
        card.id: tuple(n for key in (card.members or (card.id,)) for n in found.nodes.get(key, ()))
        for card in picture.cards
    }
    order = _order(picture, behind)
    told = _Told(reading, sweep)
    moments = [told.beginning()]
    moments += [told.forward(card, ids[card.id], behind[card.id]) for card in order]
    outputs = [card for card in picture.cards if card.role == "output"]
    moments.append(told.seed(ids[outputs[0].id] if outputs else ""))
    seeded = len(moments) - 1
    moments += [told.backward(card, ids[card.id], behind[card.id]) for card in reversed(order)]

    last = len(moments)  # never
    values = {card.id: 0 for card in picture.cards}
    gradients = {card.id: last for card in picture.cards}
    for k, card in enumerate(order):
        values[card.id] = 1 + k
        gradients[card.id] = seeded + len(order) - k
    for card in outputs:
        values[card.id], gradients[card.id] = len(order), seeded
    shown = {}
    heads = [edge.head for edge in picture.edges]
    numbers = {card.id: k for k, card in enumerate(picture.cards)}
    acting = {card.id for card in order}
    for edge, name in zip(picture.edges, edge_names(numbers[h] for h in heads), strict=True):
        flows = edge.style not in ("constant", "absent")
        shown[name] = values[edge.tail], gradients[edge.head] if flows else last
        if flows and edge.tail not in acting and gradients[edge.head] < last:
            # A leaf's gradient is whole when its last consumer has sent its part.
            before = gradients[edge.tail] if gradients[edge.tail] < last else 0
            gradients[edge.tail] = max(before, gradients[edge.head])
    shown.update({ids[card.id]: (values[card.id], gradients[card.id]) for card in picture.cards})
    return Story(
        picture,
        tuple(moments),
        shown,
        {ids[card.id]: behind[card.id] for card in picture.cards if behind[card.id]},
    )


def _forwards(picture: Picture) -> Picture:
    """Return a picture with its edges as in the forward pass; what they say stays."""
    roles = {card.id: card.role for card in picture.cards}

    def turned(edge: Edge) -> Edge:
        if edge.style == "gradient":
            style: Any = "parameter" if roles[edge.tail] == "parameter" else "data"
        elif edge.style == "absent" and roles[edge.tail] in ("constant", "input"):
            style = "constant"
        else:
            style = edge.style
        lines = tuple(line for line in edge.lines if style != "constant" or line.text != "–")
        return replace(edge, style=style, lines=lines, width=1.2, strength="normal")

    return replace(picture, edges=tuple(map(turned, picture.edges)))


def _named(picture: Picture, reading: Reading) -> Picture:
    """Return a picture whose outputs are called as the steps call them, also without a variable."""
    names = {
        f"output{k or ''}": called(reading.names[output.node])
        for k, output in enumerate(reading.outputs)
        if output.node is not None
    }
    cards = tuple(
        replace(card, title=names[card.id]) if card.id in names and card.role == "output" else card
        for card in picture.cards
    )
    return replace(picture, cards=cards)


def _order(picture: Picture, behind: Mapping[str, tuple[Node, ...]]) -> list[Card]:
    """Return the cards of operations, producers first, otherwise as their last rows ran."""
    cards = {card.id: card for card in picture.cards}
    heads: dict[str, list[str]] = {name: [] for name in cards}
    waiting = dict.fromkeys(cards, 0)
    for edge in picture.edges:
        if not edge.recurrent:
            heads[edge.tail].append(edge.head)
            waiting[edge.head] += 1

    def ran(name: str) -> int:
        return max((node.order for node in behind[name]), default=0)

    places = {name: k for k, name in enumerate(cards)}
    ready = [(ran(name), places[name], name) for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    found = []
    while ready:
        _, _, name = heapq.heappop(ready)
        if cards[name].role in ("op", "module"):
            found.append(cards[name])
        for head in heads[name]:
            waiting[head] -= 1
            if not waiting[head]:
                heapq.heappush(ready, (ran(head), places[head], head))
    return found


class _Told:
    """Puts the steps of a graph into words, card by card."""

    def __init__(self, reading: Reading, sweep: Sweep) -> None:
        self.reading = reading
        rows = [node for node in reading.nodes if node.op is not None]
        self.ahead: dict[Node, Forward] = dict(zip(rows, forward_steps(reading), strict=True))
        back = [node for node in reversed(rows) if node in sweep.cotangents]
        self.back: dict[Node, Step] = dict(zip(back, backward_steps(reading, sweep), strict=True))
        self.sweep = sweep
        self.output = (
            " and ".join(called(reading.names[root]) for root in reading.roots) or "the result"
        )

    def beginning(self) -> Moment:
        leaves = sum(isinstance(node, Leaf) for node in self.reading.nodes)
        rows = len(self.ahead)
        of = "it" if leaves == 1 else "them"
        said = (
            f"The values at the beginning: {counted(leaves, 'leaf', 'leaves')}. "
            f"{counted(rows, 'operation')} will make {self.output} of {of}."
        )
        return Moment("forward", "", said, (Heading("The forward pass begins"), Line(said)))

    def forward(self, card: Card, name: str, nodes: Sequence[Node]) -> Moment:
        steps = [self.ahead[node] for node in nodes if node in self.ahead]
        if len(steps) != 1:
            said = f"{card.title}: {counted(len(steps), 'operation')}."
            lines = tuple(
                Line(f"{spelled(s.name, s.formula)} = {s.value}") for s in steps[:_LISTED]
            )
            return Moment("forward", name, said, self._several(card, len(steps), lines))
        (step,) = steps
        said = f"{spelled(step.name, step.formula)} = {step.value}"
        inputs = tuple(Line(_equals(key, value)) for key, value in step.named)
        blocks: tuple[Block, ...] = (
            Heading(spelled(step.name, step.formula)),
            Line(_equals(step.name, step.value)),
            *((Bullets(inputs),) if inputs else ()),
            _made(step),
        )
        return Moment("forward", name, said, blocks)

    def seed(self, name: str) -> Moment:
        begun = [turned(self.sweep.cotangents[root]) for root in self.reading.roots]
        if all(g.size == 1 and g == 1 for g in begun):
            said = f"The backward pass begins with 1, the rate of {self.output} by itself."
        else:
            given = " and ".join(array_text(g) for g in begun)
            said = f"The backward pass begins: the gradient of {self.output} is {given}, the seed."
        more = (
            "Every step now multiplies what has arrived with a local derivative, and hands it on."
        )
        return Moment("backward", name, said, (Heading(said), Line(more)))

    def backward(self, card: Card, name: str, nodes: Sequence[Node]) -> Moment:
        steps = [self.back[node] for node in reversed(nodes) if node in self.back]
        if not steps:
            said = f"{card.title}: no gradient arrives."
            return Moment("backward", name, said, (Heading(card.title), Line(said)))
        if len(steps) > 1:
            said = f"{card.title}: the gradient passes {counted(len(steps), 'operation')}."
            lines = tuple(
                Line(f"{called(step.name)}: norm {number(step.norm)} arrives; ", *_passes(step))
                for step in steps[:_LISTED]
            )
            return Moment("backward", name, said, self._several(card, len(steps), lines))
        (step,) = steps
        if not step.size:
            said = f"{step.place}: it has no elements, so nothing arrives."
            return Moment("backward", name, said, backward_blocks(step))
        largest = ", the largest of its gradient" if step.size > 1 else ""
        handed = "; ".join(f"to {c.brief}" for c in step.contributions)
        said = f"{step.place}: {signed(step.incoming)} arrives{largest}; handed on: "
        said += handed or "nothing"
        return Moment("backward", name, said, backward_blocks(step))

    def _several(self, card: Card, count: int, lines: tuple[Line, ...]) -> tuple[Block, ...]:
        title = f"{card.title}  {card.corner}" if card.corner else card.title
        more = [Line(f"and {count - _LISTED:,} more operations")] if count > _LISTED else []
        return (Heading(title), Bullets((*lines, *more)))


def backward_blocks(step: Step) -> tuple[Block, ...]:
    """Return a step of the backward pass at length."""
    lines = tuple(
        Line(f"to {each.target}: ", *each.chain, f" ({each.state})") for each in step.contributions
    )
    return (
        Heading(spelled(step.name, step.formula)),
        Line("Arrives: ", *step.arrival, "."),
        Line(f"Handed on from {called(step.name)}:" if lines else "Nothing is handed on."),
        *((Bullets(lines),) if lines else ()),
        _made(step),
    )


def _made(step: Forward | Step) -> Line:
    """Return by which row a step was made, and in which line."""
    return Line(step.op) if step.line == NO_LINE else Line(f"{step.op}, ", Code(step.line))


def _equals(name: str, value: str) -> Formula:
    """Return what a name stands for, as an equation."""
    return equation(symbol(name), Formula(value, rf"\text{{{escaped(value)}}}"))


def _passes(step: Step) -> list[str | Formula]:
    pieces: list[str | Formula] = []
    for each in step.contributions:
        pieces += [", " if pieces else "", Formula(each.formula, each.latex)]
    return pieces or ["nothing is handed on"]
