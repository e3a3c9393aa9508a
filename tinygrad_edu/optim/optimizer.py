"""Optimizer: what all update rules share; the loop, the flat arrays, the state.

Knows: parameters, their gradients, and that an update is arithmetic on whole arrays. Does not know:
any formula; a rule gives two short methods over arrays, `Optimizer.init` and `Optimizer.update`.
Read next: ``rules.py``.

Why flat arrays: all parameters of one dtype live one after the other in one array, and so do their
gradients and each of the optimizer's slots. A step is then a handful of NumPy calls for the whole
model instead of a handful per parameter, and ``backward()`` writes the gradients straight there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, Self, overload, runtime_checkable

import numpy as np

from tinygrad_edu.core.graph import Leaf, tick
from tinygrad_edu.core.state import copies, fitting, live
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import CheckpointError, OptimizerError, users_frame

__all__ = ["Hyper", "Optimizer", "Parameters", "named"]

Array = np.ndarray[Any, Any]
Run = tuple[Array, Array, dict[str, Array], Array, Array | None]
"""Neighbouring parameters as flat arrays: values, gradients, slots, scratch, room for decay."""

_ONE = np.array(1, np.int64)


@runtime_checkable
class HasParameters(Protocol):
    """What a module is to an optimizer: something that names its parameters."""

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Return the parameters with their names."""


Parameters = HasParameters | Iterable[Parameter] | Iterable[tuple[str, Parameter]]


def named(parameters: Parameters) -> list[tuple[str, Parameter]]:
    """Return the parameters with their names, each parameter once.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        Without names given, a parameter goes by its own name if they all differ, else by its
        position.

    Raises
    ------
    OptimizerError
        There is none, something else is among them, or two have one name.
    """
    source = parameters.named_parameters() if isinstance(parameters, HasParameters) else parameters
    if isinstance(source, Parameter) or not isinstance(source, Iterable):
        raise OptimizerError(
            f"optimizer: found a {type(source).__name__}; expected a module or a list of parameters"
            "\n  fix: pass model, model.parameters(), or [w, b]"
        )
    pairs = [item if isinstance(item, tuple) else (None, item) for item in source]
    for item in pairs:
        if len(item) != 2 or not isinstance(item[1], Parameter):
            raise OptimizerError(
                f"optimizer: found a {type(item[-1]).__name__} among the parameters; expected "
                "Parameter or (name, Parameter)\n  fix: make it with Parameter(data)"
            )
    found: dict[int, tuple[str | None, Parameter]] = {}
    for name, parameter in pairs:
        found.setdefault(id(parameter), (name, parameter))
    once = list(found.values())
    names = [parameter.name if name is None else name for name, parameter in once]
    if all(name is None for name, _ in once) and ("" in names or len(set(names)) < len(names)):
        names = [str(i) for i in range(len(names))]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise OptimizerError(
            f"optimizer: several parameters are called {', '.join(map(repr, twice))}\n"
            "  fix: give each its own name; the optimizer's state is saved by name"
        )
    if not names:
        raise OptimizerError(
            "optimizer: found no parameter\n"
            "  fix: pass the model itself; an iterator such as model.parameters() can be read once"
        )
    return [(name, parameter) for name, (_, parameter) in zip(names, once, strict=True)]


class Hyper:
    """A hyper-parameter of an optimizer: checked when set, and kept in a 0-d array of the state.

    Being an array, it can change between steps that are captured and replayed.

    Parameters
    ----------
    interval : str
        The values allowed, such as ``"[0, 1)"``.
    switch : bool
        Whether the value 0 leaves a part of the rule out. What was left out when the optimizer was
        made has no slots and cannot be switched on later.
    """

    def __init__(self, interval: str, *, switch: bool = False) -> None:
        self.interval, self.switch = interval, switch
        low, high = interval[1:-1].split(",")
        self.low, self.high = float(low), float(high)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, optimizer: None, owner: type) -> Self: ...

    @overload
    def __get__(self, optimizer: Optimizer, owner: type) -> float: ...

    def __get__(self, optimizer: Optimizer | None, owner: type) -> Self | float:
        return self if optimizer is None else float(optimizer.scalars[self.name])

    def __set__(self, optimizer: Optimizer, value: float) -> None:
        value = self.checked(optimizer, value)
        if self.name in optimizer.scalars:
            optimizer.scalars[self.name][...] = value
        else:
            optimizer.scalars[self.name] = np.array(value)
            if self.switch and value == 0:
                optimizer.left_out.add(self.name)

    def checked(self, optimizer: Optimizer, value: Any) -> float:
        """Return the value as a float, or refuse it."""
        what = type(optimizer).__name__
        number = np.asarray(value)
        if number.shape != () or number.dtype.kind not in "iuf" or not self.contains(float(number)):
            raise OptimizerError(
                f"{what}: found {self.name}={value!r}; expected a number in {self.interval}\n"
                f"  fix: pass one, as in {what}(model, {self.name}={self.example()})"
            )
        if self.name in optimizer.left_out and number != 0:
            raise OptimizerError(
                f"{what}: found {self.name}={value!r}, but it was made with {self.name}=0, which "
                f"leaves that part out\n  fix: make it with {what}(model, {self.name}={value!r})"
            )
        return float(number)

    def contains(self, number: float) -> bool:
        """Return whether the number is in the interval; nan is in none."""
        above = self.low <= number if self.interval[0] == "[" else self.low < number
        below = number <= self.high if self.interval[-1] == "]" else number < self.high
        return above and below

    def example(self) -> float:
        """Return a number inside the interval, for the error."""
        return 0.9 if self.high == 1 else 0.01


