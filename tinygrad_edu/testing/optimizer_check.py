r"""`check_optimizer`: what holds for every update rule, asked of a user's.

Small parameters run down a quadratic bowl, :math:`\tfrac12 \sum_i c_i (x_i - a_i)^2`. Its gradient
:math:`c_i (x_i - a_i)` is written by hand: no rule of the engine stands between the bowl and the
optimizer.

Knows: that an optimizer steps, drops gradients, and saves and loads its state. Does not know: any
formula; the caller may give one, in plain Python, to be compared with. Read next:
``tinygrad_edu/optim/optimizer.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import CheckError, OpTypeError, TinygradEduError
from tinygrad_edu.numeric.check import Report
from tinygrad_edu.testing.op_check import failed
from tinygrad_edu.testing.reproduce import call_source, name_of

__all__ = ["check_optimizer"]

Array = np.ndarray[Any, Any]
Factory = Callable[[list[tuple[str, Parameter]]], Any]
Reference = Callable[[float, Callable[[float], float]], Iterable[float]]

SHAPES = {"a": (2, 3), "b": (3,), "c": ()}
"""The parameters: a matrix, a vector and a scalar."""


def check_optimizer(
    rule: Factory,
    reference: Reference | None = None,
    *,
    steps: int = 10,
    seed: int = 0,
    rtol: float = 1e-12,
) -> Report:
    """Return the report on an update rule; raise if it breaks a law of optimizers.

    1. It descends: after `steps` steps the quadratic is lower than at the start.
    2. A learning rate of 0 changes no parameter, and a parameter without a gradient is left as it
       is, as are its slots and every gradient.
    3. The order of the parameters changes nothing, to the bit.
    4. Resumed from ``state_dict()`` it goes on as it would have, to the bit.
    5. float32 parameters stay float32, and so do their slots; they take nearly the float64 path.
    6. Each element takes the path of `reference`, if there is one.

    Parameters
    ----------
    rule : callable
        ``rule(parameters)`` returns an optimizer of a list of ``(name, Parameter)``: a class, if
        its defaults will do, or ``lambda p: SGD(p, lr=0.1)``. It has ``step``, ``zero_grad``,
        ``state_dict``, ``load_state_dict`` and a settable ``lr``.
    reference : callable, optional
        ``reference(x, gradient)`` yields the positions after each step of one number that starts
        at `x`, in plain Python; ``gradient(x)`` is the slope there.
    steps : int, positive
        Length of the paths.
    seed : int
        Draws the bowl and the start.
    rtol : float
        How far the path may be from the reference's, relative to 1 plus its size.

    Raises
    ------
    CheckError
        One of that does not hold.

    Examples
    --------
    >>> from tinygrad_edu.optim import SGD
    >>> def descent(x, gradient):
    ...     while True:
    ...         x = x - 0.1 * gradient(x)
    ...         yield x
    >>> print(check_optimizer(lambda p: SGD(p, lr=0.1), descent).outcome)
    passed
    """
    if not callable(rule):
        raise OpTypeError(
            f"check_optimizer: found a {type(rule).__name__}; expected a function that makes an "
            "optimizer\n  fix: check_optimizer(SGD), or check_optimizer(lambda p: SGD(p, lr=0.1))"
        )
    bowl = _Bowl(seed)
    laws: list[tuple[str, Callable[[], None]]] = [
        ("gradients are read only", lambda: _reads_only(rule, bowl)),
        ("descends", lambda: _descends(rule, bowl, steps)),
        ("lr 0 changes nothing", lambda: _stands_still(rule, bowl)),
        ("no gradient, no change", lambda: _leaves_alone(rule, bowl)),
        ("order independent", lambda: _any_order(rule, bowl, steps)),
        ("resumes", lambda: _resumes(rule, bowl, steps)),
        ("float32", lambda: _stays_narrow(rule, bowl, steps)),
    ]
    if reference is not None:
        laws.append(("reference", lambda: _as_reference(rule, reference, bowl, steps, rtol)))
    name = name_of(rule)
    for law, check in laws:
        try:
            check()
        except (_Broken, TinygradEduError) as broken:
            text = f"check_optimizer of {name}: {law}: does not hold\n  {broken}"
            error = CheckError(text)
            error.outcome = law
            error.report = Report(False, law, text)
            keywords: dict[str, Any] = {} if steps == 10 else {"steps": steps}
            given = [] if reference is None else [reference]
            program = call_source(rule, check_optimizer, given, {**keywords, "seed": seed})
            raise failed(text, program, error) from broken
    names = ", ".join(law for law, _ in laws)
    return Report(True, "passed", f"check_optimizer of {name}: passed\n  laws       {names}")


class _Broken(Exception):
    """A law does not hold; the text says how."""


# ------------------------------------------------------------------------------ the bowl


class _Bowl:
    """A quadratic function of some parameters, and its gradient."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.start = {name: rng.uniform(-2, 2, shape) for name, shape in SHAPES.items()}
        self.middle = {
            name: x + rng.choice([-1, 1], x.shape) * rng.uniform(0.5, 1.5, x.shape)
            for name, x in self.start.items()
        }
        self.steepness = {name: rng.uniform(0.5, 1.5, x.shape) for name, x in self.start.items()}

    def parameters(self, dtype: Any = np.float64) -> list[tuple[str, Parameter]]:
        """Return new parameters at the start."""
        return [(name, Parameter(x.astype(dtype), name=name)) for name, x in self.start.items()]

    def slope(self, name: str, x: Any) -> Any:
        return np.asarray(self.steepness[name] * (x - self.middle[name]))

    def height(self, parameters: Sequence[tuple[str, Parameter]]) -> float:
        return sum(
            float(np.sum(self.slope(name, p.numpy()) * (p.numpy() - self.middle[name])) / 2)
            for name, p in parameters
        )

    def step(
        self, optimizer: Any, parameters: Sequence[tuple[str, Parameter]], but: str = ""
    ) -> None:
        """Make one step with the gradients of the bowl, except for the parameter `but`."""

        def closure() -> float:
            optimizer.zero_grad()
            for name, parameter in parameters:
                if name != but:
                    # By backward(), which writes the gradient where the optimizer wants it.
                    gradient = self.slope(name, parameter.numpy()).astype(parameter.dtype)
                    (parameter * gradient).sum().backward()
            return self.height(parameters)

        if _needs_closure(optimizer):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()


