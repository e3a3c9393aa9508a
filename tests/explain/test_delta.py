"""A small change pushed through a graph."""

import math
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import ExplanationError, FreedGraphError
from tinygrad_edu.explain.delta import delta


def leaf(name, value):
    return Tensor(value, requires_grad=True, name=name)


def neuron():
    w, x = leaf("w", 2.0), leaf("x", -1.0)
    z = w * x + 3.0
    y = np.tanh(z)
    return y, w, x


def test_each_node_on_the_way_has_its_change_beside_derivative_times_delta():
    y, w, _ = neuron()
    found = delta(y, w, 0.01)
    assert [change.name for change in found.changes] == ["w", "multiply1", "z", "y"]
    slopes = [1.0, -1.0, -1.0, -(1 - math.tanh(1.0) ** 2)]
    assert [change.linear for change in found.changes] == pytest.approx(
        [slope * 0.01 for slope in slopes]
    )
    assert found.changes[-1].change == pytest.approx(math.tanh(0.99) - math.tanh(1.0))
    assert (found.output, found.wrt) == ("y", "w")
    assert found.derivative == pytest.approx(slopes[-1])
    assert y.item() == math.tanh(1.0)
    assert w.grad is None


def test_the_error_shrinks_with_the_change_and_grows_again_by_rounding():
    y, w, _ = neuron()
    errors = {round(math.log10(trial.delta)): trial for trial in delta(y, w).trials}
    assert sorted(errors) == list(range(-12, 0))
    # One-sided by the first power, central by the second.
    assert errors[-2].error / errors[-4].error == pytest.approx(100, rel=0.05)
    assert errors[-1].central_error / errors[-2].central_error == pytest.approx(100, rel=0.1)
    assert errors[-12].error > 100 * errors[-7].error
    best = delta(y, w).best
    assert 1e-7 < best.delta < 1e-3


def test_a_straight_line_has_no_error_but_that_of_rounding():
    x = leaf("x", 3.0)
    found = delta(x * 2.0, x, 0.5)
    assert found.changes[-1].change == found.changes[-1].linear == 1.0
    assert found.trials[0].error < 1e-14
    assert "only rounding" in found.text


def test_the_element_with_the_largest_gradient_is_changed_unless_another_is_named():
    x = leaf("x", np.array([1.0, 3.0, 2.0]))
    y = (x**2).sum()
    assert delta(y, x).wrt == "x[1]"
    other = delta(y, x, at=0)
    assert other.wrt == "x[0]"
    assert other.derivative == pytest.approx(2.0)
    assert delta(y, x, at=(-1,)).wrt == "x[2]"


def test_a_result_on_the_way_can_be_changed():
    w = leaf("w", 2.0)
    h = w * 3.0
    y = h * h
    found = delta(y, h, 0.1)
    assert [change.name for change in found.changes] == ["h", "y"]
    assert found.derivative == pytest.approx(12.0)


def test_of_an_output_of_many_numbers_that_with_the_largest_derivative_is_looked_at():
    x = leaf("x", 1.0)
    y = x * np.array([1.0, -5.0, 2.0])
    found = delta(y, x)
    assert found.output == "y[1]"
    assert found.derivative == pytest.approx(-5.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_net_is_computed_again_with_what_it_did_not_keep(dtype):
    rng = np.random.default_rng(0)
    w, b = leaf("w", rng.normal(size=(5, 7)).astype(dtype)), leaf("b", np.zeros(7, dtype))
    x, t = rng.normal(size=(6, 5)).astype(dtype), rng.normal(size=(6, 7)).astype(dtype)
    loss = ((np.tanh(x @ w + b) - t) ** 2).mean()
    found = delta(loss, w)
    assert found.best.central_error < 1e-8 if dtype is np.float64 else 1e-6
    assert ("float32" in found.text) == (dtype is np.float32)


def test_modules_with_fused_rows_are_computed_again():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    x = rng.random((2, 1, 6, 6), dtype=np.float32)
    loss = nn.CrossEntropyLoss()(model(x), np.array([0, 2]))
    weight = dict(model.named_parameters())["0.weight"]
    found = delta(loss, weight)
    assert found.best.central_error < 1e-5 * max(1.0, abs(found.derivative))


class Counter(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, _attrs):
        self.tags.append(tag)


def test_the_forms_hold_the_same_numbers():
    y, w, _ = neuron()
    found = delta(y, w, 0.1)
    assert str(found) == found.text
    assert found._repr_html_() == found.html
    assert repr(found) == "<Delta of w by 0.1: 4 nodes>"
    parsed = Counter()
    parsed.feed(found.html)
    assert parsed.tags.count("table") == 2
    assert parsed.tags.count("svg") == 1
    for change in found.changes:
        assert change.name in found.text
        assert change.name in found.html
    assert "10" in found.svg


def test_the_picture_has_a_point_for_each_finite_error_and_both_themes():
    y, w, _ = neuron()
    root = ElementTree.fromstring(delta(y, w).svg)
    svg = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{svg}circle")) == 12
    assert root.get("role") == "img"
    assert "prefers-color-scheme:dark" in root.find(f"{svg}style").text
    width, height = map(float, root.get("viewBox").split()[2:])
    for dot in root.findall(f"{svg}circle"):
        assert 0 <= float(dot.get("cx")) <= width
        assert 0 <= float(dot.get("cy")) <= height


def test_names_are_escaped():
    x = leaf("<b>&", 2.0)
    found = delta(x * x, x)
    assert "<b>" not in found.html
    ElementTree.fromstring(found.svg)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda y, _: delta(y, leaf("v", 1.0)), "does not depend on that tensor"),
        (lambda y, _: delta(y, 3.0), "does not depend on a float"),
        (lambda y, w: delta(y, w, 0.0), "a change of 0.0 shows nothing"),
        (lambda y, w: delta(y, w, math.nan), "a change of nan shows nothing"),
        (lambda y, w: delta(y, w, at=2), "at=2 is no element of w"),
    ],
)
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(ExplanationError, match=words):
        call(*neuron()[:2])


def test_a_freed_graph_is_refused():
    y, w, _ = neuron()
    y.backward()
    with pytest.raises(FreedGraphError):
        delta(y, w)
