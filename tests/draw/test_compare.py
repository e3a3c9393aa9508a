"""Two graphs as one picture: what is found to be added, removed and changed, and how it is said."""

import itertools
import random

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.draw import Card, Cluster, Edge, Histogram, Line, Picture, draw
from tinygrad_edu.draw.compare import compare
from tinygrad_edu.draw.structure import structure_of
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.nn import Linear, Module, ReLU, Sequential, Sigmoid
from tinygrad_edu.optim import SGD


def chain(*titles, **texts):
    """Return a chain of ops after an input; a text may stand on each."""
    cards = [Card("x", "input", "x")]
    lines = {title: (Line(text),) for title, text in texts.items()}
    cards += [Card(f"o{k}", "op", t, lines=lines.get(t, ())) for k, t in enumerate(titles)]
    names = [card.id for card in cards]
    return Picture(tuple(cards), tuple(Edge(a, b) for a, b in itertools.pairwise(names)))


def changes(diagram):
    return {card.title: card.change for card in diagram.picture.cards}


def words(card):
    return [line.text for line in card.lines]


@pytest.mark.acceptance("S12")
def test_added_removed_changed_and_unchanged():
    before = chain("conv", "relu", "pool", conv="3 × 3")
    after = chain("conv", "pool", "norm", conv="5 × 5")
    diagram = compare(before, after)
    assert changes(diagram) == {
        "x": None, "conv": "changed", "relu": "removed", "pool": None, "norm": "added",
    }  # fmt: skip
    cards = {card.title: card for card in diagram.picture.cards}
    assert words(cards["conv"]) == ["changed", "3 × 3 → 5 × 5"]
    assert words(cards["relu"]) == ["− removed"]
    assert words(cards["norm"]) == ["+ added"]
    assert [cards[title].pale for title in ("x", "pool", "conv")] == [True, True, False]
    assert cards["relu"].dash == "dashed"
    told = "Before and after: 1 card added, 1 removed, 1 changed, 2 unchanged."
    assert diagram.picture.description == told


def test_edges_of_one_side_are_marked_and_say_so_where_no_card_does():
    diagram = compare(chain("conv", "relu", "pool"), chain("conv", "pool"))
    title = {card.id: card.title for card in diagram.picture.cards}
    found = {(title[e.tail], title[e.head]): e for e in diagram.picture.edges}
    assert {ends: edge.change for ends, edge in found.items()} == {
        ("x", "conv"): None,
        ("conv", "pool"): "added",
        ("conv", "relu"): "removed",
        ("relu", "pool"): "removed",
    }
    assert [line.text for line in found["conv", "pool"].lines] == ["+ added"]
    assert found["conv", "relu"].lines == ()  # relu says it


def test_equal_pictures_are_all_pale(net):
    diagram = compare(net, net)
    assert all(card.pale and card.change is None for card in diagram.picture.cards)
    assert diagram.picture.edges == net.edges
    assert diagram.picture.clusters == net.clusters


def test_numbers_in_names_are_no_change():
    before = chain("add", "mul", add="add1 = x + 2", mul="mul1 = add1 ** 2")
    after = chain("sin", "add", "mul", sin="s", add="add2 = x + 2", mul="mul2 = add2 ** 3")
    found = {card.title: card for card in compare(before, after).picture.cards}
    assert found["add"].change is None
    assert words(found["mul"]) == ["changed", "mul1 = add1 ** 2 → mul2 = add2 ** 3"]


def test_another_activation_is_told_by_its_name():
    before, after = (
        chain("linear", linear=f"h = {name}(x @ w + b)") for name in ("sigmoid", "relu")
    )
    card = compare(before, after).picture.cards[1]
    assert words(card) == ["changed", "h = sigmoid → relu(x @ w + b)"]


