from tinygrad_edu.testing.samples import *  # noqa
from tinygrad_edu.testing.strategies import *  # noqa
