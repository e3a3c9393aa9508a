"""Products, traces and norms: values against NumPy and slow loops, edges, and what errors say."""

import itertools

import numpy as np
import pytest

from tinygrad_edu import Tensor, grad, hessian, ops
from tinygrad_edu.core.op import get_op
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.errors import OpError, UnsupportedError

RNG = np.random.default_rng(7)


def leaf(value):
    return Tensor(value, requires_grad=True)


# ------------------------------------------------------------------------------ products


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 3), (4, 5)), ((2, 3), (2, 3)), ((4,), (3,)), ((2, 3), (2,)), ((2, 3, 4), (3,))],
)
def test_dot_speaks_in_its_own_name(a, b):
    with pytest.raises(OpError) as error:
        np.dot(leaf(np.ones(a)), np.ones(b))
    first = str(error.value).splitlines()[0]
    inner = f"the inner lengths, {a[-1]} of a and {b[-2:][0]} of b, must be equal"
    assert first == f"dot: {inner}"
    assert "gufunc" not in str(error.value)
    assert ("transpose b" in str(error.value)) == (len(b) > 1 and a[-1] == b[-1])


def test_matmul_speaks_of_lengths_and_of_stacks():
    with pytest.raises(OpError, match=r"^matmul: the inner lengths, 3 of a and 4 of b"):
        leaf(np.ones((2, 3))) @ np.ones((4, 5))
    with pytest.raises(OpError, match=r"^matmul: the stacks, \(5,\) of a and \(4,\) of b"):
        leaf(np.ones((5, 2, 3))) @ np.ones((4, 3, 3))


def test_inner_and_tensordot_say_which_axes_differ():
    with pytest.raises(OpError, match="inner: the last lengths, 3 of a and 4 of b"):
        np.inner(leaf(np.ones((2, 3))), np.ones((3, 4)))
    with pytest.raises(OpError, match=r"tensordot: axes \(0, 1\) of a and \(0, 1\) of b"):
        np.tensordot(leaf(np.ones((2, 3))), np.ones((3, 4)))


@pytest.mark.parametrize("sizes", [(3, 4), (2, 9, 1, 5), (4, 1, 7, 2, 3), (5, 2, 8, 3, 6, 2)])
def test_multi_dot_is_the_product_in_the_cheapest_order(sizes):
    arrays = [RNG.normal(size=shape) for shape in itertools.pairwise(sizes)]
    if len(arrays) < 2:
        arrays.append(RNG.normal(size=(sizes[-1], 2)))
    found = np.linalg.multi_dot([leaf(a) for a in arrays])
    np.testing.assert_allclose(found.numpy(), np.linalg.multi_dot(arrays), rtol=1e-12)

    def cost(node):
        if node is None or node.op is None:
            return 0
        (m, k), n = node.primals[0].shape, node.primals[1].shape[1]
        return m * k * n + sum(cost(up) for up in node.upstream)

    def cheapest(i, j):
        if j == i + 1:
            return 0
        shapes = [a.shape for a in arrays]
        return min(
            cheapest(i, k) + cheapest(k, j) + shapes[i][0] * shapes[k][0] * shapes[j - 1][1]
            for k in range(i + 1, j)
        )

    assert cost(found.node) == cheapest(0, len(arrays))


def test_multi_dot_refuses_what_is_no_chain():
    with pytest.raises(OpError, match="two arrays or more"):
        ops.multi_dot([np.eye(2)])
    with pytest.raises(OpError, match="takes matrices"):
        ops.multi_dot([np.ones((2, 2, 2)), np.eye(2)])
    with pytest.raises(OpError, match="2 of a and 3 of b"):
        np.linalg.multi_dot([leaf(np.eye(2)), np.eye(3)])


def test_kron_is_the_matrix_of_blocks():
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2))
    found = np.kron(leaf(a), b).numpy()
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(found[3 * i : 3 * i + 3, 2 * j : 2 * j + 2], a[i, j] * b)


