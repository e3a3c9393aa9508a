"""Threads of the linear algebra: one is faster than several when matrices are small.

A product of 100 x 784 and 784 x 50 takes a tenth of a millisecond; waking a second thread for a
part of it, and waiting for it, can take longer than that by a factor of ten.

Knows: threadpoolctl where it is installed, else the OpenBLAS that NumPy's own packages bring.
Does not know: nets. Where neither is found, nothing is changed.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[bool]:
    """Context in which NumPy's matrix products use one thread; tells whether that was possible."""
    try:
        pools: Any = importlib.import_module("threadpoolctl")
    except ImportError:
        pools = None
    # Not inside the `except`: what the caller raises has nothing to do with a missing package.
    if pools is not None:
        with pools.threadpool_limits(1, user_api="blas"):
            yield True
        return
    library = _own_openblas()
    if library is None:
        yield False
        return
    before = library.scipy_openblas_get_num_threads64_()
    library.scipy_openblas_set_num_threads64_(1)
    try:
        yield True
    finally:
        library.scipy_openblas_set_num_threads64_(before)


def _own_openblas() -> Any:
    """Return the OpenBLAS that NumPy has loaded from its own package, or None."""
    package = Path(np.__file__).parent
    places = (package.parent / "numpy.libs", package / ".dylibs")  # Linux and Windows; macOS
    for path in (found for place in places for found in sorted(place.glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(path))  # loaded already: this only names it
            library.scipy_openblas_set_num_threads64_.argtypes = [ctypes.c_int]
            library.scipy_openblas_set_num_threads64_.restype = None
            library.scipy_openblas_get_num_threads64_.restype = ctypes.c_int
        except (OSError, AttributeError):
            continue
        return library
    return None
