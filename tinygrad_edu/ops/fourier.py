"""Rows of the discrete Fourier transform: ``np.fft`` with derivatives.

Four rows have rules; all others are written in them, axis by axis as NumPy itself does. The matrix
of a transform is symmetric, so `fft` and `ifft` are their own adjoints (cotangents are not
conjugated inside the sweep, see ``complexes.py``). The real transforms `rfft` and `irfft` are each
other's, but for the weights of a half spectrum: all its numbers but the first, and of an even
length the last, stand for two. A length `n` crops the input or pads it with zeros; its adjoint pads
or crops. This file knows the transforms of arrays; ``np.fft.fftfreq`` and ``rfftfreq`` make
constants of numbers and need no row. Read ``index.py`` next.

References
----------
J. W. Cooley and J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series",
Mathematics of Computation 19 (1965).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, linear
from tinygrad_edu.errors import OpError, explain

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]

Norm = Literal["backward", "ortho", "forward"] | None

_OPPOSITE: dict[Norm, Norm] = {
    None: "forward",
    "backward": "forward",
    "ortho": "ortho",
    "forward": "backward",
}
"""The norm that scales the other direction in the same way."""

# ------------------------------------------------------------------------------ along one axis


def _fitted(g: Any, length: int, axis: int) -> Any:
    """Return g cropped, or padded with zeros, to a length along an axis."""
    have = g.shape[axis]
    if have > length:
        return g[(*(slice(None),) * (axis % g.ndim), slice(length))]
    if have == length:
        return g
    shape = list(g.shape)
    shape[axis] = length - have
    return np.concatenate([g, np.zeros(tuple(shape), g.dtype, like=g)], axis=axis)


def _half_weights(like: Any, n: int, axis: int, interior: float) -> Any:
    """Return for each number of a half spectrum 1 if it stands for itself, else `interior`."""
    count = n // 2 + 1
    alone = (0, n // 2) if n % 2 == 0 else (0,)
    weights = [1.0 if k in alone else interior for k in range(count)]
    dtype = f"f{like.dtype.itemsize // (2 if like.dtype.kind == 'c' else 1)}"
    shape = (count,) + (1,) * (like.ndim - 1 - axis % like.ndim)
    return np.reshape(np.asarray(weights, dtype, like=like), shape)


def _fft(a: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    return np.fft.fft(a, n, axis, norm)


def _ifft(a: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    return np.fft.ifft(a, n, axis, norm)


def _rfft(a: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    return np.fft.rfft(a, n, axis, norm)


def _irfft(a: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    return np.fft.irfft(a, n, axis, norm)


def _fft_adjoint(g: Any, _y: Any, _a: Any, *, n: int | None, axis: int, norm: Norm) -> Any:
    return _fitted(fft(g, n, axis, norm), _a.shape[axis], axis)


def _ifft_adjoint(g: Any, _y: Any, _a: Any, *, n: int | None, axis: int, norm: Norm) -> Any:
    return _fitted(ifft(g, n, axis, norm), _a.shape[axis], axis)


def _rfft_adjoint(g: Any, _y: Any, _a: Any, *, n: int | None, axis: int, norm: Norm) -> Any:
    """Return ``Re Σ g_k w^(jk)`` by a real transform, which counts the inner numbers twice."""
    length = _a.shape[axis]
    n = length if n is None else n
    spectrum = np.conj(g) * _half_weights(g, n, axis, 0.5)
    return _fitted(irfft(spectrum, n, axis, _OPPOSITE[norm]), length, axis)


def _irfft_adjoint(g: Any, _y: Any, _a: Any, *, n: int | None, axis: int, norm: Norm) -> Any:
    n = g.shape[axis]
    spectrum = np.conj(rfft(g, n, axis, _OPPOSITE[norm])) * _half_weights(g, n, axis, 2.0)
    return _fitted(spectrum, _a.shape[axis], axis)


_ALONG: dict[str, Any] = {
    "pattern": "matmul",
    "signature": "(n)->(m)",
    "order": "a n axis norm out",
}
_CASES = (
    case((5,)),
    case((4,)),
    case((1,)),
    case((2, 4), norm="ortho"),
    case((3, 2), axis=0, norm="forward"),
    case((2, 3), n=5),
    case((2, 5), n=4, norm="ortho"),
    case((5, 2), n=3, axis=-2, norm="backward"),
    case((0, 3)),
)
fft: Op = linear(
    _fft, _fft_adjoint, doc="Discrete Fourier transform along an axis.",
    formula="Σ a_j exp(-2πi jk / n)", latex=r"\sum_j a_j\, e^{-2\pi i jk/n}",
    functions=(np.fft.fft,), cases=_CASES, **_ALONG,
    batch="axis",
    local=("fft(g)",),
)  # fmt: skip
ifft: Op = linear(
    _ifft, _ifft_adjoint, doc="Inverse discrete Fourier transform along an axis.",
    formula="Σ a_k exp(2πi jk / n) / n", latex=r"\frac{1}{n} \sum_k a_k\, e^{2\pi i jk/n}",
    functions=(np.fft.ifft,), cases=_CASES, **_ALONG,
    batch="axis",
    local=("ifft(g)",),
)  # fmt: skip
rfft: Op = linear(
    _rfft, _rfft_adjoint, accepts_complex=False,
    doc="Discrete Fourier transform of real numbers: the half of the spectrum that says it all.",
    formula="Σ a_j exp(-2πi jk / n), k ≤ n/2",
    latex=r"\sum_j a_j\, e^{-2\pi i jk/n},\ k \le n/2",
    functions=(np.fft.rfft,), cases=_CASES, **_ALONG,
    batch="axis",
    local=("'irfft of the conjugate of {g}, inner numbers halved'",),
)  # fmt: skip
irfft: Op = linear(
    _irfft, _irfft_adjoint,
    doc="Real numbers of which `rfft` gives this half spectrum; n is 2 (m - 1) unless given.",
    formula="inverse of rfft", latex=r"\frac{1}{n} \sum_{k} a_k\, e^{2\pi i jk/n}",
    functions=(np.fft.irfft,),
    policy="the imaginary parts of the first number, and of the last of an even n, count nothing",
    cases=(
        case((4,)), case((3, 2), axis=0), case((3,), n=5), case((3,), n=1), case((4,), n=2),
        case((2, 3), n=8, norm="ortho"), case((5, 2), n=4, axis=0, norm="forward"),
        case((2, 5), n=7, axis=-1, norm="backward"),
    ), **_ALONG,
    batch="axis",
    local=("'rfft of {g}, conjugated, inner numbers doubled'",),
)  # fmt: skip


def _hfft(a: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """Transform of numbers that mirror themselves conjugated: real, given one half of them."""
    n = 2 * (a.shape[axis] - 1) if n is None else n
    return irfft(np.conj(a), n, axis, _opposite(norm))


def _ihfft(a: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """Inverse of `hfft`: of real numbers, one half of the result."""
    return np.conj(rfft(a, n, axis, _opposite(norm)))


def _opposite(norm: Norm) -> Norm:
    if norm not in _OPPOSITE:
        raise OpError(
            explain("fft", f"norm={norm!r} is no norm", fix="use 'backward', 'ortho' or 'forward'")
        )
    return _OPPOSITE[norm]


hfft = composite(
    _hfft, formula="irfft(conj(a)) n", latex=r"\sum_j a_j\, e^{-2\pi i jk/n}",
    functions=(np.fft.hfft,),
    cases=(case((4,)), case((3,), n=5, norm="ortho"), case((4, 2), axis=0, norm="forward")),
    **_ALONG,
)  # fmt: skip
ihfft = composite(
    _ihfft, formula="conj(rfft(a)) / n", latex=r"\frac{1}{n} \sum_k a_k\, e^{2\pi i jk/n}",
    functions=(np.fft.ihfft,), accepts_complex=False,
    cases=(case((5,)), case((2, 4), n=3, norm="ortho"), case((4, 2), axis=0, norm="forward")),
    **_ALONG,
)  # fmt: skip

# ------------------------------------------------------------------------------ along several axes


def _places(
    a: Any, s: Sequence[int] | None, axes: Sequence[int] | None, half: bool = False
) -> list[tuple[int, int]]:
    """Return the length and the axis of each transform; by default those of a.

    The length of a transform back from a half spectrum is, by default, twice that of the spectrum.
    """
    if axes is None:
        axes = range(a.ndim) if s is None else range(a.ndim - len(s), a.ndim)
    if s is None:
        lengths = [a.shape[axis] for axis in axes]
        if half:
            lengths[-1] = 2 * (lengths[-1] - 1)
    else:
        if len(s) != len(axes):
            raise OpError(
                explain(
                    "fftn",
                    f"{len(s)} lengths were given for {len(axes)} axes",
                    arguments=(("a", a),),
                    fix="give one length s per axis, -1 for as it is",
                )
            )
        lengths = [a.shape[i] if n == -1 else n for n, i in zip(s, axes, strict=True)]
    return list(zip(lengths, axes, strict=True))


def _fftn(a: Any, *, s: Any = None, axes: Any = None, norm: Norm = None) -> Any:
    """Discrete Fourier transform along several axes, all by default."""
    for n, axis in reversed(_places(a, s, axes)):
        a = fft(a, n, axis, norm)
    return a


def _ifftn(a: Any, *, s: Any = None, axes: Any = None, norm: Norm = None) -> Any:
    """Inverse discrete Fourier transform along several axes, all by default."""
    for n, axis in reversed(_places(a, s, axes)):
        a = ifft(a, n, axis, norm)
    return a


def _rfftn(a: Any, *, s: Any = None, axes: Any = None, norm: Norm = None) -> Any:
    """Discrete Fourier transform of real numbers along several axes, the last one halved."""
    *others, (n, axis) = _places(a, s, axes)
    a = rfft(a, n, axis, norm)
    for n, axis in reversed(others):
        a = fft(a, n, axis, norm)
    return a


def _irfftn(a: Any, *, s: Any = None, axes: Any = None, norm: Norm = None) -> Any:
    """Real numbers of which `rfftn` gives this spectrum, halved along the last axis."""
    *others, (n, axis) = _places(a, s, axes, half=True)
    for length, other in others:
        a = ifft(a, length, other, norm)
    return irfft(a, n, axis, norm)


def _fft2(a: Any, *, s: Any = None, axes: Any = (-2, -1), norm: Norm = None) -> Any:
    """Discrete Fourier transform along two axes."""
    return _fftn(a, s=s, axes=axes, norm=norm)


def _ifft2(a: Any, *, s: Any = None, axes: Any = (-2, -1), norm: Norm = None) -> Any:
    """Inverse discrete Fourier transform along two axes."""
    return _ifftn(a, s=s, axes=axes, norm=norm)


def _rfft2(a: Any, *, s: Any = None, axes: Any = (-2, -1), norm: Norm = None) -> Any:
    """Discrete Fourier transform of real numbers along two axes, the last one halved."""
    return _rfftn(a, s=s, axes=axes, norm=norm)


def _irfft2(a: Any, *, s: Any = None, axes: Any = (-2, -1), norm: Norm = None) -> Any:
    """Real numbers of which `rfft2` gives this spectrum, halved along the last axis."""
    return _irfftn(a, s=s, axes=axes, norm=norm)


_SEVERAL: dict[str, Any] = {
    "pattern": "matmul",
    "signature": "(m,n)->(k,l)",
    "order": "a s axes norm out",
}
_CASES_OF_TWO = (
    case((2, 3)),
    case((3, 4), s=(4, 3), axes=(0, 1), norm="ortho"),
    case((2, 3, 2), axes=(0, -1), norm="forward"),
)
_CASES_OF_N = (*_CASES_OF_TWO, case((4,)), case((3, 2, 2), s=(2, -1), axes=(1, 0)))
fftn = composite(
    _fftn, formula="fft along axes", latex=r"\mathcal{F}(a)", functions=(np.fft.fftn,),
    cases=_CASES_OF_N, **_SEVERAL,
)  # fmt: skip
ifftn = composite(
    _ifftn, formula="ifft along axes", latex=r"\mathcal{F}^{-1}(a)", functions=(np.fft.ifftn,),
    cases=_CASES_OF_N, **_SEVERAL,
)  # fmt: skip
rfftn = composite(
    _rfftn, formula="rfft, then fft along axes", latex=r"\mathcal{F}(a)",
    functions=(np.fft.rfftn,), accepts_complex=False, cases=_CASES_OF_N, **_SEVERAL,
)  # fmt: skip
irfftn = composite(
    _irfftn, formula="ifft along axes, then irfft", latex=r"\mathcal{F}^{-1}(a)",
    functions=(np.fft.irfftn,), cases=_CASES_OF_N, **_SEVERAL,
)  # fmt: skip
fft2 = composite(
    _fft2, formula="fft along two axes", latex=r"\mathcal{F}(a)", functions=(np.fft.fft2,),
    cases=_CASES_OF_TWO, **_SEVERAL,
)  # fmt: skip
ifft2 = composite(
    _ifft2, formula="ifft along two axes", latex=r"\mathcal{F}^{-1}(a)",
    functions=(np.fft.ifft2,), cases=_CASES_OF_TWO, **_SEVERAL,
)  # fmt: skip
rfft2 = composite(
    _rfft2, formula="rfft, then fft along two axes", latex=r"\mathcal{F}(a)",
    functions=(np.fft.rfft2,), accepts_complex=False, cases=_CASES_OF_TWO, **_SEVERAL,
)  # fmt: skip
irfft2 = composite(
    _irfft2, formula="ifft, then irfft along two axes", latex=r"\mathcal{F}^{-1}(a)",
    functions=(np.fft.irfft2,), cases=_CASES_OF_TWO, **_SEVERAL,
)  # fmt: skip

# ------------------------------------------------------------------------------ order of results


def _fftshift(x: Any, *, axes: Any = None) -> Any:
    return np.fft.fftshift(x, axes)


def _ifftshift(x: Any, *, axes: Any = None) -> Any:
    return np.fft.ifftshift(x, axes)


_SHIFTED: dict[str, Any] = {
    "latex": r"x_{(i + s) \bmod n}",
    "pattern": "route",
    "signature": "(n)->(n)",
    "cases": (case((5,)), case((2, 3)), case((2, 3), axes=1), case((2, 3, 4), axes=(0, -1))),
}
fftshift: Op = linear(
    _fftshift, lambda g, _y, _x, *, axes: ifftshift(g, axes),
    doc="Frequencies in ascending order: zero comes to the middle.",
    formula="x rolled by n // 2", functions=(np.fft.fftshift,), **_SHIFTED,
    batch="axes",
    local=("'{g}, rolled back'",),
)  # fmt: skip
ifftshift: Op = linear(
    _ifftshift, lambda g, _y, _x, *, axes: fftshift(g, axes),
    doc="Inverse of `fftshift`: zero comes first.",
    formula="x rolled by -(n // 2)", functions=(np.fft.ifftshift,), **_SHIFTED,
    batch="axes",
    local=("'{g}, rolled back'",),
)  # fmt: skip
