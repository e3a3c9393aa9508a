"""Hooks, registration, paths, dtype, diagrams; lazy layers; states that are kept and saved."""

import copy

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import LSTM, Buffer, Conv2d, Linear, MaxPool2d, Module, ReLU, Sequential

X = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)


def net():
    return Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 2, rng=1))


def test_hooks_see_and_change_what_goes_in_and_out():
    module, seen = net(), []
    expected = module(X).numpy()
    first = module[0].register_forward_hook(lambda m, args, y: seen.append((m, args, y)))
    np.testing.assert_array_equal(module(X).numpy(), expected)
    ((layer, args, y),) = seen
    assert layer is module[0]
    assert args[0] is X
    # The layer's own result, though a ReLU behind it is computed along with it otherwise.
    np.testing.assert_allclose(y.numpy(), X @ layer.weight.numpy(), rtol=1e-6)
    first.remove()
    module(X)
    assert len(seen) == 1
    with_pre = module.register_forward_pre_hook(lambda _m, args: args[0] * 0)
    np.testing.assert_array_equal(module(X).numpy(), np.zeros((2, 2)))
    with_pre.remove()
    module[2].register_forward_hook(lambda _m, _args, y: y + 1)
    np.testing.assert_allclose(module(X).numpy(), expected + 1, rtol=1e-6)


def test_a_hook_on_the_layer_that_would_be_absorbed_is_called():
    module, seen = Sequential(Conv2d(1, 2, 3, rng=0), ReLU(), MaxPool2d(2)), []
    for layer in module:
        layer.register_forward_hook(lambda m, _args, y: seen.append((type(m).__name__, y.shape)))
    module(np.ones((1, 1, 6, 6), np.float32))
    assert seen == [
        ("Conv2d", (1, 2, 4, 4)), ("ReLU", (1, 2, 4, 4)), ("MaxPool2d", (1, 2, 2, 2)),
    ]  # fmt: skip


def test_backward_hooks_get_the_gradient_of_the_result_and_may_change_it():
    module, seen = net(), []
    handle = module[2].register_backward_hook(lambda _m, g: seen.append(np.array(g)))
    np.sum(module(X) * 3).backward()
    np.testing.assert_array_equal(seen[0], np.full((2, 2), 3))
    handle.remove()
    module.zero_grad()
    module[2].register_backward_hook(lambda _m, g: g * 0)
    np.sum(module(X)).backward()
    assert not module[0].weight.grad.any()
    # A module that returns its input: the gradient of the input itself is not changed.
    x = Tensor(X, requires_grad=True)
    same = nn.Identity()
    same.register_backward_hook(lambda _m, g: g * 2)
    np.sum(same(x) + x).backward()
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 3))


def test_copies_keep_their_hooks_and_hooks_are_no_members():
    module, seen = net(), []
    module.register_forward_hook(lambda m, _args, _y: seen.append(m))
    module[0].register_forward_pre_hook(lambda _m, _args: None)
    assert [name for name, _ in module.named_modules()] == ["", "0", "1", "2"]
    twin = copy.deepcopy(module)
    twin(X)
    assert seen == [twin]
    shallow = copy.copy(module)
    assert shallow[0] is module[0]
    for register in (module.register_forward_hook, module.register_backward_hook):
        with pytest.raises(TypeError):
            register("print")


def test_registering_is_assigning_with_a_check():
    module = Module()
    buffer = module.register_buffer("mean", np.zeros(2))
    unsaved = module.register_buffer("table", np.ones(3), saved=False)
    weight = module.register_parameter("weight", np.ones(2))
    assert module.register_parameter("bias", None) is None
    assert isinstance(unsaved, Buffer)
    assert module.buffers() == [buffer, unsaved]
    assert list(module.state()) == ["mean", "weight"]
    assert module.parameters() == [weight]
    for name in ("mean", "a.b", "class", 3, "forward"):
        with pytest.raises(LayerError, match="fix: "):
            module.register_buffer(name, 1.0)


def test_things_by_their_path():
    module = Sequential(nn.BatchNorm1d(2), Sequential(Linear(2, 1)))
    assert module.get_submodule("1.0") is module[1][0]
    assert module.get_submodule("") is module
    assert module.get_parameter("1.0.bias") is module[1][0].bias
    assert module.get_buffer("0.running_var") is module[0].running_var
    for ask in (module.get_submodule, module.get_parameter, module.get_buffer):
        with pytest.raises(LayerError, match=r"found no .* '2'; expected one of"):
            ask("2")


