"""Plots: pictures of numbers, of a training, and of what a net has learned, in one look.

Knows: arrays, and Matplotlib where it is installed (extra ``plot``). Does not know: tensors, nets,
trainers; whoever has one hands its numbers over. Read next: ``look.py`` (colours, and the only
lines that import Matplotlib), ``plot.py`` (what every function here returns), then the pictures:
``curves.py``, ``spread.py``, ``images.py``, ``confusion.py``, ``surface.py``, ``attention.py``.
"""

from tinygrad_edu.plots.attention import attention
from tinygrad_edu.plots.confusion import confusion
from tinygrad_edu.plots.curves import curves, rates, side_by_side
from tinygrad_edu.plots.images import filters, image_rows, mistakes, weights
from tinygrad_edu.plots.look import LOOKS, PALETTE, Look, demand_matplotlib, drawing
from tinygrad_edu.plots.plot import Plot
from tinygrad_edu.plots.spread import Bins, binned, histograms, histograms_over_time
from tinygrad_edu.plots.surface import Surface, loss_surface, surface

__all__ = [
    "LOOKS",
    "PALETTE",
    "Bins",
    "Look",
    "Plot",
    "Surface",
    "attention",
    "binned",
    "confusion",
    "curves",
    "demand_matplotlib",
    "drawing",
    "filters",
    "histograms",
    "histograms_over_time",
    "image_rows",
    "loss_surface",
    "mistakes",
    "rates",
    "side_by_side",
    "surface",
    "weights",
]
