"""One element of a result written out: ``x[0, 0]·w[0, 1] + x[0, 1]·w[1, 1] + …`` with numbers.

Knows: which elements meet in products of matrices, in convolutions, and in rows that are linear.
Does not know: gradients, beyond asking a linear row for its coefficients. Read ``explanation.py``
next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.explain.formulas import bracketed, equation, indexed
from tinygrad_edu.mathematics import Formula, number_formula

__all__ = ["written_out"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]
Factor = tuple[str, Index, Any]

LISTED = 3
"""Terms that are written before the dots; one more where that is the last."""


def written_out(
    node: Node, arguments: Sequence[str], values: Sequence[Array | None], place: Index
) -> Formula | None:
    """Return the right side of the equation of one element, or None where it says nothing new.

    Parameters
    ----------
    node : Node
        A node that an op made.
    arguments : sequence of str
        What its arguments are called.
    values : sequence of array or None
        What they are, as far as is known.
    place : tuple of int
        The element of the result.
    """
    op: Any = node.op
    params = node.params or {}
    if op.name == "matmul" and values[0] is not None and values[1] is not None:
        found = _matmul(arguments, values, place)
        return None if found is None else _sum(found, "")
    if op.name == "linear" and values[0] is not None and values[1] is not None:
        found = _matmul(arguments, values, place)
        return None if found is None else _with_bias(found, arguments, values, place[-1:], params)
    if op.name == "convolution" and values[0] is not None and values[1] is not None:
        products = _convolution(arguments, values, place, params)
        return (
            None
            if products is None
            else _with_bias(products, arguments, values, place[1:2], params)
        )
    return None


def _matmul(
    arguments: Sequence[str], values: Sequence[Array | None], place: Index
) -> list[tuple[Factor, Factor]] | None:
    """Return the products that an element of ``a @ b`` is the sum of."""
    a, b = values[0], values[1]
    assert a is not None
    assert b is not None
    lead = list(place)
    column = [lead.pop()] if b.ndim > 1 and lead else []
    row = [lead.pop()] if a.ndim > 1 and lead else []
    if a.ndim == 1 and lead:  # stacks of matrices times a vector
        return None
    found = []
    for k in range(a.shape[-1]):
        left = (*_of_stack(lead, a.shape[:-2]), *row, k)
        right = (*_of_stack(lead, b.shape[:-2]), k, *column)
        found.append(((arguments[0], left, a[left]), (arguments[1], right, b[right])))
    return found


def _of_stack(lead: Sequence[int], shape: Index) -> Index:
    """Return which matrix of a stack that broadcasts takes part."""
    own = lead[len(lead) - len(shape) :] if shape else ()
    return tuple(0 if side == 1 else at for at, side in zip(own, shape, strict=True))


def _convolution(
    arguments: Sequence[str], values: Sequence[Array | None], place: Index, params: Any
) -> list[tuple[Factor, Factor]] | None:
    """Return the products of one window; None where a row does more than that."""
    x, weight = values[0], values[1]
    assert x is not None
    assert weight is not None
    axes = weight.ndim - 2
    pool, padding = params.get("pool", 1), params.get("padding", 0)
    if pool not in (1, (1,) * axes) or isinstance(padding, str) or x.ndim != weight.ndim:
        return None
    stride, dilation = (_per_axis(params.get(k, 1), axes) for k in ("stride", "dilation"))
    pads = _per_axis(padding, axes)
    if any(not isinstance(k, (int, np.integer)) for k in (*stride, *dilation, *pads)):
        return None
    n, m, *out = place
    channels, groups = weight.shape[1], params.get("groups", 1)
    first = (m // (weight.shape[0] // groups)) * channels
    found = []
    for k in np.ndindex(*weight.shape[1:]):
        at = tuple(
            o * s + j * d - p
            for o, s, j, d, p in zip(out, stride, k[1:], dilation, pads, strict=True)
        )
        if all(0 <= i < side for i, side in zip(at, x.shape[2:], strict=True)):
            left, right = (n, first + k[0], *at), (m, *k)
            found.append(((arguments[0], left, x[left]), (arguments[1], right, weight[right])))
    return found


def _per_axis(value: Any, axes: int) -> Sequence[Any]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def _with_bias(
    products: Sequence[tuple[Factor, Factor]],
    arguments: Sequence[str],
    values: Sequence[Array | None],
    place: Index,
    params: Any,
) -> Formula:
    """Return a sum of products with a bias, inside the activation of a fused row."""
    bias = values[2] if len(values) > 2 else None
    added = () if bias is None else ((arguments[2], place, bias[place]),)
    activation = params.get("activation")
    return _sum(products, "" if activation in (None, "identity") else activation, added)


def _sum(
    products: Sequence[tuple[Factor, Factor]],
    activation: str,
    added: Sequence[Factor] = (),
) -> Formula:
    """Return a sum of products: first with names, then with numbers."""
    listed = len(products) if len(products) <= LISTED + 1 else LISTED
    named = [_product(indexed(*a[:2]), indexed(*b[:2]), r"\,") for a, b in products[:listed]]
    values = [_product(_number(a), _number(b), r" \cdot ") for a, b in products[:listed]]
    hidden = products[listed:]
    if hidden:
        rest = number_formula(sum(a[2] * b[2] for a, b in hidden))
        named.append(Formula(f"… ({len(hidden):,} more)", r"\ldots"))
        values.append(
            Formula(
                f"… ({len(hidden):,} more: {rest.text})",
                rf"\ldots \text{{ ({len(hidden):,} more: }} {rest.latex}\text{{)}}",
            )
        )
    named += [indexed(*each[:2]) for each in added]
    values += [_number(each) for each in added]
    return equation(_added(named, activation), _added(values, activation))


def _product(left: Formula, right: Formula, times: str) -> Formula:
    return Formula(f"{left.text}·{right.text}", f"{left.latex}{times}{right.latex}")


def _number(factor: Factor) -> Formula:
    return bracketed(number_formula(factor[2]))


def _added(terms: Sequence[Formula], activation: str) -> Formula:
    """Return a sum, inside an activation if there is one."""
    text = " + ".join(term.text for term in terms)
    latex = " + ".join(term.latex for term in terms)
    if not activation:
        return Formula(text, latex)
    return Formula(f"{activation}({text})", rf"\operatorname{{{activation}}}\left({latex}\right)")
