"""Averages of parameters: the formula, the exchange, the state."""

import numpy as np
import pytest

from tinygrad_edu.errors import CheckpointError, OptimizerError
from tinygrad_edu.nn import BatchNorm1d, Linear, Sequential
from tinygrad_edu.optim import EMA, SGD, SWA


def net():
    return Sequential(Linear(3, 2, rng=np.random.default_rng(0)), BatchNorm1d(2))


def train(model, optimizer, t):
    for i, p in enumerate(model.parameters()):
        p.grad = np.full(p.shape, np.sin(t + i))
    optimizer.step()


@pytest.mark.parametrize(
    ("make", "share"),
    [
        (lambda m: EMA(m, 0.9), lambda _n: 0.1),
        (lambda m: EMA(m, 0.9, warmup=True), lambda n: 1 - min(0.9, (1 + n) / (10 + n))),
        (lambda m: SWA(m), lambda n: 1 / n),
    ],
)
def test_the_average_follows_its_formula(make, share):
    model = net()
    optimizer, average = SGD(model, 0.1), make(model)
    expected = {name: value.copy() for name, value in average.values.items()}
    for n in range(1, 30):
        train(model, optimizer, n)
        average.update()
        now = dict(model.named_parameters())
        expected = {k: (1 - share(n)) * v + share(n) * now[k].numpy() for k, v in expected.items()}
    for name, value in expected.items():
        np.testing.assert_allclose(average.values[name], value, rtol=2e-6, atol=1e-7)


def test_applied_lends_the_average_and_gives_back_to_the_bit():
    model = net()
    optimizer, ema = SGD(model, 0.1), EMA(model, 0.5)
    train(model, optimizer, 1)
    ema.update()
    before = model.state_dict()
    with ema.applied():
        for name, p in model.named_parameters():
            np.testing.assert_array_equal(p.numpy(), ema.values[name])
        with pytest.raises(OptimizerError, match="applied"):
            ema.update()

    def fail():
        with ema.applied():
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    train(model, optimizer, 2)  # the flat arrays still hold the parameters


def test_buffers_are_averaged_if_asked_for():
    names = {name for name, _ in net().named_parameters()}
    assert EMA(net()).values.keys() == names
    assert EMA(net(), buffers=True).values.keys() > names


def test_a_saved_average_goes_on_and_a_wrong_one_changes_nothing():
    model = net()
    one, other = SWA(model), SWA(model)
    train(model, SGD(model, 0.1), 1)
    one.update()
    other.load_state_dict(one.state_dict())
    one.update()
    other.update()
    for name, value in one.values.items():
        np.testing.assert_array_equal(other.values[name], value)
    with pytest.raises(CheckpointError, match="count"):
        other.load_state_dict(one.state_dict() | {"count": np.array(-1)})
    assert other.count == 2


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan"), "0.9", True])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(OptimizerError, match="decay="):
        EMA(net(), decay)
