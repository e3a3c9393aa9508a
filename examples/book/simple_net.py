"""One layer, one sample: the gradient of the book's simpleNet, numerical and recorded.

python examples/book/simple_net.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu.nn import cross_entropy_error

Array = np.ndarray[Any, Any]

X, LABEL = np.array([0.6, 0.9]), 2


class Case(NamedTuple):
    """Weights that were published, and what was found with them."""

    number: str
    weights: Array
    scores: list[float]
    loss: float
    gradient: list[list[float]]
    digits: float
    """How far the printed digits of the weights allow the loss to differ."""


CASES = {
    "article": Case(
        "S11",
        np.array([[1.78188867, -1.60339216, -1.83076049], [-0.27388719, 0.9192118, -0.79033481]]),
        [0.82263473, -0.13474467, -1.80975762],
        3.0079485,
        [[0.4121426, 0.15822056, -0.57036316], [0.6182139, 0.23733084, -0.85554475]],
        6.5e-8,
    ),
    "book": Case(
        "A16",
        np.array([[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]]),
        [1.05414809, 0.63071653, 1.1328074],
        0.9280682857864075,
        [[0.21924757, 0.14356243, -0.36281], [0.32887136, 0.21534364, -0.544215]],
        1e-12,
    ),
}


def loss(weights: Any) -> Any:
    """Return the cross-entropy of softmax(x W) for class 2; an array or a Tensor, as it came."""
    return cross_entropy_error(tg.softmax(X @ weights), LABEL)


def gradients(weights: Array) -> tuple[Array, Array]:
    """Return the numerical gradient and the recorded one."""
    numerical = tg.numerical_gradient(loss, weights)
    w = tg.Tensor(weights, requires_grad=True)
    loss(w).backward()
    return numerical, w.grad


def picture() -> Any:
    """Return the picture of weights, gradient and the loss along it."""
    plt = pyplot()
    weights = CASES["article"].weights
    _, gradient = gradients(weights)
    figure, (one, two, three) = plt.subplots(
        1, 3, figsize=(11.5, 3.1), gridspec_kw={"width_ratios": (1, 1, 1.3)}
    )
    for axes, matrix, title in ((one, weights, "weights W"), (two, gradient, "gradient ∂L/∂W")):
        reach = np.max(np.abs(matrix))
        axes.imshow(matrix, cmap="RdBu", vmin=-1.4 * reach, vmax=1.4 * reach)
        for (i, j), value in np.ndenumerate(matrix):
            axes.text(j, i, f"{value:+.3f}", ha="center", va="center")
        axes.set(title=title, xticks=range(3), yticks=range(2), xlabel="class")
        axes.set_yticklabels(["$x_0$ = 0.6", "$x_1$ = 0.9"])
        axes.grid(False)
        axes.spines[:].set_visible(False)
    rates = np.linspace(0, 4, 81)
    three.plot(
        rates, [float(loss(weights - t * gradient)) for t in rates], lw=2, label="L(W − η ∂L/∂W)"
    )
    start, slope = float(loss(weights)), float(np.sum(gradient**2))
    three.plot(rates, start - slope * rates, "--", color=ORANGE, label="slope −|∂L/∂W|² at 0")
    three.plot(0, start, "o", color=PALETTE[6])
    three.set(xlabel="learning rate η of one step", ylabel="loss", ylim=(0, 3.2))
    three.legend()
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print scores, loss and gradients beside the published ones."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        for name, case in CASES.items():
            number, w = case.number, case.weights
            scores = X @ w
            numerical, recorded = gradients(w)
            experiment.figure(number, f"scores, the {name}'s W", ours=scores, source=case.scores)
            if name == "article":
                best = int(np.argmax(scores))
                experiment.figure(number, "highest score", ours=best, source=0, accept=(0, 0))
            experiment.figure(
                number, "loss for class 2", ours=float(loss(w)), source=case.loss,
                accept=(case.loss - case.digits, case.loss + case.digits),
            )  # fmt: skip
            experiment.figure(number, "numerical gradient", ours=numerical, source=case.gradient)
            experiment.figure(number, "recorded gradient", ours=recorded, source=case.gradient)
            experiment.figure(
                number, "largest difference of the two gradients",
                ours=float(np.max(np.abs(numerical - recorded))), accept=(None, 1e-9),
            )  # fmt: skip
        experiment.picture(picture())


if __name__ == "__main__":
    main()
