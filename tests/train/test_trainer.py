"""Trainer: it learns, tells, stops, and goes on after any end as if there had been none."""

import math
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Parameter
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import CheckpointError, TrainingError
from tinygrad_edu.nn import (
    BatchNorm1d,
    CrossEntropyLoss,
    Dropout,
    Linear,
    MSELoss,
    Sequential,
    manual_seed,
)
from tinygrad_edu.optim import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp
from tinygrad_edu.train import Callback, EarlyStopping, Progress, Trainer

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


@pytest.mark.acceptance("N12")
@pytest.mark.parametrize("accumulate", [1, 2])
def test_six_epochs_are_six_evaluations_though_the_batches_do_not_divide_the_samples(
    accumulate: int,
) -> None:
    points, labels = rings(250)
    model = Linear(2, 2, rng=0)
    loader = DataLoader((points, labels), 100, rng=0)
    sets = {"train": (points, labels)}
    run = Trainer(
        model, CrossEntropyLoss(), SGD(model, 0.1), loader, sets=sets, accumulate=accumulate
    )
    at_the_start, *after_epochs = run.fit(epochs=6).records
    assert at_the_start["epoch"] == 0
    assert [record["epoch"] for record in after_epochs] == [1, 2, 3, 4, 5, 6]
    assert int(loader.state()["epoch"]) == 6


# ------------------------------------------------------------------------------ accumulation


NORMAL = np.random.default_rng(3).standard_normal((47, 3)), np.arange(47) % 4
OTHER = np.random.default_rng(4).standard_normal((47, 3)), NORMAL[0][:, :1] ** 2


def accumulated(
    data: Any, loss: Any, batch_size: int, accumulate: int, rule: Any, **options: Any
) -> Trainer:
    outputs = 4 if data[1].ndim == 1 else 1
    model = Sequential(
        Linear(3, 5, activation="tanh", rng=0, dtype=np.float64),
        Linear(5, outputs, rng=1, dtype=np.float64),
    )
    loader = DataLoader(data, batch_size, rng=2, **options)
    return Trainer(model, loss, rule(model), loader, accumulate=accumulate)


@pytest.mark.parametrize("last", ["keep", "drop"])
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("rule", [lambda m: SGD(m, 0.02, momentum=0.9), lambda m: Adam(m, 0.01)])
@pytest.mark.parametrize(("data", "loss"), [(NORMAL, CrossEntropyLoss()), (OTHER, MSELoss())])
def test_k_batches_that_count_as_one_are_one_batch_k_times_as_large(
    data: Any, loss: Any, rule: Any, k: int, last: Any
) -> None:
    # 47 samples: the last of the small batches has 2, and the last of the large ones is short too.
    small = accumulated(data, loss, 3, k, rule, last=last)
    large = accumulated(data, loss, 3 * k, 1, rule, last=last)
    if last == "drop":  # what is left of an epoch is a step of its own, which the large one drops
        small.fit(iterations=len(large.loader))
        large.fit(iterations=len(large.loader))
    else:
        assert small.epoch_length == large.epoch_length
        small.fit(epochs=4)
        large.fit(epochs=4)
    np.testing.assert_allclose(small.history.losses, large.history.losses, rtol=1e-12, atol=1e-12)
    for name, array in large.model.state().items():
        np.testing.assert_allclose(small.model.state()[name], array, rtol=1e-12, atol=1e-12)


def test_an_epoch_ends_with_what_is_left_of_it() -> None:
    sizes = []

    class Sizes(Callback):
        def iteration(self, trainer: Trainer) -> None:
            sizes.append([len(batch[-1]) for batch in trainer.batches])

    run = accumulated(NORMAL, CrossEntropyLoss(), 10, 3, lambda m: SGD(m, 0.1))
    run.callbacks = [Sizes()]
    run.fit(epochs=2)
    assert sizes == 2 * [[10, 10, 10], [10, 7]]
    assert run.epoch == 2


