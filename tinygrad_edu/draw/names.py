"""The ids that drawings carry: the same in DOT, in SVG and in every run.

Scripts and style sheets find the parts of a drawing by them. Nothing of a user's text is in an id.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["box_name", "card_name", "edge_names", "unit_name"]


def card_name(number: int) -> str:
    """Return the id of a card: ``n-<place in the picture>``."""
    return f"n-{number}"


def box_name(number: int) -> str:
    """Return the id of the box of a cluster: ``c-<number>``."""
    return f"c-{number}"


def unit_name(number: int) -> str:
    """Return the id of what keeps a card and its hanging ones together, which no drawing shows."""
    return f"u-{number}"


def edge_names(heads: Iterable[int]) -> list[str]:
    """Return the ids of edges that end at these cards: ``e-<card>-<which of its arguments>``."""
    used: dict[int, int] = {}
    names = []
    for head in heads:
        slot = used.get(head, 0)
        used[head] = slot + 1
        names.append(f"e-{head}-{slot}")
    return names
