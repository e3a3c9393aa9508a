"""`check_optimizer`: every rule of the package passes; each kind of wrong one is named."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import CheckError, OpTypeError
from tinygrad_edu.optim import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp
from tinygrad_edu.testing import check_optimizer


def momentum(x: float, gradient: Callable[[float], float]) -> Iterator[float]:
    v = 0.0
    while True:
        v = 0.9 * v + gradient(x)
        x -= 0.1 * v
        yield x


def adam(x: float, gradient: Callable[[float], float]) -> Iterator[float]:
    m = v = 0.0
    t = 0
    while True:
        t += 1
        g = gradient(x)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x -= 0.01 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        yield x


@pytest.mark.parametrize("rule", [SGD, AdaGrad, Adam, AdamW, RMSProp], ids=lambda r: r.__name__)
def test_the_rules_of_the_package_pass(rule: Any) -> None:
    report = check_optimizer(rule)
    assert report
    assert f"check_optimizer of {rule.__name__}: passed" in str(report)


def test_a_rule_passes_with_its_formula() -> None:
    assert check_optimizer(lambda p: SGD(p, lr=0.1, momentum=0.9), momentum)
    assert check_optimizer(lambda p: Adam(p, lr=0.01), adam)


class Plain(Optimizer):
    """The right rule that the wrong ones derive from: gradient descent with a memory."""

    def __init__(self, parameters: Any, lr: float = 0.05) -> None:
        super().__init__(parameters, lr=lr)

    def init(self, parameter: Any) -> dict[str, Any]:
        return {"sum": np.zeros_like(parameter)}

    def factors(self) -> dict[str, Any]:
        return {"lr": self.scalars["lr"]}

    def update(self, parameter: Any, gradient: Any, slots: Any, factors: Any, scratch: Any) -> None:
        slots["sum"] *= 0.5
        slots["sum"] += gradient
        np.multiply(slots["sum"], factors["lr"], out=scratch)
        parameter -= scratch


class Climbs(Plain):
    def update(self, parameter: Any, gradient: Any, slots: Any, factors: Any, scratch: Any) -> None:
        super().update(parameter, -gradient, slots, factors, scratch)


class Explodes(Plain):
    def update(self, parameter: Any, gradient: Any, slots: Any, factors: Any, scratch: Any) -> None:
        super().update(parameter, gradient, slots, factors, scratch)
        with np.errstate(all="ignore"):
            parameter += 0.0 * gradient / np.zeros_like(gradient)


class IgnoresLr(Plain):
    def factors(self) -> dict[str, Any]:
        return {"lr": np.array(0.05)}


class MovesAll(Plain):
    """Takes no gradient for a gradient of zeros."""

    def step(self) -> None:
        for flat in self.flats:
            for parameter in flat.parameters:
                if parameter.grad is None:
                    (parameter * 0.0).sum().backward()
        super().step()


class WritesGradient(Plain):
    def update(self, parameter: Any, gradient: Any, slots: Any, factors: Any, scratch: Any) -> None:
        gradient *= 0.5
        super().update(parameter, gradient, slots, factors, scratch)


class KeepsGradients(Plain):
    def zero_grad(self) -> None:
        pass


class Uneven(Plain):
    """Its step depends on the place of a number among all."""

    def update(self, parameter: Any, gradient: Any, slots: Any, factors: Any, scratch: Any) -> None:
        weights = np.linspace(0.5, 1, parameter.size, dtype=parameter.dtype)
        super().update(parameter, gradient * weights, slots, factors, scratch)


class Forgets(Plain):
    """Keeps its memory where nobody saves it."""

    def init(self, _parameter: Any) -> dict[str, Any]:
        self.memory: dict[int, Any] = {}
        return {}

    def update(self, parameter: Any, gradient: Any, _slots: Any, *rest: Any) -> None:
        memory = self.memory.setdefault(parameter.size, np.zeros_like(parameter))
        super().update(parameter, gradient, {"sum": memory}, *rest)


class WideSlots(Plain):
    def init(self, parameter: Any) -> dict[str, Any]:
        return {"sum": np.zeros(parameter.shape)}


class Coarse(Plain):
    def update(self, parameter: Any, gradient: Any, slots: Any, factors: Any, scratch: Any) -> None:
        super().update(parameter, gradient, slots, factors, scratch)
        if parameter.dtype == np.float32:
            parameter[...] = parameter.astype(np.float16)


WRONG = [
    (Climbs, "descends", "subtract the step"),
    (Explodes, "descends", "nan or inf"),
    (IgnoresLr, "lr 0 changes nothing", "read the learning rate"),
    (MovesAll, "no gradient, no change", "None is not a gradient of zeros"),
    (WritesGradient, "gradients are read only", "scratch"),
    (KeepsGradients, "gradients are read only", "zero_grad"),
    (Uneven, "order independent", "another order"),
    (Forgets, "resumes", "which are saved"),
    (WideSlots, "float32", "zeros_like"),
    (Coarse, "float32", "from where float64 ends"),
]


def test_the_right_one_passes() -> None:
    assert check_optimizer(Plain)


@pytest.mark.parametrize(("rule", "law", "words"), WRONG, ids=[w[0].__name__ for w in WRONG])
def test_a_wrong_rule_is_refused(rule: Any, law: str, words: str) -> None:
    with pytest.raises(CheckError) as caught:
        check_optimizer(rule)
    text = str(caught.value)
    assert caught.value.outcome == law, text
    assert f"check_optimizer of {rule.__name__}: {law}: does not hold" in text
    assert words in text
    assert "reproduce:" in text


def test_another_formula_is_refused() -> None:
    with pytest.raises(CheckError, match=r"reference(.|\n)*after step 2(.|\n)*momentum"):
        check_optimizer(lambda p: SGD(p, lr=0.1, momentum=0.8), momentum)


def test_a_reference_that_ends_is_refused() -> None:
    with pytest.raises(CheckError, match="reference ends after 1 of 10 steps"):
        check_optimizer(lambda p: SGD(p, lr=0.1), lambda x, gradient: [x - 0.1 * gradient(x)])


def test_an_optimizer_in_place_of_what_makes_it_is_refused() -> None:
    nothing: Any = 3
    with pytest.raises(OpTypeError, match=r"check_optimizer\(SGD\)"):
        check_optimizer(nothing)
