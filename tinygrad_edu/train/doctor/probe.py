"""One look at a net: what is run and measured, and how everything is put back.

A `Probe` runs model and loss on a batch, notes which module made which node, sweeps back once, and
keeps what both have shown. It may run them again on other numbers; each time begins at the same
state of buffers and generators.

Knows: modules, nodes, cotangents. Does not know: what is right or wrong. Read next:
``core/graph.py`` for what a node tells, then the signs, such as ``gradients.py``.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, ancestors, reverse_sweep, tick
from tinygrad_edu.core.state import Array
from tinygrad_edu.core.tensor import Parameter, Tensor, constant
from tinygrad_edu.errors import describe_line, users_frame, users_line
from tinygrad_edu.nn import Module, default_generator
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.train.doctor.finding import layer_of
from tinygrad_edu.train.rates import norm

PASSING = ("reshape", "transpose", "swapaxes", "squeeze", "expand_dims", "ravel", "astype")
"""Rows that leave the numbers as they are."""
BEYOND = "the loss"
"""Path of what is computed outside the model."""


class State:
    """What a run of a model may change: attributes, buffers, generators; and how it is put back."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.attributes = [(module, dict(vars(module))) for module in model.modules()]
        self.buffers = [(buffer.data, buffer.data.copy()) for buffer in model.buffers()]
        generators = [default_generator(), *(rng for _, rng in model.named_generators())]
        self.generators = [(rng, copy.deepcopy(rng.bit_generator.state)) for rng in generators]

    def restore(self) -> None:
        """Put everything back."""
        for module, attributes in self.attributes:
            vars(module).clear()
            vars(module).update(attributes)
        for array, before in self.buffers:
            array[...] = before
        for rng, told in self.generators:
            rng.bit_generator.state = copy.deepcopy(told)


@dataclass
class Call:
    """One call of a module: which, from your which line, in what mode, with and with what result.

    The clock of the engine tells which nodes were made in it.
    """

    path: str
    module: Module
    training: bool
    code: CodeType
    lasti: int
    start: int
    inputs: tuple[Any, ...]
    end: int = 0
    outputs: tuple[Any, ...] = ()


