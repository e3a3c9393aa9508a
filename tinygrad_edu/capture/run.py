"""A recorded run: recorders stand in all places where arrays were, until the function has ended.

Knows: how they are put there and taken away again, what a function leaves behind, and in what two
runs differ. Does not know: what NumPy's calls mean. Read ``record.py`` next.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.capture.arguments import Arguments
from tinygrad_edu.capture.owners import SPARE, Owners
from tinygrad_edu.capture.recorder import Recorder, recorder
from tinygrad_edu.capture.tape import Ref, Tape, mapped, same
from tinygrad_edu.core.graph import Leaf, tick
from tinygrad_edu.core.switch import announced
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CaptureError, users_line
from tinygrad_edu.nn.module import Module

__all__ = ["Run", "difference"]

Array = np.ndarray[Any, Any]


class Run:
    """One run of the function that was written down.

    Attributes
    ----------
    tape : Tape
        What it called.
    inputs : list of int
        The values that are arguments.
    result : object
        What it returned, with a `Ref` for each array.
    state : dict
        Number of a value -> (array, owners).
    spare : list of int
        Values whose content nobody reads afterwards.
    gradients : dict
        id of a leaf's tensor -> what it had at the end: a `Ref`, None, or ``...`` if untouched.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: Arguments, owners: Owners, zeros: bool
    ) -> None:
        self.tape, self.inputs = Tape(), list[int]()
        self.state: dict[int, tuple[Array, list[Callable[[], Any]]]] = {}
        self.spare: list[int] = []
        self.gradients: dict[int, Any] = {}
        self._standing: dict[int, Recorder] = {}
        alive: list[weakref.ref[Recorder]] = []

        def stand(i: int, array: Array) -> Recorder:
            number = self.tape.value("input", array, arguments.names[i])
            self.inputs.append(number)
            made = recorder(self.tape, array, number)
            alive.append(weakref.ref(made))
            return made

        with self._in_place(owners, zeros), announced(self._meeting(owners), self.tape.watch):
            self.result = self._without_recorders(arguments.call(function, stand))
            self._end(owners)
        self.tape.close()
        if any(reference() is not None for reference in alive):
            raise CaptureError(
                "capture: the function keeps an argument, or a result of it, beyond its end\n"
                f"  at {users_line()}\n  fix: return what is wanted; a list outside of the "
                "function would be filled once, and not by the program"
            )

    def _meeting(self, owners: Owners) -> Callable[[Any], None]:
        started = tick()
        known = {id(each) for each in (*owners.tensors, *owners.modules, *owners.optimizers)}
        # Only their ids: the engine counts who holds a leaf.
        leaves = {id(tensor.node) for tensor in owners.arrays_of_leaves()}

        def meet(owner: Any) -> None:
            self.tape.applied += 1
            if id(owner) in known:
                return
            if isinstance(owner, Module) and all(isinstance(m, Module) for _, m in owner.walk()):
                return  # made for one call, as a loss often is; it has no arrays
            if isinstance(owner, Tensor) and (
                owner.node is None or owner.node.order > started or not owner.is_leaf
            ):
                return
            if isinstance(owner, Tensor) and id(owner.node) in leaves:
                return  # a second derivative meets leaves in other Tensors
            raise CaptureError(
                f"capture: a {type(owner).__name__} is used that the run before did not use\n"
                f"  at {users_line()}\n  fix: let the function do the same in every call"
            )

        return meet

    @contextmanager
    def _in_place(self, owners: Owners, zeros: bool) -> Iterator[None]:
        """Put recorders where the owners have arrays, and put all back at the end."""
        undo: list[Callable[[], None]] = []
        try:
            for spot in list(owners.spots()):
                array = spot.get()
                made = self._stands_for(array, spot.name)
                spot.put(made)
                self._owner(made, spot.get)
                if spot.key in SPARE:
                    self.spare.append(made.number)
                undo.append(partial(spot.put, array))
            for tensor in owners.tensors:
                self._adopt(tensor, owners.names[id(tensor)], zeros, undo)
            yield
        finally:
            for put_back in undo:
                put_back()
            owners.put_back()

    def _adopt(
        self, tensor: Tensor, name: str, zeros: bool, undo: list[Callable[[], None]]
    ) -> None:
        array, leaf = tensor._data, tensor.node
        tensor._data = made = self._stands_for(array, name)
        self._owner(made, lambda: tensor._data)

        def put_back() -> None:
            tensor._data = array

        undo.append(put_back)
        if not isinstance(leaf, Leaf):
            return
        buffer = leaf.buffer
        leaf.result = made
        if buffer is not None:
            leaf.buffer = home = self._stands_for(buffer, f"{name}.gradient")
            self._owner(home, lambda: getattr(tensor.node, "buffer", None))
        # Made in both runs, so that values have the same numbers.
        before = self._stands_for(np.zeros_like(array), f"{name}.before")
        leaf.grad = before if zeros else None
        self.gradients[id(tensor)] = leaf.grad

        def put_leaf_back() -> None:  # holds no leaf: the engine counts who does
            leaf: Any = tensor.node or tensor._frozen
            leaf.result, leaf.buffer = array, buffer

        undo.append(put_leaf_back)

    def _stands_for(self, array: Array, name: str) -> Recorder:
        """Return the recorder of an array of the state."""
        made = self._standing.get(id(array))
        if made is None:
            number = self.tape.value("state", array, name.replace("/", "."))
            made = self._standing[id(array)] = recorder(self.tape, array, number, keep=True)
            self.state[number] = array, []
        return made

    def _owner(self, made: Recorder, owner: Callable[[], Any]) -> None:
        self.state[made.number][1].append(owner)

    def _end(self, owners: Owners) -> None:
        """Look what the function has left behind."""
        for number, (array, holders) in self.state.items():
            for holder in holders:
                if holder() is not self._standing[id(array)]:
                    raise CaptureError(
                        f"capture: {self.tape.values[number].wish} was replaced by another array; "
                        f"a program writes into the one that is there\n  at {users_line()}\n"
                        "  fix: write into it, as in p.data[...] = value, or do it outside of the "
                        "function"
                    )
        for tensor in owners.arrays_of_leaves():
            now = tensor.node.grad  # type: ignore[union-attr]  # leaves have one
            before = self.gradients[id(tensor)]
            self.gradients[id(tensor)] = ... if now is before else self._without_recorders(now)

    def _without_recorders(self, tree: Any) -> Any:
        """Return a result with a `Ref` for each array."""

        def reference(part: Any) -> Any:
            value = part._data if isinstance(part, Tensor) else part
            if isinstance(value, np.generic):
                value = np.asarray(value)
            if isinstance(value, np.ndarray):
                return Ref(self.tape.constant(value))
            if isinstance(value, Recorder):
                return Ref(value.number)
            if isinstance(value, (bool, int, float, complex, str, type(None))):
                return value
            raise CaptureError(
                f"capture: the function returned a {type(value).__name__}\n  at {users_line()}\n"
                "  fix: return arrays, Tensors, numbers, or containers of them"
            )

        return mapped(reference, tree)


