"""Facts about the rows, written by hand: ties, zeros, infinities, indices, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import grad, hessian, jacobian
from tinygrad_edu.errors import OpError, OpTypeError, UnsupportedError
from tinygrad_edu.testing.laws import check_order_1, check_order_2
from tinygrad_edu.testing.samples import sample
from tinygrad_edu.testing.strategies import indices

INF = np.inf


def leaf(data: Any, dtype: Any = None) -> Tensor:
    return Tensor(np.array(data, dtype=dtype or np.float64), requires_grad=True)


def gradient(f: Callable[[Tensor], Any], data: Any) -> Any:
    """Return the gradient of the sum of a function's result."""
    x = leaf(data)
    f(x).sum().backward()
    return x.grad


# ------------------------------------------------------------------------------ extremes


@pytest.mark.hazard(22)
@pytest.mark.acceptance("N5")
@pytest.mark.parametrize(("row", "extreme"), [(ops.max, 3.0), (ops.min, -3.0)])
def test_tied_extremes_share_the_gradient_equally(row: Any, extreme: float) -> None:
    tied = [extreme, 0.0, extreme]
    assert gradient(row, tied).tolist() == [0.5, 0, 0.5]
    table = [[extreme, extreme, 0], [0, 1, extreme]]
    assert gradient(lambda x: row(x, axis=1), table).tolist() == [[0.5, 0.5, 0], [0, 0, 1]]
    assert gradient(lambda x: row(x, axis=(0, 1)), table).sum() == pytest.approx(1)
    third = gradient(lambda x: row(x, axis=-2, keepdims=True), [[extreme]] * 3)
    assert third.tolist() == [[1 / 3]] * 3


@pytest.mark.hazard(14)
def test_an_extreme_of_nothing_is_refused_and_a_sum_is_not() -> None:
    empty = leaf(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="zero-size"):
        ops.max(empty)
    assert ops.sum(empty).item() == 0
    assert ops.prod(empty).item() == 1
    assert ops.matmul(empty, np.ones((3, 2))).shape == (0, 2)
    assert gradient(lambda x: ops.concatenate([x, x]), np.zeros((0, 3))).shape == (0, 3)
    assert gradient(lambda x: ops.max(x, axis=1), np.zeros((0, 3))).shape == (0, 3)


# ------------------------------------------------------------------------------ products and spread


@pytest.mark.hazard(23)
@pytest.mark.acceptance("N11")
@pytest.mark.parametrize("values", [[0, 2, 3], [0, 0, 3], [0, 0, 0], [1, -2, 0, 4, 5], [7], []])
def test_prod_is_exact_with_zeros_to_second_order(values: list[float]) -> None:
    x = np.array(values, float)
    count = len(values)

    def without(*left_out: int) -> float:
        return float(np.prod([v for i, v in enumerate(values) if i not in left_out]))

    first = [without(i) for i in range(count)]
    second = [[without(i, j) if i != j else 0.0 for j in range(count)] for i in range(count)]
    assert gradient(ops.prod, x).tolist() == first
    assert hessian(ops.prod)(x).numpy().tolist() == second


@pytest.mark.hazard(23)
def test_prod_over_axes_with_zeros() -> None:
    x = np.array([[0.0, 2.0], [3.0, 0.0]])
    assert gradient(lambda x: ops.prod(x, axis=0), x).tolist() == [[3, 0], [0, 2]]
    assert gradient(lambda x: ops.prod(x, axis=1), x).tolist() == [[2, 0], [0, 3]]
    assert gradient(lambda x: ops.prod(x, axis=(1, 0)), x).tolist() == [[0, 0], [0, 0]]


def test_a_deviation_of_zero_has_a_gradient_of_zero_to_second_order() -> None:
    x = np.full(4, 2.5)
    assert gradient(ops.std, x).tolist() == [0, 0, 0, 0]
    assert hessian(ops.std)(x).numpy().tolist() == np.zeros((4, 4)).tolist()
    rows = np.array([[1.0, 1.0], [1.0, 3.0]])
    assert gradient(lambda x: ops.std(x, axis=1), rows).tolist() == [[0, 0], [-0.5, 0.5]]
    assert gradient(lambda x: ops.var(x, axis=1, ddof=1), rows).tolist() == [[0, 0], [-2, 2]]


def test_reductions_of_float32_count_in_float32() -> None:
    x = Tensor(np.ones((3, 4), np.float32), requires_grad=True)
    for row in (ops.mean, ops.var, ops.std, ops.prod, ops.max, ops.logsumexp):
        assert row(x).dtype == np.float32
    ops.mean(x).backward()
    assert x.grad.dtype == np.float32


