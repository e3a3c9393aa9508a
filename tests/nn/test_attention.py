"""Heads against one head at a time, masks, positions, and what a transformer may look at."""

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import (
    MultiheadAttention,
    PositionalEncoding,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


X, MEMORY = draw(2, 5, 8), draw(2, 3, 8, seed=1)


def one_by_one(layer, q, k, v, allowed):
    """Attention head by head and query by query."""
    q, k, v = (
        x @ m.weight.numpy() + m.bias.numpy()
        for x, m in ((q, layer.query), (k, layer.key), (v, layer.value))
    )
    size = layer.features // layer.heads
    merged = np.zeros((*q.shape[:2], layer.features))
    for n, i, head in np.ndindex(*q.shape[:2], layer.heads):
        part = slice(head * size, (head + 1) * size)
        keys = [j for j in range(k.shape[1]) if allowed(n, i, j)]
        e = np.exp([q[n, i, part] @ k[n, j, part] / np.sqrt(size) for j in keys])
        for j, weight in zip(keys, e / e.sum(), strict=True):
            merged[n, i, part] += weight * v[n, j, part]
    return merged @ layer.out.weight.numpy() + layer.out.bias.numpy()


LAYER = MultiheadAttention(8, 2, rng=0, dtype=float)
PADDING = np.array([[True, True, False], [True, False, False]])
PAIRS = draw(5, 3, seed=3) > -0.5
PAIRS[:, 0] = True


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({}, lambda _n, _i, _j: True),
        ({"causal": True}, lambda _n, i, j: j <= i),
        ({"padding": PADDING}, lambda n, _i, j: PADDING[n, j]),
        ({"mask": PAIRS}, lambda _n, i, j: PAIRS[i, j]),
        ({"mask": np.stack([PAIRS, ~PAIRS | True])}, lambda n, i, j: n == 1 or PAIRS[i, j]),
        ({"mask": np.where(PAIRS, 0.0, -np.inf)}, lambda _n, i, j: PAIRS[i, j]),
        (
            {"mask": PAIRS, "padding": PADDING},
            lambda n, i, j: PAIRS[i, j] and PADDING[n, j],
        ),
        (
            {"mask": np.where(PAIRS, 0.0, -np.inf), "padding": PADDING},
            lambda n, i, j: PAIRS[i, j] and PADDING[n, j],
        ),
    ],
)
def test_heads_are_attention_one_by_one(options, allowed):
    expected = one_by_one(LAYER, X, MEMORY, MEMORY, allowed)
    np.testing.assert_allclose(LAYER(X, MEMORY, **options).numpy(), expected, rtol=1e-10)
    found, weights = LAYER(X, MEMORY, weights=True, **options)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)
    assert weights.shape == (2, 2, 5, 3)
    np.testing.assert_allclose(weights.numpy().sum(axis=-1), 1, rtol=1e-12)


def test_keys_and_values_of_other_widths():
    layer = MultiheadAttention(8, 2, fan_key=3, fan_value=4, rng=0, dtype=float)
    key, value = draw(2, 6, 3), draw(2, 6, 4, seed=1)
    expected = one_by_one(layer, X, key, value, lambda *_: True)
    np.testing.assert_allclose(layer(X, key, value).numpy(), expected, rtol=1e-10)


def test_a_sample_of_padding_alone_gives_no_nan():
    x = Tensor(MEMORY, requires_grad=True)
    y = LAYER(x, padding=np.array([[False] * 3, [True] * 3]))
    y.sum().backward()
    np.testing.assert_array_equal(y.numpy()[0], np.tile(LAYER.out.bias.numpy(), (3, 1)))
    assert np.isfinite(x.grad).all()
    assert not x.grad[0].any()


def test_dropout_on_weights_in_training_only():
    layer = MultiheadAttention(8, 2, dropout=0.5, rng=0, dtype=float)
    assert (layer(X).numpy() != layer(X).numpy()).any()
    layer.eval()
    np.testing.assert_array_equal(layer(X).numpy(), layer(X).numpy())


