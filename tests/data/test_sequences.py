"""Sequences: windows, vocabularies, the two tasks, and padding with its mask."""

import datetime
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import (
    DataLoader,
    SequenceDataset,
    Vocabulary,
    additions,
    dates,
    pad_sequences,
    sine_windows,
    windows,
)
from tinygrad_edu.errors import DataError


@given(
    steps=st.integers(2, 30),
    window=st.integers(1, 10),
    ahead=st.integers(1, 4),
    stride=st.integers(1, 4),
)
def test_a_window_is_followed_by_its_target(
    steps: int, window: int, ahead: int, stride: int
) -> None:
    if steps < window + ahead:
        with pytest.raises(DataError, match=f"at least {window + ahead} steps"):
            windows(np.arange(steps), window, ahead=ahead, stride=stride)
        return
    series = np.arange(steps * 2).reshape(steps, 2)
    inputs, targets = windows(series, window, ahead=ahead, stride=stride)
    assert len(inputs) == (steps - window - ahead) // stride + 1
    for i, (x, t) in enumerate(zip(inputs, targets, strict=True)):
        np.testing.assert_array_equal(x, series[i * stride : i * stride + window])
        np.testing.assert_array_equal(t, series[i * stride + window + ahead - 1])
    assert not np.shares_memory(inputs, series)


def test_sine_windows_follow_one_sine() -> None:
    x, t = sine_windows(60, window=7, period=20, dtype=np.float64)
    assert (x.shape, t.shape) == ((60, 7, 1), (60, 1))
    np.testing.assert_allclose(t[:, 0], np.sin(2 * np.pi * (np.arange(60) + 7) / 20), atol=1e-12)
    np.testing.assert_array_equal(x[1:, -1], t[:-1])
    noisy = sine_windows(60, window=7, period=20, noise=0.1, rng=0)
    assert noisy.inputs.dtype == np.float32
    assert not np.allclose(noisy.inputs, x, atol=0.01)
    with pytest.raises(DataError, match="rng=None"):
        sine_windows(5, noise=0.1)


@given(text=st.text(min_size=1, max_size=40))
def test_what_was_encoded_is_decoded(text: str) -> None:
    vocabulary = Vocabulary.of(text)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert vocabulary.decode(ids) == text
    assert vocabulary.tokens == sorted(set(text))
    assert Vocabulary(vocabulary.tokens).encode(text).tolist() == ids.tolist()


