"""Signs in the optimizers: what they share, and how far one step goes.

Knows: optimizers, by their parameters and what `step` does to them. Does not know: their formulas.
Read next: ``callback.py``, which looks at a training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from tinygrad_edu.core.state import Array, live
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.train.doctor.bounds import LARGE_STEP, SLOPING, SMALL_STEP, USUAL_STEP
from tinygrad_edu.train.doctor.finding import Finding, few, layer_of
from tinygrad_edu.train.doctor.probe import Probe, norm


def shared_parameters(probe: Probe) -> list[Finding]:
    """Look for parameters of several optimizers."""
    owners: dict[int, list[str]] = {}
    names: dict[int, str] = {}
    for optimizer in probe.optimizers:
        for name, parameter in _owned(optimizer):
            owners.setdefault(id(parameter), []).append(type(optimizer).__name__)
            names[id(parameter)] = name
    shared = [names[key] for key, kinds in owners.items() if len(kinds) > 1]
    if not shared:
        return []
    return [
        Finding(
            "parameter of two optimizers",
            "error",
            few(shared),
            f"{len(shared)} parameters are moved by "
            f"{' and '.join(next(kinds for kinds in owners.values() if len(kinds) > 1))}: each "
            "step is made twice, with two states",
            "give each parameter to one optimizer",
            None,
            {"parameters": len(shared)},
        )
    ]


def step_size(probe: Probe) -> list[Finding]:
    """Look at how far one step of each optimizer would move the weights; it is taken back."""
    weights = [(n, p) for n, p in probe.parameters if p.ndim > 1 and id(p) in probe.gradients]
    found = []
    for optimizer in probe.optimizers:
        ratios = {}
        owned = {id(p) for _, p in _owned(optimizer)}
        before = {id(p): live(p).copy() for _, p in weights}
        try:
            with _step_taken_back(optimizer, probe.gradients):
                for name, p in weights:
                    size, slope = norm(before[id(p)]), norm(probe.gradients[id(p)])
                    if id(p) in owned and size > 0 and slope > 0:
                        ratios[name] = norm(live(p) - before[id(p)]) / size, slope / size
        except OptimizerError:
            continue  # it has no parameter with a gradient, or wants to compute the loss itself
        if not ratios:
            continue
        name = max(ratios, key=lambda name: ratios[name][0])
        step, slope = ratios[name]
        middle = float(np.median([moved for moved, _ in ratios.values()]))
        lr = optimizer.groups[0].lr
        if middle > LARGE_STEP or not np.isfinite(middle):
            kind, text, fix = (
                "large",
                "more than the weights themselves",
                f"try lr={_lr(lr, middle):.1g}",
            )
        elif step < SMALL_STEP and slope > SLOPING:
            kind, text, fix = "small", "hardly anything", f"try lr={_lr(lr, step):.1g}"
        else:
            continue
        found.append(
            Finding(
                f"learning rate too {kind}",
                "warning",
                type(optimizer).__name__,
                f"with lr={lr:g} a step moves weights by {middle:.2g} of their norm in the middle "
                f"of {len(ratios)} layers, by {step:.2g} at most ({layer_of(name)}): {text}",
                f"{fix}; about 1e-3 of the norm is usual",
                None,
                {"median": middle, "largest": step, "lr": lr},
            )
        )
    return found


def _lr(lr: float, moved: float) -> float:
    """Return the learning rate that would move weights as far as is usual."""
    return lr * USUAL_STEP / (moved if 0 < moved < np.inf else 1)


def _owned(optimizer: Optimizer) -> list[tuple[str, Parameter]]:
    """Return the parameters of an optimizer with their names."""
    flats = [flat for group in optimizer.groups for flat in group.flats]
    return [pair for flat in flats for pair in zip(flat.names, flat.parameters, strict=True)]


@contextmanager
def _step_taken_back(optimizer: Optimizer, gradients: Mapping[int, Array]) -> Iterator[None]:
    """Context in which an optimizer has made a step with given gradients."""
    parameters = [p for _, p in _owned(optimizer) if p.requires_grad]
    values = [live(p).copy() for p in parameters]
    before = [None if p.grad is None else p.grad.copy() for p in parameters]
    state = optimizer.state_dict()
    try:
        for p in parameters:
            p.grad = gradients.get(id(p))
        optimizer.step()
        yield
    finally:
        for p, value, gradient in zip(parameters, values, before, strict=True):
            live(p)[...] = value
            p.grad = gradient
        optimizer.load_state_dict(state)
