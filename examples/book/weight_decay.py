"""Weight decay against overfitting: 300 digits, seven layers, large weights cost.

python examples/book/weight_decay.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD, decay_groups
from tinygrad_edu.train import Trainer

Array = np.ndarray[Any, Any]

SIZES = [784, *[100] * 6, 10]
EPOCHS = 201
SAMPLES = 300
DECAY = 0.1
SEEDS = 5


def train(decay: float, digits: Any, epochs: int, seed: int, every: int = 10) -> Trainer:
    """Return the trainer after a run on the first 300 digits.

    Parameters
    ----------
    decay : float
        λ in the loss + λ/2 · Σ W²; the weights decay, the biases do not.
    digits : MNIST
        Where the digits come from.
    epochs, seed : int
        How long, and with which random numbers.
    every : int
        Epochs between two evaluations.
    """
    data = digits.train_images[:SAMPLES], digits.train_labels[:SAMPLES]
    net = MultiLayerNet(SIZES, weight="he", rng=np.random.default_rng([seed, 0]))
    loader = DataLoader(data, 100, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        SGD(decay_groups(net, decay), 0.01),
        loader,
        sets={"train": data, "test": digits[2:]},
        evaluate_every=every * len(loader),
    )
    trainer.fit(epochs=epochs)
    return trainer


def main(arguments: list[str] | None = None) -> None:
    """Train with and without, with several seeds, draw the accuracies, and tell the ends."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        quick = experiment.quick
        epochs = 40 if quick else EPOCHS
        seeds = range(experiment.seed, experiment.seed + (1 if quick else SEEDS))
        runs = {
            decay: [train(decay, digits, epochs, seed, 40 if quick else 10) for seed in seeds]
            for decay in (0.0, DECAY)
        }

        def ends(decay: float, name: str) -> Array:
            return np.array([run.history.records[-1][f"{name}_accuracy"] for run in runs[decay]])

        source = {"train": 0.9267, "test": 0.7207}
        accept = {"train": (0.85, 0.99), "test": (0.62, 0.78)}
        for name in ("train", "test"):
            experiment.figure(
                None if quick else "B6",
                f"decay {DECAY}: {name} accuracy after {epochs} epochs, seeds {seeds[0]} to "
                f"{seeds[-1]}",
                ours=ends(DECAY, name),
                source=source[name],
                accept=None if quick else accept[name],
            )
        for name in ("train", "test"):
            experiment.figure(
                None, f"no decay: {name} accuracy, the same seeds", ours=ends(0.0, name)
            )
        experiment.figure(
            "S19",
            "mean gap between train and test accuracy: without, with decay",
            ours=[float(np.mean(ends(d, "train") - ends(d, "test"))) for d in runs],
        )
        weights = {
            decay: np.concatenate(
                [p.numpy().ravel() for p in trainers[0].model.parameters() if p.ndim == 2]
            )
            for decay, trainers in runs.items()
        }
        experiment.figure(
            None,
            "root mean square of the weights after training: without, with decay",
            ours=[float(np.sqrt(np.mean(np.square(w)))) for w in weights.values()],
        )

        figure, (left, middle, right) = pyplot().subplots(1, 3, figsize=(10.5, 3.6))
        for axes, (decay, trainers) in zip((left, middle), runs.items(), strict=True):
            for colour, name, line in zip(PALETTE, ("train", "test"), ("-", "--"), strict=False):
                for i, run in enumerate(trainers):
                    history = run.history
                    axes.plot(history.column("epoch"), history.column(f"{name}_accuracy"), line,
                              color=colour, linewidth=1, label=None if i else name)  # fmt: skip
            axes.set(title=f"decay {decay:g}", xlabel="epoch", ylim=(0, 1.02))
        left.set_ylabel("accuracy (a line for each seed)")
        left.legend(loc="lower right")
        bins = np.linspace(-0.6, 0.6, 121)
        for (decay, values), line in zip(weights.items(), ("-", "--"), strict=True):
            right.hist(values, bins, histtype="step", linestyle=line, label=f"decay {decay:g}")
        right.set(xlabel="weight after training", ylabel="number of weights", yscale="log",
                  title="all layers")  # fmt: skip
        right.legend(loc="lower center")
        experiment.picture(figure)


if __name__ == "__main__":
    main()
