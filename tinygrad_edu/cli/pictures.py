"""``tinygrad-edu draw`` and ``explain``: the graph of a model, and what its gradients are made of.

Knows: how a model is found in a file, and a run. Does not know: how anything is drawn or explained.
"""

from __future__ import annotations

import argparse
import inspect
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.cli.experiment import build, net_name, viewed
from tinygrad_edu.cli.folder import trained
from tinygrad_edu.cli.page import place
from tinygrad_edu.cli.report import images_of
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import DiagramWarning, TargetError
from tinygrad_edu.nn import CrossEntropyLoss, Module
from tinygrad_edu.targets import load_target, telling
from tinygrad_edu.train import Progress, one_thread

__all__ = ["draw_target", "explain_run"]

SHOWN = 4
"""Test images whose loss is explained."""
FRAMES = 40
"""Moments of the training that are shown, about."""


def draw_target(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu draw`` and return its exit code."""
    from tinygrad_edu.draw import draw  # a large room, which only these commands need

    found = load_target("draw", options.target)
    name = options.target.replace("::", ":").rpartition(":")[2]
    with telling("draw", options.target, "cannot be made"):
        if not isinstance(found, (Module, Tensor)) and callable(found):
            takes = inspect.signature(found).parameters
            found = found(rng=0) if "rng" in takes else found()
    if isinstance(found, Tensor):
        if options.input:
            raise TargetError(f"draw: {options.target} is a Tensor, which takes no --input")
    elif not isinstance(found, Module):
        raise TargetError(
            f"draw: {options.target} is a {type(found).__name__}; expected a Module, a function or "
            "class that makes one without arguments, or a Tensor\n"
            "  fix: name the model, as in net.py:model"
        )
    elif not options.input:
        raise TargetError(
            f"draw: {options.target} is a Module: what is it to be called with?\n"
            "  fix: give the shape of each input, as in --input 100,784"
        )
    examples = [_example(shape, options.ids) for shape in options.input or ()]
    try:
        with telling("draw", options.target, "cannot be drawn"):
            diagram = draw(
                found,
                *examples,
                level=options.level,
                grad=options.grad or "auto",
                heat=options.heat,
                theme=options.theme,
                fold=not options.unfolded,
                title=name,
            )
    except TargetError:
        if options.ids is None and isinstance(found, Module) and _takes_ids(found, options.input):
            raise TargetError(
                f"draw: {options.target} is called with whole numbers\n"
                "  fix: --ids N, which are below N, as the ids of N words are"
            ) from None
        raise
    if options.out == "-":
        print(diagram.text, end="")
        return 0
    with saying():
        path = diagram.save(options.out or f"{name}.svg")
    print(path)
    return 0


def explain_run(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu explain`` and return its exit code."""
    from tinygrad_edu.explain import Frames, explain_html

    run = Path(options.run)
    model, shape, settings = trained(run)
    out = place(options.out, run / "backprop.html")
    data = images_of(run, settings)
    images, labels = viewed(data.test_images[:SHOWN], shape), data.test_labels[:SHOWN]

    def loss_of(net: Module) -> Tensor:
        loss: Tensor = CrossEntropyLoss()(net.trial(images)[1], labels)
        return loss

    # The run keeps its end only; its beginning is trained again, which gives the same bits.
    trainer = build({**settings}, progress=Progress(quiet=True))
    trainer.sets, trainer.callbacks = {}, []  # nobody evaluates, so nobody stops it early
    frames = Frames(lambda: loss_of(trainer.model), every=max(1, options.steps // FRAMES))
    with one_thread(), saying():
        if options.steps:
            frames.add(loss_of(trainer.model), 0)
            trainer.callbacks.append(frames)
            trainer.fit(iterations=options.steps)
        page = explain_html(
            loss_of(model),
            out,
            frames=frames,
            title=f"Backward pass of {net_name(settings)} on {SHOWN} test images",
        )
    print(page)
    return 0


def _example(shape: Sequence[int], ids: int | None) -> np.ndarray[Any, Any]:
    """Return numbers of a standard normal distribution, or whole ones below `ids`; always these."""
    rng = np.random.default_rng(0)
    if ids is not None:
        return rng.integers(0, ids, shape)
    return rng.standard_normal(shape, np.float32)


def _takes_ids(model: Module, shapes: Sequence[Sequence[int]]) -> bool:
    """Return whether a model that refuses other numbers can be called with ids."""
    try:
        model.trial(*(_example(shape, 1) for shape in shapes))
    except Exception:  # whatever is wrong, it is not that
        return False
    return True


@contextmanager
def saying() -> Iterator[None]:
    """Context in which what diagrams warn of is said in one line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DiagramWarning)
        yield
    for warning in caught:
        print(f"Note: {warning.message}")
