"""Backpropagation derived by hand, beside the recorded gradient.

    python examples/book/hand_derived.py [--quick] [--out FOLDER] [--seed N]

The hand's formulas are written in plain NumPy, from one neuron to a net of any depth; the recorded
gradient knows nothing of them. Both must agree to the rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot
from three_layers import draw_net

import tinygrad_edu as tg
from tinygrad_edu import Tensor

Array = np.ndarray[Any, Any]


def sigmoid(s: Array) -> Array:
    """Return the logistic function in plain NumPy."""
    result: Array = 1 / (1 + np.exp(-s))
    return result


def with_bias(y: Any) -> Any:
    """Return the units of a layer and one more that is always 1."""
    return np.concatenate([y, np.ones(1)])


def random_net(sizes: Sequence[int], rng: np.random.Generator) -> list[Array]:
    """Return weights w[j, i] from unit i to unit j; the last column is from the unit 1."""
    return [rng.normal(size=(out, into + 1)) for into, out in pairwise(sizes)]


def by_hand(weights: Sequence[Array], x: Array, target: Array) -> tuple[list[Array], ...]:
    """Return units, deltas ∂E/∂s and gradients ∂E/∂w of E = Σ (y − t)², layer by layer."""
    units = [x]
    for w in weights:
        units.append(sigmoid(w @ with_bias(units[-1])))
    slopes = [y * (1 - y) for y in units]  # σ′(s)
    delta = 2 * (units[-1] - target) * slopes[-1]
    deltas = [delta]
    for w, slope in zip(reversed(weights), reversed(slopes[1:-1]), strict=False):
        delta = (w[:, :-1].T @ delta) * slope
        deltas.insert(0, delta)
    pairs = zip(deltas, units[:-1], strict=True)
    return units, deltas, [np.outer(delta, with_bias(y)) for delta, y in pairs]


def recorded(weights: Sequence[Array], x: Array, target: Array) -> list[Array]:
    """Return the gradients of the same error by one reverse sweep."""
    leaves = [Tensor(w, requires_grad=True) for w in weights]
    y: Any = Tensor(x)
    for w in leaves:
        y = tg.sigmoid(w @ with_bias(y))
    np.square(y - target).sum().backward()
    return [leaf.grad for leaf in leaves]


def numerical(weights: Sequence[Array], x: Array, target: Array) -> list[Array]:
    """Return the gradients of the same error by central differences."""
    found = []
    for k, w in enumerate(weights):

        def error(moved: Array, k: int = k) -> float:
            tried = [moved if i == k else other for i, other in enumerate(weights)]
            return float(np.sum((by_hand(tried, x, target)[0][-1] - target) ** 2))

        found.append(tg.numerical_gradient(error, w))
    return found


def one_neuron(alpha: float, w: Array, x: Array, target: float) -> tuple[Array, Array]:
    """Return ∂E/∂w of E = (t − σ(α w·x))², by the formula and recorded."""
    y = sigmoid(alpha * (w @ x))
    leaf = Tensor(w, requires_grad=True)
    error: Any = np.square(target - tg.sigmoid(alpha * (leaf @ x)))
    error.backward()
    return -2 * (target - y) * alpha * y * (1 - y) * x, leaf.grad


def largest_difference(one: Sequence[Array], other: Sequence[Array]) -> float:
    """Return the largest difference of two lists of arrays."""
    return max(float(np.max(np.abs(a - b))) for a, b in zip(one, other, strict=True))


def net_picture(weights: Sequence[Array], x: Array, target: Array) -> Any:
    """Return the picture of the net: the unit's number, and below it the delta of its layer."""
    plt = pyplot()
    units, deltas, _ = by_hand(weights, x, target)
    figure, axes = plt.subplots(figsize=(9, 4.2))
    places = draw_net(axes, units, [w[:, :-1].T for w in weights])
    for layer, column in zip(deltas, places[1:], strict=True):
        for (across, y), delta in zip(column, layer, strict=True):
            axes.text(across, y - 0.44, f"δ = {delta:+.4f}", ha="center", color=ORANGE, fontsize=9)
    for (across, y), t in zip(places[-1], target, strict=True):
        axes.text(across + 0.42, y, f"t = {t:.3f}", va="center", fontsize=9)
    arrow = {"arrowstyle": "->", "lw": 1.6}
    for y, tail, head, colour, text in (
        (-1.85, 0, 4.8, PALETTE[0], "numbers, forward"),
        (-2.2, 4.8, 0, ORANGE, "deltas δ = ∂E/∂s, backward"),
    ):
        axes.annotate("", (head, y), (tail, y), arrowprops={**arrow, "color": colour})
        axes.text(2.4, y + 0.04, text, ha="center", va="bottom", color=colour, fontsize=9)
    axes.set(ylim=(-2.35, 1.5), xlim=(-0.6, 5.9))
    return figure


