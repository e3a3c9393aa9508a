"""What single activations promise: values, kinks, digits, and the ends of the number line.

The laws that every row obeys are in ``test_laws.py``.
"""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import grad
from tinygrad_edu.errors import OpError
from tinygrad_edu.ops import activation as ops
from tinygrad_edu.ops import softmax

INF, NAN = math.inf, math.nan
UNARY = [
    row for row in OPS.values() if row.group == "activation" and row.kind == "elementwise"
    and len(row.arguments) == 1
]  # fmt: skip


def derivatives(f, x, order):
    """Return f and its first derivatives at x."""
    values = []
    for _ in range(order + 1):
        values.append(f(np.array(x)).item())
        f = grad(f)
    return values


def slopes(f, points):
    """Return the derivatives of an elementwise function, as a list."""
    return grad(lambda x: np.sum(f(x)))(np.array(points, float)).tolist()


def called(row, x):
    """Return the row of x; a threshold needs its parameters."""
    return row(x, 0.1, 20.0) if row.name == "threshold" else row(x)


# ------------------------------------------------------------------------------ values

X = np.array([-3.5, -3.0, -1.0, -0.5, -0.0, 0.0, 0.3, 1.0, 2.5, 3.0, 7.0])
SIGMOID = 1 / (1 + np.exp(-X))
PHI = np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in X])
CLOSED_FORMS = {
    "relu": (ops.relu, [0, 0, 0, 0, 0, 0, 0.3, 1, 2.5, 3, 7]),
    "relu6": (ops.relu6, [0, 0, 0, 0, 0, 0, 0.3, 1, 2.5, 3, 6]),
    "leaky_relu": (ops.leaky_relu, [-0.035, -0.03, -0.01, -0.005, 0, 0, 0.3, 1, 2.5, 3, 7]),
    "prelu": (
        lambda x: ops.prelu(x, np.array(0.5)),
        [-1.75, -1.5, -0.5, -0.25, 0, 0, 0.3, 1, 2.5, 3, 7],
    ),
    "hardtanh": (ops.hardtanh, [-1, -1, -1, -0.5, 0, 0, 0.3, 1, 1, 1, 1]),
    "hardsigmoid": (
        ops.hardsigmoid,
        [0, 0, 1 / 3, 2.5 / 6, 0.5, 0.5, 0.55, 2 / 3, 5.5 / 6, 1, 1],
    ),
    "hardswish": (
        ops.hardswish,
        [0, 0, -1 / 3, -1.25 / 6, 0, 0, 0.165, 2 / 3, 13.75 / 6, 3, 7],
    ),
    "elu": (lambda x: ops.elu(x, alpha=2), np.where(X > 0, X, 2 * (np.exp(X) - 1))),
    "celu": (lambda x: ops.celu(x, alpha=2), np.where(X > 0, X, 2 * (np.exp(X / 2) - 1))),
    "selu": (
        ops.selu,
        1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * (np.exp(X) - 1)),
    ),
    "sigmoid": (ops.sigmoid, SIGMOID),
    "logsigmoid": (ops.logsigmoid, np.log(SIGMOID)),
    "softplus": (ops.softplus, np.log(1 + np.exp(X))),
    "softsign": (ops.softsign, X / (1 + np.abs(X))),
    "silu": (ops.silu, X * SIGMOID),
    "mish": (ops.mish, X * np.tanh(np.log(1 + np.exp(X)))),
    "gelu_tanh": (
        ops.gelu_tanh,
        0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3))),
    ),
    "gelu": (ops.gelu, X * PHI),
    "gelu, tanh form": (lambda x: ops.gelu(x, "tanh"), ops.gelu_tanh(X)),
    "quick_gelu": (ops.quick_gelu, X / (1 + np.exp(-1.702 * X))),
    "softplus, beta": (lambda x: ops.softplus(x, beta=2), np.log(1 + np.exp(2 * X)) / 2),
    "squareplus": (ops.squareplus, (X + np.sqrt(X * X + 4)) / 2),
    "squareplus, b": (lambda x: ops.squareplus(x, b=0.25), (X + np.sqrt(X * X + 0.25)) / 2),
    "log_cosh": (ops.log_cosh, np.log(np.cosh(X))),
    "threshold": (lambda x: ops.threshold(x, 1, 20), [20] * 8 + [2.5, 3, 7]),
    "softshrink": (ops.softshrink, [-3, -2.5, -0.5, 0, 0, 0, 0, 0.5, 2, 2.5, 6.5]),
    "hardshrink": (
        lambda x: ops.hardshrink(x, lambd=1),
        [-3.5, -3, 0, 0, 0, 0, 0, 0, 2.5, 3, 7],
    ),
    "tanhshrink": (ops.tanhshrink, X - np.tanh(X)),
    "rrelu": (ops.rrelu, np.where(X > 0, X, X * (1 / 8 + 1 / 3) / 2)),
    "erf": (ops.erf, [math.erf(x) for x in X]),
    "erfc": (ops.erfc, [math.erfc(x) for x in X]),
    "softmin": (ops.softmin, np.exp(-X) / np.exp(-X).sum()),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_value_is_the_closed_form(name):
    function, expected = CLOSED_FORMS[name]
    np.testing.assert_allclose(function(X), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(function(Tensor(X)).numpy(), function(X))


GATES = {
    "glu": lambda b: 1 / (1 + np.exp(-b)),
    "reglu": lambda b: np.maximum(b, 0),
    "swiglu": lambda b: b / (1 + np.exp(-b)),
    "geglu": lambda b: b * np.array([(1 + math.erf(v / math.sqrt(2))) / 2 for v in b]),
}


@pytest.mark.parametrize("name", GATES)
def test_a_gated_unit_is_the_first_half_times_the_gate_of_the_second(name):
    x = X[:10]
    expected = x[:5] * GATES[name](x[5:])
    np.testing.assert_allclose(OPS[name](x), expected, rtol=1e-13)
    columns = OPS[name](Tensor(x[:, None]), axis=0)
    np.testing.assert_allclose(columns.numpy()[:, 0], expected, rtol=1e-13)
    with pytest.raises(OpError, match=rf"{name}: axis 0 of length 11(.|\n)*fix"):
        OPS[name](X, axis=0)


def test_softmax2d_runs_over_channels():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    found = ops.softmax2d(Tensor(x)).numpy()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(found[1], ops.softmax2d(x[1]))
    np.testing.assert_array_equal(found, softmax(x, axis=1))
    with pytest.raises(OpError, match=r"softmax2d: x has 2 axes(.|\n)*fix"):
        ops.softmax2d(x[0, 0])


def test_names_of_other_libraries_are_the_same_rows():
    assert ops.swish is ops.silu
    assert ops.log_sigmoid is ops.logsigmoid
    assert (ops.hard_tanh, ops.hard_swish) == (ops.hardtanh, ops.hardswish)


# ------------------------------------------------------------------------------ error function


def exact_erfc(x):
    """Return erfc(x) to 40 digits: by its power series, or its continued fraction where x > 5."""
    with localcontext() as context:
        context.prec = 70
        x = Decimal(x)
        pi = Decimal("3.1415926535897932384626433832795028841971693993751058209749445923078164")
        if x > 5:
            fraction = Decimal(0)
            for k in range(300, 0, -1):
                fraction = Decimal(k) / 2 / (x + fraction)
            return (-x * x).exp() / (pi.sqrt() * (x + fraction))
        total, term, n = Decimal(0), x, 0
        while abs(term) > Decimal(10) ** -60:
            total += term / (2 * n + 1)
            n += 1
            term *= -x * x / n
        return 1 - 2 / pi.sqrt() * total


POINTS = [*np.linspace(-5, 26.5, 64).tolist(), -0.46875, 0.46875, 4.0, 1e-3, 1e-10, 0.4687, 4.001]


@pytest.mark.parametrize("x", POINTS)
def test_erf_and_erfc_are_right_to_double_precision(x):
    true = exact_erfc(x)
    assert abs(Decimal(ops.erfc(np.array(x)).item()) / true - 1) < Decimal("1.2e-15")
    assert ops.erf(np.array(x)).item() == pytest.approx(math.erf(x), rel=5e-16)
    assert ops.erf(np.array(-x)).item() == -ops.erf(np.array(x)).item()


def test_the_error_function_at_the_ends():
    ends = np.array([-INF, -1000.0, -0.0, 1000.0, INF, NAN])
    np.testing.assert_array_equal(ops.erf(ends), [-1, -1, 0, 1, 1, NAN])
    np.testing.assert_array_equal(ops.erfc(ends), [2, 2, 1, 0, 0, NAN])
    assert math.copysign(1, ops.erf(np.array(-0.0))) == -1
    assert ops.erf(np.array(5e-324)) == 5e-324
    assert ops.erfc(27.0) == pytest.approx(math.erfc(27), rel=1e-4)  # a subnormal number
    for function in (ops.erf, ops.erfc, ops.gelu):
        for x in (-INF, -1e300, -1000.0, 1000.0, 1e300):
            assert np.isfinite(derivatives(function, x, 3)[1:]).all()
    for function, at_infinity in ((ops.erf, 0), (ops.erfc, 0), (ops.gelu, 1)):
        assert slopes(function, [-INF, INF]) == [0, at_infinity]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_keeps_its_dtype_and_its_digits_in_it(dtype):
    x = np.linspace(-6, 6, 101).astype(dtype)
    eps = np.finfo(dtype).eps
    for function, true in ((ops.erf, math.erf), (ops.erfc, math.erfc)):
        found = function(x)
        assert found.dtype == dtype
        expected = np.array([true(v) for v in x.tolist()])
        np.testing.assert_allclose(found, expected, rtol=40 * eps, atol=0)


def test_derivatives_of_erf_are_hermite_polynomials_times_the_bell():
    bell = 2 / math.sqrt(math.pi) * math.exp(-0.49)
    expected = [math.erf(0.7), bell, -2 * 0.7 * bell, (4 * 0.49 - 2) * bell]
    assert derivatives(ops.erf, 0.7, 3) == pytest.approx(expected, rel=1e-14)


def test_erfinv_inverts_erf():
    y = np.concatenate([np.linspace(-5.8, 5.8, 59), [1e-300, 1e-12, 0.6, -0.6]])
    x = np.array([math.erf(v) for v in y])
    # Near ±1 a rounding of x moves y by eps / slope.
    slack = 1e-15 * np.abs(y) + 2.3e-16 / (2 / math.sqrt(math.pi) * np.exp(-y * y)) * np.abs(x)
    assert (np.abs(ops.erfinv(x) - y) <= slack).all()
    np.testing.assert_array_equal(ops.erfinv(np.array([-1.0, 0.0, 1.0, NAN])), [-INF, 0, INF, NAN])
    assert slopes(ops.erfinv, [0.0]) == pytest.approx([math.sqrt(math.pi) / 2])
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(ops.erfinv(np.array([1.5]))).all()
    assert ops.erfinv(np.float32(0.999)).dtype == np.float32


@given(st.floats(-1 + 2**-53, 1 - 2**-53))
def test_erf_of_erfinv_is_the_number(x):
    y = ops.erfinv(np.array(x)).item()
    assert abs(math.erf(y) - x) <= 1e-15 * abs(x) + 5e-324  # the last digit of a subnormal number
    assert abs(y) < 5.9


def test_gelu_keeps_its_digits_where_it_is_small():
    for x in (-0.1, -3.0, -10.0, -30.0):
        with localcontext() as context:
            context.prec = 60
            true = Decimal(x) / 2 * exact_erfc(-Decimal(x) / Decimal(2).sqrt())
        assert abs(Decimal(ops.gelu(np.array(x)).item()) / true - 1) < Decimal("5e-14")
    np.testing.assert_array_equal(
        ops.gelu(np.array([-INF, -1000.0, 1000.0, INF])), [0, 0, 1e3, INF]
    )
    assert slopes(ops.gelu, [0.0, 1000.0, -1000.0]) == [0.5, 1, 0]
    with pytest.raises(OpError, match=r"approximate='erf'(.|\n)*'none' or 'tanh'"):
        ops.gelu(X, approximate="erf")


# ------------------------------------------------------------------------------ large and small


@pytest.mark.hazard(19)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name",
    [*(row.name for row in UNARY if not row.singular and row.name != "threshold"), "tanh"],
)
def test_activations_neither_warn_nor_leave_the_numbers_at_a_thousand(name, dtype):
    x = np.array([-1000.0, -100.0, 0.0, 100.0, 1000.0], dtype)
    t = Tensor(x, requires_grad=True)
    y = OPS[name](t)
    y.backward(np.ones_like(x))
    assert np.isfinite(y.numpy()).all()
    assert np.isfinite(t.grad).all()
    assert y.dtype == t.grad.dtype == dtype


