"""Signs in the gradients: parameters that get none, or nothing but zeros; depth.

Knows: parameters, what the sweep brought to them, what arrives at each layer. Does not know: the
batch. Read next: ``results.py`` for what the net says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, ancestors
from tinygrad_edu.core.state import live
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.train.doctor.bounds import CUTS, EXPLODED, LAYERS, SHIFT, VANISHED
from tinygrad_edu.train.doctor.finding import Finding, few, layer_of, layers_of
from tinygrad_edu.train.doctor.probe import Probe, equal
from tinygrad_edu.train.doctor.results import constant_output


def frozen_parameters(probe: Probe) -> list[Finding]:
    """Look for parameters that are frozen."""
    frozen = [name for name, p in probe.parameters if not p.requires_grad]
    if not frozen:
        return []
    everything = len(frozen) == len(probe.parameters)
    return [
        Finding(
            "frozen parameters",
            "error" if everything else "note",
            layers_of(frozen),
            f"{len(frozen)} of {len(probe.parameters)} parameters are frozen: {few(frozen)}",
            "requires_grad_(True) thaws them; leave them so if they are meant to stay",
            None,
            {"frozen": len(frozen), "parameters": len(probe.parameters)},
        )
    ]


def depth(probe: Probe) -> list[Finding]:
    """Look for gradients that shrink or grow from the last layer to the first."""
    if len(probe.arriving) < LAYERS:
        return []
    (path, first), (_, last) = probe.arriving[0], probe.arriving[-1]
    if last == 0:
        return []
    ratio = first / last
    shrinking = [norm / last for _, norm in probe.arriving if norm > 0]
    vanishing = ratio < VANISHED and min(shrinking) < VANISHED
    if not vanishing and ratio < EXPLODED:
        return []
    shown = [f"{path} {norm:.2g}" for path, norm in probe.arriving]
    if len(shown) > 6:
        shown = [*shown[:3], "...", *shown[-2:]]
    return [
        Finding(
            "vanishing gradient" if vanishing else "exploding gradient",
            "warning",
            path,
            f"the gradient that arrives there is {ratio:.2g} of the one at the last layer: "
            + ", ".join(shown),
            'ReLU with initial weights "he", batch normalisation, or residual connections; a '
            "sigmoid takes at least three quarters of the gradient in each layer"
            if vanishing
            else 'smaller initial weights ("he" for ReLU, "xavier"), normalisation, clipping',
            probe.called(path),
            {"ratio": ratio, "layers": len(probe.arriving)},
        )
    ]


def zero_gradients(probe: Probe) -> list[Finding]:
    """Look for parameters that get a gradient of nothing but zeros."""
    zero = [
        (name, p)
        for name, p in probe.parameters
        if id(p) in probe.gradients and p.size and not probe.gradients[id(p)].any()
    ]
    if not zero:
        return []
    names = [name for name, _ in zero]
    weights = [p for _, p in probe.parameters if p.ndim > 1]
    blank = bool(weights) and not any(live(p).any() for p in weights)
    if not blank and constant_output(probe):
        return []  # that is told, and why it is so
    found = f"{len(zero)} of {len(probe.parameters)} parameters get zeros only: {few(names)}"
    fix = "look at what lies between them and the loss: a factor of 0, steps, clipping"
    line = None
    if blank:
        found += "; all weights are 0"
        fix = 'draw the weights at random, as "he" and "xavier" do; zeros are for biases'
    else:
        cut = _cut(probe, [p.node for _, p in zero])
        if cut is not None:
            path, line = probe.place(cut)
            op: Any = cut.op
            found += f"; the gradient becomes 0 at {op.name} in {path}"
    return [
        Finding(
            "gradients all zero",
            "error",
            layers_of(names),
            found,
            fix,
            line,
            {"parameters": len(zero), "zero_weights": blank},
        )
    ]


def _cut(probe: Probe, leaves: Sequence[Any]) -> Node | None:
    """Return the node nearest to the loss at which the gradient of the leaves becomes zero."""
    for node, i in probe.cuts[:CUTS]:
        up = (node.upstream or ())[i]
        if up is not None and any(leaf in leaves for leaf in ancestors(up)):
            return node
    return None


def without_gradient(probe: Probe) -> list[Finding]:
    """Look for parameters from which no path leads to the loss, and tell why."""
    nodes = set(probe.nodes)
    missing: dict[str, list[tuple[str, Parameter]]] = {}
    for name, p in probe.parameters:
        if p.requires_grad and p.node not in nodes:
            missing.setdefault(layer_of(name), []).append((name, p))
    never: list[str] = []
    detached: list[str] = []
    for layer, members in missing.items():
        used = _matters(probe, [p for _, p in members])
        (detached if used else never).extend([layer])
    found = []
    if detached:
        found.append(
            Finding(
                "detached parameters",
                "error",
                few(detached),
                "they change the loss, but no gradient comes back: "
                f"{few(_names(missing, detached))}",
                "the graph is cut between them and the loss: detach(), numpy(), item(), no_grad(), "
                "Tensor(...) of a result, or an op without a slope (argmax, round, sign, "
                "a comparison)",
                probe.called(detached[0]),
                {"parameters": len(_names(missing, detached))},
            )
        )
    if never:
        found.append(
            Finding(
                "unused parameters",
                "error",
                few(never),
                f"the loss is the same whatever they are: {few(_names(missing, never))}",
                "use the layer in forward(), or take it out of the model",
                probe.called(never[0]),
                {"parameters": len(_names(missing, never))},
            )
        )
    return found


def _names(missing: Mapping[str, list[tuple[str, Parameter]]], layers: Sequence[str]) -> list[str]:
    return [name for layer in layers for name, _ in missing[layer]]


def _matters(probe: Probe, parameters: Sequence[Parameter]) -> bool:
    """Return whether the loss or an output changes when parameters do."""
    before = [live(p).copy() for p in parameters]
    try:
        for p, values in zip(parameters, before, strict=True):
            live(p)[...] = values + (SHIFT + SHIFT * np.abs(values))
        outputs, loss = probe.values(probe.batch)
    finally:
        for p, values in zip(parameters, before, strict=True):
            live(p)[...] = values
    return not (equal(outputs, probe.outputs) and np.array_equal(loss, probe.value))
