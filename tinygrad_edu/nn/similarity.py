"""How alike vectors are, and the word2vec layers that are trained by it.

Knows: rows that compare two vectors, tables of vectors, and how to draw wrong words. Does not know:
text. Read next: ``losses.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LabelError, LayerError, explain
from tinygrad_edu.nn.containers import Embedding
from tinygrad_edu.nn.module import Buffer, Module, as_input
from tinygrad_edu.nn.regularization import own_generator
from tinygrad_edu.ops.activation import softplus
from tinygrad_edu.ops.margin import cosine_similarity, pairwise_distance

__all__ = ["CosineSimilarity", "EmbeddingDot", "NegativeSamplingLoss", "PairwiseDistance"]


class CosineSimilarity(Module):
    r"""The cosine of the angle between vectors, :math:`a \cdot b / (|a|\,|b|)`.

    Parameters
    ----------
    axis : int
        Along which the vectors lie.
    eps : float
        The smallest length that is divided by.
    """

    def __init__(self, axis: int = 1, *, eps: float = 1e-8) -> None:
        self.axis, self.eps = axis, eps

    def forward(self, a: Any, b: Any) -> Any:
        """Return the cosines of `a` and `b`, which broadcast."""
        a, b = _two(self, a, b, self.axis)
        return cosine_similarity(a, b, axis=self.axis, eps=self.eps)

    def describe(self) -> str:
        """Return the axis."""
        return f"axis={self.axis}"


class PairwiseDistance(Module):
    r"""The distance of vectors, :math:`(\sum |a - b + \epsilon|^p)^{1/p}`, along the last axis.

    Parameters
    ----------
    p : float
        The norm's, at least 1.
    eps : float
        Added to each difference; 1e-6 keeps the gradient finite where two vectors are equal.
    keepdims : bool
        Whether the last axis stays, of length 1.

    Raises
    ------
    LayerError
        `p` is below 1.
    """

    def __init__(self, p: float = 2.0, *, eps: float = 1e-6, keepdims: bool = False) -> None:
        if not p >= 1:
            raise LayerError(
                f"PairwiseDistance: found p={p!r}; expected a number of at least 1\n  fix: use p=2"
            )
        self.p, self.eps, self.keepdims = p, eps, keepdims

    def forward(self, a: Any, b: Any) -> Any:
        """Return the distances of `a` and `b`."""
        options = {"p": self.p, "eps": self.eps, "keepdims": self.keepdims}
        return pairwise_distance(*_two(self, a, b, -1), **options)

    def describe(self) -> str:
        """Return the norm."""
        return f"p={self.p}"


def _two(layer: Module, a: Any, b: Any, axis: int) -> tuple[Any, Any]:
    """Return both inputs, if they broadcast and have the axis."""
    a, b = as_input(layer, a), as_input(layer, b)
    try:
        axes = len(np.broadcast_shapes(a.shape, b.shape)) if a.ndim and b.ndim else 0
    except ValueError:
        axes = 0
    if not -axes <= axis < axes:
        raise LayerError(
            explain(
                type(layer).__name__,
                f"the inputs must broadcast to one shape that has axis {axis}",
                arguments=(("a", a), ("b", b)),
                fix="give batches of vectors of one length; one pair of vectors has axis -1",
            )
        )
    return a, b


class EmbeddingDot(Embedding):
    """Scores of a few words: the products of a hidden vector with those words' vectors alone.

    It is the last layer of word2vec, as if `Linear` without bias computed some columns only.

    Parameters
    ----------
    count, size, **options
        As in `Embedding`.

    Raises
    ------
    LayerError
        The shapes do not fit.

    References
    ----------
    K. Saito, "Deep Learning from Scratch 2", 2018, section 4.2.4.
    """

    def forward(self, h: Any, ids: Any) -> Any:  # type: ignore[override]
        """Return the scores, of the shape of `ids`.

        Parameters
        ----------
        h : array_like, shape (..., size)
            Hidden vectors.
        ids : array_like of int, shape (...) or (..., k)
            One word, or k words, for each.
        """
        h, ids = as_input(self, h), self.numbers(ids)
        fits = h.ndim > 0 and h.shape[-1] == self.size
        if not fits or h.shape[:-1] not in (ids.shape, ids.shape[:-1]):
            raise LayerError(
                explain(
                    type(self).__name__,
                    f"hidden vectors must be (..., {self.size}) and words (...) or (..., k)",
                    arguments=(("h", h), ("ids", ids)),
                    fix="give one word, or a row of words, for each hidden vector",
                )
            )
        vectors = super().forward(ids)
        if ids.ndim == h.ndim:
            h = np.expand_dims(h, -2)
        return np.sum(vectors * h, axis=-1)

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Return one per element of each word's vector."""
        return math.prod(shapes[0]) * self.size


