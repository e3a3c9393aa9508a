"""A Python expression as mathematics: as text with signs of Unicode, and as LaTeX.

Knows: Python's expressions as far as derivatives are written in them, and how mathematics writes
them. Does not know: rows, or where an expression comes from. Read ``source.py`` next.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from string import Formatter

from tinygrad_edu.mathematics.mathml import mathml

__all__ = ["Formula", "UnreadableError", "formula", "parsed", "symbol", "words"]


class UnreadableError(ValueError):
    """An expression has a part that mathematics has no sign for."""


@dataclass(frozen=True)
class Formula:
    """Mathematics in three forms.

    Parameters
    ----------
    text : str
        For a terminal, with signs of Unicode.
    latex : str
        The same in LaTeX, without dollars.
    """

    text: str
    latex: str

    @cached_property
    def mathml(self) -> str:
        """The same in MathML, a whole ``<math>`` element."""
        return mathml(self.latex)

    def __str__(self) -> str:
        return self.text


def words(text: str) -> Formula:
    """Return plain words where a formula could stand."""
    return Formula(text, rf"\text{{{escaped(text)}}}")


_TEXT_ESCAPES = {c: rf"\{c}" for c in "_{}%$#&"} | {"\\": r"\backslash ", "^": r"\^", "~": r"\~"}


def escaped(text: str) -> str:
    r"""Return any text for use inside ``\text{}`` and the like."""
    return "".join(_TEXT_ESCAPES.get(c, c) for c in text)


GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ",
    "psi": "ψ", "omega": "ω",
}  # fmt: skip
"""Names that are letters of the Greek alphabet."""


def symbol(name: str) -> Formula:
    """Return the name of a variable: ``w0``, ``alpha``, ``layers.0.weight``.

    Parameters
    ----------
    name : str
        Any text; what LaTeX could misread is escaped. That of a constant may be its number.
    """
    constant = _NUMERAL.fullmatch(name)
    if constant is not None:
        mantissa, power = constant[1], int(constant[2] or 0)
        text = f"{mantissa}e{power}" if power else mantissa
        latex = rf"{mantissa} \cdot 10^{{{power}}}" if power else mantissa
        return Formula(text.replace("-", "−"), latex)
    if name in GREEK:
        return Formula(GREEK[name], rf"\{name}")
    match = re.fullmatch(r"([A-Za-z]|[A-Za-z]+(?=\d))_?(\d*)", name)
    if match is None:
        return Formula(name, rf"\mathit{{{escaped(name)}}}")
    head, number = match.groups()
    letters = head if len(head) == 1 else rf"\mathit{{{head}}}"
    if head in GREEK:
        letters = rf"\{head}"
    return Formula(name, f"{letters}_{{{number}}}" if number else letters)


_NUMERAL = re.compile(r"(-?\d+(?:\.\d+)?)(?:e([-+]?\d+))?")


def parsed(source: str) -> ast.expr:
    """Return the expression that a text is.

    Raises
    ------
    SyntaxError
        It is none.
    """
    return ast.parse(source.strip(), mode="eval").body


def formula(expression: ast.expr | str, names: Mapping[str, Formula] | None = None) -> Formula:
    """Return a Python expression as mathematics.

    Parameters
    ----------
    expression : ast.expr or str
        The expression.
    names : mapping of str to Formula, optional
        What stands for a name; any other name is written as it is.

    Raises
    ------
    UnreadableError
        There is no sign for a part of it.

    Examples
    --------
    >>> formula("1 - y * y").text, formula("1 - y * y").latex
    ('1 − y²', '1 - y^{2}')
    """
    tree = parsed(expression) if isinstance(expression, str) else expression
    piece = _Writer(names or {}).write(_as_number(tree))
    return Formula(piece.text, piece.latex)


# ------------------------------------------------------------------------------ pieces

_CHOICE, _COMPARISON, _SUM, _SIGN, _PRODUCT, _APPLIED, _POWER, _ATOM = range(8)
"""How tightly a piece holds together."""


@dataclass(frozen=True)
class _Piece:
    """A part of a formula; `strength` and `latex_strength` say how tightly it holds together."""

    text: str
    latex: str
    strength: int
    latex_strength: int | None = None

    def within(self, strength: int) -> _Piece:
        """Return the piece with brackets in the forms that need them."""
        text = self.text if self.strength >= strength else f"({self.text})"
        own = self.strength if self.latex_strength is None else self.latex_strength
        latex = self.latex if own >= strength else rf"\left({self.latex}\right)"
        return _Piece(text, latex, max(self.strength, strength), max(own, strength))


def _masks(node: ast.expr) -> bool:
    """Return whether an expression is a truth value, which is 1 or 0 as a number."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, (ast.Invert, ast.Not))
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, (ast.BitAnd, ast.BitOr))
    return isinstance(node, (ast.Compare, ast.BoolOp))


