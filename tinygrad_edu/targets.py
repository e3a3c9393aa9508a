"""``FILE.py:name``: what a Python file of the user's defines, fetched for a command.

Knows: how a file is loaded, and how to say what is wrong with it. Does not know: what is wanted.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_edu.errors import NO_LINE, TargetError, TinygradEduError

__all__ = ["load_target", "telling"]


def load_target(who: str, target: str) -> Any:
    """Return what a file defines under a name.

    Parameters
    ----------
    who : str
        The command that asks, for errors.
    target : str
        ``FILE.py:name`` or ``FILE.py::name``; the name may have dots. The file may import its
        neighbours.

    Raises
    ------
    TargetError
        The target names nothing, there is no such file, it cannot be imported, or it does not
        define the name.
    """
    match = re.fullmatch(r"(.+?)::?([^:/\\]+)", target)
    if match is None:
        raise TargetError(
            f"{who}: {target!r} names nothing in a file\n  fix: FILE.py:name, as in ops.py:witch"
        )
    file, name = match.groups()
    subject: Any = _loaded(who, Path(file))
    known = [n for n, v in vars(subject).items() if callable(v) and not n.startswith("_")]
    for part in name.split("."):
        if not hasattr(subject, part):
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f"; nearest: {', '.join(close)}" if close else ""
            raise TargetError(f"{who}: {file} defines no {name!r}{hint}")
        subject = getattr(subject, part)
    return subject


def _loaded(who: str, path: Path) -> ModuleType:
    """Return the module in a file."""
    if not path.is_file():
        raise TargetError(f"{who}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{who}: {path} is no Python file\n  fix: FILE.py:name")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        where = _lines_of(path, error)[-1:]
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, SyntaxError):
            file = Path(error.filename or path).name
            where = [f"{file}:{error.lineno}: {(error.text or '').strip()}"]
            said = f"{type(error).__name__}: {error.msg}"
        at = "".join(f"\n  at {line}" for line in where)
        raise TargetError(f"{who}: {path} cannot be imported\n  {said}{at}") from error
    finally:
        sys.path.remove(folder)
    return module


def _lines_of(path: Path, error: BaseException) -> list[str]:
    """Return the lines of a file through which an error went."""
    file = str(path.resolve())
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if str(Path(frame.filename).resolve()) == file]
    return [f"{path.name}:{frame.lineno}: {frame.line}" for frame in theirs]


@contextmanager
def telling(who: str, target: str, what: str, fix: str = "") -> Iterator[None]:
    """Context in which an error in a target's code is told with the user's line, not ours.

    Parameters
    ----------
    who, target : str
        As for `load_target`.
    what : str
        What happened to the target then, such as ``"cannot be made"``.
    fix : str
        What to do about it.

    Raises
    ------
    TargetError
        Whatever was raised, in its words.
    """
    try:
        yield
    except Exception as error:
        told = str(error).replace(f"\n  at {NO_LINE}", "")  # nobody's line called it
        if not isinstance(error, TinygradEduError):  # ours name the line themselves
            theirs = _lines_of(Path(target.rpartition(":")[0].rstrip(":")), error)
            told = f"{type(error).__name__}: {error}"
            told += "".join(f"\n  at {line}" for line in theirs[-1:])
        fix = f"\n  fix: {fix}" if fix else ""
        raise TargetError(f"{who}: {target} {what}\n  {told}{fix}") from error
