"""The chain rule as small changes that add up along the paths of a graph.

    python examples/book/small_change.py [--quick] [--out FOLDER]

The graph: z1 = sin x, z2 = x², y = z1 z2 + exp z1. A small Δx changes z1 and z2, and both change y.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.draw import draw

Array = np.ndarray[Any, Any]

POINT = 0.8


def graph(x: Any) -> tuple[Any, Any, Any]:
    """Return z1, z2 and y."""
    z1, z2 = np.sin(x), np.square(x)
    return z1, z2, z1 * z2 + np.exp(z1)


def derivatives() -> tuple[float, float, float]:
    """Return ∂y/∂z1, ∂y/∂z2 and dy/dx at the point, by one sweep."""
    x = Tensor(POINT, requires_grad=True)
    z1, z2, y = graph(x)
    found = tg.gradients(y, [z1, z2, x])
    return tuple(d.item() for d in found)


def changes(dx: float) -> tuple[float, float, float]:
    """Return Δz1, Δz2 and Δy for a change of x."""
    before, after = graph(Tensor(POINT)), graph(Tensor(POINT + dx))
    return tuple(b.item() - a.item() for a, b in zip(before, after, strict=True))


def errors(steps: Array) -> tuple[Array, Array, Array]:
    """Return |Δy|, and what ∂y/∂z1 Δz1 + ∂y/∂z2 Δz2 and one path alone miss of it."""
    by_z1, by_z2, _ = derivatives()
    true, missed, one_path = [], [], []
    for dx in steps:
        dz1, dz2, dy = changes(dx)
        true.append(abs(dy))
        missed.append(abs(dy - by_z1 * dz1 - by_z2 * dz2))
        one_path.append(abs(dy - by_z1 * dz1))
    return np.array(true), np.array(missed), np.array(one_path)


def picture(steps: Array) -> Any:
    """Return the log-log picture of the error over the change."""
    plt = pyplot()
    true, missed, one_path = errors(steps)
    figure, axes = plt.subplots(figsize=(7.4, 4.2))
    middle = len(steps) // 2
    axes.loglog(steps, true, color=PALETTE[6], lw=1.6, label="|Δy| itself")
    axes.loglog(
        steps, one_path, "-.", color=PALETTE[4], lw=1.6, label="error with the path by z₁ alone"
    )
    axes.loglog(steps, missed, ".", color=PALETTE[0], label="error with both paths")
    axes.loglog(
        steps,
        missed[middle] * (steps / steps[middle]) ** 2,
        "--",
        lw=1,
        color=ORANGE,
        label="∝ Δx²",
    )
    axes.axhline(np.finfo(float).eps * 3, color="#888888", lw=0.8)
    axes.text(steps[-1], 1e-15, "rounding of y", ha="right", color="#666666")
    axes.set(xlabel="change Δx", ylabel="change of y", ylim=(1e-17, 30))
    axes.legend(loc="upper left")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print how the error shrinks, and draw it."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        by_z1, by_z2, by_x = derivatives()
        experiment.figure("S15", "∂y/∂z1 and ∂y/∂z2 at x = 0.8", ours=[by_z1, by_z2])
        exact = (POINT**2 + np.exp(np.sin(POINT))) * np.cos(POINT) + np.sin(POINT) * 2 * POINT
        experiment.figure(
            "S15", "dy/dx, the sum over both paths", ours=by_x, source=float(exact),
            accept=(exact - 1e-12, exact + 1e-12),
        )  # fmt: skip
        halves = 2.0 ** -np.arange(4, 12)
        true, missed, _ = errors(halves)
        ratios = missed[:-1] / missed[1:]
        experiment.figure(
            "S15", "error for half of Δx: so many times smaller (second order: 4)",
            ours=ratios, accept=(3.5, 4.5),
        )  # fmt: skip
        experiment.figure(
            "S15",
            "error by Δy at Δx = 2⁻¹¹",
            ours=float(missed[-1] / true[-1]),
            accept=(None, 1e-3),
        )
        experiment.picture(picture(np.logspace(-9, 0, 46 if experiment.quick else 91)))
        y = graph(Tensor(POINT, requires_grad=True, name="x"))[2]
        drawn = draw(y, grad=True, title="small changes through a graph")
        drawn.save(experiment.out / "small_change_graph.svg")


if __name__ == "__main__":
    main()
