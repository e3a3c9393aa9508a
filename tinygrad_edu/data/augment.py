r"""Augmentation: changed copies of images, so that a net sees no image twice.

A transform is called as ``transform(batch, rng)``: the first array of the batch, the images, is
changed, all others are left as they are. `DataLoader` does so with ``transform=``.

Images are fractions, float32 or float64, of shape (n, height, width), (n, channels, height, width),
or (n, height·width) with ``shape=``, or without it if they are square. Every image of a batch has
random numbers of its own; what is drawn depends on the generator alone.

What moves pixels is one map of coordinates. For each pixel of the result it says where in the image
to look, and :math:`I(r, c)` between four pixels is their bilinear mean. So shift, rotation, scale
and shear together blur no more than one of them.

Knows: NumPy arrays. Does not know: nets, labels.
Read next: `loader.py`.

References
----------
P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks applied to
visual document analysis", ICDAR 2003, section 2: elastic distortions.
T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout",
arXiv:1708.04552; Z. Zhong et al., "Random erasing data augmentation", AAAI 2020: `Erase`.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.data.checks import as_generator, demand_count, demand_number, refusal
from tinygrad_edu.data.datasets import Batch
from tinygrad_edu.plots import image_rows

__all__ = [
    "Affine",
    "Augmentation",
    "Brightness",
    "Compose",
    "Contrast",
    "Elastic",
    "Erase",
    "Flip",
    "Noise",
    "Rotate",
    "Scale",
    "Shear",
    "Shift",
    "augmentations",
    "save_examples",
]

Images = NDArray[Any]
Rng = np.random.Generator
Range = float | tuple[float, float]


class Augmentation(ABC):
    """Base of the transforms: finds the images in a batch, and chooses which of them change.

    Parameters
    ----------
    probability : float
        With which an image is changed, fraction in [0, 1].
    shape : (height, width), optional
        Of images that come flat, (n, height·width); without it they must be square.
    """

    def __init__(self, *, probability: float = 1.0, shape: tuple[int, int] | None = None) -> None:
        name = type(self).__name__
        self.probability = demand_number(name, "probability", probability, 0, 1)
        if shape is not None:
            if not isinstance(shape, Sequence) or len(shape) != 2:
                raise refusal(name, f"shape={shape!r}", "(height, width)", "pass two integers")
            shape = (
                demand_count(name, "height", shape[0], 1),
                demand_count(name, "width", shape[1], 1),
            )
        self.shape = shape

    @abstractmethod
    def change(self, images: Images, rng: Rng) -> Images:
        """Return changed images (n, channels, height, width), new ones, of the same dtype."""

    def __call__(self, batch: Batch, rng: Rng | int) -> Batch:
        """Return the batch with changed images.

        Parameters
        ----------
        batch : tuple of ndarray
            Images, and anything that belongs to them.
        rng : numpy.random.Generator or int
            The generator, or a seed to make it from.

        Returns
        -------
        tuple of ndarray
            New images, of the same shape and dtype; the other arrays as they are.

        Raises
        ------
        DataError
            The batch is no tuple, or its first array holds no images.
        """
        if not isinstance(batch, tuple) or not batch:
            raise refusal(
                type(self).__name__,
                f"a {type(batch).__name__}",
                "a tuple of arrays, the images first",
                "call apply(images, rng) for an array alone",
            )
        return (self.apply(batch[0], rng), *batch[1:])

    def apply(self, images: ArrayLike, rng: Rng | int) -> Images:
        """Return changed images.

        Parameters
        ----------
        images : array_like, shape (n, height, width), (n, channels, height, width) or (n, pixels)
            Fractions.
        rng : numpy.random.Generator or int
            The generator, or a seed to make it from.

        Returns
        -------
        ndarray
            New, of the same shape and dtype.

        Raises
        ------
        DataError
            The array holds no images.
        """
        given = np.asarray(images)
        generator = as_generator(type(self).__name__, rng)
        stack = given.reshape(len(given) if given.ndim else 0, *self._sides(given))
        if self.probability == 1:
            return self._changed(stack, generator).reshape(given.shape)
        chosen = generator.random(len(stack)) < self.probability
        result = stack.copy()
        result[chosen] = self._changed(stack[chosen], generator)
        return result.reshape(given.shape)

    def _changed(self, images: Images, rng: Rng) -> Images:
        return self.change(images, rng) if images.size else images.copy()

    def _sides(self, images: Images) -> tuple[int, int, int]:
        """Return channels, height and width, once an array is known to hold images."""
        name = type(self).__name__
        if images.dtype.kind != "f" or images.ndim not in (2, 3, 4):
            raise refusal(
                name,
                f"{images.dtype} of shape {images.shape}",
                "float images, (n, height, width), (n, channels, height, width) or (n, pixels)",
                "load them with normalize=True, and keep the axis of the samples: images[:1]",
            )
        if images.ndim == 2:
            side = math.isqrt(images.shape[1])
            height, width = self.shape or (side, side)
            if height * width != images.shape[1]:
                raise refusal(
                    name,
                    f"flat images of {images.shape[1]} pixels",
                    f"{height} x {width}" if self.shape else "squares",
                    "pass shape=(height, width)",
                )
            return 1, height, width
        return (1, *images.shape[1:]) if images.ndim == 3 else images.shape[1:]

    def _settings(self) -> dict[str, Any]:
        """Return what distinguishes this one, for its name in words."""
        return {
            name: value
            for name, value in vars(self).items()
            if not (name == "probability" and value == 1)
            and not (name == "shape" and value is None)
        }

    def __repr__(self) -> str:
        """Return the call that makes this transform."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
        return f"{type(self).__name__}({settings})"


