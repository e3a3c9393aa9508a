"""Attention and transformers: heads, positions, and the layers of encoder and decoder.

Knows: the rows of ``ops/attention.py`` and the layers around them. Does not know: how derivatives
are taken. Read next: ``losses.py``.

Sequences are (batch, places, features). A mask is of booleans, true where a query may look, or of
numbers that are added to the scores; of two axes it is (queries, keys), of three (batch, queries,
keys), of four (batch, heads, queries, keys). A padding mask is (batch, keys), true where a key is
real. A query that may look nowhere gets 0 from every head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.op import get_op
from tinygrad_edu.core.tensor import Tensor, constant
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.init import as_dtype, as_generator
from tinygrad_edu.nn.layers import Linear, positive
from tinygrad_edu.nn.module import Buffer, Module, as_input
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.nn.regularization import Dropout
from tinygrad_edu.ops.attention import attention_weights, scaled_dot_product_attention

__all__ = [
    "MultiheadAttention",
    "PositionalEncoding",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Rng = np.random.Generator | int | None


def _own(rng: Rng) -> Rng:
    """Return a generator for a layer's dropout, which does not disturb the draws of weights."""
    return None if rng is None else as_generator(rng).spawn(1)[0]


class MultiheadAttention(Module):
    r"""Attention in several heads at once, with linear maps before and behind it.

    .. math:: \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d}}\right) V \quad\text{per head}

    Masks are true where a query *may* look, as in NumPy; PyTorch's layer means the opposite. The
    weights come out per head, and only if asked for. PyTorch's ``add_bias_kv`` and
    ``add_zero_attn`` are not there.

    Parameters
    ----------
    features : int
        Features of the queries and of the result; a multiple of `heads`.
    heads : int
        Number of heads, each of ``features / heads`` features.
    fan_key, fan_value : int, optional
        Features of keys and values, `features` by default.
    bias : bool
        Whether the linear maps have biases.
    dropout : float
        Rate of dropout on the weights of attention, fraction in [0, 1].
    rng : Generator or int, optional
        Where weights and dropout are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or inputs or a mask do not go together.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.

    Examples
    --------
    >>> layer = MultiheadAttention(8, 2, rng=0)
    >>> layer(np.ones((3, 5, 8), np.float32), causal=True).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        fan_key: int | None = None,
        fan_value: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        positive("MultiheadAttention", "features", features)
        positive("MultiheadAttention", "heads", heads)
        if features % heads:
            raise LayerError(
                f"MultiheadAttention: found features={features} and heads={heads}; expected heads "
                "of one size\n  fix: choose a number of heads that divides the features"
            )
        generator = as_generator(rng)
        options: dict[str, Any] = {"bias": bias, "rng": generator, "dtype": dtype}
        self.features, self.heads = features, heads
        self.query = Linear(features, features, **options)
        self.key = Linear(fan_key or features, features, **options)
        self.value = Linear(fan_value or features, features, **options)
        self.out = Linear(features, features, **options)
        self.dropout = Dropout(dropout, rng=_own(rng))

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        *,
        mask: Any = None,
        padding: Any = None,
        causal: bool = False,
        weights: bool = False,
    ) -> Any:
        """Return what the queries find; with ``weights=True`` also how much they look where.

        Parameters
        ----------
        query : array_like, shape (batch, queries, features)
            Who looks.
        key, value : array_like, shape (batch, keys, fan_key) and (batch, keys, fan_value), optional
            Where they look and what is found there; by default the queries, and the keys.
        mask, padding : array_like, optional
            See the text of the module.
        causal : bool
            Whether a query may not look at later places than its own.
        weights : bool
            Whether to return a pair: the result, and weights (batch, heads, queries, keys).
        """
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = (
            self._split(layer(x), name)
            for layer, x, name in (
                (self.query, query, "query"),
                (self.key, key, "key"),
                (self.value, value, "value"),
            )
        )
        allowed = self._mask(mask, padding, (q.shape[0], self.heads, q.shape[2], k.shape[2]))
        if weights or (self.training and self.dropout.p > 0):
            looks = attention_weights(q, k, allowed, causal=causal)
            found = np.matmul(self.dropout(looks), v)
        else:
            looks = None
            found = scaled_dot_product_attention(q, k, v, allowed, causal=causal)
        merged = np.reshape(np.swapaxes(found, 1, 2), (q.shape[0], q.shape[2], self.features))
        result = self.out(merged)
        return (result, looks) if weights else result

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Return those of the scores and of the sums of values; the linear maps have their own."""
        _, (batch, queries, _), *others = shapes
        keys = others[0][1] if others else queries
        return 2 * batch * queries * keys * self.features

    def _split(self, x: Any, name: str) -> Any:
        """Return (batch, places, features) as (batch, heads, places, features of a head)."""
        if x.ndim != 3:
            raise LayerError(
                f"MultiheadAttention: found a {name} with {x.ndim} axes; expected (batch, places, "
                "features)\n  fix: give a batch, as in x[None]"
            )
        parts = (x.shape[0], x.shape[1], self.heads, self.features // self.heads)
        return np.swapaxes(np.reshape(x, parts), 1, 2)

    def _mask(self, mask: Any, padding: Any, scores: tuple[int, ...]) -> Any:
        """Return mask and padding as one that broadcasts to the scores, ``None`` for neither."""
        if mask is not None:
            mask = mask if isinstance(mask, Tensor) else np.asarray(mask)
            if mask.ndim == 3:
                mask = np.expand_dims(mask, 1)
            self._fits("mask", mask, scores)
        if padding is None:
            return mask
        real = np.asarray(padding)
        if real.shape != (scores[0], scores[3]) or real.dtype != np.bool_:
            raise LayerError(
                f"MultiheadAttention: found a padding mask {real.shape} {real.dtype}; expected "
                f"{(scores[0], scores[3])} bool\n  fix: true where a key is real, as in ids != 0"
            )
        real = real[:, None, None, :]
        if mask is None:
            return real
        return mask & real if mask.dtype == np.bool_ else np.where(real, mask, -np.inf)

    def _fits(self, name: str, mask: Any, scores: tuple[int, ...]) -> None:
        ends = zip(mask.shape[::-1], scores[::-1], strict=False)
        if not 2 <= mask.ndim <= 4 or any(n not in (1, m) for n, m in ends):
            raise LayerError(
                f"MultiheadAttention: found a {name} of shape {mask.shape}; expected one that "
                f"broadcasts to (batch, heads, queries, keys), which is {scores}\n"
                "  fix: give (queries, keys), (batch, queries, keys), or all four axes"
            )

    def describe(self) -> str:
        """Return the numbers of features and heads."""
        return f"{self.features}, {self.heads}"


class PositionalEncoding(Module):
    r"""Waves of many lengths added to a sequence, which tell its places apart.

    .. math:: p_{t, 2i} = \sin(t / 10000^{2i/d}), \quad p_{t, 2i+1} = \cos(t / 10000^{2i/d})

    Parameters
    ----------
    features : int
        Features of a place.
    length : int
        The longest sequence.
    dropout : float
        Rate of dropout on the sum, fraction in [0, 1].
    rng : Generator or int, optional
        Where dropout is drawn from.
    dtype : dtype, optional
        Of the waves; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or a sequence is longer.

    References
    ----------
    Vaswani et al. 2017, section 3.5 (see `MultiheadAttention`).
    """

    def __init__(
        self,
        features: int,
        length: int = 1000,
        *,
        dropout: float = 0.0,
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        positive("PositionalEncoding", "features", features)
        positive("PositionalEncoding", "length", length)
        self.features, self.length = features, length
        rates = 10000.0 ** (-np.arange(0, features, 2) / features)
        angles = np.arange(length)[:, None] * rates
        waves = np.empty((length, features))
        waves[:, 0::2] = np.sin(angles)
        waves[:, 1::2] = np.cos(angles[:, : features // 2])
        self.waves = Buffer(waves, dtype=as_dtype(dtype), saved=False)
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: Any) -> Any:
        """Return `x`, shape (..., places, features), with the waves added."""
        x = x if isinstance(x, Tensor) else constant(as_input(self, x))
        if x.ndim < 2 or x.shape[-1] != self.features or x.shape[-2] > self.length:
            raise LayerError(
                f"PositionalEncoding: found an input of shape {x.shape}; expected (..., places, "
                f"{self.features}) of at most {self.length} places\n"
                "  fix: make the layer with a larger length="
            )
        return self.dropout(x + self.waves.data[: x.shape[-2]])

    def describe(self) -> str:
        """Return the sizes."""
        return f"{self.features}, {self.length}"


class _Block(Module):
    """What the layers of transformers share: the feed-forward net, and sums with what came in."""

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        hidden: int | None = None,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
        bias: bool = True,
        eps: float = 1e-5,
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        layer = type(self).__name__
        positive(layer, "features", features)
        generator = as_generator(rng)
        hidden = 4 * features if hidden is None else hidden
        positive(layer, "hidden", hidden)
        if activation not in ("relu", "gelu", "silu", "tanh"):
            raise LayerError(
                f"{layer}: found activation={activation!r}; expected 'relu', 'gelu', 'silu' or "
                "'tanh'\n  fix: use activation='gelu'"
            )
        self.norm_first, self.activation = norm_first, activation
        options: dict[str, Any] = {
            "dropout": dropout, "bias": bias, "rng": generator, "dtype": dtype,
        }  # fmt: skip
        norm: dict[str, Any] = {"bias": bias, "eps": eps, "dtype": dtype}
        self.attention = MultiheadAttention(features, heads, **options)
        self.norm = LayerNorm(features, **norm)
        self.build(features, heads, options, norm)
        weight = "he" if activation == "relu" else "xavier"
        drawn: dict[str, Any] = {"bias": bias, "rng": generator, "dtype": dtype}
        self.up = Linear(features, hidden, weight=weight, **drawn)
        self.down = Linear(hidden, features, **drawn)
        self.feed_norm = LayerNorm(features, **norm)
        self.dropout = Dropout(dropout, rng=None if rng is None else _own(generator))

    def build(
        self, features: int, heads: int, options: dict[str, Any], norm: dict[str, Any]
    ) -> None:
        """Make what stands between attention and the feed-forward net: nothing."""

    def _feed(self, x: Any) -> Any:
        return self.down(self.dropout(get_op(self.activation)(self.up(x))))

    def _summed(self, x: Any, norm: LayerNorm, inner: Any) -> Any:
        """Return x plus what a part makes of it, normalised before the part or behind the sum."""
        if self.norm_first:
            return x + self.dropout(inner(norm(x)))
        return norm(x + self.dropout(inner(x)))

    def describe(self) -> str:
        """Return what is not the default."""
        return "norm_first=True" if self.norm_first else ""


class TransformerEncoderLayer(_Block):
    """Self-attention and a feed-forward net, each added to its input and normalised.

    Parameters
    ----------
    features, heads : int
        As in `MultiheadAttention`.
    hidden : int, optional
        Width of the feed-forward net; 4 times the features by default, as in the paper.
    dropout : float
        Rate of dropout on attention's weights, inside the feed-forward net and before each sum.
    activation : {"relu", "gelu", "silu", "tanh"}
        Of the feed-forward net, which is otherwise built from layers of one's own.
    norm_first : bool
        Whether to normalise before each part, which trains more easily, and not behind each sum,
        as in the paper.
    bias : bool
        Whether linear maps and normalisations have biases.
    eps : float
        Of the normalisations.
    rng, dtype : Generator or int, dtype
        As in `MultiheadAttention`.

    References
    ----------
    Vaswani et al. 2017, section 3.1; R. Xiong et al., "On layer normalization in the transformer
    architecture", ICML 2020, for `norm_first`.
    """

    def forward(
        self, x: Any, *, mask: Any = None, padding: Any = None, causal: bool = False
    ) -> Any:
        """Return the sequence after the layer, of the shape of `x`: (batch, places, features)."""
        x = x if isinstance(x, Tensor) else constant(as_input(self, x))
        options = {"mask": mask, "padding": padding, "causal": causal}
        x = self._summed(x, self.norm, lambda x: self.attention(x, **options))
        return self._summed(x, self.feed_norm, self._feed)


class TransformerDecoderLayer(_Block):
    """Causal self-attention, attention to an encoder's result, and a feed-forward net.

    Parameters
    ----------
    features, heads, hidden, dropout, activation, norm_first, bias, eps, rng, dtype
        As in `TransformerEncoderLayer`.

    References
    ----------
    Vaswani et al. 2017, section 3.1.
    """

    def build(
        self, features: int, heads: int, options: dict[str, Any], norm: dict[str, Any]
    ) -> None:
        """Make the attention to the encoder's result."""
        self.cross = MultiheadAttention(features, heads, **options)
        self.cross_norm = LayerNorm(features, **norm)

    def forward(
        self,
        x: Any,
        memory: Any,
        *,
        mask: Any = None,
        padding: Any = None,
        memory_mask: Any = None,
        memory_padding: Any = None,
        causal: bool = True,
    ) -> Any:
        """Return the sequence after the layer, of the shape of `x`.

        Parameters
        ----------
        x : array_like, shape (batch, places, features)
            The sequence that is decoded.
        memory : array_like, shape (batch, keys, features)
            The encoder's result.
        mask, padding, memory_mask, memory_padding : array_like, optional
            See the text of the module; the first two for `x`, the others for `memory`.
        causal : bool
            Whether a place may not look at later ones.
        """
        x = x if isinstance(x, Tensor) else constant(as_input(self, x))
        own = {"mask": mask, "padding": padding, "causal": causal}
        across = {"mask": memory_mask, "padding": memory_padding}
        x = self._summed(x, self.norm, lambda x: self.attention(x, **own))
        x = self._summed(x, self.cross_norm, lambda x: self.cross(x, memory, **across))
        return self._summed(x, self.feed_norm, self._feed)


# ------------------------------------------------------------------------------ stacks


class _Stack(Module):
    """Layers of one kind above each other, each with weights of its own."""

    layer: ClassVar[type[_Block]]

    def __init__(
        self,
        features: int,
        heads: int,
        layers: int,
        *,
        final_norm: bool | None = None,
        rng: Rng = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        positive(type(self).__name__, "layers", layers)
        generator = None if rng is None else as_generator(rng)
        self.layers = [
            self.layer(features, heads, rng=generator, dtype=dtype, **options)
            for _ in range(layers)
        ]
        wanted = self.layers[0].norm_first if final_norm is None else final_norm
        norm = {name: options[name] for name in ("bias", "eps") if name in options}
        self.final_norm = LayerNorm(features, dtype=dtype, **norm) if wanted else None

    def _ended(self, x: Any) -> Any:
        return x if self.final_norm is None else self.final_norm(x)


class TransformerEncoder(_Stack):
    """Several `TransformerEncoderLayer` above each other.

    PyTorch takes one layer and copies it, so that all begin with the same weights; here each draws
    its own.

    Parameters
    ----------
    features, heads : int
        As in `MultiheadAttention`.
    layers : int
        How many there are.
    final_norm : bool, optional
        Whether the result is normalised; by default it is if ``norm_first=True``, where no layer
        ends with a normalisation.
    rng, dtype, **options
        As in `TransformerEncoderLayer`.

    References
    ----------
    Vaswani et al. 2017, section 3.1.
    """

    layer = TransformerEncoderLayer

    def forward(
        self, x: Any, *, mask: Any = None, padding: Any = None, causal: bool = False
    ) -> Any:
        """Return the sequence after all layers; see `TransformerEncoderLayer`."""
        for layer in self.layers:
            x = layer(x, mask=mask, padding=padding, causal=causal)
        return self._ended(x)


class TransformerDecoder(_Stack):
    """Several `TransformerDecoderLayer` above each other; see `TransformerEncoder`."""

    layer = TransformerDecoderLayer

    def forward(self, x: Any, memory: Any, **options: Any) -> Any:
        """Return the sequence after all layers; see `TransformerDecoderLayer`."""
        for layer in self.layers:
            x = layer(x, memory, **options)
        return self._ended(x)


class Transformer(Module):
    """Encoder and decoder: from one sequence of vectors to another.

    Parameters
    ----------
    features, heads : int
        As in `MultiheadAttention`.
    layers : int or pair of int
        Layers of encoder and decoder.
    rng, dtype, **options
        As in `TransformerEncoder`.

    References
    ----------
    Vaswani et al. 2017, figure 1, without the embeddings and the last linear map.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        layers: int | tuple[int, int] = 6,
        *,
        rng: Rng = None,
        **options: Any,
    ) -> None:
        generator = None if rng is None else as_generator(rng)
        first, second = (layers, layers) if isinstance(layers, int) else layers
        self.encoder = TransformerEncoder(features, heads, first, rng=generator, **options)
        self.decoder = TransformerDecoder(features, heads, second, rng=generator, **options)

    def forward(
        self,
        source: Any,
        target: Any,
        *,
        source_padding: Any = None,
        target_padding: Any = None,
        causal: bool = True,
    ) -> Any:
        """Return the target sequence after encoder and decoder.

        Parameters
        ----------
        source, target : array_like, shape (batch, places, features)
            The sequences.
        source_padding, target_padding : array_like of bool, shape (batch, places), optional
            True where a place is real.
        causal : bool
            Whether a place of the target may not look at later ones.
        """
        memory = self.encoder(source, padding=source_padding)
        return self.decoder(
            target, memory, padding=target_padding, memory_padding=source_padding, causal=causal
        )
