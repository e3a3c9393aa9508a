"""`Function`, the class form of a user's op, and `checkpoint`, which computes twice."""

import gc
import tracemalloc

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import (
    Function,
    Parameter,
    Tensor,
    checkpoint,
    enable_grad,
    grad,
    gradcheck,
    gradgradcheck,
    gradients,
    hessian,
    hvp,
    jvp,
    no_grad,
    vmap,
)
from tinygrad_edu.errors import GradientError, OpTypeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3))


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


# ------------------------------------------------------------------------------ Function


class Power(Function):
    """x to a whole power."""

    @staticmethod
    def forward(ctx, x, n):
        ctx.save_for_backward(x)
        ctx.n = n
        return x**n

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return ctx.n * x ** (ctx.n - 1) * g, None


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = np.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Scale(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        seen.append(ctx.needs_input_grad)
        by_x = g * w if ctx.needs_input_grad[0] else None
        return by_x, np.sum(g * x, axis=0)


seen: list = []


def test_gradients_of_first_and_higher_order():
    x = leaf(X)
    Power.apply(x, 3).sum().backward()
    np.testing.assert_allclose(x.grad, 3 * X**2)
    third = grad(grad(grad(lambda x: Power.apply(x, 4))))(2.0)
    assert third.item() == 48.0
    gradcheck(lambda x: np.sin(Power.apply(x, 3)), X)
    gradgradcheck(lambda x: np.sin(Exp.apply(x)), X)
    np.testing.assert_allclose(
        hessian(lambda x: Exp.apply(x).sum())([0.5]).numpy(), np.exp([[0.5]])
    )


def test_forward_mode_and_vmap():
    np.testing.assert_allclose(jvp(Exp.apply, (X,), (X,))[1].numpy(), np.exp(X) * X)
    np.testing.assert_allclose(hvp(lambda x: np.sum(Power.apply(x, 3)), X, X).numpy(), 6 * X**2)
    np.testing.assert_allclose(vmap(grad(lambda x: Power.apply(x, 3).sum()))(X).numpy(), 3 * X**2)


def test_only_wanted_cotangents_are_asked_for():
    seen.clear()
    w = leaf(np.ones(3))
    Scale.apply(X, w).sum().backward()
    assert seen == [(False, True)]
    np.testing.assert_allclose(w.grad, X.sum(axis=0))


def test_it_computes_on_arrays_and_gives_constants_without_a_gradient():
    kinds = []

    class Look(Function):
        @staticmethod
        def forward(ctx, x, *rest):  # noqa: ARG004 - the form is given
            kinds.append(type(x))
            return np.asarray(x) * 1.0

    y = Look.apply(Tensor(X))
    assert isinstance(y, Tensor)
    assert not y.requires_grad
    with no_grad():
        assert not Look.apply(leaf(X), 1, 2).requires_grad
    assert kinds == [np.ndarray, np.ndarray]
    with pytest.raises(NotImplementedError, match="needs a static method backward"):
        Look.apply(leaf(X)).sum().backward()
    with pytest.raises(NotImplementedError, match="needs a static method forward"):
        Function.apply(leaf(X))


def test_the_node_knows_name_and_arguments():
    y = Power.apply(leaf(X), 3)
    assert y.node.op.name == "Power"
    assert y.node.op.arguments == ("x", "n")
    assert y.node.op.doc == "x to a whole power."
    assert "Power" not in tg.OPS


@pytest.mark.hazard(32)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda _ctx, g: (g, g), "backward returned 2 cotangents for 1 arguments"),
        (lambda _ctx, g: g[:1], "its rule returned a cotangent of shape (1, 3)"),
        (lambda _ctx, g: g.sum(axis=0), "its rule returned a cotangent of shape (3,)"),
    ],
)
def test_a_wrong_backward_is_refused(wrong, words):
    kind = type(
        "Wrong",
        (Function,),
        {"forward": staticmethod(lambda _ctx, x: x * 1.0), "backward": staticmethod(wrong)},
    )
    x = leaf(X)
    with pytest.raises(GradientError) as caught:
        kind.apply(x).sum().backward()
    assert words in str(caught.value)
    assert x.grad is None


