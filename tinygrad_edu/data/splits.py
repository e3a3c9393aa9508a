"""Splits: which samples a net learns from, and which it is judged by.

Sizes are exact, every sample is in one part, and the seed decides which. What is fitted (see
`preprocess.py`) is fitted after the split, on the training part.

Knows: numbers of samples, labels and groups. Does not know: what the samples are.
Read next: `preprocess.py`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.data.checks import as_generator, demand_count, is_integer, refusal
from tinygrad_edu.data.datasets import as_dataset

__all__ = ["Fold", "Indices", "Split", "k_fold", "split", "split_indices"]

Index = NDArray[np.int64]
Rng = np.random.Generator | int


class Split(NamedTuple):
    """Three parts of the data, each an array, or a tuple of arrays if a tuple was split."""

    train: Any
    validation: Any
    test: Any


class Indices(NamedTuple):
    """The samples of three parts, each int64 of shape (n,), in random order."""

    train: Index
    validation: Index
    test: Index


class Fold(NamedTuple):
    """The samples to train on and those to test with, each int64 of shape (n,)."""

    train: Index
    test: Index


def split(
    data: ArrayLike | Sequence[ArrayLike],
    *,
    rng: Rng,
    test: float | int = 0.2,
    validation: float | int = 0,
    stratify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Split:
    """Return the data in a training, a validation and a test part, each in random order.

    Parameters
    ----------
    data : ndarray, or tuple or list of array_like
        Samples along the first axis of each array.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    test, validation : float or int
        Fraction of all samples, in [0, 1), rounded to whole ones; or a number of samples. The rest
        is the training part.
    stratify : array_like, shape (samples,), optional
        Classes: each is shared out in the same proportions, as well as whole samples allow.
    groups : array_like, shape (samples,), optional
        What belongs together, for example all digits of one writer: it is never divided, and the
        sizes are as near as that allows. Not together with `stratify`.

    Returns
    -------
    Split
        `train, validation, test`: new arrays, or tuples of them; validation has no rows by default.

    Raises
    ------
    DataError
        An argument is not as described, or a part would have no samples that should have some.

    Examples
    --------
    >>> x, t = np.arange(20).reshape(10, 2), np.repeat([0, 1], 5)
    >>> (train_x, train_t), _, (test_x, test_t) = split((x, t), test=0.4, stratify=t, rng=0)
    >>> train_x.shape, sorted(test_t.tolist())
    ((6, 2), [0, 0, 1, 1])
    """
    several = isinstance(data, tuple | list)
    dataset = as_dataset(data if several else np.asarray(data), "split")
    indices = split_indices(
        len(dataset),
        rng=rng,
        test=test,
        validation=validation,
        stratify=stratify,
        groups=groups,
    )
    parts = [dataset[part] for part in indices]
    return Split(*(part if several else part[0] for part in parts))


def split_indices(
    samples: int,
    *,
    rng: Rng,
    test: float | int = 0.2,
    validation: float | int = 0,
    stratify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Indices:
    """Return which samples belong to the training, the validation and the test part.

    Parameters
    ----------
    samples : int
        How many there are.
    rng, test, validation, stratify, groups
        As for `split`.

    Returns
    -------
    Indices
        `train, validation, test`; together every number below `samples` once.

    Raises
    ------
    DataError
        As for `split`.
    """
    who = "split"
    samples = demand_count(who, "samples", samples, 1)
    generator = as_generator(who, rng)
    sizes = [_size(who, "test", test, samples), _size(who, "validation", validation, samples)]
    if sum(sizes) >= samples:
        raise refusal(
            who,
            f"{sizes[0]} samples to test and {sizes[1]} to validate of {samples}",
            "at least one left to train on",
            "take smaller parts",
        )
    order = generator.permutation(samples)
    if groups is not None:
        if stratify is not None:
            raise refusal(who, "stratify and groups", "one of them", "drop the less important one")
        parts = _grouped(_codes(who, "groups", groups, samples), sizes, generator)
    elif stratify is not None:
        parts = _stratified(order, _codes(who, "stratify", stratify, samples), sizes)
    else:
        parts = np.zeros(samples, np.int64)
        parts[order[: sizes[0]]] = 1
        parts[order[sizes[0] : sum(sizes)]] = 2
    of_order = parts[order]
    train, tested, validated = (order[of_order == part] for part in range(3))
    if len(train) == 0 or any(
        size and not len(p) for size, p in zip(sizes, (tested, validated), strict=True)
    ):
        raise refusal(
            who,
            f"groups that leave {len(train)}, {len(validated)} and {len(tested)} samples to train, "
            "validate and test",
            "some in each part",
            "take smaller groups or other sizes",
        )
    return Indices(train, validated, tested)


def k_fold(
    samples: int,
    folds: int,
    *,
    rng: Rng,
    stratify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> list[Fold]:
    """Return the samples shared out to folds, each of which is the test part once.

    Parameters
    ----------
    samples : int
        How many there are.
    folds : int
        At least 2, at most as many as samples (or groups).
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    stratify : array_like, shape (samples,), optional
        Classes: each fold has its share of every class, the counts differ by one at most.
    groups : array_like, shape (samples,), optional
        What is never divided; the largest groups are placed first, each into the smallest fold.

    Returns
    -------
    list of Fold
        `train, test` of each. Without groups the sizes of the test parts differ by one at most.

    Raises
    ------
    DataError
        An argument is not as described.

    Examples
    --------
    >>> [(len(train), len(test)) for train, test in k_fold(10, 3, rng=0)]
    [(6, 4), (7, 3), (7, 3)]
    """
    who = "k_fold"
    samples = demand_count(who, "samples", samples, 2)
    folds = demand_count(who, "folds", folds, 2, samples)
    generator = as_generator(who, rng)
    order = generator.permutation(samples)
    fold_of = np.empty(samples, np.int64)
    if groups is not None:
        if stratify is not None:
            raise refusal(who, "stratify and groups", "one of them", "drop the less important one")
        codes = _codes(who, "groups", groups, samples)
        counts = np.bincount(codes)
        if len(counts) < folds:
            raise refusal(
                who,
                f"{len(counts)} groups for {folds} folds",
                "a group for each",
                "take fewer folds",
            )
        home, sizes = np.empty(len(counts), np.int64), np.zeros(folds, np.int64)
        shuffled = generator.permutation(len(counts))
        for group in shuffled[np.argsort(-counts[shuffled], kind="stable")].tolist():
            home[group] = sizes.argmin()
            sizes[home[group]] += counts[group]
        fold_of[:] = home[codes]
    else:
        if stratify is not None:
            codes = _codes(who, "stratify", stratify, samples)
            order = order[np.argsort(codes[order], kind="stable")]
        # Dealt like cards, class after class: neighbours in the pack never meet in one fold.
        fold_of[order] = np.arange(samples) % folds
        order = generator.permutation(samples)
    of_order = fold_of[order]
    return [Fold(order[of_order != fold], order[of_order == fold]) for fold in range(folds)]


def _size(who: str, name: str, value: Any, samples: int) -> int:
    """Return a number of samples, from one or from a fraction of all."""
    if is_integer(value, least=0):
        return int(value)
    if not isinstance(value, float | np.floating) or not 0 <= value < 1:
        raise refusal(
            who,
            f"{name}={value!r}",
            "a fraction in [0, 1), or a number of samples",
            f"pass for example {name}=0.2",
        )
    size = int(np.floor(float(value) * samples + 0.5))
    if value > 0 and size == 0:
        raise refusal(
            who,
            f"{name}={value!r} of {samples} samples, which is none",
            "at least one sample",
            f"pass a larger fraction, or {name}=1 for one sample",
        )
    return size


def _codes(who: str, name: str, values: ArrayLike, samples: int) -> Index:
    """Return the number of each sample's class or group, from 0."""
    array = np.asarray(values)
    if array.shape != (samples,) or (array.dtype.kind == "f" and np.isnan(array).any()):
        raise refusal(
            who,
            f"{name} of shape {array.shape}" + (" with nan" if array.shape == (samples,) else ""),
            f"one class or group for each of {samples} samples",
            "pass labels, not one-hot: labels.argmax(axis=1)",
        )
    return np.unique(array, return_inverse=True)[1].reshape(-1)


