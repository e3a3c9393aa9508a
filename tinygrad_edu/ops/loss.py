"""Losses of class numbers and of differences, and what all losses share.

Cross-entropy and squared differences, which training steps are made of, are fused: a fast pair
beside the same in smaller rows. The others are written in rows. No logarithm is clipped and nothing
broadcasts silently: an impossible class costs infinity, a target of another shape is an error. This
file knows labels and reductions. Read ``likelihood.py`` next for losses of probabilities,
``margin.py`` for those of scores and distances, ``ctc.py`` for that of sequences.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, Op, case, composite, fused
from tinygrad_edu.errors import LabelError, OpError, OpTypeError, explain

__all__ = [
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "log_cosh_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
    "softmax_cross_entropy",
    "softmax_focal_loss",
]

REDUCTIONS = ("mean", "sum", "none")

# ------------------------------------------------------------------------------ what losses share


def divisor(op: str, count: Any, reduction: str, known: tuple[str, ...] = REDUCTIONS) -> Any:
    """Return what the summed loss is divided by; refuse an unknown reduction."""
    if reduction not in known:
        names = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
        raise OpError(explain(op, f"reduction={reduction!r}", fix=f"use {names}"))
    if reduction in ("sum", "none"):
        return 1
    return max(1, count) if isinstance(count, int) else count


def reduced(losses: Any, count: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    total = np.sum(losses)
    return total if reduction == "sum" else total * (1 / count)


def same_shape(op: str, prediction: Any, target: Any) -> Any:
    """Return the target, of whole numbers as fractions; refuse shapes that would broadcast.

    (n,) against (n, 1) would make an (n, n) loss.
    """
    if np.shape(prediction) != np.shape(target):
        raise OpError(
            explain(
                op,
                "prediction and target must have one shape",
                arguments=(("prediction", prediction), ("target", target)),
                fix="reshape one of them, as in target[:, None]",
            )
        )
    return target.astype(prediction.dtype) if target.dtype.kind in "iub" else target


def constant_like(op: str, name: str, value: Any, like: Any, shape: tuple[int, ...]) -> Any:
    """Return a parameter such as weight= as an array of the kind of `like`; check its shape."""
    array = np.asarray(value, dtype=like.dtype, like=like)
    try:
        fits = np.broadcast_shapes(array.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise OpError(
            explain(
                op,
                f"{name} of shape {array.shape} does not broadcast to {shape}",
                fix=f"give {name} the shape {shape}, or one that broadcasts to it",
            )
        )
    return array


def at_least(op: str, name: str, value: float, least: float = 0, over: bool = False) -> None:
    """Refuse a parameter that is too small, or nan."""
    if not (value > least if over else value >= least):
        text = "above" if over else "at least"
        raise OpError(explain(op, f"{name}={value!r}", fix=f"give a number, {text} {least}"))


def as_arrays(values: Sequence[Any]) -> list[Any]:
    """Return lists and numbers as arrays, tensors of whole numbers as what they hold."""
    found = []
    for value in values:
        if isinstance(value, (list, tuple, int, float)):
            value = np.asarray(value)
        elif hasattr(type(value), "__record__") and value.dtype.kind in "iub":
            value = value.numpy()
        found.append(value)
    return found


def loss_row(losses: Callable[..., Any], known: tuple[str, ...] = REDUCTIONS, **facts: Any) -> Op:
    """Declare a loss by the function that returns its single terms.

    Parameters
    ----------
    losses : callable
        ``losses(*arrays, **params)`` in rows: the terms, or the terms and what their sum is to be
        divided by for a mean.
    known : tuple of str
        Values that ``reduction=``, which is added, may have.
    **facts
        The facts of the row.
    """
    name = losses.__name__.lstrip("_")
    plain = inspect.unwrap(losses)  # beneath a decorator: it has the names and the defaults
    arguments = plain.__code__.co_varnames[: plain.__code__.co_argcount]

    def forward(*arrays: Any, reduction: str, **params: Any) -> Any:
        divisor(name, 1, reduction, known)
        found = losses(*as_arrays(arrays), **params)
        terms, count = found if isinstance(found, tuple) else (found, found.size)
        if reduction == "batchmean":
            count = terms.shape[0] if terms.ndim else 1
        return reduced(terms, divisor(name, count, reduction, known), reduction)

    return composite(
        forward,
        name=name,
        arguments=arguments,
        params={**(plain.__kwdefaults__ or {}), "reduction": "mean"},
        group=losses.__module__.rpartition(".")[2],
        signature=",".join(["(n)"] * len(arguments)) + "->()",
        **{"pattern": "scale", **facts},
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


def check_labels(
    logits: Any, labels: Any, ignore_index: int | None, op: str = "softmax_cross_entropy"
) -> Any:
    """Return which rows count, ``None`` for all; refuse labels that are no class."""
    keep = None if ignore_index is None else labels != ignore_index
    counted = labels if keep is None else labels[keep]
    # Seen as an unsigned number a negative label is larger than any class: one pass for both ends.
    if counted.size and counted.astype(np.uint64).max() >= logits.shape[-1]:
        wrong = counted.min() if counted.min() < 0 else counted.max()
        text = explain(
            op,
            f"label {wrong} is not a class: there are {logits.shape[-1]} classes, 0 to "
            f"{logits.shape[-1] - 1}",
            arguments=(("logits", logits), ("labels", labels)),
            fix="number the classes from 0; rows to leave out need ignore_index=",
        )
        raise LabelError(text)
    return keep


def check_form(op: str, scores: Any, labels: Any) -> None:
    """Refuse labels that are no whole numbers, one for each row of scores."""
    if labels.dtype.kind not in "iu":
        raise OpTypeError(
            explain(op, f"labels of dtype {labels.dtype} are no class numbers",
                    fix="convert labels to integers, as in labels.astype(int)")
        )  # fmt: skip
    if scores.ndim == 0 or labels.shape != scores.shape[:-1]:
        raise OpError(
            explain(
                op,
                "there must be one label per row of scores",
                arguments=(("scores", scores), ("labels", labels)),
                fix="give class numbers of the shape of the scores without the last axis",
            )
        )


def _targets(
    logits: Any,
    labels: Any,
    label_smoothing: float,
    ignore_index: int | None,
    weight: Any,
    reduction: str,
) -> tuple[Any, Any]:
    """Return the probability wanted of each class, and what the summed loss is divided by.

    Rows to be ignored are zero. A class weight is a factor of the probability. Labels are
    constants, so this is plain NumPy of constants.
    """
    if not 0 <= label_smoothing <= 1:
        raise OpError(
            explain("softmax_cross_entropy", f"label_smoothing={label_smoothing} is not in [0, 1]")
        )
    soft = _soft(logits, labels)
    keep = None if soft else check_labels(logits, labels, ignore_index)
    classes = logits.shape[-1]
    wanted = labels if soft else labels[..., None] == np.arange(classes, like=labels)
    rows = int(np.prod(logits.shape[:-1]))
    wanted = wanted.astype(logits.dtype)
    if label_smoothing:
        wanted = wanted * (1 - label_smoothing) + label_smoothing / classes
    if keep is not None:
        wanted = wanted * keep[..., None]
        rows = int(np.count_nonzero(keep))
    count: Any = rows
    if weight is not None:
        wanted = wanted * constant_like(
            "softmax_cross_entropy", "weight", weight, wanted, (classes,)
        )
        if not soft:
            count = class_weights(
                "softmax_cross_entropy", weight, classes, logits.dtype, labels, keep
            )
            count = _total(count)
    return wanted, divisor("softmax_cross_entropy", count, reduction)


def class_weights(op: str, weight: Any, classes: int, dtype: Any, labels: Any, keep: Any) -> Any:
    """Return the weight of the class of each label, 0 for a label that is ignored."""
    table = np.asarray(weight, dtype=dtype, like=labels)
    if table.shape != (classes,):
        raise OpError(
            explain(
                op,
                f"weight of shape {table.shape} is not one number per class",
                fix=f"give the shape ({classes},)",
            )
        )
    if keep is None:
        return np.take(table, labels)
    return np.take(table, np.where(keep, labels, 0)) * keep


def _total(weights: Any) -> Any:
    """Return the sum of weights to divide by, 1 where it is 0."""
    total = np.sum(weights)
    return np.where(total == 0, 1, total).astype(weights.dtype)


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
    weight: Any = None,
    reduction: str = "mean",
) -> Any:
    special = label_smoothing or ignore_index is not None or weight is not None
    if special or logits.ndim != 2 or _soft(logits, labels):
        wanted, count = _targets(logits, labels, label_smoothing, ignore_index, weight, reduction)
        logp = _log_probabilities(logits, wanted)
        losses = -np.sum(wanted * logp, axis=-1)
        return reduced(losses, count, reduction), (wanted, logp, count)
    # The commonest case by the shortest way: one class number per row, and every row counts.
    check_labels(logits, labels, None)
    count = divisor("softmax_cross_entropy", len(labels), reduction)
    # exp never overflows. For a row of -inf, subtracting the lowest number keeps nan away.
    lowest, tiny = _limits(logits.dtype)
    shifted = logits - np.maximum(logits.max(axis=-1, keepdims=True), lowest)
    p = np.exp(shifted)
    total = np.maximum(p.sum(axis=-1, keepdims=True), tiny)
    p /= total
    rows = np.arange(len(labels), like=labels)
    losses = np.log(total[:, 0]) - shifted[rows, labels]
    return reduced(losses, count, reduction), (p, (rows, labels), count)


def _cross_entropy_joint(
    g: Any,
    _y: Any,
    saved: Any,
    logits: Any,
    _labels: Any,
    *,
    wanted: Sequence[bool],
    label_smoothing: float,
    weight: Any,
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
        if weight is not None:
            dt = dt * constant_like("softmax_cross_entropy", "weight", weight, dt, dt.shape[-1:])
    return dx, dt


def _cross_entropy_composite(
    logits: Any,
    labels: Any,
    *,
    label_smoothing: float,
    ignore_index: int | None,
    weight: Any,
    reduction: str,
) -> Any:
    special = label_smoothing or ignore_index is not None or weight is not None
    if special or _soft(logits, labels):
        wanted, count = _targets(logits, labels, label_smoothing, ignore_index, weight, reduction)
        losses = -np.sum(wanted * _log_probabilities(logits, wanted), axis=-1)
        return reduced(losses, count, reduction)
    check_labels(logits, labels, None)
    picked = np.take_along_axis(OPS["log_softmax"](logits), labels[..., None], -1)
    count = divisor("softmax_cross_entropy", picked.size, reduction)
    return -np.squeeze(picked, -1) if reduction == "none" else np.sum(picked) * (-1 / count)


_SOFT = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])
_WEIGHT = (0.5, 2.0, 1.0)

softmax_cross_entropy = fused(
    _cross_entropy,
    _cross_entropy_joint,
    _cross_entropy_composite,
    name="softmax_cross_entropy",
    doc="Cross-entropy of softmax(logits) against class numbers, one-hot rows or probabilities.",
    formula="mean(-Σ t log softmax(logits)), t: labels",
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
        case((4, 3), np.array([0, 2, 1, 1]), weight=_WEIGHT),
        case((4, 3), np.array([0, 9, 1, 2]), weight=_WEIGHT, ignore_index=9, label_smoothing=0.2),
        case((2, 3), _SOFT, weight=_WEIGHT, label_smoothing=0.2),
        case((4, 3), np.array([0, 2, 1, 1]), reduction="sum"),
        case((2, 2, 3), np.array([[0, 2], [1, 1]]), reduction="none"),
        case((2, 3), np.array([2, 0]), reduction="none"),
        case((3,), np.array(1)),
    ),
    local=("g * (softmax(logits) - t) / n", "-g * log_softmax(logits) / n"),
)

# ------------------------------------------------------------------------------ class numbers


def _picked(name: str, logp: Any, labels: Any, ignore_index: int | None, weight: Any) -> Any:
    """Return the entry of each row's label, its weight, and the sum of weights."""
    check_form(name, logp, labels)
    keep = check_labels(logp, labels, ignore_index, name)
    safe = labels if keep is None else np.where(keep, labels, 0)
    picked = np.squeeze(np.take_along_axis(logp, safe[..., None], -1), -1)
    if weight is None:
        if keep is None:
            return picked, None, labels.size
        return np.where(keep, picked, 0), None, int(np.count_nonzero(keep))
    weights = class_weights(name, weight, logp.shape[-1], logp.dtype, labels, keep)
    return np.where(weights == 0, 0, picked), weights, _total(weights)


