"""`check_op` and `assert_gradients`: the laws of the table, asked of a user's op or function.

`check_op` draws arguments and asks every law of ``laws.py``. Where one is broken, Hypothesis looks
for the smallest shapes that break it, the checker of ``tinygrad_edu/numeric`` says what is wrong
there, and a program to paste makes it again. A plain function is asked as a row without a rule: its
derivatives are those of the ops that it calls.

Read ``module_check.py`` next, which asks a module.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tinygrad_edu.core.op import BY_FUNCTION, OPS, Op, composite
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import Tensor, constant
from tinygrad_edu.core.transforms import grad
from tinygrad_edu.errors import (
    CheckError,
    GradientTypeError,
    KinkError,
    NumericError,
    OpError,
    OpTypeError,
    TinygradEduError,
    VacuousCheckWarning,
    describe_value,
)
from tinygrad_edu.numeric.check import Report, gradcheck, gradgradcheck
from tinygrad_edu.testing.laws import LAWS, Law
from tinygrad_edu.testing.reproduce import call_source, indented, name_of
from tinygrad_edu.testing.samples import Plan, Sample, plans, sample

__all__ = ["assert_gradients", "check_op", "failed"]

Function = Callable[..., Any]

SLOPES = {"order 1": gradcheck, "jvp": gradcheck, "order 2": gradgradcheck}
"""Laws that compare with a slope, and the checker that knows kinks and steep places."""


# ------------------------------------------------------------------------------ at one point


def assert_gradients(
    f: Function,
    *inputs: Any,
    order: int = 2,
    rng: np.random.Generator | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-10,
) -> Report:
    """Return the report on the derivatives of `f` at a point, up to an order; raise if one differs.

    Each order is `gradcheck` of the derivative one below: the second order is `gradgradcheck`, the
    third that of the gradient along a random cotangent, and so on.

    Parameters
    ----------
    f : callable or module
        Takes Tensors, returns a Tensor or a tuple of them.
    *inputs : array_like or Tensor
        The point. Floating arrays move; the rest is handed on as it is.
    order : int, positive
        The highest order.
    rng : numpy.random.Generator, optional
        Draws weights and directions; by default the same ones each time.
    rtol, atol : float
        As `gradcheck` takes them. That `atol` is not zero lets a derivative be zero that is the
        difference of equal numbers; with 0 a function may be as small as it likes.

    Raises
    ------
    CheckError, KinkError
        A derivative is wrong; the text ends with a program that shows it again.
    NumericError
        `order` is not positive.

    Examples
    --------
    >>> print(assert_gradients(np.tanh, np.array([0.5, -1.0]), order=3).outcome)
    passed
    """
    if order < 1:
        raise NumericError(
            f"assert_gradients: order is {order}; expected 1, 2 or more\n"
            "  fix: order=1 for the gradient alone"
        )
    given: list[Any] = [x.numpy() if isinstance(x, Tensor) else x for x in inputs]
    rng = np.random.default_rng(0) if rng is None else rng
    report = Report(True, "passed", "")
    try:
        with warnings.catch_warnings():
            if order > 1:  # a derivative of higher order may well be zero
                warnings.simplefilter("ignore", VacuousCheckWarning)
            report = gradcheck(f, inputs, rng=rng, rtol=rtol, atol=atol)
            below = f
            for number in range(2, order + 1):
                higher = gradgradcheck(below, inputs, rng=rng, rtol=rtol, atol=atol)
                report = replace(report, text=f"{report.text}\n{higher.text}")
                below = _gradient(below, inputs) if number < order else below
    except CheckError as error:
        keywords: dict[str, Any] = {"order": order}
        keywords.update({} if rtol == 1e-6 else {"rtol": rtol})
        keywords.update({} if atol == 1e-10 else {"atol": atol})
        program = call_source(f, assert_gradients, given, keywords)
        raise failed(str(error), program, error) from None
    return report


def _gradient(f: Function, inputs: Sequence[Any]) -> Function:
    """Return the gradient of a function whose results are weighted at random."""
    moving = tuple(i for i, x in enumerate(inputs) if _floats(x))

    def weighted(*args: Any) -> Any:
        outputs = f(*args)
        total: Any = 0.0
        for k, out in enumerate(outputs if isinstance(outputs, (tuple, list)) else [outputs]):
            weights = np.random.default_rng((k, int(out.size))).uniform(0.5, 1.5, out.shape)
            total = total + np.sum(out * weights.astype(out.dtype))
        return total

    weighted.__name__ = f"{name_of(f)}′"
    return grad(weighted, moving)


def _floats(value: Any) -> bool:
    dtype = value.dtype if isinstance(value, (np.ndarray, Tensor)) else np.asarray(value).dtype
    return bool(dtype.kind == "f")


def failed(text: str, program: str, error: CheckError | None = None) -> CheckError:
    """Return the exception of a failed check, with the program that makes it again.

    Parameters
    ----------
    text : str
        What is wrong.
    program : str
        Python source.
    error : CheckError, optional
        Whose class, outcome and report the new one has.
    """
    whole = f"{text}\n  reproduce:\n\n{indented(program, 6)}\n"
    new = CheckError(whole) if error is None else type(error)(whole)
    if error is not None:
        new.outcome = error.outcome
    found = Report(False, new.outcome, whole) if error is None else error.report
    new.report = replace(found, text=whole) if found is not None else None
    return new


# ------------------------------------------------------------------------------ at drawn points


def check_op(
    op: Op | Function,
    *entries: Any,
    params: Mapping[str, Any] | None = None,
    shapes: Any = None,
    domain: Mapping[str, tuple[float, float]] | None = None,
    kinks: Mapping[str, Sequence[float] | Literal["ties"]] | None = None,
    laws: Iterable[str] | None = None,
    order: int = 2,
    examples: int = 20,
    seed: int = 0,
) -> Report:
    """Return the report on an op, or a function of ops, under the laws that the table obeys.

    Values, first and second order against slopes, forward mode, linearity, duality, symmetry,
    float32, layouts in memory, empty arrays, and that nothing is written: see `LAWS`. The numbers
    are well scaled, inside the domain and away from kinks. A failure shrinks to the smallest
    shapes, and its text ends with a program that makes it again.

    Parameters
    ----------
    op : Op or callable
        A row, or a function of Tensors; of a function the positional parameters without a default
        are drawn.
    *entries : tuple of int, or array_like
        One call: per argument a shape, to be filled, or a fixed value. Without them a row is
        called with its cases (an elementwise one with drawn shapes too), and a function with drawn
        shapes.
    params : mapping, optional
        Keyword parameters of the call.
    shapes : Hypothesis strategy, optional
        Draws the entries: a tuple with one shape per argument. By default shapes that broadcast.
    domain : mapping of str to (float, float), optional
        Argument -> open interval, for a function; a row says its own.
    kinks : mapping of str to sequence of float or "ties", optional
        Argument -> points without a derivative, for a function; a row says its own.
    laws : iterable of str, optional
        Names of the laws to ask; all by default.
    order : {1, 2}
        The highest order of derivatives.
    examples : int, positive
        Calls that are drawn for each law.
    seed : int
        Seeds everything that is drawn.

    Raises
    ------
    CheckError, KinkError
        A law does not hold, or the function has a kink where it was called.
    OpError, OpTypeError
        It is unknown how to call the op, or a law is.

    Examples
    --------
    >>> print(check_op(lambda x: np.sum(np.tanh(x) ** 2)).outcome)
    passed
    """
    row = _row(op, entries, domain, kinks)
    chosen = _laws(row, laws, order)
    given = _plans(row, entries, dict(params or {}), shapes)
    asked = 0
    for plan, strategy in given:
        for law in chosen:
            drawn = _drawn(plan, law) if strategy is None else strategy
            # Where the shapes are fixed, only numbers are drawn: fewer calls show as much.
            tries = examples if strategy is not None or plan.case is None else -(-examples // 4)
            count, broken = _ask(law, drawn, tries, seed)
            asked += count
            if broken is not None:
                raise _refusal(op, row, law, *broken)
    names = ", ".join(law.name for law in chosen)
    text = f"check_op of {row.name}: passed, {asked} calls\n  laws       {names}"
    return Report(True, "passed", text)


def _row(op: Any, entries: Sequence[Any], domain: Any, kinks: Any) -> Op:
    """Return the row to be asked; a function is a row without a rule."""
    if isinstance(op, (np.ufunc, type(np.sum))) and op in BY_FUNCTION:
        op = BY_FUNCTION[op]
    if isinstance(op, Op):
        if domain is not None or kinks is not None:
            raise OpTypeError(
                f"check_op: the row {op.name} says its own domain and kinks\n"
                "  fix: write domain= and kinks= where the row is declared"
            )
        return op
    if not callable(op):
        raise OpTypeError(
            f"check_op: found a {type(op).__name__}; expected an op or a function of Tensors"
        )
    names = _arguments(op, entries)
    for given in (domain, kinks):
        if unknown := set(given or {}) - set(names):
            raise OpTypeError(
                f"check_op: {name_of(op)} has no argument {sorted(unknown)[0]!r}; "
                f"its arguments are {', '.join(names)}"
            )
    # Declared as a composite, which is what it is, and taken out of the table again.
    row = composite(
        _lifted(op),
        name=f"{name_of(op)} (a function that is checked)",
        doc="A function that is checked.",
        formula="",
        latex="",
        pattern="scale",
        signature="",
        arguments=names,
        params={},
        domain=dict(domain or {}),
        kinks=dict(kinks or {}),
    )
    del OPS[row.name]
    return replace(row, name=name_of(op))


def _arguments(f: Function, entries: Sequence[Any]) -> tuple[str, ...]:
    """Return the names of the arguments that are drawn."""
    parameters = inspect.signature(f).parameters.values()
    positional = [p for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
    names = [p.name for p in positional if p.default is p.empty]
    if entries:
        several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        if len(entries) < len(names) or (len(entries) > len(positional) and not several):
            raise OpTypeError(
                f"check_op: {len(entries)} entries for {name_of(f)}({', '.join(names)})\n"
                "  fix: give each argument a shape or a value"
            )
        known = [p.name for p in positional][: len(entries)]
        names = known + [f"argument {i}" for i in range(len(known), len(entries))]
    if not names:
        raise OpTypeError(
            f"check_op: {name_of(f)} has no positional argument without a default\n"
            "  fix: say what to call it with, as in check_op(f, (2, 3))"
        )
    return tuple(names)


def _lifted(f: Function) -> Function:
    """Return a function that takes arrays too, though `f` may need methods of Tensors."""

    def forward(*arrays: Any, **params: Any) -> Any:
        if any(isinstance(array, Tensor) for array in arrays):
            return f(*arrays, **params)
        with no_grad():
            wrapped = [constant(a) if isinstance(a, np.ndarray) else a for a in arrays]
            found = f(*wrapped, **params)
        if isinstance(found, (tuple, list)):
            return [_plain(f, y) for y in found]
        return _plain(f, found)

    return forward


def _plain(f: Function, value: Any) -> Any:
    if not isinstance(value, Tensor):
        raise GradientTypeError(
            f"check_op: {name_of(f)} returned a {type(value).__name__}, not a Tensor\n"
            "  fix: return what ops make of the Tensors; values taken out with .numpy() or float() "
            "have lost their gradient"
        )
    return value.numpy()


def _laws(row: Op, wanted: Iterable[str] | None, order: int) -> list[Law]:
    names = [law.name for law in LAWS]
    if wanted is not None and (unknown := [name for name in wanted if name not in names]):
        raise OpError(
            f"check_op: there is no law {unknown[0]!r}\n  fix: the laws are {', '.join(names)}"
        )
    if order not in (1, 2):
        raise OpError(
            f"check_op: order is {order!r}; expected 1 or 2\n"
            "  fix: assert_gradients(f, x, order=3) goes higher, at one point"
        )
    left_out = {"order 2", "symmetry"} if order == 1 else set()
    kept = set(names if wanted is None else wanted) - left_out
    return [law for law in LAWS if law.name in kept and law.applies(row)]


def _plans(
    row: Op, entries: Sequence[Any], params: dict[str, Any], shapes: Any
) -> list[tuple[Plan, Any]]:
    """Return what is called: plans, and where the caller said how, the strategy of the calls."""
    try:
        from hypothesis import strategies as st
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "check_op draws with Hypothesis, which is not installed\n"
            "  fix: pip install 'tinygrad_edu[test]'",
            name="hypothesis",
        ) from None
    from tinygrad_edu.testing.strategies import seeds

    def filled(drawn: Sequence[Any], seed: int) -> Sample:
        return sample(row, [_entry(entry) for entry in drawn], {**row.params, **params}, seed)

    if entries or shapes is not None:
        own = st.just(entries) if shapes is None else shapes
        return [(Plan(row, None, params, 0), st.builds(filled, own, seeds()))]
    if row.cases or row.kind == "elementwise":
        return [(plan, None) for plan in plans([row]) if params.items() <= plan.params.items()]
    if row.kind != "composite":
        raise OpError(
            f"check_op: the row {row.name} has no cases, so it is unknown how to call it\n"
            "  fix: give a call, as in check_op(row, (2, 3), (3,)), or declare "
            "cases=(case((2, 3), (3,)),)"
        )
    return [(Plan(row, None, {**row.params, **params}, 0), None)]


def _entry(entry: Any) -> Any:
    """Return a shape as it is, a floating array in float64, whatever else as it is."""
    if isinstance(entry, Tensor):
        entry = entry.numpy()
    if isinstance(entry, (float, list)):
        entry = np.asarray(entry)
    if isinstance(entry, np.ndarray) and entry.dtype.kind == "f":
        return entry.astype(np.float64)
    return entry


def _drawn(plan: Plan, law: Law) -> Any:
    from tinygrad_edu.testing.strategies import samples

    return samples(plan, law.smallest)


def _ask(
    law: Law, strategy: Any, examples: int, seed: int
) -> tuple[int, tuple[Sample, Exception] | None]:
    """Return how often a law was asked, and the smallest call that breaks it, with its error."""
    import hypothesis
    from hypothesis.errors import HypothesisException

    calls = 0
    broken: list[tuple[Sample, Exception]] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(strategy)
    def attempt(one: Sample) -> None:
        nonlocal calls
        calls += 1
        try:
            with np.errstate(all="ignore"):
                law.check(one)
        except HypothesisException:
            raise
        except Exception as error:
            # A slope may be wrong where the function is steep or a kink is near: ask who knows.
            if isinstance(error, AssertionError) and law.name in SLOPES and _passes(law, one):
                return
            broken[:] = [(one, error)]
            raise

    try:
        attempt()
    except Exception:
        if not broken:
            raise
    return calls, broken[0] if broken else None


# ------------------------------------------------------------------------------ what is wrong


def _moved(one: Sample) -> tuple[Function, tuple[Any, ...]]:
    """Return a call as a function of what moves, and the point."""

    def f(*moved: Any) -> Any:
        arrays = list(one.arrays)
        for i, value in zip(one.moving, moved, strict=True):
            arrays[i] = value
        found = one.row.through(arrays, one.params)
        return tuple(found) if isinstance(found, list) else found

    f.__name__ = one.row.name
    return f, tuple(one.arrays[i] for i in one.moving)


def _examined(law: Law, one: Sample) -> Report | None:
    """Return what the checker says of a call, if the law is about derivatives and it can tell."""
    ways = [SLOPES[law.name]] if law.name in SLOPES else [gradcheck, gradgradcheck]
    f, point = _moved(one)
    for way in ways:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", VacuousCheckWarning)
                report = way(f, point, atol=1e-10, raise_on_failure=False)
        except TinygradEduError:
            return None
        if not report.ok:
            return report
    return report


def _passes(law: Law, one: Sample) -> bool:
    report = _examined(law, one)
    return report is not None and report.ok


def _refusal(op: Any, row: Op, law: Law, one: Sample, error: Exception) -> CheckError:
    """Return the exception that tells which law is broken, where, and why."""
    words = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    # The running line is one of Hypothesis', which says nothing.
    shortened = [line for line in words.splitlines() if not line.lstrip().startswith("at core.py:")]
    words = "\n    ".join(shortened)
    names = row.arguments * len(one.arrays) if row.variadic else row.arguments
    shown = ", ".join(
        f"{name} {describe_value(value)}" for name, value in zip(names, one.arrays, strict=True)
    )
    lines = [
        f"check_op of {row.name}: broken law: {law.claim}",
        f"found      {words}",
        f"smallest   {shown}{f', {one.params}' if one.params else ''}",
    ]
    report = _examined(law, one) if one.size else None
    if report is not None and not report.ok:
        lines += ["checker    " + "\n    ".join(report.text.splitlines())]
    text = "\n  ".join(lines)
    keywords = {"params": dict(one.params)} if one.params else {}
    program = call_source(op, check_op, one.arrays, {**keywords, "laws": [law.name]})
    source = None
    if report is not None and not report.ok:
        kinked = report.outcome.startswith("not differentiable")
        source = (KinkError if kinked else CheckError)(text)
        source.outcome, source.report = report.outcome, report
    refusal = failed(text, program, source)
    if source is None:
        refusal.outcome = f"broken law: {law.name}"
        refusal.report = Report(False, refusal.outcome, str(refusal))
    return refusal