class Flat:
    """The parameters of one dtype, their gradients and slots, each kind in one flat array.

    Parameters
    ----------
    members : list of (str, Parameter)
        Parameters of one dtype; their values move into `values`.
    init : callable
        Returns the slots for an array of values.
    decayed : bool
        Whether a buffer for gradient + decay is needed.
    """

    def __init__(
        self,
        members: list[tuple[str, Parameter]],
        init: Callable[[Array], dict[str, Array]],
        decayed: bool,
    ) -> None:
        self.names = [name for name, _ in members]
        self.parameters = [parameter for _, parameter in members]
        ends = np.cumsum([parameter.size for parameter in self.parameters]).tolist()
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))
        like = live(self.parameters[0])
        # No views are kept: a parameter whose array nobody else holds is recorded without a copy.
        self.values = np.empty(ends[-1], like.dtype, like=like)
        self.gradients = np.zeros(ends[-1], like.dtype, like=like)
        self.scratch = np.empty_like(self.values)
        self.decayed = np.empty_like(self.values) if decayed else None
        for i in range(len(self.parameters)):
            self.gather(i)
        self.slots = init(self.values)

    def gather(self, i: int) -> None:
        """Move a parameter's value, and its gradient if it has one, into the flat arrays."""
        parameter = self.parameters[i]
        if parameter.node is not None:  # else it is frozen, and comes when it is thawed
            parameter.rebase(self.view(self.values, i), self.view(self.gradients, i))

    def view(self, flat: Array, i: int) -> Array:
        """Return the part of a flat array that belongs to one parameter, in its shape."""
        start, stop = self.spans[i]
        return flat[start:stop].reshape(self.parameters[i].shape)

    def cut(self, start: int, stop: int) -> Run:
        """Return the part of every flat array that lies between two places."""
        run = slice(start, stop)
        decayed = None if self.decayed is None else self.decayed[run]
        slots = {name: slot[run] for name, slot in self.slots.items()}
        return self.values[run], self.gradients[run], slots, self.scratch[run], decayed

    def runs(self) -> list[Run]:
        """Return the parts that have gradients, neighbours joined; their values are gathered.

        Another optimizer may have taken a parameter since the last step; it is gathered again.
        """
        found: list[tuple[int, int]] = []
        for i, (parameter, (start, stop)) in enumerate(
            zip(self.parameters, self.spans, strict=True)
        ):
            leaf = parameter.node
            if not isinstance(leaf, Leaf) or leaf.grad is None:
                continue
            if leaf.result.base is not self.values or leaf.grad is not leaf.buffer:
                self.gather(i)
            if found and found[-1][1] == start:
                found[-1] = (found[-1][0], stop)
            else:
                found.append((start, stop))
        if found == [(0, len(self.values))]:
            return [(self.values, self.gradients, self.slots, self.scratch, self.decayed)]
        return [self.cut(start, stop) for start, stop in found]


