"""Whether a gradient is the slope of a small change: one judgement, on tables of cases."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu import Function, Tensor, nn, no_grad, softmax_cross_entropy
from tinygrad_edu.core.op import OPS
from tinygrad_edu.explain import delta, explain
from tinygrad_edu.explain.slopes import look


def leaf(value):
    return Tensor(value, requires_grad=True, name="x")


def both(call, value, at=None):
    """Return the check of `explain` with its line, and the finding of `delta` with its sentence."""
    x = leaf(value)
    y = call(x)
    told, pushed = explain(y, x, at=at), delta(y, x, at=at)
    line = told.text.partition("\nCheck")[2].strip()
    return told.check, line, pushed.finding, pushed.text.splitlines()[-1]


AGREES = ("falls", "falls and rises", "straight", "close")


def off_by(share):
    """Return a square whose rule is off by a share."""

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * x.dtype.type(2 * (1 + share))

    return Square.apply


class Limited(Function):
    """A square whose backward pass limits what it hands on."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return np.clip(g * 2 * x, -1, 1)


# ------------------------------------------------------------------------------ right rules

RIGHT = {
    "a cube": (lambda x: x**3, 0.0),
    "three factors": (lambda x: x * x * x, 0.0),
    "a square of relu": (lambda x: x.relu() ** 2, 0.0),
    "relu times x": (lambda x: x.relu() * x, 0.0),
    "|x| x": (lambda x: np.abs(x) * x, 0.0),
    "5 + |x| x": (lambda x: 5.0 + np.abs(x) * x, 0.0),
    "sin x - x": (lambda x: np.sin(x) - x, 0.0),
    "a cube of tanh": (lambda x: np.tanh(x) ** 3, 0.0),
    "a monkey's saddle": (lambda w: w[0] ** 3 - 3 * w[0] * w[1] ** 2, [0.0, 0.0]),
    "near a pole": (lambda w: 1 / w**2, 1e-4),
    "nearer to a pole": (lambda w: 1 / w, 1e-12),
    "near a pole of tan": (np.tan, 1.5707),
    "steep": (lambda x: np.tanh(1e5 * x), 0.0),
    "a logarithm": (np.log, 1e-5),
    "a logarithm near 0": (np.log, 1e-9),
    "a root": (np.sqrt, 2e-6),
    "a root near 0": (np.sqrt, 1e-8),
    "it swings": (lambda x: np.sin(1 / x), 1e-3),
    "a kink near by, on the left": (lambda w: (w - 0.5).relu(), 0.50000005),
    "a kink near by, on the right": (lambda w: (w - 0.5).relu(), 0.49999995),
    "a kink behind a zero": (lambda x: np.log(1 + x.relu() ** 2) + 5.0, -2e-4),
    "through large numbers": (lambda x: (x * 3.0 + 1e8) - 1e8, 2.0),
    "singular": (lambda x: np.linalg.det(x * np.ones((3, 3))), 1.0),
    "flat": (lambda x: x * 0.0 + 5.0, 2.0),
    "single precision": (lambda x: np.sin(1000 * x), np.float32(0.3)),
    "single precision, large": (lambda x: np.exp(x) * 1e3, np.float32(9.3)),
    "from one side": (lambda x: x**1.5, 0.0),
    "at an end, from the left": (lambda x: (1 - x) ** 1.5, 1.0),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_rule_is_never_accused(name):
    check, line, finding, sentence = both(*RIGHT[name])
    assert check.verdict == "agrees", line
    assert finding.verdict in AGREES, sentence
    assert not any(word in line + sentence for word in ("DISAGREES", "wrong", "kink"))


def test_what_falls_with_the_step_is_said_to():
    check, line, _, sentence = both(lambda x: x.relu() ** 2, 0.0)
    assert "= +5e−7 for Δ = 1e−6: agrees with 0: the rest falls with Δ" in line
    assert check.falls
    assert "A smaller Δ comes closer to it" in sentence


def test_a_smaller_step_is_taken_where_the_function_needs_it():
    check, line, _, _ = both(np.log, 1e-9)
    assert check.delta < 1e-10
    assert check.slope == pytest.approx(1e9, rel=1e-6)
    assert "agrees with +1e9 in " in line
    near = explain((leaf(0.49999995) - 0.5).relu()).inputs[0].check
    assert near.verdict == "agrees"


def test_one_side_is_enough():
    check, line, finding, sentence = both(lambda x: x**1.5, 0.0)
    assert line.startswith("(power1(x + Δ) − power1(x)) / Δ = +")
    assert "on the right only: on the left there is no number" in line
    assert (check.side, finding.side) == ("right", "right")
    assert "All this is of the right side" in sentence
    left, line, _, _ = both(lambda x: (1 - x) ** 1.5, 1.0)
    assert left.side == "left"
    assert line.startswith("(power1(x) − power1(x − Δ)) / Δ = ")


def test_what_single_precision_has_lost_is_told_from_a_wrong_rule():
    check, line, finding, sentence = both(lambda x: np.sin(1000 * x), np.float32(0.3))
    assert check.exact == pytest.approx(1000 * math.cos(1000 * float(np.float32(0.3))), rel=1e-6)
    assert abs(check.gradient - check.exact) > 1e-3
    assert "what the rules give in double precision" in line
    assert finding.exact == check.exact
    assert "The graph is float32: the errors are those of what the same rules give" in sentence


def test_a_kink_near_by_is_not_taken_for_one_at_the_point():
    check, line, finding, sentence = both(lambda x: (x.relu() ** 2).sum() + 0.3, [1e-7])
    assert (check.verdict, finding.verdict) == ("not compared", "not compared"), line
    assert "here is a kink" not in line + sentence
    assert "a kink near by is nearer than the smallest Δ that rounding allows" in line


def test_what_no_step_resolves_is_not_compared():
    check, line, finding, _ = both(lambda x: np.sin(np.exp(0.3 * (x + 100.0))), np.float32(0.0))
    assert (check.verdict, finding.verdict) == ("not compared", "not compared"), line
    assert "the slopes of different Δ do not agree with each other" in line


class Single(Function):
    """A square that is written for one precision."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        if x.dtype != np.float32:
            raise ValueError("expected float32")
        return g * 2 * x


def test_a_rule_that_has_one_precision_only_is_compared_in_it():
    check, line, finding, sentence = both(lambda x: np.sin(Single.apply(x)), np.float32(0.7))
    assert check.verdict == "agrees", line
    assert finding.exact is None
    assert "float32, which is how exactly the derivative is known." in sentence


def test_what_the_graph_did_not_keep_is_compared_in_its_own_precision():
    x = leaf(np.float32([0.5, 0.25]))
    y = np.tanh((x + np.float32([1.0, 2.0])) * np.float32(2)).sum()
    assert explain(y, x).check.verdict in ("agrees", "not compared")
    straight = (x + np.float32([1.0, 2.0])).sum()
    assert explain(straight, x).check.verdict == "agrees"
    assert delta(straight, x).finding.verdict in AGREES


def test_a_check_leaves_nothing_behind():
    x = leaf(np.float32([0.5, 0.0]))
    y = np.sin(1000 * x).sum()
    with no_grad():
        assert explain(y, x).check.verdict == "agrees"
    assert x.grad is None
    y.backward()
    assert x.grad.dtype == np.float32


# ------------------------------------------------------------------------------ wrong rules

WRONG = {
    "a share of 1e-4": (off_by(1e-4), 3.0),
    "a share of 1e-5": (off_by(1e-5), 3.0),
    "single precision": (off_by(1e-3), np.float32(3.0)),
    "single precision, less": (off_by(1e-4), np.float32(3.0)),
    "a limit": (Limited.apply, 3.0),
    "behind a kink that is not met": (lambda x: off_by(1e-3)(x.relu()), 0.5),
    "behind a kink of another element": (
        lambda x: off_by(1e-2)(x).sum() + (x - 1.0).relu().sum(),
        [0.3, 1.0],
    ),
    "of a row at a kink": (
        lambda x: replace(OPS["absolute"], rules=(lambda g, _y, _x: g * 3,), jvp=None)(x),
        0.0,
    ),
    "before a row at a kink": (lambda x: off_by(0.5)(x) + (x - 3.0).relu(), 3.0),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_found_and_named(name):
    check, line, finding, sentence = both(*WRONG[name], at=0 if "element" in name else None)
    assert check.verdict == "DISAGREES", line
    assert check.guilty in (("Square",), ("Limited",), ("absolute",))
    assert f"a rule on the way is wrong: that of {check.guilty[0]}" in line
    assert finding.verdict == "wrong" or "so a rule on the way is wrong" in sentence
    assert "A smaller Δ comes closer" not in sentence


def test_the_derivative_is_that_of_the_backward_sweep():
    for call, given_back in ((Limited.apply, 1.0), (lambda x: OPS["clip_gradient"](x * x, 0.5), 3)):
        x = leaf(3.0)
        y = call(x)
        pushed = delta(y, x, 0.01)
        assert pushed.derivative == explain(y, x).check.gradient == given_back
        assert pushed.changes[-1].linear == pytest.approx(0.01 * given_back)
        assert pushed.finding.slope == pytest.approx(6.0)


def test_a_gradient_that_is_limited_by_design_is_no_wrong_rule():
    check, _, finding, _ = both(lambda x: OPS["clip_gradient"](x * x, 0.5), 3.0)
    assert (check.verdict, finding.verdict) == ("by design", "by design")


def test_the_derivative_of_a_complex_number_is_along_the_real_axis():
    z = leaf(1 + 2j)
    found = delta(np.abs(z * z), z)
    assert found.derivative == pytest.approx(2.0)
    assert "∂absolute1/∂x along the real axis is 2." in found.text
    square = delta(z * z, z)
    assert square.derivative == pytest.approx(2 + 4j)
    assert square.finding.verdict in AGREES


# ------------------------------------------------------------------------------ no derivative

NONE = {
    "sign": (np.sign, 0.0, "jump"),
    "heaviside": (lambda x: np.heaviside(x, 0.5), 0.0, "jump"),
    "round": (np.round, 0.5, "jump"),
    "floor": (np.floor, 2.0, "jump"),
    "arctan2": (lambda x: np.arctan2(x, 2 * x), 0.0, "jump"),
    "both ways": (lambda x: np.abs(np.sign(x)), 0.0, "jump"),
    "with a slope": (lambda x: np.sign(x) * 1e-3 + 7 * x, 0.0, "jump"),
    "cbrt": (np.cbrt, 0.0, "vertical"),
    "sqrt": (np.sqrt, 0.0, "vertical"),
    "sqrt of |x|": (lambda x: np.sqrt(np.abs(x)), 0.0, "vertical"),
    "arccos": (np.arccos, 1.0, "vertical"),
    "abs": (np.abs, 0.0, "kink"),
    "two relus": (lambda x: 2 * x.relu() - (-x).relu(), 0.0, "kink"),
    "relu of relu": (lambda x: x.relu().relu(), 0.0, "kink"),
    "far along": (lambda x: np.tanh(np.sin(x).relu() * 3 + 2), 0.0, "kink"),
    "kinks that cancel": (lambda x: x.relu() - (-x).relu(), 0.0, "policy"),
    "cancelling abs": (lambda x: np.abs(x) - 2 * x.relu(), 0.0, "policy"),
}


@pytest.mark.parametrize("name", NONE)
def test_where_there_is_no_derivative_no_rule_is_accused(name):
    call, at, kind = NONE[name]
    check, line, finding, sentence = both(call, at)
    assert (check.verdict, finding.verdict) == (kind, kind), line
    said = {
        "jump": "the function jumps",
        "vertical": "the tangent is vertical",
        "kink": "here is a kink",
        "policy": "no rule is wrong",
    }[kind]
    assert said in line
    assert said in sentence
    assert "DISAGREES" not in line
    assert "rule on the way is wrong" not in sentence
    assert "straight" not in sentence


def test_the_rows_that_choose_at_a_kink_are_named():
    check, line, _, sentence = both(lambda x: x.relu() - (-x).relu(), 0.0)
    assert check.rows == ("relu",)
    assert check.slope == pytest.approx(1.0)
    assert "differs from 0, and no rule is wrong: relu on the way stands at a point" in line
    assert "Where relu has no derivative: 0 at 0." in line
    assert "the quotients come to 1, and no rule is wrong: relu" in sentence


# ------------------------------------------------------------------------------ conditions

HELD = {
    "where": lambda x: np.where(x > 0, x, 0.0),
    "where of two": lambda x: np.where(x < 0, -x, x),
    "a jump": lambda x: np.where(x > 0, x + 1, x),
    "a mask": lambda x: x * (x > 0),
    "a mask of whole numbers": lambda x: x * (x.numpy() > 0).astype(int),
    "an index": lambda x: x.reshape(1)[np.array([True])].sum(),
}


@pytest.mark.parametrize("name", HELD)
def test_conditions_that_are_held_are_mentioned(name):
    check, line, finding, sentence = both(HELD[name], 0.0)
    assert check.held
    assert finding.held
    assert line.endswith("with the conditions held as they were")
    assert "with the conditions held as they were" in sentence


def test_where_there_is_none_no_condition_is_mentioned():
    rng = np.random.default_rng(0)
    model = nn.Linear(3, 4, rng=rng)
    inputs = rng.normal(size=(5, 3)).astype(np.float32)
    loss = softmax_cross_entropy(model(inputs), rng.integers(0, 4, 5))
    weight = model.weight
    assert "conditions" not in explain(loss, weight).text + delta(loss, weight).text
    x = leaf([1.0, 2.0])
    assert "conditions" not in explain((x[np.array([0, 1, 1])] * 2.0).sum(), x).text


# ------------------------------------------------------------------------------ nets


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_units_that_stand_at_their_kink_accuse_no_rule(dtype):
    rng = np.random.default_rng(0)
    w, b = leaf(rng.normal(size=(4, 6)).astype(dtype)), leaf(np.zeros(6, dtype))
    inputs = rng.normal(size=(5, 4)).astype(dtype)
    inputs[2] = 0  # on this example every unit gives just its bias
    y = (np.tanh((inputs @ w + b).relu()) * rng.normal(size=6).astype(dtype)).sum()
    for place in range(6):
        assert explain(y, b, at=place).check.verdict == "kink"
        assert delta(y, b, at=place).finding.verdict == "kink"
    assert explain(y, w).check.verdict == "agrees"
    assert delta(y, w).finding.verdict in AGREES


SMOOTH = (
    np.sin, np.tanh, np.square, lambda x: np.exp(x * 0.3), lambda x: np.log(x * x + 1),
    lambda x: x**3, lambda x: x / (1 + x * x), lambda x: x * 1e-3, lambda x: x + 10.0,
    lambda x: x.relu() * x, lambda x: x.relu(), np.abs,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(0, len(SMOOTH) - 1), min_size=1, max_size=4),
    at=st.sampled_from([0.0, 1e-7, 1e-3, -0.02, 0.7, -1.3, 4.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_explain_and_delta_never_contradict_each_other_or_accuse(steps, at, dtype):
    def call(x):
        for k in steps:
            x = SMOOTH[k](x)
        return x

    check, line, finding, sentence = both(call, dtype(at))
    assert check.verdict != "DISAGREES", line
    assert finding.verdict != "wrong", sentence
    assert (check.verdict == "agrees") == (finding.verdict in AGREES), line + "\n" + sentence


# ------------------------------------------------------------------------------ numbers alone


@pytest.mark.parametrize(
    ("function", "at", "kind", "slope"),
    [
        (lambda h: math.sin(1 + h), 1.0, "smooth", math.cos(1)),
        (lambda h: abs(h) * h, 0.0, "smooth", 0.0),
        (lambda h: abs(h), 0.0, "kink", None),
        (lambda h: abs(h) ** 0.2, 0.0, "vertical", None),
        (lambda h: 1e-3 * (h > 0), 0.0, "jump", None),
        (lambda h: math.sqrt(h) ** 3 if h >= 0 else math.nan, 0.0, "smooth", 0.0),
        (lambda _: math.nan, 0.0, "nowhere", None),
        (lambda h: 1.0 if h == 0 else math.nan, 0.0, "nowhere", None),
    ],
)
def test_a_function_is_looked_at(function, at, kind, slope):
    found = look(function, at, 1e-15 * abs(function(0.0)), 0.0)
    assert found.kind == kind
    if slope is not None:
        assert abs(found.slope.value - slope) <= 10 * found.slope.unsure + 1e-12


def test_slopes_on_the_sides_of_a_kink_are_extrapolated():
    found = look(lambda h: abs(math.expm1(h)), 0.0, 1e-16, 0.0)
    assert found.kind == "kink"
    assert (found.left.value, found.right.value) == pytest.approx((-1, 1), rel=1e-8)


def test_what_wide_steps_say_is_no_evidence_against_a_slope():
    # A kink 1e-8 away: only steps below that are of this point.
    found = look(lambda h: max(h - 1e-8, 0.0), 0.0, 1e-18, 0.0)
    assert found.kind == "smooth"
    assert abs(found.slope.value) < 1e-6
    assert found.slope.against(1e-9) is not True
    assert found.slope.against(0.5) is True
