"""Rows that act by chance, and rows whose gradient is made to order.

Dropout and its relatives never hold a generator: the draws are an array argument, drawn from the
``rng`` that the caller gives where none is, so that the backward pass has the draws of the forward
pass. The gradient of a row of the second kind is, by design, not the derivative of its value; such
a row says why (``exempt``) and whose derivative it is (``surrogate``), which is what the laws of
the table compare it with. Read ``nn/regularization.py`` next for the layers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, REQUIRED, Op, case, composite, linear, op
from tinygrad_edu.errors import OpError, explain

__all__ = [
    "alpha_dropout",
    "apply_mask",
    "clip_gradient",
    "clip_through",
    "dropout",
    "dropout1d",
    "dropout2d",
    "gaussian_dropout",
    "gaussian_noise",
    "gradient_reversal",
    "gumbel_softmax",
    "hardmax",
    "heaviside_through",
    "round_through",
    "scale_gradient",
    "sign_through",
    "stop_gradient",
    "straight_through",
]

# ------------------------------------------------------------------------------ dropout


def _apply_mask(x: Any, mask: Any, *, scale: float = 1.0) -> Any:
    if np.broadcast_shapes(x.shape, mask.shape) != x.shape:
        raise OpError(
            explain(
                "apply_mask",
                "the mask must have, or broadcast to, the shape of x",
                arguments=(("x", x), ("mask", mask)),
            )
        )
    kept = np.where(mask, x, 0)  # a product would make nan of an infinity that is dropped
    return kept if scale == 1 else kept * scale


_MASK = np.array([[True, False, True], [False, True, True]])

apply_mask: Op = linear(
    _apply_mask,
    lambda g, _y, _x, mask, *, scale: apply_mask(g, mask, scale=scale),
    None,
    doc="Elements where a mask is true, times a factor; 0 elsewhere.",
    formula="scale x where mask, else 0",
    latex=r"s\,m \odot x",
    pattern="route",
    signature="(n),(n)->(n)",
    cases=(
        case((2, 3), _MASK),
        case((2, 3), _MASK, scale=2.5),
        case((2, 3, 4), _MASK[:, :, None], scale=2.0),
        case((2, 3), np.zeros((2, 3), np.bool_), scale=0.0),
        case((), np.array(True), scale=3.0),
        case((0, 3), np.zeros((0, 3), np.bool_)),
    ),
    batch="pointwise",
    local=("where(mask, scale * g, 0)", ""),
)


def _rate(name: str, p: float) -> None:
    """Refuse a rate that is no probability, nan among them."""
    if not 0 <= p <= 1:
        raise OpError(
            explain(name, f"p={p!r} is not in [0, 1]", fix="p is the probability of being dropped")
        )


def _source(name: str, rng: Any, drawn: str) -> None:
    """Refuse to draw without a generator: chance comes from the caller alone."""
    if not isinstance(rng, np.random.Generator):
        raise OpError(
            explain(
                name,
                f"there is neither a generator nor {drawn}: rng={rng!r}",
                fix=f"pass rng=np.random.default_rng(0), or {drawn}",
            )
        )


def _mask(name: str, x: Any, mask: Any, p: float, rng: Any, shared: tuple[int, ...]) -> Any:
    """Return which elements are kept: the caller's mask, or one draw for all along `shared`."""
    _rate(name, p)
    if mask is not None:
        return mask
    _source(name, rng, "a mask")
    shape = list(np.shape(x))
    for axis in shared:
        shape[axis] = 1
    return rng.random(tuple(shape)) >= p


def _kept_scale(p: float) -> float:
    return 1 / (1 - p) if p < 1 else 0.0  # nothing is kept at 1, so there is nothing to scale


def _dropout(
    x: Any, mask: Any = None, *, p: float = 0.5, rng: Any = None, shared: tuple[int, ...] = ()
) -> Any:
    return apply_mask(x, _mask("dropout", x, mask, p, rng, shared), scale=_kept_scale(p))


def _channels(name: str, x: Any, axes: int) -> None:
    if np.ndim(x) not in (axes + 1, axes + 2):
        raise OpError(
            explain(
                name,
                f"x has {np.ndim(x)} axes, not {axes + 2}: batch, channels and {axes} more",
                arguments=(("x", x),),
                fix="the axis of the batch alone may be left out",
            )
        )


