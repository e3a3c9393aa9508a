"""Search: the same results for any number of processes and any number of interruptions."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import DataError, DiagramError, TrainingError
from tinygrad_edu.train import (
    Choice,
    History,
    IntUniform,
    LogUniform,
    Results,
    Run,
    Trial,
    Uniform,
    search,
)

OBJECTIVES = '''
"""Objectives for other processes."""
import os
import time


def noisy(settings, run):
    for _ in range(run.budget or 3):
        run.report(score=-(settings["x"] - 2) ** 2 + 0.01 * run.rng.standard_normal())


def fragile(settings, run):
    if run.number == 1:
        raise RuntimeError("no such luck\\nat all")
    if run.number == 2:
        return float("nan")
    if run.number == 3:
        os._exit(7)
    return settings["x"]


def slow(settings, run):
    if run.number >= 3:
        with open(os.environ["SEARCH_PIPE"], "wb", buffering=0) as pipe:
            pipe.write(b"x")
        time.sleep(60)
    return settings["x"]

'''
SPACE = {"x": Uniform(0, 5), "units": IntUniform(1, 4), "lr": LogUniform(1e-6, 1e-2),
         "kind": Choice("relu", "tanh"), "depth": 3}  # fmt: skip


@pytest.fixture
def objectives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that other processes can import."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "objectives_of_a_search.py").write_text(OBJECTIVES)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("SEARCH_PIPE", str(tmp_path / "pipe"))
    import objectives_of_a_search  # type: ignore[import-not-found]

    yield objectives_of_a_search
    del sys.modules["objectives_of_a_search"]


def told(results: Results) -> list[Any]:
    """Return all that must be equal between two searches: all but the time it took."""
    return [
        (t.number, t.settings, t.budget, t.value, t.curves, (t.error or "").partition(" (")[0])
        for t in results.trials
    ]


def parabola(settings: dict[str, Any], _run: Run) -> float:
    return float(-((settings["x"] - 2) ** 2))


# ------------------------------------------------------------------------------ spaces


@pytest.mark.parametrize(
    ("space", "low", "high"),
    [(Uniform(-1, 3), -1, 3), (LogUniform(1e-6, 1e-2), 1e-6, 1e-2), (IntUniform(2, 9), 2, 9)],
)
def test_a_range_draws_all_of_itself_and_nothing_else(space: Any, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([space.draw(rng) for _ in range(2000)])
    assert low <= drawn.min()
    assert drawn.max() <= high
    scale = np.log10 if isinstance(space, LogUniform) else np.asarray
    part = (scale(drawn) - scale(low)) / (scale(high) - scale(low))
    assert part.min() < 0.01
    assert part.max() > 0.99
    assert abs(part.mean() - 0.5) < 0.03
    assert abs(part.std() - np.sqrt(1 / 12)) < 0.04
    assert space.grid(2) == [low, high]


def test_each_option_is_drawn_as_often() -> None:
    rng = np.random.default_rng(0)
    drawn = [Choice("a", None, [1, 2]).draw(rng) for _ in range(3000)]
    assert all(abs(drawn.count(option) - 1000) < 100 for option in ("a", None, [1, 2]))


def test_grids_are_even() -> None:
    assert Uniform(0, 1).grid(3) == [0, 0.5, 1]
    np.testing.assert_allclose(LogUniform(1e-4, 1).grid(3), [1e-4, 1e-2, 1])
    assert IntUniform(1, 3).grid(9) == [1, 2, 3]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1, 1), lambda: Uniform(2, 1), lambda: Uniform(0, np.inf),
        lambda: LogUniform(0, 1), lambda: LogUniform(-1, 1), lambda: IntUniform(1, 2.5),  # type: ignore[arg-type]
        lambda: IntUniform(4, 2), lambda: Uniform("a", 2), lambda: Choice(),  # type: ignore[arg-type]
        lambda: Choice(object()), lambda: Choice((1, 2)), lambda: Choice(np.nan),
    ],
)  # fmt: skip
def test_a_space_that_is_none_is_refused(make: Any) -> None:
    with pytest.raises(TrainingError, match=r"\n  fix: [a-z]"):
        make()


# ------------------------------------------------------------------------------ strategies


def test_random_search_finds_the_top_of_a_parabola() -> None:
    results = search(parabola, {"x": Uniform(0, 5)}, trials=60)
    assert len(results.trials) == 60
    assert abs(results.best.settings["x"] - 2) < 0.1
    assert results.best.value == max(t.value or -np.inf for t in results.trials)
    assert [t.number for t in results.trials] == list(range(60))


def test_the_lowest_may_be_the_best() -> None:
    def loss(settings: dict[str, Any], run: Run) -> float:
        return -parabola(settings, run)

    results = search(loss, {"x": Uniform(0, 5)}, trials=30, best="lowest")
    assert results.best.value == min(t.value or np.inf for t in results.trials)
    values = [t.value for t in results.sorted]
    assert values == sorted(values, key=lambda value: value or 0)


def test_a_grid_has_all_combinations() -> None:
    space = {"x": Uniform(0, 4), "kind": Choice("relu", "tanh"), "depth": 3}
    results = search(parabola, space, strategy="grid", points=3)
    assert [t.settings for t in results.trials] == [
        {"x": x, "kind": kind, "depth": 3} for x in (0, 2, 4) for kind in ("relu", "tanh")
    ]
    assert results.best.settings == {"x": 2, "kind": "relu", "depth": 3}


def test_halving_spends_on_the_best() -> None:
    spent: list[tuple[int, int | None]] = []

    def learns(settings: dict[str, Any], run: Run) -> float:
        spent.append((run.number, run.budget))
        return parabola(settings, run) - 1 / (run.budget or 1)

    results = search(
        learns, {"x": Uniform(0, 5)}, strategy="halving", trials=27, budget=(1, 9), factor=3
    )
    budgets = [budget for _, budget in spent]
    assert [budgets.count(budget) for budget in (1, 3, 9)] == [27, 9, 3]
    by_number = {t.number: t.value or 0 for t in results.trials if t.budget == 1}
    best = sorted(by_number, key=by_number.__getitem__)[-9:]
    assert {number for number, budget in spent if budget == 3} == set(best)
    assert results.best.budget == 9
    assert results.best.number == best[-1]
    assert [t.budget for t in results.sorted[:4]] == [9, 9, 9, 3]


def test_halving_ends_at_the_most_even_where_the_factor_does_not() -> None:
    results = search(
        parabola, {"x": Uniform(0, 5)}, strategy="halving", trials=4, budget=(2, 10), factor=4
    )
    assert [t.budget for t in results.trials] == [2, 2, 2, 2, 8, 10]


# ------------------------------------------------------------------------------ what it returns


def history() -> History:
    found = History()
    for i, value in enumerate((0.2, 0.5, 0.7)):
        found.add_loss(1.0 - value)
        found.add_record(i, 0.1, {"train_accuracy": value + 0.1, "validation_accuracy": value})
    return found


@pytest.mark.parametrize(
    ("returned", "monitor", "value"),
    [
        (0.25, None, 0.25), (np.float32(0.25), None, 0.25), ([0.1, 0.3], None, 0.3),
        (np.array([0.1, 0.3]), "score", 0.3), ({"a": [1, 2], "b": [3, 4]}, "b", 4),
        (history(), "validation_accuracy", 0.7), (history(), "train_accuracy", 0.7999999999999999),
    ],
)  # fmt: skip
def test_an_objective_returns_a_number_a_curve_or_a_history(
    returned: Any, monitor: str | None, value: float
) -> None:
    results = search(lambda _s, _r: returned, {"x": 1}, trials=1, monitor=monitor)
    assert results.best.value == value


def test_curves_are_kept() -> None:
    def reports(_settings: Any, run: Run) -> None:
        for i in range(3):
            run.report(a=i, b=np.nan)

    results = search(reports, {"x": 1}, trials=1, monitor="a")
    assert results.best.curves == {"a": [0, 1, 2], "b": [None, None, None]}


@pytest.mark.parametrize("returned", [None, {}, {"a": [1], "b": [2]}, []])
def test_an_objective_that_does_not_say_what_counts_has_failed(returned: Any) -> None:
    results = search(lambda _s, _r: returned, {"x": 1}, trials=1)
    assert "expected one that counts" not in (results.failed[0].error or "").split("\n")[1:]
    assert "TrainingError: search: the objective gave" in (results.failed[0].error or "")


def test_the_table_is_sorted_and_tells_of_failures(objectives: Any) -> None:
    results = search(objectives.fragile, {"x": Uniform(0, 1), "k": "a"}, trials=3)
    head, first, failed = results.table().splitlines()
    assert head.split() == ["rank", "trial", "value", "x", "k"]
    assert first.split()[:2] == ["1", "0"]
    assert failed.startswith("2 failed, the first of them trial 1: RuntimeError: no such luck (obj")
    assert len(search(parabola, {"x": Uniform(0, 1)}, trials=9).table(4).splitlines()) == 5


def test_a_search_of_which_nothing_came_has_no_best() -> None:
    results = search(lambda _s, _r: 1 / 0, {"x": 1}, trials=2)
    with pytest.raises(TrainingError, match="ZeroDivisionError"):
        _ = results.best


# ------------------------------------------------------------------------------ processes


def test_two_processes_find_what_one_finds(objectives: Any) -> None:
    one = search(objectives.noisy, SPACE, trials=6, rng=5, monitor="score")
    two = search(objectives.noisy, SPACE, trials=6, rng=5, monitor="score", processes=2)
    assert told(one) == told(two)
    assert told(one) != told(search(objectives.noisy, SPACE, trials=6, rng=6, monitor="score"))
    more = search(objectives.noisy, SPACE, trials=8, rng=5, monitor="score")
    assert told(more)[:6] == told(one)


def test_halving_is_the_same_in_two_processes(objectives: Any) -> None:
    options: Any = {"strategy": "halving", "trials": 6, "budget": (1, 4), "factor": 2}
    one = search(objectives.noisy, SPACE, **options)
    assert told(one) == told(search(objectives.noisy, SPACE, **options, processes=2))


def test_a_generator_gives_the_seed() -> None:
    rng = np.random.default_rng(3)
    first, second = (told(search(parabola, {"x": Uniform(0, 5)}, trials=2, rng=rng)) for _ in "ab")
    assert first != second
    again = search(parabola, {"x": Uniform(0, 5)}, trials=2, rng=np.random.default_rng(3))
    assert told(again) == first


def test_trials_that_fail_and_processes_that_die_do_not_end_the_search(objectives: Any) -> None:
    results = search(objectives.fragile, {"x": Uniform(0, 1)}, trials=6, processes=2)
    errors = [trial.error for trial in results.trials]
    assert errors[0] is errors[4] is errors[5] is None
    assert (errors[1] or "").startswith("RuntimeError: no such luck (objectives_of_a_search.py:")
    assert errors[2] == "its value is nan"
    assert errors[3] == "its process ended with exit code 7"
    assert len(results.sorted) == 3


def test_what_cannot_be_imported_needs_one_process() -> None:
    with pytest.raises(TrainingError, match=r"cannot import the objective .*\n  fix: "):
        search(lambda _s, _r: 1.0, {"x": 1}, trials=2, processes=2)


# ------------------------------------------------------------------------------ on disk


def test_a_search_goes_on_where_it_was(tmp_path: Path) -> None:
    made: list[int] = []
    interrupts: list[bool] = []

    def counted(settings: dict[str, Any], run: Run) -> float:
        if made == [0, 1, 2, 3] and interrupts:
            interrupts.pop()
            raise KeyboardInterrupt
        made.append(run.number)
        return parabola(settings, run)

    whole = search(counted, {"x": Uniform(0, 5)}, trials=9)
    made.clear()
    interrupts.append(True)
    folder = tmp_path / "search"
    with pytest.raises(KeyboardInterrupt):
        search(counted, {"x": Uniform(0, 5)}, trials=9, folder=folder)
    results = search(counted, {"x": Uniform(0, 5)}, trials=9, folder=folder)
    assert made == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert told(results) == told(whole)
    assert (folder / "table.txt").read_text() == whole.table() + "\n"
    more = search(counted, {"x": Uniform(0, 5)}, trials=11, folder=folder)
    assert made[-2:] == [9, 10]
    assert told(more)[:9] == told(whole)
    fewer = search(counted, {"x": Uniform(0, 5)}, trials=2, folder=folder)
    assert told(fewer) == told(whole)[:2]


def test_a_file_cut_off_at_any_byte_loses_one_trial_at_most(tmp_path: Path) -> None:
    space = {"x": Uniform(0, 5)}
    whole = search(parabola, space, trials=3, folder=tmp_path)
    lines = tmp_path / "trials.jsonl"
    data = lines.read_bytes()
    starts = len(data) - len(data.splitlines()[-1]) - 1
    for end in range(starts, len(data), 9):
        lines.write_bytes(data[:end])
        made: list[int] = []

        def counted(settings: dict[str, Any], run: Run, made: list[int] = made) -> float:
            made.append(run.number)
            return parabola(settings, run)

        counted.__qualname__ = parabola.__qualname__
        assert told(search(counted, space, trials=3, folder=tmp_path)) == told(whole)
        assert made == [2]
        assert len(lines.read_bytes().splitlines()) == 3


def test_lines_in_the_middle_that_are_damaged_are_refused(tmp_path: Path) -> None:
    search(parabola, {"x": Uniform(0, 5)}, trials=3, folder=tmp_path)
    lines = tmp_path / "trials.jsonl"
    first, *rest = lines.read_text().splitlines(keepends=True)
    for damaged in (first[5:], "{}\n", "[1]\n", first.replace("settings", "sittings")):
        lines.write_text("".join([damaged, *rest]))
        with pytest.raises(DataError, match=r"line 1 of .*\n  fix: delete that line"):
            search(parabola, {"x": Uniform(0, 5)}, trials=3, folder=tmp_path)


def test_another_search_does_not_go_on(tmp_path: Path) -> None:
    search(parabola, {"x": Uniform(0, 5)}, trials=2, folder=tmp_path)
    with pytest.raises(TrainingError, match="seed was 0, now 1"):
        search(parabola, {"x": Uniform(0, 5)}, trials=2, folder=tmp_path, rng=1)
    with pytest.raises(TrainingError, match="space was"):
        search(parabola, {"x": Uniform(0, 6)}, trials=2, folder=tmp_path)
    with pytest.raises(TrainingError, match="resume=False"):
        search(parabola, {"x": Uniform(0, 5)}, trials=2, folder=tmp_path, resume=False)
    (tmp_path / "search.json").write_text("[]")
    with pytest.raises(DataError, match="is no description of a search"):
        search(parabola, {"x": Uniform(0, 5)}, trials=2, folder=tmp_path)
    (tmp_path / "search.json").unlink()
    with pytest.raises(DataError, match=r"is there without search\.json"):
        search(parabola, {"x": Uniform(0, 5)}, trials=2, folder=tmp_path)


PROGRAM = """
import sys
from objectives_of_a_search import slow
from tinygrad_edu.train import Uniform, search

