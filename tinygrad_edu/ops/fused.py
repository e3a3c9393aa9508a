"""Rows written for speed: linear with its activation.

It stands beside its composite, the same function in smaller rows, which is what is recorded when
derivatives of higher order are asked for. Read ``loss.py`` next, whose losses are made alike.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, case, fused
from tinygrad_edu.errors import OpError, explain

__all__ = ["linear"]

# ------------------------------------------------------------------------------ linear


@functools.cache
def _activation(name: str | None) -> Any:
    """Return the elementwise row of an activation whose derivative reads only its result."""
    if name is None or name == "identity":
        return None
    fit = {
        row.name: row
        for row in OPS.values()
        if row.kind == "elementwise"
        and row.reads == (False,)
        and row.reads_result
        and not row.params
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
    # dot() of stacks does not reach BLAS; of matrices it is the faster call.
    y = np.dot(x, weight) if x.ndim < 3 else np.matmul(x, weight)
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
        dx = np.dot(g, weight.T) if g.ndim < 3 else np.matmul(g, weight.T)
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
    local=("g @ weight.T", "x.T @ g", "'Σ {g} over the batch'"),
)
