import itertools
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.draw import Bar, Card, Cluster, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.direction import page_direction
from tinygrad_edu.draw.layout import lay_out
from tinygrad_edu.draw.measure import face_of, label_of, text_width
from tinygrad_edu.draw.picture import ROLES
from tinygrad_edu.draw.svg import own_svg
from tinygrad_edu.draw.theme import Font

SVG = "{http://www.w3.org/2000/svg}"

words = st.text(max_size=60) | st.sampled_from(["W", "matmul", "100 × 784 float64", "‖∂L/∂W‖"])
styles = st.sampled_from(["normal", "grey", "orange", "large", "value", "red"])
captions = st.builds(Line, words, styles)
lines = st.lists(captions, max_size=3).map(tuple)
heights = st.lists(st.floats(0, 1e6), min_size=12, max_size=12).map(tuple)
histograms = st.lists(st.builds(Histogram, heights, caption=captions), max_size=2).map(tuple)
bars = st.lists(st.builds(Bar, st.floats(0, 1), captions), max_size=2).map(tuple)
grids = st.integers(0, 3).flatmap(
    lambda columns: st.lists(st.tuples(*[words] * columns), max_size=3).map(tuple)
)
cards = st.builds(
    Card,
    st.just("a"),
    st.sampled_from(ROLES),
    words,
    words,
    lines,
    grids,
    histograms,
    bars,
    nonfinite=st.integers(0, 2),
    frozen=st.booleans(),
)

# Cards of a few different sizes: what matters in a whole picture is how they are joined.
FACES = (
    Card("", "op", "+"),
    Card("", "parameter", "W", "parameter", histograms=(Histogram((1,) * 12),)),
    Card("", "constant", "labels of a batch", "constant, no gradient", (Line("100"),) * 4),
    Card("", "input", "x", lines=(Line("100 × 784 float64"),), values=(("1", "2"),) * 3),
    Card("", "output", "L", "output", (Line("2.4913", "large"),)),
)
LABELS = ((), (Line("100 × 50"),), (Line("100 × 50"), Line("← 0.0507", "orange")))


@st.composite
def pictures(draw):
    """Graphs without circles, with nested clusters and several edges between the same two cards."""
    count = draw(st.integers(1, 14))
    clusters = tuple(
        Cluster(f"c{i}", "layers", "Linear(784, 50)" * (i % 2), parent=parent, count=1 + i % 3)
        for i in range(draw(st.integers(0, 5)))
        for parent in [draw(st.sampled_from([None, *(f"c{k}" for k in range(i))]))]
    )
    homes = st.sampled_from([None, *(cluster.id for cluster in clusters)])
    drawn = tuple(
        replace(draw(st.sampled_from(FACES)), id=str(i), cluster=draw(homes)) for i in range(count)
    )
    numbers = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(numbers, numbers), max_size=24))
    edge_styles = st.sampled_from(["data", "gradient", "absent"])
    edges = tuple(
        Edge(str(min(pair)), str(max(pair)), draw(st.sampled_from(LABELS)), draw(edge_styles))
        for pair in pairs
        if pair[0] != pair[1]
    )
    turning = tuple(
        Edge(str(tail), str(head), draw(st.sampled_from(LABELS)), recurrent=True)
        for tail, head in draw(st.lists(st.tuples(numbers, numbers), max_size=4))
    )
    edges += turning
    return Picture(drawn, edges, clusters, rankdir=draw(st.sampled_from(["LR", "TB"])))


def apart(a, b):
    slack = 1e-6
    return (
        a.x + a.width <= b.x + slack
        or b.x + b.width <= a.x + slack
        or a.y + a.height <= b.y + slack
        or b.y + b.height <= a.y + slack
    )


def inside(a, b):
    slack = 1e-6
    return (
        a.x >= b.x - slack
        and a.y >= b.y - slack
        and a.x + a.width <= b.x + b.width + slack
        and a.y + a.height <= b.y + b.height + slack
    )


def boxes_around(structure, place):
    while place is not None:
        yield place
        place = structure.boxes[place].parent


@given(pictures())
def test_nothing_overlaps(picture):
    layout = lay_out(picture)
    structure = layout.structure
    for a, b in itertools.combinations(layout.cards, 2):
        assert apart(a, b)
    for card, place in enumerate(structure.box_of):
        mine = set(boxes_around(structure, place))
        for number, box in enumerate(layout.boxes):
            check = inside if number in mine else apart
            assert check(layout.cards[card], box)
    for (i, a), (j, b) in itertools.combinations(enumerate(layout.boxes), 2):
        nested = i in boxes_around(structure, j)
        assert inside(b, a) if nested else apart(a, b)
    for card in layout.cards:
        assert 0 <= card.x <= card.x + card.width <= layout.width
        assert 0 <= card.y <= card.y + card.height <= layout.height


