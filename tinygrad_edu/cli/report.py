"""``tinygrad-edu report``: one page of a run, with all its pictures in it.

The page asks nobody for anything: pictures and style are inside, and there is no script. Each
picture is there twice, for light and for dark pages; the reader's browser takes one.

Knows: a run's folder, and what its pictures are about. Does not know: how they are drawn
(``plots/``, ``draw/``). Read next: `Report`, from top to bottom as the page is read.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu import plots
from tinygrad_edu.cli.experiment import Settings, net_name, net_of, read_images, rule_name, viewed
from tinygrad_edu.cli.folder import opened, saved_settings, trained
from tinygrad_edu.cli.wrong import Wrong, one_line
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.errors import CheckpointError, DiagramError, DiagramWarning
from tinygrad_edu.files import write_whole
from tinygrad_edu.nn import CrossEntropyLoss, Module
from tinygrad_edu.plots import LOOKS, Plot
from tinygrad_edu.train import (
    History,
    Recorder,
    confusion_matrix,
    correct,
    one_thread,
    predictions,
)

__all__ = ["report"]

Array = np.ndarray[Any, Any]
THEMES = tuple(LOOKS)

TESTED = 2_000
"""Test images that are looked at where looking at all would take long."""
SURFACE = {False: (21, 500), True: (13, 100)}
"""Points of the loss surface along each side, and test images of each loss: by whether the net
takes long."""
SMALLEST = 0.62
"""Of its own size a picture is drawn at on a narrow screen; what does not fit is scrolled to."""


def report(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu report`` and return its exit code."""
    run = Path(options.run)
    out = run / "report.html" if options.out is None else Path(options.out)
    found = Report(run)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise Wrong(f"--out {out}: name a file in a folder that is there, such as report.html")
    with one_thread():
        page = found.page()
    write_whole(out, lambda file: file.write(page.encode()))
    for line in found.told:
        print(line)
    print(f"{out}  ({len(page) / 1e6:.1f} MB, to be opened in a browser)")
    return 0


class Picture(NamedTuple):
    """A picture in each theme as SVG, what is said instead of it, and what is to be seen."""

    svgs: Mapping[str, str]
    alt: str
    caption: str


