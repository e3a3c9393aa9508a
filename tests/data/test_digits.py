"""Pictures of digits become what MNIST's are: 28 x 28, bright on black, centred."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import load_mnist, prepare_digit, read_digits, write_idx
from tinygrad_edu.errors import DataError


def bar(height: int, width: int, top: int, left: int, high: int, wide: int) -> np.ndarray:
    image = np.zeros((height, width))
    image[top : top + high, left : left + wide] = 1
    return image


def test_a_digit_of_mnist_is_left_as_it_is() -> None:
    digit = load_mnist().test_images[0].reshape(28, 28)
    pixels, note = prepare_digit(digit)
    assert np.array_equal(pixels, digit)
    assert note == ""


def test_dark_on_light_is_inverted() -> None:
    digit = load_mnist().test_images[0].reshape(28, 28)
    pixels, note = prepare_digit(1 - digit)
    np.testing.assert_allclose(pixels, digit, atol=1e-7)
    assert note == "inverted, for it is dark on light"


@given(
    place=st.tuples(st.integers(0, 40), st.integers(0, 90)),
    high=st.integers(1, 60),
    wide=st.integers(1, 60),
)
def test_a_picture_of_another_size_is_fitted_and_centred(
    place: tuple[int, int], high: int, wide: int
) -> None:
    pixels, note = prepare_digit(bar(100, 150, *place, high, wide))
    assert note == "scaled from 150 x 100"
    assert pixels.shape == (28, 28)
    assert pixels.dtype == np.float32
    rows, columns = (np.flatnonzero(pixels.sum(axis=axis) > 0.01) for axis in (1, 0))
    assert max(len(rows), len(columns)) == 20
    for line, side in ((rows, high), (columns, wide)):
        assert len(line) == max(1, round(20 * side / max(high, wide)))
        assert abs(line.mean() - 13.5) <= 0.5
    np.testing.assert_allclose(pixels[pixels > 0], 1, atol=1e-5)


def test_scaling_keeps_the_mean_of_what_is_covered() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((90, 90))
    image[5:65, 10:70] = rng.uniform(0.3, 1, (60, 60))
    pixels, _ = prepare_digit(image)
    assert pixels.sum() == pytest.approx(image.sum() / 9, rel=1e-5)


def test_an_empty_picture_stays_empty() -> None:
    for empty in (np.zeros((40, 30)), np.ones((40, 30))):
        pixels, _ = prepare_digit(empty)
        assert not pixels.any()


def test_ink_in_a_corner_does_not_leave_the_picture() -> None:
    image = np.full((60, 60), 0.21)
    image[:3, :3] = 1.0
    image[0] = image[:, 0] = image[-1] = image[:, -1] = 0.3
    pixels, _ = prepare_digit(image)
    assert pixels.sum() == pytest.approx(image.sum() / 9, rel=1e-5)


# ------------------------------------------------------------------------------ files


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Path]:
    image = pytest.importorskip("PIL.Image")

    def draw(pixels: np.ndarray) -> Path:
        path = tmp_path / "digit.png"
        image.fromarray(pixels).save(path)
        return path

    return draw


def test_what_is_transparent_is_paper(drawn: Callable[..., Path]) -> None:
    pixels = np.zeros((50, 50, 4), np.uint8)
    pixels[10:40, 20:26, 3] = 255  # black on nothing
    (digit,) = read_digits(drawn(pixels))
    assert digit.note == "scaled from 50 x 50 and inverted, for it is dark on light"
    assert digit.pixels.max() == pytest.approx(1)
    assert np.count_nonzero(digit.pixels > 0.5) == 20 * 4


def test_colours_weigh_as_the_eye_weighs_them(drawn: Callable[..., Path]) -> None:
    pixels = np.zeros((28, 28, 3), np.uint8)
    pixels[10, 10], pixels[11, 11] = (255, 0, 0), (0, 255, 0)
    (digit,) = read_digits(drawn(pixels))
    assert digit.pixels[10, 10] == pytest.approx(0.299)
    assert digit.pixels[11, 11] == pytest.approx(0.587)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_an_idx_file_has_one_picture_or_many(tmp_path: Path, name: str) -> None:
    images = load_mnist(normalize=False, dtype=np.uint8).test_images[:3].reshape(3, 28, 28)
    path = tmp_path / name
    write_idx(path, images)
    digits = read_digits(path)
    assert [digit.name for digit in digits] == [f"{path}[{i}]" for i in range(3)]
    np.testing.assert_allclose([digit.pixels for digit in digits], images / 255, atol=1e-7)
    write_idx(path, images[1])
    (digit,) = read_digits(path)
    assert digit.name == str(path)


@pytest.mark.parametrize(
    "array", [np.arange(5, dtype=np.uint8), np.zeros((2, 28, 28)), np.zeros((0, 28, 28), np.uint8)]
)
def test_an_idx_file_of_something_else_is_refused(tmp_path: Path, array: Any) -> None:
    write_idx(tmp_path / "labels", array)
    with pytest.raises(DataError, match="expected pictures"):
        read_digits(tmp_path / "labels")


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digit.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 and so on")
    with pytest.raises(DataError, match="neither PNG nor IDX"):
        read_digits(path)
    with pytest.raises(FileNotFoundError):
        read_digits(tmp_path / "none.png")
