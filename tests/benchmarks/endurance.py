"""Endurance: what a long run must survive, tried many times, with counts.

    python tests/benchmarks/endurance.py kill --count 200
    python tests/benchmarks/endurance.py corrupt --count 5000
    python tests/benchmarks/endurance.py soak --steps 50000

kill: a training process that saves all the time is killed (SIGKILL, on Windows TerminateProcess) at
random moments and started again. After each kill its folder must hold a whole checkpoint that is
not older than the last save it had reported, and at most one temporary file. After the last one the
run goes on, and must equal an unbroken one: weights, losses, order of the data, log.

corrupt: a checkpoint of a trainer is damaged at random; it must be refused by a CheckpointError, or
hold just what was saved.

soak: small training steps with the garbage collector off; the memory must not grow.

The exit code is 0 if nothing was wrong. tests/train/test_endurance.py runs short forms.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tinygrad_edu import optim
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import CheckpointError
from tinygrad_edu.nn import BatchNorm1d, CrossEntropyLoss, Dropout, Linear, Sequential, manual_seed
from tinygrad_edu.nn.module import CALLS
from tinygrad_edu.train import Callback, CSVLog, JSONLog, Trainer, read_checkpoint

STATE = "state.npz"
MIB = 1 << 20


def run_of(*callbacks: Callback, width: int = 64, **options: Any) -> Trainer:
    """A small run with everything that has a state."""
    manual_seed(0)
    rng = np.random.default_rng(1)
    points = rng.standard_normal((100, 8)).astype(np.float32)
    labels = (points[:, 0] * points[:, 1] > 0).astype(int)
    model = Sequential(
        Linear(8, width, activation="relu", rng=0),
        BatchNorm1d(width),
        Dropout(0.1, rng=np.random.default_rng(2)),
        Linear(width, 2, rng=1),
    )
    optimizer = optim.Adam(model, 0.003)
    loader = DataLoader(
        (points, labels), 30, rng=3,
        transform=lambda batch, rng: (
            batch[0] + 0.1 * rng.standard_normal(batch[0].shape, np.float32), batch[1],
        ),
    )  # fmt: skip
    return Trainer(
        model, CrossEntropyLoss(), optimizer, loader, sets={"train": (points, labels)},
        callbacks=callbacks, schedule=optim.StepLR(optimizer, 50, gamma=0.99),
        **{"evaluate_every": 5, "explodes_at": np.inf, **options},
    )  # fmt: skip


# ------------------------------------------------------------------------------ kill


class Report(Callback):
    """Says which iteration was saved last, so that the parent knows what may not be lost."""

    steers = False

    def iteration(self, trainer: Trainer) -> None:
        print(trainer.saved, flush=True)


def child(folder: Path) -> None:
    """Train for ever, and save all the time: most of the time is spent with writing."""
    state = folder / STATE
    logs = (JSONLog(folder / "log.jsonl"), CSVLog(folder / "log.csv"))
    run = run_of(*logs, Report(), width=4_000, checkpoint=state, evaluate_every=2)
    if state.exists():
        run.resume(state)
    print("ready", flush=True)
    run.fit(iterations=10**9)


def whole(run: Trainer) -> Any:
    """All that must be equal in two runs: all but the time they took."""
    arrays, header = run.state_dict()
    bits = {name: a.tobytes() for name, a in arrays.items() if name != "history/records"}
    records = [{**record, "seconds": 0} for record in run.history.records]
    return bits, {**header, "seconds": 0}, records


@contextmanager
def started(folder: Path, fresh: bool) -> Iterator[tuple[TextIO, Callable[[], None]]]:
    """Context with a training process: what it says, and how to kill it."""
    if fresh or not hasattr(os, "fork"):
        command = [sys.executable, __file__, "child", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield process.stdout, process.kill
        return
    reading, writing = os.pipe()
    number = os.fork()
    if number == 0:
        os.close(reading)
        os.dup2(writing, sys.stdout.fileno())
        try:
            child(folder)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, encoding="utf-8") as said:
        try:
            yield said, lambda: os.kill(number, signal.SIGKILL)
        finally:
            os.waitpid(number, 0)


def kill(count: int, seed: int, *, fresh: bool) -> int:
    """Kill a training process again and again; return how often something was wrong."""
    dice = random.Random(seed)
    wrong = stale = lost = twice = 0
    allowed = {STATE, f"{STATE}.tmp", "log.jsonl", "log.jsonl.tmp", "log.csv", "log.csv.tmp"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        last = 0
        for number in range(count):
            with started(folder, fresh) as (said, end_it):
                first = said.readline()
                if first != "ready\n":
                    print(f"kill {number}: the process did not go on")
                    return wrong + 1
                if dice.random() < 0.7:  # else it is killed while it begins
                    first = said.readline()
                time.sleep(dice.uniform(0, 0.3))  # a moment of any phase, not a wait for one
                end_it()
                reports = (first.removeprefix("ready\n") + said.read()).split("\n")
            # The last line may be torn; those before it are what was saved for certain.
            reported = max([last, *(int(text) for text in reports[:-1] if text)])
            found = set(os.listdir(folder))
            temporary = [file for file in found if file.endswith(".tmp")]
            stale += f"{STATE}.tmp" in found
            twice += len(temporary) > 1
            if not found <= allowed or len(temporary) > 1:
                wrong += 1
                print(f"kill {number}: found {sorted(found)}")
            if STATE not in found:
                if reported:
                    wrong += 1
                    print(f"kill {number}: the checkpoint is gone")
                continue
            try:
                _, header = read_checkpoint(folder / STATE)
            except CheckpointError as error:
                wrong += 1
                print(f"kill {number}: {error}")
                continue
            if header["iteration"] < reported:
                lost += 1
                wrong += 1
                print(f"kill {number}: {header['iteration']} instead of {reported}")
            last = header["iteration"]

        end = last + 10
        log = folder / "log.jsonl"
        broken = run_of(
            JSONLog(log), CSVLog(folder / "log.csv"), width=4_000, evaluate_every=2,
            checkpoint=folder / STATE,
        )  # fmt: skip
        if last:
            broken.resume(folder / STATE)
        broken.fit(iterations=end)
        left = sorted(set(os.listdir(folder)) - {STATE, "log.jsonl", "log.csv"})
        unbroken = run_of(width=4_000, evaluate_every=2)
        unbroken.fit(iterations=end)
        equal = whole(broken) == whole(unbroken)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        logged = lines == broken.history.records
    print(
        f"{count} kills over {last} iterations: {lost} lost a save, {stale} left a temporary "
        f"checkpoint, {twice} more than one temporary file; after the next save {len(left)} are "
        f"left\nafter {end} iterations the run equals the unbroken one: {equal}; each record is in "
        f"the log once: {logged}"
    )
    return wrong + len(left) + (not equal) + (not logged)


# ------------------------------------------------------------------------------ corrupt


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Return a file with one fault of the kinds that disks, transfers and editors make."""
    changed = bytearray(data)
    # The end holds the list of members, where a fault has the most forms.
    place = dice.randrange(len(data) - 2_000 if dice.random() < 0.4 else 0, len(data))
    kind = dice.randrange(8)
    if kind == 0:
        changed[place] ^= 1 << dice.randrange(8)
    elif kind == 1:
        changed[place] = dice.randrange(256)
    elif kind == 2:
        changed[place : place + 4] = dice.randbytes(4)
    elif kind == 3:
        del changed[place : place + dice.randrange(1, 600)]
    elif kind == 4:
        changed[place:place] = dice.randbytes(dice.randrange(1, 600))
    elif kind == 5:
        del changed[place:]
    elif kind == 6:
        length = dice.randrange(1, 4096)
        changed[place : place + length] = bytes(len(changed[place : place + length]))
    else:
        length, other = dice.randrange(1, 512), dice.randrange(len(data))
        one, two = changed[place : place + length], changed[other : other + length]
        if len(one) == len(two) and abs(place - other) >= length:
            changed[place : place + length], changed[other : other + length] = two, one
    return bytes(changed)


