"""Trainer: the loop of training, and everything that must survive a power cut.

One iteration is: a batch, the loss, ``backward()``, ``step()``. Around it: evaluation, history,
early stopping, a checkpoint, and an answer to Ctrl-C that leaves no iteration half done.

Knows: a model, a loss, an optimizer and a loader by what they can do. Does not know: which ones.
Read next: ``checkpoint.py`` for the file, ``cli.py`` for a program that uses it.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_edu.core.state import Array, fitting
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import CheckpointError, DataError, TrainingError
from tinygrad_edu.nn import Module, default_generator
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.train.checkpoint import read_checkpoint, write_checkpoint
from tinygrad_edu.train.history import History, Record
from tinygrad_edu.train.metrics import Metric, correct, evaluate
from tinygrad_edu.train.progress import Progress

__all__ = ["EarlyStopping", "Trainer"]

RECENT = 20
"""Losses whose mean must be high for a run to count as diverging: one bad batch is none."""


class EarlyStopping:
    """Stop when a metric has not become better for a while, and go back to the best weights.

    Parameters
    ----------
    monitor : str
        Name in the history's records, such as ``"validation_accuracy"``. A set that decides when
        to stop is no longer unseen: keep the test set for the end.
    patience : int
        Evaluations without a better value before training stops, at least 1.
    best : {"highest", "lowest"}
        Which value is the best.
    """

    def __init__(self, monitor: str, patience: int, *, best: str = "highest") -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise TrainingError(
                f"EarlyStopping: found patience={patience!r}; expected an integer of at least 1\n"
                "  fix: pass how many evaluations may pass without a better one, such as 3"
            )
        if best not in ("highest", "lowest"):
            raise TrainingError(
                f"EarlyStopping: found best={best!r}; expected 'highest' or 'lowest'\n"
                "  fix: 'highest' for an accuracy, 'lowest' for a loss"
            )
        self.monitor, self.patience, self.best = monitor, patience, best
        self.value: float | None = None
        self.iteration = 0
        self.waited = 0
        self.weights: dict[str, Array] = {}

    @property
    def stopped(self) -> bool:
        """Whether patience is at its end."""
        return self.waited >= self.patience

    def watch(self, record: Record, model: Module) -> None:
        """Look at an evaluation; keep a copy of the weights if it is the best so far."""
        if self.monitor not in record:
            raise TrainingError(
                f"EarlyStopping: no record has {self.monitor!r}; found {', '.join(record)}\n"
                "  fix: monitor one of these, or give the trainer that evaluation set"
            )
        value = record[self.monitor]
        if value is None:
            raise TrainingError(
                f"EarlyStopping: {self.monitor!r} has no value (it is nan) at iteration "
                f"{record['iteration']}\n  fix: monitor a metric that is a number"
            )
        if self._better(value):
            self.value, self.iteration, self.waited = value, record["iteration"], 0
            self.weights = model.state_dict()
        else:
            self.waited += 1

    def _better(self, value: float) -> bool:
        if self.value is None:
            return True
        return value > self.value if self.best == "highest" else value < self.value


class Trainer:
    """A model, a loss, an optimizer and a loader, put to work.

    Parameters
    ----------
    model : Module
        Called with the inputs of a batch.
    loss : callable
        Called with the model's outputs and the targets (the last array of a batch); returns a
        scalar Tensor.
    optimizer : Optimizer
        Of the model's parameters.
    loader : DataLoader
        Gives batches: one or more arrays of inputs, then the targets.
    metrics : mapping of str to Metric, optional
        By default ``{"accuracy": correct}``.
    sets : mapping of str to (inputs, targets), optional
        What to evaluate on; the records name each metric ``<set>_<metric>``.
    evaluate_every : int, optional
        Iterations from one evaluation to the next; an epoch by default. Iteration 0 and the last
        one are evaluated too.
    early_stopping : EarlyStopping, optional
        By default every iteration that was asked for is made.
    checkpoint : str or path, optional
        File to save everything in, at each evaluation, at the end, and on Ctrl-C.
    facts : mapping, optional
        Settings to be kept in the checkpoint, as JSON knows them.
    explodes_at : float
        The run has diverged when the mean of the last 20 losses is this many times the first
        loss; ``inf`` leaves only nan and infinite losses.
    progress : Progress, optional
        Who is told; by default nobody.

    Examples
    --------
    >>> from tinygrad_edu.nn import CrossEntropyLoss, Linear
    >>> from tinygrad_edu.optim import SGD
    >>> points = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    >>> model = Linear(2, 2, rng=0)
    >>> loader = DataLoader((points, np.array([0, 1])), 2, rng=0)
    >>> sets = {"train": (points, np.array([0, 1]))}
    >>> trainer = Trainer(model, CrossEntropyLoss(), SGD(model, lr=1.0), loader, sets=sets)
    >>> trainer.fit(epochs=20).records[-1]["train_accuracy"]
    1.0
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Any],
        optimizer: Optimizer,
        loader: DataLoader,
        *,
        metrics: Mapping[str, Metric] | None = None,
        sets: Mapping[str, tuple[Array, Array]] | None = None,
        evaluate_every: int | None = None,
        early_stopping: EarlyStopping | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        facts: Mapping[str, Any] | None = None,
        explodes_at: float = 10.0,
        progress: Progress | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.loader = model, loss, optimizer, loader
        self.metrics = {"accuracy": correct} if metrics is None else dict(metrics)
        self.sets = dict(sets or {})
        self.evaluate_every = len(loader) if evaluate_every is None else evaluate_every
        if self.evaluate_every < 1:
            raise TrainingError(
                f"Trainer: found evaluate_every={evaluate_every!r}; expected at least 1 iteration\n"
                "  fix: leave it out to evaluate after every epoch"
            )
        self.early_stopping = early_stopping
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.facts = dict(facts or {})
        self.explodes_at = explodes_at
        self.progress = Progress(quiet=True) if progress is None else progress
        self.history = History()
        self.seconds = 0.0
        self.saved = 0
        """Iteration at which the checkpoint was last written, or loaded."""

    @property
    def iteration(self) -> int:
        """Iterations made so far."""
        return len(self.history)

    # ---- the loop

    def fit(self, *, epochs: float | None = None, iterations: int | None = None) -> History:
        """Train up to a number of epochs or iterations in all, and return the history.

        A trainer that was at iteration 300, by an earlier call or a loaded checkpoint, goes on
        from there. Ctrl-C is heard between two iterations.

        Parameters
        ----------
        epochs : float, optional
            Times the loader's length.
        iterations : int, optional
            Instead of epochs.

        Raises
        ------
        TrainingError
            Neither or both were given, or the run diverges.
        KeyboardInterrupt
            Ctrl-C was pressed; the checkpoint was saved before.
        """
        if (epochs is None) == (iterations is None):
            raise TrainingError(
                "Trainer.fit: expected either epochs or iterations\n  fix: fit(epochs=10)"
            )
        total = iterations if iterations is not None else round((epochs or 0) * len(self.loader))
        if total < 0:
            raise TrainingError(
                f"Trainer.fit: found {total} iterations; expected at least 0\n  fix: fit(epochs=10)"
            )
        records = self.history.records
        if records and records[-1]["iteration"] % self.evaluate_every and total > self.iteration:
            records.pop()  # the end of an earlier fit(), which is not one any more
        self.progress.begin(self.iteration, total)
        # An overflow is seen in the loss, and explained; NumPy's warning would only come before.
        with _interrupts() as interrupted, np.errstate(over="ignore", invalid="ignore"):
            self.model.train()
            if not records:
                self._evaluate()
            while self.iteration < total and not self._stopped():
                self._iterate()
                if interrupted:
                    self.progress.clear()
                    self._save()
                    raise KeyboardInterrupt
            if records[-1]["iteration"] < self.iteration:
                self._evaluate(watched=False)
            self.progress.clear()
            if self.early_stopping is not None and self._stopped():
                self.model.load_state_dict(self.early_stopping.weights)
        return self.history

    def _iterate(self) -> None:
        """Make one iteration, and what is due after it."""
        began = time.perf_counter()
        *inputs, targets = self.loader.sample()
        loss = self.loss(self.model(*map(constant, inputs)), constant(targets))
        self.optimizer.zero_grad()
        loss.backward()
        value = loss.item()
        if not math.isfinite(value):
            raise self._diverged(value)
        self.optimizer.step()
        self.history.add_loss(value)
        self.seconds += time.perf_counter() - began
        iteration, records = self.iteration, self.history.records
        if iteration % RECENT == 0 and self._exploded():
            raise self._diverged(value)
        self.progress.step(iteration, value, records[-1])
        if iteration % self.evaluate_every == 0:
            self._evaluate()

    def _evaluate(self, *, watched: bool = True) -> None:
        """Add a record to the history, and save."""
        began = time.perf_counter()
        metrics = {
            f"{name}_{metric}": value
            for name, (inputs, targets) in self.sets.items()
            for metric, value in evaluate(self.model, inputs, targets, self.metrics).items()
        }
        self.seconds += time.perf_counter() - began
        epoch = self.iteration / len(self.loader)
        record = self.history.add_record(epoch, self.seconds, metrics)
        if self.early_stopping is not None and watched:
            self.early_stopping.watch(record, self.model)
        self.progress.record(record)
        self._save()

    def _stopped(self) -> bool:
        return self.early_stopping is not None and self.early_stopping.stopped

    def _exploded(self) -> bool:
        losses = self.history.losses
        return bool(losses[0] > 0 and losses[-RECENT:].mean() > self.explodes_at * losses[0])

    def _diverged(self, value: float) -> TrainingError:
        """Return the error that tells how a run diverged."""
        losses = self.history.losses
        last = [*losses[-4:], value] if not math.isfinite(value) else list(losses[-5:])
        lr = self.optimizer.lr
        self.progress.clear()
        kept = ""
        if self.checkpoint is not None and self.checkpoint.exists():
            kept = f"\n  {self.checkpoint} still holds the state of the last evaluation"
        what = "is not finite" if not math.isfinite(value) else "has exploded"
        number = self.iteration + (not math.isfinite(value))
        return TrainingError(
            f"training diverges: the loss {what} at iteration {number}\n"
            f"  losses: {_numbers(losses[:3])} at the start, {_numbers(last)} at the end\n"
            f"  learning rate: {lr:g}\n"
            f"  fix: try a smaller learning rate, such as {lr / 10:g}; if that does not help, look "
            f"at the data (nan? pixels not scaled to [0, 1]?) and at the initial weights{kept}"
        )

    # ---- what survives

    def state_dict(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return all that an exact continuation needs: arrays, and a header that JSON knows."""
        loader = self.loader.state_dict()
        parts: dict[str, Mapping[str, Array]] = {
            "model": self.model.state(),
            "optimizer": self.optimizer.state(),
            "loader": {name: loader[name] for name in self.loader.state()},
            "history": self.history.state_dict(),
        }
        header: dict[str, Any] = {
            "facts": self.facts,
            "iteration": self.iteration,
            "seconds": self.seconds,
            "loader": {"rng": loader["rng"], "form": loader["form"]},
            "optimizer": type(self.optimizer).__name__,
            "generators": {name: _told(rng) for name, rng in self._generators().items()},
            "early_stopping": None,
        }
        stopping = self.early_stopping
        if stopping is not None:
            parts["best"] = stopping.weights
            header["early_stopping"] = {
                name: getattr(stopping, name)
                for name in ("monitor", "patience", "best", "value", "iteration", "waited")
            }
        arrays = {
            f"{part}/{name}": array
            for part, found in parts.items()
            for name, array in found.items()
        }
        return arrays, header

    def load_state_dict(self, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        """Put the trainer where another one's `state_dict` had it.

        Raises
        ------
        CheckpointError
            The state is incomplete, or of another model, optimizer, loader or setting; this
            trainer is unchanged then.
        """
        before = self.state_dict()
        before = ({name: array.copy() for name, array in before[0].items()}, before[1])
        history = (self.history, self.seconds)
        try:
            self._load(arrays, header)
        except (DataError, KeyError, TypeError, ValueError, AttributeError) as error:
            self.history, self.seconds = history
            self._load_parts(*before)
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"Trainer: the saved state does not fit, and nothing was changed\n  {error}"
            ) from error

    def _load(self, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        kind, generators = header["optimizer"], self._generators()
        complaints = []
        if kind != type(self.optimizer).__name__:
            complaints.append(
                f"the optimizer was {kind}, this one is {type(self.optimizer).__name__}"
            )
        if set(header["generators"]) != set(generators):
            complaints.append("the model has other random generators")
        if (header["early_stopping"] is None) != (self.early_stopping is None):
            complaints.append("one of the two runs stops early and the other does not")
        if complaints:
            raise CheckpointError(
                f"Trainer: the saved state does not fit, and nothing was changed: "
                f"{'; '.join(complaints)}\n  fix: build the trainer as it was when it was saved"
            )
        history = History()
        history.load_state_dict(_part(arrays, "history"))
        if header["iteration"] != len(history):
            raise CheckpointError("Trainer: the saved history is not that of the saved iteration")
        self._load_parts(arrays, header)
        self.history, self.seconds = history, float(header["seconds"])

    def _load_parts(self, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        """Put the parts that check themselves back, one after the other."""
        self.loader.load_state_dict({**_part(arrays, "loader"), **header["loader"]})
        self.model.load_state_dict(_part(arrays, "model"))
        self.optimizer.load_state_dict(_part(arrays, "optimizer"))
        for name, rng in self._generators().items():
            rng.bit_generator.state = header["generators"][name]
        if self.early_stopping is not None:
            saved = header["early_stopping"]
            best = _part(arrays, "best")
            if best:
                best, _, _ = fitting("EarlyStopping", self.model.state(), best)
            for name, value in saved.items():
                setattr(self.early_stopping, name, value)
            self.early_stopping.weights = best

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all that an exact continuation needs into one file, and return its path."""
        return write_checkpoint(path, *self.state_dict())

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Continue where the saved run was: the next iteration is the one it would have made.

        Raises
        ------
        CheckpointError
            The file is damaged, or of another run; this trainer is unchanged then.
        OSError
            The file cannot be opened.
        """
        self.load_state_dict(*read_checkpoint(path))
        self.saved = self.iteration

    def _save(self) -> None:
        if self.checkpoint is not None:
            self.save(self.checkpoint)
            self.saved = self.iteration

    def _generators(self) -> dict[str, np.random.Generator]:
        """Return the generators that the model may draw from, the default one among them."""
        return {"": default_generator(), **dict(self.model.named_generators())}


def _part(arrays: Mapping[str, Array], part: str) -> dict[str, Array]:
    """Return the arrays of one part, without its name."""
    start = f"{part}/"
    return {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}


def _told(rng: np.random.Generator) -> Any:
    """Return the state of a generator as JSON knows it; some keep arrays in it."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value

    return plain(rng.bit_generator.state)


def _numbers(values: Any) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Context in which Ctrl-C only adds to the list that is given; a second one interrupts.

    Elsewhere than in the main thread, or where the program has its own handler, nothing changes.
    """
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield heard
        return
    signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
