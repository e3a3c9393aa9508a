"""Trees: nested dicts, lists and tuples of arrays, as the transforms take and give them.

This file knows containers and nothing of Tensors or derivatives. A leaf of a tree is whatever is no
container; a list or tuple that holds nothing but Python numbers is one leaf too, the array that it
is everywhere in NumPy. Read ``core/transforms.py`` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

from tinygrad_edu.errors import GradientError, users_line

__all__ = ["Tree", "flatten", "flatten_each", "matching"]

Tree = Any
"""A leaf, or a dict, list, tuple or named tuple of trees; ``None`` is a tree without leaves."""

Rebuild = Callable[[Sequence[Any]], Tree]


def flatten(tree: Tree) -> tuple[list[Any], Rebuild]:
    """Return the leaves of a tree in order, and a function that puts others in their place.

    Examples
    --------
    >>> leaves, rebuild = flatten({"w": 1.0, "layers": (2.0, [3.0, "x"])})
    >>> leaves
    [1.0, 2.0, 3.0, 'x']
    >>> rebuild([10, 20, 30, 40])
    {'w': 10, 'layers': (20, [30, 40])}
    """
    leaves: list[Any] = []
    frame = _frame(tree, leaves)
    return leaves, lambda others: _filled(frame, others)


def flatten_each(arguments: Sequence[Tree]) -> tuple[list[Any], Rebuild]:
    """Return what `flatten` does, for arguments: two numbers side by side are no array."""
    flat = [flatten(argument) for argument in arguments]

    def rebuild(others: Sequence[Any]) -> tuple[Tree, ...]:
        rest = iter(others)
        return tuple([fill([next(rest) for _ in leaves]) for leaves, fill in flat])

    return [leaf for leaves, _ in flat for leaf in leaves], rebuild


def matching(tree: Tree, like: Tree, what: str) -> list[Any]:
    """Return the leaves of a tree that has the containers of another one.

    Raises
    ------
    GradientError
        The containers differ; `what` names the call, and the error the place.
    """
    found: list[Any] = []
    _match(tree, like, what, "", found)
    return found


def _is_array(tree: Tree) -> bool:
    """Return whether a list or tuple is an array written as Python numbers."""
    return len(tree) > 0 and all(
        isinstance(part, Number) or (isinstance(part, (list, tuple)) and _is_array(part))
        for part in tree
    )


def _children(tree: Tree, opened: bool = False) -> list[tuple[str, Tree]] | None:
    """Return the parts of a container with how each is reached; ``None`` for a leaf.

    A list of numbers is a leaf, unless it is to be `opened`.
    """
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [(f"[{key!r}]", part) for key, part in tree.items()]
    if isinstance(tree, (list, tuple)) and (opened or not _is_array(tree)):
        names = getattr(tree, "_fields", None)
        return [(f".{names[i]}" if names else f"[{i}]", part) for i, part in enumerate(tree)]
    return None


def _frame(tree: Tree, leaves: list[Any]) -> Any:
    """Return the containers of a tree with the numbers of its leaves, which are collected."""
    children = _children(tree)
    if children is None:
        leaves.append(tree)
        return len(leaves) - 1
    return tree, [_frame(part, leaves) for _, part in children]


def _filled(frame: Any, leaves: Sequence[Any]) -> Tree:
    if isinstance(frame, int):
        return leaves[frame]
    tree, frames = frame
    parts = [_filled(part, leaves) for part in frames]
    if tree is None:
        return None
    if isinstance(tree, dict):
        return type(tree)(zip(tree, parts, strict=True))
    return tree._make(parts) if hasattr(tree, "_make") else type(tree)(parts)


def _match(tree: Tree, like: Tree, what: str, path: str, found: list[Any]) -> None:
    wanted = _children(like)
    if wanted is None:
        found.append(tree)
        return
    given = _children(tree, opened=True)
    if given is None or [key for key, _ in given] != [key for key, _ in wanted]:
        if isinstance(tree, dict) and isinstance(like, dict) and tree.keys() == like.keys():
            given = [(f"[{key!r}]", tree[key]) for key in like]
        else:
            raise GradientError(
                f"{what}: {_described(given, tree)} was given where {_described(wanted, like)} "
                f"belongs{f', at {path}' if path else ''}\n  at {users_line()}\n"
                "  fix: give the same dicts, lists and tuples as those of the function"
            )
    for (key, part), (_, other) in zip(given, wanted, strict=True):
        _match(part, other, what, path + key, found)


def _described(children: list[tuple[str, Tree]] | None, tree: Tree) -> str:
    if children is None or tree is None:
        return "nothing (None)" if tree is None else f"one {type(tree).__name__}"
    if isinstance(tree, dict):
        return f"a dict with the keys {', '.join(map(repr, tree))}"
    return f"a {type(tree).__name__} of {len(children)}"
