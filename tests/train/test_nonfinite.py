"""A run that diverges: the error says where it began, and nothing was spoilt by the search."""

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import BatchNorm1d, Dropout, Linear, Module, Sequential, manual_seed
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Callback, Trainer

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