class Report:
    """What a run's folder holds, and the page that is made of it.

    Parameters
    ----------
    run : path
        The folder.

    Raises
    ------
    Wrong
        The folder is not that of a finished run.
    CheckpointError
        A file in it is damaged.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.model, self.shape, self.settings = trained(run)
        arrays, header = opened(run, "checkpoint.npz")
        if saved_settings(header, run) != self.settings:
            raise Wrong(
                f"model.npz and checkpoint.npz in {run} are of different runs, or the run goes on; "
                "wait for its end, or go on with tinygrad-edu train --resume"
            )
        self.history, self.recorder = _history(arrays), Recorder.of_checkpoint(arrays, header)
        self.optimizer = _optimizer(arrays, header)
        self.seconds = float(header.get("seconds", math.nan))
        self.best = header.get("callbacks", {}).get("EarlyStopping", {}).get("facts", {})
        self.versions = _versions(run)
        self.told: list[str] = []
        """What the reader of the terminal should know, line by line."""

    # ---- the page

    def page(self) -> str:
        """Return the page as HTML."""
        title = f"{net_name(self.settings)}: {rule_name(self.settings)}"
        self._read_data()
        sections = [
            self._head(),
            self._section("Training", self._training()),
            self._section("What it gets wrong", self._wrong()),
            self._section("What its first weights look for", self._first_weights()),
            self._section("The way through the loss", self._surface()),
            self._section("Weights, gradients and activations", self._strips()),
            self._section("The net", self._net()),
            self._section("Settings", [self._settings()]),
        ]
        return PAGE.format(
            title=escape(title), style=_style(), body="\n".join(filter(None, sections))
        )

    def _section(self, title: str, parts: Iterable[Picture | str | None]) -> str:
        shown = [_figure(p) if isinstance(p, Picture) else p for p in parts if p]
        if not shown:
            return ""
        inside = "\n".join(shown)
        return f"<section>\n<h2>{escape(title)}</h2>\n{inside}\n</section>"

    def _picture(
        self, draw: Callable[[str], Plot], caption: str, alt: str | None = None
    ) -> Picture:
        """Return a picture, drawn in each theme."""
        svgs, said = {}, alt
        for theme in THEMES:
            plot = draw(theme)
            svgs[theme] = plot.svg
            said = said or plot.alt
            plot.close()
        return Picture(svgs, said or "", caption)

    # ---- what is looked at

    def _read_data(self) -> None:
        """Let the net answer on the test images, or on some of them."""
        data = read_images(self.settings["data"])
        same = list(data.test_images.shape[1:]) == self.settings["image"]
        if not same or list(data.classes) != self.settings["classes"]:
            raise Wrong(
                f"the images in {self.settings['data']} are not those that {self.run} was trained "
                "on any more"
            )
        self.dear = net_of(self.settings).dear
        self.all = len(data.test_labels)
        count = min(TESTED if self.dear else self.all, self.all)
        self.images, self.labels = data.test_images[:count], data.test_labels[:count]
        self.inputs = viewed(self.images, self.shape)
        logits = predictions(self.model, self.inputs).astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.logits, self.odds = logits, odds / odds.sum(axis=1, keepdims=True)
        self.answers = logits.argmax(axis=1)
        few = count < self.all
        self.of = f"the first {count:,} of {self.all:,} test images" if few else (
            f"all {count:,} test images"
        )  # fmt: skip
        if few:
            self.told.append(f"Mistakes are looked for among {self.of}.")

    # ---- its parts, in their order

    def _head(self) -> str:
        last = _kept(self.history.records, self.best)
        count = sum(parameter.size for parameter in self.model.parameters())
        facts = [("parameters", f"{count:,}"), ("iterations", f"{last['iteration']:,}")]
        accuracies = [
            (f"{name.removesuffix('_accuracy')} accuracy", f"{value:.2%}")
            for name, value in reversed(list(last.items()))
            if name.endswith("_accuracy") and isinstance(value, float)
        ]
        if isinstance(last.get("epoch"), (int, float)):
            facts.append(("epochs", f"{last['epoch']:.4g}"))
        if math.isfinite(self.seconds):
            facts.append(("of training", _duration(self.seconds)))
        cells = "".join(
            f"<div><dd>{escape(value)}</dd><dt>{escape(name)}</dt></div>"
            for name, value in [*accuracies, *facts]
        )
        lines = [
            f"<h1>{escape(net_name(self.settings))}</h1>",
            f"<p class=lead>{escape(rule_name(self.settings))}, "
            f"seed {escape(str(self.settings['seed']))}</p>",
            f"<dl class=facts>{cells}</dl>",
        ]
        if last is not self.history.records[-1]:
            lines.append(
                "<p>Training was stopped early; the weights, and the numbers above, are those of "
                f"iteration {last['iteration']:,}, the best on the validation images.</p>"
            )
        return "<header>\n" + "\n".join(lines) + "\n</header>"

    def _training(self) -> Iterator[Picture | str]:
        length = _epoch_length(self.history)
        yield self._picture(
            lambda theme: plots.curves(self.history, epoch=length, theme=theme),
            "Above, the loss of every batch and its mean; below, the accuracy at each evaluation. "
            "Look for a test accuracy that stays behind the training accuracy (overfitting), for "
            "a loss that still falls at the end (train longer), or that jumps (a smaller rate).",
        )
        yield _records(self.history)

    def _wrong(self) -> Iterator[Picture]:
        classes = self.settings["classes"]
        matrix = confusion_matrix(self.logits, self.labels)
        right = correct(self.logits, self.labels).mean()
        yield self._picture(
            lambda theme: plots.confusion(matrix, classes, theme=theme),
            f"Of {self.of}, {right:.2%} are right. A row is what an image is, a column what the "
            "net took it for; a cell has the number and its share of the row. Blue is right; the "
            "strongest orange is the most frequent mistake.",
        )
        sure = self.odds.max(axis=1)
        if self.settings["image"][0] in (1, 3):
            yield self._picture(
                lambda theme: plots.mistakes(
                    self.images, self.labels, self.answers, sure, classes=classes, theme=theme
                ),
                "The surest mistakes first, with the probability that the net gave to its answer. "
                "Would you have known better? Some labels are wrong themselves.",
            )

    def _first_weights(self) -> Iterator[Picture]:
        named = [(n, p.numpy()) for n, p in self.model.named_parameters() if p.ndim in (2, 4)]
        if not named:
            return
        name, first = named[0]
        channels, height, width = self.settings["image"]
        if first.ndim == 4:
            draw = lambda theme: plots.filters(first, title=name, theme=theme)
            caption = (
                "Each square is a filter that is moved over the image: it answers where the image "
                "is bright on orange and dark on blue. Edges of all directions are a good sign, "
                "noise a sign that a filter has not learned anything yet."
            )
        elif first.shape[0] == channels * height * width and channels in (1, 3):
            size = (channels, height, width)
            draw = lambda theme: plots.weights(first, size, title=name, theme=theme)
            caption = (
                "Each square has the weights of one hidden unit at the places of the image's "
                "pixels: bright pixels on orange make the unit larger, on blue smaller."
            )
        else:
            draw = lambda theme: plots.weights(first, title=name, theme=theme)
            caption = (
                "The matrix itself: a row for each number of an input, a column for each unit. "
                "Rows without colour are inputs that do not matter."
            )
        yield self._picture(draw, caption)

    def _surface(self) -> Iterator[Picture | str]:
        points, count = SURFACE[self.dear]
        inputs, labels = self.inputs[:count], self.labels[:count]
        parameters = self.model.parameters()
        trained_ones = [parameter.data.copy() for parameter in parameters]
        criterion = CrossEntropyLoss()

        def loss(weights: list[Array]) -> float:
            for parameter, weight in zip(parameters, weights, strict=True):
                parameter.data[...] = weight
            return float(criterion(self.model(constant(inputs)), constant(labels)).item())

        path = self.recorder.path
        fits = path.shape[1:] == (sum(array.size for array in trained_ones),)
        try:
            with no_grad():
                found = plots.loss_surface(
                    loss,
                    trained_ones,
                    path if fits else (),
                    iterations=self.recorder.path_iterations if fits else (),
                    points=points,
                )
        finally:
            for parameter, weight in zip(parameters, trained_ones, strict=True):
                parameter.data[...] = weight
        shown = (
            "The loss in the plane that holds most of the way from the initial weights (square) to "
            "the trained ones (star); numbers are iterations. The share at each axis tells how "
            "much of the way is in the picture: the rest goes on in other directions."
            if len(found.path)
            else "The loss around the trained weights (star), in two directions drawn at random "
            "and scaled like the weights of each unit. A wide valley forgives small changes."
        )
        said = f"{shown} Loss of {len(labels):,} test images, in evaluation mode."
        try:
            yield self._picture(lambda theme: plots.surface(found, theme=theme), said)
        except DiagramError as error:
            yield f"<p>There is no loss surface: {escape(one_line(error))}.</p>"

    def _strips(self) -> Iterator[Picture | str]:
        if not self.recorder.iterations:
            layers = {n: p.numpy() for n, p in self.model.named_parameters() if p.ndim > 1}
            if layers:
                yield self._picture(
                    lambda theme: plots.histograms(layers, "weights", theme=theme),
                    "The trained weights. The run was made without a recorder, so there is nothing "
                    "about gradients and activations.",
                )
            return
        yield (
            "<p>A column of a strip is a histogram at one moment: the stronger the colour, the "
            "larger the share of the numbers. The line is the median; the dotted lines hold 90% "
            "of the numbers between them.</p>"
        )
        for kind, caption in STRIPS.items():
            strips = self.recorder.layers(kind)
            if strips:
                yield self._picture(
                    lambda theme, strips=strips, kind=kind: plots.histograms_over_time(  # type: ignore[misc]
                        strips, self.recorder.iterations, kind, theme=theme
                    ),
                    caption,
                )

    def _net(self) -> Iterator[Picture | str]:
        try:
            yield self._diagram()
        except DiagramError as error:
            self.told.append(f"No diagram of the net: {one_line(error)}.")
            yield f"<p>There is no diagram: {escape(one_line(error))}.</p>"
        summary = self.model.summary(self.inputs[:1])
        yield (
            "<details><summary>Layers, shapes and parameters</summary>"
            f"<div class=scroll {_scrolled('the layers')}><pre>{escape(summary)}</pre></div>"
            "</details>"
        )

    def _diagram(self) -> Picture:
        """Return the graph of the loss of four test images, folded, in each theme."""
        from tinygrad_edu.draw import draw  # a large room, which few commands need

        svgs = {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DiagramWarning)
            for theme in THEMES:
                loss = _loss_of(self.model, self.inputs[:4], self.labels[:4])
                made = draw(loss, grad=True, title="loss of four test images", theme=theme)
                svgs[theme] = made.svg
        self.told += dict.fromkeys(one_line(warning.message) for warning in caught)
        return Picture(
            svgs,
            f"Diagram of the net, from four test images to their loss, {len(made.picture.cards)} "
            "cards.",
            "From the input on the left to the loss; parameters are green and stand beside what "
            "uses them, orange is the gradient on its way back.",
        )

    def _settings(self) -> str:
        settings = {
            name: value
            for name, value in self.settings.items()
            if value is not None and value is not False and value != []
        }
        settings["image"] = " × ".join(map(str, self.settings["image"]))
        settings["data"] = self.settings["data"] or "MNIST, which is part of the package"
        tables = [
            _table("Settings", ((name.replace("_", " "), v) for name, v in settings.items())),
            _table(f"Optimizer at the end: {self.optimizer[0]}", self.optimizer[1].items()),
            _table("Versions", self.versions.items()),
        ]
        return f"<div class=tables>{''.join(tables)}</div>"


STRIPS = {
    "weights": "Weights. They should spread from where they began; a layer that stays as it was "
    "learns nothing.",
    "gradients": "Gradients of the loss by the weights, of one batch each. A layer whose strip is "
    "many times narrower than the others' hardly learns (vanishing gradients); strips that grow "
    "wider and wider announce a loss that explodes.",
    "activations": "Outputs of the layers, for the first 32 samples of a batch. Activations that "
    "are all at the ends of a sigmoid, or all 0 behind a ReLU, let no gradient through.",
}
"""What is to be seen in each kind of strip."""


# ------------------------------------------------------------------------------ from the folder


def _history(arrays: Mapping[str, Array]) -> History:
    """Return the history in a checkpoint."""
    start = "history/"
    history = History()
    history.load_state_dict(
        {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}
    )
    if not history.records:
        raise CheckpointError("history: there is no evaluation in it")
    return history


def _kept(records: Sequence[dict[str, Any]], best: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of the weights that were kept: the best one if the run stopped early."""
    if best and best.get("waited", 0) >= best.get("patience", math.inf):
        for record in records:
            if record["iteration"] == best["iteration_of_best"]:
                return record
    return records[-1]


