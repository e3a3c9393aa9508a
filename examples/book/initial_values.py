"""Initial weights on MNIST: a standard deviation of 0.01, Xavier's and He's, under ReLU.

python examples/book/initial_values.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Trainer

Array = np.ndarray[Any, Any]

SIZES = [784, 100, 100, 100, 100, 10]
# The book's "Xavier" is 1 / sqrt(fan_in), which the initialisers call "lecun".
WEIGHTS: dict[str, Any] = {"std 0.01": 0.01, "Xavier": "lecun", "He": "he"}
BOOK = [2.305, 0.377, 0.286]
"""The loss of one batch, at iteration 1900."""
GUESSING = float(np.log(10))
"""The loss of a net that gives each of ten classes the same probability."""


def losses(weight: Any, data: tuple[Array, Array], iterations: int, seed: int) -> Array:
    """Return the loss of each iteration's batch, from the given initial weights.

    Parameters
    ----------
    weight : float, str or initialiser
        As `MultiLayerNet` takes it.
    data : tuple of (images, labels)
        What to train on.
    iterations, seed : int
        How long, and with which random numbers.
    """
    net = MultiLayerNet(SIZES, weight=weight, rng=np.random.default_rng([seed, 0]))
    loader = DataLoader(data, 128, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(net, CrossEntropyLoss(), SGD(net, 0.01), loader)
    return trainer.fit(iterations=iterations).losses


def main(arguments: list[str] | None = None) -> None:
    """Train from each kind of weights, draw the curves, and compare the ends."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        iterations = 120 if experiment.quick else 2000
        curves = {
            name: losses(weight, digits[:2], iterations, experiment.seed)
            for name, weight in WEIGHTS.items()
        }
        last = 20 if experiment.quick else 200
        stuck, xavier, he = (float(curve[-last:].mean()) for curve in curves.values())
        experiment.figure(
            "B5",
            f"loss with std 0.01, mean of the last {last} iterations",
            ours=stuck,
            source=BOOK[0],
            accept=(2.29, 2.31),
        )
        experiment.figure(
            "B5",
            f"loss with Xavier and with He, mean of the last {last} iterations",
            ours=[xavier, he],
            source=BOOK[1:],
            accept=(0, 2) if experiment.quick else (0.1, 0.6),
        )
        experiment.figure(
            "B5",
            "loss with Xavier over loss with He",
            ours=xavier / he,
            source=BOOK[1] / BOOK[2],
            accept=(1, None),
        )

        figure, axes = pyplot().subplots(figsize=(7, 4.5))
        window = np.kaiser(11, 2)
        for (name, curve), mark in zip(curves.items(), "os^", strict=True):
            smooth = np.convolve(np.pad(curve, 5, mode="reflect"), window / window.sum(), "valid")
            axes.plot(smooth, label=name, marker=mark, markevery=iterations // 10)
        axes.axhline(GUESSING, color="#555555", linewidth=0.8, linestyle=":")
        axes.annotate("guessing: ln 10", (iterations, GUESSING), (0, 4), "data", "offset points",
                      ha="right", color="#555555")  # fmt: skip
        axes.set(xlabel="iteration", ylabel="loss of the batch, nat", ylim=(0, 2.5))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        experiment.picture(figure)


if __name__ == "__main__":
    main()
