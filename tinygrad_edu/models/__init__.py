"""Models: the nets of the book, ready to be trained.

Knows: layers. Does not know: losses, optimizers, data. Read next: `dense.py`.
"""

from tinygrad_edu.models.convolution import DeepConvNet, SimpleConvNet
from tinygrad_edu.models.dense import MultiLayerNet, TwoLayerNet
from tinygrad_edu.models.prepared import Prepared
from tinygrad_edu.models.recurrent import (
    CharacterModel,
    RecurrentClassifier,
    SequenceForecaster,
    consecutive,
    detached,
    evaluating,
)
from tinygrad_edu.models.sequence import Seq2Seq

__all__ = [
    "CharacterModel",
    "DeepConvNet",
    "MultiLayerNet",
    "Prepared",
    "RecurrentClassifier",
    "Seq2Seq",
    "SequenceForecaster",
    "SimpleConvNet",
    "TwoLayerNet",
    "consecutive",
    "detached",
    "evaluating",
]