class Compose(Augmentation):
    """Several transforms, one after the other.

    Parameters
    ----------
    *transforms : Augmentation
        In their order.
    probability : float
        With which an image goes through all of them, fraction in [0, 1].
    shape : (height, width), optional
        Of images that come flat.
    """

    def __init__(self, *transforms: Augmentation, **options: Any) -> None:
        super().__init__(**options)
        if not all(isinstance(transform, Augmentation) for transform in transforms):
            raise refusal(
                "Compose",
                f"{[type(transform).__name__ for transform in transforms]}",
                "transforms of this module, or classes derived from Augmentation",
                "pass for example Compose(Shift(2), Noise(0.1)), without a list",
            )
        self.transforms = transforms

    def change(self, images: Images, rng: Rng) -> Images:
        """Return images that went through all transforms."""
        for transform in self.transforms:
            images = transform.apply(images, rng)
        return images.copy() if not self.transforms else images

    def __repr__(self) -> str:
        """Return the call that makes this transform."""
        rest = {name: value for name, value in self._settings().items() if name != "transforms"}
        parts = [*map(repr, self.transforms), *(f"{n}={v!r}" for n, v in rest.items())]
        return f"Compose({', '.join(parts)})"


class _Geometric(Augmentation):
    """What moves pixels: says for each pixel of the result where to look."""

    def __init__(self, *, fill: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.fill = demand_number(type(self).__name__, "fill", fill)

    def _settings(self) -> dict[str, Any]:
        return {n: v for n, v in super()._settings().items() if not (n == "fill" and v == 0)}

    @abstractmethod
    def places(self, count: int, height: int, width: int, rng: Rng) -> tuple[Images, Images]:
        """Return rows and columns to look at, each float32 of shape (count, height, width)."""

    def change(self, images: Images, rng: Rng) -> Images:
        """Return the images looked at elsewhere; beyond their edge is the fill."""
        count, _, height, width = images.shape
        return sampled(images, *self.places(count, height, width, rng), fill=self.fill)


class Affine(_Geometric):
    r"""Rotation, scale, shear and shift in one go, about the centre of the image.

    With :math:`x` to the right and :math:`y` upwards, the pixel at :math:`p` from the centre shows
    what was at :math:`A^{-1}(p - s)`, where
    :math:`A = R(\varphi)\begin{pmatrix}1 & \tan\psi\\ 0 & 1\end{pmatrix} z`.

    Parameters
    ----------
    shift : float or (low, high)
        Pixels, down and right, uniform in ±shift or in the interval, for each axis.
    rotate : float or (low, high)
        Degrees, counter-clockwise, uniform in ±rotate or in the interval.
    scale : float or (low, high)
        Factor of the size: log-uniform in the interval, or from 1/(1 + scale) to 1 + scale.
    shear : float or (low, high)
        Degrees by which upright lines lean, uniform in ±shear or in the interval.
    fill : float
        Brightness of what comes in from beyond the edge.
    **options
        `probability` and `shape` of `Augmentation`.

    Raises
    ------
    DataError
        An argument is not as described.
    """

    def __init__(
        self,
        *,
        shift: Range = 0.0,
        rotate: Range = 0.0,
        scale: Range = 0.0,
        shear: Range = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        name = type(self).__name__
        self.shift = _interval(name, "shift", shift)
        self.rotate = _interval(name, "rotate", rotate, most=360)
        self.shear = _interval(name, "shear", shear, most=80)
        if isinstance(scale, tuple):
            self.scale = _interval(name, "scale", scale)
        else:
            size = demand_number(name, "scale", scale, 0)
            self.scale = (1 / (1 + size), 1 + size)
        if self.scale[0] <= 0:
            raise refusal(
                name, f"scale={scale!r}", "factors above 0", "pass for example (0.8, 1.25)"
            )

    def _settings(self) -> dict[str, Any]:
        still: dict[str, Any] = {
            "shift": (0, 0),
            "rotate": (0, 0),
            "shear": (0, 0),
            "scale": (1, 1),
        }
        return {n: v for n, v in super()._settings().items() if n not in still or v != still[n]}

    def __repr__(self) -> str:
        """Return the call that makes this transform, a special one by its general name."""
        return super().__repr__().replace(type(self).__name__, "Affine", 1)

    def places(self, count: int, height: int, width: int, rng: Rng) -> tuple[Images, Images]:
        """Return where the inverse of a random affine map of each image looks."""
        # Six draws for each image, whatever is switched off: settings do not shift the others.
        draws = rng.random((6, count))[..., None, None]
        low_shift, high_shift = self.shift
        down, right = (low_shift + (high_shift - low_shift) * draw for draw in draws[:2])
        angle = np.deg2rad(self.rotate[0] + (self.rotate[1] - self.rotate[0]) * draws[2])
        lean = np.tan(np.deg2rad(self.shear[0] + (self.shear[1] - self.shear[0]) * draws[3]))
        size = self.scale[0] * (self.scale[1] / self.scale[0]) ** draws[4]
        rows = np.arange(height)[:, None] - (height - 1) / 2 - down
        columns = np.arange(width) - (width - 1) / 2 - right
        # Rows grow downwards: a counter-clockwise turn of what is seen has this sign.
        y = (np.cos(angle) * rows + np.sin(angle) * columns) / size
        x = (np.cos(angle) * columns - np.sin(angle) * rows) / size
        x = x + lean * y
        return (
            (y + (height - 1) / 2).astype(np.float32),
            (x + (width - 1) / 2).astype(np.float32),
        )


class Shift(Affine):
    """A shift by up to some pixels, down and right.

    Parameters
    ----------
    pixels : float or (low, high)
        Uniform in ±pixels or in the interval, for each axis.
    **options
        `fill`, `probability` and `shape` of `Affine`.
    """

    def __init__(self, pixels: Range = 2.0, **options: Any) -> None:
        super().__init__(shift=pixels, **options)


class Rotate(Affine):
    """A turn about the centre.

    Parameters
    ----------
    degrees : float or (low, high)
        Counter-clockwise, uniform in ±degrees or in the interval.
    **options
        `fill`, `probability` and `shape` of `Affine`.
    """

    def __init__(self, degrees: Range = 15.0, **options: Any) -> None:
        super().__init__(rotate=degrees, **options)


class Scale(Affine):
    """A change of size about the centre.

    Parameters
    ----------
    factor : float or (low, high)
        Log-uniform in the interval, or from 1/(1 + factor) to 1 + factor.
    **options
        `fill`, `probability` and `shape` of `Affine`.
    """

    def __init__(self, factor: Range = 0.15, **options: Any) -> None:
        super().__init__(scale=factor, **options)


class Shear(Affine):
    """A slant: upright lines lean.

    Parameters
    ----------
    degrees : float or (low, high)
        Uniform in ±degrees or in the interval.
    **options
        `fill`, `probability` and `shape` of `Affine`.
    """

    def __init__(self, degrees: Range = 15.0, **options: Any) -> None:
        super().__init__(shear=degrees, **options)


class Elastic(_Geometric):
    r"""A distortion as of a rubber sheet: every pixel is displaced, neighbours nearly alike.

    Both coordinates of the displacement are :math:`\alpha\,(G_\sigma * u)`, where :math:`u` is
    uniform in [-1, 1] for each pixel and :math:`G_\sigma` a Gaussian of sum 1. Their standard
    deviation is about :math:`\alpha / (2\sigma\sqrt{3\pi})` pixels, 1.4 by default.

    Parameters
    ----------
    alpha : float
        Strength, pixels.
    sigma : float
        Width of the Gaussian, pixels: small ones crumple, large ones shift the whole image.
    fill : float
        Brightness of what comes in from beyond the edge.
    **options
        `probability` and `shape` of `Augmentation`.

    Raises
    ------
    DataError
        An argument is not as described.

    References
    ----------
    Simard et al. 2003, section 2, whose sheet is random beyond the edge of the image, too.
    """

    def __init__(self, alpha: float = 34.0, sigma: float = 4.0, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = demand_number("Elastic", "alpha", alpha, 0)
        self.sigma = demand_number("Elastic", "sigma", sigma, 0.1, 1000)

    def places(self, count: int, height: int, width: int, rng: Rng) -> tuple[Images, Images]:
        """Return every pixel's place, displaced."""
        down, across = _blur(height, self.sigma), _blur(width, self.sigma)
        u = rng.random((2, count, down.shape[1], across.shape[1]), dtype=np.float32) * 2 - 1
        # A Gaussian of two variables is one of each: two products of matrices.
        moved = np.float32(self.alpha) * (down @ u @ across.T)
        rows = np.arange(height, dtype=np.float32)[:, None]
        return rows + moved[0], np.arange(width, dtype=np.float32) + moved[1]


class Flip(Augmentation):
    """A mirror image, for half of the images by default. Not for digits: a 2 becomes no number.

    Parameters
    ----------
    axis : {"horizontal", "vertical"}
        Left and right exchanged, or top and bottom.
    probability : float
        With which an image is mirrored.
    shape : (height, width), optional
        Of images that come flat.

    Raises
    ------
    DataError
        An argument is not as described.
    """

    def __init__(
        self,
        axis: str = "horizontal",
        *,
        probability: float = 0.5,
        shape: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(probability=probability, shape=shape)
        if axis not in ("horizontal", "vertical"):
            raise refusal(
                "Flip", f"axis={axis!r}", "'horizontal' or 'vertical'", "pass one of them"
            )
        self.axis = axis

    def change(self, images: Images, rng: Rng) -> Images:  # noqa: ARG002
        """Return mirror images."""
        return np.flip(images, -1 if self.axis == "horizontal" else -2).copy()


class Erase(Augmentation):
    """A rectangle at a random place is filled: the net must not rely on one part.

    Parameters
    ----------
    size : int or (low, high)
        Height and width of the rectangle, pixels, each drawn from low to high, both included;
        where it reaches over the edge it is cut off.
    fill : float or "noise"
        Brightness of the rectangle, or uniform noise in [0, 1].
    **options
        `probability` and `shape` of `Augmentation`.

    Raises
    ------
    DataError
        An argument is not as described.
    """

    def __init__(
        self, size: int | tuple[int, int] = (6, 12), *, fill: float | str = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        low, high = size if isinstance(size, tuple) and len(size) == 2 else (size, size)
        least = demand_count("Erase", "size", low, 1)
        self.size = (least, demand_count("Erase", "size", high, least))
        self.fill = fill if fill == "noise" else demand_number("Erase", "fill", fill)

    def change(self, images: Images, rng: Rng) -> Images:
        """Return images with a rectangle each."""
        count, _, height, width = images.shape
        inside = np.ones((count, 1, height, width), bool)
        for axis, side in ((2, height), (3, width)):
            long = rng.integers(self.size[0], self.size[1] + 1, size=(count,))
            # The middle of the rectangle is anywhere in the image, as in the article on cutout.
            middle = rng.integers(side, size=(count,))
            start = (middle - long // 2)[:, None]
            place = np.arange(side)
            along = (place >= start) & (place < start + long[:, None])
            inside &= along[:, None, :, None] if axis == 2 else along[:, None, None, :]
        if self.fill == "noise":
            return np.where(inside, rng.random(images.shape, dtype=np.float32), images).astype(
                images.dtype
            )
        return np.where(inside, images.dtype.type(self.fill), images)


class _Light(Augmentation):
    """What changes brightness: the result is kept within bounds."""

    def __init__(self, *, bounds: tuple[float, float] | None = (0.0, 1.0), **options: Any) -> None:
        super().__init__(**options)
        self.bounds = None if bounds is None else _interval(type(self).__name__, "bounds", bounds)

    def _settings(self) -> dict[str, Any]:
        return {n: v for n, v in super()._settings().items() if not (n == "bounds" and v == (0, 1))}

    def _bounded(self, images: Images, dtype: np.dtype[Any]) -> Images:
        return (images if self.bounds is None else np.clip(images, *self.bounds)).astype(dtype)


class Noise(_Light):
    """Normal noise on every pixel.

    Parameters
    ----------
    deviation : float
        Standard deviation.
    bounds : (low, high) or None
        Where the result is cut off; None for standardised images.
    **options
        `probability` and `shape` of `Augmentation`.

    Raises
    ------
    DataError
        An argument is not as described.
    """

    def __init__(self, deviation: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        self.deviation = demand_number("Noise", "deviation", deviation, 0)

    def change(self, images: Images, rng: Rng) -> Images:
        """Return noisy images."""
        noise = rng.standard_normal(images.shape, dtype=np.float32)
        return self._bounded(images + np.float32(self.deviation) * noise, images.dtype)


class Brightness(_Light):
    """A constant is added to each image.

    Parameters
    ----------
    amount : float or (low, high)
        Uniform in ±amount or in the interval.
    bounds : (low, high) or None
        Where the result is cut off; None for standardised images.
    **options
        `probability` and `shape` of `Augmentation`.

    Raises
    ------
    DataError
        An argument is not as described.
    """

    def __init__(self, amount: Range = 0.2, **options: Any) -> None:
        super().__init__(**options)
        self.amount = _interval("Brightness", "amount", amount)

    def change(self, images: Images, rng: Rng) -> Images:
        """Return lighter or darker images."""
        amount = rng.uniform(*self.amount, size=(len(images), 1, 1, 1))
        return self._bounded(images + amount, images.dtype)


class Contrast(_Light):
    """Each image's difference from its mean is multiplied by a factor.

    Parameters
    ----------
    factor : float or (low, high)
        Log-uniform in the interval, or from 1/(1 + factor) to 1 + factor.
    bounds : (low, high) or None
        Where the result is cut off; None for standardised images.
    **options
        `probability` and `shape` of `Augmentation`.

    Raises
    ------
    DataError
        An argument is not as described.
    """

    def __init__(self, factor: Range = 0.5, **options: Any) -> None:
        super().__init__(**options)
        if isinstance(factor, tuple):
            self.factor = _interval("Contrast", "factor", factor)
        else:
            size = demand_number("Contrast", "factor", factor, 0)
            self.factor = (1 / (1 + size), 1 + size)
        if self.factor[0] <= 0:
            raise refusal("Contrast", f"factor={factor!r}", "factors above 0", "pass (0.5, 2.0)")

    def change(self, images: Images, rng: Rng) -> Images:
        """Return images with more or less contrast."""
        low, high = self.factor
        factor = low * (high / low) ** rng.random((len(images), 1, 1, 1))
        mean = images.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
        return self._bounded(mean + factor * (images - mean), images.dtype)


def sampled(images: Images, rows: Images, columns: Images, *, fill: float = 0.0) -> Images:
    """Return images looked at in other places, bilinear between four pixels.

    Parameters
    ----------
    images : ndarray, shape (n, channels, height, width)
        Numbers.
    rows, columns : ndarray, shape (n, height, width)
        Where to look for each pixel of the result; beyond the edge there is `fill`.
    fill : float
        Brightness beyond the edge.

    Returns
    -------
    ndarray, shape (n, channels, height, width)
        New, of the dtype of the images.
    """
    count, channels, height, width = images.shape
    # A frame of the fill: places further out are pulled to it, and nothing is tested per pixel.
    framed = np.full((count, channels, height + 2, width + 2), fill, images.dtype)
    framed[:, :, 1:-1, 1:-1] = images
    rows, columns = np.clip(rows + 1, 0, height + 1), np.clip(columns + 1, 0, width + 1)
    # The last row has none below: its place is one higher, with all the weight on the lower row.
    top = np.minimum(rows.astype(np.intp), height)
    left = np.minimum(columns.astype(np.intp), width)
    down = (rows - top).astype(images.dtype)[:, None]
    right = (columns - left).astype(images.dtype)[:, None]
    stride = width + 2
    first = np.arange(count)[:, None, None, None] * channels + np.arange(channels)[:, None, None]
    corner = first * ((height + 2) * stride) + (top * stride + left)[:, None]
    flat = framed.reshape(-1)
    upper = flat.take(corner)
    upper += right * (flat.take(corner + 1) - upper)
    corner += stride
    lower = flat.take(corner)
    lower += right * (flat.take(corner + 1) - lower)
    upper += down * (lower - upper)
    result: Images = upper
    return result


def augmentations() -> dict[str, Augmentation]:
    """Return one transform of every kind with its usual settings, by name: to look at."""
    return {
        "shift": Shift(3),
        "rotate": Rotate(20),
        "scale": Scale(0.3),
        "shear": Shear(20),
        "elastic": Elastic(),
        "noise": Noise(0.2),
        "erase": Erase((7, 12), fill=0.5),
        "flip": Flip(),
        "brightness": Brightness(0.4),
        "contrast": Contrast(1.0),
        "composed": Compose(Affine(shift=2, rotate=10, scale=0.1, shear=10), Elastic(), Noise(0.1)),
    }


def save_examples(
    images: ArrayLike,
    path: str | os.PathLike[str],
    *,
    rng: Rng | int,
    transforms: Mapping[str, Augmentation] | None = None,
    title: str = "",
) -> Path:
    """Draw what transforms do to some images, one row each; write it, return its path.

    Parameters
    ----------
    images : array_like
        A few images as for `Augmentation.apply`, one channel, fractions in [0, 1]. They are the
        first row.
    path : str or path
        Ends in .png, .svg or .pdf.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    transforms : mapping of str to Augmentation, optional
        What to show under which name; `augmentations` by default.
    title : str
        A line above the picture.

    Raises
    ------
    DataError
        The array holds no images of one channel.
    DiagramError
        Matplotlib is not installed; the text says how to install it.
    """
    generator = as_generator("save_examples", rng)
    given = np.asarray(images)
    shown = augmentations() if transforms is None else dict(transforms)
    rows = {"as it is": given, **{name: t.apply(given, generator) for name, t in shown.items()}}
    channels, height, width = next(iter(shown.values()), Flip())._sides(given)
    if channels != 1 or len(given) == 0:
        raise refusal(
            "save_examples",
            f"images of shape {given.shape}",
            "some images of one channel",
            "pass a few images, one channel each: images[:8]",
        )
    shapes = {name: changed.reshape(-1, height, width) for name, changed in rows.items()}
    return image_rows(shapes, title=title).save(path)


def _interval(who: str, name: str, value: Any, *, most: float = math.inf) -> tuple[float, float]:
    """Return an interval, from one or from a number for both sides of 0."""
    if isinstance(value, tuple) and len(value) == 2:
        low = demand_number(who, name, value[0], -most, most)
        return low, demand_number(who, name, value[1], low, most)
    size = demand_number(who, name, value, 0, most)
    return -size, size


def _blur(side: int, sigma: float) -> NDArray[np.float32]:
    """Return the matrix that blurs `side` places, from so many more that no edge shows."""
    reach = math.ceil(3 * sigma)
    distance = np.arange(side + 2 * reach) - reach - np.arange(side)[:, None]
    weight = np.exp(-0.5 * (distance / sigma) ** 2) * (abs(distance) <= reach)
    blur: NDArray[np.float32] = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return blur
