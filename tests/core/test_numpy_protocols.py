"""NumPy's own functions and operators on tensors, PyTorch's names, copying and pickling."""

import copy
import operator
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_edu.ops as ops
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Parameter, Tensor, constant, handle
from tinygrad_edu.errors import GradientError, OpError, OpTypeError, UnsupportedError

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
B = np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -2.0]])


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


# ------------------------------------------------------------------------------ one text, two kinds

CALLS = {
    "np.exp": lambda a, _b: np.exp(a),
    "np.concatenate": lambda a, b: np.concatenate([a, b], axis=1),
    "np.concatenate of a tensor": lambda a, _b: np.concatenate(a),
    "np.stack": lambda a, b: np.stack([a, b], axis=1),
    "np.vstack": lambda a, b: np.vstack((a, b)),
    "np.hstack": lambda a, b: np.hstack((a, b)),
    "np.add.reduce": lambda a, _b: np.add.reduce(a),
    "np.add.reduce, axis": lambda a, _b: np.add.reduce(a, axis=1, keepdims=True),
    "np.add.reduce, all": lambda a, _b: np.add.reduce(a, None),
    "np.multiply.reduce": lambda a, _b: np.multiply.reduce(a, 1),
    "np.maximum.reduce": lambda a, _b: np.maximum.reduce(a),
    "np.matmul": lambda a, b: np.matmul(a, b.T),
    "@": lambda a, b: a.T @ b,
    "np.dot": lambda a, b: np.dot(a, b.T),
    "np.sum": lambda a, b: np.sum(a * b, axis=(0, 1)),
    "np.mean": lambda a, _b: np.mean(a, 0, keepdims=True),
    "np.where": lambda a, b: np.where(a > b, a, b * 2),
    "np.transpose": lambda a, _b: np.transpose(a, (1, 0)),
    "np.reshape": lambda a, _b: np.reshape(a, (3, -1)),
    "np.expand_dims": lambda a, _b: np.expand_dims(a, 1),
    "np.squeeze": lambda a, _b: np.squeeze(a[:1]),
    "np.ravel": lambda a, _b: np.ravel(a),
    "np.broadcast_to": lambda a, _b: np.broadcast_to(a, (2, 2, 3)),
    "np.clip": lambda a, _b: np.clip(a, 2, 5.5),
    "np.maximum": lambda a, b: np.maximum(a, b),
    "np.take": lambda a, _b: np.take(a, [0, 2, 2], axis=1),
    "np.copy": lambda a, _b: np.copy(a),
    "np.power": lambda a, _b: np.power(a, 2),
    "np.split": lambda a, _b: np.split(a, 3, axis=1)[1],
    "np.einsum": lambda a, b: np.einsum("ij,kj->ik", a, b),
    "np.moveaxis": lambda a, _b: np.moveaxis(a, 0, -1),
    "np.var": lambda a, _b: np.var(a, axis=1, ddof=1),
    "np.prod": lambda a, _b: np.prod(a, axis=0),
    "np.abs": lambda _a, b: np.abs(b),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: b / a,
    "**": lambda a, b: a**b,
    "number +": lambda a, _b: 1 + a,
    "number -": lambda a, _b: 1.5 - a,
    "number *": lambda a, _b: 2.0 * a,
    "number /": lambda a, _b: 2 / a,
    "number **": lambda a, _b: 2.0**a,
    "NumPy number *": lambda a, _b: np.float64(2.0) * a,
    "%": lambda a, _b: a % 4,
    "//": lambda a, _b: a // 4,
    "unary -": lambda a, _b: -a,
    "unary +": lambda a, _b: +a,
    "abs()": lambda _a, b: abs(b),
    "a[i]": lambda a, _b: a[1],
    "a[i, j]": lambda a, _b: a[1, -1],
    "a[:, i]": lambda a, _b: a[:, 0],
    "a[::-1]": lambda a, _b: a[::-1, 1:],
    "a[..., None]": lambda a, _b: a[..., None],
    "a[list]": lambda a, _b: a[:, [2, 0, 2]],
    "a[[]]": lambda a, _b: a[[]],
    "a[mask]": lambda a, _b: a[a > 2],
    "a[np.ix_]": lambda a, _b: a[np.ix_([1, 0], [0, 0])],
    "a.T": lambda a, _b: a.T,
}


