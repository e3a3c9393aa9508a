"""Data sets: something with a length that gives the samples at an array of indices.

Knows: how arrays, parts of data sets, several of them, and sequences of different lengths become
one data set. Does not know: in what order they are read.
Read next: `loader.py`, which reads them in batches.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_edu.data.checks import refusal
from tinygrad_edu.data.sequences import pad_sequences
from tinygrad_edu.errors import DataError

__all__ = [
    "ArrayDataset",
    "Batch",
    "ConcatDataset",
    "Dataset",
    "SequenceDataset",
    "Subset",
    "TransformedDataset",
    "as_dataset",
]

Batch = tuple[NDArray[Any], ...]


@runtime_checkable
class Dataset(Protocol):
    """What a loader needs: a number of samples, and the samples at an array of indices."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, indices: NDArray[np.int64], /) -> Batch:
        """Return new arrays, one for each part of a sample, with a row for each index."""


class ArrayDataset:
    """Arrays whose rows belong together: sample i is row i of each.

    Parameters
    ----------
    *arrays : array_like
        At least one; all of the same first dimension. They are kept, not copied.

    Raises
    ------
    DataError
        No array, an array without rows to count, or different numbers of rows.
    """

    def __init__(self, *arrays: ArrayLike) -> None:
        self.arrays = tuple(np.asarray(array) for array in arrays)
        shapes = [array.shape for array in self.arrays]
        if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
            raise DataError(
                f"ArrayDataset: found arrays of shapes {shapes}; expected at least one array, and "
                "the same first dimension (the number of samples) in each. Fix: check that images "
                "and labels come from the same set, and that samples lie along the first axis."
            )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.arrays[0])

    def __getitem__(self, indices: NDArray[np.int64], /) -> Batch:
        """Return copies of the rows at an array of indices, one array for each that was given."""
        return tuple(array[indices] for array in self.arrays)


class Subset:
    """Some samples of another data set, in an order of their own.

    Parameters
    ----------
    data : Dataset, ndarray, or tuple or list of ndarrays
        Where the samples are; not copied.
    indices : array_like of int, shape (n,)
        Which ones: sample i is sample ``indices[i]`` of `data`. One may come several times.

    Raises
    ------
    DataError
        An index is no integer from 0 to the last sample.
    """

    def __init__(self, data: Any, indices: ArrayLike) -> None:
        self.dataset = as_dataset(data, "Subset")
        given = np.asarray(indices)
        samples = len(self.dataset)
        if (
            given.ndim != 1
            or (given.size and given.dtype.kind not in "iu")
            or (given.size and (given.min() < 0 or given.max() >= samples))
        ):
            raise refusal(
                "Subset",
                f"indices, {given.dtype} of shape {given.shape}"
                + (f", from {given.min()} to {given.max()}" if given.dtype.kind in "iu" else ""),
                f"integers of shape (n,) from 0 to {samples - 1}",
                "pass for example split_indices(...).train; np.flatnonzero(mask) for a mask",
            )
        self.indices = given.astype(np.int64)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.indices)

    def __getitem__(self, indices: NDArray[np.int64], /) -> Batch:
        """Return the samples at an array of indices of this part."""
        return self.dataset[self.indices[indices]]


class ConcatDataset:
    """The samples of several data sets, one set behind the other.

    Parameters
    ----------
    *data : Dataset, ndarray, or tuple or list of ndarrays
        At least one. Their samples have the same parts, of the same shapes.

    Raises
    ------
    DataError
        No data set was given; or, when samples are read, the parts do not go together.
    """

    def __init__(self, *data: Any) -> None:
        self.datasets = [as_dataset(part, "ConcatDataset") for part in data]
        if not self.datasets:
            raise refusal("ConcatDataset", "no data set", "at least one", "pass some")
        self.ends = np.cumsum([len(dataset) for dataset in self.datasets])

    def __len__(self) -> int:
        """Return the number of samples of all of them."""
        return int(self.ends[-1])

    def __getitem__(self, indices: NDArray[np.int64], /) -> Batch:
        """Return the samples at an array of indices, in the order of the indices."""
        indices = np.asarray(indices)
        which = np.searchsorted(self.ends, indices, side="right")
        pieces, places = [], []
        for i in np.unique(which).tolist():
            here = np.flatnonzero(which == i)
            start = int(self.ends[i]) - len(self.datasets[i])
            pieces.append(self.datasets[i][indices[here] - start])
            places.append(here)
        if not pieces:
            return self.datasets[0][indices]
        shapes = [[part.shape[1:] for part in piece] for piece in pieces]
        if any(other != shapes[0] for other in shapes):
            raise refusal(
                "ConcatDataset",
                f"samples of shapes {shapes[0]} and {next(s for s in shapes if s != shapes[0])}",
                "the same parts, of the same shapes, in every data set",
                "bring the data sets to one form first",
            )
        back = np.argsort(np.concatenate(places))
        return tuple(np.concatenate(parts)[back] for parts in zip(*pieces, strict=True))