def _stratified(order: Index, codes: Index, sizes: list[int]) -> Index:
    """Return the part of each sample: of each class the same share, and exact sizes."""
    parts = np.zeros(len(order), np.int64)
    counts = np.bincount(codes)
    least = 1 + sum(size > 0 for size in sizes)
    if counts.min() < least:
        raise refusal(
            "split",
            f"a class of {counts.min()} samples",
            f"at least {least}, one for each part",
            "join rare classes, or split without stratify",
        )
    by_class = [order[codes[order] == code] for code in range(len(counts))]
    for part, size in enumerate(sizes, start=1):
        left = np.array([len(rest) for rest in by_class])
        share = left * (size / left.sum())
        takes = np.floor(share).astype(np.int64)
        # The largest remainders get what is missing; of equal ones the first class.
        takes[np.argsort(takes - share, kind="stable")[: size - takes.sum()]] += 1
        for code, take in enumerate(takes.tolist()):
            parts[by_class[code][:take]] = part
            by_class[code] = by_class[code][take:]
    return parts


def _grouped(codes: Index, sizes: list[int], generator: np.random.Generator) -> Index:
    """Return the part of each sample: whole groups, until a part is as near its size as can be."""
    counts = np.bincount(codes)
    part_of = np.zeros(len(counts), np.int64)
    missing = list(sizes)
    for group in generator.permutation(len(counts)).tolist():
        for part, need in enumerate(missing):
            if need > 0 and abs(need - counts[group]) < need:
                part_of[group] = part + 1
                missing[part] -= int(counts[group])
                break
    return part_of[codes]
