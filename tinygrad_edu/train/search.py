"""Search for hyper-parameters: random, on a grid, or by successive halving; in several processes.

An objective is a function of settings and a `Run`; it trains, and returns a number or a curve. Each
trial draws its settings and its random numbers from a seed of its own, so that what is found does
not depend on how many processes look for it. Every finished trial is one line of a file, on disk
before the next one begins: a search that was stopped, in whatever way, goes on from there.

Knows: functions that can be imported, JSON lines, processes. Does not know: nets.
Read next: ``history.py`` for what a curve may come from.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tinygrad_edu.errors import DataError, DiagramError, TrainingError
from tinygrad_edu.files import write_whole
from tinygrad_edu.plots import Plot, side_by_side
from tinygrad_edu.train.history import History
from tinygrad_edu.train.threads import one_thread

__all__ = ["Choice", "IntUniform", "LogUniform", "Results", "Run", "Trial", "Uniform", "search"]

Settings = dict[str, Any]
FORMAT = "tinygrad_edu search"
STRATEGIES = ("random", "grid", "halving")

# ------------------------------------------------------------------------------ spaces


class Range(Protocol):
    """What a setting may be: something that draws values, and spreads them over a grid."""

    def draw(self, rng: np.random.Generator) -> Any:
        """Return a value at random."""

    def grid(self, points: int) -> list[Any]:
        """Return values that lie evenly."""


def _bounds(kind: str, low: float, high: float, least: float, *, whole: bool = False) -> None:
    """Refuse bounds that are no interval above `least`."""
    right = all(
        isinstance(bound, (int,) if whole else (int, float))
        and not isinstance(bound, bool)
        and math.isfinite(bound)
        for bound in (low, high)
    )
    if not right or not least < low < high:
        above = f" above {least:g}" if math.isfinite(least) else ""
        numbers = "integers" if whole else "numbers"
        raise TrainingError(
            f"{kind}: found {low!r} and {high!r}; expected two {numbers}{above}, the lower first\n"
            f"  fix: pass them as in {kind}({'2, 8' if whole else '0.001, 0.1'})"
        )


@dataclass(frozen=True)
class Uniform:
    """Numbers between two bounds, each as probable as any other.

    Parameters
    ----------
    low, high : float
        The bounds.

    Raises
    ------
    TrainingError
        They are no interval.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _bounds("Uniform", self.low, self.high, -math.inf)

    def draw(self, rng: np.random.Generator) -> float:
        """Return a value at random."""
        return float(rng.uniform(self.low, self.high))

    def grid(self, points: int) -> list[float]:
        """Return values at equal distances, both bounds among them."""
        return [float(value) for value in np.linspace(self.low, self.high, points)]


@dataclass(frozen=True)
class LogUniform:
    r"""Numbers between two bounds above 0, each order of magnitude as probable as any other.

    .. math:: 10^u, \quad u \sim U(\log_{10} low, \log_{10} high)

    ``LogUniform(1e-6, 1e-2)`` is the book's ``10 ** np.random.uniform(-6, -2)``.

    Parameters
    ----------
    low, high : float
        The bounds, above 0.

    Raises
    ------
    TrainingError
        They are no interval above 0.

    Examples
    --------
    >>> LogUniform(1e-6, 1e-2).grid(3)
    [1e-06, 0.0001, 0.01]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _bounds("LogUniform", self.low, self.high, 0)

    def draw(self, rng: np.random.Generator) -> float:
        """Return a value at random."""
        return float(10 ** rng.uniform(math.log10(self.low), math.log10(self.high)))

    def grid(self, points: int) -> list[float]:
        """Return values at equal ratios, both bounds among them."""
        return [float(value) for value in np.geomspace(self.low, self.high, points)]


@dataclass(frozen=True)
class IntUniform:
    """Integers between two bounds, both among them, each as probable as any other.

    Parameters
    ----------
    low, high : int
        The bounds.

    Raises
    ------
    TrainingError
        They are no interval.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        _bounds("IntUniform", self.low, self.high, -math.inf, whole=True)

    def draw(self, rng: np.random.Generator) -> int:
        """Return a value at random."""
        return int(rng.integers(self.low, self.high, endpoint=True))

    def grid(self, points: int) -> list[int]:
        """Return integers at about equal distances, both bounds among them."""
        return sorted({round(value) for value in np.linspace(self.low, self.high, points)})


