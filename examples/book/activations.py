"""The activation functions with their derivatives, and a softmax that does not overflow.

    python examples/book/activations.py [--quick] [--out FOLDER]

Every derivative is the recorded one. The functions are drawn on [-5, 5), as the article does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg

Array = np.ndarray[Any, Any]

X = np.arange(-5.0, 5.0, 0.1)


def step(x: Any) -> Any:
    """Return 1 where x is above 0, else 0."""
    return tg.heaviside(x, 0.0)


FUNCTIONS = {
    "step": step,
    "sigmoid": tg.sigmoid,
    "tanh": tg.tanh,
    "ReLU": tg.relu,
    "identity": tg.identity,
    "softmax": tg.softmax,
}


def slope(name: str, x: Array) -> Array:
    """Return the derivative of each element of the result with respect to its own element of x."""
    function = FUNCTIONS[name]
    if name == "softmax":  # each result depends on all elements: the diagonal of its Jacobian
        return np.diagonal(np.asarray(tg.jacobian(function)(x)))
    t = tg.Tensor(x, requires_grad=True)
    function(t).sum().backward()
    gradient: Array = t.grad
    return gradient


def naive_softmax(x: Array) -> Array:
    """Return softmax as its formula stands: exp overflows above 709."""
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(x)
        shares: Array = powers / powers.sum()
    return shares


def functions_picture() -> Any:
    """Return the picture of the six functions and their derivatives."""
    plt = pyplot()
    figure, grid = plt.subplots(2, 3, figsize=(10, 5.4), sharex=True)
    for axes, (name, function) in zip(grid.flat, FUNCTIONS.items(), strict=True):
        jumps = {"drawstyle": "steps-pre"} if name in ("step", "ReLU") else {}
        axes.plot(
            X, np.asarray(function(X)), lw=2, label="function", **(jumps if name == "step" else {})
        )
        axes.plot(X, slope(name, X), "--", color=ORANGE, lw=1.6, label="derivative", **jumps)
        axes.set_title(f"{name} of all 100 points" if name == "softmax" else name)
    grid[0, 1].legend()
    for axes in grid[1]:
        axes.set_xlabel("x")
    return figure


def overflow_picture() -> Any:
    """Return the picture of softmax(c, c − 10, c − 20) as c grows, in both forms."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(6.6, 3.2))
    tops = np.arange(0.0, 1201.0, 5.0)
    rows = tops[:, None] - np.array([0.0, 10.0, 20.0])
    stable = np.asarray(tg.softmax(rows))
    naive = np.array([naive_softmax(row) for row in rows])
    right = np.isfinite(naive).all(axis=1)
    for k in range(3):
        label = f"for {('c', 'c − 10', 'c − 20')[k]}"
        axes.semilogy(tops, stable[:, k], color=PALETTE[k], lw=1.2, label=label)
        axes.semilogy(tops[right], naive[right, k], color=PALETTE[k], lw=5, alpha=0.35)
    end = tops[right].max()
    axes.axvspan(end, tops[-1], color="#f3e3da", lw=0)
    axes.text((end + tops[-1]) / 2, 1e-3, "inf / inf = nan\nin the naive form", ha="center")
    axes.set(xlabel="largest score c", ylabel="softmax", ylim=(1e-10, 3), xlim=(0, tops[-1]))
    axes.legend(loc="lower left", ncols=3, bbox_to_anchor=(0, 1))
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Compare the functions with their formulas, and draw them."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        formulas = {
            "step": X > 0,
            "sigmoid": 1 / (1 + np.exp(-X)),
            "tanh": (np.exp(X) - np.exp(-X)) / (np.exp(X) + np.exp(-X)),
            "ReLU": np.maximum(X, 0),
            "identity": X,
            "softmax": np.exp(X) / np.exp(X).sum(),
        }
        for name, function in FUNCTIONS.items():
            error = np.max(np.abs(np.asarray(function(X)) - formulas[name]))
            what = f"{name} on [-5, 5): largest difference from its formula"
            experiment.figure("S3", what, ours=float(error), accept=(None, 1e-12))
        peaks = (("sigmoid", 0.25), ("tanh", 1.0), ("ReLU", 1.0))
        for name, most in peaks:
            found = float(np.max(slope(name, np.append(X, 0.0))))
            what = f"steepest slope of {name}"
            bounds = (most - 1e-12, most + 1e-12)
            experiment.figure(None, what, ours=found, source=most, accept=bounds)
        small, large = np.array([0.3, 2.9, 4.0]), np.array([1010.0, 1000.0, 990.0])
        printed = (
            [0.01821127, 0.24519181, 0.73659691],
            [9.999546e-1, 4.53978686e-5, 2.06106005e-9],
        )
        for number, x, source in zip(("A4", "A5"), (small, large), printed, strict=True):
            ours = np.asarray(tg.softmax(x))
            experiment.figure(number, f"softmax of {x.tolist()}", ours=ours, source=source)
        naive = str(naive_softmax(large).tolist())
        experiment.figure("A5", "the same without subtracting the largest", ours=naive)
        experiment.picture(functions_picture())
        experiment.picture(overflow_picture(), "overflow")


if __name__ == "__main__":
    main()
