"""Calls that few make: empty slices, plain lists, numbers that are no whole ones."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, vmap
from tinygrad_edu.errors import OpError


def leaf(value):
    return Tensor(value, requires_grad=True)


@pytest.mark.parametrize("stride", [1.5, True])
def test_a_stride_is_a_whole_number(stride):
    with pytest.raises(OpError, match="stride"):
        tg.conv2d(leaf(np.ones((1, 1, 4, 4))), np.ones((1, 1, 2, 2)), stride=stride)


def test_nothing_can_be_taken_from_an_empty_axis():
    with pytest.raises(OpError, match="there is no element to take"):
        tg.take(leaf(np.ones(0)), np.array([0]), mode="clip")


def test_choices_by_a_list_of_numbers():
    a, b = leaf([1.0, 2.0]), leaf([10.0, 20.0])
    y = tg.choose([1, 0], [a, b])
    y.sum().backward()
    np.testing.assert_array_equal(y.numpy(), [10, 2])
    np.testing.assert_array_equal(a.grad, [0, 1])


def test_axes_that_numpy_refuses_for_another_reason_than_their_lengths():
    with pytest.raises(OpError, match="tensordot"):
        np.tensordot(leaf(np.ones((2, 2))), np.ones((2, 2)), axes=((0, 0), (0, 1)))


def test_a_rank_for_each_example_of_one_array():
    found = vmap(lambda rank: tg.order_statistic(np.array([3.0, 1.0, 2.0]), rank))(np.arange(3))
    np.testing.assert_array_equal(found.numpy(), [1, 2, 3])


@pytest.mark.parametrize("call", [tg.nanmedian, lambda x: tg.nanquantile(x, 0.5)])
def test_the_middle_of_nothing_is_nan_with_a_warning(call):
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="empty slice"):
        found = call(leaf(np.ones(0)))
    assert np.isnan(found.numpy()).all()


def test_a_fit_with_a_cut_of_its_own():
    x = np.arange(5.0)
    found = tg.polyfit(x, leaf(2 * x + 1), 1, rcond=1e-12)
    np.testing.assert_allclose(found.numpy(), [2, 1])


def test_a_loss_of_numbers():
    assert tg.l1_loss([1.0, 3.0], np.ones(2)) == 1.0
    assert tg.l1_loss(np.array(1.0), 3.0) == 2.0
    assert tg.binary_cross_entropy([0.5, 0.5], [1.0, 0.0]) == pytest.approx(np.log(2))
    loss = tg.ctc_loss(leaf(np.zeros((3, 1, 2))), [[1, 1]], [3], [2])
    assert loss.shape == ()
