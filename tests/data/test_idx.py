"""IDX files: what was written is read, and what is no IDX file is refused cheaply and in words."""

import gzip
import importlib.util
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.data import read_idx, write_idx
from tinygrad_edu.errors import DataError

MIB = 1 << 20
DTYPES = ["u1", "i1", "i2", "i4", "f4", "f8"]


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


GOOD = header(0x08, 2, 3) + bytes(range(6))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[bytes], Path]:
    def save(content: bytes) -> Path:
        path = tmp_path / "numbers.idx"
        path.write_bytes(content)
        return path

    return save


# What is right


@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda kind: hnp.arrays(
            st.sampled_from([np.dtype(kind), np.dtype(kind).newbyteorder()]),
            hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
        )
    ),
    suffix=st.sampled_from(["", ".gz"]),
    transposed=st.booleans(),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, suffix: str, transposed: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / f"array.idx{suffix}"
    array = array.T if transposed else array
    write_idx(path, array)
    result = read_idx(path)
    assert result.dtype == array.dtype.newbyteorder("=")
    assert result.dtype.isnative
    assert result.flags.writeable
    assert result.flags.c_contiguous
    assert result.shape == array.shape
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize(
    ("code", "numbers", "expected"),
    [
        (0x08, b"\x01\xff", np.array([1, 255], np.uint8)),
        (0x09, b"\x01\xff", np.array([1, -1], np.int8)),
        (0x0B, b"\x01\x02\xff\xfe", np.array([258, -2], np.int16)),
        (0x0C, b"\x00\x01\x00\x00\xff\xff\xff\xfe", np.array([65536, -2], np.int32)),
        (0x0D, b"\x3f\x80\x00\x00\xc0\x00\x00\x00", np.array([1, -2], np.float32)),
        (0x0E, b"\x3f\xf0" + bytes(6) + b"\xc0" + bytes(7), np.array([1, -2], np.float64)),
    ],
)
def test_bytes_mean_what_the_format_says(
    saved: Callable[[bytes], Path], code: int, numbers: bytes, expected: np.ndarray
) -> None:
    path = saved(header(code, 2) + numbers)
    result = read_idx(path)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)
    write_idx(path, expected)
    assert path.read_bytes() == header(code, 2) + numbers


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_with_gaps_or_backwards_is_written_in_its_own_order(
    tmp_path: Path, dtype: str
) -> None:
    for array in (np.arange(9, dtype=dtype)[::2], np.arange(9, dtype=dtype)[::-1]):
        write_idx(tmp_path / "array.idx", array)
        assert read_idx(tmp_path / "array.idx").tolist() == array.tolist()


def test_packing_is_seen_from_the_bytes_and_not_from_the_name(tmp_path: Path) -> None:
    (tmp_path / "raw.gz").write_bytes(GOOD)
    (tmp_path / "packed").write_bytes(gzip.compress(GOOD))
    for name in ("raw.gz", "packed"):
        np.testing.assert_array_equal(read_idx(tmp_path / name), [[0, 1, 2], [3, 4, 5]])


def test_gzip_data_may_come_in_several_members(saved: Callable[[bytes], Path]) -> None:
    path = saved(gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]))
    np.testing.assert_array_equal(read_idx(os.fspath(path)), [[0, 1, 2], [3, 4, 5]])


def test_a_packed_file_has_the_same_bytes_whenever_and_wherever_it_is_written(
    tmp_path: Path,
) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(9, dtype=np.uint8))
    content = (tmp_path / "a.gz").read_bytes()
    assert content == (tmp_path / "b.gz").read_bytes()
    assert content[3:8] == bytes(5)  # no name, no time
    assert gzip.decompress(content) == header(0x08, 9) + bytes(range(9))


# What is wrong

