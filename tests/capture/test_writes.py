"""What a call writes to is written down, or refused; so is what depends on numbers or layout."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.capture import capture
from tinygrad_edu.errors import CaptureError

Array = np.ndarray[Any, Any]
X, Y = np.array([0.5, -1.0, 2.0]), np.array([3.0, -4.0, 5.0])
TABLE = np.zeros(3)


def flat(tree: Any) -> list[Any]:
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in flat(part)]
    return [np.asarray(getattr(tree, "_data", tree))]


def assert_same(found: Any, expected: Any) -> None:
    mine, its = flat(found), flat(expected)
    assert [(a.shape, a.dtype) for a in mine] == [(a.shape, a.dtype) for a in its]
    assert [a.tobytes() for a in mine] == [a.tobytes() for a in its]


WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "sum, by position": lambda x, out: np.sum(x, 0, None, out),
    "sum, a method, by position": lambda x, out: x.sum(0, None, out),
    "sum, a method, by name": lambda x, out: x.sum(axis=0, out=out),
    "max, a method": lambda x, out: x.max(0, out),
    "take, a method": lambda x, out: x[0].take([0, 1, 2], None, out),
    "clip, a method": lambda x, out: x[0].clip(0, 1, out),
    "cumsum": lambda x, out: np.cumsum(x[0], 0, None, out),
    "dot": lambda x, out: np.dot(np.ones(2), x, out),
    "concatenate": lambda x, out: np.concatenate([x[0, :1], x[1, 1:]], 0, out),
    "a ufunc": lambda x, out: np.add(x[0], x[1], out),
    "copyto": lambda x, out: np.copyto(out, x[0], where=x[0] > 0),
    "add.at": lambda x, out: np.add.at(out, [0, 0, 1], x[0]),
    "median": lambda x, out: np.median(out, None, None, True) + x[0],
    "nan_to_num": lambda x, out: np.nan_to_num(out, False) + x[0],
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_to_an_array_of_its_own(name: str) -> None:
    def function(x: Any) -> Any:
        own = x * 2
        WRITES[name](np.stack([x, x + 1]), own)
        return own + 1

    program = capture(function, X)
    for x in (X, Y, np.array([1.0, np.nan, -np.inf])):
        assert_same(program(x), function(x))


@pytest.mark.parametrize("name", WRITES)
def test_a_write_to_an_argument(name: str) -> None:
    def function(x: Any) -> Any:
        WRITES[name](np.stack([x, x + 1]), x)
        return x * 2

    with pytest.raises(CaptureError, match="writes to an argument"):
        capture(function, X)


@pytest.mark.parametrize("name", [name for name in WRITES if name not in ("median", "nan_to_num")])
def test_a_write_to_an_array_from_outside(name: str) -> None:
    def function(x: Any) -> Any:
        WRITES[name](np.stack([x, x + 1]), TABLE)
        return x * 2

    with pytest.raises(CaptureError, match="writes to an array from outside"):
        capture(function, X)


def test_a_write_by_plain_numpy() -> None:
    table = np.array([np.nan, 1.0])

    def function(x: Any) -> Any:
        np.nan_to_num(table, copy=False)
        return x * 2

    with pytest.raises(CaptureError, match="the function changes the variable table"):
        capture(function, X)


def test_real_and_imaginary_parts_are_views() -> None:
    def function(x: Any) -> Any:
        z = x + 0j
        z.imag += x
        z.real[1] = 7
        z.real = z.real * 2
        return z

    assert_same(capture(function, X)(Y), function(Y))


def test_a_view_of_a_view_is_written_through() -> None:
    def function(x: Any) -> Any:
        y = np.outer(x, x)
        y.T[0] = x
        row = y.reshape(-1)
        row[3:5] *= 7
        same = y.ravel()
        same += 1
        return y, same

    assert_same(capture(function, X)(Y), function(Y))


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "sort": (lambda x: (x + 0).sort(), r"\.sort of an array"),
    "flat": (lambda x: (x + 0).flat[0], r"\.flat of an array"),
    "strides": (lambda x: x * x.strides[0], r"\.strides of an array"),
    "tobytes": (lambda x: x * len(x.tobytes()), r"\.tobytes of an array"),
    "ravel": (lambda x: x.ravel(order="K"), "how an array lies in memory"),
    "np.ravel": (lambda x: np.ravel(x, "A"), "how an array lies in memory"),
    "reshape": (lambda x: x.reshape(-1, order="A"), "how an array lies in memory"),
    "array": (lambda x: np.array([x[0], x[1]]), r"np\.stack\(\[a, b\]\) for np\.array"),
    "index": (lambda x: TABLE[x.astype(int)], r"np\.take\(table, x, axis=0\) for table\[x\]"),
    "greatest": (lambda x: max(x), "a branch, by the truth of an array"),
    "allclose": (lambda x: x if np.allclose(x, x) else -x, "a branch"),
    "a function": (lambda x: np.apply_along_axis(lambda v: v * 2, 0, x), "given a function"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_down(name: str) -> None:
    function, why = REFUSED[name]
    with pytest.raises(CaptureError, match=why) as caught:
        capture(function, X)
    assert "test_writes.py:" in str(caught.value)


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
@pytest.mark.parametrize("attribute", ["shape", "dtype"])
def test_an_array_that_is_given_another_shape_in_place(attribute: str) -> None:
    def function(x: Any) -> Any:
        y = x + 0
        setattr(y, attribute, (3, 1) if attribute == "shape" else np.int64)
        return y

    with pytest.raises(CaptureError, match=f"{attribute} = of an array"):
        capture(function, X)


# ------------------------------------------------------------------------------ shapes by numbers

SHAPED: dict[str, tuple[Callable[[Any], Any], Array]] = {
    "unique": (np.unique, np.array([1.0, 1.0, 2.0])),
    "unique_counts": (np.unique_counts, np.array([1.0, 1.0, 2.0])),
    "trim_zeros": (np.trim_zeros, np.array([0.0, 1.0, 2.0])),
    "flatnonzero": (lambda x: np.flatnonzero(x > 0), np.array([-1.0, -1.0, 2.0])),
    "where": (lambda x: np.where(x > 0), np.array([-1.0, -1.0, 2.0])),
    "mask": (lambda x: np.outer(x, x)[x > 0, :], np.array([-1.0, -1.0, 2.0])),
    "compress": (lambda x: x.compress(x > 0), np.array([-1.0, -1.0, 2.0])),
    "repeat": (lambda x: np.repeat(x, (x > 0) + 1), np.array([-1.0, -1.0, 2.0])),
    "bincount": (lambda x: np.bincount((x > 0) + 0), np.array([-1.0, -1.0, -2.0])),
    "delete": (lambda x: np.delete(x, x > 0), np.array([-1.0, -1.0, 2.0])),
    "roots": (lambda x: np.roots(abs(x)), np.array([0.0, 1.0, 2.0])),
    "setdiff1d": (lambda x: np.setdiff1d(x, [9.0]), np.array([1.0, 9.0, 4.0])),
}


@pytest.mark.parametrize("name", SHAPED)
def test_a_shape_that_depends_on_numbers(name: str) -> None:
    function, other = SHAPED[name]
    program = capture(function, X)
    assert_same(program(X * 2), function(X * 2))
    assert [a.shape for a in flat(function(other))] != [a.shape for a in flat(function(X * 2))]
    with pytest.raises(CaptureError, match="a shape depends on numbers"):
        program(other)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.split(x, 1)[0] * 2,
        lambda x: [a + 1 for a in np.broadcast_arrays(x)],
        lambda x: np.meshgrid(x)[0] - 1,
        lambda x: np.nonzero(x)[0] * 2,
        lambda x: np.atleast_1d(x) * 2,
    ],
)
def test_a_list_of_one_is_a_list(function: Callable[[Any], Any]) -> None:
    assert_same(capture(function, X)(Y), function(Y))


# ------------------------------------------------------------------------------ kinds of arrays

COMPLEX = (X - 2j).astype(np.complex64)
KINDS: dict[str, tuple[Callable[..., Any], Array, Array]] = {
    "0-d": (lambda x: (x * 2 + 1, np.exp(x), x[...]), np.array(0.5), np.array(-3.0)),
    "0-d, in place": (lambda x: np.add(x, 1, out=np.copy(x)), np.array(0.5), np.array(-3.0)),
    "empty": (lambda x: (x * 2, x.sum(), x[:, :1]), np.zeros((0, 3)), np.zeros((0, 3))),
    "half": (lambda x: np.exp(x) * x.sum() / 3, X.astype(np.float16), Y.astype(np.float16)),
    "complex": (lambda x: (np.exp(x) * x.conj()).real + abs(x), COMPLEX, COMPLEX * 3),
    "whole": (lambda x: (x // 2, x % 2, x << 1, ~x, -x, x @ x), np.arange(3), np.arange(3) - 9),
    "truths": (lambda x: (~x, x & x, x.sum(), np.where(x, 1, 2)), X > 0, Y < 0),
    "divmod": (lambda x: (divmod(x, 3), divmod(7, x)), X, Y),
    "Fortran": (lambda x: (x.sum(0), x.T @ x), np.asfortranarray(np.outer(X, X)), np.outer(Y, X)),
    "every other": (lambda x: (x.sum(), x * 2), np.arange(6.0)[::2], np.arange(12.0)[::4]),
}


@pytest.mark.parametrize("name", KINDS)
def test_any_kind_of_array(name: str) -> None:
    function, first, second = KINDS[name]
    program = capture(function, first)
    second = np.array(second, order="F" if name == "Fortran" else "C")
    for x in (first, second):
        assert_same(program(x), function(x))


def test_the_gradient_of_a_complex_argument() -> None:
    def slope(x: Any) -> Any:
        z = Tensor(x, requires_grad=True)
        np.sum(np.real(z * np.conj(z) * z)).backward()
        return z.grad

    assert_same(capture(slope, X + 1j)(Y - 2j), slope(Y - 2j))