def test_words_special_tokens_and_the_unknown() -> None:
    words = ["to", "be", "or", "not", "to", "be", "that", "is"]
    vocabulary = Vocabulary.of(words, special=["<pad>"], unknown="<?>", most=4)
    assert vocabulary.tokens == ["<pad>", "<?>", "be", "to"]
    ids = vocabulary.encode(["to", "see", "<pad>"])
    assert ids.tolist() == [3, 1, 0]
    assert vocabulary.decode(ids, separator=" ") == "to <?> <pad>"
    assert ("be" in vocabulary, "see" in vocabulary, len(vocabulary)) == (True, False, 4)
    assert vocabulary.decode([]) == ""
    assert "4 tokens: '<pad>'" in repr(vocabulary)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocabulary("aa"), "2 tokens, 1 of them different"),
        (lambda: Vocabulary("ab", unknown="?"), r"unknown='\?'; expected one of the tokens"),
        (lambda: Vocabulary.of("ab", most=1), "most without unknown"),
        (lambda: Vocabulary("ab").encode("abc"), "'c'; expected one of 2 tokens"),
        (lambda: Vocabulary("ab").decode([0, 2]), "numbers from 0 to 2; expected 0 to 1"),
        (lambda: Vocabulary("ab").decode([-1]), "numbers from -1 to -1"),
        (lambda: Vocabulary("ab").decode([[0]]), r"int64 of shape \(1, 1\)"),
        (lambda: additions(101, digits=1, rng=0), "samples=101; expected an integer from 1 to 100"),
        (lambda: pad_sequences([]), "0 sequences"),
        (lambda: pad_sequences([1, 2]), r"of shapes \[\(\)\]"),
        (lambda: pad_sequences([[[1]], [[1, 2]]]), r"\(1, 1\), \(1, 2\)"),
        (lambda: pad_sequences([[1, 2]], length=1), "a sequence of 2 steps; expected at most"),
        (lambda: pad_sequences([[1]], side="top"), "side='top'"),
        (lambda: pad_sequences([[1]], value=0.5), "value=0.5 for int64"),
        (lambda: windows([1.0, np.nan, 2], 1), "1 values that are nan or infinite"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_fix(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "Fix: " in str(caught.value)


def test_sums_are_right_and_none_comes_twice() -> None:
    sums = additions(100, digits=1, rng=0)
    assert (sums.inputs.shape, sums.targets.shape) == ((100, 3), (100, 3))
    questions = [sums.text(x) for x in sums.inputs]
    assert sorted(questions) == sorted(f"{a}+{b}" for a in range(10) for b in range(10))
    for question, target in zip(questions, sums.targets, strict=True):
        assert int(sums.text(target)) == sum(map(int, question.split("+")))
    assert (sums.targets[:, 0] == sums.start).all()
    assert sums.padding == 0
    again = additions(100, digits=1, rng=0)
    np.testing.assert_array_equal(again.inputs, sums.inputs)
    wide = additions(50, digits=4, rng=1)
    assert (wide.inputs.shape, wide.targets.shape) == ((50, 9), (50, 6))


def test_dates_mean_the_same_on_both_sides() -> None:
    months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    pairs = dates(600, rng=0)
    assert (pairs.inputs.shape, pairs.targets.shape) == ((600, 29), (600, 11))
    forms = set()
    for x, t in zip(pairs.inputs, pairs.targets, strict=True):
        written, day = pairs.text(x), datetime.date.fromisoformat(pairs.text(t))
        words = re.sub(r"[a-z]+", lambda m: "w" if len(m[0]) > 3 else "s", written)
        forms.add(re.sub(r"\d+", "9", words))
        if "/" in written:
            month, number, year = map(int, written.split("/"))
            assert (month, number, year) == (day.month, day.day, day.year % 100)
            continue
        words = re.findall(r"[a-z]+", written)
        assert months.index(words[-1][:3]) + 1 == day.month
        assert len(words) == 1 or days.index(words[0][:3]) == day.weekday()
        assert list(map(int, re.findall(r"\d+", written))) == [day.day, day.year]
        assert 1970 <= day.year <= 2069
    assert len(forms) > 5
    assert (pairs.targets[:, 0] == pairs.start).all()


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    features=st.integers(0, 2),
    side=st.sampled_from(["right", "left"]),
    more=st.integers(0, 3),
)
def test_a_mask_finds_every_sequence_again(
    lengths: list[int], features: int, side: Any, more: int
) -> None:
    rest = (3,) * features
    rng = np.random.default_rng(0)
    sequences = [rng.random((n, *rest)) + 1 for n in lengths]
    values, mask = pad_sequences(sequences, value=-1, side=side, length=max(lengths) + more)
    assert values.shape == (len(lengths), max(lengths) + more, *rest)
    for row, real, sequence in zip(values, mask, sequences, strict=True):
        np.testing.assert_array_equal(row[real], sequence)
        assert (row[~real] == -1).all()
        ordered = np.sort(real)[::-1] if side == "right" else np.sort(real)
        np.testing.assert_array_equal(real, ordered)


def test_ids_stay_integers_even_beside_an_empty_sequence() -> None:
    values, mask = pad_sequences([[3, 4], []])
    assert values.dtype == np.int64
    assert mask.tolist() == [[True, True], [False, False]]
    assert pad_sequences([[3, 4]], dtype=np.float32).values.dtype == np.float32


def test_each_batch_is_padded_to_its_own_longest() -> None:
    sequences = [np.full(n, n) for n in (5, 1, 2, 3)]
    loader = DataLoader(SequenceDataset(sequences, np.arange(4)), 2, shuffle=False)
    shapes = []
    for values, mask, labels in loader:
        shapes.append(values.shape)
        np.testing.assert_array_equal(mask.sum(axis=1), [len(sequences[i]) for i in labels])
        assert values.dtype == np.int64
    assert shapes == [(2, 5), (2, 3)]
    fixed = SequenceDataset(sequences, length=6, side="left")
    assert fixed[np.array([1])][0].tolist() == [[0, 0, 0, 0, 0, 1]]
    with pytest.raises(DataError, match="ArrayDataset: found arrays of shapes"):
        SequenceDataset(sequences, np.arange(3))
