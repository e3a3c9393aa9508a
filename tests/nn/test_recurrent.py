"""Recurrent layers: sequences against chains of cells, directions, states, errors."""

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

KINDS = [(RNN, {}), (RNN, {"activation": "relu"}), (LSTM, {}), (GRU, {}), (GRU, {"reset_after": 0})]
kinds = pytest.mark.parametrize(("kind", "options"), KINDS)
BATCH, STEPS, FAN_IN, SIZE = 2, 5, 3, 4


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


X = draw(BATCH, STEPS, FAN_IN)


def first(state):
    return state[0] if isinstance(state, tuple) else state


@kinds
def test_a_layer_is_a_chain_of_its_cell(kind, options):
    layer = kind(FAN_IN, SIZE, rng=0, dtype=float, **options)
    result, state = layer(X)
    (cell,) = layer.cells
    h, chain = None, []
    for t in range(STEPS):
        h = cell(X[:, t], h)
        chain.append(first(h).numpy())
    np.testing.assert_allclose(result.numpy(), np.stack(chain, axis=1), rtol=1e-12)
    np.testing.assert_allclose(first(state).numpy()[0], chain[-1], rtol=1e-12)
    if kind is LSTM:
        np.testing.assert_allclose(state[1].numpy()[0], h[1].numpy(), rtol=1e-12)


@kinds
def test_layers_and_directions(kind, options):
    layer = kind(FAN_IN, SIZE, layers=2, bidirectional=True, rng=0, dtype=float, **options)
    result, state = layer(X)
    assert result.shape == (BATCH, STEPS, 2 * SIZE)
    assert first(state).shape == (4, BATCH, SIZE)

    def run(cell, x, backwards):
        h, found = None, []
        for t in reversed(range(STEPS)) if backwards else range(STEPS):
            h = cell(x[:, t], h)
            found.append(first(h).numpy())
        return np.stack(found[::-1] if backwards else found, axis=1)

    x = X
    for a, b in (layer.cells[:2], layer.cells[2:]):
        x = np.concatenate([run(a, x, False), run(b, x, True)], axis=-1)
    np.testing.assert_allclose(result.numpy(), x, rtol=1e-12)
    np.testing.assert_allclose(first(state).numpy()[2], x[:, -1, :SIZE], rtol=1e-12)
    np.testing.assert_allclose(first(state).numpy()[3], x[:, 0, SIZE:], rtol=1e-12)


@kinds
def test_time_may_come_first(kind, options):
    layers = [
        kind(FAN_IN, SIZE, batch_first=way, rng=0, dtype=float, **options) for way in (True, False)
    ]
    one, _ = layers[0](X)
    other, _ = layers[1](np.swapaxes(X, 0, 1))
    np.testing.assert_array_equal(one.numpy(), np.swapaxes(other.numpy(), 0, 1))


@kinds
def test_a_sequence_may_be_cut(kind, options):
    layer = kind(FAN_IN, SIZE, layers=2, rng=0, dtype=float, **options)
    whole, end = layer(X)
    head, state = layer(X[:, :2])
    tail, last = layer(X[:, 2:], state)
    np.testing.assert_allclose(
        np.concatenate([head.numpy(), tail.numpy()], axis=1), whole.numpy(), rtol=1e-12
    )
    np.testing.assert_allclose(first(last).numpy(), first(end).numpy(), rtol=1e-12)


@kinds
def test_a_stateful_layer_goes_on_where_it_was_without_gradient(kind, options):
    plain = kind(FAN_IN, SIZE, rng=0, dtype=float, **options)
    layer = kind(FAN_IN, SIZE, stateful=True, rng=0, dtype=float, **options)
    head = Tensor(X[:, :2], requires_grad=True)
    layer(head)
    tail, _ = layer(X[:, 2:])
    np.testing.assert_allclose(tail.numpy(), plain(X)[0].numpy()[:, 2:], rtol=1e-12)
    tail.sum().backward()
    assert head.grad is None
    with pytest.raises(LayerError, match="reset_state"):
        layer(X[:1])
    layer.reset_state()
    np.testing.assert_array_equal(layer(X)[0].numpy(), plain(X)[0].numpy())


