"""Layers on images: convolution and its transpose, pooling, upsampling, padding.

Knows: parameters, and the rows of ``ops/conv.py`` and ``ops/pool.py``. Does not know: how
derivatives are taken. Images are (batch, channels, *spatial) everywhere. Read next: ``losses.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.op import get_op
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import LayerError, OpError, explain
from tinygrad_edu.nn.init import as_dtype, as_generator, as_initializer
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.arrange import pad
from tinygrad_edu.ops.conv import (
    INCREASING,
    Padding,
    PerAxis,
    conv_transpose,
    convolution,
    per_axis,
)
from tinygrad_edu.ops.pool import (
    adaptive_avg_pool,
    avg_pool,
    global_avg_pool,
    max_pool,
    pixel_shuffle,
    upsample,
)

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "DepthwiseConv2d",
    "GlobalAvgPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "PixelShuffle",
    "Upsample",
    "ZeroPad2d",
]

AXES = ("depth", "height", "width")


def _images(layer: Module, x: Any, count: int, channels: int | None = None) -> Any:
    """Return the input as a Tensor or array; refuse one that is no batch of such images."""
    x = x if isinstance(x, Tensor) else np.asarray(x)
    if x.ndim != count + 2 or (channels is not None and x.shape[1] != channels):
        axes = ", ".join(("length",) if count == 1 else AXES[-count:])
        name = type(layer).__name__
        wanted = "channels" if channels is None else f"{channels} channels"
        raise LayerError(
            explain(
                name,
                f"an input of shape {x.shape} is no batch of images (batch, {wanted}, {axes})",
                arguments=(("x", x),),
                fix="give grey images an axis of channels, as in x[:, None], and one image alone "
                "a batch axis, as in x[None]; flat rows are x.reshape(len(x), channels, ...)",
            )
        )
    return x


def _checked(layer: Module, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """Return one integer per axis; refuse what is none."""
    try:
        return per_axis(type(layer).__name__, name, value, count, least)
    except OpError as error:
        raise LayerError(str(error)) from None


def _short(numbers: Sequence[Any]) -> Any:
    """Return one number for several that are the same."""
    return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)


# ------------------------------------------------------------------------------ convolution


class _Convolution(Module):
    """What convolutions, and their transposes, of all dimensions share."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False
    absorbs: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        channels: int,
        maps: int,
        size: PerAxis,
        *,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        weight: Any = None,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        (self.channels,) = _checked(self, "channels", channels, 1)
        (self.maps,) = _checked(self, "maps", maps, 1)
        (self.groups,) = _checked(self, "groups", groups, 1)
        self.size = _checked(self, "size", size, self.axes)
        self.stride = _checked(self, "stride", stride, self.axes)
        self.dilation = _checked(self, "dilation", dilation, self.axes)
        self.padding = padding
        if self.channels % self.groups or self.maps % self.groups:
            raise LayerError(
                f"{name}: found groups={groups} for {channels} channels and {maps} maps; expected "
                "a divisor of both\n  fix: leave it at 1, or use as many groups as channels and a "
                "multiple of them as maps"
            )
        if activation is not None and activation not in INCREASING:
            raise LayerError(
                f"{name}: found activation={activation!r}; expected one of {', '.join(INCREASING)}"
                f"\n  fix: put another activation behind the layer: Sequential({name}(...), GELU())"
            )
        dtype = as_dtype(dtype)
        if weight is None:
            weight = "he" if activation == "relu" else "xavier"
        # A transposed one keeps (channels, maps, ...), but is drawn as (maps, channels, ...), where
        # initialisers find fan_in.
        inner = self.channels if self.transposed else self.channels // self.groups
        outer = self.maps // self.groups if self.transposed else self.maps
        filled = as_initializer(weight)((outer, inner, *self.size), as_generator(rng), dtype)
        if self.transposed:
            filled = np.swapaxes(filled, 0, 1).copy()
        self.activation = activation or "identity"
        self.weight = Parameter(filled, name="weight")
        self.bias = Parameter(np.zeros(self.maps, dtype), name="bias") if bias else None

    def forward(self, x: Any, activation: str | None = None, pool: PerAxis = 1) -> Any:
        """Return the maps, shape ``(batch, maps, *spatial)``.

        Parameters
        ----------
        x : array_like, shape ``(batch, channels, *spatial)``
            The images.
        activation : {"identity", "sigmoid", "relu", "tanh"}, optional
            One to apply instead of the layer's own.
        pool : int or tuple of int
            Size of a max pooling behind the activation, windows side by side.
        """
        return convolution(
            _images(self, x, self.axes, self.channels),
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            activation=activation or self.activation,
            pool=pool,
        )

    def describe(self) -> str:
        """Return the sizes and what is not the default."""
        text = f"{self.channels}, {self.maps}, {_short(self.size)}"
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)):
            value = getattr(self, name)
            value = _short(value) if isinstance(value, tuple) else value
            text += "" if value == default else f", {name}={value!r}"
        text += "" if self.bias is not None else ", bias=False"
        return text + (f", activation={self.activation!r}" if self.activation != "identity" else "")


