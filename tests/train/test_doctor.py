"""The gradient doctor: silent on healthy nets, and exactly one finding on each broken one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Parameter, Tensor, nn, no_grad
from tinygrad_edu.data import DataLoader, load_mnist
from tinygrad_edu.errors import GradientError, LayerError, TrainingError
from tinygrad_edu.models import (
    CharacterModel,
    DeepConvNet,
    MultiLayerNet,
    RecurrentClassifier,
    Seq2Seq,
    SequenceForecaster,
    SimpleConvNet,
    TwoLayerNet,
)
from tinygrad_edu.nn import (
    BatchNorm1d,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    Dropout,
    Linear,
    Module,
    MSELoss,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinygrad_edu.ops import softmax, tanh
from tinygrad_edu.optim import LBFGS, SGD, Adam
from tinygrad_edu.train import Finding, GradientDoctor, Trainer, diagnose, report

RNG = np.random.default_rng(7)
N = 32
X = RNG.standard_normal((N, 6)).astype(np.float32)
LABELS = np.arange(N) % 3
Y = (X[:, :1] * 2 - X[:, 1:2]).astype(np.float32)
ENTROPY, SQUARES = CrossEntropyLoss(), MSELoss()


def dense(*sizes: int, activation: str = "relu", **options: Any) -> MultiLayerNet:
    return MultiLayerNet(sizes or (6, 20, 20, 3), activation=activation, rng=0, **options)


IMAGES, FIGURES = (array[:2000] for array in load_mnist()[:2])


def digits(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    return IMAGES[:count], FIGURES[:count]


def pictures() -> tuple[np.ndarray, np.ndarray]:
    images, labels = digits(16)
    return images.reshape(-1, 1, 28, 28), labels


WORDS = RNG.integers(0, 8, (N, 5))
WAVES = np.sin(np.arange(12) / 3 + RNG.uniform(0, 6, (N, 1)))[..., None].astype(np.float32)

# ------------------------------------------------------------------------------ healthy nets

HEALTHY: dict[str, Callable[[], tuple[Any, ...]]] = {
    "the articles' net": lambda: (TwoLayerNet(784, 50, 10, rng=0), ENTROPY, *digits()),
    "ReLU": lambda: (TwoLayerNet(784, 50, 10, activation="relu", rng=0), ENTROPY, *digits()),
    "six layers": lambda: (dense(784, *[100] * 5, 10), ENTROPY, *digits()),
    "ten layers": lambda: (dense(784, *[50] * 9, 10), ENTROPY, *digits()),
    "four layers of sigmoid": lambda: (
        dense(784, 50, 50, 50, 10, activation="sigmoid"), ENTROPY, *digits(),
    ),
    "tanh": lambda: (dense(activation="tanh"), ENTROPY, X, LABELS),
    "gelu": lambda: (dense(activation="gelu_tanh"), ENTROPY, X, LABELS),
    "simple-conv": lambda: (SimpleConvNet(rng=0), ENTROPY, *pictures()),
    "deep-conv": lambda: (DeepConvNet(rng=0), ENTROPY, *pictures()),
    "rows of digits": lambda: (RecurrentClassifier(28, 20, 10, rng=0), ENTROPY, *digits()),
    "gru": lambda: (RecurrentClassifier(28, 20, 10, kind="gru", rng=0), ENTROPY, *digits()),
    "rnn": lambda: (
        RecurrentClassifier(28, 20, 10, kind="rnn", layers=2, rng=0), ENTROPY, *digits(),
    ),
    "waves": lambda: (SequenceForecaster(1, 16, rng=0), SQUARES, WAVES[:, :-1], WAVES[:, 1:]),
    "characters": lambda: (CharacterModel(8, 6, 16, rng=0), ENTROPY, WORDS[:, :-1], WORDS[:, 1:]),
    "tied characters": lambda: (
        CharacterModel(8, 16, 16, tied=True, dropout=0.2, layers=2, rng=0), ENTROPY,
        WORDS[:, :-1], WORDS[:, 1:],
    ),
    "sequence to sequence": lambda: (
        Seq2Seq(8, 6, 16, rng=0), ENTROPY, WORDS, WORDS[:, :3], WORDS[:, 1:4],
    ),
    "with attention": lambda: (
        Seq2Seq(8, 6, 16, attention=True, rng=0), ENTROPY, WORDS, WORDS[:, :3], WORDS[:, 1:4],
    ),
    "regression": lambda: (dense(6, 20, 1), SQUARES, X, Y),
    "float64": lambda: (
        dense(dtype=np.float64), ENTROPY, X.astype(np.float64), LABELS,
    ),
    "one-hot": lambda: (dense(), ENTROPY, X, np.eye(3, dtype=np.float32)[LABELS]),
    "two classes": lambda: (
        dense(6, 10, 1), BCEWithLogitsLoss(), X, (LABELS[:, None] > 0).astype(np.float32),
    ),
    "batch norm and dropout": lambda: (
        Sequential(
            Linear(6, 30, rng=0), BatchNorm1d(30), ReLU(), Dropout(0.5, rng=0), Linear(30, 3, rng=0)
        ), ENTROPY, X, LABELS,
    ),
    "in evaluation": lambda: (
        Sequential(Linear(6, 9, rng=0), BatchNorm1d(9), Dropout(0.5, rng=0), Linear(9, 3, rng=0))
        .eval(), ENTROPY, X, LABELS,
    ),
    "weights of 0": lambda: (Linear(6, 3, weight="zeros", rng=0), ENTROPY, X, LABELS),
    "transformer": lambda: (
        Sequential(nn.Embedding(8, 16, rng=0), nn.PositionalEncoding(16),
                   nn.TransformerEncoderLayer(16, 2, hidden=32, rng=0), nn.Flatten(),
                   Linear(80, 8, rng=0)), ENTROPY, WORDS, WORDS[:, 0],
    ),
    "raw features, normalised": lambda: (
        Sequential(BatchNorm1d(6), Linear(6, 9, rng=0), Tanh(), Linear(9, 3, rng=0)), ENTROPY,
        X * 1000, LABELS,
    ),
    "few samples": lambda: (dense(6, 4, 3), ENTROPY, X[:3], LABELS[:3]),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_net_gives_no_finding(name: str) -> None:
    model, loss, *batch = HEALTHY[name]()
    found = diagnose(model, loss, *batch, optimizer=SGD(model, lr=0.1))
    assert found == [], report(found)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_net_that_has_learned_gives_no_finding(kind: Any) -> None:
    net = dense(784, 50, 10, activation="sigmoid")
    images, labels = digits(2000)
    optimizer = kind(net, lr=0.5 if kind is SGD else 0.01)
    trainer = Trainer(net, ENTROPY, optimizer, DataLoader((images, labels), 100, rng=0))
    trainer.fit(epochs=15)
    assert trainer.history.losses[-20:].mean() < 0.3
    found = diagnose(net, ENTROPY, images[:64], labels[:64], optimizer=optimizer)
    assert found == [], report(found)


# ------------------------------------------------------------------------------ broken nets


class Two(Module):
    """Two layers; what lies between them is the subject of a test."""

    def __init__(self, between: Callable[[Any], Any], outputs: int = 3, dtype: Any = None) -> None:
        self.first, self.second = Linear(6, 20, rng=0, dtype=dtype), Linear(20, outputs, rng=1)
        self.between = between

    def forward(self, x: Any) -> Any:
        h = self.between(self.first(x))
        return self.second(h)


def only(model: Module, loss: Any, *batch: Any, **options: Any) -> Finding:
    """Return the one finding there is, once it is the same after looking again."""
    found = diagnose(model, loss, *batch, **options)
    assert len(found) == 1, report(found)
    assert str(diagnose(model, loss, *batch, **options)[0]) == str(found[0])
    return found[0]


def test_dead_relu_units() -> None:
    net = Sequential(Linear(6, 20, rng=0), ReLU(), Linear(20, 3, rng=1))
    net[0].bias.data[:] = -50
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("dead units", "error", "1")
    assert found.numbers == {"dead": 20, "units": 20, "share": 1}


def test_a_few_units_that_live_are_a_warning() -> None:
    net = dense(6, 20, 3)
    net.layers[0].bias.data[:17] = -50
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("dead units", "warning", "layers.0")
    assert found.numbers["dead"] == 17


def test_units_that_live_on_another_batch_are_not_dead() -> None:
    net = dense(6, 20, 3)
    net.layers[0].bias.data[:18] = -50
    assert only(net, ENTROPY, X, LABELS).kind == "dead units"
    assert diagnose(net, ENTROPY, X, LABELS, more=[(1000 * X, LABELS)]) == []
    assert only(net, ENTROPY, X, LABELS, more=[(X, LABELS)]).numbers["dead"] == 18


def test_dead_channels_of_a_convolution() -> None:
    images, labels = pictures()
    net = SimpleConvNet(rng=0)
    net.features[0].bias.data[:] = -50
    found = only(net, ENTROPY, images, labels)
    assert found.kind == "dead units"
    assert found.path.startswith("features")
    assert found.numbers["units"] == 30


def test_dead_units_of_np_maximum_are_told_with_the_line() -> None:
    net = Two(lambda h: np.maximum(h, 0))
    net.first.bias.data[:] = -50
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.path) == ("dead units", "Two")
    assert found.line is not None
    assert "np.maximum(h, 0)" in found.line


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_saturated_units(activation: str) -> None:
    net = dense(6, 20, 3, activation=activation)
    net.layers[0].bias.data[:] = 30
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("saturated units", "warning", "layers.0")
    assert found.numbers["share"] == 1


def test_an_output_may_be_saturated() -> None:
    net = Sequential(Linear(6, 1, rng=0), Sigmoid())
    net[0].weight.data[:] *= 40
    assert diagnose(net, SQUARES, X, (Y > 0).astype(np.float32)) == []


class Forgotten(Module):
    def __init__(self) -> None:
        self.used, self.forgotten = Linear(6, 3, rng=0), Linear(6, 3, rng=1)

    def forward(self, x: Any) -> Any:
        return self.used(x)


def test_parameters_that_are_never_reached() -> None:
    found = only(Forgotten(), ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("unused parameters", "error", "forgotten")
    assert "forgotten.weight, forgotten.bias" in found.found


CUTS: dict[str, Callable[[Any], Any]] = {
    "detach": lambda h: h.detach(),
    "numpy": lambda h: np.tanh(h.numpy()),
    "tensor": lambda h: Tensor(h.numpy() * 2),
}


@pytest.mark.parametrize("cut", CUTS)
def test_parameters_that_are_detached(cut: str) -> None:
    found = only(Two(CUTS[cut]), ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("detached parameters", "error", "first")
    assert "self.first(x)" in (found.line or "")


def test_parameters_that_are_used_without_recording() -> None:
    net = Two(lambda h: h)
    inner = net.first.forward

    def forward(x: Any) -> Any:
        with no_grad():
            return inner(x)

    vars(net.first)["forward"] = forward
    assert only(net, ENTROPY, X, LABELS).kind == "detached parameters"
    assert vars(net.first)["forward"] is forward


def test_frozen_parameters_are_a_note() -> None:
    net = dense()
    net.layers[0].requires_grad_(False)
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("frozen parameters", "note", "layers.0")
    assert found.numbers["frozen"] == 2


def test_a_net_that_is_frozen_as_a_whole_is_an_error() -> None:
    assert only(dense().requires_grad_(False), ENTROPY, X, LABELS).severity == "error"


def test_gradients_that_are_all_zero_and_where_they_become_so() -> None:
    found = only(Two(lambda h: np.clip(h, 50, 60) + h.detach()), ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("gradients all zero", "error", "first")
    assert "becomes 0 at clip" in found.found
    assert "np.clip(h, 50, 60)" in (found.line or "")


def test_weights_of_zero_in_all_layers() -> None:
    found = only(dense(activation="tanh", weight="zeros"), ENTROPY, X, LABELS)
    assert found.kind == "gradients all zero"
    assert "all weights are 0" in found.found


def test_a_vanishing_gradient() -> None:
    net = dense(6, *[20] * 9, 3, activation="sigmoid")
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.severity) == ("vanishing gradient", "warning")
    assert found.path == "layers.0"
    assert 0 < found.numbers["ratio"] < 1e-4
    assert found.numbers["layers"] == 10


def test_an_exploding_gradient() -> None:
    net = dense(784, *[100] * 5, 10, weight=1.0)
    found = only(net, ENTROPY, *digits())
    assert (found.kind, found.path) == ("exploding gradient", "layers.0")
    assert found.numbers["ratio"] > 1e3


def test_an_accidental_broadcast() -> None:
    def loss(y: Any, t: Any) -> Any:
        return np.mean(np.square(y - t))

    found = only(dense(6, 20, 1), loss, X, Y[:, 0])
    assert (found.kind, found.severity) == ("accidental broadcast", "error")
    assert "(32, 32)" in found.found
    assert "np.square(y - t)" in (found.line or "")


def test_a_broadcast_inside_the_net() -> None:
    class Scaled(Module):
        def __init__(self) -> None:
            self.layer = Linear(6, 1, rng=0)

        def forward(self, x: Any) -> Any:
            return np.mean(self.layer(x) * x[:, 0], axis=1, keepdims=True)

    found = only(Scaled(), SQUARES, X, Y)
    assert (found.kind, found.path) == ("accidental broadcast", "Scaled")


def test_float64_data_of_a_float32_net() -> None:
    found = only(dense(), ENTROPY, X.astype(np.float64), LABELS)
    assert (found.kind, found.severity, found.path) == ("float64 from float32", "warning",
                                                        "layers.0")  # fmt: skip


def test_a_float64_number_in_the_net() -> None:
    found = only(Two(lambda h: h * np.ones(20)), ENTROPY, X, LABELS)
    assert (found.kind, found.path) == ("float64 from float32", "Two")
    assert found.numbers["op"] == "multiply"
    assert "h * np.ones(20)" in (found.line or "")


def test_a_cast_on_purpose_is_none() -> None:
    assert diagnose(Two(lambda h: h.astype(np.float64)), ENTROPY, X, LABELS) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf_in_a_parameter(value: float) -> None:
    net = dense()
    net.layers[1].weight.data[2, 3] = value
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.path) == ("nan or inf in parameters", "layers.1")
    assert f"the first is {value} at [2, 3]" in found.found


def test_nan_in_the_batch() -> None:
    broken = X.copy()
    broken[4, 1] = np.nan
    found = only(dense(), ENTROPY, broken, LABELS)
    assert (found.kind, found.path) == ("nan or inf in the batch", "input 0")
    targets = Y.copy()
    targets[3] = np.inf
    assert only(dense(6, 4, 1), SQUARES, X, targets).path == "the targets"


def test_nan_in_an_activation() -> None:
    found = only(Two(lambda h: np.log(h)), ENTROPY, X, LABELS)
    assert (found.kind, found.path) == ("nan or inf in activations", "Two")
    assert "np.log(h)" in (found.line or "")


def test_an_infinite_loss() -> None:
    found = only(dense(), lambda y, _t: np.mean(y) / (0 * np.sum(y)), X, LABELS)
    assert found.kind == "nan or inf in activations"
    assert found.path == "the loss"


def test_nan_in_a_gradient_alone() -> None:
    found = only(Two(lambda h: h + 1 / (h * 0 + 1e-30) * 1e-35), ENTROPY, X, LABELS)
    assert (found.kind, found.path) == ("nan or inf in gradients", "first")
    assert "the slope of divide in Two" in found.found
    assert "1e-35" in (found.line or "")


def test_a_mask_of_minus_infinity_is_none() -> None:
    mask = np.where(np.eye(20, dtype=bool), -np.inf, 0).astype(np.float32)
    net = Two(lambda h: softmax(h[:, None, :] + mask, axis=-1)[:, 0])
    assert diagnose(net, ENTROPY, X, LABELS) == []


class Beside(Module):
    def __init__(self) -> None:
        self.layer = Linear(6, 3, rng=0)

    def forward(self, x: Any, other: Any) -> Any:  # noqa: ARG002 - that is the mistake
        return self.layer(x)


def test_an_input_that_is_not_used() -> None:
    found = only(Beside(), ENTROPY, X, X[::-1].copy(), LABELS)
    assert (found.kind, found.severity, found.path) == ("unused input", "warning", "input 1")


def test_targets_that_are_not_used() -> None:
    found = only(dense(6, 9, 1), lambda y, t: np.mean(np.square(y)), X, Y)  # noqa: ARG005
    assert (found.kind, found.path) == ("unused targets", "the targets")


def test_a_constant_output() -> None:
    net = Two(lambda h: tanh(np.mean(h, axis=0, keepdims=True)) * np.ones((N, 1), np.float32))
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.severity, found.path) == ("constant output", "error", "Two")


@pytest.mark.parametrize("kind", [nn.Softmax, nn.LogSoftmax])
def test_softmax_twice(kind: Any) -> None:
    found = only(Sequential(Linear(6, 3, rng=0), kind()), ENTROPY, X, LABELS)
    assert (found.kind, found.path) == ("softmax twice", "1")
    assert found.severity == ("error" if kind is Softmax else "warning")


def test_sigmoid_twice() -> None:
    targets = (LABELS[:, None] > 0).astype(np.float32)
    found = only(Sequential(Linear(6, 1, rng=0), Sigmoid()), BCEWithLogitsLoss(), X, targets)
    assert (found.kind, found.severity) == ("sigmoid twice", "error")


@pytest.mark.parametrize("wrong", [3, -1])
def test_labels_out_of_range(wrong: int) -> None:
    found = only(dense(), ENTROPY, X, np.where(LABELS == 2, wrong, LABELS))
    assert (found.kind, found.severity, found.path) == ("labels out of range", "error", "the loss")
    assert f"label {wrong} is not a class" in found.found
    assert found.fix.startswith("number the classes from 0")


def test_labels_of_one_class() -> None:
    found = only(dense(), ENTROPY, X, np.full(N, 1))
    assert (found.kind, found.severity) == ("one class only", "warning")
    one_hot = np.eye(3, dtype=np.float32)[np.full(N, 1)]
    assert only(dense(), ENTROPY, X, one_hot).kind == "one class only"


def test_pixels_that_are_not_scaled() -> None:
    images, labels = digits()
    found = only(TwoLayerNet(784, 50, 10, rng=0), ENTROPY, images * 255, labels)
    assert (found.kind, found.path) == ("inputs not scaled", "input 0")
    assert "255" in found.fix
    whole = only(dense(784, 50, 10), ENTROPY, (images * 255).astype(np.uint8), labels)
    assert whole.kind == "inputs not scaled"


@pytest.mark.parametrize(("lr", "kind"), [(1e3, "large"), (1e-8, "small")])
@pytest.mark.parametrize("rule", [SGD, Adam])
def test_a_learning_rate(lr: float, kind: str, rule: Any) -> None:
    net = dense()
    found = only(net, ENTROPY, X, LABELS, optimizer=rule(net, lr=lr))
    assert (found.kind, found.severity) == (f"learning rate too {kind}", "warning")
    assert found.path == rule.__name__


def test_an_optimizer_that_wants_the_loss_is_left_alone() -> None:
    net = dense()
    assert diagnose(net, ENTROPY, X, LABELS, optimizer=LBFGS(net)) == []


def test_a_batch_norm_of_one() -> None:
    net = Sequential(Linear(6, 8, rng=0), BatchNorm1d(8), Linear(8, 3, rng=0))
    found = only(net, ENTROPY, X[:1], LABELS[:1])
    assert (found.kind, found.severity, found.path) == ("batch norm of one", "error", "1")
    assert diagnose(net.eval(), ENTROPY, X[:1], LABELS[:1]) == []


def test_another_refusal_of_a_layer_is_passed_on() -> None:
    with pytest.raises(LayerError, match="fan_in"):
        diagnose(dense(), ENTROPY, X[:, :4], LABELS)


def test_dropout_in_training_mode_while_the_model_is_evaluated() -> None:
    net = Sequential(Linear(6, 8, rng=0), Dropout(0.5, rng=0), Linear(8, 3, rng=0))
    found = only(net, ENTROPY, X, LABELS, evaluating=True)
    assert (found.kind, found.severity, found.path) == ("training mode in evaluation", "error", "1")
    net.eval()
    assert diagnose(net, ENTROPY, X, LABELS, evaluating=True) == []
    net[1].training = True
    assert only(net, ENTROPY, X, LABELS).path == "1"


def test_noise_that_does_not_ask_for_the_mode() -> None:
    rng = np.random.default_rng(0)
    net = Two(lambda h: h * (rng.random(20) > 0.3).astype(np.float32))
    found = only(net, ENTROPY, X, LABELS)
    assert (found.kind, found.path) == ("random in evaluation", "Two")


def test_a_parameter_of_two_optimizers() -> None:
    net = dense()
    both = [SGD(net, 0.1), Adam(net.layers[1], 0.001)]
    found = only(net, ENTROPY, X, LABELS, optimizer=both)
    assert (found.kind, found.severity) == ("parameter of two optimizers", "error")
    assert found.numbers["parameters"] == 2
    assert "SGD and Adam" in found.found


# ------------------------------------------------------------------------------ how it is told


def test_a_finding_is_a_block_and_the_report_ends_with_one_line() -> None:
    net = Two(lambda h: h * np.ones(20))
    net.second.requires_grad_(False)
    text = report(diagnose(net, ENTROPY, X * 100, LABELS))
    first, second, third, last = text.split("\n\n")
    assert {first.split(":")[0], second.split(":")[0]} == {"warning"}
    assert third.startswith("note: frozen parameters in second\n  2 of 4 parameters")
    assert all("\n  fix: " in block for block in (first, second, third))
    assert any("  at test_doctor.py:" in block for block in (first, second))
    assert last == "gradient doctor: 2 warnings, 1 note"
    assert report([]) == "gradient doctor: nothing found"


def test_errors_come_first() -> None:
    net = Forgotten()
    net.used.weight.requires_grad_(False)
    found = diagnose(net, ENTROPY, X * 100, LABELS)
    assert [f.severity for f in found] == ["error", "warning", "note"]


def test_what_is_no_model_or_no_batch_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"expected a Module\n  fix: "):
        diagnose(lambda x: x, ENTROPY, X, LABELS)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=r"inputs and targets\n  fix: "):
        diagnose(dense(), ENTROPY, X)


# ------------------------------------------------------------------------------ it changes nothing


def everything(model: Module, *optimizers: Any) -> list[Any]:
    kept: list[Any] = [{name: a.tobytes() for name, a in model.state_dict().items()}]
    kept += [{n: a.tobytes() for n, a in o.state_dict().items()} for o in optimizers]
    kept += [None if p.grad is None else p.grad.tobytes() for p in model.parameters()]
    kept += [rng.bit_generator.state for _, rng in model.named_generators()]
    return [
        *kept,
        nn.default_generator().bit_generator.state,
        [m.training for m in model.modules()],
    ]


def test_the_model_and_its_optimizer_are_given_back_as_they_were() -> None:
    net = Sequential(
        Linear(6, 30, rng=0), BatchNorm1d(30), ReLU(), Dropout(0.5, rng=0), Linear(30, 3, rng=0),
    )  # fmt: skip
    net.extra = Parameter(np.ones(3, np.float32))  # type: ignore[attr-defined]
    optimizer = Adam(net, 0.01)
    ENTROPY(net(X), LABELS).backward()
    optimizer.step()
    before, modules = everything(net, optimizer), [dict(vars(m)) for m in net.modules()]
    assert diagnose(net, ENTROPY, X, LABELS, optimizer=optimizer, more=[(X, LABELS)])
    assert everything(net, optimizer) == before
    assert [dict(vars(m)) for m in net.modules()] == modules


def test_it_is_given_back_when_the_loss_raises() -> None:
    net = Sequential(Linear(6, 9, rng=0), BatchNorm1d(9), Dropout(0.5, rng=0))
    before = everything(net)
    with pytest.raises(ZeroDivisionError):
        diagnose(net, lambda y, t: y.sum() * (1 / 0), X, LABELS)  # noqa: ARG005
    assert everything(net) == before
    assert not any("forward" in vars(module) for module in net.modules())


def test_it_looks_inside_no_grad_too() -> None:
    with no_grad():
        assert diagnose(dense(), ENTROPY, X, LABELS) == []


# ------------------------------------------------------------------------------ the callback


def training(*callbacks: Any, lr: float = 0.1) -> Trainer:
    net = Sequential(
        Linear(6, 30, rng=0), BatchNorm1d(30), ReLU(), Dropout(0.5, rng=0), Linear(30, 3, rng=0),
    )  # fmt: skip
    loader = DataLoader((X, LABELS), 8, rng=3)
    return Trainer(net, ENTROPY, SGD(net, lr), loader, callbacks=callbacks)


def test_the_callback_looks_at_the_start_after_the_first_epoch_and_at_the_end() -> None:
    told: list[str] = []
    doctor = GradientDoctor(tell=told.append)
    training(doctor).fit(epochs=3)
    assert [iteration for iteration, _ in doctor.found] == [0, 4, 12]
    assert [text.partition(":")[0] for text in told] == [
        "at the start", "after the first epoch", "at the end",
    ]  # fmt: skip
    assert all(text.endswith("gradient doctor: nothing found") for text in told)


def test_the_callback_looks_every_so_often() -> None:
    doctor = GradientDoctor(3, tell=lambda _text: None)
    training(doctor).fit(epochs=2)
    assert [iteration for iteration, _ in doctor.found] == [0, 3, 4, 6, 8]


def test_a_run_that_goes_on_is_looked_at_where_it_is() -> None:
    told: list[str] = []
    run = training(GradientDoctor(tell=told.append))
    run.fit(epochs=1)
    run.fit(iterations=6)
    heads = [text.partition(":")[0] for text in told]
    assert heads == ["at the start", "after the first epoch", "at iteration 4", "at the end"]


def test_the_callback_tells_what_is_wrong() -> None:
    told: list[str] = []
    training(GradientDoctor(tell=told.append), lr=1e3).fit(iterations=1)
    assert "learning rate too large in SGD" in told[0]


def test_a_training_is_the_same_with_and_without_the_doctor() -> None:
    with_doctor = training(GradientDoctor(2, tell=lambda _text: None))
    without = training()
    for run in (with_doctor, without):
        nn.manual_seed(0)
        run.fit(epochs=3)
    assert everything(with_doctor.model) == everything(without.model)
    np.testing.assert_array_equal(with_doctor.history.losses, without.history.losses)


@pytest.mark.parametrize("options", [{"every": 0}, {"batches": 0}, {"every": 1.5}])
def test_a_callback_of_wrong_numbers_is_refused(options: Any) -> None:
    with pytest.raises(TrainingError, match=r"expected an integer of at least 1\n  fix: "):
        GradientDoctor(**options)


# ------------------------------------------------------------------------------ causes


def test_an_optimizer_of_another_model() -> None:
    net = dense()
    found = only(net, ENTROPY, X, LABELS, optimizer=SGD(dense(), 0.1))
    assert (found.kind, found.severity, found.path) == (
        "optimizer of another model",
        "error",
        "SGD",
    )
    assert "the optimizer's parameters are not the model's" in found.found
    assert diagnose(net, ENTROPY, X, LABELS, optimizer=[SGD(net.layers[0], 0.1),
                                                        SGD(net.layers[1], 0.1)]) == []  # fmt: skip


def mostly_dead() -> MultiLayerNet:
    """A net of which one unit lives on the second half of `X` only."""
    net = dense(6, 50, 3)
    net.layers[0].bias.data[:] = -50
    net.layers[0].weight.data[:, 0] = 0
    net.layers[0].weight.data[0, 0] = 1
    net.layers[0].bias.data[0] = 0
    return net


NEGATIVE, POSITIVE = -np.abs(X), np.abs(X)


def test_zeros_behind_dead_units_are_not_told() -> None:
    found = only(mostly_dead(), ENTROPY, NEGATIVE, LABELS, more=[(POSITIVE, LABELS)])
    assert (found.kind, found.severity) == ("dead units", "warning")
    assert found.numbers == {"dead": 49, "units": 50, "share": 0.98}


def test_zeros_behind_unscaled_inputs_are_not_told() -> None:
    net = Two(lambda h: np.clip(h, -1, 1))
    found = only(net, ENTROPY, 1e6 * X, LABELS)
    assert found.kind == "inputs not scaled"


def test_what_a_large_rate_has_done_is_put_down_to_it() -> None:
    doctor = GradientDoctor(tell=lambda _text: None)
    net = dense(6, 20, 3)
    loader = DataLoader((X, LABELS), 8, rng=0)
    Trainer(net, ENTROPY, SGD(net, 1e4), loader, callbacks=[doctor], explodes_at=np.inf).fit(
        epochs=1
    )
    (first,) = doctor.found[0][1]
    later = doctor.found[1][1]
    assert first.kind == "learning rate too large"
    assert later
    assert all(first.fix in finding.fix for finding in later), report(later)


def test_a_loss_that_is_no_scalar_is_refused_in_the_name_of_the_loss() -> None:
    with pytest.raises(GradientError, match=r"^the loss: a gradient starts from a scalar"):
        training_with(lambda y, _t: y).fit(epochs=1)


def training_with(loss: Any) -> Trainer:
    net = dense(6, 20, 3)
    doctor = GradientDoctor(tell=lambda _text: None)
    return Trainer(
        net, loss, SGD(net, 0.1), DataLoader((X, LABELS), 8, rng=0), metrics=("accuracy",),
        callbacks=[doctor],
    )  # fmt: skip


def test_a_rate_whose_step_is_lost_in_rounding_is_to_grow() -> None:
    net = dense()
    found = only(net, ENTROPY, X, LABELS, optimizer=SGD(net, lr=1e-30))
    assert found.kind == "learning rate too small"
    assert found.fix.startswith("try lr=0.001;")
