"""Writing to arrays that a graph has recorded: refused by name, or the gradient is right anyway."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu.ops as ops
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.core.transforms import gradients, vjp
from tinygrad_edu.errors import GradientError, MutationError, OpError


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


def big(name="w"):
    """A leaf with more elements than the graph keeps for diagrams."""
    return Parameter(np.arange(30.0).reshape(5, 6) / 10, name=name)


# ----------------------------------------------------------------------------- arrays of the caller


@pytest.mark.hazard(7)
def test_a_source_array_may_be_changed_after_the_tensor_was_made():
    source = np.array([1.0, 2.0])
    w = leaf(source)
    y = (w * w).sum()
    source[:] = 100.0
    y.backward()
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])
    np.testing.assert_array_equal(w.grad, [2.0, 4.0])


@pytest.mark.hazard(7)
@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[::-1], lambda a: a.reshape(1, 2)])
def test_an_array_operand_may_be_changed_between_forward_and_backward(view):
    w, x = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    y = (w * view(x)).sum()
    expected = view(x).copy().ravel()
    x[:] = 100.0
    y.backward()
    np.testing.assert_array_equal(w.grad, expected)


def test_an_array_operand_of_a_fused_row_may_be_changed():
    w, x = leaf(np.ones((2, 1))), np.array([[3.0, 4.0]])
    y = ops.linear(x, w).sum()
    x[:] = 100.0
    y.backward()
    np.testing.assert_array_equal(w.grad, [[3.0], [4.0]])


@pytest.mark.hazard(7)
def test_labels_may_be_changed_between_forward_and_backward():
    logits, labels = leaf(np.zeros((2, 3))), np.array([0, 1])
    loss = ops.softmax_cross_entropy(logits, labels)
    expected = gradients(ops.softmax_cross_entropy(logits, [0, 1]), [logits])[0].numpy()
    labels[:] = 2
    loss.backward()
    np.testing.assert_allclose(logits.grad, expected)


@pytest.mark.hazard(7)
@pytest.mark.parametrize("make", [lambda i: i, lambda i: (i,), lambda i: (slice(None), i)])
def test_an_index_array_may_be_changed_between_forward_and_backward(make):
    w, index = leaf(np.zeros((3, 3))), np.array([0, 1])
    chosen = make(index)
    expected = np.zeros((3, 3))
    expected[chosen] = 1.0
    y = w[chosen].sum()
    index[:] = 2
    y.backward()
    np.testing.assert_array_equal(w.grad, expected)


def test_an_array_among_the_parameters_may_be_changed_between_forward_and_backward():
    w, low = leaf([1.0, 2.0, 3.0]), np.array([1.5, 1.5, 3.5])
    y = np.clip(w, low, None).sum()
    low[:] = 100.0
    y.backward()
    np.testing.assert_array_equal(w.grad, [0.0, 1.0, 0.0])


def test_lists_of_axes_may_be_changed_between_forward_and_backward():
    w, axes, pairs = leaf(np.arange(4.0).reshape(2, 2)), [1, 0], ([0], [1])
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    turned, product = np.transpose(w, axes) * x, np.tensordot(w, x, axes=pairs)
    axes[:] = [0, 1]
    pairs[0][0], pairs[1][0] = 1, 0
    turned.sum().backward()
    np.testing.assert_array_equal(w.grad, x.T)
    w.grad = None
    product.backward(np.array([[1.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(w.grad, [[1.0, 0.0], [2.0, 0.0]])


@pytest.mark.hazard(7)
def test_a_mask_may_be_changed_between_forward_and_backward():
    w, mask = leaf([1.0, 2.0, 3.0]), np.array([True, False, True])
    y, z = (w[mask] * 2.0).sum(), np.where(mask, w, 0.0).sum()
    mask[:] = False
    y.backward()
    z.backward()
    np.testing.assert_array_equal(w.grad, [3.0, 0.0, 3.0])


@pytest.mark.hazard(7)
def test_a_seed_may_be_changed_after_backward():
    w, seed = leaf([1.0, 2.0]), np.array([1.0, 1.0])
    (w + 0.0).backward(seed)
    seed[:] = 100.0
    np.testing.assert_array_equal(w.grad, [1.0, 1.0])


def test_data_may_be_assigned_from_an_array_that_is_changed_later():
    w, mine, x = leaf([1.0, 2.0]), np.array([3.0, 4.0]), Tensor([0.0, 0.0])
    w.data = mine
    x.data = mine
    mine[:] = 100.0
    np.testing.assert_array_equal(w.numpy(), [3.0, 4.0])
    np.testing.assert_array_equal(x.numpy(), [3.0, 4.0])


# ------------------------------------------------------------------------------ what is handed out


@pytest.mark.hazard(8)
@pytest.mark.hazard("beyond: numpy")
def test_numpy_gives_a_view_that_numpy_refuses_to_write():
    w = leaf([1.0, 2.0])
    for tensor in (w, w * 2.0, Tensor([1.0])):
        view = tensor.numpy()
        assert np.shares_memory(view, tensor.numpy())
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5.0
        with pytest.raises(ValueError, match="read-only"):
            view += 1.0


@pytest.mark.hazard(8)
def test_data_of_a_leaf_is_read_only_while_a_graph_is_alive():
    w = leaf([1.0, 2.0])
    assert w.data.flags.writeable
    loss = (w * w).sum()
    with pytest.raises(ValueError, match="read-only"):
        w.data[0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        w.data -= 1.0
    loss.backward()
    assert w.data.flags.writeable
    loss = (w * w).sum()
    assert not w.data.flags.writeable
    del loss
    assert w.data.flags.writeable


def test_data_of_a_computed_tensor_is_read_only_and_cannot_be_set():
    w = leaf([1.0, 2.0])
    y = w * 2.0
    assert not y.data.flags.writeable
    with pytest.raises(MutationError, match=r"test_mutation.py:\d+: y = w \* 2.0"):
        y.data = np.zeros(2)
    assert y.grad is None
    with pytest.raises(GradientError, match="only a leaf"):
        y.grad = np.zeros(2)
    with pytest.raises(GradientError, match="only a leaf"):
        y.name = "y"


def test_data_of_a_constant_is_read_only_and_assigning_it_leaves_graphs_alone():
    w, x = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    y = (w * x).sum()
    assert not x.data.flags.writeable
    x.data = [100.0, 100.0]
    np.testing.assert_array_equal(x.numpy(), [100.0, 100.0])
    y.backward()
    np.testing.assert_array_equal(w.grad, [3.0, 4.0])


def test_data_of_another_shape_is_refused():
    w = leaf([1.0, 2.0])
    with pytest.raises(OpError, match=r"\(2,\).*\(3,\)"):
        w.data = np.zeros(3)
    with pytest.raises(GradientError, match=r"\(2,\).*\(1, 2\)"):
        w.grad = np.zeros((1, 2))
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])


def test_data_keeps_the_dtype_of_its_tensor():
    w = leaf(np.array([1.0, 2.0], np.float32))
    w.data = np.array([3.0, 4.0])
    assert w.dtype == np.float32
    with pytest.raises(TypeError):
        w.data = np.array([1j, 2j])
    np.testing.assert_array_equal(w.numpy(), np.array([3.0, 4.0], np.float32))


# ------------------------------------------------------------------------------ descending by hand


def test_the_update_by_hand_works_after_backward():
    w = leaf([3.0, -4.0])
    for _ in range(50):
        w.grad = None
        loss = (w * w).sum()
        loss.backward()
        w.data -= 0.1 * w.grad
    np.testing.assert_allclose(w.numpy(), [3.0 * 0.8**50, -4.0 * 0.8**50])


def test_the_update_by_hand_works_while_the_old_loss_still_has_a_name():
    w, losses = leaf([3.0]), []
    for _ in range(3):
        loss = (w * w).sum()
        losses.append(loss)
        loss.backward()
        w.data = w.data - 0.5 * w.grad
        w.grad = None
    np.testing.assert_array_equal([loss.item() for loss in losses], [9.0, 0.0, 0.0])


def test_forward_before_the_first_update_is_not_disturbed_by_an_earlier_update():
    w = leaf([3.0])
    w.data = [1.0]
    w.data -= 0.5
    (w * w).sum().backward()
    assert w.grad == 1.0


# --------------------------------------------------------------------------- writes that are caught


RULES_THAT_READ = {
    "itself": lambda w: (w * w).sum(),
    "transposed": lambda w: (np.ones((2, 6)) @ w.T * w.T[0]).sum(),
    "reshaped": lambda w: (w.reshape(6, 5) * w.reshape(6, 5)).sum(),
    "sliced": lambda w: (w[1:] * w[:-1]).sum(),
    "flattened": lambda w: np.sin(w.ravel()).sum(),
    "swapped": lambda w: np.sin(w.swapaxes(0, 1)).sum(),
    "expanded": lambda w: np.square(w[None]).sum(),
    "twice a view": lambda w: np.sin(w.T.reshape(-1)[3:]).sum() + np.sin(w.T[:, 1:].T).sum(),
    "squeezed": lambda w: np.sin(np.squeeze(w[None])).sum(),
    "broadcast": lambda w: np.sin(np.broadcast_to(w, (2, 5, 6))).sum(),
    "fused": lambda w: ops.linear(Tensor(np.ones((2, 5)), requires_grad=True), w).sum(),
}

WRITES = {
    "assigned": lambda w: setattr(w, "data", np.full(w.shape, 9.0)),
    "from a tensor": lambda w: setattr(w, "data", Tensor(np.full(w.shape, 9.0))),
}


@pytest.mark.hazard(8)
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", RULES_THAT_READ)
def test_a_write_between_forward_and_backward_is_caught_where_a_rule_reads_it(name, write):
    w = big("weight")
    loss = RULES_THAT_READ[name](w)
    WRITES[write](w)
    for _ in range(2):
        with pytest.raises(MutationError) as caught:
            loss.backward()
        text = str(caught.value)
        assert "'weight' was changed" in text
        assert f'"{name}": lambda w:' in text  # the line that recorded it
        assert f'"{write}": lambda w:' in text  # the line that wrote
        assert text.count("test_mutation.py:") == 2
        assert w.grad is None


@pytest.mark.parametrize("view", [lambda w: w.T, ops.identity, lambda w: w[1:].reshape(-1)])
def test_a_write_is_caught_where_the_sweep_stops_at_a_view_of_the_leaf(view):
    w = big()
    seen = view(w)
    loss = (seen * seen).sum()
    w.data = np.full((5, 6), 9.0)
    with pytest.raises(MutationError):
        gradients(loss, [seen])


def test_a_write_is_caught_before_a_pullback():
    w = big()
    _, pullback = vjp(lambda t: t * t, w)
    w.data = np.full((5, 6), 9.0)
    with pytest.raises(MutationError):
        pullback(np.ones((5, 6)))


def test_a_sweep_for_a_view_does_not_mind_that_what_is_beyond_was_freed():
    w, v = big(), leaf(3.0)
    beyond = np.sin(w)
    seen = beyond + 1.0
    loss = (seen * seen).sum()
    np.sum(beyond).backward()
    v.data = 4.0  # some leaf was written, so leaves are looked for
    np.testing.assert_allclose(gradients(loss, [seen])[0].numpy(), 2 * (np.sin(w.numpy()) + 1))


def test_a_nameless_leaf_is_told_by_its_shape():
    w = leaf(np.ones((2, 3)))
    loss = (w * w).sum()
    w.data = np.zeros((2, 3))
    with pytest.raises(MutationError, match=r"tensor of shape \(2, 3\) was changed"):
        loss.backward()


def test_the_forward_pass_may_be_repeated_after_a_caught_write():
    w = leaf([1.0, 2.0])
    loss = (w * w).sum()
    w.data = [3.0, 4.0]
    with pytest.raises(MutationError):
        loss.backward()
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad, [6.0, 8.0])


RULES_THAT_DO_NOT_READ = {
    "sum": (lambda w: w.sum(), np.ones((5, 6))),
    "add": (lambda w: (w + w).sum(), np.full((5, 6), 2.0)),
    "negated": (lambda w: (-w.T).sum(), np.full((5, 6), -1.0)),
    "mean": (lambda w: w.reshape(-1).mean(), np.full((5, 6), 1 / 30)),
    "first": (lambda w: w[0, 0], np.eye(5, 6) * (np.arange(5) == 0)[:, None]),
}


@pytest.mark.parametrize("name", RULES_THAT_DO_NOT_READ)
def test_a_write_between_forward_and_backward_is_harmless_where_no_rule_reads_it(name):
    function, expected = RULES_THAT_DO_NOT_READ[name]
    w = big()
    loss = function(w)
    w.data = np.full((5, 6), 9.0)
    loss.backward()
    np.testing.assert_allclose(w.grad, expected)


def test_a_write_after_the_result_was_copied_is_harmless():
    w = big()
    before = w.numpy().copy()
    loss = np.square(np.tanh(w)).sum()  # tanh keeps its result, and that is no view of w
    w.data = np.full((5, 6), 9.0)
    loss.backward()
    y = np.tanh(before)
    np.testing.assert_allclose(w.grad, 2 * y * (1 - y * y))


def test_a_write_to_one_parameter_of_a_flat_array_is_not_a_write_to_its_neighbour():
    a, b, home, buffer = Parameter([1.0, 2.0]), Parameter([3.0, 4.0]), np.zeros(4), np.zeros(4)
    a.rebase(home[:2], buffer[:2])
    b.rebase(home[2:], buffer[2:])
    loss = (b * b).sum() + a.sum()
    a.data = [9.0, 9.0]
    loss.backward()
    np.testing.assert_array_equal(buffer, [1.0, 1.0, 6.0, 8.0])


@pytest.mark.hazard(8)
def test_the_write_of_an_optimizer_is_caught():
    w, home, buffer = Parameter([1.0, 2.0], name="w"), np.zeros(2), np.zeros(2)
    w.rebase(home, buffer)
    loss = (w * w).sum()
    w.node.mark_written()  # what an optimizer does before it writes into its flat array
    home -= 0.1
    with pytest.raises(MutationError, match="'w' was changed"):
        loss.backward()


def test_a_caught_write_leaves_the_optimizers_buffer_alone():
    w, home, buffer = Parameter(np.ones((2, 2))), np.zeros((2, 2)), np.full((2, 2), 7.0)
    w.rebase(home, buffer)
    loss = (ops.linear(np.ones((1, 2)), w) * w).sum()
    w.data = np.zeros((2, 2))
    with pytest.raises(MutationError):
        loss.backward()
    np.testing.assert_array_equal(buffer, np.full((2, 2), 7.0))


# ------------------------------------------------------------------------- aliases kept by the user


@pytest.mark.hazard(8)
@pytest.mark.parametrize("name", RULES_THAT_READ)
@pytest.mark.parametrize("piece", [lambda a: a, lambda a: a[2:], lambda a: a.T, memoryview])
def test_an_alias_kept_from_before_the_forward_cannot_spoil_the_gradient(name, piece):
    clean, w = big(), big()
    RULES_THAT_READ[name](clean).backward()
    alias = piece(w.data)
    loss = RULES_THAT_READ[name](w)
    np.asarray(alias)[...] = 9.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, clean.grad)


def test_an_alias_that_was_dropped_costs_no_copy_later():
    w = big()
    alias = w.data
    first = (w * w).sum()
    assert first.node.upstream[0].primals[0] is not alias  # a private copy while alias is alive
    del alias, first
    second = w * w
    assert np.shares_memory(second.node.primals[0], w.numpy())


# ------------------------------------------------------------------------------ tensors are values


VALUES = {
    "copy": lambda w: w.copy(),
    "np.copy": np.copy,
    "detach": lambda w: w.detach(),
    "detached view": lambda w: w.T.detach(),
    "Tensor": lambda w: Tensor(w.detach()),
    "deepcopy": copy.deepcopy,
    "np.array of a constant": lambda w: np.array(w.detach()),
}

VIEWS = {
    "transposed": lambda w: w.T,
    "reshaped": lambda w: w.reshape(-1),
    "sliced": lambda w: w[1:],
    "whole": lambda w: w[...],
    "expanded": lambda w: np.expand_dims(w, 0),
    "broadcast": lambda w: np.broadcast_to(w, (2, 5, 6)),
    "identity": ops.identity,
    "view of a view": lambda w: w.T[0],
}


@pytest.mark.parametrize("name", VALUES)
def test_a_copy_keeps_its_value_when_the_parameter_is_updated(name):
    w = big()
    kept = VALUES[name](w)
    before = np.array(kept.data)
    w.data = np.full((5, 6), 9.0)
    np.testing.assert_array_equal(kept.data, before)


@pytest.mark.hazard(9)
@pytest.mark.parametrize("name", VIEWS)
def test_what_is_computed_without_recording_keeps_its_value_when_the_parameter_is_updated(name):
    w, v = big(), leaf(2.0)
    with no_grad():
        kept = VIEWS[name](w)
    before = kept.numpy().copy()
    loss = (v * kept).sum()
    w.data = np.full((5, 6), 9.0)
    np.testing.assert_array_equal(kept.numpy(), before)
    loss.backward()
    np.testing.assert_allclose(v.grad, before.sum())


def test_a_view_that_was_recorded_before_keeps_its_value_without_recording():
    w = big()
    seen = w.T
    with no_grad():
        kept = seen[0]
    before = kept.numpy().copy()
    w.data = np.full((5, 6), 9.0)
    np.testing.assert_array_equal(kept.numpy(), before)


def test_a_constant_made_into_a_leaf_does_not_change_an_older_graph():
    w, x = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    loss = (w * x).sum()
    x.requires_grad_()
    x.data -= 100.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, [3.0, 4.0])


@pytest.mark.hazard(8)
@pytest.mark.hazard(9)
@given(st.sampled_from(sorted(VIEWS)), st.sampled_from(sorted(VIEWS)))
def test_gradients_through_two_views_are_right_or_refused(first, second):
    """Whatever stands between a leaf and a rule: a write is caught, or does not matter."""
    clean, w = big(), big()

    def loss_of(tensor):
        return np.sin(VIEWS[first](tensor)).sum() + np.tanh(VIEWS[second](tensor)).sum()

    loss_of(clean).backward()
    loss = loss_of(w)
    w.data = np.full((5, 6), 9.0)
    with pytest.raises(MutationError):
        loss.backward()
    assert w.grad is None


def test_two_tensors_never_share_what_can_be_written():
    w = leaf([1.0, 2.0])
    others = [
        Tensor(w, requires_grad=True),
        Parameter(w),
        copy.deepcopy(w),
        w.detach().requires_grad_(),
    ]
    for other in others:
        other.data = [9.0, 9.0]
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])
