"""Order: NumPy's values, where ties, nan and ranks lead the gradient, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import OpError, UnsupportedError

NAN = np.nan
METHODS = [
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher",
    "midpoint", "nearest",
]  # fmt: skip


def gradient(f: Callable[[Tensor], Any], data: Any, weights: Any = 1.0) -> Any:
    """Return the gradient of the weighted sum of a function's result."""
    x = Tensor(np.array(data, dtype=np.float64), requires_grad=True)
    (f(x) * weights).sum().backward()
    return x.grad


# ------------------------------------------------------------------------------ sorting


def test_the_gradient_of_a_sort_goes_back_by_a_stable_index() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    x = [3.0, 1.0, 3.0, 1.0]
    assert ops.sort(Tensor(x)).tolist() == [1, 1, 3, 3]
    assert gradient(ops.sort, x, weights).tolist() == [3, 1, 4, 2]
    table = [[3.0, 1.0], [2.0, 4.0]]
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert gradient(lambda x: ops.sort(x, axis=0), table, weights).tolist() == [[3, 2], [1, 4]]
    flat = gradient(lambda x: ops.sort(x, axis=None), table, weights.ravel())
    assert flat.tolist() == [[3, 1], [2, 4]]


@given(
    x=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0, NAN]), min_size=1, max_size=8),
    data=st.data(),
)
def test_a_partition_permutes_the_gradient(x: list[float], data: st.DataObject) -> None:
    kth = data.draw(st.integers(-len(x), len(x) - 1))
    np.testing.assert_array_equal(np.partition(Tensor(x), kth).numpy(), np.partition(x, kth))
    weights = np.arange(1.0, len(x) + 1)
    tensor = Tensor(x, requires_grad=True)
    ops.partition(tensor, kth).backward(weights)
    assert sorted(tensor.grad) == weights.tolist()
    for value in {v for v in x if v == v}:  # equal elements have the cotangents of equal results
        results = weights[np.partition(x, kth) == value]
        assert sorted(tensor.grad[np.array(x) == value]) == results.tolist()


def test_indices_are_those_of_numpy_and_have_no_gradient() -> None:
    x = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    t = Tensor(x, requires_grad=True)
    for found, expected in [
        (t.argsort(), np.argsort(x)),
        (np.argsort(t, axis=0, kind="stable"), np.argsort(x, axis=0)),
        (np.argpartition(t, 1), np.argpartition(x, 1)),
        (np.searchsorted(np.array([1.0, 2.5]), t), np.searchsorted([1.0, 2.5], x)),
        (np.digitize(t, np.array([1.0, 2.5]), right=True), np.digitize(x, [1.0, 2.5], right=True)),
        (np.unique(t), np.unique(x)),
        (np.histogram_bin_edges(t, 3), np.histogram_bin_edges(x, 3)),
    ]:
        assert not found.requires_grad
        np.testing.assert_array_equal(found.numpy(), expected)


def test_unique_returns_values_alone() -> None:
    with pytest.raises(UnsupportedError, match="return_counts"):
        np.unique(Tensor([1.0, 1.0]), return_counts=True)


# ------------------------------------------------------------------------------ counting


def test_a_count_by_weights_has_their_gradient() -> None:
    x = np.array([0, 2, 2, 5])
    weights = Tensor(np.array([1.0, 2.0, 3.0, 4.0]), requires_grad=True)
    found = np.bincount(x, weights=weights, minlength=8)
    assert found.tolist() == [1, 0, 5, 0, 0, 4, 0, 0]
    found.backward(np.arange(8.0))
    assert weights.grad.tolist() == [0, 2, 2, 5]
    assert ops.bincount(x).tolist() == [1, 0, 2, 0, 0, 1]
    assert ops.bincount(Tensor(x)).tolist() == [1, 0, 2, 0, 0, 1]
    narrow = Tensor(np.ones(4, np.float32), requires_grad=True)
    assert ops.bincount(x, narrow).dtype == np.float32


def test_a_histogram_only_looks_at_the_values() -> None:
    x = np.array([0.0, 9.0, 1.0, 2.0])
    counts, edges = np.histogram(Tensor(x, requires_grad=True), bins=3)
    expected, expected_edges = np.histogram(x, bins=3)
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(edges, expected_edges)


