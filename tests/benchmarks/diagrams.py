"""How long a diagram takes: 60, 1,000 and 100,000 nodes, each level, renderer and format.

python tests/benchmarks/diagrams.py [--rounds N]

Prints medians in seconds. Nothing is judged: these are times of the machine that runs it.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import Tensor
from tinygrad_edu.draw import Diagram, draw
from tinygrad_edu.errors import DiagramError


def chain(nodes: int) -> Tensor:
    """Return the end of a chain of operations on four numbers."""
    x = Tensor(np.full(4, 0.5), requires_grad=True)
    y = x
    for _ in range(nodes // 2):
        y = np.tanh(y * 1.01)
    return y.sum()


def median(function: Callable[[], Any], rounds: int) -> float:
    """Return the median of the seconds that a call takes."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    print(f"{'nodes':>8}  {'drawn as':>28}  {'cards':>6}  seconds, SVG by our own layout")
    for nodes, options in (
        (60, {}),
        (1_000, {}),
        (1_000, {"level": "op", "fold": False, "limit": 1_000}),
        (5_000, {"level": "op", "fold": False, "limit": 5_000}),
        (100_000, {}),
        (100_000, {"level": "op"}),
    ):
        loss = chain(nodes)
        told = ", ".join(f"{k}={v}" for k, v in options.items()) or "by default"
        cards = len(draw(loss, **options).picture.cards)
        seconds = median(lambda: draw(loss, engine="own", **options).svg, rounds)  # noqa: B023
        print(f"{nodes:>8,}  {told:>28.28}  {cards:>6,}  {seconds:.2f}", flush=True)
    print(f"\n{'cards':>8}  {'engine':>10}  {'format':>8}  seconds")
    for nodes in (60, 1_000):
        picture = draw(chain(nodes), level="op", fold=False, limit=nodes).picture
        for engine, formats in (
            ("own", ("svg", "html", "dot", "mermaid", "json", "text")),
            ("dot", ("svg", "png", "pdf")),
            ("pygraphviz", ("svg", "png", "pdf")),
        ):
            for form in formats:

                def render(form: Any = form, engine: Any = engine, picture: Any = picture) -> bytes:
                    return Diagram(picture, engine=engine, timeout=120)._render(form)

                try:
                    seconds = f"{median(render, rounds):.2f}"
                except DiagramError as error:
                    seconds = str(error).splitlines()[0][:60]
                print(f"{len(picture.cards):>8,}  {engine:>10}  {form:>8}  {seconds}", flush=True)


if __name__ == "__main__":
    main()
