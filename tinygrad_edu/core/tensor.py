"""Tensor: a handle on a value and on the node that made it; recording; ``backward()``.

This file knows how a call becomes a node and how NumPy's protocols lead to the table. It knows no
rule of calculus: operators name rows of the table. To follow ``loss.backward()``, read
`Tensor.backward` below, then `reverse_sweep` in ``core/graph.py``, then the row in ``ops/``.
"""

from __future__ import annotations

import functools
import html
import operator
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Self

import numpy as np

from tinygrad_edu.core.complaints import (
    no_row,
    refuse,
    refuse_anomalous,
    refuse_anomaly,
    refused_result,
    warn_if_wider,
)
from tinygrad_edu.core.graph import SMALL, Leaf, Node, hooks_of, reverse_sweep, shade, tick, turned
from tinygrad_edu.core.op import BY_FUNCTION, NO_PARAMS, OPS, Like, Op, dispatches
from tinygrad_edu.core.switch import (
    ANNOUNCED,
    COMPOSITES,
    ON,
    WATCHED,
    announce,
    enable_grad,
    is_watched,
    recording,
    sweep_watch,
)
from tinygrad_edu.errors import (
    GradientError,
    GradientTypeError,
    MutationError,
    OpError,
    OpTypeError,
    UnsupportedError,
    demand_callable,
    describe_line,
    explain,
    inside_package,
    users_frame,
    users_line,
)

__all__ = [
    "MAKES",
    "HookHandle",
    "Parameter",
    "Tensor",
    "constant",
    "fresh",
    "handle",
    "owned",
    "record",
]

_ndarray, _generic = np.ndarray, np.generic
_USUAL = np.dtype(np.float64), np.dtype(np.float32)

# ------------------------------------------------------------------------------ recording

_new = object.__new__


def record(op: Op, args: Sequence[Any], params: Mapping[str, Any]) -> Tensor:
    """Return the result of a row as a Tensor, with its node if an argument wants a gradient.

    Parameters
    ----------
    op : Op
        The row.
    args : sequence
        Array arguments: Tensors, arrays, numbers.
    params : mapping
        The keyword parameters, complete.

    Raises
    ------
    OpError, OpTypeError
        NumPy refused the arguments; the error shows op, shapes, line and fix.
    """
    mode = recording.get()
    if mode & ANNOUNCED:
        announce(*[arg for arg in args if isinstance(arg, Tensor)])
    if mode & COMPOSITES and op.composite is not None:
        composed: Tensor = op.composite(*args, **params)
        return composed
    arrays: list[Any] = []
    upstream: list[Node | None] = []
    wanted = foreign = False
    fused = op.kind == "fused"
    for arg in args:
        if isinstance(arg, Tensor):
            if arg.__record__ is not record:
                batched: Tensor = arg.__record__(op, args, params)
                return batched
            node = arg._node
            if node is None:
                arrays.append(arg._data)
            else:
                wanted = True
                arrays.append(arg._data if node.op is not None else arg._recordable())
            upstream.append(node)
        else:
            if arg.__class__ is _ndarray:
                foreign = True
                arrays.append(arg)
            elif arg.__class__ in _FIXED and not (fused and arg is not None):
                arrays.append(arg)
            else:
                arrays.append(_plain(op, arg))
            upstream.append(None)
    if mode & ANNOUNCED:
        arrays = _of_one_kind(arrays)
    records = wanted and mode & ON and op.differentiable
    if records and fused and foreign:  # what it saves may be the caller's own arrays
        arrays = [
            a.copy() if a is arg and isinstance(a, _ndarray) else a
            for a, arg in zip(arrays, args, strict=True)
        ]
    for name, value in params.items():
        if value.__class__ in _FIXED or (
            value.__class__ is tuple and _FIXED.issuperset(map(type, value))
        ):
            continue
        # What the caller may write to, as above.
        params = {**params, name: _own(value) if name == "index" else _kept(value)}
    try:
        result = op.forward(*arrays, **params)
    except (ValueError, TypeError, IndexError) as error:
        refuse(op, arrays, error)
    saved = None
    if fused:
        result, saved = result
    dtype = getattr(result, "dtype", None)
    if dtype is None or dtype.kind not in "fcbiu":
        raise refused_result(op, arrays, result)
    if mode & WATCHED:
        refuse_anomalous(op, arrays, result)
    # The flag of a fresh array tells at once that nobody shares its memory.
    shares = result.__class__ is _ndarray and (
        not result.flags.owndata or any([result is array for array in arrays])  # noqa: C419 - half the time of a generator
    )
    kind = dtype.kind
    if kind == "c" and records and not op.accepts_complex:
        in_smaller_ops = _on_complex(op, args, params, arrays)
        if in_smaller_ops is not None:
            return in_smaller_ops
    if not (records and kind in "fc"):
        if isinstance(result, _generic):
            result = np.asarray(result)
        elif wanted and shares:
            result = result.copy()  # a view of a leaf would change with it, and nobody would know
            shares = False
        tensor = constant(result)
        if shares:
            _relate(tensor, *args)
        return tensor
    # The composite of a fused row, recorded for higher orders, reads all arguments.
    reads = (True,) * len(arrays) if fused else op.reads_of(len(arrays))
    told = False
    for i, up in enumerate(upstream):
        if up is not None:
            like = up.result
            if not reads[i]:
                arrays[i] = like
            if like.dtype is not dtype:
                if like.dtype.kind == "c" and not op.accepts_complex and kind != "c":
                    return _on_complex(op, args, params, arrays)  # type: ignore[return-value]  # this one is complex
                if up.op is None and not told:
                    told = warn_if_wider(op, arrays, upstream, up, dtype)
        elif not reads[i]:
            arrays[i] = shade(arrays[i])
        elif foreign and arrays[i] is args[i] and isinstance(arrays[i], _ndarray):
            arrays[i] = arrays[i].copy()  # the caller's own array, which the caller may write to
    tensor = _attach(op, result, tuple(upstream), tuple(arrays), params)
    tensor._node.saved = saved  # type: ignore[union-attr]  # _attach() has just made the node
    if shares:
        _relate(tensor, *args)
    return tensor


