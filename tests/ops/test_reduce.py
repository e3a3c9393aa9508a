"""Reductions: masks, first values, averages, covariances, nan left out, and softmax far from 0."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import grad, hessian, jacobian
from tinygrad_edu.errors import OpError, UnsupportedError

INF, NAN = np.inf, np.nan
X = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.0]])
KEPT = np.array([[True, False, True], [False, True, True]])
HOLES = np.array([[0.5, NAN, -1.5], [NAN, NAN, 2.0], [1.0, 0.75, 3.0]])


def gradient(f: Callable[[Tensor], Any], data: Any, weights: Any = 1.0) -> Any:
    """Return the gradient of the weighted sum of a function's result."""
    x = Tensor(np.array(data, dtype=np.float64), requires_grad=True)
    (f(x) * weights).sum().backward()
    return x.grad


# ------------------------------------------------------------------------------ where and initial


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "var", "std", "all", "any"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_a_mask_leaves_elements_out_as_numpy_does(name: str, axis: Any) -> None:
    start = {"max": {"initial": -9.0}, "min": {"initial": 9.0}}.get(name, {})
    function = getattr(np, name)
    found = function(Tensor(X), axis=axis, where=KEPT, **start)
    np.testing.assert_array_equal(found.numpy(), function(X, axis=axis, where=KEPT, **start))


def test_masked_elements_have_no_gradient() -> None:
    left_out = ~KEPT
    for f in (
        lambda x: np.sum(x, axis=0, where=KEPT),
        lambda x: np.mean(x, axis=1, where=KEPT),
        lambda x: np.prod(x, where=KEPT, initial=2.0),
        lambda x: np.max(x, axis=1, where=KEPT, initial=-9.0),
        lambda x: np.std(x, where=KEPT),
        lambda x: np.var(x, axis=1, where=KEPT, ddof=1),
    ):
        found = gradient(f, X)
        assert not found[left_out].any()
        assert found.any()
        hidden = np.where(KEPT, X, NAN)  # not even a nan shows
        np.testing.assert_allclose(gradient(f, hidden), found, rtol=1e-14)


def test_a_mask_may_be_a_tensor_or_broadcast() -> None:
    x = Tensor(X, requires_grad=True)
    np.sum(x, where=x > 0).backward()
    assert x.grad.tolist() == (X > 0).astype(float).tolist()
    assert gradient(lambda x: np.mean(x, axis=1, where=[True, False, True]), X).tolist() == [
        [0.5, 0, 0.5], [0.5, 0, 0.5],
    ]  # fmt: skip


def test_the_first_value_takes_part() -> None:
    assert gradient(lambda x: np.max(x, initial=10.0), X).tolist() == np.zeros((2, 3)).tolist()
    assert gradient(lambda x: np.max(x, initial=4.0), X).tolist() == [[0, 0, 0], [0, 0.5, 0]]
    assert gradient(lambda x: np.prod(x, initial=3.0), [2.0, 5.0]).tolist() == [15, 6]
    assert np.max(Tensor([]), initial=1.0).item() == 1
    with pytest.raises(UnsupportedError, match=r"initial=(.|\n)*fix(.|\n)*result"):
        np.sum(Tensor(X), initial=1.0)
    with pytest.raises(OpError, match=r"max(.|\n)*where"):
        np.max(Tensor(X), where=KEPT)


# ------------------------------------------------------------------------------ extremes


@pytest.mark.parametrize("row", [ops.max, ops.min])
def test_an_extreme_with_nan_is_nan_and_sends_its_gradient_there(row: Any) -> None:
    assert np.isnan(row(Tensor([1.0, NAN, 2.0])).item())
    assert gradient(row, [1.0, NAN, 2.0]).tolist() == [0, 1, 0]
    assert gradient(row, [NAN, 1.0, NAN]).tolist() == [0.5, 0, 0.5]


def test_the_range_of_equal_elements_has_no_gradient() -> None:
    assert gradient(np.ptp, [2.0, 2.0, 2.0]) == pytest.approx([0, 0, 0], abs=1e-16)
    assert gradient(np.ptp, [5.0, 1.0, 5.0]).tolist() == [0.5, -1, 0.5]
    assert Tensor(X).ptp(axis=1).tolist() == [4, 6]
    with pytest.raises(ValueError, match="zero-size"):
        ops.ptp(Tensor([]))


