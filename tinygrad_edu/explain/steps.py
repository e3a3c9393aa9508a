"""The reverse sweep one step at a time: what arrives at a row, and what it hands to its inputs.

Knows: readings, sweeps, and how a local derivative is worded. Does not know: how a page shows the
records. Every number is of the engine's own sweep; nothing is computed a second way. Read
``page.py`` next, which plays these records.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, turned
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.draw.numbers import norm
from tinygrad_edu.draw.reading import Reading, Sweep
from tinygrad_edu.errors import NO_LINE
from tinygrad_edu.explain.chain import FEW, Sum, conjugated, known, plain, pulled, terms
from tinygrad_edu.explain.formulas import (
    called,
    computed,
    defined,
    element,
    element_formula,
    equation,
    largest,
    over,
    products,
    signed_formula,
    summed,
    use,
)
from tinygrad_edu.explain.given import reading_of
from tinygrad_edu.explain.numbers import inserted
from tinygrad_edu.explain.replay import values
from tinygrad_edu.mathematics import (
    Formula,
    array_text,
    dims,
    local_formula,
    number,
    number_formula,
    signed,
    singular_somewhere,
    symbol,
)
from tinygrad_edu.mathematics import local as row_local
from tinygrad_edu.mathematics import slope as derivative

__all__ = [
    "Contribution",
    "Forward",
    "Part",
    "Step",
    "backward_steps",
    "forward_steps",
    "seeds",
    "spelled",
    "steps",
]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]
Piece = str | Formula


@dataclass(frozen=True)
class Part:
    """What one consumer sent to a node: a term of its gradient.

    Parameters
    ----------
    consumer : str
        The name of its result; ``""`` for the seed, with which the sweep began.
    value : number
        The term, at the node's chosen element.
    """

    consumer: str
    value: Any

    @property
    def origin(self) -> str:
        """Where it comes from, as the end of a sentence."""
        return f"from {called(self.consumer)}" if self.consumer else "(seed)"

    def __str__(self) -> str:
        return f"{self.origin.strip('()')}: {signed(self.value)}"


@dataclass(frozen=True)
class Contribution:
    """What a step hands to one of its inputs.

    Parameters
    ----------
    name : str
        The input.
    argument : int
        Which argument of the row it is, from 0.
    formula, latex : str
        The local derivative as an equation, in the names of the variables.
    factor : bool
        Whether it is what the gradient is multiplied with, element by element; else it is the
        gradient of the input itself.
    element : tuple of int
        Of the input: one that the element which the step tells of feeds.
    slope : number, optional
        What the local derivative comes to there; ``None`` where the value is a sum of many
        products, or the local derivative is no factor.
    local : number, optional
        What the gradient is multiplied by: `slope`, or of complex numbers its conjugate.
    incoming : number, optional
        The gradient that is multiplied by it.
    source : str
        The elements of the result that this is the gradient of; empty where it is the one that the
        step tells of.
    value : number
        What is handed on, at that element.
    sum : Sum, optional
        Where that is a sum of products: these, as far as they were taken apart.
    norm : float
        Of all that is handed on.
    before, total : number
        The gradient of the input at that element, without this and with it.
    later : bool
        Whether something had been handed to the input before.
    waiting : tuple of str
        The consumers whose parts are still to come.
    size : int
        Number of elements of the input.
    use : str
        Which argument it is, in words, where the input is several of them.
    remark : str
        What the formula leaves out.
    chosen : str
        Why it is this element, where there is a choice.
    apart : str
        Where the formula comes to something else than the rule gives, both; else ``""``.
    shared : bool
        Whether the result has more elements than the one that the step tells of.
    """

    name: str
    argument: int
    formula: str
    latex: str
    factor: bool
    element: Index
    slope: Any
    local: Any
    incoming: Any
    source: str
    value: Any
    sum: Sum | None
    norm: float
    before: Any
    total: Any
    later: bool
    waiting: tuple[str, ...]
    size: int
    use: str = ""
    remark: str = ""
    chosen: str = ""
    apart: str = ""
    shared: bool = False

    @property
    def complete(self) -> bool:
        """Whether the gradient of the input is whole now."""
        return not self.waiting

    @property
    def place(self) -> str:
        """The element of the input that is told of."""
        return element(self.name, self.element, self.size)

    @property
    def target(self) -> str:
        """The same, with why it is this one, and which argument it is."""
        use = f", {self.use}" if self.use else ""
        chosen = f", {self.chosen}" if self.chosen else ""
        return f"{self.place}{use}{chosen}"

    @property
    def brief(self) -> str:
        """The element, and what is handed to it, in few words."""
        several = self.sum.count > 1 if self.sum is not None else self.local is None
        whole = several and self.shared
        return f"{self.place} {signed(self.value)}{' in all' if whole else ''}"

    @property
    def chain(self) -> tuple[Piece, ...]:
        """The local derivative, times what arrived: the chain rule in numbers."""
        said, value = Formula(self.formula, self.latex), signed_formula(self.value)
        if self.sum is not None and self.sum.count > 1:
            products_ = [term.product for term in self.sum.terms]
            rest = [self.sum.rest] if self.sum.count > len(products_) else []
            value = summed(self.value, [*products_, *rest], self.sum.eps)
        if self.sum is not None:
            pairs = [(term.incoming, term.slope) for term in self.sum.terms]
            text = products(pairs, self.sum.count - len(pairs), self.sum.rest)
            times = ", times the gradient" if self.factor else ""
            over = f"summed over {self.source}: " if self.sum.count > 1 else "there "
            apart = f", {self.apart}" if self.apart else ""
            return said, f"{apart}{times}, {over}", equation(text, value), self.remark
        if not self.factor:
            if self.size == 1 and not self.apart:
                if "=" in said.text:
                    return equation(said, value), self.remark
                return said, ", which gives ", value, self.remark
            where = f", {self.apart}, so " if self.apart else ", there "
            return said, where, value, self.remark
        if self.local is None:
            return said, ", times the gradient, summed = ", value, self.remark
        slope = number_formula(self.slope)
        head: tuple[Piece, ...]
        if self.apart:
            head = said, f", {self.apart}"
        elif said.text.endswith(f"= {slope.text}"):
            head = (said,)
        else:
            loose = self.size > 1 or " if " in said.text  # an equation would end the last case
            head = (said, ", there ", slope) if loose else (equation(said, slope),)
        if self.slope != self.local:
            head = *head, ", its conjugate ", number_formula(self.local)
        where = f" of {self.source}" if self.source else ""
        return *head, ", times ", signed_formula(self.incoming), f"{where}{self.remark} = ", value

    @property
    def state(self) -> str:
        """What the gradient of the input is now, and from where more is to come."""
        added = f"{signed(self.before)} so far, so {signed(self.total)}; " if self.later else ""
        if self.complete:
            return f"{added}complete"
        return f"{added}more to come from {' and '.join(map(called, self.waiting))}"

    def __str__(self) -> str:
        return f"to {self.target}: {_text(self.chain)} ({self.state})"


@dataclass(frozen=True)
class Step:
    """One step of the reverse sweep: a row passes on what has arrived at it.

    Parameters
    ----------
    number, count : int
        Which step of how many, from 1.
    name : str
        The result of the row.
    op : str
        The row.
    formula : str
        What was computed, in the names of the variables.
    line : str
        The user's line.
    shape : tuple of int
        Of the result.
    element : tuple of int
        Of the result: that of the largest gradient.
    incoming : number
        The gradient of the output by that element.
    norm : float
        Of the whole gradient.
    parts : tuple of Part
        The terms that it is the sum of.
    contributions : tuple of Contribution
        What the inputs get.
    output : str
        What the gradient is of.
    total : str
        What that is, of an output that is no single number.

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> for step in steps(x * x):
    ...     print(step)  # doctest: +ELLIPSIS
    step 1 of 1: multiply1 = x · x  (multiply, ...)
      arrives  ∂multiply1/∂multiply1 = +1 (seed)
      passes   to x, as the 1st argument: ∂multiply1/∂x = x = 3, times +1 = +3 (more ...)
               to x, as the 2nd argument: ∂multiply1/∂x = x = 3, times +1 = +3 (+3 so far, ...)
    """

    number: int
    count: int
    name: str
    op: str
    formula: str
    line: str
    shape: Index
    element: Index
    incoming: Any
    norm: float
    parts: tuple[Part, ...]
    contributions: tuple[Contribution, ...]
    output: str
    total: str = ""

    @property
    def size(self) -> int:
        """How many elements the result has."""
        return math.prod(self.shape)

    @property
    def place(self) -> str:
        """The element that the step tells of."""
        return element(self.name, self.element, self.size)

    @property
    def arrival(self) -> tuple[Piece, ...]:
        """What arrives, with its terms."""
        if not self.size:
            return ("nothing: it has no elements",)
        point = element_formula(self.name, self.element, self.size)
        said = equation(derivative(symbol(self.output), point), signed_formula(self.incoming))
        text = ""
        if len(self.parts) > 1:
            text = f" = {', '.join(f'{signed(p.value)} {p.origin}' for p in self.parts)}"
        elif self.parts:
            text = f" {self.parts[0].origin}"
        text += f"; {self.total}" if self.total else ""
        if self.size > 1:
            text += f"; the largest of {dims(self.shape)}, norm {number(self.norm)}"
        return said, text

    @property
    def arrives(self) -> str:
        """What arrives, with its terms, as text."""
        return _text(self.arrival)

    def __str__(self) -> str:
        head = f"step {self.number} of {self.count}: {spelled(self.name, self.formula)}"
        lines = [f"{head}  ({made(self.op, self.line)})", f"  arrives  {self.arrives}"]
        for i, contribution in enumerate(self.contributions):
            lines.append(f"  {'' if i else 'passes':8} {contribution}")
        if not self.contributions:
            lines.append("  passes   nothing: no input has a number that takes a gradient")
        return "\n".join(lines)


@dataclass(frozen=True)
class Forward:
    """One step of the forward pass.

    Parameters
    ----------
    number, count : int
        Which step of how many, from 1.
    name : str
        The result.
    op : str
        The row.
    formula : str
        What is computed, in the names of the variables.
    line : str
        The user's line.
    inputs : tuple of (str, str)
        Per argument its name and its value, as far as the graph kept it.
    value : str
        The result: its numbers if they are few, else its shape.
    """

    number: int
    count: int
    name: str
    op: str
    formula: str
    line: str
    inputs: tuple[tuple[str, str], ...]
    value: str

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """Those of the inputs that are not called by what they are."""
        return tuple(each for each in self.inputs if not re.match(r"[-−]?\d", each[0]))

    def __str__(self) -> str:
        given = ", ".join(f"{called(name)} = {value}" for name, value in self.named)
        return (
            f"step {self.number} of {self.count}: {spelled(self.name, self.formula)} = {self.value}"
            f"  ({made(self.op, self.line)})" + (f"\n  where    {given}" if given else "")
        )


def steps(output: Tensor, *, seed: Any = None) -> tuple[Step, ...]:
    """Return the steps of ``output.backward()``, in its order; no ``.grad`` changes.

    Parameters
    ----------
    output : Tensor
        A loss, or any tensor whose graph was not freed.
    seed : array_like of the shape of `output`, optional
        The gradient with which the sweep begins; ones by default.

    Raises
    ------
    DiagramError
        `output` is no Tensor.
    GradientError
        `seed` does not fit `output`, or `output` has no graph.
    FreedGraphError
        ``backward()`` has freed the graph: call it with ``retain_graph=True``.
    """
    reading = reading_of("steps", output)
    return tuple(backward_steps(reading, reading.sweep(seeds(output, seed, "steps"))))


def seeds(output: Tensor, seed: Any, who: str) -> dict[Node, Array] | None:
    """Return with what a sweep begins, or None for ones.

    Parameters
    ----------
    output : Tensor
        What the gradients are of.
    seed : array_like of the shape of `output`, or None
        The gradient of `output`.
    who : str
        The function that asks, for errors.

    Raises
    ------
    GradientError
        `seed` does not fit `output`, or `output` has no graph.
    """
    root = output.rooted(who)
    return None if seed is None else {root: turned(output.seed(seed, who))}


def forward_steps(output: Tensor | Reading) -> tuple[Forward, ...]:
    """Return the rows that computed a tensor, in the order in which they ran.

    Parameters
    ----------
    output : Tensor or Reading
        A loss, or any tensor whose graph was not freed.

    Raises
    ------
    DiagramError
        `output` is neither.
    FreedGraphError
        ``backward()`` has freed the graph.
    """
    reading = output if isinstance(output, Reading) else reading_of("forward_steps", output)
    rows = [node for node in reading.nodes if node.op is not None]
    found = []
    for k, node in enumerate(rows, start=1):
        arguments = reading.arguments(node)
        values = [
            _value(reading, up) if up is not None else _shown(primal)
            for up, primal in zip(node.upstream or (), node.primals, strict=True)
        ]
        inputs = dict(zip(arguments, values, strict=True))
        inputs.pop("", None)
        op: Any = node.op
        found.append(
            Forward(
                k,
                len(rows),
                reading.names[node],
                op.name,
                computed(node, [called(each) for each in arguments]),
                reading.line(node),
                tuple(inputs.items()),
                _value(reading, node),
            )
        )
    return tuple(found)


def backward_steps(reading: Reading, sweep: Sweep) -> Iterator[Step]:
    """Yield the steps of a sweep.

    Parameters
    ----------
    reading : Reading
        The graph.
    sweep : Sweep
        What flowed back through it.
    """
    rows = [n for n in reversed(reading.nodes) if n.op is not None and n in sweep.cotangents]
    chosen = {node: _weightiest(node, g, sweep) for node, g in sweep.cotangents.items()}
    sums: dict[Node, Array] = {}
    arrived: dict[Node, list[Part]] = {}
    waiting: dict[Node, list[tuple[Node, int]]] = {
        node: [each for each in reversed(reading.consumers[node]) if each in sweep.parts]
        for node in reading.nodes
    }
    for root in reading.roots:
        if not root.result.size:
            continue
        # What no consumer sent is what the sweep began with.
        own = sweep.cotangents[root]
        own = own - sum(sweep.parts[each] for each in waiting[root])
        sums[root] = own
        arrived[root] = [Part("", known(own[chosen[root]]))]
    seeded = any((own != 1).any() for own in sums.values())
    roots = [reading.names[root] for root in reading.roots]
    alone = len(roots) == 1 and reading.roots[0].result.size == 1 and not seeded
    output = roots[0] if alone else "L"
    total = "" if alone or "L" in roots else defined(roots, seeded)
    known_values = dict(reading.values)

    def value(node: Node) -> Array | None:
        if node not in known_values:
            known_values.update(values(reading, {node}))
        return known_values.get(node)

    for k, node in enumerate(rows, start=1):
        op: Any = node.op
        arguments = reading.arguments(node)
        contributions = []
        for i, up in enumerate(node.upstream or ()):
            if up is None or (node, i) not in sweep.parts:
                continue
            part = sweep.parts[node, i]
            waiting[up].remove((node, i))
            if not part.size:
                continue
            later = up in sums
            g = sweep.cotangents[node]
            place, why = _followed(node, i, g, sweep.cotangents[up], chosen, reading.names)
            before = sums[up][place] if later else part.dtype.type(0)
            sums[up] = sums[up] + part if later else part
            arrived.setdefault(up, []).append(Part(reading.names[node], known(part[chosen[up]])))
            names = [reading.names[consumer] for consumer, _ in waiting[up]]
            params = node.params or {}
            said = local_formula(op, i, arguments, reading.names[node], params, output, over(node))
            contributions.append(
                Contribution(
                    name=reading.names[up],
                    argument=i,
                    formula=said.text,
                    latex=said.latex,
                    factor=row_local(op, i).factor,
                    element=place,
                    value=known(part[place]),
                    norm=norm(part),
                    before=known(before),
                    total=known(sums[up][place]),
                    later=later,
                    waiting=tuple(dict.fromkeys(names)),
                    size=part.size,
                    use=use(node, i),
                    chosen=why,
                    shared=g.size > 1,
                    apart=_apart(node, i, g, place, chosen[node], value),
                    **_products(node, i, g, part, place, chosen[node], reading.names[node]),
                )
            )
        g = sweep.cotangents[node]
        yield Step(
            number=k,
            count=len(rows),
            name=reading.names[node],
            op=op.name,
            formula=computed(node, [called(each) for each in arguments]),
            line=reading.line(node),
            shape=g.shape,
            element=chosen[node],
            incoming=known(g[chosen[node]]) if g.size else 0.0,
            norm=norm(g),
            parts=tuple(arrived.get(node, ())),
            contributions=tuple(contributions),
            output=output,
            total=total if node in reading.roots else "",
        )


def spelled(name: str, formula: str) -> str:
    """Return a result with its formula; most formulas do not name it themselves."""
    if not formula:
        return called(name)
    # A row of steps has equations of its own, as in h[t] = ...
    return f"{called(name)}{':' if _EQUATION.match(formula) else ' ='} {formula}"


_EQUATION = re.compile(r"[\w\[\], −+-]+ = ")


def made(op: str, line: str) -> str:
    """Return by which row a result was made, and in which line of the user's, if that is known."""
    return op if line == NO_LINE else f"{op}, {line}"


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)


