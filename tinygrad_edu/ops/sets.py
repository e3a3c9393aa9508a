"""Rows about which values there are: arrays seen as sets. Nothing here has a gradient.

How many different values there are, and which of them two arrays share, jumps as the values move,
so every result is a constant. Read ``special.py`` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.op import case, op

__all__ = [
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique_values",
]


def _isin(
    element: Any,
    test_elements: Any,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    kind: Any = None,
) -> Any:
    return np.isin(element, test_elements, assume_unique, invert, kind=kind)


def _intersect1d(a: Any, b: Any, *, assume_unique: bool = False) -> Any:
    return np.intersect1d(a, b, assume_unique)


def _union1d(a: Any, b: Any) -> Any:
    return np.union1d(a, b)


def _setdiff1d(a: Any, b: Any, *, assume_unique: bool = False) -> Any:
    return np.setdiff1d(a, b, assume_unique)


def _setxor1d(a: Any, b: Any, *, assume_unique: bool = False) -> Any:
    return np.setxor1d(a, b, assume_unique)


def _unique_values(x: Any) -> Any:
    return np.unique_values(x)


_LEFT, _RIGHT = np.array([[3.0, 1.0], [1.0, -2.0]]), np.array([1.0, 5.0, 3.0, 5.0])
_SETS: dict[str, Any] = {
    "pattern": "none",
    "arguments": ("a", "b"),
    "signature": "(m),(n)->(k)",
    "policy": "which values there are jumps: no gradient flows; picking them by an index that "
    "isin gives keeps it",
    "cases": (case(_LEFT, _RIGHT), case((3,), (2, 2))),
}
isin = op(
    _isin, None, None, doc="Whether each element is among others.",
    formula="element ∈ test_elements", latex=r"x_i \in B", functions=(np.isin,),
    **{**_SETS, "arguments": ("element", "test_elements"), "signature": "(),(n)->()"},
    batch="first",
)  # fmt: skip
intersect1d = op(
    _intersect1d, None, None, doc="The different values that are in both, in ascending order.",
    formula="{a} ∩ {b}", latex=r"A \cap B", functions=(np.intersect1d,),
    order="a b assume_unique return_indices", **_SETS,
)  # fmt: skip
union1d = op(
    _union1d, None, None, doc="The different values that are in one or both, in ascending order.",
    formula="{a, b}", latex=r"A \cup B", functions=(np.union1d,), **_SETS,
)  # fmt: skip
setdiff1d = op(
    _setdiff1d, None, None, doc="The different values of the first that are not in the second.",
    formula="{a} \\ {b}", latex=r"A \setminus B", functions=(np.setdiff1d,), **_SETS,
)  # fmt: skip
setxor1d = op(
    _setxor1d, None, None, doc="The different values that are in exactly one, in ascending order.",
    formula="{a} △ {b}", latex=r"A \triangle B", functions=(np.setxor1d,), **_SETS,
)  # fmt: skip
unique_values = op(
    _unique_values, None, doc="The different values, in the order that NumPy finds them.",
    formula="{x}", latex=r"\{x_i\}", functions=(np.unique_values,),
    **{**_SETS, "arguments": ("x",), "signature": "(n)->(m)", "cases": (case(_LEFT), case((3,)))},
)  # fmt: skip
