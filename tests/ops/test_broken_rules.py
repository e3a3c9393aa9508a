"""Every rule is broken on purpose, in many ways, and the laws have to refuse each broken copy.

A broken copy never enters the table: ``dataclasses.replace`` makes it and the engine runs it. A
break that changes no number (a roll of equal elements, a second derivative that is zero anyway) is
counted as equivalent; that is decided by comparing the numbers, not by the row's name.
``pytest -s`` shows how many wrong rules were planted and refused.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.exceptions import ComplexWarning

from tinygrad_edu.core.op import Op
from tinygrad_edu.core.tensor import Tensor, constant
from tinygrad_edu.core.transforms import gradients
from tinygrad_edu.testing import laws
from tinygrad_edu.testing.laws import NARROW, Tally, mutated
from tinygrad_edu.testing.samples import Sample, differentiable, plans, rows, sample

Break = Callable[[Op, int], Op]

REFUSALS = (AssertionError, ValueError, RuntimeError, TypeError, IndexError)
"""A law that fails, or the engine or NumPy refusing what the rule returned."""

SHAPES = ([(2, 3), (2, 3)], [(2, 3), (3,)], [(3, 1), (2, 1, 2)], [(), (4,)])
"""What elementwise rows are called with."""


def samples_of(row: Op) -> list[Sample]:
    """Return a few calls of a row: each of its cases, or shapes that broadcast."""
    found = []
    for number, plan in enumerate(plans([row])):
        if plan.case is not None:
            found.append(sample(row, plan.case.arrays, plan.params, 100 + number))
            continue
        for shapes in SHAPES:
            entries = [shapes[i % 2] for i in range(len(row.arguments))]
            found.append(sample(row, entries, plan.params, 200 + number))
    return [one for one in found if one.size]


# ------------------------------------------------------------------------------ ways to be wrong


def _one_wrong(c: Any) -> Any:
    wrong = np.array(c)
    if wrong.size:
        wrong.flat[wrong.size // 2] += 0.01 * (1 + np.abs(wrong).max())
    return wrong


def _not_a_number(c: Any) -> Any:
    wrong = np.array(c)
    if wrong.size:
        wrong.flat[0] = np.nan
    return wrong


def _first_instead_of_sum(c: Any, primal: Any) -> Any:
    c = np.asarray(c)
    c = c[(0,) * (c.ndim - len(primal.shape))]
    where = tuple(slice(0, 1) if n == 1 else slice(None) for n in primal.shape)
    return np.asarray(c)[where]


COTANGENTS: dict[str, Callable[[Any, Any], Any]] = {
    "scaled by 1.01": lambda c, _primal: c * 1.01,
    "negated": lambda c, _primal: -c,
    "zeroed": lambda c, _primal: c * 0,
    "halved": lambda c, _primal: c / 2,
    "rolled": lambda c, _primal: np.roll(c, 1),
    "flipped": lambda c, _primal: np.flip(c),
    "transposed": lambda c, _primal: np.transpose(c),
    "one wrong entry": lambda c, _primal: _one_wrong(c),
    "one nan": lambda c, _primal: _not_a_number(c),
    "twice, unsummed": lambda c, _primal: np.stack([c, c]),
    "first instead of sum": _first_instead_of_sum,
    "narrowed to float32": lambda c, _primal: np.asarray(c).astype(NARROW[c.dtype]),
    "of another sign where positive": lambda c, _primal: np.where(c > 0, -c, c),
}
"""What is done to the cotangent that a rule returns."""


def changed_arguments(change: Callable[..., tuple[Any, Any, dict[str, Any]]]) -> Break:
    """Return a break that calls the rule of one argument with other arguments."""

    def broken(row: Op, i: int) -> Op:
        def wrap(rule: Any) -> Any:
            def wrong(g: Any, result: Any, *primals: Any, **params: Any) -> Any:
                g, inner, params = change(g, (result, *primals), params)
                return rule(g, *inner, **params)

            return wrong

        if row.joint is not None:
            right = row.joint

            def joint(*args: Any, **params: Any) -> Any:
                mixed = list(right(*args, **params))
                g, result, saved, *primals = args
                g, (result, *primals), params = change(g, (result, *primals), params)
                mixed[i] = right(g, result, saved, *primals, **params)[i]
                return mixed

            return replace(row, joint=joint)
        return replace(row, rules=tuple(wrap(r) if j == i else r for j, r in enumerate(row.rules)))

    return broken


def _deaf(g: Any, inner: Any, params: dict[str, Any]) -> Any:
    return np.ones_like(g), inner, params


def _axis_off(g: Any, inner: Any, params: dict[str, Any]) -> Any:
    axis, ndim = params.get("axis"), max(1, len(inner[1].shape))
    if isinstance(axis, int):
        params = {**params, "axis": (axis + 1) % ndim}
    elif isinstance(axis, tuple):
        params = {**params, "axis": tuple((i + 1) % ndim for i in axis)}
    return g, inner, params


def _frozen(g: Any, inner: Any, params: dict[str, Any]) -> Any:
    return g, tuple(constant(a._data) if isinstance(a, Tensor) else a for a in inner), params


def on_cotangent(change: Callable[[Any, Any], Any]) -> Break:
    return lambda row, i: mutated(row, lambda c, primal, _i: change(c, primal), only=i)


FIRST_ORDER: dict[str, Break] = {
    **{name: on_cotangent(change) for name, change in COTANGENTS.items()},
    "deaf to its cotangent": changed_arguments(_deaf),
    "one axis off": changed_arguments(_axis_off),
}

# ------------------------------------------------------------------------------ does it show?


def numbers(compute: Callable[[], list[Any]]) -> list[Any] | None:
    """Return the numbers of a computation, ``None`` if it was refused."""
    try:
        return compute()
    except REFUSALS:
        return None


def differ(found: list[Any] | None, right: list[Any]) -> bool:
    """Return whether two lists of arrays differ in a number, a shape or a dtype."""
    if found is None:
        return True
    for a, b in zip(found, right, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return True
        scale = np.max(np.abs(b), initial=1)
        if not np.allclose(a, b, rtol=0, atol=1e-9 * scale):
            return True
    return False


def refused(one: Sample, *checks: Callable[[Sample], None]) -> bool:
    """Return whether a check objects to a call."""
    for check in checks:
        try:
            with np.errstate(all="ignore"):
                check(one)
        except REFUSALS:
            return True
    return False


def first_order(one: Sample, i: int) -> list[Any] | None:
    """Return the gradients, and an empty array of the dtype that one argument's rule returns."""
    seen: list[Any] = []

    def look(c: Any, _primal: Any, _i: int) -> Any:
        seen.append(np.zeros(0, c.dtype))
        return c

    row = mutated(one.row, look, only=i)
    found = numbers(lambda: laws.pull(one.of(row), laws.weights_of(one)))
    return None if found is None else [*found, *seen]


