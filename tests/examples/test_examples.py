"""The examples: each runs in its quick form, and what it prints or draws is right."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, folder, *arguments):
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments, "--quick"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_own_op_passes_and_the_wrong_one_is_refused(tmp_path):
    printed = run("own_op.py", tmp_path)
    assert "passed" in printed
    assert "the right gradient times 1/2" in printed


def test_own_model_learns(tmp_path):
    printed = run("own_model.py", tmp_path)
    assert printed.count("epoch") == 4
