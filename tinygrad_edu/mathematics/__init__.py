"""Mathematics as text, LaTeX and MathML: formulas, local derivatives, numbers.

Knows: rows of the table, and the Python expressions in which their derivatives are written. Does
not know: graphs, tensors, or what a formula is shown in. A local derivative is read off the rule
that runs, so what is shown is what is computed.

Read ``expression.py`` first (a Python expression as a formula), then ``source.py`` (the expression
that a function returns), ``forward.py`` and ``local.py`` (what a row computes, and its derivative),
``worth.py`` (what that comes to in numbers), ``mathml.py`` and ``figures.py``.
"""

from tinygrad_edu.mathematics.expression import Formula, formula, parsed, symbol, words
from tinygrad_edu.mathematics.figures import array_text, dims, number, number_formula, signed
from tinygrad_edu.mathematics.forward import forward_latex, minus_signs
from tinygrad_edu.mathematics.local import Local, local, local_formula, local_text, slope
from tinygrad_edu.mathematics.mathml import mathml
from tinygrad_edu.mathematics.worth import singular_somewhere, worth

__all__ = [
    "Formula",
    "Local",
    "array_text",
    "dims",
    "formula",
    "forward_latex",
    "local",
    "local_formula",
    "local_text",
    "mathml",
    "minus_signs",
    "number",
    "number_formula",
    "parsed",
    "signed",
    "singular_somewhere",
    "slope",
    "symbol",
    "words",
    "worth",
]
