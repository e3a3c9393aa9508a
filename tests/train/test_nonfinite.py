"""A run that diverges: the error says where it began, and nothing was spoilt by the search."""

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import (
    BatchNorm1d,
    CrossEntropyLoss,
    Dropout,
    Linear,
    Module,
    ReLU,
    Sequential,
    manual_seed,
)
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Callback, GradientDoctor, Trainer

POINTS = np.random.default_rng(0).uniform(1, 2, (30, 3))
TARGETS = POINTS.sum(axis=1, keepdims=True)


class Root(Module):
    """Takes a square root, of a negative number now and then."""

    def forward(self, x: Any) -> Any:
        return np.sqrt(x)


def squared(outputs: Any, targets: Any) -> Any:
    return ((outputs - targets) ** 2).mean()


def trainer(
    *middle: Any, data: Any = (POINTS, TARGETS), lr: float = 0.01, loss: Any = squared, **opts: Any
) -> Trainer:
    manual_seed(0)
    model = Sequential(
        Linear(3, 4, rng=0, dtype=np.float64), *middle, Linear(4, 1, rng=1, dtype=np.float64)
    )
    loader_options = {"rng": 3, **opts}
    accumulate = loader_options.pop("accumulate", 1)
    loader = DataLoader(data, 5, **loader_options)
    return Trainer(model, loss, SGD(model, lr), loader, accumulate=accumulate, explodes_at=np.inf)


class Indices(Callback):
    """Remembers which samples each batch held, found by their values."""

    def __init__(self) -> None:
        self.found: list[list[int]] = []

    def look(self, trainer: Trainer) -> list[int]:
        rows = np.concatenate([batch[0] for batch in trainer.batches])
        return [int(np.flatnonzero((row == POINTS).all(axis=1))[0]) for row in rows]


def failing(run: Trainer) -> str:
    with pytest.raises(TrainingError) as caught:
        run.fit(iterations=200)
    manual_seed(0)
    return str(caught.value)


@pytest.mark.parametrize(
    "options", [{}, {"replacement": True}, {"shuffle": False}, {"accumulate": 2}]
)
def test_layer_op_samples_and_weights_are_named(options: dict[str, Any]) -> None:
    run = trainer(Dropout(0.3, rng=np.random.default_rng(0)), Root(), **options)
    for parameter in run.model.parameters()[:1]:
        parameter.data = np.where(parameter.numpy() < 0, 0.5, parameter.numpy()) + 0.1
    run.fit(iterations=3)
    weight = run.model.layers[0].weight
    weight.data = -weight.numpy()
    text = failing(run)
    assert "the loss is not finite at iteration 4" in text
    assert "first: in 2 (Root), sqrt: the result is nan at" in text
    assert "test_nonfinite.py" in text
    shown = text.split("batch: samples ")[1].split("\n")[0].split(", ...")[0].split(" (")[0]
    assert [int(number) for number in shown.split(", ")] == Indices().look(run)[:12]
    assert "largest weights: 0.weight" in text
    assert "gradient norms: 0.weight nan" in text
    assert "clip the gradients" in text


def test_a_gradient_that_is_not_finite_stops_the_run_though_the_loss_is() -> None:
    def rooted(outputs: Any, _targets: Any) -> Any:
        return np.log(np.sum(outputs * 0.0) + 1e-320)

    run = trainer(loss=rooted)
    before = run.model.state_dict()
    text = failing(run)
    assert "a gradient is not finite at iteration 1" in text
    assert "first: log: the gradient for its argument" in text
    for name, array in before.items():
        np.testing.assert_array_equal(run.model.state()[name], array)


def test_bad_data_are_named_by_their_number() -> None:
    points = POINTS.copy()
    points[17, 1] = np.nan
    text = failing(trainer(data=(points, TARGETS)))
    assert "first: the inputs 1 of the batch hold nan" in text
    assert "which is sample 17 of the data" in text
    assert "take that sample out of the data" in text


def test_the_search_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    run = trainer(BatchNorm1d(4, dtype=np.float64), Dropout(0.3, rng=generator), Root())
    text = failing(run)
    assert "in 3 (Root)" in text
    again = trainer(BatchNorm1d(4, dtype=np.float64), Dropout(0.3, rng=0), Root())
    with np.errstate(invalid="ignore"):
        again.find_gradients()
    for name, array in again.model.state().items():
        np.testing.assert_array_equal(run.model.state()[name], array)
    other = again.model.layers[2].rng
    assert generator.bit_generator.state == other.bit_generator.state
    assert run.model.training
    assert "forward" not in vars(run.model.layers[3])


