"""What the shown derivative of a row comes to in numbers, as anybody would who works it out.

Knows: the expressions that rows state, and NumPy. Does not know: what the row's own rule makes of
special points, such as 0 where it would have to divide by 0; whoever shows numbers compares the
two. Read ``figures.py`` next.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS
from tinygrad_edu.mathematics.local import Local

__all__ = ["singular_somewhere", "worth"]

_FREE: dict[str, Any] = {"i": 1j}
_RISKY = frozenset({"log", "log2", "log10", "sqrt", "cbrt"})


class _Names(dict[str, Any]):
    """What a name stands for: what is given, else a row of the table, NumPy's or Python's."""

    def __missing__(self, name: str) -> Any:
        if name in OPS:
            return OPS[name]
        if hasattr(np, name):
            return getattr(np, name)
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise KeyError(name)


def worth(found: Local, values: Mapping[str, Any]) -> Any | None:
    """Return what a local derivative comes to, or None where it is no formula, or lacks a number.

    Parameters
    ----------
    found : Local
        The derivative, settled for the call.
    values : mapping of str to number or array
        Per role (``y``, ``g``, an argument, a parameter) its value.
    """
    if found.expression is None or not found.names <= values.keys() or _speaks(found.expression):
        return None
    row = found.row
    stated = row.local and row.local[0 if row.variadic else found.index]
    factor = None if stated or not found.factor else row.factors[found.index]
    names = _Names({**_FREE, **getattr(factor, "__globals__", {})})
    names.update({name: values[name] for name in ("n",) if name in values})
    names.update({name: values[role] for name, role in found.roles.items() if role in values})
    for name in ("sum", "mean", "nanmean"):
        if not found.factor:
            names[name] = _along(name, values.get("axis"))
    code = compile(ast.Expression(ast.fix_missing_locations(found.expression)), row.name, "eval")
    with np.errstate(all="ignore"):
        try:
            return eval(code, {}, names)
        except Exception:  # it was written to be read: not every case can be worked out
            return None


def singular_somewhere(found: Local) -> bool:
    """Return whether a local derivative divides, or takes a root or a logarithm."""
    if found.expression is None or _speaks(found.expression):
        return False
    for node in ast.walk(found.expression):
        if isinstance(node, (ast.Div, ast.Pow)):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _RISKY:
            return True
    return False


def _speaks(expression: ast.expr) -> bool:
    """Return whether there are words in an expression; what is compared with is none."""
    compared = {
        id(side)
        for node in ast.walk(expression)
        if isinstance(node, ast.Compare)
        for side in node.comparators
    }
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in compared
        for node in ast.walk(expression)
    )


def _along(name: str, axis: Any) -> Any:
    """Return a sum or a mean that keeps its axes, as mathematics leaves unsaid."""
    take = getattr(np, name)
    return lambda x: take(x, axis=axis, keepdims=True)
