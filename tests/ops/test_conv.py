"""Convolutions against a slow loop, their transposes, what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor, ops
from tinygrad_edu.errors import OpError, OpTypeError
from tinygrad_edu.ops import conv as rows


def numbers(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def slow(x, weight, bias, stride, pads, dilation, groups):
    """Return the convolution by its formula, one result after the other."""
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    size = weight.shape[2:]
    out = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], size, stride, dilation, strict=True)
    ]
    y = np.zeros((len(x), len(weight), *out))
    channels = weight.shape[1]
    for n, m in itertools.product(range(len(x)), range(len(weight))):
        first = m // (len(weight) // groups) * channels
        for i in np.ndindex(*out):
            for c in range(channels):
                for k in np.ndindex(*size):
                    at = tuple(
                        a * s + b * d for a, s, b, d in zip(i, stride, k, dilation, strict=True)
                    )
                    y[(n, m, *i)] += weight[(m, c, *k)] * x[(n, first + c, *at)]
    return y if bias is None else y + bias.reshape(-1, *[1] * len(size))


@st.composite
def convolutions(draw):
    axes = draw(st.integers(1, 3))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))
    groups = draw(st.integers(1, 2))
    channels, maps = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    size, dilation, stride = each(1, 3), each(1, 2), each(1, 3)
    pads = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(axes))
    lengths = tuple(
        max(d * (k - 1) + 1 - sum(pad), 1) + draw(st.integers(0, 3))
        for k, d, pad in zip(size, dilation, pads, strict=True)
    )
    x = (draw(st.integers(0, 2)), channels, *lengths)
    weight = (maps, channels // groups, *size)
    return x, weight, {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}


@given(convolutions(), st.booleans())
def test_a_convolution_is_its_formula(given_, with_bias):
    shape, window, params = given_
    x, weight = numbers(*shape), numbers(*window, seed=1)
    bias = numbers(window[0], seed=2) if with_bias else None
    pads, rest = params["padding"], {k: v for k, v in params.items() if k != "padding"}
    expected = slow(x, weight, bias, rest["stride"], pads, rest["dilation"], rest["groups"])
    np.testing.assert_allclose(ops.convolution(x, weight, bias, **params), expected, atol=1e-12)


@given(convolutions())
def test_the_transpose_is_the_adjoint(given_):
    shape, window, params = given_
    x, weight = numbers(*shape), numbers(*window, seed=1)
    y = ops.convolution(x, weight, **params)
    z = numbers(*y.shape, seed=2)
    # What a stride leaves over at the end is what output_padding says.
    reach = [d * (k - 1) + 1 for k, d in zip(window[2:], params["dilation"], strict=True)]
    over = [
        (n + sum(pad) - r) % s
        for n, pad, r, s in zip(shape[2:], params["padding"], reach, params["stride"], strict=True)
    ]
    back = ops.conv_transpose(z, weight, output_padding=over, **params)
    assert back.shape == x.shape
    assert np.vdot(y, z) == pytest.approx(np.vdot(x, back), abs=1e-10)


@given(convolutions(), st.integers(1, 2), st.sampled_from([None, "relu", "tanh"]))
def test_pooling_in_the_same_pass_is_pooling_behind_it(given_, pool, activation):
    shape, window, params = given_
    x, weight, bias = numbers(*shape), numbers(*window, seed=1), numbers(window[0], seed=2)
    plain = ops.convolution(x, weight, bias, **params)
    pool = tuple(min(pool, n) for n in plain.shape[2:])
    if activation:
        plain = tg.OPS[activation](plain)
    expected = ops.max_pool(plain, pool)
    found = ops.convolution(x, weight, bias, **params, activation=activation, pool=pool)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_many_blocks_give_what_one_gives(monkeypatch):
    x, weight, bias = numbers(7, 2, 6, 6), numbers(3, 2, 3, 3, seed=1), numbers(3, seed=2)

    def both():
        leaves = [Tensor(a, requires_grad=True) for a in (x, weight, bias)]
        y = ops.conv2d(*leaves, padding=1, activation="relu", pool=2)
        (y * y).sum().backward()
        return [y.numpy(), *(leaf.grad for leaf in leaves)]

    whole = both()
    rows._plan.cache_clear()
    monkeypatch.setattr(rows, "BLOCK", 2000)
    blocks = both()
    rows._plan.cache_clear()
    for found, expected in zip(blocks, whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_equal_largest_elements_of_a_pool_share_the_gradient():
    x = Tensor(np.array([[[1.0, 1.0, 2.0, 3.0, 5.0, 5.0]]]), requires_grad=True)
    ops.conv1d(x, np.ones((1, 1, 1)), pool=2).sum().backward()
    assert x.grad.tolist() == [[[0.5, 0.5, 0, 1, 0.5, 0.5]]]


def test_no_gradient_passes_a_relu_at_zero():
    x = Tensor(np.array([[[0.0, 0.0, -1.0, 2.0]]]), requires_grad=True)
    ops.conv1d(x, np.ones((1, 1, 1)), activation="relu", pool=2).sum().backward()
    assert x.grad.tolist() == [[[0, 0, 0, 1]]]


@pytest.mark.parametrize(
    ("length", "size", "stride", "out"), [(5, 3, 1, 5), (5, 2, 1, 5), (7, 3, 2, 4), (4, 1, 3, 2)]
)
def test_same_keeps_the_lengths_divided_by_the_stride(length, size, stride, out):
    x, weight = np.ones((1, 1, length)), np.ones((1, 1, size))
    assert ops.conv1d(x, weight, stride=stride, padding="same").shape == (1, 1, out)
    assert ops.conv1d(x, weight, padding="valid").shape == (1, 1, length - size + 1)


def test_depthwise_filters_see_one_channel_each():
    x, weight = numbers(2, 3, 4, 4), numbers(3, 1, 2, 2, seed=1)
    y = ops.depthwise_conv2d(x, weight)
    for c in range(3):
        alone = ops.conv2d(x[:, c : c + 1], weight[c : c + 1])
        np.testing.assert_allclose(y[:, c : c + 1], alone, atol=1e-14)


def test_float32_stays_and_nothing_is_written():
    x, weight, bias = (numbers(*s, dtype=np.float32) for s in ((2, 1, 6, 6), (3, 1, 3, 3), (3,)))
    kept = [a.copy() for a in (x, weight, bias)]
    leaves = [Tensor(a, requires_grad=True) for a in (x, weight, bias)]
    y = ops.conv2d(*leaves, activation="relu", pool=2)
    y.sum().backward()
    assert {y.dtype, *(leaf.grad.dtype for leaf in leaves)} == {np.dtype(np.float32)}
    for leaf, array in zip(leaves, kept, strict=True):
        np.testing.assert_array_equal(leaf.numpy(), array)


def test_lists_are_taken_for_tuples():
    x, weight = numbers(1, 1, 5, 5), numbers(1, 1, 2, 2)
    found = ops.conv2d(x, weight, stride=[2, 1], padding=[[1, 0], [0, 1]])
    np.testing.assert_array_equal(
        found, ops.conv2d(x, weight, stride=(2, 1), padding=((1, 0), (0, 1)))
    )


IMAGES, WEIGHT = np.ones((2, 3, 5, 5)), np.ones((4, 3, 2, 2))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.conv2d(IMAGES[0], WEIGHT), r"4 axes each(.*\n)*.*x\[None\]"),
        (lambda: ops.convolution(IMAGES, WEIGHT[0]), "as many spatial axes"),
        (lambda: ops.conv2d(IMAGES, WEIGHT[:, :2]), "second axis times groups must be 3"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, groups=3), "groups=3"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, np.ones(3)), r"shape \(3,\) for 4 maps"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, stride=0), "stride=0 is not an integer of at least 1"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, stride=(1, 2, 1)), "each of 2 spatial axes"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, padding=-1), "at least 0"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, padding="full"), "'same', 'valid'"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, padding=((1, 1),)), "1 pairs for 2 spatial axes"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, dilation=6), "7 × 7 does not fit into images of 5 × 5"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, activation="gelu"), "'gelu' cannot be fused"),
        (lambda: ops.conv2d(IMAGES, WEIGHT, pool=5), "pooling by 5 × 5 of maps of 4 × 4"),
        (lambda: ops.windows(np.ones((2, 3)), 2), "no spatial axis"),
        (lambda: ops.overlap_add(np.ones((1, 1, 2, 3)), (7,)), "7 have 6 windows of 2"),
        (lambda: ops.conv_transpose(IMAGES, WEIGHT), "groups that divide the maps"),
        (lambda: ops.conv_transpose(IMAGES, WEIGHT[:3], output_padding=1), "less than the stride"),
        (lambda: ops.conv_transpose(IMAGES, WEIGHT[:3], padding=3), "lengths 0 × 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_fix(call, text):
    with pytest.raises(OpError, match=text) as caught:
        call()
    assert "fix: " in str(caught.value)


def test_a_transpose_has_no_same_padding():
    with pytest.raises(OpTypeError, match="several lengths"):
        ops.conv_transpose(IMAGES, WEIGHT[:3], padding="same")
