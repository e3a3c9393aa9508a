"""Normalising layers: running statistics, shapes, state, errors."""

import numpy as np
import pytest

from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm2d,
    LayerNorm,
    RMSNorm,
)


def batch(*shape, dtype=np.float64):
    return 3 + 2 * np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (BatchNorm1d(3, dtype=float), (7, 3), (0,)),
        (BatchNorm1d(3, dtype=float), (7, 3, 4), (0, 2)),
        (BatchNorm2d(3, dtype=float), (7, 3, 4, 5), (0, 2, 3)),
    ],
)
def test_batch_norm_normalises_and_remembers_each_channel(layer, shape, axes):
    x = batch(*shape)
    y = layer(x).numpy()
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-4)
    np.testing.assert_allclose(layer.running_mean.data, 0.1 * x.mean(axis=axes), rtol=1e-12)
    running = 0.9 + 0.1 * x.var(axis=axes, ddof=1)
    np.testing.assert_allclose(layer.running_var.data, running, rtol=1e-12)
    layer.eval()
    kept = layer.state_dict()
    mean, var = (kept[f"running_{n}"].reshape(1, 3, *[1] * (x.ndim - 2)) for n in ("mean", "var"))
    np.testing.assert_allclose(layer(x).numpy(), (x - mean) / np.sqrt(var + 1e-5), rtol=1e-12)
    np.testing.assert_array_equal(layer.running_mean.data, kept["running_mean"])


def test_batch_norm_remembers_without_recording_too():
    layer = BatchNorm1d(3)
    with no_grad():
        layer(batch(5, 3, dtype=np.float32))
    assert layer.running_mean.data.all()


def test_evaluation_has_the_gradients_of_a_constant_scale():
    layer = BatchNorm1d(2, dtype=float)
    layer.running_var.data[...] = [4, 9]
    x = Tensor(batch(3, 2), requires_grad=True)
    layer.eval()(x).sum().backward()
    np.testing.assert_allclose(x.grad, [[0.5, 1 / 3]] * 3, rtol=1e-5)


def test_later_batches_do_not_change_a_recorded_evaluation():
    layer = BatchNorm1d(2, dtype=float).eval()
    x = Tensor(batch(3, 2), requires_grad=True)
    y = layer(x)
    layer.train()(batch(9, 2))
    y.sum().backward()
    np.testing.assert_allclose(x.grad, np.full((3, 2), 1 / np.sqrt(1 + 1e-5)), rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (LayerNorm(4, dtype=float), (2, 3, 4), (2,)),
        (LayerNorm((3, 4), dtype=float), (2, 3, 4), (1, 2)),
        (GroupNorm(1, 3, dtype=float), (2, 3, 4), (1, 2)),
        (GroupNorm(3, 3, dtype=float), (2, 3, 4), (2,)),
        (InstanceNorm2d(3, affine=True, dtype=float), (2, 3, 4, 5), (2, 3)),
        (InstanceNorm2d(3, dtype=float), (2, 3, 4, 5), (2, 3)),
    ],
)
def test_each_sample_is_normalised_in_training_and_evaluation(layer, shape, axes):
    x = batch(*shape)
    for mode in (layer.train(), layer.eval()):
        y = np.asarray(mode(x).tolist())
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-4)


def test_root_mean_square_becomes_one():
    y = RMSNorm(4, dtype=float)(batch(5, 4)).numpy()
    np.testing.assert_allclose((y**2).mean(axis=-1), 1, rtol=1e-5)


def test_scale_and_shift_are_learned_and_can_be_left_out():
    layer = LayerNorm((2, 3))
    layer(batch(4, 2, 3, dtype=np.float32)).sum().backward()
    np.testing.assert_array_equal(layer.shift.grad, np.full((2, 3), 4))
    assert [n for n, _ in layer.named_parameters()] == ["scale", "shift"]
    assert [n for n, _ in RMSNorm(3).named_parameters()] == ["scale"]
    for bare in (LayerNorm(3, affine=False), GroupNorm(1, 3, affine=False), InstanceNorm2d(3)):
        assert bare.parameters() == []


def test_float32_stays_float32():
    x = batch(4, 4, 2, 2, dtype=np.float32)
    for layer in (BatchNorm2d(4), GroupNorm(2, 4), InstanceNorm2d(4), LayerNorm(2), RMSNorm(2)):
        assert layer(x).dtype == np.float32


def test_layers_describe_themselves():
    assert repr(BatchNorm2d(3)) == "BatchNorm2d(3)"
    assert repr(LayerNorm(3)) == "LayerNorm(3)"
    assert repr(RMSNorm((2, 3))) == "RMSNorm((2, 3))"
    assert repr(GroupNorm(2, 4)) == "GroupNorm(2, 4)"
    assert repr(InstanceNorm2d(4)) == "InstanceNorm2d(4)"


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (BatchNorm1d(3), (2, 4)),
        (BatchNorm2d(3), (2, 3)),
        (BatchNorm2d(3), (1, 3, 1, 1)),
        (LayerNorm(3), (2, 4)),
        (LayerNorm((2, 3)), (3,)),
        (RMSNorm(3), ()),
        (GroupNorm(2, 4), (2, 3)),
        (InstanceNorm2d(3), (2, 3, 4)),
    ],
)
def test_inputs_that_do_not_fit_are_refused_and_nothing_is_remembered(layer, shape):
    before = layer.state_dict()
    with pytest.raises(LayerError, match="fix: "):
        layer(np.ones(shape, np.float32))
    for name, array in layer.state().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    "make",
    [
        lambda: BatchNorm2d(0),
        lambda: BatchNorm2d(3, momentum=-0.1),
        lambda: LayerNorm(()),
        lambda: LayerNorm((2, 0)),
        lambda: RMSNorm(3, eps=0.0),
        lambda: GroupNorm(2, 3),
        lambda: GroupNorm(0, 3),
        lambda: InstanceNorm2d(-1),
    ],
)
def test_layers_that_cannot_be_are_refused(make):
    with pytest.raises(LayerError, match="fix: "):
        make()
