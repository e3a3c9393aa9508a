"""Prepared: a net with the preprocessing of its inputs, so that one file holds both.

Knows: that each feature is shifted and scaled. Does not know: which net follows.
Read next: ``data/preprocess.py``, for preparing arrays instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import Buffer, Module

__all__ = ["Prepared"]

Array = np.ndarray[Any, Any]


class Prepared(Module):
    r"""A net that is given :math:`(x - \mu) / \sigma` of each feature.

    :math:`\mu` and :math:`\sigma` come from samples, once, and are buffers: they are saved with the
    weights and not trained. A feature that is alike in all samples is shifted, not scaled.

    Parameters
    ----------
    net : Module
        Given the prepared inputs.
    samples : ndarray, shape (n, ...)
        Those to be trained on; a test set must not take part.
    how : {"standardize", "normalize"}
        Mean 0 and standard deviation 1, or lowest 0 and highest 1.

    Raises
    ------
    LayerError
        An argument is not as described.

    Examples
    --------
    >>> from tinygrad_edu.nn import Identity
    >>> net = Prepared(Identity(), np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> net(np.array([[1.0, 5.0]])).tolist()
    [[-1.0, 0.0]]
    """

    def __init__(self, net: Module, samples: Array, how: str = "standardize") -> None:
        samples = np.asarray(samples)
        if samples.ndim < 2 or not len(samples) or samples.dtype.kind != "f":
            raise LayerError(
                f"Prepared: found samples of shape {samples.shape} and {samples.dtype}; expected "
                "at least one, in rows, of real numbers\n  fix: pass the training inputs"
            )
        if how not in ("standardize", "normalize"):
            raise LayerError(
                f"Prepared: found how={how!r}; expected 'standardize' or 'normalize'\n"
                "  fix: leave it out for mean 0 and standard deviation 1"
            )
        # In float64: the mean of 60,000 float32 numbers would lose digits.
        if how == "standardize":
            shift = samples.mean(axis=0, dtype=np.float64)
            spread = samples.std(axis=0, dtype=np.float64)
        else:
            shift = samples.min(axis=0).astype(np.float64)
            spread = samples.max(axis=0) - shift
        alike = spread <= 1e-12 * np.maximum(np.abs(shift), 1)
        self.how = how
        self.shift = Buffer(shift.astype(samples.dtype))
        self.factor = Buffer((1 / np.where(alike, 1, spread)).astype(samples.dtype))
        self.net = net

    def forward(self, x: Any) -> Tensor:
        """Return the net's outputs for the prepared inputs.

        Parameters
        ----------
        x : array_like, shape (batch, ...)
            Inputs as they are.
        """
        result: Tensor = self.net((x - self.shift.data) * self.factor.data)
        return result

    def describe(self) -> str:
        """Return how the inputs are prepared."""
        return f"how={self.how!r}"
