"""The tape: what a run of a function has called, as plain records.

Knows: values by number, calls, where in the user's code and in which pass each was made, and whose
memory it writes to. Does not know: the engine's arithmetic, names, and text. Read ``recorder.py``
next, which writes here.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.graph import Node, reverse_sweep
from tinygrad_edu.core.op import Op
from tinygrad_edu.core.tensor import Tensor, record
from tinygrad_edu.errors import CaptureError, describe_line, inside_package, users_frame, users_line

__all__ = [
    "Call",
    "Constant",
    "Form",
    "Kind",
    "Name",
    "Phase",
    "Place",
    "Ref",
    "Swept",
    "Tape",
    "Value",
    "mapped",
    "same",
]

Array = np.ndarray[Any, Any]
Kind = Literal["input", "state", "constant", "result"]
Phase = Literal["forward", "backward", "update"]
Form = Literal[
    "call",
    "method",
    "attribute",
    "operator",
    "in place",
    "item",
    "assign",
    "change",
    "guard",
    "shape",
]


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of the tape, in the place of the array."""

    number: int


class Name(str):
    """An argument that is a function, by the name under which it is called."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class Value:
    """An array of a run.

    Parameters
    ----------
    kind : {"input", "state", "constant", "result"}
        Where it comes from.
    shape, dtype
        Of the array.
    home : int
        The memory that it lies in: a view has the home of what it is a view of.
    wish : str
        What the user calls it, if that is known.
    contiguous : bool
        Whether it lies in C order, as a copy does.
    """

    kind: Kind
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    home: int
    wish: str = ""
    contiguous: bool = True


@dataclass(frozen=True)
class Constant:
    """An array that the function did not get as an argument, as it was.

    Parameters
    ----------
    array : ndarray
        A copy.
    original : ndarray
        The array itself.
    line : str
        Where it was first used.
    """

    array: Array
    original: Array
    line: str

    def live(self) -> Callable[[], Array | None]:
        """Return a function that returns the original as it is now, or None if nobody holds it.

        Nobody can change an array that nobody holds; of a view it is the owner of the memory who
        has to be held, not the view. Memory that is no array's, such as a file's, is held.
        """
        original = root = self.original
        while isinstance(root.base, np.ndarray):
            root = root.base
        if root.base is not None:
            return lambda: original
        held = weakref.ref(root)
        if root is original:
            return held
        shape, strides, dtype = original.shape, original.strides, original.dtype
        offset = original.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        # Seen along its axes from the longest stride on, memory that an array owns has no gaps.
        axes = np.argsort([-stride for stride in root.strides], kind="stable")

        def look() -> Array | None:
            owner = held()
            if owner is None:
                return None
            return np.ndarray(shape, dtype, owner.transpose(axes), offset, strides)

        return look


@dataclass(frozen=True)
class Place:
    """Where a call was made.

    Parameters
    ----------
    phase : {"forward", "backward", "update"}
        In which pass.
    row : str
        Of the table, that made the call; of the backward pass, whose rule did. May be empty.
    code, lasti : code object, int
        The user's line; in the backward pass that of the op.
    number : int
        Of the op among those of its pass: the same for all calls that it makes.
    """

    phase: Phase
    row: str
    code: CodeType | None
    lasti: int
    number: int

    @property
    def line(self) -> str:
        """The user's line, as ``file.py:12: text``."""
        return describe_line(self.code, self.lasti)


@dataclass(frozen=True)
class Swept:
    """A node that a sweep has come through, for names.

    Parameters
    ----------
    line, row : str
        The user's line that made it; its row, empty for a leaf.
    numbers : list of int
        Its cotangents: what came from each consumer, the sums last.
    """

    line: str
    row: str
    numbers: list[int]


