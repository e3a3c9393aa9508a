r"""Schedules: learning rates that change during a run.

Knows: the groups of an optimizer, and a counter. Does not know: gradients, epochs, data.

A schedule is a function of a counter and of a group's base learning rate :math:`\eta_0`, which it
finds in the optimizer when it is made. Nothing is multiplied up from step to step, so nothing
drifts: `Schedule.value` may be asked for any step, drawn, and resumed exactly. `ReduceLROnPlateau`
alone depends on what happens.

In the formulas :math:`k` is the number of calls of `step` so far, from 0. It counts epochs, or
iterations if ``every="iteration"``; that only tells a trainer when to call `step`. Names, defaults
and values are PyTorch's.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.state import copies, fitting
from tinygrad_edu.errors import CheckpointError, OptimizerError
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "WarmUp",
]

Array = np.ndarray[Any, Any]
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
        ``"epoch"`` or ``"iteration"``: when a trainer is to call `step`.

    Attributes
    ----------
    every : str
        As given.
    monitor : str or None
        Which figure of an evaluation `step` wants; None if it wants none.
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
        """Return the learning rate of a group after so many calls of `step`; nothing is changed.

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
        self.factor = _number(self, "factor", factor)
        self.total_iters = _whole(self, "total_iters", total_iters, 0)
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
        self.start_factor = _number(self, "start_factor", start_factor)
        self.end_factor = _number(self, "end_factor", end_factor)
        self.total_iters = _whole(self, "total_iters", total_iters, 1)
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
        self.step_size = _whole(self, "step_size", step_size, 1)
        self.gamma = _number(self, "gamma", gamma)
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
        self.milestones = _rising(self, milestones)
        self.gamma = _number(self, "gamma", gamma)
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
        self.gamma = _number(self, "gamma", gamma)
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
        self.total_iters = _whole(self, "total_iters", total_iters, 1)
        self.power = _number(self, "power", power)
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
        """Return the learning rate of a group after so many calls of `step`."""
        count = len(self.bases)
        if len(self.lr_lambda) not in (1, count):
            raise OptimizerError(
                f"LambdaLR: found {len(self.lr_lambda)} functions for {count} groups\n"
                "  fix: give one function, or one for each group"
            )
        factor = self.lr_lambda[group % len(self.lr_lambda)](step)
        return float(self.bases[group] * factor)


class CosineAnnealingLR(Schedule):
    r"""Half a cosine from :math:`\eta_0` to :math:`\eta_{min}` in :math:`T` steps, and back again.

    .. math:: \eta_{min} + \frac{\eta_0 - \eta_{min}}{2} \left(1 + \cos\frac{\pi k}{T}\right)

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    T_max : int
        :math:`T`, at least 1.
    eta_min : float
        :math:`\eta_{min}`, at least 0.
    every : str
        ``"epoch"`` or ``"iteration"``.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    eq. 5, without the restart.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, *, every: Every = "epoch"
    ) -> None:
        self.T_max = _whole(self, "T_max", T_max, 1)
        self.eta_min = _number(self, "eta_min", eta_min)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the point of the cosine."""
        return _cosine(base, self.eta_min, step / self.T_max)


