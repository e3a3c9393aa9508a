"""Count the planted mistakes that the tests find: mutmut's mutants, run in forks of one process.

    python tests/benchmarks/mutation.py core
    python tests/benchmarks/mutation.py ops --sample 600 --seed 1

Run it in the root of the repository. mutmut writes the mutants of ``tinygrad_edu/core`` and
``tinygrad_edu/ops`` to ``mutants/``. The tests of the folder are collected and run once, to learn
which test reaches which function; then a fork per mutant runs the tests that reach it, quick ones
first, until one fails. `mutmut run` itself asks the same questions and collects the thirty thousand
tests anew for every mutant, which takes days.

A function that ran while the package was imported has done its work before a fork switches its
mutant on. ``--early`` therefore asks such survivors again, each in a new process that imports the
package with the mutant on.

Verdicts are appended to ``mutants/verdicts-FOLDER.jsonl``; a later run asks only for those that are
missing. ``--again`` asks the survivors anew, after tests were added. Files named at the end are run
beside the folder's own.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.update(HYPOTHESIS_PROFILE="mutation", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import mutmut.__main__ as program
import mutmut.mutation.trampoline as trampoline
import pytest
from mutmut.mutation.data import SourceFileMutationData
from mutmut.utils.file_utils import walk_mutatable_files

MUTANTS = Path("mutants").absolute()
LEFT_OUT = {"core": [], "ops": ["--ignore=tests/ops/test_broken_rules.py"]}
"""Tests that are not asked: a file that plants mistakes of its own, and takes minutes."""

KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"


class Switch:
    """Which mutant is on, and which functions were called since the last look."""

    def __init__(self) -> None:
        self.mutant = ""
        self.hits: set[str] = set()
        trampoline.get_mutant_under_test = lambda: self.mutant
        trampoline.record_trampoline_hit = lambda name, caller=None: self.hits.add(name)  # noqa: ARG005

    def look(self) -> set[str]:
        seen, self.hits = self.hits, set()
        return seen


def function_of(mutant: str) -> str:
    return mutant.partition("__mutmut_")[0]


def file_of(mutant: str) -> str:
    return "/".join(mutant.split(".")[1:3]) + ".py"


def generated(folder: str) -> list[str]:
    """Write the mutants of files that have changed; return the names of all of a folder."""
    MUTANTS.mkdir(exist_ok=True)
    with program.CatchOutput():
        program.copy_src_dir()
        program.copy_also_copy_files()
        program.create_mutants(os.cpu_count() or 1)
    names: list[str] = []
    for path in walk_mutatable_files():
        if path.parts[1] == folder:
            data = SourceFileMutationData(path=path)
            data.load()
            names += data.exit_code_by_key
    return names


class Asker:
    """A plugin of pytest that runs the mutants where pytest would run its tests."""

    def __init__(self, switch: Switch, mutants: list[str], options: argparse.Namespace) -> None:
        self.switch, self.mutants, self.options = switch, mutants, options
        self.on_failure: Any = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        skipped = call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception)
        if call.excinfo is not None and not skipped and self.on_failure is not None:
            self.on_failure(item.nodeid, call.excinfo)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        imported = self.switch.look()
        reached, seconds = self.reach(session)
        self.switch.mutant = ""
        by_id = {item.nodeid: item for item in session.items}
        running = 0
        start = time.perf_counter()

        for count, mutant in enumerate(self.mutants, start=1):
            tests = alternating(reached[function_of(mutant)], seconds)
            tests.sort(key=lambda t: not any(word in t for word in self.options.first))
            early = function_of(mutant) in imported
            while running >= self.options.jobs:
                self.reap()
                running -= 1
            pid = os.fork()
            if pid == 0:
                self.child(mutant, [by_id[t] for t in tests], seconds, early)
            CHILDREN[pid] = mutant
            running += 1
            if count % 100 == 0:
                print(f"{count} of {len(self.mutants)}, {time.perf_counter() - start:.0f} s")
        while running:
            self.reap()
            running -= 1
        return True

    def reach(self, session: Any) -> tuple[dict[str, list[str]], dict[str, float]]:
        """Run every test once; return which tests reach a function, and how long each takes."""
        cache = MUTANTS / f"reach-{self.options.folder}.json"
        known = json.loads(cache.read_text()) if cache.exists() else {}
        new = [item for item in session.items if item.nodeid not in known]
        start, pids = time.perf_counter(), set()
        parts = [new[i : i + 500] for i in range(0, len(new), 500)]
        for part in parts:  # in forks: thousands of tests in one process run out of stack
            while len(pids) >= self.options.jobs:
                pids.remove(os.wait()[0])
            pid = os.fork()
            if pid == 0:
                found = self.reached_by(part)
                (MUTANTS / f"part-{os.getpid()}.json").write_text(json.dumps(found))
                os._exit(0)
            pids.add(pid)
        while pids:
            pids.remove(os.wait()[0])
        for path in MUTANTS.glob("part-*.json"):
            known |= json.loads(path.read_text())
            path.unlink()
        cache.write_text(json.dumps(known))
        reached = defaultdict(list)
        for item in session.items:
            for function in known[item.nodeid][1]:
                reached[function].append(item.nodeid)
        print(f"{len(new)} tests run once in {time.perf_counter() - start:.0f} s")
        return reached, {test: seconds for test, (seconds, _) in known.items()}

    def reached_by(self, items: Sequence[Any]) -> dict[str, tuple[float, list[str]]]:
        """Return per test its seconds and the functions it reaches; none if it fails."""
        failed: list[str] = []

        def fails(test: str, error: Any) -> None:
            failed.append(test)
            print(f"\nnot asked, it fails without a mutant: {test}: {error.exconly()[:300]}")

        self.on_failure = fails
        found = {}
        for item in items:
            began = time.perf_counter()
            run(item)
            took = round(time.perf_counter() - began, 4)
            functions = self.switch.look()
            found[item.nodeid] = took, [] if item.nodeid in failed else sorted(functions)
        return found

    def child(self, mutant: str, items: list[Any], seconds: dict[str, float], early: bool) -> None:
        """Run the tests that reach a mutant until one fails, write the verdict and end."""
        limited(20 + 10 * sum(seconds[item.nodeid] for item in items))
        began, budget, asked = time.perf_counter(), self.options.budget, 0

        def verdict(what: str, by: str = "") -> None:
            took = round(time.perf_counter() - began, 2)
            write(mutant, what, by=by, asked=asked, of=len(items), early=early, took=took)
            os._exit(0)

        forget()
        self.switch.mutant = mutant
        self.on_failure = lambda test, _error: verdict(KILLED, test)
        for item in items:
            if budget and time.perf_counter() - began > budget:
                break
            asked += 1
            run(item)
        verdict(SURVIVED)

    def reap(self) -> None:
        pid, status = os.wait()
        mutant = CHILDREN.pop(pid)
        if code := os.waitstatus_to_exitcode(status):
            write(
                mutant, TIMEOUT if -code in (signal.SIGALRM, signal.SIGXCPU) else KILLED, code=code
            )


CHILDREN: dict[int, str] = {}
VERDICTS: list[Path] = []


def run(item: Any) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def alternating(tests: Sequence[str], seconds: dict[str, float]) -> list[str]:
    """Return the quick tests of every file in turn, then those that take twice as long, ..."""
    rank: Counter[str] = Counter()
    places = {}
    for test in sorted(tests, key=lambda t: (seconds[t], t)):
        file = test.partition("::")[0]
        places[test] = int(100 * seconds[test]).bit_length(), rank[file]
        rank[file] += 1
    return sorted(tests, key=lambda t: (places[t], t))


def forget() -> None:
    """Empty the caches of the package, which were filled when no mutant was on."""
    from tinygrad_edu.core.op import OPS

    for row in OPS.values():
        row.plans.clear()
    for name, module in list(sys.modules.items()):
        for value in list(vars(module).values()) if name.startswith("tinygrad_edu") else ():
            if hasattr(type(value), "cache_clear"):
                value.cache_clear()


def limited(seconds: float) -> None:
    """End this process after so many seconds, or where it asks for more memory than 6 GiB."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds))
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def write(mutant: str, verdict: str, **facts: Any) -> None:
    with VERDICTS[0].open("a") as file:
        file.write(json.dumps({"mutant": mutant, "verdict": verdict, **facts}) + "\n")


