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
from tinygrad_edu.nn.module import Buffer, Module, as_input
from tinygrad_edu.ops.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
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
        self,
        features: int,
        *,
        momentum: float | None = 0.1,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
    ) -> None:
        layer = type(self).__name__
        positive(layer, "features", features)
        if momentum is not None and not 0 <= momentum <= 1:
            raise LayerError(
                f"{layer}: found momentum={momentum!r}; expected a fraction in [0, 1], or None\n"
                "  fix: leave it at 0.1; the book's momentum is 1 minus it"
            )
        dtype = as_dtype(dtype)
        self.features, self.momentum, self.eps = features, momentum, _eps(layer, eps)
        self.scale, self.shift = _affine((features,), affine, bias, dtype)
        self.running_mean = Buffer(np.zeros(features, dtype)) if track_running_stats else None
        self.running_var = Buffer(np.ones(features, dtype)) if track_running_stats else None
        counts = track_running_stats and momentum is None
        self.batches = Buffer(np.zeros((), np.int64)) if counts else None

    def forward(self, x: Any) -> Any:
        """Return the normalised batch.

        Parameters
        ----------
        x : array_like, shape (batch, features, ...)
            The inputs.
        """
        x = as_input(self, x)
        if x.ndim not in self.forms or x.shape[1] != self.features:
            forms = " or ".join(self.forms[n] for n in sorted(self.forms))
            raise _refuse(
                type(self).__name__,
                x.shape,
                forms.replace("features", str(self.features)),
                "the axis of the features, or channels, is axis 1",
            )
        count = x.size // self.features
        mean, var = self.running_mean, self.running_var
        if not self.training and mean is not None and var is not None:
            return batch_norm(x, self.scale, self.shift, mean.data, var.data, eps=self.eps)
        if count < 2:
            raise _refuse(
                type(self).__name__,
                x.shape,
                "at least two numbers of each feature, where the batch's mean is taken",
                "call eval() before single samples; a loader with last='drop' has none",
            )
        y = batch_norm(x, self.scale, self.shift, eps=self.eps)
        if self.training and mean is not None and var is not None:
            values = x.numpy() if isinstance(x, Tensor) else x
            rest = tuple(i for i in range(x.ndim) if i != 1)
            share = self._share()
            _remember(mean.data, values.mean(axis=rest), share)
            _remember(var.data, values.var(axis=rest) * (count / (count - 1)), share)
        return y

    def _share(self) -> float:
        """Return the share of this batch in the running values, counted if there is no momentum."""
        if self.momentum is not None:
            return self.momentum
        if self.batches is None:
            return 1.0
        self.batches.data += 1
        return 1.0 / float(self.batches.data)

    def describe(self) -> str:
        """Return the number of features and what is not the default."""
        text = str(self.features)
        text += "" if self.momentum == 0.1 else f", momentum={self.momentum}"
        text += "" if self.eps == 1e-5 else f", eps={self.eps}"
        text += _affine_text(self)
        return text + ("" if self.running_mean is not None else ", track_running_stats=False")


def _remember(running: Array, new: Array, share: float) -> None:
    """Move a running value towards the batch's, in place: it is part of the state."""
    np.multiply(running, 1 - share, out=running)
    np.add(running, new * share, out=running, casting="same_kind")


def _affine(
    shape: tuple[int, ...], affine: bool, bias: bool, dtype: Any
) -> tuple[Parameter | None, Parameter | None]:
    """Return scale and shift, each ``None`` where it is not wanted."""
    scale = Parameter(np.ones(shape, dtype), name="scale") if affine else None
    return scale, Parameter(np.zeros(shape, dtype), name="shift") if affine and bias else None