class CosineAnnealingWarmRestarts(Schedule):
    r"""Half a cosine after the other, each :math:`m` times as long as the one before.

    .. math::
        \eta_{min} + \frac{\eta_0 - \eta_{min}}{2} \left(1 + \cos\frac{\pi k_i}{T_i}\right),
        \qquad T_i = T_0 m^i

    where :math:`k_i` steps were made since the last restart.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    T_0 : int
        Steps until the first restart, at least 1.
    T_mult : int
        :math:`m`, at least 1.
    eta_min : float
        :math:`\eta_{min}`, at least 0.
    every : str
        ``"epoch"`` or ``"iteration"``.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    eq. 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        *,
        every: Every = "epoch",
    ) -> None:
        self.T_0, self.T_mult = _whole(self, "T_0", T_0, 1), _whole(self, "T_mult", T_mult, 1)
        self.eta_min = _number(self, "eta_min", eta_min)
        super().__init__(optimizer, every)

    def at(self, step: int, base: float) -> float:
        """Return the point of the cosine that is going on."""
        length = self.T_0
        if self.T_mult == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * self.T_mult
        return _cosine(base, self.eta_min, step / length)


class CyclicLR(Schedule):
    r"""Up and down between two learning rates, in straight lines.

    With :math:`u` steps up and :math:`d` down, cycle :math:`c = 1 + \lfloor k/(u+d) \rfloor`, and
    the height :math:`h` of the triangle, from 0 to 1,

    .. math:: \eta_{low} + (\eta_{high} - \eta_{low})\,h \cdot s, \qquad
        s = 1,\quad 2^{1-c}\quad \text{or}\quad \gamma^k

    for the modes ``"triangular"``, ``"triangular2"`` and ``"exp_range"``. The momentum, if it
    cycles, is high where the learning rate is low.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set; their own values are not used.
    base_lr, max_lr : float, or sequence of float
        :math:`\eta_{low}` and :math:`\eta_{high}`, one for all groups or one for each.
    step_size_up : int
        :math:`u`, at least 1.
    step_size_down : int, optional
        :math:`d`; the same by default.
    mode : str
        See above.
    gamma : float
        :math:`\gamma` of ``"exp_range"``, at least 0.
    scale_fn : callable, optional
        :math:`s` as a function of one's own, in place of `mode`.
    scale_mode : str
        What `scale_fn` is given: ``"cycle"``, :math:`c`, or ``"iterations"``, :math:`k`.
    cycle_momentum : bool
        Whether to set momentum, or :math:`\beta_1`, too.
    base_momentum, max_momentum : float
        Its range, in [0, 1).
    every : str
        ``"epoch"`` or ``"iteration"``.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        *,
        every: Every = "iteration",
    ) -> None:
        self.base_lr = _each(self, optimizer, "base_lr", base_lr)
        self.max_lr = _each(self, optimizer, "max_lr", max_lr)
        self.up = _whole(self, "step_size_up", step_size_up, 1)
        down = step_size_up if step_size_down is None else step_size_down
        self.down = _whole(self, "step_size_down", down, 1)
        self.gamma = _number(self, "gamma", gamma)
        _one_of(self, "mode", mode, ("triangular", "triangular2", "exp_range"))
        _one_of(self, "scale_mode", scale_mode, ("cycle", "iterations"))
        self.mode, self.scale_fn, self.scale_mode = mode, scale_fn, scale_mode
        self.momentum = _cycled(self, optimizer) if cycle_momentum else None
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        super().__init__(optimizer, every)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of `step`."""
        low, high = self.base_lr[group], self.max_lr[group]
        return low + (high - low) * self.height(step)

    def others(self, step: int) -> dict[str, float]:
        """Return the momentum."""
        if self.momentum is None:
            return {}
        fall = (self.max_momentum - self.base_momentum) * self.height(step)
        return {self.momentum: self.max_momentum - fall}

    def height(self, step: int) -> float:
        """Return how high the triangle stands, scaled."""
        total = self.up + self.down
        cycle, place = 1 + step // total, step % total
        height = place / self.up if place <= self.up else (total - place) / self.down
        if self.scale_fn is not None:
            return height * self.scale_fn(cycle if self.scale_mode == "cycle" else step)
        if self.mode == "triangular2":
            return height * 2.0 ** (1 - cycle)
        return height * (self.gamma**step if self.mode == "exp_range" else 1.0)


class OneCycleLR(Schedule):
    r"""One rise of the learning rate and one long fall, the momentum the other way round.

    From :math:`\eta_{max}/f` up to :math:`\eta_{max}` in a share of the steps, and then down to
    :math:`\eta_{max}/(f F)`; each along half a cosine, or a line. In three phases the fall first
    mirrors the rise.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set; their own values are not used.
    max_lr : float, or sequence of float
        :math:`\eta_{max}`, above 0, one for all groups or one for each.
    total_steps : int, optional
        Steps of the run, at least 1; or give `epochs` and `steps_per_epoch`.
    epochs, steps_per_epoch : int, optional
        Their product is the number of steps.
    pct_start : float
        Share of the steps that go up, in [0, 1].
    anneal_strategy : str
        ``"cos"`` or ``"linear"``.
    cycle_momentum : bool
        Whether to set momentum, or :math:`\beta_1`, too.
    base_momentum, max_momentum : float
        Its range, in [0, 1).
    div_factor, final_div_factor : float
        :math:`f` and :math:`F`, above 0.
    three_phase : bool
        Whether to fall to the start first, and then on.
    every : str
        ``"epoch"`` or ``"iteration"``.

    References
    ----------
    L. N. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018, section 4, for three phases; two of cosines are fast.ai's.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        *,
        every: Every = "iteration",
    ) -> None:
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            total_steps = epochs * steps_per_epoch
        self.total_steps = _whole(self, "total_steps", total_steps, 1)
        self.max_lr = _each(self, optimizer, "max_lr", max_lr)
        if not 0 <= pct_start <= 1:
            raise OptimizerError(
                f"OneCycleLR: found pct_start={pct_start!r}; expected a share in [0, 1]\n"
                "  fix: pct_start=0.3"
            )
        _one_of(self, "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.curve = _cosine if anneal_strategy == "cos" else _line
        self.momentum = _cycled(self, optimizer) if cycle_momentum else None
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        start = 1 / _number(self, "div_factor", div_factor, above=True)
        end = start / _number(self, "final_div_factor", final_div_factor, above=True)
        peak, last = pct_start * self.total_steps - 1, self.total_steps - 1
        # Where each phase ends, and the heights there: of the learning rate, of the momentum.
        self.phases: list[tuple[float, float, float]] = [(0, start, 1.0), (peak, 1.0, 0.0)]
        if three_phase:
            self.phases.append((2 * peak, start, 1.0))
        self.phases.append((last, end, 1.0))
        super().__init__(optimizer, every)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of `step`."""
        height, _ = self.heights(step)
        return self.max_lr[group] * height

    def others(self, step: int) -> dict[str, float]:
        """Return the momentum."""
        if self.momentum is None:
            return {}
        _, height = self.heights(step)
        return {self.momentum: _line(self.base_momentum, self.max_momentum, height)}

    def heights(self, step: int) -> tuple[float, float]:
        """Return learning rate over `max_lr`, and momentum from 0 at its base to 1."""
        if step > self.total_steps:
            raise OptimizerError(
                f"OneCycleLR: step {step} is beyond the cycle of {self.total_steps}\n"
                "  fix: make it with the number of steps of the whole run, total_steps="
                f"{step} or more"
            )
        step = min(step, self.total_steps - 1)
        # The last phase goes on, wherever it ends.
        number = bisect.bisect_left([end for end, _, _ in self.phases[1:-1]], step)
        before, after = self.phases[number : number + 2]
        done = (step - before[0]) / (after[0] - before[0]) if after[0] != before[0] else 1.0
        return self.curve(before[1], after[1], done), self.curve(before[2], after[2], done)


# ------------------------------------------------------------------------------ of others


class SequentialLR(Schedule):
    """One schedule after the other, each counting from 0 at its milestone.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set; that of the schedules, too.
    schedules : sequence of Schedule
        At least one; their own `step` is no longer called.
    milestones : sequence of int
        The steps at which the second, third, ... take over, in rising order.
    every : str, optional
        ``"epoch"`` or ``"iteration"``; that of the first schedule by default.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> from tinygrad_edu.optim import SGD
    >>> optimizer = SGD(Linear(2, 1, rng=0), 0.1)
    >>> warm_up = LinearLR(optimizer, 0.25, total_iters=3)
    >>> schedule = SequentialLR(optimizer, [warm_up, StepLR(optimizer, 2)], [3])
    >>> schedule.values(7).round(3).tolist()
    [0.025, 0.05, 0.075, 0.1, 0.1, 0.01, 0.01]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedules: Sequence[Schedule],
        milestones: Sequence[int],
        *,
        every: Every | None = None,
    ) -> None:
        self.schedules = [_formula(self, optimizer, each) for each in schedules]
        self.milestones = _rising(self, milestones)
        if len(self.milestones) != len(self.schedules) - 1:
            raise OptimizerError(
                f"SequentialLR: found {len(self.schedules)} schedules and {len(self.milestones)} "
                "milestones; expected one milestone between two schedules\n"
                "  fix: SequentialLR(optimizer, [first, second], [10])"
            )
        super().__init__(optimizer, self.schedules[0].every if every is None else every)

    def _turn(self, step: int) -> tuple[Schedule, int]:
        number = bisect.bisect_right(self.milestones, step)
        return self.schedules[number], step - (self.milestones[number - 1] if number else 0)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of `step`."""
        schedule, own = self._turn(step)
        return schedule.value(own, group)

    def others(self, step: int) -> dict[str, float]:
        """Return what the schedule whose turn it is sets."""
        schedule, own = self._turn(step)
        return schedule.others(own)

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name, those of the schedules by number."""
        return super().state() | {
            f"{number}/{name}": array
            for number, schedule in enumerate(self.schedules)
            for name, array in schedule.state().items()
        }