_related: dict[int, weakref.ref[Tensor]] = {}
"""The living tensors that share memory with others: views, and what they are views of, by id."""


def _relate(*args: Any) -> None:
    """Remember tensors that share memory, so that an assignment to one can be refused."""
    for tensor in args:
        if isinstance(tensor, Tensor) and id(tensor) not in _related:
            _related[id(tensor)] = weakref.ref(tensor, functools.partial(_forget, id(tensor)))


def _forget(key: int, _dead: Any) -> None:
    _related.pop(key, None)


def _on_complex(
    op: Op, args: Sequence[Any], params: Mapping[str, Any], arrays: Sequence[Any]
) -> Tensor | None:
    """Return a fused row of complex arguments in its smaller ops; refuse any other row.

    ``None`` if no argument is complex, and only the result is.
    """
    if op.composite is None:
        op.refuse_complex(arrays)
        return None
    composed: Tensor = op.composite(*args, **params)
    return composed


_FIXED = {int, float, bool, complex, str, type(None), type(...), np.float64, np.float32, np.intp}
"""Types of arguments, and of parameters, that nobody can change after the call."""


def _plain(op: Op, arg: Any) -> Any:
    """Return an argument that is neither Tensor nor plain array as an array of the graph's own.

    Whatever NumPy reads as an array is one: a list, a buffer, an object with ``__array__``; a
    subclass of ndarray, too, whose operators mean something else.
    """
    if dispatches(arg):
        return arg  # it takes part in NumPy's protocols itself
    if isinstance(arg, np.ma.MaskedArray):
        raise OpTypeError(
            explain(
                op.name,
                "an operand is a masked array, whose mask would be lost",
                fix="fill it, as in a.filled(0), or give its mask to where()",
            )
        )
    try:
        array = np.asarray(arg)
    except ValueError as error:
        raise OpError(
            explain(
                op.name,
                str(error),
                arguments=(("argument", arg),),
                fix="give numbers of one shape; rows of several lengths are padded first",
            )
        ) from error
    if array.dtype.kind not in "fcbiu":
        return arg
    return array if isinstance(arg, (list, tuple, int, float)) else array.copy()


def _of_one_kind(arrays: list[Any]) -> list[Any]:
    """Return arrays in which NumPy's own stand beside one of another kind as arrays of that."""
    other = next((array for array in arrays if dispatches(array)), None)
    if other is None:
        return arrays
    return [np.asarray(a, like=other) if a.__class__ is _ndarray else a for a in arrays]


def _as_array(value: Any) -> Any:
    """Return a value as an array; one of another kind than NumPy's stays what it is."""
    return value if dispatches(value) else np.asarray(value)


def _own(value: Any) -> Any:
    """Return an index in which no array is the caller's, to write to, and none a Tensor."""
    if isinstance(value, tuple):
        return tuple(_own(part) for part in value)
    if isinstance(value, Tensor):
        return value._data.copy()
    if value.__class__ is slice:
        ends = (value.start, value.stop, value.step)
        return value if _FIXED.issuperset(map(type, ends)) else slice(*map(_whole, ends))
    if isinstance(value, _ndarray):
        return value.copy()
    array_like = hasattr(value, "__array__") and not hasattr(type(value), "__array_function__")
    if isinstance(value, (str, _generic)) or not (isinstance(value, Sequence) or array_like):
        return value
    array = np.asarray(value).copy()
    return array if array.size else array.astype(np.intp)


def _whole(value: Any) -> int | None:
    """Return the end of a slice as a number: a 0-d array may be counted up later."""
    return None if value is None else operator.index(value)


def _kept(value: Any) -> Any:
    """Return a parameter in which no array, list or buffer is the caller's, to write to."""
    if isinstance(value, _ndarray):
        return value.copy()
    if value.__class__ in (list, tuple):
        return value.__class__([_kept(part) for part in value])
    if isinstance(value, dict):
        return {key: _kept(part) for key, part in value.items()}
    readable = isinstance(value, Sequence) and not isinstance(value, (str, range))
    return np.asarray(value).copy() if readable else value


def _attach(
    op: Op,
    result: Any,
    upstream: tuple[Node | None, ...],
    primals: tuple[Any, ...],
    params: Mapping[str, Any],
) -> Tensor:
    """Return a Tensor on a result, with the node that says how it was made."""
    if result.__class__ is not _ndarray:
        if isinstance(result, _generic):
            result = np.asarray(result)  # 0-d results stay arrays
        elif not hasattr(result, "dtype"):
            raise refused_result(op, primals, result)
    frame = sys._getframe(2)
    if inside_package[frame.f_code.co_filename]:
        frame = users_frame(3)
    node = Node()
    node.op = op
    node.upstream = upstream
    node.primals = primals
    node.params = params
    node.result = result if op.reads_result or result.size <= SMALL else Like(result)
    node.order = tick()
    node.code = frame.f_code
    node.lasti = frame.f_lasti
    tensor: Tensor = _new(Tensor)
    tensor._data = result
    tensor._node = node
    return tensor


def _operator(name: str, reflected: bool = False) -> Callable[[Tensor, Any], Tensor]:
    """Return the method of a binary operator: a name of a row of the table.

    Between two computed tensors, or a tensor and a number, it does what `record` does by the
    shortest way: on small arrays the bookkeeping would otherwise cost more than the arithmetic.
    """

    def method(self: Tensor, other: Any) -> Tensor:
        op = OPS[name]
        # The arrays of leaves are left alone: record() counts who else holds them.
        u, v = self._node, None
        tensors = other.__class__ is Tensor
        if tensors:
            v = other._node
        elif other.__class__ is not float and other.__class__ is not int:
            return record(op, (self, other), NO_PARAMS)
        if (u is not None and u.op is None) or (v is not None and v.op is None):
            return record(op, (self, other), NO_PARAMS)
        if recording.get() != ON or (u is None and v is None) or not op.differentiable:
            return record(op, (self, other), NO_PARAMS)
        left, right = self._data, other._data if tensors else other
        try:
            result = op.forward(left, right)
        except (ValueError, TypeError) as error:
            refuse(op, (left, right), error)
        reads_left, reads_right = op.reads
        if not reads_left:
            left = shade(left) if u is None else u.result
        if not reads_right:
            right = shade(right) if v is None else v.result
        return _attach(op, result, (u, v), (left, right), NO_PARAMS)

    if reflected:
        return lambda self, other: record(OPS[name], (other, self), NO_PARAMS)
    return method


