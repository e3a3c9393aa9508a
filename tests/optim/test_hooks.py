"""Clipping of gradients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim import (
    L1,
    SGD,
    ClipGradNorm,
    ClipGradValue,
    GradientNoise,
    WeightDecay,
    clip_grad_norm,
    clip_grad_value,
)


def pair(dtype=np.float64):
    w, b = Parameter(np.zeros((2, 2)), dtype=dtype), Parameter(np.zeros(3), dtype=dtype)
    w.grad, b.grad = np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([0.0, -4.0, 0.0])
    return w, b


def test_a_norm_above_the_limit_is_scaled_down_in_direction():
    w, b = pair()
    assert clip_grad_norm([w, b], 1.0) == 5.0
    np.testing.assert_allclose(w.grad[0, 0], 0.6, rtol=1e-6)
    np.testing.assert_allclose(b.grad[1], -0.8, rtol=1e-6)
    assert np.hypot(w.grad[0, 0], b.grad[1]) <= 1.0


@given(st.floats(5.01, 1e6))
def test_a_norm_below_the_limit_stays_exactly(limit):
    w, b = pair()
    assert clip_grad_norm([w, b], limit) == 5.0
    assert w.grad[0, 0] == 3.0
    assert b.grad[1] == -4.0


def test_gradients_whose_squares_overflow_float32_are_clipped():
    w, _ = pair(np.float32)
    w.grad = np.full((2, 2), 1e30)
    assert clip_grad_norm([w], 2.0) == pytest.approx(2e30)
    assert w.grad.dtype == np.float32
    np.testing.assert_allclose(w.grad, 1.0, rtol=1e-5)


def test_parameters_without_a_gradient_are_passed_over():
    w, b = pair()
    w.grad = None
    assert clip_grad_norm([w, b], 10.0) == 4.0
    clip_grad_value([w, b], 1.0)
    assert w.grad is None
    b.grad = None
    assert clip_grad_norm([w, b], 10.0) == 0.0


def test_a_clipped_gradient_is_the_one_the_optimizer_uses():
    w, b = pair()
    optimizer = SGD([w, b], 1.0)
    clip_grad_value([w, b], 0.5)
    optimizer.step()
    assert w.tolist() == [[-0.5, 0.0], [0.0, 0.0]]
    assert b.tolist() == [0.0, 0.5, 0.0]


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_none_is_refused_and_changes_nothing(limit):
    w, b = pair()
    for clip in (clip_grad_norm, clip_grad_value):
        with pytest.raises(OptimizerError, match=f"{clip.__name__}.*(\n.*)fix"):
            clip([w, b], limit)
    assert w.grad[0, 0] == 3.0


# ------------------------------------------------------------------------ hooks


def one_step(*hooks, dtype=np.float64):
    w, b = pair(dtype)
    w.data = np.array([[1.0, -2.0], [0.0, 3.0]])
    optimizer = SGD([w, b], 1.0)
    for hook in hooks:
        assert optimizer.add_hook(hook) is hook
    give_again(w, b)
    optimizer.step()
    return w, b, optimizer


def give_again(w, b):
    w.grad, b.grad = np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([0.0, -4.0, 0.0])


def test_hooks_do_what_the_functions_do():
    w, b, _ = one_step(ClipGradNorm(1.0))
    v, c = pair()
    clip_grad_norm([v, c], 1.0)
    np.testing.assert_array_equal(w.grad, v.grad)
    np.testing.assert_array_equal(b.grad, c.grad)
    w, b, _ = one_step(ClipGradValue(0.5))
    assert (w.grad[0, 0], b.grad[1]) == (0.5, -0.5)


def test_decay_hooks_add_slopes_and_run_in_order():
    w, _, _ = one_step(WeightDecay(0.1))
    np.testing.assert_allclose(w.grad, [[3.1, -0.2], [0.0, 0.3]])
    w, _, _ = one_step(L1(0.1))
    np.testing.assert_allclose(w.grad, [[3.1, -0.1], [0.0, 0.1]])
    w, _, _ = one_step(ClipGradValue(1.0), WeightDecay(0.1))
    np.testing.assert_allclose(w.grad[0], [1.1, -0.2])
    w, _, _ = one_step(WeightDecay(0.1), ClipGradValue(1.0))
    np.testing.assert_allclose(w.grad[0], [1.0, -0.2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_hook_keeps_the_flat_arrays_and_their_dtype(dtype):
    noise = GradientNoise(np.random.default_rng(0))
    w, b, optimizer = one_step(ClipGradNorm(1.0), L1(0.1), noise, dtype=dtype)
    assert w.dtype == w.grad.dtype == dtype
    assert w.grad.base is b.grad.base is optimizer.flats[0].gradients


def test_noise_fades_and_is_resumed():
    parameter = Parameter(np.zeros(4000))
    optimizer = SGD([parameter], 1.0)
    optimizer.add_hook(GradientNoise(np.random.default_rng(1), eta=0.25, gamma=0.55))
    for t in range(3):
        parameter.grad = np.zeros(4000)
        optimizer.step()
        assert parameter.grad.std() == pytest.approx(0.5 / (1 + t) ** 0.275, rel=0.05)
    saved = optimizer.state_dict()
    again = SGD([Parameter(parameter.numpy())], 1.0)
    again.add_hook(GradientNoise(np.random.default_rng(2), eta=0.25, gamma=0.55))
    again.load_state_dict(saved)
    for each in (optimizer, again):
        each.flats[0].parameters[0].grad = np.zeros(4000)
        each.step()
    np.testing.assert_array_equal(
        again.flats[0].parameters[0].numpy(), optimizer.flats[0].parameters[0].numpy()
    )


@pytest.mark.parametrize("hook", [ClipGradNorm, ClipGradValue, WeightDecay, L1])
@pytest.mark.parametrize("value", [0, -1.0, "1", None])
def test_a_hook_refuses_what_is_no_positive_number(hook, value):
    with pytest.raises(OptimizerError, match=f"{hook.__name__}.*(\n.*)fix"):
        hook(value)


def test_what_is_no_hook_is_refused():
    with pytest.raises(OptimizerError, match="add_hook"):
        SGD(list(pair())).add_hook(clip_grad_norm)
