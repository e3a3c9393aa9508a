"""What engines of this kind get wrong, and what this one promises; each by its number.

The numbers are those of the markers: ``pytest -m hazard`` runs every promise, those proven in other
files too. The last test says what each number is about, and that none is missing.
"""

import array
import ast
import asyncio
import contextlib
import io
import itertools
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Function, Parameter, Tensor, gradients, no_grad, ops
from tinygrad_edu.core.op import BY_FUNCTION, OPS, elementwise, fused, op
from tinygrad_edu.errors import GradientError, MutationError, OpError, OpTypeError
from tinygrad_edu.nn import Linear
from tinygrad_edu.optim import SGD

HERE = Path(__file__).parent
W = np.array([3.0, 4.0])


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


@pytest.fixture
def table():
    """The table of ops, in which a test may declare rows; they are gone afterwards."""
    rows, functions = dict(OPS), dict(BY_FUNCTION)
    yield OPS
    for kept, before in ((OPS, rows), (BY_FUNCTION, functions)):
        kept.clear()
        kept.update(before)


def run(program, *arguments):
    """What a program prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# ------------------------------------------------------------------------------ depth (3)

LONG = """
    import gc, sys
    import numpy as np
    from tinygrad_edu import Tensor
    gc.disable()
    limit = sys.getrecursionlimit()
    w = Tensor(np.full((2, 1), 0.5), requires_grad=True)
    y = w
    for _ in range(200_000):
        y = np.sin(y) * 0.5 + 1.0
        y = y.reshape(1, 2).T  # a view of a view of a view ...
    assert y.shape == (2, 1)
    total = y.sum()
    if sys.argv[1] == "backward":
        total.backward()
        assert w.grad.shape == (2, 1)
    del y, total
    print(sys.getrecursionlimit() == limit)
"""


@pytest.mark.slow
@pytest.mark.hazard(3)
@pytest.mark.parametrize("how", ["backward", "dropped"])
def test_a_million_ops_of_several_kinds_are_swept_or_dropped_without_recursion(how):
    assert run(LONG, how) == ["True"]


# ------------------------------------------------------------------------------ shared memory (6)


@pytest.mark.hazard(6)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)), max_size=8))
def test_no_two_gradients_share_memory_nor_with_data_output_or_seed(steps):
    leaves = [leaf(np.ones((2, 2))) for _ in range(3)]
    made = list(leaves)
    unary = [ops.identity, lambda t: t.T, lambda t: t.reshape(2, 2), lambda t: t * 1.0]
    for kind, i, j in steps:
        a, b = made[i % len(made)], made[j % len(made)]
        made.append(unary[kind](a) if kind < len(unary) else a + b)
    output, seed = made[-1] + leaves[0], np.ones((2, 2))
    for tensor in made:
        tensor.retain_grad()
    output.backward(seed, retain_graph=True)
    found = gradients(output, leaves, seed)
    arrays = [seed, *(t.grad for t in {id(t): t for t in made}.values() if t.grad is not None)]
    arrays += [t.numpy() for t in found]
    for first, second in itertools.combinations(arrays, 2):
        assert not np.shares_memory(first, second)
    for gradient in arrays:
        assert not any(np.shares_memory(gradient, t.numpy()) for t in (*made, output))


@pytest.mark.hazard(6)
def test_recorded_gradients_are_tensors_of_their_own():
    a, b, seed = leaf(W), leaf(W), Tensor([1.0, 1.0])
    first, second = gradients(a + b, [a, b], seed, create_graph=True)
    first *= 10.0
    np.testing.assert_array_equal([first, second, seed], [[10, 10], [1, 1], [1, 1]])


@pytest.mark.hazard(6)
def test_a_seed_that_is_a_leaf_keeps_its_gradient_and_its_memory():
    a, seed = leaf(W), leaf([1.0, 2.0])
    y = a + 0.0
    with no_grad():
        (found,) = gradients(y, [a], seed, create_graph=True)
    assert not np.shares_memory(found.numpy(), seed.numpy())
    (found * [1.0, 10.0]).sum().backward()
    np.testing.assert_array_equal(seed.grad, [1.0, 10.0])


@pytest.mark.hazard(6)
@pytest.mark.hazard(30)
def test_a_backward_inside_a_backward_does_not_take_the_buffer_that_is_being_filled():
    w, home, buffer = Parameter(np.eye(2)), np.zeros((2, 2)), np.zeros((2, 2))
    w.rebase(home, buffer)
    h = leaf(np.eye(2)) * 1.0
    h.register_hook(lambda _g: (w * w).sum().backward())
    ops.linear(h, w).sum().backward()
    np.testing.assert_array_equal(w.grad, np.ones((2, 2)) + 2 * np.eye(2))
    w.grad = None
    ops.linear(w, w).sum().backward()  # and one leaf in two places of one row has one buffer
    assert w.grad is buffer
    np.testing.assert_array_equal(buffer, np.full((2, 2), 2.0))


# ------------------------------------------------------------------------------ sources (7)


class Lender:
    """An object that gives its own memory away when it is asked for an array."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values


