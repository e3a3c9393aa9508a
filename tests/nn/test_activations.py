"""Activations as modules: each applies its row, with the row's parameters."""

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LayerError, OpError
from tinygrad_edu.nn.activations import Activation

ACTIVATIONS = {
    name: kind
    for name, kind in vars(nn).items()
    if isinstance(kind, type) and issubclass(kind, Activation) and kind is not Activation
}
GIVEN = {"Threshold": {"threshold": 0.1, "value": 20.0}}
X = np.random.default_rng(0).standard_normal((3, 4))


def test_there_is_a_module_for_each_activation():
    of_rows = {kind.op.name for kind in ACTIVATIONS.values()}
    functions = {"erf", "erfc", "erfinv", "log_cosh", "logit"}  # nobody's layer
    inside = {"gelu_tanh", "prelu"}  # GELU(approximate="tanh"); its slope is a parameter
    rows = {row.name for row in OPS.values() if row.group == "activation"}
    assert rows - of_rows == functions | inside
    assert of_rows - rows == {"tanh", "softmax", "log_softmax"}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_applies_its_row_and_is_described_as_the_row(name):
    kind, given = ACTIVATIONS[name], GIVEN.get(name, {})
    row, module = kind.op, kind(**given).eval()
    x = X if name != "Softmax2d" else X[..., None]
    assert kind.__name__ == name
    assert name == "RReLU" or row.doc in kind.__doc__
    np.testing.assert_array_equal(module(x), row(x, **given))
    found = module(Tensor(x, requires_grad=True))
    np.testing.assert_array_equal(found.numpy(), row(x, **given))
    assert found.requires_grad
    assert module.parameters() == []
    shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
    assert repr(module) == f"{name}({shown})"


def test_parameters_of_the_row_are_arguments_of_the_module():
    leaky = nn.LeakyReLU(negative_slope=0.5)
    assert leaky(np.array([-2.0, 2.0])).tolist() == [-1.0, 2.0]
    assert repr(leaky) == "LeakyReLU(negative_slope=0.5)"
    np.testing.assert_allclose(nn.Softmax(axis=0)(X).sum(axis=0), 1)
    np.testing.assert_array_equal(nn.GELU(approximate="tanh")(X), OPS["gelu_tanh"](X))
    np.testing.assert_array_equal(nn.HardTanh(min_val=-0.1, max_val=0.2)(X), X.clip(-0.1, 0.2))
    assert nn.SwiGLU(axis=1)(X).shape == (3, 2)
    with pytest.raises(LayerError, match="'slope'; expected negative_slope"):
        nn.LeakyReLU(slope=0.5)
    with pytest.raises(LayerError, match="expected none"):
        nn.ReLU(alpha=1)
    with pytest.raises(LayerError, match=r"Threshold: found no 'value'(.|\n)*fix: pass value="):
        nn.Threshold(threshold=1.0)


def test_random_slopes_are_drawn_in_training_only():
    x = np.full((50, 40), -1.0)
    layer = nn.RReLU(lower=0.1, upper=0.5, rng=3)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    assert ((first <= -0.1) & (first >= -0.5)).all()
    np.testing.assert_array_equal(nn.RReLU(lower=0.1, upper=0.5, rng=3)(x), first)
    np.testing.assert_allclose(layer.eval()(x), -0.3, rtol=1e-15)
    nn.manual_seed(0)
    unseeded = nn.RReLU()(x)
    nn.manual_seed(0)
    np.testing.assert_array_equal(nn.RReLU()(x), unseeded)
    with pytest.raises(OpError, match=r"lower=0\.9"):
        nn.RReLU(lower=0.9)(x)
