"""Layers that normalise: over the batch, over a sample's features, over groups of channels.

Knows: the rows of ``ops/normalization.py``, their parameters, and running statistics. Does not
know: how derivatives are taken. Read next: ``regularization.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.init import as_dtype
from tinygrad_edu.nn.layers import positive
from tinygrad_edu.nn.module import Buffer, Module
from tinygrad_edu.ops.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "GroupNorm",
    "InstanceNorm2d",
    "LayerNorm",
    "RMSNorm",
]

Array = np.ndarray[Any, Any]


def _eps(layer: str, eps: float) -> float:
    if not eps > 0:
        raise LayerError(
            f"{layer}: found eps={eps!r}; expected a number above 0\n  fix: leave it at 1e-5"
        )
    return eps


def _refuse(layer: str, shape: tuple[int, ...], expected: str, fix: str) -> LayerError:
    return LayerError(
        f"{layer}: found an input of shape {shape}; expected {expected}\n  fix: {fix}"
    )


class _BatchNorm(Module):
    """What the normalisations over the batch share; channels are axis 1."""

    forms: ClassVar[dict[int, str]]
    """How an input of so many axes is called."""

    def __init__(
        self, features: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = None
    ) -> None:
        layer = type(self).__name__
        positive(layer, "features", features)
        if not 0 <= momentum <= 1:
            raise LayerError(
                f"{layer}: found momentum={momentum!r}; expected a fraction in [0, 1]\n"
                "  fix: leave it at 0.1; the book's momentum is 1 minus it"
            )
        dtype = as_dtype(dtype)
        self.features, self.momentum, self.eps = features, momentum, _eps(layer, eps)
        self.scale = Parameter(np.ones(features, dtype), name="scale")
        self.shift = Parameter(np.zeros(features, dtype), name="shift")
        self.running_mean = Buffer(np.zeros(features, dtype))
        self.running_var = Buffer(np.ones(features, dtype))

    def forward(self, x: Any) -> Any:
        """Return the normalised batch.

        Parameters
        ----------
        x : array_like, shape (batch, features, ...)
            The inputs.
        """
        x = x if isinstance(x, Tensor) else np.asarray(x)
        if x.ndim not in self.forms or x.shape[1] != self.features:
            forms = " or ".join(self.forms[n] for n in sorted(self.forms))
            raise _refuse(
                type(self).__name__,
                x.shape,
                forms.replace("features", str(self.features)),
                "the axis of the features, or channels, is axis 1",
            )
        count = x.size // self.features
        if not self.training:
            mean, var = self.running_mean.data, self.running_var.data
            return batch_norm(x, self.scale, self.shift, mean, var, eps=self.eps)
        if count < 2:
            raise _refuse(
                type(self).__name__,
                x.shape,
                "at least two numbers of each feature in training",
                "call eval() before single samples; a loader with last='drop' has none",
            )
        y = batch_norm(x, self.scale, self.shift, eps=self.eps)
        values = x.numpy() if isinstance(x, Tensor) else x
        rest = tuple(i for i in range(x.ndim) if i != 1)
        self._remember(self.running_mean.data, values.mean(axis=rest))
        self._remember(self.running_var.data, values.var(axis=rest) * (count / (count - 1)))
        return y

    def _remember(self, running: Array, new: Array) -> None:
        """Move a running value towards the batch's, in place: it is part of the state."""
        np.multiply(running, 1 - self.momentum, out=running)
        np.add(running, new * self.momentum, out=running, casting="same_kind")

    def describe(self) -> str:
        """Return the number of features."""
        return str(self.features)


class BatchNorm1d(_BatchNorm):
    r"""Each feature normalised over the batch, then scaled and shifted.

    .. math:: y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    In training, :math:`\mu` and :math:`\sigma^2` are the batch's (the variance divided by n), and
    the running ones move towards them (there divided by n - 1, as in PyTorch); in evaluation they
    are the running ones. Inputs are (batch, features), or (batch, features, length).

    Parameters
    ----------
    features : int
        Length of axis 1 of the input.
    momentum : float
        Share of the new value in the running ones, in [0, 1]. (The book's momentum is 1 minus it.)
    eps : float
        Added to the variance, above 0.
    dtype : dtype, optional
        Of parameters and buffers; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or a training batch has one number of each feature: then
        every output would be the shift, and every gradient 0.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015, algorithms 1 and 2.
    """

    forms: ClassVar = {2: "(batch, features)", 3: "(batch, features, length)"}


class BatchNorm2d(_BatchNorm):
    """Each channel of images normalised over the batch and all places; see `BatchNorm1d`.

    Inputs are (batch, channels, height, width). (The book normalises each place on its own.)

    Parameters
    ----------
    features : int
        Number of channels.
    momentum, eps, dtype : float, float, dtype
        As in `BatchNorm1d`.
    """

    forms: ClassVar = {4: "(batch, features, height, width)"}


