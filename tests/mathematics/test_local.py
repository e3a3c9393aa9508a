"""The shown derivative of every row is the one that runs."""

import ast
import builtins
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.core.op import OPS, Op, elementwise
from tinygrad_edu.mathematics import Formula, local, local_formula, local_text
from tinygrad_edu.mathematics.local import Local
from tinygrad_edu.testing.samples import Sample, plans, rows, sample

ROWS = [row for row in rows() if row.differentiable]
POINTWISE = [row for row in ROWS if row.kind == "elementwise"]
STATED = [row for row in ROWS if row.kind != "elementwise"]
SHAPES = ([(2, 3), (2, 3)], [(2, 3), (3,)], [(), (4,)])

Array = np.ndarray[Any, Any]


def each(chosen: list[Op]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", chosen, ids=lambda row: row.name)


def samples_of(row: Op) -> list[Sample]:
    found = []
    for number, plan in enumerate(plans([row])):
        if plan.case is not None:
            found.append(sample(row, plan.case.arrays, plan.params, 100 + number))
            continue
        for shapes in SHAPES:
            entries = [shapes[i % 2] for i in range(len(row.arguments))]
            found.append(sample(row, entries, plan.params, 200 + number))
    return [one for one in found if one.size]


class Names(dict[str, Any]):
    """What a name stands for: what is given, else a row of the table, NumPy's or Python's."""

    def __missing__(self, name: str) -> Any:
        if name in OPS:
            return OPS[name]
        return getattr(np, name) if hasattr(np, name) else getattr(builtins, name)


def evaluated(found: Local, one: Sample, y: Array, g: Array) -> Any:
    """Return the value of a shown expression; a bound that is None bounds nothing."""
    bounds = {"a_min": -math.inf, "a_max": math.inf, "eps": 0.0}
    axis = one.params.get("axis")
    given: dict[str, Any] = {
        **{name: bounds.get(name) if value is None else value
           for name, value in one.params.items()},
        **dict(zip(one.row.arguments, one.arrays, strict=True)),
    }  # fmt: skip
    given.setdefault("y", y)
    given.setdefault("g", g)
    # Sums and means keep the axes that they are taken along, as mathematics leaves unsaid.
    free = {
        "i": 1j,
        "sum": lambda x: np.sum(x, axis=axis, keepdims=True),
        "mean": lambda x: np.mean(x, axis=axis, keepdims=True),
        "nanmean": lambda x: np.nanmean(x, axis=axis, keepdims=True),
        "n": one.arrays[0].size,
    }
    names = Names(getattr(factor_of(found), "__globals__", free))
    for name, role in found.roles.items():
        names[name] = given[role]
    assert found.expression is not None
    code = compile(ast.Expression(ast.fix_missing_locations(found.expression)), "shown", "eval")
    with np.errstate(all="ignore"):
        return eval(code, {}, names)


def factor_of(found: Local) -> Any:
    """Return the factor that an expression was read from, or None for a statement."""
    stated = found.row.local and found.row.local[found.index]
    return None if stated or not found.factor else found.row.factors[found.index]


def differs(one: Sample, i: int) -> float:
    """Return how far the shown factor is from what the rule multiplies a gradient with."""
    row = one.row
    y = np.asarray(row.forward(*one.arrays, **one.params))
    ones = np.ones_like(y)
    wanted = np.broadcast_to(row.rules[i](ones, y, *one.arrays, **one.params), y.shape)  # type: ignore[misc]
    shown = np.broadcast_to(np.asarray(evaluated(local(row, i), one, y, ones)), y.shape)
    scale = float(np.max(np.abs(wanted), initial=1.0))
    return float(np.max(np.abs(wanted - shown), initial=0.0)) / scale


# ------------------------------------------------------------------------------ every row


@each(ROWS)
def test_every_row_has_its_derivative_in_every_form(row: Op) -> None:
    for i, name in enumerate(row.arguments):
        found = local(row, i)
        flows = row.joint is not None or row.rules[i] is not None
        assert found.readable
        assert flows or found.expression is None
        said = local_formula(row, i, row.arguments, "out", row.params)
        assert said.text
        assert said.latex
        ET.fromstring(said.mathml)
        if found.expression is not None:
            assert f"∂{name} = " in said.text
            assert local_text(row, i, row.arguments, "out")


@each(POINTWISE)
def test_the_shown_factor_is_the_one_that_runs(row: Op) -> None:
    for one in samples_of(row):
        for i in range(len(row.arguments)):
            assert differs(one, i) < 1e-9, (row.name, i, local(row, i).written().text)


@each([row for row in STATED if row.name != "where"])
def test_a_stated_gradient_is_the_one_that_runs(row: Op) -> None:
    """Of statements that Python can evaluate; those in words are read by people."""
    for i, stated in enumerate(row.local):
        tree = ast.parse(stated or "''", mode="eval")
        words = any(
            isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(tree)
        )
        if words or row.joint is not None:
            continue
        assert any(fits(one, i) for one in samples_of(row)), (row.name, stated)


def fits(one: Sample, i: int) -> bool:
    row = one.row
    y = np.asarray(row.forward(*one.arrays, **one.params))
    g = np.asarray(np.random.default_rng(3).uniform(0.5, 1.5, y.shape)).astype(y.dtype)
    wanted = np.asarray(row.rules[i](g, y, *one.arrays, **one.params))  # type: ignore[misc]
    try:
        shown = np.broadcast_to(evaluated(local(row, i), one, y, g), wanted.shape)
    except (ValueError, TypeError):  # of another shape, or not for this case
        return False
    alive = wanted.any() or row.pattern == "none"  # zeros prove nothing
    return bool(alive and np.allclose(shown, wanted, rtol=1e-8, atol=1e-10))


def test_where_sends_the_gradient_to_the_branch_that_was_taken() -> None:
    row = OPS["where"]
    said = [local_formula(row, i, ("c", "p", "q"), "out").text for i in (1, 2)]
    assert said == ["∂L/∂p = ∂L/∂out if c, else 0", "∂L/∂q = 0 if c, else ∂L/∂out"]


LOSSES: dict[str, Any] = {
    "mean_squared_error": lambda p, q: (p, q),
    "binary_cross_entropy_with_logits": lambda p, q: (p, np.abs(np.tanh(q))),
    "softmax_cross_entropy": lambda p, q: (p, np.exp(q) / np.exp(q).sum(-1, keepdims=True)),
    "linear": lambda p, q: (p, q.T, q[:, 0]),
    "rnn_cell": lambda p, q: (p, q, p.T @ q, q.T @ q, q[0]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_stated_gradients_of_fused_rows(name: str) -> None:
    rng = np.random.default_rng(5)
    row, (p, q) = OPS[name], rng.normal(size=(2, 3, 4))
    arrays = LOSSES[name](p, q)
    params = dict(row.params)
    y, saved = row.forward(*arrays, **params)
    g = np.asarray(rng.normal(size=np.shape(y)))
    wanted = row.joint(  # type: ignore[misc]
        g, y, saved, *arrays, wanted=[True] * len(arrays), into=[None] * len(arrays), **params
    )
    through = g * (1 - y * y) if params.get("activation") == "tanh" else g
    n = p.size if name != "softmax_cross_entropy" else len(p)
    for i in range(len(arrays)):
        found = local(row, i)
        assert found.expression is not None
        if isinstance(found.expression, ast.Constant):
            continue
        names = Names(
            t=arrays[1], n=n, g=through, y=y, **dict(zip(row.arguments, arrays, strict=True))
        )
        shown = eval(compile(ast.Expression(found.expression), "shown", "eval"), {}, names)
        np.testing.assert_allclose(shown, wanted[i], rtol=1e-10)


# ------------------------------------------------------------------------------ wrong on purpose


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "sqrt", "divide", "gelu", "maximum", "log"])
def test_a_wrong_statement_is_noticed(name: str) -> None:
    row = OPS[name]
    right = local(row, 0).expression
    assert right is not None
    for wrong in (f"({ast.unparse(right)}) * 1.01", "1", f"-({ast.unparse(right)})"):
        plain = wrong.replace("_y", "y").replace("np.", "")
        planted = replace(row, local=(plain, *([""] * (len(row.arguments) - 1))))
        one = samples_of(row)[0]
        assert differs(one, 0) < 1e-9
        assert differs(replace(one, row=planted), 0) > 1e-6


def test_a_wrong_stated_gradient_is_noticed() -> None:
    row = OPS["matmul"]
    planted = replace(row, local=("-(g @ b.T)", "2 * (a.T @ g)"))
    for i in (0, 1):
        assert any(fits(one, i) for one in samples_of(row))
        assert not any(fits(replace(one, row=planted), i) for one in samples_of(row))


# ------------------------------------------------------------------------------ names


def test_names_of_the_user_are_put_in() -> None:
    assert local_formula(OPS["tanh"], 0, ["h"], "y").text == "∂y/∂h = 1 − y²"
    assert local_formula(OPS["cos"], 0, ["h"], "y").text == "∂y/∂h = −sin h"
    assert local_formula(OPS["multiply"], 1, ["w", "x"], "y").text == "∂y/∂x = w"
    assert local_formula(OPS["matmul"], 0, ["x", "W"], "z", output="loss").text == (
        "∂loss/∂x = ∂loss/∂z Wᵀ"
    )
    assert local_text(OPS["matmul"], 1, ["x", "W"], "z") == "xᵀ g"
    assert local_text(OPS["add"], 1, ["x", "W"], "z") == "×1"
    assert local_formula(OPS["leaky_relu"], 0, ["h"], "y", {"negative_slope": 0.3}).text == (
        "∂y/∂h = 1 if h > 0, else 0.3"
    )
    assert local_formula(OPS["concatenate"], 1, ["p", "q"], "y").text == (
        "∂L/∂q = the part of ∂L/∂y where q stands"
    )
    assert local_formula(OPS["take"], 1, ["p", "q"], "y") == Formula(
        "no gradient flows", r"\text{no gradient flows}"
    )


def test_a_parameter_settles_which_of_two_formulas_holds() -> None:
    exact = local_formula(OPS["gelu"], 0, ["x"], "y", {"approximate": "none"}).text
    assert exact == "∂y/∂x = (1 + erf(x / √2)) / 2 + x · exp(−x² / 2) / √(2 π)"
    assert "erf" not in local_formula(OPS["gelu"], 0, ["x"], "y", {"approximate": "tanh"}).text
    assert "if approximate = tanh, else" in local(OPS["gelu"], 0).written().text
    assert local_formula(OPS["angle"], 0, ["x"], "y", {"deg": False}).text == "∂y/∂x = −i / x"


def own(name: str, *factors: Any, **facts: Any) -> Op:
    arity = len(factors)
    forward = (lambda x: x) if arity == 1 else (lambda a, b: a + b)
    try:
        return elementwise(
            forward, *factors, name=name, formula="x", latex="x", pattern="scale", **facts
        )
    finally:
        OPS.pop(name, None)


def slope_of_a_def(y: Any, x: Any) -> Any:
    """Return the slope, with a text before it."""
    return 3 * x**2 + 0 * y


def slope_in_two_lines(_y: Any, x: Any) -> Any:
    x = 2 * x
    return x * 1


def test_the_source_of_a_users_factor_is_found() -> None:
    assert local(own("mine_1", lambda _y, x: 3 * x**2), 0).written().text == "3 x²"
    assert local(own("mine_2", slope_of_a_def), 0).written().text == "3 x² + 0 y"
    # Several in one line are told apart by where they stand in it.
    pair = [lambda _y, x: 2 * x, lambda _y, x: 3 * x]
    assert [local(own("mine_3", each), 0).written().text for each in pair] == ["2 x", "3 x"]
    both = own("mine_4", lambda _y, a, _b: a, lambda _y, _a, b: -b)
    assert [local(both, i).written().text for i in (0, 1)] == ["a", "−b"]


def test_a_factor_that_is_no_formula_is_told_as_it_is_written_or_by_its_pattern() -> None:
    two = local(own("mine_5", slope_in_two_lines), 0)
    assert two.written().text == "the gradient of y times the slope"
    hidden: dict[str, Any] = {}
    exec("factor = lambda y, x: 2 * x", hidden)  # no file, so no source
    assert local(own("mine_6", hidden["factor"]), 0).factor is False
    odd = local(own("mine_7", lambda y, x: _helper(y, x)), 0)
    assert odd.written().text == "_helper(y, x)"


def _helper(_y: Any, x: Any) -> Any:
    return x
