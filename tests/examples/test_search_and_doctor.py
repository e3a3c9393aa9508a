"""The experiments on hyper-parameters and on the gradient doctor."""

import numpy as np
import pytest

from tinygrad_edu.train import Run


@pytest.mark.parametrize("kind", [
    "dead units", "vanishing gradient", "gradients all zero", "detached parameters",
    "softmax twice", "inputs not scaled", "accidental broadcast", "one class only",
])  # fmt: skip
def test_of_each_broken_net_exactly_what_is_broken_is_told(kind: str) -> None:
    gradient_doctor = pytest.importorskip("gradient_doctor")
    rng = np.random.default_rng(0)
    images = rng.random((600, 784), np.float32) * (rng.random((600, 784)) < 0.2)
    data = images.astype(np.float32), np.arange(600) % 10
    make = gradient_doctor.CASES[kind]
    assert [f.kind for f in gradient_doctor.findings(make(True, *data), 0)] == [kind]
    assert gradient_doctor.findings(make(False, *data), 0) == []


def test_the_list_of_broken_nets_is_the_example_s() -> None:
    gradient_doctor = pytest.importorskip("gradient_doctor")
    assert len(gradient_doctor.CASES) == 8


@pytest.mark.slow
@pytest.mark.acceptance("B8")
def test_the_best_learning_rates_lie_at_the_top_of_the_range() -> None:
    example = pytest.importorskip("hyperparameter_search")
    trial = {
        lr: example.accuracy(
            {"lr": lr, "weight_decay": 2.8e-6}, Run(0, 50, np.random.default_rng(1))
        )
        for lr in (1e-4, 1e-3, 0.0094)
    }
    last = [curves["validation_accuracy"][-1] for curves in trial.values()]
    assert last[0] < last[1] < last[2]
    assert last[0] < 0.3
    assert last[2] >= 0.7


def test_a_search_of_the_example_goes_the_same_way_twice() -> None:
    example = pytest.importorskip("hyperparameter_search")
    first, second = (example.searched(2, 2, 5, 1) for _ in "ab")
    assert [t.curves for t in first.trials] == [t.curves for t in second.trials]
    for trial in first.trials:
        assert 1e-6 <= trial.settings["lr"] <= 1e-2
        assert 1e-8 <= trial.settings["weight_decay"] <= 1e-4
        assert len(trial.curves["validation_accuracy"]) == 3
