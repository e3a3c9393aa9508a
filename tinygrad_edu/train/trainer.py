"""Trainer: the loop of training.

One iteration is: a batch, or several that count as one; the loss, ``backward()``, ``step()``.
Around it: callbacks, evaluation, history, a schedule, a checkpoint, and an answer to Ctrl-C that
leaves no iteration half done.

Knows: a model, a loss, an optimizer and a loader by what they can do. Does not know: which ones.
Read next: ``callbacks.py`` for what is called, ``resume.py`` for what survives a power cut,
``cli.py`` for a program that uses it.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.core.state import Array
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.files import remove_draft
from tinygrad_edu.nn import Module, default_generator
from tinygrad_edu.optim import LBFGS, Optimizer
from tinygrad_edu.train import resume
from tinygrad_edu.train.callbacks import Callback, checked_callbacks, monitored
from tinygrad_edu.train.checkpoint import read_checkpoint, write_checkpoint
from tinygrad_edu.train.history import History, finite
from tinygrad_edu.train.metrics import Metrics, chosen_metrics, evaluate
from tinygrad_edu.train.nonfinite import Moment, diverged
from tinygrad_edu.train.progress import Progress
from tinygrad_edu.train.rates import moved, weights_of
from tinygrad_edu.train.signals import interrupted, interrupts

__all__ = ["Trainer"]

RECENT = 20
"""Losses whose mean must be high for a run to count as diverging: one bad batch is none."""


class Trainer:
    """A model, a loss, an optimizer and a loader, put to work.

    Parameters
    ----------
    model : Module
        Called with the inputs of a batch.
    loss : callable
        Called with the model's outputs and the targets (the last array of a batch); returns a
        scalar Tensor, the mean over the batch.
    optimizer : Optimizer
        Of the model's parameters, or of a part of them.
    loader : DataLoader
        Gives batches: one or more arrays of inputs, then the targets.
    metrics : mapping or sequence, optional
        What is measured on the sets: names, as in ``("accuracy", "loss")``, or a mapping of names
        to a metric, or a mapping of the sets' names to one of these. By default the accuracy if the
        targets are classes, and else the loss; see `metrics.py`.
    sets : mapping of str to tuple of ndarray, optional
        What to evaluate on: inputs (one array or more), then targets; the records name each metric
        ``<set>_<metric>``.
    evaluate_every : int, optional
        Iterations from one evaluation to the next; an epoch by default. Iteration 0 and the last
        one are evaluated too.
    callbacks : sequence of Callback
        Who is called, in this order; see `Callback`.
    schedule : schedule or sequence of them, optional
        Of ``tinygrad_edu.optim``: changes the learning rate after every iteration or epoch, as its
        ``every`` says, or after every evaluation if it has a ``monitor``.
    accumulate : int
        Batches whose gradients are added up before a step, each weighted by its samples, so that
        they count as one batch. An epoch ends with what is left of it, never in the next one.
    checkpoint : str or path, optional
        File to save everything in, at each evaluation, at the end, and on Ctrl-C.
    facts : mapping, optional
        Settings to be kept in the checkpoint, as JSON knows them.
    explodes_at : float
        The run has diverged when the mean of the last 20 losses is this many times the first
        loss; ``inf`` leaves only nan and infinite losses.
    progress : Progress or bool, optional
        Who is told; by default, and with False, nobody; True stands for ``Progress()``.

    Raises
    ------
    TrainingError
        An argument is not as described, or the optimizer holds no parameter of the model.

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
        metrics: Metrics | None = None,
        sets: Mapping[str, Sequence[Array]] | None = None,
        evaluate_every: int | None = None,
        callbacks: Sequence[Callback] = (),
        schedule: Any = None,
        accumulate: int = 1,
        checkpoint: str | os.PathLike[str] | None = None,
        facts: Mapping[str, Any] | None = None,
        explodes_at: float = 10.0,
        progress: Progress | bool | None = None,
    ) -> None:
        _demand_own(model, optimizer)
        self.model, self.loss, self.optimizer, self.loader = model, loss, optimizer, loader
        self.accumulate = _whole("accumulate", accumulate, "leave it out, or pass accumulate=4")
        self.sets = {name: tuple(arrays) for name, arrays in (sets or {}).items()}
        self.metrics = chosen_metrics(metrics, self.sets, loss)
        self.evaluate_every = _whole(
            "evaluate_every",
            self.epoch_length if evaluate_every is None else evaluate_every,
            "leave it out to evaluate after every epoch",
        )
        self.callbacks = checked_callbacks(callbacks)
        self.schedules = _listed(schedule)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.facts = dict(facts or {})
        self.explodes_at = explodes_at
        self.progress = _told(progress)
        self.history = History()
        self.seconds = 0.0
        self.go_on = ""
        """What somebody types to go on with this run, where that is no Python."""
        self.saved = 0
        """Iteration at which the checkpoint was last written, or loaded."""
        self.total = 0
        """Iterations that ``fit`` was asked for, in all."""
        self.reason = ""
        """Why the run stops, or has stopped; empty while it goes on."""
        self.final = False
        """Whether the last record is the one of an end, taken back when training goes on."""
        self.first_step: tuple[float, float] | None = None
        """Learning rate of the first step of `fit`, and by which share it moved the weights."""
        self.batches: list[tuple[Array, ...]] = []
        """The arrays of this iteration, or of the last one: `accumulate` batches or fewer."""

        self._look_at_model()

    def _look_at_model(self) -> None:
        """Note what every iteration needs of the model: walking through it takes longer."""
        self._generators = list(self.generators().values())
        self._parameters = self.model.parameters()

    @property
    def iteration(self) -> int:
        """Iterations made so far."""
        return len(self.history)

    @property
    def epoch_length(self) -> int:
        """Iterations in an epoch."""
        return -(-len(self.loader) // self.accumulate)

    @property
    def epoch(self) -> float:
        """Epochs made so far, with the part of the one that is going on."""
        return self.iteration / self.epoch_length

    # ---- the loop

    def fit(self, *, epochs: float | None = None, iterations: int | None = None) -> History:
        """Train up to a number of epochs or iterations in all, and return the history.

        A trainer that was at iteration 300, by an earlier call or a loaded checkpoint, goes on
        from there. Ctrl-C and SIGTERM are heard between two iterations.

        Parameters
        ----------
        epochs : float, optional
            Times the loader's length.
        iterations : int, optional
            Instead of epochs.

        Raises
        ------
        TrainingError
            Neither or both were given, or the run diverges; the text is a diagnosis then.
        KeyboardInterrupt
            Ctrl-C was pressed; everything was saved before, and the text says how to go on.
        SystemExit
            The process was told to end (SIGTERM); everything was saved before.
        """
        if (epochs is None) == (iterations is None):
            raise TrainingError(
                "Trainer.fit: expected either epochs or iterations\n  fix: fit(epochs=10)"
            )
        total = iterations if iterations is not None else round((epochs or 0) * self.epoch_length)
        if total < 0:
            raise TrainingError(
                f"Trainer.fit: found {total} iterations; expected at least 0\n  fix: fit(epochs=10)"
            )
        records = self.history.records
        if self._is_between() and total > self.iteration:
            records.pop()  # the end of an earlier fit(), which is not one any more
        self.total, self.reason, self.first_step = total, "", None
        self.final = self._is_between()
        self._look_at_model()
        self.progress.begin(self.iteration, total)
        # An overflow is seen in the loss, and explained; NumPy's warning would only come before.
        with interrupts() as heard, np.errstate(over="ignore", invalid="ignore"):
            try:
                self.model.train()
                if self.checkpoint is not None:
                    remove_draft(self.checkpoint)
                self._call("begin")
                if not records:
                    self._evaluate()
                    self._settle(heard)
                elif self.reason or self.iteration >= total:
                    self._settle(heard)
                while not self.reason:
                    self._iterate()
                    self._settle(heard)
            finally:
                self.progress.clear()
                self._call("end")
        return self.history

    def stop(self, reason: str) -> None:
        """End ``fit`` as soon as the iteration that is going on is done.

        Parameters
        ----------
        reason : str
            Why, in a few words; kept in ``reason``.
        """
        self.reason = reason

    def tell(self, text: str) -> None:
        """Show a line of text where the progress is shown."""
        self.progress.line(text)

    def _call(self, moment: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(self, *arguments)

    def _iterate(self) -> None:
        """Make one iteration, and what is due after it."""
        began = time.perf_counter()
        moment = self.moment()
        value = self.find_gradients()
        if not math.isfinite(value):
            raise diverged(self, value, moment)
        self._call("gradients")
        if not self._gradients_are_finite():
            raise diverged(self, value, moment)
        if self.first_step is None:
            before = weights_of(self.model)
            self.make_step(moment)
            self.first_step = float(self.optimizer.lr), moved(self.model, before)
        else:
            self.make_step(moment)
        self.history.add_loss(value)
        self.seconds += time.perf_counter() - began
        iteration, records = self.iteration, self.history.records
        if iteration % RECENT == 0 and self._exploded():
            raise diverged(self, value, None)
        self._call("iteration")
        self.progress.step(iteration, value, records[-1])
        if iteration % self.evaluate_every == 0:
            self.final = False
            self._evaluate()
        for schedule in self.schedules:
            self._step(schedule)

    def measure(self, prefix: str = "") -> dict[str, Any]:
        """Return the metrics of every set by name, with a prefix to the metric's own.

        nan and inf are None, for JSON knows neither.
        """
        return {
            f"{name}_{prefix}{metric}": finite(value)
            for name, (*inputs, targets) in self.sets.items()
            for metric, value in evaluate(self.model, inputs, targets, self.metrics[name]).items()
        }

    def make_step(self, moment: Moment) -> None:
        """Let the optimizer change the parameters.

        Parameters
        ----------
        moment : Moment
            Of before the gradients were computed, for an optimizer that asks for them again.
        """
        if not isinstance(self.optimizer, LBFGS):
            self.optimizer.step()
            return

        def again() -> float:
            # At every point that it asks about the loss must be the same function: with the same
            # units dropped.
            for rng, state in zip(self._generators, moment.states, strict=True):
                rng.bit_generator.state = state
            return self._differentiate()

        self.optimizer.step(again)

    def moment(self) -> Moment:
        """Return where the generators and the loader are, for an exact repetition."""
        return Moment(self._generators, self.loader)

    def find_gradients(self) -> float:
        """Compute the loss and its gradients on the next batches, and return the loss."""
        left = len(self.loader) - int(self.loader.state()["position"])
        self.batches = [self.loader.sample() for _ in range(min(self.accumulate, left))]
        return self._differentiate()

    def _differentiate(self) -> float:
        """Compute the loss and its gradients on the batches, and return the loss."""
        if len(self.batches) == 1:
            loss = self.find_loss(self.batches[0])
            self.optimizer.zero_grad()
            loss.backward()
            return float(loss.item())
        # The mean over all samples: each batch's mean counts by its number of samples.
        samples = sum(len(batch[-1]) for batch in self.batches)
        value = 0.0
        self.optimizer.zero_grad()
        for batch in self.batches:
            loss = self.find_loss(batch)
            share = len(batch[-1]) / samples
            loss.backward(np.array(share, loss.dtype))
            value += share * float(loss.item())
        return value

    def find_loss(self, batch: Sequence[Array]) -> Any:
        """Return the loss of a batch, a scalar Tensor that knows where it comes from."""
        *inputs, targets = batch
        return self.loss(self.model(*map(constant, inputs)), constant(targets))

    def _gradients_are_finite(self) -> bool:
        """Return whether a step with these gradients leaves the parameters finite."""
        for parameter in self._parameters:
            gradient = parameter.grad
            # One pass without a new array; only a number that is too large to square needs another.
            if gradient is not None and not (
                math.isfinite(np.vdot(gradient, gradient)) or np.isfinite(gradient).all()
            ):
                return False
        return True

    def _evaluate(self) -> None:
        """Add a record to the history, and tell it."""
        began = time.perf_counter()
        measured = self.measure()
        if self.schedules:
            measured["lr"] = self.optimizer.lr
        self.seconds += time.perf_counter() - began
        record = self.history.add_record(self.epoch, self.seconds, measured)
        self._call("record", record)
        self.progress.record(record)

    def _step(self, schedule: Any) -> None:
        """Step a schedule if it is due."""
        monitor = getattr(schedule, "monitor", None)
        if monitor is not None:
            record = self.history.records[-1]
            if record["iteration"] == self.iteration:
                schedule.step(monitored(type(schedule).__name__, monitor, record))
        elif schedule.every == "iteration" or self.iteration % self.epoch_length == 0:
            schedule.step()

    def _settle(self, heard: list[int]) -> None:
        """End the run if it is to end, and save if that is due: nothing is half done now."""
        if heard:
            self.reason = "interrupted"
        elif self.reason or self.iteration >= self.total:
            self.reason = self.reason or "done"
            if self.history.records[-1]["iteration"] < self.iteration:
                self.final = True
                self._evaluate()
        self._call("settled")
        evaluated = self.history.records[-1]["iteration"] == self.iteration
        if self.checkpoint is not None and (evaluated or self.reason):
            self.save(self.checkpoint)
            self.saved = self.iteration
        if heard:
            self.progress.clear()
            raise interrupted(heard[0], self)

    def _is_between(self) -> bool:
        """Return whether the last record is of an iteration between two evaluations."""
        records = self.history.records
        return bool(records) and records[-1]["iteration"] % self.evaluate_every != 0

    def _exploded(self) -> bool:
        losses = self.history.losses
        return bool(losses[0] > 0 and losses[-RECENT:].mean() > self.explodes_at * losses[0])

    # ---- what survives

    def state_dict(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return all that an exact continuation needs: arrays, and a header that JSON knows."""
        return resume.state_of(self)

    def load_state_dict(self, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
        """Put the trainer where another one's `state_dict` had it.

        Raises
        ------
        CheckpointError
            The state is incomplete, or of another model, optimizer, loader or setting; this
            trainer is unchanged then.
        """
        resume.load(self, arrays, header)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all that an exact continuation needs into one file, and return its path."""
        return write_checkpoint(path, *self.state_dict())

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Continue where the saved run was: the next iteration is the one it would have made.

        Parameters
        ----------
        path : str or path
            A file that was saved, or a folder of them, of which the newest is taken.

        Raises
        ------
        CheckpointError
            The file is damaged, or of another run; this trainer is unchanged then.
        OSError
            The file cannot be opened.
        """
        self.load_state_dict(*read_checkpoint(resume.newest(path)))
        self.saved = self.iteration

    def generators(self) -> dict[str, np.random.Generator]:
        """Return the generators that the model may draw from, the default one among them."""
        return {"": default_generator(), **dict(self.model.named_generators())}


def _whole(name: str, value: Any, fix: str) -> int:
    """Return a number of iterations or batches, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise TrainingError(
            f"Trainer: found {name}={value!r}; expected a whole number of at least 1\n  fix: {fix}"
        )
    return int(value)


def _demand_own(model: Module, optimizer: Optimizer) -> None:
    """Refuse an optimizer that holds none of the model's parameters: it would train another one."""
    own = {id(parameter) for parameter in model.parameters()}
    held = [p for group in optimizer.groups for flat in group.flats for p in flat.parameters]
    if own and held and own.isdisjoint(map(id, held)):
        kind = type(optimizer).__name__
        raise TrainingError(
            f"Trainer: the optimizer's parameters are not the model's: none of the {len(held)} "
            f"that {kind} holds is among the {len(own)} of {type(model).__name__}\n"
            f"  fix: make the optimizer from the model that is trained: {kind}(model, ...)"
        )


def _told(progress: Any) -> Progress:
    """Return who is told of the progress, or refuse what cannot be told."""
    if progress is None or isinstance(progress, (bool, np.bool_)):
        return Progress(quiet=not progress)
    missing = [
        name
        for name in ("begin", "step", "record", "line", "clear")
        if not callable(getattr(progress, name, None))
    ]
    if missing or isinstance(progress, type):
        raise TrainingError(
            f"Trainer: found progress={progress!r}; expected a Progress, True or False\n"
            "  fix: progress=Progress(), or leave it out to be told nothing"
        )
    return progress  # type: ignore[no-any-return]


def _listed(schedule: Any) -> list[Any]:
    """Return the schedules as a list."""
    if schedule is None:
        return []
    found = list(schedule) if isinstance(schedule, (list, tuple)) else [schedule]
    for one in found:
        if not callable(getattr(one, "step", None)) or not hasattr(one, "every"):
            raise TrainingError(
                f"Trainer: found schedule={one!r}; expected one with step() and every\n"
                "  fix: pass one of tinygrad_edu.optim, such as StepLR(optimizer, 10)"
            )
    return found
