"""vmap over every row and case: all examples at once give what one after the other gives."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu import vmap
from tinygrad_edu.core.batching import Batched
from tinygrad_edu.core.op import OPS, Op
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import grad
from tinygrad_edu.testing import laws
from tinygrad_edu.testing.samples import Plan, Sample, differentiable, plans, rows, sample

SHAPES: tuple[tuple[int, ...], ...] = ((2, 3), (3,), (2, 1))
"""What elementwise rows are called with: they broadcast within an example too."""

PLANS = plans()
EXAMPLES = 3


def drawn(plan: Plan) -> list[Sample]:
    """Return one call of a row for each example of a batch."""
    entries = SHAPES[: len(plan.row.arguments)] if plan.case is None else plan.case.arrays
    return [sample(plan.row, entries, plan.params, seed) for seed in range(EXAMPLES)]


def floats(one: Sample) -> list[int]:
    return [
        i for i, a in enumerate(one.arrays) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"
    ]


def mapped(calls: list[Sample], chosen: list[int], change: Any = None) -> list[Any]:
    """Return the results of all calls from one vmap, in which only some arguments differ."""
    row, params = calls[0].row, calls[0].params

    def of(*examples: Any) -> Any:
        arrays = list(calls[0].arrays)
        for i, example in zip(chosen, examples, strict=True):
            assert isinstance(example, Batched)
            arrays[i] = example
        found = laws.results(row, arrays, params)
        return found if change is None else change(found)

    stacks = [np.stack([one.arrays[i] for one in calls]) for i in chosen]
    return vmap(of)(*stacks)


def one_by_one(calls: list[Sample], chosen: list[int]) -> list[list[Any]]:
    found = []
    for one in calls:
        arrays = list(calls[0].arrays)
        for i in chosen:
            arrays[i] = one.arrays[i]
        found.append([np.asarray(y) for y in laws.results(one.row, arrays, one.params)])
    return found


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_batch_gives_what_its_examples_give(plan: Plan) -> None:
    calls = drawn(plan)
    moving = floats(calls[0])
    alone = [[i] for i in moving] if len(moving) > 1 else []
    for chosen in [moving, *alone] if moving else []:
        expected = one_by_one(calls, chosen)
        if len({tuple(y.shape for y in ys) for ys in expected}) > 1:
            continue  # a shape that depends on values cannot be batched, and is refused
        found = mapped(calls, chosen)
        assert len(found) == len(expected[0])
        for k, y in enumerate(found):
            assert isinstance(y, Tensor)
            like = np.stack([ys[k] for ys in expected])
            laws.assert_same_form(y.numpy(), like, plan.row.name)
            laws.assert_close(y.numpy(), like, 1e-12, f"vmap of {plan.row.name}", 1)


@pytest.mark.parametrize("plan", [p for p in PLANS if differentiable(p.row)], ids=str)
def test_gradients_of_examples_are_those_of_each_alone(plan: Plan) -> None:
    calls = drawn(plan)
    moving = list(calls[0].moving)
    if any(np.iscomplexobj(y) for y in laws.values(calls[0])) or not moving:
        return
    expected = one_by_one(calls, moving)
    if len({tuple(y.shape for y in ys) for ys in expected}) > 1:
        return

    def loss(*examples: Any) -> Any:
        arrays = list(calls[0].arrays)
        for i, example in zip(moving, examples, strict=True):
            arrays[i] = example
        found = laws.results(plan.row, arrays, plan.params)
        return sum(np.sum(y * y) for y in found)

    slope = grad(loss, tuple(range(len(moving))))
    stacks = [np.stack([one.arrays[i] for one in calls]) for i in moving]
    found = vmap(slope)(*stacks)
    each = [slope(*(one.arrays[i] for i in moving)) for one in calls]
    for k, gradient in enumerate(found):
        like = np.stack([slopes[k].numpy() for slopes in each])
        scale = float(np.max(np.abs(like), initial=1, where=np.isfinite(like)))
        laws.assert_close(gradient.numpy(), like, 1e-11, f"vmap of grad of {plan.row.name}", scale)


def test_few_rows_go_example_by_example() -> None:
    slow = {row.name for row in rows() if _goes_by_example(row)}
    assert slow <= BY_EXAMPLE, f"declare batch= for {sorted(slow - BY_EXAMPLE)}"
    assert slow >= BY_EXAMPLE, f"{sorted(BY_EXAMPLE - slow)} have a rule now"


def _goes_by_example(row: Op) -> bool:
    pointwise = row.kind == "elementwise" or not row.signature.strip("()->,")
    fused = row.kind == "fused" and row.composite is not None
    return row.batch is None and not (pointwise or fused or row.kind == "composite")


BY_EXAMPLE = {
    *("argwhere", "flatnonzero", "histogram_bin_edges", "one_hot", "unique", "unique_values"),
    *("intersect1d", "setdiff1d", "setxor1d", "union1d"),  # as above: shapes by values
    *("bincount", "convolve", "searchsorted"),  # NumPy has them for one vector
}
"""The rows without a rule for a whole batch."""


def test_the_table_is_complete() -> None:
    assert {plan.row.name for plan in PLANS} == {row.name for row in rows()}
    assert len(OPS) >= len(rows())
