"""`explain`: how a number was made, and why its gradient is what it is, in words and formulas.

Knows: what an explanation consists of, in which order. Does not know: how its numbers are found
(``facts.py``) and said (``wording.py``), or pages and pictures. Read ``blocks.py`` next for the
forms of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import ExplanationError, users_line
from tinygrad_edu.errors import explain as worded
from tinygrad_edu.explain import blocks
from tinygrad_edu.explain.blocks import Block, Heading, Line
from tinygrad_edu.explain.chain import Path
from tinygrad_edu.explain.check import Check, policies
from tinygrad_edu.explain.facts import Facts, Incoming, InputStory
from tinygrad_edu.explain.given import kind, number, reading_of
from tinygrad_edu.explain.steps import seeds
from tinygrad_edu.explain.wording import Wording

__all__ = ["Explainer", "Explanation", "explain"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]


@dataclass(frozen=True)
class Explanation:
    """What `explain` found, as records and as a text.

    Parameters
    ----------
    name : str
        What is explained.
    line : str
        The user's line that made it.
    incoming : Incoming, optional
        Its gradient.
    inputs : tuple of InputStory
        The arguments of the row that made it, as far as a gradient flows to them.
    paths : tuple of Path
        The ways from it to the output.
    check : Check, optional
        Its own gradient beside the slope of a small change.
    blocks : tuple of Block
        All that in words; `text`, `markdown`, `latex` and `html` show it.
    """

    name: str
    line: str
    incoming: Incoming | None
    inputs: tuple[InputStory, ...]
    paths: tuple[Path, ...]
    check: Check | None
    blocks: tuple[Block, ...]

    @cached_property
    def text(self) -> str:
        """The text for a terminal."""
        return blocks.text(self.blocks)

    @cached_property
    def markdown(self) -> str:
        """The text as Markdown, formulas between dollars."""
        return blocks.markdown(self.blocks)

    @cached_property
    def latex(self) -> str:
        """The text as LaTeX, to be copied into a document that uses amsmath and amssymb."""
        return blocks.latex(self.blocks)

    @cached_property
    def html(self) -> str:
        """The text as a fragment of a page, formulas in MathML."""
        return blocks.html(self.blocks)

    def _repr_html_(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Explanation of {self.name}: print it, or show .html>"


def explain(
    tensor: Tensor,
    wrt: Tensor | None = None,
    *,
    at: int | tuple[int, ...] | None = None,
    delta: float = 1e-6,
    seed: Any = None,
) -> Explanation:
    """Return how a tensor was made, and how its gradient goes back; no ``.grad`` changes.

    Parameters
    ----------
    tensor : Tensor
        A loss, or any computed tensor whose graph was not freed. One that is no scalar stands for
        the sum of its elements, weighted with `seed`.
    wrt : Tensor, optional
        A leaf, or a computed tensor on the way: its gradient is explained, with the paths to the
        output. Without it the op that made `tensor` is, with all its inputs.
    at : int or tuple of int, optional
        The element that is followed: of `wrt`, else of `tensor`. By default that of the largest
        gradient.
    delta : float, positive
        The small change of the check.
    seed : array_like, optional
        The gradient that the sweep begins with; ones by default.

    Raises
    ------
    DiagramError
        `tensor` is no Tensor.
    GradientError
        `tensor` was not computed from a tensor that requires a gradient.
    ExplanationError
        `wrt` is not in the graph, there is no element `at`, or `delta` is no small number.
    FreedGraphError
        ``backward()`` has freed the graph: call it with ``retain_graph=True``.

    Examples
    --------
    >>> x = Tensor(0.5, requires_grad=True, name="x")
    >>> y = np.tanh(x)
    >>> found = explain(y)
    >>> found.inputs[0].local.text
    '∂y/∂x = 1 − y²'
    >>> found.check is None, found.inputs[0].check.verdict
    (True, 'agrees')
    """
    reading = reading_of("explain", tensor)
    root = tensor.rooted("explain")
    delta = number("explain", "delta", delta, "1e-6")
    if not delta > 0:
        fix = "leave it out, or give a small one, as in delta=1e-6"
        raise ExplanationError(worded("explain", f"delta={delta!r} is no positive number", fix=fix))
    explainer = Explainer(Facts(reading, seeds(tensor, seed, "explain"), delta))
    if wrt is None:
        return explainer.node(root, at) if root.op is not None else explainer.path(root, at)
    node = wrt.node if isinstance(wrt, Tensor) else None
    if node is None or node not in set(reading.nodes):
        state = "a constant" if isinstance(wrt, Tensor) and node is None else "not in it"
        found = state if isinstance(wrt, Tensor) else kind(wrt)
        raise ExplanationError(
            f"explain: wrt is to be a tensor of the graph behind the output, and is {found}\n"
            f"  at {users_line()}\n"
            "  fix: give a parameter, an input made with requires_grad=True, or a result on the way"
        )
    return explainer.path(node, at)


class Explainer:
    """Explains nodes of one graph, which it sweeps once.

    Parameters
    ----------
    facts : Facts
        Its numbers.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts, self.wording = facts, Wording(facts)

    def node(self, node: Node, at: int | Index | None = None) -> Explanation:
        """Return how an op made a node, and how the gradient goes back through it.

        Parameters
        ----------
        node : Node
            A node that an op made.
        at : int or tuple of int, optional
            The element of its result that is followed.
        """
        name = self.facts.reading.names[node]
        chosen = self.facts.place(node, at)
        arguments = self.facts.reading.arguments(node)
        said = [
            self.wording.heading(node),
            *self.wording.forward(node, arguments, chosen),
            *self.wording.incoming(node, chosen),
        ]
        stories: list[InputStory] = []
        for i, up in enumerate(node.upstream or ()):
            if up is None:
                continue
            story = self.facts.story(node, i, arguments, chosen)
            if story is not None and story.name in {each.name for each in stories}:
                story = replace(story, check=None)  # it is the same as above
            if story is not None:
                stories.append(story)
                said += self.wording.story(node, i, story)
        quiet = self.wording.quiet(node, arguments)
        if quiet:
            said.append(Line(quiet))
        ups = {self.facts.reading.names[up]: up for up in node.upstream or () if up is not None}
        said += self._kinks([(ups[each.name], each.check) for each in stories])
        incoming = self.facts.incoming(node, chosen)
        return Explanation(
            name, self.facts.reading.line(node), incoming, tuple(stories), (), None, tuple(said)
        )

    def path(self, node: Node, at: int | Index | None = None) -> Explanation:
        """Return how the gradient comes from the output to a node.

        Parameters
        ----------
        node : Node
            A leaf, or the result of an op.
        at : int or tuple of int, optional
            The element of it that is followed.
        """
        name = self.facts.reading.names[node]
        place = self.facts.place(node, at)
        said = [
            self.wording.heading(node),
            *self.wording.made(node, place),
            *self.wording.incoming(node, place),
        ]
        incoming = self.facts.incoming(node, place)
        found: list[Path] = []
        if node not in self.facts.seeds and node.result.size:
            found = self.facts.ways(node, place)
            said += self.wording.paths(node, place, found)
        checked = self.facts.check(node, place)
        if checked is not None:
            said += [Heading("Check"), *self.wording.check(name, place, checked, node)]
            said += self._kinks([(node, checked)])
        return Explanation(
            name, self.facts.reading.line(node), incoming, (), tuple(found), checked, tuple(said)
        )

    def _kinks(self, checks: Sequence[tuple[Node, Check | None]]) -> list[Block]:
        """Return what rows give where a check has met a kink."""
        met = [node for node, check in checks if check is not None and check.pointed]
        found = dict(row for node in met for row in policies(self.facts.reading, node))
        return [Line(f"Where {row} has no derivative: {policy}.") for row, policy in found.items()]
