"""Explanations: why a gradient is what it is, in words, formulas and numbers.

`explain` tells how a number was made and how its gradient comes about; `steps` plays the reverse
sweep, `delta` pushes a small change forward, `explain_html` writes a page that plays both. Nothing
here writes into a graph.

Read ``explanation.py`` first; its numbers come from ``chain.py`` and ``line.py``, its forms from
``blocks.py``. Then ``steps.py``, ``delta.py`` and ``page.py``.
"""

from tinygrad_edu.explain.delta import Delta, delta
from tinygrad_edu.explain.explanation import Explanation, explain
from tinygrad_edu.explain.page import Frame, Frames, explain_html
from tinygrad_edu.explain.steps import Forward, Step, forward_steps, steps

__all__ = [
    "Delta",
    "Explanation",
    "Forward",
    "Frame",
    "Frames",
    "Step",
    "delta",
    "explain",
    "explain_html",
    "forward_steps",
    "steps",
]
