r"""What may be done to gradients between ``backward()`` and the update: functions, and hooks.

Knows: gradients as arrays, and the values that they belong to. Does not know: which rule follows.
A function is called by the user and acts once; a hook is given to an optimizer and acts at the
start of each of its steps. Both change the gradients in place, so ``p.grad`` shows what was used.

Weight decay is an argument of every optimizer as well, where it costs no pass of its own and leaves
``p.grad`` as it is. As a hook it takes part in the order: clipped before or after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.optimizer import Parameters, named

__all__ = [
    "L1",
    "ClipGradNorm",
    "ClipGradValue",
    "GradientNoise",
    "Hook",
    "WeightDecay",
    "clip_grad_norm",
    "clip_grad_value",
]

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
    return _clip_norm(_gradients(parameters), limit)


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


class Hook:
    """Base of the hooks: something that is called with the gradients at the start of a step."""

    def __call__(self, values: Sequence[Array], gradients: Sequence[Array]) -> None:
        """Change the gradients in place.

        Parameters
        ----------
        values, gradients : sequence of ndarray, shape (n,)
            The parameters that have gradients, as flat arrays, which may hold several parameters
            each. The values are read only.
        """
        raise NotImplementedError

    def state(self) -> dict[str, Array]:
        """Return the live arrays that the next call depends on; the optimizer saves them."""
        return {}


class ClipGradNorm(Hook):
    """Scale all gradients down together if their norm is above a limit; see `clip_grad_norm`.

    Parameters
    ----------
    max_norm : float
        The largest norm allowed, above 0.

    Attributes
    ----------
    norm : float
        The norm before clipping, of the last step.

    Raises
    ------
    OptimizerError
        `max_norm` is not above 0.
    """

    def __init__(self, max_norm: float) -> None:
        self.max_norm = _positive("ClipGradNorm", "max_norm", max_norm)
        self.norm = 0.0

    def __call__(self, values: Sequence[Array], gradients: Sequence[Array]) -> None:  # noqa: ARG002
        """Scale the gradients."""
        self.norm = float(_clip_norm(gradients, self.max_norm))


class ClipGradValue(Hook):
    """Clip every element of the gradients to the interval from -limit to limit.

    Parameters
    ----------
    limit : float
        The largest absolute value allowed, above 0.

    Raises
    ------
    OptimizerError
        `limit` is not above 0.
    """

    def __init__(self, limit: float) -> None:
        self.limit = _positive("ClipGradValue", "limit", limit)

    def __call__(self, values: Sequence[Array], gradients: Sequence[Array]) -> None:  # noqa: ARG002
        """Clip the gradients."""
        for gradient in gradients:
            np.clip(gradient, -self.limit, self.limit, out=gradient)


class WeightDecay(Hook):
    r"""Add the slope of :math:`\frac\lambda2 \lVert\theta\rVert^2`: :math:`g + \lambda\theta`.

    Parameters
    ----------
    factor : float
        :math:`\lambda`, above 0.

    Raises
    ------
    OptimizerError
        `factor` is not above 0.
    """

    def __init__(self, factor: float) -> None:
        self.factor = _positive("WeightDecay", "factor", factor)

    def __call__(self, values: Sequence[Array], gradients: Sequence[Array]) -> None:
        """Add to the gradients."""
        for value, gradient in zip(values, gradients, strict=True):
            np.add(gradient, value * value.dtype.type(self.factor), out=gradient)


class L1(Hook):
    r"""Add the slope of :math:`\lambda\lVert\theta\rVert_1`: :math:`\lambda` times the sign.

    At 0 nothing is added. A step overshoots 0 by up to :math:`\eta\lambda`, so elements come near
    0 and seldom stay there.

    Parameters
    ----------
    factor : float
        :math:`\lambda`, above 0.

    Raises
    ------
    OptimizerError
        `factor` is not above 0.
    """

    def __init__(self, factor: float) -> None:
        self.factor = _positive("L1", "factor", factor)

    def __call__(self, values: Sequence[Array], gradients: Sequence[Array]) -> None:
        """Add to the gradients."""
        for value, gradient in zip(values, gradients, strict=True):
            np.add(gradient, np.sign(value) * value.dtype.type(self.factor), out=gradient)


class GradientNoise(Hook):
    r"""Add normal noise that fades: its variance in step :math:`t` is :math:`\eta/(1+t)^\gamma`.

    The noise of a step depends on a key and on the number of the step, and on nothing else; both
    are saved, so a resumed run draws what the unbroken one draws.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the key, once.
    eta : float
        Variance in the first step, above 0; the paper tries 0.01, 0.3 and 1.
    gamma : float
        How fast it fades, above 0.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    A. Neelakantan et al., "Adding gradient noise improves learning for very deep networks", 2015,
    section 3.
    """

    def __init__(self, rng: np.random.Generator, eta: float = 0.01, gamma: float = 0.55) -> None:
        if not isinstance(rng, np.random.Generator):
            raise OptimizerError(
                f"GradientNoise: found rng={rng!r:.40}; expected a generator\n"
                "  fix: GradientNoise(np.random.default_rng(0))"
            )
        self.eta = _positive("GradientNoise", "eta", eta)
        self.gamma = _positive("GradientNoise", "gamma", gamma)
        self.key = np.array(rng.integers(2**62))
        self.count = np.array(0, np.int64)

    def __call__(self, values: Sequence[Array], gradients: Sequence[Array]) -> None:  # noqa: ARG002
        """Add to the gradients."""
        rng = np.random.default_rng([int(self.key), int(self.count)])
        deviation = np.sqrt(self.eta / (1 + int(self.count)) ** self.gamma)
        for gradient in gradients:
            noise = deviation * rng.standard_normal(gradient.shape)
            np.add(gradient, noise, out=gradient, casting="same_kind")
        self.count += 1

    def state(self) -> dict[str, Array]:
        """Return the key and the number of steps."""
        return {"key": self.key, "count": self.count}


def _positive(function: str, name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not value > 0:
        example = "(model, 1.0)" if function.startswith("clip_") else "(1.0)"
        raise OptimizerError(
            f"{function}: found {name}={value!r}; expected a number above 0\n"
            f"  fix: pass one, as in {function}{example}"
        )
    return float(value)


def _clip_norm(gradients: Sequence[Array], limit: float) -> Any:
    # In float64: the squares of large float32 gradients would overflow just when clipping matters.
    squares = [np.sum(np.square(gradient, dtype=np.float64)) for gradient in gradients]
    norm = np.sqrt(sum(squares, start=np.float64(0)))
    scale = np.minimum(1.0, limit / (norm + 1e-6))
    for gradient in gradients:
        np.multiply(gradient, scale.astype(gradient.dtype), out=gradient)
    return norm


def _gradients(parameters: Parameters) -> list[Array]:
    return [p.grad for _, p in named(parameters) if p.grad is not None]
