"""Rows of attention: each query takes the mean of the values, weighted by how its key fits.

A mask is the same everywhere in the package: of booleans, true where a query may look; or of
numbers, added to the scores before softmax, of which a gradient is taken too. A query that may look
nowhere has the result 0, and no nan, at any order. This file knows no heads and no projections;
``nn/attention.py`` does. Read ``recurrent.py`` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, case, composite, fused, op
from tinygrad_edu.errors import OpError, OpTypeError, explain

__all__ = ["attention_weights", "causal_mask", "scaled_dot_product_attention"]

_NAME = "scaled_dot_product_attention"


def _checked(q: Any, k: Any, v: Any, mask: Any) -> None:
    """Refuse shapes that do not go together, and masks that are neither booleans nor numbers."""
    arguments = (("q", q), ("k", k), *(() if v is None else (("v", v),)))
    problem = ""
    if min(np.ndim(a) for _, a in arguments) < 2:
        problem = "each array needs two axes at least: places, features"
    elif q.shape[-1] != k.shape[-1]:
        problem = "queries and keys must have equally many features"
    elif v is not None and k.shape[-2] != v.shape[-2]:
        problem = "there must be one value for each key"
    if problem:
        raise OpError(
            explain(
                _NAME,
                problem,
                arguments=arguments,
                fix="q (..., queries, features), k (..., keys, features), v (..., keys, width)",
            )
        )
    if mask is not None and mask.dtype.kind not in "bf":
        raise OpTypeError(
            explain(
                _NAME,
                f"a mask of {mask.dtype} may mean either of two things",
                fix="give booleans, true where a query may look (mask != 0), or floats to be added",
            )
        )


def _rate(q: Any, scale: float | None) -> float:
    return 1 / math.sqrt(max(1, q.shape[-1])) if scale is None else scale


def _causal_mask(x: Any) -> Any:
    return np.tri(*x.shape[-2:], dtype=np.bool_, like=x)


causal_mask = op(
    _causal_mask,
    None,
    arguments=("x",),
    doc="True on and below the diagonal of the last two axes: keys no later than their query.",
    formula="j <= i",
    latex=r"[j \le i]",
    pattern="none",
    signature="(n,m)->(n,m)",
    policy="the result depends on the shape alone: no gradient flows",
    cases=(case((2, 3)), case((2, 3, 2))),
    batch=lambda row, _batched, arrays, params: np.broadcast_to(
        row.through([arrays[0][0]], params), (len(arrays[0]), *arrays[0].shape[-2:])
    ),
)


def _softmax(scores: Any) -> Any:
    # Where there are no keys there is nothing to divide by, and nothing to return.
    return OPS["softmax"](scores) if scores.shape[-1] else scores


def _scores(q: Any, k: Any, mask: Any, causal: bool, scale: float | None) -> Any:
    scores = np.matmul(q * _rate(q, scale), np.swapaxes(k, -1, -2))
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask
    return np.where(causal_mask(scores), scores, -np.inf) if causal else scores


def _attention(
    q: Any, k: Any, v: Any, mask: Any = None, *, causal: bool = False, scale: float | None = None
) -> Any:
    _checked(q, k, v, mask)
    weights = _softmax(_scores(q, k, mask, causal, scale))
    return np.matmul(weights, v), weights


def _attention_joint(
    g: Any,
    _y: Any,
    weights: Any,
    q: Any,
    k: Any,
    v: Any,
    _mask: Any,
    *,
    wanted: Sequence[bool],
    scale: float | None,
    **_rest: Any,
) -> tuple[Any, ...]:
    dq = dk = dv = dmask = None
    if wanted[2]:
        dv = np.matmul(np.swapaxes(weights, -1, -2), g)
    if wanted[0] or wanted[1] or wanted[3]:
        ds = np.matmul(g, np.swapaxes(v, -1, -2))
        ds *= weights
        ds -= weights * np.sum(ds, axis=-1, keepdims=True)
        rate = _rate(q, scale)
        if wanted[0]:
            dq = np.matmul(ds, k) * rate
        if wanted[1]:
            dk = np.matmul(np.swapaxes(ds, -1, -2), q) * rate
        if wanted[3]:
            dmask = ds if _mask.dtype.kind == "f" else None
    return dq, dk, dv, dmask


def _attention_composite(
    q: Any, k: Any, v: Any, mask: Any, *, causal: bool, scale: float | None
) -> Any:
    _checked(q, k, v, mask)
    return np.matmul(_softmax(_scores(q, k, mask, causal, scale)), v)


_ALLOWED = np.array([[True, False, True, False], [False, False, False, False], [True] * 4])

scaled_dot_product_attention = fused(
    _attention,
    _attention_joint,
    _attention_composite,
    name=_NAME,
    doc="Means of the values, weighted by softmax of the products of queries and keys.",
    formula="softmax(scale q @ kᵀ + mask) @ v",
    latex=r"\mathrm{softmax}(s\, Q K^\top + M)\, V",
    pattern="matmul",
    signature="(n,d),(m,d),(m,w),(n,m)->(n,w)",
    optional=("mask",),
    broadcasts=True,
    policy="0, with gradient 0, where the mask leaves nothing; causal counts from the first place",
    cases=(
        case((3, 2), (4, 2), (4, 5), None),
        case((2, 3, 2), (2, 4, 2), (2, 4, 2), None, scale=0.3),
        case((3, 2), (4, 2), (4, 2), _ALLOWED),
        case((2, 3, 2), (4, 2), (2, 4, 1), (3, 4)),
        case((2, 3, 2), (2, 3, 2), (2, 3, 2), None, causal=True),
        case((2, 2, 3, 2), (2, 1, 4, 2), (4, 2), (2, 1, 1, 4), causal=True),
        case((3, 2), (1, 4, 2), (1, 4, 2), _ALLOWED[None], causal=True),
        case((1, 1), (1, 1), (1, 1), None),
    ),
    local=(
        "'d {k} · scale, d the gradient of the scores'",
        "'dᵀ {q} · scale, d the gradient of the scores'",
        "'softmax(scores)ᵀ {g}'",
        "'d, the gradient of the scores'",
    ),
)


def _attention_weights(
    q: Any, k: Any, mask: Any = None, *, causal: bool = False, scale: float | None = None
) -> Any:
    _checked(q, k, None, mask)
    return _softmax(_scores(q, k, mask, causal, scale))


attention_weights = composite(
    _attention_weights,
    doc="How much each query takes from each key: the weights of attention, to be looked at.",
    formula="softmax(scale q @ kᵀ + mask)",
    latex=r"\mathrm{softmax}(s\, Q K^\top + M)",
    pattern="matmul",
    signature="(n,d),(m,d),(n,m)->(n,m)",
    optional=("mask",),
    policy="0 where the mask leaves nothing",
    cases=(
        case((3, 2), (4, 2), None),
        case((3, 2), (4, 2), _ALLOWED),
        case((2, 3, 2), (4, 2), (3, 4), causal=True, scale=0.5),
    ),
)
