"""Derivatives as functions, nested in any mix, against closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_edu.ops as ops
from tinygrad_edu.core.graph import ancestors
from tinygrad_edu.core.op import OPS, elementwise, op
from tinygrad_edu.core.switch import enable_grad, is_recording, no_grad
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.core.transforms import (
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from tinygrad_edu.errors import GradientError, GradientTypeError, OpTypeError

REAL = st.floats(-2, 2)
VECTORS = hnp.arrays(np.float64, st.integers(1, 4), elements=REAL)
RNG = np.random.default_rng(7)
M = RNG.normal(size=(3, 3))
X, V, U = RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=3)


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


def close(found, expected, **tolerance):
    """Whether a Tensor holds the expected values, to 1e-12 unless told otherwise."""
    np.testing.assert_allclose(
        found.numpy(), expected, **({"rtol": 1e-12, "atol": 1e-12} | tolerance)
    )


# ------------------------------------------------------------------------------ closed forms


def wave(x):
    """A function whose derivatives mix all elements: sin(x · Mx)."""
    return np.sin(x @ (M @ x))


S = M + M.T
WAVE = {
    "gradient": lambda x: np.cos(x @ M @ x) * (S @ x),
    "hessian": lambda x: np.cos(x @ M @ x) * S - np.sin(x @ M @ x) * np.outer(S @ x, S @ x),
}


@given(VECTORS)
def test_grad_of_a_sum_of_powers(x):
    close(grad(lambda y: np.sum(y**3))(x), 3 * x**2)


@given(hnp.arrays(np.float64, 3, elements=REAL))
def test_grad_and_hessian_of_a_function_that_mixes_its_elements(x):
    close(grad(wave)(x), WAVE["gradient"](x), atol=1e-10)
    close(hessian(wave)(x), WAVE["hessian"](x), atol=1e-10)


@given(VECTORS)
def test_value_and_grad_gives_both(x):
    value, gradient = value_and_grad(lambda y: np.sum(np.exp(y)))(x)
    close(value, np.exp(x).sum())
    close(gradient, np.exp(x))
    assert not value.requires_grad
    assert not gradient.requires_grad


@given(hnp.arrays(np.float64, 3, elements=REAL), hnp.arrays(np.float64, 3, elements=REAL))
def test_vjp_is_the_jacobian_from_the_left_and_jvp_from_the_right(x, v):
    def f(y):
        return np.tanh(M @ y)

    jacobian_matrix = (1 - np.tanh(M @ x) ** 2)[:, None] * M
    value, pullback = vjp(f, x)
    close(value, np.tanh(M @ x))
    close(pullback(v)[0], v @ jacobian_matrix)
    close(pullback(2 * v)[0], 2 * v @ jacobian_matrix)  # the graph is kept
    value, tangent = jvp(f, (x,), (v,))
    close(value, np.tanh(M @ x))
    close(tangent, jacobian_matrix @ v)


SHAPED = {
    "wide to narrow": (lambda x: np.sum(np.sin(x), axis=0), (3, 2)),
    "narrow to wide": (lambda x: np.outer(np.sin(x), x), (3,)),
    "scalar to vector": (lambda x: np.stack([x, x * x, np.exp(x)]), ()),
    "vector to scalar": (lambda x: np.sum(x) * x[0], (3,)),
    "square": (lambda x: np.tanh(x @ x.T), (2, 2)),
    "a slice": (lambda x: x[1:, ::2] ** 2, (3, 3)),
    "extremes": (lambda x: np.max(x, axis=1) * np.min(x), (2, 3)),
    "joined": (lambda x: np.concatenate([x, x[:1] * 2, np.ones(1)]), (2,)),
}


@pytest.mark.parametrize("name", SHAPED)
def test_the_jacobian_is_the_same_in_reverse_and_in_forward_mode(name):
    f, shape = SHAPED[name]
    x = np.random.default_rng(1).normal(size=shape)
    reverse, forward = jacobian(f, mode="reverse")(x), jacobian(f, mode="forward")(x)
    assert reverse.shape == forward.shape == np.shape(f(x)) + shape
    close(forward, reverse.numpy())
    close(jacobian(f)(x), reverse.numpy())
    h = 1e-6
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = h
        slope = (f(x + step) - f(x - step)) / (2 * h)
        np.testing.assert_allclose(reverse.numpy()[(..., *index)], slope, atol=1e-8)


def test_the_jacobian_of_an_empty_function_is_empty():
    found = jacobian(lambda x: x[:0] * 2.0)(np.ones(3))
    assert found.shape == (0, 3)
    assert jacobian(lambda x: x * 2.0)(np.ones((0, 2))).shape == (0, 2, 0, 2)


def test_derivatives_keep_the_dtype():
    x = np.ones(3, np.float32)
    for found in (
        grad(lambda y: np.sum(y * y))(x),
        jacobian(np.sin)(x),
        jacobian(np.sin, mode="forward")(x),
        hessian(lambda y: np.sum(y**3))(x),
        hvp(lambda y: np.sum(y**3), x, np.ones(3)),
        jvp(np.sin, (x,), (np.ones(3),))[1],
        vjp(np.sin, x)[1](np.ones(3))[0],
    ):
        assert found.dtype == np.float32


def test_whole_numbers_of_python_are_real_numbers():
    assert grad(lambda x: x * x)(2).item() == 4.0
    assert jvp(lambda x: x * x, (2,), (1,))[1].item() == 4.0


# ------------------------------------------------------------------------------ arguments


def cubic(a, b, *, scale=1.0):
    return np.sum(a * b * b) * scale


def test_argnums_choose_what_is_differentiated():
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    close(grad(cubic)(a, b), b * b)
    close(grad(cubic, 1)(a, b), 2 * a * b)
    close(grad(cubic, -1)(a, b), 2 * a * b)
    first, second = grad(cubic, (0, 1))(a, b)
    close(first, b * b)
    close(second, 2 * a * b)
    value, (only,) = value_and_grad(cubic, (1,))(a, b, scale=10.0)
    close(value, 10 * (a * b * b).sum())
    close(only, 20 * a * b)
    close(jacobian(lambda x, y: x * y, 1)(a, b), np.diag(a))
    close(hessian(cubic, 1)(a, b), np.diag(2 * a))


def test_an_argument_that_is_not_chosen_stays_as_it_is():
    seen = []

    def f(x, table):
        seen.append(table)
        return x * table["factor"]

    assert grad(f)(2.0, {"factor": 3.0}).item() == 3.0
    assert seen == [{"factor": 3.0}]


def test_a_transform_keeps_what_the_function_says_of_itself():
    for transformed in (grad(cubic), value_and_grad(cubic), jacobian(cubic), hessian(cubic)):
        assert transformed.__name__ == "cubic"
        assert transformed.__wrapped__ is not None


def test_hvp_and_vjp_take_several_primals():
    a, b, da, db = np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.ones(2), np.array([0.5, -1.0])
    found = hvp(cubic, (a, b), (da, db))
    close(found[0], 2 * b * db)
    close(found[1], 2 * b * da + 2 * a * db)
    _, pullback = vjp(lambda x, y: x * y, a, b)
    for cotangent, expected in zip(pullback(da), (b, a), strict=True):
        close(cotangent, expected)
    _, tangent = jvp(lambda x, y: x * y, (a, b), (da, db))
    close(tangent, da * b + a * db)


CONSTANT = [lambda _x: Tensor(1.0), lambda x: Tensor(x.numpy().sum())]


@pytest.mark.parametrize("f", CONSTANT)
def test_a_function_that_ignores_its_argument_has_zero_derivatives(f):
    x = np.array([1.0, 2.0])
    close(grad(f)(x), np.zeros(2))
    close(hvp(f, x, np.ones(2)), np.zeros(2))
    close(jvp(f, (x,), (np.ones(2),))[1], 0.0)
    close(jacobian(f)(x), np.zeros(2))
    close(jacobian(f, mode="forward")(x), np.zeros(2))
    close(hessian(f)(x), np.zeros((2, 2)))
    close(vjp(f, x)[1](1.0)[0], np.zeros(2))


@pytest.mark.parametrize(
    "f", [lambda x: float(np.sum(x * x)), lambda x: x.numpy().sum(), lambda _x: 1.0, lambda _x: 1]
)
def test_a_result_that_has_lost_its_gradient_is_refused_and_not_zero(f):
    x = np.array([1.0, 2.0])
    for call in (grad(f), jacobian(f), lambda x: vjp(f, x), lambda x: hvp(f, x, x)):
        with pytest.raises(
            GradientTypeError, match=r"returned a \w+, not a tensor\n(.|\n)*float\(\)"
        ):
            call(x)


def test_a_function_of_a_parameter_alone_has_zero_derivatives():
    w, x = Parameter([1.0, 2.0]), np.array([3.0, 4.0])

    def f(_x):
        return (w * w).sum()

    for found in (grad(f)(x), jacobian(f)(x), jacobian(f, mode="forward")(x), hvp(f, x, x)):
        close(found, np.zeros(2))
    close(jvp(f, (x,), (x,))[1], 0.0)


def test_a_gradient_with_respect_to_an_argument_that_is_not_used_is_zero():
    a, b = grad(lambda a, b: np.sum(a), (0, 1))(np.ones(2), np.ones(3))  # noqa: ARG005 - the point
    close(a, np.ones(2))
    close(b, np.zeros(3))
    w, v = leaf([1.0]), leaf([1.0, 2.0])
    found = gradients((w * 2.0).sum(), [v, w])
    close(found[0], [0.0, 0.0])
    close(found[1], [2.0])
    close(jvp(lambda x, y: y * 2.0, (1.0, 2.0), (1.0, 0.0))[1], 0.0)  # noqa: ARG005 - the point


def test_a_linear_function_has_a_zero_hessian():
    close(hessian(lambda x: np.sum(x * 3.0))(np.ones(2)), np.zeros((2, 2)))
    close(hvp(lambda x: np.sum(x * 3.0), np.ones(2), np.ones(2)), np.zeros(2))


def test_gradients_of_results_inside_the_graph():
    w = leaf([1.0, 2.0])
    y = w * w
    z = (y * y).sum()
    dy, dw, dz = gradients(z, [y, w, z])
    close(dy, 2 * np.array([1.0, 4.0]))
    close(dw, 4 * np.array([1.0, 8.0]))
    close(dz, 1.0)


def test_gradients_of_nothing_are_nothing():
    w = leaf(1.0)
    assert gradients(w * w, []) == ()
    assert w.grad is None


# ------------------------------------------------------------------------------ nested in any mix

DERIVATIVES = {
    "grad": grad,
    "jvp": lambda f: lambda x: jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: vjp(f, x)[1](1.0)[0],
    "jacobian reverse": lambda f: jacobian(f, mode="reverse"),
    "jacobian forward": lambda f: jacobian(f, mode="forward"),
    "value_and_grad": lambda f: lambda x: value_and_grad(f)(x)[1],
}


@pytest.mark.parametrize("order", list(itertools.product(DERIVATIVES, repeat=3)), ids="-".join)
def test_third_derivatives_agree_in_any_nesting(order):
    def f(x):
        return np.sin(x) * np.exp(x / 2) + x**3 / (1 + x * x)

    derivative = f
    for name in order:
        derivative = DERIVATIVES[name](derivative)
    # Written out with the complex exponential, and by partial fractions: x³/(1+x²) = x - x/(1+x²).
    x, k = 0.7, 0.5 + 1j
    c = 1 / (x + 1j)  # x/(1+x²) = Re 1/(x+i)
    expected = (k**3 * np.exp(k * x)).imag - (-6 * c**4).real
    close(derivative(x), expected, rtol=1e-11)


def forward_over_reverse(f, x, v):
    return jvp(grad(f), (x,), (v,))[1]


def reverse_over_forward(f, x, v):
    return grad(lambda y: jvp(f, (y,), (v,))[1])(x)


def reverse_over_reverse(f, x, v):
    return grad(lambda y: np.sum(grad(f)(y) * v))(x)


def forward_over_forward(f, x, v):
    basis = np.eye(x.size)
    rows = [jvp(lambda y, e=e: jvp(f, (y,), (e,))[1], (x,), (v,))[1] for e in basis]
    return np.stack(rows)


PRODUCTS = [
    hvp,
    forward_over_reverse,
    reverse_over_forward,
    reverse_over_reverse,
    forward_over_forward,
]

LABELS = np.array([0, 2])
INPUTS = RNG.normal(size=(2, 1))
FUNCTIONS = {
    "wave": wave,
    "softmax": lambda x: np.sum(ops.softmax(x) * np.arange(3.0)),
    "logsumexp": lambda x: ops.logsumexp(np.sin(x) * 3),
    "prod": lambda x: np.prod(x + 2),
    "norm-like": lambda x: np.sqrt(np.sum(x * x) + 1),
    "max": lambda x: np.max(x) * np.sum(x**2),
    "indexed": lambda x: np.sum(x[np.array([0, 0, 2])] ** 3 * x[1]),
    "where": lambda x: np.sum(np.where(x > 0, x**3, np.sin(x))),
    "quotient": lambda x: np.sum(x / (1 + x[::-1] ** 2)),
    "fused linear": lambda x: np.sum(
        ops.linear(INPUTS, np.reshape(x, (1, 3)), x, activation="tanh") ** 2
    ),
    "fused cross-entropy": lambda x: ops.softmax_cross_entropy(
        np.sin(INPUTS * np.reshape(x, (1, 3))) * 2, LABELS
    ),
    "fused square": lambda x: ops.mean_squared_error(np.tanh(x) * x, np.ones(3)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("product", PRODUCTS, ids=lambda f: f.__name__)
def test_hessian_times_vector_agrees_in_any_mix(name, product):
    f = FUNCTIONS[name]
    h = 1e-5
    slope = (grad(f)(X + h * V).numpy() - grad(f)(X - h * V).numpy()) / (2 * h)
    found = product(f, X, V)
    close(found, slope, rtol=1e-6, atol=1e-7)
    close(found, (hessian(f)(X).numpy() @ V), rtol=1e-10)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_hessian_is_symmetric(name):
    found = hessian(FUNCTIONS[name])(X).numpy()
    np.testing.assert_allclose(found, found.T, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_third_order_of_hvp_is_that_of_the_hessian(name):
    f = FUNCTIONS[name]
    of_product = grad(lambda x: np.sum(hvp(f, x, V) * U))(X)
    third = jacobian(hessian(f))(X).numpy()
    close(of_product, np.einsum("ijk,i,j->k", third, U, V), rtol=1e-9)
    pushed = jvp(lambda x: hvp(f, x, V), (X,), (U,))[1]
    close(pushed, np.einsum("ijk,j,k->i", third, V, U), rtol=1e-9)


def test_hvp_differentiates_with_respect_to_its_vector():
    v = leaf(V)
    (hvp(wave, X, v) * U).sum().backward()
    np.testing.assert_allclose(v.grad, WAVE["hessian"](X) @ U)


def test_a_tangent_and_a_cotangent_carry_gradients():
    t = leaf(V)
    (jvp(np.sin, (X,), (t,))[1] * U).sum().backward()
    np.testing.assert_allclose(t.grad, np.cos(X) * U)
    c = leaf(V)
    _, pullback = vjp(np.sin, X)
    (pullback(c)[0] * U).sum().backward()
    np.testing.assert_allclose(c.grad, np.cos(X) * U)


# --------------------------------------------------------------------------- perturbation confusion

INNER = {name: DERIVATIVES[name] for name in ("grad", "jvp", "vjp", "jacobian forward")}


@pytest.mark.parametrize("outer", INNER)
@pytest.mark.parametrize("inner", INNER)
def test_a_derivative_inside_another_is_not_confused_with_it(outer, inner):
    # d/dx x · d/dy (x + y) = 1; who confuses dx with dy gets 2.
    def f(x):
        return x * INNER[inner](lambda y: x + y)(1.0)

    assert INNER[outer](f)(5.0).item() == 1.0


@pytest.mark.parametrize("outer", INNER)
@pytest.mark.parametrize("inner", INNER)
def test_the_inner_derivative_at_the_outer_point(outer, inner):
    # d/dx x · d/dy (x y) at y = x: x · x, whose derivative is 2x.
    def f(x):
        return x * INNER[inner](lambda y: x * y)(x)

    assert INNER[outer](f)(5.0).item() == 10.0


def test_a_tangent_of_the_outer_pass_does_not_leak_into_the_inner():
    def f(x):
        return jvp(lambda y: x * y, (x,), (x,))[1]  # x · x

    assert jvp(f, (3.0,), (1.0,))[1].item() == 6.0
    assert grad(f)(3.0).item() == 6.0


# ------------------------------------------------------------------------- closures over parameters


@pytest.mark.acceptance("E10")
def test_a_gradient_of_a_gradient_with_backward():
    x = leaf(2.0)
    y = x**2
    (gx,) = gradients(y, [x], create_graph=True)
    z = gx**3 + y
    z.backward()
    assert x.grad == 100.0


def test_a_gradient_penalty_reaches_the_parameters():
    w, x = Parameter([[1.0, -2.0], [0.5, 3.0]]), np.array([0.3, 0.7])
    gradient = grad(lambda y: np.sum(np.sin(y @ w)))(x)
    ((gradient**2).sum() - 1.0).backward()

    def penalty(weight):
        return ((weight @ np.cos(x @ weight)) ** 2).sum()

    h, expected = 1e-6, np.zeros((2, 2))
    for i, j in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[i, j] = h
        expected[i, j] = (penalty(w.numpy() + step) - penalty(w.numpy() - step)) / (2 * h)
    np.testing.assert_allclose(w.grad, expected, rtol=1e-8)


CLOSURES = {
    # each gives a scalar that is 6 w² at x = 1 for f(x) = w² x³, so that d/dw = 12 w
    "grad": lambda f: grad(f)(1.0) * 2.0,
    "value_and_grad value": lambda f: value_and_grad(f)(1.0)[0] * 6.0,
    "value_and_grad": lambda f: value_and_grad(f)(1.0)[1] * 2.0,
    "vjp value": lambda f: vjp(f, 1.0)[0] * 6.0,
    "vjp": lambda f: vjp(f, 1.0)[1](2.0)[0],
    "jvp value": lambda f: jvp(f, (1.0,), (1.0,))[0] * 6.0,
    "jvp": lambda f: jvp(f, (1.0,), (2.0,))[1],
    "jacobian": lambda f: jacobian(f)(1.0) * 2.0,
    "jacobian forward": lambda f: jacobian(f, mode="forward")(1.0) * 2.0,
    "hessian": lambda f: hessian(f)(1.0),
    "hvp": lambda f: hvp(f, 1.0, 1.0),
    "grad of grad": lambda f: grad(grad(f))(1.0),
    "jvp of grad": lambda f: jvp(grad(f), (1.0,), (1.0,))[1],
}


@pytest.mark.parametrize("name", CLOSURES)
def test_a_derivative_stays_connected_to_parameters_that_the_function_uses(name):
    w = Parameter(3.0)
    y = CLOSURES[name](lambda x: w * w * x**3)
    assert y.item() == 54.0
    y.backward()
    assert w.grad == 36.0


@pytest.mark.parametrize("name", CLOSURES)
def test_a_derivative_is_not_connected_under_no_grad(name):
    w = Parameter(3.0)
    with no_grad():
        y = CLOSURES[name](lambda x: w * w * x**3)
    assert y.item() == 54.0
    assert not y.requires_grad
    assert is_recording()


@pytest.mark.parametrize("name", CLOSURES)
def test_a_derivative_of_a_function_of_its_argument_alone_is_a_constant(name):
    y = CLOSURES[name](lambda x: 9.0 * x**3)
    assert y.item() == 54.0
    assert not y.requires_grad


@pytest.mark.parametrize("name", INNER)
def test_a_derivative_at_a_parameter_is_connected_to_it(name):
    w = Parameter(2.0)
    (INNER[name](lambda x: x**3)(w) * 1.0).backward()
    assert w.grad == 12.0


def test_grads_of_parameters_are_left_alone_by_transforms():
    w = Parameter(3.0)
    for name in CLOSURES:
        CLOSURES[name](lambda x: w * w * x**3)
    assert w.grad is None


def test_create_graph_of_a_fused_row_goes_through_its_composite():
    x, labels = np.array([[0.2, -0.4], [1.0, 0.3]]), np.array([1, 0])
    found = []
    for linear in (ops.linear, lambda x, w, b: x @ w + b):
        w, b = leaf(M[:2, :2]), leaf(M[2, :2])
        loss = ops.softmax_cross_entropy(linear(x, w, b), labels)
        dw, db = gradients(loss, [w, b], create_graph=True)
        ((dw**2).sum() + (db**3).sum()).backward()
        found.append((dw.numpy(), db.numpy(), w.grad, b.grad))
    for fused, small in zip(*found, strict=True):
        np.testing.assert_allclose(fused, small, atol=1e-14)
        assert np.abs(fused).max() > 1e-3


def test_create_graph_keeps_the_graph_and_the_seed():
    w, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = w * w
    (dw,) = gradients(y, [w], seed, create_graph=True)
    close(dw, [6.0, 16.0])
    (dseed,) = gradients(dw, [seed], [1.0, 1.0], retain_graph=True)
    close(dseed, [2.0, 4.0])
    dw.sum().backward()
    np.testing.assert_array_equal(w.grad, [6.0, 8.0])
    np.testing.assert_array_equal(seed.grad, [2.0, 4.0])


def test_a_variadic_row_is_differentiated_twice():
    def f(x):
        return np.sum(np.concatenate([x, x**2, np.ones(1)]) ** 2)

    x = np.array([1.0, 2.0])
    close(hessian(f)(x), np.diag(2 + 12 * x**2))
    close(grad(lambda y: np.sum(np.stack([y, y * y]) ** 3))(x), 3 * x**2 + 6 * x**5)


# ------------------------------------------------------------------------------ rows without a jvp


def test_the_vjp_of_a_row_without_a_jvp_is_transposed(table):
    facts = {"formula": "f", "latex": "f", "pattern": "scale", "signature": "(),()->()"}
    row = op(
        lambda x, y, n: x * y**n,
        lambda g, _r, _x, y, n: g * y**n,
        lambda g, _r, x, y, n: g * n * x * y ** (n - 1),
        None,
        name="monomial",
        arguments=("x", "y", "n"),
        broadcasts=True,
        **facts,
    )
    assert table["monomial"] is row
    x, y, n = np.array([1.0, 2.0]), np.array([3.0, 0.5]), np.array(3.0)
    value, tangent = jvp(lambda a, b: row(a, b, n), (x, y), (V[:2], U[:2]))
    close(value, x * y**3)
    close(tangent, y**3 * V[:2] + 3 * x * y**2 * U[:2])
    close(jvp(lambda b: row(x, b, n), (2.0,), (1.0,))[1], 12 * x)  # an argument that is broadcast
    # An argument through which no gradient flows has no tangent to give either.
    close(jvp(lambda m: row(x, y, m), (3.0,), (1.0,))[1], np.zeros(2))
    close(hvp(lambda b: np.sum(row(x, b, n)), y, np.ones(2)), 6 * x * y)
    assert grad(lambda a: jvp(lambda b: row(a, b, n), (2.0,), (1.0,))[1])(5.0).item() == 12.0


def test_a_tangent_has_the_dtype_of_its_result(table):
    facts = {"formula": "2x", "latex": "2x", "pattern": "scale"}
    wide = elementwise(lambda x: x * 2, lambda _y, _x: np.float64(2.0), name="wide", **facts)
    for x in (np.ones(2, np.float32), np.float32(1.0)):
        _, tangent = jvp(wide, (x,), (np.ones_like(x),))
        assert tangent.dtype == np.float32
        assert type(tangent.numpy()) is np.ndarray
        close(tangent, np.full(x.shape, 2.0))
    assert "wide" in table


@pytest.mark.parametrize("activation", [None, "tanh"])
def test_a_fused_row_that_was_recorded_as_itself_is_pushed_through_its_composite(activation):
    w = np.array([[1.0, -1.0, 0.5]])

    def f(x):
        with no_grad(), enable_grad():  # what the transform asked for is forgotten in there
            return ops.linear(x, w, activation=activation)

    def plain(x):
        return x @ w if activation is None else np.tanh(x @ w)

    x, v = np.array([[0.3], [-0.2]]), np.array([[1.0], [2.0]])
    close(jvp(f, (x,), (v,))[1], jvp(plain, (x,), (v,))[1].numpy())
    twice = [grad(lambda y, g=g: np.sum(jvp(g, (y,), (v,))[1] ** 2))(x).numpy() for g in (f, plain)]
    np.testing.assert_allclose(*twice, atol=1e-14)


def test_a_variadic_row_with_one_rule_and_no_jvp_is_transposed(table):
    def mean_of_several(*arrays):
        return sum(arrays) / len(arrays)

    def rule(g, _result, _saved, *arrays, wanted, into):
        assert len(wanted) == len(into) == len(arrays)
        return [g / len(arrays) if want else None for want in wanted]

    row = op(
        mean_of_several,
        joint=rule,
        name="mean_of_several",
        arguments=("arrays",),
        variadic=True,
        formula="Σx/n",
        latex="x",
        pattern="scale",
        signature="(),()->()",
    )
    assert table["mean_of_several"] is row
    close(jvp(lambda a, b: row([a, b, 1.0]), (X, V), (U, U))[1], 2 * U / 3)
    close(hessian(lambda a: np.sum(row([a, 2.0]) ** 2))(X), np.eye(3) / 2)
    w = leaf(X)
    row([w, np.ones(3)]).sum().backward()
    np.testing.assert_array_equal(w.grad, np.full(3, 0.5))


@pytest.mark.parametrize(
    "name", ["max", "prod", "logsumexp", "softmax", "var", "std", "log_softmax"]
)
def test_forward_mode_of_structured_rows_is_the_transpose_of_reverse_mode(name):
    row = OPS[name]
    _, pullback = vjp(row, X)
    value, tangent = jvp(row, (X,), (V,))
    seed = np.asarray(RNG.normal(size=value.shape))
    np.testing.assert_allclose(
        (tangent.numpy() * seed).sum(), (pullback(seed)[0].numpy() * V).sum(), rtol=1e-12
    )


# ------------------------------------------------------------------------------ published figures


@pytest.mark.acceptance("E8")
def test_derivatives_of_sine_at_one():
    x = leaf(1.0)
    y, found = np.sin(x), []
    for _ in range(4):
        (y,) = gradients(y, [x], create_graph=True)
        found.append(y.item())
    np.testing.assert_allclose(
        found[1:], [-0.8414709848, -0.5403023059, 0.8414709848], atol=5e-11, rtol=0
    )


@pytest.mark.acceptance("F5")
def test_derivative_of_tanh_at_one():
    assert abs(grad(np.tanh)(1.0).item() - 0.419974341614026) < 1e-15


@pytest.mark.acceptance("F6")
def test_second_derivative_of_the_cube_at_two():
    assert grad(grad(lambda x: x**3))(2.0).item() == 12.0


@pytest.mark.acceptance("E9")
def test_the_graph_of_tanh_grows_with_the_order(record_property):
    x = leaf(1.0)
    y, counts = np.tanh(x), []
    for _ in range(5):
        (y,) = gradients(y, [x], create_graph=True)
        counts.append(sum(node.op is not None for node in ancestors(y.node)))
    record_property("nodes of the derivatives of tanh, orders 1 to 5", counts)
    assert counts == sorted(set(counts))
    # About 2.5 times per order, as each rule is recorded with what it multiplies.
    assert all(later < 4 * earlier for earlier, later in itertools.pairwise(counts))
    assert counts[-1] < 400
    t = np.tanh(1.0)  # the fifth derivative is a polynomial in it
    expected = 16 - 136 * t**2 + 240 * t**4 - 120 * t**6
    np.testing.assert_allclose(y.item(), expected, rtol=1e-12)


def test_a_derivative_of_a_freed_graph_is_refused_by_a_transform_too():
    w = leaf(3.0)
    y = w * w
    y.backward()
    with pytest.raises(GradientError, match="freed"):
        grad(lambda x: x * y)(1.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grad(3.0), "grad: a float was given where a function belongs"),
        (lambda: grad(np.sin(1.0)), "not what it returns"),
        (lambda: hessian(X), "hessian: a ndarray was given"),
        (lambda: vjp(X, X), "vjp: a ndarray was given"),
        (lambda: hvp(X, X, X), "hvp: a ndarray was given"),
        (lambda: grad(np.sin, "p")(1.0), "argnums='p' is no position of an argument"),
        (lambda: grad(np.sin, X)(1.0), "grad(f)(x)"),
        (lambda: jvp(np.sin, 1.0, 1.0), "the primals are a float, not a tuple"),
        (lambda: jvp(np.sin, (X,), X), "the tangents are a ndarray, not a tuple"),
        (lambda: jvp(np.sin, X, X), "as in jvp(f, (x,), (v,))"),
        (lambda: leaf(X).register_hook(3), "register_hook: a int was given"),
    ],
)
def test_a_transform_says_what_it_takes(call, words):
    with pytest.raises(OpTypeError) as caught:
        call()
    assert words in str(caught.value)
    assert "test_transforms.py" in str(caught.value)
    assert "fix:" in str(caught.value)