def samples(route, across):
    """Yield points along a route, curves included."""
    across = across != route.hangs
    for a, b in itertools.pairwise(route.points):
        for k in range(17):
            t = k / 16
            bow = t * t * (3 - 2 * t)  # cross direction; the main direction of these curves is
            even = 0.5 * (3 * t * (1 - t) ** 2 + 3 * t * t * (1 - t)) + t**3  # this
            u, v = (even, bow) if across else (bow, even)
            yield a.x + (b.x - a.x) * u, a.y + (b.y - a.y) * v


@given(pictures())
def test_lines_join_their_cards_and_run_through_no_other(picture):
    layout = lay_out(picture)
    for edge, route in enumerate(layout.routes):
        tail, head = layout.structure.tails[edge], layout.structure.heads[edge]
        for card, point in ((tail, route.points[0]), (head, route.points[-1])):
            x, y, width, height = layout.cards[card]
            on_side = min(abs(point.x - x), abs(point.x - x - width)) < 1e-6
            on_edge = min(abs(point.y - y), abs(point.y - y - height)) < 1e-6
            assert (on_side and y <= point.y <= y + height) or (
                on_edge and x <= point.x <= x + width
            )
        for x, y in samples(route, picture.rankdir == "LR"):
            for number, card in enumerate(layout.cards):
                if number not in (tail, head):
                    assert not (
                        card.x < x < card.x + card.width and card.y < y < card.y + card.height
                    )


@given(pictures())
def test_the_backbone_is_straight(picture):
    layout = lay_out(picture)
    middles = [
        layout.cards[i].y + layout.cards[i].height / 2
        if picture.rankdir == "LR"
        else layout.cards[i].x + layout.cards[i].width / 2
        for i in layout.structure.backbone
    ]
    assert max(middles) - min(middles) < 1e-6


@given(cards)
def test_no_text_and_no_bar_leaves_its_card(card):
    face = face_of(card)
    for word in face.words:
        width = text_width(word.text, word.font)
        start = word.x - {"start": 0, "middle": width / 2, "end": width}[word.anchor]
        assert start >= 0
        assert start + width <= face.width + 1e-9
        assert word.y - 0.8 * word.font.size >= 0
        assert word.y + 0.2 * word.font.size <= face.height
    for block in face.blocks:
        assert 0 <= block.x <= block.x + block.width <= face.width
        assert 0 <= block.y <= block.y + block.height <= face.height


def extent(word):
    width = text_width(word.text, word.font)
    start = word.x - {"start": 0, "middle": width / 2, "end": width}[word.anchor]
    return start, start + width


@given(cards)
def test_texts_of_one_row_stand_well_apart(card):
    for a, b in itertools.combinations(face_of(card).words, 2):
        if abs(a.y - b.y) < 2:
            (left, end), (start, right) = extent(a), extent(b)
            assert end + 5 <= start or right + 5 <= left


@given(cards)
def test_captions_do_not_touch_their_bars(card):
    face = face_of(card)
    for word in face.words:
        start, end = extent(word)
        for block in face.blocks:
            level = block.y < word.y and word.y - word.font.size < block.y + block.height
            if block.paint != "cell" and level:
                assert block.x + block.width <= start or end <= block.x


def test_widths_are_those_of_the_widest_common_font():
    """A real font, where there is one, needs no more room than the table gives, nor much less."""
    fonts = pytest.importorskip("matplotlib.font_manager")
    from matplotlib.ft2font import FT2Font

    signs = [chr(i) for i in range(32, 127)] + list("×±−←→∂Σσ∇·ᵀ‖²₁…é")
    for bold in (False, True):
        family = fonts.FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
        font = FT2Font(fonts.findfont(family))
        font.set_size(100, 72)
        for sign in signs:
            real = font.load_char(ord(sign)).linearHoriAdvance / 65536
            assert real - 5 <= text_width(sign, Font(100, bold, "text")) <= 2 * real + 25, sign
        for text in ("softmax_xent", "parameter", "100 × 784 float64", "L = −mean log p[t]"):
            real = sum(font.load_char(ord(sign)).linearHoriAdvance / 65536 for sign in text)
            assert real <= text_width(text, Font(100, bold, "text")) <= 1.15 * real, text


