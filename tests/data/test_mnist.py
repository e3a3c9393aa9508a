"""The digits: the published figures come out, and any other folder is read or refused in words."""

import gzip
import hashlib
import tracemalloc
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu.data import MNIST, load_mnist, write_idx
from tinygrad_edu.errors import DataError

HOME = Path(str(files("tinygrad_edu.data.mnist")))
STEMS = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]


@pytest.fixture(scope="module")
def digits() -> MNIST:
    return load_mnist()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a folder with three training and two test images in the format of MNIST."""
    write_idx(tmp_path / "train-images-idx3-ubyte", ramp(3))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([9, 0, 4], np.uint8))
    write_idx(tmp_path / "t10k-images-idx3-ubyte", ramp(2))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.array([1, 1], np.uint8))
    return tmp_path


def ramp(count: int) -> np.ndarray:
    return np.arange(count * 28 * 28).reshape(count, 28, 28).astype(np.uint8)


def test_there_are_60000_and_10000_digits(digits: MNIST) -> None:
    assert [array.shape for array in digits] == [(60000, 784), (60000,), (10000, 784), (10000,)]
    assert [array.dtype for array in digits] == [np.float32, np.int64] * 2
    images, labels, test_images, test_labels = digits
    assert images is digits.train_images
    assert labels is digits.train_labels
    assert test_images is digits.test_images
    assert test_labels is digits.test_labels


def test_pixels_have_the_published_mean_and_deviation(digits: MNIST) -> None:
    pixels = digits.train_images
    assert round(float(pixels.mean(dtype=np.float64)), 5) == 0.13066
    assert round(float(pixels.std(dtype=np.float64)), 5) == 0.30811
    assert pixels.min() == 0
    assert pixels.max() == 1


def test_labels_have_the_published_counts(digits: MNIST) -> None:
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(digits.train_labels).tolist() == train
    assert np.bincount(digits.test_labels).tolist() == test
    assert digits.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_uncompressed_files_have_the_published_checksums() -> None:
    lines = (HOME / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}
    assert sorted(sums) == sorted(f"{stem}-ubyte" for stem in STEMS)
    for name, digest in sums.items():
        content = gzip.decompress((HOME / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest


def test_the_licence_and_the_authors_travel_with_the_data() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    for words in ("Yann LeCun", "Corinna Cortes", "Christopher J. C. Burges", "CC BY-SA 3.0"):
        assert words in text


def test_conversion_costs_no_second_copy_of_the_images() -> None:
    tracemalloc.start()
    try:
        digits = load_mnist()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = sum(array.nbytes for array in digits)
    packed = 60000 * 784  # the bytes of the file, alive while they are converted
    assert peak < held + packed + (8 << 20)


def test_options_say_scale_shape_and_dtype(small: Path) -> None:
    plain = load_mnist(small, normalize=False, flatten=False, dtype=np.uint8)
    assert plain.train_images.dtype == np.uint8
    assert plain.train_images.shape == (3, 1, 28, 28)
    np.testing.assert_array_equal(plain.train_images[:, 0], ramp(3))

    unscaled = load_mnist(small, normalize=False)
    assert unscaled.test_images.dtype == np.float32
    np.testing.assert_array_equal(unscaled.test_images, ramp(2).reshape(2, 784))

    scaled = load_mnist(small, dtype=np.float64)
    assert scaled.train_images.dtype == np.float64
    np.testing.assert_array_equal(scaled.train_images, ramp(3).reshape(3, 784) / 255)


def test_one_hot_labels_have_one_at_the_label(small: Path) -> None:
    labels = load_mnist(small).train_labels
    rows = load_mnist(small, one_hot=True).train_labels
    assert labels.tolist() == [9, 0, 4]
    assert rows.shape == (3, 10)
    assert rows.dtype == np.float32
    assert rows.argmax(axis=1).tolist() == [9, 0, 4]
    np.testing.assert_array_equal(np.sort(rows), [[0] * 9 + [1]] * 3)


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_folder_may_use_any_of_the_usual_names(small: Path, mark: str, packing: str) -> None:
    expected = load_mnist(small)
    for stem in STEMS:
        old = small / f"{stem}-ubyte"
        new = small / f"{mark.join(stem.rsplit('-', 1))}-ubyte{packing}"
        content = old.read_bytes()
        old.unlink()
        new.write_bytes(gzip.compress(content) if packing else content)
    for array, other in zip(load_mnist(str(small)), expected, strict=True):
        np.testing.assert_array_equal(array, other)


def test_a_missing_file_is_reported_with_all_names_that_would_do(small: Path) -> None:
    (small / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError) as caught:
        load_mnist(small)
    message = str(caught.value)
    for name in ("t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"):
        assert f" {name}.gz, {name}" in message
    assert str(small) in message
    assert "Fix:" in message


def test_a_missing_folder_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no file of train images"):
        load_mnist(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-labels-idx1-ubyte", np.zeros(4, np.uint8), "3 images and 4 labels for 'train'"),
        ("t10k-labels-idx1-ubyte", np.array([3, 10], np.uint8), "label 10 in 't10k-labels'"),
        ("train-images-idx3-ubyte", np.zeros((3, 28, 27), np.uint8), r"shape \(3, 28, 27\)"),
        ("train-images-idx3-ubyte", np.zeros(3, np.uint8), r"expected uint8 of shape \('n', 28"),
        ("train-labels-idx1-ubyte", ramp(3), r"found uint8 of shape \(3, 28, 28\)"),
        ("train-labels-idx1-ubyte", np.zeros(3, np.float32), "found float32"),
        ("t10k-labels-idx1-ubyte", np.uint8(3), r"found uint8 of shape \(\)"),
    ],
)
def test_files_that_are_not_a_set_of_digits_are_refused(
    small: Path, name: str, content: np.ndarray, message: str
) -> None:
    write_idx(small / name, content)
    with pytest.raises(DataError, match=message) as caught:
        load_mnist(small)
    assert str(small) in str(caught.value)
    assert "Fix:" in str(caught.value)


def test_a_damaged_file_is_named(small: Path) -> None:
    path = small / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte: found only 1567 bytes"):
        load_mnist(small)


@pytest.mark.parametrize(
    ("normalize", "dtype"),
    [(True, np.uint8), (True, complex), (False, bool), (False, np.int8), (False, object)],
)
def test_a_dtype_that_cannot_hold_the_pixels_is_refused(
    small: Path, normalize: bool, dtype: type
) -> None:
    with pytest.raises(DataError, match=r"found dtype .*; expected one that holds .* Fix: "):
        load_mnist(small, normalize=normalize, dtype=dtype)


def test_an_empty_set_is_a_set(small: Path) -> None:
    write_idx(small / "t10k-images-idx3-ubyte", ramp(0))
    write_idx(small / "t10k-labels-idx1-ubyte", np.zeros(0, np.uint8))
    for flatten, shape in ((True, (0, 784)), (False, (0, 1, 28, 28))):
        digits = load_mnist(small, flatten=flatten, one_hot=True)
        assert digits.test_images.shape == shape
        assert digits.test_labels.shape == (0, 10)
