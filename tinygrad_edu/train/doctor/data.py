"""Signs in the numbers that come in: parameters, inputs, targets.

Knows: the batch, and what a loss or a layer refuses of it. Does not know: gradients. Read next:
``modes.py`` for layers that want more than one sample.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.state import live
from tinygrad_edu.errors import LabelError, LayerError
from tinygrad_edu.train.doctor.bounds import BYTES, LARGE_INPUT, ONE_CLASS
from tinygrad_edu.train.doctor.finding import Finding, layers_of
from tinygrad_edu.train.doctor.modes import NORMALISING, alone_in_batch_norm
from tinygrad_edu.train.doctor.probe import BEYOND, Probe, finite, not_finite

TABLES = ("Embedding", "EmbeddingBag")
"""Layers whose inputs are numbers of rows, of any size."""
CLASSES = ("softmax_cross_entropy", "softmax_focal_loss", "nll_loss", "multi_margin_loss")
"""Rows whose targets are classes."""


def broken_numbers(probe: Probe) -> list[Finding]:
    """Look for nan and inf in what the run would start from."""
    broken = [name for name, p in probe.parameters if not finite(live(p))]
    if broken:
        first = dict(probe.parameters)[broken[0]]
        return [
            Finding(
                "nan or inf in parameters",
                "error",
                layers_of(broken),
                f"of the numbers in {broken[0]} {not_finite(live(first))}",
                "start anew, or from an earlier checkpoint, with a smaller learning rate; "
                "detect_anomaly() names the op that makes the first one",
                None,
                {"parameters": len(broken)},
            )
        ]
    for i, array in enumerate(probe.batch):
        if not finite(array):
            return [
                Finding(
                    "nan or inf in the batch",
                    "error",
                    probe.part(i),
                    f"of its numbers {not_finite(array)}",
                    "look at the data: a missing value, a division by a deviation of 0?",
                    None,
                    {"count": int(np.count_nonzero(~np.isfinite(array)))},
                )
            ]
    return []


def refusals(probe: Probe) -> list[Finding]:
    """Run model and loss, and look at what they refuse; other refusals are passed on."""
    try:
        probe.run()
    except LabelError as error:
        return [_wrong_labels(error, probe.here)]
    except LayerError:
        alone = alone_in_batch_norm(probe)
        if not alone:
            raise
        return alone
    return []


def _wrong_labels(error: LabelError, here: str) -> Finding:
    """Return the finding of labels that a loss refused."""
    head, *rest = str(error).splitlines()
    said = {line.strip().partition(" ")[0]: line.strip() for line in rest}
    line = said.get("at", "").removeprefix("at ")
    return Finding(
        "labels out of range",
        "error",
        BEYOND,
        head.partition(": ")[2],
        said.get("fix:", "").removeprefix("fix: ") or "number the classes from 0",
        line if line and line != here else None,
    )


def large_inputs(probe: Probe) -> list[Finding]:
    """Look for inputs that nobody scaled."""
    leaf = next((call for call in probe.calls if not call.module.children()), None)
    if leaf is not None and type(leaf.module).__name__ in NORMALISING:
        return []
    indexed = any(type(call.module).__name__ in TABLES for call in probe.calls)
    for i, array in enumerate(probe.batch[:-1]):
        if array.size == 0 or array.dtype.kind not in ("f" if indexed else "fiu"):
            continue
        size = float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))
        if size > LARGE_INPUT:
            low, high = float(array.min()), float(array.max())
            bytes_ = low >= 0 and BYTES[0] < high <= BYTES[1]
            return [
                Finding(
                    "inputs not scaled",
                    "warning",
                    probe.part(i),
                    f"values from {low:g} to {high:g}, root mean square {size:.3g}",
                    "divide pixels by 255"
                    if bytes_
                    else "standardise: subtract the training set's mean, divide by its deviation",
                    None,
                    {"rms": size, "low": low, "high": high},
                )
            ]
    return []


def one_class(probe: Probe) -> list[Finding]:
    """Look for a batch in which all labels are equal."""
    targets = probe.batch[-1]
    if not any(node.op is not None and node.op.name in CLASSES for node in probe.nodes):
        return []
    labels = targets
    if probe.outputs and targets.shape == probe.outputs[0].shape:
        labels = targets.argmax(axis=-1)
    if labels.size < ONE_CLASS or labels.min() != labels.max():
        return []
    return [
        Finding(
            "one class only",
            "warning",
            "the targets",
            f"all {labels.size} labels of the batch are {labels.flat[0]}",
            "shuffle the samples: data sorted by class teach one class after the other",
            None,
            {"labels": labels.size},
        )
    ]
