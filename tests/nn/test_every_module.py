"""Every module of ``nn`` passes `check_module`: a new one without a case here fails."""

import copy
import inspect

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import TinygradEduError
from tinygrad_edu.nn import Loss, Module
from tinygrad_edu.testing import check_module

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.standard_normal(shape)


def apart(*shape):
    """Numbers that differ by enough for their order to be certain."""
    return RNG.permutation(np.prod(shape)).reshape(shape) * 0.1 - 1.03


ROWS, PAIRS, SIGNAL, IMAGE = draw(4, 3), draw(4, 6), draw(2, 4, 6), apart(2, 4, 5, 6)
VOLUME, IDS = apart(1, 2, 4, 4, 4), np.array([[0, 2, 2], [4, 1, 3]])
COLUMNS, WORDS = draw(2, 8, 12), np.array([1, 3, 0, 2])
SEEDED = {"rng": 0}


class First(Module):
    """The first result of a module that has several."""

    def __init__(self, module):
        self.module = module

    def forward(self, *args):
        return self.module(*args)[0]


class Kept(Module):
    """A stateful layer that begins anew, which makes it a function."""

    def __init__(self, module):
        self.module = module

    def forward(self, x):
        self.module.reset_state()
        found, _ = self.module(x)
        self.module.reset_state()
        return found


class Many(Module):
    """The containers that another module calls."""

    def __init__(self):
        self.modules_by_number = nn.ModuleList([nn.Linear(3, 3, rng=0)])
        self.modules_by_name = nn.ModuleDict({"a": nn.Linear(3, 2, rng=1)})
        self.numbers = nn.ParameterList([np.ones(2, np.float32)])
        self.names = nn.ParameterDict({"shift": np.zeros(2, np.float32)})

    def forward(self, x):
        x = self.modules_by_name["a"](self.modules_by_number[0](x))
        return x * self.numbers[0] + self.names["shift"]


def activation(**params):
    return lambda kind: (kind(**params), PAIRS)


def conv(channels, *shape, **options):
    x = draw(2, channels, *shape)
    return lambda kind: (kind(channels, 4, 3, rng=0, **options), x)


def pool(x, *args, **options):
    return lambda kind: (kind(*args, **options), x)


def sequence(**options):
    x = draw(2, 3, 3)
    return lambda kind: (First(kind(3, 2, rng=0, **options)), x)


