"""Layers that make images smaller or larger: pooling, upsampling, padding, windows as columns.

Knows: the rows of ``ops/pool.py``. Does not know: parameters, since these layers have none, and how
derivatives are taken. Images are (batch, channels, *spatial). Read next: ``losses.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.op import Op
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.convolution import as_images, checked, checked_padding, one_of, short
from tinygrad_edu.nn.module import Module, as_input
from tinygrad_edu.ops.arrange import pad
from tinygrad_edu.ops.conv import Padding, PerAxis, frame_of, overlap_add, windows
from tinygrad_edu.ops.index import scatter_add
from tinygrad_edu.ops.pool import (
    adaptive_avg_pool,
    adaptive_max_pool,
    avg_pool,
    global_avg_pool,
    global_max_pool,
    lp_pool,
    max_pool,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
)

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "ChannelShuffle",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Fold",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "Unfold",
    "Upsample",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


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
    return_indices : bool
        Whether to return a pair: the elements, and where in the flattened image each was found,
        for `MaxUnpool2d`. Of equal ones the first is named, though they share the gradient.

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
        return_indices: bool = False,
    ) -> None:
        self.size = checked(self, "size", size, self.axes)
        self.stride = checked(self, "stride", size if stride is None else stride, self.axes)
        self.dilation = checked(self, "dilation", dilation, self.axes)
        self.padding, self.ceil_mode = checked_padding(self, padding, self.axes), ceil_mode
        self.return_indices = return_indices

    def forward(self, x: Any) -> Any:
        """Return the largest elements, and where they are if that was asked for."""
        x = as_images(self, x, self.axes)
        y = max_pool(
            x,
            size=self.size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
        )
        return (y, self._places(x)) if self.return_indices else y

    def _places(self, x: Any) -> Any:
        """Return where in the flattened image the first largest element of each window is."""
        values = x.numpy() if isinstance(x, Tensor) else x
        around = self.size, self.stride, self.padding, self.dilation, self.ceil_mode
        frame = frame_of(type(self).__name__, values.shape, *around)
        ends = [
            max((out - 1) * s + d * (k - 1) + 1 - n - before, 0)
            for n, k, s, d, (before, _), out in zip(*frame, strict=True)
        ]
        pads = [(before, end) for (before, _), end in zip(frame.pads, ends, strict=True)]
        all_pads = ((0, 0), (0, 0), *pads)
        image = np.pad(values.astype(np.float64), all_pads, constant_values=-np.inf)
        numbers = np.arange(np.prod(frame.lengths)).reshape(1, 1, *frame.lengths)
        options = {"size": self.size, "stride": self.stride, "dilation": self.dilation}
        seen = windows(image, **options)
        where = windows(np.pad(numbers, all_pads), **options)
        flat = (*seen.shape[:2], -1, *frame.out)
        best = np.argmax(np.reshape(seen, flat), axis=2, keepdims=True)
        where = np.broadcast_to(np.reshape(where, (1, 1, *flat[2:])), np.reshape(seen, flat).shape)
        return np.take_along_axis(where, best, axis=2)[:, :, 0]

    def as_keyword(self) -> tuple[str, Any] | None:
        """Return what a convolution before it takes to compute it as well, if it can."""
        plain = self.stride == self.size and not self.ceil_mode and set(self.dilation) == {1}
        plain = plain and not self.return_indices
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


class MaxPool3d(MaxPool2d):
    """The largest element of each window of volumes; see `MaxPool2d`."""

    axes = 3

    def as_keyword(self) -> tuple[str, Any] | None:
        """Return what a convolution before it takes to compute it as well, if it can."""
        return super().as_keyword()


class MaxUnpool2d(Module):
    """Elements put back where a `MaxPool2d` with ``return_indices`` found them, among zeros.

    Parameters
    ----------
    size : int or tuple of int
        The pooling's, whose windows lie side by side; windows that overlap would name one place
        twice, so that there is no stride to choose as in PyTorch.

    Raises
    ------
    LayerError
        The size is not as described, or the inputs are no such images and places.
    """

    axes: ClassVar[int] = 2

    def __init__(self, size: PerAxis) -> None:
        self.size = checked(self, "size", size, self.axes)

    def forward(self, x: Any, places: Any, lengths: Sequence[int] | None = None) -> Any:
        """Return the larger images.

        Parameters
        ----------
        x : array_like, shape ``(batch, channels, *spatial)``
            The elements.
        places : array_like of int, shape of `x`
            Where each belongs in the flattened image.
        lengths : sequence of int, optional
            Of the images, if the pooling left something over.
        """
        x, places = as_images(self, x, self.axes), as_input(self, places)
        if lengths is None:
            lengths = [n * k for n, k in zip(x.shape[2:], self.size, strict=True)]
        count = int(np.prod(lengths))
        fine = places.shape == x.shape and places.dtype.kind in "iu" and len(lengths) == self.axes
        if not fine or (x.size and not 0 <= places.min() <= places.max() < count):
            raise LayerError(
                f"{type(self).__name__}: found places of shape {places.shape} {places.dtype} for "
                f"images of shape {x.shape} to be made {tuple(lengths)}; expected one integer in "
                f"[0, {count}) for each element\n  fix: take them from a pooling with "
                "return_indices=True"
            )
        flat = np.reshape(x, (*x.shape[:2], -1))
        index = np.reshape(places, flat.shape)
        ground = np.zeros((*x.shape[:2], count), x.dtype)
        return np.reshape(scatter_add(ground, 2, index, flat), (*x.shape[:2], *lengths))

    def describe(self) -> str:
        """Return the size."""
        return str(short(self.size))


class MaxUnpool1d(MaxUnpool2d):
    """Elements put back into signals; see `MaxUnpool2d`."""

    axes = 1


class MaxUnpool3d(MaxUnpool2d):
    """Elements put back into volumes; see `MaxUnpool2d`."""

    axes = 3


class AvgPool2d(Module):
    """The mean of each window; for a sum, multiply by the number of elements of a window.

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
        self.size = checked(self, "size", size, self.axes)
        self.stride = checked(self, "stride", size if stride is None else stride, self.axes)
        self.padding, self.ceil_mode = checked_padding(self, padding, self.axes), ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Any) -> Any:
        """Return the means."""
        return avg_pool(
            as_images(self, x, self.axes),
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


class AvgPool3d(AvgPool2d):
    """The mean of each window of volumes; see `AvgPool2d`."""

    axes = 3


class LPPool2d(Module):
    r"""The norm of each window, :math:`(\sum |x|^p)^{1/p}`.

    Parameters
    ----------
    p : float
        The norm's, at least 1. (PyTorch leaves the absolute value out, so that an odd p gives nan
        or cancels there.)
    size, stride, ceil_mode
        As of `MaxPool2d`.

    Raises
    ------
    LayerError
        An argument is not as described, or an input is no batch of images.
    """

    axes: ClassVar[int] = 2

    def __init__(
        self,
        p: float,
        size: PerAxis,
        stride: PerAxis | None = None,
        *,
        ceil_mode: bool = False,
    ) -> None:
        if not 1 <= p < np.inf:
            raise LayerError(
                f"{type(self).__name__}: found p={p!r}; expected a number of at least 1\n"
                "  fix: use p=2; the maximum is MaxPool2d"
            )
        self.p, self.padding, self.ceil_mode = p, 0, ceil_mode
        self.size = checked(self, "size", size, self.axes)
        self.stride = checked(self, "stride", size if stride is None else stride, self.axes)

    def forward(self, x: Any) -> Any:
        """Return the norms."""
        x = as_images(self, x, self.axes)
        options = {"size": self.size, "stride": self.stride, "ceil_mode": self.ceil_mode}
        return lp_pool(x, p=self.p, **options)

    def describe(self) -> str:
        """Return the norm, the size and what is not the default."""
        return f"{self.p}, {_pool_text(self)}"


class LPPool1d(LPPool2d):
    """The norm of each window of signals; see `LPPool2d`."""

    axes = 1


class LPPool3d(LPPool2d):
    """The norm of each window of volumes; see `LPPool2d`."""

    axes = 3


def _pool_text(layer: Any, *more: str) -> str:
    text = str(short(layer.size))
    text += "" if layer.stride == layer.size else f", stride={short(layer.stride)}"
    text += "" if layer.padding == 0 else f", padding={layer.padding!r}"
    for name in more:
        value = short(getattr(layer, name))
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
        The size is not as described, or an input is no batch of images.
    """

    axes: ClassVar[int] = 2
    pool: ClassVar[Op] = adaptive_avg_pool

    def __init__(self, output_size: Any) -> None:
        several = isinstance(output_size, (tuple, list))
        sizes = tuple(output_size) if several else (output_size,) * self.axes
        known = [1 if size is None else size for size in sizes]
        checked(self, "output_size", known, self.axes)
        self.output_size = tuple(output_size) if several else output_size

    def forward(self, x: Any) -> Any:
        """Return one number for each cell."""
        return self.pool(as_images(self, x, self.axes), output_size=self.output_size)

    def describe(self) -> str:
        """Return the size of the result."""
        return str(self.output_size)


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """The means of as many cells of signals as wanted; see `AdaptiveAvgPool2d`."""

    axes = 1


class AdaptiveAvgPool3d(AdaptiveAvgPool2d):
    """The means of as many cells of volumes as wanted; see `AdaptiveAvgPool2d`."""

    axes = 3


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """The largest elements of as many cells as wanted; see `AdaptiveAvgPool2d`."""

    pool = adaptive_max_pool


class AdaptiveMaxPool1d(AdaptiveMaxPool2d):
    """The largest elements of as many cells of signals as wanted; see `AdaptiveAvgPool2d`."""

    axes = 1


class AdaptiveMaxPool3d(AdaptiveMaxPool2d):
    """The largest elements of as many cells of volumes as wanted; see `AdaptiveAvgPool2d`."""

    axes = 3


class GlobalAvgPool2d(Module):
    """The mean of each channel: images (batch, channels, height, width) to (batch, channels)."""

    axes: ClassVar[int] = 2
    pool: ClassVar[Op] = global_avg_pool

    def forward(self, x: Any) -> Any:
        """Return one number for each channel."""
        return self.pool(as_images(self, x, self.axes))


class GlobalAvgPool1d(GlobalAvgPool2d):
    """The mean of each channel of signals: (batch, channels, length) to (batch, channels)."""

    axes = 1


class GlobalAvgPool3d(GlobalAvgPool2d):
    """The mean of each channel of volumes, to (batch, channels)."""

    axes = 3


class GlobalMaxPool2d(GlobalAvgPool2d):
    """The largest element of each channel of images, to (batch, channels)."""

    pool = global_max_pool


class GlobalMaxPool1d(GlobalMaxPool2d):
    """The largest element of each channel of signals, to (batch, channels)."""

    axes = 1


class GlobalMaxPool3d(GlobalMaxPool2d):
    """The largest element of each channel of volumes, to (batch, channels)."""

    axes = 3


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
        The last three are one: linear along each axis that there is. (PyTorch's "bicubic" and
        "area" are not there.)
    align_corners : bool
        Whether the first and last elements of image and result lie on each other, else their
        borders do; only for linear.

    Raises
    ------
    LayerError
        An argument is not as described.
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
        one_of(self, "mode", mode, ("nearest", "linear", "bilinear", "trilinear"))
        self.scale_factor, self.size = scale_factor, size
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Any) -> Any:
        """Return the resized images."""
        return upsample(
            as_input(self, x),
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


def _in_pairs(layer: Module, padding: Any, count: int) -> tuple[tuple[int, int], ...]:
    """Return a padding as pairs (before, after) of each axis."""
    if isinstance(padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in padding):
        pairs = [checked(layer, "padding", pair, 2, 0) for pair in padding]
    else:
        pairs = [(p, p) for p in checked(layer, "padding", padding, count, 0)]
    return tuple((before, after) for before, after in pairs)


class _Pad(Module):
    """What is put around images; the axes and what stands there differ."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: Any) -> None:
        checked_padding(self, padding, self.axes, words=False)
        self.padding = _in_pairs(self, padding, self.axes)

    def forward(self, x: Any) -> Any:
        """Return the padded images."""
        width = ((0, 0), (0, 0), *self.padding)
        x = as_images(self, x, self.axes)
        if self.mode == "constant":
            return pad(x, width, constant_values=self.value)
        most = 0 if self.mode == "edge" else 1  # a mirror, or the other side, needs a length
        for length, pair in zip(x.shape[2:], self.padding, strict=True):
            room = length if self.mode == "wrap" else length - most
            if self.mode != "edge" and max(pair) > room:
                raise LayerError(
                    f"{type(self).__name__}: found padding {pair} along a length of {length}; "
                    f"expected at most {room}\n  fix: pad less, or use a ReplicationPad"
                )
        return pad(x, width, mode=self.mode)

    def describe(self) -> str:
        """Return the padding."""
        text = str(self.padding)
        return text if self.value == 0 else f"{text}, {self.value}"


class ZeroPad2d(_Pad):
    """Zeros around images.

    Parameters
    ----------
    padding : int or tuple
        A number for all sides, (height, width), or pairs (before, after) for each. (PyTorch's
        tuple counts sides from the last axis: left, right, top, bottom.)

    Raises
    ------
    LayerError
        The padding is not as described, or an input is no batch of images.
    """

    axes = 2


class ZeroPad1d(_Pad):
    """Zeros around signals; see `ZeroPad2d`."""

    axes = 1


class ZeroPad3d(_Pad):
    """Zeros around volumes; see `ZeroPad2d`."""

    axes = 3


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = float(value)


class ConstantPad1d(_ConstantPad):
    """One number around signals; see `ConstantPad2d`."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """One number around images.

    Parameters
    ----------
    padding : int or tuple
        As in `ZeroPad2d`.
    value : float
        The number.
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    """One number around volumes; see `ConstantPad2d`."""

    axes = 3


class ReflectionPad1d(_Pad):
    """Signals mirrored at their ends, which are not repeated; see `ZeroPad2d`."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Images mirrored at their edges, which are not repeated; see `ZeroPad2d`."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Volumes mirrored at their faces, which are not repeated; see `ZeroPad2d`."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The ends of signals repeated; see `ZeroPad2d`."""

    axes, mode = 1, "edge"


class ReplicationPad2d(_Pad):
    """The edges of images repeated; see `ZeroPad2d`."""

    axes, mode = 2, "edge"


class ReplicationPad3d(_Pad):
    """The faces of volumes repeated; see `ZeroPad2d`."""

    axes, mode = 3, "edge"


class CircularPad1d(_Pad):
    """Signals that go on from the other end; see `ZeroPad2d`."""

    axes, mode = 1, "wrap"


class CircularPad2d(_Pad):
    """Images that go on from the other side; see `ZeroPad2d`."""

    axes, mode = 2, "wrap"


class CircularPad3d(_Pad):
    """Volumes that go on from the other side; see `ZeroPad2d`."""

    axes, mode = 3, "wrap"


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
        (self.factor,) = checked(self, "factor", factor, 1)

    def forward(self, x: Any) -> Any:
        """Return the larger images."""
        return pixel_shuffle(as_images(self, x, 2), factor=self.factor)

    def describe(self) -> str:
        """Return the factor."""
        return str(self.factor)


class PixelUnshuffle(Module):
    """Space moved into channels, the inverse of `PixelShuffle`.

    Parameters
    ----------
    factor : int
        How often the result is as short along each axis, r.

    Raises
    ------
    LayerError
        The factor is not at least 1.
    OpError
        The lengths of an input are no multiples of r.
    """

    def __init__(self, factor: int) -> None:
        (self.factor,) = checked(self, "factor", factor, 1)

    def forward(self, x: Any) -> Any:
        """Return the smaller images."""
        return pixel_unshuffle(as_images(self, x, 2), factor=self.factor)

    def describe(self) -> str:
        """Return the factor."""
        return str(self.factor)


class ChannelShuffle(Module):
    """Channels of several groups dealt out in turn, so that groups learn of each other.

    Parameters
    ----------
    groups : int
        Number of groups, a divisor of the number of channels.

    Raises
    ------
    LayerError
        The groups are not as described.

    References
    ----------
    X. Zhang, X. Zhou, M. Lin, J. Sun, "ShuffleNet", CVPR 2018, section 3.1.
    """

    def __init__(self, groups: int) -> None:
        (self.groups,) = checked(self, "groups", groups, 1)

    def forward(self, x: Any) -> Any:
        """Return `x`, shape (batch, channels, ...), with its channels in another order."""
        x = as_input(self, x)
        if x.ndim < 2 or x.shape[1] % self.groups:
            raise LayerError(
                f"ChannelShuffle: found an input of shape {x.shape}; expected channels on axis 1, "
                f"a multiple of groups={self.groups}\n  fix: choose a divisor of the channels"
            )
        split = np.reshape(x, (x.shape[0], self.groups, -1, *x.shape[2:]))
        return np.reshape(np.swapaxes(split, 1, 2), x.shape)

    def describe(self) -> str:
        """Return the number of groups."""
        return str(self.groups)


# ------------------------------------------------------------------------------ windows


class Unfold(Module):
    """The windows of images as columns: (batch, channels · window, places).

    Parameters
    ----------
    size, stride, padding, dilation : int or tuple of int
        As of `Conv2d`; padding in numbers.

    Raises
    ------
    LayerError
        An argument is not as described, or an input is no batch of images.
    """

    def __init__(
        self,
        size: PerAxis,
        *,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
    ) -> None:
        self.size = checked(self, "size", size, 2)
        self.stride = checked(self, "stride", stride, 2)
        self.dilation = checked(self, "dilation", dilation, 2)
        self.padding = checked_padding(self, padding, 2, words=False)

    def _around(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}

    def forward(self, x: Any) -> Any:
        """Return the columns."""
        seen = windows(as_images(self, x, 2), size=self.size, **self._around())
        batch, channels, height, width, *out = seen.shape
        return np.reshape(seen, (batch, channels * height * width, int(np.prod(out))))

    def describe(self) -> str:
        """Return the size and what is not the default."""
        text = str(short(self.size))
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1)):
            value = getattr(self, name)
            value = short(value) if isinstance(value, tuple) else value
            text += "" if value == default else f", {name}={value!r}"
        return text


