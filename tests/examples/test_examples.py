"""The examples: each runs in its quick form, and what it prints or draws is right."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, folder, *arguments):
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments, "--quick"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_apples_and_oranges(tmp_path):
    printed = run("apples.py", tmp_path)
    assert "price 715" in printed
    assert [line.split()[-1] for line in printed.splitlines()[1:]] == [
        "2.2",
        "110.0",
        "3.3",
        "165.0",
        "650.0",
    ]


def test_own_op_passes_and_the_wrong_one_is_refused(tmp_path):
    printed = run("own_op.py", tmp_path)
    assert "passed" in printed
    assert "the right gradient times 1/2" in printed


def test_own_model_learns(tmp_path):
    printed = run("own_model.py", tmp_path)
    assert printed.count("epoch") == 4


@pytest.mark.acceptance("S3")
def test_the_functions_of_the_article_and_their_picture(tmp_path):
    pytest.importorskip("matplotlib")
    x = np.arange(-5.0, 5.0, 0.1)
    spec = importlib.util.spec_from_file_location("functions", EXAMPLES / "functions.py")
    functions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(functions)
    found = {name: np.asarray(function(x)) for name, function in functions.FUNCTIONS.items()}
    np.testing.assert_array_equal(found["step"], x > 0)
    np.testing.assert_allclose(found["sigmoid"], 1 / (1 + np.exp(-x)), rtol=1e-15)
    np.testing.assert_array_equal(found["ReLU"], np.maximum(x, 0))
    np.testing.assert_array_equal(found["identity"], x)
    np.testing.assert_allclose(found["softmax"], np.exp(x) / np.exp(x).sum(), rtol=1e-14)
    assert np.isfinite(tg.softmax(np.array([1010.0, 1000.0, 990.0]))).all()
    picture = functions.activations(tmp_path / "activations.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


@pytest.mark.acceptance("S9")
def test_the_field_of_gradients_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    run("functions.py", tmp_path, "pictures")
    assert (tmp_path / "pictures" / "gradient_field.png").read_bytes().startswith(b"\x89PNG")
