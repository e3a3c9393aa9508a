"""No row reaches around NumPy's dispatch: all run on arrays that nothing may convert.

A rule's text has to mean the same on four kinds of array: NumPy's, the engine's Tensors, a
capture's recorders and CuPy's. `Strict` stands for the last two. It takes part only through NEP 13
and NEP 18, refuses to be turned into a number or a NumPy array, and refuses to be mixed with a
NumPy array that was not made for it (``like=``).
"""

import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.core.graph import Leaf, project, reverse_sweep
from tinygrad_edu.core.op import Like
from tinygrad_edu.core.tensor import Tensor, handle
from tinygrad_edu.ops import index, shape
from tinygrad_edu.testing.laws import assert_close, draw_like, pull, push, results, values
from tinygrad_edu.testing.samples import Plan, Sample, differentiable, plans, sample

SEAMS = {
    ("at", "_scatter"): "adding at repeated indices has no dispatching form: scatter is a seam",
}
"""What is exempt, as (way around the dispatch, function that may), with the reason."""

TAKE_HOST_ARRAYS = {np.take, np.take_along_axis, np.asarray}
"""Functions that take NumPy's arrays: as an index, as ``x[index]`` does, or to make an array."""


class RefusedError(AssertionError):
    """Something reached around the dispatch."""


def refuse(what: str) -> Callable[..., Any]:
    def method(*_args: Any, **_kwargs: Any) -> Any:
        raise RefusedError(f"{what} was asked of an array that cannot leave its device")

    return method


class Strict:
    """An array that takes part in NumPy's protocols and cannot be converted.

    Parameters
    ----------
    array : ndarray
        The content; read-only for an argument, writable for what a row made itself.
    known : bool
        Whether the host knows the values, as it does of labels and indices: their truth may be
        asked, because a label that is no class has to be refused.
    """

    __slots__ = ("_array", "known")

    def __init__(self, array: Any, known: bool = False) -> None:
        self._array, self.known = np.asarray(array), known

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    T = property(lambda self: Strict(self._array.T, self.known))
    base = property(lambda self: self._array.base)

    __array__ = refuse("a NumPy array")
    __float__ = refuse("a float")
    __iter__ = refuse("an iterator")
    __complex__ = refuse("a complex number")

    def __len__(self) -> int:
        return len(self._array)

    def __bool__(self) -> bool:
        if not self.known:
            refuse("a truth value")(self)
        return bool(self._array)

    def __index__(self) -> int:
        if not self.known:
            refuse("an index")(self)
        return operator.index(self._array[()])

    __int__ = __index__

    # ---- the protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "at" and ("at", sys._getframe(1).f_code.co_name) in SEAMS:
            target, indices, *rest = inputs
            ufunc.at(target._array, unwrap(indices), *(plain(a, ufunc.__name__) for a in rest))
            return None
        if any(isinstance(a, Tensor) for a in inputs):
            return NotImplemented
        if method != "__call__":
            raise RefusedError(f"np.{ufunc.__name__}.{method} is not everybody's")
        out = kwargs.pop("out", None)
        if out is not None:
            if not all(isinstance(a, Strict) for a in out):
                raise RefusedError(f"np.{ufunc.__name__} was to write to a NumPy array")
            kwargs["out"] = tuple(a._array for a in out)
        found = ufunc(*(plain(a, ufunc.__name__) for a in inputs), **kwargs)
        if isinstance(found, tuple):
            return tuple(Strict(part, all_known(inputs)) for part in found)
        return out[0] if out is not None else Strict(found, all_known(inputs))

    def __array_function__(
        self, func: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        if any(issubclass(kind, Tensor) for kind in types):
            return NotImplemented
        name, known = func.__name__, all_known((args, kwargs))
        convert = unwrap if func in TAKE_HOST_ARRAYS else lambda value: plain(value, name)
        out = kwargs.get("out")
        found = func(*convert(list(args)), **convert(kwargs))
        if out is not None:
            return out
        if isinstance(found, (list, tuple)) and func is not np.shape:
            make = getattr(type(found), "_make", type(found))  # named tuples take no list
            return make([Strict(part, known) for part in found])
        if func is np.count_nonzero or isinstance(found, (np.ndarray, np.generic)):
            return Strict(found, known)  # never a scalar: 0-d results stay arrays
        return found

    # ---- what all kinds of arrays have

    def __getitem__(self, where: Any) -> Any:
        return Strict(self._array[unwrap(where)], self.known)

    def __setitem__(self, where: Any, value: Any) -> None:
        self._array[unwrap(where)] = plain(value, "setitem")

    def reshape(self, *dims: Any) -> Any:
        return Strict(self._array.reshape(*dims), self.known)

    def swapaxes(self, one: int, other: int) -> Any:
        return Strict(self._array.swapaxes(one, other), self.known)

    def astype(self, dtype: Any) -> Any:
        return Strict(self._array.astype(dtype), self.known)

    def copy(self) -> Any:
        return Strict(self._array.copy(), self.known)

    def view(self, dtype: Any) -> Any:
        return Strict(self._array.view(dtype), self.known)


def _reduction(name: str) -> Callable[..., Any]:
    def method(self: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return Strict(getattr(self._array, name)(axis=axis, keepdims=keepdims), self.known)

    return method


def _binary(ufunc: Any, reflected: bool = False, in_place: bool = False) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        operands = (other, self) if reflected else (self, other)
        return ufunc(*operands, out=(self,)) if in_place else ufunc(*operands)

    return method


for _name in ("sum", "max", "min", "mean"):
    setattr(Strict, _name, _reduction(_name))
for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}.items():  # fmt: skip
    setattr(Strict, f"__{_name}__", _binary(_ufunc))
    setattr(Strict, f"__r{_name}__", _binary(_ufunc, reflected=True))
    setattr(Strict, f"__i{_name}__", _binary(_ufunc, in_place=True))
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Strict, f"__{_name}__", _binary(_ufunc))
for _name, _ufunc in {
    "neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert,
}.items():  # fmt: skip
    setattr(Strict, f"__{_name}__", lambda self, _ufunc=_ufunc: _ufunc(self))


