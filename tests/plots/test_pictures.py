"""What is in each picture: the numbers that it was given."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import plots
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.images import mosaic

pytest.importorskip("matplotlib")


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


# ------------------------------------------------------------------------------ curves

RECORDS = [
    {"iteration": 0, "epoch": 0.0, "loss": None, "train_accuracy": 0.1, "test_accuracy": 0.2},
    {"iteration": 10, "epoch": 1.0, "loss": 1.5, "train_accuracy": 0.8, "test_accuracy": None},
]


def test_the_file_of_a_run_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    (tmp_path / "log.csv").write_text(
        "iteration,epoch,loss,train_accuracy,test_accuracy\n0,0.0,,0.1,0.2\n10,1.0,1.5,0.8,\n"
    )
    for history in (RECORDS, tmp_path / "log.jsonl", str(tmp_path / "log.csv")):
        above, below = plots.curves(history).figure.axes  # type: ignore[arg-type]
        (loss,) = above.get_lines()
        assert loss.get_xdata().tolist() == [0, 10]
        assert loss.get_ydata()[1] == 1.5
        train, test = below.get_lines()
        assert train.get_ydata().tolist() == [0.1, 0.8]
        assert np.array_equal(test.get_ydata(), [0.2, np.nan], equal_nan=True)
    (tmp_path / "log.jsonl").write_text("not JSON\n")
    with pytest.raises(DiagramError, match=r"log\.jsonl holds something else"):
        plots.curves(tmp_path / "log.jsonl")


def test_a_negative_loss_is_not_cut_off() -> None:
    records = [{"iteration": 1, "loss": -3.0}, {"iteration": 2, "loss": -5.0}]
    low, high = plots.curves(records).figure.axes[0].get_ylim()
    assert low < -5
    assert high >= 0


class Kept:
    """What a History tells."""

    def __init__(self, losses: list[float], records: list[dict[str, Any]]) -> None:
        self.losses, self.records = np.array(losses), records


def corner(axes: Any) -> tuple[bool, bool]:
    """Whether the legend of axes is at the right, and above."""
    axes.figure.canvas.draw()
    box = axes.get_legend().get_window_extent()
    return (box.x0 + box.x1) / 2 > axes.bbox.x0 + axes.bbox.width / 2, (
        box.y0 + box.y1
    ) / 2 > axes.bbox.y0 + axes.bbox.height / 2


def test_one_loss_that_is_lost_spoils_no_other_mean() -> None:
    losses = [2.0] * 1000
    losses[400], losses[700] = np.nan, 1e308
    above = plots.curves(Kept(losses, RECORDS)).figure.axes[0]
    _, mean = above.get_lines()
    known = np.isfinite(mean.get_ydata())
    assert (~known).sum() == 2 * 10  # the windows of ten that it is in
    assert np.allclose(mean.get_ydata()[known], 2)
    assert above.get_ylim()[1] < 3


def test_a_set_ends_at_its_last_number() -> None:
    assert "test 0.2000" in plots.curves(RECORDS).alt


def test_a_training_without_the_metric_has_one_panel() -> None:
    plot = plots.curves([{"iteration": 1, "loss": 2.0}, {"iteration": 2, "loss": 1.0}])
    assert len(plot.figure.axes) == 1
    assert plot.alt == "Loss over 2 iterations."
    assert len(plots.curves([{"iteration": 1, "test_accuracy": np.nan}]).figure.axes) == 1


@pytest.mark.parametrize("last", [1, 2, 3, 12_345])
def test_iterations_are_whole_numbers_each_written_once(last: int) -> None:
    records = [{"iteration": n, "loss": 1.0, "test_accuracy": 0.5} for n in (0, last)]
    axes = plots.curves(records).figure.axes[1]
    strip = plots.histograms_over_time({"w": [plots.binned([1.0, 2.0])]}, [last - 1]).figure.axes[0]
    for each in (axes, strip):
        each.figure.canvas.draw()
        low, high = each.get_xlim()
        places = [place for place in each.get_xticks() if low <= place <= high]
        words = [each.xaxis.get_major_formatter()(place) for place in places]
        assert places == [round(place) for place in places]
        assert len(set(words)) == len(words) > 0
        assert "-" not in "".join(words)


def test_a_legend_lies_where_the_lines_are_not() -> None:
    low = [{"iteration": n, "loss": 2.3, "test_accuracy": 0.1} for n in (0, 5, 10)]
    high = [{"iteration": n, "loss": 0.1 * n, "test_accuracy": 0.99} for n in (1, 5, 10)]
    assert corner(plots.curves(low).figure.axes[1]) == (True, True)
    above, below = plots.curves(high).figure.axes
    assert corner(above) != (True, True)
    # The axis begins near 0.94: the line runs along its upper end.
    assert corner(below) == (True, False)


def test_a_line_at_the_best_accuracy_is_seen_whole() -> None:
    perfect = [{"iteration": n, "loss": 0.0, "test_accuracy": 1.0} for n in (0, 1)]
    assert plots.curves(perfect).figure.axes[1].get_ylim()[1] > 1


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "curves.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(DiagramError, match=r"curves\.png holds something else"):
        plots.curves(tmp_path / "curves.png")


def test_a_sweep_leaves_out_what_is_not_finite() -> None:
    plot = plots.rates([0.1, 1.0, 10.0], [2.0, 1.0, np.inf], [2.0, 1.0, np.inf])
    assert plot.figure.axes[0].get_lines()[0].get_xdata().tolist() == [0.1, 1.0]
    assert np.isfinite(plot.figure.axes[0].get_ylim()).all()


# ------------------------------------------------------------------------------ histograms


def test_numbers_are_counted_as_numpy_counts_them() -> None:
    numbers = np.random.default_rng(0).standard_normal((30, 40))
    found = plots.binned(numbers, bins=17)
    counts, edges = np.histogram(numbers, bins=17)
    assert found.counts.tolist() == counts.tolist()
    assert np.allclose(found.edges, edges)
    assert found.lost == 0
    exact = np.quantile(numbers, [0.1, 0.5, 0.9])
    assert np.abs(found.quantiles([0.1, 0.5, 0.9]) - exact).max() < (edges[1] - edges[0])
    whole = np.linspace(-10, 10, 3)
    assert np.allclose(found.inside(whole), [(numbers < 0).mean(), (numbers > 0).mean()], atol=0.05)


def test_some_of_many_numbers_hit_rows_and_columns_evenly() -> None:
    rows, columns = np.indices((256, 256))
    for places in (rows, columns):
        found = plots.binned(places, bins=8, most=2048)
        assert found.counts.sum() == 2048
        assert np.abs(found.counts - 256).max() <= 8
    assert plots.binned(rows, most=2048).counts.tolist() == (
        plots.binned(rows, most=2048).counts.tolist()
    )


@pytest.mark.parametrize(
    ("numbers", "lost", "counted"),
    [([], 0, 0), ([np.nan, np.inf], 2, 0), ([np.nan, 1.0, 2.0], 1, 2), ([3.0, 3.0], 0, 2)],
)
def test_what_is_not_finite_is_lost_and_told(numbers: list[float], lost: int, counted: int) -> None:
    found = plots.binned(numbers)
    assert (found.lost, found.counts.sum()) == (lost, counted)
    plot = plots.histograms({"a": found})
    assert (f"{lost} nan or infinite" in plot.figure.axes[0].get_title(loc="left")) == bool(lost)
    strip = plots.histograms_over_time({"a": [found, found]}, (0, 7))
    assert strip.png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "lost", "counted"),
    [
        ([-1.7e308, 1.7e308, 1.0], 2, 1),
        ([0.0, 5e-324], 0, 2),
        ([0.0, 1e-310, 1e-301], 0, 3),
        ([1.0, np.nextafter(1, 2)], 0, 2),
        ([-1e299, 1e299], 0, 2),
        ([1e300 / 3] * 2, 0, 2),
    ],
)
def test_numbers_at_the_ends_of_what_a_float_holds_are_counted(
    given: list[float], lost: int, counted: int
) -> None:
    found = plots.binned(given)
    assert (found.lost, found.counts.sum()) == (lost, counted)
    assert plots.histograms({"a": given}).png.startswith(b"\x89PNG")
    assert plots.histograms_over_time({"a": [found]}, [0]).png.startswith(b"\x89PNG")


def test_small_numbers_are_written_in_full_and_names_do_not_lie_on_each_other() -> None:
    name = "features.{}.block.convolution.weight"
    strips = {name.format(n): [plots.binned([-1e-7, 1e-7, 3.3e-8])] * 2 for n in range(6)}
    figure = plots.histograms_over_time(strips, (0, 1), "gradients").figure
    figure.canvas.draw()
    panels = figure.axes[:6]
    assert all(not axes.yaxis.get_offset_text().get_text() for axes in panels)
    assert any("e−" in label.get_text() for label in panels[0].get_yticklabels())
    heads = [axes.texts[0].get_window_extent() for axes in panels]
    assert len({axes.texts[0].get_text() for axes in panels}) == 6
    assert heads[0].x1 < heads[1].x0
    assert heads[1].x1 < heads[2].x0
    assert heads[2].x1 < figure.bbox.x1


def test_a_strip_has_the_shares_of_each_moment() -> None:
    moments = [plots.binned([-1.0, 1.0, 1.0, 1.0]), plots.binned([0.0, 0.0])]
    figure = plots.histograms_over_time({"w": moments}, (0, 10), "gradients").figure
    mesh = figure.axes[0].collections[0]
    shares = mesh.get_array()
    assert np.allclose(shares.sum(axis=0), 1)
    assert np.isclose(shares[: len(shares) // 2, 0].sum(), 0.25)
    assert shares[:, 1].max() == 1
    assert figure.axes[0].get_xlim() == (-5, 15)


def test_of_many_layers_some_are_shown_evenly() -> None:
    layers = {f"layer {n}": [float(n)] for n in range(30)}
    plot = plots.histograms(layers, most=4)
    assert plot.figure.get_suptitle() == "4 of 30 layers"
    assert "layer 0, layer 10, layer 19, layer 29" in plot.alt


# ------------------------------------------------------------------------------ images


def test_tiles_lie_in_rows_with_gaps() -> None:
    tiles = np.arange(3)[:, None, None] * np.ones((3, 2, 2))
    whole = mosaic(tiles, columns=2, gap=1)
    assert whole.shape == (5, 5)
    assert whole[0, 0] == 0
    assert whole[1, 4] == 1
    assert whole[4, 0] == 2
    assert np.isnan(whole[2]).all()
    assert np.isnan(whole[:, 2]).all()
    assert np.isnan(whole[3:, 3:]).all()


def test_filters_are_on_one_scale_around_zero() -> None:
    weight = np.zeros((2, 1, 2, 2))
    weight[0], weight[1, 0, 0, 0] = 1.0, -2.0
    (image,) = plots.filters(weight).figure.axes[0].images
    assert image.norm.vmin == -image.norm.vmax
    assert image.norm.vmax == pytest.approx(2, rel=0.02)
    assert image.get_array()[0, 0] == 1


def test_the_weights_of_a_unit_are_an_image() -> None:
    matrix = np.arange(12.0).reshape(6, 2)
    (image,) = plots.weights(matrix, (2, 3)).figure.axes[0].images
    assert np.array_equal(image.get_array()[:, :3], matrix[:, 0].reshape(2, 3))


def test_mistakes_are_sorted_by_how_sure_they_are() -> None:
    plot = plots.mistakes(
        np.zeros((5, 4, 4)), [0, 1, 2, 1, 0], [1, 1, 0, 0, 2], [0.4, 1.0, 0.9, 0.7, 0.2],
        classes=["cat", "dog", "$x"], most=3,
    )  # fmt: skip
    assert texts(plot.figure.axes[0]) == [
        r"\$x → cat", "90.0%", "dog → cat", "70.0%", "cat → dog", "40.0%",
    ]  # fmt: skip
    assert plot.alt.startswith("3 of 4 images that were taken for another class, of 5: $x taken")


def test_long_names_of_classes_stay_above_their_image() -> None:
    classes = ["aeroplane", "automobile", "a rather long name of a class"]
    labels = np.arange(8) % 3
    plot = plots.mistakes(np.zeros((8, 6, 6)), labels, (labels + 1) % 3, classes=classes)
    plot.figure.canvas.draw()
    axes = plot.figure.axes[0]
    assert texts(axes)[:2] == ["aeroplane", "→ automobile"]
    firsts = [text.get_window_extent() for text in axes.texts[1::2]]
    for left, right in pairwise(firsts):
        assert left.x1 < right.x0


def test_a_class_without_a_name_is_called_by_its_number() -> None:
    plot = plots.mistakes(np.zeros((1, 4, 4)), [0], [7], classes=["cat"])
    assert texts(plot.figure.axes[0]) == ["cat → 7"]


def test_a_perfect_net_has_no_mistakes() -> None:
    plot = plots.mistakes(np.zeros((2, 4, 4)), [0, 1], [0, 1])
    assert texts(plot.figure.axes[0]) == ["no mistakes"]
    assert "0 images" in plot.alt


# ------------------------------------------------------------------------------ confusion


def test_a_cell_has_its_count_and_the_share_of_its_row() -> None:
    plot = plots.confusion([[8, 2], [0, 5]], ["cat", "dog"])
    assert texts(plot.figure.axes[0]) == ["8", "80.0%", "2", "20.0%", "5", "100.0%"]
    assert plot.alt == (
        "Confusion matrix of 2 classes, 15 samples: 86.7% right. Most often taken for another: "
        "cat for dog, 2 times."
    )
    image = plot.figure.axes[0].images[0].get_array()
    assert image[0, 0, 2] > image[0, 0, 0]  # blue
    assert image[0, 1, 0] > image[0, 1, 2]  # orange
    assert plots.confusion([[0]]).alt == "Confusion matrix of 1 class, 0 samples."


# ------------------------------------------------------------------------------ surface


def test_the_plane_holds_a_path_that_lies_in_one() -> None:
    rng = np.random.default_rng(3)
    centre = [rng.standard_normal((4, 3)), rng.standard_normal(3)]
    flat = np.concatenate([array.ravel() for array in centre])
    basis = np.linalg.qr(rng.standard_normal((15, 2)))[0].T
    steps = rng.standard_normal((6, 2)) * [3, 1]

    def loss(weights: list[np.ndarray[Any, Any]]) -> float:
        moved = np.concatenate([array.ravel() for array in weights]) - flat
        return float((moved**2).sum()) + 1

    found = plots.loss_surface(loss, centre, flat + steps @ basis, iterations=range(6), points=9)
    # Distances in the plane are those in the space of all weights.
    assert np.allclose((found.path**2).sum(axis=1), (steps**2).sum(axis=1))
    x, y = np.meshgrid(found.x, found.y)
    assert np.allclose(found.values, x**2 + y**2 + 1)
    assert (found.path[0] <= 0).all()
    assert found.iterations == tuple(range(6))
    for axis, values in enumerate((found.x, found.y)):
        assert values[0] < found.path[:, axis].min()
        assert values[-1] > found.path[:, axis].max()


def test_random_directions_are_as_long_as_each_filter() -> None:
    centre = [np.array([[3.0, 0.1], [4.0, 0.0]]), np.ones(2), np.full((2, 1, 2, 2), [[[[5.0]]]])]
    seen: list[list[np.ndarray[Any, Any]]] = []
    plots.loss_surface(lambda w: float(len(seen.append(w) or seen)), centre, points=3, rng=1)  # type: ignore[func-returns-value]
    right = [moved - array for moved, array in zip(seen[5], centre, strict=True)]
    assert np.allclose(np.linalg.norm(right[0], axis=0), [5, 0.1])
    assert not right[1].any()
    assert np.allclose(np.sqrt((right[2] ** 2).sum(axis=(1, 2, 3))), 10)


def test_a_path_without_a_plane_falls_back_to_directions_at_random() -> None:
    loss = lambda weights: float((weights[0] ** 2).sum())
    centre = [np.ones((2, 2))]
    for path in ([centre], [centre, centre], [[np.full((2, 2), np.nan)]] * 3):
        found = plots.loss_surface(loss, centre, path, points=3)
        assert len(found.path) == 0
        assert "random" in found.labels[0]


def test_the_surface_has_path_start_and_end() -> None:
    path = np.array([[-4.0, -1.0], [-2.0, 1.0], [-1.0, 0.3]])
    loss = lambda weights: float((weights[0] ** 2).sum()) + 0.01
    found = plots.loss_surface(loss, [np.zeros(2)], path, iterations=(0, 50, 100), points=7)
    axes = plots.surface(found, title="t").figure.axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["start", "end"]
    assert "50" in texts(axes)
    drawn = axes.get_lines()[1].get_xydata()
    assert np.allclose(drawn, [*found.path, (0, 0)])


def test_a_loss_that_hardly_changes_is_written_in_digits_that_differ() -> None:
    loss = lambda weights: 2.3 + 1e-4 * float((weights[0] ** 2).sum())
    figure = plots.surface(plots.loss_surface(loss, [np.ones((3, 3))], points=7)).figure
    figure.canvas.draw()
    levels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert len(set(levels)) == len(levels) > 3


def test_no_number_of_a_line_lies_on_the_path() -> None:
    way = [[np.array([6 - 0.5 * i, 3 * np.sin(i / 3)])] for i in range(12)]
    loss = lambda weights: 0.1 + float((weights[0] ** 2 * [1, 3]).sum())
    found = plots.loss_surface(loss, [np.zeros(2)], way, iterations=range(12), points=15)
    axes = plots.surface(found).figure.axes[0]
    wide = np.array([np.ptp(found.x), np.ptp(found.y)])
    named = [text for text in axes.texts if text.get_fontsize() == 7]
    assert named
    for text in named:
        apart = np.abs((found.path - text.get_position()) / wide).max(axis=1)
        assert apart.min() > 0.05


@pytest.mark.parametrize("value", [1.7e308, -1.7e308])
def test_a_loss_beyond_all_bounds_is_drawn_as_nothing(value: float) -> None:
    loss = lambda weights: value if weights[0][0, 0] > 1 else float((weights[0] ** 2).sum())
    found = plots.loss_surface(loss, [np.ones((2, 2))], points=5)
    assert plots.surface(found).png.startswith(b"\x89PNG")


# ------------------------------------------------------------------------------ attention


def test_the_strongest_weight_has_the_strongest_colour() -> None:
    weights = np.full((1, 20, 20), 0.01)
    weights[0, 3, 4] = 0.2
    assert plots.attention(weights).figure.axes[0].images[0].norm.vmax == 0.2
    assert plots.attention(np.full((2, 2), np.nan)).figure.axes[0].images[0].norm.vmax == 1


def test_words_do_not_lie_on_each_other() -> None:
    words = [f"word {n}" for n in range(30)]
    figure = plots.attention(np.full((4, 30, 30), 1 / 30), words).figure
    figure.canvas.draw()
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 30
    for below, above in zip(labels[1:], labels, strict=False):
        assert (above.y0 + above.y1 - below.y0 - below.y1) / 2 > 0.7 * above.height
    assert len(plots.attention(np.eye(200)).figure.axes[0].get_yticks()) < 12


def test_each_head_has_a_map_with_its_words() -> None:
    weights = np.eye(3)[None] * np.ones((2, 1, 1))
    plot = plots.attention(weights, ["je", "suis", "là"], ["I", "am", "here"])
    first, second = plot.figure.axes[:2]
    assert [first.get_title(), second.get_title()] == ["head 1", "head 2"]
    assert np.array_equal(first.images[0].get_array(), np.eye(3))
    assert [label.get_text() for label in first.get_yticklabels()] == ["je", "suis", "là"]
    assert "je at I, suis at am, là at here" in plot.alt


def test_the_middle_of_numbers_holds_what_it_says():
    rng = np.random.default_rng(0)
    for numbers in (
        np.maximum(rng.standard_normal(3000), 0), rng.standard_normal(3000), np.zeros(7),
        np.array([1.0]), rng.exponential(size=500),
    ):  # fmt: skip
        low, high = plots.binned(numbers).middle(0.9)
        assert np.mean((numbers >= low) & (numbers <= high)) >= 0.9
    rectified = plots.binned(np.maximum(rng.standard_normal(3000), 0))
    assert rectified.middle(0.9)[0] == 0  # half of them are
