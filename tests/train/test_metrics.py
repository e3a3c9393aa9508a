"""Metrics: exact means over any blocks, in evaluation mode."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.core.tensor import Tensor, constant
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import TrainingError
from tinygrad_edu.nn import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    Dropout,
    L1Loss,
    Lambda,
    Linear,
    Module,
    MSELoss,
)
from tinygrad_edu.optim import EMA, SGD
from tinygrad_edu.train import (
    Averaged,
    History,
    Trainer,
    absolute_error,
    binary_accuracy,
    confusion_matrix,
    correct,
    evaluate,
    f1,
    perplexity,
    precision,
    predictions,
    r_squared,
    recall,
    squared_error,
    top,
)

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


# ------------------------------------------------------------------------------ whole sets

SCORES = np.random.default_rng(4).standard_normal((40, 4))
CLASSES = np.random.default_rng(5).integers(0, 3, 40)  # class 3 never occurs, but is named


def test_the_confusion_matrix_counts_rows_as_classes() -> None:
    matrix = confusion_matrix(SCORES, CLASSES)
    named = SCORES.argmax(axis=1)
    for own in range(4):
        for taken in range(4):
            assert matrix[own, taken] == np.sum((own == CLASSES) & (named == taken))
    assert matrix.trace() == correct(SCORES, CLASSES).sum()


def test_precision_recall_and_f1_are_means_over_the_classes() -> None:
    named = SCORES.argmax(axis=1)
    expected = []
    for k in range(4):
        right = np.sum((k == CLASSES) & (named == k))
        p = right / max(1, np.sum(named == k))
        r = right / max(1, np.sum(k == CLASSES))
        expected.append((p, r, 2 * p * r / (p + r) if p + r else 0.0))
    found = precision(SCORES, CLASSES), recall(SCORES, CLASSES), f1(SCORES, CLASSES)
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-14)
    # A class that neither occurs nor is named does not count.
    wider = np.concatenate([SCORES, np.full((40, 2), -9.0)], axis=1)
    assert f1(wider, CLASSES) == f1(SCORES, CLASSES)


def test_perplexity_is_the_number_of_classes_of_a_model_that_knows_nothing() -> None:
    assert perplexity(np.zeros((9, 7)), np.arange(9) % 7) == pytest.approx(7, rel=1e-14)
    tokens = np.random.default_rng(0).integers(0, 4, (5, 8))
    logits = np.random.default_rng(1).standard_normal((5, 8, 4))
    loss = CrossEntropyLoss()(constant(logits.reshape(40, 4)), constant(tokens.ravel())).item()
    assert perplexity(logits, tokens) == pytest.approx(np.exp(loss), rel=1e-12)
    assert perplexity(1e4 * np.eye(3), np.arange(3)) == 1


def test_r_squared_is_one_minus_the_share_that_is_left() -> None:
    targets = np.array([[1.0, 0.0], [2.0, 5.0], [3.0, 1.0]])
    assert r_squared(targets, targets) == 1
    assert r_squared(np.tile(targets.mean(axis=0), (3, 1)), targets) == 0
    half = targets.copy()
    half[0, 0] += 1.0
    assert r_squared(half, targets) == pytest.approx((0.5 + 1) / 2)
    assert np.isnan(r_squared(np.ones((3, 1)), np.ones((3, 1))))


def test_errors_are_measured_in_float64_and_row_by_row() -> None:
    outputs = np.array([[1.0, 2.0], [3.0, 0.0]], np.float32)
    targets = np.array([[0, 0], [3, 2]])
    np.testing.assert_array_equal(squared_error(outputs, targets), [[1, 4], [0, 4]])
    np.testing.assert_array_equal(absolute_error(outputs, targets), [[1, 2], [0, 2]])
    found = evaluate(lambda x: x, outputs, targets, {"a": absolute_error})
    assert found == {"a": 1.25}


def test_a_yes_or_a_no_is_the_sign_of_the_logit() -> None:
    np.testing.assert_array_equal(
        binary_accuracy(np.array([[0.1], [-3.0], [2.0]]), np.array([[1], [0], [0]])),
        [[True], [True], [False]],
    )


@pytest.mark.parametrize("metric", [squared_error, absolute_error, r_squared, binary_accuracy])
def test_a_column_against_a_row_is_refused(metric: Any) -> None:
    with pytest.raises(TrainingError, match=r"shape \(3, 1\) and targets of shape \(3,\)"):
        metric(np.zeros((3, 1)), np.zeros(3))


@pytest.mark.parametrize("metric", [correct, top(2), confusion_matrix, perplexity, f1])
@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        (np.zeros((3, 1)), np.zeros((3, 1))),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((3, 2)), np.full(3, 0.5)),
        (np.zeros((3, 2)), np.zeros((3, 4))),
    ],
)
def test_a_regression_has_no_accuracy(metric: Any, outputs: Any, targets: Any) -> None:
    with pytest.raises(TrainingError, match="measure a regression by"):
        metric(outputs, targets)


# ------------------------------------------------------------------------------ of a trainer

X = np.random.default_rng(0).standard_normal((30, 3))
Y = X @ [[1.0], [2.0], [0.0]]
LABELS_OF_X = (X[:, 0] > 0).astype(int)


def records(loss: Any, targets: Any, outputs: int = 1, **options: Any) -> Any:
    model = Linear(3, outputs, rng=0, dtype=np.float64)
    loader = DataLoader((X, targets), 10, rng=0)
    sets = {"train": (X, targets), "validation": (X[:7], targets[:7])}
    run = Trainer(model, loss, SGD(model, 0.1), loader, **{"sets": sets, **options})
    return run, run.fit(epochs=1).records[-1]


def names(record: Any) -> list[str]:
    return [name for name in record if name not in ("iteration", "epoch", "loss", "seconds")]


@pytest.mark.parametrize(
    ("loss", "targets", "outputs", "metric"),
    [
        (CrossEntropyLoss(), LABELS_OF_X, 2, "accuracy"),
        (CrossEntropyLoss(), np.eye(2)[LABELS_OF_X], 2, "accuracy"),
        (BCEWithLogitsLoss(), LABELS_OF_X[:, None].astype(float), 1, "accuracy"),
        (MSELoss(), Y, 1, "loss"),
        (L1Loss(), np.round(Y).astype(int), 1, "loss"),
        (lambda o, t: ((o - t) ** 2).mean(), Y, 1, "loss"),
    ],
)
def test_what_is_measured_by_default_suits_the_loss(
    loss: Any, targets: Any, outputs: int, metric: str
) -> None:
    run, record = records(loss, targets, outputs)
    assert names(record) == [f"train_{metric}", f"validation_{metric}"]
    if metric == "loss":
        expected = loss(run.model(constant(X[:7])), constant(targets[:7])).item()
        assert record["validation_loss"] == pytest.approx(expected, rel=1e-12)


def test_metrics_are_asked_for_by_name_and_each_set_may_have_its_own() -> None:
    _, record = records(MSELoss(), Y, metrics=("loss", "r_squared"))
    assert names(record) == [
        "train_loss", "train_r_squared", "validation_loss", "validation_r_squared",
    ]  # fmt: skip
    own = {"train": "loss", "validation": {"r2": "r_squared", "mine": squared_error}}
    _, record = records(MSELoss(), Y, metrics=own)
    assert names(record) == ["train_loss", "validation_r2", "validation_mine"]
    _, record = records(MSELoss(), Y, metrics={"validation": ("loss",)})
    assert names(record) == ["validation_loss"]
    _, record = records(MSELoss(), Y, metrics=(squared_error,))
    assert names(record) == ["train_squared_error", "validation_squared_error"]


def test_a_table_is_kept_in_the_records() -> None:
    run, record = records(
        CrossEntropyLoss(), LABELS_OF_X, 2, metrics=("accuracy", "confusion_matrix")
    )
    assert np.sum(record["train_confusion_matrix"]) == 30
    assert run.history.column("train_confusion_matrix").shape == (2, 2, 2)
    again = History()
    again.load_state_dict(run.history.state_dict())
    assert again.records == run.history.records


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (("acuracy",), "is it 'accuracy'"),
        (("zzz",), "pass a function instead"),
        ({"test": ("loss",)}, "found metrics for 'test'"),
    ],
)
def test_metrics_that_are_not_there_are_refused(metrics: Any, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        records(MSELoss(), Y, metrics=metrics)


def test_a_model_may_have_several_inputs() -> None:
    class Sum(Module):
        def __init__(self) -> None:
            self.linear = Linear(3, 1, rng=0, dtype=np.float64)

        def forward(self, x: Any, y: Any) -> Any:
            return self.linear(x + y)

    model = Sum()
    loader = DataLoader((X, X[::-1], Y), 10, rng=0)
    run = Trainer(model, MSELoss(), SGD(model, 0.1), loader, sets={"all": (X, X[::-1], Y)})
    record = run.fit(epochs=1).records[-1]
    outputs = model(constant(X), constant(X[::-1])).numpy()
    assert record["all_loss"] == pytest.approx(np.mean((outputs - Y) ** 2), rel=1e-12)


def test_sequences_are_measured_token_by_token() -> None:
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, 4, (6, 5))
    logits = rng.standard_normal((6, 5, 4))
    found = evaluate(lambda x: x, logits, tokens, {"accuracy": correct, "perplexity": perplexity})
    assert found["accuracy"] == np.mean(logits.argmax(axis=-1) == tokens)


def test_averaged_weights_are_evaluated_beside_the_last_ones() -> None:
    model = Linear(3, 1, rng=0, dtype=np.float64)
    ema = EMA(model, 0.5)
    run = Trainer(
        model, MSELoss(), SGD(model, 0.1), DataLoader((X, Y), 10, rng=0), sets={"train": (X, Y)},
        callbacks=[Averaged(ema, start=2)],
    )  # fmt: skip
    record = run.fit(epochs=2).records[-1]
    assert ema.count == 5
    last = np.mean((model(constant(X)).numpy() - Y) ** 2)
    with ema.applied():
        averaged = np.mean((model(constant(X)).numpy() - Y) ** 2)
    assert record["train_loss"] == pytest.approx(last, rel=1e-12)
    assert record["train_averaged_loss"] == pytest.approx(averaged, rel=1e-12)
    assert last != averaged


def test_the_average_of_another_model_is_refused() -> None:
    model = Linear(3, 1, rng=0, dtype=np.float64)
    run = Trainer(
        model, MSELoss(), SGD(model, 0.1), DataLoader((X, Y), 10, rng=0),
        callbacks=[Averaged(EMA(Linear(3, 1, rng=0)))],
    )  # fmt: skip
    with pytest.raises(TrainingError, match="average of another model"):
        run.fit(epochs=1)


@pytest.mark.parametrize("metric", [correct, perplexity, f1])
def test_class_numbers_as_floats_are_refused_with_the_conversion(metric: Any) -> None:
    with pytest.raises(TrainingError, match=r"fix: .*labels\.astype\(int\)") as caught:
        metric(np.zeros((600, 10)), np.arange(600.0) % 10)
    assert "regression" not in str(caught.value)
