"""Layers against PyTorch's: values, gradients of inputs and of parameters, running statistics.

Parameters are copied by the tables below, which are also the record of where the two differ: ours
keep matrices as ``(inputs, outputs)``, PyTorch's the other way round.
"""

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.core.tensor import Tensor

torch = pytest.importorskip("torch")
TOLERANCE = {"rtol": 1e-10, "atol": 1e-10}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


SAME = ("{0}", lambda a: a)
TURNED = ("{0}", lambda a: a.T)


def named(**names):
    """Ours by theirs: a name, or a pair of a name and what is made of the array."""
    return {k: v if isinstance(v, tuple) else (v, lambda a: a) for k, v in names.items()}


def turned(name):
    return name, lambda a: a.T


AFFINE = named(scale="weight", shift="bias", running_mean="running_mean", running_var="running_var")
PLAIN = named(weight="weight", bias="bias")
LINEAR = named(weight=turned("weight"), bias="bias")


def of_torch(module, table):
    """Return a PyTorch module's state in our names and shapes: what of it we have."""
    state = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    return {ours: change(state[name]) for ours, (name, change) in table.items() if name in state}


def assert_equal(ours, theirs, table, *inputs, steps=1, first=lambda y: y):
    """Compare in training, after some steps, and in evaluation."""
    ours.to(np.float64)
    theirs.double()
    state = of_torch(theirs, table)
    assert set(state) == set(ours.state()), "each parameter has one of the other library"
    ours.load_state_dict({name: np.array(a) for name, a in state.items()})
    for mode in (True, False):
        ours.train(mode)
        theirs.train(mode)
        for step in range(steps if mode else 1):
            moved = [x + 0.3 * step if x.dtype.kind == "f" else x for x in inputs]
            compare(ours, theirs, table, moved, first)
    for name, array in of_torch(theirs, table).items():
        np.testing.assert_allclose(ours.state()[name], array, **TOLERANCE, err_msg=name)


def compare(ours, theirs, table, inputs, first):
    mine = [Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x for x in inputs]
    other = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y, z = first(ours(*mine)), first(theirs(*other))
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), **TOLERANCE)
    g = draw(*y.shape, seed=9)
    ours.zero_grad()
    theirs.zero_grad()
    if z.requires_grad:
        y.backward(g)
        z.backward(torch.tensor(g))
    for x, t in zip(mine, other, strict=True):
        if isinstance(x, Tensor):
            np.testing.assert_allclose(x.grad, t.grad.numpy(), **TOLERANCE)
    grads = {name: p.grad for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        theirs_name, change = table[name]
        expected = change(grads[theirs_name].numpy())
        np.testing.assert_allclose(parameter.grad, expected, **TOLERANCE, err_msg=name)


IMAGE, SIGNAL, ROWS, VOLUME = draw(3, 4, 6, 7), draw(3, 4, 9), draw(5, 4), draw(2, 2, 4, 5, 4)


@pytest.mark.parametrize("bias", [True, False])
def test_linear_and_bilinear(bias):
    assert_equal(nn.Linear(4, 3, bias=bias), torch.nn.Linear(4, 3, bias=bias), LINEAR, ROWS)
    table = named(weight=("weight", lambda a: np.moveaxis(a, 0, 2)), bias="bias")
    theirs = torch.nn.Bilinear(4, 2, 3, bias=bias)
    assert_equal(nn.Bilinear(4, 2, 3, bias=bias), theirs, table, ROWS, draw(5, 2))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1},
        {"padding": "same", "dilation": 2},
        {"padding": 2, "stride": 2, "groups": 2, "bias": False},
    ],
)
def test_convolutions_with_every_padding(mode, options):
    for n, x in ((1, SIGNAL), (2, IMAGE)):
        ours, theirs = getattr(nn, f"Conv{n}d"), getattr(torch.nn, f"Conv{n}d")
        made = [kind(4, 6, 3, padding_mode=mode, **options) for kind in (ours, theirs)]
        assert_equal(*made, PLAIN, x)


def test_convolutions_of_volumes_and_transposed_ones():
    pairs = [
        (f"Conv{n}d", x, {"stride": 2, "padding": 1})
        for n, x in ((1, SIGNAL), (2, IMAGE), (3, VOLUME))
    ]
    pairs += [
        (f"ConvTranspose{n}d", x, {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2})
        for n, x in ((1, SIGNAL), (2, IMAGE), (3, VOLUME))
    ]
    for name, x, options in pairs:
        made = [getattr(m, name)(x.shape[1], 4, 3, **options) for m in (nn, torch.nn)]
        assert_equal(*made, PLAIN, x)


