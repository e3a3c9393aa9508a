"""``tinygrad-edu evaluate`` and ``predict``: what a trained net knows.

Knows: a run's folder, and how a digit looks in characters. Does not know: training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.cli.experiment import net_name, read_images, viewed
from tinygrad_edu.cli.folder import trained
from tinygrad_edu.cli.wrong import Wrong
from tinygrad_edu.data import Digit, read_digits
from tinygrad_edu.data.mnist import SIDE
from tinygrad_edu.train import correct, evaluate, one_thread, predictions

__all__ = ["evaluate_run", "predict"]

Array = np.ndarray[Any, Any]

SHOWN = 10
"""Pictures of a file that ``predict`` shows."""
BLOCKS, ASCII = " ▀▄█", " '.#"
"""A character for two pixels, one above the other: none, the upper, the lower, both."""


def evaluate_run(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu evaluate`` and return its exit code."""
    run = Path(options.run)
    model, shape, settings = trained(run)
    data = read_images(options.data if options.data is not None else settings["data"])
    classes, image = settings["classes"], settings["image"]
    if len(data.classes) > len(classes) or list(data.test_images.shape[1:]) != image:
        raise Wrong(
            f"{run} was trained on {len(classes)} classes of images of shape {tuple(image)}; the "
            f"data have {len(data.classes)} classes and shape {data.test_images.shape[1:]}"
        )
    with one_thread():
        images = viewed(data.train_images, shape)
        train = evaluate(model, images, data.train_labels)["accuracy"]
        logits = predictions(model, viewed(data.test_images, shape))
    hits = correct(logits, data.test_labels)
    print(f"{run}: {net_name(settings)}")
    print(f"accuracy on {len(data.train_labels):,} training images  {train:.4f}")
    print(f"accuracy on {len(hits):,} test images      {hits.mean():.4f}\n")
    wide = max(5, *map(len, classes))
    print(f"{'class':>{wide}}  test accuracy  most often taken for")
    answers = logits.argmax(axis=1)
    for number, name in enumerate(classes):
        own = data.test_labels == number
        wrong = np.bincount(answers[own & ~hits], minlength=len(classes))
        often = f"{classes[wrong.argmax()]} ({wrong.max()} of {own.sum()})" if wrong.any() else "-"
        if own.any():
            print(f"{name:>{wide}}  {hits[own].mean():>13.4f}  {often}")
    return 0


def predict(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu predict`` and return its exit code."""
    model, shape, settings = trained(Path(options.run))
    if settings["image"] != [1, SIDE, SIDE]:
        raise Wrong(
            f"{options.run} was trained on images of shape {tuple(settings['image'])}; pictures "
            f"are prepared as MNIST's digits were, {SIDE} x {SIDE}"
        )
    files = [read_digits(path) for path in options.images]  # all are read before one is shown
    blank = [digit.name for digits in files for digit in digits if not np.ptp(digit.pixels)]
    if blank:
        raise Wrong(f"there is no digit in {blank[0]}: all its pixels are alike")
    for digits in files:
        shown = digits[:SHOWN]
        logits = predictions(model, viewed(np.stack([digit.pixels for digit in shown]), shape))
        for digit, row in zip(shown, logits.astype(np.float64), strict=True):
            odds = np.exp(row - row.max())
            print(_card(digit, odds / odds.sum(), settings["classes"]))
        if len(digits) > SHOWN:
            print(f"The first {SHOWN} of {len(digits):,} pictures are shown.\n")
    return 0


def _card(digit: Digit, probabilities: Array, classes: Sequence[str]) -> str:
    """Return a picture and the highest probabilities beside it, in the order of the classes."""
    best = int(probabilities.argmax())
    head = f"{digit.name}: a {classes[best]}, with probability {probabilities[best]:.1%}"
    if digit.note:
        head += f" ({digit.note})"
    picture = _drawn(digit.pixels)
    told = sorted(np.argsort(-probabilities, kind="stable")[: len(picture) - 4].tolist())
    wide = max(len(classes[number]) for number in told)
    right = [""] * len(picture)
    for line, number in enumerate(told, start=2):
        mark, share = ">" if number == best else " ", probabilities[number]
        right[line] = f" {mark} {classes[number]:>{wide}} {_bar(share)} {share:6.1%}"
    rows = "\n".join(f"  {left} {text}".rstrip() for left, text in zip(picture, right, strict=True))
    return f"{head}\n{rows}\n"


def _drawn(pixels: Array) -> list[str]:
    """Return a picture as lines of characters, each as high as two pixels."""
    signs = BLOCKS if _can_write(BLOCKS) else ASCII
    ink = (pixels > 0.4).astype(int)
    return ["".join(signs[n] for n in row) for row in ink[::2] + 2 * ink[1::2]]


def _bar(share: float, width: int = 30) -> str:
    """Return a bar of `width` characters, filled to a share."""
    filled = round(share * width)
    return ("█" if _can_write("█") else "#") * filled + " " * (width - filled)


def _can_write(text: str) -> bool:
    """Return whether standard output knows the characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
