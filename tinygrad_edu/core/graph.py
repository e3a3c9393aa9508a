"""Nodes of the graph, and the reverse sweep over them.

This file knows how results depend on each other. It knows no rule of calculus (those are in the
rows) and no Tensor class. A node points upstream only, so a finished expression is freed by
reference count; nodes are numbered as they are made, and an op can only be applied to what exists
already, so the order of creation is a topological order. Read ``core/tensor.py`` next.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from types import CodeType
from typing import Any, ClassVar, Protocol

import numpy as np

from tinygrad_edu.core.op import OPS, Like, Op
from tinygrad_edu.errors import (
    FreedGraphError,
    GradientError,
    MutationError,
    TinygradEduError,
    describe_line,
    explain,
    users_frame,
)

__all__ = [
    "SWEEPS",
    "Hooks",
    "Leaf",
    "Lift",
    "Node",
    "ancestors",
    "hooks_of",
    "project",
    "refuse_changed",
    "reverse_sweep",
    "shade",
    "tick",
    "turned",
]

tick = itertools.count(1).__next__
"""The clock of the engine: numbers nodes, and the moments at which leaves are written."""

SWEEPS: deque[tuple[int, int]] = deque(maxlen=256)
"""When sweeps were recorded, as (start, end): diagrams tell the pass before from the gradient."""

SMALL = 16
"""Arrays of so few elements are kept even if no rule reads them: diagrams show their numbers."""

_ndarray, _generic = np.ndarray, np.generic


class Node:
    """How a result was made.

    Attributes
    ----------
    op : Op or None
        The row that was applied; ``None`` in a leaf.
    upstream : tuple of (Node or None), or None
        Per argument its node, ``None`` for a constant; the whole is ``None`` once freed.
    primals : tuple
        Per argument its value: the array where a rule reads it, else its `Like`.
    params : dict
        The keyword parameters.
    result : ndarray or Like
        The value, or only its shape and dtype where no rule reads it.
    saved : object
        What a fused row keeps for its backward pass; once the node is freed, the user's line that
        freed it, as (code object, int).
    order : int
        Number of the node on the engine's clock.
    code, lasti : code object, int
        The user's line, resolved only when somebody asks.
    hooks : Hooks
        What users asked to see of the node's cotangent; not set where nobody has asked.
    """

    __slots__ = (
        "code",
        "hooks",
        "lasti",
        "op",
        "order",
        "params",
        "primals",
        "result",
        "saved",
        "upstream",
    )

    op: Op | None
    upstream: tuple[Node | None, ...] | None
    primals: tuple[Any, ...]
    params: Any
    result: Any
    saved: Any
    order: int
    code: CodeType | None
    lasti: int
    hooks: Hooks

    @property
    def line(self) -> str:
        """The user's line that made the node, as ``file.py:12: text``."""
        return describe_line(self.code, self.lasti)

    def __repr__(self) -> str:
        made = "leaf" if self.op is None else self.op.name
        return f"<node {self.order}: {made} {self.result.shape} {self.result.dtype}>"


class Leaf(Node):
    """A node that a user made and wants a gradient for; owns what belongs to the leaf alone.

    Attributes
    ----------
    grad : ndarray or None
        The gradient that ``backward()`` has added up.
    buffer : ndarray or None
        Where the first gradient is to be written (an optimizer's flat array), if anywhere.
    name : str
        For messages and diagrams; empty if it has none.
    written : int
        Time of the last change of the array on the engine's clock.
    writer : tuple of (code object, int)
        The user's line of that change.
    exposed : bool
        Whether a writable alias of the array was handed out.
    latest : int
        Time of the last change of any leaf, of the whole class.
    """

    __slots__ = ("buffer", "exposed", "grad", "name", "writer", "written")

    latest: ClassVar[int] = 0

    def __init__(self, array: Any, name: str = "") -> None:
        frame = users_frame(2)
        self.op, self.upstream, self.primals, self.params, self.saved = None, (), (), None, None
        self.result, self.order = array, tick()
        self.code, self.lasti = frame.f_code, frame.f_lasti
        self.grad: Any = None
        self.buffer: Any = None
        self.name, self.exposed = name, False
        self.written, self.writer = self.order, (frame.f_code, frame.f_lasti)

    def mark_written(self) -> None:
        """Remember that the array is being changed, and by which line of the user."""
        frame = users_frame(2)
        self.written = Leaf.latest = tick()
        self.writer = (frame.f_code, frame.f_lasti)


