"""The pytest plugin: the fixture ``gradcheck`` and the option ``--gradcheck-seed``.

pytest loads this file in every run of everybody who has installed the package, so it imports
nothing but pytest: neither the package, whose import brings NumPy, nor Hypothesis. That is why it
lies beside the package and not in it. Read ``tinygrad_edu/testing/op_check.py`` for what it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gradcheck-seed``."""
    parser.getgroup("tinygrad_edu").addoption(
        "--gradcheck-seed",
        type=_seed,
        default=0,
        metavar="N",
        help="seed of the directions that the fixture gradcheck compares along (0)",
    )


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise ValueError(text)
    return seed


_seed.__name__ = "number of at least 0"  # what argparse writes into "invalid ... value"


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return ``gradcheck(f, *inputs, order=2)``, which fails the test if a derivative is wrong.

    It is ``tinygrad_edu.testing.assert_gradients`` with weights and directions that are drawn with
    ``--gradcheck-seed`` and the name of the test, so that a test gives one verdict wherever it
    stands in the run.
    """
    seed = request.config.getoption("--gradcheck-seed")

    def gradcheck(f: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        import numpy as np

        from tinygrad_edu.errors import CheckError
        from tinygrad_edu.testing import assert_gradients

        rng = np.random.default_rng([seed, *request.node.name.encode()])
        try:
            return assert_gradients(f, *inputs, rng=options.pop("rng", rng), **options)
        except CheckError as error:
            error.add_note(f"  drawn with --gradcheck-seed={seed}")
            raise

    return gradcheck
