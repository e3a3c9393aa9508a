"""Rates: how far a step moved the weights, and which learning rate would be a better one.

The doctor and the diagnosis of a run that diverges ask here, so that both say the same.

Knows: weights before and after a step. Does not know: the optimizer's rule.
Read next: ``nonfinite.py`` and ``doctor/steps.py``, which ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.state import Array, live
from tinygrad_edu.nn import Module

__all__ = [
    "middle",
    "moved",
    "norm",
    "smaller_rate",
    "step_shares",
    "suggested_rate",
    "weights_of",
]

GOOD_STEP = 1e-2
"""Change of the weights, divided by their norm, that the proposed rate would make. Nets that learn
well make first steps of about that, and later ones of a tenth of it."""


def suggested_rate(lr: float, share: float) -> float:
    """Return the learning rate that would move the weights by a good share of their norm.

    Parameters
    ----------
    lr : float
        The rate of a step.
    share : float
        By which share of their norm that step moved the weights; if this is no positive number,
        as after an overflow, the answer is a tenth of `lr`.
    """
    return lr * GOOD_STEP / share if 0 < share < np.inf else lr / 10


def smaller_rate(lr: float, first: tuple[float, float] | None) -> float:
    """Return the learning rate to try after one at which a run diverged: at most a tenth of it.

    Parameters
    ----------
    lr : float
        The rate of the run.
    first : (float, float) or None
        The rate of its first step, and by which share of their norm that moved the weights.
    """
    return lr / 10 if first is None else min(lr / 10, suggested_rate(*first))


def weights_of(model: Module) -> dict[str, Array]:
    """Return a copy of the parameters that are weights: of two or more axes."""
    return {name: live(p).copy() for name, p in model.named_parameters() if p.ndim > 1}


def moved(model: Module, before: Mapping[str, Array]) -> float:
    """Return by which share of their norm a step moved the weights, in the middle of the layers.

    Parameters
    ----------
    model : Module
        After the step, with the gradients that it was made by.
    before : mapping of str to ndarray
        What `weights_of` returned before it.
    """
    parts = [
        (name, before[name], live(p), p.grad)
        for name, p in model.named_parameters()
        if name in before and p.grad is not None
    ]
    return middle(share for share, _ in step_shares(parts).values())


def step_shares(
    parts: Iterable[tuple[str, Array, Array, Array]],
) -> dict[str, tuple[float, float]]:
    """Return, for each weight, its change and its gradient, both divided by its norm.

    Parameters
    ----------
    parts : iterable of (str, ndarray, ndarray, ndarray)
        Name, values before and after, gradient; those of nothing but zeros are left out.
    """
    found = {}
    for name, before, after, gradient in parts:
        size, slope = norm(before), norm(gradient)
        if size > 0 and slope > 0:
            found[name] = norm(np.subtract(after, before, dtype=np.float64)) / size, slope / size
    return found


def middle(shares: Iterable[float]) -> float:
    """Return the median, and 0 of nothing."""
    found = list(shares)
    return float(np.median(found)) if found else 0.0


def norm(array: Any) -> float:
    """Return the root of the sum of squares, 0 of None; in float64, which does not overflow."""
    return 0.0 if array is None else float(np.linalg.norm(np.asarray(array, np.float64).ravel()))
