"""A page that plays a graph step by step: forward, and back; one file that needs no other.

Knows: stories (``story.py``), and how a drawing becomes a part of a page. Does not know: how steps
are found or worded. The page holds the drawing, a list of steps as JSON, and a small script, and a
rule that forbids every request to elsewhere. Look at ``page.js`` next, which runs there.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.draw.options import Level
from tinygrad_edu.draw.picture import Card, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.draw.svg import own_svg
from tinygrad_edu.draw.theme import THEMES
from tinygrad_edu.draw.web import facts_text, policy, with_variables
from tinygrad_edu.draw.words import clean
from tinygrad_edu.errors import ExplanationError
from tinygrad_edu.errors import explain as worded
from tinygrad_edu.explain import blocks as forms
from tinygrad_edu.explain.blocks import Block, Bullets, Heading
from tinygrad_edu.explain.blocks import Line as Words
from tinygrad_edu.explain.explanation import Explainer
from tinygrad_edu.explain.facts import Facts
from tinygrad_edu.explain.given import kind, reading_of, whole
from tinygrad_edu.explain.steps import seeds
from tinygrad_edu.explain.story import Story, story
from tinygrad_edu.files import write_whole
from tinygrad_edu.train.callbacks import Callback

__all__ = ["Frame", "Frames", "explain_html"]

MOST = 60
"""A page has at most so many frames; of more, some are taken at even distances."""

PICTURES = (".svg", ".png", ".pdf", ".dot", ".mmd", ".json")
"""Endings of what ``draw`` writes."""

_LONG = 2000  # characters of a sentence
_SVG = "{http://www.w3.org/2000/svg}"


# ------------------------------------------------------------------------------------------- frames


@dataclass(frozen=True)
class Frame:
    """What a page shows of one moment of a training: the picture with its numbers.

    Parameters
    ----------
    name : str
        What the moment is called, such as ``"step 40"``.
    story : Story
        Of the graph at that moment; it holds no array and no tensor.
    """

    name: str
    story: Story

    @classmethod
    def of(cls, output: Tensor, step: int | str, *, level: Level = "auto") -> Frame:
        """Return the frame of a loss; call it before ``backward()`` frees the graph.

        Parameters
        ----------
        output : Tensor
            The loss.
        step : int or str
            Which moment it is.
        level : {"auto", "scalar", "op", "module"}
            As for the page that it is for.

        Raises
        ------
        DiagramError
            `output` is no Tensor.
        FreedGraphError
            ``backward()`` has freed the graph.
        """
        reading = reading_of("Frame.of", output)
        told = story(reading, reading.sweep(), level=level)
        return cls(f"step {step}" if isinstance(step, int) else step, replace(told, nodes={}))


class Frames(Callback):
    """Collects frames in a training, at most 60: of a longer one at wider distances.

    Parameters
    ----------
    loss : callable, optional
        For a trainer: ``loss()`` returns the loss that is shown, of the same few examples each
        time. A model that draws random numbers, or keeps running means, is to be in evaluation mode
        in it, so that the training goes on as it would have.
    every : int
        A frame is taken of every so manieth step.
    level : {"auto", "scalar", "op", "module"}
        As for the page.

    Raises
    ------
    ExplanationError
        `every` is no whole number, or below 1; `loss` is no function.

    Examples
    --------
    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> frames = Frames()
    >>> for step in range(100):
    ...     loss = (w - 1.0) ** 2
    ...     frames.add(loss, step)
    ...     loss.backward()
    ...     w.data[...] -= 0.1 * w.grad
    ...     w.grad = None
    >>> len(frames), frames[-1].name
    (50, 'step 98')
    """

    steers = False

    def __init__(
        self,
        loss: Callable[[], Tensor] | None = None,
        *,
        every: int = 1,
        level: Level = "auto",
    ) -> None:
        if loss is not None and not callable(loss):
            fix = "give a function that returns it, as in Frames(lambda: criterion(model(x), t))"
            raise ExplanationError(
                worded("Frames", f"loss is to be a function, and is {kind(loss)}", fix=fix)
            )
        self.loss, self.every, self.level = loss, whole("Frames", "every", every), level
        self._frames: list[Frame] = []

    def add(self, output: Tensor, step: int) -> None:
        """Take a frame of a loss, if it is the turn of this step; call it before ``backward()``.

        Parameters
        ----------
        output : Tensor
            The loss, of the same graph each time.
        step : int
            Which step of the training it is of, from 0.
        """
        if step % self.every:
            return
        self._frames.append(Frame.of(output, step, level=self.level))
        if len(self._frames) > MOST:
            self._frames = self._frames[::2]
            self.every *= 2

    def iteration(self, trainer: Any) -> None:
        """Take a frame of the trainer's model."""
        if self.loss is not None and trainer.iteration % self.every == 0:
            self.add(self.loss(), trainer.iteration)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Frame:
        return self._frames[index]

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)


