"""Metrics: exact means over any blocks, in evaluation mode."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import Dropout, Lambda
from tinygrad_edu.train import correct, evaluate, predictions, top

LOGITS = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 3.0], [0.0, 1.0, 2.0], [2.0, 0.0, 1.0]])
LABELS = np.array([1, 1, 0, 0])


@pytest.mark.parametrize("labels", [LABELS, np.eye(3)[LABELS]], ids=["numbers", "one-hot"])
def test_correct_and_top_count_rows(labels: np.ndarray) -> None:
    assert correct(LOGITS, labels).tolist() == [True, False, False, True]
    assert top(1)(LOGITS, labels).tolist() == [True, False, False, True]
    assert top(2)(LOGITS, labels).tolist() == [True, True, False, True]
    assert top(3)(LOGITS, labels).all()


def test_top_needs_a_class() -> None:
    with pytest.raises(TrainingError, match="k=0"):
        top(0)


@given(block=st.integers(1, 40), samples=st.integers(1, 30))
def test_the_mean_does_not_depend_on_the_blocks(block: int, samples: int) -> None:
    rng = np.random.default_rng(samples)
    logits, labels = rng.standard_normal((samples, 4)), rng.integers(4, size=samples)
    sizes = []

    def model(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x

    found = evaluate(model, logits, labels, block=block)
    assert found == {"accuracy": np.mean(logits.argmax(axis=1) == labels)}
    assert sum(sizes) == samples
    assert max(sizes) <= block


def test_nothing_is_recorded_or_dropped_and_the_mode_comes_back() -> None:
    inputs = np.ones((5, 3))
    layer = Dropout(0.5, rng=0)
    assert np.array_equal(predictions(layer, inputs), inputs)
    assert layer.training
    layer.eval()
    predictions(layer, inputs)
    assert not layer.training


def test_the_mode_comes_back_after_an_error() -> None:
    def fail(_x: Any) -> Any:
        raise ZeroDivisionError

    layer = Lambda(fail)
    with pytest.raises(ZeroDivisionError):
        predictions(layer, np.ones((2, 2)))
    assert layer.training


def test_sets_that_cannot_be_evaluated_are_refused() -> None:
    with pytest.raises(TrainingError, match="no samples"):
        evaluate(lambda x: x, np.empty((0, 3)), np.empty(0))
    with pytest.raises(TrainingError, match="4 inputs and 3 targets"):
        evaluate(lambda x: x, LOGITS, LABELS[:3])