@pytest.mark.hazard(13)
@pytest.mark.parametrize("name", CALLS)
def test_a_text_means_the_same_on_tensors_as_on_arrays(name):
    text = CALLS[name]
    expected = np.asarray(text(A, B))
    a, b = leaf(A), leaf(B)
    y = text(a, b)
    assert isinstance(y, Tensor)
    assert y.requires_grad
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(y.numpy(), expected)
    y.backward(np.ones(y.shape))
    assert a.grad is not None or b.grad is not None


@pytest.mark.hazard(13)
@pytest.mark.parametrize(
    "name", ["+", "-", "*", "/", "**", "@", "np.maximum", "np.where", "np.stack"]
)
@pytest.mark.parametrize("which", ["array first", "tensor first"])
def test_an_array_and_a_tensor_in_either_order_give_a_tensor(name, which):
    text, expected = CALLS[name], CALLS[name](A, B)
    first, second = (A, leaf(B)) if which == "array first" else (leaf(A), B)
    y = text(first, second)
    assert isinstance(y, Tensor)
    assert y.dtype == np.float64  # never an array of objects
    np.testing.assert_array_equal(y.numpy(), expected)
    y.sum().backward()
    tensor = first if isinstance(first, Tensor) else second
    assert tensor.grad.shape == (2, 3)


@pytest.mark.parametrize("other", [[1.0, 2.0, 3.0], (1, 2, 3)])
def test_lists_stand_for_arrays(other):
    np.testing.assert_array_equal((leaf(A) + other).numpy(), A + np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal((other - leaf(A)).numpy(), np.array([1.0, 2.0, 3.0]) - A)


@given(
    st.sampled_from([np.add, np.subtract, np.multiply, np.maximum]),
    hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3),
)
def test_operands_broadcast_as_in_numpy(function, shapes):
    a, b = (np.arange(float(np.prod(shape))).reshape(shape) for shape in shapes.input_shapes)
    expected = function(a, b)
    for first, second in [(Tensor(a), b), (a, Tensor(b)), (leaf(a), Tensor(b))]:
        y = function(first, second)
        assert isinstance(y, Tensor)
        assert y.shape == shapes.result_shape
        np.testing.assert_array_equal(y.numpy(), expected)


def test_a_constant_result_is_a_tensor_without_a_node():
    y = np.tanh(Tensor(A)) + 1.0
    assert isinstance(y, Tensor)
    assert y.node is None
    assert y.is_leaf
    assert y.name == ""
    assert y.grad is None


# ------------------------------------------------------------------------------ comparisons


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_comparisons_give_masks_without_a_gradient(name):
    compare = getattr(operator, name)
    for a, b in [(leaf(A), leaf(B)), (leaf(A), B), (leaf(A), 2), (leaf(A) * 1.0, leaf(B) * 1.0)]:
        mask = compare(a, b)
        assert isinstance(mask, Tensor)
        assert mask.dtype == np.bool_
        assert not mask.requires_grad
        plain = b.numpy() if isinstance(b, Tensor) else b
        np.testing.assert_array_equal(mask.numpy(), compare(a.numpy(), plain))


def test_an_array_is_compared_with_a_tensor():
    mask = leaf(B) < A
    assert isinstance(mask, Tensor)
    np.testing.assert_array_equal(np.greater(A, leaf(B)).numpy(), mask.numpy())


def test_masks_combine():
    a = leaf(A)
    np.testing.assert_array_equal(((a > 1) & (a < 5)).numpy(), (A > 1) & (A < 5))
    np.testing.assert_array_equal(((a < 2) | (a > 5)).numpy(), (A < 2) | (A > 5))
    np.testing.assert_array_equal((~(a > 1)).numpy(), A <= 1)


def test_tensors_are_told_apart_by_identity_in_containers():
    a, b = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    assert len({a, b}) == 2
    assert {a: "a", b: "b"}[a] == "a"
    assert a in {a}
    assert hash(a) != hash(b)


# ---------------------------------------------------------------------------- sequences and numbers


def test_iteration_gives_rows_with_their_gradients():
    w = leaf(A)
    first, second = w
    assert len(w) == 2
    (first * second).sum().backward()
    np.testing.assert_array_equal(w.grad, A[::-1])
    assert [row.tolist() for row in w] == A.tolist()


