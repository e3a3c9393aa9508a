"""Rows of the product family: matmul, tensordot, einsum, and what is written in them.

Read ``index.py`` next.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite, op

__all__ = ["dot", "einsum", "inner", "matmul", "outer", "tensordot", "vdot"]

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
    broadcasts=True,
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
)

# ------------------------------------------------------------------------------ tensordot


def _contracted(axes: Any, a_ndim: int, b_ndim: int) -> tuple[list[int], list[int]]:
    """Return the summed axes of both operands, none negative."""
    if isinstance(axes, int):
        return list(range(a_ndim - axes, a_ndim)), list(range(axes))
    left, right = ([i] if isinstance(i, int) else list(i) for i in axes)
    return [i % a_ndim for i in left], [i % b_ndim for i in right]


def _tensordot(a: Any, b: Any, *, axes: Any = 2) -> Any:
    return np.tensordot(a, b, axes)


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
    functions=(np.tensordot,),
    cases=(
        case((2, 3, 4), (3, 4, 5)),
        case((2, 3), (3, 4), axes=1),
        case((2, 3), (4, 5), axes=0),
        case((2, 3, 4), (4, 5, 2), axes=((2, 0), (0, 2))),
        case((2, 3, 4), (3, 5, 4, 2), axes=((-1, 1), (2, 0))),
    ),
)


def _dot(a: Any, b: Any) -> Any:
    """Multiply scalars, multiply matrices, else sum over a's last and b's last but one axis."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(a) <= 2 and np.ndim(b) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, (-1, -2 if np.ndim(b) > 1 else 0))


def _inner(a: Any, b: Any) -> Any:
    """Sum over the last axes of both."""
    return np.multiply(a, b) if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, (-1, -1))


def _outer(a: Any, b: Any) -> Any:
    """Multiply each element of one vector with each of the other."""
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


def _vdot(a: Any, b: Any) -> Any:
    """Sum the products of all elements."""
    return np.matmul(np.ravel(a), np.ravel(b))


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
)