def _dropout1d(x: Any, mask: Any = None, *, p: float = 0.5, rng: Any = None) -> Any:
    _channels("dropout1d", x, 1)
    return apply_mask(x, _mask("dropout1d", x, mask, p, rng, (-1,)), scale=_kept_scale(p))


def _dropout2d(x: Any, mask: Any = None, *, p: float = 0.5, rng: Any = None) -> Any:
    _channels("dropout2d", x, 2)
    return apply_mask(x, _mask("dropout2d", x, mask, p, rng, (-2, -1)), scale=_kept_scale(p))


_DROPPING: dict[str, Any] = {
    "formula": "x mask / (1 - p)",
    "latex": r"\frac{m \odot x}{1 - p}",
    "pattern": "route",
    "signature": "(n),(n)->(n)",
    "optional": ("mask",),
    "policy": "p = 1 gives zeros; backward has the mask of forward",
}
dropout = composite(
    _dropout,
    doc="Elements dropped with probability p, the others scaled up; shared axes drop together.",
    order="x p rng mask shared",
    cases=(
        case((2, 3), _MASK),
        case((2, 3), _MASK, p=0.2),
        case((2, 3), np.zeros((2, 3), np.bool_), p=1.0),
        case((2, 3, 2), _MASK[:, :1, None], p=0.1),
    ),
    **_DROPPING,
)
dropout1d = composite(
    _dropout1d, doc="Whole channels of (batch, channels, length) dropped with probability p.",
    order="x p rng mask", cases=(case((2, 3, 4), _MASK[..., None], p=0.3),), **_DROPPING,
)  # fmt: skip
dropout2d = composite(
    _dropout2d, doc="Whole channels of (batch, channels, height, width) dropped together.",
    order="x p rng mask", cases=(case((2, 3, 2, 2), _MASK[..., None, None], p=0.3),), **_DROPPING,
)  # fmt: skip

# SELU's limit for large negative x: what a dropped element of a self-normalising net becomes.
_SATURATED = -1.0507009873554805 * 1.6732632423543772


def _alpha_dropout(
    x: Any, mask: Any = None, *, p: float = 0.5, rng: Any = None, shared: tuple[int, ...] = ()
) -> Any:
    mask = _mask("alpha_dropout", x, mask, p, rng, shared)
    if p == 1:
        return apply_mask(x, mask, scale=0.0)
    a = 1 / math.sqrt((1 - p) * (1 + p * _SATURATED**2))
    return np.where(mask, x, _SATURATED) * a - a * _SATURATED * p


alpha_dropout = composite(
    _alpha_dropout,
    doc="Elements set to SELU's limit with probability p; mean 0 and variance 1 are kept.",
    formula="a where(mask, x, limit) + b",
    latex=r"a\,(m \odot x + (1 - m)\,\alpha') + b",
    pattern="route",
    signature="(n),(n)->(n)",
    order="x p rng mask shared",
    optional=("mask",),
    policy="p = 1 gives zeros",
    cases=(
        case((2, 3), _MASK, p=0.2),
        case((2, 3), np.zeros((2, 3), np.bool_), p=1.0),
    ),
)


def _noise(name: str, x: Any, noise: Any, rng: Any) -> Any:
    if noise is not None:
        return noise
    _source(name, rng, "the noise")
    return rng.standard_normal(np.shape(x)).astype(getattr(x, "dtype", np.float64))


def _deviation(name: str, std: float) -> None:
    if not 0 <= std < math.inf:
        raise OpError(explain(name, f"std={std!r} is not a number of at least 0"))


def _gaussian_noise(x: Any, noise: Any = None, *, std: float = 0.1, rng: Any = None) -> Any:
    _deviation("gaussian_noise", std)
    return x + _noise("gaussian_noise", x, noise, rng) * std


def _gaussian_dropout(x: Any, noise: Any = None, *, p: float = 0.5, rng: Any = None) -> Any:
    _rate("gaussian_dropout", p)
    if p == 1:
        raise OpError(
            explain(
                "gaussian_dropout",
                "p=1 would need noise of infinite deviation",
                fix="choose p below 1; the deviation is sqrt(p / (1 - p))",
            )
        )
    return x * (1 + _noise("gaussian_dropout", x, noise, rng) * math.sqrt(p / (1 - p)))


