"""What the comparison with other libraries shares: counts that are shown when the run ends."""

from collections.abc import Iterator

import pytest

from .comparison import Tally

collect_ignore = ["in_jax.py", "in_torch.py"]  # tables, which need the libraries to be read


@pytest.fixture(scope="session")
def tally() -> Iterator[Tally]:
    """Count rows and differences over the whole session; ``pytest -s`` shows the sums."""
    counts = Tally()
    yield counts
    if counts.calls:
        print(f"\n{counts}")