@dataclass(eq=False, slots=True)
class Call:
    """One call of NumPy.

    Parameters
    ----------
    form : str
        How it is written: "call", "method", "attribute", ...
    name : str
        The function as ``np.tanh``, the method or attribute, or the operator's sign.
    args, kwargs
        The arguments, with a `Ref` for each array.
    targets : tuple of int
        The new values; several if the call returns several.
    writes : tuple of int
        The values that it changes.
    place : Place
        Where it was made.
    errors : dict
        How NumPy treated overflow and the like, where other than at the beginning.
    boxed : bool
        Whether NumPy returned a plain number of Python.
    packed : bool
        Whether it returned a tuple or list, of one value too.
    """

    form: Form
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    targets: tuple[int, ...]
    writes: tuple[int, ...]
    place: Place
    errors: dict[str, Any] = field(default_factory=dict)
    boxed: bool = False
    packed: bool = False

    def refs(self) -> list[int]:
        """Return the numbers of the values that it reads or writes."""
        found: list[int] = []
        stack: list[Any] = [self.args, self.kwargs]
        while stack:
            part = stack.pop()
            if isinstance(part, Ref):
                found.append(part.number)
            elif isinstance(part, (list, tuple)):
                stack.extend(part)
            elif isinstance(part, dict):
                stack.extend(part.values())
            elif isinstance(part, slice):
                stack.extend((part.start, part.stop, part.step))
        return found


_SWEEP, _BACKWARD = reverse_sweep.__code__, Tensor.backward.__code__
_ROWS = {record.__code__: "op", Op.through.__code__: "self"}
"""Functions of the engine that apply a row, with the variable that holds it."""
_CONVERSIONS = {
    getattr(Tensor, name).__code__
    for name in ("__bool__", "__float__", "__int__", "__complex__", "__index__", "item", "tolist")
}


class Tape:
    """What one run has called.

    Attributes
    ----------
    values : list of Value
        By number.
    calls : list of Call
        In order.
    constants : dict
        Number of a value -> the constant.
    swept : dict
        Order of a node -> its cotangents.
    open : bool
        Whether the run goes on.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.calls: list[Call] = []
        self.constants: dict[int, Constant] = {}
        self.swept: dict[int, Swept] = {}
        self.open = True
        self.errors: dict[str, Any] = {**np.geterr()}
        self.alive: dict[int, Any] = {}  # the recorders of the arguments and the state, by array
        self._homes: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._kinds: list[Kind] = []
        self._known: dict[int, int] = {}  # id of a constant's original -> number of the value
        self._begun_backward = False
        self.applied = 0  # counts on with every row that is applied

    # ---- values

    def value(self, kind: Kind, array: Array, wish: str = "") -> int:
        """Return the number of a new value."""
        root: Any = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        known, home = self._homes.get(id(root), (None, 0))
        if known is None or known() is not root:  # fresh memory: an id may be one of the dead
            home = len(self._kinds)
            self._homes[id(root)] = weakref.ref(root), home
            self._kinds.append(kind)
        laid_out = array.flags.c_contiguous
        self.values.append(Value(kind, array.shape, array.dtype, home, wish, laid_out))
        return len(self.values) - 1

    def constant(self, array: Array) -> int:
        """Return the number of a value for an array that is no recorder."""
        number = self._known.get(id(array))
        if number is not None and same(self.constants[number].array, array):
            return number
        place = self.place(3)
        number = self.value("constant", array)
        copy = array.copy(order="K")
        copy.flags.writeable = False
        self.constants[number] = Constant(copy, array, place.line)
        self._known[id(array)] = number
        return number

    # ---- calls

    def add(
        self,
        form: Form,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        targets: tuple[int, ...] = (),
        writes: tuple[int, ...] = (),
        boxed: bool = False,
        packed: bool = False,
    ) -> None:
        """Write down a call, whose arguments have a `Ref` for each array."""
        now: dict[str, Any] = {**np.geterr()}
        errors = {key: how for key, how in now.items() if how != self.errors[key]}
        place = self.place(3)
        call = Call(
            form, name, tuple(args), dict(kwargs), targets, writes, place, errors, boxed, packed
        )
        self.calls.append(call)

    def refuse_write(self, number: int, what: str) -> None:
        """Raise if a value must not be changed: it belongs to somebody else."""
        kind = self._kinds[self.values[number].home]
        if kind in ("input", "constant"):
            whose = "an argument" if kind == "input" else "an array from outside"
            raise CaptureError(
                f"capture: {what} writes to {whose}, which a program must not change\n"
                f"  at {users_line()}\n  fix: work on a copy, as in y = x.copy(), or make a new "
                "array, as in y = x + 1"
            )

    def place(self, depth: int) -> Place:
        """Return where a call is being made."""
        frame: FrameType | None = sys._getframe(depth)
        user = users_frame(depth)
        phase: Phase = "update" if self._begun_backward else "forward"
        row, code, lasti, number = "", user.f_code, user.f_lasti, self.applied
        while frame is not None and frame is not user:
            if frame.f_code in _ROWS and not row:
                row = frame.f_locals[_ROWS[frame.f_code]].name
            elif frame.f_code is _SWEEP:
                phase = "backward"
                self._begun_backward = True
                node = frame.f_locals.get("node")
                if node is not None and node.op is not None:
                    row, number = node.op.name, node.order
                    if node.code is not None:
                        code, lasti = node.code, node.lasti
                    self.cotangent(node, frame.f_locals.get("g"))
            elif frame.f_code is _BACKWARD:
                phase = "backward"
            frame = frame.f_back
        return Place(phase, row, code, lasti, number)

    def watch(self, node: Node, i: int, cotangent: Any) -> None:
        """Remember what a rule has given for an argument; see `reverse_sweep`."""
        up = node.upstream[i] if node.upstream else None
        if up is not None:
            self.cotangent(up, cotangent)

    def cotangent(self, node: Node, g: Any) -> None:
        """Remember a cotangent of a node."""
        number = getattr(g, "number", None)
        if number is None:
            return
        # The node itself is not kept: the engine counts who holds a leaf.
        row = "" if node.op is None else node.op.name
        swept = self.swept.setdefault(node.order, Swept(node.line, row, []))
        if number not in swept.numbers:
            swept.numbers.append(number)

    def close(self) -> None:
        """Let nothing more be written down, and let the recorders go."""
        self.open = False
        self.alive.clear()

    # ---- values that leave the run

    def leaves(self, what: str) -> None:
        """Raise if a number that depends on the data leaves for the user's own code."""
        frame = sys._getframe(2)
        while frame.f_back is not None and (
            frame.f_code in _CONVERSIONS or frame.f_globals.get("__package__") == __package__
        ):
            frame = frame.f_back
        fix = _INSTEAD.get(what, _INSTEAD[""])
        if inside_package[frame.f_code.co_filename]:
            if what in ("bool", "int"):
                return
            fix = f"leave out what calls {frame.f_code.co_qualname}(); or {fix}"
        raise CaptureError(
            f"capture: {_LEAVING[what]} depends on the data: the next call may want another one\n"
            f"  at {users_line()}\n  fix: {fix}"
        )


