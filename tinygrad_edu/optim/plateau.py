r"""The schedule that depends on what happens: less when a figure no longer improves.

Knows: one figure at a time. Does not know: how it was measured. Read next: ``schedules.py`` for the
base class, whose `value` it must refuse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.state import Array
from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.arguments import each_group, one_of, real, whole
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.schedules import Every, Schedule

__all__ = ["ReduceLROnPlateau"]


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
        Which entry of a trainer's record to pass to ``step``.
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
        one_of(self, "mode", mode, ("min", "max"))
        one_of(self, "threshold_mode", threshold_mode, ("rel", "abs"))
        if real(self, "factor", factor) >= 1:
            raise OptimizerError(
                f"ReduceLROnPlateau: found factor={factor!r}, which reduces nothing\n"
                "  fix: a number in [0, 1), as in factor=0.1"
            )
        self.mode, self.threshold_mode, self.monitor = mode, threshold_mode, monitor
        self.factor, self.patience = factor, whole(self, "patience", patience, 0)
        self.threshold = real(self, "threshold", threshold)
        self.cooldown = whole(self, "cooldown", cooldown, 0)
        self.min_lr = each_group(self, optimizer, "min_lr", min_lr, above=False)
        self.eps = real(self, "eps", eps)
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