def unwrap(value: Any) -> Any:
    """Return the content of the Strict arrays in a value."""
    if isinstance(value, Strict):
        return value._array
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(part) for part in value)
    if isinstance(value, dict):
        return {key: unwrap(part) for key, part in value.items()}
    return value


def plain(value: Any, name: str) -> Any:
    """Return the content of Strict arrays; refuse NumPy arrays beside them, except numbers."""
    if isinstance(value, np.ndarray) and value.ndim > 0:
        raise RefusedError(f"np.{name} mixed in a NumPy array of shape {value.shape} {value.dtype}")
    if isinstance(value, (list, tuple)):
        return type(value)(plain(part, name) for part in value)
    if isinstance(value, dict):
        return {key: plain(part, name) for key, part in value.items()}
    return unwrap(value)


def all_known(value: Any) -> bool:
    """Return whether the host knows the values of all the Strict arrays in a value."""
    if isinstance(value, Strict):
        return value.known
    if isinstance(value, dict):
        value = list(value.values())
    return all(all_known(part) for part in value) if isinstance(value, (list, tuple)) else True


# ------------------------------------------------------------------------------ the stand-in itself


def test_the_stand_in_refuses_every_way_out() -> None:
    x: Any = Strict(np.ones(3))
    for way_out in (np.asarray, float, bool, iter, operator.index, lambda x: np.array([x, x])):
        with pytest.raises(RefusedError):
            way_out(x)
    for mixed in (
        lambda: x + np.ones(3),
        lambda: np.ones(3) * x,
        lambda: np.where(np.array([True, False, True]), x, 0),
        lambda: np.concatenate([x, np.ones(3)]),
        lambda: np.add(x, 1, out=np.zeros(3)),
        lambda: np.add.reduce(x),
        lambda: np.add.at(x, [0, 0], 1.0),
    ):
        with pytest.raises(RefusedError):
            mixed()
    with pytest.raises(AttributeError):
        x.flatten()


def test_the_stand_in_stays_what_it_is() -> None:
    x: Any = Strict(np.ones((2, 3)))
    made = np.zeros(3, like=x)
    for y in (x + 1, 2 / x, x > 0, x[0, 0], np.sum(x), x.sum(axis=0), made, x @ x.T, -x):
        assert isinstance(y, Strict)
        assert isinstance(y._array, np.ndarray)
    assert isinstance(np.split(x, 3, axis=1), list)
    assert np.ndim(x) == 2


# ------------------------------------------------------------------------------ the rows


def strict(array: Any) -> Any:
    if not isinstance(array, np.ndarray):
        return array
    return Strict(array, known=array.dtype.kind != "f")


