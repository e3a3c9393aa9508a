"""Differentiation without a graph, and the checker that judges recorded gradients by it.

Read ``difference.py`` first, which depends on nothing in the engine, then ``check.py``.
"""

from tinygrad_edu.numeric.check import Report, gradcheck, gradgradcheck
from tinygrad_edu.numeric.difference import (
    Method,
    directional_derivative,
    gradient_descent,
    numerical_diff,
    numerical_gradient,
    numerical_hessian,
    numerical_jacobian,
)

__all__ = [
    "Method",
    "Report",
    "directional_derivative",
    "gradcheck",
    "gradgradcheck",
    "gradient_descent",
    "numerical_diff",
    "numerical_gradient",
    "numerical_hessian",
    "numerical_jacobian",
]
