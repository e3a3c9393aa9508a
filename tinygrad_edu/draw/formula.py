"""The formula of one node: its row's, with the names of the tensors and the values of parameters.

Knows: rows and names. Does not know: cards. Read next: ``cards.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.op import REQUIRED
from tinygrad_edu.draw.numbers import indexed, short
from tinygrad_edu.mathematics import minus_signs

__all__ = ["filled", "formula", "parameters"]

_WORD = re.compile(r"(?<![A-Za-z0-9_.])[A-Za-z_][A-Za-z0-9_]*")
_TIMES_ONE = re.compile(r"·1(?![0-9.])")
_IDENTITY = re.compile(r"identity\((.*)\)")  # what an activation of None is called
_SAME_NAME = re.compile(r", (\w+): \1$")  # a letter that stands for a variable of its own name
_NEUTRAL = {"stride": 1, "dilation": 1, "groups": 1, "padding": 0, "pool": 1}
_LISTED = 4  # arrays of a variadic row that are named one by one


def formula(node: Node, arguments: Sequence[str]) -> str:
    """Return what a node computes, in the names of its arguments; ``""`` where the row has none."""
    op: Any = node.op
    if op.variadic:
        shown = [*arguments[:_LISTED], *(["..."] if len(arguments) > _LISTED else [])]
        names = {op.arguments[0]: ", ".join(shown)}
    else:
        names = {name: text for name, text in zip(op.arguments, arguments, strict=True) if text}
    params = node.params
    if "activation" in op.params and params.get("activation") is None:
        params = {**params, "activation": "identity"}
    text = filled(op.formula, {**_values(params), **names})
    text = _TIMES_ONE.sub("", text)
    text = _SAME_NAME.sub("", text)
    alone = _IDENTITY.fullmatch(text)
    return minus_signs(alone[1] if alone else text)


def filled(text: str, names: Mapping[str, str]) -> str:
    """Return a formula with whole words replaced; a negative number gets parentheses."""

    def put(match: re.Match[str]) -> str:
        name = names.get(match[0], match[0])
        alone = text[: match.start()][-1:] in ("", "[") and text[match.end() :][:1] in ("", "]")
        return f"({name})" if name.startswith("-") and not alone else name

    return _WORD.sub(put, text)


def parameters(node: Node) -> str:
    """Return the parameters of a call that are not the row's defaults, nor in its formula."""
    op: Any = node.op
    said = set(_WORD.findall(op.formula)) & set(_values(node.params))
    shown = [
        f"{name}={short(_once(value))}"
        for name, value in node.params.items()
        if value is not None
        and value is not False
        and name not in said
        and not _same(value, op.params.get(name))
        and not _same(_once(value), _NEUTRAL.get(name))
    ]
    return ", ".join(shown)


def _once(value: Any) -> Any:
    """Return a size that is the same along all axes once: 2 for ``(2, 2)``."""
    alike = isinstance(value, tuple) and len(value) > 1 and len(set(map(repr, value))) == 1
    return value[0] if alike else value


def _values(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that a formula can say in place of their names."""
    found = {}
    for name, given in params.items():
        value = _once(given)
        if name == "index":
            found[name] = indexed(given)
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            found[name] = value if isinstance(value, str) else short(value)
    return {name: text for name, text in found.items() if len(text) <= 24}


def _same(value: Any, default: Any) -> bool:
    """Return whether a parameter has its default; an array never counts as one."""
    if default is REQUIRED or type(value) is not type(default):
        return False
    try:
        return bool(value == default)
    except ValueError:
        return False
