"""Connectionist temporal classification: the loss of a sequence without its alignment.

The probability of a labelling is the sum over all its alignments; a recursion over time adds them
up in the logarithm (Graves et al. 2006). The row is fused: its fast rule runs the recursion
backwards too and reads the gradient off, the composite is the forward recursion in rows. This file
knows time, blanks and lengths. This is the last file of losses; ``nn/losses.py`` uses it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.core.op import OPS, case, fused
from tinygrad_edu.errors import LabelError, OpError, OpTypeError, explain
from tinygrad_edu.ops.loss import as_arrays, divisor, reduced

__all__ = ["ctc_loss"]

_NAME = "ctc_loss"


class _Path(NamedTuple):
    """What labels say about alignments: states are blank, label, blank, label, ..., blank.

    Attributes
    ----------
    classes : int array, shape (n, states)
        The class that each state emits.
    skips : bool array, shape (n, states)
        Whether the state may follow the one before the last, leaving out the blank.
    ends : bool array, shape (n, states)
        The states in which an alignment may end.
    """

    classes: Any
    skips: Any
    ends: Any


def _check(logp: Any, labels: Any, input_lengths: Any, label_lengths: Any, blank: int) -> None:
    """Refuse shapes, lengths and labels that do not fit."""
    whole = (labels, input_lengths, label_lengths)
    if any(array.dtype.kind not in "iu" for array in whole):
        raise OpTypeError(
            explain(_NAME, "labels and lengths must be whole numbers",
                    fix="convert them, as in labels.astype(int)")
        )  # fmt: skip
    batch = logp.shape[1:2]
    lengths_fit = input_lengths.shape == label_lengths.shape == batch
    if logp.ndim != 3 or labels.ndim != 2 or labels.shape[:1] != batch or not lengths_fit:
        raise OpError(
            explain(
                _NAME,
                "the shapes do not fit",
                arguments=(
                    ("log_probabilities", logp),
                    ("labels", labels),
                    ("input_lengths", input_lengths),
                    ("label_lengths", label_lengths),
                ),
                fix="log_probabilities are (time, batch, classes), labels (batch, most labels) "
                "filled up with anything, lengths (batch,)",
            )
        )
    steps, _, classes = logp.shape
    if not 0 <= blank < classes:
        raise LabelError(
            explain(_NAME, f"blank={blank} is not a class: there are {classes}", fix="blank=0")
        )
    for name, lengths, most in (
        ("input_lengths", input_lengths, steps),
        ("label_lengths", label_lengths, labels.shape[1]),
    ):
        if lengths.size and (lengths.min() < 0 or lengths.max() > most):
            wrong = lengths.min() if lengths.min() < 0 else lengths.max()
            raise OpError(
                explain(
                    _NAME,
                    f"{wrong} in {name} is not in 0 to {most}",
                    fix="count the steps, or the labels, of each sequence without its padding",
                )
            )
    counted = labels[np.arange(labels.shape[1], like=labels) < label_lengths[:, None]]
    if counted.size and (counted.min() < 0 or counted.max() >= classes):
        wrong = counted.min() if counted.min() < 0 else counted.max()
        raise LabelError(
            explain(
                _NAME,
                f"label {wrong} is not a class: there are {classes} classes, 0 to {classes - 1}",
                fix="number the classes from 0",
            )
        )
    if counted.size and np.any(counted == blank):
        raise LabelError(
            explain(
                _NAME,
                f"the blank, {blank}, stands among the labels",
                fix="number the classes around the blank, or say blank=",
            )
        )


def _path(labels: Any, label_lengths: Any, blank: int) -> _Path:
    count, most = labels.shape
    inside = np.arange(most, like=labels) < label_lengths[:, None]
    labels = np.where(inside, labels, blank)
    blanks = np.zeros((count, 1), labels.dtype, like=labels) + blank
    pairs = np.stack([np.broadcast_to(blanks, labels.shape), labels], axis=-1)
    classes = np.concatenate([np.reshape(pairs, (count, 2 * most)), blanks], axis=1)
    never = np.zeros((count, min(2, 2 * most + 1)), np.bool_, like=labels)
    other = (classes[:, 2:] != blank) & (classes[:, 2:] != classes[:, :-2])
    skips = np.concatenate([never, other], axis=1)
    states = np.arange(2 * most + 1, like=labels)
    last = 2 * label_lengths[:, None]
    return _Path(classes, skips, (states == last) | (states == last - 1))


def _later(scores: Any, steps: int) -> Any:
    """Return scores moved to later states; what moves in is impossible."""
    count, states = scores.shape
    steps = min(steps, states)
    nothing = np.zeros((count, steps), scores.dtype, like=scores) - math.inf
    return np.concatenate([nothing, scores[:, : states - steps]], axis=1)


def _earlier(scores: Any, steps: int) -> Any:
    """Return scores moved to earlier states; what moves in is impossible."""
    count, states = scores.shape
    steps = min(steps, states)
    nothing = np.zeros((count, steps), scores.dtype, like=scores) - math.inf
    return np.concatenate([scores[:, steps:], nothing], axis=1)


def _emissions(logp: Any, path: _Path) -> Any:
    """Return the log probability of what each state emits, shape (time, n, states)."""
    return np.take_along_axis(
        logp, np.broadcast_to(path.classes, (len(logp), *path.skips.shape)), 2
    )


def _start(logp: Any, path: _Path) -> Any:
    """Return the scores before the first step: as if in the first blank."""
    states = np.arange(path.skips.shape[1], like=path.classes)
    ground = np.zeros(path.skips.shape, logp.dtype, like=logp)
    return np.where(states == 0, ground, -math.inf)


def _forward(emitted: Any, start: Any, path: _Path, input_lengths: Any) -> list[Any]:
    """Return the log probability of all ways into each state, before each step and at the end."""
    scores = [start]
    for step in range(len(emitted)):
        now = scores[-1]
        skipping = np.where(path.skips, _later(now, 2), -math.inf)
        moved = np.logaddexp(np.logaddexp(now, _later(now, 1)), skipping) + emitted[step]
        scores.append(np.where((step < input_lengths)[:, None], moved, now))
    return scores


def _backward(emitted: Any, start: Any, path: _Path, input_lengths: Any) -> list[Any]:
    """Return the log probability of all ways on from each state, in the order of `_forward`."""
    ends = np.where(path.ends, np.zeros(start.shape, start.dtype, like=start), -math.inf)
    scores = [ends]
    for step in reversed(range(len(emitted))):
        now = scores[-1]
        reached = now + emitted[step]
        skipped = _earlier(np.where(path.skips, reached, -math.inf), 2)
        moved = np.logaddexp(np.logaddexp(reached, _earlier(reached, 1)), skipped)
        scores.append(np.where((step < input_lengths)[:, None], moved, now))
    return scores[::-1]


def _terms(
    last: Any, path: _Path, label_lengths: Any, reduction: str, zero_infinity: bool
) -> tuple[Any, Any]:
    """Return each sequence's loss, and the loss as it is reduced."""
    losses = -OPS["logsumexp"](np.where(path.ends, last, -math.inf), axis=1)
    terms = np.where(np.isinf(losses), 0, losses) if zero_infinity else losses
    divisor(_NAME, 1, reduction)
    if reduction == "mean":
        terms = terms / np.maximum(label_lengths, 1).astype(last.dtype)
    return losses, reduced(terms, max(1, len(last)), reduction)


