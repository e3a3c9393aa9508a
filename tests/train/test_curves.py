"""Curves: the picture has what the history has, and no Matplotlib is told in one sentence."""

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.train import History, save_curves

SETS = ("train", "validation", "test", "my own")


def example(iterations: int = 500) -> History:
    history = History()
    history.add_record(0.0, 0.0, {f"{name}_accuracy": 0.1 for name in SETS})
    for i in range(iterations):
        history.add_loss(2.3 / (1 + i / 50))
        if i % 100 == 99:
            found = {f"{name}_accuracy": 0.9 - 50 / (i + 1) for name in SETS}
            history.add_record((i + 1) / 100, 1.0, found)
    return history


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are drawn."""
    module = pytest.importorskip("matplotlib.figure")
    made = []

    class Kept(module.Figure):  # type: ignore[misc, name-defined]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(module, "Figure", Kept)
    return made


def test_loss_and_accuracies_are_in_the_picture(tmp_path: Path, figures: list[Any]) -> None:
    history = example()
    path = save_curves(history, tmp_path / "curves.png", title="a run", epoch=100)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (960, 780)
    (figure,) = figures
    above, below = figure.axes
    assert figure.get_suptitle() == "a run"
    dots, mean = above.get_lines()
    assert np.array_equal(dots.get_ydata(), history.losses)
    assert mean.get_ydata()[0] == pytest.approx(history.losses[:5].mean())
    assert mean.get_xdata()[[0, -1]].tolist() == [3, 498]
    lines = {line.get_label().split(",")[0]: line for line in below.get_lines()}
    assert list(lines) == list(SETS)
    for name, line in lines.items():
        assert np.array_equal(line.get_ydata(), history.column(f"{name}_accuracy"))
        assert np.array_equal(line.get_xdata(), history.column("iteration"))
    assert len({line.get_color() for line in lines.values()}) == len(SETS)


def test_drawing_leaves_nothing_behind(tmp_path: Path) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    save_curves(example(), tmp_path / "curves.png")
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("iterations", [0, 1, 7])
def test_a_run_that_has_hardly_begun_can_be_drawn(tmp_path: Path, iterations: int) -> None:
    pytest.importorskip("matplotlib")
    assert save_curves(example(iterations), tmp_path / "curves.png").exists()


def test_without_matplotlib_one_sentence_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DiagramError, match=r"tinygrad_edu\[plot\]"):
        save_curves(example(), tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())


def test_another_metric_may_be_drawn(tmp_path: Path, figures: list[Any]) -> None:
    history = History()
    history.add_record(0.0, 0.0, {"test_error": 7.0})
    save_curves(history, tmp_path / "curves.png", metric="error")
    save_curves(history, tmp_path / "none.png")
    (_, shown), alone = (figure.axes for figure in figures)
    assert shown.get_ylabel() == "error"
    assert shown.get_ylim()[1] > 7
    assert [axes.get_ylabel() for axes in alone] == ["loss"]


@pytest.mark.parametrize("iterations", [60, 500])
def test_each_line_of_the_losses_has_its_entry_in_the_legend(
    tmp_path: Path, figures: list[Any], iterations: int
) -> None:
    save_curves(example(iterations), tmp_path / "curves.png")
    above = figures[0].axes[0]
    lines = above.get_lines()
    told = [text.get_text() for text in above.get_legend().get_texts()]
    assert told == [line.get_label() for line in lines]
    assert len(told) == (1 if iterations == 60 else 2)
