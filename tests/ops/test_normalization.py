"""Normalisation against slow loops, at the edges, and in float32."""

import itertools

import numpy as np
import pytest

from tinygrad_edu import ops
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import hvp
from tinygrad_edu.errors import OpError


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def gradients_of(function, *arrays, seed=5):
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    y = function(*tensors)
    (y * draw(*y.shape, seed=seed)).sum().backward()
    return y.numpy(), [t.grad for t in tensors]


def by_loops(x, sets, eps):
    """Normalise each set of places of x on its own."""
    y = np.empty_like(x)
    for places in sets:
        numbers = [x[place] for place in places]
        mean = sum(numbers) / len(numbers)
        var = sum((v - mean) ** 2 for v in numbers) / len(numbers)
        for place in places:
            y[place] = (x[place] - mean) / (var + eps) ** 0.5
    return y


def sets_of(shape, key):
    """The places of an array, gathered by a key of their index."""
    found = {}
    for place in itertools.product(*map(range, shape)):
        found.setdefault(key(place), []).append(place)
    return found.values()


# ------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("row", "shape", "key", "param_axes"),
    [
        (ops.batch_norm, (5, 3), lambda i: i[1], (1,)),
        (ops.batch_norm, (4, 3, 2, 2), lambda i: i[1], (1,)),
        (lambda x, s, b: ops.batch_norm(x, s, b, axis=-1), (4, 2, 3), lambda i: i[2], (2,)),
        (ops.layer_norm, (4, 3), lambda i: i[0], (1,)),
        (
            lambda x, s, b: ops.layer_norm(x, s, b, axis=(1, 2)),
            (4, 3, 2),
            lambda i: i[0],
            (1, 2),
        ),
        (lambda x, s, b: ops.layer_norm(x, s, b, axis=0), (4, 3), lambda i: i[1], (0,)),
        (
            lambda x, s, b: ops.group_norm(x, 2, s, b),
            (3, 4, 2),
            lambda i: (i[0], i[1] // 2),
            (1,),
        ),
        (ops.instance_norm, (3, 4, 5), lambda i: i[:2], (1,)),
    ],
)
def test_values_are_those_of_loops(row, shape, key, param_axes):
    x = draw(*shape) * 3 + 1
    own = tuple(shape[i] for i in param_axes)
    scale, shift = draw(*own, seed=1), draw(*own, seed=2)
    wide = tuple(n if i in param_axes else 1 for i, n in enumerate(shape))
    expected = by_loops(x, sets_of(shape, key), 1e-5)
    np.testing.assert_allclose(row(x, None, None), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        row(x, scale, shift),
        expected * scale.reshape(wide) + shift.reshape(wide),
        rtol=1e-10,
        atol=1e-12,
    )


def test_root_mean_square():
    x, scale = draw(4, 3), draw(3, seed=1)
    expected = x / np.sqrt((x**2).sum(axis=1, keepdims=True) / 3 + 0.01) * scale
    np.testing.assert_allclose(ops.rms_norm(x, scale, eps=0.01), expected, rtol=1e-12)


def test_standardised_weights_have_mean_0_and_deviation_1():
    weight = draw(4, 3, 2, 2) * 7 + 2
    y = ops.standardize(weight, axis=(1, 2, 3), eps=0.0)
    np.testing.assert_allclose(y.mean(axis=(1, 2, 3)), 0, atol=1e-14)
    np.testing.assert_allclose(y.std(axis=(1, 2, 3)), 1, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_local_response_by_loops(size):
    x, expected = draw(2, 6, 3), np.empty((2, 6, 3))
    for n, c, i in np.ndindex(2, 6, 3):
        near = [k for k in range(c - size // 2, c - size // 2 + size) if 0 <= k < 6]
        total = sum(x[n, k, i] ** 2 for k in near)
        expected[n, c, i] = x[n, c, i] / (2 + 0.3 / size * total) ** 0.6
    found = ops.local_response_norm(x, size=size, alpha=0.3, beta=0.6, k=2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, np.inf])
@pytest.mark.parametrize("factor", [1.0, 1e-300, 1e300])
def test_lengths_are_one_at_any_size(p, factor):
    x = draw(4, 3)
    expected = x / np.linalg.norm(x, ord=p, axis=-1, keepdims=True) if p != 1.5 else None
    found = ops.normalize(x * factor, p)
    if expected is not None:
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    power = np.abs(found).max(-1) if p == np.inf else (np.abs(found) ** p).sum(-1)
    np.testing.assert_allclose(power, 1, rtol=1e-12)


# ------------------------------------------------------------------------------ statistics given


def test_given_statistics_are_used_and_have_gradients():
    x, scale, shift = draw(4, 3), draw(3, seed=1), draw(3, seed=2)
    mean, var = draw(3, seed=3), draw(3, seed=4) ** 2 + 0.1
    y, (dx, _, _, dmean, dvar) = gradients_of(ops.batch_norm, x, scale, shift, mean, var)
    rate = 1 / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(y, (x - mean) * rate * scale + shift, rtol=1e-12)
    g = draw(4, 3, seed=5)
    np.testing.assert_allclose(dx, g * rate * scale, rtol=1e-12)
    np.testing.assert_allclose(dmean, -(g * rate * scale).sum(0), rtol=1e-12)
    np.testing.assert_allclose(
        dvar, (g * scale * (x - mean) * -0.5 * rate**3).sum(0), rtol=1e-11, atol=1e-13
    )


def test_one_statistic_without_the_other_is_refused():
    with pytest.raises(OpError, match="go together"):
        ops.batch_norm(draw(4, 3), mean=np.zeros(3))


# ------------------------------------------------------------------------------ edges


def test_a_batch_of_one_is_the_shift_and_has_no_gradient():
    x, scale, shift = draw(1, 3), draw(3, seed=1), draw(3, seed=2)
    y, (dx, dscale, _) = gradients_of(ops.batch_norm, x, scale, shift)
    np.testing.assert_array_equal(y, shift[None])
    assert not dx.any()
    assert not dscale.any()


@pytest.mark.parametrize(
    "row",
    [ops.batch_norm, ops.layer_norm, ops.rms_norm, lambda x: ops.group_norm(x, 1)],
    ids=["batch", "layer", "rms", "group"],
)
@pytest.mark.parametrize("value", [0.0, 3.0, 1e30, -1e300])
def test_equal_numbers_give_no_nan_at_any_order(row, value):
    x = np.full((4, 3), value)
    with np.errstate(over="ignore"):  # 1e300 squared, in the root mean square
        y, (dx,) = gradients_of(row, x)
        second = hvp(lambda x: (row(x) ** 2).sum(), x, draw(4, 3)).numpy()
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    if abs(value) < 1e100:
        assert np.isfinite(second).all()


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, np.inf])
def test_a_zero_vector_stays_zero_with_gradient_zero_at_any_order(p):
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    y, (dx,) = gradients_of(lambda x: ops.normalize(x, p), x)
    assert not y[0].any()
    assert not dx[0].any()
    second = hvp(lambda x: (ops.normalize(x, p) ** 3).sum(), x, np.ones((2, 2))).numpy()
    assert np.isfinite(second).all()
    assert not second[0].any()