@pytest.mark.parametrize("found", [0, -1, 1.5, True])
def test_a_number_of_batches_must_be_whole(found: Any) -> None:
    with pytest.raises(TrainingError, match=f"accumulate={found}"):
        trainer(accumulate=found)


# ------------------------------------------------------------------------------ schedules


class Falling:
    """A schedule that writes down when it was stepped."""

    def __init__(self, optimizer: Optimizer, every: str = "epoch", **facts: Any) -> None:
        self.optimizer, self.every, self.steps = optimizer, every, []
        vars(self).update(facts)

    def step(self, *values: float) -> None:
        self.steps.append((round(self.optimizer.lr, 9), *values))
        self.optimizer.lr *= 0.5


def test_a_schedule_is_stepped_after_every_epoch_or_iteration() -> None:
    run = trainer(shuffled=True)
    run.schedules = [Falling(run.optimizer)]
    run.fit(iterations=25)
    assert run.schedules[0].steps == [(0.1,), (0.05,)]
    assert [record["lr"] for record in run.history.records] == [0.1, 0.1, 0.05, 0.025]
    run = trainer(accumulate=3)
    run.schedules = [Falling(run.optimizer, "iteration"), Falling(run.optimizer)]
    run.fit(iterations=5)
    assert [len(schedule.steps) for schedule in run.schedules] == [5, 1]


def test_a_plateau_is_told_the_value_of_each_evaluation_but_that_of_an_end() -> None:
    run = trainer(evaluate_every=7)
    plateau = Falling(run.optimizer, monitor="test_accuracy")
    run.schedules = [plateau]
    run.fit(iterations=17)
    values = run.history.column("test_accuracy")[1:3]
    assert plateau.steps == [(0.1, values[0]), (0.05, values[1])]
    assert [record["iteration"] for record in run.history.records] == [0, 7, 14, 17]
    run.fit(iterations=21)
    assert len(plateau.steps) == 3


def test_a_plateau_of_a_metric_that_is_not_measured_is_refused() -> None:
    run = trainer()
    run.schedules = [Falling(run.optimizer, monitor="validation_loss")]
    with pytest.raises(TrainingError, match="no record has 'validation_loss'"):
        run.fit(epochs=1)


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"schedule=0\.5; expected one with step\(\)"):
        trainer(schedule=0.5)


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
    run = trainer(callbacks=[stopping])
    run.fit(iterations=60)
    assert run.iteration == stop
    best = {20: 10, 40: 10, 60: 50}[stop]
    assert stopping.iteration_of_best == best


def test_the_best_weights_come_back() -> None:
    run = trainer(callbacks=[Scripted("test_accuracy", 3)])
    run.fit(iterations=60)
    at_best = trainer()
    at_best.fit(iterations=10)
    assert run.iteration == 40
    for name, array in at_best.model.state().items():
        assert np.array_equal(run.model.state()[name], array), name


def test_the_lowest_may_be_the_best() -> None:
    stopping = Scripted("test_accuracy", 2, best="lowest")
    trainer(callbacks=[stopping]).fit(iterations=60)
    assert (stopping.iteration_of_best, stopping.value, stopping.stopped) == (0, 0.5, True)


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
        trainer(callbacks=[EarlyStopping("accuracy", 2)]).fit(epochs=1)


def test_a_metric_without_a_value_cannot_be_watched() -> None:
    metrics = {"nothing": lambda outputs, _targets: np.full(len(outputs), np.nan)}
    run = trainer(callbacks=[EarlyStopping("test_nothing", 2)], metrics=metrics)
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

    whole = trainer(optimizer, shuffled=shuffled, callbacks=[early()])
    whole.fit(iterations=57)
    broken = trainer(optimizer, shuffled=shuffled, callbacks=[early()])
    broken.fit(iterations=33)  # in the middle of an epoch
    broken.save(tmp_path / "state.npz")
    del broken
    # Another seed: nothing may be left of what the new trainer was made with.
    resumed = trainer(optimizer, seed=9, shuffled=shuffled, callbacks=[early()])
    resumed.resume(tmp_path / "state.npz")
    assert resumed.iteration == resumed.saved == 33
    resumed.fit(iterations=57)
    assert everything(resumed) == everything(whole)


