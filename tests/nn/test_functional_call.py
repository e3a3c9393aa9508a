"""Modules as functions of their parameters: every transform over them, and nothing left behind."""

import numpy as np
import pytest

from tinygrad_edu import grad, hessian, jvp, vmap
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import (
    LSTM,
    BatchNorm1d,
    Conv2d,
    CrossEntropyLoss,
    Flatten,
    Linear,
    Module,
    MultiheadAttention,
    ReLU,
    Sequential,
    Tanh,
    functional_call,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def net():
    return Sequential(Linear(3, 4, rng=0, dtype=float), Tanh(), Linear(4, 2, rng=1, dtype=float))


def test_the_values_given_take_the_place_of_the_modules_own():
    one, other, x = net(), net(), draw(5, 3)
    for p in other.parameters():
        p.data = p.numpy() + 0.5
    found = functional_call(one, other.state_dict(), x)
    np.testing.assert_array_equal(found.numpy(), other(x).numpy())
    assert all(isinstance(p, Parameter) for _, p in one.named_parameters())
    some = functional_call(one, {"2.bias": np.array([10.0, 20.0])}, x)
    np.testing.assert_allclose(some.numpy(), np.add(one(x).numpy(), [10, 20]), rtol=1e-12)


def test_gradients_are_those_of_backward_and_leave_no_gradient_behind():
    module, x, labels = net(), draw(5, 3), np.array([0, 1, 1, 0, 1])

    def loss(state):
        return CrossEntropyLoss()(functional_call(module, state, x), labels)

    found = grad(loss)(module.state_dict())
    assert all(p.grad is None for p in module.parameters())
    CrossEntropyLoss()(module(x), labels).backward()
    for name, p in module.named_parameters():
        np.testing.assert_allclose(found[name].numpy(), p.grad, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (net, draw(4, 3)),
        (lambda: Sequential(Conv2d(1, 2, 2, rng=0, dtype=float), ReLU(), Flatten(),
                            Linear(8, 2, rng=0, dtype=float)), draw(4, 1, 3, 3)),
        (lambda: Sequential(MultiheadAttention(4, 2, rng=0, dtype=float)), draw(4, 3, 4)),
    ],
    ids=["linear", "convolution", "attention"],
)  # fmt: skip
def test_gradients_of_each_sample_by_vmap(make, x):
    module = make()

    def loss(state, sample):
        return np.sum(functional_call(module, state, sample[None]) ** 2)

    each = vmap(grad(loss), in_axes=(None, 0))(module.state_dict(), x)
    for number, sample in enumerate(x):
        module.zero_grad()
        np.sum(module(sample[None]) ** 2).backward()
        for name, p in module.named_parameters():
            np.testing.assert_allclose(each[name].numpy()[number], p.grad, rtol=1e-9, atol=1e-12)


def test_second_order_and_forward_mode_over_the_tree():
    module, x = Linear(2, 1, rng=0, dtype=float), draw(3, 2)

    def loss(state):
        return 0.5 * np.sum(functional_call(module, state, x) ** 2)

    state = module.state_dict()
    found = hessian(loss)(state)
    np.testing.assert_allclose(found["weight"]["weight"].numpy()[:, 0, :, 0], x.T @ x, rtol=1e-12)
    _, moved = jvp(loss, (state,), ({name: np.ones_like(a) for name, a in state.items()},))
    rate = sum(float(g.numpy().sum()) for g in grad(loss)(state).values())
    assert moved.item() == pytest.approx(rate, rel=1e-12)


def test_parameters_in_lists_tuples_and_dicts_and_tied_ones():
    class Net(Module):
        def __init__(self):
            self.many = [Parameter([1.0]), (Parameter([2.0]), {"a": Parameter([3.0])})]
            self.tied = self.many[0]

        def forward(self, x):
            return x * self.many[0] * self.many[1][0] + self.many[1][1]["a"] * self.tied

    module = Net()
    found = functional_call(module, {"many.0": [5.0], "many.1.1.a": np.array([7.0])}, 1.0)
    assert found.tolist() == [5 * 2 + 7 * 5]
    assert module(1.0).tolist() == [5.0]


def test_buffers_are_given_back_even_after_an_error():
    module = BatchNorm1d(2, dtype=float)
    before = module.state_dict()
    functional_call(module, {"running_mean": np.ones(2)}, draw(4, 2))
    with pytest.raises(LayerError):
        functional_call(module, {"scale": np.ones(2)}, draw(4, 3))
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    module.eval()
    moved = functional_call(module, {"running_mean": np.ones(2)}, np.ones((1, 2)))
    assert moved.tolist() == [[0, 0]]
    stateful = LSTM(2, 2, stateful=True, rng=0, dtype=float)
    functional_call(stateful, stateful.state_dict(), draw(1, 2, 2))
    assert stateful.kept["h"].data.shape == (1, 0, 2)


@pytest.mark.parametrize(
    ("state", "message"),
    [({"weights": np.ones(1)}, "'weights' is of no parameter"), ({"bias": np.ones(3)}, "shape")],
)
def test_what_does_not_fit_is_refused(state, message):
    with pytest.raises(LayerError, match=message + r"(.*\n)*.*fix: "):
        functional_call(Linear(2, 2, rng=0), state, np.ones((1, 2)))
    with pytest.raises(LayerError, match="fix: "):
        functional_call(np.tanh, {}, 1.0)
