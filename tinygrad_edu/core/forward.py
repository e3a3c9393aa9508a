"""Forward mode: tangents pushed through recorded nodes in order of creation.

This file knows how one node moves when its arguments move: by the row's jvp, by transposing its
vjp, or through its composite. Read ``core/tree.py`` next, then ``core/transforms.py``, where users'
functions begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, ancestors, project, refuse_changed, reverse_sweep
from tinygrad_edu.core.lift import Recorded
from tinygrad_edu.core.op import OPS, zeros
from tinygrad_edu.core.switch import enable_grad, no_grad, record_composites
from tinygrad_edu.core.tensor import Tensor, constant, fresh, owned

__all__ = ["push"]


def push(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    tangents: Sequence[Tensor],
    recorded: bool,
) -> list[Tensor]:
    """Return the tangents of recorded outputs, pushed through their nodes in order of creation.

    Parameters
    ----------
    outputs : sequence of Tensor
        Results of a recorded computation.
    inputs, tangents : sequences of Tensor
        Where the tangents enter, and the tangents.
    recorded : bool
        Whether the pushing itself is recorded, to be differentiated again.
    """
    lift = Recorded()
    moving: dict[Node | None, Any] = {}
    for tensor, tangent in zip(inputs, tangents, strict=True):
        moving[tensor.node] = tangent if recorded else tangent.numpy()
    since = min((node.order for node in moving if node is not None), default=0)
    roots = [output.node for output in outputs if output.node is not None]
    nodes = ancestors(*roots, since=since)
    refuse_changed(roots, nodes)
    with enable_grad() if recorded else no_grad():
        for node in nodes:
            arriving = [moving.get(up) if up is not None else None for up in node.upstream or ()]
            if node in moving or all(tangent is None for tangent in arriving):
                continue
            result, primals = lift.values(node) if recorded else (node.result, node.primals)
            moved = _push_one(node, arriving, result, primals)
            if isinstance(moved, np.generic) or moved.dtype != node.result.dtype:
                moved = project(moved, node.result, node)
            moving[node] = moved
    return [
        owned(moving[output.node])
        if output.node in moving
        else constant(np.zeros_like(output.numpy()))
        for output in outputs
    ]


def _push_one(node: Node, tangents: Sequence[Any], result: Any, primals: Sequence[Any]) -> Any:
    """Return the tangent of one node's result: by the row's jvp, or by transposing its vjp."""
    op: Any = node.op
    if op.jvp is not None:
        return op.jvp(tangents, result, *primals, **node.params)
    recorded = any(isinstance(tangent, Tensor) for tangent in tangents)
    if op.composite is not None:
        return _push_composite(node, tangents, primals, recorded)
    # The vjp is linear in g: transposing it, at any g, gives the jvp.
    with enable_grad():
        g = constant(np.zeros(node.result.shape, node.result.dtype)).requires_grad_()
        total: Any = 0.0
        wanted = [tangent is not None for tangent in tangents]
        cotangents = (
            op.joint(
                g,
                result,
                node.saved,
                *primals,
                wanted=wanted,
                into=[None] * len(wanted),
                **node.params,
            )
            if op.joint is not None
            else [
                rule(g, result, *primals, **node.params) if want and rule is not None else None
                for rule, want in zip(op.rules, wanted, strict=True)
            ]
        )
        for i, (cotangent, tangent) in enumerate(zip(cotangents, tangents, strict=True)):
            if cotangent is not None and tangent is not None:
                like = primals[i]
                total = total + np.sum(project(cotangent, like, node) * tangent)
        if not isinstance(total, Tensor):
            return zeros(node.result, [t for t in tangents if t is not None])
        if total.dtype.kind == "c":
            total = OPS["real"](total)  # the pairing of complex cotangents and tangents
        one: Any = np.ones_like(total.numpy())
        leaf: Any = g.node
        found = reverse_sweep(
            {total.rooted(f"the tangent of {op.name}"): constant(one) if recorded else one},
            [leaf],
            lift=Recorded() if recorded else None,
        )
    moved = found.get(leaf)
    return zeros(node.result, [t for t in tangents if t is not None]) if moved is None else moved


def _push_composite(
    node: Node, tangents: Sequence[Any], primals: Sequence[Any], recorded: bool
) -> Any:
    """Return the tangent of a fused node's result, pushed through its composite."""
    op: Any = node.op
    moving = [i for i, tangent in enumerate(tangents) if tangent is not None]
    args = list(primals)
    with record_composites():
        for i in moving:
            args[i] = fresh(args[i])
        output = op.composite(*args, **node.params)
    moves = [t if isinstance(t, Tensor) else constant(t) for t in (tangents[i] for i in moving)]
    (moved,) = push([output], [args[i] for i in moving], moves, recorded)
    return moved if recorded else moved.numpy()
