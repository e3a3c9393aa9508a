"""Reproducers: Python source that makes a failure again, to paste into a file or a session.

Knows: arrays, the other values that arguments may be, and how a function is found again. Does not
know: what failed. Read next: ``op_check.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, Op
from tinygrad_edu.core.tensor import Tensor

__all__ = ["call_source", "indented", "name_of", "source_of"]


def source_of(value: Any) -> str:
    """Return Python source of a value, every digit of it; ``np`` stands for NumPy."""
    if isinstance(value, Tensor):
        wanted = ", requires_grad=True" if value.requires_grad else ""
        return f"Tensor({source_of(value.numpy())}{wanted})"
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, (tuple, list)):
        parts = [source_of(part) for part in value]
        if isinstance(value, list):
            return f"[{', '.join(parts)}]"
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {source_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, type) and issubclass(value, np.generic):
        return f"np.{value.__name__}"
    if isinstance(value, np.dtype):
        return f"np.dtype({value.str!r})"
    if callable(value) and name_of(value).isidentifier():
        return name_of(value)
    if isinstance(value, float) and not np.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)


def _array(array: np.ndarray[Any, Any]) -> str:
    native = array.dtype.newbyteorder("=")
    dtype = "" if native in (np.float64, np.bool_, np.intp) else f", np.{native.name}"
    if array.size == 0:
        return f"np.zeros({array.shape}, np.{native.name})"
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        dtype = f", np.{native.name}"
        return f"np.array({_words(array.tolist())}{dtype})"
    return f"np.array({array.tolist()!r}{dtype})"


def _words(value: Any) -> str:
    """Return nested lists of numbers, nan and inf among them, as source."""
    if isinstance(value, list):
        return f"[{', '.join(map(_words, value))}]"
    if isinstance(value, complex):
        return f"complex({_words(value.real)}, {_words(value.imag)})"
    return repr(value) if np.isfinite(value) else f"float({str(value)!r})"


def name_of(subject: Any) -> str:
    """Return how a function, a row or an object is called in a message."""
    if isinstance(subject, Op):
        return subject.name
    name = getattr(subject, "__name__", None)
    return name if isinstance(name, str) else type(subject).__name__


def imported(subject: Any) -> tuple[str, str]:
    """Return a line that makes the subject again, or says what to put there, and its name."""
    if isinstance(subject, Op):
        if OPS.get(subject.name) is subject:  # if it is a user's, once its file is imported
            return "from tinygrad_edu import OPS", f'OPS["{subject.name}"]'
        return f"# {subject.name}: the op that was checked", subject.name
    if isinstance(getattr(subject, "source", None), str):  # an expression that was drawn
        return str(subject.source), name_of(subject)
    if not hasattr(subject, "__name__"):  # an object, such as a module
        shown = "\n".join(f"#     {line}" for line in repr(subject).splitlines())
        return f"# it: what was checked,\n{shown}", "it"
    name, module = name_of(subject), getattr(subject, "__module__", None) or ""
    found = getattr(sys.modules.get(module), name, None)
    if found is subject and module != "__main__" and name.isidentifier():
        return f"from {module} import {name}", name
    name = name if name.isidentifier() else "f"
    return f"# {name}: the function that was checked", name


def call_source(
    subject: Any, tool: Callable[..., Any], arguments: Sequence[Any], keywords: dict[str, Any]
) -> str:
    """Return a program that calls a tool of this package on a subject.

    Parameters
    ----------
    subject : callable
        What was checked.
    tool : callable
        The check, a public function of ``tinygrad_edu.testing``.
    arguments, keywords
        What the check is called with besides.
    """
    line, name = imported(subject)
    given = [name, *map(source_of, arguments)]
    given += [f"{key}={source_of(value)}" for key, value in keywords.items()]
    call = f"{tool.__name__}({', '.join(given)})"
    if len(call) > 96:
        call = f"{tool.__name__}(\n" + "".join(f"    {part},\n" for part in given) + ")"
    text = f"{line}\n{call}"
    uses = ["import numpy as np"] if "np." in text else []
    own = {f"from {PUBLIC} import {tool.__name__}"}
    own |= {f"from {ROOT} import OPS"} if "OPS[" in text else set()
    own |= {f"from {ROOT} import Tensor"} if "Tensor(" in text else set()
    # What is no import stands below the imports.
    body = [call] if line.startswith("from ") else [line, call]
    own |= {line} if line.startswith("from ") else set()
    return "\n".join([*uses, *sorted(own), *body])


PUBLIC = __name__.rpartition(".")[0]
"""The module that users import the checks from."""

ROOT = __name__.partition(".")[0]


def indented(text: str, by: int = 4) -> str:
    """Return the text with every line moved to the right."""
    return "\n".join(" " * by + line if line else line for line in text.splitlines())
