"""Resume: a run that was interrupted goes on as if it had not been, bit for bit."""

import functools
import hashlib
import inspect
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import optim
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import CheckpointError
from tinygrad_edu.nn import BatchNorm1d, CrossEntropyLoss, Dropout, Linear, Sequential, manual_seed
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.train import Averaged, Callback, Checkpoints, EarlyStopping, Trainer
from tinygrad_edu.train.resume import packed, unpacked

OPTIMIZERS = {
    name: found
    for name in optim.__all__
    if inspect.isclass(found := getattr(optim, name))
    and issubclass(found, Optimizer)
    and found is not Optimizer
}
POINTS = np.random.default_rng(7).standard_normal((110, 6)).astype(np.float32)
LABELS = (POINTS[:, 0] * POINTS[:, 1] > 0).astype(int) + (POINTS[:, 2] > 0)
OPTIONS = {"LBFGS": {"max_iter": 3, "line_search_fn": "strong_wolfe"}}
ITERATIONS = 23
"""Of six batches an epoch, two at a time and the last one shorter: three iterations each."""


@pytest.fixture(autouse=True)
def default_generator_begins_anew() -> Iterator[None]:
    yield
    manual_seed(0)


def noisy(batch: tuple[np.ndarray, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    points, labels = batch
    return points + 0.1 * rng.standard_normal(points.shape, np.float32), labels


class Digest(Callback):
    """Remembers what the data of all iterations were, in order, as one digest."""

    digest = ""

    def iteration(self, trainer: Trainer) -> None:
        found = hashlib.sha256(self.digest.encode())
        for batch in trainer.batches:
            for array in batch:
                found.update(array.tobytes())
        self.digest = found.hexdigest()

    def told(self) -> dict[str, Any]:
        return {"digest": self.digest}

    def load(self, _trainer: Trainer, _arrays: Any, facts: Any) -> None:
        self.digest = facts["digest"]


class FromOutside(Callback):
    """Sends a signal to the process in the middle of some iteration, as a user or a queue does."""

    steers = False

    def __init__(self, iteration: int, number: int) -> None:
        self.when, self.number = iteration, number

    def gradients(self, trainer: Trainer) -> None:
        if trainer.iteration + 1 == self.when:
            signal.raise_signal(self.number)


def build(
    rule: str, seed: int, *, workers: int = 0, more: tuple[Callback, ...] = (), **options: Any
) -> Trainer:
    """A run with everything that has a state."""
    manual_seed(seed)
    model = Sequential(
        Linear(6, 12, activation="tanh", rng=seed),
        BatchNorm1d(12),
        Dropout(0.2, rng=np.random.default_rng(seed)),
        Dropout(0.1),  # draws from the default generator
        Linear(12, 3, rng=seed),
    )
    kind = OPTIMIZERS[rule]
    need = inspect.signature(kind).parameters["lr"].default is inspect.Parameter.empty
    optimizer = kind(model, **({"lr": 0.01} if need else {}), **OPTIONS.get(rule, {}))
    optimizer.add_hook(optim.ClipGradNorm(1.0))
    optimizer.add_hook(optim.GradientNoise(np.random.default_rng(seed)))
    loader = DataLoader(
        (POINTS[:100], LABELS[:100]), 18, transform=noisy, workers=workers, rng=seed + 1
    )
    return Trainer(
        model,
        CrossEntropyLoss(),
        optimizer,
        loader,
        sets={"validation": (POINTS[100:], LABELS[100:])},
        metrics=("accuracy", "loss"),
        accumulate=2,
        callbacks=[
            Averaged(optim.EMA(model, 0.8)),
            EarlyStopping("validation_averaged_loss", 50, best="lowest"),
            Digest(),
            *more,
        ],
        explodes_at=np.inf,
        **{"schedule": schedules(optimizer), "evaluate_every": 4, **options},
    )


def schedules(optimizer: Optimizer) -> list[Any]:
    return [
        optim.CosineAnnealingLR(optimizer, 5, eta_min=1e-3),
        optim.ReduceLROnPlateau(optimizer, patience=0, monitor="validation_loss"),
    ]


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


@functools.cache
def unbroken(rule: str) -> Any:
    run = build(rule, 0)
    run.fit(iterations=ITERATIONS)
    assert np.isfinite(run.history.losses).all()
    return everything(run)


@pytest.mark.acceptance("N15")
@pytest.mark.hazard(33)
@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_run_interrupted_anywhere_goes_on_bit_for_bit(tmp_path: Path, rule: str) -> None:
    dice = random.Random(rule)
    stops = sorted(dice.sample(range(1, ITERATIONS), 3))
    assert any(stop % 3 for stop in stops), "one of them is in the middle of an epoch"
    path = tmp_path / "state.npz"
    for number, stop in enumerate([*stops, None]):
        # Another seed each: nothing may be left of what the new trainer was made with.
        more = () if stop is None else (FromOutside(stop, signal.SIGINT),)
        run = build(rule, 10 * number, workers=number % 2, more=more, checkpoint=path)
        if number:
            run.resume(path)
            assert run.iteration == run.saved == stops[number - 1]
        if stop is None:
            run.fit(iterations=ITERATIONS)
        else:
            with pytest.raises(KeyboardInterrupt, match=r"go on with trainer\.resume"):
                run.fit(iterations=ITERATIONS)
            assert run.iteration == stop
    assert everything(run) == unbroken(rule)


def test_every_iteration_is_a_place_to_stop(tmp_path: Path) -> None:
    run = build("Adam", 0, more=(Checkpoints(tmp_path, iterations=1),))
    run.fit(iterations=ITERATIONS)
    assert everything(run) == unbroken("Adam")
    for stop in range(1, ITERATIONS + 1):
        again = build("Adam", 5)
        again.resume(tmp_path / f"iteration-{stop:08}.npz")
        again.fit(iterations=ITERATIONS)
        assert everything(again) == unbroken("Adam"), stop


def test_sigterm_saves_says_how_to_go_on_and_ends_the_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state.npz"
    run = build("SGD", 0, more=(FromOutside(8, signal.SIGTERM),), checkpoint=path)
    with pytest.raises(SystemExit) as caught:
        run.fit(iterations=ITERATIONS)
    assert caught.value.code == 143
    assert "stopped at iteration 8 of 23" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    again = build("SGD", 1)
    again.resume(path)
    again.fit(iterations=ITERATIONS)
    assert everything(again) == unbroken("SGD")


def test_without_a_checkpoint_ctrl_c_says_that_nothing_was_saved() -> None:
    with pytest.raises(KeyboardInterrupt, match="nothing was saved"):
        build("SGD", 0, more=(FromOutside(2, signal.SIGINT),)).fit(iterations=5)


def test_a_second_sigterm_does_not_wait() -> None:
    class Twice(FromOutside):
        def gradients(self, trainer: Trainer) -> None:
            super().gradients(trainer)
            super().gradients(trainer)

    run = build("SGD", 0, more=(Twice(3, signal.SIGTERM),))
    with pytest.raises(SystemExit):
        run.fit(iterations=5)
    assert run.iteration == 2


# ------------------------------------------------------------------------------ which file


def test_a_folder_is_resumed_from_its_newest_file(tmp_path: Path) -> None:
    run = build("SGD", 0, more=(Checkpoints(tmp_path, iterations=4),))
    run.fit(iterations=9)
    again = build("SGD", 1)
    again.resume(tmp_path)
    assert again.iteration == 9


def test_a_folder_with_one_checkpoint_is_resumed_from_it(tmp_path: Path) -> None:
    build("SGD", 0, checkpoint=tmp_path / "checkpoint.npz").fit(iterations=2)
    again = build("SGD", 1)
    again.resume(tmp_path)
    assert again.iteration == 2


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in this folder"):
        build("SGD", 0).resume(tmp_path)


# ------------------------------------------------------------------------------ what must be alike


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: build("Adam", 0), "optimizer: it was SGD, here it is Adam"),
        (lambda: build("SGD", 0, schedule=None), "CosineAnnealingLR.*here it is none"),
        (lambda: build("SGD", 0, more=(Twin(),)), "callback Twin was not there"),
    ],
)
def test_a_run_of_other_parts_is_refused(change: Callable[[], Trainer], words: str) -> None:
    first = build("SGD", 0)
    first.fit(iterations=2)
    other = change()
    before = everything(other)
    with pytest.raises(CheckpointError, match=words):
        other.load_state_dict(*first.state_dict())
    assert everything(other) == before


