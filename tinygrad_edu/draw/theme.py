"""The look of a drawing: colours by role for light and dark pages, and the fonts of its texts.

This file knows no card and no tool. The hues of lines and fills are those of Okabe and Ito, which
stay apart for the colour-blind; texts take darker or lighter ones of the same hue, so that each is
read at a contrast of 4.5 at least on every fill that it may stand on. Read ``picture.py`` next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "CLUSTER_COUNT",
    "CLUSTER_DETAIL",
    "CLUSTER_KIND",
    "CLUSTER_TITLE",
    "CORNER",
    "NOTE",
    "TEXT_STYLES",
    "THEMES",
    "TITLE",
    "Font",
    "Role",
    "TextStyle",
    "Theme",
    "mix",
]

Role = Literal["parameter", "input", "constant", "op", "module", "output"]
TextStyle = Literal["normal", "grey", "orange", "large", "value", "red", "green"]


@dataclass(frozen=True, slots=True)
class Theme:
    """All colours of a drawing; fills and strokes by role, texts by style.

    Parameters
    ----------
    background, text, grey, edge : str
        Colours as ``#RRGGBB``.
    value, orange, alarm, added : str
        Texts: numbers of the forward pass, numbers of a gradient, what went wrong, and what a
        comparison finds new.
    gradient : str
        Lines and bars that belong to a gradient.
    box, box_line : str
        Fill and outline of a cluster.
    fill, stroke : dict
        Colours of a card by role.
    heat : tuple of str
        Five fills from cold to hot.
    """

    background: str
    text: str
    grey: str
    edge: str
    value: str
    orange: str
    alarm: str
    added: str
    gradient: str
    box: str
    box_line: str
    fill: dict[Role, str]
    stroke: dict[Role, str]
    heat: tuple[str, str, str, str, str]


THEMES: dict[str, Theme] = {
    "light": Theme(
        background="#FFFFFF",
        text="#000000",
        grey="#666666",
        edge="#777777",
        value="#00659E",
        orange="#B34700",
        alarm="#CC0000",
        added="#006B4F",
        gradient="#D55E00",
        box="#F6F8FA",
        box_line="#B4BCC6",
        fill={
            "parameter": "#D7EFE6",
            "input": "#DCEBF7",
            "constant": "#EEEEEE",
            "op": "#FFFFFF",
            "module": "#FFFFFF",
            "output": "#FFF3C4",
        },
        stroke={
            "parameter": "#009E73",
            "input": "#0072B2",
            "constant": "#888888",
            "op": "#444444",
            "module": "#444444",
            "output": "#B8860B",
        },
        heat=("#FFFFFF", "#FFEAD5", "#FFCF9F", "#FFAC62", "#F68B33"),
    ),
    "dark": Theme(
        background="#15191F",
        text="#F2F4F7",
        grey="#A9B1BC",
        edge="#98A2AE",
        value="#6CB8EA",
        orange="#FF9A4D",
        alarm="#FF8A8A",
        added="#2BC79A",
        gradient="#FF9A4D",
        box="#1D232B",
        box_line="#4B5664",
        fill={
            "parameter": "#123F34",
            "input": "#12324A",
            "constant": "#31363D",
            "op": "#242B34",
            "module": "#242B34",
            "output": "#4A3A08",
        },
        stroke={
            "parameter": "#2BC79A",
            "input": "#56A8DD",
            "constant": "#8C949E",
            "op": "#B6BEC8",
            "module": "#B6BEC8",
            "output": "#E0B13A",
        },
        heat=("#242B34", "#3B2E20", "#59391A", "#774514", "#95520E"),
    ),
}


@dataclass(frozen=True, slots=True)
class Font:
    """Size in points, weight, and the field of :class:`Theme` that holds the colour."""

    size: float
    bold: bool
    colour: Literal["text", "grey", "value", "orange", "alarm", "added"]


TEXT_STYLES: dict[TextStyle, Font] = {
    "normal": Font(11, False, "text"),
    "grey": Font(10.5, False, "grey"),
    "orange": Font(10.5, False, "orange"),
    "large": Font(16, True, "text"),
    "value": Font(11.5, True, "value"),
    "red": Font(10.5, True, "alarm"),
    "green": Font(10.5, True, "added"),
}
TITLE = Font(13, True, "text")
CORNER = Font(10, False, "grey")
CLUSTER_TITLE = Font(12, True, "text")
CLUSTER_COUNT = Font(12, True, "orange")
CLUSTER_KIND = Font(12, False, "text")
CLUSTER_DETAIL = Font(11, False, "grey")
NOTE = Font(11, False, "grey")


def mix(colour: str, other: str, share: float = 0.55) -> str:
    """Return ``colour`` moved towards ``other`` by ``share``, a fraction in [0, 1]."""
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)
