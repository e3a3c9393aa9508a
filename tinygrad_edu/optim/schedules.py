r"""Schedules: learning rates that change during a run.

Knows: the groups of an optimizer, and a counter. Does not know: gradients, epochs, data.

A schedule is a function of a counter and of a group's base learning rate :math:`\eta_0`, which it
finds in the optimizer when it is made. Nothing is multiplied up from step to step, so nothing
drifts: `Schedule.value` may be asked for any step, drawn, and resumed exactly. `ReduceLROnPlateau`
alone depends on what happens.

In the formulas :math:`k` is the number of calls of ``step`` so far, from 0. It counts epochs, or
iterations if ``every="iteration"``; that only tells a trainer when to call ``step``. Names,
defaults and values are PyTorch's.

Here are the base class and the plain formulas. Read next: ``cycles.py`` for cosines, triangles and
the one cycle, ``combined.py`` for one schedule after another, ``plateau.py`` for the one that
watches a figure.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.state import Array, copies, fitting
from tinygrad_edu.errors import CheckpointError, OptimizerError
from tinygrad_edu.optim.arguments import real, rising, whole
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "Schedule",
    "StepLR",
]

Every = Literal["epoch", "iteration"]


class Schedule:
    """Base of the schedules: owns the counter, the base learning rates, and the state.

    A schedule says `at`: the learning rate of a step, given the base. Making it sets the
    optimizer's learning rates for step 0. A learning rate that is set by hand between steps is
    overwritten by the next.

    Several schedules may be made for one optimizer, to be put one after the other by
    `SequentialLR`: the base is the learning rate that the user has set, not the one that an
    earlier schedule has.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    every : str
        ``"epoch"`` or ``"iteration"``: when a trainer is to call ``step``.

    Attributes
    ----------
    every : str
        As given.
    monitor : str or None
        Which figure of an evaluation ``step`` wants; None if it wants none.
    bases : ndarray, shape (groups,)
        Base learning rates.

    Raises
    ------
    OptimizerError
        An argument is not as described; nothing was changed.
    """

    monitor: str | None = None

    def __init__(self, optimizer: Optimizer, every: Every = "epoch") -> None:
        what = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise OptimizerError(
                f"{what}: found a {type(optimizer).__name__}; expected an optimizer\n"
                f"  fix: make the optimizer first, as in {what}(SGD(model, 0.1), ...)"
            )
        if every not in ("epoch", "iteration"):
            raise OptimizerError(
                f'{what}: found every={every!r}\n  fix: every="epoch" or every="iteration"'
            )
        self.optimizer, self.every = optimizer, every
        self.count = np.array(0, np.int64)
        self.bases = np.array([_base(group) for group in optimizer.groups])
        self._set(0)

    def at(self, step: int, base: float) -> float:
        """Return the learning rate after so many steps, of a group with this base."""
        raise NotImplementedError

    def others(self, step: int) -> dict[str, float]:  # noqa: ARG002
        """Return the other hyper-parameters that are set for a step, by name: usually none."""
        return {}

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of ``step``; nothing is changed.

        Raises
        ------
        OptimizerError
            The step is no whole number from 0, or beyond the end.
        """
        if isinstance(step, bool) or not isinstance(step, (int, np.integer)) or step < 0:
            raise OptimizerError(
                f"{type(self).__name__}.value: found step={step!r}; expected a whole number from 0"
                "\n  fix: schedule.value(0) is the learning rate at the start"
            )
        return float(self.at(int(step), float(self.bases[group])))

    def values(self, steps: int, group: int = 0) -> Array:
        """Return the learning rates of a group in the first steps, shape (steps,), to be drawn."""
        return np.array([self.value(step, group) for step in range(steps)])

    def step(self) -> None:
        """Count one epoch or iteration more, and set the learning rates.

        Raises
        ------
        OptimizerError
            The schedule has ended, or the optimizer has groups that came later; nothing was
            changed.
        """
        self._set(int(self.count) + 1)
        self.count += 1

    def _set(self, step: int) -> None:
        groups = self.optimizer.groups
        if len(groups) != len(self.bases):
            raise OptimizerError(
                f"{type(self).__name__}: made for {len(self.bases)} groups, the optimizer has "
                f"{len(groups)} now\n  fix: make the schedule after the last add_group"
            )
        rates = [self.value(step, number) for number in range(len(groups))]
        others = self.others(step)
        for group in groups:
            for name, value in [("lr", rates[0]), *others.items()]:
                getattr(type(group), name).checked(group, value)
        for group, rate, base in zip(groups, rates, self.bases, strict=True):
            for name, value in [("lr", rate), *others.items()]:
                setattr(group, name, value)
            group.scheduled = (rate, float(base))

    # ---- the state

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name: ``count`` and ``bases``."""
        return {"count": self.count, "bases": self.bases}

    def state_dict(self) -> dict[str, Array]:
        """Return the state as copies, to be saved."""
        return copies(self.state())

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Put a saved state back, and the learning rates that follow from it.

        Raises
        ------
        CheckpointError
            Names, shapes, dtypes or values do not fit; nothing was changed.
        """
        what, state = f"{type(self).__name__}.load_state_dict", self.state()
        arrays, _, _ = fitting(what, state, saved)
        before = self.state_dict()
        try:
            for name, array in arrays.items():
                self.check(name, array)
                state[name][...] = array
            self._resume()
        except OptimizerError as error:
            for name, array in before.items():
                state[name][...] = array
            self._resume()
            raise CheckpointError(f"{what}: nothing was changed\n  {error}") from error

    def check(self, name: str, array: Array) -> None:
        """Refuse what cannot be a part of the state."""
        if not np.all(np.isfinite(array)) or np.any(array < 0):
            raise OptimizerError(
                f"{type(self).__name__}: found {name}={array}; expected numbers from 0\n"
                "  fix: load a state that state_dict() returned"
            )

    def _resume(self) -> None:
        self._set(int(self.count))

    def __repr__(self) -> str:
        rates = ", ".join(f"{group.lr:g}" for group in self.optimizer.groups)
        return f"{type(self).__name__}(after {int(self.count)} {self.every}s, lr={rates})"


