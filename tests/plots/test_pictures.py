"""What is in each picture: the numbers that it was given."""

import json
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
    assert plots.confusion([[0]]).alt == "Confusion matrix of 1 classes, 0 samples."


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


# ------------------------------------------------------------------------------ attention


def test_each_head_has_a_map_with_its_words() -> None:
    weights = np.eye(3)[None] * np.ones((2, 1, 1))
    plot = plots.attention(weights, ["je", "suis", "là"], ["I", "am", "here"])
    first, second = plot.figure.axes[:2]
    assert [first.get_title(), second.get_title()] == ["head 1", "head 2"]
    assert np.array_equal(first.images[0].get_array(), np.eye(3))
    assert [label.get_text() for label in first.get_yticklabels()] == ["je", "suis", "là"]
    assert "je at I, suis at am, là at here" in plot.alt
