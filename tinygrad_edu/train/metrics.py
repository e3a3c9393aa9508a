"""Metrics: how good a model's outputs are, one number for each sample, and their mean over a set.

A metric is a function ``metric(outputs, targets)`` of two arrays that returns one number for each
row. Means over a whole set are then exact whatever the size of the blocks it is read in.

Knows: arrays, and a model that can be called. Does not know: training.
Read next: ``trainer.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.errors import TrainingError

__all__ = ["Metric", "correct", "evaluate", "predictions", "top"]

Array = np.ndarray[Any, Any]
Metric = Callable[[Array, Array], Array]

BLOCK = 2_000
"""Samples that are evaluated at once: a few megabytes, which stay in a processor's cache."""


def correct(logits: Array, labels: Array) -> Array:
    """Return whether the highest logit of each row is that of its label; its mean is the accuracy.

    Parameters
    ----------
    logits : ndarray, shape (batch, classes)
        Scores; softmax does not change which is the highest.
    labels : ndarray, shape (batch,) or (batch, classes)
        Class numbers, or one-hot rows.
    """
    classes = labels if labels.ndim < logits.ndim else labels.argmax(axis=-1)
    hits: Array = logits.argmax(axis=-1) == classes
    return hits


def top(k: int) -> Metric:
    """Return the metric that counts a row as correct if its label is among the `k` highest logits.

    Parameters
    ----------
    k : int
        Classes that may be named, at least 1.
    """
    if k < 1:
        raise TrainingError(f"top: found k={k}; expected at least 1\n  fix: pass one, as in top(5)")

    def correct_in_top(logits: Array, labels: Array) -> Array:
        classes = labels if labels.ndim < logits.ndim else labels.argmax(axis=-1)
        own = np.take_along_axis(logits, classes[..., None], axis=-1)
        hits: Array = np.sum(logits > own, axis=-1) < k
        return hits

    return correct_in_top


def predictions(model: Callable[[Any], Any], inputs: Array, *, block: int = BLOCK) -> Array:
    """Return the model's outputs for many inputs, computed block by block without recording.

    Parameters
    ----------
    model : callable
        From a Tensor of inputs to a Tensor of outputs. One that has ``eval()`` and ``train()`` is
        put into evaluation and back.
    inputs : ndarray, shape (samples, ...)
        What to compute outputs for.
    block : int
        Samples at once.

    Returns
    -------
    ndarray, shape (samples, ...)
    """
    if len(inputs) == 0:
        raise TrainingError(
            "predictions: found no samples; expected at least one\n  fix: check the data"
        )
    training = getattr(model, "training", False)
    if training:
        model.eval()  # type: ignore[attr-defined]  # who has `training` has both
    try:
        with no_grad():
            outputs = [
                model(constant(inputs[start : start + block])).numpy()
                for start in range(0, len(inputs), block)
            ]
    finally:
        if training:
            model.train()  # type: ignore[attr-defined]
    return np.concatenate(outputs)


def evaluate(
    model: Callable[[Any], Any],
    inputs: Array,
    targets: Array,
    metrics: Mapping[str, Metric] | None = None,
    *,
    block: int = BLOCK,
) -> dict[str, float]:
    """Return the mean of each metric over a data set.

    Parameters
    ----------
    model : callable
        As for `predictions`.
    inputs : ndarray, shape (samples, ...)
        What the model is given.
    targets : ndarray, shape (samples, ...)
        What it should answer.
    metrics : mapping of str to Metric, optional
        By default ``{"accuracy": correct}``.
    block : int
        Samples at once.

    Raises
    ------
    TrainingError
        No samples, or inputs and targets do not pair up.
    """
    if len(inputs) != len(targets):
        raise TrainingError(
            f"evaluate: found {len(inputs)} inputs and {len(targets)} targets; expected one target "
            "for each input\n  fix: take both from the same set"
        )
    outputs = predictions(model, inputs, block=block)
    chosen = {"accuracy": correct} if metrics is None else metrics
    return {name: float(np.mean(metric(outputs, targets))) for name, metric in chosen.items()}
