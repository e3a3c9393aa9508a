"""What a check is about: a function of named float64 arrays, and its watched recording.

This file turns what the caller gave (a function or a module, inputs of any precision) into one
function of float64 arrays, gives everything back as it was, and finds what can be seen without a
numerical slope. Read ``slope.py`` next.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.switch import enable_grad
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import gradients
from tinygrad_edu.errors import CheckError, GradientTypeError, NumericError, describe_value
from tinygrad_edu.numeric.report import failure
from tinygrad_edu.numeric.watch import first_difference, recorded_nodes, watch

__all__ = [
    "Recording",
    "Subject",
    "prepared",
    "pulled_back",
    "reverse",
    "sweep_in_float32",
    "watched_recording",
]

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Subject:
    """What is checked: a function of named float64 arrays, for the engine and for slopes."""

    title: str
    call: Function
    names: Sequence[str]
    points: Sequence[Array]
    notes: list[str] = field(default_factory=list)

    @cached_property
    def point(self) -> Array:
        """All inputs in one flat array."""
        return np.concatenate([point.ravel() for point in self.points])

    def failure(
        self, outcome: str, text: str, kind: type[CheckError] = CheckError, **found: Any
    ) -> CheckError:
        """Return the exception of a failed check of this subject, with its report."""
        return failure(self.title, self.notes, outcome, text, kind, **found)

    def split(self, flat: Array) -> list[Array]:
        """Return copies of the parts of a flat array in the shapes of the inputs."""
        cuts = np.cumsum([point.size for point in self.points])[:-1]
        return [
            np.array(part).reshape(point.shape)
            for part, point in zip(np.split(flat, cuts), self.points, strict=True)
        ]

    def span(self, i: int) -> slice:
        """Return where input `i` is in the flat array."""
        start = sum(point.size for point in self.points[:i])
        return slice(start, start + self.points[i].size)

    def place(self, element: int) -> tuple[str, tuple[int, ...]]:
        """Return the name of the input, and the index in it, of an element of the flat array."""
        for name, point in zip(self.names, self.points, strict=True):
            if element < point.size:
                return name, tuple(int(k) for k in np.unravel_index(element, point.shape))
            element -= point.size
        raise IndexError(element)

    def tensors(
        self, flat: Array, dtype: Any = np.float64, requires_grad: bool = False
    ) -> list[Tensor]:
        """Return the inputs at a point."""
        return [
            Tensor(part, requires_grad, dtype=dtype, name=name if requires_grad else "")
            for part, name in zip(self.split(flat), self.names, strict=True)
        ]

    def outputs(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return what the function gives, as a list of real Tensors, two for a complex one."""
        given = self.call(*tensors)
        several = list(given) if isinstance(given, (tuple, list)) else [given]
        for out in several:
            if not isinstance(out, Tensor):
                raise GradientTypeError(
                    f"{self.title}: f returned {describe_value(out)}, not a Tensor\n"
                    "  fix: return what ops make of the Tensors, or a tuple of such; values taken "
                    "out with .numpy() or float() have lost their gradient"
                )
        floating = [
            part
            for out in several
            if out.dtype.kind in "fc"
            for part in ((out.real, out.imag) if out.dtype.kind == "c" else (out,))
        ]
        if not floating:
            raise GradientTypeError(
                f"{self.title}: f returned {several[0].dtype if several else 'nothing'}, which has "
                "no derivative\n  fix: return a floating Tensor"
            )
        return floating

    def values(self, flat: Array) -> Array:
        """Return all outputs at a point in one flat array; the inputs are constants here."""
        return flat_values(self.outputs(self.tensors(flat)))


def flat_values(outputs: Sequence[Tensor]) -> Array:
    return np.concatenate([out.numpy().ravel() for out in outputs])


# ------------------------------------------------------------------------------ from the caller


@contextmanager
def prepared(f: Function, inputs: Any) -> Iterator[Subject]:
    """Give the subject; while it is in use, a module computes with float64 parameters of ours."""
    args = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    parameters = _parameters(f)
    notes: list[str] = []
    chosen = _chosen(args, parameters, notes)
    given = [f"input {i}" for i in chosen] + [f"parameter {name!r}" for name in parameters]
    sources = [args[i] for i in chosen] + list(parameters.values())
    names, points, halved = [], [], []
    for name, value in zip(given, sources, strict=True):
        parts = _float64(name, value, notes)
        halved.append(len(parts) == 2)
        names += [f"{name}, real part", f"{name}, imaginary part"] if halved[-1] else [name]
        points += parts

    def call(*tensors: Tensor) -> Any:
        filled = [_fixed(arg, tensors[0].dtype) for arg in args]
        rest = iter(tensors)
        whole = [OPS["to_complex"](next(rest), next(rest)) if h else next(rest) for h in halved]
        for i, tensor in zip(chosen, whole, strict=False):
            filled[i] = tensor
        for parameter, tensor in zip(parameters.values(), whole[len(chosen) :], strict=True):
            # The handle is borrowed: the module's own array and leaf are put aside, untouched.
            parameter._data, parameter._node = tensor._data, tensor._node
        return f(*filled)

    named = getattr(f, "__name__", None) or getattr(f, "name", None) or type(f).__name__
    title = f"gradient of {'f' if named == '<lambda>' else named}"
    aside = [(parameter, parameter._data, parameter._node) for parameter in parameters.values()]
    state = {name: np.array(value) for name, value in _state(f).items()}
    drawn = [(rng, rng.bit_generator.state) for rng in _generators(f)]
    try:
        yield Subject(title, call, names, points, notes)
    finally:
        for parameter, data, node in aside:
            parameter._data, parameter._node = data, node
        for name, value in _state(f).items():  # running statistics have moved
            np.copyto(value, state[name])
        for rng, before in drawn:
            rng.bit_generator.state = before


