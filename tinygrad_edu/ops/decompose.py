"""Rows of decompositions and inverses: solve, det, cholesky, eigh, svd, qr, the exponential.

A decomposition has several results and a row has one: a packed row returns them joined in one
array, a composite cuts it. Where factors are free in sign or in their basis (eigenvectors, singular
vectors), only what does not depend on the choice has a derivative worth the name; a rule then
returns that one. All rows take stacks of matrices. Read ``index.py`` next.

References
----------
M. B. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation", Oxford University Computing Laboratory, report 08/01, 2008. Named
"Giles" below, with the section.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, op
from tinygrad_edu.errors import OpError, OpTypeError, SingularError, explain
from tinygrad_edu.ops.index import scatter, setitem

__all__ = [
    "cholesky",
    "cofactor",
    "cofactor_derivative",
    "cond",
    "det",
    "eigh",
    "eigh_packed",
    "eigvalsh",
    "expm",
    "expm_frechet",
    "inv",
    "logabsdet",
    "logdet",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "pinv",
    "qr",
    "qr_packed",
    "sign_of_det",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svd_packed",
    "svdvals",
    "tensorinv",
    "tensorsolve",
]

# ------------------------------------------------------------------------------ what rows share


def _mT(x: Any) -> Any:
    """Return the matrices transposed."""
    return np.swapaxes(x, -1, -2)


def _square(name: str, x: Any) -> None:
    """Refuse what is not a square matrix, or a stack of them."""
    shape = np.shape(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise OpError(
            explain(
                name,
                "takes a square matrix, or a stack of them in the last two axes",
                arguments=(("x", x),),
                fix="lstsq, pinv and svd take matrices of any shape",
            )
        )


def _matrix(name: str, x: Any) -> None:
    """Refuse what is not a matrix, or a stack of them."""
    if len(np.shape(x)) < 2:
        raise OpError(
            explain(
                name,
                "takes a matrix, or a stack of them in the last two axes",
                arguments=(("x", x),),
                fix="make a vector a column by x[:, None], or a row by x[None, :]",
            )
        )


def _real(name: str, *arrays: Any) -> None:
    """Refuse complex numbers: the text of a row may hold for real ones only."""
    if any(getattr(array, "dtype", np.dtype(float)).kind == "c" for array in arrays):
        raise OpTypeError(
            explain(
                name,
                "is for real numbers, and an argument is complex",
                fix="use NumPy's function on plain arrays",
            )
        )


def _singular(name: str, problem: str, x: Any, fix: str, called: str = "x") -> SingularError:
    return SingularError(explain(name, problem, arguments=((called, x),), fix=fix))


_TO_INVERT = "pinv or lstsq also take singular matrices; or add a multiple of np.eye(n) to it"


def _eye(like: Any, shape: Sequence[int]) -> Any:
    """Return the identity of the last axis' length, of the kind and dtype of an array."""
    return np.eye(shape[-1], dtype=like.dtype, like=like)


def _reciprocal(x: Any) -> Any:
    """Return 1 / x, and 0 where x is 0, at every order of derivative."""
    zero = x == 0
    return np.where(zero, 0, 1 / np.where(zero, 1, x))


# Well-conditioned matrices, on which the laws compare to the last digits.
_A = np.array([[2.0, -0.5, 0.3], [0.4, 1.5, -0.6], [-0.2, 0.7, 1.8]])
_B = np.array([[1.0, 0.4], [-0.3, 1.6]])
_STACK = np.stack([_A, _A.T + np.eye(3), -_A])
_TALL = np.array([[1.5, 0.2], [-0.3, 2.5], [0.8, -0.6], [0.1, 0.9]])
_MATRICES = (case(_A), case(_B), case(_STACK), case(np.array([[2.0]])), case(np.zeros((2, 0, 0))))

# ------------------------------------------------------------------------------ inverse and solve


def _inv(x: Any) -> Any:
    _square("inv", x)
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise _singular("inv", "x is singular: it has no inverse", x, _TO_INVERT) from None


inv = op(
    _inv,
    lambda g, y, _x: -(_mT(y) @ g @ _mT(y)),  # Giles 2.2.3
    jvp=lambda tangents, y, _x: -(y @ tangents[0] @ y),
    doc="Inverse of a square matrix.",
    formula="x⁻¹",
    latex="x^{-1}",
    pattern="matmul",
    signature="(n,n)->(n,n)",
    functions=(np.linalg.inv,),
    policy="a singular matrix is refused",
    cases=_MATRICES,
    batch="stack",
    local=("-(y.T @ g @ y.T)",),
)


def _columns(b: Any) -> Any:
    """Return the right-hand side as a matrix: NumPy takes one of one axis for a column."""
    return np.expand_dims(b, -1) if b.ndim == 1 else b


def _solve(a: Any, b: Any) -> Any:
    _square("solve", a)
    rows = np.shape(b)[-2:][:1]
    if rows != np.shape(a)[-1:]:
        raise OpError(
            explain(
                "solve",
                f"a takes right-hand sides of {np.shape(a)[-1]} rows",
                arguments=(("a", a), ("b", b)),
                fix="give b the shape (n,) or (..., n, k); of a stack of vectors make columns by "
                "b[..., None]",
            )
        )
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise _singular(
            "solve", "a is singular: there is no one solution", a, _TO_INVERT, "a"
        ) from None


def _solve_b(g: Any, _y: Any, a: Any, _b: Any) -> Any:
    """Return a⁻ᵀ g (Giles 2.3.1)."""
    if _b.ndim == 1:
        return np.squeeze(np.linalg.solve(_mT(a), np.expand_dims(g, -1)), -1)
    return np.linalg.solve(_mT(a), g)


def _solve_a(g: Any, y: Any, a: Any, _b: Any) -> Any:
    """Return -(a⁻ᵀ g) yᵀ (Giles 2.3.1)."""
    back = _solve_b(g, y, a, _b)
    if _b.ndim == 1:
        return -(np.expand_dims(back, -1) * np.expand_dims(y, -2))
    return -(back @ _mT(y))