def _optimizer(arrays: Mapping[str, Array], header: Mapping[str, Any]) -> tuple[str, Settings]:
    """Return the optimizer's class, and what it is set to."""
    start = "optimizer/"
    numbers = {
        name[len(start) :]: array.item()
        for name, array in arrays.items()
        if name.startswith(start) and array.size == 1 and name.count("/") == 1
    }
    return str(header.get("kinds", {}).get("optimizer", "unknown")), numbers


def _versions(run: Path) -> dict[str, str]:
    """Return the versions that the run was made with, as far as they were written down."""
    try:
        found = json.loads((run / "config.json").read_text(encoding="utf-8"))["versions"]
        return {str(name): str(version) for name, version in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"unknown": "config.json is missing or damaged"}


def _epoch_length(history: History) -> int | None:
    """Return the iterations of an epoch, from a record that tells both."""
    for record in reversed(history.records):
        if record["iteration"] and record.get("epoch"):
            return max(1, round(float(record["iteration"]) / float(record["epoch"])))
    return None


def _loss_of(model: Module, inputs: Array, labels: Array) -> Any:
    return CrossEntropyLoss()(model(constant(inputs)), constant(labels))


# ------------------------------------------------------------------------------ to HTML


def _figure(picture: Picture) -> str:
    """Return a picture with its caption; a wide one is scrolled, not shrunk until unreadable."""
    light, dark = (_data(picture.svgs[theme]) for theme in THEMES)
    width, height = _size(picture.svgs["light"])
    alt = escape(picture.alt)
    return (
        f"<figure><div class=scroll {_scrolled('picture')}><picture>"
        f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" width="{width}" height="{height}" alt="{alt}" '
        f'style="min-width:{round(SMALLEST * width)}px">'
        f"</picture></div><figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def _scrolled(what: str) -> str:
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


def _table(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    cells = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(_shown(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"


def _records(history: History) -> str:
    """Return the numbers of all evaluations as a table, folded away."""
    names = list(dict.fromkeys(n for r in history.records for n in r if not _is_table(r[n])))
    head = "".join(f"<th scope=col>{escape(name.replace('_', ' '))}</th>" for name in names)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(r.get(name)))}</td>" for name in names) + "</tr>"
        for r in history.records
    )
    return (
        f"<details><summary>The numbers of all {len(history.records)} evaluations</summary>"
        f"<div class=scroll {_scrolled('the evaluations')}><table class=numbers>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _is_table(value: Any) -> bool:
    return isinstance(value, (list, dict))


def _shown(value: Any) -> str:
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


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
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