def test_values_histograms_and_gradients_of_both():
    def picture(value, norm, count):
        bars = Histogram((1.0 + count,) * 12, caption=Line(f"{value} ± 1"))
        lines = (Line("2 float32"), Line(f"‖∂L/∂w‖ = {norm}", "orange"))
        card = Card("w", "parameter", "w", lines=lines, values=((value, "1"),), histograms=(bars,))
        return Picture((card, Card("y", "op", "y")), (Edge("w", "y", (Line(f"← {norm}"),)),))

    merged = compare(picture("0.5", "0.6", 1), picture("0.7", "0.4", 2)).picture
    card = merged.cards[0]
    assert words(card) == ["changed", "2 float32", "‖∂L/∂w‖ = 0.6 → 0.4"]
    assert card.values == (("0.5 → 0.7", "1"),)
    assert [h.caption.text for h in card.histograms] == ["before  0.5 ± 1", "after  0.7 ± 1"]
    assert merged.edges[0].lines[0].text == "← 0.6 → 0.4"


def test_a_cluster_that_is_gone_is_drawn_again():
    def picture(names):
        boxes = tuple(Cluster("top", "net") if n == "top" else Cluster(n, n, f"K({len(names)})",
                      parent="top") for n in ("top", *names))  # fmt: skip
        cards = tuple(Card(f"{n}-{k}", "op", n, cluster=n) for k, n in enumerate(names))
        edges = tuple(Edge(a.id, b.id) for a, b in itertools.pairwise(cards))
        return Picture(cards, edges, boxes)

    merged = compare(picture("abc"), picture("ac")).picture
    kinds = {cluster.title: (cluster.kind, cluster.parent) for cluster in merged.clusters}
    assert kinds == {
        "net": ("", None), "a": ("K(3 → 2)", "top"), "c": ("K(3 → 2)", "top"),
        "b": ("K(3)", "top"),
    }  # fmt: skip
    structure_of(merged)


def test_parameters_are_matched_by_what_uses_them():
    def picture(first):
        cards, edges = [Card("x", "input", "x")], []
        for k, box in enumerate(("0", str(first))):
            cards += [
                Card(f"w{k}", "parameter", "weight", lines=(Line(f"w{k}"),), cluster=box),
                Card(f"m{k}", "op", "linear", cluster=box),
            ]
            edges += [Edge(f"m{k - 1}" if k else "x", f"m{k}"), Edge(f"w{k}", f"m{k}")]
        return Picture(tuple(cards), tuple(edges), (Cluster("0", "0"), Cluster(str(first), "1")))

    renamed = picture(3)
    after = Picture(renamed.cards, renamed.edges, (Cluster("0", "0"), Cluster("3", "3")))
    diagram = compare(picture(2), after)
    assert not any(card.change for card in diagram.picture.cards)


@pytest.mark.parametrize("seed", range(20))
def test_the_union_of_two_random_graphs_has_no_circle(seed):
    rng = random.Random(seed)

    def graph():
        cards, edges = [], []
        for k in range(40):
            cards.append(Card(str(k), "op", rng.choice("abcd")))
            edges += [Edge(str(rng.randrange(k)), str(k)) for _ in range(min(k, rng.randrange(3)))]
        return Picture(tuple(cards), tuple(edges))

    before, after = graph(), graph()
    for fold in (False, True):
        structure_of(compare(before, after, fold=fold).picture)
    merged = compare(before, after, fold=False).picture
    counts = [
        sum(card.change == change for card in merged.cards) for change in ("removed", "added")
    ]
    assert len(merged.cards) == len(after.cards) + counts[0] == len(before.cards) + counts[1]
    kept = [e for e in merged.edges if e.change != "removed"]
    assert len(kept) == len(after.edges)
    assert len([e for e in merged.edges if e.change != "added"]) == len(before.edges)


def test_few_differences_are_found_in_a_long_graph():
    rng = random.Random(0)
    titles = [rng.choice("abc") for _ in range(20_000)]
    before = [t for k, t in enumerate(titles) if k % 997 != 5]
    after = [t for k, t in enumerate(titles) if k % 997 != 11]
    merged = compare(chain(*before), chain(*after), fold=False).picture
    assert sum(card.change == "removed" for card in merged.cards) <= 21
    assert sum(card.change == "added" for card in merged.cards) <= 21


def test_long_graphs_without_anything_in_common():
    merged = compare(chain(*["a", "b"] * 3000), chain(*["c", "d"] * 3000), fold=False).picture
    assert len(merged.cards) == 12_001
    crossed = compare(chain(*["a"] * 3000, *["b"] * 3000), chain(*["b"] * 3000, *["a"] * 3000))
    structure_of(crossed.picture)