def _base(group: Optimizer) -> float:
    """Return the learning rate that the user has set, also if a schedule has changed it since."""
    rate, base = getattr(group, "scheduled", (None, 0.0))
    return base if group.lr == rate else group.lr


# ------------------------------------------------------------------------------ formulas


class ConstantLR(Schedule):
    r"""A fixed share of the learning rate at first: :math:`f\,\eta_0` while :math:`k < T`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    factor : float
        :math:`f`, at least 0.
    total_iters : int
        :math:`T`, at least 0; after it the learning rate is :math:`\eta_0`.
    every : str
        ``"epoch"`` or ``"iteration"``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        *,
        every: Every = "epoch",
    ) -> None:
        self.factor = real(self, "factor", factor)
        self.total_iters = whole(self, "total_iters", total_iters, 0)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the share of the base, or the base."""
        return base * self.factor if step < self.total_iters else base


class LinearLR(Schedule):
    r"""A line from one share of the learning rate to another: warm-up, or decay.

    .. math:: \eta_0 \left(a + (b - a) \min(1, k/T)\right)

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    start_factor, end_factor : float
        :math:`a` and :math:`b`, at least 0.
    total_iters : int
        :math:`T`, at least 1.
    every : str
        ``"epoch"`` or ``"iteration"``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        *,
        every: Every = "epoch",
    ) -> None:
        self.start_factor = real(self, "start_factor", start_factor)
        self.end_factor = real(self, "end_factor", end_factor)
        self.total_iters = whole(self, "total_iters", total_iters, 1)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the point of the line."""
        done = min(step / self.total_iters, 1.0)
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class StepLR(Schedule):
    r"""A stair: :math:`\eta_0\,\gamma^{\lfloor k/s \rfloor}`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    step_size : int
        :math:`s`, at least 1.
    gamma : float
        :math:`\gamma`, at least 0.
    every : str
        ``"epoch"`` or ``"iteration"``.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, *, every: Every = "epoch"
    ) -> None:
        self.step_size = whole(self, "step_size", step_size, 1)
        self.gamma = real(self, "gamma", gamma)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the height of the stair."""
        return base * self.gamma ** (step // self.step_size)


class MultiStepLR(Schedule):
    r"""A stair with edges of one's own: :math:`\eta_0\,\gamma^n`, after :math:`n` milestones.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    milestones : sequence of int
        The steps from which each factor counts, in rising order; one given twice counts twice.
    gamma : float
        :math:`\gamma`, at least 0.
    every : str
        ``"epoch"`` or ``"iteration"``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        *,
        every: Every = "epoch",
    ) -> None:
        self.milestones = rising(self, milestones)
        self.gamma = real(self, "gamma", gamma)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the height of the stair."""
        return base * self.gamma ** bisect.bisect_right(self.milestones, step)


class ExponentialLR(Schedule):
    r"""A constant factor for each step: :math:`\eta_0\,\gamma^k`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    gamma : float
        :math:`\gamma`, at least 0.
    every : str
        ``"epoch"`` or ``"iteration"``.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, *, every: Every = "epoch") -> None:
        self.gamma = real(self, "gamma", gamma)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the base times a power."""
        return base * self.gamma**step


class PolynomialLR(Schedule):
    r"""A power that falls to 0: :math:`\eta_0 \left(1 - \min(1, k/T)\right)^p`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    total_iters : int
        :math:`T`, at least 1.
    power : float
        :math:`p`, at least 0; 1 is a line.
    every : str
        ``"epoch"`` or ``"iteration"``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        *,
        every: Every = "epoch",
    ) -> None:
        self.total_iters = whole(self, "total_iters", total_iters, 1)
        self.power = real(self, "power", power)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the base times a power of what is left."""
        left = 1.0 - min(step, self.total_iters) / self.total_iters
        return float(base * left**self.power)


class LambdaLR(Schedule):
    r"""A factor of one's own: :math:`\eta_0\,f(k)`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    lr_lambda : callable, or sequence of callables
        ``f(step)`` returns the factor; one for all groups, or one for each.
    every : str
        ``"epoch"`` or ``"iteration"``.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> from tinygrad_edu.optim import SGD
    >>> schedule = LambdaLR(SGD(Linear(2, 1, rng=0), 0.1), lambda k: 1 / (1 + k))
    >>> schedule.values(4).round(4).tolist()
    [0.1, 0.05, 0.0333, 0.025]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        *,
        every: Every = "epoch",
    ) -> None:
        several: list[Any] = (
            list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda]
        )
        if not all(callable(each) for each in several):
            raise OptimizerError(
                f"LambdaLR: found lr_lambda={lr_lambda!r:.60}; expected a function of the step\n"
                "  fix: LambdaLR(optimizer, lambda k: 0.9 ** k)"
            )
        self.lr_lambda = several
        super().__init__(optimizer, every)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of ``step``."""
        count = len(self.bases)
        if len(self.lr_lambda) not in (1, count):
            raise OptimizerError(
                f"LambdaLR: found {len(self.lr_lambda)} functions for {count} groups\n"
                "  fix: give one function, or one for each group"
            )
        factor = self.lr_lambda[group % len(self.lr_lambda)](step)
        return float(self.bases[group] * factor)
