"""Checkpoints: the files that are asked for are there, and no others."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import Linear, MSELoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Checkpoints, Trainer, keep, read_checkpoint

X = np.linspace(-1, 1, 24)[:, None]
Y = 2 * X


def trainer(callback: Checkpoints, lr: float = 0.1, **options: Any) -> Trainer:
    model = Linear(1, 1, rng=0, dtype=np.float64)
    loader = DataLoader((X, Y), 4, rng=1)
    return Trainer(
        model, MSELoss(), SGD(model, lr), loader, sets={"train": (X, Y)}, callbacks=[callback],
        **options,
    )  # fmt: skip


def files(folder: Path) -> list[Any]:
    """The numbers of the files, and the other names."""
    found = sorted(os.listdir(folder))
    return [
        int(name.removeprefix("iteration-").removesuffix(".npz")) if name[0] == "i" else name
        for name in found
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 6, 12, 15]),
        ({"iterations": 4}, [4, 8, 12, 15]),
        ({"epochs": 1}, [6, 12, 15]),
        ({"epochs": 0.5}, [3, 6, 9, 12, 15]),
        ({"epochs": 2, "iterations": 5}, [5, 10, 12, 15]),
        ({"iterations": 4, "keep": 2}, [12, 15]),
        ({"iterations": 100}, [15]),
    ],
)
def test_files_are_written_when_they_are_due_and_at_the_end(
    tmp_path: Path, options: dict[str, Any], expected: list[int]
) -> None:
    run = trainer(Checkpoints(tmp_path / "deep" / "files", **options))
    run.fit(iterations=15)
    assert files(tmp_path / "deep" / "files") == expected
    assert run.saved == 15


def test_minutes_are_counted_by_a_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    def tick() -> float:
        now[0] += 15  # it is asked once an iteration, and once more after each file
        return now[0]

    monkeypatch.setattr(keep.time, "monotonic", tick)
    trainer(Checkpoints(tmp_path, minutes=1)).fit(iterations=12)
    found = files(tmp_path)
    assert found[-1] == 12
    assert set(np.diff(found[:-1])) == {4}


def test_the_best_is_kept_and_is_the_best(tmp_path: Path) -> None:
    callback = Checkpoints(tmp_path, keep=1, monitor="train_loss", best="lowest")
    run = trainer(callback, lr=0.9)
    run.fit(iterations=30)
    assert files(tmp_path) == ["best.npz", 30]
    losses = run.history.column("train_loss")
    best = int(losses.argmin())
    assert callback.value == losses[best]
    again = trainer(Checkpoints(tmp_path / "other"))
    again.resume(tmp_path / "best.npz")
    assert again.iteration == run.history.records[best]["iteration"]


def test_a_resumed_run_knows_what_was_best(tmp_path: Path) -> None:
    first = Checkpoints(tmp_path, monitor="train_loss", best="highest")  # that is the first
    trainer(first).fit(iterations=6)
    assert read_checkpoint(tmp_path / "best.npz")[1]["iteration"] == 0
    second = Checkpoints(tmp_path, monitor="train_loss", best="highest")
    run = trainer(second)
    run.resume(tmp_path)
    assert run.iteration == 6
    run.fit(iterations=12)
    assert second.value == first.value
    assert read_checkpoint(tmp_path / "best.npz")[1]["iteration"] == 0


@pytest.mark.hazard(33)
def test_what_a_kill_has_left_is_cleaned_up(tmp_path: Path) -> None:
    for name in ("iteration-00000099.npz.tmp", "best.npz.tmp", "notes.npz.tmp"):
        (tmp_path / name).write_bytes(b"half")
    state = tmp_path / "state.npz"
    (tmp_path / "state.npz.tmp").write_bytes(b"half")
    run = trainer(Checkpoints(tmp_path, iterations=100), checkpoint=state)
    run.fit(iterations=1)
    assert files(tmp_path) == [1, "notes.npz.tmp", "state.npz"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "iteration-notes.txt").write_text("mine")
    trainer(Checkpoints(tmp_path, iterations=1, keep=1)).fit(iterations=3)
    assert (tmp_path / "iteration-notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "options",
    [{"epochs": 0}, {"iterations": 1.5}, {"minutes": -1}, {"keep": 0}, {"best": "largest"}],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match=r"Checkpoints: found"):
        Checkpoints(tmp_path, **options)
