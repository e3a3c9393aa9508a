"""Optimizers: from gradients to changed parameters.

Knows: parameters and flat arrays. Does not know: layers, losses, data.
Read next: `optimizer.py` (the loop, common to all), then `rules.py` (one formula each), `adam.py`
and `quasi_newton.py`; `schedules.py` for learning rates that change (then `cycles.py`,
`combined.py`, `plateau.py`), `hooks.py` for clipping, `averages.py` for averaged parameters.
"""

from tinygrad_edu.optim.adam import LAMB, Adam, Adamax, AdamW, NAdam, RAdam
from tinygrad_edu.optim.averages import EMA, SWA
from tinygrad_edu.optim.combined import SequentialLR, WarmUp
from tinygrad_edu.optim.cycles import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    OneCycleLR,
)
from tinygrad_edu.optim.hooks import (
    L1,
    ClipGradNorm,
    ClipGradValue,
    GradientNoise,
    Hook,
    WeightDecay,
    clip_grad_norm,
    clip_grad_value,
)
from tinygrad_edu.optim.optimizer import Optimizer, decay_groups
from tinygrad_edu.optim.plateau import ReduceLROnPlateau
from tinygrad_edu.optim.quasi_newton import LBFGS
from tinygrad_edu.optim.rules import SGD, AdaDelta, AdaGrad, RMSProp
from tinygrad_edu.optim.schedules import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    StepLR,
)

__all__ = [
    "EMA",
    "L1",
    "LAMB",
    "LBFGS",
    "SGD",
    "SWA",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ClipGradNorm",
    "ClipGradValue",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "GradientNoise",
    "Hook",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "NAdam",
    "OneCycleLR",
    "Optimizer",
    "PolynomialLR",
    "RAdam",
    "RMSProp",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "WarmUp",
    "WeightDecay",
    "clip_grad_norm",
    "clip_grad_value",
    "decay_groups",
]
