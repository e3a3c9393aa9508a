"""Gamma and Bessel functions: what likelihoods of counts, waiting times and angles are made of.

Each family is closed: the derivative of the logarithm of the gamma function is `digamma`, that of
`polygamma` the next `polygamma`; those of the Bessel functions of orders 0 and 1 are made of each
other. So derivatives of every order exist. This file knows the formulas that give double precision,
and where the poles are. Read ``polynomial.py`` next.

References
----------
M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964): 6.1.17, 6.1.33, 6.1.40
(logarithm of the gamma function), 6.3.5, 6.3.7, 6.3.18 (digamma), 6.4.1, 6.4.7 (polygamma), 9.6.10,
9.6.26, 9.6.27 (Bessel functions), 23.2.1 and 23.2.3 (sums of powers by Euler and Maclaurin).
C. W. Clenshaw, "Chebyshev Series for Mathematical Functions", NPL Mathematical Tables 5 (1962): the
form of the series of the Bessel functions, and how they are summed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import REQUIRED, Op, case, elementwise
from tinygrad_edu.errors import OpError, explain

__all__ = [
    "digamma",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "lgamma",
    "polygamma",
    "psi",
]

_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330,
)  # fmt: skip
"""The Bernoulli numbers B_2, B_4, ... B_20."""

_EULER = 0.57721566490153286061


def _summed(coefficients: Sequence[float], x: Any) -> Any:
    """Return a polynomial at x, the coefficients in ascending order, by Horner's scheme."""
    found = x * 0 + coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        found = found * x + coefficient
    return found


# ------------------------------------------------------------------------------ gamma


def _zeta_minus_1(s: int) -> float:
    """Return 2^-s + 3^-s + ..., by the formula of Euler and Maclaurin from 10 on (23.2.3)."""
    rest = 10 ** (1 - s) / (s - 1) + 0.5 * 10**-s
    rise = s / 10 ** (s + 1)
    for k, bernoulli in enumerate(_BERNOULLI, start=1):
        rest += bernoulli / math.factorial(2 * k) * rise
        rise *= (s + 2 * k - 1) * (s + 2 * k) / 100
    return math.fsum([*(n**-s for n in range(2, 10)), rest])


_AROUND_2 = (1 - _EULER, *((-1) ** n * _zeta_minus_1(n) / n for n in range(2, 28)))
"""ln Γ(2 + z) / z in powers of z, for |z| up to 1/2 (6.1.33)."""

_FAR = 10.0  # from here on Stirling's series has all digits
_STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, start=1))
_DIGAMMA = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, start=1))


def _from_pole(x: Any) -> Any:
    """Return the signed distance of x from the nearest whole number, exact."""
    return x - np.rint(x)


def _lgamma(x: Any) -> Any:
    # A pole is no accident to warn of: the policy of the row says what is there.
    with np.errstate(divide="ignore", invalid="ignore"):
        x = x * 1.0
        size = np.where(x < 0, 1 - x, x)
        far = np.maximum(size, _FAR)
        inverse = 1 / far
        # (x - 1/2) ln x - x, so written that infinity stays infinity.
        stirling = (far - 0.5) * (np.log(far) - 1) + (0.5 * math.log(2 * math.pi) - 0.5)
        stirling = stirling + inverse * _summed(_STIRLING, inverse * inverse)
        # Γ(t) = (t - 1) Γ(t - 1) leads to the neighbourhood of 2, where both zeros of ln Γ are.
        t, above = np.minimum(size, _FAR), size * 0 + 1
        for _ in range(8):
            beyond = t > 2.5
            t = np.where(beyond, t - 1, t)
            above = np.where(beyond, above * t, above)
        below = np.where(t < 0.5, t * (t + 1), np.where(t < 1.5, t, 1))
        z = np.where(t < 0.5, t, np.where(t < 1.5, t - 1, t - 2))
        near = z * _summed(_AROUND_2, z) + (np.log(above) - np.log(below))
        found = np.where(size < _FAR, near, stirling)
        mirrored = math.log(math.pi) - np.log(np.abs(np.sin(math.pi * _from_pole(x)))) - found
        mirrored = np.where(np.isinf(x), math.inf, mirrored)
        return np.where(x < 0, mirrored, found)


