r"""Derivatives of plain NumPy functions by evaluating them at neighbouring points.

Nothing is recorded here: a derivative is a slope, and a slope is the difference of two values
over the distance between their points.

1. ``numerical_diff``, ``numerical_gradient``, ``gradient_descent``: the two-point formula with
   h = 1e-4 as introductory books teach it, to the last digit of their printed results.
2. ``directional_derivative``, ``numerical_jacobian``, ``numerical_hessian``: the same idea made
   accurate enough to judge a recorded gradient. Walking from x along a direction v turns any
   function into :math:`\varphi(t) = f(x + t v)` of one number t; each method is one formula for
   :math:`\varphi'(0)`.

===============  ============================  =====================================  =============
method           what it evaluates             error of the formula                   step, relative
===============  ============================  =====================================  =============
"central"        two points, ±h                :math:`h^2 \varphi^{(3)} / 6`          6e-6
"five-point"     four points, ±h and ±2h       :math:`-h^4 \varphi^{(5)} / 30`        1e-3
"richardson"     six points, ±h, ±h/2, ±h/4    :math:`h^6 \varphi^{(7)} / 322560`     2e-2
"complex-step"   one point, ih                 :math:`-h^2 \varphi^{(3)} / 6`         1e-20
"automatic"      central at ever smaller h,    estimated from the values, element     1e-1, halved
                 extrapolated                  by element                             ten times
===============  ============================  =====================================  =============

The power of h is the order of the method: 2, 4, 6 and 2. Where nothing is known of the scale on
which a function varies, "automatic" finds the step: it costs 22 evaluations.

A small step makes the formula exact but subtracts nearly equal numbers: differences carry a
rounding error of about :math:`\epsilon |\varphi| / h` with :math:`\epsilon` = 2.2e-16. The best
step balances the two, and a formula of higher order affords a larger step, hence less rounding.
The complex step subtracts nothing, so its step can be tiny and its result good to the last digit.
In float32 :math:`\epsilon` is 1.2e-7 and h = 1e-4 leaves hardly a digit, so all work is done in
float64 whatever the dtype of the input.

This file knows no Tensor, no graph and no tolerance. The checker that compares recorded gradients
with these is ``tinygrad_edu/numeric/check.py``; the exact way to get a derivative starts in
``tinygrad_edu/core/op.py``.
"""

import math
import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, NamedTuple, SupportsFloat, SupportsIndex, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_edu.errors import MutationError, NumericError, NumericTypeError, describe_value

__all__ = [
    "Method",
    "directional_derivative",
    "gradient_descent",
    "numerical_diff",
    "numerical_gradient",
    "numerical_hessian",
    "numerical_jacobian",
]

Array = NDArray[np.float64]
Method = Literal["central", "five-point", "richardson", "complex-step", "automatic"]


# ---- the book's three functions -----------------------------------------------------------------


@overload
def numerical_diff(f: Callable[[float], float], x: float, h: float = 1e-4) -> float: ...
@overload
def numerical_diff(f: Callable[[Array], ArrayLike], x: NDArray[Any], h: float = 1e-4) -> Array: ...
def numerical_diff(f: Callable[[Any], Any], x: Any, h: float = 1e-4) -> float | Array:
    r"""Return the slope of a function of one variable at ``x``.

    .. math:: f'(x) \approx \frac{f(x + h) - f(x - h)}{2 h}

    Parameters
    ----------
    f : callable
        Takes one float and returns one; for an array ``x``, works element by element.
    x : float or array of any shape
        Where to take the slope.
    h : float, positive
        Distance to each neighbour, in the unit of ``x``.

    Returns
    -------
    float, or float64 array of the shape of ``x``

    Raises
    ------
    TypeError
        If ``x`` or a value of ``f`` is not real.
    ValueError
        If ``h`` is not positive and finite.

    Examples
    --------
    >>> numerical_diff(lambda x: 0.01 * x**2 + 0.1 * x, 5)
    0.1999999999990898
    """
    array = _float64(x, "x")
    point = array.item() if array.ndim == 0 else array
    h = _positive(h, "h")
    difference = _float64(f(point + h), "f(x + h)") - _float64(f(point - h), "f(x - h)")
    slope: Array = np.asarray(difference / (2 * h))
    return slope.item() if slope.ndim == 0 else slope


