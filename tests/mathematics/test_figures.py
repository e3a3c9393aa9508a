"""Numbers as text."""

import numpy as np
import pytest

from tinygrad_edu.mathematics import array_text, number, number_formula, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.73105858, "0.7311"), (-2.5e-7, "−2.5e−7"), (1e20, "1e20"), (0, "0"), (-0.0, "0"),
        (7, "7"), (True, "True"), (float("nan"), "nan"), (float("-inf"), "−∞"), (1 + 2j, "1 + 2i"),
        (complex(1, -0.0), "1 + 0i"), (0.5 - 1j, "0.5 − 1i"), (np.float32(0.25), "0.25"),
        (np.array(3), "3"), (123456.0, "1.235e5"), (10**12, "1e12"), (None, "None"),
    ],
)  # fmt: skip
def test_four_digits_and_one_minus_sign(value: object, text: str) -> None:
    assert number(value) == text


def test_gradients_have_a_sign() -> None:
    assert [signed(x) for x in (0.2, -0.2, 0.0, 1j)] == ["+0.2", "−0.2", "0", "(0 + 1i)"]


def test_latex_has_powers_of_ten() -> None:
    assert number_formula(-2.5e-7).latex == r"-2.5 \cdot 10^{-7}"
    assert number_formula(float("inf")).latex == r"\infty"


def test_small_arrays_are_written_out_and_large_ones_described() -> None:
    assert array_text(np.array([[1.0, 2.0], [3.0, -4.0]])) == "[[1, 2], [3, −4]]"
    assert array_text(np.array(0.5)) == "0.5"
    assert array_text(np.zeros((2, 0))) == "[[], []]"
    assert array_text(np.zeros((20, 3))) == "20 × 3 float64"


@pytest.mark.parametrize(
    ("value", "latex"),
    [
        (1 + 2j, r"1 + 2\,i"),
        (complex(1e-9, -2e30), r"1 \cdot 10^{-9} - 2 \cdot 10^{30}\,i"),
        (complex(-np.inf, np.inf), r"-\infty + \infty\,i"),
        (np.complex64(np.nan), r"\mathrm{nan} + 0\,i"),
    ],
)
def test_both_parts_of_a_complex_number_are_written_as_numbers_are(value, latex):
    found = number_formula(value)
    assert found.latex == latex
    assert "<mi>e</mi>" not in found.mathml