# ----------------------------------------------------------------------------------------- the page


def explain_html(
    output: Tensor,
    path: str | os.PathLike[str],
    *,
    frames: Sequence[Frame] | Frames = (),
    title: str = "",
    level: Level = "auto",
    seed: Any = None,
) -> Path:
    """Write a page that plays the forward and the backward pass of a graph, and return its path.

    The page is one file, to be opened in any browser, without a server or a network.

    Parameters
    ----------
    output : Tensor
        A loss, or any tensor whose graph was not freed.
    path : str or path
        The file, ``.html``; what was there before stays whole until the new page is.
    frames : sequence of Frame, or Frames
        The same graph at earlier moments of a training; a second slider goes through them.
    title : str
        The heading.
    level : {"auto", "scalar", "op", "module"}
        As in ``draw``: large nets are told by modules, equal ones folded.
    seed : array_like of the shape of `output`, optional
        The gradient with which the backward pass begins; ones by default.

    Raises
    ------
    DiagramError
        `output` is no Tensor.
    GradientError
        `seed` does not fit `output`, or `output` has no graph.
    ExplanationError
        A frame is of another graph, or none; `path` is that of another kind of file.
    FreedGraphError
        ``backward()`` has freed the graph: call it with ``retain_graph=True``, or this before it.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> folder = tempfile.mkdtemp()
    >>> explain_html(x * x + x, f"{folder}/backprop.html").name
    'backprop.html'
    """
    reading = reading_of("explain_html", output)
    _refuse_suffix(path)
    taken = _frames_given(frames)
    explainer = Explainer(Facts(reading, seeds(output, seed, "explain_html")))
    own = story(reading, explainer.facts.sweep, level=level)
    page = _page(own, _explained(own, explainer), taken, title or _title(reading))
    written = page.encode("utf-8")
    return write_whole(path, lambda file: file.write(written))


def _refuse_suffix(path: str | os.PathLike[str]) -> None:
    """Raise if a file would not be opened as the page that it is."""
    suffix = Path(path).suffix.lower()
    if suffix in ("", ".html", ".htm"):
        return
    picture = ", or draw(loss).save(...) for a picture" if suffix in PICTURES else ""
    fix = f"give a path that ends with .html, as in {Path(path).with_suffix('.html').name}"
    raise ExplanationError(
        worded("explain_html", f"it writes a page, and {suffix} is no page", fix=f"{fix}{picture}")
    )


def _frames_given(frames: Any) -> list[Frame]:
    """Return frames as a list.

    Raises
    ------
    ExplanationError
        Something in it is none.
    """
    given = list(frames) if isinstance(frames, (Sequence, Frames)) else [frames]
    wrong = [each for each in given if not isinstance(each, Frame)]
    if wrong:
        fix = "give Frames, or a list of what Frame.of(loss, step) returns"
        raise ExplanationError(
            worded("explain_html", f"frames are to be of Frame, found {kind(wrong[0])}", fix=fix)
        )
    return given


def _title(reading: Reading) -> str:
    names = [reading.names[root] for root in reading.roots]
    return f"How {' and '.join(names) or 'a constant'} is computed, and its gradient"


