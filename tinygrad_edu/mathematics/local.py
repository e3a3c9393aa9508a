"""The local derivative of a row, as a formula, read off the rule that runs.

Knows: rows. Does not know: graphs, or numbers. What an elementwise row multiplies a gradient with
is its factor, and the formula is the expression that the factor returns; where that does not read
well, and for all other rows, the row states it (``Op.local``), and a test compares the statement
with the rule. Read ``figures.py`` next.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_edu.core.op import Op
from tinygrad_edu.mathematics.expression import (
    Formula,
    UnreadableError,
    escaped,
    formula,
    parsed,
    symbol,
    words,
)
from tinygrad_edu.mathematics.figures import number_formula
from tinygrad_edu.mathematics.source import returned

__all__ = ["Local", "local", "local_formula", "local_text", "slope"]

RESULT, INCOMING = "y", "g"
"""Names of the result and of its gradient in the expressions that rows state."""

_TIMES = "{g} · "

_AXES = {"over": " {}", "counted": ", n counted {}", "repeated": ", repeated {}"}
"""What statements say of axes, in words, where a row does not work over all of them."""

_BY_PATTERN = {
    "copy": "the gradient of {y} is handed on",
    "swap": "the gradient of {y} times the other argument",
    "route": "the gradient of {y}, to where the value came from",
    "scale": "the gradient of {y} times the slope",
    "sum": "the gradient of {y}, to each term of the sum",
    "reshape": "the gradient of {y}, in the shape of {x}",
    "matmul": "the gradient of {y} times the transposed other factor",
    "none": "0 everywhere",
}
"""What is said of a row that states nothing, by its pattern."""

_LETTERS = {"t": "t being 1 at the label and 0 elsewhere", "n": "n the number of terms"}
"""Letters in statements that are neither arguments nor parameters."""


@dataclass(frozen=True)
class Local:
    """How a gradient passes one argument of a row.

    Parameters
    ----------
    row : Op
        The row.
    index : int
        Which argument.
    expression : ast.expr, optional
        In Python; None where no gradient flows.
    roles : mapping of str to str
        Name in the expression -> ``y``, ``g``, or the name of an argument or parameter.
    factor : bool
        Whether it is what the gradient of the result is multiplied with, element by element;
        else it is the gradient of the argument, in terms of ``g``.
    """

    row: Op
    index: int
    expression: ast.expr | None
    roles: Mapping[str, str]
    factor: bool

    def written(self, names: Mapping[str, Formula] | None = None) -> Formula:
        """Return it as mathematics, with names put in by role: ``y``, ``g``, arguments, parameters.

        Parameters
        ----------
        names : mapping of str to Formula, optional
            What stands for a role; others are called as the row calls them.
        """
        if self.expression is None:
            return words("no gradient flows")
        given = {role: symbol(role) for role in self.roles.values()} | _axes("")
        given |= dict(names or {})
        shown = {name: given[role] for name, role in self.roles.items() if role in given}
        try:
            return formula(self.expression, {**given, **shown})
        except UnreadableError:
            # The rule of a user's row may say anything: then its own text is the best there is.
            return words(ast.unparse(self.expression))

    def settled(
        self, params: Mapping[str, Any] | None, arguments: Sequence[str] | None = None
    ) -> Local:
        """Return it for one call: what is known of that chooses between formulas.

        Parameters
        ----------
        params : mapping, optional
            Values of parameters.
        arguments : sequence of str, optional
            What the arguments are called, empty for one that was left out.
        """
        if self.expression is None or not (params or arguments):
            return self
        given: dict[str, Any] = dict(params or {})
        if arguments and not self.row.variadic:
            there = dict(zip(self.row.arguments, map(bool, arguments), strict=False))
            given |= {role: there.get(role, False) for role in self.row.optional}
        known = {name: given[role] for name, role in self.roles.items() if role in given}
        return replace(self, expression=_Choice(known).visit(copy.deepcopy(self.expression)))

    @property
    def names(self) -> frozenset[str]:
        """The roles that occur in it."""
        if self.expression is None:
            return frozenset()
        used = {node.id for node in ast.walk(self.expression) if isinstance(node, ast.Name)}
        return frozenset(self.roles[name] for name in used if name in self.roles)

    @property
    def gathers(self) -> bool:
        """Whether elements are gathered in it, so that one must know along which axes."""
        if self.expression is None:
            return False
        calls = (node for node in ast.walk(self.expression) if isinstance(node, ast.Call))
        called = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
        return not called.isdisjoint(_GATHER)

    @property
    def remark(self) -> str:
        """What letters in it stand for that no argument or parameter is called by."""
        if self.expression is None:
            return ""
        used = {node.id for node in ast.walk(self.expression) if isinstance(node, ast.Name)}
        return ", ".join(said for name, said in _LETTERS.items() if name in used - set(self.roles))

    @property
    def readable(self) -> bool:
        """Whether mathematics has a sign for everything in it."""
        try:
            return self.expression is None or bool(formula(self.expression, self._plain()))
        except UnreadableError:
            return False

    def _plain(self) -> dict[str, Formula]:
        return {name: symbol(role) for name, role in self.roles.items()} | _axes("")


_GATHER = frozenset({"sum", "mean", "nanmean"})


class _Choice(ast.NodeTransformer):
    """Puts in the place of a choice what parameters that are known choose."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Return the branch that is taken, or the choice if that is not known."""
        self.generic_visit(node)
        match node.test:
            case ast.Name(id=name) if name in self.known:
                taken = bool(self.known[name])
            case ast.Compare(ast.Name(id=name), [ast.Eq()], [ast.Constant(value)]) if (
                name in self.known
            ):
                taken = self.known[name] == value
            case _:
                return node
        return node.body if taken else node.orelse


