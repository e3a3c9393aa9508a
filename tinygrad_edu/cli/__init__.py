"""The command line: train a net, evaluate it, show it a picture; check a derivative.

Knows: every room, and how to put them together. Does not know: how any of them works.
Read next: ``experiment.py``, the whole experiment on one page; then ``train.py``, what the command
makes of it; ``use.py`` (evaluate, predict), ``options.py`` (what may be typed), ``folder.py`` (what
a run leaves).

Exit codes: 0 done; 1 training diverged, or a derivative is wrong; 2 a wrong option, path or file,
told in one sentence; 130 Ctrl-C, after everything was saved.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tinygrad_edu.cli.wrong import one_line
from tinygrad_edu.errors import TargetError, TinygradEduError, TrainingError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.
    """
    try:
        # Here, for it imports every room, and Ctrl-C is to be told in one line from the start.
        from tinygrad_edu.cli.options import parser

        options = parser().parse_args(arguments)
        code: int = options.run_command(options)
        sys.stdout.flush()
        return code
    except TrainingError as error:
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinygrad-edu: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in `tinygrad-edu predict ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except TargetError as error:  # with its fix: who names a function or a model writes Python
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 2
    except (TinygradEduError, OSError) as error:
        print(f"tinygrad-edu: {one_line(error)}", file=sys.stderr)
        return 2
