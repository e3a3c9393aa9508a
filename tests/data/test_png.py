"""PNG pictures: every filter and colour type is read; damage is refused cheaply and in words."""

import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.data import read_png
from tinygrad_edu.errors import DataError

MIB = 1 << 20
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def header(width: int, height: int, bits: int = 8, kind: int = 0, interlaced: int = 0) -> bytes:
    content = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", content)


def filtered(row: np.ndarray, above: np.ndarray, channels: int, kind: int) -> bytes:
    """A row as a writer filters it: each byte less what its neighbours let expect."""
    a = np.concatenate([np.zeros(channels, int), row[:-channels]]).astype(int)
    b = above.astype(int)
    c = np.concatenate([np.zeros(channels, int), above[:-channels]]).astype(int)
    distance = np.abs(np.stack([a, b, c]) - (a + b - c))
    paeth = np.choose(distance.argmin(axis=0), [a, b, c])
    guess = [np.zeros_like(a), a, b, (a + b) // 2, paeth][kind]
    return bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()


def png(pixels: np.ndarray, filters: list[int], kind: int, extra: bytes = b"") -> bytes:
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    lines = b"".join(
        filtered(row, over, channels, filters[i % len(filters)])
        for i, (row, over) in enumerate(zip(rows, above, strict=True))
    )
    packed = zlib.compress(lines)
    middle = len(packed) // 2
    pieces = chunk(b"IDAT", packed[:middle]) + chunk(b"IDAT", packed[middle:])
    return header(width, height, kind=kind) + extra + pieces + chunk(b"IEND", b"")


@given(
    kind=st.sampled_from(sorted(CHANNELS)),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    data=st.data(),
)
def test_every_filter_and_colour_type_is_read(
    tmp_path_factory: pytest.TempPathFactory, kind: int, filters: list[int], data: st.DataObject
) -> None:
    sides = st.integers(1, 7)
    shape = (data.draw(sides), data.draw(sides), CHANNELS[kind])
    pixels = data.draw(hnp.arrays(np.uint8, shape))
    path = tmp_path_factory.mktemp("png") / "picture.png"
    path.write_bytes(png(pixels, filters, kind))
    found = read_png(path)
    assert found.shape == (*shape[:2], 4)
    assert (found[..., :3] == (pixels[..., :1] if kind in (0, 4) else pixels[..., :3])).all()
    assert (found[..., 3] == (pixels[..., -1] if kind in (4, 6) else 255)).all()


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    index = np.array([[[0], [2]], [[1], [0]]], np.uint8)
    colours = chunk(b"PLTE", bytes([1, 2, 3, 4, 5, 6, 7, 8, 9])) + chunk(b"tRNS", bytes([0, 128]))
    path = tmp_path / "picture.png"
    path.write_bytes(png(index, [0], 3, colours))
    assert read_png(path).tolist() == [
        [[1, 2, 3, 0], [7, 8, 9, 255]],
        [[4, 5, 6, 128], [1, 2, 3, 0]],
    ]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_what_pillow_writes_is_read(tmp_path: Path, mode: str) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=(17, 23, 4), dtype=np.uint8)
    picture = image.fromarray(pixels).convert(mode)
    picture.save(tmp_path / "picture.png")
    assert np.array_equal(read_png(tmp_path / "picture.png"), np.array(picture.convert("RGBA")))


GREY = png(np.arange(12, dtype=np.uint8).reshape(3, 4, 1), [4], 0)
WRONG = {
    "empty": (b"", "no PNG"),
    "a text": (b"hello, world", "no PNG"),
    "cut off": (GREY[:-20], "damaged"),
    "16 bits": (header(4, 3, bits=16) + GREY[33:], "16 bits"),
    "interlaced": (header(4, 3, interlaced=1) + GREY[33:], "interlaced"),
    "no colour type": (header(4, 3, kind=5) + GREY[33:], "colour type 5"),
    "no pixels": (header(0, 3) + GREY[33:], "0 x 3"),
    "too many": (header(1 << 30, 1 << 30) + GREY[33:], "declares"),
    "too few rows": (header(4, 4) + GREY[33:], "15 bytes of pixels instead of 20"),
    "too many rows": (header(4, 2) + GREY[33:], "11 bytes of pixels instead of 10"),
    "no header": (GREY[:8] + GREY[33:], "no header"),
    "no stream": (GREY[:33] + chunk(b"IDAT", b"xx") + chunk(b"IEND", b""), "damaged"),
    "no filter": (
        header(1, 1) + chunk(b"IDAT", zlib.compress(b"\x05\x00")) + chunk(b"IEND", b""),
        "filter 5",
    ),
    "no palette": (png(np.ones((1, 1, 1), np.uint8), [0], 3), "palette"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, what: str) -> None:
    data, words = WRONG[what]
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        read_png(path)
    assert "picture.png: found" in str(caught.value)
    assert "Fix: " in str(caught.value)


def test_no_mutation_raises_anything_else(tmp_path: Path) -> None:
    dice = random.Random(0)
    path = tmp_path / "picture.png"
    refused = 0
    for _ in range(500):
        data = bytearray(GREY)
        place = dice.randrange(len(data))
        data[place : place + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        path.write_bytes(data)
        try:
            read_png(path)
        except DataError:
            refused += 1
    assert refused > 300


def test_a_small_file_that_unpacks_to_much_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    bomb = chunk(b"IDAT", zlib.compress(bytes(50 * MIB)))
    path.write_bytes(header(4, 3) + bomb + chunk(b"IEND", b""))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="16 bytes of pixels"):
            read_png(path)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()
