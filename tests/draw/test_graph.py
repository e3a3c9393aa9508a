"""What draw() reads from a graph."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.core.op import OPS
from tinygrad_edu.draw import draw, drawing
from tinygrad_edu.draw.reading import read
from tinygrad_edu.errors import (
    DiagramError,
    DiagramWarning,
    FreedGraphError,
    LayerError,
)
from tinygrad_edu.nn import CrossEntropyLoss, Linear, LSTMCell, Module, ReLU, Sequential, Sigmoid
from tinygrad_edu.testing.samples import differentiable, plans, rows, sample


def cards(diagram, role):
    return [card for card in diagram.picture.cards if card.role == role]


def card(diagram, title):
    (found,) = [card for card in diagram.picture.cards if card.title == title]
    return found


def texts(card):
    return [line.text for line in card.body]


def leaf(value, name=""):
    return tg.Tensor(value, requires_grad=True, name=name)


@pytest.fixture
def loss():
    model = Sequential(Linear(4, 3, activation="sigmoid", rng=0), Linear(3, 2, rng=0))
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    labels = np.array([0, 1, 1, 0, 1])
    yield CrossEntropyLoss()(model(tg.Tensor(x)), labels)
    del model  # it lives as long as the test


# ---- op level


def test_ops_leaves_inputs_labels_and_the_output_are_cards(loss):
    diagram = draw(loss)
    assert [c.title for c in cards(diagram, "op")] == ["linear", "linear", "softmax_cross_entropy"]
    assert sorted(c.title for c in cards(diagram, "parameter")) == ["bias", "bias"] + ["weight"] * 2
    assert len(cards(diagram, "input")) == 1
    (labels,) = cards(diagram, "constant")
    assert (labels.title, labels.corner) == ("labels", "labels, no grad")
    assert f"{loss.item():.6g}" in texts(cards(diagram, "output")[0])


def test_clusters_are_the_calls_of_modules(loss):
    picture = draw(loss).picture
    told = [(c.title, c.kind, c.detail, c.parent) for c in picture.clusters]
    assert told == [
        ("0", "Linear(4, 3, activation='sigmoid')", "15 parameters", None),
        ("1", "Linear(3, 2)", "8 parameters", None),
        ("CrossEntropyLoss", "", "", None),
    ]
    names = {cluster.id: cluster.title for cluster in picture.clusters}
    where = {c.tooltip.split(":")[0]: names.get(c.cluster) for c in picture.cards}
    assert where["0.weight"] == "0"
    assert where["1.bias"] == "1"
    assert where["softmax_cross_entropy"] == where["labels"] == "CrossEntropyLoss"
    assert where["x"] is None  # what was passed in stands outside


def test_clusters_are_nested_and_repeated_calls_are_numbered():
    class Twice(Module):
        def __init__(self):
            self.inner = Sequential(Linear(3, 3, rng=0), ReLU())

        def forward(self, x):
            return self.inner(self.inner(x))

    picture = draw(Twice(), 2, 3).picture
    parents = {c.id: c for c in picture.clusters}
    found = [(c.title, c.detail, c.parent and parents[c.parent].title) for c in picture.clusters]
    assert ("inner", "12 parameters, call 1", None) in found
    assert ("inner", "12 parameters, call 2", None) in found
    assert ("inner.0", "12 parameters, call 2", "inner") in found
    one = draw(Twice(), 2, 3, depth=1).picture
    assert {c.parent for c in one.clusters} == {None}


def test_several_nets_are_clusters_themselves():
    first, second = Sequential(Linear(3, 3, rng=0)), Sequential(Linear(3, 3, rng=1))
    picture = draw(first(np.ones((2, 3), np.float32)) + second(np.ones((2, 3), np.float32))).picture
    assert sum(c.title == "Sequential" for c in picture.clusters) == 2


def test_formulas_have_the_names_of_variables():
    x = np.ones((2, 3))
    w1 = leaf(np.ones((3, 4)))
    b1 = leaf(np.ones(4))
    z1 = x @ w1
    a1 = z1 + b1
    y = np.sum(np.tanh(a1) ** 2)
    diagram = draw(y)
    assert texts(card(diagram, "matmul")) == ["z1 = x @ w1"]
    assert texts(card(diagram, "add")) == ["a1 = z1 + b1"]
    assert texts(card(diagram, "tanh")) == ["tanh1 = tanh(a1)"]
    assert texts(card(diagram, "power")) == ["power1 = tanh1 ** 2"]
    assert card(diagram, "x").role == "input"
    assert card(diagram, "y").role == "output"


def test_a_number_with_a_point_is_written_whole():
    x = leaf([1.0, 2.0], "x")
    (scaled,) = cards(draw(x * 0.5, grad=True), "op")
    assert texts(scaled) == ["multiply1 = x · 0.5", "×0.5"]


def test_parameters_of_a_call_that_are_no_defaults_are_shown():
    x = leaf(np.ones((2, 3)))
    assert texts(card(draw(np.sum(x, axis=1)), "sum"))[1:] == ["axis=1"]
    assert texts(card(draw(np.sum(x)), "sum"))[1:] == []
    assert texts(card(draw(x[0, 1:]), "getitem")) == ["getitem1 = x[0, 1:]"]
    leaky = draw(OPS["leaky_relu"](x, negative_slope=0.5))
    assert "else 0.5 · " in texts(card(leaky, "leaky_relu"))[0]


def test_an_activation_that_is_none_is_not_written():
    diagram = draw(Linear(3, 2, rng=0), 4, 3)
    assert texts(card(diagram, "linear")) == ["linear1 = x @ weight + bias"]


def test_edges_tell_shapes_broadcasting_and_a_change_of_dtype():
    a = leaf(np.ones((4, 3), np.float32))
    b = leaf(np.ones(3, np.float32))
    y = (a * 2 + b).astype(np.float64) * 1.5
    edges = draw(y).picture.edges
    found = [line.text for edge in edges for line in edge.lines]
    assert found == ["4 × 3", "(3) → 4 × 3", "4 × 3", "4 × 3 float64"]
    assert not [line for edge in draw(y, show=()).picture.edges for line in edge.lines]
    assert draw(y, show=("line",)).text.count("test_graph.py") > 3


def test_frozen_parameters_are_shown_as_such():
    net = Sequential(Linear(4, 3, rng=0), ReLU(), Linear(3, 2, rng=0))
    net[0].requires_grad_(False)
    diagram = draw(net, np.ones((5, 4), np.float32), grad=True)
    frozen = [c.tooltip.split(":")[0] for c in diagram.picture.cards if c.frozen]
    assert sorted(frozen) == ["0.bias", "0.weight"]
    assert card(diagram, "x").role == "input"
    assert "15 parameters, frozen" in [c.detail for c in diagram.picture.clusters]
    styles = {(e.tail, e.head): e.style for e in diagram.picture.edges}
    first, second = (c.id for c in cards(diagram, "op"))
    assert styles[first, second] == "absent"  # training computes none there, either
    module = draw(net, np.ones((5, 4), np.float32), level="module")
    assert [c.frozen for c in cards(module, "module")] == [True, False]


def test_a_frozen_parameter_of_which_only_the_shape_is_kept_is_found_by_that():
    class Shift(Module):
        def __init__(self):
            self.shift = tg.Parameter(np.ones((4, 5)))

        def forward(self, x):
            return x + self.shift

    shift = Shift()
    shift.requires_grad_(False)
    x = leaf(np.ones((4, 5)))
    assert card(draw(shift(x) * 1.0), "shift").frozen


def test_nothing_is_named_by_a_guess():
    class Scaled(Module):
        def __init__(self):
            self.w = tg.Parameter(np.ones(3))

        def forward(self, x, scale):
            return self.w * (x + scale)

    net, other, t = Scaled(), np.ones(3), np.ones(3)
    found = [c.title for c in draw(net(other, t)).picture.cards]
    assert "constant" in found
    assert not {"other", "t"} & set(found)


# ---- gradients


def test_gradients_are_drawn_once_backward_has_been_called(loss):
    assert not any(edge.backward for edge in draw(loss).picture.edges)
    loss.backward(retain_graph=True)
    edges = draw(loss).picture.edges
    assert sum(edge.backward for edge in edges) == 7
    assert sum(edge.style == "absent" for edge in edges) == 2  # the input and the labels


def test_drawing_gradients_changes_no_grad():
    w = leaf([1.0, 2.0])
    diagram = draw(np.sum(w * w), grad=True)
    assert w.grad is None
    assert "Σ of 2 gradients [2, 4]" in texts(cards(diagram, "parameter")[0])


def test_where_gradients_add_up_each_edge_has_its_own():
    w = leaf([3.0, 4.0])
    y = np.sum(w * 2.0 + w * 0.5)
    diagram = draw(y, grad=True)
    parts = [texts_of(e) for e in diagram.picture.edges if e.tail == card(diagram, "w").id]
    assert parts == [["← 2.83"], ["← 0.707"]]
    assert "Σ of 2 gradients [2.5, 2.5]" in texts(card(diagram, "w"))
    v = np.tanh(w)
    assert any("Σ of 2" in text for text in texts(card(draw((v + v).sum(), grad=True), "tanh")))


def texts_of(edge):
    return [line.text for line in edge.lines]


def test_local_derivatives_are_orange_and_say_whose_they_are():
    x, w = leaf(np.ones((2, 3))), leaf(np.ones((3, 4)))
    z = x @ w
    diagram = draw(z.sum(), grad=True)
    lines = [line for line in card(diagram, "matmul").lines if line.style == "orange"]
    assert [line.text.split(":")[0] for line in lines] == ["x", "w"]
    assert not [line for line in card(draw(z.sum()), "matmul").lines if line.style == "orange"]


def test_a_gradient_of_zero_looks_different_from_one_that_was_not_computed():
    w = leaf(np.array([1.5, 2.5]))
    y = np.floor(w) * 2.0
    styles = [edge.style for edge in draw(y, grad=True).picture.edges]
    assert styles == ["gradient", "gradient", "absent", "gradient"]  # the third is the constant 2
    assert all(edge.style != "gradient" for edge in draw(y).picture.edges)
    v = leaf(np.array([1.5, 2.5]))
    unreached = v + np.argmax(v) * tg.Tensor(1.0)
    assert draw([unreached, w * 1.0], grad=True).picture


def test_a_vanishing_gradient_is_dotted_and_an_exploding_one_alarms():
    for value in (1.0, np.ones(3)):
        x = leaf(value)
        strengths = {e.strength for e in draw((x * 1e-9) * 1.0, grad=True).picture.edges}
        assert "vanishing" in strengths
        strengths = {e.strength for e in draw((x * 1e9) * 1.0, grad=True).picture.edges}
        assert "exploding" in strengths


def test_pens_are_as_wide_as_gradients_are_large():
    x = leaf(np.ones(3))
    wide, thin, seed = (
        e.width for e in draw((x * 1.0) * 0.1, grad=True).picture.edges if e.backward
    )
    assert wide < seed
    assert thin == pytest.approx(seed - 0.8, abs=1.0)


def test_results_that_are_no_numbers_are_seeded_with_ones():
    net = Linear(3, 2, rng=0)
    diagram = draw(net, np.ones((4, 3), np.float32), grad=True)
    assert "output, seeds 1" in [c.corner for c in cards(diagram, "output")]
    assert "gradient [4, 4]" in texts(card(diagram, "bias"))
    assert net.weight.grad is None


def test_nan_and_inf_are_counted_and_where_they_begin_is_said():
    w = leaf([1.0, np.nan, np.inf], "w")
    assert cards(draw(w * 2.0), "parameter")[0].nonfinite == 2
    v = leaf([0.0, 1.0, 2.0])
    with np.errstate(all="ignore"):
        u = np.log(v)
        y = (u * v).sum()
    diagram = draw(y, grad=True)
    assert "inf begins here" in texts(card(diagram, "log"))
    assert card(diagram, "log").nonfinite == 1
    assert "the gradient's inf begins here" in texts(card(diagram, "multiply"))
    assert not any("begins" in text for text in texts(card(diagram, "sum")))
    module = draw(y, level="module", grad=False)
    assert sum("inf begins here" in texts(c) for c in cards(module, "module")) == 1


# ---- scalar level


def test_numbers_are_drawn_with_values_gradients_and_slopes():
    a = leaf(2.0)
    b = leaf(-3.0)
    c = a * b
    d = c + a
    d.backward(retain_graph=True)
    diagram = draw(d)
    assert [c.title for c in cards(diagram, "op")] == ["×", "+"]
    assert texts(card(diagram, "×")) == ["×b = −3", "×a = 2"]
    assert texts(card(diagram, "+")) == ["×1"]
    assert texts(card(diagram, "a")) == ["Σ −2"]
    assert [texts_of(e) for e in diagram.picture.edges] == [
        ["2", "−3"],
        ["−3", "+2"],
        ["−6", "+1"],
        ["2", "+1"],
        ["−4", "+1"],
    ]
    assert "gradient of d" in diagram.picture.note
    assert all(len(e.lines) == 1 for e in draw(d, grad=False).picture.edges)


def test_the_local_derivative_is_known_where_no_gradient_arrives():
    x = leaf(3.0)
    y = np.square(x) * 0.0
    assert "×2 x = 6" in texts(card(draw(y, grad=True), "x²"))[0].replace("(", "").replace(")", "")


def test_numbers_that_are_constants_are_shown():
    x = leaf(1.0)
    assert [c.title for c in cards(draw(x * 3.0), "constant")] == ["3"]
    x1 = tg.Tensor(-2.0)
    diagram = draw(x * x1)
    assert card(diagram, "x1").role == "input"


def test_the_scalar_level_is_for_single_numbers():
    x = leaf([1.0, 2.0])
    with pytest.raises(DiagramError, match="single numbers"):
        draw(x * 2.0, level="scalar")
    y = leaf(1.0)
    for _ in range(70):
        y = y * 1.5
    assert drawing(read("draw", y)).level == "op"
    assert drawing(read("draw", y), level="scalar").level == "scalar"


# ---- module level and limits


def test_each_call_of_a_module_is_a_card():
    net = Sequential(Linear(4, 3, rng=0), Sigmoid(), nn.LayerNorm(3), Linear(3, 2, rng=0))
    diagram = draw(net, 5, 4, level="module", grad=True)
    found = [(c.title, c.corner) for c in cards(diagram, "module")]
    assert found == [("Linear(4, 3)", "0"), ("LayerNorm(3)", "2"), ("Linear(3, 2)", "3")]
    assert "15 parameters" in texts(cards(diagram, "module")[0])
    assert any(text.startswith("‖gradient‖") for text in texts(cards(diagram, "module")[0]))
    assert not cards(diagram, "parameter")
    assert [texts_of(e)[:1] for e in diagram.picture.edges][1:3] == [["5 × 3"], ["5 × 3"]]


def test_depth_closes_modules():
    class Net(Module):
        def __init__(self):
            self.body = Sequential(Linear(3, 3, rng=0), nn.LayerNorm(3), Linear(3, 3, rng=0))
            self.head = Linear(3, 1, rng=0)

        def forward(self, x):
            return self.head(self.body(x))

    one = draw(Net(), 2, 3, level="module", depth=1)
    assert [c.corner for c in cards(one, "module")] == ["body", "head"]
    assert len(cards(draw(Net(), 2, 3, level="module"), "module")) == 4
    few = draw(Net(), 2, 3, limit=2, fold=False)
    assert [c.corner for c in cards(few, "module")] == ["body", "head"]
    assert "4 operations are too many for limit=2" in few.picture.note
    assert few.picture.note in few.text


def test_a_loop_without_modules_is_one_card_for_its_lines():
    w, h = leaf(np.eye(3)), leaf(np.ones((1, 3)))
    for _ in range(500):
        z = h @ w
        h = np.tanh(z)
    loss = h.sum()
    diagram = draw(loss, limit=200)
    loop, last = cards(diagram, "module")
    assert loop.corner == "× 500"
    assert texts(loop) == ["z = h @ w", "h = np.tanh(z)", "500 × matmul, 500 × tanh"]
    assert texts(last)[0] == "loss = h.sum()"
    assert [e.recurrent for e in diagram.picture.edges if e.tail == e.head] == [True]
    assert {c.title for c in cards(diagram, "parameter")} == {"w", "h"}
    assert "1,001 operations" in diagram.picture.note
    assert len(draw(loss, limit=300).picture.cards) < 12  # folded, operation by operation


def test_inputs_of_a_loop_are_one_card():
    x, w = np.ones((300, 2)), leaf(np.eye(2))
    h = np.zeros(2)
    for t in range(300):
        h = np.tanh(x[t] @ w + h)
    found = [c.title for c in cards(draw(h.sum(), limit=50), "input")]
    assert "x[t] × 300" in found


def test_a_cell_that_is_called_often_is_one_card():
    cell = LSTMCell(2, 3, rng=0, dtype=np.float64)
    h = c = np.zeros((1, 3))
    for _ in range(12):
        h, c = cell(np.ones((1, 2)), (h, c))
    diagram = draw(h.sum(), limit=5, fold=False)
    assert "× 12 calls" in texts(card(diagram, "LSTMCell(2, 3)"))
    whole = draw(h.sum(), level="module", fold=False)
    assert sum(c.title == "LSTMCell(2, 3)" for c in cards(whole, "module")) == 12


@pytest.mark.acceptance("F7")
def test_a_hundred_thousand_nodes_are_answered_with_a_folded_picture():
    y = leaf(1.0)
    for _ in range(100_000):
        y = y + 1.0
    diagram = draw(y)
    assert [c.corner for c in cards(diagram, "module")] == ["× 100,000"]
    assert "100,000 operations are too many for limit=400" in diagram.text


def test_of_too_many_ops_the_latest_are_drawn():
    x = y = leaf(1.0)
    for _ in range(2_000):
        y = y + 1.0
    y.backward(retain_graph=True)
    assert x.grad == 1
    latest = draw(y, level="op", limit=50, fold=False)
    assert len(cards(latest, "op")) == 50
    assert [c.title for c in cards(latest, "module")] == ["1,950 earlier ops"]
    assert latest.picture.rankdir == "TB"


def test_five_thousand_nodes_are_drawn_whole_if_that_is_asked_for():
    y = leaf(1.0)
    for _ in range(5_000):
        y = y * 1.0
    assert len(cards(draw(y, level="op", limit=5_000, fold=False), "op")) == 5_000


def test_a_wide_graph_counts_its_leaves():
    parts = [leaf(np.ones(2)) for _ in range(3_000)]
    y = parts[0]
    for part in parts[1:]:
        y = y + part
    diagram = draw(y)
    assert len(diagram.picture.cards) < 10
    assert any(
        "leaves of 6,000 numbers" in text for c in diagram.picture.cards for text in texts(c)
    )


def test_a_long_program_without_a_loop_is_cut_into_stretches(tmp_path):
    lines = ["def f(y):"] + [f"    y = y * {k}.5 - {k}" for k in range(300)] + ["    return y"]
    path = tmp_path / "program.py"
    path.write_text("\n".join(lines))
    names = {}
    exec(compile(path.read_text(), path, "exec"), names)
    with np.errstate(all="ignore"):
        y = names["f"](leaf(np.ones(2)))
    assert (
        "each line" in draw(y, limit=300, fold=False, level="module").picture.note
        or len(cards(draw(y, limit=300, fold=False, level="module"), "module")) == 300
    )
    few = draw(y, limit=20, fold=False)
    assert 1 < len(cards(few, "module")) <= 20
    assert "every 30 operations" in few.picture.note


def test_folding_can_be_switched_off_and_heat_is_never_folded_by_itself():
    net = Sequential(*[layer for _ in range(9) for layer in (Linear(3, 3, rng=0), nn.LayerNorm(3))])
    assert any(c.count > 1 for c in draw(net, 2, 3).picture.clusters)
    assert all(c.count == 1 for c in draw(net, 2, 3, fold=False).picture.clusters)
    hot = draw(net, 2, 3, level="module", heat=("memory", "flops"))
    found = cards(hot, "module")
    assert len(found) == 18
    assert all(len(c.bars) == 2 for c in found)
    assert any(c.members for c in draw(net, 2, 3, heat="flops", fold=True).picture.cards)


# ---- what may be drawn


def test_a_list_of_outputs_is_drawn_as_one_graph():
    x = leaf([1.0, 2.0])
    y = x * 2.0
    z = y + 1.0
    diagram = draw([y, z])
    assert [c.title for c in cards(diagram, "output")] == ["y", "z"]
    assert len(cards(diagram, "op")) == 2
    assert [c.title for c in cards(draw((x, y)), "output")] == ["x", "y"]


def test_a_module_is_drawn_with_an_example_and_stays_as_it_was():
    net = Sequential(Linear(3, 2, rng=0), nn.BatchNorm1d(2), nn.Dropout(0.5))
    before = {name: array.copy() for name, array in net.state_dict().items()}
    diagram = draw(net, 4, 3)
    assert net.training
    assert all((array == before[name]).all() for name, array in net.state_dict().items())
    assert len(cards(diagram, "input")) == 1
    x = np.ones((4, 3), np.float32)
    assert draw(net, x).text == net.draw(x).text
    with pytest.raises(LayerError, match="no example"):
        draw(net)
    with pytest.raises(DiagramError, match="an example is for a module"):
        draw(tg.Tensor(1.0), 3)


def test_a_module_without_parameters_is_drawn_through_its_input():
    diagram = draw(ReLU(), 2, 3)
    assert [c.title for c in cards(diagram, "op")] == ["relu"]
    assert [c.title for c in cards(diagram, "input")] == ["x"]

    class Chosen(Module):
        def forward(self, x):
            return np.asarray(x) > 0

    with pytest.raises(LayerError, match="no result of Chosen has a graph"):
        draw(Chosen(), 2)


def test_a_residual_connection_starts_at_the_input():
    class Residual(Module):
        def __init__(self):
            self.inside = Linear(30, 30, rng=0)

        def forward(self, x):
            return x + self.inside(x)

    diagram = draw(Residual(), 2, 30)
    (x,) = cards(diagram, "input")
    assert sum(e.tail == x.id for e in diagram.picture.edges) == 2


def test_a_second_derivative_draws_the_first_pass_back():
    x = leaf(np.array([1.0, 2.0]))
    loss = np.tanh(x).sum()
    (slope,) = tg.gradients(loss, [x], create_graph=True)
    penalty = (slope * slope).sum()
    found = {c.title: c.pale for c in cards(draw(penalty), "op")}
    assert found["tanh"]
    assert not found["sum"]
    assert not found["subtract"]
    assert not any(c.pale for c in draw(loss).picture.cards)


def test_a_freed_graph_says_how_to_keep_it(loss):
    loss.backward()
    with pytest.raises(FreedGraphError, match="retain_graph=True"):
        draw(loss)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 0}, "limit=0"),
        ({"depth": 0}, "depth=0"),
        ({"level": "graph"}, "level='graph'"),
        ({"grad": "yes"}, "grad='yes'"),
        ({"fold": 3}, "fold=3"),
        ({"show": ("shape", "size")}, "'size' is none of"),
        ({"show": "shape"}, "sequence"),
        ({"heat": "colour"}, "'colour' is none of time, memory, flops, grad"),
        ({"theme": "pink"}, "theme"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(DiagramError, match=said):
        draw(leaf([1.0, 2.0]) * 2.0, **options)


def test_what_is_no_tensor_is_refused():
    for wrong in (1.0, [], [1.0], "loss", None):
        with pytest.raises(DiagramError, match=r"draw: expected a Tensor, a list of them"):
            draw(wrong)


def test_a_constant_is_a_picture_of_one_card():
    assert [card.role for card in draw(tg.Tensor([1.0, 2.0])).picture.cards] == ["output"]
    assert [card.role for card in draw(tg.Tensor(1.0), grad=True).picture.cards] == ["output"]


def test_a_leaf_alone_is_drawn():
    diagram = draw(leaf([1.0, 2.0], "w"))
    assert [c.title for c in diagram.picture.cards] == ["w", "w"]
    assert draw(leaf(2.0), level="module").picture


@pytest.mark.parametrize("value", [np.zeros((0, 3)), np.zeros(0), np.float32(2), np.ones((1, 1))])
@pytest.mark.parametrize("level", ["auto", "op", "module"])
def test_empty_and_single_arrays_are_drawn(value, level):
    y = np.sum(np.tanh(leaf(value)) * 2.0)
    assert draw(y, grad=True, level=level).source


def test_complex_numbers_are_drawn():
    z = leaf(np.array([1 + 2j, 3j]), "z")
    y = np.sum(np.abs(z * (1 + 1j)) ** 2)
    assert "1 + 2i" in draw(y, grad=True).text
    assert draw(leaf(1 + 1j) * 2.0, grad=True).source


def test_a_complex_gradient_is_that_of_the_user():
    c = leaf(1 + 2j, "c")
    r = np.abs(c * c)
    diagram = draw(r, grad=True)
    r.backward(retain_graph=True)
    assert c.grad == pytest.approx(2 + 4j)
    assert texts(card(diagram, "c")) == ["Σ (2 + 4i)"]
    # The number on an operation is what turns the gradient after it into the one before it.
    assert texts(card(diagram, "×")) == ["×(1 − 2i)"]
    assert [e.lines[1].text for e in diagram.picture.edges] == [
        "(1 + 2i)", "(1 + 2i)", "(−0.6 + 0.8i)", "+1"
    ]  # fmt: skip
    assert "∂/∂x + i ∂/∂y" in diagram.note
    at_ops = draw(r, grad=True, level="op")
    assert "Σ of 2 gradients 2 + 4i" in texts(card(at_ops, "c"))
    assert "∂/∂x" not in draw(leaf(2.0) * 3.0, grad=True).note


def test_complex_factors_are_told_as_gradients_are_multiplied_with_them():
    c = leaf(1 + 2j, "c")
    diagram = draw(np.abs(c * c + np.conj(c)), grad=True)
    assert texts(card(diagram, "+")) == ["×1"]
    assert texts(card(diagram, "conjugate")) == ["conj(g)"]  # no factor does that
    assert "complex factors as it is multiplied with them: conjugated" in diagram.note
    assert "factors" not in draw(np.real(c + c), grad=True).note
    at_ops = draw(np.abs(c * c), grad=True, level="op").note
    assert "complex local derivatives are conjugated" in at_ops


def test_the_gradient_of_several_results_is_that_of_their_sum():
    a = leaf(2.0, "a")
    q1 = a * 3.0
    q2 = a * a
    diagram = draw([q1, q2], grad=True)
    assert "the gradient of q1 + q2 that comes back" in diagram.note
    assert texts(card(diagram, "a")) == ["Σ +7"]
    many = draw([a * float(k) for k in range(6)], grad=True)
    assert "the gradient of the sum of all 6 results" in many.note
    assert "the gradient of q1 that" in draw(q1, grad=True).note


def test_of_what_was_not_recorded_the_picture_says_so():
    diagram = draw(tg.Tensor(3.0) * 2.0)
    assert repr(diagram) == "<Diagram 'computational graph': 1 card, 0 edges>"
    assert diagram.note.startswith("Nothing was recorded")
    assert "requires_grad=True" in diagram.note
    w = leaf(3.0, "w")
    with tg.no_grad():
        silent = w * 2.0
    assert "no_grad()" in draw(silent).note
    assert "Of result 2 nothing was recorded" in draw([w * 2.0, silent]).note
    assert "recorded" not in draw(w * 2.0).note


def test_an_empty_gradient_does_not_vanish():
    x = leaf(np.zeros((0, 3)), "x")
    edges = draw((x * 2.0).sum(), grad=True, level="op").picture.edges
    assert {edge.strength for edge in edges} == {"normal"}
    y = leaf(np.zeros((2, 3)), "y")
    zero = draw((y * y).sum() * 1.0, grad=True, level="op").picture.edges
    assert "vanishing" in {edge.strength for edge in zero}


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_layer_without_activation_has_a_formula_without_one(kind):
    diagram = draw(kind(5, 4, rng=0), 2, 3, 5, level="op")
    assert "linear1 = x @ w_x + bias" in texts(card(diagram, "linear"))
    assert "activation" not in diagram.text


def test_a_variable_goes_by_one_name_on_its_card():
    xi = leaf(np.arange(3.0), "xi")
    assert texts(card(draw(xi * xi, grad=True, level="op"), "multiply"))[-1] == "×xi"
    e = leaf(3.0, "e")
    (power,) = cards(draw(e**2, grad=True, level="op"), "op")
    assert "×(2 · e)" in texts(power)
    (power,) = cards(draw(e**4, grad=True, level="op"), "op")
    assert "×(4 · e³)" in texts(power)
    (power,) = cards(draw(e**2.5, grad=True, level="op"), "op")
    assert "×(2.5 · e**1.5)" in texts(power)


def test_a_loss_is_written_in_the_names_of_its_arguments():
    logits, labels = leaf(np.zeros((2, 3)), "linear2"), np.array([0, 1])
    loss = tg.softmax_cross_entropy(logits, labels)
    said = texts(card(draw(loss, grad=True, level="op"), "softmax_cross_entropy"))
    assert said == [
        "mean(−Σ t log softmax(linear2)), t: labels", "g · (softmax(linear2) − t) / n"
    ]  # fmt: skip
    t = labels
    loss = tg.softmax_cross_entropy(logits, t)
    (said,) = texts(card(draw(loss, level="op"), "softmax_cross_entropy"))
    assert said == "loss = mean(−Σ t log softmax(linear2))"


def test_hostile_names_are_drawn_as_text():
    w = leaf(np.ones(3), '<b>&"\\N{x}\n{|} \x00 %s $\\')
    v = leaf(2.0, "a" * 500)
    for y in (np.sum(w * 2.0), v * v):
        for grad in (False, True):
            diagram = draw(y, grad=grad, engine="own")
            ET.fromstring(diagram.svg)
            assert "\x00" not in diagram.source


@pytest.mark.acceptance("F8")
def test_shared_nodes_are_drawn_once():
    y = leaf(1.0)
    for _ in range(18):
        y = y * y
    diagram = draw(y, fold=False)
    assert len(cards(diagram, "op")) == 18
    assert len(diagram.picture.cards) == 18 + 2
    assert len(diagram.source) < 40_000


def test_shared_weights_are_one_card():
    w = leaf(np.ones((3, 3)))
    x = np.ones((2, 3))
    diagram = draw((np.tanh(x @ w) @ w).sum(), grad=True)
    assert len(cards(diagram, "parameter")) == 1
    assert any(text.startswith("Σ of 2 gradients") for text in texts(card(diagram, "w")))


def test_what_is_behind_a_card_can_be_asked_for():
    x = leaf(np.ones((2, 3)))
    found = drawing(read("draw", np.tanh(x * 2.0).sum()))
    names = {c.id: c.title for c in found.picture.cards}
    behind = {names[id]: [n.op and n.op.name for n in nodes] for id, nodes in found.nodes.items()}
    assert behind == {"x": [None], "multiply": ["multiply"], "tanh": ["tanh"], "sum": ["sum"]}


@pytest.mark.parametrize(
    "row", [row for row in rows() if differentiable(row)], ids=lambda r: r.name
)
def test_every_row_can_be_drawn(row):
    plan = plans([row])[0]
    entries = plan.case.arrays if plan.case is not None else [(2, 3)] * len(row.arguments)
    found = sample(row, entries, plan.params, 0)
    tensors = [
        tg.Tensor(array, requires_grad=True) if i in found.moving else array
        for i, array in enumerate(found.arrays)
    ]
    results = row.through(tensors, found.params)
    results = list(results) if isinstance(results, (tuple, list)) else [results]
    outputs = [y for y in results if isinstance(y, tg.Tensor) and y.requires_grad]
    assert outputs
    diagram = draw(outputs, grad=True, level="op", fold=False)
    made = cards(diagram, "op")
    assert made or outputs[0].is_leaf
    if row.kind != "composite" and made:
        assert row.name in [c.title for c in made]
        whole = next(c for c in made if c.title == row.name)
        assert row.doc.split("\n")[0][:20] in whole.tooltip
    assert diagram.source
    assert OPS[row.name] is row


# ---- the same every time


def test_the_same_program_draws_the_same_bytes():
    code = (
        "import numpy as np, tinygrad_edu as tg\n"
        "from tinygrad_edu.draw import draw\n"
        "from tinygrad_edu.nn import *\n"
        "net = Sequential(Linear(3, 4, rng=0), LayerNorm(4), Linear(4, 4, rng=1), Sigmoid())\n"
        "x = tg.Tensor(np.ones((2, 3)), requires_grad=True)\n"
        "for level in ('op', 'module', 'auto'):\n"
        "    d = draw(np.square(net(x)).sum(), grad=True, engine='own', level=level, limit=3)\n"
        "    print(d.source, d.svg, d.text)\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "77")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert b"Linear" in runs[0].stdout or b"linear" in runs[0].stdout


@pytest.mark.acceptance("N14")
def test_without_dot_an_svg_is_made_and_one_sentence_says_what_to_install(
    loss, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("TINYGRAD_EDU_DOT", raising=False)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.warns(DiagramWarning) as said:
        path = draw(loss, grad=True).save(tmp_path / "net.svg")
    assert len(said) == 1
    root = ET.fromstring(path.read_text())
    assert root.tag.endswith("svg")
    assert "softmax_cross_entropy" in "".join(root.itertext())


def test_a_module_card_names_what_it_computes_in_the_same_pass():
    images = np.zeros((2, 1, 12, 12), np.float32)
    layers = nn.Conv2d(1, 3, 3, rng=0), ReLU(), nn.MaxPool2d(2), nn.Flatten()
    fused = draw(Sequential(*layers), images, level="module")
    assert texts(card(fused, "Conv2d(1, 3, 3)")) == ["30 parameters", "with ReLU(), MaxPool2d(2)"]
    layers[1].register_forward_hook(lambda *_: None)  # who is watched is called itself
    apart = draw(Sequential(*layers), images, level="module")
    assert texts(card(apart, "Conv2d(1, 3, 3)")) == ["30 parameters"]
    assert card(apart, "ReLU()")
    assert card(apart, "MaxPool2d(2)")
