"""Polynomials: NumPy's values, leading zeros, calculus that inverts itself, refusals."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.core.transforms import grad
from tinygrad_edu.errors import OpError, UnsupportedError

P = np.array([1.5, -2.0, 0.5, 3.0])
X = np.array([[-1.0, 0.0], [0.5, 2.0]])


def test_values_of_lists_and_numbers_are_numpys():
    assert ops.polyval([1.0, 2.0], 3.0) == np.polyval([1.0, 2.0], 3.0)
    np.testing.assert_array_equal(ops.polyval(P, X), np.polyval(P, X))
    np.testing.assert_array_equal(ops.polyval(np.zeros(0), X), np.zeros((2, 2)))
    np.testing.assert_array_equal(ops.polyadd([1, 2, 3], [4]), np.polyadd([1, 2, 3], [4]))
    np.testing.assert_array_equal(ops.polysub([1], [4, 5, 6]), np.polysub([1], [4, 5, 6]))
    np.testing.assert_array_equal(ops.poly([2.0, -1.0, 0.5]), np.poly([2.0, -1.0, 0.5]))
    np.testing.assert_array_equal(ops.polyint([6, 4]), np.polyint([6, 4]))
    assert ops.poly(np.zeros(0)) == np.poly([])


def test_the_slope_of_polyval_is_polyder():
    slope = grad(lambda x: np.sum(np.polyval(P, x)))(X).numpy()
    np.testing.assert_allclose(slope, np.polyval(np.polyder(P), X), rtol=1e-14)
    by_p = grad(lambda p: np.polyval(p, 2.0))(P).numpy()
    np.testing.assert_array_equal(by_p, [8, 4, 2, 1])


@pytest.mark.parametrize("m", [1, 2, 3])
def test_polyder_undoes_polyint(m):
    k = np.array([0.5, -1.0, 2.0])[:m]
    there = ops.polyint(P, m, k)
    np.testing.assert_allclose(there, np.polyint(P, m, k), rtol=1e-15)
    np.testing.assert_allclose(ops.polyder(there, m), P, rtol=1e-14)


@pytest.mark.parametrize("p", [[0.0, 0.0, 1.5, -2.0], [0.0, 0.0], [1.0, 0.0]])
def test_leading_zeros_are_cut_off_as_by_numpy(p):
    q = [0.0, 2.0, 3.0]
    a, b = Tensor(p, requires_grad=True), Tensor(q, requires_grad=True)
    y = np.polymul(a, b)
    np.testing.assert_array_equal(y.numpy(), np.polymul(p, q))
    if np.any(p):
        y.sum().backward()
        np.testing.assert_array_equal(a.grad, np.where(np.cumsum(np.abs(p)) > 0, 5.0, 0.0))


def test_polyfit_finds_what_was_there_and_the_slope_of_its_data():
    x = np.linspace(-1, 2, 9)
    y = np.polyval(P, x)
    np.testing.assert_allclose(np.polyfit(Tensor(x), Tensor(y), 3).numpy(), P, rtol=1e-11)
    line = grad(lambda y: np.polyfit(x, y, 1)[0])(y).numpy()
    centred = x - x.mean()
    np.testing.assert_allclose(line, centred / np.sum(centred**2), atol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.polyval(X, 1.0), OpError, "coefficients have one axis, p has 2"),
        (lambda: ops.polyder(P, -1), OpError, "or call polyint"),
        (lambda: ops.polyint(P, -1), OpError, "or call polyder"),
        (lambda: ops.polyint(P, 3, [1.0, 2.0]), OpError, "2 constants were given for 3"),
        (lambda: ops.poly(X), UnsupportedError, r"poly\(eigvalsh\(a\)\)"),
        (lambda: ops.polyfit(P, P, 1, full=True), UnsupportedError, "lstsq"),
        (lambda: ops.polyfit(P, P[:2], 1), OpError, "the same length"),
        (lambda: ops.polyfit(P, P, -1), OpError, "deg=-1"),
        (lambda: np.roots(Tensor(P)), UnsupportedError, "roots are eigenvalues"),
    ],
)
def test_refusals_say_what_to_do(call, error, words):
    with pytest.raises(error, match=words):
        call()
