"""The peer of the benchmark harness: tinygrad_edu in eager mode, as its users write it.

The harness finds this file through ``BENCH_PEERS`` and says what each workload must compute.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from common import Job

import tinygrad_edu as tg
from tinygrad_edu.nn import (
    Conv2d,
    CrossEntropyLoss,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
)
from tinygrad_edu.optim import SGD, Adam


class Net(Job):
    """w1, w2: a multi-layer net with one optimizer step per batch."""

    def __init__(self, spec: Any) -> None:
        sizes, activation = (
            ([784, 50, 10], "sigmoid") if spec.workload != "w2" else ([784, 512, 512, 10], "relu")
        )
        last = len(sizes) - 2
        self.layers = [
            Linear(n, m, activation=None if i == last else activation, rng=0, dtype=spec.dtype)
            for i, (n, m) in enumerate(itertools.pairwise(sizes))
        ]
        for i, layer in enumerate(self.layers, 1):
            layer.weight.data, layer.bias.data = spec.params[f"W{i}"], spec.params[f"b{i}"]
        self.model = Sequential(*self.layers)
        self.loss = CrossEntropyLoss()
        self.optimizer = (
            Adam(self.model, lr=spec.lr) if spec.workload == "w2" else SGD(self.model, lr=spec.lr)
        )
        self.x, self.t = tg.Tensor(spec.x), tg.Tensor(spec.t)

    def step(self, idx: Any) -> None:
        """Forward, backward, update."""
        self.optimizer.zero_grad()
        self.last = self.loss(self.model(self.x[idx]), self.t[idx])
        self.last.backward()
        self.optimizer.step()

    def value(self) -> float:
        """The loss of the last step."""
        return self.last.item()

    def accuracy(self, x: Any, t: Any) -> float:
        """The share of rows classified as t."""
        with tg.no_grad():
            right = sum(
                int(
                    (
                        self.model(tg.Tensor(x[i : i + 1000])).numpy().argmax(1) == t[i : i + 1000]
                    ).sum()
                )
                for i in range(0, len(x), 1000)
            )
        return right / len(x)


class SimpleConvNet(Net):
    """w3: the book's convolutional net, Conv - ReLU - Pool - Linear - ReLU - Linear."""

    def __init__(self, spec: Any) -> None:
        dtype = spec.dtype
        convolution = Conv2d(1, 30, 5, dtype=dtype)
        hidden, last = Linear(4320, 100, dtype=dtype), Linear(100, 10, dtype=dtype)
        for i, layer in enumerate((convolution, hidden, last), 1):
            layer.weight.data, layer.bias.data = spec.params[f"W{i}"], spec.params[f"b{i}"]
        self.model = Sequential(convolution, ReLU(), MaxPool2d(2), Flatten(), hidden, ReLU(), last)
        self.loss = CrossEntropyLoss()
        self.optimizer = Adam(self.model, lr=spec.lr)
        self.x, self.t = tg.Tensor(spec.x), tg.Tensor(spec.t)


class Chain(Job):
    """w4: a thousand small ops."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.a, self.b = tg.Tensor(spec.extra["a"]), tg.Tensor(spec.extra["b"])

    def step(self, idx: Any) -> None:  # noqa: ARG002 - the harness passes it to all
        """Forward and backward."""
        a, b = self.a, self.b
        self.x = y = tg.Tensor(self.spec.x, requires_grad=True)
        for i in range(self.spec.n_ops):
            if i % 3 == 0:
                y = y + a
            elif i % 3 == 1:
                y = y * b
            else:
                y = y.tanh()
        self.y = y.sum()
        self.y.backward()

    def value(self) -> float:
        """The sum of the result and of the gradient."""
        return self.y.item() + float(self.x.grad.sum())


class Deep(Job):
    """w5: a chain of 100,000 adds."""

    def __init__(self, spec: Any) -> None:
        self.spec, self.c = spec, tg.Tensor(spec.extra["c"])

    def step(self, idx: Any) -> None:  # noqa: ARG002 - the harness passes it to all
        """Forward and backward."""
        self.x = y = tg.Tensor(self.spec.x, requires_grad=True)
        c = self.c
        for _ in range(self.spec.n_ops):
            y = y + c
        self.y = y.sum()
        self.y.backward()

    def value(self) -> float:
        """The result and the gradient."""
        return self.y.item() + float(self.x.grad[0])


class HessianVector(Job):
    """w6: one Hessian-vector product of w1's loss."""

    def __init__(self, spec: Any) -> None:
        self.x, self.t = tg.Tensor(spec.x), tg.Tensor(spec.t)
        self.names = list(spec.params)
        self.primals = tuple(tg.Tensor(spec.params[k]) for k in self.names)
        self.vectors = tuple(tg.Tensor(spec.extra["v"][k]) for k in self.names)

    def loss(self, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        """The loss of the net as a function of its parameters."""
        hidden = tg.linear(self.x, w1, b1, activation="sigmoid")
        return tg.softmax_cross_entropy(tg.linear(hidden, w2, b2), self.t)

    def step(self, idx: Any) -> None:  # noqa: ARG002 - as above
        """One product."""
        self.products = tg.hvp(self.loss, self.primals, self.vectors)

    def value(self) -> float:
        """The sum of v * Hv."""
        pairs = zip(self.vectors, self.products, strict=True)
        return float(sum((v.numpy().astype(np.float64) * p.numpy()).sum() for v, p in pairs))


WORKLOADS = {
    "w1": Net,
    "w1_f64": Net,
    "w2": Net,
    "w3": SimpleConvNet,
    "w4": Chain,
    "w5": Deep,
    "w6": HessianVector,
}
