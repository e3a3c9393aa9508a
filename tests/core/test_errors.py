"""What an error of the engine says: the op, the arguments, the user's line, the fix."""

import functools
import operator
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu
import tinygrad_edu.ops as ops
from tinygrad_edu.core.graph import ancestors
from tinygrad_edu.core.op import OPS, case, composite, elementwise, get_op, linear, op
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import Parameter, Tensor
from tinygrad_edu.core.transforms import (
    grad,
    gradients,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from tinygrad_edu.errors import (
    GradientError,
    GradientTypeError,
    OpError,
    OpTypeError,
    PrecisionWarning,
    TinygradEduError,
    UnsupportedError,
    describe_line,
    explain,
    inside_package,
)

FACTS = {"formula": "f(x)", "latex": "f(x)", "pattern": "scale"}


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


def message(kind, function, *args):
    """The text of the error that a call raises; it must be of the package's own kinds."""
    with pytest.raises(kind) as caught:
        function(*args)
    assert isinstance(caught.value, TinygradEduError)
    return str(caught.value)


# ------------------------------------------------------------------------------ shapes that clash


def test_a_broadcasting_clash_shows_shapes_aligned_from_the_right_line_and_fix():
    a, b = leaf(np.ones((8, 2, 3))), Tensor(np.ones((2, 4), np.float32))
    text = message(ValueError, lambda: a * b)  # the user's line
    assert text.splitlines()[0].startswith("multiply: ")
    assert "  a  (8, 2, 3) float64\n  b     (2, 4) float32\n" in text
    assert "test_errors.py:" in text
    assert "text = message(ValueError, lambda: a * b)  # the user's line" in text
    assert "fix: axis -1 (3 against 4)" in text
    assert "axis -2" not in text


def test_every_axis_that_clashes_is_named():
    text = message(OpError, lambda: leaf(np.ones((2, 3, 4))) + np.ones((5, 1, 6)))
    assert "axis -1 (4 against 6), axis -3 (2 against 5)" in text
    assert "axis -2" not in text


def test_a_vector_that_fits_another_axis_is_told_to_get_a_new_one():
    text = message(OpError, lambda: leaf(np.ones((4, 3))) - np.ones(4))
    assert "t[:, None]" in text


@pytest.mark.parametrize("computed", [False, True])
def test_the_short_way_for_computed_tensors_says_the_same(computed):
    a, b = leaf(np.ones((2, 3)), name="a"), leaf(np.ones(4))
    if computed:
        a, b = a * 1.0, b * 1.0
    text = message(OpError, lambda: a + b)
    assert "  a  (2, 3) float64\n  b    (4,) float64\n" in text


@pytest.mark.parametrize(
    ("a", "b", "lengths"),
    [((2, 3), (4, 5), "3 of a and 4 of b"), ((2, 3), (4,), "3 of a and 4 of b")],
)
def test_a_product_of_matrices_that_do_not_fit_names_the_inner_lengths(a, b, lengths):
    text = message(OpError, lambda: leaf(np.ones(a)) @ np.ones(b))
    assert text.startswith("matmul: ")
    assert lengths in text


def test_a_product_with_a_scalar_has_no_inner_lengths_to_name():
    text = message(OpError, lambda: leaf(np.ones((2, 3))) @ np.ones(()))
    assert text.startswith("matmul: ")
    assert "inner lengths" not in text


def test_an_error_of_a_row_of_several_arrays_lists_them_all():
    text = message(ValueError, lambda: np.concatenate([leaf(np.ones((2, 3))), np.ones(4)]))
    assert text.startswith("concatenate: ")
    assert "  arrays  (2, 3) float64\n  arrays    (4,) float64\n" in text


def test_a_shape_that_does_not_fit():
    text = message(ValueError, lambda: leaf(np.ones((2, 3))).reshape(4, 4))
    assert text.startswith("reshape: ")
    assert "x  (2, 3) float64" in text


def test_an_axis_out_of_range_is_an_index_error_too():
    for kind in (ValueError, IndexError, OpError):
        message(kind, lambda: leaf(np.ones((2, 3))).sum(axis=2))


def test_an_index_out_of_range_is_an_index_error_too():
    text = message(IndexError, lambda: leaf(np.ones((2, 3)))[5])
    assert text.startswith("getitem: index 5 is out of bounds")


def test_an_operand_of_a_wrong_kind_is_shown_as_it_is():
    text = message(TypeError, lambda: leaf(np.ones((2, 3))) + "text")
    assert "'text'" in text
    assert "fix: " not in text  # no advice on shapes where shapes are not the trouble
    text = message(TypeError, lambda: (leaf(1.0) * 1.0) + Tensor([True]) + None)
    assert "None" in text


def test_an_error_that_a_row_raises_itself_is_left_as_it_is():
    text = message(OpError, ops.softmax_cross_entropy, leaf(np.ones((2, 3))), np.zeros(5, int))
    assert text.count("softmax_cross_entropy: ") == 1
    assert text.count("fix: ") == 1


def test_a_unary_row_that_refuses_its_argument_shows_it(table):
    def _picky(_x):
        raise ValueError("not this one")

    elementwise(_picky, 1, functions=(np.spacing,), **FACTS)
    for tensor in (leaf(np.ones((2, 3))), leaf(np.ones((2, 3))) * 1.0):
        text = message(OpError, np.spacing, tensor)
        assert text.startswith("picky: not this one\n  x  (2, 3) float64\n")
    assert "picky" in table


def test_an_operand_with_a_long_text_is_told_by_its_type():
    assert "a dict" in message(TypeError, lambda: leaf(1.0) + {i: i for i in range(50)})


# ---------------------------------------------------------------------------- calls that do not fit


def test_a_numpy_function_without_a_row_names_the_nearest():
    text = message(
        UnsupportedError, lambda: np.heaviside(leaf([1.0]), np.packbits(leaf([1.0, 2.0])))
    )
    assert "np.packbits has no row" in text
    text = message(TypeError, lambda: np.sort_complex(leaf([1.0, 2.0])))
    assert "np.sort_complex has no row in the table" in text
    assert "nearest: " in text
    assert "sort" in text.split("nearest: ")[1]
    assert "lambda: np.sort_complex(leaf([1.0, 2.0]))" in text
    assert "t.numpy()" in text


def test_a_ufunc_without_a_row_is_named_with_its_method():
    assert "np.isnat has no row" in message(UnsupportedError, np.isnat, leaf([1.0]))
    assert "np.add.accumulate has no row" in message(
        UnsupportedError, np.add.accumulate, leaf([1.0])
    )
    assert "np.subtract.reduce has no" in message(UnsupportedError, np.subtract.reduce, leaf([1.0]))


def test_an_op_that_does_not_exist_names_the_nearest():
    assert "tanh" in message(UnsupportedError, get_op, "tahn")
    assert "nearest" not in message(UnsupportedError, get_op, "qqqqqqqqqqqq")


@pytest.mark.parametrize("keyword", ["out", "where", "dtype", "casting"])
def test_a_keyword_that_cannot_be_honoured_is_refused_by_name(keyword):
    value = {"out": np.zeros(2), "where": np.array([True, False]), "casting": "unsafe"}
    keywords = {keyword: value.get(keyword, np.float32)}
    text = message(UnsupportedError, lambda: np.exp(leaf([1.0, 2.0]), **keywords))
    assert f"exp: the keyword {keyword}= cannot be honoured" in text
    assert f"fix: leave {keyword}= out" in text
    text = message(UnsupportedError, lambda: np.add(leaf([1.0, 2.0]), 1.0, **keywords))
    assert f"add: the keyword {keyword}= cannot be honoured" in text


@pytest.mark.parametrize("keyword", ["out", "dtype", "initial"])
def test_a_keyword_of_a_reduction_is_refused_by_name(keyword):
    value = {"out": np.zeros(()), "initial": 1.0}
    keywords = {keyword: value.get(keyword, np.float32)}
    for function in (np.sum, np.add.reduce):
        text = message(UnsupportedError, lambda f=function: f(leaf([1.0, 2.0]), **keywords))
        assert f"sum: the keyword {keyword}= cannot be honoured" in text


def test_a_keyword_that_asks_for_nothing_is_let_through():
    w = leaf([1.0, 2.0])
    assert np.sum(w, None, None, None).item() == 3.0
    assert np.sum(w, out=None, dtype=None).item() == 3.0
    np.testing.assert_array_equal(np.reshape(w, (2, 1), copy=None).shape, (2, 1))


def test_adding_a_tensor_into_an_array_says_how_to_write_it():
    for tensor in (Tensor([1.0]), leaf([1.0]), leaf([1.0]) * 2.0):
        array = np.ones(1)
        with pytest.raises(UnsupportedError, match=r"a = a \+ t instead of a \+= t"):
            array += tensor
        np.testing.assert_array_equal(array, [1.0])


def test_arguments_that_do_not_fit_a_row_show_how_it_is_called():
    w = leaf(np.ones((2, 3)))
    assert "got several values for 'axis'" in message(OpTypeError, lambda: w.sum(0, axis=1))
    assert "got several values for 'axis'" in message(OpTypeError, lambda: w.sum(dim=0, axis=1))
    assert "fix: it takes: x, axis, keepdims" in message(OpTypeError, lambda: w.sum(axes=1))
    text = message(OpTypeError, lambda: ops.reshape(w))
    assert "the argument 'shape' is missing" in text
    assert "call it as reshape(x, shape)" in text
    assert "the argument 'b' is missing" in message(OpTypeError, lambda: ops.add(w))
    assert "takes at most 1 argument" in message(OpTypeError, lambda: ops.sigmoid(w, w))


# ---------------------------------------------------------------------------- tensors are no arrays


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        lambda t: np.array([t, t]),
        lambda t: np.full(3, t.sum()),
        lambda t: np.zeros((1, 2)).__setitem__(0, t),
        lambda t: np.linalg.norm([t]),
    ],
)
def test_turning_a_tensor_with_a_gradient_into_an_array_is_refused_with_the_fix(convert):
    for tensor in (leaf([1.0, 2.0]), leaf([1.0, 2.0]) * 2.0):
        text = message(GradientTypeError, convert, tensor)
        assert "t.numpy()" in text
        assert "t.detach()" in text
        assert "test_errors.py:" in text


