"""Regression of one and of several inputs, and the same data as a classification.

python examples/book/regression.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

from tinygrad_edu.data import (
    DataLoader,
    OneHot,
    Standardize,
    curve,
    linear_problem,
    sine,
    split,
)
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss, Linear, Module, MSELoss
from tinygrad_edu.optim import Adam, CosineAnnealingLR
from tinygrad_edu.train import History, Trainer, predictions

Array = np.ndarray[Any, Any]

TEST = 0.25
"""Share of the samples that are kept for the test."""
NOISE = 0.1
"""Standard deviation of what no net can know."""
CLASSES = 3


class Fit(NamedTuple):
    """A trained regression: how it went, and the test set with predictions in its own units."""

    model: Module
    history: History
    x: Standardize
    t: Standardize
    inputs: Array
    targets: Array
    predicted: Array

    @property
    def rmse(self) -> float:
        """Root mean square error on the test set."""
        return float(np.sqrt(np.mean(np.square(self.predicted - self.targets))))

    @property
    def r2(self) -> float:
        """Share of the test targets' variance that is explained."""
        return 1 - self.rmse**2 / float(np.var(self.targets))


def surface(x: Array) -> Array:
    """Return x₀ x₁ + sin(π x₂), the function of three inputs."""
    return np.asarray(x[:, 0] * x[:, 1] + np.sin(np.pi * x[:, 2]))


def trained(
    model: Module,
    loss: Module,
    sets: dict[str, tuple[Array, Array]],
    metric: str,
    epochs: int,
    seed: int,
) -> History:
    """Return the history of a run by Adam in batches of 50, with a rate that falls to 0."""
    loader = DataLoader(sets["train"], 50, rng=np.random.default_rng([seed, 1]))
    optimizer = Adam(model, 0.01)
    schedule = CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(
        model, loss, optimizer, loader, metrics=[metric], sets=sets, schedule=schedule
    )
    return trainer.fit(epochs=epochs)


def regression(
    data: tuple[Array, Array], make: Callable[[], Module], epochs: int, seed: int
) -> Fit:
    """Return a model fitted to standardised data, its predictions in the units of the data.

    Parameters
    ----------
    data : (inputs, targets)
        Both of two axes.
    make : callable
        Makes the model; its last layer has the identity as activation.
    epochs, seed : int
        How long, and with which random numbers.
    """
    (x, t), _, (test_x, test_t) = split(data, test=TEST, rng=np.random.default_rng([seed, 0]))
    of_x, of_t = Standardize().fit(x), Standardize().fit(t)  # of the training part alone
    sets = {
        "train": (of_x.transform(x), of_t.transform(t)),
        "test": (of_x.transform(test_x), of_t.transform(test_t)),
    }
    model = make()
    history = trained(model, MSELoss(), sets, "squared_error", epochs, seed)
    predicted = of_t.inverse(predictions(model, sets["test"][0]))
    return Fit(model, history, of_x, of_t, test_x, test_t, predicted)


def classification(data: tuple[Array, Array], epochs: int, seed: int) -> tuple[History, Array]:
    """Return the history of a classifier of low, middle and high targets, and the borders.

    Parameters
    ----------
    data : (inputs, targets)
        As for `regression`, split in the same way.
    epochs, seed : int
        How long, and with which random numbers.
    """
    (x, t), _, (test_x, test_t) = split(data, test=TEST, rng=np.random.default_rng([seed, 0]))
    of_x = Standardize().fit(x)
    borders = np.quantile(t, [1 / CLASSES, 2 / CLASSES])
    coder = OneHot().fit(np.arange(CLASSES))
    sets = {
        name: (of_x.transform(inputs), coder.transform(np.digitize(targets[:, 0], borders)))
        for name, inputs, targets in (("train", x, t), ("test", test_x, test_t))
    }
    model = MultiLayerNet([x.shape[1], 32, 32, CLASSES], rng=np.random.default_rng([seed, 2]))
    history = trained(model, CrossEntropyLoss(), sets, "accuracy", epochs, seed)
    return history, borders


def least_squares(fit: Fit, data: tuple[Array, Array], seed: int) -> tuple[Array, Array]:
    """Return the slopes that a linear fit has learned, and those of the method of least squares.

    Both in the units of the data: in standardised units the slope is that times σ of the input
    over σ of the target.
    """
    (x, t), _, _ = split(data, test=TEST, rng=np.random.default_rng([seed, 0]))
    columns = np.column_stack([x, np.ones(len(x))]).astype(np.float64)
    exact = np.linalg.lstsq(columns, t.astype(np.float64), rcond=None)[0][:-1, 0]
    ratio = fit.t.state()["scale"] / fit.x.state()["scale"]
    assert isinstance(fit.model, Linear)
    return fit.model.weight.numpy()[:, 0] * ratio, exact


