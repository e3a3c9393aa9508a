"""Modules: what the walk finds, names, state, modes, tables and texts."""

import copy
import gc

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.errors import CheckpointError, LayerError
from tinygrad_edu.nn import (
    BatchNorm1d,
    Buffer,
    Dropout,
    Linear,
    Module,
    ModuleList,
    ReLU,
    Sequential,
    Sigmoid,
)
from tinygrad_edu.optim import SGD


class Branches(Module):
    """Parameters and modules in every kind of place."""

    def __init__(self):
        self.scale = Parameter([2.0])
        self.layers = [Linear(2, 3, rng=0), (Linear(3, 3, rng=1, bias=False), ReLU())]
        self.heads = {"left": Linear(3, 1, rng=2), "right": [Parameter([1.0, 2.0])]}
        self.count = Buffer([0.0])
        self.tied = self.layers[0].weight
        self.note, self.size, self.constant = "text", 3, Tensor([1.0])

    def forward(self, x):
        x = self.layers[0](x)
        for layer in self.layers[1]:
            x = layer(x)
        return self.heads["left"](x) * self.scale


NAMES = [
    "scale",
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.0.weight",
    "heads.left.weight",
    "heads.left.bias",
    "heads.right.0",
]


# ------------------------------------------------------------------------ the walk


def test_parameters_are_found_everywhere_in_order_and_once():
    net = Branches()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [p.name for p in net.parameters()] == NAMES
    assert net.parameters()[1] is net.tied


def test_buffers_modules_and_children():
    net = Branches()
    assert [name for name, _ in net.named_buffers()] == ["count"]
    assert net.buffers() == [net.count]
    inside = ["layers.0", "layers.1.0", "layers.1.1", "heads.left"]
    assert [name for name, _ in net.named_modules()] == ["", *inside]
    assert [name for name, _ in net.named_children()] == inside
    outer = Sequential(net, ReLU())
    assert outer.children() == [net, outer[1]]
    assert len(outer.modules()) == 7


def test_a_module_that_holds_itself_or_a_list_that_does_is_walked_once():
    net = Branches()
    net.me, loop = net, []
    loop.append(loop)
    net.loop = loop
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert repr(net).startswith("Branches(\n  (layers.0): Linear(2, 3)")


def test_nesting_of_any_depth_is_walked():
    deep = [Parameter([1.0])]
    for _ in range(5000):
        deep = [deep]
    net = Module()
    net.deep = deep
    assert len(net.parameters()) == 1


def test_a_subclass_need_not_call_the_base_and_assignment_is_plain():
    net = Branches()
    assert vars(net)["scale"] is net.scale
    net.scale = Parameter([5.0])
    assert net.parameters()[0].tolist() == [5.0]
    del net.heads
    assert [name for name, _ in net.named_parameters()] == NAMES[:4]


def test_two_things_of_one_name_are_refused():
    net = Module()
    net.a = {"b.c": Parameter([1.0]), "b": {"c": Parameter([2.0])}}
    for ask in (net.named_parameters, net.state):
        with pytest.raises(LayerError, match=r"'a\.b\.c'"):
            ask()


def test_generators_are_found():
    net = Sequential(Dropout(0.5, rng=0), Linear(2, 2))
    assert net.named_generators() == [("0.rng", net[0].rng)]


def test_calling_tells_the_parameters_their_names():
    net = Sequential(Linear(2, 2, rng=0), ReLU(), Linear(2, 1, rng=1))
    assert net[0].weight.name == "weight"
    y = net(np.ones((1, 2), np.float32))
    assert [leaf.name for leaf in y.node.upstream if leaf.op is None] == ["2.weight", "2.bias"]
    net[2].parameters()  # a part does not shorten the names of the whole
    assert net[2].weight.name == "2.weight"
    other = Sequential(net[2])
    other.parameters()
    assert net[2].weight.name == "0.weight"


def test_a_net_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        Module()(1)


# ------------------------------------------------------------------------ state


