"""The arguments of a function, and how it is called with the arrays of a run in their places.

Knows: examples, what each is called, and how arrays are laid out. Does not know: runs. Read
``owners.py`` next.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.tree import flatten, flatten_each
from tinygrad_edu.errors import CaptureError, users_line

__all__ = ["Arguments", "is_fortran", "refuse_twins"]

Array = np.ndarray[Any, Any]


class Arguments:
    """The examples, and how a function is called with arrays of a run in their place.

    Attributes
    ----------
    leaves : list
        Arrays, Tensors and other things, in order.
    names : list of str
        What each is called.
    """

    def __init__(self, function: Callable[..., Any], examples: Sequence[Any]) -> None:
        self.examples = tuple(examples)
        self.leaves, self.rebuild = flatten_each(self.examples)
        refuse_twins(self.leaves, "capture")
        for i, leaf in enumerate(self.leaves):
            if isinstance(leaf, np.ndarray):
                self.leaves[i] = _laid_out(leaf)
            elif isinstance(leaf, (np.generic, list)):
                self.leaves[i] = np.asarray(leaf)
        self.names = self._names(function)
        self.order: list[int] = [
            i for i, leaf in enumerate(self.leaves) if isinstance(leaf, (np.ndarray, Tensor))
        ]

    def _names(self, function: Callable[..., Any]) -> list[str]:
        try:
            bound = inspect.signature(function).bind(*self.examples).arguments
        except (TypeError, ValueError):
            bound = {}
        names: list[str] = []
        for name, value in bound.items():
            parameter = inspect.signature(function).parameters[name]
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            for i, part in enumerate(value if several else (value,)):
                count = len(flatten(part)[0])
                front = f"{name}{i + 1}" if several else name
                names += [front] if count == 1 else [f"{front}_{k + 1}" for k in range(count)]
        return (
            names
            if len(names) == len(self.leaves)
            else [f"x{i + 1}" for i in range(len(self.leaves))]
        )

    def array(self, i: int) -> Array:
        """Return the array of an argument."""
        leaf = self.leaves[i]
        array: Array = _laid_out(leaf.numpy()) if isinstance(leaf, Tensor) else leaf
        return array

    def call(self, function: Callable[..., Any], stand: Callable[[int, Array], Any]) -> Any:
        """Return what the function returns, `stand(i, array)` being in the place of each array."""
        given = list(self.leaves)
        for i in self.order:
            array = stand(i, self.array(i))
            given[i] = _twin(self.leaves[i], array) if isinstance(self.leaves[i], Tensor) else array
        return function(*self.rebuild(given))


def _laid_out(array: Array) -> Array:
    """Return a copy in C order, or in Fortran order if the array is laid out so."""
    return np.array(array, order="F" if is_fortran(array) else "C")


def is_fortran(array: Array) -> bool:
    """Return whether an array is laid out in Fortran order, and not in C order as well."""
    return bool(array.flags.f_contiguous and not array.flags.c_contiguous)


def refuse_twins(leaves: Sequence[Any], what: str) -> None:
    """Raise if a Tensor that wants a gradient is given twice: it has one gradient, for both."""
    wanting = [id(t) for t in leaves if isinstance(t, Tensor) and t.requires_grad]
    if len(set(wanting)) < len(wanting):
        raise CaptureError(
            f"{what}: one Tensor that wants a gradient is given twice\n  at {users_line()}\n"
            "  fix: give two, as in t.detach().requires_grad_(); or let the function take it once"
        )


def _twin(tensor: Tensor, array: Any) -> Tensor:
    """Return a Tensor on another array that wants a gradient as this one does."""
    twin = Tensor(array, tensor.requires_grad)
    if tensor.name:
        twin.name = tensor.name
    return twin