SOURCES = {
    "ndarray": np.array,
    "view": lambda v: np.array([*v, *v])[:2],
    "array.array": lambda v: array.array("d", v),
    "memoryview": lambda v: memoryview(np.array(v)),
    "deque": deque,
    "list": list,
    "__array__": lambda v: Lender(np.array(v)),
    "matrix": lambda v: np.asmatrix(v)[0],
    "memmap": lambda v: np.array(v).view(np.memmap),
}


def overwrite(source):
    target = source.values if isinstance(source, Lender) else source
    for i in range(2):
        if isinstance(target, np.matrix):
            target[0, i] = 50.0
        else:
            target[i] = 50.0


USES = {
    "tensor": lambda s, w: (Tensor(np.ravel(s) if isinstance(s, np.matrix) else s) * w).sum(),
    "leaf": lambda s, w: (Tensor(s, requires_grad=True) * w).sum(),
    "operand": lambda s, w: (w * s).sum(),
    "ufunc": lambda s, w: np.multiply(s, w).sum(),
    "fused": lambda s, w: (
        ops.linear(np.reshape(w, (1, 2)), np.reshape(w, (2, 1)) * 0 + 1).sum() * 0 + (w * s).sum()
    ),
}


@pytest.mark.hazard(7)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", SOURCES)
def test_whatever_numpy_reads_as_an_array_may_be_changed_after_it_was_used(name, use):
    source, w = SOURCES[name]([1.0, 2.0]), leaf(W)
    loss = USES[use](source, w)
    overwrite(source)
    loss.backward()
    np.testing.assert_array_equal(w.grad, [1.0, 2.0])


INDICES = {
    "array.array": lambda: array.array("q", [0, 1]),
    "deque": lambda: deque([0, 1]),
    "memoryview": lambda: memoryview(np.array([0, 1])),
    "lists in a tuple": lambda: ([0, 1],),
    "__array__": lambda: Lender(np.array([0, 1])),
}


@pytest.mark.hazard(7)
@pytest.mark.parametrize("name", INDICES)
def test_an_index_of_any_kind_may_be_changed_after_it_was_used(name):
    w, index = leaf(np.arange(3.0)), INDICES[name]()
    y = w[index].sum()
    inner = index[0] if isinstance(index, tuple) else getattr(index, "values", index)
    inner[0] = 2
    y.backward()
    np.testing.assert_array_equal(w.grad, [1.0, 1.0, 0.0])


@pytest.mark.hazard(7)
def test_the_end_of_a_slice_may_be_counted_up_after_it_was_used():
    w, end = leaf(np.arange(3.0)), np.array(1)
    y = w[:end].sum() + w[0:2, None][:end].sum()
    end += 1
    y.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 0.0, 0.0])


@pytest.mark.hazard(7)
def test_arrays_inside_a_parameter_may_be_changed_after_the_call():
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    for axes in (
        [[0], np.array([1])],
        (np.array([0]), np.array([1])),
        [array.array("q", [0]), [1]],
        (deque([0]), np.array([1])),
    ):
        w = leaf(np.ones((2, 2)))
        y = np.tensordot(w, x, axes=axes)
        axes[0][0], axes[1][0] = 1, 0
        y.backward(np.array([[1.0, 0.0], [0.0, 0.0]]))
        np.testing.assert_array_equal(w.grad, [[1.0, 0.0], [2.0, 0.0]])