class Conv2d(_Convolution):
    r"""Convolution of images, :math:`y_{m,i} = \phi(b_m + \sum w_{m,c,k} x_{c,\,s i + d k - p})`.

    Parameters
    ----------
    channels, maps : int
        Numbers of channels of the images and of the result.
    size : int or tuple of int
        Of the window, in elements along each axis.
    stride : int or tuple of int
        From one window to the next.
    padding : int, tuple, or {"same", "valid"}
        Zeros around the images: a number, one per axis, or pairs (before, after); "same" keeps the
        lengths, divided by the stride.
    dilation : int or tuple of int
        From one element of a window to the next.
    groups : int
        Groups of channels that are convolved apart; a divisor of `channels` and `maps`.
    bias : bool
        Whether there is a bias per map; it begins at 0.
    activation : {"identity", "sigmoid", "relu", "tanh"}, optional
        What is applied to the result, in the same pass; nothing by default.
    weight : str, initialiser, or array_like, optional
        Initial weights, shape ``(maps, channels / groups, *size)``; "he" with ReLU and "xavier"
        otherwise (see ``nn/init.py``).
    rng : Generator or int, optional
        Where the weights are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or an input has another number of axes or channels.
    OpError
        The window does not fit into an input.

    Examples
    --------
    >>> layer = Conv2d(1, 30, 5, activation="relu", rng=0)
    >>> layer(np.ones((2, 1, 28, 28), np.float32)).shape
    (2, 30, 24, 24)
    """

    axes = 2
    absorbs = ("activation", "pool")


class Conv1d(_Convolution):
    """Convolution of signals (batch, channels, length); the parameters are those of `Conv2d`."""

    axes = 1
    absorbs = ("activation", "pool")


class Conv3d(_Convolution):
    """Convolution of volumes (batch, channels, depth, height, width); see `Conv2d`."""

    axes = 3
    absorbs = ("activation", "pool")


class DepthwiseConv2d(_Convolution):
    """Convolution of each channel with filters of its own.

    Parameters
    ----------
    channels : int
        Number of channels.
    size : int or tuple of int
        Of the window.
    multiplier : int
        Filters per channel.
    **options
        Those of `Conv2d`, without ``groups``.

    Raises
    ------
    LayerError
        As `Conv2d` does.
    """

    axes = 2
    absorbs = ("activation", "pool")

    def __init__(
        self, channels: int, size: PerAxis, *, multiplier: int = 1, **options: Any
    ) -> None:
        (multiplier,) = _checked(self, "multiplier", multiplier, 1)
        (channels,) = _checked(self, "channels", channels, 1)
        super().__init__(channels, channels * multiplier, size, groups=channels, **options)


