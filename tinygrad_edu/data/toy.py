"""Small problems made of numbers: points in the plane to classify, and curves to follow.

Knows: formulas and a generator. Does not know: nets. All of them return new arrays; inputs are
float32 unless `dtype` says otherwise, labels int64 from 0.
Read next: `sequences.py`, the same for texts and series; `splits.py`.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_edu.data.checks import (
    as_generator,
    demand_count,
    demand_float,
    demand_number,
    refusal,
)

__all__ = [
    "Curve",
    "LinearProblem",
    "Points",
    "blobs",
    "checkerboard",
    "circles",
    "curve",
    "linear_problem",
    "moons",
    "sine",
    "spirals",
    "xor",
]

Rng = np.random.Generator | int


class Points(NamedTuple):
    """Inputs of shape (n, features) and the class of each, labels of shape (n,)."""

    inputs: NDArray[Any]
    labels: NDArray[np.int64]


class Curve(NamedTuple):
    """Inputs (n, inputs) and targets (n, 1): values of a function, with noise."""

    inputs: NDArray[Any]
    targets: NDArray[Any]


class LinearProblem(NamedTuple):
    """Inputs (n, inputs), targets (n, outputs), and what made them: weight and bias."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    weight: NDArray[Any]
    bias: NDArray[Any]


def spirals(
    samples: int,
    *,
    rng: Rng,
    arms: int = 2,
    turns: float = 1.0,
    noise: float = 0.02,
    dtype: DTypeLike = np.float32,
) -> Points:
    r"""Return points on spiral arms, one class each, that no straight line tells apart.

    Arm :math:`k` of :math:`a` is :math:`r\,(\cos\varphi, \sin\varphi)` with
    :math:`\varphi = 2\pi(k/a + r\,t)`, the radius :math:`r` from 0 to 1 and :math:`t` turns.

    Parameters
    ----------
    samples : int
        Points of all arms together; the arms differ by one point at most.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    arms : int
        Classes, at least 2.
    turns : float
        How often an arm goes round; at least 0.
    noise : float
        Standard deviation of what is added to both coordinates; the spiral has radius 1.
    dtype : dtype
        Of the inputs.

    Returns
    -------
    Points
        Inputs (samples, 2) and labels (samples,), 0 to arms - 1, in random order.

    Raises
    ------
    DataError
        An argument is not as described.
    """
    generator = as_generator("spirals", rng)
    arms = demand_count("spirals", "arms", arms, 2)
    labels = _labels("spirals", samples, arms, generator)
    turns = demand_number("spirals", "turns", turns, 0)
    radius = generator.random(len(labels))
    angle = 2 * np.pi * (labels / arms + turns * radius)
    clean = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Points(_noisy("spirals", clean, noise, generator, dtype), labels)


def moons(samples: int, *, rng: Rng, noise: float = 0.1, dtype: DTypeLike = np.float32) -> Points:
    """Return two half circles of radius 1 that reach into each other.

    Parameters
    ----------
    samples : int
        Points of both together.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    noise : float
        Standard deviation of what is added to both coordinates.
    dtype : dtype
        Of the inputs.

    Returns
    -------
    Points
        Inputs (samples, 2) and labels (samples,): 0 above, around (0, 0); 1 below, around (1, 0.5).

    Raises
    ------
    DataError
        An argument is not as described.
    """
    generator = as_generator("moons", rng)
    labels = _labels("moons", samples, 2, generator)
    angle = np.pi * generator.random(len(labels))
    side = 1 - 2 * labels
    clean = np.stack([labels + side * np.cos(angle), 0.5 * labels + side * np.sin(angle)], axis=1)
    return Points(_noisy("moons", clean, noise, generator, dtype), labels)


def circles(
    samples: int,
    *,
    rng: Rng,
    ratio: float = 0.5,
    noise: float = 0.05,
    dtype: DTypeLike = np.float32,
) -> Points:
    """Return a circle of radius 1, class 0, and a smaller one inside it, class 1.

    Parameters
    ----------
    samples : int
        Points of both together.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    ratio : float
        Radius of the smaller circle, fraction in [0, 1].
    noise : float
        Standard deviation of what is added to both coordinates.
    dtype : dtype
        Of the inputs.

    Returns
    -------
    Points
        Inputs (samples, 2) and labels (samples,).

    Raises
    ------
    DataError
        An argument is not as described.
    """
    generator = as_generator("circles", rng)
    labels = _labels("circles", samples, 2, generator)
    ratio = demand_number("circles", "ratio", ratio, 0, 1)
    angle = 2 * np.pi * generator.random(len(labels))
    radius = np.where(labels == 1, ratio, 1.0)
    clean = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Points(_noisy("circles", clean, noise, generator, dtype), labels)


