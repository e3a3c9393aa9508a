"""A captured function gives what the function gives, bit for bit, and its text runs by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Parameter, Tensor, nn, optim
from tinygrad_edu.capture import Program, capture
from tinygrad_edu.models import MultiLayerNet, SimpleConvNet, TwoLayerNet

Array = np.ndarray[Any, Any]


def numbers(shape: Any, seed: int = 0, dtype: Any = np.float64) -> Array:
    array: Array = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return array


def assert_same(found: Any, expected: Any) -> None:
    found = np.asarray(getattr(found, "_data", found))
    expected = np.asarray(getattr(expected, "_data", expected))
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert found.tobytes() == expected.tobytes()


def alone(program: Program) -> Callable[..., Any]:
    """Return the text of a program as a function that knows nothing but NumPy."""
    namespace: dict[str, Any] = {}
    exec(program.source, namespace)
    run: Callable[..., Any] = namespace[program.name]
    return lambda *given: run(*given, **program.state, **program.constants)


# ------------------------------------------------------------------------------ functions


def test_plain_numpy_is_written_as_it_was() -> None:
    def distance(a: Any, b: Any) -> Any:
        d = a - b
        return np.sqrt(np.sum(d * d))

    program = capture(distance, numbers(3), numbers(3, 1))
    a, b = numbers(3, 2), numbers(3, 3)
    assert_same(program(a, b), distance(a, b))
    assert [line.text for line in program.instructions] == [
        "d = a - b",
        "product1 = d * d",
        "sum1 = np.sum(product1)",
        "sqrt1 = np.asarray(np.sqrt(sum1))",
    ]


def test_the_gradient_of_an_argument() -> None:
    def slope(x: Any) -> Any:
        x = Tensor(x, requires_grad=True)
        y = np.sum(np.tanh(x) * x)
        y.backward()
        return y, x.grad

    program = capture(slope, numbers((2, 3)))
    x = numbers((2, 3), 1)
    for found, expected in zip(program(x), slope(x), strict=True):
        assert_same(found, expected)
    for found, expected in zip(alone(program)(x), slope(x), strict=True):
        assert_same(found, expected)
    assert {line.phase for line in program.instructions} == {"forward", "backward"}


def test_a_tensor_may_be_an_argument() -> None:
    def slope(x: Tensor) -> Any:
        (x * x).sum().backward()
        return x.grad

    program = capture(slope, Tensor([1.0, 2.0], requires_grad=True))
    assert program(np.array([3.0, -1.0])).tolist() == [6.0, -2.0]


def test_a_neuron_reads_as_its_chain_rule() -> None:
    w, b = Parameter(np.float64(2.0), name="w"), Parameter(np.float64(-1.0), name="b")

    def neuron(x: Any) -> Any:
        w.grad = b.grad = None
        s = w * x + b
        out = np.tanh(s)
        out.backward()
        return out

    program = capture(neuron, np.array(0.5))
    assert [line.text for line in program.instructions] == [
        "multiply1 = w * x",
        "s = multiply1 + b",
        "out = np.asarray(np.tanh(s))",
        "dout = np.ones_like(out)",
        "product1 = out * out",
        "difference1 = 1 - product1",
        "db = np.asarray(dout * difference1)",
        "dw = np.asarray(db * x)",
    ]
    assert w.grad is None, "capturing changes nothing"
    x = np.array(0.25)
    expected = neuron(x)
    gradients = np.array(w.grad), np.array(b.grad)
    w.grad = b.grad = None
    assert_same(program(x), expected)
    assert_same(w.grad, gradients[0])
    assert_same(b.grad, gradients[1])
    assert_same(alone(program)(x)[1]["w"], gradients[0])


def test_what_nobody_reads_is_left_out() -> None:
    def wasteful(x: Any) -> Any:
        np.exp(x) + np.ones(3)
        unread = np.zeros_like(x)
        unread += x
        return x * 2

    program = capture(wasteful, numbers(3))
    assert [line.text for line in program.instructions] == ["multiply1 = x * 2"] or len(
        program.instructions
    ) == 1


def test_writing_through_a_view_is_kept() -> None:
    def corner(x: Any) -> Any:
        y = np.zeros_like(x)
        row = y[0]
        row += x[1]
        y[1, 1:] *= 0
        y[:, 0] -= 1
        return y

    program = capture(corner, numbers((2, 3)))
    x = numbers((2, 3), 5)
    assert_same(program(x), corner(x))
    assert "y[:, 0] -= 1" in program.source


def test_trees_and_other_arguments() -> None:
    def weighed(data: dict[str, Any], pair: tuple[Any, Any], axis: int) -> Any:
        return {"sum": (data["x"] * data["w"]).sum(axis=axis), "pair": [pair[0], pair[1] + 1]}

    given = {"x": numbers((2, 3)), "w": numbers((2, 3), 1)}, (numbers(2), numbers(2, 1)), 0
    program = capture(weighed, *given)
    found, expected = program(*given), weighed(*given)
    assert_same(found["sum"], expected["sum"])
    assert_same(found["pair"][1], expected["pair"][1])
    found["pair"][0][:] = 7
    assert given[1][0].tolist() == numbers(2).tolist(), "results are copies"


def test_second_derivatives() -> None:
    from tinygrad_edu import grad

    def curvature(x: Any) -> Any:
        return grad(grad(lambda x: np.tanh(x) ** 2))(x)

    program = capture(curvature, np.array(0.3))
    assert_same(program(np.array(-0.7)), curvature(np.array(-0.7)))


# ------------------------------------------------------------------------------ training steps


def training_step(model: Any, optimizer: Any) -> Callable[..., Any]:
    lossf = nn.CrossEntropyLoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = lossf(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


class LastState(nn.Module):
    """An LSTM cell and a layer: one step of a recurrent net."""

    def __init__(self) -> None:
        self.cell, self.head = nn.LSTMCell(6, 5, rng=0), nn.Linear(5, 3, rng=1)

    def forward(self, x: Any) -> Any:
        h, c = self.cell(x)
        h, c = self.cell(x, (h, c))
        return self.head(h)


NETS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Any, int]] = {
    "784-50-10": (
        lambda: TwoLayerNet(784, 50, 10, rng=0), lambda m: optim.SGD(m, lr=0.1), (20, 784), 10,
    ),
    "deep, with batch norm and Adam": (
        lambda: MultiLayerNet([12, 9, 8, 4], batch_norm=True, rng=0), optim.Adam, (6, 12), 4,
    ),
    "convolution": (
        lambda: SimpleConvNet(rng=0), lambda m: optim.SGD(m, momentum=0.9), (3, 1, 28, 28), 10,
    ),
    "LSTM": (LastState, lambda m: optim.AdamW(m, weight_decay=0.1), (4, 6), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_a_training_step_is_equal_to_the_bit(name: str) -> None:
    make, rule, shape, classes = NETS[name]
    rng = np.random.default_rng(3)
    batches = [
        (rng.standard_normal(shape).astype(np.float32), rng.integers(0, classes, shape[0]))
        for _ in range(3)
    ]
    eager, captured, text = make(), make(), make()
    optimizers = rule(eager), rule(captured), rule(text)
    step = training_step(eager, optimizers[0])
    program = capture(training_step(captured, optimizers[1]), *batches[0])
    source = alone(capture(training_step(text, optimizers[2]), *batches[0]))
    for x, t in batches:
        expected = step(x, t)
        assert_same(program(x, t), expected)
        assert_same(source(x, t), expected)
    for other in (captured, text):
        for key, array in eager.state().items():
            assert_same(other.state()[key], array)
    for other in optimizers[1:]:
        for key, array in optimizers[0].state().items():
            assert_same(other.state()[key], array)
    for mine, its in zip(eager.parameters(), captured.parameters(), strict=True):
        assert_same(its.grad, mine.grad)
    assert {line.phase for line in program.instructions} == {"forward", "backward", "update"}


def test_a_saved_state_learns_on_as_the_live_one(tmp_path: Any) -> None:
    net = TwoLayerNet(4, 5, 3, rng=0)
    optimizer, lossf = optim.Adam(net, lr=0.1), nn.CrossEntropyLoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = lossf(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    x, t = numbers((6, 4), dtype=np.float32), np.array([0, 1, 2, 0, 1, 2])
    program = capture(step, x, t)
    assert "first_weight = parameters[0:20].reshape(4, 5)" in program.source
    assert "first_weight" in program.parts
    np.savez(tmp_path / "state.npz", **program.state)
    namespace: dict[str, Any] = {}
    exec(program.source, namespace)
    state = dict(np.load(tmp_path / "state.npz"))
    found = [namespace["step"](x, t, **state, **program.constants) for _ in range(4)]
    losses = [np.asarray(loss[0] if isinstance(loss, tuple) else loss) for loss in found]
    assert [loss.tolist() for loss in losses] == [program(x, t).tolist() for _ in range(4)]
    assert len({loss.item() for loss in losses}) == 4  # it does learn


def test_the_step_goes_on_with_the_learning_rate_of_now() -> None:
    x, t = numbers((4, 5), dtype=np.float32), np.array([0, 1, 2, 0])
    nets = [TwoLayerNet(5, 4, 3, rng=0) for _ in range(2)]
    rules = [optim.SGD(net, lr=0.1) for net in nets]
    step = training_step(nets[0], rules[0])
    program = capture(training_step(nets[1], rules[1]), x, t)
    for rate in (0.1, 0.5):
        for rule in rules:
            rule.lr = rate
        step(x, t)
        program(x, t)
    for mine, its in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert_same(its.numpy(), mine.numpy())


def test_an_update_by_hand() -> None:
    w = Parameter(numbers(3), name="w")

    def step(x: Any) -> Any:
        w.grad = None
        loss = np.sum((w * x) ** 2)
        loss.backward()
        w.data -= 0.1 * w.grad
        return loss

    before = w.numpy().copy()
    program = capture(step, numbers(3, 1))
    assert_same(w.numpy(), before)
    step(numbers(3, 2))
    expected = w.numpy().copy()
    w.data = before
    program(numbers(3, 2))
    assert_same(w.numpy(), expected)
    assert program.instructions[-1].phase == "update"


def test_capturing_and_calling_leave_a_usable_engine() -> None:
    net = TwoLayerNet(5, 4, 3, rng=0)
    optimizer = optim.SGD(net, lr=0.1)
    step = training_step(net, optimizer)
    x, t = numbers((4, 5), dtype=np.float32), np.array([0, 1, 2, 0])
    before = {key: array.copy() for key, array in net.state().items()}
    program = capture(step, x, t)
    for key, array in net.state().items():
        assert_same(array, before[key])
    losses = [float(step(x, t)), float(program(x, t)), float(step(x, t)), float(program(x, t))]
    assert losses == sorted(losses, reverse=True)


# ------------------------------------------------------------------------------ the text


def test_the_text_is_the_same_every_time() -> None:
    def text() -> str:
        net = TwoLayerNet(5, 4, 3, rng=0)
        step = training_step(net, optim.Adam(net))
        return capture(step, numbers((4, 5), dtype=np.float32), np.array([0, 1, 2, 0])).source

    assert text() == text()


def test_names_are_the_users_own() -> None:
    weights = {"w1": Parameter(numbers((3, 2))), "b1": Parameter(numbers(2))}

    def predict(x: Any) -> Any:
        hidden = np.maximum(x @ weights["w1"] + weights["b1"], 0)
        loss = np.mean(hidden**2)
        loss.backward()
        return weights["w1"].grad

    program = capture(predict, numbers((4, 3)))
    for name in ("weights_w1", "weights_b1", "hidden = ", "loss = ", "dhidden", "dloss"):
        assert name in program.source
    assert set(program.state) == {"weights_w1", "weights_b1"}


def test_a_hostile_name_stays_a_name() -> None:
    w = Parameter(numbers(3), name='import os; x = """\n')

    def f(x: Any) -> Any:
        return np.sum(w * x)

    program = capture(f, numbers(3))
    (name,) = program.state
    assert name.isidentifier()
    assert_same(program(numbers(3)), f(numbers(3)))


def test_constants_are_written_out_or_given() -> None:
    small, large = np.array([1.5, np.inf, -0.0]), numbers((4, 3))

    def f(x: Any) -> Any:
        return x * small + large.sum(axis=0) + large[0, 0] - x @ np.arange(9.0).reshape(3, 3)

    program = capture(f, numbers(3))
    assert "np.array([1.5, np.inf, -0.0], dtype=np.float64)" in program.source
    assert_same(program(numbers(3, 1)), f(numbers(3, 1)))
    assert_same(alone(program)(numbers(3, 1)), f(numbers(3, 1)))


def test_numbers_out_of_range_are_as_silent_as_in_the_function() -> None:
    def f(x: Any) -> Any:
        with np.errstate(divide="ignore"):
            y = 1 / x
        return np.where(y > 1, y, 0)

    program = capture(f, numbers(3))
    assert "with np.errstate(divide=" in program.source
    assert_same(program(np.array([0.0, 1.0, -2.0])), f(np.array([0.0, 1.0, -2.0])))