@pytest.mark.parametrize(
    ("name", "args", "options", "x"),
    [
        ("MaxPool2d", (3, 2), {"padding": 1, "ceil_mode": True}, IMAGE),
        ("MaxPool2d", (2, 1), {"dilation": 2}, IMAGE),
        ("MaxPool1d", (3,), {}, SIGNAL),
        ("MaxPool3d", (2,), {}, VOLUME),
        ("AvgPool2d", (3, 2), {"padding": 1, "ceil_mode": True}, IMAGE),
        ("AvgPool2d", (3, 2), {"padding": 1, "count_include_pad": False}, IMAGE),
        ("AvgPool1d", (3, 1), {}, SIGNAL),
        ("AvgPool3d", (2,), {}, VOLUME),
        ("LPPool2d", (2.0, 2), {}, IMAGE),
        ("LPPool1d", (2.0, 3), {"stride": 2}, SIGNAL),
        ("AdaptiveAvgPool1d", (4,), {}, SIGNAL),
        ("AdaptiveAvgPool2d", ((3, None),), {}, IMAGE),
        ("AdaptiveMaxPool2d", ((4, 3),), {}, IMAGE),
        ("AdaptiveMaxPool1d", (2,), {}, SIGNAL),
        ("AdaptiveAvgPool3d", (2,), {}, VOLUME),
        ("PixelShuffle", (2,), {}, IMAGE),
        ("PixelUnshuffle", (2,), {}, draw(1, 2, 4, 6)),
        ("ChannelShuffle", (2,), {}, IMAGE),
        ("ReflectionPad2d", (2,), {}, IMAGE),
        ("ReplicationPad1d", (3,), {}, SIGNAL),
        ("CircularPad3d", (2,), {}, VOLUME),
        ("ConstantPad2d", (1, 0.5), {}, IMAGE),
        ("ZeroPad2d", (2,), {}, IMAGE),
        ("Unfold", (3,), {"stride": 2, "padding": 1, "dilation": 2}, IMAGE),
        ("Fold", ((4, 5), 2), {"padding": 1}, draw(2, 8, 30)),
        ("LocalResponseNorm", (3,), {"alpha": 0.1, "k": 2.0}, IMAGE),
        ("Flatten", (1, 2), {}, IMAGE),
        ("Unflatten", (1, (2, 2)), {}, ROWS),
        ("Softmin", (), {}, ROWS),
        ("PReLU", (), {}, ROWS),
    ],
)
def test_layers_that_only_move_or_reduce(name, args, options, x):
    theirs = {"Softmin": {"dim": -1}}.get(name, options)
    assert_equal(getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **theirs),
                 PLAIN, x)  # fmt: skip


def test_places_of_the_largest_and_back():
    for n, x in ((1, SIGNAL), (2, IMAGE), (3, VOLUME)):
        for options in ({"stride": 2, "padding": 1, "ceil_mode": True}, {}):
            ours = getattr(nn, f"MaxPool{n}d")(2, return_indices=True, **options)
            theirs = getattr(torch.nn, f"MaxPool{n}d")(2, return_indices=True, **options)
            (y, i), (z, j) = ours(x), theirs(torch.tensor(x))
            np.testing.assert_array_equal(i, j.numpy())
        back = getattr(nn, f"MaxUnpool{n}d")(2)(y, i, x.shape[2:])
        again = getattr(torch.nn, f"MaxUnpool{n}d")(2)(z, j, output_size=x.shape)
        np.testing.assert_array_equal(np.asarray(back), again.numpy())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.3, "eps": 1e-3},
        {"momentum": None},
        {"affine": False},
        {"bias": False},
        {"track_running_stats": False},
    ],
)
def test_batch_norm_with_its_running_statistics(options):
    table = dict(AFFINE, **named(batches="num_batches_tracked"))
    if options.get("momentum", 0) is not None:
        del table["batches"]
    for n, x in ((1, ROWS), (1, SIGNAL), (2, IMAGE), (3, draw(2, 4, 3, 2, 2))):
        ours = getattr(nn, f"BatchNorm{n}d")(4, **options)
        theirs = getattr(torch.nn, f"BatchNorm{n}d")(4, **options)
        assert_equal(ours, theirs, table, x, steps=3)