@functools.lru_cache(maxsize=1024)
def local(row: Op, index: int) -> Local:
    """Return how a gradient passes an argument of a row.

    Parameters
    ----------
    row : Op
        A row that a gradient flows through.
    index : int
        Which argument.
    """
    argument = 0 if row.variadic else index
    stated = row.local[argument] if row.local else ""
    flows = row.differentiable and (
        bool(stated) or not row.local if row.joint is not None else row.rules[argument] is not None
    )
    factor = bool(row.factors)
    own = {name: name for name in (*row.arguments, *row.params)}
    if not flows:
        return Local(row, index, None, {}, factor)
    if stated:
        roles = {RESULT: RESULT, **({} if factor else {INCOMING: INCOMING}), **own}
        return Local(row, index, parsed(stated), roles, factor)
    if factor:
        declared = row.factors[index]
        if not callable(declared):
            return Local(row, index, parsed(repr(declared)), {}, True)
        found = returned(declared)
        if found is not None:
            return Local(row, index, found, _roles(declared, row), True)
    by_itself = f"by the backward() of {row.name}"
    if row.name == "checkpoint":
        by_itself = "by the backward pass of the function, which is run again"
    said = _BY_PATTERN.get(row.pattern, by_itself)
    said = said.replace("{x}", f"{{{row.arguments[argument]}}}")
    return Local(row, index, ast.Constant(said), {RESULT: RESULT, **own}, False)


def _roles(factor: Any, row: Op) -> dict[str, str]:
    """Return what the parameters of a factor stand for, and the numbers that it takes from afar."""
    code = factor.__code__
    taken = code.co_varnames[: code.co_argcount]
    roles = dict(zip(taken, (RESULT, *row.arguments), strict=False))
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return {**roles, **{name: name for name in keywords}}


# ------------------------------------------------------------------------------ with names


