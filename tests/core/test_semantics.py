"""The fixed semantics: accumulation, freeing, dtypes, ties, repeated indices, masked nan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_edu.ops as ops
from tinygrad_edu.core.op import elementwise, get_op
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.core.transforms import grad, gradients, hessian, jvp
from tinygrad_edu.errors import FreedGraphError, GradientTypeError, OpTypeError

MODERATE = st.floats(-100, 100, width=32)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


# ------------------------------------------------------------------------------ accumulation


def test_backward_adds_into_grad():
    w = leaf([1.0, 2.0])
    (w * w).sum().backward()
    (3.0 * w).sum().backward()
    np.testing.assert_array_equal(w.grad, [5.0, 7.0])


@pytest.mark.hazard(1)
def test_a_tensor_used_twice_gets_both_gradients():
    w = leaf(3.0)
    (w * w + w).backward()
    assert w.grad == 7.0


def test_only_leaves_that_want_a_gradient_get_one():
    w, x = leaf(3.0), Tensor(2.0)
    y = w * x
    y.backward()
    assert w.grad == 2.0
    assert x.grad is None
    assert y.grad is None


def test_a_leaf_is_its_own_gradient_graph():
    w = leaf(3.0)
    w.backward()
    w.backward()
    assert w.grad == 2.0


def test_gradients_leaves_every_grad_alone():
    w = leaf([1.0, 2.0])
    (found,) = gradients((w * w).sum(), [w])
    np.testing.assert_array_equal(found.numpy(), [2.0, 4.0])
    assert w.grad is None


@pytest.mark.hazard(6)
def test_grad_is_owned_and_writable():
    w = leaf(np.ones((2, 3)))
    w.sum().backward()  # the gradient of a sum is a read-only broadcast before it is deposited
    assert w.grad.flags.writeable
    assert w.grad.flags.owndata
    w.grad *= 10
    np.testing.assert_array_equal(w.grad, np.full((2, 3), 10.0))


@pytest.mark.hazard(6)
def test_gradients_share_memory_with_nothing():
    a, b, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.array([5.0, 6.0])
    y = a + b
    y.backward(seed)
    for first, second in [(a.grad, b.grad), (a.grad, seed), (b.grad, seed), (a.grad, a.numpy())]:
        assert not np.shares_memory(first, second)
    a.grad *= 10
    np.testing.assert_array_equal(b.grad, [5.0, 6.0])
    np.testing.assert_array_equal(seed, [5.0, 6.0])


@pytest.mark.hazard(6)
def test_the_gradient_of_an_identity_does_not_share_memory_with_its_seed():
    w, seed = leaf([1.0, 2.0]), Tensor([5.0, 6.0])
    w.backward(seed)
    w.grad *= 10
    np.testing.assert_array_equal(seed.numpy(), [5.0, 6.0])


@pytest.mark.hazard(6)
def test_results_of_gradients_share_memory_with_nothing():
    a, b, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.array([5.0, 6.0])
    da, db = gradients(a + b, [a, b], seed)
    assert not np.shares_memory(da.numpy(), db.numpy())
    assert not np.shares_memory(da.numpy(), seed)


@pytest.mark.hazard(1)
def test_a_gradient_of_two_paths_is_the_exact_sum():
    a = leaf([1.0, 2.0])
    b = a + a
    (b + b * 1.0).backward([1.0, 1.0])
    np.testing.assert_array_equal(a.grad, [4.0, 4.0])


@pytest.mark.hazard(6)
def test_grad_can_be_set_to_a_copy_or_cleared():
    w, mine = leaf([1.0, 2.0]), np.array([7.0, 8.0])
    w.grad = mine
    mine[0] = 0.0
    np.testing.assert_array_equal(w.grad, [7.0, 8.0])
    w.grad = Tensor([1.0, 1.0])
    (w * 2.0).sum().backward()
    np.testing.assert_array_equal(w.grad, [3.0, 3.0])
    w.grad = None
    assert w.grad is None


def test_grad_may_be_scaled_in_place():
    w = leaf([1.0, 2.0])
    (w * 2.0).sum().backward()
    before = w.grad
    w.grad *= 0.5
    assert w.grad is before
    np.testing.assert_array_equal(w.grad, [1.0, 1.0])


def test_a_seed_weighs_the_elements_of_a_result():
    w = leaf([1.0, 2.0])
    (w * w).backward(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(w.grad, [2.0, 40.0])


# ------------------------------------------------------------------------------ the graph is freed


@pytest.mark.hazard(4)
def test_a_second_backward_names_both_lines():
    w = leaf(3.0)
    y = w * w  # this line
    y.backward()  # and this one
    with pytest.raises(FreedGraphError) as caught:
        y.backward()
    text = str(caught.value)
    assert "multiply" in text
    assert "y = w * w  # this line" in text
    assert "y.backward()  # and this one" in text
    assert "retain_graph=True" in text
    assert text.count("test_semantics.py:") == 2
    assert w.grad == 6.0


def test_retain_graph_lets_backward_be_called_again():
    w = leaf(3.0)
    y = w * w
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert w.grad == 18.0
    with pytest.raises(FreedGraphError):
        y.backward()


@pytest.mark.hazard(4)
@pytest.mark.acceptance("N10")
def test_backward_twice_on_a_shared_node_is_refused_or_exactly_doubled():
    a, b = leaf(2.0), leaf(4.0)
    shared = a * b
    z = shared * shared
    z.backward(retain_graph=True)
    assert (a.grad, b.grad) == (64.0, 32.0)
    z.backward()
    assert (a.grad, b.grad) == (128.0, 64.0)
    with pytest.raises(FreedGraphError):
        z.backward()
    assert (a.grad, b.grad) == (128.0, 64.0)


@pytest.mark.hazard(4)
def test_a_freed_part_shared_with_another_loss_is_refused_before_anything_changes():
    w, v = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    shared = w * w
    first, second = shared.sum(), (shared * v).sum()
    first.backward()
    for _ in range(2):
        with pytest.raises(FreedGraphError, match="freed by an earlier backward"):
            second.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0])
    assert v.grad is None


def test_a_part_shared_with_another_loss_counts_for_both_when_retained():
    w = leaf([1.0, 2.0])
    shared = w * w
    first, second = shared.sum(), (shared * 3.0).sum()
    first.backward(retain_graph=True)
    second.backward()
    np.testing.assert_array_equal(w.grad, [8.0, 16.0])


def test_gradients_frees_the_graph_unless_told_otherwise():
    w = leaf(3.0)
    y = w * w
    gradients(y, [w], retain_graph=True)
    gradients(y, [w], create_graph=True)
    gradients(y, [w])
    with pytest.raises(FreedGraphError, match=r"test_semantics\.py"):
        gradients(y, [w])


# ------------------------------------------------------------------------------ floating only


@pytest.mark.hazard(11)
@pytest.mark.parametrize("data", [1, [1, 2], [True, False], np.uint8(3)])
def test_only_floating_tensors_can_require_a_gradient(data):
    with pytest.raises(GradientTypeError) as caught:
        Tensor(data, requires_grad=True)
    text = str(caught.value)
    assert str(np.asarray(data).dtype) in text
    assert "dtype=np.float64" in text
    assert Tensor(data, dtype=np.float64, requires_grad=True).requires_grad  # what it says works


def test_an_integer_input_of_a_transform_says_how_to_convert():
    with pytest.raises(GradientTypeError, match=r"int64.*\n.*\n.*astype\(float\)"):
        grad(lambda x: (x * x).sum())(np.array([1, 2]))
    with pytest.raises(GradientTypeError, match="bool"):
        grad(lambda x: x * x)(True)


def test_a_python_int_is_a_real_number_to_a_transform():
    assert grad(lambda x: x * x)(3).item() == 6.0


@pytest.mark.parametrize("data", [["a", "b"], [None], object()])
def test_what_is_no_number_is_refused(data):
    with pytest.raises(OpTypeError, match="cannot hold dtype"):
        Tensor(data)


def test_an_integer_result_of_a_differentiable_tensor_carries_no_gradient():
    w = leaf([1.5, 2.5])
    assert not w.astype(np.int64).requires_grad
    assert not (w > 2.0).requires_grad
    assert not w.argmax().requires_grad


# ------------------------------------------------------------------------------ dtype and shape


SCALAR_OPS = {
    "add": lambda x: x + 1,
    "radd": lambda x: 1.5 + x,
    "subtract": lambda x: x - 1,
    "rsubtract": lambda x: 2.5 - x,
    "multiply": lambda x: 2 * x,
    "divide": lambda x: x / 3,
    "rdivide": lambda x: 1.0 / x,
    "power": lambda x: x**2,
    "mean": lambda x: x.mean(),
    "sum": lambda x: x.sum(),
    "tanh": np.tanh,
    "clip": lambda x: np.clip(x, 0, 1.5),
    "where": lambda x: np.where(x > 1, x, 0.0),
    "max": lambda x: x.max(),
}


@pytest.mark.hazard(10)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("name", SCALAR_OPS)
def test_a_python_scalar_never_widens_value_or_gradient(name, shape, dtype):
    x = leaf(np.full(shape, 1.25, dtype))
    y = SCALAR_OPS[name](x)
    assert y.dtype == dtype
    assert type(y.numpy()) is np.ndarray
    y.sum().backward()
    assert x.grad.dtype == dtype
    assert x.grad.shape == shape
    assert type(x.grad) is np.ndarray


@pytest.mark.hazard(5)
@pytest.mark.hazard(10)
@given(st.data())
def test_a_gradient_has_dtype_and_shape_of_its_tensor_whatever_it_was_broadcast_with(data):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3))
    dtypes = [data.draw(st.sampled_from([np.float32, np.float64])) for _ in range(2)]
    arrays = [
        data.draw(hnp.arrays(dtype, shape, elements=MODERATE))
        for dtype, shape in zip(dtypes, shapes.input_shapes, strict=True)
    ]
    # One dtype per pair: a float32 leaf that meets a float64 one is warned of elsewhere.
    a, b = (leaf(array.astype(dtypes[0])) for array in arrays)
    (a * b + a - b).sum().backward()
    for tensor in (a, b):
        assert tensor.grad.shape == tensor.shape
        assert tensor.grad.dtype == tensor.dtype
    np.testing.assert_allclose(
        a.grad.sum(), (np.ones(shapes.result_shape) * (b.numpy() + 1)).sum(), rtol=1e-4, atol=1e-2
    )


@given(hnp.arrays(np.float64, SHAPES, elements=MODERATE))
def test_data_keeps_its_shape_dtype_and_values(array):
    for kept in (array, array.astype(np.float32), array.astype(np.int16), array > 0):
        tensor = Tensor(kept)
        assert (tensor.shape, tensor.dtype, tensor.ndim) == (kept.shape, kept.dtype, kept.ndim)
        np.testing.assert_array_equal(tensor.numpy(), kept)


@pytest.mark.hazard(12)
def test_zero_dimensional_values_stay_arrays():
    x = leaf(2.0)
    y = x * x
    z = leaf([1.0, 2.0]).sum()
    for tensor in (x, y, z, np.tanh(x), Tensor(np.float32(1.0)), z[...]):
        assert type(tensor.numpy()) is np.ndarray
        assert tensor.shape == ()
    y.backward()
    assert type(x.grad) is np.ndarray
    assert x.grad.shape == ()


LAYOUTS = {
    "fortran": np.asfortranarray,
    "transposed": lambda a: a.T.copy().T,
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "big-endian": lambda a: a.astype(">f8"),
    "read-only": lambda a: np.broadcast_to(a, a.shape),
}


@pytest.mark.hazard(15)
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_of_memory_changes_nothing(name):
    plain = np.arange(6.0).reshape(2, 3) + 0.5
    laid = LAYOUTS[name](plain)
    results = []
    for array in (plain, laid):
        w = leaf(array)
        (np.tanh(w) @ w.T * array.sum()).sum().backward()
        results.append(w.grad)
    assert results[1].dtype == laid.dtype
    np.testing.assert_allclose(results[1], results[0], rtol=1e-15)


@pytest.mark.hazard(14)
def test_empty_arrays_have_empty_gradients():
    w = leaf(np.zeros((0, 3)))
    (w @ np.ones((3, 2))).sum().backward()
    assert w.grad.shape == (0, 3)
    v = leaf(np.zeros(0))
    assert v.sum().item() == 0.0
    np.concatenate([v, v]).sum().backward()
    assert v.grad.shape == (0,)
    with pytest.raises(ValueError, match="max"):
        v.max()


# ------------------------------------------------------------------------------ ties and kinks


@pytest.mark.hazard(22)
@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, max_side=5), elements=st.integers(-2, 2)),
    st.sampled_from(["max", "min"]),
)
def test_equal_extremes_share_the_gradient_equally(array, name):
    x = leaf(array)
    y = getattr(x, name)()
    y.backward()
    ties = array == y.item()
    np.testing.assert_allclose(x.grad, ties / ties.sum())


@pytest.mark.hazard(22)
@pytest.mark.parametrize("function", [np.maximum, np.minimum])
def test_equal_operands_of_maximum_and_minimum_share_the_gradient(function):
    a, b = leaf([1.0, 2.0, 3.0]), leaf([2.0, 2.0, 2.0])
    function(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad + b.grad, np.ones(3))
    assert a.grad[1] == b.grad[1] == 0.5


@pytest.mark.hazard(20)
@pytest.mark.parametrize("function", [np.abs, ops.relu])
def test_abs_and_relu_are_flat_at_zero(function):
    x = leaf([-2.0, -0.0, 0.0, 3.0])
    function(x).sum().backward()
    np.testing.assert_array_equal(x.grad[1:3], [0.0, 0.0])
    assert x.grad[3] == 1.0


@pytest.mark.parametrize("name", ["max", "min", "maximum", "minimum", "absolute", "relu", "sqrt"])
def test_the_policy_is_written_in_the_row(name):
    assert get_op(name).policy


# ------------------------------------------------------------------------------ repeated indices


@pytest.mark.hazard(24)
@pytest.mark.parametrize("kind", [np.array, list, Tensor, np.uint8])
def test_repeated_indices_sum(kind):
    w = leaf([1.0, 2.0, 3.0])
    index = np.array([0, 2, 2], np.uint8) if kind is np.uint8 else kind([0, 2, 2])
    (w[index] * np.array([1.0, 10.0, 100.0])).sum().backward()
    np.testing.assert_array_equal(w.grad, [1.0, 0.0, 110.0])


def test_repeated_indices_sum_in_a_tuple_of_tensors():
    w = leaf(np.zeros((2, 2)))
    w[Tensor([0, 0, 1]), Tensor([1, 1, 0])].sum().backward()
    np.testing.assert_array_equal(w.grad, [[0.0, 2.0], [1.0, 0.0]])


@pytest.mark.hazard(24)
@given(st.data())
def test_take_is_the_adjoint_of_adding_at_indices(data):
    n = data.draw(st.integers(1, 5))
    index = data.draw(hnp.arrays(np.int64, st.integers(0, 8), elements=st.integers(-n, n - 1)))
    seed = data.draw(hnp.arrays(np.float64, index.shape, elements=MODERATE))
    w, expected = leaf(np.zeros(n)), np.zeros(n)
    np.add.at(expected, index, seed)
    np.take(w, index).backward(seed)
    np.testing.assert_allclose(w.grad, expected, atol=1e-12)


# ------------------------------------------------------------------------------ masked nan


def guarded_log(x):
    return np.where(x > 0, np.log(x), 0.0).sum()


def guarded_sqrt(x):
    return np.where(x > 0, np.sqrt(x), 0.0).sum()


def guarded_quotient(x):
    return np.where(x > 0, 1.0 / x, 0.0).sum()


@pytest.mark.hazard(16)
@pytest.mark.hazard("beyond: where")
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (guarded_log, lambda x: 1 / x, lambda x: -1 / x**2),
        (guarded_sqrt, lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 * x**-1.5),
        (guarded_quotient, lambda x: -1 / x**2, lambda x: 2 / x**3),
    ],
)
def test_where_lets_no_nan_through_the_branch_not_taken(function, first, second):
    x = np.array([-1.0, 0.0, 4.0])
    w = leaf(x)
    function(w).backward()
    np.testing.assert_allclose(w.grad, [0.0, 0.0, first(4.0)], rtol=1e-15)
    np.testing.assert_allclose(grad(function)(x).numpy(), [0.0, 0.0, first(4.0)], rtol=1e-15)
    twice = grad(lambda y: grad(function)(y).sum())(x)
    np.testing.assert_allclose(twice.numpy(), [0.0, 0.0, second(4.0)], rtol=1e-15)


@pytest.mark.hazard(16)
def test_an_infinite_slope_with_a_zero_cotangent_is_no_nan(table):
    root = elementwise(
        np.sqrt,
        lambda y, _x: 0.5 / y,
        name="root",
        singular=True,
        formula="√x",
        latex="x",
        pattern="scale",
    )
    weights = np.array([0.0, 3.0])
    assert "root" in table

    def f(x):
        return root(x) @ weights

    x = np.array([0.0, 4.0])
    w = leaf(x)
    f(w).backward()
    np.testing.assert_allclose(w.grad, [0.0, 0.75])
    np.testing.assert_allclose(hessian(f)(x).numpy(), [[0.0, 0.0], [0.0, -3 / 32]])
    np.testing.assert_allclose(jvp(root, (x,), (weights,))[1].numpy(), [0.0, 0.75])


@pytest.mark.hazard(16)
def test_a_nan_in_the_branch_that_is_taken_is_seen():
    x = leaf([np.nan, 1.0])
    np.where([True, True], x * x, 0.0).sum().backward()
    assert np.isnan(x.grad[0])
    assert x.grad[1] == 2.0


# ------------------------------------------------------------------------- arguments without a rule


def test_no_gradient_flows_into_an_argument_without_a_rule():
    condition, w = leaf([1.0, 0.0]), leaf([3.0, 4.0])
    np.where(condition, w, 0.0).sum().backward()
    np.testing.assert_array_equal(w.grad, [1.0, 0.0])
    assert condition.grad is None


# ------------------------------------------------------------------------------ parameters


def test_a_parameter_is_a_leaf_that_wants_a_gradient():
    w = Parameter([1.0, 2.0], name="w")
    assert w.requires_grad
    assert w.is_leaf
    assert w.name == "w"
    assert isinstance(w, Tensor)
    with pytest.raises(GradientTypeError):
        Parameter([1, 2])


def test_a_rebased_parameter_keeps_value_and_gradient_and_writes_into_its_new_home():
    w = Parameter([1.0, 2.0])
    (w * w).sum().backward()
    flat, slots = np.zeros(3), np.zeros(3)
    w.rebase(flat[1:], slots[1:])
    np.testing.assert_array_equal(flat, [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(slots, [0.0, 2.0, 4.0])
    (w * 3.0).sum().backward()
    np.testing.assert_array_equal(slots, [0.0, 5.0, 7.0])
    w.grad = None
    (w * w).sum().backward()
    np.testing.assert_array_equal(slots, [0.0, 2.0, 4.0])
    assert np.shares_memory(w.grad, slots)


def test_gradients_do_not_write_into_the_buffer_of_a_rebased_parameter():
    w, home, buffer = Parameter(np.ones((3, 2))), np.zeros((3, 2)), np.full((3, 2), 7.0)
    w.rebase(home, buffer)
    gradients(ops.linear(np.ones((4, 3)), w).sum(), [w])
    np.testing.assert_array_equal(buffer, np.full((3, 2), 7.0))
    assert w.grad is None


def test_a_fused_row_writes_the_first_gradient_straight_into_the_buffer():
    w, home, buffer = Parameter(np.eye(2)), np.zeros((2, 2)), np.zeros((2, 2))
    w.rebase(home, buffer)
    x = np.array([[1.0, 2.0]])
    for expected in ([[1.0, 1.0], [2.0, 2.0]], [[2.0, 2.0], [4.0, 4.0]]):  # written, then added
        ops.linear(x, w).sum().backward()
        np.testing.assert_array_equal(buffer, expected)
    assert np.shares_memory(w.grad, buffer)


def test_a_rebased_parameter_used_twice_by_fused_rows_gets_the_sum():
    w, home, buffer = Parameter(np.eye(2)), np.zeros((2, 2)), np.zeros((2, 2))
    w.rebase(home, buffer)
    x = np.array([[1.0, 2.0]])
    ops.linear(ops.linear(x, w), w).sum().backward()
    np.testing.assert_array_equal(buffer, [[2.0, 2.0], [4.0, 4.0]])
    assert np.shares_memory(w.grad, buffer)


def test_a_tensor_made_of_one_with_a_gradient_would_lose_it():
    t = Tensor([1.0], requires_grad=True) * 2
    with pytest.raises(GradientTypeError, match=r"t\.detach\(\) to stop it on purpose"):
        Tensor(t)
    assert Tensor(t.detach()).numpy() == 2.0
    assert Parameter(t).is_leaf


def test_counts_of_weights_that_want_a_gradient_are_refused():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(GradientTypeError, match=r"np\.bincount"):
        np.histogram(np.array([0, 1]), bins=2, weights=w)
    np.testing.assert_array_equal(np.histogram(np.array([0, 1]), 2, weights=w.detach())[0], [1, 2])
