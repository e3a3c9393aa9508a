"""CSV files: numbers, words, quotes and gaps are read as told, odd files refused in words."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import read_csv
from tinygrad_edu.errors import DataError

HOUSES = """size, rooms,"town, or city",price
80.5,3,Ulm,200
120,5,"Bad \"\"Tölz\"\"",310
,2,Ulm,150
60,?,Jena,140
"""


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return save


def test_columns_targets_words_and_gaps(saved: Callable[..., Path]) -> None:
    path = saved(HOUSES)
    table = read_csv(path, target="price", missing="mean", categories="one_hot")
    assert table.names == [
        "size", "rooms", 'town, or city=Bad "Tölz"', "town, or city=Jena", "town, or city=Ulm"
    ]  # fmt: skip
    assert table.inputs.dtype == np.float32
    np.testing.assert_allclose(table.inputs[:, 0], [80.5, 120, 260.5 / 3, 60])
    np.testing.assert_allclose(table.inputs[:, 1], [3, 5, 2, 10 / 3])
    assert table.inputs[:, 2:].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert table.targets is not None
    assert table.targets.tolist() == [[200], [310], [150], [140]]
    assert (table.target_names, table.classes) == (["price"], [])


@pytest.mark.parametrize(
    ("missing", "size"),
    [("drop", [80.5, 120]), ("median", [80.5, 120, 80.5, 60]), (-1, [80.5, 120, -1, 60])],
)
def test_what_is_missing_is_dropped_or_filled(
    saved: Callable[..., Path], missing: Any, size: list[float]
) -> None:
    table = read_csv(saved(HOUSES), target=-1, missing=missing, categories="drop")
    assert table.inputs[:, 0].tolist() == size
    assert table.names == ["size", "rooms"]


def test_a_target_of_words_becomes_labels(saved: Callable[..., Path]) -> None:
    text = "1,2,cat\n3,4,ant\n5,6,cat\n"
    table = read_csv(saved(text), target=2, header=False, dtype=np.float64)
    assert table.inputs.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert table.targets is not None
    assert (table.targets.tolist(), table.targets.dtype) == ([1, 0, 1], np.int64)
    assert (table.classes, table.names, table.target_names) == (["ant", "cat"], ["0", "1"], ["2"])
    assert read_csv(saved("a,b\n1,2\n")).targets is None
    several = read_csv(saved("a,b,c\n1,2,3\n"), target=["c", 0])
    assert (several.inputs.tolist(), several.target_names) == ([[2]], ["c", "a"])
    np.testing.assert_array_equal(several.targets, [[3, 1]])


def test_other_countries_and_spreadsheets(saved: Callable[..., Path]) -> None:
    table = read_csv(saved("\ufeffa;b\r\n1,5;2\r\n\r\n3;-4e1\r\n"), delimiter=";", decimal=",")
    assert table.inputs.tolist() == [[1.5, 2], [3, -40]]
    assert table.names == ["a", "b"]
    latin = saved("größe,b\n1,2\n", "latin-1")
    assert read_csv(latin, encoding="latin-1").names == ["größe", "b"]


@given(
    rows=st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_what_python_wrote_is_read_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["x", "y", "z"], *rows])
    assert read_csv(path, dtype=np.float64).inputs.tolist() == rows


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "empty": ("", {}, "no rows"),
    "only a header": ("a,b\n", {}, "at least one behind the header"),
    "a short line": ("a,b\n1,2\n3\n", {}, "1 fields in line 3; expected 2"),
    "a long line": ("a,b\n1,2,3\n", {}, "3 fields in line 2"),
    "a missing value": (
        "a,b\n1,2\n,4\n",
        {},
        "1 missing values, the first in line 3, column 'a'",
    ),
    "a missing target": ("a,b\n1,2\n3,\n", {"missing": 0, "target": "b"}, "missing, in line 3"),
    "nothing left": ("a,b\n1,\n,2\n", {"missing": "drop"}, "a missing value in every row"),
    "no value at all": ("a,b\n1,\n2,\n", {"missing": "mean"}, "no value at all in column 'b'"),
    "a word": ("a,b\n1,red\n", {}, "the word 'red' in column 'b'"),
    "an underscore": ("a,b\n1,1_000\n", {}, "the word '1_000'"),
    "only words": ("a\nred\n", {"categories": "drop"}, "no column of numbers"),
    "a missing word": (
        "a,b\n1,red\n2,\n",
        {"categories": "one_hot", "missing": 0},
        "missing words in column 'b'",
    ),
    "a name a row": (
        "a\n" + "\n".join(f"n{i}" for i in range(1001)),
        {"categories": "one_hot"},
        "1001 different words",
    ),
    "infinity": ("a\ninf\n", {}, "an infinite number in column 'a'"),
    "too large for the dtype": ("a\n1e300\n", {}, "that float32 cannot hold"),
    "no such column": ("a,b\n1,2\n", {"target": "c"}, "no column 'c'; expected one of 2: a, b"),
    "no such place": ("a,b\n1,2\n", {"target": 2}, "no column 2"),
    "a column twice": ("a,b\n1,2\n", {"target": ["a", 0]}, "each column once"),
    "nothing but targets": ("a,b\n1,2\n", {"target": ["a", "b"]}, "all of them targets"),
    "words among targets": (
        "a,b,c\n1,2,x\n",
        {"target": ["b", "c"]},
        "one of several targets",
    ),
    "a name twice": ("a,a\n1,2\n", {}, r"column names \['a'\]"),
    "an open quote": ('a,b\n1,"2\n', {}, "what is no CSV in line"),
    "too many columns": (",".join("1" * 10_001), {"header": False}, "10001 fields in line 1"),
    "too large": ("a\n1\n", {"limit": 3}, "4 bytes; expected at most 3"),
    "delimiter": ("a\n1\n", {"delimiter": ",,"}, "delimiter=',,'"),
    "decimal": ("a\n1\n", {"decimal": ","}, "two different characters"),
    "missing": ("a\n1\n", {"missing": "guess"}, "missing='guess'"),
    "fill with nan": ("a\n1\n", {"missing": np.nan}, "missing=nan"),
    "categories": ("a\n1\n", {"categories": "hash"}, "categories='hash'"),
    "dtype": ("a\n1\n", {"dtype": int}, "dtype int64"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_odd_file_is_refused_with_the_fix(saved: Callable[..., Path], case: str) -> None:
    text, options, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        read_csv(saved(text), **options)
    assert "Fix: " in str(caught.value)


def test_bytes_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for content in (b"\xff\xfe\x00a", b"PK\x03\x04\x80\x81", b"a\0,b\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"table.csv: found (bytes|zero bytes|what)"):
            read_csv(path)


def test_a_mutated_file_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "table.csv"
    outcomes = []
    for _ in range(300):
        content = bytearray(HOUSES.encode())
        for at in rng.integers(len(content), size=rng.integers(1, 6)).tolist():
            content[at] = rng.integers(256) if rng.random() < 0.5 else ord(rng.choice([*'",\n;0']))
        path.write_bytes(content)
        try:
            read_csv(path, target=-1, missing="drop", categories="one_hot")
            outcomes.append("read")
        except DataError:
            outcomes.append("refused")
    assert set(outcomes) == {"read", "refused"}
