"""Optimizers on MNIST: SGD, Momentum, AdaGrad and Adam train one net of four hidden layers.

python examples/book/optimizers_on_mnist.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD, AdaGrad, Adam, Optimizer
from tinygrad_edu.train import Trainer

Array = np.ndarray[Any, Any]

SIZES = [784, 100, 100, 100, 100, 10]
OPTIMIZERS: dict[str, Callable[[MultiLayerNet], Optimizer]] = {
    "SGD": lambda net: SGD(net, 0.01),
    "Momentum": lambda net: SGD(net, 0.01, momentum=0.9, book=True),
    "AdaGrad": lambda net: AdaGrad(net, 0.01, book=True),
    "Adam": lambda net: Adam(net, 0.001, book=True),
}
"""The book's forms, with its learning rates."""
BOOK = [0.1499, 0.0500, 0.0163, 0.0319]
"""The loss of one batch, at iteration 1900."""


def losses(name: str, data: tuple[Array, Array], iterations: int, seed: int) -> Array:
    """Return the loss of each iteration's batch; every optimizer begins alike and sees the same.

    Parameters
    ----------
    name : str
        Key of `OPTIMIZERS`.
    data : tuple of (images, labels)
        What to train on.
    iterations, seed : int
        How long, and with which random numbers.
    """
    net = MultiLayerNet(SIZES, weight="he", rng=np.random.default_rng([seed, 0]))
    loader = DataLoader(data, 128, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(net, CrossEntropyLoss(), OPTIMIZERS[name](net), loader)
    return trainer.fit(iterations=iterations).losses


def smooth(values: Array, width: int = 11) -> Array:
    """Return a running mean under a Kaiser window, as long as the values."""
    window = np.kaiser(width, 2)
    padded = np.pad(values, width // 2, mode="reflect")
    return np.convolve(padded, window / window.sum(), mode="valid")


def main(arguments: list[str] | None = None) -> None:
    """Train with each, draw the four curves, and compare the ends."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        iterations = 100 if experiment.quick else 2000
        curves = {
            name: losses(name, digits[:2], iterations, experiment.seed) for name in OPTIMIZERS
        }
        last = 20 if experiment.quick else 200
        ends = {name: float(curve[-last:].mean()) for name, curve in curves.items()}
        told = ", ".join(OPTIMIZERS)
        experiment.figure(
            "B4",
            f"loss, mean of the last {last} iterations: {told}",
            ours=list(ends.values()),
            source=None if experiment.quick else BOOK,
        )
        others = max(value for name, value in ends.items() if name != "SGD")
        experiment.figure(
            "B4",
            "loss of SGD over the worst of the others",
            ours=ends["SGD"] / others,
            source=BOOK[0] / max(BOOK[1:]),
            accept=(1.5, None),
        )

        figure, axes = pyplot().subplots(figsize=(7, 4.5))
        for (name, curve), mark in zip(curves.items(), "ov^s", strict=True):
            axes.plot(smooth(curve), label=name, marker=mark, markevery=iterations // 10)
        axes.set(xlabel="iteration", ylabel="loss of the batch, nat", ylim=(0, 1))
        axes.legend()
        experiment.picture(figure)


if __name__ == "__main__":
    main()
