"""The switch: whether and how calls are recorded, and whether values are watched.

This file knows no Tensor and no graph: four contexts, and what they set. The states belong to the
running thread and task (``contextvars``). Read ``core/tensor.py`` next.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, TypeVar

from tinygrad_edu.errors import OpTypeError

__all__ = [
    "ANNOUNCED",
    "COMPOSITES",
    "ON",
    "WATCHED",
    "announce",
    "announced",
    "detect_anomaly",
    "enable_grad",
    "is_composed",
    "is_recording",
    "is_watched",
    "no_grad",
    "record_composites",
    "recording",
    "sweep_watch",
]

F = TypeVar("F", bound=Callable[..., Any])

ON, COMPOSITES, WATCHED = 1, 2, 4  # bits: record, fused rows as composites, look for nan and inf
ANNOUNCED = 8  # bit: say whose arrays are used
recording: ContextVar[int] = ContextVar("recording", default=ON)
_entered: ContextVar[tuple[_Switch, ...]] = ContextVar("entered", default=())


class _Switch:
    """A context manager, and a decorator, that sets whether and how calls are recorded.

    What is entered is listed in the context, not in the object, so that one object may be entered
    twice, in several threads, and left through an exception. The state is that of the whole list,
    so that contexts may be left in another order than they were entered in: a generator that opens
    one may be finished, or thrown away, at any time. Until then its caller's code runs in the state
    too, which is what ``contextlib.contextmanager`` builds on.
    """

    on, off = 0, 0  # the bits that it sets, and those that it clears

    def __enter__(self) -> Self:
        _entered.set((*_entered.get(), self))
        # Inside a transform of higher order, recording goes on in its stricter way.
        recording.set((recording.get() | self.on) & ~self.off)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        entered = _entered.get()
        if self not in entered:
            return  # a generator that was begun in another thread: nothing was entered in this one
        last = len(entered) - 1 - entered[::-1].index(self)
        entered = (*entered[:last], *entered[last + 1 :])
        mode = ON
        for switch in entered:
            mode = (mode | switch.on) & ~switch.off
        recording.set(mode)
        _entered.set(entered)

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function):
            raise OpTypeError(
                f"{type(self).__name__} cannot decorate the generator {function.__name__}: between "
                "two values the caller's code would run in this state too\n"
                "  fix: open the context inside the generator, around the lines that need it"
            )

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]  # wraps() keeps the signature, mypy cannot tell


class no_grad(_Switch):
    """Context manager and decorator under which nothing is recorded.

    Examples
    --------
    >>> from tinygrad_edu import Tensor, no_grad
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    off = ON | COMPOSITES


class enable_grad(_Switch):
    """Context manager and decorator under which calls are recorded, also inside `no_grad`."""

    on = ON


class record_composites(_Switch):
    """Context under which a fused row is recorded as its composite, for higher orders."""

    on = ON | COMPOSITES


class detect_anomaly(_Switch):
    """Context manager and decorator under which the first nan or inf is an error that names it.

    Forward, the error says which op made it, of what, in which line; backward, which op's rule, for
    which argument. Everything is looked at, so this is slow: for finding a fault, not for training.

    Raises
    ------
    AnomalyError
        A result, or a cotangent, is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu import Tensor, detect_anomaly
    >>> x = Tensor([0.0, 1.0], requires_grad=True)
    >>> with detect_anomaly(), np.errstate(divide="ignore"):  # doctest: +ELLIPSIS
    ...     np.log(x)
    Traceback (most recent call last):
    ...
    tinygrad_edu.errors.AnomalyError: log: the result is -inf at [0], where x = 0.0...
    """

    on = WATCHED


class announced(_Switch):
    """Context in which tensors, modules and optimizers are announced before their arrays are used.

    A capture learns so which arrays a function reads and writes besides its arguments.

    Parameters
    ----------
    meet : callable
        Called with each of them, every time.
    watch : callable, optional
        ``watch(node, i, cotangent)`` is called in every ``backward()``, as `reverse_sweep` says.
    """

    on = ANNOUNCED

    def __init__(
        self,
        meet: Callable[[Any], None],
        watch: Callable[[Any, int, Any], None] | None = None,
    ) -> None:
        self.meet, self.watch = meet, watch


def announce(*owners: Any) -> None:
    """Tell whoever wants to know that the arrays of these objects are going to be used."""
    for switch in _entered.get():
        if isinstance(switch, announced):
            for owner in owners:
                switch.meet(owner)


def sweep_watch() -> Callable[[Any, int, Any], None] | None:
    """Return who watches the sweeps, if anybody does."""
    if not recording.get() & ANNOUNCED:
        return None
    watches = [switch.watch for switch in _entered.get() if isinstance(switch, announced)]
    return watches[-1] if watches else None


def is_recording() -> bool:
    """Return whether calls are recorded now, in this thread."""
    return bool(recording.get() & ON)


def is_composed() -> bool:
    """Return whether fused rows are recorded as their composites now, in this thread."""
    return bool(recording.get() & COMPOSITES)


def is_watched() -> bool:
    """Return whether `detect_anomaly` is on now, in this thread."""
    return bool(recording.get() & WATCHED)
