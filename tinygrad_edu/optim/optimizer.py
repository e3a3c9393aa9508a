"""Optimizer: what all update rules share; the loop, the groups, the flat arrays, the state.

Knows: parameters, their gradients, and that an update is arithmetic on whole arrays. Does not know:
any formula; a rule gives two short methods over arrays, `Optimizer.init` and `Optimizer.update`.
Read next: ``rules.py``.

Why flat arrays: all parameters of one dtype live one after the other in one array, and so do their
gradients and each of the optimizer's slots. A step is then a handful of NumPy calls for the whole
model instead of a handful per parameter, and ``backward()`` writes the gradients straight there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeGuard, cast, overload, runtime_checkable

import numpy as np

from tinygrad_edu.core.graph import Leaf, tick
from tinygrad_edu.core.state import copies, fitting, live
from tinygrad_edu.core.switch import ANNOUNCED, announce, recording
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import CheckpointError, OptimizerError, users_frame

if TYPE_CHECKING:
    from tinygrad_edu.optim.hooks import Hook

__all__ = ["Groups", "Hyper", "Optimizer", "Parameters", "decay_groups", "named"]

Array = np.ndarray[Any, Any]
Run = tuple[Array, Array, dict[str, Array], Array, Array | None, int]
"""Neighbouring parameters as flat arrays: values, gradients, slots, scratch, room for the gradient
after decay, and the number of steps that they missed."""

_ONE = np.array(1, np.int64)


@runtime_checkable
class HasParameters(Protocol):
    """What a module is to an optimizer: something that names its parameters."""

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Return the parameters with their names."""


Parameters = HasParameters | Iterable[Parameter] | Iterable[tuple[str, Parameter]]
Members = list[tuple[str, Parameter]]
Groups = Parameters | Sequence[Mapping[str, Any]]
"""Parameters, or groups of them: ``{"params": parameters, "lr": 0.1}``."""


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
    names = [_name(parameter) if name is None else name for name, parameter in once]
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


def _name(parameter: Parameter) -> str:
    """Return the parameter's own name, also while it is frozen: its leaf, set aside, has it."""
    frozen = getattr(parameter, "_frozen", None)
    return parameter.name if frozen is None else str(frozen.name)


class Hyper:
    """A hyper-parameter of an optimizer: checked when set, and kept in a 0-d array of the state.

    Being an array, it can change between steps that are captured and replayed. An optimizer of
    several groups shows the first group's value, and sets that of all groups while they agree.

    Parameters
    ----------
    interval : str
        The values allowed, such as ``"[0, 1)"``.
    switch : bool
        Whether the value 0 leaves a part of the rule out. What was left out when the optimizer was
        made has no slots and cannot be switched on later.
    means : tuple of str
        The slots whose running means are kept without the factor 1 - value. They are rescaled when
        the value changes, so that the means themselves stay.
    """

    def __init__(self, interval: str, *, switch: bool = False, means: tuple[str, ...] = ()) -> None:
        self.interval, self.switch, self.means = interval, switch, means
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
        name, groups = self.name, optimizer.groups
        for group in groups:
            number = self.checked(group, value)
        if name not in optimizer.scalars:
            optimizer.scalars[name] = np.array(number)
            if self.switch and number == 0:
                optimizer.left_out.add(name)
            return
        now = [float(group.scalars[name]) for group in groups]
        if len(set(now)) > 1:
            raise OptimizerError(
                f"{type(optimizer).__name__}: found {name}={value!r} for {len(groups)} groups that "
                f"have {', '.join(f'{each:g}' for each in now)}; nothing was changed\n"
                f"  fix: set each, as in optimizer.groups[0].{name} = {self.example()}"
            )
        for group in groups:
            group.scalars[name][...] = number
            if self.means and number != now[0]:
                group.rescale(self.means, (1 - now[0]) / (1 - number))

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
        return 0.9 if self.high == 1 else max(self.low, 0.01)


