"""What the user wrote where a node was made: the expression, and the variable that took its value.

Knows: Python's syntax trees, and where an instruction stands in the text. Does not know: tensors,
or what the text means; nothing is run. Where there is no text (``python -c``), nothing is found.
Read next: ``reading.py``, which names nodes by it.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any

__all__ = ["Sources", "callee", "keywords", "operands", "positional", "word"]

_Span = tuple[int | None, int | None, int | None, int | None]
_LONGEST = 5_000_000  # characters of a file that is still parsed
_NAME = 24  # characters of an expression that can still serve as a name


class Sources:
    """The texts that code objects come from.

    Parameters
    ----------
    but : tuple of (code object, int), optional
        An instruction that is not to be read.
    """

    def __init__(self, but: tuple[CodeType, int] | None = None) -> None:
        self._but = but
        self._files: dict[str, tuple[dict[_Span, ast.expr], dict[_Span, str]]] = {}
        self._spans: dict[int, tuple[CodeType, list[Any]]] = {}  # by id: hashing is slow

    def expression(self, code: CodeType | None, lasti: int) -> ast.expr | None:
        """Return the expression that an instruction works out."""
        if code is None or (code, lasti) == self._but:
            return None
        return self._file(code.co_filename)[0].get(self._span(code, lasti))

    def variable(self, code: CodeType | None, lasti: int) -> str:
        """Return the variable that takes the value of an instruction's expression, or ``""``."""
        if code is None or (code, lasti) == self._but:
            return ""
        return self._file(code.co_filename)[1].get(self._span(code, lasti), "")

    def callee(self, code: CodeType | None, lasti: int) -> str:
        """Return what an instruction calls; see :func:`callee`."""
        return callee(self.expression(code, lasti))

    def _span(self, code: CodeType, lasti: int) -> _Span:
        if id(code) not in self._spans:
            self._spans[id(code)] = code, list(code.co_positions())
        line, end_line, column, end_column = self._spans[id(code)][1][lasti // 2]
        return line, column, end_line, end_column

    def _file(self, name: str) -> tuple[dict[_Span, ast.expr], dict[_Span, str]]:
        if name not in self._files:
            self._files[name] = _read("".join(linecache.getlines(name)))
        return self._files[name]


@functools.lru_cache(maxsize=16)
def _read(text: str) -> tuple[dict[_Span, ast.expr], dict[_Span, str]]:
    """Return the expressions of a text, and the variables that take their values, by place."""
    try:
        tree = ast.parse(text if len(text) <= _LONGEST else "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = ast.Module([], [])  # a template, say, whose text is no Python
    expressions: dict[_Span, ast.expr] = {}
    variables: dict[_Span, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            # Of two at one place, the outer is met first: the instruction is that of the outer.
            expressions.setdefault(_place(node), node)
        for target, value in _assigned(node):
            name = word(target)
            if name:
                variables.setdefault(_place(value), name)
        if isinstance(node, ast.AugAssign):
            inner = ast.BinOp(node.target, node.op, node.value)
            expressions[_place(node)] = ast.copy_location(inner, node)
    return expressions, variables


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    """Yield the pairs of a target and what it is given."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets), *_], value=ast.Tuple(elts=values)):
            if len(targets) == len(values):
                yield from zip(targets, values, strict=True)
        case ast.Assign(targets=[ast.Tuple(elts=[target]), *_], value=value):
            yield target, value
        case ast.Assign(targets=[target, *_], value=value):
            yield target, value
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.AugAssign(target=target):
            yield target, node


def _place(node: ast.AST) -> _Span:
    return (
        getattr(node, "lineno", None),
        getattr(node, "col_offset", None),
        getattr(node, "end_lineno", None),
        getattr(node, "end_col_offset", None),
    )


def word(expression: ast.expr | None) -> str:
    """Return the name that an expression is for its value, or ``""``: ``w``, ``net.scale``.

    That of an attribute of ``self`` is the attribute's; that of ``params["W1"]`` is ``W1``.
    """
    match expression:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
        case ast.Subscript(
            value=ast.Name() | ast.Attribute(value=ast.Name(id="self")),
            slice=ast.Constant(value=str(name)),
        ):
            return name if name.isprintable() and len(name) <= _NAME else ""
        case (
            ast.Attribute(value=ast.Name())
            | ast.Subscript(value=ast.Name(), slice=ast.Constant() | ast.Name())
        ):
            text = ast.unparse(expression)
            return text if len(text) <= _NAME else ""
        case _:
            return ""


def callee(expression: ast.expr | None) -> str:
    """Return the last name of what is called, or the row that an operator stands for."""
    match expression:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
        case ast.BinOp(op=operator) | ast.UnaryOp(op=operator):
            return _ROWS.get(type(operator), "")
        case ast.Subscript():
            return "getitem"
        case _:
            return ""


_ROWS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.MatMult: "matmul",
    ast.Pow: "power",
    ast.Mod: "remainder",
    ast.FloorDiv: "floor_divide",
    ast.USub: "negative",
    ast.UAdd: "positive",
}


def operands(
    expression: ast.expr | None, row: str, arguments: Sequence[str]
) -> list[ast.expr | None]:
    """Return per argument of a row the expression that was given for it, where the row was called.

    Parameters
    ----------
    expression : ast.expr, optional
        What was worked out: an operator, or a call of the row by its name or as a method.
    row : str
        Its name.
    arguments : sequence of str
        Names of the row's arguments, one for each array that it was given.
    """
    found: list[ast.expr | None] = [None] * len(arguments)
    if callee(expression) != row:
        return found
    match expression:
        case ast.BinOp(left=left, right=right):
            given = [left, right]
        case ast.UnaryOp(operand=operand):
            given = [operand]
        case ast.Subscript(value=value):
            given = [value]
        case _:
            given = positional(expression)
            named = {arg: value for arg, value in keywords(expression) if arg in arguments}
            match expression:
                case ast.Call(func=ast.Attribute(value=value)):
                    if len(given) + len(named) + 1 == len(arguments):
                        given = [value, *given]
            if len(given) + len(named) == len(arguments):
                found[: len(given)] = given
                for name, value in named.items():
                    found[arguments.index(name)] = value
            return found
    if len(given) == len(arguments):
        found[:] = given
    return found


def positional(expression: ast.expr | None) -> list[ast.expr]:
    """Return the arguments of a call by place; none if there is a starred one."""
    args = expression.args if isinstance(expression, ast.Call) else []
    return [] if any(isinstance(arg, ast.Starred) for arg in args) else list(args)


def keywords(expression: ast.expr | None) -> list[tuple[str, ast.expr]]:
    """Return the arguments of a call by name."""
    given = expression.keywords if isinstance(expression, ast.Call) else []
    return [(each.arg, each.value) for each in given if each.arg is not None]
