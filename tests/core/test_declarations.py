"""What the declarations make of a function and its rules: every fact of the row, spelt out."""

import functools

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core.op import (
    BY_FUNCTION,
    REQUIRED,
    Like,
    case,
    composite,
    elementwise,
    fused,
    linear,
    op,
    unlisted,
)
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import grad, jvp
from tinygrad_edu.errors import OpError, OpTypeError, UnsupportedError

FACTS = {"formula": "f", "latex": "f", "pattern": "scale"}
UFUNC = ("out", "where", "casting", "order", "dtype", "subok")


def facts_of(row, *names):
    return tuple(getattr(row, name) for name in names)


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


# ------------------------------------------------------------------------------ kinds of rows


def test_an_elementwise_row_of_one_argument(table):
    row = elementwise(lambda x: x * x, lambda _y, x: 2 * x, name="own_square", **FACTS)
    assert facts_of(row, "kind", "arguments", "order", "signature") == (
        "elementwise",
        ("x",),
        ("x",),
        "()->()",
    )
    assert facts_of(row, "reads", "reads_result", "differentiable") == ((True,), False, True)
    assert facts_of(row, "broadcasts", "variadic", "starred", "optional") == (
        False,
        False,
        False,
        (),
    )
    assert facts_of(row, "params", "joint", "composite", "group") == (
        {},
        None,
        None,
        "test_declarations",
    )
    assert row.doc == "own_square"
    assert row.accepts_complex is False  # nothing says that the lambda is holomorphic
    assert table["own_square"] is row


def test_an_elementwise_row_of_a_ufunc_stands_for_it_and_takes_its_names(table):
    row = elementwise(np.hypot, lambda y, a, _b: a / y, lambda y, _a, b: b / y, name="own", **FACTS)
    assert BY_FUNCTION[np.hypot] is row
    assert row.order == ("a", "b", *UFUNC)
    assert facts_of(row, "reads", "reads_result", "broadcasts", "signature") == (
        (True, True),
        True,
        True,
        "(),()->()",
    )
    with pytest.raises(UnsupportedError, match="the keyword dtype= cannot be honoured"):
        row(leaf(1.0), 2.0, dtype=np.float32)
    assert "own" in table


def test_a_python_function_stands_only_for_the_numpy_functions_that_are_named(table):
    before = dict(BY_FUNCTION)
    other = object()
    row = elementwise(lambda x: x, 1, name="own", functions=(other,), **FACTS)
    assert {f: r for f, r in BY_FUNCTION.items() if f not in before} == {other: row}
    assert row.order == ("x",)
    assert "own" in table


@pytest.mark.parametrize(
    ("function", "facts", "answer"),
    [
        (np.sinh, {}, True),
        (np.hypot, {}, False),
        (np.float_power, {}, True),
        (np.sinh, {"kinks": {"x": (0.0,)}}, False),
        (np.sinh, {"accepts_complex": False}, False),
        (lambda x: x, {"accepts_complex": True}, True),
    ],
)
def test_a_smooth_row_that_numpy_computes_for_complex_numbers_accepts_them(
    table, function, facts, answer
):
    factors = (1, 1) if getattr(function, "nin", 1) == 2 else (1,)
    row = elementwise(function, *factors, name="own", **FACTS, **facts)
    assert row.accepts_complex is answer
    assert "own" in table


def test_constant_factors_name_the_arguments_by_their_number(table):
    assert elementwise(lambda x: x, 1, name="one", **FACTS).arguments == ("x",)
    assert elementwise(lambda a, b: a + b, 1, 1, name="two", **FACTS).arguments == ("a", "b")
    row = elementwise(lambda a, b, c: a + b - c, 1, 1, -1, name="three", **FACTS)
    assert facts_of(row, "arguments", "reads", "reads_result", "signature") == (
        ("a", "b", "c"),
        (False, False, False),
        False,
        "(),(),()->()",
    )
    u, v, w = leaf(1.0), leaf([2.0, 3.0]), leaf(4.0)
    row(u, v, w).sum().backward()
    assert [t.grad.tolist() for t in (u, v, w)] == [2.0, [1.0, 1.0], -2.0]
    assert "three" in table