# ----------------------------------------------------------------------------------- real graphs


def test_two_nets():
    before = Sequential(Linear(6, 4), Sigmoid(), Linear(4, 2))
    after = Sequential(Linear(6, 8), Sigmoid(), Linear(8, 8), ReLU(), Linear(8, 2))
    diagram = compare(before, after, 3, 6)
    kinds = {cluster.title: cluster.kind for cluster in diagram.picture.clusters}
    assert kinds["0"] == "Linear(6, 4 → 8)"
    assert {"added", "changed", None} <= set(changes(diagram).values())
    texts = [line.text for card in diagram.picture.cards for line in card.lines]
    assert any(text.startswith("6 × 4 → 6 × 8") for text in texts)
    for engine in ("dot", "own"):
        diagram.engine = engine
        assert "+ added" in compare(before, after, 3, 6, engine=engine).svg


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("Linear(20, 8, activation='sigmoid')", "Linear(20, 12, activation='sigmoid')",
         "Linear(20, 8 → 12, activation='sigmoid')"),
        ("Linear(20, 8)", "Linear(20, 8, activation='relu')",
         "Linear(20, 8, activation=– → 'relu')"),
        ("Conv2d(1, 8, (3, 3))", "Conv2d(1, 8, (5, 3))", "Conv2d(1, 8, (3, 3) → (5, 3))"),
        ("Conv2d(16, 16, 3, padding=1)", "ConvTranspose2d(8, 32, 5, padding=2)",
         "Conv2d(…) → ConvTranspose2d(…)"),
        ("f(x) + g(y)", "f(x) + g(z)", "f(x) + g(y) → f(x) + g(z)"),
    ],
)  # fmt: skip
def test_of_two_calls_the_difference_is_told(before, after, said):
    pictures = [
        Picture((Card("a", "op", "a", cluster="c"),), clusters=(Cluster("c", "0", kind),))
        for kind in (before, after)
    ]
    (cluster,) = compare(*pictures).picture.clusters
    assert cluster.kind == said
    assert len(said) <= 48


def test_cards_of_modules_whose_sizes_differ_are_one():
    before, after = (Sequential(Linear(6, n, rng=0), Linear(n, 2, rng=0)) for n in (4, 8))
    found = compare(before, after, 3, 6, level="module").picture.cards
    assert [(c.title, c.change) for c in found if c.role == "module"] == [
        ("Linear(6, 4 → 8)", "changed"),
        ("Linear(4 → 8, 2)", "changed"),
    ]


def test_before_and_after_a_step():
    net = Sequential(Linear(3, 20), Sigmoid(), Linear(20, 1))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)

    def run():
        loss = (net(x) ** 2).mean()
        loss.backward(retain_graph=True)
        return loss

    before = draw(run())
    optimizer = SGD(net.parameters(), lr=0.1)
    optimizer.step()
    optimizer.zero_grad()
    diagram = compare(before, run())
    found = {card.role for card in diagram.picture.cards if card.change == "changed"}
    assert found >= {"parameter", "output"}
    assert not any(card.change in ("added", "removed") for card in diagram.picture.cards)
    (output,) = (card for card in diagram.picture.cards if card.role == "output")
    assert any(" → " in text for text in words(output))


def test_two_losses_are_drawn_at_one_level():
    w = Tensor(2.0, requires_grad=True, name="w")
    v = Tensor(np.ones(3), requires_grad=True, name="v")
    diagram = compare(w * w, (w * v).sum())
    assert {"v", "w"} <= {card.title for card in diagram.picture.cards}


def test_what_cannot_be_drawn_is_refused():
    w = Tensor(2.0, requires_grad=True)
    with pytest.raises(DiagramError, match="compare: expected a Tensor"):
        compare(w * w, 3.0)


def test_two_calls_give_equal_bytes():
    class Net(Module):
        def __init__(self):
            self.a, self.b = Linear(4, 4), Linear(4, 4)

        def forward(self, x):
            return self.b(np.tanh(self.a(x)))

    first, second = Net(), Net()
    sources = [compare(first, second, 2, 4).source for _ in range(2)]
    assert sources[0] == sources[1]
