"""What optimizers share: which parameters, the flat arrays, the state, the errors."""

import copy
import gc
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import CheckpointError, MutationError, OptimizerError
from tinygrad_edu.nn import Linear
from tinygrad_edu.optim import (
    LAMB,
    LBFGS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    Optimizer,
    RAdam,
    RMSProp,
)

RULES = {
    "SGD": lambda p: SGD(p, 0.1),
    "momentum": lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, book=True),
    "AdaGrad": lambda p: AdaGrad(p, 0.1),
    "RMSProp": lambda p: RMSProp(p, 0.1, momentum=0.5, centered=True),
    "Adam": lambda p: Adam(p, 0.1, amsgrad=True),
    "AdamW": lambda p: AdamW(p, 0.1),
    "dampening": lambda p: SGD(p, 0.1, momentum=0.9, dampening=0.5, maximize=True),
    "lr_decay": lambda p: AdaGrad(p, 0.1, lr_decay=0.3, initial_accumulator_value=0.2),
    "AdaDelta": lambda p: AdaDelta(p, 0.5, weight_decay=0.1),
    "Adamax": lambda p: Adamax(p, 0.1, weight_decay=0.1),
    "NAdam": lambda p: NAdam(p, 0.1, weight_decay=0.1, decoupled_weight_decay=True),
    "RAdam": lambda p: RAdam(p, 0.1, betas=(0.9, 0.8)),
    "LAMB": lambda p: LAMB(p, 0.1, weight_decay=0.1),
}


SLOTS = {"velocity", "square_sum", "square_mean", "mean", "square_max", "step_mean", "largest"}


def two():
    w = Parameter([[1.0, 2.0], [3.0, 4.0]], name="w")
    b = Parameter([5.0, 6.0], name="b")
    return w, b


def give(*parameters, scale=1.0):
    for i, p in enumerate(parameters):
        p.grad = scale * (np.cos(np.arange(p.size) + i).reshape(p.shape) + 0.1 * p.numpy())


# ------------------------------------------------------------------------ which parameters


class Net:
    """Not a Module: anything that names its parameters will do."""

    def __init__(self, *parameters):
        self.parameters = parameters

    def named_parameters(self):
        return [(f"layer.{i}", p) for i, p in enumerate(self.parameters)]


@pytest.mark.parametrize(
    ("give_them", "names"),
    [
        (lambda w, b: [w, b], ["w", "b"]),
        (lambda w, b: iter([w, b]), ["w", "b"]),
        (lambda w, b: [("one", w), ("two", b)], ["one", "two"]),
        (lambda w, b: Net(w, b), ["layer.0", "layer.1"]),
        (lambda w, b: [w, b, w], ["w", "b"]),
    ],
)
def test_parameters_may_be_given_in_several_ways(give_them, names):
    optimizer = SGD(give_them(*two()), 0.1, momentum=0.9)
    slots = [name for name in optimizer.state() if name.startswith("slots/")]
    assert slots == [f"slots/velocity/{name}" for name in names]


@pytest.mark.parametrize("names", [("", ""), ("w", "w"), ("w", "")])
def test_parameters_without_names_of_their_own_go_by_position(names):
    optimizer = Adam([Parameter([1.0], name=name) for name in names])
    assert {"slots/mean/0", "slots/mean/1"} <= optimizer.state().keys()


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        Parameter([1.0]),
        3.0,
        [np.ones(2)],
        [Tensor([1.0], requires_grad=True)],
        [("a", "b", "c")],
        [("a", Parameter([1.0])), ("a", Parameter([1.0]))],
        [Parameter(np.ones(2, complex))],
    ],
)
def test_what_is_no_set_of_parameters_is_refused(parameters):
    with pytest.raises(OptimizerError, match="fix: "):
        SGD(parameters)


def test_a_tied_parameter_is_updated_once():
    w, _ = two()
    optimizer = SGD([w, w], 0.5)
    w.grad = np.ones((2, 2))
    optimizer.step()
    assert w.tolist() == [[0.5, 1.5], [2.5, 3.5]]


# ------------------------------------------------------------------------ steps


