"""DeepConvNet on MNIST: six convolutions, and the digits that it still gets wrong.

The weights are part of the package; ``tinygrad-edu train --net deep-conv`` makes such weights anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from experiment import Experiment, pyplot

from tinygrad_edu.data import load_mnist
from tinygrad_edu.models import DeepConvNet
from tinygrad_edu.train import predictions

SHOWN = 40


def logits(count: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first test digits, their labels, and the trained net's logits for them."""
    digits = load_mnist()
    model = DeepConvNet.pretrained()
    if dtype != np.float32:
        weights = {name: array.astype(dtype) for name, array in model.state_dict().items()}
        model = DeepConvNet(dtype=dtype, rng=0).eval()
        model.load_state_dict(weights)
    images = digits.test_images[:count].reshape(-1, 1, 28, 28).astype(dtype)
    return images, digits.test_labels[:count], predictions(model, images, block=500)


def picture(images: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> Any:
    """Return the digits that are answered wrong, each with its label and the answer."""
    plt = pyplot()
    columns = 10
    rows = max(1, -(-min(len(images), SHOWN) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(9, 1.15 * rows + 0.2), squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for axis, image, label, answer in zip(axes.ravel(), images, labels, answers, strict=False):
        axis.imshow(image[0], cmap="gray_r")
        axis.set_title(f"{label}, not {answer}", fontsize=8)
    return figure


def main() -> None:
    """Tell the accuracy, also with numbers of half the length, and draw the mistakes."""
    with Experiment(__doc__, __file__) as experiment:
        count = 1_000 if experiment.quick else 10_000
        images, labels, found = logits(count)
        answers = found.argmax(axis=1)
        wrong = answers != labels
        experiment.figure(
            "S18", f"accuracy on {count} test digits", ours=float(np.mean(~wrong)),
            accept=(0.993, None),
        )  # fmt: skip
        experiment.figure(None, "digits answered wrong", ours=int(wrong.sum()))
        few = 20 if experiment.quick else 1_000  # slow: processors have no arithmetic for it
        half = logits(few, np.float16)[2].argmax(axis=1)
        experiment.figure(
            None, f"answers on {few} digits that float16 changes",
            ours=int(np.sum(half != answers[:few])), accept=(0, 5),
        )  # fmt: skip
        experiment.picture(picture(images[wrong], labels[wrong], answers[wrong]))


if __name__ == "__main__":
    main()
