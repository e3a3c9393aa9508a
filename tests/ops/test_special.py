"""Dropout and its relatives: whose chance it is, and what is kept. Gradients made to order."""

import numpy as np
import pytest

from tinygrad_edu import ops
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor, constant
from tinygrad_edu.core.transforms import grad, hvp, jvp
from tinygrad_edu.errors import OpError

X = np.random.default_rng(1).standard_normal((40, 50))


def rng():
    return np.random.default_rng(7)


def gradient_of(function, x):
    t = Tensor(x, requires_grad=True)
    y = function(t)
    y.backward(np.ones(y.shape))
    return y.numpy(), t.grad


# ------------------------------------------------------------------------------ dropout


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_what_dropout_keeps_is_scaled_and_the_rest_is_zero(p):
    y, g = gradient_of(lambda x: ops.dropout(x, p, rng=rng()), X)
    kept = y != 0
    np.testing.assert_allclose(y[kept], X[kept] / (1 - p), rtol=1e-14)
    assert abs(kept.mean() - (1 - p)) < 0.03
    np.testing.assert_array_equal(g != 0, kept)  # the mask of forward is that of backward
    np.testing.assert_allclose(g[kept], 1 / (1 - p), rtol=1e-14)


def test_one_seed_gives_one_mask_and_a_generator_moves_on():
    first, second = ops.dropout(X, rng=rng()), ops.dropout(X, rng=rng())
    np.testing.assert_array_equal(first, second)
    generator = rng()
    again = [ops.dropout(X, rng=generator) for _ in range(2)]
    assert (again[0] != again[1]).any()


def test_a_mask_of_the_callers_is_taken_as_it_is():
    mask = X > 0
    np.testing.assert_array_equal(ops.dropout(X, 0.75, mask=mask), np.where(mask, X, 0) * 4)


@pytest.mark.parametrize("row", [ops.dropout, ops.alpha_dropout])
def test_a_rate_of_one_gives_zeros_and_no_nan_at_any_order(row):
    def f(x):
        return ops.sum(row(x, 1.0, rng=rng()) ** 2)

    y, g = gradient_of(f, X)
    assert y == 0
    assert not g.any()
    assert not hvp(f, X, X).numpy().any()
    np.testing.assert_array_equal(row(X, 1.0, rng=rng()), np.zeros_like(X))


def test_an_infinity_that_is_dropped_is_zero():
    y, g = gradient_of(lambda x: ops.dropout(x, mask=np.array([True, False])), [1.0, np.inf])
    np.testing.assert_array_equal(y, [2, 0])
    np.testing.assert_array_equal(g, [2, 0])


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan, np.inf])
@pytest.mark.parametrize("row", [ops.dropout, ops.alpha_dropout, ops.gaussian_dropout])
def test_a_rate_that_is_no_probability_is_refused(row, p):
    with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
        row(X, p, rng=rng())


@pytest.mark.parametrize(
    "row",
    [ops.dropout, ops.alpha_dropout, ops.gaussian_noise, ops.gaussian_dropout, ops.gumbel_softmax],
)
@pytest.mark.parametrize("source", [None, 0])
def test_without_a_generator_nothing_is_drawn(row, source):
    with pytest.raises(OpError, match=r"default_rng\(0\)"):
        row(X, rng=source)


@pytest.mark.parametrize(
    ("row", "shape", "axes"),
    [(ops.dropout1d, (8, 9, 5), (-1,)), (ops.dropout2d, (8, 9, 3, 4), (-2, -1))],
)
def test_channels_are_dropped_whole(row, shape, axes):
    y = row(np.ones(shape), 0.4, rng=rng())
    per_channel = y.mean(axis=axes)
    assert np.isclose(per_channel, 0).any()
    assert np.isclose(per_channel, 1 / 0.6).any()
    assert (np.isclose(per_channel, 0) | np.isclose(per_channel, 1 / 0.6)).all()
    one = row(np.ones(shape[1:]), 0.4, rng=rng())  # without an axis for the batch
    assert one.shape == shape[1:]
    with pytest.raises(OpError, match="axes"):
        row(np.ones(5), 0.4, rng=rng())