def test_a_forward_that_returns_no_array_is_refused():
    kind = type("Pair", (Function,), {"forward": staticmethod(lambda _ctx, x: (x, x))})
    with pytest.raises(OpTypeError, match="forward returned a tuple, not one array"):
        kind.apply(leaf(X))


@pytest.mark.parametrize("where", ["saved", "attribute"])
def test_a_second_derivative_through_a_saved_intermediate_is_refused(where):
    class Hidden(Function):
        @staticmethod
        def forward(ctx, x):
            slope = 2 * x
            if where == "saved":
                ctx.save_for_backward(slope)
            else:
                ctx.slope = slope
            return x * x

        @staticmethod
        def backward(ctx, g):
            slope = ctx.saved_tensors[0] if where == "saved" else ctx.slope
            return g * slope

    x = leaf(X)
    Hidden.apply(x).sum().backward()
    np.testing.assert_allclose(x.grad, 2 * X)
    with pytest.raises(GradientError, match="neither an argument nor the result"):
        hessian(lambda x: Hidden.apply(x).sum())(X)


# ------------------------------------------------------------------------------ checkpoint

W = RNG.normal(size=(3, 3))


def layers(x, w):
    """A function of two tensors that returns two."""
    h = np.tanh(x @ w)
    return h, (np.sin(h * x).sum(axis=0) * w[0],)


def total(x, w, f):
    a, (b,) = f(x * 2, w)
    return (a * x).sum() + (b**2).sum()


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: grad(f, (0, 1))(X, W),
        lambda f: jvp(f, (X, W), (X, W)),
        lambda f: hvp(f, (X, W), (X, W)),
        lambda f: grad(lambda x, w: np.sum(grad(f)(x, w) ** 2), (0, 1))(X, W),
        lambda f: jvp(grad(f, 1), (X, W), (X, W)),
    ],
)
def test_every_derivative_is_that_of_the_plain_function(derivative):
    plain = derivative(lambda x, w: total(x, w, layers))
    twice = derivative(lambda x, w: total(x, w, checkpoint(layers)))
    for a, b in zip(plain, twice, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12)


def test_parameters_that_the_function_uses_get_their_gradients_backward_and_recorded():
    def gradients_of(f):
        x, w = leaf(X), Parameter(W)
        inner = w * 2  # computed outside, and used inside beside w itself
        loss = total(x, w, lambda x, w: f(lambda x: layers(x, w + inner))(x))
        (by_w, by_x) = gradients(loss, [w, x], create_graph=True)
        second = gradients((by_w**2).sum() + (by_x**2).sum(), [w, x], retain_graph=True)
        loss.backward()
        return [w.grad, x.grad, *(g.numpy() for g in second)]

    for a, b in zip(gradients_of(lambda f: f), gradients_of(checkpoint), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-11)


def test_what_is_inside_is_not_kept():
    def deep(x):
        for _ in range(50):
            x = np.sin(x)
        return x

    def peak(f):
        x = leaf(np.ones(20_000))
        gc.collect()
        tracemalloc.start()
        y = f(x)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        y.sum().backward()
        return kept, x.grad

    (plain, expected), (light, found) = peak(deep), peak(checkpoint(deep))
    np.testing.assert_array_equal(found, expected)
    assert plain > 40 * 160_000
    assert light < 4 * 160_000


def test_a_draw_inside_is_repeated_or_refused():
    rng = np.random.default_rng(1)

    def noisy(x):
        return x * rng.random(x.shape)

    x = leaf(X)
    with pytest.raises(GradientError, match="gave another result"):
        checkpoint(noisy)(x).sum().backward()
    assert x.grad is None
    f = checkpoint(noisy, generators=[rng])
    y = f(x)
    state = rng.bit_generator.state
    y.sum().backward()
    np.testing.assert_allclose(x.grad, y.numpy() / X)
    assert rng.bit_generator.state == state