def judge(
    tally: Tally,
    calls: list[Sample],
    broken: Op,
    compute: Callable[[Sample], list[Any] | None],
    *checks: Callable[[Sample], None],
) -> None:
    """Plant a broken row: wherever it changes a number, a check has to object."""
    shown = False
    for one in calls:
        right, wrong = compute(one), compute(one.of(broken))
        assert right is not None
        if differ(wrong, right):
            shown = True
            assert refused(one.of(broken), *checks), f"nobody objects, called with {one}"
    tally.planted += shown
    tally.refused += shown
    tally.equivalent += not shown


RULES = [
    (row, i)
    for row in rows()
    if row.kind != "composite" and differentiable(row)
    for i in sorted({i for one in samples_of(row) for i in one.moving})
]
every_rule = pytest.mark.parametrize(
    ("row", "i"), RULES, ids=[f"{row.name}-{i}" for row, i in RULES]
)
every_row = pytest.mark.parametrize(
    "row", [row for row in rows() if differentiable(row)], ids=lambda row: row.name
)


# ------------------------------------------------------------------------------ the tests


@every_rule
def test_a_wrong_vjp_is_refused(row: Op, i: int, tally: Tally) -> None:
    calls = [one for one in samples_of(row) if i in one.moving]
    before = tally.planted
    for name, break_ in FIRST_ORDER.items():
        try:
            judge(
                tally,
                calls,
                break_(row, i),
                lambda one: first_order(one, i),
                laws.check_order_1,
                laws.check_forms,
            )
        except AssertionError as error:
            raise AssertionError(f"{row.name}, argument {i}, {name}: {error}") from error
    assert tally.planted > before