def test_shared_axes_are_dropped_together():
    y = ops.dropout(np.ones((6, 7, 8)), 0.5, rng=rng(), shared=(1,))
    assert (y == y[:, :1]).all()
    assert len(np.unique(y)) == 2


def test_a_mask_that_would_enlarge_x_is_refused():
    with pytest.raises(OpError, match="mask"):
        ops.dropout(np.ones(3), mask=np.ones((2, 3), bool))


def test_alpha_dropout_keeps_mean_and_variance_of_normal_numbers():
    x = rng().standard_normal(200_000)
    y = ops.alpha_dropout(x, 0.3, rng=np.random.default_rng(3))
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02
    a = (0.7 * (1 + 0.3 * 1.7580993408473766**2)) ** -0.5  # Klambauer et al. 2017, section 3
    limit = -1.7580993408473766 * a * (1 - 0.3)
    assert np.isclose(y, limit, rtol=1e-12).mean() == pytest.approx(0.3, abs=0.01)


def test_gaussian_noise_has_the_deviation_asked_for():
    y, g = gradient_of(lambda x: ops.gaussian_noise(x, 0.25, rng=rng()), X)
    assert (y - X).std() == pytest.approx(0.25, rel=0.05)
    assert (g == 1).all()
    np.testing.assert_array_equal(ops.gaussian_noise(X, 0.0, rng=rng()), X)
    with pytest.raises(OpError, match="std"):
        ops.gaussian_noise(X, -1.0, rng=rng())


def test_gaussian_dropout_multiplies_by_noise_of_dropouts_deviation():
    x = np.ones(100_000)
    y = ops.gaussian_dropout(x, 0.2, rng=rng())
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert y.std() == pytest.approx(0.5, rel=0.02)
    with pytest.raises(OpError, match="infinite"):
        ops.gaussian_dropout(x, 1.0, rng=rng())


@pytest.mark.parametrize(
    "row", [ops.dropout, ops.alpha_dropout, ops.gaussian_noise, ops.gaussian_dropout]
)
def test_what_is_drawn_keeps_float32(row):
    y, g = gradient_of(lambda x: row(x, 0.5, rng=rng()), X.astype(np.float32))
    assert y.dtype == g.dtype == np.float32


# ------------------------------------------------------------------------------ made to order


def test_stop_gradient_makes_a_constant():
    y, g = gradient_of(lambda x: ops.stop_gradient(x) * x, X)
    np.testing.assert_array_equal(y, X * X)
    np.testing.assert_array_equal(g, X)
    t = Tensor(X, requires_grad=True)
    assert not ops.stop_gradient(t).requires_grad
    _, tangent = jvp(lambda x: ops.stop_gradient(x) * x, (X,), (np.ones_like(X),))
    np.testing.assert_array_equal(tangent.numpy(), X)


def test_reversed_and_scaled_gradients():
    y, g = gradient_of(lambda x: ops.gradient_reversal(x, 0.5), X)
    np.testing.assert_array_equal(y, X)
    assert (g == -0.5).all()
    _, g = gradient_of(lambda x: ops.scale_gradient(x, 3.0), X)
    assert (g == 3).all()
    # f(reversed x) has the gradient -f'(x), and the gradient of that gradient is -(-f''(x)).
    second = grad(grad(lambda x: ops.gradient_reversal(x) ** 3))(2.0)
    assert second.item() == 12


