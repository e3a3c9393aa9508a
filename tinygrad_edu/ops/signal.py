"""Rows about sampled functions: differences, slopes, integrals, convolution, interpolation.

All but two are written in rows. ``convolve`` is bilinear, and each of its adjoints is a convolution
with the other factor reversed. ``interp`` finds its interval by ``searchsorted``, and is a straight
line in it, so that the points, the values and the place all get their gradient. This file knows
nothing of images; ``conv.py``, to be read next, slides windows over several axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, linear, op
from tinygrad_edu.errors import OpError, OpTypeError, explain
from tinygrad_edu.ops.arrange import pad_constant
from tinygrad_edu.ops.index import take
from tinygrad_edu.ops.shape import broadcast_to, concatenate, ravel, reshape

__all__ = [
    "convolve",
    "correlate",
    "cumulative_trapezoid",
    "diff",
    "ediff1d",
    "gradient",
    "interp",
    "trapezoid",
    "trapz",
    "unwrap",
    "weighted",
]


def _part(x: Any, axis: int, *bounds: int | None) -> Any:
    """Return a slice along one axis."""
    return x[(*(slice(None),) * (axis % x.ndim), slice(*bounds))]


# ------------------------------------------------------------------------------ differences


def _diff(x: Any, prepend: Any = None, append: Any = None, *, n: int = 1, axis: int = -1) -> Any:
    """Return the differences of neighbours along an axis, `n` times."""
    if n < 0 or np.ndim(x) == 0:
        raise OpError(
            explain(
                "diff",
                f"no differences of order {n} of {np.ndim(x)} axes",
                arguments=(("x", x),),
                fix="give n of 0 or more, and an x with an axis",
            )
        )
    if n == 0:
        return x
    axis = axis % x.ndim
    slice_shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    ends = [
        end if end is None or np.ndim(end) > 0 else broadcast_to(end, slice_shape)
        for end in (prepend, append)
    ]
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    if len(parts) > 1:
        x = concatenate(parts, axis)
    minus = np.not_equal if x.dtype.kind == "b" else np.subtract
    for _ in range(n):
        x = minus(_part(x, axis, 1, None), _part(x, axis, 0, -1))
    return x


def _ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return the differences of neighbours of the flattened array, between given ends."""
    x = ravel(x)
    parts = [x[1:] - x[:-1]]
    if to_begin is not None:
        parts.insert(0, ravel(to_begin))
    if to_end is not None:
        parts.append(ravel(to_end))
    return concatenate(parts) if len(parts) > 1 else parts[0]


_DIFFERENCE: dict[str, Any] = {"latex": "x_{i+1} - x_i", "pattern": "scale"}
diff = composite(
    _diff, functions=(np.diff,), order="x n axis prepend append",
    optional=("prepend", "append"), formula="x[i + 1] - x[i]",
    signature="(n),(k),(l)->(m)", **_DIFFERENCE,
    cases=(
        case((4,), None, None), case((2, 4), None, None, n=2), case((3, 2), None, None, axis=0),
        case((2, 3), (), (2, 1)), case((3, 2), (2, 2), None, axis=-2, n=3),
        case((3,), None, None, n=0), case((1, 2), None, None, axis=0),
        case((2, 1), None, None, n=2),
    ),
)  # fmt: skip
ediff1d = composite(
    _ediff1d, functions=(np.ediff1d,), optional=("to_end", "to_begin"),
    formula="[to_begin, x[i + 1] - x[i], to_end]", signature="(n),(k),(l)->(m)", **_DIFFERENCE,
    cases=(case((4,), None, None), case((2, 2), (2,), ()), case((3,), (), None)),
)  # fmt: skip


def _unwrap(p: Any, *, discont: Any = None, axis: int = -1, period: Any = 2 * math.pi) -> Any:
    return np.unwrap(p, discont, axis, period=period)


unwrap = op(
    _unwrap,
    lambda g, _y, _p, **_params: g,
    jvp=lambda tangents, _y, _p, **_params: tangents[0],
    doc="Angles whose jumps by more than half a period are made smaller by whole periods.",
    formula="p + k period",
    latex=r"p_i + 2 \pi k_i",
    pattern="copy",
    signature="(n)->(n)",
    functions=(np.unwrap,),
    policy="1 everywhere, also where a jump is exactly half a period",
    cases=(
        case(np.array([0.5, 2.75, -2.5, -0.25, 4.0])),
        case(np.array([[0.5, 2.75, -2.5], [-3.0, 3.0, -3.0]]), axis=0),
        case(np.array([[0.1, 0.9], [0.2, -0.8]]), period=1.0),
        case(np.array([0.5, 4.0, -2.5, 8.0]), discont=5.0),
        case((1,)),
    ),
    batch="axis",
    local=("g",),
)

