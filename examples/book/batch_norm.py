"""Batch normalisation: nets with and without it, from 16 scales of initial weights.

python examples/book/batch_norm.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Trainer

Array = np.ndarray[Any, Any]

SIZES = [784, 100, 100, 100, 100, 100, 10]
SCALES = np.logspace(0, -4, 16)
"""Standard deviations of the initial weights."""
BOOK_EPS = 1e-6
"""Added to the variance. At the smallest scale the variance itself is near 1e-6."""


def accuracies(
    scale: float, *, batch_norm: bool, data: tuple[Array, Array], epochs: int, seed: int
) -> Array:
    """Return the accuracy on the training images before each epoch and at the end.

    A run whose loss overflows keeps its last accuracy, as in the book.

    Parameters
    ----------
    scale : float
        Standard deviation of the initial weights.
    batch_norm : bool
        Whether hidden layers are normalised.
    data : tuple of (images, labels)
        What to train on.
    epochs, seed : int
        How long, and with which random numbers.

    Returns
    -------
    ndarray, shape (epochs + 1,)
    """
    rng = np.random.default_rng([seed, 0])
    net = MultiLayerNet(SIZES, weight=scale, batch_norm=batch_norm, rng=rng)
    for norm in net.norms:
        norm.eps = BOOK_EPS
    loader = DataLoader(data, 100, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net, CrossEntropyLoss(), SGD(net, 0.01), loader, sets={"train": data}, explodes_at=np.inf
    )
    try:
        trainer.fit(epochs=epochs)
    except TrainingError:
        print(f"    scale {scale:.3g} diverges at iteration {trainer.iteration + 1}")
    found = trainer.history.column("train_accuracy")
    return np.pad(found, (0, epochs + 1 - len(found)), mode="edge")


def main(arguments: list[str] | None = None) -> None:
    """Train all pairs, draw the 16 comparisons, and count who wins."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        data = digits.train_images[:1000], digits.train_labels[:1000]
        epochs = 3 if experiment.quick else 20
        scales = SCALES[::5] if experiment.quick else SCALES
        with_norm, without = (
            np.array([
                accuracies(s, batch_norm=on, data=data, epochs=epochs, seed=experiment.seed)
                for s in scales
            ])
            for on in (True, False)
        )  # fmt: skip
        experiment.figure(
            None,
            f"scales at which the normalised net is ahead after the last epoch, of {len(scales)}",
            ours=int((with_norm[:, -1] > without[:, -1]).sum()),
        )
        experiment.figure(
            None,
            "accuracy with normalisation, lowest and highest of all scales",
            ours=[with_norm[:, -1].min(), with_norm[:, -1].max()],
        )
        experiment.figure(
            None,
            "accuracy without, lowest and highest of all scales",
            ours=[without[:, -1].min(), without[:, -1].max()],
        )

        rows = -(-len(scales) // 4)
        figure, grid = pyplot().subplots(
            rows, 4, figsize=(9, 2.2 * rows), sharex=True, sharey=True, squeeze=False
        )
        for axes, scale, norm, plain in zip(grid.flat, scales, with_norm, without, strict=True):
            axes.plot(norm, label="batch normalisation")
            axes.plot(plain, "--", label="without")
            axes.set(title=f"std {scale:.2g}", ylim=(0, 1))
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy, train")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
        experiment.picture(figure)


if __name__ == "__main__":
    main()
