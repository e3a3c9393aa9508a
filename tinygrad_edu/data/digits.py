"""Pictures as a net that learned MNIST expects them: 28 x 28, a bright digit on black, centred.

Knows: how the digits of MNIST were prepared. Does not know: nets.
Read next: `png.py` and `idx.py`, the two formats.

References
----------
Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits": the digit scaled
to fit 20 x 20, its centre of mass in the middle of 28 x 28.
"""

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data.idx import GZIP_MAGIC, read_idx
from tinygrad_edu.data.mnist import SIDE
from tinygrad_edu.data.png import SIGNATURE, read_png
from tinygrad_edu.errors import DataError

FITTED = 20
"""Side of the square that a digit fills, in the middle of the picture."""
INK = 0.2
"""Brightness, fraction in [0, 1], from which a pixel belongs to the digit."""

Image = NDArray[np.float32]


class Digit(NamedTuple):
    """One picture: where it is from, its pixels, and what was done to it, in words."""

    name: str
    pixels: Image
    note: str


def read_digits(path: str | os.PathLike[str]) -> list[Digit]:
    """Return the pictures in a PNG or IDX file, each prepared as `prepare_digit` says.

    Parameters
    ----------
    path : str or path
        A PNG picture, or an IDX file of one picture or many, raw or packed with gzip.

    Raises
    ------
    DataError
        The file is neither, damaged, or holds something else than grey pictures.
    OSError
        The file cannot be opened.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        start = file.read(len(SIGNATURE))
    if start == SIGNATURE:
        rgba = read_png(path).astype(np.float32) / 255
        # The weights of the eye, and white paper behind what is transparent.
        grey = rgba[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
        pixels, note = prepare_digit(grey * rgba[..., 3] + (1 - rgba[..., 3]))
        return [Digit(name, pixels, note)]
    if not start.startswith((GZIP_MAGIC, b"\0\0")):
        raise DataError(
            f"{name}: found neither PNG nor IDX, by its first bytes '{start.hex(' ')}'; expected a "
            "picture in one of these formats. Fix: save it as PNG."
        )
    images = read_idx(path)
    if images.ndim == 2:
        images = images[None]
    if images.ndim != 3 or images.dtype != np.uint8 or 0 in images.shape:
        raise DataError(
            f"{name}: found {images.dtype} of shape {images.shape}; expected pictures, uint8 of "
            "shape (n, height, width) or (height, width). Fix: check that this is the file of "
            "images, not that of labels."
        )
    digits = []
    for i, image in enumerate(images):
        pixels, note = prepare_digit(image / np.float32(255))
        digits.append(Digit(f"{name}[{i}]" if len(images) > 1 else name, pixels, note))
    return digits


def prepare_digit(grey: NDArray[Any]) -> tuple[Image, str]:
    """Return a picture as the digits of MNIST are, and what was done to it, in words.

    A bright margin is taken for paper, and inverted. A picture that is 28 x 28 is left as it is
    otherwise; another is cut to its digit, which is scaled to 20 x 20 and put with its centre of
    mass into the middle.

    Parameters
    ----------
    grey : ndarray, shape (height, width)
        Brightness, fraction in [0, 1].

    Returns
    -------
    tuple of (ndarray of float32, shape (28, 28), str)
    """
    image = np.asarray(grey, np.float32)
    done = []
    margin = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    if np.median(margin) > 0.5:
        image = 1 - image
        done.append("inverted, for it is dark on light")
    if image.shape != (SIDE, SIDE):
        height, width = image.shape
        done.insert(0, f"scaled from {width} x {height}")
        image = _centred(_fitted(image))
    return image, " and ".join(done)


def _fitted(image: Image) -> Image:
    """Return the part that has ink, scaled so that its longer side is 20."""
    rows, columns = (np.flatnonzero((image > INK).any(axis=axis)) for axis in (1, 0))
    if len(rows):
        image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = FITTED / max(image.shape)
    height, width = (max(1, round(size * scale)) for size in image.shape)
    scaled = _overlap(height, image.shape[0]) @ image @ _overlap(width, image.shape[1]).T
    return np.asarray(scaled, np.float32)


def _overlap(new: int, old: int) -> NDArray[np.float32]:
    """Return the matrix that scales one axis: each new pixel is the mean of what it covers."""
    starts = np.arange(new)[:, None] * (old / new)
    pixels = np.arange(old)
    covered = np.minimum(starts + old / new, pixels + 1) - np.maximum(starts, pixels)
    share: NDArray[np.float32] = (np.maximum(covered, 0) * (new / old)).astype(np.float32)
    return share


def _centred(image: Image) -> Image:
    """Return 28 x 28 pixels with the centre of mass of the image in the middle, where it fits."""
    mass = image.sum()
    canvas = np.zeros((SIDE, SIDE), np.float32)
    corner = []
    for axis, size in enumerate(image.shape):
        along = image.sum(axis=1 - axis)
        centre = float(along @ np.arange(size)) / float(mass) if mass > 0 else (size - 1) / 2
        corner.append(min(max(round((SIDE - 1) / 2 - centre), 0), SIDE - size))
    top, left = corner
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas
