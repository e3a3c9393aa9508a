"""Rows of the product family, of traces and norms: matmul, einsum, and what is written in them.

Read ``decompose.py`` next.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, linear, op
from tinygrad_edu.errors import OpError, explain
from tinygrad_edu.ops.reduce import _kept, _spread

__all__ = [
    "addmm",
    "baddbmm",
    "bmm",
    "cross",
    "dot",
    "einsum",
    "euclidean_norm",
    "ger",
    "inner",
    "kron",
    "linalg_cross",
    "linalg_diagonal",
    "linalg_outer",
    "linalg_trace",
    "matmul",
    "matrix_norm",
    "matrix_transpose",
    "matvec",
    "mm",
    "multi_dot",
    "mv",
    "norm",
    "outer",
    "p_norm",
    "tensordot",
    "trace",
    "vdot",
    "vecdot",
    "vecmat",
    "vector_norm",
]

# ------------------------------------------------------------------------------ matmul


def _matmul_a(g: Any, _y: Any, _a: Any, b: Any) -> Any:
    """Return g bᵀ; an operand with one axis stands for a row (a) or a column (b)."""
    if b.ndim == 1:
        return np.expand_dims(g, -1) * b
    if _a.ndim == 1:
        g = np.expand_dims(g, -2)
    product = np.matmul(g, np.swapaxes(b, -1, -2))
    return np.squeeze(product, -2) if _a.ndim == 1 else product


def _matmul_b(g: Any, _y: Any, a: Any, _b: Any) -> Any:
    """Return aᵀ g; as above."""
    if a.ndim == 1:
        g = np.expand_dims(g, -1) if _b.ndim == 1 else np.expand_dims(g, -2)
        return np.squeeze(g, -1) * a if _b.ndim == 1 else np.expand_dims(a, -1) * g
    if _b.ndim == 1:
        g = np.expand_dims(g, -1)
    product = np.matmul(np.swapaxes(a, -1, -2), g)
    return np.squeeze(product, -1) if _b.ndim == 1 else product


def _bilinear_jvp(forward: Any) -> Any:
    """Return the jvp of a product: each factor moves in turn."""

    def jvp(tangents: Sequence[Any], _y: Any, a: Any, b: Any, **params: Any) -> Any:
        da, db = tangents
        if da is None:
            return forward(a, db, **params)
        left = forward(da, b, **params)
        return left if db is None else left + forward(a, db, **params)

    return jvp


def _matmul_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Multiply stacks; a vector gets a second axis for it, which the product loses."""
    a, b = arrays
    row_like, column_like = np.ndim(a) - batched[0] == 1, np.ndim(b) - batched[1] == 1
    a = np.expand_dims(a, -2) if row_like else a
    b = np.expand_dims(b, -1) if column_like else b
    stacks = [x.ndim - moves - 2 for x, moves in zip((a, b), batched, strict=True)]
    a, b = (
        np.reshape(x, (len(x), *(1,) * (max(stacks) - n), *x.shape[1:])) if moves else x
        for x, n, moves in zip((a, b), stacks, batched, strict=True)
    )
    product = row.through([a, b], params)
    gone = ((-2,) if row_like else ()) + ((-1,) if column_like else ())
    return np.squeeze(product, gone) if gone else product


matmul = op(
    np.matmul,
    _matmul_a,
    _matmul_b,
    jvp=_bilinear_jvp(np.matmul),
    doc="Matrix product; stacks of matrices broadcast, a single axis is a row or a column.",
    formula="a @ b",
    latex="a\\,b",
    pattern="matmul",
    signature="(m,k),(k,n)->(m,n)",
    functions=(np.linalg.matmul,),
    broadcasts=True,
    accepts_complex=True,
    cases=(
        case((2, 3), (3, 4)),
        case((3,), (3,)),
        case((3,), (3, 4)),
        case((2, 3), (3,)),
        case((5, 2, 3), (5, 3, 4)),
        case((5, 2, 3), (3, 4)),
        case((5, 1, 2, 3), (6, 3, 1)),
        case((3,), (5, 3, 4)),
        case((5, 2, 3), (3,)),
        case((0, 3), (3, 2)),
        case((2, 0), (0, 3)),
    ),
    batch=_matmul_batch,
    local=("g @ b.T", "a.T @ g"),
)

# ------------------------------------------------------------------------------ tensordot


def _contracted(axes: Any, a_ndim: int, b_ndim: int) -> tuple[list[int], list[int]]:
    """Return the summed axes of both operands, none negative."""
    if isinstance(axes, int):
        return list(range(a_ndim - axes, a_ndim)), list(range(axes))
    left, right = ([i] if isinstance(i, int) else list(i) for i in axes)
    return [i % a_ndim for i in left], [i % b_ndim for i in right]


