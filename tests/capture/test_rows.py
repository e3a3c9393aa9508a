"""Every row of the table, forward and backward, can be captured; the text is right for others."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.capture import capture
from tinygrad_edu.testing.laws import draw_like, results, values
from tinygrad_edu.testing.samples import Plan, Sample, differentiable, plans, sample

FIRST = list({plan.row.name: plan for plan in reversed(plans())}.values())


def drawn(plan: Plan, seed: int) -> Sample:
    shapes = ((2, 3), (3,), ())[: len(plan.row.arguments)]
    entries = plan.case.arrays if plan.case is not None else shapes
    return sample(plan.row, entries, plan.params, seed)


def flat(tree: Any) -> list[Any]:
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in flat(part)]
    return [getattr(tree, "_data", tree)]


@pytest.mark.parametrize("plan", FIRST, ids=str)
def test_the_text_of_a_row_is_right_for_other_numbers(plan: Plan) -> None:
    first, second = drawn(plan, 7), drawn(plan, 11)
    moving = first.moving if differentiable(plan.row) else ()
    weights = draw_like(values(first), 3)
    places = [
        i
        for i, array in enumerate(first.arrays)
        if isinstance(array, np.ndarray) and (i in moving or array.dtype.kind == "f")
    ]

    def applied(*given: Any) -> Any:
        arrays = list(first.arrays)
        for i, array in zip(places, given, strict=True):
            arrays[i] = Tensor(array, requires_grad=True) if i in moving else array
        found = results(plan.row, arrays, first.params)
        for y, weight in zip(found, weights, strict=True):
            if isinstance(y, Tensor) and y.requires_grad and y.dtype.kind == "f":
                y.backward(weight, retain_graph=True)
        return list(found), [arrays[i].grad for i in places if i in moving]

    with np.errstate(all="ignore"):
        program = capture(applied, *[first.arrays[i] for i in places])
        namespace: dict[str, Any] = {}
        exec(program.source, namespace)
        given = [np.array(second.arrays[i]) for i in places]
        expected = flat(applied(*given))
        text = namespace[program.name](*given, **program.state, **program.constants)
        for found in (flat(program(*given)), flat(text)):
            for mine, its in zip(found, expected, strict=True):
                assert (mine is None) == (its is None)
                if its is not None:
                    assert (mine.shape, mine.dtype) == (its.shape, its.dtype)
                    assert np.array_equal(mine, its, equal_nan=its.dtype.kind in "fc")
