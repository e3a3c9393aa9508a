"""Rows that bring numbers to mean 0 and deviation 1, or to length 1.

All of them are one computation over different axes: subtract the mean, divide by the deviation,
then scale and shift. The variance is the mean of squared *differences*, and what rounding left in
the mean is taken out once more, so that float32 is as good at mean 1000 as at mean 0. Running
statistics are no business of a row: ``nn/normalization.py`` keeps them. Read ``attention.py`` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite, fused
from tinygrad_edu.errors import OpError, explain
from tinygrad_edu.ops.complexes import squared_size
from tinygrad_edu.ops.index import scatter
from tinygrad_edu.ops.special import stop_gradient

Axes = tuple[int, ...]

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
    "standardize",
]

# ------------------------------------------------------------------------------ what all share


def _axes(name: str, x: Any, axis: int | Axes) -> Axes:
    """Return axes counted from 0, in order; refuse one that x does not have."""
    wanted = axis if isinstance(axis, tuple) else (axis,)
    if not wanted or any(not -x.ndim <= i < x.ndim for i in wanted):
        raise OpError(explain(name, f"x has no axes {axis}", arguments=(("x", x),)))
    return tuple(sorted({i % x.ndim for i in wanted}))


def _others(x: Any, axes: Axes) -> Axes:
    return tuple(i for i in range(x.ndim) if i not in axes)


def _over(x: Any, axes: Axes, param: Any, name: str, called: str) -> Any:
    """Return a parameter of the given axes shaped to broadcast against x; ``None`` stays None.

    Parameters
    ----------
    x : array
        What is normalised.
    axes : tuple of int
        The axes of x along which the parameter runs.
    param : array or None
        The scale, the shift or a statistic.
    name, called : str
        The row and the argument, for the error.
    """
    if param is None:
        return None
    if param.shape != tuple(x.shape[i] for i in axes):
        raise OpError(
            explain(
                name,
                f"the {called} must have the shape {tuple(x.shape[i] for i in axes)}",
                arguments=(("x", x), (called, param)),
            )
        )
    return np.reshape(param, tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))


def _check_eps(name: str, eps: float) -> None:
    if not eps >= 0:
        raise OpError(explain(name, f"eps={eps!r} is not a number of at least 0", fix="eps=1e-5"))


def _mean(x: Any, axes: Axes) -> Any:
    # The mean of nothing is 0, without NumPy's warning.
    return np.sum(x, axis=axes, keepdims=True) / max(1, math.prod(x.shape[i] for i in axes))


def _standardised(x: Any, axes: Axes, eps: float, centre: bool = True) -> tuple[Any, Any]:
    """Return x normalised over axes, and one over the deviation; plain arrays, for speed."""
    if centre:
        away = x - _mean(x, axes)
        away -= _mean(away, axes)  # what rounding left of the mean
        square = squared_size(away)
    else:
        away, square = x, np.square(x)
    rate = 1 / np.sqrt(_mean(square, axes) + eps)
    return (np.multiply(away, rate, out=away) if centre else away * rate), rate


def _standardised_composite(x: Any, axes: Axes, eps: float, centre: bool = True) -> Any:
    """Return x normalised over axes, in rows."""
    away = x - np.mean(x, axis=axes, keepdims=True) if centre and x.size else x
    return away / np.sqrt(_mean(squared_size(away), axes) + eps)


def _unstandardised(g: Any, y: Any, rate: Any, axes: Axes, centre: bool = True) -> Any:
    """Return the cotangent of x, given that of the normalised x, which is y."""
    away = g - y * _mean(g * y, axes)
    if centre:
        away -= _mean(g, axes)
    away *= rate
    return away


def _affine(y: Any, scale: Any, shift: Any) -> Any:
    """Return ``scale y + shift`` where they are given, in an array of its own."""
    if scale is not None:
        y = y * scale
    elif shift is not None:
        return y + shift
    return y if shift is None else y + shift


def _sum_over(g: Any, axes: Axes, like: Any) -> Any:
    """Return the cotangent of a parameter that was broadcast over axes."""
    return np.reshape(np.sum(g, axis=axes), like.shape)


_WITH_PARAMETERS: dict[str, Any] = {
    "pattern": "scale",
    "optional": ("scale", "shift"),
}

# ------------------------------------------------------------------------------ batch


def _statistics(mean: Any, var: Any) -> bool:
    if (mean is None) != (var is None):
        raise OpError(
            explain(
                "batch_norm",
                "mean and var go together",
                fix="give both (evaluation), or neither (training: those of the batch)",
            )
        )
    return mean is not None


def _batch_norm(
    x: Any,
    scale: Any = None,
    shift: Any = None,
    mean: Any = None,
    var: Any = None,
    *,
    axis: int | Axes = 1,
    eps: float = 1e-5,
) -> Any:
    _check_eps("batch_norm", eps)
    own = _axes("batch_norm", x, axis)
    gamma = _over(x, own, scale, "batch_norm", "scale")
    beta = _over(x, own, shift, "batch_norm", "shift")
    if _statistics(mean, var):
        rate = 1 / np.sqrt(_over(x, own, var, "batch_norm", "var") + eps)
        y = (x - _over(x, own, mean, "batch_norm", "mean")) * rate
    else:
        y, rate = _standardised(x, _others(x, own), eps)
    return _affine(y, gamma, beta), (y, rate)


def _batch_norm_joint(
    g: Any,
    _result: Any,
    saved: Any,
    _x: Any,
    scale: Any,
    _shift: Any,
    _mean_: Any,
    _var: Any,
    *,
    wanted: Sequence[bool],
    axis: int | Axes,
    **_rest: Any,
) -> tuple[Any, ...]:
    y, rate = saved
    own = _axes("batch_norm", y, axis)
    rest = _others(y, own)
    shape = tuple(y.shape[i] for i in own)
    factor = rate if scale is None else rate * np.reshape(scale, rate.shape)
    total = np.sum(g, axis=rest, keepdims=True)
    along = np.sum(g * y, axis=rest, keepdims=True)
    dx = dmean = dvar = None
    if _mean_ is not None:
        dx = g * factor if wanted[0] else None
        dmean = np.reshape(-total * factor, shape) if wanted[3] else None
        dvar = np.reshape(along * factor * rate * -0.5, shape) if wanted[4] else None
    elif wanted[0]:
        count = max(1, math.prod(y.shape[i] for i in rest))
        dx = g - total / count
        dx -= y * (along / count)
        dx *= factor
    return (
        dx,
        np.reshape(along, shape) if wanted[1] else None,
        np.reshape(total, shape) if wanted[2] else None,
        dmean,
        dvar,
    )


def _batch_norm_composite(
    x: Any, scale: Any, shift: Any, mean: Any, var: Any, *, axis: int | Axes, eps: float
) -> Any:
    _check_eps("batch_norm", eps)
    own = _axes("batch_norm", x, axis)
    gamma = _over(x, own, scale, "batch_norm", "scale")
    beta = _over(x, own, shift, "batch_norm", "shift")
    if _statistics(mean, var):
        away = x - _over(x, own, mean, "batch_norm", "mean")
        y = away / np.sqrt(_over(x, own, var, "batch_norm", "var") + eps)
    else:
        y = _standardised_composite(x, _others(x, own), eps)
    return _affine(y, gamma, beta)


batch_norm = fused(
    _batch_norm,
    _batch_norm_joint,
    _batch_norm_composite,
    doc="Each feature normalised over the batch, or by the mean and var that are given.",
    formula="scale (x - mean) / sqrt(var + eps) + shift",
    latex=r"\gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta",
    signature="(n,c),(c),(c),(c),(c)->(n,c)",
    pattern="scale",
    optional=("scale", "shift", "mean", "var"),
    arguments=("x", "scale", "shift", "mean", "var"),
    domain={"var": (0.0, math.inf)},
    policy="a batch of one equals its mean: the result is the shift, the gradient of x is 0",
    cases=(
        case((6, 3), (3,), (3,), None, None),
        case((4, 3), None, None, None, None, eps=0.1),
        case((4, 3), (3,), None, None, None, eps=0.1),
        case((4, 3), None, (3,), None, None, eps=0.1),
        case((2, 3, 2, 2), (3,), (3,), None, None),
        case((2, 2, 3), (3,), (3,), None, None, axis=-1, eps=0.1),
        case((3, 2, 2), (2, 2), (2, 2), None, None, axis=(1, 2), eps=0.1),
        case((1, 3), (3,), (3,), None, None),
        case((0, 3), None, None, None, None),
        case((4, 3), (3,), (3,), (3,), (3,)),
        case((2, 3, 2), None, None, (3,), (3,)),
        case((1, 3), (3,), None, (3,), (3,), eps=0.1),
    ),
    local=(
        "'({scale} / σ) · {g}' if mean else '({scale} / σ) ({g} − its mean − x̂ · mean of {g} x̂)'",
        "'Σ {g} x̂'",
        "'Σ {g}'",
        "'−Σ {g} {scale} / σ'",
        "'−Σ {g} x̂ {scale} / 2σ²'",
    ),
)

# ------------------------------------------------------------------------------ layer


def _layer_norm(
    x: Any, scale: Any = None, shift: Any = None, *, axis: int | Axes = -1, eps: float = 1e-5
) -> Any:
    _check_eps("layer_norm", eps)
    own = _axes("layer_norm", x, axis)
    gamma = _over(x, own, scale, "layer_norm", "scale")
    beta = _over(x, own, shift, "layer_norm", "shift")
    y, rate = _standardised(x, own, eps)
    return _affine(y, gamma, beta), (y, rate)


def _layer_norm_joint(
    g: Any,
    _result: Any,
    saved: Any,
    _x: Any,
    scale: Any,
    shift: Any,
    *,
    wanted: Sequence[bool],
    axis: int | Axes,
    **_rest: Any,
) -> tuple[Any, ...]:
    y, rate = saved
    own = _axes("layer_norm", y, axis)
    rest = _others(y, own)
    dx = None
    if wanted[0]:
        gamma = _over(y, own, scale, "layer_norm", "scale")
        dx = _unstandardised(g if gamma is None else g * gamma, y, rate, own)
    return (
        dx,
        _sum_over(g * y, rest, scale) if wanted[1] else None,
        _sum_over(g, rest, shift) if wanted[2] else None,
    )


def _layer_norm_composite(x: Any, scale: Any, shift: Any, *, axis: int | Axes, eps: float) -> Any:
    _check_eps("layer_norm", eps)
    own = _axes("layer_norm", x, axis)
    gamma = _over(x, own, scale, "layer_norm", "scale")
    beta = _over(x, own, shift, "layer_norm", "shift")
    return _affine(_standardised_composite(x, own, eps), gamma, beta)


layer_norm = fused(
    _layer_norm,
    _layer_norm_joint,
    _layer_norm_composite,
    doc="Each sample normalised over its own features.",
    formula="scale (x - mean) / sqrt(var + eps) + shift",
    latex=r"\gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta",
    signature="(c),(c),(c)->(c)",
    policy="equal features give the shift",
    cases=(
        case((4, 6), (6,), (6,)),
        case((3,), (3,), None, eps=0.1),
        case((2, 3), None, (3,), eps=0.1),
        case((2, 2, 3), (2, 3), (2, 3), axis=(-2, -1)),
        case((2, 3, 4), (2, 4), (2, 4), axis=(0, 2)),
        case((4, 3), None, None, axis=0, eps=0.1),
        case((2, 1), (1,), (1,)),
        case((0, 3), None, None),
        case((2, 0), (0,), (0,)),
    ),
    **_WITH_PARAMETERS,
    local=("'({scale} / σ) ({g} − its mean − x̂ · mean of {g} x̂)'", "'Σ {g} x̂'", "'Σ {g}'"),
)


def _standardize(x: Any, *, axis: int | Axes = -1, eps: float = 1e-5) -> Any:
    return layer_norm(x, None, None, axis=axis, eps=eps)


standardize = composite(
    _standardize,
    doc="Mean 0 and deviation 1 over axes; of a weight, over its inputs: weight standardisation.",
    formula="(x - mean) / sqrt(var + eps)",
    latex=r"\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}",
    pattern="scale",
    signature="(c)->(c)",
    cases=(
        case((4, 6)),
        case((4, 3), axis=0, eps=0.1),
        case((2, 3, 2, 2), axis=(1, 2, 3), eps=0.1),
    ),
)


def _rms_norm(x: Any, scale: Any = None, *, axis: int | Axes = -1, eps: float = 1e-5) -> Any:
    _check_eps("rms_norm", eps)
    own = _axes("rms_norm", x, axis)
    gamma = _over(x, own, scale, "rms_norm", "scale")
    y, rate = _standardised(x, own, eps, centre=False)
    return _affine(y, gamma, None), (y, rate)


def _rms_norm_joint(
    g: Any,
    _result: Any,
    saved: Any,
    _x: Any,
    scale: Any,
    *,
    wanted: Sequence[bool],
    axis: int | Axes,
    **_rest: Any,
) -> tuple[Any, ...]:
    y, rate = saved
    own = _axes("rms_norm", y, axis)
    dx = None
    if wanted[0]:
        gamma = _over(y, own, scale, "rms_norm", "scale")
        dx = _unstandardised(g if gamma is None else g * gamma, y, rate, own, centre=False)
    return dx, _sum_over(g * y, _others(y, own), scale) if wanted[1] else None


def _rms_norm_composite(x: Any, scale: Any, *, axis: int | Axes, eps: float) -> Any:
    _check_eps("rms_norm", eps)
    own = _axes("rms_norm", x, axis)
    gamma = _over(x, own, scale, "rms_norm", "scale")
    return _affine(_standardised_composite(x, own, eps, centre=False), gamma, None)


rms_norm = fused(
    _rms_norm,
    _rms_norm_joint,
    _rms_norm_composite,
    doc="Each sample divided by the root of the mean square of its features.",
    formula="scale x / sqrt(mean(x²) + eps)",
    latex=r"\gamma\,\frac{x}{\sqrt{\overline{x^2} + \epsilon}}",
    pattern="scale",
    signature="(c),(c)->(c)",
    optional=("scale",),
    policy="features that are all 0 stay 0",
    cases=(
        case((4, 3), (3,)),
        case((3,), None),
        case((2, 2, 3), (2, 3), axis=(-2, -1), eps=0.1),
        case((4, 3), (4,), axis=0),
        case((0, 3), None),
    ),
    local=("'({scale} / r) ({g} − x̂ · mean of {g} x̂)'", "'Σ {g} x̂'"),
)

# ------------------------------------------------------------------------------ groups of channels


def _grouped(name: str, x: Any, groups: int) -> Any:
    """Return x of shape (batch, channels, ...) as (batch, groups, all the rest of a group)."""
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        raise OpError(
            explain(
                name,
                f"channels, which are axis 1, cannot be divided into {groups} equal groups",
                arguments=(("x", x),),
                fix="choose groups that divide the number of channels",
            )
        )
    size = math.prod(x.shape[1:]) // groups
    return np.reshape(x, (x.shape[0], groups, size))


def _group_norm_of(name: str, x: Any, scale: Any, shift: Any, groups: int, eps: float) -> Any:
    _check_eps(name, eps)
    y, rate = _standardised(_grouped(name, x, groups), (2,), eps)
    y = np.reshape(y, x.shape)
    gamma, beta = _over(x, (1,), scale, name, "scale"), _over(x, (1,), shift, name, "shift")
    return _affine(y, gamma, beta), (y, rate)


def _group_norm_back(
    name: str, g: Any, saved: Any, scale: Any, shift: Any, wanted: Sequence[bool], groups: int
) -> tuple[Any, ...]:
    y, rate = saved
    rest = _others(y, (1,))
    dx = None
    if wanted[0]:
        h = g if scale is None else g * _over(y, (1,), scale, name, "scale")
        h, z = _grouped(name, h, groups), _grouped(name, y, groups)
        dx = np.reshape(_unstandardised(h, z, rate, (2,)), y.shape)
    return (
        dx,
        _sum_over(g * y, rest, scale) if wanted[1] else None,
        _sum_over(g, rest, shift) if wanted[2] else None,
    )


def _group_norm_composed(name: str, x: Any, scale: Any, shift: Any, groups: int, eps: float) -> Any:
    _check_eps(name, eps)
    gamma, beta = _over(x, (1,), scale, name, "scale"), _over(x, (1,), shift, name, "shift")
    y = _standardised_composite(_grouped(name, x, groups), (2,), eps)
    return _affine(np.reshape(y, x.shape), gamma, beta)


def _group_norm(
    x: Any, scale: Any = None, shift: Any = None, *, groups: int, eps: float = 1e-5
) -> Any:
    return _group_norm_of("group_norm", x, scale, shift, groups, eps)


def _group_norm_joint(
    g: Any,
    _result: Any,
    saved: Any,
    _x: Any,
    scale: Any,
    shift: Any,
    *,
    wanted: Sequence[bool],
    groups: int,
    **_rest: Any,
) -> tuple[Any, ...]:
    return _group_norm_back("group_norm", g, saved, scale, shift, wanted, groups)


def _group_norm_composite(x: Any, scale: Any, shift: Any, *, groups: int, eps: float) -> Any:
    return _group_norm_composed("group_norm", x, scale, shift, groups, eps)


_CHANNELS: dict[str, Any] = {
    "formula": "scale (x - mean) / sqrt(var + eps) + shift",
    "latex": r"\gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta",
    "signature": "(n,c,s),(c),(c)->(n,c,s)",
    **_WITH_PARAMETERS,
}
group_norm = fused(
    _group_norm,
    _group_norm_joint,
    _group_norm_composite,
    doc="Each sample normalised over groups of channels; channels are axis 1.",
    policy="a group of one number gives the shift",
    order="x groups scale shift eps",
    cases=(
        case((2, 4, 3), (4,), (4,), groups=2),
        case((2, 4), (4,), None, groups=2, eps=0.5),
        case((2, 2, 2, 2), None, (2,), groups=1, eps=0.1),
        case((1, 2, 1), (2,), (2,), groups=2),
        case((0, 2, 3), None, None, groups=2),
        case((2, 2, 0), None, None, groups=2),
    ),
    **_CHANNELS,
    local=("'({scale} / σ) ({g} − its mean − x̂ · mean of {g} x̂)'", "'Σ {g} x̂'", "'Σ {g}'"),
)


def _instance_norm(x: Any, scale: Any = None, shift: Any = None, *, eps: float = 1e-5) -> Any:
    return _group_norm_of("instance_norm", x, scale, shift, _channel_count(x), eps)


def _channel_count(x: Any) -> int:
    count: int = x.shape[1] if x.ndim > 1 else 0
    return max(1, count)


def _instance_norm_joint(
    g: Any,
    _result: Any,
    saved: Any,
    x: Any,
    scale: Any,
    shift: Any,
    *,
    wanted: Sequence[bool],
    **_rest: Any,
) -> tuple[Any, ...]:
    groups = _channel_count(x)
    return _group_norm_back("instance_norm", g, saved, scale, shift, wanted, groups)


def _instance_norm_composite(x: Any, scale: Any, shift: Any, *, eps: float) -> Any:
    return _group_norm_composed("instance_norm", x, scale, shift, _channel_count(x), eps)


instance_norm = fused(
    _instance_norm,
    _instance_norm_joint,
    _instance_norm_composite,
    doc="Each channel of each sample normalised over its own places; channels are axis 1.",
    policy="a channel of one place gives the shift, and the gradient of x is 0",
    cases=(
        case((2, 3, 6), (3,), (3,)),
        case((2, 2, 2, 2), None, None, eps=0.1),
        case((1, 2, 1), (2,), (2,)),
        case((2, 2, 3), None, (2,), eps=0.1),
        case((0, 2, 3), None, None),
    ),
    **_CHANNELS,
    local=("'({scale} / σ) ({g} − its mean − x̂ · mean of {g} x̂)'", "'Σ {g} x̂'", "'Σ {g}'"),
)

# ------------------------------------------------------------------------------ neighbours


def _local_response_norm(
    x: Any,
    *,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    axis: int = 1,
) -> Any:
    if size < 1:
        raise OpError(explain("local_response_norm", f"size={size!r} is not at least 1"))
    (place,) = _axes("local_response_norm", x, axis)
    count, before = x.shape[place], size // 2
    front = (slice(None),) * place
    wide = (*x.shape[:place], count + size - 1, *x.shape[place + 1 :])
    square = scatter(squared_size(x), (*front, slice(before, before + count)), wide)
    total = square[(*front, slice(0, count))]
    for shift in range(1, size):
        total = total + square[(*front, slice(shift, shift + count))]
    return x / (k + total * (alpha / size)) ** beta


local_response_norm = composite(
    _local_response_norm,
    doc="Each channel divided by a power of the mean square of its neighbours.",
    formula="x / (k + alpha/size Σ x²)^beta",
    latex=r"\frac{x_c}{(k + \frac{\alpha}{n} \sum_{c'} x_{c'}^2)^\beta}",
    pattern="scale",
    signature="(c)->(c)",
    policy="beyond the first and the last channel there are zeros, and size counts them too",
    cases=(
        case((2, 4, 2), size=3, alpha=0.5),
        case((2, 3), size=2, alpha=1.0, beta=0.5, k=2.0),
        case((3, 2), axis=0),
        case((2, 3, 2), axis=-1, size=1, alpha=0.3),
        case((0, 3), size=3),
    ),
)

# ------------------------------------------------------------------------------ length


def _normalize(x: Any, *, p: float = 2.0, axis: int | Axes = -1) -> Any:
    if not p >= 1:
        raise OpError(
            explain("normalize", f"p={p!r} is not a norm", fix="choose p of at least 1, or np.inf")
        )
    axes = _axes("normalize", x, axis)
    size = np.abs(x)
    if x.size == 0:
        return x * 1.0
    # Divided by its largest element first, no vector overflows or vanishes; as the length of the
    # vector cancels, this factor counts as a constant.
    largest = stop_gradient(np.max(size, axis=axes, keepdims=True))
    unit = x / np.where(largest == 0, 1, largest)
    if p == math.inf:
        norm = np.max(np.abs(unit), axis=axes, keepdims=True)
    elif p == 1:
        norm = np.sum(np.abs(unit), axis=axes, keepdims=True)
    elif p == 2:
        norm = np.sum(squared_size(unit), axis=axes, keepdims=True)
        norm = np.sqrt(np.where(norm == 0, 1, norm))
    else:
        norm = np.sum(np.abs(unit) ** p, axis=axes, keepdims=True)
        norm = np.where(norm == 0, 1, norm) ** (1 / p)
    # Where the vector is 0 the choice of a constant stops the gradient.
    return np.where(largest == 0, 0, unit) / np.where(largest == 0, 1, norm)


normalize = composite(
    _normalize,
    doc="Vectors along an axis divided by their p-norm.",
    formula="x / ‖x‖_p",
    latex=r"\frac{x}{\|x\|_p}",
    pattern="scale",
    signature="(n)->(n)",
    kinks={"x": "ties"},
    policy="a zero vector stays 0, and its gradient is 0",
    cases=(
        case((2, 3)),
        case((2, 3), axis=0),
        case((2, 3, 2), axis=(0, -1)),
        case((3, 2), p=1),
        case((3, 2), p=3),
        case((2, 3), p=1.5),
        case((2, 3), p=math.inf),
        case((0, 3)),
        case((2, 0)),
    ),
)