def _tensordot(a: Any, b: Any, *, axes: Any = 2) -> Any:
    try:
        return np.tensordot(a, b, axes)
    except ValueError as error:
        if "shape-mismatch" not in str(error):
            raise
        left, right = _contracted(axes, a.ndim, b.ndim)
        raise OpError(
            explain(
                "tensordot",
                f"axes {tuple(left)} of a and {tuple(right)} of b are to be summed, their lengths "
                "must be equal in pairs",
                arguments=(("a", a), ("b", b)),
                fix="name the axes in the same order, as in axes=((0, 1), (1, 0))",
            )
        ) from None


def _tensordot_a(g: Any, _y: Any, _a: Any, b: Any, *, axes: Any) -> Any:
    """Return g contracted with b over b's free axes, its axes put back in a's order."""
    left, right = _contracted(axes, _a.ndim, b.ndim)
    a_free = [i for i in range(_a.ndim) if i not in left]
    b_free = [i for i in range(b.ndim) if i not in right]
    product = np.tensordot(g, b, (list(range(len(a_free), g.ndim)), b_free))
    # What is left of b are its summed axes, in b's own order.
    order = [*a_free, *(left[right.index(i)] for i in sorted(right))]
    return np.transpose(product, tuple(order.index(i) for i in range(_a.ndim)))


def _tensordot_b(g: Any, _y: Any, a: Any, _b: Any, *, axes: Any) -> Any:
    """Return a contracted with g over a's free axes, its axes put back in b's order."""
    left, right = _contracted(axes, a.ndim, _b.ndim)
    a_free = [i for i in range(a.ndim) if i not in left]
    b_free = [i for i in range(_b.ndim) if i not in right]
    product = np.tensordot(a, g, (a_free, list(range(len(a_free)))))
    order = [*(right[left.index(i)] for i in sorted(left)), *b_free]
    return np.transpose(product, tuple(order.index(i) for i in range(_b.ndim)))


