"""Gates as perceptrons, and why XOR takes two layers.

    python examples/book/perceptrons.py [--quick] [--out FOLDER] [--seed N]

A perceptron answers 1 where the weighted sum of its inputs is above a threshold: on one side of a
line. AND, NAND and OR are such sides, XOR is none. Three gates make it, and a net of two layers
learns it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu.data import DataLoader
from tinygrad_edu.models import TwoLayerNet
from tinygrad_edu.nn import CrossEntropyLoss, Linear, Module
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Trainer, predictions

Array = np.ndarray[Any, Any]
Gate = Callable[[Array], Array]

INPUTS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
LINES = {"AND": ((0.5, 0.5), 0.7), "NAND": ((-0.5, -0.5), -0.7), "OR": ((0.5, 0.5), 0.2)}
"""Weights and threshold of each gate that one line can make."""


def perceptron(weights: Sequence[float], threshold: float) -> Gate:
    """Return the gate that answers 1 where x · w is above the threshold; x has shape (..., 2)."""
    return lambda x: np.asarray(tg.heaviside(x @ np.array(weights) - threshold, 0.0), int)


AND, NAND, OR = (perceptron(*line) for line in LINES.values())


def xor(x: Array) -> Array:
    """Return XOR as two layers of gates: AND(NAND(x), OR(x))."""
    return AND(np.stack([NAND(x), OR(x)], axis=-1).astype(float))


GATES: dict[str, Gate] = {"AND": AND, "NAND": NAND, "OR": OR, "XOR": xor}


def trained(model: Module, iterations: int) -> Trainer:
    """Return the trainer after training a model on the four rows of XOR."""
    data = (INPUTS.astype(np.float32), xor(INPUTS))
    loader = DataLoader(data, len(INPUTS), shuffle=False)
    optimizer = SGD(model, lr=0.2, momentum=0.9)
    trainer = Trainer(
        model,
        CrossEntropyLoss(),
        optimizer,
        loader,
        sets={"train": data},
        evaluate_every=iterations,
    )
    trainer.fit(iterations=iterations)
    return trainer


def two_layers(hidden: int, seed: int) -> TwoLayerNet:
    """Return a net with a hidden layer of tanh units."""
    return TwoLayerNet(2, hidden, 2, activation="tanh", weight=1.0, rng=seed)


def points(axes: Any, answers: Array) -> None:
    """Draw the four inputs: filled where the answer is 1, empty where it is 0."""
    for (x1, x2), answer in zip(INPUTS, answers, strict=True):
        face = PALETTE[6] if answer else "white"
        axes.plot(x1, x2, "o", ms=11, mfc=face, mec=PALETTE[6], mew=1.6, zorder=3)
    axes.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), xticks=(0, 1), yticks=(0, 1), aspect="equal")
    axes.set(xlabel="$x_1$", ylabel="$x_2$")
    axes.grid(False)


def gates_picture() -> Any:
    """Return the picture of the four gates: where each answers 1."""
    plt = pyplot()
    figure, row = plt.subplots(1, 4, figsize=(11, 3.1))
    ticks = np.linspace(-0.5, 1.5, 401)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    for axes, (name, gate) in zip(row, GATES.items(), strict=True):
        axes.contourf(ticks, ticks, gate(plane), levels=(0.5, 1.5), colors=("#cfe5f5",))
        needed = ("NAND", "OR") if name == "XOR" else (name,)
        for part, colour in zip(needed, (ORANGE, PALETTE[0]), strict=False):
            (w1, w2), threshold = LINES[part]
            axes.plot(ticks, (threshold - w1 * ticks) / w2, color=colour, lw=1.6)
        points(axes, gate(INPUTS))
        axes.set_title("XOR = AND(NAND, OR)" if name == "XOR" else name)
    return figure


def trained_picture(one: Trainer, two: Trainer) -> Any:
    """Return the picture of what one layer and two layers learn of XOR."""
    plt = pyplot()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4))
    ticks = np.linspace(-0.5, 1.5, 201)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2).astype(np.float32)
    for axes, trainer, title in ((left, one, "one layer"), (middle, two, "two layers")):
        logits = predictions(trainer.model, plane)
        chance = np.asarray(tg.softmax(logits))[:, 1].reshape(len(ticks), -1)
        shades = axes.pcolormesh(ticks, ticks, chance, cmap="Blues", vmin=0, vmax=1)
        shades.set_rasterized(True)
        if chance.min() < 0.4 and chance.max() > 0.6:
            axes.contour(ticks, ticks, chance, levels=(0.5,), colors=ORANGE, linewidths=1.6)
        points(axes, xor(INPUTS))
        axes.set_title(f"{title}, after {trainer.iteration} steps")
    figure.colorbar(
        shades, ax=(left, middle), label="probability of the answer 1", shrink=0.8, pad=0.02
    )
    for trainer, name, style in ((one, "one layer", "--"), (two, "two layers", "-")):
        right.semilogy(trainer.history.losses, style, label=name)
    right.axhline(np.log(2), color="#888888", lw=0.8)
    right.text(0.97, np.log(2) * 0.9, "ln 2: guessing", color="#666666", va="top", ha="right",
               transform=right.get_yaxis_transform())  # fmt: skip
    right.set(xlabel="step", ylabel="cross-entropy")
    right.legend()
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print the truth tables, train both nets, and draw them."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        for threshold, truth in ((0.4, [0, 1, 1, 1]), (0.7, [0, 0, 0, 1])):
            found = perceptron((0.5, 0.5), threshold)(INPUTS)
            what = f"w = (0.5, 0.5), θ = {threshold} on (0,0) (1,0) (0,1) (1,1)"
            experiment.figure("S1", what, ours=found, source=truth)
        truths = ([0, 0, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [0, 1, 1, 0])
        for (name, gate), truth in zip(GATES.items(), truths, strict=True):
            experiment.figure("A1", f"truth table of {name}", ours=gate(INPUTS), source=truth)
        experiment.picture(gates_picture())

        steps = 200 if experiment.quick else 500
        one = trained(Linear(2, 2, rng=experiment.seed), steps)
        two = trained(two_layers(4, experiment.seed), steps)
        for trainer, layers, accept in (
            (one, "one layer", (0.6931, None)),
            (two, "two layers", (None, 0.02)),
        ):
            last = float(trainer.history.losses[-1])
            experiment.figure(None, f"loss on XOR, {layers}", ours=last, accept=accept)
        experiment.figure(
            None, "rows of XOR that two layers answer rightly",
            ours=round(4 * two.history.records[-1]["train_accuracy"]), source=4, accept=(4, 4),
        )  # fmt: skip
        seeds = range(5 if experiment.quick else 50)
        for hidden in (2, 4):
            losses = [trained(two_layers(hidden, s), steps).history.losses[-1] for s in seeds]
            share = np.mean(np.array(losses) < 0.02)
            what = (
                f"share of {len(seeds)} initial values from which {hidden} hidden units learn XOR"
            )
            experiment.figure(None, what, ours=float(share))
        experiment.picture(trained_picture(one, two), "trained")


if __name__ == "__main__":
    main()