# What a class is made and called with; activations and losses without an entry by themselves.
CASES = {
    "Activation": [activation()],
    "Softmax2d": [pool(IMAGE)],
    "Threshold": [activation(threshold=0.1, value=-1.0)],
    "GELU": [activation(), activation(approximate="tanh")],
    "RReLU": [lambda kind: (kind(rng=0), PAIRS)],
    "PReLU": [lambda kind: (kind(), PAIRS), lambda kind: (kind(4), SIGNAL)],
    "Linear": [
        lambda kind: (kind(3, 2, rng=0), ROWS),
        lambda kind: (kind(3, 2, bias=False, activation="tanh", rng=0), ROWS),
    ],
    "Bilinear": [lambda kind: (kind(3, 6, 2, rng=0), ROWS, PAIRS)],
    "Identity": [pool(ROWS)],
    "Lambda": [lambda kind: (kind(np.tanh), ROWS)],
    "Flatten": [pool(IMAGE), pool(IMAGE, 1, 2)],
    "Unflatten": [pool(PAIRS, 1, (2, 3))],
    "Residual": [lambda kind: (kind(nn.Linear(3, 3, rng=0)), ROWS)],
    "Sequential": [lambda kind: (kind(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2)), ROWS)],
    "ModuleList": [lambda _: (Many(), ROWS)],
    "ModuleDict": [lambda _: (Many(), ROWS)],
    "ParameterList": [lambda _: (Many(), ROWS)],
    "ParameterDict": [lambda _: (Many(), ROWS)],
    "Embedding": [
        lambda kind: (kind(5, 3, rng=0), IDS),
        lambda kind: (kind(5, 3, weight="xavier", max_norm=0.5, rng=0), IDS),
    ],
    "EmbeddingBag": [
        lambda kind, mode=mode: (kind(5, 3, mode=mode, weight="xavier", rng=0), IDS)
        for mode in ("mean", "sum", "max")
    ],
    "EmbeddingDot": [lambda kind: (kind(5, 3, weight="xavier", rng=0), draw(2, 3), IDS)],
    "NegativeSamplingLoss": [
        lambda kind: (kind([3, 1, 0, 2, 1], 3, weight="xavier", rng=0), ROWS, WORDS)
    ],
    "CosineSimilarity": [lambda kind: (kind(), ROWS, draw(4, 3))],
    "PairwiseDistance": [lambda kind: (kind(), ROWS, draw(4, 3))],
    "Conv1d": [conv(2, 6), conv(2, 6, padding=1, padding_mode="circular")],
    "Conv2d": [
        conv(2, 5, 4, padding="same", padding_mode="replicate"),
        conv(2, 5, 6, stride=2, groups=2, padding=((1, 0), (2, 1)), padding_mode="reflect"),
    ],
    "Conv3d": [conv(2, 4, 3, 3)],
    "DepthwiseConv2d": [lambda kind: (kind(4, 3, multiplier=2, rng=0), IMAGE)],
    "ConvTranspose1d": [conv(2, 4, stride=2)],
    "ConvTranspose2d": [conv(2, 3, 4, stride=2, padding=1, output_padding=1)],
    "ConvTranspose3d": [conv(2, 2, 2, 2)],
    **{
        f"{kind}Pool{n}d": [pool(x, 2), pool(x, 2, 1, padding=1, ceil_mode=True)]
        for kind in ("Max", "Avg")
        for n, x in ((1, apart(2, 2, 5)), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"LPPool{n}d": [pool(x, 3.0, 2)]
        for n, x in ((1, draw(2, 2, 5)), (2, draw(1, 2, 4, 4)), (3, draw(1, 1, 4, 4, 2)))
    },
    **{
        f"{kind}{n}d": [pool(x, *args)]
        for kind, args in (
            ("AdaptiveAvgPool", (2,)),
            ("AdaptiveMaxPool", (2,)),
            ("GlobalAvgPool", ()),
            ("GlobalMaxPool", ()),
            ("ZeroPad", (1,)),
            ("ConstantPad", (1, 0.5)),
            ("ReflectionPad", (1,)),
            ("ReplicationPad", (2,)),
            ("CircularPad", (1,)),
        )
        for n, x in ((1, apart(2, 2, 5)), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"MaxUnpool{n}d": [
            lambda kind, shape=shape: (
                kind(2),
                draw(2, 2, *shape),
                np.zeros((2, 2, *shape), int) + 2 * np.arange(np.prod(shape)).reshape(shape),
            )
        ]
        for n, shape in ((1, (3,)), (2, (2, 3)), (3, (2, 1, 2)))
    },
    "Upsample": [pool(SIGNAL, 2), pool(IMAGE, size=(3, 8), mode="bilinear", align_corners=True)],
    "PixelShuffle": [pool(IMAGE, 2)],
    "PixelUnshuffle": [pool(draw(1, 2, 4, 6), 2)],
    "ChannelShuffle": [pool(IMAGE, 2)],
    "Unfold": [pool(IMAGE, 2, stride=2, padding=1, dilation=2)],
    "Fold": [pool(COLUMNS, (4, 5), 2)],
    "BatchNorm1d": [
        lambda kind: (kind(3), ROWS),
        lambda kind: (kind(3, momentum=None, bias=False), ROWS),
        lambda kind: (kind(4, track_running_stats=False, affine=False), SIGNAL),
    ],
    "BatchNorm2d": [pool(IMAGE, 4)],
    "BatchNorm3d": [pool(VOLUME, 2)],
    "LayerNorm": [pool(ROWS, 3), pool(IMAGE, (5, 6), bias=False), pool(ROWS, 3, affine=False)],
    "RMSNorm": [pool(ROWS, 3), pool(ROWS, 3, eps=None, affine=False)],
    "GroupNorm": [pool(IMAGE, 2, 4), pool(IMAGE, 2, 4, bias=False)],
    "InstanceNorm1d": [pool(SIGNAL, 4)],
    "InstanceNorm2d": [pool(IMAGE, 4, affine=True)],
    "InstanceNorm3d": [pool(VOLUME, 2)],
    "LocalResponseNorm": [pool(IMAGE, 3, alpha=0.1)],
    "Dropout": [pool(ROWS, rng=0)],
    "Dropout1d": [pool(SIGNAL, rng=0)],
    "Dropout2d": [pool(IMAGE, rng=0)],
    "Dropout3d": [pool(VOLUME, rng=0)],
    "AlphaDropout": [pool(ROWS, rng=0)],
    "FeatureAlphaDropout": [pool(IMAGE, rng=0)],
    "GaussianDropout": [pool(ROWS, rng=0)],
    "GaussianNoise": [pool(ROWS, rng=0)],
    "RNNCell": [lambda kind: (kind(3, 2, rng=0), ROWS)],
    "LSTMCell": [lambda kind: (First(kind(3, 2, rng=0)), ROWS)],
    "GRUCell": [
        lambda kind, after=after: (kind(3, 2, reset_after=after, rng=0), ROWS)
        for after in (True, False)
    ],
    **{
        name: [
            sequence(),
            sequence(layers=2, bidirectional=True, dropout=0.5),
            lambda kind: (Kept(kind(3, 2, stateful=True, rng=0)), draw(2, 3, 3)),
        ]
        for name in ("RNN", "LSTM", "GRU")
    },
    "MultiheadAttention": [lambda kind: (kind(4, 2, dropout=0.3, rng=0), draw(2, 3, 4))],
    "PositionalEncoding": [lambda kind: (kind(4, 5, rng=0), draw(2, 3, 4))],
    "TransformerEncoderLayer": [
        lambda kind: (kind(4, 2, hidden=3, activation="gelu", rng=0), draw(2, 3, 4)),
        lambda kind: (kind(4, 2, hidden=3, activation="tanh", norm_first=True, bias=False, rng=0),
                      draw(2, 3, 4)),
    ],
    "TransformerDecoderLayer": [
        lambda kind: (kind(4, 2, hidden=2, activation="gelu", rng=0), draw(1, 2, 4), draw(1, 2, 4))
    ],
    "TransformerEncoder": [
        lambda kind: (kind(4, 2, 2, hidden=2, activation="silu", norm_first=True, rng=0),
                      draw(1, 2, 4))
    ],
    "TransformerDecoder": [
        lambda kind: (kind(4, 2, 1, hidden=2, activation="gelu", rng=0), draw(1, 2, 4),
                      draw(1, 2, 4))
    ],
    "Transformer": [
        lambda kind: (kind(4, 2, 1, hidden=2, activation="gelu", rng=0), draw(1, 2, 4),
                      draw(1, 2, 4))
    ],
    "LazyLinear": [lambda kind: (kind(2, rng=0), ROWS)],
    "LazyConv1d": [lambda kind: (kind(2, 3, rng=0), SIGNAL)],
    "LazyConv2d": [lambda kind: (kind(2, 3, rng=0), IMAGE)],
    "LazyConv3d": [lambda kind: (kind(2, 3, rng=0), VOLUME)],
    "LazyConvTranspose1d": [lambda kind: (kind(2, 3, rng=0), SIGNAL)],
    "LazyConvTranspose2d": [lambda kind: (kind(2, 3, rng=0), draw(1, 2, 3, 3))],
    "LazyConvTranspose3d": [lambda kind: (kind(1, 2, rng=0), draw(1, 1, 2, 2, 2))],
    "LazyBatchNorm1d": [pool(ROWS)],
    "LazyBatchNorm2d": [pool(IMAGE)],
    "LazyBatchNorm3d": [pool(VOLUME)],
}  # fmt: skip


def by_itself(kind):
    """Return a loss with the first case of its row."""

    def inside(name, of):
        low, high = kind.op.domain.get(name, (-2.0, 2.0))
        return RNG.uniform(max(low, -3.0), min(high, 9.0), of)

    names, arrays = kind.op.arguments, kind.op.cases[0].arrays
    pairs = zip(names, arrays, strict=False)
    given = [inside(name, a) if isinstance(a, tuple) else a for name, a in pairs]
    return kind(), *given


KINDS = {
    name: kind
    for name in nn.__all__
    if inspect.isclass(kind := getattr(nn, name)) and issubclass(kind, Module)
}


def cases():
    for name, kind in KINDS.items():
        if name in ("Module", "Loss"):
            continue
        if name in CASES:
            makes = CASES[name]
        elif issubclass(kind, Loss):
            makes = [by_itself]
        elif issubclass(kind, nn.Activation):
            makes = [activation()]
        else:
            makes = [None]
        for number, make in enumerate(makes):
            # The laws of its parts are asked of the parts; the whole takes seconds.
            marks = [pytest.mark.slow] if name == "Transformer" else []
            yield pytest.param(kind, make, id=f"{name}-{number}", marks=marks)


def made(kind, make):
    """Return the module of a case with its inputs; a lazy one has been called."""
    assert make is not None, f"nn.{kind.__name__} has no case in this file"
    module, *inputs = make(kind)
    if module.unmade:
        module(*[x.astype(np.float32) for x in inputs])
    return module, inputs


@pytest.mark.parametrize(("kind", "make"), list(cases()))
def test_every_module_passes_check_module(kind, make):
    module, inputs = made(kind, make)
    assert check_module(module, *inputs)


@pytest.mark.parametrize(("kind", "make"), list(cases()))
def test_every_module_can_be_copied_changed_in_dtype_and_told_of(kind, make):
    module, inputs = made(kind, make)
    twin = copy.deepcopy(module).to(np.float64).eval()
    named = twin.named_parameters()
    assert [name for name, _ in named] == [name for name, _ in module.named_parameters()]
    assert all(p.dtype == np.float64 for _, p in named)
    assert all(b.data.dtype.kind != "f" or b.data.dtype == np.float64 for b in twin.buffers())
    found = twin(*[Tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in inputs])
    assert found.dtype == np.float64
    assert not any(p.dtype == np.float64 for p in module.parameters())
    assert repr(twin).startswith(type(module).__name__)
    assert twin.summary(*[np.asarray(x) for x in inputs]).startswith("name")
    assert "forward" not in vars(twin)


@pytest.mark.parametrize(("kind", "make"), list(cases()))
@pytest.mark.parametrize("given", [0.5, [0.5, -1.0], [[1.0], [2.0, 3.0]], "text", None],
                         ids=["number", "list", "ragged", "text", "nothing"])  # fmt: skip
def test_an_input_that_makes_no_sense_is_refused_with_a_fix_or_taken_as_an_array(kind, make, given):
    module, inputs = made(kind, make)
    if kind.__name__ in ("Identity", "Lambda"):
        return  # they take what they are given
    before = module.state_dict()
    try:
        module(given, *inputs[1:])
    except TinygradEduError as error:
        assert "fix: " in str(error)  # noqa: PT017
    else:
        assert given == 0.5 or given == [0.5, -1.0]
    for name, array in module.state_dict().items():
        if "running" not in name:
            np.testing.assert_array_equal(array, before[name])


@pytest.mark.hazard(26)
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS.values() if issubclass(kind, Loss) and kind is not Loss]
)
def test_no_loss_takes_a_row_against_a_column(kind):
    loss, *arrays = by_itself(kind)
    shapes = [np.shape(a) for a in arrays]
    for place in range(1, len(arrays)):
        for other in (lambda a: np.asarray(a)[..., None], lambda a: np.asarray(a)[None]):
            if kind.__name__ == "CTCLoss" and place > 1:
                continue  # lengths, which no sequence broadcasts with
            wrong = [*arrays[:place], other(arrays[place]), *arrays[place + 1 :]]
            with pytest.raises((TinygradEduError, IndexError), match=r"fix: "):
                loss(*wrong)
    assert [np.shape(a) for a in arrays] == shapes