def test_the_truth_of_a_mask_is_ambiguous():
    w = leaf([1.0, 2.0])
    text = message(OpTypeError, lambda: bool(w > 0))
    assert "shape (2,) is ambiguous" in text
    assert ".all()" in text
    with pytest.raises(OpTypeError, match="ambiguous"):
        _ = "positive" if w > 0 else "negative"
    with pytest.raises(OpTypeError, match="ambiguous"):
        max(w, w + 1.0)


def test_elements_cannot_be_assigned():
    w = leaf([1.0, 2.0])
    with pytest.raises(OpTypeError, match=r"w\[0\] = 5.0(.|\n)*setitem\(x, index, value\)"):
        w[0] = 5.0
    changed = ops.setitem(w, 0, 5.0)  # what it says works
    np.testing.assert_array_equal(changed.numpy(), [5.0, 2.0])
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])


# --------------------------------------------------------------------- gradients that are not there


def test_backward_starts_from_a_scalar():
    text = message(GradientError, (leaf(np.ones((2, 3))) * 2.0).backward)
    assert "scalar" in text
    assert "(2, 3)" in text
    assert "loss.sum()" in text


def test_backward_on_a_constant_says_why():
    for constant in (Tensor(1.0), Tensor([1.0]).sum()):
        text = message(GradientError, constant.backward)
        assert "does not depend on any tensor that requires a gradient" in text
        assert "requires_grad=True" in text
    with no_grad():
        y = leaf(1.0) * 2.0
    assert "outside no_grad()" in message(GradientError, y.backward)