def test_cross_is_perpendicular_and_refuses_the_plane():
    a, b = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    for found in (np.cross(leaf(a), b), np.linalg.cross(leaf(a), b)):
        np.testing.assert_allclose(np.sum(found.numpy() * a, axis=-1), 0, atol=1e-14)
        np.testing.assert_array_equal(found.numpy(), np.cross(a, b))
    with pytest.raises(OpError, match=r"vectors of 3 elements[\s\S]*a\[..., 0\] \* b"):
        np.cross(leaf(np.ones(2)), np.ones(2))


def test_products_of_pytorch_are_rows():
    a, b, c = RNG.normal(size=(5, 2, 3)), RNG.normal(size=(5, 3, 4)), RNG.normal(size=(2, 4))
    assert ops.bmm is ops.mm is ops.mv is ops.matmul
    np.testing.assert_array_equal(leaf(a).bmm(b).numpy(), a @ b)
    found = ops.baddbmm(leaf(c), a, b, beta=0.5, alpha=2)
    np.testing.assert_allclose(found.numpy(), 0.5 * c + 2 * (a @ b), rtol=1e-14)


def test_outer_of_linalg_takes_vectors_only():
    np.testing.assert_array_equal(
        np.linalg.outer(leaf([1.0, 2.0]), np.array([3.0])).numpy(), [[3], [6]]
    )
    with pytest.raises(OpError, match=r"two vectors[\s\S]*np\.outer"):
        np.linalg.outer(leaf(np.eye(2)), np.ones(2))


def test_a_transposed_stack_keeps_its_order():
    x = leaf(RNG.normal(size=(4, 2, 3)))
    np.testing.assert_array_equal(x.mT.numpy(), np.swapaxes(x.numpy(), 1, 2))
    with pytest.raises(OpError, match="matrix_transpose: takes a matrix"):
        _ = leaf([1.0, 2.0]).mT


# ------------------------------------------------------------------------------ trace


def test_the_gradient_of_a_trace_is_an_identity():
    x = leaf(RNG.normal(size=(3, 4)))
    x.trace(1).backward()
    np.testing.assert_array_equal(x.grad, np.eye(3, 4, 1))


def test_the_trace_of_linalg_is_over_the_last_axes():
    x = RNG.normal(size=(2, 3, 3))
    np.testing.assert_allclose(np.linalg.trace(leaf(x)).numpy(), [np.trace(m) for m in x])
    np.testing.assert_array_equal(
        np.linalg.diagonal(leaf(x), offset=1).numpy(), np.linalg.diagonal(x, offset=1)
    )


# ------------------------------------------------------------------------------ norms

VECTOR_ORDERS = [None, 2, 1, np.inf, -np.inf, 0, 3, 2.5, 1.5, 0.5, -1, -2]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("order", VECTOR_ORDERS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms_are_numpys(order, keepdims):
    x = RNG.normal(size=(2, 3, 4))
    for axis in (0, -1, (1,)):
        found = np.linalg.norm(leaf(x), order, axis, keepdims)
        expected = np.linalg.norm(x, order, axis, keepdims)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(
        np.linalg.norm(leaf(x[0, 0]), order).numpy(), np.linalg.norm(x[0, 0], order), rtol=1e-14
    )
    if order is not None:
        for axis in (None, (0, 2), (0, 1, 2)):
            found = np.linalg.vector_norm(leaf(x), axis=axis, keepdims=keepdims, ord=order)
            expected = np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=order)
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("order", MATRIX_ORDERS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms_are_numpys(order, keepdims):
    x = RNG.normal(size=(2, 3, 4))
    for axis in ((0, 1), (1, 2), (2, 0), (-1, 1)):
        found = np.linalg.norm(leaf(x), order, axis, keepdims)
        expected = np.linalg.norm(x, order, axis, keepdims)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)
    found = np.linalg.matrix_norm(leaf(x), keepdims=keepdims, ord=order or "fro")
    expected = np.linalg.matrix_norm(x, keepdims=keepdims, ord=order or "fro")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)
    found = np.linalg.norm(leaf(x[0]), order).numpy()
    np.testing.assert_allclose(found, np.linalg.norm(x[0], order), rtol=1e-13)


