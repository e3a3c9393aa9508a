"""A plot: its files are whole, equal for equal pictures, and say nothing of when or by whom."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots import Plot, confusion

pytest.importorskip("matplotlib")

HEADS = {".png": b"\x89PNG", ".svg": b"<svg ", ".pdf": b"%PDF"}
SCRIPT = """
import sys
from tinygrad_edu.plots import confusion
confusion([[3, 1], [0, 4]], ["a", "b"]).save(sys.argv[1])
"""


@pytest.fixture
def plot() -> Plot:
    return confusion([[3, 1], [0, 4]], ["a", "b"])


@pytest.mark.parametrize("suffix", HEADS)
def test_another_process_writes_the_same_bytes(plot: Plot, tmp_path: Path, suffix: str) -> None:
    path = plot.save(tmp_path / f"here{suffix}")
    content = path.read_bytes()
    assert content.startswith(HEADS[suffix])
    there = tmp_path / f"there{suffix}"
    subprocess.run([sys.executable, "-c", SCRIPT, str(there)], check=True)
    assert there.read_bytes() == content
    assert b"Matplotlib" not in content
    assert b"Date" not in content
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"here{suffix}", f"there{suffix}"]


def test_an_svg_is_read_aloud_and_asks_nobody(plot: Plot) -> None:
    root = ElementTree.fromstring(plot.svg)
    assert root.get("role") == "img"
    assert root[0].tag.endswith("title")
    assert root[0].text == plot.alt
    asked = [value for element in root.iter() for name, value in element.items() if "href" in name]
    assert asked
    assert all(value.startswith(("#", "data:")) for value in asked)


def test_a_notebook_is_shown_it(plot: Plot) -> None:
    assert plot._repr_png_() == plot.png
    assert plot._repr_svg_() == plot.svg
    assert repr(plot) == f"<Plot: {plot.alt}>"


def test_another_suffix_is_refused_and_nothing_is_written(plot: Plot, tmp_path: Path) -> None:
    with pytest.raises(DiagramError, match=r"'x\.gif' ends in none of \.png, \.svg, \.pdf"):
        plot.save(tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())


def test_a_closed_plot_says_so(plot: Plot) -> None:
    plot.close()
    plot.close()
    with pytest.raises(DiagramError, match=r"was closed\n  fix: draw it again"):
        plot.png  # noqa: B018
