"""Losses: values by plain formulas, exact at the ends, and what is refused.

The laws that every row obeys are in ``test_laws.py``.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import gradients, hessian, jvp
from tinygrad_edu.errors import LabelError, OpError, OpTypeError

INF = math.inf
LOSSES = [row for row in OPS.values() if row.group in ("loss", "likelihood", "margin", "ctc")]
REDUCING = [row for row in LOSSES if "reduction" in row.params]


def leaf(data: Any, dtype: Any = None) -> Tensor:
    return Tensor(np.array(data, dtype=dtype or np.float64), requires_grad=True)


def gradient(f: Callable[[Tensor], Any], data: Any) -> Any:
    """Return the gradient of the sum of a function's result."""
    x = leaf(data)
    f(x).sum().backward()
    return x.grad


def logits_and_labels(seed: int, rows: int, classes: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, classes)), rng.integers(classes, size=rows)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ------------------------------------------------------------------------------ cross-entropy


@pytest.mark.hazard(18)
@pytest.mark.parametrize("loss", [100.0, 700.0, 1e5])
def test_a_large_cross_entropy_is_not_clipped(loss: float) -> None:
    z = leaf([[0.0, loss]])
    found = ops.softmax_cross_entropy(z, np.array([0]))
    assert abs(found.item() - loss) <= 1e-12 * loss
    found.backward()
    assert z.grad == pytest.approx(np.array([[-1.0, 1.0]]), abs=1e-12)
    assert ops.softmax_cross_entropy(leaf([[0.0, loss]]), np.array([1])).item() <= np.exp(-100)


@pytest.mark.hazard(18)
def test_cross_entropy_of_impossible_classes() -> None:
    z = leaf([[0.0, -INF, 0.0]])
    found = ops.softmax_cross_entropy(z, np.array([0]))
    assert found.item() == np.log(2)
    found.backward()
    assert z.grad.tolist() == [[-0.5, 0, 0.5]]
    soft = leaf([[0.0, -INF, 0.0]])
    found = ops.softmax_cross_entropy(soft, np.array([[0.5, 0.0, 0.5]]))
    assert found.item() == np.log(2)
    found.backward()
    assert soft.grad.tolist() == [[0, 0, 0]]
    assert ops.softmax_cross_entropy(leaf([[0.0, -INF]]), np.array([1])).item() == INF


@pytest.mark.acceptance("A8")
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 5), classes=st.integers(1, 4))
def test_labels_and_one_hot_rows_are_one_loss(seed: int, rows: int, classes: int) -> None:
    z, labels = logits_and_labels(seed, rows, classes)
    one_hot = np.eye(classes)[labels]
    expected = float(np.mean(-np.log(softmax(z)[np.arange(rows), labels])))
    for given_labels in (labels, labels.astype(np.uint8), one_hot, one_hot.astype(int)):
        x = leaf(z)
        loss = ops.softmax_cross_entropy(x, given_labels)
        assert loss.item() == pytest.approx(expected, abs=1e-12)
        loss.backward()
        assert x.grad == pytest.approx((softmax(z) - one_hot) / rows, abs=1e-12)


@given(
    seed=st.integers(0, 2**32 - 1),
    smoothing=st.floats(0, 1),
    ignored=st.lists(st.booleans(), min_size=4, max_size=4),
    reduction=st.sampled_from(["mean", "sum", "none"]),
)
def test_options_of_cross_entropy_follow_the_plain_formulas(
    seed: int, smoothing: float, ignored: list[bool], reduction: str
) -> None:
    z, labels = logits_and_labels(seed, 4, 3)
    wanted = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    keep = ~np.array(ignored)
    losses = -(wanted * np.log(softmax(z))).sum(axis=1) * keep
    slopes = (softmax(z) - wanted) * keep[:, None]
    labels[~keep] = -1
    count = max(1, keep.sum())
    expected = {"mean": losses.sum() / count, "sum": losses.sum(), "none": losses}[reduction]
    x = leaf(z)
    found = ops.softmax_cross_entropy(
        x, labels, label_smoothing=smoothing, ignore_index=-1, reduction=reduction
    )
    assert found.numpy() == pytest.approx(expected, abs=1e-12)
    found.sum().backward()
    scale = count if reduction == "mean" else 1
    assert x.grad == pytest.approx(slopes / scale, abs=1e-12)


def test_soft_labels_follow_the_plain_formula_and_have_a_gradient() -> None:
    rng = np.random.default_rng(5)
    z, t = rng.normal(size=(4, 3)), softmax(rng.normal(size=(4, 3)))
    x, labels = leaf(z), leaf(t)
    loss = ops.softmax_cross_entropy(x, labels)
    assert loss.item() == pytest.approx(-(t * np.log(softmax(z))).sum() / 4, abs=1e-12)
    loss.backward()
    assert x.grad == pytest.approx((softmax(z) - t) / 4, abs=1e-12)
    assert labels.grad == pytest.approx(-np.log(softmax(z)) / 4, abs=1e-12)


