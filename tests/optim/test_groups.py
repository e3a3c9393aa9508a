"""Groups of parameters: hyper-parameters of their own, state, freezing, latecomers."""

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import CheckpointError, OptimizerError
from tinygrad_edu.nn import Linear, Sequential
from tinygrad_edu.optim import LBFGS, SGD, Adam, AdamW, NAdam, decay_groups


def three():
    return [Parameter(np.arange(1.0, 4.0), name=name) for name in "abc"]


def give(parameters, t=0):
    for i, p in enumerate(parameters):
        if p.requires_grad:
            p.grad = np.cos(t + i) + 0.1 * p.numpy()


def test_each_group_goes_its_own_way():
    grouped, alone = three(), three()
    optimizer = AdamW(
        [{"params": grouped[0]}, {"params": grouped[1:], "lr": 0.3, "betas": (0.5, 0.6)}],
        lr=0.1,
        weight_decay=0.2,
    )
    first = AdamW(alone[:1], 0.1, weight_decay=0.2)
    second = AdamW(alone[1:], 0.3, (0.5, 0.6), weight_decay=0.2)
    for t in range(5):
        give(grouped, t)
        give(alone, t)
        optimizer.step()
        first.step()
        second.step()
    for p, q in zip(grouped, alone, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_the_learning_rate_of_all_is_set_while_they_agree_and_else_of_each():
    a, b, _ = three()
    optimizer = SGD([{"params": a}, {"params": b}], lr=0.1)
    optimizer.lr = 0.2
    assert [group.lr for group in optimizer.groups] == [0.2, 0.2]
    optimizer.groups[1].lr = 0.5
    assert optimizer.lr == 0.2
    with pytest.raises(OptimizerError, match=r"groups that have 0\.2, 0\.5.*\n.*groups\[0\]\.lr"):
        optimizer.lr = 0.1
    assert [group.lr for group in optimizer.groups] == [0.2, 0.5]


def test_the_state_names_parameters_by_name_and_hypers_by_group():
    a, b, _ = three()
    optimizer = SGD([{"params": a, "momentum": 0.9}, {"params": b}], lr=0.1)
    state = optimizer.state()
    assert {"step", "groups/0/lr", "groups/1/lr", "groups/0/momentum"} <= state.keys()
    assert {name for name in state if name.startswith("slots/")} == {"slots/velocity/a"}
    before = optimizer.state_dict()
    with pytest.raises(CheckpointError, match="found lr="):
        optimizer.load_state_dict(before | {"groups/1/lr": np.array(-1.0), "step": np.array(4)})
    assert optimizer.state()["step"] == 0


def test_equal_names_of_two_layers_are_told_apart():
    rng = np.random.default_rng(0)
    model = Sequential(Linear(2, 3, rng=rng), Linear(3, 1, rng=rng))
    optimizer = Adam([{"params": model[0]}, {"params": model[1], "lr": 0.1}])
    names = {name for name in optimizer.state() if name.startswith("slots/mean/")}
    assert len(names) == 4


WRONG = [
    ([{"lr": 0.1}], "params"),
    ([{"params": "a", "speed": 1.0}], "speed"),
    ([{"params": "a", "nesterov": 1.0}], "nesterov"),
    ([{"params": "a"}, {"params": "b", "lr": -1.0}], "lr"),
    ([{"params": "a"}, {"params": "a"}], "earlier group"),
    ([{"params": "a"}, {"params": "b", "nesterov": True}], "nesterov"),
    ([{"params": "a"}, "b"], "expected a dict"),
]


@pytest.mark.parametrize(("groups", "message"), WRONG)
def test_a_group_that_does_not_fit_is_refused_and_nothing_moves(groups, message):
    named = dict(zip("abc", three(), strict=True))
    groups = [
        {k: named[v] if k == "params" else v for k, v in g.items()} if isinstance(g, dict) else g
        for g in groups
    ]
    with pytest.raises(OptimizerError, match=message):
        SGD(groups, lr=0.1)
    assert all(p.node.buffer is None for p in named.values())


def test_a_group_that_comes_late_starts_like_a_new_one():
    a, b, c = three()
    optimizer = Adam([a, b], 0.1)
    for t in range(20):
        give([a, b], t)
        optimizer.step()
    optimizer.add_group({"params": c, "lr": 0.01})
    give([a, b, c])
    optimizer.step()
    # Adam's first step is lr long, whatever the gradient.
    np.testing.assert_allclose(np.abs(c.numpy() - np.arange(1.0, 4.0)), 0.01, rtol=1e-6)
    with pytest.raises(OptimizerError, match="earlier group"):
        optimizer.add_group({"params": a})
    assert len(optimizer.groups) == 2


@pytest.mark.parametrize("rule", [lambda p: AdamW(p, 0.1), lambda p: NAdam(p, 0.1)])
def test_a_frozen_parameter_rests_and_is_resumed_resting(rule):
    ends = []
    for breaks in (False, True):
        parameters = three()
        optimizer = rule(parameters)
        for t in range(12):
            if t in (3, 8):
                parameters[0].requires_grad_(t == 8)
                kept = {n: v for n, v in optimizer.state_dict().items() if n.startswith("slots/")}
                still = parameters[0].numpy().copy()
            if breaks and t == 6:
                saved, values = optimizer.state_dict(), [p.numpy().copy() for p in parameters]
                parameters = [Parameter(v, name=n) for n, v in zip("abc", values, strict=True)]
                parameters[0].requires_grad_(False)
                optimizer = rule(parameters)
                optimizer.load_state_dict(saved)
            optimizer.zero_grad()
            give(parameters, t)
            optimizer.step()
            if 3 <= t < 8:
                np.testing.assert_array_equal(parameters[0].numpy(), still)
                for name, array in optimizer.state().items():
                    if name.startswith("slots/") and name.endswith("/a"):
                        np.testing.assert_array_equal(array, kept[name])
        ends.append([p.numpy() for p in parameters])
        assert optimizer.state()["missed/a"] == 5
    for whole, resumed in zip(*ends, strict=True):
        np.testing.assert_array_equal(whole, resumed)


def test_lbfgs_is_of_one_group_and_needs_a_closure():
    a, b, _ = three()
    with pytest.raises(OptimizerError, match="one vector"):
        LBFGS([{"params": a}, {"params": b}])
    with pytest.raises(OptimizerError, match="closure"):
        LBFGS([a]).step()


def test_matrices_decay_and_biases_do_not():
    model = Linear(3, 2, rng=np.random.default_rng(0))
    optimizer = AdamW(decay_groups(model, 0.5), lr=0.1)
    before = [p.numpy().copy() for p in model.parameters()]
    for p in model.parameters():
        p.grad = np.zeros(p.shape)
    optimizer.step()
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_allclose(p.numpy(), old * (0.95 if p.ndim == 2 else 1.0))
