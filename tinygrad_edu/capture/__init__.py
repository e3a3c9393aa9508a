"""Capture: a function of arrays, or a whole training step, as a straight-line NumPy program.

`capture` runs a function with recorders in place of its arrays; what it called is written down as
NumPy that a reader could have written by hand: forward, backward and update. The program runs
without the engine. Read ``tape.py`` first, then ``recorder.py``, ``source.py``, ``program.py``;
then how it is done: ``arguments.py``, ``chance.py``, ``owners.py``, ``facts.py``, ``run.py``,
``record.py``.
"""

from tinygrad_edu.capture.program import Program, Variable
from tinygrad_edu.capture.record import capture
from tinygrad_edu.capture.source import Instruction

__all__ = ["Instruction", "Program", "Variable", "capture"]
