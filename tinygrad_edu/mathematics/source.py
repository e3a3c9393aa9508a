"""The expression that a function returns, read from the file the function was written in.

Knows: Python's code objects and syntax trees. Does not know: mathematics. Read ``local.py`` next.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Callable
from types import CodeType
from typing import Any

__all__ = ["returned"]

_Function = ast.Lambda | ast.FunctionDef


def returned(function: Callable[..., Any]) -> ast.expr | None:
    """Return the expression that a function returns, if it is a lambda or one line.

    ``None`` if the function does more than return an expression, or its source is not there.

    Parameters
    ----------
    function : callable
        A lambda, or a function defined by ``def``.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    text = "".join(linecache.getlines(code.co_filename, getattr(function, "__globals__", None)))
    fitting = [each for each in _functions(text) if _is_of(code, each)]
    if len(fitting) != 1:
        return None
    (found,) = fitting
    if isinstance(found, ast.Lambda):
        return found.body
    documented = ast.get_docstring(found, clean=False) is not None
    body = found.body[1:] if documented else found.body
    if len(body) == 1 and isinstance(body[0], ast.Return):
        return body[0].value
    return None


@functools.lru_cache(maxsize=64)
def _functions(text: str) -> tuple[_Function, ...]:
    """Return the functions that a file defines."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ()
    return tuple(n for n in ast.walk(tree) if isinstance(n, (ast.Lambda, ast.FunctionDef)))


def _is_of(code: CodeType, function: _Function) -> bool:
    """Return whether a function of the file is the one that a code object was compiled from."""
    if isinstance(function, ast.Lambda) != (code.co_name == "<lambda>"):
        return False
    first = function.lineno
    if isinstance(function, ast.FunctionDef):
        first = min([first, *(decorator.lineno for decorator in function.decorator_list)])
        return function.name == code.co_name and first == code.co_firstlineno
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    count = code.co_argcount + code.co_kwonlyargcount
    if first != code.co_firstlineno or names != list(code.co_varnames[:count]):
        return False
    # Several lambdas of one line differ in where their instructions come from.
    body = function.body
    inside = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    for line, end, column, last in code.co_positions():
        if line is None or end is None or column is None or last is None or last == 0:
            continue
        if (line, column) < inside[0] or (end, last) > inside[1]:
            return False
    return True
