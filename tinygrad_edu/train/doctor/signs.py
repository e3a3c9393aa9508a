"""The table of signs, and the walk along it.

A sign is a function: it looks at a `Probe` and returns findings, none if all is well. A row says
when it is asked. What follows from another finding is left out: of a net whose units are all dead
it is not told that its gradients are zero.

Knows: which sign relies on which. Does not know: how a sign is seen. Read next: ``data.py`` and
``modes.py`` (before the run, and what it refuses), ``graph.py``, ``units.py``, ``gradients.py``,
``results.py`` and ``steps.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.core.switch import enable_grad
from tinygrad_edu.errors import PrecisionWarning, TrainingError
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.train.doctor.data import broken_numbers, large_inputs, one_class, refusals
from tinygrad_edu.train.doctor.finding import Finding, by_severity
from tinygrad_edu.train.doctor.gradients import (
    depth,
    frozen_parameters,
    without_gradient,
    zero_gradients,
)
from tinygrad_edu.train.doctor.graph import (
    broadcasts,
    broken_activations,
    broken_gradients,
    promotions,
    twice,
)
from tinygrad_edu.train.doctor.modes import alone_in_batch_norm, modes, random_in_evaluation
from tinygrad_edu.train.doctor.probe import Probe, array_of
from tinygrad_edu.train.doctor.results import constant_output, unused_inputs, unused_targets
from tinygrad_edu.train.doctor.steps import foreign_parameters, shared_parameters, step_size
from tinygrad_edu.train.doctor.units import dead_units, saturated_units


class Sign(NamedTuple):
    """A row of the table: a sign, and when it is looked for."""

    look: Callable[[Probe], list[Finding]]
    """Returns the findings."""
    swept: bool = False
    """Whether it reads the sweep, so that it is passed over if the loss has no graph."""
    stops: bool = False
    """Whether nothing after it can be measured once it is found."""
    unless: tuple[str, ...] = ()
    """Findings that it would follow from: ``"dead units"``, or ``"error: dead units"`` only."""


UNSCALED = ("inputs not scaled",)
DEPTH = ("vanishing gradient", "exploding gradient")
CHOKED = ("error: dead units", "saturated units")
"""Nothing gets through the net, neither numbers nor gradients."""
DEAF = (*UNSCALED, *DEPTH, "dead units", "saturated units")
"""Nothing but zeros may come back, or the same go out, on one of several batches at least."""

SIGNS = (
    # Before the run.
    Sign(modes),
    Sign(shared_parameters),
    Sign(foreign_parameters),
    Sign(frozen_parameters),
    Sign(broken_numbers, stops=True),
    # The run; `refusals` makes it.
    Sign(refusals, stops=True),
    Sign(alone_in_batch_norm),
    Sign(broken_activations, stops=True),
    # The sweep, and the graph that was recorded.
    Sign(broken_gradients, swept=True, stops=True),
    Sign(broadcasts, swept=True),
    Sign(promotions, swept=True),
    Sign(twice, swept=True),
    # What came in, what passes through, what comes back.
    Sign(large_inputs, swept=True),
    Sign(one_class, swept=True),
    Sign(dead_units, swept=True),
    Sign(depth, swept=True, unless=("dead units",)),
    Sign(saturated_units, swept=True, unless=UNSCALED),
    Sign(zero_gradients, swept=True, unless=DEAF),
    Sign(constant_output, swept=True, unless=(*DEAF, "gradients all zero")),
    Sign(without_gradient),
    # Runs with one thing changed.
    Sign(unused_inputs, swept=True, unless=CHOKED),
    Sign(unused_targets, swept=True, unless=(*CHOKED, "accidental broadcast")),
    Sign(random_in_evaluation, swept=True),
    Sign(step_size, swept=True, unless=UNSCALED + DEPTH),
)
"""All signs, in the order in which they are looked for: each after those that it relies on."""


def diagnose(
    model: Module,
    loss: Callable[[Any, Any], Any],
    *batch: Any,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    more: Sequence[Sequence[Any]] = (),
    evaluating: bool = False,
) -> list[Finding]:
    """Return what is wrong with a net on a batch, the most severe first; nothing is changed.

    A finding that follows from another one is left out: of a net whose units are all dead it is not
    told that its gradients are zero.

    Parameters
    ----------
    model : Module
        In the mode in which it is to be looked at; new modules are in training mode.
    loss : callable
        Called with the model's results and the targets; returns a scalar Tensor.
    *batch : array_like
        One or more inputs, then the targets. A few dozen samples tell more than a few.
    optimizer : Optimizer or several, optional
        Then the size of a step is measured too, and whether two optimizers share a parameter.
    more : sequence of batches
        Further batches: units that live on any of them are not dead.
    evaluating : bool
        Whether the model is about to be evaluated, so that it should be in evaluation mode.

    Returns
    -------
    list of Finding
        Empty for a healthy net.

    Raises
    ------
    TrainingError
        `model` is no module, or the batch has no inputs or no targets.

    Examples
    --------
    >>> from tinygrad_edu.nn import CrossEntropyLoss, Linear, ReLU, Sequential
    >>> from tinygrad_edu.train import report
    >>> net = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 3, rng=0))
    >>> x = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)
    >>> diagnose(net, CrossEntropyLoss(), x, np.arange(32) % 3)
    []
    >>> net[0].bias.data[:] = -100
    >>> print(report(diagnose(net, CrossEntropyLoss(), x, np.arange(32) % 3)))
    error: dead units in 1
      8 of 8 units of relu are 0 for all 32 samples, so nothing passes and no gradient comes back
      fix: look at the biases and at the step size that drove them there; initial weights "he", a
           smaller learning rate, or leaky_relu help
    <BLANKLINE>
    gradient doctor: 1 error
    """
    if not isinstance(model, Module):
        raise TrainingError(
            f"diagnose: found a {type(model).__name__}; expected a Module\n"
            "  fix: call it as diagnose(model, loss, inputs, labels)"
        )
    if len(batch) < 2:
        raise TrainingError(
            f"diagnose: found a batch of {len(batch)} arrays; expected inputs and targets\n"
            "  fix: call it as diagnose(model, loss, inputs, labels)"
        )
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer or ())
    first, *others = [[array_of(part) for part in each] for each in (batch, *more)]
    probe = Probe(model, loss, first, optimizers, others, evaluating)
    try:
        with enable_grad(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", PrecisionWarning)
            return by_severity(_examine(probe))
    finally:
        probe.close()


def _examine(probe: Probe) -> list[Finding]:
    """Walk along the table, and return what was found."""
    found: list[Finding] = []
    names: set[str] = set()
    for sign in SIGNS:
        if names.intersection(sign.unless) or (sign.swept and not probe.swept()):
            continue
        seen = sign.look(probe)
        found += seen
        for finding in seen:
            names |= {finding.kind, f"{finding.severity}: {finding.kind}"}
        if seen and sign.stops:
            break
    return found