@given(pictures())
def test_svg_is_well_formed_and_complete(picture):
    root = ET.fromstring(own_svg(picture))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    structure = lay_out(picture).structure
    assert {f"n-{i}" for i in range(len(picture.cards))} <= set(ids)
    assert sum(name.startswith("e-") for name in ids) == len(picture.edges)
    assert sum(name.startswith("c-") for name in ids) == len(structure.boxes)


@given(pictures())
def test_equal_pictures_give_equal_bytes(picture):
    assert own_svg(picture) == own_svg(picture)


def test_labels_stand_apart_from_one_another(net):
    labels = [route.label for route in lay_out(net).routes if route.label]
    assert len(labels) == sum(label_of(edge) is not None for edge in net.edges) > 3
    for a, b in itertools.combinations(labels, 2):
        assert apart(a, b)


def test_parameters_stand_below_their_op_or_beside_it(net):
    layout = lay_out(net)
    matmul, weight = layout.cards[2], layout.cards[1]
    assert weight.y > matmul.y + matmul.height
    assert weight.x + weight.width / 2 == pytest.approx(matmul.x + matmul.width / 2)


def test_the_drawing_speaks(net):
    root = ET.fromstring(own_svg(net))
    assert root.get("role") == "img"
    assert "a small net" in root.get("aria-label")
    assert root.findtext(f"{SVG}title") == "a small net"
    assert "9" not in root.findtext(f"{SVG}desc").split()[2]
    titles = {g.get("id"): g.findtext(f"{SVG}title") for g in root.iter(f"{SVG}g")}
    assert titles["n-1"].startswith("W (parameter)\n784 × 50")
    assert titles["e-2-1"] == "W → matmul"
    assert titles["c-0"] == "layers.0 Linear(784, 50) 39,250 parameters"


def test_it_shrinks_with_the_page_and_refers_to_nothing(net):
    text = own_svg(net)
    root = ET.fromstring(text)
    assert root.get("width") is None
    assert root.get("height") is None
    assert "max-width:100%" in root.get("style")
    assert len(root.get("viewBox").split()) == 4
    assert "url(" not in text
    assert "href" not in text


def test_arrows_of_gradients_point_at_the_producer(net):
    layout = lay_out(net)
    root = ET.fromstring(own_svg(net))
    groups = {g.get("id"): g for g in root.iter(f"{SVG}g")}
    tips = {
        name: [float(x) for x in groups[name].find(f"{SVG}polygon").get("points").split(",")[:1]]
        for name in ("e-4-0", "e-2-0")
    }
    matmul = layout.cards[2]
    assert tips["e-4-0"][0] == pytest.approx(matmul.x + matmul.width, abs=0.01)
    assert tips["e-2-0"][0] == pytest.approx(matmul.x, abs=0.01)


@pytest.mark.hazard(38)
def test_five_thousand_cards_are_drawn(chain):
    picture = chain(2500)
    assert len(picture.cards) == 5001
    root = ET.fromstring(own_svg(picture))
    assert sum(g.get("id", "").startswith("n-") for g in root.iter(f"{SVG}g")) == 5001


@pytest.mark.parametrize("shape", ["fan", "stack", "nest"])
def test_a_thousand_cards_of_an_awkward_shape_are_drawn(shape):
    n = 1000
    cards = [Card(str(i), "op", f"op{i}") for i in range(n)]
    clusters = ()
    if shape == "fan":
        pairs = [(0, i) for i in range(1, n - 1)] + [(i, n - 1) for i in range(1, n - 1)]
    elif shape == "stack":  # every card also goes to the last one
        pairs = [(i, i + 1) for i in range(n - 1)] + [(i, n - 1) for i in range(n - 2)]
    else:
        pairs = [(i, i + 1) for i in range(n - 1)]
        cards = [Card(str(i), "op", f"op{i}", cluster=f"c{i}") for i in range(n)]
        clusters = tuple(Cluster(f"c{i}", "", parent=f"c{i - 1}" if i else None) for i in range(n))
    edges = tuple(Edge(str(a), str(b)) for a, b in pairs)
    layout = lay_out(Picture(tuple(cards), edges, clusters))
    in_order = sorted(layout.cards)
    assert len(layout.routes) == len(edges)
    assert all(apart(a, b) for a, b in itertools.pairwise(in_order))


def test_repeated_squaring_has_one_card_a_value():
    cards = tuple(Card(str(i), "op" if i else "input", "x²" if i else "x") for i in range(19))
    edges = tuple(Edge(str(i), str(i + 1)) for i in range(18) for _ in range(2))
    layout = lay_out(Picture(cards, edges))
    assert len(layout.cards) == 19
    assert len({route.points for route in layout.routes}) == 36


