"""``python -m tinygrad_edu`` is the command ``tinygrad-edu``; read ``cli/``."""

import sys

from tinygrad_edu.cli import main

if __name__ == "__main__":
    sys.exit(main())
