"""Layers: fully connected, and containers in which layers follow each other.

Knows: parameters and the functions of the table. Does not know: how derivatives are taken.
Read next: ``containers.py``, ``normalization.py``, ``regularization.py``, ``recurrent.py``,
``attention.py``; ``losses.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self, overload

import numpy as np

from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import LayerError, explain
from tinygrad_edu.nn.activations import ReLU, Sigmoid, Tanh
from tinygrad_edu.nn.init import as_dtype, as_generator, as_initializer
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.fused import linear

__all__ = [
    "Flatten",
    "Identity",
    "Lambda",
    "Linear",
    "ModuleList",
    "Sequential",
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
        x = x if isinstance(x, Tensor) else np.asarray(x)
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
                    f"an input of shape {x.shape} does not end in fan_in={self.fan_in}",
                    arguments=(("x", x), ("weight", self.weight)),
                    fix=fix,
                )
            )
        return linear(x, self.weight, self.bias, activation=activation or self.activation)

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
                known = f"{type(layer).__name__}({layer.describe()})"
                error.add_note(f"in layer {place} of a {type(self).__name__}, {known}")
                raise
        return x

    def _of(self, modules: list[Module]) -> Self:
        return type(self)(*modules)


_FUSED_MODULES: dict[type[Module], str] = {Sigmoid: "sigmoid", ReLU: "relu", Tanh: "tanh"}


def _absorbed(layer: Any, following: Sequence[Any]) -> dict[str, Any]:
    """Return what of the modules behind a layer it computes along with itself, as its keywords.

    The class of the layer lists the keywords, in the order in which they take effect. Only modules
    as their classes define them: one that somebody subclassed or watches is called itself.
    """
    keywords: dict[str, Any] = {}
    open_ = list(vars(type(layer)).get("absorbs", ()))
    if not open_ or "forward" in vars(layer):
        return keywords
    if layer.activation != "identity":
        open_.remove("activation")
    for module in following:
        keyword = None if "forward" in vars(module) else _as_keyword(module)
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
    """All axes from `start` on made into one: images into rows of numbers.

    Parameters
    ----------
    start : int
        The first axis that goes; 1 keeps the axis of the batch.

    Raises
    ------
    LayerError
        `start` is negative, or an input has fewer axes.
    """

    def __init__(self, start: int = 1) -> None:
        if start < 0:
            raise LayerError(f"Flatten: found start={start}; expected 0 or more\n  fix: Flatten()")
        self.start = start

    def forward(self, x: Any) -> Any:
        """Return `x` with the axes from `start` on in one."""
        x = x if isinstance(x, Tensor) else np.asarray(x)
        if x.ndim < self.start:
            raise LayerError(
                f"Flatten: found an input of shape {x.shape}; expected at least {self.start} axes\n"
                "  fix: give a batch, as in x[None]"
            )
        width = int(np.prod(x.shape[self.start :]))
        return np.reshape(x, (*x.shape[: self.start], width))

    def describe(self) -> str:
        """Return the first axis, if it is not the default."""
        return "" if self.start == 1 else f"start={self.start}"


# ------------------------------------------------------------------------------ sizes


def positive(layer: str, name: str, size: Any) -> None:
    """Raise `LayerError` unless a size that a layer was given is an integer of at least 1."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise LayerError(
            f"{layer}: found {name}={size!r}; expected an integer of at least 1\n"
            "  fix: pass the number of features"
        )
