r"""Averages of parameters over the steps of a run, which often test better than the last step.

Knows: something that has a state by name and named parameters, such as a module. Does not know:
optimizers; `update` is called after each step, or after each epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from tinygrad_edu.core.state import copies, fitting
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import CheckpointError, OptimizerError

__all__ = ["EMA", "SWA"]

Array = np.ndarray[Any, Any]


class Model(Protocol):
    """What a module is to an average."""

    def state(self) -> dict[str, Array]:
        """Return the live arrays of parameters and buffers by name."""

    def state_dict(self) -> dict[str, Array]:
        """Return copies of them."""

    def load_state_dict(self, saved: Mapping[str, Any]) -> Any:
        """Put them back."""

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Return the parameters with their names."""


class EMA:
    r"""Exponential moving average of a model's parameters.

    .. math:: \bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta

    It starts from the values that the model has when the average is made. With ``warmup=True`` it
    forgets that start sooner: in update :math:`n`, from 1, :math:`d` is at most
    :math:`(1 + n)/(10 + n)`.

    Parameters
    ----------
    model : Module
        Whose parameters to follow. The model itself stays as it is.
    decay : float
        Share :math:`d` of the average that is kept, in [0, 1).
    warmup : bool
        Whether to keep less at first.
    buffers : bool
        Whether to average floating buffers, such as running means, too. Otherwise the model's own
        buffers are used, as they are when the average is applied.

    Attributes
    ----------
    values : dict of str to ndarray
        The averages by name.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J.
    Control Optim. 30 (1992), for averages over a path at all.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> model = Linear(2, 1, rng=0)
    >>> ema = EMA(model, decay=0.9)
    >>> model.bias.data = [1.0]
    >>> ema.update()
    >>> with ema.applied():
    ...     print(model.bias.numpy().round(3))
    [0.1]
    >>> model.bias.tolist()
    [1.0]
    """

    def __init__(
        self, model: Model, decay: float = 0.999, *, warmup: bool = False, buffers: bool = False
    ) -> None:
        number = isinstance(decay, (int, float, np.number)) and not isinstance(decay, bool)
        if not number or not 0 <= decay < 1:
            raise OptimizerError(
                f"{type(self).__name__}: found decay={decay!r}; expected a number in [0, 1)\n"
                "  fix: EMA(model, decay=0.999)"
            )
        if not hasattr(model, "named_parameters") or not hasattr(model, "state"):
            raise OptimizerError(
                f"{type(self).__name__}: found a {type(model).__name__}; expected a module\n"
                "  fix: pass the model itself"
            )
        self.model, self.decay, self.warmup = model, decay, warmup
        parameters = {name for name, _ in model.named_parameters()}
        state = model.state()
        chosen = [
            name
            for name, array in state.items()
            if array.dtype.kind in "fc" and (buffers or name in parameters)
        ]
        self.values = {name: np.array(state[name]) for name in chosen}
        self.count = np.array(0, np.int64)
        self._set_aside: dict[str, Array] | None = None

    def share(self, count: int) -> float:
        """Return how much of the model's values goes into the average in an update, from 1."""
        return 1 - (min(self.decay, (1 + count) / (10 + count)) if self.warmup else self.decay)

    def update(self) -> None:
        """Take the model's present values into the average.

        Raises
        ------
        OptimizerError
            The model has the averages in it now, or has other parameters than before.
        """
        what, state = f"{type(self).__name__}.update", self.model.state()
        if self._set_aside is not None:
            raise OptimizerError(
                f"{what}: the average is applied, and would be averaged with itself\n"
                "  fix: update after the block of applied()"
            )
        for name, value in self.values.items():
            if name not in state or state[name].shape != value.shape:
                raise OptimizerError(
                    f"{what}: {name!r} of shape {value.shape} is no longer in the model\n"
                    "  fix: make the average anew after changing the model"
                )
        self.count += 1
        share = self.share(int(self.count))
        for name, value in self.values.items():
            # The difference first: an average of equal values is that value, to the bit.
            np.add(value, (state[name] - value) * value.dtype.type(share), out=value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the averages in the model for a ``with`` block, to evaluate or to save it.

        Afterwards the model has its own values again, parameters and buffers, to the bit; what
        changed in the block is lost.

        Raises
        ------
        OptimizerError
            They are applied already.
        """
        if self._set_aside is not None:
            raise OptimizerError(
                f"{type(self).__name__}.applied: it is applied already\n"
                "  fix: leave the first block before the second"
            )
        kept = self.model.state_dict()
        self.model.load_state_dict({**kept, **self.values})
        self._set_aside = kept
        try:
            yield
        finally:
            self.model.load_state_dict(kept)
            self._set_aside = None

    def state(self) -> dict[str, Array]:
        """Return the live arrays by name: ``count``, and ``values/<name>``."""
        values = {f"values/{name}": value for name, value in self.values.items()}
        return {"count": self.count, **values}

    def state_dict(self) -> dict[str, Array]:
        """Return the state as copies, to be saved."""
        return copies(self.state())

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Put a saved state back, all of it or, if anything does not fit, nothing.

        Raises
        ------
        CheckpointError
            Names, shapes, dtypes or the count do not fit; nothing was changed.
        """
        what, state = f"{type(self).__name__}.load_state_dict", self.state()
        arrays, _, _ = fitting(what, state, saved)
        if arrays["count"] < 0:
            raise CheckpointError(
                f"{what}: found count={arrays['count']}, and nothing was changed\n"
                "  fix: load a state that state_dict() returned"
            )
        for name, array in arrays.items():
            state[name][...] = array


class SWA(EMA):
    r"""Stochastic weight averaging: the plain mean of the models that ``update`` was called with.

    .. math:: \bar\theta \leftarrow \bar\theta + \frac{\theta - \bar\theta}{n}

    The values before the first update do not count. Usual is an update at the end of each epoch,
    late in a run with a high constant or cyclic learning rate. Batch norm's running statistics are
    those of the model; average them too with ``buffers=True``, or run some batches in training mode
    at the beginning of the block of ``applied``.

    Parameters
    ----------
    model : Module
        Whose parameters to follow.
    buffers : bool
        Whether to average floating buffers too.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    P. Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI
    2018, algorithm 1.
    """

    def __init__(self, model: Model, *, buffers: bool = False) -> None:
        super().__init__(model, 0.0, buffers=buffers)

    def share(self, count: int) -> float:
        """Return how much of the model's values goes into the mean in an update, from 1."""
        return 1 / count
