"""Resume: all that a run is made of as arrays and facts, and how it is put back, whole or not.

Knows: the parts of a trainer, each by its ``state_dict``. Does not know: files, except which of a
folder is the newest. Read next: ``checkpoint.py``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.core.state import Array
from tinygrad_edu.errors import CheckpointError, DataError, OptimizerError, TrainingError
from tinygrad_edu.train.history import History

if TYPE_CHECKING:
    from tinygrad_edu.train.callbacks import Callback
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["NUMBERED", "load", "newest", "state_of"]

NUMBERED = re.compile(r"iteration-(\d+)\.npz")
"""Names of the files that `Checkpoints` writes."""
MISFITS = (
    DataError, OptimizerError, TrainingError, LookupError, TypeError, ValueError, AttributeError,
)  # fmt: skip
"""What the parts of a run raise when they are given what is not theirs."""


def state_of(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return all that an exact continuation of a run needs: arrays by name, and facts."""
    parts: dict[str, Mapping[str, Any]] = {
        "model": trainer.model.state(),
        "optimizer": trainer.optimizer.state_dict(),
        "loader": trainer.loader.state_dict(),
        "history": trainer.history.state_dict(),
    }
    for number, schedule in enumerate(trainer.schedules):
        parts[f"schedule/{number}"] = schedule.state_dict()
    header: dict[str, Any] = {
        "facts": trainer.facts,
        "iteration": trainer.iteration,
        "accumulate": trainer.accumulate,
        "seconds": trainer.seconds,
        "kinds": _kinds(trainer),
        "generators": {
            name: packed(rng.bit_generator.state) for name, rng in trainer.generators().items()
        },
        "callbacks": {},
        "parts": {},
    }
    for callback in trainer.callbacks:
        arrays, told = callback.state(), callback.told()
        if arrays or told:
            header["callbacks"][callback.name] = {"facts": packed(told), "steers": callback.steers}
            parts[f"callbacks/{callback.name}"] = arrays
    named = {}
    for part, found in parts.items():
        for name, value in found.items():
            if isinstance(value, np.ndarray):
                named[f"{part}/{name}"] = value
            else:
                header["parts"].setdefault(part, {})[name] = packed(value)
    return named, header


def load(trainer: Trainer, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    """Put a trainer where another one's `state_of` had it, or leave it as it is and raise."""
    named, told = state_of(trainer)
    before = ({name: array.copy() for name, array in named.items()}, told)
    history, seconds = trainer.history, trainer.seconds
    try:
        _check(trainer, header)
        _load(trainer, arrays, header)
    except MISFITS as error:
        _load(trainer, *before)
        trainer.history, trainer.seconds = history, seconds
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"Trainer: the saved state does not fit, and nothing was changed\n"
            f"  {type(error).__name__}: {error}"
        ) from error


def newest(path: str | os.PathLike[str]) -> Path:
    """Return the file itself, or the newest checkpoint in a folder.

    Raises
    ------
    CheckpointError
        The folder holds no checkpoint.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    numbers = {
        int(match[1]): file for file in path.iterdir() if (match := NUMBERED.fullmatch(file.name))
    }
    last = path / "checkpoint.npz"
    if numbers:
        return numbers[max(numbers)]
    if last.exists():
        return last
    raise CheckpointError(
        f"{path}: there is no checkpoint in this folder\n"
        "  fix: name the folder that Checkpoints wrote to, or the file that was saved"
    )


def packed(value: Any) -> Any:
    """Return a value as JSON knows it, and as `unpacked` makes it again, nan and inf included."""
    if isinstance(value, Mapping):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [packed(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return packed(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def unpacked(value: Any) -> Any:
    """Return what `packed` was given, with lists for its tuples and arrays."""
    if isinstance(value, Mapping):
        if set(value) == {"float"}:
            return float(value["float"])
        return {key: unpacked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    return value


def _kinds(trainer: Trainer) -> dict[str, Any]:
    """Return what the parts of a run are, each of which has a state of its own form."""
    return {
        "optimizer": type(trainer.optimizer).__name__,
        "schedules": [type(schedule).__name__ for schedule in trainer.schedules],
    }


def _check(trainer: Trainer, header: Mapping[str, Any]) -> None:
    """Refuse the state of a run that is made of other parts."""
    kinds, own = header["kinds"], _kinds(trainer)
    complaints = [
        f"{name}: it was {_shown(kinds[name])}, here it is {_shown(own[name])}"
        for name in own
        if kinds[name] != own[name]
    ]
    if header["accumulate"] != trainer.accumulate:
        complaints.append(
            f"accumulate: it was {header['accumulate']}, here it is {trainer.accumulate}"
        )
    if set(header["generators"]) != set(trainer.generators()):
        complaints.append("the model has other random generators")
    saved = {name for name, entry in header["callbacks"].items() if entry["steers"]}
    here = {callback.name for callback in trainer.callbacks if _remembers(callback)}
    complaints += [f"callback {name} is missing here" for name in sorted(saved - here)]
    complaints += [f"callback {name} was not there" for name in sorted(here - saved)]
    if complaints:
        raise CheckpointError(
            "Trainer: the saved state does not fit, and nothing was changed\n  "
            + "\n  ".join(complaints)
            + "\n  fix: build the trainer as it was when it was saved"
        )


def _remembers(callback: Callback) -> bool:
    """Return whether a run cannot go on with another callback in this one's place."""
    return callback.steers and bool(callback.state() or callback.told())


def _shown(kind: Any) -> str:
    return (", ".join(kind) or "none") if isinstance(kind, list) else str(kind)


def _load(trainer: Trainer, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    """Put the parts back, one after the other; each checks itself."""
    history = History()
    history.load_state_dict(_part(arrays, header, "history"))
    if header["iteration"] != len(history):
        raise CheckpointError("Trainer: the saved history is not that of the saved iteration")
    seconds = float(header["seconds"])
    trainer.loader.load_state_dict(_part(arrays, header, "loader"))
    trainer.model.load_state_dict(_part(arrays, header, "model"))
    for number, schedule in enumerate(trainer.schedules):
        schedule.load_state_dict(_part(arrays, header, f"schedule/{number}"))
    # After the schedules, which set the rate that each of them would have alone.
    trainer.optimizer.load_state_dict(_part(arrays, header, "optimizer"))
    for name, rng in trainer.generators().items():
        rng.bit_generator.state = unpacked(header["generators"][name])
    for callback in trainer.callbacks:
        if (entry := header["callbacks"].get(callback.name)) is not None:
            remembered = _arrays(arrays, f"callbacks/{callback.name}")
            callback.load(trainer, remembered, unpacked(entry["facts"]))
    trainer.history, trainer.seconds = history, seconds


def _part(arrays: Mapping[str, Array], header: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return the state of one part: its arrays, and its facts."""
    return {**_arrays(arrays, part), **unpacked(header["parts"].get(part, {}))}


def _arrays(arrays: Mapping[str, Array], part: str) -> dict[str, Array]:
    """Return the arrays of one part, without its name."""
    start = f"{part}/"
    return {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}
