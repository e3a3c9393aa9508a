"""The numerical derivatives: the published digits, and how exact each method is.

The book's functions are compared with the digits that the book and the articles print. The
accurate methods are compared with calculus: on monomials, where the error of a formula is its
leading term alone, and on five functions with the error that is known for each step.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_edu.numeric import (
    Method,
    directional_derivative,
    gradient_descent,
    numerical_diff,
    numerical_gradient,
    numerical_hessian,
    numerical_jacobian,
)

METHODS: list[Method] = ["central", "five-point", "richardson", "complex-step", "automatic"]
DIFFERENCES = METHODS[:3]

# One call of each function that takes an array, with f and x to be chosen.
ARRAY_CALLS: dict[str, Callable[..., Any]] = {
    "numerical_gradient": numerical_gradient,
    "gradient_descent": gradient_descent,
    "directional_derivative": lambda f, x: directional_derivative(f, x, np.ones(np.shape(x))),
    "numerical_jacobian": numerical_jacobian,
    "numerical_hessian": numerical_hessian,
}


def sum_of_squares(x: NDArray[Any]) -> Any:
    return np.sum(x**2)


def book_loss(w: NDArray[Any], x: NDArray[Any], label: int) -> Any:
    """The book's simpleNet: softmax cross-entropy of x @ w, with 1e-7 inside the logarithm."""
    scores = x @ w
    exponentials = np.exp(scores - scores.max())
    return -np.log(exponentials[label] / exponentials.sum() + 1e-7)


# ---- published digits ----------------------------------------------------------------------------


@pytest.mark.acceptance("S8")
@pytest.mark.acceptance("A9")
@pytest.mark.parametrize(("x", "slope"), [(5, 0.1999999999990898), (10, 0.2999999999986347)])
def test_numerical_diff_of_a_parabola(x: float, slope: float) -> None:
    assert numerical_diff(lambda x: 0.01 * x**2 + 0.1 * x, x) == slope


@pytest.mark.acceptance("S8")
@pytest.mark.acceptance("A10")
def test_numerical_diff_gives_both_partial_derivatives() -> None:
    assert numerical_diff(lambda x0: x0 * x0 + 4.0**2.0, 3.0) == 6.00000000000378
    assert numerical_diff(lambda x1: 3.0**2.0 + x1 * x1, 4.0) == 7.999999999999119


@pytest.mark.acceptance("S9")
@pytest.mark.acceptance("A11")
@pytest.mark.parametrize(
    ("x", "printed"),
    [([3.0, 4.0], "[6. 8.]"), ([0.0, 2.0], "[0. 4.]"), ([3.0, 0.0], "[6. 0.]")],
)
def test_numerical_gradient_of_the_sum_of_squares(x: list[float], printed: str) -> None:
    assert str(numerical_gradient(lambda x: x[0] ** 2 + x[1] ** 2, np.array(x))) == printed


@pytest.mark.acceptance("A10")
def test_numerical_gradient_has_the_digits_of_the_partial_derivatives() -> None:
    gradient = numerical_gradient(lambda x: x[0] ** 2 + x[1] ** 2, np.array([3.0, 4.0]))
    assert gradient.tolist() == [6.00000000000378, 7.999999999999119]


@pytest.mark.acceptance("A12")
@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int64", "float16", "float32", "float64", ">f4"]
)
def test_every_real_dtype_gives_the_float64_answer(dtype: str) -> None:
    x = np.array([3, 4], dtype=dtype)
    seen = set()

    def f(x: NDArray[Any]) -> Any:
        seen.add(x.dtype)
        return x[0] ** 2 + x[1] ** 2

    gradient = numerical_gradient(f, x)
    assert gradient.tolist() == [6.00000000000378, 7.999999999999119]
    assert seen == {gradient.dtype} == {np.dtype(np.float64)}
    assert numerical_diff(lambda x: x * x + 16.0, x[0]) == 6.00000000000378
    assert numerical_diff(lambda x: x * x + 16.0, x)[0] == 6.00000000000378


@pytest.mark.acceptance("A12")
def test_booleans_and_lists_are_converted() -> None:
    assert str(numerical_gradient(sum_of_squares, np.array([True, False]))) == "[2. 0.]"
    assert str(numerical_gradient(sum_of_squares, [3, 4])) == "[6. 8.]"