class Flat:
    """The parameters of one group and dtype, their gradients and slots, each in one flat array.

    Parameters
    ----------
    members : list of (str, Parameter)
        Parameters of one dtype; their values move into `values`.
    rule : Optimizer
        Makes the slots, and says what else is needed. It is not kept.
    missed : int
        Steps that were made before these parameters came.
    """

    def __init__(self, members: Members, rule: Optimizer, missed: int) -> None:
        self.names = [name for name, _ in members]
        self.parameters = [parameter for _, parameter in members]
        self.joined = rule.joined
        ends = np.cumsum([parameter.size for parameter in self.parameters]).tolist()
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))
        like = live(self.parameters[0])
        # No views are kept: a parameter whose array nobody else holds is recorded without a copy.
        self.values = np.empty(ends[-1], like.dtype, like=like)
        self.gradients = np.zeros(ends[-1], like.dtype, like=like)
        self.scratch = np.empty_like(self.values)
        self.decayed = np.empty_like(self.values) if rule.added or rule.maximize else None
        self.missed = np.full(len(members), missed, np.int64) if rule.counted else None
        self.absent: list[int] = []
        for i in range(len(self.parameters)):
            self.gather(i)
        self.slots = rule.init(self.values)

    def gather(self, i: int) -> None:
        """Move a parameter's value, and its gradient if it has one, into the flat arrays."""
        parameter = self.parameters[i]
        if parameter.node is not None:  # else it is frozen, and comes when it is thawed
            parameter.rebase(self.view(self.values, i), self.view(self.gradients, i))

    def view(self, flat: Array, i: int) -> Array:
        """Return the part of a flat array that belongs to one parameter, in its shape."""
        start, stop = self.spans[i]
        return flat[start:stop].reshape((*self.parameters[i].shape, *flat.shape[1:]))

    def cut(self, start: int, stop: int, missed: int) -> Run:
        """Return the part of every flat array that lies between two places."""
        run = slice(start, stop)
        decayed = None if self.decayed is None else self.decayed[run]
        slots = {name: slot[run] for name, slot in self.slots.items()}
        return self.values[run], self.gradients[run], slots, self.scratch[run], decayed, missed

    def runs(self) -> list[Run]:
        """Return the parts that have gradients, neighbours joined; their values are gathered.

        Another optimizer may have taken a parameter since the last step; it is gathered again.
        """
        found: list[tuple[int, int, int]] = []
        end = missed = -1
        late = 0
        self.absent = []
        for i, (parameter, (start, stop)) in enumerate(
            zip(self.parameters, self.spans, strict=True)
        ):
            leaf = parameter.node
            if not isinstance(leaf, Leaf) or leaf.grad is None:
                self.absent.append(i)
                continue
            if leaf.result.base is not self.values or leaf.grad is not leaf.buffer:
                self.gather(i)
            if self.missed is not None:
                late = int(self.missed[i])
            if self.joined and end == start and late == missed:
                found[-1] = (found[-1][0], stop, late)
            else:
                found.append((start, stop, late))
            end, missed = stop, late
        if len(found) == 1 and end == len(self.values) and found[0][0] == 0:
            whole = self.values, self.gradients, self.slots, self.scratch, self.decayed, missed
            return [whole]
        return [self.cut(*part) for part in found]


