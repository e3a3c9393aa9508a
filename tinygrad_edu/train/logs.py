"""Logs: the records of a run as files that other programs read while it runs.

The history is what is true. When ``fit`` begins, a log is made equal to it: lines of a run that was
killed after its last save, a line that was torn, and the record of an end that is none any more are
gone, and no line is there twice. After that each evaluation adds its line in one write.

Knows: records, and files. Does not know: what was measured. Read next: ``history.py``.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import TrainingError
from tinygrad_edu.files import write_whole
from tinygrad_edu.train.callbacks import Callback
from tinygrad_edu.train.history import Record

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["CSVLog", "JSONLog", "TensorBoardLog"]


class _Log(Callback):
    """A file with a line for each record.

    Parameters
    ----------
    path : str or path
        The file; its folder is made if it is not there. What it held before is replaced when
        ``fit`` begins.
    """

    steers = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def begin(self, trainer: Trainer) -> None:
        """Make the file equal to the history."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rewrite(trainer.history.records)

    def record(self, trainer: Trainer, record: Record) -> None:
        """Add the line of a record."""
        if self._fits(record):
            with open(self.path, "ab") as file:
                file.write(self._line(record))
        else:
            self._rewrite(trainer.history.records)

    def _rewrite(self, records: Sequence[Record]) -> None:
        text = self._head(records) + b"".join(map(self._line, records))
        write_whole(self.path, lambda file: file.write(text))

    def _head(self, _records: Sequence[Record]) -> bytes:
        return b""

    def _fits(self, _record: Record) -> bool:
        return True

    def _line(self, record: Record) -> bytes:
        raise NotImplementedError


class JSONLog(_Log):
    """Write each record as one line of JSON, as `History.save` does at the end."""

    def _line(self, record: Record) -> bytes:
        return (json.dumps(record, allow_nan=False) + "\n").encode()


class CSVLog(_Log):
    """Write each record as a line of comma-separated values, below a line of their names.

    A value that is missing is an empty field, a table is one field of JSON. If a record brings a
    new name, the file is written anew with that column.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.columns: list[str] = []

    def _head(self, records: Sequence[Record]) -> bytes:
        self.columns = list(dict.fromkeys(name for record in records for name in record))
        return self._row(self.columns) if self.columns else b""

    def _fits(self, record: Record) -> bool:
        return set(record) <= set(self.columns)

    def _line(self, record: Record) -> bytes:
        values = (record.get(name) for name in self.columns)
        return self._row([json.dumps(v) if isinstance(v, list) else v for v in values])

    @staticmethod
    def _row(values: Sequence[Any]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(values)
        return text.getvalue().encode()


class TensorBoardLog(Callback):
    """Write the loss of each iteration and the metrics of each record for TensorBoard.

    Needs the extra ``tensorboard``, which brings tensorboardX. Event files cannot be changed; a
    continued run tells TensorBoard to hide what came after the iteration that it continues from,
    and writes from there.

    Parameters
    ----------
    folder : str or path
        For ``tensorboard --logdir``.

    Raises
    ------
    TrainingError
        tensorboardX is not installed; the text says how to install it.
    """

    steers = False

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder_of_events = Path(folder)
        try:
            self._writers: Any = importlib.import_module("tensorboardX")
        except ImportError as error:
            raise TrainingError(
                "TensorBoardLog needs tensorboardX, which is not installed: "
                "pip install 'tinygrad_edu[tensorboard]'"
            ) from error
        self._writer: Any = None

    def begin(self, trainer: Trainer) -> None:
        """Open a new event file, and write what is not in the earlier ones for certain."""
        records = trainer.history.records
        known = records[-1]["iteration"] if records else 0
        self._writer = self._writers.SummaryWriter(
            str(self.folder_of_events), purge_step=known + 1 if records else None
        )
        for number in range(known, trainer.iteration):
            self._loss(trainer, number + 1)

    def iteration(self, trainer: Trainer) -> None:
        """Write the loss, and the learning rate if a schedule changes it."""
        self._loss(trainer, trainer.iteration)
        if trainer.schedules:
            self._writer.add_scalar("lr", float(trainer.optimizer.lr), trainer.iteration)

    def record(self, _trainer: Trainer, record: Record) -> None:
        """Write the metrics, and see to it that they are on disk."""
        for name, value in record.items():
            if name not in ("iteration", "loss", "lr") and isinstance(value, (int, float)):
                self._writer.add_scalar(name, value, record["iteration"])
        self._writer.flush()

    def end(self, _trainer: Trainer) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _loss(self, trainer: Trainer, number: int) -> None:
        self._writer.add_scalar("loss", float(trainer.history.losses[number - 1]), number)
