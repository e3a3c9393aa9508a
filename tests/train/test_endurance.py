"""Long runs: short forms of tests/benchmarks/endurance.py, and what a bad file may cost."""

import ast
import os
import re
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu
from tinygrad_edu.errors import CheckpointError
from tinygrad_edu.train import read_checkpoint, write_checkpoint

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "endurance.py"
PACKAGE = Path(tinygrad_edu.__file__).parent


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ------------------------------------------------------------------------------ killed


@pytest.mark.slow
@pytest.mark.hazard(33)
def test_a_run_that_is_killed_loses_nothing_that_it_had_saved() -> None:
    text = run(str(PROGRAM), "kill", "--count", "8", "--fresh")
    assert "8 kills" in text
    assert "0 lost a save" in text
    assert "0 more than one temporary file; after the next save 0 are left" in text
    assert "equals the unbroken one: True; each record is in the log once: True" in text


@pytest.mark.hazard(33)
def test_no_damage_loads_as_something_else() -> None:
    text = run(str(PROGRAM), "corrupt", "--count", "300")
    assert "0 loaded as something else, 0 other errors, 0 trainers changed" in text
    refused = re.search(r"(\d+) refused", text)
    assert refused
    assert int(refused[1]) > 250


@pytest.mark.slow
@pytest.mark.hazard(27)
def test_memory_does_not_grow_though_nobody_collects() -> None:
    text = run(str(PROGRAM), "soak", "--steps", "3000", "--traced")
    grown = re.search(r"grew by (-?[\d.]+) MiB", text)
    assert grown
    assert float(grown[1]) < 0.25
    assert "; 0 objects were left in cycles" in text


# ------------------------------------------------------------------------------ nothing is executed


@pytest.mark.hazard(34)
def test_nothing_in_the_package_can_unpickle() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [getattr(node, "module", None), *(alias.name for alias in node.names)]
                assert not {"pickle", "marshal", "shelve", "dill"} & set(names), path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", path
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                assert any(keyword.arg == "allow_pickle" for keyword in node.keywords), path


# ------------------------------------------------------------------------------ what a file costs

BOMB = """
    import json, sys, zipfile, hashlib, io, struct
    import numpy as np
    import resource
    from tinygrad_edu.errors import CheckpointError
    from tinygrad_edu.train import read_checkpoint

    kind, path = sys.argv[1:]
    huge = 1 << 40
    if kind == "directory":  # the end says that a gigabyte of names comes before it
        end = struct.pack("<4s4H2LH", b"PK\\5\\6", 0, 0, 65535, 65535, 1 << 30, 0, 0)
        with open(path, "wb") as file:
            file.truncate(2 << 30)
            file.seek(0, 2)
            file.write(end)
    elif kind == "names":  # as many members as the format can count
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(60_000):
                archive.writestr(f"{number}" + "x" * 200, b"")
    else:
        header = {"format": "tinygrad_edu checkpoint", "version": 1, "content": {},
                  "arrays": {"a": {"dtype": "<f8", "shape": [huge]}}}
        npy = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            npy, {"descr": "<f8", "fortran_order": False, "shape": (huge,)})
        data = {"header.json": json.dumps(header).encode(), "a.npy": npy.getvalue()}
        if kind == "header":
            data["header.json"] = b"[" * (3 << 20)
        if kind == "packed":
            data["a.npy"] = bytes(400 << 20)
        sums = "".join(f"{hashlib.sha256(d).hexdigest()}  {n}\\n" for n, d in data.items())
        how = zipfile.ZIP_DEFLATED if kind == "packed" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", how) as archive:
            for name, d in {**data, "SHA256SUMS": sums}.items():
                archive.writestr(name, d)
        del data

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024)

    # The limit is of address space: what the process has now, and 256 MiB more.
    now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20),) * 2)
    before = peak()
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        print("refused", (peak() - before) >> 20, isinstance(error.__cause__, MemoryError))
"""


@pytest.mark.hazard(35)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory from /proc")
@pytest.mark.parametrize("kind", ["directory", "names", "array", "header", "packed"])
def test_a_refused_file_costs_less_than_256_mib(tmp_path: Path, kind: str) -> None:
    said, grown, starved = run(
        "-c", textwrap.dedent(BOMB), kind, str(tmp_path / "bomb.npz")
    ).split()
    assert said == "refused"
    assert int(grown) < 256
    assert starved == "False", "it was refused by reading, not because memory was short"


# ------------------------------------------------------------------------------ names

NAMES = [
    "file", "arr_0", "args", "kwds", "header.json", "SHA256SUMS", "a.npy", "", " ", ".", "..",
    "../../evil", "/etc/passwd", "C:\\windows", "a/b//c", "a\\b", "gewicht.größe", "重み", "🙂",
    "new\nline", "tab\t", "nul\0inside", "nul", "NUL", "con", "x" * 5_000, "'; drop", "%s{0}",
]  # fmt: skip


@pytest.mark.hazard(37)
def test_any_name_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.npz"
    path.parent.mkdir()
    arrays = {name: np.array([i, len(name)]) for i, name in enumerate(NAMES)}
    write_checkpoint(path, arrays, {"names": NAMES})
    found, content = read_checkpoint(path)
    assert list(found) == NAMES == content["names"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.hazard(37)
@given(st.lists(st.text(max_size=30), unique=True, max_size=6))
def test_any_names_come_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("names") / "state.npz"
    arrays = {name: np.full(2, i) for i, name in enumerate(names)}
    write_checkpoint(path, arrays, {})
    found, _ = read_checkpoint(path)
    assert list(found) == names
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


@pytest.mark.hazard(37)
def test_a_name_that_no_archive_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    write_checkpoint(path, {"a": np.ones(1)}, {})
    for name, words in (("x" * 70_000, "70000 characters"), ("\ud800", "JSON")):
        with pytest.raises(CheckpointError, match=words):
            write_checkpoint(path, {name: np.ones(1)}, {})
    assert list(read_checkpoint(path)[0]) == ["a"]
    assert os.listdir(tmp_path) == ["state.npz"]


@pytest.mark.hazard(36)
def test_a_name_never_becomes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "one" / "two"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    names = ["../evil", "../../evil", str(tmp_path / "evil"), "sub/evil"]
    write_checkpoint("state.npz", dict.fromkeys(names, np.ones(1)), {})
    for call in ("extract", "extractall"):
        monkeypatch.setattr(zipfile.ZipFile, call, None)
    assert list(read_checkpoint("state.npz")[0]) == names
    files = [
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    ]
    assert files == ["one/two/state.npz"]


@pytest.mark.hazard(36)
def test_nothing_in_the_package_extracts_an_archive() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("extractall", "unpack_archive"), path


# ------------------------------------------------------------------------------ every system


@pytest.mark.hazard(39)
def test_what_only_some_systems_have_is_not_imported_with_the_package() -> None:
    only_some = {"fcntl", "resource", "termios", "pwd", "grp", "msvcrt", "winreg", "pty", "tty"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                assert not only_some & {alias.name for alias in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert node.module not in only_some, path
