"""Losses of probabilities: two classes, whole distributions, counts and noise.

From logits or logarithms wherever there is such a form, because it is exact at both ends. The
binary cross-entropy from logits is fused. Nothing is clipped: what was called impossible and
happened costs infinity. This file knows distributions; class numbers are in ``loss.py``. Read
``margin.py`` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, case, fused
from tinygrad_edu.errors import OpError, explain
from tinygrad_edu.ops.loss import (
    REDUCTIONS,
    at_least,
    constant_like,
    divisor,
    loss_row,
    reduced,
    same_shape,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "dice_loss",
    "gaussian_nll_loss",
    "jensen_shannon",
    "kl_div",
    "poisson_nll_loss",
    "sigmoid_focal_loss",
]

# ------------------------------------------------------------------------------ two classes


def _logits_terms(x: Any, t: Any, weight: Any, pos_weight: Any) -> Any:
    """Return the terms of the binary cross-entropy, w ((1-t) softplus(x) + p t softplus(-x)).

    Written by the sign of x, no two large numbers are subtracted.
    """
    tail = np.log1p(np.exp(-np.abs(x)))
    if pos_weight is None:
        terms = np.maximum(x, 0) - x * t + tail
    else:
        missed = pos_weight * t
        terms = np.where(x < 0, -missed * x, (1 - t) * x) + (1 - t + missed) * tail
    return terms if weight is None else weight * terms


def _bce_constants(logits: Any, weight: Any, pos_weight: Any) -> list[Any]:
    name = "binary_cross_entropy_with_logits"
    given = (("weight", weight), ("pos_weight", pos_weight))
    return [
        v if v is None else constant_like(name, key, v, logits, logits.shape) for key, v in given
    ]


def _bce(
    logits: Any,
    targets: Any,
    *,
    weight: Any = None,
    pos_weight: Any = None,
    reduction: str = "mean",
) -> Any:
    targets = same_shape("binary_cross_entropy_with_logits", logits, targets)
    count = divisor("binary_cross_entropy_with_logits", logits.size, reduction)
    terms = _logits_terms(logits, targets, *_bce_constants(logits, weight, pos_weight))
    return reduced(terms, count, reduction), count


def _bce_joint(
    g: Any,
    _y: Any,
    saved: Any,
    logits: Any,
    targets: Any,
    *,
    wanted: Sequence[bool],
    weight: Any,
    pos_weight: Any,
    **_rest: Any,
) -> tuple[Any, Any]:
    targets = same_shape("binary_cross_entropy_with_logits", logits, targets)
    weight, pos_weight = _bce_constants(logits, weight, pos_weight)
    g = g / saved if weight is None else g / saved * weight
    dx = dt = None
    if pos_weight is None:
        dx = g * (OPS["sigmoid"].forward(logits) - targets) if wanted[0] else None
        return dx, (-g * logits if wanted[1] else None)
    if wanted[0]:
        missed = pos_weight * targets
        dx = g * (1 - targets - (1 - targets + missed) * OPS["sigmoid"].forward(-logits))
    if wanted[1]:
        softplus = OPS["softplus"].forward
        dt = g * (pos_weight * softplus(-logits) - softplus(logits))
    return dx, dt


def _bce_composite(
    logits: Any, targets: Any, *, weight: Any, pos_weight: Any, reduction: str
) -> Any:
    targets = same_shape("binary_cross_entropy_with_logits", logits, targets)
    count = divisor("binary_cross_entropy_with_logits", logits.size, reduction)
    weight, pos_weight = _bce_constants(logits, weight, pos_weight)
    softplus = OPS["softplus"]
    if pos_weight is None:
        terms = softplus(logits) - logits * targets
    else:
        terms = (1 - targets) * softplus(logits) + pos_weight * targets * softplus(-logits)
    return reduced(terms if weight is None else weight * terms, count, reduction)


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
    policy="the mean is over all elements, also with weight= and pos_weight=",
    cases=(
        case((2, 3), (2, 3)),
        case((3,), (3,), reduction="sum"),
        case((3,), (3,), reduction="none"),
        case((2, 3), (2, 3), weight=((0.5,), (2.0,))),
        case((2, 3), (2, 3), pos_weight=(0.5, 2.0, 1.0)),
        case((2,), (2,), weight=(0.5, 2.0), pos_weight=3.0, reduction="none"),
        case((3,), np.array([1, 0, 1])),
    ),
    local=("g * (sigmoid(logits) - targets) / n", "-g * logits / n"),
)


def _log_below(t: Any, p: Any, log: Any, edge: float) -> Any:
    """Return ``t log(p)``, 0 without a gradient where t is 0 and log(p) is -inf, at the edge."""
    nothing = (t == 0) & (p == edge)
    return np.where(nothing, 0, t * log(np.where(nothing, 0.5, p)))


def _binary_cross_entropy(probabilities: Any, target: Any, *, weight: Any = None) -> Any:
    target = same_shape("binary_cross_entropy", probabilities, target)
    hit = _log_below(target, probabilities, np.log, 0)
    terms = -hit - _log_below(1 - target, -probabilities, np.log1p, -1)
    if weight is None:
        return terms
    name = "binary_cross_entropy"
    return terms * constant_like(name, "weight", weight, probabilities, probabilities.shape)


binary_cross_entropy = loss_row(
    _binary_cross_entropy,
    doc="Cross-entropy of probabilities against targets in [0, 1]; nothing is clipped.",
    formula="mean(-t ln p - (1 - t) ln(1 - p))",
    latex=r"-\frac{1}{n}\sum_i t_i \ln p_i + (1 - t_i) \ln (1 - p_i)",
    domain={"probabilities": (0.0, 1.0), "target": (0.0, 1.0)},
    singular=True,
    policy="a certainty that is wrong costs infinity; one that is right has no gradient to its "
    "target",
    cases=(
        case((2, 3), (2, 3)),
        case((2, 3), (2, 3), weight=(0.5, 2.0, 1.0)),
        case((3,), np.array([1, 0, 1]), reduction="none"),
    ),
)


def _sigmoid_focal_loss(
    logits: Any, targets: Any, *, alpha: float | None = 0.25, gamma: float = 2.0
) -> Any:
    name = "sigmoid_focal_loss"
    at_least(name, "gamma", gamma)
    if alpha is not None and not 0 <= alpha <= 1:
        raise OpError(explain(name, f"alpha={alpha!r}", fix="give a share in [0, 1], or None"))
    t = same_shape(name, logits, targets)
    sigmoid, softplus = OPS["sigmoid"], OPS["softplus"]
    missed = t * sigmoid(-logits) + (1 - t) * sigmoid(logits)
    terms = missed**gamma * (t * softplus(-logits) + (1 - t) * softplus(logits))
    return terms if alpha is None else (alpha * t + (1 - alpha) * (1 - t)) * terms


sigmoid_focal_loss = loss_row(
    _sigmoid_focal_loss,
    doc="Binary cross-entropy from logits in which what is right already counts less (Lin 2017).",
    formula="mean(alpha_t (1 - p_t)^gamma (-ln p_t))",
    latex=r"-\frac{1}{n}\sum_i \alpha_i (1 - p_i)^\gamma \ln p_i",
    policy="alpha=None weighs both classes alike",
    cases=(
        case((2, 3), (2, 3)),
        case((4,), np.array([1, 0, 1, 0]), alpha=None, gamma=1.5, reduction="sum"),
        case((3,), (3,), gamma=0.0),
    ),
)


def _dice_loss(probabilities: Any, target: Any, *, smooth: float = 1.0) -> Any:
    at_least("dice_loss", "smooth", smooth)
    target = same_shape("dice_loss", probabilities, target)
    axes = tuple(range(1, probabilities.ndim))
    both = np.sum(probabilities * target, axis=axes)
    each = np.sum(probabilities, axis=axes) + np.sum(target, axis=axes)
    return 1 - (2 * both + smooth) / (each + smooth)


dice_loss = loss_row(
    _dice_loss,
    doc="1 minus the share that masks of probabilities have in common, sample by sample.",
    formula="mean(1 - (2 Σ p t + smooth) / (Σ p + Σ t + smooth))",
    latex=r"\frac{1}{N}\sum_n 1 - \frac{2 \sum_i p_i t_i + s}{\sum_i p_i + \sum_i t_i + s}",
    domain={"probabilities": (0.0, 1.0), "target": (0.0, 1.0)},
    policy="the first axis counts samples; the others are summed",
    cases=(case((2, 3), (2, 3)), case((2, 2, 2), (2, 2, 2), smooth=0.1, reduction="none")),
)

# ------------------------------------------------------------------------------ distributions


def _kl_div(log_probabilities: Any, target: Any, *, log_target: bool = False) -> Any:
    target = same_shape("kl_div", log_probabilities, target)
    if not log_target:
        log_q = np.where(target == 0, 0, log_probabilities)
        return OPS["xlogy"](target, target) - target * log_q
    never = target == -math.inf
    log_q, log_t = (np.where(never, 0, a) for a in (log_probabilities, target))
    return np.exp(target) * (log_t - log_q)


kl_div = loss_row(
    _kl_div,
    (*REDUCTIONS[:2], "batchmean", "none"),
    doc="Divergence of Kullback and Leibler of log probabilities from a target, term by term.",
    formula="mean(t (ln t - log_probabilities))",
    latex=r"\frac{1}{n}\sum_i t_i (\ln t_i - \log p_i)",
    domain={"target": (0.0, math.inf)},
    policy="'mean' divides by all elements, 'batchmean' by the first axis, which gives the "
    "mathematical divergence; terms with target 0 are 0",
    cases=(
        case((2, 3), (2, 3)),
        case((2, 3), (2, 3), reduction="batchmean"),
        case((2, 3), (2, 3), log_target=True, reduction="sum"),
        case((2, 3), (2, 3), log_target=True, reduction="none"),
    ),
)


def _jensen_shannon(p: Any, q: Any, *, axis: int = -1) -> Any:
    q = same_shape("jensen_shannon", p, q)
    xlogy, middle = OPS["xlogy"], (p + q) / 2
    return np.sum((xlogy(p, p) + xlogy(q, q)) / 2 - xlogy(middle, middle), axis=axis)


jensen_shannon = loss_row(
    _jensen_shannon,
    doc="Divergence of Jensen and Shannon between probabilities along an axis: symmetric, finite.",
    formula="mean((KL(p, m) + KL(q, m)) / 2), m = (p + q) / 2",
    latex=r"\frac{1}{2 N}\sum_n \mathrm{KL}(p_n \| m_n) + \mathrm{KL}(q_n \| m_n)",
    domain={"p": (0.0, 1.0), "q": (0.0, 1.0)},
    policy="in nats, from 0 to ln 2; a probability of 0 gets the gradient of its finite terms",
    cases=(case((2, 3), (2, 3)), case((2, 3), (2, 3), axis=0, reduction="none")),
)

# ------------------------------------------------------------------------------ counts, noise


def _poisson_nll_loss(rate: Any, target: Any, *, log_input: bool = True, full: bool = False) -> Any:
    target = same_shape("poisson_nll_loss", rate, target)
    counted = target * rate if log_input else _log_below(target, rate, np.log, 0)
    terms = (np.exp(rate) if log_input else rate) - counted
    if not full:
        return terms
    several = np.where(target > 1, target, 2)
    stirling = several * np.log(several) - several + 0.5 * np.log(2 * math.pi * several)
    return terms + np.where(target > 1, stirling, 0)


poisson_nll_loss = loss_row(
    _poisson_nll_loss,
    doc="Negative log-likelihood of counts under Poisson rates, or their logarithms.",
    formula="mean(exp(rate) - target · rate)",
    latex=r"\frac{1}{n}\sum_i e^{x_i} - t_i x_i",
    domain={"rate": (0.0, math.inf), "target": (0.0, math.inf)},
    policy="full=True adds ln target! for counts above 1, by Stirling's formula",
    cases=(
        case((2, 3), (2, 3)),
        case((2, 3), (2, 3), log_input=False),
        case((4,), np.array([0, 1, 2, 5]), full=True, reduction="sum"),
        case((4,), np.array([0, 1, 2, 5]), log_input=False, full=True, reduction="none"),
    ),
)


def _gaussian_nll_loss(
    mean: Any, target: Any, variance: Any, *, full: bool = False, eps: float = 1e-6
) -> Any:
    name = "gaussian_nll_loss"
    at_least(name, "eps", eps)
    target = same_shape(name, mean, target)
    if variance.shape not in (mean.shape, (*mean.shape[:-1], 1), mean.shape[:-1]):
        raise OpError(
            explain(
                name,
                "there must be one variance per element, or one per row",
                arguments=(("mean", mean), ("variance", variance)),
                fix="give the variance the shape of the mean, or 1 as its last length",
            )
        )
    if variance.ndim < mean.ndim:
        variance = np.expand_dims(variance, -1)
    variance = np.maximum(variance, eps)
    terms = (np.log(variance) + np.square(mean - target) / variance) / 2
    return terms + 0.5 * math.log(2 * math.pi) if full else terms


gaussian_nll_loss = loss_row(
    _gaussian_nll_loss,
    doc="Negative log-likelihood of targets under normal distributions with learnt variances.",
    formula="mean((ln v + (mean - target)² / v) / 2), v = max(variance, eps)",
    latex=r"\frac{1}{2n}\sum_i \ln v_i + \frac{(\mu_i - t_i)^2}{v_i}",
    domain={"variance": (0.0, math.inf)},
    policy="a variance below eps counts as eps and gets no gradient; full=True adds ln(2π) / 2",
    cases=(
        case((2, 3), (2, 3), (2, 3)),
        case((2, 3), (2, 3), (2, 1), full=True, reduction="sum"),
        case((2, 3), (2, 3), (2,), reduction="none"),
    ),
)