def _products(
    node: Node, i: int, g: Array, part: Array, place: Index, source: Index, name: str
) -> dict[str, Any]:
    """Return how what is handed on comes about: as one product, as a sum of them, or neither.

    The local derivative is what the row's own rule makes of a gradient that is 1 at one element of
    the result and 0 elsewhere.
    """
    op: Any = node.op
    value = known(part[place])
    found: dict[str, Any] = dict.fromkeys(("slope", "local", "incoming", "sum"))
    found |= {"source": "", "remark": ""}
    local, real = _slope(node, i, source, place)
    if local is not None:
        incoming = known(g[source])
        product = np.real(local * incoming) if real else local * incoming
        precise = float(np.sqrt(np.finfo(part.dtype).eps))
        if np.isclose(product, value, rtol=precise, atol=0):
            slope = local.conjugate() if conjugated(node, i, local) else local
            found |= {"slope": slope, "local": local, "incoming": incoming}
            found["remark"] = ", of which the real part" if real else ""
            if row_local(op, i).factor or (g.size == 1 and part.size == 1):
                return found
    found["remark"] = ""
    if "c" in (g.dtype.kind, part.dtype.kind) and op.pattern in _SCALING:
        found["remark"] = ", the formula being for the conjugates of the gradients"
    if op.kind == "elementwise" or g.size <= FEW:
        whole = terms(node, i, g, place)
        if whole is not None and whole.terms:
            listed = [element(name, term.place, g.size) for term in whole.terms]
            few = whole.count == len(listed) <= 3
            several = f"{whole.count:,} elements of {called(name)}"
            found |= {"sum": whole, "source": " and ".join(listed) if few else several}
    return found