# ------------------------------------------------------------------------------ slopes


def _weighted(x: Any, *, weights: Any) -> Any:
    return x * np.asarray(weights.astype(x.dtype), like=x)


weighted: Op = linear(
    _weighted,
    lambda g, _y, _x, *, weights: weighted(g, weights),
    doc="Elements times constant weights, in the dtype of the elements.",
    formula="w x",
    latex=r"w_i\,x_i",
    pattern="scale",
    signature="()->()",
    cases=(case((2, 3), weights=np.array([0.5, -1.0, 2.0])),),
    local=("weights * g",),
)


def _along(vector: Any, x: Any, axis: int) -> Any:
    """Return the product of an array and numbers of the host along one axis."""
    return weighted(x, np.reshape(vector, tuple(-1 if i == axis else 1 for i in range(x.ndim))))


def _first_slope(x: Any, axis: int, spacing: Any, edge_order: int, backward: bool = False) -> Any:
    """Return the slope at the first point, of a line or a parabola; `backward` from the last one.

    Backward the spacings count as negative.
    """
    near, *rest = (-spacing[::-1] if backward else spacing)[:edge_order].tolist()
    points = [
        _part(x, axis, -1 - i, -i or None) if backward else _part(x, axis, i, i + 1)
        for i in range(edge_order + 1)
    ]
    if edge_order == 1:
        return (points[1] - points[0]) / near
    far = rest[0]
    return (
        points[0] * (-(2 * near + far) / (near * (near + far)))
        + points[1] * ((near + far) / (near * far))
        + points[2] * (-near / (far * (near + far)))
    )


