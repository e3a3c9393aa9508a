"""What the code of a function names besides its arguments is compared in every call."""

import functools
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from tinygrad_edu import Parameter, Tensor, nn, optim
from tinygrad_edu.capture import capture
from tinygrad_edu.capture.facts import ELEMENTS, PARTS
from tinygrad_edu.errors import CaptureError

Array = np.ndarray[Any, Any]
Change = Callable[[], Any]
X, Y = np.array([0.5, -1.0, 2.0]), np.array([3.0, -4.0, 5.0])
FACTOR = 2.0


def set_factor(value: float) -> None:
    global FACTOR
    FACTOR = value


@pytest.fixture(autouse=True)
def _factor() -> Any:
    yield
    set_factor(2.0)


# ------------------------------------------------------------------------------ what is compared


def a_global() -> tuple[Any, Change]:
    return lambda x: x * FACTOR, partial(set_factor, 3.0)


def a_closure() -> tuple[Any, Change]:
    factor = 2.0

    def change() -> None:
        nonlocal factor
        factor = 3.0

    return lambda x: x * factor, change


def a_list() -> tuple[Any, Change]:
    factors = [1.0, 2.0, 3.0]
    return lambda x: x * np.array(factors), partial(factors.__setitem__, 1, 7.0)


def a_nested_dict() -> tuple[Any, Change]:
    settings = {"layer": {"factor": 2.0}}
    change = partial(settings["layer"].__setitem__, "factor", 3.0)
    return lambda x: x * settings["layer"]["factor"], change


def a_set() -> tuple[Any, Change]:
    factors = {2.0}
    return lambda x: x * sum(factors), partial(factors.add, 3.0)


def a_queue() -> tuple[Any, Change]:
    factors = deque([2.0])
    return lambda x: x * sum(factors), partial(factors.append, 3.0)


def a_counter() -> tuple[Any, Change]:
    counts = Counter(a=2)
    return lambda x: x * counts["a"], partial(counts.update, a=1)


def a_list_in_itself() -> tuple[Any, Change]:
    factors: list[Any] = [2.0]
    factors.append(factors)
    return lambda x: x * factors[0], partial(factors.__setitem__, 0, 3.0)


def a_sign_of_zero() -> tuple[Any, Change]:
    settings = {"zero": 0.0}
    return lambda x: np.copysign(x, settings["zero"]), partial(settings.__setitem__, "zero", -0.0)


def a_default() -> tuple[Any, Change]:
    factors = [2.0]

    def scaled(x: Any, factors: list[float] = factors) -> Any:
        return x * factors[0]

    return scaled, partial(factors.__setitem__, 0, 3.0)


def a_keyword_default() -> tuple[Any, Change]:
    def scaled(x: Any, *, factor: float = 2.0) -> Any:
        return x * factor

    return lambda x: scaled(x), lambda: setattr(scaled, "__kwdefaults__", {"factor": 3.0})


def the_code() -> tuple[Any, Change]:
    def double(x: Any) -> Any:
        return x * 2

    def triple(x: Any) -> Any:
        return x * 3

    return lambda x: double(x), lambda: setattr(double, "__code__", triple.__code__)


def an_attribute_of_a_function() -> tuple[Any, Change]:
    def scaled(x: Any) -> Any:
        return x * scaled.factor  # type: ignore[attr-defined]  # set below

    scaled.factor = 2.0  # type: ignore[attr-defined]  # that is the case
    return scaled, lambda: setattr(scaled, "factor", 3.0)


def an_inner_function() -> tuple[Any, Change]:
    def outer(x: Any) -> Any:
        def inner(y: Any) -> Any:
            return y * FACTOR

        return inner(x)

    return outer, partial(set_factor, 3.0)


def functions_in_a_list() -> tuple[Any, Change]:
    factors = [2.0]
    layers: list[Any] = [lambda x: x + 1, lambda x: x * factors[0]]
    return lambda x: layers[1](layers[0](x)), partial(factors.__setitem__, 0, 3.0)


def a_function_of_another_module() -> tuple[Any, Change]:
    module = ModuleType("scaling")
    exec("factor = 2.0\ndef scaled(x):\n    return x * factor", module.__dict__)
    scaled = module.scaled
    return lambda x: scaled(x), lambda: setattr(module, "factor", 3.0)


def a_variable_of_another_module() -> tuple[Any, Change]:
    module = ModuleType("scaling")
    module.factor = 2.0  # type: ignore[attr-defined]  # that is the case
    return lambda x: x * module.factor, lambda: setattr(module, "factor", 3.0)


