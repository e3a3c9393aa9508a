"""A small change pushed through a graph."""

import math
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from tinygrad_edu import Function, Tensor, nn, relu
from tinygrad_edu.core.op import OPS
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


class TwoForThree(Function):
    """A cube whose derivative is said to be 2 x²."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x**2


@pytest.mark.parametrize("call", [np.abs, lambda k: np.maximum(k, 0), relu])
def test_a_kink_is_told_with_both_slopes_and_what_the_rules_give(call):
    k = leaf("k", [0.0, 1.0])
    found = delta(call(k).sum(), k, 0.1, at=0)
    assert found.finding.verdict == "kink"
    sides = found.finding.left, found.finding.right
    assert sides == pytest.approx((-1 if call is np.abs else 0, 1))
    assert "A smaller" not in found.text
    given = "the slope on the left" if call is relu else "the mean of the two"
    left = "−1" if call is np.abs else "0"
    assert (
        f"is {left} on the left and +1 on the right; what the rules give is {given}" in found.text
    )
    assert "A smaller" not in found.html


def test_a_gradient_beside_a_kink_that_is_no_slope_of_either_side_is_wrong():
    k = leaf("k", 0.0)
    row = OPS["absolute"]
    wrong = replace(row, factors=(3.0,), rules=(lambda g, _y, _x: g * 3,), jvp=None)
    text = delta(wrong(k), k).text
    assert "not even between the two, so a rule on the way is wrong" in text


def test_an_error_that_does_not_fall_is_that_of_a_wrong_rule():
    x = leaf("x", 2.0)
    found = delta(TwoForThree.apply(x), x, 0.1)
    assert found.finding.verdict == "wrong"
    assert found.finding.slope == pytest.approx(12.0, rel=1e-6)
    end = found.text.splitlines()[-1]
    assert "is 8 by the rules, and the error does not fall with Δ: the quotients come to 12" in end
    assert "stays 4 away. A rule on the way is wrong." in end
    assert "A smaller" not in end


def test_a_gradient_that_is_no_derivative_by_design_is_said_to_be():
    x = leaf("x", 2.0)
    found = delta(OPS["gradient_reversal"](x) * 3.0, x)
    assert found.finding.verdict == "by design"
    assert "That is by design (gradient_reversal: " in found.text


def test_where_there_is_no_number_there_is_nothing_to_compare():
    x = leaf("x", -1.0)
    with np.errstate(invalid="ignore"):
        y = np.log(x)
    found = delta(y, x)
    assert found.finding.verdict == "not compared"
    assert "nan or infinite" in found.text


CURVED = {
    "at a minimum": (lambda x: x * x, 0.0),
    "large numbers": (np.square, 1e6),
    "small numbers": (lambda x: 1e-9 * x * x, 1e-3),
    "steep": (lambda x: np.sin(100 * x), 0.3),
    "a kink near by": (lambda x: np.abs(x), 0.03),
    "smooth at 0": (lambda x: np.abs(x) ** 1.5, 0.0),
}


@pytest.mark.parametrize("name", CURVED)
def test_what_is_smooth_has_an_error_that_falls(name):
    call, at = CURVED[name]
    x = leaf("x", at)
    found = delta(call(x), x)
    assert found.finding.verdict in ("falls", "falls and rises")
    assert "A smaller Δ comes closer to it" in found.text
    rises = found.trials[-1].error > min(trial.error for trial in found.trials)
    assert ("rounding is all that is left" in found.text) == rises


STRAIGHT = {
    "through large numbers": (lambda x: (x * 3.0 + 1e8) - 1e8, 2.0),
    "no slope": (lambda x: x * 0.0 + 5.0, 2.0),
    "at a large number": (lambda x: x / 3.0, 1e9),
    "single precision": (lambda x: x * np.float32(1.1), np.float32(0.7)),
}


@pytest.mark.parametrize("name", STRAIGHT)
def test_what_is_straight_is_said_to_be(name):
    call, at = STRAIGHT[name]
    x = leaf("x", at)
    found = delta(call(x), x)
    assert found.finding.verdict == "straight", found.text
    assert "only rounding" in found.text
    assert "A smaller" not in found.text


def test_elements_that_change_too_are_counted():
    v, A = leaf("v", [1.0, 2.0, 3.0]), np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 5.0]])
    loss = (A * v + 2.0).sum()
    found = delta(loss, v, 0.1)
    assert [change.others for change in found.changes] == [0, 1, 1, 0]
    assert "add1[1, 2] = multiply1 + 2  (and 1 more)" in found.text
    assert "loss = Σ add1  (and" not in found.text


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
        (lambda y, w: delta(y, w, 0.0), "a change of 0 shows nothing"),
        (lambda y, w: delta(y, w, math.nan), "delta is to be a finite number, and is nan"),
        (lambda y, w: delta(y, w, "x"), "delta is to be a finite number, and is a str"),
        (lambda y, w: delta(y, w, np.ones(2)), r"and is an ndarray of shape \(2,\)"),
        (lambda y, _: delta(y, np.ones(2)), r"does not depend on an ndarray of shape \(2,\)"),
        (lambda y, w: delta(y, w, at=0.5), r"at=0.5 is no element of w"),
        (lambda y, w: delta(y, w, at=2), "at=2 is no element of w"),
    ],
)
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(ExplanationError, match=words) as refused:
        call(*neuron()[:2])
    assert str(refused.value).startswith("delta: ")
    assert "\n  at test_delta.py:" in str(refused.value)
    assert "\n  fix: " in str(refused.value)


def test_nothing_can_be_changed_where_there_are_no_elements():
    e = leaf("e", np.zeros((0, 3)))
    with pytest.raises(ExplanationError, match=r"e has no elements, its shape is \(0, 3\)"):
        delta(e.sum(), e)
    with pytest.raises(ExplanationError, match="the output has no elements"):
        delta(e * 2.0, e)


def test_a_freed_graph_is_refused():
    y, w, _ = neuron()
    y.backward()
    with pytest.raises(FreedGraphError):
        delta(y, w)