def test_a_seed_has_the_shape_of_its_tensor():
    w = leaf(np.ones((2, 3)))
    text = message(GradientError, (w * 2.0).backward, np.ones(3))
    assert "(3,)" in text
    assert "(2, 3)" in text
    assert w.grad is None


def test_gradients_with_respect_to_a_constant_are_refused():
    w, x = leaf(1.0), Tensor(1.0)
    for wrong in (x, 3.0):
        text = message(GradientError, gradients, w * x, [w, wrong])
        assert "input 1 is a constant" in text
    assert "does not depend" in message(GradientError, gradients, x, [w])


def test_transforms_say_what_they_need():
    text = message(GradientError, grad(lambda x: x * 2.0), np.ones(3))
    assert "returned shape (3,)" in text
    assert "jacobian" in text
    assert "returned a str, not a tensor" in message(GradientTypeError, grad(lambda _x: "no"), 1.0)
    assert "argnums=1" in message(GradientError, value_and_grad(lambda x: x, argnums=1), 1.0)
    assert "argnums=-2" in message(GradientError, grad(lambda x: x, argnums=-2), 1.0)
    assert "2 primals but 1 tangents" in message(
        GradientError, jvp, lambda x, y: x * y, (1.0, 2.0), (1.0,)
    )
    assert "2 primals but 1 vectors" in message(
        GradientError, hvp, lambda x, y: x * y, (1.0, 2.0), (1.0,)
    )
    assert "hvp" in message(GradientError, hvp, lambda x: x * 2.0, np.ones(2), np.ones(2))
    assert "jvp(tangents)" in message(GradientError, jvp, np.sin, (1.0,), (np.ones(2),))
    assert "hvp(vectors)" in message(GradientError, hvp, np.sin, 1.0, np.ones(2))
    assert "'reverse' or 'forward', not 'both'" in message(
        GradientError, lambda: jacobian(np.sin, mode="both")
    )
    _, pullback = vjp(lambda x: x * 2.0, np.ones(2))
    assert "pullback" in message(GradientError, pullback, np.ones(3))


