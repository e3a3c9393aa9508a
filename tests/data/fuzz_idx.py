"""Fuzz the reader of IDX files: mutated files are read or refused, cheaply, and nothing else.

python tests/data/fuzz_idx.py --count 50000 [--seed N]

Prints how many were read and how many refused by what, and the most memory that a refusal took.
"""

import argparse
import collections
import gzip
import struct
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np

from tinygrad_edu.data import read_idx
from tinygrad_edu.errors import DataError

MIB = 1 << 20
MOST = 64 * MIB
CODES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}


def original(rng: np.random.Generator) -> bytes:
    """Return a good file, raw or packed, of any type and up to four dimensions."""
    code = int(rng.choice(list(CODES)))
    shape = rng.integers(0, 7, size=rng.integers(0, 5)).tolist()
    size = int(np.prod(shape, dtype=np.int64)) * CODES[code]
    content = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + rng.bytes(size)
    return gzip.compress(content, mtime=0) if rng.random() < 0.5 else content


def mutant(rng: np.random.Generator) -> bytes:
    """Return a damaged file: bytes or bits changed, put in, cut off, doubled, or a bomb."""
    content = bytearray(original(rng))
    for _ in range(rng.integers(1, 5)):
        # Half of the hits go to the first bytes, where they mean the most.
        at = int(rng.integers(min(20, len(content)) if rng.random() < 0.5 else len(content)))
        match rng.integers(7):
            case 0:
                content[at] = rng.integers(256)
            case 1:
                content[at] ^= 1 << int(rng.integers(8))
            case 2:
                content[at:at] = rng.bytes(int(rng.integers(1, 9)))
            case 3:
                del content[max(at, 1) :]
            case 4:
                content += content[at:]
            case 5:
                content[at : at + 4] = struct.pack(">I", int(rng.choice([0, 1, 2**31, 2**32 - 1])))
            case 6:
                # More than the header says, from a few bytes: zeros pack a thousand to one.
                if rng.random() < 0.02:
                    content += gzip.compress(bytes(int(rng.integers(1, 32)) * MIB), 1)
        if not content:
            break
    if rng.random() < 0.2 and content[:2] != b"\x1f\x8b":
        content = bytearray(gzip.compress(bytes(content), mtime=0))
    return bytes(content)


def fuzz(count: int, seed: int, folder: Path) -> tuple[collections.Counter[str], int]:
    """Return how often each outcome came, and the most bytes that a refused file took.

    Anything that is raised but DataError and OSError comes out.
    """
    rng = np.random.default_rng(seed)
    outcomes: collections.Counter[str] = collections.Counter()
    path, worst = folder / "mutant", 0
    tracemalloc.start()
    try:
        for i in range(count):
            content = mutant(rng)
            path.write_bytes(content)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                array = read_idx(path)
            except (DataError, OSError) as error:
                outcomes[type(error).__name__] += 1
                worst = max(worst, tracemalloc.get_traced_memory()[1] - before)
            except BaseException:
                print(f"file {i} of seed {seed}: {content[:60].hex(' ')} ...", file=sys.stderr)
                raise
            else:
                outcomes["read"] += 1
                assert isinstance(array, np.ndarray)
    finally:
        tracemalloc.stop()
    return outcomes, worst


def main() -> int:
    """Fuzz as often as the options say, and print what came of it."""
    parser = argparse.ArgumentParser(description="Fuzz the reader of IDX files.")
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, worst = fuzz(options.count, options.seed, Path(folder))
    for outcome, times in outcomes.most_common():
        print(f"{outcome:10} {times:6}")
    print(f"a refused file took at most {worst / MIB:.2f} MiB (allowed: {MOST // MIB})")
    return int(worst >= MOST)


if __name__ == "__main__":
    sys.exit(main())
