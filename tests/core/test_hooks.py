"""Hooks, kept gradients of computed tensors, and `detect_anomaly`."""

import gc
import threading
import weakref

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, detect_anomaly, grad, gradients, no_grad
from tinygrad_edu.errors import AnomalyError, GradientError


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


# ------------------------------------------------------------------------------ hooks


def test_a_hook_sees_the_complete_gradient_once():
    x = leaf([1.0, 2.0])
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.copy()))
    (y * y + y).sum().backward()
    (once,) = seen
    np.testing.assert_array_equal(once, [7.0, 13.0])
    np.testing.assert_array_equal(x.grad, [21.0, 39.0])


def test_what_a_hook_returns_goes_on_upstream_and_into_grad():
    x, w = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    y = x * w
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: np.clip(g, -5, 5))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [5.0, 5.0])
    np.testing.assert_array_equal(w.grad, [10.0, 20.0])


def test_hooks_run_in_order_and_can_be_taken_off():
    x = leaf(1.0)
    first = x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    (x * 1.0).backward()
    assert x.grad == 20.0
    first.remove()
    first.remove()
    (x * 1.0).backward()
    assert x.grad == 30.0


def test_a_hook_that_was_registered_after_the_tensor_was_used_is_called():
    x = leaf(2.0)
    y = x * 3
    z = y * y
    y.register_hook(lambda g: g * 0)
    z.backward()
    assert x.grad == 0.0


def test_hooks_run_in_gradients_too_and_in_recorded_sweeps():
    x = leaf([0.5, 1.0])
    y = np.sin(x)
    kinds = []
    y.register_hook(lambda g: kinds.append(type(g)) or g * 2)
    (found,) = gradients((y * y).sum(), [x], retain_graph=True)
    expected = 2 * 2 * np.sin(x.numpy()) * np.cos(x.numpy())
    np.testing.assert_allclose(found.numpy(), expected)
    (found,) = gradients((y * y).sum(), [x], create_graph=True)
    np.testing.assert_allclose(found.numpy(), expected)
    assert kinds == [np.ndarray, Tensor]
    (second,) = gradients(found.sum(), [x])
    # The derivative of 4 sin x cos x, whose sine comes through the hook once more.
    assert np.isfinite(second.numpy()).all()


def test_a_hook_cannot_write_to_the_gradient_and_must_keep_its_shape():
    x = leaf([1.0, 2.0])
    handle = x.register_hook(lambda g: g.__setitem__(0, 5.0))
    with pytest.raises(ValueError, match="read-only"):
        (x * 1.0).sum().backward()
    handle.remove()
    x.register_hook(lambda g: g[:1])
    with pytest.raises(GradientError, match="a hook returned a gradient of shape \\(1,\\)"):
        (x * 1.0).sum().backward()
    assert x.grad is None


def test_a_hook_may_return_another_dtype_and_a_tensor():
    x = leaf(np.ones(2, np.float32))
    x.register_hook(lambda g: g.astype(np.float64))
    x.register_hook(lambda g: Tensor(g * 2))
    (x * 1).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [2.0, 2.0])


def test_constants_have_no_hooks():
    with pytest.raises(GradientError, match="register_hook"):
        Tensor(1.0).register_hook(lambda g: g)
    with pytest.raises(GradientError, match="retain_grad"):
        Tensor(1.0).retain_grad()


def test_hooks_keep_no_graph_alive():
    x = leaf([1.0, 2.0])
    y = np.exp(x)
    y.register_hook(lambda g: g)
    y.retain_grad()
    y.sum().backward()
    dead = weakref.ref(y)
    gc.disable()
    try:
        del y
        assert dead() is None
    finally:
        gc.enable()


# ------------------------------------------------------------------------------ retain_grad


def test_a_computed_tensor_keeps_its_gradient_when_asked():
    x = leaf([1.0, 2.0])
    y = (x * 3).retain_grad()
    z = y * y
    assert y.grad is None
    z.sum().backward(retain_graph=True)
    np.testing.assert_array_equal(y.grad, [6.0, 12.0])
    z.sum().backward()
    np.testing.assert_array_equal(y.grad, [12.0, 24.0])
    assert z.grad is None
    assert y.grad.flags.writeable
    assert not np.shares_memory(y.grad, x.grad)


