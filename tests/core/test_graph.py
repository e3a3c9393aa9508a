"""The graph: who keeps whom alive, how deep it may be, how it is swept; and the switch."""

import functools
import gc
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu.ops as ops
from tinygrad_edu.core.graph import Leaf, Node, ancestors
from tinygrad_edu.core.op import OPS, elementwise
from tinygrad_edu.core.switch import enable_grad, is_recording, no_grad, record_composites
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.core.transforms import grad, gradients, hessian, hvp, jvp
from tinygrad_edu.errors import GradientError, OpError, OpTypeError


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


@pytest.fixture
def no_collector():
    """Whatever is freed in the test is freed by reference count alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def counting(table):  # noqa: ARG001 - for what it puts back
    """A row whose rule counts its calls, and a row whose rule fails as long as it is told to."""
    calls, broken = [], [True]

    def slope(_y, x):
        calls.append(1)
        return 2 * x

    def fragile(_y, x):
        if broken[0]:
            raise ArithmeticError("the rule failed")
        return 2 * x

    facts = {"formula": "x²", "latex": "x^2", "pattern": "scale"}
    rows = [
        elementwise(lambda x: x * x, slope, name="counted", **facts),
        elementwise(lambda x: x * x, fragile, name="fragile", **facts),
    ]
    return *rows, calls, broken


def run(program):
    """What a program prints in a fresh interpreter, whose recursion limit nobody has raised."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# ------------------------------------------------------------------------------ lifetime


@pytest.mark.hazard(27)
@pytest.mark.usefixtures("no_collector")
def test_a_result_dies_with_its_last_name():
    w = leaf(np.ones(100))
    y = np.tanh(w * w)
    z = y.sum()
    tensors = [weakref.ref(y), weakref.ref(z)]
    arrays = [weakref.ref(y.node.result), weakref.ref(y.node.upstream[0].upstream[0].result)]
    del y
    assert tensors[0]() is None  # a handle: the graph does not need it
    assert arrays[0]() is not None  # the value: the graph does
    del z
    assert tensors[1]() is None
    assert arrays[0]() is None
    assert arrays[1]() is not None  # w still has a name
    del w
    assert arrays[1]() is None


@pytest.mark.usefixtures("no_collector")
def test_backward_frees_what_the_nodes_kept():
    w = leaf(np.ones(100))
    y = np.exp(w * w)
    loss = (y * y).sum()
    kept = weakref.ref(loss.node.upstream[0].primals[0])
    del y
    assert kept() is not None
    loss.backward()
    assert kept() is None


@pytest.mark.usefixtures("no_collector")
def test_a_graph_keeps_no_array_that_no_rule_reads():
    w = leaf(np.ones(100))
    y = w + 1.0
    total = y.sum()
    array = weakref.ref(y.numpy().base)
    del y
    assert array() is None
    total.backward()
    np.testing.assert_array_equal(w.grad, np.ones(100))
    operand = np.ones(100)
    array = weakref.ref(operand)
    y = w + operand
    del operand
    assert array() is None
    assert repr(y.node.primals[1]) == "Like(shape=(100,), dtype=float64)"


@pytest.mark.hazard(27)
@pytest.mark.acceptance("F9")
@pytest.mark.usefixtures("no_collector")
def test_a_finished_expression_leaves_no_garbage():
    def work():
        a, b = leaf(-4.0), leaf(2.0)
        c = a * b + b**3
        d = np.tanh(c) + ops.relu(a * c)
        d.backward()
        x = leaf(np.ones((3, 2)))
        loss = ops.softmax_cross_entropy(ops.linear(np.ones((4, 3)), x), [0, 1, 0, 1])
        loss.backward(retain_graph=True)
        (g,) = gradients(loss, [x], create_graph=True)
        (g * g).sum().backward()
        grad(lambda y: (y * y).sum())(np.ones(2))
        hessian(lambda y: (y**3).sum())(np.ones(2))
        jvp(np.tanh, (np.ones(2),), (np.ones(2),))
        hvp(lambda y: (y**3).sum(), np.ones(2), np.ones(2))
        with pytest.raises(OpError):
            _ = x + np.ones(7)

    work()
    gc.collect()
    nodes = sum(isinstance(thing, Node) for thing in gc.get_objects())
    work()
    assert sum(isinstance(thing, Node) for thing in gc.get_objects()) == nodes


@pytest.mark.acceptance("F9")
@pytest.mark.usefixtures("no_collector")
def test_the_collector_finds_nothing_after_an_expression():
    a, b = leaf(-4.0), leaf(2.0)
    d = np.tanh(a * b + b**3) * a
    d.backward()
    del a, b, d
    assert gc.collect() == 0


