"""Polynomials by their coefficients, the highest power first, as NumPy's functions take them.

Everything is written in rows, so that coefficients, points and roots all have gradients. This file
knows where NumPy cuts off leading zeros. Roots of a polynomial have no row: they are eigenvalues of
a matrix that is not symmetric. Read ``ranges.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite
from tinygrad_edu.errors import OpError, UnsupportedError, explain
from tinygrad_edu.ops.arrange import pad_constant, vander
from tinygrad_edu.ops.decompose import lstsq
from tinygrad_edu.ops.index import compress
from tinygrad_edu.ops.shape import concatenate, ravel
from tinygrad_edu.ops.signal import convolve

__all__ = ["poly", "polyadd", "polyder", "polyfit", "polyint", "polymul", "polysub", "polyval"]


def _one_axis(name: str, argument: str, p: Any) -> Any:
    """Return coefficients with one axis; a number is a polynomial of degree 0."""
    if np.ndim(p) > 1:
        raise OpError(
            explain(
                name,
                f"coefficients have one axis, {argument} has {np.ndim(p)}",
                arguments=((argument, p),),
                fix="give one polynomial at a time, as in vmap(...)",
            )
        )
    return ravel(p)


def _order(name: str, m: Any) -> int:
    """Return how often to differentiate or integrate."""
    if m < 0:
        other = "polyint" if name == "polyder" else "polyder"
        raise OpError(explain(name, f"m={m} times", fix=f"give m of 0 or more, or call {other}"))
    return int(m)


# ------------------------------------------------------------------------------ values


def _polyval(p: Any, x: Any) -> Any:
    """Evaluate a polynomial at each x, by Horner's scheme."""
    p = _one_axis("polyval", "p", p)
    found = x * 0
    for i in range(p.shape[0]):
        found = found * x + p[i]
    return found


def _powers(p: Any, count: int) -> Any:
    """Return the powers that belong to coefficients, the highest first, down to 1."""
    return np.arange(count, 0, -1, dtype=p.dtype, like=p)


def _polyder(p: Any, *, m: int = 1) -> Any:
    """Differentiate a polynomial m times."""
    p = _one_axis("polyder", "p", p)
    for _ in range(_order("polyder", m)):
        p = p[:-1] * _powers(p, max(p.shape[0] - 1, 0))
    return p


def _polyint(p: Any, k: Any = None, *, m: int = 1) -> Any:
    """Integrate a polynomial m times, each time with its constant of k, or with 0."""
    p, m = _one_axis("polyint", "p", p), _order("polyint", m)
    constants = None if k is None else ravel(k)
    count = m if constants is None else constants.shape[0]
    if count < m and count != 1:
        raise OpError(
            explain(
                "polyint",
                f"{count} constants were given for {m} integrations",
                fix="give one for all, or one for each",
            )
        )
    for i in range(m):
        p = p / _powers(p, p.shape[0])
        if constants is None:
            p = pad_constant(p, (0, 1))
        else:
            place = i if count > 1 else 0
            p = concatenate([p, constants[place : place + 1]])
    return p


