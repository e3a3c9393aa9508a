"""The gradient doctor: one batch through a net, and what is wrong with what came back.

`diagnose` runs model and loss on a batch, reads the recorded graph and the cotangents of one sweep,
and runs them again with one thing changed where only that can tell. It returns findings: the layer,
the user's line, the numbers measured, the fix. Model, generators, gradients and optimizer are given
back as they were. `GradientDoctor` does it during a training.

Knows: modules, nodes of the graph, optimizers by what they can do. Does not know: the nets of
``models/``. Read next: ``core/graph.py`` for what a node tells, ``callbacks.py`` for the callback.
"""

from __future__ import annotations

import copy
import textwrap
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.core.graph import Node, ancestors, reverse_sweep, tick
from tinygrad_edu.core.state import Array, live
from tinygrad_edu.core.switch import enable_grad
from tinygrad_edu.core.tensor import Parameter, Tensor, constant
from tinygrad_edu.errors import (
    LabelError,
    LayerError,
    OptimizerError,
    PrecisionWarning,
    TrainingError,
    describe_line,
    users_frame,
    users_line,
)
from tinygrad_edu.nn import Module, default_generator
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.train.callbacks import Callback

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["Finding", "GradientDoctor", "diagnose", "report"]

SEVERITIES = ("error", "warning", "note")

ENOUGH = 8
"""Numbers of a unit that must all be 0 (or saturated) before that is more than chance."""
DEAD = 0.8
"""Share of dead units of a layer that is told; after He's initial values half may be, by chance."""
SATURATED = 0.5
SLOPE = 0.04
"""Share of its largest slope below which a sigmoid or tanh is saturated."""
VANISHED, EXPLODED = 1e-4, 1e3
"""Gradient at the first layer, divided by that at the last, of a net of at least three layers."""
LARGE_INPUT = 10.0
"""Root mean square of inputs that nobody scaled; standardised ones have 1, images at most 1."""
LARGE_STEP, SMALL_STEP = 1.0, 1e-6
"""Change of a layer's weights by one step, divided by their norm; usual is about 1e-3."""
ONE_CLASS = 16
"""Labels that must be equal before that is more than chance."""

NORMALISING = ("BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "InstanceNorm2d", "RMSNorm")
RANDOM = ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise")
PASSING = ("reshape", "transpose", "swapaxes", "squeeze", "expand_dims", "ravel", "astype")
"""Rows that leave the numbers as they are."""
TWICE = {
    "softmax_cross_entropy": ("softmax", "log_softmax"),
    "softmax_focal_loss": ("softmax", "log_softmax"),
    "softmax": ("softmax", "log_softmax"),
    "log_softmax": ("softmax", "log_softmax"),
    "binary_cross_entropy_with_logits": ("sigmoid",),
    "sigmoid_focal_loss": ("sigmoid",),
}
"""Rows that take logits, and what must not have been applied to them."""
CLASSES = ("softmax_cross_entropy", "softmax_focal_loss", "nll_loss", "multi_margin_loss")
BEYOND = "the loss"
"""Path of what is computed outside the model."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a net, a batch, a loss or an optimizer.

    Attributes
    ----------
    kind : str
        What it is, as a name: ``"dead units"``, ``"vanishing gradient"``, ...
    severity : {"error", "warning", "note"}
        Whether the net cannot learn like that, learns badly, or does what you may have wanted.
    path : str
        The layer, such as ``layers.2``, or what else it is about.
    found : str
        What was measured, in a sentence.
    fix : str
        What to do about it.
    line : str or None
        Your line, if it is another one than that of the call to the doctor.
    numbers : mapping
        What was measured, by name.
    """

    kind: str
    severity: str
    path: str
    found: str
    fix: str
    line: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.kind} in {self.path}", _wrapped(self.found)]
        lines += [f"  at {self.line}"] if self.line else []
        return "\n".join([*lines, _wrapped(f"fix: {self.fix}")])


def _wrapped(text: str) -> str:
    """Return a sentence in lines of at most a hundred characters."""
    return textwrap.fill(
        text, 100, initial_indent="  ", subsequent_indent="       ", break_on_hyphens=False
    )


def report(findings: Sequence[Finding]) -> str:
    """Return findings as text: a block each, the most severe first, and one line at the end."""
    counts = [
        f"{count} {severity}{'s' if count > 1 else ''}"
        for severity in SEVERITIES
        if (count := sum(finding.severity == severity for finding in findings))
    ]
    summary = f"gradient doctor: {', '.join(counts) or 'nothing found'}"
    return "\n\n".join([*map(str, _sorted(findings)), summary])


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


# ------------------------------------------------------------------------------ the call


