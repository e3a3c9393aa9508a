"""Signs in the results: what says the same of all samples, and what changes nothing.

Knows: the batch, and how to run the net on another one. Does not know: the graph. Read next:
``steps.py`` for the last thing that is tried.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.state import Array, live
from tinygrad_edu.core.tensor import constant
from tinygrad_edu.train.doctor.bounds import ROUNDING
from tinygrad_edu.train.doctor.finding import Finding
from tinygrad_edu.train.doctor.probe import Probe, array_of, equal


def constant_output(probe: Probe) -> list[Finding]:
    """Look for a model that says the same of all samples, though they differ."""
    outputs = [array for array in probe.outputs if array.ndim and len(array) == probe.samples]
    differ = any(len(a) > 1 and (a != a[:1]).any() for a in probe.batch[:-1] if a.ndim)
    if not outputs or not differ or not all(map(_same_rows, outputs)):
        return []
    for _, p in probe.parameters:
        if p.ndim > 1 and not live(p).any() and probe.gradients.get(id(p), np.zeros(1)).any():
            return []  # a layer that begins at 0 and learns
    spread = max(float(np.ptp(array, axis=0).max(initial=0)) for array in outputs)
    return [
        Finding(
            "constant output",
            "error",
            type(probe.model).__name__,
            f"its results for {probe.samples} different samples differ by {spread:.2g} at most",
            "look where the samples become equal: a mean over the batch axis, a factor of 0, large "
            "biases",
            None,
            {"spread": spread},
        )
    ]


def _same_rows(array: Array) -> bool:
    if array.dtype.kind not in "fc":
        return bool((array == array[:1]).all())
    tolerance = ROUNDING * np.finfo(array.dtype).eps * float(np.abs(array).max(initial=0))
    return bool((np.abs(array - array[:1]) <= tolerance).all())


def unused_inputs(probe: Probe) -> list[Finding]:
    """Look for inputs whose order among the samples changes nothing."""
    if constant_output(probe) or all(_same_rows(array) for array in probe.outputs if array.ndim):
        return []  # of results that are all alike the order tells nothing
    found = []
    for i in range(len(probe.batch) - 1):
        others = _exchanged(probe.batch[i])
        batches = ([*probe.batch[:i], other, *probe.batch[i + 1 :]] for other in others)
        if others and all(equal(probe.values(batch)[0], probe.outputs) for batch in batches):
            found.append(
                Finding(
                    "unused input",
                    "warning",
                    probe.part(i),
                    f"the results are the same when the samples of {probe.part(i)} are exchanged",
                    "use it in forward(), or do not pass it",
                )
            )
    return found


def _exchanged(array: Array) -> list[Array]:
    """Return an array with its samples in other orders; none if that makes no other array."""
    if array.ndim == 0 or len(array) < 2:
        return []
    others = [np.roll(array, shift, axis=0) for shift in (1, len(array) // 2)]
    return [] if any(np.array_equal(other, array) for other in others) else others


def unused_targets(probe: Probe) -> list[Finding]:
    """Look for a loss that is the same whatever the targets.

    It is asked with other results than the model's, which may be too small for a difference.
    """
    if constant_output(probe):
        return []  # it has the same cause
    others = _exchanged(probe.batch[-1])
    if not others or len(probe.outputs) != 1 or probe.outputs[0].dtype.kind != "f":
        return []
    numbers = np.random.default_rng(0).uniform(0.1, 0.9, probe.outputs[0].shape)
    results = np.asarray(numbers, probe.outputs[0].dtype)
    values = []
    for targets in (probe.batch[-1], *others):
        probe.state.restore()
        try:
            values.append(array_of(probe.loss(constant(results), constant(targets))))
        except (TypeError, ValueError, AttributeError):
            return []  # a loss that takes something else than one array of results
    if not all(np.array_equal(value, values[0]) for value in values):
        return []
    return [
        Finding(
            "unused targets",
            "warning",
            "the targets",
            "the loss is the same when the targets of the samples are exchanged",
            "use them in the loss",
        )
    ]
