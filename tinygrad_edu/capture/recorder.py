"""The recorder: stands in for an array, and writes down what is called with it.

Knows: NumPy's two protocols, the methods that arrays have, and the numbers of this run, so that the
run is a real one. Does not know: the engine; and it lets no number out, so that nothing can depend
on the data without being written down. Read ``source.py`` next, which makes a program of the tape.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.capture.tape import Form, Name, Ref, Tape
from tinygrad_edu.errors import CaptureError, users_line

__all__ = ["Recorder", "recorder", "text_of"]

Array = np.ndarray[Any, Any]

LOOKS = {
    np.can_cast, np.common_type, np.diag_indices_from, np.einsum_path, np.iscomplexobj,
    np.isrealobj, np.may_share_memory, np.ndim, np.result_type, np.shape, np.shares_memory,
    np.size, np.tril_indices_from, np.triu_indices_from,
}  # fmt: skip
"""Functions that look at shapes, dtypes and places only."""

WRITERS = {np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask}
"""Functions that write to their first argument."""

SHAPED_BY_NUMBERS = {
    np.argwhere, np.array_split, np.bincount, np.compress, np.delete, np.extract, np.flatnonzero,
    np.histogram, np.histogram_bin_edges, np.histogram2d, np.insert, np.intersect1d, np.nonzero,
    np.polydiv, np.repeat, np.roots, np.setdiff1d, np.setxor1d, np.split, np.trim_zeros,
    np.union1d, np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values,
}  # fmt: skip
"""Functions whose result has a shape that depends on the numbers."""


class Recorder:
    """An array of a run that is being written down.

    Parameters
    ----------
    tape : Tape
        Where to.
    array : ndarray
        The numbers of this run.
    number : int
        Of the value on the tape.
    """

    __slots__ = ("__weakref__", "_array", "_tape", "number")

    def __init__(self, tape: Tape, array: Array, number: int) -> None:
        self._tape, self._array, self.number = tape, array, number

    # ---- what may be known: the same in every call

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        shape: tuple[int, ...] = self._array.shape
        return shape

    @shape.setter
    def shape(self, _shape: Any) -> None:
        raise self._unknown("shape =")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array."""
        dtype: np.dtype[Any] = self._array.dtype
        return dtype

    @dtype.setter
    def dtype(self, _dtype: Any) -> None:
        raise self._unknown("dtype =")

    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    nbytes = property(lambda self: self._array.nbytes)
    itemsize = property(lambda self: self._array.itemsize)
    flags = property(lambda self: self._array.flags)

    @property
    def base(self) -> Any:
        """What this is a view of: a recorder where that has one."""
        base = self._array.base
        return self._tape.alive.get(id(base), base)

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            self._tape.leaves("iteration")
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<recorder of an array of shape {self.shape} {self.dtype}>"

    # ---- what may not: it differs from call to call

    def __bool__(self) -> bool:
        self._tape.leaves("bool")
        return bool(self._guarded(bool(self._array)))

    def __int__(self) -> int:
        self._tape.leaves("int")
        return int(self._guarded(int(self._array)))

    def __index__(self) -> int:
        self._tape.leaves("int")
        return int(self._guarded(operator.index(self._array[()])))

    def _guarded(self, found: Any) -> Any:
        """Return what the engine asked; the program is to look whether it still holds."""
        self._tape.add("guard", type(found).__name__, (Ref(self.number), found), {})
        return found

    def __float__(self) -> float:
        raise self._refused("number")

    __complex__ = __float__

    def item(self, *_args: Any) -> Any:
        """Refuse to give a number away."""
        raise self._refused("number")

    def tolist(self) -> Any:
        """Refuse to give numbers away."""
        raise self._refused("list")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise self._refused("array")

    def __str__(self) -> str:
        raise self._refused("text")

    def __format__(self, _spec: str) -> str:
        raise self._refused("text")

    def _refused(self, what: str) -> CaptureError:
        try:
            self._tape.leaves(what)
        except CaptureError as error:
            return error
        raise AssertionError(what)  # leaves() refuses everything but truths and whole numbers

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"an array has no attribute {name!r}")
        raise self._unknown(name)

    def _unknown(self, name: str) -> CaptureError:
        return CaptureError(
            f"capture: .{name} of an array cannot be written down\n  at {users_line()}\n"
            "  fix: make a new array by a function of NumPy's, as np.sort(x) for x.sort(), "
            "np.reshape()\n       for x.shape = ..., y[i] for y.flat[i]; or do it outside of the "
            "function"
        )

    # ---- NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Write down a ufunc, or a method of one."""
        if any(_is_tensor(each) for each in inputs):
            return NotImplemented
        name = text_of(ufunc)
        function = ufunc
        if method != "__call__":
            name, function = f"{name}.{method}", getattr(ufunc, method)
        out = kwargs.get("out")
        if isinstance(out, tuple) and len(out) == 1:
            kwargs["out"] = out[0]
        written = (inputs[0],) if method == "at" else out or ()
        return perform(self._tape, "call", name, function, inputs, kwargs, written)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Write down a function of NumPy."""
        if any(hasattr(kind, "__record__") for kind in types):
            return NotImplemented
        if func in LOOKS:
            return func(*_arrays(list(args)), **_arrays(dict(kwargs)))
        if func is np.asarray and len(args) == 1 and type(args[0]) is np.ndarray and not kwargs:
            return constant(self._tape, args[0])
        written = _written(func, args, kwargs)
        found = perform(self._tape, "call", text_of(func), func, args, kwargs, written)
        if func in SHAPED_BY_NUMBERS or (func is np.where and len(args) == 1):
            self._shaped(found)
        return found

    def _shaped(self, found: Any) -> None:
        """Let the program look whether a shape that depends on the numbers is still the same."""
        for each in found if isinstance(found, (list, tuple)) else (found,):
            self._tape.add("shape", "shape", (Ref(each.number), each.shape), {})

    # ---- what all kinds of arrays have

    def __getitem__(self, index: Any) -> Any:
        found = perform(self._tape, "item", "[]", operator.getitem, (self, index), {})
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Recorder) and part.dtype == np.bool_ for part in parts):
            self._shaped(found)
        return found

    def __setitem__(self, index: Any, value: Any) -> None:
        if _is_tensor(value):
            raise CaptureError(
                "capture: a Tensor was written into an array, which keeps no gradient\n"
                f"  at {users_line()}\n  fix: assign to a Tensor, or write t.numpy()"
            )
        args = (self, index, value)
        perform(self._tape, "assign", "[]=", operator.setitem, args, {}, (self,))

    def __divmod__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.divmod, "__call__", self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.divmod, "__call__", other, self)

    def fill(self, value: Any) -> None:
        """Write down that all elements become one number."""
        self[...] = value


def recorder(tape: Tape, array: Array, number: int, *, keep: bool = False) -> Recorder:
    """Return a new recorder; one that is kept is found as the base of others."""
    made = Recorder(tape, array, number)
    if keep:
        tape.alive[id(array)] = made
    return made


def constant(tape: Tape, array: Array) -> Recorder:
    """Return a recorder of an array from outside."""
    number = tape.constant(array)
    return Recorder(tape, tape.constants[number].array, number)


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
    """Return the arguments that a function of NumPy writes to."""
    try:
        named: Mapping[str, Any] = inspect.signature(func).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # no signature: a few functions written in C; x.reshape(2, 3)
        named = kwargs
    in_place = named.get("overwrite_input") or (func is np.nan_to_num and not named.get("copy", 1))
    if func in WRITERS or in_place:
        return args[:1]
    out = named.get("out")
    return () if out is None else (out,)


def perform(
    tape: Tape,
    form: Form,
    name: str,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    written: Sequence[Any] = (),
) -> Any:
    """Return what a call returns, in recorders; it is made, and written down.

    Parameters
    ----------
    tape : Tape
        Where to.
    form, name : str
        How it is written.
    function : callable
        What is called.
    args, kwargs
        With recorders among them.
    written : sequence
        Those of them that it writes to.
    """
    if not tape.open:
        raise CaptureError(
            f"capture: a value of a run that is over is used in {name}\n  at {users_line()}\n"
            "  fix: return what you need from the function; keep nothing of it elsewhere"
        )
    _refuse_order(name, [*args, *kwargs.values()])
    given = [each for each in written if each is not None]
    refs, named = _refs(tape, list(args), name), _refs(tape, dict(kwargs), name)
    for each in given:
        if not isinstance(each, Recorder):
            number = tape.constant(each)
            tape.refuse_write(number, name)
        tape.refuse_write(each.number, name)
    found = function(*_arrays(list(args)), **_arrays(dict(kwargs)))
    if given:
        tape.add(form, name, refs, named, (), tuple(each.number for each in given))
        return tuple(written) if len(given) > 1 else given[0]
    if isinstance(found, (list, tuple)):
        parts = [tape.value("result", np.asarray(part)) for part in found]
        tape.add(form, name, refs, named, tuple(parts), packed=True)
        made = [
            recorder(tape, np.asarray(part), number)
            for part, number in zip(found, parts, strict=True)
        ]
        return getattr(type(found), "_make", type(found))(made)
    if isinstance(found, np.ndarray):
        for each in args:
            if isinstance(each, Recorder) and each._array is found:
                return each
    array = np.asarray(found)
    if array.dtype.kind not in "fcbiu":
        raise CaptureError(
            f"capture: {name} returned a {type(found).__name__}, which is no array of numbers\n"
            f"  at {users_line()}\n  fix: call it outside of the function"
        )
    number = tape.value("result", array)
    boxed = not isinstance(found, (np.ndarray, np.generic))
    tape.add(form, name, refs, named, (number,), boxed=boxed)
    return recorder(tape, array, number)


def _refuse_order(name: str, given: Sequence[Any]) -> None:
    """Raise if a call puts elements in another order for arrays that lie otherwise in memory."""
    orders = [each for each in given if isinstance(each, str) and each in ("K", "A")]
    if orders and name.rpartition(".")[2] in ("ravel", "reshape", "flatten"):
        raise CaptureError(
            f"capture: {name} with the order {orders[0]!r} depends on how an array lies in memory\n"
            f"  at {users_line()}\n  fix: order='C' or 'F'"
        )


def text_of(function: Any) -> str:
    """Return how a function of NumPy is written; refuse any other."""
    name = getattr(function, "__name__", "?")
    module = (getattr(function, "__module__", "") or "").removeprefix("numpy").strip(".")
    for path in (module, "", "linalg", "fft"):
        home: Any = np
        for part in path.split(".") if path else ():
            home = getattr(home, part, None)
        if getattr(home, name, None) is function:
            return ".".join(["np", *([path] if path else []), name])
    raise CaptureError(
        f"capture: {name} is no function of NumPy that a program could call by its name\n"
        f"  at {users_line()}\n  fix: call it outside of the function"
    )


def _is_tensor(value: Any) -> bool:
    return hasattr(type(value), "__record__")


def _arrays(value: Any) -> Any:
    """Return the arrays in place of the recorders in a value."""
    if isinstance(value, Recorder):
        return value._array
    if type(value) in (list, tuple):
        return type(value)([_arrays(part) for part in value])
    if isinstance(value, dict):
        return {key: _arrays(part) for key, part in value.items()}
    return value


_PLAIN = (bool, int, float, complex, str, type(None), type(...), np.generic, np.dtype, type)


def _refs(tape: Tape, value: Any, name: str) -> Any:
    """Return a value with a `Ref` in place of each array; refuse what cannot be written down."""
    if isinstance(value, Recorder):
        if value._tape is not tape:
            raise CaptureError(
                f"capture: a value of another run is used in {name}\n  at {users_line()}\n"
                "  fix: return what you need from the function; keep nothing of it elsewhere"
            )
        return Ref(value.number)
    if isinstance(value, np.ndarray):
        return Ref(tape.constant(value))
    if isinstance(value, (list, tuple)):
        return type(value)([_refs(tape, part, name) for part in value])
    if isinstance(value, dict):
        return {
            key: _refs(tape, part, name) for key, part in value.items() if part is not np._NoValue
        }
    if isinstance(value, slice):
        return slice(*[None if n is None else operator.index(n) for n in _ends(value)])
    if isinstance(value, range):
        return list(value)
    if isinstance(value, np.ufunc):
        return Name(text_of(value))
    if not isinstance(value, _PLAIN) and value is not np._NoValue:
        raise CaptureError(
            f"capture: {name} was given a {type(value).__name__}, which a program cannot name\n"
            f"  at {users_line()}\n  fix: call it outside of the function"
        )
    return value


def _ends(value: slice) -> tuple[Any, Any, Any]:
    return value.start, value.stop, value.step


# ------------------------------------------------------------------------------ operators, methods


def _binary(sign: str, function: Any, reflected: bool = False) -> Callable[..., Any]:
    def method(self: Recorder, other: Any) -> Any:
        if _is_tensor(other):
            return NotImplemented
        args = (other, self) if reflected else (self, other)
        return perform(self._tape, "operator", sign, function, args, {})

    return method


def _in_place(sign: str, function: Any) -> Callable[..., Any]:
    def method(self: Recorder, other: Any) -> Any:
        if _is_tensor(other):
            return NotImplemented
        return perform(self._tape, "in place", sign, function, (self, other), {}, (self,))

    return method


def _unary(sign: str, function: Any) -> Callable[..., Any]:
    return lambda self: perform(self._tape, "operator", sign, function, (self,), {})


def _method(name: str) -> Callable[..., Any]:
    def method(self: Recorder, *args: Any, **kwargs: Any) -> Any:
        def called(array: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(array, name)(*args, **kwargs)

        written = _written(getattr(np, name, None), (self, *args), kwargs)
        found = perform(self._tape, "method", name, called, (self, *args), kwargs, written)
        if name in ("nonzero", "compress", "repeat"):
            self._shaped(found)
        return found

    return method


def _attribute(name: str) -> property:
    def called(array: Any) -> Any:
        return getattr(array, name)

    def look(self: Recorder) -> Any:
        return perform(self._tape, "attribute", name, called, (self,), {})

    def assign(self: Recorder, value: Any) -> None:
        look(self)[...] = value

    return property(look, assign if name in ("real", "imag") else None)


for _name, _sign in {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "matmul": "@", "and_": "&", "or_": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
}.items():  # fmt: skip
    _bare = _name.rstrip("_")
    setattr(Recorder, f"__{_bare}__", _binary(_sign, getattr(operator, _name)))
    setattr(Recorder, f"__r{_bare}__", _binary(_sign, getattr(operator, _name), reflected=True))
    setattr(Recorder, f"__i{_bare}__", _in_place(f"{_sign}=", getattr(operator, f"i{_bare}")))
for _name, _sign in {
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}.items():  # fmt: skip
    setattr(Recorder, f"__{_name}__", _binary(_sign, getattr(operator, _name)))
for _name, _sign in {"neg": "-", "pos": "+", "invert": "~"}.items():
    setattr(Recorder, f"__{_name}__", _unary(_sign, getattr(operator, _name)))
Recorder.__abs__ = lambda self: perform(  # type: ignore[attr-defined]  # made beside the others
    self._tape, "call", "abs", abs, (self,), {}
)
for _name in (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "astype", "choose", "clip",
    "compress", "conj", "conjugate", "copy", "cumprod", "cumsum", "diagonal", "dot", "flatten",
    "max", "mean", "min", "nonzero", "prod", "ravel", "repeat", "reshape", "round", "searchsorted",
    "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var", "view",
):  # fmt: skip
    setattr(Recorder, _name, _method(_name))
for _name in ("T", "mT", "real", "imag"):
    setattr(Recorder, _name, _attribute(_name))