def blobs(
    samples: int,
    *,
    rng: Rng,
    classes: int = 3,
    features: int = 2,
    spread: float = 0.5,
    centers: ArrayLike | None = None,
    dtype: DTypeLike = np.float32,
) -> Points:
    """Return one cloud of points a class, each normally distributed around its centre.

    Parameters
    ----------
    samples : int
        Points of all clouds together.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    classes, features : int
        Clouds, and coordinates of a point; not read where `centers` are given.
    spread : float
        Standard deviation of a cloud in every coordinate.
    centers : array_like, optional
        Shape (classes, features). Without them, centres are drawn in the cube from -3 to 3.
    dtype : dtype
        Of the inputs.

    Returns
    -------
    Points
        Inputs (samples, features) and labels (samples,).

    Raises
    ------
    DataError
        An argument is not as described.
    """
    generator = as_generator("blobs", rng)
    if centers is None:
        classes = demand_count("blobs", "classes", classes, 1)
        features = demand_count("blobs", "features", features, 1)
        middles = generator.uniform(-3, 3, (classes, features))
    else:
        middles = np.asarray(centers, np.float64)
        if middles.ndim != 2 or 0 in middles.shape or not np.isfinite(middles).all():
            raise refusal(
                "blobs",
                f"centers of shape {middles.shape}",
                "finite numbers of shape (classes, features)",
                "pass for example centers=[[0, 0], [2, 2]]",
            )
    labels = _labels("blobs", samples, len(middles), generator)
    return Points(_noisy("blobs", middles[labels], spread, generator, dtype, "spread"), labels)


