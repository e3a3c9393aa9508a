r"""LaTeX as MathML, for the part of LaTeX in which formulas of rows are written.

Knows: commands and groups of LaTeX's mathematics. Does not know: rows. A browser draws MathML
without a script or a font of ours. A command that is not known here is an error that names it, so
that no formula is shown in part.
"""

# ruff: noqa: RUF001 - signs of mathematics that look like letters are what this file is about
from __future__ import annotations

import re
from html import escape
from typing import Literal

from tinygrad_edu.errors import DiagramError

__all__ = ["mathml"]

NAMESPACE = "http://www.w3.org/1998/Math/MathML"

_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "varepsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "varsigma": "ς", "sigma": "σ", "tau": "τ", "upsilon": "υ",
    "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "epsilon": "ϵ", "phi": "ϕ", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ",
    "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "infty": "∞",
    "partial": "∂", "nabla": "∇", "ell": "ℓ", "top": "⊤", "emptyset": "∅",
}  # fmt: skip
_OPERATORS = {
    "le": "≤", "ge": "≥", "ne": "≠", "neq": "≠", "ll": "≪", "gg": "≫", "sim": "∼", "approx": "≈",
    "in": "∈", "notin": "∉", "pm": "±", "times": "×", "cdot": "·", "odot": "⊙", "oplus": "⊕",
    "otimes": "⊗", "land": "∧", "lor": "∨", "lnot": "¬", "veebar": "⊻", "to": "→", "cap": "∩",
    "cup": "∪", "setminus": "∖", "triangle": "△", "forall": "∀", "exists": "∃", "ldots": "…",
    "cdots": "⋯", "mid": "∣", "equiv": "≡", "leftarrow": "←", "star": "⋆", "&": "&", "%": "%",
    "#": "#", "_": "_", "$": "$",
}  # fmt: skip
_FENCES = {
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "lVert": "‖", "rVert": "‖",
    "langle": "⟨", "rangle": "⟩", "|": "‖", "{": "{", "}": "}",
}  # fmt: skip
_LARGE = {"sum": "∑", "prod": "∏"}
_FUNCTIONS = {
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "ln", "log", "exp",
    "det", "arg", "gcd", "ker", "dim",
}  # fmt: skip
_LIMITS = {"max", "min", "lim", "sup", "inf"}
_SPACES = {",": 0.17, ";": 0.28, ":": 0.22, " ": 0.25, "!": -0.17, "quad": 1.0, "qquad": 2.0}
_BIG = {"Bigl", "Bigr", "bigl", "bigr", "big", "Big"}
_ALPHABETS = {
    "mathbb": {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "C": "ℂ", "E": "𝔼", "1": "𝟙", "P": "ℙ"},
    "mathcal": {"N": "𝒩", "L": "ℒ", "F": "ℱ", "A": "𝒜", "B": "ℬ", "D": "𝒟", "U": "𝒰"},
}
_TEXTUAL = {"text", "mathrm", "operatorname", "mathit", "mathsf", "mathbf", "textbf"}

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What XML does not allow; it can come in by the name of a variable."""

_SIGNS = ("<mo>−</mo>", "<mo>+</mo>")
_CLOSING = tuple(f">{sign}</mo>" for sign in ")]|⌋⌉‖⟩}…")
"""After these, a sign stands between two parts; after any other operator it belongs to one."""

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)


def mathml(latex: str, display: Literal["inline", "block"] = "inline") -> str:
    """Return a formula of LaTeX as a ``<math>`` element.

    Parameters
    ----------
    latex : str
        Without dollars.
    display : {"inline", "block"}
        Within a line of text, or on a line of its own.

    Raises
    ------
    DiagramError
        The formula has a command that is not known here, or a group that does not end.
    """
    parser = _Parser(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", latex))
    body = parser.row(end=None)
    attributes = f'xmlns="{NAMESPACE}" display="{display}" displaystyle="true"'
    return f"<math {attributes}><mrow>{body}</mrow></math>"


class _Parser:
    """Reads one formula from left to right; each method leaves `at` behind what it has read."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = _TOKEN.findall(latex)
        self.at = 0

    def fail(self, problem: str) -> DiagramError:
        """Return the error about this formula."""
        return DiagramError(
            f"mathml: {problem}, in the formula {self.latex}\n"
            "  fix: write it with the commands that mathematics/mathml.py knows, or add it there"
        )

    def peek(self) -> str | None:
        """Return the next token that is no space, or None at the end."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> str:
        """Return the next token and go on."""
        token = self.peek()
        if token is None:
            raise self.fail("it ends too early")
        self.at += 1
        return token

    def row(self, end: str | None) -> str:
        """Return the elements up to a token, which is taken too; up to the end for None."""
        found: list[str] = []
        while True:
            token = self.peek()
            if token is None and end is not None:
                raise self.fail(f"{end} is missing")
            if token == end:
                self.at += token is not None
                return "".join(found)
            element = self.scripted()
            before = found[-1] if found else "</mo>"
            if element in _SIGNS and before.endswith("</mo>") and not before.endswith(_CLOSING):
                element = element.replace("<mo>", '<mo form="prefix">')
            found.append(element)

    def scripted(self) -> str:
        """Return the next element with what stands above and below it."""
        limits = self.peek() in {rf"\{name}" for name in (*_LARGE, *_LIMITS)}
        base = self.element()
        below = above = ""
        primes = 0
        while (token := self.peek()) in ("_", "^", "'"):
            self.at += 1
            if token == "'":
                primes += 1
            elif (below if token == "_" else above) != "":
                raise self.fail(f"there are two {token} after one sign")
            elif token == "_":
                below = self.argument()
            else:
                above = self.argument()
        if primes:
            mark = f"<mo>{'′' * primes}</mo>"
            above = f"<mrow>{mark}{above}</mrow>" if above else mark
        under, over, both = (
            ("munder", "mover", "munderover") if limits else ("msub", "msup", "msubsup")
        )
        if below and above:
            return f"<{both}>{base}{below}{above}</{both}>"
        if below:
            return f"<{under}>{base}{below}</{under}>"
        return f"<{over}>{base}{above}</{over}>" if above else base

    def argument(self) -> str:
        """Return what a command applies to: a group, or one sign."""
        if self.peek() == "{":
            self.at += 1
            return f"<mrow>{self.row('}')}</mrow>"
        token = self.peek()
        if token is not None and token.isdigit():  # one digit only, as in x_12
            self.at += 1
            return f"<mn>{token}</mn>"
        return self.element()

    def raw(self) -> str:
        """Return the text of a group, or of the one sign that stands for it, as it is written."""
        if (token := self.take()) != "{":
            return token
        depth = 1
        parts: list[str] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            depth += (token == "{") - (token == "}")
            if not depth:
                text = "".join(parts)
                text = text.replace("\\backslash ", "\\")
                return re.sub(r"\\([_{}%$#&^~, ])", r"\1", text)
            parts.append(token)
        raise self.fail("} is missing")

    def element(self) -> str:
        """Return one sign, group or command with its arguments."""
        token = self.take()
        if token == "{":
            return f"<mrow>{self.row('}')}</mrow>"
        if token.startswith("\\"):
            return self.command(token[1:])
        if token.isdigit():
            rest = re.match(r"\d*(?:\.\d+)?", "".join(self.tokens[self.at : self.at + 40]))
            digits = rest[0] if rest else ""
            self.at += len(digits)
            return f"<mn>{token}{digits}</mn>"
        if token.isalpha() or token == "∞":
            return f"<mi>{token}</mi>"
        if token in "()[]|":
            return _fence(token)
        if token in "}&":
            raise self.fail(f"there is a {token} that nothing has begun")
        if token in "_^":
            raise self.fail(f"there is nothing before a {token}")
        return f"<mo>{escape(token.replace('-', '−'))}</mo>"

    def command(self, name: str) -> str:
        """Return what a command stands for."""
        if name in _LETTERS:
            upright = ' mathvariant="normal"' if not _LETTERS[name].islower() else ""
            return f"<mi{upright}>{_LETTERS[name]}</mi>"
        if name in _OPERATORS:
            return f"<mo>{escape(_OPERATORS[name])}</mo>"
        if name in _FENCES:
            return _fence(_FENCES[name])
        if name in _SPACES:
            return f'<mspace width="{_SPACES[name]}em"/>'
        if name in _LARGE:
            return f'<mo movablelimits="true">{_LARGE[name]}</mo>'
        if name == "int":
            return "<mo>∫</mo>"
        if name in _FUNCTIONS or name in _LIMITS:
            return self.applied(name, limits=name in _LIMITS)
        if name in _TEXTUAL:
            return self.textual(name)
        if name in _ALPHABETS:
            letter = self.raw()
            if letter not in _ALPHABETS[name]:
                raise self.fail(rf"\{name} has no letter {letter}")
            return f"<mi>{_ALPHABETS[name][letter]}</mi>"
        if name in ("frac", "tfrac", "dfrac"):
            return f"<mfrac>{self.argument()}{self.argument()}</mfrac>"
        if name == "sqrt":
            return self.root()
        if name in ("bar", "overline", "hat", "tilde"):
            mark = {"bar": "¯", "overline": "¯", "hat": "^", "tilde": "~"}[name]
            return f'<mover accent="true">{self.argument()}<mo>{mark}</mo></mover>'
        if name == "bmod":
            return '<mspace width="0.22em"/><mi>mod</mi><mspace width="0.22em"/>'
        if name in _BIG:
            return self.fence_after(name, stretchy=True)
        if name == "left":
            return self.enclosed()
        if name == "begin":
            return self.cases()
        raise self.fail(rf"the command \{name} is not known")

    def applied(self, name: str, limits: bool = False) -> str:
        """Return a function's name, with a small space if no bracket follows."""
        attribute = ' movablelimits="true"' if limits else ""
        head = f"<mo{attribute}>{name}</mo>" if limits else f"<mi>{escape(name)}</mi>"
        if limits or self.peek() in (None, "(", "_", "^", r"\left", "}", "{", "[", ")", ",", "|"):
            return head
        return f'<mrow>{head}<mo>&#x2061;</mo><mspace width="0.17em"/></mrow>'

    def textual(self, name: str) -> str:
        """Return letters that stand together, as words or as one name."""
        text = self.raw()
        shown = escape(text)
        if name in ("text", "textbf"):
            # A space at an end would be dropped.
            shown = re.sub(r"^ | $", "\N{NO-BREAK SPACE}", shown)
            return f"<mtext>{shown}</mtext>"
        if name == "operatorname":
            return self.applied(text)
        if name == "mathit":
            return f'<mi style="font-style:italic">{shown}</mi>'
        if name == "mathsf":
            return f'<mi mathvariant="normal" style="font-family:sans-serif">{shown}</mi>'
        if name == "mathbf":
            return f'<mi mathvariant="normal" style="font-weight:bold">{shown}</mi>'
        return f'<mi mathvariant="normal">{shown}</mi>'

    def root(self) -> str:
        """Return a root, of a degree if one is given in brackets."""
        if self.peek() == "[":
            self.at += 1
            degree = self.row("]")
            return f"<mroot>{self.argument()}<mrow>{degree}</mrow></mroot>"
        return f"<msqrt>{self.argument()}</msqrt>"

    def fence_after(self, name: str, stretchy: bool) -> str:
        """Return the bracket that follows a command; none for a dot."""
        token = self.take()
        sign = _FENCES.get(token[1:]) if token.startswith("\\") else token
        if sign == ".":
            return ""
        if sign is None or (len(token) == 1 and token not in "()[]|/"):
            raise self.fail(rf"after \{name} there is no bracket but {token}")
        return _fence(sign, stretchy)

    def enclosed(self) -> str:
        r"""Return what is between ``\left`` and its ``\right``."""
        left = self.fence_after("left", stretchy=True)
        body = self.row(r"\right")
        return f"<mrow>{left}{body}{self.fence_after('right', stretchy=True)}</mrow>"

    def cases(self) -> str:
        r"""Return the rows between ``\begin{cases}`` and its end."""
        kind = self.raw()
        if kind != "cases":
            raise self.fail(rf"the command \begin{{{kind}}} is not known")
        rows: list[list[str]] = [[""]]
        while (token := self.peek()) != r"\end":
            if token is None:
                raise self.fail(r"\end{cases} is missing")
            if token in ("&", r"\\"):
                self.at += 1
                if token == "&":
                    rows[-1].append("")
                else:
                    rows.append([""])
            else:
                rows[-1][-1] += self.scripted()
        self.at += 1
        if self.raw() != kind:
            raise self.fail(r"\end{cases} is missing")
        cell = '<mtd style="text-align:left">{}</mtd>'
        table = "".join(
            f"<mtr>{''.join(cell.format(f'<mrow>{each}</mrow>') for each in row)}</mtr>"
            for row in rows
        )
        return f"<mrow>{_fence('{', True)}<mtable>{table}</mtable></mrow>"


def _fence(sign: str, stretchy: bool = False) -> str:
    return f'<mo stretchy="{str(stretchy).lower()}">{sign}</mo>'
