"""Losses of scores and distances: what is right has to win by a margin.

Also the similarity and the distance that they compare by. All are written in rows, so ramps have
the kink of ``relu``: at exactly the margin there is no gradient. Signs and class numbers are
constants. This file knows scores; probabilities are in ``likelihood.py``. Read ``ctc.py`` next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, case, composite
from tinygrad_edu.errors import LabelError, OpError, OpTypeError, explain
from tinygrad_edu.ops.activation import relu
from tinygrad_edu.ops.complexes import squared_size
from tinygrad_edu.ops.loss import (
    at_least,
    check_form,
    check_labels,
    class_weights,
    constant_like,
    loss_row,
    same_shape,
)

__all__ = [
    "cdist",
    "cosine_embedding_loss",
    "cosine_similarity",
    "hinge_embedding_loss",
    "hinge_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "pairwise_distance",
    "soft_margin_loss",
    "squared_hinge_loss",
    "triplet_margin_loss",
]

_SIGNS = np.array([1, -1, 1])
_KINKED = "0 where exactly the margin is reached"

# ------------------------------------------------------------------------------ signs


def _hinge_loss(scores: Any, target: Any, *, margin: float = 1.0) -> Any:
    return relu(margin - scores * same_shape("hinge_loss", scores, target))


def _squared_hinge_loss(scores: Any, target: Any, *, margin: float = 1.0) -> Any:
    return np.square(relu(margin - scores * same_shape("squared_hinge_loss", scores, target)))


def _soft_margin_loss(scores: Any, target: Any) -> Any:
    return OPS["softplus"](-scores * same_shape("soft_margin_loss", scores, target))


def _hinge_embedding_loss(distances: Any, target: Any, *, margin: float = 1.0) -> Any:
    target = same_shape("hinge_embedding_loss", distances, target)
    return np.where(target == 1, distances, relu(margin - distances))


_SCORED = (case((3,), _SIGNS), case((3,), _SIGNS, reduction="none"))
hinge_loss = loss_row(
    _hinge_loss,
    doc="What scores lack to be on the side of their target, 1 or -1, by a margin.",
    formula="mean(max(0, margin - target · scores))",
    latex=r"\frac{1}{n}\sum_i \max(0, m - t_i x_i)",
    pattern="route",
    kinks={"scores": (-1.0, 1.0)},
    policy=_KINKED,
    cases=_SCORED,
)
squared_hinge_loss = loss_row(
    _squared_hinge_loss,
    doc="Hinge loss, squared: smooth to first order.",
    formula="mean(max(0, margin - target · scores)²)",
    latex=r"\frac{1}{n}\sum_i \max(0, m - t_i x_i)^2",
    kinks={"scores": (-1.0, 1.0)},
    policy="smooth to first order; the second jumps at the margin",
    cases=_SCORED,
)
soft_margin_loss = loss_row(
    _soft_margin_loss,
    doc="Logistic loss of scores against targets 1 or -1, without overflow.",
    formula="mean(ln(1 + exp(-target · scores)))",
    latex=r"\frac{1}{n}\sum_i \ln(1 + e^{-t_i x_i})",
    cases=_SCORED,
)
hinge_embedding_loss = loss_row(
    _hinge_embedding_loss,
    doc="Distances of pairs that belong together (1), and what others (-1) lack to a margin.",
    formula="mean(distance if target = 1 else max(0, margin - distance))",
    latex=r"\frac{1}{n}\sum_i \begin{cases} d_i & t_i = 1 \\ \max(0, m - d_i) & t_i = -1 "
    r"\end{cases}",
    pattern="route",
    kinks={"distances": (-1.0, 1.0)},
    policy=_KINKED,
    cases=_SCORED,
)

# ------------------------------------------------------------------------------ classes

_WEIGHT = (0.5, 2.0, 1.0)


def _multi_margin_loss(
    scores: Any, labels: Any, *, p: int = 1, margin: float = 1.0, weight: Any = None
) -> Any:
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise OpError(explain(name, f"p={p!r}", fix="use 1, or 2 for squares"))
    check_form(name, scores, labels)
    check_labels(scores, labels, None, name)
    classes = scores.shape[-1]
    own = np.take_along_axis(scores, labels[..., None], -1)
    others = labels[..., None] != np.arange(classes, like=labels)
    lacking = np.where(others, relu(margin - own + scores), 0)
    terms = np.sum(lacking if p == 1 else np.square(lacking), axis=-1) * (1 / classes)
    if weight is None:
        return terms
    return terms * class_weights(name, weight, classes, scores.dtype, labels, None)


multi_margin_loss = loss_row(
    _multi_margin_loss,
    doc="What the score of the right class lacks to beat each other one by a margin.",
    formula="mean(Σ_{j ≠ label} max(0, margin - x[label] + x[j])^p / classes)",
    latex=r"\frac{1}{N C}\sum_n \sum_{j \ne t_n} \max(0, m - x_{n t_n} + x_{n j})^p",
    pattern="route",
    policy=_KINKED,
    cases=(
        case((4, 3), np.array([0, 2, 1, 1]), margin=10.0),
        case((4, 3), np.array([0, 2, 1, 1]), margin=10.0, p=2, weight=_WEIGHT),
        case((3,), np.array(1), margin=10.0, reduction="sum"),
    ),
)


def _multilabel_margin_loss(scores: Any, labels: Any) -> Any:
    name = "multilabel_margin_loss"
    if labels.dtype.kind not in "iu":
        raise OpTypeError(
            explain(
                name,
                f"labels of dtype {labels.dtype} are no class numbers",
                fix="give whole numbers, filled up with -1",
            )
        )
    if scores.ndim == 0 or labels.shape != scores.shape:
        raise OpError(
            explain(
                name,
                "there must be one place for a label per score",
                arguments=(("scores", scores), ("labels", labels)),
                fix="fill each row of labels up with -1 to the number of classes",
            )
        )
    classes = scores.shape[-1]
    if labels.size and (labels.max() >= classes or labels.min() < -1):
        wrong = labels.min() if labels.min() < -1 else labels.max()
        raise LabelError(
            explain(
                name,
                f"label {wrong} is not a class: there are {classes} classes, 0 to {classes - 1}",
                fix="number the classes from 0; -1 ends a row",
            )
        )
    listed = np.cumprod(labels >= 0, axis=-1)[..., None] == 1  # up to the first -1
    same = labels[..., None] == np.arange(classes, like=labels)
    wanted = np.any(same & listed, axis=-1 if classes == 0 else -2)
    pairs = wanted[..., :, None] & ~wanted[..., None, :]
    lacking = relu(1 - scores[..., :, None] + scores[..., None, :])
    return np.sum(np.where(pairs, lacking, 0), axis=(-2, -1)) * (1 / max(classes, 1))


multilabel_margin_loss = loss_row(
    _multilabel_margin_loss,
    doc="What the scores of several right classes lack to beat each wrong one by 1.",
    formula="mean(Σ_{i right, j wrong} max(0, 1 - x[i] + x[j]) / classes)",
    latex=r"\frac{1}{N C}\sum_n \sum_{i \in T_n} \sum_{j \notin T_n} "
    r"\max(0, 1 - x_{n i} + x_{n j})",
    pattern="route",
    domain={"scores": (0.0, 0.9)},
    policy="a row of labels ends at its first -1; 0 where exactly the margin is reached",
    cases=(
        case((2, 4), np.array([[3, 0, -1, 1], [2, -1, -1, -1]])),
        case((3,), np.array([-1, -1, -1]), reduction="sum"),
        case((3,), np.array([2, 1, -1]), reduction="none"),
    ),
)


def _multilabel_soft_margin_loss(scores: Any, target: Any, *, weight: Any = None) -> Any:
    name = "multilabel_soft_margin_loss"
    target = same_shape(name, scores, target)
    softplus = OPS["softplus"]
    terms = target * softplus(-scores) + (1 - target) * softplus(scores)
    if weight is not None:
        terms = terms * constant_like(name, "weight", weight, scores, scores.shape)
    return np.mean(terms, axis=-1)


multilabel_soft_margin_loss = loss_row(
    _multilabel_soft_margin_loss,
    doc="Binary cross-entropy from logits, first averaged over the classes of a row.",
    formula="mean(-t ln σ(x) - (1 - t) ln σ(-x))",
    latex=r"-\frac{1}{N C}\sum_{n c} t_{nc} \ln \sigma(x_{nc}) + (1 - t_{nc}) \ln \sigma(-x_{nc})",
    cases=(
        case((2, 3), (2, 3)),
        case((2, 3), np.array([[1, 0, 1], [0, 0, 1]]), weight=_WEIGHT, reduction="none"),
    ),
)

# ------------------------------------------------------------------------------ distances


def _cosine_similarity(a: Any, b: Any, *, axis: int = -1, eps: float = 1e-8) -> Any:
    at_least("cosine_similarity", "eps", eps)
    norms = [
        np.maximum(np.sqrt(np.sum(np.square(v), axis=axis, keepdims=True)), eps) for v in (a, b)
    ]
    # Each vector by its own length first: the product of two lengths may overflow.
    return np.sum((a / norms[0]) * (b / norms[1]), axis=axis)


def _norm(d: Any, p: float, keepdims: bool) -> Any:
    """Return the p-norm over the last axis, whose gradient at 0 is 0."""
    if p == 2:
        return np.sqrt(np.sum(squared_size(d), axis=-1, keepdims=keepdims))
    size = np.abs(d)
    if p == 1:
        return np.sum(size, axis=-1, keepdims=keepdims)
    if p == math.inf:
        return np.max(size, axis=-1, keepdims=keepdims)
    return np.sum(size**p, axis=-1, keepdims=keepdims) ** (1 / p)


def _pairwise_distance(
    a: Any, b: Any, *, p: float = 2.0, eps: float = 0.0, keepdims: bool = False
) -> Any:
    at_least("pairwise_distance", "p", p, 1)
    d = a - b
    return _norm(d + eps if eps else d, p, keepdims)


cosine_similarity = composite(
    _cosine_similarity,
    doc="Cosine of the angle between vectors along an axis.",
    formula="a · b / (max(|a|, eps) max(|b|, eps))",
    latex=r"\frac{a \cdot b}{\max(\|a\|, \epsilon) \max(\|b\|, \epsilon)}",
    pattern="scale",
    signature="(n),(n)->()",
    domain={"a": (0.5, 1.5), "b": (0.5, 1.5)},
    policy="0, with a gradient that is finite, where a vector is 0",
    cases=(case((2, 3), (2, 3)), case((2, 3), (3,)), case((3, 2), (3, 2), axis=0)),
)
pairwise_distance = composite(
    _pairwise_distance,
    doc="Distance of vectors along the last axis, by the p-norm.",
    formula="(Σ |a - b|^p)^(1/p)",
    latex=r"\left(\sum_i |a_i - b_i|^p\right)^{1/p}",
    pattern="scale",
    signature="(n),(n)->()",
    domain={"a": (2.0, 3.0), "b": (0.0, 1.0)},
    policy="where a = b the gradient is 0, so no eps is needed; PyTorch's is eps=1e-6",
    cases=(
        case((2, 3), (2, 3)),
        case((2, 3), (3,), p=1.0, keepdims=True),
        case((2, 3), (2, 3), p=3.0, eps=1e-3),
        case((2, 1), (2, 1), p=math.inf),
    ),
)


def _cdist(a: Any, b: Any, *, p: float = 2.0) -> Any:
    return _pairwise_distance(np.expand_dims(a, -2), np.expand_dims(b, -3), p=p)


cdist = composite(
    _cdist,
    doc="Distances of every row of a from every row of b, by the p-norm.",
    formula="(Σ |a[i] - b[j]|^p)^(1/p)",
    latex=r"\left(\sum_k |a_{ik} - b_{jk}|^p\right)^{1/p}",
    pattern="scale",
    signature="(m,k),(n,k)->(m,n)",
    domain={"a": (2.0, 3.0), "b": (0.0, 1.0)},
    policy="where two rows are equal the gradient is 0",
    cases=(
        case((2, 3), (4, 3)),
        case((2, 2, 3), (3, 3), p=1.0),
        case((2, 3), (2, 3), p=3.0),
        case((3, 1), (2, 1), p=math.inf),
    ),
)


def _cosine_embedding_loss(a: Any, b: Any, target: Any, *, margin: float = 0.0) -> Any:
    name = "cosine_embedding_loss"
    b = same_shape(name, a, b)
    cosine = _cosine_similarity(a, b)
    target = same_shape(name, cosine, target)
    return np.where(target == 1, 1 - cosine, relu(cosine - margin))


cosine_embedding_loss = loss_row(
    _cosine_embedding_loss,
    doc="1 minus the cosine of pairs that belong together (1), its excess over a margin of "
    "others (-1).",
    formula="mean(1 - cos(a, b) if target = 1 else max(0, cos(a, b) - margin))",
    latex=r"\frac{1}{N}\sum_n \begin{cases} 1 - \cos(a_n, b_n) & t_n = 1 \\ "
    r"\max(0, \cos(a_n, b_n) - m) & t_n = -1 \end{cases}",
    domain={"a": (0.5, 1.5), "b": (0.5, 1.5)},
    policy=_KINKED,
    cases=(
        case((3, 4), (3, 4), _SIGNS),
        case((3, 4), (3, 4), _SIGNS, margin=0.3, reduction="none"),
        case((4,), (4,), np.array(-1)),
    ),
)


def _margin_ranking_loss(a: Any, b: Any, target: Any, *, margin: float = 0.0) -> Any:
    b, target = (same_shape("margin_ranking_loss", a, v) for v in (b, target))
    return relu(margin - target * (a - b))


margin_ranking_loss = loss_row(
    _margin_ranking_loss,
    doc="What a lacks to be above b (target 1) or below it (-1) by a margin.",
    formula="mean(max(0, margin - target (a - b)))",
    latex=r"\frac{1}{n}\sum_i \max(0, m - t_i (a_i - b_i))",
    pattern="route",
    domain={"a": (2.0, 3.0), "b": (0.0, 1.0)},
    policy=_KINKED,
    cases=(
        case((3,), (3,), _SIGNS),
        case((3,), (3,), _SIGNS, margin=4.0, reduction="none"),
    ),
)


def _triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 0.0,
    swap: bool = False,
) -> Any:
    name = "triplet_margin_loss"
    at_least(name, "p", p, 1)
    positive, negative = (same_shape(name, anchor, v) for v in (positive, negative))
    to_positive = _pairwise_distance(anchor, positive, p=p, eps=eps)
    to_negative = _pairwise_distance(anchor, negative, p=p, eps=eps)
    if swap:
        across = _pairwise_distance(positive, negative, p=p, eps=eps)
        to_negative = np.minimum(to_negative, across)
    return relu(to_positive - to_negative + margin)


triplet_margin_loss = loss_row(
    _triplet_margin_loss,
    doc="What an anchor lacks to be nearer to its positive than to its negative by a margin.",
    formula="mean(max(0, |anchor - positive| - |anchor - negative| + margin))",
    latex=r"\frac{1}{N}\sum_n \max(0, \|a_n - p_n\| - \|a_n - q_n\| + m)",
    domain={"anchor": (0.0, 1.0), "positive": (2.0, 3.0), "negative": (8.0, 9.0)},
    policy="0 where exactly the margin is reached; swap also looks from the positive",
    cases=(
        case((2, 3), (2, 3), (2, 3), margin=20.0),
        case((2, 3), (2, 3), (2, 3), margin=20.0, swap=True, reduction="none"),
        case((3,), (3,), (3,), margin=40.0, p=1.0),
    ),
)
