"""What a program is built on besides arrays: variables, attributes, modes and hooks, as they were.

Knows: what a function looks at without its being an argument, and how that is now. Does not know:
recorders, nor the text. Read ``run.py`` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from tinygrad_edu.capture.owners import Owners
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CaptureError, users_line
from tinygrad_edu.nn.module import Module
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = [
    "Fact",
    "facts_of_function",
    "facts_of_owners",
    "generators_of_function",
    "refuse_changed",
    "state_of",
]

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


@dataclass(frozen=True)
class Fact:
    """Something that was so when the program was recorded, and has to be so still.

    Parameters
    ----------
    what : str
        Of what it is one, for the error.
    look : callable
        Returns how it is now, see `state_of`.
    was : object
        How it was.
    """

    what: str
    look: Callable[[], Any]
    was: Any

    @classmethod
    def now(cls, what: str, look: Callable[[], Any]) -> Fact:
        """Return the fact that something is as it is now."""
        return cls(what, look, look())


_READ = 1000  # elements of an array whose content is looked at in every call; data sets are larger


def state_of(value: Any) -> Any:
    """Return what a program depends on in a value: the content of numbers, small arrays, lists.

    Of any other object it is which one it is: a large array that the program computes with is
    watched by the program itself. Two states are equal if a program cannot tell them apart; 0.0 and
    -0.0 it can, and nan is like itself.
    """
    kind = value.__class__
    if kind is float or kind is complex:
        return kind, repr(value)
    if kind in _PLAIN:
        return kind, value
    array = isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fcbiu"
    if array and value.size <= _READ:
        return kind, value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, (list, tuple)):
        return kind, [state_of(part) for part in value]
    if isinstance(value, dict):
        return kind, [(key, state_of(part)) for key, part in value.items()]
    return id(value), _Held(value)


class _Held:
    """Keeps an object alive, so that its id stays its own; equal to all others."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]  # nothing that is equal to all has a place

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, _other: object) -> bool:
        return True


# ------------------------------------------------------------------------------ the function


def facts_of_function(function: Callable[..., Any]) -> list[Fact]:
    """Return what the function finds in variables around it, and in the object whose method it is.

    Functions of the same file that it calls by a name count as its own lines.
    """
    return [Fact.now(what, partial(_look, get)) for what, get in _around(function)]


def generators_of_function(function: Callable[..., Any]) -> Iterator[np.random.Generator]:
    """Yield the generators of random numbers in the variables around a function."""
    for _, get in _around(function):
        value = get()
        for each in value.values() if isinstance(value, dict) else (value,):
            if isinstance(each, np.random.Generator):
                yield each


def _look(get: Callable[[], Any]) -> Any:
    return state_of(get())


def _around(function: Callable[..., Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what a function may look at besides its arguments: its name, and how to get it."""
    queue: list[Any] = [function]
    seen: set[int] = set()
    while queue:
        one = queue.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, partial):
            queue.append(one.func)
            yield "an argument of a partial()", partial(_given, one)
        elif isinstance(one, MethodType):
            queue += [one.__func__, one.__self__]
        elif isinstance(one, FunctionType):
            yield f"a default of {one.__name__}()", partial(_defaults, one)
            queue.append(getattr(one, "__wrapped__", one))
            for name, get in _variables(one):
                yield f"the variable {name}", get
                value = get()
                if isinstance(value, FunctionType) and value.__globals__ is one.__globals__:
                    queue.append(value)
        elif hasattr(one, "__dict__") and not isinstance(one, (Module, Optimizer, type)):
            yield f"an attribute of {type(one).__name__}", partial(vars, one)
            queue.append(vars(type(one)).get("__call__"))


def _variables(function: FunctionType) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the outer and global variables whose names are in the code of a function."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, partial(_in_cell, cell)
    codes, names = [function.__code__], dict[str, None]()
    while codes:
        code = codes.pop()
        names.update(dict.fromkeys(code.co_names))
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    for name in names:
        if name in function.__globals__:
            yield name, partial(function.__globals__.get, name)


def _in_cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the variable has no value yet
        return None


def _defaults(function: FunctionType) -> Any:
    return function.__defaults__, function.__kwdefaults__


def _given(function: partial[Any]) -> Any:
    return function.args, function.keywords


# ------------------------------------------------------------------------------ owners of arrays


def facts_of_owners(owners: Owners) -> Iterator[Fact]:
    """Yield what the modules, tensors and optimizers are that a function has used."""
    for module in owners.modules:
        name = type(module).__name__
        mode = f"the mode of {name}, train() or eval(),"
        yield Fact.now(mode, partial(getattr, module, "training"))
        yield Fact.now(f"an attribute of {name}", partial(_state_of_module, module))
        yield Fact.now(f"a hook of {name}", partial(_hooks_of_module, module))
    for tensor in owners.tensors:
        name = owners.names[id(tensor)]
        yield Fact.now(
            f"whether {name} wants a gradient", partial(getattr, tensor, "requires_grad")
        )
        yield Fact.now(f"a hook of {name}", partial(_hooks_of_tensor, tensor))
    for optimizer in owners.optimizers:
        what = f"a setting, or the list of hooks or groups of {type(optimizer).__name__}"
        yield Fact.now(what, partial(_state_of_optimizer, optimizer))


_NO_FACTS = {"_hooks", "_told", "training"}
"""Attributes of modules that are looked at elsewhere, or mean nothing for what is computed."""


def _state_of_module(module: Module) -> Any:
    return [(key, state_of(each)) for key, each in vars(module).items() if key not in _NO_FACTS]


def _hooks_of_module(module: Module) -> Any:
    hooks = module._hooks
    if hooks is None:
        return []
    dicts = hooks.before, hooks.after, hooks.back
    return [(where, each) for where, held in enumerate(dicts) for each in held.values()]


def _hooks_of_tensor(tensor: Tensor) -> Any:
    hooks = getattr(tensor.node, "hooks", None)
    return [] if hooks is None else list(hooks.functions.values())


def _state_of_optimizer(optimizer: Optimizer) -> Any:
    parts = [*optimizer.groups, *optimizer.hooks]
    plain = [
        [(key, state_of(each)) for key, each in vars(part).items() if each.__class__ in _PLAIN]
        for part in (optimizer, *parts)
    ]
    return [id(part) for part in parts], _Held(parts), plain


# ------------------------------------------------------------------------------ changes


def refuse_changed(facts: Iterable[Fact]) -> None:
    """Raise if the function has changed something, which its program would not do."""
    for fact in facts:
        if fact.look() != fact.was:
            raise CaptureError(
                f"capture: the function changes {fact.what}, which a program does not do\n"
                f"  at {users_line()}\n  fix: count, and keep things, outside of the function"
            )
