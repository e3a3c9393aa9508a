"""Two pictures of the article: the activation functions, and a field of gradients.

    python examples/functions.py [--quick] [FOLDER]

The functions are drawn on [-5, 5); the field is that of f(x) = x0² + x1², computed by numerical
differentiation, with arrows along the negative gradient, where a step of descent goes.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygrad_edu as tg


def step(x: np.ndarray) -> np.ndarray:
    """Return 1 where x is above 0, else 0."""
    return tg.heaviside(x, 0.0)


FUNCTIONS = {
    "step": step,
    "sigmoid": tg.sigmoid,
    "ReLU": tg.relu,
    "identity": tg.identity,
    "softmax": tg.softmax,
}


def activations(path: Path) -> Path:
    """Draw each function, and its recorded derivative where it has one."""
    from matplotlib.figure import Figure

    x = np.arange(-5.0, 5.0, 0.1)
    figure = Figure(figsize=(12, 2.6), layout="constrained")
    for axes, (name, function) in zip(figure.subplots(1, 5), FUNCTIONS.items(), strict=True):
        axes.plot(x, function(x), color="#0072B2", label=name)
        if name != "softmax":
            t = tg.Tensor(x, requires_grad=True)
            function(t).sum().backward()
            axes.plot(x, t.grad, "--", color="#D55E00", label="derivative")
        axes.set_title(name)
        axes.grid(color="#DDDDDD")
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=100)
    return path


def field(path: Path, count: int) -> Path:
    """Draw the negative numerical gradient of x0² + x1² on a grid of count × count points."""
    from matplotlib.figure import Figure

    ticks = np.linspace(-2, 2, count)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    slopes = np.array([tg.numerical_gradient(lambda x: np.sum(x**2), point) for point in points])
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.quiver(*points.T, *-slopes.T, angles="xy", color="#666666")
    axes.set(xlabel="x0", ylabel="x1", aspect="equal", title="−gradient of x0² + x1²")
    axes.grid(color="#EEEEEE")
    figure.savefig(path, dpi=100)
    return path


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description="Pictures of functions and of gradients.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("--quick", action="store_true", help="fewer arrows")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    try:
        print(activations(arguments.folder / "activations.png"))
        print(field(arguments.folder / "gradient_field.png", 9 if arguments.quick else 17))
    except ModuleNotFoundError:
        raise SystemExit("the pictures need Matplotlib: pip install 'tinygrad_edu[plot]'") from None


if __name__ == "__main__":
    main()
