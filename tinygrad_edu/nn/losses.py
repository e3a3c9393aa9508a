"""Losses: how far a net's results are from what they should be, as one number.

Knows: results and targets. Does not know: nets. The modules apply a row of the table; the functions
below them are the book's formulas, term by term, and work on arrays and on Tensors.
Read next: ``ops/fused.py``, where the rows are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LabelError, LayerError, explain
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.fused import (
    binary_cross_entropy_with_logits,
    mean_squared_error,
    softmax_cross_entropy,
)

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "MSELoss",
    "cross_entropy_error",
    "sum_squared_error",
]


class CrossEntropyLoss(Module):
    r"""Softmax and cross-entropy together, from logits, :math:`-\log \mathrm{softmax}(z)_t`.

    Parameters
    ----------
    label_smoothing : float
        Share of the target that is spread evenly over all classes, in [0, 1].
    ignore_index : int, optional
        Rows with this label do not count.
    reduction : {"mean", "sum", "none"}
        How the losses of the rows are put together.

    Raises
    ------
    LayerError
        An argument is not as described.
    """

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        if not 0 <= label_smoothing <= 1:
            raise LayerError(
                f"CrossEntropyLoss: found label_smoothing={label_smoothing!r}; expected a fraction "
                "in [0, 1]\n  fix: pass 0.1, or leave it out"
            )
        self.label_smoothing, self.ignore_index = label_smoothing, ignore_index
        self.reduction = _reduction("CrossEntropyLoss", reduction)

    def forward(self, logits: Any, labels: Any) -> Any:
        """Return the loss.

        Parameters
        ----------
        logits : array_like, shape (batch, classes)
            The net's results, before softmax.
        labels : array_like, shape (batch,) or (batch, classes)
            Class numbers from 0, or one-hot rows or probabilities.
        """
        return softmax_cross_entropy(
            logits,
            labels,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )

    def describe(self) -> str:
        """Return the arguments that are not the defaults."""
        shown = {
            "label_smoothing": self.label_smoothing or None,
            "ignore_index": self.ignore_index,
            "reduction": None if self.reduction == "mean" else self.reduction,
        }
        return ", ".join(f"{key}={value!r}" for key, value in shown.items() if value is not None)


class MSELoss(Module):
    """Mean of squared differences; the shapes must be equal.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        How the squares are put together.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = _reduction("MSELoss", reduction)

    def forward(self, prediction: Any, target: Any) -> Any:
        """Return the loss of predictions against targets of the same shape."""
        return mean_squared_error(prediction, target, reduction=self.reduction)


class BCEWithLogitsLoss(Module):
    """Cross-entropy of sigmoid(logits) against targets in [0, 1]; the shapes must be equal.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        How the losses are put together.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = _reduction("BCEWithLogitsLoss", reduction)

    def forward(self, logits: Any, targets: Any) -> Any:
        """Return the loss of logits against targets of the same shape."""
        return binary_cross_entropy_with_logits(logits, targets, reduction=self.reduction)


def _reduction(loss: str, reduction: str) -> str:
    if reduction not in ("mean", "sum", "none"):
        raise LayerError(
            f"{loss}: found reduction={reduction!r}; expected 'mean', 'sum' or 'none'\n"
            "  fix: 'mean' makes the learning rate independent of the batch size"
        )
    return reduction


# ------------------------------------------------------------------------------ the book's


def sum_squared_error(y: Any, t: Any) -> Any:
    r"""Return half the sum of squared differences, :math:`\frac{1}{2}\sum_k (y_k - t_k)^2`.

    It is not divided by the number of samples.

    Parameters
    ----------
    y, t : array_like, of one shape
        Results and targets.

    Raises
    ------
    LayerError
        The shapes differ: they would broadcast to a sum over all pairs.

    References
    ----------
    K. Saito, "Deep Learning from Scratch", 2016, eq. 4.1.

    Examples
    --------
    >>> float(sum_squared_error([0.1, 0.9], [0.0, 1.0]))
    0.009999999999999998
    """
    y, t = _array(y), _array(t)
    if y.shape != t.shape:
        raise LayerError(
            explain(
                "sum_squared_error",
                "results and targets must have one shape",
                arguments=(("y", y), ("t", t)),
                fix="reshape one of them, as in t[:, None]",
            )
        )
    return 0.5 * np.sum(np.square(y - t))


def cross_entropy_error(y: Any, t: Any, delta: float = 1e-7) -> Any:
    r"""Return the mean cross-entropy of probabilities against class numbers or one-hot rows.

    .. math:: E = -\frac{1}{N} \sum_n \log (y_{n t_n} + \delta)

    :math:`\delta` keeps the logarithm finite where a probability is 0, and so bounds the loss; for
    training use `CrossEntropyLoss`, which starts from logits and needs none.

    Parameters
    ----------
    y : array_like, shape (batch, classes) or (classes,)
        Probabilities; a single sample counts as a batch of one.
    t : array_like, shape of `y`, or that shape without the last axis
        One-hot rows, or class numbers from 0.
    delta : float
        Added to the probabilities, at least 0.

    Raises
    ------
    LayerError
        The shapes do not fit.
    LabelError
        A label is not the number of a class.

    References
    ----------
    K. Saito, "Deep Learning from Scratch", 2016, eq. 4.3.

    Examples
    --------
    >>> y = [[0.1, 0.9], [0.8, 0.2]]
    >>> float(cross_entropy_error(y, [1, 0])) == float(cross_entropy_error(y, [[0, 1], [1, 0]]))
    True
    """
    y, t = _array(y), _array(t)
    if y.ndim == 1:
        y = np.reshape(y, (1, y.size))
        t = np.reshape(t, y.shape if t.size == y.size else (t.size,))
    if y.ndim != 2 or t.shape not in (y.shape, y.shape[:1]):
        raise LayerError(
            explain(
                "cross_entropy_error",
                "there must be one class number, or one one-hot row, per row of y",
                arguments=(("y", y), ("t", t)),
                fix="y is (batch, classes); t is (batch,) or (batch, classes)",
            )
        )
    if t.shape == y.shape:
        # First over each row: of a one-hot row that is one term, so both forms agree to the bit.
        return -np.sum(np.sum(t * np.log(y + delta), axis=-1)) / len(y)
    labels = t.numpy() if isinstance(t, Tensor) else t
    classes = y.shape[1]
    wrong = [label for label in labels.tolist() if label not in range(classes)]
    if wrong:
        raise LabelError(
            explain(
                "cross_entropy_error",
                f"label {wrong[0]} is not a class: there are {classes} classes, 0 to {classes - 1}",
                fix="number the classes from 0, as integers",
            )
        )
    picked = y[np.arange(len(y)), labels.astype(np.int64)]
    return -np.sum(np.log(picked + delta)) / len(y)


def _array(value: Any) -> Any:
    return value if isinstance(value, Tensor) else np.asarray(value)