def _tensordot_batch(_row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Multiply and sum by `einsum`, whose letters say which axes belong together."""
    a, b = arrays
    counts = [np.ndim(x) - moves for x, moves in zip((a, b), batched, strict=True)]
    left, right = _contracted(params["axes"], *counts)
    batch, *letters = list(string.ascii_letters[: 1 + sum(counts)])
    names_a, names_b = letters[: counts[0]], letters[counts[0] :]
    for i, j in zip(left, right, strict=True):
        names_b[j] = names_a[i]
    free = [n for n in names_a if n not in names_b] + [n for n in names_b if n not in names_a]
    terms = [[batch] * moves + n for n, moves in zip((names_a, names_b), batched, strict=True)]
    text = ",".join("".join(term) for term in terms) + "->" + batch + "".join(free)
    return np.einsum(text, a, b)


tensordot = op(
    _tensordot,
    _tensordot_a,
    _tensordot_b,
    jvp=_bilinear_jvp(np.tensordot),
    doc="Sum of products over the given pairs of axes.",
    formula="Σ a b over axes",
    latex=r"\sum_{k} a_{\ldots k \ldots}\, b_{\ldots k \ldots}",
    pattern="matmul",
    signature="(m,k),(k,n)->(m,n)",
    functions=(np.tensordot, np.linalg.tensordot),
    accepts_complex=True,
    cases=(
        case((2, 3, 4), (3, 4, 5)),
        case((2, 3), (3, 4), axes=1),
        case((2, 3), (4, 5), axes=0),
        case((2, 3, 4), (4, 5, 2), axes=((2, 0), (0, 2))),
        case((2, 3, 4), (3, 5, 4, 2), axes=((-1, 1), (2, 0))),
    ),
    batch=_tensordot_batch,
    local=(
        "'{g} times {b}, over the axes of {b} that stayed'",
        "'{a} times {g}, over the axes of {a} that stayed'",
    ),
)


def _meet(name: str, which: str, a: Any, b: Any, of_a: int, of_b: int, fix: str) -> None:
    """Refuse operands whose summed axes have different lengths."""
    if of_a != of_b:
        raise OpError(
            explain(
                name,
                f"the {which} lengths, {of_a} of a and {of_b} of b, must be equal",
                arguments=(("a", a), ("b", b)),
                fix=fix,
            )
        )


def _dot(a: Any, b: Any) -> Any:
    """Multiply scalars, multiply matrices, else sum over a's last and b's last but one axis."""
    long, wide = np.shape(a), np.shape(b)
    if not long or not wide:
        return np.multiply(a, b)
    transposed = len(wide) > 1 and long[-1] == wide[-1]
    fix = (
        "transpose b, as in np.dot(a, b.T)"
        if transposed
        else "the last axis of a is summed with the last but one of b, or the only one"
    )
    _meet("dot", "inner", a, b, long[-1], wide[-2:][0], fix)
    if len(long) <= 2 and len(wide) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, (-1, -2 if len(wide) > 1 else 0))


def _inner(a: Any, b: Any) -> Any:
    """Sum over the last axes of both."""
    long, wide = np.shape(a), np.shape(b)
    if not long or not wide:
        return np.multiply(a, b)
    fix = "np.dot sums over the last axis of a and the last but one of b"
    _meet("inner", "last", a, b, long[-1], wide[-1], fix)
    return np.tensordot(a, b, (-1, -1))


def _outer(a: Any, b: Any) -> Any:
    """Multiply each element of one vector with each of the other."""
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


def _linalg_outer(a: Any, b: Any) -> Any:
    """Multiply each element of one vector with each of the other, as np.linalg.outer has it."""
    if np.ndim(a) != 1 or np.ndim(b) != 1:
        raise OpError(
            explain(
                "linalg_outer", "takes two vectors", arguments=(("a", a), ("b", b)),
                fix="np.outer takes arrays of any shape",
            )
        )  # fmt: skip
    return _outer(a, b)


def _vdot(a: Any, b: Any) -> Any:
    """Sum the products of all elements, those of a complex `a` conjugated."""
    a = np.ravel(a)
    return np.matmul(np.conj(a) if a.dtype.kind == "c" else a, np.ravel(b))


dot = composite(
    _dot, formula="a · b", latex=r"a \cdot b", pattern="matmul", signature="(m,k),(k,n)->(m,n)",
    functions=(np.dot,), order="a b out",
    cases=(
        case((3,), (3,)), case((2, 3), (3, 4)), case((), (3,)),
        case((2, 2, 3), (4, 3, 2)), case((2, 2, 3), (3,)),
    ),
)  # fmt: skip
inner = composite(
    _inner, formula="Σ a b over the last axis", latex=r"\sum_k a_{ik} b_{jk}", pattern="matmul",
    signature="(m,k),(n,k)->(m,n)", functions=(np.inner,),
    cases=(case((3,), (3,)), case((2, 3), (4, 3)), case((), (3,))),
)  # fmt: skip
outer = composite(
    _outer, formula="a bᵀ", latex=r"a\,b^{\mathsf T}", pattern="matmul", signature="(m),(n)->(m,n)",
    functions=(np.outer,), order="a b out",
    cases=(case((3,), (2,)), case((2, 2), (3,))),
)  # fmt: skip
linalg_outer = composite(
    _linalg_outer, formula="a bᵀ", latex=r"a\,b^{\mathsf T}", pattern="matmul",
    signature="(m),(n)->(m,n)", functions=(np.linalg.outer,), cases=(case((3,), (2,)),),
)  # fmt: skip
vdot = composite(
    _vdot, formula="Σ a b", latex=r"\sum_i a_i b_i", pattern="matmul", signature="(n),(n)->()",
    functions=(np.vdot,), cases=(case((3,), (3,)), case((2, 3), (3, 2))),
)  # fmt: skip

# ------------------------------------------------------------------------------ einsum


def _parse(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """Return each operand's letters and the result's, without ellipsis, with the arrow.

    NumPy has accepted the subscripts already: they fit the operands.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    free = [letter for letter in string.ascii_letters if letter not in text]
    hidden = [
        ndim - len(term.replace("...", "")) if "..." in term else 0
        for term, ndim in zip(terms, ndims, strict=True)
    ]
    dots = "".join(free[: max(hidden, default=0)])
    inputs = []
    for term, own in zip(terms, hidden, strict=True):
        inputs.append(term.replace("...", dots[len(dots) - own :] if own else ""))
    if arrow:
        return inputs, right.replace("...", dots)
    letters = "".join(inputs)
    once = sorted(letter for letter in set(letters) if letters.count(letter) == 1)
    return inputs, dots + "".join(letter for letter in once if letter not in dots)


def _einsum(*operands: Any, subscripts: str) -> Any:
    return np.einsum(subscripts, *operands)


def _einsum_vjp(
    g: Any,
    _y: Any,
    _saved: Any,
    *primals: Any,
    wanted: Sequence[bool],
    subscripts: str,
    **_rest: Any,
) -> list[Any]:
    """Return each operand's cotangent: the einsum of g with all the other operands."""
    inputs, output = _parse(subscripts, [primal.ndim for primal in primals])
    return [
        _einsum_one(i, g, primals, inputs, output) if want else None
        for i, want in enumerate(wanted)
    ]


def _einsum_one(i: int, g: Any, primals: Sequence[Any], inputs: Sequence[str], output: str) -> Any:
    shape, letters = primals[i].shape, inputs[i]
    terms = [output, *(t for j, t in enumerate(inputs) if j != i)]
    arrays = [g, *(p for j, p in enumerate(primals) if j != i)]
    free = iter(letter for letter in string.ascii_letters if letter not in "".join(inputs))
    target = ""
    for letter, length in zip(letters, shape, strict=True):
        if letter in target:  # a diagonal: its cotangent lies on the diagonal
            other = next(free)
            terms.append(letter + other)
            arrays.append(np.eye(length, dtype=g.dtype, like=g))
            target += other
        else:
            target += letter
    known = "".join(letter for letter in target if letter in "".join(terms))
    found = np.einsum(",".join(terms) + "->" + known, *arrays)
    # A letter that stands nowhere else was summed: its cotangent is the same along the axis.
    lengths = tuple(
        1 if letter not in known else found.shape[known.index(letter)] for letter in target
    )
    found = np.reshape(found, lengths)
    grown = tuple(
        length if letter not in known else max(length, have)
        for letter, length, have in zip(target, shape, lengths, strict=True)
    )
    return np.broadcast_to(found, grown)


def _einsum_jvp(tangents: Sequence[Any], _y: Any, *primals: Any, subscripts: str) -> Any:
    total = None
    for i, tangent in enumerate(tangents):
        if tangent is not None:
            term = np.einsum(subscripts, *primals[:i], tangent, *primals[i + 1 :])
            total = term if total is None else total + term
    return total


def _einsum_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Give the batch a letter of its own, in front."""
    counts = [np.ndim(x) - moves for x, moves in zip(arrays, batched, strict=True)]
    inputs, output = _parse(params["subscripts"], counts)
    batch = next(x for x in string.ascii_letters if x not in "".join(inputs) + output)
    terms = [batch * moves + term for term, moves in zip(inputs, batched, strict=True)]
    text = ",".join(terms) + "->" + batch + output
    return row.through(arrays, {**params, "subscripts": text})


einsum = op(
    _einsum,
    joint=_einsum_vjp,
    jvp=_einsum_jvp,
    doc="Sum of products in Einstein's notation, such as 'ij,jk->ik'.",
    formula="einsum(subscripts, ...)",
    latex=r"\sum \prod_i x_i",
    pattern="matmul",
    signature="(m,k),(k,n)->(m,n)",
    arguments=("operands",),
    variadic=True,
    broadcasts=True,
    accepts_complex=True,
    functions=(np.einsum,),
    order="subscripts *operands out optimize dtype order casting",
    cases=(
        case((2, 3), (3, 4), subscripts="ij,jk->ik"),
        case((2, 3), (3, 4), subscripts="ij,jk"),
        case((3, 3), subscripts="ii->i"),
        case((3, 3), subscripts="ii"),
        case((2, 3), subscripts="ij->j"),
        case((2, 3, 4), (2, 4), (3,), subscripts="ijk,ik,j->i"),
        case((5, 2, 3), (5, 3, 4), subscripts="...ij,...jk->...ik"),
        case((5, 2, 3), (3, 4), subscripts="...ij,...jk->...ik"),
        case((2, 3), (2, 3), subscripts="ij,ij->"),
        case((2,), (3,), subscripts="i,j->ji"),
    ),
    batch=_einsum_batch,
    local=("'the einsum of {g} with the other operands'",),
)

# ------------------------------------------------------------------------------ products of rows


def _vecdot(a: Any, b: Any, *, axis: int = -1) -> Any:
    """Sum the products along an axis of two stacks of vectors."""
    if axis != -1:
        a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    _meet("vecdot", "last", a, b, np.shape(a)[-1], np.shape(b)[-1], "choose another axis")
    return np.einsum("...i,...i->...", np.conj(a) if a.dtype.kind == "c" else a, b)


def _matvec(a: Any, b: Any) -> Any:
    """Multiply a stack of matrices with a stack of columns."""
    return np.squeeze(np.matmul(a, np.expand_dims(b, -1)), -1)


def _vecmat(a: Any, b: Any) -> Any:
    """Multiply a stack of rows with a stack of matrices."""
    a = np.expand_dims(np.conj(a) if a.dtype.kind == "c" else a, -2)
    return np.squeeze(np.matmul(a, b), -2)


vecdot = composite(
    _vecdot, formula="Σ a b along axis", latex=r"\sum_i a_i b_i", pattern="matmul",
    signature="(n),(n)->()", functions=(np.vecdot, np.linalg.vecdot), order="a b out axis",
    cases=(case((3,), (3,)), case((2, 3), (3,)), case((3, 2), (3, 2), axis=0)),
)  # fmt: skip
matvec = composite(
    _matvec, formula="a @ b", latex=r"a\,b", pattern="matmul", signature="(m,n),(n)->(m)",
    functions=(np.matvec,) if hasattr(np, "matvec") else (),
    cases=(case((2, 3), (3,)), case((4, 2, 3), (4, 3)), case((2, 3), (4, 3))),
)  # fmt: skip
vecmat = composite(
    _vecmat, formula="a @ b", latex=r"a\,b", pattern="matmul", signature="(m),(m,n)->(n)",
    functions=(np.vecmat,) if hasattr(np, "vecmat") else (),
    cases=(case((2,), (2, 3)), case((4, 2), (4, 2, 3)), case((4, 2), (2, 3))),
)  # fmt: skip


def _addmm(c: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Add a multiple of a matrix product to a multiple of c."""
    product = np.matmul(a, b)
    return (c if beta == 1 else c * beta) + (product if alpha == 1 else product * alpha)


addmm = composite(
    _addmm, formula="beta c + alpha a b", latex=r"\beta c + \alpha\, a\,b", pattern="matmul",
    signature="(m,n),(m,k),(k,n)->(m,n)",
    cases=(
        case((2, 4), (2, 3), (3, 4)), case((4,), (5, 2, 3), (5, 3, 4), beta=0.5, alpha=-2.0),
    ),
)  # fmt: skip


def _multi_dot(*arrays: Any) -> Any:
    """Multiply matrices in the order that takes the fewest multiplications of numbers."""
    if len(arrays) < 2:
        raise OpError(
            explain("multi_dot", f"takes two arrays or more, {len(arrays)} given", fix="use matmul")
        )
    first, last = np.ndim(arrays[0]) == 1, np.ndim(arrays[-1]) == 1
    chain = list(arrays)
    if first:
        chain[0] = np.reshape(chain[0], (1, -1))
    if last:
        chain[-1] = np.reshape(chain[-1], (-1, 1))
    shapes = [np.shape(array) for array in chain]
    if any(len(shape) != 2 for shape in shapes):
        raise OpError(
            explain(
                "multi_dot",
                "takes matrices; the first and the last may be vectors",
                arguments=tuple(("arrays", array) for array in arrays),
                fix="multiply stacks with a @ b @ c",
            )
        )
    for left, right in itertools.pairwise(chain):
        _meet("multi_dot", "inner", left, right, left.shape[1], right.shape[0], "transpose one")
    y = _in_order(chain, _cheapest([shapes[0][0], *(shape[1] for shape in shapes)]), 0, len(chain))
    return y if not (first or last) else np.reshape(y, (-1,) if first != last else ())


def _cheapest(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return where to cut the product of matrices i to j - 1, for all i and j.

    References
    ----------
    T. H. Cormen, C. E. Leiserson, R. L. Rivest, C. Stein, "Introduction to algorithms", 3rd
    edition, 2009, section 15.2.
    """
    count = len(sizes) - 1
    costs = {(i, i + 1): 0 for i in range(count)}
    cuts = {}
    for length in range(2, count + 1):
        for i in range(count - length + 1):
            j = i + length
            costs[i, j], cuts[i, j] = min(
                (costs[i, k] + costs[k, j] + sizes[i] * sizes[k] * sizes[j], k)
                for k in range(i + 1, j)
            )
    return cuts


def _in_order(chain: Sequence[Any], cuts: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if j == i + 1:
        return chain[i]
    k = cuts[i, j]
    return np.matmul(_in_order(chain, cuts, i, k), _in_order(chain, cuts, k, j))


multi_dot = composite(
    _multi_dot, formula="a b c ...", latex=r"a\,b\,c \cdots", pattern="matmul",
    signature="(m,k),(k,n)->(m,n)", arguments=("arrays",), variadic=True,
    functions=(np.linalg.multi_dot,), order="arrays out",
    cases=(
        case((2, 3), (3, 4)), case((5, 2), (2, 4), (4, 1), (1, 3)), case((3,), (3, 2), (2, 4)),
        case((2, 3), (3, 2), (2,)), case((3,), (3, 2), (2,)),
    ),
)  # fmt: skip


def _kron(a: Any, b: Any) -> Any:
    """Multiply each element of one array with the whole of the other, in blocks."""
    ndim = max(np.ndim(a), np.ndim(b))
    long = (*(1,) * (ndim - np.ndim(a)), *np.shape(a))
    wide = (*(1,) * (ndim - np.ndim(b)), *np.shape(b))
    # Each axis of the result is a pair (element of a, element of b).
    outer = [n for length in long for n in (length, 1)]
    inner = [n for length in wide for n in (1, length)]
    pairs = np.multiply(np.reshape(a, tuple(outer)), np.reshape(b, tuple(inner)))
    return np.reshape(pairs, tuple(n * m for n, m in zip(long, wide, strict=True)))


kron = composite(
    _kron, formula="blocks a[i, j] b", latex=r"a \otimes b", pattern="matmul",
    signature="(m,n),(k,l)->(p,q)", functions=(np.kron,),
    cases=(
        case((2, 3), (3, 2)), case((3,), (2, 2)), case((2, 1, 2), (3,)), case((), (2, 2)),
        case((2,), (3,)),
    ),
)  # fmt: skip


def _cross(
    a: Any, b: Any, *, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Return the vectors that are perpendicular to two others, as long as the area they span."""
    if axis is not None:
        axisa = axisb = axisc = axis
    return _crossed("cross", np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1), axisc)


def _linalg_cross(a: Any, b: Any, *, axis: int = -1) -> Any:
    """Return the cross product along one axis of both, as np.linalg.cross has it."""
    return _crossed("linalg_cross", np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1), axis)