@pytest.mark.hazard(7)
def test_a_table_among_the_parameters_may_be_changed_after_the_call(table):
    row = elementwise(
        lambda x, *, by: x * by["of"][0], lambda _y, _x, *, by: by["of"][0],
        name="scaled", formula="f", latex="f", pattern="scale",
    )  # fmt: skip
    assert "scaled" in table
    w, by = leaf(W), {"of": [np.array([2.0, 3.0])], "name": "twice"}
    y = row(w, by=by)
    by["of"][0][:] = 50.0
    by["of"] = [1.0]
    y.sum().backward()
    np.testing.assert_array_equal(w.grad, [2.0, 3.0])


@pytest.mark.hazard(7)
def test_a_mask_of_a_masked_array_is_not_dropped_silently():
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    with pytest.raises(OpTypeError, match=r"masked array(.|\n)*filled\(0\)"):
        leaf(W) * masked
    with pytest.raises(OpTypeError, match=r"cannot hold a masked array(.|\n)*test_hazards.py"):
        Tensor(masked)


# ------------------------------------------------------------------------------ writes (8)


@pytest.mark.hazard(8)
def test_an_alias_of_a_leaf_that_was_frozen_cannot_spoil_a_gradient():
    w, v = Parameter(W), leaf([1.0, 1.0])
    alias = w.data
    w.requires_grad_(False)
    loss = (v * w).sum()
    alias[:] = 50.0
    loss.backward()
    np.testing.assert_array_equal(v.grad, W)


@pytest.mark.hazard(8)
def test_an_alias_is_still_known_after_a_recorded_sweep():
    w = Parameter(W)
    alias = w.data
    gradients((w**3).sum(), [w], create_graph=True)
    loss = (w * w).sum()
    alias[:] = 50.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * W)


@pytest.mark.hazard(8)
def test_a_write_is_caught_before_a_tangent_is_pushed():
    w = Parameter(W, name="w")
    _, push = tg.linearize(lambda x: x * w, np.ones(2))
    w.data = np.zeros(2)  # the write
    with pytest.raises(MutationError, match=r"'w' was changed(.|\n)*# the write"):
        push(np.ones(2))


@pytest.mark.hazard(8)
def test_a_view_beyond_which_the_graph_is_gone_is_refused_after_a_write():
    w = leaf(np.ones((2, 2)))
    seen = w.T
    x = leaf(np.ones((2, 2)))
    z = (x * seen).sum()  # keeps the view
    (found,) = gradients(z, [x], retain_graph=True)
    (seen * seen).sum().backward()  # frees what was before it
    np.testing.assert_array_equal(gradients(z, [x], retain_graph=True)[0], found)
    w.data = np.zeros((2, 2))
    with pytest.raises(MutationError) as caught:
        gradients(z, [x])
    assert "z = (x * seen).sum()  # keeps the view" in str(caught.value)
    assert "backward()  # frees what was before it" in str(caught.value)


@pytest.mark.hazard(8)
def test_a_leaf_frozen_and_thawed_between_forward_and_backward_gets_its_gradient():
    w = Parameter(W, name="w")
    loss, other = (w * w).sum(), (w * 3.0).sum()
    w.requires_grad_(False)
    other.backward()  # frozen: nobody wants it
    assert w.grad is None
    w.requires_grad_()
    assert w.name == "w"
    w.data = [9.0, 9.0]  # the older graph keeps the value that it was computed of
    loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * W)
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad, 2 * W + 18.0)


@pytest.mark.hazard(8)
def test_a_frozen_net_may_be_loaded_between_forward_and_backward():
    layer = Linear(2, 1, dtype=np.float64, rng=0).requires_grad_(False)
    weight, x = layer.weight.numpy().copy(), leaf([[1.0, 2.0]])
    loss = layer(x).sum()
    layer.load_state_dict({name: a * 0 + 50 for name, a in layer.state_dict().items()})
    loss.backward()
    np.testing.assert_array_equal(x.grad, weight.T)


