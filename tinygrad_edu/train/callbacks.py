"""Callbacks: what a run calls between its steps, and how such a helper survives a power cut.

A callback has five moments: ``begin``, ``gradients``, ``iteration``, ``record``, ``end``; and a
sixth, ``settled``, when nothing of the iteration is left to do, so that the state may be saved.
What it remembers it tells by ``state`` (arrays) and ``told`` (facts that JSON knows), and takes
back by ``load``; both are kept in the checkpoint under its name.

Knows: a trainer by its public attributes. Does not know: files, except their paths.
Read next: ``trainer.py``, which calls them; ``keep.py`` and ``logs.py`` for more callbacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.core.state import Array, fitting
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.train.history import Record

if TYPE_CHECKING:
    from tinygrad_edu.nn import Module
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["Callback", "EarlyStopping", "best_of"]


class Callback:
    """Base of what a trainer calls; every method does nothing until a subclass says what.

    The trainer calls all its callbacks in the order in which they were given. What a method may
    read is public: ``trainer.model``, ``optimizer``, ``loss``, ``loader``, ``batches`` (the arrays
    of this iteration), ``history``, ``iteration``, ``epoch``, ``total``; what it may do is call
    ``trainer.stop(reason)``, ``trainer.tell(text)``, and change the model, the optimizer or the
    gradients.

    Attributes
    ----------
    name : str
        Key of what it remembers in a checkpoint, unique in a trainer and without ``/``; the name of
        the class by default.
    steers : bool
        Whether the run would be another one without it. A resumed run must have the same callbacks
        that steer and remember something; others may come and go.

    Examples
    --------
    >>> class LargestLoss(Callback):
    ...     largest = 0.0
    ...
    ...     def iteration(self, trainer):
    ...         self.largest = max(self.largest, trainer.history.losses[-1])
    ...
    ...     def told(self):
    ...         return {"largest": self.largest}
    ...
    ...     def load(self, trainer, arrays, facts):
    ...         self.largest = facts["largest"]
    >>> LargestLoss().name
    'LargestLoss'
    """

    name: str = ""
    steers: bool = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Name the callbacks of a class after it, unless the class says another name."""
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    # ---- the moments

    def begin(self, trainer: Trainer) -> None:
        """Hear that ``fit`` begins, at ``trainer.iteration``, to go to ``trainer.total``."""

    def gradients(self, trainer: Trainer) -> None:
        """Hear that the gradients of an iteration are there, and the step is not made yet."""

    def iteration(self, trainer: Trainer) -> None:
        """Hear that the step of an iteration was made, and its loss added to the history."""

    def record(self, trainer: Trainer, record: Record) -> None:
        """Hear that the model was evaluated.

        While ``trainer.final`` holds, the record is the one of an end between two evaluations,
        which is taken back when training goes on.
        """

    def settled(self, trainer: Trainer) -> None:
        """Hear that all of an iteration is done, evaluation included: it may be saved now.

        While ``trainer.reason`` holds text, it is the last time.
        """

    def end(self, trainer: Trainer) -> None:
        """Hear that ``fit`` ends, for whatever reason, an exception included."""

    # ---- what it remembers

    def state(self) -> Mapping[str, Array]:
        """Return the arrays that an exact continuation needs; they are saved at once or copied."""
        return {}

    def told(self) -> Mapping[str, Any]:
        """Return the other facts that it needs, as JSON knows them."""
        return {}

    def load(self, trainer: Trainer, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
        """Become the callback whose `state` and `told` are given.

        Raise `CheckpointError`, `KeyError`, `TypeError` or `ValueError` if they do not fit: the
        trainer then puts everything back, by calling ``load`` with what was there before.
        """


class EarlyStopping(Callback):
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

    Attributes
    ----------
    value : float or None
        The best value so far.
    iteration_of_best : int
        When it was reached.
    weights : dict of str to ndarray
        Parameters and buffers of that time; the model has them again when ``fit`` stops early.
    """

    def __init__(self, monitor: str, patience: int, *, best: str = "highest") -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise TrainingError(
                f"EarlyStopping: found patience={patience!r}; expected an integer of at least 1\n"
                "  fix: pass how many evaluations may pass without a better one, such as 3"
            )
        best_of("EarlyStopping", best)
        self.monitor, self.patience, self.best = monitor, patience, best
        self.value: float | None = None
        self.iteration_of_best = 0
        self.waited = 0
        self.weights: dict[str, Array] = {}

    @property
    def stopped(self) -> bool:
        """Whether patience is at its end."""
        return self.waited >= self.patience

    def begin(self, trainer: Trainer) -> None:
        """Stop at once if the run that is continued had stopped."""
        self._stop(trainer)

    def record(self, trainer: Trainer, record: Record) -> None:
        """Look at an evaluation, and stop when patience is at its end."""
        if not trainer.final:
            self.watch(record, trainer.model)
            self._stop(trainer)

    def end(self, trainer: Trainer) -> None:
        """Give the model its best weights back if the run has stopped early."""
        if self.stopped:
            trainer.model.load_state_dict(self.weights)

    def watch(self, record: Record, model: Module) -> None:
        """Look at an evaluation; keep a copy of the weights if it is the best so far."""
        value = monitored("EarlyStopping", self.monitor, record)
        if is_better(value, self.value, self.best):
            self.value, self.iteration_of_best, self.waited = value, record["iteration"], 0
            self.weights = model.state_dict()
        else:
            self.waited += 1

    def _stop(self, trainer: Trainer) -> None:
        if self.stopped:
            trainer.stop(
                f"no better {self.monitor.replace('_', ' ')} since iteration "
                f"{self.iteration_of_best:,}"
            )

    def state(self) -> Mapping[str, Array]:
        """Return the best weights."""
        return self.weights

    def told(self) -> Mapping[str, Any]:
        """Return everything else."""
        return {name: getattr(self, name) for name in _TOLD}

    def load(self, trainer: Trainer, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
        """Become the one whose weights and facts are given."""
        found = {name: facts[name] for name in _TOLD}
        best: Mapping[str, Array] = {}
        if found["value"] is not None:
            best, _, _ = fitting("EarlyStopping", trainer.model.state(), arrays)
        for name, value in found.items():
            setattr(self, name, value)
        self.weights = dict(best)


_TOLD = ("monitor", "patience", "best", "value", "iteration_of_best", "waited")


def best_of(who: str, best: str) -> None:
    """Refuse a word that does not say which value is the best."""
    if best not in ("highest", "lowest"):
        raise TrainingError(
            f"{who}: found best={best!r}; expected 'highest' or 'lowest'\n"
            "  fix: 'highest' for an accuracy, 'lowest' for a loss"
        )


def monitored(who: str, monitor: str, record: Record) -> float:
    """Return the value of a record that somebody watches, or say what there is instead."""
    if monitor not in record:
        raise TrainingError(
            f"{who}: no record has {monitor!r}; found {', '.join(record)}\n"
            "  fix: monitor one of these, or give the trainer that evaluation set"
        )
    value = record[monitor]
    if value is None:
        raise TrainingError(
            f"{who}: {monitor!r} has no value (it is nan) at iteration "
            f"{record['iteration']}\n  fix: monitor a metric that is a number"
        )
    return float(value)


def is_better(value: float, than: float | None, best: str) -> bool:
    """Return whether a value is better than the best one so far, if there is one."""
    if than is None:
        return True
    return value > than if best == "highest" else value < than


def checked_callbacks(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks as a list, once each is one and has a name of its own."""
    if isinstance(callbacks, Callback):
        callbacks = [callbacks]
    found = list(callbacks)
    for callback in found:
        if not isinstance(callback, Callback):
            shown = callback.__name__ if isinstance(callback, type) else type(callback).__name__
            raise TrainingError(
                f"Trainer: found {shown} among the callbacks; expected objects of subclasses of "
                "Callback\n  fix: callbacks=[EarlyStopping('validation_accuracy', 3)]"
            )
    names = [callback.name for callback in found]
    for name in names:
        if names.count(name) > 1 or not name or "/" in name:
            why = "several" if names.count(name) > 1 else "one"
            raise TrainingError(
                f"Trainer: found {why} of the callbacks called {name!r}; expected a name of its "
                "own for each, without /, under which the checkpoint keeps what it remembers\n"
                "  fix: set its attribute: callback.name = 'second'"
            )
    return found
