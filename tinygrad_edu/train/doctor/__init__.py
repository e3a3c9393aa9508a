"""The gradient doctor: one batch through a net, and what is wrong with what came back.

`diagnose` runs model and loss on a batch, reads the recorded graph and the cotangents of one sweep,
and runs them again with one thing changed where only that can tell. It returns findings: the layer,
the user's line, the numbers measured, the fix. Model, generators, gradients and optimizer are given
back as they were. `GradientDoctor` does it during a training.

Knows: modules, nodes of the graph, optimizers by what they can do. Does not know: the nets of
``models/``.

Read next: ``signs.py`` for the table of all signs and how it is walked; ``probe.py`` for what is
measured. The signs are functions, by topic: ``data.py``, ``modes.py``, ``graph.py``, ``units.py``,
``gradients.py``, ``results.py``, ``steps.py``; their bounds, with the reasons, are in
``bounds.py``. A new finding is a function there and a row in the table.
"""

from tinygrad_edu.train.doctor.callback import GradientDoctor
from tinygrad_edu.train.doctor.finding import Finding, report
from tinygrad_edu.train.doctor.signs import diagnose

__all__ = ["Finding", "GradientDoctor", "diagnose", "report"]
