"""Residual, dict and list containers, embeddings, the bilinear map."""

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import LabelError, LayerError
from tinygrad_edu.nn import (
    Bilinear,
    Embedding,
    EmbeddingBag,
    Linear,
    Module,
    ModuleDict,
    ParameterList,
    ReLU,
    Residual,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_residual_adds_its_input():
    inner, x = Linear(3, 3, rng=0, dtype=float), draw(2, 3)
    np.testing.assert_allclose(Residual(inner)(x).numpy(), x + inner(x).numpy(), rtol=1e-12)
    wide, short = Linear(3, 5, rng=0, dtype=float), Linear(3, 5, rng=1, dtype=float)
    found = Residual(wide, short)(x).numpy()
    np.testing.assert_allclose(found, wide(x).numpy() + short(x).numpy(), rtol=1e-12)
    with pytest.raises(LayerError, match="shortcut"):
        Residual(Linear(3, 1, dtype=float))(x)


def test_modules_by_name():
    class Net(Module):
        def __init__(self):
            self.heads = ModuleDict({"a": Linear(2, 1), "b": Linear(2, 3)})

    net = Net()
    net.heads["c"] = ReLU()
    assert list(net.heads) == ["a", "b", "c"]
    assert len(net.heads) == 3
    assert "a" in net.heads
    assert "d" not in net.heads
    assert net.heads["b"].fan_out == 3
    names = [name for name, _ in net.named_parameters()]
    assert names == ["heads.a.weight", "heads.a.bias", "heads.b.weight", "heads.b.bias"]
    for name, module in (("a.b", ReLU()), ("a", ReLU), (1, ReLU())):
        with pytest.raises(LayerError, match="ModuleDict"):
            net.heads[name] = module
    assert len(net.heads) == 3


def test_parameters_by_number():
    shared = Parameter(np.ones(2))
    numbers = ParameterList([shared, np.zeros(3)])
    assert numbers[0] is shared
    assert len(numbers) == 2
    assert [p.shape for p in numbers] == [(2,), (3,)]
    assert [name for name, _ in numbers.named_parameters()] == ["0", "1"]


def test_bilinear_by_loops():
    layer = Bilinear(3, 4, 2, rng=0, dtype=float)
    layer.bias.data = [1.0, -1.0]
    left, right = draw(5, 3), draw(5, 4, seed=1)
    found = layer(left, right).numpy()
    for n, o in np.ndindex(5, 2):
        expected = left[n] @ layer.weight.numpy()[:, :, o] @ right[n] + layer.bias.numpy()[o]
        assert found[n, o] == pytest.approx(expected, rel=1e-12)
    assert layer(left[0], right[0]).shape == (2,)
    assert Bilinear(3, 4, 2, bias=False).bias is None
    given = draw(3, 4, 2)
    np.testing.assert_array_equal(
        Bilinear(3, 4, 2, weight=given, dtype=float).weight.numpy(), given
    )
    assert repr(layer) == "Bilinear(3, 4, 2)"
    for wrong in ((right, left), (left, right[:4]), (left, draw(5, 3))):
        with pytest.raises(LayerError, match="features"):
            layer(*wrong)


def test_vectors_by_number_add_up_their_gradients():
    layer = Embedding(5, 3, rng=0, dtype=float)
    ids = np.array([[0, 2], [2, 2]])
    y = layer(ids)
    np.testing.assert_array_equal(y.numpy(), layer.weight.numpy()[ids])
    y.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad[:, 0], [1, 0, 3, 0, 0])
    assert repr(layer) == "Embedding(5, 3)"


def test_the_vector_of_padding_is_zero_and_stays():
    layer = Embedding(4, 2, padding_idx=1, rng=0)
    y = layer([1, 3])
    assert y.numpy()[0].tolist() == [0, 0]
    y.sum().backward()
    assert layer.weight.grad[:, 0].tolist() == [0, 0, 0, 1]
    assert repr(layer) == "Embedding(4, 2, padding_idx=1)"


@pytest.mark.parametrize("number", [-1, 5])
def test_a_number_outside_of_the_table_is_refused(number):
    with pytest.raises((LabelError, IndexError)):
        Embedding(5, 3)([number])


@pytest.mark.parametrize(("mode", "reduce"), [("sum", np.sum), ("mean", np.mean), ("max", np.max)])
def test_bags(mode, reduce):
    layer = EmbeddingBag(6, 3, mode=mode, rng=0, weight="xavier", dtype=float)
    ids = np.array([[0, 2, 2], [5, 1, 4]])
    expected = reduce(layer.weight.numpy()[ids], axis=1)
    np.testing.assert_allclose(layer(ids).numpy(), expected, rtol=1e-12)
    assert repr(layer) == f"EmbeddingBag(6, 3, mode={mode!r})"


@pytest.mark.parametrize(("mode", "reduce"), [("sum", np.sum), ("mean", np.mean), ("max", np.max)])
def test_padding_does_not_count_in_a_bag(mode, reduce):
    layer = EmbeddingBag(6, 3, mode=mode, padding_idx=0, rng=0, weight="xavier", dtype=float)
    table = layer.weight.numpy()
    found = layer([[1, 0, 2], [3, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(found.numpy()[0], reduce(table[[1, 2]], axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.numpy()[1], table[3], rtol=1e-12)
    assert found.numpy()[2].tolist() == [0, 0, 0]
    found.sum().backward()
    assert np.isfinite(layer.weight.grad).all()
    assert not layer.weight.grad[0].any()
    assert layer.weight.grad[3].tolist() == [1, 1, 1]
    single = EmbeddingBag(6, 3, mode=mode, rng=0)
    assert single(np.zeros((2, 0), int)).tolist() == [[0, 0, 0]] * 2
    assert isinstance(found, Tensor)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Embedding(0, 3),
        lambda: Embedding(3, 3, padding_idx=3),
        lambda: EmbeddingBag(3, 3, mode="product"),
        lambda: EmbeddingBag(3, 3)(1),
        lambda: Bilinear(3, 0, 2),
    ],
)
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(LayerError, match="fix: "):
        make()