def test_no_row_that_counts_has_loss_zero() -> None:
    x = leaf([[1.0, 2.0]])
    loss = ops.softmax_cross_entropy(x, np.array([7]), ignore_index=7)
    loss.backward()
    assert (loss.item(), x.grad.tolist()) == (0, [[0, 0]])
    assert ops.softmax_cross_entropy(np.zeros((0, 3)), np.zeros(0, int)) == 0
    assert ops.mean_squared_error(np.zeros(0), np.zeros(0)) == 0


@pytest.mark.hazard(25)
@pytest.mark.parametrize("label", [-1, 3, 10**6])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"reduction": "none"}])
def test_a_label_that_is_no_class_is_an_index_error(label: int, options: dict[str, Any]) -> None:
    labels = np.array([0, label])
    for z in (leaf(np.zeros((2, 3))), np.zeros((2, 3))):
        with pytest.raises(IndexError, match=f"label {label} is not a class.*3 classes") as caught:
            ops.softmax_cross_entropy(z, labels, **options)
        assert isinstance(caught.value, LabelError)
    ops.softmax_cross_entropy(leaf(np.zeros((2, 3))), labels, ignore_index=label)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.array([0, 1, 2]), {}, "one label per row"),
        (np.array([[0], [1]]), {}, "one label per row"),
        (np.ones((2, 4)), {}, "shape of the logits"),
        (np.array([True, False]), {}, "neither class numbers nor probabilities"),
        (np.array([0, 1]), {"reduction": "average"}, "'mean', 'sum' or 'none'"),
        (np.array([0, 1]), {"label_smoothing": 1.5}, "not in"),
        (np.array([0, 1]), {"label_smoothing": 0.1, "reduction": "average"}, "'mean'"),
    ],
)
def test_cross_entropy_refuses(labels: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises((OpError, OpTypeError), match=message):
        ops.softmax_cross_entropy(leaf(np.zeros((2, 3))), labels, **options)


@pytest.mark.hazard(26)
@pytest.mark.parametrize("loss", [ops.mean_squared_error, ops.binary_cross_entropy_with_logits])
def test_a_loss_does_not_broadcast_its_target(loss: Any) -> None:
    for prediction in (leaf(np.zeros(3)), np.zeros(3)):
        for target in (np.zeros((3, 1)), np.zeros(1), 0.0):
            with pytest.raises(ValueError, match="one shape"):
                loss(prediction, target)
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none'"):
        loss(leaf(np.zeros(3)), np.zeros(3), reduction="max")


def test_mean_squared_error_is_its_formula() -> None:
    x, t = leaf([1.0, 2.0, 4.0]), leaf([0.0, 2.0, 2.0])
    loss = ops.mean_squared_error(x, t)
    loss.backward()
    assert loss.item() == pytest.approx(5 / 3)
    assert x.grad == pytest.approx([2 / 3, 0, 4 / 3])
    assert t.grad == pytest.approx([-2 / 3, 0, -4 / 3])


def test_binary_cross_entropy_does_not_overflow() -> None:
    x = leaf([-1000.0, 1000.0, 0.0])
    loss = ops.binary_cross_entropy_with_logits(x, np.array([1.0, 0.0, 0.5]), reduction="none")
    assert loss.tolist() == [1000, 1000, np.log(2)]
    loss.sum().backward()
    assert x.grad.tolist() == [-1, 1, 0]


# ------------------------------------------------------------------------------ plain formulas

RNG = np.random.default_rng(11)
A, B, C = (RNG.normal(size=(4, 3)) for _ in range(3))
P, Q = softmax(A), softmax(B)
U, V = 1 / (1 + np.exp(-A)), 1 / (1 + np.exp(-B))
HARD = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]])
SIGNS = 2 * HARD - 1
ROW_SIGNS = SIGNS[:, 0]
LABELS = np.array([0, 2, 1, 1])
W = np.array([0.5, 2.0, 1.5])
COUNTS = np.array([[0, 1, 2], [3, 0, 5], [1, 1, 9], [2, 0, 4]])


def each(f: Callable[..., float], *arrays: Any) -> Any:
    """Return a function of numbers applied to each element in a loop."""
    flat = [f(*numbers) for numbers in zip(*(np.ravel(a).tolist() for a in arrays), strict=True)]
    return np.reshape(flat, np.shape(arrays[0]))


def huber(a: float, b: float, delta: float) -> float:
    size = abs(a - b)
    return size * size / 2 if size <= delta else delta * (size - delta / 2)


def distance(a: Any, b: Any, p: float = 2) -> Any:
    return (np.abs(a - b) ** p).sum(axis=-1) ** (1 / p)


def cosine(a: Any, b: Any) -> Any:
    return (a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))


def multi_margin(scores: Any, labels: Any, p: int, margin: float, weight: Any) -> Any:
    return [
        weight[t]
        * sum(max(0.0, margin - x[t] + x[j]) ** p for j in range(len(x)) if j != t)
        / len(x)
        for x, t in zip(scores, labels, strict=True)
    ]


def stirling(t: float) -> float:
    return t * math.log(t) - t + 0.5 * math.log(2 * math.pi * t) if t > 1 else 0.0