_NOISY: dict[str, Any] = {"signature": "(n),(n)->(n)", "optional": ("noise",)}
gaussian_noise = composite(
    _gaussian_noise, doc="Normal noise of standard deviation std added.", formula="x + std noise",
    latex=r"x + \sigma n", pattern="copy", order="x std rng noise",
    cases=(case((2, 3), (2, 3)), case((2, 3), (2, 3), std=0.5)), **_NOISY,
)  # fmt: skip
gaussian_dropout = composite(
    _gaussian_dropout, doc="Normal noise multiplied in, of the deviation that dropout has.",
    formula="x (1 + sqrt(p / (1 - p)) noise)", latex=r"x\,(1 + \sqrt{p / (1 - p)}\, n)",
    pattern="scale", order="x p rng noise", cases=(case((2, 3), (2, 3), p=0.3),), **_NOISY,
)  # fmt: skip

# ------------------------------------------------------------------------------ custom gradients


def _same(x: Any, **_params: Any) -> Any:
    return x


stop_gradient = op(
    _same,
    None,
    name="stop_gradient",
    arguments=("x",),
    doc="The same value, to which no gradient flows: a constant.",
    formula="x, as a constant",
    latex=r"\mathrm{stop}(x)",
    pattern="none",
    signature="()->()",
    policy="no gradient flows: that is what it is for",
    exempt="the value follows x, the gradient is stopped",
    cases=(case((2, 3)), case(())),
)


def _clip_gradient(x: Any, *, limit: float) -> Any:
    if not limit > 0:
        raise OpError(explain("clip_gradient", f"limit={limit!r} is not above 0"))
    return x


_ORDERED: dict[str, Any] = {
    "arguments": ("x",),
    "formula": "x",
    "latex": "x",
    "pattern": "scale",
    "signature": "()->()",
}
scale_gradient = op(
    _same,
    lambda g, _y, _x, *, scale: g * scale,
    name="scale_gradient",
    params={"scale": REQUIRED},
    doc="The same value; the gradient is multiplied by a factor.",
    exempt="the value is x, the gradient that of scale x",
    surrogate=lambda x, *, scale: scale * x,
    cases=(case((2, 3), scale=0.5), case((), scale=-2.0), case((2,), scale=0.0)),
    **_ORDERED,
    local=("scale * g",),
)
gradient_reversal = op(
    _same,
    lambda g, _y, _x, *, scale: g * -scale,
    name="gradient_reversal",
    params={"scale": 1.0},
    doc="The same value; the gradient is turned round, as adversarial training needs it.",
    exempt="the value is x, the gradient that of -scale x",
    surrogate=lambda x, *, scale: -scale * x,
    cases=(case((2, 3)), case((), scale=0.1)),
    **_ORDERED,
    local=("-scale * g",),
)
clip_gradient = op(
    _clip_gradient,
    lambda g, _y, _x, *, limit: np.clip(g, -limit, limit),
    doc="The same value; each element of the gradient is kept within [-limit, limit].",
    policy="linear in the gradient only below the limit; tangents of forward mode pass unclipped",
    exempt="the gradient is clipped, so beyond the limit it is that of no function",
    surrogate=_same,
    cases=(case((2, 3), limit=100.0), case((), limit=1000.0)),
    **_ORDERED,
    local=("'{g}, clipped to the limit'",),
)


def _straight_through(value: Any, x: Any) -> Any:
    if np.shape(value) != np.shape(x):
        raise OpError(
            explain(
                "straight_through",
                "the value and what takes its gradient must have one shape",
                arguments=(("value", value), ("x", x)),
            )
        )
    return value.astype(x.dtype)


straight_through = op(
    _straight_through,
    None,
    lambda g, _y, _value, _x: g,
    arguments=("value", "x"),
    doc="A value whose gradient goes to another array, unchanged: the straight-through estimator.",
    formula="value",
    latex="v",
    pattern="route",
    signature="(n),(n)->(n)",
    exempt="the value is the first argument, the gradient that of the second",
    surrogate=lambda _value, x: x,
    cases=(
        case(np.array([[1.0, 0.0, -1.0], [2.0, 3.0, -4.0]]), (2, 3)),
        case(_MASK, (2, 3)),
        case(np.array(1), ()),
    ),
    batch="spread",
    local=("", "g"),
)


def _round_through(x: Any) -> Any:
    return straight_through(np.rint(x), x)


def _sign_through(x: Any) -> Any:
    return straight_through(np.sign(x), np.clip(x, -1, 1))


def _heaviside_through(x: Any) -> Any:
    return straight_through(x > 0, x)


