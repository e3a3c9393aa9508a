"""Activations: rectifiers, sigmoids and their relatives, the error function, gates.

Like those of ``elementwise.py`` most of these rows have a diagonal Jacobian, and follow its habits:
masks stay boolean, constants stay Python numbers, nothing overflows. This file knows the formulas
and what holds at kinks; modules with these names are in ``nn/activations.py``. Read ``reduce.py``
next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, REQUIRED, case, composite, elementwise
from tinygrad_edu.errors import OpError, explain
from tinygrad_edu.ops.elementwise import _choose, _within

__all__ = [
    "celu",
    "elu",
    "erf",
    "erfc",
    "erfinv",
    "expit",
    "geglu",
    "gelu",
    "gelu_tanh",
    "glu",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_cosh",
    "log_sigmoid",
    "logit",
    "logsigmoid",
    "mish",
    "prelu",
    "quick_gelu",
    "reglu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax2d",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "squareplus",
    "swiglu",
    "swish",
    "tanhshrink",
    "threshold",
]

# ------------------------------------------------------------------------------ straight pieces


def _relu(x: Any) -> Any:
    return np.maximum(x, 0)


def _leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    return np.where(x > 0, x, negative_slope * x)


def _prelu(x: Any, weight: Any) -> Any:
    return np.where(x > 0, x, weight * x)


def _relu6(x: Any) -> Any:
    return np.minimum(np.maximum(x, 0), 6)


def _hardtanh(x: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    return np.minimum(np.maximum(x, min_val), max_val)


def _hardsigmoid(x: Any) -> Any:
    return _relu6(x + 3) / 6


def _hardswish(x: Any) -> Any:
    return np.maximum(x, -3) * (_relu6(x + 3) / 6)  # -inf · 0 would be nan


def _threshold(x: Any, *, threshold: float, value: float) -> Any:
    return np.where(x <= threshold, value, x)  # asked this way round, nan stays nan


def _softshrink(x: Any, *, lambd: float = 0.5) -> Any:
    _not_negative("softshrink", "lambd", lambd)
    return x - np.minimum(np.maximum(x, -lambd), lambd)


def _hardshrink(x: Any, *, lambd: float = 0.5) -> Any:
    _not_negative("hardshrink", "lambd", lambd)
    return np.where(np.abs(x) <= lambd, 0, x)


def _tanhshrink(x: Any) -> Any:
    return x - np.tanh(x)


def _not_negative(name: str, parameter: str, value: float) -> None:
    if not value >= 0:
        raise OpError(explain(name, f"{parameter}={value!r}", fix="give a number, at least 0"))


relu = elementwise(
    _relu, lambda y, _x: y > 0,
    doc="Rectified linear unit.", formula="max(x, 0)", latex=r"\max(x, 0)", pattern="route",
    kinks={"x": (0.0,)}, policy="0 at 0",
)  # fmt: skip
leaky_relu = elementwise(
    _leaky_relu, lambda _y, x, *, negative_slope: _choose(x > 0, 1, negative_slope, x),
    doc="Rectified linear unit that leaks to the left.",
    formula="x if x > 0 else negative_slope · x", pattern="route",
    latex=r"\begin{cases} x & x > 0 \\ \alpha x & x \le 0 \end{cases}",
    kinks={"x": (0.0,)}, policy="negative_slope at 0",
    cases=(case((2, 3)), case((2, 3), negative_slope=0.3), case((), negative_slope=0.3)),
    local=("where(x > 0, 1, negative_slope)",),
)  # fmt: skip
prelu = elementwise(
    _prelu,
    lambda _y, x, weight: _choose(x > 0, 1, weight, _y),
    lambda _y, x, _weight: np.minimum(x, 0),
    doc="Leaky rectified linear unit whose slope is learnt.", formula="x if x > 0 else weight · x",
    latex=r"\begin{cases} x & x > 0 \\ w x & x \le 0 \end{cases}", pattern="route",
    kinks={"x": (0.0,)}, policy="weight at 0",
    local=("where(x > 0, 1, weight)", "minimum(x, 0)"),
)  # fmt: skip
relu6 = elementwise(
    _relu6, lambda y, _x: (y > 0) & (y < 6),
    doc="Rectified linear unit that ends at 6.", formula="min(max(x, 0), 6)",
    latex=r"\min(\max(x, 0), 6)", pattern="route", kinks={"x": (0.0, 6.0)}, policy="0 at 0 and 6",
)  # fmt: skip
hardtanh = elementwise(
    _hardtanh, lambda _y, x, *, min_val, max_val: _within(x, min_val, max_val),
    doc="Ramp between two values.", formula="min(max(x, min_val), max_val)",
    latex=r"\min(\max(x, \mathit{min}), \mathit{max})", pattern="route",
    kinks={"x": (-1.0, 0.5, 1.0)}, policy="0 at both bounds",
    cases=(case((2, 3)), case((2, 3), max_val=0.5), case(())),
    local=("(x > min_val) & (x < max_val)",),
)  # fmt: skip
threshold = elementwise(
    _threshold, lambda _y, x, *, threshold, **_value: ~(x <= threshold),
    params={"threshold": REQUIRED, "value": REQUIRED},
    doc="x above a threshold, a fixed value up to it.", formula="x if x > threshold else value",
    latex=r"\begin{cases} x & x > \theta \\ v & x \le \theta \end{cases}", pattern="route",
    kinks={"x": (0.1,)}, policy="0 at the threshold",
    cases=(case((2, 3), threshold=0.1, value=20.0), case((), threshold=0.1, value=-1.0)),
)  # fmt: skip
_SHRUNK = (case((2, 3)), case((2, 3), lambd=1.0), case((), lambd=1.0))
softshrink = elementwise(
    _softshrink, lambda _y, x, *, lambd: ~(np.abs(x) <= lambd),
    doc="Value moved towards 0 by lambd, and not past it.",
    formula="x - min(max(x, -lambd), lambd)",
    latex=r"\operatorname{sign}(x) \max(|x| - \lambda, 0)", pattern="route",
    kinks={"x": (-1.0, -0.5, 0.5, 1.0)}, policy="0 at -lambd and lambd", cases=_SHRUNK,
)  # fmt: skip
hardshrink = elementwise(
    _hardshrink, lambda _y, x, *, lambd: ~(np.abs(x) <= lambd),
    doc="Value, but 0 from -lambd to lambd.", formula="x if |x| > lambd else 0",
    latex=r"\begin{cases} x & |x| > \lambda \\ 0 & |x| \le \lambda \end{cases}", pattern="route",
    kinks={"x": (-1.0, -0.5, 0.5, 1.0)}, policy="0 at -lambd and lambd", cases=_SHRUNK,
)  # fmt: skip
tanhshrink = elementwise(
    _tanhshrink, lambda _y, x: np.square(np.tanh(x)),
    doc="What tanh takes away.", formula="x - tanh(x)", latex=r"x - \tanh x", pattern="scale",
)  # fmt: skip
hardsigmoid = elementwise(
    _hardsigmoid, lambda _y, x: _choose(_within(x, -3, 3), 1 / 6, 0, x),
    doc="Sigmoid in three straight pieces.", formula="min(max(x + 3, 0), 6) / 6",
    latex=r"\frac{1}{6} \min(\max(x + 3, 0), 6)", pattern="route",
    kinks={"x": (-3.0, 3.0)}, policy="0 at -3 and 3",
    local=("where((x > -3) & (x < 3), 1 / 6, 0)",),
)  # fmt: skip
hardswish = elementwise(
    _hardswish, lambda _y, x: np.where(x >= 3, 1, np.where(x > -3, x / 3 + 0.5, 0)),
    doc="Swish in three pieces.", formula="x · hardsigmoid(x)",
    latex=r"\frac{x}{6} \min(\max(x + 3, 0), 6)", pattern="scale",
    kinks={"x": (-3.0, 3.0)}, policy="the outer slopes: 0 at -3, 1 at 3",
)  # fmt: skip


def _rrelu(
    x: Any, slopes: Any = None, *, lower: float = 1 / 8, upper: float = 1 / 3, rng: Any = None
) -> Any:
    if not 0 <= lower <= upper <= 1:
        raise OpError(
            explain("rrelu", f"lower={lower!r}, upper={upper!r}", fix="0 ≤ lower ≤ upper ≤ 1")
        )
    if slopes is not None:
        return prelu(x, slopes)
    if rng is None:
        return leaky_relu(x, negative_slope=(lower + upper) / 2)
    if not isinstance(rng, np.random.Generator):
        raise OpError(
            explain("rrelu", f"rng={rng!r} is no generator", fix="pass np.random.default_rng(0)")
        )
    return prelu(x, rng.uniform(lower, upper, np.shape(x)).astype(x.dtype))


rrelu = composite(
    _rrelu, optional=("slopes",), order="x lower upper rng slopes",
    doc="Leaky rectified linear unit whose slopes are drawn between lower and upper from rng; "
    "their mean, as for evaluation, without rng.",
    formula="x if x > 0 else slopes · x",
    latex=r"\begin{cases} x & x > 0 \\ s x & x \le 0 \end{cases},\ s \sim U(l, u)",
    pattern="route", signature="(),()->()", kinks={"x": (0.0,)}, policy="the left slope at 0",
    cases=(case((2, 3), None), case((2, 3), (2, 3)), case((), None, lower=0.2, upper=0.4)),
)  # fmt: skip

# ------------------------------------------------------------------------------ smooth

# Self-normalizing: fixed points of mean 0 and variance 1 (Klambauer et al. 2017, eq. 14).
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_GELU_SCALE, _GELU_CUBIC = math.sqrt(2 / math.pi), 0.044715
_CLOSED = 1000.0  # a gate at ±1000 is 0 or 1 to the last digit
_QUICK = 1.702  # sigmoid(1.702 x) is nowhere further than 0.0095 from the normal distribution


def _elu(x: Any, *, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Any, *, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _selu(x: Any) -> Any:
    return _SELU_SCALE * _elu(x, alpha=_SELU_ALPHA)


def _sigmoid(x: Any) -> Any:
    # Where exp(-x) overflows, the result is 0 to the last digit: not worth a warning.
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _logsigmoid(x: Any) -> Any:
    return -np.logaddexp(-x, 0)


def _softplus(x: Any, *, beta: float = 1.0) -> Any:
    return np.logaddexp(x, 0) if beta == 1 else np.logaddexp(beta * x, 0) / beta


def _softsign(x: Any) -> Any:
    return x / (1 + np.abs(x))


def _squareplus(x: Any, *, b: float = 4.0) -> Any:
    if not b > 0:
        raise OpError(explain("squareplus", f"b={b!r}", fix="give a positive b; 0 would be relu"))
    # For negative x the two terms nearly cancel; their product with the other sign is b / 4.
    above = (np.abs(x) + np.hypot(x, math.sqrt(b))) / 2
    return np.where(x < 0, b / 4 / above, above)


def _log_cosh(x: Any) -> Any:
    size = np.abs(x)
    near = np.square(np.sinh(np.minimum(size, 1)))  # cosh² - 1, without its rounding
    far = size + np.log1p(np.exp(-2 * size)) - math.log(2)
    return np.where(size < 1, np.log1p(near) / 2, far)


def _least(x: Any) -> Any:
    """Return x, bounded where its gate is 0: -inf · 0 would be nan."""
    if np.iscomplexobj(x):
        return x
    # One look at the values is cheaper than a new array of them.
    if isinstance(x, np.ndarray) and x.size and x.min() >= -_CLOSED:
        return x
    return np.maximum(x, -_CLOSED)


def _most(y: Any) -> Any:
    """Return y, bounded where its gate is 1: inf · (1 - 1) would be nan."""
    if y.dtype.kind == "c":
        return y
    if isinstance(y, np.ndarray) and y.size and y.max() <= _CLOSED:
        return y
    return np.minimum(y, _CLOSED)


def _times(gate: Any, x: Any) -> Any:
    """Return x times its gate, in the memory of the gate."""
    gate *= _least(x)
    return gate


def _silu(x: Any) -> Any:
    return _times(_sigmoid(x), x)


def _mish(x: Any) -> Any:
    return _times(np.tanh(_softplus(x)), x)


def _gelu_tanh(x: Any) -> Any:
    # (1 + tanh u) / 2 is sigmoid(2u), which keeps its digits for large negative u.
    return _times(_sigmoid(2 * _GELU_SCALE * (x + _GELU_CUBIC * x * x * x)), x)


def _quick_gelu(x: Any) -> Any:
    return _times(_sigmoid(_QUICK * x), x)


def _quick_gelu_slope(y: Any, x: Any) -> Any:
    gate = sigmoid(_QUICK * x)
    return gate + _QUICK * _most(y) * (1 - gate)


def _softsign_slope(_y: Any, x: Any) -> Any:
    below = 1 + np.abs(x)
    return 1 / (below * below)


def _silu_slope(y: Any, x: Any) -> Any:
    gate = sigmoid(x)
    return gate + _most(y) * (1 - gate)


def _mish_slope(_y: Any, x: Any) -> Any:
    gate = np.tanh(softplus(x))
    return gate + _most(_least(x)) * (1 - gate * gate) * sigmoid(x)


def _gelu_tanh_slope(y: Any, x: Any) -> Any:
    x, y = _most(_least(x)), _most(y)
    squared = x * x
    gate = sigmoid(2 * _GELU_SCALE * x * (1 + _GELU_CUBIC * squared))
    return gate + y * (1 - gate) * (2 * _GELU_SCALE * (1 + 3 * _GELU_CUBIC * squared))


_SECOND_JUMPS: dict[str, Any] = {
    "kinks": {"x": (0.0,)},
    "policy": "smooth to first order; the second jumps at 0",
}
elu = elementwise(
    _elu, lambda y, x, *, alpha: np.where(x > 0, 1, y + alpha),
    doc="Exponential linear unit.", formula="x if x > 0 else alpha (exp(x) - 1)",
    latex=r"\begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}", pattern="scale",
    kinks={"x": (0.0,)}, policy="alpha at 0, which is a kink unless alpha = 1",
    cases=(case((2, 3)), case((2, 3), alpha=0.7), case((), alpha=0.7)),
)  # fmt: skip
celu = elementwise(
    _celu, lambda y, x, *, alpha: np.where(x > 0, 1, y / alpha + 1),
    doc="Exponential linear unit of continuous slope.",
    formula="x if x > 0 else alpha (exp(x / alpha) - 1)", pattern="scale",
    latex=r"\begin{cases} x & x > 0 \\ \alpha (e^{x / \alpha} - 1) & x \le 0 \end{cases}",
    cases=(case((2, 3)), case((2, 3), alpha=0.7), case((), alpha=0.7)), **_SECOND_JUMPS,
)  # fmt: skip
selu = elementwise(
    _selu, lambda y, x: np.where(x > 0, _SELU_SCALE, y + _SELU_SCALE * _SELU_ALPHA),
    doc="Self-normalizing exponential linear unit.", formula="1.0507 elu(x, alpha=1.6733)",
    latex=r"\lambda \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}",
    pattern="scale", kinks={"x": (0.0,)}, policy="the left slope, 1.7581, at 0",
    local=("where(x > 0, 1.0507009873554805, y + 1.7580993408473768)",),
)  # fmt: skip
sigmoid = elementwise(
    _sigmoid, lambda y, _x: y * (1 - y),
    doc="Logistic sigmoid.", formula="1 / (1 + exp(-x))", latex=r"\frac{1}{1 + e^{-x}}",
    pattern="scale", accepts_complex=True,
)  # fmt: skip
logsigmoid = elementwise(
    _logsigmoid, lambda _y, x: sigmoid(-x),
    doc="Logarithm of the sigmoid.", formula="-ln(1 + exp(-x))", latex=r"-\ln(1 + e^{-x})",
    pattern="scale",
)  # fmt: skip
softplus = elementwise(
    _softplus, lambda _y, x, *, beta: sigmoid(x if beta == 1 else beta * x),
    doc="Smooth rectifier, the sharper the larger beta.", formula="ln(1 + exp(beta · x)) / beta",
    latex=r"\frac{1}{\beta} \ln(1 + e^{\beta x})", pattern="scale",
    cases=(case((2, 3)), case((2, 3), beta=2.5), case((), beta=0.5)),
    local=("sigmoid(beta * x)",),
)  # fmt: skip
squareplus = elementwise(
    _squareplus, lambda y, x, *, b: y / np.hypot(x, math.sqrt(b)),
    doc="Smooth rectifier without exponentials (Barron 2021); b is its width at 0.",
    formula="(x + √(x² + b)) / 2", latex=r"\frac{x + \sqrt{x^2 + b}}{2}", pattern="scale",
    cases=(case((2, 3)), case((2, 3), b=0.5), case((), b=1.0)),
)  # fmt: skip
log_cosh = elementwise(
    _log_cosh, lambda _y, x: np.tanh(x),
    doc="Logarithm of cosh, without overflow and exact near 0.", formula="ln cosh(x)",
    latex=r"\ln \cosh x", pattern="scale",
)  # fmt: skip
softsign = elementwise(
    _softsign, _softsign_slope,
    doc="Sigmoid without exponentials.", formula="x / (1 + |x|)", latex=r"\frac{x}{1 + |x|}",
    pattern="scale", **_SECOND_JUMPS,
    local=("1 / (1 + abs(x)) ** 2",),
)  # fmt: skip
silu = elementwise(
    _silu, _silu_slope,
    doc="Sigmoid linear unit, also called swish.", formula="x · sigmoid(x)",
    latex=r"\frac{x}{1 + e^{-x}}", pattern="scale", accepts_complex=True,
    local=("sigmoid(x) + y * (1 - sigmoid(x))",),
)  # fmt: skip
mish = elementwise(
    _mish, _mish_slope,
    doc="Mish.", formula="x tanh(softplus(x))", latex=r"x \tanh \ln(1 + e^x)", pattern="scale",
    local=("tanh(softplus(x)) + x * (1 - tanh(softplus(x)) ** 2) * sigmoid(x)",),
)  # fmt: skip
quick_gelu = elementwise(
    _quick_gelu, _quick_gelu_slope,
    doc="Gaussian error linear unit by a scaled sigmoid.", formula="x · sigmoid(1.702 x)",
    latex=r"\frac{x}{1 + e^{-1.702 x}}", pattern="scale",
    local=("sigmoid(1.702 * x) + 1.702 * y * (1 - sigmoid(1.702 * x))",),
)  # fmt: skip
gelu_tanh = elementwise(
    _gelu_tanh, _gelu_tanh_slope,
    doc="Gaussian error linear unit in its tanh form.",
    formula="x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))", pattern="scale",
    latex=r"\frac{x}{2} \left(1 + \tanh \sqrt{\tfrac{2}{\pi}} (x + 0.044715\,x^3)\right)",
    local=("y / x + y * (1 - y / x) * 2 * sqrt(2 / pi) * (1 + 0.134145 * x**2)",),
)  # fmt: skip


def _logit(x: Any, *, eps: float | None = None) -> Any:
    if eps is not None:
        if not 0 <= eps <= 0.5:
            raise OpError(explain("logit", f"eps={eps!r}", fix="give a number from 0 to 0.5"))
        x = np.clip(x, eps, 1 - eps)
    middle = (x > 0.25) & (x < 0.75)
    inner = np.where(middle, x, 0.5)  # 2 x - 1 is exact there, so no digit is lost near 1/2
    # Outside of 0 and 1 the logarithm is that of a negative number: nan, and NumPy's warning.
    with np.errstate(divide="ignore"):
        outer = np.log(x) - np.log1p(-x)
    return np.where(middle, np.log1p((2 * inner - 1) / (1 - inner)), outer)


def _logit_slope(_y: Any, x: Any, *, eps: float | None) -> Any:
    if eps is None:
        return 1 / (x * (1 - x))
    inside = _within(x, eps, 1 - eps)
    held = np.where(inside, x, 0.5)
    return np.where(inside, 1 / (held * (1 - held)), 0)


logit = elementwise(
    _logit, _logit_slope,
    doc="Logarithm of the odds, the inverse of sigmoid; x is first limited to eps and 1 - eps.",
    formula="ln(x / (1 - x))", latex=r"\ln \frac{x}{1 - x}", pattern="scale",
    domain={"x": (0.0, 1.0)}, singular=True,
    policy="0 and 1: infinite, but 0 where the cotangent is 0; with eps 0 at both limits and "
    "outside",
    cases=(case((2, 3)), case((2, 3), eps=0.01), case((), eps=0.3), case(())),
    kinks={"x": (0.3, 0.7)},
    local=("where((x > eps) & (x < 1 - eps), 1 / (x * (1 - x)), 0)",),
)  # fmt: skip

# ------------------------------------------------------------------------------ error function

# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969),
# 631-637: numerators and denominators from the highest power down, in x² up to 0.46875, in |x| up
# to 4, in 1/x² above.
_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)  # fmt: skip
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
     1.23033935480374942e3),
)  # fmt: skip
_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
     1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3),
)  # fmt: skip
_NEAR_END, _MIDDLE_END = 0.46875, 4.0
_NOTHING_LEFT = 40.0  # exp(-40²) is 0 in double precision, and so is all that it multiplies

# M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied
# Statistics 37 (1988), 477-484 (PPND16), from the highest power down.
_QUANTILE_MIDDLE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0),
)  # fmt: skip
_QUANTILE_TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
     4.63033784615654529590, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
     2.05319162663775882187, 1.0),
)  # fmt: skip
_QUANTILE_END = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580,
     5.46378491116411436990, 6.65790464350110377720),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    """Return a rational function at x, by Horner's scheme."""
    above, below = (polynomial[0] * x + polynomial[1] for polynomial in coefficients)
    for a, b in zip(coefficients[0][2:], coefficients[1][2:], strict=True):
        above, below = above * x + a, below * x + b
    return above / below