SIGMOID_TERMS = each(
    lambda x, t: math.log1p(math.exp(-x)) * t + math.log1p(math.exp(x)) * (1 - t), A, V
)
HIT = HARD * U + (1 - HARD) * (1 - U)
FORMULAS: dict[str, tuple[Any, Any]] = {
    "mse_loss": (lambda **k: ops.mse_loss(A, B, **k), (A - B) ** 2),
    "l1_loss": (lambda **k: ops.l1_loss(A, B, **k), np.abs(A - B)),
    "huber_loss": (
        lambda **k: ops.huber_loss(A, B, delta=0.7, **k),
        each(lambda a, b: huber(a, b, 0.7), A, B),
    ),
    "smooth_l1_loss": (
        lambda **k: ops.smooth_l1_loss(A, B, beta=0.7, **k),
        each(lambda a, b: huber(a, b, 0.7) / 0.7, A, B),
    ),
    "smooth_l1_loss, beta 0": (
        lambda **k: ops.smooth_l1_loss(A, B, beta=0, **k), np.abs(A - B),
    ),
    "log_cosh_loss": (lambda **k: ops.log_cosh_loss(A, B, **k), np.log(np.cosh(A - B))),
    "nll_loss": (lambda **k: ops.nll_loss(A, LABELS, **k), -A[np.arange(4), LABELS]),
    "softmax_focal_loss": (
        lambda **k: ops.softmax_focal_loss(A, LABELS, gamma=1.5, **k),
        [-((1 - p[t]) ** 1.5) * math.log(p[t]) for p, t in zip(P, LABELS, strict=True)],
    ),
    "binary_cross_entropy": (
        lambda **k: ops.binary_cross_entropy(U, V, weight=W, **k),
        -W * (V * np.log(U) + (1 - V) * np.log(1 - U)),
    ),
    "binary_cross_entropy_with_logits": (
        lambda **k: ops.binary_cross_entropy_with_logits(A, V, weight=W, **k), W * SIGMOID_TERMS,
    ),
    "binary_cross_entropy_with_logits, pos_weight": (
        lambda **k: ops.binary_cross_entropy_with_logits(A, V, pos_weight=W, **k),
        -(W * V * np.log(U) + (1 - V) * np.log(1 - U)),
    ),
    "sigmoid_focal_loss": (
        lambda **k: ops.sigmoid_focal_loss(A, HARD, **k),
        -np.where(HARD, 0.25, 0.75) * (1 - HIT) ** 2 * np.log(HIT),
    ),
    "dice_loss": (
        lambda **k: ops.dice_loss(U, HARD, **k),
        1 - (2 * (U * HARD).sum(axis=1) + 1) / (U.sum(axis=1) + HARD.sum(axis=1) + 1),
    ),
    "kl_div": (lambda **k: ops.kl_div(np.log(P), Q, **k), Q * (np.log(Q) - np.log(P))),
    "kl_div, log_target": (
        lambda **k: ops.kl_div(np.log(P), np.log(Q), log_target=True, **k),
        Q * (np.log(Q) - np.log(P)),
    ),
    "jensen_shannon": (
        lambda **k: ops.jensen_shannon(P, Q, **k),
        (P * np.log(2 * P / (P + Q)) + Q * np.log(2 * Q / (P + Q))).sum(axis=1) / 2,
    ),
    "poisson_nll_loss": (
        lambda **k: ops.poisson_nll_loss(A, COUNTS, full=True, **k),
        np.exp(A) - COUNTS * A + each(stirling, COUNTS),
    ),
    "poisson_nll_loss of rates": (
        lambda **k: ops.poisson_nll_loss(U, COUNTS, log_input=False, **k), U - COUNTS * np.log(U),
    ),
    "gaussian_nll_loss": (
        lambda **k: ops.gaussian_nll_loss(A, B, U, full=True, **k),
        0.5 * np.log(2 * np.pi * U) + (A - B) ** 2 / (2 * U),
    ),
    "hinge_loss": (
        lambda **k: ops.hinge_loss(A, SIGNS, margin=0.7, **k), np.maximum(0, 0.7 - SIGNS * A),
    ),
    "squared_hinge_loss": (
        lambda **k: ops.squared_hinge_loss(A, SIGNS, **k), np.maximum(0, 1 - SIGNS * A) ** 2,
    ),
    "hinge_embedding_loss": (
        lambda **k: ops.hinge_embedding_loss(A, SIGNS, **k),
        np.where(SIGNS == 1, A, np.maximum(0, 1 - A)),
    ),
    "soft_margin_loss": (
        lambda **k: ops.soft_margin_loss(A, SIGNS, **k), np.log(1 + np.exp(-SIGNS * A)),
    ),
    "multi_margin_loss": (
        lambda **k: ops.multi_margin_loss(A, LABELS, margin=0.7, **k),
        multi_margin(A, LABELS, 1, 0.7, [1, 1, 1]),
    ),
    "multi_margin_loss, squares": (
        lambda **k: ops.multi_margin_loss(A, LABELS, p=2, weight=W, **k),
        multi_margin(A, LABELS, 2, 1, W),
    ),
    "multilabel_margin_loss": (
        lambda **k: ops.multilabel_margin_loss(
            A, np.array([[2, 0, -1], [1, -1, 0], [-1, 0, 1], [0, 1, 2]]), **k
        ),
        [
            sum(max(0.0, 1 - x[i] + x[j]) for i in right for j in {0, 1, 2} - right) / 3
            for x, right in zip(A, [{0, 2}, {1}, set(), {0, 1, 2}], strict=True)
        ],
    ),
    "multilabel_soft_margin_loss": (
        lambda **k: ops.multilabel_soft_margin_loss(A, V, **k), SIGMOID_TERMS.mean(axis=1),
    ),
    "cosine_embedding_loss": (
        lambda **k: ops.cosine_embedding_loss(A, B, ROW_SIGNS, margin=0.1, **k),
        np.where(ROW_SIGNS == 1, 1 - cosine(A, B), np.maximum(0, cosine(A, B) - 0.1)),
    ),
    "margin_ranking_loss": (
        lambda **k: ops.margin_ranking_loss(A, B, SIGNS, margin=0.2, **k),
        np.maximum(0, 0.2 - SIGNS * (A - B)),
    ),
    "triplet_margin_loss": (
        lambda **k: ops.triplet_margin_loss(A, B, C, p=3, **k),
        np.maximum(0, distance(A, B, 3) - distance(A, C, 3) + 1),
    ),
    "triplet_margin_loss, swap": (
        lambda **k: ops.triplet_margin_loss(A, B, C, swap=True, **k),
        np.maximum(0, distance(A, B) - np.minimum(distance(A, C), distance(B, C)) + 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_is_its_plain_formula_however_it_is_reduced(name: str) -> None:
    loss, terms = FORMULAS[name]
    np.testing.assert_allclose(loss(reduction="none"), terms, rtol=1e-12, atol=1e-14)
    assert loss(reduction="sum") == pytest.approx(np.sum(terms), rel=1e-12)
    assert loss() == pytest.approx(np.mean(terms), rel=1e-12)


def test_every_loss_has_a_plain_formula() -> None:
    names = {name.split(",")[0].split(" of ")[0] for name in FORMULAS}
    elsewhere = {"softmax_cross_entropy", "ctc_loss"}
    assert {row.name for row in REDUCING} == {OPS.get(n, getattr(ops, n)).name for n in names} | (
        elsewhere
    )


@pytest.mark.parametrize("row", REDUCING, ids=lambda row: row.name)
def test_an_unknown_reduction_is_refused_by_every_loss(row: Any) -> None:
    case = row.cases[0]
    arrays = [np.full(a, 0.5) if isinstance(a, tuple) else a for a in case.arrays]
    with pytest.raises(OpError, match=rf"{row.name}: reduction='average'(.|\n)*fix: use 'mean', "):
        row(*arrays, **{**case.params, "reduction": "average"})


# ------------------------------------------------------------------------------ classes by weight


def test_class_weights_divide_by_the_weights_of_the_labels() -> None:
    logp = np.log(P)
    rows = -W[LABELS] * logp[np.arange(4), LABELS]
    for loss in (
        lambda **k: ops.softmax_cross_entropy(A, LABELS, weight=W, **k),
        lambda **k: ops.softmax_cross_entropy(A, LABELS, weight=W.tolist(), **k),
        lambda **k: ops.nll_loss(logp, LABELS, weight=W, **k),
    ):
        assert loss() == pytest.approx(rows.sum() / W[LABELS].sum(), rel=1e-12)
        np.testing.assert_allclose(loss(reduction="none"), rows, rtol=1e-12)
    ignoring = W[[0, 1, 1]].sum()
    labels = np.array([0, -7, 1, 1])
    kept = rows[[0, 2, 3]].sum() / ignoring
    for found in (
        ops.softmax_cross_entropy(A, labels, weight=W, ignore_index=-7),
        ops.nll_loss(logp, labels, weight=W, ignore_index=-7),
    ):
        assert found == pytest.approx(kept, rel=1e-12)
    # Soft labels: each class counts by its weight, the mean is over rows.
    soft = -(W * Q * logp).sum(axis=1).mean()
    assert ops.softmax_cross_entropy(A, Q, weight=W) == pytest.approx(soft, rel=1e-12)


def test_weights_of_zero_leave_a_loss_of_zero() -> None:
    nothing = np.array([0.0, 1.0, 1.0])
    for row in (ops.softmax_cross_entropy, ops.nll_loss, ops.softmax_focal_loss):
        z = leaf([[1.0, -INF, 2.0]])
        found = row(z, np.array([0]), weight=nothing)
        found.backward()
        assert (found.item(), z.grad.tolist()) == (0, [[0, 0, 0]])


def test_what_is_ignored_may_be_anything() -> None:
    logp = leaf([[-INF, -INF], [-0.5, -1.0]])
    for row in (ops.nll_loss, ops.softmax_focal_loss):
        logp.grad = None
        found = row(logp, np.array([-1, 0]), ignore_index=-1)
        assert np.isfinite(found.item())
        found.backward()
        assert logp.grad[0].tolist() == [0, 0]


@pytest.mark.hazard(25)
@pytest.mark.parametrize(
    "row", [ops.nll_loss, ops.softmax_focal_loss, ops.multi_margin_loss], ids=lambda row: row.name
)
def test_labels_that_are_no_classes_are_refused_by_name(row: Any) -> None:
    for label in (-1, 3):
        with pytest.raises(
            IndexError, match=rf"{row.name}: label {label} is not a class"
        ) as caught:
            row(leaf(A), np.array([0, label, 1, 1]))
        assert isinstance(caught.value, LabelError)
    with pytest.raises(ValueError, match=r"one label per row(.|\n)*\(4, 1\)(.|\n)*fix: "):
        row(A, LABELS[:, None])
    with pytest.raises(TypeError, match="no class numbers"):
        row(A, LABELS.astype(float))
    with pytest.raises(ValueError, match=r"not one number per class(.|\n)*\(3,\)"):
        row(A, LABELS, weight=np.ones(4))


# ------------------------------------------------------------------------------ shapes and kinds

PAIRS = [
    ops.l1_loss, ops.huber_loss, ops.smooth_l1_loss, ops.log_cosh_loss, ops.binary_cross_entropy,
    ops.sigmoid_focal_loss, ops.dice_loss, ops.kl_div, ops.jensen_shannon, ops.poisson_nll_loss,
    ops.hinge_loss, ops.squared_hinge_loss, ops.soft_margin_loss, ops.hinge_embedding_loss,
    ops.multilabel_soft_margin_loss,
]  # fmt: skip


@pytest.mark.hazard(26)
@pytest.mark.parametrize("row", PAIRS, ids=lambda row: row.name)
def test_a_row_against_a_column_is_refused_with_the_fix(row: Any) -> None:
    for prediction in (leaf(np.full(3, 0.5)), np.full(3, 0.5)):
        with pytest.raises(ValueError, match=rf"{row.name}: .*one shape(.|\n)*fix: reshape"):
            row(prediction, np.full((3, 1), 0.5))


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: row.name)
def test_lists_whole_numbers_and_tensors_are_targets_too(row: Any) -> None:
    x = np.array([0.3, 0.6], np.float32)
    expected = row(x, np.array([1.0, 0.0], np.float32))
    assert expected.dtype == np.float32
    for target in (np.array([1, 0]), np.array([True, False]), Tensor([1, 0])):
        found = row(leaf(x, np.float32), target)
        assert found.dtype == np.float32
        assert found.item() == pytest.approx(float(expected), rel=1e-6)
    assert row([0.3, 0.6], [1, 0]) == pytest.approx(float(expected), rel=1e-6)


def test_fused_losses_take_whole_numbers_without_widening() -> None:
    x = leaf([0.5, -1.0], np.float32)
    for row in (ops.mean_squared_error, ops.binary_cross_entropy_with_logits):
        x.grad = None
        found = row(x, np.array([1, 0]))
        found.backward()
        assert found.dtype == x.grad.dtype == np.float32
        np.testing.assert_allclose(found.numpy(), row(x.numpy(), np.float32([1, 0])), rtol=1e-6)


def test_the_second_derivative_of_a_large_fused_loss_has_its_constants() -> None:
    x, t = leaf(np.ones(3000)), np.zeros(3000)
    (first,) = gradients(ops.mean_squared_error(x * 2.0, t), [x], create_graph=True)
    (second,) = gradients(np.sum(first), [x])
    np.testing.assert_allclose(second.numpy(), 8 / 3000, rtol=1e-12)
    z, labels = leaf(np.zeros((3000, 2))), np.zeros(3000, int)
    (first,) = gradients(ops.softmax_cross_entropy(z, labels), [z], create_graph=True)
    (second,) = gradients(np.sum(first[:, 0]), [z])
    np.testing.assert_allclose(second[0].numpy(), np.array([0.25, -0.25]) / 3000, rtol=1e-12)


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: ops.huber_loss(A, B, delta=0), "huber_loss: delta=0"),
    (lambda: ops.smooth_l1_loss(A, B, beta=-1), "smooth_l1_loss: beta=-1"),
    (lambda: ops.sigmoid_focal_loss(A, V, gamma=-1), "sigmoid_focal_loss: gamma=-1"),
    (lambda: ops.sigmoid_focal_loss(A, V, alpha=2), "sigmoid_focal_loss: alpha=2"),
    (lambda: ops.softmax_focal_loss(A, LABELS, gamma=np.nan), "softmax_focal_loss: gamma=nan"),
    (lambda: ops.multi_margin_loss(A, LABELS, p=3), "multi_margin_loss: p=3"),
    (lambda: ops.pairwise_distance(A, B, p=0.5), "pairwise_distance: p=0.5"),
    (lambda: ops.dice_loss(U, V, smooth=-1), "dice_loss: smooth=-1"),
    (lambda: ops.gaussian_nll_loss(A, B, U[:2]), "gaussian_nll_loss: .*one variance"),
    (lambda: ops.binary_cross_entropy(U, V, weight=W[:2]), "weight of shape .2,. does not"),
    (
        lambda: ops.binary_cross_entropy_with_logits(A, V, pos_weight=np.ones((5, 4, 3))),
        "pos_weight of shape .5, 4, 3. does not",
    ),
    (lambda: ops.softmax_cross_entropy(A, LABELS, weight=W[:2]), "not one number per class"),
    (lambda: ops.multilabel_margin_loss(A, LABELS), "one place for a label per score"),
    (lambda: ops.multilabel_margin_loss(A, np.full((4, 3), -2)), "label -2 is not a class"),
    (lambda: ops.multilabel_margin_loss(A, np.full((4, 3), 3)), "label 3 is not a class"),
    (lambda: ops.kl_div(P, Q, reduction="batch"), "'mean', 'sum', 'batchmean' or 'none'"),
    (lambda: ops.l1_loss(A, B, reduction="batchmean"), "'mean', 'sum' or 'none'"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_parameters_are_refused_with_the_fix(call: Any, words: str) -> None:
    with pytest.raises(OpError, match=rf"{words}") as caught:
        call()
    assert "fix: " in str(caught.value)


def test_labels_of_margins_must_be_whole_numbers() -> None:
    with pytest.raises(OpTypeError, match="no class numbers"):
        ops.multilabel_margin_loss(A, A)


# ------------------------------------------------------------------------------ both ends


@pytest.mark.hazard(18)
def test_losses_from_logits_are_exact_at_a_thousand() -> None:
    x = np.array([-1000.0, 1000.0])
    wrong, right = np.array([1, 0]), np.array([0, 1])
    for row in (
        ops.binary_cross_entropy_with_logits,
        lambda x, t, **k: ops.binary_cross_entropy_with_logits(x, t, pos_weight=1.0, **k),
        lambda x, t, **k: ops.sigmoid_focal_loss(x, t, alpha=None, **k),
        lambda x, t, **k: ops.soft_margin_loss(x, 2 * t - 1, **k),
    ):
        assert row(x, wrong, reduction="none").tolist() == [1000, 1000]
        assert row(x, right, reduction="none").tolist() == [0, 0]
        slope = gradient(lambda x, row=row: row(x, wrong, reduction="none"), x)
        assert slope.tolist() == [-1, 1]
        assert not gradient(lambda x, row=row: row(x, right, reduction="none"), x).any()


def test_small_losses_keep_their_digits() -> None:
    small = math.exp(-40)
    x, t = np.array([-40.0, 40.0]), np.array([0, 1])
    for row in (
        ops.binary_cross_entropy_with_logits,
        lambda x, t: ops.binary_cross_entropy_with_logits(x, t, pos_weight=1.0),
        lambda x, t: ops.sigmoid_focal_loss(x, t, alpha=None, gamma=0.0),
        ops.multilabel_soft_margin_loss,
    ):
        assert row(x, t) == pytest.approx(small, rel=1e-12)
    assert ops.binary_cross_entropy(np.array([1e-20]), np.array([0])) == 1e-20
    two = ops.softmax_focal_loss(np.array([[0.0, -40.0]]), np.array([0]), gamma=1.0)
    assert two == pytest.approx(small * small, rel=1e-9)


def test_certainties_are_not_clipped() -> None:
    p = leaf([0.0, 1.0, 0.0, 1.0])
    t = np.array([0.0, 1.0, 1.0, 0.0])
    with np.errstate(divide="ignore"):
        terms = ops.binary_cross_entropy(p, t, reduction="none")
    assert terms.tolist() == [0, 0, INF, INF]
    assert gradient(lambda p: ops.binary_cross_entropy(p, t[:2]), p.numpy()[:2]).tolist() == [
        0.5, -0.5,
    ]  # fmt: skip
    logp = np.log(np.array([[0.25, 0.75]]))
    assert ops.kl_div(logp, np.array([[0.0, 1.0]]), reduction="sum") == -logp[0, 1]
    never = np.array([[-INF, 0.0]])
    assert ops.kl_div(never, np.array([[0.0, 1.0]])) == 0
    assert ops.kl_div(never, np.array([[0.5, 0.5]])) == INF
    assert ops.kl_div(never, never, log_target=True) == 0
    assert ops.nll_loss(never, np.array([0])) == INF
    apart = ops.jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert apart == pytest.approx(math.log(2), rel=1e-15)
    rates = np.array([0.0, 2.0])
    assert ops.poisson_nll_loss(rates, np.array([0, 0]), log_input=False) == 1


def test_the_divergence_is_that_of_mathematics_by_batchmean() -> None:
    expected = (Q * (np.log(Q) - np.log(P))).sum(axis=1).mean()
    found = ops.kl_div(np.log(P), Q, reduction="batchmean")
    assert found == pytest.approx(expected, rel=1e-12)
    assert ops.kl_div(np.log(P), P) == pytest.approx(0, abs=1e-16)
    symmetric = ops.jensen_shannon(P, Q), ops.jensen_shannon(Q, P)
    assert symmetric[0] == pytest.approx(symmetric[1], rel=1e-13)


# ------------------------------------------------------------------------------ kinks


@pytest.mark.parametrize(
    ("loss", "points", "expected"),
    [
        (lambda x, t: ops.l1_loss(x, t, reduction="sum"), [-2.0, 0.0, 3.0], [-1, 0, 1]),
        (
            lambda x, t: ops.huber_loss(x, t, reduction="sum"),
            [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0],
            [-1, -1, -0.5, 0, 0.5, 1, 1],
        ),
        (
            lambda x, t: ops.smooth_l1_loss(x, t, beta=0.5, reduction="sum"),
            [-3.0, -0.5, -0.25, 0.0, 0.25],
            [-1, -1, -0.5, 0, 0.5],
        ),
        (lambda x, t: ops.hinge_loss(x, t + 1, reduction="sum"), [0.0, 1.0, 2.0], [-1, 0, 0]),
    ],
)
def test_slope_at_a_kink_is_what_the_policy_says(loss: Any, points: Any, expected: Any) -> None:
    assert gradient(lambda x: loss(x, np.zeros(len(points))), points).tolist() == expected


def test_the_parabola_of_huber_is_curved_at_its_lowest_point() -> None:
    t = np.zeros(3)
    curved = hessian(lambda x: ops.huber_loss(x, t, reduction="sum"))(np.array([0.0, 0.5, 2.0]))
    np.testing.assert_array_equal(np.diag(curved.numpy()), [1, 1, 0])


# ------------------------------------------------------------------------------ distances


def test_distances_are_norms_of_differences() -> None:
    for p in (1.0, 2.0, 3.5):
        found = ops.pairwise_distance(A, B, p=p)
        np.testing.assert_allclose(found, distance(A, B, p), rtol=1e-13)
    np.testing.assert_array_equal(
        ops.pairwise_distance(A, B, p=INF, keepdims=True), np.abs(A - B).max(axis=1, keepdims=True)
    )
    np.testing.assert_allclose(ops.cosine_similarity(A, B), cosine(A, B), rtol=1e-13)
    np.testing.assert_allclose(ops.cosine_similarity(A, B, axis=0), cosine(A.T, B.T), rtol=1e-13)


def test_the_distance_of_complex_vectors_is_real():
    a, b = A + 1j * B, B - 2j * A
    for p in (1.0, 2.0, 3.0, INF):
        found = ops.pairwise_distance(a, b, p=p)
        np.testing.assert_allclose(found, np.linalg.norm(a - b, p, axis=1), rtol=1e-13)
        assert found.dtype == np.float64


def test_vectors_of_zero_and_equal_vectors_have_finite_gradients() -> None:
    zero = np.zeros((1, 3))
    assert ops.cosine_similarity(zero, A[:1]).tolist() == [0]
    assert np.isfinite(gradient(lambda x: ops.cosine_similarity(x, A[:1]), zero)).all()
    for p in (1.0, 2.0, 3.0, INF):
        distance_to_itself = gradient(lambda x, p=p: ops.pairwise_distance(x, A, p=p), A)
        assert not distance_to_itself.any()
    huge = np.array([1e200, 1e200]), np.array([1e200, 0.0])
    with np.errstate(over="ignore"):
        assert not np.isnan(ops.cosine_similarity(*huge))


# ------------------------------------------------------------------------------ sequences


def collapse(path: tuple[int, ...], blank: int) -> list[int]:
    """Return the labelling of an alignment: repetitions joined, blanks left out."""
    return [c for c, _ in itertools.groupby(path) if c != blank]


def by_enumeration(p: Any, labels: list[int], blank: int) -> float:
    """Return the probability of a labelling: the sum over every alignment there is."""
    steps, classes = p.shape
    return math.fsum(
        math.prod(p[t, c] for t, c in enumerate(path))
        for path in itertools.product(range(classes), repeat=steps)
        if collapse(path, blank) == labels
    )


@pytest.mark.parametrize(
    ("labels", "steps", "blank"),
    [
        ([1], 4, 0), ([1, 2], 4, 0), ([1, 1], 4, 0), ([2, 2], 3, 0), ([], 3, 0), ([1, 2, 1], 5, 0),
        ([0, 1], 4, 2), ([0, 0], 5, 1), ([1], 1, 0), ([], 0, 0),
    ],
)  # fmt: skip
def test_ctc_is_the_sum_over_all_alignments(labels: list[int], steps: int, blank: int) -> None:
    z = np.random.default_rng(len(labels) + steps).normal(size=(6, 1, 3))
    logp = np.log(softmax(z))
    expected = -math.log(by_enumeration(np.exp(logp[:steps, 0]), labels, blank))
    padded = np.array([labels + [7] * (3 - len(labels))])
    x = leaf(logp)
    found = ops.ctc_loss(x, padded, np.array([steps]), np.array([len(labels)]), blank=blank)
    assert found.item() * max(1, len(labels)) == pytest.approx(expected, rel=1e-12, abs=1e-14)
    found.backward()
    # What an alignment emits in one step has probability 1 in all, and later steps do not count.
    shares = -x.grad[:, 0].sum(axis=1) * max(1, len(labels))
    np.testing.assert_allclose(shares, [1.0] * steps + [0.0] * (6 - steps), atol=1e-13)


def ctc_batch() -> tuple[Any, ...]:
    logp = np.log(softmax(np.random.default_rng(2).normal(size=(7, 3, 5))))
    labels = np.array([[1, 2, 2], [3, -1, 99], [4, 4, 0]])
    return logp, labels, np.array([7, 5, 6]), np.array([3, 1, 2])


def test_ctc_of_a_batch_is_that_of_its_sequences() -> None:
    logp, labels, steps, lengths = ctc_batch()
    alone = [
        ops.ctc_loss(logp[:, i : i + 1], labels[i : i + 1], steps[i : i + 1], lengths[i : i + 1],
                     reduction="sum")
        for i in range(3)
    ]  # fmt: skip
    each_one = ops.ctc_loss(logp, labels, steps, lengths, reduction="none")
    np.testing.assert_allclose(each_one, alone, rtol=1e-13)
    found = ops.ctc_loss(logp, labels, steps, lengths)
    assert found == pytest.approx(np.mean(alone / lengths), rel=1e-13)
    lists = ops.ctc_loss(logp, labels.tolist(), steps.tolist(), lengths.tolist())
    assert lists == found


def test_ctc_is_differentiated_twice_and_forwards() -> None:
    logp, labels, steps, lengths = ctc_batch()

    def loss(x: Any) -> Any:
        return ops.ctc_loss(x, labels, steps, lengths, reduction="sum")

    v = np.random.default_rng(3).normal(size=logp.shape)
    _, tangent = jvp(loss, (logp,), (v,))
    assert tangent.item() == pytest.approx(np.sum(gradient(loss, logp) * v), rel=1e-12)
    curvature = hessian(lambda x: loss(x + logp * 0.5))(logp * 0.5).numpy()
    around = gradient(loss, logp + 1e-5 * v) - gradient(loss, logp - 1e-5 * v)
    np.testing.assert_allclose(np.tensordot(curvature, v, 3), around / 2e-5, atol=1e-8)


def test_ctc_without_an_alignment_is_infinite_and_has_no_gradient() -> None:
    logp, labels, _, lengths = ctc_batch()
    steps = np.array([3, 5, 6])  # 1 2 2 needs a blank between its twos: four steps
    for zero_infinity, expected in ((False, INF), (True, 0.0)):
        x = leaf(logp)
        found = ops.ctc_loss(
            x, labels, steps, lengths, zero_infinity=zero_infinity, reduction="none"
        )
        assert found.numpy()[0] == expected
        found[0].backward()
        assert not x.grad.any()


def test_ctc_of_no_steps_at_all() -> None:
    none, one = np.array([0]), np.zeros((1, 1), int)
    x = leaf(np.zeros((0, 1, 3)))
    found = ops.ctc_loss(x, one, none, none)
    found.backward()
    assert (found.item(), x.grad.shape) == (0, (0, 1, 3))
    assert ops.ctc_loss(np.zeros((0, 1, 3)), one + 1, none, none + 1) == INF


def test_ctc_over_many_steps_does_not_underflow() -> None:
    logp = np.log(np.full((2000, 1, 3), 1 / 3))
    found = ops.ctc_loss(logp, np.array([[1, 2]]), np.array([2000]), np.array([2]), reduction="sum")
    assert 2000 * math.log(3) - 40 < found < 2000 * math.log(3)  # (1/3)^2000 is 0 in doubles


CTC_BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"labels": np.array([[1, 2, 5], [3, 1, 9], [4, 4, 0]])}, IndexError, "label 5 is not a class"),
    ({"labels": np.array([[1, -1, 2], [3, 1, 9], [4, 4, 0]])}, IndexError, "label -1 is not a"),
    ({"labels": np.array([[1, 0, 2], [3, 1, 9], [4, 4, 0]])}, IndexError, "the blank, 0, stands"),
    ({"blank": 5}, IndexError, "blank=5 is not a class"),
    ({"input_lengths": np.array([8, 5, 6])}, ValueError, "8 in input_lengths is not in 0 to 7"),
    ({"label_lengths": np.array([3, -1, 2])}, ValueError, "-1 in label_lengths is not in 0 to 3"),
    ({"label_lengths": np.array([3, 1])}, ValueError, "the shapes do not fit"),
    ({"label_lengths": np.array([3.0, 1.0, 2.0])}, TypeError, "labels and lengths must be whole"),
    ({"log_probabilities": np.zeros((7, 5))}, ValueError, "the shapes do not fit"),
]


@pytest.mark.parametrize(("change", "kind", "words"), CTC_BAD, ids=[w for *_, w in CTC_BAD])
def test_ctc_refuses(change: dict[str, Any], kind: type[Exception], words: str) -> None:
    names = ("log_probabilities", "labels", "input_lengths", "label_lengths")
    with pytest.raises(kind, match=f"ctc_loss: {words}"):
        ops.ctc_loss(**{**dict(zip(names, ctc_batch(), strict=True)), **change})


def test_distances_of_all_pairs():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    for p in (1.0, 2.0, 3.5, np.inf):
        expected = [[np.linalg.norm(u - v, p) for v in b] for u in a]
        np.testing.assert_allclose(ops.cdist(a, b, p), expected, rtol=1e-13)
    x = Tensor(a, requires_grad=True)
    ops.cdist(x, x).sum().backward()  # 0 on the diagonal, where there is no slope
    assert np.isfinite(x.grad).all()