def _page(
    own: Story, cards: Mapping[str, Mapping[str, str]], frames: Sequence[Frame], title: str
) -> str:
    """Return the text of the page."""
    if len(frames) > MOST:
        frames = [frames[round(k * (len(frames) - 1) / (MOST - 1))] for k in range(MOST)]
    stories = [*(frame.story for frame in frames), own]
    for frame in frames:
        _refuse_other(frame, own)
    drawn, colours = _drawing(_widest([each.picture for each in stories]), own, cards, title)
    seen = [_said(each.picture) for each in stories]
    _write(drawn, seen[-1])
    names = [*(frame.name for frame in frames), "the last"]
    data = {
        "steps": [
            {
                "phase": moment.phase,
                "card": moment.card,
                "said": clean(moment.said, _LONG),
                "html": forms.html(moment.blocks),
            }
            for moment in own.moments
        ],
        "shown": own.shown,
        "cards": cards,
        "frames": _frames(names, stories, seen) if frames else [],
    }
    script, style = _file("page.js"), _file("page.css")
    said = html.escape
    note = f'<p id="note">{said(clean(own.picture.note, _LONG))}</p>' if own.picture.note else ""
    last = len(own.moments) - 1
    second = _SECOND.format(last=len(frames)) if frames else ""
    return _PAGE.format(
        title=said(clean(title, _LONG)),
        policy=policy(script),
        style=f"{style}{colours}",
        note=note,
        svg=ElementTree.tostring(drawn, encoding="unicode"),
        last=last,
        frames=second,
        data=facts_text(data),
        script=script,
    )


def _file(name: str) -> str:
    return (files("tinygrad_edu.explain") / name).read_text("utf-8")


