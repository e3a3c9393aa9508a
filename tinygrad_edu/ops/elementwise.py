"""Rows that act on each element: unary and binary functions, comparisons.

The Jacobian of such a row is diagonal, so a derivative is one factor, written in terms of the
result ``y`` where that is simpler. Binary rows broadcast; the sweep sums their cotangents back.
This file knows what happens at the points without a derivative, and says it in each row's policy;
it knows nothing of axes. Read ``activation.py`` next.

Three habits keep the factors safe. A mask stays boolean, and a constant stays a Python number, so
that float32 is not widened. A denominator that can be 0 is replaced by infinity *before* the
division, so that neither the slope nor its own derivative is nan. Rows whose slope can still be
infinite are marked ``singular``: where the cotangent is 0, they return 0.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite, elementwise, linear, op

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "addcdiv",
    "addcmul",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clamp",
    "clip",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "div",
    "divide",
    "divmod",
    "eq",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "exponent",
    "fabs",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "gcd",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "heaviside",
    "hypot",
    "invert",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "lcm",
    "ldexp",
    "le",
    "left_shift",
    "lerp",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "mul",
    "multiply",
    "nan_to_num",
    "ne",
    "neg",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "round",
    "rsqrt",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "spacing",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
    "where",
    "xlog1py",
    "xlogy",
]

_INF = math.inf
_POSITIVE = (0.0, _INF)


def _choose(mask: Any, slope: Any, other: Any, like: Any) -> Any:
    """Return ``slope`` where the mask is true, else ``other``, in the dtype of ``like``.

    Two Python numbers alone would make a float64 array.
    """
    return np.where(mask, slope, other).astype(like.dtype)


# ------------------------------------------------------------------------------ arithmetic

add = elementwise(
    np.add, 1, 1, doc="Sum.", formula="a + b", latex="a + b", pattern="copy",
)  # fmt: skip
subtract = elementwise(
    np.subtract, 1, -1, doc="Difference.", formula="a - b", latex="a - b", pattern="copy",
)  # fmt: skip
multiply = elementwise(
    np.multiply, lambda _y, _a, b: b, lambda _y, a, _b: a,
    doc="Product.", formula="a · b", latex=r"a \cdot b", pattern="swap",
)  # fmt: skip


def _over(b: Any) -> Any:
    """Return ``1 / b``, also for the number 0, by which Python itself refuses to divide."""
    if isinstance(b, (int, float)) and b == 0:
        return math.copysign(_INF, b)
    return _INF if isinstance(b, complex) and b == 0 else 1 / b


divide = elementwise(
    np.divide, lambda _y, _a, b: _over(b), lambda y, _a, b: -y / b,
    doc="Quotient.", formula="a / b", latex=r"\frac{a}{b}", pattern="scale",
    domain={"b": _POSITIVE}, singular=True,
    policy="b = 0: infinite, but 0 where the cotangent is 0",
    local=("1 / b", "-y / b"),
)  # fmt: skip
_QUOTIENT_BETWEEN_JUMPS = {"a": (5.1, 5.9), "b": (2.0, 2.5)}  # a / b is between 2 and 3
floor_divide = elementwise(
    np.floor_divide, 0, 0, arguments=("a", "b"), domain=_QUOTIENT_BETWEEN_JUMPS,
    doc="Largest whole number not above the quotient.", formula="⌊a / b⌋",
    latex=r"\left\lfloor \frac{a}{b} \right\rfloor", pattern="none",
    policy="0 everywhere, also at the jumps, where a / b is whole",
)  # fmt: skip
remainder = elementwise(
    np.remainder, 1, lambda _y, a, b: -(a // b), domain=_QUOTIENT_BETWEEN_JUMPS,
    doc="Remainder with the sign of the divisor, as in Python's %.", formula="a - b ⌊a / b⌋",
    latex=r"a - b \left\lfloor \frac{a}{b} \right\rfloor", pattern="scale",
    policy="at the jumps, where a / b is whole: the slope on the right",
)  # fmt: skip
fmod = elementwise(
    # The quotient comes from the result: a / b may round up to a whole number, y never does.
    np.fmod, 1, lambda y, a, b: np.rint((y - a) / b), domain=_QUOTIENT_BETWEEN_JUMPS,
    doc="Remainder with the sign of the dividend, as in C.", formula="a - b · trunc(a / b)",
    latex=r"a - b \operatorname{trunc} \frac{a}{b}", pattern="scale",
    policy="at the jumps, where a / b is whole: the slope away from 0",
)  # fmt: skip


def _base_slope(a: Any, b: Any) -> Any:
    """Return ``b a^(b-1)``, and 0 at a = 0 where 0 ≤ b < 1: there it is 0 · inf, or infinite."""
    if isinstance(b, complex) or (isinstance(b, (int, float)) and not 0 <= b < 1):
        return b * a ** (b - 1)
    flat = (a == 0) & (b >= 0) & (b < 1)
    return np.where(flat, 0, b * np.where(flat, 1, a) ** (b - 1))


def _exponent_slope(y: Any, a: Any) -> Any:
    """Return ``y ln a``, and 0 where a ≤ 0; of complex numbers only where a = 0."""
    if y.dtype.kind == "c":
        if isinstance(a, (int, float, complex)):
            return y * (cmath.log(a) if a else 0)
        zero = a == 0
        return np.where(zero, 0, y) * np.log(np.where(zero, 1, a).astype(y.dtype))
    if isinstance(a, (int, float)):
        return y * math.log(a) if a > 0 else y * 0.0
    positive_base = a > 0
    return np.where(positive_base, y, 0) * np.log(np.where(positive_base, a, 1))


power = elementwise(
    np.power, lambda _y, a, b: _base_slope(a, b), lambda y, a, _b: _exponent_slope(y, a),
    doc="Power.", formula="a ** b", latex="a^b", pattern="scale",
    domain={"a": _POSITIVE}, singular=True,
    policy="a = 0: for a 0 where 0 ≤ b < 1, infinite where b < 0; for b 0 where a ≤ 0",
    local=("b * a ** (b - 1)", "y * log(a)"),
)  # fmt: skip


def _float_power(a: Any, b: Any) -> Any:
    """Raise to a power, whole numbers as floats."""
    wide = np.result_type(a, b).kind in "biu"
    return np.power(a * 1.0 if wide else a, b)


float_power = composite(
    _float_power, functions=(np.float_power,), formula="a ** b", latex="a^b", pattern="scale",
    signature="(),()->()", domain={"a": _POSITIVE}, singular=True,
    policy="as power; float32 stays float32, of which NumPy makes float64: for that, convert a "
    "first, as in a.astype(np.float64)",
    cases=(case((2, 3), (2, 3)), case((3,), (2, 1)), case((), ())),
)  # fmt: skip

# ------------------------------------------------------------------------------ sign and rounding

positive = elementwise(
    np.positive, 1, doc="The same value.", formula="+x", latex="+x", pattern="copy",
)  # fmt: skip
negative = elementwise(
    np.negative, -1, doc="Negation.", formula="-x", latex="-x", pattern="scale",
)  # fmt: skip


def _conjugate_sign(x: Any) -> Any:
    """Return the slope of the absolute value: ``sign(x)``, of a complex number its conjugate."""
    if x.dtype.kind != "c":
        return np.sign(x)
    length = np.abs(x)
    return np.conj(x) / np.where(length == 0, _INF, length)


def _turning(g: Any, y: Any, x: Any) -> Any:
    """Return the part of g / |x| that turns the sign y of a complex x; a real one has none."""
    if x.dtype.kind != "c":
        return g * 0
    length = np.abs(x)
    return (g - np.real(g * y) * np.conj(y)) / np.where(length == 0, _INF, length)


absolute = elementwise(
    np.absolute, lambda _y, x: _conjugate_sign(x), functions=(np.fabs,), accepts_complex=True,
    doc="Absolute value.", formula="|x|", latex="|x|", pattern="route",
    kinks={"x": (0.0,)}, policy="0 at 0",
    local=("sign(x)",),
)  # fmt: skip
sign = op(
    np.sign, _turning, jvp=lambda tangents, y, x: np.conj(_turning(np.conj(tangents[0]), y, x)),
    doc="-1, 0 or 1 by the sign; a complex number over its length.", formula="sign(x)",
    latex=r"\operatorname{sign} x", pattern="none", signature="()->()", accepts_complex=True,
    kinks={"x": (0.0,)}, policy="0 at 0; real: 0 everywhere, also at the jump at 0",
    cases=(case((2, 3)), case(())),
    local=("0",),
)  # fmt: skip
heaviside = elementwise(
    np.heaviside, 0, lambda _y, x, _h0: x == 0,
    doc="Step: 0 left of 0, h0 at 0, 1 right of 0.", formula="0 if x < 0, h0 if x = 0, 1 if x > 0",
    latex=r"\Theta(x),\ \Theta(0) = h_0", pattern="none",
    kinks={"x": (0.0,)}, policy="for x 0 everywhere, also at the jump at 0; for h0 1 where x is 0",
)  # fmt: skip

_JUMPS: dict[str, Any] = {"pattern": "none", "policy": "0 everywhere, also at the jumps"}
floor = elementwise(
    np.floor, 0, doc="Largest whole number not above.", formula="⌊x⌋",
    latex=r"\lfloor x \rfloor", domain={"x": (0.1, 0.9)}, **_JUMPS,
)  # fmt: skip
ceil = elementwise(
    np.ceil, 0, doc="Smallest whole number not below.", formula="⌈x⌉",
    latex=r"\lceil x \rceil", domain={"x": (0.1, 0.9)}, **_JUMPS,
)  # fmt: skip
# NumPy's other name of trunc, which NumPy 2.5 warns of.
_FIX = (np.fix,) if np.lib.NumpyVersion(np.__version__) < "2.5.0" else ()
trunc = elementwise(
    np.trunc, 0, functions=_FIX, doc="Whole number towards 0.", formula="trunc(x)",
    latex=r"\operatorname{trunc} x", domain={"x": (0.1, 0.9)}, **_JUMPS,
)  # fmt: skip
rint = elementwise(
    np.rint, 0, doc="Nearest whole number, halves to the even one.", formula="rint(x)",
    latex=r"\operatorname{rint} x", domain={"x": (-0.4, 0.4)}, **_JUMPS,
)  # fmt: skip


def _round(a: Any, *, decimals: int = 0) -> Any:
    return np.round(a, decimals)


round = elementwise(
    _round, 0, arguments=("a",), functions=(np.round, np.around), order="a decimals out",
    doc="Value rounded to decimals, halves to the even digit.", formula="round(a, decimals)",
    latex=r"\operatorname{round}(a, \mathit{decimals})", domain={"a": (0.51, 0.54)},
    cases=(case((2, 3)), case((2, 3), decimals=1)), **_JUMPS,
)  # fmt: skip

copysign = elementwise(
    np.copysign, lambda y, a, _b: np.sign(y) * np.sign(a), 0,
    doc="The first value with the sign of the second.", formula="|a| sign(b)",
    latex=r"|a| \operatorname{sign} b", pattern="scale",
    kinks={"a": (0.0,), "b": (0.0,)}, policy="0 at a = 0; for b 0 everywhere, also at its sign",
)  # fmt: skip
ldexp = linear(
    np.ldexp, lambda g, _y, _x, i: np.ldexp(g, i), None, params={}, broadcasts=True,
    doc="Product with a power of 2, exact.", formula="x 2^i", latex=r"x\,2^i", pattern="scale",
    signature="(),()->()",
    cases=(case((2, 3), np.array([1, -2, 0])), case((3,), np.array([[4], [0]])), case((), 3)),
    local=("g * 2**i", ""),
)  # fmt: skip


def _modf(x: Any) -> Any:
    """Return the fraction and the whole number towards 0, both with the sign of x; a tuple."""
    whole = np.trunc(x)
    inf = np.isinf(x)
    # An infinite value has no fraction; inf - inf would be nan.
    return np.where(inf, 0, x) - np.where(inf, 0, whole), whole


def _divmod(a: Any, b: Any) -> Any:
    """Return the whole quotient and the remainder; a tuple."""
    return np.floor_divide(a, b), np.remainder(a, b)


def _exponent(x: Any) -> Any:
    return np.frexp(x)[1]


def _frexp(x: Any) -> Any:
    """Return a number from 1/2 to 1 and the power of 2 that x is it times; a tuple."""
    power = exponent(x)
    return np.ldexp(x, -power), power


exponent = op(
    _exponent, None, doc="The power of 2 that is just above |x|, 0 for 0.",
    formula="⌊log₂ |x|⌋ + 1", latex=r"\lfloor \log_2 |x| \rfloor + 1", pattern="none",
    signature="()->()", arguments=("x",), cases=(case((2, 3)), case(())),
    policy="the result is a whole number, which jumps: no gradient flows",
)  # fmt: skip
frexp = composite(
    _frexp, functions=(np.frexp,), formula="x / 2^e, e", latex=r"x\,2^{-e},\ e",
    signature="()->(),()", pattern="scale",
    policy="the first has the slope 2^-e, at its jumps too; the second is a whole number without "
    "a gradient",
    cases=(case(np.array([[1.4, -2.3, 0.6]])), case(np.array(-0.3))),
)  # fmt: skip
_IN_PARTS: dict[str, Any] = {"pattern": "scale", "policy": "at the jumps as if there were none"}
modf = composite(
    _modf, functions=(np.modf,), formula="x - trunc(x), trunc(x)",
    latex=r"x - \operatorname{trunc} x,\ \operatorname{trunc} x", signature="()->(),()",
    cases=(case(np.array([[1.4, -2.3, 0.6]])), case(np.array(-0.2))), **_IN_PARTS,
)  # fmt: skip
divmod = composite(
    _divmod, functions=(np.divmod,), formula="⌊a / b⌋, a - b ⌊a / b⌋",
    latex=r"\lfloor a/b \rfloor,\ a - b \lfloor a/b \rfloor", signature="(),()->(),()",
    cases=(
        case(np.array([5.3, -2.2]), np.array([2.0, 1.5])),
        case(np.array([3.3]), np.array(-2.0)),
    ),
    **_IN_PARTS,
)  # fmt: skip

# ------------------------------------------------------------------------------ powers and roots

square = elementwise(
    np.square, lambda _y, x: 2 * x, doc="Square.", formula="x²", latex="x^2", pattern="scale",
)  # fmt: skip
_ROOT: dict[str, Any] = {
    "domain": {"x": _POSITIVE},
    "policy": "0 at 0, where the slope is infinite",
}
sqrt = elementwise(
    np.sqrt, lambda y, _x: 0.5 / np.where(y == 0, _INF, y),
    doc="Square root.", formula="√x", latex=r"\sqrt{x}", pattern="scale", **_ROOT,
    local=("1 / (2 * y)",),
)  # fmt: skip
cbrt = elementwise(
    np.cbrt, lambda y, _x: 1 / np.where(y == 0, _INF, 3 * y * y),
    doc="Cube root.", formula="∛x", latex=r"\sqrt[3]{x}", pattern="scale", **_ROOT,
    local=("1 / (3 * y**2)",),
)  # fmt: skip


def _rsqrt(x: Any) -> Any:
    return 1 / np.sqrt(x)


_POLE: dict[str, Any] = {
    "domain": {"x": _POSITIVE},
    "singular": True,
    "policy": "0: infinite, but 0 where the cotangent is 0",
}
rsqrt = elementwise(
    _rsqrt, lambda y, _x: -0.5 * y * y * y,
    doc="Reciprocal square root.", formula="1 / √x", latex=r"\frac{1}{\sqrt{x}}",
    pattern="scale", accepts_complex=True, **_POLE,
)  # fmt: skip
reciprocal = elementwise(
    np.reciprocal, lambda y, _x: -y * y,
    doc="Reciprocal.", formula="1 / x", latex=r"\frac{1}{x}", pattern="scale", **_POLE,
)  # fmt: skip

# ------------------------------------------------------------------------------ exp and log

_LN2, _LN10 = math.log(2), math.log(10)
exp = elementwise(
    np.exp, lambda y, _x: y, doc="Exponential.", formula="exp(x)", latex="e^x", pattern="scale",
)  # fmt: skip
exp2 = elementwise(
    np.exp2, lambda y, _x: y * _LN2,
    doc="Power of 2.", formula="2 ** x", latex="2^x", pattern="scale",
    local=("y * log(2)",),
)  # fmt: skip
expm1 = elementwise(
    # Not y + 1, which loses every digit for large negative x.
    np.expm1, lambda _y, x: np.exp(x),
    doc="Exponential minus 1, exact near 0.", formula="exp(x) - 1", latex="e^x - 1",
    pattern="scale",
)  # fmt: skip
log = elementwise(
    np.log, lambda _y, x: 1 / x,
    doc="Natural logarithm.", formula="ln x", latex=r"\ln x", pattern="scale", **_POLE,
)  # fmt: skip
log2 = elementwise(
    np.log2, lambda _y, x: 1 / (x * _LN2),
    doc="Logarithm to base 2.", formula="log₂ x", latex=r"\log_2 x", pattern="scale", **_POLE,
    local=("1 / (x * log(2))",),
)  # fmt: skip
log10 = elementwise(
    np.log10, lambda _y, x: 1 / (x * _LN10),
    doc="Logarithm to base 10.", formula="log₁₀ x", latex=r"\log_{10} x", pattern="scale", **_POLE,
    local=("1 / (x * log(10))",),
)  # fmt: skip
log1p = elementwise(
    np.log1p, lambda _y, x: 1 / (1 + x),
    doc="Logarithm of 1 + x, exact near 0.", formula="ln(1 + x)", latex=r"\ln(1 + x)",
    pattern="scale", domain={"x": (-1.0, _INF)}, singular=True,
    policy="-1: infinite, but 0 where the cotangent is 0",
)  # fmt: skip


def _above_minus_infinity(y: Any) -> Any:
    """Return y with 0 for -inf, so that ``a - y`` is -inf and not nan where both are -inf."""
    return np.where(y == -_INF, 0, y)


_BOTH_MINUS_INFINITY = "0 for both where a = b = -inf"
logaddexp = elementwise(
    np.logaddexp,
    lambda y, a, _b: np.exp(a - _above_minus_infinity(y)),
    lambda y, _a, b: np.exp(b - _above_minus_infinity(y)),
    doc="Logarithm of a sum of exponentials.", formula="ln(exp a + exp b)",
    latex=r"\ln(e^a + e^b)", pattern="scale", policy=_BOTH_MINUS_INFINITY,
    local=("exp(a - y)", "exp(b - y)"),
)  # fmt: skip
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda y, a, _b: np.exp2(a - _above_minus_infinity(y)),
    lambda y, _a, b: np.exp2(b - _above_minus_infinity(y)),
    doc="Logarithm to base 2 of a sum of powers of 2.", formula="log₂(2 ** a + 2 ** b)",
    latex=r"\log_2(2^a + 2^b)", pattern="scale", policy=_BOTH_MINUS_INFINITY,
    local=("2 ** (a - y)", "2 ** (b - y)"),
)  # fmt: skip


def _xlogy(a: Any, b: Any) -> Any:
    nothing = a == 0
    if isinstance(b, (int, float)) and b > 0:
        return a * math.log(b)
    return a * np.log(np.where(nothing, 1, b))


def _xlogy_slope(a: Any, b: Any) -> Any:
    """Return ``ln b``, and 0 where a = 0 and b ≤ 0."""
    if isinstance(b, (int, float)) and b > 0:
        return math.log(b)
    return np.log(np.where((a == 0) & (b <= 0), 1, b))


xlogy = elementwise(
    _xlogy,
    lambda _y, a, b: _xlogy_slope(a, b),
    lambda _y, a, b: a / np.where((b == 0) & (a == 0), 1, b),
    doc="a times the logarithm of b, 0 where a is 0.", formula="a ln b", latex=r"a \ln b",
    pattern="scale", domain={"a": _POSITIVE, "b": _POSITIVE}, singular=True,
    policy="a = 0: 0 for b; for a ln b, but 0 where b ≤ 0",
    local=("log(b)", "a / b"),
)  # fmt: skip


def _xlog1py(a: Any, b: Any) -> Any:
    return a * np.log1p(np.where(a == 0, 0, b))


xlog1py = elementwise(
    _xlog1py,
    lambda _y, a, b: np.log1p(np.where((a == 0) & (b <= -1), 0, b)),
    lambda _y, a, b: a / np.where((b == -1) & (a == 0), 1, 1 + b),
    doc="a times the logarithm of 1 + b, exact for small b, 0 where a is 0.",
    formula="a ln(1 + b)", latex=r"a \ln(1 + b)", pattern="scale",
    domain={"a": _POSITIVE, "b": (-1.0, _INF)}, singular=True,
    policy="a = 0: 0 for b; for a ln(1 + b), but 0 where b ≤ -1",
    local=("log(1 + b)", "a / (1 + b)"),
)  # fmt: skip

# ------------------------------------------------------------------------------ trigonometry

sin = elementwise(
    np.sin, lambda _y, x: np.cos(x), doc="Sine.", formula="sin(x)", latex=r"\sin x",
    pattern="scale",
)  # fmt: skip
cos = elementwise(
    np.cos, lambda _y, x: -np.sin(x), doc="Cosine.", formula="cos(x)", latex=r"\cos x",
    pattern="scale",
)  # fmt: skip
tan = elementwise(
    np.tan, lambda y, _x: 1 + y * y, doc="Tangent.", formula="tan(x)", latex=r"\tan x",
    pattern="scale", domain={"x": (-1.4, 1.4)}, policy="none at the poles, which no float hits",
)  # fmt: skip
_ENDS: dict[str, Any] = {
    "domain": {"x": (-1.0, 1.0)},
    "singular": True,
    "policy": "-1 and 1: infinite, but 0 where the cotangent is 0",
}
arcsin = elementwise(
    # (1 - x)(1 + x) keeps the digits that 1 - x² loses near the ends.
    np.arcsin, lambda _y, x: 1 / np.sqrt((1 - x) * (1 + x)),
    doc="Angle of a sine.", formula="arcsin(x)", latex=r"\arcsin x", pattern="scale", **_ENDS,
)  # fmt: skip
arccos = elementwise(
    np.arccos, lambda _y, x: -1 / np.sqrt((1 - x) * (1 + x)),
    doc="Angle of a cosine.", formula="arccos(x)", latex=r"\arccos x", pattern="scale", **_ENDS,
)  # fmt: skip
arctan = elementwise(
    np.arctan, lambda _y, x: 1 / (1 + x * x),
    doc="Angle of a tangent.", formula="arctan(x)", latex=r"\arctan x", pattern="scale",
)  # fmt: skip


def _per_square(x: Any, a: Any, b: Any) -> Any:
    """Return ``x / (a² + b²)``, and 0 where a = b = 0."""
    square_sum = a * a + b * b
    return x / np.where(square_sum == 0, _INF, square_sum)


arctan2 = elementwise(
    np.arctan2, lambda _y, a, b: _per_square(b, a, b), lambda _y, a, b: -_per_square(a, a, b),
    doc="Angle of the point with height a and width b.", formula="arctan2(a, b)",
    latex=r"\operatorname{arctan2}(a, b)", pattern="scale", domain={"b": _POSITIVE},
    policy="0 for both at a = b = 0",
    local=("b / (a**2 + b**2)", "-a / (a**2 + b**2)"),
)  # fmt: skip
hypot = elementwise(
    np.hypot,
    lambda y, a, _b: a / np.where(y == 0, _INF, y),
    lambda y, _a, b: b / np.where(y == 0, _INF, y),
    doc="Length of the vector (a, b).", formula="√(a² + b²)", latex=r"\sqrt{a^2 + b^2}",
    pattern="scale", domain={"a": _POSITIVE, "b": _POSITIVE}, policy="0 for both at a = b = 0",
    local=("a / y", "b / y"),
)  # fmt: skip
deg2rad = elementwise(
    np.deg2rad, math.pi / 180, functions=(np.radians,),
    doc="Degrees as radians.", formula="x π / 180", latex=r"\frac{\pi}{180} x", pattern="scale",
    local=("pi / 180",),
)  # fmt: skip
rad2deg = elementwise(
    np.rad2deg, 180 / math.pi, functions=(np.degrees,),
    doc="Radians as degrees.", formula="x 180 / π", latex=r"\frac{180}{\pi} x", pattern="scale",
    local=("180 / pi",),
)  # fmt: skip

_SINC_SERIES = [
    (-1) ** k * math.pi ** (2 * k) * 2 * k / math.factorial(2 * k + 1) for k in range(1, 10)
]


def _sinc_slope(y: Any, x: Any) -> Any:
    """Return ``(cos πx - y) / x``, near 0 by its power series: the difference loses all digits."""
    near = np.abs(x) < 0.25
    close, far = np.where(near, x, 0), np.where(near, 1, x)
    squared = close * close
    series = _SINC_SERIES[-1]
    for coefficient in reversed(_SINC_SERIES[:-1]):
        series = series * squared + coefficient
    return np.where(near, series * close, (np.cos(math.pi * far) - y) / far)


sinc = elementwise(
    np.sinc, _sinc_slope, functions=(np.sinc,), accepts_complex=True,
    doc="Sine of πx over πx, 1 at 0.", formula="sin(πx) / (πx)",
    latex=r"\frac{\sin \pi x}{\pi x}", pattern="scale",
    local=("(cos(pi * x) - y) / x",),
)  # fmt: skip

# ------------------------------------------------------------------------------ hyperbolic

sinh = elementwise(
    np.sinh, lambda _y, x: np.cosh(x),
    doc="Hyperbolic sine.", formula="sinh(x)", latex=r"\sinh x", pattern="scale",
)  # fmt: skip
cosh = elementwise(
    np.cosh, lambda _y, x: np.sinh(x),
    doc="Hyperbolic cosine.", formula="cosh(x)", latex=r"\cosh x", pattern="scale",
)  # fmt: skip
tanh = elementwise(
    np.tanh, lambda y, _x: 1 - y * y,
    doc="Hyperbolic tangent.", formula="tanh(x)", latex=r"\tanh x", pattern="scale",
)  # fmt: skip


def _arcsinh_slope(_y: Any, x: Any) -> Any:
    """Return ``1 / √(x² + 1)``; hypot has no overflow of x², and no complex numbers."""
    return 1 / (np.sqrt(x * x + 1) if x.dtype.kind == "c" else np.hypot(x, 1))


arcsinh = elementwise(
    np.arcsinh, _arcsinh_slope,
    doc="Inverse of sinh.", formula="arcsinh(x)", latex=r"\operatorname{arcsinh} x",
    pattern="scale",
    local=("1 / sqrt(x**2 + 1)",),
)  # fmt: skip
arccosh = elementwise(
    np.arccosh, lambda _y, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),
    doc="Inverse of cosh.", formula="arccosh(x)", latex=r"\operatorname{arccosh} x",
    pattern="scale", domain={"x": (1.0, _INF)}, singular=True,
    policy="1: infinite, but 0 where the cotangent is 0",
)  # fmt: skip
arctanh = elementwise(
    np.arctanh, lambda _y, x: 1 / ((1 - x) * (1 + x)),
    doc="Inverse of tanh.", formula="arctanh(x)", latex=r"\operatorname{arctanh} x",
    pattern="scale", **_ENDS,
)  # fmt: skip

# ------------------------------------------------------------------------------ limits


def _clip(a: Any, *, a_min: Any = None, a_max: Any = None) -> Any:
    return np.clip(a, a_min, a_max)


def _within(x: Any, low: Any, high: Any) -> Any:
    """Return the mask of what is strictly between the bounds, of which ``None`` bounds nothing."""
    return (x > (-_INF if low is None else low)) & (x < (_INF if high is None else high))


clip = elementwise(
    _clip, lambda _y, a, *, a_min, a_max: _within(a, a_min, a_max),
    functions=(np.clip,), order="a a_min a_max out",
    doc="Value limited to an interval; a bound may be None.", formula="min(max(a, a_min), a_max)",
    latex=r"\min(\max(a, a_{\min}), a_{\max})", pattern="route",
    kinks={"a": (-0.5, 0.75)}, policy="0 at both bounds and outside; none for the bounds",
    cases=(
        case((2, 3), a_min=-0.5, a_max=0.75), case((2, 3), a_min=-0.5), case((2, 3), a_max=0.75),
        case((), a_min=-0.5, a_max=0.75),
    ),
    local=("(a > a_min) & (a < a_max)",),
)  # fmt: skip

# ------------------------------------------------------------------------------ choosing

_SHARED: dict[str, Any] = {
    "pattern": "route",
    "kinks": {"a": "ties"},
    "policy": "equal elements share the gradient equally; none where the result is nan",
}
_SKIPS_NAN: dict[str, Any] = {
    **_SHARED,
    "policy": "equal elements share the gradient equally; nan gets none",
}


def _won(wins: Any, a: Any, b: Any, like: Any) -> Any:
    """Return 1 where the argument wins, 1/2 at a tie, else 0."""
    return _choose(a == b, 0.5, wins, like)


def _beats_nan(a: Any, b: Any) -> Any:
    """Return the mask of where b is nan and a is not."""
    return np.isnan(b) & ~np.isnan(a)


maximum = elementwise(
    np.maximum, lambda _y, a, b: _won(a > b, a, b, _y), lambda _y, a, b: _won(b > a, a, b, _y),
    doc="Larger of two, nan if one is nan.", formula="max(a, b)", latex=r"\max(a, b)", **_SHARED,
    local=("where(a > b, 1, where(a == b, 0.5, 0))", "where(b > a, 1, where(a == b, 0.5, 0))"),
)  # fmt: skip
minimum = elementwise(
    np.minimum, lambda _y, a, b: _won(a < b, a, b, _y), lambda _y, a, b: _won(b < a, a, b, _y),
    doc="Smaller of two, nan if one is nan.", formula="min(a, b)", latex=r"\min(a, b)", **_SHARED,
    local=("where(a < b, 1, where(a == b, 0.5, 0))", "where(b < a, 1, where(a == b, 0.5, 0))"),
)  # fmt: skip
fmax = elementwise(
    np.fmax,
    lambda _y, a, b: _won((a > b) | _beats_nan(a, b), a, b, _y),
    lambda _y, a, b: _won((b > a) | _beats_nan(b, a), a, b, _y),
    doc="Larger of two, the other if one is nan.", formula="fmax(a, b)",
    latex=r"\operatorname{fmax}(a, b)", **_SKIPS_NAN,
    local=("where(a > b, 1, where(a == b, 0.5, 0))", "where(b > a, 1, where(a == b, 0.5, 0))"),
)  # fmt: skip
fmin = elementwise(
    np.fmin,
    lambda _y, a, b: _won((a < b) | _beats_nan(a, b), a, b, _y),
    lambda _y, a, b: _won((b < a) | _beats_nan(b, a), a, b, _y),
    doc="Smaller of two, the other if one is nan.", formula="fmin(a, b)",
    latex=r"\operatorname{fmin}(a, b)", **_SKIPS_NAN,
    local=("where(a < b, 1, where(a == b, 0.5, 0))", "where(b < a, 1, where(a == b, 0.5, 0))"),
)  # fmt: skip

_CONDITION = np.array([[True, False, True], [False, False, True]])
where = linear(
    np.where,
    None,
    lambda g, _result, condition, _x, _y: np.where(condition, g, 0),
    lambda g, _result, condition, _x, _y: np.where(condition, 0, g),
    params={}, functions=(np.where,), broadcasts=True, selects=True,
    doc="x where the condition holds, else y.", formula="x if condition else y",
    latex=r"\begin{cases} x & \text{condition} \\ y & \text{else} \end{cases}", pattern="route",
    signature="(),(),()->()", policy="a nan or infinite slope in the branch not taken is stopped",
    cases=(
        case(_CONDITION, (2, 3), (2, 3)), case(_CONDITION, (3,), (2, 1)),
        case(_CONDITION[:, :1], (), (2, 3)), case(np.array(True), (), ()),
    ),
    local=("", "where(condition, g, 0)", "where(condition, 0, g)"),
)  # fmt: skip


def _nan_to_num(
    x: Any,
    *,
    copy: bool = True,  # noqa: ARG001 - NumPy's callers may give it; a tensor is never changed
    nan: Any = 0.0,
    posinf: Any = None,
    neginf: Any = None,
) -> Any:
    return np.nan_to_num(x, copy=True, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num = op(
    _nan_to_num, lambda g, _y, x, **_params: np.where(np.isfinite(x), g, 0),
    jvp=lambda tangents, _y, x, **_params: np.where(np.isfinite(x), tangents[0], 0),
    functions=(np.nan_to_num,), signature="()->()", batch="pointwise",
    order="x copy nan posinf neginf", doc="Numbers in place of nan and of both infinities.",
    formula="x if finite, else nan, posinf or neginf", pattern="route",
    latex=r"\begin{cases} x & |x| < \infty \\ c & \text{else} \end{cases}",
    policy="what was replaced gets no gradient",
    cases=(case((2, 3)), case((3,), nan=1.5, posinf=7.0, neginf=-7.0)),
    local=("where(isfinite(x), g, 0)",),
)  # fmt: skip

# ------------------------------------------------------------------------------ no derivative

_MASK: dict[str, Any] = {"pattern": "none", "policy": "the result is a mask: no gradient flows"}
_OF_ONE: dict[str, Any] = {
    "arguments": ("x",), "signature": "()->()", "cases": (case((2, 3)), case(())), **_MASK,
}  # fmt: skip
_OF_TWO: dict[str, Any] = {
    "arguments": ("a", "b"), "signature": "(),()->()", "broadcasts": True,
    "cases": (case((2, 3), (2, 3)), case((2, 1), (3,)), case((), (2,))), **_MASK,
}  # fmt: skip
_BOOLEANS = np.array([True, True, False, False]), np.array([True, False, True, False])
_OF_BITS: dict[str, Any] = {
    **_OF_TWO,
    "cases": (case(*_BOOLEANS), case(np.array([6, 5]), np.array(3))),
}

less = op(
    np.less, None, None, doc="Whether a is smaller.", formula="a < b", latex="a < b", **_OF_TWO,
)  # fmt: skip
less_equal = op(
    np.less_equal, None, None, doc="Whether a is not larger.", formula="a ≤ b", latex=r"a \le b",
    **_OF_TWO,
)  # fmt: skip
greater = op(
    np.greater, None, None, doc="Whether a is larger.", formula="a > b", latex="a > b", **_OF_TWO,
)  # fmt: skip
greater_equal = op(
    np.greater_equal, None, None, doc="Whether a is not smaller.", formula="a ≥ b",
    latex=r"a \ge b", **_OF_TWO,
)  # fmt: skip
equal = op(
    np.equal, None, None, doc="Whether two are equal.", formula="a = b", latex="a = b", **_OF_TWO,
)  # fmt: skip
not_equal = op(
    np.not_equal, None, None, doc="Whether two differ.", formula="a ≠ b", latex=r"a \ne b",
    **_OF_TWO,
)  # fmt: skip
logical_and = op(
    np.logical_and, None, None, doc="Whether both are true.", formula="a and b",
    latex=r"a \land b", **_OF_TWO,
)  # fmt: skip
logical_or = op(
    np.logical_or, None, None, doc="Whether one is true, or both.", formula="a or b",
    latex=r"a \lor b", **_OF_TWO,
)  # fmt: skip
logical_xor = op(
    np.logical_xor, None, None, doc="Whether exactly one is true.", formula="a xor b",
    latex=r"a \veebar b", **_OF_TWO,
)  # fmt: skip
logical_not = op(
    np.logical_not, None, doc="Whether it is false.", formula="not x", latex=r"\lnot x", **_OF_ONE,
)  # fmt: skip
bitwise_and = op(
    np.bitwise_and, None, None, doc="Bits set in both.", formula="a & b",
    latex=r"a \;\&\; b", **_OF_BITS,
)  # fmt: skip
bitwise_or = op(
    np.bitwise_or, None, None, doc="Bits set in one or both.", formula="a | b",
    latex=r"a \;|\; b", **_OF_BITS,
)  # fmt: skip
bitwise_xor = op(
    np.bitwise_xor, None, None, doc="Bits set in exactly one.", formula="a ^ b",
    latex=r"a \oplus b", **_OF_BITS,
)  # fmt: skip
_WHOLE: dict[str, Any] = {
    **_OF_TWO,
    "policy": "for whole numbers: no gradient flows",
    "cases": (case(np.array([6, 9, 5]), np.array([[4], [3]])), case(np.array([8, 2]), np.array(1))),
}
left_shift = op(
    np.left_shift, None, None, doc="Bits moved up.", formula="a 2^b", latex=r"a \ll b", **_WHOLE,
)  # fmt: skip
right_shift = op(
    np.right_shift, None, None, doc="Bits moved down.", formula="⌊a / 2^b⌋", latex=r"a \gg b",
    **_WHOLE,
)  # fmt: skip
gcd = op(
    np.gcd, None, None, doc="Greatest common divisor.", formula="gcd(a, b)",
    latex=r"\gcd(a, b)", **_WHOLE,
)  # fmt: skip
lcm = op(
    np.lcm, None, None, doc="Least common multiple.", formula="lcm(a, b)",
    latex=r"\operatorname{lcm}(a, b)", **_WHOLE,
)  # fmt: skip
bitwise_count = op(
    np.bitwise_count, None, doc="Number of bits that are set in |x|.", formula="#{bits of |x|}",
    latex=r"\sum_i b_i(|x|)",
    **{**_OF_ONE, "cases": (case(np.array([6, 5, 0])),), "policy": _WHOLE["policy"]},
)  # fmt: skip
invert = op(
    np.invert, None, doc="All bits turned.", formula="~x", latex=r"\sim x",
    **{**_OF_ONE, "cases": (case(_BOOLEANS[0]), case(np.array([6, 5])))},
)  # fmt: skip
isnan = op(
    np.isnan, None, doc="Whether it is not a number.", formula="x is nan",
    latex=r"x = \text{nan}", **_OF_ONE,
)  # fmt: skip
isinf = op(
    np.isinf, None, doc="Whether it is infinite.", formula="|x| = ∞", latex=r"|x| = \infty",
    **_OF_ONE,
)  # fmt: skip
isfinite = op(
    np.isfinite, None, doc="Whether it is neither infinite nor nan.", formula="|x| < ∞",
    latex=r"|x| < \infty", **_OF_ONE,
)  # fmt: skip


def _isposinf(x: Any) -> Any:
    return np.isposinf(x)


def _isneginf(x: Any) -> Any:
    return np.isneginf(x)


signbit = op(
    np.signbit, None, doc="Whether the sign is minus, also of -0 and nan.", formula="sign(x) = -",
    latex=r"\operatorname{sign} x = -", **_OF_ONE,
)  # fmt: skip

isposinf = op(
    _isposinf, None, functions=(np.isposinf,), doc="Whether it is plus infinity.",
    formula="x = ∞", latex=r"x = \infty", **_OF_ONE,
)  # fmt: skip
isneginf = op(
    _isneginf, None, functions=(np.isneginf,), doc="Whether it is minus infinity.",
    formula="x = -∞", latex=r"x = -\infty", **_OF_ONE,
)  # fmt: skip
spacing = op(
    np.spacing, None, doc="The distance to the next number of the dtype away from 0.",
    formula="one last digit of x", latex=r"\mathrm{ulp}(x)",
    **{**_OF_ONE, "policy": "it is about digits, not about the value: no gradient flows"},
)  # fmt: skip


def _isclose(
    a: Any, b: Any, *, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False
) -> Any:
    return np.isclose(a, b, rtol, atol, equal_nan)


isclose = op(
    _isclose, None, None, functions=(np.isclose,), doc="Whether two are nearly equal.",
    formula="|a - b| ≤ atol + rtol |b|", latex=r"|a - b| \le \varepsilon + \rho |b|", **_OF_TWO,
)  # fmt: skip
nextafter = op(
    np.nextafter, None, None, doc="The next number of the dtype from a towards b.",
    formula="a ± one last digit", latex=r"a \pm \mathrm{ulp}",
    **{**_OF_TWO, "policy": "it is about digits, not about the value: no gradient flows"},
)  # fmt: skip

# ------------------------------------------------------------------------------ mixtures


def _lerp(a: Any, b: Any, weight: Any) -> Any:
    """Mix two values: a for weight 0, b for weight 1, on a straight line between and beyond."""
    # Counted from the nearer end, so that both ends are exact.
    across = b - a
    return np.where(weight < 0.5, a + weight * across, b - across * (1 - weight))


def _addcmul(x: Any, a: Any, b: Any, *, value: float = 1) -> Any:
    """Add a product to x, `value` times."""
    return x + (a * b if value == 1 else value * (a * b))


def _addcdiv(x: Any, a: Any, b: Any, *, value: float = 1) -> Any:
    """Add a quotient to x, `value` times."""
    return x + (np.divide(a, b) if value == 1 else value * np.divide(a, b))


_OF_THREE = (case((2, 3), (2, 3), (2, 3)), case((2, 1), (3,), ()))
_TIMES = (*_OF_THREE, case((2, 3), (3,), (2, 1), value=-0.5))
lerp = composite(
    _lerp, formula="a + weight (b - a)", latex="a + w (b - a)", pattern="scale",
    signature="(),(),()->()", cases=(*_OF_THREE, case((3,), (3,), np.array([0.0, 0.5, 1.0]))),
    accepts_complex=False,
)  # fmt: skip
addcmul = composite(
    _addcmul, formula="x + value · a · b", latex=r"x + v \cdot a \cdot b", pattern="swap",
    signature="(),(),()->()", cases=_TIMES,
)  # fmt: skip
addcdiv = composite(
    _addcdiv, formula="x + value · a / b", latex=r"x + v \frac{a}{b}", pattern="scale",
    signature="(),(),()->()", cases=_TIMES, domain={"b": _POSITIVE}, singular=True,
    policy="b = 0: infinite, but 0 where the cotangent is 0",
)  # fmt: skip

# ------------------------------------------------------------------------------ other names

abs, clamp = absolute, clip
degrees, radians, fabs = rad2deg, deg2rad, absolute
bitwise_left_shift, bitwise_right_shift, bitwise_invert = left_shift, right_shift, invert
acos, acosh, asin, asinh, atan, atan2, atanh = (
    arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh,
)  # fmt: skip
pow, fix, true_divide, mod = power, trunc, divide, remainder
"""Python's, PyTorch's and NumPy's other names."""

neg, sub, mul, div = negative, subtract, multiply, divide
eq, ne, lt, le, gt, ge = equal, not_equal, less, less_equal, greater, greater_equal
"""PyTorch's short names."""