class Probe:
    """Model, loss and batch, and what one run and one sweep have shown.

    Parameters
    ----------
    model, loss, optimizers, more, evaluating
        As `diagnose` takes them, with arrays in place of Tensors.
    batch : list of ndarray
        One or more inputs, then the targets.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Any],
        batch: list[Array],
        optimizers: list[Optimizer],
        more: list[list[Array]],
        evaluating: bool,
    ) -> None:
        self.state = State(model)
        self.model, self.loss, self.batch = model, loss, batch
        self.optimizers, self.more, self.evaluating = optimizers, more, evaluating
        self.here = users_line()
        self.parameters = model.named_parameters()
        self.samples = len(batch[0]) if batch[0].ndim else 0
        self.calls: list[Call] = []
        self.result: Any = None
        self.value: Array = np.zeros(())
        self.outputs: tuple[Array, ...] = ()
        self.nodes: list[Node] = []
        self.gradients: dict[int, Array] = {}
        """Gradient of each parameter by its identity; zeros where the sweep brought nothing."""
        self.arriving: list[tuple[str, float]] = []
        """Each layer with weights, from the input on, and the norm of the gradient that arrives."""
        self.cuts: list[tuple[Node, int]] = []
        """Nodes, and arguments of theirs, where a cotangent that is not zero becomes zero."""
        self._swept = False
        self._marks: tuple[list[int], list[str]] = ([], [])

    def close(self) -> None:
        """Let go of the graph, and put everything back that a run may have changed."""
        self.calls, self.nodes, self.cuts, self.result = [], [], [], None
        self.state.restore()

    # ---- running

    def forward(self, batch: Sequence[Array]) -> tuple[Any, Any]:
        """Return the model's outputs and the loss of a batch, from the state at the beginning."""
        self.state.restore()
        with watched(self.model) as self.calls:
            outputs = self.model(*map(constant, batch[:-1]))
        return outputs, self.loss(outputs, constant(batch[-1]))

    def run(self) -> None:
        """Run model and loss once, and keep the graph."""
        outputs, result = self.forward(self.batch)
        self.result = result if isinstance(result, Tensor) else Tensor(result)
        self.value = self.result.numpy().copy()
        self.outputs = tuple(array.copy() for array in arrays(outputs))
        self._note(self.result)

    def values(self, batch: Sequence[Array]) -> tuple[tuple[Array, ...], Array]:
        """Return the numbers of the model's outputs and of the loss of another batch."""
        calls = self.calls
        try:
            outputs, loss = self.forward(batch)
        finally:
            self.calls = calls
        return arrays(outputs), array_of(loss)

    @contextmanager
    def looking_at(self, batch: Sequence[Array]) -> Iterator[None]:
        """Context in which calls and nodes are those of another batch."""
        kept = self.calls, self.nodes, self._marks
        try:
            _, loss = self.forward(batch)
            self._note(loss)
            yield
        finally:
            self.calls, self.nodes, self._marks = kept

    def _note(self, result: Tensor) -> None:
        """Keep the nodes of a run, and at which time of the clock which module was running."""
        self.nodes = [] if result.node is None else ancestors(result.node)
        times = sorted(
            [(call.start, 1, call.path) for call in self.calls]
            + [(call.end, 0, call.path) for call in self.calls]
        )
        open_: list[str] = []
        marks: tuple[list[int], list[str]] = ([], [])
        for time, begins, path in times:
            if begins:
                open_.append(path)
            else:
                open_.pop()
            marks[0].append(time)
            marks[1].append(self.named(open_[-1]) if open_ else BEYOND)
        self._marks = marks

    # ---- sweeping

    def swept(self) -> bool:
        """Return whether there is a graph; it is swept when this is asked for the first time."""
        if self.result.node is None:
            return False
        if not self._swept:
            self._sweep()
            self._swept = True
        return True

    def cotangents(
        self, nodes: Sequence[Node], watch: Callable[[Node, int, Any], None]
    ) -> Mapping[Node, Any]:
        """Return the cotangents of nodes; `watch` sees each that the sweep makes."""
        root = self.result.rooted(BEYOND)
        return reverse_sweep({root: self.result.seed(None, BEYOND)}, inputs=nodes, watch=watch)

    def _sweep(self) -> None:
        """Sweep back once, and keep the gradients and what arrives at each layer."""
        leaves = {p.node: p for _, p in self.parameters if p.requires_grad}
        layers = _layers(self.nodes, leaves)
        arrived: dict[Node, Any] = {}
        alive = {self.result.rooted(BEYOND)}

        def watch(node: Node, i: int, cotangent: Any) -> None:
            up: Any = node.upstream[i]  # type: ignore[index]  # it is not freed
            if up in layers:
                arrived[up] = arrived[up] + cotangent if up in arrived else cotangent
            if cotangent.any():
                alive.add(up)
            elif node in alive:
                self.cuts.append((node, i))

        wanted = [node for node in self.nodes if node in leaves]
        found = self.cotangents(wanted, watch)
        for node in wanted:
            parameter = leaves[node]
            gradient = found.get(node)
            zero = np.zeros(parameter.shape, parameter.dtype)
            self.gradients[id(parameter)] = zero if gradient is None else gradient
        norms: dict[str, float] = {}
        for node, path in layers.items():
            norms[path] = float(np.hypot(norms.get(path, 0.0), norm(arrived.get(node))))
        self.arriving = list(norms.items())

    # ---- telling

    def named(self, path: str) -> str:
        """Return the path of a module, and the model's class for the model itself."""
        return path or type(self.model).__name__

    def part(self, i: int) -> str:
        """Return what a part of the batch is called."""
        return "the targets" if i == len(self.batch) - 1 else f"input {i}"

    def place(self, node: Node) -> tuple[str, str | None]:
        """Return the path of the module that made a node, and the user's line."""
        at = bisect_right(self._marks[0], node.order) - 1
        path = self._marks[1][at] if at >= 0 else BEYOND
        return path, self.told(node.line)

    def told(self, line: str) -> str | None:
        """Return a line, if it says more than where the doctor was called."""
        return None if line == self.here else line

    def called(self, path: str) -> str | None:
        """Return the user's line in which a module was called."""
        for call in self.calls:
            if call.path == path:
                return self.told(describe_line(call.code, call.lasti))
        return None


