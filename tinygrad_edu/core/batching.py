"""vmap: a function of one example, applied to all examples of a batch at once.

Inside the function an argument is a `Batched` tensor: it has the shape of one example, and holds
the values of all. Calling a row on it asks the row's kind how to do that for the whole batch:

- elementwise: the batch is one more axis in front, to which everything else broadcasts;
- composite: the rows it is written in are asked; fused: those of its composite;
- linear and op: what the row's fact `batch` says (see `Op`); as elementwise, if its signature
  says that every element stands alone;
- and where a row says nothing, it is called example by example, and the results are stacked.

This file knows no rule of calculus: batched calls are ordinary calls with a larger array, so they
are recorded, and differentiated, as any other. Transforms inside a vmapped function work on `raw`
tensors, in which all batch axes stand in front. Read ``core/transforms.py`` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Self

import numpy as np

from tinygrad_edu.core.op import BY_FUNCTION, OPS, Op
from tinygrad_edu.core.tensor import MAKES, Tensor, constant
from tinygrad_edu.core.tree import Tree, flatten
from tinygrad_edu.errors import OpError, OpTypeError, demand_callable, explain, users_line

__all__ = ["Batched", "how", "raw", "spread", "vmap", "within_same", "wrapped"]

Axes = int | None | Sequence[Any] | Mapping[Any, Any]


class _Level:
    """One running vmap: how many examples it has, and in how many others it runs."""

    __slots__ = ("depth", "size")

    def __init__(self, depth: int, size: int) -> None:
        self.depth, self.size = depth, size


_levels: ContextVar[tuple[_Level, ...]] = ContextVar("levels", default=())
"""The running vmaps, from the outermost in."""

# ------------------------------------------------------------------------------ recording


def _record(op: Op, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
    """Return the result of a row of which an argument is Batched: for all examples at once."""
    if op.kind == "fused" and op.composite is not None:
        return op.composite(*args, **params)
    level = max((a.level for a in args if isinstance(a, Batched)), key=lambda found: found.depth)
    if level not in _levels.get():
        raise _escaped(op.name)
    batched = [isinstance(a, Batched) and a.level is level for a in args]
    arrays = [a.value if moves else a for a, moves in zip(args, batched, strict=True)]
    rule = how(op)
    if rule is None:
        result = _one_by_one(op, batched, arrays, params)
    elif isinstance(rule, str):
        result = _RULES[rule](op, batched, arrays, params)
    else:
        result = rule(op, batched, arrays, params)
    return Batched(level, result)


def how(op: Op) -> str | Callable[..., Any] | None:
    """Return how a row with rules is called for a whole batch, in the words of its fact `batch`."""
    # A signature without letters says that every element stands alone; a `Function` has none.
    alone = op.kind == "elementwise" or (op.signature and not op.signature.strip("()->,"))
    return "pointwise" if op.batch is None and alone else op.batch


def _aligned(batched: Sequence[bool], arrays: Sequence[Any], core: Sequence[int]) -> list[Any]:
    """Return arrays in which the axes that broadcast stand where they stood in one example.

    Parameters
    ----------
    batched : sequence of bool
        Which arrays have a batch axis in front.
    arrays : sequence of array
        The arguments.
    core : sequence of int
        How many of the last axes of each do not broadcast.
    """
    loops = [
        np.ndim(a) - moves - count
        for a, moves, count in zip(arrays, batched, core, strict=True)
        if a is not None
    ]
    most = max(loops)
    found = []
    for a, moves, count in zip(arrays, batched, core, strict=True):
        missing = 0 if a is None else most - (np.ndim(a) - moves - count)
        if moves and missing:
            a = np.reshape(a, (a.shape[0], *(1,) * missing, *a.shape[1:]))
        found.append(a)
    return found


def _pointwise(op: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    return op.through(_aligned(batched, arrays, [0] * len(arrays)), params)


def _stacked(op: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row that takes stacks in front of its core axes, as ``np.linalg`` does."""
    inputs = op.signature.partition("->")[0].strip("()").split("),(")
    core = [len([name for name in term.split(",") if name]) for term in inputs]
    for a, moves, count in zip(arrays, batched, core, strict=True):
        if np.ndim(a) - moves < count:  # such as a vector where the signature has a matrix
            return _one_by_one(op, batched, arrays, params)
    return op.through(_aligned(batched, arrays, core), params)