@pytest.mark.parametrize(
    "row", [row for row in rows() if differentiable(row) and row.jvp], ids=lambda row: row.name
)
def test_a_wrong_jvp_is_refused(row: Op, tally: Tally) -> None:
    for name, change in COTANGENTS.items():
        if name in ("first instead of sum", "narrowed to float32", "twice, unsummed"):
            continue  # they are about arguments that broadcast, and about what the sweep projects

        def wrong(*args: Any, change: Any = change, **params: Any) -> Any:
            assert row.jvp is not None
            return change(row.jvp(*args, **params), None)

        def tangents(one: Sample) -> list[Any] | None:
            return numbers(lambda: laws.push(one, one.moving, laws.directions_of(one)))

        try:
            judge(tally, samples_of(row), replace(row, jvp=wrong), tangents, laws.check_jvp)
        except AssertionError as error:
            raise AssertionError(f"jvp of {row.name}, {name}: {error}") from error


def second_order(one: Sample) -> list[Any] | None:
    def compute() -> list[Any]:
        outputs, leaves = laws.call(one, one.moving)
        first = gradients(laws.contract(outputs, laws.weights_of(one)), leaves, create_graph=True)
        inner = laws.contract(first, laws.directions_of(one))
        if not isinstance(inner, Tensor) or not inner.requires_grad:
            return [np.zeros(leaf.shape) for leaf in leaves]
        return [t.numpy() for t in gradients(inner, leaves, retain_graph=True)]

    return numbers(compute)


@pytest.mark.acceptance("N4")
@pytest.mark.parametrize(
    ("row", "i"),
    [(row, i) for row, i in RULES if row.kind != "fused"],
    ids=[f"{row.name}-{i}" for row, i in RULES if row.kind != "fused"],
)
def test_a_rule_right_at_first_order_only_is_refused(row: Op, i: int, tally: Tally) -> None:
    calls = [one for one in samples_of(row) if i in one.moving]
    judge(tally, calls, changed_arguments(_frozen)(row, i), second_order, laws.check_order_2)


@pytest.mark.parametrize(
    ("row", "i"),
    [(row, i) for row, i in RULES if row.accepts_complex],
    ids=[f"{row.name}-{i}" for row, i in RULES if row.accepts_complex],
)
def test_a_conjugate_too_many_is_refused(row: Op, i: int, tally: Tally) -> None:
    broken = mutated(row, lambda c, _primal, _i: np.conj(c), only=i)
    calls = []
    for one in samples_of(row):
        if i in one.moving:
            one = one.on_complex((i,))
            try:
                laws.values(one)
            except (TypeError, ComplexWarning):
                continue  # NumPy itself refuses it, or drops the imaginary part
            calls.append(one)
    judge(tally, calls, broken, lambda one: first_order(one, i), laws.check_order_1)


@pytest.mark.parametrize(
    "row", [row for row in rows() if row.kind == "fused"], ids=lambda row: row.name
)
def test_a_wrong_composite_is_refused(row: Op, tally: Tally) -> None:
    def scaled(*args: Any, **params: Any) -> Any:
        assert row.composite is not None
        return row.composite(*args, **params) * 1.01

    def linear(*args: Any, **params: Any) -> Any:
        """Return the right value and first derivative at these arguments, and no second one."""
        assert row.composite is not None
        found = row.composite(*args, **params)
        return found if not isinstance(found, Tensor) else found + (found - found.detach()) ** 2

    for broken in (scaled, linear):
        for one in samples_of(row):
            tally.planted += 1
            wrong = one.of(replace(row, composite=broken))
            assert refused(wrong, laws.check_fused, laws.check_order_2)
            tally.refused += 1
