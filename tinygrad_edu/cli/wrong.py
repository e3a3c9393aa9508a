"""What was typed cannot be done: the error for it, and errors on one line.

Knows: that whoever types a command wants one sentence.
"""

from __future__ import annotations

import re

from tinygrad_edu.errors import TinygradEduError

__all__ = ["Wrong", "one_line"]


class Wrong(TinygradEduError):
    """What was typed cannot be done; the message is one clause."""


def one_line(error: Exception | Warning | str) -> str:
    """Return the text of an error on one line."""
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    # The fix is for those who write Python.
    text = re.split(r"\.?\s+[Ff]ix: ", str(error))[0]
    return "; ".join(line.strip() for line in text.splitlines())
