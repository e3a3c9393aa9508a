"""Every activation and loss that PyTorch has under the same name: value and gradient."""

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.nn.activations import Activation
from tinygrad_edu.nn.losses import Loss

torch = pytest.importorskip("torch")
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def shared(base):
    """Our classes of a kind whose name PyTorch has too."""
    found = {name: getattr(nn, name) for name in nn.__all__ if hasattr(torch.nn, name)}
    return [n for n, kind in found.items() if isinstance(kind, type) and issubclass(kind, base)]


ACTIVATIONS = {
    "CELU": {"alpha": 2.0},  # PyTorch divides in float32, which is exact for this one
    "ELU": {"alpha": 0.7},
    "GELU": {"approximate": "tanh"},
    "HardShrink": {},
    "LeakyReLU": {"negative_slope": 0.2},
    "LogSoftmax": {"dim": 1},
    "Softmax": {"dim": 1},
    "Softmax2d": {},
    "Softmin": {"dim": 1},
    "Softplus": {"beta": 2.0},
    "Threshold": {"threshold": 0.1, "value": 20.0},
}
"""Options of PyTorch's that are tried beside its defaults."""
OURS = {"dim": "axis"}
REQUIRED = {"LogSoftmax", "Softmax", "Softmin", "Threshold"}
"""Those whose options have no default, or one that PyTorch warns of."""


@pytest.mark.parametrize("name", sorted({*shared(Activation)} - {"RReLU"}))
def test_an_activation_is_pytorch_s(name):
    x = drawn(3, 4, 5, 2) * 3
    given = ACTIVATIONS.get(name, {})
    for options in [given] if name in REQUIRED else [{}, given]:
        ours = getattr(nn, name)(**{OURS.get(key, key): v for key, v in options.items()})
        theirs = getattr(torch.nn, name)(**options)
        compare(ours, theirs, x)


def compare(ours, theirs, *arrays, moving=1):
    """Compare a result and its gradients with respect to the first arrays."""
    mine = [Tensor(a, requires_grad=i < moving) for i, a in enumerate(arrays)]
    other = [torch.tensor(a, requires_grad=i < moving) for i, a in enumerate(arrays)]
    y, z = ours(*mine), theirs(*other)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), **TOLERANCE)
    g = drawn(*y.shape, seed=1)
    y.backward(g)
    z.backward(torch.tensor(g))
    for a, b in zip(mine[:moving], other, strict=False):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), **TOLERANCE)


LABELS = np.random.default_rng(2).integers(0, 4, 6)
SIGNS = np.where(drawn(6, seed=3) > 0, 1.0, -1.0)
CHANCES = np.random.default_rng(4).uniform(0.05, 0.95, (6, 4))
ZEROS_AND_ONES = (drawn(6, 4, seed=5) > 0).astype(float)
CASES = {
    "BCELoss": (CHANCES, ZEROS_AND_ONES),
    "BCEWithLogitsLoss": (drawn(6, 4), ZEROS_AND_ONES),
    "CosineEmbeddingLoss": (drawn(6, 4), drawn(6, 4, seed=6), SIGNS),
    "CrossEntropyLoss": (drawn(6, 4), LABELS),
    "GaussianNLLLoss": (drawn(6, 4), drawn(6, 4, seed=6), CHANCES),
    "HingeEmbeddingLoss": (drawn(6), SIGNS),
    "HuberLoss": (drawn(6, 4), drawn(6, 4, seed=6)),
    "KLDivLoss": (np.log(CHANCES), CHANCES[::-1].copy()),
    "L1Loss": (drawn(6, 4), drawn(6, 4, seed=6)),
    "MSELoss": (drawn(6, 4), drawn(6, 4, seed=6)),
    "MarginRankingLoss": (drawn(6), drawn(6, seed=6), SIGNS),
    "MultiLabelSoftMarginLoss": (drawn(6, 4), ZEROS_AND_ONES),
    "MultiMarginLoss": (drawn(6, 4), LABELS),
    "NLLLoss": (np.log(CHANCES), LABELS),
    "PoissonNLLLoss": (drawn(6, 4), np.round(5 * CHANCES)),
    "SmoothL1Loss": (drawn(6, 4), drawn(6, 4, seed=6)),
    "SoftMarginLoss": (drawn(6), SIGNS),
}
MOVING = {"CosineEmbeddingLoss": 2, "MarginRankingLoss": 2}
OPTIONS = {
    "CosineEmbeddingLoss": {"margin": 0.3},
    "CrossEntropyLoss": {"label_smoothing": 0.1, "ignore_index": 2},
    "HuberLoss": {"delta": 0.4},
    "MultiMarginLoss": {"p": 2},
    "NLLLoss": {"ignore_index": 1},
    "SmoothL1Loss": {"beta": 0.3},
}
ELSEWHERE = {"CTCLoss", "MultiLabelMarginLoss", "TripletMarginLoss"}
"""Called otherwise than in PyTorch, or, the last, with 1e-6 added to each difference there; their
rows are compared in ``test_peers.py``."""


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", sorted({*shared(Loss)} - ELSEWHERE))
def test_a_loss_is_pytorch_s(name, reduction):
    if name == "KLDivLoss" and reduction == "mean":
        pytest.skip("PyTorch divides by the number of elements there, and says it will not")
    for options in ({}, OPTIONS.get(name, {})):
        ours = getattr(nn, name)(reduction=reduction, **options)
        theirs = getattr(torch.nn, name)(reduction=reduction, **options)
        compare(ours, theirs, *CASES[name], moving=MOVING.get(name, 1))