def _erf_near(x: Any) -> Any:
    """Return erf(x) for |x| up to 0.46875; beyond, a finite number."""
    return x * _ratio(_NEAR, np.square(np.minimum(np.abs(x), _NEAR_END)))


def _erfc_far(size: Any) -> Any:
    """Return erfc(size) for a size from 0.46875 on; below, a finite number."""
    far = np.maximum(size, _MIDDLE_END)
    inverse = 1 / np.square(np.minimum(far, _NOTHING_LEFT))
    tail = (1 / math.sqrt(math.pi) - inverse * _ratio(_FAR, inverse)) / far
    middle = _ratio(_MIDDLE, np.minimum(size, _MIDDLE_END))
    # x² of a large x has lost the digits that exp needs: the square of x to four bits is exact.
    size = np.minimum(size, _NOTHING_LEFT)
    coarse = np.trunc(size * 16) / 16
    falling = np.exp(-coarse * coarse) * np.exp((coarse - size) * (coarse + size))
    return falling * np.where(size <= _MIDDLE_END, middle, tail)


def _erf(x: Any) -> Any:
    size = np.abs(x)
    return np.where(size < _NEAR_END, _erf_near(x), np.sign(x) * (1 - _erfc_far(size)))


def _erfc(x: Any) -> Any:
    size = np.abs(x)
    far = _erfc_far(size)
    return np.where(size < _NEAR_END, 1 - _erf_near(x), np.where(x < 0, 2 - far, far))