class Choice:
    """One of some values, each as probable as any other.

    Parameters
    ----------
    *options : number, str, bool, None, or list of these
        At least one; what JSON knows, for they are kept in a file.

    Raises
    ------
    TrainingError
        There is none, or JSON does not know one.

    Examples
    --------
    >>> Choice("relu", "tanh").grid(5)
    ['relu', 'tanh']
    """

    def __init__(self, *options: Any) -> None:
        if not options:
            raise TrainingError(
                "Choice: found no options; expected at least one\n"
                "  fix: pass them one after the other, as in Choice('relu', 'tanh')"
            )
        for option in options:
            _plain("Choice", option)
        self.options = options

    def draw(self, rng: np.random.Generator) -> Any:
        """Return a value at random."""
        return self.options[int(rng.integers(len(self.options)))]

    def grid(self, points: int) -> list[Any]:  # noqa: ARG002 - all of them, whatever the number
        """Return all values."""
        return list(self.options)

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.options))})"


def _plain(what: str, value: Any) -> Any:
    """Return a value that JSON gives back as it was; refuse others."""
    try:
        back = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        back = _plain
    if back != value:
        raise TrainingError(
            f"{what}: found {value!r}, which a line of JSON does not give back\n"
            "  fix: use numbers, text, True, False, None or lists of them, such as the name of a "
            "class"
        )
    return value


# ------------------------------------------------------------------------------ trials


class Run:
    """What an objective is given beside its settings.

    Attributes
    ----------
    number : int
        Of the trial, from 0.
    budget : int or None
        How much may be spent on it, such as epochs; None where the search was given none.
    rng : numpy.random.Generator
        The trial's own; all random numbers should come from it.
    """

    def __init__(self, number: int, budget: int | None, rng: np.random.Generator) -> None:
        self.number, self.budget, self.rng = number, budget, rng
        self.curves: dict[str, list[float]] = {}

    def report(self, **values: float) -> None:
        """Add a point to the trial's curves: ``run.report(validation_accuracy=0.8)``.

        Raises
        ------
        SystemExit
            The process that asked for the trial is gone.
        """
        for name, value in values.items():
            self.curves.setdefault(name, []).append(float(value))
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            raise SystemExit(1)


Objective = Callable[[Settings, Run], Any]


@dataclass
class Trial:
    """One trial: its settings, and what came of it.

    Attributes
    ----------
    number : int
        From 0; with the search's seed it says all about the trial.
    settings : dict
        What the objective was given.
    budget : int or None
        The budget it was given.
    value : float or None
        What it reached; None if it failed.
    curves : dict of str to list
        Points of its curves; ``"value"`` is the name of one that was returned without a name.
    error : str or None
        Why it failed.
    seconds : float
        How long it took.
    """

    number: int
    settings: Settings
    budget: int | None = None
    value: float | None = None
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0


