"""Losses: how far a net's results are from what they should be, as one number.

Knows: names of rows, and what their parameters may be. Does not know: nets, and the formulas, which
are in ``ops/loss.py`` and its neighbours. The functions at the end are the book's formulas, term by
term, and work on arrays and on Tensors. Read next: ``ops/loss.py``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.op import Op, dispatches, get_op
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import LabelError, LayerError, explain
from tinygrad_edu.nn.module import Module, as_input

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "FocalLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HingeLoss",
    "HuberLoss",
    "JensenShannonLoss",
    "KLDivLoss",
    "L1Loss",
    "LogCoshLoss",
    "Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "SoftmaxFocalLoss",
    "SquaredHingeLoss",
    "TripletMarginLoss",
    "cross_entropy_error",
    "sum_squared_error",
]


class Loss(Module):
    """Base of the losses: a module that applies one row of the table.

    Parameters
    ----------
    **params
        Keyword parameters of the row; its own defaults otherwise.

    Raises
    ------
    LayerError
        The row has no such parameter, or the value makes no sense.
    """

    op: ClassVar[Op] = get_op("mean_squared_error")

    def __init__(self, **params: Any) -> None:
        for name, value in params.items():
            if name not in self.op.params:
                raise LayerError(
                    f"{type(self).__name__}: found the argument {name!r}; expected "
                    f"{' or '.join(self.op.params) or 'none'}\n  fix: leave it out"
                )
            self._check(name, value)
        self.params = params

    def _check(self, name: str, value: Any) -> None:
        """Refuse a parameter before the first batch does."""
        if name == "label_smoothing" and not 0 <= value <= 1:
            expected, fix = "a fraction in [0, 1]", "pass 0.1, or leave it out"
        elif name == "reduction" and value not in self.reductions():
            expected = f"{', '.join(map(repr, self.reductions()[:-1]))} or 'none'"
            fix = "'mean' makes the learning rate independent of the batch size"
        else:
            return
        raise LayerError(
            f"{type(self).__name__}: found {name}={value!r}; expected {expected}\n  fix: {fix}"
        )

    def reductions(self) -> tuple[str, ...]:
        """Return the values that ``reduction`` may have."""
        return ("mean", "sum", *(["batchmean"] if self.op.name == "kl_div" else []), "none")

    def forward(self, *arrays: Any) -> Any:
        """Return the row applied to results and targets, in the order of its arguments."""
        return self.op(*(as_input(self, array) for array in arrays), **self.params)

    def describe(self) -> str:
        """Return the parameters that were given."""
        return ", ".join(f"{name}={value!r}" for name, value in self.params.items())


def _module(name: str, row: str) -> type[Loss]:
    """Return the module of that name that applies a row, described as the row is."""
    op = get_op(row)
    takes = "".join(f"\n    {key} : {value!r} by default" for key, value in op.params.items())
    text = (
        f"{op.doc}\n\n    ``{op.formula}``\n\n    Called with {', '.join(op.arguments)}.\n"
        f"\n    Parameters\n    ----------{takes}\n"
    )
    return type(name, (Loss,), {"op": op, "__doc__": text, "__module__": __name__})


BCELoss = _module("BCELoss", "binary_cross_entropy")
BCEWithLogitsLoss = _module("BCEWithLogitsLoss", "binary_cross_entropy_with_logits")
CTCLoss = _module("CTCLoss", "ctc_loss")
CosineEmbeddingLoss = _module("CosineEmbeddingLoss", "cosine_embedding_loss")
CrossEntropyLoss = _module("CrossEntropyLoss", "softmax_cross_entropy")
DiceLoss = _module("DiceLoss", "dice_loss")
FocalLoss = _module("FocalLoss", "sigmoid_focal_loss")
GaussianNLLLoss = _module("GaussianNLLLoss", "gaussian_nll_loss")
HingeEmbeddingLoss = _module("HingeEmbeddingLoss", "hinge_embedding_loss")
HingeLoss = _module("HingeLoss", "hinge_loss")
HuberLoss = _module("HuberLoss", "huber_loss")
JensenShannonLoss = _module("JensenShannonLoss", "jensen_shannon")
KLDivLoss = _module("KLDivLoss", "kl_div")
L1Loss = _module("L1Loss", "mean_absolute_error")
LogCoshLoss = _module("LogCoshLoss", "log_cosh_loss")
MSELoss = _module("MSELoss", "mean_squared_error")
MarginRankingLoss = _module("MarginRankingLoss", "margin_ranking_loss")
MultiLabelMarginLoss = _module("MultiLabelMarginLoss", "multilabel_margin_loss")
MultiLabelSoftMarginLoss = _module("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss")
MultiMarginLoss = _module("MultiMarginLoss", "multi_margin_loss")
NLLLoss = _module("NLLLoss", "nll_loss")
PoissonNLLLoss = _module("PoissonNLLLoss", "poisson_nll_loss")
SmoothL1Loss = _module("SmoothL1Loss", "smooth_l1_loss")
SoftMarginLoss = _module("SoftMarginLoss", "soft_margin_loss")
SoftmaxFocalLoss = _module("SoftmaxFocalLoss", "softmax_focal_loss")
SquaredHingeLoss = _module("SquaredHingeLoss", "squared_hinge_loss")
TripletMarginLoss = _module("TripletMarginLoss", "triplet_margin_loss")

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
    return value if dispatches(value) else np.asarray(value)
