"""Pictures that several tests draw, and a process that has announced nothing yet."""

import pytest

from tinygrad_edu.draw import Card, Cluster, Edge, Histogram, Line, Picture

HILL = (0, 0, 1, 4, 8, 13, 14, 10, 6, 3, 1, 0)


@pytest.fixture(autouse=True)
def _nothing_announced(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.draw.render._announced", set())


@pytest.fixture
def net():
    """A linear layer, a sigmoid and a loss, with gradients; labels have none."""

    def parameter(name, shape):
        bars = (
            Histogram(HILL, caption=Line("0 ± 0.05")),
            Histogram(HILL[::-1], "gradient", Line(f"‖∂L/∂{name}‖ = 0.6", "orange")),
        )
        lines = (Line(shape, "grey"),)
        return Card(name, "parameter", name, "parameter", lines, histograms=bars, cluster="linear")

    def op(name, formula, cluster):
        return Card(name, "op", name, lines=(Line(formula, "grey"),), cluster=cluster)

    def back(tail, head, norm):
        return Edge(tail, head, (Line("100 × 50"), Line(f"← {norm}", "orange")), "gradient", 2.0)

    return Picture(
        (
            Card("x", "input", "x", "input", (Line("100 × 784", "grey"),)),
            parameter("W", "784 × 50"),
            op("matmul", "z = x W", "linear"),
            parameter("b", "50"),
            op("add", "a = z + b", "linear"),
            op("sigmoid", "h = σ(a)", "sigmoid"),
            Card("t", "constant", "t", "labels, no grad"),
            op("xent", "L = −mean log p[t]", None),
            Card("L", "output", "L", "output", (Line("2.4913", "large"),)),
        ),
        (
            Edge("x", "matmul", style="absent"),
            Edge("W", "matmul", style="gradient"),
            back("matmul", "add", "0.05"),
            Edge("b", "add", (Line("(50) → 100 × 50"),), style="gradient"),
            back("add", "sigmoid", "0.05"),
            back("sigmoid", "xent", "0.2"),
            Edge("t", "xent", style="absent"),
            back("xent", "L", "1"),
        ),
        (
            Cluster("linear", "layers.0", "Linear(784, 50)", "39,250 parameters"),
            Cluster("sigmoid", "layers.1", "Sigmoid", count=3),
        ),
        title="a small net",
    )


@pytest.fixture
def chain():
    """Return a function that makes a chain of ops with a parameter each, three to a cluster."""

    def make(length):
        cards, edges = [Card("x", "input", "x")], []
        for i in range(length):
            cluster = f"c{i // 3}"
            cards.append(Card(f"W{i}", "parameter", f"W{i}", "parameter", cluster=cluster))
            cards.append(Card(f"o{i}", "op", "matmul", cluster=cluster))
            edges.append(Edge(f"o{i - 1}" if i else "x", f"o{i}", (Line("100 × 50"),)))
            edges.append(Edge(f"W{i}", f"o{i}", style="parameter"))
        clusters = (Cluster(f"c{i}", f"layers.{i}") for i in range((length + 2) // 3))
        return Picture(tuple(cards), tuple(edges), tuple(clusters))

    return make
