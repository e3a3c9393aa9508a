"""Recurrent layers: one step as a cell, whole sequences in layers, in one or both directions.

Knows: the rows of ``ops/recurrent.py``, weights and states. Does not know: how derivatives are
taken. Read next: ``attention.py``.

Weights are (fan_in, gates · size), the gates next to each other: an LSTM's as input, forget, new,
output; a GRU's as reset, update, new. They begin uniform in ±1/√size, biases at 0, and the LSTM's
forget gate at 1, so that it remembers before it has learned to (R. Jozefowicz, W. Zaremba,
I. Sutskever, "An empirical exploration of recurrent network architectures", ICML 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.tensor import Parameter, constant
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.init import as_dtype, as_generator, uniform
from tinygrad_edu.nn.layers import positive
from tinygrad_edu.nn.module import Buffer, Module, as_input
from tinygrad_edu.nn.regularization import Dropout
from tinygrad_edu.ops.fused import linear
from tinygrad_edu.ops.recurrent import (
    gru_cell,
    gru_scan,
    lstm_cell,
    lstm_scan,
    rnn_cell,
    rnn_scan,
)

SHUT = 1e4
"""A number whose sigmoid is 1, and of its negative 0, to the last bit, whatever is added."""

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Module):
    """What the cells share: two matrices and a bias, and a state that begins with zeros."""

    gates: ClassVar[int] = 1

    def __init__(
        self,
        fan_in: int,
        size: int,
        *,
        bias: bool = True,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        layer = type(self).__name__
        positive(layer, "fan_in", fan_in)
        positive(layer, "size", size)
        dtype, generator = as_dtype(dtype), as_generator(rng)
        draw, width = uniform(-(size**-0.5), size**-0.5), self.gates * size
        self.fan_in, self.size = fan_in, size
        self.w_x = Parameter(draw((fan_in, width), generator, dtype), name="w_x")
        self.w_h = Parameter(draw((size, width), generator, dtype), name="w_h")
        self.bias = Parameter(self.first_bias(dtype), name="bias") if bias else None

    def first_bias(self, dtype: Any) -> np.ndarray[Any, Any]:
        """Return the bias that the cell begins with."""
        return np.zeros(self.gates * self.size, dtype)

    def start(self, batch: tuple[int, ...]) -> Any:
        """Return the state before the first step: zeros."""
        return constant(np.zeros((*batch, self.size), self.w_h.dtype))

    def checked(self, x: Any) -> Any:
        """Return the input of a step, if it has as many numbers as the cell takes."""
        x = as_input(self, x)
        if x.ndim not in (1, 2):
            raise LayerError(
                f"{type(self).__name__}: found an input of shape {x.shape}; expected (batch, "
                f"{self.fan_in})\n  fix: a cell takes one step, as in cell(x[:, t], state)"
            )
        _check_features(self, x)
        return x

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Return one per weight of each sample."""
        batch = math.prod(shapes[1]) // self.fan_in
        return batch * (self.fan_in + self.size) * self.gates * self.size

    def scan(self, z: Any, state: Any, reverse: bool) -> tuple[Any, Any]:
        """Return the results of all steps, time first, and the last state, of projected inputs."""
        raise NotImplementedError

    def resting(self, z: Any, mask: Any) -> Any:  # noqa: ARG002 - for the LSTM
        """Return projected inputs that leave in padding what cannot be looked up afterwards."""
        return z

    def ended(self, last: Any, h: Any) -> Any:  # noqa: ARG002 - for the LSTM
        """Return the state after the last real step, at which the result was `h`."""
        return h

    def describe(self) -> str:
        """Return the sizes and what is not the default."""
        return f"{self.fan_in}, {self.size}" + ("" if self.bias is not None else ", bias=False")


def _check_features(layer: Any, x: Any) -> None:
    """Refuse an input whose steps have another number of features than the layer takes."""
    found = x.shape[-1]
    if found != layer.fan_in:
        name = type(layer).__name__
        raise LayerError(
            f"{name}: found {found} features on the last axis of an input of shape {x.shape}; "
            f"expected fan_in={layer.fan_in}\n"
            f"  fix: make the layer {name}({found}, {layer.size}), or give {layer.fan_in} features"
        )


def _last(states: Any, h: Any, reverse: bool) -> Any:
    """Return the state after the last step; where there is no step, the state before it."""
    return states[0 if reverse else -1] if states.shape[0] else h


