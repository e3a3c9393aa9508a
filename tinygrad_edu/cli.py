"""The command line: train a net on MNIST, evaluate it, show it a picture; check a derivative.

Knows: every room, and how to put them together. Does not know: how any of them works.
Read next: `build` below, the whole experiment on one page; then ``train/trainer.py``.

Exit codes: 0 done; 1 training diverged, or a derivative is wrong; 2 a wrong option, path or file,
told in one sentence; 130 Ctrl-C, after everything was saved.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tinygrad_edu import __version__
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.data import MNIST, DataLoader, Digit, load_mnist, read_digits
from tinygrad_edu.errors import (
    DiagramError,
    DiagramWarning,
    TargetError,
    TinygradEduError,
    TrainingError,
)
from tinygrad_edu.files import write_whole
from tinygrad_edu.models import MultiLayerNet, TwoLayerNet
from tinygrad_edu.nn import CrossEntropyLoss, Module
from tinygrad_edu.optim import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp
from tinygrad_edu.train import (
    EarlyStopping,
    Progress,
    Trainer,
    correct,
    evaluate,
    one_thread,
    predictions,
    read_checkpoint,
    save_curves,
    write_checkpoint,
)

__all__ = ["build", "main"]

Array = np.ndarray[Any, Any]
Settings = dict[str, Any]

INPUTS, CLASSES = 784, 10
HELD_OUT = 5_000
"""Training images that decide when to stop, with ``--patience``, instead of being trained on."""
SHOWN = 10
"""Pictures of a file that ``predict`` shows."""

OPTIMIZERS: dict[str, tuple[float, Callable[..., Optimizer]]] = {
    "sgd": (0.1, SGD),
    "momentum": (0.01, lambda model, lr: SGD(model, lr, momentum=0.9)),
    "nesterov": (0.01, lambda model, lr: SGD(model, lr, momentum=0.9, nesterov=True)),
    "adagrad": (0.01, AdaGrad),
    "rmsprop": (0.001, RMSProp),
    "adam": (0.001, Adam),
    "adamw": (0.001, AdamW),
}
"""Optimizers by name, each with its usual learning rate."""

ARTICLE: Settings = {
    "hidden": [50],
    "activation": "sigmoid",
    "weights": None,
    "optimizer": "sgd",
    "lr": None,
    "batch_size": 100,
    "iterations": 10_000,
    "seed": 0,
    "data": None,
    "patience": None,
}
"""Settings of ``train`` where no option says otherwise: the article's experiment."""


# ------------------------------------------------------------------------------ the experiment


def build(settings: Settings, *, checkpoint: Path | None = None, progress: Progress) -> Trainer:
    """Return the trainer of an experiment on MNIST, at its start.

    Parameters
    ----------
    settings : dict
        With the keys of `ARTICLE`.
    checkpoint : path, optional
        Where the trainer saves.
    progress : Progress
        Who is told.
    """
    digits = _digits(settings["data"])
    train = (digits.train_images, digits.train_labels)
    sets = {"train": train, "test": (digits.test_images, digits.test_labels)}
    stopping = None
    if settings["patience"] is not None:
        if len(train[0]) <= HELD_OUT:
            raise Wrong(f"--patience holds {HELD_OUT} of the training images out, which are all")
        images, labels = train
        train = (images[:-HELD_OUT], labels[:-HELD_OUT])
        held_out = (images[-HELD_OUT:], labels[-HELD_OUT:])
        sets = {"train": train, "validation": held_out, "test": sets["test"]}
        stopping = EarlyStopping("validation_accuracy", settings["patience"])

    # One generator each, so that another net does not see the batches in another order.
    for_weights, for_batches = np.random.default_rng(settings["seed"]).spawn(2)
    model = build_net(settings, for_weights)
    lr, rule = OPTIMIZERS[settings["optimizer"]]
    optimizer = rule(model, lr if settings["lr"] is None else settings["lr"])
    loader = DataLoader(train, settings["batch_size"], replacement=True, rng=for_batches)
    return Trainer(
        model,
        CrossEntropyLoss(),
        optimizer,
        loader,
        sets=sets,
        early_stopping=stopping,
        checkpoint=checkpoint,
        facts=settings,
        progress=progress,
    )


def _digits(folder: str | None) -> MNIST:
    """Return the digits in a folder, or those of the package."""
    if folder is not None and not Path(folder).is_dir():
        raise Wrong(f"there is no folder {folder}")
    return load_mnist(folder)