class WarmUp(Schedule):
    r"""A linear rise before another schedule, or before a constant learning rate.

    .. math:: \eta(k) = \left(a + (1 - a) \frac kT\right) \eta'(0) \quad \text{while } k < T,
        \qquad \text{then } \eta'(k - T)

    where :math:`\eta'` is the other schedule. `LinearLR` within `SequentialLR` does the same.

    Parameters
    ----------
    after : Schedule or Optimizer
        What comes then; an optimizer's learning rate stays as it is.
    steps : int
        :math:`T`, at least 1.
    start_factor : float
        :math:`a`, in [0, 1]; :math:`1/T` by default, so that the first step is like the others.
    every : str, optional
        ``"epoch"`` or ``"iteration"``; that of `after` by default.

    References
    ----------
    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, section
    2.2.
    """

    def __init__(
        self,
        after: Schedule | Optimizer,
        steps: int,
        start_factor: float | None = None,
        *,
        every: Every | None = None,
    ) -> None:
        if isinstance(after, Optimizer):
            after = ConstantLR(after, 1.0, 0)
        optimizer = getattr(after, "optimizer", None)
        self.after = _formula(self, optimizer, after)
        self.steps = _whole(self, "steps", steps, 1)
        start = 1 / self.steps if start_factor is None else start_factor
        self.start_factor = _number(self, "start_factor", start)
        super().__init__(self.after.optimizer, self.after.every if every is None else every)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of `step`."""
        if step >= self.steps:
            return self.after.value(step - self.steps, group)
        share = self.start_factor + (1 - self.start_factor) * (step / self.steps)
        return share * self.after.value(0, group)

    def others(self, step: int) -> dict[str, float]:
        """Return what the other schedule sets."""
        return self.after.others(max(step - self.steps, 0))

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name, with those of the other schedule."""
        after = {f"after/{name}": array for name, array in self.after.state().items()}
        return super().state() | after