def _unary(name: str) -> Callable[[Tensor], Tensor]:
    """Return the method of a unary row without parameters; short for the same reason."""
    return lambda self: _record_one(OPS[name], self)


def _record_one(op: Op, arg: Tensor) -> Tensor:
    """Return what `record` does for one computed tensor and no parameters."""
    up = arg._node
    if up is None or up.op is None or recording.get() != ON or not op.differentiable:
        return record(op, (arg,), NO_PARAMS)
    value = arg._data
    if not op.accepts_complex and value.dtype not in _USUAL and value.dtype.kind == "c":
        return record(op, (arg,), NO_PARAMS)
    try:
        result = op.forward(value)
    except (ValueError, TypeError) as error:
        refuse(op, (value,), error)
    return _attach(op, result, (up,), (value if op.reads[0] else up.result,), NO_PARAMS)


def _in_place(name: str) -> Callable[..., Any]:
    """Return the method of ``t += u``: the tensor becomes the result."""

    def method(self: Tensor, other: Any) -> Tensor:
        temporary = sys.getrefcount(self) <= _TEMPORARY
        return self._become(record(OPS[name], (self, other), NO_PARAMS), name, temporary=temporary)

    return method


def _method(name: str) -> Callable[..., Any]:
    """Return the method that calls a function of the table with the tensor as first argument."""
    return lambda self, *args, **kwargs: OPS[name](self, *args, **kwargs)