@contextmanager
def watched(model: Module) -> Iterator[list[Call]]:
    """Context in which every call of a module inside is noted, in the order of their beginnings."""
    calls: list[Call] = []

    def watched(path: str, module: Module) -> Callable[..., Any]:
        forward = module.forward

        def inner(*args: Any, **kwargs: Any) -> Any:
            frame = users_frame(2)
            given = (*args, *kwargs.values())
            call = Call(path, module, module.training, frame.f_code, frame.f_lasti, tick(), given)
            calls.append(call)
            try:
                found = forward(*args, **kwargs)
            finally:
                call.end = tick()
            call.outputs = tuple(_tensors(found))
            return found

        return inner

    modules = model.named_modules()
    own = [vars(module).get("forward") for _, module in modules]
    for path, module in modules:
        vars(module)["forward"] = watched(path, module)
    try:
        yield calls
    finally:
        for (_, module), before in zip(modules, own, strict=True):
            vars(module).pop("forward", None)
            if before is not None:
                vars(module)["forward"] = before


def array_of(part: Any) -> Array:
    """Return the numbers of a Tensor, or of what an array can be made of."""
    return part.numpy() if isinstance(part, Tensor) else np.asarray(part)


def _tensors(found: Any) -> Iterator[Any]:
    """Return the tensors and arrays in what a module returned."""
    if isinstance(found, (Tensor, np.ndarray)):
        yield found
    elif isinstance(found, Mapping):
        for part in found.values():
            yield from _tensors(part)
    elif isinstance(found, (tuple, list)):
        for part in found:
            yield from _tensors(part)


def arrays(found: Any) -> tuple[Array, ...]:
    """Return the numbers in what a module was given or returned."""
    return tuple(map(array_of, _tensors(found)))


def finite(array: Array) -> bool:
    """Return whether an array holds neither nan nor inf."""
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def not_finite(array: Array) -> str:
    """Return how many nan and inf an array holds, and where the first is, as text."""
    where = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
    count = int(np.count_nonzero(~np.isfinite(array)))
    return f"{count} of {array.size} are not finite, the first is {array[where]} at {list(where)}"


def value_of(node: Node) -> Any:
    """Return the array that a node made, if the graph kept it or what it was made of."""
    if isinstance(node.result, np.ndarray):
        return node.result
    op: Any = node.op
    given = [p for p in node.primals if isinstance(p, (np.ndarray, int, float, np.generic))]
    if op.kind == "elementwise" and len(given) == len(node.primals):
        return np.asarray(op.forward(*node.primals, **node.params))
    return None


def equal(these: Sequence[Array], those: Sequence[Array]) -> bool:
    """Return whether two runs gave the same arrays, number by number."""
    return len(these) == len(those) and all(map(np.array_equal, these, those))


def _layers(nodes: Sequence[Node], leaves: Mapping[Any, Parameter]) -> dict[Node, str]:
    """Return the nodes in which a weight meets data, in order, with the path of their layer."""
    owned: dict[Node, str] = {}
    found: dict[Node, str] = {}
    for node in nodes:
        if node.op is None:
            if node in leaves and leaves[node].ndim > 1:
                owned[node] = layer_of(leaves[node].name)
            continue
        upstream = [up for up in node.upstream or () if up is not None]
        owners = [owned[up] for up in upstream if up in owned]
        if len(upstream) == len(owners) == 1 and node.op.name in PASSING:
            owned[node] = owners[0]  # such as the weight's transpose
        elif owners:
            found[node] = owners[0]
    return found
