"""How much slower the engine is than NumPy written by hand: ratios, measured in one run.

    python tests/benchmarks/speed.py [--rounds 9]

Both sides of a ratio alternate in short slices, and the median of the slices' ratios is printed, so
that a busy machine slows both. BLAS runs on one thread. By hand means: kept buffers, ``out=``
everywhere, parameters and gradients in flat arrays, nothing that the net does not need.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is loaded

import argparse
import gc
import itertools
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.data import load_mnist
from tinygrad_edu.nn import CrossEntropyLoss, Linear, Sequential
from tinygrad_edu.optim import SGD, Adam


class ByHand:
    """A fully connected net with softmax cross-entropy, written out for its sizes."""

    def __init__(self, weights: list[np.ndarray], batch: int, activation: str, adam: bool) -> None:
        count = sum(w.size for w in weights)
        self.flat, self.slope = np.empty(count, np.float32), np.empty(count, np.float32)
        self.weights, self.slopes, start = [], [], 0
        for w in weights:
            stop = start + w.size
            self.weights.append(self.flat[start:stop].reshape(w.shape))
            self.slopes.append(self.slope[start:stop].reshape(w.shape))
            self.weights[-1][...] = w
            start = stop
        sizes = [w.shape[0] for w in weights[::2]] + [weights[-1].shape[0]]
        self.x = np.empty((batch, sizes[0]), np.float32)
        self.t = np.empty(batch, np.int64)
        self.values = [np.empty((batch, n), np.float32) for n in sizes[1:]]
        self.errors = [np.empty((batch, n), np.float32) for n in sizes[1:-1]]
        self.masks = [np.empty((batch, n), np.float32) for n in sizes[1:-1]]
        self.ones, self.rows = np.ones(batch, np.float32), np.arange(batch)
        self.activation, self.adam, self.steps = activation, adam, 0
        self.mean, self.square, self.scratch = (np.zeros(count, np.float32) for _ in range(3))

    def activate(self, h: np.ndarray) -> None:
        if self.activation == "relu":
            np.maximum(h, 0, out=h)
        else:
            np.negative(h, out=h)
            np.exp(h, out=h)
            np.add(h, 1, out=h)
            np.reciprocal(h, out=h)

    def step(self, images: np.ndarray, labels: np.ndarray, index: np.ndarray) -> float:
        """Forward, backward, update; returns the loss."""
        np.take(images, index, 0, out=self.x, mode="clip")
        np.take(labels, index, 0, out=self.t, mode="clip")
        below = self.x
        for i, value in enumerate(self.values):
            np.dot(below, self.weights[2 * i], out=value)
            np.add(value, self.weights[2 * i + 1], out=value)
            if i < len(self.errors):
                self.activate(value)
            below = value
        p = self.values[-1]
        np.subtract(p, p.max(axis=1, keepdims=True), out=p)
        chosen = p[self.rows, self.t]
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - chosen).mean())
        np.divide(p, total, out=p)
        p[self.rows, self.t] -= 1
        np.multiply(p, np.float32(1 / len(p)), out=p)
        error = p
        for i in reversed(range(len(self.values))):
            lower = self.values[i - 1] if i else self.x
            np.dot(lower.T, error, out=self.slopes[2 * i])
            np.dot(self.ones, error, out=self.slopes[2 * i + 1])
            if i:
                np.dot(error, self.weights[2 * i].T, out=self.errors[i - 1])
                error, mask = self.errors[i - 1], self.masks[i - 1]
                if self.activation == "relu":
                    np.multiply(error, np.sign(lower, out=mask), out=error)
                else:
                    np.multiply(error, lower, out=error)
                    np.subtract(1, lower, out=mask)
                    np.multiply(error, mask, out=error)
        self.update()
        return loss

    def update(self) -> None:
        """SGD with rate 0.1, or Adam with rate 0.001."""
        if not self.adam:
            np.multiply(self.slope, np.float32(0.1), out=self.scratch)
            np.subtract(self.flat, self.scratch, out=self.flat)
            return
        self.steps += 1
        root = ((1 - 0.999) / (1 - 0.999**self.steps)) ** 0.5
        rate = 0.001 * (1 - 0.9) / (1 - 0.9**self.steps) / root
        np.multiply(self.mean, np.float32(0.9), out=self.mean)
        np.add(self.mean, self.slope, out=self.mean)
        np.multiply(self.slope, self.slope, out=self.slope)
        np.multiply(self.square, np.float32(0.999), out=self.square)
        np.add(self.square, self.slope, out=self.square)
        np.sqrt(self.square, out=self.scratch)
        np.add(self.scratch, np.float32(1e-8 / root), out=self.scratch)
        np.divide(self.mean, self.scratch, out=self.scratch)
        np.multiply(self.scratch, np.float32(rate), out=self.scratch)
        np.subtract(self.flat, self.scratch, out=self.flat)


def training(sizes: list[int], batch: int, activation: str, adam: bool) -> tuple[Any, Any]:
    """Return the two steps, ours and the one by hand, from the same weights and batches."""
    data = load_mnist()
    images, labels = data.train_images, data.train_labels
    rng = np.random.default_rng(1)
    weights: list[np.ndarray] = []
    for n, m in itertools.pairwise(sizes):
        scale = (2 / n) ** 0.5 if activation == "relu" else 0.01
        weights += [
            (scale * rng.standard_normal((n, m))).astype(np.float32),
            np.zeros(m, np.float32),
        ]
    layers = [
        Linear(n, m, activation=activation if i < len(sizes) - 2 else None, rng=0)
        for i, (n, m) in enumerate(itertools.pairwise(sizes))
    ]
    for i, layer in enumerate(layers):
        layer.weight.data, layer.bias.data = weights[2 * i], weights[2 * i + 1]
    model, loss = Sequential(*layers), CrossEntropyLoss()
    optimizer = Adam(model, lr=0.001) if adam else SGD(model, lr=0.1)
    x, t = tg.Tensor(images), tg.Tensor(labels)
    hand = ByHand(weights, batch, activation, adam)
    batches = [rng.integers(0, len(images), batch) for _ in range(500)]
    turn = {"ours": 0, "hand": 0}

    def ours() -> float:
        index = batches[turn["ours"] % 500]
        turn["ours"] += 1
        optimizer.zero_grad()
        value = loss(model(x[index]), t[index])
        value.backward()
        optimizer.step()
        return value.item()

    def theirs() -> float:
        index = batches[turn["hand"] % 500]
        turn["hand"] += 1
        return hand.step(images, labels, index)

    for _ in range(20):
        a, b = ours(), theirs()
        if abs(a - b) > 1e-3 * abs(b):
            raise SystemExit(f"the two do not compute the same: {a} against {b}")
    return ours, theirs


def small_ops() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a chain of 1,000 ops on 10 numbers, forward and backward."""
    rng = np.random.default_rng(2)
    x0, a0 = (0.1 * rng.standard_normal((2, 10))).astype(np.float32)
    b0 = (1 + 0.001 * rng.standard_normal(10)).astype(np.float32)
    a, b = tg.Tensor(a0), tg.Tensor(b0)

    def ours() -> None:
        y = tg.Tensor(x0, requires_grad=True)
        for i in range(1000):
            y = y + a if i % 3 == 0 else y * b if i % 3 == 1 else y.tanh()
        y.sum().backward()

    kept, g, one = np.empty((1001, 10), np.float32), np.empty(10, np.float32), np.float32(1)
    scratch, rows = np.empty(10, np.float32), list(kept)

    def theirs() -> None:
        rows[0][...] = x0
        for i in range(1000):
            if i % 3 == 0:
                np.add(rows[i], a0, out=rows[i + 1])
            elif i % 3 == 1:
                np.multiply(rows[i], b0, out=rows[i + 1])
            else:
                np.tanh(rows[i], out=rows[i + 1])
        g.fill(1)
        for i in reversed(range(1000)):
            if i % 3 == 1:
                np.multiply(g, b0, out=g)
            elif i % 3 == 2:
                np.multiply(rows[i + 1], rows[i + 1], out=scratch)
                np.subtract(one, scratch, out=scratch)
                np.multiply(g, scratch, out=g)

    return ours, theirs


