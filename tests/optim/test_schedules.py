"""Schedules: their formulas, the state, several groups, errors."""

import math

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import CheckpointError, OptimizerError
from tinygrad_edu.optim import (
    LAMB,
    LBFGS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    NAdam,
    OneCycleLR,
    PolynomialLR,
    RAdam,
    ReduceLROnPlateau,
    RMSProp,
    SequentialLR,
    StepLR,
    WarmUp,
)

SCHEDULES = {
    "constant": lambda o: ConstantLR(o, 0.5, 3),
    "linear": lambda o: LinearLR(o, 0.1, total_iters=4),
    "step": lambda o: StepLR(o, 2),
    "multi-step": lambda o: MultiStepLR(o, [2, 5]),
    "exponential": lambda o: ExponentialLR(o, 0.9),
    "polynomial": lambda o: PolynomialLR(o, 9, 2.0),
    "lambda": lambda o: LambdaLR(o, lambda k: 1 / (1 + k)),
    "cosine": lambda o: CosineAnnealingLR(o, 8, 1e-3),
    "restarts": lambda o: CosineAnnealingWarmRestarts(o, 2, 2),
    "cyclic": lambda o: CyclicLR(o, 0.01, 0.1, 3, mode="triangular2", cycle_momentum=can(o)),
    "one cycle": lambda o: OneCycleLR(o, 0.1, 12, cycle_momentum=can(o)),
    "sequential": lambda o: SequentialLR(
        o, [LinearLR(o, 0.2, total_iters=3), ExponentialLR(o, 0.9)], [3]
    ),
    "warm-up": lambda o: WarmUp(CosineAnnealingLR(o, 8), 3),
    "plateau": lambda o: ReduceLROnPlateau(o, patience=1, cooldown=1),
}
RULES = {
    "SGD": lambda p: SGD(p, 0.1, momentum=0.9),
    "AdaGrad": lambda p: AdaGrad(p, 0.1, lr_decay=0.1),
    "RMSProp": lambda p: RMSProp(p, 0.1, momentum=0.5, centered=True),
    "AdaDelta": lambda p: AdaDelta(p, 0.5),
    "Adam": lambda p: Adam(p, 0.1, amsgrad=True),
    "AdamW": lambda p: AdamW(p, 0.1),
    "Adamax": lambda p: Adamax(p, 0.1),
    "NAdam": lambda p: NAdam(p, 0.1),
    "RAdam": lambda p: RAdam(p, 0.1),
    "LAMB": lambda p: LAMB(p, 0.1),
    "LBFGS": lambda p: LBFGS(p, 0.1, max_iter=2),
}


def can(optimizer):
    return any(
        name in optimizer.scalars and name not in optimizer.left_out
        for name in ("momentum", "beta1")
    )


def make(rule="SGD"):
    p = [Parameter([3.0, -1.0, 2.0], name="w"), Parameter(1.5, name="b")]
    return p, RULES[rule](p)


def advance(p, optimizer, schedule, t):
    def closure():
        for i, each in enumerate(p):
            each.grad = 0.3 * each.numpy() + np.sin(i)
        return sum(
            float(np.sum(0.15 * e.numpy() ** 2 + e.numpy() * np.sin(i))) for i, e in enumerate(p)
        )

    optimizer.step(closure)
    schedule.step(*((abs(t - 3),) if schedule.monitor else ()))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("plan", SCHEDULES)
def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(rule, plan):
    ends = []
    for breaks in (False, True):
        p, optimizer = make(rule)
        schedule = SCHEDULES[plan](optimizer)
        for t in range(10):
            if breaks and t == 5:
                saved = optimizer.state_dict(), schedule.state_dict(), [e.numpy().copy() for e in p]
                p, optimizer = make(rule)
                schedule = SCHEDULES[plan](optimizer)
                for each, value in zip(p, saved[2], strict=True):
                    each.data = value
                optimizer.load_state_dict(saved[0])
                schedule.load_state_dict(saved[1])
            advance(p, optimizer, schedule, t)
        ends.append([*(e.numpy() for e in p), *optimizer.state().values()])
    for whole, resumed in zip(*ends, strict=True):
        np.testing.assert_array_equal(whole, resumed)


