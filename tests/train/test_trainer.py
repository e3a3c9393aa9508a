"""Trainer: it learns, tells, stops, and goes on after any end as if there had been none."""

import math
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import CheckpointError, TrainingError
from tinygrad_edu.nn import BatchNorm1d, CrossEntropyLoss, Dropout, Linear, Sequential, manual_seed
from tinygrad_edu.optim import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp
from tinygrad_edu.train import EarlyStopping, Trainer

OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "sgd": lambda model: SGD(model, 0.1),
    "momentum": lambda model: SGD(model, 0.1, momentum=0.9),
    "nesterov": lambda model: SGD(model, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adagrad": lambda model: AdaGrad(model, 0.1),
    "rmsprop": lambda model: RMSProp(model, 0.01),
    "adam": lambda model: Adam(model, 0.01, amsgrad=True),
    "adamw": lambda model: AdamW(model, 0.01),
}


@pytest.fixture(autouse=True)
def default_generator_begins_anew() -> Iterator[None]:
    yield
    manual_seed(0)


def rings(samples: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Points of two noisy rings, and which ring each is of."""
    rng = np.random.default_rng(5)
    labels = np.arange(samples) % 2
    angles = rng.uniform(0, 2 * np.pi, samples)
    radii = 1 + labels + 0.1 * rng.standard_normal(samples)
    points = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return points.astype(np.float32), labels


POINTS, LABELS = rings()
TRAIN, TEST = (POINTS[:200], LABELS[:200]), (POINTS[200:], LABELS[200:])


def trainer(
    optimizer: str = "sgd", *, seed: int = 0, shuffled: bool = False, **options: Any
) -> Trainer:
    """A small net with everything that has a state: parameters, buffers, generators."""
    manual_seed(seed)
    model = Sequential(
        Linear(2, 16, activation="tanh", rng=seed),
        BatchNorm1d(16),
        Dropout(0.2, rng=np.random.default_rng(seed)),
        Dropout(0.1),  # draws from the default generator
        Linear(16, 2, rng=seed),
    )
    loader = DataLoader(TRAIN, 20, replacement=not shuffled, rng=seed + 1)
    return Trainer(
        model,
        CrossEntropyLoss(),
        OPTIMIZERS[optimizer](model),
        loader,
        **{"sets": {"train": TRAIN, "test": TEST}, **options},
    )


def everything(run: Trainer) -> Any:
    """All that must be equal in a resumed and an unbroken run: all but the time it took."""
    arrays, header = run.state_dict()
    records = [{**record, "seconds": 0} for record in run.history.records]
    bits = {
        name: (array.dtype.str, array.shape, array.tobytes())
        for name, array in arrays.items()
        if name != "history/records"
    }
    return bits, {**header, "seconds": 0}, records


# ------------------------------------------------------------------------------ learning


def test_it_learns_and_writes_down_how() -> None:
    run = trainer("adam", shuffled=True)
    history = run.fit(epochs=30)
    first, last = history.records[0], history.records[-1]
    assert [record["iteration"] for record in history.records] == list(range(0, 301, 10))
    assert list(last) == [
        "iteration",
        "epoch",
        "loss",
        "train_accuracy",
        "test_accuracy",
        "seconds",
    ]
    assert first["loss"] is None
    assert last["epoch"] == 30
    assert last["loss"] == history.losses[290:].mean()
    assert last["train_accuracy"] > 0.95 > 0.8 > first["train_accuracy"]
    assert last["test_accuracy"] > 0.9
    assert last["seconds"] >= history.records[-2]["seconds"] > 0
    assert run.model.training
    assert repr(history) == "History(300 iterations, 31 records)"


def test_accuracy_is_measured_in_evaluation_mode_and_without_recording() -> None:
    run = trainer()
    modes = []
    forward = run.model.layers[2].forward
    run.model.layers[2].forward = lambda x: modes.append(x.requires_grad) or forward(x)
    before = run.model.layers[2].rng.bit_generator.state
    run.fit(iterations=0)
    assert modes == [False, False]
    assert run.model.layers[2].rng.bit_generator.state == before
    assert run.model.training


def test_the_end_is_evaluated_and_forgotten_when_training_goes_on() -> None:
    run = trainer()
    run.fit(iterations=25)
    assert [record["iteration"] for record in run.history.records] == [0, 10, 20, 25]
    run.fit(iterations=25)
    assert [record["iteration"] for record in run.history.records] == [0, 10, 20, 25]
    run.fit(epochs=4)
    assert [record["iteration"] for record in run.history.records] == [0, 10, 20, 30, 40]
    whole = trainer()
    whole.fit(epochs=4)
    assert everything(run) == everything(whole)


def test_an_evaluation_may_come_more_often_than_an_epoch_ends() -> None:
    run = trainer(evaluate_every=4, sets={}, metrics={})
    run.fit(iterations=8)
    assert [list(record) for record in run.history.records] == 3 * [
        ["iteration", "epoch", "loss", "seconds"]
    ]


@pytest.mark.parametrize("how", [{}, {"epochs": 1, "iterations": 2}, {"iterations": -1}])
def test_how_long_must_be_clear(how: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="fix"):
        trainer().fit(**how)


def test_an_evaluation_every_zero_iterations_is_refused() -> None:
    with pytest.raises(TrainingError, match="evaluate_every=0"):
        trainer(evaluate_every=0)


# ------------------------------------------------------------------------------ early stopping


class Scripted(EarlyStopping):
    """Sees accuracies that were written down beforehand."""

    script = (0.5, 0.7, 0.6, 0.7, 0.65, 0.9, 0.9)

    def watch(self, record: Any, model: Any) -> None:
        value = self.script[record["iteration"] // 10]
        super().watch({**record, "test_accuracy": value}, model)


@pytest.mark.parametrize(("patience", "stop"), [(1, 20), (3, 40), (4, 60)])
def test_patience_counts_evaluations_without_a_better_one(patience: int, stop: int) -> None:
    stopping = Scripted("test_accuracy", patience)
    run = trainer(early_stopping=stopping)
    run.fit(iterations=60)
    assert run.iteration == stop
    best = {20: 10, 40: 10, 60: 50}[stop]
    assert stopping.iteration == best


def test_the_best_weights_come_back() -> None:
    run = trainer(early_stopping=Scripted("test_accuracy", 3))
    run.fit(iterations=60)
    at_best = trainer()
    at_best.fit(iterations=10)
    assert run.iteration == 40
    for name, array in at_best.model.state().items():
        assert np.array_equal(run.model.state()[name], array), name


def test_the_lowest_may_be_the_best() -> None:
    stopping = Scripted("test_accuracy", 2, best="lowest")
    trainer(early_stopping=stopping).fit(iterations=60)
    assert (stopping.iteration, stopping.value, stopping.stopped) == (0, 0.5, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"patience": 0}, "patience=0"),
        ({"patience": True}, "patience=True"),
        ({"patience": 2, "best": "largest"}, "largest"),
    ],
)
def test_early_stopping_refuses(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        EarlyStopping("test_accuracy", **arguments)


def test_a_metric_that_is_not_measured_cannot_be_watched() -> None:
    with pytest.raises(TrainingError, match=r"'accuracy'; found iteration.*test_accuracy"):
        trainer(early_stopping=EarlyStopping("accuracy", 2)).fit(epochs=1)


def test_a_metric_without_a_value_cannot_be_watched() -> None:
    metrics = {"nothing": lambda outputs, _targets: np.full(len(outputs), np.nan)}
    run = trainer(early_stopping=EarlyStopping("test_nothing", 2), metrics=metrics)
    with pytest.raises(TrainingError, match="no value"):
        run.fit(epochs=5)


# ------------------------------------------------------------------------------ resuming


@pytest.mark.parametrize("shuffled", [True, False], ids=["shuffled", "drawn"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_run_equals_the_unbroken_one(
    tmp_path: Path, optimizer: str, shuffled: bool
) -> None:
    def early() -> EarlyStopping:
        return EarlyStopping("test_accuracy", 50)

    whole = trainer(optimizer, shuffled=shuffled, early_stopping=early())
    whole.fit(iterations=57)
    broken = trainer(optimizer, shuffled=shuffled, early_stopping=early())
    broken.fit(iterations=33)  # in the middle of an epoch
    broken.save(tmp_path / "state.npz")
    del broken
    # Another seed: nothing may be left of what the new trainer was made with.
    resumed = trainer(optimizer, seed=9, shuffled=shuffled, early_stopping=early())
    resumed.resume(tmp_path / "state.npz")
    assert resumed.iteration == resumed.saved == 33
    resumed.fit(iterations=57)
    assert everything(resumed) == everything(whole)


def test_a_run_that_had_stopped_early_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    first = trainer(early_stopping=Scripted("test_accuracy", 3), checkpoint=path)
    first.fit(iterations=60)
    again = trainer(seed=3, early_stopping=Scripted("test_accuracy", 3))
    again.resume(path)
    again.fit(iterations=60)
    assert again.iteration == 40
    for name, array in first.model.state().items():
        assert np.array_equal(again.model.state()[name], array), name


def with_header(**facts: Any) -> Callable[[Any, Any], None]:
    return lambda _arrays, header: header.update(facts)


def without(name: str) -> Callable[[Any, Any], None]:
    return lambda arrays, _header: arrays.pop(name)


UNFIT: dict[str, Callable[[Any, Any], None]] = {
    "another optimizer": with_header(optimizer="Adam"),
    "other generators": with_header(generators={}),
    "a bad generator": lambda _arrays, header: header["generators"].update({"2.rng": {}}),
    "no early stopping": with_header(early_stopping=None),
    "a bad early stopping": with_header(early_stopping=3),
    "another iteration": with_header(iteration=3),
    "another loader": with_header(loader={"rng": {}, "form": {}}),
    "no seconds": lambda _arrays, header: header.pop("seconds"),
    "no weights": without("model/0.weight"),
    "no slot": without("optimizer/lr"),
    "no losses": without("history/losses"),
    "no bookmark": without("loader/position"),
    "no best weights": without("best/0.weight"),
    "wrong shape": lambda arrays, _: arrays.update({"model/0.weight": np.zeros(3)}),
    "wrong records": lambda arrays, _: arrays.update(
        {"history/records": np.frombuffer(b'{"iteration": 99}', np.uint8)}
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_state_that_does_not_fit_changes_nothing(what: str) -> None:
    first = trainer(early_stopping=EarlyStopping("test_accuracy", 5))
    first.fit(iterations=12)
    arrays, header = first.state_dict()
    UNFIT[what](arrays, header)
    run = trainer(seed=4, early_stopping=EarlyStopping("test_accuracy", 5))
    run.fit(iterations=7)
    before = everything(run)
    with pytest.raises(CheckpointError, match=r"Trainer|history|load_state_dict|EarlyStopping"):
        run.load_state_dict(arrays, header)
    assert everything(run) == before


def test_the_state_is_saved_at_every_evaluation_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    run = trainer(checkpoint=path, facts={"seed": 0})
    run.fit(iterations=15)
    again = trainer(seed=2)
    again.resume(path)
    assert everything(again)[0] == everything(run)[0]
    assert [record["iteration"] for record in again.history.records] == [0, 10, 15]


# ------------------------------------------------------------------------------ diverging


def test_a_loss_that_is_not_finite_stops_the_run_before_it_does_harm() -> None:
    run = trainer()
    run.fit(iterations=5)
    run.model.layers[4].weight.data[0, 0] = np.inf
    parameters = run.model.parameters()
    before = [parameter.numpy().tobytes() for parameter in parameters]
    with pytest.raises(TrainingError) as caught:
        run.fit(iterations=50)
    text = str(caught.value)
    assert "iteration 6" in text
    assert "learning rate: 0.1" in text
    assert "0.01" in text
    assert f"{run.history.losses[4]:.4g}, nan" in text
    assert run.iteration == 5
    assert [parameter.numpy().tobytes() for parameter in parameters] == before


def exploding(**options: Any) -> Trainer:
    model = Linear(2, 2, rng=0)
    return Trainer(
        model, CrossEntropyLoss(), SGD(model, 1e6), DataLoader(TRAIN, 20, rng=0), **options
    )


def test_a_loss_that_grows_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    run = exploding(checkpoint=path)
    with pytest.raises(TrainingError, match="has exploded at iteration 20") as caught:
        run.fit(epochs=10)
    assert str(path) in str(caught.value)
    assert run.saved == 10


def test_growth_may_be_allowed() -> None:
    run = exploding(explodes_at=math.inf)
    run.fit(iterations=40)
    assert run.iteration == 40


# ------------------------------------------------------------------------------ Ctrl-C


def interrupting(run: Trainer, *iterations: int) -> Trainer:
    """A trainer whose user presses Ctrl-C during the loss of these iterations."""
    loss = run.loss

    def pressed(outputs: Any, targets: Any) -> Any:
        if run.iteration + 1 in iterations:
            signal.raise_signal(signal.SIGINT)
        return loss(outputs, targets)

    run.loss = pressed
    return run


def test_ctrl_c_finishes_the_iteration_and_saves(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    run = interrupting(trainer("adam", checkpoint=path), 14)
    with pytest.raises(KeyboardInterrupt):
        run.fit(iterations=40)
    assert run.iteration == run.saved == 14
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = trainer("adam", seed=8)
    resumed.resume(path)
    resumed.fit(iterations=40)
    whole = trainer("adam")
    whole.fit(iterations=40)
    assert everything(resumed) == everything(whole)


def test_a_second_ctrl_c_does_not_wait() -> None:
    run = trainer()
    loss = run.loss

    def pressed_twice(outputs: Any, targets: Any) -> Any:
        if run.iteration == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return loss(outputs, targets)

    run.loss = pressed_twice
    with pytest.raises(KeyboardInterrupt):
        run.fit(iterations=40)
    assert run.iteration == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_listens_itself_is_left_alone() -> None:
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        run = interrupting(trainer(), 4)
        run.fit(iterations=12)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]
    assert run.iteration == 12


def test_it_trains_in_another_thread() -> None:
    run = trainer()
    thread = threading.Thread(target=lambda: run.fit(iterations=12))
    thread.start()
    thread.join()
    assert run.iteration == 12
