"""Vanishing gradients: how small they become with depth, under sigmoid and under ReLU.

python examples/book/vanishing_gradients.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Trainer

Array = np.ndarray[Any, Any]

WIDTH = 100
DEPTHS = (2, 5, 10, 20)
"""Numbers of hidden layers."""
ACTIVATIONS = {"sigmoid": "lecun", "relu": "he"}
"""Each with the initial weights that suit it; the book's Xavier is "lecun"."""
NAMES = {"sigmoid": "sigmoid", "relu": "ReLU"}


def net_of(activation: str, depth: int, seed: int, dtype: Any = np.float32) -> MultiLayerNet:
    """Return a net for MNIST of that many hidden layers."""
    sizes = [784, *[WIDTH] * depth, 10]
    weight = ACTIVATIONS[activation]
    rng = np.random.default_rng([seed, depth])
    return MultiLayerNet(sizes, activation=activation, weight=weight, rng=rng, dtype=dtype)


def gradient_norms(activation: str, depth: int, batch: tuple[Array, Array], seed: int) -> Array:
    """Return the root mean square of the gradient of each layer's weights, before training.

    Parameters
    ----------
    activation : str
        Key of `ACTIVATIONS`.
    depth : int
        Hidden layers.
    batch : tuple of (images, labels)
        What the loss is taken of.
    seed : int
        Of the weights.

    Returns
    -------
    ndarray, shape (depth + 1,)
        From the first layer to the last.
    """
    # In float32 the smallest would be 0 for twenty layers of sigmoid and more.
    net = net_of(activation, depth, seed, np.float64)
    images, labels = batch
    CrossEntropyLoss()(net(images.astype(np.float64)), labels).backward()
    gradients = [layer.weight.grad for layer in net.layers]
    return np.array([np.sqrt(np.mean(np.square(g))) for g in gradients if g is not None])


def accuracy(activation: str, depth: int, digits: Any, epochs: float, seed: int) -> float:
    """Return the test accuracy after training by SGD with momentum."""
    net = net_of(activation, depth, seed)
    loader = DataLoader(digits[:2], 100, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        SGD(net, 0.01, momentum=0.9),
        loader,
        sets={"test": digits[2:]},
        evaluate_every=10**6,
    )
    return float(trainer.fit(epochs=epochs).records[-1]["test_accuracy"])


def main(arguments: list[str] | None = None) -> None:
    """Measure the gradients, train the nets, and draw both."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        digits = load_mnist()
        seed = experiment.seed
        depths = DEPTHS[:2] if experiment.quick else DEPTHS
        batch = digits.train_images[:500], digits.train_labels[:500]
        norms = {(a, d): gradient_norms(a, d, batch, seed) for a in ACTIVATIONS for d in depths}
        epochs = 0.1 if experiment.quick else 2
        reached = {a: [accuracy(a, d, digits, epochs, seed) for d in depths] for a in ACTIVATIONS}

        deepest = depths[-1]
        # The first layer has another number of inputs and the last one no activation behind it.
        factors = {
            a: float((norms[a, deepest][1] / norms[a, deepest][-2]) ** (1 / (deepest - 2)))
            for a in ACTIVATIONS
        }
        experiment.figure(
            "S20",
            f"sigmoid: factor of the gradient from a layer to the one before, {deepest} layers",
            ours=factors["sigmoid"],
            source="at most 1/4",
            accept=(0, 0.25),
        )
        experiment.figure(
            "S20",
            "ReLU: the same factor",
            ours=factors["relu"],
            source="near 1",
            accept=(0.7, 1.3),
        )
        for activation, name in NAMES.items():
            experiment.figure(
                None,
                f"{name}: gradient of the first layer's weights, root mean square, at depths "
                f"{', '.join(map(str, depths))}",
                ours=[norms[activation, depth][0] for depth in depths],
            )
        for activation, name in NAMES.items():
            experiment.figure(
                "S20",
                f"{name}: test accuracy after {epochs:g} epochs at these depths",
                ours=reached[activation],
                accept=None if activation == "sigmoid" or experiment.quick else (0.9, 1),
            )

        figure, (left, right) = pyplot().subplots(1, 2, figsize=(9, 4), width_ratios=(3, 2))
        for colour, (activation, name) in zip(PALETTE, NAMES.items(), strict=False):
            for depth, line in zip(depths, ("-", "--", "-.", ":"), strict=False):
                values = norms[activation, depth]
                left.semilogy(range(1, len(values) + 1), values, line, marker=".", color=colour,
                              label=f"{name}, {depth} hidden layers")  # fmt: skip
            right.plot(range(len(depths)), reached[activation], "o-", color=colour, label=name)
        layers = np.arange(1, deepest + 2)
        last_hidden = norms["sigmoid", deepest][-2]
        left.semilogy(layers, last_hidden * 0.25 ** (deepest - layers), color="black",
                      linewidth=0.8, label="1/4 a layer")  # fmt: skip
        left.set_xticks([1, *range(5, deepest + 1, 5)])
        left.set(xlabel="layer", ylabel="gradient of the weights, root mean square")
        left.legend(fontsize=7, loc="lower right")
        right.set(xlabel="hidden layers", ylabel=f"test accuracy after {epochs:g} epochs",
                  ylim=(0, 1), xticks=range(len(depths)), xticklabels=depths)  # fmt: skip
        right.legend()
        experiment.picture(figure)


if __name__ == "__main__":
    main()