def test_a_scalar_has_no_length():
    with pytest.raises(TypeError, match="len"):
        len(leaf(1.0))
    with pytest.raises(TypeError):
        iter(leaf(1.0)).__next__()


def test_a_scalar_is_a_number():
    y = leaf(2.5) * 1.0
    assert float(y) == y.item() == 2.5
    assert int(y) == 2
    assert bool(y)
    assert not bool(leaf([0.0]))
    assert f"{y:.2f}" == "2.50"
    assert [10, 20, 30][Tensor(1)] == 20
    assert type(y.item()) is float
    with pytest.raises(TypeError):
        [10, 20][y]


def test_properties_speak_for_the_value():
    w = leaf(np.zeros((2, 3), np.float32))
    assert (w.shape, w.ndim, w.size, w.dtype) == ((2, 3), 2, 6, np.float32)
    assert w.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor(1.0), "Tensor(1.)"),
        (Tensor([1, 2]), "Tensor([1, 2])"),
        (Tensor([True]), "Tensor([ True])"),
        (Tensor([1.0], dtype=np.float32), "Tensor([1.], dtype=float32)"),
        (leaf([1.0]), "Tensor([1.], requires_grad=True)"),
        (Parameter([1.0], name="w"), "Parameter([1.], requires_grad=True, name='w')"),
        (leaf([1.0]) * 2.0, "Tensor([2.], op=multiply)"),
    ],
)
def test_repr_says_what_it_is(tensor, text):
    assert repr(tensor) == text
    assert f"{tensor}" == text


def test_repr_of_a_matrix_is_aligned():
    assert repr(Tensor(np.eye(2))) == "Tensor([[1., 0.],\n        [0., 1.]])"


# ------------------------------------------------------------------------------ functions that look


def test_functions_that_only_look_at_values():
    w = leaf(A)
    assert np.shape(w) == (2, 3)
    assert np.ndim(w) == 2
    assert np.size(w) == 6
    assert np.allclose(w, A)
    assert np.allclose(A, w * 1.0)
    assert np.array_equal(w, Tensor(A))
    assert np.result_type(w, np.float32) == np.float64
    assert np.array2string(w) == np.array2string(A)
    np.testing.assert_allclose(w.numpy(), A)


def test_functions_that_make_constants():
    w = leaf(A)
    for made, expected in [
        (np.zeros_like(w), np.zeros((2, 3))),
        (np.ones_like(w), np.ones((2, 3))),
        (np.full_like(w, 7.0), np.full((2, 3), 7.0)),
        (np.zeros(2, np.float32, like=w), np.zeros(2, np.float32)),
        (np.ones((1, 2), like=w), np.ones((1, 2))),
        (np.eye(2, like=w), np.eye(2)),
        (np.arange(3, like=w), np.arange(3)),
    ]:
        assert isinstance(made, Tensor)
        assert not made.requires_grad
        assert made.dtype == expected.dtype
        np.testing.assert_array_equal(made.numpy(), expected)


def test_a_constant_turns_into_an_array_of_its_own():
    x = Tensor(A)
    array = np.asarray(x)
    assert type(array) is np.ndarray
    array[0, 0] = 99.0
    np.testing.assert_array_equal(x.numpy(), A)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert not np.array(x, copy=False).flags.writeable
    assert np.array(x, dtype=np.float64, copy=False).dtype == np.float64
    np.testing.assert_array_equal(np.array([x, x]), [A, A])


# ------------------------------------------------------------------------------ PyTorch's names


ALIASES = {
    "dim": (lambda w: w.sum(dim=1), lambda a: a.sum(axis=1)),
    "keepdim": (lambda w: w.mean(dim=1, keepdim=True), lambda a: a.mean(axis=1, keepdims=True)),
    "cat": (lambda w: ops.cat([w, w], dim=1), lambda a: np.concatenate([a, a], 1)),
    "permute": (lambda w: w.permute(1, 0), lambda a: a.T),
    "permute of a tuple": (lambda w: w.permute((1, 0)), lambda a: a.T),
    "ops.permute": (lambda w: ops.permute(w, (1, 0)), lambda a: a.T),
    "unsqueeze": (lambda w: w.unsqueeze(0), lambda a: a[None]),
    "unsqueeze by name": (lambda w: ops.unsqueeze(w, dim=-1), lambda a: a[..., None]),
    "view": (lambda w: w.view(3, 2), lambda a: a.reshape(3, 2)),
    "expand": (lambda w: w.expand(4, 2, 3), lambda a: np.broadcast_to(a, (4, 2, 3))),
    "flatten": (lambda w: w.flatten(), lambda a: a.ravel()),
    "softmax": (
        lambda w: w.softmax(dim=0),
        lambda a: np.exp(a) / np.exp(a).sum(axis=0),
    ),
}

