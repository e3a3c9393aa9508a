"""Callbacks: each moment comes once, in order, with what it promises."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import CrossEntropyLoss, Linear
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Callback, EarlyStopping, Trainer

POINTS = np.random.default_rng(0).standard_normal((12, 2)).astype(np.float32)
LABELS = (POINTS[:, 0] > 0).astype(int)


def trainer(*callbacks: Callback, **options: Any) -> Trainer:
    model = Linear(2, 2, rng=0)
    loader = DataLoader((POINTS, LABELS), 4, rng=0)
    sets = {"train": (POINTS, LABELS)}
    return Trainer(
        model, CrossEntropyLoss(), SGD(model, 0.1), loader,
        callbacks=callbacks, **{"sets": sets, **options},
    )  # fmt: skip


class Diary(Callback):
    """Writes down every moment."""

    def __init__(self, lines: list[Any], name: str = "Diary") -> None:
        self.lines, self.name = lines, name

    def begin(self, trainer: Trainer) -> None:
        self.lines.append((self.name, "begin", trainer.iteration, trainer.total))

    def gradients(self, trainer: Trainer) -> None:
        assert all(parameter.grad is not None for parameter in trainer.model.parameters())
        self.lines.append((self.name, "gradients", trainer.iteration))

    def iteration(self, trainer: Trainer) -> None:
        self.lines.append((self.name, "iteration", trainer.iteration))

    def record(self, trainer: Trainer, record: Any) -> None:
        assert record is trainer.history.records[-1]
        self.lines.append((self.name, "record", record["iteration"], trainer.final))

    def settled(self, trainer: Trainer) -> None:
        self.lines.append((self.name, "settled", trainer.iteration, trainer.reason))

    def end(self, trainer: Trainer) -> None:
        self.lines.append((self.name, "end", trainer.iteration, trainer.reason))


def test_every_moment_comes_once_and_in_order() -> None:
    lines: list[Any] = []
    trainer(Diary(lines), evaluate_every=2).fit(iterations=3)
    assert [line[1:] for line in lines] == [
        ("begin", 0, 3), ("record", 0, False), ("settled", 0, ""),
        ("gradients", 0), ("iteration", 1), ("settled", 1, ""),
        ("gradients", 1), ("iteration", 2), ("record", 2, False), ("settled", 2, ""),
        ("gradients", 2), ("iteration", 3), ("record", 3, True), ("settled", 3, "done"),
        ("end", 3, "done"),
    ]  # fmt: skip


def test_going_on_takes_the_end_back() -> None:
    lines: list[Any] = []
    run = trainer(Diary(lines), evaluate_every=2)
    run.fit(iterations=3)
    lines.clear()
    run.fit(iterations=4)
    assert [line[1:] for line in lines] == [
        ("begin", 3, 4), ("gradients", 3), ("iteration", 4), ("record", 4, False),
        ("settled", 4, "done"), ("end", 4, "done"),
    ]  # fmt: skip


def test_callbacks_are_called_in_the_order_in_which_they_were_given() -> None:
    lines: list[Any] = []
    trainer(Diary(lines, "b"), Diary(lines, "a")).fit(iterations=1)
    assert [line[0] for line in lines] == ["b", "a"] * (len(lines) // 2)


def test_a_callback_stops_the_run_and_says_why() -> None:
    class Enough(Callback):
        def iteration(self, trainer: Trainer) -> None:
            if trainer.iteration == 4:
                trainer.stop("four are enough")

    run = trainer(Enough())
    run.fit(iterations=10)
    assert (run.iteration, run.reason) == (4, "four are enough")
    assert [record["iteration"] for record in run.history.records] == [0, 3, 4]
    assert run.final


def test_a_callback_may_change_the_gradients() -> None:
    class Still(Callback):
        def gradients(self, trainer: Trainer) -> None:
            for parameter in trainer.model.parameters():
                parameter.grad[...] = 0

    run = trainer(Still())
    before = run.model.state_dict()
    run.fit(iterations=3)
    for name, array in run.model.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_end_is_told_after_an_exception_too() -> None:
    lines: list[Any] = []

    class Broken(Callback):
        def iteration(self, trainer: Trainer) -> None:
            raise RuntimeError(f"at {trainer.iteration}")

    with pytest.raises(RuntimeError, match="at 1"):
        trainer(Diary(lines), Broken()).fit(iterations=3)
    assert lines[-1] == ("Diary", "end", 1, "")


def test_a_callback_tells_by_the_progress(capsys: pytest.CaptureFixture[str]) -> None:
    from tinygrad_edu.train import Progress

    class Greeting(Callback):
        def begin(self, trainer: Trainer) -> None:
            trainer.tell("good morning")

    trainer(Greeting(), progress=Progress()).fit(iterations=1)
    assert "good morning\n" in capsys.readouterr().out


def test_one_callback_needs_no_list() -> None:
    model = Linear(2, 2, rng=0)
    loader = DataLoader((POINTS, LABELS), 4, rng=0)
    lines: list[Any] = []
    run = Trainer(model, CrossEntropyLoss(), SGD(model, 0.1), loader, callbacks=Diary(lines))
    run.fit(iterations=1)
    assert lines


@pytest.mark.parametrize(
    ("callbacks", "words"),
    [
        ([EarlyStopping], "found EarlyStopping among"),
        ([3], "found int among"),
        ([EarlyStopping("a", 1), EarlyStopping("b", 1)], "several of the callbacks"),
        ([Diary([], "a/b")], "one of the callbacks called 'a/b'"),
        ([Diary([], "")], "called ''"),
    ],
)
def test_what_is_no_callback_of_its_own_name_is_refused(callbacks: Any, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        trainer(*callbacks)


def test_a_class_may_say_another_name() -> None:
    class Other(Callback):
        name = "mine"

    class Further(Other):
        pass

    assert (Other.name, Further.name, Callback().name) == ("mine", "Further", "")