def _erfinv(x: Any) -> Any:
    half = x / 2
    middle = half * _ratio(_QUANTILE_MIDDLE, np.maximum(0.180625 - half * half, 0))
    # Outside of ±1 the logarithm is that of a negative number: nan, and NumPy's warning.
    with np.errstate(divide="ignore"):
        r = np.sqrt(-np.log((1 - np.abs(x)) / 2))
    tail = np.minimum(np.maximum(r, 1.6), 5.0)
    end = np.where(np.isinf(r), 5.0, np.maximum(r, 5.0))
    outer = np.where(r <= 5, _ratio(_QUANTILE_TAIL, tail - 1.6), _ratio(_QUANTILE_END, end - 5))
    outer = np.sign(x) * np.where(np.isfinite(r), outer, r)
    return np.where(np.abs(half) <= 0.425, middle, outer) * math.sqrt(0.5)


def _bell(x: Any) -> Any:
    """Return exp(-x²), whose derivatives of every order are 0, not nan, at infinity."""
    bounded = np.clip(x, -_NOTHING_LEFT, _NOTHING_LEFT)
    return np.exp(-bounded * bounded)


_PEAK = 2 / math.sqrt(math.pi)
erf = elementwise(
    _erf, lambda _y, x: _PEAK * _bell(x),
    doc="Error function, to double precision.", formula="2/√π ∫₀ˣ exp(-t²) dt",
    latex=r"\frac{2}{\sqrt\pi} \int_0^x e^{-t^2}\,dt", pattern="scale",
    local=("2 / sqrt(pi) * exp(-(x**2))",),
)  # fmt: skip
erfc = elementwise(
    _erfc, lambda _y, x: -_PEAK * _bell(x),
    doc="1 minus the error function, with all its digits where it is small.",
    formula="1 - erf(x)", latex=r"\frac{2}{\sqrt\pi} \int_x^\infty e^{-t^2}\,dt", pattern="scale",
    local=("-2 / sqrt(pi) * exp(-(x**2))",),
)  # fmt: skip
erfinv = elementwise(
    _erfinv, lambda y, _x: np.exp(y * y) / _PEAK,
    doc="Inverse of the error function.", formula="x with erf(erfinv(x)) = x",
    latex=r"\operatorname{erf}^{-1}(x)", pattern="scale", domain={"x": (-1.0, 1.0)}, singular=True,
    policy="-1 and 1: infinite, but 0 where the cotangent is 0",
    local=("sqrt(pi) / 2 * exp(y**2)",),
)  # fmt: skip


