r"""Initial values: how the arrays of a layer are filled, with which numbers and in which dtype.

Knows: shapes, dtypes, random generators. Does not know: layers, tensors. Read next: ``layers.py``.

An initialiser is a function ``(shape, rng, dtype) -> array``. The functions below make
initialisers: ``weight=normal(0.01)``; where one has no argument that must be chosen, its name is
enough: ``weight="he"``. Numbers are drawn in float64 and rounded, so that a float32 and a float64
net of one seed begin alike.

``fan_in`` and ``fan_out`` are the numbers of inputs and outputs of one unit. Of a matrix that is
used as ``x @ W`` they are its two sizes; of a convolution's ``(out, in, *kernel)`` they are
``in`` and ``out`` times the size of the kernel.

The default dtype and the default generator belong to the whole process, not to a thread.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.errors import LayerError

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "as_generator",
    "as_initializer",
    "constant",
    "default_generator",
    "fans",
    "get_default_dtype",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "manual_seed",
    "normal",
    "ones",
    "orthogonal",
    "set_default_dtype",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Initializer = Callable[[Shape, np.random.Generator, Any], Array]

# ------------------------------------------------------------------------------ defaults

_default_dtype: np.dtype[Any] = np.dtype(np.float32)
_generator = np.random.default_rng(0)


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype of parameters that are made from now on, in all threads.

    Parameters
    ----------
    dtype : dtype
        A real floating dtype; float32 until this is called.

    Raises
    ------
    LayerError
        The dtype is another.
    """
    global _default_dtype
    _default_dtype = as_dtype(dtype)


def get_default_dtype() -> np.dtype[Any]:
    """Return the dtype that layers make their parameters in."""
    return _default_dtype


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """Return a real floating dtype, the default one for ``None``."""
    found = _default_dtype if dtype is None else np.dtype(dtype)
    if found.kind != "f":
        raise LayerError(
            f"dtype: found {found}; expected a floating dtype, since parameters need gradients\n"
            "  fix: use np.float32 or np.float64"
        )
    return found


def manual_seed(seed: int) -> np.random.Generator:
    """Return the default generator, begun anew: everything drawn without ``rng=`` comes from it.

    Until this is called the generator is that of seed 0, so that a program gives the same numbers
    each time it is run.

    Parameters
    ----------
    seed : int
        At least 0.
    """
    global _generator
    _generator = np.random.default_rng(_seed(seed))
    return _generator


def default_generator() -> np.random.Generator:
    """Return the generator that `manual_seed` set; a checkpoint stores its state."""
    return _generator


def as_generator(rng: np.random.Generator | int | None) -> np.random.Generator:
    """Return a generator: the one given, one of that seed, or the default one for ``None``.

    Raises
    ------
    LayerError
        It is neither a generator nor a seed.
    """
    if rng is None:
        return _generator
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(_seed(rng))


def _seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise LayerError(
            f"rng: found {seed!r}; expected a seed, which is an integer of at least 0, or a "
            "generator\n  fix: pass 0, or np.random.default_rng(0)"
        )
    return int(seed)


# ------------------------------------------------------------------------------ initialisers


