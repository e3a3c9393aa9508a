r"""Schedules made of others: one after the other, or after a warm-up.

Knows: that a schedule is a formula of the step, so that it may start late. Does not know: which
formula. Read next: ``plateau.py`` for the one schedule that is none.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

from tinygrad_edu.core.state import Array
from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.arguments import real, rising, whole
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.plateau import ReduceLROnPlateau
from tinygrad_edu.optim.schedules import ConstantLR, Every, Schedule

__all__ = ["SequentialLR", "WarmUp"]


class SequentialLR(Schedule):
    """One schedule after the other, each counting from 0 at its milestone.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rates to set; that of the schedules, too.
    schedules : sequence of Schedule
        At least one; their own ``step`` is no longer called.
    milestones : sequence of int
        The steps at which the second, third, ... take over, in rising order.
    every : str, optional
        ``"epoch"`` or ``"iteration"``; that of the first schedule by default.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> from tinygrad_edu.optim import SGD, LinearLR, StepLR
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
        self.milestones = rising(self, milestones)
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
        """Return the learning rate of a group after so many calls of ``step``."""
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
        self.steps = whole(self, "steps", steps, 1)
        start = 1 / self.steps if start_factor is None else start_factor
        self.start_factor = real(self, "start_factor", start)
        super().__init__(self.after.optimizer, self.after.every if every is None else every)

    def value(self, step: int, group: int = 0) -> float:
        """Return the learning rate of a group after so many calls of ``step``."""
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
