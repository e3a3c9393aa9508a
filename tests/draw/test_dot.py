import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.draw import Bar, Card, Cluster, Edge, Histogram, Line, Picture, draw
from tinygrad_edu.draw.dot import dot_source
from tinygrad_edu.draw.words import clean

HOSTILE = [
    'say "hi"',
    "<script>alert(1)</script>",
    "]]>",
    "-->",
    "two\nlines",
    "back\\slash \\N \\G \\l \\",
    "größe 層 🙂 ∂",
    "&amp; &lt; &#60; & ;",
    "'; drop table",
    "<b>bold</b>",
    "<",
    ">",
    "",
    "   ",
    "\x00\x08\x1f\x7f",
    "\ud800",
    "\u202egnp",
    "port:n",
    "n-0",
    "digraph { a -> b }",
    "{ | }",
    "//comment",
    "/*",
    "#",
    "x" * 5000,
]


def hostile_picture(name):
    bars = (Bar(0.3, Line(name)),)
    histograms = (Histogram((1,) * 12, caption=Line(name)),)
    cards = (
        Card(name, "input", name, name, (Line(name, "orange"),), ((name, "1"),), histograms, bars),
        Card("o", "op", name, lines=(Line(name),), tooltip=name, cluster=name),
        Card("p" + name, "parameter", name, name, cluster=name),
    )
    edges = (
        Edge(name, "o", (Line(name), Line(name, "red")), tooltip=name),
        Edge("p" + name, "o", (Line(name),)),
    )
    clusters = (Cluster(name, name, name, name),)
    return Picture(cards, edges, clusters, title=name, description=name)


TOKEN = re.compile(r'\s+|"((?:[^"\\]|\\.)*)"|->|[\w.#-]+|[][{}=;,:]', re.S)


def tokens(source):
    """Yield (kind, text) of DOT source by the rules of its grammar; nothing is repaired."""
    place = 0
    while place < len(source):
        match = TOKEN.match(source, place)
        if match:
            place = match.end()
            if match[1] is not None:
                yield "quoted", match[1]
            elif match[0].strip():
                yield "plain", match[0]
            continue
        assert source[place] == "<", source[place : place + 40]
        depth, start = 1, place + 1
        while depth:
            place += 1
            depth += {"<": 1, ">": -1}.get(source[place], 0)
        place += 1
        yield "html", source[start : place - 1]


@pytest.mark.hazard(38)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_of_a_user_gets_out_of_its_place(name):
    found = list(tokens(dot_source(hostile_picture(name)).encode().decode()))
    plain = [text for kind, text in found if kind == "plain"]
    assert plain.count("{") == plain.count("}") == 4  # the graph, the cluster, one unit, its rank
    assert plain.count("->") == 2
    names = {text for kind, text in found if kind == "quoted" and re.fullmatch(r"n-\d+", text)}
    assert names - {name} == {"n-0", "n-1", "n-2"} - {name}
    written = set()
    for kind, text in found:
        if kind == "html":
            root = ET.fromstring(f"<label>{text}</label>")
            assert {element.tag for element in root.iter()} <= {
                "label", "TABLE", "TR", "TD", "FONT", "B",
            }  # fmt: skip
            written.update(element.text for element in root.iter() if element.text)
    if clean(name):
        assert clean(name).replace("\\", "\\\\") in written  # in labels, too, \\ is a sign to DOT


def test_equal_pictures_give_equal_bytes(net):
    assert dot_source(net) == dot_source(replace(net))


def test_ids_are_stable(net):
    source = dot_source(net)
    for number in range(len(net.cards)):
        assert f'id="n-{number}"' in source
    for name in ("e-2-0", "e-2-1", "e-7-1", "c-0", "c-1", "c-1-border"):
        assert f'id="{name}"' in source


def statement(source, start):
    """Return the attributes of the edge or node that begins so, tables taken out."""
    line = next(line for line in source.splitlines() if line.strip().startswith(start))
    return re.sub(r"<.*>", "", line)


def test_the_backbone_is_heavy_and_in_one_group(net):
    source = dot_source(net)
    spine = statement(source, '"n-0":e -> "n-2":w')
    assert "weight=50" in spine
    assert source.count("weight=50") == 5
    assert source.count("group=main") == 6


def test_parameters_share_the_rank_of_their_op(net):
    ranks = re.findall(r"\{\s*rank=same\s(.*?)\n\t*\}", dot_source(net), re.S)
    found = [re.findall(r'^\s*"(n-\d+)" \[', rank, re.M) for rank in ranks]
    assert sorted(found) == [["n-2", "n-1"], ["n-4", "n-3"], ["n-7", "n-6"]]


