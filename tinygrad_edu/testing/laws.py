"""The laws that every row of the table obeys, as checks of one call of one row.

Each check takes a `Sample` and raises AssertionError with a path: which derivative of which row, by
which argument. The engine's own sweep runs the rules; the inputs and cotangents are read-only
arrays. The tests of this package apply the laws to its rows, and to rows broken on purpose;
``op_check.py``, which is to be read next, applies them to the ops of users.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_edu.core.graph import Leaf
from tinygrad_edu.core.op import BY_FUNCTION, Op
from tinygrad_edu.core.switch import no_grad, record_composites
from tinygrad_edu.core.tensor import Tensor, constant, handle
from tinygrad_edu.core.transforms import gradients, hvp, jvp
from tinygrad_edu.numeric.difference import directional_derivative
from tinygrad_edu.testing.samples import Sample, differentiable

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

NARROW = {
    np.dtype(np.float64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.complex64),
}
"""What a wide dtype is in single precision."""


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
    """Return the results of a row, one or several, as a list.

    An index or a count beside other results has no derivative, and is left out.
    """
    found = row.through(arrays, params)
    if not isinstance(found, (list, tuple)):
        return [found]
    return [y for y in found if y.dtype.kind in "fc"] or list(found)


def differentiated(row: Op) -> Op:
    """Return the row whose slopes the gradient must have: an exempt row names another function."""
    return row if row.surrogate is None else replace(row, forward=row.surrogate)


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
        numbers = np.asarray(rng.uniform(0.5, 1.5, size=shape) * sign)
        if array.dtype.kind == "c":
            numbers = numbers + 1j * rng.permutation(np.ravel(numbers)).reshape(shape)
        numbers = np.asarray(numbers).astype(array.dtype)
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
    """Return the real inner product of two lists of arrays, or of Tensors.

    Complex numbers are pairs in it. A left side that only a complex step has made complex is
    multiplied as it is.
    """
    total: Any = 0.0
    for a, b in zip(left, right, strict=True):
        if b.dtype.kind == "c":
            total = total + np.sum(np.real(np.multiply(np.conj(b), a)))
        else:
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


def demand(holds: Any, words: str) -> None:
    """Raise with these words unless something holds; unlike ``assert``, also under ``-O``."""
    if not holds:
        raise AssertionError(words)


def assert_close(found: Any, expected: Any, tolerance: float, path: str, scale: float = 0) -> None:
    """Raise unless two arrays have one shape and differ by little, or are both nan or inf."""
    found, expected = np.asarray(found), np.asarray(expected)
    demand(found.shape == expected.shape, f"{path}: shape {found.shape}, expected {expected.shape}")
    if found.dtype.kind not in "fc" or expected.dtype.kind not in "fc":
        demand((found == expected).all(), f"{path}: found {found!r}, expected {expected!r}")
        return
    size = 1 + scale + np.abs(np.where(np.isfinite(expected), expected, 0))
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        wrong = ~(same | (np.abs(found - expected) <= tolerance * size))
    if wrong.any():
        worst = np.argwhere(wrong)[0].tolist()
        raise AssertionError(
            f"{path}: {int(wrong.sum())} of {found.size} numbers differ; at {worst} "
            f"found {found[tuple(worst)].item()!r}, expected {expected[tuple(worst)].item()!r}"
        )


def assert_same_form(found: Any, like: Any, path: str) -> None:
    """Raise unless an array has the shape and dtype of another."""
    demand(isinstance(found, (np.ndarray, np.generic)), f"{path}: a {type(found).__name__}")
    same = (found.shape, found.dtype) == (like.shape, like.dtype)
    words = f"{path}: shape {found.shape} {found.dtype}, expected {like.shape} {like.dtype}"
    demand(same, words)


def numerical(
    sample: Sample,
    f: Callable[[list[Any]], Any],
    moving: Sequence[int],
    directions: Sequence[Any],
    method: Any = "five-point",
) -> Any:
    """Return how fast a function of the moving arguments changes along directions."""
    arrays = [sample.arrays[i] for i in moving]
    ends = np.cumsum([reals(array).size for array in arrays])[:-1]

    def line(flat: Any) -> Any:
        parts = np.split(flat, ends)
        return f([_of_reals(part, a) for part, a in zip(parts, arrays, strict=True)])

    point = np.concatenate([reals(a) for a in arrays])
    direction = np.concatenate([reals(v) for v in directions])
    return directional_derivative(line, point, direction, method)


def reals(array: Any) -> Any:
    """Return all numbers on one axis, complex ones as pairs of real ones."""
    if np.iscomplexobj(array):
        array = np.stack([np.real(array), np.imag(array)], axis=-1)
    return np.ravel(array)


def _of_reals(flat: Any, like: Any) -> Any:
    """Return the array of the shape of another of which `reals` gives these numbers."""
    if np.iscomplexobj(like):
        flat = flat[0::2] + 1j * flat[1::2]
    return np.reshape(flat, like.shape)


def method_of(sample: Sample) -> str:
    """Return the formula: complex step where NumPy has the row for complex numbers, smooth."""
    row = sample.row
    if any(np.iscomplexobj(a) for a in (*sample.arrays, *values(sample)) if a is not None):
        return "five-point"
    types = getattr(row.forward, "types", ())
    analytic = ("D->D" in types or "DD->D" in types) and not row.kinks
    return "complex-step" if analytic and row.name not in ("conjugate", "sign") else "five-point"


# ------------------------------------------------------------------------------ the laws


def check_order_1(sample: Sample) -> None:
    """Compare each argument's cotangent, along a direction, with the numerical derivative."""
    row, cotangents = sample.row, weights_of(sample)
    method = method_of(sample)
    tolerance = TOLERANCES["float64", "complex step" if method == "complex-step" else "order 1"]
    together = pull(sample, cotangents)
    for i, found, v in zip(sample.moving, together, directions_of(sample), strict=True):
        path = f"vjp of {row.name}, argument {i}"
        assert_same_form(found, sample.arrays[i], path)

        def weighted(values: list[Any], i: int = i) -> Any:
            outputs = results(differentiated(row), _filled(sample, (i,), values), sample.params)
            return contract(outputs, cotangents)

        expected = numerical(sample, weighted, (i,), [v], method)
        scale = float(np.sum(np.abs(found * v)))
        assert_close(contract([found], [v]), expected, tolerance, path, scale)
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
    arrays = [sample.arrays[i] for i in moving]

    def result(k: int, moved: Sequence[Any]) -> Any:
        y = results(sample.row, _filled(sample, moving, moved), sample.params)[k]
        return y if isinstance(y, Tensor) else constant(np.asarray(y))  # nothing moves it

    return [
        jvp(lambda *moved, k=k: result(k, moved), arrays, tangents)[1].numpy()
        for k in range(len(values(sample)))
    ]


