"""Tools that test a gradient: the ones that prove this package, for the ops and models of users.

Knows: every room below. `check_op`, `check_module` and `check_optimizer` ask what holds for every
op, module and optimizer; `assert_gradients` compares the derivatives at one point. What they draw
from is in ``tinygrad_edu.testing.strategies``, for tests of your own; it needs Hypothesis, which
the extra ``tinygrad_edu[test]`` installs.

Read next: ``laws.py``, what is compared; ``samples.py`` and ``strategies.py``, at what; then
``op_check.py``. The fixture of pytest is in ``pytest_tinygrad_edu.py``, beside the package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_edu.testing.expression import Expression, expressions
    from tinygrad_edu.testing.laws import LAWS, Law
    from tinygrad_edu.testing.module_check import check_module
    from tinygrad_edu.testing.op_check import assert_gradients, check_op
    from tinygrad_edu.testing.optimizer_check import check_optimizer
    from tinygrad_edu.testing.samples import Plan, Sample
    from tinygrad_edu.testing.strategies import (
        arrays,
        arrays_of,
        axes,
        broadcastable,
        dtypes,
        indices,
        modules,
        positive_definite,
        shapes,
    )

__all__ = [
    "LAWS",
    "Expression",
    "Law",
    "Plan",
    "Sample",
    "arrays",
    "arrays_of",
    "assert_gradients",
    "axes",
    "broadcastable",
    "check_module",
    "check_op",
    "check_optimizer",
    "dtypes",
    "expressions",
    "indices",
    "modules",
    "positive_definite",
    "shapes",
]

# Each name with the file it is in, imported when first used: a check of one array needs no
# Hypothesis, and a law of the rows no layer.
_FILES = {
    "op_check": ("assert_gradients", "check_op"),
    "module_check": ("check_module",),
    "optimizer_check": ("check_optimizer",),
    "laws": ("LAWS", "Law"),
    "samples": ("Plan", "Sample"),
    "expression": ("Expression", "expressions"),
    "strategies": (
        "arrays",
        "arrays_of",
        "axes",
        "broadcastable",
        "dtypes",
        "indices",
        "modules",
        "positive_definite",
        "shapes",
    ),
}
_FILE_OF = {name: file for file, names in _FILES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return a public name, from its file."""
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_FILE_OF[name]}")
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ModuleNotFoundError(
            f"{__name__}.{name} draws with Hypothesis, which is not installed\n"
            "  fix: pip install 'tinygrad_edu[test]'",
            name="hypothesis",
        ) from None
    return getattr(module, name)
