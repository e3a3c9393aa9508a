"""Equal neighbours drawn once: blocks, unrolled loops, shared parameters, all without recursion."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.draw import Card, Cluster, Diagram, Edge, Histogram, Line, Picture, draw
from tinygrad_edu.draw.fold import folded
from tinygrad_edu.draw.structure import structure_of
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.models import DeepConvNet
from tinygrad_edu.nn import (
    Conv2d,
    Flatten,
    LayerNorm,
    Linear,
    LSTMCell,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
)


def blocks(count, title="blocks", extra=None):
    """Blocks of a convolution in a box of its own and a relu; `extra` has one op more."""
    cards, edges, boxes, before, shape = [Card("x", "input", "x")], [], [], "x", ()
    for k in range(count):
        wide, side = 16 * 2**k, 32 // 2**k
        box, name = f"b{k}", f"{title}.{k}"
        boxes += [
            Cluster(box, name, f"Block({wide // 2}, {wide})", "1,000 parameters"),
            Cluster(f"{box}.conv", f"{name}.conv", "Conv2d", parent=box),
        ]
        weight = Line(f"{wide} × {wide // 2} float32", "grey")
        caption = Line(f"0.{k} ± 1")
        cards += [
            Card(f"w{k}", "parameter", f"{name}.weight", lines=(weight,), cluster=f"{box}.conv",
                 histograms=(Histogram((1.0 + k,) * 12, caption=caption),)),
            Card(f"c{k}", "op", "conv", cluster=f"{box}.conv", nonfinite=k),
            Card(f"r{k}", "op", "relu", cluster=box),
        ]  # fmt: skip
        edges += [
            Edge(before, f"c{k}", shape),
            Edge(f"w{k}", f"c{k}", style="parameter"),
            Edge(f"c{k}", f"r{k}", (Line(f"10 × {wide} × {side} × {side}"),), width=1 + k / 4),
        ]
        shape = (Line(f"10 × {wide} × {side} × {side}"),)
        before = f"r{k}"
        if k == extra:
            cards.append(Card("more", "op", "tanh", cluster=box))
            edges.append(Edge(before, "more"))
            before = "more"
    cards.append(Card("y", "output", "y"))
    edges.append(Edge(before, "y", (Line(f"10 × {wide} × {side} × {side}"),)))
    return Picture(tuple(cards), tuple(edges), tuple(boxes))


def loop(steps, shared=True):
    """Return h = tanh(x[t] W + h U), unrolled; every step hands its result to a stack, too."""
    cards = [Card("x", "input", "x"), Card("h", "constant", "h")]
    edges, h = [], "h"
    for t in range(steps):
        names = ("W", "U") if shared else (f"W{t}", f"U{t}")
        if t == 0 or not shared:
            cards += [Card(name, "parameter", name) for name in names]
        kinds = ("getitem", "matmul", "matmul", "add", "tanh")
        ids = [f"{t}-{k}" for k in range(5)]
        cards += [Card(name, "op", kind) for name, kind in zip(ids, kinds, strict=True)]
        pairs = [("x", 0), (ids[0], 1), (names[0], 1), (h, 2), (names[1], 2)]
        pairs += [(ids[1], 3), (ids[2], 3), (ids[3], 4)]
        edges += [Edge(tail, ids[head]) for tail, head in pairs]
        h = ids[4]
    cards += [Card("stack", "op", "stack"), Card("y", "output", "y")]
    edges += [Edge(f"{t}-4", "stack") for t in range(steps)]
    return Picture(tuple(cards), (*edges, Edge("stack", "y")))


def boxes_of(picture):
    return [(cluster.title, cluster.count) for cluster in picture.clusters]


def ends(picture):
    return [(edge.tail, edge.head) for edge in picture.edges if not edge.recurrent]


def chain(titles):
    """Return a chain of ops, in a box each."""
    cards = [Card("x", "input", "x")]
    cards += [Card(f"o{k}", "op", title, cluster=f"b{k}") for k, title in enumerate(titles)]
    names = [card.id for card in cards]
    edges = [Edge(a, b) for a, b in pairwise(names)]
    return cards, edges


# ------------------------------------------------------------------------------------ clusters


@pytest.mark.acceptance("S12")
def test_equal_blocks_become_one_with_their_sizes():
    picture = folded(blocks(3))
    assert boxes_of(picture) == [("blocks.0–2", 3), ("blocks.0–2.conv", 1)]
    block = picture.clusters[0]
    assert block.kind == "Block(8 → 16 → 32, 16 → 32 → 64)"
    assert block.detail == "channels 16 → 32 → 64, 1,000 parameters each, 3,000 in all"
    assert [card.id for card in picture.cards] == ["x", "w0", "c0", "r0", "y"]
    assert ends(picture) == [("x", "c0"), ("w0", "c0"), ("c0", "r0"), ("r0", "y")]
    assert not any(edge.recurrent for edge in picture.edges)  # each has parameters of its own


def test_a_card_that_stands_for_several_says_so():
    cards = {card.id: card for card in folded(blocks(3)).cards}
    assert cards["c0"].members == ("c0", "c1", "c2")
    assert cards["c0"].nonfinite == 0 + 1 + 2
    assert cards["x"].members == ()
    weight = cards["w0"]
    assert weight.title == "blocks.0–2.weight"
    assert [line.text for line in weight.lines] == [
        "16 × 8 → 32 × 16 → 64 × 32 float32",
        "0.0 … 0.2 ± 1",
    ]
    assert weight.histograms == ()  # three different ones are no one
    assert weight.tooltip.startswith("3 in one: blocks.0.weight, blocks.1.weight, ")
    inside = next(edge for edge in folded(blocks(3)).edges if edge.head == "r0")
    assert inside.lines[0].text == "10 × C × H × W"
    assert inside.width == 1.5


def test_many_sizes_are_told_by_the_first_and_the_last():
    assert folded(blocks(5)).clusters[0].kind == "Block(8 → … → 128, 16 → … → 256)"


def test_unequal_blocks_stay_apart():
    picture = folded(blocks(4, extra=1))
    assert [t for t in boxes_of(picture) if "conv" not in t[0]] == [
        ("blocks.0", 1),
        ("blocks.1", 1),
        ("blocks.2–3", 2),
    ]


def test_other_attribute_names_are_another_structure():
    cards, edges = chain(["linear"] * 3)
    names = ("query", "key", "value")
    picture = Picture(
        tuple(cards), tuple(edges), tuple(Cluster(f"b{k}", f"net.{n}") for k, n in enumerate(names))
    )
    assert folded(picture) is picture


@pytest.mark.parametrize(
    "expand",
    [("blocks.1",), "blocks.1", lambda cluster: cluster.title == "blocks.1", ("*.1.conv",)],
)
def test_some_are_opened(expand):
    picture = folded(blocks(5), expand)
    assert [t for t in boxes_of(picture) if "conv" not in t[0]] == [
        ("blocks.0", 1),
        ("blocks.1", 1),
        ("blocks.2–4", 3),
    ]
    assert ("r0", "c1") in ends(picture)
    assert ("r1", "c2") in ends(picture)


def test_a_title_that_nothing_has_is_refused():
    with pytest.raises(DiagramError, match=r"'blok'\n.*\n.*take some of these: blocks.0, "):
        folded(blocks(3), ("blok",))


def test_nothing_to_fold_gives_the_picture_itself(net):
    assert folded(net) is net


def test_blocks_of_blocks_are_folded_twice():
    cards, boxes = [Card("x", "input", "x")], []
    for k in range(3):
        boxes.append(Cluster(f"s{k}", f"stage.{k}"))
        for i in range(2):
            boxes.append(Cluster(f"b{k}{i}", f"stage.{k}.block.{i}", parent=f"s{k}"))
            cards.append(Card(f"o{k}{i}", "op", "relu", cluster=f"b{k}{i}"))
    names = [card.id for card in cards]
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    picture = folded(Picture(tuple(cards), edges, tuple(boxes)))
    assert boxes_of(picture) == [("stage.0–2", 3), ("stage.0–2.block.0–1", 2)]
    assert picture.cards[1].members == tuple(names[1:])
    assert len([edge for edge in picture.edges if not edge.recurrent]) == 1


def test_parallel_heads_are_folded_too():
    cards = [
        Card("x", "input", "x"),
        *(Card(f"h{k}", "op", "mul", cluster=f"b{k}") for k in range(4)),
    ]
    cards.append(Card("cat", "op", "concatenate"))
    edges = [Edge("x", f"h{k}") for k in range(4)] + [Edge(f"h{k}", "cat") for k in range(4)]
    heads = tuple(Cluster(f"b{k}", f"head.{k}") for k in range(4))
    picture = folded(Picture(tuple(cards), tuple(edges), heads))
    assert boxes_of(picture) == [("head.0–3", 4)]
    assert ends(picture) == [("x", "h0"), ("h0", "cat")]


def test_both_factors_of_a_square_stay():
    cards, edges = chain(["multiply"] * 3)
    doubled = tuple(edge for edge in edges for _ in range(2))
    boxes = tuple(Cluster(f"b{k}", f"sq.{k}") for k in range(3))
    picture = folded(Picture(tuple(cards), doubled, boxes))
    assert ends(picture) == [("x", "o0"), ("x", "o0")]


# --------------------------------------------------------------------------------------- loops


@pytest.mark.acceptance("S12")
def test_an_unrolled_loop_is_one_step_that_goes_back():
    picture = folded(loop(100))
    assert boxes_of(picture) == [("step", 100)]
    assert [card.id for card in picture.cards if card.role == "parameter"] == ["W", "U"]
    assert {card.cluster for card in picture.cards if card.role == "op"} == {"fold-1", None}
    back = [edge for edge in picture.edges if edge.recurrent]
    assert [(edge.tail, edge.head, edge.lines[0].text) for edge in back] == [
        ("0-4", "0-2", "100 steps")
    ]
    assert ends(picture).count(("0-4", "stack")) == 1
    assert ends(picture).count(("x", "0-0")) == 1
    structure_of(picture)  # no circle


def test_steps_with_parameters_of_their_own_do_not_go_back():
    picture = folded(loop(6, shared=False))
    assert boxes_of(picture) == [("repeated", 6)]
    assert not any(edge.recurrent for edge in picture.edges)
    assert {
        card.title: len(card.members) for card in picture.cards if card.role == "parameter"
    } == {
        "W0–5": 6,
        "U0–5": 6,
    }
    assert [c.cluster for c in picture.cards if c.role == "parameter"] == ["fold-1"] * 2


def test_a_few_equal_operations_are_no_loop():
    picture = loop(2)
    assert folded(picture) is picture


def test_a_loop_is_cut_where_its_parameters_change():
    picture = loop(10)
    late = {f"{t}-1" for t in range(5, 10)}
    edges = tuple(
        Edge("V", e.head) if e.tail == "W" and e.head in late else e for e in picture.edges
    )
    cards = (Card("V", "parameter", "W"), *picture.cards)
    found = folded(Picture(cards, edges))
    # Twice five steps: W belongs to the first five, V to the others, U to all.
    assert sorted(count for _, count in boxes_of(found)) == [2, 5]
    assert {c.id: c.members for c in found.cards if c.role == "parameter"} == {
        "W": ("W", "V"),
        "U": (),
    }


def test_a_picture_whose_cards_are_in_any_order():
    picture = blocks(4)
    backwards = Picture(tuple(reversed(picture.cards)), picture.edges, picture.clusters)
    assert boxes_of(folded(backwards)) == boxes_of(folded(picture))


def test_two_runs_give_equal_bytes():
    first, second = (Diagram(folded(loop(30))).source for _ in range(2))
    assert first == second


@pytest.mark.parametrize("steps", [20_000])
def test_a_hundred_thousand_cards(steps):
    assert len(folded(loop(steps)).cards) == 11


def test_deep_boxes_and_long_chains_need_no_recursion():
    depth = 3000
    boxes = tuple(
        Cluster(f"b{k}", "net" + f".{k}", parent=f"b{k - 1}" if k else None) for k in range(depth)
    )
    cards = (Card("x", "input", "x"), Card("o", "op", "relu", cluster=f"b{depth - 1}"))
    picture = Picture(cards, (Edge("x", "o"),), boxes)
    assert folded(picture) is picture
    names = [str(k) for k in range(20_000)]
    ops = (Card("x", "input", "x"), *(Card(name, "op", "sin") for name in names))
    edges = tuple(Edge(a, b) for a, b in zip(("x", *names), names, strict=False))
    found = folded(Picture(ops, edges))
    assert boxes_of(found) == [("step", 20_000)]


# ----------------------------------------------------------------------------------- real nets


class Block(Module):
    def __init__(self, channels, maps):
        self.conv, self.act, self.pool = Conv2d(channels, maps, 3, padding=1), ReLU(), MaxPool2d(2)

    def forward(self, x):
        return self.pool(self.act(self.conv(x)))


class Net(Module):
    def __init__(self):
        self.blocks = Sequential(Block(1, 4), Block(4, 8), Block(8, 16))
        self.flat, self.out = Flatten(), Linear(16, 10)

    def forward(self, x):
        return self.out(self.flat(self.blocks(x)))


@pytest.mark.parametrize("level", ["op", "module"])
def test_blocks_of_a_net(level):
    net = Net()
    picture = draw(net, 2, 1, 8, 8, level=level, fold=True).picture
    block = next(cluster for cluster in picture.clusters if cluster.count > 1)
    assert (block.title, block.count, block.kind) == ("blocks.0–2", 3, "Block")
    assert block.detail.startswith("channels 4 → 8 → 16, ")
    whole = draw(net, 2, 1, 8, 8, level=level, fold=False).picture
    assert all(cluster.count == 1 for cluster in whole.clusters)
    assert len(whole.cards) > len(picture.cards)
    for engine in ("dot", "own"):
        assert "× 3" in draw(net, 2, 1, 8, 8, level=level, fold=True, engine=engine).svg


def test_a_net_without_equal_neighbours_is_whole():
    picture = draw(DeepConvNet(), 1, 1, 28, 28, level="op", fold=True).picture
    members = [name for card in picture.cards for name in card.members]
    assert len(members) == len(set(members))


def test_a_cell_that_is_called_in_a_loop():
    class Reader(Module):
        def __init__(self):
            self.cell, self.out = LSTMCell(3, 4), Linear(4, 1)

        def forward(self, x):
            state = None
            for t in range(x.shape[1]):
                state = self.cell(x[:, t], state)
            return self.out(state[0])

    picture = draw(Reader(), Tensor(np.ones((2, 12, 3), np.float32)), level="op", fold=True).picture
    assert max(cluster.count for cluster in picture.clusters) in (11, 12)
    assert sum(card.role == "parameter" for card in picture.cards) == 5
    assert any(edge.recurrent for edge in picture.edges)


class Added(Module):
    """Blocks that each add to their input."""

    def __init__(self):
        self.blocks = [Sequential(Linear(8, 8, rng=k), LayerNorm(8), ReLU()) for k in range(4)]

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x)
        return x


@pytest.fixture
def added():
    x = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    net = Added()
    yield draw(np.sum(net(x)), grad=True, level="op", fold=True).picture
    del net


def test_folded_formulas_go_by_one_name(added):
    (linear,) = [card for card in added.cards if card.title == "linear"]
    said = [line.text for line in linear.lines]
    assert "linear = previous x @ weight + bias" in said
    assert "weight: (previous x)ᵀ g" in said
    assert "3 of 4: previous x: g weightᵀ" in said  # none goes back to what was given


class Fed(Module):
    """A cell that is called at each of twelve steps."""

    def __init__(self):
        self.cell = LSTMCell(8, 4, rng=0)

    def forward(self, x):
        state = None
        for _ in range(12):
            state = self.cell(x, state)
        return state[0]


def test_what_holds_for_all_but_the_first_copy_is_counted():
    cards = [Card("h", "input", "h"), Card("W", "parameter", "W")]
    edges, before = [], "h"
    for k in range(1, 7):
        lines = (Line(f"matmul{k} = {before} W", "grey"), Line(f"W: {before}ᵀ g", "orange"))
        cards.append(Card(f"matmul{k}", "op", "matmul", lines=lines))
        lines = (Line(f"add{k} = f {before} + matmul{k}", "grey"), Line("×1", "orange"))
        cards.append(Card(f"add{k}", "op", "add", lines=lines))
        edges += [Edge(before, f"matmul{k}"), Edge("W", f"matmul{k}")]
        edges += [Edge(before, f"add{k}"), Edge(f"matmul{k}", f"add{k}")]
        before = f"add{k}"
    found = {card.title: [line.text for line in card.lines] for card in
             folded(Picture(tuple(cards), tuple(edges))).cards}  # fmt: skip
    assert found["matmul"] == ["5 of 6: matmul = (previous add) W", "5 of 6: W: (previous add)ᵀ g"]
    assert found["add"] == ["5 of 6: add = f (previous add) + matmul", "×1"]


def test_of_equal_names_in_one_copy_each_keeps_its_number():
    cards, edges, before = [Card("x", "input", "x")], [], "x"
    for k in range(1, 13):
        cards.append(Card(f"s{k}", "op", "sin", lines=(Line(f"sin{k} = sin({before})"),)))
        cards[-1] = replace(cards[-1], cluster=f"b{(k - 1) // 2}")
        edges.append(Edge(cards[-2].id, cards[-1].id))
        before = f"sin{k}"
    boxes = tuple(Cluster(f"b{k}", f"net.{k}") for k in range(6))
    picture = folded(Picture(tuple(cards), tuple(edges), boxes))
    said = [line.text for card in picture.cards for line in card.lines]
    assert said == ["5 of 6: sin1 = sin(previous sin2)", "sin2 = sin(sin1)"]


def test_names_of_a_real_net_are_told_by_copies():
    x = Tensor(np.ones((2, 8), np.float32))
    net = Fed()
    picture = draw(np.sum(net(x)), grad=True, level="op", fold=True).picture
    (cell,) = [
        card for card in picture.cards if len(card.members) > 2 and card.title == "lstm_step"
    ]
    said = " ".join(line.text for line in cell.lines)
    assert "10 of 11: i, f, n, o = gates(x @ w_x + previous getitem1 @ w_h + bias);" in said
    assert "cell = f (previous getitem2) + i n" in said


@pytest.mark.parametrize(("level", "said"), [("op", "cluster"), ("module", "card")])
def test_parameters_are_told_for_each_and_for_all(level, said):
    picture = draw(Added(), np.ones((3, 8), np.float32), level=level, fold=True).picture
    texts = [cluster.detail for cluster in picture.clusters]
    texts += [line.text for card in picture.cards if card.role == "module" for line in card.lines]
    assert texts.count("72 parameters each, 288 in all") == 1
    assert "88 parameters each, 352 in all" in texts
    own = [c.detail for c in picture.clusters if c.detail == "72 parameters each, 288 in all"]
    assert len(own) == (said == "cluster")


def test_parameters_of_a_module_that_is_called_again_count_once():
    class Twice(Module):
        def __init__(self):
            self.layer = Linear(4, 4)

        def forward(self, x):
            for _ in range(6):
                x = np.tanh(self.layer(x))
            return x

    for level in ("op", "module"):
        picture = draw(Twice(), np.ones((2, 4), np.float32), level=level, fold=True).picture
        assert max(cluster.count for cluster in picture.clusters) == 6
        texts = [cluster.detail for cluster in picture.clusters]
        texts += [line.text for card in picture.cards for line in card.lines]
        assert any("20 parameters" in text for text in texts)
        assert not any("in all" in text for text in texts)


def test_folded_gradients_are_told_by_their_norms(added):
    for card in added.cards:
        if card.role == "parameter" and card.title != "weight":
            (said,) = [line.text for line in card.lines if line.style == "orange"]
            assert re.fullmatch(r"gradient of norm [\d.]+ … [\d.]+", said)


def test_what_adds_to_its_input_goes_back_to_both_with_its_gradient(added):
    titles = {card.id: card.title for card in added.cards}
    back = [edge for edge in added.edges if edge.recurrent]
    assert [(titles[e.tail], titles[e.head]) for e in back] == [("add", "linear"), ("add", "add")]
    assert [line.text for line in back[0].lines][:1] == ["4 steps"]
    for edge in back:
        assert edge.style == "gradient"
        assert re.fullmatch(r"← [\d.]+ … [\d.]+", edge.lines[-1].text)
    assert "gradient" in added.legend_entries
    structure_of(added)  # no circle


def test_one_that_vanishes_among_several_does_not_make_them_all_vanish():
    picture = loop(6)
    weak = tuple(
        replace(edge, style="gradient", strength="vanishing" if k < 10 else "normal")
        for k, edge in enumerate(picture.edges)
    )
    found = folded(replace(picture, edges=weak))
    merged = [e for e in found.edges if (e.tail, e.head) == ("W", "0-1")]
    assert [edge.strength for edge in merged] == ["normal"]


def test_clusters_may_be_listed_in_any_order():
    cards = (
        Card("x", "input", "x"),
        *(Card(f"o{i}", "op", "relu", cluster=c) for i, c in enumerate("ab")),
    )
    edges = (Edge("x", "o0"), Edge("o0", "o1"))
    boxes = (Cluster("b", "net.1", "ReLU()"), Cluster("a", "net.0", "ReLU()"))
    for clusters in (boxes, boxes[::-1]):
        (box,) = folded(Picture(cards, edges, clusters)).clusters
        assert (box.id, box.count, box.title) == ("a", 2, "net.0–1")