@pytest.mark.hazard(27)
@pytest.mark.usefixtures("no_collector")
def test_ten_thousand_steps_keep_memory_flat():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 4))
    w = Parameter(rng.normal(size=(4, 3)))

    def steps(count):
        for _ in range(count):
            w.grad = None
            y = ops.linear(x, w)
            (y * y).sum().backward()
            w.data -= 0.01 * w.grad

    steps(100)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        steps(10_000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 256 * 1024


# ------------------------------------------------------------------------------ depth


DEEP = """
    import gc, sys
    import numpy as np
    import tinygrad_edu.ops
    from tinygrad_edu.core.tensor import Tensor
    gc.disable()
    limit = sys.getrecursionlimit()

    def chain():
        w = Tensor(0.0, requires_grad=True)
        y = w
        for _ in range(1_000_000):
            y = y + 1.0
        return w, y

    w, y = chain()
    print(y.item())
    {then}
    print(sys.getrecursionlimit() == limit)
"""


@pytest.mark.hazard(3)
def test_a_chain_of_a_million_additions_goes_forward_and_backward_and_is_freed():
    program = DEEP.format(then="y.backward(); print(float(w.grad)); del y; print(repr(w))")
    assert run(program) == ["1000000.0", "1.0", "Tensor(0.,", "requires_grad=True)", "True"]


@pytest.mark.hazard(3)
def test_a_chain_of_a_million_additions_is_freed_without_backward():
    assert run(DEEP.format(then="del y, w; print('freed')")) == ["1000000.0", "freed", "True"]


@pytest.mark.hazard(3)
@pytest.mark.acceptance("F7")
def test_a_chain_of_twenty_thousand_nodes_needs_no_recursion_in_any_mode():
    def f(x):
        for _ in range(20_000):
            x = x + 0.5
        return x

    w = leaf(1.0)
    y = f(w)
    assert len(ancestors(y.node)) == 20_001
    y.backward()
    assert w.grad == 1.0
    assert jvp(f, (1.0,), (3.0,))[1].item() == 3.0
    assert grad(grad(lambda x: x * x + f(x)))(1.0).item() == 2.0


@pytest.mark.hazard(2)
def test_a_diamond_of_depth_500_is_linear(counting):
    counted, _, calls, _ = counting
    w = leaf(1.0)
    y = counted(w)
    for _ in range(500):
        y = y + y
    assert len(ancestors(y.node)) == 502
    y.backward()
    assert len(calls) == 1
    assert w.grad == 2 * 2.0**500


@pytest.mark.hazard(2)
@pytest.mark.acceptance("F8")
def test_eighteen_repeated_squarings_make_nineteen_nodes():
    w = leaf(1.0 + 2.0**-20)
    y = w
    for _ in range(18):
        y = y * y
    assert len(ancestors(y.node)) == 19
    y.backward()
    np.testing.assert_allclose(w.grad, 2.0**18 * w.item() ** (2**18 - 1), rtol=1e-9)


def test_a_wide_graph_has_one_node_per_branch():
    w = leaf(np.float64(2.0))
    y = np.sum(np.stack([w * float(i) for i in range(1000)]))
    y.backward()
    assert w.grad == sum(range(1000))


# ------------------------------------------------------------------------------ order


@pytest.mark.hazard(1)
@given(
    st.lists(st.tuples(st.sampled_from("+*-"), st.integers(0, 50), st.integers(0, 50)), max_size=12)
)
def test_ancestors_come_in_order_of_creation_and_once(steps):
    made = [leaf(2.0), leaf(3.0)]
    for sign, i, j in steps:
        a, b = made[i % len(made)], made[j % len(made)]
        made.append(a + b if sign == "+" else a * b if sign == "*" else a - b)
    nodes = ancestors(made[-1].node)
    orders = [node.order for node in nodes]
    assert orders == sorted(set(orders))
    assert nodes[-1] is made[-1].node
    position = {node: i for i, node in enumerate(nodes)}
    for node in nodes:
        assert all(position[up] < position[node] for up in node.upstream if up is not None)


@pytest.mark.hazard(1)
def test_each_rule_runs_once_per_node_in_any_graph(counting):
    counted, _, calls, _ = counting

    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12))
    def holds(pairs):
        made = [leaf(0.5)]
        for i, j in pairs:
            made.append(counted(made[i % len(made)] + made[j % len(made)]) * 0.25)
        reached = sum(node.op is counted for node in ancestors(made[-1].node))
        calls.clear()
        made[-1].backward()
        assert len(calls) == reached

    holds()