@pytest.mark.parametrize("rule", RULES)
def test_each_parameter_is_updated_as_if_it_were_alone(rule):
    together, alone = two(), two()
    both = RULES[rule](together)
    each = [RULES[rule]([p]) for p in alone]
    for _ in range(4):
        give(*together)
        give(*alone)
        both.step()
        for optimizer in each:
            optimizer.step()
    for p, q in zip(together, alone, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@pytest.mark.parametrize("rule", RULES)
@given(present=st.lists(st.tuples(*[st.booleans()] * 4).filter(any), min_size=1, max_size=5))
def test_parameters_without_a_gradient_are_left_as_they_are(rule, present):
    shapes = [(2, 3), (3,), (), (0,)]
    parameters = [Parameter(np.ones(shape), name=f"p{i}") for i, shape in enumerate(shapes)]
    optimizer = RULES[rule](parameters)
    for chosen in present:
        before = {**optimizer.state_dict(), **{p.name: p.numpy().copy() for p in parameters}}
        optimizer.zero_grad()
        for i, p in enumerate(parameters):
            if chosen[i]:
                p.grad = np.full(p.shape, 0.5 + i)
        optimizer.step()
        after = {**optimizer.state(), **{p.name: p.numpy() for p in parameters}}
        for i, p in enumerate(parameters):
            for name in after:
                # How many steps it missed is not a slot of it.
                mine = name in (p.name, *(f"slots/{s}/{p.name}" for s in SLOTS))
                if mine and not chosen[i]:
                    np.testing.assert_array_equal(after[name], before[name])
            if chosen[i] and p.size:
                assert not np.array_equal(after[p.name], before[p.name])


def test_a_gradient_of_an_earlier_step_is_not_used_again():
    w, b = two()
    optimizer = SGD([w, b], 1.0)
    give(w, b)
    optimizer.step()
    optimizer.zero_grad()
    assert w.grad is None
    kept = b.tolist()
    w.grad = np.ones((2, 2))
    optimizer.step()
    assert b.tolist() == kept


def test_a_step_without_any_gradient_says_what_is_missing_and_counts_nothing():
    w, b = two()
    optimizer = Adam([w, b])
    with pytest.raises(OptimizerError, match=r"no parameter has a gradient\n.*backward"):
        optimizer.step()
    assert optimizer.state()["step"] == 0


@pytest.mark.parametrize("rule", RULES)
def test_a_step_does_not_change_the_gradient(rule):
    w, b = two()
    optimizer = RULES[rule]([w, b])
    give(w, b)
    before = w.grad.copy(), b.grad.copy()
    optimizer.step()
    np.testing.assert_array_equal(w.grad, before[0])
    np.testing.assert_array_equal(b.grad, before[1])


def test_parameters_of_several_dtypes_keep_them():
    w, b = Parameter([1.0], dtype=np.float32), Parameter([1.0], dtype=np.float64)
    optimizer = Adam([w, b], 0.1)
    (w * 2).backward(np.ones(1, np.float32))
    (b * 2).backward(np.ones(1))
    optimizer.step()
    assert (w.dtype, b.dtype) == (np.float32, np.float64)
    assert w.grad.dtype == np.float32
    assert b.item() == pytest.approx(0.9)
    assert w.item() == pytest.approx(0.9)


def test_gradients_add_up_over_several_backwards():
    w = Parameter([1.0, 2.0])
    optimizer = SGD([w], 0.5)
    for _ in range(3):
        (w * np.array([1.0, 3.0])).sum().backward()
    optimizer.step()
    assert w.tolist() == [-0.5, -2.5]


def test_a_step_between_forward_and_backward_is_caught_and_names_the_line():
    w = Parameter([1.0, 2.0], name="w")
    optimizer = SGD([w], 0.5)
    (w * w).sum().backward()
    loss = (w * w).sum()
    optimizer.step()  # the write
    with pytest.raises(MutationError, match=r"'w'.*(\n.*)*optimizer\.step\(\)  # the write"):
        loss.backward()


# ------------------------------------------------------------------------ one flat array


def test_parameters_and_gradients_live_in_one_array_each():
    w, b = two()
    (w * 2).sum().backward()  # a gradient from before the optimizer is moved too
    SGD([w, b])
    (w.sum() + b.sum()).backward()
    assert w.numpy().base is b.numpy().base
    assert w.grad.base is b.grad.base
    assert w.grad.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert not np.may_share_memory(w.grad, b.grad)
    assert not np.may_share_memory(w.grad, w.numpy())


def test_data_assigned_between_steps_is_what_the_next_step_starts_from():
    w, b = two()
    optimizer = SGD([w, b], 1.0)
    give(w, b)
    optimizer.step()
    w.data = np.zeros((2, 2))
    w.grad = np.ones((2, 2))
    optimizer.step()
    assert w.tolist() == [[-1.0, -1.0], [-1.0, -1.0]]


def test_two_optimizers_may_share_a_parameter():
    shared, alone, reference = (Parameter([1.0, 2.0]) for _ in range(3))
    first, second = SGD([alone, shared], 0.1, momentum=0.5), SGD([shared], 0.2)
    third, fourth = SGD([reference], 0.1, momentum=0.5), SGD([reference], 0.2)
    for _ in range(3):
        for p in (shared, alone, reference):
            p.grad = np.cos(p.numpy())
        first.step()
        second.step()
        third.step()
        fourth.step()
    np.testing.assert_array_equal(shared.numpy(), reference.numpy())
    assert not np.array_equal(alone.numpy(), shared.numpy())


def test_a_frozen_parameter_is_left_out_until_it_is_thawed():
    w, b = two()
    optimizer = SGD([w, b], 1.0)
    w.requires_grad_(False)
    (w.sum() + b.sum()).backward()
    optimizer.step()
    assert w.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    w.requires_grad_()
    optimizer.zero_grad()
    (w.sum() + b.sum()).backward()
    optimizer.step()
    assert w.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert b.tolist() == [3.0, 4.0]


def test_copies_of_parameters_and_optimizer_go_on_alike_and_apart():
    pair = two()
    optimizer = Adam(list(pair), 0.1)
    give(*pair)
    optimizer.step()
    twins, twin = copy.deepcopy((pair, optimizer))
    kept = pair[0].numpy().copy()
    give(*twins)
    twin.step()
    np.testing.assert_array_equal(pair[0].numpy(), kept)
    give(*pair)
    optimizer.step()
    np.testing.assert_array_equal(pair[0].numpy(), twins[0].numpy())


def test_recording_a_parameter_of_an_optimizer_copies_nothing():
    w, _ = two()
    optimizer = SGD([w])
    give(w)
    optimizer.step()
    (w * w).node  # noqa: B018 - the node is what is made
    node = (w * w).node
    assert node.primals[0] is w.node.result


def test_an_optimizer_that_is_dropped_is_freed_without_the_collector():
    w, b = two()
    gc.collect()
    gc.disable()
    try:
        optimizer = Adam([w, b])
        give(w, b)
        optimizer.step()
        del optimizer, w, b
        assert gc.collect() == 0
    finally:
        gc.enable()


# ------------------------------------------------------------------------ the learning rate


def test_the_learning_rate_is_read_and_set_as_an_attribute():
    w = Parameter([1.0])
    optimizer = SGD([w], 0.5)
    live = optimizer.state()["lr"]
    optimizer.lr = 0.25
    assert optimizer.lr == 0.25
    assert live.shape == ()
    assert live == 0.25
    w.grad = np.ones(1)
    optimizer.step()
    assert w.item() == 0.75


@pytest.mark.parametrize("value", [-1.0, float("nan"), None, "0.1"])
def test_a_learning_rate_that_is_none_is_refused_and_changes_nothing(value):
    optimizer = SGD(two(), 0.5)
    with pytest.raises(OptimizerError, match="lr="):
        optimizer.lr = value
    assert optimizer.lr == 0.5


def test_what_was_left_out_at_the_start_cannot_be_switched_on():
    optimizer = SGD(two(), 0.5)
    for name in ("momentum", "weight_decay", "dampening"):
        with pytest.raises(OptimizerError, match=f"made with {name}=0"):
            setattr(optimizer, name, 0.5)
        setattr(optimizer, name, 0)


# ------------------------------------------------------------------------ the state


def test_the_state_is_live_and_complete():
    w, b = two()
    optimizer = Adam([w, b])
    state = optimizer.state()
    assert set(state) == {
        *("lr", "beta1", "beta2", "eps", "weight_decay", "step"),
        *("slots/mean/w", "slots/mean/b", "slots/square_mean/w", "slots/square_mean/b"),
        *("missed/w", "missed/b"),
    }
    assert state["slots/mean/w"].shape == (2, 2)
    give(w, b)
    optimizer.step()
    assert state["step"] == 1
    np.testing.assert_array_equal(state["slots/mean/b"], b.grad)


@pytest.mark.parametrize("rule", RULES)
def test_a_run_that_is_resumed_equals_the_unbroken_one_bit_for_bit(rule):
    ended = []
    for breaks in (False, True):
        pair = two()
        optimizer = RULES[rule](pair)
        for t in range(6):
            if breaks and t == 3:
                saved, values = optimizer.state_dict(), [p.numpy().copy() for p in pair]
                give(*pair)
                optimizer.step()  # must not change what was saved
                pair = two()
                for p, value in zip(pair, values, strict=True):
                    p.data = value
                optimizer = RULES[rule](pair)
                optimizer.load_state_dict(saved)
            give(*pair, scale=t + 1)
            optimizer.step()
        ended.append([p.numpy() for p in pair])
    for whole, resumed in zip(*ended, strict=True):
        np.testing.assert_array_equal(whole, resumed)


def changed(**changes):
    def change(state):
        state.update(changes)
        return {name: array for name, array in state.items() if array is not None}

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(step=None), "missing: step"),
        (changed(**{"slots/mean/w": None}), "missing: slots/mean/w"),
        (changed(extra=np.ones(1)), "unexpected: extra"),
        (changed(**{"slots/mean/w": np.ones(4)}), r"slots/mean/w is \(4,\) .* expected \(2, 2\)"),
        (changed(**{"slots/mean/w": np.ones((2, 2), "f4")}), "float32, expected .* float64"),
        (changed(lr=np.array(-1.0)), "found lr="),
        (changed(weight_decay=np.array(0.1)), "made with weight_decay=0"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    w, b = two()
    optimizer = Adam([w, b], 0.1)
    give(w, b)
    optimizer.step()
    before = optimizer.state_dict()
    saved = change(
        {name: array * 0.5 if array.dtype.kind == "f" else array for name, array in before.items()}
    )
    with pytest.raises(CheckpointError, match=message):
        optimizer.load_state_dict(saved)
    for name, array in optimizer.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_error_lists_everything_that_does_not_fit():
    optimizer = SGD(two(), 0.1, momentum=0.9)
    saved = optimizer.state_dict()
    del saved["step"], saved["slots/velocity/w"]
    saved |= {"more": np.ones(1), "slots/velocity/b": np.ones(7)}
    with pytest.raises(CheckpointError) as error:
        optimizer.load_state_dict(saved)
    for word in ("step", "slots/velocity/w", "more", "(7,)", "nothing was changed"):
        assert word in str(error.value)


def test_the_workspace_shares_nothing_with_the_state():
    w, b = two()
    optimizer = SGD([w, b], momentum=0.9, weight_decay=0.1)
    work = optimizer.workspace()
    assert set(work) == {"gradients/float64", "scratch/float64", "decayed/float64"}
    for array in work.values():
        for other in [*optimizer.state().values(), w.numpy(), b.numpy()]:
            assert not np.may_share_memory(array, other)


# ------------------------------------------------------------------------ a rule of one's own


class SignDescent(Optimizer):
    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr)

    def init(self, parameter):
        return {"count": np.zeros_like(parameter)}

    def factors(self):
        return {"lr": self.scalars["lr"]}

    def update(self, parameter, gradient, slots, factors, scratch):
        slots["count"] += 1
        np.multiply(np.sign(gradient), factors["lr"], out=scratch)
        parameter -= scratch


