"""What the tests of the engine share: a table that is put back after a test has added rows."""

import pytest

from tinygrad_edu.core.op import BY_FUNCTION, OPS


@pytest.fixture
def table():
    """The table of ops, in which a test may declare rows; they are gone afterwards."""
    rows, functions = dict(OPS), dict(BY_FUNCTION)
    yield OPS
    for kept, before in ((OPS, rows), (BY_FUNCTION, functions)):
        kept.clear()
        kept.update(before)


@pytest.fixture(autouse=True, scope="module")
def _teaching_errors(errors_are_worded_well):
    """Every error that a test of this folder provokes is worded well."""
