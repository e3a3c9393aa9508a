"""Batches: in what order the samples of a data set are visited, and how that is resumed.

Knows: index arithmetic, one random generator, and threads that work ahead. Does not know: tensors,
nets, files; NumPy arrays come in, NumPy arrays go out.
Read next: `tinygrad_edu/train/`, which calls it.

Threads change nothing but the time. A `_Course` foretells which batches come next, on copies of the
generator and the order, and each of them is made by a thread of its own. What is handed out is
decided as without threads: the loader draws the indices with its own generator, and takes what was
made ahead only if it is the batch with these indices and this number. So the bookmark and the
generator are at every moment where they would be without threads.
"""

import copy
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.data import checks
from tinygrad_edu.data.checks import demand_count, is_integer
from tinygrad_edu.data.datasets import Batch, Dataset, as_dataset
from tinygrad_edu.errors import DataError

__all__ = ["DataLoader", "Transform"]

Transform = Callable[[Batch, np.random.Generator], Batch]
"""From a batch to a batch, by the random numbers that it is given; see `augment.py`."""
MOST_WORKERS = 64


class _Which(NamedTuple):
    """Which batch is meant: its samples, and its number, which seeds the transform."""

    indices: NDArray[np.int64]
    number: tuple[int, int, int]

    def same(self, other: "_Which") -> bool:
        """Return whether both mean one batch."""
        return self.number == other.number and np.array_equal(self.indices, other.indices)


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
    transform : callable, optional
        ``f(batch, rng) -> batch`` on tuples of arrays, for example from `augment.py`. The generator
        that it gets is made for the batch, from a seed and the batch's number: epoch and position.
    workers : int
        Threads that prepare batches ahead, one each; 0 for none. They change no batch, and are
        worth it where a batch takes longer than a millisecond. The data set and the transform are
        then called from several threads at once. A thread ends with its batch: an idle loader has
        none.
    rng : numpy.random.Generator or int, optional
        The loader's own generator, or a seed to make it from; needed unless the order is fixed and
        nothing transformed.

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
        transform: Transform | None = None,
        workers: int = 0,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.dataset = as_dataset(data, "DataLoader")
        samples = len(self.dataset)
        if not is_integer(batch_size, least=1):
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
        if transform is not None and not callable(transform):
            raise DataError(
                f"DataLoader: found transform={transform!r}; expected f(batch, rng) -> batch. "
                "Fix: pass a function, or a transform of augment.py."
            )
        self.workers = demand_count("DataLoader", "workers", workers, 0, MOST_WORKERS)
        self.rng = _as_generator(rng, needed=shuffle or transform is not None)
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.last = last
        self.replacement = replacement
        self._order = np.arange(0 if replacement else samples)
        self._position = np.zeros((), np.int64)
        self._epoch = np.zeros((), np.int64)
        self.transform = transform
        # Drawn only where it is needed: without a transform the generator gives what it always did.
        seed = 0 if transform is None else self.rng.integers(1 << 62)
        self._seed = np.array(seed, np.int64)
        self._ahead: deque[_Job] = deque()
        self._course: _Course | None = None

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
            The data set or the transform gives something else than a tuple of arrays.
        Exception
            Whatever they raise; in a thread, too, with the traceback from there.
        """
        which = _Which(self._next_indices(), self._number(self._epoch, self._position))
        batch = self._made_ahead(which) if self.workers else self._make(which)
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
            `position`, shape (), batches read in this epoch; `epoch`, shape (), epochs finished;
            with a transform also `seed`, shape (), of its random numbers.
        """
        seed = {} if self.transform is None else {"seed": self._seed}
        return {"order": self._order, "position": self._position, "epoch": self._epoch, **seed}

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
            arrays = {name: np.asarray(state[name]) for name in self.state()}
            order, position, epoch = arrays["order"], arrays["position"], arrays["epoch"]
            seed = arrays.get("seed", self._seed)
            trial.state = state["rng"]
        except (ValueError, TypeError, KeyError, OverflowError, IndexError) as error:
            raise DataError(
                f"DataLoader: found a state that cannot be read ({error}); expected one of a "
                f"loader with a {type(trial).__name__} generator. Fix: make the loader with "
                "the kind of generator that the state was saved with, or take an older state."
            ) from error
        if (
            any(array.size and array.dtype.kind not in "iu" for array in arrays.values())
            or order.shape != self._order.shape
            or not np.array_equal(np.sort(order), np.arange(len(order)))
            or position.tolist() not in range(self._length)
            or not is_integer(epoch.tolist(), least=0)
            or not is_integer(seed.tolist(), least=0)
        ):
            raise DataError(
                f"DataLoader: found a bookmark at batch {position} of epoch {epoch} in an order of "
                f"shape {order.shape}; expected a batch below {self._length}, an epoch of at least "
                f"0 and every index below {len(self._order)} once. Fix: the state is damaged; "
                "take an older one."
            )
        self.rng.bit_generator.state = trial.state
        for name, array in self.state().items():
            array[...] = arrays[name]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy has: all but the batches made ahead, which it makes itself."""
        return {**vars(self), "_ahead": deque(), "_course": None}

    def _number(self, epoch: Any, position: Any) -> tuple[int, int, int]:
        """Return what seeds the transform of a batch, and nothing else does."""
        return int(self._seed), int(epoch), int(position)

    def _make(self, which: _Which) -> Batch:
        """Return the batch that is meant, read and transformed."""
        # A data set may write to its indices, and they are compared later.
        batch = _demand_tuple(self.dataset[which.indices.copy()], "data set", "__getitem__")
        if self.transform is not None:
            batch = self.transform(batch, np.random.default_rng(which.number))
            batch = _demand_tuple(batch, "transform", "it")
        return batch

    def _made_ahead(self, which: _Which) -> Batch:
        """Return the batch that is meant from the threads, and let them go on to later ones."""
        if not self._ahead or not self._ahead[0].which.same(which):
            # The first batch; or the bookmark or the generator were moved from outside.
            self._ahead.clear()
            self._ahead.append(_Job(self, which))
            self._course = _Course(self)
        job = self._ahead.popleft()
        try:
            assert self._course is not None
            while len(self._ahead) < self.workers:
                self._ahead.append(_Job(self, self._course.next_of(self)))
            return job.result()
        except BaseException:
            self._ahead.clear()  # the next call begins anew, as it does without threads
            raise

    def _next_indices(self) -> NDArray[np.int64]:
        """Return the indices of the batch after the bookmark, drawing where one must be drawn."""
        return self._draw(self.rng, self._order, int(self._position))

    def _draw(
        self, rng: np.random.Generator, order: NDArray[np.int64], position: int
    ) -> NDArray[np.int64]:
        """Return the indices of one batch; at the first of an epoch its order is drawn."""
        if self.replacement:
            return rng.integers(len(self.dataset), size=self.batch_size)
        if self.shuffle and position == 0:
            order[...] = rng.permutation(len(order))
        start = position * self.batch_size
        return order[start : start + self.batch_size].copy()

    def _form(self) -> dict[str, Any]:
        """Return what two loaders must share for one to continue the other."""
        return {
            "samples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "last": self.last,
            "replacement": self.replacement,
            # Named only where there is one, so that states from before there were any still fit.
            **({} if self.transform is None else {"transform": True}),
        }


class _Course:
    """The batches after the one that was just drawn, if nobody moves the loader's bookmark."""

    def __init__(self, loader: DataLoader) -> None:
        self.rng = np.random.Generator(copy.deepcopy(loader.rng.bit_generator))
        self.order = loader._order.copy()
        self.epoch, self.position = int(loader._epoch), int(loader._position)

    def next_of(self, loader: DataLoader) -> _Which:
        """Return the next batch; the loader is not kept, for it keeps this."""
        self.position += 1
        if self.position == len(loader):
            self.position, self.epoch = 0, self.epoch + 1
        indices = loader._draw(self.rng, self.order, self.position)
        return _Which(indices, loader._number(self.epoch, self.position))


