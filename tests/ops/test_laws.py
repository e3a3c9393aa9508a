"""The laws of the table, for every row and every case: see ``laws.py`` for what each compares."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu.core.op import Op
from tinygrad_edu.core.tensor import Tensor, constant, no_grad, record_composites

from . import laws
from .laws import TOLERANCES, assert_close, results
from .strategies import Plan, Sample, differentiable, plans, rows, sample, samples

Law = Callable[[Sample], None]

PLANS = plans()
MOVING = [plan for plan in PLANS if differentiable(plan.row)]
DRAWN = [plan for plan in PLANS if plan.case is None]

# The table is wide: few examples of each of its many rows, in proportion to the profile.
few = settings(max_examples=max(2, settings().max_examples // 20))


def every(chosen: list[Plan]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("plan", chosen, ids=str)


def every_row(chosen: list[Op]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", chosen, ids=lambda row: row.name)


# ------------------------------------------------------------------------------ values


@every(PLANS)
@few
@given(data=st.data())
def test_tensors_have_the_values_of_arrays(plan: Plan, data: st.DataObject) -> None:
    sample = data.draw(samples(plan, smallest=0))
    tensors = [constant(a) if isinstance(a, np.ndarray) else a for a in sample.arrays]
    expected = laws.values(sample)
    found = results(plan.row, tensors, sample.params)
    assert len(found) == len(expected)
    for tensor, array in zip(found, expected, strict=True):
        assert isinstance(tensor, Tensor)
        assert isinstance(tensor.numpy(), np.ndarray)
        laws.assert_same_form(tensor.numpy(), np.asarray(array), plan.row.name)
        np.testing.assert_array_equal(tensor.numpy(), array)


@every([plan for plan in PLANS if laws.numpy_functions(plan.row)])
@few
@given(data=st.data())
def test_numpy_functions_called_with_tensors_reach_the_row(plan: Plan, data: st.DataObject) -> None:
    sample = data.draw(samples(plan, smallest=0))
    row = plan.row
    tensors = [constant(a) if isinstance(a, np.ndarray) else a for a in sample.arrays]
    for function in laws.numpy_functions(row):
        expected = laws.call_as_numpy(row, function, sample.arrays, sample.params)
        found = laws.call_as_numpy(row, function, tensors, sample.params)
        if not isinstance(expected, (list, tuple)):
            expected, found = [expected], [found]
        assert len(found) == len(expected)
        for tensor, array in zip(found, expected, strict=True):
            assert isinstance(tensor, Tensor)
            assert tensor.dtype == np.asarray(array).dtype
            tolerance = TOLERANCES["float64", "exact"]
            assert_close(tensor.numpy(), array, tolerance, f"{row.name} as {function}")


@every([plan for plan in PLANS if plan.row.kind == "fused"])
@few
@given(data=st.data())
def test_fused_rows_equal_their_composites(plan: Plan, data: st.DataObject) -> None:
    laws.check_fused(data.draw(samples(plan)))


@every(PLANS)
@few
@given(data=st.data(), layout=st.sampled_from(["Fortran", "reversed", "big-endian"]))
def test_the_layout_in_memory_changes_nothing(plan: Plan, data: st.DataObject, layout: str) -> None:
    sample = data.draw(samples(plan))
    ways: dict[str, Callable[[Any], Any]] = {
        "Fortran": lambda a: np.array(a, order="F"),
        "reversed": lambda a: np.asarray(np.flip(np.array(np.flip(a)))),
        "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    }
    other = sample.laid_out(ways[layout])
    exact = TOLERANCES["float64", "exact"]
    path = f"{plan.row.name} of {layout} arrays"
    for found, expected in zip(laws.values(other), laws.values(sample), strict=True):
        assert_close(found, expected, exact, path)
    if sample.moving:
        weights = laws.weights_of(sample)
        parts = zip(laws.pull(other, weights), laws.pull(sample, weights), strict=True)
        for found, expected in parts:
            assert_close(found, expected, exact, f"vjp of {path}", 10)


# ------------------------------------------------------------------------------ derivatives


def law(check: Law) -> Any:
    """Return a test that applies a check to every plan that a gradient flows through."""

    @every(MOVING)
    @few
    @given(data=st.data())
    def test(plan: Plan, data: st.DataObject) -> None:
        check(data.draw(samples(plan)))

    return test


test_vjp_is_the_numerical_derivative = law(laws.check_order_1)
test_vjp_of_vjp_is_the_numerical_derivative = law(laws.check_order_2)
test_jvp_is_the_numerical_derivative_and_dual_to_the_vjp = law(laws.check_jvp)
test_jvp_of_vjp_equals_vjp_of_vjp = law(laws.check_forward_over_reverse)
test_vjp_is_linear_in_its_cotangent = law(laws.check_linear)
test_nothing_writes_to_inputs_or_cotangents = law(laws.check_unchanged)
test_rules_return_the_form_of_their_primal = pytest.mark.acceptance("N8")(law(laws.check_forms))


# ------------------------------------------------------------------------------ dtype and shape


@every(PLANS)
@few
@given(data=st.data())
def test_float32_stays_float32(plan: Plan, data: st.DataObject) -> None:
    sample = data.draw(samples(plan))
    if "dtype" in sample.params:  # a row that is told the dtype is told this one
        sample = replace(sample, params={**sample.params, "dtype": np.float32})
    narrow, row = sample.astype(np.float32), plan.row
    wide = narrow.astype(np.float64)
    outputs = [np.asarray(y) for y in laws.values(narrow)]
    for y, precise in zip(outputs, laws.values(wide), strict=True):
        assert y.dtype == (np.float32 if np.asarray(precise).dtype == np.float64 else y.dtype)
        assert y.dtype != np.float64, f"{row.name} widens float32"
        scale = float(np.max(np.abs(precise), initial=0))
        assert_close(y, precise, TOLERANCES["float32", "order 0"], row.name, scale)
    if not sample.moving:
        return
    weights = laws.weights_of(narrow)
    precise_gradients = laws.pull(wide, [w.astype(np.float64) for w in weights])
    for i, gradient, precise in zip(
        sample.moving, laws.pull(narrow, weights), precise_gradients, strict=True
    ):
        laws.assert_same_form(gradient, narrow.arrays[i], f"vjp of {row.name}, argument {i}")
        scale = float(np.max(np.abs(precise), initial=0))
        tolerance = TOLERANCES["float32", "order 1"]
        assert_close(gradient, precise, tolerance, f"vjp of {row.name}", scale)
    laws.check_forms(narrow)
    tangents = laws.push(narrow, narrow.moving, laws.directions_of(narrow))
    assert all(t.dtype == np.float32 for t in tangents), f"jvp of {row.name} widens float32"


@every(DRAWN)
@few
@given(data=st.data())
def test_empty_arrays_have_empty_gradients(plan: Plan, data: st.DataObject) -> None:
    sample = data.draw(samples(plan, smallest=0))
    if not differentiable(plan.row):
        return
    weights = laws.weights_of(sample)
    for i, gradient in zip(sample.moving, laws.pull(sample, weights), strict=True):
        laws.assert_same_form(gradient, sample.arrays[i], f"vjp of {plan.row.name}, argument {i}")
        if weights[0].size == 0:
            assert not gradient.any()


@every([plan for plan in MOVING if plan.case is not None])
def test_backward_adds_into_owned_arrays(plan: Plan) -> None:
    sample = next(iter_samples(plan))
    outputs, leaves = laws.call(sample, sample.moving)
    weights = laws.weights_of(sample)
    total = laws.contract(outputs, weights)
    total.backward(retain_graph=True)
    once = [leaf.grad.copy() for leaf in leaves]
    total.backward()
    for i, (leaf, gradient) in enumerate(zip(leaves, once, strict=True)):
        laws.assert_same_form(leaf.grad, leaf.numpy(), plan.row.name)
        np.testing.assert_array_equal(leaf.grad, gradient + gradient)
        assert leaf.grad.flags.writeable
        for other in leaves[:i]:
            assert not np.shares_memory(leaf.grad, other.grad)


def iter_samples(plan: Plan) -> Any:
    """Yield samples of a plan with a case, without Hypothesis: one seed after the other."""
    assert plan.case is not None
    for seed in range(100):
        yield sample(plan.row, plan.case.arrays, plan.params, seed)


# ------------------------------------------------------------------------------ recording


@every(MOVING)
@few
@given(data=st.data())
def test_nothing_is_recorded_while_recording_is_off(plan: Plan, data: st.DataObject) -> None:
    sample = data.draw(samples(plan))
    with no_grad():
        outputs, leaves = laws.call(sample, sample.moving)
    for y in outputs:
        returned = any(y is leaf for leaf in leaves)  # a row may return its argument as it is
        assert returned or (y.node is None and not y.requires_grad)


@every([plan for plan in PLANS if not differentiable(plan.row)])
@few
@given(data=st.data())
def test_rows_without_a_derivative_give_constants(plan: Plan, data: st.DataObject) -> None:
    sample = data.draw(samples(plan, smallest=1))
    floats = [
        i for i, a in enumerate(sample.arrays) if isinstance(a, np.ndarray) and a.dtype.kind == "f"
    ]
    outputs, _ = laws.call(sample, floats)
    assert all(y.node is None for y in outputs)


@every([plan for plan in MOVING if plan.row.kind == "fused"])
def test_higher_orders_record_the_composite(plan: Plan) -> None:
    sample = next(iter_samples(plan))
    (recorded,), _ = laws.call(sample, sample.moving)
    assert recorded.node is not None
    assert recorded.node.op is plan.row
    with record_composites():
        (composed,), _ = laws.call(sample, sample.moving)
    assert composed.node is not None
    assert composed.node.op is not plan.row


def test_every_row_is_under_the_laws() -> None:
    tested = {plan.row.name for plan in PLANS}
    assert tested == {row.name for row in rows()}
    assert len(tested) > 100