# ------------------------------------------------------------------------------ rows of a user


@pytest.mark.hazard(32)
def test_a_rule_that_returns_a_wrong_shape_is_refused_with_both_shapes_and_dtypes(table):
    wrong = op(
        lambda x: x * 2.0, lambda g, _y, _x: g.sum(), name="wrong", signature="()->()", **FACTS
    )
    w, v = leaf(np.ones((2, 3), np.float32)), leaf(1.0)
    loss = (wrong(w) * v).sum()
    text = message(GradientError, loss.backward)
    assert text.startswith("wrong: its rule returned a cotangent of shape () float32")
    assert "for an argument of shape (2, 3) float32" in text
    assert "loss = (wrong(w) * v).sum()" in text
    assert w.grad is None
    assert v.grad is None
    assert "wrong" in table


@pytest.mark.hazard(32)
def test_a_broadcasting_row_that_returns_an_impossible_shape_is_refused(table):
    elementwise(np.hypot, lambda _y, _a, _b: np.ones(7), 1, name="odd", **FACTS)
    op(
        lambda a, b: a + b,
        lambda g, _y, _a, _b: g[:, :2],
        lambda g, _y, _a, _b: g[0, 0],
        name="cut",
        broadcasts=True,
        signature="(m,n),(m,n)->(m,n)",
        **FACTS,
    )
    a, b = leaf(np.ones((2, 1))), leaf(np.ones((1, 3)))
    for loss, shape in [
        (table["odd"](a, np.ones(1)).sum(), "(2, 7)"),  # would sum to the right shape by accident
        (table["cut"](np.ones((2, 3)), b).sum(), "()"),
        (table["cut"](b, np.ones((2, 3))).sum(), "(2, 2)"),
    ]:
        text = message(GradientError, loss.backward)
        assert f"returned a cotangent of shape {shape}" in text
    assert a.grad is None
    assert b.grad is None


def test_a_rule_may_return_a_wider_dtype_and_the_sweep_brings_it_back(table):
    elementwise(lambda x: x * 2, lambda _y, _x: np.float64(2.0), name="wide", **FACTS)
    w = leaf(np.ones(3, np.float32))
    table["wide"](w).sum().backward()
    assert w.grad.dtype == np.float32
    np.testing.assert_array_equal(w.grad, [2.0, 2.0, 2.0])


def test_a_rule_may_return_a_numpy_number_for_a_scalar(table):
    op(
        lambda x: x * 2,
        lambda _g, _y, _x: np.float64(2.0),
        name="number",
        signature="()->()",
        **FACTS,
    )
    w = leaf(3.0)
    table["number"](w).backward()
    assert type(w.grad) is np.ndarray
    assert w.grad == 2.0


def test_two_rows_of_one_name_are_refused(table):
    with pytest.raises(OpError, match="'tanh' already; give the new one another name="):
        elementwise(np.tanh, 1, **FACTS)
    assert table["tanh"].rules


def test_a_new_row_has_defaults_from_its_text(table):
    def _cube(x):
        """Third power.

        And more.
        """
        return x**3

    row = elementwise(_cube, lambda _y, x: 3 * x * x, **FACTS)
    assert row is table["cube"]
    assert row.doc == "Third power."
    assert row.arguments == ("x",)
    assert row.group == "test_errors"
    assert repr(row) == "<op cube: f(x)>"
    assert grad(row)(2.0).item() == 12.0
    assert grad(grad(row))(2.0).item() == 12.0
    assert jvp(row, (2.0,), (1.0,))[1].item() == 12.0


