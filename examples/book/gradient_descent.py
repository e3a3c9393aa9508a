"""Gradient descent on x0² + x1²: a good learning rate, and two that fail.

    python examples/book/gradient_descent.py [--quick] [--out FOLDER]

The start is (-3, 4) and the gradients are numerical, as in the book.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg

Array = np.ndarray[Any, Any]

START = np.array([-3.0, 4.0])


def bowl(x: Array) -> Any:
    """Return x0² + x1²."""
    return x[0] ** 2 + x[1] ** 2


def path(lr: float, steps: int) -> Array:
    """Return all points of a descent, the first and the last too, shape (steps + 1, 2)."""
    end, before = tg.gradient_descent(bowl, START, lr, steps)
    return np.vstack([before, end])


def paths_picture() -> Any:
    """Return the picture of the paths on the contours."""
    plt = pyplot()
    figure, row = plt.subplots(1, 3, figsize=(11, 3.9))
    cases = ((0.1, 100, 5.0), (10.0, 2, 1600.0), (1e-10, 100, 5.0))
    titles = (
        "η = 0.1: arrives",
        "η = 10: two steps, far away",
        "η = 1e-10: hardly moves",
    )
    for axes, (lr, steps, reach), title in zip(row, cases, titles, strict=True):
        ticks = np.linspace(-reach, reach, 121)
        heights = ticks[:, None] ** 2 + ticks**2
        axes.contour(ticks, ticks, heights, levels=9, colors="#bbbbbb", linewidths=0.7)
        points = path(lr, steps)
        axes.plot(*points.T, ".-", color=PALETTE[0], ms=6, lw=1)
        axes.plot(*START, "s", color=PALETTE[2], ms=7, label="start")
        axes.plot(0, 0, "x", color=ORANGE, ms=9, mew=2, label="minimum")
        axes.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal", title=title)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
        axes.locator_params(nbins=5)
        axes.grid(False)
    row[0].legend(loc="lower right")
    return figure


def distances_picture(steps: int) -> Any:
    """Return the picture of the distance from the minimum, measured and foretold."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(8, 4.4))
    number = np.arange(steps + 1)
    for k, lr in enumerate((1e-10, 0.01, 0.1, 0.45, 1.0, 1.1, 10.0)):
        style = {"color": PALETTE[k], "ls": "--" if lr == 1 else "-", "lw": 2}
        far = np.linalg.norm(path(lr, steps), axis=1)
        axes.semilogy(number, far, label=f"η = {lr:g}", **style)
        axes.semilogy(number, 5.0 * np.abs(1 - 2 * lr) ** number, ":", color=PALETTE[k], lw=1)
    axes.set(xlabel="step", ylabel="distance from the minimum", ylim=(1e-13, 1e18))
    axes.annotate("x ± h = x, so the\nnumerical gradient is 0", (0.5 * steps, 2.6e13),
                  (0.18 * steps, 1e7), arrowprops={"arrowstyle": "->"})  # fmt: skip
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print where each descent ends, and draw the paths."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        for number, lr, steps, source in (
            ("S10, A13", 0.1, 100, [-6.11110793e-10, 8.14814391e-10]),
            ("A14", 0.1, 20, [-0.03458765, 0.04611686]),
            ("S10, A15", 10.0, 100, [-2.58983747e13, -1.29524862e12]),
            ("S10, A15", 1e-10, 100, [-2.99999994, 3.99999992]),
        ):
            ours = path(lr, steps)[-1]
            what = f"after {steps} steps of learning rate {lr:g} from (-3, 4)"
            experiment.figure(number, what, ours=ours, source=source)
        experiment.picture(paths_picture())
        experiment.picture(distances_picture(40 if experiment.quick else 100), "distance")


if __name__ == "__main__":
    main()
