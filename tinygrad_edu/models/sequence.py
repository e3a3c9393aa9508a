r"""From one sequence to another: an encoder, a decoder, and attention between them.

Knows: embedding, LSTM and the rows of attention. Does not know: what the characters mean, losses,
optimizers. Read next: ``nn/attention.py``, where attention does without recurrent layers.

The encoder reads the source and leaves its states :math:`m_1, \ldots, m_S` and the pair after the
last step. The decoder begins with that pair and reads the target so far. *Teacher forcing*: in
training it reads the right target, shifted by one place, whatever it would have said itself, so
all places are one scan and learn at once. `Seq2Seq.decode` has no target and reads its own answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.models.recurrent import evaluating
from tinygrad_edu.nn import LSTM, Embedding, Linear, Module, init
from tinygrad_edu.ops.attention import attention_weights, scaled_dot_product_attention

__all__ = ["Seq2Seq"]

Array = np.ndarray[Any, Any]


class Seq2Seq(Module):
    r"""An LSTM that reads a sequence, and one that writes another.

    With attention the state :math:`h_t` of the decoder looks at all states of the encoder, not at
    the last alone, and the answer is read off from what it finds and from itself:

    .. math::
        a_{ts} = \frac{\exp(h_t \cdot m_s)}{\sum_r \exp(h_t \cdot m_r)}, \qquad
        c_t = \sum_s a_{ts}\,m_s, \qquad z_t = [\,c_t, h_t\,] W + b

    A peeky decoder is told the encoder's last state at every step, beside the character before,
    and once more in front of the last layer.

    Parameters
    ----------
    characters : int
        Characters of the source.
    features : int
        Length of the vector of a character.
    hidden : int
        Numbers of hidden units of either LSTM.
    targets : int, optional
        Characters of the target; by default the same as those of the source.
    attention, peeky : bool
        See above; both may be.
    rng : Generator or int, optional
        Where the weights are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described.

    References
    ----------
    I. Sutskever, O. Vinyals, Q. V. Le, "Sequence to sequence learning with neural networks",
    NeurIPS 2014 (also: reversed sources); K. Cho et al., EMNLP 2014, section 2.2 (peeky);
    M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine
    translation", EMNLP 2015, eq. 7 and 8 with the score "dot", without the layer of eq. 5;
    K. Saito, "Deep Learning from Scratch 2", 2018, chapters 7 and 8.

    Examples
    --------
    >>> net = Seq2Seq(13, 8, 16, attention=True, rng=0)
    >>> source, target = np.zeros((2, 7), int), np.zeros((2, 5), int)
    >>> net(source, target[:, :-1]).shape
    (2, 4, 13)
    >>> answers, weights = net.decode(source, start=12, steps=4)
    >>> answers.shape, weights.shape
    ((2, 4), (2, 4, 7))
    """

    def __init__(
        self,
        characters: int,
        features: int,
        hidden: int,
        *,
        targets: int | None = None,
        attention: bool = False,
        peeky: bool = False,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        generator = init.as_generator(rng)
        targets = characters if targets is None else targets
        own: Any = {"rng": generator, "dtype": dtype}
        vectors = init.normal(0.1)
        told = hidden if peeky else 0
        self.attention, self.peeky = attention, peeky
        self.source = Embedding(characters, features, weight=vectors, **own)
        self.encoder = LSTM(features, hidden, **own)
        self.target = Embedding(targets, features, weight=vectors, **own)
        self.decoder = LSTM(features + told, hidden, **own)
        self.last = Linear(hidden + told + (hidden if attention else 0), targets, **own)

    def forward(self, source: Any, given: Any) -> Any:
        """Return the logits of the target, shape (batch, steps, targets), by teacher forcing.

        Parameters
        ----------
        source : array_like of int, shape (batch, places)
            What is read.
        given : array_like of int, shape (batch, steps)
            The start, and the target up to the place before: ``target[:, :-1]``. The labels are
            then ``target[:, 1:]``.
        """
        memory, state = self._read(source)
        return self._written(given, memory, state, weights=False)[0]

    def looks(self, source: Any, given: Any) -> tuple[Any, Any]:
        """Return the logits and where each step looked, shape (batch, steps, places).

        Raises
        ------
        LayerError
            The net has no attention.
        """
        if not self.attention:
            raise LayerError(
                "Seq2Seq.looks: this net has no attention, so there are no weights\n"
                "  fix: Seq2Seq(..., attention=True)"
            )
        memory, state = self._read(source)
        logits, looks, _ = self._written(given, memory, state, weights=True)
        return logits, looks

    def decode(self, source: Any, start: int, steps: int) -> tuple[Array, Array | None]:
        """Return the most probable character at each step, reading its own answers.

        Greedy: the most probable sequence may be another one.

        Parameters
        ----------
        source : array_like of int, shape (batch, places)
            What is read.
        start : int
            The character that the target begins with; it is not in the answer.
        steps : int
            How many characters, at least 1.

        Returns
        -------
        answers : ndarray of int, shape (batch, steps)
        weights : ndarray, shape (batch, steps, places), or None without attention
        """
        answers, looked = [], []
        with evaluating(self):
            memory, state = self._read(source)
            first = state
            given = np.full((memory.shape[0], 1), start)
            for _ in range(steps):
                logits, looks, state = self._written(
                    given, memory, state, weights=self.attention, told=first
                )
                given = logits.numpy().argmax(axis=-1)
                answers.append(given)
                looked.append(looks)
        weights = None
        if self.attention:
            weights = np.concatenate([looks.numpy() for looks in looked], axis=1)
        return np.concatenate(answers, axis=1), weights

    def _read(self, source: Any) -> tuple[Any, Any]:
        """Return the encoder's states at all places, and the pair after the last."""
        memory, state = self.encoder(self.source(_ids("source", source)))
        return memory, state

    def _written(
        self, given: Any, memory: Any, state: Any, *, weights: bool, told: Any = None
    ) -> tuple[Any, Any, Any]:
        """Return logits, where each step looked (None if not asked for), and the last state."""
        given = _ids("target", given)
        x = self.target(given)
        peeked = None
        if self.peeky:
            h = (state if told is None else told)[0][0]
            peeked = np.broadcast_to(h[:, None], (*given.shape, h.shape[-1]))
            x = np.concatenate([peeked, x], axis=-1)
        h, state = self.decoder(x, state)
        parts, looks = [] if peeked is None else [peeked], None
        if self.attention and weights:
            looks = attention_weights(h, memory, scale=1.0)
            parts.append(np.matmul(looks, memory))
        elif self.attention:
            parts.append(scaled_dot_product_attention(h, memory, memory, scale=1.0))
        parts.append(h)
        return self.last(np.concatenate(parts, axis=-1)), looks, state

    def describe(self) -> str:
        """Return what is not the default."""
        chosen = [name for name in ("attention", "peeky") if getattr(self, name)]
        return ", ".join(f"{name}=True" for name in chosen)


def _ids(what: str, ids: Any) -> Array:
    """Return a batch of sequences of numbers; refuse anything else."""
    found = np.asarray(ids.numpy() if isinstance(ids, Tensor) else ids)
    if found.ndim != 2 or 0 in found.shape or found.dtype.kind not in "iu":
        raise LayerError(
            f"Seq2Seq: found a {what} of shape {found.shape}, {found.dtype}; expected numbers of "
            "characters, (batch, places)\n  fix: give a batch with at least one place, ids[None]"
        )
    return found