@pytest.mark.parametrize("features", [8, 7, 1])
def test_waves_are_those_of_the_paper(features):
    layer = PositionalEncoding(features, 20, dtype=float)
    y = layer(np.zeros((2, 11, features))).numpy()
    for t, i in np.ndindex(11, features):
        angle = t / 10000 ** (2 * (i // 2) / features)
        expected = np.sin(angle) if i % 2 == 0 else np.cos(angle)
        assert y[1, t, i] == pytest.approx(expected, abs=1e-12)
    assert layer.parameters() == []


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_encoder_layer_is_its_parts(norm_first, activation):
    layer = TransformerEncoderLayer(
        8, 2, hidden=6, norm_first=norm_first, activation=activation, rng=0, dtype=float
    ).eval()
    feed = layer._feed
    if norm_first:
        x = X + layer.attention(layer.norm(X))
        expected = x + feed(layer.feed_norm(x))
    else:
        x = layer.norm(X + layer.attention(X))
        expected = layer.feed_norm(x + feed(x))
    np.testing.assert_allclose(layer(X).numpy(), expected.numpy(), rtol=1e-12)


def test_what_comes_later_changes_nothing_before_it():
    later = X.copy()
    later[:, 3:] += 1
    encoder = TransformerEncoderLayer(8, 2, rng=0, dtype=float).eval()
    decoder = TransformerDecoderLayer(8, 2, rng=0, dtype=float).eval()
    for run in (lambda x: encoder(x, causal=True), lambda x: decoder(x, MEMORY)):
        a, b = run(X).numpy(), run(later).numpy()
        np.testing.assert_allclose(a[:, :3], b[:, :3], rtol=1e-12)
        assert (a[:, 3:] != b[:, 3:]).all()
    free = encoder(X).numpy() != encoder(later).numpy()
    assert free.all()


def test_a_decoder_looks_at_its_memory_where_it_is_real():
    decoder = TransformerDecoderLayer(8, 2, rng=0, dtype=float).eval()
    other = MEMORY.copy()
    other[~PADDING] = 7.0
    a = decoder(X, MEMORY, memory_padding=PADDING).numpy()
    np.testing.assert_allclose(a, decoder(X, other, memory_padding=PADDING).numpy(), rtol=1e-12)
    assert (a != decoder(X, MEMORY).numpy()).any()


def test_every_parameter_of_a_decoder_gets_a_gradient():
    layer = TransformerDecoderLayer(8, 2, norm_first=True, rng=0)
    y = layer(X.astype(np.float32), MEMORY.astype(np.float32))
    assert y.dtype == np.float32
    (y * draw(*y.shape, seed=4).astype(np.float32)).sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert np.isfinite(parameter.grad).all(), name


def test_layers_of_one_seed_begin_alike():
    one, other = (TransformerEncoderLayer(8, 2, rng=3) for _ in range(2))
    x = X.astype(np.float32)
    np.testing.assert_array_equal(one(x).numpy(), other(x).numpy())


def test_layers_describe_themselves():
    assert repr(LAYER).splitlines()[1].strip() == "8, 2"
    assert repr(PositionalEncoding(8, 20)).splitlines()[1].strip() == "8, 20"
    assert "norm_first=True" in repr(TransformerEncoderLayer(8, 2, norm_first=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda: MultiheadAttention(8, 3),
        lambda: MultiheadAttention(0, 1),
        lambda: MultiheadAttention(8, 2, dropout=-1.0),
        lambda: LAYER(X[0]),
        lambda: LAYER(X, mask=np.ones((4, 4), bool)),
        lambda: LAYER(X, mask=np.ones(5, bool)),
        lambda: LAYER(X, padding=np.ones((2, 4), bool)),
        lambda: LAYER(X, padding=np.ones((2, 5))),
        lambda: PositionalEncoding(8, 4)(X),
        lambda: PositionalEncoding(7, 9)(X),
        lambda: TransformerEncoderLayer(8, 2, activation="sin"),
        lambda: TransformerEncoderLayer(8, 2, hidden=0),
    ],
)
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(LayerError, match="fix: "):
        make()
