"""The rows that a convolution is written with, and the book's gradient checks of whole nets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.data import load_mnist
from tinygrad_edu.errors import OpError
from tinygrad_edu.models import TwoLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.numeric import numerical_jacobian


@pytest.mark.acceptance("A19")
@pytest.mark.parametrize(("batch", "shape"), [(1, (9, 75)), (10, (90, 75))])
def test_shapes_of_the_book(batch, shape):
    x = np.random.default_rng(0).random((batch, 3, 7, 7))
    assert tg.im2col(x, 5, 5, stride=1, pad=0).shape == shape


@st.composite
def windows(draw):
    filter_h, filter_w = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    pad, stride = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    shape = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, 3)),
        draw(st.integers(filter_h, 6)),
        draw(st.integers(filter_w, 6)),
    )
    return shape, {"filter_h": filter_h, "filter_w": filter_w, "stride": stride, "pad": pad}


@pytest.mark.acceptance("A20")
@given(windows(), st.integers(0, 2**32 - 1))
def test_im2col_and_col2im_are_adjoint(window, seed):
    shape, params = window
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    rows = tg.im2col(x, **params)
    c = rng.standard_normal(rows.shape)
    image = tg.col2im(c, shape, **params)
    assert abs((rows * c).sum() - (x * image).sum()) < 1e-12 * max(1.0, np.abs(rows * c).sum())


@given(windows())
def test_each_row_is_one_window(window):
    shape, params = window
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    pad, stride = params["pad"], params["stride"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    high, wide = params["filter_h"], params["filter_w"]
    expected = [
        padded[n, :, i : i + high, j : j + wide].ravel()
        for n in range(shape[0])
        for i in range(0, padded.shape[2] - high + 1, stride)
        for j in range(0, padded.shape[3] - wide + 1, stride)
    ]
    np.testing.assert_array_equal(tg.im2col(x, **params), expected)


def test_what_does_not_fit_is_refused_with_the_reason():
    with pytest.raises(OpError, match="four axes"):
        tg.im2col(np.zeros((3, 3)), 2, 2)
    with pytest.raises(OpError, match="does not fit into images of 2 × 5"):
        tg.im2col(np.zeros((1, 1, 2, 5)), 3, 3)
    with pytest.raises(OpError, match="stride=0"):
        tg.im2col(np.zeros((1, 1, 3, 3)), 2, 2, stride=0)


def mean_differences(parameters, loss, sample, steps, seed=0):
    """Return per parameter the mean difference of both gradients over `sample` random elements."""
    rng = np.random.default_rng(seed)
    for parameter in parameters:
        parameter.grad = None
    loss().backward()
    found = []
    for parameter, step in zip(parameters, steps, strict=True):
        chosen = rng.choice(parameter.size, min(sample, parameter.size), replace=False)
        start = parameter.numpy().copy()

        def at(values, parameter=parameter, chosen=chosen, start=start):
            moved = start.copy()
            moved.reshape(-1)[chosen] = values
            parameter.data = moved
            with tg.no_grad():
                return np.array(loss().item())

        numeric = numerical_jacobian(at, start.reshape(-1)[chosen], method="central", h=step)
        parameter.data = start
        found.append(np.abs(numeric - parameter.grad.reshape(-1)[chosen]).mean())
    return found


@pytest.mark.acceptance("A21")
def test_two_layer_net_is_nearer_to_the_numerical_gradient_than_the_books():
    data = load_mnist()
    net = TwoLayerNet(784, 50, 10, rng=0)
    x, t = data.train_images[:3].astype(np.float64), data.train_labels[:3]
    weights = [Tensor(p.numpy(), dtype=np.float64, requires_grad=True) for p in net.parameters()]
    w1, b1, w2, b2 = weights

    def loss():
        return tg.softmax_cross_entropy(tg.linear(tg.linear(x, w1, b1, "sigmoid"), w2, b2), t)

    # The book prints 1.8e-6, 2.4e-5, 6.2e-9, 1.4e-7 for W1, b1, W2, b2.
    for ours, books in zip(
        mean_differences(weights, loss, 150, [1e-4] * 4),
        (1.8e-6, 2.4e-5, 6.2e-9, 1.4e-7),
        strict=True,
    ):
        assert ours < books


@pytest.mark.acceptance("A22")
def test_simple_conv_net_is_nearer_to_the_numerical_gradient_than_the_books():
    rng = np.random.default_rng(1)
    shapes = [(9, 10), (10,), (160, 50), (50,), (50, 10), (10,)]
    weights = [
        Tensor(0.01 * rng.standard_normal(s) if len(s) == 2 else np.zeros(s), requires_grad=True)
        for s in shapes
    ]
    w1, b1, w2, b2, w3, b3 = weights
    x, t = rng.random((1, 1, 10, 10)), np.array([1])

    def loss():
        columns = tg.im2col(x, 3, 3)
        maps = np.reshape(np.maximum(columns @ w1 + b1, 0), (1, 8, 8, 10))
        pooled = np.max(np.reshape(maps, (1, 4, 2, 4, 2, 10)), axis=(2, 4))
        flat = np.reshape(np.transpose(pooled, (0, 3, 1, 2)), (1, -1))
        hidden = tg.linear(flat, w2, b2, activation="relu")
        return CrossEntropyLoss()(tg.linear(hidden, w3, b3), t)

    # The book's step of 1e-4, but a smaller one below the kinks of ReLU and of the maximum, which
    # 1e-4 crosses here and there.
    steps = (1e-6, 1e-6, 1e-4, 1e-6, 1e-4, 1e-4)
    books = (1.6e-6, 2.9e-6, 5e-11, 3.7e-9, 9.7e-11, 1.8e-7)
    for ours, theirs in zip(mean_differences(weights, loss, 60, steps), books, strict=True):
        assert ours < theirs