class Optimizer:
    """Base of the optimizers: owns the loop over parameters, their slots and the state.

    A rule is a subclass with two methods over arrays, `init` and `update`, and `factors` for the
    numbers that an update multiplies by. The state is handed out by name: each hyper-parameter
    (``lr``, ...), ``step``, and ``slots/<slot>/<parameter>``.

    One step counter serves all parameters; one that has no gradient in a step is left as it is,
    with its slots.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update. Their values move into a flat array, so an array got from ``p.data`` before
        is no longer the parameter's.
    **hyper : float
        The rule's hyper-parameters.

    Raises
    ------
    OptimizerError
        A hyper-parameter or a parameter is not as described; nothing was changed.
    """

    lr = Hyper("[0, inf)")
    decoupled = False
    """Whether weight decay shrinks the parameter itself instead of being added to the gradient."""

    def __init__(self, parameters: Parameters, **hyper: float) -> None:
        self.scalars: dict[str, Array] = {}
        self.left_out: set[str] = set()
        for name, value in hyper.items():
            setattr(self, name, value)
        members = named(parameters)
        for name, parameter in members:
            if parameter.dtype.kind != "f":
                raise OptimizerError(
                    f"{type(self).__name__}: parameter {name!r} is {parameter.dtype}; expected "
                    "real numbers\n  fix: keep real and imaginary parts as two parameters"
                )
        self.scalars["step"] = np.array(0, np.int64)
        self.decays = "weight_decay" in hyper and "weight_decay" not in self.left_out
        self.flats: list[Flat] = []
        for dtype in dict.fromkeys(parameter.dtype for _, parameter in members):
            alike = [(name, parameter) for name, parameter in members if parameter.dtype == dtype]
            self.flats.append(Flat(alike, self.init, self.decays and not self.decoupled))

    # ---- what a rule says

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the slots of a rule at the start, each of the parameter's shape and dtype."""
        raise NotImplementedError

    def factors(self) -> dict[str, Any]:
        """Return the numbers that this step's update multiplies by, computed in float64."""
        raise NotImplementedError

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change the parameter and the slots in place.

        Parameters
        ----------
        parameter, gradient : ndarray, shape (n,)
            The gradient is read only.
        slots : mapping of str to ndarray, shape (n,)
            As `init` made them.
        factors : mapping of str to 0-d arrays
            As `factors` made them, in the parameter's dtype.
        scratch : ndarray, shape (n,)
            Room for results in between.
        """
        raise NotImplementedError

    # ---- the loop

    def step(self) -> None:
        """Update every parameter that has a gradient.

        Raises
        ------
        OptimizerError
            None of them has one; nothing was changed.
        """
        runs = [flat.runs() for flat in self.flats]
        if not any(runs):
            raise OptimizerError(
                f"{type(self).__name__}.step: no parameter has a gradient\n"
                "  fix: call loss.backward() first, and zero_grad() after step(), not before it"
            )
        self._mark_written()
        step = self.scalars["step"]
        np.add(step, _ONE, out=step)
        factors = self.factors()
        if self.decays:
            decay = self.scalars["weight_decay"]
            factors["weight_decay"] = 1 - self.scalars["lr"] * decay if self.decoupled else decay
        for flat, parts in zip(self.flats, runs, strict=True):
            # A float64 number would widen the arithmetic on float32 arrays.
            dtype = flat.values.dtype
            cast = {name: factor.astype(dtype) for name, factor in factors.items()}
            for parameter, gradient, slots, scratch, decayed in parts:
                if decayed is not None:
                    np.multiply(parameter, cast["weight_decay"], out=decayed)
                    gradient = np.add(decayed, gradient, out=decayed)
                elif self.decays:
                    np.multiply(parameter, cast["weight_decay"], out=parameter)
                self.update(parameter, gradient, slots, cast, scratch)

    def _mark_written(self) -> None:
        """Tell the leaves that are about to change so, with the user's line: looked up once."""
        frame = users_frame(2)
        moment, writer = tick(), (frame.f_code, frame.f_lasti)
        Leaf.latest = moment
        for leaf in self._leaves():
            if leaf.grad is not None:
                leaf.written, leaf.writer = moment, writer

    def _leaves(self) -> Iterable[Leaf]:
        for flat in self.flats:
            for parameter in flat.parameters:
                if isinstance(parameter.node, Leaf):
                    yield parameter.node

    def zero_grad(self) -> None:
        """Drop the gradients, so that the next ``backward()`` starts from none."""
        for leaf in self._leaves():
            leaf.grad = None

    # ---- the state

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name: hyper-parameters, ``step``, and the slots.

        A slot is a view in its parameter's shape.
        """
        state = dict(self.scalars)
        for flat in self.flats:
            for slot, array in flat.slots.items():
                for i, name in enumerate(flat.names):
                    state[f"slots/{slot}/{name}"] = flat.view(array, i)
        return state

    def workspace(self) -> dict[str, Array]:
        """Return the arrays that a step writes before it reads them: they are no state."""
        work = {}
        for flat in self.flats:
            work[f"gradients/{flat.values.dtype}"] = flat.gradients
            work[f"scratch/{flat.values.dtype}"] = flat.scratch
            if flat.decayed is not None:
                work[f"decayed/{flat.values.dtype}"] = flat.decayed
        return work

    def state_dict(self) -> dict[str, Array]:
        """Return the state as copies, to be saved."""
        return copies(self.state())

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Put a saved state back, all of it or, if anything does not fit, nothing.

        Parameters
        ----------
        saved : mapping of str to array_like
            As `state_dict` returned it.

        Raises
        ------
        CheckpointError
            Names, shapes or dtypes do not fit, or a value is not allowed; nothing was changed.
        """
        what, state = f"{type(self).__name__}.load_state_dict", self.state()
        arrays, _, _ = fitting(what, state, saved)
        try:
            for name in self.scalars:
                if name != "step":
                    getattr(type(self), name).checked(self, arrays[name])
        except OptimizerError as error:
            raise CheckpointError(f"{what}: nothing was changed\n  {error}") from error
        for name, array in arrays.items():
            state[name][...] = array

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:g}" for name, value in self.scalars.items())
        count = sum(flat.values.size for flat in self.flats)
        return f"{type(self).__name__}({count} numbers, {shown})"