def _parameters(f: Any) -> dict[str, Tensor]:
    """Return the parameters of a module by name, each once; nothing for a plain function."""
    if callable(getattr(f, "named_parameters", None)):
        pairs = dict(f.named_parameters()).items()
    elif callable(getattr(f, "parameters", None)):
        given = list(f.parameters())
        names = [p.name for p in given]
        pairs = {
            p.name if p.name and names.count(p.name) == 1 else str(i): p
            for i, p in enumerate(given)
        }.items()
    else:
        return {}
    once = {id(tensor): name for name, tensor in reversed(list(pairs))}
    # A frozen parameter is a constant like any other array that f knows.
    return {name: t for name, t in pairs if once[id(t)] == name and t.requires_grad}


def _state(f: Any) -> dict[str, Array]:
    return dict(f.state()) if _parameters(f) and callable(getattr(f, "state", None)) else {}


def _generators(f: Any) -> list[np.random.Generator]:
    named = getattr(f, "named_generators", None)
    return [rng for _, rng in named()] if callable(named) else []


def _chosen(args: Sequence[Any], parameters: Any, notes: list[str]) -> list[int]:
    """Return the positions of the arguments whose gradients are checked."""
    dtypes = [np.asarray(a.numpy() if isinstance(a, Tensor) else a).dtype for a in args]
    asked = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
    chosen = asked or [i for i, dtype in enumerate(dtypes) if dtype.kind in "fc"]
    if not chosen and not parameters:
        raise GradientTypeError(
            f"gradcheck: no input is floating, they are {', '.join(map(str, dtypes)) or 'none'}; "
            "integers have no derivative\n"
            "  fix: convert what is to be differentiated, as in x.astype(np.float64) or 2.0 for 2"
        )
    for i in sorted(set(range(len(args))) - set(chosen)):
        notes.append(
            f"input {i} ({dtypes[i]}) was held fixed"
            + ("" if dtypes[i].kind in "fc" else "; convert it with astype(np.float64) to check it")
        )
    return chosen


def _float64(name: str, value: Any, notes: list[str]) -> list[Array]:
    """Return the point in float64; of complex numbers the real and the imaginary part."""
    array = np.asarray(value.numpy() if isinstance(value, Tensor) else value)
    wide = np.dtype(np.complex128 if array.dtype.kind == "c" else np.float64)
    if array.dtype != wide:
        notes.append(
            f"{name} is {array.dtype}: checked in a {wide} copy, since rounding in {array.dtype} "
            "would drown the slopes"
        )
    point = array.astype(wide)
    if not np.isfinite(point).all():
        index = tuple(int(k) for k in np.argwhere(~np.isfinite(point))[0])
        raise NumericError(f"gradcheck: {name} is {point[index]} at {index}; give finite numbers.")
    return [point.real.copy(), point.imag.copy()] if wide.kind == "c" else [point]


def _fixed(arg: Any, dtype: Any) -> Any:
    """Return a copy of an argument that is held fixed; floating ones get the dtype of the run."""
    if isinstance(arg, (Tensor, np.ndarray)):
        kind = arg.dtype.kind
        wanted = np.result_type(dtype, np.complex64) if kind == "c" else dtype
        wanted = wanted if kind in "fc" else None
        if isinstance(arg, Tensor):
            return Tensor(arg.numpy(), dtype=wanted)
        return np.array(arg, dtype=wanted)
    return arg


