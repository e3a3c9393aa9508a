"""Corners of the engine where a small slip in the code would change what a caller sees."""

import array

import numpy as np
import pytest

import tinygrad_edu.ops as ops
from tinygrad_edu.core.batching import vmap
from tinygrad_edu.core.function import Function, checkpoint
from tinygrad_edu.core.op import OPS, composite, elementwise, linear, op
from tinygrad_edu.core.switch import detect_anomaly
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.core.transforms import grad, gradients, hvp, jacobian, jvp, linearize, vjp
from tinygrad_edu.errors import OpError, TinygradEduError

FACTS = {"formula": "f", "latex": "f", "pattern": "scale"}
X = np.arange(6.0).reshape(2, 3) + 1
Y = np.arange(3.0) + 5


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


# ------------------------------------------------------------------------------ arguments


@pytest.mark.parametrize("start", [np.int32(1), np.array(1), 1, None])
def test_the_ends_of_a_slice_may_be_any_whole_number(start):
    w = leaf(np.arange(4.0))
    part = w[start : np.int32(3)]
    part.sum().backward()
    expected = np.zeros(4)
    expected[start:3] = 1.0
    np.testing.assert_array_equal(w.grad, expected)


def test_an_end_of_a_slice_may_be_counted_up_after_the_call():
    w, end = leaf(np.arange(4.0)), np.array(2)
    part = w[:end]
    end += 2
    part.sum().backward()
    np.testing.assert_array_equal(w.grad, [1.0, 1.0, 0.0, 0.0])


class Places:
    """What NumPy takes for an array, and its owner may write to."""

    def __init__(self):
        self.places = np.array([0, 2])

    def __array__(self, dtype=None, copy=None):
        return self.places


def test_an_index_may_be_changed_between_forward_and_backward():
    for index, change in [
        (given := Places(), lambda: given.places.fill(1)),
        (listed := [0, 2], lambda: listed.reverse() or listed.append(1)),
        (numbers := np.array([0, 2]), lambda: numbers.fill(1)),
    ]:
        w = leaf(np.arange(4.0))
        y = w[index].sum()
        change()
        y.backward()
        np.testing.assert_array_equal(w.grad, [1.0, 0.0, 1.0, 0.0])
    assert leaf(np.arange(4.0))[[]].shape == (0,)


def test_a_parameter_in_a_buffer_may_be_changed_between_forward_and_backward():
    w, axes = leaf(np.arange(6.0).reshape(1, 2, 3)), array.array("q", [2, 0, 1])
    y = w.transpose(axes)
    axes[0], axes[1] = 0, 2
    assert y.shape == (3, 1, 2)
    y.backward(np.arange(6.0).reshape(3, 1, 2))
    np.testing.assert_array_equal(w.grad, np.arange(6.0).reshape(3, 1, 2).transpose(1, 2, 0))


def test_a_constant_becomes_an_array_of_the_dtype_that_is_asked_for():
    t = Tensor([1.0, 2.0])
    assert np.asarray(t).dtype == np.float64
    assert np.asarray(t, dtype=np.float32).dtype == np.float32
    assert np.array(t, dtype=np.float32).dtype == np.float32
    assert np.array(t, dtype=int).tolist() == [1, 2]
    copied = np.array(t)
    copied[0] = 5.0
    assert t.tolist() == [1.0, 2.0]


def test_an_array_is_copied_only_where_it_must_be():
    t = Tensor([1.0, 2.0])
    assert not np.shares_memory(t.__array__(copy=True), t.numpy())
    assert t.__array__(np.float32, copy=True).dtype == np.float32


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        (([1.0, 2.0], (3.0, 4.0)), (np.ndarray, np.ndarray)),
        ((1.0, 2), (np.ndarray, np.ndarray)),
        (([1.0], 2.0), (np.ndarray, np.ndarray)),
        (([[1.0], [2.0]], None), (np.ndarray, type(None))),
        ((np.ones(2), 2.0), (np.ndarray, float)),
        ((np.ones(2), [1.0, 2.0]), (np.ndarray, np.ndarray)),
        ((Tensor([1.0]), 2.0), (Tensor, float)),
        ((np.float32(1.0), 2.0), (np.float32, float)),
    ],
)
def test_what_plain_arguments_are_through_a_composite(table, given, kinds):
    seen = []

    def own(a, b):
        seen.extend((type(a), type(b)))
        return np.ones(2)

    composite(own, signature="(),()->()", **FACTS)(*given)
    assert tuple(seen) == kinds
    assert "own" in table


