"""What a row computes, as a formula with the names of variables.

Knows: rows. Does not know: numbers, or how a row is derived. Read ``local.py`` next.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinygrad_edu.core.op import Op
from tinygrad_edu.mathematics.expression import symbol

__all__ = ["forward_latex", "minus_signs"]

_LETTERS = ("x", "a", "b")
"""Names of arguments that a row's LaTeX spells as its text does; others stand for indices too."""

_TOKEN = re.compile(r"\\(?:text|mathrm|mathit|operatorname|mathsf|begin|end)\{[^}]*\}"
                    r"|\\[A-Za-z]+|\\.|.", re.DOTALL)  # fmt: skip


def forward_latex(row: Op, arguments: Sequence[str]) -> str:
    """Return the LaTeX of a row with the names of variables in place of its arguments'.

    Parameters
    ----------
    row : Op
        The row.
    arguments : sequence of str
        What its arguments are called; empty for one that is left out.
    """
    if row.variadic:
        return row.latex
    names = {
        role: symbol(name).latex
        for role, name in zip(row.arguments, arguments, strict=False)
        if role in _LETTERS and name
    }
    put = [
        f"{{{names[token]}}}" if token in names else token for token in _TOKEN.findall(row.latex)
    ]
    return "".join(put)


def minus_signs(text: str) -> str:
    """Return the text of a formula with signs of minus where it has hyphens."""
    return re.sub(r"(^|[\s(\[])-(?=[\s\w(|√.])", r"\1−", text)
