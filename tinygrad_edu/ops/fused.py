"""Rows written for speed: linear with its activation, and the losses.

Each stands beside its composite, the same function in smaller rows, which is what is recorded when
derivatives of higher order are asked for. This is the last file of the table; ``nn/`` uses it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, case, fused
from tinygrad_edu.errors import LabelError, OpError, OpTypeError, explain

__all__ = [
    "binary_cross_entropy_with_logits",
    "linear",
    "mean_squared_error",
    "softmax_cross_entropy",
]

# ------------------------------------------------------------------------------ linear


@functools.cache
def _activation(name: str | None) -> Any:
    """Return the elementwise row of an activation whose derivative reads only its result."""
    if name is None or name == "identity":
        return None
    fit = {
        row.name: row
        for row in OPS.values()
        if row.kind == "elementwise" and row.reads == (False,) and row.reads_result
    }
    if name not in fit:
        raise OpError(
            explain(
                "linear",
                f"activation {name!r} cannot be fused",
                fix=f"use one of {', '.join(sorted(fit))}, or apply the activation to the result",
            )
        )
    return fit[name]


def _linear(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Any:
    row = _activation(activation)
    y = np.dot(x, weight)
    if bias is not None and bias.dtype == y.dtype:
        y += bias  # y is ours: no second array is needed
    elif bias is not None:
        y = y + bias
    return (y if row is None else row.forward(y)), None


def _linear_joint(
    g: Any,
    y: Any,
    _saved: Any,
    x: Any,
    weight: Any,
    _bias: Any,
    *,
    wanted: Sequence[bool],
    into: Sequence[Any],
    activation: str | None,
) -> tuple[Any, Any, Any]:
    row = _activation(activation)
    if row is not None:
        g = row.rules[0](g, y, None)
    dx = dw = db = None
    if wanted[0]:
        dx = np.dot(g, weight.T)
    if x.ndim != 2:  # any leading axes are one batch axis to the parameters
        x, g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    if wanted[1]:
        dw = np.dot(x.T, g, out=into[1])
    if wanted[2]:
        # A product with ones is the sum over the batch, several times faster.
        db = np.dot(np.ones(len(g), g.dtype, like=g), g, out=into[2])
    return dx, dw, db


def _linear_composite(x: Any, weight: Any, bias: Any, *, activation: str | None) -> Any:
    y = np.matmul(x, weight)
    if bias is not None:
        y = y + bias
    row = _activation(activation)
    return y if row is None else row(y)


linear = fused(
    _linear,
    _linear_joint,
    _linear_composite,
    doc="Affine map with an optional activation: the fully connected layer.",
    formula="activation(x @ weight + bias)",
    latex=r"\phi(x W + b)",
    pattern="matmul",
    signature="(n,k),(k,m),(m)->(n,m)",
    optional=("bias",),
    cases=(
        case((4, 3), (3, 2), (2,)),
        case((4, 3), (3, 2), None),  # no bias
        case((4, 3), (3, 2), (2,), activation="sigmoid"),
        case((4, 3), (3, 2), (2,), activation="tanh"),
        case((2, 4, 3), (3, 2), (2,), activation="tanh"),
        case((3,), (3, 2), (2,)),
    ),
)

# ------------------------------------------------------------------------------ cross-entropy


def _soft(logits: Any, labels: Any) -> bool:
    """Return whether labels are probabilities per class, not class numbers; check their form."""
    kind = labels.dtype.kind
    soft: bool = kind == "f" or (kind in "iu" and labels.shape == logits.shape)
    if kind not in "fiu":
        raise OpTypeError(
            explain(
                "softmax_cross_entropy",
                f"labels of dtype {labels.dtype} are neither class numbers nor probabilities",
                fix="convert labels to integers, or one-hot rows to a floating dtype",
            )
        )
    if labels.shape != (logits.shape if soft else logits.shape[:-1]):
        raise OpError(
            explain(
                "softmax_cross_entropy",
                "probabilities must have the shape of the logits"
                if soft
                else "there must be one label per row of logits",
                arguments=(("logits", logits), ("labels", labels)),
                fix="give class numbers as integers of the shape of the logits without the last "
                "axis, or probabilities of the shape of the logits",
            )
        )
    return soft


def _check_labels(logits: Any, labels: Any, ignore_index: int | None) -> Any:
    """Return which rows count, ``None`` for all; refuse labels that are no class."""
    keep = None if ignore_index is None else labels != ignore_index
    counted = labels if keep is None else labels[keep]
    # Seen as an unsigned number a negative label is larger than any class: one pass for both ends.
    if counted.size and counted.astype(np.uint64).max() >= logits.shape[-1]:
        wrong = counted.min() if counted.min() < 0 else counted.max()
        text = explain(
            "softmax_cross_entropy",
            f"label {wrong} is not a class: there are {logits.shape[-1]} classes, 0 to "
            f"{logits.shape[-1] - 1}",
            arguments=(("logits", logits), ("labels", labels)),
            fix="number the classes from 0; rows to leave out need ignore_index=",
        )
        raise LabelError(text)
    return keep


def _targets(
    logits: Any, labels: Any, label_smoothing: float, ignore_index: int | None, reduction: str
) -> tuple[Any, int]:
    """Return the probability wanted of each class, and what the summed loss is divided by.

    Rows to be ignored are zero. Labels are constants, so this is plain NumPy of constants.
    """
    if not 0 <= label_smoothing <= 1:
        raise OpError(
            explain("softmax_cross_entropy", f"label_smoothing={label_smoothing} is not in [0, 1]")
        )
    soft = _soft(logits, labels)
    keep = None if soft else _check_labels(logits, labels, ignore_index)
    classes = logits.shape[-1]
    wanted = labels if soft else labels[..., None] == np.arange(classes, like=labels)
    rows = int(np.prod(logits.shape[:-1]))
    wanted = wanted.astype(logits.dtype)
    if label_smoothing:
        wanted = wanted * (1 - label_smoothing) + label_smoothing / classes
    if keep is not None:
        wanted = wanted * keep[..., None]
        rows = int(np.count_nonzero(keep))
    return wanted, _divisor("softmax_cross_entropy", rows, reduction)


def _divisor(op: str, count: int, reduction: str) -> int:
    """Return what the summed loss is divided by; refuse an unknown reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise OpError(explain(op, f"reduction={reduction!r}", fix="use 'mean', 'sum' or 'none'"))
    return max(1, count) if reduction == "mean" else 1


