"""Checkpoint files: what was written is read, and nothing else is ever taken for it."""

import hashlib
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.errors import CheckpointError
from tinygrad_edu.train import read_checkpoint, write_checkpoint
from tinygrad_edu.train.checkpoint import HEADER, MAX_HEADER, SUMS

MIB = 1 << 20
ARRAYS = {
    "model/first.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "step": np.array(7, np.int64),
    "order": np.array([2, 0, 1]),
    "empty": np.empty((0, 3)),
    "mask": np.array([True, False]),
}
CONTENT = {"iteration": 3, "rng": {"state": 2**127 + 1}, "text": "Größe", "none": None}


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether two dictionaries hold the same arrays: names, order, dtype, shape and bits."""
    return list(found) == list(expected) and all(
        found[name].dtype == array.dtype
        and found[name].shape == array.shape
        and found[name].tobytes() == array.tobytes()
        for name, array in expected.items()
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.npz"


# ------------------------------------------------------------------------------ what is right


def test_what_was_written_is_read(path: Path) -> None:
    assert write_checkpoint(path, ARRAYS, CONTENT) == path
    arrays, content = read_checkpoint(path)
    assert same(arrays, ARRAYS)
    assert content == CONTENT
    assert all(array.flags.owndata and array.flags.writeable for array in arrays.values())
    assert os.listdir(path.parent) == [path.name]


@given(
    array=st.sampled_from(["?", "i1", "u2", "<i8", ">f4", "f8", "c16"]).flatmap(
        lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
    ),
    fortran=st.booleans(),
)
def test_arrays_of_any_shape_and_order_are_read(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, fortran: bool
) -> None:
    path = tmp_path_factory.mktemp("checkpoint") / "state.npz"
    array = np.asarray(array, order="F") if fortran else array
    write_checkpoint(path, {"a": array, "b": array.T}, {})
    arrays, _ = read_checkpoint(path)
    assert same(arrays, {"a": array, "b": array.T})


def test_numpy_reads_the_arrays_too(path: Path) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    with np.load(path, allow_pickle=False) as file:
        assert all(np.array_equal(file[name], array) for name, array in ARRAYS.items())


def test_the_sums_are_those_of_sha256sum(path: Path) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    with zipfile.ZipFile(path) as archive:
        for line in archive.read(SUMS).decode().splitlines():
            digest, name = line.split("  ")
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest


def test_equal_contents_make_equal_files(tmp_path: Path) -> None:
    files = [write_checkpoint(tmp_path / f"{i}.npz", ARRAYS, CONTENT) for i in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()


# ------------------------------------------------------------------------------ what is wrong


def test_no_mutation_loads_with_other_contents(path: Path) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    whole = path.read_bytes()
    dice = random.Random(0)
    refused = 0
    for _ in range(600):
        data = bytearray(whole)
        # The end holds the list of members, where damage has the most forms.
        place = dice.randrange(len(data) - 700 if dice.random() < 0.5 else 0, len(data))
        change = dice.randrange(5)
        if change == 0:
            data[place] ^= 1 << dice.randrange(8)
        elif change == 1:
            data[place : place + 4] = dice.randbytes(4)
        elif change == 2:
            del data[place : place + dice.randrange(1, 40)]
        elif change == 3:
            data[place:place] = dice.randbytes(dice.randrange(1, 40))
        else:
            del data[place:]
        path.write_bytes(data)
        try:
            arrays, content = read_checkpoint(path)
        except CheckpointError:
            refused += 1
        else:
            assert same(arrays, ARRAYS)
            assert content == CONTENT
    assert refused > 400


def repacked(path: Path, change: Any, *, sign: bool = True, **how: Any) -> None:
    """Write the file again with other members, and with sums that agree with them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != SUMS}
        sums = archive.read(SUMS)
    change(members)
    if sign:
        sums = "".join(
            f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in members.items()
        ).encode()
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, data in {**members, SUMS: sums}.items():
            archive.writestr(name, data)


def edited(**facts: Any) -> Any:
    """A change of the header that keeps it JSON."""

    def change(members: dict[str, bytes]) -> None:
        members[HEADER] = json.dumps({**json.loads(members[HEADER]), **facts}).encode()

    return change


