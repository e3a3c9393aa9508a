"""The strategies: what they draw is what they say, and all kinds of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tinygrad_edu.core.op import OPS
from tinygrad_edu.nn import BatchNorm1d, Dropout, Linear
from tinygrad_edu.testing import (
    arrays,
    arrays_of,
    axes,
    broadcastable,
    dtypes,
    indices,
    modules,
    positive_definite,
    shapes,
)
from tinygrad_edu.testing.samples import MARGIN
from tinygrad_edu.testing.strategies import seeds

SHAPE = (3, 4, 2)


def sought(strategy: st.SearchStrategy[Any], kind: Any) -> Any:
    """The simplest drawn value that is of a kind."""
    return find(strategy, kind, settings=settings(max_examples=3000, database=None))


@given(shape=shapes(), large=shapes(2, 4, 0, 5))
def test_shapes_have_their_bounds(shape: Any, large: Any) -> None:
    assert len(shape) <= 3
    assert all(1 <= n <= 3 for n in shape)
    assert 2 <= len(large) <= 4
    assert all(0 <= n <= 5 for n in large)


@given(drawn=broadcastable(3), empty=broadcastable(2, smallest=0))
def test_broadcastable_shapes_broadcast(drawn: Any, empty: Any) -> None:
    assert len(drawn) == 3
    np.broadcast_shapes(*drawn)
    np.broadcast_shapes(*empty)


@pytest.mark.parametrize(
    "kind",
    [
        lambda s: () in s,
        lambda s: len(s[0]) < len(s[1]),
        lambda s: any(n == 1 and m > 1 for n, m in zip(*s, strict=False)),
        lambda s: s[0] == s[1] and len(s[0]) == 3,
    ],
)
def test_every_kind_of_broadcasting_is_drawn(kind: Any) -> None:
    assert sought(broadcastable(2), kind)


def test_shapes_shrink_to_the_smallest() -> None:
    assert sought(shapes(), lambda _: True) == ()
    assert sought(shapes(), lambda s: len(s) == 2) == (1, 1)


@given(data=st.data())
def test_axes_fit(data: st.DataObject) -> None:
    shape = data.draw(shapes(0, 4))
    np.sum(np.zeros(shape), axis=data.draw(axes(len(shape))))


@pytest.mark.parametrize(
    "kind",
    [
        lambda a: a is None,
        lambda a: a == (),
        lambda a: isinstance(a, int) and a < 0,
        lambda a: isinstance(a, tuple) and len(a) == 2 and a[0] > a[1],
    ],
)
def test_every_kind_of_axis_is_drawn(kind: Any) -> None:
    sought(axes(3), kind)


@given(data=st.data())
def test_indices_fit(data: st.DataObject) -> None:
    shape = data.draw(shapes(1, 4))
    np.zeros(shape)[data.draw(indices(shape))]


def parts(index: Any) -> list[Any]:
    return list(index) or [0] if isinstance(index, tuple) else [index]


KINDS: dict[str, Any] = {
    "integer": lambda p: isinstance(p, int),
    "negative": lambda p: isinstance(p, int) and p < 0,
    "slice": lambda p: isinstance(p, slice),
    "backwards": lambda p: isinstance(p, slice) and (p.step or 1) < 0,
    "ellipsis": lambda p: p is ...,
    "newaxis": lambda p: p is None,
    "list": lambda p: isinstance(p, list),
    "array": lambda p: isinstance(p, np.ndarray) and p.dtype == np.intp,
    "matrix": lambda p: isinstance(p, np.ndarray) and p.dtype == np.intp and p.ndim == 2,
    "mask of an axis": lambda p: isinstance(p, np.ndarray) and p.dtype == bool and p.ndim == 1,
    "mask of all": lambda p: isinstance(p, np.ndarray) and p.shape == SHAPE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_index_is_drawn(kind: str) -> None:
    sought(indices(SHAPE), lambda index: any(KINDS[kind](p) for p in parts(index)))


def test_mixed_and_repeated_indices_are_drawn() -> None:
    def mixed(index: Any) -> bool:
        found = [KINDS["array"](p) or KINDS["list"](p) for p in parts(index)]
        return any(found) and any(map(KINDS["slice"], parts(index)))

    def repeated(index: Any) -> bool:
        arrays = [p for p in parts(index) if KINDS["array"](p)]
        return any(p.size > len(np.unique(p)) for p in arrays)

    sought(indices(SHAPE), mixed)
    sought(indices(SHAPE), repeated)
    sought(indices(SHAPE), lambda index: len(parts(index)) > 2 and parts(index)[0] is ...)


@given(x=arrays(), y=arrays((2, 3), domain=(0, 1)), z=arrays((4,), kinks=(0.0, 1.0)))
def test_numbers_are_inside_the_domain_and_away_from_kinks(x: Any, y: Any, z: Any) -> None:
    assert x.dtype == y.dtype == np.float64
    assert (np.abs(x) <= 2).all()
    assert ((y > 0) & (y < 1)).all()
    assert (np.abs(z) >= MARGIN).all()
    assert (np.abs(z - 1) >= MARGIN).all()


@given(x=arrays((3, 4), kinks="ties"), narrow=arrays(shapes(1, 2), dtype=np.float32))
def test_numbers_that_must_differ_do(x: Any, narrow: Any) -> None:
    gaps = np.diff(np.sort(x, axis=None))
    assert gaps.min() > 0.05
    assert narrow.dtype == np.float32


@given(x=arrays_of(OPS["log"], "x"), y=arrays_of(OPS["absolute"], "x", (3,)))
def test_numbers_of_an_argument_are_those_that_its_row_names(x: Any, y: Any) -> None:
    assert (x > 0).all()
    assert y.shape == (3,)
    assert (np.abs(y) >= MARGIN).all()


@given(matrix=positive_definite(), stack=positive_definite(3, stack=(2,), condition=5.0))
def test_matrices_are_symmetric_and_positive_definite(matrix: Any, stack: Any) -> None:
    for one in (matrix, *stack):
        np.testing.assert_array_equal(one, one.T)
        values = np.linalg.eigvalsh(one)
        assert values[0] > 0.09
        assert values[-1] <= (2.2 if one is matrix else 0.6)
        assert (np.diff(values) > 1e-3).all()
    assert stack.shape == (2, 3, 3)


@given(dtype=dtypes(), seed=seeds())
def test_dtypes_carry_gradients(dtype: Any, seed: int) -> None:
    assert dtype.kind == "f"
    np.random.default_rng(seed)


@settings(max_examples=20)
@given(drawn=modules())
def test_modules_take_their_inputs(drawn: Any) -> None:
    module, inputs = drawn
    assert module.training
    assert module(*inputs).dtype == inputs[0].dtype


@pytest.mark.parametrize("layer", [Linear, BatchNorm1d, Dropout])
def test_every_kind_of_layer_is_drawn(layer: Any) -> None:
    sought(modules(), lambda drawn: any(isinstance(part, layer) for part in drawn[0].modules()))
