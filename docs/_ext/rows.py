"""A Sphinx extension that writes the reference of the ops from the table itself.

The directive ``rows`` with the name of a group (a file of ``tinygrad_edu/ops``) becomes a table
with one line for each row: how it is called, what it computes, how it is differentiated, and what
holds where the derivative does not exist. Nothing about an op is written down here a second time.

It knows rows. It does not know pages, and how a formula is drawn (``mathml.py``).
"""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import tinygrad_edu
from tinygrad_edu.core.op import BY_FUNCTION, OPS, REQUIRED, Op

HEADS = ("call", "computes", "derivative")


def groups() -> list[str]:
    """Return the groups of the table, in the order in which their files are read."""
    return list(dict.fromkeys(row.group for row in OPS.values()))


# ------------------------------------------------------------------------------ facts of a row


def call(row: Op) -> str:
    """Return how the row is called, such as ``sum(x, axis=None, keepdims=False)``."""
    starred = [f"*{name}" if row.variadic else name for name in row.arguments]
    shown = []
    for name in (name.lstrip("*") for name in row.order):
        if name in row.arguments:
            shown.append(starred[row.arguments.index(name)])
            shown[-1] += "=None" if name in row.optional else ""
        elif name in row.params:
            default = row.params[name]
            shown.append(name if default is REQUIRED else f"{name}={default!r}")
    return f"{row.name}({', '.join(shown)})"


def functions(row: Op) -> list[str]:
    """Return the NumPy functions that lead to the row, as they are written in code."""
    found = []
    for function, stands_for in BY_FUNCTION.items():
        if stands_for is row:
            ufunc, method = function if isinstance(function, tuple) else (function, "")
            found.append(f"np.{ufunc.__name__}" + (f".{method}" if method else ""))
    return found


def aliases(row: Op) -> list[str]:
    """Return the other public names of the row, which are PyTorch's."""
    names = vars(tinygrad_edu).items()
    return [n for n, value in names if value is row and n != row.name and not n.startswith("_")]


def derivative(row: Op) -> str:
    """Return the kind of the row, which says how derivatives of each order are found."""
    if row.kind == "composite":
        return "composite"
    if not row.differentiable or row.pattern == "none":
        return f"{row.kind}, none"
    if row.kind == "op":
        return "op, own jvp" if row.jvp is not None else "op"
    return row.kind


def without_gradient(row: Op) -> list[str]:
    """Return the arguments to which no gradient flows, of a row through which some does."""
    if not row.differentiable or row.joint is not None:
        return []
    return [name for name, rule in zip(row.arguments, row.rules, strict=True) if rule is None]


def shapes(row: Op) -> list[str]:
    """Return which axes belong together; nothing where the row has no axes of its own."""
    return [row.signature] if re.search(r"\w", row.signature) else []


def number(value: float) -> str:
    """Return a bound as it is written in mathematics."""
    return ("−" if value < 0 else "") + ("∞" if math.isinf(value) else f"{abs(value):g}")


def domain(row: Op) -> list[str]:
    """Return the intervals that the tests draw from, such as ``x in (0, ∞)``."""
    return [f"{name} in ({number(lo)}, {number(hi)})" for name, (lo, hi) in row.domain.items()]


def kinks(row: Op) -> list[str]:
    """Return where the derivative does not exist, argument by argument."""
    ties = "equal elements" if len(row.arguments) == 1 else " = ".join(row.arguments)
    return [
        ties if isinstance(points, str) else f"{name} = {', '.join(map(number, points))}"
        for name, points in row.kinks.items()
    ]


# ------------------------------------------------------------------------------ the table


class Rows(SphinxDirective):
    """The rows of one group as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sentence that the group says of itself, and its table."""
        group = self.arguments[0]
        module = importlib.import_module(f"tinygrad_edu.ops.{group}")
        self.env.note_dependency(inspect.getfile(module))
        self.env.note_dependency(__file__)
        rows = sorted((row for row in OPS.values() if row.group == group), key=lambda r: r.name)
        if not rows:
            raise self.error(f"the table has no group {group!r}, only {', '.join(groups())}")
        table = nodes.table(classes=["rows"])
        layout = nodes.tgroup(cols=len(HEADS))
        table += layout
        layout += [nodes.colspec(colwidth=width) for width in (27, 39, 34)]
        head, body = nodes.thead(), nodes.tbody()
        layout += [head, body]
        head += nodes.row("", *(nodes.entry("", nodes.paragraph(text=word)) for word in HEADS))
        body += [self.line(row) for row in rows]
        about = " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split())
        return [nodes.paragraph(text=about), table]

    def line(self, row: Op) -> nodes.row:
        """Return one line of the table."""
        name = nodes.paragraph("", "", nodes.literal(text=call(row)), ids=[anchor(row)])
        where = addnodes.index(entries=[("single", f"{row.name} (op)", anchor(row), "", None)])
        calling = [where, name, *small(("for", functions(row)), ("also", aliases(row)))]
        formula = nodes.paragraph("", "", nodes.math(text=row.latex))
        text = [formula, nodes.paragraph(text=row.doc)]
        facts = [
            nodes.paragraph("", "", nodes.strong(text=derivative(row))),
            *small(("shapes", shapes(row)), ("no gradient to", without_gradient(row))),
            *plain(
                ("tested for", domain(row)),
                ("not at", kinks(row)),
                ("policy:", [row.policy]),
                ("not the derivative, by design:", [row.exempt]),
                ("also of", ["complex numbers"] if _complex(row) else []),
            ),
        ]
        entries = (nodes.entry("", *parts) for parts in (calling, text, facts))
        return nodes.row("", *entries)


def _complex(row: Op) -> bool:
    """Return whether the row's own rules are right for complex numbers; a composite has none."""
    return row.accepts_complex and row.kind != "composite"


def anchor(row: Op) -> str:
    """Return the id of a row's line."""
    return f"op-{row.name.replace('_', '-')}"


def small(*facts: tuple[str, Iterable[str]]) -> list[nodes.Node]:
    """Return a paragraph for each fact that there is: a word, then pieces of code."""
    found = []
    for word, pieces in facts:
        codes: list[Any] = []
        for piece in pieces:
            codes += [nodes.Text(" "), nodes.literal(text=piece)]
        if codes:
            found.append(nodes.paragraph("", "", nodes.Text(word), *codes))
    return found


def plain(*facts: tuple[str, Iterable[str]]) -> list[nodes.Node]:
    """Return a paragraph for each fact that there is: a word, then what it says."""
    joined = [(word, ", ".join(filter(None, pieces))) for word, pieces in facts]
    return [nodes.paragraph(text=f"{word} {text}") for word, text in joined if text]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("rows", Rows)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
