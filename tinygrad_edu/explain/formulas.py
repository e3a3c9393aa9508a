"""Small formulas that explanations are put together from: elements, equations, signed numbers.

Knows: how mathematics is written. Does not know: graphs. Read ``steps.py`` next, or ``written.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.mathematics import Formula, number_formula, signed, symbol

__all__ = [
    "bracketed",
    "element",
    "element_formula",
    "equation",
    "indexed",
    "largest",
    "quotient",
    "signed_formula",
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
    return name if size == 1 or not index else f"{name}[{', '.join(map(str, index))}]"


def element_formula(name: str, place: Index, size: int) -> Formula:
    """Return what an element is called, as a formula; the name alone where there is but one."""
    return symbol(name) if element(name, place, size) == name else indexed(name, place)


def indexed(name: str, place: Index) -> Formula:
    """Return a name with an index: ``W[3, 7]``."""
    inside = ", ".join(map(str, place))
    return Formula(f"{name}[{inside}]", f"{{{symbol(name).latex}}}_{{{inside}}}")


def equation(left: Formula, right: Formula) -> Formula:
    """Return two formulas as the sides of an equation."""
    return Formula(f"{left.text} = {right.text}", f"{left.latex} = {right.latex}")


def signed_formula(value: Any, digits: int = 4) -> Formula:
    """Return a number with its sign."""
    text = signed(value, digits)
    latex = number_formula(value, digits).latex
    return Formula(text, f"+{latex}" if text.startswith("+") else latex)


def bracketed(factor: Formula) -> Formula:
    """Return a factor of a product, in brackets where it begins with a minus sign."""
    if not factor.text.startswith("−"):
        return factor
    return Formula(f"({factor.text})", f"({factor.latex})")


def quotient(output: str, point: Formula) -> Formula:
    """Return the difference quotient of an output at a point."""
    over, at = symbol(output).latex, point.latex
    return Formula(
        f"({output}({point.text} + Δ) − {output}({point.text} − Δ)) / 2Δ",
        rf"\frac{{{over}({at} + \Delta) - {over}({at} - \Delta)}}{{2 \Delta}}",
    )
