"""What a tensor shows of itself in a notebook, and what diagrams ask the engine."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tinygrad_edu.core.graph import SWEEPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import gradients


def table(tensor):
    root = ET.fromstring(tensor._repr_html_())
    rows = {row[0].text: "".join(row[1].itertext()) for row in root.iter("tr")}
    return root, rows


def test_a_tensor_is_a_small_table():
    w = Tensor([1.0, 2.0], requires_grad=True, name="a<b")
    root, rows = table(w)
    assert root.find("caption").text == "a<b"
    assert rows == {
        "value": "[1., 2.]",
        "shape": "(2,)",
        "dtype": "float64",
        "grad": "not computed",
    }
    y = w * 3.0
    assert table(y)[1]["grad"] == "not kept"
    y.sum().backward()
    assert table(w)[1]["grad"] == "[3., 3.]"
    assert table(Tensor([1, 2]))[1]["grad"] == "none: a constant"


def test_a_large_tensor_shows_a_few_numbers():
    assert len(Tensor(np.ones((100, 100)))._repr_html_()) < 500


def test_the_graph_of_a_tensor_is_a_diagram():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    diagram = (w * 2.0).graph(title="twice", grad=True)
    assert "twice" in diagram.text
    assert any(edge.backward for edge in diagram.picture.edges)


def test_recorded_sweeps_are_logged_by_the_clock():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = np.tanh(x).sum()
    before = list(SWEEPS)
    y.backward(retain_graph=True)
    assert list(SWEEPS) == before
    (slope,) = gradients(y, [x], create_graph=True)
    start, end = SWEEPS[-1]
    assert y.node.order < start < slope.node.order < end
    y.register_hook(lambda g: g.missing)
    with pytest.raises(AttributeError):  # one that fails is over, too
        gradients(y, [x], create_graph=True)
    assert SWEEPS[-1][0] > end