# ------------------------------------------------------------------------------ ranks


def test_topk_chooses_the_first_of_equal_elements() -> None:
    x = [2.0, 5.0, 5.0, 1.0, 2.0]
    largest = Tensor(x).topk(3)
    assert (largest.values.tolist(), largest.indices.tolist()) == ([5, 5, 2], [1, 2, 0])
    values, indices = ops.topk(Tensor(x), 3, largest=False)
    assert (values.tolist(), indices.tolist()) == ([1, 2, 2], [3, 0, 4])
    weights = np.array([1.0, 2.0, 4.0])
    assert gradient(lambda x: x.topk(3).values, x, weights).tolist() == [4, 1, 2, 0, 0]
    assert not indices.requires_grad


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(0, 4), axis=st.sampled_from([0, 1, -1]))
def test_topk_along_axes(seed: int, k: int, axis: int) -> None:
    x = np.random.default_rng(seed).integers(0, 4, (4, 4)).astype(float)
    values, indices = ops.topk(x, k, axis)
    expected = np.take(-np.sort(-x, axis=axis), range(k), axis=axis)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(np.take_along_axis(x, indices, axis), values)


def test_kthvalue_counts_from_one() -> None:
    x = [[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]]
    values, indices = Tensor(x).kthvalue(2)
    assert (values.tolist(), indices.tolist()) == ([2, 5], [2, 2])
    kept = ops.kthvalue(Tensor(x), 1, axis=0, keepdims=True)
    assert kept.values.shape == kept.indices.shape == (1, 3)
    assert gradient(lambda x: x.kthvalue(3)[0], x).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.topk(x, 4), "k is 4(.|\n)*3 elements(.|\n)*fix(.|\n)*0 to 3"),
        (lambda x: ops.kthvalue(x, 0), "k is 0(.|\n)*3 elements(.|\n)*fix(.|\n)*1 to 3"),
        (lambda x: ops.quantile(x, 1.5), "1.5(.|\n)*fix(.|\n)*from 0 to 1"),
        (lambda x: ops.percentile(x, -1), "fix(.|\n)*0 to 100"),
        (lambda x: ops.quantile(x, 0.5, method="best"), "'best'(.|\n)*fix(.|\n)*linear"),
        (lambda x: ops.nanquantile(x, NAN), "nan(.|\n)*fix"),
    ],
)
def test_ranks_and_parts_that_are_none_are_refused(call: Any, message: str) -> None:
    with pytest.raises(OpError, match=message):
        call(Tensor([3.0, 1.0, 2.0]))


# ------------------------------------------------------------------------------ quantiles


@pytest.mark.parametrize("method", METHODS)
@given(
    x=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=7),
    q=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.75, 1.0])),
)
def test_quantiles_are_those_of_numpy(method: str, x: list[float], q: float) -> None:
    expected = np.quantile(x, q, method=method)  # type: ignore[call-overload]  # any method's name
    assert np.quantile(Tensor(x), q, method=method).item() == pytest.approx(expected, abs=1e-12)  # type: ignore[call-overload]
    found = np.nanquantile(Tensor([NAN, *x, NAN]), q, method=method)  # type: ignore[call-overload]
    assert found.item() == pytest.approx(expected, abs=1e-12)
    weights = gradient(lambda t: ops.quantile(t, q, method=method), x)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    assert weights @ np.array(x) == pytest.approx(expected, abs=1e-12)


def test_tied_middles_share_the_gradient_equally() -> None:
    assert gradient(ops.median, [2.0, 7.0, 2.0, 2.0, 0.0]) == pytest.approx(
        [1 / 3, 0, 1 / 3, 1 / 3, 0]
    )
    assert gradient(ops.median, [1.0, 2.0, 2.0, 3.0]).tolist() == [0, 0.5, 0.5, 0]
    assert gradient(ops.median, [4.0, 1.0, 1.0, 3.0]).tolist() == [0, 0.25, 0.25, 0.5]
    assert gradient(lambda x: ops.quantile(x, 0.25), [1.0, 2.0, 4.0]).tolist() == [0.5, 0.5, 0]
    third = gradient(lambda x: ops.nanmedian(x), [NAN, 1.0, 1.0, 1.0])
    assert third == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])


