"""Functions of functions: one of Tensors, given by the caller, applied to parts of an array.

The caller's function is called with Tensors and written in rows, so its gradient is that of the
rows. This file knows which part each call sees and where its result goes. For one call of all parts
at once see `vmap`. Read ``sets.py`` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, composite
from tinygrad_edu.errors import OpError, explain
from tinygrad_edu.ops.elementwise import square
from tinygrad_edu.ops.index import setitem
from tinygrad_edu.ops.reduce import max as max_
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import expand_dims, moveaxis, reshape, stack

__all__ = ["apply_along_axis", "apply_over_axes", "piecewise"]


def _axis_of(name: str, axis: int, x: Any) -> int:
    """Return an axis counted from the front."""
    ndim = np.ndim(x)
    if not -ndim <= axis < ndim:
        raise OpError(
            explain(
                name,
                f"axis {axis} is none of {ndim}",
                arguments=(("x", x),),
                fix=f"give one from {-ndim} to {ndim - 1}" if ndim else "give an array with axes",
            )
        )
    return axis % ndim


def _apply_along_axis(x: Any, *, func1d: Callable[..., Any], axis: int, args: Any = ()) -> Any:
    """Call a function with each vector along an axis, and put its results in their place."""
    axis = _axis_of("apply_along_axis", axis, x)
    vectors = moveaxis(x, axis, -1)
    outer = vectors.shape[:-1]
    found = [func1d(vectors[(*place, ...)], *args) for place in np.ndindex(*outer)]
    if not found:
        raise OpError(
            explain(
                "apply_along_axis",
                "there is no vector to call the function with",
                arguments=(("x", x),),
                fix="leave empty arrays out",
            )
        )
    inner = np.shape(found[0])
    results = reshape(stack(found), (*outer, *inner))
    return moveaxis(
        results, tuple(range(len(outer), results.ndim)), tuple(range(axis, axis + len(inner)))
    )


def _apply_over_axes(x: Any, *, func: Callable[..., Any], axes: Any) -> Any:
    """Call a function that reduces an axis for one axis after the other, keeping each as 1."""
    for axis in (axes,) if np.ndim(axes) == 0 else tuple(axes):
        place = _axis_of("apply_over_axes", int(axis), x)
        found = func(x, place)
        if np.ndim(found) == np.ndim(x) - 1:
            found = expand_dims(found, place)
        if np.ndim(found) != np.ndim(x):
            raise OpError(
                explain(
                    "apply_over_axes",
                    f"of {np.ndim(x)} axes the function left {np.ndim(found)}",
                    fix="give a function that keeps an axis or takes it away, such as np.sum",
                )
            )
        x = found
    return x


def _piecewise(x: Any, *, condlist: Any, funclist: Sequence[Any], args: Any = ()) -> Any:
    """Take each element from the function, or number, of the last condition that holds there."""
    if np.ndim(condlist) == 0 or (np.ndim(condlist[0]) == 0 and np.ndim(x) != 0):
        condlist = [condlist]
    conditions = [np.not_equal(condition, 0) for condition in condlist]
    if len(conditions) == len(funclist) - 1:
        other = conditions[0]
        for condition in conditions[1:]:
            other = np.logical_or(other, condition)
        conditions.append(np.logical_not(other))
    elif len(conditions) != len(funclist):
        raise OpError(
            explain(
                "piecewise",
                f"{len(conditions)} conditions were given for {len(funclist)} functions",
                fix="give one function for each condition, and one more for where none holds",
            )
        )
    found = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            found = setitem(found, condition, function)
            continue
        # Called with nothing else: elsewhere the function, or its slope, may be infinite.
        chosen = x[condition]
        if np.size(chosen):
            found = setitem(found, condition, function(chosen, *args))
    return found


_STEP = np.array([[-1.5, 0.5, 2.0], [0.25, -0.5, 1.5]])
apply_along_axis = composite(
    _apply_along_axis, functions=(np.apply_along_axis,), order="func1d axis x *args",
    formula="func1d(x[..., :, ...])", latex="f(x_{i,:})", pattern="route", signature="(n)->(m)",
    policy="keywords of the function are given by a lambda; the gradient is that of its rows",
    cases=(
        case((2, 3), func1d=lambda v: np.sum(v * v), axis=0),
        case((2, 3, 2), func1d=lambda v: np.cumsum(v) * v[0], axis=-2),
        case((3, 2), func1d=lambda v, k: np.stack([v, v * k]), axis=1, args=(2.5,)),
        case((3,), func1d=lambda v: np.outer(v, v), axis=0),
    ),
)  # fmt: skip
apply_over_axes = composite(
    _apply_over_axes, functions=(np.apply_over_axes,), order="func x axes",
    formula="func(x, axis) for axis in axes", latex="f(f(x, a_1), a_2)", pattern="route",
    signature="(n)->()", kinks={"x": "ties"}, policy="that of the function",
    cases=(
        case((2, 3, 2), func=sum_, axes=(0, -1)), case((2, 3), func=max_, axes=1),
        case((3, 2), func=lambda x, axis: np.cumsum(x, axis), axes=[0]),
    ),
)  # fmt: skip
piecewise = composite(
    _piecewise, functions=(np.piecewise,), order="x condlist funclist *args",
    formula="funclist[k](x) of the last k with condlist[k]", pattern="route", signature="()->()",
    latex=r"\begin{cases} f_k(x) & c_k \text{, the last} \\ 0 & \text{none} \end{cases}",
    policy="each function is called with the elements it is for: what is nan or infinite elsewhere "
    "does not count; keywords of the functions are given by a lambda",
    cases=(
        case(_STEP, condlist=[_STEP < 0, _STEP > 1], funclist=[square, np.exp, np.sin]),
        case(_STEP, condlist=[_STEP > 0], funclist=[np.log, 0.25]),
        case(_STEP[0], condlist=_STEP[0] > 0, funclist=[lambda v, k: k * v * v], args=(1.5,)),
        case((2,), condlist=[[True, False], [True, True]], funclist=[-1.0, np.exp]),
        case(np.array(0.7), condlist=[True], funclist=[np.log]),
    ),
)  # fmt: skip
