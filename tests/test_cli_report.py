"""``tinygrad-edu report``: one page that holds everything, and clear words where it cannot."""

import base64
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu.cli import main
from tinygrad_edu.data import load_mnist, write_idx

pytest.importorskip("matplotlib")

NETS = {
    "two-layer": "",
    "mlp": "--net mlp --hidden 12 8 --batch-norm --dropout 0.2 --preprocess standardize",
    "simple-conv": "--net simple-conv --hidden 10",
    "deep-conv": "--net deep-conv",
    "lstm": "--net lstm --hidden 8",
    "own": "--net {place}/mine.py:Model --schedule step --clip 1",
}
MINE = """
from tinygrad_edu.nn import Linear, Module

class Model(Module):
    def __init__(self, rng=None):
        self.last = Linear(784, 10, rng=rng)

    def forward(self, x):
        return self.last(x)
"""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small part of MNIST, whose name a page has to escape."""
    folder = tmp_path_factory.mktemp("few") / "<b>$few & co"
    folder.mkdir()
    digits = load_mnist(normalize=False, dtype=np.uint8)
    for name, images, labels in (
        ("train", digits.train_images[:200], digits.train_labels[:200]),
        ("t10k", digits.test_images[:60], digits.test_labels[:60]),
    ):
        write_idx(folder / f"{name}-images-idx3-ubyte", images.reshape(-1, 28, 28))
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def runs(few: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short run of each net, without the pictures that ``train`` makes at its end."""
    place = tmp_path_factory.mktemp("runs")
    (place / "mine.py").write_text(MINE)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygrad_edu.cli.train.save_curves", lambda *_, **__: None)
        patch.setattr("tinygrad_edu.cli.train._draw_graph", lambda *_: None)
        for name, options in NETS.items():
            found[name] = place / name
            common = ["--data", str(few), "--quiet", "--batch-size", "40", "--iterations", "5"]
            more = options.format(place=place).split()
            assert main(["train", *common, "--out", str(found[name]), *more]) == 0
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loss be asked for at few points: the surface has tests of its own."""
    monkeypatch.setattr("tinygrad_edu.cli.report.SURFACE", {False: (4, 20), True: (3, 5)})


@pytest.fixture
def sketched(small: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - it is used
    """Let plots be drawn but not written, which takes most of the time; they have tests, too."""
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="300pt" height="200pt"></svg>'
    monkeypatch.setattr("tinygrad_edu.plots.Plot.svg", svg)


class Page(HTMLParser):
    """The parts of a page that matter here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.heads: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)
        own = dict(attrs)
        self.asked += [str(own[name]) for name in ("src", "srcset", "href") if name in own]
        if tag == "img":
            self.images.append(own)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.heads.append(data)
        if "style" not in self.open:
            self.words += data


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("net", NETS)
def test_every_net_has_a_page(
    runs: dict[str, Path], net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(runs[net])]) == 0
    path = runs[net] / "report.html"
    assert f"{path}  (" in capsys.readouterr().out
    page = Page(path.read_text(encoding="utf-8"))
    assert not page.open
    assert page.heads == [
        "Training", "What it gets wrong", "What its first weights look for",
        "The way through the loss", "Weights, gradients and activations", "The net", "Settings",
    ]  # fmt: skip
    assert all(asked.startswith("data:image/svg+xml;base64,") for asked in page.asked)
    assert len(page.images) == 9
    assert page.tags.count("source") == page.tags.count("figcaption") == 9
    for image in page.images:
        assert len(str(image["alt"])) > 20
        assert int(str(image["width"])) > 100
    assert "script" not in page.tags
    assert "b" not in page.tags  # the data's folder is called so
    assert "<b>$few & co" in page.words
    record = json.loads((runs[net] / "history.jsonl").read_text().splitlines()[-1])
    assert f"{record['test_accuracy']:.2%}" in page.words
    config = json.loads((runs[net] / "config.json").read_text())
    for version in config["versions"].values():
        assert version in page.words


