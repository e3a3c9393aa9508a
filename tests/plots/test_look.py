"""The look: Matplotlib's settings are borrowed, one sentence tells that it is missing."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import plots
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.spread import binned

matplotlib = pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
STRIP = [binned(RNG.standard_normal(50)) for _ in range(3)]
BOWL = plots.loss_surface(
    lambda weights: float((weights[0] ** 2).sum()) + 0.1,
    [np.zeros(3)],
    RNG.standard_normal((4, 3)),
    iterations=(0, 1, 2, 4),
    points=5,
)
RECORDS = [
    {"iteration": 0, "loss": None, "test_accuracy": 0.1},
    {"iteration": 9, "loss": 1.5, "test_accuracy": 0.7},
]
PICTURES: dict[str, Callable[..., plots.Plot]] = {
    "attention": lambda **o: plots.attention(np.full((2, 3, 3), 1 / 3), list("a$b"), **o),
    "confusion": lambda **o: plots.confusion(RNG.integers(0, 9, (3, 3)), ["$a", "b$", "c"], **o),
    "confusion of many": lambda **o: plots.confusion(np.eye(15, dtype=int) + 1, **o),
    "curves": lambda **o: plots.curves(RECORDS, epoch=3, **o),
    "filters": lambda **o: plots.filters(RNG.standard_normal((5, 1, 3, 3)), **o),
    "filters of colours": lambda **o: plots.filters(RNG.standard_normal((5, 3, 3, 3)), **o),
    "filters of a deep layer": lambda **o: plots.filters(RNG.standard_normal((9, 8, 3, 3)), **o),
    "histograms": lambda **o: plots.histograms({"a": RNG.standard_normal(50), "b": [2.0]}, **o),
    "histograms over time": lambda **o: plots.histograms_over_time({"a": STRIP}, (0, 2, 4), **o),
    "image rows": lambda **o: plots.image_rows({"as it is": np.zeros((2, 4, 4))}, **o),
    "mistakes": lambda **o: plots.mistakes(
        RNG.random((4, 5, 5)), [0, 1, 2, 0], [1, 1, 0, 2], [0.5, 1.0, 0.9, 0.2], **o
    ),
    "rates": lambda **o: plots.rates(np.array([0.1, 1]), np.ones(2), np.ones(2), 0.3, **o),
    "side by side": lambda **o: plots.side_by_side([("1: $ $", {"x": [1.0, 2.0]})], **o),
    "surface": lambda **o: plots.surface(BOWL, **o),
    "weights": lambda **o: plots.weights(RNG.standard_normal((6, 2)), **o),
    "weights as images": lambda **o: plots.weights(RNG.standard_normal((6, 2)), (2, 3), **o),
}


@pytest.fixture(params=PICTURES)
def picture(request: pytest.FixtureRequest) -> Callable[..., plots.Plot]:
    return PICTURES[request.param]


def test_a_picture_is_drawn_light_and_dark_and_leaves_nothing_behind(
    picture: Callable[..., plots.Plot],
) -> None:
    from matplotlib import pyplot

    before, figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    for theme, look in plots.LOOKS.items():
        plot = picture(title="a $title", theme=theme)
        assert matplotlib.colors.same_color(plot.figure.get_facecolor(), look.background)
        assert plot.png.startswith(b"\x89PNG")
        assert plot.theme == theme
        assert len(plot.alt) > 20
        assert plot.alt.endswith(".")
    assert pyplot.get_fignums() == figures  # others may have left theirs
    assert dict(matplotlib.rcParams) == before


def test_what_a_user_has_set_changes_no_picture(tmp_path: Path) -> None:
    plain = PICTURES["curves"]().save(tmp_path / "plain.png").read_bytes()
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "text.color": "pink"}):
        assert PICTURES["curves"]().save(tmp_path / "own.png").read_bytes() == plain


def test_without_matplotlib_one_sentence_says_what_to_install(
    picture: Callable[..., plots.Plot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DiagramError, match=r"pip install 'tinygrad_edu\[plot\]'$") as caught:
        picture()
    assert "\n" not in str(caught.value)


def test_a_long_title_is_written_in_lines_that_fit() -> None:
    figure = plots.curves(RECORDS, title="784-100-10 relu, adam " * 9).figure
    figure.canvas.draw()
    drawn = figure._suptitle.get_window_extent()
    assert drawn.width < figure.bbox.width
    assert figure.get_suptitle().count("\n") >= 1


def test_another_theme_is_refused_by_name() -> None:
    with pytest.raises(DiagramError, match="found theme="):
        plots.confusion([[1]], theme=["dark"])  # type: ignore[arg-type]
    with pytest.raises(DiagramError, match=r"theme='blue'; expected 'light' or 'dark'"):
        plots.confusion([[1]], theme="blue")


# Linear light as it is seen without one kind of cones (G. Machado, M. Oliveira, L. Fernandes, "A
# physiologically-based model for simulation of color vision deficiency", 2009, severity 1). One in
# ten thousand has no cones for blue and confuses blue and green; the lines have marks of their own.
SEEN = {
    "all cones": np.eye(3),
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


@pytest.mark.parametrize("theme", plots.LOOKS)
@pytest.mark.parametrize("eyes", SEEN)
def test_the_hues_that_stand_together_differ_for_all_eyes(eyes: str, theme: str) -> None:
    look = plots.LOOKS[theme]
    hues = [*look.palette[:3], look.text, look.background]
    light = np.array([matplotlib.colors.to_rgb(hue) for hue in hues]) ** 2.2
    seen = np.clip(light @ np.transpose(SEEN[eyes]), 0, 1) ** (1 / 2.2)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(len(hues))
    assert apart.min() > 0.2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.attention(np.zeros(3)), r"attention: found weights of shape \(3,\)"),
        (lambda: plots.attention(np.zeros((2, 3)), ["a"]), "1 queries and 3 keys"),
        (lambda: plots.confusion(np.zeros((2, 3))), r"confusion: found counts of shape \(2, 3\)"),
        (lambda: plots.confusion([[1]], ["a", "b"]), "2 classes"),
        (lambda: plots.confusion([[-1]]), "count nothing"),
        (lambda: plots.curves([]), "each with its iteration"),
        (lambda: plots.curves([{"loss": 1}]), "each with its iteration"),
        (lambda: plots.filters(np.zeros((2, 2))), r"filters: found weights of shape \(2, 2\)"),
        (lambda: plots.histograms({}), "histograms: found 0 layers"),
        (lambda: plots.histograms_over_time({"a": STRIP}, (0, 1)), "3 histograms for 2 iterations"),
        (lambda: plots.image_rows({}), "image_rows: found shapes"),
        (lambda: plots.image_rows({"a": np.zeros((1, 2, 2)), "b": np.zeros((1, 3, 3))}), "one for"),
        (lambda: plots.mistakes(np.zeros((1, 2, 4, 4)), [0], [0]), "with 1 or 3 channels"),
        (lambda: plots.mistakes(np.zeros((2, 4, 4)), [0], [0]), r"shapes \(1,\), \(1,\)"),
        (lambda: plots.rates(np.zeros(0), np.zeros(0), np.zeros(0)), "rates: found no losses"),
        (lambda: plots.side_by_side([]), "found no panel"),
        (lambda: plots.attention([["a"]]), "attention: found a list; expected an array of real"),
        (lambda: plots.confusion([[1], [1, 2]]), "confusion: found a list"),
        (lambda: plots.confusion([[np.nan]]), "count nothing, such as fractions"),
        (lambda: plots.confusion([[1.5]]), "count nothing, such as fractions"),
        (lambda: plots.curves(None), "each with its iteration"),  # type: ignore[arg-type]
        (lambda: plots.curves([{"iteration": np.nan}]), "each with its iteration"),
        (lambda: plots.curves(RECORDS, epoch=0), "epoch=0; expected at least 1"),
        (lambda: plots.curves(RECORDS, metric="f1"), "no record has a 'f1' of a set; found loss"),
        (lambda: plots.filters(np.ones((1, 1, 2, 2), complex)), "filters: found complex numbers"),
        (lambda: plots.binned([1j]), "binned: found complex numbers"),
        (lambda: plots.binned([1.0], bins=0), "found bins=0"),
        (lambda: plots.binned([1.0], most=0), "most=0"),
        (lambda: plots.histograms_over_time({"a": STRIP}, (0, 2, 2)), "increasing"),
        (lambda: plots.image_rows([np.zeros((1, 2, 2))]), "image_rows: found a list"),  # type: ignore[arg-type]
        (lambda: plots.mistakes(np.zeros((1, 0, 0)), [0], [1]), "expected \\(n, height, width"),
        (lambda: plots.mistakes(np.zeros((1, 4, 4)), 0, 1), r"shapes \(\), \(\)"),
        (lambda: plots.rates([0.1], [np.nan], [np.nan]), "no losses that are finite"),
        (lambda: plots.rates([0.1, 1], [2.0], [2.0]), "expected one length"),
        (lambda: plots.weights(np.zeros((6, 2)), 6), "6 inputs are no images of shape 6"),  # type: ignore[arg-type]
        (lambda: plots.weights(np.zeros((18, 2)), (3, 1, 2, 3)), "18 inputs are no images"),
        (lambda: plots.loss_surface(lambda _: 0.0, [np.zeros(2)], points=3.5), "points=3.5"),  # type: ignore[arg-type]
        (lambda: plots.loss_surface(lambda _: 0.0, [np.ones(2, complex)]), "complex numbers"),
        (lambda: plots.weights(np.zeros(3)), r"weights: found shape \(3,\)"),
        (lambda: plots.weights(np.zeros((6, 2)), (2, 2)), "6 inputs are no images"),
        (lambda: plots.loss_surface(lambda _: 0.0, [np.zeros(2)], points=2), "points=2"),
        (lambda: plots.loss_surface(lambda _: 0.0, [np.zeros(2)], np.zeros((3, 5))), "5 weights"),
        (
            lambda: plots.loss_surface(
                lambda _: 0.0, [np.zeros(2)], np.zeros((3, 2)), iterations=[1]
            ),
            "1 iterations for 3 points",
        ),
        (
            lambda: plots.surface(plots.loss_surface(lambda _: np.nan, [np.ones((2, 2))])),
            "no loss is finite",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_fix(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(DiagramError, match=message) as caught:
        call()
    assert "\n  fix: " in str(caught.value)