# ------------------------------------------------------------------------------ softmax family


@pytest.mark.hazard(17)
def test_softmax_and_logsumexp_do_not_overflow() -> None:
    x = np.array([1000.0, 1000.0, -1000.0])
    assert ops.logsumexp(leaf(x)).item() == pytest.approx(1000 + np.log(2), rel=1e-15)
    assert gradient(ops.logsumexp, x) == pytest.approx([0.5, 0.5, 0], abs=1e-12)
    assert ops.softmax(leaf(x)).tolist() == [0.5, 0.5, 0]
    logarithms = np.array([0, 0, -2000]) - np.log(2)
    assert ops.log_softmax(leaf(x)).numpy() == pytest.approx(logarithms)
    assert ops.logsumexp(leaf(-x)).item() == pytest.approx(1000)


@pytest.mark.acceptance("A4")
def test_softmax_of_the_book() -> None:
    found = ops.softmax(leaf([0.3, 2.9, 4.0])).numpy()
    assert found == pytest.approx([0.01821127, 0.24519181, 0.73659691], abs=5e-9)


@pytest.mark.acceptance("A5")
def test_softmax_of_large_logits() -> None:
    found = ops.softmax(leaf([1010.0, 1000.0, 990.0])).numpy()
    assert found == pytest.approx([9.999546e-1, 4.53978686e-5, 2.06106005e-9], rel=1e-7)


@pytest.mark.hazard(17)
def test_entries_of_minus_infinity_have_probability_zero() -> None:
    x = np.array([0.0, -INF, 0.0])
    assert ops.softmax(leaf(x)).tolist() == [0.5, 0, 0.5]
    assert ops.log_softmax(leaf(x)).tolist() == [-np.log(2), -INF, -np.log(2)]
    assert ops.logsumexp(leaf(x)).item() == np.log(2)
    assert gradient(ops.logsumexp, x).tolist() == [0.5, 0, 0.5]
    picked = gradient(lambda x: ops.log_softmax(x)[0], x)
    assert picked.tolist() == [0.5, 0, -0.5]
    picked = gradient(lambda x: ops.softmax(x)[0], x)
    assert picked.tolist() == [0.25, 0, -0.25]


@pytest.mark.hazard(17)
@pytest.mark.hazard("beyond: softmax")
def test_a_row_of_minus_infinity_gives_no_nan() -> None:
    x = np.array([[-INF, -INF], [0.0, 0.0]])
    assert ops.softmax(leaf(x)).tolist() == [[0, 0], [0.5, 0.5]]
    assert ops.logsumexp(leaf(x), axis=1).tolist() == [-INF, np.log(2)]
    assert ops.log_softmax(leaf(x))[0].tolist() == [-INF, -INF]
    weights = np.array([[1.0, 2.0], [1.0, 2.0]])
    assert gradient(lambda x: ops.softmax(x) * weights, x).tolist() == [[0, 0], [-0.25, 0.25]]
    assert gradient(lambda x: ops.logsumexp(x, axis=1), x).tolist() == [[0, 0], [0.5, 0.5]]
    for row in (ops.softmax, lambda x: ops.logsumexp(x, axis=1)):
        second = jacobian(grad(lambda x, row=row: row(x).sum()))(x).numpy()
        assert np.isfinite(second).all()
        assert not second[0].any()


# ------------------------------------------------------------------------------ linear


def test_the_linear_row_refuses_an_activation_that_needs_more_than_its_result() -> None:
    x, w = leaf(np.ones((2, 3))), np.ones((3, 2))
    with pytest.raises(OpError, match=r"softmax.*cannot be fused(.|\n)*sigmoid"):
        ops.linear(x, w, activation="softmax")
    with pytest.raises(OpError, match="cannot be fused"):
        ops.linear(x, w, activation="nonsense")
    assert ops.linear(x, w, activation="identity").tolist() == [[3, 3], [3, 3]]


def test_the_linear_row_writes_first_gradients_where_the_optimizer_wants_them() -> None:
    from tinygrad_edu.core.tensor import Parameter

    weight, bias = Parameter(np.ones((3, 2))), Parameter(np.zeros(2))
    home, buffer = np.zeros(8), np.zeros(8)
    weight.rebase(home[:6].reshape(3, 2), buffer[:6].reshape(3, 2))
    bias.rebase(home[6:], buffer[6:])
    x = np.arange(6.0).reshape(2, 3)
    for _ in range(2):
        ops.linear(x, weight, bias, activation="relu").sum().backward()
    assert np.shares_memory(weight.grad, buffer)
    assert np.shares_memory(bias.grad, buffer)
    expected = np.array([[3, 3], [5, 5], [7, 7], [2, 2]]) * 2
    assert buffer.reshape(4, 2).tolist() == expected.tolist()


