"""The book's nets: what they compute, and how their weights begin."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import LayerError
from tinygrad_edu.models import MultiLayerNet, TwoLayerNet
from tinygrad_edu.numeric import gradcheck


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_the_two_layer_net_is_its_formula() -> None:
    net = TwoLayerNet(4, 3, 2, weight=1.0, rng=0, dtype=np.float64)
    x = np.random.default_rng(1).standard_normal((5, 4))
    w1, b1, w2, b2 = (parameter.numpy() for parameter in net.parameters())
    expected = sigmoid(x @ w1 + b1) @ w2 + b2
    np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-14)


def test_its_weights_begin_as_the_book_says() -> None:
    net = TwoLayerNet(784, 50, 10, rng=0)
    state = net.state()
    assert list(state) == ["first.weight", "first.bias", "second.weight", "second.bias"]
    assert [array.shape for array in state.values()] == [(784, 50), (50,), (50, 10), (10,)]
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32)}
    assert state["first.weight"].std() == pytest.approx(0.01, rel=0.02)
    assert not state["first.bias"].any()
    assert not state["second.bias"].any()
    assert not np.array_equal(TwoLayerNet(784, 50, 10, rng=1).state()["first.weight"], 0)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "gelu_tanh", "softplus"])
def test_a_deep_net_passes_the_check_of_gradients(activation: str) -> None:
    net = MultiLayerNet([3, 4, 4, 2], activation=activation, rng=3, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((3, 3))
    assert gradcheck(net, (x,))


@pytest.mark.parametrize(
    ("activation", "weight", "std"),
    [
        ("relu", None, np.sqrt(2 / 400)),
        ("tanh", None, np.sqrt(2 / 800)),
        ("tanh", "he", np.sqrt(2 / 400)),
        ("relu", 0.5, 0.5),
    ],
)
def test_the_weights_of_a_deep_net_suit_its_activation(
    activation: str, weight: Any, std: float
) -> None:
    net = MultiLayerNet([400, 400, 10], activation=activation, weight=weight, rng=0)
    assert net.state()["layers.0.weight"].std() == pytest.approx(std, rel=0.02)
    assert repr(net).startswith(f"MultiLayerNet(\n  activation='{activation}'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([5],), "at least two"),
        (([5, 0],), "fan_out"),
        (([5, 2], "nothing"), "nothing"),
        (([5, 2], "add"), "add"),
        (([5, 2], "floor_divide"), "floor_divide"),
    ],
)
def test_what_makes_no_net_is_refused(arguments: tuple[Any, ...], words: str) -> None:
    sizes, *activation = arguments
    with pytest.raises(LayerError, match=words):
        MultiLayerNet(sizes, **({"activation": activation[0]} if activation else {}))
