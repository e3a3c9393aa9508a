"""Running results: against slow loops, with zeros, ties, infinities and nan, to second order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import hessian
from tinygrad_edu.errors import OpError, UnsupportedError

INF, NAN = np.inf, np.nan


def gradient(f: Callable[[Tensor], Any], data: Any, weights: Any = 1.0) -> Any:
    """Return the gradient of the weighted sum of a function's result."""
    x = Tensor(np.array(data, dtype=np.float64), requires_grad=True)
    (f(x) * weights).sum().backward()
    return x.grad


def product_without(values: list[float], *left_out: int) -> float:
    return float(np.prod([v for i, v in enumerate(values) if i not in left_out]))


# ------------------------------------------------------------------------------ products


@pytest.mark.hazard(23)
@pytest.mark.parametrize(
    "values", [[0, 2, 3], [3, 0, 0, 2], [0, 0, 0], [1, -2, 0, 4, 5], [7], [], [2, -1, 3, 4, 0.5]]
)
def test_cumprod_is_exact_with_zeros_to_second_order(values: list[float]) -> None:
    n = len(values)
    weights = np.arange(1.0, n + 1)
    first, second = np.zeros(n), np.zeros((n, n))
    for j in range(n):
        for i in range(j + 1):
            first[i] += weights[j] * product_without(values[: j + 1], i)
            for k in range(j + 1):
                if k != i:
                    second[i, k] += weights[j] * product_without(values[: j + 1], i, k)
    assert gradient(ops.cumprod, values, weights).tolist() == first.tolist()
    found = hessian(lambda x: (ops.cumprod(x) * weights).sum())(np.array(values, float))
    assert found.numpy().tolist() == second.tolist()


@pytest.mark.hazard(23)
@given(
    values=st.lists(st.sampled_from([0.0, 0.0, 1.0, -2.0, 0.5]), max_size=9),
    seed=st.integers(0, 2**32 - 1),
)
def test_cumprod_of_any_zeros_has_the_gradient_of_the_loop(values: list[float], seed: int) -> None:
    weights = np.random.default_rng(seed).integers(-3, 4, len(values)).astype(float)
    expected = [
        sum(weights[j] * product_without(values[: j + 1], i) for j in range(i, len(values)))
        for i in range(len(values))
    ]
    assert gradient(ops.cumprod, values, weights).tolist() == expected


def test_running_sums_and_products_leave_nan_out() -> None:
    x = [2.0, NAN, 3.0]
    assert np.nancumsum(Tensor(x)).tolist() == [2, 2, 5]
    assert np.nancumprod(Tensor(x)).tolist() == [2, 2, 6]
    assert gradient(ops.nancumsum, x).tolist() == [3, 0, 1]
    assert gradient(ops.nancumprod, x).tolist() == [5, 0, 2]


def test_the_array_apis_names_start_before_the_first_element() -> None:
    x = Tensor([2.0, 3.0])
    assert ops.cumulative_sum(x, include_initial=True).tolist() == [0, 2, 5]
    assert ops.cumulative_prod(x, include_initial=True).tolist() == [1, 2, 6]
    assert ops.cumulative_sum(Tensor(np.ones((0, 2))), axis=0, include_initial=True).shape == (1, 2)
    with pytest.raises(OpError, match=r"cumulative_sum(.|\n)*\(1, 2\)(.|\n)*fix(.|\n)*axis=0"):
        ops.cumulative_sum(Tensor([[1.0, 2.0]]))


def test_a_running_sum_into_an_array_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="out="):
        np.cumsum(Tensor([1.0]), out=np.zeros(1))


# ------------------------------------------------------------------------------ extremes


def running_extreme(x: list[float], sign: float) -> tuple[list[float], list[list[float]]]:
    """Return the running extremes, and which part of each goes to which element."""
    values, shares = [], []
    for j in range(len(x)):
        seen = x[: j + 1]
        extreme = sign * max(sign * v for v in seen)
        ties = [1.0 if i <= j and x[i] == extreme else 0.0 for i in range(len(x))]
        values.append(extreme)
        shares.append([tie / sum(ties) for tie in ties])
    return values, shares


@pytest.mark.parametrize(("row", "sign"), [(ops.cummax, 1.0), (ops.cummin, -1.0)])
@given(x=st.lists(st.sampled_from([-1.0, 0.0, 2.0]), min_size=1, max_size=9))
def test_ties_of_a_running_extreme_share_equally(row: Any, sign: float, x: list[float]) -> None:
    values, shares = running_extreme(x, sign)
    weights = np.arange(1.0, len(x) + 1)
    assert row(Tensor(x)).tolist() == values
    assert gradient(row, x, weights) == pytest.approx(weights @ np.array(shares), abs=1e-12)


def test_a_running_extreme_of_nan_is_nan() -> None:
    x = [1.0, NAN, 2.0]
    assert np.isnan(ops.cummax(Tensor(x)).numpy()).tolist() == [False, True, True]
    assert gradient(ops.cummax, x).tolist() == [1, 2, 0]


def test_accumulate_of_numpy_reaches_the_rows() -> None:
    x = np.array([[1.0, 3.0], [2.0, 0.0]])
    assert np.maximum.accumulate(Tensor(x)).tolist() == np.maximum.accumulate(x).tolist()
    found = np.minimum.accumulate(Tensor(x), axis=1)
    assert found.tolist() == np.minimum.accumulate(x, axis=1).tolist()


# ------------------------------------------------------------------------------ exponentials


def test_a_running_log_sum_of_exponentials_does_not_overflow() -> None:
    x = [-1000.0, 1000.0, 1000.0, -1000.0]
    found = ops.logcumsumexp(Tensor(x)).numpy()
    assert found == pytest.approx([-1000, 1000, 1000 + np.log(2), 1000 + np.log(2)], rel=1e-15)
    assert gradient(ops.logcumsumexp, x) == pytest.approx([1, 2, 1, 0], rel=1e-12)


def test_a_running_log_sum_over_minus_infinity_has_no_nan_to_second_order() -> None:
    x = [-INF, -INF, 0.0, -INF, 0.0]
    assert ops.logcumsumexp(Tensor(x)).tolist() == [-INF, -INF, 0, 0, np.log(2)]
    expected = [0, 0, 2.5, 0, 0.5]
    assert gradient(lambda x: ops.logcumsumexp(x)[2:], x) == pytest.approx(expected)
    assert gradient(ops.logcumsumexp, x) == pytest.approx(expected)
    second = hessian(lambda x: ops.logcumsumexp(x)[2:].sum())(np.array(x)).numpy()
    assert np.isfinite(second).all()
    assert second[2, 4] == pytest.approx(-0.25)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 9))
def test_a_running_log_sum_is_that_of_the_loop(seed: int, n: int) -> None:
    x = np.random.default_rng(seed).normal(scale=4, size=n)
    expected = [np.log(np.sum(np.exp(x[: i + 1]))) for i in range(n)]
    assert ops.logcumsumexp(Tensor(x)).numpy() == pytest.approx(expected, abs=1e-12)


# ------------------------------------------------------------------------------ methods and dtype


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"])
def test_methods_and_narrow_numbers(name: str) -> None:
    x = Tensor(np.array([[1.5, -0.5], [0.25, 2.0]], np.float32), requires_grad=True)
    found = getattr(x, name)(axis=1)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.numpy(), getattr(ops, name)(x.numpy(), axis=1))
    found.sum().backward()
    assert x.grad.dtype == np.float32
