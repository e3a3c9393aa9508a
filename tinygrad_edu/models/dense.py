"""Fully connected nets: the book's two-layer net, and one of any depth.

Knows: `Linear`. Does not know: what the numbers mean. Read next: ``nn/layers.py``.

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
from tinygrad_edu.nn import Linear, Module, init
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
        rng, weight = init.as_generator(rng), _initializer(weight)
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
    """Fully connected layers of the given sizes, one activation between them.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, the units of each hidden layer, classes; at least two numbers.
    activation : str
        Name of a row of the table with one argument: "relu", "sigmoid", "tanh", "gelu_tanh", ...
    weight : float, str or initialiser, optional
        Initial weights: a standard deviation, or what `Linear` takes, such as "he", "xavier".
        By default "he" for "relu", else "xavier". The biases begin at 0.
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
    K. Saito, "Deep Learning from Scratch", 2016, section 6.2 (the initial weights).

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
        rng, weight = init.as_generator(rng), _initializer(weight)
        self.activation = activation
        self.layers = [
            Linear(fan_in, fan_out, weight=weight, rng=rng, dtype=dtype)
            for fan_in, fan_out in pairwise(sizes)
        ]

    def forward(self, x: Any) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        x : array_like, shape (batch, inputs)
            The inputs.
        """
        for layer in self.layers[:-1]:
            x = self._activated(layer, x)
        logits: Tensor = self.layers[-1](x)
        return logits

    def _activated(self, layer: Linear, x: Any) -> Any:
        """Return a layer's result after the activation, computed together where that exists."""
        if self.activation in FUSED:
            return layer(x, self.activation)
        return OPS[self.activation](layer(x))

    def describe(self) -> str:
        """Return the activation."""
        return f"activation={self.activation!r}"


def _initializer(weight: Any) -> Any:
    """Return the initialiser of a standard deviation, and anything else as it is."""
    return init.normal(weight) if isinstance(weight, (int, float)) else weight
