"""Dates of many forms into one, "may 7, 1992" to "1992-05-07": where attention looks.

python examples/book/dates.py [--quick] [--out FOLDER] [--seed N]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from addition import learn
from experiment import Experiment, pyplot

from tinygrad_edu.data import Translation, dates
from tinygrad_edu.models import Seq2Seq

Array = np.ndarray[Any, Any]

FORMS: dict[str, dict[str, bool]] = {
    "attention": {"attention": True},
    "plain": {},
}
FEATURES, HIDDEN, BATCH = 16, 128, 64
LR, END = 0.004, 0.05
"""The learning rate at the start, and the fraction of it that is left at the end."""
PICTURED = ("september 27, 1994", "sat 3 jun 2045", "12/25/08")


def unseen(samples: int, held: int, seed: int) -> tuple[Translation, Array, Array]:
    """Return dates, and the numbers of those to train on and to test with.

    Parameters
    ----------
    samples, held : int
        Dates in all, and the most to test with: a date that is written in the same way in the
        training set is left out of the test.
    seed : int
        Of the dates.
    """
    drawn = dates(samples, rng=np.random.default_rng([seed, 0]))
    known = {row.tobytes() for row in drawn.inputs[held:]}
    new = [i for i in range(held) if drawn.inputs[i].tobytes() not in known]
    return drawn, np.arange(held, samples), np.array(new)


def flipped(inputs: Array) -> Array:
    """Return the sources from their end to their beginning, as in the book."""
    return inputs[:, ::-1].copy()


def looked(net: Seq2Seq, drawn: Translation, text: str) -> tuple[str, Array]:
    """Return the answer to a text, and where each of its characters looked: (steps, places)."""
    source = drawn.vocabulary.encode(text.ljust(drawn.inputs.shape[1]))[None]
    answers, weights = net.decode(flipped(source), drawn.start, drawn.targets.shape[1] - 1)
    assert weights is not None
    return drawn.vocabulary.decode(answers[0]), weights[0, :, ::-1][:, : len(text)]


def main() -> None:
    """Train with and without attention, and picture where it looks."""
    with Experiment(__doc__, __file__) as experiment:
        quick, seed = experiment.quick, experiment.seed
        samples, held = (1000, 100) if quick else (50_000, 2000)
        iterations, evaluations = (10, 1) if quick else (1800, 20)
        drawn, train, test = unseen(samples, held, seed)
        curves, nets = {}, {}
        for name, options in FORMS.items():
            net = Seq2Seq(len(drawn.vocabulary), FEATURES, HIDDEN, **options, rng=seed)
            sets = [(flipped(drawn.inputs[part]), drawn.targets[part]) for part in (train, test)]
            curves[name] = learn(
                net, *sets, iterations, evaluations, seed, batch=BATCH, rate=(LR, END)
            )
            nets[name] = net
        for name, curve in curves.items():
            experiment.figure(
                "S18",
                f"exact answers to {len(test)} dates not seen in training: {name}",
                ours=curve[-1][1],
                accept=(0.99, 1.0) if name == "attention" and not quick else None,
            )
        experiment.figure(
            None,
            "weights of a decoder's step sum to 1: largest difference",
            ours=float(abs(looked(nets["attention"], drawn, " " * 29)[1].sum(axis=1) - 1).max()),
            accept=(0, 1e-5),
        )
        draw(experiment, nets["attention"], drawn, curves)


def draw(
    experiment: Experiment,
    net: Seq2Seq,
    drawn: Translation,
    curves: dict[str, list[tuple[int, float]]],
) -> None:
    """Draw the weights of attention on three dates, and the curves."""
    plot = pyplot()
    figure, panels = plot.subplots(
        1, 3, figsize=(12, 4.6), gridspec_kw={"width_ratios": [len(t) for t in PICTURED]}
    )
    for panel, text in zip(panels, PICTURED, strict=True):
        answer, weights = looked(net, drawn, text)
        image = panel.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        panel.set_xticks(range(len(text)), list(text))
        panel.set_yticks(range(len(answer)), list(answer))
        panel.set_xlabel("read")
        panel.grid(False)
    panels[0].set_ylabel("written, from top to bottom")
    figure.colorbar(image, ax=panels, label="weight", shrink=0.7)
    experiment.picture(figure)

    figure, axes = plot.subplots(figsize=(7, 4))
    for (name, curve), mark in zip(curves.items(), "ov", strict=True):
        axes.plot(*zip(*curve, strict=True), label=name, marker=mark, markersize=4)
    axes.set(xlabel="iteration", ylabel="fraction of exact answers, new dates", ylim=(0, 1.02))
    axes.legend()
    experiment.picture(figure, "curves")


if __name__ == "__main__":
    main()
