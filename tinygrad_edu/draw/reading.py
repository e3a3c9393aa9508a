"""What diagrams and explanations read off a graph: nodes, names, consumers, modules, gradients.

Knows: nodes, rows, and the calls of modules. Does not know: how anything is drawn or worded. It
changes nothing. Read next: ``formula.py``, which puts the names into a row's formula, and
``graph.py``, which makes a picture of it all.
"""

from __future__ import annotations

import ast
import itertools
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from threading import get_ident
from types import CodeType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygrad_edu.core.graph import SWEEPS, Leaf, Node, ancestors, reverse_sweep
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.draw.source import Sources, callee, keywords, operands, positional, word
from tinygrad_edu.draw.words import a_kind
from tinygrad_edu.errors import NO_LINE, DiagramError, describe_line, users_line
from tinygrad_edu.nn.layers import Sequential
from tinygrad_edu.nn.module import CALLS, Call, Module

__all__ = ["CONSTANT", "LABELS", "Place", "Reading", "Sweep", "constant_name", "read", "shared"]

Array = np.ndarray[Any, Any]
T = TypeVar("T")
_order = attrgetter("order")


@dataclass(frozen=True)
class Place:
    """One call of a module, in which nodes were made.

    Parameters
    ----------
    path : str
        Of the module inside the one that was called from outside; that one's path is ``""``.
    kind : str
        Its class.
    number : int
        Which call of it in this graph, from 1.
    module : Module, optional
        The module; None where it is known from the names of parameters alone.
    along : tuple of Module
        The modules behind it in a `Sequential` whose work it does in the same pass.
    """

    path: str
    kind: str
    number: int = 1
    module: Module | None = field(default=None, compare=False, repr=False)
    along: tuple[Module, ...] = field(default=(), compare=False, repr=False)

    @property
    def title(self) -> str:
        """The path, or the class of a module that was called from outside."""
        return self.path or self.kind


@dataclass(frozen=True)
class Sweep:
    """One reverse sweep, with all that it adds up.

    Parameters
    ----------
    cotangents : dict
        Node -> the whole gradient of its result; a node that no gradient reaches is missing.
    parts : dict
        (consumer, argument) -> what came from there.
    """

    cotangents: Mapping[Node, Array]
    parts: Mapping[tuple[Node, int], Array]