def test_a_value_changed_between_the_passes_is_refused():
    w = Parameter(W)
    y = checkpoint(lambda x: np.tanh(x @ w))(leaf(X)).sum()
    w.data = W * 2
    with pytest.raises(GradientError, match="changed after this op recorded it"):
        y.backward()


def test_a_name_rebound_between_the_passes_changes_nothing():
    x = leaf(X)
    h = x * 1.0
    y = checkpoint(lambda h: h * h)(h)
    h += 5.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad, 2 * X)


def test_it_is_transparent_where_nothing_is_recorded():
    f = checkpoint(lambda x: {"y": np.sin(x)})
    with no_grad():
        assert not f(leaf(X))["y"].requires_grad
    assert not f(Tensor(X))["y"].requires_grad
    np.testing.assert_allclose(vmap(grad(lambda x: f(x)["y"].sum()))(X).numpy(), np.cos(X))
    with pytest.raises(OpTypeError, match="tensors of several dtypes"):
        checkpoint(lambda x: (x * 1.0, x.astype(np.float32)))(leaf(X))


def test_checkpoints_nest():
    inner = checkpoint(lambda x: np.sin(x) * x)
    outer = checkpoint(lambda x: inner(np.tanh(x)) + inner(x))
    plain = lambda x: np.sum(np.sin(np.tanh(x)) * np.tanh(x) + np.sin(x) * x)
    np.testing.assert_allclose(
        grad(lambda x: outer(x).sum())(X).numpy(), grad(plain)(X).numpy(), rtol=1e-13
    )
    x = leaf(X)
    outer(x).sum().backward()
    np.testing.assert_allclose(x.grad, grad(plain)(X).numpy(), rtol=1e-13)


# ------------------------------------------------------------------------------ declarations


def test_every_declaration_can_be_written_over_a_function(table):
    facts = {"formula": "f", "latex": "f", "pattern": "scale"}

    @tg.elementwise(factors=lambda _y, x: 3 * x**2, **facts)
    def cubed(x):
        """x to the third power."""
        return x**3

    @tg.linear_op(transposes=lambda g, _y, _x: doubled(g), signature="()->()", **facts)
    def doubled(x):
        return x + x

    @tg.op(vjps=(lambda g, _y, _a, b: g * b, lambda g, _y, a, _b: g * a), signature="", **facts)
    def product(a, b):
        return a * b

    @tg.fused(
        joint=lambda g, _y, saved, _x, *, wanted, **_rest: [g * saved if wanted[0] else None],
        composite=lambda x: np.exp(x),
        signature="()->()",
        **facts,
    )
    def exponential(x):
        y = np.exp(x)
        return y, y

    @tg.composite(signature="()->()", **facts)
    def tower(x):
        return exponential(cubed(x))

    assert table["cubed"] is cubed
    assert cubed.doc == "x to the third power."
    assert [row.kind for row in (cubed, doubled, product, exponential, tower)] == [
        "elementwise",
        "linear",
        "op",
        "fused",
        "composite",
    ]
    for f in (cubed, doubled, lambda x: product(x, np.sin(x)), exponential, tower):
        gradgradcheck(f, np.array([0.3, 0.5]))


def test_a_checkpoint_recorded_as_one_node_is_pushed_forward_as_its_steps():
    def inside(x):
        with no_grad(), enable_grad():  # which forgets that every step was to be recorded
            return checkpoint(np.tanh)(x)

    x, t = np.array([0.5, 1.0]), np.array([1.0, 2.0])
    slope = 1 - np.tanh(x) ** 2
    np.testing.assert_allclose(jvp(inside, (x,), (t,))[1].numpy(), t * slope)
    found = grad(lambda u: jvp(inside, (u,), (t,))[1].sum())(x)
    np.testing.assert_allclose(found.numpy(), -2 * np.tanh(x) * slope * t)
