"""The file of the curves of a run.

Knows: a history. Does not know: how it is drawn (``plots/curves.py``), or how the run was made.
Read next: ``history.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

from tinygrad_edu.plots import curves
from tinygrad_edu.train.history import History

__all__ = ["save_curves"]


def save_curves(
    history: History,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    epoch: int | None = None,
    metric: str = "accuracy",
) -> Path:
    """Draw the loss and one metric of every set over the iterations; write it, return the path.

    Parameters
    ----------
    history : History
        With at least one record.
    path : str or path
        Ends in .png, .svg or .pdf.
    title : str
        A line above the picture.
    epoch : int, optional
        Iterations in an epoch, for a second axis.
    metric : str
        Name of the metric, as in ``"accuracy"`` for the records' ``train_accuracy``.

    Raises
    ------
    DiagramError
        Matplotlib is not installed; the text says how to install it.
    """
    return curves(history, metric=metric, epoch=epoch, title=title).save(path)
