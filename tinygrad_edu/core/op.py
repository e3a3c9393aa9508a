"""Op: one row of the table, a NumPy function with its derivative written beside it.

This file knows what a row is, how rows are declared and how callers' arguments are bound. It knows
no Tensor and no graph: a row applied to arrays computes; applied to anything with a ``__record__``
method (a Tensor) it asks that object to do the recording. Read ``core/graph.py`` next; the rows
themselves are in ``ops/``.

How a rule is written
---------------------
A rule is called as ``rule(g, result, *primals, **params)`` and returns the cotangent of one
argument. It is plain NumPy: run on arrays it computes, run on Tensors it is recorded again, which
is why second derivatives need no further text. A parameter of a rule whose name starts with an
underscore (``_x``) is not read: the graph does not keep that array, and the rule sees only its
shape and dtype.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from tinygrad_edu.errors import OpError, OpTypeError, UnsupportedError, explain

__all__ = [
    "BY_FUNCTION",
    "NO_PARAMS",
    "OPS",
    "PATTERNS",
    "REQUIRED",
    "Case",
    "Like",
    "Op",
    "case",
    "composite",
    "dispatches",
    "elementwise",
    "fused",
    "get_op",
    "linear",
    "nearest",
    "op",
    "unlisted",
    "zeros",
]

Rule = Callable[..., Any]
Factor = Rule | complex

OPS: dict[str, Op] = {}
"""The table: every row by its name, in order of declaration."""

BY_FUNCTION: dict[Any, Op] = {}
"""The row that stands for a NumPy function when that is called with a Tensor."""

ALIASES = {
    "dim": "axis", "keepdim": "keepdims", "other": "b", "input": "a", "correction": "ddof",
    "min": "a_min", "max": "a_max",
}  # fmt: skip
"""Keywords of PyTorch that callers may use for NumPy's; an alias yields to a real name."""

_UFUNC_KEYWORDS = ("out", "where", "casting", "order", "dtype", "subok")
_NEUTRAL = (None, np._NoValue, "same_kind", "K")  # values that ask a NumPy keyword for nothing
NO_PARAMS: dict[str, Any] = {}
"""The parameters of a call without any; nobody writes to it."""

ALL_REALS = (-np.inf, np.inf)
_PLAIN = {bool, int, float, complex, list, tuple, type(None)}
"""Types of arguments without a dtype, which have no methods of an array."""

PATTERNS = ("copy", "swap", "route", "scale", "sum", "reshape", "matmul", "none")
"""How a gradient may pass a row; diagrams and explanations have a text for each."""


_Plan = tuple[tuple[int | None, ...], tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]
"""Where a form of call has the arrays, the parameters, and keywords that cannot be honoured."""


class Like:
    """The shape and dtype of an array that the graph did not keep."""

    __slots__ = ("dtype", "shape")

    def __init__(self, array: Any) -> None:
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape)))

    def __repr__(self) -> str:
        return f"Like(shape={self.shape}, dtype={self.dtype})"


def dispatches(value: Any) -> bool:
    """Return whether a value is no array of NumPy's own but takes part in its protocols itself."""
    return not isinstance(value, np.ndarray) and hasattr(type(value), "__array_function__")


@dataclass(frozen=True)
class Case:
    """One set of arguments on which the laws of the table are tested.

    Attributes
    ----------
    arrays : tuple
        Per array argument a shape, to be filled with numbers from the domain, or a fixed value
        (an index array, labels, a mask).
    params : dict
        The keyword parameters.
    """

    arrays: tuple[Any, ...]
    params: dict[str, Any]