def test_clipped_gradients():
    t = Tensor([1.0, 1.0, 1.0, 1.0], requires_grad=True)
    y = ops.clip_gradient(t, 0.5)
    np.testing.assert_array_equal(y.numpy(), t.numpy())
    y.backward(np.array([3.0, -3.0, 0.25, np.inf]))
    np.testing.assert_array_equal(t.grad, [0.5, -0.5, 0.25, 0.5])
    with pytest.raises(OpError, match="limit"):
        ops.clip_gradient(t, 0.0)


def test_straight_through_has_one_value_and_the_gradient_of_another():
    value, soft = Tensor([3.0, 4.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    y = ops.straight_through(value, soft * soft)
    np.testing.assert_array_equal(y.numpy(), [3, 4])
    y.sum().backward()
    np.testing.assert_array_equal(soft.grad, [2, 4])
    assert value.grad is None or not value.grad.any()
    with pytest.raises(OpError, match="one shape"):
        ops.straight_through(np.ones(3), soft)


@pytest.mark.parametrize(
    ("row", "x", "value", "slope"),
    [
        (ops.round_through, [-1.4, 0.5, 1.5, 2.6], [-1, 0, 2, 3], [1, 1, 1, 1]),
        (ops.sign_through, [-2.0, -0.3, 0.0, 0.3, 2.0], [-1, -1, 0, 1, 1], [0, 1, 1, 1, 0]),
        (ops.heaviside_through, [-1.0, 0.0, 2.0], [0, 0, 1], [1, 1, 1]),
        (lambda x: ops.clip_through(x, 0.0, 1.0), [-1.0, 0.5, 2.0], [0, 0.5, 1], [1, 1, 1]),
    ],
)
def test_estimators(row, x, value, slope):
    y, g = gradient_of(row, x)
    np.testing.assert_array_equal(y, value)
    np.testing.assert_array_equal(g, slope)
    assert y.dtype == np.float64


def test_hard_samples_are_one_hot_with_the_soft_gradient():
    logits = np.random.default_rng(2).standard_normal((5, 4))
    noise = np.random.default_rng(3).gumbel(size=(5, 4))
    w = np.random.default_rng(4).standard_normal((5, 4))
    hard, g_hard = gradient_of(
        lambda x: ops.gumbel_softmax(x, 0.5, hard=True, noise=noise) * w, logits
    )
    soft, g_soft = gradient_of(lambda x: ops.gumbel_softmax(x, 0.5, noise=noise) * w, logits)
    np.testing.assert_array_equal((hard / w).argmax(axis=1), (logits + noise).argmax(axis=1))
    np.testing.assert_array_equal(np.sort(hard / w, axis=1), [[0, 0, 0, 1]] * 5)
    np.testing.assert_allclose(g_hard, g_soft, rtol=1e-12)
    e = np.exp((logits + noise) / 0.5)
    np.testing.assert_allclose(soft / w, e / e.sum(axis=1, keepdims=True), rtol=1e-12)
    with pytest.raises(OpError, match="tau"):
        ops.gumbel_softmax(logits, 0.0, rng=rng())


def test_samples_have_the_probabilities_of_the_logits():
    p = np.array([0.1, 0.2, 0.7])
    drawn = ops.gumbel_softmax(np.log(np.tile(p, (20_000, 1))), hard=True, rng=rng())
    np.testing.assert_allclose(drawn.mean(axis=0), p, atol=0.02)


def test_hardmax_takes_the_first_of_several():
    x = constant(np.array([[1.0, 3.0, 3.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(ops.hardmax(x).numpy(), [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(ops.hardmax(x, axis=0).numpy(), [[1, 1, 1], [0, 0, 0]])


def test_rows_with_a_gradient_of_their_own_are_declared_so():
    exempt = {name for name, row in OPS.items() if row.exempt}
    assert {
        "stop_gradient", "scale_gradient", "gradient_reversal", "clip_gradient", "straight_through",
        "round_through", "sign_through", "heaviside_through", "clip_through", "gumbel_softmax",
    } <= exempt  # fmt: skip
    assert not OPS["dropout"].exempt
