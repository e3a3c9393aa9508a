"""A Sphinx extension that writes the reference of the ops from the table itself.

The directive ``rows`` with the name of a group (a file of ``tinygrad_edu/ops``) becomes a table
with one line for each row: how it is called, what it computes, how it is differentiated, and what
holds where the derivative does not exist. ``coverage`` becomes a section for each group of the
reference, with a table of short lines: where each derivative of a row comes from, or why there is
none. ``counts`` counts them. Nothing about an op is written down here a second time.

It knows rows. It does not know pages, and how a formula is drawn (``mathml.py``).
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import tinygrad_edu
from tinygrad_edu.core.batching import how
from tinygrad_edu.core.op import BY_FUNCTION, OPS, REQUIRED, Op

HEADS = {"call": 27, "computes": 39, "derivative": 34}
"""The heads of the reference, and how wide the columns are."""

COLUMNS = {
    "row": 15,
    "first order": 15,
    "second order": 12,
    "forward mode": 12,
    "vmap": 13,
    "domain": 12,
    "ties and kinks": 21,
}
"""The heads of the overview, and how wide the columns are."""

SOURCES = {
    # kind: first order, second order, forward mode, vmap
    "elementwise": ("cotangent × slope", "the rule, recorded", "tangent × slope", ""),
    "linear": ("its adjoint", "the adjoint, recorded", "the row itself", ""),
    "op": ("a vjp for each argument", "the rule, recorded", "the vjp, transposed", ""),
    "fused": ("one fast rule", "its composite", "its composite", "its composite"),
    "composite": ("its rows",) * 4,
}
"""Where the derivatives of a row come from, by its kind."""

BATCHES = {
    None: "example by example",
    "pointwise": "one more axis in front",
    "stack": "as a stack",
    "spread": "as a stack",
    "merge": "as more of the first axis",
    "first": "one more axis in front",
    "axes": "its axes moved",
    "axis": "its axis moved",
    "reshape": "by the shape of one",
    "pick": "by the places of one",
}
"""How a row with rules is called for a whole batch, by the words of its fact `batch`."""


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


def moves(row: Op) -> bool:
    """Return whether a gradient flows through the row; a composite one says so by its pattern."""
    return row.pattern != "none" and (row.differentiable or row.kind == "composite")


def coverage(row: Op) -> dict[str, str]:
    """Return what the overview says of a row, by column: no text is empty."""
    first, second, forward, batch = SOURCES[row.kind]
    if row.kind == "op":
        if row.joint is not None:
            first = "one vjp for all arguments"
        elif len(row.arguments) == 1:
            first = "its vjp"
        forward = forward if row.jvp is None else "a jvp of its own"
    if without_gradient(row):
        first += f", none to {', '.join(without_gradient(row))}"
    if row.exempt:
        first += f"; by design not the derivative: {row.exempt}"
    broken = ", ".join(kinks(row))
    known = "; ".join(filter(None, (broken, row.policy))) or "none"
    if not moves(row):
        first = second = forward = row.policy
        known = broken or ("the jumps" if row.differentiable else "no derivative")
    if not batch:
        rule = how(row)
        batch = "a rule of its own" if callable(rule) else BATCHES[rule]
    ranges = ", ".join(domain(row)) or "all reals"
    told = (row.name, first, second, forward, batch, ranges, known)
    return dict(zip(COLUMNS, told, strict=True))


def counted() -> str:
    """Return how many rows there are, of which kinds, and what holds for how many."""
    rows = list(OPS.values())
    kinds = [f"{sum(r.kind == kind for r in rows)} {kind}" for kind in SOURCES]
    zero = [r for r in rows if not moves(r) and r.differentiable]
    none = [r for r in rows if not moves(r) and not r.differentiable]
    exempt = [r for r in rows if r.exempt and moves(r)]
    rules = [r for r in rows if not SOURCES[r.kind][3]]
    slow = [r for r in rules if how(r) is None]
    return (
        f"The table has {len(rows)} rows: {', '.join(kinds[:-1])} and {kinds[-1]}. "
        f"{len(rows) - len(zero) - len(none)} of them have a gradient, gradients of the gradient "
        f"and forward mode; of {len(exempt)} of these the gradient is, by design, not the "
        f"derivative of the value. {len(zero)} jump, with the gradient 0 between the jumps. "
        f"{len(none)} have no derivative, and say why. vmap calls {len(rules) - len(slow)} rows "
        f"once for a whole batch, {len(rows) - len(rules)} are for it the rows that they are "
        f"written in, and {len(slow)} are called example by example: "
        f"{', '.join(r.name for r in slow)}."
    )


# ------------------------------------------------------------------------------ the tables


def titled(page: str) -> list[tuple[str, str]]:
    """Return the headings of the reference, each with the group that it stands over."""
    found = re.findall(r"^## (.+)\n\n```\{rows\} (\w+)$", page, flags=re.MULTILINE)
    return [(title, group) for title, group in found]


def rows_of(directive: SphinxDirective, group: str) -> tuple[Any, list[Op]]:
    """Return the module and the rows of a group, in the order of their names."""
    if group not in groups():
        raise directive.error(f"the table has no group {group!r}, only {', '.join(groups())}")
    module = importlib.import_module(f"tinygrad_edu.ops.{group}")
    directive.env.note_dependency(inspect.getfile(module))
    directive.env.note_dependency(__file__)
    return module, sorted((r for r in OPS.values() if r.group == group), key=lambda r: r.name)


def table_of(kind: str, columns: dict[str, int], lines: Iterable[nodes.row]) -> nodes.table:
    """Return a table of a class of its own, given its heads, their widths, and its lines."""
    table = nodes.table(classes=[kind, "colwidths-given"])
    layout = nodes.tgroup(cols=len(columns))
    table += layout
    layout += [nodes.colspec(colwidth=width) for width in columns.values()]
    head, body = nodes.thead(), nodes.tbody()
    layout += [head, body]
    head += nodes.row("", *(nodes.entry("", nodes.paragraph(text=word)) for word in columns))
    body += list(lines)
    return table


class Rows(SphinxDirective):
    """The rows of one group as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sentence that the group says of itself, and its table."""
        module, rows = rows_of(self, self.arguments[0])
        about = " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split())
        table = table_of("rows", HEADS, (self.line(row) for row in rows))
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


class Coverage(SphinxDirective):
    """All rows, a short line each: what is covered, and by what."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each group; each name leads to its line in the reference."""
        reference = Path(self.env.doc2path("reference"))
        self.env.note_dependency(str(reference))
        home = self.env.app.builder.get_relative_uri(self.env.docname, "reference")
        sections: list[nodes.Node] = []
        for title, group in titled(reference.read_text(encoding="utf-8")):
            _, rows = rows_of(self, group)
            section = nodes.section("", nodes.title(text=title), ids=[group], names=[group])
            section += table_of("coverage", COLUMNS, (self.line(row, home) for row in rows))
            sections.append(section)
        return sections

    @staticmethod
    def line(row: Op, home: str = "") -> nodes.row:
        """Return one line of the table; neighbours that say the same are one cell."""
        name, *told = coverage(row).values()
        link = nodes.reference("", "", nodes.literal(text=name), refuri=f"{home}#{anchor(row)}")
        entries = [nodes.entry("", nodes.paragraph("", "", link))]
        for text, same in itertools.groupby(told):
            span = {"morecols": more} if (more := len(list(same)) - 1) else {}
            entries.append(nodes.entry("", nodes.paragraph(text=text), **span))
        return nodes.row("", *entries)


class Counts(SphinxDirective):
    """How many rows the table has, in a sentence."""

    def run(self) -> list[nodes.Node]:
        """Return the paragraph."""
        self.env.note_dependency(__file__)
        for group in groups():
            module = importlib.import_module(f"tinygrad_edu.ops.{group}")
            self.env.note_dependency(inspect.getfile(module))
        return [nodes.paragraph(text=counted())]


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
    """Register the directives."""
    app.add_directive("rows", Rows)
    app.add_directive("coverage", Coverage)
    app.add_directive("counts", Counts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