class ConvTranspose2d(_Convolution):
    """Transpose of a convolution from `maps` to `channels`: each input element adds a window.

    Parameters
    ----------
    channels, maps, size
        As of `Conv2d`; the weight is ``(channels, maps / groups, *size)``, as of the convolution
        that is transposed.
    output_padding : int or tuple of int
        Elements by which the result is longer; less than the stride. Several lengths are shortened
        to one by a convolution with a stride, and this says which of them is meant.
    **options
        Those of `Conv2d`; `padding` is that of the convolution that is transposed, in numbers.

    Raises
    ------
    LayerError, OpError
        As `Conv2d` does.

    Examples
    --------
    >>> layer = ConvTranspose2d(3, 2, 4, stride=2, padding=1, rng=0)
    >>> layer(np.ones((5, 3, 7, 7), np.float32)).shape
    (5, 2, 14, 14)
    """

    axes = 2
    transposed = True

    def __init__(
        self,
        channels: int,
        maps: int,
        size: PerAxis,
        *,
        output_padding: PerAxis = 0,
        **options: Any,
    ) -> None:
        super().__init__(channels, maps, size, **options)
        self.output_padding = _checked(self, "output_padding", output_padding, self.axes, 0)

    def forward(self, x: Any, activation: str | None = None, pool: PerAxis = 1) -> Any:
        """Return the result, shape ``(batch, maps, *spatial)``; see `Conv2d`."""
        y = conv_transpose(
            _images(self, x, self.axes, self.channels),
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        y = get_op(activation or self.activation)(y)
        return y if pool == 1 else max_pool(y, size=pool)


class ConvTranspose1d(ConvTranspose2d):
    """Transpose of a convolution of signals; see `ConvTranspose2d`."""

    axes = 1


# ------------------------------------------------------------------------------ pooling


class MaxPool2d(Module):
    """The largest element of each window.

    Parameters
    ----------
    size : int or tuple of int
        Of the window.
    stride : int or tuple of int, optional
        From one window to the next; `size` by default, so that windows lie side by side.
    padding : int, tuple, or {"same", "valid"}
        Around the images, never the largest; less than the window.
    dilation : int or tuple of int
        From one element of a window to the next.
    ceil_mode : bool
        Whether a last window may reach beyond the image.

    Raises
    ------
    LayerError
        An argument is not as described, or an input is no batch of images.
    """

    axes: ClassVar[int] = 2

    def __init__(
        self,
        size: PerAxis,
        stride: PerAxis | None = None,
        *,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.size = _checked(self, "size", size, self.axes)
        self.stride = _checked(self, "stride", size if stride is None else stride, self.axes)
        self.dilation = _checked(self, "dilation", dilation, self.axes)
        self.padding, self.ceil_mode = padding, ceil_mode

    def forward(self, x: Any) -> Any:
        """Return the largest elements."""
        return max_pool(
            _images(self, x, self.axes),
            size=self.size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
        )

    def as_keyword(self) -> tuple[str, Any] | None:
        """Return what a convolution before it takes to compute it as well, if it can."""
        plain = self.stride == self.size and not self.ceil_mode and set(self.dilation) == {1}
        return ("pool", self.size) if plain and self.padding in (0, "valid") else None

    def describe(self) -> str:
        """Return the size and what is not the default."""
        return _pool_text(self, "dilation")


class MaxPool1d(MaxPool2d):
    """The largest element of each window of signals; see `MaxPool2d`."""

    axes = 1

    def as_keyword(self) -> tuple[str, Any] | None:
        """Return what a convolution before it takes to compute it as well, if it can."""
        return super().as_keyword()


class AvgPool2d(Module):
    """The mean of each window.

    Parameters
    ----------
    size, stride, padding, ceil_mode
        As of `MaxPool2d`; padding is 0.
    count_include_pad : bool
        Whether zeros of the padding count as elements of a mean.

    Raises
    ------
    LayerError
        An argument is not as described, or an input is no batch of images.
    """

    axes: ClassVar[int] = 2

    def __init__(
        self,
        size: PerAxis,
        stride: PerAxis | None = None,
        *,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.size = _checked(self, "size", size, self.axes)
        self.stride = _checked(self, "stride", size if stride is None else stride, self.axes)
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Any) -> Any:
        """Return the means."""
        return avg_pool(
            _images(self, x, self.axes),
            size=self.size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
        )

    def describe(self) -> str:
        """Return the size and what is not the default."""
        return _pool_text(self) + ("" if self.count_include_pad else ", count_include_pad=False")


class AvgPool1d(AvgPool2d):
    """The mean of each window of signals; see `AvgPool2d`."""

    axes = 1


def _pool_text(layer: Any, *more: str) -> str:
    text = str(_short(layer.size))
    text += "" if layer.stride == layer.size else f", stride={_short(layer.stride)}"
    text += "" if layer.padding == 0 else f", padding={layer.padding!r}"
    for name in more:
        value = _short(getattr(layer, name))
        text += "" if value == 1 else f", {name}={value}"
    return text + (", ceil_mode=True" if layer.ceil_mode else "")


class AdaptiveAvgPool2d(Module):
    """The means of as many cells as wanted, whatever the size of the images.

    Parameters
    ----------
    output_size : int or tuple of (int or None)
        Number of cells along each axis; ``None`` keeps the image's length.

    Raises
    ------
    LayerError
        An input is no batch of images.
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """Return the means."""
        return adaptive_avg_pool(_images(self, x, 2), output_size=self.output_size)

    def describe(self) -> str:
        """Return the size of the result."""
        return str(self.output_size)


class GlobalAvgPool2d(Module):
    """The mean of each channel: images (batch, channels, height, width) to (batch, channels)."""

    def forward(self, x: Any) -> Any:
        """Return the means."""
        return global_avg_pool(_images(self, x, 2))


# ------------------------------------------------------------------------------ larger images


class Upsample(Module):
    """Images resized by the nearest element, or linearly between neighbours.

    Parameters
    ----------
    scale_factor : float or tuple of float, optional
        How often the result is as long, along each axis.
    size : int or tuple of int, optional
        Instead of a factor the lengths of the result.
    mode : {"nearest", "linear", "bilinear", "trilinear"}
        The last three are one: linear along each axis that there is.
    align_corners : bool
        Whether the first and last elements of image and result lie on each other, else their
        borders do; only for linear.

    Raises
    ------
    OpError
        Called with images to which the arguments do not fit.
    """

    def __init__(
        self,
        scale_factor: float | Sequence[float] | None = None,
        *,
        size: PerAxis | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ) -> None:
        if (scale_factor is None) == (size is None):
            raise LayerError(
                f"Upsample: found scale_factor={scale_factor!r}, size={size!r}; expected one of "
                "them\n  fix: Upsample(2) doubles the lengths"
            )
        self.scale_factor, self.size = scale_factor, size
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Any) -> Any:
        """Return the resized images."""
        return upsample(
            x if isinstance(x, Tensor) else np.asarray(x),
            size=self.size,
            scale_factor=self.scale_factor,
            mode=self.mode,
            align_corners=self.align_corners,
        )

    def describe(self) -> str:
        """Return the factor or size, and the mode."""
        text = str(self.scale_factor) if self.size is None else f"size={self.size}"
        text += "" if self.mode == "nearest" else f", mode={self.mode!r}"
        return text + (", align_corners=True" if self.align_corners else "")


class ZeroPad2d(Module):
    """Zeros around images.

    Parameters
    ----------
    padding : int or tuple
        A number for all sides, (height, width), or pairs (before, after) for each.

    Raises
    ------
    LayerError
        The padding is not as described, or an input is no batch of images.
    """

    def __init__(self, padding: Any) -> None:
        if isinstance(padding, tuple) and any(isinstance(p, (tuple, list)) for p in padding):
            pairs = [_checked(self, "padding", pair, 2, 0) for pair in padding]
        else:
            pairs = [(p, p) for p in _checked(self, "padding", padding, 2, 0)]
        if len(pairs) != 2:
            raise LayerError(
                f"ZeroPad2d: found padding={padding!r}; expected a pair for each of two axes\n"
                "  fix: ZeroPad2d(((top, bottom), (left, right)))"
            )
        self.padding = tuple(pairs)

    def forward(self, x: Any) -> Any:
        """Return the padded images."""
        return pad(_images(self, x, 2), ((0, 0), (0, 0), *self.padding))

    def describe(self) -> str:
        """Return the padding."""
        return str(self.padding)


class PixelShuffle(Module):
    """Channels moved into space: (batch, r² c, height, width) to (batch, c, r height, r width).

    Parameters
    ----------
    factor : int
        How often the result is as long along each axis, r.

    Raises
    ------
    LayerError
        The factor is not at least 1.
    OpError
        An input has no multiple of r² channels.
    """

    def __init__(self, factor: int) -> None:
        (self.factor,) = _checked(self, "factor", factor, 1)

    def forward(self, x: Any) -> Any:
        """Return the larger images."""
        return pixel_shuffle(_images(self, x, 2), factor=self.factor)

    def describe(self) -> str:
        """Return the factor."""
        return str(self.factor)
