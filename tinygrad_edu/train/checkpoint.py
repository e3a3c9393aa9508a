"""Checkpoint files: named arrays and a JSON header in one file, whole or refused.

The file is an ``.npz``: a zip archive, packed by nothing, so that nothing can unpack to more than
it is. Its members are, in this order::

    header.json     {"format", "version", "arrays": {name: {"dtype", "shape"}}, "content"}
    <name>.npy      one for each array, as ``np.load(path)[name]`` reads it too
    SHA256SUMS      one line for each member above, as ``sha256sum`` writes it

Zip's own checksum has 32 bits and does not cover names; the sums do better. A reader believes
nothing before the sums agree, and takes no memory for an array before its size was compared with
the bytes that are there.

Knows: bytes on disk. Does not know: whose arrays they are; ``trainer.py`` names them.
Read next: ``trainer.py``.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinygrad_edu.errors import CheckpointError
from tinygrad_edu.files import write_whole

__all__ = ["read_checkpoint", "write_checkpoint"]

Array = np.ndarray[Any, Any]

FORMAT, VERSION = "tinygrad_edu checkpoint", 1
HEADER, SUMS = "header.json", "SHA256SUMS"
KINDS = "biufc"
"""Kinds of dtype that are nothing but numbers."""
CHUNK = 1 << 20
MAX_HEADER = 4 << 20
MAX_DIRECTORY = 4 << 20
MAX_NAME = 60_000
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Zip's earliest time; without clock times, equal contents make equal files."""
DAMAGE = (
    zipfile.BadZipFile, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
    OSError, OverflowError, RuntimeError, SyntaxError, MemoryError, struct.error,
)  # fmt: skip
"""What zip, JSON and NumPy's readers raise on bytes that nobody wrote on purpose."""


def write_checkpoint(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], content: Mapping[str, Any]
) -> Path:
    """Write named arrays and a header as one file, whole or not at all, and return its path.

    Parameters
    ----------
    path : str or path
        The file; what was there before stays until the new one is complete on disk.
    arrays : mapping of str to ndarray
        Numbers or truth values of any shape.
    content : mapping
        What else is to be kept; only what JSON knows.

    Raises
    ------
    CheckpointError
        An array holds something else than numbers, the header is no JSON or above 4 MiB, or the
        whole is above 4 GiB; what was at `path` is unchanged.
    OSError
        The file cannot be written.
    """
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in KINDS:
            kind = getattr(array, "dtype", type(array).__name__)
            raise CheckpointError(
                f"checkpoint: array {name!r} is of {kind}; expected an array of numbers\n"
                "  fix: put text and settings into the header"
            )
        if len(name.encode(errors="replace")) > MAX_NAME:
            raise CheckpointError(
                f"checkpoint: an array has a name of {len(name)} characters; a zip archive holds "
                f"at most {MAX_NAME} bytes\n  fix: shorten {name[:20]!r}..."
            )
    shapes = {name: {"dtype": a.dtype.str, "shape": list(a.shape)} for name, a in arrays.items()}
    whole = {"format": FORMAT, "version": VERSION, "arrays": shapes, "content": dict(content)}
    try:
        header = json.dumps(whole, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint: the header is no JSON ({error})\n"
            "  fix: keep numbers, text, lists and dictionaries there, and arrays among the arrays"
        ) from error
    if len(header) > MAX_HEADER:
        raise CheckpointError(
            f"checkpoint: the header has {len(header)} bytes; at most {MAX_HEADER} can be read back"
            "\n  fix: keep long lists as arrays"
        )

    def write(file: IO[bytes]) -> None:
        sums = []
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
            for member, data in _members(header, arrays):
                info = zipfile.ZipInfo(date_time=LONG_AGO)
                info.filename = member  # by itself it would cut a name at \0, and change a \
                archive.writestr(info, data)
                sums.append(f"{hashlib.sha256(data).hexdigest()}  {member}\n")
            archive.writestr(zipfile.ZipInfo(SUMS, LONG_AGO), "".join(sums))

    try:
        return write_whole(path, write)
    except zipfile.LargeZipFile as error:
        raise CheckpointError(
            f"checkpoint: {os.fspath(path)} would be too large ({error})\n"
            "  fix: a checkpoint holds at most 4 GiB in 65,535 arrays; save the model in parts"
        ) from error


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the header's content of a file that `write_checkpoint` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    tuple of (dict of str to ndarray, dict)
        New arrays that own their memory, and the content.

    Raises
    ------
    CheckpointError
        The file is no checkpoint, damaged, incomplete, or of a later version.
    OSError
        The file cannot be opened.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        try:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                members = _check_members(archive, os.fstat(file.fileno()).st_size)
                _check_sums(archive, members)
                shapes, content = _read_header(archive, members)
                arrays = {
                    array: _read_array(archive, members[f"{array}.npy"], **facts)
                    for array, facts in shapes.items()
                }
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from error
        except DAMAGE as error:
            raise CheckpointError(
                f"{name}: this is no checkpoint, or a damaged one ({type(error).__name__}: {error})"
                "\n  fix: take the copy of an earlier save; this file cannot be trusted"
            ) from error
    return arrays, content


