"""CSV files: a table of numbers and words as inputs and targets.

Knows: the csv module, and that a file may be odd. Does not know: what the columns mean.
Read next: `splits.py`, then `preprocess.py`.
"""

import csv
import math
import os
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_edu.data.checks import demand_count, demand_float, refusal
from tinygrad_edu.data.preprocess import OneHot

__all__ = ["Table", "read_csv"]

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
COLUMNS = 10_000
CATEGORIES = 1000


class Table(NamedTuple):
    """What a CSV file holds.

    Attributes
    ----------
    inputs : ndarray, shape (rows, features)
        Numbers; a column of words is one feature for each word.
    targets : ndarray
        (rows, targets) of numbers; (rows,), int64, where the one target is words: their number in
        `classes`; None without a target.
    names : list of str
        Of the features; ``colour=red`` for words.
    target_names : list of str
        Of the targets.
    classes : list of str
        What the numbers of a target of words mean; else empty.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any] | None
    names: list[str]
    target_names: list[str]
    classes: list[str]


def read_csv(
    path: str | os.PathLike[str],
    *,
    target: str | int | Sequence[str | int] | None = None,
    missing: Literal["refuse", "drop", "mean", "median"] | float = "refuse",
    categories: Literal["refuse", "one_hot", "drop"] = "refuse",
    header: bool = True,
    delimiter: str = ",",
    decimal: str = ".",
    encoding: str = "utf-8-sig",
    dtype: DTypeLike = np.float32,
    limit: int = 1 << 26,
) -> Table:
    """Return the columns of a CSV file as inputs and targets.

    Parameters
    ----------
    path : str or path
        The file; fields may be quoted, and blanks around them are ignored.
    target : str, int, or several, optional
        Names, or places from 0 (-1 is the last), of what is to be predicted.
    missing : {"refuse", "drop", "mean", "median"} or number
        What becomes of empty fields and of NA, nan, null, none and ?: an error, the row is left
        out, or the field is filled. Mean and median are of all rows of the file: to fill from the
        training part only, read with "drop" or a number and fill yourself. In targets and in words
        they can only be dropped.
    categories : {"refuse", "one_hot", "drop"}
        What becomes of input columns that hold words: an error, a feature for each word, or the
        column is left out.
    header : bool
        Whether the first row has names; else the columns are called "0", "1", ...
    delimiter : str
        Between fields: one character.
    decimal : {".", ","}
        Mark of decimals.
    encoding : str
        Of the file.
    dtype : dtype
        Of inputs, and of targets that are numbers.
    limit : int
        Largest file, in bytes.

    Returns
    -------
    Table
        `inputs, targets, names, target_names, classes`.

    Raises
    ------
    DataError
        The file is empty, too large or no table, or holds what the options do not allow; the text
        says in which line and column.
    OSError
        The file cannot be opened.
    """
    name = os.fspath(path)
    dtype = demand_float("read_csv", dtype)
    limit = demand_count("read_csv", "limit", limit, 1)
    _demand_options(missing, categories, delimiter, decimal)
    names, rows, lines = _read(name, header, delimiter, encoding, limit)
    wanted = [] if target is None else [target] if isinstance(target, str | int) else [*target]
    targets = [_place(name, names, one) for one in wanted]
    if len(set(targets)) != len(targets):
        raise refusal("read_csv", f"target={target!r}", "each column once", "name it once")
    if len(targets) == len(names):
        raise refusal(
            name, f"{len(names)} columns, all of them targets", "some to predict from", "name fewer"
        )
    empty = np.array([[field.lower() in MISSING for field in row] for row in rows], bool)
    if missing == "refuse" and empty.any():
        row, column = (int(i) for i in np.unravel_index(int(empty.argmax()), empty.shape))
        raise refusal(
            name,
            f"{int(empty.sum())} missing values, the first in line {lines[row]}, column "
            f"{names[column]!r}",
            "a value in every field",
            "pass missing='drop', 'mean', 'median' or a number",
        )
    gone = empty if missing == "drop" else empty[:, targets]
    kept = np.flatnonzero(~gone.any(axis=1))
    if missing != "drop" and len(kept) < len(rows):
        first = int(np.flatnonzero(gone.any(axis=1))[0])
        raise refusal(
            name,
            f"a target that is missing, in line {lines[first]}",
            "a target in every row",
            "pass missing='drop'",
        )
    if len(kept) == 0:
        raise refusal(
            name, "a missing value in every row", "at least one whole row", "pass missing='mean'"
        )
    empty = empty[kept]
    whole = [rows[row] for row in kept.tolist()]
    columns = [[fields[i] for fields in whole] for i in range(len(names))]
    numbers = [_numbers(column, empty[:, i], decimal) for i, column in enumerate(columns)]
    features: list[NDArray[Any]] = []
    labels: list[str] = []
    for i, (texts, values) in enumerate(zip(columns, numbers, strict=True)):
        if i in targets:
            continue
        if isinstance(values, str):
            if categories == "drop":
                continue
            coded, words = _words(name, names[i], texts, values, empty[:, i], categories)
            features.append(coded)
            labels += [f"{names[i]}={word}" for word in words]
        else:
            features.append(_filled(name, names[i], values, empty[:, i], missing)[:, None])
            labels.append(names[i])
    if not features:
        raise refusal(name, "no column of numbers", "at least one", "pass categories='one_hot'")
    with np.errstate(over="ignore"):
        inputs = np.concatenate(features, axis=1).astype(dtype)
    _demand_range(name, inputs, labels, dtype)
    found, classes = _targets(name, names, columns, numbers, targets, dtype)
    return Table(inputs, found, labels, [names[i] for i in targets], classes)


def _demand_options(missing: Any, categories: Any, delimiter: Any, decimal: Any) -> None:
    """Refuse an option that is none."""
    number = isinstance(missing, int | float) and not isinstance(missing, bool)
    if not (number and math.isfinite(missing)) and missing not in (
        "refuse", "drop", "mean", "median",
    ):  # fmt: skip
        raise refusal(
            "read_csv",
            f"missing={missing!r}",
            "'refuse', 'drop', 'mean', 'median' or a finite number",
            "pass one of them",
        )
    if categories not in ("refuse", "one_hot", "drop"):
        raise refusal(
            "read_csv",
            f"categories={categories!r}",
            "'refuse', 'one_hot' or 'drop'",
            "pass one of them",
        )
    if (
        not isinstance(delimiter, str)
        or len(delimiter) != 1
        or delimiter in '"\r\n'
        or decimal not in (".", ",")
        or decimal == delimiter
    ):
        raise refusal(
            "read_csv",
            f"delimiter={delimiter!r}, decimal={decimal!r}",
            "two different characters, the second '.' or ','",
            "pass for example delimiter=';', decimal=','",
        )


def _read(
    name: str, header: bool, delimiter: str, encoding: str, limit: int
) -> tuple[list[str], list[list[str]], list[int]]:
    """Return names, rows of fields, and the line of the file in which each row ends."""
    with open(name, encoding=encoding, newline="") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise refusal(
                name,
                f"{size} bytes",
                f"at most {limit}",
                f"if you trust the file, pass limit={size}",
            )
        rows: list[list[str]] = []
        lines: list[int] = []
        reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            for fields in reader:
                if not fields:
                    continue  # an empty line
                row = [field.strip() for field in fields]
                width = len(rows[0]) if rows else len(row)
                if len(row) != width or width > COLUMNS:
                    raise refusal(
                        name,
                        f"{len(row)} fields in line {reader.line_num}",
                        f"{width} as in the first row" if rows else f"at most {COLUMNS}",
                        "mend the line; check the delimiter, and quote fields that contain it",
                    )
                rows.append(row)
                lines.append(reader.line_num)
        except csv.Error as error:
            raise refusal(
                name,
                f"what is no CSV in line {reader.line_num} ({error})",
                "fields with a delimiter between them, quotes in pairs",
                "open it as text and mend the line",
            ) from error
        except UnicodeError as error:
            raise refusal(
                name,
                f"bytes that are not {encoding}",
                "a text file",
                "pass encoding='latin-1' or what it was saved with; a spreadsheet is to be "
                "exported as CSV",
            ) from error
    if any("\0" in field for field in (rows[0] if rows else [])):
        raise refusal(name, "zero bytes", "a text file", "pass its encoding, as 'utf-16'")
    names = [str(i) for i in range(len(rows[0]))] if rows else []
    if header and rows:
        names, rows, lines = rows[0], rows[1:], lines[1:]
        twice = sorted({one for one in names if names.count(one) > 1 or not one})
        if twice:
            raise refusal(
                name,
                f"the column names {twice[:5]} empty or more than once",
                "a name of its own for each column",
                "mend the first line, or pass header=False if it has no names",
            )
    if not rows:
        raise refusal(
            name,
            "no rows",
            "at least one" + (" behind the header" if header else ""),
            "check the file, or pass header=False if the first row has values",
        )
    return names, rows, lines


def _place(name: str, names: list[str], column: Any) -> int:
    """Return the place of a column that was given by name or place."""
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, int) and -len(names) <= column < len(names):
        return column % len(names)
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    raise refusal(
        name,
        f"no column {column!r}",
        f"one of {len(names)}: {shown}",
        "check the spelling, and whether the file has a header",
    )


def _numbers(
    column: list[str], empty: NDArray[np.bool_], decimal: str
) -> NDArray[np.float64] | str:
    """Return a column's numbers, 0 where one is missing, or the first word in it."""
    values = np.zeros(len(column))
    for i, (field, blank) in enumerate(zip(column, empty.tolist(), strict=True)):
        if not blank:
            try:
                # Python reads 1_000 as a number; in a table it is a word.
                text = field if "_" not in field else "no number"
                values[i] = float(text.replace(",", ".") if decimal == "," else text)
            except ValueError:
                return field
    return values