def pulled_back(subject: Subject, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the gradients of a subject at inputs and cotangents, recorded if those are."""
    again = any(tensor.requires_grad for tensor in tensors)
    count = len(subject.points)
    with enable_grad():
        fresh = [t.copy() if t.requires_grad else Tensor(t.numpy(), True) for t in tensors[:count]]
        outputs = subject.outputs(fresh)
        total: list[Any] = [None] * count
        for out, cotangent in zip(outputs, tensors[count:], strict=True):
            if out.node is not None:
                found = gradients(out, fresh, cotangent, create_graph=again, retain_graph=True)
                total = [g if t is None else t + g for t, g in zip(total, found, strict=True)]
    return tuple(
        Tensor(np.zeros(t.shape)) if g is None else g for t, g in zip(fresh, total, strict=True)
    )


# ------------------------------------------------------------------------------ the recording


@dataclass(frozen=True)
class Recording:
    """The function recorded at the point, and what its watched rules have shown."""

    leaves: list[Tensor]
    outputs: list[Tensor]
    not_finite: list[str]


def recorded_at(subject: Subject, dtype: Any = np.float64) -> Recording:
    leaves = subject.tensors(subject.point, dtype, requires_grad=True)
    with enable_grad():
        outputs = subject.outputs(leaves)
    return Recording(leaves, outputs, watch(recorded_nodes(outputs)))


def watched_recording(subject: Subject) -> Recording:
    """Return the recording whose sweep is checked, after what can be seen without a slope."""
    one, other = recorded_at(subject), recorded_at(subject)
    for leaf, name, point in zip(one.leaves, subject.names, subject.points, strict=True):
        if leaf.numpy().tobytes() != point.tobytes():
            ops = ", ".join(_readers(leaf, one.outputs)) or "none"
            raise subject.failure(
                "input changed",
                f"f wrote to {name}; ops that were applied to it: {ops}\n"
                "  fix: compute a new value, y = x * 2 rather than x *= 2",
            )
    for k, out in enumerate(one.outputs):
        if out.dtype != np.float64:
            raise subject.failure(
                "precision",
                f"output {k} is {out.dtype} though all inputs are float64, so slopes drown in "
                "rounding\n  fix: no cast inside f; hand over a module itself, its parameters are "
                "then converted too",
            )
    if flat_values(one.outputs).tobytes() != flat_values(other.outputs).tobytes():
        first = first_difference(recorded_nodes(one.outputs), recorded_nodes(other.outputs))
        raise subject.failure(
            "not deterministic",
            f"f gave two values at one point; the first op that differs: {first}\n"
            "  fix: make the generator inside f, or put the module into evaluation mode",
        )
    _refuse_not_finite(subject, one.outputs)
    _refuse_recorded_otherwise(subject, one.outputs)
    return one


def _readers(leaf: Tensor, outputs: Sequence[Tensor]) -> list[str]:
    nodes = recorded_nodes(outputs)
    return [f"{n.op.name} at {n.line}" for n in nodes if n.op and leaf.node in (n.upstream or ())]


def _refuse_not_finite(subject: Subject, outputs: Sequence[Tensor]) -> None:
    for k, out in enumerate(outputs):
        bad = np.argwhere(~np.isfinite(out.numpy()))
        if len(bad):
            index = tuple(int(i) for i in bad[0])
            raise subject.failure(
                "not finite",
                f"output {k} is {out.numpy()[index]} at {index}: f is not defined at this point\n"
                "  fix: choose inputs inside the domain of f",
            )


def _refuse_recorded_otherwise(subject: Subject, outputs: Sequence[Tensor]) -> None:
    recorded, plain = flat_values(outputs), subject.values(subject.point)
    if recorded.shape != plain.shape or np.abs(recorded - plain).max(initial=0) > 1e-9 * np.abs(
        plain
    ).max(initial=0):
        worst = int(np.argmax(np.abs(recorded - plain))) if recorded.shape == plain.shape else 0
        raise subject.failure(
            "recorded otherwise",
            f"recorded for a gradient, f gives {recorded[worst]:.10g}, and {plain[worst]:.10g} "
            f"when not (element {worst} of its outputs)\n"
            "  likely cause: a fused row computes another function than its composite",
        )


def sweep_in_float32(subject: Subject) -> None:
    """Run the watched sweep in float32, where a rule that widens or narrows is seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # f may hold float64 constants: here that is no mistake
        recording = recorded_at(subject, np.float32)
        for out in recording.outputs:
            if out.node is not None:
                gradients(out, recording.leaves, np.ones(out.shape, out.dtype), retain_graph=True)


def reverse(subject: Subject, recording: Recording, weights: Array) -> Array:
    """Return the gradient of the weighted outputs by the engine's sweep, in one flat array."""
    total = np.zeros_like(subject.point)
    start = 0
    for out in recording.outputs:
        seed = weights[start : start + out.size].reshape(out.shape)
        start += out.size
        if out.node is not None:
            total += flat_values(gradients(out, recording.leaves, seed, retain_graph=True))
    if not np.isfinite(total).all():
        name, index = subject.place(int(np.argmin(np.isfinite(total))))
        raise subject.failure(
            "not finite",
            f"the gradient is nan or inf at {index}, though f is finite there\n"
            f"  the first rule that gave one: {next(iter(recording.not_finite), 'unknown')}",
            input=name,
            index=index,
        )
    return total
