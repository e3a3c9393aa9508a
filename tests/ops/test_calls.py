"""Calls of NumPy as they are written, with every keyword left to its default or spelt out.

Each is evaluated with arrays and with Tensors; value, shape and dtype must be the same. The laws of
the table call rows with all parameters given; here the defaults speak.
"""

import numpy as np
import pytest

import tinygrad_edu.ops as ops
from tinygrad_edu.core.tensor import Tensor

RNG = np.random.default_rng(0)
ARRAYS = {
    "V": RNG.normal(size=6),
    "X": RNG.normal(size=(2, 4)),
    "S": RNG.normal(size=(3, 3)) + 3 * np.eye(3),
    "C": RNG.normal(size=(2, 3, 4)),
    "N": np.where(RNG.random((3, 4)) < 0.3, np.nan, RNG.normal(size=(3, 4))),
    "R": np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]]),
    "Z": RNG.normal(size=(2, 3)) + 1j * RNG.normal(size=(2, 3)),
}
CALLS = """
np.flipud(X)
np.fliplr(X)
np.hsplit(X, 2)[1]
np.hsplit(V, 2)[1]
np.vsplit(X, 2)[1]
np.outer(X, S)
np.trace(C)
np.trace(C, 1, 1, 2)
np.nanmean(N)
np.nanmean(N, axis=0, keepdims=True)
np.nanmin(N)
np.nanmax(N, axis=1)
np.nanmin(N, axis=0, keepdims=True)
np.nanmedian(N)
np.nanmedian(N, axis=1, keepdims=True)
np.unique(R)
np.unique(R, axis=0)
np.isclose(N, N)
np.isclose(N, N, equal_nan=True)
np.isclose(X, X + 1e-9)
np.round(X)
np.round(X, 1)
np.all(X > 0, axis=0)
np.all(X > -9)
np.any(X > 9, axis=1, keepdims=True)
np.gradient(V)
np.gradient(V, edge_order=2)
np.gradient(V, 0.5)
np.gradient(X, axis=1)
np.pad(V, 1)
np.pad(V, 2, mode="linear_ramp")
np.pad(V, 2, mode="linear_ramp", end_values=3)
np.pad(X, 1, mode="edge")
np.pad(X, ((1, 0), (2, 3)), mode="edge")
np.pad(X, ((0, 0), (3, 3)), mode="reflect", reflect_type="odd")
np.pad(X, ((1, 1), (3, 3)), mode="symmetric", reflect_type="odd")
np.linalg.matrix_power(S, 0)
np.linalg.matrix_power(S, 1)
np.linalg.matrix_power(S, 5)
np.linalg.matrix_power(S, -2)
np.linalg.svd(X)[1]
np.linalg.svd(X)[2].shape
np.linalg.svd(X, full_matrices=False)[2].shape
np.linalg.lstsq(S, V[:3])[0]
np.linalg.lstsq(S, V[:3], 0.5)[0]
np.linalg.multi_dot([V[:2], X, V[:4]])
np.linalg.multi_dot([V[:2], X, X.T])
np.linalg.multi_dot([X, X.T, V[:2]])
np.dot(X, C[:, :4].transpose(1, 2, 0)[:, :, :2].transpose(0, 2, 1).reshape(3, 4, 2))
np.dot(S, V[:3])
np.dot(V[:3], S)
np.dot(V, V)
np.cross(V[:3], V[3:])
np.cross(S, V[:3])
np.vecmat(Z[0], Z.T)
np.vecmat(V[:3], S)
np.einsum("...ij,jk->...ik", C, C[0].T)
np.einsum("i...,i...", C, C)
np.einsum("ij...->j...", C)
np.diff(V)
np.diff(X, n=2)
np.cumsum(X)
np.cumsum(X, axis=0)
np.cumulative_sum(V, include_initial=True)
np.cumulative_sum(X, axis=1, include_initial=True)
np.sort(X)
np.median(X)
np.median(X, axis=0, keepdims=True)
np.quantile(V, 0.3)
np.var(X)
np.std(X, axis=1, ddof=1)
np.diag(V)
np.tril(S)
np.triu(S, 1)
np.rot90(X)
np.tensordot(S, S, 1)
np.linalg.norm(X)
np.linalg.norm(V, 3)
np.linalg.norm(X, axis=0, keepdims=True)
np.linalg.norm(S, "fro", keepdims=True)
np.take(X, [0, 2], axis=1)
np.take(X, [5, -9], mode="wrap")
np.trapezoid(X)
np.trapezoid(V, dx=0.5)
np.convolve(V, V[:2])
np.convolve(V, V[:3], "same")
""".strip().split("\n")


def names(wrap, dtype):
    cast = {k: v if v.dtype.kind == "c" else v.astype(dtype) for k, v in ARRAYS.items()}
    return {"np": np, **{name: wrap(value) for name, value in cast.items()}}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_gives_what_numpy_gives(call, dtype):
    expected = np.asarray(eval(call, names(lambda a: a, dtype)))
    for wrap in (Tensor, lambda a: Tensor(a, requires_grad=True)):
        found = eval(call, names(wrap, dtype))
        found = found.numpy() if isinstance(found, Tensor) else np.asarray(found)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        tolerance = 1e-4 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("p", [1, 2, 3, np.inf])
def test_normalised_rows_have_length_one_and_zeros_stay_zeros(p):
    x = np.array([[3.0, -4.0], [0.0, 0.0], [1.0, 0.0]])
    lengths = np.linalg.norm(x, p, axis=1, keepdims=True)
    found = ops.normalize(Tensor(x, requires_grad=True), p, axis=1).numpy()
    np.testing.assert_allclose(found, x / np.where(lengths == 0, 1, lengths), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: ops.celu(x), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
        (lambda x: ops.elu(x), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
        (lambda x: ops.leaky_relu(x), lambda x: np.where(x > 0, x, 0.01 * x)),
        (lambda x: ops.softplus(x), lambda x: np.log1p(np.exp(x))),
    ],
)
def test_activations_have_their_usual_defaults(call, expected):
    x = np.array([-2.0, -0.5, 0.25, 0.75, 3.0])
    np.testing.assert_allclose(call(Tensor(x, requires_grad=True)).numpy(), expected(x), rtol=1e-12)
