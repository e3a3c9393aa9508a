"""Inverses and decompositions: invariants, singular and equal cases, and what errors say."""

import math

import numpy as np
import pytest

from tinygrad_edu import Tensor, grad, gradcheck, hessian, ops
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.errors import OpError, OpTypeError, SingularError

RNG = np.random.default_rng(11)


def leaf(value):
    return Tensor(value, requires_grad=True)


def symmetric(n, *stack):
    x = RNG.normal(size=(*stack, n, n))
    return x + np.swapaxes(x, -1, -2)


def positive(n, *stack):
    x = RNG.normal(size=(*stack, n, n))
    return x @ np.swapaxes(x, -1, -2) + n * np.eye(n)


def mT(x):
    return np.swapaxes(x, -1, -2)


# ------------------------------------------------------------------------------ inverse, solve


def test_solve_takes_a_vector_for_a_column_only_if_it_has_one_axis():
    a, b = RNG.normal(size=(3, 2, 2)) + 3 * np.eye(2), RNG.normal(size=(3, 2, 1))
    np.testing.assert_allclose(np.linalg.solve(leaf(a), b).numpy(), np.linalg.solve(a, b))
    np.testing.assert_allclose(
        np.linalg.solve(leaf(a), b[0, :, 0]).numpy()[1], np.linalg.solve(a[1], b[0, :, 0])
    )
    with pytest.raises(OpError, match="right-hand sides of 3 rows"):
        np.linalg.solve(leaf(np.eye(3)), np.ones(4))


def test_the_gradient_of_a_solution_is_that_of_the_inverse():
    a, b = RNG.normal(size=(4, 4)) + 4 * np.eye(4), RNG.normal(size=(4, 2))
    w = RNG.normal(size=(4, 2))
    for i in (0, 1):
        found = grad(lambda a, b: np.sum(np.linalg.solve(a, b) * w), i)(a, b).numpy()
        expected = grad(lambda a, b: np.sum(np.linalg.inv(a) @ b * w), i)(a, b).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("trans", [0, 1, "T", "N"])
def test_a_triangular_solve_reads_one_triangle(lower, trans, unit):
    a, b = RNG.normal(size=(4, 4)) + 3 * np.eye(4), RNG.normal(size=(4, 2))
    half = np.tril(a) if lower else np.triu(a)
    if unit:
        np.fill_diagonal(half, 1)
    y = ops.solve_triangular(a, b, lower=lower, trans=trans, unit_diagonal=unit)
    np.testing.assert_allclose((half.T if trans in (1, "T") else half) @ y, b, atol=1e-12)
    a = leaf(a)
    np.sum(ops.solve_triangular(a, b, lower=lower, trans=trans, unit_diagonal=unit)).backward()
    other = np.triu(a.grad, 1) if lower else np.tril(a.grad, -1)
    np.testing.assert_array_equal(other, 0)


@pytest.mark.parametrize("call", [np.linalg.inv, lambda x: np.linalg.solve(x, np.ones(2))])
def test_a_singular_matrix_is_refused_as_numpys_error_and_ours(call):
    for kind in (SingularError, OpError, np.linalg.LinAlgError, ValueError):
        with pytest.raises(kind, match=r"is singular[\s\S]*fix: pinv"):
            call(leaf(np.ones((2, 2))))


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "expm", "cholesky", "eigh", "cofactor"])
def test_a_matrix_that_is_not_square_is_refused(name):
    for shape in ((2, 3), (3,), ()):
        with pytest.raises(OpError, match=f"{name}: takes a square matrix"):
            getattr(ops, name)(leaf(np.ones(shape)))


@pytest.mark.parametrize("name", ["svd", "svdvals", "qr", "pinv", "cond"])
def test_a_vector_is_no_matrix(name):
    with pytest.raises(OpError, match=f"{name}: takes a matrix"):
        getattr(ops, name)(leaf(np.ones(3)))


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (2, 4, 2)])
def test_the_pseudo_inverse_has_the_four_properties(shape):
    x = RNG.normal(size=shape)
    y = np.linalg.pinv(leaf(x)).numpy()
    for found, expected in ((x @ y @ x, x), (y @ x @ y, y), (mT(x @ y), x @ y), (mT(y @ x), y @ x)):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_pseudo_inverse_cuts_small_singular_values():
    x = np.diag([1.0, 1e-3])
    np.testing.assert_allclose(np.linalg.pinv(leaf(x), 1e-2).numpy(), np.diag([1, 0]), atol=1e-15)
    np.testing.assert_allclose(
        np.linalg.pinv(leaf(x), rtol=1e-2).numpy(), np.diag([1, 0]), atol=1e-15
    )
    with pytest.raises(OpTypeError, match="hermitian"):
        np.linalg.pinv(leaf(x), hermitian=True)