def _solve_jvp(tangents: Sequence[Any], y: Any, a: Any, _b: Any) -> Any:
    da, db = tangents
    moved: Any = 0 if db is None else db
    if da is not None:
        moved = moved - da @ y if _b.ndim > 1 else moved - np.squeeze(da @ y[..., None], -1)
    if _b.ndim == 1 and moved.ndim > 1:
        return np.squeeze(np.linalg.solve(a, np.expand_dims(moved, -1)), -1)
    return np.linalg.solve(a, moved)


solve = op(
    _solve,
    _solve_a,
    _solve_b,
    jvp=_solve_jvp,
    doc="Solution y of a y = b for a square matrix a; b is a vector, or a stack of matrices.",
    formula="a⁻¹ b",
    latex=r"a^{-1}\,b",
    pattern="matmul",
    signature="(n,n),(n,k)->(n,k)",
    functions=(np.linalg.solve,),
    broadcasts=True,
    policy="a singular matrix is refused",
    cases=(
        case(_A, (3, 2)),
        case(_A, (3,)),
        case(_STACK, (3, 3, 2)),
        case(_STACK, (3,)),
        case(_A, (4, 3, 1)),
        case(_STACK, (3, 2)),
        case(np.zeros((0, 0)), (0, 2)),
    ),
    batch="stack",
    local=("-(inv(a.T) @ g @ y.T)", "inv(a.T) @ g"),
)


def _solve_triangular(
    a: Any, b: Any, *, lower: bool = False, trans: int | str = 0, unit_diagonal: bool = False
) -> Any:
    """Solve a y = b, or aᵀ y = b, reading one triangle of a only."""
    a = (np.tril if lower else np.triu)(a)
    if unit_diagonal:
        i = np.ogrid[: a.shape[-1]]
        a = setitem(a, (Ellipsis, i, i), 1)
    return np.linalg.solve(_mT(a) if trans in (1, "T") else a, b)


solve_triangular = composite(
    _solve_triangular,
    formula="a⁻¹ b, a triangular",
    latex=r"a^{-1}\,b",
    pattern="matmul",
    signature="(n,n),(n,k)->(n,k)",
    policy="a zero on the diagonal is refused; the other triangle of a has gradient 0",
    cases=(
        case(_A, (3, 2)),
        case(_A, (3,), lower=True),
        case(_A, (3, 2), trans="T", unit_diagonal=True),
        case(_STACK, (3, 3, 1), lower=True, trans=1, unit_diagonal=True),
    ),
)


def _tensorsolve(a: Any, b: Any, *, axes: tuple[int, ...] | None = None) -> Any:
    """Solve for the tensor y whose contraction with the last axes of a is b."""
    if axes is not None:
        a = np.moveaxis(a, tuple(axes), tuple(range(-len(axes), 0)))
    shape = a.shape[len(b.shape) :]
    n = int(np.prod(b.shape))
    if int(np.prod(shape)) != n:
        raise OpError(
            explain(
                "tensorsolve",
                f"{n} equations for {int(np.prod(shape))} unknowns, of shape {shape}",
                arguments=(("a", a), ("b", b)),
                fix="the lengths of a's first axes, those of b, and of the rest must have one "
                "product",
            )
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (n, n)), np.ravel(b)), shape)


def _tensorinv(x: Any, *, ind: int = 2) -> Any:
    """Invert the linear map from the last axes to the first `ind` ones."""
    old = x.shape
    if ind <= 0:
        raise OpError(
            explain("tensorinv", f"ind must be positive, it is {ind}", fix="ind=2 is the default")
        )
    n = int(np.prod(old[ind:]))
    if int(np.prod(old[:ind])) != n:
        raise OpError(
            explain(
                "tensorinv",
                f"the first {ind} axes have {int(np.prod(old[:ind]))} elements, the others {n}",
                arguments=(("x", x),),
                fix="both products of lengths must be equal; choose another ind",
            )
        )
    return np.reshape(np.linalg.inv(np.reshape(x, (n, n))), (*old[ind:], *old[:ind]))


_FOUR = (np.eye(6) * 2 + np.arange(36).reshape(6, 6) % 5 / 10).reshape(2, 3, 3, 2)
tensorsolve = composite(
    _tensorsolve, formula="y with Σ a y = b", latex="a^{-1} b", pattern="matmul",
    signature="(m,n),(m)->(n)", functions=(np.linalg.tensorsolve,),
    policy="a singular map is refused",
    cases=(case(_FOUR, (2, 3)), case(np.moveaxis(_FOUR, 2, 0), (2, 3), axes=(0, 3))),
)  # fmt: skip
tensorinv = composite(
    _tensorinv, formula="x⁻¹ as a map of tensors", latex="x^{-1}", pattern="matmul",
    signature="(m,n)->(n,m)", functions=(np.linalg.tensorinv,),
    policy="a singular map is refused",
    cases=(case(_FOUR), case(_FOUR.reshape(6, 3, 2), ind=1)),
)  # fmt: skip

# ------------------------------------------------------------------------------ pseudo-inverse


def _hermitian_refused(name: str, hermitian: bool) -> None:
    if hermitian:
        raise OpTypeError(
            explain(
                name,
                "hermitian=True is a faster way to the same values, of which there is no row",
                fix="leave hermitian out, or use eigh",
            )
        )


def _pinv(x: Any, *, rcond: Any = None, hermitian: bool = False, rtol: Any = None) -> Any:
    _matrix("pinv", x)
    _hermitian_refused("pinv", hermitian)
    return np.linalg.pinv(x, rcond) if rtol is None else np.linalg.pinv(x, rtol=rtol)


def _pinv_vjp(g: Any, y: Any, x: Any, **_params: Any) -> Any:
    """Return the cotangent of a matrix whose rank stays as it is.

    References
    ----------
    G. H. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", SIAM J. Numer. Anal. 10(2), 1973, equation (4.12).
    """
    down, across, gt = _mT(y), y @ x, _mT(g)
    left = (gt - (x @ y) @ gt) @ y @ down
    right = down @ y @ (gt - gt @ across)
    return left + right - down @ g @ down