def test_normalisations_of_each_sample():
    pairs = [
        (nn.LayerNorm(7), torch.nn.LayerNorm(7)),
        (nn.LayerNorm((6, 7), bias=False), torch.nn.LayerNorm((6, 7), bias=False)),
        (nn.LayerNorm(7, affine=False, eps=0.1),
         torch.nn.LayerNorm(7, elementwise_affine=False, eps=0.1)),
        (nn.RMSNorm(7), torch.nn.RMSNorm(7, eps=1e-5)),
        (nn.RMSNorm(7, eps=None), torch.nn.RMSNorm(7)),
        (nn.GroupNorm(2, 4), torch.nn.GroupNorm(2, 4)),
        (nn.InstanceNorm2d(4), torch.nn.InstanceNorm2d(4)),
        (nn.InstanceNorm2d(4, affine=True), torch.nn.InstanceNorm2d(4, affine=True)),
    ]  # fmt: skip
    for ours, theirs in pairs:
        assert_equal(ours, theirs, AFFINE, IMAGE)
    assert_equal(nn.InstanceNorm1d(4), torch.nn.InstanceNorm1d(4), AFFINE, SIGNAL)
    assert_equal(nn.InstanceNorm3d(2), torch.nn.InstanceNorm3d(2), AFFINE, VOLUME)


def test_embeddings():
    ids = np.array([[0, 2, 2], [4, 1, 3]])
    table = named(weight="weight")
    assert_equal(nn.Embedding(5, 3, padding_idx=2), torch.nn.Embedding(5, 3, padding_idx=2),
                 table, ids)  # fmt: skip
    for mode in ("sum", "mean", "max"):
        made = [m.EmbeddingBag(5, 3, mode=mode, padding_idx=1) for m in (nn, torch.nn)]
        assert_equal(*made, table, ids)
    weights = draw(2, 3)
    ours, theirs = (m.EmbeddingBag(5, 3, mode="sum") for m in (nn, torch.nn))
    ours.weight.data = theirs.weight.detach().numpy()
    found = theirs(torch.tensor(ids), per_sample_weights=torch.tensor(weights).float())
    expected = found.detach().numpy()
    np.testing.assert_allclose(ours(ids, weights.astype("f4")).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_plain_recurrent_layers_whose_two_biases_are_one_here(activation):
    ours = nn.RNN(4, 3, layers=2, bidirectional=True, activation=activation, bias=False)
    theirs = torch.nn.RNN(4, 3, 2, bidirectional=True, batch_first=True, bias=False,
                          nonlinearity=activation)  # fmt: skip
    table = {}
    for i, end in enumerate(("l0", "l0_reverse", "l1", "l1_reverse")):
        table |= {f"cells.{i}.w_x": turned(f"weight_ih_{end}"),
                  f"cells.{i}.w_h": turned(f"weight_hh_{end}")}  # fmt: skip
    assert_equal(ours, theirs, table, draw(2, 5, 4), first=lambda found: found[0])


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("lengths", [None, [5, 2, 4]])
def test_gated_layers_and_padded_sequences(name, lengths):
    ours = getattr(nn, name)(4, 3, bidirectional=True, dtype=float)
    theirs = getattr(torch.nn, name)(4, 3, bidirectional=True, batch_first=True).double()
    for i, end in enumerate(("l0", "l0_reverse")):
        w_x, w_h, b_x, b_h = (
            getattr(theirs, f"{kind}_{end}").detach().numpy()
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        cell = ours.cells[i]
        cell.w_x.data, cell.w_h.data = w_x.T, w_h.T
        if name == "GRU":
            cell.bias.data, cell.bias_h.data = b_x, b_h
        else:  # two biases that are always added are one
            cell.bias.data = b_x + b_h
    x = draw(3, 5, 4)
    mine, other = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, state = ours(mine, lengths=lengths)
    if lengths is None:
        z, last = theirs(other)
    else:
        pack = torch.nn.utils.rnn
        packed = pack.pack_padded_sequence(other, lengths, batch_first=True, enforce_sorted=False)
        z, last = theirs(packed)
        z, _ = pack.pad_packed_sequence(z, batch_first=True)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), **TOLERANCE)
    states = (state, last) if name == "LSTM" else ((state,), (last,))
    for a, b in zip(*states, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), **TOLERANCE)
    g, h = draw(*y.shape, seed=1), draw(*states[0][-1].shape, seed=2)
    (np.sum(y * g) + np.sum(states[0][-1] * h)).backward()
    ((z * torch.tensor(g)).sum() + (states[1][-1] * torch.tensor(h)).sum()).backward()
    np.testing.assert_allclose(mine.grad, other.grad.numpy(), **TOLERANCE)
    expected = theirs.weight_hh_l0_reverse.grad.numpy().T
    np.testing.assert_allclose(ours.cells[1].w_h.grad, expected, **TOLERANCE)


