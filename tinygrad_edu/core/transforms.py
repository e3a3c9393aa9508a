"""Derivatives as functions: gradients, grad, vjp, jvp, jacobian, hessian, hvp.

This file knows how to drive the sweep, and how to push tangents forward through recorded nodes. It
knows no rule of calculus. Higher operators are definitions: a Hessian is the Jacobian of a
gradient. Read a file of rows in ``ops/`` next.

Every transform wraps its inputs in fresh nodes, so that a derivative taken inside another one is
never confused with it:

>>> import tinygrad_edu as tg
>>> def inner(x):
...     return tg.grad(lambda y: x + y)(1.0)  # 1, whatever x is
>>> tg.grad(lambda x: x * inner(x))(5.0)
Tensor(1.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Node, ancestors, project, reverse_sweep
from tinygrad_edu.core.op import OPS, zeros
from tinygrad_edu.core.tensor import (
    Recorded,
    Tensor,
    constant,
    enable_grad,
    is_recording,
    no_grad,
    record_composites,
)
from tinygrad_edu.errors import GradientError, GradientTypeError, users_frame, users_line

__all__ = [
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def gradients(
    output: Tensor,
    inputs: Sequence[Tensor],
    seed: Any = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> tuple[Tensor, ...]:
    """Return the gradients of `output` with respect to `inputs`, leaving every ``grad`` as it is.

    Parameters
    ----------
    output : Tensor
        The result to differentiate; a scalar unless `seed` is given.
    inputs : sequence of Tensor
        Leaves or computed tensors of the graph of `output`.
    seed : array_like, shape of `output`, optional
        The cotangent to start from; 1 for a scalar.
    create_graph : bool
        Whether to record the sweep, so that the gradients can be differentiated again.
    retain_graph : bool, optional
        Whether to keep the graph; by default it is kept if `create_graph`.

    Returns
    -------
    tuple of Tensor
        Of the shapes and dtypes of `inputs`; zeros for an input that `output` does not depend on.

    Raises
    ------
    GradientError
        An input requires no gradient, or `output` is no scalar and no seed is given.
    """
    nodes = []
    for i, tensor in enumerate(inputs):
        if not isinstance(tensor, Tensor) or tensor.node is None:
            raise GradientError(
                f"gradients: input {i} is a constant, no gradient can flow to it\n"
                f"  at {users_line()}\n"
                "  fix: make it with requires_grad=True before computing the output"
            )
        nodes.append(tensor.node)
    root = output.rooted("gradients")
    start = output.seed(seed, "gradients(seed=)")
    frame = users_frame(2)
    freed_by = None if retain_graph or create_graph else (frame.f_code, frame.f_lasti)
    if create_graph:
        kept = seed if isinstance(seed, Tensor) and seed.requires_grad else constant(start)
        with enable_grad():
            found = reverse_sweep(root, kept, nodes, lift=Recorded())
    else:
        found = reverse_sweep(root, start, nodes, freed_by=freed_by)
    return tuple(
        _owned(found[tensor.node])
        if tensor.node in found
        else constant(np.zeros_like(tensor.numpy()))
        for tensor in inputs
        if tensor.node is not None
    )


def _owned(cotangent: Any) -> Tensor:
    """Return a Tensor on a cotangent; on a copy where it is an array that others may share."""
    return cotangent if isinstance(cotangent, Tensor) else constant(np.array(cotangent))


# ------------------------------------------------------------------------------ fresh inputs


def _fresh(value: Any, what: str) -> Tensor:
    """Return an input of a transform on a node of its own, linked to where the value came from."""
    if isinstance(value, Tensor) and value.requires_grad:
        return OPS["identity"](value)  # type: ignore[no-any-return]
    tensor = value if isinstance(value, Tensor) else Tensor(value)
    if tensor.dtype.kind not in "fc":
        if isinstance(value, int) and not isinstance(value, bool):
            return Tensor(float(value), requires_grad=True)
        raise GradientTypeError(
            f"{what}: cannot differentiate with respect to {tensor.dtype} values\n"
            f"  at {users_line()}\n"
            "  fix: convert the input to a floating dtype, as in x.astype(float)"
        )
    return Tensor(tensor, requires_grad=True)


def _result(output: Any, what: str) -> Tensor:
    if isinstance(output, Tensor):
        return output
    raise GradientTypeError(
        f"{what}: the function returned a {type(output).__name__}, not a tensor\n"
        f"  at {users_line()}\n"
        "  fix: return one Tensor; values taken out with float(), .item() or .numpy() have lost "
        "their\n       gradient, and a constant is Tensor(c)"
    )


def _depends_beyond(output: Tensor, inputs: Sequence[Tensor]) -> bool:
    """Return whether the output depends on more than the inputs: a derivative is then recorded.

    That is so inside another transform, and for functions that use parameters of a model.
    """
    if output.node is None:
        return False
    fresh = {tensor.node for tensor in inputs}
    return any(node.op is None and node not in fresh for node in ancestors(output.node))


def _split(argnums: Argnums, args: Sequence[Any], what: str) -> tuple[int, ...]:
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not all(-len(args) <= i < len(args) for i in chosen):
        raise GradientError(
            f"{what}: argnums={argnums} but the function was called with {len(args)} arguments\n"
            f"  at {users_line()}"
        )
    return tuple(i % len(args) for i in chosen)


# ------------------------------------------------------------------------------ reverse mode


def value_and_grad(f: Function, argnums: Argnums = 0) -> Function:
    """Return a function that gives ``(value, gradient)`` of a scalar function.

    Parameters
    ----------
    f : callable
        Function of arrays or Tensors that returns a scalar Tensor.
    argnums : int or tuple of int
        The positional argument, or arguments, to differentiate with respect to.

    Returns
    -------
    callable
        Takes the arguments of `f`; the gradient is a Tensor, a tuple of them if `argnums` is one.

    Examples
    --------
    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    (Tensor(5.), Tensor([2., 4.]))
    """

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        chosen = _split(argnums, args, "grad")
        with enable_grad():
            inputs = [_fresh(args[i], "grad") for i in chosen]
            filled = list(args)
            for i, tensor in zip(chosen, inputs, strict=True):
                filled[i] = tensor
            output = _result(f(*filled, **kwargs), "grad")
        if output.size != 1:
            raise GradientError(
                f"grad: the function returned shape {output.shape}, a gradient needs a scalar\n"
                f"  at {users_line()}\n"
                "  fix: reduce it, as in y.sum(), or use jacobian or vjp"
            )
        found = _pull(output, inputs, None)
        value = output if is_recording() and _depends_beyond(output, inputs) else output.detach()
        return value, found[0] if isinstance(argnums, int) else found

    return differentiated


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that gives the gradient of a scalar function.

    Parameters
    ----------
    f : callable
        Function of arrays or Tensors that returns a scalar Tensor.
    argnums : int or tuple of int
        The positional argument, or arguments, to differentiate with respect to.

    Examples
    --------
    >>> import numpy as np
    >>> grad(np.tanh)(1.0).item()
    0.41997434161402614
    >>> grad(grad(lambda x: x**3))(2.0)
    Tensor(12.)
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def _pull(output: Tensor, inputs: Sequence[Tensor], seed: Any) -> tuple[Tensor, ...]:
    """Return the gradients, recorded if somebody may differentiate them again."""
    if output.node is None:
        return tuple(constant(np.zeros_like(tensor.numpy())) for tensor in inputs)
    again = is_recording() and (
        _depends_beyond(output, inputs) or (isinstance(seed, Tensor) and seed.requires_grad)
    )
    return gradients(output, inputs, seed, create_graph=again, retain_graph=True)


def vjp(f: Function, *primals: Any) -> tuple[Tensor, Function]:
    """Return ``(value, pullback)``: the pullback maps a cotangent of the value to the primals'.

    Parameters
    ----------
    f : callable
        Function of arrays or Tensors that returns one Tensor.
    *primals : array_like
        Where to differentiate.

    Examples
    --------
    >>> value, pullback = vjp(lambda a, b: a * b, 2.0, 3.0)
    >>> pullback(1.0)
    (Tensor(3.), Tensor(2.))
    """
    with enable_grad():
        inputs = [_fresh(primal, "vjp") for primal in primals]
        output = _result(f(*inputs), "vjp")

    def pullback(cotangent: Any) -> tuple[Tensor, ...]:
        return _pull(output, inputs, output.seed(cotangent, "pullback", as_tensor=True))

    again = is_recording() and _depends_beyond(output, inputs)
    return (output if again else output.detach()), pullback


# ------------------------------------------------------------------------------ forward mode


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Return ``(value, tangent)``: the directional derivative of `f` along `tangents`.

    Parameters
    ----------
    f : callable
        Function of arrays or Tensors that returns one Tensor.
    primals : sequence of array_like
        Where to differentiate.
    tangents : sequence of array_like
        The direction, one per primal, of its shape.

    Examples
    --------
    >>> jvp(lambda x: x * x, (3.0,), (1.0,))
    (Tensor(9.), Tensor(6.))
    """
    if len(primals) != len(tangents):
        raise GradientError(
            f"jvp: {len(primals)} primals but {len(tangents)} tangents\n  at {users_line()}\n"
            "  fix: give one tangent per primal"
        )
    with record_composites():
        inputs = [_fresh(primal, "jvp") for primal in primals]
        output = _result(f(*inputs), "jvp")
    moves = [
        tensor.seed(tangent, "jvp(tangents)", as_tensor=True)
        for tensor, tangent in zip(inputs, tangents, strict=True)
    ]
    again = is_recording() and (
        _depends_beyond(output, inputs) or any(tangent.requires_grad for tangent in moves)
    )
    (tangent,) = push([output], inputs, moves, again)
    return (output if again else output.detach()), tangent


