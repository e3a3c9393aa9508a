"""Averaged weights in a run: kept up to date, evaluated beside the last ones, saved with them.

Knows: an average of ``tinygrad_edu.optim``, `EMA` or `SWA`. Does not know: how it averages.
Read next: ``callbacks.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_edu.core.state import Array
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.optim import EMA
from tinygrad_edu.train.callbacks import Callback
from tinygrad_edu.train.history import Record

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["Averaged"]


class Averaged(Callback):
    """Update an average of the weights after each step, and evaluate it too.

    The records get ``<set>_averaged_<metric>`` beside ``<set>_<metric>``. Callbacks that monitor
    these come later in the list. The model itself keeps its own weights; afterwards
    ``with average.applied():`` has the averaged ones in it.

    Parameters
    ----------
    average : EMA
        Of the trainer's model; `SWA` is one too.
    start : int
        Iteration of the first update, counted from 1.
    """

    def __init__(self, average: EMA, *, start: int = 1) -> None:
        self.average, self.start = average, start

    def begin(self, trainer: Trainer) -> None:
        """See that it is the average of this model."""
        if self.average.model is not trainer.model:
            raise TrainingError(
                "Averaged: found the average of another model; expected that of the trainer's\n"
                "  fix: Averaged(EMA(model)) with the model that the trainer was given"
            )

    def iteration(self, trainer: Trainer) -> None:
        """Take the new weights into the average."""
        if trainer.iteration >= self.start:
            self.average.update()

    def record(self, trainer: Trainer, record: Record) -> None:
        """Add the metrics of the averaged model."""
        with self.average.applied():
            record.update(trainer.measure("averaged_"))

    def state(self) -> Mapping[str, Array]:
        """Return the averages."""
        return self.average.state_dict()

    def load(self, _trainer: Trainer, arrays: Mapping[str, Array], _facts: Any) -> None:
        """Go on with the averages that are given."""
        self.average.load_state_dict(arrays)