def _clip_through(x: Any, *, low: float, high: float) -> Any:
    return straight_through(np.clip(x, low, high), x)


_ESTIMATOR: dict[str, Any] = {"pattern": "route", "signature": "()->()"}
_AS_X = "the value is flat, the gradient that of x"
round_through = composite(
    _round_through, doc="Nearest integer, halves to even; the gradient passes as if it were x.",
    formula="rint(x)", latex=r"\mathrm{rint}(x)", exempt=_AS_X, surrogate=_same,
    cases=(case((2, 3)), case(())), **_ESTIMATOR,
)  # fmt: skip
sign_through = composite(
    _sign_through, doc="Sign; the gradient passes where x is within [-1, 1].",
    formula="sign(x)", latex=r"\mathrm{sign}(x)", kinks={"x": (-1.0, 1.0)},
    policy="0 at 0; the gradient is 0 outside of [-1, 1]",
    exempt="the value is flat, the gradient that of clip(x, -1, 1)",
    surrogate=lambda x: np.clip(x, -1, 1), cases=(case((2, 3)), case(())), **_ESTIMATOR,
)  # fmt: skip
heaviside_through = composite(
    _heaviside_through, doc="1 where x is above 0, else 0; the gradient passes as if it were x.",
    formula="[x > 0]", latex=r"[x > 0]", policy="0 at 0", exempt=_AS_X, surrogate=_same,
    cases=(case((2, 3)), case(())), **_ESTIMATOR,
)  # fmt: skip
clip_through = composite(
    _clip_through, doc="x kept within [low, high]; the gradient passes outside of it too.",
    formula="clip(x, low, high)", latex=r"\min(\max(x, l), h)", exempt=_AS_X,
    surrogate=_same,
    cases=(case((2, 3), low=-0.5, high=0.5), case((), low=0.0, high=1.0)), **_ESTIMATOR,
)  # fmt: skip


def _hardmax(x: Any, *, axis: int = -1) -> Any:
    best = np.argmax(x, axis=axis, keepdims=True)
    along = [1] * x.ndim
    along[axis] = x.shape[axis]
    classes = np.reshape(np.arange(x.shape[axis], like=x), tuple(along))
    return (best == classes).astype(x.dtype)


hardmax = op(
    _hardmax,
    None,
    arguments=("x",),
    doc="1 at the first largest element along an axis, 0 elsewhere.",
    formula="onehot(argmax(x))",
    latex=r"e_{\arg\max_i x_i}",
    pattern="none",
    signature="(n)->(n)",
    policy="the result jumps: no gradient flows; see straight_through",
    cases=(case((2, 3)), case((2, 3), axis=0), case((4,))),
    batch="axes",
)


def _soft_sample(logits: Any, noise: Any, *, tau: float, axis: int, **_rest: Any) -> Any:
    return OPS["softmax"]((logits + noise) / tau, axis=axis)


def _gumbel_softmax(
    logits: Any,
    noise: Any = None,
    *,
    tau: float = 1.0,
    hard: bool = False,
    axis: int = -1,
    rng: Any = None,
) -> Any:
    if not tau > 0:
        raise OpError(explain("gumbel_softmax", f"the temperature tau={tau!r} is not above 0"))
    if noise is None:
        _source("gumbel_softmax", rng, "the noise")
        dtype = getattr(logits, "dtype", np.float64)
        noise = rng.gumbel(size=np.shape(logits)).astype(dtype)
    soft = _soft_sample(logits, noise, tau=tau, axis=axis)
    if not hard:
        return soft
    return straight_through(hardmax(soft, axis=axis), soft)


gumbel_softmax = composite(
    _gumbel_softmax,
    doc="A random choice of one class, relaxed by a temperature; one-hot if hard.",
    formula="softmax((logits + noise) / tau)",
    latex=r"\mathrm{softmax}((z + n) / \tau)",
    pattern="scale",
    signature="(n),(n)->(n)",
    order="logits tau hard axis rng noise",
    optional=("noise",),
    policy="hard: the first of several largest elements is chosen",
    exempt="hard: the value is one-hot, the gradient that of the soft choice",
    surrogate=_soft_sample,
    cases=(
        case((2, 3), (2, 3)),
        case((2, 3), (2, 3), tau=0.5, axis=0),
        case((2, 3), (2, 3), hard=True, tau=2.0),
        case((2, 3), (2, 3), hard=True, axis=0),
    ),
)