class RNNCell(_Cell):
    r"""One step of a plain recurrent net, :math:`h' = \phi(x W_x + h W_h + b)`.

    Parameters
    ----------
    fan_in, size : int
        Numbers of inputs and of hidden numbers.
    activation : {"tanh", "relu"}
        The bend.
    bias : bool
        Whether there is a bias.
    rng : Generator or int, optional
        Where the weights are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    References
    ----------
    J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990).
    """

    def __init__(
        self,
        fan_in: int,
        size: int,
        *,
        activation: str = "tanh",
        bias: bool = True,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        if activation not in ("tanh", "relu"):
            raise LayerError(
                f"RNNCell: found activation={activation!r}; expected 'tanh' or 'relu'\n"
                "  fix: use LSTMCell or GRUCell for gates"
            )
        super().__init__(fan_in, size, bias=bias, rng=rng, dtype=dtype)
        self.activation = activation

    def forward(self, x: Any, h: Any = None) -> Any:
        """Return the state after the step.

        Parameters
        ----------
        x : array_like, shape (batch, fan_in)
            The inputs of the step.
        h : array_like, shape (batch, size), optional
            The state before it; zeros by default.
        """
        x = self.checked(x)
        h = self.start(x.shape[:-1]) if h is None else h
        return rnn_cell(x, h, self.w_x, self.w_h, self.bias, activation=self.activation)

    def scan(self, z: Any, state: Any, reverse: bool) -> tuple[Any, Any]:
        """Return the results of all steps, and the last state."""
        states = rnn_scan(z, state, self.w_h, activation=self.activation, reverse=reverse)
        return states, _last(states, state, reverse)


class LSTMCell(_Cell):
    """One step of a long short-term memory, whose state is a pair: state and cell.

    Parameters
    ----------
    fan_in, size, bias, rng, dtype : int, int, bool, Generator or int, dtype
        As in `RNNCell`.

    References
    ----------
    S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997);
    F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget", Neural Computation 12 (2000).
    """

    gates = 4

    def first_bias(self, dtype: Any) -> np.ndarray[Any, Any]:
        """Return zeros, but ones for the forget gate."""
        bias = super().first_bias(dtype)
        bias[self.size : 2 * self.size] = 1
        return bias

    def start(self, batch: tuple[int, ...]) -> Any:
        """Return the pair before the first step: zeros."""
        return super().start(batch), super().start(batch)

    def forward(self, x: Any, state: Any = None) -> Any:
        """Return the pair ``(h, c)`` after the step; see `RNNCell.forward`."""
        x = self.checked(x)
        h, c = self.start(x.shape[:-1]) if state is None else state
        return lstm_cell(x, h, c, self.w_x, self.w_h, self.bias)

    def scan(self, z: Any, state: Any, reverse: bool) -> tuple[Any, Any]:
        """Return the results of all steps, and the last pair."""
        packed = lstm_scan(z, *state, self.w_h, reverse=reverse)
        states = packed[:-1]
        return states, (_last(states, state[0], reverse), packed[-1])

    def resting(self, z: Any, mask: Any) -> Any:
        """Return projected inputs that keep the cell in padding: nothing in, nothing forgotten."""
        gates = np.repeat([-SHUT, SHUT, 0, 0], self.size).astype(z.dtype)
        return np.where(mask, z, gates)

    def ended(self, last: Any, h: Any) -> Any:
        """Return the pair after the last real step."""
        return h, last[1]


class GRUCell(_Cell):
    """One step of a gated recurrent unit.

    Parameters
    ----------
    fan_in, size, bias, rng, dtype : int, int, bool, Generator or int, dtype
        As in `RNNCell`.
    reset_after : bool
        Whether the reset gate acts after the product with the weights, as in PyTorch, or before
        it, as in the paper and in the book.

    References
    ----------
    K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation", EMNLP 2014, eq. 5 to 8.
    """

    gates = 3

    def __init__(
        self,
        fan_in: int,
        size: int,
        *,
        reset_after: bool = True,
        bias: bool = True,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(fan_in, size, bias=bias, rng=rng, dtype=dtype)
        self.reset_after = reset_after
        # Before the reset gate the two biases would be one.
        second = bias and reset_after
        self.bias_h = Parameter(self.first_bias(self.w_h.dtype), name="bias_h") if second else None

    def forward(self, x: Any, h: Any = None) -> Any:
        """Return the state after the step; see `RNNCell.forward`."""
        x = self.checked(x)
        h = self.start(x.shape[:-1]) if h is None else h
        weights = self.w_x, self.w_h, self.bias, self.bias_h
        return gru_cell(x, h, *weights, reset_after=self.reset_after)

    def scan(self, z: Any, state: Any, reverse: bool) -> tuple[Any, Any]:
        """Return the results of all steps, and the last state."""
        options = {"reset_after": self.reset_after, "reverse": reverse}
        states = gru_scan(z, state, self.w_h, self.bias_h, **options)
        return states, _last(states, state, reverse)


class _Recurrent(Module):
    """Cells over sequences: several layers, one or two directions."""

    cell: ClassVar[type[_Cell]]
    parts: ClassVar[tuple[str, ...]] = ("h",)
    """What the arrays of a state are called."""

    def __init__(
        self,
        fan_in: int,
        size: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = True,
        dropout: float = 0.0,
        stateful: bool = False,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        positive(type(self).__name__, "layers", layers)
        if stateful and bidirectional:
            raise LayerError(
                f"{type(self).__name__}: found stateful=True and bidirectional=True; expected one\n"
                "  fix: the second direction begins at the end, which a later piece would move"
            )
        generator = as_generator(rng)
        self.fan_in, self.size, self.layers = fan_in, size, layers
        self.directions = 2 if bidirectional else 1
        self.batch_first, self.stateful = batch_first, stateful
        self.cells = [
            self.cell(
                fan_in if layer == 0 else size * self.directions,
                size,
                rng=generator,
                dtype=dtype,
                **options,
            )
            for layer in range(layers)
            for _ in range(self.directions)
        ]
        self.dropout = Dropout(dropout, rng=None if rng is None else generator.spawn(1)[0])
        if stateful:
            nothing = np.zeros((layers, 0, size), self.cells[0].w_h.dtype)
            self.kept = {name: Buffer(nothing, free=1) for name in self.parts}

    def forward(self, x: Any, state: Any = None, *, lengths: Any = None) -> tuple[Any, Any]:
        """Return the results of the last layer at all steps, and the state after the last step.

        Parameters
        ----------
        x : array_like, shape (batch, steps, fan_in), or (steps, batch, fan_in) if not batch_first
            The sequences.
        state : array_like, shape (layers · directions, batch, size), optional
            The state before the first step, of an LSTM a pair; zeros by default, or what a
            stateful layer kept.
        lengths : array_like of int, shape (batch,), optional
            How many steps of each sequence are real, at least 1; what is behind them is padding.
            Results of padding are 0, the state is that after the last real step, and the backward
            direction begins there.

        Returns
        -------
        result : Tensor, shape of x with directions · size in place of fan_in
            The forward direction first.
        state : Tensor, or pair of Tensor, shape (layers · directions, batch, size)
            Layer by layer, of each the forward direction first.
        """
        x = as_input(self, x)
        if x.ndim != 3:
            form = "(batch, steps" if self.batch_first else "(steps, batch"
            raise LayerError(
                f"{type(self).__name__}: found an input of shape {x.shape}; expected {form}, "
                f"{self.fan_in})\n  fix: give a batch, as in x[None]"
            )
        _check_features(self, x)
        if self.batch_first:
            x = np.swapaxes(x, 0, 1)
        real = None if lengths is None else _Lengths(self, lengths, *x.shape[:2])
        if state is None and self.stateful:
            state = self._going_on()
        before, after = self._before(x.shape[1], state), []
        for layer in range(self.layers):
            if layer:
                x = self.dropout(x)
            results = []
            for direction in range(self.directions):
                number = layer * self.directions + direction
                states, last = self._scanned(self.cells[number], x, before[number], direction, real)
                results.append(states)
                after.append(last)
            x = results[0] if len(results) == 1 else np.concatenate(results, axis=-1)
        gathered = self._gathered(after)
        if self.stateful:
            for buffer, part in zip(self.kept.values(), self._arrays(gathered), strict=True):
                buffer.data = np.array(part.numpy(), dtype=self.cells[0].w_h.dtype)
        return (np.swapaxes(x, 0, 1) if self.batch_first else x), gathered

    def _scanned(
        self, cell: _Cell, x: Any, before: Any, direction: int, real: _Lengths | None
    ) -> tuple[Any, Any]:
        """Return the results of one cell at all steps, and the state after the last."""
        if real is None:
            return cell.scan(linear(x, cell.w_x, cell.bias), before, direction == 1)
        # Each sequence is turned within its own length, so that padding is at the end either way.
        x = real.turned(real.cleared(x)) if direction else real.cleared(x)
        z = cell.resting(linear(x, cell.w_x, cell.bias), real.mask)
        states, last = cell.scan(z, before, False)
        last = cell.ended(last, real.ends(states))
        states = real.cleared(states)
        return (real.turned(states) if direction else states), last

    def reset_state(self) -> None:
        """Forget the state that a stateful layer kept from the last call."""
        if self.stateful:
            for buffer in self.kept.values():
                buffer.data = buffer.data[:, :0].copy()

    def _going_on(self) -> Any:
        """Return the state that was kept, ``None`` if there is none."""
        arrays = [buffer.data for buffer in self.kept.values()]
        if arrays[0].shape[1] == 0:
            return None
        tensors = tuple(constant(array.copy()) for array in arrays)
        return tensors if len(tensors) > 1 else tensors[0]

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Return one per weight of each step and sample."""
        steps = math.prod(shapes[1]) // self.fan_in
        return sum(
            steps * (cell.fan_in + cell.size) * cell.gates * cell.size for cell in self.cells
        )

    def _before(self, batch: int, state: Any) -> list[Any]:
        """Return the state before the first step of each cell."""
        if state is None:
            return [cell.start((batch,)) for cell in self.cells]
        self._check_state(state, batch)
        return [self._one(state, number) for number in range(len(self.cells))]

    def _check_state(self, state: Any, batch: int) -> None:
        expected = (len(self.cells), batch, self.size)
        for part in self._arrays(state):
            if np.shape(part) != expected:
                raise LayerError(
                    f"{type(self).__name__}: found a state of shape {np.shape(part)}; expected "
                    f"{expected}\n  fix: call reset_state() before a batch of another size"
                )

    # A state is one array; the LSTM's, a pair of them, overrides these three.

    def _arrays(self, state: Any) -> tuple[Any, ...]:
        return (state,)

    def _one(self, state: Any, number: int) -> Any:
        return state[number]

    def _gathered(self, states: list[Any]) -> Any:
        return np.stack(states)

    def describe(self) -> str:
        """Return the sizes and what is not the default."""
        text = f"{self.fan_in}, {self.size}"
        text += f", layers={self.layers}" if self.layers > 1 else ""
        text += ", bidirectional=True" if self.directions == 2 else ""
        text += "" if self.batch_first else ", batch_first=False"
        return text + (", stateful=True" if self.stateful else "")


class _Lengths:
    """How many steps of each sequence are real, for arrays (steps, batch, ...)."""

    def __init__(self, layer: Module, lengths: Any, steps: int, batch: int) -> None:
        found = np.asarray(lengths)
        fits = found.shape == (batch,) and found.dtype.kind in "iu"
        if not fits or (batch and not 1 <= found.min() <= found.max() <= steps):
            raise LayerError(
                f"{type(layer).__name__}: found lengths={lengths!r}; expected {batch} integers "
                f"from 1 to {steps}\n  fix: count the real steps, as in (ids != 0).sum(axis=1)"
            )
        times = np.arange(steps)[:, None]
        self.batch, self.last = np.arange(batch), found - 1
        self.mask = (times < found)[..., None]
        self.order = np.where(times < found, self.last - times, times)

    def cleared(self, x: Any) -> Any:
        """Return `x` with 0 in place of padding."""
        return np.where(self.mask, x, np.zeros((), x.dtype))

    def turned(self, x: Any) -> Any:
        """Return `x` with the real steps of each sequence in reverse."""
        return x[self.order, self.batch]

    def ends(self, x: Any) -> Any:
        """Return the last real step of each sequence."""
        return x[self.last, self.batch]


class RNN(_Recurrent):
    """Plain recurrent layers over sequences.

    Sequences of different lengths are one padded array with ``lengths``; PyTorch's PackedSequence
    and the LSTM's ``proj_size`` are not there.

    Parameters
    ----------
    fan_in, size : int
        Numbers of inputs of a step, and of hidden numbers.
    layers : int
        How many are above each other.
    bidirectional : bool
        Whether each layer runs backwards too; the results stand next to each other.
    batch_first : bool
        Whether sequences are (batch, steps, fan_in), or (steps, batch, fan_in). States are always
        (layers · directions, batch, size).
    dropout : float
        Rate of dropout between layers, fraction in [0, 1].
    stateful : bool
        Whether a call begins with the state that the last one ended with; no gradient flows back
        into that call, which is truncated backpropagation through time. ``reset_state()`` begins
        anew. The state is kept in buffers, so that a saved run goes on exactly.
    rng : Generator or int, optional
        Where weights and dropout are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.
    **options
        Of the cells: see `RNNCell`.

    Raises
    ------
    LayerError
        An argument is not as described, or an input or a state has another shape.

    Examples
    --------
    >>> layer = RNN(3, 5, rng=0)
    >>> result, state = layer(np.ones((2, 7, 3), np.float32))
    >>> result.shape, state.shape
    ((2, 7, 5), (1, 2, 5))
    """

    cell = RNNCell


class GRU(_Recurrent):
    """Layers of gated recurrent units over sequences; see `RNN` and `GRUCell`."""

    cell = GRUCell


class LSTM(_Recurrent):
    """Layers of long short-term memory over sequences, whose state is a pair.

    See `RNN` and `LSTMCell`.
    """

    cell = LSTMCell
    parts = ("h", "c")

    def _arrays(self, state: Any) -> tuple[Any, ...]:
        return tuple(state)

    def _one(self, state: Any, number: int) -> Any:
        return state[0][number], state[1][number]

    def _gathered(self, states: list[Any]) -> Any:
        return np.stack([h for h, _ in states]), np.stack([c for _, c in states])
