"""Automatic differentiation and neural networks on NumPy, written to be read.

An op is one row of a table: a NumPy function with its derivative written beside it
(``tinygrad_edu.ops``). A `Tensor` records what is computed with it, and ``backward()`` sweeps the
record in reverse (``tinygrad_edu.core``). Start with ``core/tensor.py``.

Examples
--------
>>> import numpy as np
>>> from tinygrad_edu import Tensor
>>> w = Tensor([1.0, 2.0], requires_grad=True)
>>> loss = np.square(np.tanh(w)).sum()
>>> loss.backward()
>>> w.grad.round(4)
array([0.6397, 0.1362])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_edu import ops
from tinygrad_edu.core.batching import vmap
from tinygrad_edu.core.function import Function, checkpoint
from tinygrad_edu.core.op import OPS, Op, case, composite, elementwise, fused, get_op, op
from tinygrad_edu.core.op import linear as linear_op
from tinygrad_edu.core.switch import detect_anomaly, enable_grad, is_recording, no_grad
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.core.transforms import (
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    value_and_grad,
    vhp,
    vjp,
)
from tinygrad_edu.ops import *  # noqa: F403 - every row is a public function

if TYPE_CHECKING:
    from tinygrad_edu.numeric import (
        gradcheck,
        gradgradcheck,
        gradient_descent,
        numerical_diff,
        numerical_gradient,
    )

__all__ = [
    "OPS",
    "Function",
    "Op",
    "Parameter",
    "Tensor",
    "case",
    "checkpoint",
    "composite",
    "detect_anomaly",
    "elementwise",
    "enable_grad",
    "fused",
    "get_op",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "gradient_descent",
    "gradients",
    "hessian",
    "hvp",
    "is_recording",
    "jacobian",
    "jvp",
    "linear_op",
    "linearize",
    "no_grad",
    "numerical_diff",
    "numerical_gradient",
    "op",
    "value_and_grad",
    "vhp",
    "vjp",
    "vmap",
]
__all__ += ops.__all__

_NUMERIC = (
    "gradcheck",
    "gradgradcheck",
    "gradient_descent",
    "numerical_diff",
    "numerical_gradient",
)


def __getattr__(name: str) -> Any:
    """Return a name of the numeric room, which is imported when first used."""
    if name not in _NUMERIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("tinygrad_edu.numeric"), name)


def __dir__() -> list[str]:
    """Return the names of the package, those of the numeric room among them."""
    return sorted({*globals(), *_NUMERIC})


__version__ = "0.1.0"