def _affine_text(layer: Any) -> str:
    if layer.scale is None:
        return ", affine=False"
    return "" if layer.shift is not None else ", bias=False"


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
    momentum : float or None
        Share of the new value in the running ones, in [0, 1]. (The book's momentum is 1 minus it.)
        ``None`` makes them plain means over all batches so far, which a buffer counts.
    eps : float
        Added to the variance, above 0.
    affine : bool
        Whether there are a scale, which begins at 1, and a shift, which begins at 0.
    bias : bool
        Whether there is a shift beside the scale.
    track_running_stats : bool
        Whether there are running values; without them evaluation takes the batch's as well.
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
    **options
        As in `BatchNorm1d`.
    """

    forms: ClassVar = {4: "(batch, features, height, width)"}


class BatchNorm3d(_BatchNorm):
    """Each channel of volumes (batch, channels, depth, height, width); see `BatchNorm1d`.

    Parameters
    ----------
    features : int
        Number of channels.
    **options
        As in `BatchNorm1d`.
    """

    forms: ClassVar = {5: "(batch, features, depth, height, width)"}


class _Trailing(Module):
    """What the normalisations over the last axes of each sample share."""

    def __init__(self, shape: int | Sequence[int], eps: float | None) -> None:
        layer = type(self).__name__
        self.shape: tuple[int, ...] = (shape,) if isinstance(shape, int) else tuple(shape)
        if not self.shape:
            raise LayerError(f"{layer}: found no sizes\n  fix: pass the number of features")
        for size in self.shape:
            positive(layer, "shape", size)
        self.eps = None if eps is None else _eps(layer, eps)

    def checked(self, x: Any) -> tuple[Any, tuple[int, ...]]:
        """Return the input, and the axes that are normalised."""
        x = as_input(self, x)
        count = len(self.shape)
        if x.shape[-count:] != self.shape:
            sizes = ", ".join(map(str, self.shape))
            raise _refuse(
                type(self).__name__, x.shape, f"(..., {sizes})", "the last axes hold the features"
            )
        return x, tuple(range(-count, 0))

    def describe(self) -> str:
        """Return the sizes that are normalised together, and what is not the default."""
        text = str(self.shape[0] if len(self.shape) == 1 else self.shape)
        text += "" if self.eps == 1e-5 else f", eps={self.eps}"
        return text + _affine_text(self)


class LayerNorm(_Trailing):
    """Each sample normalised over its own last axes, then scaled and shifted.

    Parameters
    ----------
    shape : int, or sequence of int
        Sizes of the last axes, over which is normalised.
    affine : bool
        Whether there are a scale, which begins at 1, and a shift, which begins at 0 (PyTorch's
        ``elementwise_affine``).
    bias : bool
        Whether there is a shift beside the scale.
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
        bias: bool = True,
        eps: float = 1e-5,
        dtype: Any = None,
    ) -> None:
        super().__init__(shape, _eps(type(self).__name__, eps))
        self.scale, self.shift = _affine(self.shape, affine, bias, as_dtype(dtype))

    def forward(self, x: Any) -> Any:
        """Return `x` normalised over its last axes."""
        x, axes = self.checked(x)
        return layer_norm(x, self.scale, self.shift, axis=axes, eps=self.eps)


class RMSNorm(_Trailing):
    """Each sample divided by the root mean square of its last axes, then scaled.

    Parameters
    ----------
    shape, affine, dtype : int or sequence of int, bool, dtype
        As in `LayerNorm`; there is no shift.
    eps : float or None
        Added to the mean square, above 0; ``None`` is the dtype's rounding error, as it is in
        PyTorch by default.

    References
    ----------
    B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, eq. 4.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        affine: bool = True,
        eps: float | None = 1e-5,
        dtype: Any = None,
    ) -> None:
        super().__init__(shape, eps)
        self.scale, self.shift = _affine(self.shape, affine, False, as_dtype(dtype))

    def forward(self, x: Any) -> Any:
        """Return `x` divided by the root mean square of its last axes."""
        x, axes = self.checked(x)
        eps = self.eps
        if eps is None:
            eps = float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps)
        return rms_norm(x, self.scale, axis=axes, eps=eps)

    def describe(self) -> str:
        """Return the sizes that are normalised together, and what is not the default."""
        return super().describe().removesuffix(", bias=False")


class _Channels(Module):
    """What the normalisations of each sample's channels share; channels are axis 1."""

    def __init__(self, features: int, affine: bool, bias: bool, eps: float, dtype: Any) -> None:
        layer = type(self).__name__
        positive(layer, "features", features)
        self.features, self.eps = features, _eps(layer, eps)
        self.scale, self.shift = _affine((features,), affine, bias, as_dtype(dtype))

    def checked(self, x: Any, least: int, form: str) -> Any:
        """Return the input, if it has the channels and at least so many axes."""
        x = as_input(self, x)
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
    affine, bias, eps, dtype : bool, bool, float, dtype
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
        bias: bool = True,
        eps: float = 1e-5,
        dtype: Any = None,
    ) -> None:
        super().__init__(features, affine, bias, eps, dtype)
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
        """Return the numbers of groups and channels, and what is not the default."""
        text = f"{self.groups}, {self.features}"
        text += "" if self.eps == 1e-5 else f", eps={self.eps}"
        return text + _affine_text(self)


