"""A net with the preprocessing of its inputs: the numbers, what is saved, what is refused."""

import numpy as np
import pytest

from tinygrad_edu.errors import LayerError
from tinygrad_edu.models import Prepared
from tinygrad_edu.nn import Identity, Linear
from tinygrad_edu.testing import check_module


def samples() -> np.ndarray:
    found = np.random.default_rng(0).normal(5, [1, 10, 0.1, 0], (50, 4))
    found[:, 3] = 7
    return found


def test_features_are_standardized_and_constant_ones_stay_finite() -> None:
    x = samples()
    found = np.asarray(Prepared(Identity(), x)(x))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0), [1, 1, 1, 0], atol=1e-12)


def test_features_are_normalized() -> None:
    x = samples()
    found = np.asarray(Prepared(Identity(), x, "normalize")(x))
    np.testing.assert_allclose(found.min(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.max(axis=0), [1, 1, 1, 0], atol=1e-12)


def test_the_numbers_are_saved_with_the_weights_and_not_trained() -> None:
    x = samples()
    net, other = (Prepared(Linear(4, 2, rng=seed, dtype=np.float64), x[seed:]) for seed in (0, 9))
    assert [name for name, _ in net.named_parameters()] == ["net.weight", "net.bias"]
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other(x).numpy(), net(x).numpy())
    check_module(net, x[:3])


def test_what_is_no_batch_of_numbers_is_refused() -> None:
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.zeros((2, 3), int)):
        with pytest.raises(LayerError, match="in rows"):
            Prepared(Identity(), wrong)
    with pytest.raises(LayerError, match="how='whiten'"):
        Prepared(Identity(), samples(), "whiten")