def test_several_quantiles_stand_in_front() -> None:
    x = np.random.default_rng(3).normal(size=(4, 5))
    for q in ([0.1, 0.5], np.array([[0.2], [0.9]])):
        for axis, keepdims in ((0, False), (None, True), ((0, 1), False)):
            found = np.quantile(Tensor(x), q, axis=axis, keepdims=keepdims)
            expected = np.quantile(x, q, axis=axis, keepdims=keepdims)
            assert found.shape == expected.shape
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)
    found = np.percentile(Tensor(x), [25, 75], axis=1)
    np.testing.assert_allclose(found.numpy(), np.percentile(x, [25, 75], axis=1), rtol=1e-14)


def test_nan_makes_a_quantile_nan_unless_it_is_left_out() -> None:
    x = np.array([[1.0, NAN, 3.0], [4.0, 6.0, 5.0]])
    assert np.isnan(np.median(Tensor(x), axis=1).numpy()).tolist() == [True, False]
    assert np.isnan(np.quantile(Tensor(x), 0.1).item())
    assert gradient(lambda x: ops.median(x, axis=1), x).tolist() == [[0, 0, 0], [0, 0, 1]]
    assert np.nanmedian(Tensor(x), axis=1).tolist() == [2, 5]
    assert gradient(lambda x: ops.nanmedian(x, axis=1), x).tolist() == [[0.5, 0, 0.5], [0, 0, 1]]
    found = np.nanpercentile(Tensor(x), [10, 60], axis=0)
    np.testing.assert_allclose(found.numpy(), np.nanpercentile(x, [10, 60], axis=0), rtol=1e-14)
    nothing = Tensor([NAN, NAN], requires_grad=True)
    result = ops.nanquantile(nothing, 0.5)
    assert np.isnan(result.item())
    result.backward()
    assert nothing.grad.tolist() == [0, 0]


def test_quantiles_of_nothing() -> None:
    with pytest.warns(RuntimeWarning, match="empty"), np.errstate(invalid="ignore"):
        assert np.isnan(ops.median(Tensor(np.zeros((0, 2))), axis=0).numpy()).all()
    with pytest.raises(IndexError, match=r"order_statistic(.|\n)*empty"):
        ops.quantile(Tensor([]), 0.5)
    assert ops.sort(Tensor([])).shape == (0,)
    assert ops.median(Tensor(np.zeros((0, 2))), axis=1).shape == (0,)


def test_narrow_numbers_stay_narrow_and_whole_ones_have_middles() -> None:
    x = Tensor(np.array([1.0, 4.0, 2.0, 3.0], np.float32), requires_grad=True)
    for y in (x.median(), x.quantile(0.3), ops.nanquantile(x, 0.3), ops.nanmedian(x), x.sort()):
        assert y.dtype == np.float32
    x.quantile([0.3, 0.6]).sum().backward()
    assert x.grad.dtype == np.float32
    assert ops.median(Tensor([1, 2, 4, 3])).item() == 2.5
    assert ops.quantile(Tensor([1, 2, 4]), 0.75).item() == 3


def test_a_rank_may_differ_from_row_to_row() -> None:
    x = [[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]]
    found = ops.order_statistic(Tensor(x), np.array([0, 2]))
    assert found.tolist() == [1, 6]
    assert gradient(lambda x: ops.order_statistic(x, np.array([0, 2])), x).tolist() == [
        [0, 1, 0], [0, 1, 0],
    ]  # fmt: skip
    with pytest.raises(OpError, match="order_statistic"):
        ops.order_statistic(Tensor(x), 3)


def test_lexsort_sorts_by_the_last_key_first():
    last, first = np.array([1.0, 0.0, 1.0, 0.0]), np.array([4.0, 3.0, 2.0, 1.0])
    found = np.lexsort((Tensor(first, requires_grad=True), Tensor(last)))
    assert not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), [3, 1, 2, 0])
    np.testing.assert_array_equal(ops.lexsort([first, last]), [3, 1, 2, 0])
