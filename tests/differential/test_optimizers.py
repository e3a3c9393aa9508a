"""Optimizers and schedules against PyTorch's: the same parameters, gradients and options.

PyTorch is independent of this package. Where an option has no counterpart there (the book's forms,
LAMB), the formulas in ``tests/optim`` are the reference.
"""

import itertools
import warnings

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.optim import (
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
    clip_grad_norm,
)

torch = pytest.importorskip("torch")
theirs = torch.optim
plans = theirs.lr_scheduler

NAMES = {
    SGD: "SGD",
    AdaGrad: "Adagrad",
    AdaDelta: "Adadelta",
    RMSProp: "RMSprop",
    Adam: "Adam",
    AdamW: "AdamW",
    Adamax: "Adamax",
    NAdam: "NAdam",
    RAdam: "RAdam",
}
GRIDS = {
    SGD: [
        {"lr": 0.1, **momentum, **more}
        for momentum in (
            {},
            {"momentum": 0.8},
            {"momentum": 0.8, "dampening": 0.4},
            {"momentum": 0.8, "nesterov": True},
        )
        for more in ({}, {"weight_decay": 0.2}, {"maximize": True, "weight_decay": 0.2})
    ],
    AdaGrad: [
        {"lr": 0.3, "lr_decay": fall, "weight_decay": decay, "initial_accumulator_value": start}
        for fall, decay, start in itertools.product((0, 0.2), (0, 0.1), (0, 0.5))
    ],
    AdaDelta: [{}, {"rho": 0.7, "eps": 1e-3, "lr": 0.5}, {"weight_decay": 0.1, "maximize": True}],
    RMSProp: [
        {"lr": 0.05, "alpha": 0.8, "momentum": momentum, "centered": centered, "weight_decay": w}
        for momentum, centered, w in itertools.product((0, 0.7), (False, True), (0, 0.1))
    ],
    Adam: [
        {"lr": 0.1, "amsgrad": amsgrad, "weight_decay": decay, **more}
        for amsgrad, decay, more in itertools.product(
            (False, True), (0, 0.3), ({}, {"betas": (0.5, 0.8), "eps": 1e-2}, {"maximize": True})
        )
    ],
    AdamW: [{"lr": 0.1}, {"lr": 0.1, "weight_decay": 0.4, "amsgrad": True, "maximize": True}],
    Adamax: [{}, {"lr": 0.1, "betas": (0.5, 0.8), "weight_decay": 0.2}, {"maximize": True}],
    NAdam: [
        {"lr": 0.1, "weight_decay": 0.2, "momentum_decay": fall, "decoupled_weight_decay": apart}
        for fall, apart in itertools.product((4e-3, 0.1, 0.0), (False, True))
    ],
    RAdam: [
        {"lr": 0.1, "weight_decay": 0.2, "betas": betas, "decoupled_weight_decay": apart}
        for betas, apart in itertools.product(((0.9, 0.999), (0.5, 0.8)), (False, True))
    ],
}
CASES = [(rule, options) for rule, grid in GRIDS.items() for options in grid]
SHAPES = {"w": (3, 4), "b": (4,), "s": ()}


def both():
    rng = np.random.default_rng(3)
    values = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    ours = [Parameter(value, name=name) for name, value in values.items()]
    return ours, [torch.tensor(value.copy(), requires_grad=True) for value in values.values()]