def difference(one: Run, other: Run) -> str | None:
    """Return what differs between two runs, worded as an error, or nothing."""
    for a, b in zip(one.tape.calls, other.tape.calls, strict=False):
        if (a.form, a.name, repr((a.args, a.kwargs)), a.writes) != (
            b.form, b.name, repr((b.args, b.kwargs)), b.writes
        ):  # fmt: skip
            constants = [n for n in a.refs() if n in one.tape.constants]
            what = "with another number" if a.name == b.name else f"{b.name} in the next"
            what = "with another array" if constants and a.name == b.name else what
            return _worded(f"{a.name} is called in one run, {what}", a.place.line)
        for number in a.refs():
            if number in one.tape.constants:
                first, second = one.tape.constants[number], other.tape.constants.get(number)
                if second is None or not same(first.array, second.array):
                    return _worded(
                        f"an array of shape {first.array.shape} that {a.name} is given differs "
                        "from run to run",
                        a.place.line,
                    )
    if len(one.tape.calls) != len(other.tape.calls):
        longer = max(one.tape.calls, other.tape.calls, key=len)
        extra = longer[min(len(one.tape.calls), len(other.tape.calls))]
        return _worded(f"{extra.name} is called in one run only", extra.place.line)
    # A gradient that is dropped in one run was none, and is none, in the other.
    alike = all(
        ref == other.gradients[key] or (ref is ... and other.gradients[key] is None)
        for key, ref in one.gradients.items()
    )
    if repr(one.result) != repr(other.result) or not alike:
        return _worded("the function returns another thing in each run", users_line())
    return None


def _worded(problem: str, line: str) -> str:
    return (
        f"capture: {problem}\n  at {line}\n"
        "  fix: give what changes as an argument: random numbers, counters, a learning rate; "
        "layers that\n       act by chance are captured after model.eval()"
    )