def case(*arrays: Any, **params: Any) -> Case:
    """Return a test case: shapes (tuples) or fixed arrays, then keyword parameters."""
    return Case(arrays, params)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Op:
    """A row of the table. Calling it computes on arrays, and records on Tensors.

    Attributes
    ----------
    name, doc, formula, latex, group : str
        How the row is called, its one-line description, its formula as text with the names of the
        arguments, the same in LaTeX, and the group (file) it belongs to.
    forward : callable
        The NumPy function, ``forward(*arrays, **params)``. A fused row's returns
        ``(result, saved)``.
    kind : str
        The declaration that made the row: elementwise, linear, op, fused or composite.
    arguments : tuple of str
        Names of the array arguments; a single name for a variadic row.
    params : dict
        Keyword parameters with their defaults.
    rules : tuple
        Per argument the vjp ``rule(g, result, *primals, **params)``, or ``None`` where no gradient
        flows.
    factors : tuple
        Of an elementwise row the derivatives that its rules multiply with, as they were declared:
        ``factor(result, *primals, **params)`` or a number.
    joint : callable or None
        Instead of ``rules``: one rule for all arguments,
        ``joint(g, result, saved, *primals, wanted, into, **params)``, which returns a tuple with
        ``None`` for what is not wanted and may write into the arrays of `into`.
    jvp : callable or None
        ``jvp(tangents, result, *primals, **params)``, tangents being ``None`` where there is none;
        where the row has no jvp, its vjp is transposed.
    composite : callable or None
        A fused row's function in smaller ops: what is recorded for higher orders.
    reads, reads_result : tuple of bool, bool
        Which arguments, and whether the result, the derivative reads; others are not kept.
    pattern : str
        How a gradient passes: copy, swap, route, scale, sum, reshape, matmul, ...
    signature : str
        Core shapes as a gufunc signature, such as ``(m,k),(k,n)->(m,n)``.
    differentiable : bool
        Whether a gradient flows through the row at all.
    domain : dict
        Argument name -> open interval in which the derivative exists; all reals where not named.
    kinks : dict
        Argument name -> points without a derivative, or ``"ties"`` where equal elements are.
    policy : str
        What is returned at kinks, ties and ends of the domain.
    cases : tuple of Case
        Arguments for the laws of the table; an elementwise row needs none.
    variadic, optional : bool, tuple of str
        Whether the row takes any number of arrays; the arguments that may be left out (``None``).
    nested : bool
        Whether lists in the list of a variadic row say where its arrays go, as in ``np.block``.
    order : tuple of str
        Names in the order of NumPy's callers, those that cannot be honoured among them.
    broadcasts : bool
        Whether arguments broadcast, so that cotangents are summed back.
    singular : bool
        Whether the derivative is infinite somewhere in reach: 0 · inf is then 0, not nan.
    selects : bool
        Whether the row chooses between values: a zero cotangent then means "not taken".
    accepts_complex : bool
        Whether the rules are right for complex arguments: those of a holomorphic function and of a
        linear row are, as they stand. Recording any other row on a complex Tensor is refused.
    batch : str, callable or None
        How a linear or general row is called for a whole batch (``vmap``), its axis in front:
        ``"pointwise"`` as it is; ``"stack"`` before the core axes of the signature, ``"spread"``
        likewise, but before those of every array; ``"merge"`` as part of the first axis;
        ``"first"`` where every element of the first array stands alone; ``"axes"`` with its axis or
        axes one further, ``None`` being all of them; ``"axis"`` likewise, ``None`` flattening;
        ``"reshape"`` by the shape of one result; ``"pick"`` by the places of the elements that one
        result picks; or ``batch(row, batched, arrays, params)`` -> result, `batched` saying which
        arrays have the axis. ``None``: example by example.
    exempt : str
        Why the gradient is, by design, not the derivative of the function; empty where it is.
    surrogate : callable or None
        Of an exempt row the function whose derivative the gradient is, called as the row is.
    local : tuple of str
        How explanations show the derivative, where it does not read well as declared; one for all
        arguments of a variadic row, else one each, empty where no gradient flows. A Python
        expression in the names of the arguments and parameters, of ``y``, the result, and of rows:
        of an elementwise row the factor, of any other the cotangent, with ``g`` for that of the
        result. A text in quotation marks inside stands for what has no formula.
    starred : bool
        Whether a name of ``order`` takes several positional arguments, as ``*arrays`` does.
    plans : dict
        How calls were bound before, by number of positional arguments and names of keywords.
    """

    name: str
    kind: str
    forward: Callable[..., Any]
    arguments: tuple[str, ...]
    params: Mapping[str, Any]
    rules: tuple[Rule | None, ...]
    joint: Rule | None
    jvp: Rule | None
    composite: Callable[..., Any] | None
    reads: tuple[bool, ...]
    reads_result: bool
    differentiable: bool
    variadic: bool
    optional: tuple[str, ...]
    order: tuple[str, ...]
    doc: str
    formula: str
    latex: str
    pattern: str
    signature: str
    group: str
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    kinks: Mapping[str, Any] = field(default_factory=dict)
    policy: str = ""
    cases: tuple[Case, ...] = ()
    broadcasts: bool = False
    nested: bool = False
    singular: bool = False
    selects: bool = False
    accepts_complex: bool = False
    batch: str | Callable[..., Any] | None = None
    exempt: str = ""
    surrogate: Callable[..., Any] | None = None
    factors: tuple[Factor, ...] = ()
    local: tuple[str, ...] = ()
    starred: bool = False
    plans: dict[tuple[Any, ...], _Plan] = field(default_factory=dict, repr=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result on arrays; record it if an argument is a Tensor."""
        return self.through(*self.bind(args, kwargs))

    def through(self, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Return what a call returns, for arguments that are bound already."""
        if self.kind == "composite":
            if not self.accepts_complex:
                self.refuse_complex(arrays)
            return self.forward(*self._made_arrays(arrays), **params)
        for array in arrays:
            record = getattr(type(array), "__record__", None)
            if record is not None:
                return record(self, arrays, params)
        made = [np.asarray(a) if isinstance(a, self.wraps) else a for a in arrays]
        result = self.forward(*made, **params)
        return result[0] if self.kind == "fused" else result

    @property
    def wraps(self) -> tuple[type, ...]:
        """Types of arguments that are made arrays first: a fused row asks for their shapes."""
        return (list, tuple, int, float) if self.kind == "fused" else (list, tuple)

    def _made_arrays(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """Return the arguments of a composite row with lists of numbers made arrays.

        A list that holds Tensors stays one, for the rows that join them. A number becomes an array
        only where no argument is one: beside an array it takes on the dtype of that.
        """
        kinds = {type(a) for a in arrays}
        lists = not kinds.isdisjoint((list, tuple))
        if self.nested or not (lists or kinds <= _PLAIN):
            return arrays
        numbers = _PLAIN if kinds <= _PLAIN else (list, tuple)
        if lists and not self.variadic and any(_holds_tensors(a) for a in arrays):
            raise OpTypeError(
                explain(
                    self.name,
                    "a list of Tensors is no array",
                    fix="join them first, as in np.stack([t, u])",
                )
            )
        try:
            return [np.asarray(a) if type(a) in numbers and _is_plain(a) else a for a in arrays]
        except ValueError as error:  # such as a list of lists of different lengths
            raise OpError(explain(self.name, str(error))) from error

    def refuse_complex(self, arrays: Sequence[Any]) -> None:
        """Raise if an argument is complex: the row is one for real numbers only.

        Raises
        ------
        OpTypeError
            The error names the arguments.
        """
        kinds = [getattr(getattr(a, "dtype", None), "kind", type(a).__name__[0]) for a in arrays]
        if "c" not in kinds:
            return
        names = self.arguments * len(arrays) if self.variadic else self.arguments
        raise OpTypeError(
            explain(
                self.name,
                "its derivative is for real numbers, and an argument is complex",
                arguments=tuple(zip(names, arrays, strict=True)),
                fix="take x.real, x.imag, abs(x) or angle(x), whichever is meant",
            )
        )

    def reads_of(self, count: int) -> tuple[bool, ...]:
        """Return per argument of a call with `count` arguments whether a rule reads it."""
        return self.reads * count if self.variadic else self.reads

    def __repr__(self) -> str:
        return f"<op {self.name}: {self.formula}>"

    def bind(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Return ``(arrays, params)`` from arguments in NumPy's order and with NumPy's names.

        Raises
        ------
        OpTypeError
            An argument is missing, given twice or unknown.
        UnsupportedError
            A keyword of NumPy that the row cannot honour (``out=``, ``where=``, ``dtype=``).
        """
        if self.starred:
            args = self._gathered(args)
        key = (len(args), *kwargs)
        plan = self.plans.get(key)
        if plan is None:
            plan = self.plans[key] = self._plan(len(args), tuple(kwargs))
        array_places, param_places, refused = plan
        values = (*args, *kwargs.values()) if kwargs else args
        for name, place in refused:
            if not any(values[place] is neutral for neutral in _NEUTRAL):
                raise UnsupportedError(
                    explain(
                        self.name,
                        f"the keyword {name}= cannot be honoured on a Tensor",
                        fix=f"leave {name}= out; apply it to the result, or to plain arrays",
                    )
                )
        arrays: tuple[Any, ...] = tuple(
            [None if place is None else values[place] for place in array_places]
        )
        if not self.params:
            return (tuple(arrays[0]) if self.variadic else arrays), NO_PARAMS
        params = dict(self.params)
        for name, place in param_places:
            value = values[place]
            # A tensor that wants a gradient refuses: none would flow through a parameter.
            params[name] = np.asarray(value) if hasattr(type(value), "__record__") else value
        return (tuple(arrays[0]) if self.variadic else arrays), params

    def _gathered(self, args: Sequence[Any]) -> Sequence[Any]:
        """Return the positional arguments with those of a starred name in one tuple."""
        star = next((i for i, name in enumerate(self.order) if name.startswith("*")), None)
        return args if star is None or len(args) <= star else (*args[:star], tuple(args[star:]))

    def _plan(self, count: int, keywords: tuple[str, ...]) -> _Plan:
        """Return where a call with so many positional arguments and these keywords has what.

        Values are counted through: positional arguments first, then the keywords' values.
        """
        order = [name.lstrip("*") for name in self.order]
        if count > len(order):
            raise self._refuse(f"takes at most {len(order)} arguments, {count} were given")
        places = {name: place for place, name in enumerate(order[:count])}
        for place, key in enumerate(keywords, start=count):
            name = key if key in order else ALIASES.get(key, key)
            if name in places:
                raise self._refuse(f"got several values for {name!r}")
            if name not in order:
                known = ", ".join(n for n in order if n in self._honoured)
                raise self._refuse(f"got an unknown keyword {name!r}", fix=f"it takes: {known}")
            places[name] = place
        for name in (*self.arguments, *self.params):
            required = name in self.arguments or self.params[name] is REQUIRED
            if required and name not in places and name not in self.optional:
                raise self._refuse(f"the argument {name!r} is missing")
        return (
            tuple(places.get(name) for name in self.arguments),
            tuple((name, place) for name, place in places.items() if name in self.params),
            tuple((name, place) for name, place in places.items() if name not in self._honoured),
        )

    @property
    def _honoured(self) -> set[str]:
        return {*self.arguments, *self.params}

    def _refuse(self, problem: str, fix: str | None = None) -> OpTypeError:
        names = [name.lstrip("*") for name in self.order]
        signature = ", ".join(name for name in names if name in self._honoured)
        return OpTypeError(
            explain(self.name, problem, fix=fix or f"call it as {self.name}({signature})")
        )


# ------------------------------------------------------------------------------ declarations


def _declaration(rules: str) -> Callable[[Callable[..., Op]], Callable[..., Op]]:
    """Let a declaration be written over a function too, its rules under a keyword."""

    def form(declare: Callable[..., Op]) -> Callable[..., Op]:
        @functools.wraps(declare)
        def declaration(*args: Any, **facts: Any) -> Any:
            if args:
                return declare(*args, **facts)
            given = facts.pop(rules, ())
            given = tuple(given) if isinstance(given, (tuple, list)) else (given,)
            return lambda forward: declare(forward, *given, **facts)

        return declaration

    return form


@_declaration("factors")
def elementwise(forward: Callable[..., Any], *factors: Factor, **facts: Any) -> Op:
    """Declare a row whose Jacobian is diagonal; vjp and jvp follow from the diagonal.

    Parameters
    ----------
    forward : callable
        The NumPy function.
    *factors : callable or float
        Per argument the derivative, ``factor(result, *primals, **params)``, or a constant.
    **facts
        The facts of the row; see `Op`.

    Returns
    -------
    Op
        The row. Written over a function, ``@elementwise(factors=..., ...)``, the function becomes
        the row; so it is with ``@linear(transposes=...)``, ``@op(vjps=...)``, ``@fused(joint=...,
        composite=...)`` and ``@composite(...)``.

    Examples
    --------
    >>> twice = elementwise(
    ...     lambda x: x + x, 2, name="twice", formula="2 x", latex="2x", pattern="scale"
    ... )
    >>> @elementwise(factors=lambda y, x: 3 * x**2, formula="x³", latex="x^3", pattern="scale")
    ... def cubed(x):
    ...     return x**3
    >>> cubed(2.0)
    8.0
    >>> del OPS["twice"], OPS["cubed"]
    """
    for factor in factors:
        if callable(factor) and not _fits(factor, 1 + len(factors)):
            raise OpTypeError(
                explain(
                    facts.get("name", forward.__name__),
                    f"a factor takes {len(_positional(factor))} arguments, "
                    f"with {len(factors)} factors it needs {1 + len(factors)}",
                    fix="give one factor per argument, each a function of the result and of all "
                    "arguments, as in lambda y, x: 1 - y * y",
                )
            )
    guard = _guarded if facts.get("singular") else _scaled
    rules = tuple(guard(factor, len(factors)) for factor in factors)
    names = _argument_names([f for f in factors if callable(f)], skip=1)
    facts.setdefault("signature", ",".join(["()"] * len(factors)) + "->()")
    return _declare(
        "elementwise",
        forward,
        facts,
        factors=factors,
        names=names or (("x",) if len(factors) == 1 else ("a", "b", "c")[: len(factors)]),
        rules=rules,
        read_by=[(f, 1) for f in factors if callable(f)],
        jvp=_diagonal_jvp(rules),
        broadcasts=len(factors) > 1,
    )


@_declaration("transposes")
def linear(
    forward: Callable[..., Any], *transposes: Rule | None, joint: Rule | None = None, **facts: Any
) -> Op:
    """Declare a row that is linear in its arguments taken together; its jvp is the row itself.

    Parameters
    ----------
    forward : callable
        The NumPy function.
    *transposes : callable or None
        Per argument the adjoint as a rule ``(g, result, *primals, **params)``; ``None`` marks an
        argument that passes unchanged into the jvp (an index, a mask).
    joint : callable, optional
        For a variadic row: one rule for all arguments.
    """

    def jvp(tangents: Sequence[Any], _result: Any, *primals: Any, **params: Any) -> Any:
        moved = [
            primal if i in fixed else zeros(primal, tangents) if tangent is None else tangent
            for i, (primal, tangent) in enumerate(zip(primals, tangents, strict=True))
        ]
        return row.through(moved, params)

    fixed = [i for i, rule in enumerate(transposes) if rule is None]
    row = _declare(
        "linear",
        forward,
        facts,
        names=_argument_names([t for t in transposes if t is not None], skip=2),
        rules=transposes,
        joint=joint,
        read_by=[(t, 2) for t in transposes if t is not None] + ([(joint, 3)] if joint else []),
        jvp=jvp,
        always=fixed,
    )
    return row


@_declaration("vjps")
def op(
    forward: Callable[..., Any],
    *vjps: Rule | None,
    jvp: Rule | None = None,
    joint: Rule | None = None,
    **facts: Any,
) -> Op:
    """Declare a general row: one vjp per argument, or one `joint` rule for a variadic row.

    Parameters
    ----------
    forward : callable
        The NumPy function.
    *vjps : callable or None
        Per argument ``vjp(g, result, *primals, **params)``; ``None`` where no gradient flows.
    jvp : callable, optional
        ``jvp(tangents, result, *primals, **params)``; by default the vjp is transposed.
    """
    taken = [] if isinstance(forward, np.ufunc) else _positional(forward)
    if len(taken) > len(vjps) and joint is None and not facts.get("variadic"):
        raise OpTypeError(
            explain(
                facts.get("name", getattr(forward, "__name__", "a row")),
                f"the function takes {len(taken)} arrays, {len(vjps)} vjps were given",
                fix="give one vjp per array, None where no gradient flows; what is no array is a "
                "keyword-only parameter",
            )
        )
    return _declare(
        "op",
        forward,
        facts,
        names=_argument_names([v for v in vjps if v is not None], skip=2),
        rules=vjps,
        joint=joint,
        read_by=[(v, 2) for v in vjps if v is not None] + ([(joint, 3)] if joint else []),
        jvp=jvp,
    )


@_declaration("rules")
def fused(
    forward: Callable[..., Any], joint: Rule, composite: Callable[..., Any], **facts: Any
) -> Op:
    """Declare a row written for speed, with the same function in smaller ops beside it.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays, **params) -> (result, saved)``.
    joint : callable
        ``joint(g, result, saved, *primals, wanted, into, **params)`` -> cotangents, ``None`` for
        what is not wanted.
    composite : callable
        ``composite(*arrays, **params) -> result`` in rows of the table; recorded instead when
        derivatives of higher order or forward mode are asked for.
    """
    return _declare(
        "fused",
        forward,
        facts,
        names=_argument_names([joint], skip=3),
        rules=(),
        joint=joint,
        composed_of=composite,
        read_by=[(joint, 3)],
        jvp=None,
    )


@_declaration("rules")
def composite(function: Callable[..., Any], **facts: Any) -> Op:
    """Declare a function that is written in rows: it has no rule, its derivative follows.

    Parameters
    ----------
    function : callable
        ``function(*arrays, **params)``, in rows and NumPy functions of the table.
    """
    return _declare(
        "composite",
        function,
        facts,
        names=tuple(_positional(function)),
        rules=(),
        read_by=[],
    )


def _analytic(kind: str, forward: Callable[..., Any], facts: Mapping[str, Any]) -> bool:
    """Return whether a row is right for complex numbers as it stands, unless it says otherwise.

    Linear rows are, composite ones as far as their rows are, and elementwise ones that are smooth
    and that NumPy computes for complex numbers: they are holomorphic.
    """
    if kind != "elementwise":
        return kind in ("linear", "composite")
    types = getattr(forward, "types", ())
    return not facts.get("kinks") and ("D->D" in types or "DD->D" in types)


def unlisted(
    name: str,
    forward: Callable[..., Any],
    joint: Rule,
    arguments: tuple[str, ...],
    jvp: Rule | None = None,
    pattern: str = "function",
) -> Op:
    """Return a fused row outside the table, for one function of a user; it has no composite.

    Its rule may read all of its arguments and the result, so the graph keeps them.
    """
    return Op(
        name=name,
        kind="fused",
        forward=forward,
        arguments=arguments,
        params={},
        rules=(),
        joint=joint,
        jvp=jvp,
        composite=None,
        reads=(True,) * len(arguments),
        reads_result=True,
        differentiable=True,
        variadic=False,
        optional=(),
        order=arguments,
        doc=(forward.__doc__ or name).strip().split("\n")[0],
        formula=f"{name}({', '.join(arguments)})",
        latex=rf"\mathrm{{{name}}}({', '.join(arguments)})".replace("_", r"\_"),
        pattern=pattern,
        signature="",
        group="",
        accepts_complex=True,
    )


REQUIRED = inspect.Parameter.empty
"""The default of a keyword parameter that must be given."""


def _declare(
    kind: str,
    forward: Callable[..., Any],
    facts: dict[str, Any],
    *,
    names: tuple[str, ...],
    rules: tuple[Rule | None, ...],
    read_by: list[tuple[Callable[..., Any], int]],
    joint: Rule | None = None,
    jvp: Rule | None = None,
    composed_of: Callable[..., Any] | None = None,
    always: Sequence[int] = (),
    broadcasts: bool = False,
    factors: tuple[Factor, ...] = (),
) -> Op:
    """Return the row, entered in the table under its name and its NumPy functions."""
    name = facts.pop("name", getattr(forward, "__name__", "<lambda>").lstrip("_"))
    _check_facts(name, facts)
    if name in OPS:
        raise OpError(f"the table has a row {name!r} already; give the new one another name=")
    names = facts.pop("arguments", names)
    variadic = facts.pop("variadic", False)
    params = facts.pop("params", None)
    if params is None:
        params = _keyword_parameters(forward)
    reads, reads_result = _reads(read_by, len(names))
    functions = facts.pop("functions", ())
    order = facts.pop("order", None)
    unhonoured = _UFUNC_KEYWORDS if isinstance(forward, np.ufunc) else ()
    row = Op(
        name=name,
        kind=kind,
        forward=forward,
        arguments=names,
        params=params,
        rules=rules,
        joint=joint,
        jvp=jvp,
        composite=composed_of,
        factors=factors,
        reads=tuple(r or i in always for i, r in enumerate(reads)),
        reads_result=reads_result,
        differentiable=joint is not None or any(rule is not None for rule in rules),
        variadic=variadic,
        optional=facts.pop("optional", ()),
        order=tuple(order.split()) if order else (*names, *params, *unhonoured),
        starred="*" in (order or ""),
        doc=facts.pop("doc", (forward.__doc__ or name).strip().split("\n")[0]),
        group=facts.pop("group", None) or _declaring_file(),
        broadcasts=facts.pop("broadcasts", broadcasts),
        accepts_complex=facts.pop("accepts_complex", _analytic(kind, forward, facts)),
        **facts,
    )
    OPS[name] = row
    if (getattr(forward, "__module__", None) or "numpy").partition(".")[0] == "numpy":
        functions = (forward, *functions)
    for function in functions:
        BY_FUNCTION[function] = row
    return row


_NEEDED = ("formula", "latex", "pattern", "signature")
_MADE = {
    "composite", "differentiable", "factors", "forward", "joint", "jvp", "kind", "plans", "reads",
    "reads_result", "rules", "starred",
}  # fmt: skip
"""Fields of a row that are no facts: they follow from its declaration."""

_FACTS = (*_NEEDED, *sorted({f.name for f in fields(Op)} - {*_NEEDED, *_MADE} | {"functions"}))


def _check_facts(name: str, facts: Mapping[str, Any]) -> None:
    """Raise if a row has no name, or its facts are not those that a row has."""
    if name == "<lambda>":
        raise OpTypeError(
            explain("a row", "a lambda has no name", fix='give it one, as in name="softsign"')
        )
    for fact in facts:
        if fact not in _FACTS:
            close = nearest(fact, _FACTS)
            problem = f"{fact!r} is no fact of a row{close}"
            raise OpTypeError(explain(name, problem, fix=f"the facts are {', '.join(_FACTS)}"))
    missing = [fact for fact in _NEEDED if fact not in facts]
    if missing:
        raise OpTypeError(
            explain(
                name,
                f"the facts {', '.join(missing)} are missing",
                fix='give each, as in formula="exp(x)", latex="e^{x}", pattern="scale", '
                'signature="()->()"',
            )
        )
    if facts["pattern"] not in PATTERNS:
        raise OpError(
            explain(
                name,
                f"{facts['pattern']!r} is no pattern in which a gradient passes a row",
                fix=f"the patterns are {', '.join(PATTERNS)}",
            )
        )


def _declaring_file() -> str:
    """Return the last name of the module that declares a row, through whatever wrappers."""
    frame = sys._getframe(1)
    # A decorator of a declaration passes everything on: (*args, **kwargs) and nothing else.
    while frame.f_back is not None and (
        frame.f_globals is globals()
        or (not frame.f_code.co_argcount and frame.f_code.co_flags & 0xC == 0xC)
    ):
        frame = frame.f_back
    name: str = frame.f_globals["__name__"]
    return name.rpartition(".")[2]


def _reads(rules: list[tuple[Callable[..., Any], int]], count: int) -> tuple[list[bool], bool]:
    """Return which arguments, and whether the result, the rules read (see the module's text)."""
    reads, reads_result = [False] * count, False
    for rule, skip in rules:
        names = _positional(rule, with_star=True)
        reads_result |= not names[min(skip - 1, 1)].startswith("_")
        for i, name in enumerate(names[skip:]):
            reads[i] |= not name.startswith("_")
    return reads, reads_result


def _argument_names(rules: Sequence[Callable[..., Any]], skip: int) -> tuple[str, ...]:
    return tuple(name.lstrip("_") for name in _positional(rules[0])[skip:]) if rules else ()


def _positional(function: Callable[..., Any], with_star: bool = False) -> list[str]:
    """Return the names of a function's positional parameters, `*args` last if wanted."""
    # A plain function's code object says it fifty times faster than inspect.signature, and the
    # table asks several hundred times at import.
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__wrapped__"):
        names = code.co_varnames
        starred = names[code.co_argcount + code.co_kwonlyargcount :][: bool(code.co_flags & 4)]
        return [*names[: code.co_argcount], *(starred if with_star else ())]
    star, keyword = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.KEYWORD_ONLY
    return [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind < star or (with_star and p.kind < keyword)
    ]


def _fits(function: Callable[..., Any], count: int) -> bool:
    """Return whether a function takes so many positional arguments; one with `*args` does."""
    return len(_positional(function)) in (count, len(_positional(function, with_star=True)) - 1)


def _keyword_parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a function with their defaults."""
    if isinstance(function, np.ufunc):
        return {}
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__wrapped__"):
        names = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
        defaults = function.__kwdefaults__ or {}
        return {name: defaults.get(name, REQUIRED) for name in names}
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _holds_tensors(value: Any) -> bool:
    """Return whether a value is a list in which there is a Tensor."""
    if not isinstance(value, (list, tuple)):
        return False
    return any(hasattr(type(part), "__record__") or _holds_tensors(part) for part in value)


def _is_plain(value: Any) -> bool:
    """Return whether NumPy may make an array of a value: a number, or lists without Tensors."""
    if isinstance(value, (list, tuple)):
        return all(_is_plain(part) for part in value)
    numbers = (bool, int, float, complex, np.generic, np.ndarray)
    return isinstance(value, numbers)


def zeros(primal: Any, tangents: Sequence[Any]) -> Any:
    """Return the tangent of an argument that does not move, of the same kind as the others."""
    like = next(tangent for tangent in tangents if tangent is not None)
    # A number in place of an array has no dtype of its own.
    return np.zeros(np.shape(primal), getattr(primal, "dtype", like.dtype), like=like)


# ------------------------------------------------------------------------------ diagonal rules


def _scaled(factor: Factor, arity: int) -> Rule:
    """Return the rule ``g * factor``; the short forms save packing arguments at every call."""
    if not callable(factor):
        number = factor
        if number == 1 and arity == 2:
            return lambda g, _result, _a, _b: g
        if number == 1:
            return lambda g, _result, *_primals, **_params: g
        return lambda g, _result, *_primals, **_params: g * number
    if _keyword_parameters(factor):
        return lambda g, result, *primals, **params: g * factor(result, *primals, **params)
    if arity == 1:
        return lambda g, result, x: g * factor(result, x)
    if arity == 2:
        return lambda g, result, a, b: g * factor(result, a, b)
    return lambda g, result, *primals: g * factor(result, *primals)


def _guarded(factor: Factor, arity: int) -> Rule:
    """Return the rule ``g * factor`` in which 0 · inf and 0 · nan are 0.

    A zero cotangent means that nothing downstream depends on this element, so an infinite slope
    there must not turn into nan. Where the factor is finite the rule stays linear in g, so that it
    can be transposed and differentiated again.
    """
    if not callable(factor):
        return _scaled(factor, arity)

    def rule(g: Any, result: Any, *primals: Any, **params: Any) -> Any:
        # The forward pass has warned already if a value is out of its domain.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = factor(result, *primals, **params)
            # One look at the slopes is cheaper than a mask; np.where() would widen a number.
            if isinstance(slope, float) and math.isfinite(slope):
                return g * slope
            if isinstance(slope, np.ndarray) and np.isfinite(slope).all():
                return g * slope
            return g * np.where((g == 0) & ~np.isfinite(slope), 0, slope)

    return rule


def _diagonal_jvp(rules: Sequence[Rule]) -> Rule:
    """Return the jvp of a diagonal row: the sum of the rules, each applied to its tangent."""

    def jvp(tangents: Sequence[Any], result: Any, *primals: Any, **params: Any) -> Any:
        moved = [
            rule(tangent, result, *primals, **params)
            for rule, tangent in zip(rules, tangents, strict=True)
            if tangent is not None
        ]
        total = moved[0]
        for term in moved[1:]:
            total = total + term
        # An argument that broadcasts has a smaller tangent than the result.
        return total if total.shape == result.shape else np.broadcast_to(total, result.shape)

    return jvp


# ------------------------------------------------------------------------------ the table


def get_op(name: str) -> Op:
    """Return the row of that name.

    Parameters
    ----------
    name : str
        Name of the row, such as ``"tanh"``.

    Raises
    ------
    UnsupportedError
        The table has no such row; the error names the nearest ones.
    """
    try:
        return OPS[name]
    except KeyError:
        raise UnsupportedError(f"the table has no op {name!r}{nearest(name)}") from None


def nearest(name: str, known: Sequence[str] = ()) -> str:
    """Return ``"; nearest: ..."`` with the known names, or rows, most like `name`, or nothing."""
    import difflib  # only errors need it, and it costs every import a millisecond

    names = set(known) or set(OPS) | {f.__name__ for f in BY_FUNCTION if hasattr(f, "__name__")}
    close = difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.65)
    return f"; nearest: {', '.join(close)}" if close else ""
