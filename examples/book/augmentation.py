"""Augmentation: what the transforms do to digits, and what a net gains that has 1,000 of them.

python examples/book/augmentation.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu.data import (
    Affine,
    Augmentation,
    Compose,
    DataLoader,
    Elastic,
    Erase,
    Flip,
    Noise,
    augmentations,
    load_mnist,
)
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import Adam
from tinygrad_edu.train import History, Trainer

SAMPLES = 1000
EPOCHS = 150
SEEDS = 2
SIZES = [784, 200, 200, 10]
KINDS: dict[str, Augmentation | None] = {
    "none": None,
    "flip": Flip(),
    "noise": Noise(0.2),
    "erase": Erase((7, 12)),
    "affine": Affine(shift=2, rotate=10, scale=0.1, shear=10),
    "elastic": Elastic(),
    "affine and elastic": Compose(Affine(shift=2, rotate=10, scale=0.1, shear=10), Elastic()),
}


def train(kind: str, digits: Any, epochs: int, seed: int, samples: int = SAMPLES) -> History:
    """Return the history of a run on the first digits, each changed anew whenever it is seen.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    digits : MNIST
        Where the digits come from.
    epochs, seed, samples : int
        How long, with which random numbers, and how many digits.
    """
    data = digits.train_images[:samples], digits.train_labels[:samples]
    net = MultiLayerNet(SIZES, rng=np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    loader = DataLoader(data, 100, transform=KINDS[kind], rng=rng)
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        Adam(net, 0.001),
        loader,
        sets={"train": data, "test": digits[2:]},
        evaluate_every=max(1, epochs // 15) * len(loader),
    )
    return trainer.fit(epochs=epochs)


def draw_transforms(digits: Any, seed: int, count: int = 10) -> Any:
    """Return the picture of all transforms: one row each, the digits as they are above."""
    images = digits.train_images[:count]
    rows = {"as it is": images}
    rows |= {name: kind.apply(images, seed) for name, kind in augmentations().items()}
    figure, grid = pyplot().subplots(len(rows), count, figsize=(0.62 * count + 1, 0.62 * len(rows)))
    for line, (name, changed) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, changed, strict=True):
            axes.imshow(image.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
            axes.set_axis_off()
        line[0].text(-4, 13.5, name, ha="right", va="center")
    return figure


def main() -> None:
    """Draw the transforms, train with each of some, and tell what each gains."""
    with Experiment(__doc__, __file__) as experiment:
        digits = load_mnist()
        quick = experiment.quick
        epochs, samples = (6, 300) if quick else (EPOCHS, SAMPLES)
        kinds = ["none", "affine and elastic"] if quick else list(KINDS)
        seeds = range(experiment.seed, experiment.seed + (1 if quick else SEEDS))
        experiment.picture(draw_transforms(digits, experiment.seed))

        runs = {
            kind: [train(kind, digits, epochs, seed, samples) for seed in seeds] for kind in kinds
        }
        ends = {
            kind: np.array([run.records[-1]["test_accuracy"] for run in histories])
            for kind, histories in runs.items()
        }
        for kind, found in ends.items():
            experiment.figure(
                None,
                f"{kind}: test accuracy after {epochs} epochs of {samples} digits, seeds "
                f"{seeds[0]} to {seeds[-1]}",
                ours=found,
            )
        gain = float(np.mean(ends["affine and elastic"]) - np.mean(ends["none"]))
        experiment.figure(
            None if quick else "S19",
            "gain in test accuracy by affine and elastic distortions, mean of the seeds",
            ours=gain,
            accept=None if quick else (0.03, None),
        )
        gaps = [
            float(np.mean([run.records[-1]["train_accuracy"] for run in runs[kind]])) - float(
                np.mean(ends[kind])
            )
            for kind in ("none", "affine and elastic")
        ]  # fmt: skip
        experiment.figure(
            None, "gap between train and test accuracy, without and with both", ours=gaps
        )

        figure, (left, right) = pyplot().subplots(1, 2, figsize=(10, 3.8), width_ratios=(3, 2))
        for colour, (kind, histories) in zip(PALETTE, runs.items(), strict=False):
            for i, run in enumerate(histories):
                left.plot(run.column("epoch"), run.column("test_accuracy"), color=colour,
                          linewidth=1.2, label=None if i else kind)  # fmt: skip
        lowest = min(float(found.min()) for found in ends.values())
        left.set(xlabel="epoch", ylabel="test accuracy (a line for each seed)")
        left.set_ylim(lowest - 0.05, 1)
        left.legend(loc="lower right", ncols=2, fontsize=8)
        for place, found in enumerate(ends.values()):
            right.plot(found, [place] * len(found), "o", color=PALETTE[place], markersize=5)
            right.plot(found.mean(), place, "|", color="#000000", markersize=16)
        right.set(xlabel="test accuracy at the end; bar: mean")
        right.set_yticks(range(len(ends)), list(ends))
        right.invert_yaxis()
        experiment.picture(figure, "curves")


if __name__ == "__main__":
    main()