@pytest.mark.acceptance("S10")
@pytest.mark.parametrize(
    ("lr", "step_num", "printed"),
    [
        pytest.param(
            0.1, 100, "[-6.11110793e-10  8.14814391e-10]", marks=pytest.mark.acceptance("A13")
        ),
        pytest.param(0.1, 20, "[-0.03458765  0.04611686]", marks=pytest.mark.acceptance("A14")),
        pytest.param(
            10.0, 100, "[-2.58983747e+13 -1.29524862e+12]", marks=pytest.mark.acceptance("A15")
        ),
        pytest.param(1e-10, 100, "[-2.99999994  3.99999992]", marks=pytest.mark.acceptance("A15")),
    ],
)
def test_gradient_descent_prints_the_published_digits(
    lr: float, step_num: int, printed: str
) -> None:
    x, _ = gradient_descent(lambda x: x[0] ** 2 + x[1] ** 2, np.array([-3.0, 4.0]), lr, step_num)
    assert str(x) == printed


@pytest.mark.acceptance("S11")
def test_simple_net_of_the_article() -> None:
    w = np.array([[1.78188867, -1.60339216, -1.83076049], [-0.27388719, 0.9192118, -0.79033481]])
    x = np.array([0.6, 0.9])
    published = [[0.4121426, 0.15822056, -0.57036316], [0.6182139, 0.23733084, -0.85554475]]
    # w is rounded by up to 5e-9, which moves a score by up to (0.6 + 0.9) · 5e-9; the published
    # number is rounded by up to 5e-9 itself.
    np.testing.assert_allclose(x @ w, [0.82263473, -0.13474467, -1.80975762], rtol=0, atol=1.25e-8)
    assert np.argmax(x @ w) == 0
    assert book_loss(w, x, 2) == pytest.approx(3.0079485, rel=0, abs=6.5e-8)
    gradient = numerical_gradient(lambda w: book_loss(w, x, 2), w)
    np.testing.assert_allclose(gradient, published, rtol=0, atol=1.25e-8)


@pytest.mark.acceptance("A16")
def test_simple_net_of_the_book() -> None:
    w = np.array([[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]])
    x = np.array([0.6, 0.9])
    published = [[0.21924757, 0.14356243, -0.36281], [0.32887136, 0.21534364, -0.544215]]
    np.testing.assert_allclose(x @ w, [1.05414809, 0.63071653, 1.1328074], rtol=0, atol=1.25e-8)
    assert book_loss(w, x, 2) == pytest.approx(0.9280682857864075, rel=0, abs=1e-12)
    gradient = numerical_gradient(lambda w: book_loss(w, x, 2), w)
    np.testing.assert_allclose(gradient, published, rtol=0, atol=1.25e-8)


# ---- numerical_diff ------------------------------------------------------------------------------


def test_numerical_diff_gives_f_floats_and_answers_with_one() -> None:
    seen: list[float] = []

    def f(x: float) -> float:
        seen.append(x)
        return x * x

    slope = numerical_diff(f, 2, h=0.5)
    assert type(slope) is float
    assert slope == 4.0
    assert seen == [2.5, 1.5]
    assert {type(x) for x in seen} == {float}


def test_numerical_diff_works_element_by_element_on_arrays() -> None:
    x = np.array([[1.0, 2.0, 3.0]])
    slopes = numerical_diff(lambda x: x * x, x, h=0.5)
    assert slopes.tolist() == [[2.0, 4.0, 6.0]]
    assert x.tolist() == [[1.0, 2.0, 3.0]]


def test_numerical_diff_survives_a_function_that_reuses_its_buffer() -> None:
    buffer = np.empty(2)
    slopes = numerical_diff(lambda x: np.multiply(x, x, out=buffer), np.array([1.0, 2.0]), h=0.5)
    assert slopes.tolist() == [2.0, 4.0]


# ---- numerical_gradient --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0)])
def test_gradient_has_the_shape_of_x(shape: tuple[int, ...]) -> None:
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    gradient = numerical_gradient(sum_of_squares, x)
    assert isinstance(gradient, np.ndarray)
    assert gradient.shape == shape
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, 2 * x, rtol=1e-10)


