"""Signs of the two modes: what trains in an evaluation, and what cannot train on one sample.

Knows: modules by the names of their classes, so that a class derived from one counts too. Does not
know: gradients. Read next: ``results.py`` for what else is seen by running the net again.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.tensor import constant
from tinygrad_edu.errors import LayerError, describe_line
from tinygrad_edu.nn import Module
from tinygrad_edu.train.doctor.finding import Finding, few
from tinygrad_edu.train.doctor.probe import Probe, arrays, equal, watched

BATCH_NORMS = ("BatchNorm1d", "BatchNorm2d")
NORMALISING = (*BATCH_NORMS, "LayerNorm", "GroupNorm", "InstanceNorm2d", "RMSNorm")
RANDOM = ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise")


def _is_a(module: Module, names: tuple[str, ...]) -> bool:
    """Return whether a module is of one of these classes, or derived from one."""
    return any(base.__name__ in names for base in type(module).__mro__)


def modes(probe: Probe) -> list[Finding]:
    """Look for layers in training mode where the model is evaluated."""
    model = probe.model
    active = [
        probe.named(path)
        for path, module in model.named_modules()
        if module.training and _is_a(module, RANDOM + BATCH_NORMS)
    ]
    if not active or (model.training and not probe.evaluating):
        return []
    what = "the model is " + ("evaluated" if probe.evaluating else "in evaluation mode")
    return [
        Finding(
            "training mode in evaluation",
            "error",
            few(active),
            f"{what}, and {len(active)} of its dropout or batch normalisation layers are in "
            "training mode",
            "call model.eval() before, which sets all layers inside; model.train() afterwards",
            None,
            {"layers": len(active)},
        )
    ]


def alone_in_batch_norm(probe: Probe) -> list[Finding]:
    """Look for batch normalisation in training with one number of each feature."""
    for call in probe.calls:
        if not (call.training and _is_a(call.module, BATCH_NORMS)):
            continue
        shape = np.shape(call.inputs[0])
        if len(shape) < 2 or np.prod(shape) // shape[1] > 1:
            continue
        return [_alone(probe.named(call.path), probe.called(call.path), shape)]
    for node in probe.nodes:
        if node.op is not None and node.op.name == "batch_norm" and node.upstream:
            shape = node.result.shape
            own = len(node.primals) < 4 or node.primals[3] is None
            if own and len(shape) > 1 and np.prod(shape) // shape[1] < 2:
                return [_alone(*probe.place(node), shape)]
    return []


def _alone(path: str, line: str | None, shape: tuple[int, ...]) -> Finding:
    return Finding(
        "batch norm of one",
        "error",
        path,
        f"an input of shape {shape} has one number of each feature: minus its own mean it is 0, "
        "whatever it was",
        "train with batches of at least two, a loader with last='drop'; eval() for one sample",
        line,
        {"shape": shape},
    )


def random_in_evaluation(probe: Probe) -> list[Finding]:
    """Look for results that differ from run to run in evaluation mode."""
    probe.state.restore()
    runs = []
    try:
        probe.model.eval()
        for _ in range(2):
            with watched(probe.model) as calls:
                outputs = arrays(probe.model(*map(constant, probe.batch[:-1])))
            runs.append((calls, outputs))
    except LayerError:
        return []  # of a layer that insists on training
    finally:
        probe.state.restore()
    (ones, first), (others, second) = runs
    if equal(first, second) or len(ones) != len(others):
        return []
    path, line = probe.named(""), None
    for one, other in sorted(zip(ones, others, strict=True), key=lambda pair: pair[0].end):
        alike = equal(arrays(one.inputs), arrays(other.inputs))
        if alike and not equal(arrays(one.outputs), arrays(other.outputs)):
            path, line = probe.named(one.path), probe.told(describe_line(one.code, one.lasti))
            break
    return [
        Finding(
            "random in evaluation",
            "error",
            path,
            "two runs in evaluation mode give different results: something like dropout is active",
            "ask self.training before drawing, as nn.Dropout does; keep layers where train() and "
            "eval() find them: in attributes, lists, dicts",
            line,
        )
    ]
