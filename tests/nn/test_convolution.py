"""Layers on images: values, shapes, what Sequential joins, errors."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops
from tinygrad_edu.errors import LayerError, OpError
from tinygrad_edu.nn import (
    GELU,
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    DepthwiseConv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool1d,
    MaxPool2d,
    PixelShuffle,
    ReLU,
    Sequential,
    Sigmoid,
    Upsample,
    ZeroPad2d,
)


def images(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


OPTIONS = {"rng": 0, "dtype": np.float64}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv1d(2, 3, 2, **OPTIONS), (2, 2, 5)),
        (Conv2d(2, 4, (2, 3), stride=2, padding=1, groups=2, **OPTIONS), (2, 2, 5, 6)),
        (Conv2d(2, 4, 3, padding="same", dilation=2, bias=False, **OPTIONS), (1, 2, 5, 6)),
        (Conv3d(1, 2, 2, **OPTIONS), (1, 1, 3, 3, 4)),
        (DepthwiseConv2d(2, 3, multiplier=2, padding=1, **OPTIONS), (1, 2, 4, 4)),
    ],
    ids=lambda value: value.__class__.__name__,
)
def test_a_layer_convolves_with_its_weight_and_bias(layer, shape):
    x = images(*shape)
    if layer.bias is not None:
        layer.bias.data = np.arange(1.0, layer.maps + 1)
    expected = ops.convolution(
        x,
        layer.weight.numpy(),
        None if layer.bias is None else layer.bias.numpy(),
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
    )
    np.testing.assert_allclose(layer(x).numpy(), expected, atol=1e-12)
    layer(x).sum().backward()
    assert all(p.grad.shape == p.shape for p in layer.parameters())


@pytest.mark.parametrize(
    ("layer", "shape", "out"),
    [
        (ConvTranspose2d(3, 2, 4, stride=2, padding=1), (5, 3, 7, 7), (5, 2, 14, 14)),
        (
            ConvTranspose2d(4, 2, 3, stride=2, output_padding=1, groups=2),
            (1, 4, 2, 3),
            (1, 2, 6, 8),
        ),
        (ConvTranspose1d(2, 1, 3, activation="relu"), (1, 2, 4), (1, 1, 6)),
        (MaxPool1d(2), (1, 2, 5), (1, 2, 2)),
        (MaxPool2d(3, 2, padding=1), (1, 2, 6, 7), (1, 2, 3, 4)),
        (MaxPool2d(2, ceil_mode=True), (1, 1, 3, 3), (1, 1, 2, 2)),
        (AvgPool1d(2, 1), (1, 2, 5), (1, 2, 4)),
        (AvgPool2d((1, 2)), (1, 2, 4, 4), (1, 2, 4, 2)),
        (AdaptiveAvgPool2d((3, None)), (1, 2, 5, 4), (1, 2, 3, 4)),
        (GlobalAvgPool2d(), (2, 3, 4, 4), (2, 3)),
        (Upsample(2), (1, 2, 3, 4), (1, 2, 6, 8)),
        (Upsample(size=5, mode="linear"), (1, 2, 3), (1, 2, 5)),
        (ZeroPad2d(1), (1, 2, 3, 3), (1, 2, 5, 5)),
        (ZeroPad2d(((1, 0), (0, 2))), (1, 2, 3, 3), (1, 2, 4, 5)),
        (PixelShuffle(2), (1, 8, 3, 4), (1, 2, 6, 8)),
    ],
    ids=lambda value: value.__class__.__name__,
)
def test_shapes_of_results(layer, shape, out):
    y = layer(Tensor(images(*shape, dtype=np.float32)))
    assert y.shape == out
    assert y.dtype == np.float32


def test_a_transposed_layer_undoes_the_shape_of_a_convolution_with_its_weight():
    layer = ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1, **OPTIONS)
    x, z = images(1, 3, 4, 4), images(1, 2, 8, 8)
    y = ops.conv2d(z, layer.weight.numpy(), stride=2, padding=1)
    assert np.vdot(layer(x).numpy(), z) == pytest.approx(np.vdot(x, y), abs=1e-10)


def test_weights_are_drawn_for_the_activation():
    he = Conv2d(64, 64, 3, activation="relu", **OPTIONS).weight.numpy()
    assert he.std() == pytest.approx(np.sqrt(2 / (64 * 9)), rel=0.02)
    xavier = Conv2d(64, 64, 3, **OPTIONS).weight.numpy()
    assert xavier.std() == pytest.approx(np.sqrt(2 / (128 * 9)), rel=0.02)
    # fan_in of a transposed layer is counted over its input channels.
    wide = ConvTranspose2d(128, 16, 3, activation="relu", **OPTIONS).weight.numpy()
    assert wide.shape == (128, 16, 3, 3)
    assert wide.std() == pytest.approx(np.sqrt(2 / (128 * 9)), rel=0.02)


def test_the_bias_may_be_left_out_and_begins_at_zero():
    assert Conv2d(1, 2, 3, bias=False).bias is None
    assert Conv2d(1, 2, 3).bias.tolist() == [0, 0]


@pytest.mark.parametrize("behind", [(ReLU(), MaxPool2d(2)), (MaxPool2d(2),), (Sigmoid(),)])
def test_sequential_joins_what_a_convolution_computes_along_with_itself(behind):
    convolution, x = Conv2d(1, 2, 3, **OPTIONS), images(2, 1, 6, 6)
    joined = Sequential(convolution, *behind)(x)
    assert joined.node.op.name == "convolution"
    apart = convolution(x)
    for module in behind:
        apart = module(apart)
    np.testing.assert_allclose(joined.numpy(), apart.numpy(), atol=1e-14)


@pytest.mark.parametrize(
    "behind",
    [(MaxPool2d(2, 1),), (MaxPool2d(2, padding=1),), (GELU(),), (Flatten(), ReLU())],
    ids=["overlapping", "padded", "another activation", "not next to it"],
)
def test_sequential_joins_nothing_else(behind):
    y = Sequential(Conv2d(1, 2, 3, **OPTIONS), *behind)(images(2, 1, 6, 6))
    assert y.node.op.name != "convolution"


def test_a_pooling_before_the_activation_stays_there():
    convolution, x = Conv2d(1, 2, 3, **OPTIONS), images(2, 1, 6, 6)
    y = Sequential(convolution, MaxPool2d(2), ReLU())(x)
    np.testing.assert_allclose(y.numpy(), ReLU()(MaxPool2d(2)(convolution(x))).numpy(), atol=1e-14)


def test_an_activation_of_its_own_is_kept():
    layer, x = Conv2d(1, 2, 3, activation="tanh", **OPTIONS), images(2, 1, 6, 6)
    y = Sequential(layer, ReLU())(x)
    np.testing.assert_allclose(y.numpy(), np.maximum(layer(x).numpy(), 0), atol=1e-14)
    pooled = Sequential(layer, MaxPool2d(2))(x)
    np.testing.assert_allclose(pooled.numpy(), MaxPool2d(2)(layer(x)).numpy(), atol=1e-14)


class Watched(MaxPool2d):
    def forward(self, x):
        self.seen = x.shape
        return super().forward(x)


def test_a_subclass_is_called_itself():
    pool = Watched(2)
    Sequential(Conv2d(1, 2, 3, **OPTIONS), ReLU(), pool)(images(2, 1, 6, 6))
    assert pool.seen == (2, 2, 4, 4)


def test_the_books_net_learns_a_batch():
    net = Sequential(Conv2d(1, 4, 3, rng=0), ReLU(), MaxPool2d(2), Flatten(), Linear(36, 2, rng=1))
    rng = np.random.default_rng(2)
    x = rng.standard_normal((20, 1, 8, 8)).astype(np.float32)
    t = (x[:, 0, :4].sum((1, 2)) > x[:, 0, 4:].sum((1, 2))).astype(int)
    for _ in range(100):
        for p in net.parameters():
            p.grad = None
        loss = ops.softmax_cross_entropy(net(x), t)
        loss.backward()
        for p in net.parameters():
            p.data = p.numpy() - 0.2 * p.grad
    assert loss.item() < 0.1
    assert (net(x).numpy().argmax(1) == t).all()


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv2d(1, 30, 5), "Conv2d(1, 30, 5)"),
        (
            Conv2d(2, 4, (3, 2), stride=2, padding="same", dilation=(1, 2), groups=2, bias=False),
            "Conv2d(2, 4, (3, 2), stride=2, padding='same', dilation=(1, 2), groups=2, bias=False)",
        ),
        (Conv1d(1, 2, 3, activation="relu"), "Conv1d(1, 2, 3, activation='relu')"),
        (MaxPool2d(2), "MaxPool2d(2)"),
        (MaxPool2d((2, 3), 1, padding=1, dilation=2, ceil_mode=True),
         "MaxPool2d((2, 3), stride=1, padding=1, dilation=2, ceil_mode=True)"),
        (AvgPool2d(2, count_include_pad=False), "AvgPool2d(2, count_include_pad=False)"),
        (AdaptiveAvgPool2d(1), "AdaptiveAvgPool2d(1)"),
        (Upsample(2, mode="bilinear", align_corners=True),
         "Upsample(2, mode='bilinear', align_corners=True)"),
        (Upsample(size=3), "Upsample(size=3)"),
        (ZeroPad2d((1, 2)), "ZeroPad2d(((1, 1), (2, 2)))"),
        (PixelShuffle(2), "PixelShuffle(2)"),
    ],
)  # fmt: skip
def test_a_layer_describes_what_is_not_the_default(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2d(0, 2, 3),
        lambda: Conv2d(1, 2.0, 3),
        lambda: Conv2d(1, 2, 0),
        lambda: Conv2d(1, True, 3),
        lambda: Conv2d(1, 2, None),
        lambda: Conv2d(1, 2, (3, 3, 3)),
        lambda: Conv2d(3, 2, 3, groups=2),
        lambda: Conv2d(1, 2, 3, activation="gelu"),
        lambda: Conv2d(1, 2, 3, weight=np.ones((2, 1, 3))),
        lambda: ConvTranspose2d(1, 2, 3, output_padding=-1),
        lambda: DepthwiseConv2d(2, 3, multiplier=0),
        lambda: MaxPool2d(2, 0),
        lambda: AvgPool1d((2, 2)),
        lambda: Upsample(),
        lambda: Upsample(2, size=3),
        lambda: ZeroPad2d(-1),
        lambda: ZeroPad2d(((1, 1),)),
        lambda: PixelShuffle(0),
    ],
)
def test_a_layer_that_cannot_be_is_refused_with_the_fix(make):
    with pytest.raises(LayerError, match="fix: "):
        make()


@pytest.mark.parametrize("shape", [(28, 28), (5, 784), (5, 28, 28), (5, 3, 28, 28)])
def test_an_input_that_is_no_batch_of_such_images_is_refused(shape):
    with pytest.raises(LayerError, match=r"\(batch, 1 channels, height, width\)(.*\n)*.*fix: "):
        Conv2d(1, 2, 3)(np.ones(shape, np.float32))


def test_a_window_that_does_not_fit_is_refused_with_both_sizes():
    with pytest.raises(OpError, match=r"5 × 5 does not fit into images of 3 × 4(.*\n)*.*fix: "):
        Conv2d(1, 2, 5)(np.ones((1, 1, 3, 4), np.float32))