def _tanh_form(approximate: str) -> bool:
    if approximate not in ("none", "tanh"):
        raise OpError(explain("gelu", f"approximate={approximate!r}", fix="use 'none' or 'tanh'"))
    return approximate == "tanh"


def _gelu(x: Any, *, approximate: str = "none") -> Any:
    if _tanh_form(approximate):
        return _gelu_tanh(x)
    return np.maximum(x, -_NOTHING_LEFT) * (_erfc(x * -math.sqrt(0.5)) / 2)


def _gelu_slope(y: Any, x: Any, *, approximate: str) -> Any:
    if _tanh_form(approximate):
        return _gelu_tanh_slope(y, x)
    bounded = np.clip(x, -_NOTHING_LEFT, _NOTHING_LEFT)
    density = np.exp(-0.5 * bounded * bounded) * (1 / math.sqrt(2 * math.pi))
    return erfc(x * -math.sqrt(0.5)) / 2 + bounded * density


gelu = elementwise(
    _gelu, _gelu_slope,
    doc="Gaussian error linear unit: exact, or in its tanh form (approximate='tanh').",
    formula="x Φ(x)", latex=r"\frac{x}{2} \left(1 + \operatorname{erf} \frac{x}{\sqrt 2}\right)",
    pattern="scale", cases=(case((2, 3)), case((2, 3), approximate="tanh"), case(())),
    local=(
        "y / x + y * (1 - y / x) * 2 * sqrt(2 / pi) * (1 + 0.134145 * x**2) "
        "if approximate == 'tanh' "
        "else (1 + erf(x / sqrt(2))) / 2 + x * exp(-(x**2) / 2) / sqrt(2 * pi)",
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ gates, softmax


def _halves(name: str, x: Any, axis: int) -> tuple[Any, Any]:
    """Return the two halves of x along an axis: the value and its gate."""
    length = x.shape[axis]
    if length % 2:
        raise OpError(
            explain(
                name,
                f"axis {axis} of length {length} cannot be halved",
                arguments=(("x", x),),
                fix="give as many gates as values, one after the other on that axis",
            )
        )
    before = (slice(None),) * (axis % x.ndim)
    return x[(*before, slice(None, length // 2))], x[(*before, slice(length // 2, None))]


def _gated(name: str, activation: Any, formula: str, latex: str) -> Any:
    """Return the row of a gated linear unit (Shazeer 2020)."""

    def forward(x: Any, *, axis: int = -1) -> Any:
        value, gate = _halves(name, x, axis)
        return value * activation(gate)

    return composite(
        forward,
        name=name,
        doc=f"First half along an axis, gated by {activation.name} of the second half.",
        formula=formula,
        latex=latex,
        pattern="swap",
        signature="(n)->(m)",
        cases=(case((2, 4)), case((4, 3), axis=0), case((2, 6, 2), axis=-2)),
        **({"kinks": {"x": (0.0,)}, "policy": "0 at 0"} if activation.kinks else {}),
    )


glu = _gated("glu", sigmoid, "a · sigmoid(b), x = [a, b]", r"a \odot \sigma(b)")
reglu = _gated("reglu", relu, "a · relu(b), x = [a, b]", r"a \odot \max(b, 0)")
geglu = _gated("geglu", gelu, "a · gelu(b), x = [a, b]", r"a \odot b\,\Phi(b)")
swiglu = _gated("swiglu", silu, "a · silu(b), x = [a, b]", r"a \odot b\,\sigma(b)")


def _softmin(x: Any, *, axis: int = -1) -> Any:
    """Exponentials of the negated values, divided by their sum along an axis."""
    return OPS["softmax"](-x, axis=axis)


def _softmax2d(x: Any) -> Any:
    """Softmax over the channels of (batch, channels, height, width), pixel by pixel."""
    if np.ndim(x) not in (3, 4):
        raise OpError(
            explain(
                "softmax2d",
                f"x has {np.ndim(x)} axes, not (batch, channels, height, width)",
                arguments=(("x", x),),
                fix="the axis of the batch alone may be left out; for others call softmax(x, axis)",
            )
        )
    return OPS["softmax"](x, axis=-3)


softmin = composite(
    _softmin, formula="exp(-x) / Σ exp(-x)", latex=r"\frac{e^{-x_i}}{\sum_j e^{-x_j}}",
    pattern="scale", signature="(n)->(n)", cases=(case((2, 3)), case((2, 3), axis=0)),
)  # fmt: skip
softmax2d = composite(
    _softmax2d, formula="softmax(x, axis=-3)", latex=r"\frac{e^{x_{c}}}{\sum_k e^{x_{k}}}",
    pattern="scale", signature="(c,h,w)->(c,h,w)", cases=(case((2, 3, 2, 2)), case((3, 1, 2))),
)  # fmt: skip

# ------------------------------------------------------------------------------ other names

swish, log_sigmoid = silu, logsigmoid
hard_tanh, hard_sigmoid, hard_swish = hardtanh, hardsigmoid, hardswish
expit = sigmoid
"""Names of TensorFlow, JAX and SciPy."""