class InstanceNorm2d(_Channels):
    """Each channel of each image normalised over its own places.

    PyTorch can keep running statistics here as well; this layer does not, since an image is
    normalised by itself in training and in evaluation.

    Parameters
    ----------
    features : int
        Number of channels.
    affine, bias, eps, dtype : bool, bool, float, dtype
        As in `GroupNorm`, but without scale and shift by default.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast
    stylization", 2016, eq. 2.
    """

    axes: ClassVar[int] = 2

    def __init__(
        self,
        features: int,
        *,
        affine: bool = False,
        bias: bool = True,
        eps: float = 1e-5,
        dtype: Any = None,
    ) -> None:
        super().__init__(features, affine, bias, eps, dtype)

    def forward(self, x: Any) -> Any:
        """Return the images normalised channel by channel.

        Parameters
        ----------
        x : array_like, shape ``(batch, channels, *spatial)``
            The images.
        """
        x = as_input(self, x)
        names = ("length",) if self.axes == 1 else ("depth", "height", "width")[-self.axes :]
        form = f"(batch, channels, {', '.join(names)})"
        if x.ndim != self.axes + 2 or math.prod(x.shape[2:]) == 1:
            raise _refuse(
                type(self).__name__,
                x.shape,
                form.replace("channels", str(self.features)) + " of more than one place",
                "give a batch, as in x[None]; of one place the result would be 0",
            )
        return instance_norm(self.checked(x, 3, form), self.scale, self.shift, eps=self.eps)

    def describe(self) -> str:
        """Return the number of channels and what is not the default."""
        text = str(self.features) + ("" if self.eps == 1e-5 else f", eps={self.eps}")
        return text if self.scale is None else text + ", affine=True" + _affine_text(self)


class InstanceNorm1d(InstanceNorm2d):
    """Each channel of each signal (batch, channels, length); see `InstanceNorm2d`."""

    axes = 1


class InstanceNorm3d(InstanceNorm2d):
    """Each channel of each volume (batch, channels, depth, height, width); see `InstanceNorm2d`."""

    axes = 3


class LocalResponseNorm(Module):
    r"""Each number divided by a power of the mean square of its neighbours in other channels.

    .. math:: y_c = x_c\,\left(k + \frac{\alpha}{n} \sum_{c'} x_{c'}^2\right)^{-\beta}

    Parameters
    ----------
    size : int
        Number of neighbouring channels, n.
    alpha, beta, k : float
        As in the formula.

    Raises
    ------
    LayerError
        The size is not at least 1, or an input has no axis of channels.

    References
    ----------
    A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep convolutional
    neural networks", NeurIPS 2012, section 3.3 (there without the division by n).
    """

    def __init__(
        self, size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> None:
        positive("LocalResponseNorm", "size", size)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Any:
        """Return `x`, shape ``(batch, channels, *spatial)``, divided."""
        x = as_input(self, x)
        if x.ndim < 3:
            raise _refuse(
                "LocalResponseNorm", x.shape, "(batch, channels, ...)", "channels are axis 1"
            )
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def describe(self) -> str:
        """Return the numbers."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
