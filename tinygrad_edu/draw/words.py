"""Texts of users as one line or several that every drawing can hold.

What is cleaned here is still to be escaped by the rules of each format, which its own file knows.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["LINE_LIMIT", "TOOLTIP_LIMIT", "a_kind", "clean", "clean_lines", "counted"]

# Longer texts are cut with an ellipsis; the tooltip has room for the rest.
LINE_LIMIT = 48
TOOLTIP_LIMIT = 2000

# What XML forbids, control characters, halves of characters, and what turns the direction of the
# text around: whoever reads the drawing should see that something stands there.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str, limit: int = LINE_LIMIT) -> str:
    """Return ``text`` as one line that any drawing can hold, cut with an ellipsis at ``limit``.

    White space becomes single blanks; what XML forbids and what would turn the direction of the
    text around becomes U+FFFD.
    """
    line = _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", " ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def clean_lines(text: str, limit: int = TOOLTIP_LIMIT) -> str:
    """Return ``text`` with its line ends kept, otherwise like :func:`clean`; for tooltips."""
    lines = (clean(line, limit) for line in text[: 2 * limit].splitlines())
    joined = "\n".join(lines).strip("\n")
    return joined if len(joined) <= limit else joined[: limit - 1] + "…"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 leaf``, ``2,310 leaves``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def a_kind(value: Any) -> str:
    """Return what a value is, for an error: ``a Tensor``, ``an ndarray``, ``None``."""
    name = type(value).__name__
    if value is None:
        return "None"
    return f"{'an' if name[0].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"
