"""Augmentation: in a short form, too, distorted digits are worth more than the same ones again."""

import augmentation
import pytest

from tinygrad_edu.data import load_mnist


@pytest.mark.slow
@pytest.mark.acceptance("S19")
def test_distorted_digits_gain_accuracy():
    digits = load_mnist()
    digits = digits._replace(
        test_images=digits.test_images[:2000], test_labels=digits.test_labels[:2000]
    )
    plain, changed = (
        augmentation.train(kind, digits, epochs=60, seed=0, samples=500).records[-1]
        for kind in ("none", "elastic")
    )
    assert changed["test_accuracy"] > plain["test_accuracy"] + 0.03
    assert plain["train_accuracy"] == 1
