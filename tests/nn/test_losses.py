"""Losses: the modules apply their rows; the book's forms; what is refused."""

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LabelError, LayerError
from tinygrad_edu.nn import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    Loss,
    MSELoss,
    cross_entropy_error,
    sum_squared_error,
)

LOGITS = np.random.default_rng(0).standard_normal((6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])


def log_softmax(z):
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


# ------------------------------------------------------------------------ modules


LOSSES = {
    name: kind
    for name, kind in vars(nn).items()
    if isinstance(kind, type) and issubclass(kind, Loss) and kind is not Loss
}


def test_there_is_a_module_for_each_loss():
    rows = {row.name for row in OPS.values() if "reduction" in row.params}
    assert {kind.op.name for kind in LOSSES.values()} == rows
    assert len(LOSSES) == len(rows)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_applies_its_row_and_is_described_as_the_row(name):
    kind = LOSSES[name]
    row, case = kind.op, kind.op.cases[0]
    rng = np.random.default_rng(1)
    arrays = [rng.uniform(0.2, 0.8, a) if isinstance(a, tuple) else a for a in case.arrays]
    assert kind.__name__ == name
    assert row.doc in kind.__doc__
    assert f"Called with {', '.join(row.arguments)}." in kind.__doc__
    first = Tensor(arrays[0], requires_grad=True)
    for reduction in ("mean", "sum", "none"):
        loss = kind(reduction=reduction)
        expected = row(*arrays, reduction=reduction)
        np.testing.assert_array_equal(loss(first, *arrays[1:]).numpy(), expected)
        assert repr(loss) == f"{name}(reduction={reduction!r})"
    assert kind().parameters() == []
    with pytest.raises(LayerError, match=f"{name}: found reduction='average'; expected 'mean', "):
        kind(reduction="average")
    with pytest.raises(LayerError, match=f"{name}: found the argument 'size'"):
        kind(size=3)


def test_parameters_of_the_row_are_arguments_of_the_module():
    weight = np.array([1.0, 2.0, 0.5, 1.5])
    found = CrossEntropyLoss(weight=weight)(LOGITS, LABELS)
    rows = -log_softmax(LOGITS)[np.arange(6), LABELS] * weight[LABELS]
    assert found == pytest.approx(rows.sum() / weight[LABELS].sum(), rel=1e-12)
    assert nn.HuberLoss(delta=2.0)(np.array([3.0]), np.array([0.0])) == 4.0
    p = np.exp(log_softmax(LOGITS))
    assert nn.KLDivLoss(reduction="batchmean")(np.log(p), p) == pytest.approx(0, abs=1e-15)
    with pytest.raises(LayerError, match="'batchmean'"):
        MSELoss(reduction="batchmean")


@pytest.mark.parametrize("labels", [LABELS, np.eye(4)[LABELS]], ids=["numbers", "one-hot"])
def test_cross_entropy_from_logits(labels):
    z = Tensor(LOGITS, requires_grad=True)
    loss = CrossEntropyLoss()(z, labels)
    logp = log_softmax(LOGITS)
    assert loss.item() == pytest.approx(-logp[np.arange(6), LABELS].mean(), rel=1e-12)
    loss.backward()
    np.testing.assert_allclose(z.grad, (np.exp(logp) - np.eye(4)[LABELS]) / 6, atol=1e-14)


def test_label_smoothing_ignored_labels_and_reductions():
    logp = log_softmax(LOGITS)
    smooth = 0.9 * np.eye(4)[LABELS] + 0.1 / 4
    found = CrossEntropyLoss(label_smoothing=0.1)(LOGITS, LABELS)
    assert found == pytest.approx(-(smooth * logp).sum(axis=1).mean(), rel=1e-12)
    rows = -logp[np.arange(6), LABELS]
    found = CrossEntropyLoss(ignore_index=1)(LOGITS, LABELS)
    assert found == pytest.approx(rows[LABELS != 1].mean(), rel=1e-12)
    assert CrossEntropyLoss(reduction="sum")(LOGITS, LABELS) == pytest.approx(rows.sum(), rel=1e-12)
    np.testing.assert_allclose(CrossEntropyLoss(reduction="none")(LOGITS, LABELS), rows)
    assert repr(CrossEntropyLoss(ignore_index=0)) == "CrossEntropyLoss(ignore_index=0)"
    assert repr(CrossEntropyLoss()) == "CrossEntropyLoss()"


