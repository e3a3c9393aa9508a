"""Module: an object that has parameters; what they are is found by walking its attributes.

Knows: attributes, lists, tuples, dicts, and what in them is a parameter, a buffer, a generator or
another module. Does not know: any layer. Read next: ``layers.py``.

Nothing is registered and no attribute access is intercepted: ``self.weight = Parameter(...)`` is an
ordinary assignment, and `Module.walk` reads ``vars(self)`` in the order of definition.
"""

from __future__ import annotations

import keyword
import reprlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from threading import get_ident
from typing import Any, ClassVar, NamedTuple, Self
from weakref import ref

import numpy as np

from tinygrad_edu.core.graph import tick
from tinygrad_edu.core.op import dispatches, get_op
from tinygrad_edu.core.state import copies, fitting, live
from tinygrad_edu.core.switch import ANNOUNCED, announce, no_grad, recording
from tinygrad_edu.core.tensor import HookHandle, Parameter, Tensor
from tinygrad_edu.core.tree import flatten
from tinygrad_edu.errors import LayerError, demand_callable
from tinygrad_edu.nn.init import as_dtype, get_default_dtype

__all__ = ["CALLS", "Buffer", "Call", "Module", "as_input"]

Array = np.ndarray[Any, Any]


class Call(NamedTuple):
    """When a module was called: what was recorded in between is of its making.

    Parameters
    ----------
    start, end : int
        On the engine's clock, which numbers the nodes.
    kind : type
        Its class.
    module : weakref to Module
        Itself, as long as somebody holds it: a loss is often made for one call.
    thread : int
        Where.
    """

    start: int
    end: int
    kind: type[Module]
    module: ref[Module]
    thread: int


CALLS: deque[Call] = deque(maxlen=2048)
"""The latest calls of modules, inner ones before the one around them: diagrams group by them.

Appending is one step of the interpreter, so threads need no lock; whoever reads takes a copy first.
It keeps no module alive.
"""


class Buffer:
    """An array that belongs to the state of a module but is not learned, such as a running mean.

    Parameters
    ----------
    data : array_like
        The initial value, which is copied. Write to ``data`` in place; it is the live array.
    dtype : dtype, optional
        To convert it to.
    saved : bool
        Whether it is part of ``state_dict()``. What can be computed anew need not be.
    free : int, optional
        An axis whose length may be another one when a saved state is loaded, such as that of the
        batch in a state that is kept between batches.
    """

    __slots__ = ("data", "free", "saved")

    def __init__(
        self, data: Any, *, dtype: Any = None, saved: bool = True, free: int | None = None
    ) -> None:
        self.data: Array = np.array(data, dtype=dtype)
        self.saved, self.free = saved, free

    def __repr__(self) -> str:
        return f"Buffer({self.data!r})"


