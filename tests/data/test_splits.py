"""Splits: exact sizes, every sample once, one seed one split, classes and groups respected."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import k_fold, split, split_indices
from tinygrad_edu.errors import DataError


@given(
    samples=st.integers(3, 80),
    test=st.floats(0.2, 0.5),
    validation=st.integers(0, 1),
    seed=st.integers(0, 99),
)
def test_sizes_are_exact_and_every_sample_is_in_one_part(
    samples: int, test: float, validation: int, seed: int
) -> None:
    try:
        parts = split_indices(samples, test=test, validation=validation, rng=seed)
    except DataError:
        assert int(test * samples + 0.5) + validation >= samples or test * samples < 0.5
        return
    assert len(parts.test) == int(np.floor(test * samples + 0.5))
    assert len(parts.validation) == validation
    assert sorted(np.concatenate(parts).tolist()) == list(range(samples))
    again = split_indices(samples, test=test, validation=validation, rng=seed)
    assert all(map(np.array_equal, parts, again))


def test_a_fifth_to_test_by_default_and_seeds_differ() -> None:
    first, second = (split_indices(100, rng=seed) for seed in (0, 1))
    assert [len(part) for part in first] == [80, 0, 20]
    assert set(first.test.tolist()) != set(second.test.tolist())
    assert first.train.tolist() != sorted(first.train.tolist())


@given(
    counts=st.lists(st.integers(3, 30), min_size=1, max_size=5),
    test=st.floats(0.1, 0.5),
    validation=st.floats(0.1, 0.3),
    seed=st.integers(0, 99),
)
def test_each_class_is_shared_out_and_sizes_stay_exact(
    counts: list[int], test: float, validation: float, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    n = len(labels)
    if min(int(test * n + 0.5), int(validation * n + 0.5)) == 0:
        return
    parts = split_indices(n, test=test, validation=validation, stratify=labels, rng=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    for part, fraction in ((parts.test, test), (parts.validation, validation)):
        assert len(part) == int(np.floor(fraction * n + 0.5))
        found = np.bincount(labels[part], minlength=len(counts))
        assert abs(found - np.array(counts) * len(part) / n).max() < 2
    assert abs(np.bincount(labels[parts.test], minlength=len(counts))
               - np.array(counts) * len(parts.test) / n).max() < 1  # fmt: skip


def test_arrays_come_back_as_they_were_given() -> None:
    x, t = np.arange(40).reshape(20, 2), np.arange(20)
    train, validation, test = split((x, t), test=0.25, validation=3, rng=0)
    assert [len(part[0]) for part in (train, validation, test)] == [12, 3, 5]
    for inputs, targets in (train, validation, test):
        np.testing.assert_array_equal(inputs, x[targets])
        assert not np.shares_memory(inputs, x)
    assert split(x, rng=0).test.shape == (4, 2)


@given(seed=st.integers(0, 99), sizes=st.lists(st.integers(1, 6), min_size=6, max_size=20))
def test_groups_are_never_divided(seed: int, sizes: list[int]) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    for parts in (
        split_indices(len(groups), test=0.3, groups=groups, rng=seed),
        *k_fold(len(groups), 3, groups=groups, rng=seed),
    ):
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
        seen = [set(groups[part].tolist()) for part in parts]
        assert sum(map(len, seen)) == len(sizes)
    tested = [fold.test for fold in k_fold(len(groups), 3, groups=groups, rng=seed)]
    assert sorted(np.concatenate(tested).tolist()) == list(range(len(groups)))


@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    folds=st.integers(2, 6),
    stratified=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_sample_is_tested_once_over_the_folds(
    counts: list[int], folds: int, stratified: bool, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    n = len(labels)
    if n < folds:
        return
    parts = k_fold(n, folds, stratify=labels if stratified else None, rng=seed)
    assert len(parts) == folds
    for train, test in parts:
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(n))
    sizes = [len(test) for _, test in parts]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == n
    if stratified:
        shares = np.array([np.bincount(labels[test], minlength=len(counts)) for _, test in parts])
        assert np.ptp(shares, axis=0).max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 1.0}, r"test=1.0; expected a fraction in \[0, 1\)"),
        ({"test": -1}, "test=-1"),
        ({"test": "half"}, "test='half'"),
        ({"test": True}, "test=True"),
        ({"test": 0.01}, "test=0.01 of 10 samples, which is none"),
        ({"test": 0.5, "validation": 5}, "5 samples to test and 5 to validate of 10"),
        ({"stratify": np.arange(9)}, r"stratify of shape \(9,\)"),
        ({"stratify": np.eye(10)}, "not one-hot"),
        ({"stratify": np.r_[0, np.ones(9)]}, "a class of 1 samples; expected at least 2"),
        ({"stratify": np.full(10, np.nan)}, "with nan"),
        ({"stratify": np.ones(10), "groups": np.ones(10)}, "stratify and groups"),
        ({"groups": np.ones(10)}, "groups that leave"),
        ({"rng": None}, "rng=None"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_fix(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        split_indices(10, **{"rng": 0, **options})
    assert "Fix: " in str(caught.value)


def test_folds_need_samples_and_groups() -> None:
    with pytest.raises(DataError, match="folds=11; expected an integer from 2 to 10"):
        k_fold(10, 11, rng=0)
    with pytest.raises(DataError, match="2 groups for 3 folds"):
        k_fold(10, 3, groups=np.arange(10) % 2, rng=0)
    with pytest.raises(DataError, match="stratify and groups"):
        k_fold(10, 2, groups=np.ones(10), stratify=np.ones(10), rng=0)
