"""Sum of squares and cross-entropy: the numbers of the book, and why one of them teaches faster.

python examples/book/losses.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu.nn import cross_entropy_error, sum_squared_error

Array = np.ndarray[Any, Any]

TARGET = np.eye(10)[2]
GUESSES = {
    "article": np.array(
        [[0.1, 0.1, 0.6, 0.1, 0.1, 0, 0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1, 0.6, 0, 0, 0, 0, 0]]
    ),
    "book": np.array(
        [
            [0.1, 0.05, 0.6, 0, 0.05, 0.1, 0, 0.1, 0, 0],
            [0.1, 0.05, 0.1, 0, 0.05, 0.1, 0, 0.6, 0, 0],
        ]
    ),
}
"""A guess that gives class 2 the chance 0.6, and one that gives it 0.1."""


def losses_and_slopes(scores: Array) -> dict[str, tuple[Array, Array]]:
    """Return each loss of the softmax of (score, 0), and its derivative with respect to the score.

    Parameters
    ----------
    scores : ndarray, shape (points,)
        Score of the right class of two; that of the other one is 0.
    """
    target = np.array([1.0, 0.0])
    found = {}
    for name, loss in (
        ("sum of squares", sum_squared_error),
        ("cross-entropy", cross_entropy_error),
    ):
        score = tg.Tensor(scores, requires_grad=True)
        y = tg.softmax(np.stack([score, np.zeros(len(scores))], axis=-1))
        values: Any = np.stack([loss(row, target) for row in y])
        values.sum().backward()
        found[name] = (values.numpy(), score.grad)
    return found


def picture() -> Any:
    """Return the picture of both losses and their slopes over the chance of the right class."""
    plt = pyplot()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 3.5))
    guesses = GUESSES["book"]
    bars = np.arange(10)
    left.bar(bars - 0.2, guesses[0], 0.4, label="loss 0.098 and 0.51")
    left.bar(bars + 0.2, guesses[1], 0.4, color=ORANGE, label="loss 0.598 and 2.30")
    left.set(xlabel="class (2 is right)", ylabel="probability $y_k$", xticks=bars, ylim=(0, 0.8))
    left.set_title("the book's two guesses")
    left.legend(loc="upper right")
    left.grid(axis="x", visible=False)

    scores = np.linspace(-7, 7, 141)
    chance = np.asarray(tg.sigmoid(scores))
    for k, (name, (values, slopes)) in enumerate(losses_and_slopes(scores).items()):
        style = {"color": PALETTE[k], "lw": 2, "ls": ("--", "-")[k], "label": name}
        middle.plot(chance, values, **style)
        right.plot(scores, slopes, **style)
    middle.set(xlabel="probability of the right class", ylabel="loss", ylim=(0, 5))
    middle.set_title("how wrong")
    right.set(xlabel="score of the right class", ylabel="∂ loss / ∂ score")
    right.set_title("how hard it pushes")
    right.annotate(
        "quite wrong, but\nhardly any push", (-5.5, -0.01), (-6.6, -0.42), color=PALETTE[0],
        arrowprops={"arrowstyle": "->", "color": PALETTE[0]},
    )  # fmt: skip
    middle.legend()
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print the losses of the published guesses, and draw both losses."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        published = {
            ("article", "S4"): (0.10000000000000003, 0.6000000000000001),
            ("book", "S5, A6"): (0.09750000000000003, 0.5975),
        }
        for (name, number), sources in published.items():
            for chance, y, source in zip((0.6, 0.1), GUESSES[name], sources, strict=True):
                experiment.figure(
                    number, f"sum of squares / 2, the {name}'s guess with {chance} for class 2",
                    ours=float(sum_squared_error(y, TARGET)), source=source,
                    accept=(source - 1e-12, source + 1e-12),
                )  # fmt: skip
        for name, guesses in GUESSES.items():
            both = zip((0.6, 0.1), guesses, (0.510825457099338, 2.302584092994546), strict=True)
            for chance, y, source in both:
                experiment.figure(
                    "S6, A7", f"cross-entropy, the {name}'s guess with {chance} for class 2",
                    ours=float(cross_entropy_error(y, TARGET)), source=source,
                    accept=(source - 1e-12, source + 1e-12),
                )  # fmt: skip
        batch, source = GUESSES["book"], 1.406704775046942
        forms = {"one-hot rows": np.array([TARGET, TARGET]), "labels": np.array([2, 2])}
        for name, targets in forms.items():
            experiment.figure(
                "S7, A8", f"cross-entropy of both rows as one batch, {name}",
                ours=float(cross_entropy_error(batch, targets)), source=source,
                accept=(source - 1e-12, source + 1e-12),
            )  # fmt: skip
        alone, one = cross_entropy_error(batch[0], 2), cross_entropy_error(batch[:1], [2])
        experiment.figure(
            "S7", "a single row minus a batch of one",
            ours=float(alone - one), source=0.0, accept=(0.0, 0.0),
        )  # fmt: skip
        far = losses_and_slopes(np.array([-7.0]))
        for name, (_, slopes) in far.items():
            what = f"slope of {name} where the right class has the chance 0.0009"
            experiment.figure(None, what, ours=float(slopes[0]))
        experiment.picture(picture())


if __name__ == "__main__":
    main()