def check_jvp(sample: Sample) -> None:
    """Compare forward mode with the numerical derivative, all arguments moving and each alone."""
    row, cotangents = sample.row, weights_of(sample)
    directions = dict(zip(sample.moving, directions_of(sample), strict=True))
    method = method_of(sample)
    analytic = method == "complex-step"
    tolerance = TOLERANCES["float64", "complex step" if analytic else "order 1"]
    for moving in choices(sample):
        path = f"jvp of {row.name}, arguments {moving}"
        v = [directions[i] for i in moving]
        tangents = push(sample, moving, v)
        for tangent, y in zip(tangents, values(sample), strict=True):
            assert_same_form(tangent, y, path)

        def plain(values: list[Any], moving: Sequence[int] = moving) -> Any:
            arrays = _filled(sample, moving, values)
            outputs = results(differentiated(row), arrays, sample.params)
            return np.concatenate([np.ravel(y) if analytic else reals(y) for y in outputs])

        expected = numerical(sample, plain, moving, v, method)
        found = np.concatenate([reals(tangent) for tangent in tangents])
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

    A row that broadcasts may return the shape of the result instead; where numbers are complex a
    rule may return real ones, and the other way round, but of the precision of the primal.
    """
    row = sample.row
    if row.kind == "composite":
        return

    def look(cotangent: Any, primal: Any, i: int) -> Any:
        path = f"rule of {row.name}, argument {i}, before projection"
        given = cotangent
        if "c" in (cotangent.dtype.kind, primal.dtype.kind):
            wide = np.result_type(primal.dtype, np.complex64)
            primal = np.broadcast_to(np.zeros((), wide), primal.shape)
            cotangent = np.broadcast_to(
                np.zeros((), np.result_type(cotangent.dtype, np.complex64)), cotangent.shape
            )
        summed = row.broadcasts and cotangent.shape != primal.shape
        if not summed:
            assert_same_form(cotangent, primal, path)
            return given
        dtype = cotangent.dtype
        demand(dtype == primal.dtype, f"{path}: {dtype}, expected {primal.dtype}")
        demand(
            np.broadcast_shapes(cotangent.shape, primal.shape) == cotangent.shape,
            f"{path}: shape {cotangent.shape} {dtype} cannot be summed to "
            f"{primal.shape} {primal.dtype}",
        )
        return given

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
    (y,) = values(sample)
    composed = row.composite(*sample.arrays, **sample.params)  # type: ignore[misc]  # it is fused
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
        demand(array.tobytes() == content, f"{sample.row.name} wrote to its array {i}")
    for i, gradient in enumerate(found):
        for other in (*watched, *found[:i]):
            demand(
                not np.shares_memory(gradient, other),
                f"the gradient of {sample.row.name}, argument {i}, shares memory with an array",
            )


# ------------------------------------------------------------------------------ values and forms


def check_values(sample: Sample) -> None:
    """Compare the values on Tensors with those on arrays: the same numbers, shapes and dtypes."""
    name = sample.row.name
    tensors = [constant(a) if isinstance(a, np.ndarray) else a for a in sample.arrays]
    expected, found = values(sample), results(sample.row, tensors, sample.params)
    demand(len(found) == len(expected), f"{name}: {len(found)} results, not {len(expected)}")
    for tensor, array in zip(found, expected, strict=True):
        demand(isinstance(tensor, Tensor), f"{name}: of Tensors, it gives a {type(tensor)}")
        assert_same_form(tensor.numpy(), np.asarray(array), name)
        # NumPy's z ** 2 of a complex array is z * z, and not what its power function gives.
        tolerance = TOLERANCES["float64", "exact"] if np.iscomplexobj(array) else 0.0
        assert_close(tensor.numpy(), array, tolerance, f"value of {name} on Tensors")


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "Fortran": lambda a: np.array(a, order="F"),
    "reversed": lambda a: np.asarray(np.flip(np.array(np.flip(a)))),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}
"""Ways to lay equal numbers out in memory."""


def check_layout(sample: Sample, layout: str) -> None:
    """Compare values and cotangents of arrays laid out otherwise in memory: nothing changes."""
    other = sample.laid_out(LAYOUTS[layout])
    exact = TOLERANCES["float64", "exact"]
    path = f"{sample.row.name} of {layout} arrays"
    for found, expected in zip(values(other), values(sample), strict=True):
        assert_close(found, expected, exact, path)
    if sample.moving:
        weights = weights_of(sample)
        for found, expected in zip(pull(other, weights), pull(sample, weights), strict=True):
            assert_close(found, expected, exact, f"vjp of {path}", 10)


def check_layouts(sample: Sample) -> None:
    """Compare every layout with the usual one."""
    for layout in LAYOUTS:
        check_layout(sample, layout)


def check_float32(sample: Sample) -> None:
    """Show that float32 stays float32, in values and both modes, and is near float64."""
    if "dtype" in sample.params:  # a row that is told the dtype is told this one
        sample = replace(sample, params={**sample.params, "dtype": np.float32})
    narrow, row = sample.astype(np.float32), sample.row
    wide = narrow.astype(np.float64)
    outputs = [np.asarray(y) for y in values(narrow)]
    for y, precise in zip(outputs, values(wide), strict=True):
        demand(y.dtype not in (np.float64, np.complex128), f"{row.name} widens float32")
        expected = NARROW.get(np.asarray(precise).dtype, y.dtype)
        demand(y.dtype == expected, f"{row.name} turns float32 into {y.dtype}")
        scale = float(np.max(np.abs(precise), initial=0))
        assert_close(y, precise, TOLERANCES["float32", "order 0"], row.name, scale)
    if not sample.moving:
        return
    weights = weights_of(narrow)
    exact = pull(wide, [w.astype(np.result_type(w, np.float64)) for w in weights])
    for i, gradient, precise in zip(sample.moving, pull(narrow, weights), exact, strict=True):
        assert_same_form(gradient, narrow.arrays[i], f"vjp of {row.name}, argument {i}")
        scale = float(np.max(np.abs(precise), initial=0))
        tolerance = TOLERANCES["float32", "order 1"]
        assert_close(gradient, precise, tolerance, f"vjp of {row.name} in float32", scale)
    check_forms(narrow)
    tangents = push(narrow, narrow.moving, directions_of(narrow))
    narrowed = all(t.dtype == y.dtype for t, y in zip(tangents, outputs, strict=True))
    demand(narrowed, f"jvp of {row.name} widens float32")


def check_empty(sample: Sample) -> None:
    """Show that cotangents have their form also where arrays are empty, and are then zero."""
    weights = weights_of(sample)
    for i, gradient in zip(sample.moving, pull(sample, weights), strict=True):
        path = f"vjp of {sample.row.name}, argument {i}"
        assert_same_form(gradient, sample.arrays[i], path)
        nothing = all(w.size == 0 for w in weights)
        demand(not (nothing and gradient.any()), f"{path}: not zero, though the result is empty")


def check_accumulation(sample: Sample) -> None:
    """Show that ``backward()`` adds into arrays that belong to their leaf alone."""
    name = sample.row.name
    outputs, leaves = call(sample, sample.moving)
    total = contract(outputs, weights_of(sample))
    total.backward(retain_graph=True)
    once = [leaf.grad.copy() for leaf in leaves]
    total.backward()
    for i, (leaf_, gradient) in enumerate(zip(leaves, once, strict=True)):
        path = f"grad of {name}, argument {i}"
        grad: Any = leaf_.grad
        assert_same_form(grad, leaf_.numpy(), path)
        assert_close(grad, gradient + gradient, 0.0, f"{path}, after two sweeps")
        demand(grad.flags.writeable, f"{path}: read-only")
        for other in leaves[:i]:
            demand(not np.shares_memory(grad, other.grad), f"{path}: shares memory with another")


def check_unrecorded(sample: Sample) -> None:
    """Show that nothing is recorded while recording is off."""
    with no_grad():
        outputs, leaves = call(sample, sample.moving)
    for y in outputs:
        returned = any(y is leaf_ for leaf_ in leaves)  # a row may return its argument as it is
        demand(
            returned or (y.node is None and not y.requires_grad),
            f"{sample.row.name} records under no_grad",
        )


def check_constant(sample: Sample) -> None:
    """Show that a row without a derivative gives constants."""
    floats = [i for i, a in enumerate(sample.arrays) if getattr(a, "dtype", None) == np.float64]
    outputs, _ = call(sample, floats)
    demand(all(y.node is None for y in outputs), f"{sample.row.name} records without a derivative")


# ------------------------------------------------------------------------------ NumPy's functions


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
    # Of a list np.lexsort makes an array, without asking what is in it.
    values = [(tuple if function is np.lexsort else list)(arrays)] if row.variadic else arrays
    if _takes_any_keyword(function):
        # Such a function refuses the keywords that its other arguments do not ask for.
        named = inspect.signature(function).parameters
        params = {k: v for k, v in params.items() if k in named or v is not row.params[k]}
    given: dict[str, Any] = {**params, **dict(zip(row.arguments, values, strict=True))}
    given = {k: v for k, v in given.items() if v is not None or k not in row.optional}
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


def _takes_any_keyword(function: Any) -> bool:
    if isinstance(function, np.ufunc):
        return False
    parameters = inspect.signature(function).parameters.values()
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def check_numpy_functions(sample: Sample) -> None:
    """Show that the NumPy functions of the row, called with Tensors, reach it."""
    row = sample.row
    tensors = [constant(a) if isinstance(a, np.ndarray) else a for a in sample.arrays]
    for function in numpy_functions(row):
        try:
            expected = call_as_numpy(row, function, sample.arrays, sample.params)
        except TypeError:
            if any(np.iscomplexobj(a) for a in sample.arrays if a is not None):
                continue  # one of the functions, such as np.fabs, has no complex numbers
            raise
        found = call_as_numpy(row, function, tensors, sample.params)
        if not isinstance(expected, (list, tuple)):
            expected, found = [expected], [found]
        path = f"{row.name} as {function}"
        demand(len(found) == len(expected), f"{path}: {len(found)} results, not {len(expected)}")
        for tensor, array in zip(found, expected, strict=True):
            demand(isinstance(tensor, Tensor), f"{path}: gives a {type(tensor)}")
            dtype = np.asarray(array).dtype
            demand(tensor.dtype == dtype, f"{path}: {tensor.dtype}, expected {dtype}")
            assert_close(tensor.numpy(), array, TOLERANCES["float64", "exact"], path)


# ------------------------------------------------------------------------------ the list


@dataclass(frozen=True)
class Law:
    """One law: what it says, how it is checked, and which rows it is about.

    Attributes
    ----------
    name : str
        How it is called for.
    claim : str
        What holds.
    check : callable
        Takes a `Sample`; raises if it does not hold.
    applies : callable
        Whether the law is about a row.
    smallest : int
        Least length of an axis of drawn shapes: 0 where empty arrays belong to the law.
    """

    name: str
    claim: str
    check: Callable[[Sample], None]
    applies: Callable[[Op], bool] = differentiable
    smallest: int = 1


LAWS: tuple[Law, ...] = (
    Law("values", "Tensors give the values that arrays give", check_values, lambda _row: True, 0),
    Law(
        "numpy",
        "the NumPy functions that it stands for reach it",
        check_numpy_functions,
        lambda row: bool(numpy_functions(row)),
        0,
    ),
    Law("order 1", "the vjp is the numerical derivative", check_order_1),
    Law("forms", "a rule returns the shape and dtype of its primal", check_forms),
    Law("linear", "the vjp is linear in its cotangent", check_linear),
    Law("jvp", "forward mode is the numerical derivative and dual to the vjp", check_jvp),
    Law("order 2", "the vjp of the vjp is the numerical derivative of the vjp", check_order_2),
    Law("symmetry", "the jvp of the vjp is the vjp of the vjp", check_forward_over_reverse),
    Law(
        "fused",
        "a fused row is its composite, value and derivatives",
        check_fused,
        lambda row: row.kind == "fused",
    ),
    Law("unchanged", "nothing writes to inputs or cotangents", check_unchanged),
    Law("accumulation", "backward() adds into arrays that are owned", check_accumulation),
    Law("float32", "float32 stays float32, and near float64", check_float32, lambda _row: True),
    Law("layout", "the layout in memory changes nothing", check_layouts, lambda _row: True),
    Law("empty", "empty arrays have empty gradients", check_empty, differentiable, 0),
    Law("no_grad", "nothing is recorded while recording is off", check_unrecorded),
    Law(
        "constant",
        "without a derivative it gives constants",
        check_constant,
        lambda row: not differentiable(row),
    ),
)
"""The laws, in the order in which they are asked."""
