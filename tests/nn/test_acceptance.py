"""Published figures of the articles, the book and a peer, asserted through the nets' own parts."""

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.nn import (
    Linear,
    MSELoss,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    cross_entropy_error,
    sum_squared_error,
)
from tinygrad_edu.nn.init import normal
from tinygrad_edu.ops import heaviside, identity, relu, sigmoid, softmax
from tinygrad_edu.optim import SGD

EXACT = {"rtol": 0, "atol": 1e-12}
PRINTED = {"rtol": 0, "atol": 1e-8}  # published with eight digits

# ------------------------------------------------------------------------ perceptrons


def perceptron(w, theta):
    """A gate: 1 where the weighted sum of the inputs is above the threshold."""
    return lambda *x: np.heaviside(np.stack(x, axis=-1) @ np.array(w) - theta, 0).astype(int)


X1, X2 = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
AND, NAND, OR = (
    perceptron((0.5, 0.5), 0.7),
    perceptron((-0.5, -0.5), -0.7),
    perceptron((0.5, 0.5), 0.2),
)


@pytest.mark.acceptance("S1")
@pytest.mark.parametrize(("theta", "truth"), [(0.4, [0, 1, 1, 1]), (0.7, [0, 0, 0, 1])])
def test_the_threshold_decides_between_or_and_and(theta, truth):
    assert perceptron((0.5, 0.5), theta)(X1, X2).tolist() == truth


@pytest.mark.acceptance("A1")
def test_one_layer_makes_three_gates_and_two_make_xor():
    assert AND(X1, X2).tolist() == [0, 0, 0, 1]
    assert NAND(X1, X2).tolist() == [1, 1, 1, 0]
    assert OR(X1, X2).tolist() == [0, 1, 1, 1]
    assert AND(NAND(X1, X2), OR(X1, X2)).tolist() == [0, 1, 1, 0]


# ------------------------------------------------------------------------ forward passes

LAYERS = [
    ([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]], [0.1, 0.2, 0.3]),
    ([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]], [0.1, 0.2]),
    ([[0.1, 0.3], [0.2, 0.4]], [0.1, 0.2]),
]


def three_layers(*last):
    linear = []
    for weight, bias in LAYERS:
        layer = Linear(len(weight), len(bias), weight=weight, dtype=np.float64)
        layer.bias.data = bias
        linear.append(layer)
    return Sequential(linear[0], Sigmoid(), linear[1], Sigmoid(), linear[2], *last)


@pytest.mark.acceptance("S2")
def test_three_layers_with_softmax():
    y = three_layers(Softmax())(np.array([2.0, 1.0]))
    np.testing.assert_allclose(y.numpy(), [0.40442364, 0.59557636], **PRINTED)


@pytest.mark.acceptance("A2")
@pytest.mark.acceptance("A3")
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (1, [0.3, 0.7, 1.1]),
        (2, [0.57444252, 0.66818777, 0.75026011]),
        (3, [0.51615984, 1.21402696]),
        (4, [0.62624937, 0.7710107]),
        (5, [0.31682708, 0.69627909]),
    ],
)
def test_three_layers_layer_by_layer(layers, expected):
    y = three_layers()[:layers](np.array([1.0, 0.5]))
    np.testing.assert_allclose(y.numpy(), expected, **PRINTED)


def test_activations_over_the_range_that_the_articles_plot():
    x = np.arange(-5.0, 5.0, 0.1)
    np.testing.assert_array_equal(heaviside(x, 0.0), (x > 0).astype(float))
    np.testing.assert_allclose(sigmoid(x), 1 / (1 + np.exp(-x)), **EXACT)
    np.testing.assert_array_equal(relu(x), np.maximum(0, x))
    np.testing.assert_array_equal(identity(x), x)
    np.testing.assert_allclose(softmax(x), np.exp(x) / np.exp(x).sum(), **EXACT)
    assert np.isfinite(softmax(200 * x)).all()