def _nll_loss(
    log_probabilities: Any, labels: Any, *, weight: Any = None, ignore_index: int | None = None
) -> Any:
    name = "nll_loss"
    picked, weights, count = _picked(name, log_probabilities, labels, ignore_index, weight)
    return (-picked if weights is None else -picked * weights), count


nll_loss = loss_row(
    _nll_loss,
    doc="Negative log-likelihood: what log probabilities say against class numbers.",
    formula="mean(-log_probabilities[label])",
    latex=r"-\frac{1}{N}\sum_n \log p_{n t_n}",
    pattern="route",
    policy="the mean over no rows is 0; weighted, the mean is over the weights of the labels",
    cases=(
        case((4, 3), np.array([0, 2, 1, 1])),
        case((4, 3), np.array([0, -1, 1, -1]), ignore_index=-1),
        case((4, 3), np.array([0, 9, 1, 2]), ignore_index=9, weight=_WEIGHT),
        case((2, 2, 3), np.array([[0, 2], [1, 1]]), weight=_WEIGHT, reduction="none"),
        case((3,), np.array(1), reduction="sum"),
    ),
)


def _softmax_focal_loss(
    logits: Any,
    labels: Any,
    *,
    gamma: float = 2.0,
    weight: Any = None,
    ignore_index: int | None = None,
) -> Any:
    name = "softmax_focal_loss"
    at_least(name, "gamma", gamma)
    logp = OPS["log_softmax"](logits)
    picked, weights, count = _picked(name, logp, labels, ignore_index, weight)
    # Of a row that does not count 0 was picked: that is a probability of 1, without loss.
    terms = -picked * (-np.expm1(picked)) ** gamma
    return (terms if weights is None else terms * weights), count