def local_formula(
    row: Op,
    index: int,
    arguments: Sequence[str],
    result: str,
    params: Mapping[str, Any] | None = None,
    output: str = "L",
    over: str = "",
) -> Formula:
    """Return the whole equation: ``∂y/∂x = 1 − y²``, or ``∂L/∂a = g bᵀ`` with g = ∂L/∂y.

    Parameters
    ----------
    row : Op
        The row.
    index : int
        Which argument.
    arguments : sequence of str
        What the arguments are called.
    result : str
        What the result is called.
    params : mapping, optional
        Values of parameters, which are put in where they are numbers.
    output : str
        What the gradient is of.
    over : str
        Along which axes the row works, in words, where that is not along all.
    """
    found = local(row, index).settled(params, arguments)
    whole = symbol(output)
    names = _names(row, arguments, index, symbol(result), params)
    # By itself an output changes at the rate 1: there is no need of a fraction that says so.
    incoming = Formula("1", "1") if output == result else slope(whole, symbol(result))
    names[INCOMING] = _through(incoming, params)
    names |= _axes(over)
    said = found.expression.value if isinstance(found.expression, ast.Constant) else ""
    if output == result and isinstance(said, str) and said.startswith(_TIMES):
        found = replace(found, expression=ast.Constant(said.removeprefix(_TIMES)))
    right = found.written(names)
    if found.expression is None:
        return right
    if over and found.gathers:
        right = Formula(f"{right.text}, {over}", rf"{right.latex} \text{{, {over}}}")
    left = slope(names[RESULT] if found.factor else whole, symbol(arguments[index]))
    if right.text.startswith("by the "):  # no formula, but who has it
        return Formula(f"{left.text}: {right.text}", rf"{left.latex} \text{{: }} {right.latex}")
    return Formula(f"{left.text} = {right.text}", f"{left.latex} = {right.latex}")


def slope(over: Formula, under: Formula) -> Formula:
    """Return the sign of a derivative: ``∂y/∂x``."""
    return Formula(
        f"∂{over.text}/∂{under.text}",
        rf"\frac{{\partial {over.latex}}}{{\partial {under.latex}}}",
    )


def _axes(over: str) -> dict[str, Formula]:
    return {name: words(said.format(over) if over else "") for name, said in _AXES.items()}


def _through(incoming: Formula, params: Mapping[str, Any] | None) -> Formula:
    """Return a gradient, times the slope of the activation that a fused row ends with, if any."""
    activation = (params or {}).get("activation")
    if not isinstance(activation, str) or activation == "identity":
        return incoming
    if incoming.text == "1":
        return Formula(f"{activation}′", rf"\mathrm{{{escaped(activation)}}}'")
    return Formula(
        f"({incoming.text} · {activation}′)",
        rf"\left({incoming.latex}\,\mathrm{{{escaped(activation)}}}'\right)",
    )


def _names(
    row: Op,
    arguments: Sequence[str],
    index: int,
    result: Formula,
    params: Mapping[str, Any] | None,
    called: Callable[[str], Formula] = symbol,
) -> dict[str, Formula]:
    """Return what stands for each role but that of the gradient."""
    names = {RESULT: result}
    roles = row.arguments * len(arguments) if row.variadic else row.arguments
    for i, (role, name) in enumerate(zip(roles, arguments, strict=False)):
        if not row.variadic or i == index:
            names[role] = called(name) if name else Formula("1", "1")  # a factor that is left out
    for role, value in (params or {}).items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            names[role] = number_formula(value)
    return names


def local_text(
    row: Op,
    index: int,
    arguments: Sequence[str],
    result: str,
    params: Mapping[str, Any] | None = None,
) -> str:
    """Return a short form for a picture: ``×(1 − y²)``, or ``g bᵀ``, g being the gradient of y.

    Parameters are those of `local_formula`.
    """
    found = local(row, index).settled(params, arguments)
    if found.expression is None:
        return "no gradient"
    # A variable is called here as in the program, since the picture has cards of that name.
    names = _names(row, arguments, index, Formula(result, ""), params, lambda n: Formula(n, ""))
    names[INCOMING] = _through(symbol(INCOMING), params)
    names |= _axes("")  # a picture tells parameters by themselves
    text = found.written(names).text
    if not found.factor:
        return text
    if text.startswith(("−", "-")):
        return f"×(−{text[1:]})"
    return f"×({text})" if " " in text else f"×{text}"
