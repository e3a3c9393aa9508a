"""Rows that make ranges of numbers between two ends that have a gradient.

The places between the ends are the host's; the ends are arrays. This file knows how much of each
end is in each number. Read ``special.py`` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import Op, case, composite, linear, op
from tinygrad_edu.errors import UnsupportedError, explain
from tinygrad_edu.ops.signal import weighted

__all__ = ["geomspace", "linspace", "logspace"]


def _shares(num: int, endpoint: bool) -> tuple[Any, Any]:
    """Return how much of start, and of stop, is in each number."""
    along = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    return 1 - along, along


def _part(g: Any, end: int, num: int, endpoint: bool, axis: int) -> Any:
    """Return the sum over the range of a cotangent times the share of an end."""
    shape = tuple(num if i == axis % g.ndim else 1 for i in range(g.ndim))
    return np.sum(weighted(g, np.reshape(_shares(num, endpoint)[end], shape)), axis=axis)


def _linspace(
    start: Any,
    stop: Any,
    *,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    axis: int = 0,
) -> Any:
    if retstep:
        raise UnsupportedError(
            explain(
                "linspace",
                "the step beside the numbers is a second result",
                fix="compute it as (stop - start) / (num - 1), with endpoint=False over num",
            )
        )
    return np.linspace(start, stop, num, endpoint, axis=axis)


def _linspace_to(end: int) -> Any:
    """Return the adjoint of linspace for one of its ends."""
    return lambda g, _y, _start, _stop, *, num, endpoint, axis, **_retstep: _part(
        g, end, num, endpoint, axis
    )


def _range_batch(row: Op, batched: Sequence[bool], arrays: Sequence[Any], params: Any) -> Any:
    """Make the ranges of every example, whose ends broadcast behind the batch."""
    most = max(np.ndim(a) - moves for a, moves in zip(arrays, batched, strict=True))
    ends = [
        np.reshape(a, (len(a), *(1,) * (most + 1 - a.ndim), *a.shape[1:])) if moves else a
        for a, moves in zip(arrays, batched, strict=True)
    ]
    return row.through(ends, {**params, "axis": params["axis"] % (most + 1) + 1})


_RANGE: dict[str, Any] = {
    "pattern": "scale",
    "signature": "(),()->(n)",
    "broadcasts": True,
    "batch": _range_batch,
}
linspace: Op = linear(
    _linspace,
    _linspace_to(0),
    _linspace_to(1),
    doc="Numbers at equal distances from start to stop.",
    formula="start + i (stop - start) / (num - 1)",
    latex=r"a + \frac{i}{n - 1} (b - a)",
    functions=(np.linspace,),
    arguments=("start", "stop"),
    order="start stop num endpoint retstep dtype axis device",
    policy="the ends themselves, when they are among the numbers, are exact",
    cases=(
        case((), (), num=5),
        case((2, 3), (3,), num=4, endpoint=False),
        case((2,), (3, 1), num=3, axis=-1),
        case((2, 3), (2, 3), num=3, axis=1),
        case((), (2,), num=1),
        case((2,), (), num=0, axis=1),
    ),
    **_RANGE,
    local=("'Σ (1 − t) {g}, t from 0 to 1'", "'Σ t {g}, t from 0 to 1'"),
)


def _geomspace(
    start: Any, stop: Any, *, num: int = 50, endpoint: bool = True, axis: int = 0
) -> Any:
    found = np.geomspace(start, stop, num, endpoint, axis=axis)
    dtype = np.result_type(start, stop)  # NumPy alone makes float64 of float32
    return found.astype(dtype) if dtype.kind == "f" else found


def _geomspace_start(
    g: Any, y: Any, start: Any, _stop: Any, *, num: int, endpoint: bool, axis: int
) -> Any:
    return _part(g * y, 0, num, endpoint, axis) / start


def _geomspace_stop(
    g: Any, y: Any, _start: Any, stop: Any, *, num: int, endpoint: bool, axis: int
) -> Any:
    return _part(g * y, 1, num, endpoint, axis) / stop


geomspace: Op = op(
    _geomspace,
    _geomspace_start,
    _geomspace_stop,
    doc="Numbers from start to stop with equal quotients.",
    formula="start (stop / start)^(i / (num - 1))",
    latex=r"a \left(\frac{b}{a}\right)^{i / (n - 1)}",
    functions=(np.geomspace,),
    order="start stop num endpoint dtype axis",
    domain={"start": (0.0, np.inf), "stop": (0.0, np.inf)},
    policy="both ends need one sign: between others NumPy gives nan, and 0 is refused; float32 "
    "stays float32, of which NumPy makes float64",
    cases=(
        case((), (), num=5),
        case((2, 3), (3,), num=4, endpoint=False),
        case((2,), (2,), num=3, axis=-1),
        case((2,), (), num=1),
        case(np.array([-2.0, -0.5]), np.array(-3.0), num=3),
    ),
    **_RANGE,
    local=("'Σ (1 − t) {g} {y} / {start}, t from 0 to 1'", "'Σ t {g} {y} / {stop}, t from 0 to 1'"),
)


def _logspace(
    start: Any,
    stop: Any,
    base: Any = None,
    *,
    num: int = 50,
    endpoint: bool = True,
    axis: int = 0,
) -> Any:
    """Raise a base, 10 unless given, to powers at equal distances from start to stop."""
    if base is None:
        base = 10.0
    if np.ndim(base):
        # As in NumPy, an array of bases has a say in where the axis of the range is.
        ndim = max(np.ndim(start), np.ndim(stop), np.ndim(base))
        start, stop, base = (
            np.reshape(a, (1,) * (ndim - np.ndim(a)) + np.shape(a)) for a in (start, stop, base)
        )
        base = np.expand_dims(base, axis)
    return np.power(base, linspace(start, stop, num, endpoint, axis=axis))


logspace = composite(
    _logspace,
    functions=(np.logspace,),
    order="start stop num endpoint base dtype axis",
    optional=("base",),
    formula="base ** linspace(start, stop, num)",
    latex=r"c^{a + \frac{i}{n - 1} (b - a)}",
    pattern="scale",
    signature="(),(),()->(n)",
    domain={"base": (0.0, np.inf)},
    cases=(
        case((), (), None, num=4),
        case((2,), (2,), None, num=3, endpoint=False, axis=1),
        case((2, 1), (3,), (), num=3, axis=-1),
        case((), (2,), (2,), num=3),
    ),
)