class Reading:
    """A graph, read once.

    Parameters
    ----------
    outputs : sequence of Tensor
        What is asked about.
    given : mapping of str to array, optional
        Names of arrays that the graph may hold as constants: the example of a module.
    asked : tuple of (code object, int), optional
        The user's line that had the graph made only to read it: it names nothing in it.

    Attributes
    ----------
    outputs : tuple of Tensor
        What was asked about.
    roots : tuple of Node
        Their nodes, without those of constants.
    nodes : tuple of Node
        All that the outputs depend on, in order of creation.
    """

    def __init__(
        self,
        outputs: Sequence[Tensor],
        given: Mapping[str, Any] | None = None,
        asked: tuple[CodeType, int] | None = None,
    ) -> None:
        self.outputs = tuple(outputs)
        found = (output.node for output in self.outputs)
        self.roots = tuple(dict.fromkeys(node for node in found if node is not None))
        self.nodes = tuple(ancestors(*self.roots)) if self.roots else ()
        self.sources = Sources(asked)
        self._given = {_memory(array): name for name, array in (given or {}).items()}
        self._lines: dict[Any, str] = {}
        self._frozen: dict[Module, list[_Frozen]] = {}

    def line(self, node: Node) -> str:
        """Return the user's line that made a node, as ``file.py:12: text``."""
        key = id(node.code), node.lasti  # the node holds the code, whose own hash is slow
        if key not in self._lines:
            self._lines[key] = describe_line(node.code, node.lasti)
        return self._lines[key]

    def place(self, node: Node, before: str = "") -> list[str]:
        """Return that line in a list, behind some words; nothing if it is not known."""
        line = self.line(node)
        return [] if line == NO_LINE else [before + line]

    @cached_property
    def _wishes(self) -> Mapping[Node, str]:
        wishes = _wishes(self.nodes, self.places, self.sources)
        for node in self.nodes:
            if isinstance(node, Leaf) and node not in wishes:
                # A function of the user's made it, and the line that takes it has a name for it.
                name = next(filter(None, (self._taken_as(*use) for use in self._few(node))), "")
                if name:
                    wishes[node] = name
        for node in self.nodes if self._given else ():
            if isinstance(node, Leaf) and self.given(node.result):
                wishes[node] = self.given(node.result)
        return wishes

    @cached_property
    def names(self) -> Mapping[Node, str]:
        """A name per node, no two alike.

        A leaf has its own, or that of the variable it was assigned to; a result has that of its
        variable. A variable that was assigned to several times gives ``h``, ``h2``, ``h3``. What
        has neither is called after its row, with a number, as in ``add3``.
        """
        return _names(self.nodes, self._wishes)

    @cached_property
    def variables(self) -> frozenset[Node]:
        """The nodes whose names the user gave."""
        return frozenset(self._wishes)

    def _few(self, node: Node) -> Sequence[tuple[Node, int]]:
        return self.consumers[node][:_FEW]

    def _taken_as(self, node: Node, i: int) -> str:
        """Return what the user's text calls an argument of a node, ``""`` where it is not named."""
        op: Any = node.op
        expression = self.sources.expression(node.code, node.lasti)
        used = [k for k, each in enumerate(node.primals) if each is not None]
        names = [_argument(node, k) for k in used]
        return word(operands(expression, op.name, names)[used.index(i)])

    def word(self, node: Node) -> str:
        """Return what the user calls a node, without the number that tells it from others."""
        return self._wishes.get(node, "")

    @cached_property
    def values(self) -> Mapping[Node, Array]:
        """Per node its value, where the graph or an output kept it."""
        found: dict[Node, Array] = {}
        for node in self.nodes:
            for up, primal in zip(node.upstream or (), node.primals, strict=True):
                if up is not None and isinstance(primal, np.ndarray):
                    found.setdefault(up, primal)
            if isinstance(node.result, np.ndarray):
                found[node] = node.result
        for output in self.outputs:
            if output.node is not None:
                found[output.node] = output.numpy()
        return found

    def given(self, array: Any) -> str:
        """Return what an array of a module's example is called, ``""`` for any other."""
        return self._given.get(_memory(array), "") if isinstance(array, np.ndarray) else ""

    def arguments(self, node: Node) -> tuple[str, ...]:
        """Return per argument of a node what it is called in its formula.

        A tensor by its name, a number by itself, a constant by `constant`; ``""`` where an optional
        argument was left out.
        """
        found = []
        for i, (up, primal) in enumerate(zip(node.upstream or (), node.primals, strict=True)):
            if up is not None:
                found.append(self.names[up])
            elif primal is None:
                found.append("")
            elif np.ndim(primal) == 0 and not isinstance(primal, Like):
                name = self.constant(node, i)
                found.append(name if name and not _literal(primal) else _number(primal))
            else:
                found.append(self.constant(node, i) or constant_name(node, i))
        return tuple(found)

    def constant(self, node: Node, i: int) -> str:
        """Return what the user calls the constant that is an argument of a node, or ``""``.

        That of a frozen parameter is its path; others are known by the text of the user's call.
        """
        primal = node.primals[i]
        frozen = self.frozen(node, i)
        if frozen is not None:
            return frozen
        if self.given(primal):
            return self.given(primal)
        op: Any = node.op
        expression = self.sources.expression(node.code, node.lasti)
        if callee(expression) == op.name:
            return self._taken_as(node, i)
        return word(self._passed_on(node, i, expression))

    def _passed_on(self, node: Node, i: int, expression: ast.expr | None) -> ast.expr | None:
        """Return the expression of a constant that a call of a module or a function passed on.

        Labels are the last argument of a call with several; the only argument of a call is the
        first constant that its first row takes.
        """
        given = positional(expression)
        arrays = [
            k
            for k, primal in enumerate(node.primals)
            if (node.upstream or ())[k] is None and np.ndim(primal) and self.frozen(node, k) is None
        ]
        if i not in arrays:
            return None
        if _argument(node, i) in LABELS and len(given) + len(keywords(expression)) > 1:
            return next((v for k, v in keywords(expression) if k in LABELS), given[-1])
        outer = self.places[node][0].module if self.places[node] else None
        # Frozen layers before it leave no trace, so that it need not be what was passed in.
        clear = outer is None or not _frozen(outer)
        alone = len(given) == 1 and arrays == [i] and node in self._first and clear
        return given[0] if alone else None

    @cached_property
    def _first(self) -> frozenset[Node]:
        """The first nodes of all that one instruction of the user made."""
        ops = [node for node in self.nodes if node.op is not None]
        runs = itertools.groupby(ops, lambda node: (id(node.code), node.lasti))
        return frozenset(next(run) for _, run in runs)

    def frozen(self, node: Node, i: int) -> str | None:
        """Return the path of the frozen parameter that an argument of a node is, if it is one.

        To the graph it is a constant; it is found by its memory among the parameters of the modules
        around the node, and where the graph kept only its shape, by that.
        """
        primal = node.primals[i]
        if (node.upstream or ())[i] is not None or not isinstance(primal, (np.ndarray, Like)):
            return None
        for place in self.places[node]:
            if place.module is None:
                continue
            if place.module not in self._frozen:
                self._frozen[place.module] = _frozen(place.module)
            kept = self._frozen[place.module]
            if isinstance(primal, np.ndarray):
                fits = [each for each in kept if each.memory == _memory(primal)]
            else:
                inner = self.places[node][-1].module
                own = vars(inner).values() if inner is not None else ()
                fits = [
                    each
                    for each in kept
                    if (each.parameter.shape, each.parameter.dtype) == (primal.shape, primal.dtype)
                    and any(each.parameter is value for value in own)
                ]
            if fits and (len(fits) == 1 or isinstance(primal, np.ndarray)):
                return fits[0].path
        return None

    @cached_property
    def forward(self) -> frozenset[Node]:
        """The nodes older than the first sweep that was recorded here; none if none was.

        In the graph of a gradient they are the pass that was differentiated.
        """
        orders = np.array([node.order for node in self.nodes if node.op is not None])
        sweeps = tuple(SWEEPS)
        if not orders.size or not sweeps:
            return frozenset()
        bounds = np.array(sweeps)
        inside = np.searchsorted(orders, bounds[:, 1]) - np.searchsorted(orders, bounds[:, 0])
        begun = bounds[inside > 0, 0]
        if not begun.size:
            return frozenset()
        first = int(begun.min())
        return frozenset(node for node in self.nodes if node.op is not None and node.order < first)

    @cached_property
    def consumers(self) -> Mapping[Node, tuple[tuple[Node, int], ...]]:
        """Per node who uses its result, as (consumer, which argument), in order of creation."""
        found: defaultdict[Node, list[tuple[Node, int]]] = defaultdict(list)
        for node in self.nodes:
            for i, up in enumerate(node.upstream or ()):
                if up is not None:
                    found[up].append((node, i))
        return {node: tuple(found[node]) for node in self.nodes}

    def after(self, begun: Collection[Node]) -> list[Node]:
        """Return some nodes and all that depend on them, in order of creation."""
        found = dict.fromkeys(begun)
        for node in self.nodes:
            if any(up in found for up in node.upstream or ()):
                found[node] = None
        return [node for node in self.nodes if node in found]

    @cached_property
    def places(self) -> Mapping[Node, tuple[Place, ...]]:
        """Per node the calls of modules in which it was made, from the outermost.

        A leaf stands where all its consumers do, for it was made before any call.
        """
        return _places(self.nodes, self.consumers)

    def sweep(self, seeds: Mapping[Node, Any] | None = None) -> Sweep:
        """Return the gradients of the whole graph; nothing is written into any leaf.

        Parameters
        ----------
        seeds : mapping of Node to array, optional
            By default ones, for every root.
        """
        if seeds is None:
            seeds = {root: np.ones(root.result.shape, root.result.dtype) for root in self.roots}
        parts: dict[tuple[Node, int], Array] = {}

        def watch(node: Node, i: int, cotangent: Any) -> None:
            parts[node, i] = cotangent

        # All nodes are asked for, so that none is dropped on the way.
        # What overflows on the way is seen in the numbers, and was warned of in training.
        with np.errstate(all="ignore"):
            found = reverse_sweep(seeds, self.nodes, watch=watch) if seeds else {}
        # Nobody learns what a module was given: to it, and to what is made of it alone, no
        # gradient is computed in training either.
        idle: set[Node] = set()
        for node in self.nodes if self._given else ():
            ups = [up for up in node.upstream or () if up is not None]
            if self.given(node.result) if isinstance(node, Leaf) else idle.issuperset(ups):
                idle.add(node)
        if idle.issuperset(self.roots):
            idle.clear()
        return Sweep(
            {node: g for node, g in found.items() if node not in idle},
            {use: g for use, g in parts.items() if (use[0].upstream or ())[use[1]] not in idle},
        )


