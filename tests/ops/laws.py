from tinygrad_edu.testing.laws import *  # noqa
