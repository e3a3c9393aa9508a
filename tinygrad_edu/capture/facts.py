"""What a program is built on besides arrays: variables, attributes, modes and hooks, as they were.

Knows: what the code of a function may look at without its being an argument, and how that is now.
Does not know: recorders, nor the text; nor what only a run would show, such as an attribute whose
name is put together while it runs. Read ``run.py`` next.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import is_
from types import CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.capture.owners import Owners
from tinygrad_edu.capture.tape import same
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CaptureError, users_line
from tinygrad_edu.nn.module import Buffer, Module
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = [
    "ELEMENTS",
    "PARTS",
    "Fact",
    "Facts",
    "facts_of_owners",
    "hooks_of_owners",
    "refuse_changed",
    "state_of",
]

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (list, tuple, set, frozenset, deque)

PARTS = 10_000
"""Parts of a container, with all that is in it, that are compared in every call: in 0.2 ms if they
are those of one list, in 5 ms if of lists of lists."""

ELEMENTS = 1 << 20
"""Elements of an array that are compared in every call, in 0.4 ms; a data set has more."""


def state_of(value: Any, *, kept: bool = False) -> Any:
    """Return what a program depends on in a value: the content of numbers, arrays and containers.

    Of a container of more than `PARTS` parts, or an array beyond `ELEMENTS` elements, it is which
    one it is, and its length; of any other object, which one it is. A large array that the program
    computes with is watched by the program itself. Two states are equal if a program cannot tell
    them apart; 0.0 and -0.0 it can, and nan is like itself.

    Parameters
    ----------
    value : object
        What a variable, an attribute or an argument has.
    kept : bool
        Whether the state is to last: arrays are copied.
    """
    found: list[Any] = []
    queue, room = [value], ELEMENTS
    for part in queue:
        kind = part.__class__
        parts = _parts(part)
        if kind is float or kind is complex:
            found.append((kind, repr(part)))
        elif kind in _PLAIN:
            found.append((kind, part))
        elif isinstance(part, (np.ndarray, np.generic)) and part.size <= room and _is_read(part):
            room -= part.size
            found.append((kind, _Content(np.array(part, copy=kept or None))))
        elif parts is not None and len(queue) + len(parts) <= PARTS:
            found.append((kind, len(parts)))
            queue += parts
        else:
            size = len(part) if isinstance(part, (*_CONTAINERS, dict)) else None
            found.append((id(part), size, _Held(part)))
    return found


def _is_read(array: Any) -> bool:
    return array.dtype.kind in "fcbiuSUmM"


def _parts(value: Any) -> list[Any] | None:
    """Return what is in a container, of a dict the keys as well; None if that is too much."""
    if isinstance(value, _CONTAINERS):
        return list(value) if len(value) <= PARTS else None
    if isinstance(value, dict):
        return [*value, *value.values()] if 2 * len(value) <= PARTS else None
    return None


class _Content:
    """An array, equal to another one if it has the same shape, dtype and bits."""

    __slots__ = ("array",)
    __hash__ = None  # type: ignore[assignment]  # an array can change

    def __init__(self, array: Any) -> None:
        self.array = array

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and same(self.array, other.array)


class _Held:
    """Keeps an object alive, so that its id stays its own; equal to all others."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]  # nothing that is equal to all has a place

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, _other: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was so when the program was recorded, and has to be so still.

    Parameters
    ----------
    what : str
        Of what it is one, for the error.
    get : callable
        Returns the value of now.
    value : object
        The value of then.
    state : list
        How it was, see `state_of`.
    fixed : bool
        Whether the value, as long as it is the same object, has the same state.
    parts : list or None
        Of a container whose parts are all fixed: what was in it.
    """

    what: str
    get: Callable[[], Any]
    value: Any
    state: Any
    fixed: bool
    parts: list[Any] | None

    @classmethod
    def now(cls, what: str, get: Callable[[], Any]) -> Fact:
        """Return the fact that something is as it is now."""
        value = get()
        parts = _parts(value)
        if parts is not None and not all(map(_is_fixed, parts)):
            parts = None
        return cls(what, get, value, state_of(value, kept=True), _is_fixed(value), parts)

    def holds(self) -> bool:
        """Return whether it is so still."""
        now = self.get()
        if now is self.value and (self.fixed or self._has_the_parts(now)):
            return True
        return bool(state_of(now) == self.state)

    def _has_the_parts(self, now: Any) -> bool:
        """Return whether a container has the same objects in it, which is soon seen."""
        found = None if self.parts is None else _parts(now)
        if found is None or self.parts is None or len(found) != len(self.parts):
            return False
        return all(map(is_, found, self.parts))


def _is_fixed(value: Any) -> bool:
    return not isinstance(value, (*_CONTAINERS, dict, np.ndarray))


# ------------------------------------------------------------------------------ the function

_MISSING = object()
_CODE = ("__code__", "__defaults__", "__kwdefaults__")
_INSTALLED = {"numpy", "tinygrad_edu", *sys.stdlib_module_names}
"""Packages whose functions and classes are not read: what they depend on is no user's variable."""