def deep_chain() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a chain of 100,000 adds on one number, forward and backward."""
    c0, x0 = np.array([2.0**-17], np.float32), np.array([0.5], np.float32)
    c = tg.Tensor(c0)

    def ours() -> None:
        y = tg.Tensor(x0, requires_grad=True)
        for _ in range(100_000):
            y = y + c
        y.backward()

    def theirs() -> None:
        y = x0.copy()
        for _ in range(100_000):
            np.add(y, c0, out=y)

    return ours, theirs


def compare(
    name: str, pair: tuple[Callable[[], Any], Callable[[], Any]], repeat: int, rounds: int
) -> None:
    """Print the median time of both and the median of their ratios."""
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        slices = []
        for step in pair:
            gc.collect()
            start = time.perf_counter()
            for _ in range(repeat):
                step()
            slices.append((time.perf_counter() - start) / repeat)
        times.append((slices[0], slices[1]))
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    print(f"| {name} | {ours * 1e6:.0f} us | {theirs * 1e6:.0f} us | {ratio:.2f} |", flush=True)


def imports(rounds: int) -> None:
    """Print what an import costs beyond the bare interpreter, against NumPy's."""
    ratios = []
    compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for round_ in range(rounds + 1):
        spent = []
        for code in ("pass", "import numpy", "import tinygrad_edu"):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=compiled)
            spent.append(time.perf_counter() - start)
        if round_:  # the first one writes the compiled files
            ratios.append(((spent[2] - spent[0]), (spent[1] - spent[0])))
    ours, theirs = (statistics.median(column) for column in zip(*ratios, strict=True))
    ratio = statistics.median(a / b for a, b in ratios)
    print(f"| import | {ours * 1e6:.0f} us | {theirs * 1e6:.0f} us | {ratio:.2f} |")


def memory() -> None:
    """Print the memory that the deep chain holds at its largest."""
    ours, _ = deep_chain()
    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    print(f"\ndeep chain of 100,000 adds: {peak:.1f} MiB at most")
    tracemalloc.stop()


def main() -> None:
    """Run all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print("| work | tinygrad_edu | by hand | ratio |\n|---|---|---|---|")
    compare(
        "784-50-10 sigmoid, batch 100, SGD",
        training([784, 50, 10], 100, "sigmoid", False),
        200,
        rounds,
    )
    compare(
        "784-512-512-10 ReLU, batch 128, Adam",
        training([784, 512, 512, 10], 128, "relu", True),
        20,
        rounds,
    )
    compare("1,000 ops on 10 numbers", small_ops(), 10, rounds)
    compare("100,000 adds", deep_chain(), 1, rounds)
    imports(rounds)
    memory()


if __name__ == "__main__":
    main()