METHODS = {
    "sum": (lambda w: w.sum(), lambda a: a.sum()),
    "mean": (lambda w: w.mean(1), lambda a: a.mean(1)),
    "prod": (lambda w: w.prod(0), lambda a: a.prod(0)),
    "max": (lambda w: w.max(axis=1), lambda a: a.max(axis=1)),
    "min": (lambda w: w.min(0, keepdims=True), lambda a: a.min(0, keepdims=True)),
    "var": (lambda w: w.var(0), lambda a: a.var(0)),
    "std": (lambda w: w.std(1, ddof=1), lambda a: a.std(1, ddof=1)),
    "exp": (lambda w: w.exp(), np.exp),
    "log": (lambda w: w.log(), np.log),
    "sqrt": (lambda w: w.sqrt(), np.sqrt),
    "square": (lambda w: w.square(), np.square),
    "abs": (lambda w: w.abs(), np.abs),
    "tanh": (lambda w: w.tanh(), np.tanh),
    "sigmoid": (lambda w: w.sigmoid(), lambda a: 1 / (1 + np.exp(-a))),
    "relu": (lambda w: w.relu(), lambda a: np.maximum(a, 0)),
    "log_softmax": (
        lambda w: w.log_softmax(),
        lambda a: a - np.log(np.exp(a).sum(-1, keepdims=True)),
    ),
    "logsumexp": (lambda w: w.logsumexp(axis=1), lambda a: np.log(np.exp(a).sum(1))),
    "clip": (lambda w: w.clip(2, 3), lambda a: a.clip(2, 3)),
    "astype": (lambda w: w.astype(np.float32), lambda a: a.astype(np.float32)),
    "dot": (lambda w: w.dot(np.ones(3)), lambda a: a.dot(np.ones(3))),
    "matmul": (lambda w: w.matmul(np.ones((3, 2))), lambda a: a @ np.ones((3, 2))),
    "take": (lambda w: w.take([0, 5, 5]), lambda a: a.take([0, 5, 5])),
    "ravel": (lambda w: w.ravel(), lambda a: a.ravel()),
    "squeeze": (lambda w: w[None].squeeze(0), lambda a: a),
    "expand_dims": (lambda w: w.expand_dims(1), lambda a: a[:, None]),
    "swapaxes": (lambda w: w.swapaxes(0, 1), lambda a: a.T),
    "moveaxis": (lambda w: w.moveaxis(0, 1), lambda a: a.T),
    "broadcast_to": (lambda w: w.broadcast_to((2, 2, 3)), lambda a: np.broadcast_to(a, (2, 2, 3))),
    "reshape": (lambda w: w.reshape(3, 2), lambda a: a.reshape(3, 2)),
    "reshape to a tuple": (lambda w: w.reshape((6,)), lambda a: a.reshape(6)),
    "reshape to an int": (lambda w: w.reshape(-1), lambda a: a.reshape(-1)),
    "transpose": (lambda w: w.transpose(), lambda a: a.T),
    "transpose of axes": (lambda w: w.transpose(1, 0), lambda a: a.T),
    "copy": (lambda w: w.copy(), lambda a: a.copy()),
}


@pytest.mark.parametrize("name", [*ALIASES, *METHODS])
def test_a_method_does_what_the_function_does(name):
    method, function = {**ALIASES, **METHODS}[name]
    for w in (leaf(A), leaf(A) * 1.0):  # leaves and computed tensors are recorded by different ways
        y = method(w)
        np.testing.assert_allclose(y.numpy(), function(A), rtol=1e-6)
        assert y.requires_grad
        assert y.shape == function(A).shape


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_of_extremes(name):
    w = leaf(B)
    for keywords in ({}, {"axis": 1}, {"dim": 0}):
        axis = next(iter(keywords.values()), None)
        y = getattr(w, name)(**keywords)
        np.testing.assert_array_equal(y.numpy(), getattr(B, name)(axis=axis))
        assert not y.requires_grad