def read(who: str, output: Any, expected: str = "a Tensor or a list of them") -> Reading:
    """Return the graph behind a tensor or several.

    Parameters
    ----------
    who : str
        The function that asks, for errors.
    output : Tensor, or list or tuple of them
        What it was given.
    expected : str
        What the function takes, for errors.

    Raises
    ------
    DiagramError
        It is neither.
    FreedGraphError
        ``backward()`` has freed the graph.
    """
    outputs = output if isinstance(output, (list, tuple)) else (output,)
    wrong = [each for each in outputs if not isinstance(each, Tensor)]
    if wrong or not outputs:
        found = a_kind(wrong[0]) if wrong else "an empty list"
        inside = f"{found} in a {type(output).__name__}" if wrong and outputs is output else found
        raise DiagramError(
            f"{who}: expected {expected}, got {inside}\n  at {users_line()}\n"
            "  fix: pass the loss, or another result that was computed of Tensors"
        )
    return Reading(outputs)


# ------------------------------------------------------------------------------------------- names

LABELS = frozenset({"labels", "target", "targets", "t"})
"""Names of rows' arguments that say what is wanted: constants by nature."""

CONSTANT = "constant"
"""What a constant is called where neither the user nor the row has a word for it."""

_FEW = 4  # uses of a leaf that are looked at for a name

