"""The article's net: sigmoid(α(s − θ)), one sample at a time, random binary data.

    python examples/book/article_net.py [--quick] [--out FOLDER] [--seed N]

Layers of 4 and 3 units on 3 inputs, α = 0.04, θ = 0.1, learning rate 0.01. It stops when the error
is below ε or has stopped falling, and says which. Random targets cannot be met: where equal inputs
have different targets there is a least error that no net can beat.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from experiment import PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu.data import DataLoader
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Callback, Record, Trainer

Array = np.ndarray[Any, Any]

ALPHA, THETA, RATE, EPSILON = 0.04, 0.1, 0.01, 0.01
FAST = 30.0
"""A learning rate with which one sees where the article's would arrive: α makes slopes small."""


class ArticleNet(Module):
    """Layers of units sigmoid(α(s − θ)), s the weighted sum of the layer before.

    Parameters
    ----------
    rng : Generator
        Where the weights are drawn from.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.hidden = tg.Parameter(rng.normal(size=(3, 4)))
        self.output = tg.Parameter(rng.normal(size=(4, 3)))

    def forward(self, x: Any) -> Any:
        """Return the outputs, shape (batch, 3), for inputs of that shape."""
        for w in (self.hidden, self.output):
            x = tg.sigmoid(ALPHA * (x @ w - THETA))
        return x


class Run(NamedTuple):
    """The mean error before the first pass and after each, why it stopped, and the least error."""

    errors: Array
    reason: str
    least: float


class Stopping(Callback):
    """Stop after a pass when the error is below ε, or has not fallen by more than a little.

    Parameters
    ----------
    least_fall : float
        Fall of the error within a pass that is not worth going on for.
    """

    def __init__(self, least_fall: float) -> None:
        self.least_fall = least_fall

    def record(self, trainer: Trainer, record: Record) -> None:
        """Compare the error after a pass with ε, and with the one before."""
        error = record["train_error"]
        if error < EPSILON:
            trainer.stop("below ε")
        elif trainer.iteration > 0:
            before = trainer.history.records[-2]["train_error"]
            if before - error <= self.least_fall:
                trainer.stop("stopped falling")


def squared_error(outputs: Any, targets: Any) -> Any:
    """Return Σ (t − y)² of each row."""
    return np.sum(np.square(targets - outputs), axis=-1)


def least_error(inputs: Array, targets: Array) -> float:
    """Return the error of the best possible function: the mean target for each different input."""
    _, group = np.unique(inputs, axis=0, return_inverse=True)
    group = group.reshape(-1)
    means = np.array([targets[group == k].mean(axis=0) for k in range(group.max() + 1)])
    return float(np.mean(squared_error(means[group], targets)))


def binary_data(rng: np.random.Generator, count: int = 8) -> tuple[Array, Array]:
    """Return random inputs and targets of zeros and ones, shape (count, 3) each."""
    inputs, targets = rng.integers(0, 2, size=(2, count, 3)).astype(float)
    return inputs, targets


def train(
    net: ArticleNet,
    data: tuple[Array, Array],
    *,
    passes: int,
    rate: float = RATE,
    least_fall: float = 0.0,
) -> Run:
    """Return the run of a net that is trained until it reaches ε, stops falling, or time is up."""
    trainer = Trainer(
        net,
        lambda outputs, targets: np.sum(squared_error(outputs, targets)),
        SGD(net, lr=rate),
        DataLoader(data, 1, shuffle=False),
        metrics={"error": squared_error},
        sets={"train": data},
        callbacks=[Stopping(least_fall)],
    )
    errors = trainer.fit(epochs=passes).column("train_error")
    reason = f"out of {passes} passes" if trainer.reason == "done" else trainer.reason
    return Run(errors, reason, least_error(*data))


def random_run(seed: int, passes: int, rate: float, least_fall: float = 0.0) -> Run:
    """Return the run on random data of that seed."""
    rng = np.random.default_rng(seed)
    data = binary_data(rng)
    return train(ArticleNet(rng), data, passes=passes, rate=rate, least_fall=least_fall)


def reachable_run(seed: int, passes: int) -> Run:
    """Return the run on targets that such a net has made, from weights a little beside its own."""
    rng = np.random.default_rng(seed)
    net = ArticleNet(rng)
    inputs, _ = binary_data(rng)
    targets = net(tg.Tensor(inputs)).numpy()
    for w in net.parameters():
        w.data = w.numpy() + 10.0
    return train(net, (inputs, targets), passes=passes, rate=FAST)


def picture(slow: list[Run], fast: list[Run]) -> Any:
    """Return the picture of the error of every pass, with the article's rate and a fast one."""
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for axes, runs, rate in ((left, slow, RATE), (right, fast, FAST)):
        for k, run in enumerate(runs):
            shown = run.errors - run.errors[0] if rate == RATE else run.errors
            axes.plot(shown, color=PALETTE[k], label=f"seed {k}")
            axes.plot(len(shown) - 1, shown[-1], "o", color=PALETTE[k], ms=5)
            if rate == FAST:
                axes.axhline(run.least, color=PALETTE[k], ls=":", lw=1.2)
        axes.set(xlabel="passes over the 8 samples", title=f"learning rate {rate:g}")
    left.set_ylabel("mean error minus that at the start")
    right.set(ylabel="mean error Σ(t − y)²", ylim=(0, 1.1))
    right.axhline(EPSILON, color="#666666", lw=1)
    right.text(0, EPSILON + 0.012, "ε", color="#666666")
    right.plot([], [], ":", color="#666666", label="least of any net")
    right.legend(loc="upper right", ncols=3)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Train with several seeds; tell how the error fell and why each run stopped."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        seeds = range(experiment.seed, experiment.seed + (2 if experiment.quick else 5))
        short, long = (20, 60) if experiment.quick else (1000, 3000)
        slow = [random_run(seed, short, RATE) for seed in seeds]
        fast = [random_run(seed, long, FAST, 1e-6) for seed in seeds]
        for runs, rate in ((slow, RATE), (fast, FAST)):
            of = f"rate {rate:g}"
            experiment.figure("S16", f"{of}: error before", ours=[run.errors[0] for run in runs])
            experiment.figure(
                "S16", f"{of}: error at the end", ours=[run.errors[-1] for run in runs]
            )
            falls = [run.errors[0] - run.errors[-1] for run in runs]
            experiment.figure("S16", f"{of}: fall of the error", ours=falls, accept=(1e-9, None))
            reasons = "; ".join(run.reason for run in runs)
            experiment.figure("S16", f"{of}: why it stopped", ours=reasons)
        experiment.figure(
            "S16", "least error of any net on the same data", ours=[run.least for run in fast]
        )
        experiment.figure(
            "S16", "error at the end minus least error",
            ours=[run.errors[-1] - run.least for run in slow + fast], accept=(0.0, None),
        )  # fmt: skip
        run = reachable_run(experiment.seed, 500)
        experiment.figure(
            "S16", "targets that the net can reach: error at the end",
            ours=run.errors[-1], accept=(None, EPSILON),
        )  # fmt: skip
        experiment.figure("S16", "the same: why it stopped", ours=run.reason, source="below ε")
        experiment.picture(picture(slow, fast))


if __name__ == "__main__":
    main()
