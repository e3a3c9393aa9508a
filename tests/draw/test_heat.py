"""What a graph costs, against numbers known from elsewhere; and how a picture shows it."""

import itertools
import math

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.draw import Card, Diagram, Picture, draw
from tinygrad_edu.draw.heat import Costs, costs, heated
from tinygrad_edu.draw.reading import read
from tinygrad_edu.errors import DiagramError, MutationError
from tinygrad_edu.models import DeepConvNet, SimpleConvNet
from tinygrad_edu.nn import (
    GRU,
    LSTM,
    RNN,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    GRUCell,
    Linear,
    LSTMCell,
    MultiheadAttention,
    RNNCell,
    Sequential,
    Sigmoid,
    TransformerEncoderLayer,
)

PRODUCTS = (
    "convolution", "gru_cell", "gru_scan", "linear", "lstm_step", "lstm_scan", "matmul", "rnn_cell",
    "rnn_scan", "scaled_dot_product_attention",
)  # fmt: skip


def by_name(reading, kind):
    """Return the costs of operations by the name of their row, those of one name added up."""
    found = {}
    for node, value in costs(reading, kind).values.items():
        if node.op is not None:
            found[node.op.name] = found.get(node.op.name, 0) + value
    return found


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes one second further whenever somebody looks at it."""
    monkeypatch.setattr("tinygrad_edu.draw.heat.perf_counter", itertools.count().__next__)


# -------------------------------------------------------------------------------------- arithmetic


@pytest.mark.acceptance("S12")
@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (Linear(5, 7), (3, 5)),
        (SimpleConvNet(), (2, 1, 28, 28)),
        (DeepConvNet(), (1, 1, 28, 28)),
        (Conv2d(4, 6, 3, groups=2, stride=2, padding=1), (2, 4, 9, 9)),
        (Conv1d(4, 6, 3), (2, 4, 9)),
        (ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 5, 5)),
        (LSTM(5, 7), (4, 3, 5)),
        (GRU(5, 7), (4, 3, 5)),
        (RNN(5, 7), (4, 3, 5)),
        (LSTMCell(5, 7), (3, 5)),
        (GRUCell(5, 7), (3, 5)),
        (RNNCell(5, 7), (3, 5)),
        (MultiheadAttention(8, 2), (3, 4, 8)),
        (TransformerEncoderLayer(8, 2), (2, 4, 8)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_products_are_those_of_the_summary_of_a_net(net, shape):
    total = net.summary(*shape).split("\ntotal")[1].split()[0]
    result = net.eval()(np.zeros(shape, np.float32))
    reading = read("test", result[0] if isinstance(result, tuple) else result)
    found = by_name(reading, "flops")
    assert sum(found.get(name, 0) for name in PRODUCTS) == 2 * int(total.replace(",", ""))


def test_elements_count_once_and_moves_not_at_all():
    x = Tensor(np.ones((4, 6)), requires_grad=True)
    y = np.sin(x).reshape(6, 4).T.sum()
    assert by_name(read("test", y), "flops") == {
        "sin": 24, "reshape": 0, "transpose": 0, "sum": 24,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("function", "products"),
    [
        (lambda a, b: np.matmul(a, b), 2 * 3 * 4 * 5),
        (lambda a, b: np.einsum("bij,bjk->bik", a, b), 2 * 3 * 4 * 5),
        (lambda a, b: np.einsum("...ij,...jk->...ik", a, b), 2 * 3 * 4 * 5),
        (lambda a, b: np.tensordot(a[0], b[0], axes=1), 3 * 4 * 5),
        (lambda a, b: a[0, 0] @ b[0], 4 * 5),
        (lambda a, b: a[0, 0] @ b[0, :, 0], 4),
    ],
)
def test_products_of_matrices(function, products):
    a, b = (Tensor(np.ones(shape), requires_grad=True) for shape in ((2, 3, 4), (2, 4, 5)))
    found = by_name(read("test", function(a, b)), "flops")
    assert sum(found.get(name, 0) for name in ("matmul", "einsum", "tensordot")) == 2 * products


# ------------------------------------------------------------------------------------------ memory


def test_memory_is_what_the_graph_keeps():
    x = Tensor(np.ones((100, 10)), requires_grad=True)
    y = np.exp(x)  # keeps its result, 8,000 bytes
    z = (y * y).sum()  # both factors are that result; the sum reads nothing
    found = by_name(read("test", z), "memory")
    assert found == {"exp": 8000, "multiply": 0, "sum": 8}


def test_a_leaf_is_not_counted_and_a_view_counts_as_its_base():
    w = Tensor(np.ones((10, 10)), requires_grad=True)
    base = np.ones((50, 10))
    y = (base[:20] @ w).sum() + (base[20:] @ w.T).sum()
    found = by_name(read("test", y), "memory")
    assert found["matmul"] == base.nbytes
    assert costs(read("test", y), "memory").total == base.nbytes + 8 + 8 + 8


def test_what_fused_rows_save_is_counted():
    net = Sequential(Linear(20, 30), Sigmoid(), Linear(30, 5))
    x = np.ones((10, 20), np.float32)
    total = costs(read("test", net(x)), "memory").total
    assert total >= x.nbytes + 10 * 30 * 4  # the input, and the result of the sigmoid


# -------------------------------------------------------------------------------------------- time


@pytest.mark.usefixtures("clock")
def test_time_is_forward_and_backward_of_each_node():
    w = Tensor(np.ones(5), requires_grad=True)
    loss = (w * w).sum()
    found = costs(read("test", loss), "time")
    assert by_name(read("test", loss), "time") == {"multiply": 2.0, "sum": 2.0}
    leaf = next(node for node in found.values if node.op is None)
    assert (found.values[leaf], found.total) == (0.0, 4.0)


def test_runs_that_are_disturbed_do_not_count(monkeypatch):
    """In the first six runs the first row is late: caches are cold, others want the processor."""
    now = itertools.accumulate(
        0.0001 + (0.002 if look < 54 and look % 9 in (1, 2) else 0.0) for look in itertools.count()
    )
    monkeypatch.setattr("tinygrad_edu.draw.heat.perf_counter", now.__next__)
    w = Tensor(np.ones(5), requires_grad=True)
    found = by_name(read("test", (w * w).sum()), "time")
    assert found == {"multiply": pytest.approx(0.0002), "sum": pytest.approx(0.0002)}


def test_of_two_heats_the_picture_says_which_one_the_fill_shows():
    w = Tensor(np.ones((5, 5)), requires_grad=True)
    loss = (w @ w).sum()
    both = draw(loss, heat=("memory", "time"), level="op")
    assert "The fill shows memory" in both.note
    assert "fill" not in draw(loss, heat="memory", level="op").note


def test_time_is_measured_where_arrays_were_not_kept():
    rng = np.random.default_rng(0)
    w = Tensor(rng.standard_normal((20, 20)), requires_grad=True)
    spd = w @ w.T + 30 * np.eye(20)  # the identity is not kept: numbers of its shape stand for it
    loss = np.log(np.linalg.cholesky(spd).diagonal()).sum() + np.sqrt(np.exp(w)).sum()
    found = costs(read("test", loss), "time")
    measured = {node.op.name: value for node, value in found.values.items() if node.op is not None}
    assert set(measured) >= {"matmul", "cholesky", "log", "sqrt", "exp"}
    assert all(value is None or value > 0 for value in measured.values())
    assert all(measured[name] for name in ("matmul", "add", "log", "sqrt", "exp"))
    assert math.isfinite(found.total)
    assert w.grad is None


def test_nothing_is_changed_by_measuring():
    net = SimpleConvNet()
    loss = net(np.ones((2, 1, 28, 28), np.float32)).sum()
    before = [parameter.numpy().copy() for parameter in net.parameters()]
    reading = read("test", loss)
    for kind in ("time", "memory", "flops", "grad"):
        costs(reading, kind)
    assert all(parameter.grad is None for parameter in net.parameters())
    for old, parameter in zip(before, net.parameters(), strict=True):
        np.testing.assert_array_equal(old, parameter.numpy())
    loss.backward()


def test_a_changed_parameter_is_refused():
    w = Tensor(np.ones(50), requires_grad=True)
    reading = read("test", (w * w).sum())
    w.data = np.full(50, 2.0)
    with pytest.raises(MutationError):
        costs(reading, "time")
    assert costs(reading, "flops").total == 100


# -------------------------------------------------------------------------------- gradients, texts


def test_norms_of_gradients():
    w = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    frozen = Tensor(np.ones(2), requires_grad=True)
    loss = (w * w).sum() + 0 * np.floor(frozen).sum()
    reading = read("test", loss)
    found = costs(reading, "grad")
    values = {reading.names[node]: value for node, value in found.values.items()}
    assert values["w"] == pytest.approx(10.0)
    assert found.of(reading.nodes[:0]) is None
    both = [node for node in reading.nodes if reading.names[node] in ("w", "loss")]
    assert found.of(both) == pytest.approx(math.hypot(10.0, 1.0))


def test_an_unknown_kind_is_refused():
    w = Tensor(1.0, requires_grad=True)
    with pytest.raises(DiagramError, match="heat is one of time, memory, flops, grad, got 'heat'"):
        costs(read("test", w * w), "heat")


@pytest.mark.parametrize(
    ("kind", "amount", "text"),
    [
        ("time", 0.0123, "12 ms"), ("time", 2.5, "2.5 s"), ("time", 4e-7, "400 ns"),
        ("time", 0.0, "0 ns"), ("memory", 3_400_000, "3.4 MB"), ("memory", 999, "999 B"),
        ("memory", 0, "0 B"), ("flops", 12.8e6, "13 MFLOP"), ("flops", 7.8e12, "7800 GFLOP"),
        ("grad", 0.123456, "0.123"), ("grad", None, "–"), ("grad", math.inf, "inf"),
    ],
)  # fmt: skip
def test_amounts_in_words(kind, amount, text):
    assert Costs(kind, {}).text(amount) == text


# ---------------------------------------------------------------------------------------- pictures


def test_a_picture_of_costs():
    nodes = [Tensor(1.0, requires_grad=True).sum().node for _ in range(4)]
    leaf = Tensor(1.0, requires_grad=True).node
    picture = Picture(
        (
            Card("a", "op", "a"),
            Card("b", "op", "b", members=("b", "c")),
            Card("w", "parameter", "w"),
            Card("rest", "constant", "1"),
        )
    )
    time = Costs("time", dict(zip(nodes, (0.1, 0.3, 0.4, 0.2), strict=True)))
    memory = Costs("memory", dict(zip(nodes, (50, None, None, 50), strict=True)))
    behind = {"a": nodes[:1], "b": nodes[1:2], "c": nodes[2:3], "w": [leaf]}
    a, b, w, rest = heated(picture, behind, time, memory).cards
    assert (a.heat, b.heat, w.heat, rest.heat) == (0, 4, None, None)
    assert [bar.caption.text for bar in a.bars] == ["time 10 %", "mem 50 %"]
    assert [bar.caption.text for bar in b.bars] == ["time 70 %", "mem –"]  # never 0
    assert [bar.share for bar in b.bars] == [1.0, 0.0]
    assert [bar.role for bar in a.bars] == ["gradient", "value"]
    assert "time 10 %: 100 ms of 1 s" in a.tooltip
    assert (w, rest) == picture.cards[2:]


def test_a_small_share_is_not_called_none():
    nodes = [Tensor(1.0, requires_grad=True).sum().node for _ in range(2)]
    found = Costs("memory", dict(zip(nodes, (1, 10_000), strict=True)))
    assert found.caption(1) == "mem <1 %"
    assert found.caption(0) == "mem 0 %"


@pytest.mark.parametrize("engine", ["dot", "own"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_heat_is_drawn_with_words(engine, theme):
    net = Sequential(Linear(8, 4), Sigmoid(), Linear(4, 2))
    loss = net(np.ones((3, 8), np.float32)).sum()
    for level in ("op", "module"):
        diagram = draw(loss, level=level, heat=("flops", "memory"), theme=theme, engine=engine)
        assert isinstance(diagram, Diagram)
        assert "flops" in diagram.svg
        assert "mem " in diagram.text
        shares = [bar.share for card in diagram.picture.cards for bar in card.bars[:1] if card.bars]
        assert max(shares) == 1.0
