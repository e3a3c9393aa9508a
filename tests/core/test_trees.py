"""Trees: nested dicts, lists and tuples in and out of every transform."""

from collections import namedtuple

import numpy as np
import pytest

from tinygrad_edu import (
    Tensor,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    value_and_grad,
    vhp,
    vjp,
    vmap,
)
from tinygrad_edu.core.tree import flatten, matching
from tinygrad_edu.errors import GradientError, GradientTypeError

Layer = namedtuple("Layer", ["w", "b"])
RNG = np.random.default_rng(0)
W, B, X = RNG.normal(size=(3, 2)), RNG.normal(size=2), RNG.normal(size=(4, 3))
PARAMS = {"first": Layer(W, B), "scale": [2.0, (X[0], None)]}


def loss(params, x):
    layer, (scale, (shift, nothing)) = params["first"], params["scale"]
    assert nothing is None
    return np.sum(np.tanh((x + shift) @ layer.w + layer.b) * scale)


def numbers(tree):
    """All leaves of a tree in one vector."""
    return np.concatenate([np.ravel(np.asarray(leaf)) for leaf in flatten(tree)[0]])


def on_vector(f, tree):
    """The function of one vector that `f` is when its tree is cut out of it."""
    leaves, rebuild = flatten(tree)
    shapes = [np.shape(leaf) for leaf in leaves]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()

    def of(vector):
        parts = [
            np.reshape(vector[a:b], shape)
            for a, b, shape in zip([0, *ends], ends, shapes, strict=False)
        ]
        return f(rebuild(parts))

    return of


FLAT = on_vector(lambda p: loss(p, X), PARAMS)
POINT = numbers(PARAMS)
VECTOR = np.random.default_rng(1).normal(size=POINT.size)


def as_tree(vector):
    leaves, rebuild = flatten(PARAMS)
    ends = np.cumsum([np.size(leaf) for leaf in leaves]).tolist()
    return rebuild(
        [
            np.reshape(vector[a:b], np.shape(leaf))
            for leaf, a, b in zip(leaves, [0, *ends], ends, strict=False)
        ]
    )


def test_a_gradient_has_the_containers_of_its_argument():
    found = grad(loss)(PARAMS, X)
    assert set(found) == {"first", "scale"}
    assert isinstance(found["first"], Layer)
    assert isinstance(found["scale"], list)
    assert found["scale"][1][1] is None
    assert found["scale"][0].shape == ()
    np.testing.assert_allclose(numbers(found), grad(FLAT)(POINT).numpy(), rtol=1e-13)


def test_the_value_comes_beside_it_and_several_arguments_in_a_tuple():
    value, (by_params, by_x) = value_and_grad(loss, (0, 1))(PARAMS, X)
    assert value.item() == loss(PARAMS, X)
    np.testing.assert_allclose(numbers(by_params), grad(FLAT)(POINT).numpy(), rtol=1e-13)
    assert by_x.shape == X.shape


def test_others_may_come_beside_the_value():
    def both(params, x):
        y = loss(params, x)
        return y, {"twice": 2 * y, "name": "loss"}

    (value, other), slopes = value_and_grad(both, has_aux=True)(PARAMS, X)
    assert other["name"] == "loss"
    assert other["twice"].item() == 2 * value.item()
    assert not other["twice"].requires_grad
    again, aux = grad(both, has_aux=True)(PARAMS, X)
    np.testing.assert_array_equal(numbers(again), numbers(slopes))
    assert aux["twice"].item() == 2 * value.item()
    with pytest.raises(GradientError, match="returns \\(scalar, other\\), not a Tensor"):
        grad(lambda p: p, has_aux=True)(1.0)


