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
from tinygrad_edu.train.doctor.bounds import FIRST_RATE, LARGE_STEP, SLOPING, SMALL_STEP
from tinygrad_edu.train.doctor.finding import Finding, few, layer_of
from tinygrad_edu.train.doctor.probe import Probe
from tinygrad_edu.train.rates import middle, step_shares, suggested_rate


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


def foreign_parameters(probe: Probe) -> list[Finding]:
    """Look for optimizers that hold no parameter of the model."""
    own = {id(p) for _, p in probe.parameters}
    found = []
    for optimizer in probe.optimizers:
        owned = [id(p) for _, p in _owned(optimizer)]
        if own and owned and own.isdisjoint(owned):
            kind = type(optimizer).__name__
            found.append(
                Finding(
                    "optimizer of another model",
                    "error",
                    kind,
                    f"the optimizer's parameters are not the model's: none of the {len(owned)} "
                    f"that it holds is among the {len(own)} of {type(probe.model).__name__}",
                    f"make the optimizer from the model that is trained: {kind}(model, ...)",
                    None,
                    {"held": len(owned), "parameters": len(own)},
                )
            )
    return found


def step_size(probe: Probe) -> list[Finding]:
    """Look at how far one step of each optimizer would move the weights; it is taken back."""
    weights = [(n, p) for n, p in probe.parameters if p.ndim > 1 and id(p) in probe.gradients]
    found = []
    for optimizer in probe.optimizers:
        owned = {id(p) for _, p in _owned(optimizer)}
        before = {id(p): live(p).copy() for _, p in weights}
        try:
            with _step_taken_back(optimizer, probe.gradients):
                ratios = step_shares(
                    (name, before[id(p)], live(p), probe.gradients[id(p)])
                    for name, p in weights
                    if id(p) in owned
                )
        except OptimizerError:
            continue  # it has no parameter with a gradient, or wants to compute the loss itself
        if not ratios:
            continue
        name = max(ratios, key=lambda name: ratios[name][0])
        step, slope = ratios[name]
        median = middle(moved for moved, _ in ratios.values())
        lr = optimizer.groups[0].lr
        if median > LARGE_STEP or not np.isfinite(median):
            kind, text, rate = (
                "large",
                "more than the weights themselves",
                suggested_rate(lr, median),
            )
        elif step < SMALL_STEP and slope > SLOPING:
            kind, text, rate = "small", "hardly anything", FIRST_RATE
            if step > 0:
                rate = suggested_rate(lr, step)
        else:
            continue
        found.append(
            Finding(
                f"learning rate too {kind}",
                "warning",
                type(optimizer).__name__,
                f"with lr={lr:g} a step moves weights by {median:.2g} of their norm in the middle "
                f"of {len(ratios)} layers, by {step:.2g} at most ({layer_of(name)}): {text}",
                f"try lr={rate:.1g}; 1e-3 to 1e-2 of the norm is usual",
                None,
                {"median": median, "largest": step, "lr": lr},
            )
        )
    return found


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
