"""Optimizers: from gradients to changed parameters.

Knows: parameters and flat arrays. Does not know: layers, losses, data.
Read next: `optimizer.py` (the loop, common to all), then `rules.py` (one formula each).
"""

from tinygrad_edu.optim.hooks import clip_grad_norm, clip_grad_value
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.rules import SGD, AdaGrad, Adam, AdamW, RMSProp

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSProp",
    "clip_grad_norm",
    "clip_grad_value",
]