# ------------------------------------------------------------------------------ hooks and dtypes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_keeps_its_dtype_whatever_a_hook_returns(dtype):
    w, seen = leaf(np.ones(2, dtype)), []
    y = w * np.array(2.0, dtype)
    y.register_hook(lambda g: g.astype(np.float32))
    y.register_hook(lambda g: seen.append(g.dtype) or g.astype(np.float64))
    y.register_hook(lambda g: seen.append(g.dtype))
    y.sum().backward()
    assert seen == [dtype, dtype]
    assert w.grad.dtype == dtype


def test_a_jacobian_has_the_dtype_of_the_result():
    for mode in ("reverse", "forward"):
        found = jacobian(lambda x: x * x, mode=mode)(np.ones(2, np.float32))
        assert found.dtype == np.float32
        assert found.tolist() == [[2.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("mode", ["auto", "reverse", "forward"])
@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (2, 2)])
def test_a_jacobian_is_the_same_in_every_mode(mode, shape):
    matrix = np.arange(6.0)[: shape[0] * shape[1]].reshape(shape)
    found = jacobian(lambda x: matrix @ np.sin(x), mode=mode)(np.ones(shape[1]))
    np.testing.assert_allclose(found.numpy(), matrix * np.cos(1.0))


@pytest.mark.parametrize(("rows", "columns", "sweeps"), [(1, 3, 1), (3, 1, 1), (2, 2, 2)])
def test_a_jacobian_is_found_by_the_fewer_sweeps(table, rows, columns, sweeps):
    counts = {"reverse": 0, "forward": 0}

    def rule(g, _y, _x):
        counts["reverse"] += 1
        return g

    def push(tangents, _y, _x):
        counts["forward"] += 1
        return tangents[0]

    same = op(lambda x: x * 1.0, rule, jvp=push, name="own", signature="()->()", **FACTS)
    matrix = np.ones((rows, columns))
    jacobian(lambda x: matrix @ same(x))(np.ones(columns))
    expected = {"reverse": sweeps, "forward": 0}
    if rows > columns:
        expected = {"reverse": 0, "forward": sweeps}
    assert counts == expected
    assert "own" in table


@pytest.mark.parametrize(
    ("f", "x", "mode", "words"),
    [
        (lambda z: abs(z), 1.0 + 1.0j, "forward", "complex inputs the mode is reverse"),
        (lambda x: np.exp(1j * x), 1.0, "reverse", "complex results the mode is forward"),
    ],
)
def test_a_jacobian_with_complex_numbers_has_one_mode(f, x, mode, words):
    with pytest.raises(TinygradEduError, match=f"{words}, not '{mode}'(.|\n)*leave mode= out"):
        jacobian(f, mode=mode)(x)


# ------------------------------------------------------------------------------ forward mode


def test_a_row_without_a_jvp_is_pushed_by_its_rules(table):
    product = op(
        lambda a, b: a * b,
        lambda g, _y, _a, b: g * b,
        lambda g, _y, a, _b: g * a,
        name="own",
        signature="(),()->()",
        **FACTS,
    )
    a, b, da, db = 2.0, 3.0, 5.0, 7.0
    assert jvp(product, (a, b), (da, db))[1].item() == da * b + a * db
    assert jvp(lambda a: product(a, b), (a,), (da,))[1].item() == da * b
    assert jvp(lambda b: product(a, b), (b,), (db,))[1].item() == a * db
    twice = jvp(lambda x: jvp(product, (x, b), (da, 0.0))[1], (a,), (1.0,))[1]
    assert twice.item() == 0.0
    found = jvp(lambda x: jvp(lambda z: product(z, z), (x,), (1.0,))[1], (a,), (1.0,))[1]
    assert found.item() == 2.0
    assert "own" in table


