"""Layers: fully connected, containers, dropout, batch normalisation.

Knows: parameters and the functions of the table. Does not know: how derivatives are taken.
Read next: ``losses.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self, overload

import numpy as np

from tinygrad_edu.core.tensor import Parameter, Tensor, constant
from tinygrad_edu.errors import LayerError, explain
from tinygrad_edu.nn.activations import ReLU, Sigmoid, Tanh
from tinygrad_edu.nn.init import as_dtype, as_generator, as_initializer, default_generator
from tinygrad_edu.nn.module import Buffer, Module
from tinygrad_edu.ops.fused import linear

__all__ = [
    "BatchNorm1d",
    "Dropout",
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
            _positive("Linear", name, size)
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
            raise LayerError(
                explain(
                    "Linear",
                    f"an input of shape {x.shape} does not end in fan_in={self.fan_in}",
                    arguments=(("x", x), ("weight", self.weight)),
                    fix="flatten images first, as in x.reshape(len(x), -1) or Flatten(); the last "
                    "axis holds the features",
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
            x, done = layer(x, **absorbed), len(absorbed)
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


# ------------------------------------------------------------------------------ regularisation


class Dropout(Module):
    """In training, elements are zeroed at random and the others scaled up; else nothing.

    The form is the inverted one: the kept elements are divided by 1 - p in training, so that
    evaluation needs no factor. (The book multiplies by 1 - p in evaluation instead.)

    Parameters
    ----------
    p : float
        Probability of an element to be zeroed, fraction in [0, 1).
    rng : Generator or int, optional
        The layer's own generator, or a seed for it; by default one spawned from that of
        `manual_seed`, so that the layer's draws do not disturb others.

    Raises
    ------
    LayerError
        `p` is not in [0, 1).

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15 (2014), section 10 names the inverted form.
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= p < 1:
            raise LayerError(
                f"Dropout: found p={p!r}; expected a fraction in [0, 1)\n"
                "  fix: p is the share that is dropped; 1 would leave nothing"
            )
        self.p = p
        self.rng = default_generator().spawn(1)[0] if rng is None else as_generator(rng)

    def forward(self, x: Any) -> Any:
        """Return `x` with elements dropped in training mode, `x` itself in evaluation mode."""
        if not self.training or self.p == 0:
            return x
        x = x if isinstance(x, Tensor) else np.asarray(x)
        kept = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * constant(kept.astype(x.dtype) if x.dtype.kind == "f" else kept)

    def describe(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


class BatchNorm1d(Module):
    r"""Each feature normalised over the batch, then scaled and shifted.

    .. math:: y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    In training, :math:`\mu` and :math:`\sigma^2` are the batch's (the variance divided by n), and
    the running ones move towards them (there divided by n - 1, as in PyTorch); in evaluation they
    are the running ones.

    Parameters
    ----------
    features : int
        Size of the last axis of the input.
    momentum : float
        Share of the new value in the running ones, in [0, 1]. (The book's momentum is 1 minus it.)
    eps : float
        Added to the variance, above 0.
    dtype : dtype, optional
        Of parameters and buffers; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or a training batch has fewer than two rows: then every
        output would be the shift, and every gradient 0.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015, algorithms 1 and 2.
    """

    def __init__(
        self, features: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = None
    ) -> None:
        _positive("BatchNorm1d", "features", features)
        if not (0 <= momentum <= 1 and eps > 0):
            raise LayerError(
                f"BatchNorm1d: found momentum={momentum!r}, eps={eps!r}; expected momentum in "
                "[0, 1] and eps above 0\n  fix: leave them at their defaults, 0.1 and 1e-5"
            )
        dtype = as_dtype(dtype)
        self.features, self.momentum, self.eps = features, momentum, eps
        self.scale = Parameter(np.ones(features, dtype), name="scale")
        self.shift = Parameter(np.zeros(features, dtype), name="shift")
        self.running_mean = Buffer(np.zeros(features, dtype))
        self.running_var = Buffer(np.ones(features, dtype))

    def forward(self, x: Any) -> Any:
        """Return the normalised batch.

        Parameters
        ----------
        x : array_like, shape (batch, features)
            The inputs.
        """
        x = x if isinstance(x, Tensor) else np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.features or (self.training and len(x) < 2):
            least = ", and at least two rows in training" if self.training else ""
            raise LayerError(
                f"BatchNorm1d: found an input of shape {x.shape}; expected (batch, "
                f"{self.features}){least}\n"
                "  fix: call eval() before single samples; a loader with last='drop' has none"
            )
        if not self.training:
            mean, var = self.running_mean.data, self.running_var.data
            return (x - mean) / np.sqrt(var + self.eps) * self.scale + self.shift
        mean = np.mean(x, axis=0)
        centred = x - mean
        var = np.mean(np.square(centred), axis=0)
        self._remember(self.running_mean.data, mean, 1.0)
        self._remember(self.running_var.data, var, len(x) / (len(x) - 1))
        return centred / np.sqrt(var + self.eps) * self.scale + self.shift

    def _remember(self, running: np.ndarray[Any, Any], new: Any, correction: float) -> None:
        """Move a running value towards the batch's, in place: it is part of the state."""
        value = new.numpy() if isinstance(new, Tensor) else new
        np.multiply(running, 1 - self.momentum, out=running)
        np.add(running, value * (self.momentum * correction), out=running, casting="same_kind")

    def describe(self) -> str:
        """Return the number of features."""
        return str(self.features)


def _positive(layer: str, name: str, size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise LayerError(
            f"{layer}: found {name}={size!r}; expected an integer of at least 1\n"
            "  fix: pass the number of features"
        )