@pytest.mark.parametrize(
    "other",
    [
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1][::-1],
        lambda x: x.astype(">f8"),
    ],
    ids=["fortran", "strided", "negative strides", "big-endian"],
)
def test_memory_layout_does_not_matter(other: Callable[..., NDArray[Any]]) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    f = lambda x: np.sum(np.sin(x) * x[0])
    np.testing.assert_array_equal(numerical_gradient(f, other(x)), numerical_gradient(f, x))


def test_f_is_evaluated_at_one_moved_element_after_the_other() -> None:
    points: list[list[float]] = []

    def f(x: NDArray[Any]) -> float:
        points.append(x.tolist())
        return 0.0

    numerical_gradient(f, np.array([1.0, 2.0]), h=0.25)
    assert points == [[1.25, 2.0], [0.75, 2.0], [1.0, 2.25], [1.0, 1.75]]


@pytest.mark.parametrize("name", ARRAY_CALLS)
def test_the_callers_array_is_not_touched(name: str) -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    kept: list[NDArray[Any]] = []
    x.flags.writeable = False

    def f(argument: NDArray[Any]) -> Any:
        assert not np.shares_memory(argument, x)
        assert argument.flags.writeable
        kept.append(argument)
        return np.sum(argument**2)

    answer = ARRAY_CALLS[name](f, x)
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    arrays = [*kept, *(answer if isinstance(answer, tuple) else [answer])]
    assert not any(np.shares_memory(array, x) for array in arrays)


@pytest.mark.parametrize("name", ARRAY_CALLS)
def test_a_function_may_keep_its_argument(name: str) -> None:
    kept: list[NDArray[Any]] = []
    copies: list[NDArray[Any]] = []

    def f(x: NDArray[Any]) -> Any:
        kept.append(x)
        copies.append(x.copy())
        return np.sum(x**2)

    ARRAY_CALLS[name](f, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(kept, copies)
    assert not np.shares_memory(kept[0], kept[1])


def change_one_element(x: NDArray[Any]) -> Any:
    x[-1] += 1
    return np.sum(x)


def change_the_shape(x: NDArray[Any]) -> Any:
    x.resize((2, 1), refcheck=False)
    return np.sum(x)


@pytest.mark.parametrize("f", [change_one_element, change_the_shape])
@pytest.mark.parametrize("name", ARRAY_CALLS)
def test_a_function_that_changes_its_argument_is_refused(
    name: str, f: Callable[[NDArray[Any]], Any]
) -> None:
    x = np.array([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"f changed the array.*x\.copy\(\)"):
        ARRAY_CALLS[name](f, x)
    assert x.tolist() == [1.0, 2.0]


def test_nan_in_x_is_no_mutation_and_stays_nan() -> None:
    assert np.isnan(numerical_gradient(np.sum, np.array([np.nan, 1.0]))).all()


def test_a_function_that_ignores_its_argument_has_gradient_zero() -> None:
    w = np.array([1.0, 2.0])
    assert numerical_gradient(lambda _: np.sum(w**2), w).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "wrap",
    [
        float,
        np.float64,
        np.float32,
        lambda value: np.array(value),
        lambda value: np.array([value]),
        lambda value: np.array([[value]]),
        Fraction,
        int,
    ],
    ids=["float", "float64", "float32", "0-d", "(1,)", "(1, 1)", "Fraction", "int"],
)
def test_anything_that_is_one_number_is_accepted(wrap: Callable[[Any], Any]) -> None:
    gradient = numerical_gradient(lambda x: wrap(x.sum()), np.array([1.0, 2.0]), h=1.0)
    assert gradient.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (None, "None"),
        (np.ones(2), r"\(2,\) float64"),
        (np.ones((0, 3)), r"\(0, 3\) float64"),
        ([1.0], r"\[1\.0\]"),
        ("many", "'many'"),
        (1 + 2j, r"\(1\+2j\)"),
        (np.complex128(1 + 2j), r"\(\) complex128"),
        (np.array([1 + 2j]), r"\(1,\) complex128"),
    ],
)
def test_anything_else_is_refused_and_told(returned: Any, told: str) -> None:
    with pytest.raises(TypeError, match=f"one real number, got {told}: .*sum.*return.*jacobian"):
        numerical_gradient(lambda _: returned, np.ones(2))


# ---- gradient_descent ----------------------------------------------------------------------------


