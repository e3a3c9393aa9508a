"""Module: an object that has parameters; what they are is found by walking its attributes.

Knows: attributes, lists, tuples, dicts, and what in them is a parameter, a buffer, a generator or
another module. Does not know: any layer. Read next: ``layers.py``.

Nothing is registered and no attribute access is intercepted: ``self.weight = Parameter(...)`` is an
ordinary assignment, and `Module.walk` reads ``vars(self)`` in the order of definition.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from tinygrad_edu.core.state import copies, fitting, live
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.init import get_default_dtype

__all__ = ["Buffer", "Module"]

Array = np.ndarray[Any, Any]


class Buffer:
    """An array that belongs to the state of a module but is not learned, such as a running mean.

    Parameters
    ----------
    data : array_like
        The initial value, which is copied. Write to ``data`` in place; it is the live array.
    """

    __slots__ = ("data",)

    def __init__(self, data: Any, *, dtype: Any = None) -> None:
        self.data: Array = np.array(data, dtype=dtype)

    def __repr__(self) -> str:
        return f"Buffer({self.data!r})"


class Module:
    """Base of the layers and nets: define ``forward``, and call the object.

    Parameters, buffers, generators and modules are found in attributes, and in lists, tuples and
    dicts that are attributes. Their names are paths, such as ``"layers.0.weight"``; one that can be
    reached by several paths is taken once, by the first. A parameter is told its path when the
    module is first called or walked, so that errors and diagrams can name it.

    Examples
    --------
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter([2.0])
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> [name for name, _ in Scale().named_parameters()]
    ['factor']
    """

    training: bool = True
    """Whether the module is in training mode; see `train`."""

    _told: bool = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the module; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what ``forward`` returns."""
        if not self._told:
            self.named_parameters()
        return self.forward(*args, **kwargs)

    # ---- what is in it

    def members(self) -> Iterable[tuple[str, Any]]:
        """Return the attributes to be walked, with their names."""
        return vars(self).items()

    def walk(self, *, deep: bool = True) -> Iterator[tuple[str, Any]]:
        """Yield every parameter, buffer, generator and module inside with its path, once.

        Parameters
        ----------
        deep : bool
            Whether to enter modules that are found; lists, tuples and dicts are always entered.
        """
        seen = {id(self)}
        stack: list[tuple[str, Any]] = _reversed("", self.members())
        while stack:
            path, value = stack.pop()
            if isinstance(value, Tensor) and not isinstance(value, Parameter):
                if value.requires_grad and value.is_leaf:
                    raise LayerError(
                        f"{type(self).__name__}: {path} is a tensor that requires a gradient and "
                        "no parameter, so it would be neither trained nor saved\n"
                        f"  fix: make it one: self.{path} = Parameter(...); or keep its detach()"
                    )
            elif isinstance(value, (Parameter, Buffer, np.random.Generator, Module)):
                if id(value) in seen:
                    continue
                seen.add(id(value))
                yield path, value
            elif isinstance(value, (list, tuple, dict)):
                if id(value) in seen:
                    continue
                seen.add(id(value))
            if isinstance(value, Module):
                if deep:
                    stack += _reversed(path, value.members())
            elif isinstance(value, dict):
                stack += _reversed(path, ((str(key), item) for key, item in value.items()))
            elif isinstance(value, (list, tuple)):
                stack += _reversed(path, ((str(i), item) for i, item in enumerate(value)))

    def _named(self, *kinds: type[Any]) -> list[tuple[str, Any]]:
        """Return what is of these kinds inside, with its path; refuse two of one path."""
        found = [(path, value) for path, value in self.walk() if isinstance(value, kinds)]
        if len({path for path, _ in found}) < len(found):
            paths = [path for path, _ in found]
            twice = next(path for path in paths if paths.count(path) > 1)
            raise LayerError(
                f"{type(self).__name__}: two things inside are called {twice!r}\n"
                "  fix: do not use dots, or both 1 and '1', in keys of dicts that hold modules"
            )
        return found

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """Return the parameters with their paths, and tell each its path."""
        found = self._named(Parameter)
        for path, parameter in found:
            # A part of a net that is walked alone does not shorten the names that the net gave.
            if parameter.requires_grad and not f".{parameter.name}".endswith(f".{path}"):
                parameter.name = path
        for module in self.modules():
            module._told = True
        return found

    def parameters(self) -> list[Parameter]:
        """Return the parameters, each once, in order of definition."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> list[tuple[str, Buffer]]:
        """Return the buffers with their paths."""
        return self._named(Buffer)

    def buffers(self) -> list[Buffer]:
        """Return the buffers, each once, in order of definition."""
        return [buffer for _, buffer in self.named_buffers()]

    def named_generators(self) -> list[tuple[str, np.random.Generator]]:
        """Return the random generators with their paths: a checkpoint stores their states."""
        return self._named(np.random.Generator)

    def named_modules(self) -> list[tuple[str, Module]]:
        """Return the module itself, called ``""``, and all modules inside with their paths."""
        return [("", self), *self._named(Module)]

    def modules(self) -> list[Module]:
        """Return the module itself and all modules inside, each once."""
        return [module for _, module in self.named_modules()]

    def named_children(self) -> list[tuple[str, Module]]:
        """Return the modules directly inside, by attribute or list, with their paths."""
        return [(p, value) for p, value in self.walk(deep=False) if isinstance(value, Module)]

    def children(self) -> list[Module]:
        """Return the modules directly inside."""
        return [module for _, module in self.named_children()]

    # ---- its state

    def state(self) -> dict[str, Array]:
        """Return the live arrays by path: parameters and buffers, in order of definition.

        Whoever writes to a parameter's array tells its leaf; see `load_state_dict`.
        """
        return {
            path: live(value) if isinstance(value, Parameter) else value.data
            for path, value in self._named(Parameter, Buffer)
        }

    def state_dict(self) -> dict[str, Array]:
        """Return the state as copies, to be saved."""
        return copies(self.state())

    def load_state_dict(
        self, saved: Mapping[str, Any], strict: bool = True
    ) -> tuple[list[str], list[str]]:
        """Put saved arrays back, all of them or, if anything does not fit, none.

        Parameters
        ----------
        saved : mapping of str to array_like
            As `state_dict` returned it.
        strict : bool
            Whether missing and unexpected names are errors; if not, the rest is loaded.

        Returns
        -------
        missing, unexpected : list of str
            The names that were passed over; both empty if `strict`.

        Raises
        ------
        CheckpointError
            Names, shapes or dtypes do not fit; nothing was changed.
        """
        what = f"{type(self).__name__}.load_state_dict"
        arrays, missing, unexpected = fitting(what, self.state(), saved, strict=strict)
        for path, value in self._named(Parameter, Buffer):
            if path not in arrays:
                continue
            if isinstance(value, Parameter):
                value.data = arrays[path]
            else:
                value.data[...] = arrays[path]
        return missing, unexpected

    # ---- changing it

    def train(self, mode: bool = True) -> Self:
        """Return the module, it and all inside set to training mode (or not)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Return the module, it and all inside set to evaluation mode."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Drop the gradients of all parameters."""
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Return the module with its parameters frozen, or thawed.

        A frozen parameter is a constant to the graph, and optimizers leave it as it is.
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        self.named_parameters()  # a thawed leaf is new: it is told its name again
        return self

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Return the module after calling the function on it and on all modules inside."""
        for module in self.modules():
            function(module)
        return self

    # ---- telling about it

    def describe(self) -> str:
        """Return the arguments that ``repr()`` shows; subclasses may define it."""
        return ""

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        head = type(self).__name__
        inside = self.named_children()
        if not inside:
            return f"{head}({self.describe()})"
        lines = [self.describe()] if self.describe() else []
        for path, module in inside:
            lines.append(f"({path}): {module!r}".replace("\n", "\n  "))
        return "\n  ".join([f"{head}(", *lines]) + "\n)"

    def summary(self, *example: Any) -> str:
        """Return a table of the modules inside: name, layer, output shape, number of parameters.

        Parameters
        ----------
        *example : int, or array_like
            The shape of an input, as in ``summary(1, 784)``, or the inputs themselves; the net is
            run once in evaluation mode. Without it the table has no output shapes.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear, Sequential, Sigmoid
        >>> print(Sequential(Linear(784, 50), Sigmoid(), Linear(50, 10)).summary(1, 784))
        name   layer            output shape  parameters
        0      Linear(784, 50)  (1, 50)           39,250
        1      Sigmoid()        (1, 50)                0
        2      Linear(50, 10)   (1, 10)              510
        total                                     39,760
        """
        shapes = self._output_shapes(example) if example else {}
        counted: set[int] = set()  # a tied parameter is counted where it is first
        rows = []
        for path, module in self.named_modules():
            inside = [p for _, p in module.walk(deep=False) if isinstance(p, Parameter)]
            own = [p for p in inside if id(p) not in counted]
            counted.update(map(id, own))
            composed = bool(module.children())
            if not composed or own:
                head = type(module).__name__ if composed else repr(module)
                count = f"{sum(p.size for p in own):,}"
                rows.append((path, head, shapes.get(id(module), ""), count))
        total = sum(p.size for p in self.parameters())
        frozen = sum(p.size for p in self.parameters() if not p.requires_grad)
        rows.append(("total", "", "", f"{total:,}"))
        if frozen:
            rows.append(("frozen", "", "", f"{frozen:,}"))
        return _table(("name", "layer", "output shape", "parameters"), rows, bool(shapes))

    def _output_shapes(self, example: tuple[Any, ...]) -> dict[int, str]:
        """Return the output shape of each module called, by its identity."""
        if all(isinstance(size, int) for size in example):
            example = (Tensor(np.zeros(example, get_default_dtype())),)
        shapes: dict[int, str] = {}

        def watched(module: Module) -> Callable[..., Any]:
            forward = module.forward

            def inner(*args: Any, **kwargs: Any) -> Any:
                result = forward(*args, **kwargs)
                shapes[id(module)] = str(getattr(result, "shape", type(result).__name__))
                return result

            return inner

        modules = self.modules()
        before = [dict(vars(module)) for module in modules]
        try:
            for module in modules:
                module.training = False
                vars(module)["forward"] = watched(module)
            with no_grad():
                self(*example)
        finally:
            for module, attributes in zip(modules, before, strict=True):
                for name in ("training", "forward"):
                    vars(module).pop(name, None)
                    if name in attributes:
                        vars(module)[name] = attributes[name]
        return shapes


def _reversed(path: str, members: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the members with their paths, last first, as a stack wants them."""
    items = [(f"{path}.{name}" if path else name, value) for name, value in members]
    items.reverse()
    return items


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], shapes: bool) -> str:
    """Return the rows as text in columns, the last one to the right."""
    kept = [i for i in range(len(head)) if shapes or head[i] != "output shape"]
    lines = [[row[i] for i in kept] for row in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(kept))]
    text = []
    for *words, number in lines:
        padded = [f"{word:<{width}}" for word, width in zip(words, widths, strict=False)]
        text.append("  ".join([*padded, f"{number:>{widths[-1]}}"]))
    return "\n".join(text)