def xor(
    samples: int = 4,
    *,
    noise: float = 0.0,
    rng: Rng | None = None,
    dtype: DTypeLike = np.float32,
) -> Points:
    """Return the corners of the unit square in turn, class 1 where exactly one coordinate is 1.

    Parameters
    ----------
    samples : int
        Points; four of them are the truth table, in the order (0, 0), (1, 0), (0, 1), (1, 1).
    noise : float
        Standard deviation of what is added to both coordinates.
    rng : numpy.random.Generator or int, optional
        The generator, or a seed to make it from; needed with noise.
    dtype : dtype
        Of the inputs.

    Returns
    -------
    Points
        Inputs (samples, 2) and labels (samples,).

    Raises
    ------
    DataError
        An argument is not as described.

    Examples
    --------
    >>> inputs, labels = xor()
    >>> inputs.tolist(), labels.tolist()
    ([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    corner = np.arange(demand_count("xor", "samples", samples, 1)) % 4
    bits = np.stack([corner % 2, corner // 2], axis=1)
    labels = (bits[:, 0] ^ bits[:, 1]).astype(np.int64)
    generator = as_generator("xor", 0 if noise == 0 and rng is None else rng)
    return Points(_noisy("xor", bits.astype(np.float64), noise, generator, dtype), labels)


def checkerboard(
    samples: int, *, rng: Rng, tiles: int = 4, noise: float = 0.0, dtype: DTypeLike = np.float32
) -> Points:
    """Return points of a square, classed by the colour of the tile that they lie on.

    Parameters
    ----------
    samples : int
        Points, uniform in the square from -1 to 1.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    tiles : int
        Tiles along one side.
    noise : float
        Standard deviation of what is added to both coordinates after the class is known.
    dtype : dtype
        Of the inputs.

    Returns
    -------
    Points
        Inputs (samples, 2) and labels (samples,); the tile at (-1, -1) has class 0.

    Raises
    ------
    DataError
        An argument is not as described.
    """
    generator = as_generator("checkerboard", rng)
    samples = demand_count("checkerboard", "samples", samples, 1)
    tiles = demand_count("checkerboard", "tiles", tiles, 1)
    clean = generator.uniform(-1, 1, (samples, 2))
    labels = np.floor((clean + 1) / 2 * tiles).astype(np.int64).sum(axis=1) % 2
    return Points(_noisy("checkerboard", clean, noise, generator, dtype), labels)


def curve(
    function: Callable[[NDArray[Any]], Any],
    samples: int,
    *,
    rng: Rng,
    low: float = -1.0,
    high: float = 1.0,
    inputs: int = 1,
    noise: float = 0.1,
    spacing: Literal["random", "even"] = "random",
    dtype: DTypeLike = np.float32,
) -> Curve:
    """Return points on the graph of a function, with noise.

    Parameters
    ----------
    function : callable
        From inputs (samples, inputs), float64, to values (samples,) or (samples, 1).
    samples : int
        Points.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    low, high : float
        Bounds of every input.
    inputs : int
        Variables of the function.
    noise : float
        Standard deviation of what is added to the value.
    spacing : {"random", "even"}
        Inputs drawn uniformly, or, for a function of one variable, evenly from low to high.
    dtype : dtype
        Of inputs and targets.

    Returns
    -------
    Curve
        Inputs (samples, inputs) and targets (samples, 1).

    Raises
    ------
    DataError
        An argument is not as described, or the function returns something else.

    Examples
    --------
    >>> x, y = curve(np.square, 3, low=-2, high=2, noise=0, spacing="even", rng=0)
    >>> x.ravel().tolist(), y.ravel().tolist()
    ([-2.0, 0.0, 2.0], [4.0, 0.0, 4.0])
    """
    generator = as_generator("curve", rng)
    samples = demand_count("curve", "samples", samples, 1)
    inputs = demand_count("curve", "inputs", inputs, 1)
    low = demand_number("curve", "low", low)
    high = demand_number("curve", "high", high, low)
    dtype = demand_float("curve", dtype)
    if spacing not in ("random", "even") or (spacing == "even" and inputs > 1):
        raise refusal(
            "curve",
            f"spacing={spacing!r} for {inputs} inputs",
            "'random', or 'even' for one input",
            "pass spacing='random'",
        )
    if spacing == "even":
        x = np.linspace(low, high, samples)[:, None]
    else:
        x = generator.uniform(low, high, (samples, inputs))
    values = np.asarray(function(x.copy()), np.float64)
    if values.size != samples or not np.isfinite(values).all():
        raise refusal(
            "curve",
            f"values of shape {values.shape} from the function",
            f"a finite number for each of {samples} samples",
            "let it map (samples, inputs) to (samples,) or (samples, 1)",
        )
    targets = _noisy("curve", values.reshape(samples, 1), noise, generator, dtype)
    return Curve(x.astype(dtype), targets)


def sine(
    samples: int, *, rng: Rng, noise: float = 0.1, periods: float = 1.0, **options: Any
) -> Curve:
    """Return points on a sine with noise: sin(2π·periods·x), x from 0 to 1.

    Parameters
    ----------
    samples : int
        Points.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    noise : float
        Standard deviation of what is added to the value.
    periods : float
        Waves between 0 and 1.
    **options
        `low`, `high`, `spacing` and `dtype` of `curve`.

    Returns
    -------
    Curve
        Inputs (samples, 1) and targets (samples, 1).

    Raises
    ------
    DataError
        An argument is not as described.
    """
    waves = 2 * np.pi * demand_number("sine", "periods", periods, 0)
    bounds = {"low": 0.0, "high": 1.0, **options}
    return curve(lambda x: np.sin(waves * x), samples, rng=rng, noise=noise, **bounds)


def linear_problem(
    samples: int,
    *,
    rng: Rng,
    inputs: int = 3,
    outputs: int = 1,
    noise: float = 0.1,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    scales: ArrayLike | None = None,
    dtype: DTypeLike = np.float32,
) -> LinearProblem:
    r"""Return data of a linear relation of several inputs, :math:`t = xW + b + \text{noise}`.

    Parameters
    ----------
    samples : int
        Rows.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    inputs, outputs : int
        Variables on both sides; not read where `weight` is given.
    noise : float
        Standard deviation of what is added to the targets.
    weight : array_like, optional
        Shape (inputs, outputs), or (inputs,) for one output; standard normal by default.
    bias : array_like, optional
        Shape (outputs,); standard normal by default.
    scales : array_like, optional
        Shape (inputs,): standard deviations of the inputs, which are normal with mean 0; 1 by
        default. Very different ones show why inputs are standardised.
    dtype : dtype
        Of inputs and targets.

    Returns
    -------
    LinearProblem
        Inputs (samples, inputs), targets (samples, outputs), weight (inputs, outputs) and bias
        (outputs,), the last two in float64.

    Raises
    ------
    DataError
        An argument is not as described.
    """
    who = "linear_problem"
    generator = as_generator(who, rng)
    samples = demand_count(who, "samples", samples, 1)
    dtype = demand_float(who, dtype)
    if weight is None:
        shape = demand_count(who, "inputs", inputs, 1), demand_count(who, "outputs", outputs, 1)
        w = generator.standard_normal(shape)
    else:
        w = np.array(weight, np.float64, ndmin=1)
        w = w[:, None] if w.ndim == 1 else w
    drawn = generator.standard_normal(w.shape[-1]) if bias is None else bias
    b = np.array(drawn, np.float64, ndmin=1)
    s = np.array(np.ones(len(w)) if scales is None else scales, np.float64, ndmin=1)
    if w.ndim != 2 or b.shape != w.shape[1:] or s.shape != w.shape[:1]:
        raise refusal(
            who,
            f"weight {w.shape}, bias {b.shape}, scales {s.shape}",
            "(inputs, outputs), (outputs,) and (inputs,)",
            "let the shapes agree",
        )
    x = generator.standard_normal((samples, len(w))) * s
    targets = _noisy(who, x @ w + b, noise, generator, dtype)
    return LinearProblem(x.astype(dtype), targets, w, b)


def _labels(
    who: str, samples: Any, classes: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return labels in random order; the classes differ by one sample at most."""
    count = demand_count(who, "samples", samples, 1)
    return generator.permutation(np.arange(count, dtype=np.int64) % classes)


def _noisy(
    who: str,
    clean: NDArray[np.float64],
    noise: Any,
    generator: np.random.Generator,
    dtype: DTypeLike,
    name: str = "noise",
) -> NDArray[Any]:
    """Return values with normal noise; the same numbers are drawn whatever its size."""
    size = demand_number(who, name, noise, 0)
    kind = demand_float(who, dtype)
    return (clean + size * generator.standard_normal(clean.shape)).astype(kind)
