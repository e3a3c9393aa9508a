"""Batches: in what order the samples of a data set are visited, and how that is resumed.

Knows: index arithmetic and one random generator. Does not know: tensors, nets, files; NumPy arrays
come in, NumPy arrays go out.
Read next: `tinygrad_edu/train/`, which calls it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.errors import DataError

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


class DataLoader:
    """Batches of a data set, in an order that a stopped run resumes exactly.

    The loader is a bookmark. `for` reads from the bookmark to the end of the epoch, `sample()`
    reads one batch and knows no end; both move the same bookmark, so after a `break` the next `for`
    reads the rest of that epoch (`restart()` skips the rest). `state_dict()` tells everything.

    Parameters
    ----------
    data : Dataset, ndarray, or tuple or list of ndarrays
        What to read; arrays are wrapped in an `ArrayDataset`.
    batch_size : int
        Samples a batch.
    shuffle : bool
        Visit the samples of every epoch in a new random order; otherwise in their own order.
    last : {"keep", "drop"}
        What becomes of the last samples of an epoch if they do not fill a batch.
    replacement : bool
        Draw every batch anew from all samples, as `np.random.choice` does in the book, so that a
        sample may come twice or not at all; every batch is full then, and an epoch only a number of
        batches.
    rng : numpy.random.Generator or int, optional
        The loader's own generator, or a seed to make it from; needed unless the order is fixed.

    Raises
    ------
    DataError
        An argument is not as described, or no batch would come out.

    Examples
    --------
    >>> loader = DataLoader((np.arange(5), np.arange(5) ** 2), batch_size=2, shuffle=False)
    >>> [squares.tolist() for _, squares in loader]
    [[0, 1], [4, 9], [16]]
    """

    def __init__(
        self,
        data: Dataset | ArrayLike | Sequence[ArrayLike],
        batch_size: int,
        *,
        shuffle: bool = True,
        last: Literal["keep", "drop"] = "keep",
        replacement: bool = False,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.dataset = _as_dataset(data)
        samples = len(self.dataset)
        if not _is_integer(batch_size, least=1):
            raise DataError(
                f"DataLoader: found batch_size={batch_size!r}; expected an integer of at least 1. "
                "Fix: pass the number of samples a batch, for example 100."
            )
        for name, value in (("shuffle", shuffle), ("replacement", replacement)):
            if not isinstance(value, bool):
                raise DataError(
                    f"DataLoader: found {name}={value!r}; expected True or False. Fix: pass one."
                )
        if replacement and not shuffle:
            raise DataError(
                "DataLoader: found replacement=True with shuffle=False; expected one of them, for "
                "drawing with replacement has no order. Fix: drop shuffle=False."
            )
        if last not in ("keep", "drop"):
            raise DataError(
                f"DataLoader: found last={last!r}; expected 'keep' or 'drop'. Fix: 'keep' gives a "
                "shorter last batch, 'drop' leaves those samples out of the epoch."
            )
        self._length = samples // batch_size + (last == "keep" and samples % batch_size > 0)
        if self._length == 0:
            raise DataError(
                f"DataLoader: found {samples} samples for batches of {batch_size} with last="
                f"{last!r}, which makes no batch; expected at least one. Fix: "
                + ("use last='keep' or a smaller batch_size." if samples else "check the data.")
            )
        self.rng = _as_generator(rng, needed=shuffle)
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.last = last
        self.replacement = replacement
        self._order = np.arange(0 if replacement else samples)
        self._position = np.zeros((), np.int64)
        self._epoch = np.zeros((), np.int64)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._length

    def __iter__(self) -> Iterator[Batch]:
        """Return the batches from the bookmark to the end of the epoch."""
        epoch = int(self._epoch)
        while self._epoch == epoch:
            yield self.sample()

    def sample(self) -> Batch:
        """Return the next batch, of the next epoch where one ends.

        Returns
        -------
        tuple of ndarray
            New arrays, one for each part of a sample, with a row for each sample of the batch.

        Raises
        ------
        DataError
            The data set gives something else than a tuple of arrays.
        """
        batch = self.dataset[self._next_indices()]
        if not isinstance(batch, tuple):
            raise DataError(
                f"DataLoader: found {type(batch).__name__} from the data set; expected a tuple of "
                "arrays. Fix: let __getitem__ return a tuple, or wrap arrays in ArrayDataset."
            )
        # The bookmark moves before the batch is handed out: a state taken while the caller works
        # on batch k says that batch k + 1 comes next.
        self._position += 1
        if self._position == self._length:
            self._position[...] = 0
            self._epoch += 1
        return batch

    def restart(self) -> None:
        """Skip the rest of this epoch: the next batch is the first of a new one."""
        self._position[...] = 0

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Return the live arrays of the bookmark: what is written to them holds.

        Returns
        -------
        dict
            `order`, shape (samples,), of this epoch, or (0,) when drawing with replacement;
            `position`, shape (), batches read in this epoch; `epoch`, shape (), epochs finished.
        """
        return {"order": self._order, "position": self._position, "epoch": self._epoch}

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact continuation needs.

        Returns
        -------
        dict
            Copies of the arrays of `state()`; `rng`, the state of the generator, and `form`, what
            the loader was made with, both fit for JSON.
        """
        return {
            **{name: array.copy() for name, array in self.state().items()},
            # Some generators keep arrays in their state, which JSON does not know.
            "rng": json.loads(
                json.dumps(self.rng.bit_generator.state, default=lambda value: value.tolist())
            ),
            "form": self._form(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put the bookmark where another loader's `state_dict()` had it.

        Parameters
        ----------
        state : mapping
            From a loader of the same form; arrays may have become lists on the way.

        Raises
        ------
        DataError
            The state is incomplete, damaged, or of a loader of another form or generator; this
            loader is unchanged then.
        """
        if missing := {*self.state(), "rng", "form"} - set(state):
            raise DataError(
                f"DataLoader: found a state without {sorted(missing)}; expected what state_dict() "
                "gives. Fix: save and load the whole dictionary."
            )
        if state["form"] != self._form():
            raise DataError(
                f"DataLoader: found the state of a loader with {state['form']}; expected "
                f"{self._form()}. Fix: make the loader with the same data and arguments."
            )
        # A generator of the same kind tries the state first: a bad one leaves ours as it was.
        trial = type(self.rng.bit_generator)()
        try:
            order, position, epoch = (np.asarray(state[name]) for name in self.state())
            trial.state = state["rng"]
        except (ValueError, TypeError, KeyError, OverflowError, IndexError) as error:
            raise DataError(
                f"DataLoader: found a state that cannot be read ({error}); expected one of a "
                f"loader with a {type(trial).__name__} generator. Fix: make the loader with "
                "the kind of generator that the state was saved with, or take an older state."
            ) from error
        if (
            any(array.size and array.dtype.kind not in "iu" for array in (order, position, epoch))
            or order.shape != self._order.shape
            or not np.array_equal(np.sort(order), np.arange(len(order)))
            or position.tolist() not in range(self._length)
            or not _is_integer(epoch.tolist(), least=0)
        ):
            raise DataError(
                f"DataLoader: found a bookmark at batch {position} of epoch {epoch} in an order of "
                f"shape {order.shape}; expected a batch below {self._length}, an epoch of at least "
                f"0 and every index below {len(self._order)} once. Fix: the state is damaged; "
                "take an older one."
            )
        self.rng.bit_generator.state = trial.state
        self._order[...], self._position[...], self._epoch[...] = order, position, epoch

    def _next_indices(self) -> NDArray[np.int64]:
        """Return the indices of the batch after the bookmark, drawing where one must be drawn."""
        if self.replacement:
            return self.rng.integers(len(self.dataset), size=self.batch_size)
        if self.shuffle and self._position == 0:
            self._order[...] = self.rng.permutation(len(self._order))
        start = int(self._position) * self.batch_size
        return self._order[start : start + self.batch_size].copy()

    def _form(self) -> dict[str, Any]:
        """Return what two loaders must share for one to continue the other."""
        return {
            "samples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "last": self.last,
            "replacement": self.replacement,
        }


def _as_dataset(data: Any) -> Dataset:
    """Return data as a data set: arrays are wrapped, a data set is taken as it is."""
    if isinstance(data, tuple | list):
        return ArrayDataset(*data)
    if isinstance(data, np.ndarray):
        return ArrayDataset(data)
    if isinstance(data, Dataset):
        return data
    raise DataError(
        f"DataLoader: found data of type {type(data).__name__}; expected arrays, a tuple of "
        "arrays, or an object with __len__ and __getitem__. Fix: pass for example (images, labels)."
    )


def _as_generator(rng: Any, *, needed: bool) -> np.random.Generator:
    """Return the generator that was given or is made from the seed that was given."""
    if isinstance(rng, np.random.Generator):
        return rng
    if _is_integer(rng, least=0):
        return np.random.default_rng(rng)
    if rng is None and not needed:
        return np.random.default_rng(0)  # never drawn from
    raise DataError(
        f"DataLoader: found rng={rng!r}; expected a numpy.random.Generator or a seed of at "
        "least 0. Fix: pass rng=np.random.default_rng(0), or shuffle=False for a fixed order."
    )


def _is_integer(value: Any, *, least: int) -> bool:
    """Return whether a value is an integer (a truth value is none) and not below the least."""
    return (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)
    )