def test_gradients_leaves_kept_gradients_alone():
    x = leaf([1.0, 2.0])
    y = (x * 3).retain_grad()
    gradients(y.sum(), [x], retain_graph=True)
    assert y.grad is None


def test_a_leaf_keeps_its_gradient_anyway():
    x = leaf(2.0).retain_grad()
    (x * x).backward()
    assert x.grad == 4.0


# ------------------------------------------------------------------------------ anomalies


def message(function):
    with pytest.raises(AnomalyError) as caught, np.errstate(all="ignore"):
        function()
    return str(caught.value)


def test_the_first_value_that_is_not_finite_is_named_forward():
    x = leaf([1.0, 0.0, -1.0], name="x")

    def forward():
        with detect_anomaly():
            return np.exp(np.log(x)) + 1

    text = message(forward)
    assert text.startswith("log: the result is -inf at [1], where x = 0.0")
    assert "test_hooks.py" in text
    assert "np.log(x)" in text


def test_a_value_that_came_in_is_told_from_one_that_was_made():
    x = leaf([[1.0, np.inf]])
    with detect_anomaly():
        text = message(lambda: x @ np.ones((2, 1)))
    assert "its argument a is inf at [0, 1] already" in text


def test_the_first_cotangent_that_is_not_finite_is_named_backward():
    x = leaf([4.0, 0.0])
    row = tg.op(
        lambda x: x**0.5,
        lambda g, y, _x: g / (2 * y),
        name="bad_root",
        formula="√x",
        latex=r"\sqrt{x}",
        pattern="scale",
        signature="()->()",
        policy="none",
    )
    try:
        with detect_anomaly():
            y = row(x).sum()
            text = message(y.backward)
    finally:
        del tg.OPS["bad_root"]
    assert text.startswith("bad_root: the gradient for its argument x is inf at [1]")
    assert "y = row(x).sum()" in text
    assert x.grad is None


def test_recorded_sweeps_are_watched_too():
    with detect_anomaly(), np.errstate(all="ignore"), pytest.raises(AnomalyError, match="inf at"):
        grad(grad(lambda x: np.exp(700.0 * x)))(1.0)


def test_the_watch_ends_with_its_context_and_holds_inside_others():
    x = leaf(0.0)
    with detect_anomaly():
        with no_grad(), np.errstate(all="ignore"), pytest.raises(AnomalyError):
            np.log(x)
        with pytest.raises(AnomalyError), np.errstate(all="ignore"):
            np.log(x * 1.0)
        with pytest.raises(AnomalyError), np.errstate(all="ignore"):
            (x * 1.0) / (x * 1.0)
    with np.errstate(all="ignore"):
        assert np.isneginf(np.log(x).item())


def test_the_watch_is_one_threads_own():
    found = []

    def other():
        with np.errstate(all="ignore"):
            found.append(np.log(leaf(0.0)).item())

    with detect_anomaly():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == [-np.inf]


def test_nothing_finite_is_refused():
    with detect_anomaly():
        x = leaf([1.0, 2.0])
        (np.sqrt(x) * np.array([1, 2])).sum().backward()
        assert np.equal(x, 1).numpy().tolist() == [True, False]
    np.testing.assert_allclose(x.grad, [0.5, 2 / (2 * np.sqrt(2))])


def test_an_error_inside_a_rule_says_of_which_op_and_line(table):
    row = tg.op(
        lambda x: x * 1.0,
        lambda g, _y, _x: g[7],
        name="broken",
        formula="x",
        latex="x",
        pattern="copy",
        signature="()->()",
    )
    x = leaf([1.0])
    y = row(x)
    with pytest.raises(IndexError) as caught:
        y.sum().backward()
    (note,) = caught.value.__notes__
    assert "in the backward pass of broken, recorded at test_hooks.py" in note
    assert "y = row(x)" in note
    del table["broken"]


def test_an_anomaly_of_a_row_that_mixes_its_elements_shows_its_arguments():
    x = leaf([1e308, 1e308])
    with np.errstate(over="ignore"), detect_anomaly(), pytest.raises(AnomalyError) as caught:
        x.sum()
    text = str(caught.value)
    assert text.startswith("sum: the result is inf at []\n  x  (2,) float64\n")
