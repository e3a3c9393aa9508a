"""Ops made of a user's function: `Function`, a class with its own backward, and `checkpoint`.

Both make one node of many steps. Their rows stand outside the table: they belong to one function of
one program, while a row of the table is for everybody, with cases and laws (see
``docs/add-an-op.md``). Read ``ops/`` next.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.forward import push
from tinygrad_edu.core.graph import Node, ancestors, reverse_sweep, tick, turned
from tinygrad_edu.core.lift import Recorded
from tinygrad_edu.core.op import OPS, Op, unlisted
from tinygrad_edu.core.switch import enable_grad, is_composed, is_recording, record_composites
from tinygrad_edu.core.tensor import Tensor, constant, handle, record
from tinygrad_edu.core.tree import flatten
from tinygrad_edu.errors import GradientError, OpTypeError, demand_callable, explain, users_line

__all__ = ["Function", "checkpoint"]


# ------------------------------------------------------------------------------ Function


class Context:
    """What the forward pass of a `Function` leaves for its backward pass.

    Attributes
    ----------
    saved_tensors : tuple
        What `save_for_backward` was given.
    needs_input_grad : tuple of bool
        Per argument whether its gradient is wanted; set before ``backward`` is called.
    """

    def __init__(self) -> None:
        self.saved_tensors: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Keep arguments, the result, or other arrays for the backward pass."""
        self.saved_tensors = arrays


class Function:
    """An op as a class, with `forward` and `backward`, as PyTorch writes it; call it by `apply`.

    A row (`op`, `elementwise`, `fused`) does more: it has second derivatives by construction, a
    NumPy function can stand for it, and the laws of the table test it. This form is for code that
    comes from PyTorch, and for state that travels from forward to backward.

    Methods
    -------
    forward(ctx, *args)
        Static; computes on arrays, returns one array.
    backward(ctx, g)
        Static; returns one cotangent per argument of `forward`, ``None`` where none flows, each of
        the shape of its argument. Written in NumPy functions, it is differentiated again when
        derivatives of higher order are asked for.

    Raises
    ------
    GradientError
        `backward` returned a wrong number or shape of cotangents; or a second derivative was asked
        of a class that saves something else than its arguments and its result, for which no
        derivative is known.

    Examples
    --------
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad
    array([ 3., 12.])
    """

    _rows: ClassVar[dict[tuple[type, int], Op]] = {}

    @staticmethod
    def forward(ctx: Context, *args: Any) -> Any:
        """Return the result on arrays."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Context, g: Any) -> Any:
        """Return the cotangents of the arguments of `forward`, given that of its result."""
        raise NotImplementedError("a Function needs a static method backward(ctx, g)")

    @classmethod
    def apply(cls, *args: Any) -> Tensor:
        """Return the result as a Tensor, recorded if an argument requires a gradient."""
        key = (cls, len(args))
        row = Function._rows.get(key)
        if row is None:
            row = Function._rows[key] = _row(cls, len(args))
        return record(row, args, row.params)


def _row(cls: type[Function], count: int) -> Op:
    """Return the row of a class for calls with so many arguments."""

    def forward(*args: Any) -> tuple[Any, tuple[Context, list[Any]]]:
        ctx = Context()
        # What forward or backward wrote to its arguments, other nodes would read.
        given = [_read_only(arg) for arg in args]
        try:
            result = cls.forward(ctx, *given)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise OpTypeError(_writes(cls, "forward")) from error
        if isinstance(result, (tuple, list, Tensor)) or not hasattr(result, "dtype"):
            raise OpTypeError(
                explain(
                    cls.__name__,
                    f"forward returned a {type(result).__name__}, not one array",
                    fix="compute on the arrays that forward is given, and return one of them",
                )
            )
        kept = _read_only(result)
        ctx.saved_tensors = tuple(kept if a is result else a for a in ctx.saved_tensors)
        for name, value in vars(ctx).items():
            setattr(ctx, name, kept if value is result else value)
        return np.asarray(result), (ctx, [*given, kept])

    def joint(
        g: Any, result: Any, saved: Any, *primals: Any, wanted: Sequence[bool], **_rest: Any
    ) -> list[Any]:
        ctx, known = saved
        ctx.needs_input_grad = tuple(wanted)
        if any(isinstance(p, Tensor) for p in primals):
            ctx = _recorded_context(cls, ctx, list(zip(known, (*primals, result), strict=True)))
        # Users, and PyTorch, know a complex cotangent as the conjugate of what the sweep carries.
        try:
            found = cls.backward(ctx, _read_only(turned(g)))
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise OpTypeError(_writes(cls, "backward")) from error
        cotangents = [
            turned(c) if hasattr(c, "dtype") else c
            for c in (found if isinstance(found, (tuple, list)) else [found])
        ]
        if len(cotangents) != count:
            raise GradientError(
                f"{cls.__name__}: backward returned {len(cotangents)} cotangents for {count} "
                f"arguments\n  at {users_line()}\n"
                "  fix: return one per argument of forward, None where no gradient flows"
            )
        return [
            np.zeros(primal.shape, primal.dtype, like=g) if want and c is None else c
            for c, want, primal in zip(cotangents, wanted, primals, strict=True)
        ]

    names = list(inspect.signature(cls.forward).parameters.values())[1:]
    spelt = tuple(p.name for p in names if p.kind is p.POSITIONAL_OR_KEYWORD)[:count]
    rest = tuple(f"argument{i}" for i in range(len(spelt), count))
    forward.__doc__ = cls.__doc__
    return unlisted(cls.__name__, forward, joint, (*spelt, *rest))


def _writes(cls: type[Function], method: str) -> str:
    return explain(
        cls.__name__,
        f"{method} writes to an array that it was given, which others read too",
        fix="work on a copy, as in x = x.copy(), or g = g.copy()",
    )


def _read_only(value: Any) -> Any:
    """Return a view of an array that cannot be written; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


