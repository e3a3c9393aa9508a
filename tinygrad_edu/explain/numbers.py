"""A local derivative with numbers in the place of names, where that is true arithmetic.

Knows: nodes, and the formulas of their rows. Does not know: how sentences are made of them. At a
special point a row may give what its formula does not: 0 where that divides by 0. Then the two are
told apart. Read ``steps.py`` next, or ``wording.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.op import Like
from tinygrad_edu.mathematics import Formula, local, number_formula, singular_somewhere, worth

__all__ = ["Inserted", "inserted"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

_PRECISIONS = (4, 6, 8, 12)


@dataclass(frozen=True)
class Inserted:
    """A local derivative at one element.

    Parameters
    ----------
    numbers : Formula, optional
        The formula with numbers in it; None where some are not known, or too many digits were
        needed for it to be true.
    apart : str
        How the formula and the rule differ, as the end of a sentence; ``""`` where they do not.
    """

    numbers: Formula | None
    apart: str


def inserted(
    node: Node, i: int, place: Index, given: Any, value: Callable[[Node], Array | None]
) -> Inserted:
    """Return the local derivative of a row at one element, in numbers.

    Parameters
    ----------
    node : Node
        A node that an op made.
    i : int
        Which argument.
    place : tuple of int
        The element: of the result if the derivative is a factor, else of the argument.
    given : number
        What the row's own rule gives there.
    value : callable
        From a node to its value, None if that is not known.
    """
    op: Any = node.op
    there = [primal is not None for primal in node.primals]
    found = local(op, i).settled(node.params, ["x" if each else "" for each in there])
    if found.expression is None or op.variadic:
        return Inserted(None, "")
    if not found.factor:
        if not singular_somewhere(found):
            return Inserted(None, "")
        reached = _whole(node, i, place, value)
        missing = reached is not None and not np.isfinite(reached) and np.isfinite(given)
        return Inserted(None, _apart(reached, given) if missing else "")
    exact = {**_arrays(node, value, place), **_parameters(node)}
    reached = worth(found, exact)
    apart = _apart(reached, given) if reached is not None else ""
    used = set(found.roles.values())
    names = found.names & used
    if not names or not names <= exact.keys() or any(np.ndim(exact[role]) for role in names):
        return Inserted(None, apart)
    shown = {role: exact[role] for role in names if not isinstance(exact[role], (bool, str))}
    if shown.keys() != names:
        return Inserted(None, apart)
    digits = 4 if apart else _digits(found, exact, shown, given)
    if digits is None:
        return Inserted(None, apart)
    known = {role: number_formula(number, digits) for role, number in shown.items()}
    return Inserted(found.written(known), apart)


def _digits(found: Any, exact: Any, shown: Mapping[str, Any], given: Any) -> int | None:
    """Return to how many digits numbers are to be shown for the equation to be true as printed."""
    for digits in _PRECISIONS:
        rounded = {role: _rounded(number, digits) for role, number in shown.items()}
        reached = worth(found, {**exact, **rounded})
        if reached is None or _near(reached, given, 0.01):
            return digits
    return None


def _rounded(number: Any, digits: int) -> Any:
    plain = number.item() if isinstance(number, (np.ndarray, np.generic)) else number
    if not isinstance(plain, float) or not np.isfinite(plain):
        return number
    return np.asarray(number).dtype.type(float(f"{plain:.{digits}g}"))


def _apart(reached: Any, given: Any) -> str:
    """Return how what a formula comes to differs from what a rule gives."""
    reached = np.asarray(reached)
    if reached.ndim or reached.dtype.kind not in "biufc":
        return ""
    given = np.asarray(given)
    finite = np.isfinite(reached)
    if "c" in (reached.dtype.kind, given.dtype.kind):
        if finite or np.isfinite(given) == finite:
            return ""  # users know gradients as conjugates: finite ones are not compared here
    elif finite and _near(reached, given, 1e-3):
        return ""
    if finite:
        said = number_formula(reached).text
    elif reached.dtype.kind == "c" or np.isnan(reached):
        said = "no number"
    else:
        said = number_formula(reached).text
    same = not finite and np.array_equal(reached, given, equal_nan=True)
    what = f"which is {said} here"
    return what if same else f"{what}; the rule gives {number_formula(given[()]).text}"


def _near(reached: Any, given: Any, apart: float) -> bool:
    """Return whether a number is another, or its conjugate, as far as rounding lets one see."""
    if np.ndim(reached) or not np.isfinite(reached):
        return False
    eps = float(np.finfo(np.asarray(reached).dtype).eps) if _inexact(reached) else 0.0
    return any(
        np.isclose(reached, each, rtol=apart, atol=32 * eps) for each in (given, np.conj(given))
    )


def _inexact(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "fc"


def _parameters(node: Node) -> dict[str, Any]:
    """Return the parameters of a call; a bound that is None bounds nothing."""
    bounds = {"a_min": -np.inf, "a_max": np.inf}
    params = node.params or {}
    return {role: bounds.get(role) if value is None else value for role, value in params.items()}


def _arrays(
    node: Node, value: Callable[[Node], Array | None], place: Index | None
) -> dict[str, Any]:
    """Return the arguments and the result by role, whole or at one element, as far as known."""
    op: Any = node.op
    ups = zip(node.upstream or (), node.primals, strict=True)
    given = [_known(primal, up, value) for up, primal in ups]
    found: dict[str, Any] = {}
    for role, each in (*zip(op.arguments, given, strict=True), ("y", value(node))):
        if each is None or isinstance(each, Like) or (role == "y" and "y" in found):
            continue
        array = np.asarray(each)
        if place is None:
            found[role] = array
            continue
        at = place[len(place) - array.ndim :] if array.ndim else ()
        index = tuple(0 if side == 1 else k for k, side in zip(at, array.shape, strict=True))
        found[role] = array[index]
    return found


def _known(primal: Any, up: Node | None, value: Callable[[Node], Array | None]) -> Any:
    return value(up) if up is not None else primal


def _whole(node: Node, i: int, place: Index, value: Callable[[Node], Array | None]) -> Any | None:
    """Return what a formula for the gradient of an argument comes to at an element, for ones."""
    op: Any = node.op
    params = _parameters(node)
    found = local(op, i).settled(node.params)
    arrays = _arrays(node, value, None)
    y, x = arrays.get("y"), arrays.get(op.arguments[i])
    if y is None or x is None:
        return None
    if y.ndim < x.ndim and y.size != 1 and params.get("axis") is not None:
        arrays["y"] = y = np.expand_dims(y, params["axis"])
    reached = worth(found, {"g": np.ones_like(y), "n": x.size, **params, **arrays})
    try:
        return None if reached is None else np.broadcast_to(reached, x.shape)[place]
    except ValueError:
        return None