# ------------------------------------------------------------------------------ copying


def test_a_deep_copy_is_a_leaf_of_its_own():
    w = Parameter(A, name="w")
    (w * 2.0).sum().backward()
    twin = copy.deepcopy(w)
    assert type(twin) is Parameter
    assert twin.name == "w"
    assert twin.requires_grad
    np.testing.assert_array_equal(twin.grad, w.grad)
    assert not np.shares_memory(twin.numpy(), w.numpy())
    assert not np.shares_memory(twin.grad, w.grad)
    twin.sum().backward()
    np.testing.assert_array_equal(twin.grad, np.full((2, 3), 3.0))
    np.testing.assert_array_equal(w.grad, np.full((2, 3), 2.0))


def test_a_deep_copy_keeps_ties():
    w = Parameter(A)
    model = {"encoder": w, "decoder": w, "other": Tensor(B)}
    twin = copy.deepcopy(model)
    assert twin["encoder"] is twin["decoder"]
    assert twin["encoder"] is not w
    assert not twin["other"].requires_grad


def test_a_copy_in_a_graph_carries_the_gradient():
    w = leaf(A)
    (w.copy() * 2.0).sum().backward()
    np.testing.assert_array_equal(w.grad, np.full((2, 3), 2.0))


@pytest.mark.parametrize("copier", [lambda t: pickle.loads(pickle.dumps(t)), copy.copy])
@pytest.mark.parametrize("tensor", [Tensor(A), leaf(A, name="a"), Parameter(A), Tensor([1, 2])])
def test_a_leaf_survives_pickling(tensor, copier):
    twin = copier(tensor)
    assert type(twin) is type(tensor)
    assert (twin.requires_grad, twin.name, twin.dtype) == (
        tensor.requires_grad,
        tensor.name,
        tensor.dtype,
    )
    assert twin.is_leaf
    np.testing.assert_array_equal(twin.numpy(), tensor.numpy())
    assert not np.shares_memory(twin.numpy(), tensor.numpy())


@pytest.mark.parametrize("copier", [copy.deepcopy, copy.copy, pickle.dumps])
def test_a_computed_tensor_cannot_be_copied_with_its_graph(copier):
    with pytest.raises(GradientError, match=r"detach\(\)"):
        copier(leaf(A) * 2.0)


def test_detach_stops_the_gradient():
    w = leaf(3.0)
    (w * w.detach() + (w * w).detach()).backward()
    assert w.grad == 3.0


def test_a_tensor_of_a_tensor_is_a_new_value():
    w = leaf(A)
    assert not Tensor((w * 2.0).detach()).requires_grad
    assert Tensor(w.detach(), dtype=np.float32).dtype == np.float32
    assert Tensor(w, requires_grad=True).node is not w.node


def test_requires_grad_makes_a_leaf_and_keeps_one():
    x = Tensor(A)
    assert x.requires_grad_(name="x") is x
    node = x.node
    assert x.requires_grad_().node is node
    assert x.name == "x"
    x.name = "y"
    assert x.name == "y"


def test_a_leaf_may_be_frozen_and_thawed():
    w, v = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    before = (w * v).sum()
    assert w.requires_grad_(False) is w
    assert not w.requires_grad
    assert not (w * 2.0).requires_grad
    before.backward()  # the older graph is not disturbed
    np.testing.assert_array_equal(v.grad, [1.0, 2.0])
    (w.requires_grad_() * v).sum().backward()
    np.testing.assert_array_equal(w.grad, [3.0, 4.0])
    assert not Tensor([1]).requires_grad_(False).requires_grad
    with pytest.raises(GradientError, match="only a leaf"):
        (w * 2.0).requires_grad_(False)


# ---------------------------------------------------------------------------- seams for the package


def test_constant_and_handle_wrap_without_copying():
    array = A.copy()
    x = constant(array)
    assert np.shares_memory(x.numpy(), array)
    assert not x.requires_grad
    y = leaf(A) * 2.0
    again = handle(y.node.result, y.node)
    assert again.node is y.node