@pytest.mark.acceptance("A4")
@pytest.mark.acceptance("A5")
@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([0.3, 2.9, 4.0], [0.01821127, 0.24519181, 0.73659691]),
        ([1010.0, 1000.0, 990.0], [9.999546e-1, 4.53978686e-5, 2.06106005e-9]),
    ],
)
def test_softmax(x, expected):
    np.testing.assert_allclose(Softmax()(np.array(x)), expected, rtol=1e-6, atol=0)


# ------------------------------------------------------------------------ losses

T = np.array([0.0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
PLAIN = np.array(
    [[0.1, 0.1, 0.6, 0.1, 0.1, 0, 0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1, 0.6, 0, 0, 0, 0, 0]]
)
Y = np.array(
    [[0.1, 0.05, 0.6, 0, 0.05, 0.1, 0, 0.1, 0, 0], [0.1, 0.05, 0.1, 0, 0.05, 0.1, 0, 0.6, 0, 0]]
)


@pytest.mark.acceptance("S4")
@pytest.mark.acceptance("S5")
@pytest.mark.acceptance("A6")
@pytest.mark.parametrize("kind", [np.asarray, Tensor])
@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (PLAIN[0], 0.10000000000000003),
        (PLAIN[1], 0.6000000000000001),
        (Y[0], 0.09750000000000003),
        (Y[1], 0.5975),
    ],
)
def test_half_the_sum_of_squares(y, expected, kind):
    assert sum_squared_error(kind(y), kind(T)).item() == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.acceptance("S6")
@pytest.mark.acceptance("A7")
@pytest.mark.parametrize("kind", [np.asarray, Tensor])
@pytest.mark.parametrize("pair", [PLAIN, Y])
def test_cross_entropy(pair, kind):
    values = [cross_entropy_error(kind(y), kind(T)).item() for y in pair]
    np.testing.assert_allclose(values, [0.510825457099338, 2.302584092994546], **EXACT)


@pytest.mark.acceptance("A8")
@pytest.mark.parametrize("t", [np.array([T, T]), np.array([2, 2])], ids=["one-hot", "labels"])
def test_cross_entropy_of_a_batch(t):
    assert cross_entropy_error(Y, t) == pytest.approx(1.406704775046942, rel=0, abs=1e-12)


@pytest.mark.acceptance("S7")
def test_one_hot_and_labels_agree_for_one_sample_and_for_a_batch():
    rng = np.random.default_rng(0)
    y = softmax(rng.standard_normal((7, 4)))
    labels = rng.integers(4, size=7)
    onehot = np.eye(4)[labels]
    assert cross_entropy_error(y, labels) == cross_entropy_error(y, onehot)
    single = cross_entropy_error(y[:1], labels[:1])
    for t in (labels[0], labels[:1], onehot[0], onehot[:1]):
        assert cross_entropy_error(y[0], t) == single


# ------------------------------------------------------------------------ training


@pytest.mark.acceptance("F4")
def test_a_small_net_learns_xor():
    x = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    t = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    rng = np.random.default_rng(0)
    first, second = (Linear(2, 2, weight=normal(1), rng=rng, dtype=np.float64) for _ in range(2))
    for layer in (first, second):
        layer.bias.data = rng.standard_normal(2)
    net, loss = Sequential(first, Tanh(), second), MSELoss(reduction="sum")
    optimizer = SGD(net, 0.01)
    for _ in range(5000):
        optimizer.zero_grad()
        error = loss(net(x), t)
        error.backward()
        optimizer.step()
    assert error.item() < 1e-16
    assert net(x).numpy().argmax(axis=1).tolist() == [0, 1, 1, 0]


def test_relu_is_the_third_activation_of_the_articles():
    assert ReLU()(np.array([-1.0, 0.0, 2.0])).tolist() == [0.0, 0.0, 2.0]
