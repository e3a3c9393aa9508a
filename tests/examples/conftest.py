"""The experiments of ``examples/book`` by name: ``import gates`` in a test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "book"))


@pytest.fixture(autouse=True)
def style_of_pictures() -> Iterator[None]:
    """Give Matplotlib its settings back: an experiment sets the style of its whole process."""
    try:
        from matplotlib import rc_context
    except ImportError:
        yield
        return
    with rc_context():
        yield
