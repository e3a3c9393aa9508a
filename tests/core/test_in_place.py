"""``t[i] = v`` and ``t += u``: the right gradient for every name, or an error that teaches."""

import gc

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Parameter, Tensor, no_grad
from tinygrad_edu.core import tensor as engine
from tinygrad_edu.errors import OpError, OpTypeError


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


X = np.array([1.0, 2.0, 3.0])

# ------------------------------------------------------------------------------ right gradients


def test_assignment_takes_the_gradient_to_what_was_assigned():
    x, v = leaf(X), leaf(5.0)
    y = x * 2
    y[1] = v * v
    (y * [1.0, 10.0, 100.0]).sum().backward()
    np.testing.assert_array_equal(y.numpy(), [2, 25, 6])
    np.testing.assert_array_equal(x.grad, [2, 0, 200])
    assert v.grad == 100.0


@pytest.mark.hazard(8)
def test_what_was_computed_before_keeps_the_value_it_was_computed_of():
    x = leaf(X)
    y = x * 2
    before = y * y
    y[0] = 7.0
    y *= x
    (before.sum() + y.sum()).backward()
    np.testing.assert_array_equal(x.grad, 8 * X + [7, 4 * 2, 4 * 3])


@pytest.mark.parametrize(
    "index",
    [
        0,
        (slice(None), 1),
        (Ellipsis, None, 0),
        np.array([1, 0, 1]),
        np.array([True, False]),
        ([0, 1], [2, 2]),
        (slice(None, None, -1), slice(0, 2)),
    ],
    ids=str,
)
def test_assignment_is_numpys_with_every_index(index):
    a, b = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    x = leaf(a)
    y = x * b
    y[index] = -1.0
    expected = a.copy()
    expected[index] = -1.0
    np.testing.assert_array_equal(y.numpy(), expected)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, np.where(expected == -1, 0.0, 1.0))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda y, u: y.__iadd__(u), lambda y, u: y + u),
        (lambda y, u: y.__isub__(u), lambda y, u: y - u),
        (lambda y, u: y.__imul__(u), lambda y, u: y * u),
        (lambda y, u: y.__itruediv__(u), lambda y, u: y / u),
        (lambda y, u: y.__ipow__(u), lambda y, u: y**u),
    ],
)
def test_augmented_assignment_is_the_op_and_changes_the_object(change, expected):
    x, u = leaf(X), leaf(X[::-1].copy())
    y = x * 1.0
    same = change(y, u)
    assert same is y
    y.sum().backward()
    a, b = leaf(X), leaf(X[::-1].copy())
    expected(a * 1.0, b).sum().backward()
    np.testing.assert_array_equal(x.grad, a.grad)
    np.testing.assert_array_equal(u.grad, b.grad)


def test_all_names_of_an_object_see_the_change_as_with_an_array():
    x = leaf(X)
    y = x * 1.0
    z = y
    kept = [y]
    y += 1.0
    assert z is y
    assert kept[0] is y
    z.sum().backward()
    np.testing.assert_array_equal(x.grad, np.ones(3))


def test_a_loop_fills_a_tensor_step_by_step():
    a = leaf(0.5)
    states = Tensor(np.zeros(5))
    states[0] = 1.0
    for i in range(1, 5):
        before = states[i - 1]
        states[i] = before * a
    np.testing.assert_allclose(states.numpy(), 0.5 ** np.arange(5))
    states.sum().backward()
    np.testing.assert_allclose(a.grad, sum(k * 0.5 ** (k - 1) for k in range(5)))


def test_a_sum_is_gathered_with_augmented_assignment():
    x = leaf(X)
    total = Tensor(0.0)
    for k in range(3):
        total += x[k] * k
    total.backward()
    np.testing.assert_array_equal(x.grad, [0, 1, 2])


def test_second_derivatives_go_through_assignment():
    def f(x):
        y = x**3
        y[0] = x[1] ** 2 * x[0]
        y *= 2.0
        return np.sum(y)

    found = tg.hessian(f)(np.array([1.0, 2.0]))
    np.testing.assert_allclose(found.numpy(), [[0, 8], [8, 4 + 24]])


def test_the_dtype_and_shape_stay():
    y = leaf(np.ones(3, np.float32)) * 1
    y += np.ones(3)
    assert y.dtype == np.float32
    counts = Tensor([1, 2])
    counts += 1
    assert counts.dtype == np.int64
    with pytest.raises(OpTypeError, match="of dtype int64 cannot hold float64"):
        counts += 0.5
    with pytest.raises(OpError, match="of shape \\(3,\\) cannot become one of shape \\(2, 3\\)"):
        y += np.ones((2, 3))
    with pytest.raises(OpError, match="setitem"):
        y[0] = np.ones(2)
    np.testing.assert_array_equal(y.numpy(), [2, 2, 2])


# ------------------------------------------------------------------------------ refused


def refused(function, *words):
    with pytest.raises(OpTypeError) as caught:
        function()
    for word in (*words, "test_in_place.py", "fix:"):
        assert word in str(caught.value)