class _Trailing(Module):
    """What the normalisations over the last axes of each sample share."""

    def __init__(self, shape: int | Sequence[int], eps: float) -> None:
        layer = type(self).__name__
        self.shape: tuple[int, ...] = (shape,) if isinstance(shape, int) else tuple(shape)
        if not self.shape:
            raise LayerError(f"{layer}: found no sizes\n  fix: pass the number of features")
        for size in self.shape:
            positive(layer, "shape", size)
        self.eps = _eps(layer, eps)

    def checked(self, x: Any) -> tuple[Any, tuple[int, ...]]:
        """Return the input, and the axes that are normalised."""
        x = x if isinstance(x, Tensor) else np.asarray(x)
        count = len(self.shape)
        if x.shape[-count:] != self.shape:
            sizes = ", ".join(map(str, self.shape))
            raise _refuse(
                type(self).__name__, x.shape, f"(..., {sizes})", "the last axes hold the features"
            )
        return x, tuple(range(-count, 0))

    def describe(self) -> str:
        """Return the sizes that are normalised together."""
        return str(self.shape[0] if len(self.shape) == 1 else self.shape)


class LayerNorm(_Trailing):
    """Each sample normalised over its own last axes, then scaled and shifted.

    Parameters
    ----------
    shape : int, or sequence of int
        Sizes of the last axes, over which is normalised.
    affine : bool
        Whether there are a scale, which begins at 1, and a shift, which begins at 0.
    eps : float
        Added to the variance, above 0.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016, eq. 3.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        affine: bool = True,
        eps: float = 1e-5,
        dtype: Any = None,
    ) -> None:
        super().__init__(shape, eps)
        dtype = as_dtype(dtype)
        self.scale = Parameter(np.ones(self.shape, dtype), name="scale") if affine else None
        self.shift = Parameter(np.zeros(self.shape, dtype), name="shift") if affine else None

    def forward(self, x: Any) -> Any:
        """Return `x` normalised over its last axes."""
        x, axes = self.checked(x)
        return layer_norm(x, self.scale, self.shift, axis=axes, eps=self.eps)


class RMSNorm(_Trailing):
    """Each sample divided by the root mean square of its last axes, then scaled.

    Parameters
    ----------
    shape, affine, eps, dtype : int or sequence of int, bool, float, dtype
        As in `LayerNorm`; there is no shift.

    References
    ----------
    B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, eq. 4.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        affine: bool = True,
        eps: float = 1e-5,
        dtype: Any = None,
    ) -> None:
        super().__init__(shape, eps)
        dtype = as_dtype(dtype)
        self.scale = Parameter(np.ones(self.shape, dtype), name="scale") if affine else None

    def forward(self, x: Any) -> Any:
        """Return `x` divided by the root mean square of its last axes."""
        x, axes = self.checked(x)
        return rms_norm(x, self.scale, axis=axes, eps=self.eps)


class _Channels(Module):
    """What the normalisations of each sample's channels share; channels are axis 1."""

    def __init__(self, features: int, affine: bool, eps: float, dtype: Any) -> None:
        layer = type(self).__name__
        positive(layer, "features", features)
        dtype = as_dtype(dtype)
        self.features, self.eps = features, _eps(layer, eps)
        self.scale = Parameter(np.ones(features, dtype), name="scale") if affine else None
        self.shift = Parameter(np.zeros(features, dtype), name="shift") if affine else None

    def checked(self, x: Any, least: int, form: str) -> Any:
        """Return the input, if it has the channels and at least so many axes."""
        x = x if isinstance(x, Tensor) else np.asarray(x)
        if x.ndim < least or x.shape[1] != self.features:
            expected = form.replace("channels", str(self.features))
            raise _refuse(type(self).__name__, x.shape, expected, "channels are axis 1")
        return x


class GroupNorm(_Channels):
    """Each sample normalised over groups of its channels; batches may be of one sample.

    Parameters
    ----------
    groups : int
        Number of groups, which divides the number of channels.
    features : int
        Number of channels.
    affine, eps, dtype : bool, float, dtype
        As in `LayerNorm`; scale and shift are one number per channel.

    References
    ----------
    Y. Wu, K. He, "Group normalization", ECCV 2018, eq. 7.
    """

    def __init__(
        self,
        groups: int,
        features: int,
        *,
        affine: bool = True,
        eps: float = 1e-5,
        dtype: Any = None,
    ) -> None:
        super().__init__(features, affine, eps, dtype)
        positive("GroupNorm", "groups", groups)
        if features % groups:
            raise LayerError(
                f"GroupNorm: found {features} channels and groups={groups}; expected groups of one "
                f"size\n  fix: use {math.gcd(features, groups)}, or another divisor of {features}"
            )
        self.groups = groups

    def forward(self, x: Any) -> Any:
        """Return the samples normalised group by group."""
        x = self.checked(x, 2, "(batch, channels, ...)")
        return group_norm(x, self.groups, self.scale, self.shift, eps=self.eps)

    def describe(self) -> str:
        """Return the numbers of groups and channels."""
        return f"{self.groups}, {self.features}"


class InstanceNorm2d(_Channels):
    """Each channel of each image normalised over its own places.

    Parameters
    ----------
    features : int
        Number of channels.
    affine, eps, dtype : bool, float, dtype
        As in `GroupNorm`, but without scale and shift by default.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast
    stylization", 2016, eq. 2.
    """

    def __init__(
        self, features: int, *, affine: bool = False, eps: float = 1e-5, dtype: Any = None
    ) -> None:
        super().__init__(features, affine, eps, dtype)

    def forward(self, x: Any) -> Any:
        """Return the images normalised channel by channel.

        Parameters
        ----------
        x : array_like, shape (batch, channels, height, width)
            The images.
        """
        x = self.checked(x, 4, "(batch, channels, height, width)")
        return instance_norm(x, self.scale, self.shift, eps=self.eps)

    def describe(self) -> str:
        """Return the number of channels."""
        return str(self.features)