def test_history_holds_the_point_before_each_step() -> None:
    init_x = np.array([[-3.0, 4.0]])
    x, history = gradient_descent(sum_of_squares, init_x, lr=0.1, step_num=3)
    assert history.shape == (3, 1, 2)
    np.testing.assert_array_equal(history[0], init_x)
    points = [*history, x]
    for before, after in pairwise(points):
        np.testing.assert_array_equal(
            after, before - 0.1 * numerical_gradient(sum_of_squares, before)
        )
    assert not np.shares_memory(x, history)


def test_defaults_are_a_hundred_steps_of_a_hundredth() -> None:
    x, history = gradient_descent(sum_of_squares, [1.0])
    assert history.shape == (100, 1)
    np.testing.assert_allclose(x, [0.98**100], rtol=1e-9)


def test_no_steps_leave_x_where_it_is() -> None:
    x, history = gradient_descent(sum_of_squares, [3, 4], step_num=0)
    assert x.tolist() == [3.0, 4.0]
    assert history.shape == (0, 2)


def test_gradient_descent_of_a_0d_array_stays_an_array() -> None:
    x, history = gradient_descent(sum_of_squares, 1.0, lr=0.5, step_num=2)
    assert isinstance(x, np.ndarray)
    assert x.shape == ()
    assert history.shape == (2,)


@pytest.mark.parametrize("lr", [0.0, -0.1, np.nan, np.inf])
def test_learning_rate_is_positive_and_finite(lr: float) -> None:
    with pytest.raises(ValueError, match="lr must be positive and finite"):
        gradient_descent(sum_of_squares, [1.0], lr=lr)


def test_number_of_steps_is_a_count() -> None:
    with pytest.raises(ValueError, match="step_num must be at least 0, got -1"):
        gradient_descent(sum_of_squares, [1.0], step_num=-1)
    with pytest.raises(TypeError):
        gradient_descent(sum_of_squares, [1.0], step_num=2.5)  # type: ignore[arg-type]


# ---- the accurate methods against calculus -------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "degree", "error"),
    [
        # At 0 the derivative of t**n is 0, so what comes out is the leading error term.
        ("central", 3, lambda h: h**2),
        ("five-point", 5, lambda h: -4 * h**4),
        ("richardson", 7, lambda h: h**6 / 64),
        ("complex-step", 3, lambda h: -(h**2)),
    ],
)
@pytest.mark.parametrize("h", [0.5, 0.125])
def test_leading_error_term(
    method: Method, degree: int, error: Callable[[float], float], h: float
) -> None:
    found = directional_derivative(lambda t: t**degree, 0.0, 1.0, method, h)
    assert found == pytest.approx(error(h), rel=1e-12)


@given(
    method_and_degree=st.sampled_from([("central", 2), ("five-point", 4), ("richardson", 6)]),
    coefficients=st.lists(st.integers(-9, 9), min_size=7, max_size=7),
    x=st.integers(-8, 8).map(lambda k: k / 4),
)
def test_formulas_are_exact_up_to_their_degree(
    method_and_degree: tuple[Method, int], coefficients: list[int], x: float
) -> None:
    method, degree = method_and_degree
    p = np.polynomial.Polynomial(coefficients[: degree + 1])
    found = directional_derivative(p, x, 1.0, method, h=0.25)
    # |p| stays below 9 · 3**7 here and is divided by h = 1/16 at the least.
    assert found == pytest.approx(p.deriv()(x), rel=0, abs=1e-9)


# Largest relative error over 40 points, per column (method, step) of the table.
COLUMNS: list[tuple[Method, float]] = [
    ("central", 1e-3),
    ("central", 1e-4),
    ("central", 1e-5),
    ("central", 1e-6),
    ("central", 1e-8),
    ("five-point", 1e-3),
    ("richardson", 2e-2),
    ("complex-step", 1e-20),
]
FIGURES: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[float]]] = {
    "exp(sin x)": (
        lambda x: np.exp(np.sin(x)),
        lambda x: np.exp(np.sin(x)) * np.cos(x),
        [7e-7, 7e-9, 2e-10, 1e-9, 1e-7, 2e-12, 6e-13, 3e-16],
    ),
    "x³": (
        lambda x: x**3,
        lambda x: 3 * x**2,
        [4e-6, 4e-8, 4e-10, 2e-10, 1e-8, 2e-13, 4e-14, 2e-16],
    ),
    "log x": (
        np.log,
        lambda x: 1 / x,
        [4e-6, 4e-8, 4e-10, 2e-10, 1e-8, 1e-10, 2e-10, 2e-16],
    ),
    "tanh 3x": (
        lambda x: np.tanh(3 * x),
        lambda x: 3 / np.cosh(3 * x) ** 2,
        [6e-6, 6e-8, 3e-9, 5e-8, 5e-6, 7e-11, 2e-11, 5e-16],
    ),
    "1000 + x²": (
        lambda x: 1000 + x**2,
        lambda x: 2 * x,
        [3e-11, 6e-10, 5e-9, 6e-8, 3e-6, 5e-11, 8e-12, 1e-16],
    ),
}


