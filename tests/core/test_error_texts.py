"""What errors of the engine say, whole: ``errors.txt`` has a call, the kind and the text of each.

The line of the user is left out of a text, and ``...`` stands for another line or for words of
NumPy. Someone who rewords an error rewords it there too.
"""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu.ops as ops
from tinygrad_edu.core import batching, function, switch, tensor, transforms
from tinygrad_edu.core.batching import vmap
from tinygrad_edu.core.function import Function, checkpoint
from tinygrad_edu.core.op import OPS, op
from tinygrad_edu.core.switch import detect_anomaly
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.core.transforms import gradients
from tinygrad_edu.errors import TinygradEduError

FACTS = {"formula": "f", "latex": "f", "pattern": "scale"}
BLOCKS = Path(__file__).with_name("errors.txt").read_text().removeprefix(">>> ").split("\n\n>>> ")

X = np.ones((5, 3))


def leaf(value, **facts):
    return Tensor(value, requires_grad=True, **facts)


class Listed(Function):
    @staticmethod
    def forward(_ctx, x):
        return [x]


class Writing(Function):
    @staticmethod
    def forward(_ctx, x):
        x[...] = 0.0
        return x


class WritingBack(Function):
    @staticmethod
    def forward(_ctx, x):
        return x * 1.0

    @staticmethod
    def backward(_ctx, g):
        g[...] = 0.0
        return g


class Pair(WritingBack):
    @staticmethod
    def backward(_ctx, g):
        return g, g


class Between(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(np.exp(x))
        return ctx.saved_tensors[0] * x

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class Noted(Between):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.half = [x * 0.5]
        return x * 1.0


class Empty(Function):
    pass


def row(forward, *rules, signature="()->()", **facts):
    """Return a row of the table that is gone again."""
    made = op(forward, *rules, name="own", signature=signature, **FACTS, **facts)
    del OPS["own"]
    return made


def hooked(hook):
    t = leaf([1.0]) * 1.0
    t.register_hook(hook)
    t.sum().backward()


def twice(function):
    y = function(leaf([1.0, 2.0]))
    y.backward()
    y.backward()


def written(name=""):
    w = leaf([1.0, 2.0], name=name)
    y = (w * w).sum()
    w.data = [5.0, 1.0]
    y.backward()


def written_view():
    w = leaf([[1.0, 2.0]])
    view = w.T
    y, z = (view * view).sum(), view.sum()
    z.backward()
    w.data = [[5.0, 1.0]]
    y.backward()


def shared(change):
    whole = Tensor(np.zeros((2, 2)))
    view = whole[0]
    change(whole, view)


def seen_after_a_write():
    w = leaf([[1.0, 2.0]])
    view = w.T
    y = (view * view).sum()
    view.sum().backward()
    w.data = [[5.0, 1.0]]
    gradients(y, [view])


def own_row():
    return row(lambda x: x[:1] * 1.0, None, arguments=("x",), signature="(n)->(m)")


def watched(function, value):
    with detect_anomaly(), np.errstate(all="ignore"):
        function(leaf(value))


def drawn():
    rng = np.random.default_rng(0)
    checkpoint(lambda x: (x * rng.normal(size=2)).sum())(leaf([1.0, 2.0])).backward()


def escaped():
    kept = []
    vmap(lambda x: kept.append(x) or x)(X)
    return kept[0]


NAMES = {
    "copy": copy, "ops": ops, "pickle": pickle,
    **{name: vars(m)[name] for m in (batching, function, switch, tensor, transforms)
       for name in m.__all__ if name != "record"},
}  # fmt: skip


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_an_error_says_what_was_wrong_with_what_and_how_to_repair_it(block):
    call, kind, *expected = block.rstrip("\n").split("\n")
    with pytest.raises(TinygradEduError) as caught:
        eval(call, {**globals(), **NAMES})
    assert type(caught.value).__name__ == kind
    lines = [line for line in str(caught.value).split("\n") if not line.startswith("  at ")]
    said = [re.sub(r"[\w.]+:\d+: .*", "...", line) for line in lines]
    if expected[0].endswith("..."):
        assert said[0].startswith(expected[0].removesuffix("..."))
        said, expected = said[1:], expected[1:]
    assert said == expected
