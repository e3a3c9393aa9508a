"""What a diagram shows: cards, edges and clusters, as plain data.

This file knows nothing of tensors or ops, and nothing of DOT or SVG: it is the seam between them.
A function that reads a graph fills a :class:`Picture`; ``structure.py`` finds its order and its
backbone; ``dot.py`` and ``layout.py`` turn it into a drawing; the colours are from ``theme.py``.
Read ``structure.py`` next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from tinygrad_edu.draw.theme import THEMES, Font, Role, TextStyle, Theme, mix
from tinygrad_edu.errors import DiagramError

__all__ = [
    "BINS",
    "LEGEND",
    "ROLES",
    "Bar",
    "Card",
    "Change",
    "Cluster",
    "Edge",
    "EdgeStyle",
    "Histogram",
    "LegendEntry",
    "Line",
    "Picture",
    "Rankdir",
    "Strength",
    "swatch_card",
    "swatch_edge",
    "swatch_text",
]

EdgeStyle = Literal["data", "parameter", "constant", "gradient", "absent"]
Strength = Literal["normal", "vanishing", "exploding", "nan or inf"]
Change = Literal["added", "removed", "changed"]
Rankdir = Literal["LR", "TB"]
LegendEntry = Literal[
    "parameter",
    "input",
    "constant",
    "op",
    "module",
    "output",
    "frozen",
    "nonfinite",
    "pale",
    "gradient",
    "absent",
    "vanishing",
    "exploding",
    "value",
    "rate",
    "recurrent",
    "heat",
    "added",
    "removed",
    "changed",
]

ROLES: tuple[Role, ...] = get_args(Role)
BINS = 12  # bars of a histogram

# One row an entry: the word that the legend writes.
LEGEND: dict[LegendEntry, str] = {
    "input": "input",
    "parameter": "parameter",
    "constant": "constant, no gradient",
    "op": "operation",
    "module": "module",
    "output": "output",
    "frozen": "frozen parameter",
    "nonfinite": "nan or inf inside",
    "pale": "context, drawn back",
    "gradient": "gradient, flows back",
    "absent": "gradient not computed",
    "vanishing": "dotted: gradient below 1e−7 of the largest",
    "exploding": "red: gradient above 1,000, or nan",
    "value": "blue number: value",
    "rate": "orange number: gradient; ×: local derivative",
    "recurrent": "goes back, to the next step",
    "heat": "the more orange, the larger its share",
    "added": "added",
    "removed": "removed",
    "changed": "changed",
}


# -------------------------------------------------------------------------------------- the picture


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text and the style that it is written in."""

    text: str
    style: TextStyle = "normal"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Twelve bars with an optional caption beside them.

    Parameters
    ----------
    heights : tuple of float, length 12
        Heights relative to one another; any non-negative scale.
    role : {"value", "gradient"}
        Values take the outline colour of their card, gradients are orange.
    caption : Line, optional
        Text at the right of the bars.
    """

    heights: tuple[float, ...]
    role: Literal["value", "gradient"] = "value"
    caption: Line | None = None

    def __post_init__(self) -> None:
        """Refuse a wrong number of bars and heights that cannot be drawn."""
        if len(self.heights) != BINS:
            raise DiagramError(f"a histogram has {BINS} bars, {len(self.heights)} were given")
        if not all(0 <= height < float("inf") for height in self.heights):
            raise DiagramError(f"heights must be finite and not negative, got {self.heights}")

    def pixels(self, full: int) -> tuple[int, ...]:
        """Return the whole-pixel height of each bar, at least 1, the highest ``full``."""
        highest = max(self.heights)
        if highest == 0:
            return (1,) * BINS
        return tuple(max(1, round(full * (height / highest))) for height in self.heights)


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar: a share with a caption, for the heat of a module.

    Parameters
    ----------
    share : float
        Fraction of the whole, in [0, 1].
    caption : Line
        Text at the right, which says the number: colour and length are never alone.
    role : {"value", "gradient"}
        Blue or orange.
    """

    share: float
    caption: Line
    role: Literal["value", "gradient"] = "gradient"

    def __post_init__(self) -> None:
        """Refuse a share that is not one."""
        if not 0 <= self.share <= 1:
            raise DiagramError(f"the share of a bar is a fraction in [0, 1], got {self.share}")


