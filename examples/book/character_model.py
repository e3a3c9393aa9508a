"""A character model of this project's own docs: perplexity falls, and the samples show it.

python examples/book/character_model.py [--quick] [--out FOLDER] [--seed N]

It reads docs/*.md and docs/decisions/*.md of a clone of the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import DataLoader, Vocabulary
from tinygrad_edu.errors import DataError
from tinygrad_edu.models import CharacterModel, consecutive
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.optim import Adam, ClipGradNorm, LinearLR
from tinygrad_edu.train import Callback, Record, Trainer

Array = np.ndarray[Any, Any]

DOCS = Path(__file__).parents[2] / "docs"
FEATURES, HIDDEN, LAYERS, DROPOUT = 32, 160, 2, 0.2
ROWS, STEPS, LR, END = 32, 50, 0.004, 0.1
SAMPLE = 160
"""Characters that are sampled at each stage."""


def text_of(docs: Path, most: int | None = None) -> str:
    """Return the docs as one text, of printable ASCII and new lines.

    Parameters
    ----------
    docs : Path
        The folder docs of a clone.
    most : int, optional
        Characters at most.

    Raises
    ------
    DataError
        There are no docs.
    """
    files = [*sorted(docs.glob("*.md")), *sorted((docs / "decisions").glob("*.md"))]
    if not files:
        raise DataError(
            f"character_model: found no docs in {docs}; expected docs/*.md of this project\n"
            "  fix: run it in a clone of the repository; the installed package has no docs"
        )
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return "".join(c for c in text if c == "\n" or " " <= c <= "~")[:most]


def unigram(train: Array, test: Array, characters: int) -> float:
    """Return the perplexity of the frequencies of single characters, which know no context."""
    counts = np.bincount(train, minlength=characters) + 1.0
    return float(np.exp(-np.mean(np.log(counts / counts.sum())[test])))


class Look(Callback):
    """Ask and sample before training and after each epoch, which then begins without memory."""

    def __init__(self, test: Array, stages: list[int], seed: int) -> None:
        self.test, self.stages, self.seed = test, stages, seed
        self.tested: list[float] = []
        self.samples: dict[int, Array] = {}

    def record(self, trainer: Trainer, _record: Record) -> None:
        """Look at the model, and let it forget."""
        net: Any = trainer.model
        if len(self.tested) in self.stages:
            rng = np.random.default_rng([self.seed, 1])
            drawn = net.sample(self.test[:1], SAMPLE, rng=rng, temperature=0.7)
            self.samples[len(self.tested)] = drawn
        self.tested.append(net.perplexity(self.test, rows=4, steps=100))
        net.recurrent.reset_state()


def learn(
    net: CharacterModel, train: Array, test: Array, epochs: int, seed: int, stages: list[int]
) -> tuple[list[float], list[float], dict[int, Array]]:
    """Return the perplexity of each epoch, in training and on the test, and some samples.

    The state is carried from piece to piece of `STEPS` characters; the gradient stays in a piece.

    Parameters
    ----------
    net : CharacterModel
        A stateful one; is trained.
    train, test : ndarray of int, shape (characters,)
        Two texts.
    epochs, seed : int
        How long, and with which random numbers samples are drawn.
    stages : list of int
        After which epochs to sample; 0 is before training.
    """
    # A batch is one piece of each row; the next batch goes on where it ended.
    pieces = tuple(map(np.concatenate, zip(*consecutive(train, ROWS, STEPS), strict=True)))
    loader = DataLoader(pieces, ROWS, shuffle=False)
    optimizer, look = Adam(net, LR), Look(test, stages, seed)
    optimizer.add_hook(ClipGradNorm(1.0))
    schedule = LinearLR(optimizer, 1.0, END, epochs * len(loader), every="iteration")
    trainer = Trainer(
        net, CrossEntropyLoss(), optimizer, loader, callbacks=[look], schedule=schedule
    )
    losses = trainer.fit(epochs=epochs).column("loss")
    return np.exp(losses[1:]).tolist(), look.tested, look.samples


def main() -> None:
    """Train on nine tenths of the docs, ask the last tenth, and let it write."""
    with Experiment(__doc__, __file__) as experiment:
        quick, seed = experiment.quick, experiment.seed
        text = text_of(DOCS, 9000 if quick else None)
        letters = Vocabulary.of(text)
        ids = letters.encode(text)
        train, test = np.split(ids, [9 * len(ids) // 10])
        epochs = 3 if quick else 24
        stages = [0, epochs] if quick else [0, 1, 4, epochs]
        net = CharacterModel(
            len(letters), FEATURES, HIDDEN, layers=LAYERS, dropout=DROPOUT, stateful=True, rng=seed
        )
        trained, tested, samples = learn(net, train, test, epochs, seed, stages)
        experiment.figure(
            None, "characters of the text, and different ones", ours=[len(ids), len(letters)]
        )
        guess = unigram(train, test, len(letters))
        experiment.figure(None, "perplexity on the test, of frequencies alone", ours=guess)
        experiment.figure("S18", "perplexity on the test, before training", ours=tested[0])
        experiment.figure(
            "S18",
            "perplexity on the test, at its lowest",
            ours=min(tested),
            accept=None if quick else (1.0, 6.0),
        )
        for epoch, drawn in samples.items():
            experiment.figure(
                None, f"sample after {epoch} epochs", ours=letters.decode(drawn).replace("\n", "⏎")
            )

        figure, axes = pyplot().subplots(figsize=(7, 4))
        axes.semilogy(
            range(1, epochs + 1), trained, label="train, with dropout", marker="o", markersize=4
        )
        axes.semilogy(range(epochs + 1), tested, label="test", marker="s", markersize=4)
        axes.axhline(guess, color="black", linestyle="--", linewidth=0.8)
        axes.text(epochs, guess * 1.04, "frequencies alone", ha="right", fontsize=9)
        axes.set(xlabel="epoch", ylabel="perplexity, characters")
        axes.set_yticks([3, 5, 10, 20, 50, 90], ["3", "5", "10", "20", "50", "90"])
        axes.minorticks_off()
        axes.legend()
        experiment.picture(figure)


if __name__ == "__main__":
    main()
