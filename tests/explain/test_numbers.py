"""Every equation of plain numbers that is printed is true, at special points too."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.core.op import Op
from tinygrad_edu.draw.reading import read
from tinygrad_edu.explain import explain, steps
from tinygrad_edu.explain.explanation import Explainer
from tinygrad_edu.explain.facts import Facts
from tinygrad_edu.testing.samples import plans, rows, sample

ROWS = [row for row in rows() if row.differentiable and not row.variadic]
SHAPES = ([(3,), (3,)], [(2, 3), (3,)], [(), ()])

Array = np.ndarray[Any, Any]


def leaf(value: Any, name: str = "x") -> Tensor:
    return Tensor(value, requires_grad=True, name=name)


# ------------------------------------------------------------------------------ reading arithmetic

POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
FUNCTIONS = (
    "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "sin", "cos", "tan", "log2", "log10",
    "log", "exp", "sqrt", "cbrt",
)  # fmt: skip
ENDING = re.compile(r", (?=[a-zA-Z∂])| at (?=\w)| \((?=[a-z])| for Δ|; | in each| of (?=\w)")


def arithmetic(text: str) -> float | None:
    """Return what printed arithmetic comes to, or None of what is none."""
    for sign, word in (
        ("−", "-"), ("·", "*"), ("∞", "inf"), ("π", "pi"), ("log₂", "log2"), ("log₁₀", "log10"),
        ("ln ", "log "), ("ln(", "log("), ("√", "sqrt "), ("∛", "cbrt "), ("^", "**"),
    ):  # fmt: skip
        text = text.replace(sign, word)
    text = re.sub(r"… \([\d,]+ more: ([^)]*)\)", r"(\1)", text)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: f"**({m[0].translate(POWERS)})", text)
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text)
    names = "|".join(FUNCTIONS)
    text = re.sub(rf"\b({names})\s+(-?\d[\d.]*(?:e-?\d+)?|inf|nan|pi)", r"\1(\2)", text)
    text = re.sub(rf"\b({names})\s+\(", r"\1(", text)
    text = re.sub(r"(?<=[\d)]) +(?=[a-z(])", " * ", text)
    if not re.fullmatch(rf"(?:{names}|abs|inf|nan|pi|[\d.e+*/() -])+", text):
        return None
    known = {name: getattr(np, name) for name in (*FUNCTIONS, "abs", "inf", "nan", "pi")}
    text = re.sub(r"(?<![\w.])(\d[\d.]*(?:e-?\d+)?)", r"one(\1)", text)
    with np.errstate(all="ignore"):
        try:
            return float(eval(text, {"__builtins__": {}}, {**known, "one": np.float64}))
        except (SyntaxError, TypeError, NameError):
            return None


def equations(text: str) -> list[tuple[str, float, float]]:
    """Return the equations of plain numbers in a text, worked out on both sides."""
    found = []
    for line in text.splitlines():
        sides = line.split(" = ")
        for left, right in pairwise(sides):
            left = re.split(r": |, (?=[a-z])|there |summed over [^:]*: ", left)[-1]
            right = ENDING.split(right)[0]
            known, wanted = arithmetic(left.strip()), arithmetic(right.strip())
            if known is not None and wanted is not None:
                found.append((line, known, wanted))
    return found


NUMERAL = re.compile(r"\d[\d.]*(?:e−?\d+)?")


def numeral(text: str) -> float:
    return float(text.rstrip(".").replace("−", "-"))


def true(left: float, right: float, most: float = 1.0) -> bool:
    """Return whether an equation holds to the digits that are printed of its largest number."""
    return bool(np.isclose(left, right, rtol=0.02, atol=2e-3 * max(1.0, most)))


def test_arithmetic_is_read_as_people_do() -> None:
    assert arithmetic("1 / (2 · 0)") == np.inf
    assert np.isnan(arithmetic("0 ln 0") or 0)
    assert arithmetic("(+2) · 3 + (−1) · (−0.5) + … (3 more: +4)") == 10.5
    assert arithmetic("2 √4") == 4
    assert arithmetic("1 − 0.5² + |−3|") == 3.75
    assert arithmetic("0⁻¹") == np.inf
    assert arithmetic("x · 2") is None
    (bad,) = equations("  ∂y/∂x = 1 / (2 y) = 1 / (2 · 0) = 0, here")
    assert not true(*bad[1:])


# ------------------------------------------------------------------------------ every row


def points(row: Op) -> list[tuple[list[Any], Any]]:
    """Return arguments of a row: ordinary ones, and zeros, ones and ties in their place."""
    found = []
    for number, plan in enumerate(plans([row])[:2]):
        entries = [plan.case.arrays] if plan.case is not None else [
            [shapes[i % 2] for i in range(len(row.arguments))] for shapes in SHAPES
        ]  # fmt: skip
        for each in entries:
            one = sample(row, each, plan.params, 300 + number)
            if not one.size:
                continue
            real = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in one.arrays]

            def filled(value: float, which: list[bool], arrays: Any = one.arrays) -> list[Any]:
                return [
                    np.full_like(a, value) if chosen else a
                    for a, chosen in zip(arrays, which, strict=True)
                ]

            first = [is_real and not k for k, is_real in enumerate(real)]
            found.append((list(one.arrays), plan.params))
            found.append((filled(0.0, first), plan.params))  # zero beside what is not
            found += [(filled(value, real), plan.params) for value in (0.0, 1.0, 12.0)]
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_printed_equation_of_numbers_is_true(row: Op) -> None:
    for arrays, params in points(row):
        given = [
            leaf(a, name) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
            for a, name in zip(arrays, row.arguments, strict=True)
        ]
        with np.errstate(all="ignore"):
            try:
                result = row.through(given, params)
                told = [str(step) for step in steps(result)]
            except (ValueError, ArithmeticError):  # zeros need not be in the domain
                continue
        told.append(Explainer(Facts(read("test", result), delta=0.0)).node(result.node).text)
        for text in told:
            for line, left, right in equations(text):
                most = max(map(abs, map(numeral, NUMERAL.findall(line))), default=1.0)
                assert true(left, right, most) or (np.isnan(left) and np.isnan(right)), line


def test_most_rows_print_equations_of_numbers() -> None:
    """The test above has something to work out."""
    x, y = leaf([0.5, 2.0]), leaf([1.5, -0.5], "y")
    product = x * y
    found = equations(explain(product, delta=1e-6).text)
    assert len([line for line, *_ in found if "gradient times slope" in line]) == 2
    root: Any = np.sqrt(leaf(4.0))
    assert any("1 / (2 · 2) = 0.25" in line for line, *_ in equations(explain(root).text))


# ------------------------------------------------------------------------------ special points


def power_of_zero(x: Tensor) -> Tensor:
    return 0.0**x


@pytest.mark.parametrize(
    ("build", "at", "said"),
    [
        (np.sqrt, 0.0, "= 1 / (2 result) = 1 / (2 · 0), which is ∞ here; the rule gives 0"),
        (lambda x: x**0.5, 0.0, "= 0.5 · 0^(−0.5), which is ∞ here; the rule gives 0"),
        (np.cbrt, 0.0, "= 1 / (3 · 0²), which is ∞ here; the rule gives 0"),
        (lambda x: np.hypot(x, x), 0.0, "= 0 / 0, which is no number here; the rule gives 0"),
        (
            lambda x: np.arctan2(x, 2 * x),
            0.0,
            "= 0 / (0² + 0²), which is no number here; the rule gives 0",
        ),
        (power_of_zero, 2.0, "= 0 ln 0, which is no number here; the rule gives 0"),
        (lambda x: x**x, 0.0, "= ln 0, which is −∞ here; the rule gives 0"),
    ],
)
def test_where_a_formula_divides_by_zero_the_rule_is_told_apart(
    build: Any, at: float, said: str
) -> None:
    with np.errstate(all="ignore"):
        result = build(leaf(at))
        assert said in explain(result).text
    part = said.partition(", ")[2]
    assert any(f", {part}, times " in str(step) for step in steps(result))


def test_a_formula_of_whole_arrays_is_told_apart_too() -> None:
    q = leaf(np.zeros(3), "q")
    results: list[Any] = [q.std(), np.linalg.norm(q)]
    for result in results:
        assert "which is no number here; the rule gives 0" in explain(result).text
        assert any("which is no number here; the rule gives 0" in str(s) for s in steps(result))
    plain = leaf([1.0, 2.0]).std()
    assert "no number" not in explain(plain).text


def test_a_product_with_a_zero_is_told_without_a_quotient() -> None:
    text = explain(leaf([0.0, 2.0, 3.0]).prod()).text
    assert "∂prod1/∂x = Π of the other elements of x" in text
    assert "(+1) · 6 = +6" in text


def test_numbers_are_shown_to_as_many_digits_as_the_equation_needs() -> None:
    far: Any = np.tanh(leaf(10.0))
    near: Any = np.tanh(leaf(0.5))
    text = explain(far).text
    (shown,) = re.findall(r"1 − (0\.9+\d*)² = (\S+)", text)
    assert 1 - float(shown[0]) ** 2 == pytest.approx(float(shown[1].replace("−", "-")), rel=0.01)
    assert "1 − 0.4621² = 0.7864" in explain(near).text


def test_what_rounding_has_left_of_a_sum_is_no_result() -> None:
    text = explain(leaf([1.0, 2.0, 3.0]).softmax()).text
    assert "(−0.05989) = 0 (but for rounding)" in text
    assert "∂L/∂x[0] = 0 (but for rounding)" in text
    small = leaf([1.0, 2.0, 3.0]) * np.array([1e-17, 1.0, 1.0])
    assert "but for rounding" not in explain(small).text