def test_what_a_callback_made_is_not_found_in_the_net() -> None:
    class Spoiler(Callback):
        def gradients(self, trainer: Trainer) -> None:
            trainer.model.parameters()[0].grad[0] = np.inf

    run = trainer()
    run.callbacks = [Spoiler()]
    text = failing(run)
    assert "a gradient is not finite at iteration 1" in text
    assert "not found again, so a callback or a hook made it" in text


def test_a_gradient_too_large_to_square_is_still_one() -> None:
    class Huge(Callback):
        def gradients(self, trainer: Trainer) -> None:
            for parameter in trainer.model.parameters():
                parameter.grad[...] = 1e200

    run = trainer(lr=1e-210)
    run.callbacks = [Huge()]
    run.fit(iterations=2)
    assert run.iteration == 2


def test_an_explosion_tells_weights_and_gradients() -> None:
    run = trainer(lr=1e3)
    run.explodes_at = 10
    run.loss = lambda outputs, targets: np.abs(outputs - targets).mean()
    text = failing(run)
    assert "the loss has exploded at iteration 20" in text
    assert "gradient norms: 0.weight" in text
    assert tg.is_recording()


# ------------------------------------------------------------------------------ the fix


def fix_of(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("  fix: "))


def classifier(lr: float, scale: float = 1.0, **options: Any) -> Trainer:
    rng = np.random.default_rng(0)
    images = (scale * rng.uniform(0, 1, (600, 64))).astype(np.float32)
    model = Sequential(Linear(64, 50, rng=0), ReLU(), Linear(50, 10, rng=1))
    loader = DataLoader((images, np.arange(600) % 10), 50, rng=0)
    return Trainer(model, CrossEntropyLoss(), SGD(model, lr), loader, **options)


@pytest.mark.parametrize("lr", [1e3, 1e30])
def test_doctor_and_diagnosis_propose_one_rate(lr: float) -> None:
    doctor = GradientDoctor(5, tell=lambda _text: None)
    text = failing(classifier(lr, callbacks=[doctor]))
    (first,) = doctor.found[0][1]
    assert first.kind == "learning rate too large"
    rate = first.fix.partition(";")[0]
    assert fix_of(text).startswith(f"  fix: {rate}, or clip the gradients")
    assert 1e-3 < float(rate.removeprefix("try lr=")) < 1
    later = [finding for _, findings in doctor.found[1:] for finding in findings]
    assert later
    assert all(rate in finding.fix for finding in later)


def test_a_run_at_the_proposed_rate_does_not_diverge() -> None:
    text = failing(classifier(1e3))
    rate = float(fix_of(text).partition("lr=")[2].partition(",")[0])
    run = classifier(rate)
    run.fit(epochs=5)
    assert run.history.losses[-10:].mean() < run.history.losses[0]


def test_without_a_step_the_learning_rate_is_not_blamed() -> None:
    text = failing(trainer(loss=lambda y, t: np.log(np.sum(y - t) * 0.0 + 1e-320)))
    assert "no step was made yet" in fix_of(text)
    assert "try lr" not in text


def test_inputs_that_are_not_scaled_come_first() -> None:
    text = failing(classifier(0.1, 255.0))
    fix = fix_of(text)
    assert fix.startswith("  fix: scale the inputs 1, which reach from 0.0")
    assert "to 254.9" in fix
    assert "divide pixels by 255; if that does not help, try a smaller learning rate" in fix
    assert "standardise" in fix_of(failing(classifier(0.1, -1000.0)))


def test_scaled_inputs_are_not_blamed() -> None:
    assert "scale" not in fix_of(failing(classifier(1e30, 10.0)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_of_a_broken_input_nothing_is_said_of_the_learning_rate(value: float) -> None:
    points = POINTS.copy()
    points[17, 1] = value
    fix = fix_of(failing(trainer(data=(100 * points, TARGETS))))
    assert fix == "  fix: take that sample out of the data, or repair it"


def test_the_call_of_fit_is_no_place_of_a_fault() -> None:
    text = failing(classifier(1e30))
    assert "first: in 2 (Linear)" in text
    assert "run.fit(" not in text
    assert "\n    at " not in text