# ------------------------------------------------------------------------------ matrix products


@st.composite
def matmul_shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    inner = draw(st.integers(0, 3))
    size = st.integers(1, 3)
    a: tuple[int, ...] = (inner,) if draw(st.booleans()) else (draw(size), inner)
    b: tuple[int, ...] = (inner,) if draw(st.booleans()) else (inner, draw(size))
    stack = draw(st.lists(size, max_size=2))
    ones = [1 if draw(st.booleans()) else n for n in stack]
    if len(a) > 1:
        a = (*stack, *a)
    if len(b) > 1:
        b = (*ones[draw(st.integers(0, len(ones))) :], *b)
    return a, b


@given(shapes=matmul_shapes(), seed=st.integers(0, 2**32 - 1))
def test_matmul_of_any_shapes(shapes: Any, seed: int) -> None:
    one = sample(OPS["matmul"], shapes, {}, seed)
    a, b = one.arrays
    np.testing.assert_array_equal((leaf(a) @ b).numpy(), a @ b)
    if one.size:
        check_order_1(one)


@st.composite
def subscripts(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    """Draw subscripts with their operands' shapes: diagonals, lone letters and ellipses too."""
    lengths = {"i": 2, "j": 3, "K": 1, "b": 2}
    dots = draw(st.sampled_from([(), (2,), (3, 2)]))
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.lists(st.sampled_from(sorted(lengths)), max_size=3))
        own = dots[draw(st.integers(0, len(dots))) :]
        own = tuple(1 if draw(st.booleans()) and draw(st.booleans()) else n for n in own)
        place = draw(st.integers(0, len(letters)))
        with_dots = bool(own) or (bool(dots) and draw(st.booleans()))
        term = "".join(letters)
        terms.append(term[:place] + "..." + term[place:] if with_dots else term)
        sizes = [lengths[letter] for letter in letters]
        shapes.append((*sizes[:place], *own, *sizes[place:]))
    text = ",".join(terms)
    letters = sorted(set(text) - set(",."))
    if draw(st.booleans()):
        kept = draw(st.permutations(letters))[: draw(st.integers(0, len(letters)))]
        text += "->" + ("..." if "..." in text else "") + "".join(kept)
    if draw(st.booleans()):
        text = text.replace(",", " , ")
    return text, shapes


@given(drawn=subscripts(), seed=st.integers(0, 2**32 - 1))
def test_einsum_of_any_subscripts(drawn: tuple[str, Any], seed: int) -> None:
    text, shapes = drawn
    one = sample(OPS["einsum"], shapes, {"subscripts": text}, seed)
    found = np.einsum(text, *[leaf(a) for a in one.arrays])
    np.testing.assert_allclose(found.numpy(), np.einsum(text, *one.arrays), rtol=1e-12, atol=1e-12)
    check_order_1(one)
    check_order_2(one)


def test_einsum_counts_its_operands() -> None:
    with pytest.raises(OpError, match="operands"):
        np.einsum("ij,jk->ik", leaf(np.ones((2, 2))))


# ------------------------------------------------------------------------------ indices

SHAPE = (3, 4, 2)


@given(index=indices(SHAPE), seed=st.integers(0, 2**32 - 1))
def test_getitem_of_any_index(index: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.normal(size=SHAPE)
    x = leaf(array)
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), array[index])
    weights = np.asarray(rng.normal(size=y.shape))
    (y * weights).sum().backward()
    expected = np.zeros(SHAPE)
    np.add.at(expected, index, weights)
    np.testing.assert_allclose(x.grad, expected, rtol=1e-12)


@given(index=indices(SHAPE), seed=st.integers(0, 2**32 - 1))
def test_setitem_of_any_index(index: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.normal(size=SHAPE)
    value = np.asarray(rng.normal(size=array[index].shape))
    x, v = leaf(array), leaf(value)
    y = ops.setitem(x, index, v)
    expected = array.copy()
    expected[index] = value
    np.testing.assert_array_equal(y.numpy(), expected)
    weights = rng.normal(size=SHAPE)
    (y * weights).sum().backward()
    kept = weights.copy()
    kept[index] = 0
    np.testing.assert_array_equal(x.grad, kept)
    # Every element that came from the value hands its weight back to exactly one of its numbers.
    assert v.grad.sum() == pytest.approx((weights - kept).sum(), abs=1e-9)
    np.testing.assert_array_equal(v.grad[v.grad != 0], weights[index][v.grad != 0])


def test_of_values_set_twice_the_last_is_taken_and_gets_the_gradient() -> None:
    x, value = leaf(np.zeros(3)), leaf([1.0, 2.0, 3.0])
    y = ops.setitem(x, np.array([0, 2, 0]), value)
    assert y.tolist() == [3, 0, 2]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 0]
    assert value.grad.tolist() == [0, 1, 1]
    broadcast = leaf(7.0)
    ops.setitem(x, [0, 0], broadcast).sum().backward()
    assert broadcast.grad.item() == 1