def numerical_gradient(f: Callable[[Array], SupportsFloat], x: ArrayLike, h: float = 1e-4) -> Array:
    r"""Return the gradient of a scalar function at ``x``, one element at a time.

    .. math:: \frac{\partial f}{\partial x_i} \approx \frac{f(x + h e_i) - f(x - h e_i)}{2 h}

    It costs two evaluations of ``f`` an element. ``f`` has to compute from the array it is given,
    which is a fresh float64 copy each time and never the caller's own array: a function that
    ignores its argument and reads ``net.W`` instead has gradient zero.

    Parameters
    ----------
    f : callable
        Takes a float64 array of the shape of ``x``; returns one number (an array of one element
        or anything that ``float()`` accepts will do).
    x : array_like of real numbers, any shape
        Where to take the gradient; it is not changed.
    h : float, positive
        Distance to each neighbour, in the unit of ``x``.

    Returns
    -------
    float64 array of the shape of ``x``

    Raises
    ------
    TypeError
        If ``x`` is not real or ``f`` does not return one real number.
    ValueError
        If ``h`` is not positive and finite.
    RuntimeError
        If ``f`` changes its argument.

    Examples
    --------
    >>> print(numerical_gradient(lambda x: np.sum(x**2), [3, 4]))
    [6. 8.]
    """
    point = _float64(x, "x")
    h = _positive(h, "h")
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        center = point[index]
        point[index] = center + h
        above = _scalar(f, point)
        point[index] = center - h
        below = _scalar(f, point)
        point[index] = center
        gradient[index] = (above - below) / (2 * h)
    return gradient


def gradient_descent(
    f: Callable[[Array], SupportsFloat],
    init_x: ArrayLike,
    lr: float = 0.01,
    step_num: SupportsIndex = 100,
) -> tuple[Array, Array]:
    r"""Return where repeated steps against the gradient lead, and the points on the way.

    .. math:: x \leftarrow x - \eta \, \nabla f(x)

    Parameters
    ----------
    f : callable
        The function to minimize, as ``numerical_gradient`` takes it.
    init_x : array_like of real numbers, any shape
        The starting point; it is not changed.
    lr : float, positive
        The learning rate :math:`\eta`.
    step_num : int, at least 0
        Number of steps.

    Returns
    -------
    x : float64 array of the shape of ``init_x``
        The point after the last step.
    history : float64 array, shape (step_num, \*init_x.shape)
        The point before each step; its first row is ``init_x``.

    Raises
    ------
    TypeError, RuntimeError
        As ``numerical_gradient``; TypeError also if ``step_num`` is not an integer.
    ValueError
        If ``lr`` is not positive and finite or ``step_num`` is negative.

    Examples
    --------
    >>> x, history = gradient_descent(lambda x: np.sum(x**2), [-3.0, 4.0], lr=0.1)
    >>> print(x, history.shape)
    [-6.11110793e-10  8.14814391e-10] (100, 2)
    """
    x = _float64(init_x, "init_x")
    lr = _positive(lr, "lr")
    steps = operator.index(step_num)
    if steps < 0:
        raise NumericError(f"step_num must be at least 0, got {steps}: it counts the steps.")
    history = np.empty((steps, *x.shape))
    for step in range(steps):
        history[step] = x
        x -= lr * numerical_gradient(f, x)
    return x, history


# ---- accurate derivatives: formulas for the slope of phi at 0 ------------------------------------

Line = Callable[[complex], NDArray[Any]]


def _central(phi: Line, h: float) -> NDArray[Any]:
    return (phi(h) - phi(-h)) / (2 * h)


def _five_point(phi: Line, h: float) -> NDArray[Any]:
    near: Array = phi(h) - phi(-h)
    far: Array = phi(2 * h) - phi(-2 * h)
    return (8 * near - far) / (12 * h)