def depth_picture(depths: Sequence[int], seed: int) -> Any:
    """Return the picture of the difference over the depth, and of the deltas of the deepest net."""
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    lines: dict[str, list[float]] = {
        "largest element of ∂E/∂w": [], "by hand − numerical": [], "by hand − recorded": []
    }  # fmt: skip
    for depth in depths:
        net = problem([4] * (depth + 1), seed + depth)
        hand = by_hand(*net)[2]
        others = ([0 * g for g in hand], numerical(*net), recorded(*net))
        for line, other in zip(lines.values(), others, strict=True):
            line.append(max(largest_difference(hand, other), 1e-18))  # log 0 has no place
    for k, (name, line) in enumerate(lines.items()):
        left.semilogy(depths, line, ".-", color=PALETTE[(0, 2, 1)[k]], label=name)
    left.axhline(1e-12, color="#888888", lw=0.8)
    left.text(depths[-1], 2e-12, "allowed", color="#666666", ha="right")
    if min(lines["by hand − recorded"]) == 1e-18:
        left.text(1, 3e-18, "no difference: not even in the last bit", color=ORANGE)
    left.set(xlabel="layers", ylabel="largest of all weights", ylim=(1e-19, 1e6))
    left.legend(loc="upper right")
    for k, depth in enumerate((depths[-1] // 3, depths[-1])):
        deltas = by_hand(*problem([4] * (depth + 1), seed + depth))[1]
        sizes = [np.linalg.norm(delta) for delta in deltas]
        right.semilogy(range(1, depth + 1), sizes, ".-", color=PALETTE[k], label=f"{depth} layers")
    right.set(xlabel="layer (the last is the output)", ylabel="length of δ")
    right.legend()
    return figure


def problem(sizes: Sequence[int], seed: int) -> tuple[list[Array], Array, Array]:
    """Return random weights, inputs and targets."""
    rng = np.random.default_rng(seed)
    return random_net(sizes, rng), rng.normal(size=sizes[0]), rng.uniform(size=sizes[-1])


def main(arguments: list[str] | None = None) -> None:
    """Print both gradients side by side, and draw the net with its deltas."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        rng = np.random.default_rng(experiment.seed)
        w, x = rng.normal(size=4), rng.normal(size=4)
        for alpha in (0.04, 1.0, 4.0):
            formula, found = one_neuron(alpha, w, x, 1.0)
            what = f"one neuron, α = {alpha:g}: ∂E/∂w recorded (to compare: −2(t − ŷ)αŷ(1 − ŷ)x)"
            experiment.figure("S13", what, ours=found, source=formula)
            experiment.figure(
                "S13", f"one neuron, α = {alpha:g}: difference",
                ours=largest_difference([found], [formula]), accept=(None, 1e-12),
            )  # fmt: skip
        net = problem([3, 3, 3], experiment.seed)
        hand, swept = by_hand(*net)[2], recorded(*net)
        for name, a, b in zip(("inputs to middle", "middle to output"), swept, hand, strict=True):
            what = f"3-3-3 with bias, {name}: ∂E/∂w recorded (to compare: by hand)"
            experiment.figure("S14", what, ours=a, source=b)
        experiment.figure(
            "S14", "3-3-3: difference", ours=largest_difference(swept, hand), accept=(None, 1e-12)
        )
        depths = range(1, (12 if experiment.quick else 30) + 1)
        worst = []
        for depth in depths:
            deep = problem([4] * (depth + 1), experiment.seed + depth)
            worst.append(largest_difference(by_hand(*deep)[2], recorded(*deep)))
        experiment.figure(
            "S14", f"largest difference of nets of 1 to {depths[-1]} layers",
            ours=max(worst), accept=(None, 1e-12),
        )  # fmt: skip
        experiment.picture(net_picture(*net))
        experiment.picture(depth_picture(depths, experiment.seed), "depth")


if __name__ == "__main__":
    main()
