"""Toy problems: shapes and dtypes as written, the formula without noise, one seed one problem."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import (
    blobs,
    checkerboard,
    circles,
    curve,
    linear_problem,
    moons,
    sine,
    spirals,
    xor,
)
from tinygrad_edu.errors import DataError

POINTS: dict[str, tuple[Any, int]] = {
    "spirals": (lambda n, **o: spirals(n, arms=3, **o), 3),
    "moons": (moons, 2),
    "circles": (circles, 2),
    "blobs": (lambda n, **o: blobs(n, classes=4, features=2, **o), 4),
}


@pytest.mark.parametrize("name", POINTS)
@given(samples=st.integers(1, 60), seed=st.integers(0, 9))
def test_points_have_shape_dtype_and_equal_classes(name: str, samples: int, seed: int) -> None:
    make, classes = POINTS[name]
    inputs, labels = make(samples, rng=seed)
    assert (inputs.shape, inputs.dtype) == ((samples, 2), np.float32)
    assert (labels.shape, labels.dtype) == ((samples,), np.int64)
    counts = np.bincount(labels, minlength=classes)
    assert len(counts) == classes
    assert np.ptp(counts) <= 1
    again = make(samples, rng=np.random.default_rng(seed))
    assert again.inputs.tobytes() == inputs.tobytes()
    assert make(samples, rng=seed, dtype=np.float64).inputs.dtype == np.float64


def test_two_seeds_differ_and_noise_only_adds() -> None:
    assert not np.array_equal(moons(9, rng=0).inputs, moons(9, rng=1).inputs)
    clean, noisy = (moons(9, rng=0, noise=n, dtype=np.float64).inputs for n in (0, 0.5))
    double = moons(9, rng=0, noise=1.0, dtype=np.float64).inputs
    np.testing.assert_allclose(double - clean, 2 * (noisy - clean), atol=1e-12)


def test_without_noise_points_lie_on_their_curves() -> None:
    (x, y), labels = circles(50, rng=0, ratio=0.3, noise=0, dtype=np.float64)[0].T, None
    labels = circles(50, rng=0, ratio=0.3, noise=0).labels
    np.testing.assert_allclose(np.hypot(x, y), np.where(labels, 0.3, 1.0))
    points, labels = moons(50, rng=0, noise=0, dtype=np.float64)
    middle = np.where(labels[:, None], [1, 0.5], [0, 0])
    np.testing.assert_allclose(np.linalg.norm(points - middle, axis=1), 1)
    assert (points[labels == 0, 1] >= 0).all()
    assert (points[labels == 1, 1] <= 0.5).all()
    points, labels = spirals(60, rng=0, arms=3, turns=1.5, noise=0, dtype=np.float64)
    radius = np.linalg.norm(points, axis=1)
    angle = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi)
    off = (angle - labels / 3 - 1.5 * radius) % 1
    np.testing.assert_allclose(np.minimum(off, 1 - off), 0, atol=1e-9)


def test_blobs_lie_around_their_centres() -> None:
    centers = [[0.0, 0, 5], [9, 9, 9]]
    points, labels = blobs(4000, rng=0, centers=centers, spread=0.5, dtype=np.float64)
    for label, center in enumerate(centers):
        cloud = points[labels == label]
        np.testing.assert_allclose(cloud.mean(axis=0), center, atol=0.06)
        np.testing.assert_allclose(cloud.std(axis=0), 0.5, atol=0.05)


def test_xor_repeats_the_truth_table() -> None:
    points, labels = xor(6)
    assert points.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1], [0, 0], [1, 0]]
    assert labels.tolist() == [0, 1, 1, 0, 0, 1]
    assert not np.array_equal(xor(4, noise=0.1, rng=0).inputs, xor(4).inputs)


def test_the_colour_of_a_tile_is_its_class() -> None:
    points, labels = checkerboard(500, rng=0, tiles=3, dtype=np.float64)
    assert abs(points).max() <= 1
    tile = ((points + 1) * 1.5).astype(int)
    np.testing.assert_array_equal(labels, tile.sum(axis=1) % 2)


def test_a_curve_is_its_function_and_noise() -> None:
    x, t = curve(lambda x: x[:, 0] * x[:, 1], 40, inputs=2, noise=0, rng=0, dtype=np.float64)
    np.testing.assert_allclose(t[:, 0], x[:, 0] * x[:, 1])
    x, t = sine(5, noise=0, periods=2, spacing="even", rng=0)
    assert (x.dtype, t.dtype, t.shape) == (np.float32, np.float32, (5, 1))
    np.testing.assert_allclose(t, np.sin(4 * np.pi * x), atol=1e-6)
    _, noisy = sine(20_000, noise=0.3, periods=0, rng=0)
    assert abs(float(noisy.std()) - 0.3) < 0.01


def test_a_linear_problem_is_solved_by_what_made_it() -> None:
    x, t, weight, bias = linear_problem(
        30, inputs=4, outputs=2, noise=0, scales=[1, 10, 100, 1000], rng=0, dtype=np.float64
    )
    assert (x.shape, t.shape, weight.shape, bias.shape) == ((30, 4), (30, 2), (4, 2), (2,))
    np.testing.assert_allclose(x @ weight + bias, t)
    assert x[:, 3].std() > 300
    x, t, weight, bias = linear_problem(9, weight=[2, 3], bias=1, noise=0, rng=0)
    np.testing.assert_allclose(t[:, 0], 2 * x[:, 0] + 3 * x[:, 1] + 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: moons(0, rng=0), "samples=0; expected an integer of at least 1"),
        (lambda: moons(5, rng=None), "moons: found rng=None; expected a numpy.random.Generator"),
        (lambda: moons(5, noise=-1, rng=0), "noise=-1; expected a finite number of at least 0"),
        (lambda: moons(5, noise=np.nan, rng=0), "noise=nan"),
        (lambda: moons(5, dtype=int, rng=0), "dtype int64; expected one that holds fractions"),
        (lambda: spirals(5, arms=1, rng=0), "arms=1; expected an integer of at least 2"),
        (lambda: circles(5, ratio=2, rng=0), "ratio=2; expected a number from 0 to 1"),
        (lambda: blobs(5, centers=[1, 2], rng=0), r"centers of shape \(2,\)"),
        (lambda: xor(4, noise=0.1), "rng=None"),
        (lambda: curve(np.sin, 5, spacing="even", inputs=2, rng=0), "for 2 inputs"),
        (lambda: curve(np.sin, 5, low=2, high=1, rng=0), "high=1"),
        (lambda: curve(np.mean, 5, rng=0), r"values of shape \(\) from the function"),
        (lambda: linear_problem(5, weight=[1, 2], bias=[1, 2], rng=0), r"bias \(2,\)"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_fix(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "Fix: " in str(caught.value)
