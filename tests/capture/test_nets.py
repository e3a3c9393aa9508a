"""Steps of many nets and rules, over several batches: results and states equal to the bit."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Parameter, Tensor, grad, hessian, jacobian, nn, no_grad, optim
from tinygrad_edu.capture import capture
from tinygrad_edu.errors import CaptureError

Array = np.ndarray[Any, Any]
Made = tuple[Callable[..., Any], Sequence[Any]]
RNG = np.random.default_rng(3)
ROWS = [(RNG.random((4, 6)).astype(np.float32), RNG.integers(0, 3, 4)) for _ in range(3)]
IMAGES = [(RNG.random((2, 1, 8, 8)).astype(np.float32), RNG.integers(0, 3, 2)) for _ in range(3)]
SEQUENCES = [(RNG.random((2, 5, 6)).astype(np.float32),) for _ in range(3)]
VECTORS = [(RNG.random(3),) for _ in range(3)]


def flat(tree: Any) -> list[Array]:
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in flat(part)]
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in flat(part)]
    return [np.array(getattr(tree, "_data", tree))]


def assert_same(found: Any, expected: Any) -> None:
    mine, its = flat(found), flat(expected)
    assert [(a.shape, a.dtype) for a in mine] == [(a.shape, a.dtype) for a in its]
    assert [a.tobytes() for a in mine] == [a.tobytes() for a in its]


def state(owner: Any) -> Any:
    if isinstance(owner, Parameter):
        return [owner.numpy(), [] if owner.grad is None else owner.grad]
    return owner.state()


def small_net(seed: int = 0) -> Any:
    return nn.Sequential(nn.Linear(6, 5, rng=seed), nn.ReLU(), nn.Linear(5, 3, rng=seed + 1))


def trained(net: Any, optimizer: Any) -> Made:
    lossf = nn.CrossEntropyLoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = lossf(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step, [net, optimizer]


RULES: dict[str, Callable[[Any], Any]] = {
    "momentum": lambda net: optim.SGD(net, lr=0.1, momentum=0.9),
    "Nesterov": lambda net: optim.SGD(net, lr=0.1, momentum=0.9, nesterov=True),
    "weight decay": lambda net: optim.SGD(net, lr=0.1, weight_decay=0.1),
    "Adam": lambda net: optim.Adam(net, lr=0.1),
    "AdamW": lambda net: optim.AdamW(net, lr=0.1, weight_decay=0.1),
    "AdaGrad": optim.AdaGrad,
    "AdaDelta": optim.AdaDelta,
    "Adamax": optim.Adamax,
    "RMSProp": optim.RMSProp,
}


def convolving() -> Made:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, rng=0), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3, rng=1),
    )  # fmt: skip
    return trained(net, optim.Adam(net, lr=0.1))


def normalising_in_eval_mode() -> Made:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 3, rng=1)
    ).eval()
    return trained(net, optim.SGD(net, lr=0.1))


def recurrent() -> Made:
    net, head = nn.LSTM(6, 4, rng=0), nn.Linear(4, 3, rng=1)
    optimizer = optim.Adam([*net.parameters(), *head.parameters()])

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        hidden, _ = net(x)
        loss = np.mean(head(hidden) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    return step, [net, head, optimizer]


def two_nets() -> Made:
    first, second = small_net(), nn.Linear(3, 2, rng=5)
    rules = optim.Adam(first), optim.SGD(second, lr=0.1, momentum=0.9)

    def step(x: Any, _t: Any) -> Any:
        for rule in rules:
            rule.zero_grad()
        loss = np.mean(second(first(x)) ** 2)
        loss.backward()
        for rule in rules:
            rule.step()
        rules[0].zero_grad()
        other = np.mean(first(x) ** 2)
        other.backward()
        rules[0].step()
        return loss, other

    return step, [first, second, *rules]


def two_backward_passes() -> Made:
    net = small_net()
    optimizer, lossf = optim.SGD(net, lr=0.1), nn.CrossEntropyLoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        losses = [lossf(net(x * k), t) for k in (1, 2)]
        for loss in losses:
            loss.backward()
        optimizer.step()
        return losses, [p.grad for p in net.parameters()]

    return step, [net, optimizer]


def half_frozen() -> Made:
    net = small_net()
    for parameter in net[0].parameters():
        parameter.requires_grad_(False)
    return trained(net, optim.SGD(net, lr=0.1))


def one_head_of_two() -> Made:
    nets = small_net(), nn.Linear(3, 2, rng=5)
    optimizer = optim.Adam([p for net in nets for p in net.parameters()], lr=0.1)
    step, _ = trained(nets[0], optimizer)
    return step, [*nets, optimizer]


def predicting() -> Made:
    net = small_net().eval()

    def predict(x: Any, t: Any) -> Any:
        with no_grad():
            return net(x).argmax(axis=1) == t

    return predict, [net]


def old_weights_and_new() -> Made:
    net = small_net()
    step, owners = trained(net, optim.SGD(net, lr=0.1))

    def both(x: Any, t: Any) -> Any:
        before, view = net[0].weight.data.copy(), net[2].weight.data[1:]
        return step(x, t), before, view

    return both, owners


def writing_through_views() -> Made:
    w = Parameter(np.ones((3, 3)))

    def step(x: Any) -> Any:
        w.data[0] += x
        w.data.T[1] *= 2
        return w.data, (w * x).numpy(), w.detach() * 1, w.data[1]

    return step, [w]


def with_a_buffer() -> Made:
    class Total(nn.Module):
        def __init__(self) -> None:
            self.total = nn.Buffer(np.zeros(3))

        def forward(self, x: Any) -> Any:
            self.total.data += x
            return x * self.total.data

    net = Total()
    return lambda x: net(x), [net]


def penalised() -> Made:
    net = small_net()

    def slope(x: Any) -> Any:
        return grad(lambda x: np.sum(np.tanh(net(x))))(x)

    return lambda x, _t: grad(lambda x: np.sum(slope(x) ** 2))(x), [net]


def curved() -> Made:
    def both(x: Any) -> Any:
        return jacobian(lambda x: np.tanh(x) * x.sum())(x), hessian(
            lambda x: (np.tanh(x) * x).sum()
        )(x)

    return both, []


CASES: list[tuple[Callable[[], Made], Sequence[Any]]] = [
    (convolving, IMAGES), (normalising_in_eval_mode, IMAGES), (recurrent, SEQUENCES),
    (two_nets, ROWS), (two_backward_passes, ROWS), (half_frozen, ROWS),
    (one_head_of_two, ROWS), (predicting, ROWS),
    (old_weights_and_new, ROWS), (writing_through_views, VECTORS), (with_a_buffer, VECTORS),
    (penalised, ROWS), (curved, VECTORS),
]  # fmt: skip


def assert_steps_are_same(make: Callable[[], Made], batches: Sequence[Any]) -> None:
    (eager, owners), (captured, others) = make(), make()
    program = capture(captured, *batches[0])
    for batch in batches:
        assert_same(program(*batch), eager(*batch))
        for mine, its in zip(owners, others, strict=True):
            assert_same(state(its), state(mine))


@pytest.mark.parametrize(("make", "batches"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_steps_are_equal_to_the_bit(make: Callable[[], Made], batches: Sequence[Any]) -> None:
    assert_steps_are_same(make, batches)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_goes_on_as_it_would(name: str) -> None:
    def make() -> Made:
        net = small_net()
        return trained(net, RULES[name](net))

    assert_steps_are_same(make, ROWS)


def test_gradients_that_the_function_drops_are_dropped() -> None:
    w, other = Parameter(np.ones(3)), Parameter(np.ones(3))
    optimizer = optim.SGD([w, other], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = np.sum(w * x)
        loss.backward()
        optimizer.step()
        return loss

    program = capture(step, VECTORS[0][0])
    np.sum(w * other).backward()
    program(VECTORS[1][0])
    assert other.grad is None
    assert_same(w.grad, VECTORS[1][0])
    assert other.numpy().tolist() == [1.0, 1.0, 1.0]


# ------------------------------------------------------------------------------ what is refused


def test_gradients_that_are_summed_over_calls() -> None:
    net, lossf = small_net(), nn.CrossEntropyLoss()

    def adds(x: Any, t: Any) -> Any:
        loss = lossf(net(x), t)
        loss.backward()
        return loss

    program = capture(adds, *ROWS[0])
    program(*ROWS[0])
    with pytest.raises(CaptureError, match="has a gradient already"):
        program(*ROWS[1])


def stepping_a_schedule(optimizer: Any) -> Callable[[], Any]:
    return optim.StepLR(optimizer, 1).step


def clipping(optimizer: Any) -> Callable[[], Any]:
    optimizer.add_hook(optim.ClipGradNorm(0.1))
    return lambda: None


@pytest.mark.parametrize(("prepare", "name"), [(stepping_a_schedule, "Hyper"), (clipping, "Clip")])
def test_the_error_names_who_takes_a_number_out(prepare: Callable[[Any], Any], name: str) -> None:
    net = small_net()
    optimizer = optim.SGD(net, lr=0.1)
    step, _ = trained(net, optimizer)
    after = prepare(optimizer)

    def both(x: Any, t: Any) -> Any:
        loss = step(x, t)
        after()
        return loss

    before = [p.numpy().copy() for p in net.parameters()]
    with pytest.raises(CaptureError, match=f"leave out what calls {name}"):
        capture(both, *ROWS[0])
    assert_same([p.numpy() for p in net.parameters()], before)


def test_arrays_beside_the_net_are_no_state() -> None:
    net = small_net()
    step, _ = trained(net, optim.SGD(net, lr=0.1))
    average = [p.numpy().copy() for p in net.parameters()]

    def averaged(x: Any, t: Any) -> Any:
        loss = step(x, t)
        for array, parameter in zip(average, net.parameters(), strict=True):
            array += 0.1 * parameter.data
        return loss

    with pytest.raises(CaptureError, match="writes to an array from outside"):
        capture(averaged, *ROWS[0])


def test_a_generator_of_results_is_no_result() -> None:
    def parts(x: Tensor) -> Any:
        yield x * 2

    with pytest.raises(CaptureError, match="returned a generator"):
        capture(parts, VECTORS[0][0])


def test_a_loss_may_be_made_for_each_call() -> None:
    net = nn.Linear(3, 2, rng=0)

    def loss_of(x: Any, t: Any) -> Any:
        net.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), t)
        loss.backward()
        return loss

    x, t = np.ones((4, 3), np.float32), np.array([0, 1, 0, 1])
    program = capture(loss_of, x, t)
    assert "out=None" not in program.source  # asks for nothing
    x = x * 2
    assert program(x, t).tobytes() == loss_of(x, t).numpy().tobytes()


def test_a_layer_made_for_each_call_is_refused() -> None:
    def fresh(x: Any) -> Any:
        return nn.Linear(3, 2, rng=0)(x)

    with pytest.raises(CaptureError, match="a Linear is used that the run before did not use"):
        capture(fresh, np.ones((4, 3), np.float32))
