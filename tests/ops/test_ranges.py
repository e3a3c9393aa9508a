"""Ranges: NumPy's numbers, and how much of each end is in each."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops, vmap
from tinygrad_edu.core.transforms import grad, jacobian
from tinygrad_edu.errors import OpError, UnsupportedError


def test_a_range_mixes_its_ends():
    by_start, by_stop = jacobian(lambda a, b: np.linspace(a, b, 5), (0, 1))(1.0, 3.0)
    np.testing.assert_array_equal(by_start.numpy(), [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_array_equal(by_stop.numpy(), [0, 0.25, 0.5, 0.75, 1])
    open_end = jacobian(lambda b: np.linspace(1.0, b, 4, endpoint=False))(3.0).numpy()
    np.testing.assert_array_equal(open_end, [0, 0.25, 0.5, 0.75])


@pytest.mark.parametrize("num", [0, 1, 2, 7])
@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("make", [np.linspace, np.logspace, np.geomspace])
def test_values_are_numpys(make, num, endpoint):
    a, b = np.array([0.5, 2.0, 3.0]), np.array([[1.5], [0.25]])
    found = make(Tensor(a, requires_grad=True), b, num, endpoint=endpoint, axis=-1)
    expected = make(a, b, num, endpoint=endpoint, axis=-1)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)


def test_whole_ends_make_floats_and_float32_stays():
    np.testing.assert_array_equal(ops.linspace(0, 1, 3), [0, 0.5, 1])
    narrow = Tensor(np.array([1.0, 2.0], np.float32))
    assert np.linspace(0, narrow, 3).dtype == np.float32
    assert np.logspace(narrow, 1, 3).dtype == np.float32
    assert np.geomspace(narrow, 8, 3).dtype == np.float32
    assert ops.geomspace(1, 8, 4).dtype == np.float64


def test_the_base_has_a_gradient():
    slope = grad(lambda base: np.logspace(0.0, 2.0, 3, base=base).sum())(5.0)
    assert slope.item() == pytest.approx(1 + 2 * 5)
    bases = np.array([2.0, 3.0])
    found = ops.logspace(0.0, 1.0, 3, base=bases)
    np.testing.assert_array_equal(found, np.logspace(0.0, 1.0, 3, base=bases))


def test_negative_ends_of_a_geometric_range():
    slope = grad(lambda a: np.geomspace(a, -8.0, 4)[1])(-1.0)
    assert slope.item() == pytest.approx(2 / 3 * 2)  # |y| = a^(2/3) 8^(1/3), dy/da = 2/3 y/a


def test_a_batch_of_ends_with_other_axes():
    starts = np.arange(6.0).reshape(3, 2)
    found = vmap(lambda a: np.linspace(a, np.ones((4, 1)), 5, axis=-1))(starts)
    for y, a in zip(found.numpy(), starts, strict=True):
        np.testing.assert_array_equal(y, np.linspace(a, np.ones((4, 1)), 5, axis=-1))


def test_refusals():
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(UnsupportedError, match=r"\(stop - start\) / \(num - 1\)"):
        np.linspace(x, 2.0, 3, retstep=True)
    with pytest.raises(UnsupportedError, match="dtype="):
        np.linspace(x, 2.0, 3, dtype=int)
    with pytest.raises(OpError, match="cannot include zero"):
        np.geomspace(x, 0.0, 3)
