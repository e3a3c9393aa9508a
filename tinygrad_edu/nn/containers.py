"""Layers around layers, tables of vectors, and the bilinear map.

Knows: modules and parameters. Does not know: how derivatives are taken. `Sequential` and
`ModuleList` are in ``layers.py``. Read next: ``normalization.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Parameter, Tensor, constant
from tinygrad_edu.errors import LayerError, explain
from tinygrad_edu.nn.init import as_dtype, as_generator, as_initializer
from tinygrad_edu.nn.layers import positive
from tinygrad_edu.nn.module import Module, as_input
from tinygrad_edu.ops.index import embedding

__all__ = [
    "Bilinear",
    "Embedding",
    "EmbeddingBag",
    "ModuleDict",
    "ParameterDict",
    "ParameterList",
    "Residual",
]

Rng = np.random.Generator | int | None


class Residual(Module):
    """What a module makes of its input, plus the input.

    Parameters
    ----------
    module : Module
        The inner net.
    shortcut : Module, optional
        What the input goes through before it is added, where the shapes differ.

    Raises
    ------
    LayerError
        The two results have different shapes.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016,
    eq. 1 and 2.
    """

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        self.module, self.shortcut = module, shortcut

    def forward(self, x: Any) -> Any:
        """Return the sum."""
        result = self.module(x)
        way = x if self.shortcut is None else self.shortcut(x)
        if np.shape(result) != np.shape(way):
            raise LayerError(
                explain(
                    "Residual",
                    "the input cannot be added to what the module made of it",
                    arguments=(("input", way), ("result", result)),
                    fix="give a shortcut that changes the shape, as in Residual(net, Linear(3, 5))",
                )
            )
        return way + result


class ModuleDict(Module):
    """Modules by name, which the module that holds it calls as it likes; a plain dict does as well.

    Parameters
    ----------
    modules : mapping of str to Module
        By name; a name becomes part of the parameters' paths.
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.table: dict[str, Module] = {}
        for name, module in (modules or {}).items():
            self[name] = module

    def members(self) -> Iterable[tuple[str, Any]]:
        """Return the modules by name."""
        return self.table.items()

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(name, str) or not isinstance(module, Module) or "." in name:
            raise LayerError(
                f"ModuleDict: found {module!r} under {name!r}; expected a module under a name "
                "without a dot\n  fix: make the layer by calling its class, as in ReLU()"
            )
        self.table[name] = module
        self._told = False

    def __getitem__(self, name: str) -> Module:
        return self.table[name]

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)


class ParameterList(Module):
    """Parameters by number, for the module that holds it; a plain list does as well.

    Parameters
    ----------
    parameters : iterable of Parameter or array_like
        In order; arrays are made parameters.
    """

    def __init__(self, parameters: Iterable[Any] = ()) -> None:
        self.items: list[Parameter] = []
        for parameter in parameters:
            self.append(parameter)

    def members(self) -> Iterable[tuple[str, Any]]:
        """Return the parameters by number."""
        return [(str(i), parameter) for i, parameter in enumerate(self.items)]

    def append(self, parameter: Any) -> None:
        """Add one at the end."""
        given = parameter if isinstance(parameter, Parameter) else Parameter(parameter)
        self.items.append(given)
        self._told = False

    def __getitem__(self, number: int) -> Parameter:
        return self.items[number]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.items)


class ParameterDict(Module):
    """Parameters by name, for the module that holds it; a plain dict does as well.

    Parameters
    ----------
    parameters : mapping of str to Parameter or array_like
        By name; arrays are made parameters.
    """

    def __init__(self, parameters: Mapping[str, Any] | None = None) -> None:
        self.table: dict[str, Parameter] = {}
        for name, parameter in (parameters or {}).items():
            self[name] = parameter

    def members(self) -> Iterable[tuple[str, Any]]:
        """Return the parameters by name."""
        return self.table.items()

    def __setitem__(self, name: str, parameter: Any) -> None:
        if not isinstance(name, str) or "." in name:
            raise LayerError(
                f"ParameterDict: found the name {name!r}; expected text without a dot\n"
                "  fix: names become part of the parameters' paths"
            )
        made = isinstance(parameter, Parameter)
        self.table[name] = parameter if made else Parameter(parameter)
        self._told = False

    def __getitem__(self, name: str) -> Parameter:
        return self.table[name]

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)