def test_a_pseudo_inverse_of_lower_rank_is_differentiated_at_that_rank():
    u, v = RNG.normal(size=(4, 2)), RNG.normal(size=(2, 3))
    w = RNG.normal(size=(3, 4))
    # The factors move the matrix among those of rank 2.
    assert gradcheck(lambda u, v: np.sum(ops.pinv(u @ v, rtol=1e-9) * w), (u, v))


@pytest.mark.parametrize(("m", "n"), [(5, 3), (3, 5), (3, 3)])
@pytest.mark.parametrize("b_shape", [(), (2,)])
def test_least_squares_are_numpys(m, n, b_shape):
    a, b = RNG.normal(size=(m, n)), RNG.normal(size=(m, *b_shape))
    found = np.linalg.lstsq(leaf(a), leaf(b))
    expected = np.linalg.lstsq(a, b)
    for y, right in zip(found, expected, strict=True):
        assert y.shape == np.shape(right)
        np.testing.assert_allclose(y.numpy(), right, rtol=1e-9, atol=1e-12)
    assert found.rank.dtype == expected[2].dtype
    assert np.linalg.lstsq(leaf(a), b, rcond=-1).solution.shape == (n, *b_shape)


def test_least_squares_refuse_what_numpy_refuses():
    with pytest.raises(OpError, match=r"one matrix[\s\S]*pinv"):
        np.linalg.lstsq(leaf(np.ones((2, 3, 3))), np.ones(3))
    with pytest.raises(OpError, match="a has 3 rows, b has 4"):
        np.linalg.lstsq(leaf(np.ones((3, 2))), np.ones(4))


def test_tensorsolve_and_tensorinv_refuse_maps_that_are_not_square():
    with pytest.raises(OpError, match="tensorsolve: 4 equations for 6 unknowns"):
        np.linalg.tensorsolve(leaf(np.ones((2, 2, 6))), np.ones((2, 2)))
    with pytest.raises(OpError, match="tensorinv: the first 1 axes have 2 elements, the others 6"):
        np.linalg.tensorinv(leaf(np.ones((2, 6))), ind=1)
    with pytest.raises(OpError, match="ind must be positive"):
        np.linalg.tensorinv(leaf(np.ones((2, 2))), ind=0)


# ------------------------------------------------------------------------------ determinant


def cofactors(x):
    """Return the cofactors by their definition."""
    n = len(x)
    found = np.empty((n, n))
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(x, i, 0), j, 1)
        found[i, j] = (-1) ** (i + j) * (np.linalg.det(minor) if n > 1 else 1)
    return found


def of_rank(n, rank):
    return RNG.integers(-3, 4, size=(n, rank)) @ RNG.integers(-3, 4, size=(rank, n)) * 1.0


MATRICES = [of_rank(n, rank) for n in (1, 2, 3, 4) for rank in range(n + 1)]


@pytest.mark.parametrize("x", MATRICES, ids=lambda x: f"{len(x)}-{np.linalg.matrix_rank(x)}")
def test_the_gradient_of_a_determinant_is_the_cofactors_also_of_singular_matrices(x):
    np.testing.assert_allclose(grad(np.linalg.det)(x).numpy(), cofactors(x), atol=1e-11)


@pytest.mark.parametrize("x", MATRICES, ids=lambda x: f"{len(x)}-{np.linalg.matrix_rank(x)}")
def test_the_second_derivative_of_a_determinant_is_made_of_minors(x):
    n = len(x)
    found = hessian(np.linalg.det)(x).numpy()
    expected = np.zeros((n, n, n, n))
    for i, j in np.ndindex(n, n):
        rows, columns = np.delete(np.arange(n), i), np.delete(np.arange(n), j)
        if n > 1:
            inner = (-1) ** (i + j) * cofactors(x[np.ix_(rows, columns)])
            expected[i, j][np.ix_(rows, columns)] = inner
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_the_third_derivative_of_a_determinant_is_a_permutation_symbol():
    third = hessian(lambda x: grad(np.linalg.det)(x)[0, 0])(np.zeros((3, 3))).numpy()
    expected = np.zeros((3, 3, 3, 3))
    expected[1, 1, 2, 2] = expected[2, 2, 1, 1] = 1
    expected[1, 2, 2, 1] = expected[2, 1, 1, 2] = -1
    np.testing.assert_allclose(third, expected, atol=1e-14)


