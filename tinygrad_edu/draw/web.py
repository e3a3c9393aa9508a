"""What both kinds of page share: a rule against requests, facts inside HTML, colours of two themes.

Knows: HTML, and which colours a drawing has. Does not know: what is on a page. Read
``html_form.py`` next, a drawing as a page; ``explain/page.py`` is a graph told step by step.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

__all__ = ["facts_text", "policy", "with_variables"]

_COLOUR = re.compile(r'(?<==")#[0-9A-Fa-f]{6}(?=")')
_ENDING = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def policy(script: str) -> str:
    """Return the content-security policy of a page that asks for nothing and runs one script.

    Parameters
    ----------
    script : str
        The text of the script, to the last blank as it stands in the page.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def facts_text(facts: Any) -> str:
    """Return facts, whose texts are clean, as JSON that cannot end the element which holds it."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return "".join(_ENDING.get(sign, sign) for sign in text)


def with_variables(light: str, dark: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return a drawing with variables for its colours, and the two colours of each variable.

    Parameters
    ----------
    light, dark : str
        The SVG of one picture in both themes, which differ in colours alone. A text that looks
        like a colour is the same in both, and stays.
    """
    others = iter(_COLOUR.findall(dark))
    names: dict[tuple[str, str], str] = {}

    def variable(match: re.Match[str]) -> str:
        pair = match[0], next(others)
        if pair[0] == pair[1]:
            return match[0]
        return f"var(--{names.setdefault(pair, f'c{len(names)}')})"

    svg = _COLOUR.sub(variable, light)
    return svg, {name: pair for pair, name in names.items()}