def diagnose(
    model: Module,
    loss: Callable[[Any, Any], Any],
    *batch: Any,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    more: Sequence[Sequence[Any]] = (),
    evaluating: bool = False,
) -> list[Finding]:
    """Return what is wrong with a net on a batch, the most severe first; nothing is changed.

    A finding that follows from another one is left out: of a net whose units are all dead it is not
    told that its gradients are zero.

    Parameters
    ----------
    model : Module
        In the mode in which it is to be looked at; new modules are in training mode.
    loss : callable
        Called with the model's results and the targets; returns a scalar Tensor.
    *batch : array_like
        One or more inputs, then the targets. A few dozen samples tell more than a few.
    optimizer : Optimizer or several, optional
        Then the size of a step is measured too, and whether two optimizers share a parameter.
    more : sequence of batches
        Further batches: units that live on any of them are not dead.
    evaluating : bool
        Whether the model is about to be evaluated, so that it should be in evaluation mode.

    Returns
    -------
    list of Finding
        Empty for a healthy net.

    Raises
    ------
    TrainingError
        `model` is no module, or the batch has no inputs or no targets.

    Examples
    --------
    >>> from tinygrad_edu.nn import CrossEntropyLoss, Linear, ReLU, Sequential
    >>> net = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 3, rng=0))
    >>> x = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)
    >>> diagnose(net, CrossEntropyLoss(), x, np.arange(32) % 3)
    []
    >>> net[0].bias.data[:] = -100
    >>> print(report(diagnose(net, CrossEntropyLoss(), x, np.arange(32) % 3)))
    error: dead units in 1
      8 of 8 units of relu are 0 for all 32 samples, so nothing passes and no gradient comes back
      fix: look at the biases and at the step size that drove them there; initial weights "he", a
           smaller learning rate, or leaky_relu help
    <BLANKLINE>
    gradient doctor: 1 error
    """
    if not isinstance(model, Module):
        raise TrainingError(
            f"diagnose: found a {type(model).__name__}; expected a Module\n"
            "  fix: call it as diagnose(model, loss, inputs, labels)"
        )
    if len(batch) < 2:
        raise TrainingError(
            f"diagnose: found a batch of {len(batch)} arrays; expected inputs and targets\n"
            "  fix: call it as diagnose(model, loss, inputs, labels)"
        )
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer or ())
    state = _State(model)
    probe = _Probe(model, loss, [_array(part) for part in batch], optimizers, state)
    try:
        with enable_grad(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", PrecisionWarning)
            return _sorted(_examine(probe, [list(map(_array, b)) for b in more], evaluating))
    finally:
        probe.forget()
        state.restore()


def _array(part: Any) -> Array:
    return part.numpy() if isinstance(part, Tensor) else np.asarray(part)


def _examine(probe: _Probe, more: Sequence[Sequence[Any]], evaluating: bool) -> list[Finding]:
    """Return all findings, each check once those have passed that it relies on."""
    found = [*_modes(probe, evaluating), *_shared_parameters(probe), *_frozen(probe)]
    broken = _broken_numbers(probe)
    if broken:
        return found + broken
    try:
        probe.run()
    except LabelError as error:
        return [*found, _wrong_labels(error, probe.here)]
    except LayerError:
        alone = _alone_in_batch_norm(probe)
        if not alone:
            raise
        return found + alone
    found += _alone_in_batch_norm(probe)
    broken = _broken_activations(probe)
    if broken:
        return found + broken
    if probe.result.node is None:
        return found + _without_gradient(probe)
    probe.sweep()
    broken = _broken_gradients(probe)
    if broken:
        return found + broken
    crossed = _broadcasts(probe)
    found += [*crossed, *_promotions(probe), *_twice(probe)]
    found += [*_large_inputs(probe), *_one_class(probe)]
    unscaled = any(finding.kind == "inputs not scaled" for finding in found)
    dead = _dead_units(probe, more)
    depth = [] if dead else _depth(probe)
    still = _constant_output(probe)
    zero = _zero_gradients(probe)
    blank = any(finding.numbers.get("zero_weights") for finding in zero)
    saturated = [] if unscaled else _saturated_units(probe, more)
    found += dead + depth + saturated
    choked = bool(saturated) or any(finding.severity == "error" for finding in dead)
    if not (choked or depth):
        found += zero if blank or not still else still
    found += _without_gradient(probe)
    if not (choked or still):
        found += _unused_inputs(probe)
        found += [] if crossed else _unused_targets(probe)
    found += _random_in_evaluation(probe)
    if not unscaled and not depth:
        found += _step_size(probe)
    return found


# ------------------------------------------------------------------------------ looking


class _State:
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
class _Call:
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


class _Probe:
    """Model, loss and batch, and what one run and one sweep have shown."""

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Any],
        batch: list[Array],
        optimizers: list[Optimizer],
        state: _State,
    ) -> None:
        self.model, self.loss, self.batch = model, loss, batch
        self.optimizers, self.state = optimizers, state
        self.here = users_line()
        self.parameters = model.named_parameters()
        self.samples = len(batch[0]) if batch[0].ndim else 0
        self.calls: list[_Call] = []
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
        self._marks: tuple[list[int], list[str]] = ([], [])

    # ---- running

    def forward(self, batch: Sequence[Array]) -> tuple[Any, Any]:
        """Return the model's outputs and the loss of a batch, from the state at the beginning."""
        self.state.restore()
        with _watched(self.model) as self.calls:
            outputs = self.model(*map(constant, batch[:-1]))
        return outputs, self.loss(outputs, constant(batch[-1]))

    def values(self, batch: Sequence[Array]) -> tuple[tuple[Array, ...], Array]:
        """Return the numbers of the model's outputs and of the loss of a batch."""
        outputs, loss = self.forward(batch)
        return _arrays(outputs), _array(loss)

    def run(self) -> None:
        """Run model and loss once, and keep the graph."""
        outputs, self.result = self.forward(self.batch)
        if not isinstance(self.result, Tensor):
            self.result = Tensor(self.result)
        self.value = self.result.numpy().copy()
        self.outputs = tuple(array.copy() for array in _arrays(outputs))
        self.nodes = [] if self.result.node is None else ancestors(self.result.node)
        self.mark()

    def mark(self) -> None:
        """Note at which time of the clock which module was running."""
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

    def sweep(self) -> None:
        """Sweep back once, and keep the gradients and what arrives at each layer."""
        leaves = {p.node: p for _, p in self.parameters if p.requires_grad}
        root = self.result.rooted("diagnose")
        layers = _layers(self.nodes, leaves)
        arrived: dict[Node, Any] = {}
        alive = {root}

        def watch(node: Node, i: int, cotangent: Any) -> None:
            up: Any = node.upstream[i]  # type: ignore[index]  # it is not freed
            if up in layers:
                arrived[up] = arrived[up] + cotangent if up in arrived else cotangent
            if cotangent.any():
                alive.add(up)
            elif node in alive:
                self.cuts.append((node, i))

        wanted = [node for node in self.nodes if node in leaves]
        found = reverse_sweep(
            {root: self.result.seed(None, "diagnose")}, inputs=wanted, watch=watch
        )
        for node in wanted:
            parameter = leaves[node]
            gradient = found.get(node)
            zero = np.zeros(parameter.shape, parameter.dtype)
            self.gradients[id(parameter)] = zero if gradient is None else gradient
        norms: dict[str, float] = {}
        for node, path in layers.items():
            norms[path] = float(np.hypot(norms.get(path, 0.0), _norm(arrived.get(node))))
        self.arriving = list(norms.items())

    def forget(self) -> None:
        """Let go of the graph."""
        self.calls, self.nodes, self.cuts, self.result = [], [], [], None

    # ---- telling

    def named(self, path: str) -> str:
        """Return the path of a module, and the model's class for the model itself."""
        return path or type(self.model).__name__

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
def _watched(model: Module) -> Iterator[list[_Call]]:
    """Context in which every call of a module inside is noted, in the order of their beginnings."""
    calls: list[_Call] = []

    def watched(path: str, module: Module) -> Callable[..., Any]:
        forward = module.forward

        def inner(*args: Any, **kwargs: Any) -> Any:
            frame = users_frame(2)
            given = (*args, *kwargs.values())
            call = _Call(path, module, module.training, frame.f_code, frame.f_lasti, tick(), given)
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


