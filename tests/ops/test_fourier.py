"""Transforms against their definition, written out as sums, and against each other's adjoints."""

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, grad, gradients, jvp, vjp
from tinygrad_edu.core.op import BY_FUNCTION
from tinygrad_edu.errors import OpError, OpTypeError

NORMS = [None, "backward", "ortho", "forward"]
SCALES = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}
"""By which power of 1 / n the forward direction is scaled."""

FROM_REAL = ["rfft", "rfft2", "rfftn", "ihfft"]
ONE_AXIS = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
SEVERAL = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]


def draw(shape: Any, dtype: Any = np.complex128, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        numbers = numbers + 1j * rng.normal(size=shape)
    return numbers.astype(dtype)


def of(name: str, shape: Any, seed: int = 0) -> Any:
    """Return an argument of a transform: real for those of real numbers."""
    return draw(shape, np.float64 if name in FROM_REAL else np.complex128, seed)


def inner(a: Any, b: Any) -> float:
    """Return the real inner product, in which complex numbers are pairs."""
    return float(np.sum(np.real(np.conj(a) * b)))


# ------------------------------------------------------------------------------ values


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_the_transform_is_the_sum_that_defines_it(n: int, norm: Any) -> None:
    a, k = draw(n), np.arange(n)
    matrix = np.exp(-2j * np.pi * np.outer(k, k) / n) / n ** SCALES[norm]
    np.testing.assert_allclose(tg.fft(Tensor(a), norm=norm).numpy(), matrix @ a, atol=1e-13)
    back = np.conj(matrix) / n ** (1 - 2 * SCALES[norm])
    np.testing.assert_allclose(tg.ifft(Tensor(a), norm=norm).numpy(), back @ a, atol=1e-13)


@pytest.mark.parametrize("name", ONE_AXIS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("n", "axis"), [(None, -1), (3, 0), (4, 1), (9, -2), (8, 1)])
def test_one_axis_has_numpys_values(name: str, norm: Any, n: Any, axis: int) -> None:
    a, function = of(name, (5, 6)), getattr(np.fft, name)
    expected = function(a, n, axis, norm)
    for found in (function(Tensor(a), n, axis, norm), getattr(tg, name)(Tensor(a), n, axis, norm)):
        assert isinstance(found, Tensor)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"axes": (0, 1)},
        {"axes": (-1, 0), "norm": "ortho"},
        {"s": (3, 8), "axes": (1, 2), "norm": "forward"},
        {"s": (-1, 4), "axes": (2, 0)},
        {"s": (4, -1), "axes": (0, 2)},
        {"axes": (1, 1)},
    ],
    ids=str,
)
def test_several_axes_have_numpys_values(name: str, keywords: Any) -> None:
    a, function = of(name, (3, 4, 5)), getattr(np.fft, name)
    expected, found = function(a, **keywords), function(Tensor(a), **keywords)
    assert isinstance(found, Tensor)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@pytest.mark.parametrize("axes", [None, 0, (0, -1)])
def test_shifts_have_numpys_values(name: str, axes: Any) -> None:
    a, function = draw((4, 5)), getattr(np.fft, name)
    np.testing.assert_array_equal(function(Tensor(a), axes).numpy(), function(a, axes))


def test_every_function_of_numpys_room_is_a_row() -> None:
    makers = {"fftfreq", "rfftfreq"}  # they make constants of numbers
    public = {name for name in dir(np.fft) if callable(getattr(np.fft, name)) and name[0] != "_"}
    functions = {name for name in public if not isinstance(getattr(np.fft, name), type)}
    missing = {name for name in functions - makers if getattr(np.fft, name) not in BY_FUNCTION}
    assert missing - {"test"} == set()


def test_single_precision_stays_single() -> None:
    x = Tensor(draw(6, np.float32), requires_grad=True)
    y = tg.rfft(x)
    assert y.dtype == np.complex64
    loss = np.sum(abs(y) ** 2)
    assert loss.dtype == np.float32
    loss.backward()
    assert x.grad.dtype == np.float32
    assert tg.irfft(y).dtype == np.float32