def test_a_row_may_have_parameters_and_constant_factors(table):
    row = elementwise(lambda x, *, by=2.0: x * by, lambda _y, _x, *, by: by, name="times", **FACTS)
    w = leaf(3.0)
    row(w, by=5.0).backward()
    row(w).backward()
    assert w.grad == 7.0
    halve = elementwise(lambda x: x / 2, 0.5, name="halve", singular=True, **FACTS)
    assert grad(halve)(3.0).item() == 0.5
    assert halve.arguments == ("x",)
    assert set(table) >= {"times", "halve"}


def test_a_rule_may_be_any_callable(table):
    def scaled(by, _y, x):
        return by * x

    elementwise(lambda x: x * x, functools.partial(scaled, 2), name="partial", **FACTS)
    assert table["partial"].arguments == ("x",)
    assert table["partial"].reads == (True,)
    assert not table["partial"].reads_result
    assert grad(table["partial"])(3.0).item() == 6.0


def test_a_composite_is_a_row_without_a_rule(table):
    row = composite(
        lambda x, *, power=2: np.tanh(x) ** power, name="tanh_power", signature="()->()", **FACTS
    )
    assert "tanh_power" in table
    w = leaf(0.5)
    row(w, power=3).backward()
    np.testing.assert_allclose(w.grad, 3 * np.tanh(0.5) ** 2 * (1 - np.tanh(0.5) ** 2))
    assert [node.op.name for node in ancestors(row(w).node)[1:]] == ["tanh", "power"]
    np.testing.assert_allclose(row(0.5), np.tanh(0.5) ** 2)


def test_a_linear_row_is_its_own_jvp_and_a_fixed_argument_passes_unchanged(table):
    row = linear(
        lambda x, mask: x * mask,
        lambda g, _y, _x, mask: g * mask,
        None,
        name="masked",
        signature="(),()->()",
        arguments=("x", "mask"),
        **FACTS,
    )
    mask = np.array([True, False])
    value, tangent = jvp(lambda x: row(x, mask), ([1.0, 2.0],), ([10.0, 20.0],))
    np.testing.assert_array_equal(value.numpy(), [1.0, 0.0])
    np.testing.assert_array_equal(tangent.numpy(), [10.0, 0.0])
    assert row is table["masked"]


def test_a_case_is_arrays_and_parameters():
    made = case((2, 3), axis=1)
    assert made.arrays == ((2, 3),)
    assert made.params == {"axis": 1}


# ------------------------------------------------------------------------------ precision


def test_a_float32_parameter_that_meets_float64_warns_and_names_line_and_parameter():
    w, x = Parameter(np.ones((3, 2), np.float32), name="w"), np.ones((4, 3))
    with pytest.warns(PrecisionWarning) as caught:
        y = x @ w  # meets here
    (warning,) = caught
    text = str(warning.message)
    assert "float32 tensor 'w' met a float64 value" in text
    assert "y = x @ w  # meets here" in text
    assert "astype(np.float32)" in text
    assert warning.filename == __file__
    y.sum().backward()
    assert w.grad.dtype == np.float32


def test_the_warning_comes_once_a_line():
    w = leaf(np.ones(2, np.float32))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(5):
            _ = w * np.ones(2)
        _ = w + np.float64(1.0)
    assert len(caught) == 2


def test_what_does_not_widen_by_accident_is_not_warned_of():
    w = leaf(np.ones((2, 2), np.float32))
    for y in (
        w.astype(np.float64),
        w * 2.0,
        w @ np.ones((2, 2), np.float32),
        w * np.array([1, 2], np.int8),
        w[np.array([0, 1])],
        np.where(np.array([True, False]), w, 0.0),
        leaf(np.ones(2)) * np.ones(2, np.float32),
    ):
        assert y.requires_grad


# ------------------------------------------------------------------------------ the user's line


def test_frames_of_the_package_and_of_numpy_are_not_the_users(tmp_path):
    package = tinygrad_edu.__file__
    assert inside_package[package]
    assert inside_package[np.__file__]
    assert not inside_package[__file__]
    assert not inside_package[str(tmp_path / "tinygrad_edu_examples" / "train.py")]
    assert not inside_package[str(Path(package).parent) + "_examples/train.py"]


