"""Derivatives from differences: the tangent, the gradient field, and the best step.

    python examples/book/numerical_derivative.py [--quick] [--out FOLDER]

The two-point formula is a slope between neighbours. Neighbours that are far apart make an error of
the formula, near ones an error of rounding; between them lies the best step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from experiment import ORANGE, PALETTE, Experiment, pyplot

import tinygrad_edu as tg
from tinygrad_edu.numeric import directional_derivative

Array = np.ndarray[Any, Any]

POINT = 0.7


def parabola(x: Any) -> Any:
    """Return the book's function of one variable, 0.01x² + 0.1x."""
    return 0.01 * x**2 + 0.1 * x


def bowl(x: Array) -> Any:
    """Return the book's function of two variables, x0² + x1²."""
    return x[0] ** 2 + x[1] ** 2


def wave(x: Any) -> Any:
    """Return a function of which all derivatives differ from 0, exp(sin x)."""
    return np.exp(np.sin(x))


def forward_difference(f: Callable[[Any], Any], x: Any, h: Any) -> Any:
    """Return the slope between x and its right neighbour."""
    return (f(x + h) - f(x)) / h


def naive_gradient(f: Callable[[Array], Any], x: Array, h: float = 1e-4) -> Array:
    """Return the central differences written into the caller's own array, whatever its dtype."""
    gradient = np.zeros_like(x, dtype=float)
    for i in range(x.size):
        kept = x[i]
        x[i] = kept + h  # an integer array drops the fraction here
        above = f(x)
        x[i] = kept - h
        gradient[i] = (above - f(x)) / (2 * h)
        x[i] = kept
    return gradient


def errors(steps: Array) -> dict[str, Array]:
    """Return the relative error of each formula for exp(sin x) at 0.7, for every step."""
    exact = wave(POINT) * np.cos(POINT)
    single = np.float32(POINT)
    exact_single = wave(float(single)) * np.cos(float(single))

    def of(slope: Callable[[float], Any], truth: float = exact) -> Array:
        return np.array([abs(float(slope(h)) - truth) / truth for h in steps])

    def in_float32(h: float) -> Any:
        right, left = single + np.float32(h), single - np.float32(h)
        return (wave(right) - wave(left)) / np.float32(2 * h)

    return {
        "forward": of(lambda h: forward_difference(wave, POINT, h)),
        "central": of(lambda h: tg.numerical_diff(wave, POINT, h)),
        "five-point": of(lambda h: directional_derivative(wave, POINT, 1.0, "five-point", h)),
        "central in float32": of(in_float32, exact_single),
    }


def steps_picture(steps: Array, found: dict[str, Array]) -> Any:
    """Return the picture of the error over the step, with the two causes as lines."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(8, 4.6))
    colours = dict(zip(found, (ORANGE, PALETTE[0], PALETTE[2], PALETTE[3]), strict=True))
    for name, error in found.items():
        axes.loglog(steps, np.maximum(error, 1e-17), ".", ms=4, color=colours[name], label=name)
    # f″ and f‴ of exp(sin x), for what the formulas leave out.
    s, c, f = np.sin(POINT), np.cos(POINT), wave(POINT)
    first, second, third = f * c, f * (c * c - s), f * c * (c * c - 3 * s - 1)
    axes.loglog(steps, np.abs(second) * steps / 2 / first, "-", lw=1, color=ORANGE)
    axes.loglog(steps, np.abs(third) * steps**2 / 6 / first, "-", lw=1, color=PALETTE[0])
    axes.loglog(steps, np.finfo(float).eps * f / steps / first, "--", lw=1, color="#666666")
    axes.text(2e-6, 1e-5, "∝ h", color=ORANGE)
    axes.text(2e-4, 3e-10, "∝ h²", color=PALETTE[0])
    axes.text(1e-10, 2e-4, "rounding ∝ 1/h", color="#666666")
    axes.axvline(1e-4, color="#999999", lw=0.8)
    axes.text(1.15e-4, 3e-16, "the book's h", color="#666666", va="bottom")
    axes.set(xlabel="step h", ylabel="relative error of the derivative", ylim=(1e-16, 1e2))
    axes.legend(loc="upper right", ncols=2)
    return figure


def tangent_picture() -> Any:
    """Return the picture of the parabola with its tangents at 5 and 10."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(6, 3.6))
    x = np.arange(0.0, 20.0, 0.1)
    axes.plot(x, parabola(x), lw=2, label="f(x) = 0.01x² + 0.1x")
    for k, at in enumerate((5.0, 10.0)):
        slope = tg.numerical_diff(parabola, at)
        line = parabola(at) + slope * (x - at)
        axes.plot(
            x, line, "--", color=PALETTE[k + 1], label=f"tangent at {at:g}: slope {slope:.4f}"
        )
        axes.plot(at, parabola(at), "o", color=PALETTE[k + 1])
    axes.set(xlabel="x", ylabel="f(x)", ylim=(-1.2, 6))
    axes.legend()
    return figure


