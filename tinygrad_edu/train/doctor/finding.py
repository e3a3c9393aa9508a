"""Findings: what the doctor returns, and how it is told.

Knows: text. Does not know: how anything was found. Read next: ``signs.py``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SEVERITIES = ("error", "warning", "note")
"""From the most severe on."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a net, a batch, a loss or an optimizer.

    Attributes
    ----------
    kind : str
        What it is, as a name: ``"dead units"``, ``"vanishing gradient"``, ...
    severity : {"error", "warning", "note"}
        Whether the net cannot learn like that, learns badly, or does what you may have wanted.
    path : str
        The layer, such as ``layers.2``, or what else it is about.
    found : str
        What was measured, in a sentence.
    fix : str
        What to do about it.
    line : str or None
        Your line, if it is another one than that of the call to the doctor.
    numbers : mapping
        What was measured, by name.
    """

    kind: str
    severity: str
    path: str
    found: str
    fix: str
    line: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.kind} in {self.path}", _wrapped(self.found)]
        lines += [f"  at {self.line}"] if self.line else []
        return "\n".join([*lines, _wrapped(f"fix: {self.fix}")])


def _wrapped(text: str) -> str:
    """Return a sentence in lines of at most a hundred characters."""
    return textwrap.fill(
        text, 100, initial_indent="  ", subsequent_indent="       ", break_on_hyphens=False
    )


def report(findings: Sequence[Finding]) -> str:
    """Return findings as text: a block each, the most severe first, and one line at the end."""
    counts = [
        f"{count} {severity}{'s' if count > 1 else ''}"
        for severity in SEVERITIES
        if (count := sum(finding.severity == severity for finding in findings))
    ]
    summary = f"gradient doctor: {', '.join(counts) or 'nothing found'}"
    return "\n\n".join([*map(str, by_severity(findings)), summary])


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the most severe first, else as they came."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def layer_of(name: str) -> str:
    """Return the path of the module that a parameter belongs to."""
    return name.rpartition(".")[0] or name


def layers_of(names: Iterable[str]) -> str:
    """Return the modules that parameters belong to as text, each once."""
    return few(list(dict.fromkeys(map(layer_of, names))))


def few(names: Sequence[str]) -> str:
    """Return names as text, at most four of them."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