@pytest.mark.hazard(24)
def test_repeated_indices_sum() -> None:
    assert gradient(lambda x: x[[1, 1, 1]], np.zeros(3)).tolist() == [0, 3, 0]
    assert gradient(lambda x: x[Tensor([1, 1])], np.zeros(3)).tolist() == [0, 2, 0]
    taken = gradient(lambda x: np.take(x, np.array([[2, 2], [-1, 0]])), np.zeros(3))
    assert taken.tolist() == [1, 0, 3]
    columns = gradient(lambda x: np.take(x, [0, 0], axis=1), np.zeros((2, 3)))
    assert columns.tolist() == [[2, 0, 0], [2, 0, 0]]
    columns = np.array([[0, 0, 2]])
    along = gradient(lambda x: np.take_along_axis(x, columns, axis=1), np.zeros((1, 3)))
    assert along.tolist() == [[2, 0, 1]]
    flat = gradient(lambda x: np.take_along_axis(x, np.array([5, 5]), None), np.zeros((2, 3)))
    assert flat.tolist() == [[0, 0, 0], [0, 0, 2]]
    assert ops.scatter(leaf([1.0, 2.0]), index=np.array([1, 1]), shape=(3,)).tolist() == [0, 3, 0]


def test_an_index_out_of_range_is_an_index_error() -> None:
    x = leaf(np.zeros((2, 3)))
    for look in (lambda: x[2], lambda: x[[0, 5]], lambda: np.take(x, [7]), lambda: x[0, 0, 0]):
        with pytest.raises(IndexError, match=r"index|indices"):
            look()


# ------------------------------------------------------------------------------ joining and cutting


def test_joining_and_cutting_are_inverse() -> None:
    x = np.arange(12.0).reshape(3, 4)
    t = leaf(x)
    for axis in (0, 1, -1):
        parts = np.split(t, x.shape[axis], axis=axis)
        assert isinstance(parts, list)
        joined: Any = np.concatenate(parts, axis=axis)
        np.testing.assert_array_equal(joined.numpy(), x)
        bound = ops.unbind(t, axis=axis)
        assert isinstance(bound, tuple)
        stacked: Any = np.stack(bound, axis=axis)
        np.testing.assert_array_equal(stacked.numpy(), x)
    uneven = ops.split(t, [1, 1, 3], axis=1)
    for part, expected in zip(uneven, np.split(x, [1, 1, 3], axis=1), strict=True):
        np.testing.assert_array_equal(part.numpy(), expected)


def test_a_part_that_is_not_used_gets_no_gradient() -> None:
    x = leaf(np.ones((4, 2)))
    first, _, last = ops.split(x, [1, 3])
    (first * 2 + last * 5).sum().backward()
    assert x.grad.tolist() == [[2, 2], [0, 0], [0, 0], [5, 5]]


def test_one_tensor_may_be_joined_to_itself() -> None:
    x = leaf([1.0, 2.0])
    (np.concatenate([x, x, x]) * np.array([1.0, 2, 3, 4, 5, 6])).sum().backward()
    assert x.grad.tolist() == [9, 12]
    constant = np.concatenate([np.ones(2), leaf([3.0])])
    assert constant.tolist() == [1, 1, 3]


@pytest.mark.parametrize("sections", [2, 0, -3])
def test_unequal_parts_are_refused(sections: int) -> None:
    with pytest.raises(ValueError, match=rf"length 3 cannot be cut into {sections}(.|\n)*fix"):
        ops.split(leaf(np.zeros(3)), sections)


# ------------------------------------------------------------------------------ shapes


def test_methods_spell_shapes_both_ways() -> None:
    x = leaf(np.zeros((2, 3)))
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == (3, 2)
    assert x.reshape(-1).shape == x.ravel().shape == x.flatten().shape == (6,)
    assert x.transpose(1, 0).shape == x.transpose((1, 0)).shape == x.transpose().shape == (3, 2)
    assert x.broadcast_to(4, 2, 3).shape == (4, 2, 3)
    assert x.expand_dims(0).squeeze(0).shape == (2, 3)
    assert x.max(dim=1, keepdim=True).shape == (2, 1)
    assert ops.flatten(leaf(np.zeros((2, 3, 4))), start_axis=1).shape == (2, 12)