def fixed_samples(plan: Plan) -> Sample:
    drawn = ((2, 3), (3,), ())[: len(plan.row.arguments)]
    entries = plan.case.arrays if plan.case is not None else drawn
    return sample(plan.row, entries, plan.params, 7)


def outputs_of(plan: Plan, arrays: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return results(plan.row, arrays, params)


PLANS = plans()


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_forwards_dispatch(plan: Plan) -> None:
    given = fixed_samples(plan)
    found = outputs_of(plan, [strict(a) for a in given.arrays], given.params)
    for y, expected in zip(found, values(given), strict=True):
        assert isinstance(y, Strict), f"{plan.row.name} returned a {type(y).__name__}"
        assert_close(y._array, expected, 1e-12, plan.row.name)


@pytest.mark.parametrize("plan", [p for p in PLANS if differentiable(p.row)], ids=str)
def test_rules_and_the_sweep_dispatch(plan: Plan) -> None:
    given = fixed_samples(plan)
    weights = draw_like(values(given), 3)
    for chosen in {given.moving, *((i,) for i in given.moving)}:
        arrays = [strict(a) for a in given.arrays]
        leaves = [handle(arrays[i], Leaf(arrays[i])) for i in chosen]
        for i, leaf in zip(chosen, leaves, strict=True):
            arrays[i] = leaf
        sums: list[Any] = [0] * len(chosen)
        for y, weight in zip(outputs_of(plan, arrays, given.params), weights, strict=True):
            if plan.row.variadic and isinstance(y, Strict):  # one result of several: another's
                continue
            assert isinstance(y, Tensor)
            nodes: Any = [leaf.node for leaf in leaves]
            if y.node is None:  # one of several results, which these arguments do not move
                continue
            # A seed is conjugated where it enters, so that the rules see what they are written for.
            found = reverse_sweep({y.node: Strict(np.conj(weight))}, nodes)
            sums = [s + found.get(node, 0) for s, node in zip(sums, nodes, strict=True)]
        for total, expected in zip(sums, pull(given, weights, chosen), strict=True):
            assert isinstance(total, Strict), f"vjp of {plan.row.name} left the dispatch"
            assert_close(total._array, expected, 1e-12, f"vjp of {plan.row.name}")


@pytest.mark.parametrize("plan", [p for p in PLANS if p.row.jvp and differentiable(p.row)], ids=str)
def test_forward_mode_dispatches(plan: Plan) -> None:
    given, row = fixed_samples(plan), plan.row
    assert row.jvp is not None
    primals = [strict(a) for a in given.arrays]
    (result,) = outputs_of(plan, primals, given.params)
    reads = row.reads_of(len(primals))
    kept = [p if read else Like(p) for p, read in zip(primals, reads, strict=True)]
    tangents = draw_like([given.arrays[i] for i in given.moving], 5)
    for chosen in {given.moving, *((i,) for i in given.moving)}:
        moving: list[Any] = [None] * len(primals)
        for i in chosen:
            moving[i] = Strict(tangents[given.moving.index(i)])
        found = row.jvp(moving, result, *kept, **given.params)
        chosen_tangents = [tangents[given.moving.index(i)] for i in chosen]
        (expected,) = push(given, chosen, chosen_tangents)
        assert isinstance(found, Strict), f"jvp of {row.name} returned a {type(found).__name__}"
        moved = found._array if np.iscomplexobj(expected) else np.real(found._array)
        assert_close(moved, expected, 1e-12, f"jvp of {row.name}", 10)


def test_the_projection_dispatches() -> None:
    small = Strict(np.ones((1, 3)))
    node: Any = (handle(small, Leaf(small)) + Strict(np.ones((2, 3)))).node
    wide = Strict(np.ones((2, 3), np.float64))
    found = project(wide, Strict(np.zeros((1, 3), np.float32)), node)
    assert isinstance(found, Strict)
    assert (found.shape, found.dtype) == ((1, 3), np.float32)
    assert isinstance(shape.sum_to(wide, shape=()), Strict)


def test_repeated_indices_of_any_kind_of_array_sum() -> None:
    rows = Strict(np.array([0, 2, 2]), known=True)
    found = index.scatter(Strict(np.ones(3)), index=rows, shape=(4,))
    np.testing.assert_array_equal(found._array, [1, 0, 2, 0])
