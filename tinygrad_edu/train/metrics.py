"""Metrics: how good a model's outputs are.

A metric is a function ``metric(outputs, targets)`` of two arrays. It returns one number for each
row, whose mean is taken, or one number for the whole set, or, with the attribute ``whole``, a table
for the whole set. A set is evaluated as a whole whatever the size of the blocks it is read in.

Knows: arrays, and a model that can be called. Does not know: training.
Read next: ``trainer.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import losses

__all__ = [
    "METRICS",
    "Metric",
    "absolute_error",
    "binary_accuracy",
    "confusion_matrix",
    "correct",
    "evaluate",
    "f1",
    "loss_metric",
    "perplexity",
    "precision",
    "predictions",
    "r_squared",
    "recall",
    "squared_error",
    "top",
]

Array = np.ndarray[Any, Any]
Metric = Callable[[Array, Array], Any]
Value = float | list[Any]
"""Of a metric over a set: a number, or a table as nested lists."""
Chosen = Mapping[str, Metric | str] | Sequence[str | Metric] | str
Metrics = Chosen | Mapping[str, Chosen]

BLOCK = 2_000
"""Samples that are evaluated at once: a few megabytes, which stay in a processor's cache."""


# ------------------------------------------------------------------------------ classes


def correct(logits: Array, labels: Array) -> Array:
    """Return whether the highest logit of each row is that of its label; its mean is the accuracy.

    Parameters
    ----------
    logits : ndarray, shape (batch, ..., classes)
        Scores; softmax does not change which is the highest.
    labels : ndarray, shape (batch, ...) or (batch, ..., classes)
        Class numbers, or one-hot rows.

    Raises
    ------
    TrainingError
        The outputs are not the scores of several classes, each row with its label.
    """
    hits: Array = logits.argmax(axis=-1) == _labels("accuracy", logits, labels)
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
        classes = _labels(f"top({k})", logits, labels)
        own = np.take_along_axis(logits, classes[..., None], axis=-1)
        hits: Array = np.sum(logits > own, axis=-1) < k
        return hits

    return correct_in_top


def binary_accuracy(logits: Array, targets: Array) -> Array:
    """Return whether each logit is above 0 where its target is 1, and not where it is 0.

    Parameters
    ----------
    logits, targets : ndarray, shape (batch, ...)
        Of equal shapes; a target is 0 or 1.
    """
    _same("binary_accuracy", logits, targets)
    hits: Array = (logits > 0) == (targets > 0.5)
    return hits


def _binary_accuracy_of_probabilities(probabilities: Array, targets: Array) -> Array:
    return binary_accuracy(probabilities - 0.5, targets)


def confusion_matrix(logits: Array, labels: Array) -> Array:
    """Return how many samples of each class (row) were taken for each class (column).

    Parameters
    ----------
    logits, labels : ndarray
        As for `correct`.

    Returns
    -------
    ndarray of int, shape (classes, classes)
    """
    classes = logits.shape[-1]
    own = _labels("confusion_matrix", logits, labels).ravel()
    counts = np.bincount(
        own * classes + logits.argmax(axis=-1).ravel(), minlength=classes * classes
    )
    return counts.reshape(classes, classes)


confusion_matrix.whole = True  # type: ignore[attr-defined]


def precision(logits: Array, labels: Array) -> float:
    """Return the share of right ones among what is taken for a class, averaged over the classes.

    Each class counts alike (macro average); one that neither occurs nor is named does not count,
    and one that is never named counts as 0.
    """
    return float(_by_class(logits, labels)[0].mean())


def recall(logits: Array, labels: Array) -> float:
    """Return the share of a class that is recognized, averaged over the classes.

    Classes count as for `precision`; one that does not occur counts as 0.
    """
    return float(_by_class(logits, labels)[1].mean())


def f1(logits: Array, labels: Array) -> float:
    r"""Return the harmonic mean of precision and recall of a class, averaged over the classes.

    .. math:: \frac{1}{K} \sum_k \frac{2 t_k}{n_k + m_k}

    with :math:`t_k` of the :math:`n_k` samples of class k among the :math:`m_k` taken for it.
    Classes count as for `precision`.
    """
    return float(_by_class(logits, labels)[2].mean())


def perplexity(logits: Array, labels: Array) -> float:
    r"""Return :math:`e^{H}` with :math:`H` the mean cross entropy in nats: 1 is certain and right.

    Parameters
    ----------
    logits, labels : ndarray
        As for `correct`; class numbers.
    """
    scores = logits.astype(np.float64)
    highest = scores.max(axis=-1, keepdims=True)
    total = np.log(np.exp(scores - highest).sum(axis=-1)) + highest[..., 0]
    classes = _labels("perplexity", logits, labels)
    own = np.take_along_axis(scores, classes[..., None], axis=-1)[..., 0]
    return float(np.exp(np.mean(total - own)))


