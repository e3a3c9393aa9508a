"""The exceptions of the package, the user's line, and the one function that words an error.

This file knows no array, no op and no graph. Every error of the engine says four things: what was
asked (the op), with what (arguments and shapes, aligned from the right as broadcasting reads them),
where (the user's line), and how to repair it. Read ``core/op.py`` next.
"""

from __future__ import annotations

import linecache
import os
import sys
from types import CodeType, FrameType
from typing import Any

import numpy as np

__all__ = [
    "AnomalyError",
    "CaptureError",
    "CheckError",
    "CheckpointError",
    "DataError",
    "DiagramError",
    "DiagramWarning",
    "ExplanationError",
    "FreedGraphError",
    "GradientError",
    "GradientTypeError",
    "KinkError",
    "LabelError",
    "LayerError",
    "MutationError",
    "NumericError",
    "NumericTypeError",
    "OpError",
    "OpTypeError",
    "OptimizerError",
    "PrecisionWarning",
    "SingularError",
    "TinygradEduError",
    "TrainingError",
    "UnsupportedError",
    "VacuousCheckWarning",
]


class TinygradEduError(Exception):
    """Base of every exception that the package raises on purpose."""


class OpError(TinygradEduError, ValueError):
    """An op was given values or shapes that it cannot take."""


class LabelError(OpError, IndexError):
    """A label is not the number of a class."""


class SingularError(OpError, np.linalg.LinAlgError):
    """A matrix is singular, not positive definite, or its decomposition did not converge."""


class OpTypeError(TinygradEduError, TypeError):
    """An op was given an argument of a kind that it cannot take, or an unknown keyword."""


class UnsupportedError(TinygradEduError, TypeError):
    """A NumPy function or keyword that has no row in the table was applied to a Tensor."""


class GradientError(TinygradEduError, RuntimeError):
    """A gradient was asked for where there is none, or a rule returned a wrong cotangent."""


class GradientTypeError(TinygradEduError, TypeError):
    """A tensor cannot carry a gradient, or would lose it by being turned into an array."""


class AnomalyError(GradientError):
    """A result or a gradient is nan or infinite, found by ``detect_anomaly()``."""


class FreedGraphError(GradientError):
    """A sweep met a part of the graph that an earlier ``backward()`` had freed."""


class MutationError(GradientError):
    """An array that the graph had recorded was changed before its gradient was taken."""


class NumericError(TinygradEduError, ValueError):
    """A numerical derivative was given a step, shape, method or value that it cannot work with."""


class TargetError(TinygradEduError, ValueError):
    """What the command line was told to check does not exist, or cannot be called."""


class NumericTypeError(TinygradEduError, TypeError):
    """A numerical derivative met numbers that are not real, or of too low a precision."""


class CheckError(TinygradEduError, AssertionError):
    """A gradient check failed; the text is that of the ``report``, ``outcome`` its heading."""

    outcome = "failed"
    report: Any = None


class KinkError(CheckError):
    """A gradient was checked where the function has none: at a kink, a tie or a jump."""


class VacuousCheckWarning(UserWarning):
    """A gradient check compared nothing, so passing it proves nothing."""


class PrecisionWarning(UserWarning):
    """A float32 parameter met a float64 value, so the result is wider than the parameter."""


class DataError(TinygradEduError, ValueError):
    """A data file or data set is damaged, missing or of the wrong form."""


class CheckpointError(TinygradEduError, ValueError):
    """A saved file is damaged, or does not fit what it is loaded into."""


class LayerError(TinygradEduError, ValueError):
    """A layer, a loss or an initialiser was given sizes, names or options that do not go."""


class OptimizerError(TinygradEduError, ValueError):
    """An optimizer was given a hyper-parameter or parameters that it cannot work with."""


class TrainingError(TinygradEduError, RuntimeError):
    """Training cannot go on; the message says why and what to change."""


class DiagramError(TinygradEduError, RuntimeError):
    """A diagram cannot be made in the format that was asked for."""


class DiagramWarning(UserWarning):
    """A diagram was made by a fall-back, because a better tool is not installed."""


class CaptureError(TinygradEduError, RuntimeError):
    """A function cannot be written down as a program, or a program does not fit its arguments."""


