"""Fully connected nets: the book's two-layer net, and one of any depth.

Knows: `Linear`, `BatchNorm1d`, `Dropout`. Does not know: what the numbers mean. Read next:
``nn/layers.py``.

Both return logits, without softmax: `CrossEntropyLoss` takes softmax and logarithm together, which
is exact where the two after each other would not be, and the highest logit is the highest
probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import BatchNorm1d, Dropout, Linear, Module, init
from tinygrad_edu.nn.layers import FUSED

__all__ = ["MultiLayerNet", "TwoLayerNet"]


class TwoLayerNet(Module):
    r"""Two fully connected layers, :math:`\phi(x W_1 + b_1) W_2 + b_2`.

    Parameters
    ----------
    inputs, hidden, outputs : int
        Numbers of inputs, hidden units and classes.
    activation : {"sigmoid", "relu", "tanh", "identity"}
        :math:`\phi`.
    weight : float, str or initialiser
        Initial weights: a standard deviation, or what `Linear` takes. The biases begin at 0.
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
    K. Saito, "Deep Learning from Scratch", 2016, section 4.5.

    Examples
    --------
    >>> net = TwoLayerNet(784, 50, 10, rng=0)
    >>> net(np.zeros((100, 784), np.float32)).shape
    (100, 10)
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        activation: str = "sigmoid",
        weight: Any = 0.01,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        rng = init.as_generator(rng)
        self.first = Linear(
            inputs, hidden, activation=activation, weight=weight, rng=rng, dtype=dtype
        )
        self.second = Linear(hidden, outputs, weight=weight, rng=rng, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        x : array_like, shape (batch, inputs)
            The inputs.
        """
        logits: Tensor = self.second(self.first(x))
        return logits


class MultiLayerNet(Module):
    r"""Fully connected layers of the given sizes, one activation between them.

    Behind each hidden layer: batch normalisation, the activation, dropout, in this order and each
    only if it is asked for, :math:`\mathrm{dropout}(\phi(\mathrm{norm}(x W + b)))`. This is the
    book's order. Its third cure, weight decay, is the optimizer's.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, the units of each hidden layer, classes; at least two numbers.
    activation : str
        Name of a row of the table with one argument: "relu", "sigmoid", "tanh", "gelu_tanh", ...
    weight : float, str or initialiser, optional
        Initial weights: a standard deviation, or what `Linear` takes, such as "he", "xavier".
        By default "he" for "relu", else "xavier". The biases begin at 0.
    batch_norm : bool
        Whether each hidden layer's result is normalised over the batch, before the activation;
        the normalisation's shift takes the place of the bias.
    dropout : float
        Probability of a hidden unit to be zeroed in training, fraction in [0, 1]; 0 for none.
    rng : Generator or int, optional
        Where the weights are drawn from; the generator of `manual_seed` by default. The dropout
        layers get generators spawned from it, so that the weights are the same with and without.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described.

    References
    ----------
    K. Saito, "Deep Learning from Scratch", 2016, sections 6.2 (the initial weights), 6.3 (batch
    normalisation) and 6.4 (dropout).

    Examples
    --------
    >>> net = MultiLayerNet([784, 512, 512, 10], rng=0)
    >>> net(np.zeros((100, 784), np.float32)).shape
    (100, 10)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str = "relu",
        weight: Any = None,
        batch_norm: bool = False,
        dropout: float = 0.0,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        if len(sizes) < 2:
            raise LayerError(
                f"MultiLayerNet: found sizes {list(sizes)}; expected at least two, inputs and "
                "classes\n  fix: MultiLayerNet([784, 100, 10])"
            )
        row = OPS.get(activation)
        if row is None or len(row.arguments) != 1 or not row.differentiable:
            raise LayerError(
                f"MultiLayerNet: found activation={activation!r}; expected a row of the table with "
                "one argument\n  fix: use one such as 'relu', 'sigmoid', 'tanh' or 'gelu_tanh'"
            )
        if weight is None:
            weight = "he" if activation == "relu" else "xavier"
        rng = init.as_generator(rng)
        self.activation = activation
        # A bias in front of a normalisation would be subtracted again.
        biases = [*[not batch_norm] * (len(sizes) - 2), True]
        self.layers = [
            Linear(fan_in, fan_out, bias=bias, weight=weight, rng=rng, dtype=dtype)
            for bias, (fan_in, fan_out) in zip(biases, pairwise(sizes), strict=True)
        ]
        hidden = sizes[1:-1]
        self.norms = [BatchNorm1d(size, dtype=dtype) for size in hidden if batch_norm]
        # Whatever is not 0 goes to Dropout, which refuses what is no probability.
        self.dropouts = [Dropout(dropout, rng=rng.spawn(1)[0]) for _ in hidden if dropout != 0]

    def forward(self, x: Any) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        x : array_like, shape (batch, inputs)
            The inputs.
        """
        for i in range(len(self.layers) - 1):
            x = self._hidden(i, x)
        logits: Tensor = self.layers[-1](x)
        return logits

    def _hidden(self, i: int, x: Any) -> Any:
        """Return the result of a hidden layer and of what stands behind it."""
        if self.norms:
            x = OPS[self.activation](self.norms[i](self.layers[i](x)))
        elif self.activation in FUSED:
            x = self.layers[i](x, self.activation)
        else:
            x = OPS[self.activation](self.layers[i](x))
        return self.dropouts[i](x) if self.dropouts else x

    def describe(self) -> str:
        """Return the activation."""
        return f"activation={self.activation!r}"
