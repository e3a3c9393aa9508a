r"""Initial values: how the arrays of a layer are filled, with which numbers and in which dtype.

Knows: shapes, dtypes, random generators. Does not know: layers, tensors. Read next: ``layers.py``.

An initialiser is a function ``(shape, rng, dtype) -> array``. The functions below make
initialisers: ``weight=normal(0.01)``; where one has no argument that must be chosen, its name is
enough: ``weight="he"``. Numbers are drawn in float64 and rounded, so that a float32 and a float64
net of one seed begin alike.

``fan_in`` and ``fan_out`` are the numbers of inputs and outputs of one unit. Of a matrix that is
used as ``x @ W`` they are its two sizes; of a convolution's ``(out, in, *kernel)`` they are
``in`` and ``out`` times the size of the kernel.

What layers begin with, and why:

==========================================  =====================================================
`Linear`, convolutions before ReLU          "he": ReLU takes half of the variance away, which the
                                            factor 2 gives back
`Linear`, convolutions before others        "xavier": the variance of values and of gradients
                                            stays the same through layers that are nearly linear
`Embedding`                                 normal of deviation 0.01, the book's: words begin alike
recurrent cells                             uniform in ±1/√size, so that a state of `size` numbers
                                            moves by about one; the LSTM's forget gate has bias 1
`Bilinear`                                  uniform in ±1/√fan_left
normalisations                              scale 1, shift 0: nothing but the normalisation
`PReLU`                                     slope 1/4, the paper's
biases                                      0
==========================================  =====================================================

PyTorch draws most weights, and biases too, uniformly in ±1/√fan_in, for reasons of history: that is
``weight=he_uniform(gain=3 ** -0.5)``.

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
    "calculate_gain",
    "constant",
    "default_generator",
    "dirac",
    "eye",
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
    "sparse",
    "trunc_normal",
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


_GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "conv": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(activation: str, slope: float = 0.01) -> float:
    r"""Return the factor by which an activation wants initial weights to be larger.

    Parameters
    ----------
    activation : {"linear", "identity", "conv", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}
        What follows the layer.
    slope : float
        Of "leaky_relu" for negative numbers; the gain is :math:`\sqrt{2 / (1 + slope^2)}`.

    Raises
    ------
    LayerError
        The gain of that activation is not known.

    References
    ----------
    He et al. 2015, eq. 10 and 15 (see `he_normal`) for the rectifiers; 5/3 and 3/4 are the values
    that have become usual (PyTorch's), for a variance that settles near 1.
    """
    if activation == "leaky_relu":
        return math.sqrt(2 / (1 + slope**2))
    if activation not in _GAINS:
        raise LayerError(
            f"calculate_gain: found {activation!r}; expected one of {', '.join(_GAINS)}, "
            "leaky_relu\n  fix: 'linear' gives 1, and a gain may be any number"
        )
    return _GAINS[activation]


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


trunc_normal = truncated_normal


def eye() -> Initializer:
    """Return the initialiser of matrices with ones on the diagonal: a layer that changes nothing.

    For square ones, that is; of others the first numbers are passed on.
    """

    def draw(shape: Shape, _rng: np.random.Generator, dtype: Any) -> Array:
        if len(shape) != 2:
            raise LayerError(
                f"eye: found shape {shape}; expected a matrix\n  fix: dirac() is that of kernels"
            )
        return np.eye(*shape, dtype=dtype)

    return draw


def dirac(groups: int = 1) -> Initializer:
    """Return the initialiser of kernels that pass channels on: 1 in the middle, else 0.

    Parameters
    ----------
    groups : int
        Of the convolution: the channels of each group are passed on.
    """

    def draw(shape: Shape, _rng: np.random.Generator, dtype: Any) -> Array:
        if len(shape) < 3 or groups < 1 or shape[0] % groups:
            raise LayerError(
                f"dirac: found shape {shape} and groups={groups}; expected a kernel (out, in, ...) "
                "whose outputs are a multiple of the groups\n  fix: eye() is that of matrices"
            )
        kernel, each = np.zeros(shape, dtype), shape[0] // groups
        middle = tuple(n // 2 for n in shape[2:])
        for out in range(shape[0]):
            if out % each < shape[1]:
                kernel[(out, out % each, *middle)] = 1
        return kernel

    return draw


def sparse(sparsity: float, std: float = 0.01) -> Initializer:
    """Return the initialiser that draws normally, and leaves 0 in a share of each unit's inputs.

    Parameters
    ----------
    sparsity : float
        The share of zeros, fraction in [0, 1].
    std : float
        Of the others.

    References
    ----------
    J. Martens, "Deep learning via Hessian-free optimization", ICML 2010, section 5.
    """
    _at_least_0("sparse", "std", std)
    if not 0 <= sparsity <= 1:
        raise LayerError(
            f"sparse: found sparsity={sparsity!r}; expected a fraction in [0, 1]\n"
            "  fix: sparse(0.9) leaves a tenth"
        )

    def draw(shape: Shape, rng: np.random.Generator, dtype: Any) -> Array:
        if len(shape) != 2:
            raise LayerError(
                f"sparse: found shape {shape}; expected a matrix (fan_in, fan_out)\n"
                "  fix: use normal(std) for others"
            )
        values = np.asarray(std * rng.standard_normal(shape))
        count = math.ceil(sparsity * shape[0])
        for unit in range(shape[1]):
            values[rng.permutation(shape[0])[:count], unit] = 0
        return values.astype(dtype)

    return draw


def _fan(name: str, mode: str) -> Callable[[int, int], float]:
    """Return 1 / fan as a function of both fans."""
    ways: dict[str, Callable[[int, int], float]] = {
        "fan_in": lambda fan_in, _: 1 / fan_in,
        "fan_out": lambda _, fan_out: 1 / fan_out,
        "fan_avg": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    }
    if mode not in ways:
        raise LayerError(
            f"{name}: found mode={mode!r}; expected {', '.join(map(repr, ways))}\n"
            "  fix: 'fan_in' keeps the variance of values, 'fan_out' that of gradients"
        )
    return ways[mode]


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


def he_normal(gain: float = math.sqrt(2), *, mode: str = "fan_in") -> Initializer:
    r"""Return the initialiser of standard deviation :math:`\sqrt{2 / fan_{in}}`, for ReLU.

    Parameters
    ----------
    gain : float
        A factor of :math:`\sqrt{1 / fan_{in}}`; see `calculate_gain`.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Which number of connections counts: that of inputs keeps the variance of values through the
        layers, that of outputs the variance of gradients.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """
    return _scaled("he_normal", gain, False, _fan("he_normal", mode))


def he_uniform(gain: float = math.sqrt(2), *, mode: str = "fan_in") -> Initializer:
    r"""Return the initialiser that is uniform up to :math:`\sqrt{6 / fan_{in}}`, for ReLU.

    References
    ----------
    He et al. 2015, eq. 10 (see `he_normal`).
    """
    return _scaled("he_uniform", gain, True, _fan("he_uniform", mode))


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
    "eye": eye(),
}
"""Initialisers that a layer takes by name."""


def as_initializer(given: Any) -> Initializer:
    """Return an initialiser: by its name, itself, for a standard deviation, or to copy an array.

    Parameters
    ----------
    given : str, initialiser, float, or array_like
        A number is the standard deviation of a normal distribution. An array must have the shape
        that is asked for.

    Raises
    ------
    LayerError
        No initialiser has that name, or it is none of these.
    """
    if isinstance(given, str):
        if given in INITIALIZERS:
            return INITIALIZERS[given]
        close = difflib.get_close_matches(given, INITIALIZERS, n=1)
        raise LayerError(
            f"initialiser: none is called {given!r}{f', nearest: {close[0]!r}' if close else ''}\n"
            f"  fix: use one of {', '.join(INITIALIZERS)}"
        )
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return normal(given)
    if isinstance(given, (np.ndarray, list, tuple)):
        array = np.array(given)
        return lambda shape, _rng, dtype: _copied(array, shape, dtype)
    if callable(given):
        initializer: Initializer = given
        return initializer
    raise LayerError(
        f"initialiser: found {given!r}; expected a name, a standard deviation, an "
        "initialiser or an array\n  fix: 'he', 'xavier', 0.01, or normal(0.01)"
    )


def _copied(array: Array, shape: Shape, dtype: Any) -> Array:
    if array.shape != shape:
        raise LayerError(
            f"initialiser: found an array of shape {array.shape}; expected {shape}\n"
            "  fix: weights of a layer are (fan_in, fan_out), as in x @ W; transpose the array if "
            "it is the other way round"
        )
    return array.astype(dtype)