_LEAVING = {
    "bool": "a branch, by the truth of an array,",
    "int": "a whole number taken out of an array",
    "number": "a number taken out of an array",
    "text": "a text made of an array, as by print(),",
    "list": "a list made of an array",
    "array": "an array turned into a plain NumPy array",
    "iteration": "a loop over the numbers of a 0-d array",
}
_INSTEAD = {
    "bool": "choose by np.where(condition, a, b), or decide outside of the function",
    "array": "call NumPy's functions on it: np.stack([a, b]) for np.array([a, b]), np.copy(x), "
    "np.take(table, x, axis=0) for table[x]; or let the table be an argument",
    "text": "return the array, and print what the program returns",
    "": "keep it an array, and take the number out of what the program returns",
}


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return a result with a function applied to what is in its dicts, lists and tuples."""
    if isinstance(tree, dict):
        return {key: mapped(function, part) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        parts = [mapped(function, part) for part in tree]
        return parts if isinstance(tree, list) else getattr(type(tree), "_make", tuple)(parts)
    return function(tree)


def same(a: Array, b: Array) -> bool:
    """Return whether two arrays are equal to the bit."""
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if a.dtype.kind == "c" and a.size > _FEW:
        return same(a.real, b.real) and same(a.imag, b.imag)
    if a.dtype.kind in "fiub" and a.size > _FEW and a.dtype.itemsize <= 8:
        bits = np.dtype(f"u{a.dtype.itemsize}")  # so nothing large is copied
        return bool(np.array_equal(a.view(bits), b.view(bits)))
    return a.tobytes() == b.tobytes()


_FEW = 1000
"""Elements that are compared as bytes, which for so few is the fastest way."""