_MAKERS = frozenset({"Tensor", "Parameter", "requires_grad_"})


def _wishes(
    nodes: Sequence[Node], places: Mapping[Node, tuple[Place, ...]], sources: Sources
) -> dict[Node, str]:
    """Return the names that the user gave: of leaves, and of variables."""
    leaves = Counter((id(node.code), node.lasti) for node in nodes if isinstance(node, Leaf))
    found: dict[Node, str] = {}
    # All that one instruction of the user made, in one call of a module; the last has the name,
    # unless the instruction is the row's own call, which makes one node each time.
    run: Any = None
    latest: Node | None = None
    for node in nodes:
        where = id(node.code), node.lasti
        name = node.name if isinstance(node, Leaf) else ""
        if name:
            found[node] = name
            continue
        name = sources.variable(node.code, node.lasti)
        if isinstance(node, Leaf):
            made = sources.callee(node.code, node.lasti)
            if name and (leaves[where] == 1 or made in _MAKERS):
                found[node] = name
            continue
        own = node.op is not None and sources.callee(node.code, node.lasti) == node.op.name
        key = None if own else (*where, places[node][:1])
        if name and latest is not None and key is not None and key == run:
            del found[latest]
        if name:
            found[node] = name
        run, latest = key, node if name else None
        # What is written into b[1] is not b[1], which is a part of the b that comes of it.
        if node.op is not None and node.op.name == "setitem":
            for up in node.upstream or ():
                if up is not None and found.get(up, "").endswith("]"):
                    del found[up]
    return found


def _names(nodes: Sequence[Node], wishes: Mapping[Node, str]) -> dict[Node, str]:
    """Return a name per node."""
    reserved = set(wishes.values())
    numbers: Counter[str] = Counter()
    taken: set[str] = set()
    found: dict[Node, str] = {}
    for node in nodes:
        name = wishes.get(node, "")
        if not name or name in taken:
            base = name or ("leaf" if node.op is None else node.op.name)
            numbers[base] += 1 + (bool(name) and not numbers[base])  # w, w2 but add1, add2
            while f"{base}{numbers[base]}" in reserved or f"{base}{numbers[base]}" in taken:
                numbers[base] += 1
            name = f"{base}{numbers[base]}"
        taken.add(name)
        found[node] = name
    return found


def _argument(node: Node, i: int) -> str:
    """Return what the row calls an argument of a node."""
    op: Any = node.op
    return str(op.arguments[0 if op.variadic else i])


def constant_name(node: Node, i: int) -> str:
    """Return what a constant without a name is called: as the row does, if that says anything."""
    name = _argument(node, i)
    op: Any = node.op
    return name if len(name) > 1 or len(op.arguments) == 1 or op.kind == "fused" else CONSTANT


def _number(value: Any) -> str:
    """Return a number in the least digits that say it, at most six."""
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else f"{np.asarray(value)[()]}"


def _literal(value: Any) -> bool:
    """Return whether a constant was given as a plain number."""
    return isinstance(value, (int, float, complex))


