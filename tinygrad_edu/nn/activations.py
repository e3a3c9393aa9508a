"""Activations: rows of the table as modules, one line each.

Knows: names of rows. Does not know: their formulas, which are in ``ops/``.
Read next: ``layers.py``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core.op import REQUIRED, Op, get_op
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import LayerError, explain
from tinygrad_edu.nn.init import as_dtype, as_generator, default_generator
from tinygrad_edu.nn.module import Module, as_input
from tinygrad_edu.ops.shape import identity

__all__ = [
    "CELU",
    "ELU",
    "GEGLU",
    "GELU",
    "GLU",
    "SELU",
    "Activation",
    "HardShrink",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "QuickGELU",
    "RReLU",
    "ReGLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "SoftShrink",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softsign",
    "SquarePlus",
    "SwiGLU",
    "Tanh",
    "TanhShrink",
    "Threshold",
]


WORDS: dict[str, tuple[str, ...]] = {"approximate": ("none", "tanh")}
"""What parameters that are words may be."""


HALVING = ("glu", "geglu", "reglu", "swiglu")
"""Rows that need an axis to cut in halves."""


class Activation(Module):
    """Base of the activations: a module that applies one row of the table.

    Parameters
    ----------
    **params
        Keyword parameters of the row; its own defaults otherwise.

    Raises
    ------
    LayerError
        The row has no such parameter, or one that it needs is missing.
    """

    op: ClassVar[Op] = identity

    def __init__(self, **params: Any) -> None:
        for name in params:
            if name not in self.op.params:
                raise LayerError(
                    f"{type(self).__name__}: found the argument {name!r}; expected "
                    f"{' or '.join(self.op.params) or 'none'}\n  fix: leave it out"
                )
        missing = [k for k, v in self.op.params.items() if v is REQUIRED and k not in params]
        if missing:
            raise LayerError(
                f"{type(self).__name__}: found no {missing[0]!r}; expected a value for each of "
                f"{', '.join(self.op.params)}\n  fix: pass {missing[0]}="
            )
        for name, words in WORDS.items():
            if name in params and params[name] not in words:
                raise LayerError(
                    f"{type(self).__name__}: found {name}={params[name]!r}; expected "
                    f"{' or '.join(map(repr, words))}\n  fix: use {name}={words[0]!r}"
                )
        self.params = params

    def forward(self, x: Any) -> Any:
        """Return the row applied to `x`."""
        x = as_input(self, x)
        if x.ndim == 0 and self.op.name in HALVING:
            raise LayerError(
                f"{type(self).__name__}: found a single number; expected an array, half of whose "
                "features open the other half\n  fix: give an even number of features"
            )
        return self.op(x, **self.params)

    def describe(self) -> str:
        """Return the parameters that were given."""
        return ", ".join(f"{name}={value!r}" for name, value in self.params.items())


def _module(name: str, row: str) -> type[Activation]:
    """Return the module of that name that applies a row, described as the row is."""
    op = get_op(row)
    takes = "".join(
        f"\n    {key} : " + ("required" if value is REQUIRED else f"{value!r} by default")
        for key, value in op.params.items()
    )
    text = f"{op.doc}\n\n    ``{op.formula}``\n"
    if takes:
        text += f"\n    Parameters\n    ----------{takes}\n"
    return type(name, (Activation,), {"op": op, "__doc__": text, "__module__": __name__})


CELU = _module("CELU", "celu")
ELU = _module("ELU", "elu")
GEGLU = _module("GEGLU", "geglu")
GELU = _module("GELU", "gelu")
GLU = _module("GLU", "glu")
HardShrink = _module("HardShrink", "hardshrink")
HardSigmoid = _module("HardSigmoid", "hardsigmoid")
HardSwish = _module("HardSwish", "hardswish")
HardTanh = _module("HardTanh", "hardtanh")
LeakyReLU = _module("LeakyReLU", "leaky_relu")
LogSigmoid = _module("LogSigmoid", "logsigmoid")
LogSoftmax = _module("LogSoftmax", "log_softmax")
Mish = _module("Mish", "mish")
QuickGELU = _module("QuickGELU", "quick_gelu")
ReGLU = _module("ReGLU", "reglu")
ReLU = _module("ReLU", "relu")
ReLU6 = _module("ReLU6", "relu6")
SELU = _module("SELU", "selu")
SiLU = _module("SiLU", "silu")
Sigmoid = _module("Sigmoid", "sigmoid")
SoftShrink = _module("SoftShrink", "softshrink")
Softmax = _module("Softmax", "softmax")
Softmax2d = _module("Softmax2d", "softmax2d")
Softmin = _module("Softmin", "softmin")
Softplus = _module("Softplus", "softplus")
Softsign = _module("Softsign", "softsign")
SquarePlus = _module("SquarePlus", "squareplus")
SwiGLU = _module("SwiGLU", "swiglu")
Tanh = _module("Tanh", "tanh")
TanhShrink = _module("TanhShrink", "tanhshrink")
Threshold = _module("Threshold", "threshold")


class RReLU(Activation):
    """Leaky rectified linear unit with slopes drawn anew in training, their mean in evaluation.

    Parameters
    ----------
    lower, upper : float
        Ends of the interval that the slopes are drawn from; 1/8 and 1/3 by default.
    rng : Generator or int, optional
        The layer's own generator, or a seed for it; by default one spawned from that of
        `manual_seed`.

    Raises
    ------
    LayerError
        The row has no such parameter.
    """

    op = get_op("rrelu")

    def __init__(self, *, rng: np.random.Generator | int | None = None, **params: Any) -> None:
        super().__init__(**params)
        self.rng = default_generator().spawn(1)[0] if rng is None else as_generator(rng)

    def forward(self, x: Any) -> Any:
        """Return the row applied to `x`."""
        rng = self.rng if self.training else None
        return self.op(as_input(self, x), rng=rng, **self.params)


class PReLU(Module):
    r"""Leaky rectified linear unit whose slope is learned, :math:`\max(x, 0) + a \min(x, 0)`.

    Parameters
    ----------
    count : int
        Number of slopes: 1, or one for each channel, which is axis 1.
    start : float
        Their first value.
    dtype : dtype, optional
        Of the slopes; `get_default_dtype` by default.

    Raises
    ------
    LayerError
        An argument is not as described, or an input has another number of channels.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015, eq. 1.
    """

    def __init__(self, count: int = 1, *, start: float = 0.25, dtype: Any = None) -> None:
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise LayerError(
                f"PReLU: found count={count!r}; expected an integer of at least 1\n"
                "  fix: PReLU() has one slope for all"
            )
        self.count = int(count)
        self.weight = Parameter(np.full(count, start, as_dtype(dtype)), name="weight")

    def forward(self, x: Any) -> Any:
        """Return `x` with its negative elements multiplied by a slope."""
        x = as_input(self, x)
        if self.count > 1 and (x.ndim < 2 or x.shape[1] != self.count):
            raise LayerError(
                explain(
                    "PReLU",
                    f"an input of shape {x.shape} has no {self.count} channels on axis 1",
                    arguments=(("x", x), ("weight", self.weight)),
                    fix="PReLU() has one slope for all channels",
                )
            )
        places = 0 if self.count == 1 else x.ndim - 2
        return get_op("prelu")(x, np.reshape(self.weight, (self.count, *(1,) * places)))

    def describe(self) -> str:
        """Return the number of slopes, if there are several."""
        return "" if self.count == 1 else str(self.count)