@pytest.mark.hazard(19)
def test_sigmoid_keeps_its_digits_where_it_is_small():
    true = math.exp(-700)  # 1 / (1 + e^700) to the last digit
    value, slope, curvature = derivatives(ops.sigmoid, -700.0, 2)
    assert value == pytest.approx(true, rel=1e-9)
    assert slope == pytest.approx(true, rel=1e-9)
    assert curvature == pytest.approx(true, rel=1e-9)
    assert ops.sigmoid(np.array([-INF, -1000.0, 0.0, 1000.0, INF])).tolist() == [0, 0, 0.5, 1, 1]


@pytest.mark.hazard(19)
def test_its_relatives_keep_their_digits_too():
    true = math.exp(-700)
    assert ops.softplus(-700.0) == pytest.approx(true, rel=1e-9)
    assert ops.logsigmoid(700.0) == pytest.approx(-true, rel=1e-9)
    assert ops.logsigmoid(-700.0) == -700
    assert ops.silu(-700.0) == pytest.approx(-700 * true, rel=1e-9)
    assert ops.mish(-700.0) == pytest.approx(-700 * true, rel=1e-9)
    assert derivatives(ops.softplus, -700.0, 1)[1] == pytest.approx(true, rel=1e-9)
    assert derivatives(ops.logsigmoid, 700.0, 1)[1] == pytest.approx(true, rel=1e-9)
    # 1 + tanh(u) is 2 e^(2u) for large negative u; in this form tanh alone would give 0.
    u = math.sqrt(2 / math.pi) * (-8 - 0.044715 * 512)
    assert ops.gelu_tanh(-8.0) == pytest.approx(-8 * math.exp(2 * u), rel=1e-9)


