"""What the tests of captures share."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _teaching_errors(errors_are_worded_well: None) -> None:
    """Every error that a test of this folder provokes is worded well."""