@dataclass(frozen=True, slots=True)
class Card:
    """One node of the drawing.

    Parameters
    ----------
    id : str
        The name that edges use; it is never written into the drawing.
    role : {"parameter", "input", "constant", "op", "module", "output"}
        Decides colour, shape and where the card may stand.
    title : str
        Name in bold.
    corner : str
        The word in the upper right corner, usually the role.
    lines : tuple of Line
        Text below the title.
    values : tuple of tuple of str
        Rows of a small grid of numbers; all rows of one length.
    histograms : tuple of Histogram
        Drawn one below the other.
    bars : tuple of Bar
        Drawn below the histograms.
    tooltip : str
        Full text shown on hovering; built from the rest when empty.
    cluster : str, optional
        ``id`` of the innermost cluster that holds the card.
    frozen : bool
        A parameter that is not trained: grey outline and the word "frozen".
    nonfinite : int
        How many values are nan or inf; more than 0 gives a red double border and the count.
    heat : int, optional
        Step 0 (cold) to 4 (hot) of the fill.
    pale : bool
        Drawn back, for a part of the picture that is only context.
    change : {"added", "removed", "changed"}, optional
        What a comparison says of it: an outline of its own; the word stands among the lines.
    members : tuple of str
        Where equal cards are folded into this one, the ``id`` of each of them, its own the first.
    """

    id: str
    role: Role
    title: str
    corner: str = ""
    lines: tuple[Line, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()
    histograms: tuple[Histogram, ...] = ()
    bars: tuple[Bar, ...] = ()
    tooltip: str = ""
    cluster: str | None = None
    frozen: bool = False
    nonfinite: int = 0
    heat: int | None = None
    pale: bool = False
    change: Change | None = None
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no drawing could show."""
        if self.role not in ROLES:
            raise DiagramError(
                f"card {self.id!r}: role {self.role!r} is none of {', '.join(ROLES)}"
            )
        if len({len(row) for row in self.values}) > 1:
            raise DiagramError(f"card {self.id!r}: the rows of values differ in length")
        if self.change not in (None, *get_args(Change)):
            raise DiagramError(
                f"card {self.id!r}: {self.change!r} is none of {', '.join(get_args(Change))}"
            )
        if self.heat is not None and self.heat not in range(5):
            raise DiagramError(f"card {self.id!r}: heat is a step from 0 to 4, got {self.heat}")

    @property
    def centred(self) -> bool:
        """Whether texts stand in the middle: ops, and cards that have only a title."""
        return self.role == "op" or not (
            self.corner_text or self.lines or self.histograms or self.bars or self.values
        )

    @property
    def corner_text(self) -> str:
        """The corner word; a frozen card says so even without colours."""
        if self.frozen and "frozen" not in self.corner:
            return f"{self.corner}, frozen" if self.corner else "frozen"
        return self.corner

    @property
    def dash(self) -> Literal["solid", "dashed"]:
        """How the outline is broken."""
        return "dashed" if self.change == "removed" else "solid"

    @property
    def body(self) -> tuple[Line, ...]:
        """The lines as they are drawn: with the count of nan and inf when there are any."""
        if not self.nonfinite:
            return self.lines
        noun = "value is" if self.nonfinite == 1 else "values are"
        return (*self.lines, Line(f"{self.nonfinite:,} {noun} nan or inf", "red"))

    @property
    def texts(self) -> tuple[Line, ...]:
        """All that the card says below its title, for forms that draw neither grids nor bars."""
        rows = [Line(" ".join(row)) for row in self.values]
        captions = [histogram.caption for histogram in self.histograms if histogram.caption]
        return (*self.body, *rows, *captions, *(bar.caption for bar in self.bars))

    @property
    def description(self) -> str:
        """The tooltip, or title and texts when there is none; may span several lines."""
        if self.tooltip:
            return self.tooltip
        head = f"{self.title} ({self.corner_text or self.role})"
        return "\n".join([head, *(line.text for line in self.texts)])


@dataclass(frozen=True, slots=True)
class Edge:
    """A line between two cards, in the direction of the forward pass.

    Parameters
    ----------
    tail, head : str
        ``id`` of the producer and of the consumer. Several edges may join the same two cards.
    lines : tuple of Line
        The label.
    style : {"data", "parameter", "constant", "gradient", "absent"}
        A gradient is orange, with its arrow at the tail; constants and absent gradients are dashed.
    width : float
        Pen width in points, at most 3.5.
    tooltip : str
        Text shown on hovering; names both ends when empty.
    strength : {"normal", "vanishing", "exploding", "nan or inf"}
        Vanishing is dotted; the last two are red and bold.
    change : {"added", "removed"}, optional
        What a comparison says of it: green and thicker, or red and dashed.
    recurrent : bool
        Goes back: to the next step of a loop that is drawn once. It takes no part in the order of
        the cards, and may end where it begins.
    """

    tail: str
    head: str
    lines: tuple[Line, ...] = ()
    style: EdgeStyle = "data"
    width: float = 1.0
    tooltip: str = ""
    strength: Strength = "normal"
    change: Change | None = None
    recurrent: bool = False

    def __post_init__(self) -> None:
        """Refuse an unknown style and a width that no pen has."""
        if self.style not in get_args(EdgeStyle):
            known = ", ".join(get_args(EdgeStyle))
            raise DiagramError(
                f"edge {self.tail!r} -> {self.head!r}: {self.style!r} is none of {known}"
            )
        if not 0 < self.width <= 3.5:
            raise DiagramError(
                f"edge {self.tail!r} -> {self.head!r}: width {self.width} not in (0, 3.5]"
            )

    @property
    def backward(self) -> bool:
        """Whether the arrow points at the producer."""
        return self.style == "gradient"

    @property
    def pen(self) -> float:
        """Pen width in points as drawn."""
        return max(self.width, 3.5) if self.alarming else self.width

    @property
    def alarming(self) -> bool:
        """Whether its gradient is no number of use."""
        return self.strength in ("exploding", "nan or inf")

    @property
    def dash(self) -> Literal["solid", "dashed", "dotted"]:
        """How the line is broken."""
        if self.strength == "vanishing":
            return "dotted"
        broken = self.style in ("constant", "absent") or self.change == "removed"
        return "dashed" if broken else "solid"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A named group of cards, drawn as a box.

    Parameters
    ----------
    id : str
        The name that cards and other clusters use.
    title : str
        Attribute path, in bold.
    kind : str
        What it is: ``Linear(784, 50)``.
    detail : str
        Grey text: ``39,250 parameters``.
    parent : str, optional
        ``id`` of the cluster around it.
    count : int
        How many equal siblings are folded into one; from 2 on, a double border and ``× n`` say so.
    """

    id: str
    title: str
    kind: str = ""
    detail: str = ""
    parent: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole drawing.

    Parameters
    ----------
    cards : tuple of Card
        In the order of creation, which numbers the drawn ids ``n-0``, ``n-1``, ...
    edges : tuple of Edge
        Edges into one card in the order of its arguments.
    clusters : tuple of Cluster
        Any order.
    rankdir : {"LR", "TB"}
        Left to right, or top to bottom for long chains.
    legend : tuple of str, optional
        Entries of ``LEGEND``; None for those that occur, ``()`` for none.
    title, description : str
        Read aloud by screen readers; a description is built when none is given.
    theme : {"light", "dark"}
        Row of ``THEMES``.
    note : str
        A sentence below the drawing, for what a reader must know: what was left out, and why.
    """

    cards: tuple[Card, ...]
    edges: tuple[Edge, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    rankdir: Rankdir = "LR"
    legend: tuple[LegendEntry, ...] | None = None
    title: str = "computational graph"
    description: str = ""
    theme: str = "light"
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse names that occur twice or nowhere."""
        cards = _unique("card", [card.id for card in self.cards])
        clusters = _unique("cluster", [cluster.id for cluster in self.clusters])
        for edge in self.edges:
            for end in (edge.tail, edge.head):
                if end not in cards:
                    raise DiagramError(
                        f"edge {edge.tail!r} -> {edge.head!r}: no card has the id {end!r}"
                    )
        for card in self.cards:
            if card.cluster is not None and card.cluster not in clusters:
                raise DiagramError(f"card {card.id!r}: no cluster has the id {card.cluster!r}")
        for cluster in self.clusters:
            if cluster.parent is not None and cluster.parent not in clusters:
                raise DiagramError(
                    f"cluster {cluster.id!r}: no cluster has the id {cluster.parent!r}"
                )
        if self.rankdir not in get_args(Rankdir):
            raise DiagramError(f"rankdir is LR or TB, got {self.rankdir!r}")
        if self.theme not in THEMES:
            raise DiagramError(f"theme is one of {', '.join(THEMES)}, got {self.theme!r}")
        unknown = [entry for entry in self.legend or () if entry not in LEGEND]
        if unknown:
            raise DiagramError(f"legend entries {unknown} are none of {', '.join(LEGEND)}")

    @property
    def colours(self) -> Theme:
        """The colours of the drawing."""
        return THEMES[self.theme]

    @property
    def legend_entries(self) -> tuple[LegendEntry, ...]:
        """The legend: as given, or what occurs, in the order of ``LEGEND``."""
        if self.legend is not None:
            return self.legend
        present: set[str] = {card.role for card in self.cards}
        present.update(edge.style for edge in self.edges if edge.style in ("gradient", "absent"))
        present.update(["vanishing"] if any(e.strength == "vanishing" for e in self.edges) else [])
        present.update(["exploding"] if any(edge.alarming for edge in self.edges) else [])
        present.update(["frozen"] if any(card.frozen for card in self.cards) else [])
        present.update(["nonfinite"] if any(card.nonfinite for card in self.cards) else [])
        present.update(["pale"] if any(card.pale for card in self.cards) else [])
        # Numbers on arrows that run forward: only their colour tells the two passes apart.
        forward = [line.style for e in self.edges if not e.backward for line in e.lines]
        present.update(["value"] if "value" in forward else [])
        present.update(["rate"] if "orange" in forward else [])
        # Where gradients are drawn, what goes back to the next step is one, too.
        again = any(edge.recurrent and not edge.backward for edge in self.edges)
        present.update(["recurrent"] if again else [])
        present.update(["heat"] if any(card.heat is not None for card in self.cards) else [])
        present.update(card.change for card in self.cards if card.change is not None)
        present.update(edge.change for edge in self.edges if edge.change is not None)
        return tuple(entry for entry in LEGEND if entry in present)

    @property
    def summary(self) -> str:
        """The description, or one sentence that counts what is drawn."""
        if self.description:
            return self.description
        counts = [(sum(card.role == role for card in self.cards), role) for role in ROLES]
        found = ", ".join(f"{n:,} {role}{'s' * (n != 1)}" for n, role in counts if n)
        plural = "" if len(self.edges) == 1 else "s"
        return f"Diagram of {found or 'nothing'}, joined by {len(self.edges):,} edge{plural}."

    def card_colours(self, card: Card) -> tuple[str, str, str]:
        """Return fill, outline and text colour of a card; a pale one is drawn back."""
        theme = self.colours
        fill = theme.fill[card.role] if card.heat is None else theme.heat[card.heat]
        stroke = theme.stroke["constant" if card.frozen else card.role]
        if card.change is not None:
            stroke = self._change_colour(card.change)
        if card.nonfinite:
            stroke = theme.alarm
        if not card.pale:
            return fill, stroke, theme.text
        back = theme.background
        return mix(fill, back), mix(stroke, back), theme.grey

    def _change_colour(self, change: Change) -> str:
        """Return the colour of what a comparison found."""
        theme = self.colours
        return {"added": theme.added, "removed": theme.alarm, "changed": theme.value}[change]

    def bar_colour(self, card: Card, role: Literal["value", "gradient"]) -> str:
        """Return the colour of bars: that of gradients, or of what the card is."""
        theme = self.colours
        # What is measured has one colour, whatever is looked at.
        own = theme.value if card.role == "module" or card.bars else theme.stroke[card.role]
        colour = theme.gradient if role == "gradient" else own
        return mix(colour, theme.background) if card.pale else colour

    def text_colour(self, font: Font, card: Card | None = None) -> str:
        """Return the colour of a text: grey on a pale card, and plain on a hot one, to be read."""
        if card is not None and card.pale:
            return self.colours.grey
        if card is not None and card.heat is not None and card.heat > 1:
            return self.colours.text
        colour: str = getattr(self.colours, font.colour)
        return colour

    def edge_colour(self, edge: Edge) -> str:
        """Return the colour of an edge."""
        theme = self.colours
        if edge.alarming:
            return theme.alarm
        if edge.change is not None:
            return self._change_colour(edge.change)
        if edge.style == "absent":
            return mix(theme.edge, theme.background, 0.15)
        if edge.recurrent and edge.style != "gradient":
            return theme.value
        return theme.gradient if edge.style == "gradient" else theme.edge

    def edge_texts(self) -> tuple[str, ...]:
        """Return what hovering over each edge shows: its tooltip, or the titles of both ends."""
        titles = {card.id: card.title for card in self.cards}
        return tuple(
            edge.tooltip or f"{titles[edge.tail]} → {titles[edge.head]}" for edge in self.edges
        )


def swatch_card(entry: LegendEntry) -> Card | None:
    """Return an empty card in the look that an entry of the legend explains, None for others."""
    match entry:
        case "frozen":
            return Card("", "parameter", "", frozen=True)
        case "nonfinite":
            return Card("", "parameter", "", nonfinite=1)
        case "pale":
            return Card("", "op", "", pale=True)
        case "heat":
            return Card("", "module", "", heat=3)
        case "added" | "removed" | "changed":
            return Card("", "module", "", change=entry)
        case "gradient" | "absent" | "vanishing" | "exploding" | "value" | "rate" | "recurrent":
            return None
        case _:
            return Card("", entry, "")


def swatch_edge(entry: LegendEntry) -> Edge:
    """Return an edge in the look that an entry of the legend explains."""
    match entry:
        case "gradient" | "absent":
            return Edge("", "", style=entry, width=1.6)
        case "vanishing" | "exploding":
            return Edge("", "", style="gradient", width=1.6, strength=entry)
        case "recurrent":
            return Edge("", "", width=1.6, recurrent=True)
        case _:
            raise DiagramError(f"the entry {entry!r} explains no line between cards")


def swatch_text(entry: LegendEntry) -> Line | None:
    """Return a number in the colour that an entry of the legend explains, None for others."""
    match entry:
        case "value":
            return Line("0.5", "value")
        case "rate":
            return Line("+0.5", "orange")
        case _:
            return None


def _unique(kind: str, ids: list[str]) -> frozenset[str]:
    """Return the ids as a set; complain about one that occurs twice."""
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise DiagramError(f"two {kind}s have the id {name!r}; give each its own")
        seen.add(name)
    return frozenset(seen)
