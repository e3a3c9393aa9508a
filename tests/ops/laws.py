"""The laws that every row of the table obeys, as checks of one call of one row.

Each check takes a `Sample` and raises AssertionError with a path: which derivative of which row, by
which argument. ``test_laws`` applies them to the rows, ``test_broken_rules`` to rows broken on
purpose. The engine's own sweep runs the rules; the inputs and cotangents are read-only arrays.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf
from tinygrad_edu.core.op import BY_FUNCTION, Op
from tinygrad_edu.core.tensor import Tensor, constant, handle, record_composites
from tinygrad_edu.core.transforms import gradients, hvp, jvp
from tinygrad_edu.numeric.difference import directional_derivative

from .strategies import Sample

TOLERANCES = {
    # dtype, what is compared: relative to 1 plus the size of what is compared
    ("float64", "exact"): 1e-12,  # the same thing computed twice
    ("float64", "complex step"): 1e-12,
    ("float64", "order 1"): 1e-7,  # five-point differences of values
    ("float64", "order 2"): 1e-7,  # five-point differences of first derivatives
    ("float32", "order 0"): 5e-6,  # against float64
    ("float32", "order 1"): 5e-5,
}
"""How far apart two results may be."""


@dataclass
class Tally:
    """Counts of wrong rules that were planted, refused, and shown to change nothing."""

    planted: int = 0
    refused: int = 0
    equivalent: int = 0

    def __str__(self) -> str:
        return (
            f"{self.planted} planted wrong rules, {self.refused} refused "
            f"({self.equivalent} more change nothing)"
        )


# ------------------------------------------------------------------------------ calls


def results(row: Op, arrays: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Return the results of a row, one or several, as a list."""
    found = row.through(arrays, params)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def leaf(array: Any) -> Tensor:
    """Return a tensor that requires a gradient on this very array, which may be read-only."""
    return handle(array, Leaf(array))