def read() -> dict[str, dict[str, Any]]:
    """Return the last verdict on every mutant, or the one that killed it."""
    lines = VERDICTS[0].read_text().splitlines() if VERDICTS[0].exists() else []
    found: dict[str, dict[str, Any]] = {}
    for line in map(json.loads, lines):
        if line["mutant"] not in found or found[line["mutant"]]["verdict"] == SURVIVED:
            found[line["mutant"]] = line
    return found


def report(mutants: list[str]) -> None:
    """Print a row per file and the sum."""
    verdicts = read()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in mutants:
        if mutant in verdicts:
            for key in (file_of(mutant), "sum"):
                counts[key][verdicts[mutant]["verdict"]] += 1
    print("| file | mutants | killed | survived | timeouts | score |\n|---|---|---|---|---|---|")
    for key in sorted(counts, key=lambda k: (k == "sum", k)):
        c = counts[key]
        score = 100 * (c[KILLED] + c[TIMEOUT]) / c.total()
        print(
            f"| {key} | {c.total()} | {c[KILLED]} | {c[SURVIVED]} | {c[TIMEOUT]} | {score:.1f} % |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", choices=["core", "ops"])
    parser.add_argument("--sample", type=int, help="how many, drawn at random; all if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=0, help="seconds for a mutant; 0: no end")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="ask the survivors anew")
    parser.add_argument("--report", action="store_true", help="only print the table")
    parser.add_argument("--first", action="append", default=[], help="tests to ask first")
    parser.add_argument("--early", action="store_true", help="ask survivors in new processes")
    parser.add_argument("--fresh", metavar="MUTANT", help="ask one, on from the first import")
    options, selection = parser.parse_known_args()
    VERDICTS.append(MUTANTS / f"verdicts-{options.folder}.jsonl")
    if options.fresh:
        sys.exit(ask(options.fresh, ["-x", *selection]))
    mutants = sorted(generated(options.folder))
    random.Random(options.seed).shuffle(mutants)
    mutants = mutants[: options.sample]  # a larger sample has the smaller one in it
    known = read()
    if options.early:
        early(
            options.folder,
            [m for m in mutants if known[m]["verdict"] == SURVIVED and known[m]["early"]],
        )
    elif not options.report:
        wanted = (None, SURVIVED) if options.again else (None,)
        asked = [m for m in mutants if known.get(m, {}).get("verdict") in wanted]
        found = LEFT_OUT[options.folder]
        ask("stats", [f"tests/{options.folder}", *found, *selection], asked, options)
    report(mutants)


def ask(mutant: str, selection: list[str], asked: Sequence[str] = (), options: Any = None) -> int:
    """Run pytest on the mutated package, with a mutant on or to ask for many; return its code."""
    switch = Switch()
    switch.mutant = mutant
    sys.path[:] = [str(MUTANTS), *(p for p in sys.path if Path(p).resolve() != MUTANTS.parent)]
    os.chdir(MUTANTS)
    from tinygrad_edu import errors

    assert Path(errors.__file__).is_relative_to(MUTANTS), errors.__file__
    errors.inside_package[trampoline.__file__] = True  # the line of a user is in no trampoline
    args = [*selection, "-q", "-pno:cacheprovider", "--rootdir=.", "--tb=native"]
    return int(pytest.main(args, plugins=[Asker(switch, asked, options)] if asked else []))


FRESH = {
    "core": [
        "tests/core/test_semantics.py",
        "tests/core/test_errors.py",
        "tests/core/test_edges.py",
    ],
    "ops": ["tests/ops/test_values.py", "tests/ops/test_loss.py", "tests/ops/test_elementwise.py"],
}
"""Files of tests that new processes run."""


def early(folder: str, mutants: Sequence[str]) -> None:
    """Ask for mutants in new processes; none is killed by a test that fails without a mutant."""
    reach = json.loads((MUTANTS / f"reach-{folder}.json").read_text())
    left_out = [f"--deselect={test}" for test, (_, functions) in reach.items() if not functions]
    for mutant in ["none", *mutants]:
        command = [sys.executable, __file__, folder, "--fresh", mutant, *FRESH[folder], *left_out]
        try:
            code = subprocess.run(command, capture_output=True, timeout=300).returncode
        except subprocess.TimeoutExpired:
            code = -1
        if mutant == "none":
            assert code == 0, "the tests fail without a mutant"
        elif code:
            write(mutant, KILLED if code > 0 else TIMEOUT, by="a new process", early=True)


if __name__ == "__main__":
    main()
