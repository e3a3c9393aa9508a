"""The picture of a captured program: its lines, or the ops that made them, in their passes.

Knows: the records of a program. Does not know: arrays, tensors, or any drawing tool. Read
``picture.py`` for what a picture is made of, and ``capture/source.py`` for the records.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from tinygrad_edu.capture import Instruction, Program
from tinygrad_edu.draw.direction import page_direction
from tinygrad_edu.draw.picture import Card, Cluster, Edge, Line, Picture, Rankdir
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.mathematics import dims

__all__ = ["program_picture"]

Step = tuple[Instruction, ...]

FEW = 24
"""So many lines are drawn one by one, unless asked otherwise."""
SHOWN = 3
"""So many lines of an op are written on its card."""

_PASSES = {
    "forward": "from the arguments to the result",
    "backward": "from the result to the gradients",
    "update": "of the state",
}


def program_picture(
    program: Program,
    *,
    level: str = "auto",
    rankdir: Rankdir | Literal["auto"] = "auto",
    limit: int = 400,
    title: str = "",
    theme: str = "light",
    legend: bool = True,
) -> Picture:
    """Return the picture of a captured program: each pass in a box of its own.

    Parameters
    ----------
    program : Program
        What `capture` has returned.
    level : {"auto", "op", "line"}
        ``"line"`` has a card for each line of the text, ``"op"`` one for what an op has made of
        lines that follow each other. By default a short program is drawn by lines.
    rankdir : {"auto", "LR", "TB"}
        Left to right, or top to bottom; by default downwards where the text would otherwise be too
        small to be read on a page.
    limit : int
        At most so many cards; later ones become one.
    title : str
        Head of the picture; by default the name of the program.
    theme : {"light", "dark"}
        Colours.
    legend : bool
        Whether to explain the colours that occur.

    Raises
    ------
    DiagramError
        `level` has no such value, or the limit is below 1.
    """
    if level not in ("auto", "op", "line") or limit < 1:
        raise DiagramError(
            f"draw: level={level!r}, limit={limit!r} for a program\n"
            "  fix: level is 'auto', 'op' or 'line'; the limit is at least 1"
        )
    by_line = level == "line" or (level == "auto" and len(program.instructions) <= FEW)
    steps = [(each,) for each in program.instructions] if by_line else _by_op(program.instructions)
    note = ""
    if len(steps) > limit:
        rest = len(steps) - limit + 1
        merged = tuple(line for step in steps[limit - 1 :] for line in step)
        steps = [*steps[: limit - 1], merged]
        note = f"{rest:,} steps at the end are drawn as one: limit={limit}."
    drawn = _Drawn(program)
    for step in steps:
        drawn.add(step)
    drawn.finish()
    picture = Picture(
        tuple(drawn.cards),
        tuple(drawn.edges),
        tuple(drawn.clusters),
        legend=None if legend else (),
        title=title or f"program {program.name}",
        theme=theme,
        note=note,
    )
    return replace(picture, rankdir=page_direction(picture) if rankdir == "auto" else rankdir)


def _by_op(instructions: Sequence[Instruction]) -> list[Step]:
    """Return the lines in groups: neighbours that one op has made, at one line of the user's."""
    groups = itertools.groupby(
        instructions, lambda each: (each.phase, each.row, each.line, each.number if each.row else 0)
    )
    return [tuple(group) for _, group in groups]