def attention(ours, theirs):
    """The rows of PyTorch's one matrix for queries, keys and values."""
    table = {}
    for number, part in enumerate(("query", "key", "value")):
        rows = slice(number * 4, number * 4 + 4)
        table[f"{ours}{part}.weight"] = f"{theirs}in_proj_weight", lambda a, r=rows: a[r].T
        table[f"{ours}{part}.bias"] = f"{theirs}in_proj_bias", lambda a, r=rows: a[r]
    table[f"{ours}out.weight"] = turned(f"{theirs}out_proj.weight")
    table[f"{ours}out.bias"] = f"{theirs}out_proj.bias", lambda a: a
    return table


def test_attention_with_its_weights_and_masks():
    ours = nn.MultiheadAttention(4, 2, dtype=float)
    theirs = torch.nn.MultiheadAttention(4, 2, batch_first=True).double()
    ours.load_state_dict(of_torch(theirs, attention("", "")))
    x, memory = draw(2, 3, 4), draw(2, 5, 4, seed=1)
    real = np.array([[True] * 5, [True, True, True, False, False]])
    y, weights = ours(x, memory, padding=real, weights=True)
    z, expected = theirs(
        *(torch.tensor(a) for a in (x, memory, memory)),
        key_padding_mask=torch.tensor(~real),
        average_attn_weights=False,
    )
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), **TOLERANCE)
    np.testing.assert_allclose(weights.numpy(), expected.detach().numpy(), **TOLERANCE)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer_layers(norm_first, activation):
    options = {"dropout": 0.0, "activation": activation, "norm_first": norm_first}
    feed = {
        "up.weight": turned("linear1.weight"), "down.weight": turned("linear2.weight"),
        **named(**{"up.bias": "linear1.bias", "down.bias": "linear2.bias",
                   "norm.scale": "norm1.weight", "norm.shift": "norm1.bias"}),
    }  # fmt: skip
    table = {
        **attention("attention.", "self_attn."), **feed,
        **named(**{"feed_norm.scale": "norm2.weight", "feed_norm.shift": "norm2.bias"}),
    }  # fmt: skip
    made = (
        nn.TransformerEncoderLayer(4, 2, hidden=6, **options),
        torch.nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, **options),
    )
    x, memory = draw(2, 3, 4), draw(2, 5, 4, seed=1)
    assert_equal(*made, table, x)
    table = {
        **attention("attention.", "self_attn."), **attention("cross.", "multihead_attn."), **feed,
        **named(**{"cross_norm.scale": "norm2.weight", "cross_norm.shift": "norm2.bias",
                   "feed_norm.scale": "norm3.weight", "feed_norm.shift": "norm3.bias"}),
    }  # fmt: skip
    ours = nn.TransformerDecoderLayer(4, 2, hidden=6, dtype=float, **options)
    theirs = torch.nn.TransformerDecoderLayer(4, 2, 6, batch_first=True, **options).double()
    ours.load_state_dict(of_torch(theirs, table))
    mask = torch.nn.Transformer.generate_square_subsequent_mask(3, dtype=torch.float64)
    expected = theirs(torch.tensor(x), torch.tensor(memory), tgt_mask=mask)
    np.testing.assert_allclose(ours(x, memory).numpy(), expected.detach().numpy(), **TOLERANCE)


@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "selu", "tanh", "sigmoid"])
def test_gains(name):
    assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert nn.init.calculate_gain("leaky_relu", 0.3) == pytest.approx(
        torch.nn.init.calculate_gain("leaky_relu", 0.3)
    )


def test_kernels_that_pass_channels_on():
    for shape, groups in (((4, 3, 3), 1), ((4, 2, 3, 5), 2), ((2, 4, 3, 3, 3), 1)):
        expected = torch.nn.init.dirac_(torch.empty(*shape), groups).numpy()
        np.testing.assert_array_equal(nn.init.dirac(groups)(shape, None, "f4"), expected)
