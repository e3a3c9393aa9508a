"""The laws of the table, for every row and every case: see ``laws.py`` for what each compares."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.exceptions import ComplexWarning

from tinygrad_edu.core.op import Op
from tinygrad_edu.core.switch import record_composites
from tinygrad_edu.errors import OpTypeError
from tinygrad_edu.testing import laws
from tinygrad_edu.testing.samples import Plan, Sample, differentiable, plans, rows, sample
from tinygrad_edu.testing.strategies import samples

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
    laws.check_values(data.draw(samples(plan, smallest=0)))


@every([plan for plan in PLANS if laws.numpy_functions(plan.row)])
@few
@given(data=st.data())
def test_numpy_functions_called_with_tensors_reach_the_row(plan: Plan, data: st.DataObject) -> None:
    laws.check_numpy_functions(data.draw(samples(plan, smallest=0)))


@every([plan for plan in PLANS if plan.row.kind == "fused"])
@few
@given(data=st.data())
def test_fused_rows_equal_their_composites(plan: Plan, data: st.DataObject) -> None:
    laws.check_fused(data.draw(samples(plan)))


@pytest.mark.hazard(15)
@every(PLANS)
@few
@given(data=st.data(), layout=st.sampled_from(list(laws.LAYOUTS)))
def test_the_layout_in_memory_changes_nothing(plan: Plan, data: st.DataObject, layout: str) -> None:
    laws.check_layout(data.draw(samples(plan)), layout)


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


# ------------------------------------------------------------------------------ complex numbers

COMPLEX = [plan for plan in MOVING if plan.row.accepts_complex]
OFF_AXIS: tuple[Law, ...] = (
    laws.check_order_1,
    laws.check_jvp,
    laws.check_forms,
    laws.check_order_2,
    laws.check_forward_over_reverse,
    laws.check_unchanged,
    laws.check_accumulation,
)
"""The laws that are asked of complex arguments; the first ones also where only some are complex."""


def off_axis(plan: Plan) -> list[Sample]:
    """Return a call with complex arguments, and others in which one alone is complex.

    A call is left out if NumPy itself refuses it or drops an imaginary part, as in
    ``x.astype(float)``, or if a composite row calls one for real numbers only, which then refuses.
    """
    drawn = ((2, 3), (3,), ())[: len(plan.row.arguments)]
    entries = drawn if plan.case is None else plan.case.arrays
    real, found = sample(plan.row, entries, plan.params, 11), []
    for chosen in laws.choices(real):
        one = real.on_complex(chosen)
        try:
            laws.values(one)
        except (TypeError, ComplexWarning):
            continue
        try:
            laws.check_values(one)
            laws.check_numpy_functions(one)
            laws.call(one, one.moving)
        except ComplexWarning:
            continue
        except OpTypeError as error:
            refused = "is for real numbers, and an argument is complex" in str(error)
            if plan.row.kind != "composite" or not refused:
                raise
            continue
        if all(np.isfinite(one.arrays[i]).all() for i in one.moving):
            found.append(one)
    return found


@every(COMPLEX)
def test_the_laws_hold_off_the_real_axis(plan: Plan) -> None:
    for one in off_axis(plan):
        together = all(np.iscomplexobj(one.arrays[i]) for i in one.moving)
        for check in OFF_AXIS if together else OFF_AXIS[:3]:
            check(one)
        if together and plan.row.kind != "composite":
            laws.check_float32(one)


# ------------------------------------------------------------------------------ dtype and shape


@pytest.mark.hazard(10)
@every(PLANS)
@few
@given(data=st.data())
def test_float32_stays_float32(plan: Plan, data: st.DataObject) -> None:
    laws.check_float32(data.draw(samples(plan)))


@pytest.mark.hazard(14)
@every(DRAWN)
@few
@given(data=st.data())
def test_empty_arrays_have_empty_gradients(plan: Plan, data: st.DataObject) -> None:
    drawn = data.draw(samples(plan, smallest=0))
    if differentiable(plan.row):
        laws.check_empty(drawn)


@pytest.mark.hazard(6)
@every([plan for plan in MOVING if plan.case is not None])
def test_backward_adds_into_owned_arrays(plan: Plan) -> None:
    laws.check_accumulation(next(iter_samples(plan)))


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
    laws.check_unrecorded(data.draw(samples(plan)))


@every([plan for plan in PLANS if not differentiable(plan.row)])
@few
@given(data=st.data())
def test_rows_without_a_derivative_give_constants(plan: Plan, data: st.DataObject) -> None:
    laws.check_constant(data.draw(samples(plan)))


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
