"""Diagrams: a picture of a graph as SVG, PNG, PDF, DOT source or text.

`draw` (``graph.py``, its options in ``options.py``) reads a tensor's graph, and `compare` draws two
as one. Read ``picture.py`` first: what a picture is made of. Then ``reading.py`` (what is read off
a graph), ``cards.py`` (what is said of a node), ``opgraph.py``, ``scalargraph.py`` and
``modulegraph.py`` (the three levels), ``fold.py`` with ``repeats.py``, ``merging.py``,
``renaming.py`` and ``several.py`` (equal neighbours drawn once), ``heat.py`` (colours); and from
there through ``structure.py`` (order), ``dot.py`` or ``layout.py`` with ``plan.py``, ``layers.py``,
``level.py`` and ``labels.py`` (places), ``svg.py`` (drawing), ``render.py`` (tools) to
``diagram.py`` (the object that a user holds).
"""

from tinygrad_edu.draw.compare import compare
from tinygrad_edu.draw.diagram import Diagram
from tinygrad_edu.draw.graph import Drawing, draw, drawing
from tinygrad_edu.draw.json_form import from_json
from tinygrad_edu.draw.picture import Bar, Card, Cluster, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.render import Engine, Format

__all__ = [
    "Bar",
    "Card",
    "Cluster",
    "Diagram",
    "Drawing",
    "Edge",
    "Engine",
    "Format",
    "Histogram",
    "Line",
    "Picture",
    "compare",
    "draw",
    "drawing",
    "from_json",
]