class _Frozen(NamedTuple):
    """A parameter that is not trained: its path, itself, and where its values are."""

    path: str
    parameter: Parameter
    memory: Any


def _frozen(module: Module) -> list[_Frozen]:
    """Return the frozen parameters inside a module."""
    named = ((path, value) for path, value in module.walk() if isinstance(value, Parameter))
    return [_Frozen(path, p, _memory(p.numpy())) for path, p in named if not p.requires_grad]


def _memory(array: Array) -> Any:
    """Return what tells whether two arrays are the same values in the same place."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype


# ------------------------------------------------------------------------------------------ modules


def _places(
    nodes: Sequence[Node], consumers: Mapping[Node, Sequence[tuple[Node, int]]]
) -> dict[Node, tuple[Place, ...]]:
    """Return per node the calls in which it was made."""
    calls = _calls(nodes)
    found: dict[Node, tuple[Place, ...]] = {}
    if calls:
        stack: list[tuple[int, Place]] = []
        waiting = iter([*_named(calls, nodes), None])
        begun = next(waiting)
        for node in nodes:
            while begun is not None and begun[0].start < node.order:
                while stack and stack[-1][0] < begun[0].start:
                    stack.pop()
                stack.append((begun[0].end, begun[1]))
                begun = next(waiting)
            while stack and stack[-1][0] < node.order:
                stack.pop()
            found[node] = () if isinstance(node, Leaf) else tuple(place for _, place in stack)
    else:
        for node in nodes:
            leaves = (up for up in node.upstream or () if isinstance(up, Leaf))
            path = next((leaf.name.rpartition(".")[0] for leaf in leaves if "." in leaf.name), "")
            found[node] = (Place(path, ""),) if path else ()
    for node in nodes:
        if isinstance(node, Leaf):
            found[node] = shared([found[consumer] for consumer, _ in consumers[node]])
    return found


def shared(paths: Sequence[tuple[T, ...]]) -> tuple[T, ...]:
    """Return the beginning that several paths share."""
    if not paths:
        return ()
    shortest = min(paths, key=len)
    length = 0
    while length < len(shortest) and len({path[length] for path in paths}) == 1:
        length += 1
    return shortest[:length]


def _calls(nodes: Sequence[Node]) -> list[Call]:
    """Return the calls in which some of the nodes were made, outer ones before inner ones.

    Nodes do not know their thread: calls of this one are preferred, since a graph is drawn where it
    was made, as a rule.
    """
    orders = np.array([node.order for node in nodes if node.op is not None])
    if not orders.size:
        return []
    known = tuple(CALLS)
    threads = {call.thread for call in known}
    for thread in sorted(threads, key=lambda each: each != get_ident()):
        calls = [call for call in known if call.thread == thread]
        bounds = np.array([(call.start, call.end) for call in calls])
        first, beyond = np.searchsorted(orders, bounds[:, 0]), np.searchsorted(orders, bounds[:, 1])
        some = [call for call, count in zip(calls, beyond - first, strict=True) if count]
        if some:
            return sorted(some, key=lambda call: call.start)
    return []


def _named(calls: Sequence[Call], nodes: Sequence[Node]) -> Iterator[tuple[Call, Place]]:
    """Yield calls, outer ones first, with what they are called."""
    ops = [node for node in nodes if node.op is not None]
    paths: dict[Module, str] = {}
    holders: dict[str, Module] = {}
    end = 0
    numbers: Counter[tuple[str, str]] = Counter()
    for call in calls:
        module, kind = call.module(), call.kind.__name__
        if call.start > end:  # called from outside
            end = call.end
            holders = {} if module is None else dict(module.named_modules())
            paths = {m: path for path, m in holders.items()}
        path = _told(call, ops) if module is None else paths.get(module, "")
        numbers[path, kind] += 1
        holder = holders.get(path.rpartition(".")[0]) if path else None
        along = holder.along(module) if module and isinstance(holder, Sequential) else ()
        yield call, Place(path, kind, numbers[path, kind], module, tuple(along))


def _told(call: Call, ops: Sequence[Node]) -> str:
    """Return the path of a module that is gone: what the names of its parameters begin with."""
    first = bisect(ops, call.start, key=_order)
    beyond = bisect(ops, call.end, key=_order)
    ups = (up for node in ops[first:beyond] for up in node.upstream or ())
    paths = {tuple(up.name.split(".")[:-1]) for up in ups if isinstance(up, Leaf)}
    return ".".join(shared(sorted(paths)))
