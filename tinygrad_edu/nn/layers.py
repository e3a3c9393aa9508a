"""Layers: fully connected, and containers in which layers follow each other.

Knows: parameters and the functions of the table. Does not know: how derivatives are taken.
Read next: ``containers.py``, ``normalization.py``, ``regularization.py``, ``recurrent.py``,
``attention.py``; ``losses.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self, overload

import numpy as np

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import LayerError, TinygradEduError, explain
from tinygrad_edu.nn.activations import ReLU, Sigmoid, Tanh
from tinygrad_edu.nn.init import as_dtype, as_generator, as_initializer
from tinygrad_edu.nn.module import Module, as_input
from tinygrad_edu.ops.arrange import unflatten
from tinygrad_edu.ops.fused import linear

__all__ = [
    "Flatten",
    "Identity",
    "Lambda",
    "Linear",
    "ModuleList",
    "Sequential",
    "Unflatten",
]

FUSED = ("identity", "sigmoid", "relu", "tanh")
"""Activations that `Linear` computes together with the product."""


class Linear(Module):
    r"""Fully connected layer, :math:`y = \phi(x W + b)`.

    Parameters
    ----------
    fan_in, fan_out : int
        Numbers of inputs and outputs, at least 1.
    bias : bool
        Whether there is a bias; it begins at 0.
    activation : {"identity", "sigmoid", "relu", "tanh"}, optional
        What is applied to the result, in the same pass; nothing by default.
    weight : str, initialiser, or array_like, shape (fan_in, fan_out), optional
        Initial weights; "he" with ReLU and "xavier" otherwise (see ``nn/init.py``).
    rng : Generator or int, optional
        Where the weights are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or an input has another number of columns.

    Examples
    --------
    >>> layer = Linear(3, 2, activation="relu", rng=0)
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    absorbs: ClassVar[tuple[str, ...]] = ("activation",)

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        *,
        bias: bool = True,
        activation: str | None = None,
        weight: Any = None,
        rng: np.random.Generator | int | None = None,
        dtype: Any = None,
    ) -> None:
        for name, size in (("fan_in", fan_in), ("fan_out", fan_out)):
            positive("Linear", name, size)
        if activation is not None and activation not in FUSED:
            raise LayerError(
                f"Linear: found activation={activation!r}; expected one of {', '.join(FUSED)}\n"
                "  fix: put another activation behind the layer: Sequential(Linear(...), GELU())"
            )
        dtype = as_dtype(dtype)
        if weight is None:
            weight = "he" if activation == "relu" else "xavier"
        filled = as_initializer(weight)((fan_in, fan_out), as_generator(rng), dtype)
        self.fan_in, self.fan_out = fan_in, fan_out
        self.activation = activation or "identity"
        self.weight = Parameter(filled, name="weight")
        self.bias = Parameter(np.zeros(fan_out, dtype), name="bias") if bias else None

    def forward(self, x: Any, activation: str | None = None) -> Any:
        """Return the layer's result.

        Parameters
        ----------
        x : array_like, shape (..., fan_in)
            The inputs.
        activation : str, optional
            One to apply instead of the layer's own.
        """
        x = as_input(self, x)
        if x.ndim == 0 or x.shape[-1] != self.fan_in:
            if x.ndim > 2 and np.prod(x.shape[1:]) == self.fan_in:
                fix = "flatten images first, as in x.reshape(len(x), -1) or Flatten()"
            else:
                width = x.shape[-1] if x.ndim else 1
                fix = f"the last axis holds the features: make the layer Linear({width}, "
                fix += f"{self.fan_out}), or give an input that ends in {self.fan_in}"
            raise LayerError(
                explain(
                    "Linear",
                    f"an input of shape {x.shape} does not end in fan_in={self.fan_in} features",
                    arguments=(("x", x), ("weight", self.weight)),
                    fix=fix,
                )
            )
        return linear(x, self.weight, self.bias, activation=activation or self.activation)

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Return one per input and output of each row."""
        return math.prod(shapes[0]) * self.fan_in

    def describe(self) -> str:
        """Return the sizes and what is not the default."""
        text = f"{self.fan_in}, {self.fan_out}"
        text += "" if self.bias is not None else ", bias=False"
        return text + (f", activation={self.activation!r}" if self.activation != "identity" else "")


# ------------------------------------------------------------------------------ containers


class _Listed(Module):
    """Modules in an order, by number: what `Sequential` and `ModuleList` share."""

    def __init__(self, modules: Iterable[Any]) -> None:
        self.layers: list[Module] = []
        for module in modules:
            self.append(module)

    def members(self) -> Iterable[tuple[str, Any]]:
        """Return the modules by number, then attributes that a subclass has added."""
        numbered = [(str(i), module) for i, module in enumerate(self.layers)]
        return numbered + [item for item in vars(self).items() if item[0] != "layers"]

    def append(self, module: Any) -> Self:
        """Return the container, with one more module; a plain function is wrapped in `Lambda`."""
        if not isinstance(module, Module):
            if not callable(module) or isinstance(module, type):
                raise LayerError(
                    f"{type(self).__name__}: found {module!r} at place {len(self.layers)}; "
                    "expected a module or a function\n"
                    "  fix: make the layer by calling its class, as in ReLU(); "
                    "spread a list with Sequential(*layers)"
                )
            module = Lambda(module)
        self.layers.append(module)
        self._told = False
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Return the container, with more modules."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, place: int, module: Any) -> Self:
        """Return the container, with one more module before a place."""
        self.append(module)
        self.layers.insert(place, self.layers.pop())
        return self

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self._of(self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def _of(self, modules: list[Module]) -> Self:
        raise NotImplementedError


class Sequential(_Listed):
    """Modules applied one after the other.

    A `Linear` layer or a convolution without activation computes a `Sigmoid`, `ReLU` or `Tanh` that
    follows it in the same pass, and a convolution the max pooling behind that as well. The numbers
    are the same; it is faster, and the graph has fewer nodes.

    Parameters
    ----------
    *modules : Module or callable
        In order; a plain function is wrapped in `Lambda`.

    Raises
    ------
    LayerError
        One of them is neither a module nor a function.

    Examples
    --------
    >>> from tinygrad_edu.nn import ReLU
    >>> net = Sequential(Linear(4, 3, rng=0), ReLU(), Linear(3, 2, rng=1))
    >>> net
    Sequential(
      (0): Linear(4, 3)
      (1): ReLU()
      (2): Linear(3, 2)
    )
    >>> [name for name, _ in net.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Module | Callable[[Any], Any]) -> None:
        super().__init__(modules)

    def forward(self, x: Any) -> Any:
        """Return the result of the last module."""
        done = 0  # how many modules the layer before has computed along with itself
        for place, layer in enumerate(self.layers):
            if done:
                done -= 1
                continue
            absorbed = _absorbed(layer, self.layers[place + 1 :])
            try:
                x, done = layer(x, **absorbed), len(absorbed)
            except Exception as error:
                _told_where(error, f"in layer {place} of a {type(self).__name__}, {_head(layer)}")
                raise
        return x

    def along(self, layer: Module) -> list[Module]:
        """Return the modules behind a layer whose work it does too, for diagrams to say so."""
        if layer not in self.layers:
            return []
        behind = self.layers[self.layers.index(layer) + 1 :]
        return behind[: len(_absorbed(layer, behind))]

    def _of(self, modules: list[Module]) -> Self:
        return type(self)(*modules)