def fans(shape: Shape) -> tuple[int, int]:
    """Return ``(fan_in, fan_out)`` of a weight of that shape (see the module's text).

    Raises
    ------
    LayerError
        The shape has fewer than two axes.
    """
    if len(shape) < 2:
        raise LayerError(
            f"fans: found shape {shape}; expected a matrix (fan_in, fan_out) or a kernel (out, in, "
            "...)\n  fix: initialise biases and scales with zeros(), ones() or normal(std)"
        )
    if len(shape) == 2:
        return shape[0], shape[1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def constant(value: float) -> Initializer:
    """Return the initialiser that fills with one number."""
    return lambda shape, _rng, dtype: np.full(shape, value, dtype)


def zeros() -> Initializer:
    """Return the initialiser that fills with 0."""
    return constant(0.0)


def ones() -> Initializer:
    """Return the initialiser that fills with 1."""
    return constant(1.0)


def normal(std: float = 0.01, mean: float = 0.0) -> Initializer:
    """Return the initialiser that draws from a normal distribution."""
    _at_least_0("normal", "std", std)
    return lambda shape, rng, dtype: (mean + std * rng.standard_normal(shape)).astype(dtype)


def uniform(low: float = -0.05, high: float = 0.05) -> Initializer:
    """Return the initialiser that draws evenly from [low, high)."""
    if not low <= high:
        raise LayerError(
            f"uniform: found low={low!r}, high={high!r}; expected low <= high\n"
            "  fix: exchange the two"
        )
    return lambda shape, rng, dtype: rng.uniform(low, high, shape).astype(dtype)


def truncated_normal(std: float = 0.01, mean: float = 0.0, cut: float = 2.0) -> Initializer:
    """Return the initialiser that draws normally, and again what is beyond `cut` deviations.

    Parameters
    ----------
    std, mean : float
        Of the distribution before it is cut.
    cut : float
        In standard deviations, at least 0.1: closer cuts would draw for too long.
    """
    _at_least_0("truncated_normal", "std", std)
    if not cut >= 0.1:
        raise LayerError(
            f"truncated_normal: found cut={cut!r}; expected at least 0.1 standard deviations\n"
            "  fix: use uniform(mean - cut * std, mean + cut * std), which is hardly different"
        )

    def draw(shape: Shape, rng: np.random.Generator, dtype: Any) -> Array:
        values = np.asarray(rng.standard_normal(shape))
        while (beyond := np.abs(values) > cut).any():
            values[beyond] = rng.standard_normal(np.count_nonzero(beyond))
        return (mean + std * values).astype(dtype)

    return draw


def _scaled(
    name: str, gain: float, even: bool, variance: Callable[[int, int], float]
) -> Initializer:
    """Return an initialiser of mean 0 and variance ``gain² · variance(fan_in, fan_out)``."""
    _at_least_0(name, "gain", gain)

    def draw(shape: Shape, rng: np.random.Generator, dtype: Any) -> Array:
        std = gain * math.sqrt(variance(*fans(shape))) if 0 not in shape else 0.0
        if even:  # a uniform distribution on [-b, b) has the variance b² / 3
            bound = math.sqrt(3) * std
            return rng.uniform(-bound, bound, shape).astype(dtype)
        return (std * rng.standard_normal(shape)).astype(dtype)

    return draw


def xavier_normal(gain: float = 1.0) -> Initializer:
    r"""Return the initialiser of standard deviation :math:`\sqrt{2 / (fan_{in} + fan_{out})}`.

    The book's "Xavier" is :math:`\sqrt{1 / fan_{in}}`, which is `lecun_normal`.

    Parameters
    ----------
    gain : float
        A factor of the standard deviation.

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, eq. 12.
    """
    return _scaled("xavier_normal", gain, False, lambda fan_in, fan_out: 2 / (fan_in + fan_out))


def xavier_uniform(gain: float = 1.0) -> Initializer:
    r"""Return the initialiser that is uniform up to :math:`\sqrt{6 / (fan_{in} + fan_{out})}`.

    References
    ----------
    Glorot and Bengio 2010, eq. 16 (see `xavier_normal`).
    """
    return _scaled("xavier_uniform", gain, True, lambda fan_in, fan_out: 2 / (fan_in + fan_out))


def he_normal(gain: float = math.sqrt(2)) -> Initializer:
    r"""Return the initialiser of standard deviation :math:`\sqrt{2 / fan_{in}}`, for ReLU.

    Parameters
    ----------
    gain : float
        A factor of :math:`\sqrt{1 / fan_{in}}`.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """
    return _scaled("he_normal", gain, False, lambda fan_in, _: 1 / fan_in)


def he_uniform(gain: float = math.sqrt(2)) -> Initializer:
    r"""Return the initialiser that is uniform up to :math:`\sqrt{6 / fan_{in}}`, for ReLU.

    References
    ----------
    He et al. 2015, eq. 10 (see `he_normal`).
    """
    return _scaled("he_uniform", gain, True, lambda fan_in, _: 1 / fan_in)


kaiming_normal, kaiming_uniform = he_normal, he_uniform


def lecun_normal(gain: float = 1.0) -> Initializer:
    r"""Return the initialiser of standard deviation :math:`\sqrt{1 / fan_{in}}`.

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller, "Efficient BackProp", 1998, eq. 16.
    """
    return _scaled("lecun_normal", gain, False, lambda fan_in, _: 1 / fan_in)


def lecun_uniform(gain: float = 1.0) -> Initializer:
    r"""Return the initialiser that is uniform up to :math:`\sqrt{3 / fan_{in}}`.

    References
    ----------
    LeCun et al. 1998, eq. 16 (see `lecun_normal`).
    """
    return _scaled("lecun_uniform", gain, True, lambda fan_in, _: 1 / fan_in)


def orthogonal(gain: float = 1.0) -> Initializer:
    """Return the initialiser whose matrix has orthonormal rows or columns, times `gain`.

    Whichever are fewer are orthonormal; a kernel counts as a matrix of ``shape[0]`` rows.

    References
    ----------
    A. M. Saxe, J. L. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", ICLR 2014, section 3; F. Mezzadri, "How to generate
    random matrices from the classical compact groups", Notices of the AMS 54 (2007), section 5.
    """
    _at_least_0("orthogonal", "gain", gain)

    def draw(shape: Shape, rng: np.random.Generator, dtype: Any) -> Array:
        fans(shape)  # refuses a vector
        rows, columns = shape[0], math.prod(shape[1:])
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diagonal(r))  # else the distribution would depend on the factorisation
        return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)

    return draw


