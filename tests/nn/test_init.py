"""Initial values: their distribution, dtype, seed; the defaults of dtype and generator."""

import math

import numpy as np
import pytest

from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn import Linear, init


@pytest.fixture(autouse=True)
def defaults_as_at_the_start():
    yield
    init.set_default_dtype(np.float32)
    init.manual_seed(0)


SHAPE = (200, 300)
VARIANCE = {
    "xavier_normal": 2 / 500,
    "xavier_uniform": 2 / 500,
    "he_normal": 2 / 200,
    "he_uniform": 2 / 200,
    "lecun_normal": 1 / 200,
    "lecun_uniform": 1 / 200,
}


@pytest.mark.parametrize("name", VARIANCE)
def test_the_variance_is_that_of_the_paper(name):
    values = getattr(init, name)()(SHAPE, np.random.default_rng(0), np.float64)
    assert values.var() == pytest.approx(VARIANCE[name], rel=0.03)
    assert abs(values.mean()) < 4 * math.sqrt(VARIANCE[name] / values.size)
    if name.endswith("uniform"):
        bound = math.sqrt(3 * VARIANCE[name])
        assert 0.99 * bound < np.abs(values).max() <= bound
    else:
        assert np.abs(values).max() > 3.5 * math.sqrt(VARIANCE[name])


@pytest.mark.parametrize("name", VARIANCE)
def test_the_gain_is_a_factor(name):
    make = getattr(init, name)
    one = make(gain=1.0)(SHAPE, np.random.default_rng(1), np.float64)
    three = make(gain=3.0)(SHAPE, np.random.default_rng(1), np.float64)
    np.testing.assert_allclose(three, 3 * one, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((3, 5), (3, 5)), ((8, 4, 3, 3), (36, 72)), ((8, 4, 5), (20, 40))],
)
def test_fans_of_a_matrix_and_of_kernels(shape, expected):
    assert init.fans(shape) == expected


@pytest.mark.parametrize("name", ["he", "xavier", "lecun", "orthogonal"])
def test_a_vector_has_no_fans(name):
    with pytest.raises(LayerError, match="fix: "):
        init.INITIALIZERS[name]((5,), np.random.default_rng(0), np.float64)


def test_normal_uniform_and_constants():
    rng = np.random.default_rng(0)
    values = init.normal(0.5, mean=2.0)(SHAPE, rng, np.float64)
    assert (values.mean(), values.std()) == pytest.approx((2.0, 0.5), rel=0.02)
    values = init.uniform(-1.0, 3.0)(SHAPE, rng, np.float64)
    assert -1 <= values.min() < -0.99
    assert 2.99 < values.max() < 3
    assert init.zeros()((2,), rng, np.float32).tolist() == [0, 0]
    assert init.ones()((2,), rng, np.float32).tolist() == [1, 1]
    assert init.constant(0.5)((2,), rng, np.float32).tolist() == [0.5, 0.5]


def test_truncated_normal_has_no_value_beyond_the_cut_and_the_right_spread():
    values = init.truncated_normal(0.5, mean=1.0, cut=2.0)(SHAPE, np.random.default_rng(0), float)
    assert 0.99 < np.abs(values - 1.0).max() <= 1.0
    # variance of a standard normal cut at 2: 1 - 2 · 2 φ(2) / (2 Φ(2) - 1)
    density, inside = math.exp(-2) / math.sqrt(2 * math.pi), math.erf(math.sqrt(2))
    assert values.var() == pytest.approx(0.25 * (1 - 4 * density / inside), rel=0.02)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (4, 3, 2)])
def test_orthogonal_rows_or_columns(shape):
    q = init.orthogonal(gain=2.0)(shape, np.random.default_rng(0), np.float64)
    matrix = q.reshape(shape[0], -1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert q.shape == shape
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_matrices_have_either_determinant():
    rng = np.random.default_rng(0)
    signs = {round(np.linalg.det(init.orthogonal()((3, 3), rng, float))) for _ in range(40)}
    assert signs == {-1, 1}
    diagonal = [init.orthogonal()((2, 2), rng, float)[0, 0] for _ in range(200)]
    assert 60 < sum(value > 0 for value in diagonal) < 140


@pytest.mark.parametrize("name", init.INITIALIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_initialiser_by_name(name, dtype):
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    values = init.INITIALIZERS[name]((4, 3), rng, dtype)
    assert values.dtype == dtype
    assert values.shape == (4, 3)
    np.testing.assert_array_equal(values, init.INITIALIZERS[name]((4, 3), again, dtype))


@pytest.mark.parametrize("name", init.INITIALIZERS)
def test_both_precisions_begin_alike(name):
    narrow, wide = (
        init.INITIALIZERS[name]((4, 3), np.random.default_rng(3), dtype)
        for dtype in (np.float32, np.float64)
    )
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


@pytest.mark.parametrize(
    "make",
    [
        lambda: init.normal(-1.0),
        lambda: init.truncated_normal(1.0, cut=0.0),
        lambda: init.truncated_normal(-1.0),
        lambda: init.uniform(1.0, 0.0),
        lambda: init.he_normal(-1.0),
        lambda: init.orthogonal(float("nan")),
        lambda: init.as_initializer("hee"),
        lambda: init.as_initializer(-0.01),
        lambda: init.as_initializer(True),
        lambda: init.set_default_dtype(np.int64),
        lambda: init.manual_seed(-1),
        lambda: init.manual_seed(1.5),
        lambda: init.manual_seed(True),
        lambda: init.as_generator("seed"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_fix(make):
    with pytest.raises(LayerError, match="fix: "):
        make()


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(LayerError, match="nearest: 'he_normal'"):
        init.as_initializer("he_norm")


def test_the_default_dtype_is_float32_and_can_be_set():
    assert Linear(2, 2).weight.dtype == np.float32
    init.set_default_dtype(np.float64)
    assert init.get_default_dtype() == np.float64
    assert Linear(2, 2).weight.dtype == np.float64
    assert Linear(2, 2, dtype=np.float32).bias.dtype == np.float32


def test_manual_seed_makes_what_is_drawn_repeatable():
    made = []
    for _ in range(2):
        init.manual_seed(7)
        made.append([Linear(2, 2).weight.tolist(), Linear(2, 2).weight.tolist()])
    assert made[0] == made[1]
    assert made[0][0] != made[0][1]
    expected = init.xavier_normal()((2, 2), np.random.default_rng(7), np.float32)
    assert made[0][0] == expected.tolist()


def test_a_generator_or_seed_that_is_given_leaves_the_default_one_alone():
    before = init.default_generator().bit_generator.state
    a, b = Linear(2, 2, rng=5), Linear(2, 2, rng=np.random.default_rng(5))
    assert a.weight.tolist() == b.weight.tolist()
    assert init.default_generator().bit_generator.state == before


def test_numpys_own_generator_is_never_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - it is this one that must not move
    Linear(3, 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002 - as above


def test_a_number_is_a_standard_deviation():
    drawn = init.as_initializer(0.01)((200, 50), np.random.default_rng(0), np.float64)
    assert drawn.std() == pytest.approx(0.01, rel=0.05)