pinv = op(
    _pinv,
    _pinv_vjp,
    doc="Moore-Penrose inverse of a matrix of any shape and rank.",
    formula="x⁺",
    latex="x^{+}",
    pattern="matmul",
    signature="(m,n)->(n,m)",
    functions=(np.linalg.pinv,),
    policy="of a matrix without full rank the gradient is that among matrices of its rank",
    cases=(
        case(_TALL),
        case(_TALL.T),
        case(_A),
        case(np.stack([_TALL, -_TALL])),
        case(_TALL, rtol=1e-12),
    ),
    batch="stack",
    local=("'−{y}ᵀ {g} {y}ᵀ, and terms of both null spaces'",),
)


def _matrix_rank(x: Any, *, tol: Any = None, hermitian: bool = False, rtol: Any = None) -> Any:
    _hermitian_refused("matrix_rank", hermitian)
    if rtol is not None:
        return np.linalg.matrix_rank(x, rtol=rtol)
    return np.linalg.matrix_rank(x, tol)


matrix_rank = op(
    _matrix_rank,
    None,
    doc="Number of singular values that are not 0 to rounding.",
    formula="rank x",
    latex=r"\mathrm{rank}\, x",
    pattern="none",
    signature="(m,n)->()",
    arguments=("x",),
    functions=(np.linalg.matrix_rank,),
    policy="the result is a count: no gradient flows",
    cases=(case((2, 3)), case((4, 2, 2)), case((2, 3), tol=1e-3), case((2, 3), rtol=1e-3)),
    batch="stack",
)


