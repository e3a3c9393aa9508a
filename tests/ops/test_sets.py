"""Arrays as sets: NumPy's values, as constants."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.errors import UnsupportedError

A, B = np.array([3.0, 1.0, 1.0, -2.0]), np.array([1.0, 5.0, 3.0, 5.0])


@pytest.mark.parametrize(
    "function", [np.isin, np.intersect1d, np.union1d, np.setdiff1d, np.setxor1d]
)
def test_two_sets(function):
    found = function(Tensor(A, requires_grad=True), B)
    assert isinstance(found, Tensor)
    assert not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), function(A, B))


def test_one_set():
    found = np.unique_values(Tensor(A, requires_grad=True))
    assert not found.requires_grad
    assert sorted(found.tolist()) == [-2, 1, 3]
    counts = np.unique_counts(Tensor(A, requires_grad=True))  # only looks at the values
    assert dict(zip(counts.values.tolist(), counts.counts.tolist(), strict=True)) == {
        -2: 1, 1: 2, 3: 1,
    }  # fmt: skip


def test_elements_picked_by_isin_keep_their_gradient():
    x = Tensor(A, requires_grad=True)
    x[np.isin(x, [1.0, 3.0])].sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 1, 1, 0])


def test_keywords():
    np.testing.assert_array_equal(ops.isin(A, [1.0], invert=True), [True, False, False, True])
    with pytest.raises(UnsupportedError, match="return_indices="):
        np.intersect1d(Tensor(A), B, return_indices=True)