def build_net(settings: Mapping[str, Any], rng: np.random.Generator | int) -> Module:
    """Return the net of some settings: the book's with one hidden layer, else a deeper one."""
    sizes, activation = [INPUTS, *settings["hidden"], CLASSES], settings["activation"]
    weights = settings["weights"]
    if len(sizes) == 3:
        weights = 0.01 if weights is None else weights
        return TwoLayerNet(*sizes, activation=activation, weight=weights, rng=rng)
    return MultiLayerNet(sizes, activation=activation, weight=weights, rng=rng)


# ------------------------------------------------------------------------------ train


def train(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu train`` and return its exit code."""
    progress = Progress(quiet=options.quiet)
    given = {name: value for name, value in vars(options).items() if name in (*ARTICLE, "epochs")}
    resumed = options.resume is not None
    run = Path(options.resume or "")
    if resumed:
        settings, saved = _saved_run(run, given, out=options.out)
    else:
        settings, saved = {**ARTICLE, **given}, None
        if settings["data"] is not None:
            settings["data"] = str(Path(settings["data"]).resolve())
    trainer = build(settings, progress=progress)
    model, epoch = trainer.model, len(trainer.loader)
    if (epochs := settings.pop("epochs", None)) is not None:
        settings["iterations"] = round(epochs * epoch)
    total = settings["iterations"]
    if saved is not None:
        trainer.load_state_dict(*saved)
        if total < trainer.iteration:
            raise Wrong(f"{run} has made {trainer.iteration} iterations already, more than {total}")
    else:
        run = _new_folder(options.out, settings)
    trainer.checkpoint, trainer.facts = run / "checkpoint.npz", settings
    command = shlex.join(["tinygrad-edu", "train", "--resume", str(run)])

    said = f" from iteration {trainer.iteration:,}" if resumed else ""
    progress.line(f"{_described(settings, trainer)}\nwriting to {run}{os.sep}{said}\n")
    _write_json(run / "config.json", _config(settings))
    try:
        with one_thread():
            history = trainer.fit(iterations=total)
    except KeyboardInterrupt:
        progress.line(
            f"\nStopped at iteration {trainer.iteration:,} of {total:,}; saved up to iteration "
            f"{trainer.saved:,}. Go on with\n  {command}"
        )
        return 130
    history.save(run / "history.jsonl")
    write_checkpoint(run / "model.npz", model.state_dict(), {"settings": settings})
    files = {
        "model.npz": "the weights",
        "checkpoint.npz": "everything that going on needs",
        "history.jsonl": "the table above, one JSON object a line",
        "config.json": "the exact settings",
    }
    title = f"MNIST, {_net_name(settings)}: {_rule_name(trainer.optimizer, settings)}"
    for name, what, write in (
        ("curves.png", "the curves", lambda p: save_curves(history, p, title=title, epoch=epoch)),
        ("graph.svg", "the graph of the net, with gradients", lambda p: _draw_graph(trainer, p)),
    ):
        try:
            write(run / name)
            files[name] = what
        except DiagramError as error:
            progress.line(f"No {name}: {_one_line(error)}.")
    _report(trainer, run, files)
    return 0


def _report(trainer: Trainer, run: Path, files: Mapping[str, str]) -> None:
    """Tell how a run ended."""
    line, stopping = trainer.progress.line, trainer.early_stopping
    last = trainer.history.records[-1]
    if stopping is not None and stopping.stopped:
        line(
            f"\nStopped early: no better validation accuracy since iteration {stopping.iteration:,}"
            ", whose weights are the ones that are kept."
        )
        chosen = trainer.history.column("iteration").tolist().index(stopping.iteration)
        last = trainer.history.records[chosen]
    line(
        f"\nAccuracy after {last['iteration']:,} iterations: {last['train_accuracy']:.4f} on the "
        f"training images, {last['test_accuracy']:.4f} on the test images.\n\n{run}{os.sep}"
    )
    for name, what in files.items():
        line(f"  {name:<15} {what}")
    line(f"\nShow it a digit: tinygrad-edu predict {shlex.quote(str(run))} IMAGE.png")


def _saved_run(
    run: Path, given: Settings, *, out: str | None
) -> tuple[Settings, tuple[dict[str, Array], dict[str, Any]]]:
    """Return the settings of a run, with what may be changed in them, and its saved state."""
    if fixed := [name for name in given if name not in ("epochs", "iterations")]:
        option = f"--{fixed[0].replace('_', '-')}"
        raise Wrong(f"{option} cannot be changed with --resume; only --epochs and --iterations can")
    if out is not None:
        raise Wrong("--out does not go with --resume, which writes to the run's own folder")
    arrays, header = _opened(run, "checkpoint.npz")
    return _settings({**header, "settings": header.get("facts")}, run, given), (arrays, header)


def _settings(header: Mapping[str, Any], run: Path, changed: Settings | None = None) -> Settings:
    """Return the settings that a file of a run was saved with."""
    settings = header.get("settings")
    if not isinstance(settings, dict) or set(settings) != set(ARTICLE):
        raise Wrong(f"{run} was not written by tinygrad-edu train")
    return {**settings, **(changed or {})}


def _opened(run: Path, name: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the contents of a file of a run."""
    if not run.is_dir():
        raise Wrong(f"there is no run folder {run}")
    try:
        return read_checkpoint(run / name)
    except FileNotFoundError as error:
        fix = ""
        if name == "model.npz" and (run / "checkpoint.npz").exists():
            fix = f"; let it finish first: tinygrad-edu train --resume {shlex.quote(str(run))}"
        raise Wrong(f"there is no {name} in {run}{fix}") from error


def _new_folder(out: str | None, settings: Settings) -> Path:
    """Return a folder that was made for this run alone, or an empty one that was named."""
    if out is not None:
        run = Path(out)
        run.mkdir(parents=True, exist_ok=True)
        if any(run.iterdir()):
            raise Wrong(f"{run} is not empty; name another folder, or go on with --resume {run}")
        return run
    name = "-".join(map(str, (*settings["hidden"], settings["activation"], settings["optimizer"])))
    number = 1
    while True:
        run = Path("runs", f"{name}-{number}")
        try:
            run.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return run


def _draw_graph(trainer: Trainer, path: Path) -> None:
    """Draw the graph of the loss on a batch of four test images, with its gradients."""
    from tinygrad_edu.draw import draw  # a large room, which only one command needs

    images, labels = (array[:4] for array in trainer.sets["test"])
    loss = trainer.loss(trainer.model(constant(images)), constant(labels))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DiagramWarning)
        draw(loss, grad=True, title="loss of four test images").save(path)
    for warning in caught:
        trainer.progress.line(f"{path.name}: {_one_line(warning.message)}")