class Fold(Unfold):
    """Columns added back into images, overlaps summed: the transpose of `Unfold`.

    Parameters
    ----------
    output_size : tuple of int
        Height and width of the images.
    size, stride, padding, dilation
        As of `Unfold`.

    Raises
    ------
    LayerError
        An argument is not as described, or an input has another number of rows or columns.
    """

    def __init__(self, output_size: PerAxis, size: PerAxis, **options: Any) -> None:
        super().__init__(size, **options)
        self.output_size = checked(self, "output_size", output_size, 2)

    def forward(self, x: Any) -> Any:
        """Return the images."""
        x = as_input(self, x)
        around = self.size, self.stride, self.padding, self.dilation
        frame = frame_of("Fold", (1, 1, *self.output_size), *around)
        window, places = int(np.prod(self.size)), int(np.prod(frame.out))
        if x.ndim != 3 or x.shape[1] % window or x.shape[2] != places:
            raise LayerError(
                f"Fold: found an input of shape {x.shape}; expected (batch, channels · {window}, "
                f"{places})\n  fix: give what Unfold makes of images of {self.output_size}"
            )
        split = np.reshape(x, (x.shape[0], -1, *self.size, *frame.out))
        return overlap_add(split, lengths=self.output_size, **self._around())

    def describe(self) -> str:
        """Return the sizes and what is not the default."""
        return f"{self.output_size}, {super().describe()}"
