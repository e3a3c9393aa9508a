"""Layers that act by chance in training and do nothing in evaluation.

Knows: its own generator, and the rows of ``ops/special.py``. Does not know: anything of other
layers' draws. Read next: ``recurrent.py``.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.op import Op
from tinygrad_edu.core.tensor import Tensor, constant
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.init import as_generator, default_generator
from tinygrad_edu.nn.module import Module, as_input
from tinygrad_edu.ops.special import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    gaussian_dropout,
    gaussian_noise,
)

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
]


def own_generator(rng: np.random.Generator | int | None) -> np.random.Generator:
    """Return a generator for one layer alone: the one given, or one spawned from the default."""
    return default_generator().spawn(1)[0] if rng is None else as_generator(rng)


class Dropout(Module):
    """In training, elements are zeroed at random and the others scaled up; else nothing.

    The form is the inverted one: the kept elements are divided by 1 - p in training, so that
    evaluation needs no factor. (The book multiplies by 1 - p in evaluation instead.)

    Parameters
    ----------
    p : float
        Probability of an element to be zeroed, fraction in [0, 1]; 1 leaves nothing but zeros.
    rng : Generator or int, optional
        The layer's own generator, or a seed for it; by default one spawned from that of
        `manual_seed`, so that the layer's draws do not disturb others.

    Raises
    ------
    LayerError
        `p` is not in [0, 1].

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15 (2014), section 10 names the inverted form.
    """

    op: ClassVar[Op] = dropout

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= p <= 1:
            raise LayerError(
                f"{type(self).__name__}: found p={p!r}; expected a fraction in [0, 1]\n"
                "  fix: p is the share that is dropped"
            )
        self.p = p
        self.rng = own_generator(rng)

    def forward(self, x: Any) -> Any:
        """Return `x` with elements dropped in training mode, `x` itself in evaluation mode."""
        x = as_input(self, x)
        if not self.training or self.p == 0:
            return x
        return self.dropped(x if isinstance(x, Tensor) else constant(x))

    def dropped(self, x: Any) -> Any:
        """Return `x` with elements dropped."""
        return self.op(x, self.p, rng=self.rng)

    def describe(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


class Dropout1d(Dropout):
    """In training, whole channels of (batch, channels, length) are zeroed; see `Dropout`."""

    op = dropout1d


class Dropout2d(Dropout):
    """In training, whole channels of (batch, channels, height, width) are zeroed; see `Dropout`.

    Neighbours in an image are alike, so that dropping single places takes little away.

    References
    ----------
    J. Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015,
    section 3.2.
    """

    op = dropout2d


class _Channelwise(Dropout):
    """Dropout of whole channels: all places of a channel share one draw."""

    axes: ClassVar[int]

    def dropped(self, x: Any) -> Any:
        """Return `x` with channels dropped."""
        if x.ndim != self.axes + 2:
            raise LayerError(
                f"{type(self).__name__}: found an input of shape {x.shape}; expected (batch, "
                f"channels) and {self.axes} axes of places\n  fix: give a batch, as in x[None]"
            )
        return self.op(x, self.p, rng=self.rng, shared=tuple(range(2, x.ndim)))


class Dropout3d(_Channelwise):
    """In training, whole channels of (batch, channels, depth, height, width) are zeroed."""

    axes = 3


class AlphaDropout(Dropout):
    """Dropout for nets of SELU: mean 0 and variance 1 are kept; see `Dropout`.

    References
    ----------
    G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks",
    NeurIPS 2017, section 3.
    """

    op = alpha_dropout


class FeatureAlphaDropout(_Channelwise):
    """`AlphaDropout` of whole channels of images (batch, channels, height, width)."""

    op = alpha_dropout
    axes = 2


class GaussianDropout(Dropout):
    """In training, elements are multiplied by normal noise of dropout's deviation.

    Parameters
    ----------
    p : float
        The rate of the dropout whose deviation the noise has, fraction in [0, 1).
    rng : Generator or int, optional
        As in `Dropout`.

    References
    ----------
    Srivastava et al. 2014, section 10 (see `Dropout`).
    """

    op = gaussian_dropout

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        if p == 1:
            raise LayerError(
                "GaussianDropout: found p=1; expected a fraction in [0, 1)\n"
                "  fix: choose less; the deviation of the noise is sqrt(p / (1 - p))"
            )
        super().__init__(p, rng=rng)


class GaussianNoise(Module):
    """In training, normal noise is added; else nothing.

    Parameters
    ----------
    std : float
        Standard deviation of the noise, at least 0.
    rng : Generator or int, optional
        As in `Dropout`.

    Raises
    ------
    LayerError
        `std` is negative or not finite.
    """

    def __init__(self, std: float = 0.1, *, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= std < math.inf:
            raise LayerError(
                f"GaussianNoise: found std={std!r}; expected a number of at least 0\n"
                "  fix: pass the standard deviation of the noise"
            )
        self.std = std
        self.rng = own_generator(rng)

    def forward(self, x: Any) -> Any:
        """Return `x` with noise in training mode, `x` itself in evaluation mode."""
        x = as_input(self, x)
        if not self.training or self.std == 0:
            return x
        x = x if isinstance(x, Tensor) else constant(x)
        return gaussian_noise(x, self.std, rng=self.rng)

    def describe(self) -> str:
        """Return the standard deviation."""
        return f"std={self.std}"
