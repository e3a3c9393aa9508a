"""Learning rates too small and too large: the two-layer net on MNIST.

python examples/book/learning_rates.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import TwoLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import History, Trainer

RATES = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
SHOWN = (0.001, 0.1, 1.0, 100.0)
"""Those whose losses are drawn."""
ITERATIONS = 3000


def train(rate: float, digits: Any, iterations: int, seed: int) -> History:
    """Return the history of a run with one learning rate.

    Parameters
    ----------
    rate : float
        The learning rate of plain gradient descent.
    digits : MNIST
        What to train on and to test with.
    iterations, seed : int
        How long, and with which random numbers.
    """
    net = TwoLayerNet(784, 50, 10, weight=0.01, rng=np.random.default_rng([seed, 0]))
    loader = DataLoader(digits[:2], 100, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        SGD(net, rate),
        loader,
        sets={"test": digits[2:]},
        evaluate_every=iterations,
        explodes_at=np.inf,  # to see what a high loss does
    )
    return trainer.fit(iterations=iterations)


def main(arguments: list[str] | None = None) -> None:
    """Train with each rate, draw losses and accuracies, and tell both ends of the scale."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        iterations = 100 if experiment.quick else ITERATIONS
        runs = {rate: train(rate, digits, iterations, experiment.seed) for rate in RATES}
        reached = {rate: run.records[-1]["test_accuracy"] for rate, run in runs.items()}
        last = max(1, iterations // 10)
        ends = {rate: float(run.losses[-last:].mean()) for rate, run in runs.items()}
        number = None if experiment.quick else "S20"
        experiment.figure(
            number,
            f"learning rate 0.001: loss after {iterations} iterations (it began at ln 10 = 2.303)",
            ours=ends[0.001],
            accept=None if experiment.quick else (2.2, 2.31),
        )
        experiment.figure(
            number,
            f"learning rate 0.1: test accuracy after {iterations} iterations",
            ours=reached[0.1],
            accept=None if experiment.quick else (0.9, 1),
        )
        experiment.figure(
            number,
            f"learning rate 100: loss after {iterations} iterations",
            ours=ends[100.0],
            accept=None if experiment.quick else (2.31, None),
        )
        experiment.figure(
            None,
            f"test accuracy with learning rates {', '.join(f'{rate:g}' for rate in RATES)}",
            ours=list(reached.values()),
        )

        figure, (left, right) = pyplot().subplots(1, 2, figsize=(9, 3.8))
        for rate, line in zip(SHOWN, ("-", "--", "-.", ":"), strict=True):
            losses = runs[rate].losses
            width = max(1, iterations // 60)
            smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
            left.semilogy(np.arange(len(smooth)) + width, smooth, line, label=f"{rate:g}")
        left.set(xlabel="iteration", ylabel=f"loss, mean of {width} batches, nat")
        left.legend(title="learning rate", loc="center right", bbox_to_anchor=(1, 0.6))
        right.semilogx(RATES, list(reached.values()), "o-")
        right.set(xlabel="learning rate", ylabel=f"test accuracy after {iterations} iterations",
                  ylim=(0, 1))  # fmt: skip
        experiment.picture(figure)


if __name__ == "__main__":
    main()