def _slopes(x: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    """Return the slope at each point, inside of the parabola through it and its neighbours."""
    before, here, after = _part(x, axis, 0, -2), _part(x, axis, 1, -1), _part(x, axis, 2, None)
    left, right = spacing[:-1], spacing[1:]
    if (spacing == spacing[0]).all():
        # Where all points are equally far apart the middle one does not count.
        inner = (after - before) / (2 * spacing[0].item())
    else:
        inner = (
            _along(-right / (left * (left + right)), before, axis)
            + _along((right - left) / (left * right), here, axis)
            + _along(left / (right * (left + right)), after, axis)
        )
    first = _first_slope(x, axis, spacing, edge_order)
    last = _first_slope(x, axis, spacing, edge_order, backward=True)
    return concatenate([first, inner, last], axis)


def _gradient(
    x: Any, *, varargs: Any = (), axis: int | tuple[int, ...] | None = None, edge_order: int = 1
) -> Any:
    """Return the slopes of samples by central differences, a tuple of them for several axes."""
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    axes = [axis] if isinstance(axis, (int, np.integer)) else axis
    axes = [i % x.ndim for i in (range(x.ndim) if axes is None else axes)]
    several = len(varargs) != 1
    if len(varargs) not in (0, 1, len(axes)) or (
        not several and len(axes) != 1 and np.ndim(varargs[0])
    ):
        raise OpTypeError(
            explain(
                "gradient",
                f"{len(varargs)} spacings were given for {len(axes)} axes",
                arguments=(("x", x),),
                fix="give none, one number for all axes, or one spacing for each axis",
            )
        )
    if edge_order not in (1, 2):
        problem = f"edge_order {edge_order} is not known"
        raise OpError(explain("gradient", problem, fix="use 1 or 2"))
    given = tuple(varargs) if several else tuple(varargs) * len(axes)
    given = given or (1.0,) * len(axes)
    found = [
        _slopes(x, i, _spacing(distance, x.shape[i], edge_order), edge_order)
        for distance, i in zip(given, axes, strict=True)
    ]
    return found[0] if len(found) == 1 else tuple(found)


def _spacing(given: Any, length: int, edge_order: int) -> Any:
    """Return the distances between neighbours, from one distance or from the places of all."""
    if length <= edge_order:
        raise OpError(
            explain(
                "gradient",
                f"{length} points along an axis give no slope of edge_order {edge_order}",
                fix=f"give at least {edge_order + 1} points",
            )
        )
    if hasattr(type(given), "__record__"):
        problem = "the spacing is a Tensor; no gradient flows to a spacing"
        raise OpTypeError(explain("gradient", problem, fix="give an array, as in spacing.numpy()"))
    if np.ndim(given) == 0:
        return np.repeat(np.float64(given), length - 1)
    if np.ndim(given) != 1 or len(given) != length:
        raise OpError(
            explain(
                "gradient",
                f"places of shape {np.shape(given)} were given for an axis of length {length}",
                fix="give one distance, or one place for each point",
            )
        )
    return np.diff(np.reshape(given, -1).astype(np.float64))


_PLACES = np.array([0.0, 0.5, 2.0, 2.25])
gradient = composite(
    _gradient, functions=(np.gradient,), order="x *varargs axis edge_order",
    formula="(x[i + 1] - x[i - 1]) / 2h", latex=r"\frac{x_{i+1} - x_{i-1}}{2h}", pattern="scale",
    signature="(n)->(n)",
    cases=(
        case((4,)), case((3, 4)), case((4,), varargs=(0.5,)), case((2, 3), varargs=(2.0, 0.5)),
        case((4,), varargs=(_PLACES,)), case((4, 2), varargs=(_PLACES,), axis=0, edge_order=2),
        case((3, 5), axis=-1, edge_order=2), case((2, 2, 3), axis=(0, 2)),
        case((3, 4), varargs=(0.1, _PLACES), axis=(0, 1), edge_order=2), case((2,)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ integrals


def _strips(y: Any, x: Any, dx: Any, axis: int) -> Any:
    """Return the areas of the strips between neighbouring samples."""
    if x is None:
        width = dx
    elif np.ndim(x) == 1:
        width = x[1:] - x[:-1]
        after = y.ndim - 1 - axis % y.ndim
        width = reshape(width, (-1, *(1,) * after))
    else:
        width = _part(x, axis, 1, None) - _part(x, axis, 0, -1)
    return width * (_part(y, axis, 1, None) + _part(y, axis, 0, -1)) / 2.0


def _trapezoid(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate samples along an axis, by straight lines between them."""
    return np.sum(_strips(y, x, dx, axis), axis=axis)


def _cumulative_trapezoid(
    y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1, initial: float | None = None
) -> Any:
    """Integrate samples from the first to each, by straight lines between them."""
    areas = np.cumsum(_strips(y, x, dx, axis), axis=axis)
    if initial is None:
        return areas
    widths = [(int(i == axis % y.ndim), 0) for i in range(y.ndim)]
    return concatenate([_part(pad_constant(areas, widths, initial), axis, 0, 1), areas], axis)


_INTEGRAL: dict[str, Any] = {
    "optional": ("x",),
    "pattern": "scale",
    "cases": (
        case((4,), None), case((2, 4), None, dx=0.5), case((3, 4), (3,), axis=0),
        case((2, 3), (2, 3)), case((2, 3), (3,)), case((3, 2, 2), (3,), axis=-3),
        case((1, 2), None, axis=0),
    ),
}  # fmt: skip
trapezoid = composite(
    _trapezoid, functions=(np.trapezoid,), formula="Σ (x[i + 1] - x[i]) (y[i + 1] + y[i]) / 2",
    latex=r"\sum_i (x_{i+1} - x_i) \frac{y_{i+1} + y_i}{2}", signature="(n),(n)->()", **_INTEGRAL,
)  # fmt: skip
cumulative_trapezoid = composite(
    _cumulative_trapezoid, formula="Σ_{i < j} (x[i + 1] - x[i]) (y[i + 1] + y[i]) / 2",
    latex=r"\sum_{i<j} (x_{i+1} - x_i) \frac{y_{i+1} + y_i}{2}", signature="(n),(n)->(m)",
    **{**_INTEGRAL, "cases": (*_INTEGRAL["cases"], case((2, 3), None, initial=0))},
)  # fmt: skip

# ------------------------------------------------------------------------------ convolution


def _convolve(a: Any, v: Any, *, mode: Any = "full") -> Any:
    return np.convolve(a, v, mode)


def _completed(g: Any, lengths: Sequence[int], mode: str) -> Any:
    """Return the cotangent of a full convolution, zero where the mode left elements out."""
    shorter, full = min(lengths), sum(lengths) - 1
    before = {"full": 0, "same": (shorter - 1) // 2, "valid": shorter - 1}[mode]
    return pad_constant(g, (before, full - before - g.shape[0]))


def _convolve_a(g: Any, _y: Any, _a: Any, v: Any, *, mode: str) -> Any:
    return convolve(_completed(g, (_a.shape[0], v.shape[0]), mode), np.flip(v), "valid")


def _convolve_v(g: Any, _y: Any, a: Any, _v: Any, *, mode: str) -> Any:
    return convolve(_completed(g, (a.shape[0], _v.shape[0]), mode), np.flip(a), "valid")


def _convolve_jvp(tangents: Sequence[Any], _y: Any, a: Any, v: Any, *, mode: str) -> Any:
    da, dv = tangents
    if da is None:
        return convolve(a, dv, mode)
    moved = convolve(da, v, mode)
    return moved if dv is None else moved + convolve(a, dv, mode)


_MODES = (
    *(case((5,), (3,), mode=mode) for mode in ("full", "same", "valid")),
    *(case((3,), (4,), mode=mode) for mode in ("full", "same", "valid")),
    case((5,), (2,), mode="same"),
    case((1,), (1,), mode="full"),
    case((2,), (2,), mode="valid"),
)
convolve: Op = op(
    _convolve,
    _convolve_a,
    _convolve_v,
    jvp=_convolve_jvp,
    doc="Convolution of two signals on one axis: whole, as long as the longer, or without ends.",
    formula="Σ a[j] v[i - j]",
    latex=r"\sum_j a_j v_{i-j}",
    pattern="swap",
    signature="(m),(n)->(k)",
    accepts_complex=True,
    functions=(np.convolve,),
    cases=_MODES,
    local=("'{g} correlated with {v}'", "'{g} correlated with {a}'"),
)


def _correlate(a: Any, v: Any, *, mode: str = "valid") -> Any:
    """Return the products of a signal with another, conjugated if complex, moved along it."""
    if np.iscomplexobj(v):
        v = np.conj(v)
    if len(a) < len(v):
        # NumPy moves the shorter one; for an even length "same" then leaves out the other end.
        return np.flip(convolve(v, np.flip(a), mode))
    return convolve(a, np.flip(v), mode)


correlate = composite(
    _correlate, functions=(np.correlate,), formula="Σ a[i + j] v[j]",
    latex=r"\sum_j a_{i+j} v_j", pattern="swap", signature="(m),(n)->(k)",
    cases=(*_MODES, case((2,), (5,), mode="same")),
)  # fmt: skip

# ------------------------------------------------------------------------------ interpolation


def _interp(
    x: Any,
    xp: Any,
    fp: Any,
    left: Any = None,
    right: Any = None,
    *,
    period: float | None = None,
) -> Any:
    """Return the values at places between the points (xp, fp), on straight lines between them."""
    if np.ndim(xp) != 1 or np.shape(xp) != np.shape(fp) or np.shape(xp)[0] == 0:
        raise OpError(
            explain(
                "interp",
                "the points need one axis, and as many places as values",
                arguments=(("xp", xp), ("fp", fp)),
                fix="give xp and fp of the same length, xp in ascending order",
            )
        )
    if period is not None:
        if period == 0:
            problem = "a period of 0 has no inside"
            raise OpError(explain("interp", problem, fix="give the length of the period"))
        period = abs(period)
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = np.argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    below = fp[0] if left is None else left
    above = fp[-1] if right is None else right
    start = np.searchsorted(xp, x, side="right") - 1
    start = np.clip(start, 0, max(np.shape(xp)[0] - 2, 0))
    end = np.minimum(start + 1, np.shape(xp)[0] - 1)
    low, bottom = take(xp, start), take(fp, start)
    width = take(xp, end) - low
    # Two points in one place have no line between them; no x lies inside it.
    rise = (take(fp, end) - bottom) / np.where(np.equal(width, 0), 1, width)
    inside = np.where(np.equal(x, xp[-1]), fp[-1], rise * (x - low) + bottom)
    return np.where(np.less(x, xp[0]), below, np.where(np.greater(x, xp[-1]), above, inside))


_AT = np.array([[-0.75, 0.2], [0.75, 1.4]])
_KNOTS, _FAR = np.array([-0.5, 0.0, 0.5, 1.75]), np.array([-3.0, 0.7, 9.0])
interp = composite(
    _interp, functions=(np.interp,), order="x xp fp left right period",
    optional=("left", "right"), formula="line through (xp, fp) at x",
    latex=r"f_k + \frac{f_{k+1} - f_k}{p_{k+1} - p_k} (x - p_k)", pattern="scale",
    signature="(),(n),(n),(),()->()",
    policy="at a point the slope of the line to its right, at the last one and outside 0",
    cases=(
        case(_AT, _KNOTS, (4,), None, None), case(_FAR, _KNOTS, (4,), None, None),
        case(_FAR, _KNOTS, (4,), (), ()), case(np.array(0.3), _KNOTS, (4,), None, ()),
        case(_FAR, _KNOTS[::-1] + 0.1, (4,), None, None, period=2.5),
    ),
)  # fmt: skip

trapz = trapezoid
"""NumPy's old name, and PyTorch's."""