@pytest.mark.parametrize("row", ["add", "identity", "sum_to", "broadcast_to", "astype", "getitem"])
def test_the_table_has_the_rows_that_the_engine_needs(row):
    assert row in OPS


def test_a_row_on_plain_arrays_computes_and_gives_no_tensor():
    for y in (
        ops.tanh(A),
        ops.add(A, B),
        ops.linear(A, B.T),
        ops.concatenate([A, B]),
        ops.stack([A]),
    ):
        assert isinstance(y, np.ndarray)


def test_the_last_two_axes_are_exchanged():
    w = leaf(np.arange(12.0).reshape(2, 3, 2))
    np.testing.assert_array_equal(w.mT.numpy(), np.swapaxes(w.numpy(), 1, 2))


class Reading:
    """An array of another library, which takes part in NumPy's protocols."""

    def __init__(self, values):
        self.values = values
        self.shape, self.dtype, self.size = values.shape, values.dtype, values.size

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = [i.values if isinstance(i, Reading) else i for i in inputs]
        return Reading(getattr(ufunc, method)(*plain, **kwargs))

    def __array_function__(self, *_call):
        return NotImplemented


def test_arrays_of_another_library_are_left_as_they_are():
    w, reading = leaf([1.0, 2.0]), Reading(np.array([3.0, 4.0]))
    y = w * reading
    assert y.node.primals[1] is reading
    assert type(y.node.result) is Reading
    np.testing.assert_array_equal(y.node.result.values, [3.0, 8.0])


# ------------------------------------------------------------------------------ in place, refused

IN_PLACE = {
    "put": lambda x: np.put(x, [0], [1.0]),
    "put_along_axis": lambda x: np.put_along_axis(x, np.zeros((2, 1), int), 1.0, 1),
    "masked_scatter": lambda x: np.place(x, x.numpy() > 0, [1.0]),
    "where(mask, values, x)": lambda x: np.putmask(x, x.numpy() > 0, 1.0),
    "where(mask, source, x)": lambda x: np.copyto(x, 1.0),
    "fill_diagonal(x, value)": lambda x: np.fill_diagonal(x, 1.0),
}


@pytest.mark.parametrize("row", IN_PLACE)
def test_functions_that_change_an_array_name_the_one_that_makes_a_new_one(row):
    x = leaf(A)
    with pytest.raises(UnsupportedError, match=re.escape(row)):
        IN_PLACE[row](x)
    np.testing.assert_array_equal(x.numpy(), A)


def test_eigenvalues_of_any_matrix_are_refused_with_a_reason():
    for function in (np.linalg.eig, np.linalg.eigvals):
        with pytest.raises(UnsupportedError, match=r"linalg\.eig\w+ for a symmetric matrix"):
            function(leaf(np.eye(2)))


def test_functions_that_only_look_at_indices_and_counts():
    x = leaf(A)
    assert np.unravel_index(x.argmax(), x.shape) == np.unravel_index(A.argmax(), A.shape)
    counts = np.histogram2d(x[0], x[1], bins=2)[0]
    np.testing.assert_array_equal(counts, np.histogram2d(A[0], A[1], bins=2)[0])
    np.testing.assert_array_equal(np.triu_indices_from(x[:, :2]), np.triu_indices_from(A[:, :2]))
    assert isinstance(np.identity(2, like=x), Tensor)


# ------------------------------------------------------------------------------ lists


def test_composite_rows_take_lists_as_other_rows_do():
    assert ops.median([1.0, 2.0]) == 1.5
    assert ops.median(3.0) == 3
    np.testing.assert_array_equal(ops.vstack([[1.0, 2.0], [3, 4]]), [[1, 2], [3, 4]])
    assert ops.lerp(Tensor(np.zeros(2, np.float32)), 1.0, 0.25).dtype == np.float32
    with pytest.raises(OpError, match="inhomogeneous"):
        ops.median([[1.0], [2.0, 3.0]])


def test_lists_of_tensors_stay_lists():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    ops.block([[a], [b]]).sum().backward()
    np.testing.assert_array_equal(a.grad, [1, 1])
    assert ops.vstack([a, [5.0, 6.0]]).shape == (2, 2)
    np.testing.assert_array_equal(ops.block([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
    with pytest.raises(OpTypeError, match="a list of Tensors is no array"):
        ops.median([a, b])
