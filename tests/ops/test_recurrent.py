"""Recurrent cells against their equations, number by number; scans against chains of steps."""

import math

import numpy as np
import pytest

from tinygrad_edu import ops
from tinygrad_edu.core.switch import record_composites
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import OpError

BATCH, FAN_IN, SIZE, STEPS = 3, 4, 2, 5


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def cell(gates):
    """x, h, w_x, w_h, bias of a cell."""
    return (
        draw(BATCH, FAN_IN),
        draw(BATCH, SIZE, seed=1),
        draw(FAN_IN, gates * SIZE, seed=2),
        draw(SIZE, gates * SIZE, seed=3),
        draw(gates * SIZE, seed=4),
    )


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def affine(x, w, n, column):
    return sum(x[n, i] * w[i, column] for i in range(len(w)))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_plain_cell(activation):
    x, h, w_x, w_h, bias = cell(1)
    bend = math.tanh if activation == "tanh" else lambda v: max(v, 0.0)
    found = ops.rnn_cell(x, h, w_x, w_h, bias, activation=activation)
    for n, j in np.ndindex(BATCH, SIZE):
        z = affine(x, w_x, n, j) + affine(h, w_h, n, j) + bias[j]
        assert found[n, j] == pytest.approx(bend(z), rel=1e-12)


def test_lstm_cell():
    x, h, w_x, w_h, bias = cell(4)
    c = draw(BATCH, SIZE, seed=5)
    state, after = ops.lstm_cell(x, h, c, w_x, w_h, bias)
    for n, j in np.ndindex(BATCH, SIZE):
        i, f, new, o = (
            affine(x, w_x, n, g * SIZE + j) + affine(h, w_h, n, g * SIZE + j) + bias[g * SIZE + j]
            for g in range(4)
        )
        expected = sigmoid(f) * c[n, j] + sigmoid(i) * math.tanh(new)
        assert after[n, j] == pytest.approx(expected, rel=1e-12)
        assert state[n, j] == pytest.approx(sigmoid(o) * math.tanh(expected), rel=1e-12)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_cell(reset_after):
    x, h, w_x, w_h, bias = cell(3)
    bias_h = draw(3 * SIZE, seed=6)
    found = ops.gru_cell(x, h, w_x, w_h, bias, bias_h, reset_after=reset_after)
    for n in range(BATCH):
        a = [affine(x, w_x, n, k) + bias[k] for k in range(3 * SIZE)]
        b = [affine(h, w_h, n, k) + bias_h[k] for k in range(3 * SIZE)]
        r = [sigmoid(a[j] + b[j]) for j in range(SIZE)]
        reset = np.array([[r[j] * h[n, j] for j in range(SIZE)]])
        for j in range(SIZE):
            k = 2 * SIZE + j
            inner = r[j] * b[k] if reset_after else affine(reset, w_h, 0, k) + bias_h[k]
            new, u = math.tanh(a[k] + inner), sigmoid(a[SIZE + j] + b[SIZE + j])
            assert found[n, j] == pytest.approx((1 - u) * new + u * h[n, j], rel=1e-12)


# ------------------------------------------------------------------------------ sequences


