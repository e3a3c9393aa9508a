"""What is said when a call goes wrong: NumPy's refusals explained, anomalies, a wider dtype.

This file knows how to word an error or a warning from a row, its arguments and the user's line. It
changes nothing. Read ``core/tensor.py`` next.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from tinygrad_edu.core.graph import Node
from tinygrad_edu.core.op import Op, nearest
from tinygrad_edu.errors import (
    AnomalyError,
    OpError,
    OpTypeError,
    PrecisionWarning,
    TinygradEduError,
    UnsupportedError,
    describe_line,
    explain,
    line_of,
    users_frame,
    users_line,
)

__all__ = [
    "no_row",
    "refuse",
    "refuse_anomalous",
    "refuse_anomaly",
    "refused_result",
    "warn_if_wider",
]

_ndarray = np.ndarray


def refuse(op: Op, arrays: Sequence[Any], error: Exception) -> NoReturn:
    """Raise what NumPy said of the arguments of a row, explained.

    Raises
    ------
    OpError, OpTypeError
        With the arguments, the user's line and, where it is known, the fix. What the row has
        explained itself is left as it is.
    """
    if isinstance(error, TinygradEduError):
        raise error
    names = op.arguments * len(arrays) if op.variadic else op.arguments
    shapes = [a.shape for a in arrays if isinstance(a, _ndarray)]
    problem, fix = str(error), None
    if len(shapes) == 2 and not isinstance(error, TypeError):
        a, b = shapes
        if op.signature == "(),()->()":
            fix = _broadcast_fix(a, b)
        elif op.signature == "(m,k),(k,n)->(m,n)" and op.broadcasts and a and b:
            if a[-1] != b[-2:][0]:
                problem = f"the inner lengths, {a[-1]} of a and {b[-2:][0]} of b, must be equal"
                if a[-1] == b[-1]:
                    fix = f"transpose b, as in np.{op.name}(a, np.swapaxes(b, -1, -2))"
            else:
                problem = f"the stacks, {a[:-2]} of a and {b[:-2]} of b, do not broadcast"
    if isinstance(error, np.exceptions.AxisError) or problem == "tuple index out of range":
        ndim = getattr(error, "ndim", None)
        ndim = ndim if ndim is not None else len(shapes[0])
        problem = problem.replace("tuple index", "axis")
        fix = f"an array with {ndim} axes has the axes {-ndim} to {ndim - 1}"
        fix = fix if ndim else "an array without axes has none to choose; leave axis= out"
    kind = OpTypeError if isinstance(error, TypeError) else OpError
    given = tuple(zip(names, arrays, strict=False))
    text = explain(op.name, problem, arguments=given, fix=fix)
    if isinstance(error, IndexError):
        raise type(kind.__name__, (kind, IndexError), {})(text) from error
    raise kind(text) from error


def _broadcast_fix(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    """Return which axes clash when two shapes are broadcast, and what usually helps."""
    clash = [
        -i
        for i, (n, m) in enumerate(zip(reversed(a), reversed(b), strict=False), start=1)
        if n != m and 1 not in (n, m)
    ]
    axes = ", ".join(f"axis {axis} ({a[axis]} against {b[axis]})" for axis in clash)
    if len(a) != len(b) and len(clash) > 0 and min(a, b, key=len)[-1] in max(a, b, key=len):
        return f"{axes} do not fit; give the smaller one a new axis, such as t[:, None]"
    return f"{axes} do not fit; sizes must be equal, or one of them 1"


def refused_result(op: Op, arrays: Sequence[Any], result: Any) -> OpTypeError:
    """Return the error for a result that is no array of numbers: its gradient would be lost."""
    names = op.arguments * len(arrays) if op.variadic else op.arguments
    kind = (
        f"an array of dtype {result.dtype}" if hasattr(result, "dtype") else type(result).__name__
    )
    return OpTypeError(
        explain(
            op.name,
            f"the result is no array of numbers: {kind}",
            arguments=tuple(zip(names, arrays, strict=True)),
            fix="give numbers that NumPy has a dtype for, as in np.asarray(a, dtype=float)",
        )
    )


_INSTEAD = {
    "copyto": "x = where(mask, source, x) makes a new tensor, x[...] = source an old one",
    "fill_diagonal": "x = fill_diagonal(x, value) of tinygrad_edu makes a new tensor",
    "fix": "np.trunc does the same",
    "linalg.eig": "np.linalg.eigh for a symmetric matrix; of others the eigenvectors turn by any "
    "complex\n       factor, and have no derivative where two eigenvalues meet",
    "linalg.eigvals": "np.linalg.eigvalsh for a symmetric matrix; others have complex eigenvalues, "
    "without\n       a derivative where two of them meet",
    "place": "x = masked_scatter(x, mask, values) of tinygrad_edu makes a new tensor",
    "put": "x = put(x, indices, values) of tinygrad_edu makes a new tensor",
    "put_along_axis": "x = put_along_axis(x, indices, values, axis) of tinygrad_edu makes a copy",
    "putmask": "x = where(mask, values, x) makes a new tensor",
    "roots": "roots are eigenvalues of a matrix that is not symmetric; np.poly goes the other way",
}
"""What to write in place of a function that has no row for a reason, or that changes an array."""


def no_row(name: str) -> UnsupportedError:
    """Return the error for a NumPy function that no row stands for, with what to use instead."""
    other = _INSTEAD.get(name)
    fix = other or "use a function of the table, or t.numpy() if no gradient is needed"
    return UnsupportedError(
        f"np.{name} has no row in the table, so it has no derivative"
        f"{nearest(name.rpartition('.')[2])}\n"
        f"  at {users_line()}\n"
        f"  fix: {fix}"
    )


def warn_if_wider(
    op: Op,
    arrays: Sequence[Any],
    upstream: Sequence[Node | None],
    leaf: Node,
    dtype: np.dtype[Any],
) -> bool:
    """Warn, once a line, if a wider operand made the result wider than a leaf; return whether."""
    if dtype.kind != "f" or leaf.result.dtype.itemsize >= dtype.itemsize:
        return False
    if all(getattr(array, "dtype", None) != dtype for array in arrays):
        return False
    frame = users_frame(3)
    place = filename, number = line_of(frame.f_code, frame.f_lasti)
    if any(_widened(node, place) for node in upstream):
        return False  # the line has been told of the value that came in
    called = getattr(leaf, "name", "")
    name = f"tensor {called!r}" if called else f"tensor of shape {leaf.result.shape}"
    warnings.warn_explicit(
        f"{op.name}: a {leaf.result.dtype} {name} met a {dtype} value, the result is "
        f"{dtype}\n  at {describe_line(frame.f_code, frame.f_lasti)}\n"
        f"  fix: convert the value once, as in x.astype(np.{leaf.result.dtype})",
        PrecisionWarning,
        filename,
        number,
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
    return True


def _widened(node: Node | None, place: tuple[str, int]) -> bool:
    """Return whether a node, or one before it made in the same line, has widened a leaf."""
    stack = [node]
    while stack:
        node = stack.pop()
        if node is None or not node.upstream:
            continue
        if node.code is None or line_of(node.code, node.lasti) != place:
            continue
        for up in node.upstream:
            if up is not None and up.result.dtype.itemsize < node.result.dtype.itemsize:
                return True
            stack.append(up)
    return False


def refuse_anomalous(op: Op, arrays: Sequence[Any], result: Any) -> None:
    """Raise if a result is not finite, naming the op and what it was made of."""
    where = _not_finite(result)
    if where is None:
        return
    names = op.arguments * len(arrays) if op.variadic else op.arguments
    fault = f"the result is {result[where]} at {list(where)}"
    for name, array in zip(names, arrays, strict=True):
        before = None if array is None else _not_finite(np.asarray(array))
        if before is not None:
            value = np.asarray(array)[before]
            fault += f"; its argument {name} is {value} at {list(before)} already"
            break
    else:
        if op.kind == "elementwise":
            values = [np.broadcast_to(a, result.shape)[where] for a in arrays]
            made = ", ".join(f"{n} = {v}" for n, v in zip(names, values, strict=True))
            fault += f", where {made}"
    arguments = tuple(zip(names, arrays, strict=True))
    raise AnomalyError(
        explain(op.name, fault, arguments=arguments, fix="look at the values before this line")
    )


def _not_finite(array: Any) -> tuple[int, ...] | None:
    """Return the index of the first nan or inf of an array, or ``None``."""
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return None
    return tuple(np.argwhere(~np.isfinite(array))[0].tolist())


def refuse_anomaly(node: Node, i: int, cotangent: Any) -> None:
    """Raise if a cotangent is not finite, naming the op, its argument and the user's line."""
    value = getattr(cotangent, "_data", cotangent)
    where = _not_finite(value)
    if where is not None:
        op: Any = node.op
        name = op.arguments[0 if op.variadic else i]
        policy = f"\n       what the op promises there: {op.policy}" if op.policy else ""
        raise AnomalyError(
            explain(
                op.name,
                f"the gradient for its argument {name} is {value[where]} at {list(where)}",
                arguments=((name, node.primals[i]), ("result", node.result)),
                where=node.line,
                fix=f"keep the argument away from where the op has no finite slope{policy}",
            )
        )