def _as_number(node: ast.expr) -> ast.expr:
    """Return an expression with a truth value at its top spelled as 1 or 0."""
    if not _masks(node):
        return node
    choice = ast.Name("where")
    return ast.Call(choice, [node, ast.Constant(1), ast.Constant(0)], [])


SUPERSCRIPTS = str.maketrans("0123456789-+()nkij", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾ⁿᵏⁱʲ")

_SAME_NAME = {
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "min", "max", "det",
    "gcd",
}  # fmt: skip
"""Functions that LaTeX has a command for."""
_LETTERS = {"sigmoid": ("σ", r"\sigma"), "digamma": ("ψ", r"\psi"), "gamma": ("Γ", r"\Gamma")}
_RENAMED = {
    "log": ("ln", r"\ln"),
    "log2": ("log₂", r"\log_{2}"),
    "log10": ("log₁₀", r"\log_{10}"),
    "real": ("Re", r"\operatorname{Re}"),
    "imag": ("Im", r"\operatorname{Im}"),
    "maximum": ("max", r"\max"),
    "minimum": ("min", r"\min"),
    "sum": ("Σ", r"\sum"),
}
_AROUND = {
    "sqrt": (None, r"\sqrt{%s}"),
    "cbrt": (None, r"\sqrt[3]{%s}"),
    "abs": ("|%s|", r"\left|%s\right|"),
    "absolute": ("|%s|", r"\left|%s\right|"),
    "floor": ("⌊%s⌋", r"\lfloor %s \rfloor"),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<"),
    ast.LtE: ("≤", r"\le"),
    ast.Gt: (">", ">"),
    ast.GtE: ("≥", r"\ge"),
    ast.Eq: ("=", "="),
    ast.NotEq: ("≠", r"\ne"),
}


class _Writer:
    """Writes one expression; `names` says what stands for a name."""

    def __init__(self, names: Mapping[str, Formula]) -> None:
        self.names = names

    def write(self, node: ast.expr) -> _Piece:
        """Return an expression as a piece of a formula."""
        for kind, write in self._KINDS:
            if isinstance(node, kind):
                return write(self, node)
        raise UnreadableError(f"no sign for {ast.unparse(node)}")

    # ---- names and numbers

    def _constant(self, node: ast.Constant) -> _Piece:
        value = node.value
        if isinstance(value, str):
            parts = [each for said in Formatter().parse(value) for each in self._said(*said[:2])]
            text, latex = "".join(p.text for p in parts), "".join(p.latex for p in parts)
            return _Piece(text, latex, _SUM, _SUM)
        if isinstance(value, (bool, int, float)):
            shown = f"{value:.4g}" if isinstance(value, float) else str(int(value))
            if "e" in shown:
                return _known(symbol(shown))
            return _Piece(shown.replace("-", "−"), shown, _ATOM)
        raise UnreadableError(f"no sign for {value!r}")

    def _said(self, before: str, name: str | None) -> list[Formula]:
        """Return a piece of a statement in words, and the formula of the name that follows it."""
        found = [words(before)] if before else []
        return found if name is None else [*found, self.names.get(name) or words(name)]

    def _name(self, node: ast.Name) -> _Piece:
        found = self.names.get(node.id)
        if found is None:
            if node.id.startswith("_"):
                raise UnreadableError(f"{node.id} is a name of the program, not of mathematics")
            found = symbol(node.id)
        return _known(found)

    def _attribute(self, node: ast.Attribute) -> _Piece:
        if node.attr in ("T", "mT"):
            whole = self.write(node.value).within(_POWER + 1)
            return _Piece(f"{whole.text}ᵀ", rf"{whole.latex}^{{\top}}", _POWER)
        if node.attr in ("pi", "inf"):
            text, latex = {"pi": ("π", r"\pi"), "inf": ("∞", r"\infty")}[node.attr]
            return _Piece(text, latex, _ATOM)
        raise UnreadableError(f"no sign for {ast.unparse(node)}")

    def _subscript(self, node: ast.Subscript) -> _Piece:
        whole = self.write(node.value).within(_ATOM)
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        parts = [self.write(part) for part in inside]
        text = ", ".join(part.text for part in parts)
        latex = ", ".join(part.latex for part in parts)
        return _Piece(f"{whole.text}[{text}]", f"{whole.latex}[{latex}]", _ATOM)

    # ---- arithmetic

    def _unary(self, node: ast.UnaryOp) -> _Piece:
        if isinstance(node.op, (ast.Invert, ast.Not)):
            turned = _opposite(node.operand)
            if turned is not None:
                return self.write(turned)
            inner = self.write(node.operand).within(_COMPARISON + 1)
            return _Piece(f"not {inner.text}", rf"\lnot {inner.latex}", _COMPARISON)
        inner = self.write(node.operand).within(_PRODUCT)
        if isinstance(node.op, ast.UAdd):
            return inner
        return _Piece(f"−{inner.text}", f"-{inner.latex}", _SIGN)

    def _binary(self, node: ast.BinOp) -> _Piece:
        op = type(node.op)
        positive = _without_minus(node)
        if positive is not None:
            return self.write(ast.UnaryOp(ast.USub(), positive))
        if op in (ast.Add, ast.Sub):
            left, right = self.write(node.left), self.write(node.right).within(_PRODUCT)
            left = left.within(_SUM)
            if right.text == "0":  # the value of a parameter, as a rule
                return left
            sign, plain = ("+", "+") if op is ast.Add else ("−", "-")
            return _Piece(
                f"{left.text} {sign} {right.text}", f"{left.latex} {plain} {right.latex}", _SUM
            )
        if op is ast.Mult:
            return self._product(node)
        if op is ast.Div:
            left, right = self.write(node.left), self.write(node.right)
            if right.text == "1":
                return left
            text = f"{left.within(_PRODUCT).text} / {right.within(_APPLIED).text}"
            return _Piece(text, rf"\frac{{{left.latex}}}{{{right.latex}}}", _PRODUCT, _ATOM)
        if op is ast.FloorDiv:
            left, right = self.write(node.left), self.write(node.right)
            text = f"⌊{left.within(_PRODUCT).text} / {right.within(_APPLIED).text}⌋"
            latex = rf"\left\lfloor \frac{{{left.latex}}}{{{right.latex}}} \right\rfloor"
            return _Piece(text, latex, _ATOM)
        if op is ast.MatMult:
            left, right = (self.write(part).within(_PRODUCT) for part in (node.left, node.right))
            if "1" in (left.text, right.text):  # the gradient of an output by itself
                return right if left.text == "1" else left
            return _Piece(f"{left.text} {right.text}", rf"{left.latex}\,{right.latex}", _PRODUCT)
        if op is ast.Pow:
            return self._power(self.write(node.left), self.write(node.right))
        if op in (ast.BitAnd, ast.BitOr):
            left, right = (self.write(part).within(_COMPARISON) for part in (node.left, node.right))
            word, sign = ("and", r"\land") if op is ast.BitAnd else ("or", r"\lor")
            return _Piece(
                f"{left.text} {word} {right.text}", f"{left.latex} {sign} {right.latex}", _CHOICE
            )
        raise UnreadableError(f"no sign for {ast.unparse(node)}")

    def _product(self, node: ast.BinOp) -> _Piece:
        factors: list[ast.expr] = []
        rest: ast.expr = node
        while isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Mult):
            factors.append(rest.right)
            rest = rest.left
        factors.append(rest)
        pieces: list[_Piece] = []
        for _, same in groupby(reversed(factors), key=ast.dump):
            each = list(same)
            piece = self.write(each[0])
            if len(each) > 1:
                piece = self._power(piece, _Piece(str(len(each)), str(len(each)), _ATOM))
            if piece.text != "1":
                pieces.append(piece.within(_PRODUCT))
        if not pieces:
            return _Piece("1", "1", _ATOM)
        if len(pieces) == 1:
            return pieces[0]
        text, latex = pieces[0].text, pieces[0].latex
        for before, piece in pairwise(pieces):
            follows_number = before.text[-1:].isdigit() and before.text.replace(".", "").isdigit()
            # Not so a variable called e: 2 e is read as twice the number.
            letter = re.match(r"(?!e(?![A-Za-z]))[^\W\d_]|√", piece.text) is not None
            text += f" {piece.text}" if follows_number and letter else f" · {piece.text}"
            close = not piece.latex[:1].isdigit() and piece.latex[:1] != "-"
            latex += rf"\,{piece.latex}" if close else rf" \cdot {piece.latex}"
        return _Piece(text, latex, _PRODUCT)

    def _power(self, base: _Piece, exponent: _Piece) -> _Piece:
        base, exponent = base.within(_ATOM), _worked_out(exponent)
        if exponent.text == "1":
            return base
        small = exponent.text.replace(" ", "").replace("−", "-")
        latex = f"{base.latex}^{{{exponent.latex}}}"
        if re.fullmatch(r"-?\d+|[nk]|[nk][-+]\d", small):
            return _Piece(f"{base.text}{small.translate(SUPERSCRIPTS)}", latex, _POWER)
        # A variable of that name is not the number whose powers exp computes.
        sign = "**" if base.text == "e" else "^"
        return _Piece(f"{base.text}{sign}{exponent.within(_ATOM).text}", latex, _POWER)

    # ---- choices

    def _compare(self, node: ast.Compare) -> _Piece:
        first = self.write(node.left).within(_SUM)
        text, latex = first.text, first.latex
        for op, right in zip(node.ops, node.comparators, strict=True):
            if type(op) not in _COMPARISONS:
                raise UnreadableError(f"no sign for {ast.unparse(node)}")
            sign, command = _COMPARISONS[type(op)]
            piece = self.write(right).within(_SUM)
            text += f" {sign} {piece.text}"
            latex += f" {command} {piece.latex}"
        return _Piece(text, latex, _COMPARISON)

    def _choice(self, condition: ast.expr, then: ast.expr, other: ast.expr) -> _Piece:
        cases: list[tuple[_Piece, _Piece]] = []
        while True:
            cases.append((self.write(_as_number(then)), self.write(condition)))
            inner = other
            if isinstance(inner, ast.Call) and _called(inner) == "where" and len(inner.args) == 3:
                condition, then, other = inner.args
                continue
            break
        last = self.write(_as_number(other))
        text = "; ".join(f"{value.text} if {when.text}" for value, when in cases)
        rows = r" \\ ".join(rf"{value.latex} & {when.latex}" for value, when in cases)
        latex = rf"\begin{{cases}} {rows} \\ {last.latex} & \text{{else}} \end{{cases}}"
        return _Piece(f"{text}, else {last.text}", latex, _CHOICE, _ATOM)

    # ---- calls

    def _call(self, node: ast.Call) -> _Piece:
        name = _called(node)
        if name == "where" and len(node.args) == 3:
            return self._choice(*node.args)
        args = [self.write(arg) for arg in node.args]
        if any(isinstance(arg, ast.Starred) for arg in node.args) or not args:
            raise UnreadableError(f"no sign for {ast.unparse(node)}")
        first = args[0]
        if len(args) == 1 and name in _AROUND:
            around, command = _AROUND[name]
            latex = command % first.latex
            if around is None:
                sign = "√" if name == "sqrt" else "∛"
                return _Piece(f"{sign}{first.within(_ATOM).text}", latex, _APPLIED, _ATOM)
            return _Piece(around % first.text, latex, _ATOM)
        if len(args) == 1 and name == "exp":
            return _Piece(f"exp({first.text})", f"e^{{{first.latex}}}", _ATOM, _POWER)
        if len(args) == 1 and name == "square":
            return self._power(first, _Piece("2", "2", _ATOM))
        if len(args) == 1 and name in ("conj", "conjugate"):
            return _Piece(f"conj({first.text})", rf"\overline{{{first.latex}}}", _ATOM)
        if len(args) == 1 and name == "inv":
            return self._power(first, _Piece("−1", "-1", _SIGN))
        if len(args) == 1 and name == "transpose":
            whole = first.within(_ATOM)
            return _Piece(f"{whole.text}ᵀ", rf"{whole.latex}^{{\top}}", _POWER)
        return self._applied(name, args)

    def _applied(self, name: str, args: list[_Piece]) -> _Piece:
        """Return a function with its arguments; a short one stands without brackets."""
        if name.startswith("_"):
            raise UnreadableError(f"{name} is a function of the program, not of mathematics")
        if name in _LETTERS:
            head, command = _LETTERS[name]
        elif name in _RENAMED:
            head, command = _RENAMED[name]
        else:
            head = name
            known = name in _SAME_NAME
            command = rf"\{name}" if known else rf"\operatorname{{{escaped(name)}}}"
        bare = len(args) == 1 and name not in _LETTERS and name not in ("maximum", "minimum")
        known = name in _RENAMED or name in _SAME_NAME
        if bare and known and args[0].within(_POWER).text == args[0].text:
            return _Piece(f"{head} {args[0].text}", f"{command} {args[0].latex}", _APPLIED)
        text = ", ".join(arg.text for arg in args)
        latex = ", ".join(arg.latex for arg in args)
        return _Piece(f"{head}({text})", rf"{command}\left({latex}\right)", _ATOM)

    _KINDS: tuple[tuple[type[ast.expr], Callable[..., _Piece]], ...] = (
        (ast.Constant, _constant),
        (ast.Name, _name),
        (ast.Attribute, _attribute),
        (ast.Subscript, _subscript),
        (ast.UnaryOp, _unary),
        (ast.BinOp, _binary),
        (ast.Compare, _compare),
        (ast.IfExp, lambda self, node: self._choice(node.test, node.body, node.orelse)),
        (ast.Call, _call),
    )


