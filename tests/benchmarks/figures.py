"""Figures of memory, threads and anomalies, printed: ``python tests/benchmarks/figures.py``.

Each line says what was done and what was measured; the promises behind them are tests
(``pytest -m hazard``). It knows the public names of the package and Python's own measures.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Parameter, Tensor, checkpoint, detect_anomaly, no_grad
from tinygrad_edu.errors import AnomalyError


def resident() -> float:
    """Return the resident memory of this process in MiB; nan where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 / 2**20 if status.exists() else float("nan")


def step(w: Parameter, x: Tensor) -> None:
    w.grad = None
    np.square(np.tanh(x @ w)).sum().backward()


def growth(count: int) -> None:
    """Train with the collector off: what was not freed by reference count would pile up."""
    w, x = Parameter(np.ones((8, 4))), Tensor(np.ones((16, 8)))
    for _ in range(200):
        step(w, x)
    gc.collect()
    gc.disable()
    try:
        before = resident()
        tracemalloc.start()
        start, _ = tracemalloc.get_traced_memory()
        for _ in range(count):
            step(w, x)
        traced = (tracemalloc.get_traced_memory()[0] - start) / 1024
        tracemalloc.stop()
        grown = resident() - before
    finally:
        gc.enable()
    print(f"{count} steps, collector off: {traced:.1f} KiB traced, {grown:.2f} MiB resident more")


def deep(count: int) -> None:
    """Build, sweep and free a chain far deeper than the recursion limit, and drop one unswept."""
    limit, x = sys.getrecursionlimit(), Tensor(1.0, requires_grad=True)
    start, before = time.perf_counter(), resident()
    y = x
    for _ in range(count):
        y = y + 1.0
    held = resident() - before
    y.backward()
    took = time.perf_counter() - start
    y = x
    for _ in range(count):
        y = y + 1.0
    del y
    same = sys.getrecursionlimit() == limit
    print(
        f"a chain of {count} additions: gradient {x.grad}, {took:.2f} s, {held:.0f} MiB held, "
        f"dropped unswept too; recursion limit {'untouched' if same else 'CHANGED'}"
    )


def threads(count: int) -> None:
    """Switch recording off in half of many threads while the others train."""
    wrong: list[int] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        w, x = Parameter(np.ones((4, 2))), Tensor(np.ones((3, 4)))
        start.wait()
        for _ in range(300):
            if number % 2:
                with no_grad():
                    if (x @ w).requires_grad:
                        wrong.append(number)
            else:
                step(w, x)
                if not tg.is_recording() or w.grad is None:
                    wrong.append(number)

    pool = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    print(f"{count} threads, 300 steps each, half of them in no_grad(): {len(wrong)} mix-ups")


def segments(count: int) -> None:
    """Compare what a deep function holds with what its checkpoint holds."""

    def f(x: Tensor) -> Tensor:
        for _ in range(count):
            x = np.sin(x)
        return x

    held = []
    for function in (f, checkpoint(f)):
        x = Tensor(np.ones(50_000), requires_grad=True)
        tracemalloc.start()
        y = function(x)
        held.append(tracemalloc.get_traced_memory()[0] / 2**20)
        tracemalloc.stop()
        y.sum().backward()
    print(f"{count} sines of 50000 numbers hold {held[0]:.1f} MiB, checkpointed {held[1]:.2f} MiB")


def anomalies(rounds: int) -> None:
    """Show one message, and what watching costs."""
    x = Tensor([1.0, 0.0], requires_grad=True)
    try:
        with detect_anomaly(), np.errstate(all="ignore"):
            np.log(x)
    except AnomalyError as error:
        print("detect_anomaly():", str(error).splitlines()[0])
    w, data = Parameter(np.ones((64, 32))), Tensor(np.ones((128, 64)))
    plain, watched = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(20):
            step(w, data)
        middle = time.perf_counter()
        with detect_anomaly():
            for _ in range(20):
                step(w, data)
        plain.append(middle - start)
        watched.append(time.perf_counter() - middle)
    ratio = statistics.median(b / a for a, b in zip(plain, watched, strict=True))
    print(
        f"detect_anomaly() makes a step of a (128, 64) by (64, 32) layer {ratio:.2f} times as long"
    )


def main() -> None:
    """Print all figures; ``--quick`` prints them of less work."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    less = 10 if parser.parse_args().quick else 1
    growth(10_000 // less)
    deep(1_000_000 // less)
    threads(8)
    segments(100)
    anomalies(50 // less)


if __name__ == "__main__":
    main()
