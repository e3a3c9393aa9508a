"""Lazy layers: the number of features or channels is read off the first input.

Knows: which argument of which layer that is. Does not know: what the layers compute; after its
first call a lazy layer *is* the layer that it stands for. Read next: ``layers.py``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from tinygrad_edu.nn.init import as_generator
from tinygrad_edu.nn.layers import Linear
from tinygrad_edu.nn.module import Module, as_input
from tinygrad_edu.nn.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyLinear",
]


class _Lazy(Module):
    """A layer that is made when it is first called."""

    made: ClassVar[Any]
    axis: ClassVar[int]
    unmade = "its weights are made when it is first called"

    def __init__(self, *sizes: Any, rng: Any = None, **options: Any) -> None:
        # Tried out at once, so that a wrong option is refused where it is written.
        self.made(options.get("groups", 1), *sizes, **self._drawn(0), **options)
        self.sizes, self.options = sizes, options
        self.rng = None if rng is None else as_generator(rng)

    def _drawn(self, rng: Any) -> dict[str, Any]:
        """Return the keyword of the generator, for layers that draw."""
        return {} if "BatchNorm" in self.made.__name__ else {"rng": rng}

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the layer, which this object becomes."""
        x = as_input(self, x)
        if x.ndim < 2:
            raise LayerError(
                f"{type(self).__name__}: found an input of shape {x.shape}; expected a batch, "
                "whose features or channels can be counted\n  fix: give a batch, as in x[None]"
            )
        mode, hooks, count = self.training, self._hooks, int(x.shape[self.axis])
        layer = self.made(count, *self.sizes, **self._drawn(self.rng), **self.options)
        layer.training = mode
        result = layer.forward(x, *args, **kwargs)  # refused before anything is changed
        vars(self).clear()
        vars(self).update(vars(layer), _hooks=hooks)
        self.__class__ = self.made
        return result

    def describe(self) -> str:
        """Return the sizes that are known."""
        return ", ".join(["?", *map(repr, self.sizes)])


def _lazy(made: type[Module], axis: int, counts: str) -> type[_Lazy]:
    text = (
        f"`{made.__name__}` whose number of {counts} is read off its first input.\n\n"
        f"    It takes the arguments of `{made.__name__}` behind that number. Weights are drawn\n"
        "    at the first call; from then on the object is a layer of that class. Until then it\n"
        "    has no parameters, and whoever asks for them, as an optimizer does, is refused.\n\n"
        "    Raises\n    ------\n    LayerError\n        An argument is not as described, or an "
        "input is no batch.\n    "
    )
    return type(
        f"Lazy{made.__name__}",
        (_Lazy,),
        {"made": made, "axis": axis, "__doc__": text, "__module__": __name__},
    )


LazyBatchNorm1d = _lazy(BatchNorm1d, 1, "features")
LazyBatchNorm2d = _lazy(BatchNorm2d, 1, "channels")
LazyBatchNorm3d = _lazy(BatchNorm3d, 1, "channels")
LazyConv1d = _lazy(Conv1d, 1, "channels")
LazyConv2d = _lazy(Conv2d, 1, "channels")
LazyConv3d = _lazy(Conv3d, 1, "channels")
LazyConvTranspose1d = _lazy(ConvTranspose1d, 1, "channels")
LazyConvTranspose2d = _lazy(ConvTranspose2d, 1, "channels")
LazyConvTranspose3d = _lazy(ConvTranspose3d, 1, "channels")
LazyLinear = _lazy(Linear, -1, "inputs")
