"""`check_module`: right modules pass and come back as they were; each wrong one is named."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import CheckError, OpTypeError
from tinygrad_edu.nn import BatchNorm1d, Buffer, Dropout, Linear, Module, Sequential, Tanh
from tinygrad_edu.optim import SGD
from tinygrad_edu.testing import check_module, modules

X = np.random.default_rng(0).normal(size=(5, 3))


def net() -> Sequential:
    return Sequential(
        Linear(3, 4, rng=0), BatchNorm1d(4), Tanh(), Dropout(0.5, rng=1), Linear(4, 2, rng=2)
    )


class Scale(Module):
    """The right module that the wrong ones derive from."""

    def __init__(self) -> None:
        self.weight = Parameter(np.array([1.0, -2.0, 0.5]))
        self.calls = Buffer(np.zeros(()))
        self.rng = np.random.default_rng(0)

    def forward(self, x: Any) -> Any:
        if self.training:
            self.calls.data += 1
        return x * self.weight


def test_a_net_passes_in_both_modes() -> None:
    report = check_module(net(), X)
    assert report
    assert "in training mode" in str(report)
    assert "in evaluation mode" in str(report)
    assert check_module(Scale(), X, order=2)


@settings(max_examples=10, deadline=None)
@given(drawn=modules())
def test_drawn_modules_pass(drawn: Any) -> None:
    module, inputs = drawn
    assert check_module(module, *inputs)


def test_a_module_comes_back_as_it_was() -> None:
    module = net()
    module.layers[2].eval()
    SGD(module, lr=0.1)  # backward() then writes into buffers
    module(X.astype(np.float32)).sum().backward()
    before = module.state_dict()
    gradients = [(p.grad, p.grad.copy()) for p in module.parameters()]
    states = [rng.bit_generator.state for _, rng in module.named_generators()]
    modes = [part.training for part in module.modules()]
    live = {name: id(array) for name, array in module.named_buffers()}
    check_module(module, X)
    after = module.state_dict()
    assert {name: a.tobytes() for name, a in before.items()} == {
        name: a.tobytes() for name, a in after.items()
    }
    for parameter, (_, content) in zip(module.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, content)
    assert states == [rng.bit_generator.state for _, rng in module.named_generators()]
    assert modes == [part.training for part in module.modules()]
    assert live == {name: id(array) for name, array in module.named_buffers()}


class WrongGradient(Scale):
    def forward(self, x: Any) -> Any:
        return x * self.weight * self.weight.detach()


class Lost(Scale):
    def forward(self, x: Any) -> Any:
        return x * self.weight.numpy()


class DrawsInEvaluation(Scale):
    def forward(self, x: Any) -> Any:
        return x * self.weight * self.rng.uniform(size=3)


class WritesInput(Scale):
    def forward(self, x: Any) -> Any:
        if isinstance(x, np.ndarray):
            x[0] = 0.0
        return x * self.weight


class WritesParameter(Scale):
    def forward(self, x: Any) -> Any:
        result = x * self.weight
        self.weight.data = self.weight.numpy() * 0.9
        return result


class CountsInEvaluation(Scale):
    def forward(self, x: Any) -> Any:
        self.calls.data += 1
        return x * self.weight


class HidesState(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.share = np.ones(3)

    def forward(self, x: Any) -> Any:
        if self.training:
            self.share = self.share * 0.5
        return x * self.weight * self.share


class HidesModule(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Dropout(0.5, rng=0)

    def train(self, mode: bool = True) -> Any:
        self.training = mode
        return self

    def forward(self, x: Any) -> Any:
        return self.inner(x * self.weight)


class LeavesOut(Scale):
    def state_dict(self) -> dict[str, Any]:
        saved = super().state_dict()
        del saved["weight"]
        return saved


class HandsOutLive(Scale):
    def state_dict(self) -> dict[str, Any]:
        return self.state()


class RefusesItsState(Scale):
    def state_dict(self) -> dict[str, Any]:
        return {name: array.reshape(-1, 1) for name, array in super().state_dict().items()}


class Widens(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.weight = Parameter(np.ones(3, np.float32))

    def forward(self, x: Any) -> Any:
        # In two steps: what is added is a constant, which meets no parameter.
        return (x * self.weight).astype(np.float64)


WRONG: list[tuple[type[Module], str, str]] = [
    (WrongGradient, "wrong gradient", "parameter 'weight'|input 0"),
    (Lost, "no gradient", "'weight'"),
    (DrawsInEvaluation, "not deterministic", "if self.training"),
    (WritesInput, "input changed", "y = x"),
    (WritesParameter, "parameter changed", "'weight'"),
    (CountsInEvaluation, "buffer changed", "'calls'"),
    (HidesState, "state incomplete", "plain array"),
    (HidesModule, "not in evaluation mode", "Dropout"),
    (LeavesOut, "state incomplete", "'weight'"),
    (HandsOutLive, "state not copied", "live array"),
    (RefusesItsState, "state refused", "load_state_dict"),
    (Widens, "precision", "float32"),
]


@pytest.mark.parametrize(
    ("kind", "outcome", "words"), WRONG, ids=lambda v: getattr(v, "__name__", "")
)
def test_a_wrong_module_is_refused(kind: type[Module], outcome: str, words: str) -> None:
    module = kind()
    with pytest.raises(CheckError) as caught:
        check_module(module, X)
    text = str(caught.value)
    assert caught.value.outcome == outcome, text
    assert f"check_module of {kind.__name__}: " in text
    assert any(word in text for word in words.split("|")), text
    assert "reproduce:" in text
    assert module.training


def test_a_parameter_that_the_inputs_do_not_reach_may_be_named() -> None:
    class TwoHeads(Scale):
        def __init__(self) -> None:
            super().__init__()
            self.other = Parameter(np.ones(3))

    with pytest.raises(CheckError, match=r"unused=\('other',\)"):
        check_module(TwoHeads(), X)
    assert check_module(TwoHeads(), X, unused=("other",))


def test_hidden_state_comes_back_too() -> None:
    module = HidesState()
    share = module.share
    with pytest.raises(CheckError):
        check_module(module, X)
    assert module.share is share
    assert share.tolist() == [1, 1, 1]


def test_float32_gradients_are_judged_in_float64() -> None:
    layer = Linear(3, 2, dtype=np.float32, rng=0)
    assert check_module(layer, X.astype(np.float32))
    assert layer.weight.dtype == np.float32


def test_no_module_is_refused() -> None:
    nothing: Any = np.tanh
    with pytest.raises(OpTypeError, match="check_op"):
        check_module(nothing, X)


def test_a_tensor_may_be_given() -> None:
    assert check_module(Scale(), Tensor(X))
