"""`explain`: how a number was made, and why its gradient is what it is, in words and formulas.

Knows: readings, sweeps, the chain rule with its numbers, and how all that is worded. Does not
know: pages or pictures. Read ``blocks.py`` for the forms of the text, ``chain.py`` and ``check.py``
for its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, turned
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.draw.formula import formula as forward_formula
from tinygrad_edu.draw.numbers import dims
from tinygrad_edu.draw.reading import Reading, read
from tinygrad_edu.errors import ExplanationError, users_line
from tinygrad_edu.explain import blocks
from tinygrad_edu.explain.blocks import Block, Bullets, Code, Heading, Line, Piece
from tinygrad_edu.explain.chain import Path, Sum, count_paths, paths, pulled, terms
from tinygrad_edu.explain.check import Check, check
from tinygrad_edu.explain.replay import values
from tinygrad_edu.explain.steps import element, largest
from tinygrad_edu.explain.written import written_out
from tinygrad_edu.mathematics import (
    Formula,
    array_text,
    forward_latex,
    local,
    local_formula,
    minus_signs,
    number,
    number_formula,
    signed,
    slope,
    symbol,
)

__all__ = ["Explainer", "Explanation", "Incoming", "InputStory", "Part", "explain"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

SHOWN = 9
"""Arrays of at most so many elements are shown in full."""

PATHS = 8
"""At most so many ways to the output are told one by one."""


@dataclass(frozen=True)
class Part:
    """What one consumer sent to a node: a term of its gradient, at the chosen element.

    Parameters
    ----------
    consumer : str
        The name of its result; ``""`` for the seed, with which the sweep began.
    value : number
        The term.
    """

    consumer: str
    value: Any


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


@dataclass(frozen=True)
class Explanation:
    """What `explain` found, as records and as a text.

    Parameters
    ----------
    name : str
        What is explained.
    line : str
        The user's line that made it.
    incoming : Incoming, optional
        Its gradient.
    inputs : tuple of InputStory
        The arguments of the row that made it, as far as a gradient flows to them.
    paths : tuple of Path
        The ways from it to the output.
    check : Check, optional
        Its own gradient beside the slope of a small change.
    blocks : tuple of Block
        All that in words; `text`, `markdown`, `latex` and `html` show it.
    """

    name: str
    line: str
    incoming: Incoming | None
    inputs: tuple[InputStory, ...]
    paths: tuple[Path, ...]
    check: Check | None
    blocks: tuple[Block, ...]

    @cached_property
    def text(self) -> str:
        """The text for a terminal."""
        return blocks.text(self.blocks)

    @cached_property
    def markdown(self) -> str:
        """The text as Markdown, formulas between dollars."""
        return blocks.markdown(self.blocks)

    @cached_property
    def latex(self) -> str:
        """The text as LaTeX, to be copied into a document."""
        return blocks.latex(self.blocks)

    @cached_property
    def html(self) -> str:
        """The text as a fragment of a page, formulas in MathML."""
        return blocks.html(self.blocks)

    def _repr_html_(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Explanation of {self.name}: print it, or show .html>"


def explain(
    tensor: Tensor,
    wrt: Tensor | None = None,
    *,
    at: int | tuple[int, ...] | None = None,
    delta: float = 1e-6,
    seed: Any = None,
) -> Explanation:
    """Return how a tensor was made, and how its gradient goes back; no ``.grad`` changes.

    Parameters
    ----------
    tensor : Tensor
        A loss, or any computed tensor whose graph was not freed. One that is no scalar stands for
        the sum of its elements, weighted with `seed`.
    wrt : Tensor, optional
        A leaf, or a computed tensor on the way: its gradient is explained, with the paths to the
        output. Without it the op that made `tensor` is, with all its inputs.
    at : int or tuple of int, optional
        The element that is followed: of `wrt`, else of `tensor`. By default that of the largest
        gradient.
    delta : float, positive
        The small change of the check.
    seed : array_like, optional
        The gradient that the sweep begins with; ones by default.

    Raises
    ------
    DiagramError
        `tensor` is no Tensor.
    GradientError
        `tensor` was not computed from a tensor that requires a gradient.
    ExplanationError
        `wrt` is not in the graph, or there is no element `at`.
    FreedGraphError
        ``backward()`` has freed the graph: call it with ``retain_graph=True``.

    Examples
    --------
    >>> x = Tensor(0.5, requires_grad=True, name="x")
    >>> y = np.tanh(x)
    >>> found = explain(y)
    >>> found.inputs[0].local.text
    '∂y/∂x = 1 − y²'
    >>> found.check is None, found.inputs[0].check.verdict
    (True, 'agrees')
    """
    reading = read("explain", tensor)
    root = tensor.rooted("explain")
    if not delta > 0:
        raise ExplanationError(
            f"explain: delta={delta!r} is no positive number\n"
            f"  at {users_line()}\n  fix: leave it out, or give a small one such as 1e-6"
        )
    given = None if seed is None else {root: turned(tensor.seed(seed, "explain"))}
    explainer = Explainer(reading, given, delta)
    if wrt is None:
        return explainer.node(root, at) if root.op is not None else explainer.path(root, at)
    node = wrt.node if isinstance(wrt, Tensor) else None
    if node is None or node not in set(reading.nodes):
        kind = "a constant" if isinstance(wrt, Tensor) and node is None else "not in it"
        found = kind if isinstance(wrt, Tensor) else f"a {type(wrt).__name__}"
        raise ExplanationError(
            f"explain: wrt is to be a tensor of the graph behind the output, and is {found}\n"
            f"  at {users_line()}\n"
            "  fix: give a parameter, an input made with requires_grad=True, or a result on the way"
        )
    return explainer.path(node, at)


class Explainer:
    """Explains nodes of one graph, which it sweeps once.

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
        self.output = reading.names[reading.roots[0]] if alone else "L"
        self._values: dict[Node, Array] = dict(reading.values)

    # ---- what is explained

    def node(self, node: Node, at: int | Index | None = None) -> Explanation:
        """Return how an op made a node, and how the gradient goes back through it.

        Parameters
        ----------
        node : Node
            A node that an op made.
        at : int or tuple of int, optional
            The element of its result that is followed.
        """
        op: Any = node.op
        name = self.reading.names[node]
        chosen = self._place(node, at)
        arguments = self.reading.arguments(node)
        said = [
            self._heading(node),
            *self._forward(node, arguments, chosen),
            *self._incoming_blocks(node, chosen),
        ]
        stories: list[InputStory] = []
        for i, up in enumerate(node.upstream or ()):
            if up is None:
                continue
            story = self._story(node, i, arguments, chosen if at is not None else None)
            if story is not None and story.name in {each.name for each in stories}:
                story = replace(story, check=None)  # it is the same as above
            if story is not None:
                stories.append(story)
                again = arguments.count(arguments[i]) > 1
                said += self._story_blocks(node, i, story, again)
        quiet = self._quiet(node, arguments)
        if quiet:
            said.append(Line(quiet))
        if op.policy and any(s.check is not None and s.check.verdict == "kink" for s in stories):
            said.append(Line(f"Where there is no derivative: {op.policy}."))
        incoming = self._incoming(node, chosen)
        return Explanation(
            name, self.reading.line(node), incoming, tuple(stories), (), None, tuple(said)
        )

    def path(self, node: Node, at: int | Index | None = None) -> Explanation:
        """Return how the gradient comes from the output to a node.

        Parameters
        ----------
        node : Node
            A leaf, or the result of an op.
        at : int or tuple of int, optional
            The element of it that is followed.
        """
        name = self.reading.names[node]
        place = self._place(node, at)
        said = [self._heading(node), *self._made(node, place), *self._incoming_blocks(node, place)]
        incoming = self._incoming(node, place)
        found: list[Path] = []
        if node not in self.seeds:
            found = self._ways(node, place)
            said += self._path_blocks(node, place, found)
        checked = self._check(node, place)
        if checked is not None:
            said += [Heading("Check"), *self._check_blocks(name, place, checked, node)]
        return Explanation(
            name, self.reading.line(node), incoming, (), tuple(found), checked, tuple(said)
        )

    # ---- numbers

    def value(self, node: Node) -> Array | None:
        """Return the value of a node, computed again where the graph did not keep it."""
        if node not in self._values:
            self._values.update(values(self.reading, {node}))
        return self._values.get(node)

    def gradient(self, node: Node) -> Array | None:
        """Return the gradient of a node as users know it; None where none flows."""
        g = self.sweep.cotangents.get(node)
        return None if g is None else np.asarray(turned(g))

    def _place(self, node: Node, at: int | Index | None) -> Index:
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
        index = tuple(at) if isinstance(at, (tuple, list)) else (at,)
        fits = len(index) == len(shape) and all(
            isinstance(k, (int, np.integer)) and -side <= k < side
            for k, side in zip(index, shape, strict=True)
        )
        if not fits:
            raise ExplanationError(
                f"explain: at={at!r} is no element of {self.reading.names[node]}, whose shape is "
                f"{shape}\n  at {users_line()}\n"
                "  fix: give one number for each axis, or leave it out"
            )
        return tuple(int(k) % side for k, side in zip(index, shape, strict=True))

    def _incoming(self, node: Node, place: Index) -> Incoming | None:
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

    def _story(
        self, node: Node, i: int, arguments: Sequence[str], chosen: Index | None
    ) -> InputStory | None:
        """Return how the gradient goes back to one argument."""
        up: Any = (node.upstream or ())[i]
        part, whole = self.sweep.parts.get((node, i)), self.gradient(up)
        if part is None or whole is None or not part.size:
            return None
        g = self.sweep.cotangents[node]
        place = largest(part)
        if chosen is not None:  # where the element of the result that was asked for weighs most
            alone = np.zeros_like(g)
            alone[chosen] = g[chosen] if g[chosen] else 1
            back = pulled(node, i, alone)
            place = place if back is None else largest(back)
        op: Any = node.op
        incoming = self._incoming(up, place)
        assert incoming is not None  # its gradient is there
        said = local_formula(
            op, i, arguments, self.reading.names[node], node.params or {}, self.output
        )
        remark = local(op, i).remark
        return InputStory(
            self.reading.names[up],
            place,
            said,
            f", {remark}" if remark else "",
            terms(node, i, g, place),
            np.asarray(turned(part))[place].item(),
            incoming,
            whole,
            self._broadcast(node, i),
            self._check(up, place),
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
        name = self.reading.arguments(node)[i]
        return (
            f"Summed over {word} {' and '.join(map(str, axes))}, because {name} has shape "
            f"{small} and {self.reading.names[node]} has {large}"
        )

    def _check(self, node: Node, place: Index) -> Check | None:
        g = self.gradient(node)
        if not self.delta or g is None or not g.size:
            return None
        return check(self.reading, self.seeds, node, place, g[place].item(), self.delta)

    def _ways(self, node: Node, place: Index) -> list[Path]:
        if not 0 < count_paths(self.reading, self.sweep, node) <= PATHS:
            return []
        return paths(self.reading, self.sweep, self.seeds, node, place)

    # ---- words

    def _heading(self, node: Node) -> Heading:
        name = self.reading.names[node]
        op = "leaf" if node.op is None else node.op.name
        return Heading(f"{name}  ({op}, {dims(node.result)} {node.result.dtype})")

    def _made(self, node: Node, place: Index) -> list[Block]:
        """Return where a node was made, and its value."""
        said: list[Block] = [Line("Made at ", Code(self.reading.line(node)))]
        value = self.value(node)
        if node.op is not None:
            said.append(Line(self._equation(node, self.reading.arguments(node))))
        if value is None:
            said.append(Line("Its value was not kept, nor what it was computed from."))
        else:
            said.append(Line(self._valued(self.reading.names[node], value, place)))
        return said

    def _equation(self, node: Node, arguments: Sequence[str]) -> Piece:
        op: Any = node.op
        name = self.reading.names[node]
        said = minus_signs(forward_formula(node, arguments))
        return Formula(f"{name} = {said}", f"{symbol(name).latex} = {forward_latex(op, arguments)}")

    def _valued(self, name: str, value: Array, place: Index) -> Formula:
        """Return an array that is small, or one element of a large one, as an equation."""
        if value.size != 1 and value.size <= SHOWN:
            text = array_text(value)
            return Formula(f"{name} = {text}", rf"{symbol(name).latex} = \text{{{text}}}")
        return _equals(_element(name, place, value.size), number_formula(value[place]))

    def _forward(self, node: Node, arguments: Sequence[str], place: Index) -> list[Block]:
        """Return the operation with names, shapes and numbers."""
        op: Any = node.op
        said: list[Block] = [
            Line("Made at ", Code(self.reading.line(node))),
            Line(f"{op.name}: {op.doc}"),
            Line(self._equation(node, arguments)),
        ]
        given = []
        values: list[Array | None] = []
        for i, (up, primal) in enumerate(zip(node.upstream or (), node.primals, strict=True)):
            value: Any = self.value(up) if up is not None else primal
            values.append(None if value is None or isinstance(value, Like) else np.asarray(value))
            literal = up is None and np.ndim(value) == 0 and arguments[i][:1].isdigit()
            if primal is None or literal or arguments[i] in arguments[:i]:
                continue
            given.append(self._operand(arguments[i], value, up))
        if given:
            said.append(Bullets(tuple(given)))
        result = self.value(node)
        if result is None:
            said.append(Line("The result was not kept, nor what it was computed from."))
            return said
        name = self.reading.names[node]
        if result.size <= SHOWN:
            said.append(Line(self._valued(name, result, place)))
        long = written_out(node, arguments, values, place) if result.size else None
        if long is not None:
            left = _element(name, place, result.size)
            said.append(Line(_equals(_equals(left, long), number_formula(result[place]))))
        elif result.size > SHOWN:
            said.append(Line(self._valued(name, result, place)))
        return said

    def _operand(self, name: str, value: Any, up: Node | None) -> Line:
        """Return an argument with its shape, and its numbers if they are few."""
        held = "" if up is not None else ", a constant"
        if isinstance(value, Like) or value is None:
            like: Any = value if up is None else up.result
            return Line(symbol(name), f": {dims(like)} {like.dtype}{held}, not kept")
        array = np.asarray(value)
        if array.size <= SHOWN:
            shape = f", {dims(array)} {array.dtype}" if array.ndim else ""
            return Line(self._valued(name, array, (0,) * array.ndim), f"{shape}{held}")
        return Line(symbol(name), f": {dims(array)} {array.dtype}{held}")

    def _incoming_blocks(self, node: Node, place: Index) -> list[Block]:
        """Return the gradient that arrives at a node, listed by consumer."""
        name, size = self.reading.names[node], node.result.size
        said: list[Block] = [Heading("The gradient that arrives")]
        incoming = self._incoming(node, place)
        if incoming is None and not size:
            said.append(Line("None: it has no elements."))
            return said
        if incoming is None:
            said.append(Line("None: the output does not depend on it, or only through rows that "
                             "let no gradient flow."))  # fmt: skip
            return said
        left = slope(symbol(self.output), _element(name, place, size))
        said.append(Line(_equals(left, _signed_formula(incoming.value)), self._whole(node)))
        if node in self.seeds:
            said.append(Line(self._seed_words(name)))
        many = len(incoming.parts) > 1
        if many or node not in self.seeds:
            named = [
                f"from {part.consumer}: {signed(part.value)}" if part.consumer
                else f"seed: {signed(part.value)}"
                for part in incoming.parts
            ]  # fmt: skip
            total = f"; together {signed(incoming.value)}" if many else ""
            said.append(Line(", ".join(named) + total))
        return said

    def _seed_words(self, name: str) -> str:
        """Return what the gradient is of, where it begins."""
        if self.output != "L" or self.output == name:
            return "It is the output: by itself it changes at the rate 1."
        several = len(self.reading.roots) > 1
        what = "the outputs" if several else name
        weights = ", each times its seed" if self.seeded else ""
        return f"L is the sum of the elements of {what}{weights}."

    def _whole(self, node: Node) -> str:
        """Return all numbers of a small gradient, and which element of a large one was chosen."""
        g = self.gradient(node)
        if g is None or g.size == 1:
            return ""
        if g.size <= SHOWN:
            return f", of {array_text(g)}"
        place = self._place(node, None)
        return f", the largest being {signed(g[place])} at {list(place)}"

    def _story_blocks(self, node: Node, i: int, story: InputStory, again: bool) -> list[Block]:
        """Return the words about one argument."""
        op: Any = node.op
        size = story.gradient.size
        role = f", as {op.arguments[0 if op.variadic else i]}" if again else ""
        said: list[Block] = [
            Heading(f"Back to {story.name}{role}"),
            Line(self._local(node, i, story), story.remark),
        ]
        target = _element(story.name, story.place, size)
        if story.sum is not None and story.sum.terms:
            said.append(self._product(node, story))
        if story.broadcast:
            said.append(Line(f"{story.broadcast}."))
        left = slope(symbol(self.output), target)
        others = [
            part for part in story.incoming.parts if part.consumer != self.reading.names[node]
        ]
        if others or len(story.incoming.parts) > 1:
            parts = ", ".join(
                f"from {part.consumer}: {signed(part.value)}" if part.consumer
                else f"seed: {signed(part.value)}"
                for part in story.incoming.parts
            )  # fmt: skip
            said.append(Line(f"{parts}; gradients add up:"))
        ending = f", of {array_text(story.gradient)}" if 1 < size <= SHOWN else ""
        said.append(Line(_equals(left, _signed_formula(story.incoming.value)), ending))
        if op.exempt:
            said.append(Line(f"By design this is not the derivative: {op.exempt}."))
        if story.check is not None:
            up = next(u for u in node.upstream or () if u and self.reading.names[u] == story.name)
            said += self._check_blocks(story.name, story.place, story.check, up)
        return said

    def _local(self, node: Node, i: int, story: InputStory) -> Formula:
        """Return the local derivative, with its number where there is one number."""
        op: Any = node.op
        found = story.sum
        if not op.factors or found is None or not found.terms:
            return story.local
        slopes = {term.slope for term in found.terms}
        if len(slopes) > 1 or found.count > len(found.terms):
            return story.local
        value = number_formula(slopes.pop())
        said = story.local
        if len(found.terms) == 1:
            put = self._with_numbers(node, i, found.terms[0].place)
            if put is not None and put.text != value.text and not said.text.endswith(put.text):
                said = _equals(said, put)
        return said if said.text.endswith(f"= {value.text}") else _equals(said, value)

    def _with_numbers(self, node: Node, i: int, place: Index) -> Formula | None:
        """Return the local derivative at an element of the result, numbers in place of names."""
        op: Any = node.op
        known: dict[str, Formula] = {}
        given = [self.value(up) if up is not None else primal
                 for up, primal in zip(node.upstream or (), node.primals, strict=True)]  # fmt: skip
        for role, value in (*zip(op.arguments, given, strict=True), ("y", self.value(node))):
            if role == "y" and "y" in op.arguments:
                continue
            if value is None or isinstance(value, Like):
                continue
            array = np.asarray(value)
            at = place[len(place) - array.ndim :] if array.ndim else ()
            index = tuple(0 if side == 1 else k for k, side in zip(at, array.shape, strict=True))
            known[role] = number_formula(array[index])
        for role, value in (node.params or {}).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                known[role] = number_formula(value)
        found = local(op, i).settled(node.params)
        used = set(found.roles.values()) if found.expression is not None else set()
        names = found.names & used
        return found.written(known) if names and names <= set(known) else None

    def _product(self, node: Node, story: InputStory) -> Line:
        """Return the chain rule as products with numbers."""
        found = story.sum
        assert found is not None
        pieces = []
        for term in found.terms:
            pieces.append(
                Formula(
                    f"({signed(term.incoming)}) · {_bracketed(number(term.slope))}",
                    rf"({_signed_formula(term.incoming).latex}) \cdot "
                    rf"{_bracketed(number_formula(term.slope).latex)}",
                )
            )
        text = " + ".join(piece.text for piece in pieces)
        latex = " + ".join(piece.latex for piece in pieces)
        hidden = found.count - len(found.terms)
        if hidden > 0:
            rest = _signed_formula(found.rest)
            text += f" + … ({hidden:,} more: {rest.text})"
            latex += rf" + \ldots \text{{ ({hidden:,} more: }} {rest.latex}\text{{)}}"
        total = _signed_formula(found.total)
        incoming = slope(symbol(self.output), symbol(self.reading.names[node])).text
        one = len(found.terms) == 1 and not hidden
        head = "gradient times slope: " if one else f"the sum of {incoming} times slope: "
        return Line(head, Formula(f"{text} = {total.text}", f"{latex} = {total.latex}"))

    def _quiet(self, node: Node, arguments: Sequence[str]) -> str:
        """Return which arguments take no gradient, and why."""
        said = []
        for i, (up, primal) in enumerate(zip(node.upstream or (), node.primals, strict=True)):
            if primal is None or (up is not None and (node, i) in self.sweep.parts):
                continue
            name = arguments[i]
            if up is not None:
                op: Any = node.op
                flows = local(op, i).expression is not None
                said.append(f"{name} gets none{'' if flows else ', its row lets none flow to it'}")
            elif np.ndim(primal) or name[:1] not in "0123456789−-":
                kind = np.asarray(0).dtype if isinstance(primal, (bool, int)) else None
                dtype = getattr(primal, "dtype", kind)
                whole = dtype is not None and dtype.kind in "biu"
                said.append(f"{name} is a constant{' of whole numbers' if whole else ''}")
        return f"No gradient flows to the rest: {'; '.join(said)}." if said else ""

    def _check_blocks(self, name: str, place: Index, found: Check, node: Node) -> list[Block]:
        """Return the line that compares the gradient with a small change."""
        point = _element(name, place, node.result.size)
        if found.verdict == "not compared" and not found.delta:
            lines = [line.strip() for line in found.reason.splitlines()]
            return [Line(f"not checked: {lines[0]}"), Bullets(tuple(Line(t) for t in lines[1:]))]
        change = _change(self.output, point)
        right = _signed_formula(found.slope, 8)
        said = Line(
            _equals(change, right), f" for Δ = {number(found.delta)}: {self._verdict(found)}"
        )
        return [said]

    def _verdict(self, found: Check) -> str:
        gradient = signed(found.gradient, 8)
        if found.verdict == "agrees":
            if not found.gradient and not found.slope:
                return "agrees, both are 0"
            if not found.digits:
                return f"agrees with {gradient} as far as rounding lets one see"
            many = "all digits" if found.digits >= 15 else _counted(found.digits, "digit")
            return f"agrees with {gradient} in {many}"
        if found.verdict == "DISAGREES":
            return f"DISAGREES with {gradient}; a rule on the way is wrong"
        if found.verdict == "kink":
            return (
                f"differs from {gradient}, for here is a kink: the slope is {signed(found.left)} "
                f"on the left and {signed(found.right)} on the right"
            )
        if found.verdict == "by design":
            return f"differs from {gradient} by design ({found.reason})"
        return f"not compared with {gradient}: {found.reason}"

    def _path_blocks(self, node: Node, place: Index, found: Sequence[Path]) -> list[Block]:
        """Return the chain from the output to a node, by every path."""
        count = count_paths(self.reading, self.sweep, node)
        if not count:
            return []
        names = self.reading.names
        said: list[Block] = [Heading(f"By which way: {_counted(count, 'path')}")]
        incoming = self._incoming(node, place)
        assert incoming is not None
        if not found:
            grouped: dict[str, Any] = {}
            for part in incoming.parts:
                grouped[part.consumer] = grouped.get(part.consumer, 0) + part.value
            said.append(Line("Too many to list: by the row that comes first,"))
            lines = [Line(f"by {k}: {signed(v)}") for k, v in grouped.items()]
            total = sum(grouped.values())
        else:
            lines = []
            for path in found:
                way = " ← ".join([*(names[step] for step, _ in reversed(path.steps)), names[node]])
                value = turned(np.asarray(path.value)).item()
                if path.slopes:
                    product = " · ".join(_bracketed(number(each)) for each in path.slopes)
                    latex = r" \cdot ".join(
                        _bracketed(number_formula(each).latex) for each in path.slopes
                    )
                    total_ = _signed_formula(value)
                    lines.append(
                        Line(f"{way}: ",
                             Formula(f"{product} = {total_.text}", f"{latex} = {total_.latex}"))
                    )  # fmt: skip
                else:
                    lines.append(Line(f"{way}: {signed(value)}"))
            total = sum(turned(np.asarray(path.value)).item() for path in found)
        said.append(Bullets(tuple(lines)))
        if len(lines) > 1:
            said.append(Line(f"The sum over the paths is {signed(total)}, the gradient."))
        return said


# ------------------------------------------------------------------------------ small formulas


def _element(name: str, place: Index, size: int) -> Formula:
    """Return what an element is called."""
    said = element(name, place, size)
    head = symbol(name)
    if said == name:
        return head
    return Formula(said, f"{{{head.latex}}}_{{{', '.join(map(str, place))}}}")


def _equals(left: Formula, right: Formula) -> Formula:
    return Formula(f"{left.text} = {right.text}", f"{left.latex} = {right.latex}")


def _signed_formula(value: Any, digits: int = 4) -> Formula:
    text = signed(value, digits)
    plus = text[:1] if text[:1] in "+(" else ""
    latex = number_formula(value, digits).latex
    return Formula(text, f"{'+' if plus == '+' else ''}{latex}")


def _bracketed(text: str) -> str:
    return f"({text})" if text[:1] in "−-" else text


def _change(output: str, point: Formula) -> Formula:
    """Return the difference quotient as a formula."""
    over, at = symbol(output).latex, point.latex
    return Formula(
        f"({output}({point.text} + Δ) − {output}({point.text} − Δ)) / 2Δ",
        rf"\frac{{{over}({at} + \Delta) - {over}({at} - \Delta)}}{{2 \Delta}}",
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
