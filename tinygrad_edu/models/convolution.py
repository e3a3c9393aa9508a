"""Convolutional nets: the book's simple one, and its deep one, also with trained weights.

Knows: convolutions, pooling, `Linear`. Does not know: training, or what the classes mean.
Read next: ``nn/convolution.py``.

Both take images as (batch, channels, height, width) and return logits, as the nets of ``dense.py``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import DataError, LayerError
from tinygrad_edu.nn import Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential
from tinygrad_edu.nn.init import as_generator

__all__ = ["DeepConvNet", "SimpleConvNet"]

PRETRAINED = Path(__file__).parent / "deep_conv_net.npz"
PRETRAINED_SHA256 = "0267284178da15a3ad69d16375b7897073b3df6148cb8605e9ae9846de0dfa53"


class SimpleConvNet(Module):
    """One convolution, and two fully connected layers: conv, ReLU, pool, linear, ReLU, linear.

    Parameters
    ----------
    input_shape : tuple of int
        Channels, height and width of an image.
    maps : int
        Filters of the convolution.
    size, padding, stride : int
        Of the convolution's windows.
    pool : int
        Side of the squares whose largest element is kept.
    hidden, outputs : int
        Numbers of hidden units and classes.
    weight : float, str or initialiser
        Initial weights: a standard deviation, or what `Linear` takes. The biases begin at 0.
    rng : Generator or int, optional
        Where the weights are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or nothing is left of an image.

    References
    ----------
    K. Saito, "Deep Learning from Scratch", 2016, section 7.5.

    Examples
    --------
    >>> net = SimpleConvNet(rng=0)
    >>> net(np.zeros((100, 1, 28, 28), np.float32)).shape
    (100, 10)
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        *,
        maps: int = 30,
        size: int = 5,
        padding: int = 0,
        stride: int = 1,
        pool: int = 2,
        hidden: int = 100,
        outputs: int = 10,
        weight: Any = 0.01,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        channels, *sides = _image_shape("SimpleConvNet", input_shape)
        # One generator for all layers: each would begin anew with a seed.
        drawn = {"weight": weight, "rng": as_generator(rng), "dtype": dtype}
        self.features = Sequential(
            Conv2d(channels, maps, size, stride=stride, padding=padding, **drawn),
            ReLU(),
            MaxPool2d(pool),
            Flatten(),
        )
        height, width = (((side + 2 * padding - size) // stride + 1) // pool for side in sides)
        if height < 1 or width < 1:
            raise LayerError(
                f"SimpleConvNet: found images of {sides[0]} x {sides[1]}, of which a window of "
                f"{size} and pooling by {pool} leave nothing\n  fix: use a smaller window or pool"
            )
        self.hidden = Linear(maps * height * width, hidden, activation="relu", **drawn)
        self.output = Linear(hidden, outputs, **drawn)

    def forward(self, x: Any) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        x : array_like, shape (batch, channels, height, width)
            The images.
        """
        logits: Tensor = self.output(self.hidden(self.features(x)))
        return logits


class DeepConvNet(Module):
    """Three blocks of two convolutions and a pooling, then two fully connected layers.

    The convolutions have windows of 3 x 3 and 16, 16, 32, 32, 64, 64 maps; the hidden layer has 50
    units and dropout. The book has a second dropout behind the last layer, which would hide half of
    the answers; it is left out.

    Parameters
    ----------
    input_shape : tuple of int
        Channels, height and width of an image.
    maps : sequence of int
        Maps of each block's two convolutions.
    hidden, outputs : int
        Numbers of hidden units and classes.
    dropout : float
        Probability with which a hidden unit is dropped, in [0, 1].
    rng : Generator or int, optional
        Where weights and dropout are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or nothing is left of an image.

    References
    ----------
    K. Saito, "Deep Learning from Scratch", 2016, section 8.1.

    Examples
    --------
    >>> net = DeepConvNet(rng=0)
    >>> net(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 10)
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        *,
        maps: Sequence[int] = (16, 32, 64),
        hidden: int = 50,
        outputs: int = 10,
        dropout: float = 0.5,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        channels, height, width = _image_shape("DeepConvNet", input_shape)
        generator = as_generator(rng)
        drawn: dict[str, Any] = {"weight": "he", "rng": generator, "dtype": dtype}
        layers: list[Module] = []
        for block, count in enumerate(maps):
            # The book pads the second block by one more, so that 7 x 7 becomes 8 x 8 and halves.
            padding = 2 if block == 1 else 1
            layers += [Conv2d(channels, count, 3, padding=1, **drawn), ReLU()]
            layers += [Conv2d(count, count, 3, padding=padding, **drawn), ReLU(), MaxPool2d(2)]
            channels = count
            height, width = ((side + 2 * (padding - 1)) // 2 for side in (height, width))
        if height < 1 or width < 1:
            raise LayerError(
                f"DeepConvNet: found images of shape {tuple(input_shape)}, of which {len(maps)} "
                "blocks leave nothing\n  fix: give fewer blocks with maps=, or larger images"
            )
        self.features = Sequential(*layers, Flatten())
        self.hidden = Linear(channels * height * width, hidden, activation="relu", **drawn)
        self.dropout = Dropout(dropout, rng=generator)
        self.output = Linear(hidden, outputs, **drawn)

    def forward(self, x: Any) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        x : array_like, shape (batch, channels, height, width)
            The images.
        """
        logits: Tensor = self.output(self.dropout(self.hidden(self.features(x))))
        return logits

    @classmethod
    def pretrained(cls) -> Self:
        """Return the net for MNIST with the weights that are part of the package, for evaluation.

        ``tinygrad-edu train --net deep-conv`` makes such weights.

        Raises
        ------
        DataError
            The file of the weights is missing, or is not the one that was shipped.
        """
        try:
            content = PRETRAINED.read_bytes()
        except OSError as error:
            raise DataError(
                f"DeepConvNet: the trained weights are missing ({error}). Fix: install the package "
                "again, or train them: tinygrad-edu train --net deep-conv"
            ) from error
        if hashlib.sha256(content).hexdigest() != PRETRAINED_SHA256:
            raise DataError(
                f"DeepConvNet: {PRETRAINED} is not the file that was shipped (SHA-256 differs). "
                "Fix: install the package again."
            )
        net = cls(rng=0, dtype=np.float32)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            net.load_state_dict({name: arrays[name] for name in net.state()})
        return net.eval()


def _image_shape(net: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """Return channels, height and width."""
    if len(shape) != 3 or not all(isinstance(n, int) and n > 0 for n in shape):
        raise LayerError(
            f"{net}: found input_shape={shape!r}; expected channels, height and width\n"
            f"  fix: {net}((1, 28, 28)) for grey pictures of 28 x 28"
        )
    channels, height, width = shape
    return channels, height, width