def test_a_leaf_is_not_changed_in_place():
    x = leaf(X)

    def assign():
        x[0] = 1.0

    def add():
        y = x
        y += 1.0

    refused(assign, "assignment: a leaf that requires a gradient", "x.data[index] = value")
    refused(add, "add: a leaf that requires a gradient")
    with no_grad():
        refused(add, "a leaf")
    np.testing.assert_array_equal(x.numpy(), X)
    p = Parameter(X)
    refused(lambda: p.__setitem__(0, 1.0), "a leaf")
    refused(lambda: p.__iadd__(1.0), "a parameter is not changed by +=")


@pytest.mark.hazard(9)
@pytest.mark.parametrize(
    "view",
    [
        lambda y: y[1:],
        lambda y: y[0:2].reshape(2, 1),
        lambda y: y.reshape(3, 1),
        lambda y: y[None],
        lambda y: np.flip(y),
        lambda y: np.expand_dims(y, 0),
        lambda y: y.T,
        lambda y: y[:, ...],
    ],
)
@pytest.mark.parametrize("constant", [False, True])
def test_a_view_and_its_tensor_cannot_be_written_while_both_live(view, constant):
    y = Tensor(X) * 1.0 if constant else leaf(X) * 1.0
    v = view(y)
    if not np.may_share_memory(v.numpy(), y.numpy()):
        pytest.skip("no view: NumPy or the row has copied")

    def through_view():
        v[...] = 0.0

    def under_view():
        y[...] = 0.0

    def augmented():
        w = v
        w += 1.0

    for write in (through_view, under_view, augmented):
        refused(write, "a view and the tensor it was taken from are both in use", ".copy()")
    np.testing.assert_array_equal(y.numpy(), X)
    own = v.copy()
    own += 1.0
    v = None
    gc.collect()  # the caught errors have seen it
    y[...] = 0.0
    assert not y.numpy().any()
    assert own.numpy().any()


@pytest.mark.hazard(9)
def test_a_view_of_a_view_is_known_after_the_one_between_is_gone():
    y = leaf(X) * 1.0
    v = y[:][1:]
    refused(lambda: v.__setitem__(0, 1.0), "view")
    refused(lambda: y.__setitem__(1, 1.0), "view")


def test_a_view_of_a_leaf_is_not_written():
    x = leaf(X)
    v = x[:2]
    refused(lambda: v.__setitem__(0, 1.0), "view")


def test_what_a_view_does_not_cover_may_be_written():
    y = leaf(X) * 1.0
    v = y[1:]
    y[0] = 5.0
    assert v.numpy().tolist() == [2.0, 3.0]
    assert y.numpy().tolist() == [5.0, 2.0, 3.0]


def test_a_view_whose_tensor_is_gone_may_be_written():
    x = leaf(X)
    v = (x * 2)[1:]
    v[0] = 0.0
    v.sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 2])


def test_views_are_forgotten_with_their_tensors():
    gc.collect()
    before = len(engine._related)
    y = leaf(X) * 1.0
    views = [y[1:], y.reshape(3, 1)]
    assert len(engine._related) == before + 3
    del views, y
    assert len(engine._related) == before


def test_numpys_own_in_place_forms_are_refused():
    a = np.zeros(3)

    def into_array():
        nonlocal a
        a += leaf(X)

    with pytest.raises(TypeError, match="write a = a \\+ t"):
        into_array()
    with pytest.raises(TypeError, match="out= cannot be honoured"):
        np.add(leaf(X), 1.0, out=a)


def test_an_element_of_a_tensor_may_be_changed_by_augmented_assignment():
    x, w = leaf(np.ones((2, 3))), leaf(X)
    z = x * 1.0
    z[0] += w
    z[:, -1] *= 2.0
    z[1, 1] -= w[0]
    (z * np.arange(6.0).reshape(2, 3)).sum().backward()
    np.testing.assert_array_equal(z.numpy(), [[2, 3, 8], [1, 0, 2]])
    np.testing.assert_array_equal(w.grad, [-4, 1, 4])
    np.testing.assert_array_equal(x.grad, [[0, 1, 4], [3, 4, 10]])


def test_what_a_tensor_cannot_hold_is_not_cut_off():
    w = leaf(X)
    counts, reals = Tensor(np.zeros((2, 3), int)), Tensor(np.zeros(3))
    refused(lambda: counts.__setitem__(0, w * 1.7), "dtype int64 cannot hold float64 values")
    refused(lambda: reals.__setitem__(..., w * 1j), "dtype float64 cannot hold complex128 values")
    counts[0] = np.array([1, 2, 3])
    np.testing.assert_array_equal(counts.numpy(), [[1, 2, 3], [0, 0, 0]])


def test_a_kept_gradient_is_that_of_the_name():
    a = (leaf(X) * 2).retain_grad()
    a += 1.0
    (a * a).sum().backward()
    np.testing.assert_array_equal(a.grad, 2 * (2 * X + 1))
