"""Labels and titles stand where no line runs through them, beside the line that they belong to."""

import itertools
import math

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.draw import Card, Edge, Line, Picture, draw
from tinygrad_edu.draw.labels import Point, Rectangle, Thread, placed
from tinygrad_edu.draw.layout import lay_out
from tinygrad_edu.draw.measure import cluster_width
from tinygrad_edu.nn import LayerNorm, Linear, LSTMCell, Module, MultiheadAttention, ReLU
from tinygrad_edu.nn import Sequential as Chain


def leaf(value, name):
    return tg.Tensor(value, requires_grad=True, name=name)


def neuron():
    x1, x2, w1, w2 = leaf(2.0, "x1"), leaf(0.0, "x2"), leaf(-3.0, "w1"), leaf(1.0, "w2")
    return np.tanh(x1 * w1 + x2 * w2 + leaf(6.88, "b"))


def bent():
    x = leaf(0.7, "x")
    return np.sin(x) * x + x


def expression():
    """Return a number of many operations, of which some are used again and again."""
    a, b = leaf(-4.0, "a"), leaf(2.0, "b")
    c, d = a + b, a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + tg.relu(b + a)
    d = d + 3 * d + tg.relu(b - a)
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f


def unrolled():
    cell, state = LSTMCell(5, 8, rng=0), None
    for k in range(3):
        state = cell(np.full((4, 5), k, np.float32), state)
    return np.sum(state[0])


def attention():
    rng = np.random.default_rng(0)
    q, k, v = (leaf(rng.standard_normal((5, 8)), name) for name in "qkv")
    return np.sum(tg.softmax(q @ k.T / np.sqrt(8.0)) @ v)


class Residual(Module):
    def __init__(self, count):
        self.blocks = [Chain(Linear(8, 8, rng=k), LayerNorm(8), ReLU()) for k in range(count)]

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x)
        return x


def heads():
    x = leaf(np.ones((2, 5, 8), np.float32), "x")
    return np.sum(MultiheadAttention(8, 2, rng=0)(x))


def residual():
    return np.sum(Residual(3)(tg.Tensor(np.ones((3, 8), np.float32))))


def twice_and_once():
    """Return a number whose leaf goes into one operation on two edges, and past it on a third."""
    c = leaf(1 + 2j, "c")
    return np.abs(c * c + c)


def second_order():
    x = leaf(0.5, "x")
    return tg.gradients(np.sin(x * x), [x], create_graph=True)


GRAPHS = [
    neuron,
    bent,
    expression,
    unrolled,
    attention,
    residual,
    heads,
    twice_and_once,
    second_order,
]


def course(route, across):
    """Yield points along a route, as the commands of its path draw it."""
    across = across != route.hangs
    for a, b in itertools.pairwise(route.points):
        for k in range(61):
            t = k / 60
            bow = t * t * (3 - 2 * t)
            even = 1.5 * (t * (1 - t) ** 2 + t * t * (1 - t)) + t**3
            u, v = (even, bow) if across else (bow, even)
            yield a.x + (b.x - a.x) * u, a.y + (b.y - a.y) * v


def within(point, place):
    x, y = point
    inside_x = place.x < x < place.x + place.width
    return inside_x and place.y < y < place.y + place.height


def overlap(a, b):
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


def texts_of(picture, layout):
    labels = [(f"label {k}", route.label) for k, route in enumerate(layout.routes) if route.label]
    for k, (box, corner) in enumerate(zip(layout.structure.boxes, layout.titles, strict=True)):
        wide = cluster_width(picture.clusters[box.cluster], box.part, box.parts)
        labels.append((f"title {k}", Rectangle(corner.x, corner.y + 3, wide, 11)))
    return labels


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("graph", GRAPHS)
def test_no_line_runs_through_a_label_or_a_title(graph, grad, rankdir):
    for fold in (False, True):
        picture = draw(graph(), grad=grad, fold=fold, rankdir=rankdir).picture
        layout = lay_out(picture)
        texts = texts_of(picture, layout)
        assert texts
        struck = [
            (edge, name)
            for edge, route in enumerate(layout.routes)
            for name, place in texts
            if any(within(point, place) for point in course(route, rankdir == "LR"))
        ]
        assert not struck
        for (_, a), (_, b) in itertools.combinations(texts, 2):
            assert not overlap(a, b)
        for (_, place), card in itertools.product(texts, layout.cards):
            assert not overlap(place, card)


def gap(point, place):
    """Return how far a point is from a rectangle."""
    (u, v), (x, y, wide, high) = point, place
    return math.hypot(max(x - u, u - x - wide, 0), max(y - v, v - y - high, 0))


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_label_stands_beside_its_own_line_and_farther_from_all_others(graph, grad, rankdir):
    layout = lay_out(draw(graph(), grad=grad, fold=True, rankdir=rankdir).picture)
    courses = [list(course(route, rankdir == "LR")) for route in layout.routes]
    for own, route in enumerate(layout.routes):
        if route.label is None:
            continue
        away = [min(gap(point, route.label) for point in points) for points in courses]
        assert away[own] < 16
        assert away[own] == min(away)


def test_a_title_keeps_clear_of_all_that_enters_its_box_from_above():
    picture = draw(unrolled(), grad=True, fold=True, rankdir="TB").picture
    layout = lay_out(picture)
    for box, corner, place in zip(layout.structure.boxes, layout.titles, layout.boxes, strict=True):
        wide = cluster_width(picture.clusters[box.cluster], box.part, box.parts)
        assert place.x < corner.x < corner.x + wide < place.x + place.width


def test_a_label_stays_where_it_is_free_and_leaves_where_it_is_not():
    label = Rectangle(40, 20, 20, 10)
    below = Thread((Point(0, 40), Point(100, 40)), True, 0.5, Point(100, 40), label)
    size = (120.0, 100.0)
    assert placed([below], [], [], size) == ([label], 0.0)
    through = Thread((Point(0, 25), Point(100, 25)), True, 0.5, Point(100, 25), None)
    (found, nothing), bad = placed([below, through], [], [], size)
    assert nothing is None
    assert bad < 600
    assert found.y > 40  # below its line, away from the other one
    card = Rectangle(0, 42, 100, 50)
    (shut, _), bad = placed([below, through], [card], [], size)
    assert not overlap(shut, card)


def test_a_picture_of_thousands_of_long_lines_is_left_alone():
    count = 400
    cards = tuple(Card(str(k), "op", "f") for k in range(count))
    pairs = [(k, k + 1) for k in range(count - 1)] + [(k, count - 1) for k in range(count - 2)]
    edges = tuple(Edge(str(a), str(b), (Line("8 × 8"),)) for a, b in pairs)
    assert len(lay_out(Picture(cards, edges)).routes) == len(edges)