def test_a_line_whose_text_is_not_known_is_told_by_its_number():
    code = compile("\n\ny = w * 2.0", "<typed>", "exec")
    scope = {"w": leaf(1.0)}
    exec(code, scope)
    assert scope["y"].node.line == "<typed>:3"
    assert describe_line(None, 0) == "unknown line"
    assert describe_line(compile("y = 1", "<frozen runpy>", "exec"), 0) == "unknown line"


@pytest.mark.parametrize(
    "script", ["/env/bin/tinygrad-edu", "/Scripts/tinygrad-edu.exe/__main__.py"]
)
def test_the_script_of_the_package_is_no_line_of_the_user(script):
    assert describe_line(compile("y = 1", script, "exec"), 0) == "unknown line"


@pytest.mark.parametrize("own", ["/tinygrad-edu/net.py", "/x/tinygrad-edu.py", "/app/__main__.py"])
def test_a_file_of_the_user_in_a_folder_of_that_name_is(own):
    assert describe_line(compile("y = 1", own, "exec"), 10**6) == f"{Path(own).name}:1"


def test_a_line_of_a_notebook_is_told_by_its_place_in_the_cell():
    code = compile("\ny = w * 2.0", str(Path("ipykernel_12", "3456.py")), "exec")
    scope = {"w": leaf(1.0)}
    exec(code, scope)
    assert scope["y"].node.line == "notebook cell:2"


def test_an_instruction_outside_the_table_of_lines_is_on_the_first_line():
    code = compile("y = 1", "<typed>", "exec")
    assert describe_line(code, 10**6) == "<typed>:1"


def test_explain_leaves_out_what_there_is_not():
    assert explain("op", "is wrong", where="here") == "op: is wrong\n  at here"
    text = explain("op", "is wrong", arguments=(("x", 1), ("long", np.ones((10, 2)))), fix="do")
    assert "     x        1\n  long  (10, 2) float64\n" in text


def test_every_row_of_the_table_names_its_arguments_in_a_refusal():
    for row in OPS.values():
        if row.variadic or row.optional == row.arguments:
            continue
        text = message(OpTypeError, row)
        assert f"{row.name}: the argument {row.arguments[0]!r} is missing" in text


def test_a_name_on_a_constant_is_refused_since_it_would_be_lost():
    with pytest.raises(
        OpTypeError, match=r"(?s)a constant has no name, 'x' was given.*requires_grad=True"
    ):
        Tensor([1.0], name="x")


@pytest.mark.parametrize("logits", [[[1.0, 2.0]], Tensor([[1.0, 2.0]], requires_grad=True)])
def test_fused_rows_take_lists_and_numbers_like_arrays(logits):
    found = ops.softmax_cross_entropy(logits, [1])
    assert float(found) == pytest.approx(np.log1p(np.exp(-1.0)))
    with pytest.raises(OpError, match="one label per row"):
        ops.softmax_cross_entropy(logits, 1)


def test_a_bias_of_another_dtype_widens_as_numpy_does():
    x, w = np.ones((2, 3), np.float32), np.ones((3, 1), np.float32)
    assert ops.linear(x, w, np.zeros(1)).dtype == np.float64


@pytest.mark.parametrize("change", [operator.iadd, operator.isub, operator.imul, operator.itruediv])
def test_a_parameter_changed_by_an_operator_says_how_to_change_it(change):
    p = Parameter([1.0, 2.0])
    with pytest.raises(OpTypeError, match=r"\+=, -=(.|\n)*p\.data -= "):
        change(p, 1.0)


MINE = {"name": "mine", "doc": "d", "formula": "f", "latex": "f", "pattern": "scale"}


@pytest.mark.parametrize("factors", [[lambda x: x], [lambda _y, _a, b: b]])
def test_a_factor_of_the_wrong_number_of_arguments_is_refused_where_it_is_declared(factors):
    with pytest.raises(
        OpTypeError, match=r"mine: a factor takes \d arguments, with 1 factors"
    ) as error:
        elementwise(np.tanh, *factors, **MINE)
    assert "test_errors.py" in str(error.value)
    assert "mine" not in OPS


def test_a_row_of_three_arguments_has_three_derivatives(table):  # noqa: ARG001 - put back after
    row = elementwise(
        lambda a, b, c: a * b + c,
        lambda _y, _a, b, _c: b, lambda _y, a, _b, _c: a, 1, **MINE,
    )  # fmt: skip
    a, b, c = (Tensor([v], requires_grad=True) for v in (2.0, 3.0, 5.0))
    row(a, b, c).backward()
    assert [t.grad.tolist() for t in (a, b, c)] == [[3.0], [2.0], [1.0]]