def test_the_sum_of_many_paths_is_the_same_bit_for_bit_each_time():
    factors = np.random.default_rng(3).normal(size=200)

    def once():
        w = leaf(0.1)
        branches = [np.sin(w * float(factor)) for factor in factors]
        functools.reduce(lambda a, b: a + b, branches).backward()
        return w.grad.tobytes()

    assert len({once() for _ in range(5)}) == 1


def test_order_does_not_depend_on_the_hash_seed():
    program = """
        import numpy as np
        import tinygrad_edu.ops
        from tinygrad_edu.core.tensor import Tensor
        w = Tensor(np.linspace(0.1, 1, 7), requires_grad=True)
        y = sum(np.sin(w * float(i)) * np.exp(w / (i + 1.0)) for i in range(50))
        y.sum().backward()
        print(w.grad.tobytes().hex())
    """
    assert run(program) == run(program)


# ------------------------------------------------------------------------------ nodes


def test_a_node_tells_what_made_it_and_where():
    w = leaf([1.0, 2.0], name="w")
    y = w * 3.0  # here
    node = y.node
    assert node.op is OPS["multiply"]
    assert node.upstream == (w.node, None)
    assert node.line.startswith("test_graph.py:")
    assert node.line.endswith("y = w * 3.0  # here")
    assert repr(node) == f"<node {node.order}: multiply (2,) float64>"
    assert repr(w.node) == f"<node {w.node.order}: leaf (2,) float64>"
    assert "return Tensor(value, requires_grad=True" in w.node.line
    assert isinstance(w.node, Leaf)
    assert w.is_leaf
    assert not y.is_leaf


def test_what_the_graph_did_not_keep_still_has_shape_and_dtype():
    w = leaf(np.ones((5, 8), np.float32))
    node = (w + 1.0).node
    assert repr(node.result) == "Like(shape=(5, 8), dtype=float32)"
    assert (node.result.ndim, node.result.size) == (2, 40)


def test_small_values_are_kept_for_diagrams():
    w = leaf([1.0, 2.0])
    np.testing.assert_array_equal((w + 1.0).node.result, [2.0, 3.0])


# ------------------------------------------------------------------------------ exceptions


@pytest.mark.hazard(30)
def test_after_an_exception_in_forward_the_next_backward_is_right():
    w = leaf([1.0, 2.0])
    y = w * w
    with pytest.raises(OpError):
        _ = y + np.ones(3)
    assert is_recording()
    y.sum().backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0])


@pytest.mark.hazard(30)
def test_after_an_exception_in_backward_nothing_is_half_written(counting):
    _, fragile, _, broken = counting
    a, b = leaf(2.0), leaf(3.0)
    loss = a * b + fragile(a)
    with pytest.raises(ArithmeticError, match="the rule failed"):
        loss.backward()
    assert a.grad is None
    assert b.grad is None
    broken[0] = False
    (a * b + fragile(a)).backward()
    assert (a.grad, b.grad) == (7.0, 2.0)


@pytest.mark.hazard(30)
def test_after_an_exception_in_a_transform_recording_is_as_before(counting):
    _, fragile, _, _ = counting
    for transform in (grad(fragile), lambda x: jvp(fragile, (x,), (1.0,)), hessian(fragile)):
        with pytest.raises(ArithmeticError):
            transform(2.0)
        assert is_recording()
        with no_grad():
            with pytest.raises(ArithmeticError):
                transform(2.0)
            assert not is_recording()
    # A fused row is recorded as itself again, not as its composite.
    y = ops.linear(leaf(np.ones((1, 2))), np.ones((2, 2)))
    assert y.node.op is OPS["linear"]


# ------------------------------------------------------------------------------ the switch


def test_nothing_is_recorded_under_no_grad():
    w = leaf([1.0, 2.0])
    with no_grad():
        results = [w * 2.0, np.tanh(w), w @ w, w[0], np.concatenate([w, w]), w.sum(), 1.0 - w]
        assert not is_recording()
    assert is_recording()
    for y in results:
        assert not y.requires_grad
        assert y.node is None
    with pytest.raises(GradientError, match="outside no_grad"):
        results[5].backward()


def test_leaves_made_under_no_grad_are_leaves():
    with no_grad():
        w = leaf(3.0)
    (w * w).backward()
    assert w.grad == 6.0


def test_a_computed_tensor_used_under_no_grad_is_not_recorded():
    y = leaf(3.0) * 2.0
    with no_grad():
        assert not (y * y).requires_grad
        assert not np.exp(y).requires_grad
        assert not (y + 1.0).requires_grad


