"""Gamma and Bessel functions against sums in 60 digits; poles; float32; far arguments."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.core.transforms import grad
from tinygrad_edu.errors import OpError

BERNOULLI = [Fraction(1, 6), Fraction(-1, 30), Fraction(1, 42), Fraction(-1, 30), Fraction(5, 66)]
EVERYWHERE = [1e-5, 0.01, 0.3, 0.9, 1.0, 1.4, 2.5, 5.5, 9.99, 10.1, 30.0, 500.0, -0.4, -1.7, -10.3]


def exact_polygamma(n: int, at: float) -> float:
    """Return the sum (-1)^(n+1) n! Σ (x + k)^-(n+1), its tail by Euler and Maclaurin from 1000."""
    with localcontext() as context:
        context.prec = 60
        x, total, s = Decimal(at), Decimal(0), n + 1
        while x < 1000:
            total += 1 / x**s
            x += 1
        total += (x ** (1 - s) / (s - 1) if n else -x.ln()) + 1 / (2 * x**s)
        rise = Decimal(s)
        for k, b in enumerate(BERNOULLI, start=1):
            part = Decimal(b.numerator) / b.denominator / math.factorial(2 * k)
            total += part * rise / x ** (s + 2 * k - 1)
            rise *= (s + 2 * k - 1) * (s + 2 * k)
        return float((-1) ** (n + 1) * math.factorial(n) * total)


def exact_bessel(n: int, at: float, scaled: bool) -> float:
    """Return Σ (x/2)^(2k + n) / (k! (k + n)!), times exp(-|x|) if scaled."""
    with localcontext() as context:
        context.prec = 400
        x = Decimal(at)
        term = (x / 2) ** n
        total, k = term, 0
        while abs(term) > abs(total) * Decimal(10) ** -40:
            k += 1
            term *= x * x / 4 / (k * (k + n))
            total += term
        return float(total * (-abs(x)).exp() if scaled else total)


# ------------------------------------------------------------------------------ gamma


@pytest.mark.parametrize("n", range(1, 13))
def test_lgamma_of_whole_numbers_is_the_logarithm_of_a_factorial(n):
    expected = math.log(math.factorial(n - 1))
    assert ops.lgamma(np.array(float(n))) == pytest.approx(expected, rel=1e-14, abs=0)


def test_lgamma_of_halves_and_of_large_numbers():
    x = np.array([0.5, 1.5, -0.5, -1.5, 1e300])
    root = math.sqrt(math.pi)
    expected = [math.log(v) for v in (root, root / 2, 2 * root, 4 * root / 3)]
    expected.append(1e300 * (math.log(1e300) - 1))
    np.testing.assert_allclose(ops.lgamma(x), expected, rtol=1e-14)


def test_lgamma_keeps_its_digits_near_both_zeros():
    h = np.array([1e-15, 1e-9, 1e-4])
    for zero, slope, bend in [(1, -0.5772156649015329, 1.6449340668482264),
                              (2, 0.42278433509846714, 0.6449340668482264)]:  # fmt: skip
        step = (zero + h) - zero  # as it is rounded
        expected = step * (slope + step * bend / 2)
        np.testing.assert_allclose(ops.lgamma(zero + step)[:2], expected[:2], rtol=1e-14)
        np.testing.assert_allclose(ops.lgamma(zero + step), expected, rtol=1e-8)


def test_lgamma_is_that_of_the_c_library():
    x = np.concatenate([np.geomspace(1e-300, 0.9, 200), np.linspace(2.5, 40, 500)])
    expected = [math.lgamma(v) for v in x]
    np.testing.assert_allclose(ops.lgamma(x), expected, rtol=1e-14)
    x = -np.linspace(0.0123, 30.017, 500)
    expected = np.array([math.lgamma(v) for v in x])
    np.testing.assert_allclose(ops.lgamma(x), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 10])
def test_polygamma_to_the_last_digits(n):
    found = ops.polygamma(n, np.array(EVERYWHERE))
    np.testing.assert_allclose(found, [exact_polygamma(n, x) for x in EVERYWHERE], rtol=2e-14)


def test_known_values():
    assert ops.digamma(np.array(1.0)) == pytest.approx(-0.57721566490153286, rel=1e-15)
    assert ops.polygamma(1, np.array(1.0)) == pytest.approx(math.pi**2 / 6, rel=1e-15)
    assert ops.polygamma(1, np.array(0.5)) == pytest.approx(math.pi**2 / 2, rel=1e-15)


def test_poles_are_what_the_policies_say_without_a_warning():
    poles, inf, nan = np.array([0.0, -1.0, -7.0]), np.inf, np.nan
    np.testing.assert_array_equal(ops.lgamma(poles), [inf, inf, inf])
    np.testing.assert_array_equal(ops.digamma(poles), [-inf, nan, nan])
    np.testing.assert_array_equal(ops.polygamma(1, poles), [inf, inf, inf])
    np.testing.assert_array_equal(ops.polygamma(2, poles), [-inf, nan, nan])
    slope = grad(lambda x: np.sum(np.where([False, False, True], ops.lgamma(x), 0)))
    np.testing.assert_array_equal(slope(np.array([0.0, -1.0, 1.0]))[:2].numpy(), [0, 0])


def test_the_ends_of_the_line():
    ends = np.array([np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(ops.lgamma(ends), [np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(ops.digamma(ends), [np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(ops.polygamma(1, ends[::2]), [0, np.nan])


@pytest.mark.parametrize("n", [-1, 101, 1.5])
def test_an_order_that_is_none_is_refused(n):
    with pytest.raises(OpError, match="no whole number from 0 to 100"):
        ops.polygamma(n, np.ones(2))


def test_a_gamma_likelihood_learns_its_shape():
    data = np.random.default_rng(3).gamma(2.5, size=4000)

    def loss(log_shape):
        shape = np.exp(log_shape)
        return ops.lgamma(shape) - (shape - 1) * np.mean(np.log(data))

    at = 0.0
    for _ in range(12):  # Newton's method, by the second derivative
        at = at - grad(loss)(at).item() / grad(grad(loss))(at).item()
    assert math.exp(at) == pytest.approx(2.5, abs=0.1)
    assert abs(grad(loss)(at).item()) < 1e-12


# ------------------------------------------------------------------------------ Bessel


@pytest.mark.parametrize(("name", "order"), [("i0", 0), ("i1", 1), ("i0e", 0), ("i1e", 1)])
def test_bessel_functions_to_the_last_digits(name, order):
    x = [1e-300, 1e-8, 0.01, 0.5, 1.0, 3.0, 7.9, 8.0, 8.1, 12.0, 20.0, 50.0, 600.0, -0.3, -9.0]
    found = getattr(ops, name)(np.array(x))
    np.testing.assert_allclose(
        found, [exact_bessel(order, v, name.endswith("e")) for v in x], rtol=2e-15
    )


def test_i0_is_numpys():
    x = np.linspace(-20, 20, 101)
    np.testing.assert_array_equal(np.i0(Tensor(x)).numpy(), np.i0(x))


def test_without_their_growth_they_have_no_end():
    x = np.array([800.0, 1e5, 1e300, np.inf, -np.inf])
    asymptotic = 1 / np.sqrt(2 * np.pi * np.abs(x))
    np.testing.assert_allclose(ops.i0e(x), asymptotic, rtol=2e-4)
    np.testing.assert_allclose(ops.i1e(x), np.sign(x) * asymptotic, rtol=5e-4)
    assert np.isfinite(ops.i1(np.array(713.0)))


def test_slopes_at_0():
    at = np.array(0.0)
    found = {name: grad(getattr(ops, name))(at).item() for name in ("i0", "i1", "i0e", "i1e")}
    assert found == {"i0": 0, "i1": 0.5, "i0e": 0, "i1e": 0.5}
    assert grad(grad(ops.i0))(at).item() == 0.5
    assert grad(grad(grad(ops.i1)))(at).item() == pytest.approx(3 / 8, rel=1e-14)


@pytest.mark.parametrize("name", ["lgamma", "digamma", "i0", "i1", "i0e", "i1e"])
def test_float32_stays_float32(name):
    x = Tensor(np.array([0.5, 3.0, 20.0], np.float32), requires_grad=True)
    y = getattr(ops, name)(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32
    wide = getattr(ops, name)(x.numpy().astype(np.float64))
    np.testing.assert_allclose(y.numpy(), wide, rtol=5e-6)


def test_other_names():
    assert ops.gammaln is ops.lgamma
    assert ops.psi is ops.digamma