@pytest.mark.hazard(20)
@pytest.mark.hazard("beyond: zero")
@pytest.mark.parametrize("order", [None, 2, 1, np.inf, -np.inf, 0, 3, 2.5, 1.5, 1.1])
def test_the_zero_vector_has_the_gradient_0_at_both_orders(order):
    def f(x):
        return np.linalg.norm(x, order) + np.sum(x * 0)

    np.testing.assert_array_equal(grad(f)(np.zeros(3)).numpy(), np.zeros(3))
    np.testing.assert_array_equal(hessian(f)(np.zeros(3)).numpy(), np.zeros((3, 3)))


@pytest.mark.hazard(20)
@pytest.mark.parametrize("order", MATRIX_ORDERS)
def test_the_zero_matrix_has_the_gradient_0_at_both_orders(order):
    def f(x):
        return np.linalg.norm(x, order, axis=(0, 1))

    np.testing.assert_array_equal(grad(f)(np.zeros((2, 3))).numpy(), np.zeros((2, 3)))
    np.testing.assert_array_equal(hessian(f)(np.zeros((2, 3))).numpy(), np.zeros((2, 3, 2, 3)))


@pytest.mark.parametrize("order", [None, 3, 1.5])
def test_one_zero_vector_in_a_stack_leaves_the_others_alone(order):
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    found = grad(lambda x: np.sum(np.linalg.norm(x, order, axis=1)))(x).numpy()
    alone = grad(lambda x: np.linalg.norm(x, order))(x[1]).numpy()
    np.testing.assert_allclose(found, [[0, 0], alone], rtol=1e-15)


@pytest.mark.parametrize("order", [3, 1.5, 1.1, 0.5])
def test_an_element_that_is_0_spoils_no_other_at_both_orders(order):
    x = np.array([0.0, 1.0, -2.0])
    first = grad(lambda x: np.linalg.norm(x, order))
    rest = np.linalg.norm(x[1:], order)
    expected = np.sign(x[1:]) * (np.abs(x[1:]) / rest) ** (order - 1)
    np.testing.assert_allclose(first(x).numpy(), [0, *expected], rtol=1e-13)
    second = hessian(lambda x: np.linalg.norm(x, order))
    np.testing.assert_allclose(
        second(x).numpy()[1:, 1:], second(x[1:]).numpy(), rtol=1e-12, atol=1e-14
    )
    assert np.isfinite(second(x).numpy()).all()


def test_equal_extremes_share_the_gradient_of_the_largest_norm():
    found = grad(lambda x: np.linalg.norm(x, np.inf))(np.array([2.0, -2.0, 1.0]))
    np.testing.assert_array_equal(found.numpy(), [0.5, -0.5, 0])


def test_a_norm_of_whole_numbers_is_numpys():
    x = np.array([[1, -2], [3, 4]])
    for order in (None, 1, np.inf, "nuc", 2):
        assert np.linalg.norm(constant(x), order).item() == pytest.approx(np.linalg.norm(x, order))
    assert np.linalg.norm(constant(x[0]), 0).item() == 2


def test_a_norm_that_does_not_exist_is_refused():
    for call in (
        lambda: np.linalg.norm(leaf(np.ones((2, 2))), 7),
        lambda: np.linalg.norm(leaf(np.ones(2)), "fro"),
        lambda: np.linalg.vector_norm(leaf(np.ones(2)), ord="nuc"),
    ):
        with pytest.raises(OpError, match="there is no norm of order"):
            call()
    with pytest.raises(OpError, match=r"norm of order 1 over 3 axes[\s\S]*vector_norm"):
        np.linalg.norm(leaf(np.ones((2, 2, 2))), 1)
    with pytest.raises(OpError, match="matrix_norm: takes a matrix"):
        np.linalg.matrix_norm(leaf(np.ones(2)))


# ------------------------------------------------------------------------------ what has no row


def test_a_function_of_linalg_without_a_row_is_named_in_full():
    with pytest.raises(UnsupportedError, match=r"^np\.linalg\.eig has no row.*nearest: eigh"):
        np.linalg.eig(leaf(np.eye(2)))


@pytest.mark.parametrize("name", ["x", "zzz", "busday_count"])
def test_names_that_are_not_alike_are_not_suggested(name):
    with pytest.raises(UnsupportedError) as error:
        get_op(name)
    assert "nearest" not in str(error.value)
