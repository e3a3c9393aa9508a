import pytest

from tinygrad_edu.draw import Bar, Card, Cluster, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.picture import LEGEND, ROLES, swatch_card, swatch_edge, swatch_text
from tinygrad_edu.draw.theme import (
    CLUSTER_COUNT,
    CLUSTER_DETAIL,
    CLUSTER_KIND,
    CLUSTER_TITLE,
    CORNER,
    NOTE,
    TEXT_STYLES,
    THEMES,
    TITLE,
    mix,
)
from tinygrad_edu.draw.words import clean, clean_lines
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


# ------------------------------------------------------------------------------ what can be read


def luminance(colour):
    parts = [byte / 255 for byte in bytes.fromhex(colour[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour, other):
    dark, light = sorted((luminance(colour), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_of_contrast_is_that_of_the_guidelines():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


FONTS = (*TEXT_STYLES.values(), TITLE, CORNER)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("look", [{}, {"pale": True}, *({"heat": heat} for heat in range(5))])
def test_every_text_of_a_card_can_be_read(theme, look):
    for role in ROLES:
        card = Card("a", role, "a", **look)
        picture = Picture((card,), theme=theme)
        fill, _, title = picture.card_colours(card)
        assert contrast(title, fill) >= 4.5
        for font in FONTS:
            assert contrast(picture.text_colour(font, card), fill) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_texts_outside_of_cards_can_be_read_and_lines_seen(theme):
    picture = Picture((), theme=theme)
    colours = picture.colours
    for ground in (colours.background, colours.box):
        for font in (*FONTS, CLUSTER_TITLE, CLUSTER_COUNT, CLUSTER_KIND, CLUSTER_DETAIL, NOTE):
            assert contrast(picture.text_colour(font), ground) >= 4.5
        for edge in (
            Edge("a", "b", style=style, recurrent=recurrent)
            for style in ("data", "parameter", "constant", "gradient", "absent")
            for recurrent in (False, True)
        ):
            assert contrast(picture.edge_colour(edge), ground) >= 3
        for role in ROLES:
            assert contrast(colours.stroke[role], ground) >= 3


def test_every_role_and_every_look_has_a_word():
    assert set(ROLES) < set(LEGEND)
    assert all(LEGEND.values())
    for entry in LEGEND:
        if swatch_card(entry) is None and swatch_text(entry) is None:
            line = swatch_edge(entry)
            assert entry in (line.style, line.strength) or line.recurrent
    with pytest.raises(DiagramError, match="explains no line"):
        swatch_edge("op")


def test_what_occurs_is_in_the_legend():
    cards = (Card("a", "op", "a", pale=True), Card("b", "op", "b", change="added"))
    edges = (Edge("a", "b", change="removed"), Edge("b", "a", recurrent=True))
    assert Picture(cards, edges).legend_entries == ("op", "pale", "recurrent", "added", "removed")
