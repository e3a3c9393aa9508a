"""Sampled functions: values against NumPy and closed forms, gradients against slow loops."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor, grad
from tinygrad_edu.errors import OpError, OpTypeError

X = np.random.default_rng(0).normal(size=(4, 5))
PLACES = np.array([0.0, 0.5, 2.0, 2.25, 4.0])
MODES = ("full", "same", "valid")


def slope(f: Any, x: Any) -> Any:
    """Return the gradient of the sum of what a function of one tensor gives."""
    leaf = Tensor(x, requires_grad=True)
    f(leaf).sum().backward()
    return leaf.grad


# ------------------------------------------------------------------------------ differences


@pytest.mark.parametrize(("n", "axis"), list(itertools.product(range(6), (0, 1, -1))))
def test_diff_of_every_order(n: int, axis: int) -> None:
    np.testing.assert_array_equal(np.diff(Tensor(X), n, axis).numpy(), np.diff(X, n, axis))
    found = np.diff(Tensor(X), n, axis, prepend=2.0, append=np.ones_like(X)).numpy()
    np.testing.assert_array_equal(found, np.diff(X, n, axis, prepend=2.0, append=np.ones_like(X)))


def test_diff_of_masks_and_whole_numbers() -> None:
    mask = np.array([True, True, False, True])
    np.testing.assert_array_equal(tg.diff(mask), np.diff(mask))
    assert np.diff(Tensor(np.array([3, 1, 7]))).dtype == np.int64
    with pytest.raises(OpError, match="order -1"):
        tg.diff(X, -1)


def test_the_gradient_of_a_difference_telescopes() -> None:
    np.testing.assert_array_equal(slope(np.diff, np.zeros(4)), [-1, 0, 0, 1])
    np.testing.assert_array_equal(slope(lambda t: np.diff(X, prepend=t), np.array(1.0)), -4.0)
    np.testing.assert_array_equal(
        np.ediff1d(Tensor(X), 9.0, [1.0, 2.0]).numpy(), np.ediff1d(X, 9.0, [1.0, 2.0])
    )


# ------------------------------------------------------------------------------ slopes


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("spacing", [(), (0.3,), (PLACES,), (PLACES[::-1],)])
def test_gradient_along_one_axis(spacing: Any, edge_order: Any) -> None:
    expected = np.gradient(X, *spacing, axis=1, edge_order=edge_order)
    found = np.gradient(Tensor(X), *spacing, axis=1, edge_order=edge_order)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)


def test_gradient_along_several_axes() -> None:
    for spacing, axis in (((), None), ((0.5,), None), ((2.0, PLACES), None), ((2.0, 3.0), (1, 0))):
        found = np.gradient(Tensor(X), *spacing, axis=axis)
        expected = np.gradient(X, *spacing, axis=axis)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.numpy(), other, rtol=1e-13)
    assert np.gradient(Tensor(np.array([1, 4, 9]))).dtype == np.float64
    assert np.gradient(Tensor(X.astype(np.float32)), PLACES, axis=1).dtype == np.float32


def test_gradient_of_a_parabola_is_exact() -> None:
    found = tg.gradient(PLACES**2, PLACES, edge_order=2)
    np.testing.assert_allclose(found, 2 * PLACES, atol=1e-12)


def test_gradient_refuses_what_has_no_slope() -> None:
    with pytest.raises(OpError, match="at least 3 points"):
        tg.gradient(np.ones(2), edge_order=2)
    with pytest.raises(OpError, match="use 1 or 2"):
        tg.gradient(X, edge_order=3)
    with pytest.raises(OpError, match="one place for each point"):
        tg.gradient(np.ones(3), PLACES)
    with pytest.raises(OpTypeError, match="3 spacings were given for 2 axes"):
        tg.gradient(X, 1.0, 2.0, 3.0)
    with pytest.raises(OpTypeError, match="spacing is a Tensor"):
        tg.gradient(X, Tensor(1.0), 1.0)


# ------------------------------------------------------------------------------ integrals


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_trapezoid_has_the_values_of_numpy(axis: int) -> None:
    places = PLACES if axis else PLACES[:4]
    for more in ({}, {"dx": 0.25}, {"x": places}, {"x": np.cumsum(np.abs(X), axis)}):
        found = np.trapezoid(Tensor(X), axis=axis, **more)
        np.testing.assert_allclose(found.numpy(), np.trapezoid(X, axis=axis, **more), rtol=1e-13)
        sums = tg.cumulative_trapezoid(X, axis=axis, initial=0, **more)
        assert sums.shape == X.shape
        np.testing.assert_allclose(np.take(sums, -1, axis), found.numpy(), rtol=1e-12)


def test_the_weights_of_the_trapezoids() -> None:
    np.testing.assert_array_equal(slope(np.trapezoid, PLACES), [0.5, 1, 1, 1, 0.5])
    y = np.array([1.0, 2.0, 4.0])
    found = slope(lambda x: np.trapezoid(y, x), np.array([0.0, 1.0, 3.0]))
    np.testing.assert_array_equal(found, [-1.5, 1.5 - 3.0, 3.0])


# ------------------------------------------------------------------------------ convolution


@pytest.mark.parametrize("function", [np.convolve, np.correlate])
@given(
    m=st.integers(1, 6), n=st.integers(1, 6), mode=st.sampled_from(MODES), seed=st.integers(0, 9)
)
def test_convolution_and_both_gradients(
    function: Any, m: int, n: int, mode: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, v = rng.normal(size=m), rng.normal(size=n)
    expected = function(a, v, mode)
    weights = rng.normal(size=expected.shape)
    np.testing.assert_allclose(function(Tensor(a), Tensor(v), mode).numpy(), expected, atol=1e-13)
    # The value is bilinear, so basis vectors give the gradient.
    of_a = [weights @ function(e, v, mode) for e in np.eye(m)]
    of_v = [weights @ function(a, e, mode) for e in np.eye(n)]
    np.testing.assert_allclose(slope(lambda t: function(t, v, mode) * weights, a), of_a, atol=1e-12)
    np.testing.assert_allclose(slope(lambda t: function(a, t, mode) * weights, v), of_v, atol=1e-12)


def test_nothing_to_convolve_is_refused() -> None:
    with pytest.raises(OpError, match="empty"):
        np.convolve(Tensor(np.zeros(0)), np.ones(2))


# ------------------------------------------------------------------------------ interpolation


def test_interp_has_the_values_of_numpy() -> None:
    fp = np.array([1.0, -2.0, 0.5, 3.0, 3.5])
    x = np.array([-1.0, 0.0, 0.2, 0.5, 2.1, 4.0, 4.5, np.nan])
    for more in ({}, {"left": -9.0}, {"left": 7.0, "right": 8.0}, {"period": 3.1}):
        found = np.interp(Tensor(x), PLACES, fp, **more).numpy()
        np.testing.assert_allclose(found, np.interp(x, PLACES, fp, **more), rtol=1e-13)
    one = np.interp(Tensor(x[:-1]), PLACES[:1], fp[:1]).numpy()
    np.testing.assert_array_equal(one, np.interp(x[:-1], PLACES[:1], fp[:1]))
    assert np.interp(0.25, PLACES, Tensor(fp)).item() == np.interp(0.25, PLACES, fp)


def test_interp_has_the_slope_of_the_line_it_is_on() -> None:
    fp = PLACES**2
    x = np.array([-1.0, 0.25, 0.5, 3.0, 4.0, 5.0])
    found = slope(lambda t: np.interp(t, PLACES, fp), x)
    np.testing.assert_allclose(found, [0.0, 0.5, 2.5, 6.25, 0.0, 0.0])
    weights = slope(lambda t: np.interp(np.array([0.125, -3.0, 9.0]), PLACES, t), fp)
    np.testing.assert_allclose(weights, [0.75 + 1, 0.25, 0, 0, 1])
    # Moving a point under the line by one shifts the value by minus the slope, in proportion.
    moved = grad(lambda p: np.interp(0.125, p, fp))(PLACES).numpy()
    np.testing.assert_allclose(moved, [-0.5 * 0.75, -0.5 * 0.25, 0, 0, 0])


def test_interp_at_a_jump_has_no_nan() -> None:
    xp, fp = np.array([0.0, 1.0, 1.0, 2.0, 2.0]), np.array([0.0, 1.0, 5.0, 6.0, 8.0])
    x = np.array([0.5, 1.0, 1.5, 2.0])
    np.testing.assert_array_equal(np.interp(Tensor(x), xp, fp).numpy(), np.interp(x, xp, fp))
    for which in range(3):
        assert np.isfinite(grad(lambda *a: np.interp(*a).sum(), which)(x, xp, fp).numpy()).all()


def test_interp_refuses_points_without_values() -> None:
    with pytest.raises(OpError, match="as many places as values"):
        tg.interp(0.5, PLACES, PLACES[1:])
    with pytest.raises(OpError, match="period of 0"):
        tg.interp(0.5, PLACES, PLACES, period=0)


@pytest.mark.parametrize("period", [2 * np.pi, 1.0])
def test_angles_are_unwrapped_with_slope_1(period):
    p = np.cumsum(np.random.default_rng(5).uniform(-2, 2, (3, 20)), axis=1)
    x = Tensor(np.remainder(p, period), requires_grad=True)
    y = np.unwrap(x, axis=1, period=period)
    np.testing.assert_array_equal(y.numpy(), np.unwrap(x.numpy(), axis=1, period=period))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, np.ones((3, 20)))
