"""Neural networks: modules, initial values, layers, losses.

Knows: tensors and the rows of the table. Does not know: optimizers, data, training.
Read next: `module.py` (what a module is), `layers.py`, `losses.py`; `init.py` for first values.
"""

from tinygrad_edu.nn import init
from tinygrad_edu.nn.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Activation,
    HardSigmoid,
    HardSwish,
    HardTanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from tinygrad_edu.nn.init import (
    default_generator,
    get_default_dtype,
    manual_seed,
    set_default_dtype,
)
from tinygrad_edu.nn.layers import (
    BatchNorm1d,
    Dropout,
    Flatten,
    Identity,
    Lambda,
    Linear,
    ModuleList,
    Sequential,
)
from tinygrad_edu.nn.losses import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    MSELoss,
    cross_entropy_error,
    sum_squared_error,
)
from tinygrad_edu.nn.module import Buffer, Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "Buffer",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Identity",
    "Lambda",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "ModuleList",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "cross_entropy_error",
    "default_generator",
    "get_default_dtype",
    "init",
    "manual_seed",
    "set_default_dtype",
    "sum_squared_error",
]