@pytest.mark.parametrize("product", [hvp, vhp])
def test_a_hessian_times_a_tree_is_a_tree(product):
    found = product(lambda p: loss(p, X), PARAMS, as_tree(VECTOR))
    expected = hessian(FLAT)(POINT).numpy() @ VECTOR
    assert isinstance(found["first"], Layer)
    np.testing.assert_allclose(numbers(found), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("product", [hvp, vhp])
def test_several_arguments_stand_in_a_tuple(product):
    f = lambda a, b: np.sum(a["x"] ** 2 * b)
    by_a, by_b = product(f, ({"x": [1.0, 2.0]}, 3.0), ({"x": [1.0, 0.0]}, 1.0))
    np.testing.assert_allclose(by_a["x"].numpy(), [2 * 3 + 2, 4])
    assert by_b.item() == 2.0


def several(params):
    y = np.tanh(params["first"].w * params["scale"][0])
    return {"y": y, "more": [y.sum(), params["first"].b]}


def test_a_pullback_takes_a_tree_like_the_value():
    value, pullback = vjp(several, PARAMS)
    assert set(value) == {"y", "more"}
    cotangent = {"y": np.ones((3, 2)), "more": [2.0, np.array([1.0, 0.0])]}
    (found,) = pullback(cotangent)
    whole = on_vector(lambda p: several(p)["y"].sum() * 3 + p["first"].b[0], PARAMS)
    np.testing.assert_allclose(numbers(found), grad(whole)(POINT).numpy(), rtol=1e-12)
    (again,) = pullback(cotangent)
    np.testing.assert_array_equal(numbers(again), numbers(found))


def test_forward_mode_pushes_trees_and_is_dual_to_the_pullback():
    tangents = as_tree(VECTOR)
    value, moved = jvp(several, (PARAMS,), (tangents,))
    assert list(moved) == list(value) == ["y", "more"]
    cotangent = {"y": W, "more": [0.5, B]}
    (pulled,) = vjp(several, PARAMS)[1](cotangent)
    np.testing.assert_allclose(
        numbers(moved) @ numbers(cotangent), numbers(pulled) @ VECTOR, rtol=1e-12
    )


def test_linearize_runs_the_function_once():
    calls = []

    def f(params):
        calls.append(1)
        return several(params)

    value, push = linearize(f, PARAMS)
    for seed in range(3):
        tangents = as_tree(np.random.default_rng(seed).normal(size=POINT.size))
        expected = jvp(several, (PARAMS,), (tangents,))
        np.testing.assert_allclose(numbers(push(tangents)), numbers(expected[1]), rtol=1e-13)
        np.testing.assert_array_equal(numbers(value), numbers(expected[0]))
    assert len(calls) == 1
    assert not value["y"].requires_grad


@pytest.mark.parametrize("mode", ["auto", "reverse", "forward"])
def test_a_jacobian_of_trees_is_a_tree_of_blocks(mode):
    f = lambda p: {"y": np.sin(p["a"]) * p["b"], "z": p["a"][0]}
    found = jacobian(f, mode=mode)({"a": np.array([0.5, 1.0]), "b": 2.0})
    np.testing.assert_allclose(found["y"]["a"].numpy(), np.diag(2 * np.cos([0.5, 1.0])))
    np.testing.assert_allclose(found["y"]["b"].numpy(), np.sin([0.5, 1.0]))
    np.testing.assert_allclose(found["z"]["a"].numpy(), [1.0, 0.0])
    assert found["z"]["b"].item() == 0.0


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_jacobian_with_respect_to_several_arguments_is_a_tuple(mode):
    f = lambda a, b: a[:, None] * b
    by_a, by_b = jacobian(f, (0, 1), mode=mode)(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]))
    assert by_a.shape == (2, 3, 2)
    assert by_b.shape == (2, 3, 3)
    np.testing.assert_allclose(by_a.numpy()[1], [[0, 3], [0, 4], [0, 5]])
    np.testing.assert_allclose(by_b.numpy()[1], 2 * np.eye(3))


def test_a_hessian_of_a_tree_is_a_tree_of_trees():
    found = hessian(lambda p: np.sum(p["a"] ** 2) * p["b"])({"a": np.array([1.0, 2.0]), "b": 3.0})
    np.testing.assert_allclose(found["a"]["a"].numpy(), 6 * np.eye(2))
    np.testing.assert_allclose(found["a"]["b"].numpy(), [2, 4])
    np.testing.assert_allclose(found["b"]["a"].numpy(), [2, 4])
    assert found["b"]["b"].item() == 0