class Hooks:
    """What users asked to see of one node's cotangent.

    Attributes
    ----------
    functions : dict
        Number -> function of the complete cotangent; what it returns, if anything, replaces it.
    retains : bool
        Whether ``backward()`` is to keep the cotangent of a computed tensor, in `grad`.
    grad : ndarray or None
        What it has kept.
    """

    __slots__ = ("functions", "grad", "retains")

    any: ClassVar[bool] = False
    """Whether there ever were any: sweeps look for them only then."""

    def __init__(self) -> None:
        self.functions: dict[int, Callable[[Any], Any]] = {}
        self.retains = False
        self.grad: Any = None

    def __call__(self, g: Any, backward: bool) -> Any:
        """Return the cotangent that goes on from a node."""
        g = turned(g)
        for function in tuple(self.functions.values()):
            g = function(g)
        if backward and self.retains:
            self.grad = np.array(g) if self.grad is None else self.grad + g
        return turned(g)


def turned(cotangent: Any) -> Any:
    """Return a cotangent as users know it, or one of theirs as the sweep does: the conjugate.

    Inside the sweep it is ``dL/dx - i dL/dy``, so that rules of holomorphic functions hold as they
    stand; outside it is ``dL/dx + i dL/dy``, the direction in which the loss rises.
    """
    if cotangent.dtype.kind != "c":
        return cotangent
    conjugate = OPS["conjugate"](cotangent)
    return np.asarray(conjugate) if isinstance(conjugate, _generic) else conjugate


def hooks_of(node: Node) -> Hooks:
    """Return the hooks of a node, new ones if it has none."""
    Hooks.any = True
    try:
        return node.hooks
    except AttributeError:
        node.hooks = Hooks()
        return node.hooks


def shade(array: Any) -> Any:
    """Return what the graph keeps of an array that no rule reads."""
    if isinstance(array, _ndarray) and array.size > SMALL:
        return Like(array)
    return array


_by_order = attrgetter("order")


def ancestors(*roots: Node, since: int = 0, until: Collection[Node] = ()) -> list[Node]:
    """Return the nodes that the roots depend on, themselves among them, in order of creation.

    Parameters
    ----------
    *roots : Node
        Where to start.
    since : int
        Nodes older than this are left out: they cannot depend on a node made at `since`.
    until : collection of Node
        Nodes beyond which not to look.

    Raises
    ------
    FreedGraphError
        A part was freed by an earlier sweep.
    """
    found = list(dict.fromkeys(roots))
    seen, stack = set(found), list(found)
    while stack:
        node = stack.pop()
        if node in until:
            continue
        upstream = node.upstream
        if upstream is None:
            raise _freed(node)
        for up in upstream:
            if up is not None and up not in seen and up.order >= since:
                seen.add(up)
                found.append(up)
                stack.append(up)
    found.sort(key=_by_order)
    return found


class Lift(Protocol):
    """What a sweep needs to be recorded again: nodes' values as Tensors, and their joint rules."""

    def values(self, node: Node) -> tuple[Any, Sequence[Any]]:
        """Return ``(result, primals)`` of a node as Tensors."""

    def joint(self, node: Node, g: Any, wanted: Sequence[bool]) -> Sequence[Any]:
        """Return the cotangents of a node whose row has one rule for all arguments."""


