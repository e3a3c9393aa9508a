"""`check_module`: what holds for every module, asked of a user's.

The gradients of every parameter and input against slopes, in training and in evaluation mode; the
dtype; what a call leaves as it was; and that a saved state is the whole state. A module that draws
random numbers or keeps running statistics is a function of its state as well: each evaluation
starts from the same one, and the caller gets the module back as it was.

Read ``optimizer_check.py`` next.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.core.switch import enable_grad, no_grad
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import CheckError, OpTypeError, TinygradEduError, VacuousCheckWarning
from tinygrad_edu.nn.module import Module
from tinygrad_edu.numeric.check import Report, gradcheck, gradgradcheck
from tinygrad_edu.testing.op_check import failed
from tinygrad_edu.testing.reproduce import call_source

__all__ = ["check_module"]

Array = np.ndarray[Any, Any]


def check_module(
    module: Module,
    *inputs: Any,
    order: int = 1,
    unused: Sequence[str] = (),
    seed: int = 0,
    rtol: float = 1e-6,
    atol: float = 1e-10,
) -> Report:
    """Return the report on a module: gradients, modes, dtype, state, and what it leaves alone.

    1. In evaluation mode two calls are equal, and write neither to inputs, nor to parameters, nor
       to buffers. In training mode inputs and parameters stay as they are.
    2. In both modes the gradient of every parameter and of every floating input is that of
       `gradcheck`, in float64; each parameter gets one.
    3. Of inputs in the module's own dtype, results and gradients are in that dtype.
    4. ``state_dict()`` copies parameters and buffers, but for those that are not to be saved; when
       every one has been changed, ``load_state_dict`` brings the same results back to the bit.

    Parameters
    ----------
    module : Module
        It is given back as it was: values, gradients, generators, mode.
    *inputs : array_like or Tensor
        What it is called with. Floating arrays move.
    order : {1, 2}
        Whether `gradgradcheck` is asked too.
    unused : sequence of str
        Parameters that these inputs do not reach, so that they get no gradient.
    seed : int
        Draws weights, directions and the changed state.
    rtol, atol : float
        As `gradcheck` takes them. That `atol` is not zero lets gradients be zero that are the
        difference of equal numbers, as that of a bias in front of a normalisation.

    Raises
    ------
    CheckError, KinkError
        Something of that does not hold.
    OpTypeError
        `module` is no module.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> print(check_module(Linear(3, 2, rng=0), np.ones((4, 3))).outcome)
    passed
    """
    if not isinstance(module, Module):
        raise OpTypeError(
            f"check_module: found a {type(module).__name__}; expected a Module\n"
            "  fix: a function of Tensors is checked by check_op or assert_gradients"
        )
    given = [x.numpy() if isinstance(x, Tensor) else x for x in inputs]
    texts: list[str] = []
    try:
        with _given_back(module):
            _check_calls(module, given)
            _check_dtype(module, given, unused)
            _check_state(module, given, np.random.default_rng(seed))
            for mode in ("training", "evaluation"):
                module.train(mode == "training")
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", VacuousCheckWarning)  # told by name below
                    for check in (gradcheck, gradgradcheck)[:order]:
                        rng, subject = np.random.default_rng(seed), _Replayed(module)
                        report = check(subject, given, rng=rng, rtol=rtol, atol=atol)
                        subject.moment.return_to()
                        first, *rest = report.text.splitlines()
                        texts += [f"{first}, in {mode} mode", *rest]
    except CheckError as error:
        keywords: dict[str, Any] = {} if order == 1 else {"order": order}
        keywords |= {"unused": tuple(unused)} if unused else {}
        program = call_source(module, check_module, given, {**keywords, "seed": seed})
        raise failed(f"check_module of {_name(module)}: {error}", program, error) from None
    lines = "\n  ".join(texts)
    return Report(True, "passed", f"check_module of {_name(module)}: passed\n  {lines}")


def _name(module: Module) -> str:
    return type(module).__name__


def _refused(outcome: str, text: str) -> CheckError:
    error = CheckError(f"{outcome}\n  {text}")
    error.outcome = outcome
    error.report = Report(False, outcome, str(error))
    return error


# ------------------------------------------------------------------------------ its state


class _Replayed:
    """A module whose every call starts from the same generators and buffers, these in float64.

    A buffer in float32 would round the slopes to seven digits, though the parameters are converted.
    """

    def __init__(self, module: Module) -> None:
        self.module, self.moment = module, _Moment(module)
        self.__name__ = _name(module)

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        return self.module.named_parameters()

    def __call__(self, *args: Any) -> Any:
        self.moment.return_to()
        for buffer, array, _ in self.moment.buffers:
            if array.dtype.kind == "f":
                buffer.data = array.astype(np.float64)
        return self.module(*args)


class _Moment:
    """Generators and buffers of a module as they are now, to be returned to."""

    def __init__(self, module: Module) -> None:
        self.buffers = [(b, b.data, np.array(b.data)) for b in module.buffers()]
        self.generators = [
            (rng, copy.deepcopy(rng.bit_generator.state)) for _, rng in module.named_generators()
        ]

    def return_to(self) -> None:
        for buffer, array, content in self.buffers:
            array[...] = content
            buffer.data = array
        for rng, state in self.generators:
            rng.bit_generator.state = state


@contextmanager
def _given_back(module: Module) -> Iterator[None]:
    """Give the module back as it was: values, gradients, buffers, generators, modes."""
    moment = _Moment(module)
    modes = [(part, part.training) for part in module.modules()]
    plain = [
        (part, name, value, value.copy())
        for part in module.modules()
        for name, value in vars(part).items()
        if isinstance(value, np.ndarray)
    ]
    values = [
        (p, p.numpy().copy(), p.grad, None if p.grad is None else p.grad.copy())
        for p in module.parameters()
    ]
    try:
        yield
    finally:
        moment.return_to()
        for part, mode in modes:
            part.training = mode
        for part, name, array, kept in plain:  # state that nobody knows of
            if array.flags.writeable:
                array[...] = kept
            setattr(part, name, array)
        for parameter, value, grad, content in values:
            if parameter.numpy().tobytes() != value.tobytes():
                parameter.data = value
            if grad is not None and content is not None:
                grad[...] = content  # an optimizer's buffer, which backward() has written
            if parameter.requires_grad:
                parameter.grad = grad


def _values(module: Module, given: Sequence[Any]) -> list[Array]:
    """Return the results of one call from the state of now, which is returned to."""
    moment = _Moment(module)
    with no_grad():
        found = module(*[Tensor(x) if _floats(x) else x for x in given])
    moment.return_to()
    return _arrays(found)


def _arrays(found: Any) -> list[Array]:
    """Return the results of a call as arrays."""
    return [y.numpy() if isinstance(y, Tensor) else np.asarray(y) for y in _several(found)]


def _floats(value: Any) -> bool:
    return np.asarray(value).dtype.kind == "f"


def _bits(arrays: Sequence[Array]) -> list[tuple[Any, ...]]:
    return [(a.shape, a.dtype.str, a.tobytes()) for a in arrays]


# ------------------------------------------------------------------------------ the questions


def _check_calls(module: Module, given: Sequence[Any]) -> None:
    """Ask what a call writes: nothing in evaluation mode, buffers alone in training mode."""
    for mode in ("training", "evaluation"):
        module.train(mode == "training")
        for part in module.modules():
            if part.training != (mode == "training"):
                raise _refused(
                    f"not in {mode} mode",
                    f"{_name(part)} stays in the other one when the module is told so\n"
                    "  fix: keep modules as attributes, or in lists, tuples or dicts of them",
                )
        moment, inputs = _Moment(module), [np.array(x) if _floats(x) else x for x in given]
        before = _bits([np.asarray(x) for x in inputs])
        values = {name: p.numpy().tobytes() for name, p in module.named_parameters()}
        buffers = {name: b.data.tobytes() for name, b in module.named_buffers()}
        with no_grad():
            module(*inputs)
        if _bits([np.asarray(x) for x in inputs]) != before:
            raise _refused(
                "input changed",
                f"in {mode} mode the call wrote to an array that it was given\n"
                "  fix: compute a new value, y = x * 2 rather than x *= 2",
            )
        for name, parameter in module.named_parameters():
            if parameter.numpy().tobytes() != values[name]:
                raise _refused(
                    "parameter changed",
                    f"in {mode} mode the call wrote to the parameter {name!r}\n"
                    "  fix: what a call may write is a Buffer; parameters are the optimizer's",
                )
        for name, buffer in module.named_buffers():
            if mode == "evaluation" and buffer.data.tobytes() != buffers[name]:
                raise _refused(
                    "buffer changed",
                    f"in evaluation mode the call wrote to the buffer {name!r}\n"
                    "  fix: update it only if self.training",
                )
        if mode == "evaluation":
            _check_repeats(module, inputs)
        moment.return_to()


def _check_repeats(module: Module, inputs: Sequence[Any]) -> None:
    with no_grad():
        first, second = _arrays(module(*inputs)), _arrays(module(*inputs))
    if _bits(first) != _bits(second):
        raise _refused(
            "not deterministic",
            "in evaluation mode two calls gave two results\n"
            "  fix: draw random numbers only if self.training",
        )


def _several(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (tuple, list)) else [found]


def _check_dtype(module: Module, given: Sequence[Any], unused: Sequence[str]) -> None:
    """Ask for the dtype of results and gradients, and which parameters get one."""
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    dtypes = {p.dtype for _, p in named}
    reached: set[str] = set()
    for mode in (True, False):
        module.train(mode)
        for _, parameter in named:
            parameter.grad = None
        inputs = [_as(x, dtypes) for x in given]
        moment = _Moment(module)
        with enable_grad():
            outputs = [y for y in _several(module(*inputs)) if isinstance(y, Tensor)]
        moment.return_to()
        for y in outputs:
            if y.dtype.kind == "f" and len(dtypes) == 1 and y.dtype not in dtypes:
                (own,) = dtypes
                raise _refused(
                    "precision",
                    f"the module is {own} and so are its inputs, but its result is {y.dtype}\n"
                    "  fix: make constants in the dtype of the input: np.zeros(shape, x.dtype)",
                )
        for y in outputs:
            if y.dtype.kind == "f" and y.requires_grad:
                y.backward(np.ones(y.shape, y.dtype), retain_graph=True)
        for name, parameter in named:
            grad = parameter.grad
            if grad is None:
                continue
            reached.add(name)
            if (grad.shape, grad.dtype) != (parameter.shape, parameter.dtype):
                raise _refused(
                    "precision",
                    f"the gradient of the parameter {name!r} is {grad.shape} {grad.dtype}, not "
                    f"{parameter.shape} {parameter.dtype}",
                )
            parameter.grad = None
    lost = [name for name, _ in named if name not in reached and name not in unused]
    if lost:
        raise _refused(
            "no gradient",
            f"the parameter {lost[0]!r} gets none, in neither mode: the result does not depend on "
            f"it\n  fix: use it in forward() as a Tensor, without .numpy() or detach(); if these "
            f"inputs do not reach it, say unused=({lost[0]!r},)",
        )


def _as(value: Any, dtypes: set[Any]) -> Any:
    if not _floats(value):
        return value
    dtype = next(iter(dtypes)) if len(dtypes) == 1 else np.asarray(value).dtype
    return Tensor(np.asarray(value), dtype=dtype)


def _check_state(module: Module, given: Sequence[Any], rng: np.random.Generator) -> None:
    """Ask whether the saved state is the whole state, and a copy of it."""
    module.eval()
    saved = module.state_dict()
    saved_buffers = [(name, buffer) for name, buffer in module.named_buffers() if buffer.saved]
    named: list[tuple[str, Any]] = [*module.named_parameters(), *saved_buffers]
    missing = [name for name, _ in named if name not in saved]
    if missing:
        raise _refused(
            "state incomplete",
            f"state_dict() leaves {missing[0]!r} out\n  fix: build it on Module.state_dict()",
        )
    before = _bits(_values(module, given))
    for name, array in module.state().items():
        if name in saved and np.shares_memory(array, saved[name]):
            raise _refused(
                "state not copied",
                f"state_dict() hands out the live array of {name!r}, so that the next step changes "
                "what was saved\n  fix: return copies",
            )
    with no_grad():  # what a call in training mode counts is state too
        module.train()
        module(*[Tensor(x) if _floats(x) else x for x in given])
        module.eval()
    for _, value in named:
        data = value.numpy() if isinstance(value, Parameter) else value.data
        if data.dtype.kind != "f":
            continue
        # Not below zero, since running variances are among them.
        other = np.asarray(np.abs(data) + rng.uniform(0.1, 1, data.shape)).astype(data.dtype)
        if isinstance(value, Parameter):
            value.data = other
        else:
            value.data[...] = other
    try:
        module.load_state_dict(saved)
    except TinygradEduError as error:
        raise _refused(
            "state refused", f"load_state_dict refuses what was saved: {error}"
        ) from None
    if _bits(_values(module, given)) != before:
        raise _refused(
            "state incomplete",
            "after load_state_dict(state_dict()) the results are others\n"
            "  fix: keep what is learned in a Parameter and what is counted in a Buffer; a plain "
            "array is not saved",
        )