def test_another_dtype_keeps_the_objects_and_what_is_frozen():
    module = Sequential(Linear(2, 2, rng=0), nn.BatchNorm1d(2), nn.PositionalEncoding(2))
    module[0].bias.requires_grad_(False)
    before = module.parameters()
    assert module.double() is module
    assert all(a is b for a, b in zip(before, module.parameters(), strict=True))
    assert {array.dtype for array in module.state().values()} == {np.dtype(np.float64)}
    assert module[2].waves.data.dtype == np.float64
    assert not module[0].bias.requires_grad
    y = module(np.random.default_rng(0).standard_normal((4, 2)))
    assert y.dtype == np.float64
    y.sum().backward()
    assert module[0].weight.grad.dtype == np.float64
    assert module.half().state()["0.weight"].dtype == np.float16
    assert module.float().state()["0.weight"].dtype == np.float32
    with pytest.raises(LayerError, match="dtype"):
        module.to(np.int64)


def test_a_diagram_of_a_module_leaves_it_as_it_was():
    module = Sequential(Linear(3, 2, rng=0), nn.BatchNorm1d(2), nn.Dropout(0.5))
    before = module.state_dict()
    text = module.draw(4, 3).text
    assert "weight" in text
    assert module.training
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(LayerError, match=r"net\.draw"):
        module.draw()
    with pytest.raises(LayerError, match="graph"):
        nn.Embedding(3, 2, rng=0).requires_grad_(False).draw(np.array([0, 2]))


def test_the_summary_counts_products():
    module = Sequential(Conv2d(3, 8, 3, padding=1, groups=1), ReLU(), MaxPool2d(2))
    row = module.summary(2, 3, 8, 8).splitlines()[1].split()
    assert row[-2:] == [f"{2 * 8 * 64 * 3 * 9:,}", f"{8 * 27 + 8}"]
    lstm = Sequential(LSTM(3, 5)).summary(2, 7, 3)
    assert "(2, 7, 5), (1, 2, 5), (1, 2, 5)" in lstm
    assert f"{2 * 7 * 8 * 20:,}" in lstm


# ------------------------------------------------------------------------ lazy layers


def test_a_lazy_layer_becomes_the_layer_at_its_first_call():
    module = Sequential(nn.LazyConv2d(4, 3, rng=0), nn.LazyBatchNorm2d(), nn.Flatten(),
                        nn.LazyLinear(2, rng=1))  # fmt: skip
    assert repr(module[3]) == "LazyLinear(?, 2)"
    for ask in (module.parameters, module.state_dict, module.summary):
        with pytest.raises(LayerError, match="LazyConv2d, and its weights are made when"):
            ask()
    table = module.summary(5, 1, 6, 6)
    assert type(module[0]) is Conv2d
    assert "Linear(64, 2)" in table
    names = [name for name, _ in module.named_parameters()]
    assert names[0] == "0.weight"
    assert module[3].weight.name == "3.weight"
    assert module[1].running_mean.data.tolist() == [0] * 4
    same = Sequential(Conv2d(1, 4, 3, rng=0))
    np.testing.assert_array_equal(module[0].weight.numpy(), same[0].weight.numpy())


def test_a_lazy_layer_refuses_early_and_stays_lazy_after_an_error():
    with pytest.raises(LayerError):
        nn.LazyLinear(0)
    with pytest.raises(LayerError, match="padding='sam'"):
        nn.LazyConv2d(2, 3, padding="sam")
    layer = nn.LazyConv1d(2, 3)
    for wrong in (np.ones(3), np.ones((2, 3))):
        with pytest.raises(LayerError):
            layer(wrong)
    assert layer.unmade


# ------------------------------------------------------------------------ states that are kept


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_kept_state_is_saved_so_that_a_run_goes_on_exactly(name):
    x = np.random.default_rng(0).standard_normal((2, 6, 3))
    first = getattr(nn, name)(3, 4, layers=2, stateful=True, rng=0, dtype=float)
    first(x[:, :3])
    saved = first.state_dict()
    second = getattr(nn, name)(3, 4, layers=2, stateful=True, rng=1, dtype=float)
    second.load_state_dict(saved)
    one, other = first(x[:, 3:])[0].numpy(), second(x[:, 3:])[0].numpy()
    np.testing.assert_array_equal(one, other)
    second.reset_state()
    assert second.kept["h"].data.shape == (2, 0, 4)
    assert (second(x[:, 3:])[0].numpy() != other).any()
    plain = getattr(nn, name)(3, 4, rng=0)
    assert plain.buffers() == []
    plain.reset_state()