class Doubled(Function):
    """Twice its argument, in one of several wrong ways."""

    forward_writes = backward_writes = saved_writes = False

    @classmethod
    def of(cls, **ways):
        return type("Doubled", (cls,), ways)

    @classmethod
    def forward(cls, ctx, x):
        y = x * 2
        ctx.save_for_backward(x, y)
        ctx.y = y
        if cls.forward_writes:
            x *= 2
        return y

    @classmethod
    def backward(cls, ctx, g):
        if cls.backward_writes:
            g *= 2
        if cls.saved_writes:
            for saved in (*ctx.saved_tensors, ctx.y):
                with pytest.raises(ValueError, match="read-only"):
                    saved *= 3
        return g * 2


@pytest.mark.hazard(8)
def test_a_function_that_writes_to_what_it_was_given_is_refused():
    w = leaf(W)
    c = w * 1.0
    with pytest.raises(OpTypeError, match=r"Doubled: forward writes(.|\n)*x = x.copy\(\)"):
        Doubled.of(forward_writes=True).apply(c)
    np.testing.assert_array_equal(c.numpy(), W)
    z = (Doubled.of(backward_writes=True).apply(c) + c).sum()
    with pytest.raises(OpTypeError, match=r"Doubled: backward writes(.|\n)*g = g.copy\(\)"):
        z.backward()
    assert w.grad is None
    y = Doubled.of(saved_writes=True).apply(w * 1.0)
    (y * y).sum().backward()
    np.testing.assert_array_equal(w.grad, 8 * W)


@pytest.mark.hazard(8)
def test_another_error_inside_a_function_is_left_as_it_is():
    class Odd(Function):
        @staticmethod
        def forward(_ctx, x):
            if x.size > 2:
                raise ValueError("too large")
            return x * 1

        @staticmethod
        def backward(_ctx, _g):
            raise ValueError("no gradient today")

    with pytest.raises(OpError, match="too large"):
        Odd.apply(leaf(np.ones(3)))
    with pytest.raises(ValueError, match="no gradient today"):
        Odd.apply(leaf(W)).sum().backward()


def cells(page):
    """The code cells of a page, with the heading that each stands under."""
    heading, found = "", []
    for text in re.split(r"^(?=## |```\{code-cell\})", page, flags=re.MULTILINE):
        if text.startswith("## "):
            heading = text.splitlines()[0]
        elif text.startswith("```{code-cell}"):
            found.append((heading, text.split("\n", 1)[1].split("```")[0]))
    return found


@pytest.mark.hazard(7)
@pytest.mark.hazard(8)
def test_what_the_page_on_changed_arrays_says_is_so():
    page = (HERE.parent / "docs" / "changed-arrays.md").read_text(encoding="utf-8")
    names, unnoticed = {"__name__": "page"}, 0
    rows = dict(OPS)
    try:
        for heading, code in cells(page):
            *body, last = ast.parse(code).body
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(ast.Module(body, []), "<page>", "exec"), names)
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), "<page>", "eval"), names)
                    print(value)
                else:
                    exec(compile(ast.Module([last], []), "<page>", "exec"), names)
            if heading == "## What cannot be noticed" and isinstance(last, ast.Expr):
                unnoticed += 1
                numbers = [abs(float(n)) for n in re.findall(r"[\d.]+\d|\d+", printed.getvalue())]
                assert max(numbers) >= 50, code  # the page writes 50 where it should not matter
            elif "refused" in heading:
                assert re.search("MutationError|^Tensor|^\\[|^None", printed.getvalue()), code
    finally:
        OPS.clear()
        OPS.update(rows)
    assert unnoticed >= 10  # every way that the page lists


# ------------------------------------------------------------------------------ objects (13)


@pytest.mark.hazard(10)
@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.PrecisionWarning")
def test_a_wider_gradient_is_rounded_also_where_an_optimizer_wants_it():
    layer = Linear(3, 2, rng=0)
    optimizer = SGD(layer, lr=0.1)  # its flat array is where the gradient is to be written
    np.square(layer(np.ones((4, 3)))).sum().backward()
    wide = 2 * np.ones((3, 4)) @ (np.ones((4, 3)) @ layer.weight.numpy())
    assert layer.weight.grad.dtype == np.float32
    np.testing.assert_allclose(layer.weight.grad, wide, rtol=1e-6)
    before = layer.weight.numpy().copy()
    optimizer.step()
    np.testing.assert_allclose(layer.weight.numpy(), before - 0.1 * wide, rtol=1e-5)


