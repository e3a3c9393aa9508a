"""Settings of the whole test suite: how hard Hypothesis looks, and that no window opens.

Choose a profile with ``HYPOTHESIS_PROFILE=dev|ci|thorough|mutation``. Without it the profile is ``ci`` where
``CI`` is set, else ``dev``. What a single test needs is in its own file.
"""

import os

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

collect_ignore_glob = ["benchmarks/*"]  # programs that print ratios, not tests