def with_pickle(members: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
    members["step.npy"] = buffer.getvalue()
    header = json.loads(members[HEADER])
    header["arrays"]["step"] = {"dtype": "|O", "shape": [1]}
    members[HEADER] = json.dumps(header).encode()


def with_huge_array(members: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
    )
    members["step.npy"] = buffer.getvalue()
    header = json.loads(members[HEADER])
    header["arrays"]["step"] = {"dtype": "<f8", "shape": [1 << 40]}
    members[HEADER] = json.dumps(header).encode()


FORGERIES = {
    "another format": edited(format="somebody else's"),
    "a later version": edited(version=2),
    "no arrays listed": edited(arrays={}),
    "no content": lambda members: members.update({HEADER: b'{"format": 1}'}),
    "no JSON": lambda members: members.update({HEADER: b"{"}),
    "deep JSON": lambda members: members.update({HEADER: b"[" * 100_000}),
    "long header": lambda members: members.update({HEADER: b" " * (MAX_HEADER + 1)}),
    "one array too many": lambda members: members.update({"more.npy": members["step.npy"]}),
    "one array missing": lambda members: members.pop("step.npy"),
    "arrays exchanged": lambda members: members.update({"step.npy": members["order.npy"]}),
    "array cut off": lambda members: members.update({"step.npy": members["step.npy"][:-1]}),
    "array too long": lambda members: members.update({"step.npy": members["step.npy"] + b"0"}),
    "no array": lambda members: members.update({"step.npy": b"hello"}),
    "pickle": with_pickle,
    "huge array": with_huge_array,
}


@pytest.mark.hazard(34)
@pytest.mark.hazard(35)
@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_with_right_sums_is_refused_and_costs_little(path: Path, what: str) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    repacked(path, FORGERIES[what])
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=r"state\.npz"):
            read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


def test_wrong_sums_are_refused(path: Path) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    repacked(path, edited(content={}), sign=False)
    with pytest.raises(CheckpointError, match="SHA-256"):
        read_checkpoint(path)


@pytest.mark.hazard(35)
def test_a_packed_member_is_refused_before_it_is_unpacked(path: Path) -> None:
    write_checkpoint(path, {"a": np.zeros(8 * MIB)}, {})
    repacked(path, dict.copy, compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="members"):
            read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_a_list_of_members_that_claims_to_be_long_is_refused(path: Path) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, len(data) - 10, 1 << 30)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="too long"):
        read_checkpoint(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 100, b"PK\5\6" + bytes(18)])
def test_what_is_no_zip_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"state\.npz"):
        read_checkpoint(path)


def test_a_missing_file_is_an_os_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_checkpoint(path)


# ------------------------------------------------------------------------------ writing


@pytest.mark.parametrize(
    ("arrays", "content", "words"),
    [
        ({"a": np.array(["text"])}, {}, "'a' is of <U4"),
        ({"a": [1, 2]}, {}, "'a' is of list"),
        ({}, {"value": float("nan")}, "JSON"),
        ({}, {"value": np.arange(2)}, "JSON"),
        ({}, {"value": "x" * MAX_HEADER}, "bytes"),
    ],
    ids=["text", "list", "nan", "array", "long"],
)
def test_what_cannot_be_read_back_is_not_written(
    path: Path, arrays: Any, content: Any, words: str
) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    with pytest.raises(CheckpointError, match=words):
        write_checkpoint(path, arrays, content)
    assert same(read_checkpoint(path)[0], ARRAYS)
    assert os.listdir(path.parent) == [path.name]


def test_more_arrays_than_zip_can_count_are_not_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    with pytest.raises(CheckpointError, match="too large"):
        write_checkpoint(path, ARRAYS, {})
    assert read_checkpoint(path)[1] == CONTENT


@pytest.mark.hazard(33)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_on_the_way_to_disk_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_checkpoint(path, ARRAYS, CONTENT)

    def fail(*_args: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="disk full"):
            write_checkpoint(path, {}, {"new": True})
    assert read_checkpoint(path)[1] == CONTENT
    assert os.listdir(path.parent) == [path.name]


ENDLESS = """
import sys, numpy as np
from tinygrad_edu.train.checkpoint import write_checkpoint
array = np.zeros(300_000)
print("ready", flush=True)
while True:
    write_checkpoint(sys.argv[1], {"array": array}, {"value": array[0]})
    array += 1
"""


@pytest.mark.hazard(33)
def test_a_kill_while_saving_leaves_a_whole_file(path: Path) -> None:
    dice = random.Random(1)
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            while not path.exists():
                assert child.poll() is None
            inode = path.stat().st_ino
            for _ in range(dice.randrange(1, 4)):  # at another place of another save each time
                while path.stat().st_ino == inode:
                    assert child.poll() is None
                inode = path.stat().st_ino
            for _ in range(dice.randrange(3000)):
                pass
            child.send_signal(signal.SIGKILL)
        arrays, content = read_checkpoint(path)
        assert (arrays["array"] == content["value"]).all()
        assert set(os.listdir(path.parent)) <= {path.name, f"{path.name}.tmp"}
    write_checkpoint(path, {}, {})
    assert os.listdir(path.parent) == [path.name]
