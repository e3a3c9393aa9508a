"""The directive ``{figures} NAME``: what an experiment found, beside what its source says.

Knows: the JSON files that ``examples/book`` writes. Without a name it makes one table of all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[1] / "book" / "results"


def shown(value: Any) -> str:
    """Return a figure as text: numbers with six digits."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def accepted(bounds: list[float | None] | None) -> str:
    """Return the interval that is accepted as text."""
    if bounds is None:
        return "–"
    low, high = bounds
    if low is not None and shown(low) == shown(high):
        return f"= {shown(low)}"
    if low is None:
        return f"≤ {shown(high)}"
    return f"≥ {shown(low)}" if high is None else f"{shown(low)} to {shown(high)}"


class Figures(SphinxDirective):
    """A table of figures: number, what, the source's, ours, what is accepted."""

    optional_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the table, and one line on the run."""
        one = bool(self.arguments)
        names = self.arguments or sorted(path.stem for path in RESULTS.glob("*.json"))
        heads = ["number", "what", "in the source", "ours", "accepted"]
        rows: list[list[str]] = []
        said: list[list[nodes.Node]] = []
        for name in names:
            path = RESULTS / f"{name}.json"
            self.env.note_dependency(str(path))
            found = json.loads(path.read_text(encoding="utf-8"))
            said.append(
                [
                    nodes.Text(f"Seed {found['seed']}, {found['seconds']:g} s of processor time: "),
                    nodes.literal("", f"python examples/book/{name}.py --out docs/book/results"),
                ]
            )
            for figure in found["figures"]:
                if one or figure["number"] is not None:
                    what = figure["what"] if one else f"{name}: {figure['what']}"
                    cells = [figure["number"] or "–", what, shown(figure["source"])]
                    rows.append([*cells, shown(figure["ours"]), accepted(figure["accept"])])
        if not one:
            rows.sort(key=_place)
        table = _table(heads, rows)
        return [table, nodes.paragraph("", "", *said[0])] if one else [table]


def _place(row: list[str]) -> tuple[int, int]:
    """Return where a figure comes: first the articles', then the book's, each by its number."""
    number = row[0].partition(",")[0]  # of several, the first
    return "SABEFN".index(number[0]), int(number[1:])


def _table(heads: list[str], rows: list[list[str]]) -> nodes.table:
    """Return a table of plain text."""
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=width) for width in (8, 34, 22, 22, 14)]
    head, body = nodes.thead(), nodes.tbody()
    for part, lines in ((head, [heads]), (body, rows)):
        for line in lines:
            row = nodes.row()
            row += [nodes.entry("", nodes.paragraph("", text)) for text in line]
            part += row
    group += [head, body]
    return nodes.table("", group, classes=["figures"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("figures", Figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
