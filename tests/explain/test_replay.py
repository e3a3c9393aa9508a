"""Graphs computed again with other values."""

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.draw.reading import read
from tinygrad_edu.errors import ExplanationError, MutationError
from tinygrad_edu.explain.replay import replay, values


def leaf(name, value):
    return Tensor(value, requires_grad=True, name=name)


BIG = np.linspace(-1.0, 1.0, 24).reshape(4, 6)


def test_only_what_depends_on_a_change_is_computed_and_the_graph_stays():
    a, b = leaf("a", 2.0), leaf("b", 5.0)
    c = a * 3.0
    d = b * 4.0
    y = c + d
    reading = read("test", y)
    new = replay(reading, {a.node: np.array(10.0)})
    assert set(new) == {a.node, c.node, y.node}
    assert new[y.node] == 50.0
    assert y.item() == 26.0


def test_arrays_that_the_graph_did_not_keep_are_computed_again():
    w, v = leaf("w", BIG), leaf("v", BIG)
    h = w + v
    k = h + 1.0
    y = (k - v).sum()
    reading = read("test", y)
    assert h.node not in reading.values
    new = replay(reading, {w.node: BIG * 2})
    np.testing.assert_allclose(new[y.node], (BIG * 2 + 1.0).sum())
    found = values(reading, reading.nodes)
    np.testing.assert_array_equal(found[h.node], BIG + BIG)
    assert set(found) == set(reading.nodes)


def test_single_precision_is_widened_so_that_small_differences_survive():
    w = leaf("w", BIG.astype(np.float32))
    y = np.exp(w).sum()
    reading = read("test", y)
    moved = w.numpy().astype(np.float64)
    moved[0, 0] += 1e-9
    old, new = replay(reading, {w.node: w.numpy()}), replay(reading, {w.node: moved})
    assert new[y.node].dtype == np.float64
    assert (new[y.node] - old[y.node]) / 1e-9 == pytest.approx(np.exp(-1.0), rel=1e-3)


def test_a_constant_that_was_not_kept_cancels_in_a_difference():
    w = leaf("w", BIG)
    t = BIG**2
    y = ((np.tanh(w) - t) ** 2).sum()
    reading = read("test", y)
    new = replay(reading, {w.node: BIG + 0.5})
    np.testing.assert_allclose(new[y.node], ((np.tanh(BIG + 0.5) - t) ** 2).sum(), rtol=1e-13)


def test_a_constant_that_is_lost_for_good_is_named_with_how_to_keep_it():
    w = leaf("w", BIG)
    mask = BIG > 0
    y = np.tanh(w + mask.astype(float)).sum()
    reading = read("test", y)
    with pytest.raises(ExplanationError, match="did not keep it") as caught:
        replay(reading, {w.node: BIG})
    assert "requires_grad=True" in str(caught.value)
    assert "test_replay.py" in str(caught.value)


def test_a_leaf_that_was_written_since_is_refused():
    w, v = leaf("w", BIG), leaf("v", BIG.copy())
    y = (w + v).sum()
    v.data = BIG * 0.0
    with pytest.raises(MutationError, match="v was changed"):
        replay(read("test", y), {w.node: BIG})


def test_a_value_that_is_lost_is_left_out():
    w = leaf("w", BIG)
    h = w + BIG**2
    y = np.tanh(h).sum()
    reading = read("test", y)
    found = values(reading, {h.node, w.node})
    assert set(found) == {w.node}
