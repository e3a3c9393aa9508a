"""Paths of optimizers on x²/20 + y², a valley that is twenty times steeper across than along.

python examples/book/optimizer_paths.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from experiment import ORANGE, Experiment, pyplot

from tinygrad_edu import Parameter, Tensor
from tinygrad_edu.optim import (
    LAMB,
    LBFGS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Adamax,
    NAdam,
    Optimizer,
    RAdam,
    RMSProp,
)

Array = np.ndarray[Any, Any]
Make = Callable[[list[Parameter]], Optimizer]

START = (-7.0, 2.0)
STEPS = 30
BOOK: dict[str, tuple[Make, str, tuple[float, float]]] = {
    "SGD, lr 0.95": (
        lambda p: SGD(p, 0.95),
        "A23",
        (-0.3503929957523197, 0.0847823165504322),
    ),
    "Momentum, lr 0.1": (
        lambda p: SGD(p, 0.1, momentum=0.9, book=True),
        "A24",
        (0.896413858493733, 0.08808560171506971),
    ),
    "Nesterov, lr 0.1": (
        lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, book=True),
        "A24",
        (0.6896149016966209, -0.0006799058361171969),
    ),
    "AdaGrad, lr 1.5": (
        lambda p: AdaGrad(p, 1.5, book=True),
        "A25",
        (-0.12016232231416045, 2.486389893984459e-17),
    ),
    "RMSProp, lr 0.3": (
        lambda p: RMSProp(p, 0.3, book=True),
        "A25",
        (-5.351327040428192e-06, 1.5085100037516103e-11),
    ),
    "Adam, lr 0.3": (
        lambda p: Adam(p, 0.3, book=True),
        "A25",
        (0.13600685239498186, 0.31824537553721943),
    ),
}
"""What makes the optimizer, in the book's form; the acceptance figure; where the book's code ends.

The names hold the learning rates.
"""
MORE: dict[str, Make] = {
    "AdaDelta, lr 100": lambda p: AdaDelta(p, 100.0),
    "Adamax, lr 0.5": lambda p: Adamax(p, 0.5),
    "NAdam, lr 0.5": lambda p: NAdam(p, 0.5),
    "RAdam, lr 1": lambda p: RAdam(p, 1.0),
    "LAMB, lr 0.1": lambda p: LAMB(p, 0.1),
    "L-BFGS, lr 1": lambda p: LBFGS(p, 1.0, max_iter=1),
}
"""Those that the book does not have."""


def valley(x: Any, y: Any) -> Any:
    """Return x²/20 + y²."""
    return x * x / 20 + y * y


def path(make: Make, steps: int = STEPS) -> Array:
    """Return the points that an optimizer visits, from `START` on.

    Parameters
    ----------
    make : callable
        Makes the optimizer of the two coordinates.
    steps : int
        How many it may take.

    Returns
    -------
    ndarray, shape (steps + 1, 2)
    """
    point = [Parameter(np.float64(v), name=name) for name, v in zip("xy", START, strict=True)]
    optimizer = make(point)
    visited = [START]

    def height() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = valley(*point)
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(height)
        visited.append((point[0].item(), point[1].item()))
    return np.array(visited)


def drawn(paths: dict[str, Array]) -> Any:
    """Return a figure with one map of the valley for each path, three in a row."""
    rows = -(-len(paths) // 3)
    figure, grid = pyplot().subplots(
        rows, 3, figsize=(9.5, 2.9 * rows), sharex=True, sharey=True, squeeze=False
    )
    x, y = np.meshgrid(np.linspace(-8, 8, 161), np.linspace(-4, 4, 81))
    for axes, (name, points) in zip(grid.flat, paths.items(), strict=True):
        axes.contour(x, y, valley(x, y), levels=np.arange(0.25, 8, 0.75) ** 2 / 4,
                     colors="#888888", linewidths=0.6)  # fmt: skip
        axes.plot(*points.T, "o-", color=ORANGE, markersize=3, linewidth=1)
        axes.plot(0, 0, "+", color="black", markersize=9)
        axes.set(title=name, xlim=(-8, 8), ylim=(-4, 4))
        axes.grid(visible=False)
    for axes in grid[-1]:
        axes.set_xlabel("x")
    for axes in grid[:, 0]:
        axes.set_ylabel("y")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Walk with each optimizer, compare the book's ends, and draw the paths."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        paths = {}
        for name, (make, number, end) in BOOK.items():
            paths[name] = path(make)
            experiment.figure(
                number, f"{name}: (x, y) after {STEPS} steps", ours=paths[name][-1], source=end
            )
        worst = max(np.abs(paths[name][-1] - end).max() for name, (_, _, end) in BOOK.items())
        experiment.figure(
            "A23, A24, A25",
            "largest distance from the book's coordinates",
            ours=worst,
            accept=(0, 1e-12),
        )
        more = {name: path(make) for name, make in MORE.items()}
        for name, points in more.items():
            experiment.figure(
                None, f"{name}: (x, y) after {STEPS} steps, not in the book", ours=points[-1]
            )
        experiment.picture(drawn(paths))
        experiment.picture(drawn(more), "more")


if __name__ == "__main__":
    main()