class NegativeSamplingLoss(Module):
    r"""The loss of word2vec: the right word against a few wrong ones that are drawn.

    .. math:: -\log\sigma(h \cdot w_t) - \sum_{i=1}^{k} \log\sigma(-h \cdot w_{n_i})

    Wrong words are drawn as often as their counts to a power say, never the right one, and with
    repetition. In evaluation nothing is drawn: it is the expected loss over all words.

    Parameters
    ----------
    counts : array_like, shape (words,)
        How often each word occurs, at least 0, two of them above 0.
    size : int
        Length of the vectors.
    samples : int
        Wrong words for each right one, k.
    power : float
        Of the counts; 0.75 gives rare words more.
    weight, dtype
        As in `Embedding`.
    rng : Generator or int, optional
        Where vectors and wrong words are drawn from; the generator of `manual_seed` by default.

    Raises
    ------
    LayerError
        An argument is not as described.
    LabelError
        A target is no word.

    References
    ----------
    T. Mikolov et al., "Distributed representations of words and phrases and their
    compositionality", NeurIPS 2013, eq. 4; K. Saito, "Deep Learning from Scratch 2", 2018,
    section 4.2.
    """

    def __init__(
        self,
        counts: Any,
        size: int,
        *,
        samples: int = 5,
        power: float = 0.75,
        weight: Any = "normal",
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        table = np.asarray(counts, np.float64)
        if table.ndim != 1 or not (table >= 0).all() or np.count_nonzero(table) < 2:
            raise LayerError(
                f"NegativeSamplingLoss: found counts of shape {table.shape}; expected a row of "
                "numbers of at least 0, two of them above it\n"
                "  fix: count the words, as np.bincount(corpus) does"
            )
        if isinstance(samples, bool) or not isinstance(samples, (int, np.integer)) or samples < 1:
            raise LayerError(
                f"NegativeSamplingLoss: found samples={samples!r}; expected an integer of at least "
                "1\n  fix: use samples=5"
            )
        self.rng = own_generator(rng)
        own = None if rng is None else self.rng
        self.words = EmbeddingDot(len(table), size, weight=weight, rng=own, dtype=dtype)
        self.samples, self.power = int(samples), power
        chances = np.where(table > 0, np.where(table > 0, table, 1) ** power, 0)
        self.chances = Buffer(chances / chances.sum(), saved=False)

    def forward(self, h: Any, targets: Any) -> Any:
        """Return the mean loss.

        Parameters
        ----------
        h : array_like, shape (batch, size)
            Hidden vectors.
        targets : array_like of int, shape (batch,)
            The right words.
        """
        h, targets = as_input(self, h), self.words.numbers(targets)
        targets = targets.numpy() if isinstance(targets, Tensor) else targets
        if h.ndim != 2 or targets.shape != h.shape[:1] or h.shape[1] != self.words.size:
            raise LayerError(
                explain(
                    "NegativeSamplingLoss",
                    f"hidden vectors must be (batch, {self.words.size}), targets (batch,)",
                    arguments=(("h", h), ("targets", targets)),
                    fix="give one word for each hidden vector",
                )
            )
        count = self.words.count
        if targets.size and not 0 <= targets.min() <= targets.max() < count:
            raise LabelError(
                f"NegativeSamplingLoss: found targets from {targets.min()} to {targets.max()}; "
                f"expected 0 to {count - 1}\n  fix: number the words from 0"
            )
        right = softplus(-self.words(h, targets))
        if self.training:
            wrong = np.sum(softplus(self.words(h, self.drawn(targets))), axis=-1)
        else:
            every = np.broadcast_to(np.arange(count), (len(targets), count))
            wrong = np.sum(softplus(self.words(h, every)) * self._expected(targets, h), axis=-1)
        return np.mean(right + wrong)

    def drawn(self, targets: Any) -> Any:
        """Return wrong words for each right one, shape (batch, samples)."""
        right = np.asarray(targets)[:, None]
        ends = np.cumsum(self.chances.data)
        ends /= ends[-1]
        # Drawn from what is left when the interval of the right word is cut out.
        after = ends[right]
        before = after - np.diff(ends, prepend=0.0)[right]
        u = self.rng.random((len(right), self.samples)) * (1 - (after - before))
        u = np.where(u >= before, u + (after - before), u)
        found = np.searchsorted(ends, u, side="right")
        return np.minimum(found, np.flatnonzero(self.chances.data)[-1])

    def _expected(self, targets: Any, h: Any) -> Any:
        """Return how often each word is expected among the wrong ones of each target."""
        chances = np.array(np.broadcast_to(self.chances.data, (len(targets), self.words.count)))
        chances[np.arange(len(targets)), targets] = 0
        chances *= self.samples / chances.sum(axis=1, keepdims=True)
        return chances.astype(h.dtype if h.dtype.kind == "f" else np.float64)

    def describe(self) -> str:
        """Return the numbers of wrong words and the power."""
        return f"samples={self.samples}, power={self.power}"
