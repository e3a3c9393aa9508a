"""The book's first graph: two apples and three oranges, a price, and every derivative of it.

    python examples/book/apples_and_oranges.py [--quick] [--out FOLDER]

Apples at 100, oranges at 150, tax 1.1. The derivative of the price with respect to the price of an
apple says what one yen more per apple would cost.
"""

from __future__ import annotations

from typing import Any

from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.draw import draw

INPUTS = {"apple": 100.0, "apples": 2.0, "orange": 150.0, "oranges": 3.0, "tax": 1.1}
BOOK = {"apple": 2.2, "apples": 110.0, "orange": 3.3, "oranges": 165.0, "tax": 650.0}
"""The derivatives that the book prints."""

PLACES = {
    "apples": (0, 4), "apple": (0, 3), "orange": (0, 2), "oranges": (0, 1), "tax": (0, 0),
    "all apples": (2.2, 3.5), "all oranges": (2.2, 1.5), "sum": (4.4, 2.5), "price": (6.6, 1.6),
}  # fmt: skip
ARROWS = (
    ("apples", "all apples"), ("apple", "all apples"), ("orange", "all oranges"),
    ("oranges", "all oranges"), ("all apples", "sum"), ("all oranges", "sum"), ("sum", "price"),
    ("tax", "price"),
)  # fmt: skip
SIGNS = {"all apples": "×", "all oranges": "×", "sum": "+", "price": "×"}
LABELS = {
    "apples": "number of\napples", "apple": "price of\nan apple", "orange": "price of\nan orange",
    "oranges": "number of\noranges", "tax": "tax",
}  # fmt: skip


def record() -> dict[str, Tensor]:
    """Return all nodes of the graph by name: the inputs, what is bought, the sum, the price."""
    nodes = {name: Tensor(value, requires_grad=True, name=name) for name, value in INPUTS.items()}
    nodes["all apples"] = nodes["apple"] * nodes["apples"]
    nodes["all oranges"] = nodes["orange"] * nodes["oranges"]
    nodes["sum"] = nodes["all apples"] + nodes["all oranges"]
    nodes["price"] = nodes["sum"] * nodes["tax"]
    return nodes


def derivatives(nodes: dict[str, Tensor]) -> dict[str, float]:
    """Return the derivative of the price with respect to every node, by one sweep."""
    found = tg.gradients(nodes["price"], list(nodes.values()), retain_graph=True)
    return {name: g.item() for name, g in zip(nodes, found, strict=True)}


def picture() -> Any:
    """Return the picture of the graph: values forward above each arrow, derivatives back below."""
    plt = pyplot()
    nodes = record()
    slopes = derivatives(nodes)
    figure, axes = plt.subplots(figsize=(10.5, 5))
    arrows = [(tail, head, PLACES[tail], PLACES[head]) for tail, head in ARROWS]
    x, y = PLACES["price"]
    arrows.append(("price", "", (x, y), (x + 1.9, y)))
    for tail, _, (x0, y0), (x1, y1) in arrows:
        slope = (y1 - y0) / (x1 - x0)
        start, end = x0 + (0.45 if tail in INPUTS else 0.2), x1 - 0.22
        begin, stop = y0 + slope * (start - x0), y0 + slope * (end - x0)
        for shift, ends, colour in ((0.05, "->", PALETTE[0]), (-0.05, "<-", ORANGE)):
            arrow = {"arrowstyle": ends, "color": colour, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (end, stop + shift), (start, begin + shift), arrowprops=arrow)
        share = 0.24 if tail in INPUTS and tail != "tax" else 0.5
        middle = (start + share * (end - start), begin + share * (stop - begin))
        for number, shift, side, colour in (
            (nodes[tail].item(), 6, "bottom", PALETTE[0]),
            (slopes[tail], -6, "top", ORANGE),
        ):
            axes.annotate(
                f"{number:g}", middle, (0, shift), textcoords="offset points", ha="center",
                va=side, color=colour, fontsize=11, fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
            )  # fmt: skip
    for name, (x, y) in PLACES.items():
        if name in SIGNS:
            axes.plot(x, y, "o", ms=28, mfc="white", mec=PALETTE[6], mew=1.3)
            axes.text(x, y, SIGNS[name], ha="center", va="center", fontsize=16)
        else:
            axes.text(x + 0.35, y, LABELS[name], ha="right", va="center")
    axes.text(x + 1.8, 1.6, "price", va="center")
    axes.text(4.4, 4.2, "values, forward", color=PALETTE[0], fontsize=11, fontweight="bold")
    axes.text(
        4.4, 3.85, "∂ price / ∂ value, backward", color=ORANGE, fontsize=11, fontweight="bold"
    )
    axes.set(xlim=(-0.9, 9.2), ylim=(-0.4, 4.5))
    axes.axis("off")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Compute both prices of the book and what each input contributes."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        apple, apples, tax = (
            Tensor(INPUTS[k], requires_grad=True) for k in ("apple", "apples", "tax")
        )
        price = apple * apples * tax
        price.backward()
        ours = [price.item(), *(float(t.grad) for t in (apple, apples, tax))]
        source = [220.0, 2.2, 110.0, 200.0]
        what = "apples only: price; ∂/∂ apple, number, tax"
        experiment.figure("A17", what, ours=ours, source=source)

        nodes = record()
        price = nodes["price"].item()
        bounds = (715 - 1e-12, 715 + 1e-12)
        experiment.figure(
            "A18", "apples and oranges: price", ours=price, source=715.0, accept=bounds
        )
        slopes = derivatives(nodes)
        for name, printed in BOOK.items():
            experiment.figure(
                "A18", f"∂ price / ∂ {name}", ours=slopes[name], source=printed,
                accept=(printed - 1e-12, printed + 1e-12),
            )  # fmt: skip
        experiment.picture(picture())
        drawn = draw(nodes["price"], grad=True, title="apples and oranges")
        drawn.save(experiment.out / "apples_and_oranges_graph.svg")


if __name__ == "__main__":
    main()