def test_the_gradient_is_orthogonal_to_what_does_not_change_the_value():
    x = draw(5, 4)
    _, (dx,) = gradients_of(lambda x: ops.layer_norm(x, eps=0.0), x)
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-13)
    np.testing.assert_allclose((dx * x).sum(axis=1), 0, atol=1e-13)


@pytest.mark.parametrize(
    ("row", "shape", "axes"),
    [
        (ops.batch_norm, (20_000, 2), 0),
        (ops.layer_norm, (3, 20_000), 1),
        (lambda x: ops.group_norm(x, 1), (3, 2, 10_000), (1, 2)),
    ],
)
def test_float32_far_from_zero(row, shape, axes):
    x = (draw(*shape) + 4000).astype(np.float32)
    wide = x.astype(np.float64)
    var = wide.var(axes, keepdims=True)
    expected = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(var + 1e-5)
    y, (dx,) = gradients_of(row, x)
    assert y.dtype == dx.dtype == np.float32
    np.testing.assert_allclose(y, expected, atol=2e-5)
    _, (precise,) = gradients_of(row, wide)
    np.testing.assert_allclose(dx, precise, atol=3e-5)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.batch_norm(draw(4, 3), np.ones(4)), "scale"),
        (lambda: ops.layer_norm(draw(4, 3), None, np.ones(4)), "shift"),
        (lambda: ops.layer_norm(draw(4, 3), axis=2), "no axes"),
        (lambda: ops.layer_norm(draw(4, 3), axis=()), "no axes"),
        (lambda: ops.layer_norm(draw(4, 3), eps=-1.0), "eps"),
        (lambda: ops.rms_norm(draw(4, 3), eps=np.nan), "eps"),
        (lambda: ops.group_norm(draw(4, 3), 2), "equal groups"),
        (lambda: ops.group_norm(draw(4), 2), "equal groups"),
        (lambda: ops.instance_norm(draw(4)), "equal groups"),
        (lambda: ops.local_response_norm(draw(4, 3), size=0), "size"),
        (lambda: ops.normalize(draw(4, 3), 0.5), "norm"),
    ],
)
def test_what_does_not_go_is_refused(call, text):
    with pytest.raises(OpError, match=text):
        call()


def test_complex_numbers_are_normalised_by_their_sizes():
    z = draw(3, 4, 2) + 1j * draw(3, 4, 2, seed=1)
    size = np.abs(z)
    length = np.sqrt(np.sum(size**2, axis=1, keepdims=True))
    np.testing.assert_allclose(ops.normalize(z, axis=1), z / length, rtol=1e-13)
    away = z - z.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.mean(np.abs(away) ** 2, axis=1, keepdims=True))
    np.testing.assert_allclose(ops.standardize(z, 1, 0.0), away / deviation, rtol=1e-13)
    found = ops.local_response_norm(z, size=1, alpha=0.5)
    np.testing.assert_allclose(found, z / (1 + 0.5 * size**2) ** 0.75, rtol=1e-13)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 2, 3), (2, 2, 0)])
def test_empty_arrays(shape):
    for row in (ops.batch_norm, ops.layer_norm, ops.rms_norm, ops.normalize):
        y, (dx,) = gradients_of(row, np.zeros(shape))
        assert y.shape == dx.shape == shape
    scale = np.ones(shape[-1])
    _, (_, dscale) = gradients_of(ops.layer_norm, np.zeros(shape), scale)
    assert not dscale.any()
