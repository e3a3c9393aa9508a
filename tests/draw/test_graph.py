"""What draw() reads from a graph."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.draw import draw
from tinygrad_edu.errors import DiagramError, DiagramWarning, FreedGraphError
from tinygrad_edu.nn import CrossEntropyLoss, Linear, Sequential


def cards(diagram, role):
    return [card for card in diagram.picture.cards if card.role == role]


@pytest.fixture
def loss():
    model = Sequential(Linear(4, 3, activation="sigmoid", rng=0), Linear(3, 2, rng=0))
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    return CrossEntropyLoss()(model(tg.Tensor(x)), np.array([0, 1, 1, 0, 1]))


def test_ops_leaves_inputs_labels_and_the_output_are_cards(loss):
    diagram = draw(loss)
    assert [c.title for c in cards(diagram, "op")] == ["linear", "linear", "softmax_cross_entropy"]
    names = {c.title for c in cards(diagram, "parameter")}
    assert len(names) == 4
    assert all(name.endswith((".weight", ".bias")) for name in names)
    assert len(cards(diagram, "input")) == 1
    assert [c.corner for c in cards(diagram, "constant")] == ["labels, no grad"]
    assert f"{loss.item():.6g}" in [line.text for line in cards(diagram, "output")[0].lines]


def test_parameters_stand_in_the_cluster_of_their_layer(loss):
    picture = draw(loss).picture
    assert [cluster.detail for cluster in picture.clusters] == ["15 parameters", "8 parameters"]
    for card in picture.cards:
        if card.role == "parameter":
            assert card.cluster == card.title.rpartition(".")[0]


def test_gradients_are_drawn_once_backward_has_been_called(loss):
    assert not any(edge.backward for edge in draw(loss).picture.edges)
    loss.backward(retain_graph=True)
    edges = draw(loss).picture.edges
    assert sum(edge.backward for edge in edges) == 7
    assert sum(edge.style == "absent" for edge in edges) == 2  # the input and the labels


def test_drawing_gradients_changes_no_grad():
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    diagram = draw(np.sum(w * w), grad=True)
    assert w.grad is None
    assert "gradient [2., 4.]" in [line.text for line in cards(diagram, "parameter")[0].lines]


def test_a_gradient_of_zero_looks_different_from_one_that_was_not_computed():
    w = tg.Tensor(1.5, requires_grad=True)
    y = np.floor(w) * 2.0
    styles = [edge.style for edge in draw(y, grad=True).picture.edges]
    assert styles == ["gradient", "gradient", "absent", "gradient"]  # the third is the constant 2
    assert all(edge.style != "gradient" for edge in draw(y).picture.edges)


def test_a_freed_graph_says_how_to_keep_it(loss):
    loss.backward()
    with pytest.raises(FreedGraphError, match="retain_graph=True"):
        draw(loss)


def test_what_is_no_tensor_is_refused():
    with pytest.raises(DiagramError, match="expected a Tensor, got a float"):
        draw(1.0)
    with pytest.raises(DiagramError, match="limit=0"):
        draw(tg.Tensor(1.0), limit=0)


def test_a_constant_is_a_picture_of_one_card():
    assert [card.role for card in draw(tg.Tensor([1.0, 2.0])).picture.cards] == ["output"]


def test_nan_and_inf_are_counted_on_the_card():
    w = tg.Tensor([1.0, np.nan, np.inf], requires_grad=True, name="w")
    assert cards(draw(w * 2.0), "parameter")[0].nonfinite == 2


def test_a_leaf_without_a_name_takes_that_of_its_variable():
    slope = tg.Tensor(1.0, requires_grad=True)
    assert [c.title for c in cards(draw(slope * 2.0), "parameter")] == ["slope"]


def test_numbers_that_are_constants_are_shown():
    x = tg.Tensor(1.0, requires_grad=True)
    assert [c.title for c in cards(draw(x * 3.0), "constant")] == ["3"]


def test_a_vanishing_gradient_is_dotted_and_an_exploding_one_alarms():
    x = tg.Tensor(1.0, requires_grad=True)
    strengths = {e.strength for e in draw((x * 1e-9) * 1.0, grad=True).picture.edges}
    assert "vanishing" in strengths
    strengths = {e.strength for e in draw((x * 1e9) * 1.0, grad=True).picture.edges}
    assert "exploding" in strengths


@pytest.mark.acceptance("F7")
def test_of_twenty_thousand_ops_the_latest_are_drawn():
    x = y = tg.Tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        y = y + 1.0
    y.backward(retain_graph=True)
    assert x.grad == 1
    diagram = draw(y, limit=50)
    assert len(cards(diagram, "op")) == 50
    assert [c.title for c in cards(diagram, "module")] == ["19,950 earlier ops"]
    assert diagram.picture.rankdir == "TB"


@pytest.mark.acceptance("F8")
def test_shared_nodes_are_drawn_once():
    y = tg.Tensor(1.0, requires_grad=True)
    for _ in range(18):
        y = y * y
    diagram = draw(y)
    assert len(cards(diagram, "op")) == 18
    assert len(diagram.picture.cards) == 18 + 2
    assert len(diagram.source) < 40_000


def test_the_same_program_draws_the_same_bytes():
    code = (
        "import numpy as np, tinygrad_edu as tg\n"
        "from tinygrad_edu.draw import draw\n"
        "x = tg.Tensor([[1.0, 2.0]], requires_grad=True)\n"
        "w = tg.Tensor([[0.5], [-1.0]], requires_grad=True)\n"
        "print(draw(np.square(np.tanh(x @ w)).sum(), grad=True).source)\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        for _ in (1, 2)
    ]
    assert runs[0].stdout == runs[1].stdout


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