class ExplanationError(TinygradEduError, ValueError):
    """A graph cannot be explained, or computed again with other values."""


# ------------------------------------------------------------------------------ the user's line

# NumPy's own Python files count as inside: a user who calls np.full() wants to see that call.
_INSIDE = tuple(os.path.dirname(file) + os.sep for file in (__file__, np.__file__))


class _Inside(dict[str, bool]):
    """File name -> whether the file is this package's, or NumPy's; filled as names are met."""

    def __missing__(self, filename: str) -> bool:
        self[filename] = inside = filename.startswith(_INSIDE)
        return inside


inside_package = _Inside()


def users_frame(depth: int) -> FrameType:
    """Return the nearest frame, `depth` calls up or more, whose file is not in this package."""
    frame = sys._getframe(depth)
    while inside_package[frame.f_code.co_filename]:
        if frame.f_back is None:
            return frame
        frame = frame.f_back
    return frame


def line_of(code: CodeType, lasti: int) -> tuple[str, int]:
    """Return the file name and the line number of an instruction of a code object."""
    line = code.co_firstlineno
    for start, stop, number in code.co_lines():
        if start <= lasti < stop and number is not None:
            return code.co_filename, number
    return code.co_filename, line


NO_LINE = "unknown line"
"""What stands where a line of the user would, if there is none."""

_COMMAND = "tinygrad-edu"  # the script that an installation makes, as pyproject.toml names it


def describe_line(code: CodeType | None, lasti: int) -> str:
    """Return ``file.py:12: text of the line`` for an instruction, or ``unknown line``.

    Python's own lines, as in ``python -m``, and those of the package's command are not the user's.
    """
    if code is None or code.co_filename.startswith("<frozen"):
        return NO_LINE
    filename, number = line_of(code, lasti)
    folder, name = os.path.split(filename)
    # On Windows the script is a file in an archive, which is the executable.
    if name == _COMMAND or os.path.basename(folder) == f"{_COMMAND}.exe":
        return NO_LINE
    text = linecache.getline(filename, number).strip()
    if os.path.basename(folder).startswith("ipykernel_"):
        name = "notebook cell"  # the kernel's own name for it is a number that says nothing
    return f"{name}:{number}" + (f": {text}" if text else "")


def users_line() -> str:
    """Return the line of the user's code that is running now, worded as `describe_line` does."""
    frame = users_frame(2)
    return describe_line(frame.f_code, frame.f_lasti)


def demand_callable(function: Any, what: str) -> None:
    """Raise `OpTypeError` if what a call was given is no function, naming the call `what`."""
    if not callable(function):
        raise OpTypeError(
            f"{what}: a {type(function).__name__} was given where a function belongs\n"
            f"  at {users_line()}\n"
            f"  fix: give the function itself, as in {what}(f), not what it returns"
        )


# ------------------------------------------------------------------------------ the wording


def describe_value(value: Any) -> str:
    """Return how an error shows one argument: shape and dtype of an array, else the value."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None:
        return repr(value) if len(repr(value)) <= 60 else f"a {type(value).__name__}"
    return f"{shape} {dtype}"


def explain(
    op: str,
    problem: str,
    *,
    arguments: tuple[tuple[str, Any], ...] = (),
    where: str | None = None,
    fix: str | None = None,
) -> str:
    """Return the text of an error about an op: problem, arguments, the user's line, the fix.

    Parameters
    ----------
    op : str
        Name of the row.
    problem : str
        What is wrong, in one clause.
    arguments : tuple of (name, value)
        The arguments; shapes are aligned from the right, as broadcasting compares them.
    where : str, optional
        The user's line; the running one by default.
    fix : str, optional
        What to do about it.
    """
    lines = [f"{op}: {problem}"]
    shown = [(name, describe_value(value)) for name, value in arguments]
    heads = [text.split(")")[0] + ")" if text.startswith("(") else text for _, text in shown]
    column = max((len(head) for head in heads), default=0)
    width = max((len(name) for name, _ in shown), default=0)
    for (name, text), head in zip(shown, heads, strict=True):
        lines.append(f"  {name:>{width}}  {head:>{column}}{text[len(head) :]}")
    lines.append(f"  at {where if where is not None else users_line()}")
    if fix:
        lines.append(f"  fix: {fix}")
    return "\n".join(lines)
