"""Training: the loop, what it tells, and what it keeps.

Knows: modules, optimizers, loaders. Does not know: the nets of ``models/``, the command line.
Read next: `trainer.py`; then `callbacks.py`, `keep.py` and `logs.py` (files while it runs),
`resume.py` and `checkpoint.py` (what survives), `metrics.py`, `history.py`, `nonfinite.py` (the
diagnosis), `finder.py`, `signals.py`, `progress.py`, `recorder.py` (histograms while
it runs), `curves.py` (the picture), `threads.py`.
"""

from tinygrad_edu.train.average import Averaged
from tinygrad_edu.train.callbacks import Callback, EarlyStopping
from tinygrad_edu.train.checkpoint import read_checkpoint, write_checkpoint
from tinygrad_edu.train.curves import save_curves
from tinygrad_edu.train.doctor import Finding, GradientDoctor, diagnose, report
from tinygrad_edu.train.finder import RateSweep, find_learning_rate
from tinygrad_edu.train.history import History, Record
from tinygrad_edu.train.keep import Checkpoints
from tinygrad_edu.train.logs import CSVLog, JSONLog, TensorBoardLog
from tinygrad_edu.train.metrics import (
    METRICS,
    Metric,
    absolute_error,
    binary_accuracy,
    confusion_matrix,
    correct,
    evaluate,
    f1,
    loss_metric,
    perplexity,
    precision,
    predictions,
    r_squared,
    recall,
    squared_error,
    top,
)
from tinygrad_edu.train.progress import Progress
from tinygrad_edu.train.recorder import Recorder
from tinygrad_edu.train.search import (
    Choice,
    IntUniform,
    LogUniform,
    Results,
    Run,
    Trial,
    Uniform,
    search,
)
from tinygrad_edu.train.threads import one_thread
from tinygrad_edu.train.trainer import Trainer

__all__ = [
    "METRICS",
    "Averaged",
    "CSVLog",
    "Callback",
    "Checkpoints",
    "Choice",
    "EarlyStopping",
    "Finding",
    "GradientDoctor",
    "History",
    "IntUniform",
    "JSONLog",
    "LogUniform",
    "Metric",
    "Progress",
    "RateSweep",
    "Record",
    "Recorder",
    "Results",
    "Run",
    "TensorBoardLog",
    "Trainer",
    "Trial",
    "Uniform",
    "absolute_error",
    "binary_accuracy",
    "confusion_matrix",
    "correct",
    "diagnose",
    "evaluate",
    "f1",
    "find_learning_rate",
    "loss_metric",
    "one_thread",
    "perplexity",
    "precision",
    "predictions",
    "r_squared",
    "read_checkpoint",
    "recall",
    "report",
    "save_curves",
    "search",
    "squared_error",
    "top",
    "write_checkpoint",
]