def test_factors_of_one_two_and_three_arguments_scale_the_cotangent(table):
    one = elementwise(lambda x: x**3, lambda _y, x: 3 * x * x, name="one", **FACTS)
    two = elementwise(
        lambda a, b: a * b, lambda _y, _a, b: b, lambda _y, a, _b: a, name="two", **FACTS
    )
    three = elementwise(
        lambda a, b, c: a * b * c,
        lambda _y, _a, b, c: b * c,
        lambda _y, a, _b, c: a * c,
        lambda _y, a, b, _c: a * b,
        name="three",
        **FACTS,
    )
    scaled = elementwise(
        lambda x, *, by=2.0: x * by, lambda _y, _x, *, by: by, name="scaled", **FACTS
    )
    minus = elementwise(lambda x: -3.0 * x, -3.0, name="minus", **FACTS)
    assert grad(lambda x: 5.0 * one(x))(2.0).item() == 60.0
    for argument, expected in ((0, 35.0), (1, 10.0)):
        assert grad(lambda a, b: 5.0 * two(a, b), argnums=argument)(2.0, 7.0).item() == expected
    for argument, expected in ((0, 105.0), (1, 30.0), (2, 70.0)):
        found = grad(lambda a, b, c: 5.0 * three(a, b, c), argnums=argument)(2.0, 7.0, 3.0)
        assert found.item() == expected
    assert grad(lambda x: 5.0 * scaled(x, by=7.0))(1.0).item() == 35.0
    assert grad(lambda x: 5.0 * scaled(x))(1.0).item() == 10.0
    assert grad(lambda x: 5.0 * minus(x))(1.0).item() == -15.0
    assert facts_of(scaled, "params", "order") == ({"by": 2.0}, ("x", "by"))
    assert "three" in table


def test_the_jvp_of_an_elementwise_row_has_the_shape_of_the_result(table):
    row = elementwise(
        lambda a, b: a * b, lambda _y, _a, b: b, lambda _y, a, _b: a, name="own", **FACTS
    )
    a, b = np.array(2.0), np.array([3.0, 4.0])
    _, moved = jvp(row, (a, b), (np.array(1.0), np.array([10.0, 20.0])))
    assert moved.numpy().tolist() == [3.0 + 20.0, 4.0 + 40.0]
    shifted = elementwise(lambda a, b: a + b, 1, 1, name="shifted", **FACTS)
    _, moved = jvp(lambda a: shifted(a, b), (a,), (np.array(1.0),))
    assert moved.numpy().tolist() == [1.0, 1.0]
    assert "own" in table


@pytest.mark.parametrize("slope", [np.inf, np.nan])
def test_a_singular_row_has_no_gradient_where_none_comes_in(table, slope):
    values = {0.0: slope, 1.0: 5.0}

    def factor(_y, x):
        return np.vectorize(values.__getitem__, otypes=[float])(x) if np.ndim(x) else values[x]

    row = elementwise(lambda x: x, factor, name="own", singular=True, **FACTS)
    given = np.array([0.0, 1.0])
    for g, expected in (([0.0, 0.0], [0.0, 0.0]), ([0.0, 2.0], [0.0, 10.0])):
        found = row.rules[0](np.array(g), given, given)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(row.rules[0](np.array([2.0, 2.0]), given, given), [slope, 10.0])
    assert row.rules[0](2.0, 1.0, 1.0) == 10.0
    assert row.rules[0](0.0, 0.0, 0.0) == 0.0
    constant = elementwise(lambda x: 3.0 * x, 3.0, name="constant", singular=True, **FACTS)
    assert constant.rules[0](2.0, 1.0, 1.0) == 6.0
    assert "own" in table


