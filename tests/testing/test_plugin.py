"""The pytest plugin, in runs of pytest of its own: what it gives, and that it costs nothing."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NAME = "pytest_tinygrad_edu"


def run(pytester: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test)
    # By its name, so that it makes no difference whether the entry point is installed as well.
    return pytester.runpytest_inprocess("-p", NAME, "-p", "no:cacheprovider", *options)


RIGHT = """
import numpy as np

def test_right(gradcheck):
    report = gradcheck(lambda x: np.sin(x) * x, np.array([0.5, 1.0]), order=3)
    assert report
"""
WRONG = """
import numpy as np

def test_wrong(gradcheck):
    gradcheck(lambda x: np.sin(x.detach()) * x, np.array([0.5, 1.0]))
"""


def test_the_fixture_passes_what_is_right(pytester: pytest.Pytester) -> None:
    run(pytester, RIGHT).assert_outcomes(passed=1)


def test_the_fixture_fails_what_is_wrong_and_says_how_to_repeat_it(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, WRONG, "--gradcheck-seed=7")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "wrong gradient" in text
    assert "reproduce:" in text
    assert "drawn with --gradcheck-seed=7" in text
    assert "assert_gradients(" in text
    assert "__tracebackhide__" not in text


DRAWN = """
import numpy as np

def test_one(gradcheck):
    print("ONE", gradcheck(np.tanh, np.array([0.5, 1.0])).analytic)

def test_two(gradcheck):
    print("TWO", gradcheck(np.tanh, np.array([0.5, 1.0])).analytic)
"""


def drawn(result: pytest.RunResult) -> dict[str, str]:
    result.assert_outcomes(passed=len(re.findall("ONE|TWO", result.stdout.str())))
    return dict(re.findall(r"(ONE|TWO) (\S+)", result.stdout.str()))


def test_the_seed_draws_the_directions_and_their_order_does_not(pytester: pytest.Pytester) -> None:
    usual = drawn(run(pytester, DRAWN, "-s"))
    assert usual["ONE"] != usual["TWO"]
    assert drawn(run(pytester, DRAWN, "-s", "-k", "two"))["TWO"] == usual["TWO"]
    assert drawn(run(pytester, DRAWN, "-s", "--gradcheck-seed=1"))["ONE"] != usual["ONE"]


def test_a_seed_that_is_none_is_refused(pytester: pytest.Pytester) -> None:
    result = run(pytester, RIGHT, "--gradcheck-seed=-1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "number of at least 0" in result.stderr.str()


def test_the_fixture_and_the_option_are_told(pytester: pytest.Pytester) -> None:
    assert "gradcheck(f, *inputs, order=2)" in run(pytester, RIGHT, "--fixtures").stdout.str()
    assert "--gradcheck-seed=N" in run(pytester, RIGHT, "--help").stdout.str()


def test_a_run_that_does_not_use_it_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    program = (
        "import sys, pytest\n"
        f"code = pytest.main(['-q', '-p', '{NAME}', '-p', 'no:cacheprovider', 'test_nothing.py'])\n"
        f"assert code == 0 and '{NAME}' in sys.modules\n"
        "roots = {name.partition('.')[0] for name in sys.modules}\n"
        "print('imported:', sorted(roots & {'numpy', 'hypothesis', 'tinygrad_edu'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # others' plugins are theirs
        capture_output=True,
        text=True,
        check=True,
    )
    assert "imported: []" in done.stdout


def test_the_entry_point_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {NAME: NAME}
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert f"{NAME}.py" in wheel["only-include"]


def test_the_entry_point_that_is_installed_is_this_one() -> None:
    points = importlib.metadata.distribution("tinygrad_edu").entry_points.select(group="pytest11")
    if not points:
        pytest.skip("installed before the plugin was added: pip install -e . again")
    assert [point.value for point in points] == [NAME]
