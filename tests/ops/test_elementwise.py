"""What single elementwise rows promise: values, kinks, and numbers at the edges of their domains.

The laws that every row obeys are in ``test_laws.py``.
"""

import math

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import grad, jvp
from tinygrad_edu.errors import GradientTypeError, UnsupportedError
from tinygrad_edu.ops import elementwise as ops

INF, NAN = math.inf, math.nan


def derivatives(f, x, order):
    """Return f and its first derivatives at x."""
    values = []
    for _ in range(order + 1):
        values.append(f(np.array(x)).item())
        f = grad(f)
    return values


def slopes(f, *args):
    """Return the derivatives of a function with respect to each argument, as lists."""
    argnums = tuple(range(len(args)))
    arrays = [np.array(arg, float) for arg in args]
    return [g.tolist() for g in grad(lambda *t: np.sum(f(*t)), argnums)(*arrays)]


# ------------------------------------------------------------------------------ values

X = np.array([-3.5, -3.0, -1.0, -0.5, -0.0, 0.0, 0.3, 1.0, 2.5, 3.0, 7.0])
CLOSED_FORMS = {
    "rsqrt": (lambda x: ops.rsqrt(x * x + 1), (X * X + 1) ** -0.5),
    "clip": (lambda x: ops.clip(x, -1, 2), [-1, -1, -1, -0.5, 0, 0, 0.3, 1, 2, 2, 2]),
    "round": (lambda x: ops.round(x, 0), [-4, -3, -1, 0, 0, 0, 0, 1, 2, 3, 7]),
    "xlogy": (lambda x: ops.xlogy(x, np.exp(X)), X * X),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_value_is_the_closed_form(name):
    function, expected = CLOSED_FORMS[name]
    np.testing.assert_allclose(function(X), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(function(Tensor(X)).numpy(), function(X))


def test_every_numpy_function_of_a_row_computes_what_numpy_computes():
    t = Tensor([0.2, 0.7])
    for function in (np.tanh, np.log2, np.sinc, np.degrees, np.radians, np.fabs, np.around):
        np.testing.assert_array_equal(function(t).numpy(), function(t.numpy()))
    for function in (np.fmod, np.mod, np.pow, np.arctan2, np.logaddexp2, np.fmin, np.not_equal):
        np.testing.assert_array_equal(function(t, 0.6).numpy(), function(t.numpy(), 0.6))
    np.testing.assert_array_equal(np.where(t > 0.5, t, -1.0).numpy(), [-1.0, 0.7])


def test_clip_takes_its_bounds_in_every_spelling():
    t = Tensor([-2.0, 0.0, 2.0], requires_grad=True)
    for clipped in (
        np.clip(t, -1, 1),
        np.clip(t, a_min=-1, a_max=1),
        np.clip(t, min=-1, max=1),
        t.clip(-1, 1),
        ops.clamp(t, min=-1, max=1),
    ):
        assert clipped.tolist() == [-1, 0, 1]
    assert np.clip(t, None, 1).tolist() == [-2, 0, 1]
    assert np.clip(t, 0.5, None).tolist() == [0.5, 0.5, 2]
    assert slopes(lambda x: np.clip(x, None, 1), [-2.0, 1.0, 3.0]) == [[1, 0, 0]]
    assert np.clip(t, Tensor([-3.0, 1.0, 0.0]), 1).tolist() == [-2, 1, 1]


def test_clip_refuses_a_bound_that_wants_a_gradient():
    bound = Tensor(1.0, requires_grad=True)
    with pytest.raises(GradientTypeError, match="requires a gradient"):
        np.clip(Tensor([0.0]), 0, bound)


def test_keywords_of_ufuncs_are_refused_by_name():
    t = Tensor([1.0])
    with pytest.raises(UnsupportedError, match="out="):
        np.exp(t, out=np.zeros(1))
    with pytest.raises(UnsupportedError, match="where="):
        np.add(t, t, where=np.array([True]))


# ------------------------------------------------------------------------------ large and small


def test_expm1_keeps_the_digits_of_its_slope():
    assert derivatives(np.expm1, -40.0, 1)[1] == pytest.approx(math.exp(-40), rel=1e-12)


def test_logaddexp_takes_minus_infinity():
    found = slopes(np.logaddexp, [-INF, -INF, 0, 1000], [-INF, 0, -INF, 1000])
    np.testing.assert_allclose(found, [[0, 0, 1, 0.5], [0, 1, 0, 0.5]], rtol=0, atol=1e-13)


def test_slopes_near_the_end_of_the_domain_are_exact():
    x = 1 - 2.0**-40  # 1 - x² = 2^-39 - 2^-80
    assert derivatives(np.arcsin, x, 1)[1] == pytest.approx((2**-39 - 2**-80) ** -0.5, rel=1e-14)
    assert derivatives(np.arctanh, x, 1)[1] == pytest.approx(1 / (2**-39 - 2**-80), rel=1e-14)


@pytest.mark.parametrize("x", [0.0, 1e-300, 1e-8, 1e-3, 0.1, 0.2499, 0.2501, 0.7])
def test_sinc_is_smooth_through_its_removable_points(x):
    def term(k, order):  # of Σ (-1)^k π^2k x^2k / (2k + 1)!, differentiated
        if 2 * k < order:
            return 0.0
        factor = math.perm(2 * k, order)
        return (
            (-1) ** k
            * math.pi ** (2 * k)
            * factor
            * x ** (2 * k - order)
            / math.factorial(2 * k + 1)
        )

    expected = [math.fsum(term(k, order) for k in range(20)) for order in range(4)]
    values = derivatives(np.sinc, x, 3)
    np.testing.assert_allclose(values[:3], expected[:3], rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(values[3], expected[3], rtol=1e-11, atol=1e-300)


# ------------------------------------------------------------------------------ kinks and ties


@pytest.mark.parametrize(
    ("function", "points", "expected"),
    [
        (np.abs, [-1, -0.0, 0.0, 2], [-1, 0, 0, 1]),
        (np.sign, [-1, 0, 2], [0, 0, 0]),
        (np.floor, [-0.5, 0, 2], [0, 0, 0]),
        (lambda x: np.clip(x, -1, 1), [-2, -1, 0, 1, 2], [0, 0, 1, 0, 0]),
        (np.sqrt, [0, 4], [0, 0.25]),
        (np.cbrt, [0, 8], [0, 1 / 12]),
    ],
)
def test_slope_at_a_kink_is_what_the_policy_says(function, points, expected):
    assert slopes(function, points) == [pytest.approx(expected, rel=1e-15)]


@pytest.mark.hazard(22)
@pytest.mark.parametrize("function", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_ties_share_equally_and_the_shares_add_up(function):
    a, b = slopes(function, [1, 2, 3, INF], [1, 3, 2, INF])
    assert a[0] == b[0] == a[3] == b[3] == 0.5
    assert np.add(a, b).tolist() == [1, 1, 1, 1]
    assert sorted([a[1], a[2]]) == [0, 1]


def test_fmax_and_fmin_give_nan_no_gradient():
    for function in (np.fmax, np.fmin):
        assert slopes(function, [NAN, 1], [2, NAN]) == [[0, 1], [1, 0]]


def test_remainders_agree_with_their_quotients():
    # 1 / 0.1 rounds to 10, but the remainder of the binary numbers leaves a quotient of 9.
    assert slopes(np.remainder, [1, 7, -7], [0.1, 2, 2]) == [[1, 1, 1], [-9, -3, 4]]
    assert slopes(np.fmod, [1, 7, -7], [0.1, 2, 2]) == [[1, 1, 1], [-9, -3, 3]]
    assert slopes(np.floor_divide, [7.0], [2.0]) == [[0], [0]]


def test_heaviside_passes_a_gradient_only_to_the_value_at_the_step():
    assert slopes(np.heaviside, [-1, 0, 1], [0.5, 0.5, 0.5]) == [[0, 0, 0], [0, 1, 0]]


# ------------------------------------------------------------------------------ zero and infinity


@pytest.mark.hazard(21)
def test_exp_of_minus_square_at_zero_to_fourth_order():
    assert derivatives(lambda x: np.exp(-(x**2)), 0.0, 4) == [1, 0, -2, 0, 12]
    assert derivatives(lambda x: np.exp(-np.square(x)), 0.0, 4) == [1, 0, -2, 0, 12]


@pytest.mark.hazard(21)
@pytest.mark.hazard("beyond: zero")
@pytest.mark.parametrize("b", [0, 1, 2, 3, 0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("kind", ["number", "array", "tensor"])
def test_whole_powers_at_zero_are_polynomials(b, kind):
    exponent = {"number": b, "array": np.array(float(b)), "tensor": Tensor(b, dtype=float)}[kind]
    expected = [float(math.factorial(int(b))) if k == b else 0.0 for k in range(4)]
    assert derivatives(lambda x: x**exponent, 0.0, 3) == expected
    assert derivatives(lambda x: 1.0 * (x - 2) ** exponent, 2.0, 3) == expected


@pytest.mark.hazard(21)
def test_zero_to_the_power_of_y_has_no_gradient():
    for base in (0, 0.0, np.array(0.0)):
        assert derivatives(lambda y, base=base: base**y, 2.0, 3) == [0, 0, 0, 0]
        assert derivatives(lambda y, base=base: base**y, 0.0, 2) == [1, 0, 0]
    a, b = grad(lambda a, b: a**b, (0, 1))(0.0, 0.5)
    assert (a.item(), b.item()) == (0, 0)


def test_power_differentiates_in_base_and_exponent_together():
    # ∂²/∂a∂b of a^b is a^(b-1) (1 + b ln a), also at b = 0.
    for b in (0.0, 0.5, 2.0):
        mixed = grad(lambda b: grad(lambda a: a**b)(3.0))(b).item()
        assert mixed == pytest.approx(3 ** (b - 1) * (1 + b * math.log(3)), rel=1e-14)
    assert derivatives(lambda x: 2**x, 3.0, 2) == pytest.approx(
        [8, 8 * math.log(2), 8 * math.log(2) ** 2]
    )
    assert slopes(lambda a: a**-2.0, [-2.0, 0.5]) == [[0.25, -16]]


@pytest.mark.hazard(20)
@pytest.mark.hazard("beyond: zero")
@pytest.mark.parametrize("root", [np.sqrt, np.cbrt, lambda x: x**0.5, lambda x: np.power(x, 0.25)])
def test_roots_at_zero_have_finite_derivatives_of_every_order(root):
    assert derivatives(root, 0.0, 3) == [0, 0, 0, 0]
    assert derivatives(lambda x: root(x * x), 0.0, 2) == [0, 0, 0]


@pytest.mark.hazard(20)
def test_hypot_and_arctan2_at_the_origin():
    for function in (np.hypot, np.arctan2):
        for i in (0, 1):
            first = grad(function, i)
            assert first(0.0, 0.0).item() == 0
            assert [grad(first, j)(0.0, 0.0).item() for j in (0, 1)] == [0, 0]


def test_xlogy_at_zero():
    assert ops.xlogy(np.array([0.0, 0.0]), np.array([0.0, 2.0])).tolist() == [0, 0]
    assert slopes(ops.xlogy, [0, 0, 2], [0, 2, 2]) == [
        [0, math.log(2), math.log(2)],
        [0, 0, 1],
    ]
    assert slopes(lambda x: ops.xlogy(x, 2), [0.0, 3.0]) == [[math.log(2), math.log(2)]]


SINGULAR = {
    "log": (np.log, 0.0),
    "log2": (np.log2, 0.0),
    "log10": (np.log10, 0.0),
    "log1p": (np.log1p, -1.0),
    "rsqrt": (ops.rsqrt, 0.0),
    "reciprocal": (np.reciprocal, 0.0),
    "divide": (lambda x: 1 / x, 0.0),
    "divide by the number 0": (lambda x: x / 0, 1.0),
    "power": (lambda x: x**-1.0, 0.0),
    "arcsin": (np.arcsin, 1.0),
    "arccosh": (np.arccosh, 1.0),
    "arctanh": (np.arctanh, -1.0),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_infinite_slope_times_no_cotangent_is_nothing(name):
    function, point = SINGULAR[name]
    t = Tensor([point], requires_grad=True)
    with np.errstate(all="ignore"):
        y = function(t)
    y.backward(np.zeros(1))  # and the rule itself does not warn
    assert t.grad.tolist() == [0]
    y = OPS["identity"](t)
    with np.errstate(all="ignore"):
        y = function(y)
    y.backward(np.ones(1))
    assert np.isinf(t.grad).all()


BRANCHES = {
    "sqrt": np.sqrt,
    "log": np.log,
    "log10": np.log10,
    "reciprocal": np.reciprocal,
    "divide": lambda x: 1 / x,
    "x / x": lambda x: x / x,
    "power": lambda x: x**0.5,
    "power below 0": lambda x: x**-1.5,
    "array power": lambda x: x ** np.array(0.5),
    "x log x": lambda x: x * np.log(x),
    "x x log": lambda x: x * (x * np.log(x)),
    "log of sqrt": lambda x: np.log(np.sqrt(x)),
    "cbrt of log": lambda x: np.cbrt(np.log(x)),
    "arcsin": lambda x: np.arcsin(2 / x),
    "exp of reciprocal": lambda x: np.exp(1 / x),
}


@pytest.mark.hazard(16)
@pytest.mark.hazard("beyond: where")
@pytest.mark.parametrize("name", BRANCHES)
@pytest.mark.parametrize("swapped", [False, True])
def test_where_stops_what_the_branch_not_taken_says(name, swapped):
    branch = BRANCHES[name]
    x = np.array([-1.0, 0.0, -0.0, 4.0])
    taken = x > 2

    def masked(t):
        with np.errstate(all="ignore"):  # the forward pass of the branch not taken may warn
            inside = branch(t)
        chosen = np.where(~taken, 3 * t, inside) if swapped else np.where(taken, inside, 3 * t)
        return np.sum(chosen)

    value, slope, curvature = derivatives(branch, 4.0, 2)
    assert math.isfinite(value)
    first = grad(masked)(x).numpy()
    np.testing.assert_allclose(first, [3, 3, 3, slope], rtol=1e-13)
    second = grad(lambda t: np.sum(grad(masked)(t)))(x).numpy()
    np.testing.assert_allclose(second, [0, 0, 0, curvature], rtol=1e-12, atol=1e-15)


def test_where_stops_infinity_in_forward_mode():
    x = np.array([0.0, 4.0])
    with np.errstate(all="ignore"):
        _, tangent = jvp(lambda t: np.where(x > 1, np.log(t), 0.0), (x,), (np.ones(2),))
    assert tangent.tolist() == [0, 0.25]


def test_where_moves_with_both_branches_and_not_with_its_condition():
    mask = np.array([True, False])
    _, tangent = jvp(lambda a, b: np.where(mask, a, b), (X[:2], X[2:4]), (np.ones(2), -np.ones(2)))
    assert tangent.tolist() == [1, -1]
    # A number beside the tensor, and a condition that is itself a function of what moves.
    value, tangent = jvp(lambda t: np.where(t, 2 * t, 1.0), (np.array([0.0, 3.0]),), (np.ones(2),))
    assert value.tolist() == [1, 6]
    assert tangent.tolist() == [0, 2]


# ------------------------------------------------------------------------------ dtype and shape

UNARY = [
    row
    for row in OPS.values()
    if row.group == "elementwise" and row.differentiable and len(row.arguments) == 1
]


@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.name)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3)])
def test_unary_rows_keep_float32_and_stay_arrays(row, shape):
    low, high = row.domain.get(row.arguments[0], (0.0, 1.0))
    t = Tensor(np.full(shape, min(low + 0.35, (low + high) / 2), np.float32), requires_grad=True)
    y = row(t)
    y.backward(np.ones(shape, np.float32))
    for array in (y.numpy(), t.grad):
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float32
        assert array.shape == shape


@pytest.mark.hazard(10)
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 1,
        lambda x: 2.5 - x,
        lambda x: x * 0.1,
        lambda x: x / 3,
        lambda x: 3 / x,
        lambda x: x**2,
        lambda x: x**0.5,
        lambda x: 2**x,
        lambda x: 2.5**x,
        lambda x: x % 0.3,
        lambda x: x // 0.3,
        lambda x: np.maximum(x, 0.5),
        lambda x: np.fmin(0.5, x),
        lambda x: np.where(x > 0.3, x, 0.0),
        lambda x: np.clip(x, 0.0, 1.0),
        lambda x: np.logaddexp(x, 1.0),
        lambda x: np.hypot(x, 1.0),
        lambda x: np.arctan2(1.0, x),
        lambda x: ops.xlogy(x, 2.0),
        lambda x: ops.xlogy(2.0, x),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_numbers_never_widen_float32(f, shape):
    t = Tensor(np.full(shape, 0.7, np.float32), requires_grad=True)
    y = f(t)
    assert y.dtype == np.float32
    node = y.node
    g = np.ones(shape, np.float32)
    for rule, upstream in zip(node.op.rules, node.upstream, strict=True):
        if upstream is not None:  # before the sweep projects it
            assert rule(g, node.result, *node.primals, **node.params).dtype == np.float32


def test_masks_are_boolean_and_carry_no_gradient():
    t = Tensor([1.0, NAN, INF], requires_grad=True)
    for mask, expected in [
        (t > 1, [False, False, True]),
        (t == t, [True, False, True]),
        (np.isnan(t), [False, True, False]),
        (np.isinf(t), [False, False, True]),
        (np.isfinite(t) & (t < 2), [True, False, False]),
        (~np.isfinite(t) | (t == 1), [True, True, True]),
        (np.logical_xor(t > 0, t > 1), [True, False, False]),
        (np.array([True, True, False]) & (t > 0), [True, False, False]),
    ]:
        assert mask.dtype == bool
        assert not mask.requires_grad
        assert mask.tolist() == expected


def test_bits_of_whole_numbers():
    a, b = Tensor([6, 5]), np.array([3, 3])
    assert (a & b).tolist() == [2, 1]
    assert (a | b).tolist() == [7, 7]
    assert (b & a).tolist() == [2, 1]
    assert np.bitwise_xor(a, b).tolist() == [5, 6]
    assert (~a).tolist() == [-7, -6]


def test_rows_say_what_happens_at_their_kinks():
    for row in OPS.values():
        if row.group == "elementwise" and (row.kinks or row.singular):
            assert row.policy, row.name


# ------------------------------------------------------------------------------ other functions


def test_float_power_makes_floats_of_whole_numbers_and_keeps_float32():
    y = np.float_power(Tensor([2, 3]), -1)
    np.testing.assert_array_equal(y.numpy(), np.float_power([2, 3], -1))
    assert y.dtype == np.float64
    assert np.float_power(Tensor(np.ones(2, np.float32)), 2).dtype == np.float32


def test_frexp_gives_a_fraction_with_a_gradient_and_a_whole_number():
    x = Tensor([0.0, 3.0, -0.1, 8.0, 5e-324, np.inf], requires_grad=True)
    fraction, power = np.frexp(x)
    expected = np.frexp(x.numpy())
    np.testing.assert_array_equal(fraction.numpy(), expected[0])
    np.testing.assert_array_equal(power.numpy()[:-1], expected[1][:-1])
    assert not power.requires_grad
    fraction[1:4].sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 1 / 4, 8, 1 / 16, 0, 0])


def test_xlog1py_is_exact_near_0_and_0_where_a_is():
    a, b = np.array([2.0, 0.0, 0.0, 0.0]), np.array([1e-20, -1.0, -5.0, np.inf])
    np.testing.assert_array_equal(ops.xlog1py(a, b), [2e-20, 0, 0, 0])
    slopes = [g.numpy() for g in grad(lambda a, b: np.sum(ops.xlog1py(a, b)), (0, 1))(a, b)]
    np.testing.assert_array_equal(slopes[0][:3], [1e-20, 0, 0])
    np.testing.assert_array_equal(slopes[1], [2, 0, 0, 0])


def test_a_mixture_has_exact_ends():
    a, b = np.array([1e16, 0.1]), np.array([1.0, 0.3])
    np.testing.assert_array_equal(ops.lerp(a, b, 0.0), a)
    np.testing.assert_array_equal(ops.lerp(a, b, 1.0), b)
    np.testing.assert_allclose(ops.lerp(a, b, 0.25), 0.75 * a + 0.25 * b)
    np.testing.assert_array_equal(ops.addcmul(1.0, a, b, value=2), 1 + 2 * (a * b))
    np.testing.assert_array_equal(ops.addcdiv(1.0, a, b), 1 + a / b)


WHOLE = [np.gcd, np.lcm, np.left_shift, np.right_shift]


@pytest.mark.parametrize("function", WHOLE)
def test_functions_of_whole_numbers(function):
    a, b = np.array([12, 18, 7]), np.array([2, 3, 1])
    found = function(Tensor(a), b)
    assert not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), function(a, b))


def test_infinities_by_their_sign():
    x = Tensor([-np.inf, 0.0, np.inf, np.nan], requires_grad=True)
    np.testing.assert_array_equal(np.isposinf(x).numpy(), [False, False, True, False])
    np.testing.assert_array_equal(np.isneginf(x).numpy(), [True, False, False, False])
    np.testing.assert_array_equal(np.spacing(x[1:2]).numpy(), [5e-324])
    np.testing.assert_array_equal(np.bitwise_count(Tensor([5, 0])).numpy(), [2, 0])


def test_other_names_are_the_same_rows():
    pairs = {
        "neg": "negative", "sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power",
        "true_divide": "divide", "fix": "trunc", "acos": "arccos", "atan2": "arctan2",
        "expand": "broadcast_to", "row_stack": "vstack", "ger": "outer", "amax": "max",
        "amin": "min", "expit": "sigmoid", "trapz": "trapezoid", "ascontiguousarray": "identity",
    }  # fmt: skip
    for name, row in pairs.items():
        assert getattr(tg, name) is OPS[row], name
