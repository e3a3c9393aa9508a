"""A page of HTML that asks nobody for anything: pictures and style are inside, and no script.

Each picture is there twice, for light and for dark pages; the reader's browser takes one.

Knows: HTML, and the colours of pictures. Does not know: runs, or what a picture is about.
Read next: ``report.py``, which makes such a page.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_edu.cli.wrong import Wrong
from tinygrad_edu.plots import LOOKS

__all__ = [
    "THEMES",
    "Picture",
    "duration",
    "folded",
    "numbers",
    "page",
    "place",
    "section",
    "table",
]

THEMES = tuple(LOOKS)
SMALLEST = 0.62
"""Of its own size a picture is drawn at on a narrow screen; what does not fit is scrolled to."""


def place(out: str | None, usual: Path) -> Path:
    """Return where a page is to be written, before work is done that would be lost.

    Parameters
    ----------
    out : str, optional
        What was typed.
    usual : path
        Where else.

    Raises
    ------
    Wrong
        It is a folder, or in one that is not there, or its name says that it is no page.
    """
    path = usual if out is None else Path(out)
    if path.suffix.lower() not in (".html", ".htm") and not path.is_dir():
        raise Wrong(f"--out {path}: this is a page of HTML; name it {path.stem}.html")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise Wrong(f"--out {path}: name a file in a folder that is there, such as {usual.name}")
    return path


class Picture(NamedTuple):
    """A picture in each theme as SVG, what is said instead of it, and what is to be seen."""

    svgs: Mapping[str, str]
    alt: str
    caption: str


def figure(picture: Picture) -> str:
    """Return a picture with its caption; a wide one is scrolled, not shrunk until unreadable."""
    light, dark = (_data(picture.svgs[theme]) for theme in THEMES)
    width, height = _size(picture.svgs["light"])
    alt = escape(picture.alt)
    return (
        f"<figure><div class=scroll {scrolled('picture')}><picture>"
        f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" width="{width}" height="{height}" alt="{alt}" '
        f'style="min-width:{round(SMALLEST * width)}px">'
        f"</picture></div><figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def scrolled(what: str) -> str:
    """Return what makes a part that scrolls reachable by the keyboard."""
    return f'tabindex="0" role="group" aria-label="{escape(what)}, scrolls sideways"'


def _data(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _size(svg: str) -> tuple[int, int]:
    """Return width and height of an SVG in CSS pixels."""
    head = svg[: svg.index(">", svg.index("<svg"))]
    sides = []
    for name in ("width", "height"):
        found = re.search(rf'\b{name}="([\d.]+)(pt|px|)"', head)
        if found is None:
            box = re.search(r'viewBox="[\d.+-]+ [\d.+-]+ ([\d.]+) ([\d.]+)"', head)
            sides.append(float(box[1 if name == "width" else 2]) if box else 700.0)
        else:
            sides.append(float(found[1]) * (4 / 3 if found[2] == "pt" else 1))
    return round(sides[0]), round(sides[1])


def table(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    """Return a table of names and values."""
    cells = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(shown(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"


def folded(summary: str, inside: str, what: str) -> str:
    """Return a part of the page that is opened by its summary, and scrolls if it is wide."""
    return (
        f"<details><summary>{escape(summary)}</summary>"
        f"<div class=scroll {scrolled(what)}>{inside}</div></details>"
    )


def numbers(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as a table: a row for each, a column for each name in any of them.

    Lists and tables inside, such as the accuracy of every class, are left out.
    """
    names = list(dict.fromkeys(n for r in records for n in r if not isinstance(r[n], (list, dict))))
    head = "".join(f"<th scope=col>{escape(name.replace('_', ' '))}</th>" for name in names)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(shown(r.get(name)))}</td>" for name in names) + "</tr>"
        for r in records
    )
    return f"<table class=numbers><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def shown(value: Any) -> str:
    """Return a value as it is written in a table."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def duration(seconds: float) -> str:
    """Return a length of time in the units that fit it."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _style() -> str:
    """Return the style of the page, in the colours of its pictures."""
    rules = []
    for theme, look in LOOKS.items():
        names = {
            "page": look.background, "text": look.text, "grey": look.grey, "line": look.grid,
            "accent": look.palette[0],
        }  # fmt: skip
        colours = ":root{" + "".join(f"--{name}:{value};" for name, value in names.items()) + "}"
        rules.append(
            colours if theme == "light" else f"@media (prefers-color-scheme: {theme}){{{colours}}}"
        )
    return "\n".join(rules) + STYLE


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page, in the colours of the pictures, light or dark as the reader's browser.

    Parameters
    ----------
    title : str
        Of the browser's window.
    parts : iterable of str
        What is on it, as HTML; empty ones are left out.
    """
    body = "\n".join(filter(None, parts))
    return PAGE.format(title=escape(title), style=_style(), body=body)


def section(title: str, parts: Iterable[Picture | str | None]) -> str:
    """Return a part of a page with a heading, or nothing if nothing is in it."""
    inside = [figure(part) if isinstance(part, Picture) else part for part in parts if part]
    if not inside:
        return ""
    body = "\n".join(inside)
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


STYLE = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem 1rem 4rem;background:var(--page);color:var(--text);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:1rem 0 0;line-height:1.2}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
.lead{color:var(--grey);margin:.3rem 0 1rem}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1rem 0}
.facts div{display:flex;flex-direction:column}
.facts dd{margin:0;font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums}
.facts dt{color:var(--grey);font-size:.85rem}
.facts div:first-child dd{color:var(--accent)}
figure{margin:1.5rem 0}
.scroll{overflow-x:auto}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
img{display:block;max-width:100%;height:auto}
figcaption{color:var(--grey);font-size:.9rem;max-width:46rem;margin-top:.4rem}
table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid var(--line);
vertical-align:top;font-weight:400}
th{color:var(--grey)}
.numbers{white-space:nowrap;font-variant-numeric:tabular-nums}
.tables{display:flex;flex-wrap:wrap;gap:1rem 3rem;align-items:flex-start}
summary{cursor:pointer;padding:.4rem 0}
pre{font-size:.8rem;line-height:1.35;margin:.5rem 0}
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
