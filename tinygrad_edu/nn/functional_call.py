"""A module as a function of its parameters, so that every transform can be taken by them.

Knows: where in a module its parameters stand. Does not know: which transform calls. Read next:
``core/transforms.py`` and ``core/batching.py``, whose functions take trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import LayerError, explain
from tinygrad_edu.nn.module import Buffer, Module

__all__ = ["functional_call"]


def functional_call(module: Module, state: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a module computes with other parameters and buffers in place of its own.

    The module is left as it was. Buffers that the call writes to, such as running statistics, get
    their values back afterwards, so that the call is a function; only its random generators go on.

    Parameters
    ----------
    module : Module
        The net.
    state : mapping of str to array_like or Tensor
        Values by path: ``dict(net.named_parameters())``, ``net.state_dict()``, or some of them; for
        what is not named the module's own is taken. It is a tree, so that `grad`, `hessian`,
        `jvp`, `vmap` and the others take it as an argument.
    *args, **kwargs
        Of the call.

    Raises
    ------
    LayerError
        A path is not of this module, or a value has another shape.

    Examples
    --------
    >>> from tinygrad_edu import grad, vmap
    >>> from tinygrad_edu.nn import Linear
    >>> net, x = Linear(3, 1, rng=0), np.ones((5, 3), np.float32)
    >>> def loss(state, x):
    ...     return np.sum(functional_call(net, state, x) ** 2)
    >>> per_sample = vmap(grad(loss), in_axes=(None, 0))(net.state_dict(), x)
    >>> per_sample["weight"].shape
    (5, 3, 1)
    """
    if not isinstance(module, Module) or not isinstance(state, Mapping):
        raise LayerError(
            f"functional_call: found a {type(module).__name__} and a {type(state).__name__}; "
            "expected a module and a dict of values by path\n"
            "  fix: call functional_call(net, net.state_dict(), x)"
        )
    module.named_parameters()  # tells the names, which the call would do with the tensors in place
    own = {path: v for path, v in module.walk() if isinstance(v, (Parameter, Buffer))}
    tensors: dict[int, Any] = {}
    buffers = [(value, value.data, value.data.copy()) for value in module.buffers()]
    for path, value in state.items():
        place = own.get(path)
        shape = None if place is None else np.shape(_array(place))
        if shape is None or np.shape(value) != shape:
            raise LayerError(
                explain(
                    "functional_call",
                    f"{path!r} is of no parameter or buffer of {type(module).__name__}"
                    if shape is None
                    else f"{path!r} has another shape than in {type(module).__name__}",
                    arguments=(("given", value),)
                    if place is None
                    else (("given", value), ("expected", _array(place))),
                    fix="take paths and shapes from module.state_dict()",
                )
            )
        tensors[id(place)] = value if isinstance(value, Tensor) else Tensor(value)
    changed: list[tuple[Module, dict[str, Any]]] = []
    try:
        for value, array, _ in buffers:
            given = tensors.pop(id(value), None)
            value.data = np.array(array) if given is None else np.array(given.numpy())
        for part in module.modules():
            replaced = {
                name: new
                for name, old in vars(part).items()
                if (new := _swapped(old, tensors, set())) is not old
            }
            changed.append((part, {name: vars(part)[name] for name in replaced}))
            vars(part).update(replaced)
        return module(*args, **kwargs)
    finally:
        for part, attributes in changed:
            vars(part).update(attributes)
        for buffer, array, content in buffers:
            array[...] = content
            buffer.data = array


def _array(value: Parameter | Buffer) -> Any:
    return value if isinstance(value, Parameter) else value.data


def _swapped(value: Any, tensors: Mapping[int, Any], around: set[int]) -> Any:
    """Return the value with parameters in it replaced, itself if there are none."""
    if isinstance(value, Parameter):
        return tensors.get(id(value), value)
    if not isinstance(value, (list, tuple, dict)) or id(value) in around:
        return value
    around = around | {id(value)}
    if isinstance(value, dict):
        table = {key: _swapped(part, tensors, around) for key, part in value.items()}
        return table if any(table[key] is not part for key, part in value.items()) else value
    parts = [_swapped(part, tensors, around) for part in value]
    if all(new is old for new, old in zip(parts, value, strict=True)):
        return value
    if isinstance(value, list):
        return parts
    return value._make(parts) if hasattr(value, "_make") else tuple(parts)