def _by_class(logits: Array, labels: Array) -> tuple[Array, Array, Array]:
    """Return precision, recall and F1 of each class that occurs or is named."""
    matrix = confusion_matrix(logits, labels)
    right, own, named = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    met = own + named > 0
    right, own, named = right[met], own[met], named[met]
    return (
        right / np.maximum(named, 1),
        right / np.maximum(own, 1),
        2 * right / (own + named),
    )


def _labels(what: str, logits: Array, labels: Array) -> Array:
    """Return class numbers, or refuse outputs that are no scores of classes."""
    if logits.ndim > 1 and logits.shape[-1] > 1:
        if labels.shape == logits.shape:
            classes: Array = labels.argmax(axis=-1)
            return classes
        if labels.shape == logits.shape[:-1] and labels.dtype.kind in "iub":
            return labels
    fix = (
        "measure a regression by metrics=('loss',) or ('squared_error', 'r_squared'), and a "
        "single yes or no by 'binary_accuracy'"
    )
    scores = logits.ndim > 1 and logits.shape[-1] > 1 and labels.shape == logits.shape[:-1]
    if scores and labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all()):
        fix = "class numbers are integers: labels.astype(int)"
    raise TrainingError(
        f"{what}: found outputs of shape {logits.shape} and targets {labels.shape} {labels.dtype}; "
        "expected a score for each of several classes, and class numbers or one-hot rows\n"
        f"  fix: {fix}"
    )


# ------------------------------------------------------------------------------ numbers


def squared_error(outputs: Array, targets: Array) -> Array:
    """Return the squared difference of each output and its target, both of equal shapes."""
    return np.square(_difference("squared_error", outputs, targets))


def absolute_error(outputs: Array, targets: Array) -> Array:
    """Return the absolute difference of each output and its target, both of equal shapes."""
    return np.abs(_difference("absolute_error", outputs, targets))


def r_squared(outputs: Array, targets: Array) -> float:
    r"""Return the share of the targets' variance that the outputs explain.

    .. math:: 1 - \frac{\sum (t - y)^2}{\sum (t - \bar t)^2}

    1 is perfect, 0 as good as always the mean; nan if the targets do not vary. Several columns
    count alike.
    """
    rest = np.square(_difference("r_squared", outputs, targets)).sum(axis=0)
    around = np.square(targets - targets.mean(axis=0, dtype=np.float64)).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.where(around > 0, 1 - rest / around, np.nan)))


def _difference(what: str, outputs: Array, targets: Array) -> Array:
    _same(what, outputs, targets)
    return np.asarray(outputs, np.float64) - targets


def _same(what: str, outputs: Array, targets: Array) -> None:
    """Refuse shapes that NumPy would broadcast: (n, 1) against (n,) is a table of n × n."""
    if outputs.shape != targets.shape:
        raise TrainingError(
            f"{what}: found outputs of shape {outputs.shape} and targets of shape {targets.shape}; "
            "expected equal shapes\n  fix: targets[:, None], or reshape the model's output"
        )


# ------------------------------------------------------------------------------ the loss


def loss_metric(loss: Callable[[Any, Any], Any]) -> Metric:
    """Return the metric that is the loss itself over a whole set.

    Parameters
    ----------
    loss : callable
        From two Tensors to a scalar one.
    """

    def loss_of_set(outputs: Array, targets: Array) -> float:
        with no_grad():
            return float(loss(constant(outputs), constant(targets)).item())

    return loss_of_set


METRICS: dict[str, Metric] = {
    "absolute_error": absolute_error,
    "accuracy": correct,
    "binary_accuracy": binary_accuracy,
    "confusion_matrix": confusion_matrix,
    "f1": f1,
    "perplexity": perplexity,
    "precision": precision,
    "r_squared": r_squared,
    "recall": recall,
    "squared_error": squared_error,
}
"""The metrics that may be asked for by name; a trainer knows ``"loss"`` besides."""