# ------------------------------------------------------------------------------ derivatives


@pytest.mark.parametrize("name", ONE_AXIS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("length", "n"), [(5, None), (6, None), (6, 5), (5, 8), (3, 7), (4, 2)])
def test_the_gradient_is_the_adjoint(name: str, norm: Any, length: int, n: Any) -> None:
    a, function = of(name, (2, length)), getattr(np.fft, name)
    value, pullback = vjp(lambda x: function(x, n, -1, norm), a)
    u = draw(value.shape, value.dtype, 1)
    v = of(name, a.shape, 2)
    # All of these are linear: their derivative along v is their value at v.
    left, right = inner(u, function(v, n, -1, norm)), inner(pullback(u)[0].numpy(), v)
    np.testing.assert_allclose(left, right, rtol=1e-12)
    _, tangent = jvp(lambda x: function(x, n, -1, norm), (a,), (v,))
    np.testing.assert_allclose(tangent.numpy(), function(v, n, -1, norm), atol=1e-13)


def test_energy_is_kept() -> None:
    """Parseval: the unitary transform keeps the norm, so the gradient of it is 2 x."""
    x = draw(7)
    found = grad(lambda z: np.sum(abs(tg.fft(z, norm="ortho")) ** 2))(x)
    np.testing.assert_allclose(found.numpy(), 2 * x, atol=1e-13)


@pytest.mark.parametrize("n", [7, 8])
def test_there_and_back_again_is_nothing(n: int) -> None:
    x, u = draw((3, n), np.float64), draw((3, n), np.float64, 1)
    _, pullback = vjp(lambda x: tg.irfft(tg.rfft(x, axis=0), 3, axis=0), x)
    np.testing.assert_allclose(pullback(u)[0].numpy(), u, atol=1e-14)


def test_convolution_by_transform_has_the_gradient_of_the_sum() -> None:
    a, b, u = draw(6, np.float64), draw(6, np.float64, 1), draw(6, np.float64, 2)

    def fast(a: Any, b: Any) -> Any:
        return np.sum(u * tg.irfft(tg.rfft(a) * tg.rfft(b), 6))

    def slow(a: Any, b: Any) -> Any:
        places = (np.arange(6)[:, None] - np.arange(6)) % 6
        return np.sum(u * np.matmul(a[places], b))

    for found, expected in zip(grad(fast, (0, 1))(a, b), grad(slow, (0, 1))(a, b), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-13)


def test_what_irfft_does_not_read_has_no_gradient() -> None:
    z = Tensor(draw(5), requires_grad=True)
    (g,) = gradients(np.sum(tg.irfft(z) ** 3), [z])
    assert g.numpy()[0].imag == 0
    assert g.numpy()[-1].imag == 0  # of an even length the last number is real too
    assert np.all(g.numpy()[1:-1].imag != 0)
    (g,) = gradients(np.sum(tg.irfft(z, 9) ** 3), [z])
    assert g.numpy()[-1].imag != 0


# ------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("name", FROM_REAL)
def test_transforms_of_real_numbers_refuse_complex_ones(name: str) -> None:
    z = Tensor(draw((3, 4)), requires_grad=True)
    with pytest.raises(OpTypeError, match="fft"):
        getattr(tg, name)(z)


def test_lengths_and_axes_must_agree() -> None:
    with pytest.raises(OpError, match="2 lengths were given for 1 axes"):
        tg.fftn(Tensor(draw((3, 4))), s=(2, 2), axes=(0,))
    with pytest.raises(OpError, match="norm"):
        tg.fft(Tensor(draw(3)), norm="sideways")
    with pytest.raises(OpError, match="'sideways' is no norm"):
        tg.hfft(Tensor(draw(3)), norm="sideways")
