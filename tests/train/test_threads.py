"""One thread for small matrices, by threadpoolctl or by NumPy's own OpenBLAS."""

import contextlib
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.train import one_thread
from tinygrad_edu.train.threads import _own_openblas


def test_threadpoolctl_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    @contextlib.contextmanager
    def threadpool_limits(*args: Any, **kwargs: Any) -> Iterator[None]:
        calls.append((args, kwargs))
        yield
        calls.append("left")

    module = SimpleNamespace(threadpool_limits=threadpool_limits)
    monkeypatch.setitem(sys.modules, "threadpoolctl", module)
    with one_thread() as limited:
        assert limited
        assert calls == [((1,), {"user_api": "blas"})]
    assert calls[-1] == "left"


def test_otherwise_the_openblas_of_numpy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    library = _own_openblas()
    if library is None:
        pytest.skip("this NumPy brings no OpenBLAS of its own")
    before = library.scipy_openblas_get_num_threads64_()
    with one_thread() as limited:
        assert limited
        assert library.scipy_openblas_get_num_threads64_() == 1
    assert library.scipy_openblas_get_num_threads64_() == before


@pytest.mark.parametrize("file", [None, "libopenblas.so"])
def test_where_there_is_neither_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, file: str | None
) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    (tmp_path / "numpy.libs").mkdir()
    if file:
        (tmp_path / "numpy.libs" / file).write_text("no library")
    monkeypatch.setattr(np, "__file__", str(tmp_path / "numpy" / "__init__.py"))
    with one_thread() as limited:
        assert not limited