def _spread_out(op: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row that takes stacks only if all arrays have them."""
    size = _count(batched, arrays)
    every = [
        a if moves or a is None else np.broadcast_to(a, (size, *np.shape(a)))
        for a, moves in zip(arrays, batched, strict=True)
    ]
    return op.through(every, params)


def _count(batched: Sequence[bool], arrays: Sequence[Any]) -> int:
    """Return the number of examples."""
    return next(len(a) for a, moves in zip(arrays, batched, strict=True) if moves)


def _merged(op: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row whose first axis counts independent things: the batch becomes part of that."""
    if sum(batched) != 1 or not batched[0]:
        return _one_by_one(op, batched, arrays, params)
    x, *others = arrays
    y = op.through([np.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:])), *others], params)
    return np.reshape(y, (*x.shape[:2], *y.shape[1:]))


def _by_first(op: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row that treats every element of its first array alone; others all share."""
    if any(batched[1:]):
        return _one_by_one(op, batched, arrays, params)
    return op.through(arrays, params)


def _reshaped(op: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row that only gives its one array another shape."""
    (x,) = arrays
    one = np.broadcast_to(np.zeros((), x.dtype), x.shape[1:])
    return np.reshape(x, (len(x), *op.forward(one, **params).shape))


def _picked(op: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row that only picks elements of its one array: which ones, it is asked first."""
    (x,) = arrays
    places = np.arange(int(np.prod(x.shape[1:]))).reshape(x.shape[1:])
    flat = np.reshape(x, (len(x), places.size))
    return np.take(flat, op.forward(places, **params), axis=1)


AXES = ("axis", "axes", "axis1", "axis2", "source", "destination")
"""How NumPy calls parameters that count axes."""


def _along_axes(op: Op, _batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row of one array with an axis, or axes; ``None`` means all axes of the example."""
    (x,) = arrays
    moved = {name: _shifted(op, params[name], x.ndim - 1) for name in AXES if name in params}
    return op.through([x], {**params, **moved})


def _shifted(op: Op, axis: Any, ndim: int) -> Any:
    """Return where an axis, or axes, of an example are in the batch."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    if isinstance(axis, (tuple, list)):
        return tuple(_axis(op, i, ndim) + 1 for i in axis)
    return _axis(op, axis, ndim) + 1


def _along_one(op: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Call a row of one array with one axis; ``None`` means the flattened example."""
    (x,) = arrays
    axis, ndim = params["axis"], x.ndim - 1
    if axis is not None and ndim == 0:
        return _one_by_one(op, batched, arrays, params)  # some rows count an axis of a number
    if axis is not None:
        return op.through([x], {**params, "axis": _axis(op, axis, ndim) + 1})
    flat = np.reshape(x, (x.shape[0], int(np.prod(x.shape[1:]))))
    found = op.through([flat], {**params, "axis": 1})
    if params.get("keepdims"):
        return np.reshape(found, (x.shape[0], *(1,) * ndim))
    return found


def _axis(op: Op, axis: Any, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise OpError(
            explain(op.name, f"axis {axis} is out of bounds for an example with {ndim} axes")
        )
    return int(axis % ndim)


_RULES: dict[str, Callable[..., Any]] = {
    "pointwise": _pointwise,
    "stack": _stacked,
    "spread": _spread_out,
    "merge": _merged,
    "first": _by_first,
    "reshape": _reshaped,
    "pick": _picked,
    "axes": _along_axes,
    "axis": _along_one,
}
"""What a row's fact `batch` may say in one word."""


def _one_by_one(op: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Return the stacked results of a row called with one example after the other."""
    parts = [
        op.through([a[i] if moves else a for a, moves in zip(arrays, batched, strict=True)], params)
        for i in range(_count(batched, arrays))
    ]
    return _stack(parts, op.name)


def _stack(parts: Sequence[Any], name: str) -> Any:
    if not parts:
        raise OpError(
            explain(
                name,
                "has no rule for a whole batch, and an empty batch has no example to try",
                fix="leave empty batches out",
            )
        )
    if len({part.shape for part in parts}) > 1:
        shapes = ", ".join(str(shape) for shape in dict.fromkeys(p.shape for p in parts))
        raise OpError(
            explain(
                name,
                f"gives results of different shapes for the examples of one batch: {shapes}",
                fix="inside vmap a shape cannot depend on values: use where() instead of a mask "
                "as index",
            )
        )
    return np.stack(parts)


# ------------------------------------------------------------------------------ the tensor


class Batched(Tensor):
    """One example as the function sees it, all examples as they are computed.

    Attributes
    ----------
    level : _Level
        The vmap that it belongs to.
    value : Tensor
        The values of all examples along axis 0; Batched itself inside an outer vmap.
    """

    __slots__ = ("level", "value")

    level: _Level
    value: Tensor

    __record__ = staticmethod(_record)
    _node = None

    def __init__(self, level: _Level, value: Tensor) -> None:
        self.level, self.value = level, value

    shape = property(lambda self: self.value.shape[1:], doc="Shape of one example.")
    dtype = property(lambda self: self.value.dtype, doc="dtype of the values.")
    ndim = property(lambda self: self.value.ndim - 1, doc="Number of axes of one example.")
    size = property(lambda self: int(np.prod(self.shape)), doc="Elements of one example.")
    requires_grad = property(lambda self: self.value.requires_grad, doc="As of the whole batch.")
    is_leaf = property(lambda self: self.value.is_leaf, doc="As of the whole batch.")
    node = property(lambda self: self.value.node, doc="The node of the whole batch.")

    @property
    def _data(self) -> Any:
        raise OpTypeError(
            "inside vmap the values of one example are not known: all are computed at once\n"
            f"  at {users_line()}\n"
            "  fix: leave out if, float(), .item() and .numpy(); choose between values with where()"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise OpTypeError(f"a tensor without axes has no length\n  at {users_line()}")
        return int(self.shape[0])

    def __repr__(self) -> str:
        return f"Batched(shape={self.shape}, dtype={self.dtype}, examples={self.level.size})"

    def detach(self) -> Tensor:
        """Return the value as a constant: no gradient flows through it."""
        return Batched(self.level, self.value.detach())

    def backward(self, *_seed: Any, **_retain_graph: Any) -> None:
        """Refuse: a gradient inside vmap is a value of each example."""
        raise OpTypeError(
            f"backward() inside vmap would add the examples up\n  at {users_line()}\n"
            "  fix: use grad(f) inside, or call backward() on what vmap returns"
        )

    def rooted(self, what: str) -> Any:
        """Refuse: a hook would see the gradients of all examples at once."""
        raise OpTypeError(
            f"{what} inside vmap would concern all examples at once\n  at {users_line()}\n"
            "  fix: put the hook on what goes into vmap, or on what comes out"
        )

    def _become(self, new: Tensor, what: str, index: Any = ..., *, temporary: bool = False) -> Self:
        del index, temporary  # there are no views to look at: a batch's values have one owner
        if new.shape != self.shape or new.dtype != self.dtype:
            raise OpError(
                f"{what}: an example of shape {self.shape} {self.dtype} cannot become one of "
                f"shape {new.shape} {new.dtype}\n  at {users_line()}\n"
                "  fix: make a new tensor, as in y = x + u"
            )
        assert isinstance(new, Batched)
        self.value = new.value
        return self

    def picks(self, x: Any, index: Any) -> Tensor:
        """Return ``x[index]`` where the index is, or holds, a Batched tensor."""
        parts = index if isinstance(index, tuple) else (index,)
        inside = [p for p in (x, *parts) if isinstance(p, Batched)]
        level = max((p.level for p in inside), key=lambda found: found.depth)
        if level not in _levels.get():
            raise _escaped("getitem")

        def of(part: Any, i: int) -> Any:
            return part.value[i] if isinstance(part, Batched) and part.level is level else part

        moves = isinstance(x, Batched) and x.level is level
        if isinstance(index, Tensor) and index.dtype.kind in "iu":
            if not moves:
                return Batched(level, x[index.value])  # type: ignore[attr-defined]  # it is Batched
            numbers = np.arange(level.size).reshape((-1, *(1,) * index.ndim))
            return Batched(level, x.value[numbers, index.value])  # type: ignore[attr-defined]  # as above
        found = [of(x, i)[tuple(of(part, i) for part in parts)] for i in range(level.size)]
        return Batched(level, _stack(found, "getitem"))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Record a NumPy ufunc called with a Batched tensor."""
        row = BY_FUNCTION.get(ufunc)
        if method == "__call__" and row is not None:
            return row(*inputs, **kwargs)
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Record a NumPy function; one that asks for no values sees an array of zeros."""
        if func in MAKES:
            return constant(np.asarray(func(*_blank(args), **_blank(kwargs))))
        if func in _SHAPES:
            return func(*_blank(args), **_blank(kwargs))
        return super().__array_function__(func, types, args, kwargs)


_SHAPES = (
    np.diag_indices_from, np.iscomplexobj, np.isrealobj, np.ndim, np.result_type, np.shape, np.size,
    np.tril_indices_from, np.triu_indices_from,
)  # fmt: skip
"""NumPy functions that ask for no values."""


def _blank(args: Any) -> Any:
    """Return arguments in which an array of zeros stands for each Batched tensor."""
    if isinstance(args, Batched):
        return np.broadcast_to(np.zeros((), args.dtype), args.shape)
    if isinstance(args, (list, tuple)):
        return type(args)(_blank(arg) for arg in args)
    return {k: _blank(v) for k, v in args.items()} if isinstance(args, dict) else args


def _escaped(name: str) -> OpTypeError:
    return OpTypeError(
        explain(
            name,
            "an example of a vmap that has ended was used",
            fix="return it from the vmapped function instead of keeping it elsewhere",
        )
    )


# ------------------------------------------------------------------------------ raw tensors


def raw(value: Any) -> Any:
    """Return a plain Tensor with the axes of all running vmaps in front, spread if need be."""
    for level in reversed(_levels.get()):
        value = _whole(value, level)
    return value


def _whole(value: Any, level: _Level) -> Any:
    if isinstance(value, Batched) and value.level is level:
        return value.value
    tensor = value if isinstance(value, Tensor) else Tensor(value)
    return OPS["broadcast_to"](OPS["expand_dims"](tensor, 0), (level.size, *tensor.shape))


def wrapped(tensor: Any) -> Any:
    """Return a raw tensor as the function inside all running vmaps sees it."""
    for level in _levels.get():
        tensor = Batched(level, tensor)
    return tensor


def within_same(what: str) -> Callable[[], None]:
    """Return what refuses to go on inside another vmap than the one that is running now.

    The record behind a pullback, or behind a linear map, has the batch axes of its own moment.
    """
    made = _levels.get()

    def check() -> None:
        if _levels.get() != made:
            raise OpTypeError(
                f"{what} was made outside of this vmap, or inside another one\n"
                f"  at {users_line()}\n"
                "  fix: call vjp() or linearize() inside the mapped function; jacobian() gives "
                "all rows"
            )

    return check


def spread(tensor: Tensor, what: str) -> Tensor:
    """Return the raw tensor of one that has a value for each example of all running vmaps.

    Raises
    ------
    OpTypeError
        It is the same for all examples: a gradient for it would add them up.
    """
    found = tensor
    for level in reversed(_levels.get()):
        if not (isinstance(found, Batched) and found.level is level):
            raise OpTypeError(
                f"{what}: inside vmap, this input is the same for all examples, so a gradient of "
                f"one example with respect to it cannot be told apart\n  at {users_line()}\n"
                "  fix: make it an argument of a function and use grad(f), or give it to vmap"
            )
        found = found.value
    return found


# ------------------------------------------------------------------------------ vmap


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """Return the function that applies `f` to every example of a batch, all at once.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors, written for one example, that returns a tree of
        Tensors.
    in_axes : int, None, or a tuple of them
        Which axis of an argument counts the examples; ``None`` for an argument that all share. A
        tuple has one entry per positional argument, which may be a tree like the argument.
        Keyword arguments are shared.
    out_axes : int, None, or a tree like the result
        Where the axis of examples stands in a result; ``None`` for one that does not depend on the
        example.

    Returns
    -------
    callable
        Takes what `f` takes, with one more axis where `in_axes` says; returns Tensors.

    Raises
    ------
    OpError
        The arguments have different numbers of examples, or none has an axis of them.
    OpTypeError
        Inside, the values of one example were asked for (``if``, ``float()``).

    Examples
    --------
    Gradients example by example:

    >>> import numpy as np
    >>> from tinygrad_edu import grad
    >>> loss = lambda w, x: np.sum(w * x) ** 2
    >>> w, batch = np.array([1.0, 2.0]), np.array([[1.0, 0.0], [3.0, 1.0]])
    >>> vmap(grad(loss), in_axes=(None, 0))(w, batch)
    Tensor([[ 2.,  0.],
            [30., 10.]])
    """
    demand_callable(f, "vmap")

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, (tuple, list)) and len(in_axes) != len(args):
            raise OpError(
                f"vmap: in_axes has {len(in_axes)} entries for {len(args)} positional arguments\n"
                f"  at {users_line()}\n  fix: give one per argument, None for one that all share"
            )
        chosen = in_axes if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)
        entering = []
        for number, (arg, axes) in enumerate(zip(args, chosen, strict=True)):
            leaves, rebuild = flatten(arg)
            entering.append((leaves, _spread_axes(axes, arg, f"argument {number}"), rebuild))
        size = _size(entering)
        running = _levels.get()
        level = _Level(len(running), size)
        filled = [
            rebuild([_enter(leaf, axis, level) for leaf, axis in zip(leaves, axes, strict=True)])
            for leaves, axes, rebuild in entering
        ]
        token = _levels.set((*running, level))
        try:
            output = f(*filled, **kwargs)
        finally:
            _levels.reset(token)
        leaves, rebuild = flatten(output)
        axes = _spread_axes(out_axes, output, "the result")
        return rebuild([_leave(leaf, axis, level) for leaf, axis in zip(leaves, axes, strict=True)])

    return mapped


def _spread_axes(axes: Any, tree: Tree, what: str) -> list[Any]:
    """Return one axis per leaf of a tree, from one axis or a tree of them."""
    if axes is None or isinstance(axes, (int, np.integer)):
        return [axes] * len(flatten(tree)[0])
    if isinstance(axes, dict) and isinstance(tree, dict) and axes.keys() == tree.keys():
        return [axis for key in tree for axis in _spread_axes(axes[key], tree[key], what)]
    lists = isinstance(axes, (list, tuple)) and isinstance(tree, (list, tuple))
    if lists and len(axes) == len(tree):
        pairs = zip(axes, tree, strict=True)
        return [axis for one, part in pairs for axis in _spread_axes(one, part, what)]
    raise OpError(
        f"vmap: the axes {axes!r} do not fit {what}\n  at {users_line()}\n"
        "  fix: give an int, None, or the same dicts, lists and tuples with ints and None in them"
    )


def _size(entering: Sequence[tuple[list[Any], list[Any], Any]]) -> int:
    """Return the number of examples; refuse arguments that disagree about it."""
    found: dict[int, str] = {}
    for number, (leaves, axes, _) in enumerate(entering):
        for leaf, axis in zip(leaves, axes, strict=True):
            if axis is None:
                continue
            shape = np.shape(leaf)
            if not -len(shape) <= axis < len(shape):
                raise OpError(
                    f"vmap: argument {number} of shape {shape} has no axis {axis} to map over\n"
                    f"  at {users_line()}\n  fix: in_axes=None for an argument that all share"
                )
            found.setdefault(shape[axis], f"argument {number} has {shape[axis]} along axis {axis}")
    if len(found) != 1:
        problem = "; ".join(found.values()) or "no argument has an axis of examples"
        raise OpError(
            f"vmap: {problem}\n  at {users_line()}\n"
            "  fix: give every mapped argument the same number of examples, at least one of them"
        )
    return next(iter(found))


def _enter(leaf: Any, axis: int | None, level: _Level) -> Any:
    if axis is None:
        return leaf
    tensor = leaf if isinstance(leaf, Tensor) else Tensor(leaf)
    return Batched(level, OPS["moveaxis"](tensor, axis, 0) if axis else tensor)


def _leave(leaf: Any, axis: int | None, level: _Level) -> Tensor:
    moves = isinstance(leaf, Batched) and leaf.level is level
    if axis is None:
        if moves:
            raise OpError(
                f"vmap: out_axes is None for a result that depends on the example\n"
                f"  at {users_line()}\n  fix: give the axis where the examples are to stand"
            )
        return leaf if isinstance(leaf, Tensor) else Tensor(leaf)
    whole: Tensor = _whole(leaf, level)
    return OPS["moveaxis"](whole, 0, axis) if axis else whole
