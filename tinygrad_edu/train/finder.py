"""The learning-rate finder: a short run with a rate that grows, and what its losses say.

Knows: a trainer, which is given back exactly as it was. Does not know: the optimizer's rule.
Read next: ``trainer.py``.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_edu.core.state import Array
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.plots import rates as draw_rates

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["RateSweep", "find_learning_rate"]

WINDOW = 20
"""Part of the sweep over which a slope is measured: one over fewer batches is their noise."""


@dataclass(frozen=True, repr=False)
class RateSweep:
    """The losses of a run whose learning rate grew, and what follows from them.

    Attributes
    ----------
    rates : ndarray, shape (iterations,)
        Learning rate of each step.
    losses : ndarray, shape (iterations,)
        Loss of each batch, before the step.
    smoothed : ndarray, shape (iterations,)
        Exponential mean of the losses, without the bias towards its start.
    suggestion : float
        Where the smoothed loss falls fastest over the logarithm of the rate, and never above
        `largest`: a rate to train with; nan if the loss never falls.
    largest : float
        A tenth of the rate at which the smoothed loss is lowest: about the largest one that a
        schedule should reach; nan if it never falls.
    """

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float
    largest: float

    def __repr__(self) -> str:
        ends = f" from {self.rates[0]:.2g} to {self.rates[-1]:.2g}" if len(self.rates) else ""
        return (
            f"RateSweep(suggestion={self.suggestion:.2g}, largest={self.largest:.2g}, "
            f"{len(self.rates)} rates{ends})"
        )

    def save(self, path: str | os.PathLike[str], *, title: str = "") -> Path:
        """Draw the losses over the rate, mark the suggestion, write it, and return its path.

        Parameters
        ----------
        path : str or path
            Ends in .png, .svg or .pdf.
        title : str
            A line above the picture.

        Raises
        ------
        DiagramError
            Matplotlib is not installed; the text says how to install it.
        """
        plot = draw_rates(self.rates, self.losses, self.smoothed, self.suggestion, title=title)
        return plot.save(path)


def find_learning_rate(
    trainer: Trainer,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    iterations: int = 200,
    smoothing: float = 0.9,
    worse: float = 4.0,
) -> RateSweep:
    r"""Return how the loss answers to learning rates from `low` to `high`, each for one step.

    .. math:: \eta_i = \eta_0 \left(\eta_n / \eta_0\right)^{i/n}, \qquad
        s_i = \frac{\sum_{j \le i} \beta^{i-j} L_j}{\sum_{j \le i} \beta^{i-j}}

    The sweep ends early when the smoothed loss is `worse` times its lowest value. Afterwards
    everything is as it was: weights, optimizer, loader, generators, history. Callbacks and
    schedules are not called. Parameter groups keep the ratios of their rates.

    Parameters
    ----------
    trainer : Trainer
        Ready to ``fit``.
    low, high : float
        First and last rate, ``0 < low < high``.
    iterations : int
        Steps of the whole sweep, at least 20.
    smoothing : float
        The factor β, in [0, 1).
    worse : float
        When to stop, above 1.

    Raises
    ------
    TrainingError
        A number is not as described.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
    """
    if not (0 < low < high and iterations >= 20 and 0 <= smoothing < 1 and worse > 1):
        raise TrainingError(
            f"find_learning_rate: found low={low!r}, high={high!r}, iterations={iterations!r}, "
            f"smoothing={smoothing!r}, worse={worse!r}; expected 0 < low < high, iterations >= 20, "
            "0 <= smoothing < 1, worse > 1\n  fix: find_learning_rate(trainer) has usual numbers"
        )
    groups = getattr(trainer.optimizer, "groups", [trainer.optimizer])
    first = float(groups[0].lr)
    ratios = [float(group.lr) / first if first else 1.0 for group in groups]
    named, header = trainer.state_dict()
    before = {name: array.copy() for name, array in named.items()}
    training, batches = trainer.model.training, trainer.batches
    losses: list[float] = []
    smoothed: list[float] = []
    total = weight = 0.0
    sweep = np.geomspace(low, high, iterations)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            trainer.model.train()
            for rate in sweep:
                for group, ratio in zip(groups, ratios, strict=True):
                    group.lr = rate * ratio
                moment = trainer.moment()
                loss = trainer.find_gradients()
                if not math.isfinite(loss):
                    break
                losses.append(loss)
                total = smoothing * total + loss
                weight = smoothing * weight + 1
                smoothed.append(total / weight)
                if smoothed[-1] > worse * min(smoothed) and min(smoothed) > 0:
                    break
                trainer.make_step(moment)
    finally:
        trainer.optimizer.zero_grad()
        trainer.load_state_dict(before, header)
        trainer.model.train(training)
        trainer.batches = batches
    rates, means = sweep[: len(losses)], np.array(smoothed)
    lag = round(smoothing / (1 - smoothing))
    return RateSweep(rates, np.array(losses), means, *_suggested(sweep, means, lag))


def _suggested(sweep: Array, smoothed: Array, lag: int) -> tuple[float, float]:
    """Return the rate where the loss falls fastest, and a tenth of the one where it is lowest.

    The first is at most the second: a loss that falls fastest just before it explodes, as with few
    batches or a strong momentum, is no advice to stay there.
    """
    lowest = int(smoothed.argmin()) if len(smoothed) else 0
    width = max(1, len(sweep) // WINDOW)
    # The first means are of a few batches each, and jump as these do.
    first = min(lag, max(0, lowest - 2 * width))
    if lowest - first < width:
        return math.nan, math.nan
    falls = smoothed[first + width : lowest + 1] - smoothed[first : lowest + 1 - width]
    middle = first + int(falls.argmin()) + width // 2
    # A mean over the past is late by as many steps as its weights are old.
    largest = float(sweep[lowest] / 10)
    return min(float(sweep[max(0, middle - lag)]), largest), largest
