"""Sequences: windows of a series, texts as numbers, and two tasks from sequence to sequence.

Sequences are batch first: (n, steps) of ids, (n, steps, features) of numbers. A mask is True where
something real stands, False at padding.

Knows: NumPy arrays and text. Does not know: nets.
Read next: `datasets.py`, which makes batches of sequences of different lengths.
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_edu.data.checks import (
    as_generator,
    demand_count,
    demand_float,
    demand_number,
    demand_rows,
    refusal,
)

__all__ = [
    "Padded",
    "Translation",
    "Vocabulary",
    "Windows",
    "additions",
    "dates",
    "pad_sequences",
    "sine_windows",
    "windows",
]

PADDING, START = " ", "_"
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIRST_YEAR, LAST_YEAR = 1970, 2069


class Windows(NamedTuple):
    """Inputs (n, window, features), and targets (n, features): what comes after each window."""

    inputs: NDArray[Any]
    targets: NDArray[Any]


class Padded(NamedTuple):
    """Values (n, length, ...) and mask (n, length), True where a sequence has an element."""

    values: NDArray[Any]
    mask: NDArray[np.bool_]


class Vocabulary:
    """Words, or letters, and their numbers: the number of a word is its place in the list.

    Parameters
    ----------
    tokens : iterable of str
        All different; the first is number 0.
    unknown : str, optional
        The token that stands for every other one. Without it, another token is an error.

    Attributes
    ----------
    tokens : list of str
        By number; all that a copy needs beside `unknown`.

    Raises
    ------
    DataError
        A token comes twice or is no text, or `unknown` is none of them.

    Examples
    --------
    >>> letters = Vocabulary.of("hello")
    >>> letters.tokens, letters.encode("hole").tolist()
    (['e', 'h', 'l', 'o'], [1, 3, 2, 0])
    >>> letters.decode([1, 3, 2, 0])
    'hole'
    """

    def __init__(self, tokens: Iterable[str], *, unknown: str | None = None) -> None:
        self.tokens = list(tokens)
        self.unknown = unknown
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens) or not all(isinstance(t, str) for t in self.tokens):
            raise refusal(
                "Vocabulary",
                f"{len(self.tokens)} tokens, {len(self._ids)} of them different",
                "different texts",
                "use Vocabulary.of(text), which keeps each once",
            )
        if unknown is not None and unknown not in self._ids:
            raise refusal(
                "Vocabulary", f"unknown={unknown!r}", "one of the tokens", "add it to the tokens"
            )

    @classmethod
    def of(
        cls,
        text: str | Iterable[str],
        *,
        special: Sequence[str] = (),
        unknown: str | None = None,
        most: int | None = None,
    ) -> "Vocabulary":
        """Return the vocabulary of a text: of its letters, or, given words, of its words.

        Parameters
        ----------
        text : str or iterable of str
            A text for its letters; a list of words for the words.
        special : sequence of str
            Tokens that come first, whether they are in the text or not.
        unknown : str, optional
            As for the class; put among the special ones if it is not.
        most : int, optional
            Keep the most frequent ones only, this many in all; needs `unknown`.

        Raises
        ------
        DataError
            `most` is given without `unknown`.
        """
        first = [*special, *([unknown] if unknown is not None and unknown not in special else [])]
        counts: dict[str, int] = {}
        for token in text:
            counts[token] = counts.get(token, 0) + 1
        rest = sorted(set(counts) - set(first))
        if most is not None:
            demand_count("Vocabulary.of", "most", most, max(1, len(first)))
            if unknown is None:
                raise refusal(
                    "Vocabulary.of",
                    "most without unknown",
                    "a token for what is left out",
                    "pass for example unknown='?'",
                )
            # A stable sort: among equally frequent ones the alphabet decides.
            rest = sorted(rest, key=lambda token: -counts[token])[: most - len(first)]
        return cls([*first, *rest], unknown=unknown)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        """Return whether a token has a number of its own."""
        return token in self._ids

    def __repr__(self) -> str:
        """Return the size and the first tokens."""
        more = ", ..." if len(self) > 5 else ""
        return f"Vocabulary({len(self)} tokens: {', '.join(map(repr, self.tokens[:5]))}{more})"

    def encode(self, text: str | Iterable[str]) -> NDArray[np.int64]:
        """Return the numbers of the tokens of a text, int64 of shape (tokens,).

        Raises
        ------
        DataError
            A token has no number.
        """
        other = None if self.unknown is None else self._ids[self.unknown]
        ids = [self._ids.get(token, other) for token in text]
        if None in ids:
            token = list(text)[ids.index(None)]
            raise refusal(
                "Vocabulary.encode",
                f"{token!r}",
                f"one of {len(self)} tokens",
                "make the vocabulary of all texts, or with unknown='?'",
            )
        return np.array(ids, np.int64)

    def decode(self, ids: ArrayLike, *, separator: str = "") -> str:
        """Return the text of some numbers.

        Parameters
        ----------
        ids : array_like of int, shape (tokens,)
            Numbers of tokens.
        separator : str
            What stands between tokens; a space for words.

        Raises
        ------
        DataError
            There is no such number.
        """
        numbers = np.asarray(ids)
        if numbers.size == 0:
            return ""
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise refusal(
                "Vocabulary.decode",
                f"{numbers.dtype} of shape {numbers.shape}",
                "integers of shape (tokens,)",
                "decode one sequence at a time",
            )
        if numbers.min() < 0 or numbers.max() >= len(self):
            raise refusal(
                "Vocabulary.decode",
                f"numbers from {numbers.min()} to {numbers.max()}",
                f"0 to {len(self) - 1}",
                "use the vocabulary that encoded the text",
            )
        return separator.join(self.tokens[i] for i in numbers.tolist())


class Translation(NamedTuple):
    """Inputs (n, width) and targets (n, length), ids of one vocabulary; padding has id 0.

    A target begins with the id of the start token, which a decoder is fed first. Texts are lined up
    on the left, with blanks behind them.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    vocabulary: Vocabulary

    @property
    def padding(self) -> int:
        """The id of the blank behind a text."""
        return int(self.vocabulary.encode(PADDING)[0])

    @property
    def start(self) -> int:
        """The id of the token that every target begins with."""
        return int(self.vocabulary.encode(START)[0])

    def text(self, ids: ArrayLike) -> str:
        """Return ids as text, without blanks behind it and the start before it."""
        return self.vocabulary.decode(ids).rstrip(PADDING).removeprefix(START)


