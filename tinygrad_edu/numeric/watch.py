"""Rules under observation: the engine's own sweep runs, and every rule is watched while it answers.

`watch` gives the nodes of a recorded graph copies of their rows whose rules report what no number
shows: a rule that overwrites what it was given, that answers differently when asked again, or that
returns a cotangent of the wrong shape or dtype, which broadcasting or a cast would hide.
`first_difference` compares two recordings of one function. This file knows nodes and rows, and no
numerical derivative. Read ``check.py`` for who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, ancestors
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CheckError, TinygradEduError, describe_value, explain

__all__ = ["first_difference", "recorded_nodes", "watch"]

Rule = Callable[..., Any]


def recorded_nodes(outputs: Sequence[Tensor]) -> list[Node]:
    """Return the nodes that the outputs depend on, in order of creation."""
    found = {node for out in outputs if out.node is not None for node in ancestors(out.node)}
    return sorted(found, key=lambda node: node.order)


def watch(nodes: Sequence[Node]) -> list[str]:
    """Return a list in which these nodes' rules, when they answer with nan or inf, are named.

    The nodes must be a graph of the checker's own: their rows are exchanged.

    Raises
    ------
    CheckError
        Not here but in a later sweep: a rule misbehaves.
    """
    not_finite: list[str] = []
    for node in nodes:
        op = node.op
        if op is None:
            continue
        node.op = replace(
            op,
            rules=tuple(
                None if rule is None else _watched(node, rule, i, not_finite)
                for i, rule in enumerate(op.rules)
            ),
            joint=None if op.joint is None else _watched(node, op.joint, None, not_finite),
        )
    return not_finite


def _watched(node: Node, rule: Rule, argument: int | None, not_finite: list[str]) -> Rule:
    """Return a rule that does what `rule` does, or complains of it.

    `argument` is the one whose cotangent the rule returns; ``None`` for a joint rule.
    """

    def watched(g: Any, *values: Any, **params: Any) -> Any:
        kept = list(_arrays((values, node.params)))
        before = [array.tobytes() for array in kept]
        given = np.array(g)  # writable, so that an overwriting rule is seen and not merely stopped
        answer = _asked(node, rule, given, values, params)
        if given.tobytes() != g.tobytes():
            raise _complaint(
                node,
                "incoming gradient overwritten",
                "modified its incoming gradient g in place",
                "compute a new array, g * mask rather than g[mask] = 0: g also belongs to others",
            )
        if any(array.tobytes() != old for array, old in zip(kept, before, strict=True)):
            raise _complaint(
                node,
                "value changed in place",
                "changed a value of the forward pass (an argument, the result or what it saved)",
                "compute a new array: other rules read these values after this one",
            )
        several = answer if argument is None else [answer]
        if argument is None:  # a joint rule may have returned views of what it would write again
            several = answer = [None if part is None else np.array(part) for part in answer]
        again = _asked(node, rule, np.array(g), values, params)
        for first, second in zip(several, again if argument is None else [again], strict=True):
            if first is not None and np.asarray(first).tobytes() != np.asarray(second).tobytes():
                raise _complaint(
                    node,
                    "not deterministic",
                    "gave two different cotangents when asked twice",
                    "draw random numbers in the forward pass, and keep them",
                )
        for i, cotangent in enumerate(several, start=argument or 0):
            if argument is not None or params["wanted"][i]:
                _inspect(node, i, cotangent)
                if not np.isfinite(cotangent).all():
                    not_finite.append(f"{_name(node)} at {node.line}")
        return answer

    return watched


def _asked(node: Node, rule: Rule, g: Any, values: Sequence[Any], params: Any) -> Any:
    try:
        return rule(g, *values, **params)
    except TinygradEduError:
        raise
    except Exception as error:
        raise _complaint(
            node,
            "rule raised an exception",
            f"raised {type(error).__name__}: {error}",
            f"call the rule by hand with g of shape {g.shape} {g.dtype}",
        ) from error


def _inspect(node: Node, i: int, cotangent: Any) -> None:
    """Refuse a cotangent that projection would have to repair, or could not."""
    like: Any = (node.upstream or ())[i].result  # type: ignore[union-attr]  # the caller has looked
    op: Any = node.op
    shape, dtype = getattr(cotangent, "shape", None), getattr(cotangent, "dtype", None)
    fits = shape == like.shape or (op.broadcasts and shape == _together(shape, like.shape))
    # Where NumPy promoted the arguments, the sweep brings a cotangent back to its own precision.
    if fits and dtype in (like.dtype, node.result.dtype):
        return
    # It takes the real part of a complex one, too.
    if fits and dtype == np.result_type(like.dtype, np.complex64):
        return
    names = op.arguments * len(node.primals) if op.variadic else op.arguments
    wrong = "shape" if not fits else "dtype"
    raise _complaint(
        node,
        f"wrong {wrong} of a cotangent",
        f"returned {describe_value(cotangent)} as the cotangent of the argument {names[i]}, "
        f"which is {like.shape} {like.dtype}",
        "sum over the axes that were broadcast, or declare broadcasts=True"
        if not fits
        else "make constants in the dtype of g: np.zeros(shape, g.dtype), g * number",
    )


def _together(shape: Any, other: tuple[int, ...]) -> Any:
    try:
        return np.broadcast_shapes(shape, other)
    except (TypeError, ValueError):
        return None


def _arrays(value: Any) -> Iterator[Any]:
    """Yield the arrays in nested tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _arrays(part)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))


def _name(node: Node) -> str:
    return "leaf" if node.op is None else node.op.name


def _complaint(node: Node, outcome: str, problem: str, fix: str) -> CheckError:
    error = CheckError(explain(_name(node), f"its rule {problem}", where=node.line, fix=fix))
    error.outcome = outcome
    return error


def first_difference(first: Sequence[Node], second: Sequence[Node]) -> str:
    """Return which op differs first between two recordings of one function, with its line."""
    for one, other in zip_longest(first, second):
        if one is None or other is None or _name(one) != _name(other):
            node = other if one is None else one
            return f"{_name(node)} at {node.line}: another sequence of ops was recorded"
        if one.op is None:
            continue
        upstream = one.upstream or ()
        for i, (a, b, up) in enumerate(zip(one.primals, other.primals, upstream, strict=True)):
            if _differ(a, b):
                if up is not None and up.op is not None:
                    return f"{_name(up)} at {up.line}: equal arguments gave two results"
                argument = one.op.arguments[0 if one.op.variadic else i]
                return f"{_name(one)} at {one.line}: its argument {argument} was drawn anew"
        if _differ((one.result, one.saved, one.params), (other.result, other.saved, other.params)):
            return f"{_name(one)} at {one.line}: equal arguments gave two results"
    return "an op whose result was not kept, or one outside the graph"


def _differ(a: Any, b: Any) -> bool:
    ours, theirs = list(_arrays((a,))), list(_arrays((b,)))
    return len(ours) != len(theirs) or any(
        x.shape != y.shape or x.tobytes() != y.tobytes() for x, y in zip(ours, theirs, strict=True)
    )