@pytest.mark.hazard(13)
def test_a_result_of_objects_is_refused_since_its_gradient_would_be_lost():
    from fractions import Fraction

    for other in (np.array([1.0, 2.0], dtype=object), Fraction(1, 2)):
        for w in (leaf(W), leaf(W) * 1.0):
            with pytest.raises(OpTypeError, match=r"multiply: the result is no array(.|\n)*dtype="):
                w * other


@pytest.mark.hazard(13)
def test_a_row_whose_forward_returns_no_array_is_refused(table):
    facts = {"formula": "f", "latex": "f", "pattern": "scale"}
    elementwise(lambda _x: 3.0, 1, name="plain", functions=(np.spacing,), **facts)
    for w in (leaf(2.0), leaf(2.0) * 1.0):
        for call in (table["plain"], np.spacing):
            with pytest.raises(OpTypeError, match=r"plain: the result is no array of num.*: float"):
                call(w)


# ------------------------------------------------------------------------------ leaks (27)

FLAT = """
    import gc, os
    import numpy as np
    from tinygrad_edu import Parameter, no_grad, gradients, ops
    from tinygrad_edu.nn import Linear, ReLU, Sequential
    from tinygrad_edu.optim import Adam
    gc.disable()

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    net = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 3, rng=1))
    optimizer = Adam(net, lr=1e-3)
    x, labels = np.ones((8, 4), np.float32), np.arange(8) % 3

    def steps(count):
        for i in range(count):
            loss = ops.softmax_cross_entropy(net(x), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if i % 10 == 0:
                view = net[0].weight.T[1:]
                with no_grad():
                    net(x)
                try:
                    loss.backward()
                except RuntimeError:
                    pass
                ops.softmax_cross_entropy(net(x), labels)  # dropped without backward

    steps(1000)
    before = resident()
    steps(10_000)
    print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.hazard(27)
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's own numbers")
def test_ten_thousand_steps_without_the_collector_take_no_memory_from_the_system():
    (grown,) = run(FLAT)
    assert int(grown) < 8 * 2**20


# ------------------------------------------------------------------------------ the switch (28, 29)


def begun():
    """A generator that has opened no_grad and waits inside."""

    def waiting():
        with no_grad():
            yield tg.is_recording()
        yield tg.is_recording()

    generator = waiting()
    assert next(generator) is False
    return generator


@pytest.mark.hazard(28)
def test_a_context_manager_made_of_a_generator_holds_while_it_is_open():
    @contextlib.contextmanager
    def evaluating():
        with no_grad():
            yield

    with evaluating():
        assert not tg.is_recording()
        with tg.enable_grad():
            assert tg.is_recording()
        assert not tg.is_recording()
    assert tg.is_recording()


@pytest.mark.hazard(28)
def test_contexts_may_be_left_in_another_order_than_they_were_entered_in():
    first = begun()
    with tg.enable_grad():
        second = begun()
        assert not tg.is_recording()
        assert next(first) is False  # it left its own; the second is still open
        second.close()
        assert tg.is_recording()
    assert tg.is_recording()
    third = begun()
    with no_grad():
        third.close()
        assert not tg.is_recording()
    assert tg.is_recording()


@pytest.mark.hazard(28)
def test_a_generator_that_is_dropped_inside_leaves_nothing_behind():
    generator = begun()
    assert not tg.is_recording()
    del generator
    assert tg.is_recording()
    generator = begun()
    with pytest.raises(KeyError):
        generator.throw(KeyError)
    assert tg.is_recording()


@pytest.mark.hazard(28)
@pytest.mark.hazard(29)
def test_a_generator_that_is_finished_in_another_thread_disturbs_nobody_there():
    seen = []

    def finish(generator):
        seen.append(next(generator))
        with no_grad():
            seen.append(tg.is_recording())
        seen.append(tg.is_recording())

    def begin_and_finish():
        generator = begun()
        thread = threading.Thread(target=finish, args=(generator,))
        thread.start()
        thread.join(30)

    outer = threading.Thread(target=begin_and_finish)  # whose own state ends with it
    outer.start()
    outer.join(30)
    assert seen == [True, False, True]
    assert tg.is_recording()


@pytest.mark.hazard(29)
def test_tasks_of_one_thread_have_a_switch_each():
    async def quiet():
        with no_grad():
            await asyncio.sleep(0)
            return tg.is_recording()

    async def loud():
        await asyncio.sleep(0)
        w = leaf(3.0)
        y = w * w
        await asyncio.sleep(0)
        y.backward()
        return w.grad.item()

    async def both():
        return await asyncio.gather(quiet(), loud(), quiet(), loud())

    assert asyncio.run(both()) == [False, 6.0, False, 6.0]
    assert tg.is_recording()


@pytest.mark.hazard(29)
def test_views_may_die_while_another_thread_assigns():
    stop = threading.Event()
    y = leaf(np.ones(300)) * 1.0
    others = [y[i:] for i in range(300)]  # so that there is something to walk over

    def churn():
        while not stop.is_set():
            kept = [y[i:] for i in range(8)]
            del kept

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(300):
            z = leaf(np.ones(4)) * 1.0
            part = z[1:]
            with pytest.raises(OpTypeError, match="a view and the tensor"):
                z[1] = 2.0
            assert part.tolist() == [1.0, 1.0, 1.0]
    finally:
        stop.set()
        thread.join(30)
        sys.setswitchinterval(interval)
    assert len(others) == 300


# ------------------------------------------------------------------------------ exceptions (30)


@pytest.mark.hazard(30)
def test_a_hook_may_call_backward_of_another_loss_or_of_its_own():
    w = leaf(W)
    h = w * 1.0
    h.register_hook(lambda _g: (w * w).sum().backward())
    h.sum().backward()
    np.testing.assert_array_equal(w.grad, 1 + 2 * W)
    w = leaf(W)
    h = w * 1.0
    loss = h.sum()
    h.register_hook(lambda _g: loss.backward())
    with pytest.raises(GradientError, match="freed by an earlier"):
        loss.backward()
    assert w.grad is None
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad, 2 * W)


@pytest.mark.hazard(30)
def test_after_an_exception_in_a_fused_rule_the_buffer_is_the_leafs_again(table):
    broken = [True]

    def rule(g, _y, _saved, x, *, wanted, into):
        if broken[0]:
            raise ArithmeticError("the rule failed")
        assert wanted == [True]
        assert into[0] is buffer
        return (np.multiply(g, 2 * x, out=into[0]),)

    fused(
        lambda x: (x * x, None), rule, lambda x: x * x,
        name="fragile", formula="x²", latex="x^2", pattern="scale", signature="(n)->(n)",
    )  # fmt: skip
    w, home, buffer = Parameter(W), np.zeros(2), np.zeros(2)
    w.rebase(home, buffer)
    with pytest.raises(ArithmeticError):
        table["fragile"](w).sum().backward()
    assert w.grad is None
    broken[0] = False
    table["fragile"](w).sum().backward()
    assert w.grad is buffer
    np.testing.assert_array_equal(buffer, 2 * W)


# ------------------------------------------------------------------------------ wrong rules (32)

FACTS = {"formula": "f(x)", "latex": "f(x)", "pattern": "scale", "signature": "(n)->(n)"}

RULES = {
    "nothing": (lambda _g, _y, _x: None, "returned None for an argument of shape"),
    "a number": (lambda _g, _y, _x: 2.0, "returned a float"),
    "a list": (lambda g, _y, _x: [g], "returned a list"),
    "a scalar": (lambda g, _y, _x: g.sum(), r"returned a cotangent of shape \(\)"),
    "one axis more": (lambda g, _y, _x: g[None], r"returned a cotangent of shape \(1, 2\)"),
    "a shorter one": (lambda g, _y, _x: g[:1], r"returned a cotangent of shape \(1,\)"),
}

JOINTS = {
    "an array": (lambda g: np.stack([g, g]), "returned a ndarray for 1 arguments"),
    "an array of one row": (lambda g: g[None], "returned a ndarray for 1 arguments"),
    "too many": (lambda g: (g, g), "returned a tuple of 2 for 1 arguments"),
    "too few": (lambda _g: (), "returned a tuple of 0 for 1 arguments"),
    "nothing": (lambda _g: None, "returned a NoneType for 1 arguments"),
    "nothing for what is wanted": (lambda _g: (None,), "returned None for an argument"),
    "another shape": (lambda g: (g[None],), r"returned a cotangent of shape \(1, 2\)"),
}


@pytest.mark.hazard(32)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_returns_something_else_than_a_cotangent_is_refused(table, name):
    rule, words = RULES[name]
    op(lambda x: x * 2.0, rule, name="mine", **FACTS)
    w, v = leaf(W), leaf(1.0)
    loss = (table["mine"](w) * v).sum()  # mine
    with pytest.raises(GradientError, match=rf"mine: its rule {words}(.|\n)*# mine(.|\n)*fix: "):
        loss.backward()
    assert w.grad is None
    assert v.grad is None


@pytest.mark.hazard(32)
@pytest.mark.parametrize("name", JOINTS)
def test_a_joint_rule_that_returns_something_else_than_a_tuple_is_refused(table, name):
    rule, words = JOINTS[name]
    fused(
        lambda x: (x * 2.0, None),
        lambda g, _y, _saved, _x, **_facts: rule(g),
        lambda x: x * 2.0,
        name="mine",
        **FACTS,
    )
    w = leaf(W)
    with pytest.raises(GradientError, match=rf"mine: its rule {words}(.|\n)*fix: "):
        table["mine"](w).sum().backward()
    assert w.grad is None


@pytest.mark.hazard(32)
def test_what_a_function_saved_has_a_second_derivative_or_refuses_one():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = np.exp(x)  # a NumPy number, not an array, where x is 0-d
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return ctx.saved_tensors[0] * g

    for x in (1.0, np.array([0.5, 1.0])):
        twice = tg.grad(lambda t: tg.grad(lambda u: Exp.apply(u).sum())(t).sum())(x)
        np.testing.assert_allclose(twice.numpy(), np.exp(x))

    def square(keep):
        class Square(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.kept = keep(x)
                ctx.rest = (3, "text", slice(2), np.arange(2), None, np.float64)  # harmless
                return x * x

            @staticmethod
            def backward(ctx, g):
                kept = ctx.kept
                kept = kept["x"] if isinstance(kept, dict) else kept
                kept = kept[0] if isinstance(kept, (list, tuple)) else kept
                return g * 2 * kept

        return lambda x: Square.apply(x).sum()

    for keep in (
        lambda x: float(x[0]),
        lambda x: x[0],
        lambda x: x * 1,
        lambda x: x[:],
        lambda x: [x * 1],
        lambda x: (float(x[0]),),
        lambda x: {"x": x * 1},
    ):
        f, x = square(keep), np.array([3.0])
        np.testing.assert_array_equal(tg.grad(f)(x).numpy(), [6.0])
        with pytest.raises(GradientError, match=r"ctx.kept is neither an argument nor the result"):
            tg.grad(lambda t, f=f: tg.grad(f)(t).sum())(x)
    second = tg.grad(lambda t: tg.grad(square(lambda x: x))(t).sum())(np.array([3.0]))
    np.testing.assert_array_equal(second.numpy(), [2.0])


@pytest.mark.hazard(32)
def test_a_function_sees_one_example_at_a_time_inside_vmap():
    class Centred(Function):
        @staticmethod
        def forward(_ctx, x):
            return x - x.mean()

        @staticmethod
        def backward(_ctx, g):
            return g - g.mean()

    x = np.array([[1.0, 3.0], [10.0, 20.0]])
    expected = x - x.mean(axis=1, keepdims=True)
    np.testing.assert_array_equal(tg.vmap(Centred.apply)(x).numpy(), expected)
    found = tg.vmap(tg.grad(lambda t: (Centred.apply(t) ** 2).sum()))(x)
    np.testing.assert_allclose(found.numpy(), 2 * expected)


# ------------------------------------------------------------------------------ import (39)

IMPORT = """
    import decimal, gc, importlib, locale, logging, os, pkgutil, random, signal, sys, threading
    import warnings
    import numpy as np

    def state():
        kind, keys, *rest = np.random.get_state()
        return {
            "np.geterr": np.geterr(), "np.geterrcall": np.geterrcall(),
            "np.random": (kind, keys.tobytes(), rest), "random": random.getstate(),
            "np.printoptions": {k: repr(v) for k, v in np.get_printoptions().items()},
            "warnings": list(warnings.filters), "showwarning": warnings.showwarning,
            "recursion": sys.getrecursionlimit(), "locale": locale.setlocale(locale.LC_ALL),
            "environment": dict(os.environ), "folder": os.getcwd(), "path": list(sys.path),
            "collector": (gc.isenabled(), gc.get_threshold(), gc.callbacks[:]),
            "threads": threading.active_count(), "stack": threading.stack_size(),
            "switch": sys.getswitchinterval(), "excepthook": sys.excepthook,
            "displayhook": sys.displayhook, "trace": (sys.gettrace(), sys.getprofile()),
            "signals": [signal.getsignal(s) for s in signal.valid_signals()],
            "handlers": logging.getLogger().handlers[:], "decimal": repr(decimal.getcontext()),
            "streams": (sys.stdin, sys.stdout, sys.stderr),
        }

    before = state()
    import tinygrad_edu
    after = state()
    assert before == after, [name for name in before if before[name] != after[name]]
    print("package")
    for module in pkgutil.walk_packages(tinygrad_edu.__path__, "tinygrad_edu."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            after = state()
            changed = [name for name in before if before[name] != after[name]]
            assert not changed, (module.name, changed)
    print("modules")
    w = tinygrad_edu.Tensor([1.0, 2.0], requires_grad=True)
    np.where(w > 1, np.sqrt(w), tinygrad_edu.softmax(w)).sum().backward()
    tinygrad_edu.gradcheck(np.tanh, w)
    assert state() == before
    print("use")
"""


@pytest.mark.hazard(39)
def test_importing_the_package_changes_nothing_outside_it():
    assert run(IMPORT) == ["package", "modules", "use"]


# ------------------------------------------------------------------------------ all of them

HAZARDS = {
    1: "a node used twice",
    2: "exponential time over diamonds",
    3: "depth",
    4: "backward twice",
    5: "broadcasting",
    6: "gradients that share memory",
    7: "a source array that is written later",
    8: "a saved value that is changed",
    9: "views",
    10: "float32 that becomes float64",
    11: "whole numbers that require a gradient",
    12: "0-d arrays that decay to numbers",
    13: "arrays of objects",
    14: "empty arrays",
    15: "layouts of memory",
    16: "nan behind where",
    17: "overflow of softmax",
    18: "a clipped logarithm",
    19: "overflow of sigmoid and its relatives",
    20: "norms, roots and absolute values at zero",
    21: "powers at zero",
    22: "ties",
    23: "products with zeros",
    24: "repeated indices",
    25: "labels and ids of -1",
    26: "a row against a column in a loss",
    27: "leaks",
    28: "the state of no_grad",
    29: "threads",
    30: "exceptions",
    31: "dropout",
    32: "a user's backward of a wrong shape",
    33: "files that are half written",
    34: "code in files",
    35: "files that claim to be large",
    36: "names in archives that are paths",
    37: "names of saved arrays",
    38: "diagrams",
    39: "import",
    "beyond: where": "a masked nan in where is stopped",
    "beyond: softmax": "softmax of a row of -inf gives no nan",
    "beyond: numpy": "a write through numpy() after recording is refused",
    "beyond: zero": "gradients of norm, sqrt and pow at zero are no nan, to second order",
}


def marked():
    """The hazards that any test of the suite is marked with."""
    found = {}
    for path in sorted(HERE.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.hazard":
                    found.setdefault(ast.literal_eval(mark.args[0]), []).append(node.name)
    return found


def test_every_promise_has_a_test():
    found = marked()
    assert set(found) == set(HAZARDS)
    assert all(name.startswith("test_") for names in found.values() for name in names)