def _richardson(phi: Line, h: float) -> NDArray[Any]:
    # The central error is a series in h², so halving h divides its k-th term by 4**k.
    slopes = [_central(phi, h), _central(phi, h / 2), _central(phi, h / 4)]
    for k in (1, 2):
        slopes = [fine + (fine - coarse) / (4**k - 1) for coarse, fine in pairwise(slopes)]
    return slopes[0]


def _complex_step(phi: Line, h: float) -> NDArray[Any]:
    return np.imag(phi(1j * h)) / h


def _automatic(phi: Line, h: float) -> NDArray[Any]:
    """Return, element by element, the entry of Richardson's tableau that errs least.

    Each entry differs from its two parents by about its error, until rounding takes over: Ridders'
    choice is the entry with the least difference. Where f is not finite, as outside its domain, an
    entry is never chosen.
    """
    best: Any = None
    least: Any = None
    row: list[NDArray[Any]] = []
    with np.errstate(all="ignore"):
        for _ in range(_HALVINGS + 1):
            before, row = row, [_central(phi, h)]
            for k, coarse in enumerate(before[:_COLUMNS]):
                row.append(row[-1] + (row[-1] - coarse) / (4 ** (k + 1) - 1))
                error = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - coarse))
                error = np.where(np.isfinite(row[-1]) & np.isfinite(error), error, np.inf)
                if best is None:
                    best, least = row[-1], error
                else:
                    best = np.where(error < least, row[-1], best)
                    least = np.minimum(error, least)
            h /= 2
    return np.asarray(best)


_HALVINGS = 10
_COLUMNS = 4  # an extrapolation of order 10: beyond it only rounding is extrapolated


class _Formula(NamedTuple):
    slope: Callable[[Line, float], NDArray[Any]]
    step: float  # relative to max(1, |x|): near the least sum of formula error and rounding error
    dtype: type[np.float64 | np.complex128]  # what f is expected to answer in
    again: tuple[float, Method]  # for a derivative of derivatives: its step, and its outer formula


_FORMULAS: dict[Method, _Formula] = {
    "central": _Formula(_central, 6e-6, np.float64, (1e-4, "central")),
    "five-point": _Formula(_five_point, 1e-3, np.float64, (1e-3, "five-point")),
    "richardson": _Formula(_richardson, 2e-2, np.float64, (1e-2, "richardson")),
    # A complex step inside a complex step would be a real one: the outer formula subtracts.
    "complex-step": _Formula(_complex_step, 1e-20, np.complex128, (1e-1, "automatic")),
    "automatic": _Formula(_automatic, 1e-1, np.float64, (1e-1, "automatic")),
}