@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
def test_nan_stays_nan(row):
    with np.errstate(invalid="ignore"):  # np.logaddexp itself warns of nan
        assert np.isnan(called(row, np.array([NAN]))).all()


def test_small_values_are_not_lost_in_differences():
    assert ops.log_cosh(1e-9) == pytest.approx(5e-19, rel=1e-14)
    assert ops.log_cosh(800.0) == 800 - math.log(2)
    near, far = ops.log_cosh(np.array([1 - 1e-12, 1.0]))
    assert near == pytest.approx(far, rel=1e-11)
    assert ops.squareplus(-1e9) == pytest.approx(1e-9, rel=1e-14)
    assert ops.squareplus(1e200) == 1e200
    assert slopes(ops.tanhshrink, [1e-9]) == pytest.approx([1e-18], rel=1e-14)


# ------------------------------------------------------------------------------ kinks


@pytest.mark.parametrize(
    ("function", "points", "expected"),
    [
        (ops.relu, [-1, -0.0, 0, 2], [0, 0, 0, 1]),
        (ops.leaky_relu, [-1, 0, 2], [0.01, 0.01, 1]),
        (lambda x: ops.leaky_relu(x, negative_slope=0.2), [-1, 0, 2], [0.2, 0.2, 1]),
        (ops.relu6, [-1, 0, 2, 6, 7], [0, 0, 1, 0, 0]),
        (ops.hardtanh, [-2, -1, 0, 1, 2], [0, 0, 1, 0, 0]),
        (ops.hardsigmoid, [-4, -3, 0, 3, 4], [0, 0, 1 / 6, 0, 0]),
        (ops.hardswish, [-4, -3, 0, 3, 4], [0, 0, 0.5, 1, 1]),
        (ops.elu, [0, 1], [1, 1]),
        (lambda x: ops.elu(x, alpha=0.5), [0, 1], [0.5, 1]),
        (ops.celu, [0, 1], [1, 1]),
        (ops.softsign, [-1, 0, 1], [0.25, 1, 0.25]),
        (lambda x: ops.threshold(x, 1, 20), [-1, 1, 2], [0, 0, 1]),
        (ops.softshrink, [-1, -0.5, 0, 0.5, 1], [1, 0, 0, 0, 1]),
        (ops.hardshrink, [-1, -0.5, 0, 0.5, 1], [1, 0, 0, 0, 1]),
        (ops.log_cosh, [0], [0]),
        (ops.squareplus, [0], [0.5]),
    ],
)
def test_slope_at_a_kink_is_what_the_policy_says(function, points, expected):
    assert slopes(function, points) == pytest.approx(expected, rel=1e-15)