class Facts:
    """What some functions may look at: all that their code can reach by the names in it.

    The code of the functions, of those that they name, and of the methods, is read for names; each
    is looked up in the variables around the function, and in the attributes of everything reached
    so far. More is found in this way than is looked at, and nothing by running anything: neither
    properties nor ``__getattr__``.

    Attributes
    ----------
    found : dict
        (id of what holds it, name) -> the fact.
    values : list
        Everything that was reached.
    """

    def __init__(self, *roots: Any) -> None:
        self.found: dict[tuple[int, str], Fact] = {}
        self.values: list[Any] = []
        self._names: dict[str, None] = {}
        self._ids: set[int] = set()
        for root in roots:
            self._reach(root)
        size = (-1, -1)
        while size != (len(self.values), len(self._names)):
            size = len(self.values), len(self._names)
            # A name that is found late may be one of something reached early.
            for value in list(self.values):
                self._open(value)

    def _reach(self, value: Any) -> None:
        if id(value) not in self._ids and not isinstance(value, _PLAIN):
            self._ids.add(id(value))
            self.values.append(value)

    def _fact(self, holder: Any, name: str, what: str, get: Callable[[], Any]) -> None:
        """Remember how something is, and that it was reached."""
        if (id(holder), name) not in self.found:
            self.found[id(holder), name] = fact = Fact.now(what, get)
            self._reach(fact.value)

    def _open(self, value: Any) -> None:
        """Look into something for what the names reach."""
        if isinstance(value, FunctionType):
            self._open_function(value)
        elif isinstance(value, partial):
            self._reach(value.func)
            self._fact(value, "", "an argument of a partial()", partial(_given, value))
        elif isinstance(value, MethodType):
            self._reach(value.__func__)
            self._reach(value.__self__)
        elif isinstance(value, (staticmethod, classmethod)):
            self._reach(value.__func__)
        elif isinstance(value, property):
            self._reach(value.fget)
        elif isinstance(value, type):
            self._open_class(value, construct=True)
        elif isinstance(value, ModuleType):
            if _is_users(value.__name__):
                self._attributes(value, f"the variable {value.__name__}.", self._names)
        elif not isinstance(value, (np.ndarray, np.generic, Tensor, Buffer)):
            for part in _parts(value) or ():
                self._reach(part)
            self._open_object(value)
        if hasattr(value, "__dict__"):  # what functools.wraps() and lru_cache() are around
            self._reach(vars(value).get("__wrapped__"))

    def _open_function(self, function: FunctionType) -> None:
        if not _is_users(function.__module__):
            return
        for name in _CODE:
            what = f"{'the code' if name == '__code__' else 'a default'} of {function.__name__}()"
            self._fact(function, name, what, partial(getattr, function, name))
        self._attributes(function, f"an attribute of {function.__name__}(): ", self._names)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            self._fact(cell, "", f"the variable {name}", partial(_in_cell, cell))
        for name in _names_in(function.__code__):
            self._names[name] = None
            if name in function.__globals__:
                get = partial(function.__globals__.get, name, _MISSING)
                self._fact(function.__globals__, name, f"the variable {name}", get)

    def _open_object(self, value: Any) -> None:
        kind = type(value)
        slots = {
            name
            for each in kind.__mro__
            for name, member in vars(each).items()
            if isinstance(member, MemberDescriptorType) and name in self._names
        }
        for name in slots if _is_users(kind.__module__) else ():
            get = partial(getattr, value, name, _MISSING)
            self._fact(value, name, f"an attribute of {kind.__name__}: {name}", get)
        for each in kind.__mro__:
            self._open_class(each)
        if not isinstance(value, Optimizer) and hasattr(value, "__dict__"):
            # An attribute of the object would stand before that of the class.
            of_class = [vars(each) for each in kind.__mro__ if _is_users(each.__module__)]
            names = self._names.keys() & set().union(vars(value), *of_class)
            self._attributes(value, f"an attribute of {kind.__name__}: ", names)

    def _open_class(self, kind: type, construct: bool = False) -> None:
        """Look into a class: what is named, and what Python or the engine calls by itself."""
        if not _is_users(kind.__module__):
            return
        bases = [each for each in kind.__mro__ if not _is_users(each.__module__)]
        hidden = {
            name
            for name, member in vars(kind).items()
            if isinstance(member, FunctionType)
            and (name[:2] == "__" or any(hasattr(base, name) for base in bases))
        }
        names = self._names.keys() | (hidden if construct else hidden - {"__init__", "__new__"})
        self._attributes(kind, f"an attribute of the class {kind.__name__}: ", names)
        for each in kind.__mro__[1:] if construct else ():
            self._open_class(each, construct)

    def _attributes(self, holder: Any, what: str, names: Iterable[str]) -> None:
        held = vars(holder)
        known = isinstance(holder, (type, ModuleType, FunctionType))
        for name in sorted(held.keys() & names if known else names):
            if name not in _NO_FACTS:
                self._fact(holder, name, f"{what}{name}", partial(held.get, name, _MISSING))