def directional_derivative(
    f: Callable[[NDArray[Any]], ArrayLike],
    x: ArrayLike,
    direction: ArrayLike,
    method: Method = "five-point",
    h: float | None = None,
) -> Array:
    r"""Return how fast ``f`` changes when ``x`` moves along a direction: the product J v.

    .. math:: J(x) \, v = \varphi'(0), \qquad \varphi(t) = f(x + t v)

    The module's table lists the methods with their errors. The differences need ``f`` to be smooth
    between the points they evaluate. The complex step needs an analytic ``f`` written in functions
    that NumPy has for complex numbers: ``abs`` or ``.real`` make the result real, which is refused;
    ``conj`` turns the sign unnoticed; comparisons and ``maximum`` are right away from ties only.

    Parameters
    ----------
    f : callable
        Takes a float64 array of the shape of ``x`` (complex128 for the complex step), which it must
        not change; returns an array of any one shape in the same precision.
    x : array_like of finite real numbers, any shape
        Where to take the derivative; it is not changed.
    direction : array_like of finite real numbers, the shape of ``x``
        The direction v. The result is proportional to its length.
    method : {"five-point", "central", "richardson", "complex-step", "automatic"}
        The formula.
    h : float, positive, optional
        Step in units of ``direction``, the largest one of "automatic". By default the largest that
        moves no element by more than the method's relative step times max(1, abs(element)).

    Returns
    -------
    float64 array of the shape of ``f(x)``

    Raises
    ------
    TypeError
        If ``x`` or ``direction`` is not real or ``f`` answers in the wrong precision.
    ValueError
        If a shape, a value, ``h`` or ``method`` does not fit.
    RuntimeError
        If ``f`` changes its argument.

    References
    ----------
    B. Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids",
    Mathematics of Computation 51 (1988), table 1: the central and five-point weights.

    L. F. Richardson, "The approximate arithmetical solution by finite differences of physical
    problems", Philosophical Transactions of the Royal Society A 210 (1911): the extrapolation.

    C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering
    Software 4 (1982): the choice of "automatic".

    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1998): the complex step.

    Examples
    --------
    >>> x = np.array([0.0, 1.0])
    >>> print(directional_derivative(np.exp, x, [1.0, 2.0], method="complex-step"))
    [1.         5.43656366]
    """
    point, v = _float64(x, "x"), _float64(direction, "direction")
    if v.shape != point.shape:
        raise NumericError(
            f"direction must have the shape of x, {point.shape}, got {v.shape}: "
            "give one component for each element of x."
        )
    for name, array in (("x", point), ("direction", v)):
        if not np.isfinite(array).all():
            raise NumericError(f"{name} must be finite, got nan or inf: no step fits it.")
    if method not in _FORMULAS:
        raise NumericError(f"method must be one of {', '.join(get_args(Method))}; got {method!r}.")
    formula = _FORMULAS[method]
    step = _largest_step(point, v, formula.step) if h is None else _positive(h, "h")
    shapes: set[tuple[int, ...]] = set()

    def phi(t: complex) -> NDArray[Any]:
        result = _in_precision(_evaluate(f, point + t * v), formula.dtype)
        shapes.add(result.shape)
        if len(shapes) > 1:
            raise NumericError(
                f"f must return one shape at all points, got {' and '.join(map(str, shapes))}: "
                "make the shape depend on x.shape only."
            )
        return result

    # asarray: arithmetic on 0-d arrays leaves a NumPy scalar.
    return np.asarray(formula.slope(phi, step))


def numerical_jacobian(
    f: Callable[[NDArray[Any]], ArrayLike],
    x: ArrayLike,
    method: Method = "five-point",
    h: float | None = None,
) -> Array:
    r"""Return all partial derivatives of an array function at ``x``.

    .. math:: J_{ij} = \partial f_i / \partial x_j

    Each element of ``x`` is moved alone, with a step of its own size: one
    ``directional_derivative`` an element. For a scalar ``f`` the result is its gradient.

    Parameters
    ----------
    f, x, method, h
        As ``directional_derivative`` takes them.

    Returns
    -------
    float64 array, shape (\*f(x).shape, \*x.shape)

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As ``directional_derivative``.

    Examples
    --------
    >>> print(numerical_jacobian(lambda x: x[0] * x, np.array([2.0, 3.0])))
    [[4. 0.]
     [3. 2.]]
    """
    return _jacobian(f, _float64(x, "x"), method, h)


def _jacobian(
    f: Callable[[NDArray[Any]], ArrayLike],
    point: Array,
    method: Method,
    h: float | None,
    relative: float | None = None,
) -> Array:
    """Return the Jacobian; without h, by steps of a relative size for each element."""
    jacobian = np.empty(np.shape(_evaluate(f, point)) + point.shape)
    unit = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        step = (
            h
            if h is not None or relative is None
            else relative * max(1.0, abs(float(point[index])))
        )
        unit[index] = 1
        jacobian[(..., *index)] = directional_derivative(f, point, unit, method, step)
        unit[index] = 0
    return jacobian