def _worked_out(exponent: _Piece) -> _Piece:
    """Return an exponent as a number, where it is one less or more than a number: 2 for 3 − 1."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ([−+]) 1", exponent.text)
    if match is None:
        return exponent
    shown = f"{float(match[1]) + (1 if match[2] == '+' else -1):.4g}"
    strength = _SIGN if shown.startswith("-") else _ATOM
    return _Piece(shown.replace("-", "−"), shown, strength)


def _known(found: Formula) -> _Piece:
    """Return what stands for a name as a piece: a number may need brackets, a name never."""
    plain = found.text.replace(".", "").replace("e", "").isalnum()
    if plain or not re.match(r"[−+\d]", found.text):
        return _Piece(found.text, found.latex, _ATOM)
    loose = _SUM if " " in found.text else _SIGN if found.text[0] in "−+" else _PRODUCT
    return _Piece(found.text, found.latex, loose)


def _called(node: ast.Call) -> str:
    """Return the name of a function that is called, without its module."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    if isinstance(node.func, ast.Name):
        return node.func.id
    raise UnreadableError(f"no sign for {ast.unparse(node)}")


def _without_minus(node: ast.BinOp) -> ast.expr | None:
    """Return a product or quotient without the minus that it begins with; None if it has none."""
    spine: list[ast.BinOp] = []
    first: ast.expr = node
    while isinstance(first, ast.BinOp) and isinstance(first.op, (ast.Mult, ast.Div, ast.MatMult)):
        spine.append(first)
        first = first.left
    if not (spine and isinstance(first, ast.UnaryOp) and isinstance(first.op, ast.USub)):
        return None
    positive = first.operand
    for each in reversed(spine):
        positive = ast.BinOp(positive, each.op, each.right)
    return positive


_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Lt: ast.GtE, ast.Gt: ast.LtE,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


def _opposite(node: ast.expr) -> ast.expr | None:
    """Return the comparison that holds where a simple one does not; of nan nobody asks here."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OPPOSITES:
        return ast.Compare(node.left, [_OPPOSITES[type(node.ops[0])]()], node.comparators)
    return None
