"""MNIST digits read row by row: an LSTM of 28 steps of 28 pixels.

python examples/book/rows_of_digits.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import RecurrentClassifier
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import Adam
from tinygrad_edu.train import Trainer, evaluate
from tinygrad_edu.train.history import History

Array = np.ndarray[Any, Any]
Set = tuple[Array, Array]

SIDE, HIDDEN, BATCH, LR = 28, 128, 100, 0.002


def trained(train: Set, test: Set, epochs: float, seed: int) -> tuple[RecurrentClassifier, History]:
    """Return a net that was trained on pictures, and the history with its test accuracy.

    Parameters
    ----------
    train, test : (images, labels)
        Flat images, shape (n, 784), and class numbers.
    epochs : float
        How long.
    seed : int
        Of the weights and of the order.
    """
    net = RecurrentClassifier(SIDE, HIDDEN, 10, rng=np.random.default_rng([seed, 0]))
    loader = DataLoader(train, BATCH, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        Adam(net, LR),
        loader,
        sets={"test": test},
        evaluate_every=max(1, len(loader) // 4),
    )
    trainer.fit(epochs=epochs - epochs / 4)
    trainer.optimizer.lr = LR / 5  # smaller steps at the end
    return net, trainer.fit(epochs=epochs)


def shown(net: RecurrentClassifier, test: Set, rows: int) -> float:
    """Return the accuracy where only the first rows are shown; the others are blank."""
    images = test[0].copy()
    images[:, rows * SIDE :] = 0
    return evaluate(net, images, test[1])["accuracy"]


def main() -> None:
    """Train, and ask how many rows it takes to know a digit."""
    with Experiment(__doc__, __file__) as experiment:
        digits = load_mnist()
        train, test = digits[:2], digits[2:]
        if experiment.quick:
            train, test = (train[0][:1500], train[1][:1500]), (test[0][:500], test[1][:500])
        epochs = 1 if experiment.quick else 2
        net, history = trained(train, test, epochs, experiment.seed)
        at = history.column("epoch")
        accuracy = history.column("test_accuracy")
        for epoch in range(1, epochs + 1):
            experiment.figure(
                "S18",
                f"test accuracy after {epoch} epoch{'s' if epoch > 1 else ''}",
                ours=float(accuracy[np.flatnonzero(at == epoch)[0]]),
                accept=None if experiment.quick else ((0.96, 1.0) if epoch == 1 else (0.975, 1.0)),
            )
        rows = range(0, SIDE + 1, 7 if experiment.quick else 1)
        partly = [shown(net, test, count) for count in rows]
        enough = next(
            count for count, value in zip(rows, partly, strict=True) if value > 0.9 * max(partly)
        )
        experiment.figure(None, "rows that are enough for nine tenths of that", ours=enough)

        figure, panels = pyplot().subplots(1, 2, figsize=(9, 3.8))
        panels[0].plot(at, accuracy, marker="o", markersize=4)
        panels[0].set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1))
        panels[1].plot(list(rows), partly, marker="o", markersize=4)
        panels[1].set(
            xlabel="rows shown, of 28; the others blank", ylabel="test accuracy", ylim=(0, 1)
        )
        experiment.picture(figure)


if __name__ == "__main__":
    main()
