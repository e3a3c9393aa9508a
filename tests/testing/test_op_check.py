"""`check_op` and `assert_gradients`: right ones pass, each kind of wrong one is refused by name."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import tinygrad_edu.testing
from tinygrad_edu.core.op import OPS, Op, case, elementwise, fused, linear, op
from tinygrad_edu.core.switch import enable_grad
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CheckError, KinkError, NumericError, OpError, OpTypeError
from tinygrad_edu.testing import LAWS, assert_gradients, broadcastable, check_op

FACTS: dict[str, Any] = {"doc": "", "formula": "", "latex": "", "pattern": "scale"}


def refused(check: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """The exception of a check that fails; its report is what is raised."""
    with pytest.raises(CheckError) as caught:
        check(*arguments, **options)
    error = caught.value
    assert error.report is not None
    assert not error.report
    assert error.report.text == str(error)
    assert "reproduce:" in str(error)
    return error


def program(error: Any) -> str:
    """The program that the text of a failure ends with."""
    lines = str(error).split("reproduce:\n\n", 1)[1].splitlines()
    return "\n".join(line.removeprefix("      ") for line in lines)


def data(x: Any) -> Any:
    """The numbers of a Tensor, which the graph then does not see."""
    return getattr(x, "data", x) if isinstance(x, Tensor) else x


# ------------------------------------------------------------------------------ what is right


def test_a_right_row_passes_every_law() -> None:
    row = elementwise(
        lambda x: 1 / (1 + x * x), lambda y, x: -2 * x * y * y, name="agnesi", **FACTS
    )
    report = check_op(row, examples=5)
    assert report
    names = [law.name for law in LAWS if law.name not in ("numpy", "fused", "constant")]
    assert str(report).endswith(", ".join(names))


@pytest.mark.parametrize("name", ["tanh", "matmul", "sum", "max", "softmax_cross_entropy", "floor"])
def test_rows_of_the_table_pass(name: str) -> None:
    assert check_op(OPS[name], examples=3)


def test_the_numpy_function_of_a_row_is_that_row() -> None:
    assert "check_op of tanh" in str(check_op(np.tanh, examples=2))
    assert "check_op of matmul" in str(check_op(np.matmul, (2, 3), (3,), examples=2))


@pytest.mark.parametrize(
    ("f", "entries"),
    [
        (lambda x: np.sum(np.tanh(x) ** 2), ()),
        (lambda x: x.sigmoid() * 2, ()),
        (lambda a, b: a * np.exp(b), ()),
        (lambda x, w: np.tanh(x @ w), ((4, 3), (3, 2))),
        (lambda x, i: x[i], ((4, 3), np.array([0, 2, 2]))),
        (lambda *xs: np.concatenate(xs), ((2,), (3,), (1,))),
        (lambda x: (np.sin(x), np.cos(x)), ()),
    ],
)
def test_functions_of_rows_pass(f: Any, entries: Any) -> None:
    assert check_op(f, *entries, examples=5)


def test_functions_are_drawn_where_they_are_smooth() -> None:
    assert check_op(lambda x: np.log(x) + np.sqrt(x), domain={"x": (0, np.inf)}, examples=5)
    assert check_op(lambda x: np.abs(x - 1), kinks={"x": (1.0,)}, examples=20)
    assert check_op(lambda a, b: np.maximum(a, b), kinks={"a": "ties"}, examples=5)


def test_parameters_reach_the_call() -> None:
    assert check_op(OPS["sum"], (2, 3), params={"axis": 1}, examples=2)
    seen = []
    check_op(lambda x, *, n: seen.append(n) or x * n, params={"n": 3}, examples=2, laws=["order 1"])
    assert set(seen) == {3}


def test_a_checked_function_does_not_stay_in_the_table() -> None:
    before = list(OPS)
    check_op(lambda x: x * 2, examples=1)
    assert list(OPS) == before


# ------------------------------------------------------------------------------ what is wrong


def cube(rule: Any, **facts: Any) -> Op:
    return op(
        lambda x: x * x * x, rule, name="cube", signature="(n)->(n)", cases=(case((4,)),),
        **{**FACTS, **facts},
    )  # fmt: skip


def _in_place(g: Any, _y: Any, x: Any) -> Any:
    if isinstance(g, np.ndarray):
        g *= 2
    return g * 1.5 * x * x


_drawn = np.random.default_rng(0)

WRONG: dict[str, tuple[Any, str]] = {
    "a factor": (lambda g, _y, x: g * x * x, "the right gradient times 1/3"),
    "a sign": (lambda g, _y, x: -3 * g * x * x, "the vjp is the numerical derivative"),
    "zero": (lambda g, _y, x: g * x * 0.0, "gradient is zero"),
    "one element": (lambda g, _y, x: 3 * g * x * x * (np.arange(4) != 2), "1 of 4 elements"),
    "deaf to g": (lambda g, _y, x: 3 * x * x + 0 * g, "the vjp is the numerical derivative"),
    "nan": (lambda g, _y, x: 3 * g * x * x * np.nan, "not finite"),
    "a shape": (lambda g, _y, x: np.sum(3 * g * x * x), "wrong shape of a cotangent"),
    "a dtype": (lambda g, _y, x: (3 * g * x * x).astype(np.float32), "wrong dtype of a cotangent"),
    "in place": (_in_place, "g"),
    "at random": (lambda g, _y, x: g * 3 * x * x * _drawn.uniform(), "not deterministic"),
    "an exception": (lambda g, _y, x: g * x.no_such_thing, "no_such_thing"),
    "constant": (lambda g, _y, x: 3 * g * np.square(data(x)), "vjp of the vjp"),
    "widening": (lambda g, _y, x: g * np.full(4, 3.0) * x * x, "float32|float64"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_rule_is_refused(kind: str) -> None:
    rule, words = WRONG[kind]
    error = refused(check_op, cube(rule), examples=8)
    assert "check_op of cube: broken law: " in str(error)
    assert "smallest   x (4,) float64" in str(error)
    assert any(word in str(error) for word in words.split("|")), str(error)


def test_a_cotangent_that_is_not_summed_back_is_refused() -> None:
    row = op(
        lambda a, b: a + b, lambda g, _y, _a, _b: g, lambda g, _y, _a, _b: g,
        name="unsummed", signature="(),()->()", **FACTS,
    )  # fmt: skip
    error = refused(check_op, row, shapes=broadcastable(2))
    assert error.outcome == "wrong shape of a cotangent"
    assert "sum over the axes that were broadcast" in str(error)


def test_a_wrong_jvp_is_refused() -> None:
    row = cube(lambda g, _y, x: 3 * g * x * x)
    wrong = op(
        row.forward, row.rules[0], name="jvp", signature="(n)->(n)", cases=row.cases,
        jvp=lambda tangents, _y, x: 2 * tangents[0] * x * x, **FACTS,
    )  # fmt: skip
    assert "forward mode is the numerical derivative" in str(refused(check_op, wrong))


def test_a_wrong_adjoint_is_refused() -> None:
    twice = linear(
        lambda x: 2 * x, lambda g, _y, _x: 3 * g, name="double", signature="(n)->(n)",
        cases=(case((2,)),), **FACTS,
    )  # fmt: skip
    assert "argument 0" in str(refused(check_op, twice))


def test_a_composite_of_another_function_is_refused() -> None:
    row = fused(
        lambda x: (np.tanh(x), None),
        lambda g, y, _saved, x, **_how: (g * (1 - y * y) + 0 * x,),
        lambda x: np.sin(x),
        name="two_faces", signature="(n)->(n)", cases=(case((2,)),), **FACTS,
    )  # fmt: skip
    error = refused(check_op, row, laws=["fused"])
    assert "a fused row is its composite" in str(error)


def test_a_function_that_loses_its_gradient_is_refused() -> None:
    error = refused(check_op, lambda x: x.detach() * x)
    assert error.outcome == "wrong gradient"
    assert "times 1/2" in str(error)


def test_a_function_that_returns_no_tensor_is_refused() -> None:
    error = refused(check_op, lambda x: float(x.detach().numpy().sum()))
    assert "returned a float, not a Tensor" in str(error)


def test_a_function_that_records_under_no_grad_is_refused() -> None:
    def stubborn(x: Any) -> Any:
        with enable_grad():
            return x * 2

    error = refused(check_op, stubborn, laws=["no_grad"])
    assert "nothing is recorded while recording is off" in str(error)
    assert error.outcome == "broken law: no_grad"


def test_a_function_outside_its_domain_says_so() -> None:
    error = refused(check_op, lambda x: np.log(x))
    assert error.outcome == "not finite"
    assert "inside the domain" in str(error)


def test_a_kink_is_called_a_kink() -> None:
    with pytest.raises(KinkError, match="not differentiable"):
        check_op(lambda x: np.abs(x), np.array([0.0, 1.0]))


# ------------------------------------------------------------------------------ shrinking, programs


def test_a_failure_shrinks_to_the_smallest_shape() -> None:
    scalar = elementwise(lambda x: x * x, lambda _y, x: x, name="half", **FACTS)
    assert "smallest   x () float64" in str(refused(check_op, scalar))

    def wrong_for_matrices(x: Any) -> Any:
        return x * x.detach() if x.ndim == 2 else x * x

    assert "smallest   x (1, 1) float64" in str(refused(check_op, wrong_for_matrices))


def test_the_program_of_a_failure_fails_again() -> None:
    elementwise(lambda x: x * x, lambda _y, x: x, name="half", **FACTS)
    error = refused(check_op, OPS["half"])
    with pytest.raises(CheckError, match="vjp of half") as again:
        exec(program(error), {})
    assert program(again.value) == program(error)


def test_the_program_of_a_function_fails_again() -> None:
    def lost(x: Any, w: Any) -> Any:
        return x @ w.detach()

    error = refused(check_op, lost, (2, 3), (3,))
    assert "# lost: the function that was checked" in program(error)
    with pytest.raises(CheckError, match="broken law"):
        exec(program(error), {"lost": lost})


def test_a_seed_gives_one_verdict() -> None:
    row = elementwise(lambda x: x * x, lambda _y, x: x, name="half", **FACTS)
    texts = {str(refused(check_op, row, seed=3)) for _ in range(2)}
    assert len(texts) == 1


# ------------------------------------------------------------------------------ bad calls


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_op(3), "found a int"),
        (lambda: check_op(lambda: 1), "no positional argument"),
        (lambda: check_op(lambda x, _y: x, (2,)), "1 entries for"),
        (lambda: check_op(lambda x: x, laws=["first"]), "no law 'first'(.|\n)*order 1"),
        (lambda: check_op(lambda x: x, order=3), "assert_gradients"),
        (lambda: check_op(lambda x: x, domain={"z": (0, 1)}), "no argument 'z'"),
        (lambda: check_op(OPS["tanh"], domain={"x": (0, 1)}), "says its own domain"),
    ],
)
def test_bad_calls_say_how_to_call(call: Any, words: str) -> None:
    with pytest.raises((OpError, OpTypeError), match=words):
        call()


def test_a_row_without_cases_says_how_to_call() -> None:
    row = op(lambda x: x, lambda g, _y, _x: g, name="bare", signature="(n)->(n)", **FACTS)
    with pytest.raises(OpError, match=r"no cases(.|\n)*check_op\(row, \(2, 3\)"):
        check_op(row)
    assert check_op(row, (2, 3), examples=2)
    assert check_op(row, shapes=st.just(((3,),)), examples=2)


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tinygrad_edu\[test\]'"):
        check_op(lambda x: x)
    monkeypatch.delitem(sys.modules, "tinygrad_edu.testing.strategies")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tinygrad_edu\[test\]'"):
        _ = tinygrad_edu.testing.shapes
    assert assert_gradients(np.tanh, 0.5)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="check_opp"):
        _ = tinygrad_edu.testing.check_opp


def test_every_name_is_there() -> None:
    for name in tinygrad_edu.testing.__all__:
        assert getattr(tinygrad_edu.testing, name) is not None


# ------------------------------------------------------------------------------ one point


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_order_of_a_smooth_function_is_right(order: int) -> None:
    x = np.array([0.3, -0.8])
    report = assert_gradients(lambda x, y: np.sin(x) * y * y, x, np.array(1.5), order=order)
    assert str(report).count("passed") == order


def test_the_third_order_is_looked_at() -> None:
    # The second derivative of the rule is 6 x; that of the copy is lost in the third order only.
    def rule(g: Any, _y: Any, x: Any) -> Any:
        return g * square(x) * 3

    square = elementwise(
        lambda x: x * x, lambda _y, x: 2 * data(x), name="square_of_constants", **FACTS
    )
    row = op(lambda x: x * x * x, rule, name="third", signature="(n)->(n)", **FACTS)
    x = np.array([0.5, 1.25])
    assert assert_gradients(row, x, order=2)
    error = refused(assert_gradients, row, x, order=3)
    assert "of third′" in str(error)


def test_a_wrong_gradient_at_a_point_comes_with_a_program() -> None:
    elementwise(lambda x: x * x, lambda _y, x: x, name="half", **FACTS)
    error = refused(assert_gradients, OPS["half"], np.array([0.5, 1.5]), order=1)
    assert error.outcome == "wrong gradient"
    with pytest.raises(CheckError, match="gradient of half"):
        exec(program(error), {})


def test_linear_functions_have_a_second_order_to_be_checked() -> None:
    assert assert_gradients(lambda x: 3 * x, np.array([1.0, 2.0]), order=2)


def test_tensors_and_constants_may_be_given() -> None:
    index = np.array([0, 1, 1])
    assert assert_gradients(lambda x, i: x[i] ** 2, Tensor([1.0, 2.0]), index)


def test_an_order_below_one_is_refused() -> None:
    with pytest.raises(NumericError, match="order is 0"):
        assert_gradients(np.tanh, 1.0, order=0)
