"""What a shown derivative comes to in numbers."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu.core.op import OPS
from tinygrad_edu.mathematics import local, singular_somewhere, symbol, worth


def test_a_formula_is_worked_out_as_it_stands() -> None:
    root = local(OPS["sqrt"], 0)
    assert worth(root, {"y": np.float64(2.0)}) == 0.25
    assert worth(root, {"y": np.float64(0.0)}) == np.inf
    hypot = local(OPS["hypot"], 0)
    nothing: Any = worth(hypot, {"a": np.float64(0.0), "y": np.float64(0.0)})
    assert np.isnan(nothing)


def test_words_and_lacking_numbers_come_to_nothing() -> None:
    assert worth(local(OPS["sum"], 0), {"g": 1.0, "x": np.ones(3)}) is None
    assert worth(local(OPS["sqrt"], 0), {}) is None
    assert worth(local(OPS["take"], 1), {}) is None


def test_a_sum_goes_along_the_axis_of_the_call() -> None:
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    g = np.array([[1.0, 0.0], [0.5, 2.0]])
    found: Any = worth(local(OPS["softmax"], 0), {"g": g, "y": y, "axis": 1})
    np.testing.assert_allclose(found, y * (g - (g * y).sum(axis=1, keepdims=True)))


@pytest.mark.parametrize(
    ("name", "risky"), [("sqrt", True), ("power", True), ("sin", False), ("sum", False)]
)
def test_which_formulas_may_be_singular(name: str, risky: bool) -> None:
    assert singular_somewhere(local(OPS[name], 0)) is risky


def test_a_choice_between_words_is_settled_by_which_arguments_there_are() -> None:
    row = OPS["batch_norm"]
    train = local(row, 0).settled({}, ["x", "s", "b", "", ""]).written().text
    given = local(row, 0).settled({}, ["x", "s", "b", "m", "v"]).written().text
    assert "mean of g" in train
    assert given == "(scale / σ) · g"


def test_a_number_in_the_place_of_a_name_is_written_as_one() -> None:
    assert symbol("1e-09").text == "1e−9"
    assert symbol("1e-09").latex == r"1 \cdot 10^{-9}"
    assert symbol("-2.5").text == "−2.5"
    assert symbol("w1").latex == "w_{1}"
