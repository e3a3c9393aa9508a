"""A small change pushed forward through a graph: the meaning of a derivative, in numbers.

Knows: readings, replays and tangents. Does not know: reverse sweeps. Every row is computed once
more with the changed value, and what comes of it stands beside derivative × change; then the same
is done for smaller and smaller changes, to see what is gained and what rounding takes away. Read
``steps.py`` for the way back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.forward import push
from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.tensor import Tensor, constant, handle
from tinygrad_edu.draw.formula import formula
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.errors import ExplanationError
from tinygrad_edu.errors import explain as worded
from tinygrad_edu.explain.check import AXES, at_kinks, conditions, rounding
from tinygrad_edu.explain.formulas import called, element, largest
from tinygrad_edu.explain.given import index, kind, reading_of
from tinygrad_edu.explain.given import number as asked
from tinygrad_edu.explain.line import Line
from tinygrad_edu.explain.replay import replay, values
from tinygrad_edu.explain.steps import spelled
from tinygrad_edu.mathematics import number, signed

__all__ = ["Change", "Delta", "Finding", "Trial", "delta"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

SHOWN = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-12)
"""The changes of the table; the picture has every power of ten down to the last."""

DRAWN = tuple(10.0**-k for k in range(1, 13))


OUTSIDE = "not even between the two"
"""Said of a derivative that no slope at the kink is."""


@dataclass(frozen=True)
class Change:
    """What a small change made of one node.

    Parameters
    ----------
    name : str
        The node.
    formula : str
        What it computes; empty for the one that was changed.
    element : tuple of int
        The element that is looked at: that of the largest derivative.
    size : int
        How many there are.
    change : float
        Its new value less the old one.
    linear : float
        Its derivative, times the change at the beginning.
    others : int
        How many more of its elements changed.
    """

    name: str
    formula: str
    element: Index
    size: int
    change: float
    linear: float
    others: int = 0


@dataclass(frozen=True)
class Trial:
    """The derivative of the output, estimated with one size of the change.

    Parameters
    ----------
    delta : float
        The change.
    one_sided, central : float
        ``(f(x+Δ) − f(x)) / Δ`` and ``(f(x+Δ) − f(x−Δ)) / 2Δ``.
    error, central_error : float
        How far they are from the derivative, in double precision if the graph allows it.
    """

    delta: float
    one_sided: float
    central: float
    error: float
    central_error: float


Verdict = Literal[
    "falls", "falls and rises", "close", "straight", "kink", "jump", "vertical", "policy", "wrong",
    "by design", "not compared",
]  # fmt: skip

_ENDINGS: Mapping[Verdict, str] = {
    "falls": ". A smaller Δ comes closer to it; rounding has nothing to take away here.",
    "falls and rises": ". A smaller Δ comes closer to it, until the two values are so near each "
    "other that rounding is all that is left; the central quotient is best at Δ = {best}.",
    "close": ". The quotients come to it.",
    "straight": ". The function is straight here{held}: whatever Δ is, only rounding makes an "
    "error.",
    "kink": " by the rules, but there is none: here is a kink. However small Δ is, the slope of "
    "{output} is {left} on the left and {right} on the right; what the rules give is {place}.",
    "jump": " by the rules, but there is none: here the function jumps, so the quotient grows "
    "like 1/Δ.",
    "vertical": " by the rules, but there is none: here the tangent is vertical, so the quotient "
    "grows without end as Δ falls, more slowly than 1/Δ.",
    "policy": " by the rules, and the quotients come to {slope}, {place}.",
    "wrong": " by the rules, and the error does not fall with Δ: the quotients come to {slope}, "
    "which stays {error} away. A rule on the way is wrong.{guilty}",
    "by design": " by the rules, and the error does not fall with Δ: the quotients come to "
    "{slope}. That is by design ({reason}).",
    "not compared": ". There is nothing to compare it with: {reason}.",
}
"""What is said of a derivative, by what the trials show of it."""


@dataclass(frozen=True)
class Finding:
    """What trials of many sizes show of a derivative.

    Parameters
    ----------
    verdict : str
        ``falls``, ``falls and rises``: the error, with Δ; or ``close``, ``straight``, ``kink``,
        ``jump``, ``vertical``, ``policy``, ``wrong``, ``by design``, ``not compared``, as `explain`
        says it.
    slope : number
        What the quotients come to, before rounding takes over.
    left, right : number
        At a kink the slopes on its two sides.
    place : str
        At a kink: where between them the derivative is that the rules give.
    reason : str
        Of a gradient that is no derivative by design, or is not compared: why.
    side : str
        ``left`` or ``right`` where the output has values on that side only.
    guilty : tuple of str
        The operations whose rules are wrong.
    held : bool
        Whether conditions on the way are constants of the graph.
    exact : number, optional
        The derivative by the same rules in double precision, of a graph in a lower one.
    """

    verdict: Verdict
    slope: Any = math.nan
    left: Any = math.nan
    right: Any = math.nan
    place: str = ""
    reason: str = ""
    side: str = ""
    guilty: tuple[str, ...] = ()
    held: bool = False
    exact: Any = None


@dataclass(frozen=True)
class Delta:
    """A change pushed through a graph; print it, or let a notebook show it.

    Parameters
    ----------
    delta : float
        The change.
    output, wrt : str
        The elements that the derivative is of, and by.
    derivative : number
        As the backward sweep gives it; of a complex tensor along the real axis.
    changes : tuple of Change
        Per node on the way, in order of computation.
    trials : tuple of Trial
        Per size of the change, from the largest.
    dtype : str
        Of the graph: the derivative is rounded to it, the changes are computed in float64.
    finding : Finding
        What the trials show of the derivative.
    plane : bool
        Whether what is changed is complex: it is along the real axis.
    """

    delta: float
    output: str
    wrt: str
    derivative: Any
    changes: tuple[Change, ...]
    trials: tuple[Trial, ...]
    dtype: str
    finding: Finding
    plane: bool = False

    @property
    def known(self) -> Any:
        """The derivative that the errors are of: in double precision, where it can be had."""
        return self.derivative if self.finding.exact is None else self.finding.exact

    @property
    def best(self) -> Trial:
        """The trial whose central quotient is nearest to the derivative."""
        tried = [trial for trial in self.trials if math.isfinite(trial.central_error)]
        return min(tried or self.trials, key=lambda trial: (trial.central_error, -trial.delta))

    @property
    def _shown(self) -> tuple[Trial, ...]:
        return tuple(t for t in self.trials if any(math.isclose(t.delta, d) for d in SHOWN))

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("node", "change", "derivative × Δ", "apart by")]
        for each in self.changes:
            place = element(each.name, each.element, each.size)
            apart = number(abs(each.change - each.linear), 2)
            more = f"  (and {each.others:,} more)" if each.others else ""
            said = f"{spelled(place, each.formula)}{more}"
            rows.append((said, signed(each.change), signed(each.linear), apart))
        return rows

    @property
    def _table(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("Δ", "(f(x+Δ) − f(x)) / Δ", "error", "central", "error")]
        for each in self._shown:
            rows.append(
                (
                    number(each.delta),
                    number(each.one_sided, 10),
                    number(each.error, 2),
                    number(each.central, 10),
                    number(each.central_error, 2),
                )
            )
        return rows

    @property
    def _head(self) -> str:
        return f"{self.wrt} is changed by Δ = {number(self.delta)}; what happens to {self.output}?"

    @property
    def _moral(self) -> str:
        found = self.finding
        along = f" {AXES[1]}" if self.plane else ""
        given = f"The derivative ∂{self.output}/∂{self.wrt}{along} is {number(self.derivative, 10)}"
        said = f"{given}{_ENDINGS[found.verdict].format(**self._figures)}"
        if found.side:
            other = "left" if found.side == "right" else "right"
            said += f" All this is of the {found.side} side: on the {other} there is no number."
        if found.held and found.verdict != "straight":
            said += " The conditions on the way are held as they were."
        if self.dtype not in ("float64", "complex128"):
            said += f" The graph is {self.dtype}"
            said += (
                ", which is how exactly the derivative is known."
                if found.exact is None
                else f": the errors are those of what the same rules give in double precision, "
                f"{number(found.exact, 10)}."
            )
        return said

    @property
    def _figures(self) -> dict[str, str]:
        found = self.finding
        named = " and ".join(found.guilty)
        return {
            "output": self.output,
            "best": number(self.best.delta),
            "slope": number(found.slope, 10),
            "error": number(abs(found.slope - self.known), 2),
            "left": signed(found.left),
            "right": signed(found.right),
            "place": found.place,
            "reason": found.reason,
            "guilty": f" It is that of {named}." if named else "",
            "held": ", with the conditions held as they were" if found.held else "",
        }

    @property
    def text(self) -> str:
        """Both tables as text."""
        return "\n".join(
            [self._head, "", *_aligned(self._rows), "", *_aligned(self._table), "", self._moral]
        )

    @property
    def html(self) -> str:
        """Both tables and the picture as a fragment of a page."""
        return (
            '<div class="tg-delta">'
            f"<p>{escape(self._head)}</p>{_html_table(self._rows)}"
            f"{_html_table(self._table)}{self.svg}<p>{escape(self._moral)}</p></div>"
        )

    @property
    def svg(self) -> str:
        """The error against Δ, both on scales of powers of ten, for light and dark pages."""
        return _plot(self.trials, f"Error of the estimates of ∂{self.output}/∂{self.wrt}")

    def _repr_html_(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Delta of {self.wrt} by {number(self.delta)}: {len(self.changes)} nodes>"


def delta(
    output: Tensor, wrt: Tensor, delta: float = 1e-3, *, at: int | Sequence[int] | None = None
) -> Delta:
    """Return what becomes of a small change on its way through a graph.

    Parameters
    ----------
    output : Tensor
        A loss, or any tensor whose graph was not freed; of several elements that with the largest
        derivative is looked at.
    wrt : Tensor
        The one that is changed: a leaf, or a result on the way.
    delta : float
        The change, in the units of `wrt`; finite and not 0.
    at : int or sequence of int, optional
        The element of `wrt` that is changed; by default that of the largest gradient.

    Raises
    ------
    DiagramError
        `output` is no Tensor.
    ExplanationError
        `delta` is 0 or not finite, `output` does not depend on `wrt`, `at` is no element of it, or
        a value is lost.
    FreedGraphError
        ``backward()`` has freed the graph: call it with ``retain_graph=True``.

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> y = x * x
    >>> for line in delta(y, x, 0.5).text.splitlines()[:5]:
    ...     print(line)
    x is changed by Δ = 0.5; what happens to y?
    <BLANKLINE>
    node       change  derivative × Δ  apart by
    x            +0.5            +0.5         0
    y = x · x   +3.25              +3      0.25
    """
    reading = reading_of("delta", output)
    start = wrt.node if isinstance(wrt, Tensor) else None
    if start is None or start not in reading.consumers:
        what = "that tensor" if isinstance(wrt, Tensor) else kind(wrt)
        fix = "give a tensor that it was computed from, such as a parameter"
        raise ExplanationError(worded("delta", f"the output does not depend on {what}", fix=fix))
    delta = asked("delta", "delta", delta, "1e-3")
    if not delta:
        raise ExplanationError(
            worded("delta", "a change of 0 shows nothing", fix="give one, as in delta=1e-3")
        )
    for each, what in ((reading.roots[0], "the output"), (start, reading.names[start])):
        if not each.result.size:
            shape = f"{what} has no elements, its shape is {each.result.shape}"
            fix = "give tensors that have some"
            raise ExplanationError(worded("delta", f"{shape}: nothing can be changed", fix=fix))
    place = _place(reading, start, at)
    tangents = _tangents(reading, start, place)
    root = reading.roots[0]
    end = largest(tangents[root])
    lines = _lines(reading, start, place, end)
    derivative = _derivative(reading, lines, start, place)
    known = _joined([line.derivative(line.axes[1]) for line in lines])
    old = replay(reading, {start: _value(reading, start)})

    def moved(by: float) -> dict[Node, Array]:
        changed = old[start].copy()
        changed[place] += by
        return replay(reading, {start: changed})

    new = moved(delta)
    changes = []
    for node in reading.nodes:
        if node not in tangents:
            continue
        here = place if node is start else largest(tangents[node])
        arguments = [called(each) for each in reading.arguments(node)]
        text = "" if node is start else formula(node, arguments)
        apart = (new[node][here] - old[node][here]).item()
        # Of the output it is what the backward sweep gives, which need not be the same.
        linear = derivative * delta if node is root else (tangents[node][here] * delta).item()
        size = int(np.prod(new[node].shape))
        moved_too = int(np.count_nonzero(new[node] != old[node])) - bool(apart)
        changes.append(Change(reading.names[node], text, here, size, apart, linear, moved_too))
    trials = []
    for step in DRAWN:
        above, below, middle = (x[root][end].item() for x in (moved(step), moved(-step), old))
        one, both = (above - middle) / step, (above - below) / (2 * step)
        trials.append(Trial(step, one, both, abs(one - known), abs(both - known)))
    return Delta(
        delta,
        element(reading.names[root], end, root.result.size),
        element(reading.names[start], place, start.result.size),
        derivative,
        tuple(changes),
        tuple(trials),
        str(root.result.dtype),
        _found(lines, trials, known, (old[start][place], old[root][end])),
        start.result.dtype.kind == "c",
    )


def _place(reading: Reading, start: Node, at: int | Sequence[int] | None) -> Index:
    """Return the element that is changed."""
    shape = start.result.shape
    if at is None:
        gradient = reading.sweep().cotangents.get(start)
        return largest(gradient if gradient is not None else np.zeros(shape))
    return index("delta", reading.names[start], shape, at)


def _lines(reading: Reading, start: Node, place: Index, end: Index) -> list[Line]:
    """Return the element of the output along that of the start; a complex one as two parts."""
    root = reading.roots[0]
    lines = []
    for part in (1, -1j) if root.result.dtype.kind == "c" else (1,):
        seed = np.zeros(root.result.shape, root.result.dtype)
        seed[end] = part  # the real part of −i times a number is its imaginary part
        lines.append(Line(reading, {root: seed}, start, place))
    return lines


def _derivative(reading: Reading, lines: Sequence[Line], start: Node, place: Index) -> Any:
    """Return what the backward sweep of the graph gives, along the real axis."""
    found = []
    for line in lines:
        g = reading.sweep(line.seeds).cotangents.get(start)
        found.append(0.0 if g is None else float(np.real(g[place])))
    return _joined(found)


def _joined(parts: Sequence[float]) -> Any:
    """Return a number, or a complex one of two parts."""
    return parts[0] if len(parts) == 1 else complex(*parts)


def _found(
    lines: Sequence[Line], trials: Sequence[Trial], known: Any, at: tuple[Any, Any]
) -> Finding:
    """Return what is to be thought of a derivative, and how the error of the trials goes."""
    parts = [line.judged() for line in lines]
    judged = next((each for each in parts if each.verdict != "agrees"), parts[0])
    seen = judged.look
    slopes = [each.look.slope for each in parts if each.look is not None and each.look.slope]
    found = Finding(
        "straight",
        _joined([slope.value for slope in slopes]) if len(slopes) == len(parts) else math.nan,
        reason=judged.reason,
        side=seen.side if seen is not None else "",
        guilty=judged.guilty,
        held=conditions(lines[0].reading, lines[0].node),
        exact=known if any(line.doubled for line in lines) else None,
    )
    if seen is not None and seen.left is not None and seen.right is not None:
        found = replace(found, left=seen.left.value, right=seen.right.value)
    match judged.verdict:
        case "agrees":
            eps = max(line.swept.eps for line in lines)
            return replace(found, verdict=_course(trials, known, at, eps))
        case "kink":
            place = _between(judged.derivative, found.left, found.right)
            if place == OUTSIDE and judged.rows:
                rows = " and ".join(judged.rows)
                place += f": it comes of what {rows} gives at a kink of its own"
            return replace(found, verdict="kink", place=place)
        case "policy":
            return replace(found, verdict="policy", place=at_kinks(judged.rows))
        case "DISAGREES" if seen is not None and seen.kind == "kink":
            place = _between(judged.derivative, found.left, found.right)
            return replace(found, verdict="kink", place=f"{place}, so a rule on the way is wrong")
        case "DISAGREES":
            return replace(found, verdict="wrong")
        case _:
            return replace(found, verdict=judged.verdict)


def _course(trials: Sequence[Trial], known: Any, at: tuple[Any, Any], eps: float) -> Verdict:
    """Return how the error of trials goes, of a derivative that is one."""
    errors = [
        [error for error in (t.error, t.central_error) if math.isfinite(error)] for t in trials
    ]
    tried = [(t, each) for t, each in zip(trials, errors, strict=True) if each]
    if len(tried) < 2:
        return "close"
    start, end = at
    quotients = [abs(q) for t, _ in tried for q in (t.one_sided, t.central) if np.isfinite(q)]
    scale = max(float(abs(end)), float(abs(start)) * max(quotients))
    rounded = rounding(scale, tried[0][0].delta)
    first, second = (max(each) for _, each in tried[:2])
    flat = first <= rounded + 16 * eps * abs(known) and second >= first / 2
    least = min(min(each) for _, each in tried[1:])
    if flat or first <= rounded / 16 or least >= first:
        return "straight"
    turns = tried[-1][1][0] > min(each[0] for _, each in tried)
    return "falls and rises" if turns else "falls"


def _between(derivative: Any, left: Any, right: Any) -> str:
    """Return where a derivative is that is given at a kink."""
    close = 1e-3 * max(abs(left), abs(right))
    for said, value in (
        ("the slope on the left", left),
        ("the slope on the right", right),
        ("the mean of the two", (left + right) / 2),
    ):
        if abs(derivative - value) <= close:
            return said
    low, high = sorted((np.real(left), np.real(right)))
    if low <= np.real(derivative) <= high:
        return "between the two"
    return OUTSIDE


def _value(reading: Reading, start: Node) -> Array:
    found = values(reading, {start})
    if start not in found:
        raise ExplanationError(
            f"delta: the graph did not keep the value of {reading.names[start]}, and a constant "
            "that it was\n  computed from is lost\n  fix: change one of its inputs instead"
        )
    return found[start]


def _tangents(reading: Reading, start: Node, place: Index) -> dict[Node, Array]:
    """Return the derivatives of all that depends on a node by one of its elements."""
    nodes = [node for node in reading.after({start}) if node is not start]
    one = np.zeros(start.result.shape, start.result.dtype)
    one[place] = 1
    with np.errstate(all="ignore"):
        found = push(
            [handle(node.result, node) for node in nodes],
            [handle(start.result, start)],
            [constant(one)],
            recorded=False,
        )
    pairs = zip(nodes, found, strict=True)
    return {start: one, **{node: tangent.numpy() for node, tangent in pairs}}


# ------------------------------------------------------------------------------------------- tables


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as lines: texts to the left, numbers to the right."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(wide[0]), *(t.rjust(w) for t, w in zip(row[1:], wide[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]


def _html_table(rows: list[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in rows[0])
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(text)}</td>" for text in row[1:])
        + "</tr>"
        for row in rows[1:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


# ------------------------------------------------------------------------------------------ picture

_WIDE, _HIGH, _LEFT, _TOP, _BOTTOM = 460, 300, 64, 34, 44


def _plot(trials: Sequence[Trial], title: str) -> str:
    """Return two curves over powers of ten as SVG; without any error a curve lies on the floor."""
    errors = [error for t in trials for error in (t.error, t.central_error)]
    powers = [math.log10(e) for e in errors if e > 0 and math.isfinite(e)]
    low, high = math.floor(min(powers, default=-16)) - 1, math.ceil(max(powers, default=0))
    high = max(high, low + 2)
    first, last = math.log10(trials[0].delta), math.log10(trials[-1].delta)
    wide, high_px = _WIDE - _LEFT - 16, _HIGH - _TOP - _BOTTOM

    def x(power: float) -> float:
        return round(_LEFT + wide * (first - power) / (first - last), 1)

    def y(power: float) -> float:
        return round(_TOP + high_px * (high - power) / (high - low), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {_WIDE} {_HIGH}" class="tg-plot" font-size="12" '
        f'font-family="Arial, Helvetica, sans-serif" style="max-width:{_WIDE}px;height:auto">',
        f"<title>{escape(title)}</title>",
        "<style>.tg-plot{--ink:#333;--line:#d5dae0;--one:#0072b2;--two:#c2500a}"
        "@media(prefers-color-scheme:dark){.tg-plot{--ink:#e6e9ee;--line:#3c4550;--one:#6cb8ea;"
        "--two:#ff9a4d}}</style>",
    ]
    step = max(1, round((high - low) / 8))
    for power in range(low, high + 1, step):
        parts.append(
            f'<path d="M{_LEFT} {y(power)}H{_LEFT + wide}" stroke="var(--line)"/>'
            f'<text x="{_LEFT - 6}" y="{y(power) + 4}" text-anchor="end" fill="var(--ink)">'
            f"{_ten(power)}</text>"
        )
    for trial in trials:
        power = round(math.log10(trial.delta))
        parts.append(f'<path d="M{x(power)} {_TOP}v{high_px}" stroke="var(--line)"/>')
        if power % 2 == 0:
            parts.append(
                f'<text x="{x(power)}" y="{_TOP + high_px + 16}" text-anchor="middle" '
                f'fill="var(--ink)">{_ten(power)}</text>'
            )
    parts.append(
        f'<text x="{_LEFT + wide / 2}" y="{_HIGH - 8}" text-anchor="middle" fill="var(--ink)">'
        f'Δ, smaller and smaller</text><text x="{_LEFT}" y="16" fill="var(--ink)">error</text>'
    )
    curves = (
        ("error", "one", "", "(f(x+Δ) − f(x)) / Δ"),
        ("central_error", "two", "5 3", "central"),
    )
    for k, (name, colour, dash, said) in enumerate(curves):
        points = []
        for trial in trials:
            error = getattr(trial, name)
            if math.isfinite(error):
                at = max(math.log10(error), low) if error > 0 else low
                points.append((x(math.log10(trial.delta)), y(at)))
        line = "L".join(f"{a} {b}" for a, b in points)
        ink = f'stroke="var(--{colour})"'
        dots = "".join(
            f'<circle cx="{a}" cy="{b}" r="3.5" fill="var(--{colour})"/>'
            if not k
            else f'<path d="M{a - 3:.1f} {b - 3:.1f}h6v6h-6z" fill="var(--{colour})"/>'
            for a, b in points
        )
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        start = _LEFT + 90 + 150 * k
        parts.append(
            f'<path d="M{line}" fill="none" {ink} stroke-width="2"{dashed}/>{dots}'
            f'<path d="M{start} 12h26" {ink} stroke-width="2"{dashed}/>'
            f'<text x="{start + 32}" y="16" fill="var(--ink)">{said}</text>'
        )
    return "".join([*parts, "</svg>"])


def _ten(power: int) -> str:
    return f'10<tspan dy="-4" font-size="9">{str(power).replace("-", "−")}</tspan>'
