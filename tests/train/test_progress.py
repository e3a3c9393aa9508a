"""Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

import io
import re

import pytest

from tinygrad_edu.train import Progress
from tinygrad_edu.train.progress import duration

RECORD = {"iteration": 600, "epoch": 1.0, "loss": 1.5, "test_accuracy": 0.79, "seconds": 2.04}
FIRST = {"iteration": 0, "epoch": 0.0, "loss": None, "test_accuracy": 0.1, "seconds": 0.1}


class Terminal(io.StringIO):
    """A stream that says what it is."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = True) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock finds it half a second later, in a terminal of 80 columns."""
    ticks = iter(range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(ticks) / 2)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


def run(progress: Progress, steps: int = 3) -> str:
    progress.begin(599, 1199)
    progress.record(FIRST)
    for i in range(steps):
        progress.step(600 + i, 2.0, FIRST)
    progress.record(RECORD)
    progress.line("done")
    text = progress.stream.getvalue()
    assert isinstance(text, str)
    return text


def screen(text: str) -> list[str]:
    """The lines that stay, as a terminal would show them."""
    return [re.split(r"\r|\x1b\[K", line)[-1] for line in text.split("\n")]


TABLE = [
    "iteration    epoch     loss  test accuracy  seconds",
    "        0      0.0        -         0.1000      0.1",
    "      600      1.0   1.5000         0.7900      2.0",
    "done",
    "",
]


def test_elsewhere_than_on_a_terminal_lines_are_plain() -> None:
    assert run(Progress(Terminal(terminal=False))).split("\n") == TABLE


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert run(Progress(Terminal())).split("\n") == TABLE


def test_quiet_says_nothing() -> None:
    assert run(Progress(Terminal(), quiet=True)) == ""


def test_on_a_terminal_a_bar_moves_below_the_table() -> None:
    text = run(Progress(Terminal()))
    assert screen(text) == TABLE
    bars = re.findall(r"\r([^\r\x1b\n]+)\x1b\[K", text)
    assert len(bars) == 2  # the first step starts the clock
    assert (
        bars[0] == " 50% ██████······   601/1199  loss 2.0000  test accuracy 0.1000  4:59 min left"
    )
    assert all(len(bar) <= 79 for bar in bars)


@pytest.mark.parametrize("columns", range(10, 120, 7))
def test_the_bar_is_never_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = run(Progress(Terminal()))
    bars = re.findall(r"\r([^\r\x1b\n]+)\x1b\[K", text)
    assert bars
    assert all(len(bar) < columns for bar in bars)
    assert all("601/1199"[: columns - 1] in bar or "602/1199"[: columns - 1] in bar for bar in bars)


def test_a_terminal_that_knows_only_ascii_gets_an_ascii_bar() -> None:
    text = run(Progress(Terminal("ascii")))
    text.encode("ascii")
    assert "[#####" in text


def test_the_bar_may_be_asked_for() -> None:
    assert "\r" in run(Progress(Terminal(terminal=False), bar=True))
    assert "\r" not in run(Progress(Terminal(), bar=False))


def test_it_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    Progress().line("hello")
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (125, "2:05 min"), (5400, "1:30 h")],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (84889394211420029059072.0, "8.5e+22"),
        (94087.1394, "9.4e+04"),
        (-84889394211420029059072.0, " -8e+22"),
        (9999.99999, "10000.0"),
        (1234.5678, "1234.57"),
        (161.8, "161.800"),
        (1.5, " 1.5000"),
    ],
)
def test_a_large_loss_stays_in_its_column(loss: float, shown: str) -> None:
    progress = Progress(Terminal(terminal=False))
    progress.record({**RECORD, "loss": loss, "test_accuracy": 94087.1394})
    head, row = progress.stream.getvalue().splitlines()
    assert len(row) == len(head)
    assert row[20:27] == shown
    assert row[29:42].strip() == "9.409e+04"
