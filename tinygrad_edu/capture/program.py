"""The program: its text run on the live arrays, without the engine.

Knows: the text, the arrays of the state, and what has to hold so that the text does what the
function would do. Does not know: how it was recorded. Read ``record.py`` next, which makes one.
"""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.capture.arguments import refuse_twins
from tinygrad_edu.capture.facts import ELEMENTS, Fact, state_of
from tinygrad_edu.capture.source import Instruction, Text
from tinygrad_edu.capture.tape import Constant, mapped, same
from tinygrad_edu.core.graph import Leaf
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.tree import matching
from tinygrad_edu.errors import CaptureError, GradientError, users_line

__all__ = ["Bound", "Effect", "Program", "Variable"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Variable:
    """An array that a program is given: its name, and what it has to be.

    Parameters
    ----------
    name : str
        In the text.
    shape, dtype
        Of the array.
    order : {"C", "F"}
        Its layout in memory, on which the last digits of a sum may depend.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str = "C"


@dataclass(frozen=True)
class Bound:
    """An array of the state, and where it lives.

    Parameters
    ----------
    name : str
        In the text.
    array : ndarray
        The live array.
    owners : tuple of callable
        Each returns what its owner has for it now; another array means that it has moved.
    """

    name: str
    array: Array
    owners: tuple[Callable[[], Any], ...]


@dataclass(frozen=True)
class Effect:
    """What a program leaves in a leaf.

    Parameters
    ----------
    leaf : Tensor
        The leaf.
    name : str
        In the text.
    gradient : str or None
        ``"result"``: the text returns it; ``"state"``: the buffer of its optimizer has it;
        ``"none"``: it is dropped; None: it stays as it is.
    begins : bool
        Whether the program is right only where the leaf has no gradient at the beginning.
    written : bool
        Whether the value of the leaf is changed.
    buffer : ndarray or None
        The optimizer's buffer.
    """

    leaf: Tensor
    name: str
    gradient: str | None
    begins: bool
    written: bool
    buffer: Array | None


class Program:
    """A function written down as straight-line NumPy; calling it runs that.

    Attributes
    ----------
    name : str
        Of the function.
    source : str
        The text: a module with one function. Executed by itself it needs nothing but NumPy::

            namespace = {}
            exec(program.source, namespace)
            namespace[program.name](*arrays, **program.state, **program.constants)

        Where the function leaves gradients in leaves, the text returns ``(result, gradients)``.
    instructions : tuple of Instruction
        Its lines, as records.
    inputs : tuple of Variable
        The arrays that it is called with.
    state : dict
        Name -> live array of a parameter, of an optimizer or of a buffer; the text writes to them.
        It can be saved and given to the text elsewhere: no array of it is a part of another.
    parts : dict
        Name -> live array that the text takes from one of `state`, as a weight from the array in
        which an optimizer has all parameters.
    constants : dict
        Name -> other arrays that the function used, as they were.
    outputs : tuple of str
        The names of what is returned.
    memory : dict
        Name -> the first name in the same memory: a view shares that of what it is a view of.
    """

    def __init__(
        self,
        name: str,
        text: Text,
        inputs: Sequence[Variable],
        given: Sequence[Any],
        example: Sequence[Any],
        state: Sequence[Bound],
        outputs: Sequence[str],
        watched: Sequence[Constant],
        effects: Sequence[Effect],
        facts: Sequence[Fact],
    ) -> None:
        self.name, self.source, self.memory = name, text.source, dict(text.memory)
        self.instructions, self.inputs = text.instructions, tuple(inputs)
        self.outputs = tuple(outputs)
        self.state = {b.name: b.array for b in state if b.name not in text.parts}
        self.parts = {b.name: b.array for b in state if b.name in text.parts}
        self.constants = dict(text.constants)
        self._given, self._example = tuple(given), tuple(example)
        self._state, self._effects, self._facts = tuple(state), tuple(effects), tuple(facts)
        self._watched = [(each.array, each.live(), each.line) for each in watched]
        self._written = self._among_written(self.instructions)
        self._undone = self._written_before_checks()
        file = f"<program {name} {id(self):x}>"
        source = self.source
        lines = source.splitlines(keepends=True)
        # A traceback through the program shows its lines.
        linecache.cache[file] = (len(source), None, lines, file)
        weakref.finalize(self, linecache.cache.pop, file, None)
        namespace: dict[str, Any] = {}
        exec(compile(source, file, "exec", optimize=0), namespace)
        self._run = namespace[name]

    def __repr__(self) -> str:
        names = ", ".join(each.name for each in self.inputs)
        return f"<program {self.name}({names}): {len(self.instructions)} lines>"

    def __str__(self) -> str:
        return self.source

    def __call__(self, *inputs: Any) -> Any:
        """Return what the function would return, as arrays, and change what it would change.

        Parameters
        ----------
        *inputs : array_like
            As the examples were: the same shapes and dtypes; what is no array has to be equal. An
            array that lies in memory in another way is laid out as the example was.

        Raises
        ------
        CaptureError
            The inputs do not fit, something has changed on which the program is built, or the
            function would have decided otherwise. Nothing was changed then.
        """
        arrays = self._fitting(inputs)
        self._refuse_moved()
        before = [(array, array.copy()) for array in self._undone]
        try:
            found = self._run(*arrays, **self.state, **self.constants)
        except AssertionError as error:
            for array, content in before:
                array[...] = content
            raise CaptureError(
                f"{self.name}: the recorded run does not fit these numbers: {error}\n"
                f"  at {users_line()}\n  fix: call the function itself for these; nothing was "
                "changed"
            ) from error
        result, gradients = found if self._returns_gradients else (found, {})
        self._leave(gradients)
        return self._own(result, arrays)

    def _written_before_checks(self) -> list[Array]:
        """Return the arrays of the state that are written before the text looks at numbers."""
        checks = [i for i, line in enumerate(self.instructions) if line.text.startswith("assert ")]
        return self._among_written(self.instructions[: checks[-1]] if checks else ())

    def _among_written(self, lines: Sequence[Instruction]) -> list[Array]:
        """Return the arrays of the state that some lines write to."""
        written = {self.memory[name] for line in lines for name in line.writes}
        return [array for name, array in self.state.items() if self.memory[name] in written]

    @property
    def _returns_gradients(self) -> bool:
        return any(effect.gradient == "result" for effect in self._effects)

    def _fitting(self, inputs: Sequence[Any]) -> list[Array]:
        """Return the arrays of the inputs, in order."""
        if len(inputs) != len(self._example):
            raise CaptureError(
                f"{self.name}: {len(inputs)} arguments were given, recorded were "
                f"{len(self._example)}\n  at {users_line()}\n"
                "  fix: call it as the function was called"
            )
        try:
            leaves = [
                leaf
                for part, example in zip(inputs, self._example, strict=True)
                for leaf in matching(part, example, self.name)
            ]
        except GradientError as error:
            raise CaptureError(str(error)) from None
        refuse_twins(leaves, self.name)
        arrays: list[Array] = []
        for leaf, given in zip(leaves, self._given, strict=True):
            if not isinstance(given, Variable):
                if state_of(leaf) != state_of(given):
                    raise CaptureError(
                        f"{self.name}: found {leaf!r:.40} where {given!r:.40} was recorded\n"
                        f"  at {users_line()}\n  fix: capture again, or pass it as an array: what "
                        "is no array is part of the program"
                    )
                continue
            array = leaf.numpy() if isinstance(leaf, Tensor) else np.asarray(leaf)
            if (array.shape, array.dtype) != (given.shape, given.dtype):
                raise CaptureError(
                    f"{self.name}: the argument {given.name} is {array.shape} {array.dtype}, "
                    f"recorded was {given.shape} {given.dtype}\n  at {users_line()}\n"
                    "  fix: capture again with an example of this shape and dtype"
                )
            # The text leaves copies out that nothing in it writes to.
            if any(np.may_share_memory(array, written) for written in self._written):
                raise CaptureError(
                    f"{self.name}: the argument {given.name} shares memory with a parameter or "
                    f"another array that the program writes to\n  at {users_line()}\n"
                    "  fix: give a copy"
                )
            arrays.append(np.asarray(array, order=given.order))  # type: ignore[call-overload]  # "C" or "F"
        return arrays

    def _refuse_moved(self) -> None:
        """Raise if the program would work on arrays that are nobody's any more."""
        for array, original, line in self._watched:
            now = original()
            if now is not None and not same(array, now):
                raise CaptureError(
                    f"{self.name}: an array of shape {array.shape} from outside has changed since "
                    f"it was recorded\n  at {line}\n"
                    "  fix: make it an argument of the function"
                )
        for fact in self._facts:
            if not fact.holds():
                raise CaptureError(
                    f"{self.name}: {fact.what} is another than was recorded\n  at {users_line()}\n"
                    "  fix: capture again, or let it be what it was"
                )
        for bound in self._state:
            for owner in bound.owners:
                if owner() is not bound.array:
                    raise CaptureError(
                        f"{self.name}: {bound.name} is no longer the array that was recorded\n"
                        f"  at {users_line()}\n  fix: capture again; a new optimizer, for one, "
                        "moves the parameters"
                    )
        for effect in self._effects:
            if effect.begins and effect.leaf.grad is not None:
                raise CaptureError(
                    f"{self.name}: {effect.name} has a gradient already, to which the function "
                    f"would add\n  at {users_line()}\n  fix: drop the gradients at the beginning "
                    "of the function, by zero_grad()"
                )

    def refuse_large(self) -> None:
        """Raise if an array from outside, that somebody holds, is too large for every call."""
        for array, original, line in self._watched:
            if array.size > ELEMENTS and original() is not None:
                raise CaptureError(
                    f"capture: an array of shape {array.shape} from outside is used, too large to "
                    f"be compared in every call\n  at {line}\n"
                    "  fix: make it an argument of the function"
                )

    def _leave(self, gradients: Mapping[str, Array]) -> None:
        """Leave the gradients where the function would, and mark what was written."""
        for effect in self._effects:
            leaf = effect.leaf.node
            if not isinstance(leaf, Leaf):
                continue
            if effect.written:
                leaf.mark_written()
            if effect.gradient == "none":
                leaf.grad = None
            elif effect.gradient == "state":
                leaf.grad = effect.buffer
            elif effect.gradient == "result":
                # A leaf owns its gradient: two of them may be one array in the text.
                leaf.grad = np.array(gradients[effect.name])

    def _own(self, result: Any, arrays: Sequence[Array]) -> Any:
        """Return the result in arrays that share no memory with anything that lives on."""
        lasting = [*arrays, *self.state.values(), *self.constants.values()]
        lasting += [effect.leaf.grad for effect in self._effects if effect.leaf.grad is not None]
        # The text leaves copies out that nothing in it writes to; whoever gets them may.

        def owned(part: Any) -> Any:
            if isinstance(part, np.generic):
                return np.asarray(part)
            if not isinstance(part, np.ndarray):
                return part
            # Of a view that repeats elements, NumPy warns who asks whether it can be written to.
            repeats = 0 in part.strides or not part.flags.writeable
            shared = repeats or any(np.may_share_memory(part, each) for each in lasting)
            lasting.append(part.copy() if shared else part)
            return lasting[-1]

        return mapped(owned, result)
