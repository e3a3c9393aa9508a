"""Sums as text, "57+5" to "62": an LSTM reads, another writes, with and without help.

python examples/book/addition.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, Translation, additions
from tinygrad_edu.models import Seq2Seq
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import Adam, ClipGradNorm, LinearLR
from tinygrad_edu.train import Trainer

Array = np.ndarray[Any, Any]

FORMS: dict[str, dict[str, bool]] = {
    "plain": {},
    "reversed": {},
    "reversed, peeky": {"peeky": True},
    "reversed, attention": {"attention": True},
}
FEATURES, HIDDEN, BATCH = 16, 128, 128
"""As in the book."""
LR, END = 0.006, 0.1
"""The learning rate at the start, and the fraction of it that is left at the end."""


def exact(logits: Array, targets: Array) -> Array:
    """Return which answers are right to the last character: a metric.

    The net is told the right characters before each one. An answer that is right throughout is the
    one that it would give alone, and the other way round.
    """
    right: Array = np.all(logits.argmax(axis=-1) == targets, axis=1)
    return right


def learn(
    net: Seq2Seq,
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    iterations: int,
    evaluations: int,
    seed: int,
    *,
    batch: int = BATCH,
    rate: tuple[float, float] = (LR, END),
) -> list[tuple[int, float]]:
    """Return iterations and the fraction of exact answers to the test's questions.

    Parameters
    ----------
    net : Seq2Seq
        Is trained.
    train, test : (inputs, targets)
        Ids, shape (n, width) and (n, length).
    iterations, evaluations : int
        How long, and how often the test set is asked.
    seed : int
        Of the order of the batches.
    batch : int
        Questions a batch.
    rate : (float, float)
        The learning rate at the start, and the fraction of it that is left at the end.
    """
    optimizer = Adam(net, rate[0])
    optimizer.add_hook(ClipGradNorm(5.0))
    trainer = Trainer(
        net,
        CrossEntropyLoss(),
        optimizer,
        DataLoader(told(*train), batch, last="drop", rng=np.random.default_rng([seed, 1])),
        metrics={"exact": exact},
        sets={"test": told(*test)},
        evaluate_every=iterations // evaluations,
        schedule=LinearLR(optimizer, 1.0, rate[1], iterations, every="iteration"),
    )
    records = trainer.fit(iterations=iterations).records
    return [(record["iteration"], record["test_exact"]) for record in records]


def told(source: Array, target: Array) -> tuple[Array, Array, Array]:
    """Return the question, the answer's characters but the last, and what comes after each."""
    return source, target[:, :-1], target[:, 1:]


def flipped(name: str, inputs: Array) -> Array:
    """Return the questions, from their end to their beginning where the form says so."""
    return inputs[:, ::-1].copy() if name.startswith("reversed") else inputs


def main() -> None:
    """Train the four forms on the same sums, and compare."""
    with Experiment(__doc__, __file__) as experiment:
        quick, seed = experiment.quick, experiment.seed
        samples, held = (2000, 200) if quick else (50_000, 2000)
        iterations, evaluations = (10, 1) if quick else (2000, 20)
        sums: Translation = additions(samples, rng=np.random.default_rng([seed, 0]))
        curves, nets = {}, {}
        for name, options in FORMS.items():
            inputs = flipped(name, sums.inputs)
            net = Seq2Seq(len(sums.vocabulary), FEATURES, HIDDEN, **options, rng=seed)
            train, test = (
                (inputs[part], sums.targets[part]) for part in (slice(held, None), slice(held))
            )
            curves[name] = learn(net, train, test, iterations, evaluations, seed)
            nets[name] = net
        for name, curve in curves.items():
            claimed = name in ("reversed, peeky", "reversed, attention") and not quick
            experiment.figure(
                "S18",
                f"exact answers to new sums: {name}",
                ours=curve[-1][1],
                accept=(0.9, 1.0) if claimed else None,
            )
        figure, axes = pyplot().subplots(figsize=(7, 4.2))
        for (name, curve), mark in zip(curves.items(), "ov^s", strict=True):
            axes.plot(*zip(*curve, strict=True), label=name, marker=mark, markersize=4)
        axes.set(xlabel="iteration", ylabel="fraction of exact answers, new sums", ylim=(0, 1.02))
        axes.legend()
        experiment.picture(figure)


if __name__ == "__main__":
    main()
