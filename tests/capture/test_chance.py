"""A function that draws random numbers is refused, wherever it has them from."""

import random
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.capture import capture
from tinygrad_edu.errors import CaptureError

X = np.array([0.5, -1.0, 2.0])
Draws = tuple[Callable[[Any], Any], Callable[[], Any]]


def by_branch(rng: Any) -> Callable[[Any], Any]:
    """Return a function in whose calls of NumPy no draw is to be seen."""
    return lambda x: x * 2 if rng.random() < 2 else -x


def in_a_closure() -> Draws:
    rng = np.random.default_rng(0)
    return by_branch(rng), lambda: rng.bit_generator.state


def in_a_list() -> Draws:
    rngs = [np.random.default_rng(0)]
    return lambda x: x * 2 if rngs[0].random() < 2 else -x, lambda: rngs[0].bit_generator.state


def in_an_object() -> Draws:
    holder = SimpleNamespace(rng=np.random.default_rng(0))
    state: Any = lambda: holder.rng.bit_generator.state
    return lambda x: x * 2 if holder.rng.random() < 2 else -x, state


def in_another_module() -> Draws:
    module = ModuleType("drawing")
    module.rng = rng = np.random.default_rng(0)  # type: ignore[attr-defined]  # that is the case
    state: Any = lambda: rng.bit_generator.state
    return lambda x: x * 2 if module.rng.random() < 2 else -x, state


class Drawing:
    """Draws in a method."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, x: Any) -> Any:
        return x * 2 if self.rng.random() < 2 else -x


def of_a_callable() -> Draws:
    drawing = Drawing()
    return drawing, lambda: drawing.rng.bit_generator.state


def of_pythons_own() -> Draws:
    rng = random.Random(0)
    return by_branch(rng), rng.getstate


def of_a_module() -> Draws:
    dropout = nn.Dropout(0.5, rng=0)
    (rng,) = (each for each in vars(dropout).values() if isinstance(each, np.random.Generator))
    return lambda x: dropout(x), lambda: rng.bit_generator.state


def drawn_into_the_numbers() -> Draws:
    rng = np.random.default_rng(0)
    return lambda x: x * rng.random(3), lambda: rng.bit_generator.state


CASES = [
    in_a_closure, in_a_list, in_an_object, in_another_module, of_a_callable, of_pythons_own,
    of_a_module, drawn_into_the_numbers,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_draw_is_refused_and_the_generator_is_as_it_was(case: Callable[[], Draws]) -> None:
    function, state = case()
    before = state()
    with pytest.raises(CaptureError, match=r"draws random numbers|differs from run to run"):
        capture(function, X)
    assert state() == before


def test_the_older_kind_of_generator() -> None:
    rng = np.random.RandomState(0)  # users have them
    before = str(rng.get_state())
    with pytest.raises(CaptureError, match="draws random numbers"):
        capture(lambda x: x * 2 if rng.random_sample() < 2 else -x, X)
    assert str(rng.get_state()) == before


def test_a_generator_that_is_an_argument() -> None:
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises(CaptureError, match="draws random numbers"):
        capture(lambda x, rng: x * 2 if rng.random() < 2 else -x, X, rng)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("draw", [random.random, np.random.random])
def test_a_draw_from_what_all_of_python_shares(draw: Callable[[], float]) -> None:
    with pytest.raises(CaptureError, match="draws random numbers"):
        capture(lambda x: x * 2 if draw() < 2 else -x, X)


def test_a_generator_that_nobody_draws_from_is_no_fault() -> None:
    rng = np.random.default_rng(0)
    rng.random(5)
    before = rng.bit_generator.state
    dropout = nn.Dropout(0.5, rng=rng).eval()
    program = capture(lambda x: dropout(x) * (1 if rng is not None else 2), X)
    assert program(X).tolist() == X.tolist()
    assert rng.bit_generator.state == before


def test_a_generator_made_inside_with_a_seed_is_no_chance() -> None:
    def noisy(x: Any) -> Any:
        return x + np.random.default_rng(3).random(3)

    assert capture(noisy, X)(X * 2).tolist() == noisy(X * 2).tolist()