def test_backward_works_under_no_grad():
    w = leaf(3.0)
    y = w * w
    with no_grad():
        y.backward()
    assert w.grad == 6.0


@pytest.mark.hazard(28)
def test_no_grad_nests_and_is_restored_in_order():
    with no_grad():
        with no_grad():
            assert not is_recording()
        assert not is_recording()
        with enable_grad():
            assert is_recording()
            with no_grad():
                assert not is_recording()
            assert is_recording()
        assert not is_recording()
    assert is_recording()


@pytest.mark.hazard(28)
def test_one_object_may_be_entered_twice():
    off = no_grad()
    with off, off:
        assert not is_recording()
        with enable_grad(), off:
            assert not is_recording()
        assert not is_recording()
    assert is_recording()


@pytest.mark.hazard(28)
@pytest.mark.parametrize("switch", [no_grad, enable_grad, record_composites])
def test_the_state_is_restored_after_an_exception(switch):
    for before in (no_grad, enable_grad):
        with before():
            state = is_recording()
            with pytest.raises(KeyError), switch():
                raise KeyError
            assert is_recording() is state
    assert is_recording()


@pytest.mark.hazard(28)
def test_the_switch_works_as_a_decorator_and_keeps_what_the_function_says_of_itself():
    @no_grad()
    def evaluate(w: Tensor, *, times: int = 2) -> Tensor:
        """Return w, times over."""
        return w * float(times)

    assert evaluate.__name__ == "evaluate"
    assert evaluate.__doc__ == "Return w, times over."
    assert evaluate.__wrapped__ is not None
    assert evaluate.__annotations__["times"] is int
    y = evaluate(leaf(3.0), times=3)
    assert y.item() == 9.0
    assert not y.requires_grad
    assert is_recording()


@pytest.mark.hazard(28)
def test_a_decorated_function_may_call_itself_and_raise():
    @no_grad()
    def descend(n):
        assert not is_recording()
        if n == 0:
            raise KeyError
        return descend(n - 1)

    with pytest.raises(KeyError):
        descend(3)
    assert is_recording()


@pytest.mark.hazard(28)
@pytest.mark.parametrize("switch", [no_grad, enable_grad])
def test_a_generator_cannot_be_decorated(switch):
    with pytest.raises(OpTypeError, match=r"generator batches(.|\n)*fix: open the context inside"):

        @switch()
        def batches():
            yield 1


@pytest.mark.hazard(28)
def test_inside_a_generator_the_context_may_be_opened():
    def batches():
        for i in range(2):
            with no_grad():
                assert not is_recording()
            yield i

    for _ in batches():
        assert is_recording()


def test_enable_grad_inside_no_grad_records():
    w = leaf(3.0)
    with no_grad(), enable_grad():
        y = w * w
    y.backward()
    assert w.grad == 6.0


def test_composites_stay_recorded_inside_enable_grad():
    w = leaf(np.ones((2, 2)))
    with record_composites(), enable_grad():
        y = ops.linear(np.ones((1, 2)), w)
    assert y.node.op is OPS["matmul"]


@pytest.mark.hazard(29)
def test_no_grad_in_one_thread_does_not_reach_another():
    inside, leave, seen = threading.Event(), threading.Event(), []

    def quiet():
        with no_grad():
            inside.set()
            leave.wait(30)
            seen.append(is_recording())
        seen.append(is_recording())

    thread = threading.Thread(target=quiet)
    thread.start()
    assert inside.wait(30)
    assert is_recording()
    w = leaf(3.0)
    (w * w).backward()
    assert w.grad == 6.0
    with no_grad():  # entered here first, left there first: a shared stack would be mixed up
        leave.set()
        thread.join(30)
        assert not is_recording()
    assert seen == [False, True]
    assert is_recording()


@pytest.mark.hazard(29)
def test_one_switch_object_serves_many_threads():
    off, gate, wrong = no_grad(), threading.Barrier(4), []

    def work():
        for _ in range(50):
            gate.wait(30)
            with off:
                if is_recording():
                    wrong.append("inside")
            if not is_recording():
                wrong.append("outside")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


@pytest.mark.hazard(29)
def test_threads_may_differentiate_at_the_same_time():
    found = {}

    def work(number):
        w = leaf(float(number))
        for _ in range(100):
            w.grad = None
            y = w
            for _ in range(5):
                y = y * w
            y.backward()
        found[number] = w.grad.item()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {n: 6.0 * n**5 for n in range(1, 5)}