def _needs_closure(optimizer: Any) -> bool:
    """Return whether a step asks for the loss, perhaps several times."""
    return bool(getattr(optimizer, "needs_closure", False))


def _bits(parameters: Sequence[tuple[str, Parameter]]) -> dict[str, bytes]:
    return {name: parameter.numpy().tobytes() for name, parameter in parameters}


def _first_other(one: dict[str, bytes], other: dict[str, bytes]) -> str | None:
    return next((name for name in one if one[name] != other.get(name)), None)


# ------------------------------------------------------------------------------ the laws


def _descends(rule: Factory, bowl: _Bowl, steps: int) -> None:
    parameters = bowl.parameters()
    optimizer = rule(parameters)
    before = bowl.height(parameters)
    for _ in range(steps):
        bowl.step(optimizer, parameters)
    after = bowl.height(parameters)
    if not math.isfinite(after):
        raise _Broken(
            f"after {steps} steps down a quadratic the parameters are nan or inf\n"
            "  fix: look for a division by a slot that is zero at the start"
        )
    if not after < before:
        raise _Broken(
            f"{steps} steps down a quadratic lead from {before:.6g} to {after:.6g}\n"
            "  fix: subtract the step from the parameter; if it overshoots, give a smaller lr"
        )


def _stands_still(rule: Factory, bowl: _Bowl) -> None:
    parameters = bowl.parameters()
    optimizer = rule(parameters)
    for group in getattr(optimizer, "groups", [optimizer]):
        group.lr = 0.0
    before = _bits(parameters)
    for _ in range(2):
        bowl.step(optimizer, parameters)
    changed = _first_other(before, _bits(parameters))
    if changed is not None:
        raise _Broken(
            f"with lr = 0 the parameter {changed!r} has changed\n"
            "  fix: read the learning rate at every step, and multiply the whole step by it"
        )


def _leaves_alone(rule: Factory, bowl: _Bowl) -> None:
    parameters = bowl.parameters()
    optimizer = rule(parameters)
    bowl.step(optimizer, parameters)  # so that its slots are no longer what they were made
    before, state = _bits(parameters), _saved(optimizer)
    bowl.step(optimizer, parameters, but="b")
    if _bits(parameters)["b"] != before["b"]:
        raise _Broken(
            "a parameter without a gradient has changed\n"
            "  fix: leave it out of the step; None is not a gradient of zeros"
        )
    for name, array in _saved(optimizer).items():
        # How many steps a parameter has missed is known of it, and is no slot.
        own = name.split("/")[-1] == "b" and not name.startswith("missed/")
        if own and array.tobytes() != state[name].tobytes():
            raise _Broken(
                f"the slot {name!r} of a parameter without a gradient has changed\n"
                "  fix: leave its slots out of the step as well"
            )


def _reads_only(rule: Factory, bowl: _Bowl) -> None:
    parameters = bowl.parameters()
    optimizer = rule(parameters)
    if _needs_closure(optimizer):
        return  # the gradient after the step is that of the last call
    gradients = {}
    for name, parameter in parameters:
        (parameter * bowl.slope(name, parameter.numpy())).sum().backward()
        gradients[name] = _gradient(parameter).tobytes()
    optimizer.step()
    for name, parameter in parameters:
        if parameter.grad is None or parameter.grad.tobytes() != gradients[name]:
            raise _Broken(
                f"step() has changed the gradient of {name!r}, which may be read after it\n"
                "  fix: compute in the scratch array, or in a new one"
            )
    optimizer.zero_grad()
    if any(parameter.grad is not None for _, parameter in parameters):
        raise _Broken("zero_grad() leaves gradients behind\n  fix: set grad to None")


