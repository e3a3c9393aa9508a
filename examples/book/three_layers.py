"""A forward pass through three layers, number by number.

    python examples/book/three_layers.py [--quick] [--out FOLDER]

Two inputs, hidden layers of three and of two sigmoid units, two outputs; the weights are those of
the article and the book. Every unit is drawn with its number, and the recorded graph beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.draw import draw

Array = np.ndarray[Any, Any]

WEIGHTS = (
    [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]],
    [[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]],
    [[0.1, 0.3], [0.2, 0.4]],
)
BIASES = ([0.1, 0.2, 0.3], [0.1, 0.2], [0.1, 0.2])
PRINTED = {
    "a1": ("A2", [0.3, 0.7, 1.1]),
    "z1": ("A2", [0.57444252, 0.66818777, 0.75026011]),
    "a2": ("A3", [0.51615984, 1.21402696]),
    "z2": ("A3", [0.62624937, 0.7710107]),
    "y": ("A3", [0.31682708, 0.69627909]),
}
"""What the book prints for x = (1, 0.5)."""


def forward(x: Any) -> dict[str, Any]:
    """Return every intermediate result by its name in the book: a1, z1, a2, z2, y."""
    w1, w2, w3 = (Tensor(w, requires_grad=True, name=f"W{k + 1}") for k, w in enumerate(WEIGHTS))
    b1, b2, b3 = (Tensor(b, requires_grad=True, name=f"b{k + 1}") for k, b in enumerate(BIASES))
    a1 = x @ w1 + b1
    z1 = tg.sigmoid(a1)
    a2 = z1 @ w2 + b2
    z2 = tg.sigmoid(a2)
    return {"a1": a1, "z1": z1, "a2": a2, "z2": z2, "y": z2 @ w3 + b3}


def draw_net(
    axes: Any, units: Sequence[Array], weights: Sequence[Array]
) -> list[list[tuple[float, float]]]:
    """Draw a net, each unit with its number and each line as thick as its weight.

    Parameters
    ----------
    axes : matplotlib Axes
        Where to draw.
    units : sequence of ndarray, each of shape (width,)
        The number in every unit, layer by layer.
    weights : sequence of ndarray, each of shape (fan_in, fan_out)
        Blue where they are positive, orange where negative.

    Returns
    -------
    list of list of (float, float)
        Where the units are.
    """
    places = [[(2.4 * k, (len(layer) - 1) / 2 - i) for i in range(len(layer))]
              for k, layer in enumerate(units)]  # fmt: skip
    widest = max(np.max(np.abs(w)) for w in weights)
    for k, weight in enumerate(weights):
        for (i, j), w in np.ndenumerate(weight):
            (x0, y0), (x1, y1) = places[k][i], places[k + 1][j]
            colour = PALETTE[0] if w >= 0 else ORANGE
            axes.plot((x0, x1), (y0, y1), color=colour, lw=0.4 + 3 * abs(w) / widest, alpha=0.55)
    for k, layer in enumerate(units):
        for (x, y), value in zip(places[k], layer, strict=True):
            axes.plot(x, y, "o", ms=38, mfc="white", mec=PALETTE[6], mew=1.2)
            axes.text(x, y, f"{value:.3f}", ha="center", va="center", fontsize=9)
    top = max(len(layer) for layer in units) / 2
    axes.set(xlim=(-0.7, 2.4 * len(weights) + 0.7), ylim=(-top - 0.35, top + 0.1))
    axes.axis("off")
    return places


def picture(x: Array, found: dict[str, Array]) -> Any:
    """Return the picture of the net with the number of every unit."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(9, 3.7))
    units = [x, found["z1"], found["z2"], found["y"]]
    places = draw_net(axes, units, [np.array(w) for w in WEIGHTS])
    for layer, a in ((1, "a1"), (2, "a2")):
        for (across, y), value in zip(places[layer], found[a], strict=True):
            text = f"a = {value:.3f}"
            axes.text(across, y + 0.39, text, ha="center", fontsize=8, color="#666666")
    below = ("input x", "z₁ = sigmoid(a₁)", "z₂ = sigmoid(a₂)", "y = a₃")
    for column, text in zip(places, below, strict=True):
        axes.text(column[0][0], -1.72, text, ha="center")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print every intermediate result beside the published one, and draw them."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        x = np.array([1.0, 0.5])
        tensors = forward(x)
        found = {name: tensor.numpy() for name, tensor in tensors.items()}
        for name, (number, source) in PRINTED.items():
            experiment.figure(number, f"{name} for x = (1, 0.5)", ours=found[name], source=source)
        article = tg.softmax(forward(np.array([2.0, 1.0]))["y"])
        experiment.figure(
            "S2", "softmax of y for x = (2, 1)",
            ours=article.numpy(), source=[0.40442364, 0.59557636],
        )  # fmt: skip
        experiment.picture(picture(x, found))
        draw(article, title="three layers").save(experiment.out / "three_layers_graph.svg")


if __name__ == "__main__":
    main()
