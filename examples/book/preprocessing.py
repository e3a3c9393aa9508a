"""Preprocessing: what standardising does to a linear fit, and scaled pixels to a net.

python examples/book/preprocessing.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import PALETTE, Experiment, pyplot

from tinygrad_edu.data import DataLoader, Normalize, Standardize, linear_problem, load_mnist
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.models import TwoLayerNet
from tinygrad_edu.nn import CrossEntropyLoss, Linear, MSELoss
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Callback, Trainer

Array = np.ndarray[Any, Any]

SCALES = (1.0, 10.0)
"""Standard deviations of the two inputs of the linear problem."""
SLOPES = (3.0, 0.5)
RATES = np.logspace(-6, 1, 8)


class Trace(Callback):
    """Remembers the weights of a linear model, at the start and after each step."""

    def __init__(self) -> None:
        self.weights: list[Array] = []

    def begin(self, trainer: Trainer) -> None:
        """Keep the weights of the start."""
        self.iteration(trainer)

    def iteration(self, trainer: Trainer) -> None:
        """Add the weights."""
        self.weights.append(trainer.model.state()["weight"][:, 0].copy())


def plane(standardised: bool, iterations: int, seed: int) -> dict[str, Any]:
    """Return how gradient descent fits a plane: the curvatures, the losses and the weights.

    Parameters
    ----------
    standardised : bool
        Whether the inputs are.
    iterations, seed : int
        Steps over all the data, and of which data.
    """
    problem = linear_problem(
        500, rng=seed, weight=SLOPES, bias=[0.0], scales=SCALES, noise=0.1, dtype=np.float64
    )
    x = Standardize().fit_transform(problem.inputs) if standardised else problem.inputs
    # The Hessian of the mean squared error is 2 XᵀX / n: its eigenvalues are the curvatures.
    curvatures = np.linalg.eigvalsh(2 * x.T @ x / len(x))
    model = Linear(2, 1, weight="zeros", dtype=np.float64)
    trace = Trace()
    trainer = Trainer(
        model,
        MSELoss(),
        SGD(model, 1.8 / curvatures[-1]),  # a little below 2 / curvature, where it would diverge
        DataLoader((x, problem.targets), len(x), shuffle=False),
        callbacks=[trace],
    )
    losses = trainer.fit(iterations=iterations).losses
    columns = np.column_stack([x, np.ones(len(x))])
    best, (rest,), _, _ = np.linalg.lstsq(columns, problem.targets[:, 0], rcond=None)
    return {
        "curvatures": curvatures,
        "excess": losses - rest / len(x),
        "weights": np.array(trace.weights),
        "best": best[:2],
        "x": x,
    }


def arrival(excess: Array, factor: float = 1e-4) -> int:
    """Return the first step at which the excess loss is that part of the first one."""
    return int(np.flatnonzero(excess < factor * excess[0])[0])


def net_accuracy(
    train: tuple[Array, Array], test: tuple[Array, Array], rate: float, iterations: int, seed: int
) -> float:
    """Return the test accuracy of a net of 50 ReLU units; that of guessing if it diverges."""
    rng = np.random.default_rng([seed, 0])
    net = TwoLayerNet(784, 50, 10, activation="relu", weight="he", rng=rng)
    loader = DataLoader(train, 100, replacement=True, rng=np.random.default_rng([seed, 1]))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        SGD(net, rate),
        loader,
        sets={"test": test},
        evaluate_every=iterations,
        explodes_at=np.inf,
    )
    try:
        records = trainer.fit(iterations=iterations).records
    except TrainingError:
        return 0.1
    return float(records[-1]["test_accuracy"])


def main(arguments: list[str] | None = None) -> None:
    """Fit the plane twice, train the net on three kinds of pixels, and draw both."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        quick, seed = experiment.quick, experiment.seed
        fits = {"raw": plane(False, 600, seed), "standardised": plane(True, 600, seed)}
        steps = {name: arrival(fit["excess"]) for name, fit in fits.items()}
        experiment.figure(
            None,
            "linear fit, condition of the Hessian: raw, standardised",
            ours=[float(fit["curvatures"][-1] / fit["curvatures"][0]) for fit in fits.values()],
        )
        experiment.figure(
            "S19",
            "steps until the excess loss is 1/10,000: raw, standardised",
            ours=list(steps.values()),
        )
        experiment.figure(
            "S19",
            "steps raw over steps standardised",
            ours=steps["raw"] / steps["standardised"],
            accept=(5, None),
        )

        digits = load_mnist(normalize=False)
        images = digits.train_images, digits.test_images
        unit, whole = Normalize(per="array").fit(images[0]), Standardize(per="array").fit(images[0])
        kinds = {
            "bytes, 0 to 255": images,
            "normalised, 0 to 1": tuple(unit.transform(x) for x in images),
            "standardised": tuple(whole.transform(x) for x in images),
        }
        rates = RATES[::3] if quick else RATES
        iterations = 30 if quick else 600
        reached = {
            kind: [
                net_accuracy(
                    (train, digits.train_labels), (test, digits.test_labels), r, iterations, seed
                )
                for r in rates
            ]
            for kind, (train, test) in kinds.items()
        }
        experiment.figure(
            "S19",
            f"MNIST, best test accuracy of {len(rates)} learning rates, {iterations} iterations: "
            "bytes, normalised, standardised",
            ours=[max(found) for found in reached.values()],
        )
        experiment.figure(
            None,
            "learning rate of the best: bytes, normalised, standardised",
            ours=[float(rates[int(np.argmax(found))]) for found in reached.values()],
        )

        figure, grid = pyplot().subplots(2, 2, figsize=(9, 7))
        for axes, colour, (name, fit) in zip(grid[0], PALETTE, fits.items(), strict=False):
            weights, (a, b) = fit["weights"], fit["best"]
            span_a, span_b = 1.4 * abs(a), max(1.4 * abs(b), 0.8)
            u, v = np.meshgrid(np.linspace(-span_a, span_a, 121), np.linspace(-span_b, span_b, 121))
            away = np.stack([u, v], axis=-1)
            height = np.einsum("...i,ij,...j", away, fit["x"].T @ fit["x"] / len(fit["x"]), away)
            levels = height.max() * np.linspace(0.05, 1, 10) ** 2
            axes.contour(u + a, v + b, height, levels=levels, colors="#888888", linewidths=0.6)
            shown = weights[:60]
            axes.plot(*shown.T, "o-", color=colour, markersize=3, linewidth=1)
            axes.plot(a, b, "+", color="black", markersize=10)
            axes.set(xlabel="weight of the first input", ylabel="weight of the second input",
                     title=f"{name} inputs, 60 steps",
                     xlim=(a - span_a, a + span_a), ylim=(b - span_b, b + span_b))  # fmt: skip
            axes.grid(visible=False)
            grid[1, 0].loglog(np.arange(1, 601), np.maximum(fit["excess"], 1e-12), label=name)
        grid[0, 1].set_aspect("equal")
        grid[1, 0].set(xlabel="step", ylabel="loss above the lowest", ylim=(1e-8, None))
        grid[1, 0].legend()
        for (kind, found), mark in zip(reached.items(), "os^", strict=True):
            grid[1, 1].semilogx(rates, found, marker=mark, label=kind)
        grid[1, 1].set(xlabel="learning rate", ylabel=f"test accuracy, {iterations} iterations",
                       ylim=(0, 1.3), yticks=np.arange(0, 1.1, 0.2), title="MNIST")  # fmt: skip
        grid[1, 1].legend(loc="upper left", fontsize=8)
        experiment.picture(figure)


if __name__ == "__main__":
    main()