def test_padding_of_sequences_has_no_say():
    x, lengths = np.random.default_rng(0).standard_normal((2, 5, 3)), [5, 2]
    other = x.copy()
    other[1, 2:] = np.nan
    layer = LSTM(3, 4, layers=2, bidirectional=True, rng=0, dtype=float)
    y, _ = layer(x, lengths=lengths)
    z, _ = layer(other, lengths=lengths)
    np.testing.assert_array_equal(y.numpy(), z.numpy())
    assert not y.numpy()[1, 2:].any()
    z.sum().backward()
    assert all(np.isfinite(p.grad).all() for p in layer.parameters())
    alone, _ = layer(x[1:, :2])
    np.testing.assert_allclose(y.numpy()[1:, :2], alone.numpy(), rtol=1e-12)
    for wrong in ([5], [5, 0], [6, 2], [5.0, 2.0]):
        with pytest.raises(LayerError, match=r"lengths=(.*\n)*.*fix: "):
            layer(x, lengths=wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LSTM(4, 2)(np.ones((2, 5, 3))), "found 3 features on the last axis .*fan_in=4"),
        (lambda: nn.GRUCell(4, 2)(np.ones((2, 3))), r"found 3 features .*fix: .*GRUCell\(3, 2\)"),
        (lambda: Conv2d(1, 2, 3)(np.ones((2, 3, 5, 5))), "axis 1 has 3, expected channels=1"),
        (lambda: Conv2d(3, 2, 3)(np.ones((2, 5, 5, 3))), r"np\.moveaxis\(x, -1, 1\)"),
        (lambda: Conv2d(1, 2, 3, padding="sam"), "padding='sam'"),
        (lambda: Conv2d(1, 2, 3, padding_mode="mirror"), "padding_mode='mirror'"),
        (lambda: nn.ConvTranspose2d(1, 2, 3, padding="same"), "padding='same'"),
        (lambda: MaxPool2d(2, padding="full"), "padding='full'"),
        (lambda: nn.Upsample(2, mode="cubic"), "mode='cubic'"),
        (lambda: nn.GELU(approximate="tan"), "approximate='tan'"),
        (lambda: nn.init.he_normal(mode="fan"), "mode='fan'"),
        (lambda: nn.init.calculate_gain("gelu"), "'gelu'"),
    ],
)
def test_the_right_fault_is_named(call, message):
    with pytest.raises(LayerError, match=f"(?s){message}"):
        call()


# ------------------------------------------------------------------------ word2vec


def test_negative_sampling_draws_no_right_word_and_expects_what_it_draws():
    counts, targets = np.array([5, 0, 3, 8, 1]), np.array([0, 2, 3, 4] * 5000)
    loss = nn.NegativeSamplingLoss(counts, 3, samples=2, weight="xavier", rng=0, dtype=float)
    wrong = loss.drawn(targets)
    assert wrong.shape == (20000, 2)
    assert not (wrong == targets[:, None]).any()
    assert not (wrong == 1).any()
    share = np.bincount(wrong[targets == 3].ravel(), minlength=5) / np.sum(targets == 3) / 2
    chances = counts**0.75 * [1, 1, 1, 0, 1]
    np.testing.assert_allclose(share, chances / chances.sum(), atol=0.02)
    h = np.random.default_rng(1).standard_normal((20000, 3))
    drawn = loss(h, targets).item()
    assert loss.eval()(h, targets).item() == pytest.approx(drawn, abs=0.02)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.NegativeSamplingLoss([1, 0], 2),
        lambda: nn.NegativeSamplingLoss([1, 2], 2, samples=0),
        lambda: nn.NegativeSamplingLoss([1, 2], 2)(np.ones((1, 2)), [2]),
        lambda: nn.NegativeSamplingLoss([1, 2], 2)(np.ones((1, 3)), [1]),
        lambda: nn.EmbeddingDot(3, 2)(np.ones((4, 2)), [1]),
        lambda: nn.PairwiseDistance(0.5),
        lambda: nn.Embedding(3, 2, max_norm=0.0),
        lambda: nn.Embedding(3, 2)([0.5]),
        lambda: nn.Flatten(2, 1),
        lambda: nn.Unflatten(1, (-1, -1)),
        lambda: nn.Fold((4, 4), 2)(np.ones((1, 4, 3))),
        lambda: nn.MaxUnpool2d(2)(np.ones((1, 1, 2, 2)), np.full((1, 1, 2, 2), 16)),
        lambda: nn.ReflectionPad1d(3)(np.ones((1, 1, 3))),
        lambda: nn.ParameterDict({"a.b": 1.0}),
        lambda: nn.PReLU(0),
    ],
)
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(ValueError, match="fix: "):
        make()