class LstsqResult(NamedTuple):
    """What `lstsq` returns: solution, sums of squared residuals, rank, singular values."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


def _lstsq(a: Any, b: Any, *, rcond: Any = None) -> LstsqResult:
    """Return what minimises |a y - b|, the shortest such y if there are several."""
    _real("lstsq", a, b)
    if len(np.shape(a)) != 2:
        raise OpError(
            explain(
                "lstsq",
                "takes one matrix",
                arguments=(("a", a), ("b", b)),
                fix="pinv(a) @ b takes stacks of matrices",
            )
        )
    if np.shape(a)[0] != np.shape(b)[0]:
        raise OpError(
            explain(
                "lstsq",
                f"a has {np.shape(a)[0]} rows, b has {np.shape(b)[0]}",
                arguments=(("a", a), ("b", b)),
                fix="give b one row, or one element, for each row of a",
            )
        )
    m, n = np.shape(a)
    if rcond is None or rcond < 0:  # -1 is NumPy's word for the precision alone
        eps = np.finfo(a.dtype if a.dtype.kind == "f" else np.float64).eps
        rcond = eps * max(m, n) if rcond is None else eps
    columns = _columns(b)
    found = np.linalg.pinv(a, rcond) @ columns
    away = columns - a @ found
    residuals = np.sum(away * away, axis=-2)
    return LstsqResult(
        found[..., 0] if b.ndim == 1 else found,
        residuals[:0] if m <= n else residuals,
        np.linalg.matrix_rank(a, rtol=rcond).astype(np.int32),  # the kind of NumPy's
        # Joined to nothing, so that all results are tensors also where only b is one.
        np.concatenate([np.linalg.svdvals(a), np.ravel(found)[:0]]),
    )


lstsq = composite(
    _lstsq,
    formula="y with least |a y - b|",
    latex=r"\arg\min_y \lVert a y - b \rVert",
    pattern="matmul",
    signature="(m,n),(m,k)->(n,k),(k),(),(n)",
    functions=(np.linalg.lstsq,),
    policy="of a matrix without full rank the gradient is that among matrices of its rank, and "
    "the residuals, which NumPy leaves out, are given all the same; the rank has no gradient",
    cases=(case(_TALL, (4,)), case(_TALL, (4, 3)), case(_TALL.T, (2, 2)), case(_A, (3,))),
)

# ------------------------------------------------------------------------------ determinant


def _det(x: Any) -> Any:
    _square("det", x)
    return np.linalg.det(x)


def _turn(u: Any, vt: Any) -> Any:
    """Return the product of the determinants of two orthogonal factors, 1 or -1."""
    return np.expand_dims(np.sign(np.linalg.det(u) * np.linalg.det(vt)), (-1, -2))


def _cofactor(x: Any) -> Any:
    _square("cofactor", x)
    _real("cofactor", x)
    u, s, vt = np.linalg.svd(x)
    # det(x) x⁻ᵀ, with each division by a singular value replaced by the product of the others:
    # exact for singular x.
    others = np.prod(np.where(np.eye(s.shape[-1], dtype=bool, like=s), 1, s[..., None, :]), axis=-1)
    return (_turn(u, vt) * u * others[..., None, :]) @ vt


def _cofactor_derivative(x: Any, e: Any) -> Any:
    """Return the change of the cofactors along e, from the singular value decomposition.

    Between the singular vectors x is diagonal. There a cofactor off the diagonal changes with its
    mirror image, one on the diagonal with the others on it, each times a product of all singular
    values but two.
    """
    _real("cofactor_derivative", x, e)
    u, s, vt = np.linalg.svd(x)
    one = np.eye(s.shape[-1], dtype=bool, like=s)
    either = one[:, None, :] | one[None, :, :]
    off = 1 - _eye(s, s.shape)
    others = off * np.prod(np.where(either, 1, s[..., None, None, :]), axis=-1)
    inner = _mT(u) @ e @ _mT(vt)
    along = np.einsum("...ij,...jj->...i", others, inner)
    changed = _eye(s, s.shape) * along[..., None, :] - others * _mT(inner)
    return _turn(u, vt) * (u @ changed @ vt)


def _minors(n: int) -> tuple[Any, ...]:
    """Return the index that gives at [i, j] the matrix without row i and column j."""
    i, k = np.ogrid[:n, : max(n - 1, 0)]
    rest = k + (k >= i)
    return (Ellipsis, rest[:, None, :, None], rest[None, :, None, :])


def _third(h: Any, _y: Any, x: Any, e: Any) -> Any:
    """Return the gradient of h · cofactor_derivative(x, e) by x, through the minors of x."""
    n = x.shape[-1]
    index = _minors(n)
    i, j = np.ogrid[:n, :n]
    signs = np.asarray((1 - 2 * ((i + j) % 2)).astype(h.dtype), like=h)
    moved = np.expand_dims(signs * h, (-1, -2)) * e[index]
    return scatter(cofactor_derivative(x[index], moved), index=index, shape=x.shape)


_DETERMINANT: dict[str, Any] = {
    "pattern": "scale",
    "policy": "exact for singular matrices too, at every order: nothing is divided by det x",
}
_RANKS = (
    case(np.array([[1.0, 2.0, 0.5], [2.0, 4.0, 1.0], [0.3, -0.4, 1.5]])),  # rank 2
    case(np.outer([1.0, 2.0, -0.5], [0.5, 1.0, 1.5])),  # rank 1
    case(np.zeros((2, 2))),
)
det = op(
    _det,
    lambda g, _y, x: np.expand_dims(g, (-1, -2)) * cofactor(x),  # Jacobi's formula
    jvp=lambda tangents, _y, x: np.sum(tangents[0] * cofactor(x), axis=(-1, -2)),
    doc="Determinant of a square matrix.",
    formula="det x",
    latex=r"\det x",
    signature="(n,n)->()",
    functions=(np.linalg.det,),
    cases=(*_MATRICES, *_RANKS),
    **_DETERMINANT,
    batch="stack",
    local=("g * cofactor(x)",),
)
cofactor: Op = op(
    _cofactor,
    lambda g, _y, x: cofactor_derivative(x, g),
    jvp=lambda tangents, _y, x: cofactor_derivative(x, tangents[0]),
    doc="Matrix of the cofactors of a square matrix: the gradient of its determinant.",
    formula="det(x) x⁻ᵀ",
    latex=r"\det(x)\, x^{-\mathsf T}",
    signature="(n,n)->(n,n)",
    cases=(*_MATRICES[:3], *_RANKS),
    **_DETERMINANT,
    batch="stack",
    local=("cofactor_derivative(x, g)",),
)
cofactor_derivative: Op = op(
    _cofactor_derivative,
    _third,
    lambda h, _y, x, _e: cofactor_derivative(x, h),  # the second derivative is symmetric
    doc="Change of the cofactors of x along e: the second derivative of the determinant.",
    formula="d cofactor(x + t e) / dt",
    latex=r"\left.\frac{d}{dt}\right|_0 \det(x + t e)\, (x + t e)^{-\mathsf T}",
    signature="(n,n),(n,n)->(n,n)",
    cases=(
        case(_A, (3, 3)),
        case(_B, (2, 2)),
        case(_STACK, (3, 3, 3)),
        case(*_RANKS[0].arrays, (3, 3)),
    ),
    **_DETERMINANT,
    batch="stack",
    local=("'the third derivative of det along {e} and {g}'", "cofactor_derivative(x, g)"),
)


def _sign_of_det(x: Any) -> Any:
    _square("slogdet", x)
    return np.linalg.slogdet(x)[0]


def _logabsdet(x: Any) -> Any:
    _square("slogdet", x)
    return np.linalg.slogdet(x)[1]


sign_of_det = op(
    _sign_of_det,
    lambda g, _y, _x: np.broadcast_to(np.expand_dims(g * 0, (-1, -2)), _x.shape),
    doc="Sign of the determinant: -1, 0 or 1.",
    formula="sign det x",
    latex=r"\operatorname{sign} \det x",
    pattern="none",
    signature="(n,n)->()",
    policy="0 everywhere, also at the jump where det x is 0",
    cases=_MATRICES[:4],
    batch="stack",
    local=("0",),
)
logabsdet = op(
    _logabsdet,
    lambda g, _y, x: np.expand_dims(g, (-1, -2)) * _mT(inv(x)),  # Giles 2.2.4
    doc="Logarithm of the absolute determinant, without overflow.",
    formula="log |det x|",
    latex=r"\log |\det x|",
    pattern="scale",
    signature="(n,n)->()",
    policy="-inf for a singular matrix, whose gradient is refused",
    cases=_MATRICES[:4],
    batch="stack",
    local=("g * inv(x).T",),
)


class SlogdetResult(NamedTuple):
    """What `slogdet` returns: sign and logarithm of the absolute value of the determinant."""

    sign: Any
    logabsdet: Any


def _slogdet(x: Any) -> SlogdetResult:
    """Return the sign of the determinant and the logarithm of its absolute value."""
    return SlogdetResult(sign_of_det(x), logabsdet(x))


def _logdet(x: Any) -> Any:
    """Return the logarithm of the determinant: nan where that is negative, -inf where it is 0."""
    return np.where(sign_of_det(x) < 0, np.nan, logabsdet(x))


slogdet = composite(
    _slogdet, formula="sign det x, log |det x|", latex=r"\operatorname{sign} \det x, \log |\det x|",
    pattern="scale", signature="(n,n)->(),()", functions=(np.linalg.slogdet,),
    policy="the sign has gradient 0; the gradient of the logarithm is refused for singular x",
    cases=_MATRICES[:4],
)  # fmt: skip
logdet = composite(
    _logdet, formula="log det x", latex=r"\log \det x", pattern="scale", signature="(n,n)->()",
    policy="nan where the determinant is negative, -inf where it is 0",
    cases=(*_MATRICES[:2], _MATRICES[3]),
)  # fmt: skip


def _matrix_power(x: Any, *, n: int) -> Any:
    """Multiply a square matrix n times with itself; with its inverse for negative n."""
    _square("matrix_power", x)
    try:
        n = operator.index(n)
    except TypeError:
        raise OpTypeError(
            explain(
                "matrix_power",
                f"the exponent is {n!r}, not a whole number",
                fix="eigh gives roots of symmetric matrices: v * w**n @ v.T",
            )
        ) from None
    if n == 0:  # a constant on which x has an influence of 0
        i = np.ogrid[: x.shape[-1]]
        return setitem(np.where(x < -np.inf, x, 0), (Ellipsis, i, i), 1)
    if n < 0:
        x, n = np.linalg.inv(x), -n
    power = None
    while True:  # square and multiply, from the lowest binary digit
        n, digit = divmod(n, 2)
        if digit:
            power = x if power is None else power @ x
        if not n:
            return np.copy(power) if power is x else power
        x = x @ x


matrix_power = composite(
    _matrix_power,
    formula="xⁿ",
    latex="x^n",
    pattern="matmul",
    signature="(n,n)->(n,n)",
    functions=(np.linalg.matrix_power,),
    policy="a singular matrix is refused for negative n",
    cases=(
        case(_A, n=0),
        case(_A, n=1),
        case(_A, n=3),
        case(_STACK, n=6),
        case(_A, n=-1),
        case(_STACK, n=-2),
        case((2, 2), n=2),
    ),
)

# ------------------------------------------------------------------------------ symmetric matrices

_FAR = 0.1
"""Share of its largest element by which a matrix may differ from its mirror image."""


def _symmetric(name: str, x: Any) -> Any:
    """Return the symmetric part of a matrix; refuse one of which only a half was filled in."""
    _square(name, x)
    _real(name, x)
    mirror = _mT(x)
    if isinstance(x, np.ndarray) and x.size:
        away = np.abs(x - mirror).max()
        if away > _FAR * np.abs(x).max():
            raise OpError(
                explain(
                    name,
                    f"x is not symmetric: an element is {away:.3g} away from its mirror image",
                    arguments=(("x", x),),
                    fix="pass (x + x.T) / 2, or x + np.tril(x, -1).T where only the lower half is "
                    "filled",
                )
            )
    return (x + mirror) / 2


_SYMMETRIC = (
    "x is taken for symmetric, and so is its gradient: the symmetric part counts, "
    "where NumPy reads one half"
)
_POSITIVE = np.array([[2.0, 0.5, -0.3], [0.5, 1.5, 0.4], [-0.3, 0.4, 1.2]])
_PLAIN = np.array([[1.0, 0.4, -0.2], [0.4, -0.7, 0.3], [-0.2, 0.3, 2.1]])


def _cholesky(x: Any, *, upper: bool = False) -> Any:
    try:
        y = np.linalg.cholesky(_symmetric("cholesky", x))
    except np.linalg.LinAlgError:
        raise _singular(
            "cholesky",
            "x is not positive definite",
            x,
            "add a multiple of np.eye(n) to x, or use eigh, which takes any symmetric matrix",
        ) from None
    return _mT(y) if upper else y


def _cholesky_vjp(g: Any, y: Any, _x: Any, *, upper: bool) -> Any:
    """Return the symmetric part of L⁻ᵀ P L⁻¹, P being Lᵀ g without its upper half.

    The diagonal of P is halved.

    References
    ----------
    I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, 2016, equation
    (10).
    """
    if upper:
        g, y = _mT(g), _mT(y)
    n = y.shape[-1]
    lower = np.asarray(np.tri(n, dtype=y.dtype), like=y)
    half = np.asarray((np.tri(n) + np.tri(n, k=-1)).astype(y.dtype) / 2, like=y)
    middle = (_mT(y) @ (g * lower)) * half
    middle = middle + _mT(middle)
    return np.linalg.solve(_mT(y), _mT(np.linalg.solve(_mT(y), middle))) / 2


cholesky = op(
    _cholesky,
    _cholesky_vjp,
    doc="Lower triangular factor of a symmetric, positive definite matrix; or the upper one.",
    formula="y with y yᵀ = x",
    latex=r"L,\ L L^{\mathsf T} = x",
    pattern="matmul",
    signature="(n,n)->(n,n)",
    functions=(np.linalg.cholesky,),
    policy=_SYMMETRIC,
    cases=(
        case(_POSITIVE),
        case(_POSITIVE, upper=True),
        case(np.stack([_POSITIVE, _POSITIVE + np.eye(3)])),
        case(np.array([[2.0]])),
    ),
    batch="stack",
    local=("'{y}⁻ᵀ Φ({y}ᵀ {g}) {y}⁻¹ made symmetric, Φ the lower half'",),
)


def _half_known(name: str, UPLO: str) -> None:
    if UPLO not in ("L", "U", "l", "u"):
        raise OpError(explain(name, f"UPLO is {UPLO!r}", fix="pass 'L' or 'U'"))


def _eigh_packed(x: Any, *, UPLO: Any = "L") -> Any:
    # Both halves are equal; the signs of LAPACK's vectors depend on the one it starts from.
    w, v = np.linalg.eigh(_symmetric("eigh", x), UPLO)
    return np.concatenate([np.expand_dims(w, -2), v], axis=-2)


def _eigh_packed_vjp(g: Any, y: Any, _x: Any, **_params: Any) -> Any:
    """Return V (diag(g_w) + F ∘ Vᵀ g_V) Vᵀ, F being 1 / (w_j - w_i) (Giles 3.1)."""
    w, v = y[..., :1, :], y[..., 1:, :]
    inner = _mT(v) @ g[..., 1:, :] * _reciprocal(w - _mT(w))
    inner = inner + _eye(y, w.shape) * g[..., :1, :]
    return v @ ((inner + _mT(inner)) / 2) @ _mT(v)


eigh_packed = op(
    _eigh_packed,
    _eigh_packed_vjp,
    doc="Eigenvalues of a symmetric matrix as first row, its eigenvectors as columns below.",
    formula="[w; V] with x = V diag(w) Vᵀ",
    latex=r"[w; V],\ x = V \operatorname{diag}(w)\, V^{\mathsf T}",
    pattern="matmul",
    signature="(n,n)->(m,n)",
    policy=f"{_SYMMETRIC}; between equal eigenvalues eigenvectors do not turn",
    cases=(case(_POSITIVE), case(_PLAIN), case(np.stack([_PLAIN, -_POSITIVE]))),
    batch="stack",
    local=("'V (diag(g_w) + F ∘ Vᵀ g_V) Vᵀ, F = 1 / (w_j − w_i)'",),
)


class EighResult(NamedTuple):
    """What `eigh` returns: eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


