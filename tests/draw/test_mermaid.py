from dataclasses import replace

import pytest

from tinygrad_edu.draw import Card, Cluster, Edge, Line, Picture
from tinygrad_edu.draw.mermaid import mermaid
from tinygrad_edu.draw.render import render
from tinygrad_edu.errors import DiagramWarning


def test_a_forward_graph_runs_as_it_is():
    cards = (
        Card("x", "input", "x", "input", (Line("100 × 784 float64"),), cluster="c"),
        Card("f", "op", "matmul", lines=(Line("z = x @ W[0]"),)),
    )
    picture = Picture(cards, (Edge("x", "f", (Line("100 × 50"),)),), (Cluster("c", "layers.0"),))
    lines = mermaid(picture).splitlines()
    assert lines[0] == "---"
    assert "flowchart LR" in lines
    assert 'n0("<b>x</b><br/>input<br/>100 × 784 float64")' in lines
    assert 'n1["<b>matmul</b><br/>z = x #64; W#91;0#93;"]' in lines
    assert 'n0 -->|"100 × 50"| n1' in lines
    start = lines.index('subgraph c0["layers.0"]')
    assert lines[start + 1].startswith("n0(")
    assert lines[start + 2] == "end"
    assert "classDef look0 fill:#DCEBF7,stroke:#0072B2,color:#000000,stroke-width:1px" in lines
    assert "class n0 look0" in lines
    assert "linkStyle 0 stroke:#777777,stroke-width:1px,color:#000000" in lines


def test_gradients_run_from_the_output_to_the_inputs(net):
    lines = mermaid(net).splitlines()
    assert "flowchart RL" in lines
    assert 'n4 -->|"100 × 50<br/>← 0.05"| n2' in lines
    assert "n2 -.- n0" in lines  # no gradient, so no arrow either
    assert "flowchart BT" in mermaid(replace(net, rankdir="TB"))


def test_what_differs_in_look_is_of_another_class(net):
    cards = (Card("a", "op", "a"), Card("b", "op", "b", change="removed"), Card("c", "op", "c"))
    text = mermaid(Picture(cards, (Edge("a", "a", recurrent=True),)))
    assert "class n0,n2 look" in text
    assert "stroke-width:3px,stroke-dasharray:6 4" in text
    assert "n0 --> n0" in text
    assert "stroke-width:4px" in mermaid(net)  # the box that stands for three


def test_a_chart_that_mermaid_would_refuse_is_announced(chain):
    with pytest.warns(DiagramWarning, match=r"502 edges and [\d,]+ characters, but Mermaid draws"):
        render(chain(251), "mermaid")