if __name__ == "__main__":
    search(slow, {"x": Uniform(0, 5)}, trials=6, processes=2, folder=sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_search_that_is_killed_loses_only_what_was_running(
    tmp_path: Path, objectives: Any, number: signal.Signals
) -> None:
    program = tmp_path / "modules" / "program.py"
    program.write_text(PROGRAM)
    folder, pipe = tmp_path / "search", tmp_path / "pipe"
    os.mkfifo(pipe)
    begun = os.open(pipe, os.O_RDWR)
    process = subprocess.Popen(
        [sys.executable, program, folder], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(2):  # trials 3 and 4 have begun, so 0 to 2 are done
            assert select.select([begun], [], [], 100)[0]
            assert os.read(begun, 1) == b"x"
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # what a terminal does
        else:
            process.kill()
        process.wait()
    finally:
        os.close(begun)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode in (-number, 130, 1)
    assert ("KeyboardInterrupt" in said) == (number is signal.SIGINT)
    lines = (folder / "trials.jsonl").read_text().splitlines()
    kept = [json.loads(line)["number"] for line in lines]
    assert sorted(kept) == [0, 1, 2]
    objectives.slow = lambda settings, _run: settings["x"]
    objectives.slow.__qualname__ = "slow"
    results = search(objectives.slow, {"x": Uniform(0, 5)}, trials=6, folder=folder)
    assert told(results) == told(search(objectives.slow, {"x": Uniform(0, 5)}, trials=6))


# ------------------------------------------------------------------------------ the picture


def test_the_curves_of_the_best_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    def learns(settings: dict[str, Any], run: Run) -> None:
        for i in range(5):
            run.report(train=settings["x"] * i, validation=settings["x"] * i / 2)

    results = search(learns, {"x": Uniform(0, 1)}, trials=23, monitor="validation")
    figure = results.curves()
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert len(drawn) == 20
    for axes, trial in zip(drawn, results.sorted, strict=False):
        lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
        assert lines == trial.curves
    path = results.save_curves(tmp_path / "best.png", count=7, title="of 23")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len([axes for axes in results.curves(count=7).axes if axes.get_visible()]) == 7


def test_no_curve_no_picture() -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(DiagramError, match=r"no trial has a curve to draw\n  fix: "):
        search(parabola, {"x": 1}, trials=2).curves()


# ------------------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    "options",
    [
        {}, {"trials": 0}, {"trials": True}, {"trials": 2.5}, {"trials": 1, "strategy": "luck"},
        {"trials": 3, "strategy": "grid"}, {"trials": 1, "best": "largest"},
        {"trials": 1, "processes": 0}, {"strategy": "grid", "points": 1},
        {"trials": 3, "strategy": "halving"}, {"trials": 3, "strategy": "halving", "budget": 5},
        {"trials": 3, "strategy": "halving", "budget": (5, 5)},
        {"trials": 3, "strategy": "halving", "budget": (1, 9), "factor": 1},
        {"trials": 1, "budget": 0}, {"trials": 1, "budget": (1, 3)}, {"trials": 1, "rng": -1},
        {"trials": 1, "rng": "seed"},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_arguments_are_refused_and_nothing_is_written(options: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"search: found .*expected .*\n  fix: pass"):
        search(parabola, {"x": Uniform(0, 1)}, folder=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("space", [{}, {1: Uniform(0, 1)}, {"x": (1, 2)}, {"x": object()}])
def test_a_space_of_something_else_is_refused(space: Any) -> None:
    with pytest.raises(TrainingError, match=r"\n  fix: "):
        search(parabola, space, trials=1)


def test_a_trial_is_shown_whole() -> None:
    assert repr(search(parabola, {"x": 1}, trials=2)) == "Results(2 trials, 0 failed)"
    assert Trial(3, {"x": 1}).value is None