def a_partial() -> tuple[Any, Change]:
    factors = [2.0]
    function = partial(lambda factors, x: x * factors[0], factors)
    return function, partial(factors.__setitem__, 0, 3.0)


def a_partial_in_a_variable() -> tuple[Any, Change]:
    function, change = a_partial()
    return lambda x: function(x), change


def a_wrapper() -> tuple[Any, Change]:
    factors = [2.0]

    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(x: Any) -> Any:
            return function(x) + 1

        return wrapper

    return decorated(lambda x: x * factors[0]), partial(factors.__setitem__, 0, 3.0)


def a_cache() -> tuple[Any, Change]:
    factors = [2.0]

    @functools.lru_cache
    def factor() -> float:
        return factors[0]

    def change() -> None:
        factors[0] = 3.0
        factor.cache_clear()

    return lambda x: x * factor(), change


@dataclass
class Settings:
    factor: float = 2.0


class Slotted:
    __slots__ = ("factor",)

    def __init__(self) -> None:
        self.factor = 2.0


@pytest.fixture(params=[Settings, Slotted, partial(SimpleNamespace, factor=2.0)])
def holder(request: Any) -> Any:
    return request.param()


class Scaling:
    """Methods that look at variables, and at objects in attributes."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def twice(self) -> Any:
        return self.settings.factor * 2

    @staticmethod
    def by_global(x: Any) -> Any:
        return x * FACTOR

    def inner(self, x: Any) -> Any:
        return x * self.settings.factor

    def outer(self, x: Any) -> Any:
        return self.inner(x)

    def by_property(self, x: Any) -> Any:
        return x * self.twice

    def by_static_method(self, x: Any) -> Any:
        return self.by_global(x)

    def __call__(self, x: Any) -> Any:
        return self.inner(x)

    def __getitem__(self, _i: int) -> Any:
        return self.settings.factor


class Inheriting(Scaling):
    """Has the methods of its base class."""


def a_method() -> tuple[Any, Change]:
    settings = Settings()
    return Scaling(settings).outer, lambda: setattr(settings, "factor", 3.0)


def an_inherited_method() -> tuple[Any, Change]:
    settings = Settings()
    return Inheriting(settings).outer, lambda: setattr(settings, "factor", 3.0)


def a_property() -> tuple[Any, Change]:
    settings = Settings()
    return Scaling(settings).by_property, lambda: setattr(settings, "factor", 3.0)


def a_static_method() -> tuple[Any, Change]:
    return Scaling(Settings()).by_static_method, partial(set_factor, 3.0)


def an_object_that_is_called() -> tuple[Any, Change]:
    settings = Settings()
    scaling = Scaling(settings)
    return lambda x: scaling(x), lambda: setattr(settings, "factor", 3.0)


def an_object_that_is_indexed() -> tuple[Any, Change]:
    settings = Settings()
    scaling = Scaling(settings)
    return lambda x: x * scaling[0], lambda: setattr(settings, "factor", 3.0)


def an_object_made_inside() -> tuple[Any, Change]:
    factors = [2.0]

    class Fresh:
        def __init__(self) -> None:
            self.factor = factors[0]

    return lambda x: x * Fresh().factor, partial(factors.__setitem__, 0, 3.0)


def a_text_for_getattr() -> tuple[Any, Change]:
    settings = SimpleNamespace(factor=2.0)
    change = partial(setattr, settings, "factor", 3.0)
    return lambda x: x * getattr(settings, "factor"), change  # noqa: B009  # that is the case


def a_class_method() -> tuple[Any, Change]:
    class Scale:
        factor: ClassVar[float] = 2.0

        @classmethod
        def scaled(cls, x: Any) -> Any:
            return x * cls.factor

    return Scale.scaled, lambda: setattr(Scale, "factor", 3.0)


def an_attribute_before_that_of_the_class() -> tuple[Any, Change]:
    class Scale:
        factor = 2.0

    scale = Scale()
    return lambda x: x * scale.factor, lambda: setattr(scale, "factor", 3.0)


def a_member_of_an_enumeration() -> tuple[Any, Change]:
    class Mode(Enum):
        ADD = 1
        MULTIPLY = 2

    modes = [Mode.ADD]
    function: Any = lambda x: x + 2 if modes[0] is Mode.ADD else x * 2
    return function, partial(modes.__setitem__, 0, Mode.MULTIPLY)


def an_array_that_plain_numpy_reads() -> tuple[Any, Change]:
    factors = np.ones(3)
    return lambda x: x * float(factors.sum()), partial(factors.fill, 2.0)


def a_large_array_that_plain_numpy_reads() -> tuple[Any, Change]:
    factors = np.ones(PARTS)
    return lambda x: x * (factors * 2)[:3], partial(factors.__setitem__, 0, 5.0)


def another_array_in_an_attribute() -> tuple[Any, Change]:
    settings = SimpleNamespace(factors=np.ones((2000, 3)))
    change = partial(setattr, settings, "factors", np.full((2000, 3), 2.0))
    return lambda x: x * settings.factors[7], change


def a_module_that_reads_a_global() -> tuple[Any, Change]:
    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * FACTOR

    net = Net()
    return lambda x: net(x), partial(set_factor, 3.0)


def a_module_itself() -> tuple[Any, Change]:
    function, change = a_module_that_reads_a_global()
    return function.__closure__[0].cell_contents, change


def an_attribute_of_the_class_of_a_module() -> tuple[Any, Change]:
    class Net(nn.Module):
        factor = 2.0

        def forward(self, x: Any) -> Any:
            return x * self.factor

    net = Net()
    return lambda x: net(x), lambda: setattr(Net, "factor", 3.0)


def a_module_in_a_list_of_a_module() -> tuple[Any, Change]:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.layers = [nn.ReLU(), nn.Tanh()]

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    net = Net()
    return lambda x: net(x), net.layers.pop


def an_attribute_that_a_module_did_not_have() -> tuple[Any, Change]:
    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * vars(self).get("".join(["fac", "tor"]), 2.0)

    net = Net()
    return lambda x: net(x), lambda: setattr(net, "factor", 3.0)


def a_hook_that_reads_a_variable() -> tuple[Any, Change]:
    factors, layer = [2.0], nn.Tanh()
    layer.register_forward_hook(lambda _module, _args, result: result * factors[0])
    return lambda x: layer(x), partial(factors.__setitem__, 0, 3.0)


def another_tensor() -> tuple[Any, Change]:
    holder = SimpleNamespace(w=Tensor(np.ones(3)))
    return lambda x: (x * holder.w).numpy(), lambda: setattr(holder, "w", Tensor(2 * np.ones(3)))


CASES = [
    a_global, a_closure, a_list, a_nested_dict, a_set, a_queue, a_counter, a_list_in_itself,
    a_sign_of_zero, a_default, a_keyword_default, the_code, an_attribute_of_a_function,
    an_inner_function, functions_in_a_list, a_function_of_another_module,
    a_variable_of_another_module, a_partial, a_partial_in_a_variable, a_wrapper, a_cache, a_method,
    an_inherited_method, a_property, a_static_method, an_object_that_is_called,
    an_object_that_is_indexed, an_object_made_inside, a_text_for_getattr, a_class_method,
    an_attribute_before_that_of_the_class, a_member_of_an_enumeration,
    an_array_that_plain_numpy_reads, a_large_array_that_plain_numpy_reads,
    another_array_in_an_attribute, a_module_that_reads_a_global, a_module_itself,
    an_attribute_of_the_class_of_a_module, a_module_in_a_list_of_a_module,
    an_attribute_that_a_module_did_not_have, a_hook_that_reads_a_variable, another_tensor,
]  # fmt: skip


def bits(value: Any) -> bytes:
    return bytes(np.asarray(getattr(value, "_data", value)).tobytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_the_code_names_is_compared(case: Callable[[], tuple[Any, Change]]) -> None:
    function, change = case()
    program = capture(function, X)
    for x in (X, Y):
        assert bits(program(x)) == bits(function(x))
    before = bits(function(Y))
    change()
    assert bits(function(Y)) != before
    with pytest.raises(CaptureError, match="is another than was recorded"):
        program(Y)


def test_an_attribute_of_any_kind_of_object(holder: Any) -> None:
    program = capture(lambda x: x * holder.factor, X)
    assert bits(program(Y)) == bits(Y * 2)
    holder.factor = 3.0
    with pytest.raises(CaptureError, match="factor is another than was recorded"):
        program(Y)
    holder.factor = 2.0
    assert bits(program(Y)) == bits(Y * 2)


def test_an_argument_that_is_an_object() -> None:
    settings = Settings()
    program = capture(lambda x, given: x * given.factor, X, settings)
    assert bits(program(Y, settings)) == bits(Y * 2)
    with pytest.raises(CaptureError, match="where Settings"):
        program(Y, Settings())
    settings.factor = 3.0
    with pytest.raises(CaptureError, match="an attribute of Settings: factor is another"):
        program(Y, settings)


def test_an_argument_that_is_a_function() -> None:
    factors = [2.0]
    inner: Any = lambda x: x * factors[0]
    program = capture(lambda x, function: function(x), X, inner)
    assert bits(program(Y, inner)) == bits(Y * 2)
    factors[0] = 3.0
    with pytest.raises(CaptureError, match="the variable factors is another"):
        program(Y, inner)


def test_an_argument_that_is_a_net() -> None:
    layer = nn.Linear(3, 3, rng=0)

    def scaled(x: Any, layer: Any) -> Any:
        return x * sum(parameter.numpy().sum() for parameter in layer.parameters())

    program = capture(scaled, X, layer)
    layer.weight.data[...] += 1
    assert bits(program(Y, layer)) == bits(scaled(Y, layer))


def test_settings_and_hooks_of_an_optimizer() -> None:
    w = Parameter(np.ones(3))
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        np.sum(w * x).backward()
        optimizer.step()
        return x * 2

    program = capture(step, X)
    program(Y)
    optimizer.maximize = True
    with pytest.raises(CaptureError, match="a setting"):
        program(Y)
    optimizer.maximize = False
    program(Y)


# ------------------------------------------------------------------------------ who owns arrays


def test_numbers_of_a_parameter_are_those_of_now() -> None:
    layer = nn.Linear(3, 3, rng=0)

    def scaled(x: Any) -> Any:
        return x * sum(parameter.numpy().sum() for parameter in layer.parameters())

    program = capture(scaled, X)
    layer.weight.data[...] += 1
    assert bits(program(Y)) == bits(scaled(Y))


@pytest.mark.parametrize("way", [float, lambda w: w.item(), lambda w: w.numpy().tolist()])
def test_a_number_out_of_a_parameter_is_refused(way: Callable[[Any], Any]) -> None:
    w = Parameter(np.array(2.0))
    with pytest.raises(CaptureError, match="depends on the data"):
        capture(lambda x: x * way(w), X)


def test_a_buffer_that_is_read_by_itself() -> None:
    buffer = nn.Buffer(np.ones(3))
    program = capture(lambda x: x * buffer.data, X)
    buffer.data[...] = 3
    assert bits(program(Y)) == bits(Y * 3)
    buffer.data = np.ones(3)
    with pytest.raises(CaptureError, match="no longer the array"):
        program(Y)


def test_a_learning_rate_that_is_read_is_no_constant() -> None:
    optimizer = optim.SGD([Parameter(np.ones(3))], lr=0.1)
    with pytest.raises(CaptureError, match=r"leave out what calls Hyper"):
        capture(lambda x: x * optimizer.lr, X)


# ------------------------------------------------------------------------------ what is changed


def test_a_function_that_counts_is_refused() -> None:
    holder = SimpleNamespace(calls=0)

    def counting(x: Any) -> Any:
        holder.calls += 1
        return x * 2

    with pytest.raises(CaptureError, match="the function changes an attribute of SimpleNamespace"):
        capture(counting, X)


def test_a_module_that_counts_is_refused() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.calls = [0]

        def forward(self, x: Any) -> Any:
            self.calls.append(1)
            return x * 2

    with pytest.raises(CaptureError, match="changes an attribute of Net: calls"):
        capture(Net(), X)


# ------------------------------------------------------------------------------ what it costs


class Watched(list[Any]):
    """Counts how often somebody walks it."""

    walks = 0

    def __iter__(self) -> Any:
        type(self).walks += 1
        return super().__iter__()


def test_nothing_large_is_walked_or_copied() -> None:
    Watched.walks = 0
    data = np.zeros(ELEMENTS + 1, np.float32)
    trainer = SimpleNamespace(data=data, history=Watched(range(PARTS + 1)), factor=2.0)
    table = {i: i for i in range(PARTS)}

    def scaled(x: Any) -> Any:
        return x * trainer.factor * len(trainer.history) * len(table) * len(trainer.data)

    program = capture(scaled, X)
    expected = bits(scaled(Y))
    tracemalloc.start()
    assert bits(program(Y)) == expected
    assert tracemalloc.get_traced_memory()[1] < data.nbytes // 10
    tracemalloc.stop()
    assert Watched.walks == 0
    trainer.history.append(1)
    with pytest.raises(CaptureError, match="history is another"):
        program(Y)


def test_attributes_that_the_code_does_not_name_are_free() -> None:
    holder = SimpleNamespace(factor=2.0, history=[0])
    program = capture(lambda x: x * holder.factor, X)
    holder.history.append(1)
    holder.other = 3
    assert bits(program(Y)) == bits(Y * 2)