@pytest.mark.usefixtures("small")
def test_the_page_can_be_elsewhere_and_equal_runs_have_equal_pages(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for page in pages:
        assert main(["report", str(runs["two-layer"]), "--out", str(page)]) == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()
    page = Page(pages[0].read_text(encoding="utf-8"))
    for asked in page.asked:
        picture = base64.b64decode(asked.partition("base64,")[2]).decode()
        assert "<svg" in picture
        assert not re.search(r'(href|src)="(?!#|data:)', picture)
    assert page.asked[0] != page.asked[1]  # dark, light
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


@pytest.mark.usefixtures("sketched")
def test_only_some_of_many_images_are_looked_at_and_that_is_said(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr("tinygrad_edu.cli.report.TESTED", 25)
    page = tmp_path / "page.html"
    assert main(["report", str(runs["lstm"]), "--out", str(page)]) == 0
    said = "the first 25 of 60 test images"
    assert f"among {said}" in capsys.readouterr().out
    assert said in Page(page.read_text(encoding="utf-8")).words


@pytest.mark.usefixtures("sketched")
def test_a_run_that_stopped_early_is_shown_at_its_best(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_edu.cli.experiment.HELD_OUT", 50)
    run = tmp_path / "run"
    options = [
        "--patience",
        "2",
        "--lr",
        "3",
        "--weights",
        "1",
        "--epochs",
        "200",
        "--batch-size",
        "50",
        "--quiet",
        "--out",
    ]
    assert main(["train", "--data", str(few), *options, str(run)]) == 0
    assert main(["report", str(run)]) == 0
    records = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    best = max(records, key=lambda record: record["validation_accuracy"])
    words = Page((run / "report.html").read_text(encoding="utf-8")).words
    found = re.search(r"those of iteration ([\d,]+), the best", words)
    assert found
    assert int(found[1].replace(",", "")) == best["iteration"] < records[-1]["iteration"]
    assert f"{best['test_accuracy']:.2%}" in words


# ------------------------------------------------------------------------------ what is not there


@pytest.fixture
def copy(runs: dict[str, Path], tmp_path: Path) -> Path:
    """A run that may be spoiled."""
    return Path(shutil.copytree(runs["two-layer"], tmp_path / "copy"))


def refused(run: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The one sentence with which a report is refused; no page is written."""
    before = sorted(run.iterdir()) if run.is_dir() else None
    capsys.readouterr()
    assert main(["report", str(run), *options]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert len(err.splitlines()) == 1
    assert before is None or sorted(run.iterdir()) == before
    return err


def test_a_folder_that_is_no_run_is_told(
    tmp_path: Path, copy: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no run folder" in refused(tmp_path / "nowhere", capsys)
    (tmp_path / "empty").mkdir()
    assert "there is no model.npz" in refused(tmp_path / "empty", capsys)
    (copy / "model.npz").rename(copy / "weights.npz")
    assert "has not finished: go on with tinygrad-edu train --resume" in refused(copy, capsys)
    shutil.copy(runs["mlp"] / "model.npz", copy)
    assert "are of different runs" in refused(copy, capsys)
    (copy / "model.npz").write_bytes(b"no zip archive")
    assert "model.npz" in refused(copy, capsys)


def test_a_checkpoint_that_is_gone_or_damaged_is_told(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (copy / "checkpoint.npz").read_bytes()
    (copy / "checkpoint.npz").write_bytes(content[:-100])
    assert "checkpoint.npz" in refused(copy, capsys)
    (copy / "checkpoint.npz").unlink()
    assert "there is no checkpoint.npz" in refused(copy, capsys)


def test_a_place_where_no_page_can_be_is_told(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (copy, copy / "new" / "page.html"):
        assert "name a file in a folder that is there" in refused(copy, capsys, "--out", str(out))


def test_without_matplotlib_one_sentence_says_what_to_install(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'tinygrad_edu[plot]'" in refused(copy, capsys)


@pytest.mark.usefixtures("sketched")
def test_a_page_is_made_anew_over_the_one_before(copy: Path) -> None:
    pages = []
    for _ in range(2):
        (copy / "report.html").write_bytes(b"half of a page")
        assert main(["report", str(copy)]) == 0
        pages.append((copy / "report.html").read_bytes())
    assert pages[0] == pages[1]
    assert len(pages[0]) > 10_000
    assert not list(copy.glob("*.tmp"))


@pytest.mark.usefixtures("sketched")
def test_a_run_of_one_iteration_is_told_in_the_singular(few: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    options = ["--iterations", "1", "--batch-size", "200", "--quiet", "--out", run]
    assert main(["train", "--data", str(few), *options]) == 0
    assert main(["report", run]) == 0
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for fact in ("1</dd><dt>iteration<", "1</dd><dt>epoch<", r"\d\.\d s</dd><dt>of training<"):
        assert re.search(f"<dd>{fact}", text)


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(("net", "where"), [("two-layer", "above"), ("own", "on the left")])
def test_the_caption_says_where_the_input_is(
    runs: dict[str, Path], net: str, where: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(runs[net]), "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert f"From the input {where} to the loss" in text
    pictures = [base64.b64decode(asked.partition("base64,")[2]) for asked in Page(text).asked]
    diagram = max(pictures, key=len).decode()
    _, _, x, y = map(float, str(re.findall(r'viewBox="([^"]+)"', diagram)[0]).split())
    assert (x > y) == (where == "on the left")


@pytest.mark.usefixtures("sketched")
def test_a_net_of_which_there_is_no_surface_still_has_a_page(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_edu.cli.report.SURFACE", {False: (2, 20)})
    assert main(["report", str(copy)]) == 0
    words = Page((copy / "report.html").read_text(encoding="utf-8")).words
    assert "There is no loss surface: loss_surface: found points=2" in words


@pytest.mark.usefixtures("sketched")
def test_a_run_without_recorder_or_versions_still_has_a_page(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "config.json").unlink()
    monkeypatch.setattr("tinygrad_edu.train.Recorder.name", "Another")
    assert main(["report", str(copy)]) == 0
    words = Page((copy / "report.html").read_text(encoding="utf-8")).words
    assert "made without a recorder" in words
    assert "directions drawn at random" in words
    assert "config.json is missing or damaged" in words
