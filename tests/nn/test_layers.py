"""Layers: values, gradients, shapes, errors."""

import numpy as np
import pytest

from tinygrad_edu.core.op import get_op
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import (
    BatchNorm1d,
    Dropout,
    Flatten,
    Identity,
    Lambda,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    manual_seed,
)
from tinygrad_edu.nn.init import normal


def batch(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def slopes(function, x, h=1e-6):
    """The gradient of a scalar function of an array, by central differences."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        g[i] = (function(x + step) - function(x - step)) / (2 * h)
    return g


# ------------------------------------------------------------------------ Linear


@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 5, 3), (0, 3)])
def test_linear_is_x_at_w_plus_b(shape):
    layer, x = Linear(3, 2, rng=0, dtype=np.float64), batch(*shape)
    layer.bias.data = [1.0, -1.0]
    np.testing.assert_allclose(layer(x).numpy(), x @ layer.weight.numpy() + [1.0, -1.0], rtol=1e-12)


@pytest.mark.parametrize("activation", ["identity", "sigmoid", "relu", "tanh"])
def test_an_activation_may_be_part_of_the_layer(activation):
    layer, x = Linear(3, 2, rng=0, dtype=np.float64, activation=activation), batch(5, 3)
    y = layer(x)
    expected = get_op(activation)(x @ layer.weight.numpy() + layer.bias.numpy())
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)
    y.sum().backward()
    found = slopes(
        lambda w: get_op(activation)(x @ w + layer.bias.numpy()).sum(), layer.weight.numpy().copy()
    )
    np.testing.assert_allclose(layer.weight.grad, found, rtol=1e-6, atol=1e-8)


def test_the_bias_may_be_left_out_and_begins_at_zero():
    assert Linear(3, 2, bias=False).bias is None
    assert len(Linear(3, 2, bias=False).parameters()) == 1
    assert Linear(3, 2).bias.tolist() == [0.0, 0.0]
    assert repr(Linear(3, 2, bias=False)) == "Linear(3, 2, bias=False)"


def test_weights_by_name_initialiser_or_array():
    by_name = Linear(300, 200, weight="he", rng=0, dtype=np.float64).weight.numpy()
    assert by_name.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    small = Linear(300, 200, weight=normal(0.01), rng=0, dtype=np.float64).weight.numpy()
    assert small.std() == pytest.approx(0.01, rel=0.02)
    given = np.array([[1.0, 2.0]])
    layer = Linear(1, 2, weight=given)
    assert layer.weight.tolist() == [[1.0, 2.0]]
    given[...] = 0
    assert layer.weight.tolist() == [[1.0, 2.0]]


def test_the_default_weights_depend_on_the_activation():
    relu = Linear(300, 200, activation="relu", rng=0).weight.numpy()
    assert relu.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    tanh = Linear(300, 200, activation="tanh", rng=0).weight.numpy()
    assert tanh.std() == pytest.approx(np.sqrt(2 / 500), rel=0.02)


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((0, 2), {}),
        ((2, -1), {}),
        ((2.0, 2), {}),
        ((True, 2), {}),
        ((2, 2), {"activation": "gelu"}),
        ((2, 2), {"weight": "henormal"}),
        ((2, 3), {"weight": np.ones((3, 2))}),
        ((2, 2), {"rng": -1}),
        ((2, 2), {"dtype": np.int32}),
    ],
)
def test_a_layer_that_cannot_be_is_refused_with_the_fix(sizes, options):
    with pytest.raises(LayerError, match="fix: "):
        Linear(*sizes, **options)


@pytest.mark.parametrize("shape", [(5, 4), (), (3, 28, 28)])
def test_an_input_of_another_width_is_refused_with_both_shapes(shape):
    with pytest.raises(LayerError, match=r"fan_in=3(.*\n)*.*\(3, 2\).*(.*\n)*.*fix: "):
        Linear(3, 2)(np.ones(shape, np.float32))


def test_float32_stays_float32():
    y = Linear(3, 2, activation="sigmoid")(batch(4, 3, dtype=np.float32))
    assert y.dtype == np.float32


# ------------------------------------------------------------------------ containers


@pytest.mark.parametrize(("kind", "name"), [(Sigmoid, "sigmoid"), (ReLU, "relu"), (Tanh, "tanh")])
def test_a_following_activation_is_fused_with_the_same_numbers(kind, name):
    x, ends = batch(6, 4), []
    for apart in (False, True):
        layers = [
            Linear(4, 5, rng=0, dtype=np.float64),
            kind(),
            Linear(5, 2, rng=1, dtype=np.float64),
        ]
        net = Sequential(*layers) if not apart else Sequential(layers[0], Identity(), *layers[1:])
        hidden = net[:-1](x)
        assert (hidden.node.op.name == "linear") is not apart
        assert apart or hidden.node.params["activation"] == name
        net(x).sum().backward()
        ends.append([hidden.numpy(), *(p.grad for p in net.parameters())])
    for fused, plain in zip(*ends, strict=True):
        np.testing.assert_array_equal(fused, plain)


class Loud(ReLU):
    def forward(self, x):
        return super().forward(x) * 2


def test_only_layers_as_they_are_defined_are_fused():
    x, linear = batch(3, 4), Linear(4, 2, rng=0, dtype=np.float64)
    plain = linear(x).numpy()
    np.testing.assert_array_equal(Sequential(linear, Loud())(x).numpy(), 2 * np.maximum(plain, 0))
    seen = []
    watched = ReLU()
    watched.forward = lambda x: seen.append(1) or x
    np.testing.assert_array_equal(Sequential(linear, watched)(x).numpy(), plain)
    assert seen == [1]
    done = Linear(4, 2, rng=0, dtype=np.float64, activation="tanh")
    y = Sequential(done, ReLU())(x).numpy()
    np.testing.assert_allclose(y, np.maximum(np.tanh(plain), 0), rtol=1e-12)


def test_one_activation_may_stand_at_several_places():
    relu = ReLU()
    a, b = Linear(3, 3, rng=0, dtype=np.float64), Linear(3, 3, rng=1, dtype=np.float64)
    x = batch(4, 3)
    expected = np.maximum(np.maximum(x @ a.weight.numpy(), 0) @ b.weight.numpy(), 0)
    np.testing.assert_allclose(Sequential(a, relu, b, relu, relu)(x).numpy(), expected, rtol=1e-12)


def test_a_sequence_behaves_as_one():
    net = Sequential(Linear(4, 3), ReLU(), Linear(3, 2))
    assert len(net) == 3
    assert list(net) == [net[0], net[1], net[2]]
    assert net[-1] is net[2]
    assert net[1:].layers == [net[1], net[2]]
    assert type(net[1:]) is Sequential
    assert net.append(Softmax()) is net
    assert len(net) == 4
    assert Sequential()(3) == 3


def test_a_plain_function_is_wrapped():
    net = Sequential(Linear(2, 2, rng=0, dtype=np.float64), np.tanh)
    assert isinstance(net[1], Lambda)
    assert repr(net[1]) == "Lambda(tanh)"
    x = batch(3, 2)
    np.testing.assert_allclose(net(x).numpy(), np.tanh(x @ net[0].weight.numpy()), rtol=1e-12)


@pytest.mark.parametrize("wrong", [[Linear(1, 1)], "relu", ReLU, None])
def test_what_is_no_layer_is_refused_with_its_place(wrong):
    with pytest.raises(LayerError, match=r"at place 1(.*\n)*.*fix: "):
        Sequential(Linear(1, 1), wrong)


def test_flatten_keeps_the_batch():
    x = batch(2, 3, 4, 5)
    assert Flatten()(x).shape == (2, 60)
    assert Flatten(2)(x).shape == (2, 3, 20)
    assert Flatten(0)(x).shape == (120,)
    assert Flatten()(np.ones((0, 3, 4))).shape == (0, 12)
    t = Tensor(x, requires_grad=True)
    (Flatten()(t) * 3).sum().backward()
    assert t.grad.shape == x.shape
    with pytest.raises(LayerError):
        Flatten(-1)
    with pytest.raises(LayerError):
        Flatten(2)(np.ones(3))


# ------------------------------------------------------------------------ Dropout


@pytest.mark.hazard(31)
def test_dropout_zeroes_its_share_and_scales_the_rest():
    y = Dropout(0.3, rng=0)(np.ones((200, 200)))
    assert (y.numpy() == 0).mean() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(np.unique(y.numpy()), [0, 1 / 0.7])


@pytest.mark.hazard(31)
def test_dropout_uses_one_mask_forward_and_backward():
    x = Tensor(np.ones((20, 20), np.float32), requires_grad=True)
    y = Dropout(0.5, rng=0)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.numpy())
    assert y.dtype == np.float32
    assert (x.grad == 0).any()


@pytest.mark.hazard(31)
def test_dropout_is_nothing_in_evaluation_and_at_zero():
    x = np.ones(3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.hazard(31)
def test_dropout_draws_from_its_own_generator():
    ones, layer, again = np.ones(100), Dropout(0.5, rng=3), Dropout(0.5, rng=3)
    first, second = layer(ones).numpy(), layer(ones).numpy()
    np.testing.assert_array_equal(again(ones).numpy(), first)
    assert not np.array_equal(first, second)
    generators = []
    for _ in range(2):
        rng = manual_seed(1)
        state = rng.bit_generator.state
        a, b = Dropout(0.5), Dropout(0.5)
        generators.append((a(ones).tolist(), b(ones).tolist()))
        assert rng.bit_generator.state == state
    assert generators[0] == generators[1]
    assert generators[0][0] != generators[0][1]
    manual_seed(0)


@pytest.mark.hazard(31)
@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_a_share_outside_0_to_1_is_refused(p):
    with pytest.raises(LayerError, match=r"p=.*\[0, 1\]"):
        Dropout(p)


# ------------------------------------------------------------------------ BatchNorm1d


def test_batch_norm_normalises_in_training_and_remembers():
    layer, x = BatchNorm1d(3, dtype=np.float64), 5 + 2 * batch(50, 3)
    y = layer(x)
    np.testing.assert_allclose(y.numpy().mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.numpy().var(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(layer.running_mean.data, 0.1 * x.mean(axis=0), rtol=1e-12)
    running = 0.9 + 0.1 * x.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.running_var.data, running, rtol=1e-12)


def test_batch_norm_uses_what_it_remembers_in_evaluation():
    layer, x = BatchNorm1d(2, momentum=1.0, dtype=np.float64), batch(30, 2)
    layer(x)
    layer.eval()
    kept = layer.state_dict()
    one = layer(x[:1]).numpy()
    expected = (x[:1] - x.mean(axis=0)) / np.sqrt(x.var(axis=0, ddof=1) + 1e-5)
    np.testing.assert_allclose(one, expected, rtol=1e-12)
    for name, array in layer.state().items():
        np.testing.assert_array_equal(array, kept[name])


def test_batch_norm_has_the_right_gradients():
    layer, x = BatchNorm1d(2, dtype=np.float64), batch(6, 2)
    layer.scale.data, layer.shift.data = [1.5, 0.5], [0.1, 0.2]
    weights = np.cos(np.arange(12)).reshape(6, 2)
    t = Tensor(x, requires_grad=True)
    (layer(t) * weights).sum().backward()

    start = layer.scale.numpy().copy()

    def value(x, scale=start):
        y = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        return ((y * scale + layer.shift.numpy()) * weights).sum()

    np.testing.assert_allclose(t.grad, slopes(value, x), rtol=1e-5, atol=1e-8)
    found = slopes(lambda scale: value(x, scale), start)
    np.testing.assert_allclose(layer.scale.grad, found, rtol=1e-6)
    np.testing.assert_allclose(layer.shift.grad, weights.sum(axis=0), rtol=1e-12)


def test_batch_norm_keeps_float32_and_its_buffers_in_the_state():
    layer = BatchNorm1d(2)
    assert layer(batch(4, 2, dtype=np.float32)).dtype == np.float32
    state = layer.state()
    assert list(state) == ["scale", "shift", "running_mean", "running_var"]
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("shape", [(1, 3), (4, 2), (3,), (2, 4, 3)])
def test_batch_norm_refuses_what_it_cannot_normalise_and_remembers_nothing(shape):
    layer = BatchNorm1d(3)
    with pytest.raises(LayerError, match="fix: "):
        layer(np.ones(shape, np.float32))
    assert layer.running_mean.data.tolist() == [0, 0, 0]


@pytest.mark.parametrize("options", [{"momentum": 1.5}, {"eps": 0.0}, {"features": 0}])
def test_batch_norm_refuses_bad_options(options):
    with pytest.raises(LayerError, match="fix: "):
        BatchNorm1d(**{"features": 3, **options})


@pytest.mark.parametrize(
    ("shape", "fan_in", "fix"),
    [
        ((5, 4), 3, "fix: the last axis holds the features: make the layer Linear(4, 2), or give"),
        ((5, 4, 7), 3, "make the layer Linear(7, 2), or give an input that ends in 3"),
        ((), 3, "make the layer Linear(1, 2), or give an input that ends in 3"),
        ((5, 2, 2), 4, "fix: flatten images first, as in x.reshape(len(x), -1) or Flatten()"),
        ((5, 1, 28, 28), 784, "fix: flatten images first"),
    ],
)
def test_the_fix_for_a_wrong_width_is_one_that_works(shape, fan_in, fix):
    with pytest.raises(LayerError) as caught:
        Linear(fan_in, 2, rng=0)(np.ones(shape, np.float32))
    assert fix in str(caught.value)


def test_a_sequence_says_which_layer_refused():
    net = Sequential(Linear(3, 4, rng=0), ReLU(), Sequential(Linear(5, 2, rng=0)))
    with pytest.raises(LayerError) as caught:
        net(np.ones((2, 3), np.float32))
    *_, first, second, fix = str(caught.value).splitlines()
    assert first == "  in layer 0 of a Sequential, Linear(5, 2)"
    assert second == "  in layer 2 of a Sequential, Sequential(...)"
    assert fix.startswith("  fix: the last axis holds the features")


def test_a_sequence_notes_the_layer_on_an_error_that_is_not_ours():
    def broken(_x):
        raise KeyError("lost")

    with pytest.raises(KeyError) as caught:
        Sequential(ReLU(), broken)(np.ones(2))
    assert caught.value.__notes__ == ["in layer 1 of a Sequential, Lambda(broken)"]
