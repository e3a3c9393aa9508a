"""A short text with formulas, written once and shown as text, Markdown, LaTeX or HTML.

Knows: headings, lines, lists, and how each form escapes what is not its own. Does not know: what
is explained. Read ``explanation.py`` next.
"""

from __future__ import annotations

import html as html_rules
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinygrad_edu.draw.words import clean
from tinygrad_edu.mathematics import Formula
from tinygrad_edu.mathematics.expression import GREEK, escaped

__all__ = [
    "Block",
    "Bullets",
    "Code",
    "Heading",
    "Line",
    "Piece",
    "html",
    "latex",
    "markdown",
    "text",
]


@dataclass(frozen=True)
class Code:
    """A piece of a line in the letters of a program."""

    text: str


Piece = str | Formula | Code
"""What a line is made of: words, mathematics, a line of a program."""


@dataclass(frozen=True)
class Heading:
    """A heading."""

    text: str


@dataclass(frozen=True, init=False)
class Line:
    """A line of words and formulas."""

    pieces: tuple[Piece, ...]

    def __init__(self, *pieces: Piece) -> None:
        object.__setattr__(self, "pieces", pieces)


@dataclass(frozen=True)
class Bullets:
    """Lines that are a list."""

    lines: tuple[Line, ...]


Block = Heading | Line | Bullets

LONGEST = 2000  # characters of one piece; a user's line may be longer


def _said(piece: Piece) -> str:
    return clean(piece if isinstance(piece, str) else piece.text, LONGEST)


def _words(words: str) -> str:
    """Return words with what is harmful taken out, and the spaces at their ends kept."""
    left, right = words[: len(words) - len(words.lstrip())], words[len(words.rstrip()) :]
    return f"{left}{clean(words, LONGEST)}{right}" if words.strip() else words


def _joined(
    line: Line,
    words: Callable[[str], str],
    code: Callable[[str], str],
    formula: Callable[[Formula], str],
) -> str:
    """Return a line in one form, which says how it writes each kind of piece."""
    parts = []
    for piece in line.pieces:
        if isinstance(piece, str):
            parts.append(words(_words(piece)))
        else:
            parts.append(code(_said(piece)) if isinstance(piece, Code) else formula(piece))
    return "".join(parts)


# ------------------------------------------------------------------------------ text


def text(blocks: Sequence[Block]) -> str:
    """Return blocks for a terminal."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            lines += ["", _said(block.text)] if lines else [_said(block.text)]
        elif isinstance(block, Line):
            lines.append(f"  {_line_text(block)}")
        else:
            lines += [f"    {_line_text(line)}" for line in block.lines]
    return "\n".join(lines)


def _line_text(line: Line) -> str:
    return _joined(line, str, str, _said)


# ------------------------------------------------------------------------------ Markdown


def markdown(blocks: Sequence[Block]) -> str:
    """Return blocks as Markdown, formulas between dollars."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"#### {_marked(_said(block.text))}")
        elif isinstance(block, Line):
            parts.append(_line_markdown(block))
        else:
            parts.append("\n".join(f"- {_line_markdown(line)}" for line in block.lines))
    return "\n\n".join(parts) + "\n"


def _line_markdown(line: Line) -> str:
    return _joined(line, _marked, _ticked, lambda formula: f"${clean(formula.latex, LONGEST)}$")


def _ticked(said: str) -> str:
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", said)), default=0))
    space = " " if "`" in said else ""
    return f"{ticks}{space}{said}{space}{ticks}"


def _marked(words: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", words)


# ------------------------------------------------------------------------------ LaTeX


def latex(blocks: Sequence[Block]) -> str:
    """Return blocks as the source of a piece of a LaTeX document with amsmath and amssymb."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(rf"\paragraph{{{_escaped(_said(block.text))}}}")
        elif isinstance(block, Line):
            parts.append(rf"{_line_latex(block)}\par")
        else:
            items = "\n".join(rf"  \item {_line_latex(line)}" for line in block.lines)
            parts.append(f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}")
    return _typeset("\n".join(parts) + "\n")


def _line_latex(line: Line) -> str:
    return _joined(
        line,
        _escaped,
        lambda said: rf"\texttt{{{_escaped(said)}}}",
        lambda formula: rf"\({clean(formula.latex, LONGEST)}\)",
    )


def _escaped(words: str) -> str:
    plain = escaped(words).replace(r"\^", r"\^{}").replace(r"\~", r"\~{}")
    return plain.replace(r"\backslash ", r"\textbackslash{}")


_CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_SIGNS = {
    "−": "-", "·": r"\cdot", "×": r"\times", "∂": r"\partial", "∞": r"\infty", "√": r"\surd",
    "→": r"\to", "←": r"\leftarrow", "≈": r"\approx", "≤": r"\le", "≥": r"\ge", "≠": r"\ne",
    "∈": r"\in", "∘": r"\circ", "‖": r"\|", "′": "'",
    **{sign: rf"\{name}" for name, sign in GREEK.items()},
    **{GREEK[name.lower()].upper(): rf"\{name}" for name in _CAPITALS.split()},
}  # fmt: skip
_SIGN = re.compile(
    rf"(?P<sign>[{''.join(map(re.escape, _SIGNS))}])|(?P<letter>[A-Za-z])\u0302"
    r"|(?P<above>[ᵀⁿ⁺⁻⁰¹²³⁴-⁹]+)|(?P<below>[₀-₉ₙ]+)"
)


def _typeset(source: str) -> str:
    """Return LaTeX in which signs that only some of its fonts have are written as commands.

    They may stand among words or inside of formulas.
    """

    def written(match: re.Match[str]) -> str:
        said = unicodedata.normalize("NFKC", match[0]).replace("−", "-")
        match match.lastgroup:
            case "sign":
                said = _SIGNS[match[0]]
            case "letter":
                said = rf"\hat{{{match['letter']}}}"
            case "above":
                said = f"^{{{said}}}"
            case _:
                said = f"_{{{said}}}"
        return rf"\ensuremath{{{said}}}"

    return _SIGN.sub(written, source)


# ------------------------------------------------------------------------------ HTML


def html(blocks: Sequence[Block]) -> str:
    """Return blocks as a fragment of a page, formulas in MathML."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"<h4>{html_rules.escape(_said(block.text))}</h4>")
        elif isinstance(block, Line):
            parts.append(f"<p>{_line_html(block)}</p>")
        else:
            items = "".join(f"<li>{_line_html(line)}</li>" for line in block.lines)
            parts.append(f"<ul>{items}</ul>")
    return f'<section class="tg-explanation">{"".join(parts)}</section>'


def _line_html(line: Line) -> str:
    escape = html_rules.escape
    return _joined(
        line, escape, lambda said: f"<code>{escape(said)}</code>", lambda formula: formula.mathml
    )
