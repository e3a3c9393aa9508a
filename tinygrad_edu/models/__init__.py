"""Models: the nets of the book, ready to be trained.

Knows: layers. Does not know: losses, optimizers, data. Read next: `dense.py`.
"""

from tinygrad_edu.models.dense import MultiLayerNet, TwoLayerNet

__all__ = ["MultiLayerNet", "TwoLayerNet"]
