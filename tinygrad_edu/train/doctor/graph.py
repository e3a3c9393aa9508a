"""Signs in the graph that was recorded: broken numbers, shapes, dtypes, rows one after the other.

Knows: nodes and their rows. Does not know: layers, but by the path of who made a node. Read next:
``units.py`` for what passes through the activations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.state import Array
from tinygrad_edu.train.doctor.finding import Finding, few, layers_of
from tinygrad_edu.train.doctor.probe import (
    BEYOND,
    PASSING,
    Probe,
    array_of,
    finite,
    not_finite,
    value_of,
)

TWICE = {
    "softmax_cross_entropy": ("softmax", "log_softmax"),
    "softmax_focal_loss": ("softmax", "log_softmax"),
    "softmax": ("softmax", "log_softmax"),
    "log_softmax": ("softmax", "log_softmax"),
    "binary_cross_entropy_with_logits": ("sigmoid",),
    "sigmoid_focal_loss": ("sigmoid",),
}
"""Rows that take logits, and what must not have been applied to them."""


def broken_activations(probe: Probe) -> list[Finding]:
    """Look for the first nan or inf that the run made."""
    if finite(probe.value) and all(map(finite, probe.outputs)):
        nans = [call for call in probe.calls for out in call.outputs if _nan(array_of(out))]
        if not nans:
            return []  # an inf inside that does not come out is a mask
    for node in probe.nodes:
        value = None if node.op is None else value_of(node)
        if value is not None and not finite(value):
            op: Any = node.op
            path, line = probe.place(node)
            found = f"of the results of {op.name} {not_finite(value)}"
            return [_broken("activations", path, found, line)]
    for call in sorted(probe.calls, key=lambda call: call.end):
        for out in call.outputs:
            if not finite(array_of(out)):
                found = f"of its results {not_finite(array_of(out))}"
                line = probe.called(call.path)
                return [_broken("activations", probe.named(call.path), found, line)]
    return [_broken("activations", BEYOND, f"the loss is {probe.value}", None)]


def _nan(array: Array) -> bool:
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())


def _broken(what: str, path: str, found: str, line: str | None) -> Finding:
    return Finding(
        f"nan or inf in {what}",
        "error",
        path,
        found,
        "look for log of 0, a division by 0, sqrt at 0, exp of a large number; detect_anomaly() "
        "stops at the op",
        line,
    )


def broken_gradients(probe: Probe) -> list[Finding]:
    """Look for nan and inf that only the sweep made."""
    names = {id(p): name for name, p in probe.parameters}
    broken = [names[key] for key, gradient in probe.gradients.items() if not finite(gradient)]
    if not broken:
        return []
    wrong = next(g for g in probe.gradients.values() if not finite(g))
    made: list[tuple[Node, int]] = []

    def watch(node: Node, i: int, cotangent: Any) -> None:
        if not made and not finite(np.asarray(cotangent)):
            made.append((node, i))

    probe.cotangents(probe.nodes, watch)
    found, line = f"of the gradient of {broken[0]} {not_finite(wrong)}", None
    if made:
        path, line = probe.place(made[0][0])
        op: Any = made[0][0].op
        found += f"; the first comes from the slope of {op.name} in {path}"
    return [_broken("gradients", layers_of(broken), found, line)]


def broadcasts(probe: Probe) -> list[Finding]:
    """Look for (n, 1) against (n,), which makes (n, n)."""
    n = probe.samples
    for node in probe.nodes:
        if node.op is None or node.op.kind != "elementwise" or len(node.primals) < 2:
            continue
        shapes = [np.shape(primal) for primal in node.primals]
        if n > 1 and (n, 1) in shapes and (n,) in shapes:
            path, line = probe.place(node)
            return [
                Finding(
                    "accidental broadcast",
                    "error",
                    path,
                    f"{node.op.name} of {' and '.join(map(str, shapes))} makes {(n, n)}: each "
                    "sample meets each other one",
                    "give both one shape, as in t[:, None] or y[:, 0]",
                    line,
                    {"shapes": shapes},
                )
            ]
    return []


def promotions(probe: Probe) -> list[Finding]:
    """Look for rows that made float64 of float32."""
    wide, narrow = np.dtype(np.float64), np.dtype(np.float32)
    for node in probe.nodes:
        if node.op is None or node.result.dtype != wide or node.op.name in ("astype", "cast"):
            continue
        ups = [up for up in node.upstream or () if up is not None]
        came_wide = any(up.op is not None and up.result.dtype == wide for up in ups)
        if came_wide or not any(up.result.dtype == narrow for up in ups):
            continue
        path, line = probe.place(node)
        names = node.op.arguments * len(ups) if node.op.variadic else node.op.arguments
        cause = [
            f"{name} {np.shape(primal)}"
            for name, primal in zip(names, node.primals, strict=False)
            if getattr(primal, "dtype", None) == wide
        ]
        return [
            Finding(
                "float64 from float32",
                "warning",
                path,
                f"{node.op.name} met a float64 value ({few(cause)}), and everything after it is "
                "computed in float64, at half the speed",
                "convert it once, as in x.astype(np.float32); np.float64 numbers count too",
                line,
                {"op": node.op.name},
            )
        ]
    return []


def twice(probe: Probe) -> list[Finding]:
    """Look for a softmax, or a sigmoid, of what is one already."""
    for node in probe.nodes:
        if node.op is None or node.op.name not in TWICE:
            continue
        up = node.upstream[0] if node.upstream else None
        while up is not None and up.op is not None and up.op.name in PASSING:
            up = up.upstream[0] if up.upstream else None
        if up is None or up.op is None:
            continue
        first = up.op.name if up.op.name != "linear" else up.params.get("activation")
        if first not in TWICE[node.op.name]:
            continue
        path, line = probe.place(up)
        harmless = first == "log_softmax"
        return [
            Finding(
                f"{'softmax' if 'softmax' in first else 'sigmoid'} twice",
                "warning" if harmless else "error",
                path,
                f"{node.op.name} takes logits, and {first} was applied to them before: "
                + (
                    "log_softmax again changes nothing, at a cost"
                    if harmless
                    else "numbers in [0, 1] can never say that they are sure"
                ),
                f"leave the {first} of the model out; apply it where probabilities are shown",
                line,
                {"first": first, "second": node.op.name},
            )
        ]
    return []
