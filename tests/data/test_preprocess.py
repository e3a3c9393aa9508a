"""Preprocessing: fitted on one set, applied to others, taken back, saved, refused in words."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.data import PCA, Normalize, OneHot, Preprocessor, Standardize, one_hot
from tinygrad_edu.errors import DataError

RNG = np.random.default_rng(0)
TRAIN = RNG.normal(3, [1, 100, 0.01], (50, 3))
OTHER = RNG.normal(3, [1, 100, 0.01], (20, 3))
ALL: dict[str, Any] = {
    "normalize": lambda: Normalize(-1, 1),
    "standardize": Standardize,
    "all together": lambda: Standardize(per="array"),
    "pca": PCA,
    "whitened": lambda: PCA(whiten=True, epsilon=0),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_inverse_takes_back_and_a_saved_state_does_the_same(name: str, dtype: Any) -> None:
    tool = ALL[name]().fit(TRAIN.astype(dtype))
    changed = tool.transform(OTHER.astype(dtype))
    assert changed.dtype == dtype
    tolerance = 1e-10 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(tool.inverse(changed), OTHER, rtol=tolerance, atol=tolerance)
    other = ALL[name]().load(tool.state())
    np.testing.assert_array_equal(other.transform(OTHER), tool.transform(OTHER))
    tool.state()[next(iter(tool.state()))][...] = 7  # a copy: nothing happens
    np.testing.assert_array_equal(other.transform(OTHER), tool.transform(OTHER))
    assert "fitted" in repr(tool)


def test_only_the_training_part_is_learned_from() -> None:
    scaler = Standardize()
    changed = scaler.fit_transform(TRAIN)
    np.testing.assert_allclose(changed.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(changed.std(axis=0), 1)
    np.testing.assert_allclose(
        scaler.transform(OTHER), (OTHER - TRAIN.mean(axis=0)) / TRAIN.std(axis=0)
    )
    small = Normalize(-1, 1).fit(TRAIN)
    ends = small.transform(TRAIN)
    np.testing.assert_allclose([ends.min(axis=0), ends.max(axis=0)], [[-1] * 3, [1] * 3])
    assert small.transform(OTHER * 10).max() > 1


@given(
    data=hnp.arrays(np.float64, (6, 4), elements=st.floats(-1e6, 1e6)),
    constant=st.floats(-1e6, 1e6),
)
def test_a_constant_feature_stays_finite_and_comes_back(data: np.ndarray, constant: float) -> None:
    data[:, 1] = constant
    for scaler in (Standardize(), Normalize()):
        changed = scaler.fit_transform(data)
        assert np.isfinite(changed).all()
        assert (changed[:, 1] == 0).all()
        np.testing.assert_array_equal(scaler.inverse(changed)[:, 1], constant)


def test_integers_and_images_by_channel_or_all_together() -> None:
    images = RNG.integers(0, 255, (8, 3, 5, 4)).astype(np.uint8)
    images[:, 1] //= 4
    scaled = Standardize(per="channel").fit(images)
    assert scaled.state()["scale"].shape == (3, 1, 1)
    changed = scaled.transform(images)
    assert changed.dtype == np.float64
    np.testing.assert_allclose(changed.mean(axis=(0, 2, 3)), 0, atol=1e-9)
    np.testing.assert_allclose(changed.std(axis=(0, 2, 3)), 1)
    together = Standardize(per="array").fit(images).transform(images)
    np.testing.assert_allclose([together.mean(), together.std()], [0, 1], atol=1e-9)
    assert scaled.transform(np.zeros((2, 3, 9, 9))).shape == (2, 3, 9, 9)


def test_many_rows_are_measured_as_few_are() -> None:
    data = RNG.normal(1e4, 1, (200_000, 7)).astype(np.float32)
    state = Standardize().fit(data).state()
    np.testing.assert_allclose(state["center"], data.astype(np.float64).mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(state["scale"], data.astype(np.float64).std(axis=0), rtol=1e-9)


def test_components_are_uncorrelated_ordered_and_few_suffice() -> None:
    hidden = RNG.normal(size=(300, 2)) * [5, 1]
    data = hidden @ RNG.normal(size=(2, 6)) + 4
    tool = PCA(2, whiten=True, epsilon=0).fit(data)
    parts = tool.transform(data)
    np.testing.assert_allclose(parts.T @ parts / 300, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(tool.inverse(parts), data, atol=1e-9)
    variances = PCA().fit(data).state()["variances"]
    assert (np.diff(variances) <= 0).all()
    np.testing.assert_allclose(variances.sum(), data.var(axis=0).sum())
    assert np.isfinite(PCA(whiten=True).fit(data).transform(data)).all()


def test_words_become_rows_and_rows_words() -> None:
    coder = OneHot().fit(["b", "a", "c", "a"])
    assert coder.categories.tolist() == ["a", "b", "c"]
    rows = coder.transform(["c", "a"])
    assert (rows.tolist(), rows.dtype) == ([[0, 0, 1], [1, 0, 0]], np.float32)
    assert coder.inverse(rows).tolist() == ["c", "a"]
    lenient = OneHot(unknown="zeros").load(coder.state())
    assert lenient.transform(["zz", "b", "A"]).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


@given(labels=hnp.arrays(np.int64, hnp.array_shapes(max_dims=3), elements=st.integers(0, 9)))
def test_one_hot_has_its_one_at_the_label(labels: np.ndarray) -> None:
    rows = one_hot(labels, 10, dtype=np.float64)
    assert rows.shape == (*labels.shape, 10)
    np.testing.assert_array_equal(rows.argmax(axis=-1), labels)
    np.testing.assert_array_equal(rows.sum(axis=-1), np.ones(labels.shape))


NAN = np.array([[1.0, 2.0], [3.0, np.nan]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Standardize().transform(TRAIN), "nothing fitted; expected fit"),
        (lambda: PCA().state(), "nothing fitted"),
        (lambda: OneHot().transform(["a"]), "nothing fitted"),
        (lambda: Standardize().fit(NAN), r"1 values that are nan .* at index \(1, 1\)"),
        (lambda: Standardize().fit(TRAIN).transform(TRAIN * np.inf), "nan or infinite"),
        (lambda: PCA().fit(NAN), "nan or infinite"),
        (lambda: Standardize().fit(TRAIN).transform(TRAIN[:, :2]), r"\(50, 2\); expected \(n, 3\)"),
        (lambda: Standardize().fit(TRAIN).transform(TRAIN[0]), r"of shape \(3,\)"),
        (lambda: PCA().fit(TRAIN).transform(TRAIN[:, :2]), r"expected \(n, 3\) as fitted"),
        (lambda: PCA(4).fit(TRAIN), "at least 4 features"),
        (lambda: Standardize().fit([]), r"float64 of shape \(0,\)"),
        (lambda: Standardize().fit(["a"]), "turn words into numbers"),
        (lambda: Standardize(per="row"), "per='row'"),
        (lambda: Normalize(1, 1), "low=1, high=1"),
        (lambda: Standardize().load({"center": 0}), r"a state with \['center'\]"),
        (lambda: OneHot().fit([]), r"float64 of shape \(0,\)"),
        (lambda: OneHot().fit([[1]]), "one column at a time"),
        (lambda: OneHot().fit(["a"]).transform(["b"]), "the value 'b'"),
        (lambda: OneHot().fit(["a"]).inverse([[1, 2]]), r"expected \(n, 1\)"),
        (lambda: OneHot(unknown="skip"), "unknown='skip'"),
        (lambda: one_hot([0, 3], 3), "labels from 0 to 3; expected 0 to 2"),
        (lambda: one_hot([-1]), "labels from -1"),
        (lambda: one_hot([0.5]), "float64"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fix(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "Fix: " in str(caught.value)


def test_a_failed_fit_changes_nothing() -> None:
    scaler: Preprocessor = Standardize().fit(TRAIN)
    before = scaler.transform(OTHER)
    with pytest.raises(DataError):
        scaler.fit(NAN)
    np.testing.assert_array_equal(scaler.transform(OTHER), before)