def test_sums_to_a_shape_that_was_not_broadcast_are_refused() -> None:
    for wrong in ((4,), (3, 2), (2, 2), (1, 2, 3)):
        with pytest.raises(ValueError, match="sum_to"):
            ops.sum_to(leaf(np.zeros((2, 3))), shape=wrong)


def test_a_conversion_to_integers_stops_the_gradient() -> None:
    assert not ops.astype(leaf([1.5]), np.int64).requires_grad
    narrow = ops.astype(leaf([1.5]), np.float32)
    assert narrow.requires_grad
    assert gradient(lambda x: ops.astype(x, np.float32), [1.5]).dtype == np.float64


def test_indices_counts_and_masks_are_constants_of_numpys_dtype() -> None:
    x = leaf([[1.0, 5.0], [0.0, 2.0]])
    assert np.argmax(x, axis=1).tolist() == [1, 1]
    assert np.argmin(x).item() == 2
    assert np.argmax(x).dtype == np.intp
    assert np.count_nonzero(x).item() == 3
    assert np.all(x > 0).item() is False
    assert np.any(x > 4, axis=0).tolist() == [False, True]
    assert np.logical_and.reduce(x > -1, axis=None).item() is True


# ------------------------------------------------------------------------------ refusals

OUT = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "keyword"),
    [
        (lambda x: np.sum(x, out=OUT), "out"),
        (lambda x: np.sum(x, dtype=np.float32), "dtype"),
        (lambda x: np.nansum(x, where=OUT > 0), "where"),
        (lambda x: np.sum(x, initial=1.0), "initial"),
        (lambda x: np.nanmax(x, initial=1.0), "initial"),
        (lambda x: np.mean(x, dtype=np.float32), "dtype"),
        (lambda x: np.var(x, mean=OUT), "mean"),
        (lambda x: np.add(x, 1, out=OUT), "out"),
        (lambda x: np.add(x, 1, where=OUT > 0), "where"),
        (lambda x: np.exp(x, dtype=np.float32), "dtype"),
        (lambda x: np.concatenate([x, x], out=OUT), "out"),
        (lambda x: np.concatenate([x, x], dtype=np.float32), "dtype"),
        (lambda x: np.matmul(x, OUT.T, out=OUT), "out"),
        (lambda x: np.einsum("ij->i", x, optimize=True), "optimize"),
        (lambda x: np.ravel(x, order="F"), "order"),
        (lambda x: np.reshape(x, -1, order="F"), "order"),
        (lambda x: np.take(x, [0], out=np.zeros(1)), "out"),
    ],
)
def test_keywords_that_cannot_be_honoured_are_refused_by_name(call: Any, keyword: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"keyword {keyword}=(.|\n)*fix"):
        call(leaf(np.zeros((2, 3))))


def test_neutral_keywords_are_accepted() -> None:
    x = leaf(np.ones((2, 3)))
    assert np.sum(x, out=None, keepdims=False).item() == 6
    assert np.concatenate([x, x], casting="same_kind").shape == (4, 3)
    assert np.add(x, 1, order="K").shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: OPS["sum"](x, axs=1), "unknown keyword 'axs'"),
        (lambda x: OPS["sum"](x, 0, axis=0), "several values for 'axis'"),
        (lambda _x: OPS["sum"](), "'x' is missing"),
        (lambda x: OPS["reshape"](x), "'shape' is missing"),
        (lambda x: OPS["sum"](x, 0, None, None, True, 0, None, 1), "at most 7"),
    ],
)
def test_wrong_calls_say_how_to_call(call: Any, message: str) -> None:
    with pytest.raises(OpTypeError, match=rf"{message}(.|\n)*fix"):
        call(leaf(np.zeros((2, 3))))


def test_shapes_that_do_not_fit_are_shown() -> None:
    x = leaf(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"matmul(.|\n)*\(2, 3\)(.|\n)*\(2, 3\)(.|\n)*fix"):
        x @ x
    with pytest.raises(ValueError, match=r"add(.|\n)*\(2, 3\)(.|\n)*\(2,\)(.|\n)*fix"):
        x + np.zeros(2)
    with pytest.raises(ValueError, match="concatenate"):
        np.concatenate([x, np.zeros(3)])


def test_a_cotangent_that_was_summed_from_scalars_is_an_array() -> None:
    x = leaf([1.0, 2.0])
    y = x[0]
    (y * 2 + y * 3).backward()
    assert x.grad.tolist() == [5, 0]
    assert OPS["getitem"](x, 0).numpy().shape == ()
