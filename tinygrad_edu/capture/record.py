"""Capturing: a function is run with recorders in place of its arrays, more than once.

Knows: which runs there are, and what a program is made of. Does not know: how arrays are found
(``owners.py``) and replaced (``run.py``), what NumPy's calls mean, nor the text. Start at
`capture`.

The runs
--------
The first run is an ordinary one, in which whoever owns arrays is announced: tensors, modules and
optimizers. Then two runs are recorded, one with no gradients in the leaves and one with zeros, and
compared call by call and constant by constant. A last ordinary run, from the same state, has to
give what the program gives, to the bit. After each run all contents are put back, and at the end
the generators of random numbers, so that a capture changes nothing.

What no run can show
--------------------
Plain Python leaves no trace. Variables and attributes that the code names are compared in every
call, as ``facts.py`` says. A branch on the clock or on a file, a context variable, an attribute
whose name is made while the function runs, and what plain NumPy or Python makes of data too large
to be compared are written down as they were.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.capture.arguments import Arguments, is_fortran
from tinygrad_edu.capture.chance import Chance
from tinygrad_edu.capture.facts import (
    Fact,
    Facts,
    facts_of_owners,
    hooks_of_owners,
    refuse_changed,
)
from tinygrad_edu.capture.owners import Owners, discover
from tinygrad_edu.capture.program import Bound, Effect, Program, Variable
from tinygrad_edu.capture.run import Run, difference
from tinygrad_edu.capture.source import write
from tinygrad_edu.capture.tape import mapped, same
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CaptureError, demand_callable, users_line

__all__ = ["capture"]

Array = np.ndarray[Any, Any]


def capture(function: Callable[..., Any], *examples: Any) -> Program:
    """Return a function of arrays, or a whole training step, as a straight-line NumPy program.

    Parameters
    ----------
    function : callable
        What to write down: NumPy or the engine, with ``backward()`` and an optimizer's step if
        there are any. It is run a few times; the state is put back after each.
    *examples : ndarray, Tensor, or tree of them
        Arguments for it. The program is one for their shapes and dtypes. It leaves no gradient in
        Tensors that it is given: return ``x.grad`` to have it.

    Returns
    -------
    Program
        ``program(*arguments)`` does what the function does, bit for bit, without the engine;
        ``program.source`` is the text that it runs. What it returns shares memory with nothing.

    Raises
    ------
    CaptureError
        The function cannot be written down so that the program would be right for other numbers:
        it decides by numbers, draws at random, changes arrays that are not its own, keeps values of
        the run, or uses data too large to be compared in every call. The error names the line.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu import Tensor
    >>> def slope(x):
    ...     x = Tensor(x, requires_grad=True)
    ...     y = np.sum(x * x)
    ...     y.backward()
    ...     return x.grad
    >>> program = capture(slope, np.array([1.0, 2.0]))
    >>> program(np.array([3.0, 4.0]))
    array([6., 8.])
    """
    demand_callable(function, "capture")
    arguments = Arguments(function, examples)
    others = [x for x in arguments.leaves if not isinstance(x, (np.ndarray, Tensor))]
    around, chance = Facts(function, *others), Chance()
    chance.keep(around.values)
    try:
        owners = discover(function, arguments, chance, around.values)
        roots = function, *others, *owners.modules, *owners.optimizers, *hooks_of_owners(owners)
        # What was found before the function has run is how it was then.
        facts = [*(Facts(*roots).found | around.found).values(), *facts_of_owners(owners)]
        first, second = (Run(function, arguments, owners, zeros) for zeros in (False, True))
        begins = difference(first, second) is not None
        if begins:  # the gradients there matter, or the function is not the same every time
            unlike = difference(first, Run(function, arguments, owners, False))
            if unlike is not None:
                raise CaptureError(unlike)
        chance.refuse_drawn()
        refuse_changed(facts)
        # Where all had gradients it is seen which of them are dropped.
        run = first if begins else second
        program = _program(function, arguments, owners, facts, run, begins)
        _verify(function, arguments, owners, program)
        del first, second, run  # they hold what the function has made
        program.refuse_large()
    finally:
        chance.put_back()
    return program


def _program(
    function: Callable[..., Any],
    arguments: Arguments,
    owners: Owners,
    facts: Sequence[Fact],
    run: Run,
    begins: bool,
) -> Program:
    """Return the program of a run."""
    name = getattr(function, "__name__", type(function).__name__)
    name = name if name.isidentifier() else "program"
    left = {
        id(tensor): run.gradients[id(tensor)]
        for tensor in owners.arrays_of_leaves()
        if run.gradients[id(tensor)] is not ...
    }
    values = run.tape.values
    returned = {
        owners.names[key]: ref.number
        for key, ref in left.items()
        if ref is not None and values[ref.number].kind != "state"
    }
    parts = _parts({number: array for number, (array, _) in run.state.items()})
    heading = _heading(function, name)
    text = write(name, run.tape, run.inputs, run.result, returned, run.spare, parts, heading)
    state = [
        Bound(text.names[number], array, tuple(holders))
        for number, (array, holders) in run.state.items()
        if number in text.names
    ]
    written = {values[n].home for call in run.tape.calls for n in call.writes}
    effects = [
        Effect(
            tensor,
            owners.names[id(tensor)],
            _kind_of_gradient(left.get(id(tensor), ...), values),
            begins,
            any(
                array is tensor._data and values[n].home in written
                for n, (array, _) in run.state.items()
            ),
            tensor.node.buffer,  # type: ignore[union-attr]  # leaves have one
        )
        for tensor in owners.arrays_of_leaves()
    ]
    variables = [
        Variable(
            text.names[number],
            values[number].shape,
            values[number].dtype,
            "F" if is_fortran(arguments.array(i)) else "C",
        )
        for i, number in zip(arguments.order, run.inputs, strict=True)
    ]
    given = list(arguments.leaves)
    for i, variable in zip(arguments.order, variables, strict=True):
        given[i] = variable
    used = {n for n in text.mentioned if n in run.tape.constants}
    return Program(
        name,
        text,
        variables,
        given,
        arguments.examples,
        state,
        text.returned,
        [run.tape.constants[n] for n in used],
        [each for each in effects if each.begins or each.written or each.gradient is not None],
        facts,
    )


def _parts(state: Mapping[int, Array]) -> dict[int, tuple[int, str]]:
    """Return which arrays are parts of another one, as all parameters of an optimizer are of one.

    Without it a text that is run elsewhere, on copies, would not know.
    """
    wholes = [(n, array) for n, array in state.items() if array.ndim == 1 and _plain(array)]
    wholes.sort(key=lambda each: -each[1].nbytes)
    found: dict[int, tuple[int, str]] = {}
    for number, array in state.items():
        for whole, memory in wholes:
            if whole == number or not (_plain(array) and np.may_share_memory(array, memory)):
                continue
            if array.nbytes < memory.nbytes and array.dtype == memory.dtype:
                start = (_address(array) - _address(memory)) // array.itemsize
                shape = "" if array.ndim == 1 else f".reshape{array.shape}"
                found[number] = whole, f"[{start}:{start + array.size}]{shape}"
                break
    return found


def _plain(array: Array) -> bool:
    return array.flags.c_contiguous


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _kind_of_gradient(left: Any, values: Sequence[Any]) -> str | None:
    if left is ...:
        return None
    if left is None:
        return "none"
    return "state" if values[left.number].kind == "state" else "result"


def _heading(function: Callable[..., Any], name: str) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    where = "" if code is None else f" of {os.path.basename(code.co_filename)}"
    number = "" if code is None else f", line {code.co_firstlineno}"
    text = f"Return what {name}(){where}{number} returns, recorded as straight-line NumPy."
    return re.sub(r'[\\"\r\n]', " ", text)


def _verify(
    function: Callable[..., Any], arguments: Arguments, owners: Owners, program: Program
) -> None:
    """Run the function and the program from the same state; refuse if they differ in any bit."""
    runs: tuple[Callable[[], Any], ...] = (
        partial(arguments.call, function, lambda _i, array: array),
        partial(program, *arguments.examples),
    )
    ends = [_end_of(run, owners, program) for run in runs]
    for expected, got in zip(*ends, strict=True):
        if not same(expected, got):
            worst = ""
            if expected.shape == got.shape and expected.dtype.kind in "fc" and expected.size:
                worst = f", by up to {np.nanmax(np.abs(expected - got)):.2g}"
            raise CaptureError(
                f"capture: the program gives other numbers than the function{worst}\n"
                f"  at {users_line()}\n  fix: look for state that the engine does not know of: the "
                "function may count, or keep arrays of its own"
            )


def _end_of(run: Callable[[], Any], owners: Owners, program: Program) -> list[Array]:
    """Return what a run returns, and leaves in the state and the leaves; all is put back."""
    leaves = owners.arrays_of_leaves()
    for tensor in leaves:
        tensor.grad = None
    found: list[Array] = []

    def keep(part: Any) -> None:
        found.append(np.array(part._data if isinstance(part, Tensor) else part))

    try:
        mapped(keep, run())
        mapped(keep, program.state)
        mapped(keep, [np.nan if tensor.grad is None else tensor.grad for tensor in leaves])
    finally:
        owners.put_back()
    return found
