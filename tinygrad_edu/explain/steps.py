"""The reverse sweep one step at a time: what arrives at a row, and what it hands to its inputs.

Knows: readings, sweeps, and how a local derivative is worded. Does not know: how a page shows the
records. Every number is of the engine's own sweep; nothing is computed a second way. Read
``page.py`` next, which plays these records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, turned
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.draw.formula import formula
from tinygrad_edu.draw.numbers import norm
from tinygrad_edu.draw.reading import Reading, Sweep, read
from tinygrad_edu.explain.chain import pulled
from tinygrad_edu.explain.formulas import element, largest
from tinygrad_edu.mathematics import array_text, dims, local_formula, number, signed
from tinygrad_edu.mathematics import local as row_local

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
        return f"from {self.consumer}" if self.consumer else "(seed)"

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
        Of the input: that of its largest gradient.
    local, incoming : number, optional
        The local derivative there, and the gradient that it is multiplied by; ``None`` where the
        value is a sum of many such products.
    value : number
        What is handed on, at that element.
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
    """

    name: str
    argument: int
    formula: str
    latex: str
    factor: bool
    element: Index
    local: Any
    incoming: Any
    value: Any
    norm: float
    before: Any
    total: Any
    later: bool
    waiting: tuple[str, ...]
    size: int

    @property
    def complete(self) -> bool:
        """Whether the gradient of the input is whole now."""
        return not self.waiting

    @property
    def numbers(self) -> str:
        """What the local derivative comes to, times what arrived: the chain rule in numbers."""
        if not self.factor:
            return f" = {signed(self.value)}"
        if self.local is None:
            return f", times the gradient, summed = {signed(self.value)}"
        said = number(self.local)
        slope = "" if self.formula.endswith(f"= {said}") else f" = {said}"
        return f"{slope}, times {signed(self.incoming)} = {signed(self.value)}"

    @property
    def state(self) -> str:
        """What the gradient of the input is now, and from where more is to come."""
        added = f"{signed(self.before)} so far, so {signed(self.total)}; " if self.later else ""
        if self.complete:
            return f"{added}complete"
        return f"{added}more to come from {' and '.join(self.waiting)}"

    def __str__(self) -> str:
        place = element(self.name, self.element, self.size)
        return f"to {place}: {self.formula}{self.numbers} ({self.state})"


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

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> for step in steps(x * x):
    ...     print(step)  # doctest: +ELLIPSIS
    step 1 of 1: multiply1 = x x  (multiply, ...)
      arrives  ∂multiply1/∂multiply1 = +1 (seed)
      passes   to x: ∂multiply1/∂x = x = 3, times +1 = +3 (more to come from multiply1)
               to x: ∂multiply1/∂x = x = 3, times +1 = +3 (+3 so far, so +6; complete)
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

    @property
    def arrives(self) -> str:
        """What arrives, with its terms."""
        size = int(np.prod(self.shape))
        text = f"∂{self.output}/∂{element(self.name, self.element, size)} = {signed(self.incoming)}"
        if len(self.parts) > 1:
            text += f" = {', '.join(f'{signed(p.value)} {p.origin}' for p in self.parts)}"
        elif self.parts:
            text += f" {self.parts[0].origin}"
        if size > 1:
            text += f"; the largest of {dims(self.shape)}, norm {number(self.norm)}"
        return text

    def __str__(self) -> str:
        head = f"step {self.number} of {self.count}: {spelled(self.name, self.formula)}"
        lines = [f"{head}  ({self.op}, {self.line})", f"  arrives  {self.arrives}"]
        for i, contribution in enumerate(self.contributions):
            lines.append(f"  {'' if i else 'passes':8} {contribution}")
        if not self.contributions:
            lines.append("  passes   nothing: no input takes a gradient")
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

    def __str__(self) -> str:
        given = ", ".join(f"{name} = {value}" for name, value in self.inputs if name != value)
        return (
            f"step {self.number} of {self.count}: {spelled(self.name, self.formula)} = {self.value}"
            f"  ({self.op}, {self.line})" + (f"\n  where    {given}" if given else "")
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
    reading = read("steps", output)
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
    reading = output if isinstance(output, Reading) else read("forward_steps", output)
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
                formula(node, arguments),
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
    chosen = {node: largest(g) for node, g in sweep.cotangents.items()}
    output = reading.names[reading.roots[0]] if len(reading.roots) == 1 else "outputs"
    sums: dict[Node, Any] = {}
    arrived: dict[Node, list[Part]] = {}
    waiting: dict[Node, list[tuple[Node, int]]] = {
        node: [each for each in reversed(reading.consumers[node]) if each in sweep.parts]
        for node in reading.nodes
    }
    for root in reading.roots:
        # What no consumer sent is what the sweep began with.
        own = sweep.cotangents[root][chosen[root]]
        own = own - sum(sweep.parts[each][chosen[root]] for each in waiting[root])
        sums[root] = own
        arrived[root] = [Part("", _item(own))]
    for k, node in enumerate(rows, start=1):
        op: Any = node.op
        arguments = reading.arguments(node)
        contributions = []
        for i, up in enumerate(node.upstream or ()):
            if up is None or (node, i) not in sweep.parts:
                continue
            part, place = sweep.parts[node, i], chosen[up]
            later = up in sums
            before = sums.get(up, part.dtype.type(0))
            sums[up] = before + part[place]
            waiting[up].remove((node, i))
            arrived.setdefault(up, []).append(Part(reading.names[node], _item(part[place])))
            local, incoming = _product(node, i, sweep.cotangents[node], part, chosen)
            names = [reading.names[consumer] for consumer, _ in waiting[up]]
            said = local_formula(
                op, i, arguments, reading.names[node], node.params or {}, output=output
            )
            contributions.append(
                Contribution(
                    name=reading.names[up],
                    argument=i,
                    formula=said.text,
                    latex=said.latex,
                    factor=row_local(op, i).factor,
                    element=place,
                    local=local,
                    incoming=incoming,
                    value=_item(part[place]),
                    norm=norm(part),
                    before=_item(before),
                    total=_item(sums[up]),
                    later=later,
                    waiting=tuple(dict.fromkeys(names)),
                    size=part.size,
                )
            )
        g = sweep.cotangents[node]
        yield Step(
            number=k,
            count=len(rows),
            name=reading.names[node],
            op=op.name,
            formula=formula(node, arguments),
            line=reading.line(node),
            shape=g.shape,
            element=chosen[node],
            incoming=_item(g[chosen[node]]),
            norm=norm(g),
            parts=tuple(arrived.get(node, ())),
            contributions=tuple(contributions),
            output=output,
        )


def spelled(name: str, formula: str) -> str:
    """Return a result with its formula; most formulas do not name it themselves."""
    return f"{name} = {formula}" if formula else name


def _product(
    node: Node, i: int, g: Array, part: Array, chosen: Mapping[Node, Index]
) -> tuple[Any, Any]:
    """Return the two factors of what is handed on, or ``None`` twice where it is a longer sum.

    The local derivative is what the row's own rule makes of a gradient that is 1 at one element of
    the result and 0 elsewhere.
    """
    up: Any = (node.upstream or ())[i]
    place = chosen[up]
    # Of a result of the same shape the same element, as a rule; else that of the largest gradient.
    source = place if g.shape == part.shape else chosen[node]
    one = np.zeros_like(g)
    one[source] = 1
    with np.errstate(all="ignore"):
        local = pulled(node, i, one)
        if local is None:
            return None, None
        found, incoming = _item(local[place]), _item(g[source])
        precise = float(np.sqrt(np.finfo(part.dtype).eps))
        if not np.isclose(found * incoming, _item(part[place]), rtol=precise, atol=0):
            return None, None
    return found, incoming


def _item(value: Any) -> Any:
    """Return one number of a sweep as users know it: of complex ones the conjugate."""
    return turned(np.asarray(value)).item()


def _value(reading: Reading, node: Node) -> str:
    return _shown(reading.values.get(node, node.result))


def _shown(value: Any) -> str:
    """Return the numbers of a small array; shape and dtype of a larger one, or one not kept."""
    if isinstance(value, Like):
        return f"{dims(value.shape)} {value.dtype}"
    return "" if value is None else array_text(value)
