"""Every row against PyTorch and JAX."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu.testing.samples import Plan, differentiable, plans, rows
from tinygrad_edu.testing.strategies import samples

from .comparison import Call, Lacks, Tally, assert_agree
from .in_torch import Torch

PLANS = [p for p in plans()]
TORCH = Torch()

def freed(x): return x

@pytest.mark.parametrize("plan", PLANS, ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_torch(plan, tally, data):
    name = plan.row.name
    if name not in TORCH.rows: pytest.fail("no cell")
    if isinstance(TORCH.rows[name], str): return
    sample = data.draw(samples(plan))
    try:
        assert_agree(Call(sample, str(plan), freed), 2 if sample.moving else 0, TORCH)
    except Lacks as e:
        return
    tally.count("PyTorch", name)
