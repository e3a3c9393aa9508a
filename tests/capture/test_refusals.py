"""What would make a program silently wrong is an error that names the line."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Parameter, Tensor, nn, optim
from tinygrad_edu.capture import capture
from tinygrad_edu.errors import CaptureError
from tinygrad_edu.models import TwoLayerNet

X = np.array([0.5, -1.0, 2.0])
RNG = np.random.default_rng(0)
KEPT: list[Any] = []
COUNT = [0]
TABLE = np.zeros(3)


def branch(x: Any) -> Any:
    if x.sum() > 0:  # the line
        return x
    return -x


def branch_of_a_tensor(x: Any) -> Any:
    t = Tensor(x, requires_grad=True)
    return t if t.sum() > 0 else -t  # the line


def loop(x: Any) -> Any:
    while np.max(x) > 1:  # the line
        x = x / 2
    return x


def number(x: Any) -> Any:
    return x * float(np.sum(x))  # the line


def item(x: Any) -> Any:
    return x * Tensor(x).sum().item()  # the line


def whole(x: Any) -> Any:
    return x[: int(np.sum(x > 0))]  # the line


def listed(x: Any) -> Any:
    return np.array(x.tolist())  # the line


def converted(x: Any) -> Any:
    return np.asarray(x) * 2  # the line


def printed(x: Any) -> Any:
    print(x)  # the line
    return x * 2


def printed_tensor(x: Any) -> Any:
    y = Tensor(x, requires_grad=True) * 2
    print(y)  # the line
    return y


def formatted(x: Any) -> Any:
    return x * len(f"{x}")  # the line


def random(x: Any) -> Any:
    return x * RNG.random(3)  # the line


def counted(x: Any) -> Any:
    COUNT[0] += 1
    return x * COUNT[0]  # the line


def argument_written(x: Any) -> Any:
    x += 1  # the line
    return x


def foreign_written(x: Any) -> Any:
    np.add(TABLE, x, out=TABLE)  # the line
    return x * 2


def foreign_assigned(x: Any) -> Any:
    TABLE[:] = x  # the line
    return x * 2


def object_returned(x: Any) -> Any:
    return x, object()


def dropped_out(x: Any) -> Any:
    return DROPOUT(x) * 2  # the line


DROPOUT = nn.Dropout(0.5, rng=0)


@pytest.mark.parametrize(
    "function",
    [
        branch, branch_of_a_tensor, loop, number, item, whole, listed, converted, random, counted,
        printed, printed_tensor, formatted,
        argument_written, foreign_written, foreign_assigned, dropped_out,
    ],
)  # fmt: skip
def test_the_line_is_named(function: Callable[..., Any]) -> None:
    before = X.copy()
    with pytest.raises(CaptureError) as caught:
        capture(function, X)
    text = str(caught.value)
    assert "test_refusals.py:" in text
    assert "# the line" in text
    assert "fix: " in text
    assert X.tolist() == before.tolist()


def test_a_result_that_is_no_array() -> None:
    with pytest.raises(CaptureError, match="returned a object"):
        capture(object_returned, X)


def test_values_kept_beyond_the_run() -> None:
    def hoarder(x: Any) -> Any:
        KEPT.append(x)
        return x * 2

    with pytest.raises(CaptureError, match="beyond its end"):
        capture(hoarder, X)
    with pytest.raises(CaptureError, match="a run that is over"):
        KEPT[-1] * 2


def test_no_function() -> None:
    with pytest.raises(TypeError, match="where a function belongs"):
        capture(X)  # type: ignore[arg-type]  # that is the mistake


def double(x: Any) -> Any:
    return x * 2


@pytest.mark.parametrize("wrong", [X[:2], X.astype(np.float32), X[:, None], 1.0])
def test_other_shapes_and_dtypes(wrong: Any) -> None:
    program = capture(double, X)
    with pytest.raises(CaptureError, match=r"recorded was \(3,\) float64"):
        program(wrong)


def test_another_number_of_arguments() -> None:
    with pytest.raises(CaptureError, match="2 arguments were given, recorded were 1"):
        capture(double, X)(X, X)


def test_another_plain_argument() -> None:
    program = capture(lambda x, power: x**power, X, 2)
    assert program(X, 2).tolist() == (X**2).tolist()
    with pytest.raises(CaptureError, match="found 3 where 2 was recorded"):
        program(X, 3)
    with pytest.raises(CaptureError, match="where 2 was recorded"):
        program(X, 2.0)


def test_an_array_from_outside_that_has_changed() -> None:
    table = np.arange(20.0)

    def picked(x: Any) -> Any:
        return x * table[:3] + np.sum(table * x[0])

    program = capture(picked, X)
    assert program(X).tolist() == picked(X).tolist()
    table[7] = 100
    with pytest.raises(CaptureError, match="from outside has changed"):
        program(X)


def test_a_label_that_is_no_class_changes_nothing() -> None:
    net = TwoLayerNet(5, 4, 3, rng=0)
    optimizer, lossf = optim.SGD(net, lr=0.1), nn.CrossEntropyLoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = lossf(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    x = np.ones((2, 5), np.float32)
    program = capture(step, x, np.array([0, 2]))
    before = net.first.weight.numpy().copy()
    with pytest.raises(CaptureError, match="decides by numbers"):
        program(x, np.array([0, 3]))
    assert net.first.weight.numpy().tobytes() == before.tobytes()


def test_gradients_that_nobody_dropped() -> None:
    w = Parameter(np.ones(3))

    def adds(x: Any) -> Any:
        np.sum(w * x).backward()
        return x * 2

    program = capture(adds, X)
    program(X)
    with pytest.raises(CaptureError, match="has a gradient already"):
        program(X)
    w.grad = None
    program(X)
    assert np.array_equal(np.asarray(w.grad), X)


def test_parameters_that_have_moved() -> None:
    net = TwoLayerNet(5, 4, 3, rng=0)
    x = np.ones((2, 5), np.float32)
    program = capture(lambda x: net(x), x)
    optim.SGD(net, lr=0.1)
    with pytest.raises(CaptureError, match="no longer the array"):
        program(x)


def test_what_the_program_is_built_on() -> None:
    net = TwoLayerNet(5, 4, 3, rng=0)
    optimizer, lossf = optim.SGD(net, lr=0.1), nn.CrossEntropyLoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = lossf(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    x, t = np.ones((2, 5), np.float32), np.array([0, 2])
    program = capture(step, x, t)
    net.eval()
    with pytest.raises(CaptureError, match=r"train\(\) or eval\(\)"):
        program(x, t)
    net.train()
    optimizer.add_hook(optim.ClipGradValue(1.0))
    with pytest.raises(CaptureError, match="hooks or groups of SGD"):
        program(x, t)
    optimizer.hooks.clear()
    program(x, t)
    net.first.weight.requires_grad_(False)
    with pytest.raises(CaptureError, match=r"whether first\.weight wants a gradient"):
        program(x, t)


def test_a_live_graph_over_a_program_that_writes() -> None:
    from tinygrad_edu.errors import MutationError

    w = Parameter(np.ones(3))
    optimizer = optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        np.sum(w * w * x).backward()
        optimizer.step()
        return x + 0

    program = capture(step, X)
    loss = np.sum(w * w)
    program(X)
    with pytest.raises(MutationError):
        loss.backward()


def test_a_shape_that_depends_on_numbers() -> None:
    def positive(x: Any) -> Any:
        return x[x > 0]

    program = capture(positive, X)
    assert program(np.array([1.0, 2.0, -3.0])).tolist() == [1.0, 2.0]
    with pytest.raises(CaptureError, match="a shape depends on numbers"):
        program(np.array([1.0, 2.0, 3.0]))


def test_a_function_that_errs_leaves_everything_as_it_was() -> None:
    w = Parameter(np.ones(3))

    def wrong(x: Any) -> Any:
        w.grad = None
        np.sum(w * x).backward()
        w.data -= w.grad
        return float(np.sum(x))

    before = w.numpy()
    with pytest.raises(CaptureError):
        capture(wrong, X)
    assert w.grad is None
    assert before.tolist() == [1.0, 1.0, 1.0]
    np.sum(w * X).backward()
    assert np.array_equal(np.asarray(w.grad), X)
