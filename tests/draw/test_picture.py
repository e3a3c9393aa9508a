import pytest

from tinygrad_edu.draw import Bar, Card, Cluster, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.picture import THEMES, clean, clean_lines, mix
from tinygrad_edu.errors import DiagramError


def two(**changes):
    cards = (Card("a", "input", "a"), Card("b", "output", "b"))
    return Picture(**{"cards": cards, "edges": (Edge("a", "b"),), **changes})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Card("a", "weight", "a"), "weight"),
        (lambda: Card("a", "op", "a", values=(("1",), ("2", "3"))), "differ in length"),
        (lambda: Card("a", "op", "a", heat=5), "0 to 4"),
        (lambda: Histogram((1.0,) * 11), "12 bars"),
        (lambda: Histogram((float("nan"),) + (1.0,) * 11), "finite"),
        (lambda: Histogram((-1.0,) + (1.0,) * 11), "not negative"),
        (lambda: Bar(1.5, Line("150 %")), "fraction"),
        (lambda: Edge("a", "b", style="wavy"), "wavy"),
        (lambda: Edge("a", "b", width=9.0), "3.5"),
        (lambda: two(edges=(Edge("a", "c"),)), "no card has the id 'c'"),
        (lambda: two(cards=(Card("a", "op", "a"), Card("a", "op", "b")), edges=()), "two cards"),
        (lambda: two(clusters=(Cluster("c", "c"), Cluster("c", "d"))), "two clusters"),
        (lambda: two(clusters=(Cluster("c", "c", parent="p"),)), "no cluster has the id 'p'"),
        (lambda: two(cards=(Card("a", "op", "a", cluster="q"),), edges=()), "'q'"),
        (lambda: two(rankdir="RL"), "LR or TB"),
        (lambda: two(theme="neon"), "neon"),
        (lambda: two(legend=("op", "unicorn")), "unicorn"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_name(make, words):
    with pytest.raises(DiagramError, match=words):
        make()


def test_the_legend_has_only_what_occurs(net):
    assert two().legend_entries == ("input", "output")
    assert two(legend=()).legend_entries == ()
    assert net.legend_entries == (
        "input", "parameter", "constant", "op", "output", "gradient", "absent",
    )  # fmt: skip
    broken = Card("a", "parameter", "a", frozen=True, nonfinite=2)
    assert Picture((broken,)).legend_entries == ("parameter", "frozen", "nonfinite")


def test_states_are_told_in_words_too():
    card = Card("a", "parameter", "W", "parameter", frozen=True, nonfinite=1)
    assert card.corner_text == "parameter, frozen"
    assert card.body[-1].text == "1 value is nan or inf"
    assert "frozen" in card.description
    assert "nan" in card.description


def test_bars_are_whole_pixels_and_none_disappears():
    heights = Histogram((0, 0, 0, 0, 0, 0, 0, 0, 0, 1e-9, 5, 10)).pixels(20)
    assert heights == (1,) * 10 + (10, 20)
    assert Histogram((0,) * 12).pixels(20) == (1,) * 12


def test_huge_heights_do_not_overflow():
    assert Histogram((1e308,) * 12).pixels(20) == (20,) * 12


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc  d", "a b c d"),
        ("a\x00b\x1b[31m", "a\ufffdb\ufffd[31m"),
        ("\ud800", "\ufffd"),
        ("abc\u202egpj.exe", "abc\ufffdgpj.exe"),
        ("\ufffe\uffff", "\ufffd\ufffd"),
        ("größe 層 🙂", "größe 層 🙂"),
        ("x" * 100, "x" * 47 + "…"),
        ("  ", ""),
    ],
)
def test_texts_become_one_harmless_line(text, shown):
    assert clean(text) == shown


def test_tooltips_keep_their_lines():
    assert clean_lines("mean 0\r\nstd 1\x07\n") == "mean 0\nstd 1\ufffd"
    assert len(clean_lines("line\n" * 10_000)) <= 2000


def test_mix_moves_a_colour_towards_another():
    assert mix("#000000", "#FFFFFF", 0.5) == "#808080"
    assert mix("#123456", "#FFFFFF", 0.0) == "#123456"


def test_exploding_is_red_and_bold_and_absent_differs_from_a_gradient():
    picture = two()
    exploding = Edge("a", "b", style="gradient", strength="exploding")
    assert picture.edge_colour(exploding) == picture.colours.alarm
    assert exploding.pen == 3.5
    absent, gradient = Edge("a", "b", style="absent"), Edge("a", "b", style="gradient")
    assert absent.dash == "dashed"
    assert gradient.dash == "solid"
    assert picture.edge_colour(absent) != picture.edge_colour(gradient)
    assert Edge("a", "b", style="gradient", strength="vanishing").dash == "dotted"


def luminance(colour):
    parts = [byte / 255 for byte in bytes.fromhex(colour[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_every_fill(theme):
    colours = THEMES[theme]
    for fill in (*colours.fill.values(), colours.box, colours.background, *colours.heat):
        dark, light = sorted([luminance(fill), luminance(colours.text)])
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2, level AA