def _digamma(x: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = x * 1.0
        t, sums = np.where(x < 0, 1 - x, x), np.zeros_like(x)
        for _ in range(10):
            before = t < _FAR
            sums = np.where(before, sums - 1 / np.where(t == 0, x, t), sums)
            t = np.where(before, t + 1, t)
        inverse = 1 / t
        squared = inverse * inverse
        found = sums + (np.log(t) - 0.5 * inverse - squared * _summed(_DIGAMMA, squared))
        off = _from_pole(x)
        # The sides of a pole have opposite signs.
        cotangent = np.cos(math.pi * off) / np.where(off == 0, math.nan, np.sin(math.pi * off))
        return np.where(x < 0, found - math.pi * cotangent, found)


def _cotangent_slope(n: int) -> list[float]:
    """Return the n-th derivative of the cotangent as a polynomial in it, ascending."""
    polynomial = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(polynomial)][1:]
        polynomial = [
            -(slope[k] if k < len(slope) else 0) - (slope[k - 2] if k >= 2 else 0)
            for k in range(len(slope) + 2)
        ]
    return [c * 1.0 for c in polynomial]


def _polygamma(x: Any, *, n: int) -> Any:
    if not isinstance(n, (int, np.integer)) or not 0 <= n <= 100:
        problem = f"the order n={n!r} is no whole number from 0 to 100"
        raise OpError(explain("polygamma", problem, fix="polygamma(1, x) is the slope of digamma"))
    if n == 0:
        return _digamma(x)
    s, sign = int(n) + 1, (-1) ** n
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = x * 1.0
        t, sums = np.where(x < 0, 1 - x, x), np.zeros_like(x)
        for _ in range(12 + n // 2):
            sums = sums + t**-s
            t = t + 1
        # The rest of the sum by the formula of Euler and Maclaurin.
        power = t**-s
        sums = sums + power * t / (s - 1) + 0.5 * power
        power, squared = power * s / t, 1 / (t * t)
        for k, bernoulli in enumerate(_BERNOULLI, start=1):
            sums = sums + bernoulli / math.factorial(2 * k) * power
            power = power * ((s + 2 * k - 1) * (s + 2 * k)) * squared
        found = -sign * math.factorial(n) * np.where(np.isinf(x), 0, sums)
        off = _from_pole(x)
        pole = math.inf if n % 2 else math.nan
        cotangent = np.cos(math.pi * off) / np.where(off == 0, 1, np.sin(math.pi * off))
        slope = np.where(off == 0, -pole, _summed(_cotangent_slope(n), cotangent))
        return np.where(x < 0, sign * found - math.pi**s * slope, found)


_LEFT = np.array([-0.4, -1.7, -2.25])
_POLES: dict[str, Any] = {"pattern": "scale", "domain": {"x": (0.0, math.inf)}, "singular": True}
lgamma: Op = elementwise(
    _lgamma, lambda _y, x: digamma(x),
    doc="Logarithm of the absolute value of the gamma function.", formula="ln |Γ(x)|",
    latex=r"\ln |\Gamma(x)|", **_POLES, cases=(case((2, 3)), case(_LEFT)),
    policy="inf at the poles 0, -1, -2, ...; its slope there is that of digamma, but 0 where the "
    "cotangent is 0",
)  # fmt: skip
digamma: Op = elementwise(
    _digamma, lambda _y, x: polygamma(1, x),
    doc="Slope of the logarithm of the gamma function.", formula="Γ'(x) / Γ(x)",
    latex=r"\psi(x) = \frac{\Gamma'(x)}{\Gamma(x)}", **_POLES, cases=(case((2, 3)), case(_LEFT)),
    policy="0: -inf, the value from the right; nan at the poles -1, -2, ..., where both sides "
    "differ; slopes are those of polygamma, but 0 where the cotangent is 0",
)  # fmt: skip
polygamma: Op = elementwise(
    _polygamma, lambda _y, x, *, n: polygamma(n + 1, x), params={"n": REQUIRED}, order="n x",
    doc="Derivative of digamma, n times.", formula="d^n digamma(x) / dx^n",
    latex=r"\psi^{(n)}(x)", **_POLES,
    cases=(case((2, 3), n=1), case(_LEFT, n=1), case((3,), n=0), case((3,), n=2), case(_LEFT, n=2)),
    policy="at the poles 0, -1, -2, ...: inf for odd n, nan for even n, where both sides differ "
    "(-inf at 0, from the right); slopes there are 0 where the cotangent is 0",
)  # fmt: skip

# ------------------------------------------------------------------------------ Bessel

# Coefficients of Chebyshev polynomials, fitted in 120 digits: exp(-x) I0(x) and exp(-x) I1(x) / x
# in x / 4 - 1 up to 8, √x exp(-x) I0(x) and √x exp(-x) I1(x) in 16 / x - 1 from there on.
_I0_NEAR = (
    0.33839763720473803, -0.3046826723431984, 0.17162090152220877, -0.09490109704804764,
    0.04930528423967071, -0.02373741480589947, 0.010546460394594998, -0.004324309995050576,
    0.0016394756169413357, -0.0005763755745385824, 0.00018850288509584165, -5.754195010082104e-05,
    1.6448448070728896e-05, -4.4167383584587505e-06, 1.1173875391201037e-06,
    -2.670793853940612e-07, 6.046995022541919e-08, -1.300025009986248e-08, 2.6598237246823866e-09,
    -5.189795601635263e-10, 9.675809035373237e-11, -1.726826291441556e-11, 2.95505266312964e-12,
    -4.856446783111929e-13, 7.676185498604936e-14, -1.1685332877993451e-14, 1.715391285555133e-15,
    -2.431279846547955e-16, 3.3307945188222384e-17, -4.4153416464793395e-18,
)  # fmt: skip
_I0_FAR = (
    0.4022452055070544, 0.0033691164782556943, 6.889758346916825e-05, 2.8913705208347567e-06,
    2.0489185894690638e-07, 2.266668990498178e-08, 3.3962320257083865e-09, 4.94060238822497e-10,
    1.1889147107846439e-11, -3.1499165279632416e-11, -1.3215811840447713e-11,
    -1.7941785315068062e-12, 7.180124451383666e-13, 3.8527783827421426e-13, 1.54008621752141e-14,
    -4.150569347287222e-14, -9.554846698828307e-15, 3.8116806693526224e-15, 1.7725601330565263e-15,
    -3.425485619677219e-16, -2.8276239805165836e-16, 3.461222867697461e-17, 4.46562142029676e-17,
    -4.830504485944182e-18, -7.233180487874754e-18,
)  # fmt: skip
_I1_NEAR = (
    0.12629359322181682, -0.17641651835783406, 0.1026436586898471, -0.05294598120809499,
    0.024726449030626516, -0.010564084894626197, 0.004156422944312888, -0.0015135724506312532,
    0.0005122859561685758, -0.00016176081582589674, 4.781565107550054e-05, -1.3273163656039436e-05,
    3.4702513081376785e-06, -8.568720264695455e-07, 2.0032947535521353e-07, -4.445059128796328e-08,
    9.381537386495773e-09, -1.8872497517228294e-09, 3.625590281552117e-10, -6.663489723502027e-11,
    1.1736186298890901e-11, -1.9839743977649436e-12, 3.223793365945575e-13, -5.042185504727912e-14,
    7.600684294735408e-15, -1.1055969477353862e-15, 1.5536319577362005e-16, -2.111421214358166e-17,
    2.7779141127610464e-18,
)  # fmt: skip
_I1_FAR = (
    0.38928811750914005, -0.009761097491361469, -0.00011058893876262371, -3.882564808877691e-06,
    -2.512236237870209e-07, -2.6314688468895196e-08, -3.835380385964237e-09,
    -5.589743462196584e-10, -1.8974958123505413e-11, 3.2526035830154884e-11,
    1.4125807436613782e-11, 2.0356285441470896e-12, -7.198551776245908e-13,
    -4.0835511110921974e-13, -2.1015418427726643e-14, 4.272440016711951e-14,
    1.0420276984128802e-14, -3.8144030724370075e-15, -1.8803547755107825e-15,
    3.3082023109209285e-16, 2.96262899764595e-16, -3.209525921993424e-17, -4.6503053684893586e-17,
    4.414348323071708e-18, 7.517296310842105e-18,
)  # fmt: skip
_JOINT = 8.0
_WIDEST = 1000.0  # exp of it is infinite


def _chebyshev(coefficients: Sequence[float], u: Any) -> Any:
    """Return the sum of c_k T_k(u), by Clenshaw's scheme."""
    later, last = u * 0, u * 0 + coefficients[-1]
    for coefficient in reversed(coefficients[1:-1]):
        later, last = last, 2 * u * last - later + coefficient
    return u * last - later + coefficients[0]


def _scaled(near: Sequence[float], far: Sequence[float], size: Any, factor: Any) -> Any:
    """Return a Bessel function without its growth, from the series on both sides of 8."""
    close, wide = np.minimum(size, _JOINT), np.maximum(size, _JOINT)
    outer = _chebyshev(far, 16 / wide - 1) / np.sqrt(wide)
    return np.where(size <= _JOINT, factor * _chebyshev(near, close / 4 - 1), outer)


def _i0e(x: Any) -> Any:
    return _scaled(_I0_NEAR, _I0_FAR, np.abs(x * 1.0), 1)


def _i1e(x: Any) -> Any:
    size = np.abs(x * 1.0)
    return np.copysign(_scaled(_I1_NEAR, _I1_FAR, size, np.minimum(size, _JOINT)), x)


def _i1(x: Any) -> Any:
    # In two halves, as the exponential alone would overflow before the product does.
    size = np.minimum(np.abs(x * 1.0), _WIDEST)
    half = np.exp(size / 2)
    return np.copysign(_scaled(_I1_NEAR, _I1_FAR, size, np.minimum(size, _JOINT)) * half * half, x)


_SLOPE_SERIES = [
    (2 * k + 1) / (2 * 4**k * math.factorial(k) * math.factorial(k + 1)) for k in range(12)
]
"""The slope of I1 in powers of x² (9.6.10)."""


def _apart(x: Any) -> tuple[Any, Any, Any]:
    """Return where x is near 0, x there and 0 elsewhere, x elsewhere and 1 there."""
    near = np.abs(x) < 1
    return near, np.where(near, x, 0), np.where(near, 1, x)


def _i1_slope(y: Any, x: Any) -> Any:
    """Return ``I0 - I1 / x``, near 0 by its power series."""
    near, close, far = _apart(x)
    return np.where(near, _summed(_SLOPE_SERIES, close * close), i0(x) - y / far)


def _i1e_slope(y: Any, x: Any) -> Any:
    near, close, far = _apart(x)
    series = np.exp(-np.abs(close)) * _summed(_SLOPE_SERIES, close * close)
    return np.where(near, series, i0e(x) - y / far) - np.sign(x) * y


i0: Op = elementwise(
    np.i0, lambda _y, x: i1(x), params={},
    doc="Modified Bessel function of order 0.", formula="1/π ∫₀^π exp(x cos t) dt",
    latex=r"\frac{1}{\pi} \int_0^\pi e^{x \cos t}\,dt", pattern="scale",
    policy="infinite above 713; i0e has no end, as has ln i0(x) written ln i0e(x) + |x|",
)  # fmt: skip
i1: Op = elementwise(
    _i1, _i1_slope,
    doc="Modified Bessel function of order 1.", formula="1/π ∫₀^π exp(x cos t) cos t dt",
    latex=r"\frac{1}{\pi} \int_0^\pi e^{x \cos t} \cos t\,dt", pattern="scale",
    policy="infinite above 713; i1e has no end",
    local=("i0(x) - y / x",),
)  # fmt: skip
i0e: Op = elementwise(
    _i0e, lambda y, x: i1e(x) - np.sign(x) * y,
    doc="Modified Bessel function of order 0 without its growth.", formula="exp(-|x|) i0(x)",
    latex=r"e^{-|x|} I_0(x)", pattern="scale", kinks={"x": (0.0,)}, policy="0 at 0",
)  # fmt: skip
i1e: Op = elementwise(
    _i1e, _i1e_slope,
    doc="Modified Bessel function of order 1 without its growth.", formula="exp(-|x|) i1(x)",
    latex=r"e^{-|x|} I_1(x)", pattern="scale", kinks={"x": (0.0,)},
    policy="smooth to first order; the second jumps at 0",
    local=("i0e(x) - y / x - sign(x) * y",),
)  # fmt: skip

gammaln, psi = lgamma, digamma
"""The other names of both."""