def largest_error(name: str, method: Method, h: float | None) -> float:
    f, derivative, _ = FIGURES[name]
    x = np.linspace(0.3, 1.5, 40)
    found = directional_derivative(f, x, np.ones_like(x), method, h)
    return float(np.max(np.abs(found / derivative(x) - 1)))


@pytest.mark.parametrize("name", FIGURES)
def test_errors_are_those_of_the_table(name: str) -> None:
    figures = FIGURES[name][2]
    errors = [largest_error(name, method, h) for method, h in COLUMNS]
    for column, error, figure in zip(COLUMNS, errors, figures, strict=True):
        assert error <= 10 * figure, column
    # What the table tells apart by a factor of 10 comes in the same order here.
    for i, better in enumerate(figures):
        for j, worse in enumerate(figures):
            if 10 * better <= worse:
                assert errors[i] < errors[j], (COLUMNS[i], COLUMNS[j])


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    ("method", "bound"),
    [("central", 1e-8), ("five-point", 1e-9), ("richardson", 1e-9), ("complex-step", 1e-14)],
)
def test_default_steps_are_good_ones(name: str, method: Method, bound: float) -> None:
    assert largest_error(name, method, None) <= bound


# ---- directional_derivative ----------------------------------------------------------------------

finite = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(
    method=st.sampled_from(METHODS),
    pairs=st.lists(st.tuples(finite, finite), min_size=1, max_size=4),
)
def test_default_step_is_the_largest_allowed(
    method: Method, pairs: list[tuple[float, float]]
) -> None:
    x, v = np.array(pairs).T
    points: list[NDArray[Any]] = []

    def f(point: NDArray[Any]) -> Any:
        points.append(point)
        return np.sum(point)

    directional_derivative(f, x, v, method)
    # The farthest point lies 2h away for five points, h for the others.
    relative = {"central": 6e-6, "five-point": 2e-3, "richardson": 2e-2, "complex-step": 1e-20}
    relative["automatic"] = 1e-1
    moved = max(np.max(np.abs(point - x) / np.maximum(1, np.abs(x))) for point in points)
    # point - x is rounded to a multiple of eps |x|, at most 2e-16 of max(1, |x|).
    expected = relative[method] if v.any() else 0.0
    tolerance = 0.0 if method == "complex-step" else 1e-15
    assert moved == pytest.approx(expected, rel=1e-12, abs=tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_result_is_the_jacobian_times_the_direction(method: Method) -> None:
    rng = np.random.default_rng(0)
    x, v, matrix = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    found = directional_derivative(lambda x: np.sin(x @ matrix), x, v, method)
    np.testing.assert_allclose(found, np.cos(x @ matrix) * (v @ matrix), rtol=1e-8)
    tripled = directional_derivative(lambda x: np.sin(x @ matrix), x, 3 * v, method)
    np.testing.assert_allclose(tripled, 3 * found, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_result_is_a_float64_array_even_if_0d(method: Method) -> None:
    found = directional_derivative(lambda x: x * x, np.float32(3), 1, method)
    assert isinstance(found, np.ndarray)
    assert found.shape == ()
    assert found.dtype == np.float64
    assert found == pytest.approx(6, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(2,), (0,), (3, 0)])
def test_nothing_moves_along_zero_and_in_an_empty_array(
    method: Method, shape: tuple[int, ...]
) -> None:
    found = directional_derivative(np.exp, np.ones(shape), np.zeros(shape), method)
    np.testing.assert_array_equal(found, np.zeros(shape))


@pytest.mark.parametrize("method", METHODS)
def test_a_function_may_reuse_its_buffer(method: Method) -> None:
    buffers = {kind: np.empty(2, kind) for kind in (np.float64, np.complex128)}
    f = lambda x: np.multiply(x, x, out=buffers[x.dtype.type])
    x = np.array([1.0, 2.0])
    for found in (
        directional_derivative(f, x, np.ones(2), method),
        np.diag(numerical_jacobian(f, x, method)),
    ):
        np.testing.assert_allclose(found, [2.0, 4.0], rtol=1e-9)


@pytest.mark.parametrize("method", DIFFERENCES)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_steps_and_counts_are_flat(method: Method, dtype: type) -> None:
    found = directional_derivative(lambda x: (x > 0).astype(dtype), [-1.0, 1.0], [1, 1], method)
    assert found.tolist() == [0.0, 0.0]


def test_falling_unsigned_counts_do_not_wrap_around() -> None:
    f = lambda x: (x < 0).astype(np.uint8)
    assert directional_derivative(f, 0.0, 1.0, "central", h=0.5) == -1.0


@pytest.mark.parametrize("method", DIFFERENCES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex128])
def test_an_answer_in_another_precision_is_refused(method: Method, dtype: type) -> None:
    with pytest.raises(TypeError, match=f"answer in float64, got {np.dtype(dtype)}"):
        directional_derivative(lambda x: x.astype(dtype), [1.0], [1.0], method)