def reverse_sweep(
    seeds: Mapping[Node, Any],
    inputs: Collection[Node] | None = None,
    lift: Lift | None = None,
    freed_by: tuple[CodeType, int] | None = None,
    watch: Callable[[Node, int, Any], None] | None = None,
    independent: bool = False,
) -> dict[Node, Any]:
    """Return the cotangents of the leaves, or of `inputs`, given those of one or more results.

    Parameters
    ----------
    seeds : mapping of Node to array
        Where to start: the cotangent of a node's result, of its shape and dtype.
    inputs : collection of Node, optional
        The nodes whose cotangents are wanted; by default all leaves.
    lift : Lift, optional
        Given when the sweep itself is to be recorded, for derivatives of higher order.
    freed_by : tuple of (code object, int), optional
        The user's line, if what the nodes keep is to be dropped as soon as they are done.
    watch : callable, optional
        ``watch(node, i, cotangent)`` is called with what each rule gives for argument `i`.
    independent : bool
        Whether the inputs are taken as independent, though one may depend on another.

    Raises
    ------
    FreedGraphError, MutationError
        Before anything is computed: part of the graph is gone, or an array in it has changed.
    GradientError
        A rule returned a cotangent of the wrong shape.
    """
    wanted = frozenset(inputs or ())
    nodes = ancestors(
        *seeds,
        since=min((node.order for node in wanted), default=0),
        until=wanted if independent else (),
    )
    refuse_changed(seeds, nodes)
    active = _leading_to(wanted, nodes) if inputs is not None else None
    cotangents: dict[Node, Any] = dict(seeds)
    masked = False  # whether a row that selects has been passed: zeros may then hide a nan
    hooked = Hooks.any
    lent: dict[Leaf, Any] = {}
    start = tick() if lift is not None else 0
    try:
        while nodes:
            node = nodes.pop()
            g = cotangents.get(node)
            if hooked and g is not None and (hooks := getattr(node, "hooks", None)) is not None:
                g = cotangents[node] = hooks(g, inputs is None)
            op = node.op
            if op is None or g is None:
                continue
            if node not in wanted:
                del cotangents[node]
            elif independent:
                continue
            result, primals = (node.result, node.primals) if lift is None else lift.values(node)
            rules, params, upstream = op.rules, node.params, node.upstream
            joint = None if op.joint is None else _joint(node, g, cotangents, active, lift, lent)
            for i, up in enumerate(upstream):  # type: ignore[arg-type]  # ancestors() refused freed nodes
                if up is None or (active is not None and up not in active):
                    continue
                if joint is not None:
                    cotangent = joint[i]
                elif (rule := rules[i]) is None:
                    continue
                elif masked and op.kind == "elementwise":
                    cotangent = _where_taken(rule, g, result, primals, params)
                elif params:
                    cotangent = rule(g, result, *primals, **params)
                else:
                    cotangent = rule(g, result, *primals)
                like = up.result
                if (
                    cotangent.__class__ is not _ndarray
                    or cotangent.shape != like.shape
                    or cotangent.dtype is not like.dtype
                ):
                    cotangent = project(cotangent, like, node)
                if watch is not None:
                    watch(node, i, cotangent)
                earlier = cotangents.get(up)
                if earlier is not None:
                    cotangent = earlier + cotangent
                    if isinstance(cotangent, _generic):
                        cotangent = np.asarray(cotangent)  # a sum of 0-d arrays is not an array
                cotangents[up] = cotangent
            masked = masked or op.selects
            if freed_by is not None:
                node.upstream, node.primals, node.saved = None, (), freed_by
    except Exception as error:
        if node.op is not None and not isinstance(error, TinygradEduError):
            error.add_note(f"in the backward pass of {node.op.name}, recorded at {node.line}")
        raise
    finally:
        if lift is not None:
            SWEEPS.append((start, tick()))
        for leaf, buffer in lent.items():
            leaf.buffer = buffer
    return {
        node: g
        for node, g in cotangents.items()
        if (node in wanted if inputs is not None else node.op is None)
    }