@pytest.mark.hazard(38)
@pytest.mark.parametrize(
    "name",
    [
        '"',
        "<script>alert(1)</script>",
        "]]>",
        "a\nb",
        "\\",
        "&amp;",
        "-->",
        "層 ∂ 🙂",
        "\x00",
        "\ud800",
    ],
)
def test_names_are_written_as_they_are(name):
    label = (Line(f"[{name}]"),)
    cards = (
        Card("a", "input", f"t{name}", f"c{name}", label, tooltip=f"tip {name}", cluster="c"),
        Card("b", "output", "y"),
    )
    edges = (Edge("a", "b", (Line(f"e{name}"),), tooltip=f"edge {name}"),)
    picture = Picture(cards, edges, (Cluster("c", f"k{name}"),), title=name, description=name)
    root = ET.fromstring(own_svg(picture).encode())
    shown = name.replace("\n", " ").replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    texts = {text.text for tag in ("text", "tspan") for text in root.iter(f"{SVG}{tag}")}
    assert {f"t{shown}", f"c{shown}", f"[{shown}]", f"e{shown}", f"k{shown}"} <= texts
    titles = {g.get("id"): g.findtext(f"{SVG}title") for g in root.iter(f"{SVG}g")}
    assert titles["n-0"].replace("\n", " ") == f"tip {shown}"
    assert titles["e-1-0"].replace("\n", " ") == f"edge {shown}"
    assert root.find(f".//{SVG}script") is None


def test_crossings_that_can_be_avoided_are():
    """In the order of creation, the line of c would cross that of b."""
    names = [*"abc", "p", "q", "y"]
    pairs = ["ap", "cp", "bq", "py", "qy"]
    cards = tuple(Card(name, "input" if name in "abc" else "op", name) for name in names)
    layout = lay_out(Picture(cards, tuple(Edge(*pair) for pair in pairs)))
    a, b, c, p, q, _ = (card.y for card in layout.cards)
    assert (b > max(a, c)) == (q > p)
    assert not min(a, c) < b < max(a, c)


def test_an_empty_picture_is_drawn():
    assert ET.fromstring(own_svg(Picture(()))).get("role") == "img"


# ------------------------------------------------------------------------------ what goes back


def test_a_loop_goes_over_its_card_and_keeps_its_label_off_it():
    card = Card("a", "module", "LSTM", lines=(Line("64 → 64"),))
    loop = Edge("a", "a", (Line("(h, c)"),), recurrent=True)
    layout = lay_out(Picture((card,), (loop, replace(loop, lines=()))))
    (place,) = layout.cards
    for route in layout.routes:
        assert min(point.y for point in route.points) < place.y
        assert route.points[0].x == place.x + place.width
        assert route.points[-1].x == place.x
    label = layout.routes[0].label
    assert apart(label, place)
    assert label.y >= 0


def test_a_recurrent_edge_ends_at_its_head():
    cards = tuple(Card(name, "op", name) for name in "abc")
    edges = (Edge("a", "b"), Edge("b", "c"), Edge("c", "a", (Line("next"),), recurrent=True))
    layout = lay_out(Picture(cards, edges))
    first, last = layout.routes[2].points[0], layout.routes[2].points[-1]
    a, _, c = layout.cards
    assert first.x == pytest.approx(c.x)
    assert last.x == pytest.approx(a.x + a.width)
    assert layout.routes[2].label is not None


def test_of_two_that_hang_one_stands_above():
    cards = (
        Card("x", "input", "x"),
        Card("W", "parameter", "W"),
        Card("b", "parameter", "b"),
        Card("f", "op", "f"),
    )
    edges = tuple(Edge(name, "f") for name in "xWb")
    across = lay_out(Picture(cards, edges))
    _, weight, bias, op = across.cards
    assert weight.y > op.y > bias.y
    downwards = lay_out(Picture(cards, edges, rankdir="TB"))
    _, weight, bias, op = downwards.cards
    assert weight.x > op.x
    assert bias.x > op.x


def test_a_page_direction_keeps_letters_readable(net, chain):
    assert page_direction(net) == "LR"
    assert page_direction(replace(net, rankdir="TB")) == "LR"
    assert page_direction(chain(20)) == "TB"
    assert page_direction(chain(300)) == "TB"
    for length in range(1, 12):
        picture = chain(length)
        width = lay_out(picture).width
        assert (page_direction(picture) == "LR") == (10 * 1000 / width >= 7)
