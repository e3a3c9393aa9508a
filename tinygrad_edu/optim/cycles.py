r"""Schedules that go up and down: cosines, with restarts or without, triangles, the one cycle.

Knows: the counter, the groups, and which hyper-parameter is an optimizer's momentum. Does not know:
when a trainer calls ``step``. Read next: ``combined.py``.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence

from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.arguments import each_group, one_of, real, whole
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.schedules import Every, Schedule

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


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
        self.T_max = whole(self, "T_max", T_max, 1)
        self.eta_min = real(self, "eta_min", eta_min)
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
        self.T_0, self.T_mult = whole(self, "T_0", T_0, 1), whole(self, "T_mult", T_mult, 1)
        self.eta_min = real(self, "eta_min", eta_min)
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
        self.base_lr = each_group(self, optimizer, "base_lr", base_lr)
        self.max_lr = each_group(self, optimizer, "max_lr", max_lr)
        self.up = whole(self, "step_size_up", step_size_up, 1)
        down = step_size_up if step_size_down is None else step_size_down
        self.down = whole(self, "step_size_down", down, 1)
        self.gamma = real(self, "gamma", gamma)
        one_of(self, "mode", mode, ("triangular", "triangular2", "exp_range"))
        one_of(self, "scale_mode", scale_mode, ("cycle", "iterations"))
        self.mode, self.scale_fn, self.scale_mode = mode, scale_fn, scale_mode
        self.momentum = _cycled(self, optimizer) if cycle_momentum else None
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        super().__init__(optimizer, every)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of ``step``."""
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
        self.total_steps = whole(self, "total_steps", total_steps, 1)
        self.max_lr = each_group(self, optimizer, "max_lr", max_lr)
        if not 0 <= pct_start <= 1:
            raise OptimizerError(
                f"OneCycleLR: found pct_start={pct_start!r}; expected a share in [0, 1]\n"
                "  fix: pct_start=0.3"
            )
        one_of(self, "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.curve = _cosine if anneal_strategy == "cos" else _line
        self.momentum = _cycled(self, optimizer) if cycle_momentum else None
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        start = 1 / real(self, "div_factor", div_factor, above=True)
        end = start / real(self, "final_div_factor", final_div_factor, above=True)
        peak, last = pct_start * self.total_steps - 1, self.total_steps - 1
        # Where each phase ends, and the heights there: of the learning rate, of the momentum.
        self.phases: list[tuple[float, float, float]] = [(0, start, 1.0), (peak, 1.0, 0.0)]
        if three_phase:
            self.phases.append((2 * peak, start, 1.0))
        self.phases.append((last, end, 1.0))
        super().__init__(optimizer, every)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of ``step``."""
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


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


def _line(start: float, end: float, done: float) -> float:
    return start + (end - start) * done


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