@kinds
def test_gradients_along_a_direction(kind, options):
    layer = kind(FAN_IN, SIZE, layers=2, bidirectional=True, rng=0, dtype=float, **options)
    weights = draw(BATCH, STEPS, 2 * SIZE, seed=1)

    def loss(x):
        result, state = layer(x)
        return (result * weights).sum() + (first(state) * 0.5).sum()

    x = Tensor(X, requires_grad=True)
    loss(x).backward()
    h = 1e-6
    for parameter in (x, *layer.parameters()):
        v, start = draw(*parameter.shape, seed=2), parameter.numpy().copy()
        ends = []
        for sign in (1, -1):
            parameter.data = start + sign * h * v
            ends.append(loss(x.numpy() if parameter is not x else parameter.numpy()).item())
        parameter.data = start
        assert (parameter.grad * v).sum() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


@kinds
def test_no_steps_leave_the_state(kind, options):
    layer = kind(FAN_IN, SIZE, rng=0, dtype=float, **options)
    _, state = layer(X)
    result, after = layer(X[:, :0], state)
    assert result.shape == (BATCH, 0, SIZE)
    np.testing.assert_array_equal(first(after).numpy(), first(state).numpy())


def test_dropout_stands_between_layers_in_training_only():
    layer = RNN(FAN_IN, SIZE, layers=2, dropout=0.5, rng=0, dtype=float)
    a, b = layer(X)[0].numpy(), layer(X)[0].numpy()
    assert (a != b).any()
    layer.eval()
    np.testing.assert_array_equal(layer(X)[0].numpy(), layer(X)[0].numpy())
    one = RNN(FAN_IN, SIZE, dropout=0.5, rng=0, dtype=float)
    np.testing.assert_array_equal(one(X)[0].numpy(), one(X)[0].numpy())


def test_parameters_begin_as_described():
    cell = LSTMCell(3, 16, rng=0)
    assert cell.bias.tolist() == [0] * 16 + [1] * 16 + [0] * 32
    assert np.abs(cell.w_h.numpy()).max() <= 0.25
    names = [name for name, _ in LSTM(3, 4, layers=2).named_parameters()]
    assert names[:4] == ["cells.0.w_x", "cells.0.w_h", "cells.0.bias", "cells.1.w_x"]
    assert [n for n, _ in GRUCell(3, 4).named_parameters()] == ["w_x", "w_h", "bias", "bias_h"]
    assert [n for n, _ in GRUCell(3, 4, bias=False).named_parameters()] == ["w_x", "w_h"]
    assert RNN(3, 4)(X.astype(np.float32))[0].dtype == np.float32


def test_layers_describe_themselves():
    assert repr(RNNCell(3, 4, bias=False)) == "RNNCell(3, 4, bias=False)"
    head = repr(LSTM(3, 4, layers=2, bidirectional=True, batch_first=False)).splitlines()[1]
    assert head.strip() == "3, 4, layers=2, bidirectional=True, batch_first=False"
    assert "stateful=True" in repr(GRU(3, 4, stateful=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RNN(0, 4),
        lambda: LSTM(3, 4, layers=0),
        lambda: RNNCell(3, 4, activation="gelu"),
        lambda: GRU(3, 4, bidirectional=True, stateful=True),
        lambda: GRU(3, 4, dropout=2.0),
        lambda: RNN(3, 4)(X[0]),
        lambda: RNN(4, 4)(X),
        lambda: LSTMCell(3, 4)(X),
        lambda: GRU(3, 4)(X, np.zeros((1, 3, 4))),
        lambda: LSTM(3, 4)(X, (np.zeros((2, 2, 4)), np.zeros((2, 2, 4)))),
    ],
)
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(LayerError, match="fix: "):
        make()