class _Job:
    """One batch, made by a thread that begins at once and ends with it."""

    def __init__(self, loader: DataLoader, which: _Which) -> None:
        self.which = which
        self._batch: Batch | None = None
        self._error: BaseException | None = None
        # The method and not the loader: a job holds nothing that holds the job.
        self._thread = threading.Thread(target=self._run, args=(loader._make,), name="DataLoader")
        self._thread.start()

    def _run(self, make: Callable[[_Which], Batch]) -> None:
        try:
            self._batch = make(self.which)
        except BaseException as error:
            self._error = error

    def result(self) -> Batch:
        """Return the batch when it is there, or raise what the thread raised, where it did."""
        self._thread.join()
        if self._error is not None:
            # Taken out first: an error whose traceback holds its own job would be a cycle.
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error
        assert self._batch is not None
        return self._batch


def _demand_tuple(batch: Any, who: str, what: str) -> Batch:
    """Return a batch, once it is a tuple."""
    if not isinstance(batch, tuple):
        raise DataError(
            f"DataLoader: found {type(batch).__name__} from the {who}; expected a tuple of "
            f"arrays. Fix: let {what} return a tuple"
            + (", or wrap arrays in ArrayDataset." if who == "data set" else ".")
        )
    return batch


def _as_generator(rng: Any, *, needed: bool) -> np.random.Generator:
    """Return the generator that was given or is made from the seed that was given."""
    if rng is None and not needed:
        return np.random.default_rng(0)  # never drawn from
    try:
        return checks.as_generator("DataLoader", rng)
    except DataError as error:
        raise DataError(f"{str(error)[:-1]}, or shuffle=False for a fixed order.") from None
