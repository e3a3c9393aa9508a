"""A drawing as one HTML page: zoom, pan, and the details of a card that is pointed at or clicked.

The page holds everything that it needs and asks for nothing: the drawing, ``viewer.css`` and
``viewer.js``. It is drawn once light and once dark; the two differ in colours alone, so the page
holds one of them with the colours as variables. Knows: pictures, and what a page says beside them.
Does not know: any tool; ``render.py`` gives it the drawings. Read ``viewer.js`` next.
"""

from __future__ import annotations

import html
from importlib.resources import files

from tinygrad_edu.draw.names import edge_names
from tinygrad_edu.draw.picture import Picture
from tinygrad_edu.draw.structure import structure_of
from tinygrad_edu.draw.theme import THEMES
from tinygrad_edu.draw.web import facts_text, policy, with_variables
from tinygrad_edu.draw.words import clean

__all__ = ["html_page"]

_HELP = (
    "Drag, or arrow keys: move. Wheel, pinch, or + and −: zoom. 0: the whole drawing. "
    "Tab and Enter, or a click: a card and what it is joined to. Escape: nothing chosen."
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{note}</p>
<nav aria-label="View">
<button data-key="+" aria-label="Zoom in">+</button>
<button data-key="-" aria-label="Zoom out">−</button>
<button data-key="0">Whole</button>
<button data-key="1">1 : 1</button>
</nav>
</header>
<main id="frame" tabindex="0" aria-label="Drawing" aria-describedby="help">
{svg}</main>
<aside id="panel" aria-label="Details" aria-live="polite" \
data-hint="Point at a card, or click it."></aside>
<p id="help">{help}</p>
<script type="application/json" id="facts">{facts}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def html_page(picture: Picture, light: str, dark: str) -> str:
    """Return the page of a drawing; equal pictures give equal text.

    Parameters
    ----------
    picture : Picture
        What is drawn.
    light, dark : str
        Its SVG in both themes, by one tool, without the note: the page has it in its head.
    """
    svg, colours = with_variables(light, dark)
    variables = []
    for number, name in enumerate(("light", "dark")):
        theme = THEMES[name]
        plain = {
            "background": theme.background,
            "text": theme.text,
            "grey": theme.grey,
            "value": theme.value,
            "box": theme.box,
            "box-line": theme.box_line,
        }
        plain.update((variable, pair[number]) for variable, pair in colours.items())
        variables.append(" ".join(f"--{key}: {value};" for key, value in plain.items()))
    script = files(__package__).joinpath("viewer.js").read_text(encoding="utf-8")
    # Without what is for its readers here; no text in it spans several lines.
    lines = (line.strip() for line in script.splitlines())
    script = "\n".join(line for line in lines if not line.startswith("//"))
    return _PAGE.format(
        policy=policy(script),
        title=html.escape(clean(picture.title, 200)),
        note=html.escape(clean(picture.note, 400)),
        light=variables[0],
        dark=variables[1],
        style=files(__package__).joinpath("viewer.css").read_text(encoding="utf-8"),
        svg=svg,
        help=_HELP,
        facts=facts_text(_facts(picture)),
        script=script,
    )


def _facts(picture: Picture) -> dict[str, object]:
    """Return the names of the cards, and for each edge its id, both ends and its text."""
    structure = structure_of(picture)
    rows = zip(
        edge_names(structure.heads), structure.tails, structure.heads, picture.edges, strict=True
    )
    edges = [
        (name, tail, head, ", ".join(clean(line.text) for line in edge.lines))
        for name, tail, head, edge in rows
    ]
    return {"names": [clean(card.title) for card in picture.cards], "edges": edges}