def _crossed(name: str, a: Any, b: Any, axis: int) -> Any:
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        raise OpError(
            explain(
                name,
                "takes vectors of 3 elements",
                arguments=(("a", a), ("b", b)),
                fix="of vectors in the plane take a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]",
            )
        )
    after, before = [1, 2, 0], [2, 0, 1]
    y = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return np.moveaxis(y, -1, axis)


_CROSS: dict[str, Any] = {
    "formula": "a × b", "latex": r"a \times b", "pattern": "swap", "signature": "(n),(n)->(n)",
}  # fmt: skip
cross = composite(
    _cross, functions=(np.cross,),
    cases=(
        case((3,), (3,)), case((2, 3), (3,)), case((3, 2), (2, 3), axisa=0, axisc=0),
        case((3, 2), (3, 2), axis=0),
    ), **_CROSS,
)  # fmt: skip
linalg_cross = composite(
    _linalg_cross, functions=(np.linalg.cross,),
    cases=(case((3,), (3,)), case((3, 2), (3, 2), axis=0)), **_CROSS,
)  # fmt: skip


def _matrix_transpose(x: Any) -> Any:
    """Exchange the last two axes."""
    if np.ndim(x) < 2:
        raise OpError(
            explain(
                "matrix_transpose",
                "takes a matrix, or a stack of them in the last two axes",
                arguments=(("x", x),),
                fix="make a vector a column by x[:, None], or a row by x[None, :]",
            )
        )
    return np.swapaxes(x, -1, -2)