MALFORMED = {
    "empty": (b"", "first bytes ''", "00 00 TYPE NDIM"),
    "three bytes": (GOOD[:3], "first bytes '00 00 08'", "00 00 TYPE NDIM"),
    "a web page": (b"<!DOCTYPE html>", "3c 21 44 4f", "00 00 TYPE NDIM"),
    "unknown type": (header(0x0A, 1) + b"\0", "type code 0x0a", "float64 (0x0e)"),
    "more dimensions than NumPy has": (header(8, *[1] * 65) + b"\0", "65 dimens", "at most 64"),
    "cut in the dimensions": (GOOD[:11], "7 bytes of dimensions", "expected 8"),
    "cut in the numbers": (GOOD[:-1], "only 5 bytes", "2 x 3 of uint8"),
    "no numbers": (GOOD[:12], "only 0 bytes", "expected 6"),
    "half a number": (header(0x0B, 2) + bytes(3), "only 3 bytes", "expected 4, for 2 of int16"),
    "a byte too many": (GOOD + b"\0", "more than 6 bytes", "2 x 3 of uint8"),
    "a byte behind nothing": (header(8, 0, 7) + b"\0", "more than 0 bytes", "0 x 7 of uint8"),
    "no number where one belongs": (header(8), "only 0 bytes", "one number of uint8"),
    "absurd": (header(8, *[2**32 - 1] * 4), "4294967295 x", "at most 1073741824"),
    "absurd but empty": (header(8, 0, *[2**32 - 1] * 4), "0 x 4294967295", "at most 1073741824"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_with_what_was_found_expected_and_to_do(
    saved: Callable[[bytes], Path], case: str, packed: bool
) -> None:
    content, found, expected = MALFORMED[case]
    path = saved(gzip.compress(content) if packed else content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    place = [message.index(part) for part in (str(path), "found", "expected", "Fix:")]
    assert place == sorted(place)
    assert found in message
    assert expected in message


def damaged_gzip() -> dict[str, bytes]:
    packed = gzip.compress(GOOD, mtime=0)
    return {
        "only the magic": packed[:2],
        "cut in the header": packed[:7],
        "cut in the data": packed[:14],
        "cut in the checksum": packed[:-5],
        "wrong checksum": packed[:-8] + bytes(4) + packed[-4:],
        "wrong length": packed[:-4] + bytes(4),
        "unknown method": packed[:2] + b"\x07" + packed[3:],
        "broken data": packed[:10] + b"\xff" * 8 + packed[18:],
        "something behind it": packed + b"something",
    }


@pytest.mark.parametrize("case", damaged_gzip())
def test_damaged_gzip_data_are_refused(saved: Callable[[bytes], Path], case: str) -> None:
    path = saved(damaged_gzip()[case])
    with pytest.raises(DataError, match=r"damaged gzip data .*; expected .* Fix: ") as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_the_limit_is_the_callers_and_exact(saved: Callable[[bytes], Path]) -> None:
    path = saved(GOOD)
    assert read_idx(path, limit=6).size == 6
    with pytest.raises(DataError, match=r"expected at most 5\. Fix: .*limit=6"):
        read_idx(path, limit=5)


def test_a_missing_file_is_reported_by_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


def test_a_failing_disk_is_not_called_a_damaged_file(
    saved: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(stream: gzip.GzipFile, size: int) -> bytes:
        raise OSError(f"{stream.mode}: input/output error in {size} bytes")

    path = saved(gzip.compress(GOOD))
    monkeypatch.setattr(gzip.GzipFile, "read", fail)
    with pytest.raises(OSError, match="input/output error"):
        read_idx(path)


def refusals() -> dict[str, tuple[list[bytes], int]]:
    """Return files, as gzip members or raw, that would fill memory if they were believed."""
    zeros = gzip.compress(bytes(16 * MIB), 1)
    return {
        "unpacks to far more than it declares": ([gzip.compress(GOOD), *[zeros] * 64], 1 << 30),
        "unpacks to less than it declares": (
            [gzip.compress(header(8, 256 * MIB)), *[zeros] * 15],
            1 << 30,
        ),
        "is right but for its very last byte": (
            [gzip.compress(header(8, 240 * MIB)), *[zeros] * 14, zeros[:-1] + b"\xff"],
            1 << 30,
        ),
        "declares 1 GiB and holds none": ([header(8, 1 << 30)], 1 << 30),
        "declares 1 TiB under a limit beyond reason": ([header(8, 1 << 20, 1 << 20)], 1 << 80),
        "declares more than any machine has": ([header(0x0E, *[2**32 - 1] * 64)], 1 << 30),
    }


@pytest.mark.parametrize("case", refusals())
def test_a_refused_file_costs_under_64_mib(saved: Callable[[bytes], Path], case: str) -> None:
    members, limit = refusals()[case]
    path = saved(b"".join(members))
    del members
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path, limit=limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * MIB


def test_a_good_file_costs_its_array_and_little_more(tmp_path: Path) -> None:
    path = tmp_path / "big.gz"
    write_idx(path, np.zeros((16 * MIB,), np.float32))
    tracemalloc.start()
    try:
        result = read_idx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.nbytes == 64 * MIB
    assert peak < result.nbytes + 8 * MIB


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
def test_a_mutated_file_is_read_or_refused_and_nothing_else(
    saved: Callable[[bytes], Path], packed: bool
) -> None:
    rng = np.random.default_rng(20)
    content = header(0x0C, 5, 2, 3) + rng.bytes(120)
    content = gzip.compress(content, mtime=0) if packed else content
    outcomes, messages = [], []
    for _ in range(400):
        mutant = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            # Half of the hits go to the first bytes, where they mean the most.
            at = int(rng.integers(16 if rng.random() < 0.5 else len(mutant)))
            match rng.integers(4):
                case 0:
                    mutant[at % len(mutant)] = rng.integers(256)
                case 1:
                    mutant[at % len(mutant)] ^= 1 << int(rng.integers(8))
                case 2:
                    mutant[at:at] = rng.bytes(int(rng.integers(1, 5)))
                case 3:
                    del mutant[max(at, 1) :]
        path = saved(bytes(mutant))
        try:
            outcomes.append(isinstance(read_idx(path), np.ndarray))
        except DataError as error:
            outcomes.append(False)
            messages.append(str(error))
    assert True in outcomes
    assert False in outcomes
    assert all(str(path) in message for message in messages)


# Writing


@pytest.mark.parametrize(
    "array",
    [np.zeros(2, np.int64), np.zeros(2, bool), np.zeros(2, np.uint16), [1.5j], ["a"], [None]],
    ids=lambda array: str(np.asarray(array).dtype),
)
def test_a_dtype_without_a_code_is_refused_and_nothing_is_written(
    tmp_path: Path, array: Any
) -> None:
    with pytest.raises(DataError, match=r"found an array of dtype .*; expected .* Fix: .*astype"):
        write_idx(tmp_path / "array.idx", array)
    assert list(tmp_path.iterdir()) == []


def test_a_dimension_beyond_32_bits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found an array of shape \(0, 4294967296\)"):
        write_idx(tmp_path / "array.idx", np.empty((0, 1 << 32), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "array.idx"
    write_idx(path, np.arange(3, dtype=np.uint8))
    before = path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(f"no space left for descriptor {descriptor}")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_idx(path, np.arange(4, dtype=np.uint8))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_stale_draft_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "array.idx"
    (tmp_path / "array.idx.tmp").write_bytes(b"left behind by a kill, and longer than the new file")
    write_idx(path, np.arange(3, dtype=np.uint8))
    assert read_idx(path).tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [path]


def test_reading_and_writing_leave_their_arguments_alone(tmp_path: Path) -> None:
    array = np.arange(6, dtype=">i2").reshape(2, 3)
    array.flags.writeable = False
    copy = array.tobytes()
    write_idx(tmp_path / "array.idx", array)
    content = (tmp_path / "array.idx").read_bytes()
    read_idx(tmp_path / "array.idx")[...] = 0
    assert array.tobytes() == copy
    assert (tmp_path / "array.idx").read_bytes() == content


@pytest.mark.hazard(35)
def test_500_mutated_files_raise_nothing_but_the_documented_errors_and_cost_little(
    tmp_path: Path,
) -> None:
    path = Path(__file__).with_name("fuzz_idx.py")
    spec = importlib.util.spec_from_file_location("fuzz_idx", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outcomes, worst = module.fuzz(500, 35, tmp_path)
    assert outcomes["read"] + outcomes["DataError"] == 500
    assert min(outcomes["read"], outcomes["DataError"]) > 20
    assert worst < 64 * MIB