_SAFE = (type(None), bool, int, str, bytes, slice, range, type, np.dtype, np.integer, np.bool_)


def _may_depend(value: Any) -> bool:
    """Return whether a value that was saved could have been computed from an argument's numbers."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "biu"
    if isinstance(value, (list, tuple)):
        return any(_may_depend(part) for part in value)
    return not (isinstance(value, (*_SAFE, np.random.Generator)) or callable(value))


def _recorded_context(
    cls: type[Function], ctx: Context, known: Sequence[tuple[Any, Any]]
) -> Context:
    """Return a context with Tensors in the place of the arguments and the result it saved.

    `known` are pairs: what ``forward`` was given, and gave, and what stands for it now.
    """

    def lifted(value: Any, what: str) -> Any:
        for before, now in known:
            # A view (x.reshape(...)) is not the argument itself: its derivative is unknown.
            if value is before and value is not None:
                return now
        if not _may_depend(value):
            return value
        raise GradientError(
            f"{cls.__name__}: {what} is neither an argument nor the result, so its derivative is "
            f"unknown, and a second derivative would be wrong\n  at {users_line()}\n"
            "  fix: save arguments and the result only and compute the rest in backward, or write "
            "the\n       op as a row (tinygrad_edu.op)"
        )

    twin = Context()
    twin.needs_input_grad = ctx.needs_input_grad
    twin.saved_tensors = tuple(
        lifted(value, f"saved tensor {i}") for i, value in enumerate(ctx.saved_tensors)
    )
    for name, value in vars(ctx).items():
        if name not in vars(twin):
            setattr(twin, name, lifted(value, f"ctx.{name}"))
    return twin


# ------------------------------------------------------------------------------ checkpoint


def checkpoint(f: Callable[..., Any], *, generators: Sequence[np.random.Generator] = ()) -> Any:
    """Return `f` with its graph thrown away after the call and made again in the backward pass.

    What `f` computes inside is not kept: memory is paid for with a second forward pass.

    Parameters
    ----------
    f : callable
        Function of Tensors that returns a tree of Tensors of one dtype. It may use parameters of a
        model besides its arguments; their gradients flow as well.
    generators : sequence of Generator
        Random generators that `f` draws from: the second pass sees them in the state of the first.

    Raises
    ------
    GradientError
        The second pass gave another result than the first, so its gradient would be of something
        else: `f` draws from a generator that was not named, or depends on what has changed.

    References
    ----------
    T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with sublinear memory cost" (2016),
    arXiv:1604.06174.

    Examples
    --------
    >>> x = Tensor([0.5, 1.0], requires_grad=True)
    >>> y = checkpoint(lambda x: np.tanh(np.exp(x)).sum())(x)
    >>> y.node.op.name
    'checkpoint'
    """
    demand_callable(f, "checkpoint")

    @functools.wraps(f)
    def called(*args: Any, **kwargs: Any) -> Any:
        if not is_recording() or is_composed():
            return f(*args, **kwargs)  # higher orders need every step
        states = [generator.bit_generator.state for generator in generators]
        start = tick()
        outputs, rebuild = flatten(f(*args, **kwargs))
        roots = [y.node for y in outputs if isinstance(y, Tensor) and y.node is not None]
        if not roots or any(y.__record__ is not record for y in outputs):
            return rebuild(outputs)  # nothing to throw away; or inside vmap, where it would be all
        if len({y.dtype for y in outputs}) > 1:
            raise OpTypeError(
                "checkpoint: the function returned tensors of several dtypes\n"
                f"  at {users_line()}\n  fix: checkpoint the part that computes one of them"
            )
        used = _used(roots, start)
        # A name may be rebound (t += u) before the second pass; a handle of our own stays.
        leaves, arranged = flatten((args, kwargs))
        kept = [handle(x._data, x._node) if type(x) is Tensor else x for x in leaves]

        def again() -> Tensor:
            now = [generator.bit_generator.state for generator in generators]
            for generator, state in zip(generators, states, strict=True):
                generator.bit_generator.state = state
            try:
                positional, named = arranged(kept)
                return _packed(flatten(f(*positional, **named))[0])
            finally:
                for generator, state in zip(generators, now, strict=True):
                    generator.bit_generator.state = state

        row = _checkpoint_row(again, used, _packed(outputs).numpy())
        shapes = [y.shape for y in outputs]
        y = record(row, [handle(node.result, node) for node in used], row.params)
        return rebuild(_cut(y, shapes))

    return called


def _used(roots: Sequence[Node], start: int) -> list[Node]:
    """Return the nodes older than `start` that newer ones, which the roots depend on, read."""
    found: dict[Node, None] = {}
    for node in ancestors(*roots, since=start):
        for up in node.upstream or ():
            if up is not None and up.order < start:
                found[up] = None
    return list(found) or list(roots)


def _packed(outputs: Sequence[Tensor]) -> Tensor:
    """Return all results in one tensor."""
    if len(outputs) == 1:
        return outputs[0]
    packed: Tensor = OPS["concatenate"]([y.reshape(-1) for y in outputs])
    return packed


def _cut(packed: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Return the results that were packed into one tensor."""
    if len(shapes) == 1:
        return [packed]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()
    return [
        packed[start:stop].reshape(shape)
        for start, stop, shape in zip([0, *ends], ends, shapes, strict=False)
    ]


