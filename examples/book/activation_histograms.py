"""Activations of five layers: how their distribution depends on the initial weights.

python examples/book/activation_histograms.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu import no_grad
from tinygrad_edu.nn import Linear, init

Array = np.ndarray[Any, Any]

SAMPLES, UNITS, LAYERS = 1000, 100, 5
WEIGHTS: dict[str, Any] = {
    "std 1": init.normal(1.0),
    "std 0.01": init.normal(0.01),
    "Xavier": "lecun",  # the book's: 1 / sqrt(fan_in)
    "He": "he",
}
ACTIVATIONS = ("sigmoid", "tanh", "relu")
NAMES = {"relu": "ReLU"}
EDGES: dict[str, tuple[float, float]] = {"sigmoid": (0, 1), "tanh": (-1, 1), "relu": (0, 3)}
"""What the histograms show; ReLU has values beyond, which are counted in the last bin."""


def activations(activation: str, weight: Any, seed: int = 0) -> list[Array]:
    """Return what each layer gives for normally distributed inputs.

    Parameters
    ----------
    activation : str
        Of every layer.
    weight : str or initialiser
        Of every layer; there are no biases.
    seed : int
        Of inputs and weights.

    Returns
    -------
    list of ndarray, each of shape (SAMPLES, UNITS)
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((SAMPLES, UNITS))
    found = []
    with no_grad():
        for _ in range(LAYERS):
            layer = Linear(UNITS, UNITS, bias=False, weight=weight, rng=rng, dtype=np.float64)
            x = layer(x, activation).numpy()
            found.append(x)
    return found


def drawn(found: dict[tuple[str, str], list[Array]]) -> Any:
    """Return a figure: a row for each activation and weight, a histogram for each layer."""
    figure, grid = pyplot().subplots(
        len(found), LAYERS, figsize=(9, 1.15 * len(found)), sharey="row", squeeze=False
    )
    for row, ((activation, weight), layers) in zip(grid, found.items(), strict=True):
        low, high = EDGES[activation]
        colour = PALETTE[ACTIVATIONS.index(activation)]
        for axes, values in zip(row, layers, strict=True):
            shares, edges = np.histogram(np.clip(values, low, high), 30, (low, high))
            axes.bar(edges[:-1], shares / values.size, np.diff(edges), align="edge", color=colour)
            axes.set(xlim=(low, high), xticks=[low, high], yticks=[0, 0.5], ylim=(0, 0.6))
            axes.grid(visible=False)
            axes.tick_params(labelsize=7)
        row[0].set_ylabel(
            f"{NAMES.get(activation, activation)}\n{weight}", rotation=0, ha="right", va="center"
        )
    for i, axes in enumerate(grid[0]):
        axes.set_title(f"layer {i + 1}", fontsize=10)
    figure.supylabel("share of the values (the axis ends at 0.6)", fontsize=9)
    figure.supxlabel("activation (values beyond the axis are in the last bin)", fontsize=9)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Push the samples through all nets, draw the histograms, and tell the spreads."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        found = {
            (activation, weight): activations(activation, WEIGHTS[weight], experiment.seed)
            for activation in ACTIVATIONS
            for weight in WEIGHTS
        }

        def spreads(activation: str, weight: str) -> list[float]:
            return [float(values.std()) for values in found[activation, weight]]

        ends = np.mean([np.minimum(x, 1 - x) < 0.1 for x in found["sigmoid", "std 1"]])
        experiment.figure(
            None,
            "sigmoid, std 1: share of the activations within 0.1 of 0 or 1",
            ours=float(ends),
            accept=(0.5, 1),
        )
        experiment.figure(
            None,
            "sigmoid, std 0.01: standard deviation in layers 1 to 5, all near 0.5",
            ours=spreads("sigmoid", "std 0.01"),
            accept=(0, 0.03),
        )
        experiment.figure(
            None,
            "sigmoid, Xavier: standard deviation in layers 1 to 5",
            ours=spreads("sigmoid", "Xavier"),
            accept=(0.08, 0.25),
        )
        experiment.figure(
            None,
            "sigmoid, Xavier: mean over the units of the deviation from sample to sample",
            ours=[float(x.std(axis=0).mean()) for x in found["sigmoid", "Xavier"]],
        )
        experiment.figure(
            None,
            "tanh, Xavier: standard deviation in layers 1 to 5",
            ours=spreads("tanh", "Xavier"),
            accept=(0.25, 0.7),
        )
        for weight, accept in (("std 0.01", (0, 0.1)), ("Xavier", (0.1, 0.7)), ("He", (0.6, 1.3))):
            experiment.figure(
                None,
                f"ReLU, {weight}: standard deviation in layers 1 to 5",
                ours=spreads("relu", weight),
                accept=accept,
            )
        experiment.picture(drawn(found))


if __name__ == "__main__":
    main()