def _eigh(x: Any, *, UPLO: str = "L") -> EighResult:
    """Return the eigenvalues and the eigenvectors of a symmetric matrix."""
    _half_known("eigh", UPLO)
    packed = eigh_packed(x, UPLO)
    return EighResult(packed[..., 0, :], packed[..., 1:, :])


eigh = composite(
    _eigh, formula="w, V with x = V diag(w) Vᵀ",
    latex=r"x = V \operatorname{diag}(w)\, V^{\mathsf T}", pattern="matmul",
    signature="(n,n)->(n),(n,n)", functions=(np.linalg.eigh,),
    policy=f"{_SYMMETRIC}; eigenvectors are free in sign, and among equal eigenvalues in "
    "direction: the gradient is right for what does not depend on that choice",
    cases=(case(_POSITIVE), case(_PLAIN, UPLO="U"), case(np.stack([_PLAIN, -_POSITIVE]))),
)  # fmt: skip


def _eigvalsh(x: Any, *, UPLO: Any = "L") -> Any:
    _half_known("eigvalsh", UPLO)
    return np.linalg.eigvalsh(_symmetric("eigvalsh", x), UPLO)


def _eigvalsh_vjp(g: Any, _y: Any, x: Any, **_params: Any) -> Any:
    """Return V diag(g) Vᵀ (Giles 3.1)."""
    v = eigh_packed(x)[..., 1:, :]
    return (v * np.expand_dims(g, -2)) @ _mT(v)