def test_the_state_is_live_and_state_dict_is_not():
    net = Branches()
    state, saved = net.state(), net.state_dict()
    assert list(state) == [*NAMES, "count"]
    SGD(net, 1.0)
    net.scale.grad = np.ones(1)
    optimizer = SGD(net, 1.0)
    optimizer.step()
    net.count.data += 1
    assert net.state()["scale"].tolist() == [1.0]
    assert state["count"].tolist() == [1.0]
    assert saved["scale"].tolist() == [2.0]
    assert saved["count"].tolist() == [0.0]
    assert np.may_share_memory(net.state()["scale"], net.scale.numpy())


def test_a_round_trip_restores_every_array():
    net, other = Branches(), Branches()
    for p in net.parameters():
        p.data = p.numpy() + 1
    net.count.data[...] = 7
    missing, unexpected = other.load_state_dict(net.state_dict())
    assert (missing, unexpected) == ([], [])
    for name, array in net.state().items():
        np.testing.assert_array_equal(other.state()[name], array)
        assert not np.may_share_memory(other.state()[name], array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("count"), "missing: count"),
        (lambda s: s.update(extra=np.ones(1)), "unexpected: extra"),
        (lambda s: s.update(scale=np.ones(2)), r"scale is \(2,\) float64, expected \(1,\) float64"),
        (lambda s: s.update(scale=np.ones(1, "f4")), "scale is .* float32, expected .* float64"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    net = Branches()
    before = net.state_dict()
    saved = {name: array + 1 for name, array in before.items()}
    change(saved)
    with pytest.raises(CheckpointError, match=message):
        net.load_state_dict(saved)
    for name, array in net.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_without_strict_the_names_that_fit_are_loaded_but_shapes_still_count():
    net = Branches()
    saved = {"scale": np.array([9.0]), "more": np.ones(1)}
    missing, unexpected = net.load_state_dict(saved, strict=False)
    assert net.scale.tolist() == [9.0]
    assert missing == [*NAMES[1:], "count"]
    assert unexpected == ["more"]
    with pytest.raises(CheckpointError):
        net.load_state_dict({"scale": np.ones(3)}, strict=False)


def test_loading_between_steps_keeps_the_optimizer_in_touch():
    net = Linear(1, 1, weight=[[2.0]], dtype=np.float64)
    optimizer = SGD(net, 1.0)
    net.load_state_dict({"weight": np.array([[5.0]]), "bias": np.array([0.0])})
    net.weight.grad = np.ones((1, 1))
    optimizer.step()
    assert net.weight.tolist() == [[4.0]]


# ------------------------------------------------------------------------ changing


def test_train_and_eval_reach_every_module():
    net = Sequential(Dropout(0.5), Sequential(Dropout(0.5)))
    assert net.training
    assert net.eval() is net
    assert [module.training for module in net.modules()] == [False] * 4
    net.train()
    assert all(module.training for module in net.modules())


def test_zero_grad_drops_the_gradients():
    net = Linear(2, 1, rng=0)
    net(np.ones((3, 2), np.float32)).sum().backward()
    assert net.weight.grad is not None
    net.zero_grad()
    assert net.weight.grad is None


def test_a_frozen_net_records_nothing_and_a_thawed_one_does():
    net = Linear(2, 1, rng=0)
    value = net.weight.tolist()
    assert net.requires_grad_(False) is net
    assert not net(np.ones((3, 2), np.float32)).requires_grad
    net.zero_grad()
    net.requires_grad_()
    assert net(np.ones((3, 2), np.float32)).requires_grad
    assert net.weight.name == "weight"
    assert net.weight.tolist() == value


def test_apply_calls_a_function_on_every_module():
    net, seen = Sequential(Linear(1, 1), Sequential(ReLU())), []
    assert net.apply(seen.append) is net
    assert seen == net.modules()


def test_a_deep_copy_is_equal_and_apart():
    net = Sequential(Linear(2, 2, rng=0), BatchNorm1d(2), Dropout(0.5, rng=0))
    net.parameters()
    net[0].weight.grad = np.ones((2, 2))
    twin = copy.deepcopy(net)
    x = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    np.testing.assert_array_equal(net(x).numpy(), twin(x).numpy())
    assert twin[0].weight.name == "0.weight"
    for name, array in net.state().items():
        assert not np.may_share_memory(array, twin.state()[name])
    assert not np.may_share_memory(net[0].weight.grad, twin[0].weight.grad)


def test_a_deep_copy_keeps_tied_parameters_tied():
    twin = copy.deepcopy(Branches())
    assert twin.tied is twin.layers[0].weight


def test_a_module_that_is_dropped_is_freed_without_the_collector():
    net = Sequential(Linear(2, 2, rng=0), ReLU())
    net(np.ones((1, 2), np.float32)).sum().backward()
    gc.collect()
    gc.disable()
    try:
        del net
        assert gc.collect() == 0
    finally:
        gc.enable()


# ------------------------------------------------------------------------ telling


def test_the_repr_is_nested():
    net = Sequential(Linear(4, 3, activation="relu"), Sequential(Dropout(0.2), Sigmoid()))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(4, 3, activation='relu')\n"
        "  (1): Sequential(\n"
        "    (0): Dropout(p=0.2)\n"
        "    (1): Sigmoid()\n"
        "  )\n"
        ")"
    )


