"""The PNG format, as far as pictures of digits need it: 8 bits a sample, not interlaced.

A PNG is a signature and chunks: a length, four letters, bytes, a CRC-32. The pixels are one zlib
stream, in which each row begins with the number of the filter that was applied to it.

Knows: the format, and that a file may lie. Does not know: what is in the picture.
Read next: `idx.py`, the format of whole data sets.

References
----------
Portable Network Graphics (PNG) Specification, third edition, W3C, 2025, sections 5, 9 and 11.
"""

import os
import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type: grey, RGB, palette, grey and alpha, RGB and alpha."""
PALETTE = 3
FILE_LIMIT = 1 << 26

Pixels = NDArray[np.uint8]
Predictor = Callable[[int, int, int], int]


def read_png(path: str | os.PathLike[str], *, limit: int = 1 << 26) -> Pixels:
    """Return the picture in a PNG file as RGB with alpha.

    Parameters
    ----------
    path : str or path
        The file.
    limit : int, optional
        Most bytes that its pixels may have.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        Red, green, blue, and opacity, all from 0 to 255.

    Raises
    ------
    DataError
        The file is not PNG, damaged, of a kind that is not read here, or beyond the limit.
    OSError
        The file cannot be opened.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        data = b"" if os.fstat(file.fileno()).st_size > FILE_LIMIT else file.read()
    if not data.startswith(SIGNATURE):
        raise DataError(
            f"{name}: found no PNG picture; expected a file that begins with '{SIGNATURE.hex(' ')}'"
            f" and has at most {FILE_LIMIT} bytes. Fix: save the picture as PNG."
        )
    chunks = _chunks(name, data)
    if len(chunks.get(b"IHDR", b"")) != 13:
        raise _damaged(name, "no header")
    width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if bits != 8 or kind not in CHANNELS or interlaced:
        raise DataError(
            f"{name}: found a PNG of {bits} bits a sample, colour type {kind}"
            f"{', interlaced' if interlaced else ''}; expected 8 bits, not interlaced. Fix: save "
            "it as an 8-bit grey or RGB PNG."
        )
    row = width * CHANNELS[kind]
    if not 0 < height * row <= limit:
        raise DataError(
            f"{name}: found a header that declares {width} x {height} pixels; expected at least one"
            f" and at most {limit} bytes of them. Fix: make the picture smaller."
        )
    unpacker = zlib.decompressobj()
    try:
        # One byte too many is enough to know: a small file may unpack to any size.
        raw = unpacker.decompress(chunks.get(b"IDAT", b""), height * (row + 1) + 1)
    except zlib.error as error:
        raise _damaged(name, str(error)) from error
    if len(raw) != height * (row + 1) or not unpacker.eof:
        raise _damaged(name, f"{len(raw)} bytes of pixels instead of {height * (row + 1)}")
    lines = np.frombuffer(raw, np.uint8).reshape(height, row + 1)
    pixels = _unfiltered(name, lines, CHANNELS[kind]).reshape(height, width, CHANNELS[kind])
    return _rgba(name, pixels, kind, chunks)


def _chunks(name: str, data: bytes) -> dict[bytes, bytes]:
    """Return the chunks by type, the pieces of the pixels joined."""
    chunks: dict[bytes, bytes] = {}
    pixels = []
    place = len(SIGNATURE)
    while b"IEND" not in chunks:
        if place + 12 > len(data):
            raise _damaged(name, "no end")
        (length,) = struct.unpack_from(">I", data, place)
        kind = data[place + 4 : place + 8]
        content = data[place + 8 : place + 8 + length]
        crc = data[place + 8 + length : place + 12 + length]
        if zlib.crc32(kind + content).to_bytes(4, "big") != crc:
            raise _damaged(name, f"a wrong checksum in its {kind!r} chunk")
        if kind == b"IDAT":
            pixels.append(content)
        else:
            chunks[kind] = content
        place += 12 + length
    return {**chunks, b"IDAT": b"".join(pixels)}


def _unfiltered(name: str, lines: Pixels, channels: int) -> Pixels:
    """Return the rows without their filters; each row may need the one above it (section 9.2)."""
    if lines[:, 0].max() > 4:
        raise _damaged(name, f"a row with filter {lines[:, 0].max()}")
    rows = lines[:, 1:].copy()
    above = np.zeros_like(rows[0])
    for kind, row in zip(lines[:, 0].tolist(), rows, strict=True):
        pixels = row.reshape(-1, channels)
        if kind == 1:  # left: a running sum, modulo 256
            np.cumsum(pixels, axis=0, dtype=np.uint8, out=pixels)
        elif kind == 2:
            row += above
        elif kind == 3:
            _add_predicted(row, above, channels, _average)
        elif kind == 4:
            _add_predicted(row, above, channels, _paeth)
        above = row
    return rows


def _add_predicted(row: Pixels, above: Pixels, channels: int, predict: Predictor) -> None:
    """Add to each byte what left, above and above left let expect: in order, one by one."""
    here, over = row.tolist(), above.tolist()
    for i, value in enumerate(here):
        left, corner = (here[i - channels], over[i - channels]) if i >= channels else (0, 0)
        here[i] = (value + predict(left, over[i], corner)) & 0xFF
    row[:] = here


def _average(left: int, above: int, _corner: int) -> int:
    return (left + above) // 2


def _paeth(left: int, above: int, corner: int) -> int:
    """Return the neighbour nearest to left + above - corner; in a tie left, then above."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _rgba(name: str, pixels: Pixels, kind: int, chunks: dict[bytes, bytes]) -> Pixels:
    """Return pixels of any colour type as RGB with alpha."""
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    if kind == PALETTE:
        colours = np.frombuffer(chunks.get(b"PLTE", b""), np.uint8)
        if len(colours) % 3 or pixels.max() >= len(colours) // 3:
            raise _damaged(name, "a colour that is not in its palette")
        alpha = np.full(256, 255, np.uint8)
        given = np.frombuffer(chunks.get(b"tRNS", b""), np.uint8)[:256]
        alpha[: len(given)] = given
        index = pixels[..., 0]
        return np.concatenate([colours.reshape(-1, 3)[index], alpha[index, None]], axis=-1)
    grey = pixels.shape[-1] <= 2
    colour = np.repeat(pixels[..., :1], 3, axis=-1) if grey else pixels[..., :3]
    return np.concatenate([colour, pixels[..., -1:] if kind in (4, 6) else opaque], axis=-1)


def _damaged(name: str, what: str) -> DataError:
    return DataError(
        f"{name}: found a damaged PNG ({what}); expected a complete one. Fix: copy or save the "
        "picture again."
    )
