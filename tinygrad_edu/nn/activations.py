"""Activations: rows of the table as modules, one line each.

Knows: names of rows. Does not know: their formulas, which are in ``ops/``.
Read next: ``layers.py``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_edu.core.op import Op, get_op
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.shape import identity

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


class Activation(Module):
    """Base of the activations: a module that applies one row of the table.

    Parameters
    ----------
    **params
        Keyword parameters of the row; its own defaults otherwise.

    Raises
    ------
    LayerError
        The row has no such parameter.
    """

    op: ClassVar[Op] = identity

    def __init__(self, **params: Any) -> None:
        for name in params:
            if name not in self.op.params:
                raise LayerError(
                    f"{type(self).__name__}: found the argument {name!r}; expected "
                    f"{' or '.join(self.op.params) or 'none'}\n  fix: leave it out"
                )
        self.params = params

    def forward(self, x: Any) -> Any:
        """Return the row applied to `x`."""
        return self.op(x, **self.params)

    def describe(self) -> str:
        """Return the parameters that were given."""
        return ", ".join(f"{name}={value!r}" for name, value in self.params.items())


def _module(name: str, row: str) -> type[Activation]:
    """Return the module of that name that applies a row, described as the row is."""
    op = get_op(row)
    takes = "".join(f"\n    {key} : {value!r} by default" for key, value in op.params.items())
    text = f"{op.doc}\n\n    ``{op.formula}``\n"
    if takes:
        text += f"\n    Parameters\n    ----------{takes}\n"
    return type(name, (Activation,), {"op": op, "__doc__": text, "__module__": __name__})


CELU = _module("CELU", "celu")
ELU = _module("ELU", "elu")
GELU = _module("GELU", "gelu_tanh")
HardSigmoid = _module("HardSigmoid", "hardsigmoid")
HardSwish = _module("HardSwish", "hardswish")
HardTanh = _module("HardTanh", "hardtanh")
LeakyReLU = _module("LeakyReLU", "leaky_relu")
LogSigmoid = _module("LogSigmoid", "logsigmoid")
LogSoftmax = _module("LogSoftmax", "log_softmax")
Mish = _module("Mish", "mish")
ReLU = _module("ReLU", "relu")
ReLU6 = _module("ReLU6", "relu6")
SELU = _module("SELU", "selu")
SiLU = _module("SiLU", "silu")
Sigmoid = _module("Sigmoid", "sigmoid")
Softmax = _module("Softmax", "softmax")
Softplus = _module("Softplus", "softplus")
Softsign = _module("Softsign", "softsign")
Tanh = _module("Tanh", "tanh")