def test_the_logarithm_of_a_large_determinant_does_not_overflow():
    x = leaf(1000 * np.eye(300))
    sign, logabsdet = np.linalg.slogdet(x)
    assert sign.item() == 1
    assert logabsdet.item() == pytest.approx(300 * math.log(1000))
    logabsdet.backward()
    np.testing.assert_allclose(x.grad, np.eye(300) / 1000, atol=1e-15)


def test_the_logarithm_of_a_determinant_at_its_ends():
    flip = np.diag([-1.0, 2.0])
    assert np.linalg.slogdet(leaf(flip)).sign.item() == -1
    assert np.isnan(ops.logdet(leaf(flip)).item())
    y = ops.logdet(leaf(np.ones((2, 2))))
    assert y.item() == -np.inf
    with pytest.raises(SingularError, match="x is singular"):
        y.backward()


@pytest.mark.parametrize("n", [*range(-4, 10), 16, 31])
def test_powers_of_a_matrix_are_numpys(n):
    x = RNG.normal(size=(2, 3, 3)) / 3 + np.eye(3)
    found = np.linalg.matrix_power(leaf(x), n).numpy()
    np.testing.assert_allclose(found, np.linalg.matrix_power(x, n), rtol=1e-10, atol=1e-12)


def test_the_power_0_is_the_identity_of_any_matrix():
    x = leaf([[np.nan, np.inf], [0.0, 1.0]])
    y = np.linalg.matrix_power(x, 0)
    np.testing.assert_array_equal(y.numpy(), np.eye(2))
    np.sum(y).backward()
    np.testing.assert_array_equal(x.grad, np.zeros((2, 2)))


def test_a_power_is_whole_and_no_alias():
    x = np.eye(2)
    assert not np.shares_memory(ops.matrix_power(x, 1), x)
    with pytest.raises(OpTypeError, match=r"0\.5, not a whole number[\s\S]*eigh"):
        np.linalg.matrix_power(leaf(x), 0.5)
    with pytest.raises(SingularError):
        np.linalg.matrix_power(leaf(np.ones((2, 2))), -1)


# ------------------------------------------------------------------------------ symmetric matrices


@pytest.mark.parametrize("upper", [False, True])
def test_a_cholesky_factor_multiplies_to_the_matrix_and_its_gradient_is_symmetric(upper):
    a = positive(4, 2)
    x = leaf(a)
    y = np.linalg.cholesky(x, upper=upper)
    np.testing.assert_array_equal(y.numpy(), np.linalg.cholesky(a, upper=upper))
    np.testing.assert_allclose((y.mT @ y if upper else y @ y.mT).numpy(), a, rtol=1e-13)
    np.sum(y * RNG.normal(size=y.shape)).backward()
    np.testing.assert_allclose(x.grad, mT(x.grad), rtol=1e-13)


def test_the_log_determinant_through_cholesky_has_the_gradient_of_the_inverse():
    a = positive(4)
    found = grad(lambda x: 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky(x)))))(a)
    np.testing.assert_allclose(found.numpy(), np.linalg.inv(a), rtol=1e-11)


def test_a_matrix_that_is_not_positive_definite_is_refused():
    with pytest.raises(SingularError, match=r"not positive definite[\s\S]*np\.eye"):
        np.linalg.cholesky(leaf(-np.eye(2)))


@pytest.mark.parametrize("function", [np.linalg.cholesky, np.linalg.eigh, np.linalg.eigvalsh])
def test_a_half_filled_matrix_is_refused(function):
    with pytest.raises(OpError, match=r"not symmetric[\s\S]*tril"):
        function(leaf([[2.0, 0.0], [1.0, 2.0]]))


@pytest.mark.parametrize("UPLO", ["L", "U"])
def test_eigenvectors_rebuild_the_matrix(UPLO):
    a = symmetric(4, 3)
    w, v = np.linalg.eigh(leaf(a), UPLO)
    np.testing.assert_allclose((v * w[..., None, :] @ v.mT).numpy(), a, atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(leaf(a), UPLO).numpy(), w.numpy(), atol=1e-12)
    with pytest.raises(OpError, match="UPLO is 'X'"):
        np.linalg.eigh(leaf(a), "X")


def test_an_empty_matrix_is_symmetric():
    w, v = np.linalg.eigh(leaf(np.zeros((2, 0, 0))))
    assert (w.shape, v.shape) == ((2, 0), (2, 0, 0))


def through_eigh(f):
    def call(x):
        w, v = np.linalg.eigh(x)
        return (v * f(w)[..., None, :]) @ v.mT

    return call