def windows(series: ArrayLike, window: int, *, ahead: int = 1, stride: int = 1) -> Windows:
    """Return every window of a series, and the value that comes after each.

    Parameters
    ----------
    series : array_like, shape (steps,) or (steps, features)
        Values in the order of time; their dtype is kept.
    window : int
        Steps of a window.
    ahead : int
        How many steps after its window a target lies; 1 is the next.
    stride : int
        Steps from one window to the next.

    Returns
    -------
    Windows
        Inputs (n, window, features) and targets (n, features), new arrays, where n is
        ``(steps - window - ahead) // stride + 1``.

    Raises
    ------
    DataError
        The series is too short or holds something else than finite numbers.

    Examples
    --------
    >>> x, t = windows(np.arange(5), 3)
    >>> x[:, :, 0].tolist(), t.ravel().tolist()
    ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """
    values = demand_rows("windows", series)
    window = demand_count("windows", "window", window, 1)
    ahead = demand_count("windows", "ahead", ahead, 1)
    stride = demand_count("windows", "stride", stride, 1)
    if values.ndim > 2 or len(values) < window + ahead:
        raise refusal(
            "windows",
            f"a series of shape {values.shape}",
            f"(steps,) or (steps, features) with at least {window + ahead} steps",
            "take a longer series or a shorter window",
        )
    values = values[:, None] if values.ndim == 1 else values
    starts = np.arange(0, len(values) - window - ahead + 1, stride)
    return Windows(values[starts[:, None] + np.arange(window)], values[starts + window + ahead - 1])


