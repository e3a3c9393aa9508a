"""Bounds of the doctor: from where on something is told, and why from there.

Rules of thumb, chosen so that no net of this package gives a finding at its start.

Knows: numbers. Does not know: how they are measured. Read next: ``signs.py`` for who asks.
"""

# ------------------------------------------------------------------------------ data

LARGE_INPUT = 10.0
"""Root mean square of inputs that nobody scaled; standardised ones have 1, images at most 1."""
BYTES = (200.0, 255.0)
"""Between these is the largest value of pixels that are whole bytes."""
ONE_CLASS = 16
"""Labels that must be equal before that is more than chance."""

# ------------------------------------------------------------------------------ units

ENOUGH = 8
"""Numbers of a unit that must all be 0 (or saturated) before that is more than chance."""
DEAD = 0.8
"""Share of dead units of a layer that is told; after He's initial values half may be, by chance."""
SATURATED = 0.5
"""Share of saturated units of a layer that is told: most of its gradient is lost then."""
SLOPE = 0.04
"""Share of its largest slope below which a sigmoid or tanh is saturated."""

# ------------------------------------------------------------------------------ gradients

LAYERS = 3
"""Layers with weights from which on a gradient can be said to shrink or grow on its way."""
VANISHED, EXPLODED = 1e-4, 1e3
"""Gradient at the first layer, divided by that at the last."""
CUTS = 20
"""Places where a gradient becomes zero that are looked at; each costs a walk over the graph."""

# ------------------------------------------------------------------------------ results

SHIFT = 0.1
"""By this, and by this share, parameters are moved to see whether they matter: beyond rounding."""
ROUNDING = 8
"""Steps of the dtype by which equal results may differ: sums are not added in one order."""

# ------------------------------------------------------------------------------ steps

LARGE_STEP, SMALL_STEP = 1.0, 1e-6
"""Change of a layer's weights by one step, divided by their norm."""
SLOPING = 1e-3
"""Gradient divided by weights above which a small step is the learning rate's doing: below it
there may be little left to learn."""
FIRST_RATE = 1e-3
"""Learning rate to begin with where a step is lost in rounding, so that nothing is measured."""
