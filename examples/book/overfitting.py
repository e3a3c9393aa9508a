"""Overfitting: a net of seven layers learns 300 digits by heart.

python examples/book/overfitting.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import History, Trainer

SIZES = [784, *[100] * 6, 10]
EPOCHS = 201
SAMPLES = 300
MORE = (300, 1_000, 3_000, 10_000, 30_000)
"""Numbers of digits to train on with as many iterations as 300 digits have in all epochs."""


def train(digits: Any, samples: int, iterations: int, seed: int, every: int = 15) -> History:
    """Return the history of a run on the first digits.

    Parameters
    ----------
    digits : MNIST
        Where they come from.
    samples : int
        How many are trained on.
    iterations, seed : int
        How long, and with which random numbers.
    every : int
        Iterations between two evaluations.
    """
    data = digits.train_images[:samples], digits.train_labels[:samples]
    net = MultiLayerNet(SIZES, weight="he", rng=np.random.default_rng([seed, 0]))
    loader = DataLoader(data, 100, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        SGD(net, 0.01),
        loader,
        metrics=["accuracy", "loss"],
        sets={"train": data, "test": digits[2:]},
        evaluate_every=every,
    )
    return trainer.fit(iterations=iterations)


def main(arguments: list[str] | None = None) -> None:
    """Train on few and on more digits, draw both, and tell the gaps."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        iterations = EPOCHS * SAMPLES // 100 // (6 if experiment.quick else 1)
        every = 50 if experiment.quick else 15
        history = train(digits, SAMPLES, iterations, experiment.seed, every)
        last = history.records[-1]
        number = None if experiment.quick else "S20"
        experiment.figure(
            number,
            f"accuracy on the {SAMPLES} digits after {last['epoch']:g} epochs",
            ours=last["train_accuracy"],
            accept=None if experiment.quick else (0.99, 1),
        )
        experiment.figure(
            number,
            "accuracy on the 10,000 test digits",
            ours=last["test_accuracy"],
            accept=None if experiment.quick else (0.65, 0.85),
        )
        lowest = history.column("test_loss").min()
        experiment.figure(
            None,
            "test loss: its lowest, and at the end (train loss at the end: "
            f"{last['train_loss']:.3f})",
            ours=[lowest, last["test_loss"]],
        )
        sizes = MORE[:1] if experiment.quick else MORE
        ends = [last]
        for samples in sizes[1:]:
            run = train(digits, samples, iterations, experiment.seed, 10**6)
            ends.append(run.records[-1])
        gaps = [end["train_accuracy"] - end["test_accuracy"] for end in ends]
        experiment.figure(
            None,
            f"gap between train and test accuracy with {', '.join(map(str, sizes))} digits, "
            f"{iterations} iterations each",
            ours=gaps,
        )

        figure, (left, middle, right) = pyplot().subplots(1, 3, figsize=(11, 3.6))
        epochs = history.column("epoch")
        for name, line in (("train", "-"), ("test", "--")):
            left.plot(epochs, history.column(f"{name}_accuracy"), line, label=name)
            middle.plot(epochs, history.column(f"{name}_loss"), line, label=name)
            reached = [end[f"{name}_accuracy"] for end in ends]
            right.semilogx(sizes, reached, line, marker="o", label=name)
        left.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02), title="300 digits")
        middle.set(xlabel="epoch", ylabel="loss, nat", ylim=(0, None), title="300 digits")
        right.set(xlabel="digits to train on", ylabel=f"accuracy after {iterations} iterations",
                  ylim=(0, 1.02), title="more digits")  # fmt: skip
        left.legend()
        experiment.picture(figure)


if __name__ == "__main__":
    main()
