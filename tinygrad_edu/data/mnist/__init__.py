"""The MNIST digits as arrays, from the four files of this folder or of a folder of yours.

Knows: names, shapes and scale of the data (README.md in this folder tells where they come from).
Does not know: the file format (`idx.py`), batches (`loader.py`).
Read next: `loader.py`.
"""

import os
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_edu.data.idx import read_idx
from tinygrad_edu.errors import DataError

SIDE = 28
CLASSES = 10


class MNIST(NamedTuple):
    """Images and labels to train on and to test with; unpacks in the order of its fields."""

    train_images: NDArray[Any]
    train_labels: NDArray[Any]
    test_images: NDArray[Any]
    test_labels: NDArray[Any]


def load_mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    normalize: bool = True,
    flatten: bool = True,
    one_hot: bool = False,
    dtype: DTypeLike = np.float32,
) -> MNIST:
    """Return the 60,000 training and 10,000 test digits as four arrays.

    Parameters
    ----------
    folder : str or path, optional
        A folder with the four files, raw or packed with gzip, under the usual names
        (`train-images-idx3-ubyte`, `train-images.idx3-ubyte`, each also with `.gz`), of any number
        of images; Fashion-MNIST has the same format. Without it, the digits that come with this
        package.
    normalize : bool
        Scale pixels to [0, 1]; otherwise they stay 0 to 255.
    flatten : bool
        Images of shape (n, 784), for fully connected nets; otherwise (n, 1, 28, 28), for
        convolutional ones.
    one_hot : bool
        Labels of shape (n, 10) in `dtype`, 1 at the label; otherwise (n,), int64, 0 to 9.
    dtype : dtype
        Of the images; with `normalize=False`, np.uint8 keeps the bytes as they lie in the file.

    Returns
    -------
    MNIST
        `train_images, train_labels, test_images, test_labels`.

    Raises
    ------
    DataError
        A file is missing, damaged or not of this format, images and labels do not pair up, or
        `dtype` cannot hold the pixels.

    Examples
    --------
    >>> digits = load_mnist()
    >>> digits.train_images.shape, digits.test_labels[:5].tolist()
    ((60000, 784), [7, 2, 1, 0, 4])
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in ("f" if normalize else "uif") or not np.can_cast(np.uint8, dtype):
        raise DataError(
            f"load_mnist: found dtype {dtype}; expected one that holds "
            f"{'fractions' if normalize else 'the numbers 0 to 255'}. Fix: pass "
            f"dtype=np.float32{', or normalize=False' if normalize else ''}."
        )
    home: Traversable = files(__name__) if folder is None else Path(folder)
    arrays: list[NDArray[Any]] = []
    for prefix in ("train", "t10k"):
        images = _read(home, f"{prefix}-images", "idx3-ubyte", (SIDE, SIDE))
        labels = _read(home, f"{prefix}-labels", "idx1-ubyte", ())
        if len(images) != len(labels):
            raise DataError(
                f"{home}: found {len(images)} images and {len(labels)} labels for '{prefix}'; "
                "expected one label for each image. Fix: take both files from the same data set."
            )
        if labels.max(initial=0) >= CLASSES:
            raise DataError(
                f"{home}: found label {labels.max()} in '{prefix}-labels'; expected 0 to "
                f"{CLASSES - 1}. Fix: for a set with other classes, use read_idx."
            )
        # One pass with no array in between: the ufunc converts a few thousand pixels at a time.
        pixels = np.divide(images, 255, dtype=dtype) if normalize else images.astype(dtype)
        shape = (SIDE * SIDE,) if flatten else (1, SIDE, SIDE)
        arrays.append(pixels.reshape(len(images), *shape))
        arrays.append(np.eye(CLASSES, dtype=dtype)[labels] if one_hot else labels.astype(np.int64))
    return MNIST(*arrays)


def _read(home: Traversable, stem: str, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the bytes of one file, an array whose rows have the given shape."""
    names = [f"{stem}{mark}{kind}{packing}" for mark in "-." for packing in (".gz", "")]
    found = next((home / name for name in names if (home / name).is_file()), None)
    if found is None:
        raise DataError(
            f"{home}: found no file of {stem.replace('-', ' ')}; expected one of "
            f"{', '.join(names)}. Fix: put it there, or call load_mnist() without a folder for "
            "the digits that come with this package."
        )
    with as_file(found) as path:
        array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim == 0 or array.shape[1:] != shape:
        raise DataError(
            f"{found}: found {array.dtype} of shape {array.shape}; expected uint8 of shape "
            f"{('n', *shape)}. Fix: check that images and labels are not exchanged, or use "
            "read_idx for a set of another format."
        )
    return array
