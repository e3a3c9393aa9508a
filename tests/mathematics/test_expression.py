"""Python expressions as mathematics."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.mathematics import Formula, formula, symbol
from tinygrad_edu.mathematics.expression import UnreadableError, words


@pytest.mark.parametrize(
    ("source", "text", "latex"),
    [
        ("1 - y * y", "1 − y²", "1 - y^{2}"),
        ("y * (1 - y)", "y · (1 − y)", r"y\,\left(1 - y\right)"),
        ("2 * x", "2 x", r"2\,x"),
        ("-np.sin(x)", "−sin x", r"-\sin x"),
        ("-0.5 * y * y * y", "−0.5 y³", r"-0.5\,y^{3}"),
        ("-y / b", "−y / b", r"-\frac{y}{b}"),
        ("a / (b * c)", "a / (b · c)", r"\frac{a}{b\,c}"),
        ("a / b / c", "a / b / c", r"\frac{\frac{a}{b}}{c}"),
        ("a - (b - c)", "a − (b − c)", r"a - \left(b - c\right)"),
        ("(a + b) ** 2", "(a + b)²", r"\left(a + b\right)^{2}"),
        ("(-x) ** 2", "(−x)²", r"\left(-x\right)^{2}"),
        ("a ** (b - 1)", "a^(b − 1)", "a^{b - 1}"),
        ("np.exp(-x)", "exp(−x)", "e^{-x}"),
        ("np.sqrt(x + 1)", "√(x + 1)", r"\sqrt{x + 1}"),
        ("np.log(x)", "ln x", r"\ln x"),
        ("abs(x)", "|x|", r"\left|x\right|"),
        ("y > 0", "1 if y > 0, else 0",
         r"\begin{cases} 1 & y > 0 \\ 0 & \text{else} \end{cases}"),
        ("~(x <= a)", "1 if x > a, else 0",
         r"\begin{cases} 1 & x > a \\ 0 & \text{else} \end{cases}"),
        ("g @ b.T", "g bᵀ", r"g\,b^{\top}"),
        ("inv(a.T) @ g", "(aᵀ)⁻¹ g", r"\left(a^{\top}\right)^{-1}\,g"),
        ("x - 0", "x", "x"),
        ("1 * x / 1", "x", "x"),
        ("alpha * x", "α · x", r"\alpha\,x"),
        ("sum(g * y)", "Σ(g · y)", r"\sum\left(g\,y\right)"),
        ("x[0, i]", "x[0, i]", "x[0, i]"),
        ("3 if x else y", "3 if x, else y",
         r"\begin{cases} 3 & x \\ y & \text{else} \end{cases}"),
    ],
)  # fmt: skip
def test_forms(source: str, text: str, latex: str) -> None:
    found = formula(source)
    assert (found.text, found.latex) == (text, latex)
    ET.fromstring(found.mathml)


def test_names_and_numbers_are_put_in_with_brackets_where_they_need_them() -> None:
    minus = {"x": Formula("−2", "-2"), "b": Formula("0.5", "0.5")}
    assert formula("x ** 2", minus).text == "(−2)²"
    assert formula("1 - x", minus).text == "1 − (−2)"
    assert formula("b * x", minus).text == "0.5 · (−2)"
    assert formula("b * (1 - b)", minus).text == "0.5 · (1 − 0.5)"
    assert formula("'times {x}, not {z}'", minus).text == "times −2, not z"


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("x", "x"),
        ("w0", "w_{0}"),
        ("x_1", "x_{1}"),
        ("alpha", r"\alpha"),
        ("layers.0.weight", r"\mathit{layers.0.weight}"),
        ("a_b", r"\mathit{a\_b}"),
        ("add3", r"\mathit{add}_{3}"),
        ("{%$}", r"\mathit{\{\%\$\}}"),
    ],
)
def test_names_of_variables(name: str, latex: str) -> None:
    assert symbol(name).latex == latex


@given(st.text(min_size=1))
def test_any_name_is_well_formed_mathml(name: str) -> None:
    ET.fromstring(symbol(name).mathml)
    ET.fromstring(words(name).mathml)


@pytest.mark.parametrize("source", ["_private(x)", "_LN2 * x", "x.shape", "lambda: 1", "f(*x)"])
def test_what_has_no_sign_is_refused(source: str) -> None:
    with pytest.raises(UnreadableError):
        formula(source)