def push(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    tangents: Sequence[Tensor],
    recorded: bool,
) -> list[Tensor]:
    """Return the tangents of recorded outputs, pushed through their nodes in order of creation.

    Parameters
    ----------
    outputs : sequence of Tensor
        Results of a recorded computation.
    inputs, tangents : sequences of Tensor
        Where the tangents enter, and the tangents.
    recorded : bool
        Whether the pushing itself is recorded, to be differentiated again.
    """
    lift = Recorded()
    moving: dict[Node | None, Any] = {}
    for tensor, tangent in zip(inputs, tangents, strict=True):
        moving[tensor.node] = tangent if recorded else tangent.numpy()
    since = min((node.order for node in moving if node is not None), default=0)
    roots = [output.node for output in outputs if output.node is not None]
    with enable_grad() if recorded else no_grad():
        for node in ancestors(*roots, since=since):
            arriving = [moving.get(up) if up is not None else None for up in node.upstream or ()]
            if node in moving or all(tangent is None for tangent in arriving):
                continue
            result, primals = lift.values(node) if recorded else (node.result, node.primals)
            moved = _push_one(node, arriving, result, primals)
            if isinstance(moved, np.generic) or moved.dtype != node.result.dtype:
                moved = project(moved, node.result, node)
            moving[node] = moved
    return [
        _owned(moving[output.node])
        if output.node in moving
        else constant(np.zeros_like(output.numpy()))
        for output in outputs
    ]


