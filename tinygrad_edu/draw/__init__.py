"""Diagrams: a picture of a graph as SVG, PNG, PDF, DOT source or text.

`draw` (``graph.py``) reads a tensor's graph. Read ``picture.py`` first: what a picture is made of.
Then follow it through ``structure.py``
(order), ``dot.py`` or ``layout.py`` with ``svg.py`` (drawing), ``render.py`` (tools) and
``diagram.py`` (the object that a user holds).
"""

from tinygrad_edu.draw.diagram import Diagram
from tinygrad_edu.draw.graph import draw
from tinygrad_edu.draw.picture import Bar, Card, Cluster, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.render import Engine, Format

__all__ = [
    "Bar",
    "Card",
    "Cluster",
    "Diagram",
    "Edge",
    "Engine",
    "Format",
    "Histogram",
    "Line",
    "Picture",
    "draw",
]
