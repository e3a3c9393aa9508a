"""SimpleConvNet on MNIST: what a convolution learns.

One convolution of 30 filters, trained on all 60,000 digits with Adam. The filters are noise at
first; trained, most of them answer to edges and blobs, which one sees in the maps of a digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import SimpleConvNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.ops import conv2d
from tinygrad_edu.optim import Adam
from tinygrad_edu.train import History, Progress, Trainer, save_curves


def train(
    count: int, epochs: int, seed: int, *, tested: int = 10_000
) -> tuple[SimpleConvNet, np.ndarray, History]:
    """Return the net trained on the first digits, its filters before, and the history."""
    digits = load_mnist()
    images = digits.train_images[:count].reshape(-1, 1, 28, 28)
    unseen = digits.test_images[:tested].reshape(-1, 1, 28, 28)
    for_weights, for_batches = np.random.default_rng(seed).spawn(2)
    model = SimpleConvNet(rng=for_weights)
    before = model.state_dict()["features.0.weight"]
    trainer = Trainer(
        model,
        CrossEntropyLoss(),
        Adam(model, lr=0.001),
        DataLoader((images, digits.train_labels[:count]), 100, rng=for_batches),
        sets={
            "train": (images[:10_000], digits.train_labels[: min(count, 10_000)]),
            "test": (unseen, digits.test_labels[:tested]),
        },
        progress=Progress(),
    )
    history = trainer.fit(epochs=epochs)
    return model, before, history


def picture_of_filters(before: np.ndarray, after: np.ndarray) -> Any:
    """Return the filters as small grey pictures, before the training above, after it below."""
    plt = pyplot()
    figure = plt.figure(figsize=(9, 4.6))
    for part, (title, filters) in zip(
        figure.subfigures(2, 1), (("before", before), ("after", after)), strict=True
    ):
        part.suptitle(f"{title} training", fontsize=10)
        limit = np.abs(filters).max()
        for axis, one in zip(part.subplots(3, 10).ravel(), filters, strict=True):
            axis.imshow(one[0], cmap="gray", vmin=-limit, vmax=limit)
            axis.set_axis_off()
    return figure


def picture_of_maps(model: SimpleConvNet, image: np.ndarray) -> Any:
    """Return a digit, and for the eight strongest filters the filter above its map."""
    plt = pyplot()
    weight = model.state_dict()["features.0.weight"]
    maps = conv2d(image[None], weight)[0]
    chosen = np.argsort(-np.abs(weight).sum(axis=(1, 2, 3)))[:8]
    figure, axes = plt.subplots(2, 9, figsize=(10, 2.6))
    for axis in axes.ravel():
        axis.set_axis_off()
    axes[0, 0].imshow(image[0], cmap="gray")
    axes[0, 0].set_title("digit", fontsize=9)
    for column, number in enumerate(chosen, start=1):
        for axis, shown in ((axes[0, column], weight[number, 0]), (axes[1, column], maps[number])):
            limit = np.abs(shown).max()
            axis.imshow(shown, cmap="PuOr", vmin=-limit, vmax=limit)
        axes[0, column].set_title(f"filter {number}", fontsize=9)
    return figure


def main() -> None:
    """Train, tell the accuracy after one epoch and in the end, and draw."""
    with Experiment(__doc__, __file__) as experiment:
        count, epochs, tested = (2_000, 1, 1_000) if experiment.quick else (60_000, 20, 10_000)
        model, before, history = train(count, epochs, experiment.seed, tested=tested)
        accuracy = history.column("test_accuracy")
        experiment.figure(
            "B9", "test accuracy after one epoch", ours=float(accuracy[1]), source=0.96,
            accept=(0.96, None),
        )  # fmt: skip
        if not experiment.quick:
            others = [
                float(train(count, 1, experiment.seed + more)[2].column("test_accuracy")[-1])
                for more in range(1, 5)
            ]
            experiment.figure(
                "B9", "the same with five seeds, mean", ours=float(np.mean([accuracy[1], *others])),
                source=0.96, accept=(0.96, None),
            )  # fmt: skip
        experiment.figure(
            "S18", f"test accuracy after {epochs} epochs", ours=float(accuracy[-1]),
            source="about 0.9896", accept=(0.987, None),
        )  # fmt: skip
        experiment.figure(
            None, "training, seconds", ours=round(float(history.records[-1]["seconds"]), 1)
        )
        experiment.picture(picture_of_filters(before, model.state_dict()["features.0.weight"]))
        experiment.picture(
            picture_of_maps(model, load_mnist().test_images[0].reshape(1, 28, 28)), "maps"
        )
        name = experiment.out / "simple_conv_net_curves.png"
        save_curves(history, name, title="SimpleConvNet on MNIST", epoch=count // 100)
        experiment.pictures.append(name.name)


if __name__ == "__main__":
    main()