def _push_one(node: Node, tangents: Sequence[Any], result: Any, primals: Sequence[Any]) -> Any:
    """Return the tangent of one node's result: by the row's jvp, or by transposing its vjp."""
    op: Any = node.op
    if op.jvp is not None:
        return op.jvp(tangents, result, *primals, **node.params)
    recorded = any(isinstance(tangent, Tensor) for tangent in tangents)
    if op.composite is not None:
        return _push_composite(node, tangents, primals, recorded)
    # The vjp is linear in g: transposing it, at any g, gives the jvp.
    with enable_grad():
        g = constant(np.zeros(node.result.shape, node.result.dtype)).requires_grad_()
        total: Any = 0.0
        wanted = [tangent is not None for tangent in tangents]
        cotangents = (
            op.joint(
                g,
                result,
                node.saved,
                *primals,
                wanted=wanted,
                into=[None] * len(wanted),
                **node.params,
            )
            if op.joint is not None
            else [
                rule(g, result, *primals, **node.params) if want and rule is not None else None
                for rule, want in zip(op.rules, wanted, strict=True)
            ]
        )
        for i, (cotangent, tangent) in enumerate(zip(cotangents, tangents, strict=True)):
            if cotangent is not None and tangent is not None:
                like = primals[i]
                total = total + np.sum(project(cotangent, like, node) * tangent)
        if not isinstance(total, Tensor):
            return zeros(node.result, [t for t in tangents if t is not None])
        (moved,) = gradients(total, [g], create_graph=recorded, retain_graph=True)
    return moved if recorded else moved.numpy()


def _push_composite(
    node: Node, tangents: Sequence[Any], primals: Sequence[Any], recorded: bool
) -> Any:
    """Return the tangent of a fused node's result, pushed through its composite."""
    op: Any = node.op
    moving = [i for i, tangent in enumerate(tangents) if tangent is not None]
    args = list(primals)
    with record_composites():
        for i in moving:
            args[i] = _fresh(args[i], op.name)
        output = op.composite(*args, **node.params)
    moves = [t if isinstance(t, Tensor) else constant(t) for t in (tangents[i] for i in moving)]
    (moved,) = push([output], [args[i] for i in moving], moves, recorded)
    return moved if recorded else moved.numpy()


