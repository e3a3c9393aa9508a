"""What the tests of the table share: counts that are shown when the run ends."""

from collections.abc import Iterator

import pytest

from tinygrad_edu.testing.laws import Tally


@pytest.fixture(scope="session")
def tally() -> Iterator[Tally]:
    """Count planted wrong rules over the whole session; ``pytest -s`` shows the sums."""
    counts = Tally()
    yield counts
    if counts.planted:
        print(f"\n{counts}")


@pytest.fixture(autouse=True, scope="module")
def _teaching_errors(errors_are_worded_well):
    """Every error that a test of this folder provokes is worded well."""