def field_picture(count: int) -> Any:
    """Return the picture of −gradient of x0² + x1² on a grid of count × count points."""
    plt = pyplot()
    ticks = np.linspace(-2, 2, count)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    slopes = np.array([tg.numerical_gradient(bowl, point) for point in points])
    figure, axes = plt.subplots(figsize=(5.4, 5))
    fine = np.linspace(-2.2, 2.2, 101)
    heights = fine[:, None] ** 2 + fine**2
    shades = axes.contourf(fine, fine, heights, levels=12, cmap="Blues", alpha=0.6)
    axes.quiver(*points.T, *-slopes.T, angles="xy", color="#333333", width=0.004)
    axes.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal")
    axes.grid(False)
    figure.colorbar(shades, label="$x_0^2 + x_1^2$", shrink=0.8)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Print the published derivatives, and draw the pictures."""
    with Experiment(__doc__, __file__, arguments) as experiment:
        one_variable = (
            ("S8, A9", "0.01x² + 0.1x at 5", parabola, 5, 0.1999999999990898),
            ("A9", "0.01x² + 0.1x at 10", parabola, 10, 0.2999999999986347),
            ("S8, A10", "x² + 16 at 3", lambda x: x * x + 4.0**2, 3.0, 6.00000000000378),
            ("A10", "9 + x² at 4", lambda x: 3.0**2 + x * x, 4.0, 7.999999999999119),
        )
        for number, what, f, at, source in one_variable:
            experiment.figure(
                number, f"numerical derivative of {what}", ours=tg.numerical_diff(f, at),
                source=source, accept=(source - 1e-15, source + 1e-15),
            )  # fmt: skip
        for number, point, printed in (
            ("S9, A11", (3.0, 4.0), [6.0, 8.0]),
            ("A11", (0.0, 2.0), [0.0, 4.0]),
            ("A11", (3.0, 0.0), [6.0, 0.0]),
        ):
            ours = tg.numerical_gradient(bowl, point)
            what = f"gradient of x0² + x1² at {point}"
            experiment.figure(number, what, ours=ours, source=printed)
        for dtype in ("int64", "float32"):
            x = np.array([3, 4], dtype)
            what = f"the same from an array of {dtype}"
            ours = tg.numerical_gradient(bowl, x)
            experiment.figure("A12", what, ours=ours, source=[6.0, 8.0])
            ours = naive_gradient(bowl, x)
            printed = [25000.0, 35000.0] if dtype == "int64" else [5.98907, 8.00133]
            experiment.figure("A12", f"{what}, by naive code", ours=ours, source=printed)
        steps = np.logspace(-13, 0, 53 if experiment.quick else 261)
        found = errors(steps)
        for name, error in found.items():
            best = int(np.argmin(error))
            what = f"{name}: best step and its relative error"
            experiment.figure(None, what, ours=[float(steps[best]), float(error[best])])
        experiment.picture(steps_picture(steps, found))
        experiment.picture(tangent_picture(), "tangent")
        experiment.picture(field_picture(11 if experiment.quick else 17), "field")


if __name__ == "__main__":
    main()