class TransformedDataset:
    """A data set whose samples are changed when they are read, always in the same way.

    What is random belongs to the loader: ``DataLoader(..., transform=...)``.

    Parameters
    ----------
    data : Dataset, ndarray, or tuple or list of ndarrays
        Where the samples are.
    function : callable
        From a batch, a tuple of arrays, to another one with as many rows.
    """

    def __init__(self, data: Any, function: Callable[[Batch], Batch]) -> None:
        self.dataset = as_dataset(data, "TransformedDataset")
        self.function = function

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.dataset)

    def __getitem__(self, indices: NDArray[np.int64], /) -> Batch:
        """Return the changed samples at an array of indices."""
        return self.function(self.dataset[indices])


class SequenceDataset:
    """Sequences of different lengths: each batch is padded to the longest of its own.

    Parameters
    ----------
    sequences : iterable of array_like, shape (steps,) or (steps, ...)
        At least one; the shapes agree but for the number of steps.
    *arrays : array_like, shape (n, ...)
        What belongs to the sequences, such as labels.
    value, length, side, dtype
        As for `pad_sequences`.

    Raises
    ------
    DataError
        The sequences do not go together, or `arrays` are not as many.

    Examples
    --------
    >>> data = SequenceDataset([[1, 2, 3], [4], [5, 6]], np.array([0, 1, 1]))
    >>> values, mask, labels = data[np.array([1, 2])]
    >>> values.tolist(), mask.tolist(), labels.tolist()
    ([[4, 0], [5, 6]], [[True, False], [True, True]], [1, 1])
    """

    def __init__(
        self,
        sequences: Iterable[ArrayLike],
        *arrays: ArrayLike,
        value: float = 0,
        length: int | None = None,
        side: Any = "right",
        dtype: DTypeLike | None = None,
    ) -> None:
        given = [np.asarray(sequence) for sequence in sequences]
        # Padding all of them once tells now what would go wrong later, and the dtype of all.
        all_of_them = pad_sequences(given, value=value, length=length, side=side, dtype=dtype)
        self.sequences: Sequence[NDArray[Any]] = given
        self.options: dict[str, Any] = {
            "value": value,
            "length": length,
            "side": side,
            "dtype": all_of_them.values.dtype,
        }
        self.rest = ArrayDataset(np.arange(len(given)), *arrays)

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.sequences)

    def __getitem__(self, indices: NDArray[np.int64], /) -> Batch:
        """Return values (n, steps, ...), mask (n, steps), and the rows of the other arrays."""
        chosen, *others = self.rest[indices]
        padded = pad_sequences([self.sequences[i] for i in chosen.tolist()], **self.options)
        return (*padded, *others)


def as_dataset(data: Any, who: str) -> Dataset:
    """Return data as a data set: arrays are wrapped, a data set is taken as it is."""
    if isinstance(data, tuple | list):
        return ArrayDataset(*data)
    if isinstance(data, np.ndarray):
        return ArrayDataset(data)
    if isinstance(data, Dataset):
        return data
    raise DataError(
        f"{who}: found data of type {type(data).__name__}; expected arrays, a tuple of "
        "arrays, or an object with __len__ and __getitem__. Fix: pass for example (images, labels)."
    )
