"""What is read off a graph: names, users, modules, gradients, and the user's own text."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Parameter
from tinygrad_edu.draw import draw
from tinygrad_edu.draw.formula import formula
from tinygrad_edu.draw.reading import read
from tinygrad_edu.errors import NO_LINE, DiagramError, FreedGraphError
from tinygrad_edu.nn import CrossEntropyLoss, LayerNorm, Linear, Module, Sequential


def names_of(*outputs):
    return list(read("test", list(outputs)).names.values())


# ---- names


def test_leaves_and_results_are_called_as_their_variables():
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    first, second = tg.Tensor(1.0, requires_grad=True), tg.Tensor(2.0, requires_grad=True)
    scaled: tg.Tensor = w * first
    if (moved := scaled + second) is not None:
        loss = (np.tanh(moved) * 2.0).sum()
    names = names_of(loss)
    assert names == ["w", "first", "second", "scaled", "moved", "tanh1", "multiply1", "loss"]


def test_a_result_that_is_unpacked_has_its_variable():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    (slope,) = tg.gradients((x * x).sum(), [x], create_graph=True)
    left, right = x * 2.0, x * 3.0
    assert names_of(slope)[-1] == "slope"
    assert {"left", "right"} <= set(names_of(left + right))


def test_names_that_were_given_come_first():
    x = tg.Tensor(1.0, requires_grad=True, name="slope")
    assert names_of(x * 2.0) == ["slope", "multiply1"]


def test_a_variable_that_is_assigned_again_is_numbered():
    h = tg.Tensor([1.0], requires_grad=True)
    h2 = h * 1.0
    for _ in range(3):
        h = h + h2
        h += 1.0
    names = names_of(h)
    assert names == ["h", "h2", "h3", "h4", "h5", "h6", "h7", "h8"]
    assert len(set(names)) == len(names)


def test_the_last_of_what_a_call_makes_has_the_variable():
    net = Sequential(Linear(2, 2, rng=0), Linear(2, 2, rng=0))
    x = np.ones((1, 2), np.float32)
    y = net(x)
    spread = np.std(y)
    reading = read("test", spread)
    ops = [reading.names[node] for node in reading.nodes if node.op is not None]
    assert ops[:2] == ["linear1", "y"]
    assert ops[-1] == "spread"
    assert "spread2" not in ops


def test_each_call_in_a_loop_has_its_own():
    net = Linear(2, 2, rng=0)
    x = np.ones((1, 2), np.float32)
    for _ in range(3):
        x = net(x)
    ops = [name for name in names_of(x) if not name.endswith(("weight", "bias"))]
    assert ops == ["x", "x2", "x3"]


def test_a_leaf_of_a_function_is_called_as_the_line_that_takes_it_does():
    def make(shape):
        return tg.Tensor(np.ones(shape), requires_grad=True)

    class Net:
        def __init__(self):
            self.w = make((2, 2))
            self.table = {"b 1": make(2), "list": [make(2)]}

        def __call__(self, x):
            return x @ self.w + self.table["b 1"]

    reading = read("test", Net()(np.ones((1, 2))))
    assert list(reading.names.values())[:2] == ["w", "b 1"]


def test_no_two_names_are_alike():
    a = tg.Tensor(1.0, requires_grad=True, name="add1")
    b = tg.Tensor(1.0, requires_grad=True, name="add1")
    c = a + b
    names = names_of((c + 1.0) + (c + 2.0))
    assert len(set(names)) == len(names) == 6


def test_without_a_text_nodes_go_by_their_rows():
    found = {"tg": tg}
    exec("x = tg.Tensor([2.0], requires_grad=True)\ny = x * x + 1.0", found)
    assert names_of(found["y"]) == ["leaf1", "multiply1", "add1"]


def test_a_text_that_is_no_python_names_nothing(tmp_path):
    path = tmp_path / "template.txt"
    code = compile("x = tg.Tensor([2.0], requires_grad=True)\ny = x * 2.0", path, "exec")
    path.write_text("Dear {{ name }},\n  no Python\n")
    found = {"tg": tg}
    exec(code, found)
    assert names_of(found["y"]) == ["leaf1", "multiply1"]


def test_which_names_are_the_users():
    x = tg.Tensor([1.0], requires_grad=True)
    reading = read("test", (x * 2.0) + 1.0)
    assert [reading.names[node] for node in reading.nodes if node in reading.variables] == ["x"]


# ---- arguments


def test_constants_are_called_as_in_the_users_text():
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True)
    data, factor = np.ones((4, 3)), 2.5
    table = {"shift": np.ones(2)}
    offset = np.array(0.5)
    y = np.maximum(data @ w * factor - table["shift"], offset)
    reading = read("test", y)
    said = [reading.arguments(node) for node in reading.nodes if node.op is not None]
    assert said == [
        ("data", "w"),
        ("matmul1", "2.5"),
        ("multiply1", "shift"),
        ("subtract1", "offset"),
    ]


def test_a_method_names_its_object_and_keywords_count():
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True)
    x = np.ones((2, 3))
    reading = read("test", [w.dot(np.ones((2, 1))), tg.Tensor(x).dot(w), np.where(x.T > 0, w, x.T)])
    calls = [node for node in reading.nodes if node.op is not None]
    assert [reading.arguments(node)[0] for node in calls[:1]] == ["w"]
    assert "x" not in reading.arguments(calls[1])  # tg.Tensor(x) is no name
    assert reading.arguments(calls[2])[1] == "w"


def test_what_a_module_was_given_is_known_if_it_was_one_thing():
    net, loss_of = Linear(3, 2, rng=0), CrossEntropyLoss()
    pixels, digits = np.ones((4, 3), np.float32), np.zeros(4, int)
    reading = read("test", loss_of(net(pixels), digits))
    first, last = (node for node in reading.nodes if node.op is not None)
    assert reading.arguments(first)[0] == "pixels"
    assert reading.arguments(last) == ("linear1", "digits")


def test_what_comes_out_of_frozen_layers_is_not_called_the_input():
    net = Sequential(Linear(3, 3, rng=0), Linear(3, 2, rng=0))
    net[0].requires_grad_(False)
    pixels = np.ones((4, 3), np.float32)
    reading = read("test", net(pixels))
    (node,) = (node for node in reading.nodes if node.op is not None)
    assert reading.arguments(node)[0] == "x"  # the row's own word


def test_frozen_parameters_go_by_their_paths():
    net = Linear(3, 2, rng=0)
    net.weight.requires_grad_(False)
    reading = read("test", net(np.ones((4, 3), np.float32)))
    (node,) = (node for node in reading.nodes if node.op is not None)
    assert reading.frozen(node, 1) == "weight"
    assert [reading.frozen(node, i) for i in (0, 2)] == [None, None]
    assert reading.arguments(node) == ("x", "weight", reading.names[net.bias.node])


def test_formulas_replace_whole_words_only():
    x = tg.Tensor([1.0], requires_grad=True, name="exp")
    for result, said in [
        (np.exp(x), "exp(exp)"),
        (x * -2.0, "exp · (−2)"),
        (x[:, None], "exp[:, None]"),
        (np.concatenate([x, x * 1.0]), "exp, multiply1 joined along 0"),
        (np.round(x, 2), "round(exp, 2)"),
    ]:
        reading = read("test", result)
        if result.node.op.name != "round":  # no gradient flows through it, but it has a formula
            assert formula(result.node, reading.arguments(result.node)) == said


# ---- users, modules, values


def test_consumers_are_told_with_the_argument():
    x = tg.Tensor([1.0], requires_grad=True)
    y = x * x
    z = y + x
    reading = read("test", z)
    found = {reading.names[n]: [(reading.names[c], i) for c, i in uses] for n, uses in
             reading.consumers.items()}  # fmt: skip
    assert found == {"x": [("y", 0), ("y", 1), ("z", 1)], "y": [("z", 0)], "z": []}


class Block(Module):
    def __init__(self):
        self.norm = LayerNorm(3)
        self.up = Linear(3, 3, rng=0)
        self.scale = Parameter(np.ones(3, np.float32))

    def forward(self, x):
        return self.up(self.norm(x)) * self.scale


def test_places_are_the_calls_around_a_node():
    net = Sequential(Block(), Block())
    y = net(np.ones((2, 3), np.float32)).sum()
    reading = read("test", y)
    told = {
        reading.names[node]: [(place.path, place.kind, place.number) for place in path]
        for node, path in reading.places.items()
    }
    outer = ("", "Sequential", 1)
    assert told["linear1"] == [outer, ("0", "Block", 1), ("0.up", "Linear", 1)]
    assert told["multiply1"] == [outer, ("0", "Block", 1)]
    assert told["1.norm.weight" if "1.norm.weight" in told else "1.norm.scale"][-1][0] == "1.norm"
    assert told["y"] == []
    assert [place.title for place in reading.places[y.node.upstream[0]]] == ["Sequential", "1"]


def test_a_module_that_is_gone_goes_by_the_names_of_its_parameters():
    def loss_of(x):
        return Sequential(Block(), Block())(x).sum()

    reading = read("test", loss_of(np.ones((2, 3), np.float32)))
    told = {node.op.name: [place.path for place in path] for node, path in reading.places.items() if
            node.op is not None}  # fmt: skip
    assert told["linear"] == ["", "1", "1.up"]
    assert told["sum"] == []


def test_without_calls_the_names_of_parameters_tell_the_module():
    w = tg.Tensor([1.0], requires_grad=True, name="layers.3.weight")
    reading = read("test", w * 2.0)
    assert [place.path for place in reading.places[reading.roots[0]]] == ["layers.3"]


def test_values_are_those_that_the_graph_kept():
    x = tg.Tensor(np.ones(100), requires_grad=True)
    lost = x + 1.0
    kept = np.tanh(lost)
    y = kept.sum()
    reading = read("test", y)
    known = {reading.names[node] for node in reading.values}
    assert known == {"x", "kept", "y"}


def test_lines_are_the_users():
    x = tg.Tensor([1.0], requires_grad=True)
    y = x * 2.0
    line = read("test", y).line(y.node)
    assert line.startswith("test_reading.py:")
    assert line.endswith("y = x * 2.0")


# ---- sweeps


def test_a_sweep_tells_the_whole_and_its_parts():
    x = tg.Tensor([3.0], requires_grad=True)
    y = x * x
    reading = read("test", y + x)
    sweep = reading.sweep()
    assert sweep.cotangents[x.node] == 7.0
    parts = {i: part for (node, i), part in sweep.parts.items() if node is y.node}
    assert parts == {0: 3.0, 1: 3.0}
    assert x.grad is None
    assert reading.sweep({y.node: np.array([2.0])}).cotangents[x.node] == 12.0


def test_a_sweep_over_broken_numbers_does_not_warn():
    x = tg.Tensor([0.0, 1e300], requires_grad=True)
    with np.errstate(all="ignore"):
        y = (x / x) * 1e300
    assert np.isnan(read("test", y).sweep().cotangents[x.node]).any()


def test_the_pass_before_a_recorded_sweep_is_told_apart():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = np.tanh(x).sum()
    assert not read("test", y).forward
    (slope,) = tg.gradients(y, [x], create_graph=True)
    reading = read("test", slope * slope)
    assert {node.op.name for node in reading.forward} == {"tanh"}
    (second,) = tg.gradients(slope.sum(), [x], create_graph=True)
    assert {node.op.name for node in read("test", second).forward} <= {"tanh", "sum"}


# ---- what can be read


def test_what_is_no_tensor_is_refused_in_the_name_of_who_asks():
    with pytest.raises(DiagramError, match="explain: expected a Tensor or a list of them, got a"):
        read("explain", 1.0)
    with pytest.raises(DiagramError, match="an empty list"):
        read("explain", [])


def test_a_constant_has_no_nodes():
    reading = read("test", tg.Tensor(1.0))
    assert (reading.nodes, reading.roots) == ((), ())
    assert reading.sweep().cotangents == {}
    assert not reading.forward
    assert dict(reading.names) == {}


def test_a_freed_graph_is_refused():
    x = tg.Tensor(1.0, requires_grad=True)
    y = x * x
    y.backward()
    with pytest.raises(FreedGraphError, match="retain_graph"):
        read("test", y)


def test_where_no_line_is_known_nothing_is_said_of_it(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.draw.reading.describe_line", lambda *_: NO_LINE)
    net = Linear(3, 2, rng=0)
    for level in ("op", "module"):
        y = net(np.ones((4, 3), np.float32))
        picture = draw(y, level=level, show=("shape", "line")).picture
        told = "\n".join(card.tooltip + str(card.texts) for card in picture.cards)
        assert "linear" in told
        assert NO_LINE not in told


def test_what_is_written_into_an_element_is_not_called_as_the_element():
    a = tg.Tensor([2.0, 3.0], requires_grad=True, name="a")
    b = a * 2.0
    b[1] = a[0] * 5.0
    reading = read("test", b.sum())
    (node,) = (node for node in reading.nodes if node.op is not None and node.op.name == "setitem")
    assert reading.arguments(node) == ("b", "multiply1")