# ------------------------------------------------------------------------------ by what happens


class ReduceLROnPlateau(Schedule):
    r"""A smaller learning rate whenever a figure has not improved for some time.

    A value :math:`v` improves on the best if :math:`v < (1 - \tau)\,b`, or :math:`v < b - \tau`
    with ``threshold_mode="abs"`` (``>`` and ``+`` with ``mode="max"``); nan never does. After more
    than `patience` values in a row that do not, each group's learning rate becomes
    :math:`\max(f\,\eta, \eta_{min})`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set.
    mode : str
        ``"min"`` if smaller is better, ``"max"`` if larger.
    factor : float
        :math:`f`, in [0, 1).
    patience : int
        Values without improvement that are borne, at least 0.
    threshold : float
        :math:`\tau`, at least 0.
    threshold_mode : str
        ``"rel"`` or ``"abs"``.
    cooldown : int
        Values after a reduction that are not counted, at least 0.
    min_lr : float, or sequence of float
        :math:`\eta_{min}`, one for all groups or one for each.
    eps : float
        A reduction by no more than this is left out.
    monitor : str
        Which entry of a trainer's record to pass to `step`.
    every : str
        ``"epoch"`` or ``"iteration"``.

    Attributes
    ----------
    best : float
        Best value so far.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
        *,
        monitor: str = "validation_loss",
        every: Every = "epoch",
    ) -> None:
        _one_of(self, "mode", mode, ("min", "max"))
        _one_of(self, "threshold_mode", threshold_mode, ("rel", "abs"))
        if _number(self, "factor", factor) >= 1:
            raise OptimizerError(
                f"ReduceLROnPlateau: found factor={factor!r}, which reduces nothing\n"
                "  fix: a number in [0, 1), as in factor=0.1"
            )
        self.mode, self.threshold_mode, self.monitor = mode, threshold_mode, monitor
        self.factor, self.patience = factor, _whole(self, "patience", patience, 0)
        self.threshold = _number(self, "threshold", threshold)
        self.cooldown = _whole(self, "cooldown", cooldown, 0)
        self.min_lr = _each(self, optimizer, "min_lr", min_lr, above=False)
        self.eps = _number(self, "eps", eps)
        self._best = np.array(np.inf if mode == "min" else -np.inf)
        self._bad, self._cooling = np.array(0, np.int64), np.array(0, np.int64)
        super().__init__(optimizer, every)
        self.rates = self.bases.copy()

    @property
    def best(self) -> float:
        """The best value so far."""
        return float(self._best)

    def value(self, step: int, group: int = 0) -> float:
        """Refuse: the learning rate depends on what happens; at the start it is the base."""
        if step == 0:
            return float(self.bases[group])
        raise OptimizerError(
            "ReduceLROnPlateau.value: the learning rate depends on the values passed to step\n"
            "  fix: read optimizer.lr while it runs"
        )

    def step(self, value: Any = None) -> None:
        """Take the next value of the figure, and reduce the learning rates if it is time.

        Parameters
        ----------
        value : float
            The figure, such as the validation loss of this epoch.

        Raises
        ------
        OptimizerError
            There is no value; nothing was changed.
        """
        number = np.asarray(value)
        if number.shape != () or number.dtype.kind not in "iuf":
            raise OptimizerError(
                f"ReduceLROnPlateau.step: found {value!r}; expected the figure that it watches\n"
                f"  fix: schedule.step({self.monitor})"
            )
        self.count += 1
        if self._improves(float(number)):
            self._best[...] = number
            self._bad[...] = 0
        else:
            self._bad += 1
        if self._cooling > 0:
            self._cooling -= 1
            self._bad[...] = 0
        if self._bad > self.patience:
            self._cooling[...], self._bad[...] = self.cooldown, 0
            for group, least in zip(self.optimizer.groups, self.min_lr, strict=True):
                reduced = max(group.lr * self.factor, least)
                if group.lr - reduced > self.eps:
                    group.lr = reduced
        self.rates[...] = [group.lr for group in self.optimizer.groups]

    def _improves(self, value: float) -> bool:
        best, sign = self.best, 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel" and math.isfinite(best):
            best *= 1 - sign * self.threshold
        elif self.threshold_mode == "abs":
            best -= sign * self.threshold
        return sign * value < sign * best

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name: also best value, learning rates, and two counts."""
        more = {"best": self._best, "bad": self._bad, "cooling": self._cooling}
        return super().state() | more | {"rates": self.rates}

    def check(self, name: str, array: Array) -> None:
        """Refuse what cannot be a part of the state; any number may be the best."""
        if name != "best":
            super().check(name, array)
        elif np.isnan(array):
            raise OptimizerError(
                "ReduceLROnPlateau: found best=nan\n  fix: load a state that state_dict() returned"
            )

    def _resume(self) -> None:
        for group, rate in zip(self.optimizer.groups, self.rates, strict=True):
            group.lr = float(rate)