# ------------------------------------------------------------------------------ definitions


def jacobian(f: Function, argnums: int = 0, *, mode: str = "auto") -> Function:
    """Return the function that gives the Jacobian of `f`, shape ``output.shape + input.shape``.

    Parameters
    ----------
    f : callable
        Function of arrays or Tensors that returns one Tensor.
    argnums : int
        The positional argument to differentiate with respect to.
    mode : {"auto", "reverse", "forward"}
        One reverse sweep per output element, or one forward push per input element; by default
        whichever are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    """
    if mode not in ("auto", "reverse", "forward"):
        raise GradientError(
            f"jacobian: mode must be 'auto', 'reverse' or 'forward', not {mode!r}\n"
            f"  at {users_line()}"
        )

    @functools.wraps(f)
    def rows(*args: Any, **kwargs: Any) -> Tensor:
        (chosen,) = _split(argnums, args, "jacobian")
        with record_composites():
            x = _fresh(args[chosen], "jacobian")
            output = _result(f(*args[:chosen], x, *args[chosen + 1 :], **kwargs), "jacobian")
        shape = output.shape + x.shape
        if output.size == 0 or x.size == 0:
            return constant(np.zeros(shape, output.dtype))
        if mode == "reverse" or (mode == "auto" and output.size <= x.size):
            parts = [
                np.reshape(_pull(output, [x], seed)[0], (1, *x.shape)) for seed in _basis(output)
            ]
            return np.reshape(np.concatenate(parts), shape)  # type: ignore[return-value]  # NumPy's types do not know NEP 18
        again = is_recording() and _depends_beyond(output, [x])
        columns = [
            np.reshape(push([output], [x], [seed], again)[0], (*output.shape, 1))
            for seed in _basis(x)
        ]
        return np.reshape(np.concatenate(columns, axis=-1), shape)  # type: ignore[return-value]  # as above

    return rows


def _basis(tensor: Tensor) -> list[Tensor]:
    """Return the unit vectors of the tensor's space."""
    eye = np.eye(tensor.size, dtype=tensor.dtype)
    return [constant(row.reshape(tensor.shape)) for row in eye]


def hessian(f: Function, argnums: int = 0) -> Function:
    """Return the function that gives the Hessian of a scalar function.

    The result has shape ``input.shape + input.shape``.

    Examples
    --------
    >>> import numpy as np
    >>> hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, primals: Any, vectors: Any) -> Any:
    """Return the Hessian of a scalar function times a vector, without forming the Hessian.

    A tangent is pushed through the recorded reverse sweep.

    Parameters
    ----------
    f : callable
        Function of arrays or Tensors that returns a scalar Tensor.
    primals : array_like or tuple of array_like
        Where to differentiate; a tuple for a function of several arguments.
    vectors : array_like or tuple of array_like
        The vector, of the shape of `primals`.

    Returns
    -------
    Tensor or tuple of Tensor
        Of the shape of `primals`.

    References
    ----------
    B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994),
    eq. 3.

    Examples
    --------
    >>> hvp(lambda x: x**3, 2.0, 1.0)
    Tensor(12.)
    """
    single = not isinstance(primals, tuple)
    points = (primals,) if single else primals
    directions = (vectors,) if single else vectors
    if len(points) != len(directions):
        raise GradientError(
            f"hvp: {len(points)} primals but {len(directions)} vectors\n  at {users_line()}"
        )
    with record_composites():
        inputs = [_fresh(point, "hvp") for point in points]
        output = _result(f(*inputs), "hvp")
        seed = output.seed(None, "hvp", as_tensor=True)
        found = (
            gradients(output, inputs, seed, create_graph=True)
            if output.node is not None
            else [constant(np.zeros_like(tensor.numpy())) for tensor in inputs]
        )
    moves = [
        tensor.seed(v, "hvp(vectors)", as_tensor=True)
        for tensor, v in zip(inputs, directions, strict=True)
    ]
    again = is_recording() and (
        _depends_beyond(output, inputs) or any(tangent.requires_grad for tangent in moves)
    )
    products = tuple(push(found, inputs, moves, again))
    return products[0] if single else products