matrix_transpose = composite(
    _matrix_transpose, formula="xᵀ", latex=r"x^{\mathsf T}", pattern="reshape",
    signature="(m,n)->(n,m)", functions=(np.matrix_transpose, np.linalg.matrix_transpose),
    cases=(case((2, 3)), case((4, 2, 3))),
)  # fmt: skip

# ------------------------------------------------------------------------------ trace


def _trace(x: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.trace(x, offset, axis1, axis2)


def _trace_adjoint(g: Any, _y: Any, _x: Any, *, offset: int, axis1: int, axis2: int) -> Any:
    """Return g on the diagonal of matrices in those two axes."""
    rows, columns = _x.shape[axis1], _x.shape[axis2]
    one = np.eye(rows, columns, offset, dtype=g.dtype, like=g)
    return np.moveaxis(np.expand_dims(g, (-2, -1)) * one, (-2, -1), (axis1, axis2))


def _linalg_trace(x: Any, *, offset: int = 0) -> Any:
    """Sum the diagonals of the matrices in the last two axes, as np.linalg.trace has it."""
    return trace(x, offset, -2, -1)


def _linalg_diagonal(x: Any, *, offset: int = 0) -> Any:
    """Take the diagonals of the matrices in the last two axes, as np.linalg.diagonal has it."""
    return np.diagonal(x, offset, -2, -1)


trace = linear(
    _trace,
    _trace_adjoint,
    doc="Sum of a diagonal of the matrices in two axes.",
    formula="Σ x[i, i + offset]",
    latex=r"\operatorname{tr} x",
    pattern="copy",
    signature="(m,n)->()",
    functions=(np.trace,),
    order="x offset axis1 axis2 dtype out",
    accepts_complex=True,
    cases=(
        case((3, 3)),
        case((2, 4), offset=1),
        case((4, 2), offset=-2),
        case((2, 3, 2, 3), axis1=-1, axis2=1),
        case((2, 2), offset=5),
        case((0, 3)),
    ),
    batch="axes",
    local=("'{g} on the diagonal, 0 elsewhere'",),
)
linalg_trace = composite(
    _linalg_trace, formula="Σ x[i, i + offset]", latex=r"\operatorname{tr} x", pattern="copy",
    signature="(m,n)->()", functions=(np.linalg.trace,), order="x offset dtype",
    cases=(case((3, 3)), case((2, 3, 4), offset=1)),
)  # fmt: skip

linalg_diagonal = composite(
    _linalg_diagonal, formula="x[i, i + offset]", latex=r"x_{ii}", pattern="route",
    signature="(m,n)->(k)", functions=(np.linalg.diagonal,),
    cases=(case((3, 3)), case((2, 3, 4), offset=1)),
)  # fmt: skip

# ------------------------------------------------------------------------------ norms

Axis = int | tuple[int, ...] | None


def _euclidean_norm(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims)


def _euclidean_norm_vjp(g: Any, y: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    # 1 / inf: no slope at the zero vector, at any order.
    return _spread(g / np.where(y == 0, np.inf, y), x, axis, keepdims) * x


def _p_norm(x: Any, *, p: float, axis: Any = None, keepdims: bool = False) -> Any:
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=p)


def _p_norm_vjp(g: Any, y: Any, x: Any, *, p: float, axis: Axis, keepdims: bool) -> Any:
    """Return g sign(x) (|x| / y)^(p - 1), 0 where x or the norm is 0."""
    y = _kept(y, x, axis)
    # The 1 is multiplied by the sign 0: a power of 0 would be infinite at some order.
    size = np.where(x == 0, 1, np.abs(x)) / np.where(y == 0, 1, y)
    slope = np.sign(x) * np.where(y == 0, 0, size ** (p - 1))
    return _spread(g, x, axis, keepdims) * slope


_SPOTS = np.array([[0.5, -1.2, 2.0], [1.5, 0.3, -0.7]])
_MANY = np.stack([_SPOTS, np.array([[2.2, -0.4, 0.9], [-1.1, 1.9, 0.6]])])
_OVER: dict[str, Any] = {"pattern": "scale", "signature": "(n)->()"}
euclidean_norm = op(
    _euclidean_norm,
    _euclidean_norm_vjp,
    doc="Square root of the sum of squares over axes.",
    formula="√Σ x²",
    latex=r"\sqrt{\sum_i x_i^2}",
    policy="gradient 0 at the zero vector, at every order",
    cases=(
        case(_SPOTS),
        case((3,)),
        case(_SPOTS, axis=0),
        case(_MANY, axis=(0, -1)),
        case(_MANY, axis=(0, -1), keepdims=True),
        case(_SPOTS, keepdims=True),
        case(np.array(-2.0)),
    ),
    **_OVER,
    batch="axes",
    local=("g * x / y",),
)
p_norm = op(
    _p_norm,
    _p_norm_vjp,
    doc="p-th root of the sum of p-th powers of absolute values over axes.",
    formula="(Σ |x|ᵖ)^(1/p)",
    latex=r"\Bigl(\sum_i |x_i|^p\Bigr)^{1/p}",
    kinks={"x": (0.0,)},
    policy="gradient 0 at the zero vector, and by an element that is 0, at every order",
    cases=(
        case(_SPOTS, p=3),
        case(_SPOTS, p=1.5, axis=1),
        case(_SPOTS, p=0.5, axis=0, keepdims=True),
        case(_MANY, p=-2, axis=(0, 1)),
        case(_SPOTS, p=4.0, keepdims=True),
    ),
    **_OVER,
    batch="axes",
    local=("g * sign(x) * (abs(x) / y) ** (p - 1)",),
)


def _floating(x: Any) -> Any:
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def _vector_norm(x: Any, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Measure vectors along axes, or the whole array as one."""
    if ord is None or ord == 2:
        return euclidean_norm(x, axis, keepdims)
    if isinstance(ord, str):
        raise _no_order("vector_norm", ord, "1, 2, another number, np.inf or -np.inf")
    if ord == 0:
        return np.sum((x != 0).astype(_floating(x).dtype), axis=axis, keepdims=keepdims)
    x = _floating(x)
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if ord in (np.inf, -np.inf):
        extreme = np.max if ord > 0 else np.min
        return extreme(np.abs(x), axis=axis, keepdims=keepdims)
    return p_norm(x, ord, axis, keepdims)


def _matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Measure the matrices in the last two axes."""
    if np.ndim(x) < 2:
        raise OpError(
            explain(
                "matrix_norm",
                "takes a matrix, or a stack of them in the last two axes",
                arguments=(("x", x),),
                fix="use vector_norm",
            )
        )
    if ord is None or ord == "fro":
        return euclidean_norm(x, (-2, -1), keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        along = -2 if abs(ord) == 1 else -1
        sums = np.sum(np.abs(_floating(x)), axis=along, keepdims=True)
        y = (np.max if ord > 0 else np.min)(sums, axis=(-2, -1), keepdims=True)
    elif ord in (2, -2, "nuc"):
        s = np.expand_dims(np.linalg.svdvals(x), -1)
        y = s[..., :1, :] if ord == 2 else s[..., -1:, :] if ord == -2 else None
        y = np.sum(s, axis=-2, keepdims=True) if y is None else y
    else:
        raise _no_order("matrix_norm", ord, "'fro', 'nuc', 1, -1, 2, -2, np.inf or -np.inf")
    return y if keepdims else np.squeeze(y, (-2, -1))


def _no_order(name: str, ord: Any, known: str) -> OpError:
    return OpError(explain(name, f"there is no norm of order {ord!r}", fix=f"pass {known}"))


def _norm(x: Any, *, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Measure vectors along one axis, or matrices in two, in a norm of the given order."""
    ndim = np.ndim(x)
    if axis is None:
        if ord is None:
            return euclidean_norm(x, None, keepdims)
        axis = tuple(range(ndim))
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if len(axes) == 1:
        return vector_norm(x, axes[0], keepdims, ord)
    if len(axes) != 2:
        raise OpError(
            explain(
                "norm",
                f"a norm of order {ord!r} over {len(axes)} axes does not exist",
                arguments=(("x", x),),
                fix="name the one axis of vectors, or the two of matrices, by axis=; vector_norm "
                "takes any number of axes",
            )
        )
    if ord is None or ord == "fro":
        return euclidean_norm(x, axes, keepdims)
    y = matrix_norm(np.moveaxis(x, axes, (-2, -1)), True, ord)
    return np.moveaxis(y, (-2, -1), axes) if keepdims else np.squeeze(y, (-2, -1))


_NORM: dict[str, Any] = {
    "formula": "‖x‖",
    "latex": r"\lVert x \rVert",
    "policy": "gradient 0 at the zero vector and the zero matrix; equal extremes share the "
    "gradient; order 0 counts, and has the gradient 0",
    **_OVER,
}
vector_norm = composite(
    _vector_norm, functions=(np.linalg.vector_norm,), order="x axis keepdims ord",
    cases=(
        case(_SPOTS), case(_SPOTS, axis=1, ord=1), case(_MANY, axis=(0, 2), ord=np.inf),
        case(_SPOTS, axis=0, ord=-np.inf, keepdims=True), case(_SPOTS, ord=3),
    ), **_NORM,
)  # fmt: skip
matrix_norm = composite(
    _matrix_norm, functions=(np.linalg.matrix_norm,), order="x keepdims ord",
    cases=(
        case(_SPOTS), case(_MANY, ord=1), case(_MANY, ord=-np.inf, keepdims=True),
        case(_MANY, ord="nuc"), case(_SPOTS, ord=-2, keepdims=True), case(_MANY, ord=2),
    ), **{**_NORM, "signature": "(m,n)->()"},
)  # fmt: skip
norm = composite(
    _norm, functions=(np.linalg.norm,),
    cases=(
        case((3,)), case(_MANY), case(_SPOTS, axis=0), case(_SPOTS, ord="fro", keepdims=True),
        case(_SPOTS[0], ord=1), case(_SPOTS, ord=1), case(_SPOTS, ord=-1),
        case(_MANY, ord=2, axis=(2, 0)), case(_MANY, ord="nuc", axis=(0, 1), keepdims=True),
        case(_SPOTS[0], ord=np.inf), case(_SPOTS, ord=-np.inf), case(_SPOTS, ord=-2),
        case(_SPOTS, ord=2.5, axis=-1, keepdims=True), case(_MANY, axis=(1, 2)),
        case(_MANY, ord=np.inf, axis=(0, 2), keepdims=True),
    ), **_NORM,
)  # fmt: skip

bmm, mm, mv, baddbmm, ger = matmul, matmul, matmul, addmm, outer
"""PyTorch's names."""
