"""Data sets made of others: every sample is found where it belongs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import (
    ArrayDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TransformedDataset,
)
from tinygrad_edu.errors import DataError

X, T = np.arange(20.0).reshape(10, 2), np.arange(10)


@given(chosen=st.lists(st.integers(0, 9), max_size=12))
def test_a_subset_reads_its_samples(chosen: list[int]) -> None:
    part = Subset((X, T), chosen)
    assert isinstance(part, Dataset)
    assert len(part) == len(chosen)
    inputs, targets = part[np.arange(len(chosen))]
    assert targets.tolist() == chosen
    np.testing.assert_array_equal(inputs, X[chosen])


@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(sum),
    seed=st.integers(0, 99),
)
def test_sets_one_behind_the_other_are_one(sizes: list[int], seed: int) -> None:
    whole = np.arange(sum(sizes) * 2).reshape(-1, 2)
    parts = np.split(whole, np.cumsum(sizes)[:-1])
    joined = ConcatDataset(*parts)
    assert len(joined) == len(whole)
    indices = np.random.default_rng(seed).integers(len(whole), size=seed % 8)
    (rows,) = joined[indices]
    np.testing.assert_array_equal(rows, whole[indices])


def test_a_transformed_set_is_changed_when_it_is_read() -> None:
    doubled = TransformedDataset((X, T), lambda batch: (2 * batch[0], batch[1]))
    inputs, targets = next(iter(DataLoader(Subset(doubled, [3, 1]), 2, shuffle=False)))
    np.testing.assert_array_equal(inputs, 2 * X[[3, 1]])
    assert targets.tolist() == [3, 1]
    assert len(doubled) == 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Subset((X, T), [10]), "from 10 to 10; expected integers .* from 0 to 9"),
        (lambda: Subset((X, T), [-1]), "from -1 to -1"),
        (lambda: Subset((X, T), [0.5]), "float64"),
        (lambda: Subset((X, T), T > 3), r"bool .*flatnonzero"),
        (lambda: Subset(3, [0]), "Subset: found data of type int"),
        (lambda: ConcatDataset(), "no data set"),
        (lambda: ConcatDataset(X, T)[np.array([0, 15])], r"samples of shapes \[\(2,\)\] and"),
        (lambda: ConcatDataset(X, ArrayDataset(X, T))[np.array([0, 15])], "samples of shapes"),
    ],
)
def test_what_does_not_go_together_is_refused(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "Fix: " in str(caught.value)
