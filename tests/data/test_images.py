"""Any set of four IDX files: found by pattern, shaped by the file, refused in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.data import FASHION, load_images, load_mnist, write_idx
from tinygrad_edu.errors import DataError

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (6, 5, 4)).astype(np.uint8)
TEST = RNG.integers(0, 256, (3, 5, 4)).astype(np.uint8)
TRAIN_LABELS = np.array([0, 2, 1, 2, 0, 1], np.uint8)
TEST_LABELS = np.array([2, 1, 0], np.uint8)
USUAL = "{part}-{kind}-idx{n}-ubyte"
NAMES = [
    USUAL,
    USUAL + ".gz",
    "{part}-{kind}.idx{n}-ubyte",
    "emnist-digits-{part}-{kind}-idx{n}-ubyte.gz",
    "My_{part}_{kind}.idx",
]


def fill(folder: Path, name: str = USUAL, *, test: str = "t10k", add: int = 0) -> Path:
    for part, images, labels in (
        ("train", TRAIN, TRAIN_LABELS),
        (test, TEST, TEST_LABELS),
    ):
        write_idx(folder / name.format(part=part, kind="images", n=3), images)
        write_idx(folder / name.format(part=part, kind="labels", n=1), labels + np.uint8(add))
    return folder


@pytest.mark.parametrize("test", ["t10k", "test", "Test"])
@pytest.mark.parametrize("name", NAMES)
def test_files_are_found_by_pattern_and_shapes_are_those_of_the_file(
    tmp_path: Path, name: str, test: str
) -> None:
    (tmp_path / "train-images-readme.txt").write_text("not this one")
    found = load_images(fill(tmp_path, name, test=test))
    assert found.train_images.shape == (6, 1, 5, 4)
    assert found.train_images.dtype == np.float32
    np.testing.assert_allclose(found.test_images[:, 0], TEST / 255, rtol=1e-6)
    np.testing.assert_array_equal(found.train_labels, TRAIN_LABELS)
    assert found.test_labels.dtype == np.int64
    assert found.classes == ("0", "1", "2")


def test_the_options(tmp_path: Path) -> None:
    found = load_images(
        fill(tmp_path, add=1), first=1, normalize=False, flatten=True, dtype=np.uint8,
        transpose=True, one_hot=True, classes=["a", "b", "c", "d"],
    )  # fmt: skip
    np.testing.assert_array_equal(found.train_images, TRAIN.swapaxes(1, 2).reshape(6, 20))
    assert found.train_images.flags.c_contiguous
    np.testing.assert_array_equal(found.test_labels, np.eye(4)[TEST_LABELS])
    assert found.classes == ("a", "b", "c", "d")
    assert load_images(tmp_path, first=1).classes == ("1", "2", "3")


def test_colour_images_have_channels(tmp_path: Path) -> None:
    fill(tmp_path)
    for part, count in (("train", 6), ("t10k", 3)):
        colours = np.zeros((count, 3, 5, 4), np.uint8)
        write_idx(tmp_path / USUAL.format(part=part, kind="images", n=3), colours)
    assert load_images(tmp_path).test_images.shape == (3, 3, 5, 4)


def test_one_of_several_sets_is_chosen_and_packed_goes_before_raw(tmp_path: Path) -> None:
    fill(tmp_path, "emnist-letters-{part}-{kind}-idx{n}-ubyte")
    fill(tmp_path, "emnist-digits-{part}-{kind}-idx{n}-ubyte")
    with pytest.raises(DataError, match=r"2 files of train images .*Fix: pass name="):
        load_images(tmp_path)
    assert len(load_images(tmp_path, name="letters").train_labels) == 6
    write_idx(tmp_path / "emnist-digits-train-labels-idx1-ubyte.gz", 2 - TRAIN_LABELS)
    found = load_images(tmp_path, name="emnist-digits")
    np.testing.assert_array_equal(found.train_labels, 2 - TRAIN_LABELS)


def test_the_digits_of_the_package_are_such_a_set() -> None:
    import tinygrad_edu.data.mnist as home

    found, digits = load_images(Path(home.__file__).parent, flatten=True), load_mnist()
    for array, other in zip(found[:4], digits, strict=True):
        np.testing.assert_array_equal(array, other)
    assert found.classes == tuple("0123456789")
    assert len(FASHION) == 10


def damage(kind: str, folder: Path) -> dict[str, Any]:
    images, labels = (
        folder / USUAL.format(part="train", kind=kind, n=n)
        for kind, n in (("images", 3), ("labels", 1))
    )
    match kind:
        case "missing":
            labels.unlink()
        case "unpaired":
            write_idx(labels, TRAIN_LABELS[:-1])
        case "exchanged":
            write_idx(images, TRAIN_LABELS)
        case "other sides":
            write_idx(images, TRAIN[:, :4])
        case "labels are fractions":
            write_idx(labels, TRAIN_LABELS.astype(np.float32))
        case "counted from 1":
            return {"first": 1}
        case "too few names":
            return {"classes": ["a", "b"]}
        case "dtype":
            return {"dtype": np.int64}
        case "broken":
            labels.write_bytes(b"<html>")
        case "absurd label":
            write_idx(labels, TRAIN_LABELS.astype(np.int32) + 10**6)
    return {}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no files of train labels; expected one.*named like train-labels-idx1-ubyte"),
        ("unpaired", "6 images in .* and 5 labels"),
        ("exchanged", r"uint8 of shape \(6,\); expected uint8 of shape \(n, height, width\)"),
        ("other sides", r"\(4, 4\) to train and \(5, 4\) to test"),
        ("labels are fractions", "float32"),
        ("counted from 1", "label 0; expected at least first=1"),
        ("too few names", "3 classes, and 2 names"),
        ("dtype", "dtype int64"),
        ("broken", "00 00 TYPE NDIM"),
        ("absurd label", "label 1000002"),
    ],
)
def test_a_folder_that_is_no_set_is_refused_with_the_fix(
    tmp_path: Path, kind: str, message: str
) -> None:
    options = damage(kind, fill(tmp_path))
    with pytest.raises(DataError, match=message) as caught:
        load_images(tmp_path, **options)
    assert "Fix: " in str(caught.value)


def test_a_folder_that_is_not_there_is_reported_by_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_images(tmp_path / "nowhere")