def test_a_tangent_ends_at_a_row_without_a_derivative():
    y, moved = jvp(lambda x: np.sign(x) + 0 * x, (np.ones(2),), (np.ones(2),))
    assert y.tolist() == [1.0, 1.0]
    assert moved.tolist() == [0.0, 0.0]
    _, moved = jvp(lambda x: (np.floor(x), x * 2), (np.ones(2, np.float32),), (np.ones(2),))
    assert [m.tolist() for m in moved] == [[0.0, 0.0], [2.0, 2.0]]
    assert moved[0].dtype == np.float32


def test_a_linear_row_moves_only_what_has_a_tangent(table):
    row = linear(
        lambda x, y, index: (x + 2 * y)[index],
        lambda g, _y, x, _b, index: ops.setitem(np.zeros(x.shape, like=g), index, g),
        lambda g, _y, _a, y, index: 2 * ops.setitem(np.zeros(y.shape, like=g), index, g),
        None,
        name="own",
        signature="(n),(n),(k)->(k)",
        **FACTS,
    )
    index = np.array([0, 2])
    for f, expected in [
        (lambda x: row(x, Y, index), [1.0, 3.0]),
        (lambda x: row(Y, x, index), [2.0, 6.0]),
        (lambda x: row(x, x, index), [3.0, 9.0]),
    ]:
        _, moved = jvp(f, (X[0],), (X[0],))
        assert moved.tolist() == expected
    assert "own" in table


def test_what_linearize_gives_can_be_differentiated_again_if_wanted():
    x = leaf(2.0)
    y, push = linearize(lambda z: z**3, x)
    assert y.requires_grad
    moved = push(x * 1.0)
    assert gradients(moved, [x])[0].item() == 6 * 2.0 * 2.0 + 3 * 2.0**2
    plain = linearize(lambda z: z**3, 2.0)[1]
    assert not plain(1.0).requires_grad
    assert plain(2.0).item() == 24.0


# ------------------------------------------------------------------------------ vmap


@pytest.mark.parametrize(
    ("axes", "tree"),
    [
        (([0, None],), [X, Y]),
        (((0, None),), (X, Y)),
        (([1, None],), [X.T, Y]),
        (([-2, None],), [X, Y]),
        (([-1, None],), [X.T, Y]),
        (([np.int64(0), None],), [X, Y]),
    ],
)
def test_axes_may_be_a_list_like_the_argument(axes, tree):
    found = vmap(lambda p: p[0] * p[1], in_axes=axes)(tree)
    np.testing.assert_array_equal(found.numpy(), X * Y)


def test_axes_may_be_nested_dicts_and_lists():
    tree = {"a": [X, (Y, X.T)], "b": Y}
    axes = ({"b": None, "a": [0, (None, 1)]},)
    found = vmap(lambda p: {"s": p["a"][0] * p["a"][1][0] + p["a"][1][1], "t": (p["b"],)},
                 in_axes=axes, out_axes={"t": (None,), "s": 1})(tree)  # fmt: skip
    np.testing.assert_array_equal(found["s"].numpy(), (X * Y + X).T)
    np.testing.assert_array_equal(found["t"][0].numpy(), Y)
    with pytest.raises(OpError, match=r"axes 0\.5 do not fit argument 0"):
        vmap(lambda p: p, in_axes=({"a": [0.5], "b": None},))({"a": [X], "b": Y})
    with pytest.raises(OpError, match="do not fit argument 1"):
        vmap(lambda p, _q: p, in_axes=(0, [0]))(X, [X, X])


@pytest.mark.parametrize("name", ["argmax", "argmin", "nanargmax", "nanargmin"])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_an_index_of_an_extremum_example_by_example(name, axis, keepdims):
    stack = np.random.default_rng(0).normal(size=(4, 2, 3))
    function = getattr(np, name)
    found = vmap(lambda x: OPS[name](x, axis=axis, keepdims=keepdims))(stack)
    expected = np.stack([function(x, axis=axis, keepdims=keepdims) for x in stack])
    np.testing.assert_array_equal(found.numpy(), expected)


