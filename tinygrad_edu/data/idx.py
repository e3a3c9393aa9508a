"""The IDX file format: arrays of numbers behind a header of a few bytes.

An IDX file is `00 00 TYPE NDIM`, then NDIM sizes as big-endian 32-bit integers, then the numbers,
big-endian, the last axis fastest. It may be packed with gzip.

Knows: the format, and that a file may lie. Does not know: what the numbers mean.
Read next: `mnist.py`, which reads four such files.
"""

import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.errors import DataError
from tinygrad_edu.files import write_whole

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
CODES = {dtype: code for code, dtype in TYPES.items()}

GZIP_MAGIC = b"\x1f\x8b"
MAX_NDIM = 64  # NumPy's own bound
CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str], *, limit: int = 1 << 30) -> NDArray[Any]:
    """Return the array that an IDX file holds, in native byte order.

    The header is judged before any memory is taken, and the numbers are counted before they are
    kept: a damaged or hostile file costs a few megabytes, whatever it declares or unpacks to.

    Parameters
    ----------
    path : str or path
        The file, raw or packed with gzip; which of them is seen from its bytes, not from its name.
    limit : int, optional
        Largest array that may be declared, in bytes; a dimension of zero counts as one.

    Returns
    -------
    ndarray
        A new, writable array of the declared shape; uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    DataError
        The file is not IDX, damaged, shorter or longer than it declares, or beyond the limit.
    OSError
        The file cannot be opened.
    """
    name = os.fspath(path)
    with open(path, "rb") as file, _unpacked(file) as stream:
        try:
            dtype, shape = _read_header(stream, name, limit)
            return _read_numbers(stream, name, dtype, shape)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{name}: found damaged gzip data ({error}); expected a complete gzip stream. "
                "Fix: copy or download the file again."
            ) from error


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file, whole or not at all.

    The bytes go to `<name>.tmp` in the same folder, are flushed to disk and moved into place:
    whoever opens `path` meets the old file or the new one, never a part.

    Parameters
    ----------
    path : str or path
        The file to write; a name that ends in `.gz` is packed with gzip.
    array : array_like
        uint8, int8, int16, int32, float32 or float64, any shape and byte order.

    Raises
    ------
    DataError
        IDX has no code for the array's dtype, or no room for one of its dimensions.
    OSError
        The file cannot be written.
    """
    array = np.asarray(array)
    big_endian = array.dtype.newbyteorder(">")
    if big_endian not in CODES:
        raise DataError(
            f"{os.fspath(path)}: found an array of dtype {array.dtype}; expected one of "
            f"{_type_names()}. Fix: convert it first, for example array.astype(np.int32)."
        )
    if max(array.shape, default=0) >= 1 << 32:
        raise DataError(
            f"{os.fspath(path)}: found an array of shape {array.shape}; expected dimensions under "
            "2**32, which is all an IDX header can count. Fix: split the array."
        )
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[big_endian], array.ndim, *array.shape)
    numbers = np.asarray(array, dtype=big_endian, order="C").reshape(-1).view(np.uint8)

    def write(file: IO[bytes]) -> None:
        with _packed(file) if Path(path).suffix == ".gz" else nullcontext(file) as stream:
            stream.write(header)
            stream.write(numbers.data)

    write_whole(path, write)


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    """Return a stream of the bytes that count: the file itself, or what its gzip data unpack to."""
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file


def _packed(file: IO[bytes]) -> gzip.GzipFile:
    """Return a stream that packs; without name and time, so that equal arrays make equal files."""
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)


def _read_header(stream: IO[bytes], name: str, limit: int) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return dtype and shape from the header, once they are known to be possible."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(
            f"{name}: found first bytes '{magic.hex(' ')}'; expected '00 00 TYPE NDIM', with which "
            "every IDX file begins. Fix: check that this is the IDX file and not, say, an error "
            "page saved under its name."
        )
    code, ndim = magic[2:]
    if code not in TYPES:
        raise DataError(
            f"{name}: found type code 0x{code:02x}; expected one of {_type_names()}. "
            "Fix: copy or download the file again, or write it as one of these types."
        )
    if ndim > MAX_NDIM:
        raise DataError(
            f"{name}: found {ndim} dimensions; expected at most {MAX_NDIM}, NumPy's bound. "
            "Fix: copy or download the file again."
        )
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise DataError(
            f"{name}: found {len(sizes)} bytes of dimensions; expected {4 * ndim}, four for each "
            f"of {ndim}. Fix: the file was cut off; copy or download it again."
        )
    shape = struct.unpack(f">{ndim}I", sizes)
    dtype = TYPES[code]
    # A zero counts as one: NumPy, too, refuses (0, 2**40, 2**40), although it has no elements.
    declared = math.prod(max(size, 1) for size in shape) * dtype.itemsize
    if declared > limit:
        raise DataError(
            f"{name}: found a header that declares {_describe(dtype, shape)}, {declared} bytes; "
            f"expected at most {limit}. Fix: if you trust the file, pass limit={declared}; "
            "otherwise copy or download it again."
        )
    return dtype, shape


def _read_numbers(
    stream: IO[bytes], name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return the numbers that follow the header, once there are exactly as many as declared."""
    start = stream.tell()
    declared = math.prod(shape) * dtype.itemsize
    # First read on and keep nothing; one byte too many is enough to know, and the end of a gzip
    # stream also brings its checksum. A file that fails here has cost one chunk of memory.
    found = sum(map(len, _chunks(stream, declared + 1)))
    if found != declared:
        amount = f"only {found} bytes" if found < declared else f"more than {declared} bytes"
        raise DataError(
            f"{name}: found {amount} of numbers; expected {declared}, for {_describe(dtype, shape)}"
            " in the header. Fix: copy or download the file again; its header and its numbers do "
            "not belong together."
        )
    stream.seek(start)
    array = np.empty(shape, dtype)
    room = array.reshape(-1).view(np.uint8)
    filled = 0
    for chunk in _chunks(stream, declared):
        room[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
        filled += len(chunk)
    if filled != declared:
        raise DataError(
            f"{name}: found {filled} bytes of numbers where a moment ago there were {declared}; "
            "expected a file at rest. Fix: read it again when nobody writes to it."
        )
    # Swap where the numbers lie: astype would hold the array twice.
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def _chunks(stream: IO[bytes], length: int) -> Iterator[bytes]:
    """Return the next `length` bytes of a stream in pieces, or as many as there are."""
    while length and (chunk := stream.read(min(CHUNK, length))):
        length -= len(chunk)
        yield chunk


def _describe(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """Return an array in words, as in `60000 x 28 x 28 of uint8`."""
    return f"{' x '.join(map(str, shape)) or 'one number'} of {dtype.name}"


def _type_names() -> str:
    """Return the types of the format in words."""
    return ", ".join(f"{dtype.name} (0x{code:02x})" for code, dtype in TYPES.items())