def _members(header: bytes, arrays: Mapping[str, Array]) -> Iterator[tuple[str, bytes]]:
    """Return the members before the sums: name and bytes, one at a time."""
    yield HEADER, header
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
        yield f"{name}.npy", buffer.getvalue()


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a file whose list of members is missing or longer than a checkpoint's can be.

    Read by hand, for `zipfile` would keep an object for each member that a file claims to have.
    """
    end = struct.Struct("<4s4H2LH")
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - end.size - 20))
    tail = file.read()
    if len(tail) < end.size or tail[-end.size :][:4] != b"PK\5\6":
        raise CheckpointError(
            "this is no checkpoint, or it was cut off\n"
            "  fix: name the .npz file that was saved, or take the copy of an earlier save"
        )
    *_, length, _start, _comment = end.unpack(tail[-end.size :])
    if tail[:4] == b"PK\6\7" or length > MAX_DIRECTORY:
        raise CheckpointError("its list of members is too long for a checkpoint")


def _check_members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name, once each is as long as its bytes, and all fit into the file."""
    infos = archive.infolist()
    members = {info.orig_filename: info for info in infos}  # not cut, not changed
    packed = [
        info
        for info in infos
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size
    ]
    if len(members) != len(infos) or packed or not {HEADER, SUMS} <= set(members):
        raise CheckpointError("its members are not those of a checkpoint")
    if sum(info.file_size for info in infos) > size:
        raise CheckpointError("its members claim more bytes than the file has")
    return members


def _check_sums(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> None:
    """Refuse the archive if the bytes of any member are not those that were written."""
    sums = "".join(
        f"{_digest(archive, info)}  {name}\n" for name, info in members.items() if name != SUMS
    ).encode()
    info = members[SUMS]
    if info.file_size != len(sums) or archive.read(info) != sums:
        raise CheckpointError(
            "its contents are not those that were saved (SHA-256 differs)\n"
            "  fix: take the copy of an earlier save; this file cannot be trusted"
        )


def _digest(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    with archive.open(info) as member:
        while chunk := member.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read_header(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return dtype and shape of each array, and the content, from the header."""
    if members[HEADER].file_size > MAX_HEADER:
        raise CheckpointError(f"its header is longer than {MAX_HEADER} bytes")
    header = json.loads(archive.read(members[HEADER]))
    if header["format"] != FORMAT or header["version"] != VERSION:
        raise CheckpointError(
            f"it is of format {header['format']!r}, version {header['version']!r}; this program "
            f"reads {FORMAT!r}, version {VERSION}\n  fix: use the program that saved it"
        )
    shapes: dict[str, dict[str, Any]] = header["arrays"]
    content: dict[str, Any] = header["content"]
    if {HEADER, SUMS, *(f"{name}.npy" for name in shapes)} != set(members):
        raise CheckpointError("its header does not list the arrays that are there")
    return shapes, content


def _read_array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, dtype: str, shape: list[int]
) -> Array:
    """Return one array, once its header, its size and the file's header tell the same."""
    kind = np.dtype(dtype)
    with archive.open(info) as member:
        magic = member.read(10)
        length = int.from_bytes(magic[8:10], "little")
        facts = ast.literal_eval(member.read(length).decode("latin1"))
        expected = {"descr": dtype, "fortran_order": facts["fortran_order"], "shape": tuple(shape)}
        size = math.prod(shape) * kind.itemsize
        if (
            magic[:8] != b"\x93NUMPY\x01\x00"
            or kind.kind not in KINDS
            or facts != expected
            or info.file_size != len(magic) + length + size
        ):
            raise CheckpointError(f"{info.filename} is not the array that the header tells of")
        array = np.empty(shape, kind, order="F" if facts["fortran_order"] else "C")
        room = array.ravel(order="K").view(np.uint8) if array.size else array
        filled = 0
        while chunk := member.read(CHUNK):
            room[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
            filled += len(chunk)
    return array