def test_a_run_that_had_stopped_early_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    first = trainer(callbacks=[Scripted("test_accuracy", 3)], checkpoint=path)
    first.fit(iterations=60)
    again = trainer(seed=3, callbacks=[Scripted("test_accuracy", 3)])
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
    "another optimizer": with_header(kinds={"optimizer": "Adam", "schedules": []}),
    "another schedule": with_header(kinds={"optimizer": "SGD", "schedules": ["StepLR"]}),
    "no kinds": with_header(kinds={}),
    "another accumulation": with_header(accumulate=2),
    "other generators": with_header(generators={}),
    "a bad generator": lambda _arrays, header: header["generators"].update({"2.rng": {}}),
    "no early stopping": with_header(callbacks={}),
    "a bad early stopping": with_header(
        callbacks={"EarlyStopping": {"steers": True, "facts": {"value": 3}}}
    ),
    "another callback": lambda _arrays, header: header["callbacks"].update(
        {"Other": {"steers": True, "facts": {}}}
    ),
    "another iteration": with_header(iteration=3),
    "another loader": lambda _arrays, header: header["parts"]["loader"].update({"form": {}}),
    "no seconds": lambda _arrays, header: header.pop("seconds"),
    "no weights": without("model/0.weight"),
    "no slot": without("optimizer/lr"),
    "no losses": without("history/losses"),
    "no bookmark": without("loader/position"),
    "no best weights": without("callbacks/EarlyStopping/0.weight"),
    "wrong shape": lambda arrays, _: arrays.update({"model/0.weight": np.zeros(3)}),
    "wrong records": lambda arrays, _: arrays.update(
        {"history/records": np.frombuffer(b'{"iteration": 99}', np.uint8)}
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_state_that_does_not_fit_changes_nothing(what: str) -> None:
    first = trainer(callbacks=[EarlyStopping("test_accuracy", 5)])
    first.fit(iterations=12)
    arrays, header = first.state_dict()
    UNFIT[what](arrays, header)
    run = trainer(seed=4, callbacks=[EarlyStopping("test_accuracy", 5)])
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
    assert "first: 4.weight is inf at [0, 0] before this iteration" in text
    assert "largest weights: 4.weight inf" in text
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


# ------------------------------------------------------------------------------ what is refused


def parts() -> tuple[Any, Any, DataLoader]:
    model = Sequential(Linear(2, 4, rng=0), Linear(4, 2, rng=1))
    return model, CrossEntropyLoss(), DataLoader(TRAIN, 20, rng=0)


def test_an_optimizer_of_another_model_is_refused() -> None:
    model, loss, loader = parts()
    with pytest.raises(TrainingError, match="parameters are not the model's") as caught:
        Trainer(model, loss, SGD(parts()[0], 0.1), loader)
    assert "fix: make the optimizer from the model that is trained: SGD(model" in str(caught.value)
    Trainer(model, loss, SGD(model[1], 0.1), loader).fit(iterations=1)
    both = [*model.named_parameters(), ("temperature", Parameter(np.ones(1, np.float32)))]
    Trainer(model, loss, SGD(both, 0.1), loader).fit(iterations=1)


@pytest.mark.parametrize(("progress", "tells"), [(None, False), (False, False), (True, True)])
def test_progress_may_be_switched_on_and_off(
    capsys: pytest.CaptureFixture[str], progress: bool | None, tells: bool
) -> None:
    model, loss, loader = parts()
    Trainer(model, loss, SGD(model, 0.1), loader, progress=progress).fit(iterations=1)
    assert bool(capsys.readouterr().out) is tells


@pytest.mark.parametrize("progress", ["bar", 1, Progress])
def test_what_is_no_progress_is_refused(progress: Any) -> None:
    model, loss, loader = parts()
    with pytest.raises(TrainingError, match=r"found progress=.*\n  fix: progress=Progress\(\)"):
        Trainer(model, loss, SGD(model, 0.1), loader, progress=progress)