def call(sample: Sample, moving: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the recorded results, and the leaves of the moving arguments."""
    leaves = [leaf(sample.arrays[i]) for i in moving]
    return results(sample.row, _filled(sample, moving, leaves), sample.params), leaves


def _filled(sample: Sample, moving: Sequence[int], values: Sequence[Any]) -> list[Any]:
    arrays = list(sample.arrays)
    for i, value in zip(moving, values, strict=True):
        arrays[i] = value
    # A row without a gradient, or an empty choice, still has to see a Tensor.
    return arrays if moving else [constant(a) if isinstance(a, np.ndarray) else a for a in arrays]


def values(sample: Sample) -> list[Any]:
    """Return the results on arrays."""
    return results(sample.row, sample.arrays, sample.params)


def draw_like(arrays: Sequence[Any], *seed: int) -> list[Any]:
    """Return read-only random arrays of the same shapes and dtypes, none of their numbers small."""
    rng = np.random.default_rng(seed)
    found = []
    for array in arrays:
        shape = np.shape(array)
        sign = np.where(rng.uniform(size=shape) < 0.5, -1.0, 1.0)
        numbers = np.asarray(rng.uniform(0.5, 1.5, size=shape) * sign).astype(array.dtype)
        numbers.flags.writeable = False
        found.append(numbers)
    return found


def weights_of(sample: Sample) -> list[Any]:
    """Return one random cotangent per result."""
    return draw_like(values(sample), sample.seed, 1)


def directions_of(sample: Sample) -> list[Any]:
    """Return one random tangent per moving argument."""
    return draw_like([sample.arrays[i] for i in sample.moving], sample.seed, 2)


def contract(left: Sequence[Any], right: Sequence[Any]) -> Any:
    """Return the inner product of two lists of arrays, or of Tensors."""
    total: Any = 0.0
    for a, b in zip(left, right, strict=True):
        total = total + np.sum(np.multiply(a, b))
    return total


def pull(
    sample: Sample, cotangents: Sequence[Any], moving: Sequence[int] | None = None
) -> list[Any]:
    """Return the cotangents of the moving arguments, as arrays."""
    chosen = sample.moving if moving is None else moving
    outputs, leaves = call(sample, chosen)
    if len(outputs) == 1:
        found = gradients(outputs[0], leaves, constant(cotangents[0]), retain_graph=True)
    else:
        found = gradients(contract(outputs, cotangents), leaves)
    return [tensor.numpy() for tensor in found]


def choices(sample: Sample) -> list[tuple[int, ...]]:
    """Return which arguments move together: all of them, then each alone."""
    alone = [(i,) for i in sample.moving]
    return [sample.moving, *alone] if len(alone) > 1 else [sample.moving]


# ------------------------------------------------------------------------------ comparisons


def assert_close(found: Any, expected: Any, tolerance: float, path: str, scale: float = 0) -> None:
    """Raise unless two arrays have one shape and differ by little, or are both nan or inf."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{path}: shape {found.shape}, not {expected.shape}"
    if found.dtype.kind not in "fc" or expected.dtype.kind not in "fc":
        assert (found == expected).all(), f"{path}: found {found!r}, expected {expected!r}"
        return
    size = 1 + scale + np.abs(np.where(np.isfinite(expected), expected, 0))
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        wrong = ~(same | (np.abs(found - expected) <= tolerance * size))
    if wrong.any():
        worst = np.argwhere(wrong)[0].tolist()
        raise AssertionError(
            f"{path}: {int(wrong.sum())} of {found.size} numbers differ; at {worst} "
            f"found {found[tuple(worst)]!r}, expected {expected[tuple(worst)]!r}"
        )


def assert_same_form(found: Any, like: Any, path: str) -> None:
    """Raise unless an array has the shape and dtype of another."""
    assert isinstance(found, (np.ndarray, np.generic)), f"{path}: a {type(found).__name__}"
    same = (found.shape, found.dtype) == (like.shape, like.dtype)
    assert same, f"{path}: shape {found.shape} {found.dtype}, expected {like.shape} {like.dtype}"


def numerical(
    sample: Sample,
    f: Callable[[list[Any]], Any],
    moving: Sequence[int],
    directions: Sequence[Any],
    method: Any = "five-point",
) -> Any:
    """Return how fast a function of the moving arguments changes along directions."""
    arrays = [sample.arrays[i] for i in moving]
    ends = np.cumsum([array.size for array in arrays])[:-1]

    def line(flat: Any) -> Any:
        parts = np.split(flat, ends)
        return f([np.reshape(part, a.shape) for part, a in zip(parts, arrays, strict=True)])

    point = np.concatenate([np.ravel(a) for a in arrays])
    direction = np.concatenate([np.ravel(v) for v in directions])
    return directional_derivative(line, point, direction, method)


def method_of(row: Op) -> str:
    """Return the formula: complex step where NumPy has the row for complex numbers, smooth."""
    types = getattr(row.forward, "types", ())
    analytic = ("D->D" in types or "DD->D" in types) and not row.kinks
    return "complex-step" if analytic and row.name not in ("conjugate", "sign") else "five-point"


# ------------------------------------------------------------------------------ the laws


def check_order_1(sample: Sample) -> None:
    """Compare each argument's cotangent, along a direction, with the numerical derivative."""
    row, cotangents = sample.row, weights_of(sample)
    method = method_of(row)
    tolerance = TOLERANCES["float64", "complex step" if method == "complex-step" else "order 1"]
    together = pull(sample, cotangents)
    for i, found, v in zip(sample.moving, together, directions_of(sample), strict=True):
        path = f"vjp of {row.name}, argument {i}"
        assert_same_form(found, sample.arrays[i], path)

        def weighted(values: list[Any], i: int = i) -> Any:
            outputs = results(row, _filled(sample, (i,), values), sample.params)
            return contract(outputs, cotangents)

        expected = numerical(sample, weighted, (i,), [v], method)
        scale = float(np.sum(np.abs(found * v)))
        assert_close(np.sum(found * v), expected, tolerance, path, scale)
        if len(sample.moving) > 1:
            (alone,) = pull(sample, cotangents, (i,))
            assert_close(alone, found, TOLERANCES["float64", "exact"], f"{path}, alone")


def check_order_2(sample: Sample) -> None:
    """Compare the vjp of the vjp, along a direction, with the numerical derivative of the vjp."""
    row, moving = sample.row, sample.moving
    cotangents, v = weights_of(sample), directions_of(sample)
    outputs, leaves = call(sample, moving)
    seeds = [leaf(w) for w in cotangents]
    first = gradients(contract(outputs, seeds), leaves, create_graph=True)
    inner = contract(first, v)
    if not isinstance(inner, Tensor) or not inner.requires_grad:
        raise AssertionError(f"vjp of vjp of {row.name}: the cotangents are constants")
    second = [t.numpy() for t in gradients(inner, [*leaves, *seeds], retain_graph=True)]
    along = draw_like([sample.arrays[i] for i in moving], sample.seed, 3)

    def first_order(values: list[Any]) -> Any:
        moved = replace(sample, arrays=tuple(_filled(sample, moving, values)))
        return contract(pull(moved, cotangents), v)

    found = contract(second[: len(leaves)], along)
    scale = float(sum(np.sum(np.abs(a * b)) for a, b in zip(second, along, strict=False)))
    expected = numerical(sample, first_order, moving, along)
    path = f"vjp of vjp of {row.name}"
    assert_close(found, expected, TOLERANCES["float64", "order 2"], path, scale)
    # By its cotangent the vjp is linear: its derivative is the jvp.
    path = f"{path}, by its cotangent"
    for found, expected in zip(second[len(leaves) :], push(sample, moving, v), strict=True):
        assert_close(found, expected, TOLERANCES["float64", "exact"], path, 10)


def push(sample: Sample, moving: Sequence[int], tangents: Sequence[Any]) -> list[Any]:
    """Return the tangents of the results by forward mode."""
    shaped = values(sample)

    def flat(*moved: Any) -> Any:
        outputs = results(sample.row, _filled(sample, moving, moved), sample.params)
        return outputs[0] if len(outputs) == 1 else np.concatenate([np.ravel(y) for y in outputs])

    _, tangent = jvp(flat, [sample.arrays[i] for i in moving], tangents)
    if len(shaped) == 1:
        return [tangent.numpy()]
    parts = np.split(tangent.numpy(), np.cumsum([y.size for y in shaped])[:-1])
    return [np.reshape(part, y.shape) for part, y in zip(parts, shaped, strict=True)]


def check_jvp(sample: Sample) -> None:
    """Compare forward mode with the numerical derivative, all arguments moving and each alone."""
    row, cotangents = sample.row, weights_of(sample)
    directions = dict(zip(sample.moving, directions_of(sample), strict=True))
    method = method_of(row)
    tolerance = TOLERANCES["float64", "complex step" if method == "complex-step" else "order 1"]
    for moving in choices(sample):
        path = f"jvp of {row.name}, arguments {moving}"
        v = [directions[i] for i in moving]
        tangents = push(sample, moving, v)
        for tangent, y in zip(tangents, values(sample), strict=True):
            assert_same_form(tangent, y, path)

        def plain(values: list[Any], moving: Sequence[int] = moving) -> Any:
            outputs = results(row, _filled(sample, moving, values), sample.params)
            return np.concatenate([np.ravel(y) for y in outputs])

        expected = numerical(sample, plain, moving, v, method)
        found = np.concatenate([np.ravel(tangent) for tangent in tangents])
        scale = float(np.max(np.abs(expected), initial=0))
        assert_close(found, expected, tolerance, path, scale)
        # Duality: <u, J v> == <J' u, v>.
        pulled = pull(sample, cotangents, moving)
        left, right = contract(cotangents, tangents), contract(pulled, v)
        scale = float(sum(np.sum(np.abs(a * b)) for a, b in zip(pulled, v, strict=True)))
        path = f"duality of vjp and jvp of {row.name}"
        assert_close(left, right, TOLERANCES["float64", "exact"], path, scale)


def check_forward_over_reverse(sample: Sample) -> None:
    """Compare the jvp of the vjp with the vjp of the vjp: the second derivative is symmetric."""
    cotangents, v = weights_of(sample), directions_of(sample)

    def weighted(*moved: Any) -> Any:
        outputs = results(sample.row, _filled(sample, sample.moving, moved), sample.params)
        return contract(outputs, cotangents)

    primals = tuple(sample.arrays[i] for i in sample.moving)
    forward = hvp(weighted, primals, tuple(v))
    leaves = [leaf(primal) for primal in primals]
    first = gradients(weighted(*leaves), leaves, create_graph=True)
    inner = contract(first, v)
    for i, (leaf_, product) in enumerate(zip(leaves, forward, strict=True)):
        expected: Any = np.zeros(leaf_.shape)
        if isinstance(inner, Tensor) and inner.requires_grad:
            (again,) = gradients(inner, [leaf_], retain_graph=True)
            expected = again.numpy()
        scale = float(np.max(np.abs(expected), initial=0))
        path = f"jvp of vjp of {sample.row.name}, argument {i}"
        assert_close(product.numpy(), expected, TOLERANCES["float64", "exact"], path, 10 * scale)


def check_linear(sample: Sample) -> None:
    """Show that the vjp is linear in its cotangent."""
    u = weights_of(sample)
    w = draw_like(values(sample), sample.seed, 4)
    mixed = [np.asarray(2.5 * a - 0.75 * b) for a, b in zip(u, w, strict=True)]
    parts = zip(pull(sample, mixed), pull(sample, u), pull(sample, w), strict=True)
    for i, (both, of_u, of_w) in enumerate(parts):
        path = f"linearity of the vjp of {sample.row.name}, argument {i}"
        scale = float(np.max(np.abs(of_u), initial=0) + np.max(np.abs(of_w), initial=0))
        expected = 2.5 * of_u - 0.75 * of_w
        assert_close(both, expected, TOLERANCES["float64", "exact"], path, 4 * scale)


def check_forms(sample: Sample) -> None:
    """Look at what each rule returns before the sweep projects it: shape and dtype of the primal.

    A row that broadcasts may return the shape of the result instead.
    """
    row = sample.row
    if row.kind == "composite":
        return

    def look(cotangent: Any, primal: Any, i: int) -> Any:
        path = f"rule of {row.name}, argument {i}, before projection"
        summed = row.broadcasts and cotangent.shape != primal.shape
        if not summed:
            assert_same_form(cotangent, primal, path)
            return cotangent
        assert cotangent.dtype == primal.dtype, f"{path}: {cotangent.dtype}, not {primal.dtype}"
        fits = np.broadcast_shapes(cotangent.shape, primal.shape)
        assert fits == cotangent.shape, (
            f"{path}: shape {cotangent.shape} {cotangent.dtype} cannot be summed to "
            f"{primal.shape} {primal.dtype}"
        )
        return cotangent

    pull(sample.of(mutated(row, look)), weights_of(sample))


def mutated(row: Op, change: Callable[[Any, Any, int], Any], only: int | None = None) -> Op:
    """Return a copy of the row, outside the table, whose rules' cotangents go through a function.

    Parameters
    ----------
    row : Op
        The row.
    change : callable
        ``change(cotangent, primal, argument)`` returns what is to be returned instead.
    only : int, optional
        The one argument whose cotangent is changed.
    """

    def changing(rule: Any, i: int) -> Any:
        if rule is None or only not in (None, i):
            return rule
        return lambda g, result, *primals, **params: change(
            rule(g, result, *primals, **params), primals[i], i
        )

    def joint(g: Any, result: Any, saved: Any, *primals: Any, **params: Any) -> list[Any]:
        found = row.joint(g, result, saved, *primals, **params)  # type: ignore[misc]
        return [
            c if c is None or only not in (None, i) else change(c, primals[i], i)
            for i, c in enumerate(found)
        ]

    if row.joint is not None:
        return replace(row, joint=joint)
    return replace(row, rules=tuple(changing(rule, i) for i, rule in enumerate(row.rules)))


def check_fused(sample: Sample) -> None:
    """Compare a fused row with its composite: value, first and second order."""
    row, exact = sample.row, TOLERANCES["float64", "exact"]
    assert row.composite is not None
    (y,) = values(sample)
    composed = row.composite(*sample.arrays, **sample.params)
    assert_close(composed, y, exact, f"value of the composite of {row.name}")
    cotangents, v = weights_of(sample), directions_of(sample)

    def both() -> tuple[list[Any], list[Any]]:
        outputs, leaves = call(sample, sample.moving)
        (seed,) = (leaf(w) for w in cotangents)
        first = gradients(outputs[0], leaves, seed, create_graph=True)
        second = gradients(contract(first, v), [*leaves, seed], retain_graph=True)
        return [t.numpy() for t in first], [t.numpy() for t in second]

    fast = pull(sample, cotangents)
    through_fast = both()
    with record_composites():
        through_composite = both()
    for i, (found, expected) in enumerate(zip(fast, through_composite[0], strict=True)):
        assert_close(found, expected, exact, f"fused vjp of {row.name}, argument {i}")
    for found, expected in zip(through_fast[0], through_composite[0], strict=True):
        assert_close(found, expected, exact, f"recorded vjp of {row.name}")
    for found, expected in zip(through_fast[1], through_composite[1], strict=True):
        assert_close(found, expected, exact, f"vjp of vjp of {row.name}", 10)


def check_unchanged(sample: Sample) -> None:
    """Compare inputs and cotangents byte for byte before and after, first and second order."""
    cotangents = weights_of(sample)
    watched = [a for a in (*sample.arrays, *cotangents) if isinstance(a, np.ndarray)]
    before = [array.tobytes() for array in watched]
    found = pull(sample, cotangents)
    outputs, leaves = call(sample, sample.moving)
    first = gradients(contract(outputs, cotangents), leaves, create_graph=True)
    inner = contract(first, directions_of(sample))
    if isinstance(inner, Tensor) and inner.requires_grad:
        gradients(inner, leaves)
    for i, (array, content) in enumerate(zip(watched, before, strict=True)):
        assert array.tobytes() == content, f"{sample.row.name} wrote to its array {i}"
    for i, gradient in enumerate(found):
        for other in (*watched, *found[:i]):
            assert not np.shares_memory(gradient, other), (
                f"the gradient of {sample.row.name}, argument {i}, shares memory with an array"
            )


def numpy_functions(row: Op) -> list[Any]:
    """Return the NumPy functions that the row stands for."""
    return [
        function
        for function, found in BY_FUNCTION.items()
        if found is row
        and (isinstance(function, tuple) or (function.__module__ or "numpy").startswith("numpy"))
    ]


def call_as_numpy(row: Op, function: Any, arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """Call a NumPy function of the row as NumPy's callers do: in the row's declared order."""
    if isinstance(function, tuple):
        ufunc, method = function
        return getattr(ufunc, method)(*arrays, **params)
    values = [list(arrays)] if row.variadic else arrays
    given: dict[str, Any] = {**params, **dict(zip(row.arguments, values, strict=True))}
    args: list[Any] = []
    for name in row.order:
        if name.startswith("*"):
            args.extend(given.pop(name[1:]))
        elif name in given and name not in _keyword_only(function):
            args.append(given.pop(name))
        else:
            break
    return function(*args, **given)


def _keyword_only(function: Any) -> set[str]:
    if isinstance(function, np.ufunc):
        return set()
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
