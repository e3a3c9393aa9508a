"""Source of values: evaluated, it is the same value, to the last bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.core.op import OPS
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.testing import assert_gradients, check_op
from tinygrad_edu.testing.reproduce import call_source, name_of, source_of


def evaluated(value: Any) -> Any:
    return eval(source_of(value), {"np": np, "Tensor": Tensor})


@given(
    array=hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.bool_, np.complex128]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
def test_arrays_come_back_to_the_bit(array: Any) -> None:
    again = evaluated(array)
    assert (again.shape, again.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(again, array)
    zeros = array == 0
    if array.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(again[zeros]), np.signbit(array[zeros]))


@pytest.mark.parametrize(
    "value",
    [
        3,
        1.5,
        float("inf"),
        "same",
        None,
        True,
        (1,),
        [],
        [1, (2, 3)],
        {"axis": (0, 1)},
        slice(1, 3),
    ],
)
def test_other_values_come_back(value: Any) -> None:
    assert evaluated(value) == value


def test_a_nan_comes_back() -> None:
    assert np.isnan(evaluated(float("nan")))


def test_types_and_dtypes_come_back() -> None:
    assert evaluated(np.float32) is np.float32
    assert evaluated(np.dtype(">f4")) == np.dtype(">f4")
    assert evaluated(np.float32(1.5)).dtype == np.float32


def test_a_tensor_comes_back_with_its_wish() -> None:
    again = evaluated(Tensor([1.0, 2.0], requires_grad=True))
    assert again.requires_grad
    assert again.tolist() == [1, 2]


def test_a_big_endian_array_keeps_its_numbers() -> None:
    assert evaluated(np.array([1.5, 2.5], ">f8")).tolist() == [1.5, 2.5]


def test_programs_import_what_they_name() -> None:
    text = call_source(np.tanh, assert_gradients, [np.array([0.5])], {"order": 1})
    assert text.splitlines() == [
        "import numpy as np",
        "from numpy import tanh",
        "from tinygrad_edu.testing import assert_gradients",
        "assert_gradients(tanh, np.array([0.5]), order=1)",
    ]
    exec(text, {})
    text = call_source(OPS["tanh"], check_op, [], {"examples": 1})
    assert text.splitlines()[-1] == 'check_op(OPS["tanh"], examples=1)'
    exec(text, {})


def test_long_calls_are_broken_into_lines() -> None:
    text = call_source(OPS["tanh"], check_op, [np.linspace(0, 1, 9)], {"laws": ["order 1"]})
    assert text.endswith("    laws=['order 1'],\n)")
    exec(text, {})


def test_subjects_are_named() -> None:
    assert name_of(OPS["tanh"]) == "tanh"
    assert name_of(np.sum) == "sum"
    assert name_of(Tensor(1.0)) == "Tensor"