def _words(
    name: str,
    title: str,
    column: list[str],
    word: str,
    empty: NDArray[np.bool_],
    categories: str,
) -> tuple[NDArray[Any], list[str]]:
    """Return a column of words as features, and the words."""
    if categories == "refuse":
        raise refusal(
            name,
            f"the word {word[:40]!r} in column {title!r}",
            "numbers",
            "pass categories='one_hot' or 'drop', or decimal=',' for numbers like 2,5",
        )
    if empty.any():
        raise refusal(name, f"missing words in column {title!r}", "a word", "pass missing='drop'")
    coder = OneHot().fit(column)
    if len(coder.categories) > CATEGORIES:
        raise refusal(
            name,
            f"{len(coder.categories)} different words in column {title!r}",
            f"at most {CATEGORIES}",
            "it is a name, not a category: pass categories='drop', or take it out",
        )
    return coder.transform(column), coder.categories.tolist()


def _filled(
    name: str, title: str, values: NDArray[np.float64], empty: NDArray[np.bool_], missing: Any
) -> NDArray[np.float64]:
    """Return numbers with something where one is missing."""
    if not np.isfinite(values).all():
        raise refusal(
            name, f"an infinite number in column {title!r}", "finite numbers", "mend the file"
        )
    if not empty.any():
        return values
    present = values[~empty]
    if missing in ("mean", "median") and len(present) == 0:
        raise refusal(
            name, f"no value at all in column {title!r}", "at least one", "take the column out"
        )
    if isinstance(missing, str):
        missing = np.mean(present) if missing == "mean" else np.median(present)
    return np.where(empty, missing, values)


