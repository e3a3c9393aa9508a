"""Functions of functions: where results go, what each call sees, what is refused."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.core.transforms import grad
from tinygrad_edu.errors import OpError

X = np.arange(24.0).reshape(2, 3, 4) / 7


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(
    "function", [np.sum, np.cumsum, lambda v: np.outer(v, v), lambda v: v[:2] * v[-1]]
)
def test_results_are_where_numpy_puts_them(function, axis):
    expected = np.apply_along_axis(function, axis, X)
    found = np.apply_along_axis(function, axis, Tensor(X, requires_grad=True))
    assert found.requires_grad
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)


def test_more_arguments_and_constants():
    found = np.apply_along_axis(lambda v, k: v.sum() * k, 0, Tensor(X), 2.0)
    np.testing.assert_allclose(found.numpy(), X.sum(0) * 2)
    np.testing.assert_array_equal(ops.apply_along_axis(lambda _v: 1.5, 1, X), np.full((2, 4), 1.5))


def test_axes_one_after_the_other():
    found = np.apply_over_axes(np.sum, Tensor(X), [0, -1])
    np.testing.assert_allclose(found.numpy(), np.apply_over_axes(np.sum, X, [0, -1]))
    with pytest.raises(OpError, match="keeps an axis or takes it away"):
        ops.apply_over_axes(lambda x, _axis: np.sum(x), X, 0)


def test_a_piece_is_called_only_with_what_it_is_for():
    x = Tensor([-1.0, 0.0, 4.0], requires_grad=True)
    y = np.piecewise(x, [x < 0, x > 0], [np.negative, np.sqrt])  # no root of -1, no slope at 0
    y.sum().backward()
    np.testing.assert_array_equal(y.numpy(), [1, 0, 2])
    np.testing.assert_array_equal(x.grad, [-1, 0, 0.25])


def test_the_last_condition_wins_and_the_rest_has_its_own_function():
    x = np.array([-2.0, 0.5, 3.0])
    functions = [lambda v: v * 2, 7.0, np.square]
    expected = np.piecewise(x, [x < 1, x < 0], functions)
    np.testing.assert_array_equal(ops.piecewise(x, [x < 1, x < 0], functions), expected)
    slope = grad(lambda x: np.piecewise(x, [x < 1, x < 0], functions).sum())(x)
    np.testing.assert_array_equal(slope.numpy(), [0, 2, 6])
    assert ops.piecewise(np.array(np.inf), [False], [np.square, 1.0]) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.apply_along_axis(np.sum, 3, X), "axis 3 is none of 3"),
        (lambda: ops.apply_along_axis(np.sum, 0, X[:, :0]), "no vector to call"),
        (lambda: ops.piecewise(X, [X > 0], [np.sin] * 3), "1 conditions were given for 3"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(OpError, match=words):
        call()