@pytest.mark.parametrize("order", [1, 2])
def test_a_function_of_a_matrix_is_the_same_through_its_eigenvectors(order):
    a, w = symmetric(4) / 4, symmetric(4)
    powers = through_eigh(lambda w: w * w * w), lambda x: np.linalg.matrix_power(x, 3)
    take = {1: grad, 2: hessian}[order]
    found, expected = (take(lambda x, f=f: np.sum(f((x + x.T) / 2) * w))(a).numpy() for f in powers)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("a", [np.eye(3), np.diag([1.0, 2.0, 1.0]), np.zeros((2, 2))])
def test_equal_eigenvalues_give_symmetric_functions_their_gradient(a):
    np.testing.assert_allclose(
        grad(lambda x: np.sum(np.linalg.eigvalsh(x) ** 2))(a).numpy(), 2 * a, atol=1e-13
    )
    found = grad(lambda x: np.sum(through_eigh(np.square)(x)))(a).numpy()
    assert np.isfinite(found).all()
    values = grad(lambda x: np.sum(np.linalg.svdvals(x) ** 2))(a).numpy()
    np.testing.assert_allclose(values, 2 * a, atol=1e-13)


# ------------------------------------------------------------------------------ singular values


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
@pytest.mark.parametrize("full", [False, True])
def test_the_factors_of_a_singular_value_decomposition(shape, full):
    a = RNG.normal(size=shape)
    u, s, vh = np.linalg.svd(leaf(a), full)
    k = s.shape[-1]
    for found, expected in zip((u, s, vh), np.linalg.svd(a, full), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected)
    rebuilt = (u[..., :k] * s[..., None, :]) @ vh[..., :k, :]
    np.testing.assert_allclose(rebuilt.numpy(), a, atol=1e-13)


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
@pytest.mark.parametrize("full", [False, True])
def test_what_does_not_depend_on_signs_or_bases_has_its_gradient(shape, full):
    m, n = shape
    k = min(shape)
    a, w, z = RNG.normal(size=shape), RNG.normal(size=(m, m)), RNG.normal(size=(n, n))

    def projectors(x):
        u, s, vh = np.linalg.svd(x, full)
        first = (u[:, :2] * s[:2]) @ u[:, :2].T  # of two singular values and what they span
        right = vh[1:k].T @ vh[1:k]
        outside = u[:, k:] @ u[:, k:].T if full else 0
        beyond = vh[k:].T @ vh[k:] if full else 0
        return np.sum((first + outside) * w) + np.sum((right + beyond) * z)

    assert gradcheck(projectors, a)
    found = hessian(projectors)(a).numpy().reshape(a.size, a.size)
    np.testing.assert_allclose(found, found.T, atol=1e-9 * np.abs(found).max())
    v, h = RNG.normal(size=shape), 1e-4
    first = grad(projectors)
    slope = (first(a + h * v).numpy() - first(a - h * v).numpy()).ravel() / (2 * h)
    np.testing.assert_allclose(found @ v.ravel(), slope, rtol=1e-5, atol=1e-4 * np.abs(found).max())


def test_singular_values_alone_are_those_of_the_decomposition():
    a = RNG.normal(size=(3, 4))
    np.testing.assert_array_equal(
        np.linalg.svd(leaf(a), compute_uv=False).numpy(), np.linalg.svdvals(leaf(a)).numpy()
    )
    with pytest.raises(OpTypeError, match="hermitian"):
        np.linalg.svd(leaf(np.eye(2)), hermitian=True)


def test_the_nuclear_norm_of_a_matrix_with_a_zero_column_is_finite():
    found = grad(lambda x: np.linalg.norm(x, "nuc"))(np.array([[3.0, 0.0], [4.0, 0.0]]))
    np.testing.assert_allclose(found.numpy(), [[0.6, 0], [0.8, 0]], atol=1e-15)


@pytest.mark.parametrize("p", [None, 2, -2, 1, -1, np.inf, -np.inf, "fro"])
def test_condition_numbers_are_numpys(p):
    a = RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3)
    np.testing.assert_allclose(np.linalg.cond(leaf(a), p).numpy(), np.linalg.cond(a, p), rtol=1e-11)


def test_a_singular_matrix_has_an_infinite_condition():
    assert np.linalg.cond(leaf(np.zeros((2, 2)) + np.diag([1.0, 0.0]))).item() == np.inf


def test_the_rank_is_a_constant():
    rank = np.linalg.matrix_rank(leaf(np.ones((3, 3))))
    assert rank.item() == 1
    assert not rank.requires_grad


