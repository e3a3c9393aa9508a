"""`draw`: the graph behind a tensor, or of a module, as a picture.

Knows: which level of detail a graph is drawn at, and in which order a picture is made: read, laid
out in cards, folded, heated. Does not know: what is on a card (``cards.py``), or any drawing tool.
It changes nothing. Read next: ``reading.py``, ``opgraph.py``, ``modulegraph.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from tinygrad_edu.capture import Program
from tinygrad_edu.core.graph import Leaf, Node
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.switch import enable_grad
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.tree import flatten
from tinygrad_edu.draw.cards import Cards, Look
from tinygrad_edu.draw.clusters import Clusters
from tinygrad_edu.draw.diagram import Diagram
from tinygrad_edu.draw.direction import page_direction
from tinygrad_edu.draw.fold import Expand, demand_titles, folded
from tinygrad_edu.draw.grouping import groups, plans
from tinygrad_edu.draw.heat import Heat, costs, heated
from tinygrad_edu.draw.modulegraph import module_picture
from tinygrad_edu.draw.opgraph import op_picture
from tinygrad_edu.draw.options import Level, refuse_wrong
from tinygrad_edu.draw.picture import Picture, Rankdir
from tinygrad_edu.draw.programs import program_picture
from tinygrad_edu.draw.reading import Reading, Sweep, read
from tinygrad_edu.draw.render import Engine, Format
from tinygrad_edu.draw.scalargraph import is_scalar, scalar_picture
from tinygrad_edu.draw.words import a_kind
from tinygrad_edu.errors import (
    DiagramError,
    GradientTypeError,
    LayerError,
    describe_line,
    users_frame,
    users_line,
)
from tinygrad_edu.nn.module import Module

__all__ = ["Drawing", "draw", "drawing", "traced"]

_FOLDABLE = 4  # times limit: so many cards may become few enough by folding
LONG = 12  # cards in a row from which equal ones are drawn once


@dataclass(frozen=True)
class Drawing:
    """A picture, with the nodes behind its cards: what a page adds explanations to.

    Attributes
    ----------
    picture : Picture
        What is drawn.
    nodes : mapping of str to tuple of Node
        Per ``id`` of a card the nodes that it stands for; constants and outputs have none.
    level : str
        The level that it was drawn at.
    """

    picture: Picture
    nodes: Mapping[str, tuple[Node, ...]]
    level: Literal["scalar", "op", "module"]


def draw(
    output: Any,
    *example: Any,
    level: Level = "auto",
    grad: bool | Literal["auto"] = "auto",
    rankdir: Rankdir | Literal["auto"] = "auto",
    values: int = 9,
    histogram: bool = True,
    show: Sequence[str] = ("shape", "dtype"),
    fold: bool | Literal["auto"] = "auto",
    depth: int | None = None,
    expand: Expand = None,
    heat: Heat | Sequence[Heat] | None = None,
    limit: int = 400,
    title: str = "computational graph",
    theme: str = "light",
    legend: bool = True,
    format: Format = "svg",
    engine: Engine = "auto",
) -> Diagram:
    """Return the graph that a tensor was computed by, as a diagram.

    Parameters
    ----------
    output : Tensor, list of Tensor, Module, or Program
        A loss, or any results; their graph must not have been freed by ``backward()``. A module is
        run with the example, in evaluation mode, and is afterwards as it was. A captured program
        is drawn by its lines (``level="scalar"``) or ops, each pass in a box of its own.
    *example : int, or array_like
        For a module: the shape of an input, as in ``draw(net, 1, 784)``, or the inputs themselves.
    level : {"auto", "scalar", "op", "module"}
        ``"scalar"`` writes each number, and its gradient, on an edge; ``"op"`` has a card for each
        operation; ``"module"`` one for each call of a module, or, where none was called, for each
        line of the source. By default a graph whose tensors are all single numbers, at most 60, is
        drawn as such, one of at most `limit` operations by them, and a larger one by modules.
    grad : bool or "auto"
        Whether to draw how the gradient flows back. By default it is drawn once ``backward()`` has
        given a leaf its gradient. The numbers are computed anew, so no ``.grad`` changes; results
        that are no scalars are seeded with ones.
    rankdir : {"auto", "LR", "TB"}
        Left to right, or top to bottom; by default downwards where the text would otherwise be too
        small to be read on a page.
    values : int
        Arrays of at most so many elements show their numbers, larger ones a histogram.
    histogram : bool
        Whether larger arrays show a histogram of 12 bars.
    show : sequence of {"shape", "dtype", "line"}
        What is written beside: shapes, dtypes (on an edge where it changes), lines of the source.
    fold : bool or "auto"
        Whether equal neighbours are drawn once, as ``× 3``. By default they are where more than 12
        cards would stand in a row, unless ``heat`` is to tell them apart.
    depth : int, optional
        How many levels of modules are opened; all that find room by default.
    expand : sequence of str, or callable, optional
        Which of the folded are drawn one by one: titles such as ``"block.2"``, or a function.
    heat : {"time", "memory", "flops", "grad"}, or several, optional
        What is measured, and drawn as a fill and a bar on each card.
    limit : int
        At most so many cards of operations or modules. ``level="op"`` draws the latest; otherwise
        so much is drawn as one card that all find room, and the picture says so.
    title : str
        Read aloud by screen readers, and the head of the text form.
    theme : {"light", "dark"}
        Colours.
    legend : bool
        Whether to explain the colours that occur.
    format : {"svg", "png", "pdf", "html", "dot", "mermaid", "json", "text"}
        What a notebook shows.
    engine : {"auto", "dot", "pygraphviz", "own"}
        The tool that draws; the first that is installed by default.

    Raises
    ------
    FreedGraphError
        ``backward()`` has freed the graph: draw before it, or call it with ``retain_graph=True``.
    DiagramError
        `output` is none of these, or an option has no such value.
    LayerError
        A module has no example, or no result with a graph.

    Examples
    --------
    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> diagram = draw(w * w)
    >>> diagram
    <Diagram 'computational graph': 3 cards, 3 edges>
    """
    refuse_wrong(
        level=level, grad=grad, rankdir=rankdir, values=values, histogram=histogram, show=show,
        fold=fold, depth=depth, expand=expand, heat=heat, limit=limit, title=title, theme=theme,
        legend=legend, format=format, engine=engine,
    )  # fmt: skip
    if isinstance(output, Program):
        by = {"auto": "auto", "scalar": "line"}.get(level, "op")
        named = "" if title == "computational graph" else title
        picture = program_picture(
            output, level=by, rankdir=rankdir, limit=limit, title=named, theme=theme, legend=legend
        )
        return Diagram(picture, format=format, engine=engine)
    if isinstance(output, Module):
        reading = traced("draw", output, example)
        grad = grad is True  # what its parameters' gradients are was no matter of this example
    elif example:
        raise DiagramError(
            f"draw: an example is for a module, and {a_kind(output)} was given\n"
            f"  at {users_line()}\n  fix: draw(net, 1, 784) or draw(loss)"
        )
    else:
        reading = read("draw", output, "a Tensor, a list of them, a Module or a Program")
    found = drawing(
        reading, level=level, grad=grad, values=values, histogram=histogram, show=show, fold=fold,
        depth=depth, expand=expand, heat=heat, limit=limit,
    )  # fmt: skip
    picture = found.picture
    if rankdir == "auto":
        rankdir = page_direction(picture)
    picture = replace(
        picture, rankdir=rankdir, legend=None if legend else (), title=title, theme=theme
    )
    return Diagram(picture, format=format, engine=engine)


def drawing(
    reading: Reading,
    sweep: Sweep | None = None,
    *,
    level: Level = "auto",
    grad: bool | Literal["auto"] = "auto",
    values: int = 9,
    histogram: bool = True,
    show: Sequence[str] = ("shape", "dtype"),
    fold: bool | Literal["auto"] = "auto",
    depth: int | None = None,
    expand: Expand = None,
    heat: Heat | Sequence[Heat] | None = None,
    limit: int = 400,
) -> Drawing:
    """Return the picture of a graph that was read already, with the nodes behind its cards.

    Parameters
    ----------
    reading : Reading
        The graph.
    sweep : Sweep, optional
        Its gradients, if they are known; they are then drawn.
    level, grad, values, histogram, show, fold, depth, expand, heat, limit
        As in `draw`.
    """
    refuse_wrong(
        level=level, grad=grad, values=values, histogram=histogram, show=show, fold=fold,
        depth=depth, expand=expand, heat=heat, limit=limit,
    )  # fmt: skip
    if sweep is None and reading.roots:
        leaves = (node for node in reading.nodes if isinstance(node, Leaf))
        if grad is True or (grad == "auto" and any(leaf.grad is not None for leaf in leaves)):
            sweep = reading.sweep()
    cards = Cards(reading, sweep, Look(values, histogram, frozenset(show)))
    found = _drawing(cards, level, fold, expand, bool(heat), depth, limit)
    found = replace(found, picture=replace(found.picture, note=_noted(found.picture, cards)))
    kinds: Sequence[Any] = (heat,) if isinstance(heat, str) else heat or ()
    if kinds:
        measured = [costs(reading, kind) for kind in kinds]
        hot = heated(found.picture, found.nodes, *measured)
        if len(kinds) > 1:
            words = f"The fill shows {kinds[0]}; there is a bar each for {' and '.join(kinds)}."
            hot = replace(hot, note=f"{hot.note} {words}".strip())
        found = replace(found, picture=hot)
    return found


def _drawing(
    cards: Cards,
    level: Level,
    fold: bool | Literal["auto"],
    expand: Expand,
    measured: bool,
    depth: int | None,
    limit: int,
) -> Drawing:
    """Return the drawing at the level that is asked for, or that finds room."""
    reading = cards.reading
    shorten = partial(_shortened, fold, expand, measured)
    count = sum(node.op is not None for node in reading.nodes)
    if level == "scalar" or (level == "auto" and is_scalar(reading)):
        if not all(node.result.size == 1 for node in reading.nodes):
            raise DiagramError(
                'draw: level="scalar" is for graphs whose tensors are all single numbers\n'
                f'  at {users_line()}\n  fix: level="op"'
            )
        picture, nodes = scalar_picture(cards)
        demand_titles(expand, picture.clusters)
        return Drawing(picture, nodes, "scalar")
    if level == "op" or not count or (level == "auto" and count <= _FOLDABLE * limit):
        picture, nodes = op_picture(cards, limit if level == "op" else count or 1, depth)
        picture = shorten(picture)
        if level == "op" or _visible(picture) <= limit:
            return Drawing(picture, nodes, "op")
    clusters = Clusters(reading, depth)
    tried = 0
    for plan in plans(reading, clusters.paths, depth, limit):
        tried += 1
        found = groups(reading, clusters.paths, plan)
        if not plan.fewest <= len(found) <= _FOLDABLE * limit:
            continue
        picture, nodes = module_picture(cards, Clusters(reading), found)
        picture = shorten(picture)
        if _visible(picture) <= limit:
            break
    if level == "auto" or tried > 1:
        many = f"{count:,} operations are too many for limit={limit:,}: {plan.said}."
        whole = "" if level != "auto" else f' level="op", limit={count} draws all.'
        picture = replace(picture, note=many + whole)
    return Drawing(picture, nodes, "module")


def _shortened(
    fold: bool | Literal["auto"], expand: Expand, measured: bool, picture: Picture
) -> Picture:
    """Return the picture folded, if that is wanted."""
    if fold == "auto":
        fold = expand is not None or (not measured and _longest(picture) > LONG)
    if fold:
        return folded(picture, expand)
    demand_titles(expand, picture.clusters)
    return picture


def _noted(picture: Picture, cards: Cards) -> str:
    """Return the note of a picture with what a reader must know of the tensors behind it."""
    outputs, said = cards.reading.outputs, [picture.note] if picture.note else []
    bare = [k for k, output in enumerate(outputs, 1) if output.node is None]
    if bare:
        what = (
            "Nothing"
            if len(bare) == len(outputs)
            else f"Of result {', '.join(map(str, bare))} nothing"
        )
        said.append(
            f"{what} was recorded: it depends on no tensor made with requires_grad=True, or was "
            "computed under no_grad()."
        )
    if cards.complex:
        said.append(
            "The gradient of a complex number is ∂/∂x + i ∂/∂y, as .grad holds it: on its way back "
            "complex local derivatives are conjugated."
        )
    return " ".join(said)


def _visible(picture: Picture) -> int:
    """Return how many cards stand for operations."""
    return sum(card.role in ("op", "module") for card in picture.cards)


def _longest(picture: Picture) -> int:
    """Return how many cards of operations stand one after the other."""
    rank: dict[str, int] = {card.id: int(card.role in ("op", "module")) for card in picture.cards}
    own = dict(rank)
    heads: dict[str, list[str]] = {card.id: [] for card in picture.cards}
    waiting = dict.fromkeys(rank, 0)
    for edge in picture.edges:
        if not edge.recurrent:
            heads[edge.tail].append(edge.head)
            waiting[edge.head] += 1
    ready = [name for name, count in waiting.items() if not count]
    while ready:
        tail = ready.pop()
        for head in heads[tail]:
            rank[head] = max(rank[head], rank[tail] + own[head])
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    return max(rank.values(), default=0)


def traced(who: str, module: Module, example: Sequence[Any]) -> Reading:
    """Return the graph of what a module computes of an example, in evaluation mode.

    Parameters
    ----------
    who : str
        The function that asks, for errors.
    module : Module
        It is afterwards as it was.
    example : sequence
        The shape of an input, as ints, or the inputs.

    Raises
    ------
    LayerError
        There is no example, or no result has a graph.
    """
    kind, here = type(module).__name__, users_frame(2)
    if not example:
        raise LayerError(
            f"{who}: found no example for {kind}; expected the shape of an input, or inputs\n"
            f"  at {describe_line(here.f_code, here.f_lasti)}\n"
            "  fix: give one, as in net.draw(1, 784)"
        )
    # What the graph keeps of a Tensor is the array itself, which tells later what it is called.
    example = [
        Tensor(part) if isinstance(part, np.ndarray) and part.dtype.kind in "fc" else part
        for part in example
    ]
    with enable_grad():
        inputs, result = module.trial(*example)
        results = _recorded(result)
        frozen = any(not parameter.requires_grad for parameter in module.parameters())
        if not results or frozen or _lost(results, inputs):
            # What is done to constants alone leaves no trace, and is to be seen all the same.
            moving = [_moving(part) for part in inputs]
            try:
                again = module.trial(*moving)
                inputs, results = again[0], _recorded(again[1]) or results
            except GradientTypeError:
                pass  # it takes its input as an array, which one that is recorded refuses
    if not results:
        raise LayerError(
            f"{who}: no result of {kind} has a graph, since it has no parameters\n"
            f"  at {describe_line(here.f_code, here.f_lasti)}\n"
            "  fix: give an input of a floating dtype, through which gradients flow"
        )
    try:
        names = list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        names = []
    arrays = {
        name: value.numpy() if isinstance(value, Tensor) else value
        for name, value in zip(names, inputs, strict=False)
        if isinstance(value, (Tensor, np.ndarray))
    }
    return Reading(results, arrays, (here.f_code, here.f_lasti))


def _recorded(result: Any) -> list[Tensor]:
    """Return the tensors in a result that have a graph."""
    leaves, _ = flatten(result)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.requires_grad]


def _lost(results: Sequence[Tensor], inputs: Sequence[Any]) -> bool:
    """Return whether the graph kept of a constant only its shape, and an input has that shape."""
    shapes = {(part.shape, part.dtype) for part in inputs if isinstance(part, Tensor)}
    return any(
        up is None and isinstance(primal, Like) and (primal.shape, primal.dtype) in shapes
        for node in Reading(results).nodes
        for up, primal in zip(node.upstream or (), node.primals, strict=True)
    )


def _moving(part: Any) -> Any:
    """Return an input as a leaf, if it can be one."""
    if isinstance(part, Tensor) and not part.requires_grad and part.dtype.kind in "fc":
        return Tensor(part.numpy(), requires_grad=True)
    return part
