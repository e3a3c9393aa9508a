"""History: what a run was like, iteration by iteration and evaluation by evaluation.

Knows: numbers and JSON lines. Does not know: models, or who draws it (``curves.py``).
Read next: ``trainer.py``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.errors import CheckpointError
from tinygrad_edu.files import write_whole

__all__ = ["History", "Record"]

Array = np.ndarray[Any, Any]
Record = dict[str, Any]
"""One evaluation: iteration, epoch, loss (the mean since the one before), the metrics of each set
under names such as ``test_accuracy``, and the seconds of training up to there."""


def finite(value: Any) -> Any:
    """Return a number or a table as JSON knows it: nan and inf, which it does not, as None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class History:
    """The loss of every iteration and a record of every evaluation.

    Attributes
    ----------
    records : list of dict
        One for each evaluation, in order.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._losses = np.empty(1024)
        self._count = 0

    @property
    def losses(self) -> Array:
        """The loss of each iteration's batch, shape (iterations,), read-only."""
        view = self._losses[: self._count]
        view.flags.writeable = False
        return view

    def add_loss(self, loss: float) -> None:
        """Keep the loss of one more iteration."""
        if self._count == len(self._losses):
            self._losses = np.concatenate([self._losses, np.empty_like(self._losses)])
        self._losses[self._count] = loss
        self._count += 1

    def add_record(self, epoch: float, seconds: float, metrics: Mapping[str, Any]) -> Record:
        """Return the record, now the last one, of an evaluation after the losses so far."""
        since = self.records[-1]["iteration"] if self.records else 0
        losses = self.losses[since:]
        record: Record = {
            "iteration": self._count,
            "epoch": epoch,
            "loss": float(losses.mean()) if len(losses) else None,
            **{name: finite(value) for name, value in metrics.items()},
            "seconds": seconds,
        }
        self.records.append(record)
        return record

    def column(self, name: str) -> Array:
        """Return one entry of all records, nan where a record has none, shape (records,).

        The entry of a metric that is a table has the shape of the table behind the first axis.
        """
        values = [record.get(name) for record in self.records]
        shape = next((np.shape(value) for value in values if value is not None), ())
        none = np.full(shape, np.nan)
        return np.array([none if value is None else value for value in values], np.float64)

    def lines(self) -> Iterator[str]:
        """Return the records as JSON, one line each."""
        return (json.dumps(record, allow_nan=False) + "\n" for record in self.records)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the records as JSON lines, whole or not at all, and return the path."""
        return write_whole(path, lambda file: file.write("".join(self.lines()).encode()))

    def state_dict(self) -> dict[str, Array]:
        """Return all of it as arrays: ``losses``, and ``records``, the bytes of the JSON lines."""
        text = "".join(self.lines()).encode()
        return {"losses": self.losses.copy(), "records": np.frombuffer(text, np.uint8).copy()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Become the history whose `state_dict` is given.

        Raises
        ------
        CheckpointError
            It is not one; this history is unchanged then.
        """
        try:
            losses = np.array(saved["losses"], np.float64)
            text = np.asarray(saved["records"], np.uint8).tobytes().decode()
            records = [json.loads(line) for line in text.splitlines()]
            fits = losses.ndim == 1 and all(
                isinstance(record, dict) and 0 <= record["iteration"] <= len(losses)
                for record in records
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"history: the saved one cannot be read ({error})") from error
        if not fits:
            raise CheckpointError("history: the saved records do not belong to the saved losses")
        self.records, self._count = records, len(losses)
        self._losses = np.concatenate([losses, np.empty(1024)])

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"History({self._count} iterations, {len(self.records)} records)"
