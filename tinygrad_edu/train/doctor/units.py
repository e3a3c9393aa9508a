"""Signs in the activations: units that are dead or saturated on every sample.

Knows: the results of rectifiers, sigmoids and tanhs. Does not know: parameters. Read next:
``gradients.py`` for what comes back through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.state import Array
from tinygrad_edu.train.doctor.bounds import DEAD, ENOUGH, SATURATED, SLOPE
from tinygrad_edu.train.doctor.finding import Finding
from tinygrad_edu.train.doctor.probe import Probe, value_of

Which = Callable[[str, Array], Array | None]
"""Takes an activation's name and values; returns truth values, or None to pass it over."""


@dataclass
class _Units:
    """The units of one activation: which have been seen in the state that is looked for."""

    node: Node
    path: str
    line: str | None
    op: str
    numbers: int
    always: Array


def _activation(node: Node) -> str | None:
    """Return the activation that a node applies: "relu", "sigmoid", "tanh", or None."""
    op: Any = node.op
    if op.name == "maximum":
        constants = [
            primal
            for primal, up in zip(node.primals, node.upstream or (), strict=False)
            if up is None
        ]
        return "relu" if constants and np.size(constants[0]) == 1 and not constants[0] else None
    name = node.params.get("activation", op.name) if node.params else op.name
    return "relu" if name == "relu6" else name


def _units(probe: Probe, which: Which) -> dict[Any, _Units]:
    """Return, for each activation, the units for which `which` holds on every sample."""
    found: dict[Any, _Units] = {}
    for node in probe.nodes:
        name = None if node.op is None else _activation(node)
        if name not in ("relu", "sigmoid", "tanh"):
            continue
        value = value_of(node)
        marked = None if value is None or value.ndim < 2 else which(name, value)
        if marked is None:
            continue
        axis = _units_axis(node)
        rest = tuple(i for i in range(marked.ndim) if i != axis % marked.ndim)
        path, line = probe.place(node)
        always = np.asarray(marked.all(axis=rest))
        count = sum(key[:2] == (path, name) for key in found)
        numbers = marked.size // max(1, always.size)
        found[path, name, count] = _Units(node, path, line, name, numbers, always)
    return found


def _units_axis(node: Node) -> int:
    """Return the axis of the units: channels of a convolution, else the last one."""
    up: Node | None = node
    while up is not None and up.op is not None:
        if "conv" in up.op.name or up.op.name in ("max_pool", "avg_pool"):
            return 1
        if up.op.kind != "elementwise" and up.op.group != "normalization":
            break
        up = up.upstream[0] if up.upstream else None
    return -1


def _over_batches(probe: Probe, which: Which) -> list[_Units]:
    """Return the activations with the units for which `which` holds on all batches."""
    units = _units(probe, which)
    for batch in probe.more if units else ():
        with probe.looking_at(batch):
            others = _units(probe, which)
        for key, other in others.items():
            mine = units.get(key)
            if mine is not None and mine.always.shape == other.always.shape:
                mine.always = mine.always & other.always
                mine.numbers += other.numbers
    return [found for found in units.values() if found.numbers >= ENOUGH]


def dead_units(probe: Probe) -> list[Finding]:
    """Look for rectified units that are 0 for every sample."""
    found = []
    samples = probe.samples + sum(len(batch[0]) for batch in probe.more)
    for units in _over_batches(probe, lambda name, y: y <= 0 if name == "relu" else None):
        dead, count = int(units.always.sum()), units.always.size
        if dead < DEAD * count:
            continue
        everything = dead == count
        found.append(
            Finding(
                "dead units",
                "error" if everything else "warning",
                units.path,
                f"{dead} of {count} units of {units.op} are 0 for all {samples} samples, so "
                + ("nothing passes and no gradient comes back" if everything else "they do not "
                   "learn"),
                "look at the biases and at the step size that drove them there; initial weights "
                '"he", a smaller learning rate, or leaky_relu help',
                units.line,
                {"dead": dead, "units": count, "share": dead / count},
            )
        )  # fmt: skip
        if everything:
            break  # what comes behind it is a consequence
    return found


def saturated_units(probe: Probe) -> list[Finding]:
    """Look for sigmoids and tanhs that are flat for every sample; those of the output may be."""
    inner = _inner(probe.nodes)

    def flat(name: str, y: Array) -> Array | None:
        if name == "relu":
            return None
        return np.asarray((4 * y * (1 - y) if name == "sigmoid" else 1 - y * y) < SLOPE)

    found = []
    for units in _over_batches(probe, flat):
        saturated, count = int(units.always.sum()), units.always.size
        if saturated < SATURATED * count or units.node not in inner:
            continue
        found.append(
            Finding(
                "saturated units",
                "warning",
                units.path,
                f"{saturated} of {count} units of {units.op} have less than {SLOPE:.0%} of their "
                "largest slope on every sample, so hardly a gradient comes through",
                'smaller initial weights ("xavier"), scaled inputs, or ReLU',
                units.line,
                {"saturated": saturated, "units": count, "share": saturated / count},
            )
        )
    return found


def _inner(nodes: Sequence[Node]) -> set[Node]:
    """Return the nodes whose results meet a weight later on."""
    inner: set[Node] = set()
    for node in reversed(nodes):
        ups = [up for up in node.upstream or () if up is not None]
        weighted = any(up.op is None and len(up.result.shape) > 1 for up in ups)
        if weighted or node in inner:
            inner.update(ups)
    return inner