def _head(layer: Module) -> str:
    return f"{type(layer).__name__}({'...' if layer.children() else layer.describe()})"


def _told_where(error: Exception, place: str) -> None:
    """Say in the text of an error which layer refused; in a note, if the text is not ours."""
    if not isinstance(error, TinygradEduError) or len(error.args) != 1:
        error.add_note(place)
        return
    text, fix, rest = str(error.args[0]).partition("\n  fix: ")
    error.args = (f"{text}\n  {place}{fix}{rest}",)


_FUSED_MODULES: dict[type[Module], str] = {Sigmoid: "sigmoid", ReLU: "relu", Tanh: "tanh"}


def _absorbed(layer: Any, following: Sequence[Any]) -> dict[str, Any]:
    """Return what of the modules behind a layer it computes along with itself, as its keywords.

    The class of the layer lists the keywords, in the order in which they take effect. Only modules
    as their classes define them: one that somebody subclassed or watches is called itself.
    """
    keywords: dict[str, Any] = {}
    open_ = list(vars(type(layer)).get("absorbs", ()))
    if not open_ or layer.watched():
        return keywords
    if layer.activation != "identity":
        open_.remove("activation")
    for module in following:
        keyword = None if module.watched() else _as_keyword(module)
        if keyword is None or keyword[0] not in open_:
            break
        keywords[keyword[0]] = keyword[1]
        open_ = open_[open_.index(keyword[0]) + 1 :]
    return keywords


