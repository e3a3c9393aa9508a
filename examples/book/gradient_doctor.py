"""Eight broken nets, what the gradient doctor says of each, and how it learns once mended.

python examples/book/gradient_doctor.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss, Linear, Module, ReLU, Sequential, Softmax
from tinygrad_edu.optim import SGD
from tinygrad_edu.train import Finding, Trainer, diagnose, report

Array = np.ndarray[Any, Any]
BATCH = 50
ENTROPY = CrossEntropyLoss()


@dataclass
class Case:
    """A net with its loss and its data, ready to be looked at and to be trained."""

    model: Module
    inputs: Array
    targets: Array
    loss: Callable[[Any, Any], Any] = ENTROPY
    shuffle: bool = True


class Halves(Module):
    """Two layers; between them, if it is cut, an array that knows nothing of where it came from."""

    def __init__(self, cut: bool) -> None:
        self.first, self.second = Linear(784, 50, rng=0), Linear(50, 10, rng=1)
        self.cut = cut

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        h = self.first(x)
        h = np.tanh(h.numpy()) if self.cut else np.tanh(h)
        return self.second(h)


def squares(y: Any, t: Any) -> Any:
    """Return the mean of squared differences; (n, 1) minus (n,) is (n, n)."""
    return np.mean(np.square(y - t))


def dense(*hidden: int, **options: Any) -> MultiLayerNet:
    """Return a net for digits with these hidden layers."""
    return MultiLayerNet([784, *hidden, 10], rng=0, **options)


def dead(broken: bool, x: Array, t: Array) -> Case:
    """Return a net whose biases are so low that no hidden unit is above 0."""
    net = dense(50)
    if broken:
        net.layers[0].bias.data = np.full(50, -20.0, np.float32)
    return Case(net, x, t)


def deep(broken: bool, x: Array, t: Array) -> Case:
    """Return a net of ten layers, of sigmoids or of ReLUs."""
    return Case(dense(*[50] * 9, activation="sigmoid" if broken else "relu"), x, t)


def zeros(broken: bool, x: Array, t: Array) -> Case:
    """Return a net whose weights begin at 0."""
    return Case(dense(50, activation="tanh", weight="zeros" if broken else "xavier"), x, t)


def cut(broken: bool, x: Array, t: Array) -> Case:
    """Return a net whose first layer gets no gradient."""
    return Case(Halves(broken), x, t)


def twice(broken: bool, x: Array, t: Array) -> Case:
    """Return a net that ends in softmax, with a loss that takes logits."""
    layers = [Linear(784, 50, rng=0), ReLU(), Linear(50, 10, rng=1)]
    return Case(Sequential(*layers, *([Softmax()] if broken else [])), x, t)


def bytes_(broken: bool, x: Array, t: Array) -> Case:
    """Return a net for pixels from 0 to 255, or from 0 to 1."""
    return Case(dense(50), 255 * x if broken else x, t)


def pairs(broken: bool, x: Array, _t: Array) -> Case:
    """Return a net that is to tell how bright a picture is: (n, 1) results, (n,) targets."""
    bright = x.mean(axis=1)
    bright = (bright - bright.mean()) / bright.std()
    net = MultiLayerNet([784, 50, 1], rng=0)
    return Case(net, x, bright if broken else bright[:, None], squares)


def ordered(broken: bool, x: Array, t: Array) -> Case:
    """Return a net that sees first all zeros, then all ones, and so on."""
    order = np.argsort(t, kind="stable")
    return Case(dense(50), x[order], t[order], shuffle=not broken)


CASES: dict[str, Callable[[bool, Array, Array], Case]] = {
    "dead units": dead,
    "vanishing gradient": deep,
    "gradients all zero": zeros,
    "detached parameters": cut,
    "softmax twice": twice,
    "inputs not scaled": bytes_,
    "accidental broadcast": pairs,
    "one class only": ordered,
}
"""What the doctor finds, and who makes a net that has it."""


def loader(case: Case, seed: int) -> DataLoader:
    """Return the batches of a case."""
    return DataLoader(
        (case.inputs, case.targets), BATCH, shuffle=case.shuffle, rng=seed if case.shuffle else None
    )


def findings(case: Case, seed: int) -> list[Finding]:
    """Return what the doctor says of a net before its first step."""
    return diagnose(case.model, case.loss, *loader(case, seed).sample())


def losses(case: Case, iterations: int, seed: int) -> Array:
    """Return the losses of a training, as far as it comes."""
    trainer = Trainer(
        case.model, case.loss, SGD(case.model, 0.1), loader(case, seed), metrics={}, sets={}
    )
    try:
        trainer.fit(iterations=iterations)
    except TrainingError as error:
        print(f"    {str(error).splitlines()[0]}")
    return np.array(trainer.history.losses)


def main() -> None:
    """Look at each net, train it broken and mended, and draw the losses."""
    with Experiment(__doc__, __file__) as experiment:
        images, labels, *_ = load_mnist()
        data = images[:1000], labels[:1000]
        iterations = 20 if experiment.quick else 400
        found, alarms = {}, 0
        figure, axes = pyplot().subplots(2, 4, figsize=(11, 5.2), sharex=True)
        for axis, (kind, make) in zip(axes.flat, CASES.items(), strict=True):
            said = findings(make(True, *data), experiment.seed)
            print(f"\n{report(said)}")
            found[kind] = [finding.kind for finding in said]
            alarms += len(findings(make(False, *data), experiment.seed))
            for broken, colour, style in ((True, ORANGE, "--"), (False, PALETTE[0], "-")):
                curve = losses(make(broken, *data), iterations, experiment.seed)
                smooth = np.convolve(curve, np.ones(10) / 10, "valid") if len(curve) > 10 else curve
                label = "broken" if broken else "mended"
                axis.plot(smooth, linestyle=style, color=colour, label=label)
            axis.set_title(kind, fontsize=10)
            axis.set_ylim(0, 1.6 if kind == "accidental broadcast" else 3)
        for axis in axes[:, 0]:
            axis.set_ylabel("loss, mean of 10 batches")
        for axis in axes[1]:
            axis.set_xlabel("iteration")
        axes[0, 0].legend(loc="center right")
        experiment.picture(figure)
        told = sum(kinds == [kind] for kind, kinds in found.items())
        experiment.figure(
            None, "broken nets of which exactly that is told", ours=told, accept=(8, 8)
        )
        experiment.figure(None, "findings in the mended nets", ours=alarms, accept=(0, 0))


if __name__ == "__main__":
    main()
