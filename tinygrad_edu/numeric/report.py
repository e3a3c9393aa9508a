"""What a check found: the report, which is the text of the exception when the check fails.

Read ``check.py`` for who makes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.errors import CheckError

__all__ = ["Report", "error_ratio", "failure", "number_lines"]


@dataclass(frozen=True)
class Report:
    """What a check found; printing it gives the text, and it is true if the check passed.

    Attributes
    ----------
    ok : bool
        Whether everything that was compared agreed.
    outcome : str
        "passed", "wrong gradient", "not differentiable", "not deterministic", "not finite", ...
    text : str
        All of it, for people.
    input : str
        The input, or parameter, with the worst element; empty if no number was compared.
    index : tuple of int
        Where in that input.
    analytic, numeric, error, tolerance : float
        The two slopes, their distance, and how much was allowed.
    direction : str
        Along what the slopes were taken.
    cause : str
        The likely cause of a failure.
    vacuous : tuple of str
        Inputs whose gradient is zero everywhere, so that nothing was compared.
    notes : tuple of str
        What was converted, held fixed or left out.
    """

    ok: bool
    outcome: str
    text: str
    input: str = ""
    index: tuple[int, ...] = ()
    analytic: float = 0.0
    numeric: float = 0.0
    error: float = 0.0
    tolerance: float = 0.0
    direction: str = ""
    cause: str = ""
    vacuous: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """The error in units of the tolerance; a check passes below 1."""
        return error_ratio(self.error, self.tolerance)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.text


def failure(
    title: str,
    notes: list[str],
    outcome: str,
    text: str,
    kind: type[CheckError] = CheckError,
    **found: Any,
) -> CheckError:
    """Return the exception of a failed check, with its report.

    Parameters
    ----------
    title : str
        What was checked, such as "gradient of f".
    notes : list of str
        What was converted or left out.
    outcome, text : str
        The heading, and all that is to be said below it.
    kind : type
        The class of the exception.
    **found
        Other fields of the `Report`.
    """
    where = f", {found['input']}" if found.get("input") else ""
    error = kind("\n  note: ".join([f"{title}{where}: {outcome}\n  {text}", *notes]))
    error.outcome = outcome
    error.report = Report(False, outcome, str(error), notes=tuple(notes), **found)
    return error


def error_ratio(error: float, tolerance: float) -> float:
    """Return the error in units of the tolerance; no error passes a tolerance of zero."""
    return error / tolerance if tolerance else float(error and np.inf)


def number_lines(analytic: float, numeric: float, tolerance: float) -> str:
    """Return the lines that show two slopes and their distance."""
    error = abs(analytic - numeric)
    return (
        f"analytic   {analytic:.12g}\n  numeric    {numeric:.12g}\n"
        f"  error      {error:.3g}, {error_ratio(error, tolerance):.3g} times the tolerance "
        f"of {tolerance:.3g}"
    )