def _as_keyword(module: Any) -> tuple[str, Any] | None:
    """Return the keyword with its value by which a layer takes a module's work over, if any."""
    if type(module) in _FUSED_MODULES:
        return "activation", _FUSED_MODULES[type(module)]
    own = vars(type(module)).get("as_keyword")
    return None if own is None else own(module)


class ModuleList(_Listed):
    """A list of modules that the module holding it calls as it likes; a plain list does as well.

    Parameters
    ----------
    modules : iterable of Module or callable
        In order.
    """

    def __init__(self, modules: Iterable[Module | Callable[[Any], Any]] = ()) -> None:
        super().__init__(modules)

    def _of(self, modules: list[Module]) -> Self:
        return type(self)(modules)


class Lambda(Module):
    """A plain function of one value as a module.

    Parameters
    ----------
    function : callable
        Takes and returns a Tensor.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        """Return what the function returns."""
        return self.function(x)

    def describe(self) -> str:
        """Return the name of the function."""
        return getattr(self.function, "__name__", repr(self.function))


class Identity(Module):
    """A module that returns its argument."""

    def forward(self, x: Any) -> Any:
        """Return `x`."""
        return x


class Flatten(Module):
    """The axes from `start` to `end` made into one: images into rows of numbers.

    Parameters
    ----------
    start, end : int
        The first and the last axis that go; 1 keeps the axis of the batch, and a negative `end`
        counts from the last axis.

    Raises
    ------
    LayerError
        `start` is negative, or an input has fewer axes.
    """

    def __init__(self, start: int = 1, end: int = -1) -> None:
        if start < 0 or 0 <= end < start:
            raise LayerError(
                f"Flatten: found start={start}, end={end}; expected a start of 0 or more and an "
                "end not before it\n  fix: Flatten()"
            )
        self.start, self.end = start, end

    def forward(self, x: Any) -> Any:
        """Return `x` with the axes from `start` to `end` in one."""
        x = as_input(self, x)
        last = self.end + x.ndim if self.end < 0 else self.end
        # A batch of plain numbers becomes rows of one number each.
        if x.ndim < self.start or last >= x.ndim or last < self.start - 1:
            raise LayerError(
                f"Flatten: found an input of shape {x.shape}; expected at least "
                f"{max(self.start, self.end + 1)} axes\n  fix: give a batch, as in x[None]"
            )
        width = int(np.prod(x.shape[self.start : last + 1]))
        return np.reshape(x, (*x.shape[: self.start], width, *x.shape[last + 1 :]))

    def describe(self) -> str:
        """Return the axes, if they are not the default."""
        text = "" if self.start == 1 else f"start={self.start}"
        if self.end != -1:
            text += (", " if text else "") + f"end={self.end}"
        return text


class Unflatten(Module):
    """One axis made into several: rows of numbers into images.

    Parameters
    ----------
    axis : int
        The axis that goes.
    shape : tuple of int
        What it becomes; one length may be -1, which is computed.

    Raises
    ------
    LayerError
        The arguments are not as described.
    OpError
        An axis of an input cannot become that.

    Examples
    --------
    >>> Unflatten(1, (1, 28, 28))(np.zeros((5, 784), np.float32)).shape
    (5, 1, 28, 28)
    """

    def __init__(self, axis: int, shape: Sequence[int]) -> None:
        whole = isinstance(shape, (tuple, list)) and all(
            isinstance(n, (int, np.integer)) and n >= -1 for n in shape
        )
        if not whole or not shape or list(shape).count(-1) > 1 or not isinstance(axis, int):
            raise LayerError(
                f"Unflatten: found axis={axis!r}, shape={shape!r}; expected an axis and the "
                "lengths that it becomes\n  fix: Unflatten(1, (channels, height, width))"
            )
        self.axis, self.shape = axis, tuple(int(n) for n in shape)

    def forward(self, x: Any) -> Any:
        """Return `x` with several axes in the place of one."""
        x = as_input(self, x)
        if not -x.ndim <= self.axis < x.ndim:
            raise LayerError(
                f"Unflatten: found an input of shape {x.shape}; expected one with axis "
                f"{self.axis}\n  fix: give a batch, as in x[None]"
            )
        return unflatten(x, axis=self.axis, shape=self.shape)

    def describe(self) -> str:
        """Return the axis and what it becomes."""
        return f"{self.axis}, {self.shape}"


# ------------------------------------------------------------------------------ sizes


def positive(layer: str, name: str, size: Any) -> None:
    """Raise `LayerError` unless a size that a layer was given is an integer of at least 1."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise LayerError(
            f"{layer}: found {name}={size!r}; expected an integer of at least 1\n"
            "  fix: pass the number of features"
        )
