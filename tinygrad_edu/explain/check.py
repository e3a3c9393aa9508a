"""What a small change tells of a gradient, in words: agreement, a kink, a jump, a wrong rule.

Knows: verdicts, and what rows of the table say of themselves. Does not know: how it is found out;
read ``line.py`` next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.draw.words import counted
from tinygrad_edu.explain.slopes import EPS, Look
from tinygrad_edu.mathematics import Formula, signed, symbol

__all__ = [
    "AXES",
    "NAN",
    "Check",
    "Judgement",
    "at_kinks",
    "conditions",
    "exemptions",
    "part_along",
    "policies",
    "rounding",
]

Array = np.ndarray[Any, Any]
Verdict = Literal[
    "agrees", "DISAGREES", "kink", "jump", "vertical", "policy", "by design", "not compared"
]

AXES: Mapping[complex, str] = {1: "along the real axis", 1j: "along the imaginary axis"}
"""Directions in which a complex number can move."""

NAN = "a number on the way is nan or infinite"


@dataclass(frozen=True)
class Judgement:
    """What is to be thought of a derivative along one axis.

    Parameters
    ----------
    verdict : str
        ``agrees``, ``DISAGREES``; ``kink``, ``jump``, ``vertical`` where there is no derivative;
        ``policy`` where there is one, but a row on the way has none; ``by design``, ``not
        compared``.
    look : Look, optional
        What the quotients show of the function.
    derivative : float
        By the rules, in double precision if the graph can be computed so.
    rows : tuple of str
        The operations on the way that have no derivative there.
    guilty : tuple of str
        The operations whose rules are wrong.
    reason : str
        Where it is not compared, or no derivative by design: why.
    """

    verdict: Verdict
    look: Look | None = None
    derivative: float = math.nan
    rows: tuple[str, ...] = ()
    guilty: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Check:
    """A gradient beside the slope of a small change.

    Parameters
    ----------
    verdict : str
        That of the `Judgement`.
    gradient : number
        Of the sweep.
    slope : number
        ``(L(x + Δ) − L(x − Δ)) / 2Δ``, or that of one side.
    delta : float
        The Δ.
    above, below : float
        ``L(x + Δ)`` and ``L(x − Δ)``.
    digits : int
        In how many digits the two agree.
    left, right : float
        At a kink the slopes on its two sides.
    along : str
        Of a complex number without a derivative: along which axis.
    reason : str
        Where they were not compared, or differ by design: why.
    side : str
        ``left`` or ``right`` where the output has values on that side only.
    falls : bool
        Whether what the two differ by falls with Δ.
    rows, guilty : tuple of str
        Those of the `Judgement`.
    held : bool
        Whether conditions on the way are constants of the graph.
    exact : number, optional
        The gradient in double precision, where that of the graph is far from it.
    """

    verdict: Verdict
    gradient: Any
    slope: Any = math.nan
    delta: float = 0.0
    above: float = math.nan
    below: float = math.nan
    digits: int = 0
    left: float = math.nan
    right: float = math.nan
    along: str = ""
    reason: str = ""
    side: str = ""
    falls: bool = False
    rows: tuple[str, ...] = ()
    guilty: tuple[str, ...] = ()
    held: bool = False
    exact: Any = None

    @property
    def middle(self) -> bool:
        """Whether at a kink the gradient is half-way between the slopes of its two sides."""
        apart = abs((self.left + self.right) / 2 - part_along(self.gradient, self.along))
        return apart <= 1e-3 * max(abs(self.left), abs(self.right))

    @property
    def pointed(self) -> bool:
        """Whether the output, or a row on the way, has no derivative at this point."""
        return self.verdict in ("kink", "jump", "vertical", "policy")

    @property
    def said(self) -> str:
        """What is said of it, behind the slope."""
        gradient, along = signed(self.gradient, 8), f"{self.along}, " if self.along else ""
        match self.verdict:
            case "agrees":
                said = self._agreement(gradient)
            case "DISAGREES":
                named = f": that of {_listed(self.guilty)}" if self.guilty else ""
                said = f"DISAGREES with {gradient}; a rule on the way is wrong{named}"
            case "kink":
                sides = (
                    f"here is a kink: {along}the slope is {signed(self.left)} on the left and "
                    f"{signed(self.right)} on the right"
                )
                said = f"differs from {gradient}, for {sides}"
                if self.middle:
                    said = f"{sides}, and {gradient}, the mean of the two, is what the row gives"
            case "jump":
                said = (
                    f"no slope to compare with {gradient}, for {along}here the function jumps: the "
                    "quotient grows like 1/Δ"
                )
            case "vertical":
                said = (
                    f"no slope to compare with {gradient}, for {along}here the tangent is "
                    "vertical: the quotient grows without end as Δ falls"
                )
            case "policy":
                said = f"differs from {gradient}, {along}{at_kinks(self.rows)}"
            case "by design":
                said = f"differs from {gradient} by design ({self.reason})"
            case _:
                said = f"not compared with {gradient}: {self.reason}"
        if self.side and self.verdict != "not compared":
            other = "left" if self.side == "right" else "right"
            said += f" (on the {self.side} only: on the {other} there is no number)"
        return said + (", with the conditions held as they were" if self.held else "")

    def _agreement(self, gradient: str) -> str:
        if self.exact is not None:
            return (
                f"agrees with {signed(self.exact, 8)}, what the rules give in double precision; "
                f"{gradient} is that, rounded on the way"
            )
        if not self.gradient and not self.slope:
            return "agrees, both are 0"
        if not self.digits:
            why = ": the rest falls with Δ" if self.falls else " as far as rounding lets one see"
            return f"agrees with {gradient}{why}"
        many = "all digits" if self.digits >= 15 else counted(self.digits, "digit")
        return f"agrees with {gradient} in {many}"

    def one_sided(self, output: str, point: Formula) -> Formula:
        """Return the quotient of the only side on which the output has values."""
        said = []
        for over, at, change, minus in (
            (symbol(output).text, point.text, "Δ", "−"),
            (symbol(output).latex, point.latex, r"\Delta", "-"),
        ):
            sign = "+" if self.side == "right" else minus
            ends = [f"{over}({at} {sign} {change})", f"{over}({at})"]
            said.append(f" {minus} ".join(ends if self.side == "right" else reversed(ends)))
        return Formula(f"({said[0]}) / Δ", rf"\frac{{{said[1]}}}{{\Delta}}")


def at_kinks(rows: Sequence[str]) -> str:
    """Return that rows on the way have no derivative, though the output has one."""
    stands = "stands at a point" if len(rows) == 1 else "stand at points"
    return (
        f"and no rule is wrong: {_listed(rows)} on the way {stands} without a derivative, and from "
        "what is chosen there no derivative of the whole is made"
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def rounding(scale: float, step: float) -> float:
    """Return how far rounding can move the slope of a step, where values are of a size."""
    return 64 * EPS * scale / step


def exemptions(reading: Reading, node: Node) -> list[str]:
    """Return what rows that depend on a node say of gradients that are not derivatives."""
    rows = [each.op for each in reading.after({node}) if each is not node]
    return [f"{op.name}: {op.exempt}" for op in rows if op is not None and op.exempt]


def conditions(reading: Reading, node: Node) -> bool:
    """Return whether a row that depends on a node takes a condition, which a replay holds.

    A comparison gives an array of its own: the graph has it as a constant, and nobody knows any
    more whether it was made of what is moved.
    """
    for each in reading.after({node}):
        if each is node:
            continue
        pairs = zip(each.upstream or (), each.primals, strict=True)
        constants = [primal for up, primal in pairs if up is None]
        index = (each.params or {}).get("index")
        constants += index if isinstance(index, tuple) else [index]
        kinds = [getattr(one, "dtype", np.dtype(object)).kind for one in constants]
        op: Any = each.op
        if "b" in kinds or (op.name == "multiply" and any(kind in "iu" for kind in kinds)):
            return True
    return False


def policies(reading: Reading, node: Node) -> list[tuple[str, str]]:
    """Return the rows that depend on a node and are at a kink, with what they give there.

    Parameters
    ----------
    reading : Reading
        The graph.
    node : Node
        A leaf, or the result of a row.
    """
    rows: dict[str, str] = {}
    for each in reading.after({node}):
        op: Any = each.op
        if each is not node and op.kinks and op.policy and _at_kink(reading, each):
            rows[op.name] = op.policy
    return list(rows.items())


def _at_kink(reading: Reading, node: Node) -> bool:
    """Return whether a row may have been called at one of its kinks."""
    op: Any = node.op
    pairs = zip(node.upstream or (), node.primals, strict=True)
    given = [primal if up is None else reading.values.get(up, primal) for up, primal in pairs]
    arrays = [np.asarray(value) for value in given if isinstance(value, (np.ndarray, np.generic))]
    if op.params or op.kind != "elementwise" or len(arrays) < len(given):
        return True  # keywords may move the kink, and what was not kept may have been there
    if "ties" in op.kinks.values():
        return bool(np.any(arrays[0] == arrays[-1]))
    return any(np.isin(arrays[op.arguments.index(k)], at).any() for k, at in op.kinks.items())


def part_along(value: Any, along: str) -> float:
    """Return a gradient along an axis of the complex plane, a real one as it is."""
    return float(np.imag(value) if along == AXES[1j] else np.real(value))
