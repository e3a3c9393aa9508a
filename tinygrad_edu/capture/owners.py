"""Who has arrays that a function uses besides its arguments: tensors, buffers and optimizers.

Knows: how they are found, by an ordinary run in which they are announced; what was in their arrays,
so that it can be put back; and what the user calls them. Does not know: recorders. Read
``facts.py`` next.
"""

from __future__ import annotations

import inspect
import re
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import MethodType
from typing import Any

import numpy as np

from tinygrad_edu.capture.arguments import Arguments
from tinygrad_edu.capture.chance import Chance
from tinygrad_edu.core.graph import Leaf, tick
from tinygrad_edu.core.switch import announced
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.nn.module import Buffer, Module
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = ["SPARE", "Owners", "Spot", "discover"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Spot:
    """Where an owner has an array: in a dict, or in an attribute.

    Parameters
    ----------
    name : str
        What the array is called.
    holder : object
        The dict, or the object.
    key : str
        Under what.
    """

    name: str
    holder: Any
    key: str

    def get(self) -> Any:
        """Return the array that is there now."""
        return self.holder[self.key] if isinstance(self.holder, dict) else self.holder.data

    def put(self, array: Any) -> None:
        """Put another one there."""
        if isinstance(self.holder, dict):
            self.holder[self.key] = array
        else:
            self.holder.data = array


class Owners:
    """Who has arrays that the function uses besides its arguments, and what was in them.

    Attributes
    ----------
    tensors : list of Tensor
        Leaves and constants.
    buffers : list of Buffer
        Of modules.
    optimizers : list of Optimizer
        That made a step or dropped gradients.
    names : dict
        id of a tensor or buffer -> its name.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.buffers: list[Buffer] = []
        self.optimizers: list[Optimizer] = []
        self.names: dict[int, str] = {}
        self.modules: list[Module] = []
        self.contents: dict[int, tuple[Array, Array]] = {}  # id of an array -> itself and a copy
        self.gradients: dict[int, Any] = {}  # id of a tensor -> its gradient and a copy of that

    def keep(self, array: Any) -> None:
        """Remember what is in an array, the first time."""
        if isinstance(array, np.ndarray) and id(array) not in self.contents:
            self.contents[id(array)] = array, array.copy(order="K")

    def keep_tensor(self, tensor: Tensor) -> None:
        """Remember the value and the gradient of a tensor, the first time."""
        if id(tensor) in self.gradients:
            return
        leaf = tensor.node
        self.keep(tensor._data)
        self.gradients[id(tensor)] = None
        if isinstance(leaf, Leaf):
            self.keep(leaf.buffer)
            if leaf.grad is not None:
                self.gradients[id(tensor)] = leaf.grad, leaf.grad.copy()

    def put_back(self) -> None:
        """Let every array, and every gradient, be what it was."""
        for array, content in self.contents.values():
            if array.flags.writeable:
                array[...] = content
        for tensor in self.tensors:
            if isinstance(tensor.node, Leaf):
                tensor.node.grad = None
                if self.gradients[id(tensor)] is not None:
                    gradient, content = self.gradients[id(tensor)]
                    gradient[...] = content
                    tensor.node.grad = gradient

    def spots(self) -> Iterator[Spot]:
        """Yield where optimizers and buffers have their arrays."""
        for number, optimizer in enumerate(self.optimizers):
            for front, holder in optimizer.holders():
                start = f"optimizer{number + 1}/" if len(self.optimizers) > 1 else ""
                for key, value in holder.items():
                    if isinstance(value, np.ndarray):
                        yield Spot(f"{start}{front}{_SPOKEN.get(key, key)}", holder, key)
        for buffer in self.buffers:
            yield Spot(self.names.get(id(buffer), "buffer"), buffer, "data")

    def arrays_of_leaves(self) -> list[Tensor]:
        """Return the tensors that are leaves."""
        return [tensor for tensor in self.tensors if isinstance(tensor.node, Leaf)]


_SPOKEN = {"values": "parameters"}
SPARE = ("scratch", "decayed")


def discover(
    function: Callable[..., Any], arguments: Arguments, chance: Chance, around: Iterable[Any]
) -> Owners:
    """Return who owns arrays that the function uses, from an ordinary run of it.

    Whatever happens in that run, all contents are put back; `chance` is told of generators. Who is
    `around` the function counts as used: reading a number from a tensor announces nobody.
    """
    owners = Owners()
    found: dict[int, weakref.ref[Tensor]] = {}
    started = tick()

    def meet(owner: Any) -> None:
        if isinstance(owner, Module):
            if all(owner is not module for module in owners.modules):
                owners.modules.append(owner)
                chance.keep(vars(owner).values())
                for buffer in owner.buffers():
                    owners.keep(buffer.data)
        elif isinstance(owner, Optimizer):
            if all(owner is not optimizer for optimizer in owners.optimizers):
                owners.optimizers.append(owner)
                for _, holder in owner.holders():
                    for value in holder.values():
                        owners.keep(value)
                for parameter in _parameters_of(owner):
                    meet(parameter)
        elif isinstance(owner, Buffer):
            if all(owner is not buffer for buffer in owners.buffers):
                owners.buffers.append(owner)
                owners.keep(owner.data)
        elif owner.is_leaf and id(owner) not in found:
            leaf = owner.node
            if leaf is None or leaf.order < started:
                found[id(owner)] = weakref.ref(owner)
                owners.keep_tensor(owner)

    arguments_own = [leaf for leaf in arguments.leaves if isinstance(leaf, Tensor)]
    for each in around:
        if isinstance(each, Module):
            for part in (*each.parameters(), *each.buffers()):
                meet(part)
        elif isinstance(each, (Tensor, Buffer, Optimizer)):
            meet(each)
    try:
        with announced(meet):
            arguments.call(function, lambda _i, array: array.copy(order="K"))
    except BaseException:
        owners.tensors = [tensor for each in found.values() if (tensor := each()) is not None]
        owners.put_back()
        raise
    for reference in found.values():
        tensor = reference()
        if tensor is not None and all(tensor is not own for own in arguments_own):
            owners.tensors.append(tensor)
    for module in owners.modules:
        owners.buffers += [b for b in module.buffers() if all(b is not o for o in owners.buffers)]
    alive = {id(tensor) for tensor in owners.tensors}
    owners.gradients = {key: value for key, value in owners.gradients.items() if key in alive}
    kept = {id(t._data) for t in owners.tensors} | {id(b.data) for b in owners.buffers}
    kept |= {id(t.node.buffer) for t in owners.arrays_of_leaves()}  # type: ignore[union-attr]  # leaves have one
    kept |= {id(spot.get()) for spot in owners.spots()}
    owners.contents = {key: value for key, value in owners.contents.items() if key in kept}
    _name(owners, function)
    owners.put_back()
    return owners


def _parameters_of(optimizer: Optimizer) -> Iterator[Tensor]:
    for _, holder in optimizer.holders():
        yield from (each for each in holder.get("parameters", ()) if isinstance(each, Tensor))


def _name(owners: Owners, function: Callable[..., Any]) -> None:
    """Find out what the user calls each tensor and buffer."""
    variables = _variables(function)
    inner = {
        id(child) for module in owners.modules for child in module.modules() if child is not module
    }
    outer = [
        module
        for module in owners.modules
        if id(module) not in inner and any(True for _ in (*module.parameters(), *module.buffers()))
    ]
    for module in outer:
        front = (
            f"{variables.get(id(module), type(module).__name__.lower())}." if len(outer) > 1 else ""
        )
        for path, value in (*module.named_parameters(), *module.named_buffers()):
            owners.names.setdefault(id(value), front + path)
    for tensor in owners.tensors:
        if id(tensor) in owners.names:
            continue
        name = variables.get(id(tensor)) or tensor.name
        if not name and tensor.node is not None:
            match = re.match(r"[^:]*:\d+: (\w+)(?:\s*:[^=]+)? = ", tensor.node.line)
            name = match[1] if match else ""
        owners.names[id(tensor)] = name or ("leaf" if tensor.requires_grad else "constant")


def _variables(function: Callable[..., Any]) -> dict[int, str]:
    """Return the names of the objects that a function knows: id -> name."""
    found: dict[int, str] = {}
    if isinstance(function, MethodType):
        found |= (
            {id(value): name for name, value in vars(function.__self__).items()}
            if hasattr(function.__self__, "__dict__")
            else {}
        )
        function = function.__func__
    try:
        known = inspect.getclosurevars(inspect.unwrap(function))
    except (TypeError, ValueError):
        return found
    for variables in (known.globals, known.nonlocals):
        for name, value in variables.items():
            parts: Any = enumerate(value) if isinstance(value, (list, tuple)) else ()
            parts = value.items() if isinstance(value, dict) else parts
            found |= {id(part): f"{name}_{key}" for key, part in parts}
            found[id(value)] = name
    return found