def corrupt(count: int, seed: int) -> int:
    """Damage a checkpoint again and again; return how often something was wrong."""
    dice = random.Random(seed)
    refused = same = silent = other = untouched = changed = 0
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / STATE
        run = run_of(width=16)
        run.fit(iterations=12)
        run.save(path)
        data = path.read_bytes()
        arrays, header = read_checkpoint(path)
        saved = {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in arrays.items()}
        victim = run_of(width=16)
        victim.fit(iterations=3)
        before = whole(victim)
        for number in range(count):
            bad = damaged(data, dice)
            if bad == data:
                untouched += 1
                continue
            path.write_bytes(bad)
            try:
                found, facts = read_checkpoint(path)
            except CheckpointError:
                refused += 1
            except Exception as error:
                other += 1
                print(f"mutation {number}: {type(error).__name__}: {error}")
            else:
                bits = {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in found.items()}
                if (bits, facts) == (saved, header):
                    same += 1
                else:
                    silent += 1
                    print(f"mutation {number}: loaded as something else")
                continue
            if number % 20 == 0:
                try:
                    victim.resume(path)
                except CheckpointError:
                    changed += whole(victim) != before
                else:
                    changed += 1
    print(
        f"{count} mutations of {len(data):,} bytes: {refused} refused by CheckpointError, "
        f"{same} in bytes that mean nothing and loaded as saved, {untouched} that changed no byte, "
        f"{silent} loaded as something else, {other} other errors, {changed} trainers changed"
    )
    return silent + other + changed


