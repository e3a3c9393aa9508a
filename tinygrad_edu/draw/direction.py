"""Which way a drawing should run, so that its text can be read on a page.

It knows the sizes of our own layout, which are a little larger than those of Graphviz. Read
``layout.py`` next.
"""

from __future__ import annotations

from dataclasses import replace

from tinygrad_edu.draw.layout import lay_out
from tinygrad_edu.draw.picture import Picture, Rankdir
from tinygrad_edu.draw.theme import CORNER

__all__ = ["LEAST_PIXELS", "PAGE_PIXELS", "page_direction"]

PAGE_PIXELS = 1000  # width of a page
LEAST_PIXELS = 7  # height of the smallest letters that can be read
_MOST_CARDS = 200  # more of them never fit side by side, so nothing need be measured


def page_direction(picture: Picture) -> Rankdir:
    """Return LR, or TB where the smallest text from left to right would be below 7 pixels.

    The page is 1,000 pixels wide, and a drawing that is wider is made as wide as the page.
    """
    if len(picture.cards) > _MOST_CARDS:
        return "TB"
    width = lay_out(replace(picture, rankdir="LR")).width
    return "LR" if CORNER.size * PAGE_PIXELS / width >= LEAST_PIXELS else "TB"
