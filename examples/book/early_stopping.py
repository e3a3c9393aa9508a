"""Early stopping: labels that are partly wrong, and when a net begins to learn them by heart.

python examples/book/early_stopping.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist, split
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import Adam
from tinygrad_edu.train import Callback, EarlyStopping, Trainer, evaluate

Array = np.ndarray[Any, Any]

SAMPLES = 3000
VALIDATION = 1000
WRONG = 0.3
"""Share of the labels that are drawn anew, which leaves a tenth of these right by chance."""
EPOCHS = 60
PATIENCE = 8


def noisy_sets(digits: Any, seed: int) -> dict[str, tuple[Array, Array]]:
    """Return a training and a validation set with wrong labels, and the test set as it is."""
    rng = np.random.default_rng([seed, 2])
    labels = digits.train_labels[:SAMPLES].copy()
    wrong = rng.random(SAMPLES) < WRONG
    labels[wrong] = rng.integers(10, size=int(wrong.sum()))
    data = digits.train_images[:SAMPLES], labels
    parts = split(data, validation=VALIDATION, test=0, stratify=labels, rng=rng)
    return {"train": parts.train, "validation": parts.validation, "test": digits[2:]}


def trained(
    sets: dict[str, tuple[Array, Array]], epochs: int, seed: int, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """Return the trainer after a run, which a callback may have stopped.

    Parameters
    ----------
    sets : dict of str to (images, labels)
        What to evaluate on; ``"train"`` is trained on.
    epochs, seed : int
        How long at most, and with which random numbers.
    callbacks : sequence of Callback
        Who may stop it.
    """
    net = MultiLayerNet([784, 200, 10], rng=np.random.default_rng([seed, 0]))
    loader = DataLoader(sets["train"], 100, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        Adam(net, 0.001),
        loader,
        metrics=["accuracy", "loss"],
        sets=sets,
        callbacks=callbacks,
    )
    trainer.fit(epochs=epochs)
    return trainer


def main(arguments: list[str] | None = None) -> None:
    """Train to the end and with a stop, draw the curves, and compare the nets."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        quick = experiment.quick
        digits = load_mnist()
        sets = noisy_sets(digits, experiment.seed)
        if quick:
            sets["test"] = digits.test_images[:1000], digits.test_labels[:1000]
        epochs = 3 if quick else EPOCHS
        full = trained(sets, epochs, experiment.seed)
        stopping = EarlyStopping("validation_loss", 1 if quick else PATIENCE, best="lowest")
        stopped = trained(sets, epochs, experiment.seed, [stopping])
        best = stopping.iteration_of_best / len(stopped.loader)
        ends = np.array([evaluate(run.model, *sets["test"])["accuracy"] for run in (full, stopped)])
        experiment.figure(
            None,
            f"epoch of the lowest validation loss, and epoch of the stop, of {epochs}",
            ours=[best, stopped.epoch],
            accept=None if quick else (1, EPOCHS - 1),
        )
        experiment.figure(
            "S19",
            f"test accuracy after {epochs} epochs, and with the best weights of the stopped run",
            ours=ends,
        )
        experiment.figure(
            None if quick else "S19",
            "gain in test accuracy by stopping early",
            ours=float(ends[1] - ends[0]),
            accept=None if quick else (0.03, None),
        )
        last = full.history.records[-1]
        experiment.figure(
            None,
            "accuracy on the training labels at the end, a part of which is wrong",
            ours=last["train_accuracy"],
        )

        figure, (left, right) = pyplot().subplots(1, 2, figsize=(9, 3.8))
        epoch = full.history.column("epoch")
        for name, line, colour in zip(sets, ("-", "-.", "--"), PALETTE, strict=False):
            loss, accuracy = (full.history.column(f"{name}_{m}") for m in ("loss", "accuracy"))
            left.plot(epoch, loss, line, color=colour, label=name)
            right.plot(epoch, accuracy, line, color=colour, label=name)
        for axes in (left, right):
            axes.axvline(best, color="black", linewidth=0.8, linestyle=":")
            axes.set_xlabel("epoch")
        left.annotate("kept", (best, 2.2), (4, 0), "data", "offset points")
        left.set(ylabel="loss, nat", ylim=(0, 2.5))
        right.set(ylabel="accuracy", ylim=(0, 1.02))
        right.legend(loc="lower right")
        experiment.picture(figure)


if __name__ == "__main__":
    main()