def test_prelu_learns_its_slope():
    x, weight = np.array([[-2.0, 3.0], [-1.0, -4.0]]), np.array([0.5, 0.25])
    gx, gw = grad(lambda x, w: np.sum(ops.prelu(x, w)), (0, 1))(x, weight)
    assert gx.tolist() == [[0.5, 1], [0.5, 0.25]]
    assert gw.tolist() == [-3, -4]


def test_rrelu_draws_its_slopes_from_the_generator():
    x = np.full((40, 50), -2.0)
    t = Tensor(x, requires_grad=True)
    y = ops.rrelu(t, rng=np.random.default_rng(3))
    drawn = y.numpy() / x
    assert (drawn >= 1 / 8).all()
    assert (drawn <= 1 / 3).all()
    assert drawn.mean() == pytest.approx((1 / 8 + 1 / 3) / 2, abs=0.005)
    y.sum().backward()
    np.testing.assert_allclose(t.grad, drawn, rtol=1e-15)
    again = ops.rrelu(x, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(again, y.numpy())
    assert ops.rrelu(np.float32([-1, 1]), rng=np.random.default_rng(0)).dtype == np.float32
    np.testing.assert_array_equal(ops.rrelu(x, slopes=np.array(0.5)), x / 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.rrelu(X, rng=7), "rng=7 is no generator"),
        (lambda: ops.rrelu(X, lower=0.5, upper=0.1), "lower=0.5, upper=0.1"),
        (lambda: ops.softshrink(X, lambd=-1), "softshrink: lambd=-1"),
        (lambda: ops.hardshrink(X, lambd=NAN), "hardshrink: lambd=nan"),
        (lambda: ops.squareplus(X, b=0), "squareplus: b=0"),
    ],
)
def test_bad_parameters_are_refused_with_the_fix(call, words):
    with pytest.raises(OpError, match=rf"{words}(.|\n)*fix: "):
        call()


