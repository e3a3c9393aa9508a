"""Checkpoints: which states of a run are kept as files, when, and how many of them.

Knows: a trainer that can save, and a folder. Does not know: what is in the files.
Read next: ``checkpoint.py``, the file; ``resume.py``, its contents.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_edu.core.state import Array
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.files import remove_draft
from tinygrad_edu.train.callbacks import Callback, best_of, is_better, monitored
from tinygrad_edu.train.history import Record
from tinygrad_edu.train.resume import NUMBERED

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["Checkpoints"]


BEST = "best.npz"


class Checkpoints(Callback):
    """Save the whole run every so often, and keep the last few files and the best one.

    The files are ``iteration-00000300.npz`` and, with `monitor`, ``best.npz``; each holds all that
    an exact continuation needs, and ``trainer.resume(folder)`` takes the newest. The run is saved
    when it ends or is interrupted too, whatever is due.

    Parameters
    ----------
    folder : str or path
        Where to; made if it is not there.
    epochs, iterations, minutes : float or int, optional
        How often to save; several may be given. By default after every evaluation.
    keep : int, optional
        How many of the last files to keep; all by default.
    monitor : str, optional
        Name in the history's records; the state of its best value is kept as ``best.npz``.
    best : {"highest", "lowest"}
        Which value is the best.

    Raises
    ------
    TrainingError
        A number is not above 0.
    """

    steers = False  # files come and go, the run does not depend on them

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        epochs: float | None = None,
        iterations: int | None = None,
        minutes: float | None = None,
        keep: int | None = None,
        monitor: str | None = None,
        best: str = "highest",
    ) -> None:
        for name, value in {
            "epochs": epochs, "iterations": iterations, "minutes": minutes, "keep": keep,
        }.items():  # fmt: skip
            whole = name in ("iterations", "keep")
            if value is not None and (not value > 0 or (whole and value != int(value))):
                raise TrainingError(
                    f"Checkpoints: found {name}={value!r}; expected a {'whole ' * whole}number "
                    "above 0\n  fix: leave it out, or pass one, as in minutes=10"
                )
        best_of("Checkpoints", best)
        self.folder = Path(folder)
        self.epochs, self.iterations, self.minutes = epochs, iterations, minutes
        self.keep, self.monitor, self.best = keep, monitor, best
        self.value: float | None = None
        self._since = math.nan
        self._evaluated = self._is_best = False

    def begin(self, _trainer: Trainer) -> None:
        """Make the folder, clean up what a kill has left in it, and start the clock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for draft in self.folder.glob("*.npz.tmp"):
            name = draft.name.removesuffix(".tmp")
            if name == BEST or NUMBERED.fullmatch(name):
                remove_draft(self.folder / name)
        self._since = time.monotonic()

    def record(self, trainer: Trainer, record: Record) -> None:
        """See whether this is the best evaluation so far."""
        self._evaluated = True
        if self.monitor is not None and not trainer.final:
            value = monitored("Checkpoints", self.monitor, record)
            self._is_best = is_better(value, self.value, self.best)
            if self._is_best:
                self.value = value

    def settled(self, trainer: Trainer) -> None:
        """Save what is due."""
        if self._is_best:
            trainer.save(self.folder / BEST)
        if trainer.reason or self._due(trainer):
            trainer.save(self.folder / f"iteration-{trainer.iteration:08}.npz")
            trainer.saved = trainer.iteration
            self._since = time.monotonic()
            self._forget()
        self._evaluated = self._is_best = False

    def _due(self, trainer: Trainer) -> bool:
        iteration = trainer.iteration
        if self.epochs is None and self.iterations is None and self.minutes is None:
            return self._evaluated
        every = [
            max(1, round(self.epochs * trainer.epoch_length)) if self.epochs is not None else None,
            self.iterations,
        ]
        if iteration and any(n is not None and iteration % n == 0 for n in every):
            return True
        return self.minutes is not None and time.monotonic() - self._since >= 60 * self.minutes

    def _forget(self) -> None:
        """Remove the oldest files above the number that is kept."""
        if self.keep is not None:
            files = {
                int(match[1]): file
                for file in self.folder.iterdir()
                if (match := NUMBERED.fullmatch(file.name))
            }
            for number in sorted(files)[: -self.keep]:
                files[number].unlink(missing_ok=True)

    def told(self) -> Mapping[str, Any]:
        """Return the best value so far."""
        return {} if self.value is None else {"value": self.value}

    def load(
        self, _trainer: Trainer, _arrays: Mapping[str, Array], facts: Mapping[str, Any]
    ) -> None:
        """Go on with the best value that is given."""
        self.value = None if not facts else float(facts["value"])
