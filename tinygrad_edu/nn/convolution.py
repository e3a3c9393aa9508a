"""Layers on images: convolution and its transpose.

Knows: parameters, and the rows of ``ops/conv.py``. Does not know: how
derivatives are taken. Images are (batch, channels, *spatial) everywhere. Read next: ``pooling.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.op import get_op
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import LayerError, OpError, explain
from tinygrad_edu.nn.init import as_dtype, as_generator, as_initializer
from tinygrad_edu.nn.module import Module, as_input
from tinygrad_edu.ops.arrange import pad
from tinygrad_edu.ops.conv import (
    INCREASING,
    Padding,
    PerAxis,
    conv_transpose,
    convolution,
    frame_of,
    per_axis,
)
from tinygrad_edu.ops.pool import max_pool

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DepthwiseConv2d",
]

AXES = ("depth", "height", "width")
PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""What stands around images, and what `pad` calls it."""


def as_images(layer: Module, x: Any, count: int, channels: int | None = None) -> Any:
    """Return the input as a Tensor or array; refuse one that is no batch of such images.

    Parameters
    ----------
    layer : Module
        Who is called.
    x : array_like, shape ``(batch, channels, *spatial)``
        The input.
    count : int
        Number of spatial axes.
    channels : int, optional
        How many there must be.

    Raises
    ------
    LayerError
        It has other axes, or another number of channels.
    """
    x = as_input(layer, x)
    if x.ndim == count + 2 and channels in (None, x.shape[1]):
        return x
    axes = ", ".join(("length",) if count == 1 else AXES[-count:])
    name = type(layer).__name__
    wanted = "channels" if channels is None else f"{channels} channels"
    problem = f"an input of shape {x.shape} is no batch of images (batch, {wanted}, {axes})"
    fix = (
        "give grey images an axis of channels, as in x[:, None], and one image alone a batch axis, "
        "as in x[None]; flat rows are x.reshape(len(x), channels, ...)"
    )
    if x.ndim == count + 2:
        found = x.shape[1]
        problem += f": axis 1 has {found}, expected channels={channels}"
        fix = f"make the layer {name}({found}, ...)"
        if x.shape[-1] == channels:
            fix = "channels stand behind the batch: np.moveaxis(x, -1, 1)"
    raise LayerError(explain(name, problem, arguments=(("x", x),), fix=fix))


def checked(layer: Module, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """Return one integer per axis; refuse what is none."""
    try:
        return per_axis(type(layer).__name__, name, value, count, least)
    except OpError as error:
        raise LayerError(str(error)) from None


def checked_padding(layer: Module, padding: Any, count: int, *, words: bool = True) -> Any:
    """Return a padding as it was given; refuse one that no input would fit.

    Parameters
    ----------
    layer : Module
        Who was given it.
    padding : int, tuple or str
        Numbers, or pairs (before, after), for `count` axes; "same" or "valid" if `words`.
    """
    name = type(layer).__name__
    if isinstance(padding, str):
        if not words or padding not in ("same", "valid"):
            known = "'same', 'valid' or numbers" if words else "numbers"
            raise LayerError(
                f"{name}: found padding={padding!r}; expected {known}\n"
                f"  fix: use padding={'same' if words else 1!r}"
            )
    elif isinstance(padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in padding):
        pairs = [checked(layer, "padding", pair, 2, 0) for pair in padding]
        if len(pairs) != count:
            raise LayerError(
                f"{name}: found padding={padding!r}; expected a pair (before, after) for each of "
                f"{count} axes\n  fix: one number pads all sides alike"
            )
    else:
        checked(layer, "padding", padding, count, 0)
    return padding


def one_of(layer: Module, name: str, value: Any, known: Sequence[str]) -> str:
    """Return an option that is a word; refuse one that is not known."""
    if not isinstance(value, str) or value not in known:
        words = [repr(word) for word in known]
        text = f"{', '.join(words[:-1])} or {words[-1]}" if words[1:] else words[0]
        raise LayerError(
            f"{type(layer).__name__}: found {name}={value!r}; expected {text}\n"
            f"  fix: use {name}={known[0]!r}"
        )
    return value


def short(numbers: Sequence[Any]) -> Any:
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
        padding_mode: str = "zeros",
        activation: str | None = None,
        weight: Any = None,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        (self.channels,) = checked(self, "channels", channels, 1)
        (self.maps,) = checked(self, "maps", maps, 1)
        (self.groups,) = checked(self, "groups", groups, 1)
        self.size = checked(self, "size", size, self.axes)
        self.stride = checked(self, "stride", stride, self.axes)
        self.dilation = checked(self, "dilation", dilation, self.axes)
        self.padding = checked_padding(self, padding, self.axes, words=not self.transposed)
        modes = ("zeros",) if self.transposed else tuple(PADDING_MODES)
        self.padding_mode = one_of(self, "padding_mode", padding_mode, modes)
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
        x, padding = as_images(self, x, self.axes, self.channels), self.padding
        if self.padding_mode != "zeros":
            around = self.size, self.stride, padding, self.dilation
            pads = frame_of(type(self).__name__, x.shape, *around).pads
            x = pad(x, ((0, 0), (0, 0), *pads), mode=PADDING_MODES[self.padding_mode])
            padding = 0
        return convolution(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
            activation=activation or self.activation,
            pool=pool,
        )

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Return one per element of a window, for each window and map."""
        window = math.prod(self.size)
        if self.transposed:
            return math.prod(shapes[1]) * window * self.maps // self.groups
        batch, _, *lengths = shapes[1]
        around = self.size, self.stride, self.padding, self.dilation
        out = frame_of(type(self).__name__, (batch, 1, *lengths), *around).out
        return batch * math.prod(out) * self.maps * window * self.channels // self.groups

    def describe(self) -> str:
        """Return the sizes and what is not the default."""
        text = f"{self.channels}, {self.maps}, {short(self.size)}"
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)):
            value = getattr(self, name)
            value = short(value) if isinstance(value, tuple) else value
            text += "" if value == default else f", {name}={value!r}"
        text += "" if self.bias is not None else ", bias=False"
        text += "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode!r}"
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
        lengths, divided by the stride (PyTorch refuses a stride there).
    dilation : int or tuple of int
        From one element of a window to the next.
    groups : int
        Groups of channels that are convolved apart; a divisor of `channels` and `maps`.
    bias : bool
        Whether there is a bias per map; it begins at 0.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What stands in the padding: zeros, the image mirrored without its edge, its edge, or the
        image again from the other side.
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
        (multiplier,) = checked(self, "multiplier", multiplier, 1)
        (channels,) = checked(self, "channels", channels, 1)
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
        self.output_padding = checked(self, "output_padding", output_padding, self.axes, 0)

    def forward(self, x: Any, activation: str | None = None, pool: PerAxis = 1) -> Any:
        """Return the result, shape ``(batch, maps, *spatial)``; see `Conv2d`."""
        y = conv_transpose(
            as_images(self, x, self.axes, self.channels),
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


class ConvTranspose3d(ConvTranspose2d):
    """Transpose of a convolution of volumes; see `ConvTranspose2d`."""

    axes = 3
