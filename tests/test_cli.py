"""The command line, driven as a user drives it."""

import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu.cli import main
from tinygrad_edu.cli.experiment import OPTIMIZERS, SCHEDULES
from tinygrad_edu.data import load_mnist, write_idx
from tinygrad_edu.train import read_checkpoint

FILES = {
    "checkpoint.npz",
    "config.json",
    "curves.png",
    "graph.svg",
    "history.jsonl",
    "model.npz",
}


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small part of MNIST, so that an epoch of batches of 100 has 8 iterations."""
    folder = tmp_path_factory.mktemp("few")
    digits = load_mnist(normalize=False, dtype=np.uint8)
    for name, images, labels in (
        ("train", digits.train_images[:800], digits.train_labels[:800]),
        ("t10k", digits.test_images[:300], digits.test_labels[:300]),
    ):
        write_idx(folder / f"{name}-images-idx3-ubyte", images.reshape(-1, 28, 28))
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the user is in: an empty one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture(scope="session")
def trained(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 240 iterations that reads a digit rather well."""
    run = tmp_path_factory.mktemp("trained") / "run"
    options = ["--optimizer", "adam", "--lr", "0.01", "--weights", "xavier", "--epochs", "30"]
    assert main(["train", "--data", str(few), "--out", str(run), "--quiet", *options]) == 0
    return run


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def state_of(run: Path, *, planned_alike: bool = True) -> Any:
    """All of a run's state that does not depend on how long it took, and where it lies.

    Which moments are recorded depends on how long the training was to become.
    """
    arrays, header = read_checkpoint(run / "checkpoint.npz")
    if not planned_alike:
        assert header["callbacks"].pop("Recorder")
        arrays = {k: array for k, array in arrays.items() if not k.startswith("callbacks/Recorder")}
    records = arrays.pop("history/records").tobytes().decode()
    bits = {name: array.tobytes() for name, array in arrays.items()}
    for part in ("seconds", "facts"):
        header.pop(part)
    return bits, header, re.sub(r'"seconds": [^}]*', "", records)


# ------------------------------------------------------------------------------ the experiment