def _where_taken(rule: Any, g: Any, result: Any, primals: Sequence[Any], params: Any) -> Any:
    """Return a cotangent below a row that selects: 0 where g is 0, whatever the slope is there."""
    # The forward pass has warned already of the numbers in the branch that was not taken.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        cotangent = rule(g, result, *primals, **params)
        return np.where((g == 0) & ~np.isfinite(cotangent), 0, cotangent)


def project(cotangent: Any, like: Any, node: Node) -> Any:
    """Return the cotangent brought to the shape and dtype of its primal.

    Broadcasting and dtype promotion, from real to complex too, are undone here, once, for every
    row.

    Raises
    ------
    GradientError
        It is no array; or the row does not broadcast, or the shape cannot be the result of that.
    """
    op: Any = node.op
    if isinstance(cotangent, np.generic):
        cotangent = np.asarray(cotangent)
    if not hasattr(cotangent, "shape"):
        found = "None" if cotangent is None else f"a {type(cotangent).__name__}"
        raise GradientError(
            explain(
                op.name,
                f"its rule returned {found} for an argument of shape {like.shape} {like.dtype}",
                where=node.line,
                fix="a rule returns an array of the shape of its primal; where no gradient flows, "
                "declare\n       None in the place of the rule",
            )
        )
    if cotangent.shape != like.shape:
        if not (op.broadcasts and _from_broadcasting(cotangent.shape, like.shape, node)):
            raise GradientError(
                explain(
                    op.name,
                    f"its rule returned a cotangent of shape {cotangent.shape} {cotangent.dtype} "
                    f"for an argument of shape {like.shape} {like.dtype}",
                    where=node.line,
                    fix="a rule returns the shape of its primal, or, where broadcasts=True is "
                    "declared, the shape to which NumPy broadcast it",
                )
            )
        cotangent = OPS["sum_to"](cotangent, shape=like.shape)
    if cotangent.dtype.kind == "c" and like.dtype.kind != "c":
        cotangent = OPS["real"](cotangent)  # a real number moves along the real axis only
    if cotangent.dtype != like.dtype:
        cotangent = OPS["astype"](cotangent, dtype=like.dtype)
    return cotangent


def _from_broadcasting(shape: tuple[int, ...], primal: tuple[int, ...], node: Node) -> bool:
    """Return whether a cotangent can have this shape because its primal was broadcast."""
    op: Any = node.op
    if op.kind == "elementwise":
        return bool(shape == node.result.shape)
    ends = shape[len(shape) - len(primal) :]
    return len(shape) >= len(primal) and all(m in (1, n) for n, m in zip(ends, primal, strict=True))


def _joint(
    node: Node,
    g: Any,
    cotangents: dict[Node, Any],
    active: set[Node] | None,
    lift: Lift | None,
    lent: dict[Leaf, Any],
) -> Sequence[Any]:
    """Return the cotangents of all arguments of a row that has one rule for them."""
    upstream: Any = node.upstream
    op: Any = node.op
    wanted, into = [], []
    for up in upstream:
        want = up is not None and (active is None or up in active)
        # The first gradient of a leaf may be written straight to where its optimizer wants it; a
        # sweep for given inputs is not the optimizer's.
        first = want and up.op is None and active is None and up not in cotangents
        wanted.append(want)
        buffer = up.buffer if first and up.grad is None else None
        if buffer is not None and buffer.dtype != g.dtype:
            buffer = None  # a wider gradient, of float64 inputs say, is rounded when it is kept
        into.append(buffer)
        if buffer is not None:  # a sweep inside this one, which a hook may start, is not to have it
            lent[up], up.buffer = buffer, None
    if lift is not None:
        found = lift.joint(node, g, wanted)
    else:
        found = op.joint(
            g, node.result, node.saved, *node.primals, wanted=wanted, into=into, **node.params
        )
    if not isinstance(found, (tuple, list)) or len(found) != len(wanted):
        count = f" of {len(found)}" if isinstance(found, (tuple, list)) else ""
        raise GradientError(
            explain(
                op.name,
                f"its rule returned a {type(found).__name__}{count} for {len(wanted)} arguments",
                where=node.line,
                fix="a joint rule returns a tuple, one cotangent per argument, None where none is "
                "wanted",
            )
        )
    return found