# ------------------------------------------------------------------------------ soak


def resident() -> int | None:
    """Return the bytes of memory that the process has now, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def soak(steps: int, traced: bool) -> int:
    """Make many small steps with the garbage collector off; return whether the memory grew."""
    run = run_of(evaluate_every=500, width=16)
    gc.disable()
    run.fit(iterations=1_000)  # arenas, caches and NumPy's pools fill up first
    gc.collect()
    if traced:
        tracemalloc.start()
        # The log of module calls has a fixed length; entries from before are not counted, so it
        # would seem to grow until the last of them is replaced.
        run.fit(iterations=1_100 + len(CALLS))
        before = tracemalloc.get_traced_memory()[0]
    else:
        before = resident() or 0
    began, start = time.perf_counter(), run.iteration
    run.fit(iterations=start + steps)
    seconds = time.perf_counter() - began
    after = tracemalloc.get_traced_memory()[0] if traced else resident() or 0
    cycles = gc.collect()
    grown = (after - before) / MIB
    print(
        f"{steps} steps without garbage collector in {seconds:.0f} s: "
        f"{'traced' if traced else 'resident'} memory grew by {grown:.2f} MiB, of which the "
        f"history of the losses needs {8 * steps / MIB:.2f}; {cycles} objects were left in cycles"
    )
    return int(grown > 2)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, count in (("kill", 200), ("corrupt", 5_000)):
        command = commands.add_parser(name)
        command.add_argument("--count", type=int, default=count)
        command.add_argument("--seed", type=int, default=0)
    commands.choices["kill"].add_argument(
        "--fresh", action="store_true", help="start a new interpreter each time, not a fork"
    )
    command = commands.add_parser("soak")
    command.add_argument("--steps", type=int, default=50_000)
    command.add_argument("--traced", action="store_true", help="count allocations instead of pages")
    commands.add_parser("child").add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.command == "child":
        child(options.folder)
        return 0
    if options.command == "soak":
        wrong = soak(options.steps, options.traced)
    else:
        how = {"fresh": options.fresh} if options.command == "kill" else {}
        program = {"kill": kill, "corrupt": corrupt}[options.command]
        wrong = program(options.count, options.seed, **how)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