class Optimizer:
    """Base of the optimizers: owns the loop over parameters, their slots and the state.

    A rule is a subclass with two methods over arrays, `init` and `update`, and `factors` for the
    numbers that an update multiplies by. The state is handed out by name: each hyper-parameter
    (``lr``, ...), ``step``, and ``slots/<slot>/<parameter>``; with several groups a
    hyper-parameter is ``groups/<number>/lr``.

    A parameter that has no gradient in a step is left as it is, with its slots. If the rule is
    `counted`, the step number that it reads is the parameter's own: the steps in which the
    parameter had a gradient. ``missed/<parameter>`` says how many it missed.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update. Their values move into a flat array, so an array got from ``p.data`` before
        is no longer the parameter's. Or a list of groups: ``{"params": parameters}``, each with
        the hyper-parameters and options in which it differs.
    **hyper : float
        The rule's hyper-parameters. Attributes that the rule has set before are its options.

    Attributes
    ----------
    groups : list of Optimizer
        One for each group, of the same rule; ``optimizer.groups[0].lr`` is read and set. They are
        stepped together, by the optimizer that they belong to.
    hooks : list of Hook
        What is done to the gradients at the start of a step, in order; see `add_hook`.

    Raises
    ------
    OptimizerError
        A hyper-parameter or a parameter is not as described; nothing was changed.
    """

    lr = Hyper("[0, inf)")
    maximize = False
    """Whether to go up the gradient instead of down."""
    decoupled_weight_decay = False
    """Whether weight decay shrinks the parameter itself instead of being added to the gradient."""
    own_decay = False
    """Whether `update` applies the weight decay itself."""
    counted = False
    """Whether `factors` reads ``scalars["step"]`` and means the steps of the parameter itself."""
    needs_closure = False
    """Whether ``step`` asks for the loss, by a closure."""
    joined = True
    """Whether parameters that lie side by side are updated in one call, as one array."""

    hooks: list[Hook]
    scalars: dict[str, Array]
    scheduled: tuple[float, float]
    """The learning rate that a schedule has set last, and the base from which."""

    def __init__(self, parameters: Groups, **hyper: float) -> None:
        self._defaults = ({**vars(self)}, hyper)
        step = np.array(0, np.int64)
        if not _are_groups(parameters):
            self._begin(step, hyper)
            self._take(self._suitable(named(cast(Parameters, parameters))))
            return
        self._begin(step, {})
        made: list[tuple[Optimizer, Members]] = []
        for given in parameters:
            taken = [member for _, members in made for member in members]
            made.append(self._group(given, len(made), taken, step))
        # All of them are in order: only now may parameters move.
        for group, members in made:
            group._take(members)
        self._be([group for group, _ in made])

    def _begin(self, step: Array, hyper: Mapping[str, float]) -> None:
        """Become a rule with these hyper-parameters, and without parameters."""
        self.scalars, self.left_out = {}, set[str]()
        self.flats: list[Flat] = []
        self.hooks, self._parts = [], list[Optimizer]()
        for name, value in hyper.items():
            setattr(self, name, value)
        self.scalars["step"] = step
        if hyper:
            self.settle()
        decays = "weight_decay" in hyper and "weight_decay" not in self.left_out
        self.decays = decays and not self.own_decay
        self.added = self.decays and not self.decoupled_weight_decay

    def _take(self, members: Members, missed: int = 0) -> None:
        """Move the parameters into flat arrays, one set for each dtype."""
        for dtype in dict.fromkeys(parameter.dtype for _, parameter in members):
            alike = [(name, parameter) for name, parameter in members if parameter.dtype == dtype]
            self.flats.append(Flat(alike, self, missed))

    def _be(self, groups: Sequence[Optimizer]) -> None:
        """Become the optimizer of these groups; reading a hyper-parameter reads the first's."""
        self.flats, self._parts = [], list(groups)
        self.scalars, self.left_out = groups[0].scalars, groups[0].left_out

    def _suitable(self, members: Members) -> Members:
        for name, parameter in members:
            if parameter.dtype.kind != "f":
                raise OptimizerError(
                    f"{type(self).__name__}: parameter {name!r} is {parameter.dtype}; expected "
                    "real numbers\n  fix: keep real and imaginary parts as two parameters"
                )
        return members

    def _group(
        self, given: Any, number: int, taken: Members, step: Array
    ) -> tuple[Optimizer, Members]:
        """Return a group without parameters, and the parameters that it is to take."""
        what = f"{type(self).__name__}: group {number}"
        options, hyper = (dict(defaults) for defaults in self._defaults)
        if not isinstance(given, Mapping) or "params" not in given:
            raise OptimizerError(
                f"{what} is {given!r:.60}; expected a dict with 'params'\n"
                '  fix: {"params": model.head.parameters(), "lr": 0.1}'
            )
        for name, value in given.items():
            if name in hyper:
                hyper[name] = value
            elif name == "betas" and "beta1" in hyper:
                hyper["beta1"], hyper["beta2"] = two_betas(what, value)
            elif name in options and isinstance(value, type(options[name])):
                options[name] = value
            elif name != "params":
                known = ", ".join([*hyper, *options])
                raise OptimizerError(
                    f"{what}: found {name}={value!r}; this rule has {known}\n"
                    "  fix: a group takes the keywords of its optimizer"
                )
        source = given["params"]
        members = self._suitable(named([source] if isinstance(source, Parameter) else source))
        names = {name for name, _ in taken}
        if any(name in names for name, _ in members):
            members = [(f"{number}.{name}", parameter) for name, parameter in members]
        owners = {id(parameter): name for name, parameter in taken}
        for name, parameter in members:
            if id(parameter) in owners or name in names:
                raise OptimizerError(
                    f"{what}: parameter {name!r} is already "
                    f"{owners.get(id(parameter), 'the name of another')!r} of an earlier group\n"
                    "  fix: let every parameter be in one group only, under a name of its own"
                )
        group = object.__new__(type(self))
        vars(group).update(options)
        group._begin(step, hyper)
        return group, members

    def add_group(self, group: Mapping[str, Any]) -> None:
        """Take more parameters in, such as a layer that is new or thawed from now on.

        Parameters
        ----------
        group : dict
            ``"params"``, and the hyper-parameters in which the group differs from what the
            optimizer was made with. The new parameters' own steps count from here.

        Raises
        ------
        OptimizerError
            It is no group, or a parameter is in another group; nothing was changed.
        """
        groups = list(self._parts)
        if not groups:
            first = copy.copy(self)
            first.hooks = []
            groups = [first]
        taken = [
            member
            for flat in self._flats()
            for member in zip(flat.names, flat.parameters, strict=True)
        ]
        step = self.scalars["step"]
        new, members = self._group(group, len(groups), taken, step)
        new._take(members, missed=int(step))
        self._be([*groups, new])

    @property
    def groups(self) -> list[Optimizer]:
        """The groups of parameters, each with its own hyper-parameters; at least one."""
        return self._parts or [self]

    def _flats(self) -> list[Flat]:
        return [flat for group in self.groups for flat in group.flats]

    # ---- what a rule says

    def settle(self) -> None:
        """Refuse hyper-parameters and options that do not go together."""

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

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, after the hooks.

        Parameters
        ----------
        closure : callable, optional
            Called first: drops the gradients, computes the loss, calls ``backward()`` and returns
            the loss.

        Returns
        -------
        object
            What the closure returned; None without one.

        Raises
        ------
        OptimizerError
            No parameter has a gradient; nothing was changed.
        """
        if recording.get() & ANNOUNCED:
            announce(self)
        loss = None if closure is None else closure()
        work = [
            (group, flat, runs)
            for group in self._parts or (self,)
            for flat in group.flats
            if (runs := flat.runs()) or flat.missed is not None
        ]
        if not any(runs for _, _, runs in work):
            raise OptimizerError(
                f"{type(self).__name__}.step: no parameter has a gradient\n"
                "  fix: call loss.backward() first, and zero_grad() after step(), not before it"
            )
        if self.hooks:
            self._run_hooks([run for _, _, runs in work for run in runs])
        self._mark_written()
        step = self.scalars["step"]
        np.add(step, _ONE, out=step)
        for group, flat, runs in work:
            group._advance(flat, runs)
            if flat.missed is not None and flat.absent:
                flat.missed[flat.absent] += 1
        return loss

    def _advance(self, flat: Flat, runs: list[Run]) -> None:
        """Update the parts of a flat array that have gradients."""
        numbers: dict[int, dict[str, Any]] = {}
        for parameter, gradient, slots, scratch, decayed, missed in runs:
            if missed not in numbers:
                numbers[missed] = self._numbers(missed, flat.values.dtype)
            factors = numbers[missed]
            if self.added and decayed is not None:
                np.multiply(parameter, factors["weight_decay"], out=decayed)
                combine = np.subtract if self.maximize else np.add
                gradient = combine(decayed, gradient, out=decayed)
            else:
                if self.decays:
                    np.multiply(parameter, factors["weight_decay"], out=parameter)
                if self.maximize:
                    gradient = np.negative(gradient, out=decayed)
            self.update(parameter, gradient, slots, factors, scratch)

    def _numbers(self, missed: int, dtype: Any) -> dict[str, Any]:
        """Return the factors for parameters that missed so many steps, in their dtype."""
        step = self.scalars["step"]
        if missed:
            np.subtract(step, missed, out=step)
        try:
            factors = self.factors()
        finally:
            if missed:
                np.add(step, missed, out=step)
        if self.decays:
            decay = self.scalars["weight_decay"]
            factors["weight_decay"] = decay if self.added else 1 - self.scalars["lr"] * decay
        # A float64 number would widen the arithmetic on float32 arrays.
        return {name: factor.astype(dtype) for name, factor in factors.items()}

    def _mark_written(self) -> None:
        """Tell the leaves that are about to change so, with the user's line: looked up once."""
        frame = users_frame(2)
        moment, writer = tick(), (frame.f_code, frame.f_lasti)
        Leaf.latest = moment
        for group in self._parts or (self,):
            for flat in group.flats:
                for parameter in flat.parameters:
                    leaf = parameter.node
                    if isinstance(leaf, Leaf) and leaf.grad is not None:
                        leaf.written, leaf.writer = moment, writer

    def _leaves(self) -> Iterable[Leaf]:
        for flat in self._flats():
            for parameter in flat.parameters:
                if isinstance(parameter.node, Leaf):
                    yield parameter.node

    def zero_grad(self) -> None:
        """Drop the gradients, so that the next ``backward()`` starts from none."""
        if recording.get() & ANNOUNCED:
            announce(self)
        for leaf in self._leaves():
            leaf.grad = None

    # ---- hooks

    def add_hook(self, hook: Hook) -> Hook:
        """Return the hook, which from now on changes the gradients at the start of each step.

        Parameters
        ----------
        hook : Hook
            Such as ``ClipGradNorm(1.0)``; hooks run in the order in which they were added.

        Raises
        ------
        OptimizerError
            It is no hook.
        """
        if not callable(hook) or not hasattr(hook, "state"):
            raise OptimizerError(
                f"{type(self).__name__}.add_hook: found a {type(hook).__name__}; expected a Hook\n"
                "  fix: optimizer.add_hook(ClipGradNorm(1.0))"
            )
        self.hooks.append(hook)
        return hook

    def _run_hooks(self, runs: list[Run]) -> None:
        values, gradients = [run[0] for run in runs], [run[1] for run in runs]
        for hook in self.hooks:
            hook(values, gradients)

    # ---- the state

    def rescale(self, slots: tuple[str, ...], factor: float) -> None:
        """Multiply slots of all parameters by a number, where the rule has them."""
        for flat in self.flats:
            for name in slots:
                if name in flat.slots:
                    np.multiply(flat.slots[name], factor, out=flat.slots[name])

    def _fronts(self) -> list[tuple[str, Optimizer]]:
        """Return the groups with what stands before their names in the state."""
        return [
            (f"groups/{i}/" if self._parts else "", group) for i, group in enumerate(self.groups)
        ]

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name: hyper-parameters, ``step``, and the slots.

        A slot is a view in its parameter's shape.
        """
        state = {}
        for front, group in self._fronts():
            for name, array in group.scalars.items():
                state[name if name == "step" else front + name] = array
        for flat in self._flats():
            for slot, array in flat.slots.items():
                for i, name in enumerate(flat.names):
                    state[f"slots/{slot}/{name}"] = flat.view(array, i)
            if flat.missed is not None:
                for i, name in enumerate(flat.names):
                    state[f"missed/{name}"] = flat.missed[i : i + 1].reshape(())
        for number, hook in enumerate(self.hooks):
            state.update((f"hooks/{number}/{name}", each) for name, each in hook.state().items())
        return state

    def holders(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Yield what holds the arrays that a step uses, with what stands before their names.

        A capture puts recorders in their places. The arrays of several parameters are flat here.
        """
        for front, group in self._fronts():
            yield front, group.scalars
            for flat in group.flats:
                here = f"{front}{flat.values.dtype}/" if len(group.flats) > 1 else front
                yield here, vars(flat)
                yield here, flat.slots

    def workspace(self) -> dict[str, Array]:
        """Return the arrays that a step writes before it reads them: they are no state."""
        work = {}
        for front, group in self._fronts():
            for flat in group.flats:
                work[f"{front}gradients/{flat.values.dtype}"] = flat.gradients
                work[f"{front}scratch/{flat.values.dtype}"] = flat.scratch
                if flat.decayed is not None:
                    work[f"{front}decayed/{flat.values.dtype}"] = flat.decayed
        return work

    def state_dict(self) -> dict[str, Array]:
        """Return the state as copies, to be saved."""
        return copies(self.state())

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Put a saved state back, all of it or, if anything does not fit, nothing.

        Groups and hooks have to be added before, as they were. A state without ``missed/...`` is
        one in which no parameter missed a step.

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
        never = {name: np.zeros((), np.int64) for name in state if name.startswith("missed/")}
        arrays, _, _ = fitting(what, state, {**never, **saved})
        try:
            for front, group in self._fronts():
                for name in group.scalars:
                    if name != "step":
                        getattr(type(self), name).checked(group, arrays[front + name])
            self._check_counts(arrays)
        except OptimizerError as error:
            raise CheckpointError(f"{what}: nothing was changed\n  {error}") from error
        for name, array in arrays.items():
            state[name][...] = array

    def _check_counts(self, arrays: Mapping[str, Array]) -> None:
        """Refuse counts of steps that no run can have reached."""
        for name, count in arrays.items():
            counts = name == "step" or name.startswith("missed/")
            if counts and not 0 <= count <= (arrays["step"] if name != "step" else count):
                raise OptimizerError(
                    f"{type(self).__name__}: found {name}={count} of {arrays['step']} steps\n"
                    "  fix: load a state that state_dict() returned"
                )

    def __repr__(self) -> str:
        count = sum(flat.values.size for flat in self._flats())
        shown = [
            ", ".join(f"{name}={value:g}" for name, value in group.scalars.items())
            for group in self.groups
        ]
        return f"{type(self).__name__}({count} numbers, {'; '.join(shown)})"