# ------------------------------------------------------------------------------ declaring a row

DECLARED = {"formula": "f", "latex": "f", "pattern": "scale", "signature": "()->()"}


@pytest.mark.parametrize("missing", DECLARED)
def test_a_fact_that_is_missing_is_named(table, missing):
    facts = {name: value for name, value in DECLARED.items() if name != missing}
    text = message(OpTypeError, lambda: op(np.spacing, None, name="mine", **facts))
    assert f"mine: the facts {missing} are missing\n  at test_errors.py" in text
    assert 'pattern="scale"' in text
    assert "mine" not in table


def test_a_fact_that_there_is_not_is_answered_with_the_nearest_and_the_list(table):
    text = message(OpTypeError, lambda: op(np.spacing, None, name="mine", kink={}, **DECLARED))
    assert "mine: 'kink' is no fact of a row; nearest: kinks\n  at test_errors.py" in text
    assert "fix: the facts are formula, latex, pattern, signature, accepts_complex" in text
    text = message(OpTypeError, lambda: elementwise(np.spacing, 1, name="mine", reads=(), **FACTS))
    assert "'reads' is no fact of a row" in text  # a field of the row, but none to declare
    assert "mine" not in table


def test_a_pattern_that_there_is_not_is_answered_with_the_list(table):
    facts = {**DECLARED, "pattern": "scaled"}
    text = message(OpError, lambda: op(np.spacing, None, name="mine", **facts))
    assert "mine: 'scaled' is no pattern" in text
    assert "fix: the patterns are copy, swap, route, scale, sum, reshape, matmul, none" in text
    assert "mine" not in table


@pytest.mark.parametrize("forward", [lambda x: x, functools.partial(np.multiply, 2)])
def test_a_function_without_a_name_is_asked_for_one(table, forward):
    before = set(table)
    text = message(OpTypeError, lambda: composite(forward, **DECLARED))
    assert 'fix: give it one, as in name="softsign"' in text
    assert set(table) == before


# ------------------------------------------------------------------------------ values and numbers


@pytest.mark.parametrize("data", [[[1.0, 2.0], [3.0]], [1.0, [2.0]]])
def test_ragged_lists_are_refused_with_line_and_fix(data):
    for call in (lambda: Tensor(data), lambda: leaf([1.0, 2.0]) + data):
        text = message(OpError, call)
        assert "at test_errors.py:" in text
        assert "fix: give numbers of one shape; rows of several lengths are padded first" in text


def test_data_that_numpy_cannot_convert_is_refused_with_line_and_fix():
    text = message(OpTypeError, lambda: Tensor([1.0 + 2.0j], dtype=np.float64))
    assert "Tensor: " in text
    assert "at test_errors.py:" in text
    text = message(OpTypeError, lambda: Tensor(["a"]))
    assert "cannot hold dtype <U1\n  at test_errors.py:" in text


@pytest.mark.parametrize("convert", [float, int, complex, lambda t: t.item(), lambda t: f"{t:.2f}"])
def test_several_numbers_are_not_one(convert):
    for tensor in (leaf([1.0, 2.0]), Tensor(np.zeros((0, 2)))):
        text = message(ValueError, convert, tensor)
        assert f"a tensor of shape {tensor.shape} is not one number\n  at " in text
        assert "t.sum().item()" in text


@pytest.mark.parametrize("data", [2.0, [1, 2], True])
def test_a_tensor_that_is_no_index_says_so(data):
    tensor = Tensor(data)
    text = message(TypeError, lambda: range(10)[tensor])
    assert f"a tensor of shape {tensor.shape} {tensor.dtype} is no index" in text
    assert "fix: int(t), or t.argmax().item()" in text


AXES = {
    "sum": lambda w: w.sum(axis=2),
    "mean": lambda w: w.mean(-3),
    "softmax": lambda w: ops.softmax(w, axis=2),
    "max": lambda w: w.max(axis=5),
    "take": lambda w: np.take(w, [0], axis=4),
    "transpose": lambda w: w.transpose(0, 3),
    "concatenate": lambda w: np.concatenate([w, w], axis=3),
    "cumsum": lambda w: w.cumsum(2),
}


