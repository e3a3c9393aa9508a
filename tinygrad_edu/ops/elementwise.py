"""Rows that act on each element: unary and binary functions, activations, comparisons.

The Jacobian of such a row is diagonal, so a derivative is one factor, written in terms of the
result where that is simpler. Binary rows broadcast; the sweep sums their cotangents back.
Read ``reduce.py`` next.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.op import case, elementwise, op

# ------------------------------------------------------------------------------ arithmetic

add = elementwise(np.add, 1, 1, doc="Sum.", formula="a + b", latex="a + b", pattern="copy")
multiply = elementwise(
    np.multiply, lambda _y, _a, b: b, lambda _y, a, _b: a,
    doc="Product.", formula="a b", latex="a\\,b", pattern="swap",
)  # fmt: skip
subtract = elementwise(np.subtract, 1, -1, doc="Difference.", formula="a - b", latex="a - b", pattern="copy")
negative = elementwise(np.negative, -1, doc="Negation.", formula="-x", latex="-x", pattern="scale")
tanh = elementwise(
    np.tanh, lambda y, _x: 1 - y * y,
    doc="Hyperbolic tangent.", formula="tanh(x)", latex=r"\tanh x", pattern="scale",
)  # fmt: skip