def _weightiest(node: Node, g: Array, sweep: Sweep) -> Index:
    """Return where a gradient is largest; of several such elements, where most is handed on."""
    place = largest(g)
    op: Any = node.op
    if op is None or op.kind != "elementwise" or g.size < 2:
        return place
    ties = np.abs(g) == np.abs(g[place])
    if np.count_nonzero(ties) < 2:
        return place
    parts = [sweep.parts.get((node, i)) for i in range(len(node.primals))]
    sizes = [np.abs(part) for part in parts if part is not None and part.shape == g.shape]
    if not sizes:
        return place
    weights = np.asarray(sum(sizes))
    return largest(np.where(ties, weights, 0) if np.any(weights[ties]) else g)


def _followed(
    node: Node,
    i: int,
    g: Array,
    whole: Array,
    chosen: Mapping[Node, Index],
    names: Mapping[Node, str],
) -> tuple[Index, str]:
    """Return the element of an input that the chosen one of the result feeds, and why that one.

    Parameters
    ----------
    node : Node
        A node that an op made.
    i : int
        Which argument.
    g, whole : array
        The gradients of the result and of the argument.
    chosen : mapping of Node to tuple of int
        Where the gradient of each is largest.
    names : mapping of Node to str
        What they are called.
    """
    up: Any = (node.upstream or ())[i]
    op: Any = node.op
    place, source = chosen[up], chosen[node]
    if whole.size == 1 or not g.size:
        return place, ""
    sizes = np.abs(whole)
    largest_ = (
        "" if (sizes == sizes[place]).all() else f"where {_gradient_of(names[up])} is largest"
    )
    if op.kind == "elementwise":
        at = source[len(source) - whole.ndim :] if whole.ndim else ()
        fed = tuple(0 if side == 1 else k for k, side in zip(at, whole.shape, strict=True))
        return fed, largest_ if fed == place else ""
    alone = np.zeros_like(g)
    alone[source] = g[source] if g[source] else 1
    back = pulled(node, i, alone)
    if back is None or not back.any():  # nothing comes from there
        fed = source if whole.shape == g.shape else place
        return fed, largest_ if fed == place else ""
    if back[place]:
        return place, largest_
    several = np.count_nonzero(back) > 1
    why = f"the largest of what {element(names[node], source, g.size)} alone hands on"
    return largest(back), why if several else ""


