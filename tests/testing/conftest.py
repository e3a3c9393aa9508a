"""What the tests of the kit share: the table is afterwards as it was before."""

from collections.abc import Iterator

import pytest

from tinygrad_edu.core.op import BY_FUNCTION, OPS

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    rows, functions = dict(OPS), dict(BY_FUNCTION)
    yield
    for kept, before in ((OPS, rows), (BY_FUNCTION, functions)):
        kept.clear()
        kept.update(before)
