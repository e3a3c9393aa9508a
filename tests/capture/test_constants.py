"""Arrays from outside are watched in the memory where they live, to the bit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Parameter, Tensor, nn, optim
from tinygrad_edu.capture import capture
from tinygrad_edu.capture.facts import ELEMENTS
from tinygrad_edu.errors import CaptureError

Array = np.ndarray[Any, Any]
X, Y = np.array([0.5, -1.0, 2.0]), np.array([3.0, -4.0, 5.0])


def in_another_order() -> tuple[Array, Array]:
    """Return an owner that is contiguous in neither order, and a view of it."""
    owner = np.arange(60.0).reshape(3, 4, 5).transpose(1, 0, 2).copy(order="K")
    assert owner.base is None
    assert not owner.flags.c_contiguous
    assert not owner.flags.f_contiguous
    return owner, owner[1:, :, ::-2]


def in_fortran_order() -> tuple[Array, Array]:
    owner = np.asfortranarray(np.arange(12.0).reshape(3, 4)).copy(order="K")
    return owner, owner.T[::-1, 1:]


def backwards() -> tuple[Array, Array]:
    owner = np.arange(12.0)
    return owner, owner[::-1]


def repeated() -> tuple[Array, Array]:
    owner = np.arange(3.0)
    return owner, np.broadcast_to(owner, (4, 3))


def a_field() -> tuple[Array, Array]:
    owner = np.zeros(5, [("a", "f8"), ("b", "i4")])
    return owner["a"], owner["a"][1:]


def of_a_buffer() -> tuple[Array, Array]:
    owner = np.frombuffer(bytearray(80))
    return owner, owner[2:]


def of_one() -> tuple[Array, Array]:
    owner = np.zeros((1, 3, 1)).transpose(2, 1, 0).copy(order="K")
    return owner, owner[:, 1:]


VIEWS = [in_another_order, in_fortran_order, backwards, repeated, a_field, of_a_buffer, of_one]


@pytest.mark.parametrize("case", VIEWS, ids=lambda case: case.__name__)
def test_a_view_is_watched_in_the_memory_of_its_owner(
    case: Callable[[], tuple[Array, Array]],
) -> None:
    owner, view = case()
    held = [partial(np.add, view)]  # in an object that has no attributes: only the owner tells

    def shifted(x: Any) -> Any:
        return x[0] + held[0].args[0]

    program = capture(shifted, X)
    assert program(Y).tobytes() == shifted(Y).tobytes()
    owner[...] += 1
    with pytest.raises(CaptureError, match=r"has changed since it was recorded|is another than"):
        program(Y)


@pytest.mark.parametrize("case", VIEWS, ids=lambda case: case.__name__)
def test_a_view_made_inside_is_watched_as_well(case: Callable[[], tuple[Array, Array]]) -> None:
    from tinygrad_edu.capture.tape import Constant

    owner, view = case()
    look = Constant(view.copy(), view, "").live()
    del view
    owner[...] += 1
    now = look()
    assert now is not None
    _, fresh = case()
    assert now.tobytes() == (fresh + 1).tobytes()


def test_memory_of_a_file_is_watched(tmp_path: Path) -> None:
    file = np.memmap(tmp_path / "numbers", dtype=np.float64, mode="w+", shape=(20,))
    program = capture(lambda x: x + file[3:6], X)
    assert program(Y).tolist() == Y.tolist()
    file[4] = 1
    with pytest.raises(CaptureError, match=r"has changed|is another"):
        program(Y)


def test_memory_that_is_no_array_is_watched() -> None:
    memory = bytearray(24)
    program = capture(lambda x: x + np.frombuffer(memory), X)
    assert program(Y).tolist() == Y.tolist()
    memory[7] = 64
    with pytest.raises(CaptureError, match="has changed"):
        program(Y)


@pytest.mark.parametrize("size", [3, 3000])
@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.complex64, np.complex128])
def test_the_sign_of_a_zero_is_a_change(size: int, dtype: Any) -> None:
    from tinygrad_edu.capture.tape import same

    zeros = np.zeros(size, dtype)
    other = zeros.copy()
    assert same(zeros, other)
    other[-1] = -0.0 if other.dtype.kind == "f" else complex(0.0, -0.0)
    assert not same(zeros, other)
    other[-1] = np.nan
    assert same(other, other.copy())
    assert same(other[::2], other[::2].copy())


# ------------------------------------------------------------------------------ large ones

LARGE = (1100, 1000)


def test_data_too_large_to_be_compared_are_refused() -> None:
    data = np.ones(LARGE)
    assert data.size > ELEMENTS
    for function in (lambda x: x @ data.T, lambda x: np.sum(x * data[:1060])):
        with pytest.raises(CaptureError, match="too large to be compared in every call"):
            capture(function, np.ones(1000))
    program = capture(lambda x, data: x @ data.T, np.ones(1000), data)
    assert program(np.ones(1000), data).tolist() == [1000.0] * 1100


def test_large_arrays_that_the_function_makes_are_no_data() -> None:
    layer = nn.Linear(4, 2, rng=0)
    optimizer = optim.SGD(layer, lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = np.sum(layer(x)) + np.sum(Tensor(np.ones(LARGE, np.float32)) * x[0, 0])
        loss.backward()
        optimizer.step()
        return loss

    x = np.ones((1, 4), np.float32)
    program = capture(step, x)
    assert float(program(x)) == pytest.approx(1.1e6, rel=1e-3)


# ------------------------------------------------------------------------------ shared memory


def test_results_share_memory_with_nothing() -> None:
    w, table = Parameter(np.ones(3)), np.arange(3.0)

    def views(x: Any) -> Any:
        y = x * 2
        return w, w.data, w.data[1:], x, x[1:], table, y, y[1:], np.broadcast_to(y, (2, 3))

    program = capture(views, X)
    given = Y.copy()
    found = program(given)
    for i, part in enumerate(found):
        rest = [each for k, each in enumerate(found) if k != i]
        assert not any(np.shares_memory(part, each) for each in (*rest, given, w.data, table))
        part[...] = 77
    assert given.tolist() == Y.tolist()
    assert w.data.tolist() == [1.0, 1.0, 1.0]
    assert [np.asarray(a).tolist() for a in program(Y)] == [
        np.asarray(getattr(a, "_data", a)).tolist() for a in views(Y)
    ]


def test_a_result_of_broadcast_arrays_is_given_without_a_warning() -> None:
    def grid(x: Any) -> Any:
        return np.broadcast_arrays(x, np.zeros((2, 3)))

    found, expected = capture(grid, X)(Y), grid(Y)
    assert [a.tolist() for a in found] == [a.tolist() for a in expected]


def test_an_argument_in_the_memory_of_a_parameter() -> None:
    w = Parameter(np.ones(3))

    def step(x: Any) -> Any:
        before = x.copy()
        w.data += 1
        return before * 2

    program = capture(step, X)
    with pytest.raises(CaptureError, match="the argument x shares memory with a parameter"):
        program(w.data[::-1])
    assert w.data.tolist() == [1.0, 1.0, 1.0]
    assert program(w.data.copy()).tolist() == [2.0, 2.0, 2.0]


def test_one_tensor_given_twice() -> None:
    def slopes(a: Tensor, b: Tensor) -> Any:
        (a * b).sum().backward()
        return a.grad, b.grad

    def given() -> Tensor:
        return Tensor(X, requires_grad=True)

    one = given()
    with pytest.raises(CaptureError, match=r"capture: one Tensor .* is given twice"):
        capture(slopes, one, one)
    program = capture(slopes, given(), given())
    with pytest.raises(CaptureError, match="given twice"):
        program(one, one)
    assert [g.tolist() for g in program(Tensor(X), Tensor(Y))] == [Y.tolist(), X.tolist()]