def _are_groups(parameters: Groups) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    if not isinstance(parameters, (list, tuple)):
        return False
    return any(isinstance(each, Mapping) for each in parameters)


def two_betas(what: str, betas: Any) -> tuple[float, float]:
    """Return the two betas, or refuse what is no pair."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise OptimizerError(
            f"{what}: found betas={betas!r}; expected two numbers in [0, 1)\n"
            "  fix: betas=(0.9, 0.999)"
        )
    return betas[0], betas[1]


def decay_groups(parameters: Parameters, weight_decay: float = 1e-2) -> list[dict[str, Any]]:
    """Return two groups: matrices and kernels with weight decay, biases and norms' scales without.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        Those of two dimensions or more get the decay. A group that would be empty is left out.
    weight_decay : float
        The decay of the first group.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> from tinygrad_edu.optim import AdamW
    >>> optimizer = AdamW(decay_groups(Linear(3, 2, rng=0), 0.1), lr=0.01)
    >>> [group.weight_decay for group in optimizer.groups]
    [0.1, 0.0]
    """
    found: dict[bool, Members] = {True: [], False: []}
    for name, parameter in named(parameters):
        found[parameter.ndim >= 2].append((name, parameter))
    return [
        {"params": members, "weight_decay": weight_decay if decays else 0.0}
        for decays, members in found.items()
        if members
    ]