def test_a_row_without_a_rule_for_batches_names_itself(table):
    row = op(
        lambda x: x[: int(x[0])] * 1.0, None, name="own", signature="(n)->(m)", arguments=("x",),
        **FACTS,
    )  # fmt: skip
    assert vmap(row)(np.array([[2.0, 1.0], [2.0, 5.0]])).tolist() == [[2.0, 1.0], [2.0, 5.0]]
    with pytest.raises(OpError, match=r"^own: has no rule for a whole batch, and an empty batch"):
        vmap(row)(np.ones((0, 2)))
    with pytest.raises(OpError, match=r"^own: gives results of different.*: \(1,\), \(2,\)"):
        vmap(row)(np.array([[1.0, 1.0], [2.0, 5.0]]))
    assert "own" in table


# ---------------------------------------------------------------------------- checkpoint, Function


@pytest.mark.parametrize("f", [lambda x: np.sin(x) * x, lambda x: np.sum(x * x)])
def test_a_checkpoint_in_every_mode(f):
    point, moves = np.array([0.5, 1.0]), np.array([2.0, 3.0])
    kept = checkpoint(f)
    np.testing.assert_allclose(
        jvp(kept, (point,), (moves,))[1].numpy(), jvp(f, (point,), (moves,))[1].numpy()
    )
    x = leaf(point)
    y = kept(x)  # one node
    np.testing.assert_allclose(
        gradients(y.sum(), [x])[0].numpy(), gradients(f(x).sum(), [x])[0].numpy()
    )
    total = lambda x: kept(x).sum()
    np.testing.assert_allclose(
        hvp(total, point, moves).numpy(), hvp(lambda x: f(x).sum(), point, moves).numpy()
    )


def test_a_checkpoint_may_give_nan_twice_and_leave_arguments_unused():
    a, b = leaf([1.0, np.nan]), leaf([3.0, 4.0])
    checkpoint(lambda a, b: (a * 2 + 0 * b[0]).sum())(a, b).backward()
    np.testing.assert_array_equal(a.grad, [2.0, 2.0])
    c, d = leaf([1.0, 2.0]), leaf(np.ones(3, np.float32))
    first, _second = checkpoint(lambda c, d: (c * 2, c * d[0].item()))(c, d)
    first.sum().backward()
    np.testing.assert_array_equal(c.grad, [2.0, 2.0])


