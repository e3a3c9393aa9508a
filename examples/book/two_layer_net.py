"""The book's two-layer net on MNIST: by numerical gradient, and by backpropagation.

    python examples/book/two_layer_net.py [--quick] [--out FOLDER] [--seed N]

784-50-10, weights 0.01 · randn, batches of 100 drawn at random, learning rate 0.1, 10,000
iterations; with sigmoid units (chapter 4) and with ReLU (chapter 5), five seeds each. The quick
form stops after 600 iterations of one seed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu.data import MNIST, DataLoader, load_mnist
from tinygrad_edu.models import TwoLayerNet
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.numeric import numerical_gradient
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Trainer

Array = np.ndarray[Any, Any]

ITERATIONS, EPOCH, BATCH, RATE = 10_000, 600, 100, 0.1
NAMES = ("W1", "b1", "W2", "b2")
BOOK_DIFFERENCES = (1.8e-6, 2.4e-5, 6.2e-9, 1.4e-7)
"""Mean absolute difference of both gradients of each parameter, as the book prints them."""


def trained(
    data: MNIST, activation: str, seed: int, iterations: int = ITERATIONS, check: int | None = None
) -> Trainer:
    """Return the trainer of a net after training, evaluated at every epoch.

    Parameters
    ----------
    data : MNIST
        The digits.
    activation : {"sigmoid", "relu"}
        Of the hidden layer.
    seed : int
        Of weights and batches.
    iterations : int
        Batches.
    check : int, optional
        Images of each set to evaluate on; all by default.
    """
    for_weights, for_batches = np.random.default_rng(seed).spawn(2)
    net = TwoLayerNet(784, 50, 10, activation=activation, rng=for_weights)
    pair = (data.train_images, data.train_labels)
    loader = DataLoader(pair, BATCH, replacement=True, rng=for_batches)
    sets = {
        "train": (data.train_images[:check], data.train_labels[:check]),
        "test": (data.test_images[:check], data.test_labels[:check]),
    }
    trainer = Trainer(net, CrossEntropyLoss(), SGD(net, lr=RATE), loader, sets=sets)
    trainer.fit(iterations=iterations)
    return trainer


# ---- by numerical gradient


def loss(parameters: Sequence[Array], x: Array, labels: Array) -> float:
    """Return the cross-entropy of the sigmoid net in plain NumPy, float64."""
    w1, b1, w2, b2 = parameters
    hidden = 1 / (1 + np.exp(-(x @ w1 + b1)))
    logits = hidden @ w2 + b2
    logits -= logits.max(axis=1, keepdims=True)
    right = logits[np.arange(len(x)), labels]
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - right))


def numerical_gradients(parameters: Sequence[Array], x: Array, labels: Array) -> list[Array]:
    """Return the gradient of every parameter by central differences: two losses an element."""
    found = []
    for k, parameter in enumerate(parameters):

        def moved(array: Array, k: int = k) -> float:
            return loss([array if i == k else p for i, p in enumerate(parameters)], x, labels)

        found.append(numerical_gradient(moved, parameter))
    return found


def recorded_gradients(parameters: Sequence[Array], x: Array, labels: Array) -> list[Array]:
    """Return the gradient of every parameter by one reverse sweep."""
    leaves = [tg.Tensor(p, requires_grad=True) for p in parameters]
    w1, b1, w2, b2 = leaves
    logits = tg.linear(tg.linear(x, w1, b1, "sigmoid"), w2, b2)
    tg.softmax_cross_entropy(logits, labels).backward()
    return [leaf.grad for leaf in leaves]


def fresh_parameters(seed: int, inputs: int = 784) -> list[Array]:
    """Return W1, b1, W2, b2 of a new net in float64."""
    net = TwoLayerNet(inputs, 50, 10, rng=seed, dtype=np.float64)
    return [p.numpy().copy() for p in net.parameters()]


def compare_speed(experiment: Experiment, data: MNIST, steps: int) -> None:
    """Make some steps both ways from the same start; tell the times and whether the ends agree.

    With no steps, the time of one step by numerical gradient is told from 200 losses.
    """
    rng = np.random.default_rng(experiment.seed)
    ways = {"numerical": numerical_gradients, "recorded": recorded_gradients}
    ends = {name: fresh_parameters(experiment.seed) for name in ways}
    seconds = dict.fromkeys(ways, np.inf)
    count = sum(p.size for p in ends["recorded"])
    for _ in range(steps or 3):
        chosen = rng.integers(len(data.train_images), size=BATCH)
        x, labels = data.train_images[chosen].astype(np.float64), data.train_labels[chosen]
        for name, gradients in ways.items():
            if name == "numerical" and not steps:
                continue
            began = time.process_time()
            for p, g in zip(ends[name], gradients(ends[name], x, labels), strict=True):
                p -= RATE * g
            seconds[name] = min(seconds[name], time.process_time() - began)
    if steps == 0:
        began = time.process_time()
        for _ in range(200):
            loss(ends["numerical"], x, labels)
        seconds["numerical"] = (time.process_time() - began) / 200 * 2 * count
    told = f"{steps} steps" if steps else "from 200 losses"
    experiment.figure(None, "losses for one numerical gradient", ours=2 * count)
    what = f"processor seconds for a step by numerical gradient ({told})"
    experiment.figure(None, what, ours=seconds["numerical"])
    experiment.figure(
        None, "processor seconds for a step by backpropagation", ours=seconds["recorded"]
    )
    ratio = seconds["numerical"] / seconds["recorded"]
    experiment.figure(None, "so many times slower", ours=ratio, accept=(1000, None))
    days = seconds["numerical"] * ITERATIONS / 86400
    experiment.figure(None, "days for 10,000 steps by numerical gradient", ours=days)
    if steps:
        difference = max(float(np.max(np.abs(a - b))) for a, b in zip(*ends.values(), strict=True))
        what = f"largest difference of the weights after {steps} steps each way"
        experiment.figure(None, what, ours=difference, accept=(None, 1e-8))


# ---- pictures


def gradients_picture(numerical: list[Array], recorded: list[Array]) -> Any:
    """Return the picture of both gradients, element by element, and of their differences."""
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.9))
    marks = zip(NAMES, numerical, recorded, (2.5, 5, 3.5, 7), strict=True)
    for k, (name, a, b, size) in enumerate(marks):
        there = b != 0  # pixels that are black in all images have no gradient
        left.loglog(np.abs(b[there]), np.abs(a[there]), "o", ms=size, mew=0, alpha=0.6,
                    color=PALETTE[k], label=name)  # fmt: skip
    left.plot((1e-9, 1), (1e-9, 1), color="#888888", lw=0.8, zorder=0)
    left.set(xlabel="|∂L/∂w| by backpropagation", ylabel="by numerical gradient")
    left.set(xlim=(1e-9, 1), ylim=(1e-9, 1), aspect="equal")
    left.set_title(f"{sum(g.size for g in recorded):,} elements of the gradient")
    left.legend()
    bins = np.logspace(-16, -4, 73)
    for k, (a, b) in enumerate(zip(numerical, recorded, strict=True)):
        differences = np.abs(a - b).ravel()
        weights = np.full(a.size, 1 / a.size)
        right.hist(np.maximum(differences, 1e-16), bins, weights=weights, histtype="step",
                   lw=1.6, color=PALETTE[k])  # fmt: skip
        right.axvline(BOOK_DIFFERENCES[k], color=PALETTE[k], ls=":", lw=1.4)
    right.set(xscale="log", xlabel="|difference|", ylabel="share of the elements")
    right.set_title("dotted: the mean that the book prints")
    return figure


def curves_picture(runs: dict[str, list[Trainer]], *, end: bool) -> Any:
    """Return the picture of the accuracies by epoch, and of the losses.

    Parameters
    ----------
    runs : dict of str to list of Trainer
        The runs by activation.
    end : bool
        Whether an inset shows the end at a larger scale: 0.9 and above.
    """
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.2), width_ratios=(1.6, 1))
    for (name, trainers), colour in zip(runs.items(), (PALETTE[0], ORANGE), strict=True):
        epochs = trainers[0].history.column("iteration") / EPOCH
        for kind, style in (("train", "-"), ("test", "--")):
            curves = np.array([t.history.column(f"{kind}_accuracy") for t in trainers])
            left.plot(
                epochs, curves.mean(axis=0), style, color=colour, lw=1.8, label=f"{name}, {kind}"
            )
            low, high = curves.min(axis=0), curves.max(axis=0)
            left.fill_between(epochs, low, high, color=colour, alpha=0.15, lw=0)
        losses = np.mean([t.history.losses for t in trainers], axis=0)
        blocks = losses[: len(losses) // 50 * 50].reshape(-1, 50).mean(axis=1)
        right.plot(25 + 50 * np.arange(len(blocks)), blocks, color=colour, label=name)
    left.set(xlabel="epoch (600 batches of 100)", ylabel="accuracy", ylim=(0, 1.02))
    left.legend(loc="lower right")
    if end:
        inset = left.inset_axes((0.32, 0.2, 0.3, 0.38))
        for line in left.get_lines():
            inset.plot(*line.get_data(), color=line.get_color(), ls=line.get_linestyle(), lw=1.2)
        inset.axhspan(0.94, 0.952, color="#dddddd", lw=0)
        inset.set(xlim=(epochs[-1] / 2, epochs[-1]), ylim=(0.9, 0.985))
        inset.tick_params(labelsize=8)
        inset.set_title("the end; grey: accepted for sigmoid", fontsize=8)
    right.set(xlabel="iteration", ylabel="loss, mean of 50 batches", yscale="log")
    right.legend()
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Compare both gradients, tell their times, train, and draw the curves."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        data = load_mnist()
        quick = experiment.quick

        # The quick form checks on the middle of the images, so that there are fewer weights.
        x = data.train_images[:3].astype(np.float64)
        x = x.reshape(-1, 28, 28)[:, 12:16, 12:16].reshape(3, -1) if quick else x
        parameters = fresh_parameters(experiment.seed, x.shape[1])
        labels = data.train_labels[:3]
        experiment.stage(f"numerical gradient of {sum(p.size for p in parameters):,} weights")
        numerical = numerical_gradients(parameters, x, labels)
        recorded = recorded_gradients(parameters, x, labels)
        for k, (a, b) in enumerate(zip(numerical, recorded, strict=True)):
            experiment.figure(
                "A21", f"mean |numerical − recorded| of {NAMES[k]}",
                ours=float(np.mean(np.abs(a - b))), source=BOOK_DIFFERENCES[k],
                accept=(None, BOOK_DIFFERENCES[k]),
            )  # fmt: skip
        experiment.picture(gradients_picture(numerical, recorded), "gradients")
        steps = 0 if quick else 2
        if steps:
            experiment.stage(f"{steps} steps by numerical gradient, and by backpropagation")
        compare_speed(experiment, data, steps)

        seeds = range(experiment.seed, experiment.seed + (1 if quick else 5))
        iterations, check = (600, 1000) if quick else (ITERATIONS, None)
        runs: dict[str, list[Trainer]] = {"sigmoid": [], "ReLU": []}
        for name, trainers in runs.items():
            for seed in seeds:
                experiment.stage(f"training: {name}, seed {seed}, {iterations:,} iterations")
                trainers.append(trained(data, name.lower(), seed, iterations, check))
        tell_accuracies(experiment, runs)
        experiment.picture(curves_picture(runs, end=not quick))


def tell_accuracies(experiment: Experiment, runs: dict[str, list[Trainer]]) -> None:
    """Tell the accuracies before, after one and two epochs, and at the end."""
    moments = (
        ("before", 0, (0.0986, 0.0957)),
        ("after one epoch", 1, (0.793, 0.795)),
        ("after two epochs", 2, (0.8764, 0.8794)),
    )
    for what, record, printed in moments[: 2 if experiment.quick else 3]:
        first = runs["sigmoid"][0].history.records[record]
        ours = [first["train_accuracy"], first["test_accuracy"]]
        experiment.figure("S12", f"sigmoid, train and test {what}", ours=ours, source=printed)
    if experiment.quick:
        return
    ends = {
        (name, kind): [t.history.records[-1][f"{kind}_accuracy"] for t in trainers]
        for name, trainers in runs.items()
        for kind in ("train", "test")
    }
    seeds = f"seeds {experiment.seed} to {experiment.seed + 4}"
    for name, kind, number, source, accept in (
        ("sigmoid", "train", "S12, B2", [0.9474, 0.94705], (0.940, 0.952)),
        ("sigmoid", "test", "S12, B2", [0.9454, 0.9465], (0.940, 0.952)),
        ("ReLU", "train", "B3", 0.97787, (0.962, None)),
        ("ReLU", "test", "B3", 0.969, (0.962, None)),
    ):
        found = ends[name, kind]
        what = f"{name}, {kind} after 10,000 iterations, {seeds}"
        experiment.figure(number, what, ours=found, source=source, accept=accept)
        spread = [float(np.mean(found)), float(np.std(found, ddof=1))]
        experiment.figure(number, f"{name}, {kind}: mean and standard deviation", ours=spread)
    for name, trainers in runs.items():
        seconds = float(np.mean([t.seconds for t in trainers]))
        experiment.figure(None, f"{name}: seconds of a run, evaluation included", ours=seconds)


if __name__ == "__main__":
    main()