def test_gradients_point_back_and_what_is_absent_is_dashed(net):
    source = dot_source(net)
    assert "dir=back" in statement(source, '"n-2":e -> "n-4":w')
    assert "style=dashed" in statement(source, '"n-0":e -> "n-2":w')
    assert "dir=" not in statement(source, '"n-0":e -> "n-2":w')


def test_bars_are_cells_of_fixed_size(net):
    source = dot_source(net)
    columns = source.count('FIXEDSIZE="TRUE" WIDTH="6"')
    assert columns == 2 * 12 * 4  # air and bar, twelve each, four histograms
    assert "<IMG" not in source


def test_only_roles_that_occur_are_in_the_legend(net):
    assert "gradient not computed" in dot_source(net)
    assert "frozen" not in dot_source(net)
    assert "gradient not computed" not in dot_source(replace(net, legend=()))


def test_a_folded_cluster_has_two_borders_and_its_count(net):
    source = dot_source(net)
    assert "× 3" in source
    assert source.count('subgraph "cluster-1-border"') == 1


def test_states_change_the_look():
    plain = Card("a", "parameter", "W")
    shown = {
        dot_source(Picture((card,), legend=()))
        for card in (
            plain,
            replace(plain, frozen=True),
            replace(plain, nonfinite=3),
            replace(plain, heat=4),
            replace(plain, pale=True),
            replace(plain, role="op"),
        )
    }
    assert len(shown) == 6


@pytest.mark.hazard(38)
def test_deep_nests_and_long_chains_need_no_recursion(chain):
    depth = 1500
    nest = Picture(
        (Card("a", "op", "a", cluster=f"c{depth - 1}"),),
        (),
        tuple(Cluster(f"c{i}", "", parent=f"c{i - 1}" if i else None) for i in range(depth)),
    )
    assert dot_source(nest).count("subgraph") == depth
    assert '"n-4000"' in dot_source(chain(2000))


def test_arrows_of_the_legend_have_a_head_of_one_piece(net):
    """One built of columns is drawn as stripes."""
    legend = dot_source(net).partition("label=<")[2].partition("\n\tnode")[0]
    assert legend.count("◄") == 1
    assert 'WIDTH="1"' not in legend


def test_a_title_stands_below_where_much_enters_from_above():
    cards = (
        *(Card(name, "parameter", name) for name in "abc"),
        Card("f", "op", "f", cluster="c"),
        Card("g", "op", "g", cluster="c"),
        Card("y", "output", "y"),
    )
    pairs = ["af", "bf", "cf", "bg", "ag", "cg", "fg", "gy"]
    picture = Picture(cards, tuple(Edge(*pair) for pair in pairs), (Cluster("c", "cell"),))

    def place(rankdir, picture=picture):
        source = dot_source(replace(picture, rankdir=rankdir))
        return source.rpartition("labeljust=l labelloc=")[2][:1]

    assert place("TB") == "b"
    assert place("LR") == "t"
    chain = Picture(cards[2:], (Edge("c", "f"), Edge("f", "g"), Edge("g", "y")), picture.clusters)
    assert place("TB", chain) == "t"


def curves(source):
    """Yield the control points of each curve that dot draws, with all cards as rectangles."""
    done = subprocess.run(
        ["dot", "-Tplain"], input=source, capture_output=True, encoding="utf-8", check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    boxes = {}
    for row in rows:
        if row[0] == "node" and row[1].strip('"').startswith("n-"):
            x, y, wide, high = map(float, row[2:6])
            boxes[row[1]] = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
    for row in rows:
        if row[0] == "edge":
            numbers = [float(number) for number in row[4 : 4 + 2 * int(row[3])]]
            yield list(zip(numbers[::2], numbers[1::2], strict=True)), boxes.values()


def along(points):
    """Yield places along a row of cubic curves."""
    for first in range(0, len(points) - 1, 3):
        for t in np.linspace(0, 1, 30):
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            yield np.dot(weights, points[first : first + 4])


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
@pytest.mark.parametrize("rankdir", ["LR", "TB"])
@pytest.mark.parametrize("grad", [False, True])
def test_no_curve_runs_through_the_card_that_it_joins(grad, rankdir):
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    mask = np.array([[True, False], [True, True]])
    loss = (np.where(mask, x * x, x) + x.T + x[0]).sum()
    found = list(curves(draw(loss, grad=grad, rankdir=rankdir).source))
    assert len(found) == 13
    inch = 1 / 72
    for points, boxes in found:
        for px, py in along(points):
            for left, low, right, high in boxes:
                deep = min(px - left, right - px, py - low, high - py)
                assert deep < 4 * inch
