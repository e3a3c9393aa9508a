"""The convolutional nets: sizes, the book's check of gradients, and the trained weights."""

import numpy as np
import pytest

from tinygrad_edu.data import load_mnist
from tinygrad_edu.errors import DataError, LayerError
from tinygrad_edu.models import DeepConvNet, SimpleConvNet, convolution
from tinygrad_edu.nn import CrossEntropyLoss
from tinygrad_edu.numeric import gradcheck


def test_the_simple_net_has_the_book_s_parameters() -> None:
    state = SimpleConvNet(rng=0).state()
    shapes = {name: array.shape for name, array in state.items()}
    assert shapes == {
        "features.0.weight": (30, 1, 5, 5),
        "features.0.bias": (30,),
        "hidden.weight": (4320, 100),
        "hidden.bias": (100,),
        "output.weight": (100, 10),
        "output.bias": (10,),
    }
    assert state["hidden.weight"].std() == pytest.approx(0.01, rel=0.02)


def test_the_deep_net_has_the_book_s_maps() -> None:
    net = DeepConvNet(rng=0)
    maps = [array.shape for name, array in net.state().items() if array.ndim == 4]
    assert maps == [
        (outer, inner, 3, 3)
        for outer, inner in ((16, 1), (16, 16), (32, 16), (32, 32), (64, 32), (64, 64))
    ]
    assert net.state()["hidden.weight"].shape == (64 * 4 * 4, 50)


@pytest.mark.parametrize("seed", range(3))
def test_two_nets_of_one_seed_are_equal_and_their_layers_are_not(seed: int) -> None:
    for net in (SimpleConvNet, DeepConvNet):
        one, other = net(rng=seed).state(), net(rng=seed).state()
        assert all(np.array_equal(one[name], other[name]) for name in one)
    deep = DeepConvNet(rng=seed).state()
    assert not np.array_equal(
        deep["features.2.weight"].ravel()[:100], deep["features.5.weight"].ravel()[:100]
    )


def test_gradients_of_small_ones_are_right() -> None:
    images = np.random.default_rng(1).standard_normal((2, 2, 8, 8))
    labels = np.array([1, 0])
    simple = SimpleConvNet(
        (2, 8, 8), maps=2, size=3, hidden=4, outputs=3, weight=0.5, rng=0, dtype=np.float64
    )
    deep = DeepConvNet(
        (2, 8, 8), maps=(2, 3), hidden=4, outputs=3, dropout=0.0, rng=0, dtype=np.float64
    )
    for net in (simple, deep):
        assert gradcheck(lambda x, net=net: CrossEntropyLoss()(net(x), labels), (images,))


def test_images_that_leave_nothing_are_refused() -> None:
    with pytest.raises(LayerError, match="leave nothing"):
        SimpleConvNet((1, 5, 5))
    with pytest.raises(LayerError, match="leave nothing"):
        DeepConvNet((1, 2, 2), maps=(2, 2, 2, 2))
    with pytest.raises(LayerError, match="channels, height and width"):
        SimpleConvNet((28, 28))


def test_the_trained_weights_know_the_digits() -> None:
    digits = load_mnist()
    net = DeepConvNet.pretrained()
    images = digits.test_images[:500].reshape(-1, 1, 28, 28)
    assert not net.training
    assert np.mean(net(images).numpy().argmax(axis=1) == digits.test_labels[:500]) >= 0.99


def test_other_weights_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(convolution, "PRETRAINED", tmp_path / "deep_conv_net.npz")
    with pytest.raises(DataError, match="missing"):
        DeepConvNet.pretrained()
    (tmp_path / "deep_conv_net.npz").write_bytes(b"something else")
    with pytest.raises(DataError, match="SHA-256"):
        DeepConvNet.pretrained()
