"""Writing files whole: the one way in which the package puts anything on disk.

This file knows folders and names, and nothing of what is written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

__all__ = ["remove_draft", "write_whole"]


def write_whole(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> Path:
    """Let ``write(file)`` fill a file beside `path`, move it there when it is on disk, return it.

    A kill at any moment leaves the old file or the new one, whole, and at most one
    ``<name>.tmp``, which the next call writes over.

    Parameters
    ----------
    path : str or path
        Where the file is to be.
    write : callable
        Called with a file open for binary writing.

    Raises
    ------
    OSError
        The file cannot be written; the error names `path`.
    """
    path = Path(path)
    if not path.parent.is_dir():
        what = f"There is no folder {path.parent}, make it first"
        raise FileNotFoundError(errno.ENOENT, what, str(path))
    draft = _draft(path)
    try:
        with open(draft, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException as error:
        with suppress(OSError):  # what went wrong first is what to tell
            draft.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(draft)):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name is on disk when its folder is
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path


def remove_draft(path: str | os.PathLike[str]) -> None:
    """Remove what a call of `write_whole` for this path left beside it when it was killed.

    Only who alone writes to the path may do that.
    """
    _draft(Path(path)).unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(path.name + ".tmp")
