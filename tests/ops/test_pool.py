"""Pooling against slow loops, ties, padding; upsampling; pixel shuffle."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, ops
from tinygrad_edu.errors import OpError


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def cells(length, size, stride, padding, dilation, ceil_mode):
    """Return per window its indices in the image, None for padding, and beyond it nothing."""
    found, start = [], -padding
    reach = dilation * (size - 1)
    while start < length if ceil_mode else start + reach < length + padding:
        indices = [start + dilation * k for k in range(size)]
        found.append([i if 0 <= i < length else None for i in indices if i < length + padding])
        if start + reach + 1 >= length + padding:
            break
        start += stride
    return found


def slow(x, reduce, params):
    """Return a pooling of images, one window after the other; padding is passed as None."""
    per_axis = [cells(n, *each) for n, each in zip(x.shape[2:], params, strict=True)]
    y = np.zeros((*x.shape[:2], *map(len, per_axis)))
    for n, c in np.ndindex(*x.shape[:2]):
        for place in np.ndindex(*y.shape[2:]):
            window = itertools.product(*(per_axis[a][i] for a, i in enumerate(place)))
            elements = [None if None in at else x[(n, c, *at)] for at in window]
            y[(n, c, *place)] = reduce(elements)
    return y


def largest(elements):
    return max(e for e in elements if e is not None)


def mean(elements):
    return sum(e for e in elements if e is not None) / len(elements)


def mean_inside(elements):
    inside = [e for e in elements if e is not None]
    return sum(inside) / len(inside)


@st.composite
def pools(draw):
    axes = draw(st.integers(1, 2))
    params = []
    for _ in range(axes):
        size = draw(st.integers(1, 3))
        params.append((size, draw(st.integers(1, 3)), draw(st.integers(0, size // 2))))
    lengths = [draw(st.integers(size, 6)) for size, _, _ in params]
    return (draw(st.integers(1, 2)), 2, *lengths), params, draw(st.booleans())


def arguments(params):
    size, stride, padding = (tuple(column) for column in zip(*params, strict=True))
    return {"size": size, "stride": stride, "padding": padding}


@pytest.mark.acceptance("N13")
@given(pools())
def test_the_largest_of_each_window(given_):
    shape, params, ceil_mode = given_
    x = numbers(*shape) - 3  # padding with zeros would show
    expected = slow(x, largest, [(*p, 1, ceil_mode) for p in params])
    found = ops.max_pool(x, **arguments(params), ceil_mode=ceil_mode)
    np.testing.assert_array_equal(found, expected)


@given(pools(), st.booleans())
def test_the_mean_of_each_window(given_, count_include_pad):
    shape, params, ceil_mode = given_
    x = numbers(*shape)
    reduce = mean if count_include_pad else mean_inside
    expected = slow(x, reduce, [(*p, 1, ceil_mode) for p in params])
    found = ops.avg_pool(
        x, **arguments(params), ceil_mode=ceil_mode, count_include_pad=count_include_pad
    )
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_dilated_windows():
    x = np.array([[[5.0, 1, 2, 9, 4]]])
    assert ops.max_pool(x, 2, stride=1, dilation=3).tolist() == [[[9, 4]]]
    assert ops.max_pool(x, 3, stride=1, dilation=2).tolist() == [[[5]]]


def gradient(function, x, *args, **params):
    leaf = Tensor(x, requires_grad=True)
    function(leaf, *args, **params).sum().backward()
    return leaf.grad


@pytest.mark.hazard(22)
@pytest.mark.parametrize("stride", [1, 2])
def test_equal_elements_share_and_the_weights_sum_to_one(stride):
    x = np.zeros((1, 1, 4, 4))
    found = gradient(ops.max_pool, x, 2, stride=stride, padding=1)
    assert (found >= 0).all()
    windows = ops.max_pool(x, 2, stride=stride, padding=1).size
    assert found.sum() == pytest.approx(windows, abs=1e-12)
    assert gradient(ops.max_pool, np.array([[[3.0, 3, 1, 3]]]), 4).tolist() == [
        [[pytest.approx(1 / 3), pytest.approx(1 / 3), 0, pytest.approx(1 / 3)]]
    ]


def test_padding_is_never_the_largest():
    x = np.full((1, 1, 2, 2), -np.inf)
    assert (ops.max_pool(x, 2, stride=1, padding=1) == -np.inf).all()
    assert gradient(ops.max_pool, np.full((1, 1, 2), -5.0), 2, padding=1).tolist() == [[[1, 1]]]
    # Equal to what the padding holds inside, and still alone in its window.
    assert gradient(ops.max_pool, np.zeros((1, 1, 2)), 2, padding=1).tolist() == [[[1, 1]]]
    integers = ops.max_pool(np.array([[[-7, -9]]]), 2, padding=1)
    assert integers.tolist() == [[[-7, -9]]]


def test_a_window_with_a_nan_is_nan_and_keeps_its_gradient():
    x = np.array([[[1.0, np.nan, 2.0, 3.0]]])
    np.testing.assert_array_equal(ops.max_pool(x, 2), [[[np.nan, 3]]])
    assert gradient(ops.max_pool, x, 2).tolist() == [[[0.5, 0.5, 0, 1]]]


def test_overlapping_windows_add_up():
    x = np.array([[[1.0, 5.0, 2.0]]])
    assert gradient(ops.max_pool, x, 2, stride=1).tolist() == [[[0, 2, 0]]]
    assert gradient(ops.avg_pool, x, 2, stride=1).tolist() == [[[0.5, 1, 0.5]]]


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_lp_pool_is_the_norm_of_each_window(p):
    x = numbers(2, 3, 4, 6)
    expected = slow(x, lambda e: np.linalg.norm(e, p), [(2, 2, 0, 1, False), (3, 3, 0, 1, False)])
    np.testing.assert_allclose(ops.lp_pool(x, (2, 3), p), expected, rtol=1e-12)


def test_lp_pool_has_gradient_zero_where_all_is_zero():
    x = np.array([[[0.0, 0.0, 3.0, 4.0]]])
    np.testing.assert_allclose(gradient(ops.lp_pool, x, 2), [[[0, 0, 0.6, 0.8]]])


@given(st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_adaptive_cells_reach_from_floor_to_ceiling(length, out, second):
    x = numbers(2, 1, *([length, 3] if second else [length]))
    wanted = (out, None) if second else out
    ends = [(i * length // out, -(-(i + 1) * length // out)) for i in range(out)]
    parts = [x[:, :, a:b] for a, b in ends]
    np.testing.assert_allclose(
        ops.adaptive_avg_pool(x, wanted), np.stack([p.mean(2) for p in parts], 2), atol=1e-14
    )
    np.testing.assert_array_equal(
        ops.adaptive_max_pool(x, wanted), np.stack([p.max(2) for p in parts], 2)
    )


def test_equal_elements_of_an_adaptive_cell_share():
    found = gradient(ops.adaptive_max_pool, np.zeros((1, 1, 3)), 2)
    assert found.tolist() == [[[0.5, 1, 0.5]]]


def test_global_pools():
    x = numbers(2, 3, 4, 5)
    np.testing.assert_allclose(ops.global_avg_pool(x), x.mean((2, 3)))
    assert ops.global_max_pool(x, keepdims=True).shape == (2, 3, 1, 1)


# ------------------------------------------------------------------------------ upsampling


def test_nearest_repeats():
    x = np.array([[[1.0, 2.0]]])
    assert ops.upsample(x, scale_factor=3).tolist() == [[[1, 1, 1, 2, 2, 2]]]
    assert ops.upsample(x, size=3).tolist() == [[[1, 1, 2]]]
    assert ops.upsample(np.arange(5.0)[None, None], size=3).tolist() == [[[0, 1, 3]]]
    assert ops.upsample(x, scale_factor=1.5).tolist() == [[[1, 1, 2]]]
    assert gradient(ops.upsample, x, scale_factor=3).tolist() == [[[3, 3]]]


def test_linear_with_corners_and_with_borders_aligned():
    x = np.array([[[0.0, 1.0, 2.0]]])
    corners = ops.upsample(x, size=5, mode="linear", align_corners=True)
    np.testing.assert_allclose(corners, [[[0, 0.5, 1, 1.5, 2]]], atol=1e-15)
    borders = ops.upsample(x, scale_factor=2, mode="linear")
    np.testing.assert_allclose(borders, [[[0, 0.25, 0.75, 1.25, 1.75, 2]]], atol=1e-15)
    assert ops.upsample(x, size=1, mode="linear", align_corners=True).tolist() == [[[0]]]


@pytest.mark.parametrize("align_corners", [True, False])
def test_bilinear_is_linear_along_both_axes(align_corners):
    x = numbers(1, 2, 3, 4)
    options = {"mode": "bilinear", "align_corners": align_corners}
    both = ops.upsample(x, size=(5, 7), **options)
    one = ops.upsample(ops.upsample(x, size=(5, 4), **options), size=(3 + 2, 7), **options)
    np.testing.assert_allclose(both, one, atol=1e-14)
    # A plane stays a plane between the outermost elements.
    plane = 2.0 * np.arange(3)[:, None] + 3.0 * np.arange(4)
    found = ops.upsample(plane[None, None], size=(6, 8), **options)
    steps = np.diff(found[0, 0, 1:-1, 1:-1], axis=1)
    np.testing.assert_allclose(steps, steps[0, 0], atol=1e-12)


def test_pixel_shuffle_moves_channels_into_cells():
    x = np.arange(4.0).reshape(1, 4, 1, 1)
    assert ops.pixel_shuffle(x, 2).tolist() == [[[[0, 1], [2, 3]]]]
    many = numbers(2, 18, 2, 3)
    np.testing.assert_array_equal(ops.pixel_unshuffle(ops.pixel_shuffle(many, 3), 3), many)


IMAGES = np.ones((2, 3, 5, 5))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.max_pool(IMAGES, 6), "6 × 6 does not fit into images of 5 × 5"),
        (lambda: ops.max_pool(IMAGES, 2, padding=2), "in the padding .* alone"),
        (lambda: ops.max_pool(IMAGES[0, 0], 2), "no spatial axis"),
        (lambda: ops.avg_pool(IMAGES, (2, 2, 2)), "each of 2 spatial axes"),
        (lambda: ops.lp_pool(IMAGES, 2, 0.5), "p=0.5"),
        (lambda: ops.adaptive_avg_pool(IMAGES, 0), "output_size=0"),
        (lambda: ops.adaptive_max_pool(IMAGES[:, :, :0], 2), "nothing to pool"),
        (lambda: ops.upsample(IMAGES), "one of size= and scale_factor="),
        (lambda: ops.upsample(IMAGES, 2, 2), "one of size= and scale_factor="),
        (lambda: ops.upsample(IMAGES, 2, mode="cubic"), "'nearest' or 'linear'"),
        (lambda: ops.upsample(IMAGES, 2, align_corners=True), "no meaning for 'nearest'"),
        (lambda: ops.upsample(IMAGES, scale_factor=0.1), "at least 1"),
        (lambda: ops.upsample(IMAGES, scale_factor=(2,)), "2 spatial axes"),
        (lambda: ops.pixel_shuffle(IMAGES, 2), "multiple of 4 channels"),
        (lambda: ops.pixel_unshuffle(IMAGES, 2), "multiples of 2"),
    ],
)
def test_what_does_not_fit_is_refused(call, text):
    with pytest.raises(OpError, match=text):
        call()