def _gradient(parameter: Parameter) -> Array:
    gradient = parameter.grad
    return np.zeros(0) if gradient is None else gradient


def _any_order(rule: Factory, bowl: _Bowl, steps: int) -> None:
    forth, back = bowl.parameters(), bowl.parameters()[::-1]
    one, other = rule(forth), rule(back)
    for _ in range(steps):
        bowl.step(one, forth)
        bowl.step(other, back)
    changed = _first_other(_bits(forth), _bits(back))
    if changed is not None:
        raise _Broken(
            f"listed in another order, the parameter {changed!r} takes another path\n"
            "  fix: compute each from its own gradient and slots; count steps once a step, not "
            "once a parameter"
        )


def _resumes(rule: Factory, bowl: _Bowl, steps: int) -> None:
    parameters = bowl.parameters()
    optimizer = rule(parameters)
    for _ in range(steps):
        bowl.step(optimizer, parameters)
    saved, values = _saved(optimizer), {name: p.numpy().copy() for name, p in parameters}
    for _ in range(steps):
        bowl.step(optimizer, parameters)
    again = [(name, Parameter(values[name], name=name)) for name, _ in parameters]
    resumed = rule(again)
    try:
        resumed.load_state_dict(saved)
    except TinygradEduError as error:
        raise _Broken(f"load_state_dict refuses what state_dict gave: {error}") from None
    for _ in range(steps):
        bowl.step(resumed, again)
    changed = _first_other(_bits(parameters), _bits(again))
    if changed is not None:
        raise _Broken(
            f"resumed from its saved state, the parameter {changed!r} takes another path\n"
            "  fix: keep all that a step needs in slots, or in scalars, which are saved"
        )
    ours, theirs = _saved(optimizer), _saved(resumed)
    for name, array in ours.items():
        if name not in theirs or array.tobytes() != theirs[name].tobytes():
            raise _Broken(f"resumed from its saved state, {name!r} becomes another")


def _saved(optimizer: Any) -> dict[str, Array]:
    """Return the saved state, refused if later steps can change it."""
    return {name: np.asarray(array) for name, array in optimizer.state_dict().items()}


def _stays_narrow(rule: Factory, bowl: _Bowl, steps: int) -> None:
    narrow, wide = bowl.parameters(np.float32), bowl.parameters()
    one, other = rule(narrow), rule(wide)
    for _ in range(steps):
        bowl.step(one, narrow)
        bowl.step(other, wide)
    for (name, parameter), (_, precise) in zip(narrow, wide, strict=True):
        if parameter.dtype != np.float32:
            raise _Broken(
                f"the float32 parameter {name!r} has become {parameter.dtype}\n"
                "  fix: write into the parameter's array, in its dtype"
            )
        for key, array in _saved(one).items():
            own = key.split("/")[-1] == name and array.shape == parameter.shape
            if own and array.dtype == np.float64:
                raise _Broken(
                    f"the slot {key!r} of a float32 parameter is float64\n"
                    "  fix: np.zeros_like(parameter)"
                )
        apart = np.abs(parameter.numpy() - precise.numpy()).max()
        if not apart <= 1e-4:
            raise _Broken(
                f"in float32 the parameter {name!r} ends {apart:.3g} from where float64 ends\n"
                "  fix: look for a difference of nearly equal numbers, or a tiny eps"
            )


def _as_reference(
    rule: Factory, reference: Reference, bowl: _Bowl, steps: int, rtol: float
) -> None:
    parameters = bowl.parameters()
    optimizer = rule(parameters)
    paths = {
        (name, index): list(islice(_path(reference, bowl, name, index), steps))
        for name, x in bowl.start.items()
        for index in np.ndindex(x.shape)
    }
    for number in range(steps):
        bowl.step(optimizer, parameters)
        for name, parameter in parameters:
            for index in np.ndindex(parameter.shape):
                path = paths[name, index]
                if len(path) <= number:
                    raise _Broken(
                        f"the reference ends after {len(path)} of {steps} steps\n"
                        "  fix: yield in an endless loop, while True"
                    )
                found, expected = float(parameter.numpy()[index]), float(path[number])
                if not abs(found - expected) <= rtol * (1 + abs(expected)):
                    raise _Broken(
                        f"{name}{list(index)} after step {number + 1}: found {found!r}, the "
                        f"reference is at {expected!r}"
                    )


def _path(reference: Reference, bowl: _Bowl, name: str, index: tuple[int, ...]) -> Iterable[float]:
    steepness, middle = float(bowl.steepness[name][index]), float(bowl.middle[name][index])
    return reference(float(bowl.start[name][index]), lambda x: steepness * (x - middle))
