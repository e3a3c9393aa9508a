"""Recurrent nets: one answer for a sequence, the next value of a sequence, the next character.

Knows: the layers of ``nn/recurrent.py``. Does not know: optimizers, and what the numbers mean.
Read next: ``sequence.py``, which maps one sequence to another.

`SequenceForecaster` and `CharacterModel` answer at every step, so one call on a sequence learns as
many predictions as it has steps. Their ``unroll`` takes and returns the state, for *truncated
backpropagation*: a long sequence is read in pieces, the state goes from piece to piece, and the
gradient stays in its piece, because the state is `detached` in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import GRU, LSTM, RNN, Dropout, Embedding, Linear, Module, init
from tinygrad_edu.ops.fused import linear
from tinygrad_edu.ops.loss import softmax_cross_entropy

__all__ = [
    "CharacterModel",
    "RecurrentClassifier",
    "SequenceForecaster",
    "consecutive",
    "detached",
    "evaluating",
]

Array = np.ndarray[Any, Any]
Rng = np.random.Generator | int | None
KINDS: dict[str, type[RNN | LSTM | GRU]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def detached(state: Any) -> Any:
    """Return a state, or an LSTM's pair, through which no gradient flows back."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode without recording; each part gets its mode back."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def consecutive(ids: Any, rows: int, steps: int) -> list[tuple[Array, Array]]:
    """Return a text in pieces that follow each other in each row: inputs, and what comes next.

    The text is cut into one part for each row, all of one length, and the parts into pieces. Row r
    of a piece goes on where row r of the piece before ended, so the state after one is the state
    before the next. Less than a piece is left out at the end of each part.

    Parameters
    ----------
    ids : array_like of int, shape (characters,)
        The text.
    rows : int
        Parts that are read side by side, at least 1.
    steps : int
        Characters of a piece, at least 1.

    Returns
    -------
    list of (ndarray, ndarray), each of shape (rows, steps)
        In the second, each character is the one after that in the first.

    Raises
    ------
    LayerError
        The text is too short for one piece.
    """
    text = np.asarray(ids)
    length = (text.size - 1) // rows if min(rows, steps) > 0 else 0
    if text.ndim != 1 or length < max(steps, 1):
        raise LayerError(
            f"consecutive: found a text of shape {text.shape} for rows={rows}, steps={steps}; "
            f"expected one axis of at least rows * steps + 1 characters\n"
            "  fix: take fewer rows or steps, both at least 1"
        )
    first = np.arange(rows)[:, None] * length + np.arange(steps)
    starts = range(0, length - steps + 1, steps)
    return [(text[first + start], text[first + start + 1]) for start in starts]


