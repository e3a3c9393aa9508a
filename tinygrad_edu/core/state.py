"""State: arrays by name that a training step may write, and how saved ones are put back.

Knows: names and arrays. Does not know: who owns them. Modules and optimizers hand out their live
arrays by one method, ``state()``, and load through `fitting`, which checks everything before
anybody changes anything. Read next: ``nn/module.py``, ``optim/optimizer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import CheckpointError

__all__ = ["copies", "fitting", "live"]

Array = np.ndarray[Any, Any]


def live(tensor: Tensor) -> Array:
    """Return the tensor's own array, for engine writers, which tell the leaf that they wrote.

    Parameters
    ----------
    tensor : Tensor
        A leaf or a constant; everybody else reads ``tensor.numpy()`` or assigns ``tensor.data``.
    """
    array: Array = tensor._data
    return array


def copies(state: Mapping[str, Array]) -> dict[str, Array]:
    """Return the same names with copies of the arrays, which later steps do not change."""
    return {name: np.array(array) for name, array in state.items()}


def fitting(
    what: str, state: Mapping[str, Array], given: Mapping[str, Any], *, strict: bool = True
) -> tuple[dict[str, Array], list[str], list[str]]:
    """Return the given arrays that fit a state, the names that are missing, and those unexpected.

    Parameters
    ----------
    what : str
        Who is loading, for the error.
    state : mapping of str to ndarray
        The live arrays.
    given : mapping of str to array_like
        What is to be put into them.
    strict : bool
        Whether a missing or an unexpected name is an error. A wrong shape or dtype always is.

    Raises
    ------
    CheckpointError
        Something does not fit; the text lists everything that does not.
    """
    missing = [name for name in state if name not in given]
    unexpected = [name for name in given if name not in state]
    arrays = {name: np.asarray(given[name]) for name in state if name in given}
    wrong = [
        f"{name} is {array.shape} {array.dtype}, expected {state[name].shape} {state[name].dtype}"
        for name, array in arrays.items()
        if (array.shape, array.dtype) != (state[name].shape, state[name].dtype)
    ]
    complaints = [f"wrong shape or dtype: {text}" for text in wrong]
    if strict:
        complaints += _listed("missing", missing) + _listed("unexpected", unexpected)
    if complaints:
        complaints.insert(0, f"{what}: the saved state does not fit, and nothing was changed")
        raise CheckpointError(
            "\n  ".join(complaints)
            + "\n  fix: build it as it was when the state was saved; strict=False passes over "
            "missing and unexpected names, array.astype(dtype) changes a dtype"
        )
    return arrays, missing, unexpected


def _listed(word: str, names: Sequence[str]) -> list[str]:
    return [f"{word}: {', '.join(names)}"] if names else []