class Partial(Function):
    """A product whose backward gives no cotangent for its second argument."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        _, b = ctx.saved_tensors
        return g * b, None


def test_none_from_a_backward_is_a_gradient_of_zeros():
    a, b = leaf(np.ones((2, 1), np.float32)), leaf(np.ones((2, 1), np.float32))
    Partial.apply(a, b).sum().backward()
    assert b.grad.shape == (2, 1)
    assert b.grad.dtype == np.float32
    np.testing.assert_array_equal(b.grad, np.zeros((2, 1)))
    np.testing.assert_array_equal(a.grad, np.ones((2, 1)))


class Listed(Function):
    """It saves lists: one of numbers that do not depend on anything, one of numbers that do."""

    @staticmethod
    def forward(ctx, x, halves):
        ctx.save_for_backward(x)
        ctx.sizes = [1, (2, np.arange(2))]
        ctx.more = [[0.5]] if halves else []
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g, None


def test_lists_of_whole_numbers_may_be_saved_for_a_second_derivative():
    assert grad(grad(lambda x: Listed.apply(x, False)))(3.0).item() == 2.0
    with pytest.raises(TinygradEduError, match=r"ctx\.more is neither an argument nor the result"):
        grad(grad(lambda x: Listed.apply(x, True)))(3.0)


class Several(Function):
    """A sum of any number of arguments."""

    @staticmethod
    def forward(ctx, first, *others):
        ctx.count = 1 + len(others)
        return first + sum(others)

    @staticmethod
    def backward(ctx, g):
        return (g,) * ctx.count


def test_arguments_without_a_name_are_counted():
    y = Several.apply(leaf(1.0), leaf(2.0), leaf(3.0))
    assert y.node.op.arguments == ("first", "argument1", "argument2")
    assert Several.apply(leaf(1.0)).node.op.arguments == ("first",)


class Refusing(Function):
    @staticmethod
    def forward(_ctx, x):
        if x.ndim:
            raise ValueError("no vectors")
        return x * 1.0

    @staticmethod
    def backward(_ctx, _g):
        raise ValueError("no way back")


def test_an_error_of_a_users_own_function_is_left_as_it_is():
    with pytest.raises(ValueError, match="no vectors"):
        Refusing.apply(np.ones(2))
    with pytest.raises(ValueError, match="no way back"):
        Refusing.apply(leaf(1.0)).backward()


# ------------------------------------------------------------------------------ what is remembered


def recorded():
    """Return the calls whose backward pass goes wrong, each with its graph."""
    own = {"signature": "()->()", **FACTS}
    absent = op(lambda x: x * 1.0, lambda _g, _y, _x: None, name="own_absent", **own)
    shape = op(lambda x: x * 1.0, lambda g, _y, _x: g.sum(), name="own_shape", **own)
    joint = op(
        lambda x: x * 1.0, joint=lambda g, _y, _s, _x, **_rest: g, name="own_joint",
        arguments=("x",), **own,
    )  # fmt: skip
    yield absent(leaf([1.0, 2.0])), lambda: None  # recorded here
    yield shape(leaf([1.0, 2.0])), lambda: None  # recorded here
    yield joint(leaf([1.0, 2.0])), lambda: None  # recorded here
    w = leaf([1.0, 2.0])
    yield w * w, lambda: setattr(w, "data", [3.0, 4.0])  # recorded here
    v = leaf([1.0, 2.0]) * 2  # recorded here
    yield v, v.sum().backward


def test_errors_of_the_backward_pass_name_the_line_that_recorded(table):
    count = 0
    for y, change in recorded():
        total = y.sum()
        change()
        with pytest.raises(TinygradEduError) as caught:
            total.backward()
        assert "# recorded here" in str(caught.value)
        count += 1
    assert count == 5
    assert "own_absent" in table


def test_an_anomaly_names_the_row_and_its_promise(table):
    row = elementwise(
        lambda x: x * 1.0, lambda _y, x: np.where(x > 0, np.inf, 1.0), name="own",
        policy="infinite above 0", **FACTS,
    )  # fmt: skip
    with detect_anomaly(), pytest.raises(TinygradEduError) as caught:
        row(leaf([-1.0, 1.0])).sum().backward()
    assert "own: the gradient for its argument x is inf at [1]" in str(caught.value)
    assert "what the op promises there: infinite above 0" in str(caught.value)
    assert "own" in table


def test_a_gradient_goes_to_the_place_that_was_lent_for_it():
    w, home, buffer = Parameter(np.ones(2)), np.zeros(2), np.full(2, np.nan)
    w.rebase(home, buffer)
    (w * np.array([2.0, 3.0])).sum().backward()
    assert np.shares_memory(w.grad, buffer)
    np.testing.assert_array_equal(buffer, [2.0, 3.0])
    (w * np.array([2.0, 3.0])).sum().backward()
    np.testing.assert_array_equal(w.grad, [4.0, 6.0])
    w.grad = None
    w.grad = np.array([7.0, 8.0])
    np.testing.assert_array_equal(buffer, [7.0, 8.0])


def test_a_fused_row_writes_a_first_gradient_to_the_place_that_was_lent_for_it():
    w, buffer = Parameter(np.ones((3, 2))), np.full((3, 2), np.nan)
    w.rebase(np.zeros((3, 2)), buffer)
    for times in (1, 2):
        ops.linear(np.ones((4, 3)), w).sum().backward()
        np.testing.assert_array_equal(w.grad, np.full((3, 2), 4.0 * times))
    assert np.shares_memory(w.grad, buffer)


def test_a_tree_of_named_fields_is_told_by_its_names():
    from typing import NamedTuple

    class Pair(NamedTuple):
        first: object
        second: object

    _, pullback = vjp(lambda p: p, Pair(1.0, {"a": np.ones(2)}))
    assert pullback(Pair(2.0, {"a": np.ones(2)}))[0].first.item() == 2.0
    with pytest.raises(TinygradEduError, match=r"belongs, at \.second") as caught:
        pullback(Pair(2.0, {"b": np.ones(2)}))
    assert "a dict with the keys 'b' was given where a dict with the keys 'a'" in str(caught.value)