def numerical_hessian(
    f: Callable[[NDArray[Any]], ArrayLike],
    x: ArrayLike,
    method: Method = "five-point",
    h: float | None = None,
) -> Array:
    r"""Return all second partial derivatives of a function at ``x``.

    .. math:: H_{ij} = \partial^2 f / \partial x_i \, \partial x_j

    It is the Jacobian of the Jacobian, made symmetric. Rounding is divided by the step twice, so
    the default steps are larger than those of a first derivative, and a few digits are lost; least
    by the complex step, which subtracts only once.

    Parameters
    ----------
    f, x, method
        As ``directional_derivative`` takes them.
    h : float, positive, optional
        Step of both derivatives, in the unit of ``x``; for the complex step that of the inner one.

    Returns
    -------
    float64 array, shape (\*f(x).shape, \*x.shape, \*x.shape)

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As ``directional_derivative``.

    Examples
    --------
    >>> hessian = numerical_hessian(lambda x: x[0] ** 2 * x[1], np.array([1.0, 3.0]))
    >>> print(hessian.round(8) + 0.0)
    [[6. 2.]
     [2. 0.]]
    """
    point = _float64(x, "x")
    if method not in _FORMULAS:
        raise NumericError(f"method must be one of {', '.join(get_args(Method))}; got {method!r}.")
    relative, outer = _FORMULAS[method].again
    second: float | None = None if h is None or method == "complex-step" else h

    def gradient(y: NDArray[Any]) -> Array:
        return _jacobian(f, y, method, h, None if method == "complex-step" else relative)

    hessian = _jacobian(gradient, point, outer, second, relative)
    n = point.ndim
    axes = list(range(hessian.ndim))
    first = len(axes) - 2 * n
    swapped = np.transpose(hessian, [*axes[:first], *axes[first + n :], *axes[first : first + n]])
    return np.asarray((hessian + swapped) / 2)


# ---- what goes in and what comes back ------------------------------------------------------------


def _float64(value: ArrayLike, name: str) -> Array:
    """Return a float64 copy of real numbers, in C order, that shares memory with nothing."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise NumericTypeError(
            f"{name} must hold real numbers, got dtype {array.dtype}: convert it to float64 "
            "(take the real and the imaginary part of complex numbers as two variables)."
        )
    return array.astype(np.float64, order="C")


def _positive(value: float, name: str) -> float:
    """Return the value as a float if it is positive and finite."""
    number = float(value)
    if not 0 < number < math.inf:
        raise NumericError(f"{name} must be positive and finite, got {value}.")
    return number


def _evaluate(f: Callable[[NDArray[Any]], Any], point: NDArray[Any]) -> Any:
    """Return f at a copy of the point, so that f may keep it; refuse an f that writes to it."""
    argument = np.array(point)
    result = f(argument)
    if not np.array_equal(argument, point, equal_nan=True):
        raise MutationError(
            "f changed the array it was given, so its value belongs to another point: "
            "let f work on x.copy(), and write x = x + 1 rather than x += 1."
        )
    return result


def _scalar(f: Callable[[Array], SupportsFloat], point: Array) -> float:
    """Return the one real number that f gives at the point."""
    value = _evaluate(f, point)
    single = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    try:
        # float() of a NumPy complex number would drop the imaginary part with a mere warning.
        number = None if np.iscomplexobj(single) else float(single)
    except (TypeError, ValueError):
        number = None
    if number is None:
        raise NumericTypeError(
            f"f must return one real number, got {describe_value(value)}: end it with a sum or a "
            "mean, mind the `return`, or take numerical_jacobian for an array."
        )
    return number


def _in_precision(value: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """Return a copy of what f gave (f may reuse its buffer), refused if not in this precision."""
    result = np.array(value)
    exact = dtype == np.float64 and result.dtype.kind in "biu"
    if not exact and result.dtype.newbyteorder("=") != dtype:
        raise NumericTypeError(
            f"f must answer in {np.dtype(dtype)}, got {result.dtype}: lower precision drowns the "
            "derivative in rounding, and the complex step needs a complex answer to a complex x "
            "(so no abs, real or cast in f; else choose method='five-point')."
        )
    return result.astype(dtype)


def _largest_step(point: Array, direction: Array, relative: float) -> float:
    """Return the largest h with abs(h * direction) <= relative * max(1, abs(point)) everywhere."""
    moving = direction != 0
    steps = relative * np.maximum(1, np.abs(point[moving])) / np.abs(direction[moving])
    # Along a zero direction nothing moves, whatever the step.
    return float(steps.min()) if steps.size else relative
