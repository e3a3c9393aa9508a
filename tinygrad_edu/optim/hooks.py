"""What may be done to gradients between ``backward()`` and ``step()``: clipping.

Knows: parameters that have gradients. Does not know: optimizers. Weight decay is an argument of
every optimizer instead, because it reads the parameter in the same pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.optimizer import Parameters, named

__all__ = ["clip_grad_norm", "clip_grad_value"]

Array = np.ndarray[Any, Any]


def clip_grad_norm(parameters: Parameters, max_norm: float) -> Any:
    r"""Return the norm of all gradients together, after scaling them down to `max_norm` if above.

    .. math:: g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert + 10^{-6}}\right)

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        Those without a gradient are passed over.
    max_norm : float
        The largest norm allowed, above 0.

    Returns
    -------
    float64
        The Euclidean norm before clipping.

    Raises
    ------
    OptimizerError
        `max_norm` is not above 0.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks",
    ICML 2013, algorithm 1.
    """
    limit = _positive("clip_grad_norm", "max_norm", max_norm)
    found = _gradients(parameters)
    # In float64: the squares of large float32 gradients would overflow just when clipping matters.
    squares = [np.sum(np.square(gradient, dtype=np.float64)) for gradient in found]
    norm = np.sqrt(sum(squares, start=np.float64(0)))
    scale = np.minimum(1.0, limit / (norm + 1e-6))
    for gradient in found:
        np.multiply(gradient, scale.astype(gradient.dtype), out=gradient)
    return norm


def clip_grad_value(parameters: Parameters, limit: float) -> None:
    """Clip every element of every gradient to the interval from -limit to limit, in place.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        Those without a gradient are passed over.
    limit : float
        The largest absolute value allowed, above 0.

    Raises
    ------
    OptimizerError
        `limit` is not above 0.
    """
    limit = _positive("clip_grad_value", "limit", limit)
    for gradient in _gradients(parameters):
        np.clip(gradient, -limit, limit, out=gradient)


def _positive(function: str, name: str, value: float) -> float:
    if not value > 0:
        raise OptimizerError(
            f"{function}: found {name}={value!r}; expected a number above 0\n"
            f"  fix: pass one, as in {function}(model, 1.0)"
        )
    return value


def _gradients(parameters: Parameters) -> list[Array]:
    return [p.grad for _, p in named(parameters) if p.grad is not None]
