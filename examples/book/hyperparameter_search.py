"""Hyper-parameters of a deep net on 500 digits, by random search on a logarithmic scale.

python examples/book/hyperparameter_search.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

import math
import tempfile
from functools import cache
from typing import Any

import numpy as np
from experiment import Experiment

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import LogUniform, Results, Run, Trainer, search

Array = np.ndarray[Any, Any]

SPACE = {"lr": LogUniform(1e-6, 1e-2), "weight_decay": LogUniform(1e-8, 1e-4)}
SIZES = [784, *[100] * 6, 10]
BATCH, EPOCHS = 100, 50
BOOK = {"lr": 0.0094, "weight_decay": 2.8e-6}
"""The best settings of the book's search."""


@cache
def parts(split: int = 0) -> dict[str, tuple[Array, Array]]:
    """Return 400 of the first 500 digits to train on, and the other 100 to judge by."""
    images, labels, *_ = load_mnist()
    order = np.random.default_rng(split).permutation(500)
    train, validation = order[100:], order[:100]
    return {
        "train": (images[train], labels[train]),
        "validation": (images[validation], labels[validation]),
    }


def accuracies(
    settings: dict[str, float], epochs: int, rng: np.random.Generator, split: int = 0
) -> dict[str, Array]:
    """Return the accuracies after every epoch of one training."""
    net = MultiLayerNet(SIZES, rng=rng)
    optimizer = SGD(net, settings["lr"], weight_decay=settings["weight_decay"])
    data = parts(split)
    loader = DataLoader(data["train"], BATCH, replacement=True, rng=rng)
    history = Trainer(net, CrossEntropyLoss(), optimizer, loader, sets=data).fit(epochs=epochs)
    names = ("train_accuracy", "validation_accuracy")
    return {name: history.column(name) for name in names}


def accuracy(settings: dict[str, float], run: Run) -> dict[str, Array]:
    """Return the accuracies of a trial: the objective of the search."""
    return accuracies(settings, run.budget or EPOCHS, run.rng)


def repeated(count: int, epochs: int, seed: int) -> list[float]:
    """Return the last accuracies at the book's best settings, for other splits and weights."""
    found = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        curves = accuracies(BOOK, epochs, rng, split=100 + i)
        found.append(float(curves["validation_accuracy"][-1]))
    return found


def searched(trials: int, epochs: int, seed: int, processes: int) -> Results:
    """Return what a random search finds.

    Parameters
    ----------
    trials, epochs : int
        How many settings, and how long each is trained.
    seed : int
        Of all trials.
    processes : int
        Trials at the same time.
    """
    with tempfile.TemporaryDirectory() as folder:
        return search(
            accuracy,
            SPACE,
            trials=trials,
            budget=epochs,
            monitor="validation_accuracy",
            processes=processes,
            folder=folder,
            rng=seed,
        )


def picture(results: Results, title: str) -> Any:
    """Return the picture of the best trainings, its axes named for what this objective reports."""
    figure = results.curves(title=title)
    figure.supylabel("accuracy", fontsize=9)
    for axes in figure.axes:
        if axes.get_xlabel():
            axes.set_xlabel("epoch")
    return figure


def main() -> None:
    """Search, draw the twenty best trainings, and tell where the best lie."""
    with Experiment(__doc__, __file__) as experiment:
        if experiment.quick:
            results = searched(4, 5, experiment.seed, 1)
        else:
            results = searched(100, EPOCHS, experiment.seed, 2)
        print(results.table(20))
        if experiment.quick:
            title = "A few trials"
        else:
            title = "The best 20 of 100 trials: accuracy over 50 epochs, 400 digits to train on"
        experiment.picture(picture(results, title))
        best = results.best
        limit = None if experiment.quick else 0.75
        experiment.figure(
            "B8",
            "best accuracy on the validation digits",
            ours=best.value,
            source=0.84,
            accept=(limit, None),
        )
        experiment.figure(
            "B8",
            "its learning rate",
            ours=best.settings["lr"],
            source=BOOK["lr"],
            accept=(None if experiment.quick else 3e-3, 1e-2),
        )
        experiment.figure(
            "B8",
            "its weight decay",
            ours=best.settings["weight_decay"],
            source=BOOK["weight_decay"],
        )
        again = repeated(*((2, 5) if experiment.quick else (10, EPOCHS)), experiment.seed)
        experiment.figure(
            None,
            "accuracy at the book's settings, other splits and weights: lowest, mean, highest",
            ours=[min(again), round(float(np.mean(again)), 3), max(again)],
            source=0.84,
        )
        tops = [math.log10(trial.settings["lr"]) for trial in results.sorted[:5]]
        experiment.figure(
            None,
            "log10 of the learning rates of the five best",
            ours=[round(value, 2) for value in tops],
            accept=(None if experiment.quick else -3, -2),
        )


if __name__ == "__main__":
    main()