# ------------------------------------------------------------------------------ arguments


def _base(group: Optimizer) -> float:
    """Return the learning rate that the user has set, also if a schedule has changed it since."""
    rate, base = getattr(group, "scheduled", (None, 0.0))
    return base if group.lr == rate else group.lr


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


def _line(start: float, end: float, done: float) -> float:
    return start + (end - start) * done


def _number(schedule: Schedule, name: str, value: Any, *, above: bool = False) -> float:
    number = np.asarray(value)
    fits = number.shape == () and number.dtype.kind in "iuf" and math.isfinite(number)
    if not fits or number < 0 or (above and number == 0):
        what = type(schedule).__name__
        raise OptimizerError(
            f"{what}: found {name}={value!r}; expected a number {'above' if above else 'from'} 0\n"
            f"  fix: {what}(optimizer, {name}=0.1)"
        )
    return float(number)


def _whole(schedule: Schedule, name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        what = type(schedule).__name__
        raise OptimizerError(
            f"{what}: found {name}={value!r}; expected a whole number from {least}\n"
            f"  fix: {what}(optimizer, {name}=10)"
        )
    return int(value)


def _rising(schedule: Schedule, milestones: Any) -> list[int]:
    given = list(milestones) if isinstance(milestones, (list, tuple, range, np.ndarray)) else [None]
    found = [_whole(schedule, "milestones", each, 0) for each in given]
    if found != sorted(found):
        raise OptimizerError(
            f"{type(schedule).__name__}: found milestones={milestones!r}, which do not rise\n"
            f"  fix: milestones={sorted(found)}"
        )
    return found


def _one_of(schedule: Schedule, name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise OptimizerError(
            f"{type(schedule).__name__}: found {name}={value!r}\n"
            f"  fix: one of {', '.join(map(repr, choices))}"
        )


def _each(
    schedule: Schedule, optimizer: Optimizer, name: str, value: Any, *, above: bool = True
) -> list[float]:
    """Return one number for each group."""
    several = list(value) if isinstance(value, (list, tuple, np.ndarray)) else None
    groups = len(optimizer.groups) if isinstance(optimizer, Optimizer) else 1
    if several is not None and len(several) != groups:
        raise OptimizerError(
            f"{type(schedule).__name__}: found {len(several)} values of {name} for {groups} groups"
            "\n  fix: give one number, or one for each group"
        )
    given = [value] * groups if several is None else several
    return [_number(schedule, name, each, above=above) for each in given]


def _cycled(schedule: Schedule, optimizer: Optimizer) -> str:
    """Return the name of the hyper-parameter that is the optimizer's momentum."""
    for name in ("momentum", "beta1"):
        groups = optimizer.groups if isinstance(optimizer, Optimizer) else []
        if groups and all(name in each.scalars and name not in each.left_out for each in groups):
            return name
    raise OptimizerError(
        f"{type(schedule).__name__}: found cycle_momentum=True for {type(optimizer).__name__}, "
        "made without momentum\n  fix: cycle_momentum=False, or an optimizer with momentum"
    )


def _formula(schedule: Schedule, optimizer: Any, part: Any) -> Schedule:
    """Return a schedule that is a part of another, if it can be one."""
    what = type(schedule).__name__
    if not isinstance(part, Schedule) or isinstance(part, ReduceLROnPlateau):
        raise OptimizerError(
            f"{what}: found a {type(part).__name__}; expected a schedule that is a formula of the "
            "step\n  fix: step a ReduceLROnPlateau by itself"
        )
    if part.optimizer is not optimizer:
        raise OptimizerError(
            f"{what}: a {type(part).__name__} in it is of another optimizer\n"
            "  fix: make all of them with one optimizer"
        )
    return part
