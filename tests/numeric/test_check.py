"""The checker, fed with mistakes: each must be refused, and for the right reason.

Wrong rows are declared by the tests that need them and leave the table afterwards. Right rules must
pass, wherever the random directions point.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_edu.ops  # noqa: F401 - fills the table
from tinygrad_edu.core.op import BY_FUNCTION, OPS, Op, elementwise, fused, get_op, op
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import (
    CheckError,
    FreedGraphError,
    GradientTypeError,
    KinkError,
    NumericError,
    VacuousCheckWarning,
)
from tinygrad_edu.nn.module import Module
from tinygrad_edu.numeric import gradcheck, gradgradcheck
from tinygrad_edu.numeric.diagnosis import likely_cause

Array = NDArray[Any]
FACTS = {"formula": "", "latex": "", "pattern": "scale", "signature": "(n)->(n)"}


@pytest.fixture(autouse=True)
def the_table_afterwards_as_before() -> Iterator[None]:
    rows, functions = dict(OPS), dict(BY_FUNCTION)
    yield
    for table, before in ((OPS, rows), (BY_FUNCTION, functions)):
        table.clear()
        table.update(before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def cube(mistake: Any = lambda right: right, **facts: Any) -> Op:
    """A row for x³ whose rule makes a mistake of its right cotangent."""
    return op(
        lambda x: x * x * x,
        lambda g, _y, x: mistake(g * 3.0 * x * x),
        **FACTS,
        **{"name": "cube", **facts},
    )


def refused(f: Any, inputs: Any, outcome: str, check: Any = gradcheck, **options: Any) -> Any:
    """The report of a check that fails, which must be what is raised."""
    reports = []
    for raising in (False, True):  # both from one line, which the text may quote
        with pytest.raises(CheckError) if raising else nullcontext() as raised:
            reports.append(check(f, inputs, raise_on_failure=raising, **options))
    assert str(raised.value) == str(reports[0])
    assert raised.value.report == reports[0]
    assert not reports[0]
    assert reports[0].outcome == outcome, str(reports[0])
    return reports[0]


# ---- what is right passes ------------------------------------------------------------------------

# Smooth functions of three arrays of shape (2, 3), (3,) and ().
SMOOTH = {
    "product": lambda a, b, c: a * b * c,
    "tanh": lambda a, b, c: np.tanh(a * b + c),
    "mean": lambda a, b, c: np.mean(np.tanh(a), axis=0) * b - c,
    "prod": lambda a, b, c: np.prod(a, axis=1) * np.sum(b) * c,
    "two outputs": lambda a, b, c: (a * c, np.sum(np.tanh(b))),
}


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
@pytest.mark.parametrize("name", SMOOTH)
def test_right_rules_pass_over_many_seeds(name: str, check: Any) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        inputs = [rng.normal(size=shape) for shape in ((2, 3), (3,), ())]
        report = check(lambda a, b, c: SMOOTH[name](a, b, c), inputs, rng=rng)
        assert report.ok
        assert report.ratio < 1e-2  # far from the tolerance: a pass is no luck


def test_every_input_is_a_copy_and_nothing_of_the_callers_changes(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3)).astype(np.float32)
    w = Tensor(rng.normal(size=3), requires_grad=True, name="w")
    w.grad = np.ones(3)
    before = x.tobytes(), w.numpy().tobytes(), w.node
    gradcheck(lambda x, w: np.tanh(x) * w, (Tensor(x), w))
    assert (x.tobytes(), w.numpy().tobytes(), w.node) == before
    assert w.grad.tolist() == [1, 1, 1]
    assert w.dtype == np.float64


def test_only_the_tensors_that_require_a_gradient_are_checked(rng: np.random.Generator) -> None:
    data, w = rng.normal(size=3), Tensor(rng.normal(size=3), requires_grad=True)
    report = gradcheck(lambda x, w: x.detach() * w if isinstance(x, Tensor) else x * w, (data, w))
    assert "input 0 (float64) was held fixed" in report.text
    assert report.input == "input 1"


def test_integer_arguments_are_handed_over_as_they_are(rng: np.random.Generator) -> None:
    index = np.array([2, 0, 0])
    report = gradcheck(lambda x, i: x[i], (rng.normal(size=4), index))
    assert "input 1 (int64) was held fixed" in report.text
    assert "astype" in report.text


def test_empty_inputs_and_outputs_pass_without_a_word() -> None:
    assert gradcheck(lambda x: np.sum(x * 2.0, axis=1), np.zeros((0, 3))).ok
    assert gradcheck(lambda x: x[:0], np.ones(3)).ok


def test_a_scalar_passes() -> None:
    assert gradcheck(np.tanh, 0.5).ok
    assert gradcheck(np.tanh, np.array(0.5)).ok


def test_steep_functions_and_edges_of_the_domain_get_a_smaller_step() -> None:
    assert gradcheck(lambda x: np.tanh(300 * x), np.array([1e-3, -2e-3])).ok
    assert gradcheck(np.log, np.array([1e-4, 1.0])).ok


@pytest.mark.parametrize("near", [3e-3, 7e-4, 5e-4, 1e-4])
def test_a_kink_nearby_is_no_kink_here(near: float) -> None:
    assert gradcheck(np.abs, np.array([near, -near, 1.0])).ok


# ---- N1: wrong gradients -------------------------------------------------------------------------


@pytest.mark.acceptance("N1")
def test_a_reversal_whose_rule_does_not_reverse(rng: np.random.Generator) -> None:
    backwards = op(lambda x: x[::-1].copy(), lambda g, _y, _x: g, **FACTS, name="backwards")
    report = refused(backwards, rng.normal(size=5), "wrong gradient")
    assert report.input == "input 0"
    assert report.cause == "the right elements, reversed along axis 0"
    assert abs(report.analytic - report.numeric) == report.error > report.tolerance
    assert "gradient of backwards, input 0" in report.text


ROWS = np.arange(1.0, 4)[:, None]
MISTAKES = {
    "1 % off": (lambda r: r * 1.01, "times 1.01"),
    "1e-5 off": (lambda r: r * 1.00001, "times 1.00001"),
    "twice": (lambda r: r * 2.0, "times 2: a path counted twice"),
    "a sum for a mean": (lambda r: r * 4.0, "times 4: 4 is the length of axis 1"),
    "sign": (lambda r: -r, "sign is flipped"),
    "zero": (lambda r: r * 0.0, "the gradient is zero"),
    "reversed": (lambda r: r[:, ::-1] * 1.0, "reversed along axis 1"),
    "rolled": (lambda r: np.concatenate([r[-1:], r[:-1]]), "rolled by 1 along axis 0"),
    "other order": (lambda r: np.reshape(r.T, (3, 4)), "another order of axes"),
    "summed": (
        lambda r: np.broadcast_to(np.sum(r, axis=0, keepdims=True), (3, 4)),
        "summed along axis 0",
    ),
    "averaged": (
        lambda r: np.broadcast_to(np.mean(r, axis=1, keepdims=True), (3, 4)),
        "averaged along axis 1",
    ),
    "scaled by rows": (lambda r: r * ROWS.astype(r.dtype), "along axis 0 only"),
    "shifted": (lambda r: r + 1.0, "no usual pattern"),
    "one of twelve": (lambda r: r * (np.arange(12).reshape(3, 4) != 7), "only 1 of 12 elements"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_and_named(name: str, rng: np.random.Generator) -> None:
    mistake, cause = MISTAKES[name]
    report = refused(cube(mistake), rng.normal(size=(3, 4)), "wrong gradient")
    assert cause in report.cause
    assert report.cause in report.text


def test_a_transposed_gradient_is_named(rng: np.random.Generator) -> None:
    report = refused(cube(lambda r: r.T), rng.normal(size=(3, 3)), "wrong gradient")
    assert report.cause == "the right elements, transposed"


@pytest.mark.parametrize("seed", range(6))
def test_one_wrong_entry_of_a_thousand_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    place = int(rng.integers(1000))
    wrong = np.where(np.arange(1000) == place, 1.01, 1.0)
    row = cube(lambda r: r * wrong.astype(r.dtype))
    report = gradcheck(row, rng.normal(size=1000), forward=False, raise_on_failure=False)
    assert report.outcome == "wrong gradient"
    assert report.index == (place,)
    assert "only 1 of 1000 elements" in report.cause


def test_one_wrong_entry_of_ten_thousand_is_found(rng: np.random.Generator) -> None:
    wrong = np.where(np.arange(10_000) == 8_765, 0.0, 1.0)
    row = cube(lambda r: r * wrong.astype(r.dtype))
    report = refused(row, rng.uniform(1, 2, 10_000), "wrong gradient", forward=False, directions=1)
    assert report.index == (8_765,)


def test_a_wrong_entry_does_not_hide_behind_large_ones() -> None:
    x = np.array([1e3, -2e3, 1e-4, 1.5e3])
    row = cube(lambda r: r * np.array([1, 1, 1.01, 1], r.dtype))
    assert refused(row, x, "wrong gradient").index == (2,)


def test_a_wrong_input_does_not_hide_behind_another(rng: np.random.Generator) -> None:
    row = cube(lambda r: r * 1.01)
    x, b = rng.normal(size=3), rng.normal(size=3)
    report = refused(lambda x, b: x * 1e6 + row(b) * 1e-2, (x, b), "wrong gradient")
    assert report.input == "input 1"


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-12])
def test_a_zero_gradient_fails_however_small_the_function(scale: float) -> None:
    flat = elementwise(lambda x: x * x * scale, lambda _y, x: x * 0.0, **FACTS, name="flat")
    report = refused(flat, np.array([0.3, -0.7]), "wrong gradient")
    assert "the gradient is zero" in report.cause


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_one_percent_off_fails_at_every_scale(scale: float, rng: np.random.Generator) -> None:
    row = cube(lambda r: r * 0.99)
    refused(lambda x: row(x) * scale, rng.normal(size=4), "wrong gradient")


def test_a_detached_path_is_refused(rng: np.random.Generator) -> None:
    report = refused(lambda x: x * x.detach(), rng.normal(size=4), "wrong gradient")
    assert "times 1/2" in report.cause
    report = refused(lambda x: x.detach() * 2.0, rng.normal(size=4), "wrong gradient")
    assert "detach()" in report.cause


def test_outputs_are_never_weighted_with_ones(rng: np.random.Generator) -> None:
    # The elements of a softmax add up to 1: weighted with ones a rule that returns zeros passes.
    zero = op(
        get_op("softmax").forward, lambda g, _y, _x, **_: g * 0.0, **FACTS, name="softmax_zero"
    )
    refused(lambda x: zero(x), rng.normal(size=(2, 3)), "wrong gradient")


def test_a_second_output_is_checked_too(rng: np.random.Generator) -> None:
    row = cube(lambda r: r * 2.0)
    refused(lambda x: (x * 2.0, row(x)), rng.normal(size=3), "wrong gradient")


def test_nan_in_a_gradient_names_the_rule(rng: np.random.Generator) -> None:
    report = refused(cube(lambda r: r * np.nan), rng.normal(size=3), "not finite")
    assert "cube at test_check.py" in report.text
    one = np.array([1.0, np.nan, 1.0])
    report = refused(
        cube(lambda r: r * one.astype(r.dtype), name="cube2"), rng.normal(size=3), "not finite"
    )
    assert (report.input, report.index) == ("input 0", (1,))


# ---- N2, N5: kinks and ties ----------------------------------------------------------------------


KINKS = {
    "relu at 0": (lambda x: get_op("relu")(x), [1.0, -2.0, 0.0], {(2,)}),
    "abs at 0": (np.abs, [1.0, 0.0, -2.0], {(1,)}),
    "max at a tie": (np.max, [1.0, 3.0, 3.0], {(1,), (2,)}),
    "maximum at a tie": (lambda x: np.maximum(x, 0.5), [0.5, 1.0], {(0,)}),
    "abs close to 0": (np.abs, [1.0, 1e-9], {(1,)}),
}


@pytest.mark.acceptance("N2")
@pytest.mark.parametrize("name", KINKS)
def test_a_kink_is_named_with_its_index(name: str) -> None:
    f, x, places = KINKS[name]
    report = refused(f, np.array(x), "not differentiable here")
    assert report.index in places
    assert report.input == "input 0"
    with pytest.raises(KinkError, match="slopes from the left and from the right differ"):
        gradcheck(f, np.array(x))


def test_a_kink_among_two_thousand_elements_is_found(rng: np.random.Generator) -> None:
    x = rng.normal(size=2000)
    x[1234] = 0
    assert refused(np.abs, x, "not differentiable here", forward=False).index == (1234,)


def test_a_jump_is_named() -> None:
    step = elementwise(np.heaviside, lambda _y, _x, _h: 0 * _y, 0, **FACTS, name="step")
    report = refused(lambda x: step(x, 0.5) + x, np.array([1.0, 0.0]), "not differentiable here")
    assert report.index == (1,)
    assert "jumps" in report.text


def test_the_gradient_of_relu_jumps_at_its_kink() -> None:
    with pytest.raises(KinkError, match="gradient of the gradient"):
        gradgradcheck(lambda x: get_op("relu")(x) * x * 1.0 + get_op("relu")(x), np.array([0.0, 1]))


@pytest.mark.acceptance("N5")
@pytest.mark.parametrize("ties", [2, 3, 7])
def test_a_max_that_gives_every_tie_the_full_gradient(ties: int) -> None:
    full = op(
        lambda x: np.max(x, axis=-1),
        lambda g, y, x: np.expand_dims(g, -1) * (x == np.expand_dims(y, -1)),
        **FACTS,
        name="full",
    )
    report = refused(
        full, np.array([[0.0, *[3.0] * ties], [5.0, *[-1.0] * ties]]), "wrong gradient"
    )
    assert "at ties" in report.cause
    assert report.analytic == pytest.approx(ties * report.numeric)
    with pytest.raises(CheckError) as raised:
        gradcheck(full, np.array([3.0, 3.0]))
    assert not isinstance(raised.value, KinkError)
    assert gradcheck(full, np.array([1.0, 3.0])).ok  # away from ties it is right


def test_a_rule_outside_of_both_slopes_at_a_kink_is_wrong() -> None:
    bad = elementwise(np.fabs, lambda _y, x: np.where(x == 0, 5.0, np.sign(x)), **FACTS, name="bad")
    report = refused(bad, np.array([1.0, 0.0]), "wrong gradient")
    assert "outside of the slopes on its two sides" in report.cause


# ---- N3: vacuous checks --------------------------------------------------------------------------


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    away = x - np.mean(x, axis=0)
    return gamma * away / np.sqrt(np.mean(away * away, axis=0) + 1e-5) + beta


@pytest.mark.acceptance("N3")
def test_batch_norm_with_a_batch_of_one_is_vacuous(rng: np.random.Generator) -> None:
    inputs = (rng.normal(size=(1, 4)), rng.normal(size=4), rng.normal(size=4))
    with pytest.warns(VacuousCheckWarning, match="a batch of one"):
        report = gradcheck(batch_norm, inputs)
    assert report.vacuous == ("input 0", "input 1")  # beta has a gradient
    assert "zero everywhere for input 0, input 1" in report.text


def test_batch_norm_with_a_batch_is_not_vacuous(rng: np.random.Generator) -> None:
    inputs = (rng.normal(size=(5, 4)), rng.normal(size=4), rng.normal(size=4))
    assert gradcheck(batch_norm, inputs).vacuous == ()
    assert gradgradcheck(batch_norm, inputs).ok


def test_a_sum_of_softmax_is_vacuous_though_rounding_is_not_zero(rng: np.random.Generator) -> None:
    with pytest.warns(VacuousCheckWarning):
        gradcheck(lambda x: np.sum(get_op("softmax")(x)), rng.normal(size=5))


def test_a_linear_function_has_no_second_derivative_and_no_warning(
    rng: np.random.Generator,
) -> None:
    assert gradgradcheck(np.sum, rng.normal(size=5)).ok


# ---- N4: the gradient of the gradient ------------------------------------------------------------


def normalize(x: Array) -> Any:
    away = x - x.mean(axis=0)
    return away / np.sqrt((away * away).mean(axis=0) + 1e-5)


def normalize_vjp(g: Any, x: Any, spread: Any) -> Any:
    away = x - np.mean(x, axis=0)
    y = away / spread
    return (g - np.mean(g, axis=0) - y * np.mean(g * y, axis=0)) / spread


def spread_of(x: Any) -> Any:
    return np.sqrt(np.mean((x - np.mean(x, axis=0)) * (x - np.mean(x, axis=0)), axis=0) + 1e-5)


@pytest.mark.acceptance("N4")
def test_a_rule_with_detached_statistics_is_wrong_in_second_order_only(
    rng: np.random.Generator,
) -> None:
    def rule(g: Any, _y: Any, x: Any) -> Any:
        return normalize_vjp(g, x, spread_of(x.detach() if isinstance(x, Tensor) else x))

    x = rng.normal(size=(5, 3))
    row = op(normalize, rule, **FACTS, name="standardized_wrongly")
    assert gradcheck(row, x).ok
    report = refused(row, x, "wrong gradient", gradgradcheck)
    assert "gradient of the gradient of standardized_wrongly, input 0" in report.text
    right = op(
        normalize,
        lambda g, _y, x: normalize_vjp(g, x, spread_of(x)),
        **FACTS,
        name="normalize_right",
    )
    assert gradgradcheck(right, x).ok


@pytest.mark.acceptance("N4")
def test_a_fused_row_with_another_composite_is_wrong_in_second_order_only(
    rng: np.random.Generator,
) -> None:
    def composite(x: Any) -> Any:
        spread = spread_of(x.detach() if isinstance(x, Tensor) else x)
        return (x - np.mean(x, axis=0)) / spread

    def joint(g: Any, _y: Any, _saved: Any, x: Any, *, wanted: Any, into: Any) -> Any:
        del into
        return (normalize_vjp(g, x, spread_of(x)) if wanted[0] else None,)

    x = rng.normal(size=(5, 3))
    row = fused(lambda x: (normalize(x), None), joint, composite, **FACTS, name="fast_norm")
    assert gradcheck(row, x, forward=False).ok
    report = refused(row, x, "recorded otherwise", gradgradcheck)
    assert "composite" in report.text
    # Forward mode goes through the composite too.
    refused(row, x, "wrong tangent in forward mode")


def test_a_wrong_second_derivative_of_an_elementwise_row(rng: np.random.Generator) -> None:
    row = elementwise(
        lambda x: x * x * x,
        lambda _y, x: 3.0 * x * (x.detach() if isinstance(x, Tensor) else x),
        **FACTS,
        name="half_forgotten",
    )
    x = rng.normal(size=4)
    assert gradcheck(row, x).ok
    assert "times 1/2" in refused(row, x, "wrong gradient", gradgradcheck).cause


def test_a_wrong_jvp_is_found(rng: np.random.Generator) -> None:
    row = cube(jvp=lambda tangents, _y, x: tangents[0] * x * x)
    report = refused(row, rng.normal(size=(2, 2)), "wrong tangent in forward mode")
    assert "times 1/3" in report.cause
    assert gradcheck(row, rng.normal(size=4), forward=False).ok


def test_a_rule_that_only_arrays_can_run_is_said_not_to_have_forward_mode() -> None:
    row = op(
        lambda x: x * 2.0,
        lambda g, _y, _x: np.asarray_chkfinite(g) * 2.0,
        **FACTS,
        name="arrays_only",
    )
    assert "forward mode was not compared" in gradcheck(row, np.ones(3)).text


@pytest.mark.parametrize("seed", range(6))
def test_a_gradient_that_is_zero_but_for_rounding_passes(seed: int) -> None:
    # The deviation of two numbers is half their distance: it has slopes, and no second derivative.
    x = np.random.default_rng(seed).normal(size=(2, 3))
    assert gradgradcheck(lambda x: np.std(x, axis=0), x).ok


# ---- N6: randomness ------------------------------------------------------------------------------


@pytest.mark.acceptance("N6")
@pytest.mark.parametrize("shape", [(3,), (6, 8)])
def test_dropout_is_not_deterministic(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    def forward(x: Array) -> Any:
        mask = (rng.random(x.shape) > 0.5) * 2.0
        return x * mask, mask

    row = fused(
        forward,
        lambda g, _y, mask, _x, *, wanted, into: (g * mask,),  # noqa: ARG005 - the form of a joint rule
        lambda x: x,
        **FACTS,
        name="drop",
    )
    report = refused(lambda x: np.tanh(row(np.tanh(x))) * 2.0, np.ones(shape), "not deterministic")
    assert "first op that differs: drop at test_check.py" in report.text


@pytest.mark.acceptance("N6")
def test_a_mask_that_is_drawn_in_f_is_named_by_the_op_it_enters(rng: np.random.Generator) -> None:
    report = refused(
        lambda x: np.sum(np.tanh(x) * rng.random(40)), np.ones(40), "not deterministic"
    )
    assert "multiply at test_check.py" in report.text
    assert "its argument b was drawn anew" in report.text


def test_a_rule_that_draws_numbers_is_named(rng: np.random.Generator) -> None:
    row = cube(lambda r: r * rng.random(r.shape).astype(r.dtype))
    report = refused(row, np.ones(3), "not deterministic")
    assert "cube: its rule gave two different cotangents" in report.text


# ---- N7: arrays written to -----------------------------------------------------------------------


@pytest.mark.acceptance("N7")
def test_a_rule_that_overwrites_its_incoming_gradient(rng: np.random.Generator) -> None:
    def rule(g: Any, _y: Any, x: Any) -> Any:
        g[x <= 0] = 0
        return g

    row = op(lambda x: np.maximum(x, 0), rule, **FACTS, name="book_relu")
    report = refused(lambda x: row(x) + x, rng.normal(size=(2, 3)), "incoming gradient overwritten")
    assert "book_relu: its rule modified its incoming gradient" in report.text


def test_a_rule_that_scatters_into_its_incoming_gradient_is_found_too() -> None:
    def rule(g: Any, _y: Any, _x: Any) -> Any:
        np.add.at(g, (0,), 1.0)  # it ignores the flag of a read-only array
        return g

    row = op(lambda x: x * 1.0, rule, **FACTS, name="adds")
    refused(row, np.ones(3), "incoming gradient overwritten")


def test_a_rule_that_changes_the_forward_pass() -> None:
    def rule(g: Any, _y: Any, x: Any) -> Any:
        x *= 2
        return g * x

    report = refused(
        op(lambda x: x * x, rule, **FACTS, name="x2"), np.ones(3), "value changed in place"
    )
    assert "x2" in report.text


def test_a_forward_pass_that_writes_to_its_input() -> None:
    def forward(x: Array) -> Array:
        x *= 2
        return x * 1.0

    row = op(forward, lambda g, _y, _x: g * 2.0, **FACTS, name="doubles")
    x = np.ones(3)
    report = refused(row, x, "input changed")
    assert "f wrote to input 0" in report.text
    assert "doubles at test_check.py" in report.text
    assert x.tolist() == [1, 1, 1]


# ---- N8: cotangents of the wrong form ------------------------------------------------------------


@pytest.mark.acceptance("N8")
def test_an_unreduced_broadcast_prints_both_shapes_and_dtypes(rng: np.random.Generator) -> None:
    row = op(
        lambda x, b: x * b,
        lambda g, _y, _x, b: g * b,
        lambda g, _y, x, _b: g * x,
        **FACTS,
        name="scale",
    )
    inputs = rng.normal(size=(4, 3)), rng.normal(size=3)
    report = refused(lambda x, b: row(x, b), inputs, "wrong shape of a cotangent")
    assert "(4, 3) float64 as the cotangent of the argument b, which is (3,) float64" in report.text
    assert gradcheck(lambda x, b: x * b, inputs).ok  # the same, declared to broadcast


@pytest.mark.acceptance("N8")
def test_a_transposed_shape_that_does_not_fit_is_refused(rng: np.random.Generator) -> None:
    report = refused(cube(lambda r: r.T), rng.normal(size=(2, 3)), "wrong shape of a cotangent")
    assert "(3, 2) float64" in report.text
    assert "(2, 3) float64" in report.text


@pytest.mark.acceptance("N8")
@pytest.mark.parametrize(
    ("given", "expected", "mistake"),
    [
        ("float64", "float32", lambda r: r * np.ones(3)),  # seen by the run in float32
        ("float32", "float64", lambda r: (r * 1.0).astype(np.float32)),
    ],
)
def test_a_cotangent_of_the_wrong_dtype(given: str, expected: str, mistake: Any) -> None:
    row = cube(mistake)
    report = refused(row, np.array([1.0, 2.0, -1.0]), "wrong dtype of a cotangent")
    assert (
        f"(3,) {given} as the cotangent of the argument x, which is (3,) {expected}" in report.text
    )


def test_a_rule_that_raises_is_named() -> None:
    row = cube(lambda r: r @ np.ones((7, 7)))
    report = refused(row, np.ones(3), "rule raised an exception")
    assert "cube: its rule raised ValueError" in report.text


# ---- N9: precision -------------------------------------------------------------------------------


@pytest.mark.acceptance("N9")
def test_float32_inputs_are_evaluated_in_float64_and_the_report_says_so(
    rng: np.random.Generator,
) -> None:
    x = rng.normal(size=(3, 4)).astype(np.float32)
    seen = set()

    def f(t: Any) -> Any:
        seen.add(t.dtype)
        return np.tanh(t) * t

    report = gradcheck(f, x)
    assert report.ratio < 1e-2  # in float32 the slopes would be off by a percent
    assert "input 0 is float32: checked in a float64 copy" in report.text
    assert np.dtype(np.float64) in seen
    refused(cube(lambda r: r * 1.00001), x, "wrong gradient")


@pytest.mark.acceptance("N9")
def test_a_function_that_computes_in_float32_is_explained() -> None:
    report = refused(lambda x: np.tanh(x.astype(np.float32)), np.ones(3), "precision")
    assert "output 0 is float32" in report.text


@pytest.mark.parametrize("inputs", [3, (np.arange(3),), Tensor([1, 2]), ()])
def test_integers_have_no_derivative_and_the_error_says_how_to_convert(inputs: Any) -> None:
    with pytest.raises(GradientTypeError, match="astype"):
        gradcheck(lambda *x: x[0], inputs)


def test_inputs_that_cannot_be_checked_are_refused() -> None:
    with pytest.raises(NumericError, match=r"nan at \(1,\)"):
        gradcheck(lambda x: x, np.array([1.0, np.nan]))
    with pytest.raises(GradientTypeError, match="not a Tensor"):
        gradcheck(lambda x: x.numpy(), np.ones(2))
    with pytest.raises(GradientTypeError, match="no derivative"):
        gradcheck(lambda x: x > 0, np.ones(2))


@pytest.mark.parametrize("options", [{"rtol": 0}, {"rtol": 2}, {"atol": -1}, {"directions": 0}])
def test_options_are_validated(options: dict[str, float]) -> None:
    with pytest.raises(NumericError):
        gradcheck(np.tanh, 1.0, **options)  # type: ignore[arg-type]


def test_a_function_that_is_not_finite_names_the_element() -> None:
    report = refused(np.log, np.array([1.0, 0.0]), "not finite")
    assert "output 0 is -inf at (1,)" in report.text


# ---- modules -------------------------------------------------------------------------------------


class Affine(Module):
    def __init__(self, rng: np.random.Generator, row: Any = np.tanh) -> None:
        self.weight = Parameter(rng.normal(size=(3, 2)).astype(np.float32))
        self.bias = Parameter(rng.normal(size=2).astype(np.float32))
        self.row = row

    def forward(self, x: Any) -> Any:
        return self.row(np.matmul(x, self.weight)) + self.bias


class Plain:
    """No Module, but callable and with parameters."""

    def __init__(self) -> None:
        self.scale = Parameter([0.5, 1.5])

    def parameters(self) -> list[Parameter]:
        return [self.scale, self.scale]

    def __call__(self, x: Any) -> Any:
        return np.tanh(x * self.scale)


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_a_module_is_checked_with_its_parameters(check: Any, rng: np.random.Generator) -> None:
    net = Affine(rng)
    net.weight.grad = np.ones((3, 2))
    arrays = [p.numpy().tobytes() for p in net.parameters()]
    nodes = [p.node for p in net.parameters()]
    report = check(net, rng.normal(size=(4, 3)).astype(np.float32))
    assert report.ok
    assert "parameter 'weight' is float32: checked in a float64 copy" in report.text
    assert [p.numpy().tobytes() for p in net.parameters()] == arrays
    assert [p.node for p in net.parameters()] == nodes
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
    assert net.weight.grad.tolist() == np.ones((3, 2)).tolist()


def test_a_wrong_parameter_is_named_and_the_module_restored(rng: np.random.Generator) -> None:
    wrong = op(
        lambda x, b: x + b,
        lambda g, _y, _x, _b: g,
        lambda g, _y, _x, _b: np.sum(g, axis=0) * 2.0,
        **FACTS,
        name="wrong_add",
    )
    net = Affine(rng)
    net.forward = lambda x: wrong(np.matmul(x, net.weight), net.bias)  # type: ignore[method-assign]
    nodes = [p.node for p in net.parameters()]
    report = refused(net, rng.normal(size=(4, 3)), "wrong gradient")
    assert report.input == "parameter 'bias'"
    assert "gradient of Affine, parameter 'bias'" in report.text
    assert [p.node for p in net.parameters()] == nodes
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}


def test_a_module_is_restored_after_its_own_exception(rng: np.random.Generator) -> None:
    def fail(_x: Any) -> Any:
        raise KeyError("mine")

    net = Affine(rng, fail)
    nodes = [p.node for p in net.parameters()]
    with pytest.raises(KeyError, match="mine"):
        gradcheck(net, np.ones((2, 3)))
    assert [p.node for p in net.parameters()] == nodes
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}


def test_running_statistics_and_generators_are_put_back(rng: np.random.Generator) -> None:
    class Noted(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.calls, self.rng = np.zeros(1), np.random.default_rng(1)

        def state(self) -> dict[str, Array]:
            return {"calls": self.calls}

        def named_generators(self) -> list[tuple[str, np.random.Generator]]:
            return [("rng", self.rng)]

        def __call__(self, x: Any) -> Any:
            self.calls += 1
            self.rng.random()
            return super().__call__(x)

    net = Noted()
    before = net.rng.bit_generator.state
    assert gradcheck(net, rng.normal(size=2)).ok
    assert net.calls.tolist() == [0]
    assert net.rng.bit_generator.state == before


def test_anything_callable_with_parameters_is_a_module(rng: np.random.Generator) -> None:
    report = gradcheck(Plain(), rng.normal(size=(3, 2)))
    assert report.text.startswith("gradient of Plain: passed")
    row = cube(lambda r: r * 2.0)

    class Wrong(Plain):
        def __call__(self, x: Any) -> Any:
            return x + row(self.scale)

    assert refused(Wrong(), rng.normal(size=2), "wrong gradient").input == "parameter '0'"


def test_a_frozen_parameter_is_not_checked(rng: np.random.Generator) -> None:
    row, net = cube(lambda r: r * 2.0), Affine(rng)
    net.weight = row(net.weight).detach()
    assert gradcheck(net, rng.normal(size=(2, 3))).ok


# ---- N10, N11: the engine ------------------------------------------------------------------------


@pytest.mark.acceptance("N10")
def test_backward_twice_on_a_shared_node_is_refused_or_doubles() -> None:
    # x³ with x² as a shared node: micrograd adds the second time on top of stale inner gradients.
    x = Tensor(2.0, requires_grad=True)
    square = x * x
    y = square * x
    y.backward(retain_graph=True)
    assert x.grad == 12
    y.backward()
    assert x.grad == 24
    with pytest.raises(FreedGraphError, match="retain_graph=True"):
        y.backward()
    with pytest.raises(FreedGraphError):  # the shared part is gone for other losses too
        (square * 3.0).backward()
    assert x.grad == 24


PRODUCTS = [np.prod, *([np.cumprod] if np.cumprod in BY_FUNCTION else [])]


@pytest.mark.acceptance("N11")
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_products_with_zeros(product: Any, zeros: int) -> None:
    x = np.array([2.0, -1.5, 0.5, 3.0])
    x[:zeros] = 0
    for check in (gradcheck, gradgradcheck):
        if product is np.prod and zeros > 1 and check is gradcheck:
            with pytest.warns(VacuousCheckWarning):
                check(product, x)
        else:
            assert check(product, x).ok


@pytest.mark.acceptance("N11")
def test_the_gradient_of_a_product_with_one_zero_is_the_product_of_the_others() -> None:
    x = Tensor([2.0, 0.0, 3.0], requires_grad=True)
    np.prod(x).backward()
    assert x.grad.tolist() == [0, 6, 0]


# ---- the diagnosis alone -------------------------------------------------------------------------


def test_the_plainest_mistake_that_fits_is_named() -> None:
    right = np.array([1.0, 2.0])
    every = np.ones(2, bool)
    assert "sign" in likely_cause(-right, right, every)
    assert "zero" in likely_cause(0 * right, right, every)
    assert "times 3" in likely_cause(3 * right, right, every)
    assert "those are zero" in likely_cause(np.array([1.0, 0]), right, np.array([False, True]))
    assert "no usual pattern" in likely_cause(right, 0 * right, every)
    assert "no usual pattern" in likely_cause(np.array([2.0, -1.0]), right, every)
    assert "times 1e-06" in likely_cause(1e-6 * right, right, every)


# ------------------------------------------------------------------------------ complex numbers

Z = np.array([1 + 2j, -0.5 + 0.25j])


@pytest.mark.parametrize(
    "f",
    [
        lambda z: np.sum(np.abs(np.exp(z) * z.conj())),
        lambda z: np.fft.fft(z * z),
        lambda z: (z.real * z, np.angle(z)),
        lambda z: np.fft.irfft(np.fft.rfft(z.imag * z.real) * z, 2),
    ],
)
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_inputs_and_outputs_are_checked_part_by_part(f: Any, dtype: Any) -> None:
    report = gradcheck(f, Z.astype(dtype))
    assert report.ok
    assert report.input.startswith("input 0, ")
    assert gradgradcheck(f, Z.astype(dtype)).ok


def test_a_complex_input_may_be_held_fixed_beside_a_real_one() -> None:
    report = gradcheck(lambda x, z: x * z, (Tensor([1.0, 2.0], requires_grad=True), Z))
    assert report.ok
    assert any("input 1 (complex128) was held fixed" in note for note in report.notes)


def test_a_real_input_may_have_complex_outputs() -> None:
    assert gradcheck(lambda x: np.fft.rfft(x) * (1 + 2j), np.array([1.0, -2.0, 0.5])).ok


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.VacuousCheckWarning")
def test_a_rule_with_a_conjugate_too_many_is_found() -> None:
    bad = op(
        np.square, lambda g, _y, x: g * np.conj(2 * x), name="bad", accepts_complex=True, **FACTS,
    )  # fmt: skip
    with pytest.raises(CheckError, match=r"imaginary part|real part"):
        gradcheck(bad, Z)
    assert gradcheck(bad, Z.real).ok  # nobody can tell by real numbers