def _demand_range(name: str, inputs: NDArray[Any], labels: list[str], dtype: np.dtype[Any]) -> None:
    """Refuse numbers that the dtype cannot hold."""
    if not np.isfinite(inputs).all():
        bad = labels[int(np.flatnonzero(~np.isfinite(inputs).all(axis=0))[0])]
        raise refusal(
            name,
            f"a number in column {bad!r} that {dtype} cannot hold",
            f"at most {np.finfo(dtype).max:.3g}",
            "pass dtype=np.float64, or give the column another unit",
        )


def _targets(
    name: str,
    names: list[str],
    columns: list[list[str]],
    numbers: list[NDArray[np.float64] | str],
    targets: list[int],
    dtype: np.dtype[Any],
) -> tuple[NDArray[Any] | None, list[str]]:
    """Return targets, and what they mean if they are words."""
    if not targets:
        return None, []
    found = [(i, numbers[i]) for i in targets]
    if len(found) == 1 and isinstance(found[0][1], str):
        words, labels = np.unique(np.array(columns[targets[0]]), return_inverse=True)
        return labels.reshape(-1).astype(np.int64), words.tolist()
    arrays = []
    for i, values in found:
        if isinstance(values, str):
            raise refusal(
                name,
                f"the word {values[:40]!r} in column {names[i]!r}, one of several targets",
                "numbers, or a single target of words",
                "name one target",
            )
        arrays.append(values)
    with np.errstate(over="ignore"):
        stacked = np.stack(arrays, axis=1).astype(dtype)
    _demand_range(name, stacked, [names[i] for i in targets], dtype)
    return stacked, []
