"""vmap: what is seen inside, what comes out, in any mix with derivatives, and what is refused."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import (
    Parameter,
    Tensor,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    no_grad,
    vhp,
    vjp,
    vmap,
)
from tinygrad_edu.errors import GradientError, OpError, OpTypeError

RNG = np.random.default_rng(0)
X, W, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=(5, 2))


def loss(w, x, y):
    return np.sum((np.tanh(x @ w) - y) ** 2)


def each(f, *stacks):
    return np.stack([np.asarray(f(*examples).numpy()) for examples in zip(*stacks, strict=True)])


def close(found, expected):
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-13)


# ------------------------------------------------------------------------------ derivatives


def test_gradients_example_by_example():
    found = vmap(grad(loss), in_axes=(None, 0, 0))(W, X, Y)
    assert found.shape == (5, 3, 2)
    close(found, each(lambda x, y: grad(loss)(W, x, y), X, Y))
    np.testing.assert_allclose(
        found.numpy().sum(axis=0), grad(lambda w: np.sum((np.tanh(X @ w) - Y) ** 2))(W).numpy()
    )


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: grad(f),
        lambda f: lambda x: jvp(f, (x,), (np.ones(3),))[1],
        lambda f: lambda x: vjp(f, x)[1](2.0)[0],
        lambda f: lambda x: linearize(f, x)[1](np.arange(3.0)),
        lambda f: lambda x: hvp(f, x, np.ones(3)),
        lambda f: lambda x: vhp(f, x, np.ones(3)),
        hessian,
        lambda f: jacobian(grad(f), mode="reverse"),
        lambda f: jacobian(grad(f), mode="forward"),
        lambda f: grad(lambda x: np.sum(grad(f)(x) ** 2)),
        lambda f: lambda x: jvp(grad(f), (x,), (x,))[1],
        lambda f: lambda x: grad(lambda z: jvp(f, (z,), (x,))[1])(x),
    ],
)
def test_derivatives_inside_are_those_of_each_example(derivative):
    def f(x):
        return np.sin(np.sum(x * x)) + np.max(x) * x[1] + np.sum(tg.softmax(x @ W) ** 2)

    close(vmap(derivative(f))(X), each(derivative(f), X))


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: grad(lambda x: np.sum(f(x) ** 2)),
        lambda f: lambda x: jvp(f, (x,), (X,))[1],
        lambda f: lambda x: hvp(lambda z: np.sum(f(z) ** 3), x, X),
        lambda f: jacobian(f),
    ],
)
def test_derivatives_outside_are_those_of_the_batch(derivative):
    f = lambda x: np.tanh(x @ W).sum() * x[0]
    batch = lambda x: np.tanh(x @ W).sum(axis=1) * x[:, 0]
    close(derivative(vmap(f))(X), derivative(batch)(X).numpy())


def test_a_parameter_used_inside_gets_the_sum_of_all_examples():
    w = Parameter(W)
    total = vmap(lambda x, y: loss(w, x, y))(X, Y).sum()
    total.backward()
    np.testing.assert_allclose(
        w.grad, grad(lambda w: np.sum((np.tanh(X @ w) - Y) ** 2))(W).numpy(), rtol=1e-12
    )


def test_a_gradient_inside_stays_connected_to_parameters():
    w = Parameter(W)
    slopes = vmap(grad(lambda x: np.sum(np.tanh(x @ w))))(X)
    slopes.sum().backward()
    expected = grad(lambda w: np.sum(grad(lambda x: np.sum(np.tanh(x @ w)))(X)))(W)
    np.testing.assert_allclose(w.grad, expected.numpy(), rtol=1e-12)


def test_nested_maps():
    pairs = vmap(vmap(lambda a, b: np.sum(a * b), in_axes=(None, 0)), in_axes=(0, None))
    close(pairs(X, X), X @ X.T)
    inner = vmap(lambda a, b: np.dot(a, b), in_axes=(0, None))
    by_rows = vmap(lambda b: grad(lambda b: np.sum(inner(X, b) ** 2))(b))
    close(by_rows(X), 2 * X @ X.T @ X)
    deep = vmap(vmap(grad(lambda s: np.sin(s) ** 2)))
    close(deep(X), np.sin(2 * X))


def test_maps_of_maps_with_a_gradient_between():
    f = lambda a, b: np.sum(np.sin(a * b))
    found = vmap(lambda a: vmap(grad(f, 1), in_axes=(None, 0))(a, X))(X)
    expected = np.stack([[a * np.cos(a * b) for b in X] for a in X])
    close(found, expected)


# ------------------------------------------------------------------------------ axes


def test_axes_in_and_out():
    close(vmap(lambda x: x * 2, in_axes=1)(X), 2 * X.T)
    close(vmap(lambda x: x * 2, in_axes=-1, out_axes=1)(X), 2 * X)
    close(vmap(lambda a, b: a + b, in_axes=(1, 0))(X, X.T), 2 * X.T)
    found = vmap(
        lambda p, q: {"u": p["a"] + q, "v": p["b"]},
        in_axes=({"a": 0, "b": None}, None),
        out_axes={"u": 1, "v": None},
    )({"a": X, "b": W}, 1.0)
    close(found["u"], X.T + 1)
    close(found["v"], W)


def test_a_result_that_all_share_is_repeated():
    close(vmap(lambda x: Tensor([1.0, 2.0]))(X), np.tile([1.0, 2.0], (5, 1)))  # noqa: ARG005 - the point


def test_keywords_are_shared():
    close(vmap(lambda x, *, scale: x * scale)(X, scale=np.arange(3.0)), X * np.arange(3.0))


def test_integers_and_masks_are_mapped_too():
    labels = np.array([0, 1, 1, 0, 1])
    found = vmap(lambda logits, label: tg.log_softmax(logits)[label])(Y, labels)
    close(found, np.stack([tg.log_softmax(y).copy()[k] for y, k in zip(Y, labels, strict=True)]))
    close(vmap(lambda k: Tensor(W)[k])(labels), W[labels])
    close(vmap(lambda x: np.where(x > 0, x, 0.0))(X), np.maximum(X, 0))
    rows = np.array([[0, 2], [1, 1], [2, 0], [0, 0], [1, 2]])
    close(vmap(lambda x, i: x[i])(X, rows), np.take_along_axis(X, rows, 1))
    close(vmap(lambda x, i: x[i, None])(X, rows), np.take_along_axis(X, rows, 1)[:, :, None])
    close(vmap(lambda i: Tensor(W)[i, 1])(labels), W[labels, 1])


def test_assignment_inside():
    def f(x):
        y = x * 2
        y[0] = x[1]
        y += x
        return y

    expected = 3 * X
    expected[:, 0] = X[:, 1] + X[:, 0]
    close(vmap(f)(X), expected)


def test_an_empty_batch():
    assert vmap(lambda x: np.sum(np.tanh(x)))(np.zeros((0, 3))).shape == (0,)


# ------------------------------------------------------------------------------ what is seen


def test_an_example_has_its_own_shape():
    seen = []

    def f(x):
        seen.append((x.shape, x.ndim, x.size, len(x), x.dtype, np.shape(x), repr(x)))
        return x.sum() + np.zeros_like(x).sum() + np.ones(2, like=x).sum() - 2

    close(vmap(f)(X.astype(np.float32)), X.astype(np.float32).sum(axis=1))
    assert seen == [
        ((3,), 1, 3, 3, np.float32, (3,), "Batched(shape=(3,), dtype=float32, examples=5)")
    ]


def test_iteration_goes_over_the_axes_of_an_example():
    close(vmap(lambda x: sum(x))(X), X.sum(axis=1))


def test_no_grad_and_detach_hold_inside():
    w = Parameter(np.ones(3))
    with no_grad():
        assert not vmap(lambda x: np.sum(x * w))(X).requires_grad
    y = vmap(lambda x: np.sum((x * w).detach() * w))(X)
    y.sum().backward()
    np.testing.assert_allclose(w.grad, X.sum(axis=0))


# ------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x if x.sum() > 0 else -x, "choose between values with where()"),
        (lambda x: Tensor(float(x.sum())), "the values of one example are not known"),
        (lambda x: Tensor(x.numpy()), "the values of one example are not known"),
        (lambda x: Tensor(np.asarray(x)), "the values of one example are not known"),
        (lambda x: x.sum().backward(), "backward() inside vmap would add the examples up"),
        (lambda x: len(x.sum()), "a tensor without axes has no length"),
    ],
)
def test_what_needs_the_values_of_one_example_is_refused(f, words):
    with pytest.raises(OpTypeError) as caught:
        vmap(f)(X)
    assert words in str(caught.value)
    assert "test_vmap.py" in str(caught.value)


def test_a_gradient_for_what_all_examples_share_is_refused():
    w = Parameter(np.ones(3))
    with pytest.raises(OpTypeError, match="the same for all examples"):
        vmap(lambda x: gradients(np.sum(x * w), [w])[0])(X)


def test_a_shape_that_depends_on_values_is_refused():
    with pytest.raises(OpError, match="use where\\(\\) instead of a mask"):
        vmap(lambda x: x[x > 0])(X)


def test_an_example_that_outlives_its_map_is_refused():
    kept = []
    vmap(lambda x: kept.append(x) or x)(X)
    with pytest.raises(OpTypeError, match="a vmap that has ended"):
        kept[0] * 2
    with pytest.raises(OpTypeError, match="a vmap that has ended"):
        Tensor(W)[kept[0], 1]


def test_the_map_ends_when_the_function_raises():
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: x / (1 // 0))(X)
    assert grad(lambda x: np.sum(x))(X).shape == X.shape


def test_a_shared_tensor_cannot_take_an_example():
    def f(x):
        total = Tensor(np.zeros(3))
        total += x
        return total

    with pytest.raises(OpTypeError, match="all examples of a vmap share"):
        vmap(f)(X)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: vmap(np.add)(X, Y[:3]), "argument 0 has 5 along axis 0; argument 1 has 3"),
        (lambda: vmap(np.sin, in_axes=None)(X), "no argument has an axis of examples"),
        (lambda: vmap(np.sin, in_axes=2)(X), "argument 0 of shape (5, 3) has no axis 2"),
        (lambda: vmap(np.sin)(1.0), "argument 0 of shape () has no axis 0"),
        (lambda: vmap(np.add, in_axes=(0,))(X, X), "in_axes has 1 entries for 2"),
        (lambda: vmap(np.sin, in_axes=({"a": 0},))(X), "the axes {'a': 0} do not fit argument 0"),
        (lambda: vmap(np.sin, out_axes=None)(X), "out_axes is None for a result that depends"),
        (lambda: vmap(lambda x: np.sum(x, axis=1))(X), "axis 1"),
    ],
)
def test_wrong_axes_are_refused(call, words):
    with pytest.raises(OpError) as caught:
        call()
    assert words in str(caught.value)


def test_gradients_inside_need_a_scalar_of_each_example():
    with pytest.raises(GradientError, match="returned shape \\(3,\\)"):
        vmap(grad(lambda x: x * 2))(X)


# ------------------------------------------------------------------------------ how rows are called

S = RNG.normal(size=(4, 3, 3)) + 3 * np.eye(3)
IMAGES = RNG.normal(size=(4, 2, 6, 6))

RULES = {
    "pointwise": (lambda x, y: np.where(x > y, np.nan_to_num(x), y), (X, X[::-1])),
    "stack": (lambda a: np.linalg.inv(a), (S,)),
    "stack with a vector": (lambda a, b: np.linalg.solve(a, b), (S, S[:, 0])),
    "stack of one": (lambda b: np.linalg.solve(Tensor(S[0]), b), (S,)),
    "stack, shared matrix, vectors": (lambda b: np.linalg.solve(Tensor(S[0]), b), (S[:, 0],)),
    "spread": (lambda x, y: tg.straight_through(x, np.round(x) * 0 + y), (X, X[::-1])),
    "spread, one shared": (lambda x: tg.straight_through(Tensor(X[0]), x), (X,)),
    "merge": (lambda x: tg.max_pool2d(x, 2), (IMAGES,)),
    "first": (lambda ids: tg.embedding(ids, Tensor(W)), (np.array([[0, 2], [1, 1]]),)),
    "first, a table of each": (lambda table: tg.embedding(np.array([0, 2, 2]), table), (S,)),
    "axes": (lambda x: x.sum(axis=(0, -1)) + x.mean(), (S,)),
    "axis": (lambda x: x.cumsum(axis=-1) + np.argmax(x, axis=0), (S,)),
    "axis of all": (lambda x: x.cumsum(None) + x.argmax(), (S,)),
    "axis of all, kept": (lambda x: np.argmax(x, keepdims=True) + x, (S,)),
    "axis of a number": (lambda x: x.cumsum(axis=0) + x.argmax(), (X[:, 0],)),
    "reshape": (lambda x: np.expand_dims(x.reshape(1, 9).squeeze(0), 1), (S,)),
    "pick": (lambda x: np.roll(np.repeat(x, 2, axis=1), 1) + np.tile(x, 2), (S,)),
    "a function of its own": (lambda x: np.take(x, [2, 0], axis=1)[:, ::-1], (S,)),
    "fused": (lambda x: tg.log_softmax(tg.linear(x, W, activation="tanh")), (S,)),
    "one by one": (lambda x: np.convolve(x, [1.0, 2.0, 0.5]), (X,)),
}


@pytest.mark.parametrize("name", RULES)
def test_a_row_called_for_a_batch_is_the_row_called_for_each(name):
    f, stacks = RULES[name]
    expected = each(lambda *examples: f(*map(Tensor, examples)), *stacks)
    close(vmap(f)(*stacks), expected)


@pytest.mark.parametrize("name", [name for name in RULES if name != "first"])
def test_its_gradient_is_the_gradient_of_each(name):
    f, stacks = RULES[name]
    slope = grad(lambda x, *rest: np.sum(f(x, *rest) * np.pi))
    expected = each(lambda *examples: slope(*examples), *stacks)
    close(vmap(slope)(*stacks), expected)


def test_axes_may_be_given_as_a_list_or_tuple_for_each_part():
    found = vmap(lambda pair: pair[0] * pair[1], in_axes=([0, 1],))((X, X.T))
    close(found, X * X)


def test_an_empty_batch_has_no_example_to_try():
    with pytest.raises(OpError, match=r"convolve: has no rule(.|\n)*leave empty batches out"):
        vmap(lambda x: np.convolve(x, [1.0, 2.0]))(np.zeros((0, 3)))


def test_what_concerns_all_examples_at_once_is_refused_inside():
    for call in (lambda x: x.retain_grad(), lambda x: x.register_hook(print)):
        with pytest.raises(OpTypeError, match=r"inside vmap would concern all(.|\n)*test_vmap.py"):
            vmap(call)(X)


def test_an_assignment_of_another_shape_is_refused_inside():
    def widened(x):
        y = x * 1
        y += np.ones((2, 3))
        return y

    with pytest.raises(
        OpError, match=r"example of shape \(3,\) float64 cannot become(.|\n)*\(2, 3"
    ):
        vmap(widened)(X)


def test_methods_of_ufuncs_reach_the_rows_inside():
    close(vmap(lambda x: np.add.reduce(x))(X), X.sum(axis=1))


def test_gradients_inside_for_an_input_of_each_example():
    def slopes(x):
        y = x * x
        return gradients(np.sum(y), [x], create_graph=True)[0]

    w = Parameter(X)
    close(vmap(slopes)(w), 2 * X)


@pytest.mark.parametrize("made", [lambda: vjp(np.sin, X[0])[1], lambda: linearize(np.sin, X[0])[1]])
def test_a_pullback_belongs_to_the_map_it_was_made_in(made):
    with pytest.raises(OpTypeError, match="made outside of this vmap") as caught:
        vmap(made())(X)
    assert "inside the mapped function" in str(caught.value)


def test_a_merged_row_of_which_another_argument_moves_too_is_called_for_each(table):
    row = tg.op(
        lambda x, w: x * w, lambda g, _y, _x, w: g * w, lambda g, _y, x, _w: g * x, name="times",
        formula="x w", latex="x w", pattern="scale", signature="(n,m),(n,m)->(n,m)", batch="merge",
    )  # fmt: skip
    assert "times" in table
    close(vmap(row)(S, S[::-1]), S * S[::-1])
    close(vmap(grad(lambda x, w: row(x, w).sum(), 1))(S, S[::-1]), S)
