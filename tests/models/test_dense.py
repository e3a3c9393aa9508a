"""The book's nets: what they compute, and how their weights begin."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import LayerError
from tinygrad_edu.models import MultiLayerNet, TwoLayerNet
from tinygrad_edu.nn import Dropout
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


def test_normalisation_activation_and_dropout_stand_in_the_books_order() -> None:
    sizes = [4, 6, 5, 3]
    net = MultiLayerNet(sizes, batch_norm=True, dropout=0.4, rng=0, dtype=np.float64)
    assert [type(layer).__name__ for layer in [*net.norms, *net.dropouts]] == [
        "BatchNorm1d", "BatchNorm1d", "Dropout", "Dropout",
    ]  # fmt: skip
    x = np.random.default_rng(1).standard_normal((8, 4))
    rngs = [np.random.default_rng(0) for _ in net.dropouts]
    for layer, rng in zip(net.dropouts, rngs, strict=True):
        rng.bit_generator.state = layer.rng.bit_generator.state
    expected = x
    for i, rng in enumerate(rngs):
        scores = expected @ net.layers[i].weight.numpy()
        scores = (scores - scores.mean(axis=0)) / np.sqrt(scores.var(axis=0) + 1e-5)
        masks = Dropout(0.4, rng=rng)(np.ones_like(scores)).numpy()
        assert set(np.unique(masks)) == {0, 1 / 0.6}
        expected = np.maximum(scores, 0) * masks
    expected = expected @ net.layers[-1].weight.numpy()
    np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-12)


def test_dropout_draws_do_not_change_the_weights_and_rest_in_evaluation() -> None:
    plain, dropping = (MultiLayerNet([5, 7, 7, 2], dropout=p, rng=3) for p in (0.0, 0.5))
    for name, array in plain.state().items():
        np.testing.assert_array_equal(array, dropping.state()[name])
    x = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    first, second = dropping(x).numpy(), dropping(x).numpy()
    assert not np.array_equal(first, second)
    dropping.eval()
    np.testing.assert_array_equal(dropping(x).numpy(), plain(x).numpy())


def test_each_dropout_layer_draws_its_own() -> None:
    net = MultiLayerNet([4, 50, 50, 2], dropout=0.5, rng=0)
    masks = [layer(np.ones(50)).numpy() for layer in net.dropouts]
    assert not np.array_equal(*masks)


def test_a_normalised_net_passes_the_check_of_gradients() -> None:
    net = MultiLayerNet([3, 4, 4, 2], activation="tanh", batch_norm=True, rng=3, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((5, 3))
    assert gradcheck(net, (x,))


@pytest.mark.parametrize("dropout", [-0.1, 1.5, float("nan")])
def test_a_dropout_that_is_no_probability_is_refused(dropout: float) -> None:
    with pytest.raises(LayerError, match="Dropout: found p"):
        MultiLayerNet([3, 4, 2], dropout=dropout)