@pytest.mark.parametrize("f", [np.abs, np.real, lambda x: x.astype(np.complex64)])
def test_complex_step_refuses_what_it_cannot_see_through(f: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"answer in complex128, got .*five-point"):
        directional_derivative(f, [1.0], [1.0], "complex-step")


def test_none_is_refused() -> None:
    with pytest.raises(TypeError, match="answer in float64, got object"):
        directional_derivative(lambda _: None, [1.0], [1.0])  # type: ignore[arg-type,return-value]


def test_big_endian_answers_are_float64_too() -> None:
    found = directional_derivative(lambda x: (3 * x).astype(">f8"), [1.0], [1.0])
    np.testing.assert_allclose(found, [3.0], rtol=1e-12)
    assert found.dtype == np.float64
    assert found.dtype.isnative


def test_a_shape_that_changes_is_refused() -> None:
    f = lambda x: x if x[0] > 1 else x[:1]
    with pytest.raises(ValueError, match=r"one shape at all points, got .*\(1,\)"):
        directional_derivative(f, [1.0, 2.0], [1.0, 0.0])


def test_the_direction_has_the_shape_of_x() -> None:
    with pytest.raises(ValueError, match=r"shape of x, \(2,\), got \(\)"):
        directional_derivative(np.exp, [1.0, 2.0], 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_point_and_direction_are_finite(value: float) -> None:
    with pytest.raises(ValueError, match="x must be finite"):
        directional_derivative(np.tanh, [value, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="direction must be finite"):
        directional_derivative(np.tanh, [0.0, 1.0], [value, 1.0])


def test_an_unknown_method_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=f"one of {', '.join(METHODS)}; got 'six-point'") as caught:
        directional_derivative(np.exp, [1.0], [1.0], "six-point")  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)


# ---- numerical_jacobian --------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x_shape", [(), (3,), (2, 3), (0,), (0, 2)])
@pytest.mark.parametrize("result_shape", [(), (4,), (2, 2)])
def test_jacobian_of_a_linear_function_is_its_matrix(
    method: Method, x_shape: tuple[int, ...], result_shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=result_shape + x_shape)
    x = rng.normal(size=x_shape)
    found = numerical_jacobian(lambda x: np.tensordot(matrix, x, len(x_shape)), x, method)
    assert found.shape == matrix.shape
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, matrix, rtol=0, atol=1e-9)


def test_each_element_has_a_step_of_its_own_size() -> None:
    x = np.array([1e6, 1e-3])
    np.testing.assert_allclose(numerical_jacobian(np.sin, x[1:]), np.cos(x[1:])[None], rtol=1e-10)
    found = numerical_jacobian(lambda x: np.log(x[0]) + np.sin(x[1]), x)
    np.testing.assert_allclose(found, [1e-6, np.cos(1e-3)], rtol=1e-10)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=4))
def test_central_jacobian_with_the_books_step_is_the_books_gradient(x: list[float]) -> None:
    f = lambda x: np.sum(np.sin(x) * x[::-1] ** 2)
    found = numerical_jacobian(f, x, method="central", h=1e-4)
    np.testing.assert_array_equal(found, numerical_gradient(f, x))