def _config(settings: Settings) -> dict[str, Any]:
    """Return the settings with the versions that they were used with."""
    versions = {"tinygrad_edu": __version__, "python": platform.python_version()}
    return {"settings": settings, "versions": {**versions, "numpy": np.__version__}}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def _described(settings: Settings, trainer: Trainer) -> str:
    """Return one line that tells what will be done."""
    count = sum(parameter.size for parameter in trainer.model.parameters())
    train, test = (len(trainer.sets[name][0]) for name in ("train", "test"))
    return (
        f"MNIST, {train:,} images to train on and {test:,} to test with\n"
        f"{_net_name(settings)}, {count:,} parameters; {_rule_name(trainer.optimizer, settings)}, "
        f"seed {settings['seed']}"
    )


def _net_name(settings: Settings) -> str:
    sizes = "-".join(map(str, (INPUTS, *settings["hidden"], CLASSES)))
    return f"{sizes} {settings['activation']}"


def _rule_name(optimizer: Optimizer, settings: Settings) -> str:
    return f"{settings['optimizer']}, lr {optimizer.lr:g}, batches of {settings['batch_size']}"


# ------------------------------------------------------------------------------ evaluate


def evaluate_run(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu evaluate`` and return its exit code."""
    run = Path(options.run)
    model, settings = _trained(run)
    digits = _digits(options.data if options.data is not None else settings["data"])
    with one_thread():
        train = evaluate(model, digits.train_images, digits.train_labels)["accuracy"]
        logits = predictions(model, digits.test_images)
    hits = correct(logits, digits.test_labels)
    print(f"{run}: {_net_name(settings)}")
    print(f"accuracy on {len(digits.train_labels):,} training images  {train:.4f}")
    print(f"accuracy on {len(hits):,} test images      {hits.mean():.4f}\n")
    print("digit  test accuracy  most often taken for")
    answers = logits.argmax(axis=1)
    for digit in range(CLASSES):
        own = digits.test_labels == digit
        wrong = np.bincount(answers[own & ~hits], minlength=CLASSES)
        often = f"{wrong.argmax()} ({wrong.max()} of {own.sum()})" if wrong.any() else "-"
        if own.any():
            print(f"{digit:>5}  {hits[own].mean():>13.4f}  {often}")
    return 0


def _trained(run: Path) -> tuple[Module, Settings]:
    """Return the net of a finished run, in evaluation mode, and the run's settings."""
    arrays, header = _opened(run, "model.npz")
    settings = _settings(header, run)
    model = build_net(settings, 0)
    model.load_state_dict(arrays)
    return model.eval(), settings


# ------------------------------------------------------------------------------ predict


def predict(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu predict`` and return its exit code."""
    model, _ = _trained(Path(options.run))
    files = [read_digits(path) for path in options.images]  # all are read before one is shown
    blank = [digit.name for digits in files for digit in digits if not np.ptp(digit.pixels)]
    if blank:
        raise Wrong(f"there is no digit in {blank[0]}: all its pixels are alike")
    for digits in files:
        shown = digits[:SHOWN]
        logits = predictions(model, np.stack([digit.pixels.reshape(-1) for digit in shown]))
        for digit, row in zip(shown, logits.astype(np.float64), strict=True):
            odds = np.exp(row - row.max())
            print(_card(digit, odds / odds.sum()))
        if len(digits) > SHOWN:
            print(f"The first {SHOWN} of {len(digits):,} pictures are shown.\n")
    return 0


def _card(digit: Digit, probabilities: Array) -> str:
    """Return a picture and its probabilities, side by side."""
    best = int(probabilities.argmax())
    head = f"{digit.name}: a {best}, with probability {probabilities[best]:.1%}"
    if digit.note:
        head += f" ({digit.note})"
    picture = _drawn(digit.pixels)
    right = [""] * len(picture)
    for number, probability in enumerate(probabilities):
        mark = ">" if number == best else " "
        right[number + 2] = f" {mark} {number} {_bar(probability)} {probability:6.1%}"
    rows = "\n".join(f"  {left} {text}".rstrip() for left, text in zip(picture, right, strict=True))
    return f"{head}\n{rows}\n"


BLOCKS, ASCII = " ▀▄█", " '.#"
"""A character for two pixels, one above the other: none, the upper, the lower, both."""


def _drawn(pixels: Array) -> list[str]:
    """Return a picture as lines of characters, each as high as two pixels."""
    signs = BLOCKS if _can_write(BLOCKS) else ASCII
    ink = (pixels > 0.4).astype(int)
    return ["".join(signs[n] for n in row) for row in ink[::2] + 2 * ink[1::2]]


def _bar(share: float, width: int = 30) -> str:
    """Return a bar of `width` characters, filled to a share."""
    filled = round(share * width)
    return ("█" if _can_write("█") else "#") * filled + " " * (width - filled)


def _can_write(text: str) -> bool:
    """Return whether standard output knows the characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


# ------------------------------------------------------------------------------ check


def check(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu check`` and return its exit code."""
    from tinygrad_edu.testing.command import check_target  # a room that only one command needs

    try:
        right = check_target(
            options.target,
            shapes=options.shapes,
            between=options.between,
            order=options.order,
            seed=options.seed,
        )
    except TargetError as error:  # with its fix: who checks a function writes Python
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 2
    return 0 if right else 1


# ------------------------------------------------------------------------------ the parser


class Wrong(TinygradEduError):
    """What was typed cannot be done; the message is one clause."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence: argparse's own prints the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2 after one sentence."""
        self.exit(2, f"tinygrad-edu: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    """Return the parser of all commands."""
    top = Parser(prog="tinygrad-edu", description="Train a net on MNIST, and use it.")
    top.add_argument("--version", action="version", version=f"tinygrad-edu {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser(
        "train",
        help="train a net on MNIST and write a run folder",
        description="Train a net on MNIST. Without options: 784-50-10, sigmoid, batches of 100, "
        "learning rate 0.1, 10,000 iterations, which ends near 0.945 on the test images.",
        # An option that was not given leaves no trace, so that --resume knows what was given.
        argument_default=argparse.SUPPRESS,
    )
    command.set_defaults(run_command=train)
    net = command.add_argument_group("the net")
    net.add_argument(
        "--hidden", type=_positive, nargs="+", metavar="N", help="units of each hidden layer (50)"
    )
    net.add_argument("--activation", choices=("sigmoid", "relu", "tanh"), help="(sigmoid)")
    net.add_argument(
        "--weights",
        type=_weights,
        metavar="STD",
        help="initial weights: a standard deviation, he, or xavier (0.01 with one hidden layer; "
        "with more, he for relu and xavier otherwise)",
    )
    how = command.add_argument_group("the training")
    how.add_argument("--optimizer", choices=OPTIMIZERS, help="(sgd)")
    how.add_argument(
        "--lr", type=_number, metavar="LR", help="learning rate (0.1 for sgd; else the usual one)"
    )
    how.add_argument("--batch-size", type=_positive, metavar="N", help="images a batch (100)")
    length = how.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_number, metavar="E", help="passes over the images")
    length.add_argument("--iterations", type=_natural, metavar="N", help="batches (10000)")
    how.add_argument(
        "--patience",
        type=_positive,
        metavar="N",
        help=f"stop after N epochs without a better accuracy on {HELD_OUT:,} training images that "
        "are held out (never)",
    )
    how.add_argument("--seed", type=_natural, metavar="N", help="of weights and batches (0)")
    files = command.add_argument_group("files")
    files.add_argument(
        "--data", metavar="FOLDER", help="four IDX files to use instead of the digits inside"
    )
    files.add_argument(
        "--out", metavar="FOLDER", default=None, help="the run folder (a new one in runs/)"
    )
    files.add_argument(
        "--resume", metavar="RUN", default=None, help="go on with the run in this folder"
    )
    command.add_argument(
        "--quiet", action="store_true", default=False, help="say nothing unless it fails"
    )

    command = commands.add_parser("evaluate", help="tell the accuracy of a trained net")
    command.set_defaults(run_command=evaluate_run)
    command.add_argument("run", metavar="RUN", help="the run folder")
    command.add_argument("--data", metavar="FOLDER", help="four IDX files (those of the run)")

    command = commands.add_parser("predict", help="tell which digit is in a picture")
    command.set_defaults(run_command=predict)
    command.add_argument("run", metavar="RUN", help="the run folder")
    command.add_argument(
        "images", metavar="IMAGE", nargs="+", help="a PNG of any size, or an IDX file"
    )

    command = commands.add_parser(
        "check",
        help="check the derivatives of a function of yours",
        description="Compare the derivatives of a function, an op or a module in a Python file "
        "with numerical ones. The exit code is 0 if they are right, and 1 if they are wrong.",
    )
    command.set_defaults(run_command=check)
    command.add_argument("target", metavar="FILE.py::NAME", help="what to check")
    command.add_argument(
        "--shapes",
        metavar="SHAPES",
        help='a shape for each argument, as in "(2, 3), (3,)" (a scalar where the type hint is '
        "float, the default where that is an array, else (2, 3))",
    )
    command.add_argument(
        "--between",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="interval that the numbers are drawn from (-2 to 2)",
    )
    command.add_argument(
        "--order", type=int, choices=(1, 2), default=2, help="highest order of derivatives (2)"
    )
    command.add_argument("--seed", type=_natural, default=0, metavar="N", help="of all numbers (0)")
    return top


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0")
    return value


def _weights(text: str) -> float | str:
    if text in ("he", "xavier"):
        return text
    try:
        return _number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither he nor xavier nor a number"
        ) from error


# What argparse writes into "invalid ... value".
_natural.__name__ = _positive.__name__ = "whole number"
_number.__name__ = "number"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.
    """
    options = parser().parse_args(arguments)
    try:
        code: int = options.run_command(options)
        sys.stdout.flush()
        return code
    except TrainingError as error:
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinygrad-edu: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in `tinygrad-edu predict ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (TinygradEduError, OSError) as error:
        print(f"tinygrad-edu: {_one_line(error)}", file=sys.stderr)
        return 2


def _one_line(error: Exception | Warning | str) -> str:
    """Return the text of an error on one line."""
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    # The fix is for those who write Python.
    text = re.split(r"\.?\s+[Ff]ix: ", str(error))[0]
    return "; ".join(line.strip() for line in text.splitlines())