def _checkpoint_row(again: Callable[[], Tensor], used: Sequence[Node], first: Any) -> Op:
    """Return the row of one call, whose rule runs the function once more and sweeps that.

    Its arguments are the tensors that the function used, whether it was given them or found them.
    """

    def forward(*_arrays: Any) -> tuple[Any, None]:
        return first, None

    def second() -> Tensor:
        output = again()
        if not np.array_equal(output.numpy(), first, equal_nan=True):
            raise GradientError(
                "checkpoint: run once more for the backward pass, the function gave another "
                f"result\n  at {users_line()}\n"
                "  fix: name the generators that it draws from: checkpoint(f, generators=[rng]); "
                "do not\n       change what it uses between forward and backward"
            )
        return output

    def joint(
        g: Any, _result: Any, _saved: Any, *primals: Any, wanted: Sequence[bool], **_rest: Any
    ) -> list[Any]:
        recorded = isinstance(g, Tensor)
        with record_composites() if recorded else enable_grad():
            output = second()
        chosen = [node for node, want in zip(used, wanted, strict=True) if want]
        lift = Recorded() if recorded else None
        # What the function used may depend on each other: that is the outer sweep's business.
        found = reverse_sweep({output.rooted("checkpoint"): g}, chosen, lift, independent=True)
        return [
            np.zeros(p.shape, p.dtype, like=g) if want and node not in found else found.get(node)
            for node, want, p in zip(used, wanted, primals, strict=True)
        ]

    def jvp(tangents: Sequence[Any], _result: Any, *_primals: Any) -> Any:
        recorded = any(isinstance(t, Tensor) for t in tangents)
        with record_composites():
            output = second()
        moving = [(n, t) for n, t in zip(used, tangents, strict=True) if t is not None]
        moves = [t if isinstance(t, Tensor) else constant(t) for _, t in moving]
        (moved,) = push([output], [handle(n.result, n) for n, _ in moving], moves, recorded)
        return moved if recorded else moved.numpy()

    names = tuple(f"used{i}" for i in range(len(used)))
    return unlisted("checkpoint", forward, joint, names, jvp)
