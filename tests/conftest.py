"""Settings of the whole test suite: how hard Hypothesis looks, and that no window opens.

Choose a profile with ``HYPOTHESIS_PROFILE=dev|ci|thorough|mutation``. Without it the profile is
``ci`` where ``CI`` is set, else ``dev``. What a single test needs is in its own file.
"""

import os
import re
import signal
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings

# No deadline in any profile: a busy machine is not a bug.
settings.register_profile("dev", deadline=None, max_examples=30)
# Derandomized, so that one commit always gives one verdict.
settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=2000)
# A planted mistake has to be found, not shown at its smallest: see docs/mutation.md.
settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=15,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

# Matplotlib reads this when it is first imported: figures are drawn to memory only.
os.environ.setdefault("MPLBACKEND", "Agg")

# A program started in the background ignores SIGINT, and so do its children; the tests of Ctrl-C
# would wait for ever. Here, in every process of the suite, it is heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

collect_ignore_glob = ["benchmarks/*"]  # programs that print ratios, not tests

SHOUTING = re.compile(r"\b[A-Z]{2,}\b(?:\W+[A-Z]{2,}\b){2,}")


def complaint(text: str) -> str:
    """Return what is wrong with the wording of an error: it has a head and says a fix quietly."""
    words = "\n".join(line for line in text.split("\n") if not line.startswith("  at "))
    if text.startswith("None"):
        return "the error names no op"
    if SHOUTING.search(words):
        return "the error shouts"
    _, said, fix = text.partition("fix: ")
    if said and (not fix.strip() or fix.startswith("None") or fix[0].isupper()):
        return "the fix is no clause in small letters"
    if "  at " in text and "  at None" in text:
        return "the error names no line"
    return ""


@pytest.fixture(scope="module")
def errors_are_worded_well() -> Iterator[None]:
    """Fail whatever test provokes an error of the package that is worded badly."""
    from tinygrad_edu.errors import TinygradEduError

    def look(self: TinygradEduError, *args: object) -> None:
        super(TinygradEduError, self).__init__(*args)
        if problem := complaint(str(args[0]) if args else ""):
            raise AssertionError(f"{problem}: {args[0]}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TinygradEduError, "__init__", look)
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each of a test's many arguments the settings that the test was written with.

    Hypothesis nests them once more for every argument, and after a thousand of them, which the
    table has rows for, its own code recurses too deep.
    """
    function = getattr(item, "function", None)
    name = "_hypothesis_internal_use_settings"
    if hasattr(function, name):
        first = vars(function).setdefault("_settings_as_written", getattr(function, name))
        setattr(function, name, first)