def test_gradients_of_several_outputs_are_added_up():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y, z = x * x, np.sin(x)
    (found,) = gradients([y, z], [x], [np.array([1.0, 10.0]), np.array([1.0, 0.0])])
    np.testing.assert_allclose(found.numpy(), [2 + np.cos(1.0), 40])
    total = x.sum()
    (twice,) = gradients([total, total], [x])
    np.testing.assert_array_equal(twice.numpy(), [2.0, 2.0])
    with pytest.raises(GradientError, match="2 outputs but 1 seeds"):
        gradients([x.sum(), x.sum()], [x], [1.0])
    with pytest.raises(GradientTypeError, match="the output is a ndarray"):
        gradients([np.ones(2)], [x])


def test_a_list_of_numbers_is_an_array_as_everywhere_in_numpy():
    np.testing.assert_array_equal(grad(lambda x: np.sum(x**2))([1.0, 2.0]).numpy(), [2.0, 4.0])
    np.testing.assert_array_equal(
        grad(lambda x: np.sum(x**2))([[1.0], [np.float32(2)]]).numpy(), [[2.0], [4.0]]
    )
    value, pullback = vjp(lambda a: (a, 2 * a), 1.0)
    assert isinstance(value, tuple)
    assert pullback((1.0, 10.0))[0].item() == 21.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: jvp(several, (PARAMS,), ({"first": W},)),
            "a dict with the keys 'first' was given",
        ),
        (lambda: jvp(lambda p: p["a"], ({"a": 1.0},), (1.0,)), "one float was given where a dict"),
        (lambda: vjp(lambda p: (p, p), 1.0)[1]((1.0, 2.0, 3.0)), "a tuple of 3 was given where"),
        (lambda: vjp(lambda p: [p, (p, p)], 1.0)[1]([1.0, (1.0, None, 2)]), "at [1]"),
        (lambda: grad(lambda p: (p, p))(1.0), "returned a tuple of 2 values, a gradient needs one"),
        (lambda: grad(lambda p: None)(1.0), "returned nothing"),  # noqa: ARG005 - the point
        (lambda: grad(lambda p: p["a"])({"a": W}), "returned shape (3, 2)"),
        (lambda: hessian(lambda p: p)(W), "hessian: the function returned shape (3, 2)"),
    ],
)
def test_trees_that_do_not_fit_are_refused_with_the_place(call, words):
    with pytest.raises(GradientError) as caught:
        call()
    assert words in str(caught.value)
    assert "test_trees.py" in str(caught.value)


def test_a_leaf_that_cannot_carry_a_gradient_is_refused():
    with pytest.raises(GradientTypeError, match="int64 values"):
        grad(lambda p: np.sum(p["a"]))({"a": np.array([1, 2])})
    with pytest.raises(GradientTypeError, match="returned a float, not a tensor"):
        vjp(lambda p: {"a": p, "b": 3.0}, 1.0)


def test_trees_of_dicts_match_in_any_order_of_keys():
    assert matching({"b": 2, "a": 1}, {"a": 0, "b": 0}, "test") == [1, 2]
    _, moved = jvp(lambda p: p["a"] * p["b"], ({"a": 2.0, "b": 3.0},), ({"b": 1.0, "a": 0.0},))
    assert moved.item() == 2.0


def test_vmap_maps_over_trees():
    batch = {"a": np.arange(6.0).reshape(3, 2), "b": np.ones(3)}
    found = vmap(lambda p: {"s": np.sum(p["a"]) * p["b"], "c": (p["b"],)})(batch)
    np.testing.assert_array_equal(found["s"].numpy(), [1, 5, 9])
    np.testing.assert_array_equal(found["c"][0].numpy(), [1, 1, 1])
