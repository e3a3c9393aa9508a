"""``tinygrad-edu train``: an experiment, its folder, and what is told while it runs.

Knows: the trainer, and the files of a run. Does not know: what the settings stand for
(``experiment.py``), or what may be typed (``options.py``).
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.cli.experiment import (
    SETTINGS,
    Settings,
    build,
    completed,
    iterations_of,
    net_name,
    rule_name,
)
from tinygrad_edu.cli.folder import new_folder, opened, saved_settings, write_config
from tinygrad_edu.cli.wrong import Wrong, one_line
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.errors import DiagramError, DiagramWarning
from tinygrad_edu.train import (
    Callback,
    CSVLog,
    EarlyStopping,
    GradientDoctor,
    JSONLog,
    Progress,
    Recorder,
    TensorBoardLog,
    Trainer,
    find_learning_rate,
    one_thread,
    save_curves,
    write_checkpoint,
)

__all__ = ["train"]

Array = np.ndarray[Any, Any]

CHANGEABLE = ("epochs", "iterations", "workers", "doctor", "log")
"""What may be other when a run is resumed."""


def train(options: argparse.Namespace) -> int:
    """Run ``tinygrad-edu train`` and return its exit code."""
    progress = Progress(quiet=options.quiet)
    given = {name: value for name, value in vars(options).items() if name in SETTINGS}
    resumed = options.resume is not None
    if resumed and options.find_lr:
        raise Wrong("--find-lr does not go with --resume; it tries rates on a net at its start")
    if "tensorboard" in given.get("log", []) and find_spec("tensorboardX") is None:
        raise Wrong("--log tensorboard needs tensorboardX: pip install tensorboardX")
    run, saved = Path(options.resume or ""), None
    if resumed:
        settings, saved = _saved_run(run, given, out=options.out)
    else:
        if given.get("data") is not None:
            given["data"] = str(Path(given["data"]).resolve())
        settings = completed(given)
    trainer = build(settings, progress=progress)
    total = iterations_of(settings, trainer.epoch_length)
    settings.update(iterations=total, epochs=None)
    if options.find_lr:
        return _find_lr(trainer, settings, options.out)
    trainer.callbacks.append(Recorder())  # before the state is loaded, of which it has a part
    if saved is not None:
        trainer.load_state_dict(*saved)
        trainer.saved = trainer.iteration
        if total < trainer.iteration:
            raise Wrong(f"{run} has made {trainer.iteration} iterations already, more than {total}")
    else:
        run = new_folder(options.out, settings)
    trainer.checkpoint, trainer.facts = run / "checkpoint.npz", settings
    trainer.go_on = shlex.join(["tinygrad-edu", "train", "--resume", str(run)])
    _watch(trainer, run, settings)

    said = f" from iteration {trainer.iteration:,}" if resumed else ""
    if trainer.iteration == total:
        said += ", which was the last; --epochs or --iterations makes the run longer"
    progress.line(f"{_described(settings, trainer)}\nwriting to {run}{os.sep}{said}\n")
    write_config(run, settings)
    try:
        with one_thread():
            trainer.fit(iterations=total)
    except KeyboardInterrupt:
        progress.line(
            f"\nStopped at iteration {trainer.iteration:,} of {total:,}; saved up to iteration "
            f"{trainer.saved:,}. Go on with\n  {trainer.go_on}"
        )
        return 130
    _report(trainer, run, _written(trainer, run, settings))
    return 0


def _saved_run(
    run: Path, given: Settings, *, out: str | None
) -> tuple[Settings, tuple[dict[str, Array], dict[str, Any]]]:
    """Return the settings of a run, with what may be changed in them, and its saved state."""
    if fixed := [name for name in given if name not in CHANGEABLE]:
        option = f"--{fixed[0].replace('_', '-')}"
        allowed = ", ".join(f"--{name}" for name in CHANGEABLE)
        raise Wrong(f"{option} cannot be changed with --resume; only {allowed} can")
    if out is not None:
        raise Wrong("--out does not go with --resume, which writes to the run's own folder")
    arrays, header = opened(run, "checkpoint.npz")
    settings = saved_settings(header, run)
    lengths = {"epochs": None, "iterations": None} if {"epochs", "iterations"} & set(given) else {}
    if lengths and settings["schedule"] != "constant":
        raise Wrong(
            f"the length of {run} cannot be changed: its schedule, {settings['schedule']}, was "
            "made for it"
        )
    return {**settings, **lengths, **given}, (arrays, header)


def _watch(trainer: Trainer, run: Path, settings: Settings) -> None:
    """Add the callbacks that only look on."""
    if settings["doctor"]:
        trainer.callbacks.append(GradientDoctor(every=trainer.epoch_length))
    logs: dict[str, Callable[[], Callback]] = {
        "csv": lambda: CSVLog(run / "log.csv"),
        "jsonl": lambda: JSONLog(run / "log.jsonl"),
        "tensorboard": lambda: TensorBoardLog(run / "tensorboard"),
    }
    trainer.callbacks += [logs[kind]() for kind in dict.fromkeys(settings["log"])]


def _described(settings: Settings, trainer: Trainer) -> str:
    """Return one line that tells what will be done."""
    count = sum(parameter.size for parameter in trainer.model.parameters())
    train, test = len(trainer.loader.dataset), len(trainer.sets["test"][0])
    name = "MNIST" if settings["data"] is None else Path(settings["data"]).name
    looked_at = len(trainer.sets["train"][0])
    note = "" if looked_at == train else f" (train accuracy: of the first {looked_at:,})"
    return (
        f"{name}, {train:,} images to train on and {test:,} to test with{note}\n"
        f"{net_name(settings)}, {count:,} parameters; {rule_name(settings)}, "
        f"seed {settings['seed']}"
    )


def _find_lr(trainer: Trainer, settings: Settings, out: str | None) -> int:
    """Tell which learning rate the loss falls fastest with; nothing is trained."""
    with one_thread():
        found = find_learning_rate(trainer)
    if not math.isfinite(found.suggestion):
        print("The loss falls with none of the learning rates.")
        return 1
    print(
        f"{net_name(settings)}, {settings['optimizer']}: --lr {found.suggestion:.1g} would be a "
        f"good start (the usual one is {settings['lr']:g}); no schedule should go above "
        f"{found.largest:.1g}."
    )
    if out is None:
        print("With --out FOLDER the losses are drawn over the learning rates.")
    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        print(found.save(folder / "learning_rate.png"))
    return 0


def _written(trainer: Trainer, run: Path, settings: Settings) -> dict[str, str]:
    """Write the files of a finished run, and return what each is."""
    history, model = trainer.history, trainer.model
    history.save(run / "history.jsonl")
    logs = {"csv": "log.csv", "jsonl": "log.jsonl", "tensorboard": "tensorboard"}
    write_checkpoint(run / "model.npz", model.state_dict(), {"settings": settings})
    files = {
        "model.npz": "the weights",
        "checkpoint.npz": "everything that going on needs",
        "history.jsonl": "the table above, one JSON object a line",
        "config.json": "the exact settings",
        **{logs[kind]: "the log" for kind in settings["log"]},
    }
    title = f"MNIST, {net_name(settings)}: {rule_name(settings)}"
    epoch = trainer.epoch_length
    for name, what, write in (
        ("curves.png", "the curves", lambda p: save_curves(history, p, title=title, epoch=epoch)),
        ("graph.svg", "the graph of the net, with gradients", lambda p: _draw_graph(trainer, p)),
    ):
        try:
            write(run / name)
            files[name] = what
        except DiagramError as error:
            trainer.tell(f"No {name}: {one_line(error)}.")
    return files


def _draw_graph(trainer: Trainer, path: Path) -> None:
    """Draw the graph of the loss on a batch of four test images, with its gradients."""
    from tinygrad_edu.draw import draw  # a large room, which only one command needs

    images, labels = (array[:4] for array in trainer.sets["test"])
    loss = trainer.loss(trainer.model(constant(images)), constant(labels))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DiagramWarning)
        draw(loss, grad=True, title="loss of four test images").save(path)
    for warning in caught:
        trainer.tell(f"{path.name}: {one_line(warning.message)}")


def _report(trainer: Trainer, run: Path, files: Mapping[str, str]) -> None:
    """Tell how a run ended."""
    last, tell = trainer.history.records[-1], trainer.tell
    stopping = next((c for c in trainer.callbacks if isinstance(c, EarlyStopping)), None)
    if stopping is not None and stopping.stopped:
        best = stopping.iteration_of_best
        tell(
            f"\nStopped early: no better validation accuracy since iteration {best:,}, whose "
            "weights are the ones that are kept."
        )
        last = trainer.history.records[trainer.history.column("iteration").tolist().index(best)]
    tell(
        f"\nAccuracy after {last['iteration']:,} iterations: {last['train_accuracy']:.4f} on the "
        f"training images, {last['test_accuracy']:.4f} on the test images.\n\n{run}{os.sep}"
    )
    for name, what in files.items():
        tell(f"  {name:<15} {what}")
    tell(f"\nShow it a digit: tinygrad-edu predict {shlex.quote(str(run))} IMAGE.png")