@pytest.fixture(autouse=True)
def exact():
    """Let PyTorch keep its own numbers, such as NAdam's product, in float64, too."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def give(ours, peers, t, without=(), sign=1):
    """Give both the gradient of a bowl that is shaken, except for some parameters."""
    for i, (p, q) in enumerate(zip(ours, peers, strict=True)):
        steep = 0.5 + np.arange(p.size).reshape(p.shape) / 3
        p.grad = None if i in without else sign * (steep * p.numpy() + np.sin(t + i))
        q.grad = None
        if i not in without:
            q.grad = sign * (torch.tensor(steep) * q.detach() + np.sin(t + i))


def apart(ours, peers):
    pairs = zip(ours, peers, strict=True)
    return max(np.abs(p.numpy() - q.detach().numpy()).max() for p, q in pairs)


@pytest.mark.parametrize(("rule", "options"), CASES)
def test_fifty_steps_are_pytorchs_also_with_missing_gradients(rule, options):
    ours, peers = both()
    one, other = rule(ours, **options), getattr(theirs, NAMES[rule])(peers, **options)
    for t in range(50):
        # The bias has a gradient in two steps of three, the scalar from the tenth step on.
        without = {1} if t % 3 == 2 else set()
        sign = -1 if options.get("maximize") else 1
        give(ours, peers, t, without | ({2} if t < 10 else set()), sign)
        one.step()
        other.step()
        assert apart(ours, peers) < 1e-9


@pytest.mark.parametrize("rule", GRIDS)
def test_groups_are_pytorchs(rule):
    ours, peers = both()
    grids = [
        [{"params": p[:1], "lr": 0.2}, {"params": p[1:2], "weight_decay": 0.0}]
        for p in (ours, peers)
    ]
    make = rule, getattr(theirs, NAMES[rule])
    one, other = (
        rule(grid, lr=0.05, weight_decay=0.3) for rule, grid in zip(make, grids, strict=True)
    )
    for t in range(50):
        if t == 20:  # a group that comes late
            one.add_group({"params": ours[2], "lr": 0.01})
            other.add_param_group({"params": peers[2], "lr": 0.01})
        if t == 30:
            one.groups[1].lr = other.param_groups[1]["lr"] = 0.4
        give(ours, peers, t)
        one.step()
        other.step()
        assert apart(ours, peers) < 1e-9


def bent(x, y, z, square):
    return square(1 - x) + 4 * square(y - x * x) + square(z - x)


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 1e-3, "max_iter": 4},
        {"lr": 0.02, "max_iter": 1, "history_size": 3},
        {"line_search_fn": "strong_wolfe", "max_iter": 1},
        {"line_search_fn": "strong_wolfe", "max_iter": 2, "history_size": 2},
        {"line_search_fn": "strong_wolfe", "lr": 0.3, "max_iter": 3, "max_eval": 4},
        {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-2},
        {"line_search_fn": "strong_wolfe", "lr": 30.0, "tolerance_change": 1e-3},
    ],
)
def test_lbfgs_is_pytorchs(options):
    start = [-1.2, 1.0, 0.4]
    ours = [Parameter(np.float64(x), name=f"p{i}") for i, x in enumerate(start)]
    peers = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in start]
    one, other = LBFGS(ours, **options), theirs.LBFGS(peers, **options)
    calls = [0, 0]

    def closure():
        calls[0] += 1
        one.zero_grad()
        loss = bent(*ours, np.square)
        loss.backward()
        return loss

    def their_closure():
        calls[1] += 1
        other.zero_grad()
        loss = bent(*peers, torch.square)
        loss.backward()
        return loss

    for _ in range(50):
        loss, expected = one.step(closure), other.step(their_closure)
        assert abs(float(loss) - expected.item()) < 1e-9
        assert apart(ours, peers) < 1e-9
    assert calls[0] == calls[1]


def test_the_norm_and_the_clipped_gradients_are_pytorchs():
    ours, peers = both()
    give(ours, peers, 1)
    expected = torch.nn.utils.clip_grad_norm_(peers, 0.5)
    assert clip_grad_norm(ours, 0.5) == pytest.approx(float(expected), rel=1e-14)
    for p, q in zip(ours, peers, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-12)


# ------------------------------------------------------------------------ schedules

FORMULAS = {
    "constant": (ConstantLR, "ConstantLR", {"factor": 0.3, "total_iters": 7}),
    "linear": (LinearLR, "LinearLR", {"start_factor": 0.1, "total_iters": 40}),
    "linear, down": (LinearLR, "LinearLR", {"start_factor": 1.0, "end_factor": 0.2}),
    "step": (StepLR, "StepLR", {"step_size": 7, "gamma": 0.6}),
    "multi-step": (MultiStepLR, "MultiStepLR", {"milestones": [3, 20, 20, 71], "gamma": 0.5}),
    "exponential": (ExponentialLR, "ExponentialLR", {"gamma": 0.97}),
    "polynomial": (PolynomialLR, "PolynomialLR", {"total_iters": 60, "power": 2.5}),
    "lambda": (LambdaLR, "LambdaLR", {"lr_lambda": lambda k: 0.9 ** (k // 3)}),
    "lambdas": (LambdaLR, "LambdaLR", {"lr_lambda": [lambda k: 1 / (1 + k), lambda k: 0.9**k]}),
    "cosine": (CosineAnnealingLR, "CosineAnnealingLR", {"T_max": 100, "eta_min": 1e-3}),
    "cosine, to and fro": (CosineAnnealingLR, "CosineAnnealingLR", {"T_max": 9}),
    "restarts": (CosineAnnealingWarmRestarts, "CosineAnnealingWarmRestarts", {"T_0": 13}),
    "restarts, longer": (
        CosineAnnealingWarmRestarts,
        "CosineAnnealingWarmRestarts",
        {"T_0": 4, "T_mult": 3, "eta_min": 1e-3},
    ),
    **{
        f"one cycle, {anneal}, {three}": (
            OneCycleLR,
            "OneCycleLR",
            {
                "max_lr": [0.5, 0.2],
                "total_steps": 101,
                "anneal_strategy": anneal,
                "three_phase": three,
            },
        )
        for anneal in ("cos", "linear")
        for three in (False, True)
    },
    "one cycle, epochs": (
        OneCycleLR,
        "OneCycleLR",
        {"max_lr": 0.5, "epochs": 11, "steps_per_epoch": 10, "pct_start": 0.45, "div_factor": 10},
    ),
    **{
        f"cyclic, {mode}": (
            CyclicLR,
            "CyclicLR",
            {
                "base_lr": 0.01,
                "max_lr": 0.3,
                "step_size_up": 8,
                "step_size_down": 13,
                "mode": mode,
                "gamma": 0.98,
            },
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
    "cyclic, own": (
        CyclicLR,
        "CyclicLR",
        {
            "base_lr": [0.01, 0.02],
            "max_lr": [0.3, 0.2],
            "step_size_up": 10,
            "scale_fn": lambda c: 1 / c,
        },
    ),
}


def optimizers(rule=SGD, **options):
    ours, peers = both()
    options = options or {"momentum": 0.9}
    one = rule([{"params": ours[:1]}, {"params": ours[1:], "lr": 0.02}], lr=0.1, **options)
    other = getattr(theirs, NAMES[rule])(
        [{"params": peers[:1]}, {"params": peers[1:], "lr": 0.02}], lr=0.1, **options
    )
    return one, other, ours, peers


def same_numbers(one, other, t):
    momentum = "momentum" if "momentum" in one.groups[0].scalars else "beta1"
    for group, peer in zip(one.groups, other.param_groups, strict=True):
        assert abs(group.lr - peer["lr"]) < 1e-12, t
        expected = peer["momentum"] if momentum == "momentum" else peer["betas"][0]
        assert abs(getattr(group, momentum) - expected) < 1e-12, t


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.filterwarnings("ignore:To get the last learning rate")
@pytest.mark.parametrize("plan", FORMULAS)
def test_a_hundred_steps_of_a_schedule_are_pytorchs(plan):
    ours, name, options = FORMULAS[plan]
    one, other, _, _ = optimizers()
    schedule, peer = ours(one, **options), getattr(plans, name)(other, **options)
    same_numbers(one, other, 0)
    for t in range(1, 101):
        schedule.step()
        peer.step()
        same_numbers(one, other, t)


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_schedules_one_after_the_other_are_pytorchs():
    one, other, _, _ = optimizers()
    schedule = SequentialLR(
        one,
        [LinearLR(one, 0.1, total_iters=10), ExponentialLR(one, 0.9), StepLR(one, 5)],
        [10, 50],
    )
    again, _, _, _ = optimizers()
    warm_up = WarmUp(ExponentialLR(again, 0.9), 10, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about calls that PyTorch makes of itself
        peers = [
            plans.LinearLR(other, 0.1, total_iters=10),
            plans.ExponentialLR(other, 0.9),
            plans.StepLR(other, 5),
        ]
        peer = plans.SequentialLR(other, peers, [10, 50])
        for t in range(100):
            same_numbers(one, other, t)
            if t < 50:
                same_numbers(again, other, t)
            schedule.step()
            warm_up.step()
            peer.step()


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 3},
        {"mode": "max", "patience": 2, "factor": 0.5, "cooldown": 4, "threshold": 0.01},
        {"threshold_mode": "abs", "threshold": 0.05, "patience": 0, "min_lr": [1e-3, 1e-4]},
        {"mode": "max", "threshold_mode": "abs", "patience": 1, "eps": 1e-3},
    ],
)
def test_a_plateau_is_pytorchs(options):
    one, other, _, _ = optimizers()
    schedule, peer = ReduceLROnPlateau(one, **options), plans.ReduceLROnPlateau(other, **options)
    rng = np.random.default_rng(0)
    for t in range(100):
        value = float("nan") if t == 17 else 1 / (1 + t / 10) + 0.1 * rng.normal()
        schedule.step(value)
        peer.step(value)
        same_numbers(one, other, t)


@pytest.mark.parametrize("rule", [SGD, RMSProp, Adam, AdamW, Adamax, RAdam])
def test_training_under_one_cycle_is_pytorchs(rule):
    """The momentum changes at every step, and with it what a running mean is kept as."""
    momentum = {"momentum": 0.9} if rule in (SGD, RMSProp) else {"weight_decay": 0.1}
    one, other, ours, peers = optimizers(rule, **momentum)
    schedule = OneCycleLR(one, 0.05, 50)
    peer = plans.OneCycleLR(other, 0.05, 50)
    for t in range(50):
        give(ours, peers, t)
        one.step()
        other.step()
        assert apart(ours, peers) < 1e-9
        schedule.step()
        peer.step()