def _spread(name: str) -> Callable[..., Any]:
    """Return the method that takes a shape, or axes, as one tuple or spread over arguments."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if len(args) > 1 or (args and isinstance(args[0], (int, np.integer))):
            args = (args,)
        return OPS[name](self, *args, **kwargs)  # type: ignore[no-any-return]

    return method


# ------------------------------------------------------------------------------ the handle


class Tensor:
    """A value, with the node that made it if a gradient can flow through it.

    Tensors are values: no op changes one. A Tensor made from an array copies it, and `numpy` gives
    a read-only view.

    Parameters
    ----------
    data : array_like
        The value; keeps the dtype that NumPy gives it.
    requires_grad : bool
        Whether ``backward()`` is to compute a gradient for it. Only for floating dtypes.
    dtype : dtype, optional
        The dtype to convert to.
    name : str, optional
        For messages and diagrams; of leaves only.

    Raises
    ------
    GradientTypeError
        `requires_grad` is true and the dtype is not floating.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4.])
    """

    __slots__ = ("__weakref__", "_data", "_frozen", "_node")

    _data: Any
    _node: Node | None
    _frozen: Leaf

    def __init__(
        self, data: Any, requires_grad: bool = False, *, dtype: Any = None, name: str = ""
    ) -> None:
        if isinstance(data, Tensor):
            if data._node is not None and not requires_grad:
                raise GradientTypeError(
                    "Tensor: a tensor that requires a gradient was given, which would be lost\n"
                    f"  at {users_line()}\n"
                    "  fix: use the tensor itself, t.copy() for a copy through which the gradient "
                    "flows, or\n       t.detach() to stop it on purpose"
                )
            data = data._data
        other = dispatches(data)
        try:
            if other:
                array = data.copy() if dtype is None else data.astype(dtype)
            else:
                array = np.array(data, dtype=dtype)
        except (ValueError, TypeError) as error:
            raise (OpError if isinstance(error, ValueError) else OpTypeError)(
                f"Tensor: {error}\n  at {users_line()}\n"
                "  fix: give numbers of one shape; rows of several lengths are padded first"
            ) from error
        if (
            hasattr(type(data), "__array__")
            and not other
            and not isinstance(data, (_ndarray, _generic))
        ):
            array = array.copy()  # its __array__ may have given away what it owns
        if array.dtype.kind not in "fcbiu" or isinstance(data, np.ma.MaskedArray):
            what = "a masked array" if array.dtype.kind in "fcbiu" else f"dtype {array.dtype}"
            raise OpTypeError(
                f"Tensor: cannot hold {what}\n  at {users_line()}\n"
                "  fix: give numbers of one shape; ragged lists, objects and masks have no gradient"
            )
        self._data, self._node = array, None
        if requires_grad:
            self._become_leaf(name)
        elif name:
            raise OpTypeError(
                f"Tensor: a constant has no name, {name!r} was given\n  at {users_line()}\n"
                "  fix: pass requires_grad=True too, or leave name= out"
            )

    # ---- what it is

    shape = property(lambda self: self._data.shape, doc="Shape, a tuple of ints.")
    dtype = property(lambda self: self._data.dtype, doc="dtype of the value.")
    ndim = property(lambda self: self._data.ndim, doc="Number of axes.")
    size = property(lambda self: self._data.size, doc="Number of elements.")

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient can flow through this tensor."""
        return self._node is not None

    @property
    def is_leaf(self) -> bool:
        """Whether no op made this tensor: a parameter, an input or a constant."""
        return self._node is None or self._node.op is None

    @property
    def node(self) -> Node | None:
        """The node that made the tensor; ``None`` for a constant."""
        return self._node

    @property
    def name(self) -> str:
        """Name of a leaf, for messages and diagrams; empty if it has none."""
        return self._node.name if isinstance(self._node, Leaf) else ""

    @name.setter
    def name(self, name: str) -> None:
        self._leaf("name").name = name

    def requires_grad_(self, requires_grad: bool = True, *, name: str = "") -> Self:
        """Return the tensor itself, made into a leaf that wants a gradient, or into a constant.

        Raises
        ------
        GradientTypeError
            The dtype is not floating.
        GradientError
            A computed tensor is to become a constant.
        """
        if not requires_grad:
            if self._node is not None:
                self._frozen = leaf = self._leaf("requires_grad")
                if leaf.exposed:  # nobody may write to a constant
                    self._data = self._data.copy()
            self._node = None
        elif self._node is None:
            # Older graphs may keep the array, and a leaf is written to.
            self._data = self._data.copy()
            self._become_leaf(name)
        return self

    def _become_leaf(self, name: str) -> None:
        if self._data.dtype.kind not in "fc":
            raise GradientTypeError(
                f"only floating tensors can require a gradient, this one is {self._data.dtype}\n"
                f"  at {users_line()}\n"
                "  fix: convert first: Tensor(data, dtype=np.float64, requires_grad=True)"
            )
        leaf = getattr(self, "_frozen", None)
        if leaf is None:
            self._node = Leaf(self._data, name)
            return
        # A graph that was recorded before the leaf was frozen will bring its gradient there.
        leaf.result, leaf.exposed, leaf.name = self._data, False, name or leaf.name
        leaf.grad, self._node = None, leaf

    def _leaf(self, wanted: str) -> Leaf:
        if not isinstance(self._node, Leaf):
            raise GradientError(
                f"only a leaf that requires a gradient has a {wanted} to set\n"
                "  fix: make it with Tensor(data, requires_grad=True) or Parameter(data)"
            )
        return self._node

    # ---- its value

    @property
    def data(self) -> np.ndarray[Any, Any]:
        """The value as an array: writable for a leaf that no live graph uses, else read-only.

        Assigning writes the new value into the leaf's own memory. NumPy says "output array is
        read-only" of ``p.data -= u`` while a graph still needs the old value: call ``backward()``
        first, or drop the name of the loss; ``p.data = p.data - u`` is always possible.
        """
        if recording.get() & ANNOUNCED:
            announce(self)
        leaf = self._node
        # A leaf's node is held by its tensors and, once per use, by the nodes of live graphs.
        if isinstance(leaf, Leaf) and sys.getrefcount(leaf) <= _IDLE_LEAF:
            leaf.exposed = True
            leaf.mark_written()
            array: np.ndarray[Any, Any] = self._data
            return array
        return self.numpy()

    @data.setter
    def data(self, value: Any) -> None:
        if recording.get() & ANNOUNCED:
            announce(self)
        array = value._data if isinstance(value, Tensor) else _as_array(value)
        if array.shape != self._data.shape:
            raise OpError(
                f"data: a tensor of shape {self._data.shape} was given data of shape "
                f"{array.shape}\n  fix: assign data of the same shape, or make a new tensor"
            )
        leaf = self._node
        if leaf is None:
            self._data = np.array(array, dtype=self._data.dtype)
        elif isinstance(leaf, Leaf):
            leaf.mark_written()
            if array is not self._data:
                np.copyto(self._data, array, casting="same_kind")
        else:
            raise MutationError(
                f"data: this tensor was computed at {leaf.line}; it is a value and cannot be set\n"
                "  fix: compute a new tensor, or use detach() and start from its copy"
            )

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the value as a read-only view."""
        view: np.ndarray[Any, Any] = self._data.view()
        view.flags.writeable = False
        return view

    def _recordable(self) -> Any:
        """Return the array of a leaf, or a private copy while somebody could write to it."""
        leaf: Any = self._node
        # A private copy, lifted for a derivative of higher order, is out of everybody's reach.
        if leaf.exposed and self._data is leaf.result:
            if sys.getrefcount(self._data) > _IDLE_ARRAY:
                return self._data.copy()
            leaf.exposed = False
        return self._data

    def item(self) -> Any:
        """Return the one element as a Python number.

        Raises
        ------
        OpError
            There are more of them, or none.
        """
        if self.size != 1:
            raise OpError(
                f"a tensor of shape {self.shape} is not one number\n  at {users_line()}\n"
                "  fix: reduce it first, as in t.sum().item(); t.tolist() gives all its numbers"
            )
        return self._data.item()

    def tolist(self) -> Any:
        """Return the value as nested lists of Python numbers."""
        return self._data.tolist()

    def detach(self) -> Tensor:
        """Return the value as a constant: no gradient flows through it."""
        return Tensor(self._data)

    # ---- its gradient

    @property
    def grad(self) -> Any:
        """The gradient that ``backward()`` has added up, an array of the tensor's shape and dtype.

        ``None`` where none was computed, and for computed tensors without `retain_grad`.
        """
        if isinstance(self._node, Leaf):
            return self._node.grad
        hooks = getattr(self._node, "hooks", None)
        return None if hooks is None else hooks.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        leaf = self._leaf("grad")
        if value is not None and value is not leaf.grad:
            value = value._data if isinstance(value, Tensor) else _as_array(value)
            if value.shape != self._data.shape:
                raise GradientError(
                    f"grad: a tensor of shape {self.shape} was given a gradient of shape "
                    f"{value.shape}\n  fix: assign a gradient of the same shape, or None"
                )
            value = deposit(leaf, value)
        leaf.grad = value

    def retain_grad(self) -> Self:
        """Return the tensor itself; ``backward()`` will keep its gradient, as it does of leaves.

        Raises
        ------
        GradientError
            The tensor is a constant.
        """
        hooks_of(self.rooted("retain_grad()")).retains = True
        return self

    def register_hook(self, function: Callable[[Any], Any]) -> HookHandle:
        """Call a function with the gradient of this tensor in every sweep; return its handle.

        Parameters
        ----------
        function : callable
            Takes the complete gradient, of the tensor's shape: a read-only array, or a Tensor
            while the sweep is recorded for a derivative of higher order. What it returns takes the
            gradient's place, here and for everything upstream; ``None`` leaves it as it is.

        Returns
        -------
        HookHandle
            Its ``remove()`` takes the hook off again.

        Raises
        ------
        GradientError
            The tensor is a constant; or, in a sweep, the function returned another shape.

        Examples
        --------
        >>> x = Tensor([3.0, -4.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: np.clip(g, -1, 1))
        >>> (x * x).sum().backward()
        >>> x.grad
        array([ 1., -1.])
        """
        demand_callable(function, "register_hook")
        node = self.rooted("register_hook()")
        frame = users_frame(2)

        def hook(g: Any) -> Any:
            seen = g
            if isinstance(g, _ndarray):
                seen = g.view()
                seen.flags.writeable = False
            found = function(seen)
            if found is None:
                return g
            if not isinstance(g, Tensor):
                found = np.asarray(found._data if isinstance(found, Tensor) else found)
            if found.shape != g.shape:
                raise GradientError(
                    f"a hook returned a gradient of shape {found.shape} for a tensor of shape "
                    f"{g.shape}\n  at {describe_line(frame.f_code, frame.f_lasti)}\n"
                    "  fix: return one of the same shape, or None"
                )
            return found if found.dtype == g.dtype else found.astype(g.dtype)

        return HookHandle(hooks_of(node).functions, hook)

    def backward(self, seed: Any = None, *, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor with respect to every leaf into the leaf's ``grad``.

        Parameters
        ----------
        seed : array_like, same shape, optional
            The cotangent to start from; 1 for a scalar.
        retain_graph : bool
            Whether to keep the graph for another ``backward()``; by default it is freed.

        Raises
        ------
        GradientError
            The tensor does not depend on a leaf, or is not a scalar and no seed is given.
        FreedGraphError
            Part of the graph was freed by an earlier ``backward()``.
        MutationError
            An array of the graph was changed since it was recorded.

        Examples
        --------
        >>> w = Tensor(3.0, requires_grad=True)
        >>> (w * w).backward()
        >>> w.grad
        array(6.)
        """
        node = self.rooted("backward()")
        seed = turned(self.seed(seed, "backward(seed)"))
        frame = users_frame(1)
        line = None if retain_graph else (frame.f_code, frame.f_lasti)
        watch = refuse_anomaly if is_watched() else sweep_watch()
        for leaf, gradient in reverse_sweep({node: seed}, freed_by=line, watch=watch).items():
            accumulate(leaf, gradient)

    def rooted(self, what: str) -> Node:
        """Return the node to sweep from; refuse for a constant, naming the call `what`."""
        if self._node is None:
            raise GradientError(
                f"{what}: this tensor does not depend on any tensor that requires a gradient\n"
                f"  at {users_line()}\n"
                "  fix: make the inputs with requires_grad=True, and compute outside no_grad()"
            )
        return self._node

    def seed(self, seed: Any, what: str, *, as_tensor: bool = False) -> Any:
        """Return a cotangent, or a tangent, of this tensor's shape and dtype.

        Parameters
        ----------
        seed : array_like or None
            What the caller gave; ``None`` stands for 1 where the tensor is a scalar.
        what : str
            Name of the call, for the error.
        as_tensor : bool
            Whether to return a Tensor, so that a gradient may flow to the seed.
        """
        if seed is None:
            if self._data.size != 1:
                raise GradientError(
                    f"{what}: a gradient starts from a scalar, this tensor has shape {self.shape}\n"
                    f"  at {users_line()}\n"
                    "  fix: reduce it, as in loss.sum() or loss.mean(), or pass a seed of its shape"
                )
            if self._data.dtype.kind == "c":
                raise GradientError(
                    f"{what}: a gradient starts from a real scalar, this tensor is complex\n"
                    f"  at {users_line()}\n"
                    "  fix: make the loss real, as in abs(loss) or loss.real, or pass a seed"
                )
            one = np.ones_like(self._data)
            return constant(one) if as_tensor else one
        tensor = seed if isinstance(seed, Tensor) else Tensor(seed)
        if tensor.shape != self.shape:
            raise GradientError(
                f"{what}: a value of shape {tensor.shape} was given for a tensor of shape "
                f"{self.shape}\n  at {users_line()}\n  fix: give one of the tensor's shape"
            )
        if tensor.dtype.kind == "c" and self.dtype.kind != "c":
            raise GradientError(
                f"{what}: a complex value was given for a tensor of dtype {self.dtype}\n"
                f"  at {users_line()}\n  fix: give its real part; a real number moves along the "
                "real axis only"
            )
        if tensor.dtype != self.dtype:
            tensor = OPS["astype"](tensor, dtype=self.dtype)
        if as_tensor:
            return tensor
        return _of_one_kind([self._data, tensor._data])[1]

    # ---- NumPy's protocols

    __record__ = staticmethod(record)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Record a NumPy ufunc, or its ``reduce``, called with a Tensor."""
        if method == "__call__" and len(inputs) == 1 and not kwargs:
            row = BY_FUNCTION.get(ufunc)
            if row is not None and row.kind == "elementwise":
                return _record_one(row, self)
        if any(out is a for out in kwargs.get("out", ()) for a in inputs):
            raise UnsupportedError(
                explain(
                    ufunc.__name__,
                    "the result cannot be written into a plain array, which keeps no gradient",
                    fix="write a = a + t instead of a += t",
                )
            )
        if method in ("reduce", "accumulate"):
            kwargs.setdefault("axis", 0)  # both take the first axis by default
        function = BY_FUNCTION.get(ufunc if method == "__call__" else (ufunc, method))
        if function is None:
            name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            raise no_row(name)
        return function(*inputs, **kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Record a NumPy function called with a Tensor."""
        if func is np.where and len(args) == 1 and not kwargs:
            func = np.nonzero  # where() of a condition alone is another function
        function = BY_FUNCTION.get(func)
        if function is not None:
            return function(*args, **kwargs)
        if func in _LOOKS:
            weights = kwargs.get("weights")
            if isinstance(weights, Tensor) and weights.requires_grad:
                raise GradientTypeError(
                    f"{func.__name__}: it gives plain arrays, the gradient of the weights would be "
                    f"lost\n  at {users_line()}\n"
                    "  fix: np.bincount(np.digitize(x, edges), weights) keeps it; or give "
                    "weights.detach()"
                )
            return func(*_values(args), **_values(kwargs))
        if func in MAKES:
            made = func(*_values(args), **_values(kwargs))
            return constant(np.asarray(made, like=self._data))
        raise no_row(f"{func.__module__}.{func.__name__}".removeprefix("numpy."))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return the value of a constant as an array; refuse for a tensor with a gradient."""
        if self._node is not None:
            raise GradientTypeError(
                "a tensor that requires a gradient was turned into a NumPy array, which would lose "
                f"the gradient\n  at {users_line()}\n"
                "  fix: use t.numpy() for a read-only view, or t.detach() to stop the gradient on "
                "purpose"
            )
        if copy is False:
            return self.numpy() if dtype is None else self.numpy().astype(dtype, copy=False)
        return np.array(self._data, dtype=dtype)

    # ---- operators: names of rows

    __add__, __radd__ = _operator("add"), _operator("add", True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", True)
    __floordiv__, __rfloordiv__ = _operator("floor_divide"), _operator("floor_divide", True)
    __mod__, __rmod__ = _operator("remainder"), _operator("remainder", True)
    __pow__, __rpow__ = _operator("power"), _operator("power", True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", True)
    __neg__, __pos__, __abs__ = _unary("negative"), _unary("positive"), _unary("absolute")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")  # type: ignore[assignment]  # masks, as in NumPy
    __and__, __rand__ = _operator("bitwise_and"), _operator("bitwise_and", True)
    __or__, __ror__ = _operator("bitwise_or"), _operator("bitwise_or", True)
    __xor__, __rxor__ = _operator("bitwise_xor"), _operator("bitwise_xor", True)
    __invert__ = _unary("invert")
    __iadd__, __isub__ = _in_place("add"), _in_place("subtract")
    __imul__, __itruediv__ = _in_place("multiply"), _in_place("divide")
    __ipow__, __imatmul__ = _in_place("power"), _in_place("matmul")
    __ifloordiv__, __imod__ = _in_place("floor_divide"), _in_place("remainder")

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, (Tensor, tuple)):
            for part in (index,) if isinstance(index, Tensor) else index:
                if isinstance(part, Tensor) and part.__record__ is not record:
                    return part.picks(self, index)  # type: ignore[attr-defined, no-any-return]  # it is Batched
        return record(OPS["getitem"], (self,), {"index": index})

    def __setitem__(self, index: Any, value: Any) -> None:
        self._become(record(OPS["setitem"], (self, value), {"index": index}), "assignment", index)

    def _become(self, new: Tensor, what: str, index: Any = ..., *, temporary: bool = False) -> Self:
        """Take the value and the node of a new tensor: what ``t[i] = v`` and ``t += u`` mean.

        All names of this object see the change, as with an array. The nodes that were made of the
        old value keep it, so their gradients stay right. A `temporary` object has no name: what it
        is a view of is assigned next.
        """
        if new.__record__ is not record:
            raise OpTypeError(
                f"{what}: a tensor that all examples of a vmap share cannot take what differs from "
                f"example to example\n  at {users_line()}\n"
                "  fix: make a new tensor, as in y = x + u"
            )
        if isinstance(self._node, Leaf):
            raise OpTypeError(
                f"{what}: a leaf that requires a gradient cannot be changed in place, its gradient "
                f"would have no owner\n  at {users_line()}\n"
                "  fix: make a new tensor, as in y = x + u or y = setitem(x, index, value); to set "
                "the\n       value of a leaf outside the graph: x.data[index] = value"
            )
        if new.shape != self.shape:
            raise OpError(
                f"{what}: a tensor of shape {self.shape} cannot become one of shape {new.shape}\n"
                f"  at {users_line()}\n  fix: make a new tensor, as in y = x + u"
            )
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind"):
                raise OpTypeError(
                    f"{what}: a tensor of dtype {self.dtype} cannot hold {new.dtype} values\n"
                    f"  at {users_line()}\n  fix: convert it first: x = x.astype(np.{new.dtype})"
                )
            new = OPS["astype"](new, dtype=self.dtype)
        if not temporary:
            self._refuse_shared(what, index)
        hooks = getattr(self._node, "hooks", None)
        if hooks is not None and hooks.retains and new._node is not None:
            hooks_of(new._node).retains = True  # the name is asked for its gradient, not the value
        self._data, self._node = new._data, new._node
        return self

    def _refuse_shared(self, what: str, index: Any) -> None:
        """Raise if another living tensor is a view of what is written, or this is a view of it."""
        if id(self) not in _related:
            return
        where = index if isinstance(index, tuple) else (index,)
        written = self._data
        if all(isinstance(part, (int, slice)) for part in where):  # only so is it one view
            written = self._data[(*where, ...)]
        # A tensor may die, here or in another thread, while the table of them is walked.
        for other in [reference() for reference in list(_related.values())]:
            if other is None or other is self or not np.may_share_memory(other._data, written):
                continue
            made = other._node if other._data.size < self._data.size else self._node
            line = f", made at {made.line}" if made is not None and made.op is not None else ""
            raise OpTypeError(
                f"{what}: a view and the tensor it was taken from are both in use{line}; in NumPy "
                f"both would change, here one cannot\n  at {users_line()}\n"
                "  fix: assign to the whole tensor (x[1, 0] = v, not v = x[1]; v[0] = ...), and "
                "take\n       a copy of what is to stay as it is: y = x[1].copy()"
            )

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise OpTypeError(
                f"the truth of a tensor of shape {self.shape} is ambiguous\n  at {users_line()}\n"
                "  fix: reduce the mask, as in mask.numpy().all() or .any()"
            )
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.ndim or self.dtype.kind not in "iu":
            raise OpTypeError(
                f"a tensor of shape {self.shape} {self.dtype} is no index: that is one whole number"
                f"\n  at {users_line()}\n  fix: int(t), or t.argmax().item()"
            )
        return self._data.__index__()  # type: ignore[no-any-return]

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec else str(self), spec)

    def __repr__(self) -> str:
        body = np.array2string(self._data, separator=", ", prefix=f"{type(self).__name__}(")
        dtype = "" if self.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self.dtype}"
        name = f", name={self.name!r}" if self.name else ""
        made = ""
        if self._node is not None:
            made = f", op={self._node.op.name}" if self._node.op else ", requires_grad=True"
        return f"{type(self).__name__}({body}{dtype}{made}{name})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: value, shape, dtype and gradient, in a small table."""
        if self._node is None:
            grad = _grey("none: a constant")
        elif self.grad is not None:
            grad = _shown(self.grad)
        else:
            grad = _grey("not computed" if self.is_leaf else "not kept")
        rows = {
            "value": _shown(self._data),
            "shape": f"{self.shape}",
            "dtype": f"{self.dtype}",
            "grad": grad,
        }
        head = f"<caption>{html.escape(self.name)}</caption>" if self.name else ""
        cells = (f"<tr><th>{name}</th><td>{cell}</td></tr>" for name, cell in rows.items())
        return f"<table>{head}{''.join(cells)}</table>"

    def graph(self, **options: Any) -> Any:
        """Return the diagram of the graph that the tensor was computed by.

        Parameters
        ----------
        **options
            Those of ``tinygrad_edu.draw.draw``, such as ``level="op"``.
        """
        # Diagrams are floors above, and import this one.
        return import_module("tinygrad_edu.draw").draw(self, **options)

    # ---- methods: functions of the table with the tensor as first argument

    sum, mean, prod = _method("sum"), _method("mean"), _method("prod")
    max, min = _method("max"), _method("min")
    var, std = _method("var"), _method("std")
    ptp, all, any = _method("ptp"), _method("all"), _method("any")
    argmax, argmin = _method("argmax"), _method("argmin")
    cumsum, cumprod, cummax = _method("cumsum"), _method("cumprod"), _method("cummax")
    cummin, logcumsumexp = _method("cummin"), _method("logcumsumexp")
    sort, argsort, topk = _method("sort"), _method("argsort"), _method("topk")
    partition, kthvalue = _method("partition"), _method("kthvalue")
    median, quantile = _method("median"), _method("quantile")
    nansum, nanmean, nanmedian = _method("nansum"), _method("nanmean"), _method("nanmedian")
    exp, log, sqrt, square = _unary("exp"), _unary("log"), _unary("sqrt"), _unary("square")
    abs, tanh, sigmoid, relu = _unary("absolute"), _unary("tanh"), _unary("sigmoid"), _unary("relu")
    softmax, log_softmax = _method("softmax"), _method("log_softmax")
    logsumexp, clip, astype = _method("logsumexp"), _method("clip"), _method("astype")
    norm, trace, det, inverse = _method("norm"), _method("trace"), _method("det"), _method("inv")
    mm, mv, bmm = _method("matmul"), _method("matmul"), _method("matmul")
    dot, matmul, take = _method("dot"), _method("matmul"), _method("take")
    ravel, flatten, squeeze = _method("ravel"), _method("flatten"), _method("squeeze")
    unsqueeze, expand_dims = _method("expand_dims"), _method("expand_dims")
    swapaxes, moveaxis = _method("swapaxes"), _method("moveaxis")
    broadcast_to, expand = _spread("broadcast_to"), _spread("broadcast_to")
    tile, repeat, repeat_interleave = _spread("tile"), _method("repeat"), _method("repeat")
    roll, flip, rot90 = _method("roll"), _method("flip"), _method("rot90")
    tril, triu, diag = _method("tril"), _method("triu"), _method("diag")
    diagonal, unfold, unflatten = _method("diagonal"), _method("unfold"), _method("unflatten")
    split, chunk, unbind = _method("split"), _method("chunk"), _method("unbind")
    gather, scatter_add = _method("gather"), _method("scatter_add")
    index_select, index_add = _method("index_select"), _method("index_add")
    index_copy, index_fill = _method("index_copy"), _method("index_fill")
    index_put, take_along_axis = _method("index_put"), _method("take_along_axis")
    masked_fill, masked_select = _method("masked_fill"), _method("masked_select")
    masked_scatter, nonzero = _method("masked_scatter"), _method("nonzero")
    diff, nan_to_num = _method("diff"), _method("nan_to_num")
    t, narrow, contiguous = _method("t"), _method("narrow"), _method("identity")
    lerp, logit, lgamma = _method("lerp"), _method("logit"), _method("lgamma")
    reshape, view = _spread("reshape"), _spread("reshape")
    transpose, permute = _spread("transpose"), _spread("transpose")

    conj, conjugate, angle = _unary("conjugate"), _unary("conjugate"), _method("angle")

    @property
    def real(self) -> Tensor:
        """The real part."""
        return _record_one(OPS["real"], self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part; zeros of a real tensor."""
        return _record_one(OPS["imag"], self)

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return OPS["transpose"](self)  # type: ignore[no-any-return]

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes exchanged: each matrix of a stack transposed."""
        return OPS["matrix_transpose"](self)  # type: ignore[no-any-return]

    def copy(self) -> Tensor:
        """Return a new tensor of the same value, through which the gradient flows."""
        return OPS["copy"](self)  # type: ignore[no-any-return]

    # ---- copying

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        if not self.is_leaf:
            raise GradientError(
                "a computed tensor cannot be copied together with its graph\n"
                "  fix: copy the leaves, or use detach()"
            )
        twin: Self = _new(type(self))
        twin._data, twin._node = self._data.copy(), None
        if self._node is not None:
            twin.requires_grad_(name=self.name)
            twin.grad = self.grad
        return twin

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise GradientError("a computed tensor cannot be pickled\n  fix: use detach()")
        return _rebuild, (type(self), self._data.copy(), self.requires_grad, self.name)


class HookHandle:
    """What takes a hook off its tensor again."""

    __slots__ = ("_functions", "_number")

    def __init__(self, functions: dict[int, Any], function: Any) -> None:
        self._functions, self._number = functions, tick()
        functions[self._number] = function

    def remove(self) -> None:
        """Take the hook off; a second time does nothing."""
        self._functions.pop(self._number, None)


class Parameter(Tensor):
    """A leaf that an optimizer owns: a tensor that always requires a gradient.

    Parameters
    ----------
    data : array_like
        The initial value, of floating dtype.
    name : str, optional
        For messages and diagrams.
    """

    __slots__ = ()

    def __init__(self, data: Any, *, dtype: Any = None, name: str = "") -> None:
        super().__init__(data, True, dtype=dtype, name=name)

    def _not_in_place(self, _other: Any) -> Self:
        """Refuse ``p -= x``: Python would make `p` another tensor, which no optimizer knows."""
        raise OpTypeError(
            "a parameter is not changed by +=, -=, *= or /=: its name would take a new tensor\n"
            f"  at {users_line()}\n"
            "  fix: p.data -= 0.1 * p.grad changes the parameter; so does an optimizer's step()"
        )

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = _not_in_place

    def rebase(self, home: np.ndarray[Any, Any], buffer: np.ndarray[Any, Any]) -> None:
        """Move the value into `home` and let the first gradient be written to `buffer`.

        An optimizer keeps its parameters in one flat array this way.
        """
        leaf: Any = self._node
        np.copyto(home, self._data)
        self._data = leaf.result = home
        leaf.buffer = buffer
        if leaf.grad is not None:
            leaf.grad = deposit(leaf, leaf.grad)


def _grey(text: str) -> str:
    return f'<span style="color:#767676">{text}</span>'


def _shown(array: Any) -> str:
    """Return an array as HTML, in few numbers if it is large."""
    text = np.array2string(array, precision=4, separator=", ", threshold=20, edgeitems=2)
    return f"<pre>{html.escape(text)}</pre>"


def _rebuild(kind: type[Tensor], array: Any, requires_grad: bool, name: str) -> Tensor:
    tensor = _new(kind)
    tensor._data, tensor._node = array, None
    return tensor.requires_grad_(name=name) if requires_grad else tensor


def constant(array: Any) -> Tensor:
    """Return a Tensor on an array that nobody else will write to, without copying it."""
    tensor: Tensor = _new(Tensor)
    tensor._data, tensor._node = array, None
    return tensor


def handle(array: Any, node: Node | None) -> Tensor:
    """Return a Tensor for a value that a node knows."""
    tensor: Tensor = _new(Tensor)
    tensor._data, tensor._node = array, node
    return tensor


def fresh(value: Any) -> Tensor:
    """Return a value on a node of its own, linked to where it came from if that has a gradient."""
    if isinstance(value, Tensor) and value.requires_grad:
        return OPS["identity"](value)  # type: ignore[no-any-return]
    return Tensor(value, requires_grad=True)


def owned(cotangent: Any) -> Tensor:
    """Return a Tensor of its own on a cotangent, which others may share: the seed's owner, say."""
    if not isinstance(cotangent, Tensor):
        return constant(cotangent.copy() if dispatches(cotangent) else np.array(cotangent))
    if cotangent.is_leaf and cotangent.requires_grad:
        with enable_grad():
            return cotangent.copy()
    return handle(cotangent._data, cotangent._node)


# ------------------------------------------------------------------------------ leaves' gradients


def deposit(leaf: Leaf, gradient: Any) -> Any:
    """Return the gradient in memory that the leaf owns: its buffer, or a copy."""
    if leaf.buffer is None:
        return gradient.astype(leaf.result.dtype)
    np.copyto(leaf.buffer, gradient)
    return leaf.buffer


def accumulate(leaf: Any, cotangent: Any) -> None:
    """Add a gradient into the leaf's ``grad``."""
    gradient = turned(cotangent)
    if leaf.grad is not None:
        leaf.grad += gradient
    elif gradient is leaf.buffer:
        leaf.grad = gradient
    else:
        leaf.grad = deposit(leaf, gradient)


# ------------------------------------------------------------------------------ small helpers

_LOOKS = {
    np.allclose, np.array_equal, np.array_equiv, np.array_repr, np.array_str, np.array2string,
    np.can_cast, np.common_type, np.diag_indices_from, np.einsum_path, np.histogram, np.histogram2d,
    np.histogramdd, np.iscomplexobj, np.isrealobj, np.may_share_memory, np.min_scalar_type, np.ndim,
    np.ravel_multi_index, np.result_type, np.shape, np.shares_memory, np.size, np.tril_indices_from,
    np.triu_indices_from, np.unique_all, np.unique_counts, np.unique_inverse, np.unravel_index,
}  # fmt: skip
"""NumPy functions that only look at values and return no array with a derivative."""

MAKES = {
    np.arange, np.array, np.asanyarray, np.asarray, np.ascontiguousarray, np.asfortranarray,
    np.empty, np.empty_like, np.eye, np.full, np.full_like, np.identity, np.ones, np.ones_like,
    np.tri, np.zeros, np.zeros_like,
}  # fmt: skip
"""NumPy functions that make a constant, of the kind of their ``like=``."""


def _values(args: Any) -> Any:
    """Return the arguments with the value of each Tensor in its place."""
    if isinstance(args, Tensor):
        return args._data
    if isinstance(args, (list, tuple)):
        return type(args)(_values(arg) for arg in args)
    if isinstance(args, dict):
        return {key: _values(arg) for key, arg in args.items()}
    return args


def _idle_counts() -> tuple[int, int]:
    """Return the reference counts of a leaf, and of its array, that no graph and nobody uses."""
    probe = Tensor(0.0, requires_grad=True)
    counts: list[int] = []

    def look(self: Tensor) -> None:
        leaf = self._node
        counts.append(sys.getrefcount(leaf))
        counts.append(sys.getrefcount(self._data))

    look(probe)
    return counts[0], counts[1]


_IDLE_LEAF, _IDLE_ARRAY = _idle_counts()


def _temporary_count() -> int:
    """Return the reference count that ``t[i] += u`` gives to ``t[i]``; 0 if it tells nothing."""
    counts: list[int] = []

    class Probe:
        def __getitem__(self, _index: int) -> Probe:
            return Probe()

        def __setitem__(self, _index: int, _value: Any) -> None:
            pass

        def __iadd__(self, _other: int) -> Probe:
            counts.append(sys.getrefcount(self))
            return self

    box = Probe()
    box[0] += 1
    named = box[0]
    named += 1
    temporary, with_name = counts
    return temporary if temporary < with_name else 0


_TEMPORARY = _temporary_count()
