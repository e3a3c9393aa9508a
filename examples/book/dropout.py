"""Dropout against overfitting: 300 digits, seven layers, a fifth of the units silent.

python examples/book/dropout.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss, Dropout, Linear, Module, Sequential
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import History, Trainer

Array = np.ndarray[Any, Any]

SIZES = [784, *[100] * 6, 10]
EPOCHS = 301
SAMPLES = 300
RATIO = 0.2
SEEDS = 5
KINDS = ("none", "book", "inverted")
WIDE = [784, 400, 400, 10]
"""A net with more units than it needs, where dropout pays."""
RATIOS = (0.0, 0.2, 0.5)


class BookDropout(Module):
    """The book's form: x · mask in training, (1 - p) · x in evaluation.

    It is the usual form times (1 - p), in both modes.

    Parameters
    ----------
    p : float
        Probability of an element to be zeroed.
    rng : Generator
        The layer's own.
    """

    def __init__(self, p: float, *, rng: np.random.Generator) -> None:
        self.inverted = Dropout(p, rng=rng)

    def forward(self, x: Any) -> Any:
        """Return `x` with elements dropped, or all of it shrunk."""
        return self.inverted(x) * (1 - self.inverted.p)


def net_of(kind: str, seed: int) -> Module:
    """Return the net with no dropout, with the book's form or with the inverted one."""
    rng = np.random.default_rng([seed, 0])
    if kind != "book":
        ratio = RATIO if kind == "inverted" else 0.0
        return MultiLayerNet(SIZES, weight="he", dropout=ratio, rng=rng)
    layers: list[Module] = []
    for fan_in, fan_out in pairwise(SIZES[:-1]):
        layers.append(Linear(fan_in, fan_out, activation="relu", weight="he", rng=rng))
        layers.append(BookDropout(RATIO, rng=rng.spawn(1)[0]))
    return Sequential(*layers, Linear(SIZES[-2], SIZES[-1], weight="he", rng=rng))


def train(kind: str, digits: Any, epochs: int, seed: int, every: int = 10) -> History:
    """Return the history of a run on the first 300 digits.

    Parameters
    ----------
    kind : {"none", "book", "inverted"}
        Of dropout.
    digits : MNIST
        Where the digits come from.
    epochs, seed : int
        How long, and with which random numbers.
    every : int
        Epochs between two evaluations.
    """
    net = net_of(kind, seed)
    return _trained(net, SGD(net, 0.01), digits, epochs, seed, every)


def train_wide(ratio: float, digits: Any, epochs: int, seed: int) -> History:
    """Return the history of the wide net with inverted dropout, on the same digits."""
    net = MultiLayerNet(WIDE, dropout=ratio, rng=np.random.default_rng([seed, 0]))
    return _trained(net, SGD(net, 0.05, momentum=0.9), digits, epochs, seed, epochs)


def _trained(
    net: Module, optimizer: SGD, digits: Any, epochs: int, seed: int, every: int
) -> History:
    data = digits.train_images[:SAMPLES], digits.train_labels[:SAMPLES]
    loader = DataLoader(data, 100, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        optimizer,
        loader,
        sets={"train": data, "test": digits[2:]},
        evaluate_every=every * len(loader),
    )
    return trainer.fit(epochs=epochs)


def main(arguments: list[str] | None = None) -> None:
    """Train all kinds with several seeds, draw the accuracies, and tell the ends."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        quick = experiment.quick
        epochs = 30 if quick else EPOCHS
        seeds = range(experiment.seed, experiment.seed + (1 if quick else SEEDS))
        runs = {
            kind: [train(kind, digits, epochs, seed, 30 if quick else 10) for seed in seeds]
            for kind in KINDS
        }

        def ends(kind: str, name: str) -> Array:
            return np.array([run.records[-1][f"{name}_accuracy"] for run in runs[kind]])

        source = {"train": 0.67, "test": 0.5478}
        accept = {"train": (0.58, 0.75), "test": (0.45, 0.62)}
        for name in ("train", "test"):
            experiment.figure(
                None if quick else "B7",
                f"book's dropout {RATIO}: {name} accuracy after {epochs} epochs, seeds "
                f"{seeds[0]} to {seeds[-1]}",
                ours=ends("book", name),
                source=source[name],
                accept=None if quick else accept[name],
            )
        for kind in ("none", "inverted"):
            for name in ("train", "test"):
                experiment.figure(
                    None,
                    f"{'no' if kind == 'none' else kind} dropout: {name} accuracy, the same seeds",
                    ours=ends(kind, name),
                )
        gaps = {kind: float(np.mean(ends(kind, "train") - ends(kind, "test"))) for kind in KINDS}
        experiment.figure(
            None,
            "mean gap between train and test accuracy: none, book's, inverted",
            ours=list(gaps.values()),
        )

        wide_epochs = 10 if quick else 200
        wide = {
            ratio: [
                train_wide(ratio, digits, wide_epochs, seed).records[-1]["test_accuracy"]
                for seed in seeds[:3]
            ]
            for ratio in RATIOS
        }
        experiment.figure(
            "S19",
            f"two layers of 400, {wide_epochs} epochs: mean test accuracy with inverted dropout "
            f"{', '.join(map(str, RATIOS))}",
            ours=[float(np.mean(found)) for found in wide.values()],
        )
        experiment.figure(
            None if quick else "S20",
            "two layers of 400: gain in test accuracy by dropout 0.5",
            ours=float(np.mean(wide[0.5]) - np.mean(wide[0.0])),
            accept=None if quick else (0.01, None),
        )

        figure, grid = pyplot().subplots(1, 4, figsize=(12, 3.6))
        titles = ("no dropout", f"the book's, ratio {RATIO}", f"inverted, ratio {RATIO}")
        for axes, title, histories in zip(grid[:3], titles, runs.values(), strict=True):
            for colour, name, line in zip(PALETTE, ("train", "test"), ("-", "--"), strict=False):
                for i, run in enumerate(histories):
                    axes.plot(run.column("epoch"), run.column(f"{name}_accuracy"), line,
                              color=colour, linewidth=1, label=None if i else name)  # fmt: skip
            axes.set(title=title, xlabel="epoch", ylim=(0, 1.02))
        grid[0].set_ylabel("accuracy (a line for each seed)")
        grid[0].legend(loc="lower right")
        for ratio, found in wide.items():
            grid[3].plot([ratio] * len(found), found, "o", color=PALETTE[1])
        grid[3].plot(RATIOS, [np.mean(found) for found in wide.values()], "--", color=PALETTE[1])
        grid[3].set(title="inverted, two layers of 400", xlabel="dropout ratio",
                    ylabel="test accuracy", xticks=RATIOS)  # fmt: skip
        experiment.picture(figure)


if __name__ == "__main__":
    main()
