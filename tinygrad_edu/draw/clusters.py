"""The boxes of a picture: which calls of modules are drawn, and what is written on them.

Knows: places (see ``reading.py``). Does not know: what stands in a box. Read next: ``cards.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinygrad_edu.core.graph import Leaf, Node
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.draw.picture import Cluster
from tinygrad_edu.draw.reading import Place, Reading
from tinygrad_edu.nn.module import Module

__all__ = ["Clusters", "Path", "along", "kind_of", "parameters_of", "visible_paths"]

Path = tuple[Place, ...]
_KIND = 40  # characters of a module's repr


class Clusters:
    """Boxes, each made when something is first put into it.

    Parameters
    ----------
    reading : Reading
        The graph.
    depth : int, optional
        How many levels of modules are boxes; all by default.
    """

    def __init__(self, reading: Reading, depth: int | None = None) -> None:
        self.paths = visible_paths(reading)
        self.depth = depth
        self._ids: dict[Path, str] = {}
        self._made: list[Cluster] = []
        self.repeated = {
            (place.path, place.kind)
            for path in self.paths.values()
            for place in path
            if place.number > 1
        }
        self._sizes: dict[str, int] = {}
        for node in reading.nodes:
            if isinstance(node, Leaf):
                path = node.name.rpartition(".")[0]
                self._sizes[path] = self._sizes.get(path, 0) + node.result.size

    @property
    def made(self) -> tuple[Cluster, ...]:
        """The boxes, outer ones before inner ones."""
        return tuple(self._made)

    def of(self, node: Node) -> str | None:
        """Return the ``id`` of the innermost box of a node."""
        return self.inside(self.paths[node])

    def inside(self, path: Path) -> str | None:
        """Return the ``id`` of the box of a call."""
        parent = None
        for end in range(1, min(len(path), self.depth if self.depth is not None else 99) + 1):
            key = path[:end]
            if key not in self._ids:
                self._ids[key] = f"c{len(self._ids)}"
                self._made.append(self._cluster(key[-1], self._ids[key], parent))
            parent = self._ids[key]
        return parent

    def _cluster(self, place: Place, id: str, parent: str | None) -> Cluster:
        kind = kind_of(place)
        said = []
        if place.module is None:
            count = self._sizes.get(place.path, 0) if not place.kind else 0
            said = [_counted(count)] if count else []
        else:
            said = [text for text in (parameters_of(place.module),) if text]
        if (place.path, place.kind) in self.repeated:
            said.append(f"call {place.number}")
        title, kind = (place.path, kind) if place.path else (kind, "")
        return Cluster(id, title, kind, ", ".join(said), parent)


def visible_paths(reading: Reading) -> Mapping[Node, Path]:
    """Return per node the calls that are drawn around it.

    The net itself, in which all else stands, is none, unless there are several nets, or calls.
    """
    places = reading.places
    outer = {path[0] for path in places.values() if len(path) > 1}
    if len(outer) != 1:
        return places
    (net,) = outer
    return {node: path[1:] if path[:1] == (net,) else path for node, path in places.items()}


def kind_of(place: Place) -> str:
    """Return what is called: ``Linear(784, 50)``, or the class alone of what holds modules."""
    if place.module is None or place.module.children():
        return place.kind
    text = repr(place.module)
    return text if len(text) <= _KIND and "\n" not in text else f"{place.kind}(…)"


def along(place: Place) -> str:
    """Return what a module computes in the same pass: ``with ReLU(), MaxPool2d(2)``."""
    kinds = (kind_of(Place("", type(each).__name__, 1, each)) for each in place.along)
    return f"with {', '.join(kinds)}"


def parameters_of(module: Module) -> str:
    """Return how many numbers a module learns, and how many of them are frozen."""
    inside = [value for _, value in module.walk() if isinstance(value, Parameter)]
    count = sum(parameter.size for parameter in inside)
    frozen = sum(parameter.size for parameter in inside if not parameter.requires_grad)
    if not frozen:
        return _counted(count) if count else ""
    return f"{_counted(count)}, {'' if frozen == count else f'{frozen:,} '}frozen"


def _counted(count: int) -> str:
    return f"{count:,} parameter{'s' * (count != 1)}"