# ---- bad input that every function refuses -------------------------------------------------------


@pytest.mark.parametrize("x", [1j, [1 + 2j], np.array(["a"]), np.array([None])])
@pytest.mark.parametrize("name", [*ARRAY_CALLS, "numerical_diff"])
def test_x_is_real(name: str, x: Any) -> None:
    call = ARRAY_CALLS.get(name, numerical_diff)
    with pytest.raises(TypeError, match=r"x must hold real numbers, got dtype .*float64"):
        call(np.sum, x)


def test_values_of_numerical_diff_and_the_direction_are_real() -> None:
    with pytest.raises(TypeError, match=r"f\(x \+ h\) must hold real numbers, got .*complex"):
        numerical_diff(lambda x: x * 1j, 1.0)  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="direction must hold real numbers"):
        directional_derivative(np.exp, 1.0, 1j)


@pytest.mark.parametrize("h", [0.0, -1e-4, np.nan, np.inf])
def test_step_is_positive_and_finite(h: float) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: numerical_diff(np.sin, 1.0, h),
        lambda: numerical_gradient(np.sum, [1.0], h),
        lambda: directional_derivative(np.sin, [1.0], [1.0], h=h),
        lambda: numerical_jacobian(np.sin, [1.0], h=h),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="h must be positive and finite"):
            call()


# ---- the step that is found, and second derivatives ----------------------------------------------


@pytest.mark.parametrize("scale", [1e-2, 1.0, 100.0])
def test_the_automatic_step_serves_every_scale(scale: float) -> None:
    for x in np.linspace(-2, 2, 9) / scale:
        found = directional_derivative(lambda x: np.sin(scale * x), x, 1.0, "automatic")
        np.testing.assert_allclose(found, scale * np.cos(scale * x), rtol=0, atol=1e-10 * scale)


def test_the_automatic_step_stays_inside_the_domain() -> None:
    for x in (0.09, 0.3, 5.0):
        found = directional_derivative(np.log, x, 1.0, "automatic")
        np.testing.assert_allclose(found, 1 / x, rtol=1e-10)


def test_the_automatic_step_is_chosen_for_each_element() -> None:
    found = directional_derivative(
        lambda x: np.array([np.sin(200 * x), x**3, 1000 + x, 0 * x]), 0.7, 1.0, "automatic"
    )
    expected = [200 * np.cos(140), 3 * 0.49, 1, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize(
    ("method", "tolerance"),
    [
        ("central", 1e-5),
        ("five-point", 1e-7),
        ("richardson", 1e-8),
        ("complex-step", 1e-11),
        ("automatic", 1e-8),
    ],
)
def test_the_hessian_of_every_method(method: Method, tolerance: float) -> None:
    x = np.array([[0.3, 1.2], [0.8, 2.0]])

    def f(x: NDArray[Any]) -> Any:
        return np.array([np.sum(np.exp(x[0]) * x[1] ** 2), x[0, 0] * x[1, 1] * x[0, 1]])

    expected = np.zeros((2, 2, 2, 2, 2))
    for j in range(2):
        expected[0, 0, j, 0, j] = np.exp(x[0, j]) * x[1, j] ** 2
        expected[0, 0, j, 1, j] = expected[0, 1, j, 0, j] = 2 * np.exp(x[0, j]) * x[1, j]
        expected[0, 1, j, 1, j] = 2 * np.exp(x[0, j])
    names = [(0, 0), (1, 1), (0, 1)]
    for a in range(3):
        for b in range(3):
            if a != b:
                expected[(1, *names[a], *names[b])] = x[names[3 - a - b]]
    found = numerical_hessian(f, x, method)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=10 * tolerance)
    np.testing.assert_array_equal(found, np.transpose(found, (0, 3, 4, 1, 2)))


def test_a_step_of_the_callers_serves_both_derivatives() -> None:
    found = numerical_hessian(lambda x: x**2, 3.0, "central", h=0.5)
    assert found == 2.0
    assert numerical_hessian(lambda x: x**4, 0.0, "central", h=0.5) == 8 * 0.5**2


def test_the_hessian_tells_the_known_methods() -> None:
    unknown: Any = "six-point"
    with pytest.raises(ValueError, match="one of central"):
        numerical_hessian(np.sum, np.ones(2), unknown)
