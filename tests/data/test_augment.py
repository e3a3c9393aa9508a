"""Augmentation: what moves where, seeded, for every layout, and labels are left alone."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.data import (
    Affine,
    Augmentation,
    Brightness,
    Compose,
    Contrast,
    DataLoader,
    Elastic,
    Erase,
    Flip,
    Noise,
    Rotate,
    Scale,
    Shear,
    Shift,
    augmentations,
    load_mnist,
    read_png,
    save_examples,
)
from tinygrad_edu.data.augment import sampled
from tinygrad_edu.errors import DataError, DiagramError

IMAGES = np.random.default_rng(0).random((40, 1, 12, 12), np.float32)
LABELS = np.arange(40)


@pytest.mark.parametrize("name", augmentations())
def test_every_layout_gets_the_same_change_and_labels_none(name: str) -> None:
    transform = augmentations()[name]
    before = IMAGES.copy()
    changed, labels = transform((IMAGES, LABELS), 5)
    assert labels is LABELS
    np.testing.assert_array_equal(IMAGES, before)
    assert not np.shares_memory(changed, IMAGES)
    assert (changed.shape, changed.dtype) == (IMAGES.shape, np.float32)
    assert not np.array_equal(changed, IMAGES)
    for shape in ((40, 12, 12), (40, 144)):
        other = transform.apply(IMAGES.reshape(shape), np.random.default_rng(5))
        assert other.shape == shape
        np.testing.assert_array_equal(other.reshape(IMAGES.shape), changed)
    assert not np.array_equal(transform.apply(IMAGES, 6), changed)
    assert transform.apply(IMAGES.astype(np.float64), 5).dtype == np.float64
    assert transform.apply(IMAGES[:0], 5).shape == (0, 1, 12, 12)
    IMAGES.flags.writeable = False
    transform.apply(IMAGES, 5)
    IMAGES.flags.writeable = True


@pytest.mark.parametrize("name", augmentations())
def test_a_transform_is_what_it_says(name: str) -> None:
    transform = augmentations()[name]
    scope: dict[str, Any] = {
        kind.__name__: kind
        for kind in (Affine, Brightness, Compose, Contrast, Elastic, Erase, Flip, Noise)
    }
    again = eval(repr(transform), scope)
    np.testing.assert_array_equal(again.apply(IMAGES, 1), transform.apply(IMAGES, 1))


def test_a_probability_leaves_the_others_as_they_are() -> None:
    images = np.concatenate([IMAGES] * 25)
    changed = Brightness((0.3, 0.4), probability=0.3, bounds=None).apply(images, 0)
    touched = (changed != images).any(axis=(1, 2, 3))
    assert 0.25 < touched.mean() < 0.35
    assert (changed[touched] > images[touched]).all()
    np.testing.assert_array_equal(Shift(3, probability=0).apply(images, 0), images)


def test_a_shift_by_whole_pixels_moves_and_fills() -> None:
    moved = Shift((2, 2), fill=0.5).apply(IMAGES, 0)
    np.testing.assert_allclose(moved[:, :, 2:, 2:], IMAGES[:, :, :-2, :-2], atol=1e-5)
    np.testing.assert_allclose(moved[:, :, :2], 0.5)
    np.testing.assert_allclose(moved[:, :, :, :2], 0.5)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_that_of_numpy(turns: int) -> None:
    turned = Rotate((90 * turns, 90 * turns)).apply(IMAGES, 0)
    np.testing.assert_allclose(turned, np.rot90(IMAGES, turns, axes=(2, 3)), atol=1e-5)


def test_size_and_lean_are_about_the_centre() -> None:
    row, column = np.mgrid[-20:21, -20:21]
    disc = (np.hypot(row, column) < 8).astype(np.float64)[None]
    twice = Scale((1.5, 1.5)).apply(disc, 0)
    np.testing.assert_allclose(twice.sum() / disc.sum(), 1.5**2, rtol=0.05)
    bar = (abs(column) < 1.5).astype(np.float64)[None] * (abs(row) < 12)
    leaned = Shear((45, 45)).apply(bar, 0)[0]
    middle = (leaned * column).sum(axis=1)[10:31] / leaned.sum(axis=1)[10:31]
    np.testing.assert_allclose(middle, -row[10:31, 0], atol=1e-6)  # to the right above the centre


def test_bounds_of_random_settings_are_kept() -> None:
    spot = np.zeros((400, 31, 31))
    spot[:, 15, 15] = 1
    shifted = Shift(4).apply(spot, 0)
    places = np.arange(31) - 15
    for axis in (1, 2):
        off = (shifted.sum(axis=3 - axis) * places).sum(axis=1)
        assert -4 <= off.min() < -3.5
        assert 3.5 < off.max() <= 4
    noisy = Noise(0.2, bounds=None).apply(np.zeros((100, 28, 28)), 0)
    np.testing.assert_allclose(noisy.std(), 0.2, rtol=0.02)
    assert 0 <= Noise(0.5).apply(IMAGES, 0).min() <= Noise(0.5).apply(IMAGES, 0).max() <= 1
    spread = Contrast((2, 2), bounds=None).apply(IMAGES, 0)
    np.testing.assert_allclose(spread.std(axis=(2, 3)), 2 * IMAGES.std(axis=(2, 3)), rtol=1e-4)
    np.testing.assert_allclose(spread.mean(axis=(2, 3)), IMAGES.mean(axis=(2, 3)), atol=1e-5)


def test_a_rubber_sheet_has_the_deviation_of_the_docstring_and_is_smooth() -> None:
    rows, columns = Elastic(34, 4).places(300, 28, 28, np.random.default_rng(0))
    moved = rows - np.arange(28)[:, None], columns - np.arange(28)
    for displaced in moved:
        expected = 34 / (2 * 4 * np.sqrt(3 * np.pi))
        np.testing.assert_allclose(displaced.std(), expected, rtol=0.05)
        np.testing.assert_allclose(displaced[:, 0].std(), expected, rtol=0.1)  # at the edge, too
        assert abs(np.diff(displaced, axis=2)).max() < 1.8


def test_places_between_pixels_are_bilinear_and_those_beyond_are_filled() -> None:
    images = np.arange(12.0).reshape(1, 1, 3, 4)
    rows, columns = np.array([[[0.5, 2.0, -1, 9]]]), np.array([[[1.25, 3.0, 2, -9]]])
    result = sampled(np.repeat(images, 2, axis=1), rows, columns, fill=-5)
    np.testing.assert_allclose(result[0], [[[3.25, 11, -5, -5]]] * 2)


def test_a_rectangle_is_erased_and_nothing_else() -> None:
    images = np.ones((200, 3, 20, 20), np.float32)
    erased = Erase((3, 6), fill=0.25).apply(images, 0)
    for image in erased:
        gone = image[0] == 0.25
        assert (image[:, ~gone] == 1).all()
        rows, columns = np.nonzero(gone)
        assert gone.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert max(np.ptp(rows), np.ptp(columns)) < 6
    assert len(np.unique(Erase(5, fill="noise").apply(images, 0))) > 100


def test_flips_are_mirrors() -> None:
    np.testing.assert_array_equal(Flip(probability=1).apply(IMAGES, 0), IMAGES[..., ::-1])
    np.testing.assert_array_equal(
        Flip("vertical", probability=1).apply(IMAGES, 0), IMAGES[..., ::-1, :]
    )


def test_transforms_follow_one_another() -> None:
    rng = np.random.default_rng(3)
    expected = Noise(0.1).apply(Shift(2).apply(IMAGES, rng), rng)
    np.testing.assert_array_equal(Compose(Shift(2), Noise(0.1)).apply(IMAGES, 3), expected)
    np.testing.assert_array_equal(Compose().apply(IMAGES, 3), IMAGES)


def test_flat_images_that_are_not_square_need_their_shape() -> None:
    flat = IMAGES.reshape(40, 1, 8, 18)
    expected = Flip(probability=1).apply(flat, 0).reshape(40, 144)
    result = Flip(probability=1, shape=(8, 18)).apply(flat.reshape(40, 144), 0)
    np.testing.assert_array_equal(result, expected)


class Negative(Augmentation):
    """A transform of a user's own."""

    def change(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return 1 - images + 0 * rng.random()


def test_a_transform_of_ones_own_needs_one_method_and_goes_into_a_loader() -> None:
    transform = Compose(Negative(), Negative(probability=0.0))
    loader = DataLoader((IMAGES, LABELS), 10, transform=transform, rng=0, workers=1)
    for images, labels in loader:
        np.testing.assert_array_equal(images, 1 - IMAGES[labels])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Shift(1).apply(np.zeros((2, 4, 4), np.uint8), 0), "uint8 .*normalize=True"),
        (lambda: Shift(1).apply(np.zeros(4), 0), r"float64 of shape \(4,\)"),
        (lambda: Shift(1).apply(np.zeros((2, 7)), 0), "flat images of 7 pixels"),
        (lambda: Shift(1, shape=(2, 3)).apply(np.zeros((2, 7)), 0), "expected 2 x 3"),
        (lambda: Shift(1)([IMAGES], 0), "a list; expected a tuple"),  # type: ignore[arg-type]
        (lambda: Shift(1).apply(IMAGES, None), "rng=None"),  # type: ignore[arg-type]
        (lambda: Shift("x"), "shift='x'"),  # type: ignore[arg-type]
        (lambda: Shift((3, 1)), "shift=1; expected a finite number of at least 3"),
        (lambda: Rotate(400), "rotate=400; expected a number from 0 to 360"),
        (lambda: Scale((0, 2)), "factors above 0"),
        (lambda: Contrast((-1, 2)), "factors above 0"),
        (lambda: Noise(-1), "deviation=-1"),
        (lambda: Elastic(sigma=0), "sigma=0"),
        (lambda: Erase(0), "size=0"),
        (lambda: Flip("sideways"), "axis='sideways'"),
        (lambda: Noise(0.1, probability=2), "probability=2"),
        (lambda: Noise(0.1, shape=3), "shape=3"),
        (lambda: Compose([Shift(1)]), "without a list"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_image_or_setting_is_refused_with_the_fix(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "Fix: " in str(caught.value)


def test_the_picture_shows_every_transform(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    digits = load_mnist().test_images[:4]
    path = save_examples(digits, tmp_path / "examples.png", rng=0, title="Digits")
    assert read_png(path).shape[0] > 12 * 50
    again = save_examples(digits, tmp_path / "again.png", rng=0, title="Digits")
    assert again.read_bytes() == path.read_bytes()
    one = save_examples(digits, tmp_path / "one.png", rng=0, transforms={"turn": Rotate(90)})
    assert read_png(one).shape[0] < read_png(path).shape[0]
    with pytest.raises(DataError, match="one channel"):
        save_examples(np.zeros((2, 3, 4, 4)), tmp_path / "x.png", rng=0)
    assert not (tmp_path / "x.png").exists()


def test_without_matplotlib_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DiagramError, match=r"pip install 'tinygrad_edu\[plot\]'"):
        save_examples(IMAGES, tmp_path / "x.png", rng=0)