def test_mean_squared_error_and_its_gradient():
    y, t = Tensor(LOGITS, requires_grad=True), LOGITS[::-1].copy()
    loss = MSELoss()(y, t)
    assert loss.item() == pytest.approx(((LOGITS - t) ** 2).mean(), rel=1e-12)
    loss.backward()
    np.testing.assert_allclose(y.grad, 2 * (LOGITS - t) / 24, rtol=1e-12)
    assert MSELoss(reduction="sum")(LOGITS, t) == pytest.approx(((LOGITS - t) ** 2).sum())


def test_binary_cross_entropy_and_its_gradient():
    t = (LOGITS > 0.3).astype(float)
    z = Tensor(LOGITS, requires_grad=True)
    loss = BCEWithLogitsLoss()(z, t)
    p = 1 / (1 + np.exp(-LOGITS))
    assert loss.item() == pytest.approx(-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean())
    loss.backward()
    np.testing.assert_allclose(z.grad, (p - t) / 24, rtol=1e-12)


@pytest.mark.hazard(26)
@pytest.mark.parametrize("loss", [MSELoss(), BCEWithLogitsLoss(), sum_squared_error])
def test_a_row_against_a_column_is_refused(loss):
    with pytest.raises(ValueError, match=r"\(5, 1\)(.*\n)*.*\(5,\)(.*\n)*.*fix: "):
        loss(Tensor(np.ones((5, 1)), requires_grad=True), np.ones(5))


@pytest.mark.hazard(25)
@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_is_no_class_is_refused(label):
    labels = np.array([0, 1, label, 2, 3, 0])
    with pytest.raises(LabelError, match=f"label {label} is not a class"):
        CrossEntropyLoss()(LOGITS, labels)
    with pytest.raises(LabelError, match=f"label {label} is not a class"):
        cross_entropy_error(np.full((6, 4), 0.25), labels)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CrossEntropyLoss(label_smoothing=1.5),
        lambda: CrossEntropyLoss(reduction="average"),
        lambda: MSELoss(reduction="Mean"),
        lambda: BCEWithLogitsLoss(reduction=None),
    ],
)
def test_bad_options_are_refused(make):
    with pytest.raises(LayerError, match="fix: "):
        make()


# ------------------------------------------------------------------------ the book's


def test_gradients_of_the_books_losses():
    y = Tensor([[0.2, 0.8], [0.5, 0.5]], requires_grad=True)
    sum_squared_error(y, [[0.0, 1.0], [1.0, 0.0]]).backward()
    np.testing.assert_allclose(y.grad, [[0.2, -0.2], [-0.5, 0.5]], rtol=1e-12)
    for t in ([1, 0], [[0, 1], [1, 0]]):
        y = Tensor([[0.2, 0.8], [0.5, 0.5]], requires_grad=True)
        cross_entropy_error(y, t).backward()
        expected = [[0, -0.5 / (0.8 + 1e-7)], [-0.5 / (0.5 + 1e-7), 0]]
        np.testing.assert_allclose(y.grad, expected, rtol=1e-12)


def test_two_classes_and_two_rows_are_no_source_of_confusion():
    y = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert cross_entropy_error(y, [0, 1]) == cross_entropy_error(y, [[1, 0], [0, 1]])
    assert cross_entropy_error([[0.9], [0.2]], [0, 0]) == cross_entropy_error(
        [[0.9], [0.2]], [[1], [1]]
    )


def test_a_probability_of_zero_gives_a_finite_loss():
    assert cross_entropy_error([0.0, 1.0], [1, 0]) == pytest.approx(-np.log(1e-7))


def test_float32_is_kept():
    y = np.array([[0.9, 0.1]], np.float32)
    assert cross_entropy_error(y, [0]).dtype == np.float32
    assert sum_squared_error(y, y).dtype == np.float32


@pytest.mark.parametrize("t", [[0, 1, 2], [[0, 1]], [[[0]]], 0])
def test_targets_of_no_fitting_shape_are_refused(t):
    with pytest.raises(LayerError, match="fix: "):
        cross_entropy_error([[0.5, 0.5], [0.5, 0.5]], t)


def test_a_label_that_is_no_integer_is_refused():
    with pytest.raises(LabelError):
        cross_entropy_error([[0.5, 0.5]], [0.5])
