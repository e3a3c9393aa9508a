"""Any set of images in four IDX files: Fashion-MNIST, EMNIST, Kuzushiji-MNIST, or your own.

Knows: how such files are usually named, and that images and labels must pair up. Does not know: the
file format (`idx.py`).
Read next: `mnist/`, the set that comes with the package.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_edu.data.checks import refusal
from tinygrad_edu.data.idx import read_idx
from tinygrad_edu.data.preprocess import one_hot as as_one_hot

__all__ = ["FASHION", "ImageSet", "load_images"]

FASHION = (
    "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip
"""What the labels of Fashion-MNIST mean: for ``load_images(folder, classes=FASHION)``."""
PARTS = {"train": ("train",), "test": ("t10k", "test")}


class ImageSet(NamedTuple):
    """Images and labels to train on and to test with, and the names of the classes."""

    train_images: NDArray[Any]
    train_labels: NDArray[Any]
    test_images: NDArray[Any]
    test_labels: NDArray[Any]
    classes: tuple[str, ...]


def load_images(
    folder: str | os.PathLike[str],
    *,
    name: str = "",
    classes: Sequence[str] | None = None,
    first: int = 0,
    normalize: bool = True,
    flatten: bool = False,
    transpose: bool = False,
    one_hot: bool = False,
    dtype: DTypeLike = np.float32,
) -> ImageSet:
    """Return the images and labels of four IDX files in a folder.

    Parameters
    ----------
    folder : str or path
        Has four files, each raw or packed with gzip: images and labels (their names say so), to
        train ("train") and to test ("t10k" or "test"). If a file is there in both forms, the packed
        one is read.
    name : str
        What the names of the files must contain besides, where a folder holds several sets:
        "emnist-letters".
    classes : sequence of str, optional
        Names of the classes; their numbers by default.
    first : int
        The smallest label in the files, which becomes 0: 1 for EMNIST's letters.
    normalize : bool
        Scale pixels to [0, 1]; otherwise they stay 0 to 255.
    flatten : bool
        Images of shape (n, height·width); otherwise (n, channels, height, width).
    transpose : bool
        Exchange rows and columns, as EMNIST needs it.
    one_hot : bool
        Labels of shape (n, classes) in `dtype`; otherwise (n,), int64.
    dtype : dtype
        Of the images; with `normalize=False`, np.uint8 keeps the bytes.

    Returns
    -------
    ImageSet
        `train_images, train_labels, test_images, test_labels, classes`. The shape of an image is
        that of the file.

    Raises
    ------
    DataError
        A file is missing, there are several candidates, or what they hold does not go together.
    OSError
        The folder cannot be read.
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in ("f" if normalize else "uif") or not np.can_cast(np.uint8, dtype):
        raise refusal(
            "load_images",
            f"dtype {dtype}",
            f"one that holds {'fractions' if normalize else 'the numbers 0 to 255'}",
            "pass dtype=np.float32" + (", or normalize=False" if normalize else ""),
        )
    home = Path(folder)
    files = sorted(path for path in home.iterdir() if path.is_file())
    raw: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for part in PARTS:
        paths = [_find(home, files, part, kind, name) for kind in ("images", "labels")]
        images, labels = _images(paths[0]), _labels(paths[1], first)
        if len(images) != len(labels):
            raise refusal(
                str(home),
                f"{len(images)} images in {paths[0].name} and {len(labels)} labels in "
                f"{paths[1].name}",
                "one label for each image",
                "take both files from the same data set",
            )
        raw[part] = images, labels
    sides = {part: images.shape[1:] for part, (images, _) in raw.items()}
    if sides["train"] != sides["test"]:
        raise refusal(
            str(home),
            f"images of shape {sides['train']} to train and {sides['test']} to test",
            "one shape",
            "take all files from the same data set",
        )
    count = 1 + max(int(labels.max(initial=0)) for _, labels in raw.values())
    if classes is not None and len(classes) < count:
        raise refusal(
            str(home),
            f"labels up to {count - 1 + first}, so {count} classes, and {len(classes)} names",
            "a name for each class",
            "pass more names, or first=1 if the labels count from 1",
        )
    names = tuple(map(str, range(first, first + count)) if classes is None else map(str, classes))
    arrays: list[NDArray[Any]] = []
    for images, labels in raw.values():
        stack = images[:, None] if images.ndim == 3 else images
        stack = stack.swapaxes(2, 3) if transpose else stack
        pixels = np.divide(stack, 255, dtype=dtype) if normalize else stack.astype(dtype)
        pixels = np.ascontiguousarray(pixels)
        arrays.append(pixels.reshape(len(pixels), -1) if flatten else pixels)
        arrays.append(as_one_hot(labels, len(names), dtype=dtype) if one_hot else labels)
    return ImageSet(arrays[0], arrays[1], arrays[2], arrays[3], names)


def _find(home: Path, files: list[Path], part: str, kind: str, name: str) -> Path:
    """Return the file of one part and kind, by its name."""
    found: dict[str, Path] = {}
    for path in files:
        lower = path.name.lower()
        if (
            any(word in lower for word in PARTS[part])
            and kind in lower
            and name.lower() in lower
            and path.suffix.lower() not in (".tmp", ".md", ".txt", ".csv", ".png")
        ):
            # Packed and raw are one file; in the order of names the packed one comes last.
            found[lower.removesuffix(".gz")] = path
    if len(found) == 1:
        return next(iter(found.values()))
    like = (
        f"{name or part}{'-' + part if name else ''}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
    )
    raise refusal(
        str(home),
        f"{len(found) or 'no'} files of {part} {kind}"
        + (f" ({', '.join(path.name for path in found.values())})" if found else "")
        + (f", with {name!r} in the name" if name else ""),
        "one",
        "pass name='...' to choose the set"
        if found
        else f"put it there, named like {like} or {like}.gz",
    )


def _images(path: Path) -> NDArray[Any]:
    """Return the images of a file, uint8 of 3 or 4 axes."""
    images = read_idx(path)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape:
        raise refusal(
            str(path),
            f"{images.dtype} of shape {images.shape}",
            "uint8 of shape (n, height, width) or (n, channels, height, width)",
            "check that images and labels are not exchanged, or use read_idx",
        )
    return images


def _labels(path: Path, first: int) -> NDArray[np.int64]:
    """Return the labels of a file, counted from 0."""
    labels = read_idx(path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise refusal(
            str(path),
            f"{labels.dtype} of shape {labels.shape}",
            "integers of shape (n,)",
            "check that images and labels are not exchanged, or use read_idx",
        )
    counted = labels.astype(np.int64) - first
    if counted.min(initial=0) < 0:
        raise refusal(
            str(path), f"label {labels.min()}", f"at least first={first}", "pass a smaller first"
        )
    if counted.max(initial=0) > 65535:
        raise refusal(str(path), f"label {labels.max()}", "at most 65536 classes", "use read_idx")
    return counted
