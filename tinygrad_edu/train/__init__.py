"""Training: the loop, what it tells, and what it keeps.

Knows: modules, optimizers, loaders. Does not know: the nets of ``models/``, the command line.
Read next: `trainer.py`; then `checkpoint.py` (the file), `metrics.py`, `history.py`, `progress.py`,
`curves.py` (the picture), `threads.py`.
"""

from tinygrad_edu.train.checkpoint import read_checkpoint, write_checkpoint
from tinygrad_edu.train.curves import save_curves
from tinygrad_edu.train.history import History, Record
from tinygrad_edu.train.metrics import Metric, correct, evaluate, predictions, top
from tinygrad_edu.train.progress import Progress
from tinygrad_edu.train.threads import one_thread
from tinygrad_edu.train.trainer import EarlyStopping, Trainer

__all__ = [
    "EarlyStopping",
    "History",
    "Metric",
    "Progress",
    "Record",
    "Trainer",
    "correct",
    "evaluate",
    "one_thread",
    "predictions",
    "read_checkpoint",
    "save_curves",
    "top",
    "write_checkpoint",
]
