"""Layers that act by chance: whose draws they are, and that evaluation draws nothing."""

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import (
    AlphaDropout,
    Dropout,
    Dropout1d,
    Dropout2d,
    GaussianDropout,
    GaussianNoise,
    Sequential,
)

IMAGES = np.ones((6, 5, 4, 3), np.float32)
LAYERS = [Dropout, Dropout2d, AlphaDropout, GaussianDropout, GaussianNoise]


@pytest.mark.parametrize("kind", LAYERS)
def test_a_seed_repeats_and_evaluation_does_nothing(kind):
    first, again = kind(0.5, rng=3), kind(0.5, rng=3)
    y = first(IMAGES).numpy()
    np.testing.assert_array_equal(again(IMAGES).numpy(), y)
    assert (first(IMAGES).numpy() != y).any()
    assert y.dtype == np.float32
    state = first.rng.bit_generator.state
    assert first.eval()(IMAGES) is IMAGES
    assert kind(0.0)(IMAGES) is IMAGES
    assert first.rng.bit_generator.state == state


@pytest.mark.parametrize("kind", LAYERS)
def test_generators_are_found_for_checkpoints(kind):
    net = Sequential(kind(0.5, rng=0), kind(0.5, rng=1))
    assert [name for name, _ in net.named_generators()] == ["0.rng", "1.rng"]


@pytest.mark.parametrize("kind", [Dropout, Dropout2d, AlphaDropout])
def test_a_share_of_one_leaves_zeros(kind):
    x = Tensor(IMAGES, requires_grad=True)
    y = kind(1.0, rng=0)(x)
    y.sum().backward()
    assert not y.numpy().any()
    assert not x.grad.any()


def test_channels_go_together():
    y = Dropout2d(0.5, rng=0)(IMAGES).numpy()
    assert set(np.unique(y.mean(axis=(2, 3)))) == {0.0, 2.0}
    y = Dropout1d(0.5, rng=0)(IMAGES[0]).numpy()
    assert set(np.unique(y.mean(axis=2))) == {0.0, 2.0}


def test_noise_has_its_deviation():
    y = GaussianNoise(0.2, rng=0)(np.zeros(50_000))
    assert y.numpy().std() == pytest.approx(0.2, rel=0.02)


def test_layers_describe_themselves():
    assert repr(AlphaDropout(0.1)) == "AlphaDropout(p=0.1)"
    assert repr(GaussianNoise(0.1)) == "GaussianNoise(std=0.1)"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dropout2d(-0.1),
        lambda: AlphaDropout(1.1),
        lambda: GaussianDropout(1.0),
        lambda: GaussianNoise(-1.0),
        lambda: GaussianNoise(float("nan")),
    ],
)
def test_layers_that_cannot_be_are_refused(make):
    with pytest.raises(LayerError, match="fix: "):
        make()
