"""The lift: how a reverse sweep is recorded itself, for derivatives of higher order.

This file knows how a node's values become Tensors again, and that a fused row's second derivative
is that of its composite. Read ``core/forward.py`` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.core.graph import Node, reverse_sweep
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.switch import record_composites
from tinygrad_edu.core.tensor import Tensor, handle

__all__ = ["Recorded"]


class Recorded:
    """What a sweep uses to be recorded itself: values of nodes as Tensors (see `Lift`)."""

    def values(self, node: Node) -> tuple[Tensor, list[Any]]:
        """Return ``(result, primals)`` of a node, Tensors where a gradient can flow."""
        upstream: Any = node.upstream
        primals = [
            primal if up is None else handle(primal, up)
            for primal, up in zip(node.primals, upstream, strict=True)
        ]
        return handle(node.result, node), primals

    def joint(self, node: Node, g: Any, wanted: Sequence[bool]) -> Sequence[Any]:
        """Return the cotangents of a row with one rule: of a fused row through its composite."""
        op: Any = node.op
        result, primals = self.values(node)
        if op.composite is None:
            none = [None] * len(primals)
            cotangents: Sequence[Any] = op.joint(
                g, result, node.saved, *primals, wanted=wanted, into=none, **node.params
            )
            return cotangents
        fresh = [
            OPS["identity"](primal) if want else primal
            for primal, want in zip(primals, wanted, strict=True)
        ]
        with record_composites():
            again = op.composite(*fresh, **node.params)
        inputs = [t._node for t, want in zip(fresh, wanted, strict=True) if want]
        found = reverse_sweep({again._node: g}, inputs, lift=self)
        return [found.get(t._node) if want else None for t, want in zip(fresh, wanted, strict=True)]