@pytest.mark.parametrize("name", AXES)
def test_an_axis_out_of_bounds_is_told_which_there_are(name):
    text = message(IndexError, AXES[name], leaf(np.ones((2, 3))))
    assert text.startswith(f"{name}: axis")
    assert "at test_errors.py:" in text
    assert "fix: an array with 2 axes has the axes -2 to 1" in text


def test_a_scalar_has_no_axis_to_choose():
    assert "leave axis= out" in message(IndexError, lambda: leaf(1.0).max(axis=1))


# ------------------------------------------------------------------------------ gradients of what


def test_gradients_of_something_else_than_a_tensor():
    w = leaf([1.0, 2.0])
    wrong = ((3.0, "float"), (None, "NoneType"), (np.ones(2), "ndarray"), ([3.0], "float"))
    for output, kind in wrong:
        text = message(GradientTypeError, gradients, output, [w])
        assert f"gradients: the output is a {kind}, not a tensor\n  at test_errors.py" in text


def test_inputs_that_are_one_tensor_are_not_taken_for_a_list_of_its_rows():
    w = leaf([1.0, 2.0])
    for wrong, kind in ((w, "Tensor"), (3.0, "float")):
        text = message(GradientTypeError, gradients, (w * w).sum(), wrong)
        assert f"gradients: the inputs are one {kind}, not a list of tensors" in text
        assert "fix: gradients(output, [x])" in text


# ------------------------------------------------------------------------------ causes and warnings


def test_an_error_is_not_its_own_cause():
    logits = leaf(np.ones((2, 3)))
    with pytest.raises(OpError) as caught:
        ops.softmax_cross_entropy(logits, [0, 5])
    assert caught.value.__cause__ is None
    with pytest.raises(OpError) as caught:
        logits + np.ones(7)
    assert type(caught.value.__cause__) is ValueError


def test_a_line_is_warned_of_once_though_two_parameters_meet_the_value():
    w, b = Parameter(np.ones((3, 2), np.float32), name="w"), leaf(np.ones(2, np.float32))
    x = np.ones((4, 3))
    for call in (
        lambda: x @ w + b,
        lambda: np.tanh(x @ w)[:, ::-1] * 1.0 + b,
        lambda: ops.linear(x, w, b),
    ):
        with pytest.warns(PrecisionWarning) as caught:
            call()
        assert len(caught) == 1
        assert "float32 tensor 'w' met a float64 value" in str(caught[0].message)
    with pytest.warns(PrecisionWarning, match="'w'"):
        y = x @ w
    with pytest.warns(PrecisionWarning, match=r"shape \(2,\)"):
        assert (y + b).dtype == np.float64  # another line is another warning
    with pytest.warns(PrecisionWarning) as caught:  # a wide value made in the line is no excuse
        _ = (leaf(np.ones(2)) * 2.0) + b
    assert len(caught) == 1


# ------------------------------------------------------------------------------ small things


def test_dir_of_the_package_names_what_is_imported_late():
    assert set(tinygrad_edu.__all__) <= set(dir(tinygrad_edu))
    with pytest.raises(AttributeError, match="no attribute 'gradcheque'"):
        _ = tinygrad_edu.gradcheque


def test_a_freed_node_knows_the_line_that_freed_it():
    w = leaf([1.0, 2.0])
    loss = (w * w).sum()
    loss.backward()  # freed here
    assert describe_line(*loss.node.saved).endswith("loss.backward()  # freed here")


def test_a_product_that_fits_when_transposed_says_so():
    text = message(OpError, lambda: leaf(np.ones((2, 3))) @ np.ones((4, 3)))
    assert "fix: transpose b, as in np.matmul(a, np.swapaxes(b, -1, -2))" in text
    text = message(OpError, lambda: leaf(np.ones((2, 3, 4))) @ np.ones((5, 4, 2)))
    assert "the stacks, (2,) of a and (5,) of b, do not broadcast" in text


def test_lists_given_to_a_composite_row_are_arrays():
    np.testing.assert_array_equal(ops.lerp([[1.0], [2.0]], [[3.0], (4.0,)], 0.5), [[2.0], [3.0]])
    text = message(OpError, ops.lerp, [[1.0], [2.0, 3.0]], 1.0, 0.5)
    assert "lerp: setting an array element" in text
    assert ops.stack([[leaf(1.0), 2.0], np.ones(2)][0]).requires_grad  # lists of Tensors stay lists