eigvalsh = op(
    _eigvalsh,
    _eigvalsh_vjp,
    doc="Eigenvalues of a symmetric matrix, in ascending order.",
    formula="w with x = V diag(w) Vᵀ",
    latex=r"\lambda(x)",
    pattern="matmul",
    signature="(n,n)->(n)",
    functions=(np.linalg.eigvalsh,),
    policy=f"{_SYMMETRIC}; equal eigenvalues have the gradients that their order in the result "
    "gives them, so a symmetric function of them has the right one",
    cases=(case(_POSITIVE), case(_PLAIN, UPLO="U"), case(np.stack([_PLAIN, -_POSITIVE]))),
    batch="stack",
    local=("'V diag({g}) Vᵀ'",),
)

# ------------------------------------------------------------------------------ singular values


def _flat(x: Any) -> Any:
    """Return the matrices as vectors."""
    return np.reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))


def _cut(y: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """Return the parts that were joined along the last axis, in their shapes."""
    parts, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(np.reshape(y[..., start:stop], (*y.shape[:-1], *shape)))
        start = stop
    return parts


def _svd_packed(x: Any, *, full_matrices: bool = True) -> Any:
    u, s, vt = np.linalg.svd(x, full_matrices)
    return np.concatenate([_flat(u), s, _flat(vt)], axis=-1)


def _svd_parts(y: Any, like: Any, full_matrices: bool) -> list[Any]:
    m, n = like.shape[-2:]
    k = min(m, n)
    return _cut(y, (m, m if full_matrices else k), (k,), (n if full_matrices else k, n))


def _basis(q: Any, g: Any, k: int) -> tuple[Any, Any, Any]:
    """Return the first k columns of an orthogonal factor, their cotangent, and what lies outside.

    The other columns only span what the first leave: they turn with them, dQ2 = -Q1 dQ1ᵀ Q2, so
    their cotangent is one of the first, -Q2 g2ᵀ Q1. The third array is the part of the cotangent
    that is orthogonal to the first columns.
    """
    q1, g1 = q[..., :k], g[..., :k]
    if q.shape[-1] > k:
        q2 = q[..., k:]
        g1 = g1 - q2 @ (_mT(g[..., k:]) @ q1)
    return q1, g1, g1 - q1 @ (_mT(q1) @ g1)


def _svd_packed_vjp(g: Any, y: Any, _x: Any, *, full_matrices: bool) -> Any:
    """Return the cotangent of a matrix from those of its factors.

    References
    ----------
    J. Townsend, "Differentiating the singular value decomposition", 2016, equations (31) to (35);
    for square matrices Giles 3.2.
    """
    u, s, vt = _svd_parts(y, _x, full_matrices)
    gu, gs, gvt = _svd_parts(g, _x, full_matrices)
    k = s.shape[-1]
    u, gu, outside_u = _basis(u, gu, k)
    v, gv, outside_v = _basis(_mT(vt), _mT(gvt), k)
    row, column = np.expand_dims(s, -2), np.expand_dims(s, -1)
    apart = _reciprocal((row - column) * (row + column))
    turn_u, turn_v = _mT(u) @ gu, _mT(v) @ gv
    inner = apart * (turn_u - _mT(turn_u)) * row + column * (apart * (turn_v - _mT(turn_v)))
    inner = inner + _eye(s, s.shape) * np.expand_dims(gs, -2)
    inverse = _reciprocal(row)
    return (u @ inner + outside_u * inverse) @ _mT(v) + (u * inverse) @ _mT(outside_v)


_FREE = (
    "singular vectors are free in sign, and among equal singular values in direction: the gradient "
    "is right for what does not depend on that choice; between equal ones they do not turn"
)
_WIDE = _TALL.T
svd_packed = op(
    _svd_packed,
    _svd_packed_vjp,
    doc="Singular value decomposition, the elements of U, s and Vᵀ in one row.",
    formula="[U, s, Vᵀ] with x = U diag(s) Vᵀ",
    latex=r"[U, s, V^{\mathsf T}],\ x = U \operatorname{diag}(s)\, V^{\mathsf T}",
    pattern="matmul",
    signature="(m,n)->(k)",
    policy=_FREE,
    cases=(
        case(_A),
        case(_TALL, full_matrices=False),
        case(_WIDE, full_matrices=False),
        case(np.stack([_WIDE, _WIDE[::-1]]), full_matrices=False),
    ),
    batch="stack",
    local=("'U (diag(g_s) + terms of F) Vᵀ, F = 1 / (s_j² − s_i²)'",),
)


class SVDResult(NamedTuple):
    """What `svd` returns: left vectors, singular values in descending order, right vectors."""

    U: Any
    S: Any
    Vh: Any


def _svd(
    x: Any, *, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Return the singular value decomposition; the singular values alone for compute_uv=False."""
    _matrix("svd", x)
    _real("svd", x)
    _hermitian_refused("svd", hermitian)
    if not compute_uv:
        return svdvals(x)
    return SVDResult(*_svd_parts(svd_packed(x, full_matrices), x, full_matrices))


svd = composite(
    _svd, formula="U, s, Vᵀ with x = U diag(s) Vᵀ",
    latex=r"x = U \operatorname{diag}(s)\, V^{\mathsf T}", pattern="matmul",
    signature="(m,n)->(m,k),(k),(k,n)", functions=(np.linalg.svd,), policy=_FREE,
    cases=(
        case(_A), case(_TALL, full_matrices=False), case(_WIDE, full_matrices=False),
        case(_TALL, compute_uv=False), case(np.stack([_A, _A.T])),
    ),
)  # fmt: skip


def _svdvals(x: Any) -> Any:
    _matrix("svdvals", x)
    return np.linalg.svd(x, compute_uv=False)


def _svdvals_vjp(g: Any, _y: Any, x: Any) -> Any:
    """Return U diag(g) Vᵀ (Giles 3.2)."""
    u, s, vt = _svd_parts(svd_packed(x, full_matrices=False), x, full_matrices=False)
    return (u * np.expand_dims(g * (s > 0), -2)) @ vt


svdvals = op(
    _svdvals,
    _svdvals_vjp,
    doc="Singular values, in descending order.",
    formula="s with x = U diag(s) Vᵀ",
    latex=r"\sigma(x)",
    pattern="matmul",
    signature="(m,n)->(k)",
    functions=(np.linalg.svdvals,),
    policy="0 where a singular value is 0; equal ones have the gradients that their order in the "
    "result gives them, so a symmetric function of them has the right one",
    cases=(case(_A), case(_TALL), case(_WIDE), case(np.stack([_WIDE, _WIDE[::-1]]))),
    batch="stack",
    local=("'U diag({g}) Vᵀ'",),
)


def _cond(x: Any, *, p: Any = None) -> Any:
    """Return the condition number: how much solving with x may enlarge a relative error."""
    _matrix("cond", x)
    if p is None or p in (2, -2):
        s = np.linalg.svdvals(x)
        largest, smallest = s[..., 0], s[..., -1]
        with np.errstate(divide="ignore"):  # inf is the condition of a singular matrix
            return largest / smallest if p != -2 else smallest / largest
    of_x = np.linalg.norm(x, p, (-2, -1))
    return of_x * np.linalg.norm(np.linalg.inv(x), p, (-2, -1))


cond = composite(
    _cond,
    formula="‖x‖ ‖x⁻¹‖",
    latex=r"\lVert x \rVert\, \lVert x^{-1} \rVert",
    pattern="scale",
    signature="(m,n)->()",
    functions=(np.linalg.cond,),
    policy="inf for a singular matrix and p None or 2; such a matrix is refused for other p",
    cases=(case(_A), case(_TALL), case(_STACK, p=-2), case(_A, p="fro"), case(_B, p=1)),
)

# ------------------------------------------------------------------------------ QR


def _qr_packed(x: Any, *, complete: bool = False) -> Any:
    q, r = np.linalg.qr(x, mode="complete" if complete else "reduced")
    return np.concatenate([_flat(q), _flat(r)], axis=-1)


def _qr_parts(y: Any, like: Any, complete: bool) -> list[Any]:
    m, n = like.shape[-2:]
    k = m if complete else min(m, n)
    return _cut(y, (m, k), (k, n))


def _qr_packed_vjp(g: Any, y: Any, _x: Any, *, complete: bool) -> Any:
    """Return the cotangent of a matrix from those of Q and R.

    With k = min(m, n) the first k columns of x are X = Q U, the others Y = Q V. V is Qᵀ Y, so that
    its cotangent goes to Y and to Q.

    References
    ----------
    D. A. O. Roberts, L. R. Roberts, "QR and LQ decomposition matrix backpropagation algorithms for
    square, wide, and deep matrices", arXiv:2009.10071, 2020, equations (3) to (8).
    """
    q, r = _qr_parts(y, _x, complete)
    gq, gr = _qr_parts(g, _x, complete)
    k = min(_x.shape[-2:])
    u, gu = r[..., :k, :k], gr[..., :k, :k]
    rest, g_rest = r[..., :k, k:], gr[..., :k, k:]
    q1, g1, _ = _basis(q, gq, k)
    if rest.shape[-1]:
        g1 = g1 + (q1 @ rest) @ _mT(g_rest)
    strictly = np.asarray(np.tri(k, k=-1, dtype=y.dtype), like=y)
    inner = u @ _mT(gu) - _mT(g1) @ q1
    inner = inner * np.asarray(np.tri(k, dtype=y.dtype), like=y) + _mT(inner * strictly)
    # The cotangent times U⁻ᵀ from the right.
    back = _mT(solve(u, _mT(g1 + q1 @ inner)))
    return np.concatenate([back, q1 @ g_rest], axis=-1) if rest.shape[-1] else back


_RANK = "the first min(m, n) columns have to be independent, else the gradient is refused"
qr_packed = op(
    _qr_packed,
    _qr_packed_vjp,
    doc="QR decomposition, the elements of Q and R in one row.",
    formula="[Q, R] with x = Q R",
    latex="[Q, R],\\ x = Q R",
    pattern="matmul",
    signature="(m,n)->(k)",
    policy=_RANK,
    cases=(case(_A), case(_TALL), case(_WIDE), case(np.stack([_WIDE, -_WIDE]))),
    batch="stack",
    local=("'(g_Q + Q M) R⁻ᵀ, M the symmetric lower half of R g_Rᵀ − g_Qᵀ Q'",),
)


class QRResult(NamedTuple):
    """What `qr` returns: a factor with orthonormal columns, and an upper triangular one."""

    Q: Any
    R: Any


def _qr(x: Any, *, mode: str = "reduced") -> Any:
    """Return the factors Q and R; R alone for mode "r"."""
    _matrix("qr", x)
    if mode not in ("reduced", "complete", "r"):
        raise OpError(
            explain("qr", f"there is no mode {mode!r}", fix="pass 'reduced', 'complete' or 'r'")
        )
    complete = mode == "complete"
    found = QRResult(*_qr_parts(qr_packed(x, complete), x, complete))
    return found.R if mode == "r" else found


qr = composite(
    _qr, formula="Q, R with x = Q R", latex="x = Q R", pattern="matmul",
    signature="(m,n)->(m,k),(k,n)", functions=(np.linalg.qr,),
    policy=f"{_RANK}; the columns of Q that mode complete adds are free in direction: the gradient "
    "is right for what does not depend on that choice",
    cases=(
        case(_A), case(_TALL), case(_WIDE), case(_TALL, mode="r"), case(_WIDE, mode="complete"),
        case(np.stack([_A, _A.T])),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------ exponential

_DEGREE = 13
_PADE = [
    math.factorial(2 * _DEGREE - k)
    * math.factorial(_DEGREE)
    / (math.factorial(2 * _DEGREE) * math.factorial(k) * math.factorial(_DEGREE - k))
    for k in range(_DEGREE + 1)
]
_REACH = 5.371920351148152
"""Coefficients of the Padé approximant, and the norm up to which it is exact to rounding."""


def _exponential(x: Any, size: Any) -> Any:
    """Return exp(x) by scaling, a Padé approximant and squaring.

    Parameters
    ----------
    x : array, shape (..., n, n)
        The matrices.
    size : array, shape (...)
        What is to be brought into the reach of the approximant: the 1-norm of x, or of its
        diagonal blocks.

    References
    ----------
    N. J. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J.
    Matrix Anal. Appl. 26(4), 2005, equations (2.2) and (2.3), table 2.3.
    """
    with np.errstate(divide="ignore"):  # the logarithm of 0
        steps = np.ceil(np.log2(size / _REACH))
    steps = np.expand_dims(np.where(np.isfinite(steps), np.maximum(steps, 0), 0), (-1, -2))
    # An array of the host says how often to square; of others it is not known, and most is enough.
    most = int(steps.max(initial=0)) if isinstance(steps, np.ndarray) else 64
    x = x / 2**steps
    square = x @ x
    one = _eye(x, x.shape)
    even, odd = _PADE[-2] * one, _PADE[-1] * one
    for k in range(_DEGREE - 2, 0, -2):
        odd = odd @ square + _PADE[k] * one
        even = even @ square + _PADE[k - 1] * one
    odd = x @ odd
    y = np.linalg.solve(even - odd, even + odd)
    for step in range(most):
        with np.errstate(over="ignore", invalid="ignore"):  # of the matrices that are done
            y = np.where(step < steps, y @ y, y)
    return y


def _one_norm(x: Any) -> Any:
    """Return the largest column sum of absolute values."""
    return np.max(np.sum(np.abs(x), axis=-2), axis=-1, initial=0)


def _expm(x: Any) -> Any:
    _square("expm", x)
    return _exponential(x, _one_norm(x))


def _blocks(x: Any, e: Any) -> Any:
    """Return the matrices [[x, e], [0, x]]."""
    above = np.concatenate([x, e], axis=-1)
    return np.concatenate([above, np.concatenate([e * 0, x], axis=-1)], axis=-2)


def _expm_frechet(x: Any, e: Any) -> Any:
    _square("expm_frechet", x)
    n = x.shape[-1]
    size = _one_norm(x)
    # The result is linear in e: brought to the size of x, e does not spoil the digits of exp(x).
    long = np.expand_dims(_one_norm(e), (-1, -2))
    unit = np.where(long == 0, 1, long)
    return unit * _exponential(_blocks(x, e / unit), size)[..., :n, n:]


def _expm_frechet_x(h: Any, _y: Any, x: Any, e: Any) -> Any:
    """Return the cotangent of x: that of the blocks that hold it."""
    n = x.shape[-1]
    found = expm_frechet(_mT(_blocks(x, e)), _blocks(h * 0, h))
    return found[..., :n, :n] + found[..., n:, n:]


expm = op(
    _expm,
    lambda g, _y, x: expm_frechet(_mT(x), g),
    jvp=lambda tangents, _y, x: expm_frechet(x, tangents[0]),
    doc="Matrix exponential.",
    formula="Σ xᵏ / k!",
    latex=r"e^{x} = \sum_k \frac{x^k}{k!}",
    pattern="matmul",
    signature="(n,n)->(n,n)",
    cases=(
        case(_A),
        case(_STACK),
        case((2, 2)),
        case(np.array([[0.0, 1.0], [0.0, 0.0]])),
        case(np.array([[1.5, 6.0], [-6.0, 0.5]])),
    ),
    batch="stack",
    local=("expm_frechet(x.T, g)",),
)
expm_frechet: Op = op(
    _expm_frechet,
    _expm_frechet_x,
    lambda h, _y, x, _e: expm_frechet(_mT(x), h),
    doc="Change of the matrix exponential of x along e: its Fréchet derivative.",
    formula="d expm(x + t e) / dt",
    latex=r"\left.\frac{d}{dt}\right|_0 e^{x + t e}",
    pattern="matmul",
    signature="(n,n),(n,n)->(n,n)",
    cases=(case(_B, (2, 2)), case(_A, (3, 3)), case(_STACK, (3, 3, 3))),
    batch="spread",
    local=(
        "'the upper right block of the exponential of [[{x}, {e}], [0, {x}]], moved by {g}'",
        "expm_frechet(x.T, g)",
    ),
)