# ------------------------------------------------------------------------------ QR


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 5, 3)])
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_the_factors_of_qr_are_numpys(shape, mode):
    a = RNG.normal(size=shape)
    found, expected = np.linalg.qr(leaf(a), mode), np.linalg.qr(a, mode)
    if mode == "r":
        found, expected = [found], [expected]
    for y, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(y.numpy(), right)


def test_the_columns_that_complete_q_have_the_gradient_of_their_span():
    a, w = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 5))

    def outside(x):
        q = np.linalg.qr(x, "complete").Q[:, 3:]
        return np.sum(q @ q.T * w)

    def by_definition(x):
        return np.sum((np.eye(5) - x @ np.linalg.pinv(x)) * w)

    assert gradcheck(outside, a)
    np.testing.assert_allclose(grad(outside)(a).numpy(), grad(by_definition)(a).numpy(), atol=1e-11)


def test_dependent_columns_are_refused_in_the_backward_pass():
    y = np.linalg.qr(leaf([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])).R
    with pytest.raises(SingularError, match="solve: a is singular"):
        np.sum(y).backward()


def test_a_mode_of_qr_without_factors_is_refused():
    with pytest.raises(OpError, match=r"there is no mode 'raw'[\s\S]*reduced"):
        np.linalg.qr(leaf(np.eye(2)), "raw")


# ------------------------------------------------------------------------------ exponential


def series(x):
    """Return the exponential by its series, in steps that keep the terms small."""
    steps = 2 ** max(0, math.ceil(math.log2(np.abs(x).sum() + 1e-300)) + 2)
    term = total = np.eye(len(x), dtype=np.longdouble)
    for k in range(1, 40):
        term = term @ (x / steps) / k
        total = total + term
    return np.linalg.matrix_power(total, steps).astype(np.float64)


@pytest.mark.parametrize("size", [1e-6, 0.1, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_exponential_is_its_series(size, n):
    x = RNG.normal(size=(n, n)) * size / n
    found, expected = ops.expm(leaf(x)).numpy(), series(x)
    np.testing.assert_allclose(found, expected, atol=1e-12 * np.abs(expected).max())


def test_the_exponential_of_a_stack_scales_each_matrix_alone():
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    angles = np.array([0.0, 1e-8, 0.5, np.pi, 300.0])
    found = ops.expm(leaf(angles[:, None, None] * turn)).numpy()
    cos, sin = np.cos(angles), np.sin(angles)
    expected = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found[0], np.eye(2))


def test_the_exponential_of_nan_is_nan_and_of_nothing_is_nothing():
    assert np.isnan(ops.expm(np.full((2, 2), np.nan))).all()
    assert ops.expm(np.zeros((3, 0, 0))).shape == (3, 0, 0)


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_the_derivative_of_the_exponential_is_linear_at_every_size(size):
    x, e = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    found = ops.expm_frechet(x, size * e) / size
    np.testing.assert_allclose(found, ops.expm_frechet(x, e), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(ops.expm_frechet(x, 0 * e), 0)


def test_the_derivative_of_the_exponential_of_a_matrix_that_commutes():
    x = symmetric(3)
    np.testing.assert_allclose(ops.expm_frechet(x, x), x @ ops.expm(x), rtol=1e-11, atol=1e-11)


# ------------------------------------------------------------------------------ stacks


@pytest.mark.parametrize(
    "function",
    [
        np.linalg.inv, np.linalg.det, lambda x: np.linalg.slogdet(x)[1], np.linalg.cholesky,
        np.linalg.eigvalsh, np.linalg.svdvals, lambda x: np.linalg.qr(x)[1], ops.expm,
        np.linalg.pinv, lambda x: np.linalg.matrix_power(x, 3), np.linalg.cond,
    ],
)  # fmt: skip
def test_a_stack_is_its_matrices_one_by_one(function):
    a = positive(3, 2, 2)
    x = leaf(a)
    np.sum(np.sin(function(x))).backward()
    for i in np.ndindex(2, 2):
        one = leaf(a[i])
        np.sum(np.sin(function(one))).backward()
        np.testing.assert_allclose(
            function(constant(a)).numpy()[i], function(one).numpy(), rtol=1e-12, atol=1e-13
        )
        np.testing.assert_allclose(x.grad[i], one.grad, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["eigh", "eigvalsh", "cholesky", "svd", "cofactor", "lstsq"])
def test_complex_matrices_are_refused_where_the_text_is_for_real_ones(name):
    x = constant(np.eye(2) * (1 + 1j))
    with pytest.raises(OpTypeError, match=f"{name}: is for real numbers"):
        getattr(ops, name)(*([x, x] if name == "lstsq" else [x]))
