"""What errors of rows say, whole: ``errors.txt`` has a call, the kind and the text of each.

The line of the user is left out of a text. Someone who rewords an error rewords it there too.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu.ops as ops
from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.errors import TinygradEduError

BLOCKS = Path(__file__).with_name("errors.txt").read_text().removeprefix(">>> ").split("\n\n>>> ")


def leaf(value):
    return Tensor(value, requires_grad=True)


NAMES = {"np": np, "ops": ops, "leaf": leaf}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_an_error_says_what_was_wrong_with_what_and_how_to_repair_it(block):
    call, kind, *expected = block.rstrip("\n").split("\n")
    with pytest.raises(TinygradEduError) as caught:
        eval(call, dict(NAMES))
    assert type(caught.value).__name__ == kind
    lines = [line for line in str(caught.value).split("\n") if not line.startswith("  at ")]
    assert [re.sub(r"[\w.]+:\d+: .*", "...", line) for line in lines] == expected