def _gradient_of(name: str) -> str:
    return f"the gradient of {called(name)}"


def _apart(
    node: Node,
    i: int,
    g: Array,
    place: Index,
    source: Index,
    value: Callable[[Node], Array | None],
) -> str:
    """Return how a formula differs from the rule at the element that is told of; ``""`` if not."""
    op: Any = node.op
    if op.factors:
        given, _ = _slope(node, i, source, place)
        if given is None:
            return ""
        shown = given.conjugate() if conjugated(node, i, given) else given
        return inserted(node, i, source, shown, value).apart
    if not singular_somewhere(row_local(op, i).settled(node.params)):
        return ""
    ones = pulled(node, i, np.ones(g.shape, g.dtype))
    return "" if ones is None else inserted(node, i, place, ones[place], value).apart


def _slope(node: Node, i: int, source: Index, place: Index) -> tuple[Any, bool]:
    """Return what the gradient of an element is multiplied with, and whether its real part counts.

    ``None`` where nothing is handed on.
    """
    up: Any = (node.upstream or ())[i]
    one = np.zeros(node.result.shape, node.result.dtype)
    one[source] = 1
    with np.errstate(all="ignore"):
        found = pulled(node, i, one)
        if found is None:
            return None, False
        if one.dtype.kind != "c" or up.result.dtype.kind == "c":
            return plain(known(found[place])), False
        # A real number moves along its axis: of g s the real part is handed on, so of 1 and of i.
        other = pulled(node, i, 1j * one)
        imaginary = 0.0 if other is None else known(other[place])
        return plain(complex(known(found[place]), imaginary)), True


_SCALING = frozenset({"matmul", "swap", "scale"})
"""Patterns of rows that multiply with numbers that may be complex."""


def _value(reading: Reading, node: Node) -> str:
    return _shown(reading.values.get(node, node.result))


def _shown(value: Any) -> str:
    """Return the numbers of a small array; shape and dtype of a larger one, or one not kept."""
    if isinstance(value, Like):
        return f"{dims(value.shape)} {value.dtype}"
    return "" if value is None else array_text(value)