class Results:
    """What a search has found.

    Attributes
    ----------
    trials : list of Trial
        All that were made, in the order of their numbers and budgets.
    monitor : str or None
        Name of the curve whose last point is the value.
    """

    def __init__(self, trials: Sequence[Trial], monitor: str | None, best: str) -> None:
        self.trials = sorted(trials, key=lambda trial: (trial.budget or 0, trial.number))
        self.monitor, self._best = monitor, best

    @property
    def sorted(self) -> list[Trial]:
        """The trials that did not fail: those with the largest budget first, then the best."""
        sign = -1 if self._best == "highest" else 1
        good = [trial for trial in self.trials if trial.value is not None]
        return sorted(
            good, key=lambda trial: (-(trial.budget or 0), sign * (trial.value or 0), trial.number)
        )

    @property
    def failed(self) -> list[Trial]:
        """The trials that failed."""
        return [trial for trial in self.trials if trial.error is not None]

    @property
    def best(self) -> Trial:
        """The best trial of those with the largest budget.

        Raises
        ------
        TrainingError
            All trials failed.
        """
        good = self.sorted
        if not good:
            reason = self.failed[0].error if self.failed else "there were none"
            raise TrainingError(
                f"search: no trial came to an end; the first one: {reason}\n"
                "  fix: call the objective once by hand, with settings from results.trials"
            )
        return good[0]

    def table(self, count: int | None = None) -> str:
        """Return the trials as text, the best first, and then how many failed and why.

        Parameters
        ----------
        count : int, optional
            Rows at most; all by default.
        """
        names = list(dict.fromkeys(name for trial in self.trials for name in trial.settings))
        budgets = any(trial.budget is not None for trial in self.trials)
        head = ["rank", "trial", *(["budget"] if budgets else []), self.monitor or "value", *names]
        rows = [head]
        for rank, trial in enumerate(self.sorted[:count], start=1):
            settings = [_shown(trial.settings.get(name)) for name in names]
            budget = [_shown(trial.budget)] if budgets else []
            rows.append([str(rank), str(trial.number), *budget, _shown(trial.value), *settings])
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [
            "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        if self.failed:
            first = self.failed[0]
            lines.append(
                f"{len(self.failed)} failed, the first of them trial {first.number}: {first.error}"
            )
        return "\n".join(lines)

    def save_curves(
        self, path: str | os.PathLike[str], *, count: int = 20, title: str = ""
    ) -> Path:
        """Draw the curves of the best trials, five beside each other; write it, return its path.

        Parameters
        ----------
        path : str or path
            Ends in .png, .svg or .pdf.
        count : int
            Trials at most.
        title : str
            A line above the picture.

        Raises
        ------
        DiagramError
            Matplotlib is not installed, or no trial has a curve.
        """
        return self._plot(count, title).save(path)

    def curves(self, *, count: int = 20, title: str = "") -> Any:
        """Return the Matplotlib figure that `save_curves` writes."""
        return self._plot(count, title).figure

    def _plot(self, count: int, title: str) -> Plot:
        chosen = [trial for trial in self.sorted if trial.curves][:count]
        if not chosen:
            raise DiagramError(
                "search: no trial has a curve to draw\n"
                "  fix: let the objective return a History, a list, or call run.report(...)"
            )
        main = self.monitor or "value"
        names = dict.fromkeys(name for trial in chosen for name in trial.curves)
        lines = [name for name in names if name != main][:1] + ([main] if main in names else [])
        panels = []
        for i, trial in enumerate(chosen):
            settings = "\n".join(f"{k} {_shown(v)}" for k, v in trial.settings.items())
            panels.append((f"{i + 1}: {_shown(trial.value)}\n{settings}", trial.curves))
        return side_by_side(panels, lines=lines, ylabel=main.replace("_", " "), title=title)

    def __repr__(self) -> str:
        return f"Results({len(self.trials)} trials, {len(self.failed)} failed)"


def _shown(value: Any) -> str:
    """Return a cell of the table: numbers with four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


# ------------------------------------------------------------------------------ the search


def search(
    objective: Objective,
    space: Mapping[str, Any],
    *,
    strategy: str = "random",
    trials: int | None = None,
    points: int = 5,
    budget: int | tuple[int, int] | None = None,
    factor: int = 3,
    monitor: str | None = None,
    best: str = "highest",
    processes: int = 1,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = True,
    rng: np.random.Generator | int = 0,
    tell: Callable[[str], object] | None = None,
) -> Results:
    """Return what an objective reaches with settings from a space.

    The same seed gives the same settings, and the same random numbers in each trial, for any number
    of processes and however often the search was stopped. Each trial runs with one thread of linear
    algebra. One that raises an error, or returns nan, or whose process dies, is kept as failed.

    Parameters
    ----------
    objective : callable
        ``objective(settings, run)`` trains and returns a number, a list (its last number counts), a
        `History`, or a mapping of names to lists; or None after `Run.report`. For more than one
        process it must stand at the top of a module that can be imported.
    space : mapping of str
        Each setting: `Uniform`, `LogUniform`, `IntUniform`, `Choice`, or one value for all trials.
    strategy : {"random", "grid", "halving"}
        ``"random"`` draws each trial. ``"grid"`` takes all combinations of `points` values of each
        range and all options of each choice. ``"halving"`` draws `trials` settings, gives each the
        least budget, the best third three times that, and so on: the others are not worth it.
    trials : int, optional
        How many settings; needed unless the strategy is a grid. A search that goes on may have more
        than it began with, unless it halves.
    points : int
        Values of each range in a grid, at least 2.
    budget : int or (int, int), optional
        What ``run.budget`` says, such as epochs; for halving the least and the most.
    factor : int
        One of so many goes on to the next budget, which is so many times as large; at least 2.
    monitor : str, optional
        Which curve counts, such as ``"validation_accuracy"``; needed if there are several.
    best : {"highest", "lowest"}
        Which value is the best.
    processes : int
        How many trials run at the same time; 1 stays in this process.
    folder : str or path, optional
        Where ``search.json``, ``trials.jsonl`` and ``table.txt`` are kept; made if need be. A
        search of the same folder goes on: trials that are there are not made again.
    resume : bool
        Whether it may; if not, a folder that holds a search is refused.
    rng : Generator or int
        Seed of all trials, or a generator that one number is drawn from.
    tell : callable, optional
        Called with a line of text after each trial.

    Returns
    -------
    Results
        All trials, sorted tables and pictures of them, and the best one.

    Raises
    ------
    TrainingError
        An argument is not as described, the objective cannot be imported where it must, or the
        folder holds another search.
    DataError
        The folder's files are damaged.
    KeyboardInterrupt
        Ctrl-C was pressed; finished trials are in the folder.

    References
    ----------
    K. Saito, "Deep Learning from Scratch", 2016, section 6.5 (random, on a logarithmic scale).
    J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization", JMLR 13 (2012).
    K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
    optimization", AISTATS 2016 (successive halving).

    Examples
    --------
    >>> def parabola(settings, run):
    ...     return -((settings["x"] - 2) ** 2)
    >>> results = search(parabola, {"x": Uniform(0, 5)}, strategy="grid", points=6)
    >>> print(results.table(2))
    rank  trial  value  x
       1      2     -0  2
       2      1     -1  1
    """
    plan = _Plan(
        objective, space, strategy, trials, points, budget, factor, monitor, best, processes
    )
    seed = int(rng.integers(2**63)) if isinstance(rng, np.random.Generator) else rng
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise TrainingError(
            f"search: found rng={rng!r}; expected a Generator or an integer of at least 0\n"
            "  fix: pass a seed, as in rng=0"
        )
    seed = int(seed)
    book = _Book(folder, plan.described(seed), resume=resume)
    told = tell or (lambda _text: None)
    with contextlib.closing(_Workers(plan, seed)) as workers:
        for rung in plan.rungs(seed, book):
            missing = [trial for trial in rung if book.key(trial) not in book.trials]
            for trial in workers.made(missing):
                book.add(trial)
                made = f"failed: {trial.error}" if trial.value is None else _shown(trial.value)
                told(f"trial {trial.number} ({len(book.trials)} done): {made}")
    asked = {book.key(trial) for trial in plan.asked}
    results = Results([book.trials[key] for key in asked], monitor, best)
    book.finish(results)
    return results


class _Plan:
    """The arguments of a search, checked; and which trials they ask for."""

    def __init__(
        self,
        objective: Objective,
        space: Mapping[str, Any],
        strategy: str,
        trials: int | None,
        points: int,
        budget: int | tuple[int, int] | None,
        factor: int,
        monitor: str | None,
        best: str,
        processes: int,
    ) -> None:
        if strategy not in STRATEGIES:
            raise _refused("strategy", strategy, "'random', 'grid' or 'halving'", "'random'")
        if best not in ("highest", "lowest"):
            raise _refused("best", best, "'highest' or 'lowest'", "'lowest' for a loss")
        if not space or not all(isinstance(name, str) for name in space):
            raise _refused("space", dict(space), "a mapping of at least one name",
                           "{'lr': LogUniform(1e-4, 1)}")  # fmt: skip
        for name, value, least in (
            ("processes", processes, 1),
            ("points", points, 2),
            ("factor", factor, 2),
            *([("trials", trials, 1)] if trials is not None or strategy != "grid" else []),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise _refused(name, value, f"an integer of at least {least}", "trials=100"
                               if name == "trials" else f"{name}={least}")  # fmt: skip
        if trials is not None and strategy == "grid":
            raise _refused("trials", trials, "none for a grid", "points= says how fine it is")
        steps = budget if isinstance(budget, tuple) else (budget, budget)
        whole = all(
            isinstance(n, int) and not isinstance(n, bool) and n >= 1
            for n in steps
            if budget is not None
        )
        if strategy == "halving":
            right = isinstance(budget, tuple) and len(steps) == 2 and whole and steps[0] < steps[1]  # type: ignore[operator]  # both are integers
            if not right:
                raise _refused("budget", budget, "the least and the most", "budget=(1, 27)")
        elif isinstance(budget, tuple) or not whole:
            raise _refused("budget", budget, "an integer of at least 1", "budget=50 epochs")
        for name, value in space.items():
            if not hasattr(value, "draw"):
                _plain(f"search: setting {name!r}", value)
        self.objective, self.space, self.strategy = objective, dict(space), strategy
        self.count, self.points, self.budget, self.factor = trials or 0, points, budget, factor
        self.monitor, self.best, self.processes = monitor, best, processes
        self.name = f"{objective.__module__}:{getattr(objective, '__qualname__', '')}"
        self.asked: list[Trial] = []
        if processes > 1 and _found(self.name) is not objective:
            raise TrainingError(
                f"search: other processes cannot import the objective {self.name}\n"
                "  fix: define it by def at the top of a module, not inside a function; or "
                "processes=1"
            )

    def described(self, seed: int) -> dict[str, Any]:
        """Return what makes the search another one, as JSON knows it."""
        grid = self.strategy == "grid"
        halving = self.strategy == "halving"
        return {
            "objective": self.name.partition(":")[2],
            "space": {name: repr(value) for name, value in self.space.items()},
            "strategy": self.strategy,
            "trials": self.count if halving else None,
            "points": self.points if grid else None,
            "budget": list(self.budget) if isinstance(self.budget, tuple) else self.budget,
            "factor": self.factor if halving else None,
            "monitor": self.monitor,
            "best": self.best if halving else None,
            "seed": seed,
        }

    def rungs(self, seed: int, book: _Book) -> Iterator[list[Trial]]:
        """Yield the trials that can be made at the same time, and then those that depend on them.

        The caller has put a rung's results into the book when it asks for the next.
        """
        if self.strategy == "grid":
            values = [
                value.grid(self.points) if hasattr(value, "grid") else [value]
                for value in self.space.values()
            ]
            settings = [dict(zip(self.space, row, strict=True)) for row in product(*values)]
        else:
            settings = [self.drawn(seed, number) for number in range(self.count)]
        if self.strategy != "halving":
            budget: Any = self.budget
            self.asked = [Trial(i, s, budget) for i, s in enumerate(settings)]
            yield self.asked
            return
        low, high = self.budget  # type: ignore[misc]  # checked
        going = [Trial(i, s, low) for i, s in enumerate(settings)]
        while True:
            self.asked += going
            yield going
            done = Results([book.trials[book.key(t)] for t in going], None, self.best).sorted
            if low >= high or not done:
                return
            low = min(high, low * self.factor)
            kept = done[: max(1, len(going) // self.factor)]
            going = [Trial(t.number, t.settings, low) for t in sorted(kept, key=_number)]

    def drawn(self, seed: int, number: int) -> Settings:
        """Return the settings of a trial."""
        rng = _generators(seed, number)[0]
        return {
            name: value.draw(rng) if hasattr(value, "draw") else value
            for name, value in self.space.items()
        }


def _number(trial: Trial) -> int:
    return trial.number


def _refused(name: str, value: Any, expected: str, fix: str) -> TrainingError:
    return TrainingError(f"search: found {name}={value!r}; expected {expected}\n  fix: pass {fix}")


def _generators(seed: int, number: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return the generators of a trial: for its settings, and for what it does."""
    own = np.random.SeedSequence(entropy=seed, spawn_key=(number,))
    first, second = own.spawn(2)
    return np.random.default_rng(first), np.random.default_rng(second)


def _found(name: str) -> Any:
    """Return the function of ``module:name``, or None."""
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


# ------------------------------------------------------------------------------ on disk


class _Book:
    """The finished trials, in memory and, if there is a folder, one line each in a file."""

    def __init__(
        self, folder: str | os.PathLike[str] | None, described: dict[str, Any], *, resume: bool
    ) -> None:
        self.trials: dict[tuple[int, int | None], Trial] = {}
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        head = self.folder / "search.json"
        self.lines = self.folder / "trials.jsonl"
        content = {"format": FORMAT, "version": 1, **described}
        if head.exists():
            self._compare(head, content, resume)
            self._read()
        else:
            if self.lines.exists():
                raise DataError(
                    f"search: {self.lines} is there without {head.name}; expected both or none\n"
                    "  fix: choose another folder"
                )
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            write_whole(head, lambda file: file.write(text.encode()))

    def _compare(self, head: Path, content: dict[str, Any], resume: bool) -> None:
        """Refuse a folder that holds another search."""
        try:
            there = json.loads(head.read_text(encoding="utf-8"))
            other = [name for name in content if there[name] != content[name]]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"search: {head} is no description of a search ({error})\n"
                "  fix: choose another folder"
            ) from error
        if not resume:
            raise TrainingError(
                f"search: {self.folder} holds a search already, and resume=False\n"
                "  fix: choose another folder, or go on with resume=True"
            )
        if other:
            told = "; ".join(f"{n} was {there[n]!r}, now {content[n]!r}" for n in other)
            raise TrainingError(
                f"search: {self.folder} holds another search: {told}\n"
                "  fix: choose another folder, or the settings that it began with"
            )

    def _read(self) -> None:
        """Take the finished trials from the file; drop a last line that was not finished."""
        if not self.lines.exists():
            return
        data = self.lines.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        for i, line in enumerate(whole.splitlines(), start=1):
            try:
                trial = Trial(**json.loads(line))
                self.trials[self.key(trial)] = trial
            except (ValueError, TypeError) as error:
                raise DataError(
                    f"search: line {i} of {self.lines} is no trial ({error})\n"
                    "  fix: delete that line; the trial will be made again"
                ) from error
        if len(whole) < len(data):  # the process was killed while it wrote
            os.truncate(self.lines, len(whole))

    @staticmethod
    def key(trial: Trial) -> tuple[int, int | None]:
        """Return what tells a trial from others of the search."""
        return trial.number, trial.budget

    def add(self, trial: Trial) -> None:
        """Keep a finished trial; it is on disk when this returns."""
        self.trials[self.key(trial)] = trial
        if self.folder is not None:
            line = json.dumps(asdict(trial), allow_nan=False, ensure_ascii=False) + "\n"
            with open(self.lines, "ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())

    def finish(self, results: Results) -> None:
        """Write the table."""
        if self.folder is not None:
            text = results.table() + "\n"
            write_whole(self.folder / "table.txt", lambda file: file.write(text.encode()))


# ------------------------------------------------------------------------------ doing it


def _attempt(objective: Objective, trial: Trial, seed: int, monitor: str | None) -> Trial:
    """Make one trial, and return it with what came of it; an error becomes part of it."""
    began = time.perf_counter()
    run = Run(trial.number, trial.budget, _generators(seed, trial.number)[1])
    value: float | None = None
    curves: dict[str, list[float]] = run.curves
    error: str | None = None
    try:
        with one_thread():
            found = objective(dict(trial.settings), run)
        value, curves = _measured(found, run.curves, monitor)
        if not math.isfinite(value):
            error, value = f"its value is {value}", None
    except Exception as raised:
        where = traceback.extract_tb(raised.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        text = str(raised).partition("\n")[0]
        error = f"{type(raised).__name__}: {text} ({place})"
    return Trial(
        trial.number,
        trial.settings,
        trial.budget,
        value,
        {name: [p if math.isfinite(p) else None for p in c] for name, c in curves.items()},
        error,
        round(time.perf_counter() - began, 3),
    )


def _measured(
    found: Any, reported: dict[str, list[float]], monitor: str | None
) -> tuple[float, dict[str, list[float]]]:
    """Return the value and the curves of what an objective returned or reported."""
    curves = dict(reported)
    if isinstance(found, History):
        names = dict.fromkeys(name for record in found.records for name in record)
        skipped = ("iteration", "epoch", "seconds")
        found = {name: found.column(name) for name in names if name not in skipped}
    if isinstance(found, Mapping):
        for name, curve in found.items():
            curves[str(name)] = [float(point) for point in np.ravel(curve)]
    elif found is not None:
        points = [float(point) for point in np.ravel(found)]
        if np.ndim(found) == 0:
            return points[0], curves
        curves["value" if monitor is None else monitor] = points
    counting = [monitor] if monitor is not None else list(curves)
    if len(counting) != 1 or not curves.get(counting[0]):
        raise TrainingError(
            f"search: the objective gave the curves {', '.join(curves) or '(none)'}, and "
            f"monitor={monitor!r}; expected one that counts\n"
            "  fix: return a number, or name the curve, as in monitor='validation_accuracy'"
        )
    return curves[counting[0]][-1], curves


class _Workers:
    """The processes that make trials, begun when they are needed; none if one is enough.

    They are begun anew, not forked, as on every system; what goes through the pipes is JSON.
    """

    def __init__(self, plan: _Plan, seed: int) -> None:
        self.plan, self.seed = plan, seed
        self.idle: list[tuple[Any, Connection]] = []
        self.busy: dict[Any, tuple[Any, Trial]] = {}

    def made(self, trials: Sequence[Trial]) -> Iterator[Trial]:
        """Yield trials as they are finished; one whose process dies has failed."""
        if self.plan.processes == 1:
            for trial in trials:
                yield _attempt(self.plan.objective, trial, self.seed, self.plan.monitor)
            return
        waiting = list(reversed(trials))
        while waiting or self.busy:
            while waiting and len(self.busy) < self.plan.processes:
                self._give(waiting.pop())
            for pipe in wait(list(self.busy)):
                yield self._taken(pipe)

    def _give(self, trial: Trial) -> None:
        process, pipe = self.idle.pop() if self.idle else self._begun()
        self.busy[pipe] = process, trial
        with contextlib.suppress(BrokenPipeError):  # it died: its end of the pipe will tell
            pipe.send_bytes(json.dumps([trial.number, trial.settings, trial.budget]).encode())

    def _begun(self) -> tuple[Any, Connection]:
        context = multiprocessing.get_context("spawn")
        mine, its = context.Pipe()
        process = context.Process(
            target=_work, args=(its, self.plan.name, self.seed, self.plan.monitor), daemon=True
        )
        process.start()
        its.close()
        return process, mine

    def _taken(self, pipe: Any) -> Trial:
        """Return the trial that a process has made, or died of."""
        process, trial = self.busy.pop(pipe)
        try:
            made = Trial(**json.loads(pipe.recv_bytes()))
        except (EOFError, ConnectionError):
            process.join()
            pipe.close()
            trial.error = f"its process ended with exit code {process.exitcode}"
            return trial
        self.idle.append((process, pipe))
        return made

    def close(self) -> None:
        """End the processes, also those that are at work."""
        for process, pipe in [*self.idle, *((p, pipe) for pipe, (p, _) in self.busy.items())]:
            process.terminate()
            process.join()
            pipe.close()
        self.idle, self.busy = [], {}


def _work(pipe: Connection, name: str, seed: int, monitor: str | None) -> None:
    """Make trials that come through a pipe, until it is closed; what another process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks
    objective = _found(name)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            trial = Trial(*json.loads(pipe.recv_bytes()))
            made = _attempt(objective, trial, seed, monitor)
            sys.stdout.flush()
            pipe.send_bytes(json.dumps(asdict(made), allow_nan=False).encode())