@pytest.mark.acceptance("S12")
@pytest.mark.acceptance("B2")
def test_the_experiment_of_the_article(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    (run,) = (place / "runs").iterdir()
    assert {path.name for path in run.iterdir()} == FILES
    records = lines_of(run / "history.jsonl")
    assert [record["iteration"] for record in records] == [*range(0, 10_000, 600), 10_000]
    for name in ("train_accuracy", "test_accuracy"):
        before, first, second, *_, last = (record[name] for record in records)
        assert before < 0.2
        assert 0.70 <= first <= 0.85
        assert 0.85 <= second <= 0.90
        assert 0.940 <= last <= 0.952
    config = json.loads((run / "config.json").read_text())
    assert config["settings"]["hidden"] == [50]
    assert config["versions"]["tinygrad_edu"] == tinygrad_edu.__version__
    said = capsys.readouterr().out
    assert f"{records[-1]['test_accuracy']:.4f} on the test images" in said
    assert all(name in said for name in FILES)
    width, height = struct.unpack(">II", (run / "curves.png").read_bytes()[16:24])
    assert (width, height) == (960, 780)
    graph = (run / "graph.svg").read_text(encoding="utf-8")
    assert "first.weight" in graph
    assert "softmax_cross_entropy" in graph


# ------------------------------------------------------------------------------ train


def train(few: Path, *options: str) -> int:
    return main(["train", "--data", str(few), *options])


@pytest.mark.usefixtures("place")
def test_elsewhere_than_on_a_terminal_it_writes_a_plain_table(
    few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(few, "--epochs", "2", "--out", "run") == 0
    out, err = capsys.readouterr()
    assert not err
    assert "\r" not in out
    assert "\x1b" not in out
    table = [line for line in out.splitlines() if re.match(r"( *\d+){2}\.\d", line)]
    assert [line.split()[0] for line in table] == ["0", "8", "16"]
    assert "800 images to train on and 300 to test with" in out
    assert "784-50-10 sigmoid, 39,760 parameters; sgd, lr 0.1, batches of 100, seed 0" in out
    assert "predict run IMAGE.png" in out


@pytest.mark.usefixtures("place")
def test_quiet_says_nothing(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(few, "--iterations", "9", "--out", "run", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert {path.name for path in Path("run").iterdir()} == FILES


def test_options_make_another_experiment(few: Path, place: Path) -> None:
    options = "--hidden 32 16 --activation relu --optimizer momentum --lr 0.05 --batch-size 50"
    assert train(few, *options.split(), "--epochs", "1.5", "--seed", "3", "--quiet") == 0
    (run,) = (place / "runs").iterdir()
    assert run.name == "32-16-relu-momentum-1"
    settings = json.loads((run / "config.json").read_text())["settings"]
    assert settings == {
        "net": "mlp",
        "hidden": [32, 16],
        "activation": "relu",
        "weights": None,
        "batch_norm": None,
        "dropout": None,
        "optimizer": "momentum",
        "lr": 0.05,
        "weight_decay": 0.0,
        "clip": None,
        "schedule": "constant",
        "batch_size": 50,
        "accumulate": 1,
        "epochs": None,
        "iterations": 24,
        "augment": [],
        "preprocess": None,
        "patience": None,
        "data": str(few),
        "image": [1, 28, 28],
        "classes": list("0123456789"),
        "workers": 0,
        "doctor": False,
        "log": [],
        "seed": 3,
    }
    arrays, _ = read_checkpoint(run / "model.npz")
    shapes = [array.shape for name, array in arrays.items() if "weight" in name]
    assert shapes == [(784, 32), (32, 16), (16, 10)]
    assert "optimizer/slots/velocity/layers.0.weight" in read_checkpoint(run / "checkpoint.npz")[0]


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "sgd"])
def test_every_optimizer_trains(few: Path, place: Path, optimizer: str) -> None:
    options = ["--optimizer", optimizer, "--weights", "0.1", "--epochs", "4", "--quiet"]
    assert train(few, *options, "--out", "run") == 0
    losses = read_checkpoint(place / "run" / "checkpoint.npz")[0]["history/losses"]
    assert losses[-5:].mean() < losses[:5].mean()


def test_runs_do_not_overwrite_each_other(few: Path, place: Path) -> None:
    for _ in range(3):
        assert train(few, "--iterations", "1", "--quiet") == 0
    names = sorted(path.name for path in (place / "runs").iterdir())
    assert names == [f"50-sigmoid-sgd-{number}" for number in (1, 2, 3)]


def test_a_seed_gives_the_same_run_and_another_seed_another(few: Path, place: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert train(few, "--iterations", "3", "--seed", seed, "--quiet", "--out", name) == 0
    assert state_of(place / "a") == state_of(place / "b") != state_of(place / "c")
    models = [(place / name / "model.npz").read_bytes() for name in "abc"]
    assert models[0] == models[1] != models[2]


def test_patience_holds_images_out_and_keeps_the_best_weights(
    few: Path,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tinygrad_edu.cli.experiment.HELD_OUT", 200)
    # A learning rate that does harm: the accuracy on what is held out soon falls.
    options = "--patience 2 --lr 3 --weights 1 --epochs 200 --out run"
    assert train(few, *options.split()) == 0
    out = capsys.readouterr().out
    assert "600 images to train on" in out
    assert "validation accuracy" in out
    best = re.search(r"Stopped early: .* since iteration ([\d,]+)", out)
    assert best
    records = {record["iteration"]: record for record in lines_of(place / "run" / "history.jsonl")}
    chosen = records[int(best[1].replace(",", ""))]
    values = [record["validation_accuracy"] for record in records.values()]
    assert chosen["validation_accuracy"] == max(values)
    assert max(values[-2:]) <= max(values[:-2])
    assert len(values) < 200
    assert f"{chosen['test_accuracy']:.4f} on the test images" in out
    assert main(["evaluate", "run"]) == 0
    assert f"test images      {chosen['test_accuracy']:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["matplotlib.figure", "dot"])
def test_a_missing_tool_costs_one_sentence(
    few: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
) -> None:
    if missing == "dot":
        monkeypatch.setenv("PATH", str(place))
        monkeypatch.setitem(sys.modules, "pygraphviz", None)
    else:
        monkeypatch.setitem(sys.modules, missing, None)
    assert train(few, "--iterations", "2", "--out", "run") == 0
    out = capsys.readouterr().out
    if missing == "dot":
        assert len(re.findall(r"^graph.svg: .*dot", out, re.MULTILINE)) == 1
        assert {path.name for path in Path("run").iterdir()} == FILES
    else:
        (line,) = re.findall(r"^No curves.png: .*$", out, re.MULTILINE)
        assert "tinygrad_edu[plot]" in line
        assert {path.name for path in Path("run").iterdir()} == FILES - {"curves.png"}


@pytest.mark.usefixtures("place")
def test_a_run_that_diverges_stops_and_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--lr", "1000", "--out", "run"]) == 1
    out, err = capsys.readouterr()
    assert "training diverges" in err
    assert "learning rate: 1000" in err
    assert re.search(r"try lr=0\.0\d", err)
    assert "nan" not in out


# ------------------------------------------------------------------------------ nets and options

OPTIONS = {
    "simple-conv": "--net simple-conv --hidden 10",
    "deep-conv": "--net deep-conv --schedule constant",
    "lstm": "--net lstm --hidden 16",
    "mlp": "--net mlp --hidden 20 20 --batch-norm --dropout 0.2 --weight-decay 0.01",
    "two-layer": "--augment shift noise --workers 2 --preprocess standardize --clip 1",
    "schedule": "--schedule one-cycle --accumulate 2 --log csv jsonl",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_net_trains_is_resumed_bit_for_bit_evaluated_and_shown_a_digit(
    few: Path, place: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options = [*OPTIONS[name].split(), "--quiet", "--batch-size", "80"]
    prolonged = "--schedule" not in options
    first, last = ("3", "7") if prolonged else ("7", "7")
    assert train(few, *options, "--iterations", "7", "--out", "whole") == 0
    assert train(few, *options, "--iterations", first, "--out", "parts") == 0
    more = ["--iterations", last] if prolonged else []
    assert main(["train", "--resume", "parts", "--quiet", *more]) == 0
    assert state_of(place / "parts") == state_of(place / "whole")
    assert main(["evaluate", "whole"]) == 0
    assert "300 test images" in capsys.readouterr().out
    assert main(["predict", "whole", str(few / "t10k-images-idx3-ubyte")]) == 0
    assert "[9]: a " in capsys.readouterr().out


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_trains(few: Path, place: Path, schedule: str) -> None:
    options = ["--schedule", schedule, "--epochs", "3", "--quiet", "--out", "run"]
    assert train(few, *options) == 0
    rates = [record.get("lr") for record in lines_of(place / "run" / "history.jsonl")]
    assert (len(set(rates)) > 1) == (schedule != "constant")


def test_logs_are_written_as_the_run_goes_and_when_it_goes_on(
    few: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--epochs", "2", "--out", "run", "--log", "csv", "jsonl"]
    assert train(few, *options) == 0
    assert "log.csv" in capsys.readouterr().out
    assert len((place / "run" / "log.csv").read_text().splitlines()) == 4
    assert [line["iteration"] for line in lines_of(place / "run" / "log.jsonl")] == [0, 8, 16]
    assert main(["train", "--resume", "run", "--epochs", "3", "--quiet"]) == 0
    assert lines_of(place / "run" / "log.jsonl")[-1]["iteration"] == 24
    assert len((place / "run" / "log.csv").read_text().splitlines()) == 5
    assert main(["train", "--resume", "run"]) == 0
    assert "makes the run longer" in capsys.readouterr().out


@pytest.mark.usefixtures("place")
def test_the_doctor_finds_what_is_wrong(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sick = "--net mlp --hidden 30 30 --activation sigmoid --weights 100 --epochs 1 --out run"
    assert train(few, *sick.split(), "--doctor") == 0
    assert "saturated" in capsys.readouterr().out


@pytest.mark.usefixtures("place")
def test_a_learning_rate_is_found_and_nothing_is_trained(
    few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert train(few, "--find-lr", "--out", "found") == 0
    out = capsys.readouterr().out
    assert re.search(r"--lr [\d.e-]+ would be a good start", out)
    assert {path.name for path in Path("found").iterdir()} == {"learning_rate.png"}


OWN_MODEL = """
from tinygrad_edu.nn import Conv2d, Flatten, Linear, MaxPool2d, Module, Sequential

class Small(Module):
    input_shape = (1, 28, 28)
    def __init__(self, rng=None):
        self.layers = Sequential(
            Conv2d(1, 4, 5, stride=2, activation="relu", rng=rng), MaxPool2d(2), Flatten(),
            Linear(144, 10, rng=rng),
        )
    def forward(self, x):
        return self.layers(x)

def flat():
    return Linear(784, 10, rng=0)

class Wrong(Module):
    def forward(self, x):
        return x

class Needs(Module):
    def __init__(self, width):
        self.width = width

class Raises(Module):
    def forward(self, x):
        return self.absent(x)

number = 3
"""


def test_a_model_of_the_user_s_trains_by_the_same_command(few: Path, place: Path) -> None:
    (place / "mine.py").write_text(OWN_MODEL)
    for name in ("Small", "flat"):
        target = f"mine.py:{name}"
        assert train(few, "--net", target, "--epochs", "4", "--quiet", "--out", name) == 0
        losses = read_checkpoint(place / name / "checkpoint.npz")[0]["history/losses"]
        assert losses[-8:].mean() < losses[:4].mean()
        assert main(["evaluate", name]) == 0
    assert "layers.0.weight" in read_checkpoint(place / "Small" / "model.npz")[0]


OWN_MISTAKES = {
    "mine.py:Smal": "nearest: Small",
    "none.py:Small": "there is no file",
    "mine.py:number": "expected a Module",
    "mine.py:Wrong": "a logit for each class",
    "mine.py:Needs": "needs width",
    "mine.py:Raises": r"AttributeError: (.|\n)*at mine.py:\d+: return self.absent\(x\)",
    "mine.py": "mine.py:Model",
}


@pytest.mark.parametrize("target", OWN_MISTAKES)
def test_a_model_that_cannot_be_trained_is_refused(
    few: Path, place: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    (place / "mine.py").write_text(OWN_MODEL)
    assert train(few, "--net", target, "--out", "run") == 2
    assert re.search(OWN_MISTAKES[target], capsys.readouterr().err)
    assert not (place / "run").exists()


# ------------------------------------------------------------------------------ resume


def test_a_run_in_two_parts_equals_one_in_one(
    few: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--optimizer", "adam", "--quiet")
    assert train(few, *common, "--iterations", "37", "--out", "whole") == 0
    assert train(few, *common, "--iterations", "13", "--out", "parts") == 0
    assert main(["train", "--resume", "parts", "--iterations", "37"]) == 0
    assert "writing to parts" in capsys.readouterr().out
    assert state_of(place / "parts") == state_of(place / "whole")
    models = [read_checkpoint(place / run / "model.npz")[0] for run in ("parts", "whole")]
    assert all(np.array_equal(array, models[1][name]) for name, array in models[0].items())
    saved = [
        [{**record, "seconds": 0} for record in lines_of(place / run / "history.jsonl")]
        for run in ("parts", "whole")
    ]
    assert saved[0] == saved[1]


def test_a_finished_run_can_be_resumed_and_prolonged(few: Path, place: Path) -> None:
    assert train(few, "--iterations", "10", "--quiet", "--out", "run") == 0
    before = state_of(place / "run")
    (place / "run" / "curves.png").unlink()
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert state_of(place / "run") == before
    assert (place / "run" / "curves.png").exists()
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    assert lines_of(place / "run" / "history.jsonl")[-1]["iteration"] == 16
    config = json.loads((place / "run" / "config.json").read_text())
    assert config["settings"]["iterations"] == 16


def child(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tinygrad_edu", *arguments], **options)


def wait_for_record(process: subprocess.Popen[bytes], iteration: int) -> None:
    """Read what a child prints until it has evaluated, and so saved, at an iteration."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:1] == [str(iteration).encode()]:
            return
    raise AssertionError("the child ended too early")


@pytest.mark.parametrize("planned_alike", [True, False])
def test_a_killed_run_goes_on_as_if_it_had_not_been(
    few: Path, place: Path, planned_alike: bool
) -> None:
    total = "400" if planned_alike else "100000"
    long = ("--iterations", total, "--out", "killed")
    with child("train", "--data", str(few), *long, stdout=subprocess.PIPE) as process:
        wait_for_record(process, 48)
        process.send_signal(signal.SIGKILL)
    reached = len(read_checkpoint(place / "killed" / "checkpoint.npz")[0]["history/losses"])
    assert reached >= 40
    if not planned_alike:
        total = str(reached + 21)
    assert main(["train", "--resume", "killed", "--iterations", total, "--quiet"]) == 0
    assert train(few, "--iterations", total, "--out", "whole", "--quiet") == 0
    killed, whole = (
        state_of(place / run, planned_alike=planned_alike) for run in ("killed", "whole")
    )
    assert killed == whole


def test_ctrl_c_saves_and_says_how_to_go_on(few: Path, place: Path) -> None:
    long = ("--iterations", "400", "--out", "my run")
    with child("train", "--data", str(few), *long, stdout=subprocess.PIPE) as process:
        wait_for_record(process, 16)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        said = process.stdout.read().decode()
    assert process.returncode == 130
    stopped = re.search(r"Stopped at iteration ([\d,]+) of 400; saved up to iteration \1", said)
    assert stopped
    program, *arguments = shlex.split(said.splitlines()[-1])
    assert program == "tinygrad-edu"
    assert main([*arguments, "--quiet"]) == 0
    assert train(few, "--iterations", "400", "--out", "whole", "--quiet") == 0
    assert state_of(place / "my run") == state_of(place / "whole")


@pytest.mark.usefixtures("place")
def test_sigterm_saves_and_says_how_to_go_on(few: Path) -> None:
    long = ("--iterations", "100000", "--out", "run")
    with child(
        "train", "--data", str(few), *long, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_for_record(process, 16)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == 143
    assert "go on with tinygrad-edu train --resume run" in said


def test_ctrl_c_anywhere_else_is_130_too(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_edu.cli.use.trained", interrupted)
    assert main(["evaluate", str(trained)]) == 130
    assert capsys.readouterr().err == "tinygrad-edu: interrupted\n"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal of 100 columns: the user's end, and the program's."""
    pty = pytest.importorskip("pty")
    users, programs = pty.openpty()
    os.environ.pop("NO_COLOR", None)
    yield users, programs
    os.close(users)


@pytest.mark.usefixtures("place")
def test_on_a_terminal_a_bar_shows_loss_accuracy_and_time(
    few: Path, terminal: tuple[int, int]
) -> None:
    users, programs = terminal
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    slow = ("--hidden", "800", "--batch-size", "800", "--epochs", "25", "--out", "run")
    process = child(
        "train", "--data", str(few), *slow, stdout=programs, stderr=programs, env=environment
    )
    os.close(programs)
    screen = b""
    while True:
        try:
            data = os.read(users, 65536)
        except OSError:  # the program has closed its end
            break
        if not data:
            break
        screen += data
    assert process.wait() == 0
    text = screen.decode()
    bars = re.findall(r"\r( *\d+%[^\r\n\x1b]*)", text)
    assert bars
    pattern = r" *\d+% [█▏▎▍▌▋▊▉·]+ +\d+/25  loss \d\.\d+  train accuracy [\d.]+  (test|\d+ s left)"
    assert all(re.match(pattern, bar) for bar in bars)
    assert all(len(bar) < 100 for bar in bars)
    assert "Accuracy after 25 iterations" in text


# ------------------------------------------------------------------------------ evaluate, predict


def test_evaluate_tells_the_accuracy(
    trained: Path, few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(trained)]) == 0
    out = capsys.readouterr().out
    last = lines_of(trained / "history.jsonl")[-1]
    assert f"800 training images  {last['train_accuracy']:.4f}" in out
    assert f"300 test images      {last['test_accuracy']:.4f}" in out
    assert len(re.findall(r"^ {4}\d  ", out, re.MULTILINE)) == 10
    assert main(["evaluate", str(trained), "--data", str(few)]) == 0
    assert capsys.readouterr().out == out


def test_predict_shows_digit_and_probabilities(
    trained: Path, few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = str(few / "t10k-images-idx3-ubyte")
    assert main(["predict", str(trained), images]) == 0
    out = capsys.readouterr().out
    cards = out.split(images)[1:]
    assert len(cards) == 10
    assert "The first 10 of 300 pictures are shown." in cards[-1]
    labels = load_mnist().test_labels[:10]
    right = 0
    for i, (card, label) in enumerate(zip(cards, labels, strict=True)):
        head = re.match(rf"\[{i}\]: a (\d), with probability ([\d.]+)%\n", card)
        assert head
        right += int(head[1]) == label
        found = re.findall(r" ([> ]) (\d) (█*) +([\d.]+)%$", card, re.MULTILINE)
        assert [number for _, number, _, _ in found] == list("0123456789")
        assert sum(float(percent) for *_, percent in found) == pytest.approx(100, abs=0.5)
        assert [number for mark, number, _, _ in found if mark == ">"] == [head[1]]
        assert all(len(bar) == pytest.approx(float(p) * 0.3, abs=0.6) for *_, bar, p in found)
        assert re.search("[█▀▄]{3}", card)
    assert right >= 8


@pytest.mark.usefixtures("place")
def test_predict_reads_a_png_of_any_size(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image")
    seven = load_mnist(normalize=False, dtype=np.uint8).test_images[0].reshape(28, 28)
    image.fromarray(255 - seven).resize((280, 280)).convert("RGB").save("seven.png")
    assert main(["predict", str(trained), "seven.png", "seven.png"]) == 0
    out = capsys.readouterr().out
    head = "seven.png: a 7, with probability"
    assert out.count(head) == 2
    assert "(scaled from 280 x 280 and inverted, for it is dark on light)" in out


def test_a_blank_picture_is_no_digit(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = tmp_path / "blank.png"
    for shade in (0, 255):
        image.new("L", (200, 200), shade).save(picture)
        assert main(["predict", str(trained), str(picture)]) == 2
        assert "blank.png" in capsys.readouterr().err


def test_a_terminal_that_knows_only_ascii_is_spared(trained: Path, few: Path) -> None:
    images = str(few / "t10k-images-idx3-ubyte")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with child("predict", str(trained), images, stdout=subprocess.PIPE, env=environment) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    assert re.search(rb"[#.']{3}", out)
    assert b"> 7 ####" in out


def test_a_reader_that_leaves_is_no_error(trained: Path, few: Path) -> None:
    images = [str(few / "t10k-images-idx3-ubyte")] * 30
    with child(
        "predict", str(trained), *images, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_other_images_with_other_classes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    (place / "bars").mkdir()
    for name, count in (("train", 200), ("t10k", 60)):
        labels = rng.integers(0, 3, count).astype(np.uint8)
        images = rng.integers(0, 60, (count, 12, 12)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 4 * label : 4 * label + 3] = 255
        write_idx(place / "bars" / f"{name}-images-idx3-ubyte", images)
        write_idx(place / "bars" / f"{name}-labels-idx1-ubyte", labels)
    for net in ("two-layer", "simple-conv", "lstm"):
        options = ["--net", net, "--optimizer", "adam", "--batch-size", "20", "--epochs", "6"]
        assert train(place / "bars", *options, "--quiet", "--out", net) == 0
        assert main(["evaluate", net]) == 0
        assert re.search(r"60 test images      (1\.0|0\.9)", capsys.readouterr().out)
    assert main(["predict", "lstm", "bars/t10k-images-idx3-ubyte"]) == 2
    assert "28 x 28" in capsys.readouterr().err
    assert main(["evaluate", "lstm", "--data", "bars"]) == 0


# ------------------------------------------------------------------------------ mistakes

MISTAKES = {
    "": "COMMAND",
    "trane": "trane",
    "train --lrr 3": "--lrr",
    "train --lr fast": "'fast'",
    "train --lr -1": "below|at least 0",
    "train --lr nan": "at least 0",
    "train --hidden": "--hidden",
    "train --hidden 0": "0 is below 1",
    "train --hidden 5.5": "5.5",
    "train --seed -1": "-1 is below 0",
    "train --weights big": "he nor xavier",
    "train --activation step": "sigmoid",
    "train --optimizer sdg": "adagrad",
    "train --net conv": "simple-conv",
    "train --net lstm --activation relu": "has no --activation",
    "train --net deep-conv --hidden 5 5": "takes one number",
    "train --net two-layer --hidden 5 5": "--net mlp",
    "train --dropout 1": "not in",
    "train --batch-norm": "goes with --net mlp",
    "train --batch-size 100000": "there are 60000 images",
    "train --resume {trained} --find-lr": "--find-lr",
    "train --schedule slow": "cosine",
    "train --augment bend": "elastic",
    "train --epochs 2 --iterations 5": "not allowed with",
    "train --data none": "there is no folder .*none",
    "train --data {place}": "train",
    "train --data {few} --patience 2": "--patience",
    "train --data {few} --out {trained}": "is not empty",
    "train --data {few} --out {trained}/model.npz": "model.npz",
    "train --resume none": "there is no run folder none",
    "train --resume {place}": "there is no checkpoint.npz",
    "train --resume {trained} --lr 1": "--lr cannot be changed",
    "train --resume {trained} --batch-size 1": "--batch-size cannot be changed",
    "train --resume {trained} --out x": "--out",
    "train --resume {trained} --iterations 5": "has made 240 iterations already",
    "evaluate": "RUN",
    "evaluate none": "there is no run folder none",
    "evaluate {place}": "there is no model.npz",
    "evaluate {trained} --data none": "there is no folder none",
    "predict {trained}": "IMAGE",
    "predict {trained} none.png": "none.png: No such file",
    "predict {trained} {trained}/config.json": "neither PNG nor IDX",
    "predict {trained} {few}/train-labels-idx1-ubyte": "expected pictures",
    "predict {trained} {place}": "[Ii]s a directory",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    few: Path,
    trained: Path,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.iterdir()}
    arguments = [word.format(place=place, few=few, trained=trained) for word in line.split()]
    try:
        code: Any = main(arguments)
    except SystemExit as left:
        code = left.code
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("tinygrad-edu: ")
    assert re.search(MISTAKES[line], err)
    assert not list(place.iterdir())
    assert {path: path.stat().st_mtime_ns for path in trained.iterdir()} == before


def damaged(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        data = bytearray((run / name).read_bytes())
        data[len(data) // 2] ^= 1
        (run / name).write_bytes(data)

    return damage


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("checkpoint.npz", ["train", "--resume", "run"]), ("model.npz", ["evaluate", "run"])],
)
def test_a_damaged_run_is_refused(
    few: Path, place: Path, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str]
) -> None:
    assert train(few, "--iterations", "1", "--quiet", "--out", "run") == 0
    damaged(name)(place / "run")
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{name}: " in err


def test_a_checkpoint_of_another_program_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tinygrad_edu.train import write_checkpoint

    (place / "run").mkdir()
    write_checkpoint(place / "run" / "checkpoint.npz", {}, {"facts": {"mine": 1}})
    assert main(["train", "--resume", "run"]) == 2
    assert "was not written by tinygrad-edu train" in capsys.readouterr().err


def test_an_unfinished_run_says_how_to_finish_it(
    few: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(few, "--iterations", "1", "--quiet", "--out", "run") == 0
    (place / "run" / "model.npz").unlink()
    assert main(["predict", "run", "x.png"]) == 2
    assert "tinygrad-edu train --resume run" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_and_version(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    assert re.search("tinygrad-edu", capsys.readouterr().out)