class _Drawn:
    """Cards and edges, as the lines of a program come.

    Attributes
    ----------
    cards, edges, clusters : list
        What is drawn so far.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.cards: list[Card] = []
        self.edges: list[Edge] = []
        self.clusters: list[Cluster] = []
        self._setter: dict[str, str] = {}  # name -> card that has set it
        # Memory -> name -> card that has changed it last under this name, in order.
        self._writers: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._shapes: dict[str, str] = {}
        state = {**program.state, **program.parts}
        self._sizes = {name: array.size for name, array in state.items()}
        self._given = {each.name: _shape(each) for each in program.inputs}
        self._state = {name: _shape(array) for name, array in state.items()}
        self._constants = {name: _shape(array) for name, array in program.constants.items()}

    def add(self, step: Step) -> None:
        """Draw one step."""
        phase, key = step[0].phase, f"step{len(self.cards)}"
        if all(cluster.id != phase for cluster in self.clusters):
            self.clusters.append(Cluster(phase, phase, detail=_PASSES[phase]))
        made: set[str] = set()
        read: dict[str, None] = {}
        for line in step:
            read.update(dict.fromkeys(name for name in line.reads if name not in made))
            # What the step has set, or written over, it has not from others.
            made.update((*line.targets, *line.writes))
        sources = {name: self._sources(name) for name in read}
        card = _card(key, step, phase)
        self.cards.append(card)
        for name, tails in sources.items():
            for tail in tails:
                self._join(tail, key, name)
        for line in step:
            for name in line.targets:
                self._setter[name] = key
                self._shapes[name] = _shape(line)
                self._sizes[name] = math.prod(line.shape)
            for name in line.writes:
                writers = self._writers[self._memory(name)]
                if self._is_whole(name):
                    writers.clear()
                writers.pop(name, None)
                writers[name] = key

    def finish(self) -> None:
        """Draw what is returned."""
        for name in self.program.outputs:
            key = f"returned {name}"
            tails = self._sources(name)
            shape = self._shapes.get(name, "")
            lines = (Line(shape, "grey"),) if shape else ()
            self.cards.append(Card(key, "output", name, "returned", lines))
            for tail in tails:
                self._join(tail, key, name)

    def _memory(self, name: str) -> str:
        return self.program.memory.get(name, name)

    def _is_whole(self, name: str) -> bool:
        """Return whether a name stands for all of its memory, and not for a view of a part."""
        memory = self._memory(name)
        same = [size for other, size in self._sizes.items() if self._memory(other) == memory]
        return self._sizes.get(name, 0) >= max(same, default=0)

    def _sources(self, name: str) -> list[str]:
        """Return the cards that a value comes from: who has set it, and who has changed it.

        The whole of a memory comes from all who have changed parts of it; a part from who has
        changed it under its own name, or the whole.
        """
        writers = self._writers[self._memory(name)]
        own = [key for other, key in writers.items() if other == name or self._is_whole(other)]
        found = list(writers.values()) if self._is_whole(name) else own[-1:]
        if not found or (name in self._setter and name not in writers):
            found.append(self._setter[name] if name in self._setter else self._leaf(name))
        return list(dict.fromkeys(found))

    def _role(self, key: str) -> Any:
        return next(card.role for card in self.cards if card.id == key)

    def _leaf(self, name: str) -> str:
        """Return the card of an argument, a state or a constant, drawn when it is first read."""
        key = f"given {name}"
        if all(card.id != key for card in self.cards):
            kinds: tuple[tuple[dict[str, str], Any, str], ...] = (
                (self._given, "input", "argument"),
                (self._state, "parameter", "state"),
                (self._constants, "constant", "constant"),
            )
            shapes, role, word = next(kind for kind in kinds if name in kind[0])
            self.cards.append(Card(key, role, name, word, (Line(shapes[name], "grey"),)))
        return key

    def _join(self, tail: str, head: str, name: str) -> None:
        role = self._role(tail)
        style: Any = {"parameter": "parameter", "constant": "constant"}.get(role, "data")
        label = (Line(name, "normal"),) if role == "op" else ()
        for i, edge in enumerate(self.edges):
            if (edge.tail, edge.head) == (tail, head):
                words = (*edge.lines, *label)
                self.edges[i] = Edge(tail, head, tuple(dict.fromkeys(words)), style)
                return
        self.edges.append(Edge(tail, head, label, style))


def _card(key: str, step: Step, phase: str) -> Card:
    """Return the card of one line, or of the lines of an op."""
    first = step[0]
    if len(step) == 1:
        title = first.targets[0] if first.targets else ", ".join(first.writes) or "check"
        lines: tuple[Line, ...] = (Line(first.text), Line(_shape(first), "grey"))
    else:
        title = first.row or first.line.partition(": ")[2].partition(" = ")[0] or phase
        title = f"backward of {title}" if phase == "backward" and first.row else title
        rest = len(step) - SHOWN
        lines = tuple(Line(each.text) for each in step[:SHOWN])
        lines += (Line(f"… {rest:,} more lines", "grey"),) if rest > 0 else ()
    tooltip = "\n".join([first.line, *(each.text for each in step)])
    check = all(each.text.startswith("assert ") for each in step)
    return Card(key, "op", title, "", lines, tooltip=tooltip, cluster=phase, pale=check)


def _shape(array: Any) -> str:
    """Return shape and dtype in a few words."""
    return f"{dims(array.shape)} {array.dtype}"
