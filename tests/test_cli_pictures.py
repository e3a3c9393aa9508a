import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu.cli import main
from tinygrad_edu.data import write_idx
from tinygrad_edu.train import read_checkpoint
from tinygrad_edu.train.checkpoint import write_checkpoint

MODEL = """
import numpy as np
from tinygrad_edu import Tensor
from tinygrad_edu.nn import Embedding, Linear, Module, ReLU, Sequential

class Words(Module):
    def __init__(self, rng=None):
        self.table, self.last = Embedding(7, 4, rng=rng), Linear(4, 2, rng=rng)

    def forward(self, ids):
        return self.last(self.table(ids).mean(axis=1))

def build():
    return Sequential(Linear(6, 5, rng=0), ReLU(), Linear(5, 2, rng=1))

model = build()
w = Tensor(3.0, requires_grad=True, name="w")
square = w * w
number = 7

class Broken(Module):
    def forward(self, x):
        return x.no_such_thing
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["model", "build"])
def test_a_model_is_drawn_by_its_name(place, capsys, name):
    assert main(["draw", f"net.py:{name}", "--input", "3,6"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{name}.svg"
    drawn = (place / f"{name}.svg").read_text()
    assert drawn.startswith("<svg")
    assert "Linear(6, 5" in drawn


def test_the_suffix_is_the_format_and_a_dash_is_text(place, capsys):
    assert main(["draw", "net.py:model", "--input", "3,6", "--out", "it.json"]) == 0
    assert json.loads((place / "it.json").read_text())["cards"]
    capsys.readouterr()
    assert main(["draw", "net.py:model", "--input", "3,6", "--out", "-", "--grad"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("model\n")
    assert "gradient" in said


@pytest.mark.usefixtures("place")
def test_ids_are_for_models_that_read_words(capsys):
    assert main(["draw", "net.py:Words", "--input", "2,3", "--ids", "7", "--out", "-"]) == 0
    assert "Embedding(7, 4)" in capsys.readouterr().out


@pytest.mark.usefixtures("place")
def test_a_tensor_needs_no_input(capsys):
    assert main(["draw", "net.py:square", "--out", "-"]) == 0
    assert "9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net.py:model"], "--input 100,784"),
        (["net.py:square", "--input", "3"], "takes no --input"),
        (["net.py:number"], "is a int; expected a Module"),
        (["net.py:nothing"], "defines no 'nothing'"),
        (["net.py:Broken", "--input", "3"], "net.py:23: return x.no_such_thing"),
        (["net.py:model", "--input", "3,6", "--out", "it.gif"], "suffix"),
        (["net.py:model", "--input", "3,x"], "is no shape"),
    ],
)
def test_what_cannot_be_drawn_is_told_and_leaves_nothing(place, capsys, arguments, said):
    before = set(os.listdir(place))
    try:
        code = main(["draw", *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert set(os.listdir(place)) - before <= {"__pycache__"}


def test_a_picture_is_drawn_where_there_is_no_program(place):
    environment = {**os.environ, "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tinygrad_edu", "draw", "net.py:model", "--input", "3,6"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "model.svg"
    assert "dot was not found" in done.stdout
    assert (place / "model.svg").read_text().startswith("<svg")


def test_a_run_is_explained_over_its_first_iterations(place, capsys):
    train = ["train", "--iterations", "30", "--quiet", "--out", "run"]
    assert main(train) == 0
    capsys.readouterr()
    assert main(["explain", "run", "--steps", "10"]) == 0
    assert capsys.readouterr().out == "run/backprop.html\n"
    page = (place / "run" / "backprop.html").read_text()
    assert "Backward pass of 784-50-10" in page
    assert "step 10" in page
    assert "softmax_cross_entropy" in page
    assert "second.weight" in page
    assert main(["explain", "run", "--steps", "0", "--out", "still.html"]) == 0
    assert "step 10" not in (place / "still.html").read_text()
    for out in (".", "nowhere/page.html"):
        capsys.readouterr()
        assert main(["explain", "run", "--out", out]) == 2
        assert "name a file in a folder that is there, such as backprop.html" in (
            capsys.readouterr().err
        )
    assert main(["explain", "nowhere"]) == 2
    assert "no run folder nowhere" in capsys.readouterr().err


def test_a_run_that_may_stop_early_is_explained(place, monkeypatch):
    monkeypatch.setattr("tinygrad_edu.cli.experiment.HELD_OUT", 59_900)
    train = ["train", "--patience", "1", "--iterations", "3", "--quiet", "--out", "run"]
    assert main(train) == 0
    assert main(["explain", "run", "--steps", "2"]) == 0
    assert "step 2" in (place / "run" / "backprop.html").read_text()


def test_a_run_whose_images_are_others_now_is_not_explained(place, capsys):
    assert main(["train", "--iterations", "2", "--quiet", "--out", "run"]) == 0
    images = np.zeros((8, 5, 5), np.uint8)
    for name in ("train", "t10k"):
        write_idx(place / f"{name}-images-idx3-ubyte", images)
        write_idx(place / f"{name}-labels-idx1-ubyte", np.arange(8, dtype=np.uint8))
    arrays, header = read_checkpoint(place / "run" / "model.npz")
    header["settings"]["data"] = str(place)
    write_checkpoint(place / "run" / "model.npz", arrays, header)
    capsys.readouterr()
    assert main(["explain", "run"]) == 2
    assert "are not those that run was trained on any more" in capsys.readouterr().err


def test_ids_are_asked_for_where_a_model_takes_them(place, capsys):
    (place / "words.py").write_text(
        "from tinygrad_edu.nn import Embedding\nmodel = Embedding(9, 4, rng=0)\n"
    )
    assert main(["draw", "words.py:model", "--input", "2,3"]) == 2
    assert "fix: --ids N" in capsys.readouterr().err
    assert main(["draw", "words.py:model", "--input", "2,3", "--ids", "9"]) == 0


@pytest.mark.parametrize("shape", ["2x3", "2,0", "2.5", "a", "", "2,,3"])
@pytest.mark.usefixtures("place")
def test_a_shape_that_is_none_is_refused_with_an_example(capsys, shape):
    with pytest.raises(SystemExit):
        main(["draw", "net.py:model", f"--input={shape}"])
    assert "is no shape; write sizes as in 100,784" in capsys.readouterr().err


def test_the_line_of_a_file_that_cannot_be_imported_is_told(place, capsys):
    (place / "wrong.py").write_text("import numpy as np\n\ndef f(:\n")
    (place / "late.py").write_text("import numpy as np\nnp.zeros(3) @ np.zeros(4)\n")
    assert main(["draw", "wrong.py:f"]) == 2
    assert capsys.readouterr().err.endswith(
        "SyntaxError: invalid syntax\n  at wrong.py:3: def f(:\n"
    )
    assert main(["draw", "late.py:f"]) == 2
    assert capsys.readouterr().err.endswith("at late.py:2: np.zeros(3) @ np.zeros(4)\n")


@pytest.mark.parametrize("command", ["explain", "report"])
def test_a_page_has_the_name_of_one(place, capsys, command):
    assert main(["train", "--iterations", "2", "--out", "run", "--quiet"]) == 0
    assert main([command, "run", "--out", "page.pdf"]) == 2
    assert "name it page.html" in capsys.readouterr().err
    assert not (place / "page.pdf").exists()