class Bilinear(Module):
    r"""A product of two inputs with a table of weights, :math:`y_o = x^\top W_o\, z + b_o`.

    Parameters
    ----------
    fan_left, fan_right, fan_out : int
        Numbers of features of the two inputs and of the result.
    bias : bool
        Whether there is a bias; it begins at 0.
    weight : str, initialiser, or array_like, shape (fan_left, fan_right, fan_out), optional
        Initial weights; uniform in ±1/√fan_left by default.
    rng : Generator or int, optional
        Where the weights are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the parameters; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or an input has another number of features.
    """

    def __init__(
        self,
        fan_left: int,
        fan_right: int,
        fan_out: int,
        *,
        bias: bool = True,
        weight: Any = None,
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        sizes = {"fan_left": fan_left, "fan_right": fan_right, "fan_out": fan_out}
        for name, size in sizes.items():
            positive("Bilinear", name, size)
        dtype, generator = as_dtype(dtype), as_generator(rng)
        shape, bound = (fan_left, fan_right, fan_out), fan_left**-0.5
        if weight is None:
            filled = generator.uniform(-bound, bound, shape).astype(dtype)
        else:
            filled = as_initializer(weight)(shape, generator, dtype)
        self.fan_left, self.fan_right, self.fan_out = fan_left, fan_right, fan_out
        self.weight = Parameter(filled, name="weight")
        self.bias = Parameter(np.zeros(fan_out, dtype), name="bias") if bias else None

    def forward(self, left: Any, right: Any) -> Any:
        """Return the product.

        Parameters
        ----------
        left, right : array_like, shapes (..., fan_left) and (..., fan_right)
            The inputs, of the same leading axes.
        """
        left, right = (
            x if isinstance(x, Tensor) else constant(as_input(self, x)) for x in (left, right)
        )
        expected = (*left.shape[:-1], self.fan_right)
        if not left.ndim or left.shape[-1] != self.fan_left or right.shape != expected:
            raise LayerError(
                explain(
                    "Bilinear",
                    f"the inputs do not end in {self.fan_left} and {self.fan_right} features, "
                    "or differ before that",
                    arguments=(("left", left), ("right", right)),
                    fix="give both inputs the same leading axes, and features on the last one",
                )
            )
        flat = np.reshape(self.weight, (self.fan_left, self.fan_right * self.fan_out))
        half = np.reshape(np.matmul(left, flat), (*expected, self.fan_out))
        y = np.sum(half * np.expand_dims(right, -1), axis=-2)
        return y if self.bias is None else y + self.bias

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Return one per weight of each row, and those of the second input."""
        rows = math.prod(shapes[0]) // self.fan_out
        return rows * self.fan_right * self.fan_out * (self.fan_left + 1)

    def describe(self) -> str:
        """Return the sizes."""
        return f"{self.fan_left}, {self.fan_right}, {self.fan_out}"


class Embedding(Module):
    """A table of vectors, looked up by number: words into vectors.

    Parameters
    ----------
    count, size : int
        Number of vectors, and their length.
    padding_idx : int, optional
        A number that stands for no word: its vector begins at 0 and gets no gradient.
    max_norm : float, optional
        Longer vectors are shortened to it when they are looked up. The table itself is not written
        to, as it is in PyTorch: the shortening is part of the function, and of its gradient.
    norm_type : float
        The p of that norm.
    weight : str, initialiser, or array_like, shape (count, size)
        Initial vectors; "normal" has the standard deviation 0.01.
    rng : Generator or int, optional
        Where the vectors are drawn from; the generator of `manual_seed` by default.
    dtype : dtype, optional
        Of the vectors; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described.
    LabelError
        A number is none of the table, when the layer is called.
    """

    def __init__(
        self,
        count: int,
        size: int,
        *,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        weight: Any = "normal",
        rng: Rng = None,
        dtype: Any = None,
    ) -> None:
        layer = type(self).__name__
        positive(layer, "count", count)
        positive(layer, "size", size)
        if padding_idx is not None and not 0 <= padding_idx < count:
            raise LayerError(
                f"{layer}: found padding_idx={padding_idx!r}; expected one of 0 to {count - 1}\n"
                "  fix: leave it out if no number pads"
            )
        if (max_norm is not None and not max_norm > 0) or not norm_type >= 1:
            raise LayerError(
                f"{layer}: found max_norm={max_norm!r}, norm_type={norm_type!r}; expected a length "
                "above 0 and a norm of at least 1\n  fix: leave both out"
            )
        self.max_norm, self.norm_type = max_norm, norm_type
        filled = as_initializer(weight)((count, size), as_generator(rng), as_dtype(dtype))
        if padding_idx is not None:
            filled[padding_idx] = 0
        self.count, self.size, self.padding_idx = count, size, padding_idx
        self.weight = Parameter(filled, name="weight")

    def forward(self, ids: Any) -> Any:
        """Return the vectors, shape (..., size), of numbers of shape (...)."""
        vectors = embedding(self.numbers(ids), self.weight, padding_idx=self.padding_idx)
        if self.max_norm is None:
            return vectors
        length = np.linalg.norm(vectors, ord=self.norm_type, axis=-1, keepdims=True)
        long = length > self.max_norm
        return vectors * np.where(long, self.max_norm / np.where(long, length, 1), 1)

    def numbers(self, ids: Any) -> Any:
        """Return the numbers of vectors as an array of integers."""
        ids = as_input(self, ids)
        if ids.dtype.kind not in "iu" and ids.size:
            raise LayerError(
                f"{type(self).__name__}: found numbers of dtype {ids.dtype}; expected integers\n"
                "  fix: give the numbers of words, as in np.array([3, 1]), not their vectors"
            )
        return ids if isinstance(ids, Tensor) else ids.astype(np.int64)

    def describe(self) -> str:
        """Return the sizes and what is not the default."""
        text = f"{self.count}, {self.size}"
        text += "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return text + ("" if self.max_norm is None else f", max_norm={self.max_norm}")


class EmbeddingBag(Embedding):
    """The sum, mean or maximum of the vectors of each bag of numbers.

    Bags are rows, filled up by `padding_idx`; PyTorch's ``offsets`` into one long row is not there.

    Parameters
    ----------
    count, size, weight, rng, dtype : int, int, str or initialiser or array, Generator or int, dtype
        As in `Embedding`.
    mode : {"mean", "sum", "max"}
        How the vectors of a bag become one.
    padding_idx : int, optional
        A number that stands for no word, to fill up short bags: it does not count. A bag without
        any word gives 0.
    """

    def __init__(self, count: int, size: int, *, mode: str = "mean", **options: Any) -> None:
        if mode not in ("mean", "sum", "max"):
            raise LayerError(
                f"EmbeddingBag: found mode={mode!r}; expected 'mean', 'sum' or 'max'\n"
                "  fix: use mode='mean'"
            )
        super().__init__(count, size, **options)
        self.mode = mode

    def forward(self, ids: Any, weights: Any = None) -> Any:
        """Return one vector per bag.

        Parameters
        ----------
        ids : array_like of int, shape (..., bag)
            The numbers.
        weights : array_like, shape of `ids`, optional
            A factor for each vector, in a sum.
        """
        ids = self.numbers(ids)
        ids = ids.numpy() if isinstance(ids, Tensor) else ids
        if weights is not None and (self.mode != "sum" or np.shape(weights) != ids.shape):
            raise LayerError(
                f"EmbeddingBag: found weights of shape {np.shape(weights)} and mode={self.mode!r}; "
                f"expected one for each number, {ids.shape}, and mode='sum'\n"
                "  fix: EmbeddingBag(..., mode='sum')"
            )
        if ids.ndim == 0:
            raise LayerError(
                "EmbeddingBag: found a single number; expected bags of them, (..., bag)\n"
                "  fix: use Embedding for single numbers"
            )
        vectors = super().forward(ids)
        if weights is not None:
            vectors = vectors * np.expand_dims(as_input(self, weights), -1)
        real = np.ones(ids.shape, np.bool_)
        if self.padding_idx is not None:
            real = ids != self.padding_idx
        words = real.sum(axis=-1, keepdims=True)
        if self.mode == "max" and ids.shape[-1]:
            filled = np.where(real[..., None] | (words == 0)[..., None], vectors, -np.inf)
            return np.where(words > 0, np.max(filled, axis=-2), 0)
        total = np.sum(np.where(real[..., None], vectors, 0), axis=-2)
        if self.mode != "mean":
            return total
        return total / np.maximum(words, 1).astype(self.weight.dtype)

    def describe(self) -> str:
        """Return the sizes, and how a bag becomes one vector."""
        return f"{super().describe()}, mode={self.mode!r}"