def _is_users(module: str | None) -> bool:
    return (module or "").partition(".")[0] not in _INSTALLED


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the names in the code of a function, and its texts: ``getattr()`` may look for one."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names_in(each)
        for text in each if isinstance(each, tuple) else (each,):
            if isinstance(text, str) and text.isidentifier():
                yield text


def _in_cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the variable has no value yet
        return _MISSING


def _given(function: partial[Any]) -> Any:
    return function.args, function.keywords


# ------------------------------------------------------------------------------ owners of arrays

_NO_FACTS = {"_hooks", "_told", "training"}
"""Attributes of modules that are looked at elsewhere, or mean nothing for what is computed."""


def hooks_of_owners(owners: Owners) -> Iterator[Any]:
    """Yield the functions and objects of the user's that the engine calls on the way."""
    for module in owners.modules:
        for hooks in _hooks_of_module(module) or ():
            yield from hooks
    for tensor in owners.tensors:
        yield from _hooks_of_tensor(tensor) or ()
    for optimizer in owners.optimizers:
        yield from optimizer.hooks


def facts_of_owners(owners: Owners) -> Iterator[Fact]:
    """Yield what the modules, tensors and optimizers are that a function has used."""
    for module in owners.modules:
        name = type(module).__name__
        mode = f"the mode of {name}, train() or eval(),"
        yield Fact.now(mode, partial(getattr, module, "training"))
        yield Fact.now(f"which attributes {name} has", partial(_count_of_attributes, module))
        for key in vars(module).keys() - _NO_FACTS:
            get = partial(vars(module).get, key, _MISSING)
            yield Fact.now(f"an attribute of {name}: {key}", get)
        yield Fact.now(f"a hook of {name}", partial(_hooks_of_module, module))
    for tensor in owners.tensors:
        name = owners.names[id(tensor)]
        yield Fact.now(
            f"whether {name} wants a gradient", partial(getattr, tensor, "requires_grad")
        )
        yield Fact.now(f"a hook of {name}", partial(_hooks_of_tensor, tensor))
    for optimizer in owners.optimizers:
        what = f"a setting, or the list of hooks or groups of {type(optimizer).__name__}"
        parts = [*optimizer.groups, *optimizer.hooks]
        yield Fact.now(what, partial(getattr, optimizer, "hooks"))
        yield Fact.now(what, partial(getattr, optimizer, "_parts"))
        for part in (optimizer, *(each for each in parts if each is not optimizer)):
            for key, value in vars(part).items():
                if isinstance(value, _PLAIN):
                    yield Fact.now(what, partial(vars(part).get, key, _MISSING))


def _count_of_attributes(module: Module) -> int:
    held = vars(module)  # one that went away is missed by the fact about it
    return len(held) - sum(map(held.__contains__, _NO_FACTS))


def _hooks_of_module(module: Module) -> Any:
    hooks = module._hooks
    if hooks is None or not hooks.any():
        return None
    return [list(held.values()) for held in (hooks.before, hooks.after, hooks.back)]


def _hooks_of_tensor(tensor: Tensor) -> Any:
    hooks = getattr(tensor.node, "hooks", None)
    return None if hooks is None or not hooks.functions else list(hooks.functions.values())


# ------------------------------------------------------------------------------ changes


def refuse_changed(facts: Iterable[Fact]) -> None:
    """Raise if the function has changed something, which its program would not do."""
    for fact in facts:
        if not fact.holds():
            raise CaptureError(
                f"capture: the function changes {fact.what}, which a program does not do\n"
                f"  at {users_line()}\n  fix: count, and keep things, outside of the function"
            )