def test_the_summary_is_a_table_with_shapes_of_outputs():
    net = Sequential(Linear(784, 50), Sigmoid(), Linear(50, 10))
    assert net.summary(1, 784).splitlines() == [
        "name   layer            output shape  multiply-adds  parameters",
        "0      Linear(784, 50)  (1, 50)              39,200      39,250",
        "1      Sigmoid()        (1, 50)                   0           0",
        "2      Linear(50, 10)   (1, 10)                 500         510",
        "total                                        39,700      39,760",
    ]


def test_the_summary_without_an_example_has_no_shapes_and_counts_tied_ones_once():
    net = Branches()
    lines = net.summary().splitlines()
    assert "output shape" not in lines[0]
    assert lines[-1].split() == ["total", str(1 + 9 + 9 + 4 + 2)]
    assert sum(int(line.split()[-1]) for line in lines[1:-1]) == 25
    net.heads["left"].requires_grad_(False)
    assert net.summary().splitlines()[-1].split() == ["frozen", "4"]


def test_the_summary_takes_an_input_and_leaves_no_trace():
    net = Sequential(BatchNorm1d(3), Dropout(0.5, rng=0), Linear(3, 2))
    net[1].eval()
    before = {**net.state_dict(), "rng": net[1].rng.bit_generator.state}
    text = net.summary(np.ones((5, 3), np.float32))
    assert text.count("(5, 3)") == 2
    assert text.count("(5, 2)") == 1
    assert [module.training for module in net.modules()] == [True, True, False, True]
    assert all("forward" not in vars(module) for module in net.modules())
    assert net[1].rng.bit_generator.state == before.pop("rng")
    for name, array in net.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_error_inside_the_summary_leaves_no_trace_either():
    net = Sequential(Linear(3, 2))
    with pytest.raises(LayerError):
        net.summary(1, 5)
    assert "forward" not in vars(net[0])
    assert net[0].training


def test_a_module_list_numbers_its_modules():
    net = Module()
    net.blocks = ModuleList([Linear(1, 1), Linear(1, 2)])
    assert [name for name, _ in net.named_parameters()][::2] == [
        "blocks.0.weight",
        "blocks.1.weight",
    ]
    assert len(net.blocks[1:]) == 1
    assert "blocks" in repr(net)


def test_a_tensor_that_would_never_be_trained_is_refused():
    class Net(Module):
        def __init__(self):
            self.w = Tensor(np.ones(2), requires_grad=True)

    with pytest.raises(LayerError, match=r"self\.w = Parameter"):
        Net().parameters()
