"""Small formulas that explanations are put together from: elements, equations, signed numbers.

Knows: how mathematics is written. Does not know: where the numbers come from. Read ``steps.py``
next, or ``written.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.draw.formula import formula
from tinygrad_edu.mathematics import Formula, minus_signs, number_formula, signed, symbol
from tinygrad_edu.mathematics.expression import escaped

__all__ = [
    "bracketed",
    "called",
    "computed",
    "defined",
    "element",
    "element_formula",
    "equation",
    "indexed",
    "largest",
    "over",
    "products",
    "quotient",
    "signed_formula",
    "summed",
    "use",
]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]


def largest(array: Array) -> Index:
    """Return the index of the element of the largest size; the first of several."""
    if not array.size:
        return ()
    sizes = np.abs(array)
    sizes = np.where(np.isnan(sizes), np.inf, sizes)  # what is no number is what to look at
    return tuple(int(i) for i in np.unravel_index(int(sizes.argmax()), array.shape))


def element(name: str, index: Index, size: int) -> str:
    """Return what an element is called: ``W[3, 7]``, or the name alone where there is but one."""
    said = called(name)
    return said if size == 1 or not index else f"{said}[{', '.join(map(str, index))}]"


def called(name: str) -> str:
    """Return how a name is written wherever formulas are near: ``β`` for ``beta``."""
    return symbol(name).text


def element_formula(name: str, place: Index, size: int) -> Formula:
    """Return what an element is called, as a formula; the name alone where there is but one."""
    return symbol(name) if size == 1 or not place else indexed(name, place)


def indexed(name: str, place: Index) -> Formula:
    """Return a name with an index: ``W[3, 7]``."""
    inside = ", ".join(map(str, place))
    said = symbol(name)
    latex = said.latex
    if "_{" in latex:  # an index below an index would be read as one
        latex = rf"\mathit{{{escaped(name)}}}"
    return Formula(f"{said.text}[{inside}]", f"{{{latex}}}_{{{inside}}}")


def equation(left: Formula, right: Formula) -> Formula:
    """Return two formulas as the sides of an equation."""
    return Formula(f"{left.text} = {right.text}", f"{left.latex} = {right.latex}")


def computed(node: Node, arguments: Sequence[str]) -> str:
    """Return what a node computes: the formula of its row, with the axes that it works over.

    Parameters
    ----------
    node : Node
        A node that an op made.
    arguments : sequence of str
        What its arguments are called.
    """
    op: Any = node.op
    said = minus_signs(formula(node, arguments))
    if op.kind != "elementwise":  # there a 0 may be one of the user's
        said = _BARE.sub(r"\1", _PLUS_NOTHING.sub("", said))
    where = over(node)
    return f"{said} {where}" if said and where else said


_PLUS_NOTHING = re.compile(r" [+−] 0(?![\w.])")
_BARE = re.compile(r"(?<![\w)])\((\w+)\)")


def over(node: Node) -> str:
    """Return along which axes a row works: ``over axis 0``; ``""`` where that is along all.

    Parameters
    ----------
    node : Node
        A node that an op made.
    """
    op: Any = node.op
    params = node.params or {}
    axis, shape = params.get("axis"), getattr(node.primals[0], "shape", ())
    if op.pattern == "reshape" or "axis" in _WORD.findall(op.formula) or op.kind == "elementwise":
        return ""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if op.name in _OF_FEATURES or not axes or any(type(each) is not int for each in axes):
        return ""
    if len({each % max(1, len(shape)) for each in axes}) >= len(shape):
        return ""
    kept = node.result.ndim == len(shape)
    shrunk = not kept or all(node.result.shape[each] == 1 for each in axes)
    named = " and ".join(str(each).replace("-", "−") for each in axes)
    return f"{'over' if shrunk else 'along'} ax{'is' if len(axes) == 1 else 'es'} {named}"


_WORD = re.compile(r"\w+")
_OF_FEATURES = frozenset({"batch_norm", "linspace", "geomspace", "concatenate"})
"""Rows whose axis is not the one that they work along."""


def defined(names: Iterable[str], seeded: bool) -> str:
    """Return what L is: what the gradients are of, where there is no number of that name.

    Parameters
    ----------
    names : iterable of str
        Of the outputs.
    seeded : bool
        Whether they are weighted with seeds.
    """
    what = " and of ".join(map(called, names))
    return f"L is the sum of the elements of {what}{', each times its seed' if seeded else ''}"


def summed(value: Any, terms: Iterable[Any], eps: float) -> Formula:
    """Return a sum as a number with its sign; what rounding alone left of its terms is 0.

    Parameters
    ----------
    value : number
        The sum.
    terms : iterable of number
        Its terms.
    eps : float
        The relative precision of the numbers.
    """
    sizes = [abs(term) for term in terms]
    if not value or len(sizes) < 2 or not abs(value) <= 2 * eps * max(sizes):
        return signed_formula(value)
    return Formula("0 (but for rounding)", r"0 \text{ (but for rounding)}")


def signed_formula(value: Any, digits: int = 4) -> Formula:
    """Return a number with its sign."""
    text = signed(value, digits)
    latex = number_formula(value, digits).latex
    return Formula(text, f"+{latex}" if text.startswith("+") else latex)


def bracketed(factor: Formula) -> Formula:
    """Return a factor of a product, in brackets if it has a minus sign or is a sum itself."""
    if not factor.text.startswith("−") and " " not in factor.text:
        return factor
    return Formula(f"({factor.text})", f"({factor.latex})")


def products(pairs: Sequence[tuple[Any, Any]], hidden: int = 0, rest: Any = 0) -> Formula:
    """Return a sum of products of gradients with slopes, in numbers.

    Parameters
    ----------
    pairs : sequence of (number, number)
        Gradient and slope.
    hidden : int
        How many further terms are not among them.
    rest : number
        What those add up to.
    """
    terms = []
    for gradient, factor in pairs:
        left, right = signed_formula(gradient), bracketed(number_formula(factor))
        if not left.text.startswith("("):
            left = Formula(f"({left.text})", f"({left.latex})")
        terms.append(Formula(f"{left.text} · {right.text}", rf"{left.latex} \cdot {right.latex}"))
    text = " + ".join(term.text for term in terms)
    latex = " + ".join(term.latex for term in terms)
    if hidden > 0:
        more = signed_formula(rest)
        text += f" + … ({hidden:,} more: {more.text})"
        latex += rf" + \ldots \text{{ ({hidden:,} more: }} {more.latex}\text{{)}}"
    return Formula(text, latex)


def use(node: Node, i: int) -> str:
    """Return which argument of a row is meant, where a tensor is several of them; else ``""``."""
    ups = node.upstream or ()
    if sum(up is ups[i] for up in ups) < 2:
        return ""
    ending = (
        "th" if 10 < (i + 1) % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get((i + 1) % 10, "th")
    )
    return f"as the {i + 1}{ending} argument"


def quotient(output: str, point: Formula, plane: bool = False) -> Formula:
    """Return the difference quotient of an output at a point.

    Parameters
    ----------
    output : str
        Its name.
    point : Formula
        What is moved.
    plane : bool
        Whether that is a complex number, which moves along two axes: the slopes of both, in one.
    """
    found = _along(output, point, Formula("Δ", r"\Delta"))
    if not plane:
        return found
    other = _along(output, point, Formula("iΔ", r"i \Delta"))
    return Formula(f"{found.text} + i · {other.text}", rf"{found.latex} + i \, {other.latex}")


def _along(output: str, point: Formula, change: Formula) -> Formula:
    over, at = symbol(output), point
    text = f"({over.text}({at.text} + {change.text}) − {over.text}({at.text} − {change.text})) / 2Δ"
    above, below = (f"{over.latex}({at.latex} {sign} {change.latex})" for sign in "+-")
    return Formula(text, rf"\frac{{{above} - {below}}}{{2 \Delta}}")