softmax_focal_loss = loss_row(
    _softmax_focal_loss,
    doc="Cross-entropy from logits in which rows that are right already count less (Lin 2017).",
    formula="mean((1 - p_t)^gamma (-ln p_t)), p = softmax(z)",
    latex=r"-\frac{1}{N}\sum_n (1 - p_{n t_n})^\gamma \log p_{n t_n}",
    policy="rows that are ignored have loss 0 and gradient 0",
    cases=(
        case((4, 3), np.array([0, 2, 1, 1])),
        case((4, 3), np.array([0, -1, 1, 2]), gamma=1.5, ignore_index=-1, weight=_WEIGHT),
    ),
)


# ------------------------------------------------------------------------------ differences


def _squared_error(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    target = same_shape("mean_squared_error", prediction, target)
    count = divisor("mean_squared_error", prediction.size, reduction)
    d = prediction - target
    return reduced(d * d, count, reduction), (d, count)


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
    target = same_shape("mean_squared_error", prediction, target)
    count = divisor("mean_squared_error", prediction.size, reduction)
    return reduced(np.square(prediction - target), count, reduction)


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
    local=("2 * g * (prediction - target) / n", "-2 * g * (prediction - target) / n"),
)


def _mean_absolute_error(prediction: Any, target: Any) -> Any:
    return np.abs(prediction - same_shape("mean_absolute_error", prediction, target))


