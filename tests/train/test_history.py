"""History: what was added is there, on disk too, and damage is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import CheckpointError
from tinygrad_edu.train import History


def example(iterations: int = 3000) -> History:
    history = History()
    history.add_record(0.0, 0.0, {"test_accuracy": 0.1})
    for i in range(iterations):
        history.add_loss(1 / (i + 1))
        if (i + 1) % 1000 == 0:
            history.add_record((i + 1) / 600, float(i), {"test_accuracy": i / iterations})
    return history


def test_a_record_has_the_mean_loss_since_the_one_before() -> None:
    history = example()
    assert len(history) == 3000
    assert np.array_equal(history.losses, 1 / np.arange(1, 3001))
    assert history.column("loss")[2] == np.mean(1 / np.arange(1001, 2001))
    assert np.isnan(history.column("loss")[0])
    assert np.isnan(history.column("nothing")).all()


def test_the_losses_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        example().losses[0] = 0


def test_it_is_saved_as_json_lines(tmp_path: Path) -> None:
    history = example()
    history.add_record(6.0, 1.0, {"test_accuracy": float("nan")})
    path = history.save(tmp_path / "history.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert records == history.records
    assert records[-1]["test_accuracy"] is None


def test_its_state_makes_an_equal_one_that_goes_on() -> None:
    first, second = example(), History()
    second.load_state_dict(first.state_dict())
    for history in (first, second):
        history.add_loss(0.5)
        history.add_record(6.0, 1.0, {})
    assert second.records == first.records
    assert np.array_equal(second.losses, first.losses)


@pytest.mark.parametrize(
    "change",
    [
        {"losses": np.zeros((2, 2))},
        {"losses": np.zeros(2)},
        {"losses": ["a"]},
        {"records": np.frombuffer(b"no json", np.uint8)},
        {"records": np.frombuffer(b"[1]", np.uint8)},
        {"records": np.frombuffer(b"{}", np.uint8)},
        {"records": np.frombuffer(b"\xff", np.uint8)},
    ],
)
def test_a_damaged_state_changes_nothing(change: dict[str, Any]) -> None:
    history = example(5)
    with pytest.raises(CheckpointError, match="history"):
        history.load_state_dict({**example().state_dict(), **change})
    assert len(history) == 5
    with pytest.raises(CheckpointError, match="history"):
        history.load_state_dict({})
