"""A run's folder: what ``train`` leaves there, and how it is found again.

Knows: names of files and settings. Does not know: how anything is trained.
"""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import __version__
from tinygrad_edu.cli.experiment import SETTINGS, Settings, build_net
from tinygrad_edu.cli.wrong import Wrong
from tinygrad_edu.files import write_whole
from tinygrad_edu.nn import Module
from tinygrad_edu.train import read_checkpoint

__all__ = ["new_folder", "opened", "saved_settings", "trained", "write_config"]

Array = np.ndarray[Any, Any]


def new_folder(out: str | None, settings: Settings) -> Path:
    """Return a folder that was made for this run alone, or an empty one that was named."""
    if out is not None:
        run = Path(out)
        run.mkdir(parents=True, exist_ok=True)
        if any(run.iterdir()):
            raise Wrong(f"{run} is not empty; name another folder, or go on with --resume {run}")
        return run
    parts = [settings["net"].rpartition(":")[2]]
    if settings["net"] in ("two-layer", "mlp"):
        parts = [*settings["hidden"], settings["activation"]]
    name, number = "-".join(map(str, (*parts, settings["optimizer"]))), 1
    while True:
        run = Path("runs", f"{name}-{number}")
        try:
            run.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return run


def write_config(run: Path, settings: Settings) -> None:
    """Write the settings, with the versions that they are used with."""
    versions = {"tinygrad_edu": __version__, "python": platform.python_version()}
    config = {"settings": settings, "versions": {**versions, "numpy": np.__version__}}
    text = json.dumps(config, indent=2) + "\n"
    write_whole(run / "config.json", lambda file: file.write(text.encode()))


def opened(run: Path, name: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the contents of a file of a run."""
    if not run.is_dir():
        raise Wrong(f"there is no run folder {run}")
    try:
        return read_checkpoint(run / name)
    except FileNotFoundError as error:
        fix = ""
        if name == "model.npz" and (run / "checkpoint.npz").exists():
            fix = (
                "; the run has not finished: go on with tinygrad-edu train --resume "
                f"{shlex.quote(str(run))}, or train anew with other settings if it diverged"
            )
        elif not (run / "config.json").exists():
            fix = "; name a folder that tinygrad-edu train has written"
        raise Wrong(f"there is no {name} in {run}{fix}") from error


def saved_settings(header: Mapping[str, Any], run: Path) -> Settings:
    """Return the settings that a file of a run was saved with."""
    settings = header.get("settings", header.get("facts"))
    if not isinstance(settings, dict) or set(settings) != set(SETTINGS):
        raise Wrong(f"{run} was not written by tinygrad-edu train")
    return settings


def trained(run: Path) -> tuple[Module, tuple[int, ...], Settings]:
    """Return the net of a finished run, for evaluation, the shape of an input, and the settings."""
    arrays, header = opened(run, "model.npz")
    settings = saved_settings(header, run)
    model, shape = build_net(settings, 0)
    model.load_state_dict(arrays)
    return model.eval(), shape, settings
