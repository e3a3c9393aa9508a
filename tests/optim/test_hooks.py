"""Clipping of gradients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim import SGD, clip_grad_norm, clip_grad_value


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
