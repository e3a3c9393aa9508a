"""Complex numbers in the engine: the convention, its boundary, projection, refusals, values.

The reference is the derivative of the real loss along the real and along the imaginary axis, taken
numerically or from a closed form; a gradient is ``dL/dx + i dL/dy``.
"""

import copy
from typing import Any

import numpy as np
import pytest
from numpy.exceptions import ComplexWarning

import tinygrad_edu as tg
from tinygrad_edu import (
    Function,
    Parameter,
    Tensor,
    checkpoint,
    enable_grad,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    no_grad,
    value_and_grad,
    vhp,
    vjp,
    vmap,
)
from tinygrad_edu.core.op import BY_FUNCTION, OPS
from tinygrad_edu.errors import GradientError, GradientTypeError, OpTypeError

Z = np.array([1 + 2j, -0.5 + 0.25j, 0.75 - 1.5j])
W = np.array([0.5 - 1j, 2 + 0.5j, -1 - 0.25j])


def leaf(array: Any) -> Tensor:
    return Tensor(array, requires_grad=True)


def slopes(f: Any, z: Any, h: float = 1e-5) -> Any:
    """Return ``dL/dx + i dL/dy`` of a real function of an array, by central differences."""
    found = np.zeros(z.shape, complex)
    for index in np.ndindex(z.shape):
        for unit in (1, 1j):
            step = np.zeros(z.shape, complex)
            step[index] = h * unit
            found[index] += unit * (f(z + step) - f(z - step)) / (2 * h)
    return found


# ------------------------------------------------------------------------------ the convention


def test_a_gradient_is_the_direction_in_which_the_loss_rises() -> None:
    z = leaf(Z)
    np.sum(abs(z) ** 2).backward()
    np.testing.assert_allclose(z.grad, 2 * Z)
    z = leaf(Z)
    np.sum(z.real * 3 + z.imag * 5).backward()
    np.testing.assert_array_equal(z.grad, np.full(3, 3 + 5j))