def _leading_to(wanted: frozenset[Node], nodes: Sequence[Node]) -> set[Node]:
    """Return the nodes through which a cotangent reaches one that is wanted."""
    active: set[Node] = set()
    for node in nodes:
        if node in wanted or any(up in active for up in node.upstream or ()):
            active.add(node)
    return active


def refuse_changed(roots: Iterable[Node], nodes: Sequence[Node]) -> None:
    """Raise if an array that a rule is going to read was written after it was recorded.

    Nodes and writes are numbered by one clock, so a leaf written later than a node that keeps its
    array is a change. A view (``w.T``) is known by the memory that it shares with the leaf; where
    what is beyond it has been freed, so that the leaf is not known, a write to any leaf counts.
    """
    first = next((node.order for node in nodes if node.op is not None), 0)
    if Leaf.latest <= first:
        return  # nothing was written since the first op
    leaves, freed = _leaves(roots)
    for leaf in leaves:
        # A leaf that was not written since it was made, or since before the first op, is no danger.
        if leaf.written <= max(leaf.order, first):
            continue
        for node in nodes:
            if node.op is None or node.order > leaf.written:
                continue
            if any(np.may_share_memory(array, leaf.result) for array in _read(node)):
                raise _changed(node, leaf)
    for node in nodes if freed is not None else ():
        if node.op is None or node.order > Leaf.latest:
            continue
        if any(array.base is not None for array in _read(node)):
            raise _perhaps_changed(node, freed)


def _read(node: Node) -> list[Any]:
    """Return the arrays that a node keeps and its rules read."""
    op: Any = node.op
    kept = zip(node.primals, op.reads_of(len(node.primals)), strict=True)
    read = [primal for primal, reads in kept if reads]
    if op.reads_result:
        read.append(node.result)
    return [array for array in read if isinstance(array, _ndarray)]


def _leaves(roots: Iterable[Node]) -> tuple[list[Leaf], Node | None]:
    """Return the leaves that the roots depend on, and a node beyond which they are not known.

    Those beyond the inputs of a sweep are among them: a node that is swept may keep a view of an
    older leaf. What was freed is passed over.
    """
    found: list[Leaf] = []
    freed = None
    seen = set(roots)
    stack = list(seen)
    while stack:
        node = stack.pop()
        if isinstance(node, Leaf):
            found.append(node)
        if node.upstream is None:
            freed = node
        for up in node.upstream or ():
            if up is not None and up not in seen:
                seen.add(up)
                stack.append(up)
    found.sort(key=_by_order)
    return found, freed


def _perhaps_changed(node: Node, freed: Any) -> MutationError:
    op: Any = node.op
    return MutationError(
        explain(
            op.name,
            "it keeps a view of something that may have changed since: what is before it in the "
            "graph was freed, and tensors were written to",
            where=node.line,
            fix=f"the part before it was freed at {describe_line(*freed.saved)}\n"
            "       call that backward with retain_graph=True, or compute the op again",
        )
    )


def _changed(node: Node, leaf: Leaf) -> MutationError:
    op: Any = node.op
    name = f"tensor {leaf.name!r}" if leaf.name else f"tensor of shape {leaf.result.shape}"
    return MutationError(
        explain(
            op.name,
            f"a {name} was changed after this op recorded it, so its gradient would be wrong",
            where=node.line,
            fix=f"it was changed at {describe_line(*leaf.writer)}\n"
            "       call backward() before the change, or compute the op again after it",
        )
    )


def _freed(node: Node) -> FreedGraphError:
    op: Any = node.op
    return FreedGraphError(
        explain(
            op.name,
            "this part of the graph was freed by an earlier backward()",
            where=node.line,
            fix=f"it was freed at {describe_line(*node.saved)}\n"
            "       call that backward with retain_graph=True, or compute the forward pass again",
        )
    )