class _Hooks:
    """The functions that a user hung on one module, in the order of their handles."""

    __slots__ = ("after", "back", "before")

    def __init__(self) -> None:
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        self.back: dict[int, Any] = {}

    def __deepcopy__(self, _memo: dict[int, Any]) -> _Hooks:
        """Return the same functions for the copy of a module; what they know is not copied."""
        twin = _Hooks()
        for name in self.__slots__:
            getattr(twin, name).update(getattr(self, name))
        return twin

    def any(self) -> bool:
        return bool(self.before or self.after or self.back)


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

    unmade: ClassVar[str] = ""
    """Why the module has no parameters yet; empty of all but lazy ones."""

    _told: bool = False
    _hooks: _Hooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the module; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what ``forward`` returns."""
        if not self._told:
            self._tell()
        if recording.get() & ANNOUNCED:
            announce(self)
        start = tick()
        if self._hooks is None:
            result = self.forward(*args, **kwargs)
        else:
            result = self._hooked(self._hooks, args, kwargs)
        CALLS.append(Call(start, tick(), type(self), ref(self), get_ident()))
        return result

    def _hooked(self, hooks: _Hooks, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook in list(hooks.before.values()):
            given = hook(self, args)
            if given is not None:
                args = given if isinstance(given, tuple) else (given,)
        result = self.forward(*args, **kwargs)
        for hook in list(hooks.after.values()):
            other = hook(self, args, result)
            result = result if other is None else other
        if hooks.back:
            leaves, rebuild = flatten(result)
            result = rebuild([self._watched(leaf, list(hooks.back.values())) for leaf in leaves])
        return result

    def _watched(self, leaf: Any, hooks: list[Any]) -> Any:
        """Return a result whose gradient the hooks are told, on a node of its own."""
        if not isinstance(leaf, Tensor) or not leaf.requires_grad:
            return leaf
        own: Tensor = get_op("identity")(leaf)
        for hook in hooks:
            own.register_hook(partial(hook, self))
        return own

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

    def _tell(self) -> list[tuple[str, Parameter]]:
        """Return the parameters that there are with their paths, and tell each its path."""
        found = self._named(Parameter)
        for path, parameter in found:
            # A part of a net that is walked alone does not shorten the names that the net gave.
            if parameter.requires_grad and not f".{parameter.name}".endswith(f".{path}"):
                parameter.name = path
        modules = self.modules()
        if not any(module.unmade for module in modules):
            for module in modules:
                module._told = True
        return found

    def _refuse_unmade(self, what: str) -> None:
        for path, module in self.named_modules():
            if module.unmade:
                raise LayerError(
                    f"{type(self).__name__}.{what}: {path or 'the module'} is a "
                    f"{type(module).__name__}, and {module.unmade}\n"
                    "  fix: call the net once with an input, or net.summary(*shape), before its "
                    "parameters are asked for, as an optimizer does"
                )

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """Return the parameters with their paths, and tell each its path.

        Raises
        ------
        LayerError
            A lazy layer inside was never called, and has no parameters yet.
        """
        self._refuse_unmade("parameters")
        return self._tell()

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

    def get_submodule(self, path: str) -> Module:
        """Return the module of a path, as `named_modules` shows it; ``""`` is the module itself."""
        found: Module = self._get("module", path, self.named_modules())
        return found

    def get_parameter(self, path: str) -> Parameter:
        """Return the parameter of a path, as `named_parameters` shows it."""
        found: Parameter = self._get("parameter", path, self.named_parameters())
        return found

    def get_buffer(self, path: str) -> Buffer:
        """Return the buffer of a path, as `named_buffers` shows it."""
        found: Buffer = self._get("buffer", path, self.named_buffers())
        return found

    def _get(self, what: str, path: str, named: list[tuple[str, Any]]) -> Any:
        for name, value in named:
            if name == path:
                return value
        raise LayerError(
            f"{type(self).__name__}: found no {what} {path!r}; expected one of "
            f"{', '.join(repr(name) for name, _ in named[:12]) or 'none'}"
            f"{', ...' if len(named) > 12 else ''}\n  fix: see named_{what}s()"
        )

    def register_buffer(self, name: str, data: Any, *, saved: bool = True) -> Buffer:
        """Return a new buffer, kept as the attribute `name`: the same as assigning a `Buffer`.

        Parameters
        ----------
        name : str
            A new attribute.
        data : array_like
            Its first value.
        saved : bool
            Whether it is part of ``state_dict()``.
        """
        self._check_name("register_buffer", name)
        buffer = Buffer(data, saved=saved)
        setattr(self, name, buffer)
        return buffer

    def register_parameter(self, name: str, parameter: Any) -> Parameter | None:
        """Return a parameter, kept as the attribute `name`: the same as assigning it.

        Parameters
        ----------
        name : str
            A new attribute.
        parameter : Parameter, array_like or None
            An array is made a parameter.
        """
        self._check_name("register_parameter", name)
        made = parameter is None or isinstance(parameter, Parameter)
        own: Parameter | None = parameter if made else Parameter(parameter, name=name)
        setattr(self, name, own)
        self._told = False
        return own

    def _check_name(self, what: str, name: Any) -> None:
        fine = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
        if not fine or hasattr(self, name):
            raise LayerError(
                f"{type(self).__name__}.{what}: found the name {name!r}; expected a new "
                "attribute's\n  fix: choose another name, without dots"
            )

    # ---- its state

    def state(self) -> dict[str, Array]:
        """Return the live arrays by path: parameters and buffers, in order of definition.

        Whoever writes to a parameter's array tells its leaf; see `load_state_dict`.
        """
        self._refuse_unmade("state")
        return {
            path: live(value) if isinstance(value, Parameter) else value.data
            for path, value in self._named(Parameter, Buffer)
            if isinstance(value, Parameter) or value.saved
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
        what, state = f"{type(self).__name__}.load_state_dict", self.state()
        named = [(path, v) for path, v in self._named(Parameter, Buffer) if path in state]
        for path, value in named:
            if isinstance(value, Buffer) and value.free is not None and path in saved:
                state[path] = _stretched(value, np.shape(saved[path]))
        arrays, missing, unexpected = fitting(what, state, saved, strict=strict)
        for path, value in named:
            if path not in arrays:
                continue
            if isinstance(value, Parameter):
                value.data = arrays[path]
            elif value.free is not None:
                value.data = np.array(arrays[path])
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

    def to(self, dtype: Any) -> Self:
        """Return the module with its floating parameters and buffers in another dtype.

        They stay the same objects. Call it before an optimizer is made, which keeps arrays of the
        parameters' dtype. (There is one device, so that a dtype is all that can be asked for.)

        Raises
        ------
        LayerError
            The dtype is not floating, or an optimizer has the parameters already.
        """
        dtype = as_dtype(dtype)
        parameters = self.parameters()
        if any(p.requires_grad and p.node.buffer is not None for p in parameters):  # type: ignore[union-attr]
            raise LayerError(
                f"{type(self).__name__}.to: an optimizer has the parameters, and keeps their "
                "dtype\n  fix: call to() first and make the optimizer afterwards"
            )
        for parameter in parameters:
            frozen = not parameter.requires_grad
            parameter.requires_grad_()
            home = parameter.numpy().astype(dtype)
            parameter.rebase(home, None)  # type: ignore[arg-type]
            if frozen:
                parameter.requires_grad_(False)
        for buffer in self.buffers():
            if buffer.data.dtype.kind == "f":
                buffer.data = buffer.data.astype(dtype)
        return self

    def half(self) -> Self:
        """Return the module in float16; see `to`."""
        return self.to(np.float16)

    def float(self) -> Self:
        """Return the module in float32; see `to`."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Return the module in float64; see `to`."""
        return self.to(np.float64)

    # ---- watching it

    def register_forward_pre_hook(
        self, hook: Callable[[Module, tuple[Any, ...]], Any]
    ) -> HookHandle:
        """Call a function before each call of the module; return its handle.

        Parameters
        ----------
        hook : callable
            Takes the module and the tuple of its positional arguments. What it returns takes their
            place, a tuple or the only one; ``None`` leaves them as they are.
        """
        return self._hang("register_forward_pre_hook", "before", hook)

    def register_forward_hook(
        self, hook: Callable[[Module, tuple[Any, ...], Any], Any]
    ) -> HookHandle:
        """Call a function after each call of the module; return its handle.

        Parameters
        ----------
        hook : callable
            Takes the module, the tuple of its positional arguments, and the result. What it returns
            takes the result's place; ``None`` leaves it as it is. It keeps seeing every result: a
            layer with a hook is not computed together with its neighbours in a `Sequential`.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear, ReLU, Sequential
        >>> net, shapes = Sequential(Linear(3, 2, rng=0), ReLU()), []
        >>> handle = net[0].register_forward_hook(lambda m, args, y: shapes.append(y.shape))
        >>> y = net(np.ones((5, 3), np.float32))
        >>> handle.remove()
        >>> shapes
        [(5, 2)]
        """
        return self._hang("register_forward_hook", "after", hook)

    def register_backward_hook(self, hook: Callable[[Module, Any], Any]) -> HookHandle:
        """Call a function with the gradient of each result of the module; return its handle.

        PyTorch's "full" hook is told the gradients of inputs too; here `Tensor.register_hook` on
        an input does that, from a `register_forward_pre_hook`.

        Parameters
        ----------
        hook : callable
            Takes the module and the complete gradient of one result, in every sweep. What it
            returns takes the gradient's place; ``None`` leaves it as it is.
        """
        return self._hang("register_backward_hook", "back", hook)

    def _hang(self, what: str, where: str, hook: Any) -> HookHandle:
        demand_callable(hook, what)
        if self._hooks is None:
            self._hooks = _Hooks()
        return HookHandle(getattr(self._hooks, where), hook)

    def watched(self) -> bool:
        """Return whether somebody looks at what the module itself returns, by a hook or so."""
        return "forward" in vars(self) or (self._hooks is not None and self._hooks.any())

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

    def multiply_adds(self, shapes: Sequence[tuple[int, ...]]) -> int:  # noqa: ARG002 - for subclasses
        """Return how many products a call sums up in matrix products and windows, 0 of others.

        Parameters
        ----------
        shapes : sequence of tuple of int
            That of the result, then those of the arguments. Modules inside count for themselves.
        """
        return 0

    def summary(self, *example: Any) -> str:
        """Return a table of the modules inside: name, layer, output shape, work, parameters.

        The work is the number of multiply-adds in matrix products and convolutions of one forward
        run; what acts on each element is not counted.

        Parameters
        ----------
        *example : int, or array_like
            The shape of an input, as in ``summary(1, 784)``, or the inputs themselves; the net is
            run once in evaluation mode. Without it the table has neither shapes nor work.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear, Sequential, Sigmoid
        >>> print(Sequential(Linear(784, 50), Sigmoid(), Linear(50, 10)).summary(1, 784))
        name   layer            output shape  multiply-adds  parameters
        0      Linear(784, 50)  (1, 50)              39,200      39,250
        1      Sigmoid()        (1, 50)                   0           0
        2      Linear(50, 10)   (1, 10)                 500         510
        total                                        39,700      39,760
        """
        seen = self._run(example) if example else {}
        counted: set[int] = set()  # a tied parameter is counted where it is first
        rows, work = [], 0
        for path, module in self.named_modules():
            inside = [p for _, p in module.walk(deep=False) if isinstance(p, Parameter)]
            own = [p for p in inside if id(p) not in counted]
            counted.update(map(id, own))
            composed = bool(module.children())
            shape, products = seen.get(id(module), ("", 0))
            work += products
            if not composed or own or products:
                head = type(module).__name__ if composed else repr(module)
                count = f"{sum(p.size for p in own):,}"
                rows.append((path, head, shape, f"{products:,}", count))
        total = sum(p.size for p in self.parameters())
        frozen = sum(p.size for p in self.parameters() if not p.requires_grad)
        rows.append(("total", "", "", f"{work:,}", f"{total:,}"))
        if frozen:
            rows.append(("frozen", "", "", "", f"{frozen:,}"))
        head_row = ("name", "layer", "output shape", "multiply-adds", "parameters")
        return _table(head_row, rows, bool(seen))

    def draw(self, *example: Any, **options: Any) -> Any:
        """Return a diagram of what the module computes of an example, in evaluation mode.

        Parameters
        ----------
        *example : int, or array_like
            As in `summary`.
        **options
            Those of ``tinygrad_edu.draw.draw``, such as ``format="svg"``.

        Returns
        -------
        Diagram
            With the parameters by their paths.

        Raises
        ------
        LayerError
            There is no example, or no result that has a graph.
        """
        # Diagrams are a floor above, and import this one.
        return import_module("tinygrad_edu.draw").draw(self, *example, **options)

    def trial(self, *example: Any) -> tuple[tuple[Any, ...], Any]:
        """Return the inputs of an example, and what the module gives of them in evaluation mode.

        Modes and buffers are afterwards as they were, also if the module fails.

        Parameters
        ----------
        *example : int, or array_like
            As in `summary`.

        Returns
        -------
        inputs : tuple
            What the module was called with; zeros, if the example is a shape.
        result : Tensor, or what else the module returns
            With its graph, if recording is on.

        Raises
        ------
        LayerError
            There is no example, or a size is negative.
        """
        inputs = _examples(example)
        with self._unchanged():
            return inputs, self.eval()(*inputs)

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Give modes, replaced methods and buffers back as they were."""
        modules, buffers = self.modules(), self.buffers()
        before = [dict(vars(module)) for module in modules]
        values = [(buffer, buffer.data, buffer.data.copy()) for buffer in buffers]
        try:
            yield
        finally:
            for module, attributes in zip(modules, before, strict=True):
                for name in ("training", "forward"):
                    vars(module).pop(name, None)
                    if name in attributes:
                        vars(module)[name] = attributes[name]
            for buffer, array, content in values:
                array[...] = content
                buffer.data = array

    def _run(self, example: tuple[Any, ...]) -> dict[int, tuple[str, int]]:
        """Return output shape and work of each module called, by its identity."""
        example = _examples(example)
        self._make(example)
        seen: dict[int, tuple[str, int]] = {}

        def watched(module: Module) -> Callable[..., Any]:
            forward = module.forward

            def inner(*args: Any, **kwargs: Any) -> Any:
                result = forward(*args, **kwargs)
                _, work = seen.get(id(module), ("", 0))
                shapes = [np.shape(leaf) for part in (result, args) for leaf in _arrays(part)]
                of_result = len(_arrays(result))
                work += module.multiply_adds([shapes[0], *shapes[of_result:]])
                seen[id(module)] = ", ".join(map(str, shapes[:of_result])), work
                return result

            return inner

        with self._unchanged(), no_grad():
            for module in self.modules():
                module.training = False
                vars(module)["forward"] = watched(module)
            self(*example)
        return seen

    def _make(self, example: tuple[Any, ...]) -> None:
        """Run the net once if a lazy layer waits for that, so that a second run finds layers."""
        if any(module.unmade for module in self.modules()):
            with self._unchanged(), no_grad():
                self.eval()(*example)


def as_input(layer: object, x: Any) -> Any:
    """Return an input as a Tensor or an array; refuse what is no array of numbers.

    Parameters
    ----------
    layer : Module
        Who is called, for the error.
    x : array_like
        The input.

    Raises
    ------
    LayerError
        No array of numbers can be made of it.
    """
    if isinstance(x, Tensor) or dispatches(x):
        return x
    try:
        array = np.asarray(x)
    except (ValueError, TypeError):
        array = np.empty(0, object)
    if array.dtype.kind not in "biufc":
        shown = repr(x) if len(repr(x)) <= 60 else f"a {type(x).__name__}"
        raise LayerError(
            f"{type(layer).__name__}: found {shown} as input; expected an array of numbers\n"
            "  fix: make one, as in np.array([[0.5, 1.0]]); all rows need one length"
        )
    return array


def _examples(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the inputs of an example: zeros, if it is a shape."""
    sizes = given[0] if len(given) == 1 and isinstance(given[0], tuple) else given
    if all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in sizes):
        if sizes is not given or not given or min(given) < 0:
            found = f"found {sizes}" if given else "found no example"
            raise LayerError(
                f"{found}; expected an input, or the sizes of one, each at least 0\n"
                "  fix: give the sizes one by one, as in net.summary(1, 784)"
            )
        return (Tensor(np.zeros(given, get_default_dtype())),)
    return given


