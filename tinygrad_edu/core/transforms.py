"""Derivatives as functions: gradients, grad, vjp, jvp, linearize, jacobian, hessian, hvp, vhp.

This file knows how to drive the two sweeps for a user's function, whose arguments and results may
be trees. It knows no rule of calculus. Higher operators are definitions: a Hessian is the Jacobian
of a gradient. Read ``core/batching.py`` next, or a file of rows in ``ops/``.

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

from tinygrad_edu.core.batching import raw, spread, within_same, wrapped
from tinygrad_edu.core.complaints import refuse_anomaly
from tinygrad_edu.core.forward import push
from tinygrad_edu.core.graph import ancestors, reverse_sweep, turned
from tinygrad_edu.core.lift import Recorded
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.switch import enable_grad, is_recording, is_watched, record_composites
from tinygrad_edu.core.tensor import Tensor, constant, fresh, owned
from tinygrad_edu.core.tree import Tree, flatten, matching
from tinygrad_edu.errors import (
    GradientError,
    GradientTypeError,
    OpTypeError,
    demand_callable,
    users_frame,
    users_line,
)

__all__ = [
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linearize",
    "value_and_grad",
    "vhp",
    "vjp",
]

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def gradients(
    output: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    seed: Any = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> tuple[Tensor, ...]:
    """Return the gradients of `output` with respect to `inputs`, leaving every ``grad`` as it is.

    Parameters
    ----------
    output : Tensor or sequence of Tensor
        The result to differentiate; a scalar unless `seed` is given. Of several, the gradients are
        added up.
    inputs : sequence of Tensor
        Leaves or computed tensors of the graph of `output`.
    seed : array_like, shape of `output`, optional
        The cotangent to start from; 1 for a scalar. One for each output if there are several.
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
    if not isinstance(output, (Tensor, list, tuple)):
        raise _no_output(output)
    if not isinstance(inputs, (list, tuple)):
        raise GradientTypeError(
            f"gradients: the inputs are one {type(inputs).__name__}, not a list of tensors\n"
            f"  at {users_line()}\n  fix: gradients(output, [x]), even if there is only one input"
        )
    outputs = [output] if isinstance(output, Tensor) else list(output)
    seeds = [seed] if isinstance(output, Tensor) or seed is None else list(seed)
    if len(outputs) != len(seeds) and seed is not None:
        raise GradientError(
            f"gradients: {len(outputs)} outputs but {len(seeds)} seeds\n  at {users_line()}\n"
            "  fix: give one seed per output"
        )
    for i, tensor in enumerate(inputs):
        if not isinstance(tensor, Tensor) or not tensor.requires_grad:
            raise GradientError(
                f"gradients: input {i} is a constant, no gradient can flow to it\n"
                f"  at {users_line()}\n"
                "  fix: make it with requires_grad=True before computing the output"
            )
    for out in outputs:
        if not isinstance(out, Tensor):
            raise _no_output(out)
        raw(out).rooted("gradients")
    starts = []
    for out, given in zip(outputs, seeds * (len(outputs) // len(seeds)), strict=True):
        if given is None and out.size == 1 and out.dtype.kind != "c":
            starts.append(_one(raw(out)))
        else:
            start = given if given is None else raw(given)
            starts.append(raw(out).seed(start, "gradients(seed=)", as_tensor=True))
    frame = users_frame(2)
    freed_by = None if retain_graph or create_graph else (frame.f_code, frame.f_lasti)
    found = _swept(
        [raw(out) for out in outputs],
        [spread(tensor, "gradients") for tensor in inputs],
        starts,
        create_graph,
        freed_by,
    )
    return tuple(wrapped(gradient) for gradient in found)


def _no_output(output: Any) -> GradientTypeError:
    return GradientTypeError(
        f"gradients: the output is a {type(output).__name__}, not a tensor\n"
        f"  at {users_line()}\n  fix: give the Tensor that was computed from the inputs"
    )


def _swept(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    recorded: bool,
    freed_by: Any = None,
) -> list[Tensor]:
    """Return the gradients of the outputs, together, with respect to each of the inputs."""
    starts: dict[Any, Any] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        if output.node is not None:
            start = turned(seed if recorded else seed.numpy())
            earlier = starts.get(output.node)
            starts[output.node] = start if earlier is None else earlier + start
    nodes = [tensor.node for tensor in inputs if tensor.node is not None]
    watch = refuse_anomaly if is_watched() else None
    found: dict[Any, Any] = {}
    if starts and recorded:
        with enable_grad():
            found = reverse_sweep(starts, nodes, lift=Recorded(), watch=watch)
    elif starts:
        found = reverse_sweep(starts, nodes, freed_by=freed_by, watch=watch)
    return [
        owned(turned(found[tensor.node]))
        if tensor.node in found
        else constant(np.zeros_like(tensor.numpy()))
        for tensor in inputs
    ]


# ------------------------------------------------------------------------------ in and out


def _fresh(value: Any, what: str) -> Tensor:
    """Return an input of a transform on a node of its own, linked to where the value came from."""
    tensor = value if isinstance(value, Tensor) else Tensor(value)
    if tensor.dtype.kind not in "fc":
        if isinstance(value, int) and not isinstance(value, bool):
            return fresh(raw(Tensor(float(value))))
        raise GradientTypeError(
            f"{what}: cannot differentiate with respect to {tensor.dtype} values\n"
            f"  at {users_line()}\n"
            "  fix: convert the input to a floating dtype, as in x.astype(float)"
        )
    return fresh(raw(tensor))


Regroup = Callable[[Sequence[Tensor]], list[Tree]]


def _entered(args: Sequence[Tree], what: str) -> tuple[list[Tree], list[Tensor], Regroup]:
    """Return trees with fresh tensors as leaves, those tensors, and what puts others like them."""
    tensors: list[Tensor] = []
    filled, rebuilds = [], []
    for arg in args:
        leaves, rebuild = flatten(arg)
        entered = [_fresh(leaf, what) for leaf in leaves]
        tensors += entered
        filled.append(rebuild([wrapped(tensor) for tensor in entered]))
        rebuilds.append((rebuild, len(leaves)))

    def regroup(found: Sequence[Tensor]) -> list[Tree]:
        rest = [wrapped(tensor) for tensor in found]
        trees = []
        for rebuild, count in rebuilds:
            trees.append(rebuild(rest[:count]))
            rest = rest[count:]
        return trees

    return filled, tensors, regroup


def _results(output: Tree, what: str) -> tuple[list[Tensor], Regroup]:
    """Return the tensors of what a function returned, and what puts others in their place."""
    leaves, rebuild = flatten(output)
    for leaf in leaves or [None]:
        if not isinstance(leaf, Tensor):
            raise GradientTypeError(
                f"{what}: the function returned a {type(leaf).__name__}, not a tensor\n"
                f"  at {users_line()}\n"
                "  fix: return Tensors; values taken out with float(), .item() or .numpy() have "
                "lost their\n       gradient, and a constant is Tensor(c)"
            )
    return [raw(leaf) for leaf in leaves], lambda found: [rebuild([wrapped(t) for t in found])]


def _scalar(output: Any, what: str) -> Tensor:
    """Return the one scalar that a function has to return to have a gradient."""
    leaves, _ = flatten(output)
    if len(leaves) != 1 or leaves[0] is not output:
        kind = "nothing" if output is None else f"a {type(output).__name__} of {len(leaves)} values"
        raise GradientError(
            f"{what}: the function returned {kind}, a gradient needs one scalar\n"
            f"  at {users_line()}\n"
            "  fix: return one scalar; use has_aux=True to return others beside it, or vjp"
        )
    _results(output, what)
    if output.size != 1:
        raise GradientError(
            f"{what}: the function returned shape {output.shape}, a gradient needs a scalar\n"
            f"  at {users_line()}\n"
            "  fix: reduce it, as in y.sum(), or use jacobian or vjp"
        )
    if output.dtype.kind == "c":
        raise GradientError(
            f"{what}: a gradient starts from a real scalar, the function returned a complex one\n"
            f"  at {users_line()}\n  fix: make it real, as in abs(loss) or loss.real, or use vjp"
        )
    whole: Tensor = raw(output)
    return whole


def _depends_beyond(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
    """Return whether outputs depend on more than the inputs: a derivative is then recorded.

    That is so inside another transform, and for functions that use parameters of a model.
    """
    roots = [output.node for output in outputs if output.node is not None]
    known = {tensor.node for tensor in inputs}
    return any(node.op is None and node not in known for node in ancestors(*roots))


def _again(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], given: Sequence[Tensor] = ()
) -> bool:
    """Return whether somebody may differentiate again what is found of these outputs."""
    return is_recording() and (
        any(tensor.requires_grad for tensor in given) or _depends_beyond(outputs, inputs)
    )


def _kept(outputs: Sequence[Tensor], again: bool) -> list[Tensor]:
    """Return values to give away: constants, unless somebody may differentiate them again."""
    return list(outputs) if again else [output.detach() for output in outputs]


def _split(argnums: Argnums, args: Sequence[Any], what: str) -> tuple[int, ...]:
    several = isinstance(argnums, (tuple, list))
    chosen: Any = tuple(argnums) if several else (argnums,)  # type: ignore[arg-type]  # it is a sequence
    if not all(isinstance(i, (int, np.integer)) for i in chosen):
        raise OpTypeError(
            f"{what}: argnums={argnums!r} is no position of an argument\n  at {users_line()}\n"
            "  fix: give a whole number or a tuple of them, and the function alone: "
            f"{what}(f)(x)"
        )
    if not all(-len(args) <= i < len(args) for i in chosen):
        raise GradientError(
            f"{what}: argnums={argnums} but the function was called with {len(args)} arguments\n"
            f"  at {users_line()}"
        )
    return tuple(i % len(args) for i in chosen)


def _placed(args: Sequence[Any], chosen: Sequence[int], filled: Sequence[Any]) -> list[Any]:
    full = list(args)
    for i, tree in zip(chosen, filled, strict=True):
        full[i] = tree
    return full


# ------------------------------------------------------------------------------ reverse mode


def value_and_grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """Return a function that gives ``(value, gradient)`` of a scalar function.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors that returns a scalar Tensor.
    argnums : int or tuple of int
        The positional argument, or arguments, to differentiate with respect to.
    has_aux : bool
        Whether `f` returns ``(scalar, other)``; the value is then such a pair too.

    Returns
    -------
    callable
        Takes the arguments of `f`; the gradient is a tree of Tensors like the argument, a tuple of
        them if `argnums` is one.

    Examples
    --------
    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    (Tensor(5.), Tensor([2., 4.]))
    >>> loss = lambda p, x: np.sum(p["w"] * x + p["b"])
    >>> grad(loss)({"w": np.array([1.0, 2.0]), "b": 0.5}, np.array([3.0, 4.0]))
    {'w': Tensor([3., 4.]), 'b': Tensor(2.)}
    """
    return _value_and_grad(f, argnums, has_aux, "value_and_grad")


def _value_and_grad(f: Function, argnums: Argnums, has_aux: bool, what: str) -> Function:
    demand_callable(f, what)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        chosen = _split(argnums, args, what)
        with enable_grad():
            filled, inputs, regroup = _entered([args[i] for i in chosen], what)
            found = f(*_placed(args, chosen, filled), **kwargs)
        aux: Any = None
        if has_aux:
            if not isinstance(found, tuple) or len(found) != 2:
                raise GradientError(
                    f"{what}: with has_aux=True the function returns (scalar, other), not a "
                    f"{type(found).__name__}\n  at {users_line()}"
                )
            found, aux = found
        output = _scalar(found, what)
        again = _again([output], inputs)
        slopes = regroup(_swept([output], inputs, [_one(output)], again))
        (value,) = _kept([output], again)
        if has_aux:
            leaves, rebuild = flatten(aux)
            keep = [t.detach() if isinstance(t, Tensor) and not again else t for t in leaves]
            return (wrapped(value), rebuild(keep)), _one_or_all(slopes, argnums)
        return wrapped(value), _one_or_all(slopes, argnums)

    return differentiated


def _one(output: Tensor) -> Tensor:
    return constant(np.ones_like(output.numpy()))


def _one_or_all(found: Sequence[Any], argnums: Argnums) -> Any:
    return found[0] if isinstance(argnums, int) else tuple(found)


def grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """Return the function that gives the gradient of a scalar function.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors that returns a scalar Tensor.
    argnums : int or tuple of int
        The positional argument, or arguments, to differentiate with respect to.
    has_aux : bool
        Whether `f` returns ``(scalar, other)``; the result is then ``(gradient, other)``.

    Examples
    --------
    >>> import numpy as np
    >>> grad(np.tanh)(1.0).item()
    0.41997434161402614
    >>> grad(grad(lambda x: x**3))(2.0)
    Tensor(12.)
    """
    return _grad(f, argnums, has_aux, "grad")


def _grad(f: Function, argnums: Argnums, has_aux: bool, what: str) -> Function:
    both = _value_and_grad(f, argnums, has_aux, what)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, slopes = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return gradient


def vjp(f: Function, *primals: Tree) -> tuple[Tree, Function]:
    """Return ``(value, pullback)``: the pullback maps a cotangent of the value to the primals'.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors that returns a tree of Tensors.
    *primals : tree of array_like
        Where to differentiate.

    Returns
    -------
    value : tree of Tensor
        What `f` returns.
    pullback : callable
        Takes a tree like `value`, returns a tuple of trees like the primals. It may be called
        several times.

    Examples
    --------
    >>> value, pullback = vjp(lambda a, b: a * b, 2.0, 3.0)
    >>> pullback(1.0)
    (Tensor(3.), Tensor(2.))
    """
    demand_callable(f, "vjp")
    with enable_grad():
        filled, inputs, regroup = _entered(primals, "vjp")
        output = f(*filled)
    outputs, rebuild = _results(output, "vjp")

    refuse_elsewhere = within_same("this pullback")

    def pullback(cotangent: Tree) -> tuple[Tree, ...]:
        refuse_elsewhere()
        seeds = _moves([cotangent], [output], outputs, "pullback")
        return tuple(regroup(_swept(outputs, inputs, seeds, _again(outputs, inputs, seeds))))

    return rebuild(_kept(outputs, _again(outputs, inputs)))[0], pullback


def _moves(
    given: Sequence[Tree], like: Sequence[Tree], tensors: Sequence[Tensor], what: str
) -> list[Tensor]:
    """Return the leaves of trees of tangents, or of cotangents, each of its tensor's form."""
    pairs = zip(given, like, strict=True)
    leaves = [leaf for tree, other in pairs for leaf in matching(tree, other, what)]
    return [
        tensor.seed(None if leaf is None else raw(leaf), what, as_tensor=True)
        for leaf, tensor in zip(leaves, tensors, strict=True)
    ]


# ------------------------------------------------------------------------------ forward mode


def jvp(f: Function, primals: Sequence[Tree], tangents: Sequence[Tree]) -> tuple[Tree, Tree]:
    """Return ``(value, tangent)``: the directional derivative of `f` along `tangents`.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors that returns a tree of Tensors.
    primals : sequence of trees of array_like
        Where to differentiate.
    tangents : sequence of trees of array_like
        The direction, one per primal, of its containers and shapes.

    Examples
    --------
    >>> jvp(lambda x: x * x, (3.0,), (1.0,))
    (Tensor(9.), Tensor(6.))
    """
    _one_each(primals, tangents, "jvp", "tangents")
    outputs, inputs, rebuild = _forward(f, primals, "jvp")
    moves = _moves(tangents, primals, inputs, "jvp(tangents)")
    again = _again(outputs, inputs, moves)
    moved = push(outputs, inputs, moves, again)
    return rebuild(_kept(outputs, again))[0], rebuild(moved)[0]


def linearize(f: Function, *primals: Tree) -> tuple[Tree, Function]:
    """Return ``(value, push)``: the function runs once, `push` maps tangents through the record.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors that returns a tree of Tensors.
    *primals : tree of array_like
        Where to linearize.

    Returns
    -------
    value : tree of Tensor
        What `f` returns.
    push : callable
        Takes one tangent per primal, returns the tangent of the value. It may be called many times,
        each time at the cost of the linear part alone.

    Examples
    --------
    >>> import numpy as np
    >>> value, push = linearize(np.sin, 0.0)
    >>> push(2.0)
    Tensor(2.)
    """
    outputs, inputs, rebuild = _forward(f, primals, "linearize")

    refuse_elsewhere = within_same("this linear map")

    def linear(*tangents: Tree) -> Tree:
        refuse_elsewhere()
        _one_each(primals, tangents, "linearize", "tangents")
        moves = _moves(tangents, primals, inputs, "linearize(tangents)")
        return rebuild(push(outputs, inputs, moves, _again(outputs, inputs, moves)))[0]

    return rebuild(_kept(outputs, _again(outputs, inputs)))[0], linear


def _forward(
    f: Function, primals: Sequence[Tree], what: str
) -> tuple[list[Tensor], list[Tensor], Regroup]:
    """Return the recorded outputs of a function, its fresh inputs, and the outputs' containers."""
    demand_callable(f, what)
    with record_composites():
        filled, inputs, _ = _entered(primals, what)
        outputs, rebuild = _results(f(*filled), what)
    return outputs, inputs, rebuild


def _one_each(primals: Sequence[Any], given: Sequence[Any], what: str, name: str) -> None:
    for role, value in (("primals", primals), (name, given)):
        if not isinstance(value, (tuple, list)):
            raise OpTypeError(
                f"{what}: the {role} are a {type(value).__name__}, not a tuple\n"
                f"  at {users_line()}\n"
                f"  fix: give one of the {role} per argument, as in {what}(f, (x,), (v,))"
            )
    if len(primals) != len(given):
        raise GradientError(
            f"{what}: {len(primals)} primals but {len(given)} {name}\n  at {users_line()}\n"
            f"  fix: give one of the {name} per primal"
        )


# ------------------------------------------------------------------------------ definitions


def jacobian(f: Function, argnums: Argnums = 0, *, mode: str = "auto") -> Function:
    """Return the function that gives the Jacobian of `f`, shape ``output.shape + input.shape``.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors that returns a tree of Tensors.
    argnums : int or tuple of int
        The positional argument, or arguments, to differentiate with respect to.
    mode : {"auto", "reverse", "forward"}
        One reverse sweep per output element, or one forward push per input element; by default
        whichever are fewer.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns a tree like its result, and in the place of each Tensor
        a tree like the argument (a tuple of them if `argnums` is one), of Jacobians.

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
    return _jacobian(f, argnums, mode, "jacobian")


def _jacobian(f: Function, argnums: Argnums, mode: str, what: str) -> Function:
    demand_callable(f, what)

    @functools.wraps(f)
    def blocks(*args: Any, **kwargs: Any) -> Tree:
        chosen = _split(argnums, args, what)
        with record_composites():
            filled, inputs, regroup = _entered([args[i] for i in chosen], what)
            outputs, rebuild = _results(f(*_placed(args, chosen, filled), **kwargs), what)
        again = _again(outputs, inputs)
        if _direction(mode, outputs, inputs, what) == "reverse":
            table = [_by_rows(y, inputs, again) for y in outputs]
        else:
            table = _by_columns(outputs, inputs, again)
        found = [_one_or_all(regroup([raw(block) for block in row]), argnums) for row in table]
        _, place = flatten(rebuild(outputs)[0])
        return place(found)

    return blocks


def _direction(mode: str, outputs: Sequence[Tensor], inputs: Sequence[Tensor], what: str) -> str:
    """Return whether the Jacobian is found in reverse or forward mode.

    A number tells the derivative of a complex result by a real number, or, as a gradient, of a real
    result by a complex number; a complex result by a complex number needs four real ones.
    """
    into, out = (any(t.dtype.kind == "c" for t in tensors) for tensors in (inputs, outputs))
    if into and out:
        raise GradientTypeError(
            f"{what}: from complex to complex numbers a derivative is no complex number\n"
            f"  at {users_line()}\n"
            "  fix: differentiate a function of the real part and the imaginary part, two real "
            "arrays,\n       or use vjp, jvp or hvp"
        )
    if into or out:
        only = "reverse" if into else "forward"
        if mode not in ("auto", only):
            raise GradientError(
                f"{what}: with complex {'inputs' if into else 'results'} the mode is {only}, not "
                f"{mode!r}\n  at {users_line()}\n  fix: leave mode= out"
            )
        return only
    rows = sum(wrapped(y).size for y in outputs)
    columns = sum(wrapped(x).size for x in inputs)
    return ("reverse" if rows <= columns else "forward") if mode == "auto" else mode


def _by_rows(y: Tensor, inputs: Sequence[Tensor], again: bool) -> list[Tensor]:
    """Return the Jacobians of one output: one reverse sweep for each of its elements."""
    swept = [_swept([y], inputs, [seed], again) for seed in _basis(y)]
    return [_joined([row[i] for row in swept], y, x) for i, x in enumerate(inputs)]


def _by_columns(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], again: bool
) -> list[list[Tensor]]:
    """Return the Jacobians of all outputs: one forward push for each element of each input."""
    table: list[list[Tensor]] = [[] for _ in outputs]
    for x in inputs:
        pushed = [push(outputs, [x], [move], again) for move in _basis(x)]
        for i, (y, row) in enumerate(zip(outputs, table, strict=True)):
            columns = _joined([moved[i] for moved in pushed], x, y)
            count = wrapped(x).ndim
            axes = range(columns.ndim)
            row.append(columns.transpose((*axes[count:], *axes[:count])))
    return table


def _joined(parts: Sequence[Tensor], moved: Tensor, found: Tensor) -> Tensor:
    """Return derivatives, one for each element of `moved`, in one tensor."""
    rows, like = wrapped(moved), wrapped(found)
    if not parts:
        return constant(np.zeros(rows.shape + like.shape, like.dtype))
    stacked = OPS["stack"]([wrapped(part) for part in parts])
    block: Tensor = stacked.reshape(rows.shape + like.shape)
    return block


def _basis(tensor: Tensor) -> list[Tensor]:
    """Return the unit vectors of the tensor's space."""
    shape = wrapped(tensor).shape
    eye = np.eye(int(np.prod(shape)), dtype=tensor.dtype)
    return [raw(constant(row.reshape(shape))) for row in eye]


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that gives the Hessian of a scalar function.

    The result has shape ``input.shape + input.shape``; of a tree it is a tree of trees.

    Examples
    --------
    >>> import numpy as np
    >>> hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return _jacobian(_grad(f, argnums, False, "hessian"), argnums, "auto", "hessian")


def hvp(f: Function, primals: Any, vectors: Any) -> Any:
    """Return the Hessian of a scalar function times a vector, without forming the Hessian.

    A tangent is pushed through the recorded reverse sweep.

    Parameters
    ----------
    f : callable
        Function of trees of arrays or Tensors that returns a scalar Tensor.
    primals : tree of array_like, or tuple of trees
        Where to differentiate; a tuple for a function of several arguments.
    vectors : tree of array_like, or tuple of trees
        The vector, of the containers and shapes of `primals`.

    Returns
    -------
    tree of Tensor, or tuple of trees
        Like `primals`.

    References
    ----------
    B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994),
    eq. 3.

    Examples
    --------
    >>> hvp(lambda x: x**3, 2.0, 1.0)
    Tensor(12.)
    """
    demand_callable(f, "hvp")
    points, directions, single = _several(primals, vectors, "hvp")
    with record_composites():
        filled, inputs, regroup = _entered(points, "hvp")
        output = _scalar(f(*filled), "hvp")
        found = _swept([output], inputs, [_one(output)], True)
    moves = _moves(directions, points, inputs, "hvp(vectors)")
    products = regroup(push(found, inputs, moves, _again([output], inputs, moves)))
    return products[0] if single else tuple(products)


def vhp(f: Function, primals: Any, vectors: Any) -> Any:
    """Return a vector times the Hessian of a scalar function, by two reverse sweeps.

    The Hessian is symmetric, so this is what `hvp` gives; it needs no forward mode, and keeps the
    record of the first sweep.

    Parameters
    ----------
    f, primals, vectors
        As in `hvp`.

    Examples
    --------
    >>> vhp(lambda x: x**3, 2.0, 1.0)
    Tensor(12.)
    """
    demand_callable(f, "vhp")
    points, directions, single = _several(primals, vectors, "vhp")
    with record_composites():
        filled, inputs, regroup = _entered(points, "vhp")
        output = _scalar(f(*filled), "vhp")
        found = _swept([output], inputs, [_one(output)], True)
    seeds = _moves(directions, points, inputs, "vhp(vectors)")
    products = regroup(_swept(found, inputs, seeds, _again([output], inputs, seeds)))
    return products[0] if single else tuple(products)


def _several(
    primals: Any, vectors: Any, what: str
) -> tuple[tuple[Tree, ...], tuple[Tree, ...], bool]:
    """Return primals and vectors as tuples, and whether there is one of each."""
    single = not isinstance(primals, tuple)
    points = (primals,) if single else primals
    directions = (vectors,) if single else tuple(vectors)
    _one_each(points, directions, what, "vectors")
    return points, directions, single