def _arrays(found: Any) -> tuple[Array, ...]:
    return tuple(map(_array, _tensors(found)))


def _norm(array: Any) -> float:
    return 0.0 if array is None else float(np.linalg.norm(np.asarray(array, np.float64).ravel()))


def _layers(nodes: Sequence[Node], leaves: Mapping[Any, Parameter]) -> dict[Node, str]:
    """Return the nodes in which a weight meets data, in order, with the path of their layer."""
    owned: dict[Node, str] = {}
    found: dict[Node, str] = {}
    for node in nodes:
        if node.op is None:
            if node in leaves and leaves[node].ndim > 1:
                owned[node] = _layer(leaves[node].name)
            continue
        upstream = [up for up in node.upstream or () if up is not None]
        owners = [owned[up] for up in upstream if up in owned]
        if len(upstream) == len(owners) == 1 and node.op.name in PASSING:
            owned[node] = owners[0]  # such as the weight's transpose
        elif owners:
            found[node] = owners[0]
    return found


def _layer(name: str) -> str:
    """Return the path of the module that a parameter belongs to."""
    return name.rpartition(".")[0] or name


def _few(names: Sequence[str]) -> str:
    """Return names as text, at most four of them."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def _finite(array: Array) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _wrong(array: Array) -> str:
    """Return which of nan and inf an array holds, and where the first is."""
    where = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
    count = int(np.count_nonzero(~np.isfinite(array)))
    return f"{count} of {array.size} are not finite, the first is {array[where]} at {list(where)}"


def _value(node: Node) -> Any:
    """Return the array that a node made, if the graph kept it or what it was made of."""
    if isinstance(node.result, np.ndarray):
        return node.result
    op: Any = node.op
    arrays = [p for p in node.primals if isinstance(p, (np.ndarray, int, float, np.generic))]
    if op.kind == "elementwise" and len(arrays) == len(node.primals):
        return np.asarray(op.forward(*node.primals, **node.params))
    return None


# ------------------------------------------------------------------------------ before the run


def _modes(probe: _Probe, evaluating: bool) -> list[Finding]:
    """Look for layers in training mode where the model is evaluated."""
    model = probe.model
    kinds = (*RANDOM, *NORMALISING[:2])
    active = [
        probe.named(path)
        for path, module in model.named_modules()
        if module.training and any(base.__name__ in kinds for base in type(module).__mro__)
    ]
    if not active or (model.training and not evaluating):
        return []
    what = "the model is evaluated" if evaluating else "the model is in evaluation mode"
    return [
        Finding(
            "training mode in evaluation",
            "error",
            _few(active),
            f"{what}, and {len(active)} of its dropout or batch normalisation layers are in "
            "training mode",
            "call model.eval() before, which sets all layers inside; model.train() afterwards",
            None,
            {"layers": len(active)},
        )
    ]


def _shared_parameters(probe: _Probe) -> list[Finding]:
    """Look for parameters of several optimizers."""
    owners: dict[int, list[str]] = {}
    names: dict[int, str] = {}
    for optimizer in probe.optimizers:
        for name, parameter in _owned(optimizer):
            owners.setdefault(id(parameter), []).append(type(optimizer).__name__)
            names[id(parameter)] = name
    shared = [names[key] for key, kinds in owners.items() if len(kinds) > 1]
    if not shared:
        return []
    return [
        Finding(
            "parameter of two optimizers",
            "error",
            _few(shared),
            f"{len(shared)} parameters are moved by "
            f"{' and '.join(next(kinds for kinds in owners.values() if len(kinds) > 1))}: each "
            "step is made twice, with two states",
            "give each parameter to one optimizer",
            None,
            {"parameters": len(shared)},
        )
    ]


def _frozen(probe: _Probe) -> list[Finding]:
    """Look for parameters that are frozen."""
    frozen = [name for name, p in probe.parameters if not p.requires_grad]
    if not frozen:
        return []
    everything = len(frozen) == len(probe.parameters)
    layers = list(dict.fromkeys(map(_layer, frozen)))
    return [
        Finding(
            "frozen parameters",
            "error" if everything else "note",
            _few(layers),
            f"{len(frozen)} of {len(probe.parameters)} parameters are frozen: {_few(frozen)}",
            "requires_grad_(True) thaws them; leave them so if they are meant to stay",
            None,
            {"frozen": len(frozen), "parameters": len(probe.parameters)},
        )
    ]


def _broken_numbers(probe: _Probe) -> list[Finding]:
    """Look for nan and inf in what the run would start from."""
    broken = [name for name, p in probe.parameters if not _finite(live(p))]
    if broken:
        first = dict(probe.parameters)[broken[0]]
        return [
            Finding(
                "nan or inf in parameters",
                "error",
                _few(list(dict.fromkeys(map(_layer, broken)))),
                f"of the numbers in {broken[0]} {_wrong(live(first))}",
                "start anew, or from an earlier checkpoint, with a smaller learning rate; "
                "detect_anomaly() names the op that makes the first one",
                None,
                {"parameters": len(broken)},
            )
        ]
    for i, array in enumerate(probe.batch):
        if not _finite(array):
            name = _input(probe, i)
            return [
                Finding(
                    "nan or inf in the batch",
                    "error",
                    name,
                    f"of its numbers {_wrong(array)}",
                    "look at the data: a missing value, a division by a deviation of 0?",
                    None,
                    {"count": int(np.count_nonzero(~np.isfinite(array)))},
                )
            ]
    return []


def _input(probe: _Probe, i: int) -> str:
    return "the targets" if i == len(probe.batch) - 1 else f"input {i}"


# ------------------------------------------------------------------------------ of the run


def _wrong_labels(error: LabelError, here: str) -> Finding:
    """Return the finding of labels that a loss refused."""
    head, *rest = str(error).splitlines()
    said = {line.strip().partition(" ")[0]: line.strip() for line in rest}
    line = said.get("at", "").removeprefix("at ")
    return Finding(
        "labels out of range",
        "error",
        BEYOND,
        head.partition(": ")[2],
        said.get("fix:", "").removeprefix("fix: ") or "number the classes from 0",
        line if line and line != here else None,
    )


def _alone_in_batch_norm(probe: _Probe) -> list[Finding]:
    """Look for batch normalisation in training with one number of each feature."""
    for call in probe.calls:
        module = call.module
        if not call.training or not any(
            base.__name__ in NORMALISING[:2] for base in type(module).__mro__
        ):
            continue
        shape = np.shape(call.inputs[0])
        if len(shape) < 2 or np.prod(shape) // shape[1] > 1:
            continue
        return [_alone(probe.named(call.path), probe.called(call.path), shape)]
    for node in probe.nodes:
        if node.op is not None and node.op.name == "batch_norm" and node.upstream:
            shape = node.result.shape
            own = len(node.primals) < 4 or node.primals[3] is None
            if own and len(shape) > 1 and np.prod(shape) // shape[1] < 2:
                return [_alone(*probe.place(node), shape)]
    return []


def _alone(path: str, line: str | None, shape: tuple[int, ...]) -> Finding:
    return Finding(
        "batch norm of one",
        "error",
        path,
        f"an input of shape {shape} has one number of each feature: minus its own mean it is 0, "
        "whatever it was",
        "train with batches of at least two, a loader with last='drop'; eval() for one sample",
        line,
        {"shape": shape},
    )


def _broken_activations(probe: _Probe) -> list[Finding]:
    """Look for the first nan or inf that the run made."""
    if _finite(probe.value) and all(map(_finite, probe.outputs)):
        nans = [call for call in probe.calls for out in call.outputs if _nan(_array(out))]
        if not nans:
            return []  # an inf inside that does not come out is a mask
    for node in probe.nodes:
        value = None if node.op is None else _value(node)
        if value is not None and not _finite(value):
            op: Any = node.op
            path, line = probe.place(node)
            found = f"of the results of {op.name} {_wrong(value)}"
            return [_broken("activations", path, found, line)]
    for call in sorted(probe.calls, key=lambda call: call.end):
        for out in call.outputs:
            if not _finite(_array(out)):
                found = f"of its results {_wrong(_array(out))}"
                line = probe.called(call.path)
                return [_broken("activations", probe.named(call.path), found, line)]
    return [_broken("activations", BEYOND, f"the loss is {probe.value}", None)]


def _nan(array: Array) -> bool:
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())


def _broken(what: str, path: str, found: str, line: str | None) -> Finding:
    return Finding(
        f"nan or inf in {what}",
        "error",
        path,
        found,
        "look for log of 0, a division by 0, sqrt at 0, exp of a large number; detect_anomaly() "
        "stops at the op",
        line,
    )


def _broken_gradients(probe: _Probe) -> list[Finding]:
    """Look for nan and inf that only the sweep made."""
    names = {id(p): name for name, p in probe.parameters}
    broken = [names[key] for key, gradient in probe.gradients.items() if not _finite(gradient)]
    if not broken:
        return []
    wrong = next(g for g in probe.gradients.values() if not _finite(g))
    paths = _few(list(dict.fromkeys(map(_layer, broken))))
    made: list[tuple[Node, int]] = []

    def watch(node: Node, i: int, cotangent: Any) -> None:
        if not made and not _finite(np.asarray(cotangent)):
            made.append((node, i))

    root = probe.result.rooted("diagnose")
    reverse_sweep({root: probe.result.seed(None, "diagnose")}, inputs=probe.nodes, watch=watch)
    found, line = f"of the gradient of {broken[0]} {_wrong(wrong)}", None
    if made:
        path, line = probe.place(made[0][0])
        op: Any = made[0][0].op
        found += f"; the first comes from the slope of {op.name} in {path}"
    return [_broken("gradients", paths, found, line)]


# ------------------------------------------------------------------------------ of the graph


def _broadcasts(probe: _Probe) -> list[Finding]:
    """Look for (n, 1) against (n,), which makes (n, n)."""
    n = probe.samples
    for node in probe.nodes:
        if node.op is None or node.op.kind != "elementwise" or len(node.primals) < 2:
            continue
        shapes = [np.shape(primal) for primal in node.primals]
        if n > 1 and (n, 1) in shapes and (n,) in shapes:
            path, line = probe.place(node)
            return [
                Finding(
                    "accidental broadcast",
                    "error",
                    path,
                    f"{node.op.name} of {' and '.join(map(str, shapes))} makes {(n, n)}: each "
                    "sample meets each other one",
                    "give both one shape, as in t[:, None] or y[:, 0]",
                    line,
                    {"shapes": shapes},
                )
            ]
    return []


def _promotions(probe: _Probe) -> list[Finding]:
    """Look for rows that made float64 of float32."""
    wide, narrow = np.dtype(np.float64), np.dtype(np.float32)
    for node in probe.nodes:
        if node.op is None or node.result.dtype != wide or node.op.name in ("astype", "cast"):
            continue
        ups = [up for up in node.upstream or () if up is not None]
        came_wide = any(up.op is not None and up.result.dtype == wide for up in ups)
        if came_wide or not any(up.result.dtype == narrow for up in ups):
            continue
        path, line = probe.place(node)
        names = node.op.arguments * len(ups) if node.op.variadic else node.op.arguments
        cause = [
            f"{name} {np.shape(primal)}"
            for name, primal in zip(names, node.primals, strict=False)
            if getattr(primal, "dtype", None) == wide
        ]
        return [
            Finding(
                "float64 from float32",
                "warning",
                path,
                f"{node.op.name} met a float64 value ({_few(cause)}), and everything after it is "
                "computed in float64, at half the speed",
                "convert it once, as in x.astype(np.float32); np.float64 numbers count too",
                line,
                {"op": node.op.name},
            )
        ]
    return []


def _twice(probe: _Probe) -> list[Finding]:
    """Look for a softmax, or a sigmoid, of what is one already."""
    for node in probe.nodes:
        if node.op is None or node.op.name not in TWICE:
            continue
        up = node.upstream[0] if node.upstream else None
        while up is not None and up.op is not None and up.op.name in PASSING:
            up = up.upstream[0] if up.upstream else None
        if up is None or up.op is None:
            continue
        first = up.op.name if up.op.name != "linear" else up.params.get("activation")
        if first not in TWICE[node.op.name]:
            continue
        path, line = probe.place(up)
        harmless = first == "log_softmax"
        return [
            Finding(
                f"{'softmax' if 'softmax' in first else 'sigmoid'} twice",
                "warning" if harmless else "error",
                path,
                f"{node.op.name} takes logits, and {first} was applied to them before: "
                + (
                    "log_softmax again changes nothing, at a cost"
                    if harmless
                    else "numbers in [0, 1] can never say that they are sure"
                ),
                f"leave the {first} of the model out; apply it where probabilities are shown",
                line,
                {"first": first, "second": node.op.name},
            )
        ]
    return []


def _large_inputs(probe: _Probe) -> list[Finding]:
    """Look for inputs that nobody scaled."""
    leaf = next((call for call in probe.calls if not call.module.children()), None)
    if leaf is not None and type(leaf.module).__name__ in NORMALISING:
        return []
    tables = ("Embedding", "EmbeddingBag")
    indexed = any(type(call.module).__name__ in tables for call in probe.calls)
    for i, array in enumerate(probe.batch[:-1]):
        if array.size == 0 or array.dtype.kind not in ("f" if indexed else "fiu"):
            continue
        size = float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))
        if size > LARGE_INPUT:
            low, high = float(array.min()), float(array.max())
            bytes_ = low >= 0 and 200 < high <= 255
            return [
                Finding(
                    "inputs not scaled",
                    "warning",
                    f"input {i}",
                    f"values from {low:g} to {high:g}, root mean square {size:.3g}",
                    "divide pixels by 255"
                    if bytes_
                    else "standardise: subtract the training set's mean, divide by its deviation",
                    None,
                    {"rms": size, "low": low, "high": high},
                )
            ]
    return []


def _one_class(probe: _Probe) -> list[Finding]:
    """Look for a batch in which all labels are equal."""
    targets = probe.batch[-1]
    if not any(node.op is not None and node.op.name in CLASSES for node in probe.nodes):
        return []
    labels = targets
    if probe.outputs and targets.shape == probe.outputs[0].shape:
        labels = targets.argmax(axis=-1)
    if labels.size < ONE_CLASS or labels.min() != labels.max():
        return []
    return [
        Finding(
            "one class only",
            "warning",
            "the targets",
            f"all {labels.size} labels of the batch are {labels.flat[0]}",
            "shuffle the samples: data sorted by class teach one class after the other",
            None,
            {"labels": labels.size},
        )
    ]


# ------------------------------------------------------------------------------ units


@dataclass
class _Units:
    """The units of one activation: which have been seen in the state that is looked for."""

    node: Node
    path: str
    line: str | None
    op: str
    numbers: int
    always: Array


def _activation(node: Node) -> str | None:
    """Return the activation that a node applies: "relu", "sigmoid", "tanh", or None."""
    op: Any = node.op
    if op.name == "maximum":
        constants = [
            primal
            for primal, up in zip(node.primals, node.upstream or (), strict=False)
            if up is None
        ]
        return "relu" if constants and np.size(constants[0]) == 1 and not constants[0] else None
    name = node.params.get("activation", op.name) if node.params else op.name
    return "relu" if name == "relu6" else name


def _units(probe: _Probe, which: Callable[[str, Array], Array | None]) -> dict[Any, _Units]:
    """Return, for each activation, the units for which `which` holds on every sample.

    Parameters
    ----------
    probe : _Probe
        After a run.
    which : callable
        Takes the activation's name and its values; returns truth values, or None to pass it over.
    """
    found: dict[Any, _Units] = {}
    for node in probe.nodes:
        name = None if node.op is None else _activation(node)
        if name not in ("relu", "sigmoid", "tanh"):
            continue
        value = _value(node)
        marked = None if value is None or value.ndim < 2 else which(name, value)
        if marked is None:
            continue
        axis = _units_axis(node)
        rest = tuple(i for i in range(marked.ndim) if i != axis % marked.ndim)
        path, line = probe.place(node)
        always = np.asarray(marked.all(axis=rest))
        count = sum(key[:2] == (path, name) for key in found)
        numbers = marked.size // max(1, always.size)
        found[path, name, count] = _Units(node, path, line, name, numbers, always)
    return found


def _units_axis(node: Node) -> int:
    """Return the axis of the units: channels of a convolution, else the last one."""
    up: Node | None = node
    while up is not None and up.op is not None:
        if "conv" in up.op.name or up.op.name in ("max_pool", "avg_pool"):
            return 1
        if up.op.kind != "elementwise" and up.op.group != "normalization":
            break
        up = up.upstream[0] if up.upstream else None
    return -1


def _over_batches(
    probe: _Probe,
    more: Sequence[Sequence[Any]],
    which: Callable[[str, Array], Array | None],
) -> list[_Units]:
    """Return the activations with the units for which `which` holds on all batches."""
    units = _units(probe, which)
    first = probe.nodes, probe.calls, probe._marks
    try:
        for batch in more if units else ():
            _, loss = probe.forward(batch)
            probe.nodes = [] if loss.node is None else ancestors(loss.node)
            probe.mark()
            for key, other in _units(probe, which).items():
                mine = units.get(key)
                if mine is not None and mine.always.shape == other.always.shape:
                    mine.always = mine.always & other.always
                    mine.numbers += other.numbers
    finally:
        probe.nodes, probe.calls, probe._marks = first
    return [found for found in units.values() if found.numbers >= ENOUGH]


def _dead_units(probe: _Probe, more: Sequence[Sequence[Any]]) -> list[Finding]:
    """Look for rectified units that are 0 for every sample."""
    found = []
    for units in _over_batches(probe, more, lambda name, y: y <= 0 if name == "relu" else None):
        dead, count = int(units.always.sum()), units.always.size
        if dead < DEAD * count:
            continue
        everything = dead == count
        samples = probe.samples + sum(len(batch[0]) for batch in more)
        found.append(
            Finding(
                "dead units",
                "error" if everything else "warning",
                units.path,
                f"{dead} of {count} units of {units.op} are 0 for all {samples} samples, so "
                + ("nothing passes and no gradient comes back" if everything else "they do not "
                   "learn"),
                "look at the biases and at the step size that drove them there; initial weights "
                '"he", a smaller learning rate, or leaky_relu help',
                units.line,
                {"dead": dead, "units": count, "share": dead / count},
            )
        )  # fmt: skip
        if everything:
            break  # what comes behind it is a consequence
    return found


def _saturated_units(probe: _Probe, more: Sequence[Sequence[Any]]) -> list[Finding]:
    """Look for sigmoids and tanhs that are flat for every sample; those of the output may be."""
    inner = _inner(probe.nodes)

    def flat(name: str, y: Array) -> Array | None:
        if name == "relu":
            return None
        return np.asarray((4 * y * (1 - y) if name == "sigmoid" else 1 - y * y) < SLOPE)

    found = []
    for units in _over_batches(probe, more, flat):
        saturated, count = int(units.always.sum()), units.always.size
        if saturated < SATURATED * count or units.node not in inner:
            continue
        found.append(
            Finding(
                "saturated units",
                "warning",
                units.path,
                f"{saturated} of {count} units of {units.op} have less than {SLOPE:.0%} of their "
                "largest slope on every sample, so hardly a gradient comes through",
                'smaller initial weights ("xavier"), scaled inputs, or ReLU',
                units.line,
                {"saturated": saturated, "units": count, "share": saturated / count},
            )
        )
    return found


def _inner(nodes: Sequence[Node]) -> set[Node]:
    """Return the nodes whose results meet a weight later on."""
    inner: set[Node] = set()
    for node in reversed(nodes):
        ups = [up for up in node.upstream or () if up is not None]
        weighted = any(up.op is None and len(up.result.shape) > 1 for up in ups)
        if weighted or node in inner:
            inner.update(ups)
    return inner


# ------------------------------------------------------------------------------ gradients


def _depth(probe: _Probe) -> list[Finding]:
    """Look for gradients that shrink or grow from the last layer to the first."""
    if len(probe.arriving) < 3:
        return []
    (path, first), (_, last) = probe.arriving[0], probe.arriving[-1]
    if last == 0:
        return []
    ratio = first / last
    shrinking = [norm / last for _, norm in probe.arriving if norm > 0]
    vanishing = ratio < VANISHED and min(shrinking) < VANISHED
    if not vanishing and ratio < EXPLODED:
        return []
    shown = [f"{path} {norm:.2g}" for path, norm in probe.arriving]
    if len(shown) > 6:
        shown = [*shown[:3], "...", *shown[-2:]]
    return [
        Finding(
            "vanishing gradient" if vanishing else "exploding gradient",
            "warning",
            path,
            f"the gradient that arrives there is {ratio:.2g} of the one at the last layer: "
            + ", ".join(shown),
            'ReLU with initial weights "he", batch normalisation, or residual connections; a '
            "sigmoid takesat least three quarters of the gradient in each layer"
            if vanishing
            else 'smaller initial weights ("he" for ReLU, "xavier"), normalisation, clipping',
            probe.called(path),
            {"ratio": ratio, "layers": len(probe.arriving)},
        )
    ]


def _zero_gradients(probe: _Probe) -> list[Finding]:
    """Look for parameters that get a gradient of nothing but zeros."""
    zero = [
        (name, p)
        for name, p in probe.parameters
        if id(p) in probe.gradients and p.size and not probe.gradients[id(p)].any()
    ]
    if not zero:
        return []
    names = [name for name, _ in zero]
    layers = list(dict.fromkeys(map(_layer, names)))
    weights = [p for _, p in probe.parameters if p.ndim > 1]
    blank = bool(weights) and not any(live(p).any() for p in weights)
    found = f"{len(zero)} of {len(probe.parameters)} parameters get zeros only: {_few(names)}"
    fix = "look at what lies between them and the loss: a factor of 0, steps, clipping"
    line = None
    if blank:
        found += "; all weights are 0"
        fix = 'draw the weights at random, as "he" and "xavier" do; zeros are for biases'
    else:
        cut = _cut(probe, [p.node for _, p in zero])
        if cut is not None:
            path, line = probe.place(cut)
            op: Any = cut.op
            found += f"; the gradient becomes 0 at {op.name} in {path}"
    return [
        Finding(
            "gradients all zero",
            "error",
            _few(layers),
            found,
            fix,
            line,
            {"parameters": len(zero), "zero_weights": blank},
        )
    ]


def _cut(probe: _Probe, leaves: Sequence[Any]) -> Node | None:
    """Return the node nearest to the loss at which the gradient of the leaves becomes zero."""
    for node, i in probe.cuts[:20]:
        up = (node.upstream or ())[i]
        if up is not None and any(leaf in leaves for leaf in ancestors(up)):
            return node
    return None


def _without_gradient(probe: _Probe) -> list[Finding]:
    """Look for parameters from which no path leads to the loss, and tell why."""
    nodes = set(probe.nodes)
    missing: dict[str, list[tuple[str, Parameter]]] = {}
    for name, p in probe.parameters:
        if p.requires_grad and p.node not in nodes:
            missing.setdefault(_layer(name), []).append((name, p))
    never: list[str] = []
    detached: list[str] = []
    for layer, members in missing.items():
        used = _matters(probe, [p for _, p in members])
        (detached if used else never).extend([layer])
    found = []
    if detached:
        found.append(
            Finding(
                "detached parameters",
                "error",
                _few(detached),
                "they change the loss, but no gradient comes back: "
                f"{_few(_names(missing, detached))}",
                "the graph is cut between them and the loss: detach(), numpy(), item(), no_grad(), "
                "Tensor(...)of a result, or an op without a slope (argmax, round, sign, "
                "a comparison)",
                probe.called(detached[0]),
                {"parameters": len(_names(missing, detached))},
            )
        )
    if never:
        found.append(
            Finding(
                "unused parameters",
                "error",
                _few(never),
                f"the loss is the same whatever they are: {_few(_names(missing, never))}",
                "use the layer in forward(), or take it out of the model",
                probe.called(never[0]),
                {"parameters": len(_names(missing, never))},
            )
        )
    return found


def _names(missing: Mapping[str, list[tuple[str, Parameter]]], layers: Sequence[str]) -> list[str]:
    return [name for layer in layers for name, _ in missing[layer]]


def _matters(probe: _Probe, parameters: Sequence[Parameter]) -> bool:
    """Return whether the loss or an output changes when parameters do."""
    calls = probe.calls
    before = [live(p).copy() for p in parameters]
    try:
        for p, values in zip(parameters, before, strict=True):
            live(p)[...] = values + (0.1 + 0.1 * np.abs(values))
        outputs, loss = probe.values(probe.batch)
    finally:
        for p, values in zip(parameters, before, strict=True):
            live(p)[...] = values
        probe.calls = calls
    return not (_equal(outputs, probe.outputs) and np.array_equal(loss, probe.value))


def _equal(these: Sequence[Array], those: Sequence[Array]) -> bool:
    return len(these) == len(those) and all(map(np.array_equal, these, those))


# ------------------------------------------------------------------------------ outputs, inputs


def _constant_output(probe: _Probe) -> list[Finding]:
    """Look for a model that says the same of all samples, though they differ."""
    outputs = [array for array in probe.outputs if array.ndim and len(array) == probe.samples]
    differ = any(len(a) > 1 and (a != a[:1]).any() for a in probe.batch[:-1] if a.ndim)
    if not outputs or not differ or not all(map(_same_rows, outputs)):
        return []
    for _, p in probe.parameters:
        if p.ndim > 1 and not live(p).any() and probe.gradients.get(id(p), np.zeros(1)).any():
            return []  # a layer that begins at 0 and learns
    spread = max(float(np.ptp(array, axis=0).max(initial=0)) for array in outputs)
    return [
        Finding(
            "constant output",
            "error",
            type(probe.model).__name__,
            f"its results for {probe.samples} different samples differ by {spread:.2g} at most",
            "look where the samples become equal: a mean over the batch axis, a factor of 0, large "
            "biases",
            None,
            {"spread": spread},
        )
    ]


def _same_rows(array: Array) -> bool:
    if array.dtype.kind not in "fc":
        return bool((array == array[:1]).all())
    tolerance = 8 * np.finfo(array.dtype).eps * float(np.abs(array).max(initial=0))
    return bool((np.abs(array - array[:1]) <= tolerance).all())


def _unused_inputs(probe: _Probe) -> list[Finding]:
    """Look for inputs, and targets, whose order among the samples changes nothing."""
    if all(_same_rows(array) for array in probe.outputs if array.ndim):
        return []  # of results that are all alike the order tells nothing
    found = []
    calls = probe.calls
    for i in range(len(probe.batch) - 1):
        others = _exchanged(probe.batch[i])
        batches = ([*probe.batch[:i], other, *probe.batch[i + 1 :]] for other in others)
        if others and all(_equal(probe.values(batch)[0], probe.outputs) for batch in batches):
            found.append(
                Finding(
                    "unused input",
                    "warning",
                    _input(probe, i),
                    f"the results are the same when the samples of {_input(probe, i)} are "
                    "exchanged",
                    "use it in forward(), or do not pass it",
                )
            )
    probe.calls = calls
    return found


def _exchanged(array: Array) -> list[Array]:
    """Return an array with its samples in other orders; none if that makes no other array."""
    if array.ndim == 0 or len(array) < 2:
        return []
    others = [np.roll(array, shift, axis=0) for shift in (1, len(array) // 2)]
    return [] if any(np.array_equal(other, array) for other in others) else others


def _unused_targets(probe: _Probe) -> list[Finding]:
    """Look for a loss that is the same whatever the targets.

    It is asked with other results than the model's, which may be too small for a difference.
    """
    others = _exchanged(probe.batch[-1])
    if not others or len(probe.outputs) != 1 or probe.outputs[0].dtype.kind != "f":
        return []
    numbers = np.random.default_rng(0).uniform(0.1, 0.9, probe.outputs[0].shape)
    results = np.asarray(numbers, probe.outputs[0].dtype)
    values = []
    for targets in (probe.batch[-1], *others):
        probe.state.restore()
        try:
            values.append(_array(probe.loss(constant(results), constant(targets))))
        except (TypeError, ValueError, AttributeError):
            return []  # a loss that takes something else than one array of results
    if not all(np.array_equal(value, values[0]) for value in values):
        return []
    return [
        Finding(
            "unused targets",
            "warning",
            "the targets",
            "the loss is the same when the targets of the samples are exchanged",
            "use them in the loss",
        )
    ]


def _random_in_evaluation(probe: _Probe) -> list[Finding]:
    """Look for results that differ from run to run in evaluation mode."""
    kept = probe.calls
    probe.state.restore()
    runs = []
    try:
        probe.model.eval()
        for _ in range(2):
            with _watched(probe.model) as calls:
                outputs = _arrays(probe.model(*map(constant, probe.batch[:-1])))
            runs.append((calls, outputs))
    except LayerError:
        return []  # of a layer that insists on training
    finally:
        probe.calls = kept
        probe.state.restore()
    (ones, first), (others, second) = runs
    if _equal(first, second) or len(ones) != len(others):
        return []
    path, line = probe.named(""), None
    for one, other in sorted(zip(ones, others, strict=True), key=lambda pair: pair[0].end):
        alike = _equal(_arrays(one.inputs), _arrays(other.inputs))
        if alike and not _equal(_arrays(one.outputs), _arrays(other.outputs)):
            path, line = probe.named(one.path), probe.told(describe_line(one.code, one.lasti))
            break
    return [
        Finding(
            "random in evaluation",
            "error",
            path,
            "two runs in evaluation mode give different results: something like dropout is active",
            "ask self.training before drawing, as nn.Dropout does; keep layers where train() and "
            "eval() findthem: in attributes, lists, dicts",
            line,
        )
    ]


# ------------------------------------------------------------------------------ the step


def _step_size(probe: _Probe) -> list[Finding]:
    """Look at how far one step of each optimizer would move the weights; it is taken back."""
    weights = [(n, p) for n, p in probe.parameters if p.ndim > 1 and id(p) in probe.gradients]
    found = []
    for optimizer in probe.optimizers:
        ratios = {}
        owned = {id(p) for _, p in _owned(optimizer)}
        before = {id(p): live(p).copy() for _, p in weights}
        try:
            with _step_taken_back(optimizer, probe.gradients):
                for name, p in weights:
                    size, slope = _norm(before[id(p)]), _norm(probe.gradients[id(p)])
                    if id(p) in owned and size > 0 and slope > 0:
                        ratios[name] = _norm(live(p) - before[id(p)]) / size, slope / size
        except OptimizerError:
            continue  # it has no parameter with a gradient, or wants to compute the loss itself
        if not ratios:
            continue
        name = max(ratios, key=lambda name: ratios[name][0])
        step, slope = ratios[name]
        middle = float(np.median([moved for moved, _ in ratios.values()]))
        lr = optimizer.groups[0].lr
        if middle > LARGE_STEP or not np.isfinite(middle):
            kind, text, fix = (
                "large",
                "more than the weights themselves",
                f"try lr={_lr(lr, middle):.1g}",
            )
        elif step < SMALL_STEP and slope > 1e-3:
            kind, text, fix = "small", "hardly anything", f"try lr={_lr(lr, step):.1g}"
        else:
            continue
        found.append(
            Finding(
                f"learning rate too {kind}",
                "warning",
                type(optimizer).__name__,
                f"with lr={lr:g} a step moves weights by {middle:.2g} of their norm in the middle "
                f"of {len(ratios)} layers, by {step:.2g} at most ({_layer(name)}): {text}",
                f"{fix}; about 1e-3 of the norm is usual",
                None,
                {"median": middle, "largest": step, "lr": lr},
            )
        )
    return found


def _lr(lr: float, moved: float) -> float:
    """Return the learning rate that would move weights by a thousandth of their norm."""
    return lr * 1e-3 / moved if 0 < moved < np.inf else lr / 1000


def _owned(optimizer: Optimizer) -> list[tuple[str, Parameter]]:
    """Return the parameters of an optimizer with their names."""
    flats = [flat for group in optimizer.groups for flat in group.flats]
    return [pair for flat in flats for pair in zip(flat.names, flat.parameters, strict=True)]


@contextmanager
def _step_taken_back(optimizer: Optimizer, gradients: Mapping[int, Array]) -> Iterator[None]:
    """Context in which an optimizer has made a step with given gradients."""
    parameters = [p for _, p in _owned(optimizer) if p.requires_grad]
    values = [live(p).copy() for p in parameters]
    before = [None if p.grad is None else p.grad.copy() for p in parameters]
    state = optimizer.state_dict()
    try:
        for p in parameters:
            p.grad = gradients.get(id(p))
        optimizer.step()
        yield
    finally:
        for p, value, gradient in zip(parameters, values, before, strict=True):
            live(p)[...] = value
            p.grad = gradient
        optimizer.load_state_dict(state)


# ------------------------------------------------------------------------------ the callback


class GradientDoctor(Callback):
    """Diagnose the net at the start of a training, after its first epoch, and at its end.

    Each time it looks at the batches that come next; the loader is put back, so that the training
    is the same with and without it, bit for bit.

    Parameters
    ----------
    every : int, optional
        Look every so many iterations too.
    batches : int
        Batches to look at, at least 1; only units that are dead on all of them are told.
    tell : callable, optional
        What the report is given to, a text; ``trainer.tell`` by default.

    Attributes
    ----------
    found : list of (int, list of Finding)
        Iteration and findings of each time.

    Raises
    ------
    TrainingError
        `every` or `batches` is no integer of at least 1.
    """

    steers = False

    def __init__(
        self,
        every: int | None = None,
        *,
        batches: int = 2,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        for name, value in (("every", every), ("batches", batches)):
            right = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not right and not (name == "every" and value is None):
                raise TrainingError(
                    f"GradientDoctor: found {name}={value!r}; expected an integer of at least 1\n"
                    f"  fix: leave {name}= out"
                )
        self.every, self.batches, self._tell = every, batches, tell
        self.found: list[tuple[int, list[Finding]]] = []

    def begin(self, trainer: Trainer) -> None:
        """Look at the net before the first step."""
        resumed = trainer.iteration > 0
        self._look(trainer, f"at iteration {trainer.iteration}" if resumed else "at the start")

    def iteration(self, trainer: Trainer) -> None:
        """Look after the first epoch, and where `every` says so."""
        if trainer.iteration == len(trainer.loader):
            self._look(trainer, "after the first epoch")
        elif self.every is not None and trainer.iteration % self.every == 0:
            self._look(trainer, f"at iteration {trainer.iteration}")

    def end(self, trainer: Trainer) -> None:
        """Look at what came out."""
        if not self.found or self.found[-1][0] != trainer.iteration:
            self._look(trainer, "at the end")

    def _look(self, trainer: Trainer, when: str) -> None:
        loader = trainer.loader
        state = loader.state_dict()
        batch, *more = [loader.sample() for _ in range(self.batches)]
        loader.load_state_dict(state)
        findings = diagnose(
            trainer.model, trainer.loss, *batch, optimizer=trainer.optimizer, more=more
        )
        if trainer.iteration > len(loader) or getattr(trainer, "schedule", None) is not None:
            # A schedule begins and ends with steps of almost nothing, on purpose.
            findings = [f for f in findings if f.kind != "learning rate too small"]
        self.found.append((trainer.iteration, findings))
        tell = trainer.tell if self._tell is None else self._tell
        tell(f"{when}: {report(findings)}" if not findings else f"{when}:\n{report(findings)}")
