"""Rows that lead into and out of the complex numbers: parts, conjugate, angle, and their makers.

A cotangent of a complex number ``x + iy`` is ``dL/dx - i dL/dy`` in every rule, and is paired with
a tangent by ``Re(sum(g * t))``. Then the rules of holomorphic rows (multiply, exp, matmul) hold as
they stand, and a row with a real result is described by one factor, as here: the sweep takes the
real part wherever a number is real. The absolute value and the sign, which real numbers have too,
are in ``elementwise.py``. Read ``fourier.py`` next; docs/complex.md tells the convention.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite, elementwise, linear, op
from tinygrad_edu.errors import OpTypeError, explain

__all__ = [
    "angle",
    "conj",
    "conjugate",
    "imag",
    "iscomplex",
    "isreal",
    "polar",
    "real",
    "real_if_close",
    "to_complex",
]


def squared_size(x: Any) -> Any:
    """Return x² of real numbers and |x|² of complex ones, smooth at 0: what norms add up."""
    if x.dtype.kind != "c":
        return np.square(x)
    return np.square(np.real(x)) + np.square(np.imag(x))


# ------------------------------------------------------------------------------ parts

real = elementwise(
    np.real, 1, doc="Real part.", formula="Re x", latex=r"\operatorname{Re} x", pattern="route",
    accepts_complex=True,
)  # fmt: skip
imag = elementwise(
    np.imag, -1j, doc="Imaginary part; 0 of a real number.", formula="Im x",
    latex=r"\operatorname{Im} x", pattern="route", accepts_complex=True,
    local=("-i",),
)  # fmt: skip
conjugate = linear(
    np.conjugate, lambda g, _y, _x: np.conj(g),
    doc="Complex conjugate: the imaginary part negated.", formula="Re x - i Im x",
    latex=r"\overline{x}", pattern="scale", signature="()->()", arguments=("x",),
    cases=(case((2, 3)), case(())),
    local=("conj(g)",),
)  # fmt: skip


def _angle(x: Any, *, deg: bool = False) -> Any:
    return np.angle(x, deg)


def _turn(x: Any, deg: bool) -> Any:
    """Return ``-i / x``, in degrees if asked, and 0 at 0: a real number does not turn."""
    slope = -1j / np.where(x == 0, math.inf, x)
    return slope * (180 / math.pi) if deg else slope


angle = elementwise(
    _angle, lambda _y, x, *, deg: _turn(x, deg), functions=(np.angle,), order="x deg",
    doc="Angle from the positive real axis, in radians or degrees.",
    formula="arctan2(Im x, Re x)", latex=r"\arg x", pattern="scale", accepts_complex=True,
    kinks={"x": (0.0,)}, policy="0 at 0; 0 for real x, which cannot turn",
    cases=(case((2, 3)), case((2, 3), deg=True), case(())),
    local=("-i / x * (180 / pi if deg else 1)",),
)  # fmt: skip

# ------------------------------------------------------------------------------ made of reals


def _to_complex(re: Any, im: Any) -> Any:
    dtype = np.result_type(np.result_type(re, im), np.complex64)
    for part in (re, im):
        if getattr(part, "dtype", np.dtype(float)).kind == "c" or isinstance(part, complex):
            raise OpTypeError(
                explain(
                    "to_complex",
                    "the parts of a complex number are real, one is complex",
                    arguments=(("re", re), ("im", im)),
                    fix="give z.real and z.imag; a + 1j * b adds complex numbers",
                )
            )
    # Side by side in memory: 1j * im would make nan of infinity, and lose the sign of a zero.
    shape = np.broadcast_shapes(np.shape(re), np.shape(im))
    pairs = np.stack([np.broadcast_to(re, shape), np.broadcast_to(im, shape)], axis=-1)
    return pairs.astype(f"f{dtype.itemsize // 2}").view(dtype)[..., 0]


to_complex = elementwise(
    _to_complex, 1, 1j, arguments=("re", "im"),
    doc="Complex number of a real and an imaginary part.", formula="re + i im",
    latex=r"\mathit{re} + i\,\mathit{im}", pattern="copy",
    local=("1", "i"),
)  # fmt: skip


def _polar(length: Any, angle: Any) -> Any:
    """Complex number of a length and an angle in radians."""
    return to_complex(length * np.cos(angle), length * np.sin(angle))


polar = composite(
    _polar, formula="length exp(i angle)", latex=r"r\,e^{i \varphi}", pattern="scale",
    signature="(),()->()", accepts_complex=False,
    cases=(case((2, 3), (2, 3)), case((3,), (2, 1)), case((), ())),
)  # fmt: skip

# ------------------------------------------------------------------------------ no derivative

_MASK: dict[str, Any] = {
    "arguments": ("x",),
    "pattern": "none",
    "policy": "the result is a mask: no gradient flows",
    "signature": "()->()",
    "cases": (case((2, 3)), case(())),
}
isreal = op(
    np.isreal, None, doc="Whether the imaginary part is 0.", formula="Im x = 0",
    latex=r"\operatorname{Im} x = 0", **_MASK,
)  # fmt: skip
iscomplex = op(
    np.iscomplex, None, doc="Whether the imaginary part is not 0.", formula="Im x ≠ 0",
    latex=r"\operatorname{Im} x \neq 0", **_MASK,
)  # fmt: skip

conj = conjugate
"""NumPy's and PyTorch's short name."""


def _real_if_close(x: Any, *, tol: float = 100) -> Any:
    """Take the real part if all imaginary parts are nothing but rounding; `tol` counts it."""
    if x.dtype.kind != "c":
        return x
    least = np.finfo(x.dtype).eps * tol if tol > 1 else tol
    return np.real(x) if np.all(np.abs(np.imag(x)) < least) else x


real_if_close = composite(
    _real_if_close, functions=(np.real_if_close,), formula="Re x if Im x is nearly 0",
    latex=r"\operatorname{Re} x", pattern="route", signature="()->()",
    policy="what is taken for rounding gets no gradient",
    cases=(case((2, 3)), case(())),
)  # fmt: skip