def sine_windows(
    samples: int,
    *,
    window: int = 25,
    period: float = 25.0,
    noise: float = 0.0,
    ahead: int = 1,
    rng: np.random.Generator | int | None = None,
    dtype: DTypeLike = np.float32,
) -> Windows:
    """Return windows of one sine, each a step after the one before, and the value that follows.

    Parameters
    ----------
    samples : int
        Windows.
    window : int
        Steps of a window.
    period : float
        Steps of a wave.
    noise : float
        Standard deviation of what is added to the series.
    ahead : int
        How many steps after its window a target lies.
    rng : numpy.random.Generator or int, optional
        The generator, or a seed to make it from; needed with noise.
    dtype : dtype
        Of inputs and targets.

    Returns
    -------
    Windows
        Inputs (samples, window, 1) and targets (samples, 1).

    Raises
    ------
    DataError
        An argument is not as described.
    """
    samples = demand_count("sine_windows", "samples", samples, 1)
    window = demand_count("sine_windows", "window", window, 1)
    ahead = demand_count("sine_windows", "ahead", ahead, 1)
    period = demand_number("sine_windows", "period", period, 1e-6)
    size = demand_number("sine_windows", "noise", noise, 0)
    dtype = demand_float("sine_windows", dtype)
    series = np.sin(2 * np.pi * np.arange(samples + window + ahead - 1) / period)
    if size:
        series += size * as_generator("sine_windows", rng).standard_normal(len(series))
    return windows(series.astype(dtype), window, ahead=ahead)


def additions(samples: int, *, rng: np.random.Generator | int, digits: int = 3) -> Translation:
    """Return sums as text, ``"57+5"`` to ``"62"``, no pair of numbers twice.

    Parameters
    ----------
    samples : int
        Sums.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.
    digits : int
        Most digits of each number, 1 to 4; numbers are uniform in [0, 10 ** digits).

    Returns
    -------
    Translation
        Inputs (samples, 2·digits + 1) and targets (samples, digits + 2), ids in a vocabulary of 13:
        blank, start, plus and the digits.

    Raises
    ------
    DataError
        An argument is not as described, or there are fewer pairs than samples.

    Examples
    --------
    >>> sums = additions(3, digits=2, rng=1)
    >>> [(sums.text(x), sums.text(t)) for x, t in zip(sums.inputs, sums.targets)]
    [('51+17', '68'), ('47+30', '77'), ('75+51', '126')]
    """
    generator = as_generator("additions", rng)
    digits = demand_count("additions", "digits", digits, 1, 4)
    samples = demand_count("additions", "samples", samples, 1, min(100**digits, 1_000_000))
    drawn = generator.choice(100**digits, samples, replace=False)
    pairs = [divmod(pair, 10**digits) for pair in drawn.tolist()]
    questions = [f"{a}+{b}" for a, b in pairs]
    answers = [f"{START}{a + b}" for a, b in pairs]
    vocabulary = Vocabulary([PADDING, START, "+", *"0123456789"])
    return _translation(questions, 2 * digits + 1, answers, digits + 2, vocabulary)


def dates(samples: int, *, rng: np.random.Generator | int) -> Translation:
    """Return dates as people write them, and as ISO 8601 does: ``"may 7, 1992"``, ``"1992-05-07"``.

    The days are uniform from 1970 to 2069, so that two digits of a year say which; in ``8/17/94``
    the month comes first. A day may come twice, in the same form or another.

    Parameters
    ----------
    samples : int
        Dates.
    rng : numpy.random.Generator or int
        The generator, or a seed to make it from.

    Returns
    -------
    Translation
        Inputs (samples, 29), small letters, and targets (samples, 11), ids in one vocabulary.

    Raises
    ------
    DataError
        An argument is not as described.
    """
    generator = as_generator("dates", rng)
    samples = demand_count("dates", "samples", samples, 1, 1_000_000)
    first = datetime.date(FIRST_YEAR, 1, 1).toordinal()
    end = datetime.date(LAST_YEAR + 1, 1, 1).toordinal()
    days = [datetime.date.fromordinal(day) for day in generator.integers(first, end, samples)]
    forms = generator.integers(6, size=samples).tolist()
    written = [_written(day, form) for day, form in zip(days, forms, strict=True)]
    iso = [START + day.isoformat() for day in days]
    letters = "".join((*MONTHS, *WEEKDAYS)) + "0123456789,/-"
    vocabulary = Vocabulary.of(letters, special=(PADDING, START))
    return _translation(written, 29, iso, 11, vocabulary)