mean_absolute_error = loss_row(
    _mean_absolute_error,
    doc="Mean of absolute differences; the shapes must be equal.",
    formula="mean(|prediction - target|)",
    latex=r"\frac{1}{n}\sum_i |y_i - t_i|",
    pattern="route",
    kinks={"prediction": "ties"},
    policy="0 where prediction and target are equal",
    cases=(case((2, 3), (2, 3)), case((3,), (3,), reduction="sum"), case((), (), reduction="none")),
)


def _huber(d: Any, delta: float) -> Any:
    """Return d²/2 up to |d| = delta, and the line that goes on from there."""
    near = np.clip(d, -delta, delta)
    return near * (d - near / 2)


def _huber_loss(prediction: Any, target: Any, *, delta: float = 1.0) -> Any:
    at_least("huber_loss", "delta", delta, over=True)
    return _huber(prediction - same_shape("huber_loss", prediction, target), delta)


def _smooth_l1_loss(prediction: Any, target: Any, *, beta: float = 1.0) -> Any:
    at_least("smooth_l1_loss", "beta", beta)
    d = prediction - same_shape("smooth_l1_loss", prediction, target)
    return np.abs(d) if beta == 0 else _huber(d, beta) * (1 / beta)


# Differences from 1.2 to 2.8: on the line, or on the parabola if it reaches as far as 5.
_APART: dict[str, Any] = {
    "domain": {"prediction": (2.0, 3.0), "target": (0.0, 1.0)},
    "policy": "smooth to first order; the second derivative jumps where the line begins",
}
huber_loss = loss_row(
    _huber_loss,
    doc="Mean of squared differences, halved, that go on as lines from delta on (Huber 1964).",
    formula="mean(d² / 2 if |d| ≤ delta else delta (|d| - delta / 2)), d = prediction - target",
    latex=r"\frac{1}{n}\sum_i \begin{cases} d_i^2 / 2 & |d_i| \le \delta \\ "
    r"\delta (|d_i| - \delta / 2) & |d_i| > \delta \end{cases}",
    cases=(
        case((2, 3), (2, 3)),
        case((2, 3), (2, 3), delta=5.0),
        case((3,), (3,), reduction="none"),
    ),
    **_APART,
)
smooth_l1_loss = loss_row(
    _smooth_l1_loss,
    doc="Mean of absolute differences, rounded off below beta: the Huber loss over beta.",
    formula="mean(d² / (2 beta) if |d| ≤ beta else |d| - beta / 2), d = prediction - target",
    latex=r"\frac{1}{n}\sum_i \begin{cases} d_i^2 / 2\beta & |d_i| \le \beta \\ "
    r"|d_i| - \beta / 2 & |d_i| > \beta \end{cases}",
    cases=(case((2, 3), (2, 3)), case((2, 3), (2, 3), beta=5.0), case((3,), (3,), beta=0.0)),
    **_APART,
)


def _log_cosh_loss(prediction: Any, target: Any) -> Any:
    return OPS["log_cosh"](prediction - same_shape("log_cosh_loss", prediction, target))


log_cosh_loss = loss_row(
    _log_cosh_loss,
    doc="Mean of log cosh of differences: a parabola near 0, lines far away, smooth throughout.",
    formula="mean(ln cosh(prediction - target))",
    latex=r"\frac{1}{n}\sum_i \ln \cosh (y_i - t_i)",
    cases=(case((2, 3), (2, 3)), case((3,), (3,), reduction="sum")),
)

# ------------------------------------------------------------------------------ other names

mse_loss, l1_loss, cross_entropy = mean_squared_error, mean_absolute_error, softmax_cross_entropy
"""PyTorch's names."""