def test_a_linear_row(table):
    row = linear(
        lambda x, _index, *, times: x * times,
        lambda g, _y, _x, _index, *, times: g * times,
        None,
        name="own",
        signature="(n),(n)->(n)",
        **FACTS,
    )
    assert facts_of(row, "kind", "arguments", "order") == (
        "linear",
        ("x", "index"),
        ("x", "index", "times"),
    )
    assert row.params == {"times": REQUIRED}
    assert row.reads == (False, True)  # the index is needed again, by the jvp
    assert facts_of(row, "reads_result", "accepts_complex", "broadcasts") == (False, True, False)
    with pytest.raises(OpTypeError, match="the argument 'times' is missing"):
        row(leaf([1.0]), 0)
    assert "own" in table


def test_a_general_row_and_one_without_a_derivative(table):
    row = op(
        lambda a, b: a * b,
        lambda g, y, _a, b: g * y * b,
        None,
        name="own",
        signature="(),()->()",
        optional=("b",),
        cases=(case((2,), (2,)),),
        **FACTS,
    )
    assert facts_of(row, "kind", "reads", "reads_result", "differentiable") == (
        "op",
        (False, True),
        True,
        True,
    )
    assert facts_of(row, "optional", "accepts_complex", "jvp") == (("b",), False, None)
    flat = op(np.signbit, None, name="flat", arguments=("x",), signature="()->()", **FACTS)
    assert facts_of(flat, "differentiable", "reads", "reads_result") == (False, (False,), False)
    assert "own" in table


def test_a_variadic_row_with_a_joint_rule(table):
    row = op(
        lambda *arrays: sum(arrays),
        joint=lambda g, _y, _saved, *_arrays, wanted, **_rest: [g if w else None for w in wanted],
        name="own",
        arguments=("arrays",),
        variadic=True,
        order="*arrays",
        signature="()->()",
        **FACTS,
    )
    assert facts_of(row, "variadic", "starred", "order", "differentiable") == (
        True,
        True,
        ("*arrays",),
        True,
    )
    assert facts_of(row, "reads", "reads_result") == ((False,), False)
    assert row.reads_of(3) == (False, False, False)
    assert "own" in table


def test_a_fused_row_and_a_composite_one(table):
    row = fused(
        lambda x, *, by=2.0: (x * by, None),
        lambda g, y, _saved, _x, *, wanted, **_rest: [g * y if wanted[0] else None],
        lambda x, *, by=2.0: x * by,
        name="own",
        signature="()->()",
        **FACTS,
    )
    assert facts_of(row, "kind", "arguments", "params", "reads", "reads_result") == (
        "fused",
        ("x",),
        {"by": 2.0},
        (False,),
        True,
    )
    assert facts_of(row, "rules", "jvp", "differentiable") == ((), None, True)
    assert row([1.0, 2.0]).tolist() == [2.0, 4.0]
    assert row(3.0) == 6.0

    def _tower(x, y, *, times=1):
        """Powers.

        And so on.
        """
        return x**y * times

    tower = composite(_tower, signature="(),()->()", **FACTS)
    assert facts_of(tower, "name", "kind", "arguments", "params", "doc") == (
        "tower",
        "composite",
        ("x", "y"),
        {"times": 1},
        "Powers.",
    )
    assert facts_of(tower, "rules", "accepts_complex", "reads") == ((), True, (False, False))
    assert "tower" in table


def test_a_rule_may_be_decorated(table):
    def logged(rule):
        @functools.wraps(rule)
        def call(*args, **params):
            return rule(*args, **params)

        return call

    row = op(
        logged(lambda x, *, by=3.0: x * by),
        logged(lambda g, _y, _x, *, by: g * by),
        name="own",
        signature="()->()",
        **FACTS,
    )
    assert facts_of(row, "arguments", "reads", "reads_result", "params") == (
        ("x",),
        (False,),
        False,
        {"by": 3.0},
    )
    assert grad(row)(1.0).item() == 3.0
    assert "own" in table


