"""The rows of a recorded graph computed again, after some of its values were changed.

Knows: nodes and rows. Does not know: tensors, and what the new values are for. What the graph did
not keep is computed from what came before it; all numbers are taken to at least double precision,
so that a difference of two replays is not lost in rounding. Read ``delta.py`` next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf, Node
from tinygrad_edu.core.op import Like
from tinygrad_edu.draw.reading import Reading
from tinygrad_edu.errors import ExplanationError, MutationError, describe_line, explain

__all__ = ["replay", "values"]

Array = np.ndarray[Any, Any]


def replay(reading: Reading, changes: Mapping[Node, Any]) -> dict[Node, Array]:
    """Return the values of the changed nodes, and of all that depends on them, computed anew.

    The graph itself stays as it is. To compare, replay the old values in the same way: both are
    then computed in the same precision.

    Parameters
    ----------
    reading : Reading
        The graph.
    changes : mapping of Node to array
        New values, in the shapes of the old ones.

    Raises
    ------
    ExplanationError
        A value that a row needs was not kept, and there is nothing it could be computed from.
    MutationError
        A leaf was written after the graph had used it.
    """
    affected = set(reading.after(changes))
    # What was recorded of what stays as it is; of the rest only where a constant is lost.
    needed: set[Node] = set()
    for node in affected.difference(changes):
        arguments = list(zip(node.upstream or (), node.primals, strict=True))
        ups = [up for up, _ in arguments if up is not None]
        if any(up is None and isinstance(primal, Like) for up, primal in arguments):
            needed.update(ups, [node])
        needed.update(up for up in ups if up not in affected)
    old = values(reading, needed)
    new: dict[Node, Array] = {}
    for node in reading.nodes:
        if node in changes:
            new[node] = _wide(np.asarray(changes[node]))
        elif node in affected:
            new[node] = _moved(node, old, new)
    return new


def values(reading: Reading, wanted: Collection[Node]) -> dict[Node, Array]:
    """Return the recorded values of nodes, as far as they were kept or can be computed again.

    Parameters
    ----------
    reading : Reading
        The graph.
    wanted : collection of Node
        Nodes of it; one whose value is lost, with a constant it was computed from, is missing in
        what is returned.

    Raises
    ------
    MutationError
        A leaf was written after the graph had used it.
    """
    kept = reading.values
    needed = set(wanted)
    for node in reversed(reading.nodes):
        if node in needed and node not in kept:
            needed.update(up for up in node.upstream or () if up is not None)
    found: dict[Node, Array] = {}
    for node in reading.nodes:
        if node not in needed:
            continue
        if node in kept:
            _refuse_written(node, reading)
            found[node] = kept[node]
            continue
        arguments = zip(node.upstream or (), node.primals, strict=True)
        arrays = [primal if up is None else found.get(up, primal) for up, primal in arguments]
        if not any(isinstance(array, Like) for array in arrays):
            found[node] = _run(node, arrays)
    return {node: value for node, value in found.items() if node in wanted}


def _moved(node: Node, old: Mapping[Node, Array], new: Mapping[Node, Array]) -> Array:
    """Return the new value of a row of which an argument has changed."""
    arguments = list(zip(node.upstream or (), node.primals, strict=True))
    before = [primal if up is None else old.get(up, primal) for up, primal in arguments]
    after = [
        value if up is None else new.get(up, value)
        for (up, _), value in zip(arguments, before, strict=True)
    ]
    if not any(isinstance(value, Like) for value in after):
        return _run(node, after)
    # An argument that no rule reads, in a row of which none reads the result either, is added to
    # the others, in whatever way: so its own value cancels in a difference.
    op: Any = node.op
    apart = not (op.reads_result or op.exempt) and node in old
    for i, value in enumerate(after):
        if isinstance(value, Like):
            apart = apart and not op.reads_of(len(after))[i] and arguments[i][0] not in new
            before[i] = after[i] = np.zeros(value.shape, value.dtype)
    if not apart or any(isinstance(value, Like) for value in before):
        raise _lost(node)
    moved: Array = np.asarray(_wide(old[node]) + (_run(node, after) - _run(node, before)))
    return moved


def _run(node: Node, arrays: Sequence[Any]) -> Array:
    """Return what a row makes of other arguments, in double precision or wider."""
    op: Any = node.op
    params = node.params or {}
    if op.name == "astype" and np.dtype(params["dtype"]).kind in "fc":
        params = {**params, "dtype": np.result_type(params["dtype"], np.float64)}
    with np.errstate(all="ignore"):  # a nan or inf is shown where it arises
        result = op.forward(*[_wide(array) for array in arrays], **params)
    return np.asarray(result[0] if op.kind == "fused" else result)


def _wide(value: Any) -> Any:
    """Return real and complex arrays in at least double precision, anything else as it is."""
    if getattr(value, "dtype", np.dtype(bool)).kind not in "fc":
        return value
    return value.astype(np.result_type(value.dtype, np.float64), copy=False)


def _refuse_written(node: Node, reading: Reading) -> None:
    """Raise if a leaf does not have the value any more with which the graph was computed."""
    if not isinstance(node, Leaf) or node.written <= node.order:
        return
    first = next((consumer for consumer, _ in reading.consumers[node]), node)
    if node.written > first.order:
        raise MutationError(
            explain(
                first.op.name if first.op is not None else "leaf",
                f"{reading.names[node]} was changed after this op recorded it, so the graph cannot "
                "be computed again",
                where=first.line,
                fix=f"it was changed at {describe_line(*node.writer)}\n"
                "       explain before the change, or compute the op again after it",
            )
        )


def _lost(node: Node) -> ExplanationError:
    op: Any = node.op
    lost = [
        i
        for i, (up, primal) in enumerate(zip(node.upstream or (), node.primals, strict=True))
        if isinstance(primal, Like) and (up is None or isinstance(up.result, Like))
    ]
    names = op.arguments * len(node.primals) if op.variadic else op.arguments
    return ExplanationError(
        explain(
            op.name,
            "it cannot be computed again: no derivative reads "
            f"{' and '.join(names[i] for i in lost)}, so the graph did not keep it",
            arguments=tuple((names[i], node.primals[i]) for i in lost),
            where=node.line,
            fix="make it a leaf before this line, which is kept: "
            f"{names[lost[0]]} = Tensor({names[lost[0]]}, requires_grad=True)",
        )
    )
