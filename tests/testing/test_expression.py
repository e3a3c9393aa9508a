"""Random expressions: right derivatives, shared nodes, and a source that is the function."""

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from tinygrad_edu.core.op import OPS, elementwise
from tinygrad_edu.errors import CheckError
from tinygrad_edu.testing import Expression, assert_gradients, expressions

few = settings(max_examples=settings().max_examples // 2, deadline=None)


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.VacuousCheckWarning")
@few
@given(expression=expressions())
def test_gradients_of_whole_graphs_are_right(expression: Expression) -> None:
    assert_gradients(expression, *expression.inputs, order=1)


@settings(max_examples=10, deadline=None)
@given(expression=expressions(max_steps=4))
def test_second_derivatives_of_whole_graphs_are_right(expression: Expression) -> None:
    assert_gradients(expression, *expression.inputs, order=2)


@few
@given(expression=expressions())
def test_an_expression_prints_as_its_source(expression: Expression) -> None:
    names: dict[str, Any] = {"np": np, "OPS": OPS}
    exec(repr(expression), names)
    inputs = [names[f"x{i}"] for i in range(len(expression.inputs))]
    for found, expected in zip(inputs, expression.inputs, strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(names["expression"](*inputs), expression(*expression.inputs))


@few
@given(expression=expressions())
def test_values_are_well_scaled(expression: Expression) -> None:
    result = expression(*expression.inputs)
    assert np.isfinite(result).all()
    assert np.abs(result).max(initial=0) <= 4


def sought(kind: Any, **options: Any) -> Expression:
    generated = settings(max_examples=3000, database=None, phases=[Phase.generate])
    return find(expressions(**options), kind, settings=generated)


def test_nodes_are_shared() -> None:
    def shared(expression: Expression) -> bool:
        taken = [i for step in expression.steps for i in set(step.operands)]
        return any(i >= len(expression.inputs) and taken.count(i) > 1 for i in taken)

    assert sought(shared)


@pytest.mark.parametrize("text", ["OPS['maximum']", "OPS['log']", "np.sum", "@", "[[0, 0, -1]]"])
def test_every_kind_of_step_is_drawn(text: str) -> None:
    assert text in repr(sought(lambda e: text in repr(e)))


def test_a_row_of_the_users_is_drawn_and_a_wrong_one_found() -> None:
    facts = {"doc": "", "formula": "", "latex": "", "pattern": "scale"}
    wrong = elementwise(
        lambda x: np.sin(x), lambda _y, x: np.cos(x) * 1.001, name="wrong_sine", **facts
    )

    @settings(max_examples=50, deadline=None, database=None)
    @given(expression=expressions(rows=["multiply", wrong], max_steps=3))
    def attempt(expression: Expression) -> None:
        assert_gradients(expression, *expression.inputs, order=1)

    with pytest.raises(CheckError) as caught:
        attempt()
    text = str(caught.value)
    assert "wrong gradient" in text
    program = text.split("reproduce:\n\n", 1)[1]
    assert "v0 = OPS['wrong_sine'](x0)" in program
    assert "v1" not in program  # the smallest: one step
    lines = [line.removeprefix("      ") for line in program.splitlines()]
    with pytest.raises(CheckError, match="wrong gradient"):
        exec("\n".join(lines), {})
    assert "v0 = OPS['wrong_sine'](x0)" in "\n".join(caught.value.__notes__)