LOSSES: dict[str, Any] = {
    "product": lambda z: np.sum(np.real(z * W * z)),
    "quotient": lambda z: np.sum(np.imag(W / z)),
    "power": lambda z: np.sum(np.real(z**3)),
    "power of a number": lambda z: np.sum(np.real((1 + 1j) ** z)),
    "complex exponent": lambda z: np.sum(np.real(z ** (1.5 - 0.5j))),
    "two powers": lambda z: np.sum(np.real(z**z)),
    "negative base": lambda z: np.sum(np.real(np.array([-1.0, -2.0, 3.0]) ** z)),
    "exponential": lambda z: np.sum(np.abs(np.exp(z) - 1)),
    "logarithm": lambda z: np.sum(np.real(np.log(z) * W)),
    "conjugate": lambda z: np.sum(np.real(np.conj(z) * W)) + np.sum(np.imag(z.conj() ** 2)),
    "angle": lambda z: np.sum(np.angle(z) * np.array([1.0, -2.0, 3.0])),
    "degrees": lambda z: np.sum(np.angle(z, deg=True)),
    "sign": lambda z: np.sum(np.real(np.sign(z) * W)),
    "matrix product": lambda z: np.real(np.matmul(z, np.outer(W, W)) @ z),
    "einsum": lambda z: np.imag(np.einsum("i,i,j->", z, z, z)),
    "vdot": lambda z: np.real(np.vdot(z, z * W)),
    "variance": lambda z: np.var(z) + np.std(z, ddof=1),
    "covariance": lambda z: np.sum(np.abs(np.cov(np.stack([z, z * z])))),
    "product over an axis": lambda z: np.real(np.prod(z)),
    "mean and pick": lambda z: np.abs(np.mean(z)) + np.abs(z[1] - z[0]),
    "where": lambda z: np.sum(np.abs(np.where(np.array([True, False, True]), z * z, z))),
    "sinc and friends": lambda z: np.sum(np.real(np.sinc(z / 4) + np.arcsinh(z) + np.tanh(z))),
    "real and complex": lambda z: np.sum(np.real(z * z.real) + z.imag * np.abs(z)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_slopes_along_both_axes(name: str) -> None:
    f = LOSSES[name]
    expected = slopes(lambda z: f(Tensor(z)).item(), Z)
    z = leaf(Z)
    f(z).backward()
    np.testing.assert_allclose(z.grad, expected, atol=1e-8)
    np.testing.assert_allclose(grad(f)(Z).numpy(), expected, atol=1e-8)
    # Forward mode: the derivative along v is the real inner product of the gradient with v.
    _, tangent = jvp(f, (Z,), (W,))
    assert tangent.dtype == np.float64
    np.testing.assert_allclose(tangent.item(), np.sum(np.real(np.conj(expected) * W)), atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_gradients_are_the_slopes_of_gradients(name: str) -> None:
    f = LOSSES[name]

    def inner(z: Any) -> Any:
        return np.sum(np.real(np.conj(grad(f)(z)) * W))

    expected = slopes(lambda z: inner(Tensor(z)).item(), Z)
    np.testing.assert_allclose(grad(inner)(Z).numpy(), expected, atol=1e-6)
    # The Hessian is symmetric in the real inner product.
    np.testing.assert_allclose(hvp(f, Z, W).numpy(), expected, atol=1e-6)
    _, tangent = jvp(grad(f), (Z,), (W,))
    np.testing.assert_allclose(tangent.numpy(), expected, atol=1e-6)
    z = leaf(Z)
    (first,) = gradients(f(z), [z], create_graph=True)
    (second,) = gradients(np.sum(np.real(np.conj(first) * W)), [z])
    np.testing.assert_allclose(second.numpy(), expected, atol=1e-6)


def test_following_the_gradient_down_finds_the_minimum() -> None:
    target, z = np.array([1 - 2j, 3 + 1j]), Parameter(np.zeros(2, complex))
    for _ in range(60):
        z.grad = None
        np.sum(abs(z - target) ** 2).backward()
        z.data -= 0.2 * z.grad
    np.testing.assert_allclose(z.numpy(), target, atol=1e-9)


# ------------------------------------------------------------------------------ the boundary


def test_a_seed_and_a_gradient_are_of_one_convention() -> None:
    z = leaf(Z)
    (z * W).backward(W)
    np.testing.assert_allclose(z.grad, np.conj(W) * W)  # the adjoint: conj(W) times the seed
    value, pullback = vjp(lambda z: z * W, Z)
    np.testing.assert_allclose(pullback(Z)[0].numpy(), np.conj(W) * Z)
    np.testing.assert_allclose(value.numpy(), Z * W)
    z = leaf(Z)
    (found,) = gradients(z * W, [z], seed=Z)
    np.testing.assert_allclose(found.numpy(), np.conj(W) * Z)


def test_a_seed_may_be_differentiated() -> None:
    z, seed = leaf(Z), leaf(W)
    (first,) = gradients(z * z, [z], seed, create_graph=True)
    np.testing.assert_allclose(first.numpy(), np.conj(2 * Z) * W)
    (found,) = gradients(np.sum(np.real(np.conj(first) * Z)), [seed])
    np.testing.assert_allclose(found.numpy(), 2 * Z * Z)  # the tangent of z * z along Z


def test_gradients_add_up_and_are_owned() -> None:
    z = leaf(Z)
    loss = np.sum(abs(z) ** 2)
    loss.backward(retain_graph=True)
    loss.backward()
    np.testing.assert_allclose(z.grad, 4 * Z)
    assert z.grad.flags.writeable


def test_hooks_and_kept_gradients_see_what_users_see() -> None:
    z = leaf(Z)
    y = z * 1
    y.retain_grad()
    seen = []
    y.register_hook(lambda g: seen.append(np.array(g)))
    z.register_hook(lambda g: g * 1j)
    np.sum(abs(y) ** 2).backward()
    np.testing.assert_allclose(y.grad, 2 * Z)
    np.testing.assert_allclose(seen[0], 2 * Z)
    np.testing.assert_allclose(z.grad, 2j * Z)


def test_a_complex_scalar_is_no_loss() -> None:
    z = leaf(1 + 2j)
    for call in (
        lambda: (z * z).backward(),
        lambda: grad(lambda z: z * z)(1j),
        lambda: gradients(z * z, [z]),
    ):
        with pytest.raises(GradientError, match=r"starts from a real scalar[^\0]*loss\.real"):
            call()


def test_a_real_tensor_takes_no_complex_seed_and_no_complex_tangent() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(
        GradientError, match="complex value was given for a tensor of dtype float64"
    ):
        (x * x).backward(np.array([1j, 1.0]))
    with pytest.raises(GradientError, match="give its real part"):
        jvp(np.exp, (1.0,), (1j,))
    assert x.grad is None


# ------------------------------------------------------------------------------ reals among them


def test_a_real_leaf_has_a_real_gradient() -> None:
    x, z = leaf([1.0, -2.0, 0.5]), leaf(Z)
    np.sum(np.real(x * z * W)).backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad, np.real(Z * W))
    np.testing.assert_allclose(z.grad, np.conj(x.numpy() * W))


def test_a_real_leaf_that_broadcasts_is_summed() -> None:
    x = leaf(np.float32(0.5))
    np.sum(np.imag(x * Tensor(Z.astype(np.complex64)))).backward()
    assert x.grad.dtype == np.float32
    assert x.grad.shape == ()
    np.testing.assert_allclose(x.grad, Z.imag.sum(), rtol=1e-6)


def test_a_tangent_of_a_real_input_becomes_complex_and_real_again() -> None:
    _, tangent = jvp(lambda x: x * W, (np.ones(3),), (np.ones(3),))
    np.testing.assert_allclose(tangent.numpy(), W)
    _, tangent = jvp(lambda x: np.abs(x * W), (np.ones(3),), (np.ones(3),))
    assert tangent.dtype == np.float64
    np.testing.assert_allclose(tangent.numpy(), np.abs(W))


def test_parts_of_a_real_tensor() -> None:
    x = leaf([1.0, -2.0])
    assert x.real.dtype == x.imag.dtype == np.float64
    np.testing.assert_array_equal(x.imag.numpy(), [0, 0])
    np.sum(x.real * 2 + x.imag * 3 + x.conj() * 5 + np.angle(x) * 7).backward()
    np.testing.assert_array_equal(x.grad, [7, 7])


def test_single_precision_stays_single() -> None:
    z = leaf(Z.astype(np.complex64))
    y = abs(np.exp(z) * 2 + z.conj()).sum() + np.angle(z).sum()
    assert y.dtype == np.float32
    y.backward()
    assert z.grad.dtype == np.complex64
    expected = grad(lambda z: abs(np.exp(z) * 2 + z.conj()).sum() + np.angle(z).sum())(Z)
    np.testing.assert_allclose(z.grad, expected.numpy(), rtol=1e-5)


# ------------------------------------------------------------------------------ at 0


def test_at_zero_length_angle_and_sign_have_no_slope() -> None:
    for f in (np.abs, np.angle, lambda z: np.real(np.sign(z))):
        z = leaf([0j, 1 + 1j])
        np.sum(f(z)).backward()
        assert z.grad[0] == 0
        assert np.isfinite(z.grad).all()
        second = hvp(lambda z, f=f: np.sum(f(z)), np.array([0j, 1 + 1j]), np.array([1j, 1.0]))
        assert np.isfinite(second.numpy()).all()


# ------------------------------------------------------------------------------ refusals

REAL_ONLY = [
    np.maximum, np.minimum, tg.relu, np.max, np.min, tg.softmax, tg.logsumexp, np.clip,
]  # fmt: skip


@pytest.mark.parametrize(
    "f", REAL_ONLY, ids=lambda f: f.__name__ if hasattr(f, "__name__") else f.name
)
def test_a_row_for_real_numbers_refuses_complex_ones(f: Any) -> None:
    z = leaf(Z)
    arguments = {np.maximum: (0.5,), np.minimum: (0.5,), np.clip: (0.0, 1.0)}.get(f, ())
    for given in (z, z * 1):  # a leaf, and a computed tensor, which goes a shorter way
        with pytest.raises(
            OpTypeError, match="is for real numbers, and an argument is complex"
        ) as e:
            f(given, *arguments)
        assert "take x.real, x.imag, abs(x) or angle(x)" in str(e.value)
        assert "complex128" in str(e.value)
        assert "test_complex.py" in str(e.value)


def test_without_a_gradient_numpys_value_is_given() -> None:
    np.testing.assert_array_equal(np.max(Tensor(Z)).numpy(), np.max(Z))
    with no_grad():
        np.testing.assert_array_equal(np.maximum(leaf(Z), W).numpy(), np.maximum(Z, W))
    with no_grad(), enable_grad(), pytest.raises(OpTypeError, match="for real numbers"):
        np.maximum(leaf(Z), W)


def test_a_real_row_is_refused_whatever_the_place_of_the_complex_argument() -> None:
    x = leaf([1.0, 2.0, 3.0])
    with pytest.raises(OpTypeError, match="maximum: its derivative is for real numbers"):
        np.maximum(x, Z)
    with pytest.raises(OpTypeError, match="maximum: its derivative is for real numbers"):
        np.maximum(Z, x)


def test_a_row_of_complex_arguments_with_a_real_result_is_refused_too() -> None:
    row = tg.op(
        lambda x: np.abs(x), lambda g, _y, x: g * np.sign(x), name="size", signature="()->()",
        doc="Size.", formula="|x|", latex="|x|", pattern="scale",
    )  # fmt: skip
    try:
        with pytest.raises(OpTypeError, match="size: its derivative is for real numbers"):
            row(leaf(Z) * 1)
        assert row(leaf([-1.0])).requires_grad
    finally:
        del OPS["size"]


def test_a_fused_row_is_recorded_as_its_composite() -> None:
    x, weight = leaf(Z.reshape(1, 3)), leaf(np.outer(W, Z))
    y = tg.linear(x, weight)
    assert y.node is not None
    assert y.node.op is OPS["matmul"]
    np.sum(abs(y)).backward()
    expected = slopes(lambda z: np.sum(abs(z.reshape(1, 3) @ np.outer(W, Z))), Z)
    np.testing.assert_allclose(x.grad[0], expected, atol=1e-8)
    with pytest.raises(OpTypeError, match="relu: its derivative is for real numbers"):
        tg.linear(x, weight, None, activation="relu")


def test_numpys_loss_of_an_imaginary_part_is_numpys() -> None:
    with pytest.warns(ComplexWarning):
        y = leaf(Z).astype(np.float64)
    (3 * y).sum().backward()
    z = leaf(Z)
    with pytest.warns(ComplexWarning):
        z.astype(np.float32).sum().backward()
    np.testing.assert_array_equal(z.grad, np.ones(3))


def test_a_jacobian_of_complex_numbers_by_complex_ones_is_refused() -> None:
    with pytest.raises(GradientTypeError, match="real part and the imaginary part"):
        jacobian(lambda z: z * np.conj(z) * z)(Z)
    with pytest.raises(GradientTypeError, match="real part and the imaginary part"):
        hessian(lambda z: np.sum(abs(z) ** 2))(Z)


@pytest.mark.parametrize("mode", ["auto", "forward"])
def test_a_jacobian_from_real_to_complex_numbers_is_pushed(mode: str) -> None:
    found = jacobian(lambda x: np.exp(1j * x) * W, mode=mode)(np.ones(3))
    np.testing.assert_allclose(found.numpy(), np.diag(1j * np.exp(1j) * W), atol=1e-14)


@pytest.mark.parametrize("mode", ["auto", "reverse"])
def test_a_jacobian_from_complex_to_real_numbers_has_gradients_as_rows(mode: str) -> None:
    found = jacobian(lambda z: np.stack([abs(z[0]) ** 2, z[1].imag] * 3), mode=mode)(Z)
    np.testing.assert_allclose(found.numpy()[:2], [[2 * Z[0], 0, 0], [0, 1j, 0]])


# ------------------------------------------------------------------------------ values and methods


def test_tensors_have_the_attributes_of_arrays() -> None:
    z = leaf(Z)
    for found, expected in [
        (z.real, Z.real), (np.real(z), Z.real), (z.imag, Z.imag), (np.imag(z), Z.imag),
        (z.conj(), Z.conj()), (z.conjugate(), Z.conj()), (np.conj(z), Z.conj()),
        (z.angle(), np.angle(Z)), (abs(z), np.abs(Z)), (np.sign(z), np.sign(Z)),
        (np.isreal(z), np.isreal(Z)), (np.iscomplex(z), np.iscomplex(Z)),
    ]:  # fmt: skip
        assert isinstance(found, Tensor)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected)
    assert np.iscomplexobj(z)
    assert complex(Tensor(1 + 2j)) == 1 + 2j
    assert copy.deepcopy(z).dtype == np.complex128
    assert "complex128" in repr(z)


def test_complex_numbers_are_made_of_parts() -> None:
    x, y = leaf([1.0, 2.0]), leaf([[3.0], [4.0]])
    z = tg.to_complex(x, y)
    np.testing.assert_array_equal(z.numpy(), x.numpy() + 1j * y.numpy())
    np.sum(np.real(z * (1 - 2j))).backward()
    np.testing.assert_array_equal(x.grad, [2, 2])
    np.testing.assert_array_equal(y.grad, [[4], [4]])
    assert tg.to_complex(Tensor(np.float32([1.0])), 2.0).dtype == np.complex64
    assert tg.to_complex(np.int64(1), 2).dtype == np.complex128
    with pytest.raises(OpTypeError, match="the parts of a complex number are real"):
        tg.to_complex(Tensor(Z), 1.0)


def test_making_a_complex_number_loses_no_infinity_and_no_sign_of_zero() -> None:
    z = tg.to_complex(np.array([1.0, -0.0, -1.0]), np.array([np.inf, 1.0, -0.0]))
    np.testing.assert_array_equal(z.real, [1, 0, -1])
    np.testing.assert_array_equal(z.imag, [np.inf, 1, 0])
    np.testing.assert_array_equal(np.signbit([z.real[1], z.imag[2]]), [True, True])


def test_polar_coordinates_there_and_back() -> None:
    r, phi = leaf([1.0, 2.0]), leaf([0.5, -2.0])
    z = tg.polar(r, phi)
    np.testing.assert_allclose(z.numpy(), r.numpy() * np.exp(1j * phi.numpy()))
    np.sum(abs(z) * 3 + np.angle(z) * 5).backward()
    np.testing.assert_allclose(r.grad, [3, 3], atol=1e-14)
    np.testing.assert_allclose(phi.grad, [5, 5], atol=1e-14)


def test_value_and_grad_of_a_complex_argument() -> None:
    value, found = value_and_grad(lambda z: abs(z) ** 2)(3 + 4j)
    assert value.dtype == np.float64
    np.testing.assert_allclose([value.item(), found.item()], [25, 6 + 8j])


def test_vdot_conjugates_and_inner_does_not() -> None:
    for f in (np.vdot, np.inner, np.dot, np.outer, np.cov):
        np.testing.assert_allclose(f(Tensor(Z), Tensor(W)).numpy(), f(Z, W), rtol=1e-14)


def test_rows_that_stand_for_complex_ufuncs_say_that_they_are_right_for_them() -> None:
    for function in (np.add, np.exp, np.matmul, np.conjugate, np.sum, np.absolute, np.reshape):
        assert BY_FUNCTION[function].accepts_complex
    for function in (np.maximum, np.fmin, np.max, np.floor, np.arctan2):
        assert not BY_FUNCTION[function].accepts_complex


# ------------------------------------------------------------------------------ other doors


def test_a_batch_of_gradients_is_that_of_each() -> None:
    batch = np.stack([Z, W, Z * W])
    for f in LOSSES.values():
        expected = np.stack([grad(f)(z).numpy() for z in batch])
        np.testing.assert_allclose(vmap(grad(f))(batch).numpy(), expected, atol=1e-11)


def test_a_checkpoint_gives_the_same_gradient() -> None:
    z, other = leaf(Z), leaf(Z)
    np.sum(abs(np.exp(z) * W)).backward()
    np.sum(abs(checkpoint(lambda z: np.exp(z) * W)(other))).backward()
    np.testing.assert_allclose(other.grad, z.grad)


def test_linear_parts_are_taken_at_complex_points() -> None:
    _, along = linearize(lambda z: np.exp(z) * W, Z)
    np.testing.assert_allclose(along(W).numpy(), np.exp(Z) * W * W)
    product = vhp(lambda z: np.sum(abs(z) ** 3), Z, W)
    np.testing.assert_allclose(product.numpy(), hvp(lambda z: np.sum(abs(z) ** 3), Z, W).numpy())


def test_a_function_of_users_sees_gradients_as_users_do() -> None:
    class Times(Function):
        @staticmethod
        def forward(ctx: Any, z: Any, w: Any) -> Any:
            ctx.save_for_backward(z, w)
            return z * w

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            z, w = ctx.saved_tensors
            return g * np.conj(w), g * np.conj(z)

    def loss(z: Any) -> Any:
        return np.sum(abs(Times.apply(z, z)) ** 2)

    z = leaf(Z)
    loss(z).backward()
    np.testing.assert_allclose(z.grad, slopes(lambda z: np.sum(abs(z * z) ** 2), Z), atol=1e-7)
    expected = hvp(lambda z: np.sum(abs(z * z) ** 2), Z, W).numpy()
    np.testing.assert_allclose(hvp(loss, Z, W).numpy(), expected, atol=1e-12)


def test_a_mode_that_cannot_be_is_refused():
    for f, x, only in (
        (lambda z: np.abs(z) ** 2, 1 + 2j, "reverse"),
        (lambda x: x * 1j, 2.0, "forward"),
    ):
        other = "forward" if only == "reverse" else "reverse"
        with pytest.raises(GradientError, match=f"the mode is {only}, not '{other}'"):
            jacobian(f, mode=other)(x)


def test_a_computed_complex_tensor_is_refused_by_a_row_for_real_numbers():
    z = Tensor([1 + 2j], requires_grad=True) * 1.0
    with pytest.raises(OpTypeError, match="relu: its derivative is for real numbers"):
        z.relu()


def test_what_is_real_but_for_rounding_is_real():
    z = Tensor(np.array([1 + 1e-15j, 2 - 1e-15j]), requires_grad=True)
    y = np.real_if_close(z)
    np.testing.assert_array_equal(y.numpy(), [1, 2])
    assert y.dtype == np.float64
    assert y.requires_grad
    assert np.real_if_close(Tensor([1 + 1e-3j])).dtype == np.complex128
    assert np.real_if_close(Tensor([1 + 1e-3j]), 0.1).dtype == np.float64
