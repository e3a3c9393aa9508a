"""Arrays by name: the live ones, copies of them, and whether saved ones fit."""

import numpy as np
import pytest

from tinygrad_edu.core.state import copies, fitting, live
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import CheckpointError


def state():
    return {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(3)}


def test_the_live_array_is_the_tensors_own():
    w = Parameter([1.0, 2.0])
    live(w)[0] = 5.0
    np.testing.assert_array_equal(w.numpy(), [5.0, 2.0])


def test_copies_do_not_follow_their_originals():
    original = state()
    kept = copies(original)
    original["bias"] += 1.0
    np.testing.assert_array_equal(kept["bias"], np.zeros(3))
    assert list(kept) == ["weight", "bias"]


def test_what_fits_is_given_back_in_the_order_of_the_state():
    given = {"bias": [1.0, 2.0, 3.0], "weight": np.zeros((2, 3), np.float32)}
    arrays, missing, unexpected = fitting("net", state(), given)
    assert list(arrays) == ["weight", "bias"]
    np.testing.assert_array_equal(arrays["bias"], [1.0, 2.0, 3.0])
    assert missing == unexpected == []


def test_everything_that_does_not_fit_is_listed_at_once():
    given = {"weight": np.zeros((3, 2)), "scale": np.ones(1)}
    with pytest.raises(CheckpointError) as caught:
        fitting("net", state(), given)
    text = str(caught.value)
    assert "net: the saved state does not fit, and nothing was changed" in text
    assert "weight is (3, 2) float64, expected (2, 3) float32" in text
    assert "missing: bias" in text
    assert "unexpected: scale" in text
    assert "strict=False" in text


def test_names_may_be_missing_or_unexpected_where_that_is_allowed():
    given = {"bias": np.ones(3), "scale": np.ones(1)}
    arrays, missing, unexpected = fitting("net", state(), given, strict=False)
    assert list(arrays) == ["bias"]
    assert (missing, unexpected) == (["weight"], ["scale"])
    with pytest.raises(CheckpointError, match="bias is"):
        fitting("net", state(), {"bias": np.ones(4)}, strict=False)