class Twin(Digest):
    """Another one that remembers something."""


def test_a_callback_that_steers_may_not_be_missing() -> None:
    first = build("SGD", 0, more=(Twin(),))
    first.fit(iterations=2)
    with pytest.raises(CheckpointError, match="callback Twin is missing here"):
        build("SGD", 0).load_state_dict(*first.state_dict())


def test_a_callback_that_does_not_steer_may_come_and_go(tmp_path: Path) -> None:
    keeping = Checkpoints(tmp_path / "files", monitor="validation_loss", best="lowest")
    first = build("SGD", 0, more=(keeping,))
    first.fit(iterations=5)
    without = build("SGD", 1)
    without.load_state_dict(*first.state_dict())
    again = build("SGD", 2, more=(Checkpoints(tmp_path / "more"),))
    again.load_state_dict(*without.state_dict())
    assert again.iteration == 5


def test_a_callback_that_cannot_read_its_state_changes_nothing() -> None:
    class Reluctant(Digest):
        name = "Digest"

        def load(self, _trainer: Trainer, _arrays: Any, facts: Any) -> None:
            if facts["digest"]:
                raise KeyError("seal")

    def reluctant() -> Trainer:
        run = build("Adam", 3)
        run.callbacks[2] = Reluctant()
        return run

    first, second = build("Adam", 0), reluctant()
    first.fit(iterations=4)
    before = everything(second)
    with pytest.raises(CheckpointError, match="KeyError: 'seal'"):
        second.load_state_dict(*first.state_dict())
    assert everything(second) == before


def test_facts_that_json_does_not_know_come_back() -> None:
    facts = {"best": float("inf"), "bad": [-float("inf"), 1], "n": np.int64(3), "a": np.ones(2)}
    assert unpacked(packed(facts)) == {
        "best": float("inf"), "bad": [-float("inf"), 1], "n": 3, "a": [1.0, 1.0],
    }  # fmt: skip
    assert np.isnan(unpacked(packed(float("nan"))))
