"""Attention against a loop over queries, with all kinds of masks; rows that may look nowhere."""

import math

import numpy as np
import pytest

from tinygrad_edu import ops
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import gradients, hvp
from tinygrad_edu.errors import OpError, OpTypeError


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


Q, K, V = draw(3, 4), draw(5, 4, seed=1), draw(5, 2, seed=2)
MASK = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)


def by_loops(q, k, v, allowed, scale, bias=None):
    y = np.zeros((len(q), v.shape[1]))
    for i, query in enumerate(q):
        keys = [j for j in range(len(k)) if allowed(i, j)]
        scores = [scale * query @ k[j] + (0 if bias is None else bias[i, j]) for j in keys]
        weights = [math.exp(s) for s in scores]
        for j, weight in zip(keys, weights, strict=True):
            y[i] += weight / sum(weights) * v[j]
    return y


@pytest.mark.parametrize(
    ("options", "allowed", "scale"),
    [
        ({}, lambda _i, _j: True, 0.5),
        ({"scale": 0.1}, lambda _i, _j: True, 0.1),
        ({"causal": True}, lambda i, j: j <= i, 0.5),
        ({"mask": MASK}, lambda i, j: MASK[i, j], 0.5),
        ({"mask": MASK, "causal": True}, lambda i, j: MASK[i, j] and j <= i, 0.5),
        ({"mask": np.where(MASK, 0.0, -np.inf)}, lambda i, j: MASK[i, j], 0.5),
    ],
)
def test_values_are_those_of_loops(options, allowed, scale):
    expected = by_loops(Q, K, V, allowed, scale)
    found = ops.scaled_dot_product_attention(Q, K, V, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    weights = ops.attention_weights(Q, K, **options)
    np.testing.assert_allclose(weights @ V, expected, rtol=1e-12, atol=1e-15)
    sums = [float(any(allowed(i, j) for j in range(5))) for i in range(3)]
    np.testing.assert_allclose(weights.sum(axis=-1), sums, rtol=1e-14)


def test_numbers_are_added_to_the_scores_and_have_a_gradient():
    bias = draw(3, 5, seed=3)
    expected = by_loops(Q, K, V, lambda _i, _j: True, 0.5, bias)
    t = Tensor(bias, requires_grad=True)
    y = ops.scaled_dot_product_attention(Q, K, V, t)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)
    y.sum().backward()
    np.testing.assert_allclose(t.grad.sum(axis=1), 0, atol=1e-14)  # softmax ignores a shift
    assert np.abs(t.grad).max() > 0.01


def test_heads_and_batches_broadcast():
    q, k, v = draw(2, 3, 4, 5), draw(3, 6, 5, seed=1), draw(2, 1, 6, 2, seed=2)
    found = ops.scaled_dot_product_attention(q, k, v)
    assert found.shape == (2, 3, 4, 2)
    for n, h in np.ndindex(2, 3):
        alone = by_loops(q[n, h], k[h], v[n, 0], lambda _i, _j: True, 5**-0.5)
        np.testing.assert_allclose(found[n, h], alone, rtol=1e-12)


@pytest.mark.parametrize("mask", [MASK, np.where(MASK, 0.0, -np.inf)], ids=["bool", "-inf"])
def test_a_query_that_may_look_nowhere_gives_0_and_no_nan_at_any_order(mask):
    leaves = [Tensor(a, requires_grad=True) for a in (Q, K, V)]
    y = ops.scaled_dot_product_attention(*leaves, mask)
    assert not y.numpy()[1].any()
    first = gradients((y * draw(3, 2, seed=4)).sum(), leaves, create_graph=True)
    assert not first[0].numpy()[1].any()
    second = gradients(sum((g * g).sum() for g in first), leaves)
    for g in (*first, *second):
        assert np.isfinite(g.numpy()).all()
    assert not second[0].numpy()[1].any()


def test_nothing_to_look_at():
    nowhere = np.zeros((3, 5), bool)
    t = Tensor(K, requires_grad=True)
    y = ops.scaled_dot_product_attention(Q, t, V, nowhere)
    assert not y.numpy().any()
    y.sum().backward()
    assert not t.grad.any()
    assert ops.scaled_dot_product_attention(Q, K[:0], V[:0]).tolist() == [[0, 0]] * 3
    empty = Tensor(K[:0], requires_grad=True)
    ops.scaled_dot_product_attention(Q, empty, V[:0]).sum().backward()
    assert empty.grad.shape == (0, 4)
    assert ops.scaled_dot_product_attention(Q[:0], K, V).shape == (0, 2)
    assert (
        not hvp(lambda q: ops.scaled_dot_product_attention(q, K, V, nowhere).sum(), Q, Q)
        .numpy()
        .any()
    )


def test_large_scores_do_not_overflow():
    t = Tensor(Q * 1e4, requires_grad=True)
    y = ops.scaled_dot_product_attention(t, K * 1e3, V)
    y.sum().backward()
    assert np.isfinite(y.numpy()).all()
    assert np.isfinite(t.grad).all()
    best = V[np.argmax(Q @ K.T, axis=1)]
    np.testing.assert_allclose(y.numpy(), best, rtol=1e-12)


def test_float32_stays_float32_under_any_mask():
    q, k, v = (a.astype(np.float32) for a in (Q, K, V))
    for mask in (None, MASK, np.where(MASK, 0, -np.inf).astype(np.float32)):
        assert ops.scaled_dot_product_attention(q, k, v, mask, causal=True).dtype == np.float32


def test_the_causal_mask_counts_from_the_first_place():
    found = ops.causal_mask(np.zeros((7, 2, 3)))
    np.testing.assert_array_equal(found, [[True, False, False], [True, True, False]])


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ((Q[0], K, V), "two axes"),
        ((Q[:, :3], K, V), "equally many features"),
        ((Q, K, V[:4]), "one value for each key"),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(arrays, text):
    with pytest.raises(OpError, match=text):
        ops.scaled_dot_product_attention(*arrays)


def test_a_mask_of_integers_is_refused():
    with pytest.raises(OpTypeError, match="either of two"):
        ops.scaled_dot_product_attention(Q, K, V, MASK.astype(int))