def test_a_new_rule_is_three_short_methods():
    w, b = two()
    optimizer = SignDescent([w, b], 0.5)
    w.grad = np.array([[1.0, -1.0], [0.0, 9.0]])
    optimizer.step()
    assert w.tolist() == [[0.5, 2.5], [3.0, 3.5]]
    assert optimizer.state()["slots/count/w"].tolist() == [[1, 1], [1, 1]]
    assert optimizer.state()["slots/count/b"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "rule", [SGD, AdaGrad, RMSProp, AdaDelta, Adam, AdamW, Adamax, NAdam, RAdam, LAMB, LBFGS]
)
def test_every_rule_tells_its_formula_its_paper_and_its_arguments(rule):
    text = inspect.getdoc(rule)
    for name in inspect.signature(rule).parameters:
        assert f"\n{name} : " in text
    assert ".. math::" in text
    assert "References\n----------" in text


def test_the_repr_tells_rule_size_and_hyper_parameters():
    assert repr(SGD(two(), 0.5)).startswith("SGD(6 numbers, lr=0.5, momentum=0")


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.PrecisionWarning")
@pytest.mark.parametrize("rule", [SGD, Adam])
def test_inputs_of_another_dtype_train_as_well(rule):
    x = np.random.default_rng(0).standard_normal((6, 3))
    steps = []
    for inputs in (x, x.astype(np.float32)):
        layer = Linear(3, 2, rng=0)
        optimizer = rule(layer, lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            np.square(layer(inputs) - 1).sum().backward()
            assert layer.weight.grad.dtype == np.float32
            optimizer.step()
        steps.append(layer.weight.numpy().copy())
    np.testing.assert_allclose(*steps, rtol=1e-4)