def test_a_declaration_through_a_wrapper_is_of_the_file_that_calls_it(table):
    def wrapped(*args, **facts):
        return elementwise(*args, **facts)

    assert wrapped(lambda x: x, 1, name="own", **FACTS).group == "test_declarations"
    row = elementwise(lambda x: x, 1, name="other", group="mine", **FACTS)
    assert row.group == "mine"
    assert "own" in table


def test_a_row_outside_the_table():
    def forward(a, b_c):
        """Both.

        Yes.
        """
        return a + b_c, None

    row = unlisted("own_row", forward, lambda *_args, **_rest: (), ("a", "b_c"))
    assert facts_of(row, "kind", "arguments", "order", "params") == (
        "fused",
        ("a", "b_c"),
        ("a", "b_c"),
        {},
    )
    assert facts_of(row, "reads", "reads_result", "differentiable", "accepts_complex") == (
        (True, True),
        True,
        True,
        True,
    )
    assert facts_of(row, "doc", "formula", "pattern", "signature", "group") == (
        "Both.",
        "own_row(a, b_c)",
        "function",
        "",
        "",
    )
    assert row.latex == r"\mathrm{own\_row}(a, b\_c)"
    assert facts_of(row, "variadic", "optional", "rules", "jvp", "composite") == (
        False,
        (),
        (),
        None,
        None,
    )
    assert unlisted("plain", lambda x: (x, None), lambda *_a: (), ("x",)).doc == "plain"


def test_a_case_and_the_stand_in_for_an_array():
    one = case((2, 3), [1], axis=0)
    assert one.arrays == ((2, 3), [1])
    assert one.params == {"axis": 0}
    like = Like(np.zeros((2, 3), np.float32))
    assert (like.shape, like.dtype, like.ndim, like.size) == ((2, 3), np.float32, 2, 6)
    assert repr(like) == "Like(shape=(2, 3), dtype=float32)"


# ------------------------------------------------------------------------------ refused


def declared(**facts):
    return lambda: elementwise(lambda x: x, 1, **facts)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            declared(**FACTS),
            OpTypeError,
            ["a row: a lambda has no name", "fix: give it one, as"],
        ),
        (
            declared(name="own", **{**FACTS, "latx": "f"}),
            OpTypeError,
            [
                "own: 'latx' is no fact of a row; nearest: latex",
                "fix: the facts are formula, latex",
            ],
        ),
        (
            declared(name="own", formula="f"),
            OpTypeError,
            ["own: the facts latex, pattern are missing", "fix: give each, as in formula="],
        ),
        (
            declared(name="own", **{**FACTS, "pattern": "scales"}),
            OpError,
            ["own: 'scales' is no pattern", "fix: the patterns are copy, swap, route, scale"],
        ),
        (
            declared(name="tanh", **FACTS),
            OpError,
            ["the table has a row 'tanh' already; give the new one another name="],
        ),
        (
            lambda: elementwise(lambda x: x, lambda x: x, name="own", **FACTS),
            OpTypeError,
            ["own: a factor takes 1 arguments, with 1 factors it needs 2", "fix: give one factor"],
        ),
    ],
)
def test_a_declaration_that_cannot_be_right_is_refused(table, call, kind, words):
    before = set(table)
    with pytest.raises(kind) as caught:
        call()
    for part in words:
        assert part in str(caught.value)
    assert set(table) == before


def test_an_unknown_row_names_the_nearest_ones():
    with pytest.raises(UnsupportedError) as caught:
        tg.get_op("tahn")
    assert str(caught.value) == "the table has no op 'tahn'; nearest: tan, tanh"
    with pytest.raises(UnsupportedError) as caught:
        tg.get_op("qqqqqqqqqqqq")
    assert str(caught.value) == "the table has no op 'qqqqqqqqqqqq'"


def test_a_row_has_a_vjp_for_every_array(table):
    facts = {"formula": "f", "latex": "f", "pattern": "scale", "signature": "(),()->()"}
    with pytest.raises(OpTypeError, match="takes 2 arrays, 1 vjps were given"):
        op(lambda a, b: a * b, lambda g, _y, _a, b: g * b, name="miss", **facts)
    assert "miss" not in table
