"""Which values the options of `draw` have, and what is said where one is given another.

Knows: names of options and their values. Does not know: what becomes of them. They are looked at
before anything is read or run, so that a slip costs nothing. Read ``graph.py`` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from tinygrad_edu.draw.heat import Heat
from tinygrad_edu.draw.render import Engine, Format
from tinygrad_edu.draw.theme import THEMES
from tinygrad_edu.errors import DiagramError, users_line

__all__ = ["Level", "refuse_wrong"]

Level = Literal["auto", "scalar", "op", "module"]
_SHOW = ("shape", "dtype", "line")
_CHOICES: dict[str, tuple[Any, ...]] = {
    "level": get_args(Level),
    "format": get_args(Format),
    "engine": get_args(Engine),
    "theme": tuple(THEMES),
    "rankdir": ("auto", "LR", "TB"),
    "grad": (True, False, "auto"),
    "fold": (True, False, "auto"),
    "histogram": (True, False),
    "legend": (True, False),
}
_LEAST = {"limit": 1, "depth": 1, "values": 0}
_SEVERAL: dict[str, tuple[str, ...]] = {"show": _SHOW, "heat": get_args(Heat)}


def refuse_wrong(**options: Any) -> None:
    """Raise if an option of `draw` has a value that it cannot have.

    Parameters
    ----------
    **options
        Some of those of `draw`, by name.

    Raises
    ------
    DiagramError
        Of the first that is wrong, with its values.
    """
    for name, value in options.items():
        if name in _CHOICES:
            _choice(name, value)
        elif name in _LEAST:
            _whole(name, value)
        elif name in _SEVERAL:
            _some(name, value)
        elif name == "expand":
            _titles(value)
        elif name == "title" and not isinstance(value, str):
            raise _wrong(name, value, "a text is expected", 'title="my net"')


def _wrong(name: str, value: Any, problem: str, fix: str) -> DiagramError:
    """Return the error about an option."""
    given = " ".join(repr(value).split())
    given = given if len(given) <= 40 else f"{given[:39]}…"
    return DiagramError(f"draw: {name}={given}: {problem}\n  at {users_line()}\n  fix: {fix}")


def _choice(name: str, value: Any) -> None:
    known = _CHOICES[name]
    # Compared by type as well: 1 is no True.
    if any(type(value) is type(each) and value == each for each in known):
        return
    shown = [each if isinstance(each, str) else repr(each) for each in known]
    raise _wrong(name, value, f"it is none of {', '.join(shown)}", f"{name}={_written(known[0])}")


def _written(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _whole(name: str, value: Any) -> None:
    least = _LEAST[name]
    if value is None and name == "depth":
        return
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise _wrong(name, value, "a whole number is expected", f"{name}={max(least, 9)}")
    if value < least:
        raise _wrong(name, value, f"it must be at least {least}", f"{name}={least}, or more")


def _some(name: str, value: Any) -> None:
    """Raise if something in a sequence of words is no word that the option has."""
    known = _SEVERAL[name]
    if name == "heat" and (value is None or value in known):
        return
    one = isinstance(value, str) or not isinstance(value, Sequence)
    for each in (value,) if one else value:
        if each not in known or one:
            raise _wrong(
                name,
                value,
                f"{each!r} is none of {', '.join(known)}"
                if each not in known
                else "a sequence is expected",
                f'{name}=("{known[0]}", "{known[-1]}")',
            )


def _titles(value: Any) -> None:
    """Raise if it is neither a function nor titles."""
    if value is None or callable(value) or isinstance(value, str):
        return
    if isinstance(value, Sequence) and all(isinstance(each, str) for each in value):
        return
    raise _wrong("expand", value, "titles are expected, or a function", 'expand=("block.2",)')