def _arrays(tree: Any) -> list[Any]:
    """Return the arrays in a result, or in arguments."""
    leaves, _ = flatten(tree)
    return leaves


def _stretched(buffer: Buffer, shape: tuple[int, ...]) -> Array:
    """Return an array like a buffer's, as long along its free axis as a saved one."""
    own = list(buffer.data.shape)
    if len(shape) == len(own) and buffer.free is not None:
        own[buffer.free] = shape[buffer.free]
    return np.empty(own, buffer.data.dtype)


_PLAIN = frozenset({bool, int, float, str, type(None)})
"""What most attributes are, and nothing is inside of."""


def _reversed(path: str, members: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the members that may hold something, last first, as a stack wants them."""
    items = [
        (f"{path}.{name}" if path else name, value)
        for name, value in members
        if type(value) not in _PLAIN
    ]
    items.reverse()
    return items


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], ran: bool) -> str:
    """Return the rows as text in columns, numbers to the right."""
    kept = [i for i in range(len(head)) if ran or head[i] not in ("output shape", "multiply-adds")]
    lines = [[row[i] for i in kept] for row in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(kept))]
    text = []
    numbers = 2 if ran else 1  # of columns
    for line in lines:
        padded = [
            f"{word:<{width}}" if i < len(line) - numbers else f"{word:>{width}}"
            for i, (word, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(padded))
    return "\n".join(text)
