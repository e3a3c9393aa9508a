"""A noisy sine, predicted by RNN, LSTM and GRU, and how far gradients reach back in time.

python examples/book/sine.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu import Tensor
from tinygrad_edu.data import DataLoader, sine_windows
from tinygrad_edu.models import SequenceForecaster
from tinygrad_edu.nn import MSELoss
from tinygrad_edu.optim import Adam
from tinygrad_edu.train import Trainer, predictions

Array = np.ndarray[Any, Any]

KINDS = {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru"}
PERIOD, NOISE = 25.0, 0.1
"""Steps of a wave, and the standard deviation of the noise on an amplitude of 1."""
STEPS, HIDDEN, AHEAD = 50, 32, 100
"""Steps that are known, hidden units, steps that are forecast: four waves."""
LAGS = 60


def net_of(name: str, seed: int) -> SequenceForecaster:
    """Return an untrained net, by its name in `KINDS`."""
    rng = np.random.default_rng([seed, 0])
    return SequenceForecaster(1, HIDDEN, kind=KINDS[name], rng=rng)


def trained(name: str, iterations: int, seed: int) -> tuple[SequenceForecaster, Array]:
    """Return a net that has learned to predict the next value, and its loss at each iteration."""
    rng = np.random.default_rng([seed, 1])
    series = sine_windows(2000, window=STEPS + 1, period=PERIOD, noise=NOISE, rng=rng).inputs
    net = net_of(name, seed)
    loader = DataLoader((series[:, :-1], series[:, 1:]), 32, rng=np.random.default_rng([seed, 2]))
    trainer = Trainer(net, MSELoss(), Adam(net, 0.003), loader)
    trainer.fit(iterations=2 * iterations // 3)
    trainer.optimizer.lr = 0.0003  # small steps at the end: they average the noise out
    return net, trainer.fit(iterations=iterations).losses


def errors(net: SequenceForecaster, seed: int) -> tuple[float, float]:
    """Return the mean squared error of one step ahead, and of a whole forecast.

    Both are measured against the sine without its noise, on noisy beginnings that are new.
    """
    count = STEPS + AHEAD
    clean = sine_windows(50, window=count, period=PERIOD).inputs
    known = clean[:, :STEPS] + NOISE * np.random.default_rng([seed, 3]).standard_normal(
        (len(clean), STEPS, 1)
    ).astype(np.float32)
    one = predictions(net, known)[:, -1] - clean[:, STEPS]
    forecast = net.forecast(known, AHEAD) - clean[:, STEPS:]
    return float(np.mean(one**2)), float(np.mean(forecast**2))


def reach(net: SequenceForecaster, seed: int) -> Array:
    """Return how much the last prediction depends on the input of each lag, shape (LAGS,).

    It is the norm, over a batch, of the gradient with respect to the input at that lag.
    """
    rng = np.random.default_rng([seed, 4])
    x = sine_windows(20, window=LAGS, period=PERIOD, noise=NOISE, rng=rng).inputs
    leaf = Tensor(x, requires_grad=True)
    net(leaf)[:, -1].sum().backward()
    net.zero_grad()
    return np.sqrt(np.sum(np.square(leaf.grad), axis=(0, 2)))[::-1]


def main() -> None:
    """Train the three, let them forecast, and follow the gradient back."""
    with Experiment(__doc__, __file__) as experiment:
        seed, quick = experiment.seed, experiment.quick
        iterations = 60 if quick else 3000
        nets, losses, reached = {}, {}, {}
        for name in KINDS:
            before = reach(net_of(name, seed), seed)
            nets[name], losses[name] = trained(name, iterations, seed)
            reached[name] = (before, reach(nets[name], seed))
        found = np.array([errors(net, seed) for net in nets.values()])
        told = ", ".join(KINDS)
        experiment.figure(
            "S18",
            f"mean squared error one step ahead, against the sine without noise: {told}",
            ours=found[:, 0],
            accept=None if quick else (0, NOISE**2 / 4),
        )
        experiment.figure(
            "S18",
            f"the same over {AHEAD} steps in closed loop: {told}",
            ours=found[:, 1],
            accept=None if quick else (0, 0.02),
        )
        ratio = [float(before[40] / before[0]) for before, _ in reached.values()]
        experiment.figure(
            None,
            f"gradient 40 steps back over that of the last step, untrained: {told}",
            ours=ratio,
        )
        ratio = [float(after[40] / after[0]) for _, after in reached.values()]
        experiment.figure(None, f"the same when trained: {told}", ours=ratio)
        draw(experiment, nets, losses, reached)


def draw(
    experiment: Experiment,
    nets: dict[str, SequenceForecaster],
    losses: dict[str, Array],
    reached: dict[str, tuple[Array, Array]],
) -> None:
    """Draw the forecasts, the losses, and the gradients through time."""
    rng = np.random.default_rng([experiment.seed, 5])
    clean = np.sin(2 * np.pi * np.arange(STEPS + AHEAD) / PERIOD)
    known = (clean[:STEPS] + NOISE * rng.standard_normal(STEPS)).astype(np.float32)
    figure, (axes, below) = pyplot().subplots(
        2, 1, figsize=(9, 5), sharex=True, height_ratios=(3, 1.4)
    )
    axes.plot(clean, color="#bbbbbb", linewidth=4, label="sine")
    axes.plot(known, ".", color="black", markersize=4, label="known, with noise")
    for (name, net), style in zip(nets.items(), ("-", "--", ":"), strict=True):
        steps = np.arange(STEPS, STEPS + AHEAD)
        values = net.forecast(known[None, :, None], AHEAD)[0, :, 0]
        axes.plot(steps, values, style, label=f"{name}, forecast")
        below.plot(steps, values - clean[STEPS:], style)
    for panel in (axes, below):
        panel.axvline(STEPS - 0.5, color="black", linewidth=0.8)
    axes.set(ylabel="value", ylim=(-1.5, 1.9))
    axes.legend(ncols=5, loc="upper center", fontsize=9)
    below.set(xlabel="step", ylabel="forecast − sine")
    experiment.picture(figure)

    figure, panels = pyplot().subplots(1, 3, figsize=(11, 3.6))
    iterations = len(next(iter(losses.values())))
    for name, curve in losses.items():
        means = curve[: len(curve) // 20 * 20].reshape(-1, 20).mean(axis=1)
        panels[0].semilogy(np.arange(len(means)) * 20 + 10, means, label=name)
    panels[0].axhline(NOISE**2, color="black", linewidth=0.8, linestyle="--")
    panels[0].text(
        iterations, NOISE**2 * 1.02, "variance of the noise", fontsize=8, ha="right", va="bottom"
    )
    panels[0].set(xlabel="iteration", ylabel="mean squared error, training")
    for panel, when, what in zip(panels[1:], (0, 1), ("untrained", "trained"), strict=True):
        for name, curves in reached.items():
            panel.semilogy(curves[when] / curves[when][0], label=name)
        panel.set(xlabel="steps back", ylabel="gradient, last step = 1", title=what)
    panels[0].legend()
    experiment.picture(figure, "gradients")


if __name__ == "__main__":
    main()