_CURVE: dict[str, Any] = {"pattern": "scale", "signature": "(n)->(m)"}
polyval = composite(
    _polyval, functions=(np.polyval,), formula="Σ p[i] x^(n - i)", latex=r"\sum_i p_i x^{n-i}",
    pattern="swap", signature="(n),()->()",
    cases=(case((4,), (2, 3)), case((3,), ()), case((1,), (2,)), case((3,), (0,))),
)  # fmt: skip
polyder = composite(
    _polyder, functions=(np.polyder,), formula="(n - i) p[i]", latex=r"(n - i)\,p_i", **_CURVE,
    cases=(case((4,)), case((4,), m=2), case((2,), m=3), case((3,), m=0), case((1,))),
)  # fmt: skip
polyint = composite(
    _polyint, functions=(np.polyint,), order="p m k", optional=("k",),
    formula="[p[i] / (n + 1 - i), k]", latex=r"\frac{p_i}{n + 1 - i}", pattern="scale",
    signature="(n),(l)->(m)",
    cases=(
        case((3,), None), case((3,), None, m=3), case((2,), (2,), m=2), case((2,), (), m=3),
        case((2,), (1,)), case((3,), None, m=0),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ arithmetic


def _same_length(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Return both with as many coefficients, zeros in front of the shorter."""
    a, b = _one_axis(name, "a", a), _one_axis(name, "b", b)
    missing = b.shape[0] - a.shape[0]
    if missing > 0:
        a = pad_constant(a, (missing, 0))
    return a, pad_constant(b, (-missing, 0)) if missing < 0 else b


def _polyadd(a: Any, b: Any) -> Any:
    """Add two polynomials."""
    a, b = _same_length("polyadd", a, b)
    return a + b


def _polysub(a: Any, b: Any) -> Any:
    """Subtract a polynomial from another."""
    a, b = _same_length("polysub", a, b)
    return a - b


def _without_leading_zeros(p: Any) -> Any:
    """Return coefficients from the first that is not 0; a single 0 if all are."""
    found = compress(np.cumsum(np.not_equal(p, 0)) > 0, p)
    return found if found.shape[0] else np.zeros(1, p.dtype, like=p)


def _polymul(a: Any, b: Any) -> Any:
    """Multiply two polynomials."""
    a, b = _one_axis("polymul", "a", a), _one_axis("polymul", "b", b)
    return convolve(_without_leading_zeros(a), _without_leading_zeros(b), "full")


_OF_TWO: dict[str, Any] = {
    "signature": "(m),(n)->(k)",
    "cases": (
        case((3,), (3,)), case((2,), (4,)), case((4,), (1,)), case((), (2,)),
    ),
}  # fmt: skip
polyadd = composite(
    _polyadd, functions=(np.polyadd,), formula="a + b", latex="a(x) + b(x)", pattern="copy",
    **_OF_TWO,
)  # fmt: skip
polysub = composite(
    _polysub, functions=(np.polysub,), formula="a - b", latex="a(x) - b(x)", pattern="copy",
    **_OF_TWO,
)  # fmt: skip
polymul = composite(
    _polymul, functions=(np.polymul,), formula="Σ a[j] b[i - j]", latex=r"a(x)\,b(x)",
    pattern="swap", **_OF_TWO,
    policy="leading zeros are cut off, as by NumPy, and get no gradient; convolve keeps them",
)  # fmt: skip


def _poly(roots: Any) -> Any:
    """Find the polynomial that has these roots, its leading coefficient being 1."""
    if np.ndim(roots) > 1:
        raise UnsupportedError(
            explain(
                "poly",
                "the roots of a matrix are its eigenvalues, which have a row for symmetric ones",
                arguments=(("roots", roots),),
                fix="poly(eigvalsh(a)) if a is symmetric; else give the roots",
            )
        )
    roots = ravel(roots)
    found = np.ones(1, roots.dtype, like=roots)
    for i in range(roots.shape[0]):
        found = pad_constant(found, (0, 1)) - pad_constant(found * roots[i], (1, 0))
    return found if roots.shape[0] else np.reshape(found, ())


poly = composite(
    _poly, functions=(np.poly,), formula="Π (x - roots[i])", latex=r"\prod_i (x - r_i)",
    pattern="swap", signature="(n)->(m)", accepts_complex=False,
    cases=(case((3,)), case((1,)), case((5,)), case(np.array([0.0, 1.5, 1.5]))),
)  # fmt: skip

# ------------------------------------------------------------------------------ fit


def _polyfit(
    x: Any,
    y: Any,
    w: Any = None,
    *,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    cov: bool = False,
) -> Any:
    """Find the polynomial of a degree with the least sum of squares (w (y - p(x)))²."""
    if full or cov:
        raise UnsupportedError(
            explain(
                "polyfit",
                "full= and cov= ask for results besides the coefficients",
                fix="call lstsq(vander(x, deg + 1), y), which gives them",
            )
        )
    shapes = np.shape(x), np.shape(y)
    if len(shapes[0]) != 1 or not shapes[0][0] or len(shapes[1]) not in (1, 2) or deg < 0:
        problem = f"x needs one axis with elements, y one or two, deg={deg} to be 0 or more"
        raise OpError(explain("polyfit", problem, arguments=(("x", x), ("y", y))))
    if shapes[1][0] != shapes[0][0] or (w is not None and np.shape(w) != shapes[0]):
        problem = "x, y and the weights need the same length"
        raise OpError(explain("polyfit", problem, arguments=(("x", x), ("y", y), ("w", w))))
    x, y = x + 0.0, y + 0.0
    columns = vander(x, int(deg) + 1)
    if w is not None:
        columns = columns * np.expand_dims(w, 1)
        y = y * (w if len(shapes[1]) == 1 else np.expand_dims(w, 1))
    # Columns of one length: high powers would make the matrix badly conditioned.
    scale = np.sqrt(np.sum(columns * columns, axis=0))
    if rcond is None:
        rcond = shapes[0][0] * np.finfo(x.dtype).eps
    found = lstsq(columns / scale, y, rcond)[0]
    return found / (scale if len(shapes[1]) == 1 else np.expand_dims(scale, 1))


_POINTS = np.array([-1.5, -0.75, 0.25, 0.5, 1.25])
polyfit = composite(
    _polyfit, functions=(np.polyfit,), order="x y deg rcond full w cov", optional=("w",),
    formula="p with least Σ (w (y - p(x)))²", latex=r"\arg\min_p \sum_i w_i^2 (y_i - p(x_i))^2",
    pattern="matmul", signature="(n),(n),(n)->(m)", accepts_complex=False,
    policy="points that do not determine the polynomial give the shortest one that fits",
    domain={"w": (0.5, 1.5)},
    cases=(
        case(_POINTS, (5,), None, deg=2), case(_POINTS, (5, 2), None, deg=1),
        case(_POINTS, (5,), (5,), deg=3), case(_POINTS, (5, 2), (5,), deg=0),
    ),
)  # fmt: skip
