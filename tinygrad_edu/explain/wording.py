"""The words of an explanation: facts of a node as headings, lines and lists.

Knows: facts, and how they are said. Does not know: how they were found, or what form the text takes
in the end. Read ``explanation.py`` next, which chooses what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.words import counted
from tinygrad_edu.errors import NO_LINE
from tinygrad_edu.explain.blocks import Block, Bullets, Code, Heading, Line, Piece
from tinygrad_edu.explain.chain import Path, Sum, conjugated, count_paths
from tinygrad_edu.explain.check import Check
from tinygrad_edu.explain.facts import Facts, InputStory
from tinygrad_edu.explain.formulas import (
    bracketed,
    called,
    computed,
    defined,
    element,
    element_formula,
    equation,
    over,
    products,
    quotient,
    signed_formula,
    summed,
    use,
)
from tinygrad_edu.explain.numbers import inserted
from tinygrad_edu.explain.written import written_out
from tinygrad_edu.mathematics import (
    Formula,
    array_text,
    dims,
    forward_latex,
    local,
    number,
    number_formula,
    signed,
    slope,
    symbol,
)

__all__ = ["Wording"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

SHOWN = 9
"""Arrays of at most so many elements are shown in full."""


class Wording:
    """Says what there is to tell of the nodes of a graph.

    Parameters
    ----------
    facts : Facts
        Of the graph.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def heading(self, node: Node) -> Heading:
        """Return the name of a node, with its operation, shape and dtype."""
        name = called(self.facts.reading.names[node])
        op = "leaf" if node.op is None else node.op.name
        return Heading(f"{name}  ({op}, {dims(node.result.shape)} {node.result.dtype})")

    def made(self, node: Node, place: Index) -> list[Block]:
        """Return where a node was made, and its value."""
        said = self._where(node)
        value = self.facts.value(node)
        if node.op is not None:
            said.append(Line(self._equation(node, self.facts.reading.arguments(node))))
        if value is None:
            said.append(Line("Its value was not kept, nor what it was computed from."))
        else:
            said.append(Line(self._valued(self.facts.reading.names[node], value, place)))
        return said

    def _where(self, node: Node) -> list[Block]:
        """Return the user's line that made a node; nothing where none is known."""
        line = self.facts.reading.line(node)
        return [] if line == NO_LINE else [Line("Made at ", Code(line))]

    def _equation(self, node: Node, arguments: Sequence[str]) -> Piece:
        op: Any = node.op
        name = self.facts.reading.names[node]
        said = computed(node, [called(each) for each in arguments])
        latex = forward_latex(op, arguments)
        if over(node):
            latex += rf" \text{{ {over(node)}}}"
        return Formula(f"{called(name)} = {said}", f"{symbol(name).latex} = {latex}")

    def _valued(self, name: str, value: Array, place: Index) -> Formula:
        """Return an array that is small, or one element of a large one, as an equation."""
        if value.size != 1 and value.size <= SHOWN:
            text = array_text(value)
            return equation(symbol(name), Formula(text, rf"\text{{{text}}}"))
        return equation(element_formula(name, place, value.size), number_formula(value[place]))

    def forward(self, node: Node, arguments: Sequence[str], place: Index) -> list[Block]:
        """Return the operation with names, shapes and numbers."""
        op: Any = node.op
        said = self._where(node)
        said += [Line(f"{op.name}: {op.doc}"), Line(self._equation(node, arguments))]
        given = []
        values: list[Array | None] = []
        for i, (up, primal) in enumerate(zip(node.upstream or (), node.primals, strict=True)):
            value: Any = self.facts.value(up) if up is not None else primal
            values.append(None if value is None or isinstance(value, Like) else np.asarray(value))
            literal = up is None and np.ndim(value) == 0 and arguments[i].lstrip("-−")[:1].isdigit()
            if primal is None or literal or arguments[i] in arguments[:i]:
                continue
            given.append(self._operand(arguments[i], value, up))
        if given:
            said.append(Bullets(tuple(given)))
        result = self.facts.value(node)
        if result is None:
            said.append(Line("The result was not kept, nor what it was computed from."))
            return said
        name = self.facts.reading.names[node]
        if result.size <= SHOWN:
            said.append(Line(self._valued(name, result, place)))
        long = written_out(node, arguments, values, place) if result.size else None
        if long is not None:
            left = element_formula(name, place, result.size)
            said.append(Line(equation(equation(left, long), number_formula(result[place]))))
        elif result.size > SHOWN:
            said.append(Line(self._valued(name, result, place)))
        return said

    def _operand(self, name: str, value: Any, up: Node | None) -> Line:
        """Return an argument with its shape, and its numbers if they are few."""
        held = "" if up is not None else ", a constant"
        if isinstance(value, Like) or value is None:
            like: Any = value if up is None else up.result
            return Line(symbol(name), f": {dims(like.shape)} {like.dtype}{held}, not kept")
        array = np.asarray(value)
        if array.size <= SHOWN:
            shape = f", {dims(array.shape)} {array.dtype}" if array.ndim else ""
            return Line(self._valued(name, array, (0,) * array.ndim), f"{shape}{held}")
        return Line(symbol(name), f": {dims(array.shape)} {array.dtype}{held}")

    def incoming(self, node: Node, place: Index) -> list[Block]:
        """Return the gradient that arrives at a node, listed by consumer."""
        name, size = self.facts.reading.names[node], node.result.size
        said: list[Block] = [Heading("The gradient that arrives")]
        incoming = self.facts.incoming(node, place)
        if incoming is None and not size:
            said.append(Line("None: it has no elements."))
            return said
        if incoming is None:
            said.append(Line("None: the output does not depend on it, or only through operations "
                             "that let no gradient flow."))  # fmt: skip
            return said
        left = slope(symbol(self.facts.output), element_formula(name, place, size))
        said.append(Line(equation(left, signed_formula(incoming.value)), self._whole(node)))
        if node in self.facts.seeds:
            said.append(Line(self._seed_words(name)))
        many = len(incoming.parts) > 1
        if many or node not in self.facts.seeds:
            listed = ", ".join(map(str, incoming.parts))
            total = self._gradient(node, incoming.value, [part.value for part in incoming.parts])
            said.append(Line(listed, "; together ", total) if many else Line(listed))
        if node not in self.facts.seeds and not self.facts.alone:
            said.append(Line(self._total()))
        return said

    def _total(self) -> str:
        """Return what the gradients are of, where that is no output alone."""
        names = [self.facts.reading.names[root] for root in self.facts.reading.roots]
        return f"{defined(names, self.facts.seeded)}."

    def _gradient(self, node: Node, value: Any, terms: Sequence[Any]) -> Formula:
        """Return a gradient, or 0 where rounding alone has left it of its terms."""
        return summed(value, terms, float(np.finfo(node.result.dtype).eps))

    def _seed_words(self, name: str) -> str:
        """Return what the gradient is of, where it begins."""
        if self.facts.alone or self.facts.output == name:
            return "It is the output: by itself it changes at the rate 1."
        return self._total()

    def _whole(self, node: Node) -> str:
        """Return all numbers of a small gradient, and which element of a large one was chosen."""
        g = self.facts.gradient(node)
        if g is None or g.size == 1:
            return ""
        if g.size <= SHOWN:
            return f", of {array_text(g)}"
        place = self.facts.place(node, None)
        return f", the largest being {signed(g[place])} at {list(place)}"

    def story(self, node: Node, i: int, story: InputStory) -> list[Block]:
        """Return the words about one argument."""
        op: Any = node.op
        up: Any = (node.upstream or ())[i]
        size = story.gradient.size
        role = f", {use(node, i)}" if use(node, i) else ""
        said: list[Block] = [
            Heading(f"Back to {called(story.name)}{role}"),
            Line(*self._local(node, i, story), story.remark),
        ]
        target = element_formula(story.name, story.place, size)
        if story.sum is not None and story.sum.terms:
            said.append(self._product(node, i, story))
        if story.broadcast:
            said.append(Line(f"{story.broadcast}."))
        left = slope(symbol(self.facts.output), target)
        others = [
            part for part in story.incoming.parts if part.consumer != self.facts.reading.names[node]
        ]
        if others or len(story.incoming.parts) > 1:
            parts = ", ".join(map(str, story.incoming.parts))
            said.append(Line(f"{parts}; gradients add up:"))
        ending = f", of {array_text(story.gradient)}" if 1 < size <= SHOWN else ""
        whole = self._gradient(up, story.incoming.value, self._terms(story))
        said.append(Line(equation(left, whole), ending))
        if op.exempt:
            said.append(Line(f"By design this is not the derivative: {op.exempt}."))
        if story.check is not None:
            said += self.check(story.name, story.place, story.check, up)
        return said

    def _terms(self, story: InputStory) -> list[Any]:
        """Return the numbers that a gradient is the sum of, each part by its products if it has."""
        parts = [part.value for part in story.incoming.parts]
        if len(parts) > 1 or story.sum is None:
            return parts
        return _addends(story.sum)

    def _local(self, node: Node, i: int, story: InputStory) -> list[Piece]:
        """Return the local derivative, with its number where there is one number."""
        op: Any = node.op
        found = story.sum
        if not op.factors or found is None or not found.terms:
            return [story.local]
        slopes = {term.slope for term in found.terms}
        if len(slopes) > 1 or found.count > len(found.terms):
            return [story.local]
        factor = slopes.pop()
        value = number_formula(np.conj(factor) if conjugated(node, i, factor) else factor)
        said = story.local
        if said.text.endswith(f"= {value.text}"):
            return [said]
        place = found.terms[0].place
        shown_value = np.conj(factor) if conjugated(node, i, factor) else factor
        inside = inserted(node, i, place, shown_value, self.facts.value)
        if len(found.terms) > 1:
            each = [inside.apart] if inside.apart else ["which is ", value]
            return [said, ", ", *each, " in each"]
        put = inside.numbers
        if inside.apart:
            numbers = put is not None and " if " not in said.text
            numbers = numbers and put is not None and not said.text.endswith(put.text)
            at = equation(said, put) if numbers and put is not None else said
            return [at, f", {inside.apart}"]
        choice = " if " in said.text  # an equation would end its last case
        shown = put is not None and put.text != value.text and not said.text.endswith(put.text)
        shown = shown and not choice
        if node.result.size == 1 and not choice:
            said = equation(said, put) if shown and put is not None else said
            return [equation(said, value)]
        number = equation(put, value) if shown and put is not None else value
        if node.result.size == 1:
            return [said, ", which is ", number, " here"]
        at = element_formula(self.facts.reading.names[node], place, node.result.size)
        return [said, ", which is ", number, " at ", at]

    def _product(self, node: Node, i: int, story: InputStory) -> Line:
        """Return the chain rule as products with numbers."""
        found = story.sum
        assert found is not None
        pairs = [(term.incoming, term.slope) for term in found.terms]
        hidden = found.count - len(found.terms)
        text = products(pairs, hidden, found.rest)
        over = slope(symbol(self.facts.output), symbol(self.facts.reading.names[node]))
        op: Any = node.op
        turned_ = op.factors and any(conjugated(node, i, factor) for _, factor in pairs)
        by = "the conjugate of the slope" if turned_ else "slope"
        right = equation(text, summed(found.total, _addends(found), found.eps))
        if len(pairs) == 1 and not hidden:
            return Line(f"gradient times {by}: ", right)
        return Line("the sum of ", over, f" times {by}: ", right)

    def quiet(self, node: Node, arguments: Sequence[str]) -> str:
        """Return which arguments take no gradient, and why."""
        said = []
        for i, (up, primal) in enumerate(zip(node.upstream or (), node.primals, strict=True)):
            part = self.facts.sweep.parts.get((node, i)) if up is not None else None
            if primal is None or (part is not None and part.size):
                continue
            name = arguments[i]
            if up is not None and not up.result.size:
                said.append(f"{called(name)} has no elements")
            elif up is not None:
                op: Any = node.op
                flows = local(op, i).expression is not None
                why = "" if flows else ", the operation lets none flow to it"
                said.append(f"{name} gets none{why}")
            elif np.ndim(primal) or name[:1] not in "0123456789−-":
                kind = np.asarray(0).dtype if isinstance(primal, (bool, int)) else None
                dtype = getattr(primal, "dtype", kind)
                whole = dtype is not None and dtype.kind in "biu"
                said.append(f"{name} is a constant{' of whole numbers' if whole else ''}")
        return f"No gradient flows to the rest: {'; '.join(said)}." if said else ""

    def check(self, name: str, place: Index, found: Check, node: Node) -> list[Block]:
        """Return the line that compares the gradient with a small change."""
        point = element_formula(name, place, node.result.size)
        if found.verdict == "not compared" and not found.delta:
            lines = [line.strip() for line in found.reason.splitlines()]
            return [Line(f"not checked: {lines[0]}"), Bullets(tuple(Line(t) for t in lines[1:]))]
        change = (
            found.one_sided(self.facts.output, point)
            if found.side
            else quotient(self.facts.output, point, isinstance(found.slope, complex))
        )
        right = signed_formula(found.slope, 8)
        said = Line(equation(change, right), f" for Δ = {number(found.delta)}: {found.said}")
        return [said]

    def paths(self, node: Node, place: Index, found: Sequence[Path]) -> list[Block]:
        """Return the chain from the output to a node, by every path."""
        count = count_paths(self.facts.reading, self.facts.sweep, node)
        if not count:
            return []
        said: list[Block] = [Heading(f"By which way: {counted(count, 'path')}")]
        incoming = self.facts.incoming(node, place)
        assert incoming is not None
        if not found:
            grouped: dict[str, Any] = {}
            for part in incoming.parts:
                grouped[part.consumer] = grouped.get(part.consumer, 0) + part.value
            said.append(Line("Too many to list: by the operation that comes first,"))
            lines = [Line(f"by {k}: {signed(v)}") for k, v in grouped.items()]
            total = sum(grouped.values())
        else:
            lines = [line for path in found for line in self._path(node, path)]
            total = sum(path.value for path in found)
        said.append(Bullets(tuple(lines)))
        factors = [f for path in found for chain in path.chains for f in chain.factors]
        if any(isinstance(factor, complex) for factor in factors):
            said.append(
                Line(
                    "A complex factor is what a gradient is multiplied with on its way back: the "
                    "conjugate of the local derivative; of a real result, such as an absolute "
                    "value, the direction in which that rises fastest, times how fast."
                )
            )
        if len(found) != 1:
            whole = self._gradient(node, total, [path.value for path in found])
            said.append(Line("The sum over the paths is ", whole, ", the gradient."))
        return said

    def _path(self, node: Node, path: Path) -> list[Line]:
        """Return one way to the output, as a product for each way between elements."""
        names = self.facts.reading.names
        nodes = [node, *(step for step, _ in path.steps)]
        uses = [f" ({use(*step)})" if use(*step) else "" for step in path.steps]
        value = signed_formula(path.value)

        def way(places: Sequence[Index] | None) -> str:
            at = [() if places is None else places[k] for k in range(len(nodes))]
            said = [
                f"{element(names[each], place, each.result.size)}{role}"
                for each, place, role in zip(nodes, at, [*uses, ""], strict=True)
            ]
            return " ← ".join(reversed(said))

        lines = []
        for chain in path.chains:
            factors = [bracketed(number_formula(factor)) for factor in chain.factors]
            product = Formula(
                " · ".join(factor.text for factor in factors),
                r" \cdot ".join(factor.latex for factor in factors),
            )
            right = chain.product
            part = ""
            if isinstance(right, complex) and not isinstance(path.value, complex):
                part, right = "the real part of ", right.real
            result = signed_formula(right)
            said = equation(product, result) if len(factors) > 1 or part else result
            lines.append(Line(f"{way(chain.places)}: {part}", said))
        if len(lines) == 1:
            return lines
        if lines:
            head = Line(f"{way(None)}: ", value, f", the sum of {len(lines)} ways over elements:")
            return [head, *(Line("  ", *line.pieces) for line in lines)]
        if path.sum is None or not path.sum.terms:
            return [Line(f"{way(None)}: ", value)]
        first = path.steps[0][0]
        pairs = [(term.incoming, term.slope) for term in path.sum.terms]
        whole = products(pairs, path.sum.count - len(pairs), path.sum.rest)
        by = f"the sum over the elements of {called(names[first])}, gradient times slope"
        value = summed(path.value, _addends(path.sum), path.sum.eps)
        return [Line(f"{way(None)}; {by}: ", equation(whole, value))]


def _addends(found: Sum) -> list[Any]:
    """Return the terms of a sum, those that are not listed as one."""
    hidden = [found.rest] if found.count > len(found.terms) else []
    return [*(term.product for term in found.terms), *hidden]