def pad_sequences(
    sequences: Iterable[ArrayLike],
    *,
    value: float = 0,
    length: int | None = None,
    side: Literal["right", "left"] = "right",
    dtype: DTypeLike | None = None,
) -> Padded:
    """Return sequences of different lengths as one array, and a mask of what is real in it.

    Parameters
    ----------
    sequences : iterable of array_like, shape (steps,) or (steps, ...)
        At least one; the shapes agree but for the number of steps, which may be 0.
    value : number
        What is put where a sequence has ended.
    length : int, optional
        Steps of the result; that of the longest sequence by default. A longer one is refused, not
        cut.
    side : {"right", "left"}
        Where the padding goes. Left, the last step of every sequence is the last of the array.
    dtype : dtype, optional
        Of the result; what the sequences have in common by default.

    Returns
    -------
    Padded
        Values (n, length, ...) and mask (n, length) of bool.

    Raises
    ------
    DataError
        There is no sequence, the shapes do not agree, or one is longer than `length`.

    Examples
    --------
    >>> values, mask = pad_sequences([[1, 2, 3], [4]])
    >>> values.tolist(), mask.sum(axis=1).tolist()
    ([[1, 2, 3], [4, 0, 0]], [3, 1])
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    # An empty list is float64 for NumPy; it must not turn ids into fractions.
    kinds = [array.dtype for array in arrays if array.size] or [a.dtype for a in arrays]
    rests = {array.shape[1:] for array in arrays}
    if not arrays or any(array.ndim == 0 for array in arrays) or len(rests) != 1:
        raise refusal(
            "pad_sequences",
            f"{len(arrays)} sequences, of shapes {sorted({array.shape for array in arrays})[:5]}",
            "at least one, all (steps, ...) alike but for the steps",
            "pass a list with an array for each sequence",
        )
    if side not in ("right", "left"):
        raise refusal("pad_sequences", f"side={side!r}", "'right' or 'left'", "pass one of them")
    lengths = np.array([len(array) for array in arrays])
    steps = int(lengths.max())
    if length is not None:
        length = demand_count("pad_sequences", "length", length, 0)
        if steps > length:
            raise refusal(
                "pad_sequences",
                f"a sequence of {steps} steps",
                f"at most length={length}",
                "cut the sequences first, on the side that matters less",
            )
        steps = length
    kind = np.result_type(*kinds) if dtype is None else np.dtype(dtype)
    if not np.can_cast(np.min_scalar_type(value), kind, "same_kind"):
        raise refusal(
            "pad_sequences",
            f"value={value!r} for {kind}",
            "a value that the dtype can hold",
            "pass dtype=np.float32, or another value",
        )
    places = np.arange(steps)
    mask = places < lengths[:, None]
    if side == "left":
        mask = mask[:, ::-1].copy()
    values = np.full((len(arrays), steps, *next(iter(rests))), value, kind)
    # A mask reads and writes row by row: sequence after sequence, as they were joined.
    values[mask] = np.concatenate([array.astype(kind) for array in arrays])
    return Padded(values, mask)


def _written(day: datetime.date, form: int) -> str:
    """Return a date in one of six forms, without the machine's own language."""
    month, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    match form:
        case 0:
            return f"{month} {day.day}, {day.year}"
        case 1:
            return f"{month[:3]} {day.day}, {day.year}"
        case 2:
            return f"{weekday}, {month} {day.day}, {day.year}"
        case 3:
            return f"{day.day} {month} {day.year}"
        case 4:
            return f"{day.month}/{day.day}/{day.year % 100:02}"
        case _:
            return f"{weekday[:3]} {day.day} {month[:3]} {day.year}"


def _translation(
    questions: list[str], width: int, answers: list[str], length: int, vocabulary: Vocabulary
) -> Translation:
    """Return texts as ids, padded to a width on the right."""
    arrays = [
        vocabulary.encode("".join(text.ljust(size, PADDING) for text in texts)).reshape(-1, size)
        for texts, size in ((questions, width), (answers, length))
    ]
    return Translation(arrays[0], arrays[1], vocabulary)
