"""Logs: after whatever happened a file holds each record of the run once, and whole."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import CrossEntropyLoss, Linear
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Callback, CSVLog, JSONLog, TensorBoardLog, Trainer

POINTS = np.random.default_rng(0).standard_normal((20, 2)).astype(np.float32)
LABELS = (POINTS[:, 0] > 0).astype(int)


def trainer(*callbacks: Callback, **options: Any) -> Trainer:
    model = Linear(2, 2, rng=0)
    loader = DataLoader((POINTS, LABELS), 4, rng=0)
    return Trainer(
        model, CrossEntropyLoss(), SGD(model, 0.1), loader, callbacks=callbacks,
        **{"sets": {"train": (POINTS, LABELS)}, **options},
    )  # fmt: skip


class Killed(BaseException):
    """What stops the process in these tests: nobody may catch it."""


class Kill(Callback):
    steers = False

    def __init__(self, iteration: int) -> None:
        self.when = iteration

    def settled(self, trainer: Trainer) -> None:
        if trainer.iteration == self.when:
            raise Killed


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_record_is_a_line(tmp_path: Path) -> None:
    run = trainer(JSONLog(tmp_path / "a" / "log.jsonl"), CSVLog(tmp_path / "b" / "log.csv"))
    run.fit(iterations=12)
    assert lines(tmp_path / "a" / "log.jsonl") == run.history.records
    run.history.save(tmp_path / "all.jsonl")
    assert (tmp_path / "a" / "log.jsonl").read_bytes() == (tmp_path / "all.jsonl").read_bytes()
    found = rows(tmp_path / "b" / "log.csv")
    assert [row["iteration"] for row in found] == ["0", "5", "10", "12"]
    assert found[0]["loss"] == ""
    assert [float(row["train_accuracy"]) for row in found] == [
        record["train_accuracy"] for record in run.history.records
    ]


@pytest.mark.parametrize("torn", [b"", b'{"iteration": 9, "ep', b'\n\n{"iteration": 9}\n'])
def test_after_a_kill_no_line_is_there_twice_and_none_is_torn(tmp_path: Path, torn: bytes) -> None:
    log, table, state = tmp_path / "log.jsonl", tmp_path / "log.csv", tmp_path / "state.npz"

    class Save(Callback):
        steers = False

        def settled(self, trainer: Trainer) -> None:
            if trainer.iteration == 7:
                trainer.save(state)

    run = trainer(JSONLog(log), CSVLog(table), Save(), Kill(15))
    with pytest.raises(Killed):
        run.fit(iterations=20)
    assert [line["iteration"] for line in lines(log)] == [0, 5, 10, 15]
    for path in (log, table):
        with open(path, "ab") as file:
            file.write(torn)
    again = trainer(JSONLog(log), CSVLog(table))
    again.resume(state)
    assert again.iteration == 7
    again.fit(iterations=20)
    assert lines(log) == again.history.records
    assert [row["iteration"] for row in rows(table)] == ["0", "5", "10", "15", "20"]


def test_the_record_of_an_end_is_taken_back(tmp_path: Path) -> None:
    run = trainer(JSONLog(tmp_path / "log"))
    run.fit(iterations=7)
    run.fit(iterations=11)
    assert [line["iteration"] for line in lines(tmp_path / "log")] == [0, 5, 10, 11]


def test_what_an_earlier_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("old\n")
    trainer(JSONLog(tmp_path / "log")).fit(iterations=1)
    assert [line["iteration"] for line in lines(tmp_path / "log")] == [0, 1]


def test_new_columns_and_tables_are_written(tmp_path: Path) -> None:
    run = trainer(CSVLog(tmp_path / "log.csv"), metrics=("confusion_matrix",))
    run.fit(iterations=5)
    run.metrics["train"]["more, of it"] = lambda outputs, _targets: outputs[:, 0]
    run.fit(iterations=10)
    found = rows(tmp_path / "log.csv")
    assert [row["train_more, of it"] == "" for row in found] == [True, True, False]
    matrix = json.loads(found[-1]["train_confusion_matrix"])
    assert np.shape(matrix) == (2, 2)
    assert np.sum(matrix) == 20


# ------------------------------------------------------------------------------ TensorBoard


class FakeWriter:
    """Keeps what it is told, as TensorBoard shows it: a purged step is gone."""

    shown: dict[tuple[str, int], float] = {}  # noqa: RUF012 - one for all the files of a folder
    closed = 0

    def __init__(self, folder: str, purge_step: int | None = None) -> None:
        assert Path(folder).name == "events"
        if purge_step is not None:
            kept = {k: v for k, v in self.shown.items() if k[1] < purge_step}
            type(self).shown = kept

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert (name, step) not in self.shown
        assert isinstance(value, (int, float))
        self.shown[name, step] = value

    def flush(self) -> None:
        pass

    def close(self) -> None:
        type(self).closed += 1


def test_tensorboard_is_told_everything_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = type(sys)("tensorboardX")
    module.SummaryWriter = FakeWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    monkeypatch.setattr(FakeWriter, "shown", {})
    monkeypatch.setattr(FakeWriter, "closed", 0)
    events, state = tmp_path / "events", tmp_path / "state.npz"

    class Save(Callback):
        steers = False

        def settled(self, trainer: Trainer) -> None:
            if trainer.iteration == 7:
                trainer.save(state)

    with pytest.raises(Killed):
        trainer(TensorBoardLog(events), Save(), Kill(13)).fit(iterations=20)
    again = trainer(TensorBoardLog(events))
    again.resume(state)
    again.fit(iterations=12)
    again.fit(iterations=16)
    losses = {("loss", i + 1): loss for i, loss in enumerate(again.history.losses)}
    assert {key: value for key, value in FakeWriter.shown.items() if key[0] == "loss"} == losses
    steps = [step for name, step in FakeWriter.shown if name == "train_accuracy"]
    assert steps == [0, 5, 10, 15, 16]
    assert FakeWriter.closed == 3


def test_tensorboard_that_is_missing_is_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(TrainingError) as caught:
        TensorBoardLog(tmp_path)
    assert "\n" not in str(caught.value)
    assert "pip install 'tinygrad_edu[tensorboard]'" in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_real_writer_writes_an_event_file(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    run = trainer(TensorBoardLog(tmp_path / "events"))
    run.fit(iterations=6)
    run.fit(iterations=9)
    files = sorted((tmp_path / "events").iterdir())  # of one name if within one second
    assert all(file.stat().st_size > 100 for file in files)
    assert b"train_accuracy" in files[0].read_bytes()
