"""What may be typed: the parser of all commands.

Knows: options and their help. Does not know: what they do. An option of ``train`` has the name of
its setting in ``experiment.py``; its usual values are told by `usual`, from there.
"""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

from tinygrad_edu import __version__
from tinygrad_edu.cli.experiment import (
    AUGMENTATIONS,
    HELD_OUT,
    NETS,
    OPTIMIZERS,
    OWN,
    SCHEDULES,
)
from tinygrad_edu.cli.pictures import draw_target, explain_run
from tinygrad_edu.cli.report import report
from tinygrad_edu.cli.train import train
from tinygrad_edu.cli.use import evaluate_run, predict

__all__ = ["parser"]


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
        "--net",
        metavar="NET",
        help=f"{', '.join(NETS)}, or FILE.py:Model, a Module of yours, with "
        f"{OWN.usual['optimizer']} for {OWN.usual['epochs']} epochs (two-layer; mlp with several "
        "hidden layers)",
    )
    net.add_argument(
        "--hidden", type=_positive, nargs="+", metavar="N", help=_usual("hidden", "units")
    )
    net.add_argument(
        "--activation", choices=("sigmoid", "relu", "tanh"), help=_usual("activation", "")
    )
    net.add_argument(
        "--weights",
        type=_weights,
        metavar="STD",
        help="initial weights: a standard deviation, he, or xavier (0.01 with one hidden layer; "
        "with more, he for relu and xavier otherwise)",
    )
    net.add_argument(
        "--batch-norm", action="store_true", help="normalise before each activation (mlp)"
    )
    net.add_argument(
        "--dropout", type=_fraction, metavar="P", help=_usual("dropout", "share of hidden units")
    )
    how = command.add_argument_group("the training")
    how.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        metavar="NAME",
        help=f"{', '.join(OPTIMIZERS)}; {_usual('optimizer', '')}",
    )
    how.add_argument(
        "--lr", type=_number, metavar="LR", help="learning rate (0.1 for sgd; else the usual one)"
    )
    how.add_argument(
        "--schedule",
        choices=SCHEDULES,
        metavar="NAME",
        help=f"how the learning rate goes: {', '.join(SCHEDULES)} (constant; cosine for deep-conv)",
    )
    how.add_argument(
        "--weight-decay", type=_number, metavar="L", help="L2 decay; decoupled in adamw (0)"
    )
    how.add_argument("--clip", type=_number, metavar="NORM", help="longest gradient (no limit)")
    how.add_argument("--batch-size", type=_positive, metavar="N", help="images a batch (100)")
    how.add_argument(
        "--accumulate", type=_positive, metavar="K", help="batches that count as one (1)"
    )
    length = how.add_mutually_exclusive_group()
    length.add_argument(
        "--epochs", type=_number, metavar="E", help=_usual("epochs", "passes over the images")
    )
    length.add_argument(
        "--iterations", type=_natural, metavar="N", help=_usual("iterations", "batches")
    )
    how.add_argument(
        "--patience",
        type=_positive,
        metavar="N",
        help=f"stop after N epochs without a better accuracy on {HELD_OUT:,} training images that "
        "are held out (never)",
    )
    how.add_argument("--seed", type=_natural, metavar="N", help="of weights and batches (0)")
    images = command.add_argument_group("the images")
    images.add_argument(
        "--data", metavar="FOLDER", help="four IDX files to use instead of the digits inside"
    )
    images.add_argument(
        "--augment",
        choices=AUGMENTATIONS,
        nargs="+",
        metavar="HOW",
        help=f"change the training images: {', '.join(AUGMENTATIONS)} (not)",
    )
    images.add_argument(
        "--preprocess",
        choices=("standardize", "normalize"),
        help="of each pixel: mean 0 and standard deviation 1, or lowest 0 and highest 1 (neither)",
    )
    images.add_argument(
        "--workers", type=_natural, metavar="N", help="threads that prepare batches ahead (0)"
    )
    watch = command.add_argument_group("to watch")
    watch.add_argument(
        "--doctor",
        action="store_true",
        help="look for dead units, lost gradients and the like, after every epoch",
    )
    watch.add_argument(
        "--log",
        choices=("csv", "jsonl", "tensorboard"),
        nargs="+",
        metavar="KIND",
        help="write every evaluation into the run folder as it comes: csv, jsonl, tensorboard",
    )
    watch.add_argument(
        "--find-lr",
        action="store_true",
        default=False,
        help="try learning rates instead of training, and tell which is good",
    )
    files = command.add_argument_group("files")
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
        "explain",
        help="make a page that steps through the backward pass of a run's net",
        description="Make one HTML page of a finished run: the graph of the loss on some test "
        "images, forward and backward one step at a time, with an explanation of each operation "
        "in numbers, and a second slider over the first iterations, which are trained again.",
    )
    command.set_defaults(run_command=explain_run)
    command.add_argument("run", metavar="RUN", help="the run folder")
    command.add_argument(
        "--steps",
        type=_natural,
        default=100,
        metavar="N",
        help="iterations that the second slider goes through (100); 0 is no second slider",
    )
    command.add_argument(
        "--out", metavar="FILE.html", help="the page (backprop.html in the run folder)"
    )

    command = commands.add_parser(
        "report",
        help="make a page of a run, with pictures",
        description="Make one HTML page of a finished run: accuracy, curves, mistakes, weights, "
        "the loss surface, histograms, a diagram of the net, settings. It needs Matplotlib: pip "
        "install 'tinygrad_edu[plot]'.",
    )
    command.set_defaults(run_command=report)
    command.add_argument("run", metavar="RUN", help="the run folder")
    command.add_argument(
        "--out", metavar="FILE.html", default=None, help="the page (report.html in the run folder)"
    )

    command = commands.add_parser(
        "draw",
        help="draw the graph of a model of yours",
        description="Draw what a model in a Python file computes. The picture is whole where "
        "Graphviz is not installed, too; only PNG and PDF need it.",
    )
    command.set_defaults(run_command=draw_target)
    command.add_argument(
        "target",
        metavar="FILE.py:NAME",
        help="a Module, what makes one without arguments, or a Tensor",
    )
    command.add_argument(
        "--input",
        metavar="SHAPE",
        type=_shape,
        action="append",
        help="the shape of an input, as in 100,784; once for each input",
    )
    command.add_argument(
        "--ids",
        metavar="N",
        type=_positive,
        help="inputs are whole numbers below N, such as the ids of words (normal numbers)",
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="NAME.svg by default; .png .pdf .html .dot .mmd .json .txt too; - is text, shown here",
    )
    command.add_argument(
        "--level", choices=("auto", "scalar", "op", "module"), default="auto", help="of detail"
    )
    command.add_argument(
        "--heat",
        choices=("time", "memory", "flops", "grad"),
        help="colour by what each step costs, or by its gradient",
    )
    command.add_argument("--grad", action="store_true", help="show how the gradient flows back")
    command.add_argument("--unfolded", action="store_true", help="show equal blocks one by one")
    command.add_argument(
        "--theme", choices=("light", "dark"), default="light", help="colours (light)"
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


def check(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu check`` and return its exit code."""
    from tinygrad_edu.testing.command import check_target  # a room that only one command needs

    right = check_target(
        options.target,
        shapes=options.shapes,
        between=options.between,
        order=options.order,
        seed=options.seed,
    )
    return 0 if right else 1


def _usual(name: str, what: str) -> str:
    """Return a help text that tells what is usual with which net."""
    found: dict[str, list[str]] = {}
    for net, facts in NETS.items():
        value = facts.usual.get(name)
        if value is not None:
            shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.setdefault(shown, []).append(net)
    told = "; ".join(f"{', '.join(nets)}: {value}" for value, nets in found.items())
    return f"{what} ({told})".strip()


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


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.replace(" ", "").strip("(),").split(",")
    if not all(size.isascii() and size.isdigit() and int(size) for size in sizes):
        raise argparse.ArgumentTypeError(f"{text!r} is no shape; write sizes as in 100,784")
    return tuple(map(int, sizes))


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not in [0, 1)")
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
_number.__name__ = _fraction.__name__ = "number"