def _reduced(losses: Any, count: float, reduction: str) -> Any:
    if reduction == "none":
        return losses
    return np.sum(losses) * (1 / count) if reduction == "mean" else np.sum(losses)


def _log_probabilities(logits: Any, wanted: Any) -> Any:
    """Return log softmax, 0 where it is -inf and the class not wanted: 0 · -inf costs nothing."""
    logp = OPS["log_softmax"](logits)
    return np.where((wanted == 0) & ~np.isfinite(logp), 0, logp)


@functools.cache
def _limits(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the lowest number of a dtype, and the smallest above 0."""
    limits = np.finfo(dtype)
    return limits.min, limits.tiny


def _cross_entropy(
    logits: Any,
    labels: Any,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    if label_smoothing or ignore_index is not None or logits.ndim != 2 or _soft(logits, labels):
        wanted, count = _targets(logits, labels, label_smoothing, ignore_index, reduction)
        logp = _log_probabilities(logits, wanted)
        losses = -np.sum(wanted * logp, axis=-1)
        return _reduced(losses, count, reduction), (wanted, logp, count)
    # The commonest case by the shortest way: one class number per row, and every row counts.
    _check_labels(logits, labels, None)
    count = _divisor("softmax_cross_entropy", len(labels), reduction)
    # exp never overflows. For a row of -inf, subtracting the lowest number keeps nan away.
    lowest, tiny = _limits(logits.dtype)
    shifted = logits - np.maximum(logits.max(axis=-1, keepdims=True), lowest)
    p = np.exp(shifted)
    total = np.maximum(p.sum(axis=-1, keepdims=True), tiny)
    p /= total
    rows = np.arange(len(labels), like=labels)
    losses = np.log(total[:, 0]) - shifted[rows, labels]
    return _reduced(losses, count, reduction), (p, (rows, labels), count)


def _cross_entropy_joint(
    g: Any,
    _y: Any,
    saved: Any,
    logits: Any,
    _labels: Any,
    *,
    wanted: Sequence[bool],
    label_smoothing: float,
    reduction: str,
    **_rest: Any,
) -> tuple[Any, Any]:
    first, second, count = saved
    g = g / count if count != 1 else g
    if reduction == "none":
        g = g[..., None]
    if isinstance(second, tuple):  # the short way: probabilities, and where the labels are
        d = first.copy()
        d[second] -= 1
        d *= g
        return d, None
    targets, logp = first, second
    dx = dt = None
    if wanted[0]:
        p = OPS["softmax"].forward(logits)
        dx = g * (p * np.sum(targets, axis=-1, keepdims=True) - targets)
    if wanted[1]:
        dt = -g * (1 - label_smoothing) * logp
    return dx, dt


def _cross_entropy_composite(
    logits: Any,
    labels: Any,
    *,
    label_smoothing: float,
    ignore_index: int | None,
    reduction: str,
) -> Any:
    if label_smoothing or ignore_index is not None or _soft(logits, labels):
        wanted, count = _targets(logits, labels, label_smoothing, ignore_index, reduction)
        losses = -np.sum(wanted * _log_probabilities(logits, wanted), axis=-1)
        return _reduced(losses, count, reduction)
    _check_labels(logits, labels, None)
    picked = np.take_along_axis(OPS["log_softmax"](logits), labels[..., None], -1)
    count = _divisor("softmax_cross_entropy", picked.size, reduction)
    return -np.squeeze(picked, -1) if reduction == "none" else np.sum(picked) * (-1 / count)


_SOFT = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])

softmax_cross_entropy = fused(
    _cross_entropy,
    _cross_entropy_joint,
    _cross_entropy_composite,
    name="softmax_cross_entropy",
    doc="Cross-entropy of softmax(logits) against class numbers, one-hot rows or probabilities.",
    formula="mean(-Σ t log softmax(z))",
    latex=r"-\frac{1}{N}\sum_n \sum_k t_{nk} \log \mathrm{softmax}(z_n)_k",
    pattern="scale",
    signature="(n,k),(n)->()",
    policy="the mean over no rows is 0; ignored rows have loss 0 and gradient 0",
    cases=(
        case((4, 3), np.array([0, 2, 1, 1])),
        case((2, 3), np.array([[0, 0, 1], [1, 0, 0]])),
        case((2, 3), _SOFT),
        case((2, 3), np.array([2, 0]), label_smoothing=0.1),
        case((4, 3), np.array([0, 9, 1, 9]), ignore_index=9),
        case((4, 3), np.array([0, 2, 1, 1]), reduction="sum"),
        case((2, 2, 3), np.array([[0, 2], [1, 1]]), reduction="none"),
        case((2, 3), np.array([2, 0]), reduction="none"),
        case((3,), np.array(1)),
    ),
)

# ------------------------------------------------------------------------------ other losses


def _same_shape(op: str, prediction: Any, target: Any) -> None:
    """Refuse shapes that would broadcast: (n,) against (n, 1) would make an (n, n) loss."""
    if np.shape(prediction) != np.shape(target):
        raise OpError(
            explain(
                op,
                "prediction and target must have one shape",
                arguments=(("prediction", prediction), ("target", target)),
                fix="reshape one of them, as in target[:, None]",
            )
        )


def _squared_error(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    _same_shape("mean_squared_error", prediction, target)
    count = _divisor("mean_squared_error", prediction.size, reduction)
    d = prediction - target
    return _reduced(d * d, count, reduction), (d, count)


def _squared_error_joint(
    g: Any,
    _y: Any,
    saved: Any,
    _prediction: Any,
    _target: Any,
    *,
    wanted: Sequence[bool],
    **_rest: Any,
) -> tuple[Any, Any]:
    d, count = saved
    slope = (2 / count) * g * d
    return (slope if wanted[0] else None), (-slope if wanted[1] else None)


def _squared_error_composite(prediction: Any, target: Any, *, reduction: str) -> Any:
    _same_shape("mean_squared_error", prediction, target)
    count = _divisor("mean_squared_error", prediction.size, reduction)
    return _reduced(np.square(prediction - target), count, reduction)


mean_squared_error = fused(
    _squared_error,
    _squared_error_joint,
    _squared_error_composite,
    name="mean_squared_error",
    doc="Mean of squared differences; the shapes must be equal.",
    formula="mean((prediction - target)²)",
    latex=r"\frac{1}{n}\sum_i (y_i - t_i)^2",
    pattern="scale",
    signature="(n),(n)->()",
    cases=(
        case((2, 3), (2, 3)),
        case((3,), (3,), reduction="sum"),
        case((3,), (3,), reduction="none"),
    ),
)


def _bce(logits: Any, targets: Any, *, reduction: str = "mean") -> Any:
    _same_shape("binary_cross_entropy_with_logits", logits, targets)
    count = _divisor("binary_cross_entropy_with_logits", logits.size, reduction)
    losses = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return _reduced(losses, count, reduction), count


def _bce_joint(
    g: Any,
    _y: Any,
    saved: Any,
    logits: Any,
    targets: Any,
    *,
    wanted: Sequence[bool],
    **_rest: Any,
) -> tuple[Any, Any]:
    g = g / saved
    dx = g * (OPS["sigmoid"].forward(logits) - targets) if wanted[0] else None
    return dx, (-g * logits if wanted[1] else None)


def _bce_composite(logits: Any, targets: Any, *, reduction: str) -> Any:
    _same_shape("binary_cross_entropy_with_logits", logits, targets)
    count = _divisor("binary_cross_entropy_with_logits", logits.size, reduction)
    return _reduced(OPS["softplus"](logits) - logits * targets, count, reduction)


binary_cross_entropy_with_logits = fused(
    _bce,
    _bce_joint,
    _bce_composite,
    name="binary_cross_entropy_with_logits",
    doc="Cross-entropy of sigmoid(logits) against targets in [0, 1], without overflow.",
    formula="mean(softplus(x) - t x)",
    latex=r"\frac{1}{n}\sum_i \log(1 + e^{x_i}) - t_i x_i",
    pattern="scale",
    signature="(n),(n)->()",
    cases=(
        case((2, 3), (2, 3)),
        case((3,), (3,), reduction="sum"),
        case((3,), (3,), reduction="none"),
    ),
)