# ------------------------------------------------------------------------------ averages, spread


def test_weights_of_an_average_have_a_gradient() -> None:
    x, w = Tensor([1.0, 5.0], requires_grad=True), Tensor([3.0, 1.0], requires_grad=True)
    found, total = np.average(x, weights=w, returned=True)
    assert (found.item(), total.item()) == (2, 4)
    found.backward(retain_graph=True)
    assert x.grad.tolist() == [0.75, 0.25]
    assert w.grad.tolist() == [-0.25, 0.75]
    total.backward()
    assert w.grad.tolist() == [0.75, 1.75]
    plain, count = np.average(Tensor(X), axis=1, returned=True)
    expected, expected_count = np.average(X, axis=1, returned=True)
    np.testing.assert_array_equal(plain.numpy(), expected)
    np.testing.assert_array_equal(count.numpy(), expected_count)


def test_weights_that_fit_no_axis_are_refused() -> None:
    with pytest.raises(OpError, match=r"\(3,\)(.|\n)*\(2, 3\)(.|\n)*all axes(.|\n)*fix"):
        np.average(Tensor(X), weights=np.ones(3))
    with pytest.raises(OpError, match=r"axis 0 of length \(2,\)"):
        np.average(Tensor(X), axis=0, weights=np.ones(3))


@pytest.mark.parametrize("equal", [0.1, 1 / 3, 1e8 + 0.1, -7e-5])
@pytest.mark.parametrize("n", [3, 7, 10])
def test_a_rounded_deviation_of_equal_elements_has_no_gradient(equal: float, n: int) -> None:
    x = np.full(n, equal)
    assert not gradient(ops.std, x).any()
    assert not hessian(ops.std)(x).numpy().any()
    holed = np.append(x, NAN)
    assert not gradient(ops.nanstd, holed).any()
    assert not hessian(ops.nanstd)(holed).numpy().any()


def test_the_variance_of_equal_elements_curves_as_everywhere() -> None:
    second = hessian(ops.var)(np.full(4, 2.5)).numpy()
    assert second == pytest.approx((np.eye(4) - 0.25) / 2, abs=1e-15)


def test_correction_is_ddof() -> None:
    assert np.var(Tensor(X), correction=1).item() == pytest.approx(np.var(X, ddof=1), rel=1e-15)
    assert ops.std(Tensor(X), correction=1).item() == pytest.approx(np.std(X, ddof=1), rel=1e-15)


def test_covariances_of_numpy() -> None:
    x = np.random.default_rng(5).normal(size=(3, 6))
    y = x[0] ** 2
    counts, weights = np.array([1, 2, 1, 1, 3, 1]), np.linspace(0.5, 1.5, 6)
    for keywords in (
        {}, {"y": y}, {"bias": True}, {"ddof": 2}, {"fweights": counts}, {"aweights": weights},
        {"fweights": counts, "aweights": weights}, {"aweights": weights, "ddof": 0},
        {"rowvar": False},
    ):  # fmt: skip
        expected = np.cov(x, **keywords)  # type: ignore[call-overload]  # keywords of several types
        found = np.cov(Tensor(x), **keywords)  # type: ignore[call-overload]  # as above
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ops.corrcoef(Tensor(x), y).numpy(), np.corrcoef(x, y), rtol=1e-12)
    assert np.cov(Tensor(y)).shape == ()
    assert np.corrcoef(Tensor(y)).item() == 1
    assert ops.cov(Tensor([[1, 2, 4]]), aweights=np.array([0.5, 0.5, 1.0])).item() == pytest.approx(
        float(np.cov([1, 2, 4], aweights=[0.5, 0.5, 1.0]))
    )


# ------------------------------------------------------------------------------ without nan