# ------------------------------------------------------------------------------ dtype and shape


@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3)])
def test_unary_rows_keep_float32_and_stay_arrays(row, shape):
    t = Tensor(np.full(shape, 0.35, np.float32), requires_grad=True)
    y = called(row, t)
    y.backward(np.ones(shape, np.float32))
    for array in (y.numpy(), t.grad):
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float32
        assert array.shape == shape


@pytest.mark.hazard(10)
@pytest.mark.parametrize(
    "f",
    [
        lambda x: ops.leaky_relu(x, negative_slope=0.1),
        lambda x: ops.elu(x, alpha=0.5),
        lambda x: ops.hardtanh(x, min_val=-0.5, max_val=0.5),
        lambda x: ops.softplus(x, beta=2.5),
        lambda x: ops.squareplus(x, b=2.5),
        lambda x: ops.softshrink(x, lambd=0.25),
        lambda x: ops.hardshrink(x, lambd=0.25),
        lambda x: ops.threshold(x, 0.5, 0.25),
        lambda x: ops.gelu(x, approximate="tanh"),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_numbers_never_widen_float32(f, shape):
    t = Tensor(np.full(shape, 0.7, np.float32), requires_grad=True)
    y = f(t)
    assert y.dtype == np.float32
    (rule,) = y.node.op.rules
    g = np.ones(shape, np.float32)  # before the sweep projects it
    assert rule(g, y.node.result, *y.node.primals, **y.node.params).dtype == np.float32


GATED = ["silu", "mish", "gelu_tanh", "quick_gelu", "hardswish", "gelu"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", GATED)
def test_gated_activations_are_0_at_minus_infinity_and_x_at_infinity(name, dtype):
    row = getattr(ops, name)
    x = Tensor(np.array([-np.inf, -1e4, 1e4, np.inf], dtype), requires_grad=True)
    y = row(x)
    y.sum().backward()
    np.testing.assert_array_equal(y.numpy(), [0, 0, 1e4, np.inf])
    np.testing.assert_array_equal(x.grad, [0, 0, 1, 1])
    bend = grad(lambda x: np.sum(grad(lambda x: np.sum(row(x)))(x)))(x.numpy())
    np.testing.assert_array_equal(bend.numpy(), np.zeros(4))


def test_logit_is_the_inverse_of_sigmoid():
    x = np.array([-700.0, -30.0, -1e-9, 0.0, 0.3, 20.0])
    np.testing.assert_allclose(ops.logit(ops.sigmoid(x)), x, rtol=1e-7, atol=1e-16)
    h = np.array([1e-15, 1e-8])
    near = (0.5 + h) - 0.5
    np.testing.assert_allclose(ops.logit(0.5 + near), 4 * near, rtol=1e-15)
    np.testing.assert_array_equal(ops.logit(np.array([0.0, 1.0])), [-np.inf, np.inf])


def test_logit_limits_its_argument_to_eps():
    x = Tensor([0.0, 0.05, 0.5, 1.0], requires_grad=True)
    y = ops.logit(x, 0.1)
    y.sum().backward()
    np.testing.assert_allclose(y.numpy(), np.log([1 / 9, 1 / 9, 1, 9]), rtol=1e-14)
    np.testing.assert_array_equal(x.grad, [0, 0, 4, 0])
    with pytest.raises(OpError, match=r"from 0 to 0\.5"):
        ops.logit(x, 0.6)