def chosen_metrics(
    metrics: Metrics | None, sets: Mapping[str, Sequence[Array]], loss: Callable[[Any, Any], Any]
) -> dict[str, dict[str, Metric]]:
    """Return the metrics of each set by name, from what a trainer was given.

    Parameters
    ----------
    metrics : mapping, sequence or None
        As `Trainer` takes it.
    sets : mapping of str to sequence of ndarray
        The evaluation sets, targets last.
    loss : callable
        The trainer's.
    """
    if metrics is None:
        return {name: _default(loss, arrays[-1]) for name, arrays in sets.items()}
    by_set = isinstance(metrics, Mapping) and any(
        not isinstance(value, str) and isinstance(value, (Mapping, Sequence))
        for value in metrics.values()
    )
    if not by_set:
        named = _named(metrics, loss)
        return dict.fromkeys(sets, named)
    assert isinstance(metrics, Mapping)
    if unknown := [name for name in metrics if name not in sets]:
        raise TrainingError(
            f"Trainer: found metrics for {', '.join(map(repr, unknown))}; expected names of the "
            f"sets: {', '.join(map(repr, sets)) or 'there are none'}\n"
            "  fix: metrics={'validation': ('accuracy', 'loss')} with that set in sets"
        )
    return {name: _named(metrics.get(name, ()), loss) for name in sets}


def _named(metrics: Any, loss: Callable[[Any, Any], Any]) -> dict[str, Metric]:
    """Return metrics by name, those that were named looked up."""
    if isinstance(metrics, str):
        metrics = (metrics,)
    if not isinstance(metrics, Mapping):
        metrics = {
            one if isinstance(one, str) else getattr(one, "__name__", "metric"): one
            for one in metrics
        }
    known = {**METRICS, "loss": loss_metric(loss)}
    found = {}
    for name, metric in metrics.items():
        if isinstance(metric, str) and metric not in known:
            near = difflib.get_close_matches(metric, known, 1)
            raise TrainingError(
                f"Trainer: found no metric called {metric!r}; expected one of {', '.join(known)}\n"
                f"  fix: {f'is it {near[0]!r}?' if near else 'pass a function instead'}"
            )
        found[name] = known[metric] if isinstance(metric, str) else metric
    return found


def _default(loss: Callable[[Any, Any], Any], targets: Array) -> dict[str, Metric]:
    """Return the accuracy if the targets are classes, and else the loss."""
    if isinstance(loss, losses.BCEWithLogitsLoss):
        return {"accuracy": binary_accuracy}
    if isinstance(loss, losses.BCELoss):
        return {"accuracy": _binary_accuracy_of_probabilities}
    classes = isinstance(loss, (losses.CrossEntropyLoss, losses.NLLLoss, losses.MultiMarginLoss))
    own = not isinstance(loss, losses.Loss)  # a function, of which only the targets tell
    if classes or (own and np.asarray(targets).dtype.kind in "iub"):
        return {"accuracy": correct}
    return {"loss": loss_metric(loss)}


# ------------------------------------------------------------------------------ a set


def predictions(
    model: Callable[..., Any], inputs: Array | Sequence[Array], *, block: int = BLOCK
) -> Array:
    """Return the model's outputs for many inputs, computed block by block without recording.

    Parameters
    ----------
    model : callable
        From a Tensor of inputs (or several) to a Tensor of outputs. One that has ``eval()`` and
        ``train()`` is put into evaluation and back.
    inputs : ndarray, shape (samples, ...), or tuple or list of them
        What to compute outputs for; several arrays are the model's several inputs.
    block : int
        Samples at once.

    Returns
    -------
    ndarray, shape (samples, ...)
    """
    parts = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    if not parts or len(parts[0]) == 0:
        raise TrainingError(
            "predictions: found no samples; expected at least one\n  fix: check the data"
        )
    training = getattr(model, "training", False)
    if training:
        model.eval()  # type: ignore[attr-defined]  # who has `training` has both
    try:
        with no_grad():
            outputs = [
                model(*(constant(part[start : start + block]) for part in parts)).numpy()
                for start in range(0, len(parts[0]), block)
            ]
    finally:
        if training:
            model.train()  # type: ignore[attr-defined]
    return np.concatenate(outputs)


def evaluate(
    model: Callable[..., Any],
    inputs: Array | Sequence[Array],
    targets: Array,
    metrics: Mapping[str, Metric] | None = None,
    *,
    block: int = BLOCK,
) -> dict[str, Value]:
    """Return each metric over a data set: the mean of its rows, or what it says of the whole.

    Parameters
    ----------
    model : callable
        As for `predictions`.
    inputs : ndarray, shape (samples, ...), or tuple or list of them
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
    parts = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    if any(len(part) != len(targets) for part in parts):
        raise TrainingError(
            f"evaluate: found {' and '.join(str(len(part)) for part in parts)} inputs and "
            f"{len(targets)} targets; expected one target "
            "for each input\n  fix: take both from the same set"
        )
    chosen = {"accuracy": correct} if metrics is None else metrics
    if not chosen:
        return {}
    outputs = predictions(model, parts, block=block)
    found: dict[str, Value] = {}
    for name, metric in chosen.items():
        value = metric(outputs, targets)
        whole = getattr(metric, "whole", False)
        found[name] = value.tolist() if whole else float(np.mean(value))
    return found