@pytest.mark.parametrize(
    "name",
    ["nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd"],
)
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_nan_is_left_out_to_second_order(name: str, axis: Any) -> None:
    x = Tensor(HOLES, requires_grad=True)
    function, without = getattr(np, name), getattr(ops, name.removeprefix("nan"))
    found = function(x, axis=axis)
    np.testing.assert_allclose(found.numpy(), function(HOLES, axis=axis), rtol=1e-15)
    weights = np.arange(1.0, found.size + 1).reshape(found.shape)
    slices = {None: [...], 0: [np.s_[:, i] for i in range(3)], 1: list(range(3))}[axis]
    first = gradient(lambda x: function(x, axis=axis), HOLES, weights)
    second = hessian(lambda x: (function(x, axis=axis) * weights).sum())(HOLES).numpy()
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()
    for weight, where in zip(np.ravel(weights), slices, strict=True):
        numbers = HOLES[where][~np.isnan(HOLES[where])]
        kept = ~np.isnan(HOLES[where])
        np.testing.assert_allclose(
            first[where][kept], weight * grad(without)(numbers).numpy(), rtol=1e-13, atol=1e-15
        )
    assert not first[np.isnan(HOLES)].any()
    assert not second[np.isnan(HOLES)].any()


def test_nothing_but_nan() -> None:
    x = [[NAN, NAN], [1.0, NAN]]
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        assert gradient(lambda x: np.nanmax(x, axis=1), x).tolist() == [[0, 0], [1, 0]]
    with pytest.warns(RuntimeWarning, match="invalid"):
        assert gradient(lambda x: np.nanmean(x, axis=1), x).tolist() == [[0, 0], [1, 0]]
    assert gradient(lambda x: np.nansum(x, axis=1), x).tolist() == [[0, 0], [1, 0]]
    with pytest.raises(ValueError, match="All-NaN"):
        ops.nanargmax(Tensor([NAN]))
    assert np.nanargmax(Tensor([NAN, 1.0, 3.0])).item() == 2
    assert np.nanargmin(Tensor([NAN, 1.0, 3.0])).item() == 1


# ------------------------------------------------------------------------------ softmax family


@pytest.mark.parametrize("shift", [-1000.0, 0.0, 1000.0])
def test_the_gradient_of_logsumexp_is_exact_far_from_zero(shift: float) -> None:
    x = np.array([0.0, 1.0, -2.0, 0.5])
    expected = np.exp(x) / np.exp(x).sum()
    for axis in (None, 0, -1):
        found = gradient(lambda x, axis=axis: ops.logsumexp(x, axis=axis), x + shift)
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    second = hessian(ops.logsumexp)(x + shift).numpy()
    np.testing.assert_allclose(second, np.diag(expected) - np.outer(expected, expected), rtol=1e-14)


@pytest.mark.parametrize("shift", [-1000.0, 0.0, 1000.0])
def test_log_softmax_is_exact_far_from_zero(shift: float) -> None:
    x = np.array([0.0, 1.0, -2.0, 0.5])
    expected = x - np.log(np.exp(x).sum())
    np.testing.assert_allclose(ops.log_softmax(Tensor(x + shift)).numpy(), expected, rtol=1e-15)
    far = ops.log_softmax(Tensor([1000.0, -1000.0]))
    assert far.tolist() == [0, -2000]


@pytest.mark.hazard(17)
@pytest.mark.hazard("beyond: softmax")
@pytest.mark.parametrize("row", [ops.softmax, ops.log_softmax, ops.logsumexp])
@given(data=st.data())
def test_minus_infinity_anywhere_gives_no_nan_to_second_order(
    row: Any, data: st.DataObject
) -> None:
    numbers = st.sampled_from([-INF, -INF, -1000.0, 0.0, 1.0, 1000.0])
    x = np.array(data.draw(st.lists(numbers, min_size=1, max_size=4)))
    value = row(Tensor(x)).numpy()
    assert not np.isnan(value).any()
    first = gradient(lambda x: row(x).sum(), x)
    assert np.isfinite(first).all()
    assert not first[x == -INF].any() or row is ops.log_softmax
    for create in (hessian(lambda x: row(x).sum()), jacobian(row)):
        assert np.isfinite(create(x).numpy()).all()


def test_softmax_over_all_axes() -> None:
    found = ops.softmax(Tensor(X), axis=None).numpy()
    assert found.sum() == pytest.approx(1, rel=1e-15)
    np.testing.assert_allclose(found, np.exp(X) / np.exp(X).sum(), rtol=1e-14)


def test_a_spread_together_with_the_mean():
    x = np.arange(6.0).reshape(2, 3) ** 2
    for row, spread in [(ops.var_mean, np.var), (ops.std_mean, np.std)]:
        first, second = row(x, axis=1, ddof=1)
        np.testing.assert_array_equal(first, spread(x, axis=1, ddof=1))
        np.testing.assert_array_equal(second, x.mean(axis=1))