def main(arguments: list[str] | None = None) -> None:
    """Fit a sine, a plane and a surface, classify the surface, and draw all."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        quick, seed = experiment.quick, experiment.seed
        epochs = 10 if quick else 150
        number = None if quick else "S17"

        def net(inputs: int, activation: str) -> Callable[[], Module]:
            sizes = [inputs, 32, 32, 1]
            rng = np.random.default_rng([seed, 2])
            return lambda: MultiLayerNet(sizes, activation=activation, rng=rng)

        wave = sine(800, noise=NOISE, rng=seed)
        one = regression(wave, net(1, "tanh"), epochs, seed)
        experiment.figure(
            number,
            "one input, a sine: error on the test set, root mean square (to compare: the noise)",
            ours=one.rmse,
            source=NOISE,
            accept=None if quick else (0.08, 0.12),
        )
        rough = curve(surface, 2000, inputs=3, noise=NOISE, rng=seed)
        several = regression(rough, net(3, "relu"), epochs, seed)
        experiment.figure(
            number,
            "three inputs: error on the test set, root mean square (to compare: the noise)",
            ours=several.rmse,
            source=NOISE,
            accept=None if quick else (0.08, 0.14),
        )
        experiment.figure(
            number,
            "share of the variance explained, one and three inputs",
            ours=[one.r2, several.r2],
            accept=None if quick else (0.95, 1),
        )
        flat = linear_problem(800, inputs=4, noise=NOISE, scales=[0.1, 1, 10, 1000], rng=seed)
        plane = regression(
            flat[:2], lambda: Linear(4, 1, rng=np.random.default_rng([seed, 2])), epochs, seed
        )
        learned, exact = least_squares(plane, flat[:2], seed)
        experiment.figure(
            number,
            "four inputs of scales 0.1 to 1000, linear: slopes (to compare: least squares)",
            ours=learned,
            source=exact,
        )
        experiment.figure(
            number,
            "largest distance from least squares, in standardised units",
            ours=float(np.max(np.abs(learned - exact) * plane.x.state()["scale"])
                       / plane.t.state()["scale"].item()),
            accept=None if quick else (0, 0.01),
        )  # fmt: skip
        history, borders = classification(rough, epochs, seed)
        accuracy = history.records[-1]["test_accuracy"]
        experiment.figure(
            number,
            "three inputs as low, middle, high: test accuracy of the classifier",
            ours=accuracy,
            accept=None if quick else (0.85, 1),
        )
        truth, guess = (np.digitize(v[:, 0], borders) for v in (several.targets, several.predicted))
        experiment.figure(
            None,
            "the same classes read off the regression's predictions: test accuracy",
            ours=float(np.mean(truth == guess)),
        )

        figure, ((fit, scatter), (errors, accuracies)) = pyplot().subplots(2, 2, figsize=(9, 7))
        order = np.argsort(one.inputs[:, 0])
        fit.plot(one.inputs, one.targets, ".", color="#888888", label="test set")
        fit.plot(one.inputs[order], one.predicted[order], color=ORANGE, label="prediction")
        fit.set(xlabel="x", ylabel="t", title="one input")
        fit.legend()
        scatter.plot(several.targets, several.predicted, ".", markersize=4)
        ends = [several.targets.min(), several.targets.max()]
        scatter.plot(ends, ends, color="black", linewidth=0.8)
        for border in borders:
            scatter.axvline(border, color=ORANGE, linewidth=0.8, linestyle=":")
        scatter.set(xlabel="target", ylabel="prediction", title="three inputs, test set")
        for colour, name, line in zip(PALETTE, ("train", "test"), ("-", "--"), strict=False):
            run = several.history
            error, share = run.column(f"{name}_squared_error"), history.column(f"{name}_accuracy")
            errors.semilogy(run.column("epoch"), error, line, color=colour, label=name)
            accuracies.plot(history.column("epoch"), share, line, color=colour, label=name)
        errors.set(xlabel="epoch", ylabel="mean squared error, variance of t = 1",
                   title="regression, three inputs")  # fmt: skip
        errors.legend()
        accuracies.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1),
                       title="classification, three inputs")  # fmt: skip
        experiment.picture(figure)


if __name__ == "__main__":
    main()