def _ctc(
    log_probabilities: Any,
    labels: Any,
    input_lengths: Any,
    label_lengths: Any,
    *,
    blank: int = 0,
    zero_infinity: bool = False,
    reduction: str = "mean",
) -> Any:
    logp = log_probabilities
    _check(logp, labels, input_lengths, label_lengths, blank)
    path = _path(labels, label_lengths, blank)
    emitted, start = _emissions(logp, path), _start(logp, path)
    scores = _forward(emitted, start, path, input_lengths)
    losses, result = _terms(scores[-1], path, label_lengths, reduction, zero_infinity)
    return result, (path, emitted, scores, losses)


def _ctc_joint(
    g: Any,
    _y: Any,
    saved: Any,
    _log_probabilities: Any,
    _labels: Any,
    input_lengths: Any,
    label_lengths: Any,
    *,
    reduction: str,
    **_rest: Any,
) -> tuple[Any, None, None, None]:
    path, emitted, ways_in, losses = saved
    ways_on = _backward(emitted, ways_in[0], path, input_lengths)
    # Where there is no alignment all ways are impossible: no share, whatever the loss.
    losses = np.where(np.isinf(losses), 0, losses)[:, None]
    shares = [
        np.where(
            (step < input_lengths)[:, None],
            np.exp(ways_in[step + 1] + ways_on[step + 1] + losses),
            0,
        )
        for step in range(len(emitted))
    ]
    classes = np.arange(_log_probabilities.shape[2], like=path.classes)
    emits = (path.classes[..., None] == classes).astype(g.dtype)
    scale = g if reduction != "mean" else g / max(1, len(label_lengths))
    scale = np.broadcast_to(scale, label_lengths.shape)
    if reduction == "mean":
        scale = scale / np.maximum(label_lengths, 1).astype(g.dtype)
    if not shares:
        return np.zeros(_log_probabilities.shape, g.dtype, like=g), None, None, None
    by_sequence = np.matmul(np.stack(shares, axis=1), emits) * -scale[:, None, None]
    return np.swapaxes(by_sequence, 0, 1), None, None, None


def _ctc_composite(
    log_probabilities: Any,
    labels: Any,
    input_lengths: Any,
    label_lengths: Any,
    *,
    blank: int,
    zero_infinity: bool,
    reduction: str,
) -> Any:
    constants = as_arrays((labels, input_lengths, label_lengths))
    parts = _ctc(
        log_probabilities, *constants, blank=blank, zero_infinity=zero_infinity, reduction=reduction
    )
    return parts[0]


_LABELS, _LENGTHS = np.array([[1, 2, 2], [3, 1, 9]]), np.array([3, 1])
_STEPS = np.array([5, 3])

ctc_loss = fused(
    _ctc,
    _ctc_joint,
    _ctc_composite,
    name="ctc_loss",
    doc="Negative log-likelihood of a labelling, summed over all its alignments to the steps.",
    formula="mean(-ln Σ_alignments Π_t p_t / labels)",
    latex=r"-\frac{1}{N}\sum_n \frac{1}{S_n} \ln \sum_{\pi \to y_n} \prod_t p_{t \pi_t}",
    pattern="scale",
    signature="(t,n,c),(n,s),(n),(n)->()",
    policy="the mean divides each loss by its number of labels, then by the batch; where no "
    "alignment fits the loss is infinite (0 with zero_infinity=True), its gradient 0",
    cases=(
        case((5, 2, 4), _LABELS, _STEPS, _LENGTHS),
        case((5, 2, 4), _LABELS, _STEPS, _LENGTHS, reduction="none"),
        case((5, 2, 4), _LABELS % 3, _STEPS, _LENGTHS, blank=3, reduction="sum"),
        case((2, 1, 3), np.zeros((1, 0), int), np.array([2]), np.array([0])),
        case(
            (2, 2, 3), np.array([[1], [1]]), np.array([2, 0]), np.array([1, 1]), zero_infinity=True
        ),
    ),
    local=("'−{g} · how likely an alignment passes there / n'", "", "", ""),
)
