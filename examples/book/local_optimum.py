"""A local optimum and a plateau, and how momentum and Adam get over them.

python examples/book/local_optimum.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu import Parameter, Tensor
from tinygrad_edu.optim import SGD, Adam, Optimizer

Array = np.ndarray[Any, Any]
Make = Callable[[list[Parameter]], Optimizer]

LOW, HIGH = -1.03558, 0.96015
"""The global minimum of `wells`, and the local one: roots of 4x³ - 4x + 0.3."""
FAR = 4.0
"""Where on the plateau a run begins."""
NEAR = 0.1
"""So near to 0 is arrived."""
WELLS: dict[str, Make] = {
    "SGD": lambda p: SGD(p, 0.01),
    "momentum 0.5": lambda p: SGD(p, 0.01, momentum=0.5),
    "momentum 0.9": lambda p: SGD(p, 0.01, momentum=0.9),
}
PLATEAU: dict[str, Make] = {
    "SGD": lambda p: SGD(p, 0.1),
    "momentum 0.9": lambda p: SGD(p, 0.1, momentum=0.9),
    "Adam": lambda p: Adam(p, 0.1),
}


def wells(x: Any) -> Any:
    """Return (x² - 1)² + 0.3 x: two wells, of which the left one is deeper."""
    return np.square(x * x - 1) + 0.3 * x


def plateau(x: Any) -> Any:
    """Return 1 - exp(-x² / 2): a hole in a plain that is flat far away."""
    return 1 - np.exp(-x * x / 2)


def path(function: Callable[[Any], Any], start: float, make: Make, steps: int) -> Array:
    """Return the places that an optimizer visits, shape (steps + 1,)."""
    x = Parameter(np.float64(start), name="x")
    optimizer = make([x])
    visited = [start]
    for _ in range(steps):
        optimizer.zero_grad()
        height: Tensor = function(x)
        height.backward()
        optimizer.step()
        visited.append(x.item())
    return np.array(visited)


def arrival(visited: Array) -> int:
    """Return the first step after which the place is near 0."""
    return int(np.flatnonzero(np.abs(visited) < NEAR)[0])


def main(arguments: list[str] | None = None) -> None:
    """Walk on both functions with each optimizer, draw the walks, and tell where they end."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        rolled = {name: path(wells, 2.0, make, 400) for name, make in WELLS.items()}
        crossed = {name: path(plateau, FAR, make, 2500) for name, make in PLATEAU.items()}
        for name, end in (("SGD", HIGH), ("momentum 0.5", HIGH), ("momentum 0.9", LOW)):
            what = "local" if end == HIGH else "global"
            experiment.figure(
                "S20",
                f"{name} from x = 2 ends in the {what} minimum, x =",
                ours=rolled[name][-1],
                source=end,
                accept=(end - 1e-3, end + 1e-3),
            )
        steps = {name: arrival(visited) for name, visited in crossed.items()}
        experiment.figure(
            "S20",
            "steps over the plateau by SGD, by momentum 0.9, by Adam",
            ours=list(steps.values()),
        )
        experiment.figure(
            "S20",
            "steps by SGD over steps by momentum 0.9",
            ours=steps["SGD"] / steps["momentum 0.9"],
            source="up to 1 / (1 - 0.9) = 10",
            accept=(6, 10),
        )

        figure, ((well, time), (plain, distance)) = pyplot().subplots(
            2, 2, figsize=(9.5, 7), width_ratios=(1, 1)
        )
        x = np.linspace(-2.1, 2.1, 300)
        well.plot(x, wells(x), color="black", linewidth=1)
        for (name, visited), mark in zip(rolled.items(), "o^s", strict=True):
            shown = visited[:60]
            well.plot(shown, wells(shown), mark, markersize=3, alpha=0.7, label=name)
            time.plot(visited[:200], label=name)
        well.set(xlabel="x", ylabel="(x² - 1)² + 0.3 x", ylim=(-1, 10), title="a local optimum")
        well.legend()
        for place, name in ((HIGH, "local minimum"), (LOW, "global minimum")):
            time.axhline(place, color="#555555", linewidth=0.8, linestyle=":")
            time.annotate(name, (200, place), (0, 3), "data", "offset points",
                          ha="right", color="#555555")  # fmt: skip
        time.set(xlabel="step", ylabel="x")
        time.legend()
        x = np.linspace(-5, 5, 300)
        plain.plot(x, plateau(x), color="black", linewidth=1)
        plain.plot(FAR, plateau(FAR), "o", label="start")
        plain.set(xlabel="x", ylabel="1 - exp(-x² / 2)", title="a plateau")
        plain.legend()
        for name, visited in crossed.items():
            distance.semilogx(np.arange(1, len(visited)), visited[1:], label=name)
        distance.set(xlabel="step", ylabel="x")
        distance.legend()
        experiment.picture(figure)


if __name__ == "__main__":
    main()
