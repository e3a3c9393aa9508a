"""Arrangement: values against NumPy over many arguments, gradients of copies, error texts."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import OpError, OpTypeError, UnsupportedError
from tinygrad_edu.ops import arrange

X = np.arange(1.0, 7.0).reshape(2, 3)


def slope(f: Any, x: Any) -> Any:
    """Return the gradient of the sum of what a function of one tensor gives."""
    leaf = Tensor(x, requires_grad=True)
    y = f(leaf)
    parts = y if isinstance(y, (list, tuple)) else [y]
    total = parts[0].sum()
    for part in parts[1:]:
        total = total + part.sum()
    total.backward()
    return leaf.grad


def jacobian_of(f: Any, shape: tuple[int, ...]) -> Any:
    """Return the matrix of a linear function on arrays, column by column."""
    size = int(np.prod(shape))
    return np.stack([np.ravel(f(e.reshape(shape))) for e in np.eye(size)], axis=-1)


# ------------------------------------------------------------------------------ pads

LINEAR = ("edge", "reflect", "symmetric", "wrap", "mean", "linear_ramp")


@given(
    mode=st.sampled_from((*LINEAR, "constant", "maximum", "minimum", "median")),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    data=st.data(),
)
def test_pad_has_the_values_of_numpy(mode: str, shape: tuple[int, ...], data: Any) -> None:
    widths = data.draw(
        st.lists(
            st.tuples(st.integers(0, 9), st.integers(0, 9)),
            min_size=len(shape),
            max_size=len(shape),
        )
    )
    more: dict[str, Any] = {}
    if mode in ("reflect", "symmetric"):
        more["reflect_type"] = data.draw(st.sampled_from(("even", "odd")))
    if mode in ("mean", "maximum", "minimum", "median"):
        more["stat_length"] = data.draw(st.sampled_from((None, 1, 2, (2, 3))))
    if mode == "constant":
        more["constant_values"] = data.draw(st.sampled_from((0, 2.5, (1, -1))))
    if mode == "linear_ramp":
        more["end_values"] = data.draw(st.sampled_from((0, 2.5, (1, -1))))
    x = np.random.default_rng(0).normal(size=shape)
    found = np.pad(Tensor(x), widths, mode, **more)
    np.testing.assert_allclose(found.numpy(), np.pad(x, widths, mode, **more), rtol=1e-14)


@pytest.mark.parametrize("mode", ["constant", *LINEAR, "maximum", "median"])
def test_pad_keeps_whole_numbers_whole(mode: str) -> None:
    x = np.array([[3, 8, -4], [2, 2, 9]])
    found = np.pad(Tensor(x), 2, mode)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found.numpy(), np.pad(x, 2, mode))


@pytest.mark.parametrize("reflect_type", ["even", "odd"])
@pytest.mark.parametrize("mode", LINEAR)
def test_the_gradient_of_a_pad_is_the_transpose_of_numpys_matrix(
    mode: str, reflect_type: str
) -> None:
    mirrors = mode in ("reflect", "symmetric")
    if reflect_type == "odd" and not mirrors:
        return
    more: dict[str, Any] = {"reflect_type": reflect_type} if mirrors else {}
    matrix = jacobian_of(lambda x: np.pad(x, ((1, 7), (5, 2)), mode, **more), (2, 3))
    weights = np.random.default_rng(1).normal(size=matrix.shape[0])
    found = slope(lambda x: np.pad(x, ((1, 7), (5, 2)), mode, **more).ravel() * weights, X)
    np.testing.assert_allclose(found.ravel(), matrix.T @ weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("widths", [2, (1, 2), [(0, 1), (2, 3)], np.array([[1], [2]]), {1: 3}])
def test_widths_come_in_every_form(widths: Any) -> None:
    wanted: Any = [(0, 0), (3, 3)] if isinstance(widths, dict) else widths
    np.testing.assert_array_equal(tg.pad(Tensor(X), widths).numpy(), np.pad(X, wanted))
    np.testing.assert_array_equal(tg.crop(np.pad(X, wanted), widths), X)


def test_wrong_pads_are_refused() -> None:
    with pytest.raises(OpError, match="fit 2 axes"):
        tg.pad(X, (1, 2, 3))
    with pytest.raises(OpError, match="crop"):
        tg.pad(X, -1)
    with pytest.raises(OpTypeError, match="whole numbers"):
        tg.pad(X, 0.5)
    with pytest.raises(OpError, match="'empty' puts around has no value"):
        tg.pad(X, 1, mode="empty")
    with pytest.raises(OpError, match="mode 'around'"):
        tg.pad(X, 1, mode="around")
    with pytest.raises(OpError, match="axis 0 is empty"):
        tg.pad(np.zeros((0, 2)), 1, mode="edge")
    with pytest.raises(OpError, match="stat_length of 1 or more"):
        tg.pad(X, 1, mode="mean", stat_length=0)
    with pytest.raises(OpError, match="fewer elements"):
        tg.crop(X, 2)


# ------------------------------------------------------------------------------ copies and turns


def test_copies_sum_their_cotangents() -> None:
    np.testing.assert_array_equal(slope(lambda x: np.tile(x, (2, 1, 3)), X), np.full((2, 3), 6.0))
    np.testing.assert_array_equal(
        slope(lambda x: np.repeat(x, [1, 0, 3], axis=1), X), [[1, 0, 3], [1, 0, 3]]
    )
    np.testing.assert_array_equal(
        slope(lambda x: np.resize(x, 8), X), [[2.0, 2.0, 1.0], [1.0, 1.0, 1.0]]
    )
    np.testing.assert_array_equal(slope(lambda x: x.repeat(0), X), np.zeros((2, 3)))


@given(shift=st.integers(-7, 7), axis=st.sampled_from((None, 0, 1, (0, 1))))
def test_roll_and_its_gradient_undo_each_other(shift: int, axis: Any) -> None:
    weights = np.random.default_rng(2).normal(size=X.shape)
    shifts: Any = (shift, 2) if isinstance(axis, tuple) else shift
    np.testing.assert_array_equal(
        np.roll(Tensor(X), shifts, axis).numpy(), np.roll(X, shifts, axis)
    )
    found = slope(lambda x: np.roll(x, shifts, axis) * np.roll(weights, shifts, axis), X)
    np.testing.assert_array_equal(found, weights)


@pytest.mark.parametrize("k", range(-5, 6))
def test_quarter_turns(k: int) -> None:
    weights = np.random.default_rng(3).normal(size=np.rot90(X, k).shape)
    np.testing.assert_array_equal(np.rot90(Tensor(X), k).numpy(), np.rot90(X, k))
    np.testing.assert_array_equal(
        slope(lambda x: np.rot90(x, k) * weights, X), np.rot90(weights, -k)
    )


def test_flips_need_their_axes() -> None:
    with pytest.raises(OpError, match="2 axes"):
        tg.fliplr(np.ones(3))
    with pytest.raises(OpError, match="an axis"):
        tg.flipud(np.ones(()))


# ------------------------------------------------------------------------------ diagonals


@pytest.mark.parametrize("offset", range(-4, 5))
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_diagonals_of_every_offset(offset: int, shape: tuple[int, int]) -> None:
    x = np.random.default_rng(4).normal(size=shape)
    np.testing.assert_array_equal(np.diagonal(Tensor(x), offset).numpy(), np.diagonal(x, offset))
    np.testing.assert_array_equal(
        slope(lambda t: np.diagonal(t, offset), x), np.eye(*shape, offset)
    )
    np.testing.assert_array_equal(np.diag(Tensor(x[0]), offset).numpy(), np.diag(x[0], offset))


def test_diag_embed_of_a_stack() -> None:
    found = tg.diag_embed(X, 1)
    assert found.shape == (2, 4, 4)
    for matrix, row in zip(found, X, strict=True):
        np.testing.assert_array_equal(matrix, np.diag(row, 1))
    with pytest.raises(OpError, match="diag_embed"):
        tg.diag(np.ones((2, 2, 2)))


@pytest.mark.parametrize(
    ("shape", "wrap"), [((3, 3), False), ((2, 4), False), ((7, 3), True), ((7, 3), False)]
)
def test_fill_diagonal_fills_what_numpy_fills(shape: tuple[int, ...], wrap: bool) -> None:
    expected = np.ones(shape)
    np.fill_diagonal(expected, 5.0, wrap=wrap)
    np.testing.assert_array_equal(tg.fill_diagonal(np.ones(shape), 5.0, wrap=wrap), expected)
    found = slope(lambda x: tg.fill_diagonal(x, 5.0, wrap=wrap), np.ones(shape))
    np.testing.assert_array_equal(found, expected != 5.0)


def test_fill_diagonal_of_a_cube() -> None:
    expected = np.zeros((3, 3, 3))
    np.fill_diagonal(expected, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(
        tg.fill_diagonal(np.zeros((3, 3, 3)), np.array([1.0, 2.0, 3.0])), expected
    )
    with pytest.raises(OpError, match="one length"):
        tg.fill_diagonal(np.zeros((2, 3, 3)), 1.0)


@pytest.mark.parametrize("function", [np.tril, np.triu])
@pytest.mark.parametrize("k", range(-3, 4))
def test_triangles(function: Any, k: int) -> None:
    np.testing.assert_array_equal(
        slope(lambda x: function(x, k), np.ones((2, 2, 3))), function(np.ones((2, 2, 3)), k)
    )


# ------------------------------------------------------------------------------ windows


@pytest.mark.parametrize(("size", "step"), list(itertools.product(range(1, 8), range(1, 5))))
def test_unfold_slides(size: int, step: int) -> None:
    x = np.random.default_rng(5).normal(size=7)
    windows = [x[i : i + size] for i in range(0, 8 - size, step)]
    np.testing.assert_array_equal(tg.unfold(x, 0, size, step), windows)
    counts = np.zeros(7)
    for i in range(0, 8 - size, step):
        counts[i : i + size] += 1
    np.testing.assert_array_equal(slope(lambda t: t.unfold(0, size, step), x), counts)
    np.testing.assert_array_equal(arrange.fold(np.ones((len(windows), size)), 0, 7, step), counts)


def test_windows_that_do_not_fit_are_refused() -> None:
    for size, step in ((0, 1), (4, 1), (2, 0)):
        with pytest.raises(OpError, match="no window"):
            tg.unfold(np.ones(3), 0, size, step)
    with pytest.raises(OpError, match="window sizes"):
        tg.sliding_window_view(X, (1, 2, 2))
    with pytest.raises(OpError, match="the length and the step"):
        tg.fold(np.ones((2, 3)), 0, 7)
    with pytest.raises(UnsupportedError, match="writeable"):
        np.lib.stride_tricks.sliding_window_view(Tensor(X), 2, 0, writeable=True)


# ------------------------------------------------------------------------------ grids and joins


def test_meshgrid_in_every_way() -> None:
    a, b, c = np.arange(3.0), np.arange(2.0), np.arange(4.0)
    for arrays in ((a,), (a, b), (a, b, c)):
        for sparse, indexing in itertools.product((False, True), ("xy", "ij")):
            found = tg.meshgrid(*arrays, sparse=sparse, indexing=indexing)
            expected = np.meshgrid(*arrays, sparse=sparse, indexing=indexing)
            assert isinstance(found, tuple)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(slope(lambda x: np.meshgrid(x, b)[0], a), [2.0, 2.0, 2.0])
    with pytest.raises(OpError, match="'xy' or 'ij'"):
        tg.meshgrid(a, b, indexing="yx")


def test_blocks_are_nested_as_deep_as_they_like() -> None:
    a, b, c, d = np.ones((2, 2)), np.zeros((2, 1)), np.full((1, 2), 3.0), np.full((1, 1), 4.0)
    nested: Any = [[a, b], [c, d]]
    leaf = Tensor(a, requires_grad=True)
    found = np.block([[leaf, b], [c, d]])
    np.testing.assert_array_equal(found.numpy(), np.block(nested))
    (found * np.arange(9.0).reshape(3, 3)).sum().backward()
    np.testing.assert_array_equal(leaf.grad, [[0, 1], [3, 4]])
    for blocks in ([1.0, 2.0], [[1.0], [2.0]], [[a[0], a[1]]], [[[a]], [[a]]]):
        np.testing.assert_array_equal(tg.block(blocks), np.block(blocks))
    with pytest.raises(OpError, match="equally deep"):
        tg.block([[a], b])
    with pytest.raises(OpError, match="empty"):
        tg.block([])


@pytest.mark.parametrize(
    ("obj", "values", "axis"),
    [
        (1, 9.0, None), (-1, [7.0, 8.0], None), ([0, 4, 4], [7.0, 8.0, 9.0], None),
        (0, [1.0, 2.0, 3.0], 0), (1, [1.0, 2.0], 1), ([1], [[1.0], [2.0]], 1), (2, 5.0, 0),
        ([0, 1], [[1.0, 2.0, 3.0]], 0), (slice(0, 2), 4.0, 0), ([2, 0], [7.0, 8.0], 1),
        (1, [[1.0, 2.0]], 1), (np.array([3, 0]), 1.5, 1),
    ],
)  # fmt: skip
def test_insert_has_the_values_of_numpy(obj: Any, values: Any, axis: int | None) -> None:
    found = np.insert(Tensor(X), obj, np.array(values), axis)
    np.testing.assert_array_equal(found.numpy(), np.insert(X, obj, np.array(values), axis))
    np.testing.assert_array_equal(
        slope(lambda x: np.insert(x, obj, np.array(values), axis), X), np.ones((2, 3))
    )


def test_insert_keeps_the_dtype_of_the_array() -> None:
    assert tg.insert(X.astype(np.float32), 1, 2.5).dtype == np.float32
    assert np.insert(Tensor(X.astype(np.float32)), 1, 2.5).dtype == np.float32


@pytest.mark.parametrize("obj", [0, -1, [0, 2], slice(None, None, 2), np.array([1]), []])
def test_delete_has_the_values_of_numpy(obj: Any) -> None:
    for axis in (None, 1):
        np.testing.assert_array_equal(
            np.delete(Tensor(X), obj, axis).numpy(), np.delete(X, obj, axis)
        )
    kept = np.delete(np.arange(6), obj)
    expected = np.isin(np.arange(6), kept).reshape(2, 3)
    np.testing.assert_array_equal(slope(lambda x: np.delete(x, obj), X), expected)


# ------------------------------------------------------------------------------ cuts and axes


@pytest.mark.parametrize("sections", [1, 2, 3, 7, 9, [2, 5], [3, 3], [5, 2], [9]])
def test_array_split_cuts_like_numpy(sections: Any) -> None:
    x = np.arange(7.0)
    found, expected = tg.array_split(x, sections), np.array_split(x, sections)
    assert [part.tolist() for part in found] == [part.tolist() for part in expected]
    np.testing.assert_array_equal(slope(lambda t: np.array_split(t, 3), x), np.ones(7))


@pytest.mark.parametrize(
    ("chunks", "lengths"), [(1, [7]), (3, [3, 3, 1]), (4, [2, 2, 2, 1]), (9, [1] * 7)]
)
def test_chunks_are_equal_but_the_last(chunks: int, lengths: list[int]) -> None:
    assert [len(part) for part in tg.chunk(np.arange(7.0), chunks)] == lengths


def test_cuts_that_make_no_sense_are_refused() -> None:
    for cut in (lambda: tg.chunk(X, 0), lambda: tg.array_split(X, 0)):
        with pytest.raises(OpError, match="no number of parts"):
            cut()
    for cut in (lambda: tg.vsplit(X[0], 1), lambda: tg.dsplit(X, 1), lambda: tg.hsplit(X.sum(), 1)):
        with pytest.raises(OpError, match="x needs"):
            cut()
    with pytest.raises(OpError, match="axis 1 of length 3 is not"):
        tg.unflatten(X, 1, (2, 2))
    with pytest.raises(OpError, match="of 2 axes"):
        tg.rollaxis(X, 2)
    with pytest.raises(OpError, match="no element"):
        tg.resize(np.zeros(0), 3)


@pytest.mark.parametrize(("axis", "start"), list(itertools.product(range(-3, 3), range(-3, 4))))
def test_rollaxis_moves_like_numpy(axis: int, start: int) -> None:
    x = np.zeros((2, 3, 4))
    assert tg.rollaxis(x, axis, start).shape == np.rollaxis(x, axis, start).shape


@pytest.mark.parametrize("increasing", [False, True])
def test_vander_has_a_slope_at_zero(increasing: bool) -> None:
    x = np.array([0.0, -2.0, 3.0])
    np.testing.assert_array_equal(tg.vander(x, 4, increasing), np.vander(x, 4, increasing))
    np.testing.assert_allclose(
        slope(lambda t: np.vander(t, 4, increasing), x), 1 + 2 * x + 3 * x**2
    )
    with pytest.raises(OpError, match="one axis"):
        tg.vander(X)


@pytest.mark.parametrize("trim", ["f", "b", "fb"])
@pytest.mark.parametrize("x", [[0.0, 1.0, 0.0, 2.0, 0.0], [0.0, 0.0], [3.0]])
def test_zeros_at_the_ends_are_cut_off(x, trim):
    t = Tensor(x, requires_grad=True)
    y = np.trim_zeros(t, trim)
    np.testing.assert_array_equal(y.numpy(), np.trim_zeros(np.array(x), trim))
    if y.size:
        y.sum().backward()
        assert t.grad.sum() == y.size


def test_a_box_of_zeros_is_cut_off():
    x = np.pad(np.array([[1.0, 0.0], [0.0, 2.0]]), ((1, 2), (0, 1)))
    np.testing.assert_array_equal(tg.trim_zeros(x), [[1, 0], [0, 2]])
    np.testing.assert_array_equal(tg.trim_zeros(x, axis=1), x[:, :2])
    np.testing.assert_array_equal(tg.trim_zeros(x, "f", 0), x[1:])
    with pytest.raises(OpError, match="use 'f', 'b' or 'fb'"):
        tg.trim_zeros(x, "x")


def test_narrow_and_t():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(Tensor(x).narrow(1, -3, 2).numpy(), x[:, 1:3])
    np.testing.assert_array_equal(Tensor(x).t().numpy(), x.T)
    with pytest.raises(OpError, match="has no 3 slices from 2 on"):
        tg.narrow(x, 1, 2, 3)
    with pytest.raises(OpError, match=r"swapaxes\(x, -1, -2\)"):
        tg.t(x[None])