_SECOND = """
<div class="row" role="group" aria-label="training">
<label for="frame">training</label>
<input type="range" id="frame" min="0" max="{last}" value="{last}">
<output id="when" for="frame"></output>
</div>"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{title}</h1><button id="theme" type="button">light / dark</button></header>
{note}
<main>
<div id="graph">{svg}</div>
<div class="row" role="group" aria-label="steps">
<button id="back" type="button" aria-label="one step back">◀</button>
<input type="range" id="step" min="0" max="{last}" value="0" aria-label="step">
<button id="next" type="button" aria-label="one step on">▶</button>
<button id="play" type="button" aria-pressed="false">play</button>
<button id="fit" type="button" aria-pressed="false" aria-label="fit to width">fit</button>
<output id="count" for="step"></output>
</div>{frames}
<p id="said" aria-live="polite"></p>
<section id="panel" aria-label="explanation" data-of="step">
<div id="about" class="scroll"></div>
<p id="when-note"></p>
<details id="latex"><summary>LaTeX</summary>
<button id="copy" type="button">copy</button><pre id="source" tabindex="0"></pre></details>
<button id="unpin" type="button">back to the step</button>
</section>
<p id="hint">Choose a card for its explanation.
<span class="keys">Keys: ← → a step, Home and End, ↑ ↓ from card to card, Enter to choose.</span>
</p>
</main>
<noscript><p>Without scripts the whole picture is shown, and the steps are not.</p></noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


# ------------------------------------------------------------------------------------- explanations


def _explained(own: Story, explainer: Explainer) -> dict[str, dict[str, str]]:
    """Return per card what is told of the nodes behind it, as HTML and as LaTeX."""
    ids = [f"n-{k}" for k in range(len(own.picture.cards))]
    found = {}
    for id, card in zip(ids, own.picture.cards, strict=True):
        nodes = own.nodes.get(id, ())
        if len(nodes) == 1:
            tell = explainer.path if nodes[0].op is None else explainer.node
            one = tell(nodes[0])
            found[id] = {"html": one.html, "latex": one.latex}
        else:
            told = _listed(card, nodes, explainer.facts.reading)
            found[id] = {"html": forms.html(told), "latex": ""}
    return found


def _listed(card: Card, nodes: Sequence[Node], reading: Reading) -> tuple[Block, ...]:
    """Return what is told of a card that no single node is behind."""
    lines = [Words(line) for line in card.description.splitlines()]
    names = [reading.names[node] for node in nodes[:24]]
    more = f" and {len(nodes) - 24:,} more" if len(nodes) > 24 else ""
    if names:
        lines.append(Words(f"{len(nodes):,} tensors: {', '.join(names)}{more}"))
    return (Heading(card.title), Bullets(tuple(lines)))


# -------------------------------------------------------------------------------------- the drawing


def _drawing(
    picture: Picture, own: Story, cards: Mapping[str, Any], title: str
) -> tuple[ElementTree.Element, str]:
    """Return the drawing with colours that are variables, and the variables for both themes.

    The same picture is drawn for a light and for a dark page: the two differ in colours alone, so
    each pair of colours becomes one variable.
    """
    light, dark = (
        own_svg(replace(picture, theme=theme, title=title, note=""))  # the page has the note
        for theme in ("light", "dark")
    )
    coloured, colours = with_variables(light, dark)
    drawn = ElementTree.fromstring(coloured)
    themes = THEMES["light"], THEMES["dark"]
    classes = {
        (themes[0].orange, themes[1].orange): "grad",
        (themes[0].gradient, themes[1].gradient): "grad",
        (themes[0].value, themes[1].value): "val",
    }
    told = {f"var(--{name})": classes[pair] for name, pair in colours.items() if pair in classes}
    for group in drawn.iter(f"{_SVG}g"):
        for part in group if group.get("class") != "legend" else ():
            if part.tag in (f"{_SVG}text", f"{_SVG}rect") and part.get("fill") in told:
                part.set("class", told[part.get("fill", "")])
    for group in drawn.iter(f"{_SVG}g"):
        if "edge" in group.get("class", "").split() and group.get("id", "") in own.shown:
            _add_way_back(group)
    for part in drawn.iter():
        part.tag = part.tag.removeprefix(_SVG)  # an HTML page knows what is inside an svg
    drawn.set("role", "group")
    drawn.set("aria-label", clean(f"graph: {picture.summary}", _LONG))
    width = drawn.get("viewBox", "").split()[2]
    drawn.set("style", f"width:{width}pt")
    sizes = [float(part.get("font-size", 0)) for part in drawn.iter() if part.get("font-size")]
    drawn.set("data-text", f"{min(sizes, default=10):g}")  # the smallest, which is to be legible
    for group in drawn.iter("g"):
        id = group.get("id", "")
        if id in cards:
            card = own.picture.cards[int(id.removeprefix("n-"))]
            group.set("role", "button")
            group.set("tabindex", "-1")
            group.set("aria-label", clean(f"{card.title} {card.corner or card.role}: explain"))
            if card.role == "output":
                for text in group.iter("text"):
                    if text.get("font-size") == "16":
                        text.set("class", "val")
    sets = ["".join(f"--{name}:{pair[k]};" for name, pair in colours.items()) for k in (0, 1)]
    dark_look = f"{_DARK}{sets[1]}"
    style = (
        f":root{{{sets[0]}}}\n"
        f"@media (prefers-color-scheme: dark) {{:root:not([data-theme=light]){{{dark_look}}}}}\n"
        f":root[data-theme=dark]{{{dark_look}}}\n"
    )
    return drawn, style


_NUMBER = re.compile(r"-?[\d.]+")


def _add_way_back(group: ElementTree.Element) -> None:
    """Give an edge a second line, its arrow at the other end, for when its gradient is seen."""
    line, head = group.find(f"{_SVG}path"), group.find(f"{_SVG}polygon")
    if line is None or head is None:
        return
    way = line.get("d", "")
    x, y, towards, along = map(float, _NUMBER.findall(way)[:4])
    tip, *_ = head.get("points", "").split()
    across = abs(towards - x) >= abs(along - y)
    sign = 1 if (towards > x if across else along > y) else -1
    if across:
        base, wings = (x + sign * _HEAD, y), [(x + sign * _HEAD, y + w) for w in (-_WING, _WING)]
    else:
        base, wings = (x, y + sign * _HEAD), [(x + w, y + sign * _HEAD) for w in (-_WING, _WING)]
    rest = way[re.match(r"M[^A-Za-z]*", way).end() :]  # type: ignore[union-attr]
    place = list(group).index(head) + 1
    back = {
        "path": {**line.attrib, "d": f"M{base[0]:g} {base[1]:g}{rest}L{tip.replace(',', ' ')}"},
        "polygon": {**head.attrib, "points": " ".join(f"{a:g},{b:g}" for a, b in ((x, y), *wings))},
    }
    for tag, attributes in reversed(back.items()):
        part = ElementTree.Element(f"{_SVG}{tag}", {**attributes, "class": "back"})
        group.insert(place, part)
    line.set("class", "ahead")
    head.set("class", "ahead")


_HEAD, _WING = 9.0, 4.2  # of an arrow head: its length, and half its width

_DARK = (
    "--paper:#15191f;--ink:#f2f4f7;--soft:#a9b1bc;--line:#4b5664;--box:#1d232b;"
    "--grad:#ff9a4d;--focus:#6cb8ea;color-scheme:dark;"
)

_Seen = dict[str, tuple[list[str], list[float]]]
"""Per drawn id its texts, and the heights of its bars."""


def _said(picture: Picture) -> _Seen:
    """Return the texts and the bars of every card and edge, in the order of drawing."""
    root = ElementTree.fromstring(own_svg(picture))
    return {
        group.get("id", ""): (
            [text.text or "" for text in group.findall(f"{_SVG}text")],
            [float(bar.get("height", 0)) for bar in _bars(group)],
        )
        for group in root.iter(f"{_SVG}g")
        if group.get("id", "").startswith(("n-", "e-"))
    }


def _bars(group: ElementTree.Element) -> list[ElementTree.Element]:
    rects = (part for part in group if part.tag.removeprefix(_SVG) == "rect")
    return [rect for rect in rects if rect.get("rx") is None]


def _write(drawn: ElementTree.Element, seen: _Seen) -> None:
    """Put texts and bars into a drawing."""
    for group in drawn.iter("g"):
        if group.get("id", "") not in seen:
            continue
        words, heights = seen[group.get("id", "")]
        for k, text in enumerate(group.findall("text")):
            text.text = words[k] if k < len(words) else ""
        for bar, height in zip(_bars(group), heights, strict=False):
            bottom = float(bar.get("y", 0)) + float(bar.get("height", 0))
            bar.set("height", f"{height:g}")
            bar.set("y", f"{bottom - height:g}")


def _frames(
    names: Sequence[str], stories: Sequence[Story], seen: Sequence[_Seen]
) -> list[dict[str, Any]]:
    """Return per frame what differs between any two of them."""
    first = seen[0]
    words = [id for id in first if any(each[id][0] != first[id][0] for each in seen)]
    bars = [id for id in first if any(each[id][1] != first[id][1] for each in seen)]
    return [
        {
            "name": clean(name),
            "said": [clean(moment.said, _LONG) for moment in told.moments],
            "texts": {id: each[id][0] for id in words},
            "bars": {id: each[id][1] for id in bars},
        }
        for name, told, each in zip(names, stories, seen, strict=True)
    ]


def _refuse_other(frame: Frame, own: Story) -> None:
    """Raise if a frame is not of the same graph."""

    def form(told: Story) -> tuple[Any, ...]:
        places = {card.id: k for k, card in enumerate(told.picture.cards)}
        edges = [(places[edge.tail], places[edge.head]) for edge in told.picture.edges]
        return [(card.role, card.title) for card in told.picture.cards], edges, told.shown

    mine, other = form(own), form(frame.story)
    if mine != other:
        raise ExplanationError(
            f"explain_html: frame {frame.name!r} is of another graph: "
            f"{len(other[0]):,} cards and {len(other[1]):,} edges, where the output has "
            f"{len(mine[0]):,} and {len(mine[1]):,}\n"
            "  fix: take frames of the loss that is explained, at the same level and of arrays of "
            "the same shapes"
        )


def _widest(pictures: Sequence[Picture]) -> Picture:
    """Return a picture in which every text is the longest that any frame has in its place."""
    last = pictures[-1]
    if len(pictures) == 1:
        return last
    return replace(
        last,
        cards=tuple(_widest_card(each) for each in zip(*(p.cards for p in pictures), strict=True)),
        edges=tuple(_widest_edge(each) for each in zip(*(p.edges for p in pictures), strict=True)),
    )


def _longest(texts: Sequence[Line]) -> Line:
    return max(texts, key=lambda line: len(line.text))


def _lines(each: Sequence[tuple[Line, ...]]) -> tuple[Line, ...]:
    most = max(each, key=len)
    return tuple(_longest([lines[k] for lines in each if k < len(lines)]) for k in range(len(most)))


def _widest_card(cards: Sequence[Card]) -> Card:
    last = cards[-1]
    values = last.values
    if all(len(card.values) == len(values) for card in cards):
        values = tuple(
            tuple(max(cells, key=len) for cells in zip(*rows, strict=True))
            for rows in zip(*(card.values for card in cards), strict=True)
        )

    def caption(k: int, histogram: Histogram) -> Histogram:
        said = [h.caption for card in cards for h in card.histograms[k : k + 1] if h.caption]
        return replace(histogram, caption=_longest(said)) if said else histogram

    return replace(
        last,
        lines=_lines([card.lines for card in cards]),
        values=values,
        histograms=tuple(caption(k, each) for k, each in enumerate(last.histograms)),
        nonfinite=max(card.nonfinite for card in cards),
    )


def _widest_edge(edges: Sequence[Edge]) -> Edge:
    return replace(edges[-1], lines=_lines([edge.lines for edge in edges]))
