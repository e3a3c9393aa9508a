"""``tinygrad-edu check``, as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu.cli import main
from tinygrad_edu.core.op import OPS

FILE = """
import numpy as np
import neighbour
from tinygrad_edu import Tensor, elementwise, fused
from tinygrad_edu.nn import Dropout, Linear

def right(x, w=np.ones((3, 2)), slope=0.1):
    assert slope == 0.1
    return np.tanh(x @ w)

def scalar(x: float, y: "float") -> Tensor:
    assert x.shape == y.shape == ()
    return neighbour.double(x) * y

def wrong(x):
    return x.detach() * x

def late(x):
    return second(x)

def logarithm(x):
    return np.log(x)

def counts(x, n: int):
    return x * n

def keyword(x, *, n):
    return x * n

def variadic(*xs):
    return np.concatenate(xs)

def nothing():
    return Tensor(1.0)

facts = {"doc": "", "formula": "", "latex": "", "pattern": "scale"}
second = elementwise(
    lambda x: x * x * x, lambda _y, x: 3 * np.square(getattr(x, "data", x)), name="second", **facts
)
sine = elementwise(lambda x: np.sin(x), lambda _y, x: np.cos(x), name="mysine", **facts)
net = Linear(3, 2, rng=0)
table = {"net": net}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "neighbour.py").write_text("def double(x):\n    return 2 * x\n")
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    return str(path)


def check(file: str, name: str, *options: str) -> int:
    for row in ("second", "mysine"):  # a process loads a file once
        OPS.pop(row, None)
    return main(["check", f"{file}::{name}", *options])


def test_a_subprocess_passes_and_fails(file: str) -> None:
    command = [sys.executable, "-m", "tinygrad_edu", "check"]
    done = subprocess.run([*command, f"{file}::right"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("right at (2, 3) float64, (3, 2) float64, seed 0\n")
    assert "gradient of right: passed" in done.stdout
    assert "gradient of the gradient of right: passed" in done.stdout
    done = subprocess.run([*command, f"{file}::wrong"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert "gradient of wrong, input 0: wrong gradient" in done.stdout
    assert "likely cause: the right gradient times 1/2" in done.stdout
    done = subprocess.run([*command, f"{file}::missing"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tinygrad-edu: check: ")


def test_type_hints_and_neighbours(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, "scalar") == 0
    assert "scalar at () float64, () float64" in capsys.readouterr().out
    assert str(Path(file).parent) not in sys.path


def test_shapes(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, "right", "--shapes", "(4, 3), (3, 5)") == 0
    assert check(file, "right", "--shapes", "(4, 3)") == 0
    assert check(file, "variadic", "--shapes", "(2,), (3,), 4") == 0
    out = capsys.readouterr().out
    assert "right at (4, 3) float64, (3, 5) float64" in out
    assert "right at (4, 3) float64, seed" in out
    assert "variadic at (2,) float64, (3,) float64, (4,) float64" in out


def test_the_second_order_is_looked_at(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, "late", "--order", "1") == 0
    assert check(file, "late") == 1
    out = capsys.readouterr().out
    assert "gradient of the gradient of late, input 0: wrong gradient" in out


def test_the_interval_of_the_numbers(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, "logarithm") == 1
    assert "not defined at this point" in capsys.readouterr().out
    assert check(file, "logarithm", "--between", "0.2", "3") == 0


def test_a_seed_draws_other_numbers(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for seed in ("0", "0", "5"):
        assert check(file, "right", "--seed", seed) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].replace("seed 0", "seed 5") != texts[2]


def test_an_op_is_asked_every_law(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, "sine") == 0
    assert "check_op of mysine: passed" in capsys.readouterr().out


def test_a_wrong_op_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, "second", "--shapes", "(2,)") == 1
    assert "broken law: the vjp of the vjp" in capsys.readouterr().out


def test_a_module_is_checked_with_shapes(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, "net", "--shapes", "(4, 3)", "--order", "1") == 0
    assert "check_module of Linear: passed" in capsys.readouterr().out
    assert check(file, "net") == 2
    assert '--shapes "(4, 3)"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("rihgt", (), "nearest: right"),
        ("table", (), "table is a dict"),
        ("Linear", (), "Linear is a class"),
        ("counts", (), "'n' of counts is of type int"),
        ("keyword", (), "needs the keyword 'n'"),
        ("nothing", (), "unknown what to call nothing with"),
        ("variadic", (), "--shapes"),
        ("right", ("--shapes", "(2, 3"), "are no shapes"),
        ("right", ("--shapes", "'x'"), "are no shapes"),
        ("right", ("--shapes", "(1,), (2,), (3,), (4,)"), "one shape for each argument"),
        ("scalar", ("--shapes", "()"), r"has 1 shapes, but it is scalar\(x, y\)"),
        ("right", ("--between", "3", "1"), "is no interval"),
    ],
)
def test_what_cannot_be_tried_says_what_to_do(
    file: str, name: str, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(file, name, *options) == 2
    out, err = capsys.readouterr()
    assert not out

    assert re.search(words, err), err
    assert "\n  fix: " in err or "nearest" in err


def test_files_that_cannot_be_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, text = tmp_path / "broken.py", tmp_path / "text.txt"
    broken.write_text("x = 1\ny = undefined\n")
    text.write_text("hello")
    for target, words in (
        (f"{tmp_path / 'none.py'}::f", "there is no file"),
        (
            f"{broken}::f",
            "NameError: name 'undefined' is not defined\n  at broken.py:2: y = undefined",
        ),
        (f"{text}::f", "no Python file"),
        (str(broken), "names no function"),
    ):
        assert main(["check", target]) == 2
        assert words in capsys.readouterr().err