@pytest.mark.parametrize("plan", sorted(SCHEDULES.keys() - {"plateau"}))
def test_values_tell_what_steps_will_set_and_change_nothing(plan):
    _, optimizer = make()
    schedule = SCHEDULES[plan](optimizer)
    told = schedule.values(12)
    for expected in told:
        assert optimizer.lr == expected
        schedule.step()


@pytest.mark.parametrize("plan", SCHEDULES)
def test_a_bad_state_is_refused_and_changes_nothing(plan):
    _, optimizer = make()
    schedule = SCHEDULES[plan](optimizer)
    before = schedule.state_dict() | optimizer.state_dict()
    good = schedule.state_dict()
    for bad in (
        good | {"count": np.array(-1)},
        good | {"bases": np.array([np.nan])},
        good | {"bases": np.ones(2)},
        {"count": good["count"]},
    ):
        with pytest.raises(CheckpointError, match="nothing was changed"):
            schedule.load_state_dict(bad)
        for name, array in (schedule.state() | optimizer.state()).items():
            np.testing.assert_array_equal(array, before[name])


def test_some_figures_by_hand():
    _, optimizer = make()
    assert WarmUp(optimizer, 4).values(6) == pytest.approx(
        [0.025, 0.04375, 0.0625, 0.08125, 0.1, 0.1]
    )
    cosine = CosineAnnealingLR(optimizer, 10)
    assert cosine.value(5) == pytest.approx(0.05)
    assert cosine.value(10) == 0
    assert cosine.value(1000) == pytest.approx(0.1)
    assert OneCycleLR(optimizer, 1.0, 10).values(10).max() == 1.0
    assert math.isclose(ExponentialLR(optimizer, 0.999).value(10**5), 0.1 * 0.999**10**5)


def test_the_base_is_what_the_user_has_set():
    _, optimizer = make()
    LinearLR(optimizer, 0.1)
    assert ExponentialLR(optimizer, 0.5).bases.tolist() == [0.1]
    optimizer.lr = 0.7
    assert ExponentialLR(optimizer, 0.5).bases.tolist() == [0.7]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda _: StepLR(None, 2), "expected an optimizer"),
        (lambda o: StepLR(o, 0), "step_size"),
        (lambda o: StepLR(o, 2, every="week"), "every"),
        (lambda o: ExponentialLR(o, -1.0), "gamma"),
        (lambda o: MultiStepLR(o, [5, 2]), "rise"),
        (lambda o: MultiStepLR(o, 5), "milestones"),
        (lambda o: LambdaLR(o, 0.1), "a function of the step"),
        (lambda o: LambdaLR(o, [abs, abs]), "2 functions for 1 groups"),
        (lambda o: CyclicLR(o, 0.1, 1.0, mode="square"), "mode"),
        (lambda o: CyclicLR(o, [0.1, 0.2], 1.0), "groups"),
        (lambda o: OneCycleLR(o, 0.1), "total_steps"),
        (lambda o: OneCycleLR(o, 0.1, 10, pct_start=2.0), "pct_start"),
        (lambda _: OneCycleLR(SGD([Parameter([1.0])]), 0.1, 10), "cycle_momentum"),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), "reduces nothing"),
        (lambda o: SequentialLR(o, [StepLR(o, 2)], [3]), "milestone"),
        (lambda o: WarmUp(ReduceLROnPlateau(o), 3), "formula"),
    ],
)
def test_a_wrong_argument_is_refused_and_the_learning_rate_stays(wrong, message):
    _, optimizer = make()
    with pytest.raises(OptimizerError, match=message):
        wrong(optimizer)
    assert optimizer.lr == 0.1


def test_the_end_of_a_cycle_and_a_late_group_are_told():
    _, optimizer = make()
    schedule = OneCycleLR(optimizer, 0.1, 2)
    schedule.step()
    schedule.step()
    with pytest.raises(OptimizerError, match="beyond the cycle of 2"):
        schedule.step()
    assert schedule.count == 2
    late = StepLR(optimizer, 2)
    optimizer.add_group({"params": Parameter([1.0], name="c")})
    with pytest.raises(OptimizerError, match="2 now"):
        late.step()
    with pytest.raises(OptimizerError, match="expected the figure"):
        ReduceLROnPlateau(optimizer).step()
