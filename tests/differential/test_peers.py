"""Every row against PyTorch and JAX: values, gradients of first and second order.

Both are independent of this package and of each other. A row that neither has, has the reason in
its place in the tables. Where they differ, because a kink leaves the choice or because somebody is
wrong, the difference is recorded with its reason, and the record is tested as well.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.exceptions import ComplexWarning

from tinygrad_edu import Tensor, ops
from tinygrad_edu.core.op import Op
from tinygrad_edu.errors import OpTypeError
from tinygrad_edu.testing import laws
from tinygrad_edu.testing.samples import Plan, differentiable, plans, rows, sample
from tinygrad_edu.testing.strategies import samples

from .comparison import (
    LOOSER,
    TOLERANCES,
    Call,
    Differ,
    Edge,
    Lacks,
    Peer,
    assert_agree,
    at_edges,
    of_domain,
    order_of,
    ours,
    recorded,
)
from .in_jax import Jax
from .in_torch import Torch

PEERS: dict[str, Peer] = {"PyTorch": Torch(), "JAX": Jax()}
PLANS = plans()
Report = Callable[[str, object], None]

# A shape is drawn for few rows, and nothing is shrunk: every new shape is compiled anew.
few = settings(
    max_examples=max(2, settings().max_examples // 30),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def of_row(row: Op) -> list[Plan]:
    return [plan for plan in PLANS if plan.row is row]


def compared(peer: Peer, chosen: list[Op]) -> list[Op]:
    return [row for row in chosen if not isinstance(peer.rows.get(row.name, ""), str)]


def each(chosen: Callable[[Peer], list[Op]]) -> pytest.MarkDecorator:
    """Parametrize a test by the libraries and those rows that each has."""
    pairs = [(name, row) for name, peer in PEERS.items() for row in chosen(peer)]
    return pytest.mark.parametrize(
        ("library", "row"), pairs, ids=[f"{name}-{row.name}" for name, row in pairs]
    )


# ------------------------------------------------------------------------------ the tables


@pytest.mark.parametrize("library", PEERS)
def test_every_row_has_a_cell(library: str) -> None:
    assert set(PEERS[library].rows) == {row.name for row in rows()}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_every_row_is_compared_or_says_why_not(row: Op) -> None:
    cells = [peer.rows[row.name] for peer in PEERS.values()]
    reasons = [cell for cell in cells if isinstance(cell, str)]
    assert all(len(reason.split()) > 1 for reason in reasons)


def test_almost_every_row_has_an_independent_judge() -> None:
    judged = {row.name for peer in PEERS.values() for row in compared(peer, rows())}
    assert len(judged) > 0.95 * len(rows())


@pytest.mark.parametrize("library", PEERS)
def test_a_wrong_rule_is_noticed(library: str) -> None:
    one = sample(ops.tanh, ((2, 3),), {}, 1)
    assert_agree(Call(one, "tanh"), PEERS[library])
    wrong = one.of(laws.mutated(ops.tanh, lambda g, _primal, _i: g * (1 + 1e-9)))
    with pytest.raises(AssertionError, match=f"order 1 of tanh, number 0, against {library}"):
        assert_agree(Call(wrong, "tanh"), PEERS[library])


def test_the_exceptions_are_exceptions() -> None:
    known = {row.name for row in rows()}
    for peer in PEERS.values():
        there = {name for name, cell in peer.rows.items() if not isinstance(cell, str)}
        assert set(peer.orders) | set(peer.real) | set(peer.edges) <= there
    assert {name for _, name in LOOSER} <= known


# ------------------------------------------------------------------------------ the rows


@each(lambda peer: compared(peer, rows()))
@few
@given(data=st.data())
def test_a_row_agrees(library: str, row: Op, record_property: Report, data: st.DataObject) -> None:
    record_property(f"compared with {library}", row.name)
    lacking = []
    for plan in of_row(row):
        drawn = data.draw(samples(plan))
        try:
            assert_agree(Call(drawn, str(plan)), PEERS[library])
        except Lacks as reason:
            lacking.append(f"{plan}: {reason}")
    assert len(lacking) < len(of_row(row)), f"no call of {row.name} was compared: {lacking}"


def complex_rows(peer: Peer) -> list[Op]:
    there = [row for row in rows() if row.accepts_complex and differentiable(row)]
    return [row for row in compared(peer, there) if row.name not in peer.real]


@each(complex_rows)
def test_a_row_agrees_off_the_real_axis(library: str, row: Op) -> None:
    # PyTorch is asked for every case; for JAX each is a program to compile.
    chosen = of_row(row) if library == "PyTorch" else of_row(row)[:1]
    for plan in chosen:
        shapes = ((2, 3), (3,), (2, 1))[: len(row.arguments)]
        entries = shapes if plan.case is None else plan.case.arrays
        one = sample(row, entries, plan.params, 11).on_complex()
        try:
            laws.values(one)
            laws.call(one, one.moving)
        except (TypeError, ComplexWarning, OpTypeError):
            continue  # NumPy, or a row within a composite one, has no complex numbers here
        try:
            assert_agree(Call(one, f"{plan} complex"), PEERS[library])
        except Lacks:
            continue


# ------------------------------------------------------------------------------ kinks and ends


def elementwise(peer: Peer) -> list[Op]:
    found = [row for row in rows() if row.kind == "elementwise" and row.differentiable]
    return [row for row in compared(peer, found) if peer.orders.get(row.name, 2)]


@each(elementwise)
def test_slopes_at_kinks_and_ends_agree_or_are_recorded(library: str, row: Op) -> None:
    peer = PEERS[library]
    for plan in of_row(row):
        if plan.case is None:
            call = at_edges(plan)
            try:
                compare_edges(call, peer, peer.edges.get(row.name, ()))
            except Lacks:
                continue


def compare_edges(call: Call, peer: Peer, edges: Any) -> None:
    sample = call.sample
    with np.errstate(all="ignore"):
        ones = [np.ones_like(y) for y in laws.values(sample)]
        mine, theirs = ours(call, 1, ones, []), peer.derivatives(call, 1, ones, [])
    (value,) = mine.value
    inside = of_domain(call, value)
    since, factor, _ = LOOSER.get((peer.name, sample.row.name), ("order 2", 1.0, ""))
    pairs = {None: (value, theirs.value[0])}
    pairs |= dict(zip(sample.moving, zip(mine.first, theirs.first, strict=True), strict=True))
    for argument, (a, b) in pairs.items():
        level = "value" if argument is None else "order 1"
        bound = TOLERANCES[level] * (factor if since != "order 2" else 1)
        with np.errstate(invalid="ignore"):
            near = np.abs(a - b) <= bound * (1 + np.abs(b))
        differs = inside & ~((a == b) | (np.isnan(a) & np.isnan(b)) | near)
        for edge in (e for e in edges if e.argument == argument):
            where = inside & edge.where(*sample.arrays, **sample.params)
            assert differs[where].all(), f"recorded, but the same: {edge.reason}"
            for found, stated in ((a, edge.ours), (b, edge.theirs)):
                if stated is not None:
                    expected = (
                        stated(*sample.arrays, **sample.params) if callable(stated) else stated
                    )
                    expected = np.broadcast_to(expected, found.shape)
                    np.testing.assert_allclose(found[where], expected[where], rtol=1e-12)
            differs = differs & ~where
        places = [tuple(float(x[i]) for x in sample.arrays) for i in np.flatnonzero(differs)]
        assert not places, (
            f"{call.key}, {level} of {argument}: at {places} ours {a[differs]}, "
            f"of {peer.name} {b[differs]}"
        )


# ------------------------------------------------------------------------------ the disagreements

DIFFER = [(name, entry) for name, peer in PEERS.items() for entry in peer.differ]


@pytest.mark.parametrize(
    ("library", "entry"), DIFFER, ids=[f"{name}-{entry}" for name, entry in DIFFER]
)
def test_a_recorded_disagreement_is_as_recorded(
    library: str, entry: Differ, record_property: Report
) -> None:
    record_property("known to differ", str(entry))
    call, peer = recorded(entry), PEERS[library]
    order = max(list(TOLERANCES).index(entry.level), 0)
    assert order <= max(order_of(call, peer), 2 if entry.function else 0)
    ones = [np.ones_like(y) for y in laws.values(call.sample)]
    along = [np.ones_like(call.sample.arrays[i]) for i in call.sample.moving]
    with np.errstate(all="ignore"):
        found = ours(call, order, ones, along).at(entry.level)[entry.number]
        there = peer.derivatives(call, order, ones, along).at(entry.level)[entry.number]
    bound = TOLERANCES[entry.level]
    np.testing.assert_allclose(found, entry.ours, rtol=bound, atol=bound)
    np.testing.assert_allclose(there, entry.theirs, rtol=bound, atol=bound)
    assert not np.allclose(found, there, rtol=1e-6, atol=1e-9, equal_nan=True)
    assert entry.reason


def test_edges_are_recorded_of_arguments_that_exist() -> None:
    for peer in PEERS.values():
        for name, edges in peer.edges.items():
            row = next(row for row in rows() if row.name == name)
            for edge in edges:
                assert isinstance(edge, Edge)
                assert edge.argument is None or row.rules[edge.argument] is not None


def test_ctc_agrees_as_it_is_used_behind_log_softmax() -> None:
    import torch

    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(6, 2, 4)), np.array([[1, 2], [3, 3]])
    lengths = np.array([6, 5]), np.array([2, 2])
    leaf = Tensor(logits, requires_grad=True)
    ops.ctc_loss(ops.log_softmax(leaf), labels, *lengths, reduction="sum").backward()
    there = torch.tensor(logits, requires_grad=True)
    torch.nn.functional.ctc_loss(
        torch.log_softmax(there, -1), *map(torch.tensor, (labels, *lengths)), reduction="sum"
    ).backward()
    np.testing.assert_allclose(leaf.grad, there.grad.numpy(), rtol=1e-11, atol=1e-12)
