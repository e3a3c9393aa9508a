"""Picking and placing: repeated indices sum, masks, choices and ids; error texts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import LabelError, OpError, OpTypeError

X = np.arange(1.0, 13.0).reshape(3, 4)


def slope(f: Any, x: Any) -> Any:
    """Return the gradient of the sum of what a function of one tensor gives."""
    leaf = Tensor(x, requires_grad=True)
    f(leaf).sum().backward()
    return leaf.grad


def loop_add(shape: tuple[int, ...], places: Any, source: Any) -> Any:
    """Return zeros with elements added one after the other."""
    out = np.zeros(shape)
    for place, value in zip(np.reshape(places, (-1, len(shape))), np.ravel(source), strict=True):
        out[tuple(place)] += value
    return out


# ------------------------------------------------------------------------------ repeated indices


@pytest.mark.hazard(24)
@given(ids=st.lists(st.integers(-3, 2), max_size=8))
def test_rows_taken_often_sum_their_gradients(ids: list[int]) -> None:
    rows = np.array(ids, dtype=np.int64)
    weights = np.random.default_rng(0).normal(size=(len(ids), 4))
    expected = np.zeros((3, 4))
    for row, weight in zip(ids, weights, strict=True):
        expected[row] += weight
    for f in (
        lambda x: x[rows],
        lambda x: np.take(x, rows, 0),
        lambda x: x.index_select(0, rows),
        lambda x: x.gather(0, np.repeat(rows[:, None], 4, axis=1)),
    ):
        np.testing.assert_allclose(slope(lambda x, f=f: f(x) * weights, X), expected, atol=1e-14)
    np.testing.assert_allclose(tg.scatter(weights, rows, (3, 4)), expected, atol=1e-14)


def test_scatter_refuses_rows_that_are_not_there() -> None:
    for rows in (np.array([0, 3]), np.array([-4])):
        with pytest.raises(IndexError):
            tg.scatter(np.ones((len(rows), 4)), rows, (3, 4))


def test_scatter_add_adds_one_after_the_other() -> None:
    indices = np.array([[0, 0, 2], [0, 2, 2]])
    source = np.random.default_rng(1).normal(size=(2, 3))
    places = [[(indices[i, j], j) for j in range(3)] for i in range(2)]
    expected = X + loop_add((3, 4), places, source)
    np.testing.assert_allclose(tg.scatter_add(X, 0, indices, source), expected)
    np.testing.assert_array_equal(slope(lambda s: tg.scatter_add(X, 0, indices, s), source), 1.0)


@pytest.mark.hazard(24)
def test_index_add_and_index_put_sum() -> None:
    rows, source = np.array([1, 1, 0]), np.ones((3, 4))
    expected = X + 2.0 * np.array([[1.0], [2.0], [0.0]])
    np.testing.assert_array_equal(tg.index_add(X, 0, rows, source, alpha=2), expected)
    np.testing.assert_array_equal(tg.index_put(X, (rows,), 2.0, accumulate=True), expected)
    at = np.array([0, 0]), np.array([1, 1])
    assert tg.index_put(X, at, np.array([5.0, 7.0]))[0, 1] == 7.0
    np.testing.assert_array_equal(
        slope(lambda v: tg.index_put(X, at, v), np.array([5.0, 7.0])), [0.0, 1.0]
    )
    assert X[0, 1] == 2.0  # nothing is changed in place


def test_copies_and_fills_leave_the_rest() -> None:
    rows = np.array([2, 0])
    expected = X.copy()
    expected[rows] = 0.5
    np.testing.assert_array_equal(tg.index_fill(X, 0, rows, 0.5), expected)
    np.testing.assert_array_equal(tg.index_copy(X, 0, rows, np.full((2, 4), 0.5)), expected)
    np.testing.assert_array_equal(
        slope(lambda x: x.index_fill(0, rows, 0.5), X), np.array([[0.0], [1.0], [0.0]]) * np.ones(4)
    )


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_put_along_axis_puts_what_numpy_puts(axis: int | None) -> None:
    places = np.array([3, 11]) if axis is None else X.argmax(axis, keepdims=True)
    expected = X.copy()
    np.put_along_axis(expected, places, -1.0, axis)
    np.testing.assert_array_equal(tg.put_along_axis(X, places, -1.0, axis), expected)
    found = slope(lambda x: tg.put_along_axis(x, places, -1.0, axis), X)
    np.testing.assert_array_equal(found, expected != -1.0)
    with pytest.raises(OpError, match="as many axes"):
        tg.put_along_axis(X, np.array([1]), 0.0, 0)


@pytest.mark.parametrize("mode", ["wrap", "clip"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_take_out_of_reach(mode: Any, axis: int | None) -> None:
    places = np.array([[-20, -1, 0], [2, 5, 40]])
    np.testing.assert_array_equal(
        np.take(Tensor(X), places, axis, None, mode).numpy(), np.take(X, places, axis, mode=mode)
    )
    with pytest.raises(IndexError, match="out of bounds"):
        np.take(Tensor(X), places, axis)
    with pytest.raises(OpError, match="'raise', 'wrap' or 'clip'"):
        tg.take(X, places, axis, mode="around")


# ------------------------------------------------------------------------------ masks


def test_a_mask_of_every_kind() -> None:
    mask = X % 3 == 0
    for given_mask in (mask, Tensor(mask)):
        np.testing.assert_array_equal(tg.masked_select(X, given_mask), X[mask])
        np.testing.assert_array_equal(slope(lambda x, m=given_mask: x.masked_select(m), X), mask)
        np.testing.assert_array_equal(
            slope(lambda x, m=given_mask: x.masked_fill(m, 9.0), X), ~mask
        )
    computed = slope(lambda x: tg.masked_select(x, x > 6), X)
    np.testing.assert_array_equal(computed, X > 6)


def test_masked_fill_stops_what_it_hides() -> None:
    x = np.array([0.0, 4.0])
    found = slope(lambda t: tg.masked_fill(np.sqrt(t), t == 0, 0.0), x)
    np.testing.assert_array_equal(found, [0.0, 0.25])
    assert slope(lambda v: tg.masked_fill(X, X > 3, v), np.array(2.0)) == 9.0


def test_masked_scatter_fills_in_order() -> None:
    mask = np.array([[False, True, True, False], [True, False, False, False], [False] * 4])
    expected = X.copy()
    expected[mask] = [7.0, 8.0, 9.0]
    source = np.array([7.0, 8.0, 9.0, 10.0])
    np.testing.assert_array_equal(tg.masked_scatter(X, mask, source), expected)
    np.testing.assert_array_equal(
        slope(lambda s: tg.masked_scatter(X, mask, s), source), [1.0, 1.0, 1.0, 0.0]
    )
    with pytest.raises(OpError, match="holds 3 times"):
        tg.masked_scatter(X, mask, source[:2])


def test_compress_and_extract() -> None:
    np.testing.assert_array_equal(
        np.compress([True, False], Tensor(X), axis=0).numpy(), np.compress([True, False], X, axis=0)
    )
    np.testing.assert_array_equal(np.extract(X > 5, Tensor(X)).numpy(), X[X > 5])
    with pytest.raises(OpError, match="masked_select"):
        tg.compress(X > 5, X)


# ------------------------------------------------------------------------------ choices


def test_select_takes_the_first_that_holds() -> None:
    conditions = [X < 4, X < 8]
    choices = [X * 10, X * 100]
    expected = np.select(conditions, choices, -1.0)
    for masks in (conditions, [Tensor(c) for c in conditions]):
        found = np.select(masks, [Tensor(c) for c in choices], -1.0)
        np.testing.assert_array_equal(found.numpy(), expected)
    grown = slope(lambda x: np.select([x < 4, x < 8], [x * 10, x * 100], 0.0), X)
    np.testing.assert_array_equal(grown, np.select(conditions, [10.0 + 0 * X, 100.0 + 0 * X]))


def test_select_stops_what_it_does_not_take() -> None:
    x = np.array([0.0, 4.0])
    found = slope(lambda t: np.select([t > 0], [np.sqrt(t)], 0.0), x)
    np.testing.assert_array_equal(found, [0.0, 0.25])
    with pytest.raises(OpError, match="one choice for each"):
        tg.select([X > 0], [X, X])


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_choose_has_the_values_of_numpy(mode: Any) -> None:
    which = np.array([[0, 1, 1, 0]]) if mode == "raise" else np.array([[-1, 1, 2, 5]])
    choices = [X, X[0] * 10]
    expected = np.choose(which, choices, mode=mode)
    np.testing.assert_array_equal(tg.choose(which, choices, mode=mode), expected)
    found = np.choose(which, [Tensor(c) for c in choices], mode=mode)
    np.testing.assert_array_equal(found.numpy(), expected)
    with pytest.raises(OpError, match="there are 2 choices"):
        tg.choose(np.array([2]), choices)


# ------------------------------------------------------------------------------ ids


@pytest.mark.hazard(24)
def test_embedding_sums_over_ids_that_come_again() -> None:
    table = np.random.default_rng(2).normal(size=(5, 3))
    ids = np.array([[1, 1, 4], [0, 1, 4]])
    np.testing.assert_array_equal(tg.embedding(ids, table), table[ids])
    counts = np.bincount(ids.ravel(), minlength=5)[:, None] * np.ones(3)
    np.testing.assert_array_equal(slope(lambda w: tg.embedding(ids, w), table), counts)
    counts[1] = 0
    np.testing.assert_array_equal(
        slope(lambda w: tg.embedding(ids, w, padding_idx=1), table), counts
    )
    np.testing.assert_array_equal(tg.embedding(ids, table, padding_idx=1), table[ids])


@pytest.mark.hazard(25)
@pytest.mark.parametrize("wrong", [-1, 5])
def test_an_id_that_is_no_row_is_refused(wrong: int) -> None:
    for ids in (np.array([0, wrong]), Tensor(np.array([0, wrong]))):
        with pytest.raises(
            IndexError, match=f"{wrong} among the ids is no row of weight: there are 5"
        ):
            tg.embedding(ids, np.ones((5, 2)))
        with pytest.raises(LabelError, match=f"{wrong} among the labels is no class"):
            tg.one_hot(ids, 5)
    with pytest.raises(OpTypeError, match="whole numbers, not float64"):
        tg.embedding(np.array([0.0]), np.ones((5, 2)))
    with pytest.raises(OpError, match="padding_idx 7"):
        tg.embedding(np.array([0]), np.ones((5, 2)), padding_idx=7)


def test_one_hot_is_a_row_of_the_identity() -> None:
    labels = np.array([[2, 0], [1, 2]])
    np.testing.assert_array_equal(tg.one_hot(labels), np.eye(3)[labels])
    assert tg.one_hot(labels, 4, np.float32).dtype == np.float32
    assert tg.one_hot(np.zeros(0, np.int64), 3).shape == (0, 3)
    with pytest.raises(OpError, match="num_classes"):
        tg.one_hot(np.zeros(0, np.int64))


# ------------------------------------------------------------------------------ where it is not 0


def test_places_of_what_is_not_zero() -> None:
    x = np.array([[0.0, 2.0], [-1.0, 0.0]])
    for found, expected in zip(
        np.nonzero(Tensor(x, requires_grad=True)), np.nonzero(x), strict=True
    ):
        np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(np.argwhere(Tensor(x)).numpy(), np.argwhere(x))
    np.testing.assert_array_equal(np.flatnonzero(Tensor(x)).numpy(), [1, 2])
    np.testing.assert_array_equal(slope(lambda t: t[np.nonzero(t)], x), x != 0)
    with pytest.raises(OpError, match="atleast_1d"):
        tg.nonzero(np.array(1.0))


# ------------------------------------------------------------------------------ nan and inf


def test_nan_to_num_replaces_and_stops() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 2.0])
    np.testing.assert_array_equal(np.nan_to_num(Tensor(x)).numpy(), np.nan_to_num(x))
    np.testing.assert_array_equal(tg.nan_to_num(x, nan=1, posinf=2, neginf=3), [1, 2, 3, 2])
    np.testing.assert_array_equal(slope(tg.nan_to_num, x), [0, 0, 0, 1])


def test_parts_of_numbers() -> None:
    x = np.array([1.75, -1.75, np.inf, -np.inf, -0.0])
    for found, expected in zip(np.modf(Tensor(x)), np.modf(x), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected)
    for found, expected in zip(np.divmod(Tensor(x[:2]), 0.5), np.divmod(x[:2], 0.5), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(slope(lambda t: np.copysign(t, -1.0), x[:2]), [-1.0, 1.0])
    np.testing.assert_array_equal(slope(lambda t: np.ldexp(t, 3), x[:2]), [8.0, 8.0])


def test_vectors_that_index_all_combinations():
    rows, keep = np.array([2, 0]), np.array([True, False, True])
    x = Tensor(np.arange(9.0).reshape(3, 3), requires_grad=True)
    found = np.ix_(Tensor(rows), Tensor(keep))
    for one, other in zip(found, np.ix_(rows, keep), strict=True):
        np.testing.assert_array_equal(one.numpy(), other)
    np.testing.assert_array_equal(x[found].numpy(), [[6, 8], [0, 2]])
    with pytest.raises(OpError, match="argument 1 has 2 axes"):
        tg.ix_(rows, x)


def test_where_of_a_condition_alone_is_nonzero():
    x = Tensor([[0.0, 2.0], [3.0, 0.0]], requires_grad=True)
    places = np.where(x > 0)
    for one, other in zip(places, np.nonzero(x.numpy()), strict=True):
        np.testing.assert_array_equal(one.numpy(), other)
    x[places].sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 1], [1, 0]])


def test_labels_may_be_a_list():
    np.testing.assert_array_equal(tg.one_hot([0, 2], 3), [[1, 0, 0], [0, 0, 1]])