class RecurrentClassifier(Module):
    """Classes of sequences, or of pictures that are read row by row.

    Parameters
    ----------
    inputs : int
        Numbers of a step; of a picture, its width.
    hidden, outputs : int
        Numbers of hidden units and of classes.
    kind : {"lstm", "gru", "rnn"}
        Which recurrent layer.
    layers : int
        How many are above each other.
    bidirectional : bool
        Whether the sequence is read from both ends.
    dropout : float
        Rate of dropout between the layers and before the last one, fraction in [0, 1].
    rng : Generator or int, optional
        Where weights and dropout are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or an input makes no rows of `inputs` numbers.

    Examples
    --------
    >>> net = RecurrentClassifier(28, 32, 10, rng=0)
    >>> net(np.zeros((5, 784), np.float32)).shape
    (5, 10)
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        kind: str = "lstm",
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        generator = init.as_generator(rng)
        self.recurrent = _layer("RecurrentClassifier", kind)(
            inputs,
            hidden,
            layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
            rng=None if rng is None else generator,
            dtype=dtype,
        )
        self.dropout = Dropout(dropout, rng=None if rng is None else generator.spawn(1)[0])
        width = self.recurrent.directions * hidden
        self.last = Linear(width, outputs, rng=generator, dtype=dtype)

    def forward(self, x: Any) -> Any:
        """Return the logits, shape (batch, outputs).

        Parameters
        ----------
        x : array_like, shape (batch, steps, inputs), or (batch, ...) with steps · inputs numbers
            Sequences, or pictures flat or not: the rows are the steps.
        """
        x = x if isinstance(x, Tensor) else np.asarray(x)
        inputs = self.recurrent.fan_in
        numbers = int(np.prod(x.shape[1:]))
        if x.ndim < 2 or numbers == 0 or numbers % inputs or (x.ndim > 2 and x.shape[-1] != inputs):
            raise LayerError(
                f"RecurrentClassifier: found an input of shape {x.shape}; expected (batch, steps, "
                f"{inputs}), or rows of {inputs} numbers beside each other, (batch, steps * "
                f"{inputs})\n  fix: the first argument of the net is the width of a row"
            )
        rows = np.reshape(x, (x.shape[0], numbers // inputs, inputs))
        _, state = self.recurrent(rows)
        state = state[0] if isinstance(state, tuple) else state
        ends = [state[-direction] for direction in range(self.recurrent.directions, 0, -1)]
        end = ends[0] if len(ends) == 1 else np.concatenate(ends, axis=-1)
        return self.last(self.dropout(end))


class SequenceForecaster(Module):
    """The next value of a sequence, at each of its steps.

    Parameters
    ----------
    features : int
        Numbers of a step.
    hidden : int
        Numbers of hidden units.
    kind, layers, dropout, rng, dtype
        As in `RecurrentClassifier`.

    Raises
    ------
    LayerError
        An argument is not as described.

    Examples
    --------
    >>> net = SequenceForecaster(1, 16, kind="gru", rng=0)
    >>> known = np.sin(np.arange(40, dtype=np.float32))[None, :, None]
    >>> net(known).shape, net.forecast(known, 100).shape
    ((1, 40, 1), (1, 100, 1))
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        kind: str = "lstm",
        layers: int = 1,
        dropout: float = 0.0,
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        generator = init.as_generator(rng)
        self.recurrent = _layer("SequenceForecaster", kind)(
            features,
            hidden,
            layers=layers,
            dropout=dropout,
            rng=None if rng is None else generator,
            dtype=dtype,
        )
        self.last = Linear(hidden, features, rng=generator, dtype=dtype)

    def forward(self, x: Any) -> Any:
        """Return what comes after each step, of the shape of `x`: (batch, steps, features)."""
        return self.unroll(x)[0]

    def unroll(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return what comes after each step, and the state after the last; begin with a state."""
        results, state = self.recurrent(x, state)
        return self.last(results), state

    def forecast(self, x: Any, steps: int) -> Array:
        """Return the values after a sequence, in closed loop: each prediction is the next input.

        Parameters
        ----------
        x : array_like, shape (batch, known, features)
            The known beginning, at least one step.
        steps : int
            How many values, at least 1.

        Returns
        -------
        ndarray, shape (batch, steps, features)
        """
        values = []
        with evaluating(self):
            results, state = self.unroll(x)
            for step in range(steps):
                if step:
                    results, state = self.unroll(results, state)
                results = results[:, -1:]
                values.append(results.numpy())
        return np.concatenate(values, axis=1)


class CharacterModel(Module):
    r"""The next character of a text: embedding, LSTM layers, logits.

    .. math:: P(x_{t+1} = k \mid x_1, \ldots, x_t) = \mathrm{softmax}(h_t W + b)_k

    Parameters
    ----------
    characters : int
        How many there are.
    features : int
        Length of the vector of a character.
    hidden : int
        Numbers of hidden units of each layer.
    layers : int
        How many are above each other.
    dropout : float
        Rate of dropout before, between and behind the layers, fraction in [0, 1].
    tied : bool
        Whether the last layer's weights are the vectors of the characters, which needs `features`
        equal to `hidden`.
    kind : {"lstm", "gru", "rnn"}
        Which recurrent layer.
    stateful : bool
        Whether a call goes on with the state that the call before ended with, and no gradient: for
        training on the pieces of `consecutive`, in their order. ``recurrent.reset_state()`` begins
        anew. `perplexity` and `sample` begin without memory, and leave it as it is.
    rng, dtype : Generator or int, dtype
        As in `RecurrentClassifier`.

    Raises
    ------
    LayerError
        An argument is not as described.

    References
    ----------
    W. Zaremba, I. Sutskever, O. Vinyals, "Recurrent neural network regularization", 2014 (where
    dropout stands); O. Press, L. Wolf, "Using the output embedding to improve language models",
    EACL 2017 (tied weights); K. Saito, "Deep Learning from Scratch 2", 2018, section 6.5.

    Examples
    --------
    >>> model = CharacterModel(5, 8, 16, rng=0)
    >>> model(np.array([[0, 3, 1]])).shape
    (1, 3, 5)
    >>> model.sample([0], 4, rng=np.random.default_rng(0)).shape
    (4,)
    """

    def __init__(
        self,
        characters: int,
        features: int,
        hidden: int,
        *,
        layers: int = 1,
        dropout: float = 0.0,
        tied: bool = False,
        kind: str = "lstm",
        stateful: bool = False,
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        if tied and features != hidden:
            raise LayerError(
                f"CharacterModel: found features={features}, hidden={hidden} and tied=True; "
                "expected equal numbers\n  fix: choose features equal to hidden, or tied=False"
            )
        generator = init.as_generator(rng)
        self.embedding = Embedding(
            characters, features, weight=init.normal(0.1), rng=generator, dtype=dtype
        )
        self.recurrent = _layer("CharacterModel", kind)(
            features,
            hidden,
            layers=layers,
            dropout=dropout,
            stateful=stateful,
            rng=None if rng is None else generator,
            dtype=dtype,
        )
        self.dropout = Dropout(dropout, rng=None if rng is None else generator.spawn(1)[0])
        self.last: Linear | None = None
        if tied:
            self.bias = Parameter(np.zeros(characters, init.as_dtype(dtype)), name="bias")
        else:
            self.last = Linear(hidden, characters, rng=generator, dtype=dtype)

    def forward(self, ids: Any) -> Any:
        """Return the logits of the character after each, shape (batch, steps, characters)."""
        return self.unroll(ids)[0]

    def unroll(self, ids: Any, state: Any = None) -> tuple[Any, Any]:
        """Return the logits at each step, and the state after the last; begin with a state.

        Parameters
        ----------
        ids : array_like of int, shape (batch, steps)
            The characters.
        state : array_like, optional
            What an earlier call returned; by default zeros, or what a stateful model has kept.
        """
        results, state = self.recurrent(self.dropout(self.embedding(ids)), state)
        results = self.dropout(results)
        if self.last is None:
            return linear(results, np.swapaxes(self.embedding.weight, 0, 1), self.bias), state
        return self.last(results), state

    @contextmanager
    def _without_memory(self) -> Iterator[None]:
        """Evaluate from the beginning of a text; what was kept is there again afterwards."""
        stateful, self.recurrent.stateful = self.recurrent.stateful, False
        try:
            with evaluating(self):
                yield
        finally:
            self.recurrent.stateful = stateful

    def perplexity(self, ids: Any, *, rows: int = 1, steps: int = 200) -> float:
        r"""Return how many characters the model wavers between, on a text.

        .. math:: \exp\Bigl(-\frac{1}{n} \sum_t \ln P(x_{t+1} \mid x_1, \ldots, x_t)\Bigr)

        It is 1 if each next character was certain, and the number of characters if all were
        equally probable.

        Parameters
        ----------
        ids : array_like of int, shape (characters,)
            The text.
        rows, steps : int
            How the text is cut; see `consecutive`. More rows are faster, and each begins without
            memory.
        """
        total, count, state = 0.0, 0, None
        with self._without_memory():
            for given, following in consecutive(ids, rows, steps):
                logits, state = self.unroll(given, state)
                total += softmax_cross_entropy(logits, following, reduction="sum").item()
                count += following.size
        return float(np.exp(total / count))

    def sample(
        self, start: Any, count: int, *, rng: np.random.Generator, temperature: float = 1.0
    ) -> Array:
        r"""Return characters that go on from a start, drawn one by one.

        .. math:: P(k) \propto \exp(z_k / T)

        Parameters
        ----------
        start : array_like of int, shape (known,)
            The beginning, at least one character.
        count : int
            How many to draw.
        rng : Generator
            Where they are drawn from.
        temperature : float
            :math:`T`, at least 0: below 1 the probable ones become more probable, at 0 the most
            probable one is taken.

        Returns
        -------
        ndarray of int, shape (count,)
        """
        if not 0 <= temperature < np.inf:
            raise LayerError(
                f"CharacterModel.sample: found temperature={temperature!r}; expected a number of "
                "at least 0\n  fix: 1 draws from the model's own probabilities"
            )
        known = np.asarray(start)
        if known.ndim != 1 or known.size == 0:
            raise LayerError(
                f"CharacterModel.sample: found a start of shape {known.shape}; expected (known,), "
                "at least one character\n  fix: begin with one, such as that of a new line"
            )
        drawn = np.empty(count, np.int64)
        with self._without_memory():
            given, state = known[None], None
            for i in range(count):
                logits, state = self.unroll(given, state)
                drawn[i] = _drawn(logits.numpy()[0, -1], temperature, rng)
                given = drawn[i : i + 1][None]
        return drawn


def _drawn(logits: Array, temperature: float, rng: np.random.Generator) -> int:
    """Return the number of a class, drawn with the probabilities of the logits."""
    if temperature == 0:
        return int(logits.argmax())
    # In float64, and below 0: neither does exp overflow, nor do the probabilities miss 1.
    scores = (logits - logits.max()).astype(np.float64) / temperature
    bounds = np.cumsum(np.exp(scores))
    place = np.searchsorted(bounds, rng.random() * bounds[-1], side="right")
    return int(min(place, len(bounds) - 1))


def _layer(model: str, kind: str) -> type[RNN | LSTM | GRU]:
    """Return the recurrent layer of a name."""
    if kind not in KINDS:
        raise LayerError(
            f"{model}: found kind={kind!r}; expected 'lstm', 'gru' or 'rnn'\n"
            "  fix: 'lstm' remembers longest, 'rnn' is the plainest"
        )
    return KINDS[kind]