def _at_least_0(function: str, name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise LayerError(
            f"{function}: found {name}={value!r}; expected a number of at least 0\n"
            f"  fix: pass one, as in {function}({name}=1.0)"
        )


# ------------------------------------------------------------------------------ by name

INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros(),
    "ones": ones(),
    "normal": normal(),
    "uniform": uniform(),
    "truncated_normal": truncated_normal(),
    "xavier": xavier_normal(),
    "xavier_normal": xavier_normal(),
    "xavier_uniform": xavier_uniform(),
    "glorot": xavier_normal(),
    "he": he_normal(),
    "he_normal": he_normal(),
    "he_uniform": he_uniform(),
    "kaiming": he_normal(),
    "lecun": lecun_normal(),
    "lecun_normal": lecun_normal(),
    "lecun_uniform": lecun_uniform(),
    "orthogonal": orthogonal(),
}
"""Initialisers that a layer takes by name."""


def as_initializer(given: Any) -> Initializer:
    """Return an initialiser: by its name, itself, or one that copies an array.

    Parameters
    ----------
    given : str, initialiser, or array_like
        An array must have the shape that is asked for.

    Raises
    ------
    LayerError
        No initialiser has that name, or it is neither of the three.
    """
    if isinstance(given, str):
        if given in INITIALIZERS:
            return INITIALIZERS[given]
        close = difflib.get_close_matches(given, INITIALIZERS, n=1)
        raise LayerError(
            f"initialiser: none is called {given!r}{f', nearest: {close[0]!r}' if close else ''}\n"
            f"  fix: use one of {', '.join(INITIALIZERS)}"
        )
    if isinstance(given, (np.ndarray, list, tuple)):
        array = np.array(given)
        return lambda shape, _rng, dtype: _copied(array, shape, dtype)
    if callable(given):
        initializer: Initializer = given
        return initializer
    raise LayerError(
        f"initialiser: found {given!r}; expected a name, an initialiser or an array\n"
        "  fix: for random numbers of one standard deviation, pass normal(std)"
    )


def _copied(array: Array, shape: Shape, dtype: Any) -> Array:
    if array.shape != shape:
        raise LayerError(
            f"initialiser: found an array of shape {array.shape}; expected {shape}\n"
            "  fix: weights of a layer are (fan_in, fan_out), as in x @ W; transpose the array if "
            "it is the other way round"
        )
    return array.astype(dtype)