def both_ways(scan, chain, *arrays):
    """The values and gradients of a scan, and of the same chain of steps."""
    results = []
    for function in (scan, chain):
        leaves = [Tensor(a, requires_grad=True) for a in arrays]
        y = function(*leaves)
        (y * draw(*y.shape, seed=9)).sum().backward()
        results.append([y.numpy(), *(leaf.grad for leaf in leaves)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def order(reverse):
    return range(STEPS - 1, -1, -1) if reverse else range(STEPS)


def in_time(states, reverse):
    return states[::-1] if reverse else states


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_plain_scan_is_a_chain_of_cells(reverse, activation):
    _, h, w_x, w_h, bias = cell(1)

    def scan(x, h, w_x, w_h, bias):
        return ops.rnn_scan(x @ w_x + bias, h, w_h, activation=activation, reverse=reverse)

    def chain(x, h, w_x, w_h, bias):
        states = []
        for t in order(reverse):
            h = ops.rnn_cell(x[t], h, w_x, w_h, bias, activation=activation)
            states.append(h)
        return ops.stack(in_time(states, reverse))

    both_ways(scan, chain, draw(STEPS, BATCH, FAN_IN), h, w_x, w_h, bias)


@pytest.mark.parametrize("reverse", [False, True])
def test_an_lstm_scan_is_a_chain_of_cells(reverse):
    _, h, w_x, w_h, bias = cell(4)

    def scan(x, h, c, w_x, w_h, bias):
        return ops.lstm_scan(x @ w_x + bias, h, c, w_h, reverse=reverse)

    def chain(x, h, c, w_x, w_h, bias):
        states = []
        for t in order(reverse):
            h, c = ops.lstm_cell(x[t], h, c, w_x, w_h, bias)
            states.append(h)
        return ops.stack([*in_time(states, reverse), c])

    c = draw(BATCH, SIZE, seed=5)
    both_ways(scan, chain, draw(STEPS, BATCH, FAN_IN), h, c, w_x, w_h, bias)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("reset_after", [False, True])
def test_a_gru_scan_is_a_chain_of_cells(reverse, reset_after):
    _, h, w_x, w_h, bias = cell(3)

    def scan(x, h, w_x, w_h, bias, bias_h):
        z = x @ w_x + bias
        return ops.gru_scan(z, h, w_h, bias_h, reset_after=reset_after, reverse=reverse)

    def chain(x, h, w_x, w_h, bias, bias_h):
        states = []
        for t in order(reverse):
            h = ops.gru_cell(x[t], h, w_x, w_h, bias, bias_h, reset_after=reset_after)
            states.append(h)
        return ops.stack(in_time(states, reverse))

    arrays = draw(STEPS, BATCH, FAN_IN), h, w_x, w_h, bias, draw(3 * SIZE, seed=6)
    both_ways(scan, chain, *arrays)


@pytest.mark.parametrize("composed", [False, True])
def test_a_sequence_of_no_steps(composed):
    h = Tensor(draw(BATCH, SIZE), requires_grad=True)
    c = Tensor(draw(BATCH, SIZE, seed=1), requires_grad=True)
    weights = {n: Tensor(draw(SIZE, n * SIZE), requires_grad=True) for n in (1, 3, 4)}
    z = {n: Tensor(np.zeros((0, BATCH, n * SIZE)), requires_grad=True) for n in (1, 3, 4)}

    def scans():
        return (
            ops.rnn_scan(z[1], h, weights[1]),
            ops.gru_scan(z[3], h, weights[3]),
            ops.lstm_scan(z[4], h, c, weights[4]),
        )

    if composed:
        with record_composites():
            plain, gated, packed = scans()
    else:
        plain, gated, packed = scans()
    assert plain.shape == gated.shape == (0, BATCH, SIZE)
    np.testing.assert_array_equal(packed.numpy(), c.numpy()[None])
    (plain.sum() + gated.sum() + packed.sum()).backward()
    np.testing.assert_array_equal(c.grad, np.ones((BATCH, SIZE)))
    for leaf in (h, *weights.values()):
        assert leaf.grad is None or not leaf.grad.any()


# ------------------------------------------------------------------------------ edges


def test_saturated_gates_do_not_overflow():
    x, h, w_x, w_h, bias = cell(4)
    t = Tensor(x * 1e4, requires_grad=True)
    state, after = ops.lstm_cell(t, h, np.zeros_like(h), w_x, w_h, bias)
    (state.sum() + after.sum()).backward()
    assert np.isfinite(state.numpy()).all()
    assert np.isfinite(t.grad).all()


def test_float32_stays_float32():
    x, h, w_x, w_h, bias = (a.astype(np.float32) for a in cell(4))
    state, after = ops.lstm_cell(x, h, h, w_x, w_h, bias)
    assert state.dtype == after.dtype == np.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.rnn_cell(draw(3, 4), draw(3, 2), draw(4, 2), draw(3, 2)),
        lambda: ops.rnn_cell(draw(3, 4), draw(3, 2), draw(4, 3), draw(2, 2)),
        lambda: ops.rnn_cell(draw(3, 4), draw(3, 2), draw(4, 2), draw(2, 2), draw(3)),
        lambda: ops.rnn_cell(draw(3, 4), np.float64(1), draw(4, 2), draw(2, 2)),
        lambda: ops.lstm_step(draw(3, 4), draw(3, 2), draw(3, 3), draw(4, 8), draw(2, 8)),
        lambda: ops.gru_cell(draw(3, 4), draw(3, 2), draw(4, 8), draw(2, 8)),
        lambda: ops.lstm_scan(draw(5, 3, 6), draw(3, 2), draw(3, 2), draw(2, 8)),
        lambda: ops.gru_scan(draw(5, 3, 6), draw(3, 2), draw(2, 6), draw(4)),
    ],
)
def test_shapes_that_do_not_fit_the_state_are_refused(call):
    with pytest.raises(OpError, match="gates"):
        call()


def test_an_unknown_activation_is_refused():
    with pytest.raises(OpError, match="'tanh' or 'relu'"):
        ops.rnn_cell(draw(3, 4), draw(3, 2), draw(4, 2), draw(2, 2), activation="gelu")
