"""``tinygrad-edu report``: one page of a run, with all its pictures in it.

Knows: a run's folder, and what its pictures are about. Does not know: how they are drawn
(``plots/``, ``draw/``), or what a page is made of (``page.py``). Read next: `Report`, from top to
bottom as the page is read.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import plots
from tinygrad_edu.cli.experiment import (
    Settings,
    net_name,
    net_of,
    read_images,
    rule_name,
    viewed,
)
from tinygrad_edu.cli.folder import opened, saved_settings, trained
from tinygrad_edu.cli.page import (
    THEMES,
    Picture,
    duration,
    folded,
    numbers,
    page,
    place,
    section,
    table,
)
from tinygrad_edu.cli.wrong import Wrong, one_line
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.data import ImageSet
from tinygrad_edu.errors import CheckpointError, DiagramError, DiagramWarning
from tinygrad_edu.files import write_whole
from tinygrad_edu.nn import CrossEntropyLoss, Module
from tinygrad_edu.plots import Plot
from tinygrad_edu.plots.look import counted
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

TESTED = 2_000
"""Test images that are looked at where looking at all would take long."""
SURFACE = {False: (21, 500), True: (13, 100)}
"""Points of the loss surface along each side, and test images of each loss: by whether the net
takes long."""


def report(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu report`` and return its exit code."""
    run = Path(options.run)
    found = Report(run)
    out = place(options.out, run / "report.html")
    with one_thread():
        html = found.page()
    write_whole(out, lambda file: file.write(html.encode()))
    for line in found.told:
        print(line)
    print(f"{out}  ({len(html) / 1e6:.1f} MB, to be opened in a browser)")
    return 0


def images_of(run: Path, settings: Settings) -> ImageSet:
    """Return the images that a run was trained and tested on.

    Raises
    ------
    Wrong
        Others are there now.
    """
    data = read_images(settings["data"])
    same = list(data.test_images.shape[1:]) == settings["image"]
    if not same or list(data.classes) != settings["classes"]:
        raise Wrong(
            f"the images in {settings['data']} are not those that {run} was trained on any more"
        )
    return data


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
        return page(
            title,
            [
                self._head(),
                section("Training", self._training()),
                section("What it gets wrong", self._wrong()),
                section("What its first weights look for", self._first_weights()),
                section("The way through the loss", self._surface()),
                section("Weights, gradients and activations", self._strips()),
                section("The net", self._net()),
                section("Settings", [self._settings()]),
            ],
        )

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
        data = images_of(self.run, self.settings)
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
        facts = [_fact(count, "parameter"), _fact(last["iteration"], "iteration")]
        accuracies = [
            (f"{name.removesuffix('_accuracy')} accuracy", f"{value:.2%}")
            for name, value in reversed(list(last.items()))
            if name.endswith("_accuracy") and isinstance(value, float)
        ]
        if isinstance(last.get("epoch"), (int, float)):
            facts.append(("epoch" if last["epoch"] == 1 else "epochs", f"{last['epoch']:.2g}"
                          if last["epoch"] < 1 else f"{last['epoch']:.4g}"))  # fmt: skip
        if math.isfinite(self.seconds):
            facts.append(("of training", duration(self.seconds)))
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
        evaluations = counted(len(self.history.records), "evaluation")
        yield folded(f"The numbers of {evaluations}", numbers(self.history.records),
                     "the evaluations")  # fmt: skip

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
        try:
            found = self._losses_around()
            yield self._picture(
                lambda theme: plots.surface(found, theme=theme), self._told_of(found)
            )
        except DiagramError as error:
            yield f"<p>There is no loss surface: {escape(one_line(error))}.</p>"

    def _losses_around(self) -> plots.Surface:
        """Return the loss around the trained weights, which the net has again afterwards."""
        points, count = SURFACE[self.dear]
        inputs, labels = self.inputs[:count], self.labels[:count]
        parameters = self.model.parameters()
        trained_ones = [parameter.data.copy() for parameter in parameters]
        criterion = CrossEntropyLoss()

        def put(weights: Sequence[Array]) -> None:
            for parameter, weight in zip(parameters, weights, strict=True):
                parameter.data[...] = weight

        def loss(weights: Sequence[Array]) -> float:
            put(weights)
            return float(criterion(self.model(constant(inputs)), constant(labels)).item())

        path = self.recorder.path
        fits = path.shape[1:] == (sum(array.size for array in trained_ones),)
        try:
            with no_grad():
                return plots.loss_surface(
                    loss,
                    trained_ones,
                    path if fits else (),
                    iterations=self.recorder.path_iterations if fits else (),
                    points=points,
                )
        finally:
            put(trained_ones)

    def _told_of(self, found: plots.Surface) -> str:
        """Return what is to be seen in a loss surface."""
        shown = (
            "The loss in the plane that holds most of the way from the initial weights (square) to "
            "the trained ones (star); numbers are iterations. The share at each axis tells how "
            "much of the way is in the picture: the rest goes on in other directions."
            if len(found.path)
            else "The loss around the trained weights (star), in two directions drawn at random "
            "and scaled like the weights of each unit. A wide valley forgives small changes."
        )
        count = min(SURFACE[self.dear][1], len(self.labels))
        return f"{shown} Loss of {counted(count, 'test image')}, in evaluation mode."

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
        summary = f"<pre>{escape(self.model.summary(self.inputs[:1]))}</pre>"
        yield folded("Layers, shapes and parameters", summary, "the layers")

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
            f"From the input {'on the left' if made.picture.rankdir == 'LR' else 'above'} to the "
            "loss; parameters are green and stand beside what uses them, orange is the gradient on "
            "its way back.",
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
            table("Settings", ((name.replace("_", " "), v) for name, v in settings.items())),
            table(f"Optimizer at the end: {self.optimizer[0]}", self.optimizer[1].items()),
            table("Versions", self.versions.items()),
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


def _fact(count: int, what: str) -> tuple[str, str]:
    """Return the name of a number, in the plural unless it is 1, and the number."""
    number, name = counted(count, what).split(" ", 1)
    return name, number


def _epoch_length(history: History) -> int | None:
    """Return the iterations of an epoch, from a record that tells both."""
    for record in reversed(history.records):
        if record["iteration"] and record.get("epoch"):
            return max(1, round(float(record["iteration"]) / float(record["epoch"])))
    return None


def _loss_of(model: Module, inputs: Array, labels: Array) -> Any:
    return CrossEntropyLoss()(model(constant(inputs)), constant(labels))
